/* IN command lines · OUT text, files, an outcome · OWNS nothing · THREADS main · SOURCE audit.md 4
 *
 * The verbs of entente-audit; main.c has their tables. */
#ifndef ENT_AUDIT_VERBS_H
#define ENT_AUDIT_VERBS_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/options.h"

struct ent_audit_verb {
    const char *policy;
    const char *model;
    const char *key; /* auditor.x25519 */
    const char *out;
    const char *rounds; /* A-B */
    const char *disclose;
    const char *attest; /* auditor.ed25519 */
    const char *dir;
    const char *member; /* handle in hex */
    uint64_t since;
    uint64_t max_age_hours;
    const char *leaf; /* number */
    uint64_t round;
    uint64_t run;
    uint64_t attempt;
    uint64_t threads;
    bool json;
    bool quiet;
    struct ent_option_list heads;
    struct ent_option_list receipts;
};

/* Paths and numbers of a verb as ent_audit_verify takes them (borrowed). USAGE. */
struct ent_audit_options;
ENT_MUST enum ent_err ent_audit_options_of(const struct ent_audit_verb *verb,
                                           struct ent_audit_options *out);
/* Text to standard output. IO. */
ENT_MUST enum ent_err ent_audit_write(const struct ent_buf *text);

enum ent_err ent_verb_audit_verify(const void *options, const char *const *args, size_t n_args);
enum ent_err ent_verb_audit_replay(const void *options, const char *const *args, size_t n_args);
enum ent_err ent_verb_audit_report(const void *options, const char *const *args, size_t n_args);
enum ent_err ent_verb_audit_prove(const void *options, const char *const *args, size_t n_args);
enum ent_err ent_verb_audit_check_proof(const void *options, const char *const *args,
                                        size_t n_args);
enum ent_err ent_verb_audit_fork(const void *options, const char *const *args, size_t n_args);
enum ent_err ent_verb_audit_keygen(const void *options, const char *const *args, size_t n_args);

#endif
