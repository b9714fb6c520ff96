/* A model's figures in words. */
#include <stdio.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "client/policy/policy.h"

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

/* A number in 10^-9; what does not fit ends at the largest. */
static int64_t nano(double v)
{
    double scaled = v * 1e9;

    if (scaled >= 0x1p62 || scaled <= -0x1p62) {
        return scaled > 0 ? INT64_MAX : -INT64_MAX;
    }
    return (int64_t)(scaled >= 0 ? scaled + 0.5 : scaled - 0.5);
}

void ent_agent_send_figures(struct ent_agent *agent, const struct ent_metrics *metrics)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    struct ent_msg_metric list[ENT_METRIC_VALUES];
    struct ent_msg_figures m = {.metrics = list};
    size_t n = ent_metrics_values(metrics, values);
    enum ent_err err;

    memcpy(m.round_open, agent->open->hash, sizeof m.round_open);
    for (size_t i = 0; i < n; i++) {
        struct ent_msg_metric *to = &list[m.n_metrics];

        if (ent_policy_figure_goes(&agent->config->policy, values[i].name)) {
            *to = (struct ent_msg_metric){.nano = nano(values[i].value)};
            (void)snprintf(to->name, sizeof to->name, "%s", values[i].name);
            m.n_metrics++;
        }
    }
    if (m.n_metrics == 0) {
        return;
    }
    err = ent_agent_send(agent, ENT_MSG_FIGURES, &m, NULL);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
}
