/* entente-client: the member's program. Its verbs are in client/agent. */
#include <stddef.h>

#include "client/agent/verbs.h"
#include "client/data/csv.h"
#include "common/base/options.h"
#include "common/config/config.h"
#include "common/crypto/secret.h"
#include "common/db/db.h"
#include "common/math/math.h"
#include "common/net/link_nng.h"
#include "common/schema/library.h"

#define FLAG(struct_, name_, member_, help_)                                                       \
    {                                                                                              \
        (name_), ENT_OPT_FLAG, NULL, (help_), offsetof(struct struct_, member_)                    \
    }
#define TEXT(struct_, name_, member_, value_, help_)                                               \
    {                                                                                              \
        (name_), ENT_OPT_STRING, (value_), (help_), offsetof(struct struct_, member_)              \
    }
#define MUST(struct_, name_, member_, value_, help_)                                               \
    {                                                                                              \
        (name_), ENT_OPT_REQUIRED_STRING, (value_), (help_), offsetof(struct struct_, member_)     \
    }
#define COUNT(struct_, name_, member_, value_, help_)                                              \
    {                                                                                              \
        (name_), ENT_OPT_COUNT, (value_), (help_), offsetof(struct struct_, member_)               \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, ENT_OPT_FLAG, NULL, NULL, 0                                                          \
    }

static const struct ent_option describe_options[] = {
    MUST(ent_describe_verb, "input", input, "FILE", "CSV file (.gz works too)"),
    MUST(ent_describe_verb, "label", label, "COL=VALUE",
         "column to predict, and its positive value"),
    TEXT(ent_describe_verb, "out", out, "DIR", "where the drafts go (default: here)"),
    TEXT(ent_describe_verb, "delimiter", delimiter, "CHAR", "of the CSV (default: detected)"),
    TEXT(ent_describe_verb, "exclude", exclude, "COLS", "columns to leave out, comma-separated"),
    TEXT(ent_describe_verb, "category", category, "COLS",
         "columns that are codes, though they look like numbers"),
    TEXT(ent_describe_verb, "coordinator", coordinator, "HOST:PORT", "for client.yaml"),
    COUNT(ent_describe_verb, "max-values", max_values, "N", "of one category (default 30)"),
    COUNT(ent_describe_verb, "min-members", min_members, "N", "of the plan (default 3)"),
    COUNT(ent_describe_verb, "rounds", rounds, "N", "of the plan (default: chosen)"),
    FLAG(ent_describe_verb, "test-file", test_file, "test rows come from each member's own file"),
    END};

static const struct ent_option enroll_options[] = {
    MUST(ent_enroll_verb, "dir", dir, "DIR", "the member's directory; made when it is not there"),
    TEXT(ent_enroll_verb, "token-file", token_file, "FILE",
         "token (default: typed, or standard input)"),
    TEXT(ent_enroll_verb, "name", name, "NAME", "what this member calls itself"), END};

static const struct ent_option check_options[] = {
    MUST(ent_check_verb, "plan", plan, "FILE", "plan.yaml"),
    TEXT(ent_check_verb, "dir", dir, "DIR", "the member's directory (default: here)"),
    TEXT(ent_check_verb, "config", config, "FILE", "other file than DIR/client.yaml"),
    FLAG(ent_check_verb, "json", json, "for programs"), END};

static const struct ent_option train_options[] = {
    FLAG(ent_train_verb, "local", local, "on this member's data alone (required)"),
    MUST(ent_train_verb, "plan", plan, "FILE", "plan.yaml"),
    TEXT(ent_train_verb, "dir", dir, "DIR", "the member's directory (default: here)"),
    TEXT(ent_train_verb, "config", config, "FILE", "other file than DIR/client.yaml"),
    TEXT(ent_train_verb, "output", output, "FILE", "model (default: DIR/local.safetensors)"),
    FLAG(ent_train_verb, "json", json, "the result for programs"),
    END};

static const struct ent_option score_options[] = {
    MUST(ent_score_verb, "model", model, "FILE", "model file (.safetensors)"),
    MUST(ent_score_verb, "input", input, "FILE", "CSV file (.gz works too; - is standard input)"),
    TEXT(ent_score_verb, "output", output, "FILE", "scores as CSV"),
    TEXT(ent_score_verb, "dir", dir, "DIR", "use the column mapping of DIR/client.yaml"),
    TEXT(ent_score_verb, "config", config, "FILE", "use the column mapping of this client.yaml"),
    TEXT(ent_score_verb, "id", id, "COLUMN",
         "passed through (default: client.yaml's, or the row number)"),
    TEXT(ent_score_verb, "rows", rows, "FILE", "only these 0-based data rows, one a line"),
    FLAG(ent_score_verb, "evaluate", evaluate, "figures over rows that have the label"),
    FLAG(ent_score_verb, "explain", explain, "which columns the model goes by on these rows"),
    TEXT(ent_score_verb, "explain-csv", explain_csv, "FILE", "the same as CSV"),
    COUNT(ent_score_verb, "explain-rows", explain_rows, "N", "rows of its sample (default 10000)"),
    COUNT(ent_score_verb, "repeats", repeats, "N", "exchanges of each column (default 5)"),
    COUNT(ent_score_verb, "seed", seed, "N", "of sample and exchanges (default 1)"),
    FLAG(ent_score_verb, "json", json, "counts, metrics, explanation for programs"),
    END};

static const struct ent_option run_options[] = {
    MUST(ent_run_verb, "dir", dir, "DIR", "the member's directory"),
    TEXT(ent_run_verb, "config", config, "FILE", "other file than DIR/client.yaml"),
    FLAG(ent_run_verb, "once", once, "end when a run has ended"),
    FLAG(ent_run_verb, "verbose", verbose, "more lines about the connection"), END};

static const struct ent_option receipts_options[] = {
    MUST(ent_receipts_verb, "dir", dir, "DIR", "the member's directory"),
    COUNT(ent_receipts_verb, "proof", proof, "ROUND",
          "write the proof that the update of this round is in the log"),
    TEXT(ent_receipts_verb, "out", out, "FILE", "where (default: DIR/run-R-round-N.tlog-proof)"),
    FLAG(ent_receipts_verb, "json", json, "for programs"), END};

static const struct ent_option leave_options[] = {
    MUST(ent_leave_verb, "dir", dir, "DIR", "the member's directory"),
    FLAG(ent_leave_verb, "yes", yes, "without being asked"), END};

#define VERB(name_, summary_, example_)                                                            \
    {                                                                                              \
#name_, (summary_), NULL, 0, 0, (example_), name_##_options,                               \
            sizeof(struct ent_##name_##_verb), ent_verb_##name_                                    \
    }

static const struct ent_verb verbs[] = {
    VERB(describe, "draft plan.yaml and client.yaml from a CSV file, to be edited",
         "entente-client describe --input crm.csv --label churned=yes"),
    VERB(enroll, "join a federation with a one-time token; keys are made here",
         "entente-client enroll --dir me --token-file token.txt"),
    VERB(check, "offline: read the data, and show exactly what would leave",
         "entente-client check --dir me --plan plan.yaml"),
    VERB(train, "train on this member's data alone: the figure to beat",
         "entente-client train --local --dir me --plan plan.yaml"),
    VERB(run, "take part: join rounds, train when asked, reconnect by itself",
         "entente-client run --dir me"),
    VERB(receipts, "what was sent, what the log says became of it, and the proof",
         "entente-client receipts --dir me --proof 3"),
    VERB(leave, "leave the federation for good", "entente-client leave --dir me"),
    VERB(score, "score a CSV file with a model, in constant memory",
         "entente-client score --dir me --model me/global.safetensors --input new.csv --output "
         "scores.csv"),
    {NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL}};

int main(int argc, char **argv)
{
    static const struct ent_program program = {
        "entente-client", "a member of a federation that trains one model together", verbs};
    static char nng[ENT_LINK_NNG_VERSION_BYTES];

    if (ent_secret_init_process() != ENT_E_OK) {
        (void)fprintf(stderr, "entente-client: %s\n", ent_err_message());
        return ent_err_exit(ENT_E_INTERNAL);
    }
    ent_link_nng_version(nng);
    ent_version_add(nng);
    ent_version_add(ent_db_library());
    ent_version_add(ent_math_blas_text());
    ent_version_add(ent_config_library());
    ent_version_add(ent_schema_library());
    ent_version_add(ent_csv_library());
    return ent_program_run(&program, argc, argv);
}
