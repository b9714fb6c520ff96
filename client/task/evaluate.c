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

void ent_histogram_add(struct ent_histogram *histogram, const float *prob, const float *y,
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
    size_t dim = ent_task_evaluate_dim();
    struct ent_payload payload = {0};
    struct ent_histogram h = {0};
    enum ent_err err;

    ENT_REQUIRE(ent_model_n_outputs(what->model) == 1, ENT_E_CONFIG,
                "only models with one output can be evaluated; this one has %u",
                ent_model_n_outputs(what->model));
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
