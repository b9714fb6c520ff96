/* Who takes part in the log beside its coordinator: witness sets that are being agreed to, auditors, and
 * the salts under which names are committed to. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/schema/limits.h"
#include "coordinator/store/tables.h"

/* ---- the proposal ---- */

struct proposal {
    uint32_t version;
    struct ent_buf *bytes;
};

static enum ent_err read_proposal(struct ent_stmt *stmt, void *out)
{
    struct proposal *p = out;
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_u32(stmt, 0, &p->version));
    ENT_TRY(ent_stmt_blob(stmt, 1, &bytes, &len));
    return ent_buf_add(p->bytes, bytes, len);
}

enum ent_err ent_store_set_proposed(struct ent_store *store, uint32_t *version, struct ent_buf *set)
{
    struct proposal p = {.bytes = set};
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT version, bytes FROM witness_set", &stmt));
    ENT_TRY(ent_tables_one(stmt, read_proposal, &p));
    *version = p.version;
    return ENT_E_OK;
}

static enum ent_err run_plain(struct ent_store *store, const char *sql)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, sql, &stmt));
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err drop(struct ent_store *store)
{
    ENT_TRY(run_plain(store, "DELETE FROM witness_agreed"));
    return run_plain(store, "DELETE FROM witness_set");
}

enum ent_err ent_store_set_drop(struct ent_store *store)
{
    bool own = false;

    ENT_TRY(ent_tables_enter(store, &own));
    return ent_tables_leave(store, own, drop(store));
}

static enum ent_err replace(struct ent_store *store, uint32_t version, struct ent_bytes set)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(drop(store));
    ENT_TRY(ent_tables_prepare(store, "INSERT INTO witness_set(id, version, bytes) VALUES(1, ?, ?)",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, version);
    ent_stmt_bind_blob(stmt, 2, set.data, set.len);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err propose(struct ent_store *store, uint32_t version, struct ent_bytes set)
{
    struct ent_buf open;
    uint32_t v = 0;
    enum ent_err err;
    bool same;

    ent_buf_init(&open, ENT_LOG_SET_MAX_BYTES);
    err = ent_store_set_proposed(store, &v, &open);
    same = err == ENT_E_OK && v == version && open.len == set.len &&
           memcmp(open.data, set.data, set.len) == 0;
    ent_buf_release(&open);
    if (err != ENT_E_OK && err != ENT_E_NOT_FOUND) {
        return err;
    }
    return same ? ENT_E_OK : replace(store, version, set);
}

enum ent_err ent_store_set_propose(struct ent_store *store, uint32_t version, struct ent_bytes set)
{
    bool own = false;

    ENT_REQUIRE(set.len > 0 && set.len <= ENT_LOG_SET_MAX_BYTES, ENT_E_LIMIT,
                "a witness set of %zu bytes", set.len);
    ENT_TRY(ent_tables_enter(store, &own));
    return ent_tables_leave(store, own, propose(store, version, set));
}

enum ent_err ent_store_set_agree(struct ent_store *store, const struct ent_store_agreed *agreed)
{
    struct ent_stmt *stmt = NULL;

    ENT_REQUIRE(agreed->header.len <= ENT_WIRE_HEADER_MAX_BYTES, ENT_E_LIMIT,
                "a header of %zu bytes", agreed->header.len);
    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO witness_agreed(handle, header, payload_sha256,"
                               " signature) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
                               &stmt));
    ent_stmt_bind_blob(stmt, 1, agreed->handle, sizeof agreed->handle);
    ent_stmt_bind_blob(stmt, 2, agreed->header.data, agreed->header.len);
    ent_stmt_bind_blob(stmt, 3, agreed->payload_sha256, sizeof agreed->payload_sha256);
    ent_stmt_bind_blob(stmt, 4, agreed->signature, sizeof agreed->signature);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

/* As read, with the header inside. */
struct agreed_row {
    struct ent_store_agreed agreed;
    uint8_t header[ENT_WIRE_HEADER_MAX_BYTES];
};

static enum ent_err read_agreed(struct ent_stmt *stmt, void *out)
{
    struct agreed_row *row = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, row->agreed.handle, sizeof row->agreed.handle));
    ENT_TRY(ent_tables_blob(stmt, 1, row->header, sizeof row->header, &row->agreed.header.len));
    ENT_TRY(ent_stmt_blob_exact(stmt, 2, row->agreed.payload_sha256,
                                sizeof row->agreed.payload_sha256));
    return ent_stmt_blob_exact(stmt, 3, row->agreed.signature, sizeof row->agreed.signature);
}

enum ent_err ent_store_set_agreed(struct ent_store *store, struct ent_store_agreed **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;
    struct agreed_row *rows = NULL;
    struct ent_store_agreed *list = NULL;
    size_t count = 0;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store,
        "SELECT handle, header, payload_sha256, signature FROM witness_agreed ORDER BY handle",
        &stmt));
    ENT_TRY(ent_tables_list(stmt, read_agreed, sizeof *rows, &rows, &count));
    err = ent_calloc(count + 1, sizeof *list + ENT_WIRE_HEADER_MAX_BYTES, &list);
    if (err == ENT_E_OK) {
        uint8_t *headers = (uint8_t *)(list + count);

        for (size_t i = 0; i < count; i++) {
            list[i] = rows[i].agreed;
            memcpy(headers, rows[i].header, list[i].header.len);
            list[i].header.data = headers;
            headers += list[i].header.len;
        }
        *out = list;
        *n = count;
    }
    free(rows);
    return err;
}

/* ---- auditors ---- */

enum ent_err ent_store_auditor_add(struct ent_store *store, const struct ent_store_auditor *auditor)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store,
                               "INSERT INTO auditor(seal_pub, sign_pub, name, name_salt,"
                               " admitted_ms, leaf) VALUES(?, ?, ?, ?, ?, ?)",
                               &stmt));
    ent_stmt_bind_blob(stmt, 1, auditor->seal_pub, sizeof auditor->seal_pub);
    ent_stmt_bind_blob(stmt, 2, auditor->sign_pub, sizeof auditor->sign_pub);
    ent_stmt_bind_text(stmt, 3, auditor->name);
    ent_stmt_bind_blob(stmt, 4, auditor->name_salt, sizeof auditor->name_salt);
    ent_stmt_bind_u64(stmt, 5, auditor->admitted_ms);
    ent_stmt_bind_u64(stmt, 6, auditor->leaf);
    err = ent_tables_done(stmt, ent_stmt_run(stmt));
    return err == ENT_E_EXISTS ? ent_err_note(err, "this auditor's key is admitted already") : err;
}

static enum ent_err read_auditor(struct ent_stmt *stmt, void *out)
{
    struct ent_store_auditor *a = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, a->seal_pub, sizeof a->seal_pub));
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, a->sign_pub, sizeof a->sign_pub));
    ENT_TRY(ent_tables_text(stmt, 2, a->name, sizeof a->name));
    ENT_TRY(ent_stmt_blob_exact(stmt, 3, a->name_salt, sizeof a->name_salt));
    ENT_TRY(ent_stmt_u64(stmt, 4, &a->admitted_ms));
    return ent_stmt_u64(stmt, 5, &a->leaf);
}

enum ent_err ent_store_auditors(struct ent_store *store, struct ent_store_auditor **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT seal_pub, sign_pub, name, name_salt, admitted_ms, leaf"
                               " FROM auditor ORDER BY id",
                               &stmt));
    return ent_tables_list(stmt, read_auditor, sizeof **out, out, n);
}

/* ---- salts ---- */

static enum ent_err read_salt(struct ent_stmt *stmt, void *out)
{
    return ent_tables_digest(stmt, 0, out);
}

static enum ent_err make_salt(struct ent_store *store, const uint8_t *handle, uint8_t salt[32])
{
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_csprng_bytes(&csprng, salt, 32));
    ENT_TRY(ent_tables_prepare(store, "UPDATE member SET name_salt = ? WHERE handle = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, salt, 32);
    ent_stmt_bind_blob(stmt, 2, handle, ENT_STORE_ID_BYTES);
    return ent_tables_change(store, stmt);
}

enum ent_err ent_store_name_salt(struct ent_store *store, const uint8_t handle[ENT_STORE_ID_BYTES],
                                 uint8_t salt[32])
{
    struct ent_stmt *stmt = NULL;
    uint8_t found[32];
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store, "SELECT name_salt FROM member WHERE handle = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_STORE_ID_BYTES);
    err = ent_tables_one(stmt, read_salt, found);
    if (err == ENT_E_OK && ent_all_zero(found, sizeof found)) {
        err = make_salt(store, handle, found);
    }
    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(err, "no member has this handle");
    }
    ENT_TRY(err);
    memcpy(salt, found, sizeof found);
    return ENT_E_OK;
}
