/* What the model is that a run starts from: the plan's own, one that this log released before, or one that was brought along
 * (`start --base`): that one the log names, and nothing says what it was made of. Asked by verify and by replay. */
#ifndef ENT_AUDIT_BASE_H
#define ENT_AUDIT_BASE_H

#include "audit/facts.h"
#include "common/export/read.h"
#include "common/plan/plan.h"

struct ent_audit_base_asked {
    struct ent_export *export;
    const struct ent_plan *plan; /* NULL: it is not there, or is none of ours */
    const uint8_t *base;         /* [32]: as the config.set names it */
    bool no_stats; /* the run has no statistics round: a plan of ranges makes its model alone */
    bool released; /* it stands among the releases before */
    bool releases_lost; /* there were more of them than are kept */
};

/* NO_MEMORY, or what reading the export gives. */
ENT_MUST enum ent_err ent_audit_base_is(const struct ent_audit_base_asked *q,
                                        enum ent_audit_base *is);

#endif
