/* Inside coordinator/store only: the database handle and what its files share. */
#ifndef ENT_COORDINATOR_STORE_TABLES_H
#define ENT_COORDINATOR_STORE_TABLES_H

#include "common/db/db.h"
#include "coordinator/store/store.h"

struct ent_store {
    struct ent_db *db;
    char *models;  /* DIR/models */
    char *updates; /* DIR/updates */
    struct ent_store_identity identity;
};

extern const struct ent_db_schema ent_schema; /* schema.c */

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
