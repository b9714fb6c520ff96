/* What the log is asked for by law, how to repeat the page, and what it cannot say. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"
#include "common/base/identity.h"
#include "common/base/plural.h"

#define AI_ACT_19_MONTHS 6u /* logs are kept at least so long */

/* ---- articles ---- */

static void where(struct ent_report_article *a, const char *fmt, ...) ENT_PRINTF(2, 3);
static void where(struct ent_report_article *a, const char *fmt, ...)
{
    size_t len = strlen(a->where);
    va_list args;

    va_start(args, fmt);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    (void)vsnprintf(a->where + len, sizeof a->where - len, fmt, args);
    va_end(args);
}

/* Whether the record can be evidence of anything; if not, `where` says why. */
static bool usable(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    if (f->size == 0) {
        where(a, "the log is empty");
        return false;
    }
    if (ent_audit_verdict(f) == ENT_AUDIT_VIOLATED) {
        where(a, "a violation is proved: until it is explained, this record is evidence of nothing "
                 "else");
        return false;
    }
    if (!f->pinned) {
        where(a, "no policy of a member was given: whose record this is was not verified");
        return false;
    }
    return true;
}

static void gdpr_5(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    *a = (struct ent_report_article){
        .article = "GDPR 5(2)", .asks = "be able to demonstrate what was done with personal data"};
    if (!usable(f, a)) {
        return;
    }
    a->found = f->cosigned_size > 0;
    if (a->found) {
        where(a,
              "%" PRIu64 " entries, witnessed by %" PRIu32 " of %" PRIu32
              " members (Integrity); %zu attempts of rounds (annex A); %zu human actions",
              f->size, f->cosigned_by, f->cosigned_of, f->n_rounds, f->n_actions);
    } else {
        where(a, "the log is not witnessed by a quorum of members");
    }
}

static void gdpr_30(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    const struct ent_leaf_processing_set *p =
        f->n_processing > 0 ? &f->processing[f->n_processing - 1].leaf : NULL;

    *a = (struct ent_report_article){
        .article = "GDPR 30",
        .asks =
            "keep a record of processing: purposes, categories, recipients, transfers, erasure"};
    if (!usable(f, a)) {
        return;
    }
    if (p == NULL) {
        where(a, "the log holds no statement of the processing (processing.set)");
        return;
    }
    a->found = p->purpose[0] != '\0' && p->categories[0] != '\0' && p->recipients[0] != '\0' &&
               p->retention_months > 0;
    where(a, "entry %" PRIu64 " (Federation)", f->processing[f->n_processing - 1].seq);
    where(a, "%s%s%s%s%s%s", p->purpose[0] == '\0' ? "; no purposes stated" : "",
          p->categories[0] == '\0' ? "; no categories stated" : "",
          p->recipients[0] == '\0' ? "; no recipients stated" : "",
          p->transfers[0] == '\0' ? "; no transfers stated" : "",
          p->retention_months == 0 ? "; no retention stated" : "",
          p->has_document ? "; digest of the operator's own record is there"
                          : "; no digest of the operator's own record");
}

static void gdpr_35(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    const struct ent_leaf_processing_set *p =
        f->n_processing > 0 ? &f->processing[f->n_processing - 1].leaf : NULL;
    struct ent_report_exposed e;
    uint64_t bare;

    *a = (struct ent_report_article){.article = "GDPR 35",
                                     .asks = "assess the impact before processing of high risk"};
    if (!usable(f, a)) {
        return;
    }
    ent_report_exposed(f, &e);
    bare = e.statistics + e.figures + e.models - e.covered;
    a->found = p != NULL && p->has_dpia;
    if (a->found) {
        where(a,
              "the digest of an assessment stands in entry %" PRIu64
              " (Federation): compare it with the document",
              f->processing[f->n_processing - 1].seq);
    } else {
        where(a, "no digest of an assessment is in the log");
    }
    where(a, "; %" PRIu64 " %s not covered by noise, for the assessment to weigh (Privacy)", bare,
          ent_plural(bare, "release", "releases"));
}

static void ai_12(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    char first[ENT_TIME_TEXT_BYTES];
    char last[ENT_TIME_TEXT_BYTES];

    *a = (struct ent_report_article){
        .article = "AI Act 12", .asks = "record events automatically over the system's lifetime"};
    if (!usable(f, a)) {
        return;
    }
    ent_time_text(f->first_ms, first);
    ent_time_text(f->last_ms, last);
    a->found = f->has_genesis && f->n_builds > 0;
    where(a,
          "entries from the first on, %s to %s, written in the step that they are about; %zu %s of "
          "the "
          "software, %zu attempts of rounds%s",
          first, last, f->n_builds, ent_plural(f->n_builds, "start", "starts"), f->n_rounds,
          a->found ? "" : "; no start of the software or no first entry");
}

static void ai_19(const struct ent_audit_facts *f, struct ent_report_article *a)
{
    uint32_t months =
        f->n_processing > 0 ? f->processing[f->n_processing - 1].leaf.retention_months : 0;
    char covered[ENT_TIME_TEXT_BYTES];

    *a = (struct ent_report_article){.article = "AI Act 19",
                                     .asks = "keep these logs for at least six months"};
    if (!usable(f, a)) {
        return;
    }
    ent_duration_text(f->last_ms > f->first_ms ? f->last_ms - f->first_ms : 0, covered);
    a->found = months >= AI_ACT_19_MONTHS;
    if (months > 0) {
        where(a, "the operator states that the log is kept for %" PRIu32 " %s (Federation)", months,
              ent_plural(months, "month", "months"));
    } else {
        where(a, "the log states no retention of its own");
    }
    where(a, "; this export covers %s", covered);
}

void ent_report_article_list(const struct ent_audit_facts *facts,
                             struct ent_report_article out[ENT_REPORT_ARTICLES])
{
    gdpr_5(facts, &out[0]);
    gdpr_30(facts, &out[1]);
    gdpr_35(facts, &out[2]);
    ai_12(facts, &out[3]);
    ai_19(facts, &out[4]);
}

void ent_report_articles(struct ent_report *r)
{
    struct ent_report_article articles[ENT_REPORT_ARTICLES];

    ent_report_article_list(r->facts, articles);
    ent_report_section(r, "articles", "Evidence for articles of law");
    ent_html_put(r->h, "p", NULL,
                 "\"Evidence found\" says that the log holds something to show for the article, "
                 "and where. Whether an article "
                 "applies, and whether the evidence is enough, is a question of law that no "
                 "program answers.");
    ent_report_table(r, ENT_REPORT_CARDS, "Articles",
                     "Article|Asks to|Evidence|Where, and what is missing");
    for (size_t i = 0; i < ENT_REPORT_ARTICLES; i++) {
        ent_report_row(r);
        ent_report_text(r, "w", articles[i].article);
        ent_report_cell(r, articles[i].asks);
        ent_report_td(r, NULL);
        ent_report_mark(r, articles[i].found ? "good" : "warn",
                        articles[i].found ? "found" : "not found");
        ent_report_td_end(r);
        ent_report_text(r, "wide", articles[i].where);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_table_end(r);
    ent_report_end(r);
}

/* ---- how to repeat it ---- */

/* One word of a command line, as a shell takes it. */
static void put_word(struct ent_report *r, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/+:@%,=-";

    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        ent_html_text(r->h, word);
        return;
    }
    ent_html_text(r->h, "'");
    for (; *word != '\0';) {
        size_t len = strcspn(word, "'");

        ent_html_textf(r->h, "%.*s", (int)len, word);
        word += len;
        if (*word == '\'') {
            ent_html_text(r->h, "'\\''");
            word++;
        }
    }
    ent_html_text(r->h, "'");
}

static void put_option(struct ent_report *r, const char *option, const char *value)
{
    if (value != NULL) {
        ent_html_textf(r->h, " --%s ", option);
        put_word(r, value);
    }
}

static void put_command(struct ent_report *r, const char *verb, bool page)
{
    const struct ent_report_request *q = r->request;

    ent_html_textf(r->h, "entente-audit %s ", verb);
    put_word(r, q->export_dir);
    put_option(r, "policy", q->policy);
    for (size_t i = 0; i < q->n_heads; i++) {
        put_option(r, "head", q->heads[i]);
    }
    for (size_t i = 0; i < q->n_receipts; i++) {
        put_option(r, "receipt", q->receipts[i]);
    }
    put_option(r, "model", q->model);
    put_option(r, "key", q->key);
    if (q->since > 0) {
        ent_html_textf(r->h, " --since %" PRIu64, q->since);
    }
    if (q->max_age_hours > 0) {
        ent_html_textf(r->h, " --max-age %" PRIu64, q->max_age_hours);
    }
    if (page) {
        put_option(r, "disclose", q->disclose);
        put_option(r, "out", q->out);
    }
    ent_html_text(r->h, "\n");
}

void ent_report_repeat(struct ent_report *r)
{
    const struct ent_report_request *q = r->request;
    struct ent_identity me;

    ent_identity(&me);
    ent_report_section(r, "repeat", "How to repeat this");
    ent_html_put(r->h, "p", NULL,
                 "All of this page follows from the export and the policy, without a network. Take "
                 "the policy and the heads from "
                 "members, not from the operator and not from the export. The first line checks, "
                 "the second makes this page "
                 "again, byte for byte with the same program; the third checks tree, signatures "
                 "and quorum with a program that "
                 "shares no code with this one.");
    ent_html_open(r->h, "pre", NULL);
    put_command(r, "verify", false);
    put_command(r, "report", true);
    ent_html_text(r->h, "python3 ");
    put_word(r, q->export_dir);
    ent_html_text(r->h, "/verify.py ");
    put_word(r, q->export_dir);
    ent_html_text(r->h, " ");
    put_word(r, q->policy != NULL ? q->policy : "POLICY");
    for (size_t i = 0; i < q->n_heads; i++) {
        put_option(r, "head", q->heads[i]);
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_open(r->h, "dl", "one");
    if (q->has_checkpoint) {
        ent_report_digest_item(r, "SHA-256 of the export's checkpoint", q->checkpoint_sha256);
    }
    if (q->has_policy) {
        ent_report_digest_item(r, "SHA-256 of the policy", q->policy_sha256);
    }
    ent_report_item(r, "This program", "entente-audit %s, commit %s, %s", me.version, me.commit,
                    me.compiler);
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_put(r->h, "p", NULL,
                 "An auditor that was admitted before the run can also compute every round again, "
                 "to the last bit: entente-audit "
                 "replay, with its key.");
    ent_report_end(r);
}

/* ---- limits ---- */

void ent_report_limits(struct ent_report *r)
{
    static const char *const limits[][2] = {
        {"That a member's data is real, complete or lawful.",
         "The log shows what a member sent, not what it should have sent."},
        {"That a member computed honestly.",
         "It signs its update; only an inspection on its premises shows how it was made."},
        {"That a round's sum is the sum of its updates.",
         "This page checks signatures and fingerprints; the computing itself is checked by "
         "replay."},
        {"That nobody learned anything from the models.",
         "Differential privacy bounds what anybody can infer of one person, for the runs and "
         "releases that the section on privacy shows as covered; the others have no such bound."},
        {"That noise was drawn as it is booked.",
         "Inside a member only an inspection on its premises shows it. Noise of the coordinator is "
         "drawn again by replay, with the key of an auditor who was admitted before the run; in a "
         "run without one nobody can."},
        {"The exact time of anything.", "Times never go back in the log, but each is the "
                                        "coordinator's clock; a lie of minutes is not detected."},
        {"That the coordinator ran the program that it names.",
         "It states the digest of its program; nobody outside can see what ran."},
        {"Anything at all, if enough members conspire with the coordinator,",
         "or if the policy was not taken from a member that you trust. How many may be bad stands "
         "under Witnesses."},
    };

    ent_report_section(r, "limits", "What this report cannot say");
    ent_html_open(r->h, "ul", NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        ent_html_open(r->h, "li", NULL);
        ent_html_put(r->h, "strong", NULL, limits[i][0]);
        ent_html_textf(r->h, " %s", limits[i][1]);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_html_close(r->h);
    ent_report_end(r);
}
