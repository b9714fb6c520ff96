/* The frame of the page: head, verdict, findings, what was not checked. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"
#include "common/base/plural.h"

static const char *federation_name(const struct ent_audit_facts *f)
{
    if (f->has_genesis && f->genesis.name[0] != '\0') {
        return f->genesis.name;
    }
    return f->origin[0] != '\0' ? f->origin : "a federation without a name";
}

static const char *verdict_css(enum ent_audit_verdict verdict)
{
    switch (verdict) {
    case ENT_AUDIT_PASS:
        return "v good";
    case ENT_AUDIT_VIOLATED:
        return "v bad";
    case ENT_AUDIT_NOT_COMPLETE:
        break;
    }
    return "v warn";
}

static uint64_t count_findings(const struct ent_audit_facts *f, bool fail)
{
    uint64_t n = 0;

    for (size_t i = 0; i < ENT_AUDIT_CHECKS; i++) {
        n += fail ? f->checks[i].n_fail : f->checks[i].n_incomplete;
    }
    return n;
}

static void verdict_sentence(struct ent_report *r, enum ent_audit_verdict verdict)
{
    const struct ent_audit_facts *f = r->facts;
    uint64_t n_fail = count_findings(f, true);
    uint64_t n_incomplete = count_findings(f, false);
    char text[ENT_REPORT_NUMBER_BYTES];

    switch (verdict) {
    case ENT_AUDIT_PASS:
        ent_html_put(r->h, "p", NULL,
                     "The record is whole and unchanged, as many of its members as are needed have "
                     "signed it, and every check that this "
                     "program can make on it was made without finding a violation. What that does "
                     "not say stands at the end of "
                     "this page.");
        return;
    case ENT_AUDIT_VIOLATED:
        ent_html_putf(r->h, "p", NULL,
                      "A violation is proved, at %s %s that %s listed below: the record "
                      "contradicts itself, its "
                      "signatures, or what its members hold. Do not rely on this record until each "
                      "is explained by "
                      "the operator.",
                      ent_report_count(n_fail, text), ent_plural(n_fail, "place", "places"),
                      ent_plural(n_fail, "is", "are"));
        if (n_incomplete > 0) {
            ent_html_putf(r->h, "p", NULL, "Besides, %s %s could not be checked.",
                          ent_report_count(n_incomplete, text),
                          ent_plural(n_incomplete, "thing", "things"));
        }
        return;
    case ENT_AUDIT_NOT_COMPLETE:
        break;
    }
    ent_html_putf(r->h, "p", NULL,
                  "Nothing is proved wrong, but %s %s could not be checked for want of evidence, "
                  "listed below. Until "
                  "the evidence is there, this page proves only what its checks marked OK say.",
                  ent_report_count(n_incomplete, text),
                  ent_plural(n_incomplete, "thing", "things"));
}

static void identity(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    char first[ENT_TIME_TEXT_BYTES];
    char last[ENT_TIME_TEXT_BYTES];
    char count[ENT_REPORT_NUMBER_BYTES];
    char root[ENT_REPORT_ROOT_BYTES];

    ent_time_text(f->first_ms, first);
    ent_time_text(f->last_ms, last);
    ent_html_open(r->h, "dl", "one");
    ent_report_item(r, "Period", "%s to %s (UTC)", f->size > 0 ? first : "-",
                    f->size > 0 ? last : "-");
    ent_report_item(r, "Federation", "%s", federation_name(f));
    ent_report_item(r, "Log", "%s", f->origin);
    ent_report_item(r, "Size", "%s %s", ent_report_count(f->size, count),
                    ent_plural(f->size, "entry", "entries"));
    ent_report_code_item(r, "Root", ent_report_root(f->root, root));
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_verdict(struct ent_report *r)
{
    enum ent_audit_verdict verdict = ent_audit_verdict(r->facts);
    char words[ENT_AUDIT_TEXT_MAX];

    ent_html_put(r->h, "p", "eyebrow", "Audit report on a federated learning log");
    ent_html_put(r->h, "h1", NULL, federation_name(r->facts));
    ent_html_line(r->h);
    ent_html_open(r->h, "div", verdict_css(verdict));
    ent_html_put(r->h, "p", "word", ent_audit_verdict_name(verdict));
    verdict_sentence(r, verdict);
    ent_audit_verdict_text(r->facts, words);
    ent_html_putf(r->h, "p", "small", "In the words of the program: %s", words);
    if (!r->facts->pinned) {
        ent_html_put(
            r->h, "p", NULL,
            "No policy of a member was given: whose keys signed this record is not known.");
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
    identity(r);
}

/* ---- findings ---- */

static void finding_row(struct ent_report *r, const struct ent_audit_finding *finding)
{
    ent_report_row(r);
    ent_report_td(r, NULL);
    ent_report_mark(r, finding->status == ENT_AUDIT_FAIL ? "bad" : "warn",
                    finding->status == ENT_AUDIT_FAIL ? "FAIL" : "INCOMPLETE");
    ent_report_td_end(r);
    ent_report_textf(r, "w", "V%u", finding->check);
    if (finding->has_seq) {
        ent_report_number(r, finding->seq);
    } else {
        ent_report_text(r, "n", "-");
    }
    ent_report_text(r, "fill", finding->text);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static size_t finding_rows(struct ent_report *r, enum ent_audit_status status)
{
    size_t n = 0;

    for (size_t i = 0; i < r->facts->n_findings; i++) {
        if (r->facts->findings[i].status == status) {
            finding_row(r, &r->facts->findings[i]);
            n++;
        }
    }
    return n;
}

void ent_report_findings(struct ent_report *r)
{
    uint64_t n_fail = count_findings(r->facts, true);
    size_t listed;

    if (ent_audit_verdict(r->facts) != ENT_AUDIT_VIOLATED) {
        return;
    }
    ent_report_section(r, "findings", "Violations");
    ent_html_put(r->h, "p", NULL,
                 "Each line is one contradiction. \"Entry\" is the place in the log, by which "
                 "operator, members and auditor can "
                 "find it in their own copies.");
    ent_report_table(r, ENT_REPORT_WRAPS, "Violations", "Status|Check|#Entry|What is wrong");
    listed = finding_rows(r, ENT_AUDIT_FAIL);
    ent_report_table_end(r);
    ent_report_more(r, "violations", listed, listed, n_fail > listed ? n_fail - listed : 0);
    ent_report_end(r);
}

/* ---- what was not checked ---- */

static void skip_rows(struct ent_report *r)
{
    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        const struct ent_audit_check *c = &r->facts->checks[i];

        if (c->status != ENT_AUDIT_SKIP) {
            continue;
        }
        ent_report_row(r);
        ent_report_td(r, NULL);
        ent_report_mark(r, "none", "SKIP");
        ent_report_td_end(r);
        ent_report_textf(r, "w", "V%u", i + 1);
        ent_report_text(r, "n", "-");
        ent_report_textf(r, "fill", "%s: %s", ent_audit_check_name(i + 1), c->text);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
}

static void put_reason(struct ent_report *r, const char *what, const char *why)
{
    ent_html_open(r->h, "li", NULL);
    ent_html_put(r->h, "strong", NULL, what);
    ent_html_textf(r->h, " %s", why);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

/* What a check would have looked at, had it been given; and replay, which is another verb. */
static void not_given(struct ent_report *r)
{
    const struct ent_report_request *q = r->request;
    bool sealed = false;

    for (size_t i = 0; i < r->facts->n_runs; i++) {
        sealed = sealed || r->facts->runs[i].leaf.n_auditors > 0;
    }
    ent_html_put(r->h, "h3", NULL, "Not looked at");
    ent_html_open(r->h, "ul", NULL);
    put_reason(r, "Whether each sum and each model is the result of its updates.",
               "That is entente-audit replay, by an auditor that was admitted before the run.");
    if (r->facts->n_noisings > 0) {
        put_reason(r, "Whether the coordinator drew the noise that it owed, and added it.",
                   "That is replay, too: the section on privacy says of which runs anybody can.");
    }
    if (q->policy == NULL) {
        put_reason(r, "Whose record this is.", "No policy was given (--policy, from a member).");
    }
    if (q->n_heads == 0) {
        put_reason(r, "Whether a member saw more of this log, or another one.",
                   "No member's newest head was given (--head): an export that was cut off at its "
                   "end may not be noticed.");
    }
    if (q->model == NULL) {
        put_reason(r, "Whether the model in use is one of those released.",
                   "No model file was given (--model).");
    }
    if (sealed && q->key == NULL) {
        put_reason(r, "What the sealed updates hold.",
                   "No auditor's key was given (--key): they are there, and were not opened.");
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void unchecked_table(struct ent_report *r, uint64_t n_incomplete)
{
    size_t listed;

    ent_html_put(
        r->h, "p", NULL,
        "INCOMPLETE: evidence is missing, so the verdict cannot be PASS. SKIP: this version has no "
        "such feature, or there is "
        "nothing in the log that the check would look at; the verdict does not depend on it.");
    ent_report_table(r, ENT_REPORT_WRAPS, "What was not checked",
                     "Status|Check|#Entry|What, and why");
    listed = finding_rows(r, ENT_AUDIT_INCOMPLETE);
    skip_rows(r);
    ent_report_table_end(r);
    ent_report_more(r, "things that could not be checked", listed, listed,
                    n_incomplete > listed ? n_incomplete - listed : 0);
}

void ent_report_unchecked(struct ent_report *r)
{
    uint64_t n_incomplete = count_findings(r->facts, false);
    bool any = n_incomplete > 0;

    for (size_t i = 0; i < ENT_AUDIT_CHECKS; i++) {
        any = any || r->facts->checks[i].status == ENT_AUDIT_SKIP;
    }
    ent_report_section(r, "unchecked", "What was not checked, and why");
    if (any) {
        unchecked_table(r, n_incomplete);
    } else {
        ent_html_put(r->h, "p", NULL, "Every check of this program was made.");
    }
    not_given(r);
    ent_report_end(r);
}

/* ---- the page ---- */

static void put_meta(struct ent_report *r, const char *a, const char *av, const char *b,
                     const char *bv)
{
    const struct ent_html_attribute attributes[] = {{a, av}, {b, bv}, {NULL, NULL}};

    ent_html_void(r->h, "meta", attributes);
    ent_html_line(r->h);
}

static void put_head(struct ent_report *r)
{
    ent_html_open(r->h, "head", NULL);
    ent_html_line(r->h);
    put_meta(r, "charset", "utf-8", NULL, NULL);
    put_meta(r, "http-equiv", "Content-Security-Policy", "content",
             "default-src 'none'; style-src 'unsafe-inline'");
    put_meta(r, "name", "viewport", "content", "width=device-width, initial-scale=1");
    put_meta(r, "name", "referrer", "content", "no-referrer");
    ent_html_putf(r->h, "title", NULL, "Audit report: %s: %s", federation_name(r->facts),
                  ent_audit_verdict_name(ent_audit_verdict(r->facts)));
    ent_html_line(r->h);
    ent_html_open(r->h, "style", NULL);
    for (size_t i = 0; ent_report_css[i] != NULL; i++) {
        ent_html_raw(r->h, ent_report_css[i]);
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void put_nav(struct ent_report *r)
{
    static const char *const links[][2] = {
        {"#unchecked", "Not checked"}, {"#federation", "Federation"}, {"#members", "Members"},
        {"#privacy", "Privacy"},       {"#models", "Models"},         {"#integrity", "Integrity"},
        {"#actions", "Human actions"}, {"#erasure", "Retention"},     {"#builds", "Software"},
        {"#articles", "Articles"},     {"#repeat", "Repeat it"},      {"#limits", "Limits"},
    };

    ent_html_open(r->h, "nav", NULL);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        const struct ent_html_attribute attributes[] = {{"href", links[i][0]}, {NULL, NULL}};

        ent_html_open_with(r->h, "a", attributes);
        ent_html_text(r->h, links[i][1]);
        ent_html_close(r->h);
        ent_html_text(r->h, " ");
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void put_body(struct ent_report *r)
{
    ent_html_open(r->h, "body", NULL);
    ent_html_open(r->h, "main", NULL);
    ent_html_line(r->h);
    ent_report_verdict(r);
    ent_report_findings(r);
    put_nav(r);
    ent_report_unchecked(r);
    ent_report_federation(r);
    ent_report_members(r);
    ent_report_privacy(r);
    ent_report_models(r);
    ent_report_integrity(r);
    ent_report_actions(r);
    ent_report_erasure(r);
    ent_report_builds(r);
    ent_report_articles(r);
    ent_report_repeat(r);
    ent_report_limits(r);
    ent_report_annexes(r);
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

enum ent_err ent_report_html(const struct ent_audit_facts *facts,
                             const struct ent_report_request *request, struct ent_buf *out)
{
    const struct ent_html_attribute language[] = {{"lang", "en"}, {NULL, NULL}};
    struct ent_html h;
    struct ent_report r = {.facts = facts, .request = request, .h = &h};

    ent_html_begin(&h, out);
    ent_html_raw(&h, "<!DOCTYPE html>\n");
    ent_html_open_with(&h, "html", language);
    ent_html_line(&h);
    put_head(&r);
    put_body(&r);
    ent_html_close(&h);
    ent_html_line(&h);
    return ent_html_end(&h);
}
