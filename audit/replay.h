/* IN an export, the auditor's key · OUT whether every round gives the logged bytes again · OWNS its lists
 * THREADS one caller · SOURCE audit.md 3, 4; docs/AUDIT.md (replay)
 *
 * Re-executes the rounds of an export out of the updates that were kept: opens them, holds each against the digest that
 * its member signed, adds them, makes the model, and compares sum, model, optimizer state and figures with what the log
 * says. Signatures and everything else of the log are verify's: here the tree is only held against the note. */
#ifndef ENT_AUDIT_REPLAY_H
#define ENT_AUDIT_REPLAY_H

#include "audit/facts.h"
#include "common/base/identity.h"
#include "common/export/read.h"

enum ent_replay_status {
    ENT_REPLAY_IDENTICAL,
    ENT_REPLAY_INCOMPLETE, /* something that it takes is not there */
    ENT_REPLAY_DIFFERS     /* not what the log says */
};

struct ent_replay_round { /* one that was closed */
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint32_t task;  /* enum ent_task_kind */
    uint32_t split; /* enum ent_split */
    uint32_t updates;
    uint64_t seq; /* of round.close */
    enum ent_replay_status status;
    bool summed;        /* the sum is the logged one */
    bool noised;        /* with its noise */
    uint8_t result[32]; /* as logged */
    bool has_model;
    uint8_t model[32]; /* as logged */
};

struct ent_replay_finding {
    enum ent_replay_status status; /* not IDENTICAL */
    uint32_t run;                  /* 0: of the whole export */
    uint64_t round;
    uint64_t seq; /* of the leaf */
    char text[ENT_AUDIT_TEXT_MAX];
};

struct ent_replay_base { /* of a run that names one */
    uint64_t seq;        /* of its config.set */
    enum ent_audit_base is;
    uint8_t model[32];
};

struct ent_replay_options {
    const char *policy;   /* paths; NULL: not given */
    const char *key;      /* auditor.x25519 */
    uint64_t first, last; /* rounds that are reported, in every run; 0, 0: all */
};

struct ent_replay {
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint64_t size;
    uint8_t root[32];
    bool root_ok; /* the leaves give the note's root: otherwise nothing was replayed */
    struct ent_identity build;
    const char *kernels;      /* which path of common/math this machine takes */
    uint8_t selftest[32];     /* of this build on this machine */
    uint64_t n_starts;        /* of the coordinator, as logged ... */
    uint64_t n_starts_differ; /* ... with another self-test digest */

    ENT_AUDIT_LIST(ent_replay_round, rounds);
    ENT_AUDIT_LIST(ent_replay_finding, findings);
    ENT_AUDIT_LIST(ent_replay_base, bases);
    uint64_t n_identical;
    uint64_t n_closed;   /* in the range */
    uint64_t n_released; /* models and figures that are the replayed ones */
    uint64_t n_aborted;  /* attempts */
    uint64_t n_noised;   /* closed rounds that owe noise */
    uint64_t n_rerolls;  /* bits by which noise could have been chosen, see facts.h */
    enum ent_replay_status verdict;
};

/* OK also when rounds differ: `out` says what was found. Errors: the export cannot be read (CORRUPT, LIMIT, IO), a file
 * of the options cannot (CONFIG names it), UNSUPPORTED: this machine fails the self-test. `out` is all zero before; release it in
 * any case. Memory: one update, the sum (twice where it has noise), two models, two states. */
ENT_MUST enum ent_err ent_replay_export(struct ent_export *export,
                                        const struct ent_replay_options *options,
                                        struct ent_replay *out);
void ent_replay_release(struct ent_replay *replay);

/* "A-B" or "A"; 1 <= A <= B. USAGE. */
ENT_MUST enum ent_err ent_replay_range(const char *text, struct ent_replay_options *out);

/* Lines for people (each: one for every round), and one JSON object. Appended. */
ENT_MUST enum ent_err ent_replay_print(const struct ent_replay *replay, bool each,
                                       struct ent_buf *out);
ENT_MUST enum ent_err ent_replay_print_json(const struct ent_replay *replay, struct ent_buf *out);
/* The error that a verdict ends the program with: OK, VIOLATION, INCOMPLETE. */
ENT_MUST enum ent_err ent_replay_outcome(const struct ent_replay *replay);

#endif
