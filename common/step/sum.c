#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/fixed/weight.h"
#include "common/step/step.h"

#define CHUNK 1024 /* integers that are hashed at a time */

enum ent_err ent_step_weight(const struct ent_plan *plan, uint32_t task, uint32_t bucket,
                             uint32_t *weight)
{
    const struct ent_task *which = ent_task_find(task);

    ENT_REQUIRE(which != NULL, ENT_E_UNSUPPORTED, "no task %lu", (unsigned long)task);
    if (which->weighted && plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        return ent_weight_of_bucket(bucket, weight);
    }
    ENT_REQUIRE(bucket == 0, ENT_E_SHAPE, "a row bucket where the plan asks for none");
    *weight = which->weighted && plan->weights == ENT_WEIGHTS_FIXED ? 0 : 1;
    return ENT_E_OK;
}

enum ent_err ent_step_sum_new(const struct ent_step_sum *sum, struct ent_agg **out)
{
    struct ent_agg_config config = {.dim = sum->window,
                                    .int_bytes =
                                        (uint32_t)ent_task_int_bytes((enum ent_task_kind)sum->task),
                                    .inputs_min = sum->inputs_min,
                                    .inputs_max = sum->inputs_max,
                                    .weight_max = sum->weight_max};

    return ent_agg_new(sum->task == ENT_TASK_TRAIN ? sum->plan->rule : "fedavg", &config, out);
}

void ent_step_sum_hash(struct ent_sha256 *hash, const int64_t *sum, size_t n)
{
    uint8_t le[CHUNK * sizeof(int64_t)];

    for (size_t at = 0; at < n; at += CHUNK) {
        size_t k = n - at < CHUNK ? n - at : CHUNK;

        ent_grid_store64(sum + at, k, le);
        ent_sha256_add(hash, le, k * sizeof *sum);
    }
}

enum ent_err ent_step_sum_digest(const int64_t *sum, size_t n, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_sha256 hash = {0};

    ENT_TRY(ent_sha256_init(&hash));
    ent_step_sum_hash(&hash, sum, n);
    ent_sha256_finish(&hash, digest);
    ent_sha256_release(&hash);
    return ENT_E_OK;
}
