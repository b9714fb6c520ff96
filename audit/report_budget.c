/* What runs with privacy have spent: words that a person who is no cryptographer can hold somebody to. */
#include <inttypes.h>
#include <math.h>

#include "audit/report_internal.h"
#include "common/base/plural.h"
#include "common/plan/privacy.h"
#include "common/privacy/account.h"

#define NANO 1e9
#define E18 1e18

static const char *unit_word(const struct ent_leaf_dp_event *e)
{
    return e->unit == ENT_PRIVACY_CUSTOMER
               ? "one customer's rows in one member: they are there or not"
               : "one member's update of a round: it counts, or zeros stand in its place (that the "
                 "member takes part is public)";
}

static const char *basis_word(const struct ent_leaf_dp_event *e)
{
    switch (e->basis) {
    case ENT_LOG_BASIS_ASSUMED:
        return "assumed by the plan";
    case ENT_LOG_BASIS_MATCHED:
        return "found by matching the members' customers";
    default:
        return "nobody has declared or counted it";
    }
}

static void bar(struct ent_report *r, double share)
{
    char text[16];
    const struct ent_html_attribute attributes[] = {
        {"value", text},
        {"max", "1"},
        {"aria-label", "share of the limit that is spent"},
        {NULL, NULL}};

    (void)snprintf(text, sizeof text, "%.3f", share < 1.0 ? share : 1.0);
    ent_html_open_with(r->h, "progress", attributes);
    ent_html_close(r->h);
}

static void spent_item(struct ent_report *r, const struct ent_audit_spending *s)
{
    double spent = (double)s->spent_nano / NANO;
    double limit = (double)s->event.limit_nano / NANO;

    ent_report_item(r, "Spent",
                    "epsilon %.4f of %.4f at delta %.3g, by %" PRIu32 " booked %s "
                    "(%.0f %% of the limit); %" PRIu32 " given back",
                    spent, limit, (double)s->event.delta_e18 / E18, s->rounds,
                    ent_plural(s->rounds, "round", "rounds"), 100.0 * spent / limit, s->refunds);
}

static void mechanism_item(struct ent_report *r, const struct ent_leaf_dp_event *e)
{
    double z = sqrt((double)e->sigma2) / (double)e->sensitivity;
    char count[ENT_REPORT_NUMBER_BYTES];

    if (e->unit == ENT_PRIVACY_MEMBER) {
        ent_report_item(r, "Mechanism",
                        "every update is cut down to one length; discrete Gaussian noise of %.3g "
                        "times what a member can move is added once to their sum, before a model "
                        "is made of it",
                        z);
        return;
    }
    ent_report_item(
        r, "Mechanism",
        "discrete Gaussian noise of %.3g times what a unit can move, in each of %s %s of "
        "a round; each takes a unit with probability %.4g",
        z, ent_report_count(e->steps, count), ent_plural(e->steps, "step", "steps"),
        (double)e->rate / (double)ENT_DP_RATE_ALL);
}

static void noise_items(struct ent_report *r, const struct ent_leaf_dp_event *e)
{
    ent_report_item(r, "Unit of privacy", "%s", unit_word(e));
    mechanism_item(r, e);
    ent_report_item(r, "Trust", "%s",
                    e->trust == ENT_LOG_TRUST_CENTRAL
                        ? "noise is added at the coordinator: it sees each member's update and "
                          "their sum without noise, and so does an auditor who opens seals. The "
                          "promise holds against everybody else: the other members, and whoever "
                          "gets a model"
                        : "noise is added inside each member, before anything leaves it: the "
                          "coordinator need not be trusted with it, and each member answers for "
                          "its own");
}

static void person_item(struct ent_report *r, uint32_t members, double epsilon)
{
    char what[64];

    (void)snprintf(what, sizeof what, "A person in %" PRIu32 " %s", members,
                   ent_plural(members, "member", "members"));
    if (isfinite(epsilon)) {
        ent_report_item(r, what, "epsilon %.4f at most, at the same delta", epsilon);
    } else {
        ent_report_item(r, what, "no figure can be given");
    }
}

static void person_items(struct ent_report *r, const struct ent_audit_spending *s)
{
    uint32_t counted = s->event.members_per_person;

    if (s->event.unit == ENT_PRIVACY_MEMBER) {
        ent_report_item(r, "A member", "epsilon %.4f: whether its contribution is in the models",
                        (double)s->spent_nano / NANO);
    }
    for (uint32_t j = 1; j <= ENT_AUDIT_PERSONS && s->rounds > 0; j++) {
        person_item(r, j, s->person[j - 1]);
    }
    if (counted > ENT_AUDIT_PERSONS && s->rounds > 0) {
        person_item(r, counted, s->person[ENT_AUDIT_PERSONS]);
    }
    ent_report_item(r, "Members that know one person", "%" PRIu32 " counted on; %s", counted,
                    basis_word(&s->event));
}

void ent_report_budgets(struct ent_report *r)
{
    for (size_t i = 0; i < r->facts->n_spendings && i < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_spending *s = &r->facts->spendings[i];

        ent_html_putf(r->h, "h3", NULL, "Budget of run %" PRIu32, s->run);
        ent_html_open(r->h, "p", NULL);
        bar(r, (double)s->spent_nano / (double)s->event.limit_nano);
        ent_html_close(r->h);
        ent_html_line(r->h);
        ent_html_open(r->h, "dl", NULL);
        spent_item(r, s);
        ent_report_item(r, "Accounts", "%" PRIu32 " members; shown is the fullest", s->n_accounts);
        noise_items(r, &s->event);
        person_items(r, s);
        ent_report_uncovered(r, s);
        ent_report_noise(r, s);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_more(r, "runs with a budget",
                    r->facts->n_spendings < ENT_REPORT_ROWS_MAX ? r->facts->n_spendings
                                                                : ENT_REPORT_ROWS_MAX,
                    r->facts->n_spendings, r->facts->lost_spendings);
}
