/* One pipeline for many members in turn, over one table that all of them share: for simulations. Model, batches and
 * preparation stay; only the row lists and the name change. */
#ifndef ENT_CLIENT_AGENT_PIPELINE_SHARE_H
#define ENT_CLIENT_AGENT_PIPELINE_SHARE_H

#include "client/agent/pipeline.h"

/* A pipeline over a plan and a table that the caller keeps until ent_pipeline_give_back. No member yet. */
ENT_MUST enum ent_err ent_pipeline_borrow(struct ent_plan *plan, struct ent_table *table,
                                          struct ent_pipeline **out);
/* From now on it is this member: name (copied) and rows (borrowed). */
ENT_MUST enum ent_err ent_pipeline_become(struct ent_pipeline *pipeline, const char *member,
                                          struct ent_parts *parts);
/* Frees the pipeline, and nothing that was borrowed. NULL is fine. */
void ent_pipeline_give_back(struct ent_pipeline *pipeline);

#endif
