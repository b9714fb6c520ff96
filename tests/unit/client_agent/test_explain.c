#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "client/agent/score.h"
#include "client/agent/verbs.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

/* Everything a feature can be made of, and columns that say nothing. */
static const char rich_plan[] =
    "salt: not-a-secret-of-this-test\n"
    "features:\n"
    "  - {name: age, type: number, range: [0, 100], encode: ple, indicator: true}\n"
    "  - {name: income, type: number, range: [0, 1000], encode: log}\n"
    "  - {name: town, type: category, hashed: {bits: 4}}\n"
    "  - {name: page, type: category, vocabulary: {bits: 6, size: 8, min_customers: 2, "
    "min_members: 2}}\n"
    "  - {name: since, type: date, format: iso, parts: [month, weekday, age], reference: "
    "2024-12-31, range: [0, 4000]}\n"
    "  - {name: loan, type: boolean}\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 1, validation: 0.2, test: 0.2}\n"
    "model: {ensemble: 4, layers: [{dense: 16}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 8, epochs: 2, batch: 32, optimizer: {adam: {rate: 0.01}}, seed: 7}\n";

/* The label is decided by the month of `since`, a little by the page, and by nothing else. */
static char *rich_csv(uint32_t n, bool labels)
{
    struct ent_rng rng = ent_rng_init(11, 0);
    struct ent_buf text;
    const char *out = NULL;
    char *copy = NULL;

    ent_buf_init(&text, (size_t)64 * 1024 * 1024);
    ENT_OK(ent_buf_addf(&text, "id,age,income,town,page,since,loan%s\n", labels ? ",y" : ""));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t month = 1 + ent_rng_below(&rng, 12);
        uint32_t page = ent_rng_below(&rng, 5);
        float p = (month > 6 ? 0.9F : 0.1F) + (page == 2 ? 0.09F : 0.0F);
        bool yes = ent_rng_float(&rng) < p;

        ENT_OK(ent_buf_addf(&text, "c%u,%u,%u,t%u,p%u,20%02u-%02u-%02u,%s", (unsigned)i,
                            (unsigned)ent_rng_below(&rng, 100), (unsigned)ent_rng_below(&rng, 1000),
                            (unsigned)ent_rng_below(&rng, 9), (unsigned)page,
                            (unsigned)(15 + ent_rng_below(&rng, 9)), (unsigned)month,
                            (unsigned)(1 + ent_rng_below(&rng, 28)),
                            ent_rng_below(&rng, 2) == 0 ? "yes" : "no"));
        ENT_OK(ent_buf_addf(&text, "%s\n", labels ? (yes ? ",yes" : ",no") : ""));
    }
    ENT_OK(ent_buf_str(&text, &out));
    ENT_OK(ent_strdup(out, &copy));
    ent_buf_release(&text);
    return copy;
}

static const char *rich_file(const char *dir, const char *name, uint32_t n, bool labels)
{
    char *csv = rich_csv(n, labels);
    const char *path = support_file(dir, name, csv, strlen(csv));

    free(csv);
    return path;
}

static void train_by(const char *dir, const char *plan_text, const char *client, char model[512])
{
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_local local = {.model_path = model};
    struct ent_local_result result;

    (void)snprintf(model, 512, "%s/model.safetensors", dir);
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)client, strlen(client),
                                   &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &plan));
    ENT_OK(ent_pipeline_new(config, "brand-a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_local(p, &local, &result));
    CU_ASSERT(result.test.auc > 0.8);
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

static void train_rich(const char *dir, char model[512])
{
    (void)rich_file(dir, "data.csv", 3000, true);
    train_by(dir, rich_plan, support_client_text(), model);
}

static const char *name_at(const struct ent_explanation *e, uint32_t i)
{
    return e->names[e->of.columns[i].column];
}

ENT_TEST(explain, names_the_column_that_decides_whatever_it_became)
{
    const char *dir = ent_test_tmpdir();
    struct ent_score_options options = {.explain = true, .explanation = {.seed = 1}};
    struct ent_score_result with = {0};
    struct ent_score_result without = {0};
    struct ent_score_result again = {0};
    struct ent_buf csv;
    char model[512];
    const char *text;

    train_rich(dir, model);
    options.model = model;
    options.input = rich_file(dir, "new.csv", 1500, true);
    ENT_OK(ent_score(&options, &with));
    CU_ASSERT_EQUAL_FATAL(with.explanation.of.n, 6); /* parts of the date are one column */
    CU_ASSERT(with.explanation.of.exchanged);
    CU_ASSERT_EQUAL(with.explanation.rows, 1500);
    CU_ASSERT_STRING_EQUAL(name_at(&with.explanation, 0), "since");
    CU_ASSERT_STRING_EQUAL(name_at(&with.explanation, 1), "page");
    CU_ASSERT(with.explanation.of.columns[0].importance > 0.3);
    CU_ASSERT(with.explanation.of.columns[0].auc < 0.65);
    CU_ASSERT(with.explanation.of.columns[2].importance < 0.05);
    ENT_OK(ent_score(&options, &again));
    CU_ASSERT_DOUBLE_EQUAL(with.explanation.of.columns[0].importance,
                           again.explanation.of.columns[0].importance, 0);
    options.input = rich_file(dir, "plain.csv", 1500, false);
    ENT_OK(ent_score(&options, &without));
    CU_ASSERT_FALSE(without.explanation.of.exchanged);
    CU_ASSERT_STRING_EQUAL(name_at(&without.explanation, 0), "since");
    CU_ASSERT(without.explanation.of.columns[0].importance > 0.2); /* half the rows flip */
    ent_buf_init(&csv, 65536);
    ENT_OK(ent_explanation_csv(&without.explanation, &csv));
    ENT_OK(ent_buf_str(&csv, &text));
    CU_ASSERT_EQUAL(strncmp(text, "column,importance,deviation,auc,shift\nsince,0.", 46), 0);
    ent_buf_release(&csv);
    ent_score_result_release(&with);
    ent_score_result_release(&without);
    ent_score_result_release(&again);
}

/* The sample is bounded and says so; rows without a label give way as soon as one with a label comes. */
ENT_TEST(explain, of_a_sample_of_the_rows)
{
    const char *dir = ent_test_tmpdir();
    struct ent_score_options options = {.explain = true, .explanation = {.rows = 200, .seed = 5}};
    struct ent_score_result r = {0};
    struct ent_buf text;
    char model[512];
    char *csv = rich_csv(900, true);
    char *comma;

    train_rich(dir, model);
    options.model = model;
    options.input = support_file(dir, "new.csv", csv, strlen(csv));
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.explanation.rows, 200);
    CU_ASSERT_EQUAL(r.explanation.of_rows, 900);
    CU_ASSERT_STRING_EQUAL(name_at(&r.explanation, 0), "since");
    ent_score_result_release(&r);
    ent_buf_init(&text, (size_t)1 << 20); /* the label of every row but the last 50 is blanked */
    for (char *line = csv; *line != '\0';) {
        char *end = strchr(line, '\n');
        bool keep = line == csv || (size_t)(strtoul(line + 1, NULL, 10)) >= 850;

        *end = '\0';
        comma = strrchr(line, ',');
        ENT_OK(
            ent_buf_addf(&text, "%.*s%s\n", (int)(comma - line + 1), line, keep ? comma + 1 : ""));
        line = end + 1;
    }
    options.input = support_file(dir, "late.csv", (const char *)text.data, text.len);
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT(r.explanation.of.exchanged);
    CU_ASSERT_EQUAL(r.explanation.rows, 50);
    CU_ASSERT_EQUAL(r.explanation.of_rows, 50);
    ent_score_result_release(&r);
    ent_buf_release(&text);
    options.input = support_file(dir, "none.csv", "age,income,town,page,since,loan\n", 32);
    ENT_FAILS(ent_score(&options, &r), ENT_E_DATA);
    free(csv);
}

ENT_TEST(explain, verb_in_every_form)
{
    const char *dir = ent_test_tmpdir();
    struct ent_score_verb verb = {.explain = true, .json = true};
    struct ent_buf csv;
    char model[512];
    char path[512];

    train_rich(dir, model);
    verb.model = model;
    verb.input = rich_file(dir, "new.csv", 300, true);
    ENT_OK(ent_verb_score(&verb, NULL, 0));
    verb.json = false;
    ENT_OK(ent_verb_score(&verb, NULL, 0));
    (void)snprintf(path, sizeof path, "%s/why.csv", dir);
    verb.explain = false;
    verb.explain_csv = path; /* says enough */
    ENT_OK(ent_verb_score(&verb, NULL, 0));
    ent_buf_init(&csv, 65536);
    ENT_OK(ent_file_read(path, &csv));
    CU_ASSERT_EQUAL(memcmp(csv.data, "column,", 7), 0);
    ent_buf_release(&csv);
    verb.explain_csv = NULL;
    ENT_FAILS(ent_verb_score(&verb, NULL, 0), ENT_E_USAGE); /* nothing to do */
    verb.repeats = 3;
    verb.evaluate = true;
    ENT_FAILS(ent_verb_score(&verb, NULL, 0),
              ENT_E_USAGE); /* of an explanation that is not asked for */
    verb.explain = true;
    verb.repeats = 1001;
    ENT_FAILS(ent_verb_score(&verb, NULL, 0), ENT_E_USAGE);
}

/* ---- models of other kinds, made by hand ---- */

static const char *const colours[] = {"red", "green, pale", "blue"};

static void write_model(const char *path, const char *loss, uint32_t units)
{
    static const char *const jobs[] = {"a", "b"};
    struct ent_feature features[2] = {
        {.name = "age", .column = "age", .type = ENT_FEATURE_NUMBER, .lo = 0, .hi = 100},
        {.name = "job",
         .column = "job",
         .type = ENT_FEATURE_CATEGORY,
         .values = jobs,
         .n_values = 2}};
    struct ent_fit fits[2] = {{.mean = 50, .sd = 10}, {.sd = 1}};
    struct ent_model_layer layer = {.kind = ENT_MODEL_DENSE, .units = units};
    struct ent_model_info info = {.features = features,
                                  .fits = fits,
                                  .n_features = 2,
                                  .layers = &layer,
                                  .n_layers = 1,
                                  .loss = loss,
                                  .label_name = "colour"};
    /* age, a, b, other -> outputs; then biases */
    static const float softmax[] = {1, 0, -1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const float number[] = {0.1F, 0.2F, -0.2F, 0, 0.3F};
    bool classes = units == 3;

    info.n_inputs = (uint32_t)ent_features_number(features, 2);
    info.label_values = classes ? colours : NULL;
    info.n_label_values = classes ? 3 : 0;
    info.label_lo = classes ? 0.0 : 100.0;
    info.label_hi = classes ? 0.0 : 300.0;
    ENT_OK(ent_modelfile_write(path, &info, classes ? softmax : number,
                               classes ? ENT_ARRAY_LEN(softmax) : ENT_ARRAY_LEN(number)));
}

static void scores_of(const char *dir, const char *loss, uint32_t units, const char *rows,
                      struct ent_score_result *r, struct ent_buf *out)
{
    struct ent_score_options options = {
        .explain = true, .evaluate = true, .id = "id", .explanation = {.seed = 1}};
    char model[512];
    char path[512];

    (void)snprintf(model, sizeof model, "%s/%s.safetensors", dir, loss);
    (void)snprintf(path, sizeof path, "%s/%s.csv", dir, loss);
    write_model(model, loss, units);
    options.model = model;
    options.output = path;
    options.input = support_file(dir, "rows.csv", rows, strlen(rows));
    ENT_OK(ent_score(&options, r));
    ent_buf_init(out, 65536);
    ENT_OK(ent_file_read(path, out));
}

ENT_TEST(score, classes_by_name)
{
    static const char rows[] = "id,age,job,colour\n"
                               "x,70,a,red\n"
                               "y,50,a,blue\n"
                               "z,30,b,blue\n";
    const char *dir = ent_test_tmpdir();
    struct ent_score_result r = {0};
    struct ent_buf text;
    const char *s;

    scores_of(dir, "softmax", 3, rows, &r, &text);
    ENT_OK(ent_buf_str(&text, &s));
    /* logits of x: 2, 2, -2; of y: 0, 2, 0; of z: -2, 0, 2 */
    CU_ASSERT(strstr(s, "id,red,\"green, pale\",blue\nx,0.495") == s);
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "\ny,0.106"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "\nz,0.015"));
    CU_ASSERT_EQUAL_FATAL(r.explanation.of.n, 2);
    CU_ASSERT(r.explanation.of.exchanged);
    CU_ASSERT(r.explanation.of.loss > 0.9 && r.explanation.of.loss < 1.1); /* 0.70, 2.24, 0.14 */
    CU_ASSERT_DOUBLE_EQUAL(r.metrics.log_loss, r.explanation.of.loss, 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(r.metrics.accuracy, 2.0 / 3.0, 1e-9);
    ent_explanation_print(&r.explanation, stdout);
    ent_buf_release(&text);
    ent_score_result_release(&r);
}

ENT_TEST(score, numbers_in_their_unit)
{
    static const char rows[] = "id,age,job,colour\n"
                               "x,70,a,270\n"
                               "y,50,a,240\n"
                               "z,30,b,\n";
    const char *dir = ent_test_tmpdir();
    struct ent_score_result r = {0};
    struct ent_buf text;
    const char *s;

    scores_of(dir, "mse", 1, rows, &r, &text);
    ENT_OK(ent_buf_str(&text, &s));
    /* x: 0.2 + 0.2 + 0.3 = 0.7 of -1 .. 1 over 100 .. 300; y: 0.5; z: -0.2 - 0.2 + 0.3 */
    CU_ASSERT(strstr(s, "id,value\nx,") == s);
    CU_ASSERT_DOUBLE_EQUAL(strtod(s + 11, NULL), 270.0, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(strtod(strstr(s, "\ny,") + 3, NULL), 250.0, 1e-4);
    CU_ASSERT_DOUBLE_EQUAL(strtod(strstr(s, "\nz,") + 3, NULL), 190.0, 1e-4);
    CU_ASSERT_EQUAL(r.unlabelled, 1);
    CU_ASSERT_EQUAL(r.explanation.rows, 2);
    CU_ASSERT_DOUBLE_EQUAL(r.explanation.of.loss, 50.0, 1e-3); /* (0^2 + 10^2) / 2, own unit */
    CU_ASSERT_DOUBLE_EQUAL(r.metrics.log_loss, 0.005, 1e-6);   /* 10 of 100 is 0.1; its square */
    ent_explanation_print(&r.explanation, stdout);
    ent_buf_release(&text);
    ent_score_result_release(&r);
}

/* ---- sequences ---- */

static const char sequence_plan[] =
    "features:\n"
    "  - {name: item, type: category, values: [a, b, c], embed: 4}\n"
    "  - {name: noise, type: number, range: [0, 1]}\n"
    "sequence: {unit: who, time: t, length: 8, keep: last}\n"
    "label: {next: item}\n"
    "split: {key: 1, test: 0.2}\n"
    "model: {layers: [{gru: 8}, {dense: 3}], loss: softmax}\n"
    "training: {rounds: 4, epochs: 2, batch: 16, optimizer: {adam: {rate: 0.02}}, seed: 7}\n";

/* Of each unit 2 to 11 events; behind a comes b, behind b c, behind c a, nine times out of ten. */
static const char *events_file(const char *dir, const char *name, uint32_t units, bool single)
{
    struct ent_rng rng = ent_rng_init(units, 0);
    struct ent_buf text;
    const char *path;

    ent_buf_init(&text, (size_t)16 * 1024 * 1024);
    ENT_OK(ent_buf_addf(&text, "who,t,item,noise\n"));
    for (uint32_t u = 0; u < units; u++) {
        uint32_t item = ent_rng_below(&rng, 3);
        uint32_t n = single ? 1 : 2 + ent_rng_below(&rng, 10);

        for (uint32_t t = 0; t < n; t++) {
            ENT_OK(ent_buf_addf(&text, "u%u,%u,%c,%.3f\n", (unsigned)u, (unsigned)t,
                                (int)(unsigned char)"abc"[item], (double)ent_rng_float(&rng)));
            item = ent_rng_below(&rng, 10) > 0 ? (item + 1) % 3 : ent_rng_below(&rng, 3);
        }
    }
    path = support_file(dir, name, (const char *)text.data, text.len);
    ent_buf_release(&text);
    return path;
}

ENT_TEST(explain, sequences_by_the_events_that_are_seen)
{
    static const char client[] = "data: {source: csv, path: events.csv, bad_rows: drop}\n"
                                 "policy: {min_members: 3}\n";
    const char *dir = ent_test_tmpdir();
    struct ent_score_options options = {.explain = true, .explanation = {.seed = 1}};
    struct ent_score_result r = {0};
    struct ent_client_config *config = NULL;
    char model[512];

    (void)events_file(dir, "events.csv", 800, false);
    train_by(dir, sequence_plan, client, model);
    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)client, strlen(client),
                                   &config));
    options.model = model;
    options.config = config;
    options.input = events_file(dir, "new.csv", 300, false);
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL_FATAL(r.explanation.of.n, 2);
    CU_ASSERT(r.explanation.sequences && r.explanation.of.exchanged);
    CU_ASSERT_EQUAL(r.explanation.rows, 300);
    CU_ASSERT(r.explanation.of.loss < 0.7); /* of log 3 = 1.1: the target is not exchanged */
    CU_ASSERT_STRING_EQUAL(name_at(&r.explanation, 0), "item");
    CU_ASSERT(r.explanation.of.columns[0].importance > 0.5);
    CU_ASSERT(fabs(r.explanation.of.columns[1].importance) < 0.1);
    ent_score_result_release(&r);
    options.input = events_file(dir, "single.csv", 50, true); /* nothing comes next: no label */
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_FALSE(r.explanation.of.exchanged);
    CU_ASSERT_EQUAL(r.explanation.rows, 50);
    CU_ASSERT_STRING_EQUAL(name_at(&r.explanation, 0), "item");
    ent_score_result_release(&r);
    ent_client_config_free(config);
}
