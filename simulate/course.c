/* A look at the test rows after each training round. A federation spends them once, at the end; who reproduces a published
 * course wants them all along. The run itself does not see it. Likewise at the end of a run that has no test round. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "simulate/internal.h"
#include "simulate/pool.h"

#define ROWS                                                                                       \
    1024 /* that a worker looks at in one go; sums are integers, so it makes no difference */

struct look {
    struct ent_sim *s;
    struct ent_blob *model;
    struct ent_parts *parts;     /* [n]; NULL: each member's own rows */
    struct ent_metrics *members; /* [n_members] of each of them; NULL: not wanted */
    int64_t **sums;              /* [threads], NULL: nothing yet */
    size_t dim;
};

static enum ent_err add(struct look *look, uint32_t worker, uint32_t item,
                        const struct ent_payload *payload)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(look->s->plan);
    enum ent_err err = ENT_E_OK;
    int64_t *v = NULL;

    if (look->sums[worker] == NULL) {
        ENT_TRY(ent_calloc(look->dim, sizeof *v, &look->sums[worker]));
    }
    ENT_TRY(ent_calloc(look->dim, sizeof *v, &v));
    ent_payload_int64(payload, v);
    for (size_t i = 0; i < look->dim; i++) {
        look->sums[worker][i] += v[i];
    }
    if (look->members != NULL) {
        err = ent_task_evaluate_finish_of(&sizes, v, look->dim, &look->members[item]);
    }
    free(v);
    return err;
}

static enum ent_err look_item(void *ctx, uint32_t worker, uint32_t item)
{
    static const uint8_t salt[32];
    struct look *look = ctx;
    struct ent_pipeline *pipeline = look->s->workers[worker].pipeline;
    struct ent_payload payload = {0};
    struct ent_work_result result;
    struct ent_work work = {
        .task = ENT_TASK_EVALUATE, .split = ENT_SPLIT_TEST, .base = look->model, .salt = salt};
    struct ent_parts *parts =
        look->parts != NULL ? &look->parts[item] : &look->s->population->members[item].parts;
    enum ent_err err;

    if (parts->part[ENT_SPLIT_TEST].n == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_pipeline_become(pipeline, "course", parts));
    ENT_TRY(ent_pipeline_compute(pipeline, &work, &payload, &result));
    ENT_BUG_ON(payload.dim != look->dim);
    err = add(look, worker, item, &payload);
    ent_payload_release(&payload);
    return err;
}

/* All test rows in pieces of equal length. */
static enum ent_err cut(struct look *look, uint32_t *n)
{
    const struct ent_split_rows *test = &look->s->population->all->part[ENT_SPLIT_TEST];

    *n = test->n / ROWS + (test->n % ROWS > 0 ? 1 : 0);
    ENT_TRY(ent_calloc(*n, sizeof *look->parts, &look->parts));
    for (uint32_t i = 0; i < *n; i++) {
        uint32_t left = test->n - i * ROWS;

        look->parts[i].part[ENT_SPLIT_TEST] = (struct ent_split_rows){
            .rows = test->rows + (size_t)i * ROWS, .n = left < ROWS ? left : ROWS};
    }
    return ENT_E_OK;
}

static enum ent_err look_at(struct look *look, struct ent_metrics *out)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(look->s->plan);
    struct ent_pool_work work = {
        .item = look_item, .ctx = look, .n_items = look->s->n_members, .threads = look->s->threads};
    int64_t *sum;

    ENT_TRY(ent_task_evaluate_dim_of(&sizes, &look->dim));
    ENT_TRY(ent_calloc(look->s->threads, sizeof(int64_t *), &look->sums));
    ENT_TRY(look->members == NULL ? cut(look, &work.n_items) : ENT_E_OK);
    ENT_TRY(ent_pool_run(&work));
    sum = look->sums[0];
    for (uint32_t w = 0; w < look->s->threads; w++) {
        sum = sum == NULL ? look->sums[w] : sum;
    }
    for (uint32_t w = 0; w < look->s->threads; w++) {
        for (size_t i = 0; look->sums[w] != NULL && look->sums[w] != sum && i < look->dim; i++) {
            sum[i] += look->sums[w][i];
        }
    }
    return ent_task_evaluate_finish_of(&sizes, sum, look->dim, out);
}

static enum ent_err look_and_clear(struct look *look, struct ent_metrics *out)
{
    enum ent_err err = look_at(look, out);

    for (uint32_t w = 0; look->sums != NULL && w < look->s->threads; w++) {
        free(look->sums[w]);
    }
    free((void *)look->sums);
    free(look->parts);
    return err;
}

enum ent_err ent_sim_look_last(struct ent_sim *s, struct ent_blob *model)
{
    struct look look = {.s = s, .model = model, .members = s->result->members};

    if (s->round.config.test || s->population->all->part[ENT_SPLIT_TEST].n == 0) {
        return ENT_E_OK;
    }
    s->result->test_outside = true;
    return look_and_clear(&look, &s->result->test);
}

enum ent_err ent_sim_look(struct ent_sim *s, const uint8_t model[32])
{
    struct ent_federation_result *r = s->result;
    struct look look = {.s = s, .model = ent_sim_shelf(s, model)};

    if (!s->options->course || s->population->all->part[ENT_SPLIT_TEST].n == 0) {
        return ENT_E_OK;
    }
    if (r->course == NULL) {
        ENT_TRY(ent_calloc(s->plan->rounds, sizeof *r->course, &r->course));
    }
    ENT_BUG_ON(look.model == NULL || r->n_course >= s->plan->rounds);
    ENT_TRY(look_and_clear(&look, &s->looked));
    r->course[r->n_course++] = (struct ent_course){
        .log_loss = s->looked.log_loss, .auc = s->looked.auc, .accuracy = s->looked.accuracy};
    return ENT_E_OK;
}
