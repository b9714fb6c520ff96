/* The floor on groups in the total: laws of merged cells, and what is and is not changed by it. */
#include <string.h>

#include "common/base/rng.h"
#include "common/task/floor.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"

/* ---- cells ---- */

enum { N = 64 };

static void check_laws(const int64_t *cells, size_t n, uint32_t floor)
{
    struct ent_floor_cell merged[N];
    size_t found = ent_floor_merge(cells, n, floor, merged);
    int64_t least = floor > 1 ? floor : 1;
    uint32_t next = 0;

    CU_ASSERT_FATAL(found >= 1 && found <= n);
    for (size_t i = 0; i < found; i++) {
        const struct ent_floor_cell *m = &merged[i];
        int64_t count = 0;
        int64_t until = 0;

        CU_ASSERT(m->first == next && m->first <= m->closed && m->closed <= m->last);
        CU_ASSERT_FATAL(m->last < n);
        for (uint32_t c = m->first; c <= m->last; c++) {
            count += cells[c];
            until += c <= m->closed ? cells[c] : 0;
        }
        CU_ASSERT_EQUAL(m->count, count); /* nothing is lost or counted twice */
        CU_ASSERT(m->count >= least || found == 1);
        /* no cell is larger than it must be: before `closed` it is below the floor */
        CU_ASSERT(until - cells[m->closed] < least);
        CU_ASSERT(i + 1 == found || until == count);
        next = m->last + 1;
    }
    CU_ASSERT_EQUAL(next, n); /* they are all cells */
}

ENT_TEST(floor, merged_cells_hold_it_or_there_is_one)
{
    struct ent_rng rng = ent_rng_init(4, 1);

    for (int k = 0; k < 4000; k++) {
        int64_t cells[N];
        size_t n = 1 + ent_rng_below(&rng, N);
        uint32_t most = 1 + ent_rng_below(&rng, 40);
        uint32_t floor = ent_rng_below(&rng, 120);

        for (size_t i = 0; i < n; i++) {
            cells[i] = ent_rng_below(&rng, 3) == 0 ? ent_rng_below(&rng, most) : 0;
        }
        check_laws(cells, n, floor);
    }
}

ENT_TEST(floor, cells_of_known_numbers)
{
    static const int64_t cells[] = {0, 30, 0, 30, 4, 50, 0, 20, 29, 0};
    static const int64_t few[] = {10, 0, 39};
    static const int64_t exact[] = {50, 0, 50};
    struct ent_floor_cell m[10];

    CU_ASSERT_EQUAL_FATAL(ent_floor_merge(cells, 10, 50, m), 2);
    CU_ASSERT(m[0].first == 0 && m[0].last == 3 && m[0].closed == 3 && m[0].count == 60);
    CU_ASSERT(m[1].first == 4 && m[1].last == 9 && m[1].closed == 5 && m[1].count == 103);
    CU_ASSERT_EQUAL_FATAL(ent_floor_merge(few, 3, 50, m), 1);
    CU_ASSERT(m[0].first == 0 && m[0].last == 2 && m[0].closed == 2 && m[0].count == 49);
    CU_ASSERT_EQUAL_FATAL(ent_floor_merge(exact, 3, 50, m), 2);
    CU_ASSERT(m[0].last == 0 && m[1].first == 1 && m[1].count == 50);
}

/* ---- edges of features, what is kept ---- */

enum { BINS = 8, PLE = 2, CELLS = PLE + 5, V = CELLS + ENT_FEATURE_CELLS, DIM = V + 1 + 16 };

static const struct ent_feature features[] = {{.name = "p",
                                               .type = ENT_FEATURE_NUMBER,
                                               .lo = 0.0,
                                               .hi = ENT_FEATURE_CELLS,
                                               .encode = ENT_ENCODE_PLE,
                                               .scale = ENT_SCALE_LINEAR,
                                               .bins = BINS,
                                               .heavy = true},
                                              {.name = "v",
                                               .type = ENT_FEATURE_CATEGORY,
                                               .codes = ENT_CODES_VOCABULARY,
                                               .bits = 3,
                                               .salt = "s",
                                               .size = 8,
                                               .min_customers = 3,
                                               .min_members = 1}};

static struct ent_fits *finish(const int64_t *sum, uint32_t floor)
{
    const struct ent_task_sizes sizes = {.features = features, .n_features = 2, .min_group = floor};
    struct ent_fits *fits = NULL;

    ENT_OK(ent_task_stats_finish(&sizes, sum, DIM, &fits));
    CU_ASSERT_PTR_NOT_NULL_FATAL(fits);
    return fits;
}

/* The number's rows by cell; each counts the middle of the range, which is all that the sums need. */
static void fill(int64_t *sum, const int64_t *cells)
{
    int64_t rows = 0;

    memset(sum, 0, DIM * sizeof *sum);
    for (size_t c = 0; c < ENT_FEATURE_CELLS; c++) {
        sum[CELLS + c] = cells[c];
        rows += cells[c];
    }
    sum[0] = rows;
    sum[PLE] = rows;
    sum[PLE + 3] = rows << (ENT_STAT_UNIT_BITS - 1);
    sum[PLE + 4] = rows << (ENT_STAT_UNIT_BITS - 2);
}

static int64_t below(const int64_t *cells, double edge)
{
    int64_t n = 0;

    for (size_t c = 0; c < ENT_FEATURE_CELLS && (double)c < edge; c++) {
        n += cells[c];
    }
    return n;
}

/* Between any two neighbouring edges that are more than a cell apart, below the second and above the last but one, lie
 * at least the floor's rows: an edge tells of no fewer. */
ENT_TEST(floor, edges_come_from_merged_cells)
{
    struct ent_rng rng = ent_rng_init(5, 1);

    for (int k = 0; k < 300; k++) {
        int64_t cells[ENT_FEATURE_CELLS] = {0};
        int64_t sum[DIM];
        uint32_t floor = 2 + ent_rng_below(&rng, 80);
        uint32_t rows = ent_rng_below(&rng, 3000);
        const struct ent_fit *fit;
        struct ent_fits *fits;

        for (uint32_t i = 0; i < rows; i++) {
            double z = 256.0 + 40.0 * ent_rng_normal(&rng);

            cells[ent_rng_below(&rng, 4) == 0 ? 7 : (size_t)(z < 0 ? 0 : z > 511 ? 511 : z)]++;
        }
        fill(sum, cells);
        fits = finish(sum, floor);
        fit = &fits->fit[0];
        if (rows < floor) {
            CU_ASSERT_EQUAL(fit->n_edges, 0);
        }
        for (uint32_t e = 0; e < fit->n_edges; e++) {
            /* the cell above an edge is where a merged cell came to the floor; of the last it is the one below */
            double end = e + 1 < fit->n_edges ? fit->edges[e] + 1.0 : fit->edges[e];

            CU_ASSERT(below(cells, end) >= (int64_t)floor);
            CU_ASSERT(e == 0 || end - fit->edges[e - 1] <= 1.0 ||
                      below(cells, end) - below(cells, fit->edges[e - 1] + 1.0) >= (int64_t)floor);
        }
        ent_fits_free(fits);
    }
}

/* A floor of 1, or none, changes nothing; where every cell holds it a floor changes nothing either. */
ENT_TEST(floor, what_holds_it_is_not_changed)
{
    struct ent_rng rng = ent_rng_init(6, 1);

    for (int k = 0; k < 200; k++) {
        int64_t cells[ENT_FEATURE_CELLS];
        int64_t sum[DIM];
        struct ent_fits *none;
        struct ent_fits *one;
        struct ent_fits *held;

        for (size_t c = 0; c < ENT_FEATURE_CELLS; c++) {
            cells[c] =
                k % 2 == 0 || ent_rng_below(&rng, 9) == 0 ? 50 + ent_rng_below(&rng, 900) : 0;
        }
        fill(sum, cells);
        none = finish(sum, 0);
        one = finish(sum, 1);
        held = finish(sum, 50);
        CU_ASSERT(ent_fits_same(none->fit, one->fit, 2));
        CU_ASSERT(ent_fits_same(none->fit, held->fit, 2));
        ent_fits_free(none);
        ent_fits_free(one);
        ent_fits_free(held);
    }
}

/* Fewer rows than the floor in all members together are as good as none. */
ENT_TEST(floor, few_rows_in_all_equal_absence)
{
    int64_t cells[ENT_FEATURE_CELLS] = {0};
    int64_t sum[DIM];
    struct ent_fits *few;
    struct ent_fits *nobody;

    cells[100] = 20;
    cells[300] = 29;
    fill(sum, cells);
    sum[0] = 1000;
    sum[PLE + 1] = 951; /* missing */
    few = finish(sum, 50);
    memset(cells, 0, sizeof cells);
    fill(sum, cells);
    sum[0] = 1000;
    sum[PLE + 1] = 1000;
    nobody = finish(sum, 50);
    CU_ASSERT(ent_fits_same(few->fit, nobody->fit, 2));
    CU_ASSERT_EQUAL(few->fit[0].n_edges, 0);
    ent_fits_free(few);
    ent_fits_free(nobody);
}

ENT_TEST(floor, buckets_below_it_are_other_values)
{
    static const int64_t customers[8] = {2, 3, 49, 50, 51, 0, 4, 400};
    int64_t sum[DIM] = {[0] = 1000, [PLE + 1] = 1000};
    struct ent_fits *fits;

    for (size_t b = 0; b < 8; b++) {
        sum[V + 1 + b] = customers[b];
        sum[V + 9 + b] = customers[b] > 0 ? 1 : 0;
    }
    fits = finish(sum, 50);
    CU_ASSERT_EQUAL_FATAL(fits->fit[1].n_buckets, 3);
    CU_ASSERT(fits->fit[1].buckets[0] == 3 && fits->fit[1].buckets[1] == 4 &&
              fits->fit[1].buckets[2] == 7);
    ent_fits_free(fits);
    fits = finish(sum, 1); /* the feature's own min_customers stays */
    CU_ASSERT_EQUAL(fits->fit[1].n_buckets, 6);
    ent_fits_free(fits);
}

/* ---- evaluation ---- */

#define EVAL_DIM (ENT_EVAL_CELLS_AT + 2 * ENT_EVAL_CELLS)

static double unit(struct ent_rng *rng)
{
    return (double)ent_rng_below(rng, 1U << 24) * 0x1p-24;
}

/* Rows whose scores say something: what the cells allow, each in the middle of its cell. */
static void some_rows(struct ent_rng *rng, uint32_t n, int64_t *v)
{
    memset(v, 0, EVAL_DIM * sizeof *v);
    for (uint32_t i = 0; i < n; i++) {
        double score = unit(rng) * unit(rng);
        bool positive = unit(rng) < score;
        uint32_t cell = ent_task_eval_cell((float)score);
        int64_t s = ((int64_t)cell * 2 + 1) << (ENT_LOSS_UNIT_BITS - 11);
        double p = ((double)cell + 0.5) / ENT_EVAL_CELLS;
        double error = positive ? 1.0 - p : p;

        v[ENT_EVAL_ROWS]++;
        v[ENT_EVAL_POSITIVES] += positive ? 1 : 0;
        v[ENT_EVAL_LOSS] += 1 << (ENT_LOSS_UNIT_BITS - 1);
        v[ENT_EVAL_PREDICTED] += s;
        v[ENT_EVAL_BRIER] += (int64_t)(error * error * (1 << ENT_LOSS_UNIT_BITS));
        v[ENT_EVAL_CELLS_AT + (positive ? (uint32_t)ENT_EVAL_CELLS : 0U) + cell]++;
    }
}

static void same_figures(const struct ent_metrics *a, const struct ent_metrics *b)
{
    struct ent_metric_value of_a[ENT_METRIC_VALUES];
    struct ent_metric_value of_b[ENT_METRIC_VALUES];
    size_t n = ent_metrics_values(a, of_a);

    CU_ASSERT_EQUAL_FATAL(ent_metrics_values(b, of_b), n);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_STRING_EQUAL(of_a[i].name, of_b[i].name);
        CU_ASSERT(memcmp(&of_a[i].value, &of_b[i].value, sizeof of_a[i].value) == 0);
    }
    CU_ASSERT(memcmp(a->top, b->top, sizeof a->top) == 0);
}

static void check_tenths(const struct ent_metrics *m, uint32_t floor)
{
    double rows = 0.0;
    double positives = 0.0;
    double predicted = 0.0;
    uint32_t next = 1;

    for (uint32_t i = 0; i < m->n_tenths; i++) {
        const struct ent_metrics_tenth *t = &m->tenths[i];

        CU_ASSERT(t->first == next && t->last >= t->first);
        CU_ASSERT(m->n_tenths == 1 ||
                  (t->positives > floor - 1e-6 && t->rows - t->positives > floor - 1e-6));
        CU_ASSERT(i == 0 || t->lowest <= m->tenths[i - 1].lowest);
        rows += t->rows;
        positives += t->positives;
        predicted += t->rows * t->predicted;
        next = t->last + 1;
    }
    CU_ASSERT_EQUAL(next, ENT_METRIC_TENTHS + 1);
    CU_ASSERT_DOUBLE_EQUAL(rows, (double)m->rows, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(positives, (double)m->positives, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(predicted, m->predicted * (double)m->rows, 1e-6 * (double)m->rows);
}

/* AUC and the like are computed from all cells, to the bit; only what is shown as cells is merged. */
ENT_TEST(floor, figures_stay_and_tenths_hold_it)
{
    static int64_t v[EVAL_DIM];
    struct ent_rng rng = ent_rng_init(7, 1);
    uint32_t whole = 0;
    uint32_t one = 0;

    for (int k = 0; k < 300; k++) {
        uint32_t floor = 1 + ent_rng_below(&rng, 120);
        const struct ent_task_sizes all = {.outputs = ENT_OUTPUTS_BINARY};
        const struct ent_task_sizes floored = {.outputs = ENT_OUTPUTS_BINARY, .min_group = floor};
        struct ent_metrics a;
        struct ent_metrics b;

        some_rows(&rng, 1 + ent_rng_below(&rng, 9000), v);
        ENT_OK(ent_task_evaluate_finish_of(&all, v, EVAL_DIM, &a));
        ENT_OK(ent_task_evaluate_finish_of(&floored, v, EVAL_DIM, &b));
        same_figures(&a, &b);
        CU_ASSERT(a.has_half && a.n_tenths == ENT_METRIC_TENTHS);
        check_tenths(&a, 0);
        check_tenths(&b, floor > 1 ? floor : 0);
        CU_ASSERT_EQUAL(b.has_half,
                        floor <= 1 ||
                            (a.half.true_positives >= floor && a.half.false_positives >= floor &&
                             a.half.true_negatives >= floor && a.half.false_negatives >= floor));
        CU_ASSERT(b.has_half ? memcmp(&a.half, &b.half, sizeof a.half) == 0
                             : b.half.true_negatives == 0);
        whole += b.n_tenths == ENT_METRIC_TENTHS ? 1 : 0;
        one += b.n_tenths == 1 ? 1 : 0;
    }
    CU_ASSERT(whole > 0 && one > 0 && whole + one < 300); /* all kinds were seen */
}

ENT_TEST(floor, tenths_of_known_numbers)
{
    struct ent_metrics_tenth t[4] = {{1, 1, 100.0, 60.0, 0.9, 0.8},
                                     {2, 2, 100.0, 30.0, 0.5, 0.4},
                                     {3, 3, 100.0, 20.0, 0.3, 0.2},
                                     {4, 4, 100.0, 10.0, 0.1, 0.0}};

    CU_ASSERT_EQUAL_FATAL(ent_floor_tenths(t, 4, 40), 2);
    CU_ASSERT(t[0].first == 1 && t[0].last == 1 && t[0].positives == 60.0);
    CU_ASSERT(t[1].first == 2 && t[1].last == 4 && t[1].rows == 300.0 && t[1].positives == 60.0);
    CU_ASSERT_DOUBLE_EQUAL(t[1].predicted, 0.3, 1e-12);
    CU_ASSERT_EQUAL(t[1].lowest, 0.0);
    CU_ASSERT_EQUAL_FATAL(ent_floor_tenths(t, 2, 1000), 1);
    CU_ASSERT(t[0].first == 1 && t[0].last == 4 && t[0].rows == 400.0 && t[0].positives == 120.0);
    CU_ASSERT_EQUAL(ent_floor_tenths(t, 0, 5), 0);
}

/* Below the floor in all: nothing but the figures. */
ENT_TEST(floor, no_rows_no_cells)
{
    static const int64_t v[EVAL_DIM];
    const struct ent_task_sizes sizes = {.outputs = ENT_OUTPUTS_BINARY, .min_group = 50};
    struct ent_metrics m;

    ENT_OK(ent_task_evaluate_finish_of(&sizes, v, EVAL_DIM, &m));
    CU_ASSERT(m.n_tenths == 0 && !m.has_half && m.rows == 0);
}
