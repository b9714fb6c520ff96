#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/client_config.h"
#include "common/plan/federation.h"
#include "tests/support/ent_test.h"

static enum ent_err federation(const char *yaml, struct ent_federation_config **out)
{
    return ent_federation_config_parse("federation.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

static enum ent_err client(const char *yaml, struct ent_client_config **out)
{
    return ent_client_config_parse("client.yaml", "/data/me", (const uint8_t *)yaml, strlen(yaml),
                                   out);
}

ENT_TEST(federation, the_written_file_reads_back)
{
    struct ent_federation_config *c;
    struct ent_buf text;

    ent_buf_init(&text, 65536);
    ENT_OK(
        ent_federation_config_text("acme-brands", "fed.acme.example", NULL, "127.0.0.1:0", &text));
    ENT_OK(ent_federation_config_parse("federation.yaml", text.data, text.len, &c));
    CU_ASSERT_STRING_EQUAL(c->name, "acme-brands");
    CU_ASSERT_STRING_EQUAL(c->host, "fed.acme.example");
    CU_ASSERT_STRING_EQUAL(c->listen, "0.0.0.0:7443");
    CU_ASSERT_STRING_EQUAL(c->enroll_listen, "127.0.0.1:0");
    CU_ASSERT_EQUAL(c->min_members, 3);
    CU_ASSERT_EQUAL(c->update_bytes, (uint64_t)64 << 20);
    CU_ASSERT_EQUAL(c->memory_bytes, (uint64_t)16 << 20);
    CU_ASSERT_EQUAL(c->members, 200);
    CU_ASSERT_EQUAL(c->handshake_ms, 10000);
    CU_ASSERT_EQUAL(c->idle_ms, 30000);
    ent_federation_config_free(c);
    ent_buf_clear(&text);
    ENT_FAILS(ent_federation_config_text("a b", "h", NULL, NULL, &text), ENT_E_CONFIG);
    ent_buf_release(&text);
}

ENT_TEST(federation, wrong_values)
{
    static const char *const bad[] = {
        "name: a\n",
        "host: h\n",
        "name: a\nhost: h:1/x\n",
        "name: a\nhost: localhost:7443\n",
        "name: a\nhost: 10.0.0.1:7443\n",
        "name: .a\nhost: h\n",
        "name: ../a\nhost: h\n",
        "name: a\nhost: h\nlisten: 7443\n",
        "name: a\nhost: h\nlisten: 0.0.0.0:99999\n",
        "name: a\nhost: h\nlisten: ::1:7443\n",
        "name: a\nhost: h\nlimits: {min_members: 1}\n",
        "name: a\nhost: h\nlimits: {update: 10}\n",
        "name: a\nhost: h\ntimeouts: {idle: 30}\n",
        "name: a\nhost: h\nport: 7443\n",
        "name: a\nhost: h\nlisten: 0.0.0.0:7443\nenroll_listen: 0.0.0.0:7443\n"};

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        struct ent_federation_config *c = NULL;

        CU_ASSERT_EQUAL(federation(bad[i], &c), ENT_E_CONFIG);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_EQUAL(strncmp(ent_err_message(), "federation.yaml:", 16), 0);
    }
}

ENT_TEST(federation, names_and_hosts)
{
    struct ent_federation_config *c;

    ENT_OK(federation("name: a\nhost: \"2001:db8::1\"\n", &c));
    CU_ASSERT_STRING_EQUAL(c->host, "2001:db8::1");
    ent_federation_config_free(c);
    CU_ASSERT_TRUE(ent_federation_name_ok("brand-a_1.x"));
    CU_ASSERT_FALSE(ent_federation_name_ok(""));
    CU_ASSERT_FALSE(ent_federation_name_ok(".hidden"));
    CU_ASSERT_FALSE(ent_federation_name_ok("../../x"));
    CU_ASSERT_FALSE(ent_federation_name_ok("brand a"));
}

ENT_TEST(client_config, everything_is_read)
{
    struct ent_client_config *c;

    ENT_OK(client(
        "coordinator: fed.acme.example:7443\n"
        "data: {source: csv, path: crm.csv.gz, delimiter: \";\", missing: [\"\", NA], "
        "bad_rows: drop}\n"
        "columns: {age: Age, job: {column: Job Title, values: {Admin: admin.}}, loan: "
        "{values: {J: yes}}}\n"
        "unit_key: customer_id\n"
        "split_file: rows.txt\n"
        "id: customer_id\n"
        "limits: {memory: 512MiB}\n"
        "policy: {tasks: [stats, evaluate], min_members: 4, min_customers: 25, "
        "min_group: 70, vocabulary: stay, epsilon_run: 2, epsilon_life: 8.5, delta: 1e-7, plans: "
        "[000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f]}\n"
        "privacy: {scope: crm-de}\n",
        &c));
    CU_ASSERT_STRING_EQUAL(c->scope, "crm-de");
    CU_ASSERT(c->policy.epsilon_run == 2 && c->policy.epsilon_life == 8.5 &&
              c->policy.delta == 1e-7);
    CU_ASSERT_STRING_EQUAL(c->coordinator, "fed.acme.example:7443");
    CU_ASSERT_STRING_EQUAL(c->data.path, "/data/me/crm.csv.gz");
    CU_ASSERT_EQUAL(c->data.delimiter, ';');
    CU_ASSERT_EQUAL(c->data.missing.n, 2);
    CU_ASSERT_EQUAL(c->data.bad_rows, ENT_BAD_ROWS_DROP);
    CU_ASSERT_EQUAL_FATAL(c->n_columns, 3);
    CU_ASSERT_STRING_EQUAL(c->columns[0].column, "Age");
    CU_ASSERT_STRING_EQUAL(c->columns[1].column, "Job Title");
    CU_ASSERT_STRING_EQUAL(c->columns[1].spellings[0].own, "Admin");
    CU_ASSERT_STRING_EQUAL(c->file, "client.yaml");
    CU_ASSERT_TRUE(c->columns[1].line > 0 && c->columns[1].spellings[0].line > 0);
    CU_ASSERT_STRING_EQUAL(c->columns[1].spellings[0].plan, "admin.");
    CU_ASSERT_STRING_EQUAL(c->columns[2].column, "loan");
    CU_ASSERT_STRING_EQUAL(c->unit_key, "customer_id");
    CU_ASSERT_STRING_EQUAL(c->split_file, "/data/me/rows.txt");
    CU_ASSERT_EQUAL(c->policy.tasks, (1U << ENT_TASK_STATS) | (1U << ENT_TASK_EVALUATE));
    CU_ASSERT_EQUAL(c->memory_bytes, UINT64_C(512) << 20);
    CU_ASSERT_EQUAL(c->policy.min_members, 4);
    CU_ASSERT_EQUAL(c->policy.min_customers, 25);
    CU_ASSERT_EQUAL(c->policy.min_group, 70);
    CU_ASSERT_FALSE(c->policy.vocabulary_goes);
    CU_ASSERT_FALSE(c->policy.any_plan);
    CU_ASSERT_EQUAL_FATAL(c->policy.n_plans, 1);
    CU_ASSERT_EQUAL(c->policy.plans[0][31], 0x1f);
    ent_client_config_free(c);
}

ENT_TEST(client_config, defaults_and_paths)
{
    struct ent_client_config *c;

    ENT_OK(client("data: {path: /abs/crm.csv, delimiter: tab}\ncolumns:\n", &c));
    CU_ASSERT_PTR_NULL(c->coordinator);
    CU_ASSERT_STRING_EQUAL(c->scope, "default");
    CU_ASSERT(c->policy.epsilon_run == 0 && c->policy.epsilon_life == 0 && c->policy.delta == 1e-5);
    CU_ASSERT_STRING_EQUAL(c->data.path, "/abs/crm.csv");
    CU_ASSERT_STRING_EQUAL(c->data.source, "csv");
    CU_ASSERT_EQUAL(c->data.delimiter, '\t');
    CU_ASSERT_EQUAL(c->data.bad_rows, ENT_BAD_ROWS_FAIL);
    CU_ASSERT_EQUAL(c->n_columns, 0);
    CU_ASSERT_PTR_NULL(c->unit_key);
    CU_ASSERT_PTR_NULL(c->split_file);
    CU_ASSERT_TRUE(c->policy.any_plan);
    CU_ASSERT_EQUAL(c->policy.min_members, 3);
    CU_ASSERT_EQUAL(c->memory_bytes, UINT64_C(4) << 30);
    CU_ASSERT_EQUAL(c->policy.min_customers, 10);
    CU_ASSERT_EQUAL(c->policy.min_group, 50);
    CU_ASSERT_TRUE(c->policy.vocabulary_goes);
    CU_ASSERT_EQUAL(c->policy.tasks,
                    (1U << ENT_TASK_STATS) | (1U << ENT_TASK_TRAIN) | (1U << ENT_TASK_EVALUATE));
    ent_client_config_free(c);
}

ENT_TEST(client_config, what_data_may_be_used_for_and_what_may_be_told)
{
    struct ent_client_config *c;

    ENT_OK(client("data: {path: a}\n", &c));
    CU_ASSERT(c->policy.any_purpose && !c->policy.noise_of_coordinator &&
              !c->policy.uncovered_goes && !c->policy.own_figures_go);
    ent_client_config_free(c);
    ENT_OK(client("data: {path: a}\npolicy: {purposes: any, own_figures: go}\n", &c));
    CU_ASSERT(c->policy.any_purpose && c->policy.own_figures_go && c->policy.own_figures.n == 0);
    ent_client_config_free(c);
    ENT_OK(client("data: {path: a}\npolicy: {purposes: [churn, risk-2], noise: coordinator, "
                  "uncovered: allow, own_figures: [auc, rows]}\n",
                  &c));
    CU_ASSERT(!c->policy.any_purpose && c->policy.noise_of_coordinator &&
              c->policy.uncovered_goes && c->policy.own_figures_go);
    CU_ASSERT_EQUAL_FATAL(c->policy.purposes.n, 2);
    CU_ASSERT_STRING_EQUAL(c->policy.purposes.items[1], "risk-2");
    CU_ASSERT_EQUAL_FATAL(c->policy.own_figures.n, 2);
    CU_ASSERT_STRING_EQUAL(c->policy.own_figures.items[0], "auc");
    ent_client_config_free(c);
    ENT_OK(client("data: {path: a}\npolicy: {purposes: []}\n", &c));
    CU_ASSERT(!c->policy.any_purpose && c->policy.purposes.n == 0);
    ent_client_config_free(c);
}

ENT_TEST(client_config, auditors_and_mirror)
{
    struct ent_client_config *c;

    ENT_OK(client("data: {path: a}\n", &c));
    CU_ASSERT(c->n_auditors == 0 && !c->plain_updates && c->mirror == ENT_CLIENT_MIRROR_FULL);
    ent_client_config_free(c);
    ENT_OK(client("data: {path: a}\nmirror: hashes\nauditors: [plain, "
                  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f]\n",
                  &c));
    CU_ASSERT(c->n_auditors == 1 && c->auditors[0][31] == 0x1f && c->plain_updates);
    CU_ASSERT_EQUAL(c->mirror, ENT_CLIENT_MIRROR_HASHES);
    ent_client_config_free(c);
    ENT_FAILS(client("data: {path: a}\nauditors: plain\n", &c), ENT_E_CONFIG);
    ENT_FAILS(client("data: {path: a}\nauditors: [0001]\n", &c), ENT_E_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "client.yaml:2:12"));
    ENT_FAILS(client("data: {path: a}\nmirror: some\n", &c), ENT_E_CONFIG);
}

ENT_TEST(client_config, the_written_file_reads_back_from_its_directory)
{
    struct ent_client_config *c;
    const char *dir = ent_test_tmpdir();
    struct ent_buf text;
    char *path = NULL;
    char *data = NULL;

    ent_buf_init(&text, 65536);
    ENT_OK(ent_client_config_text("fed.acme.example:7443", &text));
    ENT_OK(ent_path_join(dir, "client.yaml", &path));
    ENT_OK(ent_path_join(dir, "data.csv", &data));
    ENT_OK(ent_file_write_new(path, text.data, text.len, 0600));
    ENT_OK(ent_client_config_read(path, &c));
    CU_ASSERT_STRING_EQUAL(c->coordinator, "fed.acme.example:7443");
    CU_ASSERT_STRING_EQUAL(c->data.path, data);
    CU_ASSERT_EQUAL(c->data.delimiter, 0);
    CU_ASSERT_TRUE(c->policy.any_plan);
    CU_ASSERT_EQUAL(c->policy.min_customers, 10);
    CU_ASSERT_TRUE(c->policy.vocabulary_goes);
    ENT_OK(ent_buf_add_u8(&text, 0));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)text.data, "  min_customers: 10 "));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)text.data, "  min_group: 50 "));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)text.data, "  vocabulary: go "));
    ent_client_config_free(c);
    ent_buf_release(&text);
    free(path);
    free(data);
}

ENT_TEST(client_config, wrong_values)
{
    static const char *const bad[] = {"coordinator: h:1\n",
                                      "data: {}\n",
                                      "data: {path: a, delimiter: \"|\"}\n",
                                      "data: {path: a, bad_rows: skip}\n",
                                      "data: {path: a}\ncoordinator: nowhere\n",
                                      "data: {path: a}\ncolumns: [a]\n",
                                      "data: {path: a}\ncolumns: {a: {colum: b}}\n",
                                      "data: {path: a}\ncolumns: {a: {values: [x]}}\n",
                                      "data: {path: a}\npolicy: {tasks: [stat]}\n",
                                      "data: {path: a}\npolicy: {tasks: train}\n",
                                      "data: {path: a}\npolicy: {plans: some}\n",
                                      "data: {path: a}\npolicy: {plans: [abc]}\n",
                                      "data: {path: a}\npolicy: {min_members: 1}\n",
                                      "data: {path: a}\npolicy: {min_customers: 0}\n",
                                      "data: {path: a}\npolicy: {min_group: 0}\n",
                                      "data: {path: a}\npolicy: {vocabulary: no}\n",
                                      "data: {path: a}\npolicy: {epsilon_run: -1}\n",
                                      "data: {path: a}\npolicy: {epsilon_life: all}\n",
                                      "data: {path: a}\npolicy: {purposes: churn}\n",
                                      "data: {path: a}\npolicy: {purposes: [Churn]}\n",
                                      "data: {path: a}\npolicy: {purposes: [[a]]}\n",
                                      "data: {path: a}\npolicy: {noise: both}\n",
                                      "data: {path: a}\npolicy: {uncovered: maybe}\n",
                                      "data: {path: a}\npolicy: {own_figures: []}\n",
                                      "data: {path: a}\npolicy: {own_figures: [age]}\n",
                                      "data: {path: a}\npolicy: {own_figures: {a: b}}\n",
                                      "data: {path: a}\npolicy: {delta: 1}\n",
                                      "data: {path: a}\nprivacy: {scope: \"\"}\n",
                                      "data: {path: a}\nunitkey: b\n"};

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        struct ent_client_config *c = NULL;

        CU_ASSERT_EQUAL(client(bad[i], &c), ENT_E_CONFIG);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_EQUAL(strncmp(ent_err_message(), "client.yaml:", 12), 0);
    }
}
