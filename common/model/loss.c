#include "common/model/loss.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/math/vec.h"

/* Factors of at most 2 whose product is still far from overflow: one logarithm for 512 rows. */
#define ROWS_A_LOG 512

double ent_loss_bce(const float *logit, const float *y, float scale, float *work, float *dlogit,
                    size_t n)
{
    double sum = 0.0;
    double product = 1.0;

    for (size_t i = 0; i < n; i++) {
        work[i] = -fabsf(logit[i]);
    }
    ent_vec_exp(work, work, n);
    for (size_t i = 0; i < n; i++) {
        double z = (double)logit[i];
        double e = (double)work[i];
        double p = (z >= 0.0 ? 1.0 : e) / (1.0 + e); /* sigmoid(z) without cancellation */

        product *= 1.0 + e;
        sum += (z > 0.0 ? z : 0.0) - z * (double)y[i];
        dlogit[i] = scale * (float)(p - (double)y[i]);
        if (i % ROWS_A_LOG == ROWS_A_LOG - 1) {
            sum += log(product);
            product = 1.0;
        }
    }
    return sum + log(product);
}

/* With weights each row has its own factor, so each has its own logarithm. */
static double bce_weighted(const struct ent_loss_block *b)
{
    double sum = 0.0;

    for (size_t i = 0; i < b->n; i++) {
        double y = (double)b->y[i];
        double w = (double)b->weights[0] * (1.0 - y) + (double)b->weights[1] * y;
        double loss = ent_loss_bce(b->out + i, b->y + i, b->scale, b->work + i, b->d + i, 1);

        sum += w * loss;
        b->d[i] = (float)(w * (double)b->d[i]);
    }
    return sum;
}

static double bce(const struct ent_loss_block *b)
{
    return b->weights != NULL ? bce_weighted(b)
                              : ent_loss_bce(b->out, b->y, b->scale, b->work, b->d, b->n);
}

static void bce_predict(float *out, size_t n, size_t n_outputs)
{
    ent_vec_sigmoid(out, out, n * n_outputs);
}

static float row_max(const float *row, size_t n)
{
    float max = row[0];

    for (size_t j = 1; j < n; j++) {
        max = row[j] > max ? row[j] : max;
    }
    return max;
}

/* out = e^(z - max z) of each row. */
static void exp_rows(const float *z, float *out, size_t n, size_t n_outputs)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = z + i * n_outputs;
        float max = row_max(row, n_outputs);

        for (size_t j = 0; j < n_outputs; j++) {
            out[i * n_outputs + j] = row[j] - max;
        }
    }
    ent_vec_exp(out, out, n * n_outputs);
}

static double row_sum(const float *row, size_t n)
{
    double sum = 0.0;

    for (size_t j = 0; j < n; j++) {
        sum += (double)row[j];
    }
    return sum;
}

/* loss(z, c) = log sum_j e^(z_j) - z_c = log sum_j e^(z_j - z_c); derivative softmax(z) - [j = c]. */
static double softmax(const struct ent_loss_block *b)
{
    double sum = 0.0;

    exp_rows(b->out, b->work, b->n, b->n_outputs);
    for (size_t i = 0; i < b->n; i++) {
        const float *z = b->out + i * b->n_outputs;
        const float *e = b->work + i * b->n_outputs;
        float *d = b->d + i * b->n_outputs;
        double total = row_sum(e, b->n_outputs); /* NaN when an output is, or infinite */
        float scale = b->scale;
        float factor;
        size_t class;

        if (!(b->y[i] >= 0.0f)) { /* no target here */
            memset(d, 0, b->n_outputs * sizeof *d);
            continue;
        }
        class = (size_t)b->y[i];
        ENT_BUG_ON(class >= b->n_outputs);
        scale *= b->weights != NULL ? b->weights[class] : 1.0f;
        factor = (float)((double)scale / total);
        for (size_t j = 0; j < b->n_outputs; j++) {
            d[j] = factor * e[j];
        }
        d[class] -= scale;
        /* e of the class may have become 0: its own difference to the largest is exact. */
        sum += (double)(b->weights != NULL ? b->weights[class] : 1.0f) *
               (log(total) + (double)row_max(z, b->n_outputs) - (double)z[class]);
    }
    return sum;
}

static void softmax_predict(float *out, size_t n, size_t n_outputs)
{
    exp_rows(out, out, n, n_outputs);
    for (size_t i = 0; i < n; i++) {
        float *row = out + i * n_outputs;
        float factor = (float)(1.0 / row_sum(row, n_outputs));

        for (size_t j = 0; j < n_outputs; j++) {
            row[j] *= factor;
        }
    }
}

/* loss = mean over outputs of (z - y)^2; derivative 2 (z - y) / n_outputs. */
static double mse(const struct ent_loss_block *b)
{
    double sum = 0.0;
    float scale = 2.0f * b->scale / (float)b->n_outputs;

    for (size_t i = 0; i < b->n * b->n_outputs; i++) {
        double e = (double)b->out[i] - (double)b->y[i];

        sum += e * e;
        b->d[i] = scale * (float)e;
    }
    return sum / (double)b->n_outputs;
}

static void mse_predict(float *out, size_t n, size_t n_outputs)
{
    (void)out;
    (void)n;
    (void)n_outputs;
}

static const struct ent_loss losses[ENT_MODEL_LOSS_KINDS] = {
    [ENT_MODEL_BCE] = {.name = "bce", .block = bce, .predict = bce_predict},
    [ENT_MODEL_SOFTMAX] = {.name = "softmax", .block = softmax, .predict = softmax_predict},
    [ENT_MODEL_MSE] = {.name = "mse", .block = mse, .predict = mse_predict},
};

const struct ent_loss *ent_loss_of(enum ent_model_loss_kind kind)
{
    return (size_t)kind < ENT_ARRAY_LEN(losses) ? &losses[kind] : NULL;
}

const char *ent_model_loss_name(enum ent_model_loss_kind kind)
{
    const struct ent_loss *loss = ent_loss_of(kind);

    return loss != NULL ? loss->name : "unknown";
}

enum ent_model_loss_kind ent_model_loss_find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(losses); i++) {
        if (strcmp(losses[i].name, name) == 0) {
            return (enum ent_model_loss_kind)i;
        }
    }
    return ENT_MODEL_LOSS_KINDS;
}
