#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/privacy/clip.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_train/dp_setting.h"

#define SEQS 60
#define STEPS_MAX 30

/* Customers whose rows are sequences: steps of two floats and a token. */
struct sequences {
    uint32_t lengths[SEQS];
    float x[SEQS][STEPS_MAX * 2];
    int32_t tokens[SEQS][STEPS_MAX];
    float y[SEQS];
};

static uint32_t seq_steps(void *ctx, uint32_t row)
{
    return ((const struct sequences *)ctx)->lengths[row];
}

static void seq_fill(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out)
{
    const struct sequences *q = ctx;
    size_t at = 0;

    for (uint32_t i = 0; i < n; i++) {
        memcpy(out->x + at * 2, q->x[rows[i]], q->lengths[rows[i]] * 2 * sizeof(float));
        memcpy(out->tokens + at, q->tokens[rows[i]], q->lengths[rows[i]] * sizeof(int32_t));
        out->y[i] = q->y[rows[i]];
        at += q->lengths[rows[i]];
    }
}

/* cancels: what one step adds to the gradient, the next one takes away. */
static void fill_sequences(struct sequences *q, bool cancels)
{
    struct ent_rng rng = ent_rng_init(31, 0);

    for (uint32_t i = 0; i < SEQS; i++) {
        q->lengths[i] = cancels ? STEPS_MAX : 1 + (i * 7) % STEPS_MAX;
        q->y[i] = (float)(i % 2);
        for (uint32_t t = 0; t < STEPS_MAX; t++) {
            q->tokens[i][t] = (int32_t)(i + t) % 5;
            for (uint32_t j = 0; j < 2; j++) {
                q->x[i][t * 2 + j] =
                    cancels ? (t % 2 == 0 ? 3e4f : -3e4f) : 5.0f * (float)ent_rng_normal(&rng);
            }
        }
    }
}

static void set_up_sequences(struct dp_setting *s, struct sequences *q,
                             const struct ent_model_layer *layers, uint32_t n)
{
    struct ent_model_options options = {.n_inputs = 2,
                                        .layers = layers,
                                        .n_layers = n,
                                        .batch_max = 8,
                                        .seq_max = STEPS_MAX,
                                        .training = true,
                                        .clips = true};
    struct ent_rng rng = ent_rng_init(9, 9);

    dp_set_up(s, NULL, 0, SEQS);
    ent_model_free(s->model);
    s->model = NULL;
    ENT_OK(ent_model_new(&options, &s->model));
    ent_model_init_params(s->model, &rng);
    s->settings.dim = ent_model_n_params(s->model);
    s->rows = (struct ent_rows){.ctx = q, .n = SEQS, .fill = seq_fill, .steps = seq_steps};
}

ENT_TEST(dp, one_sequence_moves_the_rounded_sum_by_at_most_d2)
{
    static const struct ent_model_layer kinds[][4] = {
        {{.kind = ENT_MODEL_EMBEDDING, .units = 3, .values = 5},
         {.kind = ENT_MODEL_RNN, .units = 6},
         {.kind = ENT_MODEL_LAST},
         {.kind = ENT_MODEL_DENSE, .units = 1}},
        {{.kind = ENT_MODEL_EMBEDDING, .units = 3, .values = 5},
         {.kind = ENT_MODEL_GRU, .units = 6},
         {.kind = ENT_MODEL_MEAN_POOL},
         {.kind = ENT_MODEL_DENSE, .units = 1}},
        {{.kind = ENT_MODEL_EMBEDDING, .units = 3, .values = 5},
         {.kind = ENT_MODEL_LSTM, .units = 6},
         {.kind = ENT_MODEL_MAX_POOL},
         {.kind = ENT_MODEL_DENSE, .units = 1}},
        {{.kind = ENT_MODEL_EMBEDDING, .units = 3, .values = 5},
         {.kind = ENT_MODEL_DENSE, .units = 6},
         {.kind = ENT_MODEL_MEAN_POOL},
         {.kind = ENT_MODEL_DENSE, .units = 1}}};
    static struct dp_setting s;
    static struct sequences q;
    uint64_t d2;

    for (size_t i = 0; i < 2 * ENT_ARRAY_LEN(kinds); i++) {
        fill_sequences(&q, i % 2 == 1);
        set_up_sequences(&s, &q, kinds[i / 2], 4);
        s.settings.clip = 0.05;
        s.settings.scale_bits = 18;
        ENT_OK(ent_clip_record_sensitivity(0.05, 18, s.settings.dim, &d2));
        CU_ASSERT(dp_most_moved(&s, SEQS) <= (double)d2);
        CU_ASSERT(i % 2 == 1 || dp_most_moved(&s, SEQS) > 0.5 * (double)d2);
        dp_tear_down(&s);
    }
}

ENT_TEST(dp, sequences_train_and_broken_ones_count_as_zero)
{
    static const struct ent_model_layer gru[] = {
        {.kind = ENT_MODEL_EMBEDDING, .units = 3, .values = 5},
        {.kind = ENT_MODEL_GRU, .units = 6},
        {.kind = ENT_MODEL_LAST},
        {.kind = ENT_MODEL_DENSE, .units = 1}};
    static struct dp_setting s;
    static struct sequences q;

    fill_sequences(&q, false);
    q.x[10][q.lengths[10] * 2 - 1] = (float)NAN; /* its last step */
    q.x[11][0] = 3e38f;
    q.y[12] = (float)INFINITY;
    set_up_sequences(&s, &q, gru, ENT_ARRAY_LEN(gru));
    s.settings.steps = 3;
    s.options.hyper.rate = 0.01;
    dp_inject(&s, 3);
    dp_train(&s);
    CU_ASSERT_EQUAL(s.log.units, 3 * SEQS);
    CU_ASSERT_EQUAL(s.log.nonfinite, 3 * 3);
    dp_tear_down(&s);
}
