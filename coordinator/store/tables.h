/* Inside coordinator/store only: the database handle and what its files share. */
#ifndef ENT_COORDINATOR_STORE_TABLES_H
#define ENT_COORDINATOR_STORE_TABLES_H

#include "common/db/db.h"
#include "coordinator/store/log.h"

/* Where the log stands: `tree` with the leaves of the open transaction, `committed` without. */
struct ent_log_state {
    struct ent_merkle tree;
    struct ent_merkle committed;
    uint8_t root[ENT_MERKLE_BYTES];      /* of committed */
    uint8_t next_root[ENT_MERKLE_BYTES]; /* of tree, from before to after a commit */
    uint64_t time_ms;                    /* of tree's last leaf */
    uint64_t committed_time_ms;
    bool dropped;           /* recover took leaves away in the open transaction */
    struct ent_sha256 hash; /* to work with */
};

struct ent_store {
    struct ent_db *db;
    bool readonly;
    struct ent_log_state log; /* of a store opened for writing */
    char *sealed;             /* DIR/sealed */
    uint8_t
        sealed_dirty[32]; /* a bit for each directory in it that got a name since the last sync */
    bool sealed_dirs;     /* directories were made in it, perhaps before it was opened */
    uint64_t n_sealed;
    char *models;  /* DIR/models */
    char *updates; /* DIR/updates */
    struct ent_store_identity identity;
    struct ent_small_model *small; /* written since the last commit, which takes them */
    size_t n_small;
    size_t cap_small;
};

struct ent_small_model {
    uint8_t digest[ENT_STORE_DIGEST_BYTES];
    struct ent_buf bytes;
};

/* ---- small.c: what is small costs no fsync of its own ---- */
/* A model whose file was written but not synchronised: its bytes go into the database with the next
 * commit, and the file is made again from there should it be lost. */
ENT_MUST enum ent_err ent_small_add(struct ent_store *store,
                                    const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                    struct ent_buf *bytes_take);
ENT_MUST enum ent_err ent_small_before_commit(struct ent_store *store); /* in the transaction */
void ent_small_after_commit(struct ent_store *store);
void ent_small_release(struct ent_store *store); /* stores what still waits */
/* At start: files that are missing or damaged, made again. */
ENT_MUST enum ent_err ent_small_restore(struct ent_store *store);
/* The run is over: what is left of it is synchronised, the rows go. In the transaction. */
ENT_MUST enum ent_err ent_small_settle(struct ent_store *store);

/* ---- log.c ---- */
/* The committed head; size 0 without one. */
struct ent_log_head {
    uint64_t size;
    uint8_t root[ENT_MERKLE_BYTES];
    uint64_t time_ms;
    uint64_t log_key; /* id of the vkey */
};
ENT_MUST enum ent_err ent_log_read_head(struct ent_store *store, struct ent_log_head *out);
ENT_MUST enum ent_err ent_log_before_commit(struct ent_store *store); /* in the transaction */
void ent_log_after_commit(struct ent_store *store);
void ent_log_rollback(struct ent_store *store);
/* Takes away the leaves from `size` on, which no witness saw, in the open transaction (recover_drop.c). */
ENT_MUST enum ent_err ent_log_drop(struct ent_store *store, uint64_t size);
ENT_MUST enum ent_err ent_log_time_of(struct ent_store *store, uint64_t idx, uint64_t *time_ms);
/* A place as SQLite holds it. */
uint64_t ent_log_clamp(uint64_t idx);

/* ---- files.c ---- */
/* Calls `each` with every name in a directory; its error ends the walk. */
ENT_MUST enum ent_err ent_files_walk(const char *dir,
                                     enum ent_err (*each)(void *ctx, const char *name), void *ctx);
ENT_MUST enum ent_err ent_files_remove_in(const char *dir, const char *name);

/* ---- sealed.c ---- */
/* Keeps the list of what leaves name. In the transaction of an update.accept, round.close or blob.erase leaf. */
struct ent_leaf_update_accept;
struct ent_leaf_round_close;
struct ent_leaf_blob_erase;
ENT_MUST enum ent_err ent_sealed_named(struct ent_store *store, const struct ent_leaf_frame *frame,
                                       const struct ent_leaf_update_accept *accept);
ENT_MUST enum ent_err ent_sealed_seeds(struct ent_store *store, const struct ent_leaf_frame *frame,
                                       const struct ent_leaf_round_close *close);
ENT_MUST enum ent_err ent_sealed_erased(struct ent_store *store,
                                        const struct ent_leaf_blob_erase *erase);

/* ---- dp.c ---- */
/* The ledger follows the log. In the transaction of a dp.event or dp.refund leaf. */
struct ent_leaf_dp_event;
struct ent_leaf_dp_refund;
ENT_MUST enum ent_err ent_dp_booked(struct ent_store *store, const struct ent_leaf_frame *frame,
                                    const struct ent_leaf_dp_event *event);
ENT_MUST enum ent_err ent_dp_refunded(struct ent_store *store, const struct ent_leaf_frame *frame,
                                      const struct ent_leaf_dp_refund *refund);

extern const struct ent_db_schema ent_schema; /* schema.c */

/* ---- tables.c ---- */
/* A statement of ours; ent_tables_done frees it and passes the error on. */
ENT_MUST enum ent_err ent_tables_prepare(struct ent_store *store, const char *sql,
                                         struct ent_stmt **out);
ENT_MUST enum ent_err ent_tables_done(struct ent_stmt *stmt_take, enum ent_err err);
/* Runs it; NOT_FOUND (without a note) when no row was changed. */
ENT_MUST enum ent_err ent_tables_change(struct ent_store *store, struct ent_stmt *stmt_take);

/* One row into a struct; reads columns in the order of the SELECT. */
typedef enum ent_err (*ent_tables_read)(struct ent_stmt *stmt, void *out);
/* Exactly one row: NOT_FOUND (without a note) when there is none. */
ENT_MUST enum ent_err ent_tables_one(struct ent_stmt *stmt_take, ent_tables_read read, void *out);
/* All rows into a fresh array of `size` bytes each, *out_ptr; caller frees. */
ENT_MUST enum ent_err ent_tables_list(struct ent_stmt *stmt_take, ent_tables_read read, size_t size,
                                      void *out_ptr, size_t *n);

/* Calls of several statements are one transaction, unless the caller has one open. */
ENT_MUST enum ent_err ent_tables_enter(struct ent_store *store, bool *own);
ENT_MUST enum ent_err ent_tables_leave(struct ent_store *store, bool own, enum ent_err err);

/* Digests: zero is NULL. Members: ENT_ROUND_NO_MEMBER is NULL. */
void ent_tables_bind_digest(struct ent_stmt *stmt, int at, const uint8_t *digest);
ENT_MUST enum ent_err ent_tables_digest(struct ent_stmt *stmt, int col, uint8_t *digest);
void ent_tables_bind_index(struct ent_stmt *stmt, int at, uint32_t index);
ENT_MUST enum ent_err ent_tables_index(struct ent_stmt *stmt, int col, uint32_t *index);
/* A number that may be NULL (0), a blob of at most `cap` bytes that may be NULL (empty), a text that fits. */
ENT_MUST enum ent_err ent_tables_u64(struct ent_stmt *stmt, int col, uint64_t *out);
ENT_MUST enum ent_err ent_tables_blob(struct ent_stmt *stmt, int col, uint8_t *out, size_t cap,
                                      size_t *len);
ENT_MUST enum ent_err ent_tables_text(struct ent_stmt *stmt, int col, char *out, size_t cap);

#endif
