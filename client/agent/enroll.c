#include "client/agent/enroll.h"

#include <stdlib.h>
#include <string.h>

#include "client/agent/enroll_files.h"
#include "client/agent/queue.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/secret.h"
#include "common/net/link_nng.h"
#include "common/wire/wire.h"

#define ANSWER_MAX_MS 30000

struct ent_enroll {
    struct ent_enroll_options options;
    struct ent_enroll_files files; /* keys and staging directory */
    struct ent_agent_queue queue;
    struct ent_arena arena;
    struct ent_link *link;
    ent_conn_id conn;
    uint64_t until_ms;
};

/* ---- the request ---- */

static enum ent_err seal_request(struct ent_enroll *e, const struct ent_enroll_request *request,
                                 struct ent_buf *body)
{
    struct ent_header header = {.from_member = true, .type = ENT_MSG_ENROLL_REQUEST};
    struct ent_msg_enroll_request m = {.time_ms = ent_clock_wall(&e->options.clock)};
    enum ent_err err;

    memcpy(header.federation, e->options.token.federation, sizeof header.federation);
    memcpy(header.sender, e->options.token.handle, sizeof header.sender);
    header.sequence = request->sequence;
    memcpy(m.secret, e->options.token.secret, sizeof m.secret);
    m.csr = (struct ent_bytes){request->csr.data, request->csr.len};
    ent_sign_key_pub(e->files.statement, m.statement_pub);
    ent_sign_key_pub(e->files.witness, m.witness_pub);
    memcpy(m.nonce_commit, request->nonce_commit, sizeof m.nonce_commit);
    if (e->options.name != NULL) {
        ENT_REQUIRE(strlen(e->options.name) < sizeof m.name, ENT_E_USAGE,
                    "the name is longer than %zu bytes", sizeof m.name - 1);
        memcpy(m.name, e->options.name, strlen(e->options.name) + 1);
    }
    err = ent_wire_seal(e->files.statement, &header, &m, body);
    ent_cleanse(m.secret, sizeof m.secret);
    return err;
}

static enum ent_err send_request(struct ent_enroll *e)
{
    struct ent_enroll_request request = {0};
    struct ent_buf body;
    enum ent_err err;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ent_buf_init(&request.csr, ENT_CSR_DER_MAX_BYTES);
    err = ent_enroll_files_request(&e->files, &request);
    if (err == ENT_E_OK) {
        err = seal_request(e, &request, &body);
    }
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("enroll.asking");
        err = ent_link_send(e->link, e->conn, ENT_MSG_ENROLL_REQUEST, 1, body.data, body.len);
    }
    ent_buf_wipe(&body);
    ent_buf_release(&request.csr);
    return err;
}

/* ---- the answer ---- */

static enum ent_err open_answer(struct ent_enroll *e, const struct ent_link_event *event,
                                struct ent_envelope *envelope)
{
    struct ent_bytes body = {event->body.data, event->body.len};

    ENT_TRY(ent_wire_open(event->type, ENT_SENDER_COORDINATOR, body, &e->arena, envelope));
    ENT_REQUIRE(memcmp(envelope->header.federation, e->options.token.federation,
                       sizeof envelope->header.federation) == 0,
                ENT_E_PROTOCOL, "the answer comes from another federation than the token's");
    return ENT_E_OK;
}

static enum ent_err take_refused(struct ent_enroll *e, const struct ent_envelope *envelope)
{
    struct ent_msg_refused m;

    ENT_TRY(ent_msg_refused_decode(envelope->payload, envelope->payload_len, &e->arena, &m));
    return ent_err_note(ent_err_valid(m.code) && m.code != ENT_E_OK ? (enum ent_err)m.code
                                                                    : ENT_E_TOKEN,
                        "the coordinator refused: %s", m.text);
}

/* The connection was pinned by the token; what it says of the log key is signed by that very key. */
static enum ent_err take_enrolled(struct ent_enroll *e, const struct ent_envelope *envelope,
                                  struct ent_enroll_result *result)
{
    struct ent_msg_enrolled m;

    ENT_TRY(ent_msg_enrolled_decode(envelope->payload, envelope->payload_len, &e->arena, &m));
    ENT_TRY(ent_wire_verify(envelope, m.log_pub));
    ENT_REQUIRE(memcmp(m.federation, e->options.token.federation, sizeof m.federation) == 0 &&
                    memcmp(m.handle, e->options.token.handle, sizeof m.handle) == 0,
                ENT_E_PROTOCOL, "the answer is for another member than the token's");
    ENT_TRY(ent_enroll_files_finish(&e->files, &m, ent_clock_wall(&e->options.clock),
                                    &result->config_written));
    memcpy(result->name, m.name, sizeof result->name);
    memcpy(result->federation_name, m.federation_name, sizeof result->federation_name);
    memcpy(result->address, m.address, sizeof result->address);
    return ENT_E_OK;
}

static enum ent_err take_frame(struct ent_enroll *e, const struct ent_link_event *event, bool *done,
                               struct ent_enroll_result *result)
{
    struct ent_envelope envelope;

    ENT_REQUIRE(event->type == ENT_MSG_ENROLLED || event->type == ENT_MSG_REFUSED, ENT_E_PROTOCOL,
                "the coordinator answered with %s", ent_msg_name(event->type));
    ENT_TRY(open_answer(e, event, &envelope));
    if (event->type == ENT_MSG_REFUSED) {
        return take_refused(e, &envelope);
    }
    ENT_TRY(take_enrolled(e, &envelope, result));
    *done = true;
    return ENT_E_OK;
}

static enum ent_err take_event(struct ent_enroll *e, const struct ent_link_event *event, bool *done,
                               struct ent_enroll_result *result)
{
    if (event->conn != e->conn) {
        return ENT_E_OK;
    }
    switch (event->kind) {
    case ENT_LINK_OPENED:
        return send_request(e);
    case ENT_LINK_FRAME:
        return take_frame(e, event, done, result);
    case ENT_LINK_CLOSED:
        return ent_err_note(
            event->why != ENT_E_OK ? event->why : ENT_E_NET, "%s: %s", e->options.token.address,
            event->text[0] != '\0' ? event->text : "the coordinator closed without an answer");
    default:
        return ENT_E_OK;
    }
}

enum ent_err ent_enroll_step(struct ent_enroll *enroll, bool *done,
                             struct ent_enroll_result *result)
{
    struct ent_link_event event;
    enum ent_err err = ENT_E_OK;

    *done = false;
    while (err == ENT_E_OK && !*done && ent_agent_queue_pop(&enroll->queue, &event)) {
        err = take_event(enroll, &event, done, result);
        ent_link_event_release(&event);
    }
    if (err == ENT_E_OK && !*done && ent_clock_mono(&enroll->options.clock) > enroll->until_ms) {
        return ent_err_note(ENT_E_TIMEOUT, "%s: no answer within %d s",
                            enroll->options.token.address, ANSWER_MAX_MS / 1000);
    }
    return err;
}

/* ---- life ---- */

static void on_link_event(void *ctx, struct ent_link_event *event_take)
{
    ent_agent_queue_push(ctx, event_take);
}

static enum ent_err open_tls(void *ctx, const uint8_t pin[ENT_SHA256_BYTES],
                             ent_link_handler handler, void *handler_ctx, struct ent_link **out)
{
    struct ent_tls_settings settings = {.server_pin = pin};

    (void)ctx;
    return ent_link_nng_new(&settings, NULL, handler, handler_ctx, out);
}

static enum ent_err start(struct ent_enroll *e)
{
    ENT_TRY(ent_token_check_time(&e->options.token, ent_clock_wall(&e->options.clock)));
    ENT_TRY(ent_enroll_files_begin(e->options.dir, &e->files));
    if (e->options.open == NULL) {
        e->options.open = open_tls;
    }
    ENT_TRY(e->options.open(e->options.ctx, e->options.token.listener_sha256, on_link_event,
                            &e->queue, &e->link));
    e->until_ms = ent_clock_mono(&e->options.clock) + ANSWER_MAX_MS;
    return ent_link_dial(e->link, e->options.token.address, &e->conn);
}

enum ent_err ent_enroll_new(const struct ent_enroll_options *options, struct ent_enroll **out)
{
    struct ent_enroll *e;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *e, &e));
    e->options = *options;
    ent_arena_init(&e->arena, ENT_WIRE_ARENA_BYTES);
    err = ent_agent_queue_init(&e->queue);
    if (err != ENT_E_OK) {
        free(e);
        return err;
    }
    err = start(e);
    if (err != ENT_E_OK) {
        ent_enroll_free(e);
        return err;
    }
    *out = e;
    return ENT_E_OK;
}

void ent_enroll_wait(struct ent_enroll *enroll, uint64_t max_ms)
{
    (void)ent_agent_queue_wait(&enroll->queue, max_ms);
}

void ent_enroll_free(struct ent_enroll *enroll)
{
    if (enroll == NULL) {
        return;
    }
    if (enroll->link != NULL) {
        ent_link_free(enroll->link);
    }
    ent_agent_queue_release(&enroll->queue);
    ent_enroll_files_end(&enroll->files);
    ent_arena_release(&enroll->arena);
    ent_token_release(&enroll->options.token);
    free(enroll);
}

enum ent_err ent_enroll_run(const struct ent_enroll_options *options,
                            struct ent_enroll_result *result)
{
    struct ent_enroll *enroll = NULL;
    struct ent_enroll_result made = {0};
    bool done = false;
    enum ent_err err = ent_enroll_new(options, &enroll);

    while (err == ENT_E_OK && !done) {
        ent_enroll_wait(enroll, 100);
        err = ent_enroll_step(enroll, &done, &made);
    }
    ent_enroll_free(enroll);
    if (err == ENT_E_OK) {
        *result = made;
    }
    return err;
}
