/* The outcome, for people and for programs. What stands in a leaf or a note reaches a terminal only as
 * numbers, hex, and names that the decoders have bounded; file names are the caller's own. */
#include <inttypes.h>
#include <string.h>

#include "audit/verify.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"

static const char *const words[] = {"OK", "SKIP", "SKIP", "FAIL"};

/* 51204 -> "51,204". */
static void grouped(uint64_t n, char out[32])
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static enum ent_err print_check(const struct ent_audit_facts *facts, unsigned number,
                                struct ent_buf *out)
{
    const struct ent_audit_check *check = &facts->checks[number - 1];
    uint64_t shown = 0;
    char name[8];

    (void)snprintf(name, sizeof name, "V%u", number);
    if (check->status == ENT_AUDIT_OK || check->status == ENT_AUDIT_SKIP) {
        return ent_buf_addf(out, "%-4s %-3s %s\n", words[check->status], name, check->text);
    }
    for (size_t i = 0; i < facts->n_findings; i++) {
        const struct ent_audit_finding *f = &facts->findings[i];

        if (f->check == number) {
            ENT_TRY(ent_buf_addf(out, "%-4s %-3s %s\n", words[f->status], name, f->text));
            shown++;
        }
    }
    if (check->n_fail + check->n_incomplete > shown) {
        ENT_TRY(ent_buf_addf(out, "%-4s %-3s and %" PRIu64 " more\n", words[check->status], name,
                             check->n_fail + check->n_incomplete - shown));
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_print(const struct ent_audit_facts *facts, struct ent_buf *out)
{
    char size[32];
    char root[48];
    char text[ENT_AUDIT_TEXT_MAX];

    grouped(facts->size, size);
    ent_base64_encode(ENT_BASE64, facts->root, sizeof facts->root, root);
    ENT_TRY(ent_buf_addf(out, "origin   %s   size %s   root %s\n", facts->origin, size, root));
    for (unsigned i = 1; i <= ENT_AUDIT_CHECKS; i++) {
        ENT_TRY(print_check(facts, i, out));
    }
    ent_audit_verdict_text(facts, text);
    return ent_buf_addf(out, "VERDICT %s\n", text);
}

static void put_findings(struct ent_json_writer *w, const struct ent_audit_facts *facts,
                         unsigned number)
{
    ent_json_put_key(w, "findings");
    ent_json_put_array(w);
    for (size_t i = 0; i < facts->n_findings; i++) {
        const struct ent_audit_finding *f = &facts->findings[i];

        if (f->check != number) {
            continue;
        }
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "status", f->status == ENT_AUDIT_FAIL ? "FAIL" : "INCOMPLETE");
        if (f->has_seq) {
            ent_json_put_key_uint(w, "leaf", f->seq);
        }
        ent_json_put_key_string(w, "text", f->text);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_check(struct ent_json_writer *w, const struct ent_audit_facts *facts,
                      unsigned number)
{
    static const char *const statuses[] = {"OK", "SKIP", "INCOMPLETE", "FAIL"};
    const struct ent_audit_check *check = &facts->checks[number - 1];
    char name[8];

    (void)snprintf(name, sizeof name, "V%u", number);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "check", name);
    ent_json_put_key_string(w, "about", ent_audit_check_name(number));
    ent_json_put_key_string(w, "status", statuses[check->status]);
    ent_json_put_key_string(w, "text", check->text);
    ent_json_put_key_uint(w, "violations", check->n_fail);
    ent_json_put_key_uint(w, "not_checkable", check->n_incomplete);
    put_findings(w, facts, number);
    ent_json_put_close(w);
}

enum ent_err ent_audit_print_json(const struct ent_audit_facts *facts, struct ent_buf *out)
{
    struct ent_json_writer w;
    char root[48];
    char text[ENT_AUDIT_TEXT_MAX];

    ent_base64_encode(ENT_BASE64, facts->root, sizeof facts->root, root);
    ent_audit_verdict_text(facts, text);
    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verdict", ent_audit_verdict_name(ent_audit_verdict(facts)));
    ent_json_put_key_string(&w, "text", text);
    ent_json_put_key_string(&w, "origin", facts->origin);
    ent_json_put_key_uint(&w, "size", facts->size);
    ent_json_put_key_string(&w, "root", root);
    ent_json_put_key_uint(&w, "members", facts->n_members);
    ent_json_put_key_uint(&w, "rounds", facts->n_rounds);
    ent_json_put_key_uint(&w, "releases", facts->n_releases);
    ent_json_put_key_uint(&w, "signatures", facts->n_signatures);
    ent_json_put_key_uint(&w, "cosigned_size", facts->cosigned_size);
    ent_json_put_key_uint(&w, "rerolls", ent_audit_rerolls(facts));
    ent_json_put_key(&w, "checks");
    ent_json_put_array(&w);
    for (unsigned i = 1; i <= ENT_AUDIT_CHECKS; i++) {
        put_check(&w, facts, i);
    }
    ent_json_put_close(&w);
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_add(out, "\n", 1);
}
