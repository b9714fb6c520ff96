#include "tests/unit/coordinator_engine/fed.h"

#include <stdlib.h>
#include <string.h>

#include "certs/token.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/crypto/sha256.h"
#include "common/task/task.h"
#include "coordinator/engine/control.h"
#include "tests/support/ent_test.h"

const char fed_plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "min_group: 1\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0.1, test: 0.2}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
    "update: 10min, attempts: 3}\n";

/* ---- the wire ---- */

static void on_member(void *ctx, struct ent_link_event *event)
{
    struct fed_member *m = ctx;

    switch (event->kind) {
    case ENT_LINK_OPENED:
        m->opened = true;
        memcpy(m->exporter, event->peer->exporter, sizeof m->exporter);
        break;
    case ENT_LINK_FRAME:
        if (event->type == ENT_MSG_WELCOME) {
            ent_link_admit(m->link, event->conn);
        }
        if (fed_witness(m, &(struct fed_frame){event->type, event->request, event->body})) {
            break;
        }
        CU_ASSERT_FATAL(m->n_inbox < FED_INBOX);
        m->inbox[m->n_inbox].type = event->type;
        m->inbox[m->n_inbox].request = event->request;
        m->inbox[m->n_inbox].body = event->body;
        ent_buf_init(&event->body, 0);
        m->n_inbox++;
        break;
    case ENT_LINK_RECEIVED:
        ent_sink_free(m->received);
        m->received = event->sink;
        event->sink = NULL;
        break;
    case ENT_LINK_SENT:
        break;
    case ENT_LINK_CLOSED:
        if (event->conn == m->conn) {
            m->closed = true;
            m->conn = 0;
        }
        break;
    }
    ent_link_event_release(event);
}

void fed_pump(struct fed *fed)
{
    for (int idle = 0; idle < 2;) {
        size_t moved = ent_link_mem_pump(fed->net, 100000);

        ENT_OK(ent_engine_step(fed->engine));
        idle = moved == 0 ? idle + 1 : 0;
    }
}

void fed_pass(struct fed *fed, uint64_t ms)
{
    fed->time.mono_ms += ms;
    fed->time.wall_ms += ms;
    fed_pump(fed);
}

void fed_clear_inbox(struct fed_member *m)
{
    for (size_t i = 0; i < m->n_inbox; i++) {
        ent_buf_release(&m->inbox[i].body);
    }
    m->n_inbox = 0;
    m->n_read = 0;
}

/* ---- the coordinator ---- */

static void serve(struct fed *fed)
{
    struct ent_engine_options options = {.clock = fed->clock};
    const struct ent_link_mem_identity identity = {0};

    ENT_OK(ent_home_open(fed->dir, &fed->clock, &fed->home));
    options.home = fed->home;
    options.no_inline = !fed->inlined;
    ENT_OK(ent_engine_new(&options, &fed->engine));
    ENT_OK(
        ent_link_mem_new(fed->net, &identity, NULL, ent_engine_on_main, fed->engine, &fed->main));
    ENT_OK(ent_link_mem_new(fed->net, &identity, NULL, ent_engine_on_enroll, fed->engine,
                            &fed->enroll));
    ent_engine_attach(fed->engine, fed->main, fed->enroll);
    ENT_OK(ent_link_listen(fed->main, "main:1", (char[300]){0}, 300));
    ENT_OK(ent_link_listen(fed->enroll, "enroll:2", (char[300]){0}, 300));
    ENT_OK(ent_engine_start(fed->engine));
}

static void unserve(struct fed *fed)
{
    ent_link_free(fed->main);
    ent_link_free(fed->enroll);
    ent_engine_free(fed->engine);
    ent_home_close(fed->home);
}

void fed_down(struct fed *fed)
{
    unserve(fed);
    (void)ent_link_mem_pump(fed->net, 100000);
    for (size_t i = 0; i < FED_MEMBERS; i++) {
        fed_clear_inbox(&fed->members[i]);
    }
}

void fed_up(struct fed *fed)
{
    serve(fed);
    fed_pump(fed);
}

void fed_restart(struct fed *fed)
{
    fed_down(fed);
    fed_up(fed);
}

static void make_fed(struct fed *fed, size_t members, bool inlined)
{
    struct ent_setup_options setup = {.name = "test", .host = "localhost"};
    struct ent_setup_result result;

    memset(fed, 0, sizeof *fed);
    fed->inlined = inlined;
    ent_log_set(getenv("ENT_TEST_VERBOSE") != NULL ? ENT_LOG_DEBUG : ENT_LOG_ERROR, stderr);
    fed->time = (struct ent_clock_fake){.mono_ms = 1000, .wall_ms = 1764000000000};
    fed->clock = ent_clock_of_fake(&fed->time);
    ent_arena_init(&fed->arena, (size_t)16 * 1024 * 1024);
    (void)snprintf(fed->dir, sizeof fed->dir, "%s/fed", ent_test_tmpdir());
    setup.dir = fed->dir;
    setup.clock = fed->clock;
    ENT_OK(ent_setup_init(&setup, &result));
    ENT_OK(ent_link_mem_net_new(fed->clock, &fed->net));
    serve(fed);
    for (size_t i = 0; i < members; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "brand-%c", (char)('a' + i));
        fed_enroll(fed, i, name);
    }
    if (members >= 2) {
        fed_freeze(fed, members);
    }
}

void fed_new(struct fed *fed, size_t members)
{
    make_fed(fed, members, false);
}

void fed_new_inline(struct fed *fed, size_t members)
{
    make_fed(fed, members, true);
}

void fed_free(struct fed *fed)
{
    unserve(fed);
    for (size_t i = 0; i < FED_MEMBERS; i++) {
        struct fed_member *m = &fed->members[i];

        fed_clear_inbox(m);
        ent_link_free(m->link);
        ent_sign_key_free(m->key);
        ent_sink_free(m->received);
        ent_buf_release(&m->update);
        ent_blob_unref(m->payload);
        ent_sha256_release(&m->witness.hash);
    }
    ent_link_mem_net_free(fed->net);
    ent_arena_release(&fed->arena);
}

struct ent_json *fed_ask(struct fed *fed, const char *request)
{
    struct ent_json *json = NULL;
    struct ent_buf reply;

    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    ENT_OK(ent_engine_request(fed->engine, request, &reply));
    ENT_OK(ent_json_parse((const char *)reply.data, reply.len, ENT_CONTROL_REPLY_MAX_BYTES, 16,
                          &json));
    ent_buf_release(&reply);
    fed_pump(fed);
    return json;
}

void fed_start_run(struct fed *fed, const char *plan)
{
    struct ent_json_writer w;
    struct ent_json *reply;
    struct ent_buf request;
    const char *text = NULL;

    ent_buf_init(&request, (size_t)1024 * 1024);
    ent_json_begin(&w, &request);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "start");
    ent_json_put_key_string(&w, "name", "plan.yaml");
    ent_json_put_key_string(&w, "plan", plan);
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    ENT_OK(ent_buf_str(&request, &text));
    reply = fed_ask(fed, text);
    if (ent_json_get(reply, "error") != NULL) {
        const char *why = "";

        ENT_OK(ent_json_string(ent_json_get(ent_json_get(reply, "error"), "text"), "text", &why));
        (void)fprintf(stderr, "start: %s\n", why);
        CU_FAIL("start was refused");
    }
    ent_json_free(reply);
    ent_buf_release(&request);
}

uint64_t fed_refusals(struct fed *fed, const char *cause)
{
    struct ent_json *status = fed_ask(fed, "{\"verb\":\"status\"}");
    const struct ent_json *list = ent_json_get(status, "refusals");
    uint64_t total = 0;

    for (size_t i = 0; i < ent_json_len(list); i++) {
        const struct ent_json *r = ent_json_at(list, i);
        const char *name = NULL;
        uint64_t count = 0;

        ENT_OK(ent_json_string(ent_json_get(r, "cause"), "cause", &name));
        ENT_OK(ent_json_uint(ent_json_get(r, "count"), "count", INT64_MAX, &count));
        total += strcmp(name, cause) == 0 ? count : 0;
    }
    ent_json_free(status);
    return total;
}

/* ---- members by hand ---- */

static const char *token_of(struct ent_json *reply)
{
    const char *text = NULL;

    ENT_OK(ent_json_string(ent_json_get(reply, "token"), "token", &text));
    return text;
}

#define NONCES 2000u /* that a member has for its life */

/* Number i of its nonces, and what commits to it. */
static void nonce_of(const struct fed_member *m, uint32_t i, uint8_t nonce[32], uint8_t commit[32])
{
    uint8_t name[20];

    memcpy(name, m->handle, 16);
    ent_put_be32(name + 16, i);
    ENT_OK(ent_sha256(name, sizeof name, nonce));
    ENT_OK(ent_sha256(nonce, 32, commit));
}

void fed_enroll(struct fed *fed, size_t i, const char *name)
{
    struct fed_member *m = &fed->members[i];
    const struct ent_link_mem_identity nobody = {0};
    struct ent_link_mem_identity identity = {0};
    struct ent_msg_enroll_request request = {.time_ms = fed->time.wall_ms};
    struct ent_header header;
    struct ent_tls_key *tls = NULL;
    struct ent_token token;
    struct ent_json *reply;
    struct ent_buf csr;
    uint8_t nonce[32];
    char ask[128];

    m->fed = fed;
    m->sequence = 1;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    (void)snprintf(ask, sizeof ask, "{\"verb\":\"invite\",\"name\":\"%s\"}", name);
    reply = fed_ask(fed, ask);
    ENT_OK(ent_token_decode(token_of(reply), strlen(token_of(reply)), &token));
    ent_json_free(reply);
    memcpy(m->handle, token.handle, sizeof m->handle);
    ENT_OK(ent_sign_key_generate(&m->key));
    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, name, &csr));
    memcpy(request.secret, token.secret, sizeof request.secret);
    request.csr = (struct ent_bytes){csr.data, csr.len};
    ent_sign_key_pub(m->key, request.statement_pub);
    ent_sign_key_pub(m->key, request.witness_pub);
    nonce_of(m, 0, nonce, request.nonce_commit);
    ENT_OK(ent_link_mem_new(fed->net, &nobody, NULL, on_member, m, &m->link));
    ENT_OK(ent_link_dial(m->link, "enroll:2", &m->conn));
    fed_pump(fed);
    header = fed_header(m, ENT_MSG_ENROLL_REQUEST);
    fed_send(m, &header, &request);
    fed_pump(fed);
    CU_ASSERT_PTR_NOT_NULL(fed_next(m, ENT_MSG_ENROLLED));
    CU_ASSERT(m->closed);
    ent_certs_member_uri(fed->home->issuer.federation, m->handle, m->uri);
    identity.uri = m->uri;
    ent_link_mem_identify(m->link, &identity);
    ent_tls_key_free(tls);
    ent_buf_release(&csr);
}

void fed_dial(struct fed_member *m)
{
    m->opened = false;
    m->closed = false;
    ENT_OK(ent_link_dial(m->link, "main:1", &m->conn));
    fed_pump(m->fed);
    CU_ASSERT(m->opened);
}

struct ent_header fed_header(struct fed_member *m, enum ent_msg_type type)
{
    struct ent_header h = {.from_member = true,
                           .type = type,
                           .sequence = m->sequence++,
                           .run = m->run,
                           .round = m->round,
                           .attempt = m->attempt};

    memcpy(h.federation, m->fed->home->issuer.federation, sizeof h.federation);
    memcpy(h.sender, m->handle, sizeof h.sender);
    return h;
}

void fed_send_frame(struct fed_member *m, uint8_t type, uint64_t request,
                    const struct ent_buf *body)
{
    enum ent_err err = ent_link_send(m->link, m->conn, type, request, body->data, body->len);

    CU_ASSERT(err == ENT_E_OK || err == ENT_E_NOT_FOUND);
}

void fed_send(struct fed_member *m, const struct ent_header *header, const void *message)
{
    struct ent_buf body;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal(m->key, header, message, &body));
    fed_send_frame(m, (uint8_t)header->type, 0, &body);
    ent_buf_release(&body);
}

struct ent_msg_hello fed_hello_of(const struct fed_member *m)
{
    struct ent_msg_hello hello = {.protocol_min = ENT_WIRE_PROTOCOL_MIN,
                                  .protocol_max = ENT_WIRE_PROTOCOL_MAX,
                                  .build = "test",
                                  .time_ms = m->fed->time.wall_ms};

    memcpy(hello.exporter, m->exporter, sizeof hello.exporter);
    hello.seen_size = m->witness.tree.size;
    hello.has_seen_root = hello.seen_size > 0;
    if (hello.has_seen_root) {
        struct ent_sha256 hash = {0};

        ENT_OK(ent_merkle_root(&m->witness.tree, &hash, hello.seen_root));
        ent_sha256_release(&hash);
    }
    return hello;
}

void fed_hello(struct fed_member *m)
{
    struct ent_msg_hello hello;
    struct ent_header header;

    fed_dial(m);
    hello = fed_hello_of(m);
    header = fed_header(m, ENT_MSG_HELLO);
    header.run = 0;
    header.round = 0;
    header.attempt = 0;
    fed_send(m, &header, &hello);
    fed_pump(m->fed);
}

/* Opens what stands in the coordinator's store: a member that follows the log knows which of its joins it has. */
static void open_nonce(struct fed_member *m, struct ent_msg_join *join)
{
    struct ent_store_member stands;
    uint8_t commit[32] = {0};
    uint8_t next[32];

    ENT_OK(ent_store_find_handle(m->fed->home->store, m->handle, &stands));
    for (uint32_t i = 0, from = m->nonce; /* mostly the last one or the next; zeros: none stands */
         i < NONCES && memcmp(commit, stands.keys.nonce_commit, 32) != 0; i++) {
        m->nonce = (from + i) % NONCES;
        nonce_of(m, m->nonce, join->nonce, commit);
    }
    join->has_nonce = !m->no_nonce;
    join->nonce[0] ^= m->bad_nonce ? 1 : 0;
    nonce_of(m, m->nonce + 1, next, join->next_commit);
}

void fed_join(struct fed_member *m)
{
    struct ent_msg_join join = {.has_base = true};
    struct ent_header header = fed_header(m, ENT_MSG_JOIN);

    memcpy(join.round_open, m->open_hash, sizeof join.round_open);
    open_nonce(m, &join);
    join.seen_size = m->witness.seen_size;
    join.has_seen_root = join.seen_size > 0;
    memcpy(join.seen_root, m->witness.seen_root, sizeof join.seen_root);
    fed_send(m, &header, &join);
}

const struct fed_frame *fed_next(struct fed_member *m, uint8_t type)
{
    while (m->n_read < m->n_inbox) {
        const struct fed_frame *frame = &m->inbox[m->n_read++];

        if (frame->type == type) {
            return frame;
        }
    }
    return NULL;
}

struct ent_envelope fed_open(struct fed_member *m, const struct fed_frame *frame)
{
    struct ent_envelope env;
    struct ent_bytes body = {frame->body.data, frame->body.len};

    ENT_OK(ent_wire_open(frame->type, ENT_SENDER_COORDINATOR, body, &m->fed->arena, &env));
    if (!m->fed->trusting) {
        ENT_OK(ent_wire_verify(&env, m->fed->home->log_pub));
    }
    return env;
}

enum ent_err fed_refused(struct fed_member *m)
{
    const struct fed_frame *frame = fed_next(m, ENT_MSG_REFUSED);
    struct ent_msg_refused refused;
    struct ent_envelope env;

    if (frame == NULL) {
        return ENT_E_OK;
    }
    env = fed_open(m, frame);
    ENT_OK(ent_msg_refused_decode(env.payload, env.payload_len, &m->fed->arena, &refused));
    CU_ASSERT(refused.text[0] != '\0');
    return (enum ent_err)refused.code;
}
