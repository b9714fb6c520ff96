/* Members on the line: HELLO, questions, answers. Everything is verified as `serve` does it; nothing is stored. */
#include "coordinator/engine/recover_peer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define ANSWER_MS 15000 /* to one question */
#define QUEUE_FRAMES 4096
#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)
#define LINE_MAX 1024
#define IDLE_STEP_MS 200

void ent_recover_say(struct ent_recovery *r, const char *fmt, ...)
{
    char line[LINE_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (r->options.say != NULL) {
        r->options.say(r->options.ctx, line);
    } else {
        ent_log_info("%s", line);
    }
}

/* ---- sending ---- */

static enum ent_err send_to(struct ent_recovery *r, ent_conn_id conn, enum ent_msg_type type,
                            const void *message)
{
    struct ent_header header = {.type = type, .sequence = r->sequence++};
    struct ent_buf body;
    enum ent_err err;

    memcpy(header.federation, r->home->issuer.federation, sizeof header.federation);
    ent_buf_init(&body, ENT_FRAME_CONTROL_MAX_BYTES);
    err = ent_wire_seal(r->home->log_key, &header, message, &body);
    if (err == ENT_E_OK) {
        err = ent_link_send(r->main, conn, (uint8_t)type, 0, body.data, body.len);
    }
    ent_buf_release(&body);
    return err;
}

static void refuse(struct ent_recovery *r, ent_conn_id conn, enum ent_err code)
{
    struct ent_msg_refused m = {.code = code, .time_ms = ent_clock_wall(&r->options.clock)};

    ent_wire_text(m.text, ent_err_message());
    if (send_to(r, conn, ENT_MSG_REFUSED, &m) != ENT_E_OK) {
        ent_log_debug("a refusal was not sent: %s", ent_err_message());
    }
    ent_link_close(r->main, conn, true);
}

static enum ent_err welcome(struct ent_recovery *r, const struct ent_recover_peer *p)
{
    struct ent_msg_welcome w = {.time_ms = ent_clock_wall(&r->options.clock),
                                .protocol = ENT_WIRE_PROTOCOL_MAX,
                                .last_sequence = p->member.last_sequence,
                                .phase = ENT_WIRE_PHASE_RECOVER,
                                .idle_ms = (uint32_t)r->home->config->idle_ms};

    if (r->home->crl.len <= ENT_WIRE_CRL_MAX_BYTES) {
        w.crl = (struct ent_bytes){r->home->crl.data, r->home->crl.len};
    }
    ent_link_admit(r->main, p->conn);
    return send_to(r, p->conn, ENT_MSG_WELCOME, &w);
}

/* ---- who is there ---- */

static struct ent_recover_peer *peer_of_conn(struct ent_recovery *r, ent_conn_id conn)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].conn == conn) {
            return &r->peers[i];
        }
    }
    return NULL;
}

static struct ent_recover_peer *peer_of_handle(struct ent_recovery *r, const uint8_t *handle)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        if (memcmp(r->peers[i].member.handle, handle, ENT_HANDLE_BYTES) == 0) {
            return &r->peers[i];
        }
    }
    return NULL;
}

static struct ent_recover_stranger *stranger(struct ent_recovery *r, ent_conn_id conn)
{
    for (size_t i = 0; i < r->n_strangers; i++) {
        if (r->strangers[i].conn == conn) {
            return &r->strangers[i];
        }
    }
    return NULL;
}

static void forget(struct ent_recovery *r, ent_conn_id conn)
{
    struct ent_recover_stranger *s = stranger(r, conn);
    struct ent_recover_peer *p = peer_of_conn(r, conn);

    if (s != NULL) {
        *s = r->strangers[--r->n_strangers];
    }
    if (p != NULL) {
        p->conn = 0;
    }
}

static enum ent_err opened(struct ent_recovery *r, const struct ent_link_event *event)
{
    ENT_TRY(ent_grow(&r->strangers, &r->cap_strangers, r->n_strangers + 1, sizeof *r->strangers));
    r->strangers[r->n_strangers++] =
        (struct ent_recover_stranger){.conn = event->conn, .peer = *event->peer};
    return ENT_E_OK;
}

/* ---- HELLO ---- */

static enum ent_err check_hello(struct ent_recovery *r, const struct ent_recover_stranger *s,
                                const struct ent_envelope *env, struct ent_msg_hello *hello,
                                struct ent_recover_peer **out)
{
    uint8_t handle[ENT_HANDLE_BYTES];
    struct ent_recover_peer *p;

    ENT_REQUIRE(env->header.type == ENT_MSG_HELLO, ENT_E_PROTOCOL,
                "the first message must be HELLO");
    ENT_REQUIRE(memcmp(env->header.federation, r->home->issuer.federation, ENT_FEDERATION_BYTES) ==
                    0,
                ENT_E_UNKNOWN_MEMBER, "the message is for another federation");
    ENT_TRY(ent_certs_member_of_uri(s->peer.uri, r->home->issuer.federation, handle));
    ENT_REQUIRE(memcmp(handle, env->header.sender, sizeof handle) == 0, ENT_E_UNKNOWN_MEMBER,
                "the message says it is from another member than the connection's certificate");
    p = peer_of_handle(r, handle);
    /* It may have enrolled behind the copy that is recovered: not for good. */
    ENT_REQUIRE(p != NULL, ENT_E_BUSY,
                "the coordinator recovers its log and does not know this member yet");
    ENT_REQUIRE(p->member.state != ENT_MEMBER_REVOKED, ENT_E_BUSY,
                "the coordinator recovers its log, in which this member was revoked");
    if (p->signer.key == NULL) {
        ENT_TRY(ent_wire_signer_init(&p->signer, p->member.keys.statement_pub));
    }
    ENT_TRY(ent_wire_verify_by(env, &p->signer));
    ENT_TRY(ent_msg_hello_decode(env->payload, env->payload_len, &r->arena, hello));
    ENT_REQUIRE(memcmp(hello->exporter, s->peer.exporter, ENT_EXPORTER_BYTES) == 0, ENT_E_REPLAY,
                "this HELLO was made for another connection");
    *out = p;
    return ENT_E_OK;
}

static enum ent_err on_hello(struct ent_recovery *r, const struct ent_recover_stranger *s,
                             const struct ent_envelope *env)
{
    struct ent_recover_peer *p = NULL;
    struct ent_msg_hello hello;
    ent_conn_id conn = s->conn;

    ENT_TRY(check_hello(r, s, env, &hello, &p));
    if (p->conn != 0 && p->conn != conn) {
        ent_link_close(r->main, p->conn, false);
    }
    forget(r, conn);
    p->conn = conn;
    if (!p->heard || p->seen_size != hello.seen_size) {
        ent_recover_say(r, "%s is here: it has seen %llu leaves of the log", p->member.name,
                        (unsigned long long)hello.seen_size);
    }
    p->heard = true;
    p->seen_size = hello.seen_size;
    memcpy(p->seen_root, hello.seen_root, sizeof p->seen_root);
    return welcome(r, p);
}

/* ---- frames ---- */

static enum ent_err on_answer(struct ent_recover_peer *p, const struct ent_envelope *env)
{
    ENT_REQUIRE(memcmp(env->header.sender, p->member.handle, ENT_HANDLE_BYTES) == 0,
                ENT_E_UNKNOWN_MEMBER, "the sender changed within a connection");
    ENT_TRY(ent_wire_verify_by(env, &p->signer));
    if (env->header.type != ENT_MSG_LEAVES && env->header.type != ENT_MSG_PIECE) {
        return ENT_E_OK; /* of a round: not now */
    }
    ent_buf_clear(&p->reply);
    ENT_TRY(ent_buf_add(&p->reply, env->payload, env->payload_len));
    p->reply_type = (uint8_t)env->header.type;
    return ENT_E_OK;
}

static void on_frame(struct ent_recovery *r, const struct ent_link_event *event)
{
    const struct ent_msg_info *info = ent_msg_info(event->type);
    struct ent_recover_peer *p = peer_of_conn(r, event->conn);
    struct ent_recover_stranger *s = stranger(r, event->conn);
    struct ent_envelope env;
    enum ent_err err;

    if (info == NULL || !info->enveloped) {
        if (event->type == ENT_MSG_BYE) {
            ent_link_close(r->main, event->conn, true);
        }
        return;
    }
    ent_arena_release(&r->arena);
    ent_arena_init(&r->arena, ENT_WIRE_ARENA_BYTES);
    err = ent_wire_open(event->type, ENT_SENDER_MEMBER,
                        (struct ent_bytes){event->body.data, event->body.len}, &r->arena, &env);
    if (err == ENT_E_OK && p != NULL) {
        err = on_answer(p, &env);
    } else if (err == ENT_E_OK && s != NULL) {
        err = on_hello(r, s, &env);
    }
    if (err != ENT_E_OK) {
        refuse(r, event->conn, err);
    }
}

/* ---- the line ---- */

void ent_recovery_on_main(void *ctx, struct ent_link_event *event_take)
{
    struct ent_recovery *r = ctx;

    if (ent_queue_put_event(&r->queue, ENT_ITEM_MAIN, event_take) != ENT_E_OK) {
        if (r->main != NULL) {
            ent_link_close(r->main, event_take->conn, false);
        }
        ent_link_event_release(event_take);
    }
}

enum ent_err ent_recover_step(struct ent_recovery *r, uint64_t max_ms)
{
    struct ent_item *item;
    enum ent_err err = ENT_E_OK;

    if (r->options.idle != NULL) {
        r->options.idle(r->options.ctx);
    } else {
        ent_queue_wait(&r->queue, max_ms);
    }
    item = ent_queue_take(&r->queue);
    while (item != NULL) {
        struct ent_item *next = item->next;

        if (err == ENT_E_OK && item->event.kind == ENT_LINK_OPENED) {
            err = opened(r, &item->event);
        } else if (item->event.kind == ENT_LINK_FRAME) {
            on_frame(r, &item->event);
        } else if (item->event.kind == ENT_LINK_CLOSED) {
            forget(r, item->event.conn);
        }
        ent_queue_item_free(item);
        item = next;
    }
    return err;
}

enum ent_err ent_recover_ask(struct ent_recovery *r, struct ent_recover_peer *p,
                             const struct ent_msg_pull *pull)
{
    uint64_t until = ent_clock_mono(&r->options.clock) + ANSWER_MS;

    ENT_REQUIRE(p->conn != 0, ENT_E_DROPPED, "%s is gone", p->member.name);
    p->reply_type = 0;
    ENT_TRY(send_to(r, p->conn, ENT_MSG_PULL, pull));
    while (p->reply_type == 0) {
        ENT_REQUIRE(p->conn != 0, ENT_E_DROPPED, "%s is gone", p->member.name);
        ENT_REQUIRE(ent_clock_mono(&r->options.clock) < until, ENT_E_TIMEOUT,
                    "%s did not answer in time", p->member.name);
        ENT_TRY(ent_recover_step(r, IDLE_STEP_MS));
    }
    return ENT_E_OK;
}

static enum ent_err piece_of(struct ent_recovery *r, const struct ent_recover_peer *p,
                             const struct ent_msg_pull *pull, struct ent_msg_piece *m)
{
    ENT_REQUIRE(p->reply_type == ENT_MSG_PIECE, ENT_E_PROTOCOL, "%s answers something else",
                p->member.name);
    ent_arena_release(&r->arena);
    ent_arena_init(&r->arena, ENT_WIRE_ARENA_BYTES);
    ENT_TRY(ent_msg_piece_decode(p->reply.data, p->reply.len, &r->arena, m));
    ENT_REQUIRE(m->total > 0, ENT_E_NOT_FOUND, "%s does not have it", p->member.name);
    ENT_REQUIRE(m->kind == pull->kind && m->has_digest == pull->has_digest &&
                    memcmp(m->digest, pull->digest, sizeof m->digest) == 0 &&
                    m->offset == pull->offset && m->bytes.len > 0 && m->total >= m->offset &&
                    m->bytes.len <= m->total - m->offset,
                ENT_E_PROTOCOL, "%s answers another question", p->member.name);
    return ENT_E_OK;
}

enum ent_err ent_recover_pull(struct ent_recovery *r, struct ent_recover_peer *p,
                              enum ent_pull_kind kind, const uint8_t *digest,
                              ent_recover_write_fn write, void *ctx)
{
    struct ent_msg_pull pull = {.kind = kind, .has_digest = digest != NULL};
    struct ent_msg_piece m;
    uint64_t total = 0;

    if (digest != NULL) {
        memcpy(pull.digest, digest, sizeof pull.digest);
    }
    do {
        ENT_TRY(ent_recover_ask(r, p, &pull));
        ENT_TRY(piece_of(r, p, &pull, &m));
        ENT_REQUIRE(total == 0 || m.total == total, ENT_E_PROTOCOL, "%s changes its mind",
                    p->member.name);
        total = m.total;
        ENT_TRY(write(ctx, m.bytes.data, m.bytes.len));
        pull.offset += m.bytes.len;
    } while (pull.offset < total);
    return ENT_E_OK;
}

void ent_recover_bye(struct ent_recovery *r)
{
    struct ent_msg_bye m = {.code = ENT_E_STOPPED};
    struct ent_buf body;
    enum ent_err err;

    ent_buf_init(&body, ENT_FRAME_CONTROL_MAX_BYTES);
    err = ent_msg_bye_encode(&m, &body);
    for (size_t i = 0; i < r->n_peers && err == ENT_E_OK; i++) {
        if (r->peers[i].conn == 0) {
            continue;
        }
        if (ent_link_send(r->main, r->peers[i].conn, ENT_MSG_BYE, 0, body.data, body.len) !=
            ENT_E_OK) {
            ent_log_debug("%s is gone already", r->peers[i].member.name);
        }
        ent_link_close(r->main, r->peers[i].conn, true);
    }
    ent_buf_release(&body);
}

/* ---- life ---- */

static enum ent_err load_peers(struct ent_recovery *r)
{
    struct ent_store_member *roster = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_store_roster(r->store, &roster, &n));
    err = ent_calloc(n + 1, sizeof *r->peers, &r->peers);
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        if (roster[i].index != ENT_ROUND_NO_MEMBER) {
            struct ent_recover_peer *p = &r->peers[r->n_peers++];

            p->member = roster[i];
            ent_buf_init(&p->note, ENT_NOTE_MAX_BYTES);
            ent_buf_init(&p->reply, ENT_FRAME_CONTROL_MAX_BYTES);
        }
    }
    free(roster);
    return err;
}

enum ent_err ent_recovery_new(const struct ent_recovery_options *options, struct ent_recovery **out)
{
    struct ent_recovery *r = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *r, &r));
    r->options = *options;
    r->home = options->home;
    r->store = options->home->store;
    r->sequence = ent_clock_wall(&options->clock);
    ent_arena_init(&r->arena, ENT_WIRE_ARENA_BYTES);
    err = ent_queue_init(&r->queue, QUEUE_FRAMES, QUEUE_BYTES);
    if (err != ENT_E_OK) {
        free(r);
        return err;
    }
    err = ent_store_log_genesis(r->store, &r->genesis);
    if (err == ENT_E_OK) {
        err = load_peers(r);
    }
    if (err != ENT_E_OK) {
        ent_recovery_free(r);
        return err;
    }
    *out = r;
    return ENT_E_OK;
}

void ent_recovery_attach(struct ent_recovery *recovery, struct ent_link *main)
{
    recovery->main = main;
}

void ent_recovery_free(struct ent_recovery *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n_peers; i++) {
        ent_wire_signer_release(&r->peers[i].signer);
        ent_buf_release(&r->peers[i].note);
        ent_buf_release(&r->peers[i].reply);
    }
    ent_queue_release(&r->queue);
    ent_arena_release(&r->arena);
    ent_buf_release(&r->leaves.bundle);
    ent_buf_release(&r->plans);
    free(r->strangers);
    free(r->peers);
    free(r);
}
