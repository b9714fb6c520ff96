#include <string.h>

#include "coordinator/round/phases.h"

#define NOT_FIT(row_)                                                                              \
    ent_err_note(ENT_E_CORRUPT, "row %s of round %llu, attempt %lu does not fit what came before", \
                 ent_row_name((row_)->kind), (unsigned long long)(row_)->round,                    \
                 (unsigned long)(row_)->attempt)

static bool same(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ENT_ROUND_DIGEST_BYTES) == 0;
}

static bool in_attempt(const struct ent_round *r, const struct ent_row *row)
{
    return row->round == r->round && row->attempt == r->attempt && row->task == r->task &&
           row->split == r->split;
}

static enum ent_err apply_start(struct ent_round *r, const struct ent_row *row)
{
    ENT_REQUIRE(r->phase == ENT_PHASE_IDLE && r->begun, ENT_E_CORRUPT, "a second start of run %lu",
                (unsigned long)row->run);
    r->phase = ENT_PHASE_WAIT;
    r->next = ENT_ROUND_NEXT_ROUND;
    return ENT_E_OK;
}

static enum ent_err apply_open(struct ent_round *r, const struct ent_row *row)
{
    struct ent_row want = {0};

    if (r->phase != ENT_PHASE_WAIT || !ent_select_next(r, &want) || row->round != want.round ||
        row->attempt != want.attempt || row->task != want.task || row->split != want.split ||
        !same(row->model, want.model)) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_JOIN;
    r->stalled = false;
    r->gate_open = false;
    r->round = row->round;
    r->attempt = row->attempt;
    r->task = row->task;
    r->split = row->split;
    memcpy(r->base, row->model, sizeof r->base);
    r->sum_w = 0;
    for (uint32_t i = 0; i < r->n_members; i++) {
        r->members[i] =
            (struct ent_round_member){.enrolled = r->members[i].enrolled, .up = r->members[i].up};
    }
    return ENT_E_OK;
}

static enum ent_err apply_invite(struct ent_round *r, const struct ent_row *row)
{
    if (r->phase != ENT_PHASE_JOIN || r->members[row->member].standing != ENT_STANDING_NONE) {
        return NOT_FIT(row);
    }
    r->members[row->member].standing = ENT_STANDING_INVITED;
    return ENT_E_OK;
}

static enum ent_err apply_join(struct ent_round *r, const struct ent_row *row)
{
    if (r->phase != ENT_PHASE_JOIN || r->members[row->member].standing != ENT_STANDING_INVITED) {
        return NOT_FIT(row);
    }
    r->members[row->member].standing = ENT_STANDING_JOINED;
    r->members[row->member].has_base = row->has_base;
    return ENT_E_OK;
}

static enum ent_err apply_begin(struct ent_round *r, const struct ent_row *row)
{
    if (r->phase != ENT_PHASE_JOIN || ent_round_count(r, ENT_STANDING_INVITED) > 0 ||
        ent_round_count(r, ENT_STANDING_JOINED) < r->config.min_members) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_UPDATE;
    return ENT_E_OK;
}

static enum ent_err apply_accept(struct ent_round *r, const struct ent_row *row)
{
    struct ent_round_member *m = &r->members[row->member];

    if (r->phase != ENT_PHASE_UPDATE || row->weight == 0 ||
        (m->standing != ENT_STANDING_JOINED && m->standing != ENT_STANDING_OFFERED)) {
        return NOT_FIT(row);
    }
    m->standing = ENT_STANDING_ACCEPTED;
    m->offered = true;
    m->weight = row->weight;
    memcpy(m->digest, row->digest, sizeof m->digest);
    r->sum_w += row->weight;
    return ENT_E_OK;
}

static enum ent_err apply_ended(struct ent_round *r, const struct ent_row *row)
{
    struct ent_round_member *m = &r->members[row->member];

    if ((r->phase != ENT_PHASE_JOIN && r->phase != ENT_PHASE_UPDATE) || row->code == ENT_E_OK ||
        !ent_attempt_open_for(m->standing)) {
        return NOT_FIT(row);
    }
    m->standing = row->kind == ENT_ROW_REJECT ? ENT_STANDING_REJECTED : ENT_STANDING_DROPPED;
    m->reason = row->code;
    return ENT_E_OK;
}

static bool is_better(const struct ent_round *r, const struct ent_row *row)
{
    if (r->best_rows == 0) {
        return true;
    }
    if (r->config.best_by == ENT_ROUND_BEST_BY_AUC && row->auc != r->best_auc) {
        return row->auc > r->best_auc;
    }
    return ent_select_less(row->loss_sum, row->rows, r->best_loss_sum, r->best_rows);
}

static void keep_best(struct ent_round *r, const struct ent_row *row)
{
    if (row->task == ENT_ROUND_TRAIN && !r->config.validate) {
        memcpy(r->best, r->model, sizeof r->best);
        r->best_train = r->train_done;
        return;
    }
    if (row->task != ENT_ROUND_EVALUATE || row->split != ENT_ROUND_ON_VALIDATION ||
        row->rows == 0) {
        return;
    }
    if (is_better(r, row)) {
        memcpy(r->best, r->model, sizeof r->best);
        r->best_loss_sum = row->loss_sum;
        r->best_rows = row->rows;
        r->best_auc = row->auc;
        r->best_train = r->train_done;
    }
}

static enum ent_err apply_close(struct ent_round *r, const struct ent_row *row)
{
    if ((r->phase != ENT_PHASE_UPDATE && r->phase != ENT_PHASE_CLOSE) ||
        ent_attempt_unended(r) > 0 || row->sum_w != r->sum_w ||
        ent_round_count(r, ENT_STANDING_ACCEPTED) < r->config.min_members) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_RELEASE;
    r->aborts = 0;
    r->abort_code = ENT_E_OK;
    r->closed = *row;
    if (row->task != ENT_ROUND_EVALUATE) {
        memcpy(r->model, row->model, sizeof r->model);
    }
    if (row->task == ENT_ROUND_TRAIN) {
        r->train_done++;
        memcpy(r->state, row->state, sizeof r->state);
    }
    keep_best(r, row);
    return ENT_E_OK;
}

static enum ent_err apply_abort(struct ent_round *r, const struct ent_row *row)
{
    bool running =
        r->phase == ENT_PHASE_JOIN || r->phase == ENT_PHASE_UPDATE || r->phase == ENT_PHASE_CLOSE;

    if (!running || ent_attempt_unended(r) > 0 || row->code == ENT_E_OK) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_WAIT;
    r->next = ENT_ROUND_NEXT_ATTEMPT;
    r->aborts++;
    r->abort_code = row->code;
    return ENT_E_OK;
}

static enum ent_err apply_release(struct ent_round *r, const struct ent_row *row)
{
    if (r->phase != ENT_PHASE_RELEASE) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_WAIT;
    r->next = ENT_ROUND_NEXT_ROUND;
    return ENT_E_OK;
}

static enum ent_err apply_end(struct ent_round *r, const struct ent_row *row)
{
    struct ent_row more = {0};
    bool spent = row->code == ENT_E_BUDGET && ent_round_trains_next(r);

    if (r->phase != ENT_PHASE_WAIT || (!r->stopping && !spent && ent_select_next(r, &more))) {
        return NOT_FIT(row);
    }
    r->phase = ENT_PHASE_IDLE;
    r->begun = false;
    memcpy(r->best, row->model, sizeof r->best);
    return ENT_E_OK;
}

static enum ent_err apply_stop(struct ent_round *r, const struct ent_row *row)
{
    if (r->phase == ENT_PHASE_IDLE || r->stopping) {
        return NOT_FIT(row);
    }
    r->stopping = true;
    return ENT_E_OK;
}

/* Which rows name a member, and what each does. */
static const struct {
    enum ent_err (*apply)(struct ent_round *r, const struct ent_row *row);
    bool of_member;
    bool of_attempt; /* round, attempt, task and split are those of the machine */
} row_rules[] = {
    [ENT_ROW_RUN_START] = {apply_start, false, true}, [ENT_ROW_OPEN] = {apply_open, false, false},
    [ENT_ROW_INVITE] = {apply_invite, true, true},    [ENT_ROW_JOIN] = {apply_join, true, true},
    [ENT_ROW_BEGIN] = {apply_begin, false, true},     [ENT_ROW_ACCEPT] = {apply_accept, true, true},
    [ENT_ROW_REJECT] = {apply_ended, true, true},     [ENT_ROW_DROP] = {apply_ended, true, true},
    [ENT_ROW_CLOSE] = {apply_close, false, true},     [ENT_ROW_ABORT] = {apply_abort, false, true},
    [ENT_ROW_RELEASE] = {apply_release, false, true}, [ENT_ROW_END] = {apply_end, false, true},
    [ENT_ROW_STOP] = {apply_stop, false, true},
};

enum ent_err ent_row_apply(struct ent_round *round, const struct ent_row *row)
{
    size_t kind = (size_t)row->kind;

    if (kind >= sizeof row_rules / sizeof row_rules[0] || row_rules[kind].apply == NULL) {
        return ent_err_note(ENT_E_CORRUPT, "a row of unknown kind %zu", kind);
    }
    if (row->run != round->config.run || (row_rules[kind].of_attempt && !in_attempt(round, row)) ||
        (row_rules[kind].of_member && row->member >= round->n_members)) {
        return NOT_FIT(row);
    }
    return row_rules[kind].apply(round, row);
}
