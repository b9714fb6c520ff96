#include "simulate/compare.h"

#include <math.h>
#include <stdlib.h>

#include "client/agent/pipeline_share.h"
#include "common/base/mem.h"
#include "simulate/pool.h"

#define POOLED_NAME "everybody"

struct compare {
    const struct ent_population *population;
    struct ent_pipeline **alone;  /* [threads] */
    struct ent_pipeline **pooled; /* [threads] */
    uint32_t threads;
    struct ent_metrics *alone_members;  /* [n_members] */
    struct ent_metrics *pooled_members; /* [n_members] */
    struct ent_metrics pooled_test;
    struct ent_blob *pooled_model;
    uint32_t *untrained; /* [n_members] 1: cannot train alone */
    bool binary;
    double guess; /* loss of a member that cannot train */
};

double ent_compare_members(const struct ent_metrics *members, uint32_t n, uint32_t *n_compared)
{
    double sum = 0.0;
    double rows = 0.0;
    uint32_t counted = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (members[i].rows > 0 && isfinite(members[i].auc)) {
            sum += members[i].auc * (double)members[i].rows;
            rows += (double)members[i].rows;
            counted++;
        }
    }
    if (n_compared != NULL) {
        *n_compared = counted;
    }
    return counted > 0 ? sum / rows : (double)NAN;
}

double ent_compare_losses(const struct ent_metrics *members, uint32_t n)
{
    double sum = 0.0;
    double rows = 0.0;

    for (uint32_t i = 0; i < n; i++) {
        if (members[i].rows > 0) {
            sum += members[i].log_loss * (double)members[i].rows;
            rows += (double)members[i].rows;
        }
    }
    return rows > 0.0 ? sum / rows : (double)NAN;
}

static enum ent_err train_pooled(struct compare *c, struct ent_pipeline *p)
{
    struct ent_local local = {.model = &c->pooled_model};
    struct ent_local_result result;

    ENT_TRY(ent_pipeline_become(p, POOLED_NAME, c->population->all));
    ENT_TRY(ent_pipeline_local(p, &local, &result));
    c->pooled_test = result.test;
    return ENT_E_OK;
}

static enum ent_err train_alone(struct compare *c, struct ent_pipeline *p, uint32_t member)
{
    struct ent_simulated_member *m = &c->population->members[member];
    uint32_t rows = m->parts.part[ENT_SPLIT_TRAIN].n;
    struct ent_metrics *out = &c->alone_members[member];
    struct ent_local local = {0};
    struct ent_local_result result;

    if (m->parts.part[ENT_SPLIT_TEST].n == 0) {
        return ENT_E_OK;
    }
    if (rows == 0 || (m->one_class && c->binary)) {
        c->untrained[member] = 1;
        return ENT_E_OK; /* its figures come from those of the pooled model */
    }
    ENT_TRY(ent_pipeline_become(p, m->name, &m->parts));
    ENT_TRY(ent_pipeline_local(p, &local, &result));
    *out = result.test;
    return ENT_E_OK;
}

/* The longest item first. */
static enum ent_err train_item(void *ctx, uint32_t worker, uint32_t item)
{
    struct compare *c = ctx;

    return item == 0 ? train_pooled(c, c->pooled[worker])
                     : train_alone(c, c->alone[worker], item - 1);
}

static enum ent_err evaluate_item(void *ctx, uint32_t worker, uint32_t item)
{
    static const uint8_t no_salt[ENT_UPDATE_SALT_BYTES]; /* nothing of this leaves */
    struct compare *c = ctx;
    struct ent_simulated_member *m = &c->population->members[item];
    struct ent_work work = {.task = ENT_TASK_EVALUATE,
                            .split = ENT_SPLIT_TEST,
                            .base = c->pooled_model,
                            .salt = no_salt};
    struct ent_payload payload = {0};
    struct ent_work_result result;
    struct ent_task_sizes sizes;
    int64_t *v = NULL;
    enum ent_err err;

    if (m->parts.part[ENT_SPLIT_TEST].n == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_pipeline_become(c->pooled[worker], m->name, &m->parts));
    ENT_TRY(ent_pipeline_compute(c->pooled[worker], &work, &payload, &result));
    err = ent_calloc(payload.dim, sizeof *v, &v);
    if (err == ENT_E_OK) {
        ent_payload_int64(&payload, v);
        sizes = ent_plan_task_sizes(ent_pipeline_plan(c->pooled[worker]));
        err = ent_task_evaluate_finish_of(&sizes, v, payload.dim, &c->pooled_members[item]);
    }
    free(v);
    ent_payload_release(&payload);
    return err;
}

static enum ent_err prepare(struct compare *c, struct ent_plan *plan, struct ent_plan *pooled)
{
    ENT_TRY(ent_calloc(c->threads, sizeof(struct ent_pipeline *), &c->alone));
    ENT_TRY(ent_calloc(c->threads, sizeof(struct ent_pipeline *), &c->pooled));
    for (uint32_t i = 0; i < c->threads; i++) {
        ENT_TRY(ent_pipeline_borrow(plan, c->population->table, &c->alone[i]));
        ENT_TRY(ent_pipeline_borrow(pooled, c->population->table, &c->pooled[i]));
    }
    ENT_TRY(ent_calloc(c->population->n_members, sizeof *c->untrained, &c->untrained));
    ENT_TRY(ent_calloc(c->population->n_members, sizeof *c->alone_members, &c->alone_members));
    return ent_calloc(c->population->n_members, sizeof *c->pooled_members, &c->pooled_members);
}

static enum ent_err work(struct compare *c, struct ent_plan *plan, struct ent_plan *pooled)
{
    struct ent_pool_work train = {.item = train_item,
                                  .ctx = c,
                                  .n_items = c->population->n_members + 1,
                                  .threads = c->threads};
    struct ent_pool_work look = train;

    look.item = evaluate_item;
    look.n_items = c->population->n_members;
    ENT_TRY(prepare(c, plan, pooled));
    ENT_TRY(ent_pool_run(&train));
    ENT_TRY(ent_pool_run(&look));
    for (uint32_t i = 0; i < c->population->n_members; i++) {
        if (c->untrained[i] != 0) {
            c->alone_members[i] = c->pooled_members[i];
            c->alone_members[i].auc = isfinite(c->alone_members[i].auc) ? 0.5 : (double)NAN;
            c->alone_members[i].log_loss = c->guess;
        }
    }
    return ENT_E_OK;
}

static void release(struct compare *c)
{
    for (uint32_t i = 0; i < c->threads; i++) {
        ent_pipeline_give_back(c->alone != NULL ? c->alone[i] : NULL);
        ent_pipeline_give_back(c->pooled != NULL ? c->pooled[i] : NULL);
    }
    ent_blob_unref(c->pooled_model);
    free((void *)c->alone);
    free((void *)c->pooled);
    free(c->alone_members);
    free(c->pooled_members);
    free(c->untrained);
}

/* Each class as probable as the others; of a number, its variance at most. */
static double guess_of(const struct ent_plan *plan)
{
    switch (plan->label_kind) {
    case ENT_LABEL_CLASSES:
        return log((double)plan->n_classes);
    case ENT_LABEL_NUMBER:
        return 1.0;
    default:
        return log(2.0);
    }
}

static struct ent_compared compared_of(const struct ent_metrics *members, uint32_t n,
                                       const struct ent_metrics *all)
{
    return (struct ent_compared){.members = ent_compare_members(members, n, NULL),
                                 .pooled = all != NULL ? all->auc : (double)NAN,
                                 .members_loss = ent_compare_losses(members, n),
                                 .pooled_loss = all != NULL ? all->log_loss : (double)NAN,
                                 .pooled_hit10 = all != NULL && all->outputs == ENT_OUTPUTS_CLASSES
                                                     ? all->hit10
                                                     : (double)NAN};
}

void ent_comparison_release(struct ent_comparison *comparison)
{
    free(comparison->alone_members);
    free(comparison->pooled_members);
    comparison->alone_members = NULL;
    comparison->pooled_members = NULL;
}

enum ent_err ent_compare(struct ent_plan *plan, struct ent_plan *pooled_plan,
                         const struct ent_population *population,
                         const struct ent_federation_result *federated, uint32_t threads,
                         struct ent_comparison *out)
{
    struct compare c = {.population = population,
                        .threads = threads,
                        .binary = plan->label_kind == ENT_LABEL_POSITIVE,
                        .guess = guess_of(plan)};
    uint32_t n = population->n_members;
    enum ent_err err;

    ENT_REQUIRE(federated->test.rows > 0, ENT_E_CONFIG,
                "there are no test rows to compare on: the plan's split.test is 0");
    err = work(&c, plan, pooled_plan);
    if (err == ENT_E_OK) {
        *out = (struct ent_comparison){0};
        out->alone = compared_of(c.alone_members, n, NULL);
        out->federated = compared_of(federated->members, n, &federated->test);
        out->pooled = compared_of(c.pooled_members, n, &c.pooled_test);
        (void)ent_compare_members(c.alone_members, n, &out->n_compared);
        for (uint32_t i = 0; i < n; i++) {
            out->n_untrained += c.untrained[i] != 0 && c.alone_members[i].rows > 0 &&
                                        (!c.binary || isfinite(c.alone_members[i].auc))
                                    ? 1
                                    : 0;
        }
        out->n_members = n;
        out->alone_members = c.alone_members;
        out->pooled_members = c.pooled_members;
        c.alone_members = NULL;
        c.pooled_members = NULL;
    }
    release(&c);
    return err;
}
