/* The page for a compliance officer: what it must say, and what no log can make it say. */
#include <string.h>

#include "common/json/json.h"
#include "common/task/task.h"
#include "test_report_check.h"
#include "test_report_sample.h"
#include "tests/support/ent_test.h"

#define HOSTILE "\"><script>alert('1')</script>&<img src=x>"

/* ---- form ---- */

ENT_TEST(report, every_page_is_well_formed)
{
    static const size_t n_rounds[] = {1, 7, 130};
    const struct ent_report_request request = sample_request();
    const struct ent_audit_facts nothing = {0};
    struct page page;

    for (int kind = SAMPLE_PASS; kind <= SAMPLE_INCOMPLETE; kind++) {
        for (size_t i = 0; i < sizeof n_rounds / sizeof n_rounds[0]; i++) {
            page_sample(&page, (enum sample_kind)kind, n_rounds[i]);
            CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
            ent_buf_release(&page.buf);
        }
    }
    page_make(&page, &nothing, &request);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    ent_buf_release(&page.buf);
}

ENT_TEST(report, the_checker_sees_what_is_wrong)
{
    static const char *const wrong[] = {
        "<html></html>",
        "<!DOCTYPE html>\n<p>",
        "<!DOCTYPE html>\n<p><b></p></b>",
        "<!DOCTYPE html>\n<p>a & b</p>",
        "<!DOCTYPE html>\n<p>a > b</p>",
        "<!DOCTYPE html>\n<p class=x></p>",
        "<!DOCTYPE html>\n<p class=\"<\"></p>",
        "<!DOCTYPE html>\n</p>",
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_PTR_NOT_NULL(page_check(wrong[i], NULL));
    }
    CU_ASSERT_PTR_NULL(
        page_check("<!DOCTYPE html>\n<p class=\"x\">&amp;<meta a=\"b\" /></p>", NULL));
}

ENT_TEST(report, every_section_is_there_once_and_in_order)
{
    static const char *const ids[] = {"unchecked", "federation", "members", "privacy", "models",
                                      "integrity", "actions",    "erasure", "builds",  "articles",
                                      "repeat",    "limits",     "annex-a", "annex-b"};

    for (int kind = SAMPLE_PASS; kind <= SAMPLE_INCOMPLETE; kind++) {
        const char *before;
        struct page page;

        page_sample(&page, (enum sample_kind)kind, 3);
        before = page.text;
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            char id[64];
            const char *at;

            (void)snprintf(id, sizeof id, "<section id=\"%s\"", ids[i]);
            at = page_at(before, id);
            CU_ASSERT_EQUAL(page_count(&page, id), 1);
            before = at;
        }
        ent_buf_release(&page.buf);
    }
}

/* A page that an officer opens from a mail must not call anybody. */
ENT_TEST(report, nothing_comes_from_outside)
{
    static const char *const never[] = {"http:",
                                        "https:",
                                        "//",
                                        "<script",
                                        "javascript:",
                                        "<link",
                                        "@import",
                                        "url(",
                                        "src=",
                                        "<img",
                                        "<iframe",
                                        "<object",
                                        "<form",
                                        " onload=",
                                        "srcset",
                                        "<base",
                                        "http-equiv=\"refresh"};
    struct page page;

    page_sample(&page, SAMPLE_FAIL, 3);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        CU_ASSERT_FALSE(page_says(&page, never[i]));
    }
    CU_ASSERT(page_says(&page, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                               "&#39;none&#39;; style-src &#39;unsafe-inline&#39;\" />"));
    /* links lead to places of the page itself */
    CU_ASSERT_EQUAL(page_count(&page, "href=\""), page_count(&page, "href=\"#"));
    ent_buf_release(&page.buf);
}

ENT_TEST(report, the_same_facts_give_the_same_bytes)
{
    struct page a;
    struct page b;

    page_sample(&a, SAMPLE_PASS, 5);
    page_sample(&b, SAMPLE_PASS, 5);
    CU_ASSERT_EQUAL(a.buf.len, b.buf.len);
    CU_ASSERT_EQUAL(memcmp(a.buf.data, b.buf.data, a.buf.len), 0);
    ent_buf_release(&a.buf);
    ent_buf_release(&b.buf);
}

/* ---- hostile content ---- */

static void poison(struct ent_audit_facts *f)
{
    (void)snprintf(f->origin, sizeof f->origin, "%s", HOSTILE);
    (void)snprintf(f->genesis.name, sizeof f->genesis.name, "%s", HOSTILE);
    for (size_t i = 0; i < ENT_AUDIT_CHECKS; i++) {
        (void)snprintf(f->checks[i].text, sizeof f->checks[i].text, "%s", HOSTILE);
    }
    for (size_t i = 0; i < f->n_findings; i++) {
        (void)snprintf(f->findings[i].text, sizeof f->findings[i].text, "%s", HOSTILE);
    }
    for (size_t i = 0; i < f->n_evals; i++) {
        for (size_t m = 1; m < f->evals[i].n_metrics; m++) { /* the first is the AUC */
            (void)snprintf(f->evals[i].metrics[m].name, sizeof f->evals[i].metrics[m].name, "%s",
                           HOSTILE);
        }
    }
    for (size_t i = 0; i < f->n_processing; i++) {
        struct ent_leaf_processing_set *p = &f->processing[i].leaf;
        char *const texts[] = {p->purpose, p->lawful_basis, p->categories, p->recipients,
                               p->transfers};

        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            (void)snprintf(texts[t], sizeof p->purpose, "%s", HOSTILE);
        }
    }
    for (size_t i = 0; i < f->n_builds; i++) {
        struct ent_leaf_software_start *b = &f->builds[i].leaf;
        char *const texts[] = {b->version, b->commit, b->compiler, b->flags, b->openssl, b->sqlite};

        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            (void)snprintf(texts[t], sizeof b->version, "%s", HOSTILE);
        }
    }
}

/* The charset of leaves forbids such texts; the writer must not rely on it. The page of hostile facts has the tags and the
 * attributes of the page of plain ones, no more. */
ENT_TEST(report, no_text_of_the_log_becomes_markup)
{
    struct ent_report_name name = {.who_len = 16, .name = HOSTILE};
    const struct ent_report_names names = {.names = &name, .n = 1};
    struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct ent_buf skeletons[2];
    struct page page;

    for (int hostile = 0; hostile < 2; hostile++) {
        sample_facts(SAMPLE_FAIL, 3, &facts);
        memcpy(name.who, facts.members[0].handle, 16);
        request.names = &names;
        if (hostile) {
            poison(&facts);
            request.export_dir = HOSTILE;
            request.policy = HOSTILE;
        } else {
            (void)snprintf(name.name, sizeof name.name, "plain");
        }
        page_make(&page, &facts, &request);
        ent_buf_init(&skeletons[hostile], ENT_REPORT_PAGE_MAX_BYTES);
        CU_ASSERT_PTR_NULL(page_check(page.text, &skeletons[hostile]));
        CU_ASSERT_FALSE(page_says(&page, "<script"));
        CU_ASSERT_FALSE(page_says(&page, "<img"));
        CU_ASSERT_EQUAL(page_says(&page, "&lt;script&gt;alert(&#39;1&#39;)"), hostile == 1);
        ent_buf_release(&page.buf);
        ent_audit_facts_release(&facts);
        (void)snprintf(name.name, sizeof name.name, "%s", HOSTILE);
    }
    CU_ASSERT_EQUAL(skeletons[0].len, skeletons[1].len);
    CU_ASSERT_EQUAL(memcmp(skeletons[0].data, skeletons[1].data, skeletons[0].len), 0);
    ent_buf_release(&skeletons[0]);
    ent_buf_release(&skeletons[1]);
}

ENT_TEST(report, numbers_of_a_damaged_log_do_no_harm)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct page page;

    sample_facts(SAMPLE_FAIL, 3, &facts);
    facts.first_ms = UINT64_MAX;
    facts.cosigned_newest_s = UINT64_MAX;
    facts.cosigned_size = UINT64_MAX;
    facts.rounds[0].invited = 0;
    facts.rounds[1].accepted = UINT32_MAX;
    facts.rounds[1].task = UINT32_MAX;
    facts.actions[0].action = UINT32_MAX;
    facts.actions[0].outcome = UINT32_MAX;
    facts.actions[0].subject_len = 33;
    facts.releases[0].leaf.kind = UINT32_MAX;
    facts.evals[0].metrics[0].nano = INT64_MIN;
    facts.evals[0].split = UINT32_MAX;
    facts.members[0].ends[ENT_E_COUNT] = UINT32_MAX;
    page_make(&page, &facts, &request);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    CU_ASSERT(page_says(&page, "-9223372036.854776"));
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

ENT_TEST(report, long_tables_are_cut_and_say_so)
{
    struct page page;

    page_sample(&page, SAMPLE_PASS, 1100);
    CU_ASSERT_PTR_NULL(page_check(page.text, NULL));
    CU_ASSERT(page_says(&page, "A further 201 rounds are not listed on this page"));
    ent_buf_release(&page.buf);
}

/* ---- content ---- */

ENT_TEST(report, verdict_stands_above_all_and_violations_follow)
{
    struct page page;
    const char *verdict;
    const char *finding;

    page_sample(&page, SAMPLE_PASS, 3);
    CU_ASSERT(page_says(&page, "<p class=\"word\">PASS</p>"));
    CU_ASSERT_FALSE(page_says(&page, "id=\"findings\""));
    ent_buf_release(&page.buf);

    page_sample(&page, SAMPLE_FAIL, 3);
    verdict = page_at(page.text, "<p class=\"word\">FAIL</p>");
    finding = page_at(page.text, "then neither accepted, rejected nor dropped");
    CU_ASSERT(verdict < finding);
    CU_ASSERT(finding < page_at(page.text, "id=\"unchecked\""));
    CU_ASSERT(page_says(&page, "A violation is proved, at 2 places"));
    CU_ASSERT(page_says(&page, "<div>57</div>")); /* the place in the log */
    CU_ASSERT(page_says(&page, "36 sealed updates were not opened"));
    ent_buf_release(&page.buf);

    page_sample(&page, SAMPLE_INCOMPLETE, 3);
    CU_ASSERT(page_says(&page, "<p class=\"word\">INCOMPLETE</p>"));
    CU_ASSERT(page_says(&page, "1 thing could not be checked"));
    CU_ASSERT(page_at(page.text, "36 sealed updates") < page_at(page.text, "id=\"federation\""));
    ent_buf_release(&page.buf);
}

ENT_TEST(report, what_was_not_given_is_named)
{
    static const char *const lines[] = {
        "Whether each sum and each model is the result", "Whose record this is.",
        "Whether a member saw more of this log",
        "Whether the model in use is one of those released.", "What the sealed updates hold."};
    static const char *const heads[] = {"north.note"};
    struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct page page;

    sample_facts(SAMPLE_PASS, 1, &facts);
    request.policy = NULL;
    page_make(&page, &facts, &request);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CU_ASSERT(page_says(&page, lines[i]));
    }
    ent_buf_release(&page.buf);

    request = sample_request();
    request.heads = heads;
    request.n_heads = 1;
    request.model = "global.safetensors";
    request.key = "auditor.x25519";
    page_make(&page, &facts, &request);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        CU_ASSERT_EQUAL(page_says(&page, lines[i]), i == 0);
    }
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

ENT_TEST(report, without_a_policy_it_says_so)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct page page;

    sample_facts(SAMPLE_INCOMPLETE, 1, &facts);
    facts.pinned = false;
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(&page, "No policy of a member was given"));
    CU_ASSERT_EQUAL(page_count(&page, ">not found</span>"), 5);
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

/* Of 3 training rounds: statistics, 3 figures on validation rows and 1 on test rows, first, 3 trained, best model. */
ENT_TEST(report, every_release_is_listed_as_not_covered)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    const char *annex;
    struct page page;

    sample_facts(SAMPLE_PASS, 3, &facts);
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(&page, "No run of this log promises differential privacy."));
    CU_ASSERT(page_says(&page, "10 of 10 releases are not covered by noise."));
    annex = page_at(page.text, "id=\"annex-b\"");
    for (size_t i = 0; i < facts.n_releases; i++) {
        char hex[2 * 32 + 1];

        ent_hex(facts.releases[i].leaf.model, 32, hex);
        (void)page_at(annex, hex);
    }
    for (size_t i = 0; i < facts.n_evals; i++) {
        char seq[32];

        (void)snprintf(seq, sizeof seq, "<div>%u</div>", (unsigned)facts.evals[i].seq);
        (void)page_at(annex, seq);
    }
    (void)page_at(annex, "Pooled statistics");
    ent_buf_release(&page.buf);

    facts.releases[0].leaf.dp_covered = true;
    facts.evals[0].dp_covered = true; /* V13 fails then; the page still says what the log says */
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(&page, "8 of 10 releases are not covered by noise."));
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

/* What a run with privacy has spent, and what that means for a person. */
ENT_TEST(report, budgets_are_said_in_words)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_spending spending = {.run = 1,
                                          .seq = 20,
                                          .event = {.unit = 1,
                                                    .mechanism = 1,
                                                    .rate = UINT64_C(1) << 30,
                                                    .sigma2 = UINT64_C(4000000),
                                                    .sensitivity = 1000,
                                                    .dimension = 33,
                                                    .steps = 2,
                                                    .delta_e18 = UINT64_C(10000000000000),
                                                    .limit_nano = 2000000000,
                                                    .accountant = 3,
                                                    .trust = ENT_LOG_TRUST_LOCAL,
                                                    .members_per_person = 1},
                                          .n_accounts = 4,
                                          .rounds = 3,
                                          .spent_nano = 812345678,
                                          .refunds = 1,
                                          .person = {0.812345678, 1.25}};
    struct ent_audit_facts facts;
    struct page page;

    sample_facts(SAMPLE_PASS, 3, &facts);
    facts.spendings = &spending;
    facts.n_spendings = 1;
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(&page, "Budget of run 1"));
    CU_ASSERT(page_says(&page,
                        "epsilon 0.8123 of 2.0000 at delta 1e-05, by 3 booked rounds (41 % of "
                        "the limit); 1 given back"));
    (void)page_at(page.text, "<progress value=\"0.406\"");
    CU_ASSERT(page_says(&page, "noise of 2 times what a unit can move, in each of 2 steps"));
    CU_ASSERT(page_says(&page, "with probability 0.25"));
    CU_ASSERT(page_says(&page, "A person in 2 members"));
    CU_ASSERT(page_says(&page, "epsilon 1.2500 at most"));
    CU_ASSERT(page_says(&page, "nobody has declared or counted it"));
    CU_ASSERT_FALSE(page_says(&page, "No run of this log promises"));
    ent_buf_release(&page.buf);
    facts.spendings = NULL; /* ours */
    facts.n_spendings = 0;
    ent_audit_facts_release(&facts);
}

ENT_TEST(report, the_best_model_has_its_figure_of_test_rows)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    const char *row;
    struct page page;
    char hex[2 * 32 + 1];

    sample_facts(SAMPLE_PASS, 2, &facts);
    for (size_t i = 0; i < facts.n_evals; i++) {
        facts.evals[i].metrics[0].nano =
            facts.evals[i].split == ENT_SPLIT_TEST ? 812345678 : 700000000;
    }
    ent_hex(facts.releases[facts.n_releases - 1].leaf.model, 32, hex);
    page_make(&page, &facts, &request);
    row = page_at(page.text, hex);
    row = page_at(row, "0.812346 (test)");
    CU_ASSERT(row < page_at(page.text, "id=\"integrity\""));
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

ENT_TEST(report, members_have_their_counts_and_reasons)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct ent_audit_member *m;
    struct page page;

    sample_facts(SAMPLE_PASS, 5, &facts);
    m = &facts.members[1];
    memset(m->ends, 0, sizeof m->ends);
    m->invited = 1001;
    m->accepted = 902;
    m->ends[ENT_E_TIMEOUT] = 95;
    m->ends[ENT_E_NONFINITE] = 3;
    m->ends[ENT_E_COUNT] = 1;
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(&page,
                        "no answer in time (95), a value is NaN or infinite (3), a reason that "
                        "this program does not know (1)"));
    CU_ASSERT(page_says(&page, "<div>1,001</div>"));
    CU_ASSERT(page_says(&page, "<div>902</div>"));
    CU_ASSERT(page_says(&page, "No name was disclosed"));
    CU_ASSERT(page_says(&page, "11 rounds in the log"));
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}

ENT_TEST(report, json_holds_the_same)
{
    const struct ent_report_request request = sample_request();
    struct ent_json *root = NULL;
    struct ent_audit_facts facts;
    struct ent_buf out;
    const char *verdict;

    sample_facts(SAMPLE_FAIL, 40, &facts);
    poison(&facts);
    ent_buf_init(&out, ENT_REPORT_PAGE_MAX_BYTES);
    ENT_OK(ent_report_json(&facts, &request, &out));
    ENT_OK(ent_json_parse((const char *)out.data, out.len, out.len, 16, &root));
    ENT_OK(ent_json_string(ent_json_get(root, "verdict"), "verdict", &verdict));
    CU_ASSERT_STRING_EQUAL(verdict, "FAIL");
    CU_ASSERT_EQUAL(ent_json_len(ent_json_get(root, "rounds")), facts.n_rounds);
    CU_ASSERT_EQUAL(ent_json_len(ent_json_get(root, "releases")),
                    1 + facts.n_evals + facts.n_releases);
    ent_json_free(root);
    ent_buf_release(&out);
    ent_audit_facts_release(&facts);
}
