/* Which strings may come over the wire. Identifiers are compared, logged and shown, so they are plain; sentences are for
 * people, so they are UTF-8, but cannot steer a terminal or reorder what stands beside them.
 * Source: audit.md 2.2; Unicode 15 (bidirectional controls, noncharacters). */
#ifndef ENT_COMMON_SCHEMA_TEXT_H
#define ENT_COMMON_SCHEMA_TEXT_H

#include <stdint.h>

#include "common/base/err.h"

/* All of [A-Za-z0-9 ._:/@+-]. */
bool ent_text_is_name(const char *s, size_t len);
/* Valid UTF-8 without control characters, line or paragraph separators, bidirectional controls and noncharacters. */
bool ent_text_is_printable(const char *s, size_t len);
/* Make any C string printable: what is not becomes '?'; cut at the end of a character to fit out[max_bytes + 1]. */
void ent_text_fit(const char *s, char *out, size_t max_bytes);

#endif
