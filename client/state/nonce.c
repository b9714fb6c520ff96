#include <string.h>

#include "client/state/private.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/crypto/secret.h"

/* One row: the nonce opened last (for which attempt) and the one committed to. */
struct nonces {
    bool any;    /* a row is there */
    bool opened; /* a join was made */
    bool logged; /* and the log has it: what it committed to stands */
    bool none;   /* nothing stands: the last one did not open what stood */
    struct ent_attempt at;
    uint8_t current[ENT_NONCE_BYTES];
    uint8_t next[ENT_NONCE_BYTES];
};

static enum ent_err read_row(struct ent_stmt *stmt, struct nonces *out)
{
    ENT_TRY(ent_stmt_step(stmt, &out->any));
    if (!out->any) {
        return ENT_E_OK;
    }
    out->opened = !ent_stmt_is_null(stmt, 0);
    if (out->opened) {
        ENT_TRY(ent_stmt_blob_exact(stmt, 0, out->current, sizeof out->current));
    }
    ENT_TRY(ent_stmt_blob_exact(stmt, 1, out->next, sizeof out->next));
    ENT_TRY(ent_stmt_u32(stmt, 2, &out->at.run));
    ENT_TRY(ent_stmt_u64(stmt, 3, &out->at.round));
    ENT_TRY(ent_stmt_u32(stmt, 4, &out->at.attempt));
    ENT_TRY(ent_stmt_bool(stmt, 5, &out->logged));
    return ent_stmt_bool(stmt, 6, &out->none);
}

static enum ent_err load(struct ent_state *state, struct nonces *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    memset(out, 0, sizeof *out);
    ENT_TRY(ent_stmt_prepare(
        state->db, "SELECT opened, next, run, round, attempt, logged, void FROM nonce", &stmt));
    err = read_row(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err store(struct ent_state *state, const struct nonces *nonces)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR REPLACE INTO nonce(id, opened, next, run, round, attempt,"
                             " logged, void) VALUES(1, ?, ?, ?, ?, ?, 0, ?)",
                             &stmt));
    if (nonces->opened) {
        ent_stmt_bind_blob(stmt, 1, nonces->current, sizeof nonces->current);
    } else {
        ent_stmt_bind_null(stmt, 1);
    }
    ent_stmt_bind_blob(stmt, 2, nonces->next, sizeof nonces->next);
    ent_state_bind_attempt(stmt, 3, nonces->at);
    ent_stmt_bind_u64(stmt, 6, nonces->none ? 1 : 0);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        err = ent_state_commit(state);
    }
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("state.nonce.stored");
    }
    return err;
}

static enum ent_err first(struct ent_state *state, struct ent_csprng *csprng, struct nonces *n)
{
    ENT_TRY(load(state, n));
    if (!n->any) {
        ENT_TRY(ent_csprng_bytes(csprng, n->next, sizeof n->next));
        ENT_TRY(store(state, n));
    }
    return ENT_E_OK;
}

enum ent_err ent_state_nonce_first(struct ent_state *state, struct ent_csprng *csprng,
                                   uint8_t commit[ENT_SHA256_BYTES])
{
    struct nonces n;
    enum ent_err err = first(state, csprng, &n);

    if (err == ENT_E_OK) {
        err = ent_sha256(n.next, sizeof n.next, commit);
    }
    ent_cleanse(&n, sizeof n);
    return err;
}

static int compare(struct ent_attempt a, struct ent_attempt b)
{
    if (a.run != b.run) {
        return a.run < b.run ? -1 : 1;
    }
    if (a.round != b.round) {
        return a.round < b.round ? -1 : 1;
    }
    return a.attempt < b.attempt ? -1 : a.attempt > b.attempt;
}

static enum ent_err check_order(const struct nonces *n, struct ent_attempt at, int *order)
{
    *order = n->opened ? compare(at, n->at) : 1;
    ENT_REQUIRE(*order >= 0, ENT_E_STALE,
                "it comes before run %u, round %llu, attempt %u, which this member joined already; "
                "a coordinator that was restored from a backup does that",
                n->at.run, (unsigned long long)n->at.round, n->at.attempt);
    return ENT_E_OK;
}

enum ent_err ent_state_nonce_check(struct ent_state *state, struct ent_attempt at)
{
    struct nonces n;
    int order;
    enum ent_err err = load(state, &n);

    if (err == ENT_E_OK) {
        err = check_order(&n, at, &order);
    }
    ent_cleanse(&n, sizeof n);
    return err;
}

static enum ent_err join(struct ent_state *state, struct ent_csprng *csprng, struct ent_attempt at,
                         struct nonces *n)
{
    int order;

    ENT_TRY(load(state, n));
    ENT_REQUIRE(n->any, ENT_E_NOT_FOUND, "no nonce was committed to at enrolment");
    ENT_TRY(check_order(n, at, &order));
    if (order > 0) {
        if (!n->opened || n->logged || n->none) {
            memcpy(n->current, n->next, sizeof n->current);
            ENT_TRY(ent_csprng_bytes(csprng, n->next, sizeof n->next));
        } else {
            ent_log_warn("the coordinator's log has no join of this member in round %llu, attempt "
                         "%u, that was sent: the same nonce is opened again",
                         (unsigned long long)n->at.round, n->at.attempt);
        }
        n->at = at;
        n->opened = true;
        ENT_TRY(store(state, n));
    }
    return ENT_E_OK;
}

enum ent_err ent_state_nonce_logged(struct ent_state *state, struct ent_attempt at)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db,
        "UPDATE nonce SET logged = 1, void = 0 WHERE run = ? AND round = ? AND attempt = ?",
        &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_nonce_void(struct ent_state *state)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "UPDATE nonce SET void = 1", &stmt));
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_state_nonce_join(struct ent_state *state, struct ent_csprng *csprng,
                                  struct ent_attempt at, uint8_t nonce[ENT_NONCE_BYTES],
                                  uint8_t next_commit[ENT_SHA256_BYTES], bool *has_nonce)
{
    struct nonces n;
    enum ent_err err = join(state, csprng, at, &n);

    if (err == ENT_E_OK) {
        err = ent_sha256(n.next, sizeof n.next, next_commit);
    }
    if (err == ENT_E_OK) {
        memcpy(nonce, n.current, ENT_NONCE_BYTES);
        *has_nonce = !n.none;
    }
    ent_cleanse(&n, sizeof n);
    return err;
}
