/* Values of a status as reports show them: what is absent or of another kind is empty, zero, NaN or no, never an error. */
#ifndef ENT_COORDINATOR_ENGINE_REPORT_READ_H
#define ENT_COORDINATOR_ENGINE_REPORT_READ_H

#include <math.h>

#include "common/json/json.h"

static inline const char *text(const struct ent_json *object, const char *key)
{
    const char *s = "";

    return ent_json_string(ent_json_get(object, key), key, &s) == ENT_E_OK ? s : "";
}

static inline uint64_t number(const struct ent_json *object, const char *key)
{
    uint64_t v = 0;

    return ent_json_uint(ent_json_get(object, key), key, INT64_MAX, &v) == ENT_E_OK ? v : 0;
}

static inline double real(const struct ent_json *object, const char *key)
{
    double v = 0;

    return ent_json_double(ent_json_get(object, key), key, &v) == ENT_E_OK ? v : (double)NAN;
}

static inline bool yes(const struct ent_json *object, const char *key)
{
    bool v = false;

    return ent_json_bool(ent_json_get(object, key), key, &v) == ENT_E_OK && v;
}

#endif
