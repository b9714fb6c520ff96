#include <math.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "simulate/compare.h"
#include "tests/support/ent_test.h"
#include "tests/unit/simulate/world.h"

#define CSV_MAX ((size_t)1 << 20)

/* ---- the same model ---- */

ENT_TEST(simulate, threads_and_order_change_nothing)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_DIRICHLET, .members = 200, .alpha = 0.5, .seed = 1};
    struct ent_federation_options one = ent_world_plain(1);
    struct ent_federation_options two = ent_world_plain(2);
    struct ent_federation_options shuffled = ent_world_plain(2);
    uint8_t digest[3][32];
    struct world w;

    ent_world_open(&w, 3000, 1, &spec);
    shuffled.order = 99;
    ent_world_digest(&w, &one, digest[0]);
    ent_world_digest(&w, &two, digest[1]);
    ent_world_digest(&w, &shuffled, digest[2]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[2], 32), 0);
    ent_world_close(&w);
}

/* More than one message can name: a round opens with several. */
ENT_TEST(simulate, more_members_than_a_real_round_has)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 2100, .seed = 1};
    struct ent_federation_options one = ent_world_plain(1);
    struct ent_federation_options three = ent_world_plain(3);
    uint8_t digest[2][32];
    struct world w;

    ent_world_open(&w, 4200, 1, &spec);
    w.plan->rounds = 1;
    three.order = 5;
    ent_world_digest(&w, &one, digest[0]); /* one worker adds all of them up */
    ent_world_digest(&w, &three, digest[1]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    ent_world_close(&w);
}

ENT_TEST(simulate, cohorts_and_dropouts_are_drawn_the_same)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 40, .seed = 1};
    struct ent_federation_options one = ent_world_plain(1);
    struct ent_federation_options two = ent_world_plain(2);
    struct ent_federation_options all = ent_world_plain(1);
    uint8_t digest[3][32];
    struct world w;

    ent_world_open(&w, 1200, 1, &spec);
    one.fraction = two.fraction = 0.3;
    one.dropout = two.dropout = 0.2;
    two.order = 7;
    ent_world_digest(&w, &one, digest[0]);
    ent_world_digest(&w, &two, digest[1]);
    ent_world_digest(&w, &all, digest[2]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(digest[0], digest[2], 32), 0);
    ent_world_close(&w);
}

ENT_TEST(simulate, state_in_a_file_is_the_same_state)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 6, .seed = 1};
    struct ent_federation_options memory = ent_world_plain(2);
    struct ent_federation_options file = ent_world_plain(2);
    struct ent_federation_memory said;
    uint8_t digest[3][32];
    struct world w;

    ent_world_open(&w, 300, 1, &spec);
    file.state_memory = 16;
    ent_federation_memory(w.plan, 6, 2, file.state_memory, &said);
    CU_ASSERT(said.state_in_file && said.state > 16);
    ent_world_digest(&w, &memory, digest[0]);
    ent_world_digest(&w, &file, digest[1]);
    CU_ASSERT_EQUAL(memcmp(digest[0], digest[1], 32), 0);
    w.plan->optimizer.keep_state = false;
    ent_world_digest(&w, &memory, digest[2]);
    CU_ASSERT_NOT_EQUAL(memcmp(digest[0], digest[2], 32), 0); /* it is used at all */
    ent_world_close(&w);
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
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open(&w, 600, 1, &spec);
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
    ent_world_close(&w);
}

ENT_TEST(simulate, learns_and_compares)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    struct ent_comparison c;
    struct world w;

    ent_world_open(&w, 3000, 8, &spec);
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
    ent_comparison_release(&c);
    ent_federation_result_release(&result);
    ent_world_close(&w);
}

ENT_TEST(simulate, too_few_members_is_said)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 4, .seed = 1};
    struct ent_federation_options options = ent_world_plain(1);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open(&w, 200, 1, &spec);
    options.fraction = 0.25;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_CONFIG);
    options.fraction = 1.0;
    options.dropout = 0.999;
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_TOO_FEW);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "failed"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "lower --dropout or aggregation.min_members"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "decline"));
    ent_world_close(&w);
}

/* A grid so fine that no update fits: nobody is lost, everybody declines, and the run says for what. */
ENT_TEST(simulate, too_few_because_members_decline_is_said)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 4, .seed = 1};
    struct ent_federation_options options = ent_world_plain(2);
    struct ent_federation_result result = {0};
    struct world w;

    ent_world_open(&w, 200, 1, &spec);
    w.plan->scale_bits = 30; /* no change above 2^-7 */
    CU_ASSERT_EQUAL(ent_federation_run(w.plan, w.population, &options, &result), ENT_E_TOO_FEW);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "see to what members decline for: m000"));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "scale_bits"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "--dropout"));
    ent_world_close(&w);
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
    struct ent_federation_options run = ent_world_plain(2);
    struct ent_federation_result result = {0};
    const struct ent_population_counts *c;
    struct world w = {0};

    ent_world_path(&w);
    write_odd(w.path);
    ent_world_read(&w);
    options.plan = w.plan;
    options.config = w.config;
    options.data = w.path;
    ENT_OK(ent_population_new(&options, &w.population));
    c = &w.population->counts;
    CU_ASSERT(c->without_rows > 0 && c->without_positive > 0 && c->positive_only > 0);
    ENT_OK(ent_population_check(w.population)); /* some do take part */
    ENT_OK(ent_federation_run(w.plan, w.population, &run, &result));
    /* stats, 3 x (train, evaluate), test: 8 rounds for those without rows or with one label, 3 for those without training
     * rows */
    CU_ASSERT_EQUAL(result.declined,
                    8ULL * (c->without_rows + c->without_positive + c->positive_only) +
                        3ULL * c->without_train_rows);
    ent_federation_result_release(&result);
    ent_population_free(w.population);

    options.division = (struct ent_division_spec){.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    ENT_OK(ent_population_new(&options, &w.population));
    CU_ASSERT_EQUAL(w.population->counts.lone_values, 1);
    CU_ASSERT_EQUAL(w.population->counts.lone_members, 1);
    CU_ASSERT_EQUAL(w.population->counts.positive_only, 2);
    CU_ASSERT_EQUAL(w.population->counts.without_positive, 0);
    ENT_OK(ent_federation_run(w.plan, w.population, &run, &result));
    CU_ASSERT(result.test.rows > 0);
    ent_federation_result_release(&result);
    ent_world_close(&w);
}

/* A positive value that nobody has: nobody takes part, and the sentence says why. */
ENT_TEST(simulate, a_label_that_nobody_has)
{
    struct ent_population_options options = {
        .division = {.kind = ENT_DIVISION_IID, .members = 4, .seed = 2}};
    static const char nowhere[] = "ja";
    const char *positive;
    struct world w = {0};

    ent_world_path(&w);
    ent_world_write(w.path, 200, 4);
    ent_world_read(&w);
    positive = w.plan->label_positive;
    w.plan->label_positive = nowhere;
    options.plan = w.plan;
    options.config = w.config;
    options.data = w.path;
    ENT_OK(ent_population_new(&options, &w.population));
    CU_ASSERT_EQUAL(w.population->counts.without_positive, 4);
    ENT_FAILS(ent_population_check(w.population), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(),
                                  "none of the 200 rows with a label has 'ja', which the plan "
                                  "counts as positive"));
    ent_population_free(w.population);
    w.plan->privacy.unit = ENT_PRIVACY_MEMBER; /* there labels do not decide, as at a real member */
    ENT_OK(ent_population_new(&options, &w.population));
    CU_ASSERT_EQUAL(w.population->counts.without_positive, 0);
    ENT_FAILS(ent_population_check(w.population), ENT_E_DATA);
    w.plan->privacy.unit = ENT_PRIVACY_NONE;
    w.plan->label_positive = positive;
    ent_world_close(&w);
}
