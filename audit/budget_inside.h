/* Inside of V13: budget.c (what is booked), budget_plan.c (what a plan makes a round book). */
#ifndef ENT_AUDIT_BUDGET_INSIDE_H
#define ENT_AUDIT_BUDGET_INSIDE_H

#include "audit/inside.h"
#include "common/plan/plan.h"

#define NANO 1e9
#define E18 1e18

enum promise { PROMISE_UNKNOWN, PROMISE_NONE, PROMISE_PRIVACY };

struct account {
    uint32_t booked;
    uint64_t spent_nano;  /* as logged */
    uint64_t before_nano; /* what it was before the newest event */
    uint64_t newest_seq;  /* dp.event that charged it last */
};

struct ent_audit_budget {
    uint64_t config;      /* leaf of the run's config.set, plus 1; 0: none yet */
    enum promise promise; /* of its plan */
    bool has_plan;        /* it is here, and one of this build */
    bool hopeless;        /* it has a goal that no noise reaches: its rounds must not open */
    struct ent_plan_privacy privacy;
    struct ent_plan_noise noise;    /* what the plan derives */
    uint32_t weight_max;            /* of the plan: it stands in the sensitivity */
    size_t place;                   /* of the run in facts->budgets, plus 1; 0: not there */
    struct ent_leaf_dp_event first; /* of the run; what all its rounds book */
    bool has_first;
    struct account *accounts; /* [ENT_AUDIT_MEMBERS_MAX] */
    uint64_t *ledgers; /* [ENT_AUDIT_MEMBERS_MAX] newest entry that a member stated, in all runs */
    uint64_t *figures; /* [n_figures] recomputed, by number of rounds; UNKNOWN */
    size_t n_figures;
    size_t cap_figures;
    bool sampled;
    /* the newest attempt of training */
    bool owed;   /* it was opened just now: dp.event comes next */
    bool booked; /* by the leaf below, and not given back */
    uint64_t event_seq;
    bool input; /* something of a member arrived */
    uint64_t n_rounds;
};

/* What the run's plan promises. */
ENT_MUST enum ent_err ent_audit_budget_plan(struct ent_audit *a);
/* A dp.event against it, and against the run's first. */
ENT_MUST enum ent_err ent_audit_budget_event(struct ent_audit *a,
                                             const struct ent_audit_leaf *leaf);

#endif
