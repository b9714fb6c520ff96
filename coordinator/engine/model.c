/* Model files of a run: the initial one out of the pooled statistics, and each next one by the apply step, with the state
 * of the server's optimizer beside it: out of the store, through common/step, into the store.
 *
 * State is a file of its own beside the model, named by its digest in the CLOSE row, so that a restart goes on from it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "common/step/step.h"
#include "coordinator/engine/state.h"
#include "coordinator/engine/sysfail.h"

static enum ent_err write_out(void *ctx, const void *bytes, size_t len)
{
    return ent_store_model_write(ctx, bytes, len);
}

static struct ent_step_sink sink_of(struct ent_store_writer *writer)
{
    return (struct ent_step_sink){.write = write_out, .ctx = writer};
}

static struct ent_step_lineage lineage_of(const struct ent_engine *e, uint64_t round)
{
    struct ent_step_lineage lineage = {.run = e->run.config.run, .round = round};

    memcpy(lineage.federation, e->home->issuer.federation, sizeof lineage.federation);
    return lineage;
}

enum ent_err ent_model_make_initial(struct ent_engine *e, const int64_t *sum, size_t dim,
                                    uint64_t round, uint8_t digest[32])
{
    struct ent_step_lineage lineage = lineage_of(e, round);
    struct ent_store_writer *writer = NULL;
    struct ent_step_sink sink;
    enum ent_err err;

    ENT_TRY(ent_store_model_begin(e->store, &writer));
    sink = sink_of(writer);
    err = ent_step_initial(e->plan, &lineage, sum, dim, &sink);
    if (err != ENT_E_OK) {
        ent_store_model_discard(writer);
        return err;
    }
    return ent_store_model_commit(writer, digest);
}

/* ---- the apply step ---- */

struct ent_apply {
    struct ent_modelfile *base;
    struct ent_store_writer *writer;
    int before;                     /* the state before; -1: none yet */
    struct ent_store_writer *state; /* the state behind; NULL: the optimizer has none */
    struct ent_step_train *step;
};

/* Checked as a whole before the first slice of it is used. */
static enum ent_err open_before(struct ent_engine *e, struct ent_apply *a)
{
    uint8_t found[32];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_state_path(e->store, e->round.state, &path));
    err = ent_sha256_file(path, found);
    if (err == ENT_E_OK && memcmp(found, e->round.state, sizeof found) != 0) {
        err = ent_err_note(ENT_E_CORRUPT, "%s: its content changed", path);
    }
    if (err == ENT_E_OK) {
        a->before = open(path, O_RDONLY | O_CLOEXEC);
        err = a->before >= 0 ? ENT_E_OK : ent_sysfail(ENT_E_IO, path);
    }
    free(path);
    return err;
}

static enum ent_err read_before(void *ctx, void *bytes, size_t len)
{
    const struct ent_apply *a = ctx;
    size_t got = 0;

    ENT_TRY(ent_fd_read(a->before, bytes, len, &got));
    ENT_REQUIRE(got == len, ENT_E_CORRUPT,
                "the state of the server's optimizer is not one of this plan");
    return ENT_E_OK;
}

static enum ent_err open_base(struct ent_engine *e, struct ent_apply *a)
{
    struct ent_blob *blob = NULL;
    enum ent_err err;

    ENT_TRY(ent_shelf_model(e, e->round.base, &blob));
    err = ent_modelfile_read(blob, &a->base);
    ent_blob_unref(blob);
    return err;
}

static enum ent_err begin(struct ent_engine *e, struct ent_apply *a, uint64_t round, uint64_t sum_w)
{
    struct ent_step_lineage lineage = lineage_of(e, round);
    struct ent_step_next next = {
        .plan = e->plan, .base_digest = e->round.base, .lineage = &lineage, .sum_w = sum_w};

    ENT_TRY(open_base(e, a));
    next.base = a->base;
    if (ent_step_has_state(e->plan)) {
        if (!ent_all_zero(e->round.state, 32)) {
            ENT_TRY(open_before(e, a));
            next.before = (struct ent_step_source){.read = read_before, .ctx = a};
        }
        ENT_TRY(ent_store_state_begin(e->store, &a->state));
        next.state = sink_of(a->state);
    }
    ENT_TRY(ent_store_model_begin(e->store, &a->writer));
    next.model = sink_of(a->writer);
    return ent_step_train_new(&next, &a->step);
}

enum ent_err ent_apply_begin(struct ent_engine *e, uint64_t round, uint64_t sum_w,
                             struct ent_apply **out)
{
    struct ent_apply *apply = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *apply, &apply));
    apply->before = -1;
    err = begin(e, apply, round, sum_w);
    if (err != ENT_E_OK) {
        ent_apply_discard(apply);
        return err;
    }
    *out = apply;
    return ENT_E_OK;
}

enum ent_err ent_apply_window(struct ent_apply *apply, const int64_t *sum, size_t n)
{
    return ent_step_train_window(apply->step, sum, n);
}

enum ent_err ent_apply_commit(struct ent_apply *apply_take, uint8_t digest[32], uint8_t state[32])
{
    struct ent_store_writer *model_writer = apply_take->writer;
    struct ent_store_writer *state_writer = apply_take->state;
    enum ent_err err = ENT_E_OK;

    ENT_BUG_ON(!ent_step_train_done(apply_take->step));
    apply_take->writer = NULL;
    apply_take->state = NULL;
    ent_apply_discard(apply_take);
    memset(state, 0, 32);
    if (state_writer != NULL) {
        err = ent_store_model_commit(state_writer, state);
    }
    if (err != ENT_E_OK) {
        ent_store_model_discard(model_writer);
        return err;
    }
    return ent_store_model_commit(model_writer, digest);
}

void ent_apply_discard(struct ent_apply *apply_take)
{
    if (apply_take == NULL) {
        return;
    }
    ent_step_train_free(apply_take->step);
    ent_store_model_discard(apply_take->writer);
    ent_store_model_discard(apply_take->state);
    if (apply_take->before >= 0) {
        (void)close(apply_take->before);
    }
    ent_modelfile_free(apply_take->base);
    free(apply_take);
}
