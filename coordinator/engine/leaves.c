#include "coordinator/engine/leaves.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/task/task.h"

/* ---- what was said ---- */

void ent_said_take(struct ent_said *out, const struct ent_envelope *env)
{
    bool whole = env->header.type == ENT_MSG_JOIN;

    /* Canonical and of bounded fields, or it would not have been opened. */
    ENT_BUG_ON(env->header_len > sizeof out->header ||
               (whole && env->payload_len > sizeof out->payload));
    *out = (struct ent_said){.type = env->header.type,
                             .round = env->header.round,
                             .attempt = env->header.attempt,
                             .header_len = env->header_len,
                             .payload_len = whole ? env->payload_len : 0};
    memcpy(out->header, env->header_bytes, env->header_len);
    memcpy(out->payload_sha256, env->payload_sha256, sizeof out->payload_sha256);
    memcpy(out->signature, env->signature, sizeof out->signature);
    if (whole && env->payload_len > 0) {
        memcpy(out->payload, env->payload, env->payload_len);
    }
}

struct ent_leaf_statement ent_said_statement(const struct ent_said *said)
{
    struct ent_leaf_statement s = {.header = {said->header, said->header_len}};

    memcpy(s.payload_sha256, said->payload_sha256, sizeof s.payload_sha256);
    memcpy(s.signature, said->signature, sizeof s.signature);
    return s;
}

static bool is_of(const struct ent_said *said, uint32_t type, const struct ent_row *row)
{
    return said->type == type && said->round == row->round && said->attempt == row->attempt;
}

/* ---- cohorts ---- */

struct seat {
    const uint8_t *handle;
    bool survived;
};

static int by_handle(const void *a, const void *b)
{
    const struct seat *x = a;
    const struct seat *y = b;

    return memcmp(x->handle, y->handle, ENT_WIRE_HANDLE_BYTES);
}

/* Those invited, by handle: the order of `invited` in round.open. Caller frees. */
static enum ent_err seats(const struct ent_leaves *l, struct seat **out, size_t *n_out)
{
    struct seat *list = NULL;
    size_t n = 0;

    ENT_TRY(ent_calloc(l->round->n_members, sizeof *list, &list));
    for (uint32_t i = 0; i < l->round->n_members; i++) {
        enum ent_standing standing = l->round->members[i].standing;

        if (standing != ENT_STANDING_NONE) {
            list[n++] = (struct seat){l->handle(l->ctx, i), standing == ENT_STANDING_ACCEPTED};
        }
    }
    qsort(list, n, sizeof *list, by_handle);
    *out = list;
    *n_out = n;
    return ENT_E_OK;
}

/* ---- leaves ---- */

static enum ent_err open_leaf(struct ent_leaves *l, const struct ent_row *row)
{
    struct ent_msg_round_open m = *l->open;
    struct seat *list = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(seats(l, &list, &n));
    err = ent_calloc(n, sizeof *m.invited, &m.invited);
    if (err == ENT_E_OK) {
        for (size_t i = 0; i < n; i++) {
            memcpy(m.invited[i], list[i].handle, ENT_WIRE_HANDLE_BYTES);
        }
        m.n_invited = n;
        err = l->emit(l->ctx, ENT_LEAF_ROUND_OPEN, row, &m);
    }
    free(m.invited);
    free(list);
    return err;
}

static enum ent_err join_leaf(struct ent_leaves *l, const struct ent_row *row)
{
    const struct ent_said *said = &l->member(l->ctx, row->member)->join;
    struct ent_leaf_round_join m = {.header = {said->header, said->header_len},
                                    .payload = {said->payload, said->payload_len}};

    ENT_BUG_ON(!is_of(said, ENT_MSG_JOIN, row));
    memcpy(m.signature, said->signature, sizeof m.signature);
    return l->emit(l->ctx, ENT_LEAF_ROUND_JOIN, row, &m);
}

static enum ent_err accept_leaf(struct ent_leaves *l, const struct ent_row *row)
{
    const struct ent_leaves_member *from = l->member(l->ctx, row->member);
    struct ent_leaf_update_accept m = {.has_update = true,
                                       .update = ent_said_statement(&from->update),
                                       .weight = row->weight,
                                       .n_sealed = from->n_sealed};
    uint8_t sealed[ENT_LOG_AUDITORS_MAX][32];

    ENT_BUG_ON((!is_of(&from->update, ENT_MSG_UPDATE, row) ||
                memcmp(from->update.payload_sha256, row->digest, 32) != 0) &&
               !ENT_HOOK_PLANTED("old-attempt-added"));
    memcpy(sealed, from->sealed, sizeof sealed);
    m.sealed = sealed;
    return l->emit(l->ctx, ENT_LEAF_UPDATE_ACCEPT, row, &m);
}

/* The member's own word, where it was that. */
static bool own_word(const struct ent_said *said, const struct ent_row *row)
{
    return row->kind == ENT_ROW_REJECT ? is_of(said, ENT_MSG_DECLINE, row)
                                       : row->code == ENT_E_LOST && is_of(said, ENT_MSG_LOST, row);
}

static enum ent_err end_leaf(struct ent_leaves *l, const struct ent_row *row)
{
    const struct ent_leaves_member *from = l->member(l->ctx, row->member);
    const struct ent_round_member *m = &l->round->members[row->member];
    struct ent_leaf_update_reject leaf = {.attempt = row->attempt,
                                          .phase = l->begun ? ENT_PHASE_UPDATE : ENT_PHASE_JOIN,
                                          .code = row->code,
                                          .has_said = own_word(&from->ending, row)};

    memcpy(leaf.handle, l->handle(l->ctx, row->member), sizeof leaf.handle);
    if (leaf.has_said) {
        leaf.said = ent_said_statement(&from->ending);
    } else if (row->kind == ENT_ROW_REJECT && m->offered) {
        leaf.has_digest = true;
        memcpy(leaf.digest, m->digest, sizeof leaf.digest);
    }
    return l->emit(l->ctx,
                   row->kind == ENT_ROW_REJECT ? ENT_LEAF_UPDATE_REJECT : ENT_LEAF_UPDATE_DROPOUT,
                   row, &leaf);
}

static enum ent_err round_close(struct ent_leaves *l, const struct ent_row *row)
{
    struct ent_leaf_round_close m = {.attempt = row->attempt,
                                     .sum_w = row->sum_w,
                                     .has_model = !ent_all_zero(row->model, 32),
                                     .has_state = !ent_all_zero(row->state, 32),
                                     .loss_sum = row->loss_sum,
                                     .rows = row->rows,
                                     .auc = row->auc,
                                     .noise_sealed = l->noise_sealed,
                                     .n_noise_sealed =
                                         row->task == ENT_ROUND_TRAIN ? l->n_noise_sealed : 0};
    uint8_t bits[(ENT_ROUND_MEMBERS_MAX + 7) / 8] = {0};
    struct seat *list = NULL;
    size_t n = 0;

    ENT_TRY(seats(l, &list, &n));
    for (size_t i = 0; i < n; i++) {
        bits[i / 8] = (uint8_t)(bits[i / 8] | (list[i].survived ? 1U << (i % 8) : 0U));
    }
    free(list);
    m.survivors = (struct ent_bytes){bits, (n + 7) / 8};
    memcpy(m.round_open, l->round_open, sizeof m.round_open);
    memcpy(m.result, row->digest, sizeof m.result);
    memcpy(m.model, row->model, sizeof m.model);
    memcpy(m.state, row->state, sizeof m.state);
    return l->emit(l->ctx, ENT_LEAF_ROUND_CLOSE, row, &m);
}

static enum ent_err released(struct ent_leaves *l, const struct ent_row *row,
                             enum ent_log_release kind, uint32_t train_round)
{
    struct ent_leaf_model_release m = {
        .kind = kind, .train_round = train_round, .dp_covered = l->covered};

    memcpy(m.model, row->model, sizeof m.model);
    return l->emit(l->ctx, ENT_LEAF_MODEL_RELEASE, row, &m);
}

static enum ent_err evaluated(struct ent_leaves *l, const struct ent_row *row)
{
    struct ent_leaf_eval_result m = {.split = row->split,
                                     .members = ent_round_count(l->round, ENT_STANDING_ACCEPTED),
                                     .n_metrics = l->n_metrics};
    struct ent_msg_metric metrics[ENT_METRIC_VALUES];

    ENT_BUG_ON(l->n_metrics > ENT_ARRAY_LEN(metrics));
    if (l->n_metrics > 0) {
        memcpy(metrics, l->metrics, l->n_metrics * sizeof *metrics);
    }
    m.metrics = metrics;
    memcpy(m.model, l->round->base, sizeof m.model);
    return l->emit(l->ctx, ENT_LEAF_EVAL_RESULT, row, &m);
}

static enum ent_err close_leaves(struct ent_leaves *l, const struct ent_row *row)
{
    ENT_TRY(round_close(l, row));
    switch (row->task) {
    case ENT_ROUND_STATS:
        return released(l, row, ENT_LOG_INITIAL, 0);
    case ENT_ROUND_TRAIN:
        return released(l, row, ENT_LOG_TRAINED, l->round->train_done);
    case ENT_ROUND_EVALUATE:
        return evaluated(l, row);
    }
    return ENT_E_OK;
}

static enum ent_err abort_leaf(struct ent_leaves *l, const struct ent_row *row)
{
    struct ent_leaf_round_abort m = {.attempt = row->attempt,
                                     .code = row->code,
                                     .inputs_arrived =
                                         ent_round_count(l->round, ENT_STANDING_ACCEPTED) > 0};

    memcpy(m.round_open, l->round_open, sizeof m.round_open);
    return l->emit(l->ctx, ENT_LEAF_ROUND_ABORT, row, &m);
}

enum ent_err ent_leaves_of_row(struct ent_leaves *l, const struct ent_row *row)
{
    switch (row->kind) {
    case ENT_ROW_RUN_START:
        return l->emit(l->ctx, ENT_LEAF_CONFIG_SET, row, l->config);
    case ENT_ROW_OPEN:
        l->begun = false;
        return open_leaf(l, row);
    case ENT_ROW_JOIN:
        return join_leaf(l, row);
    case ENT_ROW_BEGIN:
        l->begun = true;
        break;
    case ENT_ROW_ACCEPT:
        return accept_leaf(l, row);
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        return end_leaf(l, row);
    case ENT_ROW_CLOSE:
        return close_leaves(l, row);
    case ENT_ROW_ABORT:
        return abort_leaf(l, row);
    case ENT_ROW_END:
        return ent_all_zero(row->model, 32) ? ENT_E_OK
                                            : released(l, row, ENT_LOG_BEST, row->best_train);
    default: /* INVITE stands in round.open; RELEASE and STOP say nothing that others do not */
        break;
    }
    return ENT_E_OK;
}
