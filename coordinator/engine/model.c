/* Model files of a run: the initial one out of the pooled statistics, and each next one by the apply step. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/model/modelfile.h"
#include "coordinator/engine/state.h"

#define PIECE ENT_APPLY_PIECE

/* ---- the initial model ---- */

struct initial {
    struct ent_fits *fits;
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct ent_model_info info;
    float *params;
};

static enum ent_err describe(const struct ent_engine *e, struct initial *in, const int64_t *sum,
                             size_t dim)
{
    const struct ent_plan *plan = e->plan;

    ENT_TRY(ent_task_stats_finish(plan->features, plan->n_features, sum, dim, &in->fits));
    ent_plan_model_options(plan, 1, in->layers, &in->options);
    in->info = (struct ent_model_info){
        .fits = in->fits->fit, .run = e->run.config.run, .round = e->round.round};
    ent_plan_model_info(plan, &in->info);
    ent_modelfile_of_options(&in->options, &in->info);
    memcpy(in->info.federation, e->home->issuer.federation, sizeof in->info.federation);
    memcpy(in->info.plan, plan->digest, sizeof in->info.plan);
    return ENT_E_OK;
}

static enum ent_err write_header(struct ent_store_writer *writer, const struct ent_model_info *info,
                                 size_t *n_params)
{
    struct ent_buf header;
    enum ent_err err;

    ent_buf_init(&header, (size_t)ENT_MODELFILE_HEADER_MAX + 8);
    err = ent_modelfile_header(info, &header, n_params);
    if (err == ENT_E_OK) {
        err = ent_store_model_write(writer, header.data, header.len);
    }
    ent_buf_release(&header);
    return err;
}

/* float32 little-endian; both as this machine has them (checked when it is built). */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "little-endian float32");

static enum ent_err write_initial(const struct ent_engine *e, struct initial *in,
                                  struct ent_store_writer *writer)
{
    struct ent_rng rng = ent_rng_init(e->plan->seed, ENT_PLAN_INIT_STREAM);
    size_t n = 0;

    ENT_TRY(write_header(writer, &in->info, &n));
    ENT_TRY(ent_calloc_aligned(n, sizeof *in->params, &in->params));
    ENT_TRY(ent_model_init_vector(&in->options, &rng, in->params));
    for (size_t at = 0; at < n; at += PIECE) {
        ENT_TRY(ent_store_model_write(writer, in->params + at,
                                      (n - at < PIECE ? n - at : PIECE) * sizeof(float)));
    }
    return ENT_E_OK;
}

enum ent_err ent_model_make_initial(struct ent_engine *e, const int64_t *sum, size_t dim,
                                    uint64_t round, uint8_t digest[32])
{
    struct initial in = {0};
    struct ent_store_writer *writer = NULL;
    enum ent_err err = describe(e, &in, sum, dim);

    in.info.round = round;
    if (err == ENT_E_OK) {
        err = ent_store_model_begin(e->store, &writer);
    }
    if (err == ENT_E_OK) {
        err = write_initial(e, &in, writer);
        if (err == ENT_E_OK) {
            err = ent_store_model_commit(writer, digest);
        } else {
            ent_store_model_discard(writer);
        }
    }
    free(in.params);
    ent_fits_free(in.fits);
    return err;
}

/* ---- the apply step ---- */

struct ent_apply {
    struct ent_modelfile *base;
    struct ent_store_writer *writer;
    struct ent_server *server;
    float *window;
    size_t at; /* parameters done */
    double c;
};

static enum ent_err begin(struct ent_engine *e, struct ent_apply *a, uint64_t round, uint64_t sum_w)
{
    struct ent_blob *blob = NULL;
    struct ent_model_info info;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_grid_factor(sum_w, e->plan->scale_bits, &a->c));
    ENT_TRY(ent_shelf_model(e, e->round.base, &blob));
    err = ent_modelfile_read(blob, &a->base);
    ent_blob_unref(blob);
    ENT_TRY(err);
    ENT_REQUIRE(a->base->n_params == ent_plan_n_params(e->plan), ENT_E_SHAPE,
                "the base model has %zu parameters, the plan's %zu", a->base->n_params,
                ent_plan_n_params(e->plan));
    info = a->base->info; /* architecture and preprocessing stay; only the lineage is new */
    memcpy(info.federation, e->home->issuer.federation, sizeof info.federation);
    memcpy(info.plan, e->plan->digest, sizeof info.plan);
    memcpy(info.base, e->round.base, sizeof info.base);
    info.run = e->run.config.run;
    info.round = round;
    ENT_TRY(ent_calloc_aligned(PIECE, sizeof *a->window, &a->window));
    ENT_TRY(ent_server_begin(e, &a->server));
    ENT_TRY(ent_store_model_begin(e->store, &a->writer));
    return write_header(a->writer, &info, &n);
}

enum ent_err ent_apply_begin(struct ent_engine *e, uint64_t round, uint64_t sum_w,
                             struct ent_apply **out)
{
    struct ent_apply *apply = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *apply, &apply));
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
    const float *base = ent_modelfile_params(apply->base);

    ENT_BUG_ON(n > apply->base->n_params - apply->at || apply->at % PIECE != 0);
    for (size_t done = 0; done < n;) {
        size_t k = n - done < PIECE ? n - done : PIECE;

        struct ent_server_round slice = {.model = base + apply->at,
                                         .sum = sum + done,
                                         .c = apply->c,
                                         .out = apply->window,
                                         .n = k};

        ENT_TRY(ent_server_slice(apply->server, &slice));
        ENT_TRY(ent_store_model_write(apply->writer, apply->window, k * sizeof(float)));
        apply->at += k;
        done += k;
    }
    return ENT_E_OK;
}

enum ent_err ent_apply_commit(struct ent_apply *apply_take, uint8_t digest[32], uint8_t state[32])
{
    struct ent_store_writer *writer = apply_take->writer;
    struct ent_server *server = apply_take->server;
    enum ent_err err;

    ENT_BUG_ON(apply_take->at != apply_take->base->n_params);
    apply_take->writer = NULL;
    apply_take->server = NULL;
    ent_apply_discard(apply_take);
    err = ent_server_commit(server, state);
    if (err != ENT_E_OK) {
        ent_store_model_discard(writer);
        return err;
    }
    return ent_store_model_commit(writer, digest);
}

void ent_apply_discard(struct ent_apply *apply_take)
{
    if (apply_take == NULL) {
        return;
    }
    ent_store_model_discard(apply_take->writer);
    ent_server_discard(apply_take->server);
    ent_modelfile_free(apply_take->base);
    free(apply_take->window);
    free(apply_take);
}
