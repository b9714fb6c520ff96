/* Maps against option tables. The tables nest; an explicit list of maps still to be read replaces
 * recursion. */
#include <float.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/scalar.h"

#define MAX_FRAMES 32 /* maps of one table, all levels together */
#define MAX_KEYS 64

struct frame {
    const struct ent_node *map; /* NULL: absent, defaults only */
    const struct ent_field *fields;
    const char *what;
};

static bool has_range(const struct ent_field *f)
{
    return f->lo < f->hi || f->lo > 0.0;
}

static bool in_range(const struct ent_field *f, double v)
{
    bool open_lo = f->bounds == ENT_BOUNDS_OPEN_LO || f->bounds == ENT_BOUNDS_OPEN;
    bool open_hi = f->bounds == ENT_BOUNDS_OPEN_HI || f->bounds == ENT_BOUNDS_OPEN;

    if (!has_range(f)) {
        return true;
    }
    return (open_lo ? v > f->lo : v >= f->lo) && (open_hi ? v < f->hi : v <= f->hi);
}

static void duration_text(double ms, char out[ENT_SCALAR_TEXT_BYTES])
{
    static const struct {
        double ms;
        const char *unit;
    } units[] = {{86400000.0, "d"}, {3600000.0, "h"}, {60000.0, "min"}, {1000.0, "s"}, {1.0, "ms"}};

    for (size_t i = 0; i < ENT_ARRAY_LEN(units); i++) {
        double n = ms / units[i].ms;

        if ((n >= 1.0 && n == (double)(uint64_t)n) || i + 1 == ENT_ARRAY_LEN(units)) {
            (void)snprintf(out, ENT_SCALAR_TEXT_BYTES, "%.0f%s", n, units[i].unit);
            return;
        }
    }
}

static void size_text(double bytes, char out[ENT_SCALAR_TEXT_BYTES])
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t i = 0;

    while (i < 3 && bytes >= 1024.0 && bytes / 1024.0 == (double)(uint64_t)(bytes / 1024.0)) {
        bytes /= 1024.0;
        i++;
    }
    (void)snprintf(out, ENT_SCALAR_TEXT_BYTES, "%.0f%s", bytes, units[i]);
}

static void bound_text(const struct ent_field *f, double v, char out[ENT_SCALAR_TEXT_BYTES])
{
    if (f->kind == ENT_FIELD_DURATION) {
        duration_text(v, out);
    } else if (f->kind == ENT_FIELD_SIZE) {
        size_text(v, out);
    } else {
        ent_scalar_double_text(v, out);
    }
}

static void choices_text(const struct ent_choice *choices, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "one of ");

    for (const struct ent_choice *c = choices; c->name != NULL && used < size; c++) {
        int n = snprintf(out + used, size - used, "%s%s", c == choices ? "" : ", ", c->name);

        used += n > 0 ? (size_t)n : 0;
    }
}

/* "a number in (0, 10]": what a field takes, for errors and for the printed tables. */
static void type_text(const struct ent_field *f, char *out, size_t size)
{
    static const char *const names[] = {[ENT_FIELD_STRING] = "a text",
                                        [ENT_FIELD_U32] = "a whole number",
                                        [ENT_FIELD_U64] = "a whole number",
                                        [ENT_FIELD_DOUBLE] = "a number",
                                        [ENT_FIELD_BOOL] = "true or false",
                                        [ENT_FIELD_CHOICE] = "",
                                        [ENT_FIELD_DURATION] = "a duration such as 30s or 10min",
                                        [ENT_FIELD_SIZE] = "a size such as 64MiB",
                                        [ENT_FIELD_STRINGS] = "a list of texts",
                                        [ENT_FIELD_MAP] = "a map",
                                        [ENT_FIELD_NODE] = "a map or a list"};
    char lo[ENT_SCALAR_TEXT_BYTES];
    char hi[ENT_SCALAR_TEXT_BYTES];

    if (f->kind == ENT_FIELD_CHOICE) {
        choices_text(f->choices, out, size);
        return;
    }
    if (!has_range(f)) {
        (void)snprintf(out, size, "%s", f->takes != NULL ? f->takes : names[f->kind]);
        return;
    }
    bound_text(f, f->lo, lo);
    bound_text(f, f->hi, hi);
    if (f->kind == ENT_FIELD_DOUBLE) {
        (void)snprintf(out, size, "%s in %c%s, %s%c", names[f->kind],
                       f->bounds == ENT_BOUNDS_OPEN_LO || f->bounds == ENT_BOUNDS_OPEN ? '(' : '[',
                       lo, hi,
                       f->bounds == ENT_BOUNDS_OPEN_HI || f->bounds == ENT_BOUNDS_OPEN ? ')' : ']');
    } else if (f->kind == ENT_FIELD_STRING) {
        (void)snprintf(out, size, "%s of %s to %s bytes", names[f->kind], lo, hi);
    } else {
        (void)snprintf(out, size, "%s from %s to %s", names[f->kind], lo, hi);
    }
}

static enum ent_err bad_value(const struct ent_node *node, const struct ent_field *f)
{
    char type[300];
    char must[320];

    type_text(f, type, sizeof type);
    (void)snprintf(must, sizeof must, "must be %s", type);
    return ent_node_bad(node, f->key, must);
}

static enum ent_err take_string(const struct ent_node *node, const struct ent_field *f,
                                struct ent_arena *arena, void *out)
{
    size_t len = strlen(node->text);
    size_t lo = has_range(f) ? (size_t)f->lo : 1;
    size_t hi = has_range(f) ? (size_t)f->hi : 256;
    char *copy;

    if (len < lo || len > hi) {
        return bad_value(node, f);
    }
    for (const char *p = node->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20U) {
            return ent_node_error(node, "%s: control characters cannot stand here", f->key);
        }
    }
    ENT_TRY(ent_arena_strndup(arena, node->text, len, &copy));
    memcpy(out, &copy, sizeof copy);
    return ENT_E_OK;
}

static enum ent_err take_u64(const struct ent_node *node, const struct ent_field *f, void *out)
{
    size_t len = strlen(node->text);
    uint64_t v = 0;
    bool ok;

    if (f->kind == ENT_FIELD_DURATION) {
        ok = ent_scalar_duration_ms(node->text, len, &v);
    } else if (f->kind == ENT_FIELD_SIZE) {
        ok = ent_scalar_size(node->text, len, &v);
    } else {
        ok = ent_scalar_u64(node->text, len, &v);
    }
    if (!ok || !in_range(f, (double)v) || (f->kind == ENT_FIELD_U32 && v > UINT32_MAX)) {
        return bad_value(node, f);
    }
    if (f->kind == ENT_FIELD_U32) {
        uint32_t small = (uint32_t)v;

        memcpy(out, &small, sizeof small);
    } else {
        memcpy(out, &v, sizeof v);
    }
    return ENT_E_OK;
}

static enum ent_err take_choice(const struct ent_node *node, const struct ent_field *f, void *out)
{
    const char *names[MAX_KEYS];
    size_t n = 0;

    for (const struct ent_choice *c = f->choices; c->name != NULL && n < MAX_KEYS; c++) {
        if (strcmp(c->name, node->text) == 0) {
            memcpy(out, &c->value, sizeof c->value);
            return ENT_E_OK;
        }
        names[n++] = c->name;
    }
    return ent_config_unknown(node, f->key, node->text, names, n);
}

/* One block for the pointers and one for all texts: a list of 60,000 values stays small. */
static enum ent_err take_strings(const struct ent_node *node, const struct ent_field *f,
                                 struct ent_arena *arena, void *out)
{
    struct ent_strings strings = {.n = node->n};
    const char **items;
    size_t total = 1;
    char *text;
    size_t i = 0;

    if (node->kind != ENT_NODE_LIST || !in_range(f, (double)node->n)) {
        return bad_value(node, f);
    }
    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        if (e->kind != ENT_NODE_SCALAR) {
            return ent_node_bad(e, f->key, "each entry must be a text");
        }
        total += strlen(e->text) + 1;
    }
    ENT_TRY(ent_arena_alloc(arena, node->n, sizeof(const char *), &items));
    ENT_TRY(ent_arena_alloc(arena, total, 1, &text));
    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        size_t len = strlen(e->text) + 1;

        memcpy(text, e->text, len);
        items[i++] = text;
        text += len;
    }
    strings.items = items;
    memcpy(out, &strings, sizeof strings);
    return ENT_E_OK;
}

static enum ent_err take_double(const struct ent_node *node, const struct ent_field *f, void *out)
{
    double v;

    if (!ent_scalar_double(node->text, strlen(node->text), &v) || !in_range(f, v)) {
        return bad_value(node, f);
    }
    memcpy(out, &v, sizeof v);
    return ENT_E_OK;
}

static enum ent_err take_bool(const struct ent_node *node, const struct ent_field *f, void *out)
{
    bool v;

    if (!ent_scalar_bool(node->text, strlen(node->text), &v)) {
        return bad_value(node, f);
    }
    memcpy(out, &v, sizeof v);
    return ENT_E_OK;
}

enum ent_err ent_config_take_value(const struct ent_node *node, const struct ent_field *field,
                                   struct ent_arena *arena, void *out)
{
    if (field->kind == ENT_FIELD_STRINGS) {
        return take_strings(node, field, arena, out);
    }
    if (field->kind == ENT_FIELD_NODE) {
        memcpy(out, &node, sizeof(void *)); /* the pointer itself */
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_SCALAR || field->kind == ENT_FIELD_MAP) {
        return bad_value(node, field);
    }
    switch (field->kind) {
    case ENT_FIELD_STRING:
        return take_string(node, field, arena, out);
    case ENT_FIELD_DOUBLE:
        return take_double(node, field, out);
    case ENT_FIELD_BOOL:
        return take_bool(node, field, out);
    case ENT_FIELD_CHOICE:
        return take_choice(node, field, out);
    default:
        return take_u64(node, field, out);
    }
}

static enum ent_err check_keys(const struct frame *frame)
{
    const char *names[MAX_KEYS];
    size_t n = 0;

    for (const struct ent_field *f = frame->fields; f->key != NULL; f++) {
        ENT_BUG_ON(n == MAX_KEYS);
        names[n++] = f->key;
    }
    for (const struct ent_node *e = frame->map->first; e != NULL; e = e->next) {
        bool known = false;

        for (size_t i = 0; i < n && !known; i++) {
            known = strcmp(names[i], e->key) == 0;
        }
        if (!known) {
            struct ent_node at = *e;
            char what[96];

            at.line = e->key_line;
            at.column = e->key_column;
            (void)snprintf(what, sizeof what, "key in %s", frame->what);
            return ent_config_unknown(&at, what, e->key, names, n);
        }
    }
    return ENT_E_OK;
}

static enum ent_err take_default(const struct ent_field *f, struct ent_arena *arena, char *out)
{
    struct ent_node node = {.kind = ENT_NODE_SCALAR, .text = f->fallback, .file = "(default)"};

    if (f->fallback == NULL) {
        return ENT_E_OK;
    }
    return ent_config_take_value(&node, f, arena, out + f->offset);
}

/* "columns:" with all its lines commented out is a bare, empty scalar: as good as absent. */
static bool is_blank(const struct ent_node *node)
{
    return node->kind == ENT_NODE_SCALAR && !node->quoted && node->text[0] == '\0';
}

static enum ent_err take_field(const struct frame *frame, const struct ent_field *f,
                               struct ent_arena *arena, char *out)
{
    const struct ent_node *node = ent_node_get(frame->map, f->key);

    if (node != NULL && is_blank(node) &&
        (f->kind == ENT_FIELD_STRINGS || f->kind == ENT_FIELD_NODE)) {
        node = NULL;
    }
    if (node != NULL) {
        return ent_config_take_value(node, f, arena, out + f->offset);
    }
    if (f->required && frame->map != NULL) {
        return ent_node_error(frame->map, "%s has no '%s': %s", frame->what, f->key, f->help);
    }
    return take_default(f, arena, out);
}

static enum ent_err sub_frame(const struct frame *frame, const struct ent_field *f,
                              struct frame *out)
{
    const struct ent_node *node = ent_node_get(frame->map, f->key);

    if (node != NULL && is_blank(node)) {
        node = NULL;
    }
    if (node == NULL && f->required && frame->map != NULL) {
        return ent_node_error(frame->map, "%s has no '%s': %s", frame->what, f->key, f->help);
    }
    if (node != NULL && node->kind != ENT_NODE_MAP) {
        return ent_node_bad(node, f->key, "must be a map");
    }
    *out = (struct frame){node, f->fields, f->key};
    return ENT_E_OK;
}

enum ent_err ent_config_take(const struct ent_node *map, const char *what,
                             const struct ent_field *fields, struct ent_arena *arena, void *out)
{
    struct frame frames[MAX_FRAMES];
    size_t n = 1;

    if (map != NULL && map->kind != ENT_NODE_MAP) {
        return ent_node_bad(map, what, "must be a map");
    }
    frames[0] = (struct frame){map, fields, what};
    for (size_t i = 0; i < n; i++) {
        if (frames[i].map != NULL) {
            ENT_TRY(check_keys(&frames[i]));
        }
        for (const struct ent_field *f = frames[i].fields; f->key != NULL; f++) {
            if (f->kind == ENT_FIELD_MAP) {
                ENT_BUG_ON(n == MAX_FRAMES);
                ENT_TRY(sub_frame(&frames[i], f, &frames[n]));
                n++;
            } else {
                ENT_TRY(take_field(&frames[i], f, arena, out));
            }
        }
    }
    return ENT_E_OK;
}

struct printed {
    const struct ent_field *fields;
    char prefix[96];
};

void ent_config_print_fields(const struct ent_field *fields, const char *prefix, FILE *out)
{
    struct printed list[MAX_FRAMES];
    size_t n = 1;

    list[0].fields = fields;
    (void)snprintf(list[0].prefix, sizeof list[0].prefix, "%s", prefix);
    for (size_t i = 0; i < n; i++) {
        for (const struct ent_field *f = list[i].fields; f->key != NULL; f++) {
            char name[128];
            char type[300];

            (void)snprintf(name, sizeof name, "%s%s", list[i].prefix, f->key);
            type_text(f, type, sizeof type);
            (void)fprintf(out, "  %-26s %s%s%s\n  %-26s %s\n", name, type,
                          f->fallback != NULL ? ", default " : (f->required ? ", required" : ""),
                          f->fallback != NULL ? f->fallback : "", "", f->help);
            if (f->kind == ENT_FIELD_MAP) {
                ENT_BUG_ON(n == MAX_FRAMES);
                list[n].fields = f->fields;
                (void)snprintf(list[n++].prefix, sizeof list[0].prefix, "%.90s.", name);
            }
        }
    }
}
