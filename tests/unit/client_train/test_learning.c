/* The trainer with everything but plain rows and plain descent. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/train/trainer.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/count_alloc.h"

#define N_SEQS 200
#define STEPS_MAX 9
#define N_VALUES 6

/* Sequences of tokens that follow a rule: the next one is the last plus the one before, with some noise; a float beside
 * each. */
struct events {
    uint32_t start[N_SEQS];
    uint32_t length[N_SEQS];
    int32_t tokens[N_SEQS * (STEPS_MAX + 1)];
    bool per_step;
};

static void set_up_events(struct events *e, bool per_step)
{
    struct ent_rng rng = ent_rng_init(8, 0);
    uint32_t at = 0;

    e->per_step = per_step;
    for (uint32_t i = 0; i < N_SEQS; i++) {
        e->start[i] = at;
        e->length[i] = 2 + (uint32_t)(ent_rng_float(&rng) * (STEPS_MAX - 1));
        for (uint32_t t = 0; t <= e->length[i]; t++) {
            int32_t rule = t < 2 ? 0 : (e->tokens[at + t - 1] + e->tokens[at + t - 2]) % N_VALUES;
            bool noise = t < 2 || ent_rng_float(&rng) < 0.05f;

            e->tokens[at + t] = noise ? (int32_t)(ent_rng_float(&rng) * N_VALUES) : rule;
        }
        at += e->length[i] + 1;
    }
}

static uint32_t steps(void *ctx, uint32_t row)
{
    const struct events *e = ctx;

    return e->length[row];
}

static void fill(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out)
{
    const struct events *e = ctx;
    uint32_t at = 0;

    for (uint32_t i = 0; i < n; i++) {
        const int32_t *tokens = e->tokens + e->start[rows[i]];

        for (uint32_t t = 0; t < e->length[rows[i]]; t++, at++) {
            out->tokens[at] = tokens[t];
            out->x[at] = (float)t / STEPS_MAX;
            if (e->per_step) {
                out->y[at] = (float)tokens[t + 1];
            }
        }
        if (!e->per_step) {
            out->y[i] = (float)(tokens[e->length[rows[i]]] >= N_VALUES / 2);
        }
    }
    CU_ASSERT_EQUAL(at, out->n_steps);
}

static const struct ent_model_layer next_item[] = {
    {.kind = ENT_MODEL_EMBEDDING, .units = 8, .values = N_VALUES},
    {.kind = ENT_MODEL_GRU, .units = 24},
    {.kind = ENT_MODEL_DROPOUT, .rate = 0.1f},
    {.kind = ENT_MODEL_DENSE, .units = N_VALUES}};
static const struct ent_model_layer one_answer[] = {
    {.kind = ENT_MODEL_EMBEDDING, .units = 8, .values = N_VALUES},
    {.kind = ENT_MODEL_LSTM, .units = 16},
    {.kind = ENT_MODEL_LAST},
    {.kind = ENT_MODEL_DENSE, .units = 1}};

static struct ent_model *build(const struct ent_model_options *some)
{
    struct ent_model_options options = *some;
    struct ent_rng rng = ent_rng_init(1, 1);
    struct ent_model *model = NULL;

    options.batch_max = 50;
    options.training = true;
    ENT_OK(ent_model_new(&options, &model));
    ent_model_init_params(model, &rng);
    return model;
}

struct tally {
    double loss;
    uint32_t n;
    uint32_t right;
};

static void take_classes(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct tally *t = ctx;

    for (uint32_t i = 0; i < n; i++, prob += N_VALUES) {
        uint32_t best = 0;

        for (uint32_t j = 1; j < N_VALUES; j++) {
            best = prob[j] > prob[best] ? j : best;
        }
        t->right += best == (uint32_t)y[i];
        t->loss -= log((double)prob[(uint32_t)y[i]]);
        t->n++;
    }
}

static void take_one(void *ctx, const float *prob, const float *y, uint32_t n)
{
    struct tally *t = ctx;

    for (uint32_t i = 0; i < n; i++) {
        t->right += (prob[i] > 0.5f) == (y[i] > 0.5f);
        t->n++;
    }
}

static struct ent_train_options adam(uint32_t epochs)
{
    return (struct ent_train_options){.epochs = epochs,
                                      .batch = 50,
                                      .optim = ent_optim_find("adam"),
                                      .hyper = {.rate = 0.01},
                                      .seed = 5,
                                      .stream = 3};
}

ENT_TEST(sequences, next_item_is_learnt_at_every_step)
{
    static struct events e;
    struct ent_rows rows = {.ctx = &e, .n = N_SEQS, .fill = fill, .steps = steps};
    struct ent_model *model =
        build(&(struct ent_model_options){.n_inputs = 1,
                                          .layers = next_item,
                                          .n_layers = 4,
                                          .seq_max = STEPS_MAX,
                                          .loss = {.kind = ENT_MODEL_SOFTMAX}});
    struct ent_train_options options = adam(40);
    struct ent_train_result result;
    struct tally tally = {0};
    uint32_t all = 0;

    set_up_events(&e, true);
    for (uint32_t i = 0; i < N_SEQS; i++) {
        all += e.length[i];
    }
    ENT_OK(ent_train(model, &rows, &options, &result));
    CU_ASSERT(result.rows_done == 40ULL * N_SEQS && result.steps == 160);
    ENT_OK(ent_train_predict(model, &rows, take_classes, &tally));
    CU_ASSERT_EQUAL(tally.n, all);
    CU_ASSERT(tally.right >
              all * 3 /
                  4); /* first tokens are chance; a rule of the last token alone gets 1 in 6 */
    CU_ASSERT(tally.loss / tally.n < result.mean_loss + 0.05);
    ent_model_free(model);
}

ENT_TEST(sequences, one_answer_a_sequence)
{
    static struct events e;
    struct ent_rows rows = {.ctx = &e, .n = N_SEQS, .fill = fill, .steps = steps};
    struct ent_model *model = build(&(struct ent_model_options){
        .n_inputs = 1, .layers = one_answer, .n_layers = 4, .seq_max = STEPS_MAX});
    struct ent_train_options options = adam(60);
    struct ent_train_result result;
    struct tally tally = {0};

    set_up_events(&e, false);
    ENT_OK(ent_train(model, &rows, &options, &result));
    ENT_OK(ent_train_predict(model, &rows, take_one, &tally));
    CU_ASSERT(tally.n == N_SEQS && tally.right > N_SEQS * 9 / 10);
    e.length[7] = STEPS_MAX + 1; /* longer than the model was told */
    ENT_FAILS(ent_train(model, &rows, &options, &result), ENT_E_DATA);
    e.length[7] = 0;
    ENT_FAILS(ent_train(model, &rows, &options, &result), ENT_E_DATA);
    ent_model_free(model);
}

/* ---- rows ---- */

#define N_INPUTS 6
#define N_ROWS 500

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 16},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                             {.kind = ENT_MODEL_DENSE, .units = 12},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};

struct table {
    float x[N_ROWS * N_INPUTS];
    float y[N_ROWS];
    struct ent_rows_matrix matrix;
    struct ent_rows rows;
};

static void set_up(struct table *t)
{
    struct ent_rng rng = ent_rng_init(21, 0);

    for (size_t i = 0; i < N_ROWS; i++) {
        float *x = t->x + i * N_INPUTS;

        for (size_t j = 0; j < N_INPUTS; j++) {
            x[j] = (float)ent_rng_normal(&rng);
        }
        t->y[i] = x[0] * x[1] > 0.0f ? 1.0f : 0.0f;
    }
    t->matrix = (struct ent_rows_matrix){.x = t->x, .y = t->y, .n_inputs = N_INPUTS};
    t->rows = ent_rows_of_matrix(&t->matrix, N_ROWS);
}

static struct ent_model *build_mlp(uint32_t ensemble)
{
    return build(&(struct ent_model_options){
        .n_inputs = N_INPUTS, .layers = mlp, .n_layers = 6, .ensemble = ensemble});
}

ENT_TEST(ensemble, learns_with_adam)
{
    static struct table t;
    struct ent_model *model = build_mlp(4);
    struct ent_train_options options = adam(40);
    struct ent_train_result result;
    struct tally tally = {0};

    set_up(&t);
    ENT_OK(ent_train(model, &t.rows, &options, &result));
    ENT_OK(ent_train_predict(model, &t.rows, take_one, &tally));
    CU_ASSERT(tally.right > N_ROWS * 9 / 10);
    ent_model_free(model);
}

/* Two rounds with kept moments and a schedule are two calls; the rate of each is the schedule's. */
ENT_TEST(trainer, schedule_over_rounds)
{
    static struct table t;
    struct ent_model *a = build_mlp(0);
    struct ent_model *b = build_mlp(0);
    size_t size = ent_model_n_params(a) * sizeof(float);
    struct ent_train_options options = adam(1);
    struct ent_train_options fixed = adam(1);
    struct ent_train_result result;

    set_up(&t);
    options.schedule = (struct ent_schedule){.kind = ENT_SCHEDULE_STEP, .every = 1, .factor = 0.5};
    options.rounds = 10;
    for (options.round = 1; options.round <= 3; options.round++) {
        ENT_OK(ent_train(a, &t.rows, &options, &result));
        ENT_OK(ent_train(b, &t.rows, &fixed, &result));
        CU_ASSERT_EQUAL(memcmp(ent_model_params(a), ent_model_params(b), size), 0);
        fixed.hyper.rate *= 0.5;
    }
    options.schedule.every = 0;
    ENT_FAILS(ent_train(a, &t.rows, &options, &result), ENT_E_CONFIG);
    ent_model_free(a);
    ent_model_free(b);
}

static double distance(struct ent_model *a, const float *b)
{
    double sum = 0.0;

    for (size_t i = 0; i < ent_model_n_params(a); i++) {
        double d = (double)ent_model_params(a)[i] - (double)b[i];

        sum += d * d;
    }
    return sqrt(sum);
}

/* The stronger the term, the nearer to the base; a base that is given is the same as the start that the trainer copies. */
ENT_TEST(trainer, proximal_term_holds_the_member)
{
    static struct table t;
    double far[3];
    static const double mu[3] = {0.0, 1.0, 20.0};

    set_up(&t);
    for (int i = 0; i < 3; i++) {
        struct ent_model *model = build_mlp(0);
        size_t n = ent_model_n_params(model);
        struct ent_train_options options = adam(5);
        struct ent_train_result result;
        float *base;
        float *given;

        ENT_OK(ent_calloc(n, sizeof *base, &base));
        ENT_OK(ent_calloc(n, sizeof *given, &given));
        memcpy(base, ent_model_params(model), n * sizeof *base);
        options.optim = ent_optim_find("sgd");
        options.proximal = mu[i];
        options.base = base;
        ENT_OK(ent_train(model, &t.rows, &options, &result));
        far[i] = distance(model, base);
        memcpy(given, ent_model_params(model), n * sizeof *given);
        memcpy(ent_model_params(model), base, n * sizeof *base);
        options.base = NULL;
        ENT_OK(ent_train(model, &t.rows, &options, &result));
        CU_ASSERT_EQUAL(memcmp(given, ent_model_params(model), n * sizeof *given), 0);
        free(base);
        free(given);
        ent_model_free(model);
    }
    CU_ASSERT(far[0] > 1.1 * far[1] && far[1] > 2.0 * far[2] && far[2] > 0.0);
}

/* Decay touches matrices and leaves biases: with no gradient (all rows are zero, so are the biases) they shrink alone. */
ENT_TEST(trainer, weight_decay_of_matrices)
{
    static struct table t;
    struct ent_model *model = build(&(struct ent_model_options){
        .n_inputs = N_INPUTS,
        .layers = (const struct ent_model_layer[]){{.kind = ENT_MODEL_DENSE, .units = 1}},
        .n_layers = 1});
    struct ent_train_options options = adam(1);
    struct ent_train_result result;
    float *params = ent_model_params(model);

    set_up(&t);
    memset(t.x, 0, sizeof t.x);
    for (size_t i = 0; i < N_ROWS; i++) {
        t.y[i] = (float)(i % 2);
    }
    for (int i = 0; i <= N_INPUTS; i++) {
        params[i] = 1.0f;
    }
    options.optim = ent_optim_find("adamw");
    options.hyper.weight_decay = 0.5;
    options.batch = 0;
    ENT_OK(ent_train(model, &t.rows, &options, &result));
    for (int i = 0; i < N_INPUTS; i++) {
        CU_ASSERT_DOUBLE_EQUAL(params[i], 1.0 - 0.01 * 0.5, 1e-6);
    }
    CU_ASSERT_DOUBLE_EQUAL(params[N_INPUTS], 0.99, 1e-6); /* Adam's first step: the rate */
    ent_model_free(model);
}

/* A step clipped to a tiny norm moves by rate times that norm. */
ENT_TEST(trainer, clipped_gradient)
{
    static struct table t;
    struct ent_model *model = build_mlp(0);
    size_t n = ent_model_n_params(model);
    struct ent_train_options options = adam(1);
    struct ent_train_result result;
    float *base;

    set_up(&t);
    ENT_OK(ent_calloc(n, sizeof *base, &base));
    memcpy(base, ent_model_params(model), n * sizeof *base);
    options.optim = ent_optim_find("sgd");
    options.hyper.rate = 1.0;
    options.clip_norm = 0.01;
    options.batch = 0;
    ENT_OK(ent_train(model, &t.rows, &options, &result));
    CU_ASSERT_DOUBLE_EQUAL(distance(model, base), 0.01, 1e-5);
    options.clip_norm = NAN;
    ENT_FAILS(ent_train(model, &t.rows, &options, &result), ENT_E_CONFIG);
    free(base);
    ent_model_free(model);
}

/* ---- memory ---- */

static void check_no_allocation(struct ent_model *model, const struct ent_rows *rows)
{
    struct ent_train_options options = adam(2);
    struct ent_train_result result;
    struct ent_trainer *trainer;
    unsigned long before;

    options.optim = ent_optim_find("adamw");
    options.hyper.weight_decay = 0.01;
    options.clip_norm = 1.0;
    options.proximal = 0.1;
    options.schedule.kind = ENT_SCHEDULE_COSINE;
    options.round = 2;
    options.rounds = 5;
    ENT_OK(ent_trainer_new(model, &options, rows->n, &trainer));
    before = ent_count_alloc();
    ENT_OK(ent_trainer_run(trainer, rows, &options, &result));
    CU_ASSERT_EQUAL(ent_count_alloc() - before, 0);
    ent_trainer_free(trainer);
    ent_model_free(model);
}

ENT_TEST(trainer, nothing_is_allocated_whatever_it_trains)
{
    static struct table t;
    static struct events e;
    struct ent_rows rows = {.ctx = &e, .n = N_SEQS, .fill = fill, .steps = steps};

    set_up(&t);
    check_no_allocation(build_mlp(0), &t.rows);
    check_no_allocation(build_mlp(5), &t.rows);
    set_up_events(&e, true);
    check_no_allocation(build(&(struct ent_model_options){.n_inputs = 1,
                                                          .layers = next_item,
                                                          .n_layers = 4,
                                                          .seq_max = STEPS_MAX,
                                                          .loss = {.kind = ENT_MODEL_SOFTMAX}}),
                        &rows);
    set_up_events(&e, false);
    check_no_allocation(
        build(&(struct ent_model_options){
            .n_inputs = 1, .layers = one_answer, .n_layers = 4, .seq_max = STEPS_MAX}),
        &rows);
}

ENT_TEST(trainer, same_seed_same_bits_for_sequences)
{
    static struct events e;
    struct ent_rows rows = {.ctx = &e, .n = N_SEQS, .fill = fill, .steps = steps};
    struct ent_model *models[2];
    struct ent_train_options options = adam(2);
    struct ent_train_result result;

    set_up_events(&e, true);
    for (int i = 0; i < 2; i++) {
        models[i] = build(&(struct ent_model_options){.n_inputs = 1,
                                                      .layers = next_item,
                                                      .n_layers = 4,
                                                      .seq_max = STEPS_MAX,
                                                      .loss = {.kind = ENT_MODEL_SOFTMAX}});
        ENT_OK(ent_train(models[i], &rows, &options, &result));
    }
    CU_ASSERT_EQUAL(memcmp(ent_model_params(models[0]), ent_model_params(models[1]),
                           ent_model_n_params(models[0]) * sizeof(float)),
                    0);
    ent_model_free(models[0]);
    ent_model_free(models[1]);
}
