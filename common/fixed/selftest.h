/* IN - · OUT the bytes of a known computation · OWNS nothing · THREADS any
 * SOURCE audit.md 3.4
 *
 * Before a program adds or trains anything it shows that this build on this machine rounds as every
 * other does. */
#ifndef ENT_COMMON_FIXED_SELFTEST_H
#define ENT_COMMON_FIXED_SELFTEST_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_SELFTEST_BYTES 1024

/* Round to nearest, no flush-to-zero (a linked fast-math object can set it), and a fixed
 * quantise-add-apply computation with its known result. UNSUPPORTED, with what differs, otherwise.
 * The bytes are the results of that computation; their SHA-256 is the self-test digest that
 * programs log and RunStart carries. */
ENT_MUST enum ent_err ent_fixed_selftest(uint8_t out[ENT_SELFTEST_BYTES]);

#endif
