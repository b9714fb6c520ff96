/* An export of the log: what the store has, as common/export wants it. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/write.h"
#include "coordinator/engine/ops.h"

#define POLICY_MAX ((size_t)64 * 1024)

/* One blob of the export: a plan (of a run) or a file. */
struct piece {
    uint8_t digest[32];
    uint32_t run; /* its plan; 0: a file */
    char *path;
};

struct exporting {
    struct ent_engine *e;
    uint64_t size;
    uint64_t since; /* sealed updates of earlier rounds are left out */
    struct ent_buf leaf;
    struct ent_buf note;
    struct ent_buf plan;
    uint64_t *notes; /* sizes */
    size_t n_notes;
    size_t cap_notes;
    struct piece *pieces;
    size_t n_pieces;
    size_t cap_pieces;
    uint8_t newest[32]; /* model that was released last */
    bool has_newest;
    struct ent_arena arena; /* of the leaf being looked at */
};

/* ---- what the writer asks ---- */

static enum ent_err give_leaf(void *ctx, uint64_t index, struct ent_bytes *out)
{
    struct exporting *x = ctx;

    ent_buf_clear(&x->leaf);
    ENT_TRY(ent_store_log_leaf(x->e->store, index, &x->leaf));
    *out = (struct ent_bytes){x->leaf.data, x->leaf.len};
    return ENT_E_OK;
}

static enum ent_err give_note(void *ctx, size_t i, struct ent_export_note *out)
{
    struct exporting *x = ctx;
    struct ent_store_ckpt ckpt;

    ent_buf_clear(&x->note);
    ENT_TRY(ent_store_ckpt_get(x->e->store, x->notes[i], &ckpt, &x->note));
    *out = (struct ent_export_note){.size = x->notes[i], .note = {x->note.data, x->note.len}};
    return ENT_E_OK;
}

static enum ent_err give_blob(void *ctx, size_t i, struct ent_export_blob *out)
{
    struct exporting *x = ctx;
    const struct piece *p = &x->pieces[i];

    *out = (struct ent_export_blob){.path = p->path};
    memcpy(out->digest, p->digest, sizeof out->digest);
    if (p->path == NULL) {
        ent_buf_clear(&x->plan);
        ENT_TRY(ent_store_run_plan(x->e->store, p->run, &x->plan));
        out->bytes = (struct ent_bytes){x->plan.data, x->plan.len};
    }
    return ENT_E_OK;
}

/* ---- what is in it ---- */

static enum ent_err add_note(void *ctx, const struct ent_store_ckpt *ckpt, struct ent_bytes note)
{
    struct exporting *x = ctx;

    (void)note;
    ENT_TRY(ent_grow(&x->notes, &x->cap_notes, x->n_notes + 1, sizeof *x->notes));
    x->notes[x->n_notes++] = ckpt->size;
    return ENT_E_OK;
}

/* A file that is not there (a model of a round past, a copy that was erased) is simply not in the export. */
static enum ent_err add_file(struct exporting *x, const uint8_t digest[32], char *path_take)
{
    enum ent_err err;

    if (!ent_file_exists(path_take)) {
        free(path_take);
        return ENT_E_OK;
    }
    err = ent_grow(&x->pieces, &x->cap_pieces, x->n_pieces + 1, sizeof *x->pieces);
    if (err != ENT_E_OK) {
        free(path_take);
        return err;
    }
    x->pieces[x->n_pieces] = (struct piece){.path = path_take};
    memcpy(x->pieces[x->n_pieces++].digest, digest, 32);
    return ENT_E_OK;
}

static enum ent_err add_model(struct exporting *x, const uint8_t digest[32])
{
    char *path = NULL;

    ENT_TRY(ent_store_model_path(x->e->store, digest, &path));
    return add_file(x, digest, path);
}

/* Of an update, or of the seed of a round's noise. */
static enum ent_err add_sealed(struct exporting *x, uint8_t (*digests)[32], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *path = NULL;

        ENT_TRY(ent_store_sealed_path(x->e->store, digests[i], &path));
        ENT_TRY(add_file(x, digests[i], path));
    }
    return ENT_E_OK;
}

static enum ent_err add_config(struct exporting *x, uint32_t run,
                               const struct ent_leaf_config_set *m)
{
    ENT_TRY(ent_grow(&x->pieces, &x->cap_pieces, x->n_pieces + 1, sizeof *x->pieces));
    x->pieces[x->n_pieces] = (struct piece){.run = run};
    memcpy(x->pieces[x->n_pieces++].digest, m->plan, 32);
    return m->has_base ? add_model(x, m->base) : ENT_E_OK;
}

static enum ent_err add_release(struct exporting *x, const struct ent_leaf_model_release *m)
{
    if (m->kind == ENT_LOG_TRAINED) { /* of these only the last one */
        x->has_newest = true;
        memcpy(x->newest, m->model, sizeof x->newest);
        return ENT_E_OK;
    }
    return add_model(x, m->model);
}

static enum ent_err look_at(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct exporting *x = ctx;
    union ent_leaf_any any;
    struct ent_leaf_frame frame;

    (void)idx;
    ent_arena_release(&x->arena);
    ent_arena_init(&x->arena, ENT_WIRE_ARENA_BYTES);
    ENT_TRY(ent_leaf_decode(leaf, &x->arena, &frame, &any));
    switch (frame.type) {
    case ENT_LEAF_CONFIG_SET:
        return add_config(x, frame.run, &any.config_set);
    case ENT_LEAF_MODEL_RELEASE:
        return add_release(x, &any.model_release);
    case ENT_LEAF_UPDATE_ACCEPT:
        return frame.round >= x->since
                   ? add_sealed(x, any.update_accept.sealed, any.update_accept.n_sealed)
                   : ENT_E_OK;
    case ENT_LEAF_ROUND_CLOSE:
        return frame.round >= x->since
                   ? add_sealed(x, any.round_close.noise_sealed, any.round_close.n_noise_sealed)
                   : ENT_E_OK;
    default:
        return ENT_E_OK;
    }
}

static enum ent_err gather(struct exporting *x)
{
    static const enum ent_leaf_type types[] = {ENT_LEAF_CONFIG_SET, ENT_LEAF_MODEL_RELEASE,
                                               ENT_LEAF_UPDATE_ACCEPT, ENT_LEAF_ROUND_CLOSE};

    for (size_t i = 0; i < ENT_ARRAY_LEN(types); i++) {
        ENT_TRY(ent_store_log_each(x->e->store, types[i], 0, x->size, look_at, x));
    }
    if (x->has_newest) {
        ENT_TRY(add_model(x, x->newest));
    }
    return ent_store_ckpts(x->e->store, 1, x->size + 1, add_note, x);
}

/* ---- the note that it ends with ---- */

/* The newest with a quorum; without one the newest; before any note was stored, one of the head as it is. */
static enum ent_err choose_note(struct ent_engine *e, uint64_t *size, struct ent_buf *note)
{
    struct ent_store_ckpt ckpt;
    enum ent_err err =
        ent_store_ckpt_newest(e->store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, note);
    uint8_t root[ENT_MERKLE_BYTES];

    if (err == ENT_E_NOT_FOUND) {
        err = ent_store_ckpt_newest(e->store, ENT_STORE_CKPT_ANY, UINT64_MAX, &ckpt, note);
    }
    *size = err == ENT_E_OK ? ckpt.size : 0;
    if (err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_store_log_committed(e->store, size, root));
    return ent_trail_write_note(e, *size, root, note);
}

static enum ent_err write_export(struct exporting *x, const char *to)
{
    struct ent_export_source source = {
        .ctx = x, .leaf = give_leaf, .note = give_note, .blob = give_blob};
    struct ent_buf checkpoint;
    struct ent_buf policy;
    enum ent_err err;

    ent_buf_init(&checkpoint, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&policy, POLICY_MAX);
    err = choose_note(x->e, &x->size, &checkpoint);
    if (err == ENT_E_OK) {
        err = gather(x);
    }
    if (err == ENT_E_OK) {
        err = ent_propose_policy(x->e, &policy);
        err = err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    }
    if (err == ENT_E_OK) {
        source.size = x->size;
        source.n_notes = x->n_notes;
        source.n_blobs = x->n_pieces;
        source.checkpoint = (struct ent_bytes){checkpoint.data, checkpoint.len};
        source.policy = (struct ent_bytes){policy.data, policy.len};
        err = ent_export_write(&source, to);
    }
    ent_buf_release(&checkpoint);
    ent_buf_release(&policy);
    return err;
}

static void release(struct exporting *x)
{
    for (size_t i = 0; i < x->n_pieces; i++) {
        free(x->pieces[i].path);
    }
    free(x->pieces);
    free(x->notes);
    ent_buf_release(&x->leaf);
    ent_buf_release(&x->note);
    ent_buf_release(&x->plan);
    ent_arena_release(&x->arena);
}

enum ent_err ent_ops_export(struct ent_engine *e, const struct ent_json *request,
                            struct ent_json_writer *out)
{
    struct exporting x = {.e = e};
    const char *to = NULL;
    enum ent_err err;

    ENT_TRY(ent_json_string(ent_json_get(request, "to"), "to", &to));
    if (ent_json_get(request, "since") != NULL) {
        const char *since = NULL;

        ENT_TRY(ent_json_string(ent_json_get(request, "since"), "since", &since));
        x.since = strtoull(since, NULL, 10);
    }
    ENT_REQUIRE(!ent_file_exists(to), ENT_E_EXISTS, "%s is there already", to);
    ENT_TRY(ent_trail_flush(e)); /* what the witnesses said by now goes with it */
    ENT_TRY(ent_ops_action(e, ENT_LOG_EXPORT, NULL, 0));
    ent_buf_init(&x.leaf, ENT_LEAF_MAX_BYTES);
    ent_buf_init(&x.note, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&x.plan, ENT_PLAN_MAX_BYTES);
    ent_arena_init(&x.arena, ENT_WIRE_ARENA_BYTES);
    err = write_export(&x, to);
    if (err == ENT_E_OK) {
        ent_json_put_key_uint(out, "size", x.size);
        ent_json_put_key_uint(out, "cosigned", e->audit.cosigned);
        ent_json_put_key_uint(out, "blobs", x.n_pieces);
        ent_engine_say(e, ENT_SAY_OPERATOR, "log exported to %s (%llu leaves)", to,
                       (unsigned long long)x.size);
    }
    release(&x);
    return err;
}
