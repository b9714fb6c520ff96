#include "tests/unit/client_train/dp_setting.h"

#include <math.h>
#include <string.h>

#include "tests/support/ent_test.h"

static const struct ent_model_layer one[] = {{.kind = ENT_MODEL_DENSE, .units = 1}};

void dp_set_up(struct dp_setting *s, const struct ent_model_layer *layers, uint32_t n_layers,
               uint32_t n_rows)
{
    struct ent_rng rng = ent_rng_init(77, 0);
    struct ent_model_options options = {.n_inputs = DP_INPUTS,
                                        .layers = layers != NULL ? layers : one,
                                        .n_layers = layers != NULL ? n_layers : 1,
                                        .batch_max = 1,
                                        .training = true,
                                        .clips = true};

    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < (size_t)n_rows * DP_INPUTS; i++) {
        s->x[i] = (float)ent_rng_normal(&rng);
    }
    for (size_t i = 0; i < n_rows; i++) {
        const float *x = s->x + i * DP_INPUTS;

        s->y[i] = x[0] - 0.5f * x[1] + 0.3f * (float)ent_rng_normal(&rng) > 0.0f ? 1.0f : 0.0f;
    }
    s->matrix = (struct ent_rows_matrix){.x = s->x, .y = s->y, .n_inputs = DP_INPUTS};
    s->rows = ent_rows_of_matrix(&s->matrix, n_rows);
    ENT_OK(ent_model_new(&options, &s->model));
    ENT_OK(ent_dp_units_init(NULL, NULL, n_rows, &s->units));
    s->options = (struct ent_train_options){.optim = ent_optim_find("sgd"), .hyper = {.rate = 1.0}};
    s->settings = (struct ent_dp_settings){.clip = 1.0,
                                           .rate = (uint64_t)1 << 32,
                                           .steps = 1,
                                           .batch = 64,
                                           .scale_bits = 12,
                                           .sigma2 = (uint64_t)4096 * 4096,
                                           .dim = ent_model_n_params(s->model)};
}

void dp_tear_down(struct dp_setting *s)
{
    ent_test_hooks_set(NULL);
    ent_dp_units_release(&s->units);
    ent_model_free(s->model);
}

static bool give(void *ctx, void *out, size_t len)
{
    struct dp_setting *s = ctx;
    uint8_t *to = out;

    for (size_t i = 0; i < len; i += sizeof(uint32_t)) {
        uint32_t word = ent_rng_u32(&s->stream);

        memcpy(to + i, &word, len - i < sizeof word ? len - i : sizeof word);
    }
    return true;
}

static bool plants(void *ctx, const char *bug)
{
    const struct dp_setting *s = ctx;

    return s->planted != NULL && strcmp(s->planted, bug) == 0;
}

void dp_inject(struct dp_setting *s, uint64_t seed)
{
    s->stream = ent_rng_init(seed, 1);
    s->hooks = (struct ent_test_hooks){.random = give, .planted = plants, .ctx = s};
    ent_test_hooks_set(&s->hooks);
}

void dp_peek(const struct dp_setting *s, void *out, size_t len)
{
    struct dp_setting ahead = {.stream = s->stream};

    (void)give(&ahead, out, len);
}

void dp_restart(struct dp_setting *s)
{
    memset(ent_model_params(s->model), 0, s->settings.dim * sizeof(float));
}

void dp_train(struct dp_setting *s)
{
    ENT_OK(ent_dp_train(s->model, &s->rows, &s->units, &s->options, &s->settings, &s->log));
}

void dp_grid_sum(struct ent_dp_sum *sum, const struct dp_setting *s, const uint32_t *batch,
                 uint32_t n, int64_t *q)
{
    struct ent_dp_log log = {0};

    ENT_OK(ent_dp_sum_add_up(sum, &s->rows, batch, n, &log));
    for (size_t i = 0; i < s->settings.dim; i++) {
        q[i] = ent_dp_sum_grid(sum, i, &log);
    }
}

double dp_distance(const int64_t *a, const int64_t *b, size_t n)
{
    double square = 0.0;

    for (size_t i = 0; i < n; i++) {
        square += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    }
    return sqrt(square);
}

double dp_most_moved(struct dp_setting *s, uint32_t n)
{
    static const uint32_t tried = 24;
    struct ent_dp_sum sum;
    int64_t with[DP_DIM_MAX] = {0};
    int64_t without[DP_DIM_MAX] = {0};
    uint32_t batch[DP_ROWS];
    uint32_t fewer[DP_ROWS];
    double most = 0.0;

    ENT_OK(ent_dp_sum_init(&sum, s->model, &s->settings));
    for (uint32_t i = 0; i < n; i++) {
        batch[i] = i;
    }
    dp_grid_sum(&sum, s, batch, n, with);
    for (uint32_t t = 0; t < tried; t++) {
        uint32_t gone =
            (uint32_t)((uint64_t)t * (n - 1) / (tried - 1)); /* the first and the last too */

        memcpy(fewer, batch, gone * sizeof *batch);
        memcpy(fewer + gone, batch + gone + 1, (n - 1 - gone) * sizeof *batch);
        dp_grid_sum(&sum, s, fewer, n - 1, without);
        most = fmax(most, dp_distance(with, without, s->settings.dim));
    }
    ent_dp_sum_release(&sum);
    return most;
}
