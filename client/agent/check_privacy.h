/* IN a plan · OUT what of it noise covers and what that costs, for `check` · OWNS nothing · THREADS any
 * SOURCE privacy.md 6, 8 */
#ifndef ENT_CLIENT_AGENT_CHECK_PRIVACY_H
#define ENT_CLIENT_AGENT_CHECK_PRIVACY_H

#include "client/agent/outgoing.h"
#include "client/agent/pipeline.h"
#include "common/json/json.h"

/* Whether noise stands before whatever is released of it. */
bool ent_check_privacy_covers(const struct ent_plan *plan, const struct ent_outgoing *outgoing);
/* "covered by noise", and whose, and who sees it without. */
const char *ent_check_privacy_words(const struct ent_plan *plan,
                                    const struct ent_outgoing *outgoing);
/* Whether a run of the plan can be had at all: CONFIG with a sentence. */
ENT_MUST enum ent_err ent_check_privacy_possible(struct ent_pipeline *pipeline);
void ent_check_privacy_print(struct ent_pipeline *pipeline, FILE *out);
/* Key "privacy" of the open object: null without it. */
void ent_check_privacy_put(struct ent_pipeline *pipeline, struct ent_json_writer *json);

#endif
