/* The laws of a round (protocol.md 6), checked on events and actions from outside: the unit tests'
 * random schedules and the fuzz target share them. Each returns NULL, or the law that was broken. */
#ifndef ENT_TESTS_COORDINATOR_ROUND_LAWS_H
#define ENT_TESTS_COORDINATOR_ROUND_LAWS_H

#include <string.h>

#include "coordinator/round/round.h"

#define LAWS_MEMBERS 64

/* What an observer of rows and actions knows. */
struct laws {
    bool in_attempt;
    bool gated;    /* GATE came for this attempt */
    bool closed;   /* CLOSE row seen, RELEASE not yet */
    bool released; /* RELEASE row seen in this step */
    bool aborted;  /* ABORT row seen in this step */
    bool ended;
    uint64_t round;
    uint32_t attempt;
    uint64_t sum_w;
    uint32_t n_invited;
    uint32_t n_accepted;
    uint32_t n_ended;
    struct {
        bool invited;
        bool accepted;
        unsigned ended;
        unsigned adds;
        uint32_t weight;
        uint8_t digest[ENT_ROUND_DIGEST_BYTES];
    } m[LAWS_MEMBERS];
};

static inline const char *laws_open(struct laws *l, const struct ent_row *row)
{
    bool next = (row->round == l->round + 1 && row->attempt == 1) ||
                (row->round == l->round && row->attempt == l->attempt + 1);

    if (l->in_attempt || l->closed || l->ended) {
        return "an attempt opened before the last one was over";
    }
    if (!next) {
        return "rounds and attempts do not count up";
    }
    memset(l, 0, sizeof *l);
    l->in_attempt = true;
    l->round = row->round;
    l->attempt = row->attempt;
    return NULL;
}

static inline const char *laws_end_of(struct laws *l, const struct ent_row *row)
{
    if (!l->m[row->member].invited || ++l->m[row->member].ended != 1) {
        return "a member ended that was not invited, or ended twice";
    }
    l->n_ended++;
    if (row->kind == ENT_ROW_ACCEPT) {
        l->n_accepted++;
        l->m[row->member].accepted = true;
        l->m[row->member].weight = row->weight;
        memcpy(l->m[row->member].digest, row->digest, sizeof row->digest);
        l->sum_w += row->weight;
    } else if (row->code == ENT_E_OK) {
        return "a member ended badly without a reason";
    }
    return NULL;
}

static inline const char *laws_over(struct laws *l, const struct ent_row *row, uint32_t min_members)
{
    if (!l->in_attempt) {
        return "an attempt ended that was not open";
    }
    if (l->n_ended != l->n_invited) {
        return "an attempt ended before each invited member had";
    }
    l->in_attempt = false;
    if (row->kind == ENT_ROW_CLOSE) {
        l->closed = true;
        if (l->n_accepted < min_members) {
            return "a round closed below min_members";
        }
        if (row->sum_w != l->sum_w) {
            return "the sum of weights is not that of the accepted updates";
        }
    } else {
        l->aborted = true;
    }
    return NULL;
}

static inline const char *laws_row(struct laws *l, const struct ent_row *row, uint32_t min_members)
{
    if (l->ended) {
        return "a row after the end";
    }
    switch (row->kind) {
    case ENT_ROW_OPEN:
        return laws_open(l, row);
    case ENT_ROW_INVITE:
        if (!l->in_attempt || l->m[row->member].invited) {
            return "invited twice, or outside of an attempt";
        }
        l->m[row->member].invited = true;
        l->n_invited++;
        return NULL;
    case ENT_ROW_ACCEPT:
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        return laws_end_of(l, row);
    case ENT_ROW_CLOSE:
    case ENT_ROW_ABORT:
        return laws_over(l, row, min_members);
    case ENT_ROW_RELEASE:
        if (!l->closed) {
            return "released what was not closed";
        }
        l->closed = false;
        l->released = true;
        return NULL;
    case ENT_ROW_END:
        l->ended = true;
        return l->in_attempt || l->closed ? "the run ended inside an attempt" : NULL;
    default:
        return NULL;
    }
}

static inline const char *laws_finish(const struct laws *l, uint32_t min_members)
{
    uint32_t n = 0;

    for (size_t i = 0; i < LAWS_MEMBERS; i++) {
        if (l->m[i].adds != (l->m[i].accepted ? 1U : 0U)) {
            return "the sum is not that of the accepted updates";
        }
        n += l->m[i].adds;
    }
    return n < min_members ? "summed below min_members" : NULL;
}

static inline const char *laws_add(struct laws *l, const struct ent_action *a)
{
    if (!l->m[a->member].accepted || ++l->m[a->member].adds != 1 ||
        a->weight != l->m[a->member].weight ||
        memcmp(a->digest, l->m[a->member].digest, sizeof a->digest) != 0) {
        return "added what was not accepted, or twice";
    }
    return NULL;
}

static inline const char *laws_action(struct laws *l, const struct ent_action *a,
                                      const struct ent_round *r)
{
    switch (a->kind) {
    case ENT_ACT_ADD:
        return laws_add(l, a);
    case ENT_ACT_FINISH:
        return laws_finish(l, r->config.min_members);
    case ENT_ACT_GATE:
        if (a->witnessed && l->in_attempt) { /* of the model that BEGIN sends */
            return r->phase == ENT_PHASE_JOIN ? NULL : "the gate of a model was asked too late";
        }
        return l->closed ? NULL : "the gate was asked for what is not closed";
    case ENT_ACT_SEND_CLOSE:
        return l->released && a->row.kind == ENT_ROW_CLOSE && a->row.round == l->round
                   ? NULL
                   : "a result left without its RELEASE row";
    case ENT_ACT_SEND_ABORT:
        return l->aborted ? NULL : "an abort was announced without its row";
    case ENT_ACT_SEND_END:
        return l->ended ? NULL : "the end was announced without its row";
    case ENT_ACT_SEND_OPEN:
    case ENT_ACT_SEND_BEGIN:
        return (l->in_attempt || l->aborted) && l->m[a->member].invited &&
                       r->members[a->member].enrolled
                   ? NULL
                   : "a member was asked that is not invited";
    case ENT_ACT_GRANT:
        return l->in_attempt && l->m[a->member].invited ? NULL : "granted outside of an attempt";
    default:
        return NULL;
    }
}

/* Time must be able to go on from every state. */
static inline const char *laws_alive(const struct ent_round *r)
{
    uint64_t due = r->grace_ms != 0 && r->grace_ms < r->deadline_ms ? r->grace_ms : r->deadline_ms;

    bool for_witnesses = r->phase == ENT_PHASE_JOIN && !r->gate_open &&
                         ent_round_count(r, ENT_STANDING_INVITED) == 0;

    if ((r->phase == ENT_PHASE_JOIN || r->phase == ENT_PHASE_UPDATE) && due == 0 &&
        !for_witnesses) {
        return "a phase without a deadline";
    }
    if (r->phase == ENT_PHASE_WAIT && due == 0 && ent_round_count_up(r) >= r->config.min_members) {
        return "waits for ever though enough members are up";
    }
    if (due != 0 && (r->timer_ms == 0 || r->timer_ms > due)) {
        return "the timer comes after the deadline, or not at all";
    }
    return NULL;
}

/* All rows of a step are committed before any other action, so they are looked at first. */
static inline const char *laws_step(struct laws *l, const struct ent_round *r,
                                    const struct ent_event *ev, const struct ent_actions *acts)
{
    const char *bad = NULL;

    l->released = false;
    l->aborted = false;
    if (ev->kind == ENT_EV_DAMAGED && ev->member < r->n_members && r->members[ev->member].damaged) {
        l->m[ev->member].adds = 0; /* the engine could not add it */
    }
    if (ev->kind == ENT_EV_GATE && l->in_attempt && ev->round == l->round &&
        ev->attempt == l->attempt) {
        l->gated = true;
    }
    for (size_t i = 0; i < acts->n && bad == NULL; i++) {
        const struct ent_action *a = &acts->list[i];

        if (a->kind != ENT_ACT_ROW) {
            continue;
        }
        if (a->row.kind == ENT_ROW_BEGIN && !l->gated) {
            return "a round began before its gate was open";
        }
        if (a->row.kind == ENT_ROW_ACCEPT &&
            (ev->kind != ENT_EV_UPDATE || ev->round != a->row.round ||
             ev->attempt != a->row.attempt || ev->member != a->row.member)) {
            return "accepted another attempt's update";
        }
        bad = laws_row(l, &a->row, r->config.min_members);
    }
    for (size_t i = 0; i < acts->n && bad == NULL; i++) {
        bad = laws_action(l, &acts->list[i], r);
    }
    return bad != NULL ? bad : laws_alive(r);
}

/* After a restart from these rows; the sum is built anew. */
static inline const char *laws_restart(struct laws *l, const struct ent_row *rows, size_t n_rows,
                                       uint32_t min_members)
{
    const char *bad = NULL;

    memset(l, 0, sizeof *l);
    for (size_t i = 0; i < n_rows && bad == NULL; i++) {
        bad = laws_row(l, &rows[i], min_members);
    }
    return bad;
}

static inline bool laws_same_member(const struct ent_round_member *a,
                                    const struct ent_round_member *b)
{
    enum ent_standing sa = a->standing == ENT_STANDING_OFFERED ? ENT_STANDING_JOINED : a->standing;
    enum ent_standing sb = b->standing == ENT_STANDING_OFFERED ? ENT_STANDING_JOINED : b->standing;

    return a->enrolled == b->enrolled && sa == sb && a->reason == b->reason &&
           a->has_base == b->has_base && a->weight == b->weight &&
           (sa != ENT_STANDING_ACCEPTED || memcmp(a->digest, b->digest, sizeof a->digest) == 0);
}

/* Whether a restarted machine stands where the first one stood: all but time, presence, uploads. */
static inline bool laws_same(const struct ent_round *a, const struct ent_round *b)
{
    enum ent_phase pa = a->phase == ENT_PHASE_CLOSE ? ENT_PHASE_UPDATE : a->phase;
    enum ent_phase pb = b->phase == ENT_PHASE_CLOSE ? ENT_PHASE_UPDATE : b->phase;
    bool same = pa == pb && a->begun == b->begun && a->next == b->next &&
                a->stopping == b->stopping && a->round == b->round && a->attempt == b->attempt &&
                a->aborts == b->aborts && a->abort_code == b->abort_code && a->task == b->task &&
                a->split == b->split && a->train_done == b->train_done && a->sum_w == b->sum_w &&
                a->best_loss_sum == b->best_loss_sum && a->best_rows == b->best_rows &&
                a->best_train == b->best_train && a->n_members == b->n_members &&
                memcmp(a->base, b->base, sizeof a->base) == 0 &&
                memcmp(a->state, b->state, sizeof a->state) == 0 && a->best_auc == b->best_auc &&
                memcmp(a->model, b->model, sizeof a->model) == 0 &&
                memcmp(a->best, b->best, sizeof a->best) == 0 && a->closed.kind == b->closed.kind &&
                a->closed.round == b->closed.round;

    for (uint32_t i = 0; i < a->n_members && same; i++) {
        same = laws_same_member(&a->members[i], &b->members[i]);
    }
    return same;
}

#endif
