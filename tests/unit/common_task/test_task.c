#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/rng.h"
#include "common/fixed/grid.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"

#define ROWS 4000

static const struct ent_feature columns[] = {
    {.type = ENT_FEATURE_NUMBER, .lo = -50.0, .hi = 150.0},
    {.type = ENT_FEATURE_CATEGORY, .n_values = 3},
    {.type = ENT_FEATURE_BOOLEAN},
};
enum { N_COLUMNS = 3, DIM = 2 + 5 + 5 + 3 };

ENT_TEST(contract, every_task)
{
    struct ent_task_sizes sizes = {.features = columns, .n_features = N_COLUMNS, .n_params = 10};

    for (size_t i = 0; ent_task_at(i) != NULL; i++) {
        const struct ent_task *task = ent_task_at(i);
        size_t dim = 0;
        uint64_t bytes = 0;
        uint8_t *payload;

        CU_ASSERT_PTR_EQUAL(ent_task_find((uint32_t)task->kind), task);
        CU_ASSERT_PTR_EQUAL(ent_task_find_name(task->name), task);
        CU_ASSERT_STRING_EQUAL(ent_task_name((uint32_t)task->kind), task->name);
        CU_ASSERT(task->int_bytes == 4 || (task->int_bytes == 8 && !task->weighted));
        ENT_OK(task->dim(&sizes, &dim));
        ENT_OK(ent_task_payload_bytes(task, &sizes, &bytes));
        CU_ASSERT_EQUAL(bytes, ENT_UPDATE_SALT_BYTES + dim * task->int_bytes);
        payload = calloc(dim + 1, task->int_bytes); /* no rows at all: consistent */
        if (payload == NULL) {
            CU_FAIL_FATAL("no memory");
            return;
        }
        ENT_OK(ent_task_check_payload(task, &sizes, payload, dim * task->int_bytes));
        ENT_FAILS(ent_task_check_payload(task, &sizes, payload, (dim + 1) * task->int_bytes),
                  ENT_E_SHAPE);
        ENT_FAILS(ent_task_check_payload(task, &sizes, payload, dim * task->int_bytes - 1),
                  ENT_E_SHAPE);
        payload[dim * task->int_bytes - 1] = 0x40;
        ENT_FAILS(ent_task_check_payload(task, &sizes, payload, dim * task->int_bytes),
                  ENT_E_RANGE);
        free(payload);
    }
    CU_ASSERT_PTR_NULL(ent_task_find(0));
    CU_ASSERT_PTR_NULL(ent_task_find(99));
    CU_ASSERT_STRING_EQUAL(ent_task_name(99), "unknown");
    CU_ASSERT_EQUAL(ent_task_int_bytes(ENT_TASK_TRAIN), 4);
    CU_ASSERT_EQUAL(ent_task_int_bytes(ENT_TASK_EVALUATE), 8);
}

/* What a member's room does with numbers: see the layout in task.h. */
static const struct ent_task_sizes of_columns = {.features = columns, .n_features = N_COLUMNS};
static const struct ent_task_sizes of_first = {.features = columns, .n_features = 1};

static void add_number(int64_t *v, double x, double lo, double hi, uint64_t *squares)
{
    int64_t u = llround((x - lo) / (hi - lo) * (double)(1 << ENT_STAT_UNIT_BITS));

    v[0]++;
    v[3] += u;
    *squares += (uint64_t)(u * u);
}

ENT_TEST(stats, moments_of_known_numbers)
{
    int64_t sum[DIM] = {0};
    struct ent_fits *m = NULL;
    struct ent_rng rng = ent_rng_init(1, 1);
    double total = 0.0;
    double squares = 0.0;

    for (int member = 0; member < 4; member++) {
        uint64_t u2 = 0;

        for (int i = 0; i < ROWS; i++) {
            double x = 40.0 + 7.0 * ent_rng_normal(&rng);

            add_number(sum + 2, x, -50.0, 150.0, &u2);
            total += x;
            squares += x * x;
        }
        sum[2 + 4] += (int64_t)(u2 >> ENT_STAT_UNIT_BITS);
    }
    sum[0] = (int64_t)4 * ROWS;
    sum[1] = 5;
    sum[7] = (int64_t)4 * ROWS;  /* category: all the first value */
    sum[12] = (int64_t)4 * ROWS; /* boolean: all false */
    ENT_OK(ent_task_stats_finish(&of_columns, sum, DIM, &m));
    total /= 4.0 * ROWS;
    squares = sqrt(squares / (4.0 * ROWS) - total * total);
    CU_ASSERT_DOUBLE_EQUAL(m->fit[0].mean, total, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(m->fit[0].sd, squares, 1e-3);
    CU_ASSERT(m->fit[1].mean == 0.0 && m->fit[1].sd == 1.0);
    ent_fits_free(m);
}

ENT_TEST(stats, nothing_present_and_constant)
{
    int64_t sum[7] = {10, 0, 0, 10, 0, 0, 0};
    struct ent_fits *m = NULL;
    uint64_t u2 = 0;

    ENT_OK(ent_task_stats_finish(&of_first, sum, 7, &m));
    CU_ASSERT(m->fit[0].mean == 50.0 && m->fit[0].sd == 200.0 * ENT_FEATURE_EVEN_SD);
    ent_fits_free(m);
    sum[3] = 0;
    for (int i = 0; i < 10; i++) {
        add_number(sum + 2, 33.3, -50.0, 150.0, &u2);
    }
    sum[6] = (int64_t)(u2 >> ENT_STAT_UNIT_BITS);
    ENT_OK(ent_task_stats_finish(&of_first, sum, 7, &m));
    CU_ASSERT_DOUBLE_EQUAL(m->fit[0].mean, 33.3, 1e-4);
    CU_ASSERT_EQUAL(m->fit[0].sd, 200.0 / 1024.0);
    ent_fits_free(m);
}

/* Numbered tampers: sums that contradict themselves. */
ENT_TEST(stats, contradictions)
{
    static const struct {
        size_t at;
        int64_t value;
    } tampers[] = {
        {0, 11},             /* 1: rows that no column has */
        {1, 11},             /* 2: more positives than rows */
        {2, 9},              /* 3: present + missing */
        {4, 11},             /* 4: clipped more than present */
        {5, (11 << 20)},     /* 5: sum of u */
        {5, (10 << 20) + 1}, /* 5b: by one: two such would not fit together */
        {6, 10 << 20},       /* 6: squares above the sum */
        {7, 3},              /* 7: category */
        {12, 9},             /* 8: boolean */
        {9, -1},             /* 9: negative */
        {7, INT64_MAX},      /* 10: overflow of a naive check */
    };
    static const int64_t good[DIM] = {10, 4, 10, 0, 2, 5 << 20, 3 << 20, 1, 2, 3, 4, 0, 5, 5, 0};
    struct ent_fits *m = NULL;
    int64_t sum[DIM];

    ENT_OK(ent_task_stats_finish(&of_columns, good, DIM, &m));
    ent_fits_free(m);
    ENT_FAILS(ent_task_stats_finish(&of_columns, good, DIM - 1, &m), ENT_E_SHAPE);
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        memcpy(sum, good, sizeof sum);
        sum[tampers[i].at] = tampers[i].value;
        CU_ASSERT_EQUAL(ent_task_stats_finish(&of_columns, sum, DIM, &m), ENT_E_DATA);
    }
}

struct scored {
    float prob;
    int label;
};

static int by_prob(const void *a, const void *b)
{
    float x = ((const struct scored *)a)->prob;
    float y = ((const struct scored *)b)->prob;

    return (x > y) - (x < y);
}

/* Mann-Whitney with mid-ranks for ties. */
static double exact_auc(struct scored *rows, size_t n)
{
    double won = 0.0;
    double below = 0.0;
    double positives = 0.0;

    qsort(rows, n, sizeof *rows, by_prob);
    for (size_t i = 0; i < n;) {
        size_t j = i;
        double pos = 0.0;
        double neg = 0.0;

        for (; j < n && rows[j].prob == rows[i].prob; j++) {
            pos += rows[j].label;
            neg += 1 - rows[j].label;
        }
        won += pos * (below + 0.5 * neg);
        below += neg;
        positives += pos;
        i = j;
    }
    return won / (positives * ((double)n - positives));
}

#define EVAL_DIM (ENT_EVAL_CELLS_AT + 2 * ENT_EVAL_CELLS)

static void add_row(int64_t *v, struct scored row)
{
    double p = row.label ? (double)row.prob : 1.0 - (double)row.prob;
    double loss = p > 0.0 ? -log(p) : 1e9;

    v[0]++;
    v[1] += row.label;
    v[2] += llround(fmin(loss, ENT_LOSS_MAX_NATS) * (double)(1 << ENT_LOSS_UNIT_BITS));
    v[3] += loss > ENT_LOSS_MAX_NATS;
    v[ENT_EVAL_BRIER] += llround((1.0 - p) * (1.0 - p) * (double)(1 << ENT_LOSS_UNIT_BITS));
    v[ENT_EVAL_PREDICTED] += llround((double)row.prob * (double)(1 << ENT_LOSS_UNIT_BITS));
    v[ENT_EVAL_CELLS_AT + (row.label ? (size_t)ENT_EVAL_CELLS : 0) +
      ent_task_eval_cell(row.prob)]++;
}

enum shape { SMOOTH, TIED, EXTREME, USELESS, SHAPES };

static float score(enum shape shape, double z)
{
    float p = (float)(1.0 / (1.0 + exp(-z)));

    switch (shape) {
    case TIED:
        return floorf(p * 10.0f) / 10.0f;
    case EXTREME: /* all in two cells */
        return p > 0.5f ? 1.0f - 1e-6f * p : 1e-6f * p;
    case USELESS:
        return 0.25f;
    default:
        return p;
    }
}

/* One set of rows of a shape: the metrics from the sum beside the exact ones. */
static void compare(enum shape shape, uint64_t seed)
{
    static struct scored rows[ROWS];
    static int64_t sum[EVAL_DIM];
    struct ent_rng rng = ent_rng_init(seed, shape);
    struct ent_metrics m;
    double loss = 0.0;
    double exact;

    memset(sum, 0, sizeof sum);
    for (size_t i = 0; i < ROWS; i++) {
        int label = ent_rng_below(&rng, 4) == 0;
        float p = score(shape, ent_rng_normal(&rng) + 0.9 * label);

        rows[i] = (struct scored){p, label};
        add_row(sum, rows[i]);
        loss -= log(label ? (double)p : 1.0 - (double)p);
    }
    exact = exact_auc(rows, ROWS);
    ENT_OK(ent_task_evaluate_finish(sum, ent_task_evaluate_dim(), &m));
    CU_ASSERT(m.rows == ROWS);
    CU_ASSERT(fabs(m.auc - exact) <= m.auc_error + 1e-12);
    if (shape == SMOOTH) {
        CU_ASSERT(fabs(m.auc - exact) < 1e-4);
        CU_ASSERT(m.auc_error < 1e-3);
        CU_ASSERT_DOUBLE_EQUAL(m.log_loss, loss / ROWS, 1e-6);
    }
    if (shape == USELESS) {
        CU_ASSERT(m.auc == 0.5);
    }
}

/* The stated bound holds on smooth, tied, extreme and useless scores. */
ENT_TEST(evaluate, auc_within_its_own_bound)
{
    CU_ASSERT_EQUAL(ent_task_evaluate_dim(), EVAL_DIM);
    for (unsigned shape = SMOOTH; shape < SHAPES; shape++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            compare((enum shape)shape, seed);
        }
    }
}

ENT_TEST(evaluate, one_class_no_rows_and_cells)
{
    static int64_t sum[EVAL_DIM];
    struct ent_metrics m;

    ENT_OK(ent_task_evaluate_finish(sum, EVAL_DIM, &m));
    CU_ASSERT(m.rows == 0 && isnan(m.auc) && isnan(m.log_loss));
    add_row(sum, (struct scored){0.5f, 1});
    add_row(sum, (struct scored){0.0f, 1});
    ENT_OK(ent_task_evaluate_finish(sum, EVAL_DIM, &m));
    CU_ASSERT(m.positives == 2 && isnan(m.auc));
    CU_ASSERT_DOUBLE_EQUAL(m.log_loss, (64.0 + log(2.0)) / 2.0, 1e-6);
    CU_ASSERT_EQUAL(ent_task_eval_cell(0.0f), 0);
    CU_ASSERT_EQUAL(ent_task_eval_cell(1.0f / 1024.0f), 1);
    CU_ASSERT_EQUAL(ent_task_eval_cell(0.5f), 512);
    CU_ASSERT_EQUAL(ent_task_eval_cell(nextafterf(1.0f, 0.0f)), 1023);
    CU_ASSERT_EQUAL(ent_task_eval_cell(1.0f), 1023);
    CU_ASSERT_EQUAL(ent_task_eval_cell(-1.0f), 0);
    CU_ASSERT_EQUAL(ent_task_eval_cell(NAN), 0);
}

ENT_TEST(evaluate, contradictions)
{
    static int64_t sum[EVAL_DIM];
    struct ent_metrics m;
    static const struct {
        size_t at;
        int64_t add;
    } tampers[] = {
        {0, 1},                                  /* 1: rows without a cell */
        {1, 1},                                  /* 2: positives without a cell */
        {3, 3},                                  /* 3: more overflowed losses than rows */
        {2, (int64_t)200 << 20},                 /* 4: loss */
        {ENT_EVAL_CELLS_AT, 1},                  /* 5: a negative more */
        {ENT_EVAL_CELLS_AT + ENT_EVAL_CELLS, 1}, /* 6: a positive more */
        {ENT_EVAL_CELLS_AT, INT64_MAX - 10},     /* 7: overflow of a naive check */
        {700, -1},                               /* 8: negative */
        {ENT_EVAL_BRIER, 3 << 10},               /* 9: squared errors beyond their cells */
        {ENT_EVAL_PREDICTED, -(3 << 10)},        /* 10: scores below theirs */
    };

    add_row(sum, (struct scored){0.7f, 1});
    add_row(sum, (struct scored){0.2f, 0});
    ENT_OK(ent_task_evaluate_finish(sum, EVAL_DIM, &m));
    CU_ASSERT(m.auc == 1.0 && m.auc_error == 0.0);
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        sum[tampers[i].at] += tampers[i].add;
        CU_ASSERT_EQUAL(ent_task_evaluate_finish(sum, EVAL_DIM, &m), ENT_E_DATA);
        sum[tampers[i].at] -= tampers[i].add;
    }
    ENT_FAILS(ent_task_evaluate_finish(sum, EVAL_DIM - 1, &m), ENT_E_SHAPE);
    sum[ENT_EVAL_LOSS] = (int64_t)2 * ENT_LOSS_MAX_NATS
                         << ENT_LOSS_UNIT_BITS; /* as much as two rows can have */
    ENT_OK(ent_task_evaluate_finish(sum, EVAL_DIM, &m));
    sum[ENT_EVAL_LOSS]++;
    ENT_FAILS(ent_task_evaluate_finish(sum, EVAL_DIM, &m), ENT_E_DATA);
}

/* One member's: more rows than a table holds are nobody's. A sum of many may have more. */
ENT_TEST(evaluate, rows_of_one_member)
{
    const struct ent_task *task = ent_task_find(ENT_TASK_EVALUATE);
    const struct ent_task_sizes sizes = {0};
    static uint8_t ints[8 * EVAL_DIM];

    for (int more = 0; more < 2; more++) {
        uint64_t rows = (uint64_t)ENT_TASK_ROWS_MAX + (uint64_t)more;

        ent_put_le64(ints + (size_t)8 * ENT_EVAL_ROWS, rows);
        /* all negative, in one cell, at its lower edge */
        ent_put_le64(ints + (size_t)8 * (ENT_EVAL_CELLS_AT + 100), rows);
        ent_put_le64(ints + (size_t)8 * ENT_EVAL_PREDICTED, rows * 100 * ENT_EVAL_CELLS);
        ent_put_le64(ints + (size_t)8 * ENT_EVAL_BRIER, rows * 100 * 100);
        CU_ASSERT_EQUAL(ent_task_check_payload(task, &sizes, ints, sizeof ints),
                        more == 0 ? ENT_E_OK : ENT_E_RANGE);
    }
}

/* ---- histograms and vocabularies ---- */

enum { N_RICH = 4, RICH_DIM = 2 + (5 + 512) + 5 + 2 + (1 + 16) };

static const struct ent_feature rich[N_RICH] = {
    {.name = "p",
     .type = ENT_FEATURE_NUMBER,
     .lo = 0.0,
     .hi = 512.0,
     .encode = ENT_ENCODE_PLE,
     .scale = ENT_SCALE_LINEAR,
     .bins = 4,
     .heavy = true},
    {.name = "g", .type = ENT_FEATURE_NUMBER, .lo = -9.0, .hi = 99.0, .encode = ENT_ENCODE_LOG},
    {.name = "h", .type = ENT_FEATURE_CATEGORY, .codes = ENT_CODES_HASHED, .bits = 4, .salt = "s"},
    {.name = "v",
     .type = ENT_FEATURE_CATEGORY,
     .codes = ENT_CODES_VOCABULARY,
     .bits = 3,
     .salt = "s",
     .size = 4,
     .min_customers = 5,
     .min_members = 2}};
enum {
    P = 2,
    P_CELLS = P + 5,
    G = P_CELLS + 512,
    H = G + 5,
    V = H + 2,
    CUSTOMERS = V + 1,
    MEMBERS = CUSTOMERS + 8
};

static const struct ent_task_sizes of_rich = {.features = rich, .n_features = N_RICH};

/* Two members, ten rows each; both have bucket 1, the second alone bucket 6. */
static void rich_sum(int64_t sum[RICH_DIM])
{
    memset(sum, 0, RICH_DIM * sizeof *sum);
    sum[0] = 20;
    sum[1] = 3;
    sum[P] = 20;
    sum[P + 3] = INT64_C(5) << ENT_STAT_UNIT_BITS;
    sum[P + 4] = INT64_C(2) << ENT_STAT_UNIT_BITS;
    for (size_t c = 100; c < 120; c++) {
        sum[P_CELLS + c] = 1;
    }
    sum[G] = 20;
    sum[G + 3] = INT64_C(10) << ENT_STAT_UNIT_BITS;
    sum[G + 4] = INT64_C(10) << ENT_STAT_UNIT_BITS;
    sum[H] = 18;
    sum[H + 1] = 2;
    sum[V] = 1;
    sum[CUSTOMERS + 1] = 9;
    sum[MEMBERS + 1] = 2;
    sum[CUSTOMERS + 6] = 10;
    sum[MEMBERS + 6] = 1;
}

ENT_TEST(stats, edges_logarithms_and_vocabulary)
{
    int64_t sum[RICH_DIM];
    struct ent_fits *fits = NULL;
    size_t dim = 0;

    rich_sum(sum);
    ENT_OK(ent_task_stats_dim(rich, N_RICH, &dim));
    CU_ASSERT_EQUAL_FATAL(dim, RICH_DIM);
    ENT_OK(ent_task_stats_finish(&of_rich, sum, dim, &fits));
    CU_ASSERT_EQUAL_FATAL(fits->fit[0].n_edges, 5);
    for (size_t t = 0; t < 5; t++) {
        CU_ASSERT_EQUAL(fits->fit[0].edges[t], 100.0 + 5.0 * (double)t);
    }
    CU_ASSERT(fits->fit[0].mean == 128.0 && fits->fit[0].sd == 1.0); /* 5 / 20 of the range */
    /* half of the rows at each end of the logarithmic range */
    CU_ASSERT_DOUBLE_EQUAL(fits->fit[1].mean, 0.5 * (log(100.0) - log(10.0)), 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(fits->fit[1].sd, 0.5 * (log(100.0) + log(10.0)), 1e-12);
    CU_ASSERT_EQUAL_FATAL(fits->fit[3].n_buckets, 1); /* one member's bucket is nobody's */
    CU_ASSERT_EQUAL(fits->fit[3].buckets[0], 1);
    for (uint32_t i = 0; i < N_RICH; i++) {
        ENT_OK(ent_fit_check(&rich[i], &fits->fit[i]));
    }
    ent_fits_free(fits);
}

ENT_TEST(stats, contradictions_of_histograms_and_vocabularies)
{
    static const struct {
        size_t at;
        int64_t value;
    } tampers[] = {
        {P_CELLS + 100, 2},  /* cells above the rows */
        {P_CELLS + 100, 0},  /* below them */
        {H, 19},             /* hashed: present and missing */
        {V, 21},             /* more missing than rows */
        {CUSTOMERS + 1, 20}, /* customers above the rows with a value */
        {MEMBERS + 1, 10},   /* more members than customers */
        {MEMBERS + 1, 0},    /* customers of no member */
        {MEMBERS + 0, 1},    /* a member without customers */
    };
    int64_t sum[RICH_DIM];
    struct ent_fits *fits = NULL;

    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        rich_sum(sum);
        sum[tampers[i].at] = tampers[i].value;
        CU_ASSERT_EQUAL(ent_task_stats_finish(&of_rich, sum, RICH_DIM, &fits), ENT_E_DATA);
    }
}

/* The floor of members rests on this: one member cannot pass for two. */
ENT_TEST(stats, one_member_is_one_member)
{
    const struct ent_task *task = ent_task_find(ENT_TASK_STATS);
    struct ent_task_sizes sizes = {.features = rich, .n_features = N_RICH};
    int64_t v[RICH_DIM];
    uint8_t bytes[RICH_DIM * 8];

    rich_sum(v);
    v[MEMBERS + 1] = 1;
    ent_grid_store64(v, RICH_DIM, bytes);
    ENT_OK(ent_task_check_payload(task, &sizes, bytes, sizeof bytes));
    v[MEMBERS + 1] = 2;
    ent_grid_store64(v, RICH_DIM, bytes);
    ENT_FAILS(ent_task_check_payload(task, &sizes, bytes, sizeof bytes), ENT_E_DATA);
}
