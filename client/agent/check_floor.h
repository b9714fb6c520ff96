/* IN the loaded data, the policy, the plan · OUT which floor on groups holds and what of this member falls below it, for
 * `check`: it stays on this machine · OWNS nothing · THREADS any · SOURCE privacy.md 6 ("Floor on groups") */
#ifndef ENT_CLIENT_AGENT_CHECK_FLOOR_H
#define ENT_CLIENT_AGENT_CHECK_FLOOR_H

#include <stdio.h>

#include "client/agent/outgoing.h"
#include "client/agent/workplace.h"
#include "common/json/json.h"

/* Of one category: its buckets (vocabulary) or declared values that some customers have, and those that too few have. */
struct ent_check_group {
    uint32_t feature;
    uint32_t n;
    uint32_t below;
};

struct ent_check_floor {
    uint32_t floor;                 /* ent_policy_floor */
    const char *parts[3];           /* training, validation, test: "yes", "zeros", "no", "empty" */
    bool zeros[ENT_N_OUTGOING];     /* as ent_outgoing_list has them: sent as zeros, times > 0 */
    struct ent_check_group *groups; /* where some are below it; the statistics are not zeros */
    uint32_t n_groups;
};

/* After the data is loaded. out: zeros; release it even after an error. */
ENT_MUST enum ent_err ent_check_floor_read(const struct ent_workplace *w,
                                           const struct ent_outgoing list[ENT_N_OUTGOING],
                                           struct ent_check_floor *out);
void ent_check_floor_release(struct ent_check_floor *floor);
void ent_check_floor_print(const struct ent_workplace *w, const struct ent_check_floor *floor,
                           FILE *out);
/* Keys "min_customers", "min_group", "sent_as_zeros", "below_min_group" of the open object. */
void ent_check_floor_put(const struct ent_workplace *w, const struct ent_check_floor *floor,
                         struct ent_json_writer *json);

#endif
