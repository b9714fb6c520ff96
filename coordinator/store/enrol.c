/* What changes a member's state: invitation, token, enrolment, renewal, revocation. */
#include <string.h>

#include "common/crypto/secret.h"
#include "coordinator/store/tables.h"

static enum ent_err check_name(const char *name)
{
    size_t len = strlen(name);

    ENT_REQUIRE(len > 0 && len <= ENT_STORE_NAME_MAX, ENT_E_USAGE,
                "a member's name has 1 to %d bytes, this one %zu", ENT_STORE_NAME_MAX, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        ENT_REQUIRE(c >= 0x20 && c != 0x7f, ENT_E_USAGE,
                    "a member's name holds no control characters (byte %zu)", i + 1);
    }
    return ENT_E_OK;
}

static enum ent_err read_u64(struct ent_stmt *stmt, void *out)
{
    return ent_stmt_u64(stmt, 0, out);
}

static enum ent_err add_member(struct ent_store *store, const char *name, const uint8_t *handle,
                               uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;
    uint64_t n = 0;

    ENT_TRY(ent_tables_prepare(store, "SELECT count(*) FROM member", &stmt));
    ENT_TRY(ent_tables_one(stmt, read_u64, &n));
    ENT_REQUIRE(n < ENT_ROUND_MEMBERS_MAX, ENT_E_LIMIT, "the roster is full: %llu members",
                (unsigned long long)n);
    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO member(handle, name, state, invited_ms) VALUES(?, ?, ?, ?)", &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_text(stmt, 2, name);
    ent_stmt_bind_u64(stmt, 3, ENT_MEMBER_INVITED);
    ent_stmt_bind_u64(stmt, 4, now_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

static enum ent_err put_token(struct ent_store *store, const uint8_t *handle, const uint8_t *sha256,
                              uint64_t expires_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store,
        "INSERT INTO token(handle, sha256, expires_ms) VALUES(?1, ?2, ?3) ON CONFLICT(handle)"
        " DO UPDATE SET sha256 = ?2, expires_ms = ?3, used_ms = NULL",
        &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_blob(stmt, 2, sha256, ENT_STORE_DIGEST_BYTES);
    ent_stmt_bind_u64(stmt, 3, expires_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

/* Whose token it will be: *handle stays the fresh one for a name that is new. */
static enum ent_err find_or_add(struct ent_store *store, const char *name, uint64_t now_ms,
                                uint8_t handle[ENT_STORE_ID_BYTES])
{
    struct ent_store_member m;
    enum ent_err err = ent_store_find_name(store, name, &m);

    if (err == ENT_E_NOT_FOUND || (err == ENT_E_OK && m.state == ENT_MEMBER_REVOKED)) {
        return add_member(store, name, handle, now_ms);
    }
    ENT_TRY(err);
    ENT_REQUIRE(m.state != ENT_MEMBER_ENROLLED, ENT_E_EXISTS,
                "%s is enrolled already; revoke it first to start anew", name);
    memcpy(handle, m.handle, ENT_STORE_ID_BYTES);
    return ENT_E_OK;
}

enum ent_err ent_store_invite(struct ent_store *store,
                              const struct ent_store_invitation *invitation, uint64_t now_ms,
                              uint8_t out_handle[ENT_STORE_ID_BYTES])
{
    uint8_t handle[ENT_STORE_ID_BYTES];
    bool own = false;
    enum ent_err err;

    ENT_TRY(check_name(invitation->name));
    memcpy(handle, invitation->handle, sizeof handle);
    ENT_TRY(ent_tables_enter(store, &own));
    err = find_or_add(store, invitation->name, now_ms, handle);
    if (err == ENT_E_OK) {
        err = put_token(store, handle, invitation->token_sha256, invitation->expires_ms);
    }
    ENT_TRY(ent_tables_leave(store, own, err));
    memcpy(out_handle, handle, sizeof handle);
    return ENT_E_OK;
}

struct token {
    uint8_t sha256[ENT_STORE_DIGEST_BYTES];
    uint64_t expires_ms;
    uint64_t used_ms;
};

static enum ent_err read_token(struct ent_stmt *stmt, void *out)
{
    struct token *t = out;

    ENT_TRY(ent_stmt_blob_exact(stmt, 0, t->sha256, sizeof t->sha256));
    ENT_TRY(ent_stmt_u64(stmt, 1, &t->expires_ms));
    return ent_tables_u64(stmt, 2, &t->used_ms);
}

/* Only an unused token of a member that is still invited is found. */
static enum ent_err find_token(struct ent_store *store, const uint8_t *handle, struct token *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT sha256, t.expires_ms, used_ms FROM token t"
                               " JOIN member m ON m.handle = t.handle"
                               " WHERE t.handle = ? AND used_ms IS NULL AND state = 1",
                               &stmt));
    ent_stmt_bind_blob(stmt, 1, handle, ENT_STORE_ID_BYTES);
    return ent_tables_one(stmt, read_token, out);
}

static enum ent_err spend_token(struct ent_store *store, const uint8_t *handle, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(
        store, "UPDATE token SET used_ms = ? WHERE handle = ? AND used_ms IS NULL", &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    ent_stmt_bind_blob(stmt, 2, handle, ENT_STORE_ID_BYTES);
    err = ent_tables_change(store, stmt);
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err; /* there was none: dead already */
}

enum ent_err ent_store_use_token(struct ent_store *store, const uint8_t handle[ENT_STORE_ID_BYTES],
                                 const uint8_t secret_sha256[ENT_STORE_DIGEST_BYTES],
                                 uint64_t now_ms)
{
    struct token token = {0};
    enum ent_err found;
    enum ent_err err;

    ENT_TRY(ent_store_begin(store));
    found = find_token(store, handle, &token);
    err = found;
    if (found == ENT_E_OK) {
        err = spend_token(store, handle, now_ms);
    }
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err == ENT_E_NOT_FOUND
                   ? ent_err_note(ENT_E_TOKEN, "the token is unknown or was used before; ask the "
                                               "operator for a new invitation")
                   : err;
    }
    ENT_TRY(ent_store_commit(store)); /* it is dead now, whatever follows */
    ENT_REQUIRE(ent_ct_equal(token.sha256, secret_sha256, sizeof token.sha256), ENT_E_TOKEN,
                "the token's secret is wrong, and the token is void now; ask the operator for a "
                "new invitation");
    ENT_REQUIRE(now_ms < token.expires_ms, ENT_E_EXPIRED,
                "the token has expired; ask the operator for a new invitation");
    return ENT_E_OK;
}

static enum ent_err put_cert(struct ent_store *store, const uint8_t *handle,
                             const struct ent_store_cert *cert, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(
        store, "INSERT INTO cert(serial, handle, der, expires_ms, issued_ms) VALUES(?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_blob(stmt, 1, cert->serial, cert->serial_len);
    ent_stmt_bind_blob(stmt, 2, handle, ENT_STORE_ID_BYTES);
    ent_stmt_bind_blob(stmt, 3, cert->der, cert->der_len);
    ent_stmt_bind_u64(stmt, 4, cert->expires_ms);
    ent_stmt_bind_u64(stmt, 5, now_ms);
    return ent_tables_done(stmt, ent_stmt_run(stmt));
}

/* The member's row gets the newest certificate and the key it certifies. */
static enum ent_err set_cert(struct ent_store *store, const uint8_t *handle,
                             const struct ent_store_cert *cert, const uint8_t *tls_pub,
                             size_t tls_pub_len)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "UPDATE member SET tls_pub = ?, serial = ?, cert = ?, expires_ms = ?"
                               " WHERE handle = ?",
                               &stmt));
    ent_stmt_bind_blob(stmt, 1, tls_pub, tls_pub_len);
    ent_stmt_bind_blob(stmt, 2, cert->serial, cert->serial_len);
    ent_stmt_bind_blob(stmt, 3, cert->der, cert->der_len);
    ent_stmt_bind_u64(stmt, 4, cert->expires_ms);
    ent_stmt_bind_blob(stmt, 5, handle, ENT_STORE_ID_BYTES);
    return ent_tables_change(store, stmt);
}

static void check_sizes(const struct ent_store_cert *cert, size_t tls_pub_len)
{
    ENT_BUG_ON(cert->serial_len == 0 || cert->serial_len > sizeof cert->serial ||
               cert->der_len == 0 || cert->der_len > sizeof cert->der || tls_pub_len == 0 ||
               tls_pub_len > ENT_STORE_TLS_PUB_MAX);
}

/* Two voices of one witness key would be one voice, and a set that holds both is none. The key is in the log for all to
 * see, and no signature of the request is under it. */
static enum ent_err check_witness_key(struct ent_store *store, const uint8_t *witness_pub)
{
    struct ent_stmt *stmt = NULL;
    uint64_t n = 0;

    ENT_TRY(ent_tables_prepare(store, "SELECT count(*) FROM member WHERE witness_pub = ?", &stmt));
    ent_stmt_bind_blob(stmt, 1, witness_pub, ENT_STORE_DIGEST_BYTES);
    ENT_TRY(ent_tables_one(stmt, read_u64, &n));
    ENT_REQUIRE(n == 0, ENT_E_EXISTS, "this witness key belongs to another member already");
    return ENT_E_OK;
}

static enum ent_err set_enrolled(struct ent_store *store, const uint8_t *handle,
                                 const struct ent_store_keys *keys, uint32_t index, uint64_t now_ms)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_tables_prepare(store,
                               "UPDATE member SET idx = ?, state = 2, statement_pub = ?,"
                               " witness_pub = ?, nonce_commit = ?, enrolled_ms = ?"
                               " WHERE handle = ? AND state = 1",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    ent_stmt_bind_blob(stmt, 2, keys->statement_pub, sizeof keys->statement_pub);
    ent_stmt_bind_blob(stmt, 3, keys->witness_pub, sizeof keys->witness_pub);
    ent_stmt_bind_blob(stmt, 4, keys->nonce_commit, sizeof keys->nonce_commit);
    ent_stmt_bind_u64(stmt, 5, now_ms);
    ent_stmt_bind_blob(stmt, 6, handle, ENT_STORE_ID_BYTES);
    err = ent_tables_change(store, stmt);
    return err == ENT_E_EXISTS
               ? ent_err_note(err, "this statement key belongs to another member already")
               : err;
}

static enum ent_err enrol(struct ent_store *store, const uint8_t *handle,
                          const struct ent_store_keys *keys, const struct ent_store_cert *cert,
                          uint64_t now_ms, uint32_t *index)
{
    struct ent_store_member m;

    ENT_TRY(ent_store_find_handle(store, handle, &m));
    ENT_REQUIRE(m.state != ENT_MEMBER_ENROLLED, ENT_E_EXISTS, "%s is enrolled already", m.name);
    ENT_REQUIRE(m.state == ENT_MEMBER_INVITED, ENT_E_REVOKED, "%s was revoked", m.name);
    ENT_TRY(ent_store_n_enrolled(store, index));
    ENT_TRY(check_witness_key(store, keys->witness_pub));
    ENT_TRY(set_enrolled(store, handle, keys, *index, now_ms));
    ENT_TRY(set_cert(store, handle, cert, keys->tls_pub, keys->tls_pub_len));
    return put_cert(store, handle, cert, now_ms);
}

enum ent_err ent_store_enrol(struct ent_store *store, const uint8_t handle[ENT_STORE_ID_BYTES],
                             const struct ent_store_keys *keys, const struct ent_store_cert *cert,
                             uint64_t now_ms, uint32_t *index)
{
    bool own = false;
    uint32_t next = 0;
    enum ent_err err;

    check_sizes(cert, keys->tls_pub_len);
    ENT_TRY(ent_tables_enter(store, &own));
    err = enrol(store, handle, keys, cert, now_ms, &next);
    ENT_TRY(ent_tables_leave(store, own, err));
    *index = next;
    return ENT_E_OK;
}

static enum ent_err renew(struct ent_store *store, uint32_t index,
                          const struct ent_store_cert *cert, const uint8_t *tls_pub,
                          size_t tls_pub_len, uint64_t now_ms)
{
    struct ent_store_member m;

    ENT_TRY(ent_store_find_index(store, index, &m));
    ENT_REQUIRE(m.state == ENT_MEMBER_ENROLLED, ENT_E_REVOKED, "%s was revoked", m.name);
    ENT_TRY(set_cert(store, m.handle, cert, tls_pub, tls_pub_len));
    return put_cert(store, m.handle, cert, now_ms);
}

enum ent_err ent_store_renew(struct ent_store *store, uint32_t index,
                             const struct ent_store_cert *cert, const uint8_t *tls_pub,
                             size_t tls_pub_len, uint64_t now_ms)
{
    bool own = false;

    check_sizes(cert, tls_pub_len);
    ENT_TRY(ent_tables_enter(store, &own));
    return ent_tables_leave(store, own, renew(store, index, cert, tls_pub, tls_pub_len, now_ms));
}

static enum ent_err read_issued(struct ent_stmt *stmt, void *out)
{
    struct ent_store_issued *issued = out;
    struct ent_store_cert *cert = &issued->cert;

    ENT_TRY(ent_tables_blob(stmt, 0, cert->serial, sizeof cert->serial, &cert->serial_len));
    ENT_TRY(ent_tables_blob(stmt, 1, cert->der, sizeof cert->der, &cert->der_len));
    ENT_TRY(ent_stmt_u64(stmt, 2, &cert->expires_ms));
    return ent_stmt_u64(stmt, 3, &issued->issued_ms);
}

enum ent_err ent_store_certs(struct ent_store *store, uint32_t index, uint64_t now_ms,
                             struct ent_store_issued **out, size_t *n)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store,
                               "SELECT c.serial, c.der, c.expires_ms, c.issued_ms FROM cert c"
                               " JOIN member m ON m.handle = c.handle"
                               " WHERE m.idx = ? AND c.expires_ms > ?"
                               " ORDER BY c.issued_ms DESC, c.rowid DESC LIMIT 64",
                               &stmt));
    ent_stmt_bind_u64(stmt, 1, index);
    ent_stmt_bind_u64(stmt, 2, now_ms);
    return ent_tables_list(stmt, read_issued, sizeof **out, out, n);
}

static enum ent_err revoke(struct ent_store *store, const uint8_t *handle, uint64_t now_ms)
{
    struct ent_store_member m;
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_store_find_handle(store, handle, &m));
    ENT_REQUIRE(m.state != ENT_MEMBER_REVOKED, ENT_E_EXISTS, "%s was revoked before", m.name);
    ENT_TRY(spend_token(store, handle, now_ms));
    ENT_TRY(ent_tables_prepare(
        store, "UPDATE member SET state = 3, revoked_ms = ? WHERE handle = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, now_ms);
    ent_stmt_bind_blob(stmt, 2, handle, ENT_STORE_ID_BYTES);
    return ent_tables_change(store, stmt);
}

enum ent_err ent_store_revoke(struct ent_store *store, const uint8_t handle[ENT_STORE_ID_BYTES],
                              uint64_t now_ms)
{
    bool own = false;

    ENT_TRY(ent_tables_enter(store, &own));
    return ent_tables_leave(store, own, revoke(store, handle, now_ms));
}
