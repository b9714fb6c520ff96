#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/log.h"
#include "common/base/mem.h"

/* ---- messages ---- */

void ent_agent_look_up_update(struct ent_agent *agent, struct ent_agent_item *item)
{
    struct ent_attempt at = {item->ev.id.run, item->ev.id.round, item->ev.id.attempt};
    struct ent_state_update update;
    enum ent_err err = ent_state_update_get(agent->state, at, &update);

    item->ev.update = ENT_UPDATE_NONE;
    if (err == ENT_E_OK) {
        item->ev.update = ENT_UPDATE_STORED;
        memcpy(item->ev.stored, update.payload_sha256, sizeof item->ev.stored);
        ent_state_update_release(&update);
    } else if (err != ENT_E_NOT_FOUND) {
        item->ev.update = ENT_UPDATE_DAMAGED;
    }
}

/* Decode, fill the item; an error drops the message. */
typedef enum ent_err take_fn(struct ent_agent *agent, const struct ent_envelope *envelope,
                             struct ent_agent_item *item);

/* Named here, on both sides: a wrong clock breaks certificates long before anybody thinks of it. */
static void name_clock(struct ent_agent *agent, uint64_t coordinator_ms)
{
    uint64_t own_ms = ent_clock_wall(&agent->clock);
    uint64_t apart = own_ms > coordinator_ms ? own_ms - coordinator_ms : coordinator_ms - own_ms;
    char text[ENT_TIME_TEXT_BYTES];

    if (apart > ENT_WIRE_CLOCK_MAX_MS) {
        ent_duration_text(apart, text);
        ent_agent_sayf(agent, ENT_SAY_WARN,
                       "your clock is %s %s (compared with the coordinator's): set it", text,
                       own_ms > coordinator_ms ? "ahead" : "behind");
    }
}

static enum ent_err take_welcome(struct ent_agent *agent, const struct ent_envelope *envelope,
                                 struct ent_agent_item *item)
{
    struct ent_msg_welcome m;

    ENT_TRY(ent_msg_welcome_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    name_clock(agent, m.time_ms);
    ent_agent_take_crl(agent, m.crl);
    ENT_TRY(ent_state_raise_sequence(agent->state, m.last_sequence));
    item->ev.recovering = m.phase == ENT_WIRE_PHASE_RECOVER;
    item->ev.id = (struct ent_session_round){m.run, m.round, m.attempt};
    item->ev.standing =
        m.outcome <= ENT_SEEN_DROPPED ? (enum ent_session_standing)m.outcome : ENT_SEEN_NONE;
    if (m.run != 0) {
        ENT_REQUIRE(m.has_plan, ENT_E_PROTOCOL, "welcome: an active run without a plan");
        memcpy(item->ev.digest, m.plan, sizeof item->ev.digest);
        item->ev.has_plan = ent_agent_plan_here(agent, m.plan);
        ent_agent_look_up_update(agent, item);
    }
    (void)snprintf(item->line, sizeof item->line, "connected to %s as %s",
                   agent->id.federation_name, agent->id.name);
    return ENT_E_OK;
}

static enum ent_err take_refused(struct ent_agent *agent, const struct ent_envelope *envelope,
                                 struct ent_agent_item *item)
{
    struct ent_msg_refused m;

    ENT_TRY(ent_msg_refused_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    item->ev.code = ent_err_valid(m.code) && m.code != 0 ? (enum ent_err)m.code : ENT_E_PROTOCOL;
    item->ev.about = ENT_ABOUT_OTHER;
    if (m.sequence != 0 && m.sequence == agent->join_sequence) {
        item->ev.about = ENT_ABOUT_JOIN;
    } else if (m.sequence != 0 && m.sequence == agent->offer_sequence) {
        item->ev.about = ENT_ABOUT_OFFER;
    } else if (m.sequence != 0 && m.sequence == agent->renew_sequence) {
        item->ev.about = ENT_ABOUT_RENEW;
    }
    name_clock(agent, m.time_ms);
    item->say = ENT_SAY_WARN;
    (void)snprintf(item->line, sizeof item->line, "the coordinator refused: %s (%s)", m.text,
                   ent_err_text(item->ev.code));
    return ENT_E_OK;
}

static enum ent_err take_run_start(struct ent_agent *agent, const struct ent_envelope *envelope,
                                   struct ent_agent_item *item)
{
    struct ent_msg_run_start m;

    ENT_TRY(ent_msg_run_start_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    item->ev.id.run = envelope->header.run;
    memcpy(item->ev.digest, m.plan, sizeof item->ev.digest);
    item->ev.has_plan = ent_agent_plan_here(agent, m.plan);
    if (memcmp(m.selftest, agent->selftest, sizeof m.selftest) != 0) {
        ent_agent_sayf(agent, ENT_SAY_WARN,
                       "the coordinator's arithmetic self-test gives other bytes than this "
                       "machine's: results will not replay here");
    }
    (void)snprintf(item->line, sizeof item->line, "run %u", (unsigned)envelope->header.run);
    return ENT_E_OK;
}

/* The session knows no messages: its numbers are those of the wire. */
_Static_assert((int)ENT_BYTES_PLAN == (int)ENT_OFFER_PLAN &&
                   (int)ENT_BYTES_MODEL == (int)ENT_OFFER_MODEL &&
                   (int)ENT_BYTES_BEST == (int)ENT_OFFER_BEST &&
                   ENT_SESSION_PLAN_MAX_BYTES == ENT_WIRE_PLAN_MAX_BYTES,
               "what is offered");

static enum ent_err take_offer(struct ent_agent *agent, const struct ent_envelope *envelope,
                               struct ent_agent_item *item)
{
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_msg_offer m;

    ENT_TRY(ent_msg_offer_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    item->ev.offer = (enum ent_session_bytes)m.kind;
    item->ev.bytes = m.bytes;
    memcpy(item->ev.digest, m.digest, sizeof item->ev.digest);
    item->ev.has_it = m.kind == ENT_OFFER_PLAN ? ent_agent_plan_here(agent, m.digest)
                                               : ent_agent_model_here(agent, m.digest);
    item->ev.has_content = m.content.len > 0;
    if (!item->ev.has_content || item->ev.has_it) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_sha256(m.content.data, m.content.len, digest));
    ENT_REQUIRE(memcmp(digest, m.digest, sizeof digest) == 0, ENT_E_DIGEST,
                "what was offered is not what came with it");
    return ent_blob_new_copy(m.content.data, m.content.len, &item->content);
}

static enum ent_err take_ack(struct ent_agent *agent, const struct ent_envelope *envelope,
                             struct ent_agent_item *item)
{
    char round[ENT_AGENT_ROUND_TEXT];
    struct ent_msg_ack m;

    ENT_TRY(ent_msg_ack_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_TRY(ent_agent_keep_ack(agent, &envelope->header, &m));
    item->ev.code = ent_err_valid(m.code) ? (enum ent_err)m.code : ENT_E_PROTOCOL;
    memcpy(item->ev.digest, m.digest, sizeof item->ev.digest);
    if (item->ev.code != ENT_E_OK) {
        ent_agent_round_text(agent, round);
        item->say = ENT_SAY_WARN;
        (void)snprintf(item->line, sizeof item->line, "%s: this member's update was rejected: %s",
                       round, ent_err_text(item->ev.code));
    } else if (!m.repeat && agent->payload != NULL) {
        agent->status.n_accepted++;
        agent->status.bytes_sent += ent_blob_len(agent->payload);
    }
    return ENT_E_OK;
}

static enum ent_err keep_metrics(struct ent_agent_item *item, const struct ent_msg_metric *from,
                                 size_t n)
{
    ENT_REQUIRE(n <= ENT_WIRE_METRICS_MAX, ENT_E_PROTOCOL, "%zu metrics", n);
    if (n > 0) {
        memcpy(item->metrics, from, n * sizeof *from);
    }
    return ENT_E_OK;
}

static enum ent_err take_round_close(struct ent_agent *agent, const struct ent_envelope *envelope,
                                     struct ent_agent_item *item)
{
    struct ent_msg_round_close m;

    ENT_TRY(
        ent_msg_round_close_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_TRY(ent_agent_check_round(agent, envelope, m.round_open));
    ENT_TRY(keep_metrics(item, m.metrics, m.n_metrics));
    ENT_TRY(ent_calloc(1, sizeof *item->close, &item->close));
    *item->close = m;
    item->close->metrics = item->metrics;
    item->close->n_outcomes = 0;
    for (size_t i = 0; i < m.n_outcomes; i++) {
        item->close->n_outcomes += m.outcomes[i].standing == ENT_SEEN_ACCEPTED ? 1 : 0;
    }
    item->close->outcomes = NULL; /* only their number is kept */
    item->ev.id = (struct ent_session_round){envelope->header.run, envelope->header.round,
                                             envelope->header.attempt};
    return ENT_E_OK;
}

static enum ent_err take_run_end(struct ent_agent *agent, const struct ent_envelope *envelope,
                                 struct ent_agent_item *item)
{
    char best[64] = "no model was trained, so none comes of it";
    struct ent_msg_run_end m;
    char metrics[128];
    char found[ENT_AGENT_FOUND_TEXT];
    bool trained;

    ENT_TRY(ent_msg_run_end_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_TRY(keep_metrics(item, m.metrics, m.n_metrics));
    item->ev.id.run = envelope->header.run;
    item->ev.code = ent_err_valid(m.code) ? (enum ent_err)m.code : ENT_E_STOPPED;
    ent_agent_metrics_text(item->metrics, m.n_metrics, metrics, sizeof metrics);
    ent_agent_found_of(agent, item->metrics, m.n_metrics, found);
    trained = m.has_best && m.best_round > 0; /* what it started from is no result */
    if (trained) {
        (void)snprintf(best, sizeof best, "best model of training round %u",
                       (unsigned)m.best_round);
    }
    (void)snprintf(item->line, sizeof item->line, "run %u %s; %s%s%s%s", (unsigned)item->ev.id.run,
                   item->ev.code == ENT_E_OK ? "is complete" : "was stopped", best,
                   metrics[0] != '\0' ? "; on test rows " : "", metrics, found);
    if (trained) {
        memcpy(item->ev.digest, m.best, sizeof item->ev.digest);
        item->ev.has_it = ent_agent_model_here(agent, m.best);
    }
    return ENT_E_OK;
}

static enum ent_err take_renewed(struct ent_agent *agent, const struct ent_envelope *envelope,
                                 struct ent_agent_item *item)
{
    struct ent_msg_renewed m;

    (void)item;
    ENT_TRY(ent_msg_renewed_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ent_agent_renewed(agent, &m);
    return ENT_E_OK;
}

/* What the session knows nothing of: done with at once. */
typedef enum ent_err log_fn(struct ent_agent *agent, const struct ent_envelope *envelope);

static const struct taker {
    enum ent_session_event_kind kind;
    take_fn *take;
    log_fn *log;
} takers[ENT_MSG_END_] = {
    [ENT_MSG_WELCOME] = {ENT_SEV_WELCOME, take_welcome, NULL},
    [ENT_MSG_REFUSED] = {ENT_SEV_REFUSED, take_refused, NULL},
    [ENT_MSG_RUN_START] = {ENT_SEV_RUN_START, take_run_start, NULL},
    [ENT_MSG_ROUND_OPEN] = {ENT_SEV_ROUND_OPEN, ent_agent_take_round_open, NULL},
    [ENT_MSG_BEGIN] = {ENT_SEV_BEGIN, ent_agent_take_begin, NULL},
    [ENT_MSG_OFFER] = {ENT_SEV_OFFER, take_offer, NULL},
    [ENT_MSG_ACK] = {ENT_SEV_ACK, take_ack, NULL},
    [ENT_MSG_ROUND_CLOSE] = {ENT_SEV_ROUND_CLOSE, take_round_close, NULL},
    [ENT_MSG_RUN_END] = {ENT_SEV_RUN_END, take_run_end, NULL},
    [ENT_MSG_RENEWED] = {ENT_SEV_RENEWED, take_renewed, NULL},
    [ENT_MSG_LEAVES] = {ENT_SEV_EVENTS, NULL, ent_agent_take_leaves},
    [ENT_MSG_CHECKPOINT] = {ENT_SEV_EVENTS, NULL, ent_agent_take_note},
    [ENT_MSG_PROPOSE] = {ENT_SEV_EVENTS, NULL, ent_agent_take_propose},
    [ENT_MSG_PULL] = {ENT_SEV_EVENTS, NULL, ent_agent_take_pull},
};

/* Everything that the coordinator says in an envelope was signed by the log key that enrolment pinned. */
static enum ent_err open_envelope(struct ent_agent *agent, const struct ent_link_event *event,
                                  struct ent_envelope *envelope)
{
    struct ent_bytes body = {event->body.data, event->body.len};

    ENT_TRY(ent_wire_open(event->type, ENT_SENDER_COORDINATOR, body, &agent->arena, envelope));
    ENT_REQUIRE(memcmp(envelope->header.federation, agent->id.federation,
                       sizeof envelope->header.federation) == 0,
                ENT_E_PROTOCOL, "%s: of another federation", ent_msg_name(event->type));
    if (agent->log_key.key == NULL) {
        ENT_TRY(ent_wire_signer_init(&agent->log_key, agent->id.log_pub));
    }
    return ent_wire_verify_by(envelope, &agent->log_key);
}

static enum ent_err take_envelope(struct ent_agent *agent, const struct ent_link_event *event,
                                  struct ent_agent_item *item)
{
    struct ent_envelope envelope;

    ENT_TRY(open_envelope(agent, event, &envelope));
    return takers[event->type].take(agent, &envelope, item);
}

static enum ent_err take_log(struct ent_agent *agent, const struct ent_link_event *event)
{
    struct ent_envelope envelope;

    ENT_TRY(open_envelope(agent, event, &envelope));
    ENT_REQUIRE(agent->session.line == ENT_LINE_UP, ENT_E_PHASE, "%s: before the welcome",
                ent_msg_name(event->type));
    return takers[event->type].log(agent, &envelope);
}

static enum ent_err take_bare(struct ent_agent *agent, const struct ent_link_event *event,
                              struct ent_agent_item *item)
{
    char round[ENT_AGENT_ROUND_TEXT];
    struct ent_msg_abort abort_msg;
    struct ent_msg_bye bye;
    struct ent_msg_go go;

    switch (event->type) {
    case ENT_MSG_GO:
        ENT_TRY(ent_msg_go_decode(event->body.data, event->body.len, &agent->arena, &go));
        item->ev.kind = ENT_SEV_GO;
        item->ev.offset = go.offset;
        return ENT_E_OK;
    case ENT_MSG_ABORT:
        ENT_TRY(ent_msg_abort_decode(event->body.data, event->body.len, &agent->arena, &abort_msg));
        item->ev.kind = ENT_SEV_ABORT;
        item->ev.id =
            (struct ent_session_round){agent->session.id.run, abort_msg.round, abort_msg.attempt};
        ent_agent_round_text(agent, round);
        (void)snprintf(item->line, sizeof item->line, "%s: attempt %u was called off: %s", round,
                       (unsigned)abort_msg.attempt,
                       ent_err_text(ent_err_valid(abort_msg.code) ? (enum ent_err)abort_msg.code
                                                                  : ENT_E_STALE));
        return ENT_E_OK;
    case ENT_MSG_BYE:
        ENT_TRY(ent_msg_bye_decode(event->body.data, event->body.len, &agent->arena, &bye));
        item->ev.kind = ENT_SEV_BYE;
        item->ev.code = ent_err_valid(bye.code) ? (enum ent_err)bye.code : ENT_E_STOPPED;
        if (item->ev.code == ENT_E_BUSY) {
            item->say = ENT_SAY_WARN;
            (void)snprintf(item->line, sizeof item->line,
                           "another connection of %s took over: is it running twice?",
                           agent->id.name);
        }
        return ENT_E_OK;
    default:
        return ent_err_note(ENT_E_PROTOCOL, "frame type %u is no message of the coordinator",
                            (unsigned)event->type);
    }
}

static enum ent_err take_item(struct ent_agent *agent, const struct ent_link_event *event)
{
    bool enveloped = event->type < ENT_MSG_END_ && takers[event->type].take != NULL;
    struct ent_agent_item *item =
        ent_agent_item(agent, enveloped ? takers[event->type].kind : ENT_SEV_BYE);
    enum ent_err err;

    if (item == NULL) {
        return ENT_E_OK; /* said, and the agent stops */
    }
    item->ev.request = event->request;
    err = enveloped ? take_envelope(agent, event, item) : take_bare(agent, event, item);
    if (err != ENT_E_OK) {
        ent_agent_item_free(item);
        return err;
    }
    ent_agent_push_last(agent, item);
    return ENT_E_OK;
}

static void take_frame(struct ent_agent *agent, const struct ent_link_event *event)
{
    bool log = event->type < ENT_MSG_END_ && takers[event->type].log != NULL;
    enum ent_err err;

    ent_arena_clear(&agent->arena);
    agent->frame = (struct ent_bytes){event->body.data, event->body.len};
    err = log ? take_log(agent, event) : take_item(agent, event);
    agent->frame = (struct ent_bytes){0};
    if (err != ENT_E_OK) {
        ent_log_warn("dropped a message of the coordinator: %s", ent_err_message());
    }
}

/* ---- link events ---- */

static void take_closed(struct ent_agent *agent, const struct ent_link_event *event)
{
    struct ent_agent_item *item = ent_agent_item(agent, ENT_SEV_CLOSED);

    if (item == NULL) {
        return;
    }
    item->ev.code = event->why;
    if (event->why == ENT_E_REVOKED && strstr(event->text, "refused") != NULL) { /* not its own */
        item->say = ENT_SAY_WARN;
        (void)snprintf(item->line, sizeof item->line,
                       "not connected: certificate revoked: this member was revoked; ask the "
                       "operator of the federation");
    } else if (event->why != ENT_E_OK && event->why != ENT_E_STOPPED) {
        item->say = ENT_SAY_WARN;
        (void)snprintf(item->line, sizeof item->line, "not connected: %s",
                       event->text[0] != '\0' ? event->text : ent_err_text(event->why));
    }
    ent_agent_push_last(agent, item);
}

void ent_agent_take_event(struct ent_agent *agent, struct ent_link_event *event)
{
    struct ent_agent_item *item;

    if (event->conn != agent->conn || agent->conn == 0) {
        return; /* of a connection that was given up */
    }
    switch (event->kind) {
    case ENT_LINK_OPENED:
        memcpy(agent->exporter, event->peer->exporter, sizeof agent->exporter);
        item = ent_agent_item(agent, ENT_SEV_OPENED);
        if (item != NULL) {
            ent_agent_push_last(agent, item);
        }
        break;
    case ENT_LINK_FRAME:
        take_frame(agent, event);
        break;
    case ENT_LINK_RECEIVED:
        ent_agent_fetched(agent, event->sink, event->request);
        break;
    case ENT_LINK_CLOSED:
        take_closed(agent, event);
        break;
    default: /* SENT: in the kernel, not received; only an ACK counts */
        break;
    }
}
