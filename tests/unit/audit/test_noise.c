/* What verify and replay know of noise of the coordinator beside their verdicts: counts, rerolls, bases, and the report. */
#include <stdlib.h>
#include <string.h>

#include "audit/replay.h"
#include "audit/verify.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "test_report_check.h"
#include "test_report_sample.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

/* Of five members one joins no first round; the first attempt of the second fails before an update came, and lacks two
 * joins. */
static const struct ent_forge_fault faults[] = {
    {1, 1, 3, ENT_FORGE_NO_JOIN},
    {2, 1, 0, ENT_FORGE_TIMEOUT},
    {2, 1, 1, ENT_FORGE_TIMEOUT},
    {2, 1, 2, ENT_FORGE_TIMEOUT},
    {2, 1, 3, ENT_FORGE_NO_JOIN},
    {2, 1, 4, ENT_FORGE_NO_JOIN},
    {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT},
};

static struct ent_forge_options rerolled(void)
{
    return (struct ent_forge_options){.seed = 11,
                                      .n_members = 5,
                                      .train_rounds = 3,
                                      .privacy = true,
                                      .central = true,
                                      .n_auditors = 2,
                                      .person_members = 4,
                                      .faults = faults,
                                      .n_faults = ENT_ARRAY_LEN(faults)};
}

struct world {
    struct ent_forge *forge;
    char *export;
    char *policy;
    char *key;
};

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static void write_files(struct world *w)
{
    const char *dir = ent_test_tmpdir();

    w->export = in(dir, "export");
    w->policy = in(dir, "policy");
    w->key = in(dir, "key");
    ENT_OK(ent_forge_export(w->forge, w->export, false));
    ENT_OK(ent_forge_policy_file(w->forge, w->policy));
    if (w->forge->options.n_auditors > 0) {
        ENT_OK(ent_x25519_key_save(w->forge->seal[w->forge->options.n_auditors - 1], w->key));
    }
}

static struct world world_of(const struct ent_forge_options *options, unsigned runs)
{
    struct world w = {0};

    ENT_OK(ent_forge_new(options, &w.forge));
    for (unsigned i = 1; i < runs; i++) {
        ENT_OK(ent_forge_play_run(w.forge));
    }
    write_files(&w);
    return w;
}

static void leave(struct world *w)
{
    ent_forge_free(w->forge);
    free(w->export);
    free(w->policy);
    free(w->key);
}

static void verify(const struct world *w, bool with_key, struct ent_audit_facts *facts)
{
    struct ent_audit_options options = {.policy = w->policy, .key = with_key ? w->key : NULL};
    struct ent_export *export = NULL;

    memset(facts, 0, sizeof *facts);
    ENT_OK(ent_export_open(w->export, &export));
    ENT_OK(ent_audit_verify(export, &options, facts));
    ent_export_close(export);
}

static void replay(const struct world *w, bool with_key, struct ent_replay *out)
{
    struct ent_replay_options options = {.policy = w->policy, .key = with_key ? w->key : NULL};
    struct ent_export *export = NULL;

    memset(out, 0, sizeof *out);
    ENT_OK(ent_export_open(w->export, &export));
    ENT_OK(ent_replay_export(export, &options, out));
    ent_export_close(export);
}

static uint64_t json_uint(const struct ent_buf *text, const char *key)
{
    const char *at = strstr((const char *)text->data, key);

    return at != NULL ? strtoull(at + strlen(key) + 1, NULL, 10) : UINT64_MAX;
}

ENT_TEST(noise, joins_that_did_not_come_and_attempts_that_failed_are_rerolls)
{
    struct ent_forge_options options = rerolled();
    struct world w = world_of(&options, 1);
    struct ent_audit_facts facts;
    struct ent_replay again;
    struct ent_buf text;

    verify(&w, true, &facts);
    CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_PASS);
    CU_ASSERT_EQUAL_FATAL(facts.n_noisings, 1);
    CU_ASSERT_EQUAL(facts.noisings[0].run, 1);
    CU_ASSERT_EQUAL(facts.noisings[0].rounds, 3);
    CU_ASSERT_EQUAL(facts.noisings[0].nonces, 4 + 5 + 5);
    CU_ASSERT_EQUAL(facts.noisings[0].opened, 3);
    CU_ASSERT_EQUAL(facts.noisings[0].n_auditors, 2);
    CU_ASSERT_EQUAL(facts.noisings[0].withheld, 1 + 2);
    CU_ASSERT_EQUAL(facts.noisings[0].aborted, 1);
    CU_ASSERT_EQUAL(ent_audit_rerolls(&facts), 4);
    ent_buf_init(&text, (size_t)1 << 20);
    ENT_OK(ent_audit_print_json(&facts, &text));
    ENT_OK(ent_buf_add_u8(&text, 0));
    CU_ASSERT_EQUAL(json_uint(&text, "\"rerolls\""), 4);
    replay(&w, true, &again);
    CU_ASSERT_EQUAL(again.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(again.n_rerolls, 4);
    CU_ASSERT_EQUAL(again.n_noised, 3);
    ent_buf_clear(&text);
    ENT_OK(ent_replay_print_json(&again, &text));
    ENT_OK(ent_buf_add_u8(&text, 0));
    CU_ASSERT_EQUAL(json_uint(&text, "\"rerolls\""), 4);
    CU_ASSERT_EQUAL(json_uint(&text, "\"rounds_with_noise\""), 3);
    ent_buf_release(&text);
    ent_replay_release(&again);
    ent_audit_facts_release(&facts);
    leave(&w);
}

/* Of a range only its own are counted; what comes before it is replayed all the same. */
ENT_TEST(noise, rerolls_of_a_range)
{
    struct ent_forge_options options = rerolled();
    struct world w = world_of(&options, 1);
    struct ent_replay_options how = {.policy = w.policy, .key = w.key, .first = 3, .last = 3};
    struct ent_export *export = NULL;
    struct ent_replay again = {0};

    ENT_OK(ent_export_open(w.export, &export));
    ENT_OK(ent_replay_export(export, &how, &again));
    CU_ASSERT_EQUAL(again.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(again.n_closed, 1);
    CU_ASSERT_EQUAL(again.n_rerolls, 0);
    ent_replay_release(&again);
    ent_export_close(export);
    leave(&w);
}

/* The auditor that is second in config.set opens the second seal. */
ENT_TEST(noise, each_auditor_opens_its_own_seal)
{
    struct ent_forge_options options = rerolled();
    struct world w = world_of(&options, 1);

    for (size_t i = 0; i < 2; i++) {
        struct ent_replay again;

        CU_ASSERT_EQUAL(remove(w.key), 0);
        ENT_OK(ent_x25519_key_save(w.forge->seal[i], w.key));
        replay(&w, true, &again);
        CU_ASSERT_EQUAL(again.verdict, ENT_REPLAY_IDENTICAL);
        ent_replay_release(&again);
    }
    leave(&w);
}

/* ---- where a run starts ---- */

static void starts_from(const struct ent_forge_options *options, unsigned runs,
                        enum ent_audit_base first, enum ent_audit_base last)
{
    struct world w = world_of(options, runs);
    struct ent_audit_facts facts;
    struct ent_replay again;

    verify(&w, true, &facts);
    CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_PASS);
    CU_ASSERT_EQUAL_FATAL(facts.n_runs, runs);
    CU_ASSERT_EQUAL(facts.runs[0].base_is, first);
    CU_ASSERT_EQUAL(facts.runs[runs - 1].base_is, last);
    replay(&w, true, &again);
    CU_ASSERT_EQUAL(again.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL_FATAL(again.n_bases, runs);
    CU_ASSERT_EQUAL(again.bases[0].is, first);
    CU_ASSERT_EQUAL(again.bases[runs - 1].is, last);
    ent_replay_release(&again);
    ent_audit_facts_release(&facts);
    leave(&w);
}

ENT_TEST(noise, a_run_starts_from_its_plan_or_from_what_was_released)
{
    struct ent_forge_options options = rerolled();

    starts_from(&options, 2, ENT_AUDIT_BASE_PLAN, ENT_AUDIT_BASE_PLAN);
    options.foreign_base = true;
    starts_from(&options, 1, ENT_AUDIT_BASE_OTHER, ENT_AUDIT_BASE_OTHER);
    options.from_best = true;
    options.foreign_base = false;
    starts_from(&options, 2, ENT_AUDIT_BASE_PLAN, ENT_AUDIT_BASE_RELEASED);
}

/* ---- what the report says ---- */

static void page_of(const struct ent_audit_facts *facts, struct page *page, struct ent_buf *json)
{
    struct ent_report_request request = sample_request();
    struct ent_report_names names = {0};

    request.names = &names;
    page_make(page, facts, &request);
    CU_ASSERT_PTR_NULL(page_check(page->text, NULL));
    ent_buf_init(json, ENT_REPORT_JSON_MAX_BYTES);
    ENT_OK(ent_report_json(facts, &request, json));
    ENT_OK(ent_buf_add_u8(json, 0));
}

static bool json_says(const struct ent_buf *json, const char *text)
{
    return strstr((const char *)json->data, text) != NULL;
}

ENT_TEST(noise, the_report_says_whom_to_trust_and_what_was_rerolled)
{
    static const char *const words[] = {
        "it sees each member&#39;s update and their sum without noise",
        "Whether the coordinator drew the noise that it owed",
        "A person in 1 member",
        "A person in 2 members",
        "A person in 4 members",
        "4 counted on; assumed by the plan",
        "3 joins that did not come, 1 attempt that failed",
        "3 rounds with noise",
        "sealed to 2 auditors (3 opened here)",
        "the plan&#39;s own first model: no data is in it",
        "nothing that this log releases in this run"};
    static const char *const keys[] = {"\"unit\":\"member\"",
                                       "\"noise_at\":\"coordinator\"",
                                       "\"adjacency\":\"zero-out\"",
                                       "\"rerolls\":4",
                                       "\"members_per_person\":4",
                                       "\"withheld_joins\":3",
                                       "\"aborted_attempts\":1",
                                       "\"provable\":true",
                                       "\"is\":\"plan\"",
                                       "\"not_covered\":[]"};
    struct ent_forge_options options = rerolled();
    struct world w = world_of(&options, 1);
    struct ent_audit_facts facts;
    struct ent_buf json;
    struct page page;

    verify(&w, true, &facts);
    page_of(&facts, &page, &json);
    for (size_t i = 0; i < ENT_ARRAY_LEN(words); i++) {
        CU_ASSERT(page_says(&page, words[i]));
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(keys); i++) {
        CU_ASSERT(json_says(&json, keys[i]));
    }
    CU_ASSERT(facts.spendings[0].person[0] > (double)facts.spendings[0].spent_nano / 1e9);
    CU_ASSERT(facts.spendings[0].person[1] > facts.spendings[0].person[0]);
    CU_ASSERT(facts.spendings[0].person[2] > facts.spendings[0].person[1]);
    ent_buf_release(&json);
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
    leave(&w);
}

ENT_TEST(noise, the_report_lists_what_no_noise_covers)
{
    struct ent_forge_options options = rerolled();
    struct world w;
    struct ent_audit_facts facts;
    struct ent_buf json;
    struct page page;

    options.n_faults = 0;
    options.n_auditors = 0;
    options.uncovered = true;
    options.validate = true;
    w = world_of(&options, 1);
    verify(&w, false, &facts);
    CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_NOT_COMPLETE);
    page_of(&facts, &page, &json);
    CU_ASSERT(page_says(&page, "pooled statistics (entry"));
    CU_ASSERT(page_says(&page, "evaluation figures, and what was chosen by them, 3 times"));
    CU_ASSERT(page_says(&page, "models, 5 times"));
    CU_ASSERT(page_says(&page, "none, and there will be none"));
    CU_ASSERT(page_says(&page, "none: nothing could have been chosen of the noise"));
    CU_ASSERT(json_says(&json, "\"provable\":false"));
    CU_ASSERT(json_says(&json, "\"kind\":\"statistics\""));
    CU_ASSERT(json_says(&json, "\"rerolls\":0"));
    ent_buf_release(&json);
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
    leave(&w);
}

ENT_TEST(noise, a_base_that_was_brought_along_is_not_covered)
{
    struct ent_forge_options options = rerolled();
    struct world w;
    struct ent_audit_facts facts;
    struct ent_buf json;
    struct page page;

    options.foreign_base = true;
    w = world_of(&options, 1);
    verify(&w, true, &facts);
    CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_PASS);
    page_of(&facts, &page, &json);
    CU_ASSERT(page_says(&page, "it was brought along, is neither the plan&#39;s nor one of this"));
    CU_ASSERT(json_says(&json, "\"is\":\"other\""));
    CU_ASSERT(json_says(&json, "\"kind\":\"model that the run starts from\""));
    ent_buf_release(&json);
    ent_buf_release(&page.buf);
    ent_audit_facts_release(&facts);
    leave(&w);
}
