/* Values out of texts: what a field of a row is for a feature or the label. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "client/data/bind.h"
#include "common/base/buf.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"

const char ent_bind_comma[] = "not a number: it has a decimal comma";
const char ent_bind_not_boolean[] = "neither true nor false";

/* By the member's own spelling when there is one; otherwise *is_missing. */
struct ent_text ent_bind_text(const struct ent_strings *missing, const struct ent_column_map *map,
                              const struct ent_text *field, bool *is_missing)
{
    struct ent_text t = ent_text_trim(field->text, field->len);

    *is_missing = false;
    for (uint32_t i = 0; map != NULL && i < map->n_spellings; i++) {
        if (ent_bind_same(&t, map->spellings[i].own)) {
            const char *plan = map->spellings[i].plan;

            return (struct ent_text){.text = plan, .len = strlen(plan)};
        }
    }
    *is_missing = t.len == 0;
    for (uint32_t i = 0; i < missing->n && !*is_missing; i++) {
        *is_missing = ent_bind_same(&t, missing->items[i]);
    }
    return t;
}

static struct ent_text translate(const struct ent_bindings *all, const struct ent_column_map *map,
                                 const struct ent_text *field, bool *is_missing)
{
    return ent_bind_text(&all->missing, map, field, is_missing);
}

/* A date's seconds; NULL, or why not. */
static const char *read_date(const struct ent_bindings *all, const struct ent_bound *bound,
                             const struct ent_text *field, bool *missing, int64_t *seconds)
{
    struct ent_text t = translate(all, bound->map, field, missing);

    if (!*missing && !ent_date_parse(bound->feature->format, t.text, t.len, seconds)) {
        return "not a date in the plan's format";
    }
    return NULL;
}

static const char *bind_age(const struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, float *out)
{
    bool missing;
    int64_t seconds = 0;
    const char *why = read_date(all, bound, field, &missing, &seconds);

    if (why == NULL) {
        *out =
            missing ? NAN : (float)((double)(bound->feature->reference - seconds) / 86400.0) + 0.0F;
    }
    return why;
}

static const char *bind_date_code(const struct ent_bindings *all, const struct ent_bound *bound,
                                  const struct ent_text *field, uint16_t *out)
{
    bool missing;
    int64_t seconds = 0;
    const char *why = read_date(all, bound, field, &missing, &seconds);
    uint32_t code = ENT_CODE_MISSING;

    if (why == NULL && !missing) {
        switch (bound->feature->part) {
        case ENT_DATE_MONTH:
            code = ent_date_month(seconds) - 1;
            break;
        case ENT_DATE_WEEKDAY:
            code = ent_date_weekday(seconds);
            break;
        default:
            code = ent_date_hour(seconds);
            break;
        }
    }
    *out = (uint16_t)code;
    return why;
}

static float to_float(double v)
{
    v = v > (double)FLT_MAX ? (double)FLT_MAX : (v < -(double)FLT_MAX ? -(double)FLT_MAX : v);
    return (float)v + 0.0F; /* -0 becomes 0, so that equal rows have equal bits */
}

const char *ent_bind_number(const struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, float *out)
{
    bool missing;
    struct ent_text t;
    double v;

    if (bound->feature->part != ENT_DATE_NONE) {
        return bind_age(all, bound, field, out);
    }
    t = translate(all, bound->map, field, &missing);
    if (missing) {
        *out = NAN;
        return NULL;
    }
    if (!ent_scalar_double(t.text, t.len, &v)) {
        return ent_text_decimal_comma(&t) ? ent_bind_comma : "not a number";
    }
    *out = to_float(v);
    return NULL;
}

const char *ent_bind_category(const struct ent_bindings *all, const struct ent_bound *bound,
                              const struct ent_text *field, uint16_t *out)
{
    struct ent_text t = ent_text_trim(field->text, field->len);
    const struct ent_word *word;
    bool missing;

    if (bound->feature->part != ENT_DATE_NONE) {
        return bind_date_code(all, bound, field, out);
    }
    word = ent_bind_slot(bound, t.text, t.len);
    if (word->text != NULL && word->spelled) {
        *out = word->code;
        return NULL;
    }
    (void)translate(all, NULL, &t, &missing);
    if (missing) {
        *out = ENT_CODE_MISSING;
        return NULL;
    }
    if (word->text == NULL && !ent_text_valid(t.text, t.len)) {
        return "not UTF-8 text";
    }
    *out = word->text != NULL ? word->code : (uint16_t)bound->feature->n_values;
    return NULL;
}

static void add_text(struct ent_sha256 *hash, const char *text)
{
    size_t len = strlen(text);
    uint8_t be[4];

    ent_put_be32(be, (uint32_t)len);
    ent_sha256_add(hash, be, sizeof be);
    ent_sha256_add(hash, text, len);
}

enum ent_err ent_bind_hash(struct ent_sha256 *hash, const struct ent_feature *feature,
                           const void *value, size_t len, uint32_t *out)
{
    static const char domain[] = "entente/value/v1"; /* its zero byte is hashed as well */
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256_init(hash));
    ent_sha256_add(hash, domain, sizeof domain);
    add_text(hash, feature->salt);
    add_text(hash, feature->name);
    ent_sha256_add(hash, value, len);
    ent_sha256_finish(hash, digest);
    *out = ent_get_be32(digest) >> (32U - feature->bits);
    return ENT_E_OK;
}

const char *ent_bind_bucket(struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, uint32_t *out)
{
    bool missing;
    struct ent_text t = translate(all, bound->map, field, &missing);
    enum ent_err err;

    *out = ENT_BUCKET_MISSING;
    if (missing) {
        return NULL;
    }
    if (!ent_text_valid(t.text, t.len)) {
        return "not UTF-8 text"; /* another encoding would be another hash */
    }
    err = ent_bind_hash(&all->hash, bound->feature, t.text, t.len, out);
    all->err = all->err == ENT_E_OK ? err : all->err;
    return NULL;
}

const char *ent_bind_boolean(const struct ent_bindings *all, const struct ent_bound *bound,
                             const struct ent_text *field, int8_t *out)
{
    bool missing;
    struct ent_text t = translate(all, bound->map, field, &missing);
    bool v = false;

    if (!missing && !ent_scalar_bool(t.text, t.len, &v)) {
        return ent_bind_not_boolean;
    }
    *out = (int8_t)(missing ? -1 : (v ? 1 : 0));
    return NULL;
}

/* ---- vectors ---- */

static const char wrong_length[] = "not a vector of the plan's length";

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == ',' || c == ';';
}

/* Numbers with blanks, commas or semicolons between them. */
static const char *read_numbers(const char *p, const char *end, uint32_t length, float *out)
{
    uint32_t n = 0;

    for (;;) {
        const char *from;
        double v;

        while (p < end && is_between(*p)) {
            p++;
        }
        if (p == end) {
            return n == length ? NULL : wrong_length;
        }
        for (from = p; p < end && !is_between(*p);) {
            p++;
        }
        if (n == length) {
            return wrong_length;
        }
        if (!ent_scalar_double(from, (size_t)(p - from), &v)) {
            return "not a vector of numbers";
        }
        out[n++] = to_float(v);
    }
}

const char *ent_bind_vector(const struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, float *out)
{
    uint32_t length = bound->feature->length;
    bool missing = false;
    struct ent_text t;

    if (field->raw) {
        if (field->len != length) {
            return wrong_length;
        }
        for (uint32_t i = 0; i < length; i++) {
            out[i] = (float)(unsigned char)field->text[i];
        }
        return NULL;
    }
    t = translate(all, bound->map, field, &missing);
    if (missing) {
        for (uint32_t i = 0; i < length; i++) {
            out[i] = NAN;
        }
        return NULL;
    }
    if (t.len >= 2 && t.text[0] == '[' && t.text[t.len - 1] == ']') {
        t.text++;
        t.len -= 2;
    }
    return read_numbers(t.text, t.text + t.len, length, out);
}

const char *ent_bind_label(const struct ent_bindings *all, const struct ent_text *field,
                           uint8_t *out)
{
    bool missing;
    struct ent_text t = translate(all, all->label.map, field, &missing);

    if (missing) {
        *out = ENT_LABEL_ABSENT;
        return NULL;
    }
    if (!ent_text_valid(t.text, t.len)) {
        return "not UTF-8 text";
    }
    *out = ent_bind_same(&t, all->label_positive) ? 1 : 0;
    return NULL;
}

static const char *bind_class(const struct ent_bindings *all, const struct ent_text *text,
                              float *out)
{
    const struct ent_word *word = ent_bind_slot(&all->label, text->text, text->len);

    if (word->text == NULL) {
        return "none of the label's values";
    }
    *out = (float)word->code;
    return NULL;
}

const char *ent_bind_target(const struct ent_bindings *all, const struct ent_schema *schema,
                            const struct ent_text *field, float *out, bool *clipped)
{
    bool missing;
    struct ent_text t = translate(all, all->label.map, field, &missing);
    double half = 0.5 * (schema->label_hi - schema->label_lo);
    double v;

    *clipped = false;
    if (missing) {
        *out = NAN;
        return NULL;
    }
    if (schema->n_label_values > 0) {
        return bind_class(all, &t, out);
    }
    if (!ent_scalar_double(t.text, t.len, &v)) {
        return "not a number";
    }
    *clipped = v < schema->label_lo || v > schema->label_hi;
    v = v < schema->label_lo ? schema->label_lo : (v > schema->label_hi ? schema->label_hi : v);
    *out = (float)((v - schema->label_lo) / half - 1.0) + 0.0F;
    return NULL;
}
