/* `columns` of client.yaml: the plan's names and values, as this member has them. */
#include <string.h>

#include "common/plan/client_config_internal.h"

static enum ent_err read_spellings(const struct ent_node *map, struct ent_arena *arena,
                                   struct ent_column_map *out)
{
    static const struct ent_field field = {
        .key = "value", .kind = ENT_FIELD_STRING, .help = "the plan's value"};
    struct ent_spelling *spellings;
    uint32_t i = 0;

    if (map->kind != ENT_NODE_MAP) {
        return ent_node_bad(map, "values",
                            "must be a map of own values to the plan's: {Admin: admin.}");
    }
    ENT_TRY(ent_arena_alloc(arena, map->n, sizeof *spellings, &spellings));
    for (const struct ent_node *e = map->first; e != NULL; e = e->next, i++) {
        char *own;

        ENT_TRY(ent_arena_strndup(arena, e->key, strlen(e->key), &own));
        spellings[i].own = own;
        spellings[i].line = e->line;
        spellings[i].column = e->column;
        ENT_TRY(ent_config_take_value(e, &field, arena, &spellings[i].plan));
    }
    out->spellings = spellings;
    out->n_spellings = map->n;
    return ENT_E_OK;
}

struct column_entry {
    const char *column;
    const struct ent_node *values;
};

static const struct ent_field column_fields[] = {{.key = "column",
                                                  .kind = ENT_FIELD_STRING,
                                                  .offset = offsetof(struct column_entry, column),
                                                  .help = "header name at the source"},
                                                 {.key = "values",
                                                  .kind = ENT_FIELD_NODE,
                                                  .offset = offsetof(struct column_entry, values),
                                                  .takes = "a map",
                                                  .help = "own spellings of the plan's values"},
                                                 {0}};

static enum ent_err read_column(const struct ent_node *node, struct ent_arena *arena,
                                struct ent_column_map *out)
{
    struct column_entry entry = {0};
    char *feature;

    ENT_TRY(ent_arena_strndup(arena, node->key, strlen(node->key), &feature));
    out->feature = feature;
    out->line = node->key_line;
    out->column_at = node->key_column;
    if (node->kind == ENT_NODE_SCALAR) {
        return ent_config_take_value(node, &column_fields[0], arena, &out->column);
    }
    ENT_TRY(ent_config_take(node, feature, column_fields, arena, &entry));
    out->column = entry.column != NULL ? entry.column : feature;
    return entry.values != NULL ? read_spellings(entry.values, arena, out) : ENT_E_OK;
}

enum ent_err ent_client_config_columns(const struct ent_node *node,
                                       struct ent_client_config *config)
{
    struct ent_column_map *columns;
    uint32_t i = 0;

    if (node == NULL) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_MAP) {
        return ent_node_bad(node, "columns",
                            "must be a map of the plan's names to own column names");
    }
    ENT_TRY(ent_arena_alloc(&config->arena, node->n, sizeof *columns, &columns));
    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        ENT_TRY(read_column(e, &config->arena, &columns[i++]));
    }
    config->columns = columns;
    config->n_columns = i;
    return ENT_E_OK;
}
