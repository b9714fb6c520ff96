/* train --local stands for a federation of one: what ends it, what it keeps from stretch to stretch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define PLAN(training_)                                                                            \
    "features:\n"                                                                                  \
    "  - {name: age, type: number, range: [0, 100]}\n"                                             \
    "  - {name: income, type: number, range: [0, 1000]}\n"                                         \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {key: 1, validation: 0.3, test: 0.2}\n"                                                \
    "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"                                 \
    "training: {epochs: 1, batch: 16, seed: 7, " training_ "}\n"

struct course {
    const char *dir;
    struct ent_local_result result;
    uint32_t rounds; /* that were begun */
    struct ent_buf model;
};

static void note_round(void *ctx, const struct ent_train_progress *progress)
{
    struct course *c = ctx;

    c->rounds = progress->epoch > c->rounds ? progress->epoch : c->rounds;
}

static void train_of(struct course *c, const char *text, bool as_planned)
{
    const char *model = support_file(c->dir, "m.safetensors", "", 0);
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_local local = {
        .model_path = model, .as_planned = as_planned, .progress = note_round, .ctx = c};

    c->rounds = 0;
    ENT_OK(ent_client_config_parse("client.yaml", c->dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)text, strlen(text), &plan));
    ENT_OK(ent_pipeline_new(config, "brand-a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_local(p, &local, &c->result));
    ent_buf_init(&c->model, (size_t)1 << 20);
    ENT_OK(ent_file_read(model, &c->model));
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

static void train(struct course *c, const char *text)
{
    train_of(c, text, false);
}

static void set_up(struct course *c)
{
    char *csv = support_csv(300, 1);

    *c = (struct course){.dir = ent_test_tmpdir()};
    (void)support_file(c->dir, "data.csv", csv, strlen(csv));
    free(csv);
}

/* With steps that are too large the validation loss soon stops falling. */
ENT_TEST(local, patience_ends_training)
{
    struct course c;

    set_up(&c);
    train(&c, PLAN("rounds: 40, optimizer: {sgd: {rate: 1.5}}"));
    CU_ASSERT_EQUAL(c.rounds, 40);
    ent_buf_release(&c.model);
    train(&c, PLAN("rounds: 40, patience: 2, optimizer: {sgd: {rate: 1.5}}"));
    CU_ASSERT(c.result.best_round > 0 && c.rounds < 40);
    CU_ASSERT_EQUAL(c.rounds, c.result.best_round + 2);
    ent_buf_release(&c.model);
    train(&c, PLAN("rounds: 40, patience: 2, best_by: auc, optimizer: {sgd: {rate: 1.5}}"));
    CU_ASSERT(c.rounds == c.result.best_round + 2 || c.rounds == 40);
    ent_buf_release(&c.model);
}

/* Moments that are kept, and a rate that falls, change what is learned; each is the same every time. */
ENT_TEST(local, state_and_rate_go_on)
{
    static const char *const plans[] = {
        PLAN("rounds: 4, optimizer: {adam: {rate: 0.05}}"),
        PLAN("rounds: 4, optimizer: {adam: {rate: 0.05, keep_state: false}}"),
        PLAN("rounds: 4, schedule: cosine, optimizer: {adam: {rate: 0.05}}")};
    float last[3];
    struct course c;

    set_up(&c);
    for (size_t i = 0; i < 3; i++) {
        float again;

        train(&c, plans[i]);
        memcpy(&last[i], c.model.data + c.model.len - sizeof last[i], sizeof last[i]);
        ent_buf_release(&c.model);
        train(&c, plans[i]);
        memcpy(&again, c.model.data + c.model.len - sizeof again, sizeof again);
        ent_buf_release(&c.model);
        CU_ASSERT_EQUAL(memcmp(&again, &last[i], sizeof again), 0);
    }
    CU_ASSERT(memcmp(&last[0], &last[1], sizeof last[0]) != 0);
    CU_ASSERT(memcmp(&last[0], &last[2], sizeof last[0]) != 0);
}

#define PRIVATE_PLAN(unit_)                                                                        \
    "features:\n"                                                                                  \
    "  - {name: age, type: number, range: [0, 100]}\n"                                             \
    "  - {name: income, type: number, range: [0, 1000]}\n"                                         \
    "label: {name: y, positive: \"yes\"}\n"                                                        \
    "split: {key: 1, test: 0.2}\n"                                                                 \
    "model: {layers: [{dense: 8}, relu, {dense: 1}], loss: bce}\n"                                 \
    "training: {rounds: 4, seed: 7, optimizer: {sgd: {rate: 0.1}}}\n"                              \
    "privacy: {epsilon: 4, delta: 1e-5, clip: 1, " unit_ "}\n"

/* Whether two trainings give different models. */
static bool differs(struct course *c, const char *text, bool as_planned)
{
    struct ent_buf first;
    bool differs;

    train_of(c, text, as_planned);
    first = c->model;
    train_of(c, text, as_planned);
    CU_ASSERT_EQUAL_FATAL(c->model.len, first.len);
    differs = memcmp(c->model.data, first.data, first.len) != 0;
    ent_buf_release(&first);
    ent_buf_release(&c->model);
    return differs;
}

/* As the plan says: its noise is drawn anew each time, no training figure comes out of it, test rows are looked at. */
ENT_TEST(local, a_private_plan_is_trained_with_its_noise)
{
    struct course c;

    set_up(&c);
    CU_ASSERT_TRUE(differs(&c, PRIVATE_PLAN("unit: customer, rate: 0.2, batch: 50"), true));
    CU_ASSERT(isnan(c.result.train_loss) && c.result.test.rows > 0 && c.rounds == 4);
    CU_ASSERT_EQUAL(c.result.best_round, 4); /* no validation rows: the last */
    CU_ASSERT_FALSE(differs(&c, PRIVATE_PLAN("unit: customer, rate: 0.2, batch: 50"), false));
    CU_ASSERT_FALSE(differs(&c, PRIVATE_PLAN("unit: member"), true));
    CU_ASSERT(isfinite(c.result.train_loss));
}
