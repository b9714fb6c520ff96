#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/clip.h"
#include "tests/support/ent_test.h"

/* Says which subject it was. */
#define CHECK_SAID(good_, ...)                                                                     \
    do {                                                                                           \
        bool good_here_ = (good_);                                                                 \
        if (!good_here_) {                                                                         \
            (void)fprintf(stderr, __VA_ARGS__);                                                    \
            (void)fputc('\n', stderr);                                                             \
        }                                                                                          \
        CU_ASSERT(good_here_);                                                                     \
    } while (0)

#define ROWS ENT_MODEL_CLIP_ROWS
#define VALUES 7
#define STEPS_MAX 40

/* A stack of layers and how its examples look. */
struct subject {
    const char *name;
    const struct ent_model_layer *layers;
    uint32_t n_layers;
    uint32_t n_inputs;
    uint32_t n_tokens;
    uint32_t seq_max;
    uint32_t truncate;
    struct ent_model_loss loss;
};

#define DENSE(n_)                                                                                  \
    {                                                                                              \
        .kind = ENT_MODEL_DENSE, .units = (n_)                                                     \
    }
#define OF(kind_, n_)                                                                              \
    {                                                                                              \
        .kind = (kind_), .units = (n_)                                                             \
    }
#define EMBED(n_)                                                                                  \
    {                                                                                              \
        .kind = ENT_MODEL_EMBEDDING, .units = (n_), .values = VALUES                               \
    }

static const struct ent_model_layer logistic[] = {DENSE(1)};
static const struct ent_model_layer mlp[] = {
    DENSE(9), {.kind = ENT_MODEL_RELU}, DENSE(6), {.kind = ENT_MODEL_TANH}, DENSE(1)};
static const struct ent_model_layer squashed[] = {
    DENSE(9), {.kind = ENT_MODEL_SIGMOID}, {.kind = ENT_MODEL_RELU}, DENSE(3)};
static const struct ent_model_layer embedded[] = {
    EMBED(3), EMBED(4), DENSE(8), {.kind = ENT_MODEL_RELU}, DENSE(1)};
static const struct ent_model_layer wide[] = {
    DENSE(600), {.kind = ENT_MODEL_RELU}, DENSE(520), {.kind = ENT_MODEL_TANH}, DENSE(1)};
static const struct ent_model_layer rnn[] = {
    OF(ENT_MODEL_RNN, 5), {.kind = ENT_MODEL_LAST}, DENSE(1)};
static const struct ent_model_layer gru[] = {
    OF(ENT_MODEL_GRU, 5), {.kind = ENT_MODEL_MEAN_POOL}, DENSE(1)};
static const struct ent_model_layer lstm[] = {OF(ENT_MODEL_LSTM, 5),
                                              {.kind = ENT_MODEL_MAX_POOL},
                                              DENSE(4),
                                              {.kind = ENT_MODEL_TANH},
                                              DENSE(1)};
static const struct ent_model_layer broad[] = {
    OF(ENT_MODEL_LSTM, 64), OF(ENT_MODEL_GRU, 64), {.kind = ENT_MODEL_LAST}, DENSE(1)};
static const struct ent_model_layer stack[] = {DENSE(4),
                                               {.kind = ENT_MODEL_TANH},
                                               OF(ENT_MODEL_GRU, 5),
                                               OF(ENT_MODEL_LSTM, 3),
                                               {.kind = ENT_MODEL_LAST},
                                               DENSE(1)};
static const struct ent_model_layer stepwise[] = {OF(ENT_MODEL_RNN, 4), DENSE(3)};
static const struct ent_model_layer words[] = {
    EMBED(3), OF(ENT_MODEL_GRU, 5), {.kind = ENT_MODEL_LAST}, DENSE(1)};

static const float two_weights[] = {0.5f, 3.0f};
#define LAYERS(l_) (l_), ENT_ARRAY_LEN(l_)
static const struct subject subjects[] = {
    {"logistic", LAYERS(logistic), 5, 0, 0, 0, {0}},
    {"mlp", LAYERS(mlp), 5, 0, 0, 0, {0}},
    {"class weights",
     LAYERS(mlp),
     5,
     0,
     0,
     0,
     {.class_weights = two_weights, .n_class_weights = 2}},
    {"softmax", LAYERS(squashed), 5, 0, 0, 0, {.kind = ENT_MODEL_SOFTMAX}},
    {"mse", LAYERS(squashed), 5, 0, 0, 0, {.kind = ENT_MODEL_MSE}},
    {"embeddings", LAYERS(embedded), 2, 2, 0, 0, {0}},
    {"embeddings alone", LAYERS(embedded), 0, 2, 0, 0, {0}},
    {"wide", LAYERS(wide), 300, 0, 0, 0, {0}},
    {"rnn", LAYERS(rnn), 3, 0, STEPS_MAX, 0, {0}},
    {"gru", LAYERS(gru), 3, 0, STEPS_MAX, 0, {0}},
    {"lstm", LAYERS(lstm), 3, 0, STEPS_MAX, 0, {0}},
    {"lstm truncated", LAYERS(lstm), 3, 0, STEPS_MAX, 4, {0}},
    {"broad", LAYERS(broad), 60, 0, STEPS_MAX, 0, {0}}, /* short ones by Gram matrices */
    {"stack", LAYERS(stack), 3, 0, STEPS_MAX, 0, {0}},
    {"stepwise", LAYERS(stepwise), 3, 0, STEPS_MAX, 0, {.kind = ENT_MODEL_SOFTMAX}},
    {"words", LAYERS(words), 2, 1, STEPS_MAX, 0, {0}},
};

/* 64 examples of a subject, a model that clips and one that does not, with the same parameters. */
struct setting {
    const struct subject *subject;
    struct ent_model *model;
    struct ent_model *plain;
    size_t n_params;
    uint32_t lengths[ROWS]; /* 1 where there are no sequences */
    size_t first[ROWS + 1]; /* step of each */
    float *x;
    int32_t *tokens;
    float *y;
    size_t n_targets;
};

static size_t targets_of(const struct setting *s, uint32_t i)
{
    return s->n_targets * (ent_model_per_step(s->model) ? s->lengths[i] : 1);
}

static float target(const struct subject *subject, struct ent_rng *rng)
{
    switch (subject->loss.kind) {
    case ENT_MODEL_MSE:
        return (float)ent_rng_normal(rng);
    case ENT_MODEL_SOFTMAX:
        return (float)(uint32_t)(ent_rng_float(rng) * 2.999f);
    default:
        return ent_rng_float(rng) < 0.5f ? 0.0f : 1.0f;
    }
}

static void set_up(struct setting *s, const struct subject *subject)
{
    struct ent_model_options options = {.n_inputs = subject->n_inputs,
                                        .layers = subject->layers,
                                        .n_layers = subject->n_layers,
                                        .batch_max = 1,
                                        .seq_max = subject->seq_max,
                                        .truncate = subject->truncate,
                                        .loss = subject->loss,
                                        .training = true};
    struct ent_rng rng = ent_rng_init(11, 3);
    size_t steps;

    *s = (struct setting){.subject = subject};
    ENT_OK(ent_model_new(&options, &s->plain));
    options.clips = true;
    ENT_OK(ent_model_new(&options, &s->model));
    s->n_params = ent_model_n_params(s->model);
    s->n_targets = ent_model_n_targets(s->model);
    ent_model_init_params(s->model, &rng);
    memcpy(ent_model_params(s->plain), ent_model_params(s->model), s->n_params * sizeof(float));
    for (uint32_t i = 0; i < ROWS; i++) {
        s->lengths[i] =
            subject->seq_max > 0 ? 1 + (uint32_t)(ent_rng_float(&rng) * (STEPS_MAX - 1)) : 1;
        s->first[i + 1] = s->first[i] + s->lengths[i];
    }
    steps = s->first[ROWS];
    ENT_OK(ent_calloc(steps * subject->n_inputs + 1, sizeof *s->x, &s->x));
    ENT_OK(ent_calloc(steps * subject->n_tokens + 1, sizeof *s->tokens, &s->tokens));
    ENT_OK(ent_calloc(steps * s->n_targets, sizeof *s->y, &s->y));
    for (size_t i = 0; i < steps * subject->n_inputs; i++) {
        s->x[i] = (float)ent_rng_normal(&rng);
    }
    for (size_t i = 0; i < steps * subject->n_tokens; i++) {
        s->tokens[i] = (int32_t)(ent_rng_float(&rng) * (VALUES - 0.01f));
    }
    for (size_t i = 0; i < steps * s->n_targets; i++) {
        s->y[i] = target(subject, &rng);
    }
}

static void tear_down(struct setting *s)
{
    ent_model_free(s->model);
    ent_model_free(s->plain);
    free(s->x);
    free(s->tokens);
    free(s->y);
}

/* Where example i's targets begin. */
static const float *y_of(const struct setting *s, uint32_t i)
{
    return s->y + (ent_model_per_step(s->model) ? s->first[i] : i) * s->n_targets;
}

/* The example's own gradient by an ordinary pass over it alone; its norm. */
static double alone(const struct setting *s, uint32_t i)
{
    struct ent_model_piece piece = {.x = s->x + s->first[i] * s->subject->n_inputs,
                                    .tokens = s->tokens + s->first[i] * s->subject->n_tokens,
                                    .lengths = s->subject->seq_max > 0 ? &s->lengths[i] : NULL,
                                    .y = y_of(s, i),
                                    .n = 1,
                                    .n_total = (uint32_t)(targets_of(s, i) / s->n_targets),
                                    .first = true};
    const float *gradient = ent_model_gradient(s->plain);
    double loss;
    double sum = 0.0;

    ent_model_step_piece(s->plain, &piece, NULL, &loss);
    for (size_t j = 0; j < s->n_params; j++) {
        sum += (double)gradient[j] * (double)gradient[j];
    }
    return sqrt(sum);
}

/* The block from example `from` on (all rows, or one sequence). */
static struct ent_model_clip block_of(const struct setting *s, uint32_t from, double bound)
{
    return (struct ent_model_clip){.x = s->x + s->first[from] * s->subject->n_inputs,
                                   .tokens = s->tokens + s->first[from] * s->subject->n_tokens,
                                   .lengths = s->subject->seq_max > 0 ? &s->lengths[from] : NULL,
                                   .y = y_of(s, from),
                                   .bound = bound,
                                   .product_rows = ROWS};
}

/* Norms and the sum of clipped gradients are those that one pass an example gives. */
static void check_brute(const struct subject *subject, double share)
{
    struct setting s;
    double norms[ROWS];
    double brute[ROWS];
    double *sum = NULL;
    double *expected = NULL;
    double bound = 0.0;
    double worst = 0.0;
    double size = 0.0;

    set_up(&s, subject);
    ENT_OK(ent_calloc(s.n_params, sizeof *sum, &sum));
    ENT_OK(ent_calloc(s.n_params, sizeof *expected, &expected));
    for (uint32_t i = 0; i < ROWS; i++) {
        brute[i] = alone(&s, i);
        bound += share * brute[i] / ROWS;
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        double f = brute[i] > bound ? bound / brute[i] : 1.0;

        (void)alone(&s, i);
        for (size_t j = 0; j < s.n_params; j++) {
            expected[j] += f * (double)ent_model_gradient(s.plain)[j];
        }
    }
    for (uint32_t i = 0; i < ROWS; i += ent_model_clip_block(s.model)) {
        struct ent_model_clip clip = block_of(&s, i, bound);

        clip.norms = norms + i;
        clip.sum = sum;
        ent_model_step_clipped(s.model, &clip);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        double off = norms[i] / brute[i] - 1.0;

        CHECK_SAID(off > -2e-6 && off < 2e-4, "%s: norm %u is %.9g, alone %.9g", subject->name, i,
                   norms[i], brute[i]);
    }
    for (size_t j = 0; j < s.n_params; j++) {
        worst = fmax(worst, fabs(sum[j] - expected[j]));
        size = fmax(size, fabs(expected[j]));
    }
    CHECK_SAID(worst < 2e-4 * size, "%s: sum off by %g of %g", subject->name, worst, size);
    free(sum);
    free(expected);
    tear_down(&s);
}

ENT_TEST(clip, norms_and_sums_are_those_of_examples_alone)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(subjects); i++) {
        check_brute(&subjects[i], 0.7); /* some clipped, some not */
        check_brute(&subjects[i], 100.0);
    }
}

/* One live row of the block. */
static void run_one(struct setting *s, uint32_t place, double *norm, double *sum)
{
    bool live[ROWS] = {false};
    double norms[ROWS];
    struct ent_model_clip clip = block_of(s, 0, 0.5);

    live[place] = true;
    clip.live = live;
    clip.norms = norms;
    clip.sum = sum;
    memset(sum, 0, s->n_params * sizeof *sum);
    ent_model_step_clipped(s->model, &clip);
    *norm = norms[place];
}

static void swap_rows(struct setting *s, uint32_t a, uint32_t b)
{
    const struct subject *t = s->subject;

    for (uint32_t j = 0; j < t->n_inputs; j++) {
        float x = s->x[a * t->n_inputs + j];

        s->x[a * t->n_inputs + j] = s->x[b * t->n_inputs + j];
        s->x[b * t->n_inputs + j] = x;
    }
    for (uint32_t j = 0; j < t->n_tokens; j++) {
        int32_t x = s->tokens[a * t->n_tokens + j];

        s->tokens[a * t->n_tokens + j] = s->tokens[b * t->n_tokens + j];
        s->tokens[b * t->n_tokens + j] = x;
    }
    for (size_t j = 0; j < s->n_targets; j++) {
        float y = s->y[a * s->n_targets + j];

        s->y[a * s->n_targets + j] = s->y[b * s->n_targets + j];
        s->y[b * s->n_targets + j] = y;
    }
}

/* The same bits alone (zero rows around it) and in any place among others. */
static void check_places(const struct subject *subject)
{
    static const uint32_t places[] = {0, 1, 5, 6, 17, 31, 40, 62, 63};
    struct setting s;
    double *first = NULL;
    double *other = NULL;
    double norm;
    double again;

    set_up(&s, subject);
    ENT_OK(ent_calloc(s.n_params, sizeof *first, &first));
    ENT_OK(ent_calloc(s.n_params, sizeof *other, &other));
    run_one(&s, 0, &norm, first);
    for (size_t i = 1; i < ENT_ARRAY_LEN(places); i++) {
        swap_rows(&s, places[i - 1], places[i]);
        run_one(&s, places[i], &again, other);
        CHECK_SAID(memcmp(&norm, &again, sizeof norm) == 0, "%s: norm in place %u", subject->name,
                   places[i]);
        CHECK_SAID(memcmp(first, other, s.n_params * sizeof *first) == 0,
                   "%s: gradient in place %u", subject->name, places[i]);
    }
    swap_rows(&s, places[ENT_ARRAY_LEN(places) - 1], 0);
    memset(s.x + subject->n_inputs, 0, (ROWS - 1) * (size_t)subject->n_inputs * sizeof *s.x);
    run_one(&s, 0, &again, other);
    CHECK_SAID(norm == again && memcmp(first, other, s.n_params * sizeof *first) == 0, "%s: alone",
               subject->name);
    free(first);
    free(other);
    tear_down(&s);
}

ENT_TEST(clip, a_row_gives_the_same_bits_in_any_place)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(subjects); i++) {
        if (subjects[i].seq_max == 0) {
            check_places(&subjects[i]);
        }
    }
}

/* NaN and overflow stay with the example that has them. */
ENT_TEST(clip, what_is_not_finite_counts_as_zero)
{
    struct setting s;
    double norms[ROWS];
    double clean[ROWS];
    double *sum = NULL;
    double *without = NULL;
    bool live[ROWS];
    struct ent_model_clip clip;

    set_up(&s, &subjects[1]);
    ENT_OK(ent_calloc(s.n_params, sizeof *sum, &sum));
    ENT_OK(ent_calloc(s.n_params, sizeof *without, &without));
    for (uint32_t i = 0; i < ROWS; i++) {
        live[i] = i != 3 && i != 9 && i != 20;
    }
    clip = block_of(&s, 0, 0.25);
    clip.norms = clean;
    clip.sum = without;
    clip.live = live;
    ent_model_step_clipped(s.model, &clip);
    s.x[3 * 5] = 3e38f; /* overflows on its way */
    s.x[9 * 5 + 1] = 1e21f;
    s.y[20] = (float)NAN;
    clip.norms = norms;
    clip.sum = sum;
    clip.live = NULL;
    ent_model_step_clipped(s.model, &clip);
    for (uint32_t i = 0; i < ROWS; i++) {
        CU_ASSERT(live[i] ? norms[i] == clean[i] : !isfinite(norms[i]));
    }
    CU_ASSERT(memcmp(sum, without, s.n_params * sizeof *sum) == 0);
    /* Parameters that have run away: nothing is left of anybody, and nothing breaks. */
    for (size_t j = 0; j < s.n_params; j++) {
        ent_model_params(s.model)[j] = 3e38f;
    }
    memset(sum, 0, s.n_params * sizeof *sum);
    ent_model_step_clipped(s.model, &clip);
    for (size_t j = 0; j < s.n_params; j++) {
        CU_ASSERT(isfinite(sum[j]));
    }
    free(sum);
    free(without);
    tear_down(&s);
}

static const char *refused(uint32_t ensemble, const struct ent_model_layer *layers, uint32_t n)
{
    struct ent_model_options options = {.n_inputs = 3,
                                        .layers = layers,
                                        .n_layers = n,
                                        .batch_max = 1,
                                        .training = true,
                                        .clips = true,
                                        .ensemble = ensemble};
    struct ent_model *model = NULL;
    const char *name = NULL;

    if (ent_model_can_clip(&options, &name)) {
        return NULL;
    }
    CU_ASSERT_EQUAL(ent_model_new(&options, &model), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), name));
    return name;
}

ENT_TEST(clip, layers_without_a_rule_are_refused_by_name)
{
    static const struct ent_model_layer drops[] = {
        DENSE(4), {.kind = ENT_MODEL_DROPOUT, .rate = 0.5f}, DENSE(1)};

    CU_ASSERT_STRING_EQUAL(refused(4, LAYERS(mlp)), "a batch ensemble");
    CU_ASSERT_STRING_EQUAL(refused(0, LAYERS(drops)), "dropout");
    CU_ASSERT_PTR_NULL(refused(0, LAYERS(mlp)));
}
