/* IN text of known length · OUT numbers · OWNS nothing · THREADS any · SOURCE Clinger 1990 (exact
 * fast path)
 *
 * Strict, locale-independent readers of one value: the whole text or nothing, no surrounding space,
 * no hexadecimal, no "inf" or "nan". Used by configuration and by the data sources. */
#ifndef ENT_COMMON_CONFIG_SCALAR_H
#define ENT_COMMON_CONFIG_SCALAR_H

#include <stdint.h>

#include "common/base/err.h"

/* [+-]digits[.digits][e[+-]digits], finite after rounding to nearest. False: not such a number. */
bool ent_scalar_double(const char *text, size_t len, double *out);
/* Decimal digits only, no sign; false when it does not fit. */
bool ent_scalar_u64(const char *text, size_t len, uint64_t *out);
/* Whole number or decimal fraction and a unit (ms s min h d), result in whole milliseconds. */
bool ent_scalar_duration_ms(const char *text, size_t len, uint64_t *out);
/* Whole number and nothing, B, KiB, MiB, GiB, kB, MB or GB. */
bool ent_scalar_size(const char *text, size_t len, uint64_t *out);
/* true false yes no 1 0 t f y n on off, any case. */
bool ent_scalar_bool(const char *text, size_t len, bool *out);

/* The shortest text that reads back as the same double. At most 32 bytes. */
#define ENT_SCALAR_TEXT_BYTES 32
void ent_scalar_double_text(double value, char out[ENT_SCALAR_TEXT_BYTES]);

#endif
