/* IN a plan, client.yaml, loaded data · OUT lines for this member's own terminal · OWNS nothing · THREADS one at a time
 * SOURCE protocol.md 5
 *
 * What is legal and most often not meant: settings that the plan knows nothing of, parts of the split without a row,
 * columns that are not what they look like. The
 * lines name columns and settings of client.yaml, so they never leave this machine. */
#ifndef ENT_CLIENT_AGENT_ADVICE_H
#define ENT_CLIENT_AGENT_ADVICE_H

#include "client/agent/pipeline.h"

typedef void ent_advice_say(void *ctx, const char *line);

void ent_advice_columns(const struct ent_plan *plan, const struct ent_client_config *config,
                        ent_advice_say *say, void *ctx);
/* After ent_pipeline_load. */
void ent_advice_parts(const struct ent_pipeline *pipeline, ent_advice_say *say, void *ctx);
/* DATA: labels from which nothing can be learned. Not under privacy: whether a member takes part would tell whether one of
 * its customers has the label that the plan names, and no budget would count it. There it is advice, of ent_advice_parts. */
ENT_MUST enum ent_err ent_advice_labels(const struct ent_pipeline *pipeline);

#endif
