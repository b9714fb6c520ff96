/* IN the plan's `privacy` section · OUT its options, the noise that its goal takes, what that costs · OWNS nothing
 * THREADS any (pure) · SOURCE privacy.md 3-6, 8
 *
 * What a plan promises its units. The reader refuses what could not be kept (plan.c calls it, with line and column);
 * ent_plan_privacy_derive turns the goal into numbers by the accountant that is enforced. */
#ifndef ENT_COMMON_PLAN_PRIVACY_H
#define ENT_COMMON_PLAN_PRIVACY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/err.h"
#include "common/privacy/account.h"

struct ent_plan;

/* Whose presence is hidden. */
enum ent_privacy_unit {
    ENT_PRIVACY_NONE,     /* the plan has no `privacy` */
    ENT_PRIVACY_CUSTOMER, /* one customer's rows in one member; noise inside the client */
    ENT_PRIVACY_MEMBER    /* one member's update; noise at the coordinator */
};

struct ent_plan_privacy {
    enum ent_privacy_unit unit;
    double epsilon; /* goal over the whole run */
    double delta;
    double clip;    /* C: largest norm of a unit's gradient (customer), of an update (member) */
    uint64_t rate;  /* customer: R of the sampling rate R / 2^32; 2^32 otherwise */
    uint32_t steps; /* customer: noised steps of a round; 1 otherwise */
    uint32_t batch; /* customer: what the noised sum is divided by: declared, never counted */
    uint32_t
        scale_bits; /* S = 2^this; derived when the plan says nothing. Member: aggregation.scale_bits */
    bool evaluate_uncovered;     /* validation and test rounds run, without noise */
    bool stats_uncovered;        /* statistics are counted, without noise */
    uint32_t members_per_person; /* j: in so many members one person may be; at least 1 */
    uint32_t persons_basis; /* of that number, enum ent_log_basis: 0 none, 1 assumed, 2 matched */
    const char *at; /* "plan.yaml:9:3: ", the place of the grid, for refusals; NULL: "privacy: " */
};

/* What `privacy.persons` says, in one word: "none", "assumed", "matched". */
const char *ent_plan_persons_name(uint32_t basis);

/* Whether the run begins with training: nothing is counted, features are scaled from their declared ranges. */
bool ent_plan_no_stats(const struct ent_plan *plan);
/* Whether the run has validation rounds, and a test round at its end. */
bool ent_plan_validates(const struct ent_plan *plan);
bool ent_plan_tests(const struct ent_plan *plan);

#define ENT_PLAN_PRIVACY_PERSONS 2     /* figures for a person in j = 1 .. this many members */
#define ENT_PLAN_PRIVACY_PERSON_MAX 64 /* members that one person may be in: ENT_DP_MEMBERS_MAX */

/* What the goal takes. */
struct ent_plan_noise {
    struct ent_dp_event
        round;            /* what one round of training books: rate, sigma2, D2, dimension, steps */
    double z;             /* noise multiplier: sigma / D2 */
    uint64_t d2;          /* L2 sensitivity on the grid; = round.sensitivity */
    uint64_t sigma2;      /* = round.sigma2 */
    uint64_t steps_total; /* T: noised releases of the run */
    uint64_t dim;         /* d: parameters */
    double epsilon;       /* what the run costs a unit, rounded up; at most the goal */
    double epsilon_rdp;   /* RDP beside it */
    enum ent_dp_accountant accountant;
    /* What it costs a person in j = [i] + 1 members (customer: curves add; member: sensitivity 2 j). */
    double epsilon_person[ENT_PLAN_PRIVACY_PERSONS];
    double epsilon_declared; /* the same in as many members as the plan says (members_per_person) */
    double rounding;         /* by how much the grid enlarges the noise: .01 is 1 % */
    double
        noise_norm; /* expected norm of the noise in the mean of one step (customer: of one member), parameter units */
    double
        bound_norm; /* the largest norm that the mean without noise can have, at the declared batch: C */
};

/* CONFIG: the plan has no `privacy`, or no noise reaches its goal, or the noise is below the safe grid or beyond the
 * sampler's bounds; with the numbers and what to change. Takes up to some tenths of a second. */
ENT_MUST enum ent_err ent_plan_privacy_derive(const struct ent_plan *plan,
                                              struct ent_plan_noise *out);
/* The same with this noise multiplier in place of the goal: what it costs. */
ENT_MUST enum ent_err ent_plan_privacy_of_noise(const struct ent_plan *plan, double z,
                                                struct ent_plan_noise *out);
/* The same with another goal and number of rounds, for tables of trade-offs. */
ENT_MUST enum ent_err ent_plan_privacy_goal(const struct ent_plan *plan, double epsilon,
                                            uint32_t rounds, struct ent_plan_noise *out);

/* What leaves a member in the course of a run. covered: noise stands before it. */
struct ent_plan_release {
    const char *what; /* static */
    uint64_t times;   /* in a run, at most */
    bool covered;
};
#define ENT_PLAN_RELEASES_MAX 6
/* Fills list, returns how many. Also for plans without `privacy`: nothing is covered. */
uint32_t ent_plan_releases(const struct ent_plan *plan,
                           struct ent_plan_release list[ENT_PLAN_RELEASES_MAX]);

/* For plan-check and the privacy verb: the lines of one derivation, and what is covered and what is not. */
void ent_plan_noise_print(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                          FILE *out);
void ent_plan_releases_print(const struct ent_plan *plan, FILE *out);
/* The same for --json, keys of the open object: a derivation; "releases". */
struct ent_json_writer;
void ent_plan_noise_put(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                        struct ent_json_writer *w);
void ent_plan_releases_put(const struct ent_plan *plan, struct ent_json_writer *w);
/* enum ent_privacy_unit: "customer", "member", "none"; who adds noise under it: "members", "coordinator". */
const char *ent_plan_unit_name(uint32_t unit);
const char *ent_plan_noise_at_name(uint32_t unit);
/* Noise of a whole run beside the largest sum of what it learns from: gradients of T steps add up as T, noise as sqrt(T). */
double ent_plan_noise_ratio(const struct ent_plan_noise *noise);
/* A sentence with the numbers where the noise will drown what is learnt; false: no warning. */
#define ENT_PLAN_PRIVACY_TEXT_BYTES 512
bool ent_plan_noise_warning(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                            char out[ENT_PLAN_PRIVACY_TEXT_BYTES]);

#endif
