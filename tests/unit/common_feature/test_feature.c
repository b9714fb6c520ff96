#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/feature/date.h"
#include "common/feature/feature.h"
/* Static tables: each program uses some of them. */
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "tests/golden/features_golden.h"
#include "tests/support/ent_test.h"

static struct ent_feature ple(double lo, double hi, enum ent_scale scale, uint32_t bins)
{
    return (struct ent_feature){.name = "x",
                                .column = "x",
                                .type = ENT_FEATURE_NUMBER,
                                .encode = ENT_ENCODE_PLE,
                                .lo = lo,
                                .hi = hi,
                                .scale = scale,
                                .bins = bins,
                                .heavy = true};
}

ENT_TEST(scales, signed_log_of_the_math_library)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(golden_log_x); i++) {
        double y = ent_slog(golden_log_x[i]);
        double back = ent_sexp(golden_log_y[i]);

        CU_ASSERT(fabs(y - golden_log_y[i]) <= 1e-14 * fabs(golden_log_y[i]));
        CU_ASSERT(fabs(back - golden_log_x[i]) <= 1e-13 * fabs(golden_log_x[i]));
        CU_ASSERT_EQUAL(ent_slog(-golden_log_x[i]), -y);
    }
}

ENT_TEST(scales, cells_ascend_and_their_edges_lie_in_them)
{
    const struct ent_feature kinds[] = {ple(-50000, 150000, ENT_SCALE_LOG, 16),
                                        ple(15, 95, ENT_SCALE_LINEAR, 16),
                                        ple(0, 0.2, ENT_SCALE_LOG, 16)};

    for (size_t k = 0; k < ENT_ARRAY_LEN(kinds); k++) {
        struct ent_place place = ent_place_of(&kinds[k]);
        double before = kinds[k].lo;

        CU_ASSERT_EQUAL(ent_feature_cell_edge(&kinds[k], 0), kinds[k].lo);
        CU_ASSERT_EQUAL(ent_feature_cell_edge(&kinds[k], ENT_FEATURE_CELLS), kinds[k].hi);
        CU_ASSERT_EQUAL(ent_place_cell(&place, kinds[k].lo), 0);
        CU_ASSERT_EQUAL(ent_place_cell(&place, kinds[k].hi), ENT_FEATURE_CELLS - 1);
        for (uint32_t c = 1; c <= ENT_FEATURE_CELLS; c++) {
            double edge = ent_feature_cell_edge(&kinds[k], c);

            CU_ASSERT(edge > before);
            CU_ASSERT_EQUAL(ent_place_cell(&place, 0.5 * (before + edge)), c - 1);
            before = edge;
        }
    }
}

/* ---- edges ---- */

static void check_column(struct ent_feature f, const float *values, size_t n,
                         const uint32_t *expected, size_t n_expected, const double *edges)
{
    struct ent_place place = ent_place_of(&f);
    int64_t cells[ENT_FEATURE_CELLS] = {0};
    uint32_t got[ENT_FEATURE_EDGES_MAX];
    uint32_t n_got;

    for (size_t i = 0; i < n; i++) {
        cells[ent_place_cell(&place, (double)values[i])]++;
    }
    n_got = ent_ple_cells(cells, f.bins, f.heavy, got);
    CU_ASSERT_EQUAL_FATAL(n_got, n_expected);
    for (uint32_t i = 0; i < n_got; i++) {
        CU_ASSERT_EQUAL(got[i], expected[i]);
        CU_ASSERT_DOUBLE_EQUAL(ent_feature_cell_edge(&f, got[i]), edges[i], 1e-9 * fabs(edges[i]));
    }
}

ENT_TEST(edges, of_known_columns)
{
    check_column(ple(-5000, 10000, ENT_SCALE_LOG, 16), golden_spread_values,
                 ENT_ARRAY_LEN(golden_spread_values), golden_spread_cells,
                 ENT_ARRAY_LEN(golden_spread_cells), golden_spread_edges);
    check_column(ple(-50, 900, ENT_SCALE_LOG, 8), golden_heavy_values,
                 ENT_ARRAY_LEN(golden_heavy_values), golden_heavy_cells,
                 ENT_ARRAY_LEN(golden_heavy_cells), golden_heavy_edges);
    check_column(ple(0, 5, ENT_SCALE_LINEAR, 16), golden_few_values,
                 ENT_ARRAY_LEN(golden_few_values), golden_few_cells,
                 ENT_ARRAY_LEN(golden_few_cells), golden_few_edges);
}

ENT_TEST(edges, nothing_one_row_one_value)
{
    int64_t cells[ENT_FEATURE_CELLS] = {0};
    uint32_t edges[ENT_FEATURE_EDGES_MAX];

    CU_ASSERT_EQUAL(ent_ple_cells(cells, 16, true, edges), 0);
    cells[77] = 1;
    CU_ASSERT_EQUAL(ent_ple_cells(cells, 16, true, edges), 2);
    CU_ASSERT(edges[0] == 77 && edges[1] == 78);
    cells[77] = INT64_C(1) << 40; /* ranks must not overflow */
    CU_ASSERT_EQUAL(ent_ple_cells(cells, 64, true, edges), 2);
    CU_ASSERT(edges[0] == 77 && edges[1] == 78);
}

/* For any histogram: strictly ascending, inside the occupied cells, never more than the inputs hold; summed members
 * give what the pooled rows give (the sum is all that is used, so this is about the law's wording: any split). */
ENT_TEST(edges, laws)
{
    struct ent_rng rng = ent_rng_init(11, 0);

    for (int run = 0; run < 300; run++) {
        uint32_t bins = 2 + ent_rng_below(&rng, ENT_FEATURE_BINS_MAX - 1);
        bool heavy = ent_rng_below(&rng, 4) > 0;
        uint32_t spread = 1 + ent_rng_below(&rng, ENT_FEATURE_CELLS);
        int64_t member[3][ENT_FEATURE_CELLS] = {{0}};
        int64_t sum[ENT_FEATURE_CELLS];
        int64_t pooled[ENT_FEATURE_CELLS] = {0};
        uint32_t a[ENT_FEATURE_EDGES_MAX];
        uint32_t b[ENT_FEATURE_EDGES_MAX];
        uint32_t n;

        for (int i = 0; i < 500; i++) {
            uint32_t c = ent_rng_below(&rng, 3) == 0 ? spread / 2 : ent_rng_below(&rng, spread);

            member[ent_rng_below(&rng, 3)][c]++;
            pooled[c]++;
        }
        for (size_t c = 0; c < ENT_FEATURE_CELLS; c++) {
            sum[c] = member[0][c] + member[1][c] + member[2][c];
        }
        n = ent_ple_cells(sum, bins, heavy, a);
        CU_ASSERT_EQUAL(ent_ple_cells(pooled, bins, heavy, b), n);
        CU_ASSERT(n >= 2 && n <= (heavy ? 2 * bins : bins) + 1);
        CU_ASSERT_EQUAL(memcmp(a, b, n * sizeof a[0]), 0);
        for (uint32_t i = 0; i < n; i++) {
            CU_ASSERT(a[i] <= spread && (i == 0 || a[i - 1] < a[i]));
            CU_ASSERT(i + 1 == n || pooled[a[i]] > 0);
        }
        CU_ASSERT_EQUAL(pooled[a[n - 1] - 1] > 0, true);
    }
}

/* Where one value has most rows the others still get their quantiles; without `heavy` they do not. */
ENT_TEST(edges, a_heavy_value_leaves_room_for_the_others)
{
    int64_t cells[ENT_FEATURE_CELLS] = {0};
    uint32_t edges[ENT_FEATURE_EDGES_MAX];
    uint32_t with;

    cells[10] = 900;
    for (uint32_t c = 100; c < 200; c++) {
        cells[c] = 1;
    }
    with = ent_ple_cells(cells, 10, true, edges);
    CU_ASSERT_EQUAL_FATAL(with, 12); /* 10; 100, 110, ... 190; 200 */
    for (uint32_t t = 0; t < 10; t++) {
        CU_ASSERT_EQUAL(edges[1 + t], 100 + 10 * t);
    }
    CU_ASSERT_EQUAL(ent_ple_cells(cells, 10, false, edges), 3); /* 10, 100, 200 */
    cells[10] = 25; /* exactly a fifth of 125 is not more than a fifth */
    CU_ASSERT_EQUAL(ent_ple_cells(cells, 10, true, edges), ent_ple_cells(cells, 10, false, edges));
}

/* ---- vocabulary ---- */

static const struct ent_feature words = {.name = "w",
                                         .column = "w",
                                         .type = ENT_FEATURE_CATEGORY,
                                         .codes = ENT_CODES_VOCABULARY,
                                         .bits = 3,
                                         .salt = "s",
                                         .size = 3,
                                         .min_customers = 50,
                                         .min_members = 2};

ENT_TEST(vocabulary, both_floors_and_the_most_frequent)
{
    static const int64_t customers[8] = {50, 49, 1000, 60, 60, 0, 70, 60};
    static const int64_t members[8] = {2, 9, 1, 2, 3, 0, 5, 2};
    struct ent_feature all = words;
    uint32_t buckets[8];
    uint32_t n = 99;

    ENT_OK(ent_vocabulary_keep(&words, customers, members, buckets, &n));
    CU_ASSERT_EQUAL_FATAL(n, 3); /* 6 (70), then the lower two of those with 60 */
    CU_ASSERT(buckets[0] == 3 && buckets[1] == 4 && buckets[2] == 6);
    all.size = 8;
    ENT_OK(ent_vocabulary_keep(&all, customers, members, buckets, &n));
    CU_ASSERT_EQUAL_FATAL(n, 5); /* not 1 (customers), not 2 (members), not 5 */
    CU_ASSERT(buckets[0] == 0 && buckets[1] == 3 && buckets[4] == 7);
    all.min_members = 6;
    ENT_OK(ent_vocabulary_keep(&all, customers, members, buckets, &n));
    CU_ASSERT_EQUAL(n, 0);
}

/* ---- features and fits ---- */

ENT_TEST(feature, inputs_by_its_kind)
{
    struct ent_feature f[6] = {
        {.type = ENT_FEATURE_NUMBER, .hi = 1, .indicator = true},
        ple(0, 1, ENT_SCALE_LOG, 16),
        {.type = ENT_FEATURE_CATEGORY, .n_values = 4},
        {.type = ENT_FEATURE_CATEGORY, .codes = ENT_CODES_HASHED, .bits = 5, .salt = "s"},
        words,
        {.type = ENT_FEATURE_BOOLEAN}};
    static const uint32_t inputs[6] = {2, 32, 5, 33, 4, 2};
    uint32_t first = 0;

    CU_ASSERT_EQUAL(ent_features_number(f, 6), 78);
    for (size_t i = 0; i < 6; i++) {
        CU_ASSERT(f[i].n_inputs == inputs[i] && f[i].first_input == first);
        first += inputs[i];
    }
    f[1].heavy = false;
    f[1].indicator = true;
    CU_ASSERT_EQUAL(ent_feature_inputs(&f[1]), 17);
}

/* Each field that means something makes another feature. */
ENT_TEST(feature, same_or_not)
{
    const struct ent_feature number = ple(0, 10, ENT_SCALE_LOG, 16);
    struct ent_feature changed[12];

    for (size_t i = 0; i < 8; i++) {
        changed[i] = number;
    }
    changed[0].name = "y";
    changed[1].column = "y";
    changed[2].hi = 11;
    changed[3].bins = 15;
    changed[4].scale = ENT_SCALE_LINEAR;
    changed[5].heavy = false;
    changed[6].outliers = ENT_OUTLIERS_MISSING;
    changed[7].encode = ENT_ENCODE_LOG;
    for (size_t i = 8; i < 12; i++) {
        changed[i] = words;
    }
    changed[8].salt = "t";
    changed[9].bits = 4;
    changed[10].min_members = 3;
    changed[11].size = 2;
    CU_ASSERT(ent_feature_same(&number, &number) && ent_feature_same(&words, &words));
    for (size_t i = 0; i < 12; i++) {
        CU_ASSERT(!ent_feature_same(&changed[i], i < 8 ? &number : &words));
    }
}

ENT_TEST(feature, what_is_not_whole)
{
    struct ent_feature f = ple(0, 10, ENT_SCALE_LOG, 16);

    ENT_OK(ent_feature_check(&f));
    f.bins = 1;
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
    f = ple(NAN, 10, ENT_SCALE_LOG, 16);
    ENT_FAILS(ent_feature_check(&f), ENT_E_NONFINITE);
    f = ple(11, 10, ENT_SCALE_LOG, 16);
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
    f = words;
    f.salt = NULL;
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
    f = words;
    f.bits = 31;
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
    f = words;
    f.size = 9; /* of 8 buckets */
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
    f = words;
    f.format = "iso"; /* without a part */
    ENT_FAILS(ent_feature_check(&f), ENT_E_CONFIG);
}

ENT_TEST(fit, copies_and_checks)
{
    struct ent_feature f[2] = {ple(0, 10, ENT_SCALE_LINEAR, 2), words};
    double edges[] = {1.0, 2.0, 4.0};
    uint32_t buckets[] = {1, 7};
    struct ent_fit fits[2] = {{.mean = 2.0, .sd = 1.0, .edges = edges, .n_edges = 3},
                              {.sd = 1.0, .buckets = buckets, .n_buckets = 2}};
    struct ent_fits *copy = NULL;

    ENT_OK(ent_fits_copy(fits, 2, &copy));
    CU_ASSERT(ent_fits_same(fits, copy->fit, 2));
    for (size_t i = 0; i < 2; i++) {
        ENT_OK(ent_fit_check(&f[i], &copy->fit[i]));
    }
    copy->fit[1].buckets[1] = 6;
    CU_ASSERT(!ent_fits_same(fits, copy->fit, 2));
    copy->fit[1].buckets[1] = 8; /* beyond the buckets */
    ENT_FAILS(ent_fit_check(&f[1], &copy->fit[1]), ENT_E_CONFIG);
    copy->fit[1].buckets[1] = 1; /* twice */
    ENT_FAILS(ent_fit_check(&f[1], &copy->fit[1]), ENT_E_CONFIG);
    copy->fit[0].edges[1] = 1.0;
    ENT_FAILS(ent_fit_check(&f[0], &copy->fit[0]), ENT_E_CONFIG);
    copy->fit[0].edges[1] = (double)INFINITY;
    ENT_FAILS(ent_fit_check(&f[0], &copy->fit[0]), ENT_E_NONFINITE);
    copy->fit[0].edges[1] = 2.0;
    copy->fit[0].edges[2] = 10.5; /* outside the range */
    ENT_FAILS(ent_fit_check(&f[0], &copy->fit[0]), ENT_E_CONFIG);
    ENT_FAILS(ent_fit_check(&f[1], &fits[0]), ENT_E_CONFIG); /* edges of a category */
    ent_fits_free(copy);
}

/* ---- dates ---- */

ENT_TEST(date, of_another_library)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(golden_dates); i++) {
        int64_t seconds = 0;

        CU_ASSERT_TRUE(
            ent_date_parse("iso", golden_dates[i].text, strlen(golden_dates[i].text), &seconds));
        CU_ASSERT_EQUAL(seconds, golden_dates[i].seconds);
        CU_ASSERT_EQUAL(ent_date_month(seconds), golden_dates[i].month);
        CU_ASSERT_EQUAL(ent_date_weekday(seconds), golden_dates[i].weekday);
        CU_ASSERT_EQUAL(ent_date_hour(seconds), golden_dates[i].hour);
    }
}

ENT_TEST(date, formats)
{
    static const struct {
        const char *format;
        const char *text;
        int64_t seconds; /* -1: not one */
    } cases[] = {
        {"iso", "1970-01-02", 86400},
        {"iso", "1970-01-01T00:01", 60},
        {"iso", "1970-01-01 00:00:07.250", 7},
        {"iso", "1970-01-01T01:00:00+01:00", 0},
        {"iso", "1970-01-01T00:00:00Z", 0},
        {"iso", "1969-12-31T23:00:00-0100", 0},
        {"iso", "2024-02-29", 1709164800},
        {"iso", "2023-02-29", -1},
        {"iso", "1900-02-29", -1},
        {"iso", "2024-13-01", -1},
        {"iso", "2024-1-1", -1},
        {"iso", "2024-01-01x", -1},
        {"iso", "2024-01-01T", -1},
        {"iso", "2024-01-01T24:00", -1},
        {"iso", "2024-01-01T10:00.", -1},
        {"iso", "0000-01-01", -1},
        {"iso", "", -1},
        {"unix", "86400", 86400},
        {"unix", "9999999999999", -1},
        {"unix", "1e5", -1},
        {"DD.MM.YYYY", "2.1.1970", 86400},
        {"MM/DD/YYYY hh:mm", "1/2/1970 0:01", 86460},
        {"YYYYMMDD", "19700102", 86400},
        {"YYYY", "1971", 31536000},
        {"DD.MM.YYYY", "2.1.70", -1},
        {"DD.MM.YYYY", "31.4.1970", -1},
        {"DD.MM.YYYY", "2.1.1970 ", -1},
    };

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        const char *why;
        int64_t seconds = -1;

        CU_ASSERT_TRUE(ent_date_format_ok(cases[i].format, &why));
        CU_ASSERT_EQUAL(
            ent_date_parse(cases[i].format, cases[i].text, strlen(cases[i].text), &seconds),
            cases[i].seconds >= 0);
        if (cases[i].seconds >= 0) {
            CU_ASSERT_EQUAL(seconds, cases[i].seconds);
        }
    }
}

ENT_TEST(date, formats_that_are_none)
{
    static const char *const bad[] = {"", "DD.MM", "YYYY-YYYY", "YYYY-mon-DD", "%Y-%m-%d"};
    const char *why;

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        CU_ASSERT_FALSE(ent_date_format_ok(bad[i], &why));
        CU_ASSERT_PTR_NOT_NULL(why);
    }
}
