#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/task/fill.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/client_config.h"
#include "tests/support/ent_test.h"

static const char plan_text[] =
    "features:\n"
    "  - {name: age, type: number, range: [0, 100]}\n"
    "  - {name: job, type: category, values: [a, b]}\n"
    "  - {name: loan, type: boolean}\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 1, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 4, optimizer: {sgd: {rate: "
    "0.1, momentum: 0.9}}, seed: 7}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 16, "
    "min_members: 3, join: 30s, update: 10min, attempts: 3}\n";

static const char csv_text[] = "age,job,loan,y\n"
                               "25,a,yes,yes\n"
                               "50,b,no,no\n"
                               ",a,,no\n"
                               "150,zzz,yes,yes\n"
                               "-5,,no,no\n"
                               "33.3,b,yes,no\n";

struct fixture {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    struct ent_parts *parts;
    struct ent_fill fill;
    uint8_t salt[ENT_UPDATE_SALT_BYTES];
};

static void set_up(struct fixture *f)
{
    const char *dir = ent_test_tmpdir();
    char *path = NULL;
    static const char yaml[] =
        "data: {source: csv, path: d.csv, bad_rows: fail}\n"
        "policy: {tasks: [stats, train, evaluate], min_members: 3, plans: any}\n";

    *f = (struct fixture){0};
    for (size_t i = 0; i < sizeof f->salt; i++) {
        f->salt[i] = (uint8_t)(i + 1);
    }
    ENT_OK(ent_path_join(dir, "d.csv", &path));
    ENT_OK(ent_file_write_new(path, csv_text, strlen(csv_text), 0600));
    free(path);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &f->plan));
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)yaml, strlen(yaml),
                                   &f->config));
    ENT_OK(ent_table_load_plan(f->plan, f->config, &f->table));
    ENT_OK(ent_split_table(f->plan, f->table, NULL, &f->parts));
    f->fill = (struct ent_fill){.plan = f->plan, .table = f->table, .salt = f->salt};
}

static void tear_down(struct fixture *f)
{
    ent_parts_free(f->parts);
    ent_table_free(f->table);
    ent_client_config_free(f->config);
    ent_plan_free(f->plan);
}

static int64_t unit(double x)
{
    return (int64_t)floor(x / 100.0 * 1048576.0 + 0.5);
}

/* The vector written down by hand from the six rows above. */
ENT_TEST(fill, stats_equal_a_naive_count)
{
    struct fixture f;
    struct ent_payload p = {0};
    int64_t v[14];
    int64_t u[5];
    int64_t sum = 0;
    int64_t squares = 0;
    size_t dim = 0;

    set_up(&f);
    u[0] = unit(25);
    u[1] = unit(50);
    u[2] = unit(100);
    u[3] = unit(0);
    u[4] = unit((double)33.3F);
    for (int i = 0; i < 5; i++) {
        sum += u[i];
        squares += u[i] * u[i];
    }
    ENT_OK(ent_fill_dim(f.plan, ENT_TASK_STATS, &dim));
    CU_ASSERT_EQUAL_FATAL(dim, 14);
    ENT_OK(ent_fill_stats(&f.fill, &f.parts->part[ENT_SPLIT_TRAIN], &p));
    CU_ASSERT_EQUAL_FATAL(p.dim, dim);
    CU_ASSERT_EQUAL(p.len, ENT_UPDATE_SALT_BYTES + 14 * 8);
    CU_ASSERT_EQUAL(memcmp(p.bytes, f.salt, sizeof f.salt), 0);
    ent_payload_int64(&p, v);
    CU_ASSERT_EQUAL(v[0], 6); /* rows */
    CU_ASSERT_EQUAL(v[1], 2); /* positives */
    CU_ASSERT_EQUAL(v[2], 5); /* age: present */
    CU_ASSERT_EQUAL(v[3], 1); /* missing */
    CU_ASSERT_EQUAL(v[4], 2); /* clipped */
    CU_ASSERT_EQUAL(v[5], sum);
    CU_ASSERT_EQUAL(v[6], squares >> 20);
    CU_ASSERT_EQUAL(v[7], 2);  /* job: a */
    CU_ASSERT_EQUAL(v[8], 2);  /* b */
    CU_ASSERT_EQUAL(v[9], 1);  /* other */
    CU_ASSERT_EQUAL(v[10], 1); /* missing */
    CU_ASSERT_EQUAL(v[11], 2); /* loan: false */
    CU_ASSERT_EQUAL(v[12], 3); /* true */
    CU_ASSERT_EQUAL(v[13], 1); /* missing */
    ent_payload_release(&p);
    tear_down(&f);
}

/* Below the floor a member with rows sends what one without any sends; at the floor what it has, but for values in few
 * rows. */
ENT_TEST(fill, statistics_below_the_floor_are_those_of_nobody)
{
    const struct ent_split_rows nobody = {0};
    struct ent_payload few = {0};
    struct ent_payload none = {0};
    struct ent_payload all = {0};
    struct fixture f;
    bool withholds = false;
    int64_t v[14];

    set_up(&f);
    f.fill.floor = 7; /* of 6 rows */
    ENT_OK(ent_fill_withholds(&f.fill, &f.parts->part[ENT_SPLIT_TRAIN], &withholds));
    CU_ASSERT(withholds);
    ENT_OK(ent_fill_stats(&f.fill, &f.parts->part[ENT_SPLIT_TRAIN], &few));
    ENT_OK(ent_fill_stats(&f.fill, &nobody, &none));
    CU_ASSERT_EQUAL_FATAL(few.len, none.len);
    CU_ASSERT_EQUAL(memcmp(few.bytes, none.bytes, few.len), 0);
    ent_payload_int64(&few, v);
    for (size_t i = 0; i < 14; i++) {
        CU_ASSERT_EQUAL(v[i], 0);
    }
    f.fill.floor = 6;
    ENT_OK(ent_fill_withholds(&f.fill, &f.parts->part[ENT_SPLIT_TRAIN], &withholds));
    CU_ASSERT(!withholds);
    ENT_OK(ent_fill_stats(&f.fill, &f.parts->part[ENT_SPLIT_TRAIN], &all));
    ent_payload_int64(&all, v);
    CU_ASSERT(v[0] == 6 && v[2] == 5);
    CU_ASSERT(v[7] == 0 && v[8] == 0 && v[9] == 5 && v[10] == 1); /* a and b are other values */
    ent_payload_withhold(&all);
    CU_ASSERT_EQUAL(memcmp(all.bytes, none.bytes, all.len), 0);
    ent_payload_release(&few);
    ent_payload_release(&none);
    ent_payload_release(&all);
    tear_down(&f);
}

/* Sums of squares above 2^63 before the shift: exact all the same. */
ENT_TEST(fill, squares_of_many_rows_are_exact)
{
    enum { N = (1 << 23) + 3 };
    struct fixture f;
    struct ent_payload p = {0};
    struct ent_column columns[3] = {0};
    struct ent_table table = {0};
    struct ent_split_rows part = {.n = N};
    int64_t v[14];

    set_up(&f);
    ENT_OK(ent_calloc(N, sizeof *part.rows, &part.rows));
    ENT_OK(ent_calloc(1, sizeof *columns[0].numbers, &columns[0].numbers));
    ENT_OK(ent_calloc(1, sizeof *columns[1].codes, &columns[1].codes));
    ENT_OK(ent_calloc(1, sizeof *columns[2].bools, &columns[2].bools));
    ENT_OK(ent_calloc(1, 1, &table.labels));
    columns[0].numbers[0] = 99.99F; /* every entry of the part is this one row */
    table.schema = f.table->schema;
    table.columns = columns;
    table.n_rows = 1;
    f.fill.table = &table;
    ENT_OK(ent_fill_stats(&f.fill, &part, &p));
    ent_payload_int64(&p, v);
    {
        uint64_t u = (uint64_t)unit((double)99.99F);
        uint64_t whole = u * u; /* below 2^40 */
        uint64_t high = (whole >> 20) * N;
        uint64_t low = ((whole & 0xFFFFF) * N) >> 20;

        CU_ASSERT_EQUAL(v[5], (int64_t)u * N);
        CU_ASSERT_EQUAL(v[6], (int64_t)(high + low));
    }
    ent_payload_release(&p);
    free(columns[0].numbers);
    free(columns[1].codes);
    free(columns[2].bools);
    free(table.labels);
    free(part.rows);
    tear_down(&f);
}

static int32_t le32(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                     (uint32_t)p[3] << 24);
}

ENT_TEST(fill, train_is_the_quantised_delta)
{
    struct fixture f;
    struct ent_model *model = NULL;
    struct ent_payload p = {0};
    float base[512];
    float after[512];
    size_t n;

    set_up(&f);
    ENT_OK(ent_train_model_new(f.plan, true, &model));
    n = ent_model_n_params(model);
    CU_ASSERT_EQUAL_FATAL(n, (size_t)ent_plan_n_params(f.plan));
    CU_ASSERT_FATAL(n <= 512);
    for (size_t i = 0; i < n; i++) {
        base[i] = (float)i * 0.25F;
        after[i] = base[i] + (i % 2 == 0 ? 1.0F : -1.0F) * (float)i * 0x1p-17F;
    }
    memcpy(ent_model_params(model), after, n * sizeof(float));
    ENT_OK(ent_fill_train(&f.fill, model, base, &p));
    CU_ASSERT_EQUAL(p.len, ENT_UPDATE_SALT_BYTES + 4 * n);
    for (size_t i = 0; i < n; i++) {
        double scaled = (double)(after[i] - base[i]) * 65536.0;

        CU_ASSERT_EQUAL(le32(p.bytes + ENT_UPDATE_SALT_BYTES + 4 * i), (int32_t)nearbyint(scaled));
    }
    ent_payload_release(&p);
    ent_model_free(model);
    tear_down(&f);
}

ENT_TEST(fill, train_stops_at_what_the_grid_cannot_hold)
{
    struct fixture f;
    struct ent_model *model = NULL;
    struct ent_payload p = {0};
    float base[512] = {0};

    set_up(&f);
    ENT_OK(ent_train_model_new(f.plan, true, &model));
    ent_model_params(model)[3] = NAN;
    ENT_FAILS(ent_fill_train(&f.fill, model, base, &p), ENT_E_NONFINITE);
    CU_ASSERT_PTR_NULL(p.bytes);
    memset(ent_model_params(model), 0, ent_model_n_params(model) * sizeof(float));
    ent_model_params(model)[5] = 200.0F; /* * 2^16 > 2^23 */
    ENT_FAILS(ent_fill_train(&f.fill, model, base, &p), ENT_E_RANGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "scale_bits"));
    CU_ASSERT_PTR_NULL(p.bytes);
    ent_model_free(model);
    tear_down(&f);
}

static const char member_text[] = "features:\n"
                                  "  - {name: age, type: number, range: [0, 100]}\n"
                                  "  - {name: job, type: category, values: [a, b]}\n"
                                  "  - {name: loan, type: boolean}\n"
                                  "label: {name: y, positive: \"yes\"}\n"
                                  "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
                                  "training: {rounds: 5, seed: 7}\n"
                                  "aggregation: {scale_bits: 16}\n"
                                  "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 0.25}\n";

/* Sum of squares of the payload's integers; *first: one of them. */
static uint64_t norm2_of(const struct ent_payload *p, size_t n, int32_t *largest)
{
    uint64_t sum = 0;

    *largest = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t q = le32(p->bytes + ENT_UPDATE_SALT_BYTES + 4 * i);

        sum += (uint64_t)((int64_t)q * q);
        *largest = abs(q) > *largest ? abs(q) : *largest;
    }
    return sum;
}

/* Noise is derived from the clipped norm: whatever the training made, no update is longer, and none is an error. */
ENT_TEST(fill, an_update_under_unit_member_is_clipped_and_never_fails)
{
    static const float bad[] = {NAN, INFINITY, 200.0F, 3e38F, 0.0F, 1e-3F};
    const uint64_t bound = 16384; /* 2^16 / 4 */
    struct ent_clip_done done;
    struct fixture f;
    struct ent_plan *plan = NULL;
    struct ent_model *model = NULL;
    float base[512] = {0};
    size_t n;

    set_up(&f);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)member_text, strlen(member_text), &plan));
    ENT_OK(ent_train_model_new(plan, true, &model));
    n = ent_model_n_params(model);
    f.fill.plan = plan;
    f.fill.clipped = &done;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ent_payload p = {0};
        int32_t largest;
        uint64_t norm2;

        memset(ent_model_params(model), 0, n * sizeof(float));
        ent_model_params(model)[3] = bad[i];
        ENT_OK(ent_fill_train(&f.fill, model, base, &p));
        CU_ASSERT_EQUAL(p.len, ENT_UPDATE_SALT_BYTES + 4 * n);
        norm2 = norm2_of(&p, n, &largest);
        CU_ASSERT(norm2 <= bound * bound);
        CU_ASSERT_EQUAL(done.nonfinite, !isfinite(bad[i]));
        CU_ASSERT_EQUAL(done.clipped, isfinite(bad[i]) && bad[i] > 1.0F);
        CU_ASSERT_EQUAL(norm2 == 0, !isfinite(bad[i]) || bad[i] < 1e-6F);
        if (done.clipped) {
            CU_ASSERT_EQUAL(largest, (int32_t)bound);
        }
        ent_payload_release(&p);
    }
    f.fill.plan = f.plan;
    ent_model_free(model);
    ent_plan_free(plan);
    tear_down(&f);
}

ENT_TEST(fill, histogram_equals_a_naive_count)
{
    static const float prob[] = {0.0F, 0.25F, 0.5F, 0.999F, 1.0F, 1.0F, 0.0F};
    static const float y[] = {0.0F, 1.0F, 0.0F, 1.0F, 1.0F, 0.0F, 1.0F};
    size_t dim = ent_task_evaluate_dim();
    struct ent_histogram h = {0};
    double expected;

    ENT_OK(ent_calloc(dim, sizeof *h.v, &h.v));
    ent_histogram_add(&h, prob, y, 7);
    CU_ASSERT_FALSE(h.nonfinite);
    CU_ASSERT_EQUAL(h.v[0], 7);
    CU_ASSERT_EQUAL(h.v[1], 4);
    CU_ASSERT_EQUAL(h.v[3], 1); /* probability 0 of the true class: 64 nats */
    expected = floor(-log(0.25) * 1048576 + 0.5) + floor(-log(0.5) * 1048576 + 0.5) +
               floor(-log((double)0.999F) * 1048576 + 0.5) + floor(24 * log(2) * 1048576 + 0.5) +
               64.0 * 1048576;
    CU_ASSERT_EQUAL((double)h.v[2], expected);
    /* 0, 0.75^2, 0.5^2, 0.001^2, 0, 1, 1; 0 + 0.25 + 0.5 + 0.999 + 1 + 1 + 0 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_BRIER], 589824 + 262144 + 1 + 2 * 1048576);
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_PREDICTED], 262144 + 524288 + 1047527 + 2 * 1048576);
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 0], 1);           /* label 0: 0.0 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 512], 1);         /* 0.5 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 1023], 1);        /* 1.0 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 1024 + 256], 1);  /* label 1: 0.25 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 1024 + 1022], 1); /* 0.999 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 1024 + 1023], 1); /* 1.0 */
    CU_ASSERT_EQUAL(h.v[ENT_EVAL_CELLS_AT + 1024], 1);        /* 0.0 */
    {
        float nan_prob = NAN;

        ent_histogram_add(&h, &nan_prob, y, 1);
        CU_ASSERT_TRUE(h.nonfinite);
    }
    free(h.v);
}

static bool never(void *ctx)
{
    (void)ctx;
    return false;
}

ENT_TEST(fill, evaluate_counts_every_row_once_and_can_be_stopped)
{
    enum { N = 700 };
    struct fixture f;
    struct ent_model *model = NULL;
    struct ent_payload p = {0};
    struct ent_rows_matrix m = {0};
    struct ent_fill_evaluate what = {0};
    struct ent_rows rows;
    struct ent_rng rng = ent_rng_init(3, 0);
    int64_t *v = NULL;
    float *x = NULL;
    float *y = NULL;
    int64_t cells = 0;

    set_up(&f);
    ENT_OK(ent_train_model_new(f.plan, true, &model));
    ent_model_init_params(model, &rng);
    m.n_inputs = ent_model_n_inputs(model);
    ENT_OK(ent_calloc((size_t)N * m.n_inputs, sizeof *x, &x));
    ENT_OK(ent_calloc(N, sizeof *y, &y));
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < m.n_inputs; j++) {
            x[i * m.n_inputs + j] = ent_rng_float(&rng) * 4.0F - 2.0F;
        }
        y[i] = i % 3 == 0 ? 1.0F : 0.0F;
    }
    m.x = x;
    m.y = y;
    rows = ent_rows_of_matrix(&m, N);
    what = (struct ent_fill_evaluate){.model = model, .rows = &rows};
    ENT_OK(ent_fill_evaluate(&f.fill, &what, &p));
    ENT_OK(ent_calloc(p.dim, sizeof *v, &v));
    ent_payload_int64(&p, v);
    CU_ASSERT_EQUAL(v[0], N);
    CU_ASSERT_EQUAL(v[1], (N + 2) / 3);
    for (size_t i = ENT_EVAL_CELLS_AT; i < p.dim; i++) {
        cells += v[i];
    }
    CU_ASSERT_EQUAL(cells, N);
    ent_payload_release(&p);
    what.keep_going = never;
    ENT_FAILS(ent_fill_evaluate(&f.fill, &what, &p), ENT_E_STOPPED);
    CU_ASSERT_PTR_NULL(p.bytes);
    free(v);
    free(x);
    free(y);
    ent_model_free(model);
    tear_down(&f);
}

/* Python: int.from_bytes(sha256(b"entente/train-seed/v1\0" + (7).to_bytes(8, "big") + (2).to_bytes(8, "big")
 * + b"brand-a").digest()[:8], "big") */
ENT_TEST(fill, seed_depends_on_plan_round_and_name_only)
{
    uint64_t a = 0;
    uint64_t b = 0;

    ENT_OK(ent_fill_seed(7, 2, "brand-a", &a));
    CU_ASSERT_EQUAL(a, UINT64_C(0x1e1ed9e298cfc1e1));
    ENT_OK(ent_fill_seed(7, 2, "brand-b", &b));
    CU_ASSERT_NOT_EQUAL(a, b);
    ENT_OK(ent_fill_seed(7, 3, "brand-a", &b));
    CU_ASSERT_NOT_EQUAL(a, b);
}
