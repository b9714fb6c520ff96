/* Sequences in a simulated federation: the same model for any number of threads, and odd members counted. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/plan/client_config.h"
#include "simulate/compare.h"
#include "simulate/federation.h"
#include "tests/support/ent_test.h"

#define ITEMS 5

static const char plan_text[] =
    "features:\n"
    "  - {name: item, type: category, ids: [0, 4], embed: 4}\n"
    "  - {name: size, type: number, range: [0, 10]}\n"
    "sequence: {unit: who, time: n, length: 8}\n"
    "min_group: 1\n"
    "label: {next: item}\n"
    "split: {test: 0.2, validation: 0.1}\n"
    "model: {layers: [{gru: 12}, {dense: 5}]}\n"
    "training: {rounds: 6, batch: 16, optimizer: {adam: {rate: 0.02}}}\n"
    "aggregation: {weights: examples_log2, min_members: 2}\n";

struct world {
    char path[64];
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_population *population;
};

/* Shops s0 to s3 see items go round; "single" has units of one event, "same" item 0 only, "own" item 4, which nobody else
 * has. */
static void write_events(const char *path)
{
    struct ent_rng rng = ent_rng_init(3, 0);
    struct ent_buf text;

    ent_buf_init(&text, (size_t)1 << 22);
    ENT_OK(ent_buf_addf(&text, "who,n,item,size,shop\n"));
    for (unsigned u = 0; u < 400; u++) {
        unsigned item = ent_rng_below(&rng, ITEMS - 1);

        for (unsigned i = 0; i < 3 + u % 7; i++) {
            ENT_OK(ent_buf_addf(&text, "u%u,%u,%u,%u,s%u\n", u, i, item, item, u % 4));
            item = (item + 1) % (ITEMS - 1);
        }
    }
    for (unsigned u = 0; u < 20; u++) {
        ENT_OK(ent_buf_addf(&text, "a%u,0,1,1,single\n", u));
        ENT_OK(ent_buf_addf(&text, "b%u,0,0,1,same\nb%u,1,0,1,same\n", u, u));
        ENT_OK(ent_buf_addf(&text, "c%u,0,4,1,own\nc%u,1,0,1,own\nc%u,2,4,1,own\n", u, u, u));
    }
    ENT_OK(ent_file_write_atomic(path, text.data, text.len, 0600));
    ent_buf_release(&text);
}

static void open_world(struct world *w, const struct ent_division_spec *division)
{
    static const char yaml[] = "data: {source: csv, path: rows.csv}\n";
    struct ent_population_options options = {.division = *division};

    *w = (struct world){0};
    (void)snprintf(w->path, sizeof w->path, "/tmp/entente-sequences-%d.csv", (int)getpid());
    write_events(w->path);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, sizeof plan_text - 1, &w->plan));
    ENT_OK(ent_client_config_parse("client.yaml", ".", (const uint8_t *)yaml, sizeof yaml - 1,
                                   &w->config));
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

ENT_TEST(sequences, odd_members_are_counted)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct world w;

    open_world(&w, &spec);
    CU_ASSERT_EQUAL(w.population->n_members, 7);
    CU_ASSERT_EQUAL(w.population->counts.without_rows, 1); /* of "single" no sequence is left */
    CU_ASSERT_EQUAL(w.population->table->counts.n_short, 20);
    CU_ASSERT_EQUAL(w.population->counts.one_class, 1);
    CU_ASSERT_EQUAL(w.population->counts.lone_values, 1);
    CU_ASSERT_EQUAL(w.population->counts.lone_members, 1);
    close_world(&w);
}

ENT_TEST(sequences, a_federation_learns_what_comes_next)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct ent_federation_options options = {.fraction = 1.0, .state_memory = (uint64_t)1 << 30};
    struct ent_federation_result result[2] = {{0}, {0}};
    struct ent_comparison comparison = {0};
    struct world w;

    open_world(&w, &spec);
    for (uint32_t i = 0; i < 2; i++) {
        options.threads = i + 1;
        options.order = i;
        ENT_OK(ent_federation_run(w.plan, w.population, &options, &result[i]));
    }
    CU_ASSERT_EQUAL(memcmp(result[0].digest, result[1].digest, 32), 0);
    CU_ASSERT_EQUAL(result[0].test.outputs, ENT_OUTPUTS_CLASSES);
    CU_ASSERT_TRUE(result[0].test.accuracy > 0.9);
    CU_ASSERT_TRUE(result[0].test.log_loss < 0.5);
    CU_ASSERT_TRUE(result[0].validation.rows > 0);
    ENT_OK(ent_compare(w.plan, w.plan, w.population, &result[0], 2, &comparison));
    CU_ASSERT_TRUE(comparison.pooled.pooled_loss < 0.5);
    CU_ASSERT_TRUE(comparison.alone.members_loss < 1.0);
    CU_ASSERT_EQUAL(comparison.n_members, w.population->n_members);
    ent_comparison_release(&comparison);
    ent_federation_result_release(&result[0]);
    ent_federation_result_release(&result[1]);
    close_world(&w);
}

ENT_TEST(sequences, what_comes_next_is_no_class_to_divide_by)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_DIRICHLET, .members = 3, .alpha = 0.5, .seed = 1};
    struct ent_division_spec evenly = {.kind = ENT_DIVISION_IID, .members = 3, .seed = 1};
    struct world w;
    uint32_t n = 0;
    char **names = NULL;
    uint32_t member_of[1000];

    open_world(&w, &evenly);
    CU_ASSERT_EQUAL(w.population->n_members, 3);
    CU_ASSERT_TRUE_FATAL(w.population->table->n_rows <= 1000);
    ENT_FAILS(ent_division_make(&spec, w.population->table, member_of, &n, &names), ENT_E_USAGE);
    close_world(&w);
}
