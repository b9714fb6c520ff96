#include <string.h>

#include "common/plan/client_config_internal.h"

enum ent_err ent_client_config_auditors(const struct ent_node *node,
                                        struct ent_client_config *config)
{
    uint8_t(*list)[32];
    uint32_t n = 0;

    if (node == NULL) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_LIST) {
        return ent_node_bad(node, "auditors", "must be a list of fingerprints");
    }
    ENT_TRY(ent_arena_alloc(&config->arena, node->n, sizeof *list, &list));
    for (const struct ent_node *e = node->first; e != NULL; e = e->next) {
        if (e->kind == ENT_NODE_SCALAR && strcmp(e->text, "plain") == 0) {
            config->plain_updates = true;
        } else if (e->kind != ENT_NODE_SCALAR || ent_unhex(e->text, list[n++], 32) != ENT_E_OK) {
            return ent_node_bad(e, "an auditor",
                                "must be a fingerprint of 64 hex digits, or the word plain");
        }
    }
    config->auditors = (const uint8_t(*)[32])list;
    config->n_auditors = n;
    return ENT_E_OK;
}
