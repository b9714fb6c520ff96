/* What the page says about articles of law, and how it can be made again. */
#include <ctype.h>
#include <string.h>

#include "test_report_sample.h"
#include "tests/support/ent_test.h"

ENT_TEST(report, it_never_says_that_anything_complies)
{
    for (int kind = SAMPLE_PASS; kind <= SAMPLE_INCOMPLETE; kind++) {
        struct page page;

        page_sample(&page, (enum sample_kind)kind, 3);
        for (size_t i = 0; i < page.buf.len; i++) {
            page.buf.data[i] = (uint8_t)tolower(page.buf.data[i]);
        }
        CU_ASSERT_FALSE(page_says(&page, "complian"));
        CU_ASSERT_FALSE(page_says(&page, "complies"));
        ent_buf_release(&page.buf);
    }
}

/* Evidence of five articles; what is taken away is missed in its row alone. */
ENT_TEST(report, articles_follow_what_the_log_holds)
{
    static const struct {
        const char *misses; /* article */
        int taken;
    } cases[] = {{NULL, 0},        {"GDPR 30", 1},   {"GDPR 35", 2},
                 {"AI Act 19", 3}, {"AI Act 12", 4}, {"GDPR 5(2)", 5}};
    const struct ent_report_request request = sample_request();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ent_audit_facts facts;
        const char *row;
        struct page page;

        sample_facts(SAMPLE_PASS, 2, &facts);
        switch (cases[i].taken) {
        case 1:
            facts.processing[0].leaf.recipients[0] = '\0';
            break;
        case 2:
            facts.processing[0].leaf.has_dpia = false;
            break;
        case 3:
            facts.processing[0].leaf.retention_months = 5;
            break;
        case 4:
            facts.n_builds = 0;
            break;
        case 5:
            facts.cosigned_size = 0;
            break;
        default:
            break;
        }
        page_make(&page, &facts, &request);
        CU_ASSERT_EQUAL(page_count(&page, ">found</span>"), cases[i].misses == NULL ? 5 : 4);
        CU_ASSERT_EQUAL(page_count(&page, ">not found</span>"), cases[i].misses == NULL ? 0 : 1);
        if (cases[i].misses != NULL) {
            row = page_at(page_at(page.text, "id=\"articles\""), cases[i].misses);
            CU_ASSERT(page_at(row, ">not found</span>") < page_at(row, "</tr>"));
        }
        ent_buf_release(&page.buf);
        ent_audit_facts_release(&facts);
    }
}

ENT_TEST(report, a_violated_log_is_evidence_of_nothing)
{
    struct page page;

    page_sample(&page, SAMPLE_FAIL, 3);
    CU_ASSERT_EQUAL(page_count(&page, ">not found</span>"), 5);
    CU_ASSERT_EQUAL(page_count(&page, ">found</span>"), 0);
    ent_buf_release(&page.buf);
}

/* ---- how to repeat ---- */

ENT_TEST(report, commands_can_be_pasted)
{
    static const char *const heads[] = {"it's a.note"};
    struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;
    struct page page;

    request.heads = heads;
    request.n_heads = 1;
    request.since = 12;
    memset(request.checkpoint_sha256, 0xAB, 32);
    sample_facts(SAMPLE_PASS, 1, &facts);
    page_make(&page, &facts, &request);
    CU_ASSERT(page_says(
        &page, "entente-audit verify &#39;four shops.export&#39; --policy north.policy --head "
               "&#39;it&#39;\\&#39;&#39;s a.note&#39; --since 12\n"));
    CU_ASSERT(page_says(&page, " --out report.html\n"));
    CU_ASSERT(page_says(&page, "&#39;four shops.export&#39;/verify.py"));
    CU_ASSERT(page_says(&page, "abababababababab"));
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
}
