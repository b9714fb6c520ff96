#include "client/data/bind.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"

/* ---- which column ---- */

static const struct ent_column_map *find_map(const struct ent_client_config *config,
                                             const char *feature)
{
    for (uint32_t i = 0; i < config->n_columns; i++) {
        if (strcmp(config->columns[i].feature, feature) == 0) {
            return &config->columns[i];
        }
    }
    return NULL;
}

static bool same(const struct ent_text *a, const char *b)
{
    return a->len == strlen(b) && memcmp(a->text, b, a->len) == 0;
}

/* The nearest header name, terminated, into near[128]; false when none is near. */
static bool nearest(const char *name, const struct ent_text *header, size_t n, char near[128])
{
    char *text = NULL;
    const char **names = NULL;
    const char *found = NULL;
    size_t total = 1;

    for (size_t i = 0; i < n; i++) {
        total += header[i].len + 1;
    }
    if (ent_calloc(total, 1, &text) == ENT_E_OK &&
        ent_calloc(n, sizeof(const char *), &names) == ENT_E_OK) {
        char *p = text;

        for (size_t i = 0; i < n; i++) {
            memcpy(p, header[i].text, header[i].len);
            names[i] = p;
            p += header[i].len + 1;
            found = strcasecmp(names[i], name) == 0 ? names[i] : found;
        }
        found = found != NULL ? found : ent_nearest(name, names, n);
    }
    if (found != NULL) {
        (void)snprintf(near, 128, "%s", found);
    }
    free(text);
    free((void *)names);
    return found != NULL;
}

static void list_header(const struct ent_text *header, size_t n, char *out, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < n && used < size; i++) {
        int len = snprintf(out + used, size - used, "%s%.*s", i > 0 ? ", " : "",
                           header[i].len > 40 ? 40 : (int)header[i].len, header[i].text);

        used += len > 0 ? (size_t)len : 0;
    }
}

/* what: "feature age", "the label", "unit_key". */
static enum ent_err find_field(const struct ent_text *header, size_t n, const char *column,
                               const char *what, size_t *out)
{
    size_t found = ENT_BIND_NONE;
    char near[128];
    char list[240] = "";

    for (size_t i = 0; i < n; i++) {
        if (same(&header[i], column)) {
            ENT_REQUIRE(found == ENT_BIND_NONE, ENT_E_DATA,
                        "column '%.80s' (%.100s) stands in the header twice", column, what);
            found = i;
        }
    }
    if (found != ENT_BIND_NONE) {
        *out = found;
        return ENT_E_OK;
    }
    if (nearest(column, header, n, near)) {
        return ent_err_note(
            ENT_E_DATA,
            "there is no column '%.80s' (%.100s) in the data: is it '%.80s'? Map it in client.yaml "
            "under columns",
            column, what, near);
    }
    list_header(header, n, list, sizeof list);
    return ent_err_note(ENT_E_DATA,
                        "there is no column '%.80s' (%.100s) in the data; its columns are: %s",
                        column, what, list);
}

/* ---- dictionaries ---- */

static size_t hash_text(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a */

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3U;
    }
    return (size_t)(h ^ (h >> 32));
}

static struct ent_word *slot(const struct ent_bound *bound, const char *text, size_t len)
{
    size_t i = hash_text(text, len) & (bound->n_words - 1);

    while (bound->words[i].text != NULL &&
           (bound->words[i].len != len || memcmp(bound->words[i].text, text, len) != 0)) {
        i = (i + 1) & (bound->n_words - 1);
    }
    return &bound->words[i];
}

static enum ent_err add_spelling(struct ent_bound *bound, const struct ent_spelling *spelling)
{
    const struct ent_word *declared = slot(bound, spelling->plan, strlen(spelling->plan));
    const char *near;
    struct ent_word word;

    if (declared->text == NULL || declared->spelled) {
        near = ent_nearest(spelling->plan, bound->feature->values, bound->feature->n_values);
        return ent_err_note(
            ENT_E_CONFIG,
            "client.yaml: columns: %.80s: '%.80s' is not a value that is declared%s%.80s%s",
            bound->feature->name, spelling->plan, near != NULL ? ": did you mean '" : "",
            near != NULL ? near : "", near != NULL ? "'?" : "");
    }
    word = (struct ent_word){.text = spelling->own,
                             .len = strlen(spelling->own),
                             .code = declared->code,
                             .spelled = true};
    *slot(bound, word.text, word.len) = word;
    return ENT_E_OK;
}

static enum ent_err build_words(struct ent_bound *bound)
{
    const struct ent_feature *f = bound->feature;
    size_t want =
        2U * ((size_t)f->n_values + (bound->map != NULL ? bound->map->n_spellings : 0)) + 2;

    bound->n_words = 16;
    while (bound->n_words < want) {
        bound->n_words *= 2;
    }
    ENT_TRY(ent_calloc(bound->n_words, sizeof *bound->words, &bound->words));
    for (uint32_t v = 0; v < f->n_values; v++) {
        size_t len = strlen(f->values[v]);

        *slot(bound, f->values[v], len) =
            (struct ent_word){.text = f->values[v], .len = len, .code = (uint16_t)v};
    }
    for (uint32_t i = 0; bound->map != NULL && i < bound->map->n_spellings; i++) {
        ENT_TRY(add_spelling(bound, &bound->map->spellings[i]));
    }
    return ENT_E_OK;
}

/* ---- all of them ---- */

static enum ent_err bind_columns(const struct ent_table_options *options,
                                 const struct ent_text *header, size_t n, struct ent_bindings *b)
{
    for (uint32_t i = 0; i < b->n_columns; i++) {
        const struct ent_feature *f = &options->schema.features[i];
        struct ent_bound *bound = &b->columns[i];
        char what[128];

        bound->feature = f;
        bound->map = find_map(options->config, f->column);
        (void)snprintf(what, sizeof what, "feature %.100s", f->name);
        ENT_TRY(find_field(header, n, bound->map != NULL ? bound->map->column : f->column, what,
                           &bound->field));
        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_DECLARED &&
            f->part == ENT_DATE_NONE) {
            ENT_TRY(build_words(bound));
        }
    }
    return ENT_E_OK;
}

static enum ent_err bind_label(const struct ent_table_options *options,
                               const struct ent_text *header, size_t n, struct ent_bindings *b)
{
    const char *column = options->schema.label_name;

    b->label.field = ENT_BIND_NONE;
    b->label_positive = options->schema.label_positive;
    if (options->label == ENT_LABEL_UNUSED || column == NULL) {
        return ENT_E_OK;
    }
    b->label.map = find_map(options->config, column);
    column = b->label.map != NULL ? b->label.map->column : column;
    if (options->label == ENT_LABEL_IF_PRESENT) {
        for (size_t i = 0; i < n; i++) {
            b->label.field = same(&header[i], column) ? i : b->label.field;
        }
        return ENT_E_OK;
    }
    return find_field(header, n, column, "the label", &b->label.field);
}

static enum ent_err bind_all(const struct ent_table_options *options, const struct ent_text *header,
                             size_t n, struct ent_bindings *b)
{
    b->n_columns = options->schema.n_features;
    b->missing = options->config->data.missing;
    b->unit = ENT_BIND_NONE;
    b->id = ENT_BIND_NONE;
    ENT_TRY(ent_calloc(b->n_columns, sizeof *b->columns, &b->columns));
    ENT_TRY(bind_columns(options, header, n, b));
    ENT_TRY(bind_label(options, header, n, b));
    if (options->config->unit_key != NULL && !options->without_units) {
        ENT_TRY(find_field(header, n, options->config->unit_key, "unit_key", &b->unit));
    }
    if (options->id_column != NULL) {
        ENT_TRY(find_field(header, n, options->id_column, "id", &b->id));
    }
    return ENT_E_OK;
}

enum ent_err ent_bind_place(const struct ent_client_config *config, const struct ent_text *header,
                            size_t n_header, const char *name, const char *what,
                            struct ent_bound *out)
{
    *out = (struct ent_bound){.map = find_map(config, name)};
    return find_field(header, n_header, out->map != NULL ? out->map->column : name, what,
                      &out->field);
}

enum ent_err ent_bindings_new(const struct ent_table_options *options,
                              const struct ent_text *header, size_t n_header,
                              struct ent_bindings **out)
{
    struct ent_bindings *b;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *b, &b));
    err = bind_all(options, header, n_header, b);
    if (err == ENT_E_OK) {
        err = ent_sha256_init(&b->hash);
    }
    if (err != ENT_E_OK) {
        ent_bindings_free(b);
        return err;
    }
    *out = b;
    return ENT_E_OK;
}

void ent_bindings_free(struct ent_bindings *bindings)
{
    if (bindings == NULL) {
        return;
    }
    for (uint32_t i = 0; bindings->columns != NULL && i < bindings->n_columns; i++) {
        free(bindings->columns[i].words);
    }
    free(bindings->columns);
    ent_sha256_release(&bindings->hash);
    free(bindings);
}

/* ---- values ---- */

/* By the member's own spelling when there is one; otherwise *is_missing. */
struct ent_text ent_bind_text(const struct ent_strings *missing, const struct ent_column_map *map,
                              const struct ent_text *field, bool *is_missing)
{
    struct ent_text t = ent_text_trim(field->text, field->len);

    *is_missing = false;
    for (uint32_t i = 0; map != NULL && i < map->n_spellings; i++) {
        if (same(&t, map->spellings[i].own)) {
            const char *plan = map->spellings[i].plan;

            return (struct ent_text){.text = plan, .len = strlen(plan)};
        }
    }
    *is_missing = t.len == 0;
    for (uint32_t i = 0; i < missing->n && !*is_missing; i++) {
        *is_missing = same(&t, missing->items[i]);
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
        return "not a number";
    }
    v = v > (double)FLT_MAX ? (double)FLT_MAX : (v < -(double)FLT_MAX ? -(double)FLT_MAX : v);
    *out = (float)v + 0.0F; /* -0 becomes 0, so that equal rows have equal bits */
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
    word = slot(bound, t.text, t.len);
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
        return "neither true nor false";
    }
    *out = (int8_t)(missing ? -1 : (v ? 1 : 0));
    return NULL;
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
    *out = same(&t, all->label_positive) ? 1 : 0;
    return NULL;
}
