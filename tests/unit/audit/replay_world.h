/* A federation whose rounds are real arithmetic: three members' updates, sealed, logged, summed, and the models that they
 * make; then an export of it. Who tampers does so while the log is made (as a coordinator could), or in the files. */
#ifndef ENT_TESTS_UNIT_AUDIT_REPLAY_WORLD_H
#define ENT_TESTS_UNIT_AUDIT_REPLAY_WORLD_H

#include "audit/replay.h"
#include "common/crypto/sign.h"
#include "common/crypto/x25519.h"
#include "common/step/step.h"
#include "common/tlog/merkle.h"

#define REPLAY_MEMBERS 3
#define REPLAY_ROUNDS 6 /* stats, (train, evaluate) twice, evaluate on the test rows */

enum replay_keep { REPLAY_SEALED, REPLAY_PLAIN, REPLAY_BOTH, REPLAY_NOTHING };

/* What the hook may change: a leaf that is about to be logged (any), and again as bytes (raw); the model file that a round
 * is about to release; the bytes of an update that are about to be kept. The others are NULL. */
struct replay_event {
    uint16_t type;
    uint32_t run;
    uint64_t round;
    size_t member;
    union ent_leaf_any *any;
    struct ent_buf *raw;
    struct ent_buf *kept;
    struct ent_buf *model;
};

struct replay_options {
    const char *aggregation; /* YAML of the plan's map */
    enum replay_keep keep;
    unsigned runs; /* 0: one; a second one starts from the first one's model */
    void (*hook)(void *ctx, struct replay_event *event);
    void *ctx;
    const char *dir; /* where it is written; NULL: a directory that goes with the program */
};

struct replay_blob {
    uint8_t digest[32];
    struct ent_buf bytes;
};

struct replay_world {
    const struct replay_options *options;
    struct ent_buf yaml;
    struct ent_plan *plan;
    struct ent_sign_key *log;
    struct ent_sign_key *witness[2];
    struct ent_sign_key *statement;
    struct ent_x25519_key *auditor;
    uint8_t handles[REPLAY_MEMBERS][16]; /* ascending */
    uint8_t federation[16];

    struct ent_buf leaves[256];
    size_t n_leaves;
    struct ent_merkle tree;
    struct ent_sha256 hash;
    struct replay_blob blobs[256];
    size_t n_blobs;
    uint8_t kept[3][REPLAY_ROUNDS + 1][REPLAY_MEMBERS]
                [32]; /* [run][round]: digests of retained updates (the plain one of two) */
    char names[REPLAY_MEMBERS][ENT_AUDIT_SHORT_BYTES];

    /* the run */
    uint32_t run;
    uint64_t round;
    uint64_t config;
    bool has_base;
    uint8_t base[32];
    struct ent_buf model;
    struct ent_buf state;
    uint8_t digest[32]; /* of model */
    uint32_t train_round;
    uint8_t released[32]; /* newest released model */

    char dir[256];
    char export[300];
    char policy[300];
    char key[300];
};

/* Plays it and writes the export, the policy and the auditor's key. */
void replay_world_make(struct replay_world *w, const struct replay_options *options);
void replay_world_release(struct replay_world *w);
/* Path of a blob in the export. */
const char *replay_world_blob(const struct replay_world *w, const uint8_t digest[32]);
/* Replays with policy and key (NULL: without). The caller releases `out`. */
void replay_world_replay(const struct replay_world *w, bool with_key, struct ent_replay *out);
/* Whether a finding of that status has all of these words (NULL: no more). */
bool replay_found(const struct ent_replay *replay, enum ent_replay_status status, const char *a,
                  const char *b);

/* ---- what its files share ---- */
void replay_tell(struct replay_world *w, struct replay_event *event);
/* hash: of the leaf, or NULL. */
void replay_add_leaf(struct replay_world *w, uint16_t type, size_t member, union ent_leaf_any *any,
                     uint8_t hash[32]);
void replay_add_blob(struct replay_world *w, const void *bytes, size_t len, uint8_t digest[32]);
void replay_add_config(struct replay_world *w);
void replay_play_run(struct replay_world *w);
void replay_write_files(struct replay_world *w);

#endif
