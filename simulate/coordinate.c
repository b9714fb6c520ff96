/* The coordinator's own messages, and CLOSE of a round: sums of the workers, what they mean, the next model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/model/modelfile.h"
#include "simulate/internal.h"

#define PIECE ((size_t)65536)

/* ---- messages ---- */

static int by_handle(const void *a, const void *b)
{
    return memcmp(a, b, ENT_WIRE_HANDLE_BYTES);
}

static struct ent_header header_now(struct ent_sim *s, uint32_t type)
{
    struct ent_header header = {.type = type,
                                .run = s->round.config.run,
                                .round = s->round.round,
                                .attempt = s->round.attempt,
                                .sequence = ++s->sequence};

    memcpy(header.federation, s->federation, sizeof header.federation);
    return header;
}

static enum ent_err seal_open(struct ent_sim *s, struct ent_msg_round_open *m,
                              struct ent_buf *payload, struct ent_sim_opening *out)
{
    const struct ent_run_config *c = &s->round.config;
    struct ent_header header = header_now(s, ENT_MSG_ROUND_OPEN);

    m->run = c->run;
    m->round = s->round.round;
    m->attempt = s->round.attempt;
    m->task = s->round.task;
    m->split = s->round.split;
    m->min_members = c->min_members;
    m->join_ms = c->join_ms;
    m->update_ms = c->update_ms;
    m->weights = s->plan->weights;
    m->scale_bits = s->plan->scale_bits;
    memcpy(m->federation, s->federation, sizeof m->federation);
    memcpy(m->plan, s->plan->digest, sizeof m->plan);
    if (s->base != NULL) {
        m->has_base = true;
        m->base_bytes = ent_blob_len(s->base);
        memcpy(m->base, s->round.base, sizeof m->base);
    }
    ENT_TRY(ent_msg_round_open_encode(m, payload));
    ENT_TRY(ent_wire_round_open_hash(payload->data, payload->len, out->hash));
    ent_buf_clear(&out->sealed);
    return ent_wire_seal_payload(s->key, &header, (struct ent_bytes){payload->data, payload->len},
                                 &out->sealed);
}

static enum ent_err size_round(struct ent_sim *s)
{
    const struct ent_task *task = ent_task_find((uint32_t)s->round.task);
    struct ent_task_sizes sizes = ent_plan_task_sizes(s->plan);

    s->int_bytes = task->int_bytes;
    ent_blob_unref(s->base);
    s->base = NULL;
    if (s->round.task != ENT_ROUND_STATS) {
        s->base = ent_sim_shelf(s, s->round.base);
        ENT_REQUIRE(s->base != NULL, ENT_E_INTERNAL, "the round's model is gone");
        (void)ent_blob_ref(s->base);
    }
    return task->dim(&sizes, &s->dim);
}

/* Of the members invited from `from` on, as many as one message names. */
static enum ent_err open_some(struct ent_sim *s, uint32_t from, uint32_t opening)
{
    uint32_t n =
        s->opened.n - from < ENT_WIRE_COHORT_MAX ? s->opened.n - from : ENT_WIRE_COHORT_MAX;
    struct ent_msg_round_open m = {.n_invited = n};
    struct ent_buf payload;
    enum ent_err err;

    ENT_TRY(ent_calloc(n, sizeof *m.invited, &m.invited));
    for (uint32_t i = 0; i < n; i++) {
        struct ent_sim_member *member = &s->members[s->opened.items[from + i]];

        memcpy(m.invited[i], member->handle, sizeof m.invited[i]);
        member->opening = opening;
    }
    qsort(m.invited, m.n_invited, sizeof *m.invited, by_handle);
    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = seal_open(s, &m, &payload, &s->openings[opening]);
    ent_buf_release(&payload);
    free(m.invited);
    return err;
}

enum ent_err ent_sim_open(struct ent_sim *s)
{
    uint32_t opening = 0;

    ENT_TRY(size_round(s));
    for (uint32_t from = 0; from < s->opened.n; from += ENT_WIRE_COHORT_MAX) {
        ENT_TRY(open_some(s, from, opening));
        opening++;
    }
    return ENT_E_OK;
}

static enum ent_err seal_close(struct ent_sim *s, const struct ent_msg_round_close *m)
{
    struct ent_header header = header_now(s, ENT_MSG_ROUND_CLOSE);
    struct ent_buf body;
    enum ent_err err;

    header.round = s->round.closed.round;
    header.attempt = s->round.closed.attempt;
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = ent_wire_seal(s->key, &header, m, &body);
    ent_buf_release(&body);
    return err;
}

static void say_outcomes(const struct ent_sim *s, uint32_t opening, struct ent_msg_round_close *m)
{
    m->n_outcomes = 0;
    for (uint32_t i = 0; i < s->n_members; i++) {
        const struct ent_round_member *from = &s->standings[i];
        struct ent_msg_outcome *to = &m->outcomes[m->n_outcomes];

        if (from->standing == ENT_STANDING_NONE || s->members[i].opening != opening) {
            continue;
        }
        memcpy(to->member, s->members[i].handle, sizeof to->member);
        to->standing = from->standing;
        to->code = from->standing == ENT_STANDING_ACCEPTED ? ENT_E_OK : from->reason;
        to->weight = from->standing == ENT_STANDING_ACCEPTED ? from->weight : 0;
        m->n_outcomes++;
    }
    qsort(m->outcomes, m->n_outcomes, sizeof *m->outcomes, by_handle); /* a handle comes first */
}

enum ent_err ent_sim_close(struct ent_sim *s)
{
    const struct ent_row *row = &s->round.closed;
    struct ent_msg_round_close m = {.sum_w = row->sum_w,
                                    .has_model = true,
                                    .train_done = s->round.train_done,
                                    .train_rounds = s->round.config.train_rounds};
    enum ent_err err = ent_calloc(ENT_WIRE_COHORT_MAX, sizeof *m.outcomes, &m.outcomes);

    memcpy(m.result, row->digest, sizeof m.result);
    memcpy(m.model, row->model, sizeof m.model);
    for (uint32_t opening = 0; err == ENT_E_OK && opening < ENT_SIM_OPENINGS_MAX; opening++) {
        say_outcomes(s, opening, &m);
        memcpy(m.round_open, s->openings[opening].hash, sizeof m.round_open);
        if (m.n_outcomes > 0) {
            err = seal_close(s, &m);
        }
    }
    free(m.outcomes);
    return err;
}

/* ---- models ---- */

struct ent_blob *ent_sim_shelf(const struct ent_sim *s, const uint8_t digest[32])
{
    for (size_t i = 0; i < ENT_SIM_SHELF; i++) {
        if (s->shelf[i].blob != NULL && memcmp(s->shelf[i].digest, digest, 32) == 0) {
            return s->shelf[i].blob;
        }
    }
    return NULL;
}

static bool is_wanted(const struct ent_sim *s, const uint8_t digest[32])
{
    return memcmp(digest, s->round.model, 32) == 0 || memcmp(digest, s->round.best, 32) == 0 ||
           memcmp(digest, s->round.base, 32) == 0;
}

static void put_on_shelf(struct ent_sim *s, struct ent_blob *blob_take, const uint8_t digest[32])
{
    if (ent_sim_shelf(s, digest) != NULL) { /* a round that changed nothing */
        ent_blob_unref(blob_take);
        return;
    }
    for (size_t i = 0; i < ENT_SIM_SHELF; i++) {
        if (s->shelf[i].blob != NULL && !is_wanted(s, s->shelf[i].digest)) {
            ent_blob_unref(s->shelf[i].blob);
            s->shelf[i].blob = NULL;
        }
    }
    for (size_t i = 0; i < ENT_SIM_SHELF; i++) {
        if (s->shelf[i].blob == NULL) {
            s->shelf[i].blob = blob_take;
            memcpy(s->shelf[i].digest, digest, 32);
            return;
        }
    }
    ENT_BUG_ON(true); /* three are wanted at most */
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "little-endian float32");

/* Header and parameters in one piece; fill writes the parameters. */
struct making {
    struct ent_sim *s;
    const struct ent_model_info *info;
    enum ent_err (*fill)(void *ctx, float *params, size_t n);
    void *ctx;
};

static enum ent_err copy_out(const struct ent_buf *header, const float *params, size_t n,
                             struct ent_blob **out)
{
    size_t bytes = n * sizeof *params;
    uint8_t *file = NULL;
    enum ent_err err;

    ENT_TRY(ent_size_add(bytes, header->len, &bytes));
    ENT_TRY(ent_calloc_aligned(bytes, 1, &file));
    memcpy(file, header->data, header->len);
    memcpy(file + header->len, params, n * sizeof *params);
    err = ent_blob_new_take(file, bytes, out);
    if (err != ENT_E_OK) {
        free(file);
    }
    return err;
}

static enum ent_err make_model(const struct making *m, uint8_t digest[32])
{
    struct ent_blob *blob = NULL;
    struct ent_buf header;
    float *params = NULL;
    size_t n = 0;
    enum ent_err err;

    ent_buf_init(&header, (size_t)ENT_MODELFILE_HEADER_MAX + 8);
    err = ent_modelfile_header(m->info, &header, &n);
    if (err == ENT_E_OK) {
        err = ent_calloc_aligned(n, sizeof *params, &params);
    }
    if (err == ENT_E_OK) {
        err = m->fill(m->ctx, params, n);
    }
    if (err == ENT_E_OK) {
        err = copy_out(&header, params, n, &blob);
    }
    free(params);
    ent_buf_release(&header);
    ENT_TRY(err);
    err = ent_sha256(ent_blob_bytes(blob), ent_blob_len(blob), digest);
    if (err != ENT_E_OK) {
        ent_blob_unref(blob);
        return err;
    }
    put_on_shelf(m->s, blob, digest);
    return ENT_E_OK;
}

struct start {
    const struct ent_model_options *options;
    uint64_t seed;
};

static enum ent_err fill_start(void *ctx, float *params, size_t n)
{
    const struct start *start = ctx;
    struct ent_rng rng = ent_rng_init(start->seed, ENT_PLAN_INIT_STREAM);

    (void)n;
    return ent_model_init_vector(start->options, &rng, params);
}

static enum ent_err make_first(struct ent_sim *s, const int64_t *sum, uint8_t digest[32])
{
    const struct ent_plan *plan = s->plan;
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    struct start start = {.options = &options, .seed = plan->seed};
    struct ent_fits *fits = NULL;
    struct ent_model_info info = {.run = s->round.config.run, .round = s->round.round};
    struct making making = {.s = s, .info = &info, .fill = fill_start, .ctx = &start};
    enum ent_err err;

    ENT_TRY(ent_task_stats_finish(plan->features, plan->n_features, sum, s->dim, &fits));
    ent_plan_model_info(plan, &info);
    info.fits = fits->fit;
    ent_plan_model_options(plan, 1, layers, &options);
    ent_modelfile_of_options(&options, &info);
    memcpy(info.federation, s->federation, sizeof info.federation);
    memcpy(info.plan, plan->digest, sizeof info.plan);
    err = make_model(&making, digest);
    ent_fits_free(fits);
    return err;
}

struct next {
    struct ent_sim *s;
    const struct ent_modelfile *base;
    const int64_t *sum;
    double c;
};

static enum ent_err fill_next(void *ctx, float *params, size_t n)
{
    const struct next *next = ctx;
    const struct ent_server_spec *server = &next->s->plan->server;
    struct ent_server_round round = {.model = ent_modelfile_params(next->base),
                                     .sum = next->sum,
                                     .c = next->c,
                                     .out = params,
                                     .n = n};

    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        float **state = &next->s->server_state[v];

        if (*state == NULL) {
            ENT_TRY(ent_calloc_aligned(n, sizeof **state, state));
            for (size_t i = 0; i < n; i++) {
                (*state)[i] = server->optim->start(&server->hyper, v);
            }
        }
        round.state[v] = *state;
    }
    return ent_server_optim_apply(server->optim, &server->hyper, &round);
}

/* The state itself stays here; its digest goes into the row, as the coordinator's does. */
static enum ent_err digest_state(struct ent_sim *s, size_t n, uint8_t out[32])
{
    struct ent_part parts[ENT_SERVER_STATE_MAX];
    uint32_t n_state = s->plan->server.optim->n_state;

    for (uint32_t v = 0; v < n_state; v++) {
        parts[v] = (struct ent_part){s->server_state[v], n * sizeof(float)};
    }
    return n_state == 0 ? ENT_E_OK : ent_sha256_parts(parts, n_state, out);
}

static enum ent_err make_next(struct ent_sim *s, const int64_t *sum, struct ent_event *result)
{
    struct ent_modelfile *base = NULL;
    struct next next = {.s = s, .sum = sum};
    struct ent_model_info info;
    struct making making = {.s = s, .info = &info, .fill = fill_next, .ctx = &next};
    enum ent_err err;

    ENT_TRY(ent_grid_factor(s->round.sum_w, s->plan->scale_bits, &next.c));
    ENT_TRY(ent_modelfile_read(s->base, &base));
    next.base = base;
    info = base->info;
    memcpy(info.federation, s->federation, sizeof info.federation);
    memcpy(info.plan, s->plan->digest, sizeof info.plan);
    memcpy(info.base, s->round.base, sizeof info.base);
    info.run = s->round.config.run;
    info.round = s->round.round;
    err = make_model(&making, result->model);
    if (err == ENT_E_OK) {
        err = digest_state(s, base->n_params, result->state);
    }
    ent_modelfile_free(base);
    return err;
}

/* ---- the sum ---- */

static enum ent_err sum_workers(struct ent_sim *s, int64_t *sum)
{
    uint64_t sum_w = 0;

    for (uint32_t i = 0; i < s->threads; i++) {
        struct ent_sim_worker *w = &s->workers[i];

        ENT_TRY(ent_sim_worker_flush(s, w));
        for (size_t k = 0; w->sum != NULL && k < s->dim; k++) {
            ENT_REQUIRE(!__builtin_add_overflow(sum[k], w->sum[k], &sum[k]), ENT_E_LIMIT,
                        "the sum of so many members does not fit 64 bits");
        }
        sum_w += w->sum_w;
    }
    ENT_REQUIRE(sum_w == s->round.sum_w, ENT_E_INTERNAL,
                "the sum's weights are not those that the rounds counted");
    return ENT_E_OK;
}

static enum ent_err digest_sum(const struct ent_sim *s, const int64_t *sum, uint8_t out[32])
{
    struct ent_sha256 hash = {0};
    uint8_t *le = NULL;

    ENT_TRY(ent_calloc(PIECE, sizeof *sum, &le));
    if (ent_sha256_init(&hash) != ENT_E_OK) {
        free(le);
        return ENT_E_NO_MEMORY;
    }
    for (size_t at = 0; at < s->dim; at += PIECE) {
        size_t n = s->dim - at < PIECE ? s->dim - at : PIECE;

        ent_grid_store64(sum + at, n, le);
        ent_sha256_add(&hash, le, n * sizeof *sum);
    }
    ent_sha256_finish(&hash, out);
    ent_sha256_release(&hash);
    free(le);
    return ENT_E_OK;
}

static enum ent_err finish_evaluate(struct ent_sim *s, const int64_t *sum, struct ent_event *result)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(s->plan);

    ENT_TRY(ent_task_evaluate_finish_of(&sizes, sum, s->dim, &s->metrics));
    result->rows = (uint64_t)sum[ENT_EVAL_ROWS];
    result->loss_sum = (uint64_t)sum[ENT_EVAL_LOSS];
    result->auc = isfinite(s->metrics.auc) ? (uint64_t)(s->metrics.auc * ENT_ROUND_AUC_UNIT) : 0;
    if (s->round.split == ENT_ROUND_ON_TEST) {
        s->result->test = s->metrics;
    } else {
        s->result->validation = s->metrics;
    }
    return ENT_E_OK;
}

static enum ent_err finish_sum(struct ent_sim *s, const int64_t *sum, struct ent_event *result)
{
    ENT_TRY(digest_sum(s, sum, result->digest));
    switch (s->round.task) {
    case ENT_ROUND_STATS:
        return make_first(s, sum, result->model);
    case ENT_ROUND_TRAIN:
        return make_next(s, sum, result);
    case ENT_ROUND_EVALUATE:
        return finish_evaluate(s, sum, result);
    }
    return ent_err_note(ENT_E_INTERNAL, "no such task");
}

enum ent_err ent_sim_finish(struct ent_sim *s, struct ent_event *result)
{
    int64_t *sum = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc_aligned(s->dim, sizeof *sum, &sum));
    err = sum_workers(s, sum);
    if (err == ENT_E_OK) {
        err = finish_sum(s, sum, result);
    }
    free(sum);
    return err;
}
