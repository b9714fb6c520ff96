/* Names on the page: only those that open what the log holds. And where the page may be written. */
#include <stdlib.h>
#include <string.h>

#include "audit/verbs.h"
#include "common/base/file.h"
#include "common/crypto/commit.h"
#include "test_report_sample.h"
#include "tests/support/ent_test.h"

#define SALT_HEX "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
#define OTHER_SALT "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5b"

/* Caller frees. */
static char *path_in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

/* Reads a file of `text`; %H in it is the handle of the first member, %A the key of the auditor. */
static enum ent_err read_text(const struct ent_audit_facts *facts, const char *text,
                              struct ent_report_names *names)
{
    char *path = path_in(ent_test_tmpdir(), "names");
    struct ent_buf buf;
    char hex[2 * 32 + 1];
    enum ent_err err;

    ent_buf_init(&buf, 65536);
    for (; *text != '\0'; text++) {
        if (*text != '%') {
            ENT_OK(ent_buf_add(&buf, text, 1));
            continue;
        }
        text++;
        if (*text == 'H') {
            ent_hex(facts->members[0].handle, 16, hex);
        } else {
            ent_hex(facts->auditors[0].leaf.seal_pub, 32, hex);
        }
        ENT_OK(ent_buf_add(&buf, hex, strlen(hex)));
    }
    ENT_OK(ent_file_write_atomic(path, buf.data, buf.len, 0600));
    err = ent_report_names_read(facts, path, names);
    ent_buf_release(&buf);
    free(path);
    return err;
}

ENT_TEST(report_names, those_that_open_the_commitment_are_on_the_page)
{
    struct ent_report_request request = sample_request();
    struct ent_report_names names = {0};
    struct ent_audit_facts facts;
    struct ent_buf page;
    const char *text;
    uint8_t salt[32];

    sample_facts(SAMPLE_PASS, 1, &facts);
    memset(salt, SAMPLE_SALT, sizeof salt);
    ENT_OK(ent_name_commit(salt, "bureau", facts.auditors[0].leaf.name_commit));
    ENT_OK(read_text(
        &facts, "# of the operator\r\n\n  %H\t" SALT_HEX "  north shop\r\n%A " SALT_HEX " bureau",
        &names));
    CU_ASSERT_EQUAL(names.n, 2);
    request.names = &names;
    ent_buf_init(&page, ENT_REPORT_PAGE_MAX_BYTES);
    ENT_OK(ent_report_html(&facts, &request, &page));
    ENT_OK(ent_buf_str(&page, &text));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<strong>north shop</strong>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "bureau"));
    CU_ASSERT_PTR_NULL(strstr(text, "south shop"));
    ent_buf_release(&page);
    ent_report_names_release(&names);
    ent_audit_facts_release(&facts);
}

ENT_TEST(report_names, nothing_else_is_taken)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"%H " OTHER_SALT " north shop\n", "line 1"},
        {"\n%H " SALT_HEX " north  shop\n", "line 2"},
        {"%H " SALT_HEX " south shop\n", "do not open the commitment"},
        {"%H " SALT_HEX " north shop\n%H " SALT_HEX " north shop\n", "twice"},
        {"00000000000000000000000000000000 " SALT_HEX " north shop\n", "nobody"},
        {"%A " SALT_HEX " bureau\n", "line 1"},
        {"north " SALT_HEX " shop\n", "handle"},
        {"%H 5a5a north shop\n", "salt"},
        {"%H " SALT_HEX "\n", "name"},
        {"%H " SALT_HEX " <b>north</b>\n", "name"},
        {"%H\n", "salt"},
    };
    struct ent_audit_facts facts;

    sample_facts(SAMPLE_PASS, 1, &facts);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ent_report_names names = {0};

        ENT_FAILS(read_text(&facts, cases[i].text, &names), ENT_E_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), cases[i].says));
        /* a salt lets others try names: no error repeats one */
        CU_ASSERT_PTR_NULL(strstr(ent_err_message(), "5a5a"));
        CU_ASSERT_EQUAL(names.n, 0);
    }
    ent_audit_facts_release(&facts);
}

ENT_TEST(report_verb, the_page_never_replaces_what_it_is_made_of)
{
    const char *dir = ent_test_tmpdir();
    char *policy = path_in(dir, "policy");
    char *export_dir = path_in(dir, "export");
    char *blob = path_in(export_dir, "blob");
    char *inside = path_in(blob, "../report.html");
    char *beside = path_in(dir, "report.html");
    const char *const args[] = {export_dir};
    struct ent_audit_verb verb = {.policy = policy, .out = policy};
    enum ent_err err;

    ENT_OK(ent_dir_make(blob));
    ENT_OK(ent_file_write_atomic(policy, "x", 1, 0600));
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_USAGE);

    verb.out = inside;
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "inside the export"));

    verb.out = NULL;
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_USAGE);

    /* beside it is fine: what stops here is that the folder is no export */
    verb.out = beside;
    err = ent_verb_audit_report(&verb, args, 1);
    CU_ASSERT(err != ENT_E_OK && err != ENT_E_USAGE);
    CU_ASSERT_FALSE(ent_file_exists(beside));
    free(policy);
    free(export_dir);
    free(blob);
    free(inside);
    free(beside);
}
