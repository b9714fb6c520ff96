#include <math.h>
#include <string.h>

#include "client/agent/importance.h"
#include "tests/support/ent_test.h"

#define N 400
#define COLUMNS 3

/* Columns 0 and 1 decide, 0 more than 1; column 2 is noise that the model does not look at. */
struct world {
    float values[COLUMNS][N];
    float y[N];
    uint32_t asked; /* calls */
};

static float prob_of(const float v[COLUMNS])
{
    float z = 4.0F * v[0] + 1.0F * v[1];

    return 1.0F / (1.0F + expf(-z));
}

static void make_world(struct world *w)
{
    struct ent_rng rng = ent_rng_init(3, 0);

    memset(w, 0, sizeof *w);
    for (uint32_t i = 0; i < N; i++) {
        float v[COLUMNS];

        for (uint32_t c = 0; c < COLUMNS; c++) {
            v[c] = 2.0F * ent_rng_float(&rng) - 1.0F;
            w->values[c][i] = v[c];
        }
        w->y[i] = ent_rng_float(&rng) < prob_of(v) ? 1.0F : 0.0F;
    }
}

static void disturbed(const struct world *w, uint32_t column, const uint32_t *from, uint32_t i,
                      float v[COLUMNS])
{
    for (uint32_t c = 0; c < COLUMNS; c++) {
        v[c] = w->values[c][i];
        if (c == column) {
            v[c] = from != NULL ? w->values[c][from[i]] : 0.0F;
        }
    }
}

static enum ent_err answer_bce(void *ctx, uint32_t column, const uint32_t *from, float *out)
{
    struct world *w = ctx;

    w->asked++;
    for (uint32_t i = 0; i < N; i++) {
        float v[COLUMNS];

        disturbed(w, column, from, i, v);
        out[i] = prob_of(v);
    }
    return ENT_E_OK;
}

/* Three classes; the third never. */
static enum ent_err answer_softmax(void *ctx, uint32_t column, const uint32_t *from, float *out)
{
    float one[N];

    ENT_TRY(answer_bce(ctx, column, from, one));
    for (uint32_t i = 0; i < N; i++) {
        out[(size_t)i * 3] = 1.0F - one[i];
        out[(size_t)i * 3 + 1] = one[i];
        out[(size_t)i * 3 + 2] = 0.0F;
    }
    return ENT_E_OK;
}

static enum ent_err answer_number(void *ctx, uint32_t column, const uint32_t *from, float *out)
{
    struct world *w = ctx;

    for (uint32_t i = 0; i < N; i++) {
        float v[COLUMNS];

        disturbed(w, column, from, i, v);
        out[i] = 100.0F + 10.0F * v[0] + v[1];
    }
    return ENT_E_OK;
}

static struct ent_importance_input input_of(struct world *w)
{
    return (struct ent_importance_input){.kind = ENT_MODEL_BCE,
                                         .n_values = N,
                                         .n_answers = N,
                                         .n_outputs = 1,
                                         .n_columns = COLUMNS,
                                         .y = w->y,
                                         .answer = answer_bce,
                                         .ctx = w,
                                         .repeats = 5,
                                         .seed = 1};
}

ENT_TEST(importance, exchanged_columns_cost_what_the_model_takes_from_them)
{
    static struct world w;
    struct ent_importance_input in;
    struct ent_importances a = {0};
    struct ent_importances b = {0};

    make_world(&w);
    in = input_of(&w);
    ENT_OK(ent_importance_measure(&in, &a));
    CU_ASSERT_EQUAL(w.asked, 1 + COLUMNS * 5);
    CU_ASSERT(a.exchanged);
    CU_ASSERT_EQUAL_FATAL(a.n, COLUMNS);
    CU_ASSERT(a.loss > 0.1 && a.loss < 0.69);
    CU_ASSERT(a.auc > 0.8);
    CU_ASSERT_EQUAL(a.columns[0].column, 0);
    CU_ASSERT_EQUAL(a.columns[1].column, 1);
    CU_ASSERT_EQUAL(a.columns[2].column, 2);
    CU_ASSERT(a.columns[0].importance > 4 * a.columns[1].importance);
    CU_ASSERT(a.columns[1].importance > 0.01);
    CU_ASSERT(a.columns[0].auc < 0.65 && a.columns[1].auc > a.columns[0].auc);
    CU_ASSERT(a.columns[0].deviation > 0.0);
    CU_ASSERT_DOUBLE_EQUAL(a.columns[2].importance, 0.0, 0); /* not looked at: not a bit */
    CU_ASSERT_DOUBLE_EQUAL(a.columns[2].deviation, 0.0, 0);
    CU_ASSERT_DOUBLE_EQUAL(a.columns[2].auc, a.auc, 1e-12);
    CU_ASSERT(isnan(a.columns[0].shift) != 0);
    ENT_OK(ent_importance_measure(&in, &b)); /* same seed, same figures */
    CU_ASSERT_DOUBLE_EQUAL(a.columns[0].importance, b.columns[0].importance, 0);
    ent_importances_release(&b);
    in.seed = 2;
    ENT_OK(ent_importance_measure(&in, &b));
    CU_ASSERT(fabs(a.columns[0].importance - b.columns[0].importance) > 0.0);
    ent_importances_release(&a);
    ent_importances_release(&b);
}

ENT_TEST(importance, without_labels_it_is_how_far_answers_move)
{
    static struct world w;
    struct ent_importance_input in;
    struct ent_importances a = {0};
    double sum = 0.0;

    make_world(&w);
    in = input_of(&w);
    in.y = NULL;
    in.kind = ENT_MODEL_MSE;
    in.answer = answer_number;
    ENT_OK(ent_importance_measure(&in, &a));
    for (uint32_t i = 0; i < N; i++) { /* base value 0: answers move by 10 v */
        sum += 10.0 * fabs((double)w.values[0][i]);
    }
    CU_ASSERT_FALSE(a.exchanged);
    CU_ASSERT(isnan(a.loss) != 0 && isnan(a.auc) != 0);
    CU_ASSERT_EQUAL(a.columns[0].column, 0);
    CU_ASSERT_DOUBLE_EQUAL(a.columns[0].importance, sum / N, 1e-3);
    CU_ASSERT(fabs(a.columns[0].shift) < a.columns[0].importance);
    CU_ASSERT_DOUBLE_EQUAL(a.columns[2].importance, 0.0, 0);
    ent_importances_release(&a);
}

ENT_TEST(importance, classes_and_numbers_and_one_label_only)
{
    static struct world w;
    struct ent_importance_input in;
    struct ent_importances a = {0};
    struct ent_importances b = {0};

    make_world(&w);
    in = input_of(&w);
    ENT_OK(ent_importance_measure(&in, &b));
    in.kind = ENT_MODEL_SOFTMAX;
    in.n_outputs = 3;
    in.answer = answer_softmax;
    ENT_OK(ent_importance_measure(&in, &a)); /* the same loss by another way */
    CU_ASSERT_DOUBLE_EQUAL(a.loss, b.loss, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(a.columns[0].importance, b.columns[0].importance, 1e-5);
    CU_ASSERT(isnan(a.auc) != 0);
    ent_importances_release(&a);
    ent_importances_release(&b);
    w.y[7] = 2.0F; /* the class that never gets a probability: a large loss, no infinite one */
    ENT_OK(ent_importance_measure(&in, &a));
    CU_ASSERT(isfinite(a.loss) != 0);
    ent_importances_release(&a);
    in = input_of(&w);
    for (uint32_t i = 0; i < N; i++) {
        w.y[i] = 0.0F;
    }
    ENT_OK(ent_importance_measure(&in, &a)); /* no AUC, but a loss */
    CU_ASSERT(isnan(a.auc) != 0 && isnan(a.columns[0].auc) != 0 && isfinite(a.loss) != 0);
    ent_importances_release(&a);
    in.kind = ENT_MODEL_MSE;
    in.answer = answer_number;
    ENT_OK(ent_importance_measure(&in, &a));
    CU_ASSERT(a.loss > 9000.0);
    ent_importances_release(&a);
    in.n_values = 0;
    ENT_FAILS(ent_importance_measure(&in, &a), ENT_E_DATA);
    in.n_values = N;
    in.repeats = ENT_IMPORTANCE_REPEATS_MAX + 1;
    ENT_FAILS(ent_importance_measure(&in, &a), ENT_E_CONFIG);
}
