/* One attempt of a round: open, joins, ends, close or abort. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/plan/plan.h"
#include "common/task/task.h"
#include "tests/support/forge_inside.h"

#define PHASE_JOIN 2
#define PHASE_UPDATE 3
#define ARENA_BYTES ((size_t)1 << 20)
#define SCALE_BITS 20

enum ent_forge_fate ent_forge_fate_of(const struct ent_forge *f, size_t member)
{
    for (size_t i = 0; i < f->options.n_faults; i++) {
        const struct ent_forge_fault *fault = &f->options.faults[i];

        if (fault->round == f->run.round && fault->attempt == f->run.attempt &&
            fault->member == member) {
            return fault->fate;
        }
    }
    return ENT_FORGE_ACCEPTED;
}

/* ---- open ---- */

static enum ent_err fill_open(struct ent_forge *f, struct ent_arena *arena,
                              struct ent_leaf_round_open *out)
{
    const struct ent_forge_run *run = &f->run;

    *out = (struct ent_leaf_round_open){.attempt = run->attempt,
                                        .task = run->task,
                                        .split = run->split,
                                        .min_members = f->quorum,
                                        .join_ms = 60000,
                                        .update_ms = 600000,
                                        .weights = f->options.privacy ? ENT_WEIGHTS_EQUAL
                                                                      : ENT_WEIGHTS_EXAMPLES_LOG2,
                                        .scale_bits = SCALE_BITS,
                                        .config = run->config,
                                        .cosigned_size = f->cosigned_size,
                                        .n_auditors = f->options.n_auditors,
                                        .plain = f->options.plain};
    memcpy(out->plan, run->plan, sizeof out->plan);
    out->has_base = run->task != ENT_TASK_STATS;
    if (out->has_base) {
        memcpy(out->base, run->base, sizeof out->base);
        out->base_bytes = run->base_bytes;
    }
    if (!f->options.lean) {
        ent_forge_real_open(f, out);
    }
    ENT_TRY(ent_forge_noise_open(f, out));
    ENT_TRY(ent_arena_alloc(arena, f->options.n_members, 16, &out->invited));
    for (size_t i = 0; i < f->options.n_members; i++) {
        if (ent_forge_fate_of(f, i) != ENT_FORGE_UNINVITED) {
            memcpy(out->invited[out->n_invited++], f->members[i].handle, 16);
        }
    }
    ENT_TRY(ent_arena_alloc(arena, ENT_FORGE_AUDITORS_MAX, 32, &out->auditors));
    for (size_t i = 0; i < f->options.n_auditors; i++) {
        memcpy(out->auditors[i], f->seal_pub[i], 32);
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_open_round(struct ent_forge *f)
{
    struct ent_arena arena;
    struct ent_leaf_round_open open;
    bool dropped = false;
    enum ent_err err;

    ent_arena_init(&arena, ARENA_BYTES);
    err = fill_open(f, &arena, &open);
    if (err == ENT_E_OK) {
        err = ent_forge_write(f, ENT_LEAF_ROUND_OPEN, ENT_FORGE_NOBODY, &open, &dropped);
    }
    if (err == ENT_E_OK && !dropped) {
        const struct ent_forge_leaf *leaf = &f->leaves[f->n_leaves - 1];

        err = ent_wire_round_open_hash(leaf->bytes, leaf->len, f->run.open_hash);
    }
    ent_arena_release(&arena);
    return err;
}

/* ---- join ---- */

static enum ent_err fill_join(struct ent_forge *f, size_t member, struct ent_msg_join *out)
{
    struct ent_forge_member *m = &f->members[member];
    uint8_t next[32];

    memcpy(out->round_open, f->run.open_hash, sizeof out->round_open);
    out->has_nonce = !m->no_nonce;
    m->no_nonce = false;
    if (out->has_nonce) {
        ENT_TRY(ent_forge_derive(f, "nonce", member, m->n_nonces, out->nonce));
    }
    m->n_nonces++;
    ENT_TRY(ent_forge_derive(f, "nonce", member, m->n_nonces, next));
    ENT_TRY(ent_sha256(next, sizeof next, out->next_commit));
    out->seen_size = m->seen_size;
    out->has_seen_root = m->seen_size > 0;
    memcpy(out->seen_root, m->seen_root, sizeof out->seen_root);
    out->has_base = f->run.task != ENT_TASK_STATS;
    return ENT_E_OK;
}

static enum ent_err join(struct ent_forge *f, size_t member, struct ent_arena *arena)
{
    struct ent_msg_join message = {0};
    struct ent_forge_said said;
    struct ent_leaf_round_join leaf = {0};
    bool dropped;

    ENT_TRY(fill_join(f, member, &message));
    if (message.has_nonce) {
        ENT_TRY(ent_forge_noise_join(f, member, message.nonce));
    }
    ENT_TRY(ent_forge_say_message(f, member, ENT_MSG_JOIN, &message, arena, &said));
    leaf.header = said.statement.header;
    leaf.payload = said.payload;
    memcpy(leaf.signature, said.statement.signature, sizeof leaf.signature);
    return ent_forge_write(f, ENT_LEAF_ROUND_JOIN, member, &leaf, &dropped);
}

/* ---- ends without an update ---- */

/* Whether it joins; whether its update is accepted. */
static bool comes(enum ent_forge_fate fate)
{
    return fate != ENT_FORGE_UNINVITED && fate != ENT_FORGE_DECLINED && fate != ENT_FORGE_NO_JOIN &&
           fate != ENT_FORGE_BAD_NONCE;
}

static bool is_accepted(enum ent_forge_fate fate)
{
    return fate == ENT_FORGE_ACCEPTED || fate == ENT_FORGE_OVERSIZED;
}

static enum ent_err declined(struct ent_forge *f, size_t member, struct ent_arena *arena,
                             struct ent_leaf_update_reject *out)
{
    struct ent_msg_decline message = {.code = ENT_E_POLICY, .has_salt = true};
    struct ent_forge_said said;

    memcpy(message.round_open, f->run.open_hash, sizeof message.round_open);
    ent_wire_text(message.text, "this member's policy forbids it");
    ENT_TRY(ent_forge_derive(f, "decline", f->run.round, member, message.salt));
    ENT_TRY(ent_forge_say_message(f, member, ENT_MSG_DECLINE, &message, arena, &said));
    out->code = ENT_E_POLICY;
    out->has_said = true;
    out->said = said.statement;
    return ENT_E_OK;
}

static enum ent_err lost(struct ent_forge *f, size_t member, struct ent_arena *arena,
                         struct ent_leaf_update_reject *out)
{
    struct ent_msg_lost message = {0};
    struct ent_forge_said said;

    memcpy(message.round_open, f->run.open_hash, sizeof message.round_open);
    ENT_TRY(ent_forge_say_message(f, member, ENT_MSG_LOST, &message, arena, &said));
    out->code = ENT_E_LOST;
    out->has_said = true;
    out->said = said.statement;
    return ENT_E_OK;
}

static enum ent_err end(struct ent_forge *f, size_t member, enum ent_forge_fate fate,
                        struct ent_arena *arena)
{
    bool before_update = !comes(fate);
    bool rejected =
        fate == ENT_FORGE_DECLINED || fate == ENT_FORGE_REJECTED || fate == ENT_FORGE_BAD_NONCE;
    struct ent_leaf_update_reject leaf = {.attempt = f->run.attempt,
                                          .phase = before_update ? PHASE_JOIN : PHASE_UPDATE,
                                          .code = ENT_E_TIMEOUT};
    bool dropped;

    memcpy(leaf.handle, f->members[member].handle, sizeof leaf.handle);
    if (fate == ENT_FORGE_DECLINED) {
        ENT_TRY(declined(f, member, arena, &leaf));
    } else if (fate == ENT_FORGE_BAD_NONCE) {
        leaf.code = ENT_E_BAD_NONCE;
        f->members[member].no_nonce = true;
    } else if (fate == ENT_FORGE_LOST) {
        ENT_TRY(lost(f, member, arena, &leaf));
    } else if (fate == ENT_FORGE_REJECTED) {
        leaf.code = ENT_E_SHAPE;
        leaf.has_digest = true;
        ENT_TRY(ent_forge_derive(f, "refused", f->run.round, member, leaf.digest));
    }
    return ent_forge_write(f, rejected ? ENT_LEAF_UPDATE_REJECT : ENT_LEAF_UPDATE_DROPOUT, member,
                           &leaf, &dropped);
}

static enum ent_err accept_with(struct ent_forge *f, size_t member, struct ent_arena *arena,
                                struct ent_buf *payload, uint32_t *weight)
{
    struct ent_leaf_update_accept leaf;
    bool dropped;

    ENT_TRY(ent_forge_update(f, member, arena, payload, &leaf));
    *weight = leaf.weight;
    ENT_TRY(ent_forge_write(f, ENT_LEAF_UPDATE_ACCEPT, member, &leaf, &dropped));
    if (dropped || f->options.lean) {
        return ENT_E_OK;
    }
    return ent_forge_real_add(f,
                              (struct ent_bytes){payload->data + ENT_UPDATE_SALT_BYTES,
                                                 payload->len - ENT_UPDATE_SALT_BYTES},
                              leaf.weight);
}

static enum ent_err accept(struct ent_forge *f, size_t member, struct ent_arena *arena,
                           uint32_t *weight)
{
    struct ent_buf payload;
    enum ent_err err;

    ent_buf_init(&payload, (size_t)1 << 20);
    err = accept_with(f, member, arena, &payload, weight);
    ent_buf_release(&payload);
    return err;
}

/* ---- close ---- */

struct tally {
    uint8_t survivors[(ENT_WIRE_COHORT_MAX + 7) / 8];
    uint64_t sum_w;
    size_t n_invited;
    size_t n; /* accepted */
};

/* In a lean log: some bytes of the seed, better from round to round. */
static enum ent_err lean_close(struct ent_forge *f, struct ent_forge_result *out)
{
    uint64_t which = f->run_number * UINT64_C(65536) + f->run.round;
    uint8_t bytes[8 * 32];

    ENT_TRY(ent_forge_derive(f, "sum", which, f->run.attempt, out->sum));
    if (f->run.task == ENT_TASK_EVALUATE) {
        out->rows = 10000;
        out->loss_sum = (out->rows << 20) / (2 + f->run.train_round);
        out->auc = UINT64_C(0x80000000) + f->run.train_round;
        return ENT_E_OK;
    }
    for (size_t i = 0; i < 8; i++) {
        ENT_TRY(ent_forge_derive(f, "model", which, i, bytes + 32 * i));
    }
    f->run.has_model = true;
    f->run.model_bytes = sizeof bytes;
    return ent_forge_add_blob(f, bytes, sizeof bytes, f->run.model);
}

static enum ent_err close_round(struct ent_forge *f, const struct tally *tally)
{
    struct ent_leaf_round_close close = {
        .attempt = f->run.attempt,
        .survivors = {tally->survivors, (tally->n_invited + 7) / 8},
        .sum_w = tally->sum_w};
    struct ent_forge_result result = {0};
    uint8_t sealed[ENT_FORGE_AUDITORS_MAX][32];
    bool dropped;

    close.noise_sealed = sealed;
    memcpy(close.round_open, f->run.open_hash, sizeof close.round_open);
    ENT_TRY(f->options.lean ? lean_close(f, &result) : ent_forge_real_close(f, &result));
    memcpy(close.result, result.sum, sizeof close.result);
    close.has_state = result.has_state;
    memcpy(close.state, result.state, sizeof close.state);
    close.loss_sum = result.loss_sum;
    close.rows = result.rows;
    close.auc = result.auc;
    close.has_model = f->run.has_model;
    memcpy(close.model, f->run.model, sizeof close.model);
    if (ent_forge_noise_owed(f)) {
        ENT_TRY(ent_forge_noise_seal(f, f->run.seed, sealed, &close.n_noise_sealed));
    }
    return ent_forge_write(f, ENT_LEAF_ROUND_CLOSE, ENT_FORGE_NOBODY, &close, &dropped);
}

static enum ent_err abort_round(struct ent_forge *f, size_t n_accepted)
{
    struct ent_leaf_round_abort leaf = {
        .attempt = f->run.attempt, .code = ENT_E_TOO_FEW, .inputs_arrived = n_accepted > 0};
    bool dropped;

    memcpy(leaf.round_open, f->run.open_hash, sizeof leaf.round_open);
    ENT_TRY(ent_forge_write(f, ENT_LEAF_ROUND_ABORT, ENT_FORGE_NOBODY, &leaf, &dropped));
    return ent_forge_privacy_aborted(f, n_accepted > 0);
}

static enum ent_err phase_join(struct ent_forge *f, struct ent_arena *arena)
{
    for (size_t i = 0; i < f->options.n_members; i++) {
        if (comes(ent_forge_fate_of(f, i))) {
            ENT_TRY(join(f, i, arena));
        }
    }
    for (size_t i = 0; i < f->options.n_members; i++) {
        enum ent_forge_fate fate = ent_forge_fate_of(f, i);

        if (!comes(fate) && fate != ENT_FORGE_UNINVITED) {
            ENT_TRY(end(f, i, fate, arena));
        }
    }
    return ENT_E_OK;
}

static enum ent_err phase_update(struct ent_forge *f, struct ent_arena *arena, struct tally *tally)
{
    for (size_t i = 0; i < f->options.n_members; i++) {
        enum ent_forge_fate fate = ent_forge_fate_of(f, i);
        size_t place = tally->n_invited;
        uint32_t weight = 0;

        tally->n_invited += fate != ENT_FORGE_UNINVITED;
        if (!comes(fate)) {
            continue;
        }
        if (!is_accepted(fate)) {
            ENT_TRY(end(f, i, fate, arena));
            continue;
        }
        ENT_TRY(accept(f, i, arena, &weight));
        tally->sum_w += weight;
        tally->survivors[place / 8] |= (uint8_t)(1u << (place % 8));
        tally->n++;
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_attempt(struct ent_forge *f, bool *closed)
{
    struct ent_arena arena;
    struct tally *tally = NULL;
    enum ent_err err = ent_calloc(1, sizeof *tally, &tally);

    ent_arena_init(&arena, (size_t)64 << 20);
    if (err == ENT_E_OK && !f->options.lean) {
        err = ent_forge_real_begin(f);
    }
    if (err == ENT_E_OK) {
        err = phase_join(f, &arena);
    }
    if (err == ENT_E_OK) {
        err = phase_update(f, &arena, tally);
    }
    if (err == ENT_E_OK) {
        f->run.n_accepted = (uint32_t)tally->n;
        *closed = ent_forge_fate_of(f, ENT_FORGE_NOBODY) != ENT_FORGE_ABORT;
        err = *closed ? close_round(f, tally) : abort_round(f, tally->n);
    }
    ent_arena_release(&arena);
    free(tally);
    return err;
}
