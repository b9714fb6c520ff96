/* Lists of `policy`: purposes, and the figures of its own that a member lets go. */
#include <string.h>

#include "common/plan/client_config_internal.h"
#include "common/plan/plan.h"
#include "common/task/metrics.h"

static bool is_word(const struct ent_node *node, const char *word)
{
    return node->kind == ENT_NODE_SCALAR && strcmp(node->text, word) == 0;
}

/* The scalars of a list for which `ok` holds. */
static enum ent_err take_list(const struct ent_node *list, bool (*ok)(const char *text),
                              const char *what, const char *must, struct ent_client_config *config,
                              struct ent_strings *out)
{
    const char **items;
    uint32_t n = 0;

    ENT_TRY(ent_arena_alloc(&config->arena, list->n, sizeof *items, &items));
    for (const struct ent_node *e = list->first; e != NULL; e = e->next) {
        char *text;

        if (e->kind != ENT_NODE_SCALAR || !ok(e->text)) {
            return ent_node_bad(e, what, must);
        }
        ENT_TRY(ent_arena_strndup(&config->arena, e->text, strlen(e->text), &text));
        items[n++] = text;
    }
    *out = (struct ent_strings){.items = items, .n = n};
    return ENT_E_OK;
}

enum ent_err ent_client_config_purposes(const struct ent_node *node,
                                        struct ent_client_config *config)
{
    struct ent_policy_config *policy = &config->policy;

    policy->any_purpose = node == NULL || is_word(node, "any");
    if (policy->any_purpose) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_LIST) {
        return ent_node_bad(node, "purposes", "must be any, or a list of codes: [churn]");
    }
    return take_list(node, ent_plan_purpose_ok, "a purpose",
                     "must be a code of 1 to 64 of a-z, 0-9, '_' and '-'", config,
                     &policy->purposes);
}

enum ent_err ent_client_config_figures(const struct ent_node *node,
                                       struct ent_client_config *config)
{
    struct ent_policy_config *policy = &config->policy;

    if (node == NULL || is_word(node, "stay")) {
        return ENT_E_OK;
    }
    policy->own_figures_go = true;
    if (is_word(node, "go")) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_LIST || node->n == 0) {
        return ent_node_bad(node, "own_figures",
                            "must be stay, go, or a list of figures: [auc, log_loss]");
    }
    return take_list(node, ent_metrics_is_name, "a figure",
                     "must be the name of one, as status --json has them: auc, log_loss, rows, ...",
                     config, &policy->own_figures);
}
