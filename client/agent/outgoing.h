/* IN a plan · OUT what a run of it takes from this member, in words · OWNS nothing · THREADS any · SOURCE protocol.md 4 */
#ifndef ENT_CLIENT_AGENT_OUTGOING_H
#define ENT_CLIENT_AGENT_OUTGOING_H

#include "common/plan/plan.h"
#include "common/task/task.h"

/* One kind of vector that would leave. */
struct ent_outgoing {
    const char *name;
    enum ent_task_kind task;
    enum ent_split split;
    uint32_t times; /* a run, without repeated attempts */
    size_t dim;
    uint64_t bytes; /* of one payload */
    const char *words;
    enum ent_err allowed;
    char why[256];
};

#define ENT_N_OUTGOING 4

void ent_outgoing_list(const struct ent_plan *plan, struct ent_outgoing out[ENT_N_OUTGOING]);

#endif
