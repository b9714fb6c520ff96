/* The log's side of a commit: leaves of rows, cosignatures, what is remembered of both. */
#include "coordinator/engine/trail.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/identity.h"
#include "common/base/mem.h"
#include "common/db/db.h"
#include "coordinator/engine/state.h"

#define LATE_MS 1000 /* a quorum that no row follows is stored by then */
#define WAITS_MS                                                                                   \
    2000 /* a note that lacks cosignatures for so long is said to; most take a round trip */

/* ---- loading ---- */

static enum ent_err load_set(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_engine *e = ctx;
    struct ent_witness_history *h = &e->audit.history;
    struct ent_leaf_witness_body body;
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    struct ent_log_set *set;
    enum ent_err err;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = ent_leaf_set_decode(any.witness_set.set, &arena, &body);
    }
    if (err == ENT_E_OK) {
        err = ent_grow(&h->sets, &h->cap_sets, h->n_sets + 1, sizeof *h->sets);
    }
    if (err == ENT_E_OK) {
        set = &h->sets[h->n_sets++];
        *set = (struct ent_log_set){
            .leaf = idx, .version = body.version, .bad = body.bad, .n = body.n_witnesses};
        memcpy(set->list, body.witnesses, body.n_witnesses * sizeof *set->list);
    }
    ent_arena_release(&arena);
    return err;
}

static enum ent_err load_left(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_engine *e = ctx;
    struct ent_witness_history *h = &e->audit.history;
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    uint32_t member = ENT_NO_MEMBER;
    enum ent_err err;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = ent_grow(&h->left, &h->cap_left, h->n_left + 1, sizeof *h->left);
    }
    if (err == ENT_E_OK) {
        struct ent_log_left *left = &h->left[h->n_left++];

        left->leaf = idx;
        memcpy(left->handle, any.member_leave.handle, sizeof left->handle);
        member = ent_members_find(e, left->handle);
    }
    if (member != ENT_NO_MEMBER) {
        e->members[member].log.left = true;
        e->members[member].log.left_leaf = idx;
    }
    ent_arena_release(&arena);
    return err;
}

/* What the run's config.set fixed. */
static enum ent_err load_config(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    struct ent_buf leaf;
    enum ent_err err = ent_store_log_of_round(e->store, ENT_LEAF_CONFIG_SET, e->run.config.run, 0,
                                              &a->config_leaf);

    if (err == ENT_E_NOT_FOUND) {
        return ENT_E_OK; /* it has not started */
    }
    ENT_TRY(err);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_store_log_leaf(e->store, a->config_leaf, &leaf);
    if (err == ENT_E_OK) {
        err = ent_leaf_decode((struct ent_bytes){leaf.data, leaf.len}, &arena, &frame, &any);
    }
    if (err == ENT_E_OK) {
        a->plain = any.config_set.plain;
        a->n_auditors = any.config_set.n_auditors;
        if (a->n_auditors > 0) {
            memcpy(a->auditors, any.config_set.auditors, a->n_auditors * sizeof *a->auditors);
        }
    }
    ent_buf_release(&leaf);
    ent_arena_release(&arena);
    return err;
}

enum ent_err ent_trail_load_open(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;
    uint64_t idx = 0;

    ENT_TRY(ent_store_log_of_round(e->store, ENT_LEAF_ROUND_OPEN, e->run.config.run, e->round.round,
                                   &idx));
    ent_buf_clear(&a->open);
    ENT_TRY(ent_store_log_leaf(e->store, idx, &a->open));
    a->open_leaf = idx;
    return ent_wire_round_open_hash(a->open.data, a->open.len, e->round_open);
}

static enum ent_err remember_release(struct ent_engine *e, const struct ent_leaf_model_release *m)
{
    struct ent_trail *a = &e->audit;

    if (m->kind == ENT_LOG_TRAINED) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&a->released, &a->cap_released, a->n_released + 1, sizeof *a->released));
    memcpy(a->released[a->n_released++], m->model, 32);
    return ENT_E_OK;
}

static enum ent_err load_release(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    enum ent_err err;

    (void)idx;
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = remember_release(ctx, &any.model_release);
    }
    ent_arena_release(&arena);
    return err;
}

static enum ent_err newest_close(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;
    enum ent_err err =
        ent_store_log_newest(e->store, ENT_LEAF_ROUND_CLOSE, UINT64_MAX, &a->close_leaf);

    a->has_close = err == ENT_E_OK;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err newest_quorum(struct ent_engine *e)
{
    struct ent_store_ckpt ckpt;
    enum ent_err err =
        ent_store_ckpt_newest(e->store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL);

    e->audit.cosigned = err == ENT_E_OK ? ckpt.size : 0;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

enum ent_err ent_trail_load(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;
    enum ent_err err;

    ent_buf_init(&a->open, ENT_LEAF_MAX_BYTES);
    ent_buf_init(&a->proposal, ENT_LOG_SET_MAX_BYTES);
    ent_buf_init(&a->note.text, ENT_NOTE_MAX_BYTES);
    ENT_TRY(ent_store_log_genesis(e->store, &a->genesis));
    ENT_TRY(ent_store_log_each(e->store, ENT_LEAF_WITNESS_SET, 0, UINT64_MAX, load_set, e));
    ENT_TRY(ent_store_log_each(e->store, ENT_LEAF_MEMBER_LEAVE, 0, UINT64_MAX, load_left, e));
    ENT_TRY(ent_store_log_each(e->store, ENT_LEAF_MODEL_RELEASE, 0, UINT64_MAX, load_release, e));
    ENT_TRY(newest_close(e));
    ENT_TRY(newest_quorum(e));
    a->end_waits = e->last_end.run != 0 && !ent_trail_may_send(e, ENT_OFFER_BEST);
    a->end_code = e->last_end.code;
    err = ent_store_set_proposed(e->store, &a->proposal_version, &a->proposal);
    ENT_TRY(err == ENT_E_NOT_FOUND ? ENT_E_OK : err);
    if (e->run.config.run != 0) {
        ENT_TRY(load_config(e));
        ENT_TRY(e->round.round > 0 ? ent_trail_load_open(e) : ENT_E_OK);
    }
    return ENT_E_OK;
}

void ent_trail_release(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;

    ent_buf_release(&a->open);
    ent_buf_release(&a->proposal);
    ent_buf_release(&a->note.text);
    free(a->history.sets);
    free(a->history.left);
    free(a->released);
}

/* ---- single leaves ---- */

enum ent_err ent_trail_append(struct ent_engine *e, enum ent_leaf_type type, const void *message,
                              uint64_t *idx)
{
    struct ent_leaf_frame frame = {.type = (uint16_t)type};

    return ent_store_log_append(e->store, &frame, message, e->wall_ms, idx, NULL);
}

enum ent_err ent_trail_together(struct ent_engine *e, ent_trail_fn what, void *ctx)
{
    enum ent_err err;

    ENT_TRY(ent_store_begin(e->store));
    err = what(e, ctx);
    if (err != ENT_E_OK) {
        ent_store_rollback(e->store);
        return err;
    }
    return ent_store_commit(e->store);
}

enum ent_err ent_trail_operator(struct ent_engine *e, enum ent_log_action action,
                                const void *subject, size_t len)
{
    struct ent_leaf_operator_action m = {.action = action, .subject = {subject, len}};

    return ent_trail_append(e, ENT_LEAF_OPERATOR_ACTION, &m, NULL);
}

/* ---- leaves of rows ---- */

static const struct ent_leaves_member *member_of(void *ctx, uint32_t index)
{
    const struct ent_engine *e = ctx;

    return &e->members[index].log.says;
}

static const uint8_t *handle_of(void *ctx, uint32_t index)
{
    const struct ent_engine *e = ctx;

    return e->members[index].handle;
}

static enum ent_err emit(void *ctx, enum ent_leaf_type type, const struct ent_row *row,
                         const void *message)
{
    struct ent_engine *e = ctx;
    struct ent_trail *a = &e->audit;
    struct ent_leaf_frame frame = {.type = (uint16_t)type, .round = row->round, .run = row->run};
    uint8_t hash[ENT_MERKLE_BYTES];
    uint64_t idx = 0;

    ENT_TRY(ent_store_log_append(e->store, &frame, message, e->wall_ms, &idx, hash));
    if (type == ENT_LEAF_CONFIG_SET) {
        a->config_leaf = idx;
    } else if (type == ENT_LEAF_ROUND_OPEN) {
        return ent_budget_reserve(e, row, message, hash);
    } else if (type == ENT_LEAF_ROUND_ABORT) {
        return ent_budget_aborted(e, row, message);
    } else if (type == ENT_LEAF_ROUND_CLOSE) {
        a->has_close = true;
        a->close_leaf = idx;
    } else if (type == ENT_LEAF_MODEL_RELEASE) {
        return remember_release(e, message);
    }
    return ENT_E_OK;
}

/* Those admitted by now: updates of the run are sealed to them. */
static enum ent_err fix_auditors(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;
    struct ent_store_auditor *list = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_auditors(e->store, &list, &n));
    a->n_auditors = n < ENT_LOG_AUDITORS_MAX - 1 ? n : ENT_LOG_AUDITORS_MAX - 1;
    for (size_t i = 0; i < a->n_auditors; i++) {
        memcpy(a->auditors[i], list[i].seal_pub, sizeof a->auditors[i]);
    }
    free(list);
    /* Never where the sum gets its noise here, whatever federation.yaml came to say since the start. */
    a->plain = e->home->config->plain_ms > 0 && !e->central.on;
    return ENT_E_OK;
}

static void fill_config(struct ent_engine *e, struct ent_leaf_config_set *m)
{
    const struct ent_run_config *c = &e->run.config;

    *m = (struct ent_leaf_config_set){.has_base = !ent_all_zero(e->run.base, 32),
                                      .train_rounds = c->train_rounds,
                                      .min_members = c->min_members,
                                      .attempts = c->attempts,
                                      .validate = c->validate,
                                      .test = c->test,
                                      .patience = c->patience,
                                      .best_by = c->best_by,
                                      .auditors = e->audit.auditors,
                                      .n_auditors = e->audit.n_auditors,
                                      .plain = e->audit.plain,
                                      .join_ms = c->join_ms,
                                      .update_ms = c->update_ms,
                                      .retry_ms = c->retry_ms,
                                      .gather_ms = c->gather_ms,
                                      .no_stats = c->no_stats};
    memcpy(m->federation_yaml, e->home->config_sha256, sizeof m->federation_yaml);
    memcpy(m->plan, e->plan->digest, sizeof m->plan);
    memcpy(m->base, e->run.base, sizeof m->base);
}

static bool in_list(const struct ent_engine *e, enum ent_row_kind kind)
{
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW && e->actions.list[i].row.kind == kind) {
            return true;
        }
    }
    return false;
}

/* What the witnesses said, into the open transaction. */
static enum ent_err store_note(struct ent_engine *e, void *ctx)
{
    struct ent_trail_note *n = &e->audit.note;
    struct ent_bytes text = {n->text.data, n->text.len};

    (void)ctx;
    if (!n->dirty) {
        return ENT_E_OK;
    }
    if (!n->stored) {
        ENT_TRY(ent_store_ckpt_put(e->store, n->size, n->root, text));
    }
    for (size_t i = 0; i < n->set.n; i++) {
        struct ent_bytes line = {(const uint8_t *)n->lines[i], strlen(n->lines[i])};

        if (line.len > 0 && !n->line_stored[i]) {
            ENT_TRY(ent_store_cosig_put(e->store, n->size, n->set.list[i].handle, line));
        }
    }
    return n->stored ? ENT_E_OK : ent_store_ckpt_set_quorum(e->store, n->size);
}

static void note_stored(struct ent_trail_note *n)
{
    if (n->dirty) {
        n->dirty = false;
        n->stored = true;
        for (size_t i = 0; i < n->set.n; i++) {
            n->line_stored[i] = n->lines[i][0] != '\0';
        }
    }
}

enum ent_err ent_trail_commit_rows(struct ent_engine *e)
{
    struct ent_msg_metric metrics[ENT_METRIC_VALUES];
    struct ent_leaf_config_set config;
    struct ent_msg_round_open open;
    struct ent_leaves leaves = {.round = &e->round,
                                .member = member_of,
                                .handle = handle_of,
                                .config = &config,
                                .open = &open,
                                .metrics = metrics,
                                .begun = e->begun,
                                .covered = e->budget.on && !e->plan->privacy.stats_uncovered,
                                .noise_sealed = e->central.sealed,
                                .n_noise_sealed = e->central.n_sealed,
                                .emit = emit,
                                .ctx = e};

    ENT_TRY(store_note(e, NULL));
    if (in_list(e, ENT_ROW_RUN_START)) {
        ENT_TRY(fix_auditors(e));
        fill_config(e, &config);
    }
    if (in_list(e, ENT_ROW_OPEN)) {
        ENT_TRY(ent_message_open_fill(e, &open));
    }
    if (in_list(e, ENT_ROW_CLOSE) && e->round.task == ENT_ROUND_EVALUATE) {
        leaves.n_metrics = ent_message_metrics(&e->metrics, metrics);
    }
    memcpy(leaves.round_open, e->round_open, sizeof leaves.round_open);
    for (size_t i = 0; i < e->actions.n; i++) {
        if (e->actions.list[i].kind == ENT_ACT_ROW) {
            ENT_TRY(ent_leaves_of_row(&leaves, &e->actions.list[i].row));
        }
    }
    return ENT_E_OK;
}

void ent_trail_committed(struct ent_engine *e)
{
    note_stored(&e->audit.note);
}

enum ent_err ent_trail_housekeeping(struct ent_engine *e)
{
    const struct ent_trail_note *n = &e->audit.note;

    if (e->started && e->now_ms >= e->audit.purge_due_ms) {
        ENT_TRY(ent_seal_purge(e));
    }
    if ((e->audit.gate.waits || e->audit.end_waits) && e->now_ms >= e->audit.told_ms + WAITS_MS) {
        ent_trail_say_waits(e);
    }
    ENT_TRY(ent_central_housekeeping(e));
    return n->dirty && e->now_ms >= n->dirty_ms + LATE_MS ? ent_trail_flush(e) : ENT_E_OK;
}

enum ent_err ent_trail_flush(struct ent_engine *e)
{
    if (e->audit.note.dirty) {
        ENT_TRY(ent_trail_together(e, store_note, NULL));
        note_stored(&e->audit.note);
    }
    return ENT_E_OK;
}

/* ---- start ---- */

static enum ent_err started(struct ent_engine *e, void *ctx)
{
    struct ent_leaf_software_start m = {0};
    struct ent_identity id;

    (void)ctx;
    ent_identity(&id);
    ENT_TRY(ent_sha256_file(ENT_IDENTITY_OWN_FILE, m.elf));
    memcpy(m.build_id, id.build_id, sizeof m.build_id);
    memcpy(m.version, id.version, sizeof m.version);
    memcpy(m.commit, id.commit, sizeof m.commit);
    memcpy(m.compiler, id.compiler, sizeof m.compiler);
    memcpy(m.flags, id.flags, sizeof m.flags);
    ent_identity_text(ent_crypto_library(), m.openssl);
    ent_identity_text(ent_db_library(), m.sqlite);
    memcpy(m.selftest, e->selftest, sizeof m.selftest);
    return ent_trail_append(e, ENT_LEAF_SOFTWARE_START, &m, NULL);
}

enum ent_err ent_trail_start(struct ent_engine *e)
{
    ENT_TRY(ent_party_let_go(e));
    ENT_TRY(ent_trail_together(e, started, NULL));
    ENT_TRY(ent_processing_start(e));
    ENT_TRY(ent_seal_start(e));
    ent_trail_publish(e);
    return e->fatal;
}
