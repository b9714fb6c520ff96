/* IN facts of one export, what the command line said · OUT the page for a compliance officer
 * OWNS the list of names · THREADS one at a time · SOURCE audit.md 4, 5; docs/AUDIT.md
 *
 * One HTML page without scripts and without anything from outside, and the same as JSON. Both are made of
 * the facts alone, without a clock: the same export, policy and program give the same bytes. */
#ifndef ENT_AUDIT_REPORT_H
#define ENT_AUDIT_REPORT_H

#include "audit/facts.h"

#define ENT_REPORT_PAGE_MAX_BYTES ((size_t)32 * 1024 * 1024)
#define ENT_REPORT_JSON_MAX_BYTES ((size_t)128 * 1024 * 1024)
#define ENT_REPORT_NAMES_MAX (ENT_AUDIT_MEMBERS_MAX + 64) /* members and auditors */
#define ENT_REPORT_NAMES_MAX_BYTES ((size_t)2 * 1024 * 1024)

/* A name that was disclosed, and that opens the commitment in the log. */
struct ent_report_name {
    uint8_t who[32]; /* handle of a member (16), key of an auditor (32) */
    size_t who_len;
    ent_name_text name;
};
struct ent_report_names {
    struct ent_report_name *names;
    size_t n;
    size_t cap;
};

/* Lines `handle salt name` (hex, hex, the rest of the line), of an auditor `x25519-key salt name`; empty lines and those
 * that begin with # are passed over. Each must open the name_commit of its member.admit or auditor.admit.
 * CONFIG (no such file, or a line that is none, or whose salt or name is another one: it is named); `out` stays empty. */
ENT_MUST enum ent_err ent_report_names_read(const struct ent_audit_facts *facts, const char *path,
                                            struct ent_report_names *out);
void ent_report_names_release(struct ent_report_names *names);

/* What the page says about its own making. Texts are borrowed. */
struct ent_report_request {
    const char *export_dir;
    const char *policy; /* NULL: not given */
    const char *model;  /* NULL: not given */
    const char *key;    /* NULL: not given */
    const char *disclose;
    const char *out;
    const char *const *heads; /* [n_heads] */
    size_t n_heads;
    const char *const *receipts; /* [n_receipts] */
    size_t n_receipts;
    uint64_t since;
    uint64_t max_age_hours;
    bool has_checkpoint;
    uint8_t checkpoint_sha256[32]; /* of the file EXPORT/checkpoint */
    bool has_policy;
    uint8_t policy_sha256[32];
    const struct ent_report_names *names;
};

/* Appends the page. LIMIT, NO_MEMORY. */
ENT_MUST enum ent_err ent_report_html(const struct ent_audit_facts *facts,
                                      const struct ent_report_request *request,
                                      struct ent_buf *out);
/* Appends one JSON object: the same content, no list cut. */
ENT_MUST enum ent_err ent_report_json(const struct ent_audit_facts *facts,
                                      const struct ent_report_request *request,
                                      struct ent_buf *out);

#endif
