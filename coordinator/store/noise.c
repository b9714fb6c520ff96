#include "coordinator/store/noise.h"

#include "coordinator/store/tables.h"

static void bind_attempt(struct ent_stmt *stmt, const struct ent_row *row)
{
    ent_stmt_bind_u64(stmt, 1, row->run);
    ent_stmt_bind_u64(stmt, 2, row->round);
    ent_stmt_bind_u64(stmt, 3, row->attempt);
}

enum ent_err ent_store_noise_put(struct ent_store *store, const struct ent_row *row,
                                 const uint8_t seed[ENT_STORE_SEED_BYTES])
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO noise_seed(run, round, attempt, seed) VALUES(?, ?, ?, ?)", &stmt));
    bind_attempt(stmt, row);
    ent_stmt_bind_blob(stmt, 4, seed, ENT_STORE_SEED_BYTES);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_seed(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_blob_exact(stmt, 0, out, ENT_STORE_SEED_BYTES);
}

enum ent_err ent_store_noise_get(struct ent_store *store, const struct ent_row *row,
                                 uint8_t seed[ENT_STORE_SEED_BYTES])
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "SELECT seed FROM noise_seed WHERE run = ? AND round = ? AND attempt = ?", &stmt));
    bind_attempt(stmt, row);
    return ent_tables_one(stmt, read_seed, seed);
}

static enum ent_err forget(struct ent_store *store, const struct ent_row *but, bool *any)
{
    const struct ent_row none = {0}; /* runs count from 1 */
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "DELETE FROM noise_seed WHERE NOT (run = ? AND round = ? AND attempt = ?)", &stmt));
    bind_attempt(stmt, but != NULL ? but : &none);
    err = ent_tables_change(store, stmt);
    *any = err == ENT_E_OK;
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

/* Otherwise a page that became empty keeps what stood in it. */
enum ent_err ent_store_noise_forget(struct ent_store *store, const struct ent_row *but, bool *any)
{
    enum ent_err err;

    ENT_TRY(ent_db_exec(store->db, "PRAGMA secure_delete=ON"));
    err = forget(store, but, any);
    ENT_TRY(ent_db_exec(store->db, "PRAGMA secure_delete=FAST"));
    return err;
}

static enum ent_err read_busy(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_bool(stmt, 0, out);
}

enum ent_err ent_store_noise_scrub(struct ent_store *store, bool *done)
{
    struct ent_stmt *stmt = NULL;
    bool busy = true;

    ENT_TRY(ent_tables_prepare(store, "PRAGMA wal_checkpoint(TRUNCATE)", &stmt));
    ENT_TRY(ent_tables_one(stmt, read_busy, &busy));
    *done = !busy;
    return ENT_E_OK;
}
