/* Metrics out of summed cells beside naive ones over the rows themselves, within the bounds that they state. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"

#define ROWS 3000
#define DIM (ENT_EVAL_CELLS_AT + 2 * ENT_EVAL_CELLS)
#define UNIT 1048576.0

struct scored {
    float prob;
    int label;
    double tie; /* where it stands among rows with its score */
};

enum shape { SMOOTH, TIED, EXTREME, USELESS, RARE, SHAPES };

static float score(enum shape shape, double z)
{
    float p = (float)(1.0 / (1.0 + exp(-z)));

    switch (shape) {
    case TIED:
        return floorf(p * 10.0F) / 10.0F;
    case EXTREME: /* all in two cells */
        return p > 0.5F ? 1.0F - 1e-6F * p : 1e-6F * p;
    case USELESS:
        return 0.25F;
    case RARE: /* few cells hold nearly everything */
        return p * p * p * p * 0.02F;
    default:
        return p;
    }
}

static void make(enum shape shape, uint64_t seed, struct scored *rows, int64_t *sum)
{
    struct ent_rng rng = ent_rng_init(seed, shape);

    memset(sum, 0, DIM * sizeof *sum);
    for (size_t i = 0; i < ROWS; i++) {
        int label = ent_rng_below(&rng, shape == RARE ? 50 : 4) == 0;
        float p = score(shape, ent_rng_normal(&rng) + 0.9 * label);
        double right = label ? (double)p : 1.0 - (double)p;

        rows[i] = (struct scored){p, label, (double)ent_rng_float(&rng)};
        sum[ENT_EVAL_ROWS]++;
        sum[ENT_EVAL_POSITIVES] += label;
        sum[ENT_EVAL_LOSS] += llround(fmin(-log(fmax(right, 1e-30)), 64.0) * UNIT);
        sum[ENT_EVAL_BRIER] += llround((1.0 - right) * (1.0 - right) * UNIT);
        sum[ENT_EVAL_PREDICTED] += llround((double)p * UNIT);
        sum[ENT_EVAL_CELLS_AT + (label ? (size_t)ENT_EVAL_CELLS : 0) + ent_task_eval_cell(p)]++;
    }
}

/* Highest scores first. */
static int by_score(const void *pa, const void *pb)
{
    const struct scored *a = pa;
    const struct scored *b = pb;

    if (a->prob != b->prob) {
        return a->prob > b->prob ? -1 : 1;
    }
    return a->tie < b->tie ? -1 : a->tie > b->tie;
}

static double positives_of(const struct scored *rows)
{
    double n = 0.0;

    for (size_t i = 0; i < ROWS; i++) {
        n += rows[i].label;
    }
    return n;
}

/* Of sorted rows: the precision at each positive, each row a rank of its own. */
static double average_precision(const struct scored *rows)
{
    double hits = 0.0;
    double total = 0.0;

    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].label) {
            hits += 1.0;
            total += hits / ((double)i + 1.0);
        }
    }
    return total / hits;
}

/* The same with rows of one score as one rank. */
static double average_precision_of_groups(const struct scored *rows)
{
    double hits = 0.0;
    double total = 0.0;

    for (size_t i = 0; i < ROWS;) {
        size_t j = i;
        double here = 0.0;

        for (; j < ROWS && rows[j].prob == rows[i].prob; j++) {
            here += rows[j].label;
        }
        hits += here;
        total += here * hits / (double)j;
        i = j;
    }
    return total / hits;
}

/* Share of the positives among the first `share` of sorted rows; a row at the border counts in part. */
static double found(const struct scored *rows, double share)
{
    double left = share * ROWS;
    double n = 0.0;

    for (size_t i = 0; i < ROWS && left > 0.0; i++) {
        n += rows[i].label * fmin(left, 1.0);
        left -= 1.0;
    }
    return n / positives_of(rows);
}

/* Rows of one score in random order, positives first, negatives first. */
static void order(struct scored *rows, int which)
{
    for (size_t i = 0; i < ROWS; i++) {
        rows[i].tie = which == 0 ? rows[i].tie : which == 1 ? -rows[i].label : rows[i].label;
    }
    qsort(rows, ROWS, sizeof *rows, by_score);
}

static void compare(enum shape shape, uint64_t seed)
{
    static struct scored rows[ROWS];
    static int64_t sum[DIM];
    struct ent_metrics m;

    make(shape, seed, rows, sum);
    ENT_OK(ent_task_evaluate_finish(sum, DIM, &m));
    for (int which = 0; which < 3; which++) {
        order(rows, which);
        CU_ASSERT(fabs(m.pr_auc - average_precision(rows)) <= m.pr_auc_error + 1e-12);
        for (size_t i = 0; i < ENT_METRIC_TOPS; i++) {
            const struct ent_metrics_top *t = &m.top[i];

            CU_ASSERT(fabs(t->found - found(rows, t->share)) <= t->found_error + 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(t->lift, t->found / t->share, 1e-12);
        }
    }
    CU_ASSERT(fabs(m.pr_auc - average_precision_of_groups(rows)) <= m.pr_auc_error + 1e-12);
    if (shape == SMOOTH) {
        CU_ASSERT(m.pr_auc_error < 0.03);
        CU_ASSERT(m.top[1].found_error < 0.01);
    }
    if (shape == USELESS) {
        CU_ASSERT_DOUBLE_EQUAL(m.top[1].found, 0.1, 1e-12); /* as good as random */
        CU_ASSERT_DOUBLE_EQUAL(m.top[1].lift, 1.0, 1e-12);
    }
}

ENT_TEST(metrics, ranks_within_their_bounds)
{
    for (unsigned shape = SMOOTH; shape < SHAPES; shape++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            compare((enum shape)shape, seed);
        }
    }
}

/* What is a sum over rows is exact but for the rounding of each row. */
ENT_TEST(metrics, sums_are_exact)
{
    static struct scored rows[ROWS];
    static int64_t sum[DIM];

    for (unsigned shape = SMOOTH; shape < SHAPES; shape++) {
        struct ent_metrics m;
        struct ent_confusion c;
        uint64_t right = 0;
        uint64_t hits = 0;
        double brier = 0.0;
        double mean = 0.0;

        make((enum shape)shape, 3, rows, sum);
        ENT_OK(ent_task_evaluate_finish(sum, DIM, &m));
        for (size_t i = 0; i < ROWS; i++) {
            double e = (double)rows[i].prob - rows[i].label;

            brier += e * e / ROWS;
            mean += (double)rows[i].prob / ROWS;
            right += (rows[i].prob >= 0.5F) == (rows[i].label == 1);
            hits += rows[i].prob >= 0.25F && rows[i].label == 1;
        }
        CU_ASSERT_DOUBLE_EQUAL(m.brier, brier, 0x1p-21);
        CU_ASSERT_DOUBLE_EQUAL(m.predicted, mean, 0x1p-21);
        CU_ASSERT_EQUAL(m.half.true_positives + m.half.true_negatives, right);
        CU_ASSERT_DOUBLE_EQUAL(m.accuracy, (double)right / ROWS, 1e-15);
        ent_metrics_confusion(sum, 0.25F, &c);
        CU_ASSERT_EQUAL(c.true_positives, hits);
        CU_ASSERT_EQUAL(c.true_positives + c.false_negatives, m.positives);
        CU_ASSERT_EQUAL(c.false_positives + c.true_negatives, m.rows - m.positives);
        CU_ASSERT(c.threshold == 0.25);
    }
}

/* Calibration: tenths of the rows, each with what the model said and what was. */
ENT_TEST(metrics, tenths)
{
    static struct scored rows[ROWS];
    static int64_t sum[DIM];

    for (unsigned shape = SMOOTH; shape < SHAPES; shape++) {
        struct ent_metrics m;
        double positives = 0.0;

        make((enum shape)shape, 5, rows, sum);
        order(rows, 0);
        ENT_OK(ent_task_evaluate_finish(sum, DIM, &m));
        for (size_t k = 0; k < ENT_METRIC_TENTHS; k++) {
            const struct ent_metrics_tenth *t = &m.tenths[k];
            double mean = 0.0;

            for (size_t i = k * ROWS / 10; i < (k + 1) * ROWS / 10; i++) {
                mean += (double)rows[i].prob / ((double)ROWS / 10);
            }
            CU_ASSERT_DOUBLE_EQUAL(t->rows, (double)ROWS / 10, 1e-9);
            CU_ASSERT_DOUBLE_EQUAL(t->predicted, mean, 0x1p-11 + 1e-9);
            CU_ASSERT(t->lowest <= (double)rows[(k + 1) * ROWS / 10 - 1].prob);
            positives += t->positives;
        }
        CU_ASSERT_DOUBLE_EQUAL(positives, positives_of(rows), 1e-6);
    }
}

static double value(const struct ent_metric_value *values, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(values[i].name, name) == 0) {
            return values[i].value;
        }
    }
    return -1.0;
}

ENT_TEST(metrics, what_is_not_defined_is_left_out)
{
    static int64_t sum[DIM];
    struct ent_metric_value values[ENT_METRIC_VALUES];
    struct ent_metrics m;
    size_t n;

    ENT_OK(ent_task_evaluate_finish(sum, DIM, &m)); /* no rows */
    n = ent_metrics_values(&m, values);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(value(values, n, "rows") == 0.0 && value(values, n, "positives") == 0.0);
    sum[ENT_EVAL_ROWS] = 4; /* one class: no AUC, nothing to be found */
    sum[ENT_EVAL_CELLS_AT] = 4;
    ENT_OK(ent_task_evaluate_finish(sum, DIM, &m));
    n = ent_metrics_values(&m, values);
    CU_ASSERT(value(values, n, "auc") < 0.0 && value(values, n, "found_10") < 0.0);
    CU_ASSERT(value(values, n, "accuracy") == 1.0 && value(values, n, "log_loss") == 0.0);
    CU_ASSERT(isnan(m.pr_auc) && isnan(m.top[0].lift));
}

/* What is sent by name is known by name, whatever is predicted. */
ENT_TEST(metrics, every_figure_is_known_by_its_name)
{
    static const size_t expected[] = {[ENT_OUTPUTS_BINARY] = ENT_METRIC_VALUES,
                                      [ENT_OUTPUTS_CLASSES] = 9,
                                      [ENT_OUTPUTS_NUMBER] = 3};

    for (size_t o = 0; o < ENT_ARRAY_LEN(expected); o++) {
        struct ent_metrics m = {.outputs = (enum ent_outputs)o};
        struct ent_metric_value values[ENT_METRIC_VALUES];
        size_t n = ent_metrics_values(&m, values);

        CU_ASSERT_EQUAL(n, expected[o]);
        for (size_t i = 0; i < n; i++) {
            CU_ASSERT_TRUE(ent_metrics_is_name(values[i].name));
        }
    }
    CU_ASSERT_FALSE(ent_metrics_is_name(""));
    CU_ASSERT_FALSE(ent_metrics_is_name("auc_"));
    CU_ASSERT_FALSE(ent_metrics_is_name("hit_1"));
}
