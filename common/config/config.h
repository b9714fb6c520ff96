/* IN YAML bytes · OUT nodes with line and column, structs filled by option tables · OWNS the parsed
 * document THREADS any (immutable after parsing) · SOURCE protocol.md 5
 *
 * The one mechanism for configuration: files and the parameters of plugins. A file becomes a tree
 * of nodes (libyaml stays inside this room); a map of it is checked against a table of fields that
 * says key, type, range, default and meaning. Every error reads "plan.yaml:12:9: rate is 'abc':
 * must be a number in (0, 10]". Refused: unknown keys (with the nearest known one), keys twice,
 * anchors, aliases, tags, several documents, more than the limits below. */
#ifndef ENT_COMMON_CONFIG_CONFIG_H
#define ENT_COMMON_CONFIG_CONFIG_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define ENT_CONFIG_MAX_BYTES (4U << 20) /* a plan with 65,000 category values has 1 MB */
#define ENT_CONFIG_MAX_NODES (1U << 18)
#define ENT_CONFIG_MAX_DEPTH 16
#define ENT_CONFIG_MAX_TEXT 4096 /* bytes of one scalar */

struct ent_config;

enum ent_node_kind { ENT_NODE_SCALAR, ENT_NODE_LIST, ENT_NODE_MAP };

/* One node, owned by its document. Entries of a list, and values of a map, are linked by `next` in
 * file order. */
struct ent_node {
    enum ent_node_kind kind;
    bool quoted;       /* SCALAR: was written in quotes, so it is a string whatever it looks like */
    uint32_t line;     /* from 1 */
    uint32_t column;   /* from 1 */
    const char *text;  /* SCALAR: UTF-8, no zero byte inside */
    const char *key;   /* value of a map: its key; otherwise NULL */
    uint32_t key_line; /* where the key stands */
    uint32_t key_column;
    uint32_t n; /* LIST, MAP: entries */
    const struct ent_node *first;
    const struct ent_node *next;
    const char *file; /* name of the document */
};

/* Parse one document. `name` stands in messages (copied). The root must be a map. CONFIG. */
ENT_MUST enum ent_err ent_config_parse(const char *name, const uint8_t *yaml, size_t len,
                                       struct ent_config **out);
/* The same from a file; its base name stands in messages. NOT_FOUND, IO, CONFIG. */
ENT_MUST enum ent_err ent_config_read(const char *path, struct ent_config **out);
void ent_config_free(struct ent_config *config);
const struct ent_node *ent_config_root(const struct ent_config *config);

/* "libyaml 0.2.5", for ent_version_add. Call it before threads start. */
const char *ent_config_library(void);

/* The value under `key` of a map, or NULL. */
const struct ent_node *ent_node_get(const struct ent_node *map, const char *key);

/* A CONFIG error at a node: "file:line:column: " and the text. */
enum ent_err ent_node_error(const struct ent_node *node, const char *fmt, ...) ENT_PRINTF(2, 3);
/* A CONFIG error about the value of `what`: "file:line:column: rate is 'abc': must be a number in
 * (0, 10]". */
enum ent_err ent_node_bad(const struct ent_node *node, const char *what, const char *must);

/* ---- option tables ---- */

enum ent_field_kind {
    ENT_FIELD_STRING,   /* const char *, in the arena; lo..hi = bytes (default 1..256) */
    ENT_FIELD_U32,      /* uint32_t */
    ENT_FIELD_U64,      /* uint64_t; no range = all of it */
    ENT_FIELD_DOUBLE,   /* double */
    ENT_FIELD_BOOL,     /* bool; true, false, yes, no */
    ENT_FIELD_CHOICE,   /* int (an enum); one of `choices` */
    ENT_FIELD_DURATION, /* uint64_t milliseconds; "500ms" "10s" "10min" "3h" "2d"; lo..hi in ms */
    ENT_FIELD_SIZE,     /* uint64_t bytes; "64MiB" "512KiB" "1GiB" "100"; lo..hi in bytes */
    ENT_FIELD_STRINGS,  /* struct ent_strings; a list of scalars */
    ENT_FIELD_MAP,      /* a nested map with `fields`; offsets are of the same struct */
    ENT_FIELD_NODE,     /* const struct ent_node *: the caller's own reading; NULL when absent */
};

struct ent_strings {
    const char *const *items;
    uint32_t n;
};

struct ent_choice {
    const char *name; /* a table of choices ends with a NULL name */
    int value;
};

enum ent_field_bounds {
    ENT_BOUNDS_CLOSED,
    ENT_BOUNDS_OPEN_LO,
    ENT_BOUNDS_OPEN_HI,
    ENT_BOUNDS_OPEN
};

/* One key of a map. A table ends with a NULL key. Without `fallback` an absent key leaves the
 * struct as it is (zero), unless it is required. The fallback is parsed like a value of the file,
 * so a table holds all defaults as text. */
struct ent_field {
    const char *key;
    enum ent_field_kind kind;
    bool required;
    size_t offset; /* in the struct; not for MAP */
    double lo;     /* range; lo == hi == 0: none */
    double hi;
    enum ent_field_bounds bounds;
    const struct ent_choice *choices;
    const struct ent_field *fields; /* MAP */
    const char *fallback;
    const char *help;  /* one line; every field has one (lint) */
    const char *takes; /* NODE: what it takes, "a list of layers" */
};

/* Check the map against the table and fill `out`. Strings and lists go to the arena, so the
 * document may be freed (except for NODE fields). `what` names the map in messages ("plan",
 * "model"). `map` NULL: defaults only. CONFIG. */
ENT_MUST enum ent_err ent_config_take(const struct ent_node *map, const char *what,
                                      const struct ent_field *fields, struct ent_arena *arena,
                                      void *out);

/* One value by the rules of one field into *out (type as listed above). For lists that the caller
 * walks itself. */
ENT_MUST enum ent_err ent_config_take_value(const struct ent_node *node,
                                            const struct ent_field *field, struct ent_arena *arena,
                                            void *out);

/* An entry of a list of one-key maps: "- dense: 128" gives name "dense" and its value; "- relu"
 * gives a NULL value. */
ENT_MUST enum ent_err ent_config_one_key(const struct ent_node *entry, const char *what,
                                         const char **name, const struct ent_node **value);

/* "unknown layer 'densee': did you mean 'dense'?" at the node; names in `known`. CONFIG. */
enum ent_err ent_config_unknown(const struct ent_node *node, const char *what, const char *word,
                                const char *const *known, size_t n_known);

/* Print a table for documents and --help: key, type and range, default, meaning. */
void ent_config_print_fields(const struct ent_field *fields, const char *prefix, FILE *out);

/* Append text as a YAML scalar that reads back as the same string: bare when safe, otherwise in
 * double quotes. */
ENT_MUST enum ent_err ent_config_quote(struct ent_buf *out, const char *text);

#endif
