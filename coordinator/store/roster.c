#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/secret.h"
#include "coordinator/store/tables.h"

#define SELECT_MEMBER                                                                              \
    "SELECT idx, m.handle, name, state, tls_pub, statement_pub, witness_pub, nonce_commit,"        \
    " serial, cert, m.expires_ms, invited_ms, enrolled_ms, revoked_ms, last_sequence,"             \
    " last_seen_ms, CASE WHEN used_ms IS NULL THEN t.expires_ms END"                               \
    " FROM member m LEFT JOIN token t ON t.handle = m.handle "

static enum ent_err read_key(struct ent_stmt *stmt, int col, uint8_t key[32])
{
    return ent_tables_digest(stmt, col, key);
}

static enum ent_err read_member(struct ent_stmt *stmt, void *out)
{
    struct ent_store_member *m = out;
    uint32_t state = 0;

    memset(m, 0, sizeof *m);
    ENT_TRY(ent_tables_index(stmt, 0, &m->index));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, m->handle, sizeof m->handle));
    ENT_TRY(ent_tables_text(stmt, 2, m->name, sizeof m->name));
    ENT_TRY(ent_stmt_u32(stmt, 3, &state));
    ENT_REQUIRE(state >= ENT_MEMBER_INVITED && state <= ENT_MEMBER_REVOKED, ENT_E_CORRUPT,
                "member %s has the unknown state %u", m->name, (unsigned)state);
    m->state = (enum ent_member_state)state;
    ENT_TRY(
        ent_tables_blob(stmt, 4, m->keys.tls_pub, sizeof m->keys.tls_pub, &m->keys.tls_pub_len));
    ENT_TRY(read_key(stmt, 5, m->keys.statement_pub));
    ENT_TRY(read_key(stmt, 6, m->keys.witness_pub));
    ENT_TRY(read_key(stmt, 7, m->keys.nonce_commit));
    ENT_TRY(ent_tables_blob(stmt, 8, m->cert.serial, sizeof m->cert.serial, &m->cert.serial_len));
    ENT_TRY(ent_tables_blob(stmt, 9, m->cert.der, sizeof m->cert.der, &m->cert.der_len));
    ENT_TRY(ent_tables_u64(stmt, 10, &m->cert.expires_ms));
    ENT_TRY(ent_stmt_u64(stmt, 11, &m->invited_ms));
    ENT_TRY(ent_tables_u64(stmt, 12, &m->enrolled_ms));
    ENT_TRY(ent_tables_u64(stmt, 13, &m->revoked_ms));
    ENT_TRY(ent_stmt_u64(stmt, 14, &m->last_sequence));
    ENT_TRY(ent_stmt_u64(stmt, 15, &m->last_seen_ms));
    return ent_tables_u64(stmt, 16, &m->token_until_ms);
}

enum ent_err ent_store_find_handle(struct ent_store *store,
                                   const uint8_t handle[ENT_STORE_ID_BYTES],
                                   struct ent_store_member *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, SELECT_MEMBER "WHERE m.handle = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_STORE_ID_BYTES);
    err = ent_tables_one(stmt, read_member, out);
    return err == ENT_E_NOT_FOUND ? ent_err_note(err, "no member has this handle") : err;
}

enum ent_err ent_store_find_index(struct ent_store *store, uint32_t index,
                                  struct ent_store_member *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, SELECT_MEMBER "WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    err = ent_tables_one(stmt, read_member, out);
    return err == ENT_E_NOT_FOUND ? ent_err_note(err, "no member has index %u", (unsigned)index)
                                  : err;
}

enum ent_err ent_store_find_name(struct ent_store *store, const char *name,
                                 struct ent_store_member *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, SELECT_MEMBER "WHERE name = ? ORDER BY state = 3, id DESC LIMIT 1", &stmt));
    ent_stmt_bind_text(stmt, 1, name);
    err = ent_tables_one(stmt, read_member, out);
    return err == ENT_E_NOT_FOUND ? ent_err_note(err, "no member is called %.64s; see roster", name)
                                  : err;
}

enum ent_err ent_store_roster(struct ent_store *store, struct ent_store_member **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, SELECT_MEMBER "ORDER BY idx IS NULL, idx, id", &stmt));
    return ent_tables_list(stmt, read_member, sizeof **out, out, n);
}

static enum ent_err read_u32(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u32(stmt, 0, out);
}

enum ent_err ent_store_n_enrolled(struct ent_store *store, uint32_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT count(*) FROM member WHERE idx IS NOT NULL", &stmt));
    return ent_tables_one(stmt, read_u32, n);
}

static enum ent_err of_member(enum ent_err err, uint32_t index)
{
    return err == ENT_E_NOT_FOUND ? ent_err_note(err, "no member has index %u", (unsigned)index)
                                  : err;
}

enum ent_err ent_store_set_sequence(struct ent_store *store, uint32_t index, uint64_t sequence,
                                    uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store,
                               "UPDATE member SET last_sequence = ?1, last_seen_ms = ?2"
                               " WHERE idx = ?3 AND last_sequence < ?1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, sequence);
    ent_stmt_bind_u64(stmt, 2, now_ms);
    ent_stmt_bind_u64(stmt, 3, index);
    err = ent_tables_change(store, stmt);
    if (err == ENT_E_NOT_FOUND) {
        struct ent_store_member m;

        ENT_TRY(ent_store_find_index(store, index, &m));
        return ent_err_note(ENT_E_REPLAY, "%s: sequence %llu is not above the last one, %llu",
                            m.name, (unsigned long long)sequence,
                            (unsigned long long)m.last_sequence);
    }
    return err;
}

enum ent_err ent_store_set_seen(struct ent_store *store, uint32_t index, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "UPDATE member SET last_seen_ms = ? WHERE idx = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    ent_stmt_bind_u64(stmt, 2, index);
    return of_member(ent_tables_change(store, stmt), index);
}

enum ent_err ent_store_set_nonce_commit(struct ent_store *store, uint32_t index,
                                        const uint8_t commit[32])
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "UPDATE member SET nonce_commit = ? WHERE idx = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, commit, 32);
    ent_stmt_bind_u64(stmt, 2, index);
    return of_member(ent_tables_change(store, stmt), index);
}

static enum ent_err read_revoked(struct ent_stmt *stmt, void *out)
{
    struct ent_store_revoked *r = out;

    ENT_TRY(ent_tables_blob(stmt, 0, r->serial, sizeof r->serial, &r->serial_len));
    return ent_stmt_u64(stmt, 1, &r->revoked_ms);
}

enum ent_err ent_store_crl(struct ent_store *store, uint64_t now_ms, struct ent_store_revoked **out,
                           size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT c.serial, m.revoked_ms FROM cert c"
                               " JOIN member m ON m.handle = c.handle"
                               " WHERE m.state = 3 AND c.expires_ms > ? ORDER BY c.serial",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    return ent_tables_list(stmt, read_revoked, sizeof **out, out, n);
}
