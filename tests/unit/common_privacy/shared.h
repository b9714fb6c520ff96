/* Reference files of these tests, as JSON. */
#ifndef ENT_TESTS_UNIT_COMMON_PRIVACY_SHARED_H
#define ENT_TESTS_UNIT_COMMON_PRIVACY_SHARED_H

#include <stdint.h>

#include "common/json/json.h"

/* NULL (and a skip that says so) when the file is not there; caller frees with ent_json_free. */
struct ent_json *shared_json(const char *relative);

/* A member that must be there. */
double shared_number(const struct ent_json *object, const char *key);
uint64_t shared_uint(const struct ent_json *object, const char *key);
const char *shared_text(const struct ent_json *object, const char *key);

#endif
