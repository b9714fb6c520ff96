#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static struct ent_msg_welcome welcome_of(struct fed_member *m)
{
    const struct fed_frame *frame = fed_next(m, ENT_MSG_WELCOME);
    struct ent_msg_welcome w = {0};
    struct ent_envelope env;

    CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
    ENT_OK(ent_wire_open(frame->type, ENT_SENDER_COORDINATOR,
                         (struct ent_bytes){frame->body.data, frame->body.len}, &m->fed->arena,
                         &env));
    ENT_OK(ent_wire_verify(&env, m->fed->home->log_pub));
    ENT_OK(ent_msg_welcome_decode(env.payload, env.payload_len, &m->fed->arena, &w));
    return w;
}

ENT_TEST(hello, an_enrolled_member_is_welcomed)
{
    struct fed fed;
    struct ent_msg_welcome w;

    fed_new(&fed, 1);
    fed_hello(&fed.members[0]);
    w = welcome_of(&fed.members[0]);
    CU_ASSERT_EQUAL(w.time_ms, fed.time.wall_ms);
    CU_ASSERT_EQUAL(w.run, 0);
    CU_ASSERT(w.crl.len > 0);
    CU_ASSERT(w.idle_ms > 0);
    CU_ASSERT_FALSE(fed.members[0].closed);
    fed_free(&fed);
}

/* HELLO with one thing wrong: each is refused with its own code, and the connection ends. */
static void tampered(enum ent_err expected, void (*tamper)(struct fed_member *, struct ent_header *,
                                                           struct ent_msg_hello *))
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_header header;
    struct ent_msg_hello hello;

    fed_new(&fed, 2);
    fed_dial(m);
    hello = fed_hello_of(m);
    header = fed_header(m, ENT_MSG_HELLO);
    tamper(m, &header, &hello);
    fed_send(m, &header, &hello);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), expected);
    CU_ASSERT(m->closed);
    CU_ASSERT_EQUAL(fed_refusals(&fed, ent_err_name(expected)), 1);
    fed_free(&fed);
}

static void other_connection(struct fed_member *m, struct ent_header *h,
                             struct ent_msg_hello *hello)
{
    (void)m;
    (void)h;
    hello->exporter[5] ^= 1;
}

static void newer_protocol(struct fed_member *m, struct ent_header *h, struct ent_msg_hello *hello)
{
    (void)m;
    (void)h;
    hello->protocol_min = 7;
    hello->protocol_max = 9;
}

static void another_members_name(struct fed_member *m, struct ent_header *h,
                                 struct ent_msg_hello *hello)
{
    (void)hello;
    memcpy(h->sender, m->fed->members[1].handle, sizeof h->sender);
}

static void nobodys_name(struct fed_member *m, struct ent_header *h, struct ent_msg_hello *hello)
{
    (void)m;
    (void)hello;
    memset(h->sender, 0xaa, sizeof h->sender);
}

static void other_federation(struct fed_member *m, struct ent_header *h,
                             struct ent_msg_hello *hello)
{
    (void)m;
    (void)hello;
    h->federation[0] ^= 1;
}

static void another_members_key(struct fed_member *m, struct ent_header *h,
                                struct ent_msg_hello *hello)
{
    struct ent_sign_key *key = m->key;

    (void)h;
    (void)hello;
    m->key = m->fed->members[1].key;
    m->fed->members[1].key = key;
}

static void join_first(struct fed_member *m, struct ent_header *h, struct ent_msg_hello *hello)
{
    struct ent_header header = fed_header(m, ENT_MSG_LOST);
    struct ent_msg_lost lost = {0};

    (void)h;
    (void)hello;
    fed_send(m, &header, &lost);
    fed_pump(m->fed);
}

ENT_TEST(hello, made_for_another_connection)
{
    tampered(ENT_E_REPLAY, other_connection);
}
ENT_TEST(hello, protocol_versions_apart)
{
    tampered(ENT_E_VERSION, newer_protocol);
}
ENT_TEST(hello, of_another_member)
{
    tampered(ENT_E_UNKNOWN_MEMBER, another_members_name);
}
ENT_TEST(hello, of_nobody)
{
    tampered(ENT_E_UNKNOWN_MEMBER, nobodys_name);
}
ENT_TEST(hello, for_another_federation)
{
    tampered(ENT_E_UNKNOWN_MEMBER, other_federation);
}
ENT_TEST(hello, signed_by_another_key)
{
    tampered(ENT_E_SIGNATURE, another_members_key);
}
ENT_TEST(hello, must_come_first)
{
    tampered(ENT_E_PROTOCOL, join_first);
}

ENT_TEST(hello, a_second_one_is_refused)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_msg_hello hello;
    struct ent_header header;

    fed_new(&fed, 1);
    fed_hello(m);
    CU_ASSERT_PTR_NOT_NULL(fed_next(m, ENT_MSG_WELCOME));
    hello = fed_hello_of(m);
    header = fed_header(m, ENT_MSG_HELLO);
    fed_send(m, &header, &hello);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_PROTOCOL);
    CU_ASSERT(m->closed);
    fed_free(&fed);
}

ENT_TEST(hello, garbage_ends_the_connection)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_buf body;

    fed_new(&fed, 1);
    ent_buf_init(&body, 64);
    ENT_OK(ent_buf_add(&body, "\x0a\xff\xff\xff\xff\x7fgarbage", 13));
    fed_hello(m);
    fed_send_frame(m, ENT_MSG_JOIN, 0, &body);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_PROTOCOL);
    CU_ASSERT(m->closed);
    fed_hello(m);
    fed_send_frame(m, 200, 0, &body);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_PROTOCOL);
    CU_ASSERT(m->closed);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "protocol"), 2);
    ent_buf_release(&body);
    fed_free(&fed);
}

ENT_TEST(hello, a_clock_that_is_off_is_named_not_refused)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_msg_hello hello;
    struct ent_header header;

    fed_new(&fed, 1);
    fed_dial(m);
    hello = fed_hello_of(m);
    hello.time_ms -= (uint64_t)3 * 3600 * 1000;
    header = fed_header(m, ENT_MSG_HELLO);
    fed_send(m, &header, &hello);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(welcome_of(m).time_ms, fed.time.wall_ms);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "clock"), 1);
    fed_free(&fed);
}

ENT_TEST(hello, a_new_connection_replaces_the_older_one)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    ent_conn_id first;

    fed_new(&fed, 1);
    fed_hello(m);
    first = m->conn;
    fed_hello(m);
    CU_ASSERT(m->conn != first);
    CU_ASSERT_FALSE(m->closed);
    CU_ASSERT_EQUAL(ent_engine_connections(fed.engine), 1);
    CU_ASSERT_EQUAL(ent_round_count_up(ent_engine_round(fed.engine)), 1);
    fed_free(&fed);
}

ENT_TEST(hello, revoked_members_are_cut_off_and_stay_out)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    size_t crl;

    fed_new(&fed, 1);
    fed_hello(m);
    crl = fed.home->crl.len;
    ent_json_free(fed_ask(&fed, "{\"verb\":\"revoke\",\"name\":\"brand-a\"}"));
    CU_ASSERT(fed.home->crl.len > crl);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_REVOKED);
    CU_ASSERT(m->closed);
    fed_hello(m);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_REVOKED);
    CU_ASSERT(m->closed);
    fed_restart(&fed);
    fed_hello(m);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_REVOKED);
    fed_free(&fed);
}
