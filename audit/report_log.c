/* The log itself: integrity, human actions, retention, software. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"
#include "common/base/plural.h"

/* ---- integrity ---- */

static void check_row(struct ent_report *r, unsigned number)
{
    static const struct {
        const char *css;
        const char *word;
    } marks[] = {
        [ENT_AUDIT_OK] = {"good", "OK"},
        [ENT_AUDIT_SKIP] = {"none", "SKIP"},
        [ENT_AUDIT_INCOMPLETE] = {"warn", "INCOMPLETE"},
        [ENT_AUDIT_FAIL] = {"bad", "FAIL"},
    };
    const struct ent_audit_check *c = &r->facts->checks[number - 1];

    ent_report_row(r);
    ent_report_textf(r, "w", "V%u", number);
    ent_report_td(r, NULL);
    ent_report_mark(r, marks[c->status].css, marks[c->status].word);
    ent_report_td_end(r);
    ent_report_cell(r, ent_audit_check_name(number));
    if (c->n_fail > 0 || c->n_incomplete > 0) {
        ent_report_textf(r, "wide",
                         "%" PRIu64 " violated, %" PRIu64 " not checkable: see above%s%s",
                         c->n_fail, c->n_incomplete, c->text[0] != '\0' ? "; " : "", c->text);
    } else {
        ent_report_text(r, "wide", c->text[0] != '\0' ? c->text : "-");
    }
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void signatures(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    char count[ENT_REPORT_NUMBER_BYTES];
    char time[ENT_TIME_TEXT_BYTES];

    if (f->cosigned_of == 0) {
        ent_report_item(r, "Cosignatures", "no set of witnesses is in force");
    } else {
        ent_report_item(r, "Cosignatures",
                        "%" PRIu32 " of %" PRIu32 " on the newest note; %" PRIu32 " are needed",
                        f->cosigned_by, f->cosigned_of, f->cosigned_need);
    }
    if (f->cosigned_newest_s > 0) {
        ent_time_text(f->cosigned_newest_s * 1000, time);
        ent_report_item(r, "Newest cosignature", "%s", time);
    }
    if (f->cosigned_size < f->size) {
        char tail[ENT_REPORT_NUMBER_BYTES];

        ent_report_item(r, "Witnessed up to", "%s entries; the last %s are not witnessed",
                        ent_report_count(f->cosigned_size, count),
                        ent_report_count(f->size - f->cosigned_size, tail));
    } else {
        ent_report_item(r, "Witnessed up to", "the last entry");
    }
    ent_report_item(r, "Signatures verified", "%s", ent_report_count(f->n_signatures, count));
}

static void breaks(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    char count[ENT_REPORT_NUMBER_BYTES];
    size_t recovered = 0;

    for (size_t i = 0; i < f->n_actions; i++) {
        recovered += f->actions[i].action == ENT_LOG_RECOVER ? 1 : 0;
    }
    ent_report_item(r, "Gaps", "none is declared: this version cannot open a log anew");
    ent_report_item(r, "Recoveries", "%zu", recovered);
    ent_report_item(
        r, "Key changes",
        "none: this version has no change of the log's key; members' keys end with revocation "
        "or leave");
    if (f->n_unknown > 0) {
        ent_report_item(r, "Entries of unknown type", "%s", ent_report_count(f->n_unknown, count));
    }
}

static void witness_sets(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;

    if (f->n_sets == 0) {
        ent_html_put(r->h, "p", NULL, "No set of witnesses was frozen.");
        return;
    }
    ent_html_put(r->h, "h3", NULL, "Witnesses");
    ent_report_table(r, ENT_REPORT_CARDS, "Witness sets",
                     "#Version|Set at|#Entry|#Witnesses|#Needed|#May be bad|Members");
    for (size_t i = 0; i < f->n_sets && i < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_set *s = &f->sets[i];

        ent_report_row(r);
        ent_report_number(r, s->version);
        ent_report_time(r, s->ms);
        ent_report_number(r, s->seq);
        ent_report_number(r, s->n);
        ent_report_number(r, s->quorum);
        ent_report_number(r, s->bad);
        ent_report_td(r, NULL);
        for (size_t w = 0; w < s->n; w++) {
            const char *name = ent_report_name_of(r->request->names, s->witnesses[w].handle, 16);
            char brief[ENT_AUDIT_SHORT_BYTES];

            ent_audit_short(s->witnesses[w].handle, 16, brief);
            ent_html_textf(r->h, "%s%s", w > 0 ? ", " : "", name != NULL ? name : brief);
        }
        ent_report_td_end(r);
        ent_html_close(r->h);
        ent_html_line(r->h);
    }
    ent_report_table_end(r);
    ent_report_more(r, "sets", f->n_sets < ENT_REPORT_ROWS_MAX ? f->n_sets : ENT_REPORT_ROWS_MAX,
                    f->n_sets, f->lost_sets);
}

void ent_report_integrity(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    char count[ENT_REPORT_NUMBER_BYTES];
    char root[ENT_REPORT_ROOT_BYTES];

    ent_report_section(r, "integrity", "Integrity");
    ent_html_open(r->h, "dl", NULL);
    ent_report_item(r, "Entries", "%s", ent_report_count(f->size, count));
    ent_report_code_item(r, "Root", ent_report_root(f->root, root));
    ent_report_digest_item(r, "Root in hex", f->root);
    if (f->has_genesis) {
        ent_report_digest_item(r, "First entry (hash)", f->genesis_hash);
    } else {
        ent_report_item(r, "First entry", "not readable");
    }
    ent_report_item(r, "Keys", "%s",
                    f->pinned ? "from a policy that was given for this check"
                              : "from nobody that is trusted: no policy was given");
    ent_report_item(r, "Signed notes checked", "%s", ent_report_count(f->n_notes, count));
    signatures(r);
    breaks(r);
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_html_put(r->h, "h3", NULL, "Checks");
    ent_report_table(r, ENT_REPORT_WRAPS, "Checks", "Check|Status|What is checked|Result");
    for (unsigned i = 1; i <= ENT_AUDIT_CHECKS; i++) {
        check_row(r, i);
    }
    ent_report_table_end(r);
    witness_sets(r);
    ent_report_end(r);
}

/* ---- human actions ---- */

static void subject(struct ent_report *r, const struct ent_audit_action *a)
{
    const char *name =
        a->subject_len == 16 ? ent_report_name_of(r->request->names, a->subject, 16) : NULL;

    if (a->subject_len == 0) {
        ent_report_cell(r, "-");
    } else if (name != NULL) {
        ent_report_member(r, a->subject);
    } else {
        ent_report_hex(r, a->subject, a->subject_len < 32 ? a->subject_len : 32);
    }
}

static void action_row(struct ent_report *r, const struct ent_audit_action *a)
{
    ent_report_row(r);
    ent_report_time(r, a->ms);
    ent_report_textf(r, NULL, "The operator %s", ent_report_action_word(a->action));
    subject(r, a);
    ent_report_cell(r, a->reason == 0 ? "not said" : ent_report_code(a->reason));
    ent_report_cell(r, a->outcome == 0 ? "done" : ent_report_code(a->outcome));
    ent_report_number(r, a->seq);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_actions(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_actions < ENT_REPORT_ROWS_MAX ? f->n_actions : ENT_REPORT_ROWS_MAX;

    ent_report_section(r, "actions", "Human actions");
    if (f->n_actions == 0) {
        ent_html_put(r->h, "p", NULL, "The log holds no action of the operator.");
        ent_report_end(r);
        return;
    }
    ent_html_put(r->h, "p", NULL,
                 "What people did with the coordinator, as it wrote it down in the step in which "
                 "it took effect.");
    ent_report_table(r, ENT_REPORT_CARDS, "Human actions",
                     "At|What|Member or digest it concerned|Reason|Outcome|#Entry");
    for (size_t i = 0; i < listed; i++) {
        action_row(r, &f->actions[i]);
    }
    ent_report_table_end(r);
    ent_report_more(r, "actions", listed, f->n_actions, f->lost_actions);
    ent_report_end(r);
}

/* ---- retention ---- */

static void kept(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t plain = 0;
    size_t sealed = 0;

    for (size_t i = 0; i < f->n_runs; i++) {
        plain += f->runs[i].leaf.plain ? 1 : 0;
        sealed += !f->runs[i].leaf.plain && f->runs[i].leaf.n_auditors > 0 ? 1 : 0;
    }
    ent_html_put(r->h, "p", NULL,
                 "What became of the updates that the members sent. The log itself holds their "
                 "fingerprints, and no "
                 "customer's data.");
    ent_html_open(r->h, "dl", NULL);
    ent_report_item(r, "Kept sealed", "%zu %s", sealed, ent_plural(sealed, "run", "runs"));
    ent_report_item(r, "Kept unsealed", "%zu %s (7 days at most)", plain,
                    ent_plural(plain, "run", "runs"));
    ent_report_item(r, "Not kept", "%zu %s", f->n_runs - plain - sealed,
                    ent_plural(f->n_runs - plain - sealed, "run", "runs"));
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_erasure(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_erasures < ENT_REPORT_ROWS_MAX ? f->n_erasures : ENT_REPORT_ROWS_MAX;
    const struct ent_audit_check *v16 = &f->checks[15];

    ent_report_section(r, "erasure", "Retention and erasure");
    kept(r);
    ent_html_open(r->h, "p", NULL);
    ent_html_text(r->h, "Overdue or unexplained: ");
    ent_html_text(r->h, v16->status == ENT_AUDIT_FAIL ? "yes, see the violations of V16."
                        : v16->status == ENT_AUDIT_OK ? "none (V16)."
                                                      : "not checked (V16).");
    ent_html_close(r->h);
    if (f->n_erasures == 0) {
        ent_html_put(r->h, "p", NULL, "Nothing was erased by an entry of the log.");
    } else {
        ent_report_table(r, ENT_REPORT_CARDS, "Erasures", "At|#Files erased|Because|#Entry");
        for (size_t i = 0; i < listed; i++) {
            const struct ent_audit_erasure *e = &f->erasures[i];

            ent_report_row(r);
            ent_report_time(r, e->ms);
            ent_report_number(r, e->n_blobs);
            ent_report_cell(r, ent_report_basis_word(e->basis));
            ent_report_number(r, e->seq);
            ent_html_close(r->h);
            ent_html_line(r->h);
        }
        ent_report_table_end(r);
        ent_report_more(r, "erasures", listed, f->n_erasures, f->lost_erasures);
    }
    ent_html_put(r->h, "p", "small",
                 "Requests of persons for erasure (GDPR 17) are not entries of this version of the "
                 "log: they are served where the "
                 "data is, at the member.");
    ent_report_end(r);
}

/* ---- software ---- */

static void build_row(struct ent_report *r, const struct ent_audit_build *b)
{
    ent_report_row(r);
    ent_report_time(r, b->ms);
    ent_report_textf(r, NULL, "%s, commit %s", b->leaf.version, b->leaf.commit);
    ent_report_hex(r, b->leaf.elf, 32);
    ent_report_textf(r, NULL, "%s; %s", b->leaf.compiler, b->leaf.flags);
    ent_report_textf(r, NULL, "%s; %s", b->leaf.openssl, b->leaf.sqlite);
    ent_report_hex(r, b->leaf.selftest, 32);
    ent_report_number(r, b->seq);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

void ent_report_builds(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_builds < ENT_REPORT_ROWS_MAX ? f->n_builds : ENT_REPORT_ROWS_MAX;

    ent_report_section(r, "builds", "Software of the coordinator");
    if (f->n_builds == 0) {
        ent_html_put(r->h, "p", NULL, "The log holds no start of the coordinator's program.");
        ent_report_end(r);
        return;
    }
    ent_report_table(r, ENT_REPORT_CARDS, "Software",
                     "Started at|Version|Program (SHA-256)|Compiler, flags|Libraries|Self-test "
                     "(SHA-256)|#Entry");
    for (size_t i = 0; i < listed; i++) {
        build_row(r, &f->builds[i]);
    }
    ent_report_table_end(r);
    ent_report_more(r, "starts", listed, f->n_builds, f->lost_builds);
    ent_html_put(r->h, "p", "small",
                 "Each start of the program is one line, as the program stated it. The self-test "
                 "fixes the arithmetic: programs with "
                 "the same digest add and apply to the same bits.");
    ent_report_end(r);
}
