/* Between rounds.c, round_end.c and course.c. */
#ifndef ENT_AUDIT_ROUND_INSIDE_H
#define ENT_AUDIT_ROUND_INSIDE_H

#include "audit/inside.h"

/* ent_phase of leaves (coordinator/round). */
#define ENT_AUDIT_PHASE_JOIN 2
#define ENT_AUDIT_PHASE_UPDATE 3

/* The open attempt goes into the facts and is over. */
ENT_MUST enum ent_err ent_audit_round_keep(struct ent_audit *a);

#endif
