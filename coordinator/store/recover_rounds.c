/* Leaves of rounds: rows of the machine, and the figures that a status shows. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/round/phases.h"
#include "coordinator/store/recover_at.h"

#define NANO 1e9

static enum ent_err begun(const struct ent_at *at)
{
    return at->p->round.phase == ENT_PHASE_JOIN ? ent_at_put_plain(at, ENT_ROW_BEGIN) : ENT_E_OK;
}

enum ent_err ent_at_open(const struct ent_at *at)
{
    struct ent_projection *p = at->p;
    const struct ent_leaf_round_open *m = &at->any->round_open;
    struct ent_row row = {.kind = ENT_ROW_OPEN,
                          .run = at->frame->run,
                          .round = at->frame->round,
                          .attempt = m->attempt,
                          .task = (enum ent_round_task)m->task,
                          .split = (enum ent_round_split)m->split,
                          .member = ENT_ROUND_NO_MEMBER};

    if (p->round.phase == ENT_PHASE_RELEASE) {
        ENT_TRY(ent_at_put_plain(at, ENT_ROW_RELEASE));
    }
    memcpy(row.model, m->base, sizeof row.model);
    ENT_TRY(ent_at_put(at, &row));
    p->open_ms = at->frame->time_ms;
    for (uint32_t i = 0; i < p->round.n_members; i++) {
        bool invited = false;

        for (size_t j = 0; j < m->n_invited && !invited; j++) {
            invited = memcmp(m->invited[j], p->handles[i], ENT_STORE_ID_BYTES) == 0;
        }
        if (invited) {
            row = ent_at_row(at, ENT_ROW_INVITE, i);
            ENT_TRY(ent_at_put(at, &row));
        }
    }
    return ent_attempt_unended(&p->round) == m->n_invited
               ? ENT_E_OK
               : ent_at_unfit(at, "it invites strangers");
}

enum ent_err ent_at_join(const struct ent_at *at)
{
    const struct ent_leaf_round_join *m = &at->any->round_join;
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_NONCE);
    struct ent_msg_join join;
    struct ent_row row;

    ENT_TRY(ent_at_said(at, m->header, &change.member, NULL));
    ENT_TRY(ent_msg_join_decode(m->payload.data, m->payload.len, at->arena, &join));
    row = ent_at_row(at, ENT_ROW_JOIN, change.member);
    row.has_base = join.has_base;
    ENT_TRY(ent_at_put(at, &row));
    change.digest = join.next_commit;
    return ent_at_emit(at, &change);
}

enum ent_err ent_at_accept(const struct ent_at *at)
{
    const struct ent_leaf_update_accept *m = &at->any->update_accept;
    uint32_t member = ENT_ROUND_NO_MEMBER;
    struct ent_header header;
    struct ent_row row;

    ENT_REQUIRE(m->has_update, ENT_E_PROTOCOL, "leaf %llu: an accepted update without one",
                (unsigned long long)at->frame->seq);
    ENT_TRY(begun(at));
    ENT_TRY(ent_at_said(at, m->update.header, &member, &header));
    row = ent_at_row(at, ENT_ROW_ACCEPT, member);
    row.weight = m->weight;
    row.rows = row.task == ENT_ROUND_STATS ? ENT_ROUND_ROWS_UNKNOWN : 0;
    memcpy(row.digest, m->update.payload_sha256, sizeof row.digest);
    return ent_at_put_by_rows(at, &row, header.has_update && header.update.rows_log2 > 0);
}

/* What the member had committed to does not stand any more. */
static enum ent_err forget_nonce(const struct ent_at *at, uint32_t member)
{
    static const uint8_t none[ENT_STORE_DIGEST_BYTES];
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_NONCE);

    change.member = member;
    change.digest = none;
    return ent_at_emit(at, &change);
}

enum ent_err ent_at_ended(const struct ent_at *at)
{
    const struct ent_leaf_update_reject *m = &at->any->update_reject;
    bool rejected = at->frame->type == ENT_LEAF_UPDATE_REJECT;
    uint32_t member = ENT_ROUND_NO_MEMBER;
    struct ent_row row;

    ENT_REQUIRE(ent_err_valid(m->code), ENT_E_UNSUPPORTED, "leaf %llu: an unknown code %u",
                (unsigned long long)at->frame->seq, (unsigned)m->code);
    if (m->phase == ENT_PHASE_UPDATE) {
        ENT_TRY(begun(at));
    }
    ENT_TRY(ent_at_member(at, m->handle, &member));
    if (m->has_said) {
        ENT_TRY(ent_at_said(at, m->said.header, NULL, NULL));
    }
    row = ent_at_row(at, rejected ? ENT_ROW_REJECT : ENT_ROW_DROP, member);
    row.attempt = m->attempt;
    row.code = (enum ent_err)m->code;
    ENT_TRY(ent_at_put(at, &row));
    return rejected && row.code == ENT_E_BAD_NONCE ? forget_nonce(at, member) : ENT_E_OK;
}

static enum ent_err put_figures(const struct ent_at *at)
{
    struct ent_recovered change = ent_at_change(at, ENT_RECOVERED_FIGURES);

    change.figures = &at->p->figures;
    change.run = at->p->figures.run;
    return ent_at_emit(at, &change);
}

static enum ent_err close_figures(const struct ent_at *at)
{
    const struct ent_round *r = &at->p->round;
    struct ent_store_figures f = {.run = r->config.run,
                                  .round = r->round,
                                  .attempt = r->attempt,
                                  .task = r->task,
                                  .split = r->split,
                                  .train_round = r->train_done,
                                  .accepted = ent_round_count(r, ENT_STANDING_ACCEPTED),
                                  .duration_ms = at->frame->time_ms - at->p->open_ms,
                                  .closed_ms = at->frame->time_ms,
                                  .auc = (double)NAN,
                                  .log_loss = (double)NAN};

    f.invited = r->n_members - ent_round_count(r, ENT_STANDING_NONE);
    if (at->p->open_ms == 0 || at->p->open_ms > at->frame->time_ms) {
        f.duration_ms = 0; /* it opened before the copy was made */
    }
    at->p->figures = f;
    return put_figures(at);
}

enum ent_err ent_at_close(const struct ent_at *at)
{
    const struct ent_leaf_round_close *m = &at->any->round_close;
    struct ent_row row;

    ENT_TRY(begun(at));
    row = ent_at_row(at, ENT_ROW_CLOSE, ENT_ROUND_NO_MEMBER);
    row.attempt = m->attempt;
    row.sum_w = m->sum_w;
    row.loss_sum = m->loss_sum;
    row.rows = m->rows;
    row.auc = m->auc;
    memcpy(row.digest, m->result, sizeof row.digest);
    memcpy(row.model, m->model, sizeof row.model);
    memcpy(row.state, m->state, sizeof row.state);
    ENT_TRY(ent_at_put(at, &row));
    return close_figures(at);
}

enum ent_err ent_at_abort(const struct ent_at *at)
{
    const struct ent_leaf_round_abort *m = &at->any->round_abort;
    struct ent_row row = ent_at_row(at, ENT_ROW_ABORT, ENT_ROUND_NO_MEMBER);

    ENT_REQUIRE(ent_err_valid(m->code), ENT_E_UNSUPPORTED, "leaf %llu: an unknown code %u",
                (unsigned long long)at->frame->seq, (unsigned)m->code);
    row.attempt = m->attempt;
    row.code = (enum ent_err)m->code;
    return ent_at_put(at, &row);
}

enum ent_err ent_at_result(const struct ent_at *at)
{
    const struct ent_leaf_eval_result *m = &at->any->eval_result;
    struct ent_store_figures *f = &at->p->figures;

    if (m->n_metrics == 0) {
        return ENT_E_OK;
    }
    if (f->round != at->frame->round || f->run != at->frame->run) {
        ENT_TRY(close_figures(at));
    }
    f->has_metrics = true;
    for (size_t i = 0; i < m->n_metrics; i++) {
        double v = (double)m->metrics[i].nano / NANO;

        if (strcmp(m->metrics[i].name, "auc") == 0) {
            f->auc = v;
        } else if (strcmp(m->metrics[i].name, "log_loss") == 0) {
            f->log_loss = v;
        } else if (strcmp(m->metrics[i].name, "rows") == 0) {
            f->rows = (uint64_t)llround(v);
        } else if (strcmp(m->metrics[i].name, "positives") == 0) {
            f->positives = (uint64_t)llround(v);
        }
    }
    return put_figures(at);
}
