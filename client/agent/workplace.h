/* What the offline verbs stand on: a directory with client.yaml, perhaps enrolled, and a plan. Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_WORKPLACE_H
#define ENT_CLIENT_AGENT_WORKPLACE_H

#include "client/agent/pipeline.h"
#include "common/json/json.h"
#include "common/schema/limits.h"

struct ent_workplace {
    const char *dir; /* "." when none was given */
    bool enrolled;
    char name[ENT_WIRE_NAME_MAX_BYTES + 1]; /* in the roster; "local" when not enrolled */
    struct ent_client_config *config;
    struct ent_pipeline *pipeline; /* with the plan, data not loaded yet */
};

/* dir, config: may be NULL. plan: a path. */
ENT_MUST enum ent_err ent_workplace_open(const char *dir, const char *config, const char *plan,
                                         struct ent_workplace *out);
void ent_workplace_close(struct ent_workplace *workplace);
/* client.yaml alone: config, or dir's; caller frees. */
ENT_MUST enum ent_err ent_workplace_config(const char *dir, const char *config,
                                           struct ent_client_config **out);
/* JSON text and a line end to standard output. */
ENT_MUST enum ent_err ent_workplace_print(const struct ent_buf *json);
/* Keys of the open object: the figures by name; auc, auc_error and log_loss are null where they are not defined, others are
 * left out. */
void ent_workplace_put_metrics(struct ent_json_writer *w, const struct ent_metrics *metrics);

#define ENT_WORKPLACE_ERROR_UNIT "the square of half the label's range"
/* Of classes and numbers: "log_loss=0.669000 rows=18240 ..." and a line end; of numbers squared_error, and its unit. */
void ent_workplace_print_values(const struct ent_metrics *metrics, FILE *out);

/* "48 % of the positive ones are in the top 10 % of scores; random would find 10 %"; "" where it is not defined. */
#define ENT_WORKPLACE_FOUND_TEXT 128
void ent_workplace_found_text(const struct ent_metrics *metrics,
                              char out[ENT_WORKPLACE_FOUND_TEXT]);

#endif
