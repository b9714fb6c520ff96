/* IN an export, what the auditor pinned · OUT facts and a verdict · OWNS nothing after the call
 * THREADS one caller; signatures are verified on a pool of its own · SOURCE audit.md 4;
 * docs/AUDIT.md */
#ifndef ENT_AUDIT_VERIFY_H
#define ENT_AUDIT_VERIFY_H

#include "audit/facts.h"
#include "common/crypto/x25519.h"
#include "common/export/read.h"
#include "common/tlog/policy.h"

#define ENT_AUDIT_FILES_MAX 16 /* --head, --receipt: each so often */

struct ent_audit_options {
    const char *policy; /* paths; NULL: not given */
    const char *model;
    const char *key;
    const char *const *heads; /* [n_heads] */
    size_t n_heads;
    const char *const *receipts; /* [n_receipts], Envelopes of Ack, as a member keeps them */
    size_t n_receipts;
    uint64_t since;     /* seals of rounds below are not asked for; 0: all */
    uint64_t max_age_s; /* of the newest cosignature; 0: not checked */
    uint64_t now_s;     /* what it is compared with */
    unsigned threads;   /* 0: as many as cores */
};

/* All checks. OK also when they fail: facts say what was found. Errors: the export cannot be read
 * (CORRUPT, LIMIT, IO), a file of the options cannot (CONFIG names it), NO_MEMORY. `facts` is all zero
 * before; release it in any case. */
ENT_MUST enum ent_err ent_audit_verify(struct ent_export *export,
                                       const struct ent_audit_options *options,
                                       struct ent_audit_facts *facts);

/* --policy. CONFIG names the file; NO_MEMORY. */
ENT_MUST enum ent_err ent_audit_policy_read(const char *path, struct ent_tlog_policy *out);

/* The lines of audit.md 4, and the same as one JSON object. Appended. */
ENT_MUST enum ent_err ent_audit_print(const struct ent_audit_facts *facts, struct ent_buf *out);
ENT_MUST enum ent_err ent_audit_print_json(const struct ent_audit_facts *facts,
                                           struct ent_buf *out);
/* The error that a verdict ends the program with: OK, VIOLATION, INCOMPLETE. */
ENT_MUST enum ent_err ent_audit_outcome(const struct ent_audit_facts *facts);
/* What the program ends with: 0 PASS, 1 FAIL, 2 usage, 3 INCOMPLETE, 4 unreadable, 5 internal. */
int ent_audit_exit(enum ent_err err);

#endif
