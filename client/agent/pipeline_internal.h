/* What pipeline.c and local.c share. Not for others. */
#ifndef ENT_CLIENT_AGENT_PIPELINE_INTERNAL_H
#define ENT_CLIENT_AGENT_PIPELINE_INTERNAL_H

#include "client/agent/pipeline.h"

struct ent_pipeline {
    const struct ent_client_config *config;
    char *member;
    struct ent_plan *plan;
    struct ent_schema schema;
    struct ent_table *table;
    struct ent_parts *parts;
    struct ent_fits *fits; /* what prep was made from */
    struct ent_prep *prep;
    struct ent_gather *gathers[4]; /* by enum ent_split */
    struct ent_model *model;
    float *state; /* optimizer state kept between rounds */
    float *state_next;
    uint64_t state_steps;
    uint64_t steps_next;
    bool state_pending; /* state_next is that of a round that is not closed yet */
};

/* fits: [n_features], copied. */
ENT_MUST enum ent_err ent_pipeline_prepare(struct ent_pipeline *p, const struct ent_fit *fits);
ENT_MUST enum ent_err ent_pipeline_gather(struct ent_pipeline *p, enum ent_split split,
                                          struct ent_rows *rows);
ENT_MUST enum ent_err ent_pipeline_model(struct ent_pipeline *p);
/* rows = 0 where the payload counts none. */
ENT_MUST enum ent_err ent_pipeline_metrics(const struct ent_payload *payload,
                                           struct ent_metrics *out);

#endif
