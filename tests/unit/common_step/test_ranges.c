/* The first model of a run without statistics. */
#include <math.h>
#include <string.h>

#include "common/step/step.h"
#include "tests/support/ent_test.h"

#define SMALL                                                                                      \
    "features:\n"                                                                                  \
    "  - {name: a, type: number, range: [-4, 4]}\n"                                                \
    "  - {name: b, type: number, range: [0, 10]}\n"                                                \
    "label: {name: bought, positive: \"1\"}\n"                                                     \
    "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"

static struct ent_plan *plan_of(const char *text)
{
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)text, strlen(text), &plan));
    return plan;
}

static struct ent_modelfile *parse(const struct ent_buf *file)
{
    struct ent_modelfile *model = NULL;
    struct ent_blob *blob = NULL;

    ENT_OK(ent_blob_new_copy(file->data, file->len, &blob));
    ENT_OK(ent_modelfile_read(blob, &model));
    ent_blob_unref(blob);
    return model;
}

/* Out of the plan alone: the same bytes for everybody, scaled from the declared ranges. */
ENT_TEST(step, the_first_model_of_ranges)
{
    struct ent_plan *plan = plan_of(SMALL);
    struct ent_modelfile *model;
    struct ent_step_sink sink;
    struct ent_buf file[2];

    for (int i = 0; i < 2; i++) {
        ent_buf_init(&file[i], (size_t)1 << 20);
        sink = ent_step_sink_buf(&file[i]);
        ENT_OK(ent_step_initial_of_ranges(plan, &sink));
    }
    CU_ASSERT(file[0].len == file[1].len && memcmp(file[0].data, file[1].data, file[0].len) == 0);
    model = parse(&file[0]);
    CU_ASSERT_EQUAL(model->info.run, 0);
    CU_ASSERT_EQUAL(memcmp(model->info.plan, plan->digest, sizeof plan->digest), 0);
    CU_ASSERT(model->info.fits[0].mean >= 0.0 && model->info.fits[0].mean <= 0.0);
    CU_ASSERT(fabs(model->info.fits[0].sd - 8.0 / sqrt(12.0)) < 1e-12);
    CU_ASSERT(fabs(model->info.fits[1].mean - 5.0) < 1e-12);
    ent_modelfile_free(model);
    ent_buf_release(&file[0]);
    ent_buf_release(&file[1]);
    ent_plan_free(plan);

    plan = plan_of("features: [{name: a, type: number, range: [0, 1], encode: ple}]\n"
                   "label: {name: bought, positive: \"1\"}\n"
                   "model: {layers: [{dense: 1}]}\n");
    ent_buf_init(&file[0], (size_t)1 << 20);
    sink = ent_step_sink_buf(&file[0]);
    ENT_FAILS(ent_step_initial_of_ranges(plan, &sink), ENT_E_SHAPE);
    ent_buf_release(&file[0]);
    ent_plan_free(plan);
}
