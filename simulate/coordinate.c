/* The coordinator's own messages, and CLOSE of a round: sums of the workers, what they mean, the next model. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "common/step/step.h"
#include "simulate/internal.h"

#define HEADER_USUAL 65536 /* bytes: most headers are shorter */

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

/* What was written becomes a model on the shelf. */
static enum ent_err take_model(struct ent_sim *s, struct ent_buf *file, uint8_t digest[32])
{
    struct ent_blob *blob = NULL;

    ENT_TRY(ent_sha256(file->data, file->len, digest));
    ENT_TRY(ent_blob_new_take(file->data, file->len, &blob));
    ent_buf_init(file, file->max); /* its bytes are the blob's */
    put_on_shelf(s, blob, digest);
    return ENT_E_OK;
}

static enum ent_err begin_file(const struct ent_sim *s, struct ent_buf *file)
{
    size_t params = ent_plan_n_params(s->plan) * sizeof(float);

    ent_buf_init(file, params + ENT_MODELFILE_HEADER_MAX + 8);
    return ent_buf_reserve(file, params + HEADER_USUAL);
}

static struct ent_step_lineage lineage_of(const struct ent_sim *s)
{
    struct ent_step_lineage lineage = {.run = s->round.config.run, .round = s->round.round};

    memcpy(lineage.federation, s->federation, sizeof lineage.federation);
    return lineage;
}

static enum ent_err make_first(struct ent_sim *s, const int64_t *sum, uint8_t digest[32])
{
    struct ent_step_lineage lineage = lineage_of(s);
    struct ent_step_sink sink;
    struct ent_buf file;
    enum ent_err err = begin_file(s, &file);

    sink = ent_step_sink_buf(&file);
    if (err == ENT_E_OK) {
        err = ent_step_initial(s->plan, &lineage, sum, s->dim, &sink);
    }
    if (err == ENT_E_OK) {
        err = take_model(s, &file, digest);
    }
    ent_buf_release(&file);
    return err;
}

enum ent_err ent_sim_make_base(struct ent_sim *s, uint8_t digest[32])
{
    struct ent_step_sink sink;
    struct ent_buf file;
    enum ent_err err = begin_file(s, &file);

    sink = ent_step_sink_buf(&file);
    if (err == ENT_E_OK) {
        err = ent_step_initial_of_ranges(s->plan, &sink);
    }
    if (err == ENT_E_OK) {
        err = take_model(s, &file, digest);
    }
    ent_buf_release(&file);
    return err;
}

static enum ent_err step(const struct ent_sim *s, const struct ent_modelfile *base,
                         const int64_t *sum, struct ent_buf *file, struct ent_buf *state)
{
    struct ent_step_reader before = {.at = s->server_state.data, .len = s->server_state.len};
    struct ent_step_lineage lineage = lineage_of(s);
    struct ent_step_next next = {.plan = s->plan,
                                 .base = base,
                                 .base_digest = s->round.base,
                                 .lineage = &lineage,
                                 .sum_w = s->round.sum_w,
                                 .model = ent_step_sink_buf(file),
                                 .state = ent_step_sink_buf(state)};
    struct ent_step_train *train = NULL;
    enum ent_err err;

    if (before.len > 0) {
        next.before = ent_step_source_of(&before);
    }
    ENT_TRY(ent_step_train_new(&next, &train));
    err = ent_step_train_window(train, sum, s->dim);
    ent_step_train_free(train);
    return err;
}

/* The state itself stays here; its digest goes into the row, as the coordinator's does. */
static enum ent_err keep_state(struct ent_sim *s, struct ent_buf *state_take, uint8_t out[32])
{
    if (!ent_step_has_state(s->plan)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_sha256(state_take->data, state_take->len, out));
    ent_buf_release(&s->server_state);
    s->server_state = *state_take;
    ent_buf_init(state_take, state_take->max);
    return ENT_E_OK;
}

static enum ent_err make_next(struct ent_sim *s, const int64_t *sum, struct ent_event *result)
{
    struct ent_modelfile *base = NULL;
    struct ent_buf file;
    struct ent_buf state;
    enum ent_err err = begin_file(s, &file);

    ent_buf_init(&state, ent_step_state_bytes(s->plan));
    if (err == ENT_E_OK) {
        err = ent_modelfile_read(s->base, &base);
    }
    if (err == ENT_E_OK) {
        err = step(s, base, sum, &file, &state);
    }
    if (err == ENT_E_OK) {
        err = take_model(s, &file, result->model);
    }
    if (err == ENT_E_OK) {
        err = keep_state(s, &state, result->state);
    }
    ent_modelfile_free(base);
    ent_buf_release(&state);
    ent_buf_release(&file);
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

static enum ent_err finish_evaluate(struct ent_sim *s, const int64_t *sum, struct ent_event *result)
{
    struct ent_step_figures figures;

    ENT_TRY(ent_step_evaluate(s->plan, sum, s->dim, &figures));
    s->metrics = figures.metrics;
    result->rows = figures.rows;
    result->loss_sum = figures.loss_sum;
    result->auc = figures.auc;
    if (s->round.split == ENT_ROUND_ON_TEST) {
        s->result->test = s->metrics;
    } else {
        s->result->validation = s->metrics;
    }
    return ENT_E_OK;
}

/* Under privacy of unit member nothing but the noised sum goes on: a digest of the other would tell of it. */
static enum ent_err finish_sum(struct ent_sim *s, int64_t *sum, struct ent_event *result)
{
    ENT_TRY(ent_sim_privacy_add(s, sum));
    ENT_TRY(ent_step_sum_digest(sum, s->dim, result->digest));
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
