/* The shared vectors of the audit log, as JSON and as bytes. */
#ifndef ENT_TESTS_UNIT_COMMON_TLOG_VECTORS_H
#define ENT_TESTS_UNIT_COMMON_TLOG_VECTORS_H

#include "common/crypto/sha256.h"
#include "common/json/json.h"

/* NULL when the file is not there (the skip is recorded). Caller frees. */
struct ent_json *vectors_load(void);
/* The bytes of a member written in hex; valid until the 32nd call after this one. */
struct ent_part vector_hex(const struct ent_json *object, const char *key);
struct ent_part vector_hex_of(const struct ent_json *value);
/* The bytes of a member that is text. Lives as long as the tree. */
struct ent_part vector_text(const struct ent_json *object, const char *key);
uint64_t vector_uint(const struct ent_json *object, const char *key);
bool vector_is(const struct ent_json *object, const char *key, const char *text);
/* The same bytes. */
bool parts_equal(struct ent_part a, struct ent_part b);

#endif
