/* entente-audit: checks an export offline, for whoever has to answer for a federation. */
#include <stddef.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/options.h"
#include "common/crypto/secret.h"
#include "common/crypto/sha256.h"
#include "common/math/math.h"
#include "common/schema/library.h"

#define AT(member_) offsetof(struct ent_audit_verb, member_)
#define END                                                                                        \
    {                                                                                              \
        NULL, ENT_OPT_FLAG, NULL, NULL, 0                                                          \
    }
#define POLICY                                                                                     \
    {                                                                                              \
        "policy", ENT_OPT_STRING, "FILE",                                                          \
            "a member's witness.policy: whom to believe; never one out of the export", AT(policy)  \
    }
#define HEADS                                                                                      \
    {                                                                                              \
        "head", ENT_OPT_LIST, "FILE", "a member's head.note: what it saw must be in the export",   \
            AT(heads)                                                                              \
    }
#define KEY                                                                                        \
    {                                                                                              \
        "key", ENT_OPT_STRING, "FILE", "auditor.x25519: opens what was sealed to it", AT(key)      \
    }
#define THREADS                                                                                    \
    {                                                                                              \
        "threads", ENT_OPT_UINT, "N", "of the verification (default: all cores)", AT(threads)      \
    }
#define JSON                                                                                       \
    {                                                                                              \
        "json", ENT_OPT_FLAG, NULL, "one JSON object instead of text", AT(json)                    \
    }

/* What verify and report look at. */
#define INPUTS                                                                                     \
    POLICY, HEADS,                                                                                 \
        {"receipt", ENT_OPT_LIST, "FILE", "a member's receipt: the log must count that update",    \
         AT(receipts)},                                                                            \
        {"model", ENT_OPT_STRING, "FILE", "a model in use: must be one that was released",         \
         AT(model)},                                                                               \
        {"since", ENT_OPT_UINT, "ROUND", "kept updates of rounds before are not asked for",        \
         AT(since)},                                                                               \
        KEY,                                                                                       \
        {"max-age", ENT_OPT_UINT, "HOURS", "of the newest cosignature (default: not checked)",     \
         AT(max_age_hours)},                                                                       \
        THREADS, JSON

static const struct ent_option verify_options[] = {INPUTS, END};
static const struct ent_option report_options[] = {
    {"out", ENT_OPT_REQUIRED_STRING, "FILE", "the page (HTML); what stood there is replaced",
     AT(out)},
    {"disclose", ENT_OPT_STRING, "FILE", "names: lines of handle, salt, name", AT(disclose)},
    INPUTS,
    END};
static const struct ent_option replay_options[] = {
    POLICY,
    KEY,
    {"rounds", ENT_OPT_STRING, "A-B", "report these only; all", AT(rounds)},
    {"quiet", ENT_OPT_FLAG, NULL, "no line a round", AT(quiet)},
    JSON,
    END};
static const struct ent_option prove_options[] = {
    {"leaf", ENT_OPT_STRING, "N", "place of the leaf", AT(leaf)},
    {"member", ENT_OPT_STRING, "HANDLE", "or: how this member (32 hex digits) ended ...",
     AT(member)},
    {"round", ENT_OPT_COUNT, "N", "... in this round", AT(round)},
    {"run", ENT_OPT_COUNT, "N", "... of this run (default: the newest that has it)", AT(run)},
    {"attempt", ENT_OPT_COUNT, "N", "... in this attempt (default: the last)", AT(attempt)},
    {"out", ENT_OPT_STRING, "FILE", "instead of standard output", AT(out)},
    END};
static const struct ent_option check_proof_options[] = {POLICY, JSON, END};
static const struct ent_option fork_options[] = {POLICY, JSON, END};
static const struct ent_option keygen_options[] = {
    {"dir", ENT_OPT_REQUIRED_STRING, "DIR", "where the keys go", AT(dir)}, END};

#define VERB(name_, summary_, arguments_, n_, options_, run_, example_)                            \
    {                                                                                              \
        name_, summary_, arguments_, n_, n_, example_, options_, sizeof(struct ent_audit_verb),    \
            run_                                                                                   \
    }

static const struct ent_verb verbs[] = {
    VERB("verify", "Check an export: history, signatures, cohorts, models", "EXPORT", 1,
         verify_options, ent_verb_audit_verify,
         "entente-audit verify acme.export --policy acme.policy --head brand-a.note"),
    VERB("replay", "Add the kept updates again: the same sums, models and figures", "EXPORT", 1,
         replay_options, ent_verb_audit_replay,
         "entente-audit replay acme.export --policy acme.policy --key dpo/auditor.x25519"),
    VERB("report", "Verify, and write one page for a compliance officer", "EXPORT", 1,
         report_options, ent_verb_audit_report,
         "entente-audit report acme.export --policy acme.policy --out report.html"),
    VERB("prove", "Write the proof that one leaf is in the log", "EXPORT", 1, prove_options,
         ent_verb_audit_prove, "entente-audit prove acme.export --leaf 4711 --out p.tlog-proof"),
    VERB("check-proof", "Check such a proof by itself", "FILE", 1, check_proof_options,
         ent_verb_audit_check_proof, "entente-audit check-proof p.tlog-proof --policy acme.policy"),
    VERB("fork", "Compare two notes or two exports: did the log show two histories?", "A B", 2,
         fork_options, ent_verb_audit_fork,
         "entente-audit fork brand-a.note brand-b.note --policy acme.policy"),
    VERB("keygen", "Make an auditor's keys", NULL, 0, keygen_options, ent_verb_audit_keygen,
         "entente-audit keygen --dir dpo"),
    {NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL}};

static const struct ent_program program = {"entente-audit", "checks a federation's log offline",
                                           verbs};

static const struct ent_exits exits = {
    ent_audit_exit, "Exit statuses:\n"
                    "    0  PASS: all that could be checked was, and nothing is wrong\n"
                    "    1  FAIL: a violation is proved\n"
                    "    2  the command line, or a file that belongs to it, is not right\n"
                    "    3  INCOMPLETE: nothing is wrong, and something could not be checked\n"
                    "    4  the export (or proof) cannot be read\n"
                    "    5  internal error, or out of memory\n"};

int main(int argc, char **argv)
{
    if (ent_secret_init_process() != ENT_E_OK) {
        (void)fprintf(stderr, "entente-audit: %s\n", ent_err_message());
        return ent_audit_exit(ENT_E_INTERNAL);
    }
    ent_version_add(ent_crypto_library());
    ent_version_add(ent_schema_library());
    ent_version_add(ent_math_blas_text());
    return ent_program_run_with(&program, &exits, argc, argv);
}
