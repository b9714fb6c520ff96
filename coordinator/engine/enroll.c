/* Enrolment (second listener, no client certificate: one small request, rate-limited, then the end) and renewal. */
#include <stdlib.h>
#include <string.h>

#include "certs/token.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/crypto/secret.h"
#include "coordinator/engine/state.h"

/* A member's certificates: the enrolment's, and what renewals whose answer was lost may cost. */
#define CERTS_A_DAY 5
#define CERTS_HELD 16
#define RENEW_SLACK_MS ENT_CERTS_DAY_MS /* a member's clock may be ahead */
_Static_assert((size_t)ENT_ROUND_MEMBERS_MAX *CERTS_HELD * 40 < ENT_CRL_DER_MAX_BYTES,
               "a revocation list of everything that can be issued is too long");

/* Requests: so many at once, then so many a second; of one machine (or of all behind one address), and of all. */
#define BURST_ONE 32
#define REFILL_ONE_MS 500
#define BURST_ALL 128
#define REFILL_ALL_MS 100

static void refuse(struct ent_engine *e, struct ent_conn *conn, enum ent_err code)
{
    ent_message_refuse(e, conn, code, 0, ent_err_message());
    ent_post_close(e, conn);
}

static bool take_ticket(struct ent_tickets *t, uint64_t now_ms, uint32_t burst, uint64_t refill_ms)
{
    uint64_t more = (now_ms - t->refill_ms) / refill_ms;

    if (t->refill_ms == 0 || more >= burst) {
        t->left = burst;
        t->refill_ms = now_ms;
    } else {
        t->left = t->left + more < burst ? t->left + (uint32_t)more : burst;
        t->refill_ms += more * refill_ms;
    }
    if (t->left == 0) {
        return false;
    }
    t->left--;
    return true;
}

/* The origin's tickets; of an origin that is not known the longest unused ones, filled. */
static struct ent_tickets *tickets_of(struct ent_engine *e, uint64_t origin)
{
    struct ent_tickets *oldest = &e->enroll_origins[0];

    for (size_t i = 0; i < ENT_ARRAY_LEN(e->enroll_origins); i++) {
        struct ent_tickets *t = &e->enroll_origins[i];

        if (t->refill_ms != 0 && t->origin == origin) {
            return t;
        }
        oldest = t->refill_ms < oldest->refill_ms ? t : oldest;
    }
    *oldest = (struct ent_tickets){.origin = origin};
    return oldest;
}

/* Asked once a request is known to be one: who only opens connections takes nothing from others. */
static enum ent_err may_ask(struct ent_engine *e, const struct ent_conn *conn)
{
    struct ent_tickets *own = tickets_of(e, conn->peer.origin);

    ENT_REQUIRE(take_ticket(own, e->now_ms, BURST_ONE, REFILL_ONE_MS) &&
                    take_ticket(&e->enroll_all, e->now_ms, BURST_ALL, REFILL_ALL_MS),
                ENT_E_BUSY, "too many enrolments at once; try again in a minute");
    return ENT_E_OK;
}

/* What is asked, proved by the key that is to be registered. */
static enum ent_err open_request(struct ent_engine *e, const struct ent_link_event *event,
                                 struct ent_envelope *env, struct ent_msg_enroll_request *m)
{
    struct ent_bytes body = {event->body.data, event->body.len};

    ENT_REQUIRE(event->type == ENT_MSG_ENROLL_REQUEST, ENT_E_PROTOCOL,
                "only enrolment is possible at this address");
    ENT_TRY(ent_wire_open(event->type, ENT_SENDER_MEMBER, body, &e->arena, env));
    ENT_REQUIRE(memcmp(env->header.federation, e->home->issuer.federation, ENT_FEDERATION_BYTES) ==
                    0,
                ENT_E_TOKEN, "the token is of another federation");
    ENT_TRY(ent_msg_enroll_request_decode(env->payload, env->payload_len, &e->arena, m));
    ENT_TRY(ent_sign_pub_check(m->statement_pub));
    ENT_TRY(ent_sign_pub_check(m->witness_pub));
    return ent_wire_verify(env, m->statement_pub);
}

/* A certificate as the store keeps it, and the public key in it. */
static enum ent_err split(const struct ent_cert *cert, struct ent_store_cert *out,
                          struct ent_buf *tls_pub)
{
    struct ent_cert_info info;
    struct ent_buf der;
    enum ent_err err;

    ENT_TRY(ent_cert_info(cert, &info));
    ENT_TRY(ent_cert_public(cert, tls_pub));
    ent_buf_init(&der, sizeof out->der);
    err = ent_cert_encode(cert, &der);
    if (err == ENT_E_OK) {
        memcpy(out->der, der.data, der.len);
        out->der_len = der.len;
        memcpy(out->serial, info.serial, ENT_SERIAL_BYTES);
        out->serial_len = ENT_SERIAL_BYTES;
        out->expires_ms = info.not_after_ms;
    }
    ent_buf_release(&der);
    return err;
}

/* Checks the request and issues. tls_pub: [ENT_STORE_TLS_PUB_MAX]. */
static enum ent_err issue(const struct ent_engine *e, const uint8_t handle[ENT_HANDLE_BYTES],
                          struct ent_bytes csr, struct ent_store_cert *out,
                          struct ent_store_keys *keys)
{
    struct ent_cert *cert = NULL;
    struct ent_buf tls_pub;
    enum ent_err err;

    ENT_TRY(ent_csr_check(csr.data, csr.len));
    ENT_TRY(ent_certs_issue_member(&e->home->issuer, handle, csr.data, csr.len, e->wall_ms, &cert));
    ent_buf_init(&tls_pub, sizeof keys->tls_pub);
    err = split(cert, out, &tls_pub);
    if (err == ENT_E_OK) {
        memcpy(keys->tls_pub, tls_pub.data, tls_pub.len);
        keys->tls_pub_len = tls_pub.len;
    }
    ent_buf_release(&tls_pub);
    ent_cert_free(cert);
    return err;
}

static size_t n_not_revoked(const struct ent_engine *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        n += e->members[i].revoked ? 0 : 1;
    }
    return n;
}

struct enrolling {
    const struct ent_envelope *env;
    struct ent_store_keys keys;
    struct ent_store_cert cert;
    struct ent_store_member *member; /* out */
};

/* The roster and its leaf. */
static enum ent_err enrol(struct ent_engine *e, void *ctx)
{
    struct enrolling *n = ctx;
    const uint8_t *handle = n->env->header.sender;
    struct ent_leaf_member_admit leaf = {.has_request = true};
    uint8_t salt[32];
    struct ent_said said;
    uint32_t index = 0;

    ent_said_take(&said, n->env);
    leaf.request = ent_said_statement(&said);
    ENT_TRY(ent_store_enrol(e->store, handle, &n->keys, &n->cert, e->wall_ms, &index));
    ENT_TRY(ent_store_find_index(e->store, index, n->member));
    ENT_TRY(ent_store_name_salt(e->store, handle, salt));
    memcpy(leaf.handle, handle, sizeof leaf.handle);
    memcpy(leaf.statement_pub, n->keys.statement_pub, sizeof leaf.statement_pub);
    memcpy(leaf.witness_pub, n->keys.witness_pub, sizeof leaf.witness_pub);
    memcpy(leaf.nonce_commit, n->keys.nonce_commit, sizeof leaf.nonce_commit);
    ENT_TRY(ent_sha256(n->keys.tls_pub, n->keys.tls_pub_len, leaf.tls_sha256));
    ENT_TRY(ent_name_commit(salt, n->member->name, leaf.name_commit));
    return ent_trail_append(e, ENT_LEAF_MEMBER_ADMIT, &leaf, NULL);
}

/* Token, request, certificate, roster: in this order, so that a refused token costs nothing more. */
static enum ent_err admit(struct ent_engine *e, const struct ent_envelope *env,
                          const struct ent_msg_enroll_request *m, struct ent_store_member *member)
{
    const uint8_t *handle = env->header.sender;
    struct enrolling n = {.env = env, .member = member};
    uint8_t secret[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256(m->secret, sizeof m->secret, secret));
    ENT_TRY(ent_store_use_token(e->store, handle, secret, e->wall_ms));
    ENT_TRY(issue(e, handle, m->csr, &n.cert, &n.keys));
    memcpy(n.keys.statement_pub, m->statement_pub, sizeof n.keys.statement_pub);
    memcpy(n.keys.witness_pub, m->witness_pub, sizeof n.keys.witness_pub);
    memcpy(n.keys.nonce_commit, m->nonce_commit, sizeof n.keys.nonce_commit);
    ENT_REQUIRE(n_not_revoked(e) < e->home->config->members, ENT_E_LIMIT,
                "the federation takes %u members at most (limits.members of federation.yaml)",
                (unsigned)e->home->config->members);
    ENT_REQUIRE(e->n_members < ENT_ROUND_MEMBERS_MAX, ENT_E_LIMIT,
                "the roster is full: %u members, revoked ones included",
                (unsigned)ENT_ROUND_MEMBERS_MAX);
    ENT_TRY(ent_trail_together(e, enrol, &n));
    ENT_TRY(ent_members_add(e, member));
    ENT_BUG_ON(ent_round_add_member(&e->round, false) != member->index);
    return ENT_E_OK;
}

static enum ent_err answer(struct ent_engine *e, struct ent_conn *conn,
                           const struct ent_store_member *member)
{
    struct ent_msg_enrolled m = {.cert = {member->cert.der, member->cert.der_len},
                                 .crl = ent_message_crl(e)};
    struct ent_about about = {.run = e->run.config.run};
    struct ent_letter *letter = NULL;
    char address[ENT_HOME_ADDRESS_MAX];
    struct ent_buf ca;
    enum ent_err err;

    ENT_TRY(ent_home_address(e->home, ENT_HOME_LISTEN, address));
    ENT_REQUIRE(strlen(address) < sizeof m.address, ENT_E_LIMIT, "the host's name is too long");
    memcpy(m.address, address, strlen(address) + 1);
    (void)snprintf(m.name, sizeof m.name, "%s", member->name);
    (void)snprintf(m.federation_name, sizeof m.federation_name, "%s", e->home->config->name);
    memcpy(m.log_pub, e->home->log_pub, sizeof m.log_pub);
    memcpy(m.root_pub, e->home->root_pub, sizeof m.root_pub);
    memcpy(m.federation, e->home->issuer.federation, sizeof m.federation);
    memcpy(m.handle, member->handle, sizeof m.handle);
    ent_buf_init(&ca, ENT_CERT_DER_MAX_BYTES);
    err = ent_cert_encode(e->home->ca, &ca);
    if (err == ENT_E_OK) {
        m.ca = (struct ent_bytes){ca.data, ca.len};
        err = ent_message_write(e, ENT_MSG_ENROLLED, &about, &m, &letter);
    }
    if (err == ENT_E_OK) {
        ent_post_letter(e, conn, ENT_MSG_ENROLLED, 0, letter);
        ent_letter_unref(letter);
    }
    ent_buf_release(&ca);
    return err;
}

void ent_enroll_frame(struct ent_engine *e, struct ent_conn *conn,
                      const struct ent_link_event *event)
{
    struct ent_store_member member = {0};
    struct ent_msg_enroll_request m = {0};
    struct ent_envelope env;
    enum ent_err err;

    ent_arena_release(&e->arena);
    ent_arena_init(&e->arena, ENT_WIRE_ARENA_BYTES);
    conn->welcomed = true; /* one request a connection, whatever comes of it */
    err = open_request(e, event, &env, &m);
    if (err == ENT_E_OK) {
        err = may_ask(e, conn);
    }
    if (err == ENT_E_OK) {
        err = admit(e, &env, &m, &member);
    }
    /* The token's secret; the frame itself is wiped with its item. */
    ent_cleanse(&m, sizeof m);
    ent_arena_wipe(&e->arena);
    if (err == ENT_E_OK) {
        err = answer(e, conn, &member);
    }
    if (err != ENT_E_OK) {
        refuse(e, conn, err);
        return;
    }
    ent_engine_say(e, ENT_SAY_MEMBER, "%s enrolled (%s)", member.name, conn->peer.address);
    ent_post_close(e, conn);
}

/* The certificate that the connection shows; not one of ours that are listed (the store is an older backup): NULL. A link
 * that shows none, in tests: the newest. */
static const struct ent_store_issued *shown(const struct ent_conn *conn,
                                            const struct ent_store_issued *held, size_t n)
{
    uint8_t digest[ENT_SHA256_BYTES];

    if (ent_all_zero(conn->peer.cert_sha256, 32)) {
        return n > 0 ? &held[0] : NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (ent_sha256(held[i].cert.der, held[i].cert.der_len, digest) == ENT_E_OK &&
            memcmp(digest, conn->peer.cert_sha256, sizeof digest) == 0) {
            return &held[i];
        }
    }
    return NULL;
}

/* Every certificate that was issued has to stand in the revocation list should its member be revoked. So there is a new
 * one when that of the connection is about to end; and should the answer be lost, again, but not without end. */
static enum ent_err check_renewal(const struct ent_engine *e, const struct ent_conn *conn,
                                  const struct ent_store_issued *held, size_t n)
{
    const struct ent_store_issued *own = shown(conn, held, n);
    struct ent_cert_info info = {.not_after_ms = own != NULL ? own->cert.expires_ms : 0};
    size_t today = 0;

    ENT_BUG_ON(held == NULL && n > 0);
    for (size_t i = 0; i < n; i++) {
        today += held[i].issued_ms + ENT_CERTS_DAY_MS > e->wall_ms ? 1 : 0;
    }
    ENT_REQUIRE(own == NULL || ent_certs_renew_due(&info, e->wall_ms + RENEW_SLACK_MS), ENT_E_LIMIT,
                "the certificate is not due for renewal yet");
    ENT_REQUIRE(today < CERTS_A_DAY && n < CERTS_HELD, ENT_E_LIMIT,
                "this member was given %zu certificates in the last day and holds %zu; it gets "
                "another one later",
                today, n);
    return ENT_E_OK;
}

static enum ent_err may_renew(const struct ent_engine *e, const struct ent_conn *conn)
{
    struct ent_store_issued *held = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_store_certs(e->store, conn->member, e->wall_ms, &held, &n));
    err = check_renewal(e, conn, held, n);
    free(held);
    return err;
}

static enum ent_err renew(struct ent_engine *e, struct ent_conn *conn,
                          const struct ent_envelope *env)
{
    struct ent_store_cert cert = {0};
    struct ent_store_keys keys = {0};
    struct ent_msg_renew m;
    struct ent_msg_renewed out;

    ENT_TRY(ent_msg_renew_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_TRY(may_renew(e, conn));
    ENT_TRY(issue(e, e->members[conn->member].handle, m.csr, &cert, &keys));
    ENT_TRY(
        ent_store_renew(e->store, conn->member, &cert, keys.tls_pub, keys.tls_pub_len, e->wall_ms));
    out = (struct ent_msg_renewed){.cert = {cert.der, cert.der_len}, .crl = ent_message_crl(e)};
    ent_message_post(e, conn, ENT_MSG_RENEWED, 0, &out);
    ent_engine_say(e, ENT_SAY_MEMBER, "%s renewed its certificate", e->members[conn->member].name);
    return ENT_E_OK;
}

void ent_enroll_renew(struct ent_engine *e, struct ent_conn *conn, const struct ent_envelope *env)
{
    enum ent_err err = renew(e, conn, env);

    if (err != ENT_E_OK) {
        ent_message_refuse(e, conn, err, env->header.sequence, ent_err_message());
    }
}
