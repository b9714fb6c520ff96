#include "client/agent/importance.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/model/metrics.h"

struct measuring {
    const struct ent_importance_input *in;
    float *plain;   /* [n_answers][n_outputs] undisturbed */
    float *changed; /* the same, with a column disturbed */
    uint32_t *from; /* [n_values] */
    bool ranked;    /* bce, both labels are there */
    struct ent_importances out;
};

/* ---- figures of answers ---- */

static double loss_of(const struct ent_importance_input *in, const float *answer, float y)
{
    double p;

    if (in->kind == ENT_MODEL_MSE) {
        p = (double)answer[0] - (double)y;
        return p * p;
    }
    if (in->kind == ENT_MODEL_BCE) {
        p = y > 0.5F ? (double)answer[0] : 1.0 - (double)answer[0];
    } else {
        p = (double)answer[(uint32_t)y];
    }
    p = p < ENT_METRICS_PROB_MIN ? ENT_METRICS_PROB_MIN : p;
    return -log(p);
}

static double mean_loss(const struct measuring *m, const float *answers)
{
    double sum = 0.0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->in->n_answers; i++) {
        if (m->in->kind != ENT_MODEL_SOFTMAX || m->in->y[i] >= 0.0F) {
            sum += loss_of(m->in, answers + (size_t)i * m->in->n_outputs, m->in->y[i]);
            n++;
        }
    }
    return sum / (double)(n > 0 ? n : 1);
}

static enum ent_err auc_of(const struct measuring *m, const float *answers, double *out)
{
    *out = (double)NAN;
    return m->ranked ? ent_metrics_auc(answers, m->in->y, m->in->n_answers, out) : ENT_E_OK;
}

static double distance(const struct measuring *m)
{
    size_t n = (size_t)m->in->n_answers * m->in->n_outputs;
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)m->changed[i] - (double)m->plain[i]);
    }
    return sum / (double)m->in->n_answers / (m->in->kind == ENT_MODEL_SOFTMAX ? 2.0 : 1.0);
}

static double shift(const struct measuring *m)
{
    double sum = 0.0;

    if (m->in->n_outputs != 1) {
        return (double)NAN;
    }
    for (uint32_t i = 0; i < m->in->n_answers; i++) {
        sum += (double)m->changed[i] - (double)m->plain[i];
    }
    return sum / (double)m->in->n_answers;
}

/* ---- columns ---- */

/* A stream for each exchange of each column: none of them depends on how many others there are. */
static void draw_order(struct measuring *m, uint32_t column, uint32_t repeat)
{
    struct ent_rng rng =
        ent_rng_init(m->in->seed, (uint64_t)column * ENT_IMPORTANCE_REPEATS_MAX + repeat);

    for (uint32_t i = 0; i < m->in->n_values; i++) {
        m->from[i] = i;
    }
    ent_rng_shuffle(&rng, m->from, m->in->n_values);
}

static enum ent_err exchange(struct measuring *m, uint32_t column, struct ent_importance *out)
{
    uint32_t n = m->in->repeats;
    double sum = 0.0;
    double squares = 0.0;
    double auc_sum = 0.0;

    for (uint32_t r = 0; r < n; r++) {
        double rise;
        double auc;

        draw_order(m, column, r);
        ENT_TRY(m->in->answer(m->in->ctx, column, m->from, m->changed));
        ENT_TRY(auc_of(m, m->changed, &auc));
        rise = mean_loss(m, m->changed) - m->out.loss;
        sum += rise;
        squares += rise * rise;
        auc_sum += auc;
    }
    out->importance = sum / n;
    out->auc = auc_sum / n;
    out->shift = (double)NAN;
    squares = squares / n - out->importance * out->importance;
    out->deviation = n > 1 && squares > 0.0 ? sqrt(squares * n / (n - 1)) : 0.0;
    return ENT_E_OK;
}

static enum ent_err level(struct measuring *m, uint32_t column, struct ent_importance *out)
{
    ENT_TRY(m->in->answer(m->in->ctx, column, NULL, m->changed));
    out->importance = distance(m);
    out->shift = shift(m);
    out->deviation = 0.0;
    out->auc = (double)NAN;
    return ENT_E_OK;
}

static int by_importance(const void *pa, const void *pb)
{
    const struct ent_importance *a = pa;
    const struct ent_importance *b = pb;

    if (a->importance > b->importance || a->importance < b->importance) {
        return a->importance > b->importance ? -1 : 1;
    }
    return a->column < b->column ? -1 : a->column > b->column;
}

static bool has_both(const struct ent_importance_input *in)
{
    uint32_t positive = 0;

    for (uint32_t i = 0; i < in->n_answers; i++) {
        positive += in->y[i] > 0.5F ? 1 : 0;
    }
    return positive > 0 && positive < in->n_answers;
}

static enum ent_err measure(struct measuring *m)
{
    const struct ent_importance_input *in = m->in;
    size_t n;

    ENT_TRY(ent_size_mul(in->n_answers, in->n_outputs, &n));
    ENT_TRY(ent_calloc(n, sizeof *m->plain, &m->plain));
    ENT_TRY(ent_calloc(n, sizeof *m->changed, &m->changed));
    ENT_TRY(ent_calloc(in->n_values, sizeof *m->from, &m->from));
    ENT_TRY(ent_calloc(in->n_columns, sizeof *m->out.columns, &m->out.columns));
    m->out.n = in->n_columns;
    m->out.exchanged = in->y != NULL;
    m->out.loss = (double)NAN;
    m->ranked = in->y != NULL && in->kind == ENT_MODEL_BCE && has_both(in);
    ENT_TRY(in->answer(in->ctx, in->n_columns, NULL, m->plain));
    if (in->y != NULL) {
        m->out.loss = mean_loss(m, m->plain);
    }
    ENT_TRY(auc_of(m, m->plain, &m->out.auc));
    for (uint32_t c = 0; c < in->n_columns; c++) {
        struct ent_importance *one = &m->out.columns[c];

        one->column = c;
        ENT_TRY(in->y != NULL ? exchange(m, c, one) : level(m, c, one));
    }
    qsort(m->out.columns, m->out.n, sizeof *m->out.columns, by_importance);
    return ENT_E_OK;
}

enum ent_err ent_importance_measure(const struct ent_importance_input *input,
                                    struct ent_importances *out)
{
    struct measuring m = {.in = input};
    enum ent_err err;

    ENT_REQUIRE(input->n_answers > 0 && input->n_values > 0, ENT_E_DATA,
                "there are no rows: nothing can be explained");
    ENT_REQUIRE(input->repeats >= 1 && input->repeats <= ENT_IMPORTANCE_REPEATS_MAX, ENT_E_CONFIG,
                "1 to %u repeats are possible", ENT_IMPORTANCE_REPEATS_MAX);
    err = measure(&m);
    free(m.plain);
    free(m.changed);
    free(m.from);
    if (err != ENT_E_OK) {
        ent_importances_release(&m.out);
        return err;
    }
    *out = m.out;
    return ENT_E_OK;
}

void ent_importances_release(struct ent_importances *importances)
{
    free(importances->columns);
    *importances = (struct ent_importances){0};
}
