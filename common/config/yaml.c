/* From libyaml's events to our nodes. Events rather than libyaml's documents, because only they
 * show anchors and tags, and because depth, node and text limits hold before anything large is
 * built. */
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/config.h"

#define ARENA_MAX_BYTES ((size_t)96 << 20)
#define NODES_A_CHUNK 256U
#define TEXT_CHUNK ((size_t)16 * 1024)

struct ent_config {
    struct ent_arena arena;
    struct ent_node *root;
};

struct open_node {
    struct ent_node *node;
    struct ent_node *last;
    const char *key; /* read, its value still to come; NULL: none */
    uint32_t key_line;
    uint32_t key_column;
};

struct builder {
    struct ent_config *config;
    const char *file;
    const uint8_t *bytes; /* the whole text */
    size_t len;
    struct ent_node *nodes;
    size_t nodes_left;
    size_t n_nodes;
    char *text;
    size_t text_left;
    struct open_node stack[ENT_CONFIG_MAX_DEPTH];
    size_t depth;
    unsigned documents;
};

static enum ent_err mark_error(const struct builder *b, const yaml_mark_t *mark, const char *text)
{
    return ent_err_note(ENT_E_CONFIG, "%s:%zu:%zu: %s", b->file, mark->line + 1, mark->column + 1,
                        text);
}

static enum ent_err new_node(struct builder *b, enum ent_node_kind kind, const yaml_mark_t *mark,
                             struct ent_node **out)
{
    if (b->n_nodes == ENT_CONFIG_MAX_NODES) {
        return mark_error(b, mark, "too many entries in this file");
    }
    if (b->nodes_left == 0) {
        ENT_TRY(ent_arena_alloc(&b->config->arena, NODES_A_CHUNK, sizeof *b->nodes, &b->nodes));
        b->nodes_left = NODES_A_CHUNK;
    }
    *out = b->nodes++;
    b->nodes_left--;
    b->n_nodes++;
    (*out)->kind = kind;
    (*out)->file = b->file;
    (*out)->line = (uint32_t)mark->line + 1;
    (*out)->column = (uint32_t)mark->column + 1;
    return ENT_E_OK;
}

static enum ent_err keep_text(struct builder *b, const yaml_event_t *event, const char **out)
{
    size_t len = event->data.scalar.length;
    char *p;

    if (len > ENT_CONFIG_MAX_TEXT) {
        return mark_error(b, &event->start_mark, "this text is too long (at most 4096 bytes)");
    }
    if (memchr(event->data.scalar.value, 0, len) != NULL) {
        return mark_error(b, &event->start_mark, "a zero byte cannot stand in a text");
    }
    if (b->text_left < len + 1) {
        ENT_TRY(ent_arena_alloc(&b->config->arena, TEXT_CHUNK, 1, &b->text));
        b->text_left = TEXT_CHUNK;
    }
    p = b->text;
    memcpy(p, event->data.scalar.value, len);
    p[len] = '\0';
    b->text += len + 1;
    b->text_left -= len + 1;
    *out = p;
    return ENT_E_OK;
}

/* Hang a node under the open list or map, or make it the root. */
static enum ent_err attach(struct builder *b, struct ent_node *node, const yaml_mark_t *mark)
{
    struct open_node *top;

    if (b->depth == 0) {
        if (node->kind != ENT_NODE_MAP) {
            return mark_error(b, mark, "the file must be a map: lines of \"key: value\"");
        }
        b->config->root = node;
        return ENT_E_OK;
    }
    top = &b->stack[b->depth - 1];
    if (top->node->kind == ENT_NODE_MAP) {
        if (top->key == NULL) {
            return mark_error(b, mark, "a key must be a plain text");
        }
        node->key = top->key;
        node->key_line = top->key_line;
        node->key_column = top->key_column;
        top->key = NULL;
    }
    if (top->last == NULL) {
        top->node->first = node;
    } else {
        top->last->next = node;
    }
    top->last = node;
    top->node->n++;
    return ENT_E_OK;
}

static enum ent_err on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct ent_node *node;

    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        return mark_error(b, &event->start_mark, "anchors (&) and tags (!) are not used here");
    }
    if (b->depth > 0 && b->stack[b->depth - 1].node->kind == ENT_NODE_MAP &&
        b->stack[b->depth - 1].key == NULL) {
        struct open_node *top = &b->stack[b->depth - 1];

        ENT_TRY(keep_text(b, event, &top->key));
        top->key_line = (uint32_t)event->start_mark.line + 1;
        top->key_column = (uint32_t)event->start_mark.column + 1;
        return ENT_E_OK;
    }
    ENT_TRY(new_node(b, ENT_NODE_SCALAR, &event->start_mark, &node));
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    ENT_TRY(keep_text(b, event, &node->text));
    return attach(b, node, &event->start_mark);
}

static enum ent_err on_open(struct builder *b, const yaml_event_t *event, enum ent_node_kind kind)
{
    bool map = kind == ENT_NODE_MAP;
    struct ent_node *node;

    if ((map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor) != NULL ||
        (map ? event->data.mapping_start.tag : event->data.sequence_start.tag) != NULL) {
        return mark_error(b, &event->start_mark, "anchors (&) and tags (!) are not used here");
    }
    if (b->depth == ENT_CONFIG_MAX_DEPTH) {
        return mark_error(b, &event->start_mark, "lists and maps are nested too deep");
    }
    ENT_TRY(new_node(b, kind, &event->start_mark, &node));
    ENT_TRY(attach(b, node, &event->start_mark));
    b->stack[b->depth++] = (struct open_node){.node = node};
    return ENT_E_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct ent_node *const *x = a;
    const struct ent_node *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);

    if (order != 0) {
        return order;
    }
    if ((*x)->key_line != (*y)->key_line) {
        return (*x)->key_line < (*y)->key_line ? -1 : 1;
    }
    return (*x)->key_column < (*y)->key_column ? -1 : (*x)->key_column > (*y)->key_column;
}

/* Sorted, so that a hostile map with 100,000 keys costs no quadratic time. */
static enum ent_err refuse_repeats(const struct ent_node *map)
{
    const struct ent_node **sorted;
    enum ent_err err = ENT_E_OK;
    size_t n = 0;

    if (map->n < 2) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(map->n, sizeof(const struct ent_node *), &sorted));
    for (const struct ent_node *e = map->first; e != NULL; e = e->next) {
        sorted[n++] = e;
    }
    qsort(sorted, n, sizeof(const struct ent_node *), by_key);
    for (size_t i = 1; i < n && err == ENT_E_OK; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0) {
            err =
                ent_err_note(ENT_E_CONFIG, "%s:%u:%u: '%.80s' stands here a second time (line %u)",
                             map->file, sorted[i]->key_line, sorted[i]->key_column, sorted[i]->key,
                             sorted[i - 1]->key_line);
        }
    }
    free((void *)sorted);
    return err;
}

static enum ent_err on_close(struct builder *b)
{
    struct open_node *top = &b->stack[--b->depth];

    return top->node->kind == ENT_NODE_MAP ? refuse_repeats(top->node) : ENT_E_OK;
}

static enum ent_err on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->documents++ > 0) {
            return mark_error(b, &event->start_mark,
                              "one document a file: remove the line \"---\"");
        }
        return ENT_E_OK;
    case YAML_ALIAS_EVENT:
        return mark_error(b, &event->start_mark, "aliases (*) are not used here");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, event, ENT_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, event, ENT_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b);
    default:
        return ENT_E_OK;
    }
}

/* Whether line `line` (from 0) has a tab among the blanks it begins with: libyaml's words for that help nobody. */
static bool tab_indents(const struct builder *b, size_t line)
{
    const uint8_t *p = b->bytes;
    const uint8_t *end = b->bytes + b->len;

    for (; line > 0 && p < end; p++) {
        line -= *p == '\n' ? 1 : 0;
    }
    while (p < end && *p == ' ') {
        p++;
    }
    return p < end && *p == '\t';
}

static enum ent_err parser_error(const struct builder *b, const yaml_parser_t *parser)
{
    const yaml_mark_t *mark = &parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        return ent_err_note(ENT_E_NO_MEMORY, "out of memory");
    }
    if (parser->error == YAML_READER_ERROR) {
        return ent_err_note(ENT_E_CONFIG, "%s: byte %zu: not UTF-8 text (%s)", b->file,
                            parser->problem_offset,
                            parser->problem != NULL ? parser->problem : "unreadable");
    }
    if (tab_indents(b, mark->line)) {
        return mark_error(b, mark, "tabs cannot indent: use spaces");
    }
    return mark_error(b, mark, parser->problem != NULL ? parser->problem : "not YAML");
}

static enum ent_err build(struct builder *b, yaml_parser_t *parser)
{
    bool done = false;

    while (!done) {
        yaml_event_t event;
        enum ent_err err;

        if (yaml_parser_parse(parser, &event) == 0) {
            return parser_error(b, parser);
        }
        done = event.type == YAML_STREAM_END_EVENT;
        err = on_event(b, &event);
        yaml_event_delete(&event);
        ENT_TRY(err);
    }
    ENT_REQUIRE(b->config->root != NULL, ENT_E_CONFIG, "%s:1:1: the file is empty", b->file);
    return ENT_E_OK;
}

static enum ent_err parse_into(struct ent_config *config, const char *name, const uint8_t *yaml,
                               size_t len)
{
    struct builder b = {.config = config, .bytes = yaml, .len = len};
    yaml_parser_t parser;
    enum ent_err err;
    char *file;

    ENT_TRY(ent_arena_strndup(&config->arena, name, strnlen(name, 255), &file));
    b.file = file;
    ENT_REQUIRE(len <= ENT_CONFIG_MAX_BYTES, ENT_E_CONFIG,
                "%s: %zu bytes are too many (at most %u)", name, len, ENT_CONFIG_MAX_BYTES);
    ENT_REQUIRE(yaml_parser_initialize(&parser) != 0, ENT_E_NO_MEMORY, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, yaml, len);
    err = build(&b, &parser);
    yaml_parser_delete(&parser);
    return err;
}

enum ent_err ent_config_parse(const char *name, const uint8_t *yaml, size_t len,
                              struct ent_config **out)
{
    struct ent_config *config;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *config, &config));
    ent_arena_init(&config->arena, ARENA_MAX_BYTES);
    err = parse_into(config, name, yaml, len);
    if (err != ENT_E_OK) {
        ent_config_free(config);
        return err;
    }
    *out = config;
    return ENT_E_OK;
}

enum ent_err ent_config_read(const char *path, struct ent_config **out)
{
    const char *slash = strrchr(path, '/');
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_CONFIG_MAX_BYTES);
    err = ent_file_read(path, &bytes);
    if (err == ENT_E_OK) {
        err = ent_config_parse(slash != NULL ? slash + 1 : path, bytes.data, bytes.len, out);
    }
    ent_buf_release(&bytes);
    return err;
}

void ent_config_free(struct ent_config *config)
{
    if (config != NULL) {
        ent_arena_release(&config->arena);
        free(config);
    }
}

const struct ent_node *ent_config_root(const struct ent_config *config)
{
    return config->root;
}

const char *ent_config_library(void)
{
    static char
        line[64]; /* the library tells its version at run time only; written once, before threads */

    (void)snprintf(line, sizeof line, "libyaml %s", yaml_get_version_string());
    return line;
}
