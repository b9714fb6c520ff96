/* Training and scoring of sequences and of classes: the figures of both agree, every unit has its row. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/pipeline.h"
#include "client/agent/score.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

#define UNITS 300

struct bench {
    const char *dir;
    char model[512];
    char out[512];
    char data[512];
    struct ent_local_result local;
};

static void train(struct bench *b, const char *plan_text)
{
    static const char client[] = "data: {path: data.csv}\nunit_key: who\n";
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_local local = {.model_path = b->model};

    ENT_OK(ent_client_config_parse("client.yaml", b->dir, (const uint8_t *)client,
                                   sizeof client - 1, &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan_text, strlen(plan_text), &plan));
    ENT_OK(ent_pipeline_new(config, "brand-a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_local(p, &local, &b->local));
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

/* Items go round: after item i most often comes i + step; unit 0 has one event only. */
static void set_up(struct bench *b, const char *plan_text, unsigned n_items)
{
    struct ent_rng rng = ent_rng_init(4, 0);
    struct ent_buf csv;

    *b = (struct bench){.dir = ent_test_tmpdir()};
    (void)snprintf(b->model, sizeof b->model, "%s/m.safetensors", b->dir);
    (void)snprintf(b->out, sizeof b->out, "%s/s.csv", b->dir);
    ent_buf_init(&csv, (size_t)1 << 22);
    ENT_OK(ent_buf_addf(&csv, "who,n,item,y,size\n"));
    for (unsigned u = 0; u < UNITS; u++) {
        unsigned item = ent_rng_below(&rng, n_items);
        unsigned n = u == 0 ? 1 : 2 + ent_rng_below(&rng, 9);

        for (unsigned i = 0; i < n; i++) {
            ENT_OK(ent_buf_addf(&csv, "u%u,%u,%u,c%u,%u\n", u, i, item, item % 3, item * 2));
            item = (item + (ent_rng_below(&rng, 8) == 0 ? 2 : 1)) % n_items;
        }
    }
    (void)snprintf(b->data, sizeof b->data, "%s",
                   support_file(b->dir, "data.csv", (const char *)csv.data, csv.len));
    ent_buf_release(&csv);
    train(b, plan_text);
}

static void read_lines(const char *path, size_t *n_lines, char first[256])
{
    struct ent_buf text;
    const char *s = NULL;

    ent_buf_init(&text, (size_t)1 << 22);
    ENT_OK(ent_file_read(path, &text));
    ENT_OK(ent_buf_str(&text, &s));
    *n_lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        *n_lines += s[i] == '\n' ? 1 : 0;
    }
    (void)snprintf(first, 256, "%.*s", (int)strcspn(s, "\n"), s);
    ent_buf_release(&text);
}

/* All rows through both: the test rows of training are a part of them. */
static void score_both(const struct bench *b, struct ent_score_result *out)
{
    struct ent_score_options options = {
        .model = b->model, .input = b->data, .output = b->out, .evaluate = true};

    ENT_OK(ent_score(&options, out));
}

ENT_TEST(score_sequences, next_of_few_classes)
{
    static const char plan[] =
        "features: [{name: item, type: category, ids: [0, 5], embed: 4}]\n"
        "sequence: {unit: who, time: n, length: 6, keep: all}\n"
        "label: {next: item}\nsplit: {test: 0.3, validation: 0}\n"
        "model: {layers: [{gru: 16}, {dense: 6}], truncate: 3}\n"
        "training: {rounds: 30, batch: 16, optimizer: {adam: {rate: 0.01}}}\n";
    struct ent_score_result r = {0};
    struct bench b;
    char first[256];
    size_t lines;

    set_up(&b, plan, 6);
    CU_ASSERT_EQUAL(b.local.test.outputs, ENT_OUTPUTS_CLASSES);
    CU_ASSERT_TRUE(b.local.test.accuracy > 0.75);
    CU_ASSERT_TRUE(b.local.test.log_loss < 0.8);
    CU_ASSERT_TRUE(b.local.test.auc > 0.9);
    score_both(&b, &r);
    CU_ASSERT_TRUE(r.metrics.rows > b.local.test.rows);
    CU_ASSERT_TRUE(fabs(r.metrics.log_loss - b.local.test.log_loss) < 0.15);
    CU_ASSERT_EQUAL(r.rows, UNITS);
    read_lines(b.out, &lines, first);
    CU_ASSERT_EQUAL(lines, UNITS + 1);
    CU_ASSERT_STRING_EQUAL(first, "who,0,1,2,3,4,5");
    CU_ASSERT_STRING_EQUAL(r.events[6].name, "of_one_event");
    ent_score_result_release(&r);
}

ENT_TEST(score_sequences, next_of_many_hashed_classes)
{
    static const char plan[] =
        "salt: pepper\n"
        "features: [{name: item, type: category, vocabulary: {bits: 10, size: 60, min_customers: "
        "1}, embed: 8}]\n"
        "sequence: {unit: who, time: n, length: 6, keep: first}\n"
        "label: {next: item}\nsplit: {test: 0.3, validation: 0}\n"
        "model: {layers: [{lstm: 24}, {dense: 60}]}\n"
        "training: {rounds: 40, batch: 8, optimizer: {adam: {rate: 0.01}}}\n";
    struct ent_score_result r = {0};
    struct bench b;
    char first[256];
    size_t lines;

    set_up(&b, plan, 40);
    CU_ASSERT_TRUE(b.local.test.hit10 > 0.8);
    CU_ASSERT_TRUE(isnan(b.local.test.auc)); /* too many classes for their cells */
    score_both(&b, &r);
    CU_ASSERT_EQUAL(r.rows, UNITS);
    read_lines(b.out, &lines, first);
    CU_ASSERT_EQUAL(lines, UNITS + 1);
    CU_ASSERT_EQUAL(strncmp(first, "who,top1,score1,top2,", 21), 0);
    ent_score_result_release(&r);
}

ENT_TEST(score_sequences, classes_and_numbers_of_rows)
{
    static const char classes[] =
        "features: [{name: item, type: category, ids: [0, 5], embed: 4}]\n"
        "label: {name: y, values: [c0, c1, c2]}\nsplit: {test: 0.3, validation: 0}\n"
        "model: {layers: [{dense: 16}, relu, {dense: 3}]}\n"
        "training: {rounds: 10, batch: 16, optimizer: {adam: {rate: 0.05}}}\n";
    static const char numbers[] =
        "features: [{name: item, type: number, range: [0, 5]}]\n"
        "label: {name: size, range: [0, 10]}\nsplit: {test: 0.3, validation: 0}\n"
        "model: {layers: [{dense: 1}]}\n"
        "training: {rounds: 10, batch: 16, optimizer: {adam: {rate: 0.05}}}\n";
    struct ent_score_result r = {0};
    struct bench b;
    char first[256];
    size_t lines;

    set_up(&b, classes, 6);
    CU_ASSERT_TRUE(b.local.test.accuracy > 0.99);
    score_both(&b, &r);
    CU_ASSERT_TRUE(r.metrics.accuracy > 0.99);
    read_lines(b.out, &lines, first);
    CU_ASSERT_STRING_EQUAL(first, "row,c0,c1,c2");
    ent_score_result_release(&r);
    set_up(&b, numbers, 6);
    CU_ASSERT_TRUE(b.local.test.r2 > 0.99);
    score_both(&b, &r);
    CU_ASSERT_TRUE(r.metrics.r2 > 0.99);
    read_lines(b.out, &lines, first);
    CU_ASSERT_STRING_EQUAL(first, "row,value");
    ent_score_result_release(&r);
}

ENT_TEST(score_sequences, standard_input_is_read_once)
{
    static const char plan[] = "features: [{name: item, type: category, ids: [0, 5], embed: 4}]\n"
                               "sequence: {unit: who, time: n}\nlabel: {next: item}\n"
                               "model: {layers: [{rnn: 2}, {dense: 6}]}\n"
                               "training: {rounds: 1}\n";
    struct ent_score_result r = {0};
    struct ent_score_options options = {.input = "-", .evaluate = true};
    struct bench b;

    set_up(&b, plan, 6);
    options.model = b.model;
    options.output = b.out;
    ENT_FAILS(ent_score(&options, &r), ENT_E_USAGE);
}
