#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/hooks.h"
#include "common/base/log.h"

/* Write-ahead: the number is stored before it is used. */
enum ent_err ent_agent_header(struct ent_agent *agent, enum ent_msg_type type,
                              struct ent_header *out)
{
    struct ent_header header = {.from_member = true, .type = type};
    bool in_round = type == ENT_MSG_JOIN || type == ENT_MSG_DECLINE || type == ENT_MSG_LOST ||
                    type == ENT_MSG_UPDATE || type == ENT_MSG_FIGURES;

    memcpy(header.federation, agent->id.federation, sizeof header.federation);
    memcpy(header.sender, agent->id.handle, sizeof header.sender);
    if (in_round) {
        header.run = agent->session.id.run;
        header.round = agent->session.id.round;
        header.attempt = agent->session.id.attempt;
    }
    ENT_TRY(ent_state_next_sequence(agent->state, &header.sequence));
    *out = header;
    return ENT_E_OK;
}

/* A send that fails has lost its connection: CLOSED follows and the session goes on from there. */
static void give(struct ent_agent *agent, enum ent_msg_type type, uint64_t request,
                 const struct ent_buf *body)
{
    if (ent_link_send(agent->link, agent->conn, (uint8_t)type, request, body->data, body->len) !=
        ENT_E_OK) {
        ent_log_debug("%s was not sent: %s", ent_msg_name(type), ent_err_message());
    }
}

/* The log will repeat it. */
static enum ent_err note_signed(struct ent_agent *agent, enum ent_msg_type type,
                                const struct ent_buf *body)
{
    struct ent_envelope sealed;

    ent_arena_clear(&agent->arena);
    ENT_TRY(ent_wire_open(type, ENT_SENDER_MEMBER, (struct ent_bytes){body->data, body->len},
                          &agent->arena, &sealed));
    return ent_mirror_signed(agent->mirror,
                             (struct ent_bytes){sealed.header_bytes, sealed.header_len},
                             sealed.payload_sha256, sealed.signature);
}

enum ent_err ent_agent_send(struct ent_agent *agent, enum ent_msg_type type, const void *message,
                            uint64_t *sequence)
{
    struct ent_header header;
    struct ent_buf body;
    enum ent_err err;

    ENT_TRY(ent_agent_header(agent, type, &header));
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = ent_wire_seal(agent->id.statement, &header, message, &body);
    if (err == ENT_E_OK && type == ENT_MSG_JOIN) {
        err = note_signed(agent, type, &body);
    }
    if (err == ENT_E_OK) {
        if (sequence != NULL) {
            *sequence = header.sequence;
        }
        give(agent, type, header.sequence, &body);
    }
    ent_buf_release(&body);
    return err;
}

static void send_or_fail(struct ent_agent *agent, enum ent_msg_type type, const void *message,
                         uint64_t *sequence)
{
    enum ent_err err = ent_agent_send(agent, type, message, sequence);

    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
}

void ent_agent_send_hello(struct ent_agent *agent)
{
    struct ent_msg_hello m = {.protocol_min = ENT_WIRE_PROTOCOL_MIN,
                              .protocol_max = ENT_WIRE_PROTOCOL_MAX,
                              .time_ms = ent_clock_wall(&agent->clock)};
    uint8_t held[ENT_WIRE_MODELS_HELD_MAX][ENT_SHA256_BYTES];
    enum ent_err err;

    memcpy(m.exporter, agent->exporter, sizeof m.exporter);
    (void)snprintf(m.build, sizeof m.build, "entente-client %s", ENT_VERSION);
    err = ent_state_models_held(agent->state, held, ENT_WIRE_MODELS_HELD_MAX, &m.n_models_held);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return;
    }
    m.n_models_held =
        m.n_models_held < ENT_WIRE_MODELS_HELD_MAX ? m.n_models_held : ENT_WIRE_MODELS_HELD_MAX;
    m.models_held = held;
    m.has_run_plan = agent->session.has_run || agent->session.wants_best;
    m.has_run_plan = m.has_run_plan && agent->session.has_plan;
    memcpy(m.run_plan, agent->session.plan, sizeof m.run_plan);
    m.seen_size = ent_mirror_head(agent->mirror)->tree.size;
    m.has_seen_root = m.seen_size > 0;
    memcpy(m.seen_root, ent_mirror_head(agent->mirror)->root, sizeof m.seen_root);
    send_or_fail(agent, ENT_MSG_HELLO, &m, NULL);
}

void ent_agent_send_join(struct ent_agent *agent, bool has_base)
{
    const struct ent_state_log *head = ent_mirror_head(agent->mirror);
    struct ent_msg_join m = {.has_base = has_base};
    enum ent_err err;

    memcpy(m.round_open, agent->open->hash, sizeof m.round_open);
    err = ent_state_nonce_join(agent->state, &agent->csprng, ent_agent_attempt(agent), m.nonce,
                               m.next_commit, &m.has_nonce);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return;
    }
    ent_link_hold(agent->link, agent->conn, true); /* cosignature and join go out together */
    ent_agent_settle_log(agent);                   /* the nonce's commit was the head's too */
    m.seen_size = head->tree.size;
    m.has_seen_root = m.seen_size > 0;
    memcpy(m.seen_root, head->root, sizeof m.seen_root);
    ENT_HOOK_POINT("agent.join");
    send_or_fail(agent, ENT_MSG_JOIN, &m, &agent->join_sequence);
    ent_link_hold(agent->link, agent->conn, false);
}

void ent_agent_send_decline(struct ent_agent *agent, enum ent_err code)
{
    struct ent_msg_decline m = {.code = code};

    if (agent->open == NULL) {
        return;
    }
    memcpy(m.round_open, agent->open->hash, sizeof m.round_open);
    ent_wire_text(m.text,
                  agent->decline_text[0] != '\0' ? agent->decline_text : ent_err_text(code));
    m.kind = agent->refusal != ENT_REFUSAL_NOT_SAID ? agent->refusal : ent_agent_refusal_of(code);
    agent->decline_text[0] = '\0';
    agent->refusal = ENT_REFUSAL_NOT_SAID;
    m.has_salt = ent_csprng_bytes(&agent->csprng, m.salt, sizeof m.salt) == ENT_E_OK;
    send_or_fail(agent, ENT_MSG_DECLINE, &m, &agent->join_sequence);
}

void ent_agent_send_lost(struct ent_agent *agent)
{
    struct ent_state_update update;
    struct ent_msg_lost m = {0};
    char round[ENT_AGENT_ROUND_TEXT];

    /* After a restart only the stored row may know the opening; without either the coordinator's deadline speaks. */
    if (agent->open != NULL && agent->open->msg.round == agent->session.id.round) {
        memcpy(m.round_open, agent->open->hash, sizeof m.round_open);
    } else if (ent_state_update_get(agent->state, ent_agent_attempt(agent), &update) == ENT_E_OK) {
        memcpy(m.round_open, update.round_open, sizeof m.round_open);
        ent_state_update_release(&update);
    }
    ent_agent_round_text(agent, round);
    ent_agent_sayf(agent, ENT_SAY_WARN,
                   "%s: the stored update of this attempt is gone; this member sits it out", round);
    send_or_fail(agent, ENT_MSG_LOST, &m, NULL);
}

/* A small payload goes inside. */
static enum ent_err offer_body(struct ent_agent *agent, const struct ent_state_update *update,
                               struct ent_buf *out)
{
    struct ent_bytes sealed = {update->header, update->header_len};
    struct ent_bytes payload = {ent_blob_bytes(update->payload), ent_blob_len(update->payload)};

    if (payload.len > ENT_WIRE_INLINE_MAX_BYTES || agent->options.no_inline) {
        return ent_buf_add(out, sealed.data, sealed.len);
    }
    ent_arena_clear(&agent->arena);
    return ent_wire_put_payload(sealed, payload, &agent->arena, out);
}

/* The envelope stands in the state as it was sealed: it goes out again byte for byte. */
void ent_agent_send_offer(struct ent_agent *agent)
{
    struct ent_state_update update;
    enum ent_err err = ent_state_update_get(agent->state, ent_agent_attempt(agent), &update);
    struct ent_buf body;

    if (err == ENT_E_LOST || err == ENT_E_NOT_FOUND) {
        ent_agent_send_lost(agent);
        return;
    }
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return;
    }
    ent_blob_unref(agent->payload);
    agent->payload = ent_blob_ref(update.payload);
    agent->offer_sequence = update.sequence;
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = offer_body(agent, &update, &body);
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("agent.stored");
        give(agent, ENT_MSG_UPDATE, update.sequence, &body);
        ENT_HOOK_POINT("agent.offered");
    } else {
        ent_agent_fail(agent, err);
    }
    ent_buf_release(&body);
    ent_state_update_release(&update);
}

void ent_agent_send_bytes(struct ent_agent *agent, uint64_t request, uint64_t offset)
{
    if (agent->payload == NULL || offset > ent_blob_len(agent->payload)) {
        ent_log_warn("the coordinator granted an upload from byte %llu on, which is not there",
                     (unsigned long long)offset);
        return;
    }
    if (ent_link_send_blob(agent->link, agent->conn, request, agent->payload, offset) != ENT_E_OK) {
        ent_log_debug("upload not sent: %s", ent_err_message());
    }
    ENT_HOOK_POINT("agent.uploading");
}

enum ent_err ent_agent_send_bare(struct ent_agent *agent, enum ent_msg_type type, uint64_t request,
                                 const void *message)
{
    struct ent_buf body;
    enum ent_err err;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = ent_msg_encode(type, message, &body);
    if (err == ENT_E_OK) {
        give(agent, type, request, &body);
    }
    ent_buf_release(&body);
    return err;
}

void ent_agent_send_go(struct ent_agent *agent, uint64_t request, uint64_t offset)
{
    struct ent_msg_go m = {.offset = offset};
    enum ent_err err = ent_agent_send_bare(agent, ENT_MSG_GO, request, &m);

    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
}

void ent_agent_send_bye(struct ent_agent *agent)
{
    struct ent_msg_bye m = {.code = ENT_E_OK};

    if (ent_agent_send_bare(agent, ENT_MSG_BYE, 0, &m) != ENT_E_OK) {
        ent_log_debug("bye: %s", ent_err_message());
    }
}
