/* Shared inside this room only. */
#ifndef ENT_CLIENT_STATE_PRIVATE_H
#define ENT_CLIENT_STATE_PRIVATE_H

#include <time.h>

#include "client/state/ledger.h"
#include "common/db/db.h"

/* A model's file whose digest was checked in this process: good as long as nobody touched it. */
struct ent_state_seen {
    struct ent_blob *blob; /* NULL: none */
    uint8_t digest[ENT_SHA256_BYTES];
    uint64_t inode;
    struct timespec changed;
};

#define ENT_STATE_SMALL_MAX 8

struct ent_state_small {
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_blob *blob;
    bool has_file;
};

struct ent_state {
    struct ent_db *db;
    char *updates;   /* DIR/updates */
    char *models;    /* DIR/models */
    char *optimizer; /* DIR/optimizer */
    struct ent_blob
        *fresh; /* payload of the update stored last: what is sent first needs no reading */
    struct ent_attempt fresh_at;
    struct ent_state_seen seen;                        /* the model file verified last */
    struct ent_state_small small[ENT_STATE_SMALL_MAX]; /* small models, newest first */
    size_t n_small;
    uint64_t sequence;          /* given out last */
    uint64_t sequence_reserved; /* stored: numbers up to it may have been used */
    bool ledger_checked;        /* the whole chain, by this process */
};

#define ENT_STATE_HEX_BYTES (2 * ENT_SHA256_BYTES + 1)
#define ENT_STATE_MODEL_ENDING ".safetensors"

/* Two ways to write. Before `join`, a statement's change waits in an open transaction for whatever
 * is committed next: for what may be lost in a crash, or is worth nothing without that. After
 * `commit`, all of it is durable. */
ENT_MUST enum ent_err ent_state_join_next(struct ent_state *state);
ENT_MUST enum ent_err ent_state_commit(struct ent_state *state);

/* "DIR/<hex><ending>"; caller frees. */
ENT_MUST enum ent_err ent_state_content_path(const char *dir,
                                             const uint8_t digest[ENT_SHA256_BYTES],
                                             const char *ending, char **out);
/* Removes content files that `known` (SQL with one digest to bind) has no row for, and unfinished
 * temporary files of such. Files of any other name stay. */
ENT_MUST enum ent_err ent_state_sweep(struct ent_state *state, const char *dir, const char *ending,
                                      const char *known);
ENT_MUST enum ent_err ent_state_sweep_updates(struct ent_state *state);

/* optimizer.c: the file, then (in the transaction of the update) the row. */
ENT_MUST enum ent_err ent_state_optimizer_write(struct ent_state *state,
                                                const struct ent_state_optimizer *kept,
                                                uint8_t digest[ENT_SHA256_BYTES]);
ENT_MUST enum ent_err ent_state_optimizer_note(struct ent_state *state, struct ent_attempt at,
                                               uint64_t steps,
                                               const uint8_t digest[ENT_SHA256_BYTES]);
ENT_MUST enum ent_err ent_state_optimizer_forget(struct ent_state *state, uint32_t run);
ENT_MUST enum ent_err ent_state_sweep_optimizer(struct ent_state *state);

/* The file, mapped, when it has the digest. NOT_FOUND, IO, DIGEST. */
ENT_MUST enum ent_err ent_state_content_open(const char *path,
                                             const uint8_t digest[ENT_SHA256_BYTES],
                                             struct ent_blob **out);
/* Binds run, round, attempt at `at`, `at` + 1, `at` + 2. */
void ent_state_bind_attempt(struct ent_stmt *stmt, int at, struct ent_attempt attempt);

ENT_MUST enum ent_err ent_ledger_charge_check(const struct ent_ledger_charge *charge);
/* ledger.c: appends behind the last entry (last_seq 0: makes the start), in the open transaction; fills seq, salt, digest. */
ENT_MUST enum ent_err ent_ledger_append(struct ent_state *state, struct ent_csprng *csprng,
                                        struct ent_ledger_entry *entry);

#endif
