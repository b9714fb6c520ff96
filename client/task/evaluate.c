#include <math.h>
#include <stdlib.h>

#include "client/task/payload.h"
#include "common/base/mem.h"

#define UNIT ((double)((int64_t)1 << ENT_LOSS_UNIT_BITS))
#define STEP_BELOW_ONE 0x1p-24
#define BLOCK ENT_MODEL_BLOCK
#define STRETCH (16 * BLOCK) /* rows or sequences between two questions whether to go on */

static int64_t unit(double x)
{
    return (int64_t)floor(x * UNIT + 0.5);
}

static void add_binary(struct ent_histogram *histogram, const float *prob, const float *y,
                       uint32_t n)
{
    int64_t *v = histogram->v;

    for (uint32_t i = 0; i < n; i++) {
        bool positive = y[i] > 0.5F;
        double score = (double)prob[i];
        double p = positive ? score : 1.0 - score;
        double loss;

        if (!(prob[i] >= 0.0F && prob[i] <= 1.0F)) {
            histogram->nonfinite = true;
            return;
        }
        /* Next to 1 a float32 has steps of 2^-24: 1 - prob is 0 where it means "below that". */
        loss = -log(!positive && p < STEP_BELOW_ONE ? STEP_BELOW_ONE : p);
        if (loss > ENT_LOSS_MAX_NATS) {
            loss = ENT_LOSS_MAX_NATS;
            v[ENT_EVAL_OVERFLOWED]++;
        }
        v[ENT_EVAL_ROWS]++;
        v[ENT_EVAL_POSITIVES] += positive ? 1 : 0;
        v[ENT_EVAL_LOSS] += unit(loss);
        v[ENT_EVAL_BRIER] += unit((1.0 - p) * (1.0 - p));
        v[ENT_EVAL_PREDICTED] += unit(score);
        v[ENT_EVAL_CELLS_AT + (positive ? (uint32_t)ENT_EVAL_CELLS : 0U) +
          ent_task_eval_cell(prob[i])]++;
    }
}

/* ---- classes ---- */

/* 1 and how many classes come before the true one. */
static uint32_t rank_of(const float *prob, uint32_t n, uint32_t truth)
{
    float own = prob[truth];
    uint32_t rank = 1;

    for (uint32_t k = 0; k < truth; k++) {
        rank += prob[k] >= own ? 1 : 0;
    }
    for (uint32_t k = truth + 1; k < n; k++) {
        rank += prob[k] > own ? 1 : 0;
    }
    return rank;
}

static uint32_t most_probable(const float *prob, uint32_t n)
{
    uint32_t best = 0;

    for (uint32_t k = 1; k < n; k++) {
        best = prob[k] > prob[best] ? k : best;
    }
    return best;
}

static bool all_probable(const float *prob, uint32_t n)
{
    bool ok = true;

    for (uint32_t k = 0; k < n; k++) {
        ok = ok && prob[k] >= 0.0F && prob[k] <= 1.0F;
    }
    return ok;
}

static void add_detail(int64_t *v, const float *prob, uint32_t n, uint32_t truth)
{
    int64_t *table = v + ENT_CLASSES_DETAIL_AT;
    int64_t *cells = table + (size_t)n * n;

    table[(size_t)truth * n + most_probable(prob, n)]++;
    for (uint32_t k = 0; k < n; k++) {
        cells[((size_t)k * 2 + (k == truth ? 1 : 0)) * ENT_EVAL_CELLS +
              ent_task_eval_cell(prob[k])]++;
    }
}

static void add_class(int64_t *v, const float *prob, uint32_t n, uint32_t truth)
{
    double p = (double)prob[truth];
    double loss = p > 0.0 ? -log(p) : (double)ENT_LOSS_MAX_NATS + 1.0;
    uint32_t rank = rank_of(prob, n, truth);

    if (loss > ENT_LOSS_MAX_NATS) {
        loss = ENT_LOSS_MAX_NATS;
        v[ENT_CLASSES_OVERFLOWED]++;
    }
    v[ENT_CLASSES_ROWS]++;
    v[ENT_CLASSES_LOSS] += unit(loss);
    v[ENT_CLASSES_HIT1] += rank == 1 ? 1 : 0;
    v[ENT_CLASSES_HIT5] += rank <= 5 ? 1 : 0;
    v[ENT_CLASSES_HIT10] += rank <= 10 ? 1 : 0;
    v[ENT_CLASSES_RECIPROCAL] += unit(1.0 / (double)rank);
    if (n <= ENT_CLASSES_DETAIL) {
        add_detail(v, prob, n, truth);
    }
}

static void add_classes(struct ent_histogram *histogram, const float *prob, const float *y,
                        uint32_t n)
{
    uint32_t n_classes = histogram->sizes.n_classes;

    for (uint32_t i = 0; i < n && !histogram->nonfinite; i++, prob += n_classes) {
        if (!all_probable(prob, n_classes)) {
            histogram->nonfinite = true;
        } else if (y[i] < 0.0F) {
            histogram->v[ENT_CLASSES_UNKNOWN]++;
        } else {
            add_class(histogram->v, prob, n_classes, (uint32_t)y[i]);
        }
    }
}

/* ---- numbers ---- */

static void add_numbers(struct ent_histogram *histogram, const float *out, const float *y,
                        uint32_t n)
{
    int64_t *v = histogram->v;

    for (uint32_t i = 0; i < n; i++) {
        double error = (double)out[i] - (double)y[i];
        double place = 0.5 * ((double)y[i] + 1.0);
        double loss = error * error;

        if (!isfinite(out[i])) {
            histogram->nonfinite = true;
            return;
        }
        if (loss > ENT_LOSS_MAX_NATS) {
            loss = ENT_LOSS_MAX_NATS;
            v[ENT_NUMBER_OVERFLOWED]++;
        }
        v[ENT_NUMBER_ROWS]++;
        v[ENT_NUMBER_LOSS] += unit(loss);
        v[ENT_NUMBER_PLACES] += unit(place);
        v[ENT_NUMBER_SQUARES] += unit(place * place);
    }
}

void ent_histogram_add(struct ent_histogram *histogram, const float *prob, const float *y,
                       uint32_t n)
{
    switch (histogram->sizes.outputs) {
    case ENT_OUTPUTS_CLASSES:
        add_classes(histogram, prob, y, n);
        break;
    case ENT_OUTPUTS_NUMBER:
        add_numbers(histogram, prob, y, n);
        break;
    default:
        add_binary(histogram, prob, y, n);
        break;
    }
}

/* ---- rows, a stretch at a time ---- */

struct stretch {
    const struct ent_rows *rows;
    uint32_t first;
    uint32_t at[BLOCK];
};

static const uint32_t *shifted(struct stretch *s, const uint32_t *rows, uint32_t n)
{
    ENT_BUG_ON(n > BLOCK);
    for (uint32_t i = 0; i < n; i++) {
        s->at[i] = s->first + rows[i];
    }
    return s->at;
}

static void gather_rows(void *ctx, const uint32_t *rows, uint32_t n, float *x, float *y)
{
    struct stretch *s = ctx;

    s->rows->gather(s->rows->ctx, shifted(s, rows, n), n, x, y);
}

static void fill_rows(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out)
{
    struct stretch *s = ctx;

    s->rows->fill(s->rows->ctx, shifted(s, rows, n), n, out);
}

static uint32_t steps_of(void *ctx, uint32_t row)
{
    struct stretch *s = ctx;

    return s->rows->steps(s->rows->ctx, s->first + row);
}

static void take(void *ctx, const float *prob, const float *y, uint32_t n)
{
    ent_histogram_add(ctx, prob, y, n);
}

static enum ent_err predict_rows(const struct ent_fill_evaluate *what, struct ent_histogram *h)
{
    const struct ent_rows *all = what->rows;
    struct stretch s = {.rows = all};
    struct ent_rows part = {.ctx = &s,
                            .gather = all->gather != NULL ? gather_rows : NULL,
                            .fill = all->fill != NULL ? fill_rows : NULL,
                            .steps = all->steps != NULL ? steps_of : NULL};

    for (; s.first < all->n; s.first += part.n) {
        part.n = all->n - s.first < STRETCH ? all->n - s.first : STRETCH;
        if (what->keep_going != NULL && !what->keep_going(what->ctx)) {
            return ent_err_note(ENT_E_STOPPED, "the evaluation was stopped");
        }
        ENT_TRY(ent_train_predict(what->model, &part, take, h));
    }
    ENT_REQUIRE(!h->nonfinite, ENT_E_NONFINITE,
                "the model gives a prediction that is no number; it cannot be evaluated");
    return ENT_E_OK;
}

enum ent_err ent_fill_evaluate(const struct ent_fill *fill, const struct ent_fill_evaluate *what,
                               struct ent_payload *out)
{
    struct ent_payload payload = {0};
    struct ent_histogram h = {.sizes = ent_plan_task_sizes(fill->plan)};
    size_t dim;
    enum ent_err err;

    ENT_BUG_ON(ent_model_n_outputs(what->model) !=
               (h.sizes.outputs == ENT_OUTPUTS_CLASSES ? h.sizes.n_classes : 1));
    ENT_TRY(ent_task_evaluate_dim_of(&h.sizes, &dim));
    ENT_TRY(ent_calloc(dim, sizeof *h.v, &h.v));
    err = predict_rows(what, &h);
    if (err == ENT_E_OK) {
        err = ent_payload_new(ENT_TASK_EVALUATE, dim, fill->salt, &payload);
    }
    if (err == ENT_E_OK) {
        ent_payload_put64(&payload, h.v);
        *out = payload;
    }
    free(h.v);
    return err;
}
