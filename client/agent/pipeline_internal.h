/* What pipeline.c and local.c share. Not for others. */
#ifndef ENT_CLIENT_AGENT_PIPELINE_INTERNAL_H
#define ENT_CLIENT_AGENT_PIPELINE_INTERNAL_H

#include "client/agent/pipeline.h"
#include "client/events/steps.h"

struct ent_pipeline {
    const struct ent_client_config *config;
    char *member;
    struct ent_plan *plan;
    struct ent_schema schema;
    struct ent_table *table;
    struct ent_parts *parts;
    struct ent_fits *fits; /* what prep was made from */
    struct ent_prep *prep;
    struct ent_gather *gathers[4]; /* by enum ent_split; plain rows */
    struct ent_steps *steps[4];    /* whatever is more than that */
    struct ent_model *model;
    bool keeps_base; /* for many members in turn: the round's model is read once */
    struct ent_modelfile *base;
    bool has_noise;
    struct ent_plan_noise noise; /* what the plan's privacy goal takes */
};

/* fits: [n_features], copied. */
ENT_MUST enum ent_err ent_pipeline_prepare(struct ent_pipeline *p, const struct ent_fit *fits);
ENT_MUST enum ent_err ent_pipeline_gather(struct ent_pipeline *p, enum ent_split split,
                                          struct ent_rows *rows);
/* Rows that were made for others. */
void ent_pipeline_drop_rows(struct ent_pipeline *p);
ENT_MUST enum ent_err ent_pipeline_model(struct ent_pipeline *p);
/* The optimizer goes on from `kept` (NULL: from zero), if the plan keeps its state. */
ENT_MUST enum ent_err ent_pipeline_keep(const struct ent_pipeline *p, struct ent_kept *kept,
                                        struct ent_train_options *options);
/* A round of noised steps (pipeline_dp.c); the result is in the model. */
ENT_MUST enum ent_err ent_pipeline_dp_train(struct ent_pipeline *p, const struct ent_rows *rows,
                                            const struct ent_train_options *options);
/* A round of ordinary training under unit member: when it ends in numbers that are not finite, the model is `base` again
 * (the update is zero), `kept` is dropped, and the loss is NaN. */
ENT_MUST enum ent_err ent_pipeline_member_train(struct ent_pipeline *p, const struct ent_rows *rows,
                                                const struct ent_train_options *options,
                                                struct ent_kept *kept,
                                                struct ent_train_result *trained);
/* rows = 0 where the payload counts none. */
ENT_MUST enum ent_err ent_pipeline_metrics(const struct ent_plan *plan,
                                           const struct ent_payload *payload,
                                           struct ent_metrics *out);

#endif
