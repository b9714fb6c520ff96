/* A model's figures in words. */
#include <stdio.h>
#include <string.h>

#include "client/agent/agent_internal.h"

static const struct ent_msg_metric *metric(const struct ent_msg_metric *metrics, size_t n,
                                           const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(metrics[i].name, name) == 0) {
            return &metrics[i];
        }
    }
    return NULL;
}

void ent_agent_metrics_text(const struct ent_msg_metric *metrics, size_t n, char *out, size_t size)
{
    const struct ent_msg_metric *auc = metric(metrics, n, "auc");
    const struct ent_msg_metric *loss = metric(metrics, n, "log_loss");
    const struct ent_msg_metric *rows = metric(metrics, n, "rows");
    const struct ent_msg_metric *hit10 = metric(metrics, n, "hit_10");
    size_t used;

    (void)snprintf(out, size, "%s", "");
    if (loss != NULL && rows != NULL) {
        (void)snprintf(out, size, "log loss %.4f over %.0f rows", (double)loss->nano / 1e9,
                       (double)rows->nano / 1e9);
    }
    if (auc != NULL && loss != NULL && rows != NULL) {
        (void)snprintf(out, size, "AUC %.4f, log loss %.4f over %.0f rows", (double)auc->nano / 1e9,
                       (double)loss->nano / 1e9, (double)rows->nano / 1e9);
    }
    used = strlen(out);
    if (hit10 != NULL && used < size) {
        (void)snprintf(out + used, size - used, ", hit@10 %.4f", (double)hit10->nano / 1e9);
    }
}

void ent_agent_found_text(const struct ent_agent *agent, double found,
                          char out[ENT_AGENT_FOUND_TEXT])
{
    const struct ent_plan *plan = ent_pipeline_plan(agent->pipeline);
    char who[128] = "the positive label";

    if (plan != NULL && plan->label_positive[0] == '\0') {
        (void)snprintf(who, sizeof who, "%.120s", plan->label_name);
    } else if (plan != NULL) {
        (void)snprintf(who, sizeof who, "%.60s = %.60s", plan->label_name, plan->label_positive);
    }
    (void)snprintf(
        out, ENT_AGENT_FOUND_TEXT,
        "; of those with %s, %.0f %% are in the top 10 %% of scores; random would find 10 %%", who,
        100.0 * found);
}

void ent_agent_found_of(const struct ent_agent *agent, const struct ent_msg_metric *metrics,
                        size_t n, char out[ENT_AGENT_FOUND_TEXT])
{
    const struct ent_msg_metric *found = metric(metrics, n, "found_10");

    out[0] = '\0';
    if (found != NULL) {
        ent_agent_found_text(agent, (double)found->nano / 1e9, out);
    }
}
