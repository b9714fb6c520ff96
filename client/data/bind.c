#include "client/data/bind.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/options.h"

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

bool ent_bind_same(const struct ent_text *a, const char *b)
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

/* ENT_BIND_NONE when it is not there. what: "feature age", "the label", "unit_key". */
static enum ent_err find_field(const struct ent_text *header, size_t n, const char *column,
                               const char *what, size_t *out)
{
    *out = ENT_BIND_NONE;
    for (size_t i = 0; i < n; i++) {
        if (ent_bind_same(&header[i], column)) {
            ENT_REQUIRE(*out == ENT_BIND_NONE, ENT_E_DATA,
                        "column '%.80s' (%.100s) stands in the header twice", column, what);
            *out = i;
        }
    }
    return ENT_E_OK;
}

/* Columns of features and the label that the data does not have: told all at once. */
struct absent {
    uint32_t n;
    size_t used;
    char list[240];
};

static void note_absent(struct absent *absent, const struct ent_text *header, size_t n,
                        const char *column, const char *what)
{
    char near[128];
    bool found = nearest(column, header, n, near);
    size_t room = sizeof absent->list - absent->used;
    int len;

    absent->n++;
    len = snprintf(absent->list + absent->used, room, "%s'%.80s' (%.100s%s%.80s%s)",
                   absent->n > 1 ? ", " : "", column, what, found ? "; is it '" : "",
                   found ? near : "", found ? "'?" : "");
    if (len < 0 || (size_t)len >= room) {
        absent->list[absent->used] = '\0'; /* whole entries only; all are counted */
        return;
    }
    absent->used += (size_t)len;
}

static enum ent_err refuse_absent(const struct absent *absent, const struct ent_text *header,
                                  size_t n)
{
    char list[200] = "";

    if (absent->n == 0) {
        return ENT_E_OK;
    }
    if (n == 1) {
        return ent_err_note(ENT_E_DATA,
                            "the header is one column, '%.*s': is data.delimiter right? (it lacks "
                            "%u columns of the plan)",
                            header[0].len > 80 ? 80 : (int)header[0].len, header[0].text,
                            (unsigned)absent->n);
    }
    list_header(header, n, list, sizeof list);
    if (absent->n == 1) {
        return ent_err_note(ENT_E_DATA,
                            "there is no column %s in the data; map it in client.yaml, columns: "
                            "{PLAN_NAME: OWN_NAME}; the data has: %s",
                            absent->list, list);
    }
    return ent_err_note(ENT_E_DATA,
                        "%u columns are not in the data: %s; map them in client.yaml, columns: "
                        "{PLAN_NAME: OWN_NAME}; the data has: %s",
                        (unsigned)absent->n, absent->list, list);
}

/* unit_key and id are names of this member's own: they are corrected, not mapped. where: that the name was given. */
static enum ent_err find_own(const struct ent_text *header, size_t n, const char *column,
                             const char *key, const char *where, size_t *out)
{
    char near[128];
    char list[200] = "";

    ENT_TRY(find_field(header, n, column, key, out));
    if (*out != ENT_BIND_NONE) {
        return ENT_E_OK;
    }
    if (nearest(column, header, n, near)) {
        return ent_err_note(ENT_E_DATA,
                            "there is no column '%.80s' (%s) in the data: is it '%.80s'? Correct "
                            "%s%s",
                            column, key, near, key, where);
    }
    list_header(header, n, list, sizeof list);
    return ent_err_note(ENT_E_DATA,
                        "there is no column '%.80s' (%s) in the data: correct %s%s; the data has: "
                        "%s",
                        column, key, key, where, list);
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

struct ent_word *ent_bind_slot(const struct ent_bound *bound, const char *text, size_t len)
{
    size_t i = hash_text(text, len) & (bound->n_words - 1);

    while (bound->words[i].text != NULL &&
           (bound->words[i].len != len || memcmp(bound->words[i].text, text, len) != 0)) {
        i = (i + 1) & (bound->n_words - 1);
    }
    return &bound->words[i];
}

static enum ent_err add_spelling(struct ent_bound *bound, const struct ent_spelling *spelling,
                                 const char *file)
{
    const struct ent_word *declared = ent_bind_slot(bound, spelling->plan, strlen(spelling->plan));
    const char *near;
    struct ent_word word;

    if (declared->text == NULL || declared->spelled) {
        near = ent_nearest(spelling->plan, bound->feature->values, bound->feature->n_values);
        return ent_err_note(
            ENT_E_CONFIG,
            "%s:%u:%u: columns: %.80s: '%.80s' is not a value that is declared%s%.80s%s",
            file != NULL ? file : "client.yaml", (unsigned)spelling->line,
            (unsigned)spelling->column, bound->feature->name, spelling->plan,
            near != NULL ? ": did you mean '" : "", near != NULL ? near : "",
            near != NULL ? "'?" : "");
    }
    word = (struct ent_word){.text = spelling->own,
                             .len = strlen(spelling->own),
                             .code = declared->code,
                             .spelled = true};
    *ent_bind_slot(bound, word.text, word.len) = word;
    return ENT_E_OK;
}

static enum ent_err build_words(struct ent_bound *bound, const char *file)
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

        *ent_bind_slot(bound, f->values[v], len) =
            (struct ent_word){.text = f->values[v], .len = len, .code = (uint16_t)v};
    }
    for (uint32_t i = 0; bound->map != NULL && i < bound->map->n_spellings; i++) {
        ENT_TRY(add_spelling(bound, &bound->map->spellings[i], file));
    }
    return ENT_E_OK;
}

/* ---- all of them ---- */

static enum ent_err bind_columns(const struct ent_table_options *options,
                                 const struct ent_text *header, size_t n, struct absent *absent,
                                 struct ent_bindings *b)
{
    for (uint32_t i = 0; i < b->n_columns; i++) {
        const struct ent_feature *f = &options->schema.features[i];
        struct ent_bound *bound = &b->columns[i];
        const char *column;
        char what[128];

        bound->feature = f;
        bound->map = find_map(options->config, f->column);
        (void)snprintf(what, sizeof what, "feature %.100s", f->name);
        column = bound->map != NULL ? bound->map->column : f->column;
        ENT_TRY(find_field(header, n, column, what, &bound->field));
        if (bound->field == ENT_BIND_NONE) {
            note_absent(absent, header, n, column, what);
        }
        if (f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_DECLARED &&
            f->part == ENT_DATE_NONE) {
            ENT_TRY(build_words(bound, options->config->file));
        }
    }
    return ENT_E_OK;
}

static enum ent_err bind_label(const struct ent_table_options *options,
                               const struct ent_text *header, size_t n, struct absent *absent,
                               struct ent_bindings *b)
{
    const char *column = options->schema.label_name;

    b->label.field = ENT_BIND_NONE;
    b->label_positive = options->schema.label_positive;
    if (options->label == ENT_LABEL_UNUSED || column == NULL) {
        return ENT_E_OK;
    }
    b->label.map = find_map(options->config, column);
    b->label_feature = (struct ent_feature){.name = column,
                                            .type = ENT_FEATURE_CATEGORY,
                                            .values = options->schema.label_values,
                                            .n_values = options->schema.n_label_values};
    b->label.feature = &b->label_feature;
    if (options->schema.n_label_values > 0) {
        ENT_TRY(build_words(&b->label, options->config->file));
    }
    column = b->label.map != NULL ? b->label.map->column : column;
    if (options->label == ENT_LABEL_IF_PRESENT) {
        for (size_t i = 0; i < n; i++) {
            b->label.field = ent_bind_same(&header[i], column) ? i : b->label.field;
        }
        return ENT_E_OK;
    }
    ENT_TRY(find_field(header, n, column, "the label", &b->label.field));
    if (b->label.field == ENT_BIND_NONE) {
        note_absent(absent, header, n, column, "the label");
    }
    return ENT_E_OK;
}

static enum ent_err bind_all(const struct ent_table_options *options, const struct ent_text *header,
                             size_t n, struct ent_bindings *b)
{
    static const char in_config[] = " in client.yaml";
    struct absent absent = {0};

    b->n_columns = options->schema.n_features;
    b->missing = options->config->data.missing;
    b->unit = ENT_BIND_NONE;
    b->id = ENT_BIND_NONE;
    ENT_TRY(ent_calloc(b->n_columns, sizeof *b->columns, &b->columns));
    ENT_TRY(bind_columns(options, header, n, &absent, b));
    ENT_TRY(bind_label(options, header, n, &absent, b));
    ENT_TRY(refuse_absent(&absent, header, n));
    if (options->config->unit_key != NULL && !options->without_units) {
        ENT_TRY(find_own(header, n, options->config->unit_key, "unit_key", in_config, &b->unit));
    }
    if (options->id_column != NULL) {
        ENT_TRY(find_own(header, n, options->id_column,
                         options->id_option != NULL ? options->id_option : "id",
                         options->id_option != NULL ? "" : in_config, &b->id));
    }
    return ENT_E_OK;
}

enum ent_err ent_bind_place(const struct ent_client_config *config, const struct ent_text *header,
                            size_t n_header, const char *name, const char *what,
                            struct ent_bound *out)
{
    struct absent absent = {0};
    const char *column;

    *out = (struct ent_bound){.map = find_map(config, name)};
    column = out->map != NULL ? out->map->column : name;
    ENT_TRY(find_field(header, n_header, column, what, &out->field));
    if (out->field == ENT_BIND_NONE) {
        note_absent(&absent, header, n_header, column, what);
    }
    return refuse_absent(&absent, header, n_header);
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
    free(bindings->label.words);
    ent_sha256_release(&bindings->hash);
    free(bindings);
}
