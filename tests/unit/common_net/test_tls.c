/* Who is refused at the handshake, and what both ends are told (transport.md, trap 10). */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certs/certs.h"
#include "tests/unit/common_net/net_test.h"

extern char **environ;

struct refusal {
    struct ent_tls_settings server;
    struct ent_tls_settings client;
    enum ent_err server_why;
    const char *server_text;
    enum ent_err client_why;
    const char *client_text;
};

/* One dial; both ends must end for the reason given, and the server must never have opened. */
static void expect_refusal(const struct refusal *r)
{
    struct tap *s = calloc(1, sizeof *s);
    struct tap *c = calloc(1, sizeof *c);
    char bound[64];
    ent_conn_id id;
    struct ent_link_event *e;

    net_listen(s, &r->server, NULL, bound);
    net_client(c, &r->client, NULL);
    c->admit = false;
    ENT_OK(ent_link_dial(c->link, bound, &id));
    e = tap_need(c, ENT_LINK_CLOSED, 5000);
    if (e->why != r->client_why || strstr(e->text, r->client_text) == NULL) {
        (void)fprintf(stderr, "client: %s '%s', wanted '%s'\n", ent_err_name(e->why), e->text,
                      r->client_text);
    }
    CU_ASSERT_EQUAL(e->why, r->client_why);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, r->client_text));
    e = tap_need(s, ENT_LINK_CLOSED, 5000);
    if (e->why != r->server_why || strstr(e->text, r->server_text) == NULL) {
        (void)fprintf(stderr, "server: %s '%s', wanted '%s'\n", ent_err_name(e->why), e->text,
                      r->server_text);
    }
    CU_ASSERT_EQUAL(e->why, r->server_why);
    CU_ASSERT_PTR_NOT_NULL(strstr(e->text, r->server_text));
    CU_ASSERT_PTR_NULL(tap_wait(s, ENT_LINK_OPENED, 0));
    tap_release(c);
    tap_release(s);
    free(c);
    free(s);
}

/* One dial that must succeed (both ends opened), or must not. */
static bool connects(struct tap *s, const char *bound, const struct ent_tls_settings *client)
{
    struct tap *c = calloc(1, sizeof *c);
    ent_conn_id id;
    bool opened;

    net_client(c, client, NULL);
    ENT_OK(ent_link_dial(c->link, bound, &id));
    while (tap_wait(c, ENT_LINK_OPENED, 20) == NULL && !tap_closed(c)) {
    }
    (void)!ent_link_send(c->link, id, 16, 1, NULL, 0);
    ent_link_close(c->link, id, true); /* ends when the frame arrived, or when it was refused */
    opened = tap_wait(c, ENT_LINK_CLOSED, 5000) != NULL && tap_wait(s, ENT_LINK_FRAME, 0) != NULL;
    tap_release(c);
    free(c);
    return opened;
}

ENT_TEST(tls, no_client_certificate)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_TLS,
                        .server_text = "peer did not return a certificate",
                        .client_why = ENT_E_TLS,
                        .client_text = "certificate required"};

    r.client.cert_pem = NULL;
    r.client.key_pem = NULL;
    expect_refusal(&r);
}

ENT_TEST(tls, client_of_another_ca)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER_OTHER_CA),
                        .server_why = ENT_E_TLS,
                        .server_text = "unable to get local issuer certificate",
                        .client_why = ENT_E_TLS,
                        .client_text = "unknown ca"};

    expect_refusal(&r);
}

ENT_TEST(tls, server_of_another_ca)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER_OTHER_CA),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_TLS,
                        .server_text = "unknown ca",
                        .client_why = ENT_E_TLS,
                        .client_text = "unable to get local issuer certificate"};

    expect_refusal(&r);
}

ENT_TEST(tls, expired_client)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER_EXPIRED),
                        .server_why = ENT_E_EXPIRED,
                        .server_text = "certificate has expired (is this machine's clock right?)",
                        .client_why = ENT_E_EXPIRED,
                        .client_text = "certificate expired"};

    expect_refusal(&r);
}

ENT_TEST(tls, client_not_yet_valid_names_the_clock)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER_NOT_YET),
                        .server_why = ENT_E_CLOCK,
                        .server_text = "not yet valid (is this machine's clock right?)",
                        .client_why = ENT_E_TLS,
                        .client_text = "bad certificate"};

    expect_refusal(&r);
}

ENT_TEST(tls, expired_server)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER_EXPIRED),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_EXPIRED,
                        .server_text = "certificate expired",
                        .client_why = ENT_E_EXPIRED,
                        .client_text = "certificate has expired"};

    expect_refusal(&r);
}

ENT_TEST(tls, wrong_host)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER_WRONG_HOST),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_TLS,
                        .server_text = "bad certificate",
                        .client_why = ENT_E_TLS,
                        .client_text = "IP address mismatch: '127.0.0.1' was dialled, the "
                                       "certificate is for 'wrong.example'"};

    expect_refusal(&r);
    r.client.server_name = "some.example";
    r.client_text = "hostname mismatch: 'some.example' was dialled, the certificate is for "
                    "'wrong.example'";
    expect_refusal(&r);
}

ENT_TEST(tls, right_host_name_instead_of_the_address)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER_WRONG_HOST);
    struct ent_tls_settings client = net_settings(ENT_TEST_MEMBER);
    struct tap *s = calloc(1, sizeof *s);
    char bound[64];

    client.server_name = "wrong.example";
    net_listen(s, &server, NULL, bound);
    CU_ASSERT_TRUE(connects(s, bound, &client));
    tap_release(s);
    free(s);
}

ENT_TEST(tls, server_certificate_used_as_client)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_SERVER_AS_CLIENT),
                        .server_why = ENT_E_TLS,
                        .server_text = "unsuitable certificate purpose",
                        .client_why = ENT_E_TLS,
                        .client_text = "unsupported certificate"};

    expect_refusal(&r);
}

ENT_TEST(tls, member_certificate_used_as_server)
{
    struct refusal r = {.server = net_settings(ENT_TEST_MEMBER_2),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_TLS,
                        .server_text = "certificate",
                        .client_why = ENT_E_TLS,
                        .client_text = "unsuitable certificate purpose"};

    expect_refusal(&r);
}

ENT_TEST(tls, revoked_by_the_crl_at_the_start)
{
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER_REVOKED),
                        .server_why = ENT_E_REVOKED,
                        .server_text = "certificate revoked",
                        .client_why = ENT_E_REVOKED,
                        .client_text = "certificate revoked"};

    net_file("crl.pem", &r.server.crl, &r.server.crl_len);
    expect_refusal(&r);
}

static void crl_of(uint64_t number, uint64_t this_ms, uint64_t next_ms, struct ent_buf *der)
{
    struct ent_crl_spec spec = {
        .number = number, .this_update_ms = this_ms, .next_update_ms = next_ms};
    struct ent_cert *ca = NULL;
    struct ent_tls_key *key = NULL;
    struct ent_crl *crl = NULL;
    char path[256];

    (void)snprintf(path, sizeof path, "%s/ca.pem", net_certs());
    ENT_OK(ent_cert_load(path, &ca));
    (void)snprintf(path, sizeof path, "%s/ca.key", net_certs());
    ENT_OK(ent_tls_key_load(path, &key));
    ENT_OK(ent_crl_make(&spec, ca, key, &crl));
    ent_buf_init(der, ENT_CRL_DER_MAX_BYTES);
    ENT_OK(ent_crl_encode(crl, der));
    ent_crl_free(crl);
    ent_tls_key_free(key);
    ent_cert_free(ca);
}

/* Trap 11: a listener obeys the newer list from the very next handshake, the accept that waits
 * included. */
ENT_TEST(tls, revoked_by_a_crl_added_live)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings revoked = net_settings(ENT_TEST_MEMBER_REVOKED);
    struct ent_tls_settings member = net_settings(ENT_TEST_MEMBER);
    struct tap *s = calloc(1, sizeof *s);
    struct ent_clock clock = ent_clock_system();
    uint64_t now = ent_clock_wall(&clock);
    struct ent_buf first;
    const uint8_t *crl;
    size_t len;
    char bound[64];

    crl_of(1, now - 1000, now + 1000000, &first);
    server.crl = first.data;
    server.crl_len = first.len;
    net_listen(s, &server, NULL, bound);
    CU_ASSERT_TRUE(connects(s, bound, &revoked));
    net_file("crl.pem", &crl, &len);
    ENT_OK(ent_link_nng_add_crl(s->link, crl, len));
    CU_ASSERT_FALSE(connects(s, bound, &revoked));
    CU_ASSERT_TRUE(connects(s, bound, &member));
    /* The older list cannot bring the member back, nor can rubbish shut everybody out. */
    ENT_FAILS(ent_link_nng_add_crl(s->link, server.crl, server.crl_len), ENT_E_STALE);
    ENT_FAILS(ent_link_nng_add_crl(s->link, (const uint8_t *)"0rubbish", 8), ENT_E_CORRUPT);
    ent_buf_release(&first);
    CU_ASSERT_FALSE(connects(s, bound, &revoked));
    CU_ASSERT_TRUE(connects(s, bound, &member));
    tap_release(s);
    free(s);
}

/* Without any list at first: the first one that comes counts at once. */
ENT_TEST(tls, first_crl_added_live)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings revoked = net_settings(ENT_TEST_MEMBER_REVOKED);
    struct tap *s = calloc(1, sizeof *s);
    const uint8_t *crl;
    size_t len;
    char bound[64];

    net_listen(s, &server, NULL, bound);
    CU_ASSERT_TRUE(connects(s, bound, &revoked));
    net_file("crl.pem", &crl, &len);
    ENT_OK(ent_link_nng_add_crl(s->link, crl, len));
    CU_ASSERT_FALSE(connects(s, bound, &revoked));
    tap_release(s);
    free(s);
}

/* An outdated list refuses everyone at the coordinator; a member may use one to fetch the newer. */
ENT_TEST(tls, outdated_crl)
{
    struct ent_clock clock = ent_clock_system();
    uint64_t now = ent_clock_wall(&clock);
    struct ent_buf old;
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = net_settings(ENT_TEST_MEMBER),
                        .server_why = ENT_E_EXPIRED,
                        .server_text = "CRL has expired",
                        .client_why = ENT_E_EXPIRED,
                        .client_text = "certificate expired"};
    struct tap *s = calloc(1, sizeof *s);
    char bound[64];

    crl_of(3, now - 20000000, now - 10000000, &old);
    r.server.crl = old.data;
    r.server.crl_len = old.len;
    expect_refusal(&r);
    r.server.crl = NULL;
    r.client.crl = old.data;
    r.client.crl_len = old.len;
    r.client.crl_may_be_old = true;
    net_listen(s, &r.server, NULL, bound);
    CU_ASSERT_TRUE(connects(s, bound, &r.client));
    r.client.crl_may_be_old = false;
    CU_ASSERT_FALSE(connects(s, bound, &r.client));
    tap_release(s);
    free(s);
    ent_buf_release(&old);
}

ENT_TEST(tls, enrolment_pins_the_server_certificate)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER_WRONG_HOST);
    struct ent_tls_settings client = {.demand_client_cert = false};
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    struct tap *s = calloc(1, sizeof *s);
    char path[256];
    char bound[64];
    uint8_t pin[32];
    struct ent_link_event *e;

    (void)snprintf(path, sizeof path, "%s/server-wrong-host.pem", net_certs());
    ENT_OK(ent_cert_load(path, &cert));
    ENT_OK(ent_cert_info(cert, &info));
    ent_cert_free(cert);
    memcpy(pin, info.sha256, sizeof pin);
    server.demand_client_cert = false;
    client.server_pin = pin;
    net_listen(s, &server, NULL, bound);
    CU_ASSERT_TRUE(connects(s, bound, &client));
    e = tap_need(s, ENT_LINK_OPENED, 0);
    CU_ASSERT_FALSE(e->peer->has_cert);
    CU_ASSERT_STRING_EQUAL(e->peer->uri, "");
    pin[5] ^= 1;
    CU_ASSERT_FALSE(connects(s, bound, &client));
    tap_release(s);
    free(s);
}

ENT_TEST(tls, wrong_pin_is_said_on_both_sides)
{
    static const uint8_t pin[32] = {1, 2, 3};
    struct refusal r = {.server = net_settings(ENT_TEST_SERVER),
                        .client = {.server_pin = pin},
                        .server_why = ENT_E_TLS,
                        .server_text = "the other end refused",
                        .client_why = ENT_E_TLS,
                        .client_text = "not the one that was promised"};

    r.server.demand_client_cert = false;
    expect_refusal(&r);
}

ENT_TEST(tls, renewed_certificate_is_shown_at_the_next_dial)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings first = net_settings(ENT_TEST_MEMBER_EXPIRED);
    struct ent_tls_settings renewed = net_settings(ENT_TEST_MEMBER);
    struct tap *s = calloc(1, sizeof *s);
    struct tap *c = calloc(1, sizeof *c);
    char bound[64];
    ent_conn_id id;

    net_listen(s, &server, NULL, bound);
    net_client(c, &first, NULL);
    ENT_OK(ent_link_dial(c->link, bound, &id));
    (void)tap_need(c, ENT_LINK_CLOSED, 3000);
    ENT_FAILS(ent_link_nng_renew(c->link, renewed.cert_pem, renewed.cert_pem_len, first.key_pem,
                                 first.key_pem_len),
              ENT_E_CONFIG);
    ENT_OK(ent_link_nng_renew(c->link, renewed.cert_pem, renewed.cert_pem_len, renewed.key_pem,
                              renewed.key_pem_len));
    ENT_OK(ent_link_dial(c->link, bound, &id));
    CU_ASSERT_PTR_NOT_NULL(tap_wait(s, ENT_LINK_OPENED, 3000));
    tap_release(c);
    tap_release(s);
    free(c);
    free(s);
}

ENT_TEST(tls, settings_that_cannot_work)
{
    struct ent_tls_settings good = net_settings(ENT_TEST_SERVER);
    struct ent_tls_settings s = good;
    struct ent_link *link = NULL;
    const uint8_t *other;
    size_t len;

    s.key_pem = NULL;
    ENT_FAILS(ent_link_nng_new(&s, NULL, tap_handler, NULL, &link), ENT_E_CONFIG);
    net_file("member.key", &other, &len);
    s = good;
    s.key_pem = other;
    s.key_pem_len = len;
    ENT_FAILS(ent_link_nng_new(&s, NULL, tap_handler, NULL, &link), ENT_E_CONFIG);
    s = good;
    s.ca_pem = NULL;
    ENT_FAILS(ent_link_nng_new(&s, NULL, tap_handler, NULL, &link), ENT_E_CONFIG);
    s = good;
    s.cert_pem = (const uint8_t *)"rubbish";
    s.cert_pem_len = 7;
    ENT_FAILS(ent_link_nng_new(&s, NULL, tap_handler, NULL, &link), ENT_E_CONFIG);
    s = good;
    s.crl = (const uint8_t *)"rubbish";
    s.crl_len = 7;
    ENT_FAILS(ent_link_nng_new(&s, NULL, tap_handler, NULL, &link), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NULL(link);
}

/* Runs a shell command in silence; its exit status. */
static int run(char *command)
{
    char shell[] = "sh";
    char option[] = "-c";
    char *argv[] = {shell, option, command, NULL};
    posix_spawn_file_actions_t silent;
    int status = -1;
    pid_t pid;

    (void)posix_spawn_file_actions_init(&silent);
    for (int fd = 0; fd < 3; fd++) {
        (void)posix_spawn_file_actions_addopen(&silent, fd, "/dev/null", O_RDWR, 0);
    }
    if (posix_spawnp(&pid, shell, &silent, NULL, argv, environ) == 0) {
        (void)waitpid(pid, &status, 0);
    }
    (void)posix_spawn_file_actions_destroy(&silent);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The openssl command as a peer that speaks TLS 1.2 at most. */
ENT_TEST(tls, tls_1_2_peer)
{
    struct ent_tls_settings server = net_settings(ENT_TEST_SERVER);
    struct tap *s = calloc(1, sizeof *s);
    const struct ent_link_event *e;
    char bound[64];
    char version[] = "openssl version";
    char client[512];

    net_listen(s, &server, NULL, bound);
    (void)snprintf(client, sizeof client,
                   "openssl s_client -connect %s -tls1_2 -cert %s/member.pem -key %s/member.key",
                   bound, net_certs(), net_certs());
    if (run(version) != 0) {
        ent_test_skip("no openssl command");
    } else {
        CU_ASSERT_NOT_EQUAL(run(client), 0);
        e = tap_need(s, ENT_LINK_CLOSED, 3000);
        CU_ASSERT_EQUAL(e->why, ENT_E_TLS);
        CU_ASSERT_PTR_NOT_NULL(strstr(e->text, "unsupported protocol"));
    }
    tap_release(s);
    free(s);
}
