/* Who: federation, purposes, members, and how they took part. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"
#include "common/base/plural.h"

#define BARS_MAX 120 /* of the chart; more rounds than that share bars */

/* ---- federation ---- */

static const char *stated(const char *text)
{
    return text[0] != '\0' ? text : "not stated";
}

static void put_digest(struct ent_report *r, const char *term, bool has, const uint8_t digest[32])
{
    if (has) {
        ent_report_digest_item(r, term, digest);
    } else {
        ent_report_item(r, term, "not stated");
    }
}

static void processing(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    const struct ent_audit_processing *p =
        f->n_processing > 0 ? &f->processing[f->n_processing - 1] : NULL;
    char time[ENT_TIME_TEXT_BYTES];

    ent_html_put(r->h, "h3", NULL, "What the operator states about the processing");
    if (p == NULL) {
        ent_html_put(r->h, "p", NULL,
                     "Nothing: the log holds no processing.set. Purposes, lawful basis, "
                     "categories, recipients, transfers "
                     "and retention are not in evidence here; ask the operator for its record of "
                     "processing.");
        return;
    }
    ent_time_text(p->ms, time);
    ent_html_open(r->h, "dl", NULL);
    ent_report_item(r, "Purpose", "%s", stated(p->leaf.purpose));
    ent_report_item(r, "Lawful basis", "%s", stated(p->leaf.lawful_basis));
    ent_report_item(r, "Categories", "%s", stated(p->leaf.categories));
    ent_report_item(r, "Recipients", "%s", stated(p->leaf.recipients));
    ent_report_item(r, "Transfers", "%s", stated(p->leaf.transfers));
    if (p->leaf.retention_months > 0) {
        ent_report_item(r, "Retention of the log", "%" PRIu32 " %s", p->leaf.retention_months,
                        ent_plural(p->leaf.retention_months, "month", "months"));
    } else {
        ent_report_item(r, "Retention of the log", "not stated");
    }
    put_digest(r, "Record of processing", p->leaf.has_document, p->leaf.document);
    put_digest(r, "Impact assessment", p->leaf.has_dpia, p->leaf.dpia);
    ent_report_item(r, "Stated at", "%s, entry %" PRIu64 "%s", time, p->seq,
                    f->n_processing > 1 ? "; earlier statements are in the log" : "");
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_put(r->h, "p", "small",
                 "These are the operator's own words and codes. The log proves that and when they "
                 "were stated, not that they "
                 "are right. The role of each party (controller, processor, joint) is not part of "
                 "this version of the log.");
}

static void runs(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_runs < ENT_REPORT_ROWS_MAX ? f->n_runs : ENT_REPORT_ROWS_MAX;

    ent_html_put(r->h, "h3", NULL, "Runs: what was computed");
    if (f->n_runs == 0) {
        ent_html_put(r->h, "p", NULL, "No run was started.");
        return;
    }
    ent_report_table(
        r, ENT_REPORT_CARDS, "Runs",
        "#Run|Set at|#Entry|Plan (SHA-256)|#Training rounds|#Fewest members|Updates kept "
        "for an auditor");
    for (size_t i = 0; i < listed; i++) {
        const struct ent_audit_run *run = &f->runs[i];

        ent_report_row(r);
        if (run->run > 0) {
            ent_report_number(r, run->run);
        } else {
            ent_report_cell(r, "no round opened");
        }
        ent_report_time(r, run->ms);
        ent_report_number(r, run->seq);
        ent_report_hex(r, run->leaf.plan, 32);
        ent_report_number(r, run->leaf.train_rounds);
        ent_report_number(r, run->leaf.min_members);
        if (run->leaf.plain) {
            ent_report_cell(r, "unsealed, 7 days at most");
        } else if (run->leaf.n_auditors > 0) {
            ent_report_textf(r, NULL, "sealed to %zu %s", run->leaf.n_auditors,
                             ent_plural(run->leaf.n_auditors, "auditor", "auditors"));
        } else {
            ent_report_cell(r, "none: cannot be replayed");
        }
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_table_end(r);
    ent_report_more(r, "runs", listed, f->n_runs, f->lost_runs);
}

static void auditors(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;

    ent_html_put(r->h, "h3", NULL, "Auditors that were admitted");
    if (f->n_auditors == 0) {
        ent_html_put(r->h, "p", NULL,
                     "None. Nobody but the members themselves can open an update.");
        return;
    }
    ent_report_table(r, ENT_REPORT_CARDS, "Auditors",
                     "Name|Admitted|#Entry|Key that updates are sealed to (X25519)");
    for (size_t i = 0; i < f->n_auditors && i < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_auditor *a = &f->auditors[i];
        const char *name = ent_report_name_of(r->request->names, a->leaf.seal_pub, 32);

        ent_report_row(r);
        ent_report_cell(r, name != NULL ? name : "not disclosed");
        ent_report_time(r, a->ms);
        ent_report_number(r, a->seq);
        ent_report_hex(r, a->leaf.seal_pub, 32);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_table_end(r);
    ent_html_put(r->h, "p", "small",
                 "An auditor with this key can read each single update of the runs that name it.");
}

void ent_report_federation(struct ent_report *r)
{
    ent_report_section(r, "federation", "Federation, purposes, roles");
    processing(r);
    runs(r);
    auditors(r);
    ent_report_end(r);
}

/* ---- members ---- */

/* "no answer in time (3), ..."; in order of err.def. */
static void reasons(struct ent_report *r, const struct ent_audit_member *m)
{
    const char *before = "";

    ent_report_td(r, NULL);
    for (uint32_t code = 0; code <= ENT_E_COUNT; code++) {
        if (m->ends[code] > 0) {
            ent_html_textf(r->h, "%s%s (%" PRIu32 ")", before, ent_report_code(code),
                           m->ends[code]);
            before = ", ";
        }
    }
    ent_html_text(r->h, before[0] == '\0' ? "-" : "");
    ent_report_td_end(r);
}

static void standing(struct ent_report *r, const struct ent_audit_member *m)
{
    char since[ENT_TIME_TEXT_BYTES];
    char until[ENT_TIME_TEXT_BYTES];

    ent_time_text(m->admit_ms, since);
    ent_report_td(r, NULL);
    ent_html_putf(r->h, "span", "w", "since %.10s", since);
    if (m->standing != ENT_AUDIT_ADMITTED) {
        ent_time_text(m->end_ms, until);
        ent_html_text(r->h, " ");
        ent_html_putf(r->h, "span", "w", "%s %.10s",
                      m->standing == ENT_AUDIT_LEFT ? "left" : "revoked", until);
        ent_html_textf(r->h, " (entry %" PRIu64 ")", m->end_seq);
    }
    ent_html_text(r->h, m->witness ? " witness" : "");
    ent_report_td_end(r);
}

static void member_rows(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;

    for (size_t i = 0; i < f->n_members && i < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_member *m = &f->members[i];

        ent_report_row(r);
        ent_report_member(r, m->handle);
        standing(r, m);
        ent_report_number(r, m->invited);
        ent_report_number(r, m->accepted);
        ent_report_number(r, m->rejected);
        ent_report_number(r, m->dropped);
        ent_report_number(r, m->withheld);
        reasons(r, m);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
}

static void objections(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;

    if (f->n_disputes == 0) {
        ent_html_put(r->h, "p", NULL, "No member objected in the log.");
        return;
    }
    ent_html_put(r->h, "h3", NULL, "Objections of members");
    ent_report_table(r, ENT_REPORT_CARDS, "Objections",
                     "Member|At|#Entry|#Round|#Attempt|What it holds against the log");
    for (size_t i = 0; i < f->n_disputes && i < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_dispute *d = &f->disputes[i];

        ent_report_row(r);
        ent_report_member(r, d->handle);
        ent_report_time(r, d->ms);
        ent_report_number(r, d->seq);
        ent_report_number(r, d->round);
        ent_report_number(r, d->attempt);
        ent_report_cell(r, d->proved        ? "a receipt that contradicts the log"
                           : d->has_receipt ? "a receipt that does not contradict the log"
                                            : "its word");
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_table_end(r);
    ent_report_more(r, "objections",
                    f->n_disputes < ENT_REPORT_ROWS_MAX ? f->n_disputes : ENT_REPORT_ROWS_MAX,
                    f->n_disputes, f->lost_disputes);
}

/* ---- chart ---- */

struct bar {
    uint64_t invited;
    uint64_t accepted;
    uint64_t rejected;
    uint64_t dropped;
};

static void put_rect(struct ent_report *r, const char *css, const char *x, uint64_t from,
                     uint64_t to)
{
    char y[ENT_REPORT_NUMBER_BYTES];
    char height[ENT_REPORT_NUMBER_BYTES];
    const struct ent_html_attribute attributes[] = {
        {"class", css}, {"x", x}, {"y", y}, {"width", "9"}, {"height", height}, {NULL, NULL}};

    if (to <= from) {
        return;
    }
    (void)snprintf(y, sizeof y, "%" PRIu64, 1000 - to);
    (void)snprintf(height, sizeof height, "%" PRIu64, to - from);
    ent_html_open_with(r->h, "rect", attributes);
    ent_html_close(r->h);
}

/* Shares of the invited, in thousandths, one on the other; what is left of an attempt that is still open is grey. */
static void put_bar(struct ent_report *r, size_t place, const struct bar *bar)
{
    uint64_t n = bar->invited > 0 ? bar->invited : 1;
    uint64_t a = bar->accepted * 1000 / n;
    uint64_t b = (bar->accepted + bar->rejected) * 1000 / n;
    uint64_t c = (bar->accepted + bar->rejected + bar->dropped) * 1000 / n;
    char x[ENT_REPORT_NUMBER_BYTES];

    /* A damaged log may count more than it invited. */
    a = a > 1000 ? 1000 : a;
    b = b > 1000 ? 1000 : b;
    c = c > 1000 ? 1000 : c;
    (void)snprintf(x, sizeof x, "%zu", place * 10);
    put_rect(r, "a", x, 0, a);
    put_rect(r, "r", x, a, b);
    put_rect(r, "d", x, b, c);
    put_rect(r, "o", x, c, bar->invited > 0 ? 1000 : 0);
}

static void put_key(struct ent_report *r, const char *css, const char *word)
{
    char class[16];

    (void)snprintf(class, sizeof class, "key %s", css);
    ent_html_put(r->h, "span", class, "");
    ent_html_text(r->h, word);
}

static void bars(struct ent_report *r, size_t n_bars)
{
    const struct ent_audit_facts *f = r->facts;
    char view[ENT_REPORT_NUMBER_BYTES * 2];
    const struct ent_html_attribute attributes[] = {
        {"viewBox", view},
        {"preserveAspectRatio", "none"},
        {"role", "img"},
        {"aria-label", "Share of the invited members that were accepted, rejected or dropped, "
                       "attempt by attempt; the "
                       "figures are in annex A"},
        {NULL, NULL}};

    (void)snprintf(view, sizeof view, "0 0 %zu 1000", n_bars * 10);
    ent_html_open_with(r->h, "svg", attributes);
    for (size_t place = 0; place < n_bars; place++) {
        struct bar bar = {0};

        for (size_t i = place * f->n_rounds / n_bars; i < (place + 1) * f->n_rounds / n_bars; i++) {
            bar.invited += f->rounds[i].invited;
            bar.accepted += f->rounds[i].accepted;
            bar.rejected += f->rounds[i].rejected;
            bar.dropped += f->rounds[i].dropped;
        }
        put_bar(r, place, &bar);
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void chart(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t n_bars = f->n_rounds < BARS_MAX ? f->n_rounds : BARS_MAX;

    if (f->n_rounds < 2) {
        return;
    }
    ent_html_put(r->h, "h3", NULL, "Participation over time");
    ent_html_open(r->h, "figure", NULL);
    bars(r, n_bars);
    ent_html_open(r->h, "p", "ax small");
    ent_html_putf(r->h, "span", NULL, "run %" PRIu32 ", round %" PRIu64, f->rounds[0].run,
                  f->rounds[0].round);
    ent_html_putf(r->h, "span", NULL, "run %" PRIu32 ", round %" PRIu64,
                  f->rounds[f->n_rounds - 1].run, f->rounds[f->n_rounds - 1].round);
    ent_html_close(r->h);
    ent_html_open(r->h, "figcaption", "small");
    put_key(r, "a", "accepted");
    put_key(r, "r", "rejected");
    put_key(r, "d", "dropped");
    put_key(r, "o", "not ended");
    ent_html_text(r->h, f->n_rounds > BARS_MAX
                            ? ". Full height: all that were invited. Several attempts share a bar."
                            : ". Full height: all that were invited. One bar an attempt.");
    ent_html_close(r->h);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void rounds_sentence(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    uint64_t closed = 0;
    uint64_t aborted = 0;
    char a[ENT_REPORT_NUMBER_BYTES];
    char b[ENT_REPORT_NUMBER_BYTES];
    char c[ENT_REPORT_NUMBER_BYTES];
    char d[ENT_REPORT_NUMBER_BYTES];

    for (size_t i = 0; i < f->n_rounds; i++) {
        closed += f->rounds[i].outcome == ENT_AUDIT_ROUND_CLOSED ? 1 : 0;
        aborted += f->rounds[i].outcome == ENT_AUDIT_ROUND_ABORTED ? 1 : 0;
    }
    ent_html_putf(
        r->h, "p", NULL,
        "%s %s in the log (attempts counted): %s completed, %s given up without a result, %s "
        "not ended. Annex A lists each.",
        ent_report_count(f->n_rounds, a), ent_plural(f->n_rounds, "round", "rounds"),
        ent_report_count(closed, b), ent_report_count(aborted, c),
        ent_report_count(f->n_rounds - closed - aborted, d));
    ent_html_line(r->h);
}

void ent_report_members(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    bool disclosed = r->request->names != NULL && r->request->names->n > 0;

    ent_report_section(r, "members", "Members and participation");
    rounds_sentence(r);
    ent_html_put(r->h, "p", NULL,
                 disclosed ? "Members stand in the log under a random handle. The names below were "
                             "disclosed for this page; each "
                             "was verified against the commitment in the log."
                           : "Members stand in the log under a random handle. No name was "
                             "disclosed for this page (--disclose).");
    ent_report_table(
        r, ENT_REPORT_CARDS, "Members",
        "Member|Membership|#Invited|#Accepted|#Rejected|#Dropped|#Did not join|Reasons of "
        "rejections and dropouts");
    member_rows(r);
    ent_report_table_end(r);
    ent_report_more(r, "members",
                    f->n_members < ENT_REPORT_ROWS_MAX ? f->n_members : ENT_REPORT_ROWS_MAX,
                    f->n_members, f->lost_members);
    ent_html_put(r->h, "p", "small",
                 "\"Did not join\": invited, and no answer or a refusal before the round began "
                 "(withheld joins); these stand under "
                 "dropped or rejected too. A dropout without a statement of the member is the "
                 "coordinator's word; a member "
                 "that holds a receipt can object in the log.");
    chart(r);
    objections(r);
    ent_report_end(r);
}
