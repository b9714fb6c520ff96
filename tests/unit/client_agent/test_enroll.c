#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/agent/enroll.h"
#include "client/agent/identity.h"
#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/net/link_mem.h"
#include "common/wire/wire.h"
#include "tests/support/ent_test.h"

/* An enrolment listener that answers as a test wants. */
struct desk {
    struct ent_clock_fake time;
    struct ent_clock clock;
    struct ent_link_mem_net *net;
    struct ent_link *link;
    struct ent_tls_key *ca_key;
    struct ent_cert *ca;
    struct ent_sign_key *log_key;
    struct ent_token token;
    uint8_t handle[16]; /* that the certificate is for */
    enum ent_err refuse;
    bool long_crl;       /* too long for an envelope */
    const char *address; /* NULL: an ordinary one */
    bool answered;
    struct ent_arena arena;
};

static void answer(struct desk *d, ent_conn_id conn, const struct ent_link_event *event)
{
    struct ent_certs_issuer issuer = {.ca = d->ca, .ca_key = d->ca_key};
    struct ent_header header = {.type = ENT_MSG_ENROLLED, .sequence = 1};
    struct ent_msg_enrolled m = {.name = "brand-a", .federation_name = "acme", .address = "h:1"};
    struct ent_msg_refused refused = {.code = d->refuse, .text = "the token was used before"};
    struct ent_msg_enroll_request request;
    struct ent_envelope envelope;
    struct ent_cert *cert = NULL;
    struct ent_crl *crl = NULL;
    struct ent_buf der[3];
    struct ent_buf body;

    CU_ASSERT_EQUAL_FATAL(event->type, ENT_MSG_ENROLL_REQUEST);
    ENT_OK(ent_wire_open(event->type, ENT_SENDER_MEMBER,
                         (struct ent_bytes){event->body.data, event->body.len}, &d->arena,
                         &envelope));
    ENT_OK(
        ent_msg_enroll_request_decode(envelope.payload, envelope.payload_len, &d->arena, &request));
    ENT_OK(ent_wire_verify(&envelope, request.statement_pub));
    CU_ASSERT_EQUAL(memcmp(request.secret, d->token.secret, 16), 0);
    memcpy(issuer.federation, d->token.federation, 16);
    memcpy(header.federation, d->token.federation, 16);
    for (int i = 0; i < 3; i++) {
        ent_buf_init(&der[i], (size_t)64 * 1024);
    }
    ENT_OK(ent_certs_issue_member(&issuer, d->handle, request.csr.data, request.csr.len,
                                  d->time.wall_ms, &cert));
    ENT_OK(ent_certs_make_crl(&issuer, NULL, 0, d->time.wall_ms, d->time.wall_ms, &crl));
    ENT_OK(ent_cert_encode(cert, &der[0]));
    ENT_OK(ent_cert_encode(d->ca, &der[1]));
    ENT_OK(ent_crl_encode(crl, &der[2]));
    m.cert = (struct ent_bytes){der[0].data, der[0].len};
    m.ca = (struct ent_bytes){der[1].data, der[1].len};
    m.crl = (struct ent_bytes){der[2].data, d->long_crl ? 0 : der[2].len};
    if (d->address != NULL) {
        (void)snprintf(m.address, sizeof m.address, "%s", d->address);
    }
    ent_sign_key_pub(d->log_key, m.log_pub);
    ent_sign_key_pub(d->log_key, m.root_pub);
    memcpy(m.federation, d->token.federation, 16);
    memcpy(m.handle, d->token.handle, 16);
    header.type = d->refuse != ENT_E_OK ? ENT_MSG_REFUSED : ENT_MSG_ENROLLED;
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal(d->log_key, &header, d->refuse != ENT_E_OK ? (void *)&refused : (void *)&m,
                         &body));
    ENT_OK(ent_link_send(d->link, conn, (uint8_t)header.type, 1, body.data, body.len));
    d->answered = true;
    ent_buf_release(&body);
    for (int i = 0; i < 3; i++) {
        ent_buf_release(&der[i]);
    }
    ent_cert_free(cert);
    ent_crl_free(crl);
}

static void on_event(void *ctx, struct ent_link_event *event)
{
    if (event->kind == ENT_LINK_FRAME) {
        answer(ctx, event->conn, event);
    }
    ent_link_event_release(event);
}

static enum ent_err open_link(void *ctx, const uint8_t pin[32], ent_link_handler handler,
                              void *handler_ctx, struct ent_link **out)
{
    static const struct ent_link_mem_identity nobody;
    struct desk *d = ctx;

    CU_ASSERT_EQUAL(memcmp(pin, d->token.listener_sha256, 32), 0);
    return ent_link_mem_new(d->net, &nobody, NULL, handler, handler_ctx, out);
}

static void desk_new(struct desk *d)
{
    static const struct ent_link_mem_identity nobody;
    char bound[64];

    *d = (struct desk){.time = {.mono_ms = 1000, .wall_ms = 1700 * UINT64_C(1000000000)}};
    d->clock = ent_clock_of_fake(&d->time);
    ent_arena_init(&d->arena, (size_t)1024 * 1024);
    ENT_OK(ent_link_mem_net_new(d->clock, &d->net));
    ENT_OK(ent_link_mem_new(d->net, &nobody, NULL, on_event, d, &d->link));
    ENT_OK(ent_link_listen(d->link, "desk:1", bound, sizeof bound));
    ENT_OK(ent_tls_key_generate(&d->ca_key));
    ENT_OK(ent_certs_make_ca("acme", d->ca_key, d->time.wall_ms, &d->ca));
    ENT_OK(ent_sign_key_generate(&d->log_key));
    memset(&d->token, 0x5a, sizeof d->token);
    memcpy(d->token.address, "desk:1", sizeof "desk:1");
    d->token.expiry_ms = d->time.wall_ms + 1000;
    memcpy(d->handle, d->token.handle, 16);
}

static void desk_free(struct desk *d)
{
    ent_link_free(d->link);
    ent_link_mem_net_free(d->net);
    ent_tls_key_free(d->ca_key);
    ent_cert_free(d->ca);
    ent_sign_key_free(d->log_key);
    ent_arena_release(&d->arena);
}

static enum ent_err enroll(struct desk *d, const char *dir, struct ent_enroll_result *result)
{
    struct ent_enroll_options options = {
        .dir = dir, .token = d->token, .clock = d->clock, .open = open_link, .ctx = d};
    struct ent_enroll *e = NULL;
    bool done = false;
    enum ent_err err;

    ENT_TRY(ent_enroll_new(&options, &e));
    do {
        (void)ent_link_mem_pump(d->net, 100);
        err = ent_enroll_step(e, &done, result);
        d->time.mono_ms += 5000;
    } while (err == ENT_E_OK && !done);
    ent_enroll_free(e);
    return err;
}

static bool is_private(const char *dir, const char *name)
{
    char path[600];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 && (st.st_mode & 077) == 0;
}

ENT_TEST(enroll, leaves_a_member_that_can_run)
{
    struct desk d;
    struct ent_enroll_result result;
    struct ent_identity id;
    struct ent_state *state = NULL;
    struct ent_csprng csprng = ent_csprng_system();
    uint8_t nonce[32];
    bool has = false;
    uint8_t commit[32];
    char dir[512];

    desk_new(&d);
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_OK(enroll(&d, dir, &result));
    CU_ASSERT_STRING_EQUAL(result.name, "brand-a");
    CU_ASSERT(result.config_written);
    ENT_OK(ent_identity_read(dir, &id));
    CU_ASSERT_STRING_EQUAL(id.federation_name, "acme");
    CU_ASSERT_EQUAL(memcmp(id.handle, d.token.handle, 16), 0);
    ent_identity_release(&id);
    CU_ASSERT(is_private(dir, "keys/tls.pem"));
    CU_ASSERT(is_private(dir, "keys/statement.key"));
    CU_ASSERT(is_private(dir, "keys/witness.key"));
    CU_ASSERT(is_private(dir, "."));
    ENT_OK(ent_state_open(dir, &state)); /* the first nonce is there to be opened */
    ENT_OK(
        ent_state_nonce_join(state, &csprng, (struct ent_attempt){1, 1, 1}, nonce, commit, &has));
    ent_state_close(state);
    ENT_FAILS(enroll(&d, dir, &result), ENT_E_EXISTS);
    desk_free(&d);
}

/* The revocation list is too long for the answer; the coordinator has an IPv6 address. */
ENT_TEST(enroll, without_a_revocation_list_and_by_ipv6)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];
    char path[600];

    desk_new(&d);
    d.long_crl = true;
    d.address = "[2001:db8::7]:7443";
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_OK(enroll(&d, dir, &result));
    CU_ASSERT_STRING_EQUAL(result.address, "[2001:db8::7]:7443");
    (void)snprintf(path, sizeof path, "%s/crl.pem", dir);
    CU_ASSERT_FALSE(ent_file_exists(path));
    desk_free(&d);
}

ENT_TEST(enroll, an_address_that_cannot_be_dialed_is_not_taken)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];

    desk_new(&d);
    d.address = "nowhere";
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_FAILS(enroll(&d, dir, &result), ENT_E_PROTOCOL);
    CU_ASSERT_FALSE(ent_file_exists(dir));
    desk_free(&d);
}

static void refused(enum ent_err code, const char *words)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];

    desk_new(&d);
    d.refuse = code;
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_FAILS(enroll(&d, dir, &result), code);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), words));
    CU_ASSERT_FALSE(ent_file_exists(dir)); /* nothing half-written */
    desk_free(&d);
}

ENT_TEST(enroll, a_refusal_leaves_nothing)
{
    refused(ENT_E_TOKEN, "used before");
    refused(ENT_E_EXPIRED, "the coordinator refused");
}

ENT_TEST(enroll, an_expired_token_is_not_even_sent)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];

    desk_new(&d);
    d.token.expiry_ms = d.time.wall_ms - 1;
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_FAILS(enroll(&d, dir, &result), ENT_E_EXPIRED);
    CU_ASSERT_FALSE(d.answered);
    CU_ASSERT_FALSE(ent_file_exists(dir));
    desk_free(&d);
}

ENT_TEST(enroll, a_certificate_of_another_member_is_not_taken)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];

    desk_new(&d);
    memset(d.handle, 0x77, 16);
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    ENT_FAILS(enroll(&d, dir, &result), ENT_E_PROTOCOL);
    CU_ASSERT_FALSE(ent_file_exists(dir));
    desk_free(&d);
}

ENT_TEST(enroll, no_answer_ends_in_time)
{
    struct desk d;
    struct ent_enroll_result result;
    char dir[512];
    enum ent_err err;

    desk_new(&d);
    memcpy(d.token.address, "nowhere:1", sizeof "nowhere:1");
    (void)snprintf(dir, sizeof dir, "%s/me", ent_test_tmpdir());
    err = enroll(&d, dir, &result);
    CU_ASSERT(err == ENT_E_NET || err == ENT_E_TIMEOUT);
    CU_ASSERT_FALSE(ent_file_exists(dir));
    desk_free(&d);
}
