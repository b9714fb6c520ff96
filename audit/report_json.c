/* The report for programs: the content of the page, no list cut. */
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/clock.h"
#include "common/json/json.h"
#include "common/schema/text.h"
#include "common/task/task.h"

struct json {
    struct ent_json_writer w;
    const struct ent_audit_facts *f;
    const struct ent_report_request *q;
};

static void put_text(struct json *j, const char *key, const char *text)
{
    char fit[ENT_AUDIT_TEXT_MAX];

    ent_text_fit(text, fit, sizeof fit - 1);
    ent_json_put_key_string(&j->w, key, fit);
}

static void put_time(struct json *j, const char *key, uint64_t ms)
{
    char text[ENT_TIME_TEXT_BYTES];

    ent_time_text(ms, text);
    ent_json_put_key_string(&j->w, key, text);
}

static void put_place(struct json *j, uint64_t seq, uint64_t ms)
{
    ent_json_put_key_uint(&j->w, "entry", seq);
    put_time(j, "at", ms);
}

static void open_list(struct json *j, const char *key)
{
    ent_json_put_key(&j->w, key);
    ent_json_put_array(&j->w);
}

static void put_member(struct json *j, const uint8_t handle[16])
{
    const char *name = ent_report_name_of(j->q->names, handle, 16);

    ent_json_put_key_hex(&j->w, "handle", handle, 16);
    if (name != NULL) {
        put_text(j, "name", name);
    }
}

static void put_checks(struct json *j)
{
    static const char *const words[] = {
        [ENT_AUDIT_OK] = "OK",
        [ENT_AUDIT_SKIP] = "SKIP",
        [ENT_AUDIT_INCOMPLETE] = "INCOMPLETE",
        [ENT_AUDIT_FAIL] = "FAIL",
    };
    char number[8];

    open_list(j, "checks");
    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        const struct ent_audit_check *c = &j->f->checks[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        (void)snprintf(number, sizeof number, "V%u", i + 1);
        ent_json_put_key_string(&j->w, "check", number);
        ent_json_put_key_string(&j->w, "status", words[c->status]);
        put_text(j, "what", ent_audit_check_name(i + 1));
        put_text(j, "text", c->text);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
    open_list(j, "findings");
    for (size_t i = 0; i < j->f->n_findings; i++) {
        const struct ent_audit_finding *finding = &j->f->findings[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        (void)snprintf(number, sizeof number, "V%u", finding->check);
        ent_json_put_key_string(&j->w, "check", number);
        ent_json_put_key_string(&j->w, "status", words[finding->status]);
        if (finding->has_seq) {
            ent_json_put_key_uint(&j->w, "entry", finding->seq);
        }
        put_text(j, "text", finding->text);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_log(struct json *j)
{
    const struct ent_audit_facts *f = j->f;

    ent_json_put_key(&j->w, "log");
    ent_json_put_object(&j->w, ENT_JSON_INSERTION);
    put_text(j, "origin", f->origin);
    put_text(j, "federation", f->genesis.name);
    ent_json_put_key_uint(&j->w, "size", f->size);
    ent_json_put_key_hex(&j->w, "root", f->root, 32);
    put_time(j, "first", f->first_ms);
    put_time(j, "last", f->last_ms);
    ent_json_put_key_uint(&j->w, "notes", f->n_notes);
    ent_json_put_key_bool(&j->w, "pinned", f->pinned);
    ent_json_put_key_uint(&j->w, "cosigned_size", f->cosigned_size);
    ent_json_put_key_uint(&j->w, "cosigned_by", f->cosigned_by);
    ent_json_put_key_uint(&j->w, "cosigned_of", f->cosigned_of);
    ent_json_put_key_uint(&j->w, "cosigned_need", f->cosigned_need);
    ent_json_put_key_uint(&j->w, "signatures", f->n_signatures);
    if (j->q->has_checkpoint) {
        ent_json_put_key_hex(&j->w, "checkpoint_sha256", j->q->checkpoint_sha256, 32);
    }
    if (j->q->has_policy) {
        ent_json_put_key_hex(&j->w, "policy_sha256", j->q->policy_sha256, 32);
    }
    ent_json_put_close(&j->w);
}

static void put_processing(struct json *j)
{
    open_list(j, "processing");
    for (size_t i = 0; i < j->f->n_processing; i++) {
        const struct ent_audit_processing *p = &j->f->processing[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_place(j, p->seq, p->ms);
        put_text(j, "purpose", p->leaf.purpose);
        put_text(j, "lawful_basis", p->leaf.lawful_basis);
        put_text(j, "categories", p->leaf.categories);
        put_text(j, "recipients", p->leaf.recipients);
        put_text(j, "transfers", p->leaf.transfers);
        ent_json_put_key_uint(&j->w, "retention_months", p->leaf.retention_months);
        if (p->leaf.has_document) {
            ent_json_put_key_hex(&j->w, "document", p->leaf.document, 32);
        }
        if (p->leaf.has_dpia) {
            ent_json_put_key_hex(&j->w, "dpia", p->leaf.dpia, 32);
        }
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_ends(struct json *j, const struct ent_audit_member *m)
{
    ent_json_put_key(&j->w, "ended_by");
    ent_json_put_object(&j->w, ENT_JSON_INSERTION);
    for (uint32_t code = 0; code <= ENT_E_COUNT; code++) {
        if (m->ends[code] > 0) {
            ent_json_put_key_uint(
                &j->w, ent_err_valid(code) ? ent_err_name((enum ent_err)code) : "unknown",
                m->ends[code]);
        }
    }
    ent_json_put_close(&j->w);
}

static void put_members(struct json *j)
{
    static const char *const words[] = {[ENT_AUDIT_ADMITTED] = "admitted",
                                        [ENT_AUDIT_REVOKED] = "revoked",
                                        [ENT_AUDIT_LEFT] = "left"};

    open_list(j, "members");
    for (size_t i = 0; i < j->f->n_members; i++) {
        const struct ent_audit_member *m = &j->f->members[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_member(j, m->handle);
        put_place(j, m->admit_seq, m->admit_ms);
        ent_json_put_key_string(&j->w, "standing", words[m->standing]);
        ent_json_put_key_bool(&j->w, "witness", m->witness);
        ent_json_put_key_uint(&j->w, "invited", m->invited);
        ent_json_put_key_uint(&j->w, "accepted", m->accepted);
        ent_json_put_key_uint(&j->w, "rejected", m->rejected);
        ent_json_put_key_uint(&j->w, "dropped", m->dropped);
        ent_json_put_key_uint(&j->w, "withheld", m->withheld);
        ent_json_put_key_uint(&j->w, "disputes", m->disputes);
        put_ends(j, m);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_rounds(struct json *j)
{
    static const char *const words[] = {[ENT_AUDIT_ROUND_OPEN] = "open",
                                        [ENT_AUDIT_ROUND_CLOSED] = "closed",
                                        [ENT_AUDIT_ROUND_ABORTED] = "aborted"};

    open_list(j, "rounds");
    for (size_t i = 0; i < j->f->n_rounds; i++) {
        const struct ent_audit_round *round = &j->f->rounds[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(&j->w, "run", round->run);
        ent_json_put_key_uint(&j->w, "round", round->round);
        ent_json_put_key_uint(&j->w, "attempt", round->attempt);
        ent_json_put_key_string(&j->w, "task", ent_report_task(round->task, round->split));
        put_place(j, round->open_seq, round->open_ms);
        ent_json_put_key_uint(&j->w, "invited", round->invited);
        ent_json_put_key_uint(&j->w, "accepted", round->accepted);
        ent_json_put_key_uint(&j->w, "rejected", round->rejected);
        ent_json_put_key_uint(&j->w, "dropped", round->dropped);
        ent_json_put_key_string(&j->w, "outcome", words[round->outcome]);
        if (round->outcome == ENT_AUDIT_ROUND_ABORTED) {
            ent_json_put_key_string(&j->w, "reason", ent_report_code(round->code));
        }
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

/* A figure's name is hostile: it must not stand twice as a key, and so is a value. */
static void put_metrics(struct json *j, const struct ent_audit_eval *e)
{
    open_list(j, "figures");
    for (size_t i = 0; i < e->n_metrics; i++) {
        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_text(j, "name", e->metrics[i].name);
        ent_json_put_key_int(&j->w, "nano", e->metrics[i].nano);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_statistics(struct json *j)
{
    for (size_t i = 0; i < j->f->n_rounds; i++) {
        const struct ent_audit_round *round = &j->f->rounds[i];

        if (!ent_report_is_statistics(round)) {
            continue;
        }
        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        ent_json_put_key_string(&j->w, "kind", "statistics");
        put_place(j, round->end_seq, round->end_ms);
        ent_json_put_key_uint(&j->w, "run", round->run);
        ent_json_put_key_uint(&j->w, "round", round->round);
        ent_json_put_key_bool(&j->w, "dp_covered", false);
        ent_json_put_close(&j->w);
    }
}

static void put_releases(struct json *j)
{
    open_list(j, "releases");
    put_statistics(j);
    for (size_t i = 0; i < j->f->n_evals; i++) {
        const struct ent_audit_eval *e = &j->f->evals[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        ent_json_put_key_string(&j->w, "kind", ent_report_task(ENT_TASK_EVALUATE, e->split));
        put_place(j, e->seq, e->ms);
        ent_json_put_key_uint(&j->w, "run", e->run);
        ent_json_put_key_uint(&j->w, "round", e->round);
        ent_json_put_key_hex(&j->w, "model", e->model, 32);
        ent_json_put_key_bool(&j->w, "dp_covered", e->dp_covered);
        put_metrics(j, e);
        ent_json_put_close(&j->w);
    }
    for (size_t i = 0; i < j->f->n_releases; i++) {
        const struct ent_audit_release *m = &j->f->releases[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        ent_json_put_key_string(&j->w, "kind", ent_report_release_word(m->leaf.kind));
        put_place(j, m->seq, m->ms);
        ent_json_put_key_uint(&j->w, "run", m->run);
        ent_json_put_key_uint(&j->w, "train_round", m->leaf.train_round);
        ent_json_put_key_hex(&j->w, "model", m->leaf.model, 32);
        ent_json_put_key_bool(&j->w, "dp_covered", m->leaf.dp_covered);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_actions(struct json *j)
{
    open_list(j, "actions");
    for (size_t i = 0; i < j->f->n_actions; i++) {
        const struct ent_audit_action *a = &j->f->actions[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_place(j, a->seq, a->ms);
        ent_json_put_key_string(&j->w, "what", ent_report_action_word(a->action));
        ent_json_put_key_uint(&j->w, "reason", a->reason);
        ent_json_put_key_uint(&j->w, "outcome", a->outcome);
        ent_json_put_key_hex(&j->w, "subject", a->subject,
                             a->subject_len < 32 ? a->subject_len : 32);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
    open_list(j, "erasures");
    for (size_t i = 0; i < j->f->n_erasures; i++) {
        const struct ent_audit_erasure *e = &j->f->erasures[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_place(j, e->seq, e->ms);
        ent_json_put_key_uint(&j->w, "files", e->n_blobs);
        ent_json_put_key_uint(&j->w, "basis", e->basis);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_builds(struct json *j)
{
    open_list(j, "software");
    for (size_t i = 0; i < j->f->n_builds; i++) {
        const struct ent_audit_build *b = &j->f->builds[i];

        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        put_place(j, b->seq, b->ms);
        ent_json_put_key_hex(&j->w, "program_sha256", b->leaf.elf, 32);
        put_text(j, "version", b->leaf.version);
        put_text(j, "commit", b->leaf.commit);
        put_text(j, "compiler", b->leaf.compiler);
        put_text(j, "flags", b->leaf.flags);
        put_text(j, "openssl", b->leaf.openssl);
        put_text(j, "sqlite", b->leaf.sqlite);
        ent_json_put_key_hex(&j->w, "selftest", b->leaf.selftest, 32);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

static void put_articles(struct json *j)
{
    struct ent_report_article articles[ENT_REPORT_ARTICLES];

    ent_report_article_list(j->f, articles);
    open_list(j, "articles");
    for (size_t i = 0; i < ENT_REPORT_ARTICLES; i++) {
        ent_json_put_object(&j->w, ENT_JSON_INSERTION);
        ent_json_put_key_string(&j->w, "article", articles[i].article);
        ent_json_put_key_bool(&j->w, "evidence_found", articles[i].found);
        put_text(j, "where", articles[i].where);
        ent_json_put_close(&j->w);
    }
    ent_json_put_close(&j->w);
}

enum ent_err ent_report_json(const struct ent_audit_facts *facts,
                             const struct ent_report_request *request, struct ent_buf *out)
{
    struct json j = {.f = facts, .q = request};
    char words[ENT_AUDIT_TEXT_MAX];

    ent_json_begin(&j.w, out);
    ent_json_put_object(&j.w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&j.w, "verdict", ent_audit_verdict_name(ent_audit_verdict(facts)));
    ent_audit_verdict_text(facts, words);
    put_text(&j, "verdict_text", words);
    put_log(&j);
    put_checks(&j);
    put_processing(&j);
    put_members(&j);
    put_rounds(&j);
    put_releases(&j);
    ent_report_json_privacy(&j.w, facts, request->names);
    put_actions(&j);
    put_builds(&j);
    put_articles(&j);
    ent_json_put_close(&j.w);
    return ent_json_end(&j.w);
}
