/* Errors at nodes, look-up, and text that reads back. */
#include <stdarg.h>
#include <string.h>

#include "common/base/options.h"
#include "common/config/config.h"
#include "common/config/scalar.h"

#define SHOWN 60 /* bytes of an offending value that an error quotes */

const struct ent_node *ent_node_get(const struct ent_node *map, const char *key)
{
    if (map == NULL || map->kind != ENT_NODE_MAP) {
        return NULL;
    }
    for (const struct ent_node *e = map->first; e != NULL; e = e->next) {
        if (strcmp(e->key, key) == 0) {
            return e;
        }
    }
    return NULL;
}

enum ent_err ent_node_error(const struct ent_node *node, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ent_err_note(ENT_E_CONFIG, "%s:%u:%u: %s", node->file, node->line, node->column, text);
}

/* One line, cut between characters, control characters as '?'. */
static void show(const char *text, char out[SHOWN + 4])
{
    size_t n = strnlen(text, SHOWN + 1);
    bool cut = n > SHOWN;

    n = cut ? SHOWN : n;
    while (cut && n > 0 && ((unsigned char)text[n] & 0xC0U) == 0x80U) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (char)((unsigned char)text[i] < 0x20U || text[i] == 0x7f ? '?' : text[i]);
    }
    memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
}

enum ent_err ent_node_bad(const struct ent_node *node, const char *what, const char *must)
{
    char value[SHOWN + 4];

    if (node->kind == ENT_NODE_LIST) {
        return ent_node_error(node, "%s is a list: %s", what, must);
    }
    if (node->kind == ENT_NODE_MAP) {
        return ent_node_error(node, "%s is a map: %s", what, must);
    }
    if (node->text[0] == '\0') {
        return ent_node_error(node, "%s is empty: %s", what, must);
    }
    show(node->text, value);
    return ent_node_error(node, "%s is '%s': %s", what, value, must);
}

enum ent_err ent_config_unknown(const struct ent_node *node, const char *what, const char *word,
                                const char *const *known, size_t n_known)
{
    const char *near = ent_nearest(word, known, n_known);
    char value[SHOWN + 4];
    char list[200] = "";
    size_t used = 0;

    show(word, value);
    if (near != NULL) {
        return ent_node_error(node, "unknown %s '%s': did you mean '%s'?", what, value, near);
    }
    for (size_t i = 0; i < n_known && used < sizeof list; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);

        used += n > 0 ? (size_t)n : 0;
    }
    return ent_node_error(node, "unknown %s '%s'; known are: %s", what, value, list);
}

enum ent_err ent_config_one_key(const struct ent_node *entry, const char *what, const char **name,
                                const struct ent_node **value)
{
    if (entry->kind == ENT_NODE_SCALAR && entry->text[0] != '\0') {
        *name = entry->text;
        *value = NULL;
        return ENT_E_OK;
    }
    if (entry->kind == ENT_NODE_MAP && entry->n == 1) {
        *name = entry->first->key;
        *value = entry->first;
        return ENT_E_OK;
    }
    return ent_node_error(entry, "%s must be a name, or one \"name: value\"", what);
}

/* Bare only what no YAML reader takes for anything else. */
static bool is_safe_bare(const char *text)
{
    static const char *const words[] = {"null", "~",  "true", "false", "yes",
                                        "no",   "on", "off",  "y",     "n"};
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    static const char inner[] = " .+-/()";
    size_t len = strlen(text);
    double number;

    if (len == 0 || strchr(safe, text[0]) == NULL || text[len - 1] == ' ' ||
        ent_scalar_double(text, len, &number)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (strchr(safe, text[i]) == NULL && strchr(inner, text[i]) == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        bool is_word;

        if (ent_scalar_bool(text, len, &is_word) || strcmp(text, words[i]) == 0) {
            return false;
        }
    }
    return (text[0] < '0' || text[0] > '9'); /* dates, octal, versions: in quotes */
}

enum ent_err ent_config_quote(struct ent_buf *out, const char *text)
{
    if (is_safe_bare(text)) {
        return ent_buf_add(out, text, strlen(text));
    }
    ENT_TRY(ent_buf_add_u8(out, '"'));
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\') {
            ENT_TRY(ent_buf_addf(out, "\\%c", c));
        } else if (c < 0x20 || c == 0x7f) {
            ENT_TRY(ent_buf_addf(out, "\\x%02x", (unsigned)c));
        } else {
            ENT_TRY(ent_buf_add_u8(out, c));
        }
    }
    return ent_buf_add_u8(out, '"');
}
