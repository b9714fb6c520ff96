#include "coordinator/store/dp.h"

#include <string.h>

#include "common/tlog/leaf.h"
#include "coordinator/store/tables.h"

/* ---- what leaves say ---- */

static enum ent_err put_account(struct ent_store *store, uint64_t leaf,
                                const struct ent_leaf_dp_account *account)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO dp_account(leaf, handle, before_nano, after_nano) VALUES(?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, leaf);
    ent_stmt_bind_blob(stmt, 2, account->member, sizeof account->member);
    ent_stmt_bind_u64(stmt, 3, account->before_nano);
    ent_stmt_bind_u64(stmt, 4, account->after_nano);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

enum ent_err ent_dp_booked(struct ent_store *store, const struct ent_leaf_frame *frame,
                           const struct ent_leaf_dp_event *event)
{
    const uint64_t numbers[] = {event->mechanism,   event->rate,      event->sigma2,
                                event->sensitivity, event->dimension, event->steps,
                                event->delta_e18,   event->limit_nano};
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO dp_event(leaf, run, round, round_open, mechanism, rate,"
                               " sigma2, sensitivity, dimension, steps, delta_e18, limit_nano)"
                               " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, frame->seq);
    ent_stmt_bind_u64(stmt, 2, frame->run);
    ent_stmt_bind_u64(stmt, 3, frame->round);
    ent_stmt_bind_blob(stmt, 4, event->round_open, sizeof event->round_open);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ent_stmt_bind_u64(stmt, (int)i + 5, numbers[i]);
    }
    ENT_TRY(ent_tables_done(stmt, ent_stmt_run(stmt)));
    for (size_t i = 0; i < event->n_accounts; i++) {
        ENT_TRY(put_account(store, frame->seq, &event->accounts[i]));
    }
    return ENT_E_OK;
}

enum ent_err ent_dp_refunded(struct ent_store *store, const struct ent_leaf_frame *frame,
                             const struct ent_leaf_dp_refund *refund)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "UPDATE dp_event SET refund = ? WHERE run = ? AND round_open = ? AND refund IS NULL",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, frame->seq);
    ent_stmt_bind_u64(stmt, 2, frame->run);
    ent_stmt_bind_blob(stmt, 3, refund->round_open, sizeof refund->round_open);
    err = ent_tables_change(store, stmt);
    return err == ENT_E_NOT_FOUND
               ? ent_err_note(ENT_E_CORRUPT, "leaf %llu gives back what no round had booked",
                              (unsigned long long)frame->seq)
               : err;
}

/* ---- what is booked ---- */

static enum ent_err read_event(struct ent_stmt *stmt, void *out)
{
    struct ent_store_dp_event *e = out;
    uint32_t mechanism = 0;
    uint32_t refunded = 0;

    memset(e, 0, sizeof *e);
    e->event.n_members = 1;
    ENT_TRY(ent_stmt_u64(stmt, 0, &e->leaf));
    ENT_TRY(ent_stmt_u64(stmt, 1, &e->round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &mechanism));
    ENT_TRY(ent_stmt_u64(stmt, 3, &e->event.rate));
    ENT_TRY(ent_stmt_u64(stmt, 4, &e->event.sigma2));
    ENT_TRY(ent_stmt_u64(stmt, 5, &e->event.sensitivity));
    ENT_TRY(ent_stmt_u64(stmt, 6, &e->event.dimension));
    ENT_TRY(ent_stmt_u64(stmt, 7, &e->event.steps));
    ENT_TRY(ent_stmt_u64(stmt, 8, &e->delta_e18));
    ENT_TRY(ent_stmt_u64(stmt, 9, &e->limit_nano));
    ENT_TRY(ent_stmt_u32(stmt, 10, &refunded));
    e->event.mechanism = (enum ent_dp_mechanism)mechanism;
    e->refunded = refunded != 0;
    return ent_dp_event_check(&e->event);
}

enum ent_err ent_store_dp_newest(struct ent_store *store, uint32_t run,
                                 struct ent_store_dp_event *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT leaf, round, mechanism, rate, sigma2, sensitivity,"
                               " dimension, steps, delta_e18, limit_nano, refund IS NOT NULL"
                               " FROM dp_event WHERE run = ? ORDER BY leaf DESC LIMIT 1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    return ent_tables_one(stmt, read_event, out);
}

static enum ent_err read_account(struct ent_stmt *stmt, void *out)
{
    struct ent_store_dp_account *a = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, a->handle, sizeof a->handle));
    ENT_TRY(ent_stmt_u32(stmt, 1, &a->booked));
    ENT_TRY(ent_stmt_u64(stmt, 2, &a->spent_nano));
    return ent_stmt_u64(stmt, 3, &a->limit_nano);
}

/* Only the newest round can be given back, so what is spent never falls below what an older one said. */
enum ent_err ent_store_dp_accounts(struct ent_store *store, uint32_t run,
                                   struct ent_store_dp_account **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT a.handle, COUNT(*), MAX(a.after_nano), MAX(e.limit_nano) FROM dp_event e"
        " JOIN dp_account a ON a.leaf = e.leaf WHERE e.run = ? AND e.refund IS NULL"
        " GROUP BY a.handle ORDER BY a.handle",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, run);
    return ent_tables_list(stmt, read_account, sizeof **out, out, n);
}
