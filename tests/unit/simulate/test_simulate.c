#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/plan/client_config.h"
#include "simulate/compare.h"
#include "simulate/federation.h"
#include "simulate/sweep.h"
#include "tests/support/ent_test.h"

#define CSV_MAX ((size_t)8 << 20)
#define STATE_IN_MEMORY ((uint64_t)1 << 30)

static const char plan_text[] =
    "features:\n"
    "  - {name: a, type: number, range: [-4, 4]}\n"
    "  - {name: b, type: number, range: [-4, 4]}\n"
    "  - {name: c, type: category, values: [x, y, z]}\n"
    "label: {name: label, positive: \"1\"}\n"
    "split: {key: 42, validation: 0.1, test: 0.2}\n"
    "model: {layers: [{dense: 8}, relu, {dropout: 0.1}, {dense: 1}], loss: bce}\n"
    "training: {rounds: 3, epochs: 1, batch: 8, optimizer: {adam: {rate: 0.02}}, seed: 5}\n"
    "aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 2, join: "
    "30s, update: 5min, attempts: 3}\n";

/* One simulated federation: plan, data in a file, population. */
struct world {
    char path[64];
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_population *population;
};

/* The n-th of `shops` shops gets row n, n + shops, ... */
static void write_rows(const char *path, uint32_t n, uint32_t shops)
{
    struct ent_rng rng = ent_rng_init(11, 0);
    struct ent_buf text;

    ent_buf_init(&text, CSV_MAX);
    ENT_OK(ent_buf_addf(&text, "a,b,c,shop,label\n"));
    for (uint32_t i = 0; i < n; i++) {
        double a = ent_rng_normal(&rng);
        double b = ent_rng_normal(&rng);
        bool positive = a * b + 0.5 * ent_rng_normal(&rng) > 0;

        ENT_OK(ent_buf_addf(&text, "%.4f,%.4f,%c,s%u,%d\n", fmin(fmax(a, -4), 4),
                            fmin(fmax(b, -4), 4), "xyz"[ent_rng_below(&rng, 3)],
                            (unsigned)(i % shops), positive));
    }
    ENT_OK(ent_file_write_atomic(path, text.data, text.len, 0600));
    ent_buf_release(&text);
}

static void read_world(struct world *w)
{
    static const char yaml[] = "data: {source: csv, path: rows.csv}\n";

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, sizeof plan_text - 1, &w->plan));
    ENT_OK(ent_client_config_parse("client.yaml", ".", (const uint8_t *)yaml, sizeof yaml - 1,
                                   &w->config));
}

static void open_world(struct world *w, uint32_t rows, uint32_t shops,
                       const struct ent_division_spec *division)
{
    struct ent_population_options options = {.division = *division};

    *w = (struct world){0};
    (void)snprintf(w->path, sizeof w->path, "/tmp/entente-simulate-%d.csv", (int)getpid());
    write_rows(w->path, rows, shops);
    read_world(w);
    options.plan = w->plan;
    options.config = w->config;
    options.data = w->path;
    ENT_OK(ent_population_new(&options, &w->population));
}

static void close_world(struct world *w)
{
    ent_population_free(w->population);
    ent_client_config_free(w->config);
    ent_plan_free(w->plan);
    (void)unlink(w->path);
}

static void digest_of(struct world *w, const struct ent_federation_options *options,
                      uint8_t digest[32])
{
    struct ent_federation_result result = {0};

    ENT_OK(ent_federation_run(w->plan, w->population, options, &result));
    memcpy(digest, result.digest, 32);
    ent_federation_result_release(&result);
}

static struct ent_federation_options plain(uint32_t threads)
{
    return (struct ent_federation_options){
        .threads = threads, .fraction = 1.0, .state_memory = STATE_IN_MEMORY};
}

/* ---- the division ---- */

static uint32_t rows_of_all(const struct ent_population *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_members; i++) {
        for (uint32_t part = 0; part < 4; part++) {
            n += p->members[i].parts.part[part].n;
        }
    }
    return n;
}

ENT_TEST(simulate, every_row_has_one_member)
{
    struct ent_division_spec specs[] = {
        {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"},
        {.kind = ENT_DIVISION_IID, .members = 7, .seed = 1},
        {.kind = ENT_DIVISION_DIRICHLET, .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_QUANTITY, .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_DIRICHLET, .column = "shop", .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_SHARDS, .members = 9, .shards = 2, .seed = 1}};
    static const uint32_t members[] = {5, 7, 9, 9, 9, 9};

    for (size_t k = 0; k < ENT_ARRAY_LEN(specs); k++) {
        struct world w;
        uint8_t *seen;

        open_world(&w, 500, 5, &specs[k]);
        seen = calloc(500, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(seen);
        CU_ASSERT_EQUAL(w.population->n_members, members[k]);
        CU_ASSERT_EQUAL(rows_of_all(w.population), 500);
        for (uint32_t i = 0; i < w.population->n_members; i++) {
            for (uint32_t part = 0; part < 4; part++) {
                const struct ent_split_rows *list = &w.population->members[i].parts.part[part];

                for (uint32_t r = 0; r < list->n; r++) {
                    CU_ASSERT_EQUAL(seen[list->rows[r]]++, 0);
                    CU_ASSERT(r == 0 || list->rows[r] > list->rows[r - 1]);
                }
            }
        }
        free(seen);
        close_world(&w);
    }
}

ENT_TEST(simulate, members_by_column_are_its_values)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct world w;

    open_world(&w, 200, 4, &spec);
    for (uint32_t i = 0; i < 4; i++) {
        char name[8];

        (void)snprintf(name, sizeof name, "s%u", (unsigned)i);
        CU_ASSERT_STRING_EQUAL(w.population->members[i].name, name);
        for (uint32_t r = 0; r < w.population->members[i].parts.part[ENT_SPLIT_TRAIN].n; r++) {
            uint32_t row = w.population->members[i].parts.part[ENT_SPLIT_TRAIN].rows[r];

            CU_ASSERT_EQUAL(w.population->table->source_rows[row] % 4, i);
        }
    }
    close_world(&w);
}

static double spread(double alpha, enum ent_division kind)
{
    struct ent_division_spec spec = {.kind = kind, .members = 10, .alpha = alpha, .seed = 3};
    struct world w;
    double squares = 0.0;

    open_world(&w, 2000, 1, &spec);
    for (uint32_t i = 0; i < 10; i++) {
        const struct ent_simulated_member *m = &w.population->members[i];
        double x = kind == ENT_DIVISION_QUANTITY ? m->parts.part[ENT_SPLIT_TRAIN].n
                                                 : (double)m->train_positives;

        squares += x * x;
    }
    close_world(&w);
    return squares;
}

ENT_TEST(simulate, smaller_alpha_is_more_uneven)
{
    CU_ASSERT(spread(0.1, ENT_DIVISION_QUANTITY) > 1.5 * spread(100.0, ENT_DIVISION_QUANTITY));
    CU_ASSERT(spread(0.1, ENT_DIVISION_DIRICHLET) > 1.5 * spread(100.0, ENT_DIVISION_DIRICHLET));
}

/* Rows of every shop, over all parts. */
static void count_shops(const struct world *w, const struct ent_simulated_member *m, uint32_t shops,
                        uint32_t *counts)
{
    memset(counts, 0, shops * sizeof *counts);
    for (uint32_t part = 0; part < 4; part++) {
        const struct ent_split_rows *list = &m->parts.part[part];

        for (uint32_t r = 0; r < list->n; r++) {
            counts[w->population->table->source_rows[list->rows[r]] % shops]++;
        }
    }
}

ENT_TEST(simulate, shards_give_each_member_few_classes_and_as_many_rows)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_SHARDS, .column = "shop", .members = 10, .shards = 2, .seed = 4};
    uint32_t counts[10];
    struct world w;

    open_world(&w, 2000, 10, &spec); /* a piece is 100 rows: half a shop */
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t all = 0;
        uint32_t n = 0;

        count_shops(&w, &w.population->members[i], 10, counts);
        for (uint32_t k = 0; k < 10; k++) {
            CU_ASSERT(counts[k] % 100 == 0);
            all += counts[k];
            n += counts[k] > 0 ? 1 : 0;
        }
        CU_ASSERT_EQUAL(all, 200);
        CU_ASSERT(n == 1 || n == 2);
    }
    close_world(&w);
}

ENT_TEST(simulate, dirichlet_over_a_columns_values)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_DIRICHLET, .column = "shop", .members = 10, .alpha = 0.05, .seed = 4};
    uint32_t counts[5];
    uint32_t largest = 0;
    struct world w;

    open_world(&w, 2000, 5,
               &spec); /* 400 rows a shop; dealt evenly a member would have 40 of each */
    for (uint32_t i = 0; i < 10; i++) {
        count_shops(&w, &w.population->members[i], 5, counts);
        for (uint32_t k = 0; k < 5; k++) {
            largest = counts[k] > largest ? counts[k] : largest;
        }
    }
    CU_ASSERT(largest > 200);
    close_world(&w);
}

ENT_TEST(simulate, divisions_that_cannot_be)
{
    struct world w = {0};
    struct ent_division_spec specs[] = {
        {.kind = ENT_DIVISION_BY_COLUMN, .column = "no_such"},
        {.kind = ENT_DIVISION_IID, .members = 0},
        {.kind = ENT_DIVISION_IID, .members = ENT_POPULATION_MEMBERS_MAX + 1},
        {.kind = ENT_DIVISION_DIRICHLET, .members = 3, .alpha = 0.0},
        {.kind = ENT_DIVISION_SHARDS, .members = 30, .shards = 4},
        {.kind = ENT_DIVISION_SHARDS, .members = 3, .shards = 0}};
    static const enum ent_err codes[] = {ENT_E_DATA,  ENT_E_USAGE, ENT_E_USAGE,
                                         ENT_E_USAGE, ENT_E_USAGE, ENT_E_USAGE};

    (void)snprintf(w.path, sizeof w.path, "/tmp/entente-simulate-%d.csv", (int)getpid());
    write_rows(w.path, 100, 3);
    read_world(&w);
    for (size_t i = 0; i < ENT_ARRAY_LEN(specs); i++) {
        struct ent_population_options options = {
            .plan = w.plan, .config = w.config, .data = w.path, .division = specs[i]};

        CU_ASSERT_EQUAL(ent_population_new(&options, &w.population), codes[i]);
    }
    w.population = NULL;
    close_world(&w);
}

/* ---- the same model ---- */

ENT_TEST(simulate, threads_and_order_change_nothing)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_DIRICHLET, .members = 200, .alpha = 0.5, .seed = 1};
    struct ent_federation_options one = plain(1);
    struct ent_federation_options two = plain(2);
    struct ent_federation_options shuffled = plain(2);
    uint8_t digest[3][32];
    struct world w;

    open_world(&w, 3000, 1, &spec);
    shuffled.order = 99;
    digest_of(&w, &one, digest[0]);
    digest_of(&w, &two, digest[1]);
    digest_of(&w, &shuffled, digest[2]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[2], 32), 0);
    close_world(&w);
}

ENT_TEST(simulate, cohorts_and_dropouts_are_drawn_the_same)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 40, .seed = 1};
    struct ent_federation_options one = plain(1);
    struct ent_federation_options two = plain(2);
    struct ent_federation_options all = plain(1);
    uint8_t digest[3][32];
    struct world w;

    open_world(&w, 1200, 1, &spec);
    one.fraction = two.fraction = 0.3;
    one.dropout = two.dropout = 0.2;
    two.order = 7;
    digest_of(&w, &one, digest[0]);
    digest_of(&w, &two, digest[1]);
    digest_of(&w, &all, digest[2]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(digest[0], digest[2], 32), 0);
    close_world(&w);
}

ENT_TEST(simulate, state_in_a_file_is_the_same_state)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 6, .seed = 1};
    struct ent_federation_options memory = plain(2);
    struct ent_federation_options file = plain(2);
    struct ent_federation_memory said;
    uint8_t digest[3][32];
    struct world w;

    open_world(&w, 300, 1, &spec);
    file.state_memory = 16;
    ent_federation_memory(w.plan, 6, 2, file.state_memory, &said);
    CU_ASSERT(said.state_in_file && said.state > 16);
    digest_of(&w, &memory, digest[0]);
    digest_of(&w, &file, digest[1]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    w.plan->optimizer.keep_state = false;
    digest_of(&w, &memory, digest[2]);
    CU_ASSERT_NOT_EQUAL(memcmp(digest[0], digest[2], 32), 0); /* it is used at all */
    close_world(&w);
}

/* ---- a round's course ---- */

struct seen {
    uint32_t trained;
    uint32_t most_in_training;
    uint32_t fewest_in_evaluation;
    uint32_t dropped;
};

static void see(void *ctx, const struct ent_simulated_round *r)
{
    struct seen *s = ctx;

    if (r->task == ENT_ROUND_TRAIN) {
        uint32_t invited = r->accepted + r->rejected + r->dropped;

        s->trained++;
        s->most_in_training = invited > s->most_in_training ? invited : s->most_in_training;
    }
    if (r->task == ENT_ROUND_EVALUATE && r->accepted < s->fewest_in_evaluation) {
        s->fewest_in_evaluation = r->accepted;
    }
    s->dropped += r->dropped;
}

ENT_TEST(simulate, a_fraction_trains_and_all_evaluate)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 20, .seed = 1};
    struct seen seen = {.fewest_in_evaluation = UINT32_MAX};
    struct ent_federation_options options = plain(2);
    struct ent_federation_result result = {0};
    struct world w;

    open_world(&w, 600, 1, &spec);
    options.fraction = 0.25;
    options.dropout = 0.3;
    options.progress = see;
    options.ctx = &seen;
    ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
    CU_ASSERT_EQUAL(seen.trained, 3);
    CU_ASSERT_EQUAL(seen.most_in_training, 5);
    CU_ASSERT_EQUAL(seen.fewest_in_evaluation, 20);
    CU_ASSERT(seen.dropped > 0 && seen.dropped == result.dropped);
    CU_ASSERT_EQUAL(result.test.rows, w.population->all->part[ENT_SPLIT_TEST].n);
    ent_federation_result_release(&result);
    close_world(&w);
}

ENT_TEST(simulate, learns_and_compares)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct ent_federation_options options = plain(2);
    struct ent_federation_result result = {0};
    struct ent_comparison c;
    struct world w;

    open_world(&w, 3000, 8, &spec);
    w.plan->rounds = 12;
    ENT_OK(ent_federation_run(w.plan, w.population, &options, &result));
    CU_ASSERT(result.test.auc > 0.8);
    CU_ASSERT_EQUAL(result.train_done, 12);
    ENT_OK(ent_compare(w.plan, w.plan, w.population, &result, 2, &c));
    CU_ASSERT_EQUAL(c.n_compared, 8);
    CU_ASSERT(c.pooled.pooled > 0.8);
    CU_ASSERT(c.alone.members > 0.5 && c.alone.members < c.pooled.members);
    CU_ASSERT_DOUBLE_EQUAL(c.federated.pooled, result.test.auc, 0.0);
    CU_ASSERT(fabs(c.federated.members - c.federated.pooled) < 0.05);
    ent_federation_result_release(&result);
    close_world(&w);
}

ENT_TEST(simulate, too_few_members_is_said)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 4, .seed = 1};
    struct ent_federation_options options = plain(1);
    struct ent_federation_result result = {0};
    struct world w;

    open_world(&w, 200, 1, &spec);
    options.fraction = 0.25;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_CONFIG);
    options.fraction = 1.0;
    options.dropout = 0.999;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_TOO_FEW);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "failed"));
    close_world(&w);
}

/* ---- odd members ---- */

/* s0 ordinary, s1 only positive rows and a value of its own, s2 two rows (perhaps none to train on), s3 ordinary. */
static void write_odd(const char *path)
{
    struct ent_buf text;

    ent_buf_init(&text, CSV_MAX);
    ENT_OK(ent_buf_addf(&text, "a,b,c,shop,label\n"));
    for (uint32_t i = 0; i < 300; i++) {
        ENT_OK(ent_buf_addf(&text, "%.2f,%.2f,x,s%u,%u\n", (double)(i % 13) / 4,
                            (double)(i % 7) / 4, (unsigned)(i % 2) * 3, (unsigned)(i % 5 < 2)));
    }
    for (uint32_t i = 0; i < 40; i++) {
        ENT_OK(ent_buf_addf(&text, "%.2f,1,z,s1,1\n", (double)i / 20));
    }
    ENT_OK(ent_buf_addf(&text, "1,1,x,s2,1\n"));
    ENT_OK(ent_file_write_atomic(path, text.data, text.len, 0600));
    ent_buf_release(&text);
}

ENT_TEST(simulate, odd_members_are_counted_and_decline)
{
    struct ent_population_options options = {
        .division = {.kind = ENT_DIVISION_DIRICHLET, .members = 60, .alpha = 0.05, .seed = 2}};
    struct ent_federation_options run = plain(2);
    struct ent_federation_result result = {0};
    const struct ent_population_counts *c;
    struct world w = {0};

    (void)snprintf(w.path, sizeof w.path, "/tmp/entente-simulate-%d.csv", (int)getpid());
    write_odd(w.path);
    read_world(&w);
    options.plan = w.plan;
    options.config = w.config;
    options.data = w.path;
    ENT_OK(ent_population_new(&options, &w.population));
    c = &w.population->counts;
    CU_ASSERT(c->without_rows > 0 && c->one_class > 0);
    ENT_OK(ent_federation_run(w.plan, w.population, &run, &result));
    /* stats, 3 x (train, evaluate), test: 8 rounds for those without rows, 3 for those without training rows */
    CU_ASSERT_EQUAL(result.declined, 8ULL * c->without_rows + 3ULL * c->without_train_rows);
    ent_federation_result_release(&result);
    ent_population_free(w.population);

    options.division = (struct ent_division_spec){.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    ENT_OK(ent_population_new(&options, &w.population));
    CU_ASSERT_EQUAL(w.population->counts.lone_values, 1);
    CU_ASSERT_EQUAL(w.population->counts.lone_members, 1);
    ENT_OK(ent_federation_run(w.plan, w.population, &run, &result));
    CU_ASSERT(result.test.rows > 0);
    ent_federation_result_release(&result);
    close_world(&w);
}

/* ---- parts ---- */

ENT_TEST(simulate, sweep_makes_every_combination)
{
    struct ent_sweep sweep;
    struct world w = {0};

    read_world(&w);
    ENT_OK(ent_sweep_parse("train.lr=0.1,0.01;train.batch=16,32,64", &sweep));
    CU_ASSERT_EQUAL(ent_sweep_combinations(&sweep), 6);
    for (uint32_t i = 0; i < 6; i++) {
        static const uint32_t batches[] = {16, 32, 64};

        ENT_OK(ent_sweep_apply(&sweep, i, w.plan));
        CU_ASSERT_DOUBLE_EQUAL(w.plan->optimizer.hyper.rate, i < 3 ? 0.1 : 0.01, 0.0);
        CU_ASSERT_EQUAL(w.plan->batch, batches[i % 3]);
    }
    CU_ASSERT_EQUAL(ent_sweep_parse("train.rl=1", &sweep), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "did you mean train.lr"));
    CU_ASSERT_EQUAL(ent_sweep_parse("train.batch=1.5", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=0.1;train.lr=0.2", &sweep), ENT_E_USAGE);
    CU_ASSERT_EQUAL(ent_sweep_parse("train.lr=0", &sweep), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "above 0 and at most 10"));
    CU_ASSERT_EQUAL(ent_sweep_parse("train.momentum=1", &sweep), ENT_E_USAGE);
    ent_client_config_free(w.config);
    ent_plan_free(w.plan);
}

ENT_TEST(simulate, sweep_refuses_what_the_plan_has_no_use_for)
{
    static const char *const texts[] = {"train.momentum=0.9", "train.weight_decay=0.1",
                                        "server.tau=0.1", "server.momentum=0.5"};
    struct ent_sweep sweep;
    struct world w = {0};

    read_world(&w); /* adam; plain averaging */
    for (size_t i = 0; i < ENT_ARRAY_LEN(texts); i++) {
        ENT_OK(ent_sweep_parse(texts[i], &sweep));
        CU_ASSERT_EQUAL(ent_sweep_apply(&sweep, 0, w.plan), ENT_E_USAGE);
    }
    ENT_OK(ent_sweep_parse("train.beta1=0.5;train.patience=2;server.rate=0.5", &sweep));
    ENT_OK(ent_sweep_apply(&sweep, 0, w.plan));
    w.plan->split_validation = 0.0;
    CU_ASSERT_EQUAL(ent_sweep_apply(&sweep, 0, w.plan), ENT_E_USAGE);
    ent_client_config_free(w.config);
    ent_plan_free(w.plan);
}
