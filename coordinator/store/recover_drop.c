/* Leaves that only this directory has: an old copy was served before somebody said that it is one. No witness saw them
 * (whoever cosigned them would be ahead on their side), so they can go; the log that all saw takes their place. */
#include <string.h>

#include "coordinator/store/recover.h"
#include "coordinator/store/tables.h"

struct dropping {
    struct ent_store *store;
    uint64_t n;
};

static enum ent_err may_go(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct dropping *d = ctx;
    struct ent_leaf_frame frame;
    struct ent_bytes body;

    ENT_TRY(ent_leaf_open(leaf, &frame, &body));
    ENT_REQUIRE(frame.type == ENT_LEAF_SOFTWARE_START || frame.type == ENT_LEAF_OPERATOR_ACTION,
                ENT_E_CORRUPT,
                "this directory went on by itself: its leaf %llu (%s) is one that the members "
                "have another one for, and more than a start depends on it",
                (unsigned long long)idx, ent_leaf_name(frame.type));
    d->n++;
    return ENT_E_OK;
}

enum ent_err ent_store_recover_may_drop(struct ent_store *store, uint64_t first, uint64_t *dropped)
{
    struct dropping d = {.store = store};
    struct ent_store_ckpt ckpt;
    enum ent_err err;

    err = ent_store_ckpt_newest(store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL);
    if (err == ENT_E_OK) {
        ENT_REQUIRE(ckpt.size <= first, ENT_E_CORRUPT,
                    "a quorum of the witnesses cosigned the first %llu leaves of this directory, "
                    "and members hold others from leaf %llu on",
                    (unsigned long long)ckpt.size, (unsigned long long)first);
    } else if (err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_store_log_each(store, 0, first, UINT64_MAX, may_go, &d));
    *dropped = d.n;
    return ENT_E_OK;
}

static enum ent_err remove_from(struct ent_store *store, const char *sql, uint64_t size)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, sql, &stmt));
    ent_stmt_bind_u64(stmt, 1, size);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_log_time_of(struct ent_store *store, uint64_t idx, uint64_t *time_ms)
{
    struct ent_leaf_frame frame;
    struct ent_bytes body;
    struct ent_buf leaf;
    enum ent_err err;

    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_store_log_leaf(store, idx, &leaf);
    if (err == ENT_E_OK) {
        err = ent_leaf_open((struct ent_bytes){leaf.data, leaf.len}, &frame, &body);
    }
    if (err == ENT_E_OK) {
        *time_ms = frame.time_ms;
    }
    ent_buf_release(&leaf);
    return err;
}

/* The database refuses to shorten the log; the one place that may has to say so. */
enum ent_err ent_log_drop(struct ent_store *store, uint64_t size)
{
    struct ent_merkle tree;
    uint64_t dropped = 0;
    uint64_t time_ms = 0;

    if (size == store->log.tree.size) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(size > 0 && size < store->log.tree.size, ENT_E_RANGE, "no log of %llu leaves",
                (unsigned long long)size);
    ENT_TRY(ent_store_recover_may_drop(store, size, &dropped));
    ENT_TRY(ent_merkle_load(ent_store_log_node, store, size, &tree));
    ENT_TRY(ent_log_time_of(store, size - 1, &time_ms));
    ENT_TRY(ent_db_exec(store->db, "DROP TRIGGER leaf_delete; DROP TRIGGER node_delete"));
    ENT_TRY(remove_from(store, "DELETE FROM cosig WHERE size > ?", size));
    ENT_TRY(remove_from(store, "DELETE FROM ckpt WHERE size > ?", size));
    ENT_TRY(remove_from(store, "DELETE FROM leaf WHERE idx >= ?", size));
    ENT_TRY(remove_from(store, "DELETE FROM node WHERE ((idx + 1) << level) > ?", size));
    ENT_TRY(ent_db_exec(store->db,
                        "CREATE TRIGGER leaf_delete BEFORE DELETE ON leaf BEGIN"
                        " SELECT RAISE(ABORT, 'the audit log is never shortened'); END;"
                        "CREATE TRIGGER node_delete BEFORE DELETE ON node BEGIN"
                        " SELECT RAISE(ABORT, 'the audit log is never shortened'); END;"));
    store->log.tree = tree;
    store->log.time_ms = time_ms;
    store->log.dropped = true;
    return ENT_E_OK;
}
