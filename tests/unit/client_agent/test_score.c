#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/pipeline.h"
#include "client/agent/score.h"
#include "client/agent/verbs.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/model/metrics.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

struct bench {
    const char *dir;
    const char *data;
    char model[512];
    char plan[512];
    char out[512];
    struct ent_local_result local;
};

static void train(const char *dir, const char *model, const char *member,
                  struct ent_local_result *out)
{
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_local local = {.model_path = model};

    ENT_OK(ent_client_config_parse("client.yaml", dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)support_plan_text(),
                          strlen(support_plan_text()), &plan));
    ENT_OK(ent_pipeline_new(config, member, &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_local(p, &local, out));
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

static void set_up(struct bench *b, uint32_t rows)
{
    char *csv = support_csv(rows, 1);

    *b = (struct bench){.dir = ent_test_tmpdir()};
    b->data = support_file(b->dir, "data.csv", csv, strlen(csv));
    (void)support_file(b->dir, "client.yaml", support_client_text(), strlen(support_client_text()));
    (void)snprintf(
        b->plan, sizeof b->plan, "%s",
        support_file(b->dir, "plan.yaml", support_plan_text(), strlen(support_plan_text())));
    (void)snprintf(b->model, sizeof b->model, "%s/local.safetensors", b->dir);
    (void)snprintf(b->out, sizeof b->out, "%s/scores.csv", b->dir);
    free(csv);
    train(b->dir, b->model, "brand-a", &b->local);
}

static void read_text(const char *path, struct ent_buf *out)
{
    const char *text = NULL;

    ent_buf_init(out, (size_t)64 * 1024 * 1024);
    ENT_OK(ent_file_read(path, out));
    ENT_OK(ent_buf_str(out, &text));
}

static size_t count_lines(const struct ent_buf *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->len; i++) {
        n += text->data[i] == '\n' ? 1 : 0;
    }
    return n;
}

ENT_TEST(local, learns_and_gives_the_same_file_twice)
{
    struct bench b;
    struct ent_local_result again;
    struct ent_buf one;
    struct ent_buf two;
    char other[512];

    set_up(&b, 3000);
    CU_ASSERT(b.local.test.auc > 0.8);
    CU_ASSERT(b.local.validation.rows > 400 && b.local.test.rows > 400);
    CU_ASSERT_EQUAL(b.local.rows + b.local.validation.rows + b.local.test.rows, 3000);
    (void)snprintf(other, sizeof other, "%s/again.safetensors", b.dir);
    train(b.dir, other, "brand-a", &again);
    read_text(b.model, &one);
    read_text(other, &two);
    CU_ASSERT_EQUAL_FATAL(one.len, two.len);
    CU_ASSERT_EQUAL(memcmp(one.data, two.data, one.len), 0);
    ent_buf_release(&two);
    train(b.dir, other, "brand-b", &again); /* another member: other shuffles */
    read_text(other, &two);
    CU_ASSERT_NOT_EQUAL(memcmp(one.data, two.data, one.len), 0);
    ent_buf_release(&one);
    ent_buf_release(&two);
}

/* More rows than one block: a score for each, its id beside it, and the counts of what the model does not know. */
ENT_TEST(score, every_row_with_its_id)
{
    enum { N = 9000 };
    struct bench b;
    struct ent_client_config *config = NULL;
    struct ent_score_result r = {0};
    struct ent_score_options options = {.evaluate = true};
    struct ent_buf text;
    const char *line;

    set_up(&b, N);
    ENT_OK(ent_client_config_parse("client.yaml", b.dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    options.model = b.model;
    options.input = b.data;
    options.output = b.out;
    options.config = config;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.rows, N);
    CU_ASSERT_EQUAL(r.metrics.rows, N);
    CU_ASSERT(r.metrics.auc > 0.8);
    CU_ASSERT_EQUAL_FATAL(r.n_counts, 4);
    CU_ASSERT_STRING_EQUAL(r.counts[0].feature, "age");
    CU_ASSERT(r.counts[0].clipped > N / 20); /* ages up to 110 */
    CU_ASSERT(r.counts[1].missing > N / 20); /* one income in ten */
    CU_ASSERT(r.counts[2].unknown > N / 10); /* job zzz */
    CU_ASSERT(r.counts[2].missing > N / 10);
    read_text(b.out, &text);
    CU_ASSERT_EQUAL(count_lines(&text), N + 1);
    CU_ASSERT_EQUAL(strncmp((const char *)text.data, "id,score\nc0,0.", 14), 0);
    line = strstr((const char *)text.data, "\nc8999,");
    CU_ASSERT_PTR_NOT_NULL(line);
    ent_buf_release(&text);
    ent_score_result_release(&r);
    ent_client_config_free(config);
}

/* The metrics of `score --evaluate --rows` are those that train --local gave for its test rows. */
ENT_TEST(score, evaluation_of_the_test_rows_agrees_with_training)
{
    struct bench b;
    struct ent_client_config *config = NULL;
    struct ent_pipeline *p = NULL;
    struct ent_plan *plan = NULL;
    struct ent_score_result r = {0};
    struct ent_score_options options = {.evaluate = true};
    const struct ent_parts *parts;
    struct ent_buf rows;

    set_up(&b, 2000);
    ENT_OK(ent_client_config_parse("client.yaml", b.dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)support_plan_text(),
                          strlen(support_plan_text()), &plan));
    ENT_OK(ent_pipeline_new(config, "brand-a", &p));
    ent_pipeline_use_take(p, plan);
    ENT_OK(ent_pipeline_load(p));
    parts = ent_pipeline_parts(p);
    ent_buf_init(&rows, (size_t)1024 * 1024);
    for (uint32_t i = 0; i < parts->part[ENT_SPLIT_TEST].n; i++) {
        uint32_t row = parts->part[ENT_SPLIT_TEST].rows[i];

        ENT_OK(ent_buf_addf(&rows, "%u\n", (unsigned)ent_pipeline_table(p)->source_rows[row]));
    }
    options.rows_file = support_file(b.dir, "rows.txt", (const char *)rows.data, rows.len);
    options.model = b.model;
    options.input = b.data;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.metrics.rows, b.local.test.rows);
    CU_ASSERT_EQUAL(r.metrics.positives, b.local.test.positives);
    CU_ASSERT_DOUBLE_EQUAL(r.metrics.auc, b.local.test.auc, 0);
    CU_ASSERT_DOUBLE_EQUAL(r.metrics.log_loss, b.local.test.log_loss, 0);
    ent_score_result_release(&r);
    ent_buf_release(&rows);
    ent_pipeline_free(p);
    ent_client_config_free(config);
}

ENT_TEST(score, a_failure_leaves_no_output)
{
    static const char bad[] = "age,income,job\n1,2,a\n"; /* no loan */
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};

    set_up(&b, 300);
    options.model = b.model;
    options.input = support_file(b.dir, "bad.csv", bad, strlen(bad));
    ENT_FAILS(ent_score(&options, &r), ENT_E_USAGE); /* neither output nor evaluate */
    options.output = b.out;
    ENT_FAILS(ent_score(&options, &r), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "loan"));
    CU_ASSERT_FALSE(ent_file_exists(b.out));
    options.model = b.data; /* not a model */
    ENT_FAILS(ent_score(&options, &r), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "not a model file"));
    options.model = "nowhere.safetensors";
    ENT_FAILS(ent_score(&options, &r), ENT_E_NOT_FOUND);
}

ENT_TEST(score, the_input_is_not_written_over)
{
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};
    char other[512];
    uint64_t before;
    uint64_t after;
    struct stat sb;

    set_up(&b, 300);
    options.model = b.model;
    options.input = b.data;
    ENT_OK(ent_file_size(b.data, &before));
    (void)snprintf(other, sizeof other, "%s/./link.csv", b.dir);
    CU_ASSERT_EQUAL_FATAL(link(b.data, other), 0);
    options.output = b.data;
    ENT_FAILS(ent_score(&options, &r), ENT_E_USAGE);
    options.output = other;
    ENT_FAILS(ent_score(&options, &r), ENT_E_USAGE);
    ENT_OK(ent_file_size(b.data, &after));
    CU_ASSERT_EQUAL(before, after);
    options.output = b.out;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL_FATAL(stat(b.out, &sb), 0);
    CU_ASSERT_EQUAL(sb.st_mode & 0777, 0600); /* scores of customers */
    CU_ASSERT_EQUAL_FATAL(stat(b.model, &sb), 0);
    CU_ASSERT_EQUAL(sb.st_mode & 0777, 0600);
    ent_score_result_release(&r);
}

ENT_TEST(score, to_standard_output)
{
    struct bench b;
    struct ent_score_verb verb = {.output = "-", .json = true};
    struct ent_buf text;
    int saved;
    int fd;

    set_up(&b, 300);
    verb.model = b.model;
    verb.input = b.data;
    ENT_FAILS(ent_verb_score(&verb, NULL, 0), ENT_E_USAGE);
    verb.json = false;
    (void)fflush(stdout);
    saved = dup(STDOUT_FILENO);
    fd = open(b.out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(saved >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    (void)close(fd);
    ENT_OK(ent_verb_score(&verb, NULL, 0));
    CU_ASSERT_FATAL(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    read_text(b.out, &text);
    CU_ASSERT_EQUAL(count_lines(&text), 301);
    CU_ASSERT_EQUAL(strncmp((const char *)text.data, "row,score\n0,0.", 14), 0);
    ent_buf_release(&text);
    CU_ASSERT_FALSE(ent_file_exists("-"));
}

ENT_TEST(score, rows_beyond_the_file_are_refused)
{
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};

    set_up(&b, 300);
    options.model = b.model;
    options.input = b.data;
    options.output = b.out;
    options.rows_file = support_file(b.dir, "rows.txt", "0\n299\n", 6);
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.rows, 2);
    ent_score_result_release(&r);
    ENT_OK(ent_file_remove(b.out));
    options.rows_file = support_file(b.dir, "rows.txt", "0\n300\n", 6);
    ENT_FAILS(ent_score(&options, &r), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "row 300 is beyond the 300 rows"));
    CU_ASSERT_FALSE(ent_file_exists(b.out));
}

/* Rows that do not parse are dropped, counted and named by line; the others are scored. */
ENT_TEST(score, bad_rows_are_named_by_line)
{
    static const char mixed[] = "age,income,job,loan\n"
                                "1,2,a,yes\n"
                                "abc,2,a,yes\n"
                                "3,4,b,no\n";
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};
    struct ent_buf text;

    set_up(&b, 300);
    options.model = b.model;
    options.input = support_file(b.dir, "mixed.csv", mixed, strlen(mixed));
    options.output = b.out;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.rows, 2);
    CU_ASSERT_EQUAL(r.bad, 1);
    CU_ASSERT_EQUAL_FATAL(r.n_problems, 1);
    CU_ASSERT_EQUAL(r.problems[0].line, 3);
    read_text(b.out, &text);
    CU_ASSERT_EQUAL(strncmp((const char *)text.data, "row,score\n0,0.", 14), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)text.data, "\n2,0."));
    ent_buf_release(&text);
    ent_score_result_release(&r);
}

/* The member's unit_key is for the division into parts: new rows need not have it when another id is asked for. */
ENT_TEST(score, rows_without_the_column_of_units)
{
    static const char fresh[] = "case,age,income,job,loan\n"
                                "x7,1,2,a,yes\n"
                                "x8,3,4,b,no\n";
    struct bench b;
    struct ent_client_config *config = NULL;
    struct ent_score_result r = {0};
    struct ent_score_options options = {.id = "case"};
    struct ent_buf text;

    set_up(&b, 300);
    ENT_OK(ent_client_config_parse("client.yaml", b.dir, (const uint8_t *)support_client_text(),
                                   strlen(support_client_text()), &config));
    CU_ASSERT_STRING_EQUAL(config->unit_key, "id");
    options.model = b.model;
    options.input = support_file(b.dir, "fresh.csv", fresh, strlen(fresh));
    options.output = b.out;
    options.config = config;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.rows, 2);
    read_text(b.out, &text);
    CU_ASSERT_EQUAL(strncmp((const char *)text.data, "case,score\nx7,0.", 16), 0);
    ent_buf_release(&text);
    ent_score_result_release(&r);
    ent_client_config_free(config);
}

/* Those behind the last full block of rows that parse are counted too. */
ENT_TEST(score, bad_rows_behind_the_last_block_count)
{
    enum { GOOD = 4096, BAD = 500 };
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};
    struct ent_buf csv;

    set_up(&b, 300);
    ent_buf_init(&csv, (size_t)1 << 20);
    ENT_OK(ent_buf_addf(&csv, "age,income,job,loan\n"));
    for (int i = 0; i < GOOD + BAD; i++) {
        ENT_OK(ent_buf_addf(&csv, "%s,2,a,yes\n", i < GOOD ? "30" : "abc"));
    }
    options.model = b.model;
    options.input = support_file(b.dir, "tail.csv", (const char *)csv.data, csv.len);
    options.output = b.out;
    ENT_OK(ent_score(&options, &r));
    CU_ASSERT_EQUAL(r.rows, GOOD);
    CU_ASSERT_EQUAL(r.bad, BAD);
    CU_ASSERT_EQUAL_FATAL(r.n_problems, 20);
    CU_ASSERT_EQUAL(r.problems[0].line, GOOD + 2);
    CU_ASSERT_STRING_EQUAL(r.problems[0].text, "age is not a number");
    ent_buf_release(&csv);
    ent_score_result_release(&r);
}

ENT_TEST(score, no_row_that_parses_is_an_error)
{
    static const char bad[] = "age,income,job,loan\nabc,2,a,yes\nxyz,2,a,yes\n";
    struct bench b;
    struct ent_score_result r = {0};
    struct ent_score_options options = {0};

    set_up(&b, 300);
    options.model = b.model;
    options.input = support_file(b.dir, "bad.csv", bad, strlen(bad));
    options.output = b.out;
    ENT_FAILS(ent_score(&options, &r), ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(ent_err_message(), "none of the 2 rows parses: line 2: age is not a number"));
    CU_ASSERT_FALSE(ent_file_exists(b.out));
}

ENT_TEST(check, says_whether_this_member_can_take_part)
{
    static const char strict[] = "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                                 "policy: {tasks: [stats], min_members: 3, plans: any}\n";
    static const char floor[] = "data: {source: csv, path: data.csv, bad_rows: drop}\n"
                                "policy: {tasks: [stats, train, evaluate], min_members: 9}\n";
    struct bench b;
    struct ent_check_verb verb = {.json = true};

    set_up(&b, 300);
    verb.dir = b.dir;
    verb.plan = b.plan;
    ENT_OK(ent_verb_check(&verb, NULL, 0));
    verb.json = false;
    ENT_OK(ent_verb_check(&verb, NULL, 0));
    (void)support_file(b.dir, "client.yaml", strict, strlen(strict));
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "train"));
    (void)support_file(b.dir, "client.yaml", floor, strlen(floor));
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_POLICY);
    (void)support_file(b.dir, "client.yaml", "", 0);
    CU_ASSERT_NOT_EQUAL(ent_verb_check(&verb, NULL, 0), ENT_E_OK);
    verb.dir = ent_test_tmpdir();
    ENT_FAILS(ent_verb_check(&verb, NULL, 0), ENT_E_NOT_FOUND);
}
