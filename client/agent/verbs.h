/* IN a verb's options · OUT its outcome, text on standard output · OWNS nothing · THREADS main
 * SOURCE common/base/options.h
 *
 * The verbs of entente-client; main.c holds their table. Paths are relative to the working directory. */
#ifndef ENT_CLIENT_AGENT_VERBS_H
#define ENT_CLIENT_AGENT_VERBS_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_describe_verb {
    const char *input;
    const char *label;
    const char *out; /* directory; NULL = here */
    const char *delimiter;
    const char *exclude;  /* columns, comma-separated */
    const char *category; /* columns, comma-separated */
    const char *coordinator;
    uint64_t max_values;
    uint64_t min_members;
    uint64_t rounds;
    bool test_file;
};
struct ent_enroll_verb {
    const char *dir;
    const char *token_file;
    const char *name;
};
struct ent_check_verb {
    const char *dir;
    const char *config;
    const char *plan;
    bool json;
};
struct ent_train_verb {
    bool local;
    const char *dir;
    const char *config;
    const char *plan;
    const char *output;
    bool json;
};
struct ent_score_verb {
    const char *dir;
    const char *config;
    const char *model;
    const char *input;
    const char *output;
    const char *id;
    const char *rows;
    const char *explain_csv;
    uint64_t explain_rows;
    uint64_t repeats;
    uint64_t seed;
    bool evaluate;
    bool explain;
    bool json;
};
struct ent_run_verb {
    const char *dir;
    const char *config;
    bool once;
    bool verbose;
};
struct ent_receipts_verb {
    const char *dir;
    uint64_t proof; /* a round; 0: none */
    const char *out;
    bool json;
};
struct ent_leave_verb {
    const char *dir;
    bool yes;
};

/* options: the verb's struct; no positional arguments. */
ENT_MUST enum ent_err ent_verb_describe(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_enroll(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_check(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_train(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_score(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_run(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_receipts(const void *options, const char *const *args, size_t n);
ENT_MUST enum ent_err ent_verb_leave(const void *options, const char *const *args, size_t n);

#endif
