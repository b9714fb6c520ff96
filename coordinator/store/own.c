#include <string.h>

#include "coordinator/store/tables.h"

enum ent_err ent_store_put_own(struct ent_store *store, uint32_t run,
                               const struct ent_store_own *own)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT OR REPLACE INTO own(run, round, idx, place, name, nano)"
                               " VALUES(?, ?, ?, ?, ?, ?)",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    ent_stmt_bind_u64(stmt, 2, own->round);
    ent_stmt_bind_u64(stmt, 3, own->index);
    ent_stmt_bind_u64(stmt, 4, own->place);
    ent_stmt_bind_text(stmt, 5, own->name);
    ent_stmt_bind_i64(stmt, 6, own->nano);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err read_own(struct ent_stmt *stmt, void *out)
{
    struct ent_store_own *own = out;

    memset(own, 0, sizeof *own);
    ENT_TRY(ent_stmt_u64(stmt, 0, &own->round));
    ENT_TRY(ent_stmt_u32(stmt, 1, &own->index));
    ENT_TRY(ent_stmt_u32(stmt, 2, &own->place));
    ENT_TRY(ent_tables_text(stmt, 3, own->name, sizeof own->name));
    return ent_stmt_i64(stmt, 4, &own->nano);
}

enum ent_err ent_store_own(struct ent_store *store, uint32_t run, struct ent_store_own **out,
                           size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT round, idx, place, name, nano FROM own WHERE run = ? ORDER BY round, idx, place",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    return ent_tables_list(stmt, read_own, sizeof **out, out, n);
}
