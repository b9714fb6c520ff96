#include <math.h>
#include <stdlib.h>

#include "client/task/payload.h"
#include "common/base/mem.h"

#define LOSS_UNIT ((double)((int64_t)1 << ENT_LOSS_UNIT_BITS))
#define LOSS_MAX_NATS 64.0
#define STEP_BELOW_ONE 0x1p-24
#define HEAD 4U /* rows, positives, loss, overflowed losses */
#define BLOCK ENT_MODEL_BLOCK

void ent_histogram_add(struct ent_histogram *histogram, const float *prob, const float *y,
                       uint32_t n)
{
    int64_t *v = histogram->v;

    for (uint32_t i = 0; i < n; i++) {
        bool positive = y[i] > 0.5F;
        double p = positive ? (double)prob[i] : 1.0 - (double)prob[i];
        double loss;

        if (!(prob[i] >= 0.0F && prob[i] <= 1.0F)) {
            histogram->nonfinite = true;
            return;
        }
        /* Next to 1 a float32 has steps of 2^-24: 1 - prob is 0 where it means "below that". */
        loss = -log(!positive && p < STEP_BELOW_ONE ? STEP_BELOW_ONE : p);
        if (loss > LOSS_MAX_NATS) {
            loss = LOSS_MAX_NATS;
            v[3]++;
        }
        v[0]++;
        v[1] += positive ? 1 : 0;
        v[2] += (int64_t)floor(loss * LOSS_UNIT + 0.5);
        v[HEAD + (positive ? (uint32_t)ENT_EVAL_CELLS : 0U) + ent_task_eval_cell(prob[i])]++;
    }
}

/* Blocks of our own instead of ent_train_predict, to ask between them whether to go on. */
static enum ent_err predict_rows(const struct ent_fill_evaluate *what, struct ent_histogram *h,
                                 float *work)
{
    uint32_t n_inputs = ent_model_n_inputs(what->model);
    float *y = work + (size_t)BLOCK * n_inputs;
    float *prob = y + BLOCK;
    uint32_t rows[BLOCK];

    for (uint32_t at = 0; at < what->rows->n; at += BLOCK) {
        uint32_t n = what->rows->n - at < BLOCK ? what->rows->n - at : BLOCK;

        if (what->keep_going != NULL && !what->keep_going(what->ctx)) {
            return ent_err_note(ENT_E_STOPPED, "the evaluation was stopped");
        }
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = at + i;
        }
        what->rows->gather(what->rows->ctx, rows, n, work, y);
        ent_model_predict(what->model, work, n, prob);
        ent_histogram_add(h, prob, y, n);
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
    float *work = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(dim, sizeof *h.v, &h.v));
    err = ent_calloc_aligned((size_t)BLOCK * (ent_model_n_inputs(what->model) + 2), sizeof *work,
                             &work);
    if (err == ENT_E_OK) {
        err = predict_rows(what, &h, work);
    }
    if (err == ENT_E_OK) {
        err = ent_payload_new(ENT_TASK_EVALUATE, dim, fill->salt, &payload);
    }
    if (err == ENT_E_OK) {
        ent_payload_put64(&payload, h.v);
        *out = payload;
    }
    free(work);
    free(h.v);
    return err;
}
