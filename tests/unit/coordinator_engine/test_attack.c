/* A member, or a stranger, that means harm: it gets nowhere, and costs the others nothing. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <entente/v1/messages.pb-c.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

static void begin(struct fed *fed, const char *plan)
{
    fed_new(fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed->members[i]);
    }
    if (plan != NULL) {
        fed_start_run(fed, plan);
        fed_pump(fed);
    }
}

/* ---- numbers that no store can keep ---- */

/* Our own encoder does not make such a header, so it is packed by hand; signed all the same. */
static void send_raw_join(struct fed_member *m, uint64_t sequence, uint64_t round)
{
    static const char label[] = "entente/envelope/v1";
    Entente__V1__Header h = ENTENTE__V1__HEADER__INIT;
    Entente__V1__Envelope e = ENTENTE__V1__ENVELOPE__INIT;
    uint8_t header[ENT_WIRE_HEADER_MAX_BYTES];
    uint8_t digest[32];
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    struct ent_buf body;
    uint8_t *p = NULL;

    h.version = ENT_WIRE_VERSION;
    h.federation = (ProtobufCBinaryData){16, m->fed->home->issuer.federation};
    h.sender = (ProtobufCBinaryData){sizeof m->handle, m->handle};
    h.type = ENT_MSG_JOIN;
    h.run = m->run;
    h.round = round;
    h.attempt = m->attempt;
    h.sequence = sequence;
    e.header = (ProtobufCBinaryData){entente__v1__header__pack(&h, header), header};
    ENT_OK(ent_sha256("", 0, digest));
    ENT_OK(ent_sign(
        m->key,
        (struct ent_part[]){{label, sizeof label}, {header, e.header.len}, {digest, sizeof digest}},
        3, signature));
    e.payload_sha256 = (ProtobufCBinaryData){sizeof digest, digest};
    e.signature = (ProtobufCBinaryData){sizeof signature, signature};
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_buf_extend(&body, entente__v1__envelope__get_packed_size(&e), &p));
    (void)entente__v1__envelope__pack(&e, p);
    fed_send_frame(m, ENT_MSG_JOIN, 0, &body);
    ent_buf_release(&body);
}

static void huge_number(uint64_t sequence, uint64_t round)
{
    struct fed fed;
    struct fed_member *evil = &fed.members[3];

    begin(&fed, fed_plan);
    fed_hear(evil);
    send_raw_join(evil, sequence, round);
    fed_pump(&fed); /* each step of the engine is OK */
    CU_ASSERT(evil->closed);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "protocol"), 1);
    fed_live(&fed, 3, 10);
    fed_pass(&fed, 31000); /* one of four is not waited for without end */
    fed_live(&fed, 3, 10);
    fed_pass(&fed, 31000);
    fed_live(&fed, 3, 10);
    CU_ASSERT(fed.members[0].n_closes > 0);
    fed_free(&fed);
}

ENT_TEST(attack, a_sequence_number_that_cannot_be_stored)
{
    huge_number((uint64_t)1 << 63, 1);
}

ENT_TEST(attack, a_round_that_cannot_be_stored)
{
    huge_number(1000, UINT64_MAX);
}

/* The largest number there is locks its sender out, and nobody else. */
ENT_TEST(attack, the_last_sequence_number)
{
    struct fed fed;
    struct fed_member *evil = &fed.members[3];

    begin(&fed, fed_plan);
    fed_hear(evil);
    evil->sequence = INT64_MAX;
    fed_join(evil);
    for (size_t i = 0; i < 3; i++) {
        fed_answer(&fed.members[i], 10);
    }
    fed_pump(&fed);
    fed_restart(&fed); /* stored */
    for (size_t i = 0; i < 4; i++) {
        fed.members[i].sequence = 1000;
        fed_hello(&fed.members[i]);
    }
    fed_hear(evil);
    fed_join(evil);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "replay"), 1);
    fed_live(&fed, 3, 10);
    fed_free(&fed);
}

/* ---- renewal and revocation ---- */

static void ask_renewal(struct fed_member *m)
{
    struct ent_header header = fed_header(m, ENT_MSG_RENEW);
    struct ent_tls_key *tls = NULL;
    struct ent_msg_renew renew;
    struct ent_buf csr;

    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, "x", &csr));
    renew.csr = (struct ent_bytes){csr.data, csr.len};
    fed_send(m, &header, &renew);
    fed_pump(m->fed);
    ent_tls_key_free(tls);
    ent_buf_release(&csr);
}

/* How many of n requests are granted. */
static size_t renew_often(struct fed_member *m, size_t n)
{
    size_t granted = 0;

    for (size_t i = 0; i < n; i++) {
        fed_clear_inbox(m);
        ask_renewal(m);
        if (fed_next(m, ENT_MSG_RENEWED) != NULL) {
            granted++;
        } else {
            m->n_read = 0;
            CU_ASSERT_EQUAL(fed_refused(m), ENT_E_LIMIT);
        }
    }
    fed_clear_inbox(m);
    return granted;
}

static size_t held(struct fed *fed, uint32_t member)
{
    struct ent_store_issued *list = NULL;
    size_t n = 0;

    ENT_OK(ent_store_certs(fed->home->store, member, fed->time.wall_ms, &list, &n));
    free(list);
    return n;
}

/* The connections from now on show this member's newest certificate. */
static void show_certificate(struct fed_member *m, uint32_t member)
{
    struct ent_link_mem_identity identity = {.uri = m->uri};
    struct ent_store_member row;

    ENT_OK(ent_store_find_index(m->fed->home->store, member, &row));
    ENT_OK(ent_sha256(row.cert.der, row.cert.der_len, identity.cert_sha256));
    ent_link_mem_identify(m->link, &identity);
}

ENT_TEST(attack, certificates_are_renewed_when_due_only)
{
    struct fed fed;

    begin(&fed, NULL);
    CU_ASSERT_EQUAL(renew_often(&fed.members[3], 20), 0);
    fed_pass(&fed, 58 * DAY_MS);
    fed_hello(&fed.members[3]);
    CU_ASSERT_EQUAL(renew_often(&fed.members[3], 1), 0);
    CU_ASSERT_EQUAL(held(&fed, 3), 1);
    fed_pass(&fed, 3 * DAY_MS);
    fed_hello(&fed.members[3]);
    CU_ASSERT_EQUAL(renew_often(&fed.members[3], 20), 1); /* then it has a fresh one */
    CU_ASSERT_EQUAL(held(&fed, 3), 2);
    fed_free(&fed);
}

/* On a connection that shows the old one: the answer may have been lost, but not all the time. */
ENT_TEST(attack, a_lost_renewal_is_given_again_within_bounds)
{
    struct fed fed;
    struct fed_member *evil = &fed.members[3];
    size_t all = 0;

    begin(&fed, NULL);
    show_certificate(evil, 3);
    fed_pass(&fed, 61 * DAY_MS);
    fed_hello(evil);
    CU_ASSERT_EQUAL(renew_often(evil, 10), 5);
    for (size_t day = 0; day < 10; day++) {
        fed_pass(&fed, DAY_MS);
        fed_hello(evil);
        all += renew_often(evil, 10);
    }
    CU_ASSERT_EQUAL(held(&fed, 3), 16);
    CU_ASSERT_EQUAL(all, 10);
    fed_free(&fed);
}

/* The revocation list cannot be written: the member is out all the same, and the coordinator lives, also anew. */
static void block_list(const struct fed *fed, bool block)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/crl.pem", fed->dir);
    if (block) {
        CU_ASSERT_EQUAL(unlink(path), 0);
        CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    } else {
        CU_ASSERT_EQUAL(rmdir(path), 0);
    }
}

static void expect_out(struct fed *fed)
{
    struct fed_member *evil = &fed->members[3];

    fed_clear_inbox(evil);
    fed_hello(evil);
    CU_ASSERT_EQUAL(fed_refused(evil), ENT_E_REVOKED);
    CU_ASSERT(evil->closed);
}

ENT_TEST(attack, revoked_whatever_comes_of_the_list)
{
    struct fed fed;
    struct ent_crl_info info;
    struct ent_crl *crl = NULL;
    char path[256];

    begin(&fed, NULL);
    block_list(&fed, true);
    ent_log_set(ENT_LOG_ERROR, stderr);
    ent_json_free(fed_ask(&fed, "{\"verb\":\"revoke\",\"name\":\"brand-d\"}"));
    CU_ASSERT(fed.members[3].closed);
    expect_out(&fed);
    fed_pass(&fed, 2 * DAY_MS);
    fed_restart(&fed);
    expect_out(&fed);
    fed_hello(&fed.members[0]);
    CU_ASSERT_PTR_NOT_NULL(fed_next(&fed.members[0], ENT_MSG_WELCOME));
    block_list(&fed, false);
    fed_pass(&fed, 61000);
    (void)snprintf(path, sizeof path, "%s/crl.pem", fed.dir);
    ENT_OK(ent_crl_load(path, &crl));
    ENT_OK(ent_crl_info(crl, &info));
    CU_ASSERT_EQUAL(info.n_serials, 1);
    ent_crl_free(crl);
    fed_free(&fed);
}

/* ---- logs ---- */

/* Bytes that were logged while `say` was done n times. */
static long logged(struct fed *fed, void (*say)(struct fed_member *m), int n)
{
    FILE *file = tmpfile();
    long bytes;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    ent_log_set(ENT_LOG_INFO, file);
    for (int i = 0; i < n; i++) {
        say(&fed->members[3]);
        if (i % 32 == 31) {
            fed_pump(fed);
            fed_clear_inbox(&fed->members[3]);
        }
    }
    fed_pump(fed);
    ent_log_set(ENT_LOG_ERROR, stderr);
    bytes = ftell(file);
    (void)fclose(file);
    return bytes;
}

static void decline(struct fed_member *m)
{
    struct ent_header header = fed_header(m, ENT_MSG_DECLINE);
    struct ent_msg_decline d = {.code = ENT_E_POLICY};

    header.round = 77; /* not the round: no RoundOpen need be named */
    memset(d.text, 'A', 200);
    fed_send(m, &header, &d);
}

static void offer_nonsense(struct fed_member *m)
{
    m->open.task = ENT_TASK_TRAIN; /* in the statistics round */
    fed_offer(m, (int32_t)m->sequence);
}

static void come_and_go(struct fed_member *m)
{
    fed_hello(m);
}

ENT_TEST(attack, floods_do_not_fill_the_log)
{
    static void (*const says[])(struct fed_member *) = {decline, offer_nonsense, ask_renewal,
                                                        come_and_go};

    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        struct fed fed;

        begin(&fed, fed_plan);
        fed_hear(&fed.members[3]);
        CU_ASSERT(logged(&fed, says[i], 500) < 20000);
        fed_free(&fed);
    }
}

/* ---- the queue ---- */

/* Everything at once: the flood ends the connection that made it, the others are heard. */
ENT_TEST(attack, a_flood_is_its_senders_own)
{
    struct fed fed;
    struct fed_member *evil = &fed.members[3];

    begin(&fed, NULL);
    ent_log_set(ENT_LOG_ERROR, stderr);
    for (int i = 0; i < 5000 && !evil->closed; i++) {
        decline(evil);
        if (i % 32 == 31) { /* the engine has not looked yet */
            (void)ent_link_mem_pump(fed.net, 1000000);
        }
    }
    /* What is above the share is not kept; the connection ends when the engine looks. */
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 10);
    CU_ASSERT(evil->closed);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(fed.members[i].closed);
    }
    fed_pass(&fed, 31000);
    fed_live(&fed, 3, 10);
    CU_ASSERT(fed.members[0].n_closes > 0);
    fed_free(&fed);
}

/* ---- enrolment ---- */

/* Connections that ask for nothing take nothing from those that do; requests do, by and by. */
ENT_TEST(attack, strangers_do_not_use_up_enrolment)
{
    struct fed fed;
    struct fed_member *m = &fed.members[2];
    struct ent_buf nonsense;

    fed_new(&fed, 2);
    fed_enroll(&fed, 2, "brand-c");
    ent_buf_init(&nonsense, 64);
    ENT_OK(ent_buf_add(&nonsense, "nonsense", 8));
    for (int i = 0; i < 300; i++) {
        ENT_OK(ent_link_dial(m->link, "enroll:2", &m->conn));
        fed_pump(&fed);
        fed_send_frame(m, ENT_MSG_ENROLL_REQUEST, 0, &nonsense);
        fed_pump(&fed);
        fed_clear_inbox(m);
    }
    fed_enroll(&fed, 3, "brand-d"); /* asserts that it is in */
    ent_buf_release(&nonsense);
    fed_free(&fed);
}

static enum ent_err ask_enrolment(struct fed_member *m)
{
    struct ent_msg_enroll_request request = {.time_ms = m->fed->time.wall_ms, .secret = {1}};
    struct ent_tls_key *tls = NULL;
    struct ent_header header;
    struct ent_buf csr;

    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, "x", &csr));
    request.csr = (struct ent_bytes){csr.data, csr.len};
    ent_sign_key_pub(m->key, request.statement_pub);
    ent_sign_key_pub(m->key, request.witness_pub);
    fed_clear_inbox(m);
    ENT_OK(ent_link_dial(m->link, "enroll:2", &m->conn));
    fed_pump(m->fed);
    header = fed_header(m, ENT_MSG_ENROLL_REQUEST);
    fed_send(m, &header, &request);
    fed_pump(m->fed);
    ent_tls_key_free(tls);
    ent_buf_release(&csr);
    return fed_refused(m);
}

ENT_TEST(attack, guesses_of_one_origin_are_slowed_down)
{
    struct fed fed;
    struct fed_member *m = &fed.members[1];
    enum ent_err err = ENT_E_TOKEN;
    int n = 0;

    fed_new(&fed, 2);
    while (err == ENT_E_TOKEN && n < 100) {
        err = ask_enrolment(m);
        n++;
    }
    CU_ASSERT_EQUAL(err, ENT_E_BUSY);
    CU_ASSERT(n > 20 && n < 40);
    fed_pass(&fed, 1100);
    CU_ASSERT_EQUAL(ask_enrolment(m), ENT_E_TOKEN);
    CU_ASSERT_EQUAL(ask_enrolment(m), ENT_E_TOKEN);
    CU_ASSERT_EQUAL(ask_enrolment(m), ENT_E_BUSY);
    fed_free(&fed);
}

/* ---- two words in one step: the row that waits to be stored keeps the first ---- */

/* As the last one, but of a round that is not open: nothing follows from it. */
static void send_stale(struct fed_member *m, enum ent_msg_type type)
{
    struct ent_msg_decline decline = {.code = ENT_E_POLICY};
    struct ent_msg_join join = {.has_base = true};
    struct ent_header header = fed_header(m, type);

    header.round += 5;
    if (type == ENT_MSG_JOIN) {
        fed_send(m, &header, &join);
    } else {
        fed_send(m, &header, &decline);
    }
}

ENT_TEST(attack, a_stale_join_behind_a_good_one)
{
    struct fed fed;
    struct fed_member *evil = &fed.members[3];

    begin(&fed, fed_plan);
    fed_hear(evil);
    fed_join(evil);
    send_stale(evil, ENT_MSG_JOIN);
    fed_pump(&fed);
    fed_live(&fed, 4, 10);
    CU_ASSERT(fed.members[0].n_closes > 0);
    fed_free(&fed);
}

/* The log holds the member's own word, not only that it was refused. */
ENT_TEST(attack, a_stale_decline_behind_a_good_one)
{
    struct ent_msg_decline decline = {.code = ENT_E_POLICY};
    struct ent_header header;
    struct fed fed;
    struct fed_member *evil = &fed.members[3];
    const struct fed_leaf *leaf;
    struct fed_log log;

    begin(&fed, fed_plan);
    fed_hear(evil);
    header = fed_header(evil, ENT_MSG_DECLINE);
    memcpy(decline.round_open, evil->open_hash, sizeof decline.round_open);
    fed_send(evil, &header, &decline);
    send_stale(evil, ENT_MSG_DECLINE);
    fed_pump(&fed);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_UPDATE_REJECT, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_FATAL(leaf->any.update_reject.has_said);
    fed_log_check_said(evil, &leaf->any.update_reject.said, ENT_MSG_DECLINE);
    fed_log_free(&log);
    fed_free(&fed);
}
