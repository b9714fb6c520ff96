#include "client/data/source.h"

#include <stdlib.h>
#include <string.h>

#include "client/data/csv.h"
#include "client/data/idx.h"
#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/config/scalar.h"

static const struct ent_source_kind *const kinds[] = {
#define ENT_PLUGIN(name_) &ent_source_##name_,
#include "client/data/sources.def"
#undef ENT_PLUGIN
};

struct ent_source {
    const struct ent_source_kind *kind;
    void *state;
};

static enum ent_err find_kind(const char *name, const char *at, const struct ent_source_kind **out)
{
    const char *names[ENT_ARRAY_LEN(kinds)];
    const char *near;

    for (size_t i = 0; i < ENT_ARRAY_LEN(kinds); i++) {
        names[i] = kinds[i]->name;
        if (strcmp(kinds[i]->name, name) == 0) {
            *out = kinds[i];
            return ENT_E_OK;
        }
    }
    near = ent_nearest(name, names, ENT_ARRAY_LEN(kinds));
    return ent_err_note(ENT_E_CONFIG, "%sdata.source: unknown source '%.40s'; %s '%s'",
                        at != NULL ? at : "", name, near != NULL ? "did you mean" : "most use",
                        near != NULL ? near : kinds[0]->name);
}

enum ent_err ent_source_open(const struct ent_data_config *config, struct ent_source **out)
{
    const struct ent_source_kind *kind;
    struct ent_source *source;
    enum ent_err err;

    ENT_TRY(find_kind(config->source != NULL ? config->source : "csv", config->source_at, &kind));
    ENT_TRY(ent_calloc(1, sizeof *source, &source));
    source->kind = kind;
    err = kind->open(config, &source->state);
    if (err != ENT_E_OK) {
        free(source);
        return err;
    }
    *out = source;
    return ENT_E_OK;
}

enum ent_err ent_source_of(const struct ent_source_kind *kind, void *state_take,
                           struct ent_source **out)
{
    struct ent_source *source;

    ENT_TRY(ent_calloc(1, sizeof *source, &source));
    source->kind = kind;
    source->state = state_take;
    *out = source;
    return ENT_E_OK;
}

const struct ent_text *ent_source_header(const struct ent_source *source, size_t *n)
{
    return source->kind->header(source->state, n);
}

enum ent_err ent_source_next(struct ent_source *source, const struct ent_source_row **row)
{
    return source->kind->next(source->state, row);
}

void ent_source_close(struct ent_source *source)
{
    if (source != NULL) {
        source->kind->close(source->state);
        free(source);
    }
}

/* Length of the UTF-8 sequence at p, or 0 (Unicode 15, table 3-7: no overlong forms, no surrogates). */
static size_t sequence(const unsigned char *p, size_t left)
{
    unsigned char lo = 0x80;
    unsigned char hi = 0xBF;
    size_t n;

    if (p[0] < 0x80) {
        return p[0] != 0 ? 1 : 0;
    }
    if (p[0] < 0xC2 || p[0] > 0xF4) {
        return 0;
    }
    n = p[0] < 0xE0 ? 2 : (p[0] < 0xF0 ? 3 : 4);
    lo = p[0] == 0xE0 ? 0xA0 : (p[0] == 0xF0 ? 0x90 : lo);
    hi = p[0] == 0xED ? 0x9F : (p[0] == 0xF4 ? 0x8F : hi);
    if (left < n || p[1] < lo || p[1] > hi) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xBF) {
            return 0;
        }
    }
    return n;
}

bool ent_text_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;

    while (i < len) {
        size_t n = sequence(p + i, len - i);

        if (n == 0) {
            return false;
        }
        i += n;
    }
    return true;
}

bool ent_text_decimal_comma(const struct ent_text *text)
{
    const char *comma = memchr(text->text, ',', text->len);
    char point[40];
    double v;

    if (comma == NULL || text->len >= sizeof point) {
        return false;
    }
    memcpy(point, text->text, text->len);
    point[comma - text->text] = '.'; /* a second comma or a point is refused below */
    return ent_scalar_double(point, text->len, &v);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct ent_text ent_text_trim(const char *text, size_t len)
{
    while (len > 0 && is_blank(text[len - 1])) {
        len--;
    }
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    return (struct ent_text){.text = text, .len = len};
}
