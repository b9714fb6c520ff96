/* CLOSE of a round: all accepted updates, out of their files, window by window, five at a time, into int64 sums.
 *
 * Nothing is added before the round is complete: a sum then needs a window of memory instead of 8 bytes a parameter,
 * updates that are taken five in one pass cost about half, and a restart has nothing to make up for. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aggregate/aggregate.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/fixed/grid.h"
#include "common/step/step.h"
#include "coordinator/engine/state.h"
#include "coordinator/engine/sysfail.h"

#define WINDOW ENT_STEP_PIECE /* integers: 1 or 2 MiB of each update, 2 MiB of sums */

void ent_fold_clear(struct ent_engine *e)
{
    e->fold.n = 0;
}

static enum ent_err input_path(const struct ent_engine *e, uint32_t member, char **out)
{
    return ent_store_update_path(e->store, e->run.config.run, e->round.round, e->round.attempt,
                                 e->members[member].handle, out);
}

struct ent_row ent_engine_attempt(const struct ent_engine *e)
{
    return (struct ent_row){.run = e->run.config.run,
                            .round = e->round.round,
                            .attempt = e->round.attempt,
                            .member = ENT_NO_MEMBER};
}

static enum ent_err read_small(const struct ent_engine *e, uint32_t member, struct ent_buf *out)
{
    const struct ent_upload *u = &e->members[member].upload;
    struct ent_row row = ent_engine_attempt(e);

    ent_buf_init(out, ENT_STORE_SMALL_MAX);
    if (u->unstored) { /* it waits for the commit of its row */
        return ent_buf_add(out, ent_blob_bytes(u->content), ent_blob_len(u->content));
    }
    return ent_store_small_get(e->store, &row, e->members[member].handle, out);
}

/* Of an update that was accepted before a restart: is what is stored still what its row says? */
static bool is_good_small(const struct ent_engine *e, uint32_t member, const uint8_t digest[32])
{
    uint8_t found[32];
    struct ent_buf bytes;
    enum ent_err err = read_small(e, member, &bytes);

    if (err == ENT_E_OK) {
        err = ent_sha256(bytes.data, bytes.len, found);
    }
    ent_buf_release(&bytes);
    return err == ENT_E_OK && memcmp(found, digest, sizeof found) == 0;
}

static enum ent_err check_stored(const struct ent_engine *e, uint32_t member,
                                 const uint8_t digest[32], bool *is_small)
{
    uint8_t found[32];
    char *path = NULL;
    enum ent_err err;

    *is_small = is_good_small(e, member, digest);
    if (*is_small) {
        return ENT_E_OK;
    }
    err = input_path(e, member, &path);
    if (err == ENT_E_OK) {
        err = ent_sha256_file(path, found);
    }
    if (err == ENT_E_OK && memcmp(found, digest, sizeof found) != 0) {
        err = ent_err_note(ENT_E_CORRUPT, "%s: its content changed", path);
    }
    free(path);
    return err;
}

void ent_fold_add(struct ent_engine *e, const struct ent_action *action)
{
    struct ent_fold *fold = &e->fold;
    const struct ent_upload *u = &e->members[action->member].upload;
    bool arrived = u->state == ENT_UPLOAD_DONE; /* in this process, verified */
    bool is_small = u->is_small;
    enum ent_err err =
        arrived ? ENT_E_OK : check_stored(e, action->member, action->digest, &is_small);

    if (err != ENT_E_OK) {
        struct ent_event event = ent_engine_event(e, ENT_EV_DAMAGED, action->member);

        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "the stored update of %s is damaged and asked for again: %s",
                       e->members[action->member].name, ent_err_message());
        ent_engine_feed(e, &event);
        return;
    }
    err = ent_grow(&fold->inputs, &fold->cap, fold->n + 1, sizeof *fold->inputs);
    if (err != ENT_E_OK) {
        ent_engine_fail(e, err);
        return;
    }
    fold->inputs[fold->n++] = (struct ent_fold_input){
        .member = action->member, .weight = action->weight, .is_small = is_small};
}

/* ---- windows ---- */

struct pass {
    struct ent_engine *e;
    struct ent_agg *agg;
    struct ent_apply *apply; /* train */
    struct ent_sha256 hash;  /* of the whole sum, little-endian */
    size_t dim;
    size_t int_bytes;
    int64_t *whole;  /* stats, evaluate: the sum in one piece; NULL in train */
    int64_t *noised; /* train with noise at the coordinator: a window of the sum, with it */
    uint8_t *buffers[ENT_GRID_MANY];
    uint64_t sum_w;
};

static enum ent_err small_piece(struct pass *p, uint32_t member, size_t first, size_t n,
                                uint8_t *out)
{
    size_t offset = ENT_UPDATE_SALT_BYTES + first * p->int_bytes;
    size_t len = n * p->int_bytes;
    struct ent_buf bytes;
    enum ent_err err = read_small(p->e, member, &bytes);

    if (err == ENT_E_OK && (bytes.len < offset || bytes.len - offset < len)) {
        err = ent_err_note(ENT_E_CORRUPT, "a stored update is too short");
    }
    if (err == ENT_E_OK) {
        memcpy(out, bytes.data + offset, len);
    }
    ent_buf_release(&bytes);
    return err;
}

static enum ent_err file_piece(struct pass *p, uint32_t member, size_t first, size_t n,
                               uint8_t *out)
{
    off_t offset = (off_t)(ENT_UPDATE_SALT_BYTES + first * p->int_bytes);
    size_t left = n * p->int_bytes;
    char *path = NULL;
    enum ent_err err = input_path(p->e, member, &path);
    int fd = -1;

    if (err == ENT_E_OK) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        err = fd >= 0 ? ENT_E_OK : ent_sysfail(ENT_E_IO, path);
    }
    while (err == ENT_E_OK && left > 0) {
        ssize_t got = pread(fd, out, left, offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            err = got < 0 ? ent_sysfail(ENT_E_IO, path)
                          : ent_err_note(ENT_E_CORRUPT, "%s: too short", path);
            break;
        }
        out += got;
        offset += got;
        left -= (size_t)got;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    free(path);
    return err;
}

/* Add window [first, first + n) of all inputs, five at a time. */
static enum ent_err add_window(struct pass *p, size_t first, size_t n)
{
    const struct ent_fold *fold = &p->e->fold;

    ENT_TRY(ent_agg_reset(p->agg, n));
    for (size_t i = 0; i < fold->n; i += ENT_GRID_MANY) {
        size_t k = fold->n - i < ENT_GRID_MANY ? fold->n - i : ENT_GRID_MANY;
        uint32_t weights[ENT_GRID_MANY];

        for (size_t j = 0; j < k; j++) {
            weights[j] = fold->inputs[i + j].weight;
            ENT_TRY((fold->inputs[i + j].is_small ? small_piece : file_piece)(
                p, fold->inputs[i + j].member, first, n, p->buffers[j]));
        }
        ENT_TRY(ent_agg_add_many(p->agg, (const uint8_t *const *)p->buffers, n * p->int_bytes,
                                 weights, k));
    }
    return ENT_E_OK;
}

/* Noise first: what is hashed and what the model is made of has it. */
static enum ent_err add_noise(struct pass *p, size_t first, size_t n, const int64_t **sum)
{
    if (p->noised == NULL) {
        return ENT_E_OK;
    }
    memcpy(p->noised, *sum, n * sizeof **sum);
    *sum = p->noised;
    return ent_central_add(p->e, first, p->noised, n);
}

static enum ent_err take_window(struct pass *p, size_t first, size_t n)
{
    struct ent_agg_result result;

    ENT_TRY(ent_agg_finish(p->agg, &result));
    ENT_TRY(add_noise(p, first, n, &result.sum));
    ent_step_sum_hash(&p->hash, result.sum, n);
    p->sum_w = result.sum_w;
    if (p->whole != NULL) {
        memcpy(p->whole + first, result.sum, n * sizeof *p->whole);
        return ENT_E_OK;
    }
    return ent_apply_window(p->apply, result.sum, n);
}

static enum ent_err prepare(struct pass *p, size_t window)
{
    const struct ent_engine *e = p->e;
    bool train = e->round.task == ENT_ROUND_TRAIN;
    struct ent_step_sum sum = {.plan = e->plan,
                               .task = (uint32_t)e->round.task,
                               .window = window,
                               .inputs_min = e->run.config.min_members,
                               .inputs_max = (uint32_t)e->fold.n,
                               .weight_max = 1};

    for (size_t i = 0; i < e->fold.n; i++) {
        sum.weight_max =
            e->fold.inputs[i].weight > sum.weight_max ? e->fold.inputs[i].weight : sum.weight_max;
    }
    ENT_TRY(ent_step_sum_new(&sum, &p->agg));
    ENT_TRY(ent_sha256_init(&p->hash));
    for (size_t i = 0; i < ENT_GRID_MANY && i < e->fold.n; i++) {
        ENT_TRY(ent_calloc_aligned(window, p->int_bytes, &p->buffers[i]));
    }
    if (ent_central_covers(e)) {
        ENT_TRY(ent_central_ready(p->e));
        ENT_TRY(ent_calloc(window, sizeof *p->noised, &p->noised));
    }
    return train ? ent_apply_begin(p->e, e->round.round, e->round.sum_w, &p->apply)
                 : ent_calloc(p->dim, sizeof *p->whole, &p->whole);
}

static void release(struct pass *p)
{
    ent_agg_free(p->agg);
    ent_apply_discard(p->apply);
    ent_sha256_release(&p->hash);
    for (size_t i = 0; i < ENT_GRID_MANY; i++) {
        free(p->buffers[i]);
    }
    free(p->whole);
    free(p->noised);
}

static enum ent_err sum_all(struct pass *p, struct ent_event *result)
{
    size_t window = p->dim < WINDOW ? p->dim : WINDOW;

    ENT_TRY(prepare(p, window));
    for (size_t first = 0; first < p->dim; first += window) {
        size_t n = p->dim - first < window ? p->dim - first : window;

        ENT_TRY(add_window(p, first, n));
        ENT_TRY(take_window(p, first, n));
    }
    ent_sha256_finish(&p->hash, result->digest);
    if (p->noised != NULL) {
        ENT_HOOK_POINT("engine.noise-added");
    }
    return ENT_E_OK;
}

/* ---- what the sum means ---- */

static enum ent_err finish_train(struct pass *p, struct ent_event *result)
{
    struct ent_apply *apply = p->apply;

    p->apply = NULL;
    return ent_apply_commit(apply, result->model, result->state);
}

static enum ent_err finish_stats(struct pass *p, struct ent_event *result)
{
    struct ent_engine *e = p->e;

    if (!ent_all_zero(e->run.base,
                      32)) { /* the run goes on from a model, with that model's preprocessing */
        memcpy(result->model, e->run.base, sizeof result->model);
        return ENT_E_OK;
    }
    return ent_model_make_initial(e, p->whole, p->dim, e->round.round, result->model);
}

static enum ent_err finish_evaluate(struct pass *p, struct ent_event *result)
{
    struct ent_engine *e = p->e;
    struct ent_step_figures figures;

    ENT_TRY(ent_step_evaluate(e->plan, p->whole, p->dim, &figures));
    e->metrics.m = figures.metrics;
    free(e->sum);
    e->sum = NULL;
    e->sum_len = p->dim * sizeof(int64_t);
    ENT_TRY(ent_calloc(p->dim, sizeof(int64_t), &e->sum));
    ent_grid_store64(p->whole, p->dim, e->sum);
    e->metrics.known = true;
    e->newest = e->metrics;
    result->rows = figures.rows;
    result->loss_sum = figures.loss_sum;
    result->auc = figures.auc;
    return ENT_E_OK;
}

static enum ent_err finish_task(struct pass *p, struct ent_event *result)
{
    switch (p->e->round.task) {
    case ENT_ROUND_TRAIN:
        return finish_train(p, result);
    case ENT_ROUND_STATS:
        return finish_stats(p, result);
    case ENT_ROUND_EVALUATE:
        return finish_evaluate(p, result);
    }
    return ent_err_note(ENT_E_INTERNAL, "no such task");
}

void ent_fold_finish(struct ent_engine *e, const struct ent_action *action)
{
    struct ent_event result = ent_engine_event(e, ENT_EV_RESULT, ENT_NO_MEMBER);
    struct pass pass = {.e = e, .int_bytes = ent_task_int_bytes((enum ent_task_kind)e->round.task)};
    uint64_t bytes = 0;
    enum ent_err err;

    result.round = action->row.round;
    result.attempt = action->row.attempt;
    err = ent_uploads_layout(e, e->round.task, &pass.dim, &bytes);
    if (err == ENT_E_OK) {
        err = sum_all(&pass, &result);
    }
    if (err == ENT_E_OK) {
        err = finish_task(&pass, &result);
    }
    release(&pass);
    if (err != ENT_E_OK) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "round %llu cannot be summed: %s",
                       (unsigned long long)e->round.round, ent_err_message());
        result.kind = ENT_EV_RESULT_FAILED;
        result.code = err;
    }
    ent_engine_feed(e, &result);
}
