/* IN a seed, how many members and rounds, what goes wrong · OUT a whole federation's log, and exports of it
 * OWNS all keys of everybody · THREADS one at a time · SOURCE audit.md 2, docs/PROTOCOL.md 14
 *
 * Plays a federation's log with real keys and without a coordinator: every leaf, every signature and every note is what
 * the programs would write. All randomness comes from the seed: same options, same bytes (but for sealed updates, which
 * draw fresh keys).
 *
 * An attack is either told while the log is made (`hook`: what a coordinator could have done in time, so that everybody
 * cosigned it), or done afterwards to the leaves, and then ent_forge_rebuild signs again with the keys that this
 * attacker holds. */
#ifndef ENT_TESTS_SUPPORT_FORGE_H
#define ENT_TESTS_SUPPORT_FORGE_H

#include "common/base/buf.h"
#include "common/crypto/commit.h"
#include "common/crypto/x25519.h"
#include "common/tlog/leaf.h"
#include "common/tlog/merkle.h"
#include "common/tlog/policy.h"

#define ENT_FORGE_NOBODY SIZE_MAX
#define ENT_FORGE_AUDITORS_MAX 4

/* How a member ends in a round; ACCEPTED unless a fault says otherwise. */
enum ent_forge_fate {
    ENT_FORGE_ACCEPTED,
    ENT_FORGE_DECLINED, /* update.reject in phase JOIN, with its Decline */
    ENT_FORGE_NO_JOIN,  /* update.dropout in phase JOIN */
    ENT_FORGE_REJECTED, /* joined; what it sent was refused */
    ENT_FORGE_LOST,     /* joined; update.dropout with its Lost */
    ENT_FORGE_TIMEOUT,  /* joined; update.dropout, the coordinator's word */
    ENT_FORGE_BAD_NONCE, /* update.reject in phase JOIN: its nonce did not open what it had committed to */
    ENT_FORGE_OVERSIZED, /* accepted; its update is larger than the plan's clip */
    ENT_FORGE_UNINVITED,
    ENT_FORGE_ABORT /* of nobody: the attempt ends in round.abort when updates had come */
};
struct ent_forge_fault {
    uint64_t round;
    uint32_t attempt;
    size_t member;
    enum ent_forge_fate fate;
};

/* What a coordinator does in place of adding the noise that it owes; everything in the log is as if it had. */
enum ent_forge_cheat {
    ENT_FORGE_HONEST,
    ENT_FORGE_NO_NOISE,
    ENT_FORGE_HALF_NOISE,
    ENT_FORGE_DIVIDED_NOISE, /* by the number of members, as if the sum were a mean */
    ENT_FORGE_SMALLER_SIGMA, /* a tenth */
    ENT_FORGE_OTHER_SEED,    /* than the one that is committed to and sealed */
    ENT_FORGE_NO_NONCES      /* the seed alone decides */
};

struct ent_forge;
/* A leaf that is about to be written. The hook may change frame and body, drop it, replace its bytes by what it puts
 * into `raw`, or append others before it (ent_forge_append; they do not come to the hook). */
struct ent_forge_leaf_event {
    struct ent_forge *forge;
    struct ent_leaf_frame *frame;
    union ent_leaf_any *any;
    size_t member; /* that it is about; ENT_FORGE_NOBODY */
    struct ent_buf *raw;
    bool drop;
};
typedef enum ent_err (*ent_forge_hook)(void *ctx, struct ent_forge_leaf_event *event);

struct ent_forge_options {
    uint64_t seed;
    uint64_t member_seed; /* of the members' keys; 0: seed */
    size_t n_members;     /* 1 ... 2000 */
    size_t n_witnesses;   /* the first so many; 0: all, at most 64 */
    uint32_t train_rounds;
    bool validate;
    bool test;
    size_t n_auditors; /* updates are sealed to them */
    bool plain;        /* they are also kept as they are, behind the sealed copies */
    /* Payloads are not made, only named, and models are some bytes: for large logs. Otherwise rounds are real
     * arithmetic, and can be replayed when updates are kept. */
    bool lean;
    /* Rounds book what a plan with noise inside the members takes, and there are no statistics and no evaluations. With
     * `lean`, unless `central`. whole_batches: nothing is sampled. */
    bool privacy;
    bool whole_batches;
    bool
        hopeless; /* the plan has a goal that no noise reaches; rounds open all the same, and book nothing */
    /* With `privacy`: unit member instead, noise is added by the coordinator. Rounds are real, not lean. */
    bool central;
    bool own_ledgers;           /* with `central`: members book their customers' loss, too */
    bool fixed_weights;         /* 1, 2, 3, 1, ... */
    uint32_t person_members;    /* that the plan counts on, as assumed; 0: it says nothing */
    enum ent_forge_cheat cheat; /* in every round */
    bool from_best; /* with `central`: a second run starts from the best model of the one before */
    bool uncovered; /* with `central`: statistics, and evaluations as asked for, without noise */
    bool unsaid;    /* of which the plan says nothing */
    bool
        foreign_base; /* the run starts from a model that is neither the plan's nor one of this log */
    uint64_t absent; /* bit i: member i takes part, but cosigns nothing after the first note */
    const struct ent_forge_fault *faults;
    size_t n_faults;
    ent_forge_hook hook;
    void *hook_ctx;
};

struct ent_forge_member {
    uint8_t handle[16]; /* ascending */
    struct ent_sign_key *statement;
    struct ent_sign_key *witness;
    uint8_t statement_pub[32];
    uint8_t witness_pub[32];
    uint64_t sequence;
    uint64_t n_nonces; /* used */
    bool refused;      /* for its nonce: its next join only commits */
    uint64_t seen_size;
    uint8_t seen_root[32];
    bool absent; /* cosigns nothing */
    uint32_t rows_log2;
};

struct ent_forge_leaf {
    uint8_t *bytes;
    size_t len;
    uint16_t type;
    uint32_t attempt;
    uint64_t round;
    size_t member;
};

struct ent_forge_note {
    uint64_t size;
    uint64_t time_s;
    uint64_t cosigners; /* bit i: member i */
    struct ent_buf text;
};

struct ent_forge_blob {
    uint8_t digest[32];
    uint8_t *bytes;
    size_t len;
    bool missing; /* not exported */
};

/* What the round machine would know. */
struct ent_forge_run {
    uint64_t round;
    uint32_t attempt;
    uint32_t task;
    uint32_t split;
    uint32_t train_round;
    uint64_t config;
    uint8_t plan[32];
    bool has_model;
    uint8_t model[32]; /* newest */
    size_t model_bytes;
    uint8_t base[32]; /* of the round */
    size_t base_bytes;
    bool has_best;
    uint8_t best[32];
    uint32_t best_round;
    bool goes_on; /* from the model of the run before */
    uint8_t open_hash[32];
    uint8_t seed[32];    /* of its noise */
    uint32_t n_accepted; /* in the attempt that ended last */
};

struct ent_forge {
    struct ent_forge_options options;
    uint8_t federation[16];
    char origin[64];
    struct ent_sign_key *log;
    struct ent_sign_key *root;
    uint8_t log_pub[32];
    struct ent_x25519_key *seal[ENT_FORGE_AUDITORS_MAX];
    uint8_t seal_pub[ENT_FORGE_AUDITORS_MAX][32];
    struct ent_forge_member *members;
    size_t n_witnesses;
    uint32_t bad;
    uint32_t quorum;
    bool has_set;
    uint64_t time_ms;
    uint64_t cosigned_size;
    uint32_t run_number;
    struct ent_forge_run run;
    struct ent_forge_leaf *leaves;
    size_t n_leaves;
    size_t cap_leaves;
    struct ent_forge_note *notes;
    size_t n_notes;
    size_t cap_notes;
    struct ent_forge_blob *blobs;
    size_t n_blobs;
    size_t cap_blobs;
    struct ent_merkle tree;
    struct ent_sha256 hash;
    struct ent_forge_real *real;     /* forge_real.c */
    struct ent_forge_budget *budget; /* forge_privacy.c; NULL: no privacy */
    struct ent_noise_nonce *nonces;  /* [n_members] of the attempt, as they stand in the log */
    size_t n_nonces;
};

/* Plays it all: from genesis to the end of one run. */
ENT_MUST enum ent_err ent_forge_new(const struct ent_forge_options *options,
                                    struct ent_forge **out);
void ent_forge_free(struct ent_forge *forge); /* NULL is fine */

/* One more leaf, past the hook. message: the struct of `type`; frame: run 0 and round 0 unless type is one of a round
 * (then those of forge->run). */
ENT_MUST enum ent_err ent_forge_append(struct ent_forge *forge, unsigned type, size_t member,
                                       const void *message);
/* As they are. */
ENT_MUST enum ent_err ent_forge_append_bytes(struct ent_forge *forge, struct ent_bytes leaf);
/* A note of what is there, cosigned by all witnesses that are not absent; they remember it. */
ENT_MUST enum ent_err ent_forge_publish(struct ent_forge *forge);
/* One more run after the first. */
ENT_MUST enum ent_err ent_forge_play_run(struct ent_forge *forge);

/* ---- statements ---- */

/* What a member signs: header, payload (may be empty) -> header bytes (in the arena) and the rest. */
ENT_MUST enum ent_err ent_forge_say(struct ent_forge *forge, size_t member,
                                    const struct ent_header *header, struct ent_bytes payload,
                                    struct ent_arena *arena, struct ent_leaf_statement *out);
/* Header of the current attempt, with the member's next sequence number. */
struct ent_header ent_forge_header(struct ent_forge *forge, size_t member, unsigned type);
/* Signs header || payload_sha256 once more. */
ENT_MUST enum ent_err ent_forge_sign(const struct ent_sign_key *key,
                                     struct ent_leaf_statement *statement);
/* The coordinator's receipt for an accepted update, as the member keeps it: appended. */
ENT_MUST enum ent_err ent_forge_receipt(struct ent_forge *forge, uint64_t round, size_t member,
                                        struct ent_buf *out);

/* ---- afterwards ---- */

/* The n-th leaf of that type (and round and member, unless 0 and ENT_FORGE_NOBODY); SIZE_MAX: none. */
size_t ent_forge_find(const struct ent_forge *forge, unsigned type, uint64_t round, size_t member,
                      size_t nth);
/* Other bytes for a leaf; out of the log; before place `at` (attributes of the bytes). */
ENT_MUST enum ent_err ent_forge_replace(struct ent_forge *forge, size_t index,
                                        struct ent_bytes bytes);
void ent_forge_remove(struct ent_forge *forge, size_t index);
ENT_MUST enum ent_err ent_forge_insert(struct ent_forge *forge, size_t at, struct ent_bytes bytes);
/* frame.seq = place, in every leaf. What names a leaf by hash or place is not touched. */
void ent_forge_renumber(struct ent_forge *forge);

struct ent_forge_rebuild {
    bool
        log_key; /* signs the notes again; otherwise those whose tree changed keep their old text */
    uint64_t
        colluding; /* bit i: member i cosigns again. Other cosignatures stay where a note did not change */
};
/* Tree and notes over the leaves as they are now. A note's size stays (at most n_leaves). */
ENT_MUST enum ent_err ent_forge_rebuild(struct ent_forge *forge,
                                        const struct ent_forge_rebuild *with);

/* ---- out ---- */

/* What a member would hand to its auditor: the first witness set. */
ENT_MUST enum ent_err ent_forge_policy(const struct ent_forge *forge, struct ent_buf *out);
ENT_MUST enum ent_err ent_forge_policy_file(const struct ent_forge *forge, const char *path);
/* Export of the newest note with a quorum. With `any_note`: of the newest note. */
ENT_MUST enum ent_err ent_forge_export(const struct ent_forge *forge, const char *to,
                                       bool any_note);
ENT_MUST enum ent_err ent_forge_add_blob(struct ent_forge *forge, const void *bytes, size_t len,
                                         uint8_t digest[32]);

#endif
