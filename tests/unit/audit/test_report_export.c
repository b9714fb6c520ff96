/* The verb on exports of forged federations: what the page says of a real log, and what is written when. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/file.h"
#include "common/crypto/commit.h"
#include "test_report_check.h"
#include "test_report_sample.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

#define SALT_HEX "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

struct place {
    char *export;
    char *policy;
    char *names;
    char *out;
    uint8_t handle[16]; /* of the first member */
};

/* Names that can be disclosed, and a statement of the processing before the run. */
static enum ent_err tell(void *ctx, struct ent_forge_leaf_event *event)
{
    uint8_t salt[32];

    (void)ctx;
    memset(salt, SAMPLE_SALT, sizeof salt);
    if (event->frame->type == ENT_LEAF_MEMBER_ADMIT) {
        return ent_name_commit(salt, "north shop", event->any->member_admit.name_commit);
    }
    if (event->frame->type == ENT_LEAF_CONFIG_SET) {
        const struct ent_leaf_processing_set stated = {.purpose = "churn-prediction",
                                                       .lawful_basis = "gdpr-6-1-f",
                                                       .categories = "purchases",
                                                       .recipients = "members",
                                                       .retention_months = 24};

        ENT_TRY(ent_forge_append(event->forge, ENT_LEAF_PROCESSING_SET, ENT_FORGE_NOBODY, &stated));
    }
    return ENT_E_OK;
}

static void place_new(struct place *p, struct ent_forge_options options)
{
    const char *dir = ent_test_tmpdir();
    struct ent_forge *forge = NULL;

    ENT_OK(ent_path_join(dir, "acme.export", &p->export));
    ENT_OK(ent_path_join(dir, "acme.policy", &p->policy));
    ENT_OK(ent_path_join(dir, "names", &p->names));
    ENT_OK(ent_path_join(dir, "report.html", &p->out));
    ENT_OK(ent_forge_new(&options, &forge));
    ENT_OK(ent_forge_export(forge, p->export, false));
    ENT_OK(ent_forge_policy_file(forge, p->policy));
    memcpy(p->handle, forge->members[0].handle, 16);
    ent_forge_free(forge);
}

static void place_release(struct place *p)
{
    free(p->export);
    free(p->policy);
    free(p->names);
    free(p->out);
}

static struct ent_forge_options small(void)
{
    return (struct ent_forge_options){.seed = 5,
                                      .n_members = 4,
                                      .train_rounds = 2,
                                      .validate = true,
                                      .test = true,
                                      .n_auditors = 1,
                                      .hook = tell};
}

static void write_names(const struct place *p, const char *salt)
{
    char hex[2 * 16 + 1];
    char line[256];

    ent_hex(p->handle, 16, hex);
    (void)snprintf(line, sizeof line, "%s %s north shop\n", hex, salt);
    ENT_OK(ent_file_write_atomic(p->names, line, strlen(line), 0600));
}

static void read_page(const struct place *p, struct page *page)
{
    ent_buf_init(&page->buf, ENT_REPORT_PAGE_MAX_BYTES);
    ENT_OK(ent_file_read(p->out, &page->buf));
    ENT_OK(ent_buf_str(&page->buf, &page->text));
}

ENT_TEST(report_export, a_good_log_passes_and_names_whom_it_may)
{
    struct place p;
    const char *args[1];
    struct ent_audit_verb verb;
    struct page page;
    struct stat st;

    place_new(&p, small());
    write_names(&p, SALT_HEX);
    args[0] = p.export;
    verb = (struct ent_audit_verb){.policy = p.policy, .out = p.out, .disclose = p.names};
    ENT_OK(ent_file_write_atomic(p.out, "an older page", 13, 0600));
    ENT_OK(ent_verb_audit_report(&verb, args, 1));
    read_page(&p, &page);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    CU_ASSERT(page_says(&page, "<p class=\"word\">PASS</p>"));
    CU_ASSERT(page_says(&page, "<strong>north shop</strong>"));
    CU_ASSERT(page_says(&page, "churn-prediction"));
    CU_ASSERT(page_says(&page, "The operator started a run"));
    CU_ASSERT(page_says(&page, "4 of 4 on the newest note"));
    CU_ASSERT_FALSE(page_says(&page, "an older page"));
    CU_ASSERT_FALSE(page_says(&page, SALT_HEX));
    CU_ASSERT_EQUAL(stat(p.out, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    ent_buf_release(&page.buf);
    place_release(&p);
}

ENT_TEST(report_export, a_name_that_does_not_fit_leaves_no_page)
{
    struct place p;
    const char *args[1];
    struct ent_audit_verb verb;

    place_new(&p, small());
    write_names(&p, "0000000000000000000000000000000000000000000000000000000000000000");
    args[0] = p.export;
    verb = (struct ent_audit_verb){.policy = p.policy, .out = p.out, .disclose = p.names};
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_CONFIG);
    CU_ASSERT_FALSE(ent_file_exists(p.out));
    place_release(&p);
}

ENT_TEST(report_export, without_a_policy_the_page_is_incomplete)
{
    struct place p;
    const char *args[1];
    struct ent_audit_verb verb;
    struct page page;

    place_new(&p, small());
    args[0] = p.export;
    verb = (struct ent_audit_verb){.out = p.out};
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_INCOMPLETE);
    read_page(&p, &page);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    CU_ASSERT(page_says(&page, "<p class=\"word\">INCOMPLETE</p>"));
    CU_ASSERT(page_says(&page, "No policy of a member was given"));
    ent_buf_release(&page.buf);
    place_release(&p);
}

/* The policy itself as "the model in use": a file that was never released. */
ENT_TEST(report_export, a_violation_is_written_down_too)
{
    struct place p;
    const char *args[1];
    struct ent_audit_verb verb;
    struct page page;

    place_new(&p, small());
    args[0] = p.export;
    verb = (struct ent_audit_verb){.policy = p.policy, .model = p.policy, .out = p.out};
    ENT_FAILS(ent_verb_audit_report(&verb, args, 1), ENT_E_VIOLATION);
    read_page(&p, &page);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    CU_ASSERT(page_says(&page, "<p class=\"word\">FAIL</p>"));
    CU_ASSERT(page_says(&page, "is none of the released models"));
    CU_ASSERT(page_at(page.text, "id=\"findings\"") < page_at(page.text, "id=\"unchecked\""));
    ent_buf_release(&page.buf);
    place_release(&p);
}

/* Each way to end that is no acceptance is counted for its member, by its code. */
ENT_TEST(report_export, reasons_are_counted_by_member)
{
    static const struct ent_forge_fault faults[] = {
        {2, 1, 0, ENT_FORGE_DECLINED}, {2, 1, 1, ENT_FORGE_TIMEOUT}, {4, 1, 0, ENT_FORGE_DECLINED}};
    struct ent_forge_options options = small();
    struct ent_audit_options how = {0};
    struct ent_audit_facts facts = {0};
    struct ent_export *export = NULL;
    struct place p;

    options.n_members = 6;
    options.faults = faults;
    options.n_faults = sizeof faults / sizeof faults[0];
    place_new(&p, options);
    how.policy = p.policy;
    ENT_OK(ent_export_open(p.export, &export));
    ENT_OK(ent_audit_verify(export, &how, &facts));
    CU_ASSERT_EQUAL_FATAL(facts.n_members, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct ent_audit_member *m = &facts.members[i];
        uint32_t ended = 0;

        for (size_t code = 0; code <= ENT_E_COUNT; code++) {
            ended += m->ends[code];
        }
        CU_ASSERT_EQUAL(ended, m->rejected + m->dropped);
        CU_ASSERT_EQUAL(m->invited, m->accepted + ended);
    }
    CU_ASSERT_EQUAL(facts.members[0].rejected, 2);
    CU_ASSERT_EQUAL(facts.members[1].dropped, 1);
    CU_ASSERT_EQUAL(facts.members[1].ends[ENT_E_TIMEOUT], 1);
    ent_export_close(export);
    ent_audit_facts_release(&facts);
    place_release(&p);
}
