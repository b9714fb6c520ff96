/* V9 and the end of a round: everybody who was invited ended once, and what is stated of them holds. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "audit/round_inside.h"

enum ent_err ent_audit_round_keep(struct ent_audit *a)
{
    struct ent_audit_round *round = NULL;

    a->open = false;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, rounds, ENT_AUDIT_ROUNDS_MAX, &round));
    if (round != NULL) {
        *round = a->round;
    }
    return ENT_E_OK;
}

static enum ent_err check_cohort(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    char name[ENT_AUDIT_SHORT_BYTES];

    a->n_cohorts++;
    for (size_t i = 0; i < a->n_invited; i++) {
        const struct ent_audit_invited *invited = &a->invited[i];

        if (invited->place == ENT_AUDIT_ENDED || invited->member == ENT_AUDIT_NOBODY) {
            continue;
        }
        ent_audit_short(a->facts->members[invited->member].handle, 16, name);
        if (invited->place == ENT_AUDIT_JOINED) {
            ENT_TRY(ent_audit_fail(a, 9, leaf->index,
                                   "round %" PRIu64 ": member %s invited, joined (leaf %" PRIu64
                                   "), then neither accepted, rejected nor dropped",
                                   a->round.round, name, invited->join_seq));
        } else {
            ENT_TRY(ent_audit_fail(a, 9, leaf->index,
                                   "round %" PRIu64
                                   ": member %s invited, then neither joined, rejected nor dropped",
                                   a->round.round, name));
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_names(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                const uint8_t round_open[32], uint32_t attempt, bool *yes)
{
    *yes = a->open && leaf->frame.run == a->round.run && leaf->frame.round == a->round.round;
    if (!*yes) {
        return ent_audit_fail(a, 7, leaf->index,
                              "leaf %" PRIu64 ": %s of round %" PRIu64 ", which is not open",
                              leaf->index, ent_leaf_name(leaf->frame.type), leaf->frame.round);
    }
    if (memcmp(round_open, a->round.open_hash, 32) != 0 || attempt != a->round.attempt) {
        return ent_audit_fail(a, 7, leaf->index,
                              "leaf %" PRIu64 " ends another opening of round %" PRIu64,
                              leaf->index, a->round.round);
    }
    return ENT_E_OK;
}

static enum ent_err check_survivors(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_bytes survivors = leaf->any.round_close.survivors;
    bool fits = survivors.len == (a->n_invited + 7) / 8;

    for (size_t i = 0; i < survivors.len * 8; i++) {
        bool is = ent_leaf_survived(survivors, i);

        fits = fits && is == (i < a->n_invited && a->invited[i].accepted);
    }
    if (fits) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 9, leaf->index,
                          "leaf %" PRIu64 ": round %" PRIu64
                          " counts others in than those whose updates it accepted",
                          leaf->index, a->round.round);
}

static void note_end(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                     enum ent_audit_outcome outcome)
{
    a->round.outcome = outcome;
    a->round.end_seq = leaf->index;
    a->round.end_ms = leaf->frame.time_ms;
    a->last_run = a->round.run;
    a->last_round = a->round.round;
    a->last_attempt = a->round.attempt;
    a->last_aborted = outcome == ENT_AUDIT_ROUND_ABORTED;
    if (!a->last_aborted) {
        a->last_task = a->round.task;
        a->last_split = a->round.split;
    }
}

enum ent_err ent_audit_close(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_close *close = &leaf->any.round_close;
    bool yes;

    ENT_TRY(check_names(a, leaf, close->round_open, close->attempt, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    ENT_TRY(check_cohort(a, leaf));
    ENT_TRY(check_survivors(a, leaf));
    if (a->round.accepted < a->opened.min_members) {
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64 ": round %" PRIu64 " closes with %" PRIu32
                               " updates; its configuration asks for %" PRIu32,
                               leaf->index, a->round.round, a->round.accepted,
                               a->opened.min_members));
    }
    if (close->sum_w != a->sum_w) {
        ENT_TRY(ent_audit_fail(a, 10, leaf->index,
                               "leaf %" PRIu64 ": the weights of round %" PRIu64
                               " add up to %" PRIu64 ", not to %" PRIu64,
                               leaf->index, a->round.round, a->sum_w, close->sum_w));
    }
    a->round.sum_w = close->sum_w;
    a->round.has_model = close->has_model;
    memcpy(a->round.model, close->model, sizeof a->round.model);
    ENT_TRY(ent_audit_noise_closed(a, leaf));
    note_end(a, leaf, ENT_AUDIT_ROUND_CLOSED);
    ENT_TRY(ent_audit_models_closed(a, leaf));
    return ent_audit_round_keep(a);
}

enum ent_err ent_audit_abort(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_abort *abort = &leaf->any.round_abort;
    bool yes;

    ENT_TRY(check_names(a, leaf, abort->round_open, abort->attempt, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    ENT_TRY(check_cohort(a, leaf));
    if (abort->inputs_arrived != (a->round.accepted > 0)) {
        ENT_TRY(ent_audit_fail(
            a, 7, leaf->index,
            "leaf %" PRIu64 " says that %s updates had been accepted; %" PRIu32 " were",
            leaf->index, abort->inputs_arrived ? "some" : "no", a->round.accepted));
    }
    ent_audit_noise_aborted(a);
    a->round.code = abort->code;
    note_end(a, leaf, ENT_AUDIT_ROUND_ABORTED);
    return ent_audit_round_keep(a);
}

enum ent_err ent_audit_rounds_end(struct ent_audit *a)
{
    bool fixed = false;

    if (a->open) { /* the export ends inside it: nothing to judge yet */
        ENT_TRY(ent_audit_round_keep(a));
    }
    ent_audit_say(a, 7, ENT_AUDIT_OK,
                  "%zu attempts of rounds in %zu runs, each under the configuration it names",
                  a->facts->n_rounds, a->facts->n_runs);
    for (size_t i = 0; i < a->facts->n_members; i++) {
        fixed = fixed || a->live[i].fixed_weight > 0;
    }
    ent_audit_say(a, 10, a->n_weights > 0 ? ENT_AUDIT_OK : ENT_AUDIT_SKIP,
                  "%" PRIu64 " weights follow the rule, sums add up%s", a->n_weights,
                  fixed ? " (fixed weights: constant in a run; names are not in the log)" : "");
    return ENT_E_OK;
}
