/* Within a budget: what it does not cover, and what stands behind noise of the coordinator. */
#include <inttypes.h>

#include "audit/report_internal.h"
#include "common/base/plural.h"
#include "common/plan/privacy.h"
#include "common/task/task.h"

/* ---- what is not covered ---- */

struct kept { /* releases of one kind */
    uint64_t n;
    uint64_t first; /* entry */
    uint64_t last;
};

static void count_in(struct kept *k, uint64_t seq)
{
    k->first = k->n == 0 ? seq : k->first;
    k->last = seq;
    k->n++;
}

static void kept_item(struct ent_report *r, const char *what, const struct kept *k, bool *any)
{
    char count[ENT_REPORT_NUMBER_BYTES];

    if (k->n == 0) {
        return;
    }
    *any = true;
    if (k->n == 1) {
        ent_report_item(r, "Not covered", "%s (entry %" PRIu64 ")", what, k->first);
    } else {
        ent_report_item(r, "Not covered", "%s, %s times (entries %" PRIu64 " to %" PRIu64 ")", what,
                        ent_report_count(k->n, count), k->first, k->last);
    }
}

static void base_item(struct ent_report *r, const struct ent_audit_run *run, bool *any)
{
    switch (run != NULL ? run->base_is : ENT_AUDIT_BASE_NONE) {
    case ENT_AUDIT_BASE_PLAN:
        ent_report_item(r, "Starts from", "the plan's own first model: no data is in it");
        break;
    case ENT_AUDIT_BASE_RELEASED:
        *any = true;
        ent_report_item(r, "Not covered",
                        "the model that the run starts from, released before (entry %" PRIu64
                        "): what that cost is no part of this budget",
                        run->base_seq);
        break;
    case ENT_AUDIT_BASE_OTHER:
        *any = true;
        ent_report_item(r, "Not covered",
                        "the model that the run starts from (entry %" PRIu64
                        " names it): it was brought along, is neither the plan's nor one of this "
                        "log, and nothing here says whose data is in it",
                        run->seq);
        break;
    case ENT_AUDIT_BASE_UNKNOWN:
        *any = true;
        ent_report_item(r, "Not covered",
                        "the model that the run starts from (entry %" PRIu64
                        " names it), as far as this export tells: it is not here to be compared "
                        "with the plan's",
                        run->seq);
        break;
    default:
        break;
    }
}

void ent_report_uncovered(struct ent_report *r, const struct ent_audit_spending *s)
{
    const struct ent_audit_facts *f = r->facts;
    struct kept statistics = {0};
    struct kept figures = {0};
    struct kept models = {0};
    bool any = false;

    for (size_t i = 0; i < f->n_rounds; i++) {
        if (f->rounds[i].run == s->run && ent_report_is_statistics(&f->rounds[i])) {
            count_in(&statistics, f->rounds[i].end_seq);
        }
    }
    for (size_t i = 0; i < f->n_evals; i++) {
        if (f->evals[i].run == s->run && !f->evals[i].dp_covered) {
            count_in(&figures, f->evals[i].seq);
        }
    }
    for (size_t i = 0; i < f->n_releases; i++) {
        if (f->releases[i].run == s->run && !f->releases[i].leaf.dp_covered) {
            count_in(&models, f->releases[i].seq);
        }
    }
    base_item(r, ent_report_run_of(f, s->run), &any);
    kept_item(r, "pooled statistics", &statistics, &any);
    kept_item(r, "evaluation figures, and what was chosen by them", &figures, &any);
    kept_item(r, "models", &models, &any);
    if (!any) {
        ent_report_item(r, "Not covered", "nothing that this log releases in this run");
    }
}

/* ---- noise of the coordinator ---- */

static void proof_item(struct ent_report *r, const struct ent_audit_noising *n)
{
    if (n->n_auditors == 0) {
        ent_report_item(
            r, "Proof of the noise",
            "none, and there will be none: no auditor was admitted before the run. That "
            "noise was drawn is the coordinator's word");
        return;
    }
    ent_report_item(r, "Proof of the noise",
                    "%" PRIu32 " %s with noise; each seed was committed to before anybody joined, "
                    "%" PRIu64 " numbers of members went into it, and it is sealed to %" PRIu32
                    " %s (%" PRIu32 " opened here). entente-audit replay with an auditor's key "
                    "draws the noise again",
                    n->rounds, ent_plural(n->rounds, "round", "rounds"), n->nonces, n->n_auditors,
                    ent_plural(n->n_auditors, "auditor", "auditors"), n->opened);
}

static void reroll_item(struct ent_report *r, const struct ent_audit_noising *n)
{
    uint64_t rerolls = ent_audit_rerolls_of(n);
    char count[ENT_REPORT_NUMBER_BYTES];

    if (rerolls == 0) {
        ent_report_item(r, "Rerolls", "none: nothing could have been chosen of the noise");
        return;
    }
    ent_report_item(r, "Rerolls",
                    "%s: %" PRIu32 " %s that did not come, %" PRIu32 " %s that failed. Who knew a "
                    "seed early, which is the coordinator alone, could have chosen the noise by at "
                    "most one bit with each of them",
                    ent_report_count(rerolls, count), n->withheld,
                    ent_plural(n->withheld, "join", "joins"), n->aborted,
                    ent_plural(n->aborted, "attempt", "attempts"));
}

void ent_report_noise(struct ent_report *r, const struct ent_audit_spending *s)
{
    const struct ent_audit_noising *n = ent_report_noising_of(r->facts, s->run);

    if (s->event.trust != ENT_LOG_TRUST_CENTRAL) {
        return;
    }
    if (n == NULL) {
        ent_report_item(r, "Proof of the noise", "none: no round committed to a seed");
        return;
    }
    proof_item(r, n);
    reroll_item(r, n);
}
