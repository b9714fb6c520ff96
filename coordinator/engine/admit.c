/* What a member sent, before the machine hears of it: length and form, sender, certificate, signature, sequence, then
 * content. Every refusal is counted by its cause and answered with a sentence. */
#include <string.h>

#include "common/base/hooks.h"
#include "coordinator/engine/state.h"

void ent_refusal_count(struct ent_engine *e, uint32_t member, enum ent_err cause)
{
    if (member < e->n_members) {
        e->member_refused[member][cause]++;
    } else {
        e->refused[cause]++;
    }
    e->refusals_dirty = true;
}

/* Refuse and hang up: for whoever did not prove who it is, or broke the protocol. */
static void reject(struct ent_engine *e, struct ent_conn *conn, enum ent_err code,
                   uint64_t sequence)
{
    ent_message_refuse(e, conn, code, sequence, ent_err_message());
    ent_post_close(e, conn);
}

/* ---- sender ---- */

static enum ent_err find_sender(const struct ent_engine *e, const struct ent_conn *conn,
                                const struct ent_envelope *env, uint32_t *out)
{
    uint8_t handle[ENT_HANDLE_BYTES];
    uint32_t member;

    ENT_REQUIRE(memcmp(env->header.federation, e->home->issuer.federation, ENT_FEDERATION_BYTES) ==
                    0,
                ENT_E_UNKNOWN_MEMBER, "the message is for another federation");
    ENT_TRY(ent_certs_member_of_uri(conn->peer.uri, e->home->issuer.federation, handle));
    member = ent_members_find(e, env->header.sender);
    ENT_REQUIRE(member != ENT_NO_MEMBER, ENT_E_UNKNOWN_MEMBER,
                "the sender is not enrolled in this federation");
    ENT_REQUIRE(memcmp(handle, env->header.sender, sizeof handle) == 0, ENT_E_UNKNOWN_MEMBER,
                "the message says it is from another member than the connection's certificate");
    ENT_REQUIRE(!e->members[member].revoked, ENT_E_REVOKED,
                "this member was revoked; ask the operator of the federation");
    ENT_REQUIRE(conn->member == ENT_NO_MEMBER || conn->member == member, ENT_E_UNKNOWN_MEMBER,
                "the sender changed within a connection");
    *out = member;
    return ENT_E_OK;
}

/* ---- HELLO ---- */

static void name_clock(struct ent_engine *e, uint32_t member, uint64_t time_ms)
{
    bool behind = time_ms < e->wall_ms;
    uint64_t off = behind ? e->wall_ms - time_ms : time_ms - e->wall_ms;
    char text[ENT_TIME_TEXT_BYTES];

    if (off <= ENT_WIRE_CLOCK_MAX_MS) {
        return;
    }
    ent_refusal_count(e, member, ENT_E_CLOCK);
    if (!ent_engine_may_say_of(e, member)) {
        return;
    }
    /* WELCOME carries our time, so that the member names it too. */
    ent_duration_text(off, text);
    ent_engine_say(e, ENT_SAY_TROUBLE, "%s: its clock is %s %s ours", e->members[member].name, text,
                   behind ? "behind" : "ahead of");
}

static enum ent_err check_hello(const struct ent_conn *conn, const struct ent_msg_hello *hello)
{
    ENT_REQUIRE(memcmp(hello->exporter, conn->peer.exporter, ENT_EXPORTER_BYTES) == 0, ENT_E_REPLAY,
                "this HELLO was made for another connection");
    ENT_REQUIRE(
        hello->protocol_max >= ENT_WIRE_PROTOCOL_MIN &&
            hello->protocol_min <= ENT_WIRE_PROTOCOL_MAX,
        ENT_E_VERSION,
        "the coordinator speaks protocol %d to %d, the member %u to %u: update the older one",
        ENT_WIRE_PROTOCOL_MIN, ENT_WIRE_PROTOCOL_MAX, (unsigned)hello->protocol_min,
        (unsigned)hello->protocol_max);
    return ENT_E_OK;
}

static void welcome(struct ent_engine *e, struct ent_conn *conn, uint32_t member,
                    const struct ent_msg_hello *hello)
{
    struct ent_conn *older = ent_conns_of(e, member);
    struct ent_event up;

    if (older != NULL && older != conn) {
        if (ent_engine_may_say_of(e, member)) {
            /* An old line that nobody noticed to be dead, or two processes: only the second answers to this. */
            ent_engine_say(
                e, ENT_SAY_MEMBER,
                "another connection of %s took over: is it running twice? (%s, before %s)",
                e->members[member].name, conn->peer.address, older->peer.address);
        }
        ent_conns_unbind(e, older);
        ent_message_bye(e, older, ENT_E_BUSY);
    }
    ent_conns_bind(e, conn, member);
    if (hello->has_run_plan) {
        memcpy(conn->known_plan, hello->run_plan, sizeof conn->known_plan);
    }
    ent_post_admit(e, conn);
    if (ent_engine_may_say_of(e, member)) {
        ent_engine_say(e, ENT_SAY_MEMBER, "%s is here (%s, %s)", e->members[member].name,
                       conn->peer.address, hello->build);
    }
    name_clock(e, member, hello->time_ms);
    ent_message_welcome(e, conn);
    conn->log.sent = hello->seen_size;
    ent_trail_welcome(e, conn);
    ent_party_welcome(e, conn);
    if (e->run.config.run != 0 && ent_round_active(&e->round)) {
        ent_message_run_start(e, conn);
    } else if (e->last_end.run != 0 && memcmp(conn->known_plan, e->last_end.plan, 32) == 0) {
        ent_message_end(e, conn); /* it may have been away when the run ended */
    }
    up = ent_engine_event(e, ENT_EV_UP, member);
    ent_engine_feed(e, &up);
}

static void on_hello(struct ent_engine *e, struct ent_conn *conn, uint32_t member,
                     const struct ent_envelope *env)
{
    struct ent_msg_hello hello;
    enum ent_err err = ent_msg_hello_decode(env->payload, env->payload_len, &e->arena, &hello);

    if (err == ENT_E_OK) {
        err = check_hello(conn, &hello);
    }
    if (err == ENT_E_OK && e->missing[0] != '\0') {
        err = ent_err_note(ENT_E_BUSY,
                           "the coordinator waits for a missing file; its operator knows");
    }
    if (err != ENT_E_OK) {
        reject(e, conn, err, 0);
        return;
    }
    if (ent_party_hello(e, conn, member, &hello)) {
        welcome(e, conn, member, &hello);
    }
}

/* ---- messages of a round ---- */

static struct ent_event event_of(const struct ent_engine *e, enum ent_event_kind kind,
                                 uint32_t member, const struct ent_envelope *env)
{
    struct ent_event event = ent_engine_event(e, kind, member);

    event.round = env->header.round;
    event.attempt = env->header.attempt;
    return event;
}

static enum ent_err check_answer(const struct ent_engine *e, const struct ent_envelope *env,
                                 const uint8_t round_open[32])
{
    bool current = env->header.round == e->round.round && env->header.attempt == e->round.attempt;

    /* Of another attempt: the machine says so. Of this one: it must name the very RoundOpen that was sent. */
    ENT_REQUIRE(!current || memcmp(round_open, e->round_open, 32) == 0, ENT_E_STALE,
                "the message answers another RoundOpen than the one that was sent");
    return ENT_E_OK;
}

/* Whether what was fed last is to be stored: what leads to nothing is worth no line, for it can be said without end. Nor
 * is it kept: the member's word of before may wait to be stored with its row, which this one has nothing to do with. */
static bool makes_row(const struct ent_engine *e, size_t from, uint32_t member)
{
    for (size_t i = from; i < e->actions.n; i++) {
        const struct ent_action *action = &e->actions.list[i];

        if (action->kind == ENT_ACT_ROW && action->row.member == member &&
            (action->row.kind == ENT_ROW_JOIN || action->row.kind == ENT_ROW_REJECT ||
             action->row.kind == ENT_ROW_DROP)) {
            return true;
        }
    }
    return false;
}

/* Whether a row would come of it: a repeat is not logged, and opens what it opened before. */
static bool joins(const struct ent_engine *e, uint32_t member, const struct ent_event *join)
{
    return e->round.phase == ENT_PHASE_JOIN && join->round == e->round.round &&
           join->attempt == e->round.attempt &&
           e->round.members[member].standing == ENT_STANDING_INVITED;
}

/* A nonce that does not open what stands: the member is out of the attempt, and the log says why. */
static enum ent_err check_nonce(struct ent_engine *e, uint32_t member, const struct ent_msg_join *m)
{
    struct ent_event out = ent_engine_event(e, ENT_EV_DECLINE, member);
    enum ent_err err = ent_nonce_check(e, member, m);

    if (err == ENT_E_BAD_NONCE) {
        out.code = err;
        ent_engine_feed(e, &out);
    }
    return err;
}

static enum ent_err on_join(struct ent_engine *e, uint32_t member, const struct ent_envelope *env)
{
    size_t from;
    struct ent_event event = event_of(e, ENT_EV_JOIN, member, env);
    struct ent_msg_join m;

    ENT_TRY(ent_msg_join_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_TRY(check_answer(e, env, m.round_open));
    ENT_TRY(ent_trail_check_claim(e, m.seen_size, m.seen_root));
    event.has_base = m.has_base;
    if (ent_conns_of(e, member) != NULL) {
        ent_conns_of(e, member)->has_base = m.has_base;
    }
    from = e->actions.n;
    if (joins(e, member, &event)) {
        ENT_TRY(check_nonce(e, member, &m));
    }
    ent_engine_feed(e, &event);
    if (makes_row(e, from, member)) { /* kept with it */
        ent_said_take(&e->members[member].log.says.join, env);
        e->members[member].declining = false;
        e->members[member].has_commit = true;
        memcpy(e->members[member].next_commit, m.next_commit, sizeof m.next_commit);
    }
    return ENT_E_OK;
}

/* In full once a run, then at the 10th, 100th, ... time: a member that declines does so in every round. */
static void say_declined(struct ent_engine *e, uint32_t member, enum ent_err code,
                         const struct ent_msg_decline *said)
{
    struct ent_engine_member *m = &e->members[member];
    uint32_t next = 1;

    if (m->declined_run != e->run.config.run || m->declined_code != code) {
        m->declined_run = e->run.config.run;
        m->declined_code = code;
        m->n_declined = 0;
    }
    m->n_declined++;
    m->declining = true;
    m->refusal = said->kind;
    memcpy(m->declined_text, said->text, sizeof m->declined_text);
    while (next < m->n_declined && next <= UINT32_MAX / 10) {
        next *= 10;
    }
    if (m->n_declined == 1) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s declines: %s%s%s", m->name, said->text,
                       said->kind > 0 ? "; refusal: " : "", ent_refusal_name(said->kind));
    } else if (m->n_declined == next) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s declines: %s (%u times in this run)", m->name,
                       said->text, (unsigned)m->n_declined);
    }
}

static enum ent_err on_decline(struct ent_engine *e, uint32_t member,
                               const struct ent_envelope *env)
{
    size_t from;
    struct ent_event event = event_of(e, ENT_EV_DECLINE, member, env);
    struct ent_msg_decline m;

    ENT_TRY(ent_msg_decline_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_TRY(check_answer(e, env, m.round_open));
    event.code = ent_err_valid(m.code) && m.code != ENT_E_OK ? (enum ent_err)m.code : ENT_E_POLICY;
    from = e->actions.n;
    ent_engine_feed(e, &event);
    if (makes_row(e, from, member)) {
        ent_said_take(&e->members[member].log.says.ending, env);
        say_declined(e, member, event.code, &m);
    }
    return ENT_E_OK;
}

static enum ent_err on_lost(struct ent_engine *e, uint32_t member, const struct ent_envelope *env)
{
    size_t from;
    struct ent_event event = event_of(e, ENT_EV_LOST, member, env);
    struct ent_msg_lost m;

    ENT_TRY(ent_msg_lost_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_TRY(check_answer(e, env, m.round_open));
    from = e->actions.n;
    ent_engine_feed(e, &event);
    if (makes_row(e, from, member)) {
        ent_said_take(&e->members[member].log.says.ending, env);
    }
    return ENT_E_OK;
}

/* Of the open attempt only: what comes late has no row that it could be stored with. */
static enum ent_err on_figures(struct ent_engine *e, uint32_t member,
                               const struct ent_envelope *env)
{
    struct ent_msg_figures m;

    ENT_TRY(ent_msg_figures_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_REQUIRE(env->header.round == e->round.round && env->header.attempt == e->round.attempt,
                ENT_E_STALE, "the figures are of another round");
    ENT_TRY(check_answer(e, env, m.round_open));
    return ent_own_take(e, member, &m);
}

/* Of the open attempt's run. */
static enum ent_err dispatch_round(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                                   const struct ent_envelope *env)
{
    ENT_REQUIRE(env->header.run == e->run.config.run && e->run.config.run != 0, ENT_E_STALE,
                "run %u is not the one that is going on", (unsigned)env->header.run);
    switch (env->header.type) {
    case ENT_MSG_JOIN:
        return on_join(e, conn->member, env);
    case ENT_MSG_DECLINE:
        return on_decline(e, conn->member, env);
    case ENT_MSG_LOST:
        return on_lost(e, conn->member, env);
    case ENT_MSG_FIGURES:
        return on_figures(e, conn->member, env);
    case ENT_MSG_UPDATE:
        ent_uploads_offer(e, conn, request, env);
        return ENT_E_OK;
    default:
        return ent_err_note(ENT_E_PROTOCOL, "%s is not expected here",
                            ent_msg_name(env->header.type));
    }
}

static void dispatch(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                     const struct ent_envelope *env)
{
    uint32_t member = conn->member;
    enum ent_err err;

    e->members[member].handling = env->header.sequence;
    if (e->members[member].log.left) {
        return; /* all that is awaited of it is a cosignature: its key ended in the log */
    }
    switch (env->header.type) {
    case ENT_MSG_RENEW:
        ent_enroll_renew(e, conn, env);
        return;
    case ENT_MSG_AGREE:
        err = ent_party_agree(e, member, env);
        break;
    case ENT_MSG_LEAVE:
        err = ent_party_leave(e, member, env);
        break;
    case ENT_MSG_DISPUTE:
        err = ent_party_dispute(e, member, env);
        break;
    default:
        err = dispatch_round(e, conn, request, env);
        break;
    }
    if (err == ENT_E_PROTOCOL) {
        reject(e, conn, err, env->header.sequence);
    } else if (err != ENT_E_OK) {
        ent_message_refuse(e, conn, err, env->header.sequence, ent_err_message());
    }
}

/* ---- frames ---- */

static enum ent_err on_cosign(struct ent_engine *e, struct ent_conn *conn,
                              const struct ent_link_event *event)
{
    struct ent_msg_cosign m;

    ENT_TRY(ent_msg_cosign_decode(event->body.data, event->body.len, &e->arena, &m));
    ent_trail_cosign(e, conn, &m);
    return ENT_E_OK;
}

static void on_bare(struct ent_engine *e, struct ent_conn *conn, const struct ent_link_event *event)
{
    struct ent_msg_go go;
    enum ent_err err;

    if (conn->member == ENT_NO_MEMBER) {
        reject(e, conn, ent_err_note(ENT_E_PROTOCOL, "the first message must be HELLO"), 0);
        return;
    }
    if (event->type == ENT_MSG_BYE) {
        ent_post_close(e, conn);
        return;
    }
    err = event->type == ENT_MSG_COSIGN
              ? on_cosign(e, conn, event)
              : ent_msg_go_decode(event->body.data, event->body.len, &e->arena, &go);
    if (err != ENT_E_OK) {
        reject(e, conn, err, 0);
    }
    if (err != ENT_E_OK || event->type == ENT_MSG_COSIGN) {
        return;
    }
    ent_pushes_go(e, conn, event->request, go.offset);
}

static enum ent_err check_order(const struct ent_conn *conn, uint32_t type)
{
    ENT_REQUIRE(conn->welcomed || type == ENT_MSG_HELLO, ENT_E_PROTOCOL,
                "the first message must be HELLO");
    ENT_REQUIRE(!conn->welcomed || type != ENT_MSG_HELLO, ENT_E_PROTOCOL,
                "a second HELLO on one connection");
    ENT_REQUIRE(type != ENT_MSG_ENROLL_REQUEST, ENT_E_PROTOCOL, "enrolment has its own address");
    return ENT_E_OK;
}

/* Checks 1 to 3; *member is set. */
static enum ent_err open_frame(struct ent_engine *e, const struct ent_conn *conn,
                               const struct ent_link_event *event, struct ent_envelope *env,
                               uint32_t *member)
{
    struct ent_bytes body = {event->body.data, event->body.len};
    struct ent_engine_member *m;

    ENT_TRY(ent_wire_open(event->type, ENT_SENDER_MEMBER, body, &e->arena, env));
    ENT_TRY(check_order(conn, event->type));
    ENT_TRY(find_sender(e, conn, env, member));
    m = &e->members[*member];
    if (m->signer.key == NULL) {
        ENT_TRY(ent_wire_signer_init(&m->signer, m->statement_pub));
    }
    return ent_wire_verify_by(env, &m->signer);
}

static void on_envelope(struct ent_engine *e, struct ent_conn *conn,
                        const struct ent_link_event *event)
{
    struct ent_envelope env;
    uint32_t member = ENT_NO_MEMBER;
    enum ent_err err = open_frame(e, conn, event, &env, &member);

    if (err != ENT_E_OK) {
        reject(e, conn, err, 0);
        return;
    }
    err = ent_admit_sequence(e, member, &env);
    if (err == ENT_E_REPLAY) {
        ent_message_refuse(e, conn, err, env.header.sequence, ent_err_message());
        if (env.header.type == ENT_MSG_HELLO) {
            ent_post_close(e, conn);
        }
        return;
    }
    if (err == ENT_E_REPEAT && env.header.type != ENT_MSG_UPDATE) {
        ent_refusal_count(e, member, ENT_E_REPEAT); /* an update's is counted with its ACK */
    }
    if (env.header.type == ENT_MSG_HELLO) {
        on_hello(e, conn, member, &env);
    } else if (conn->log.claims) {
        if (env.header.type == ENT_MSG_PIECE) {
            ent_party_shows(e, conn, &env);
        }
    } else {
        dispatch(e, conn, event->request, &env);
    }
}

void ent_admit_frame(struct ent_engine *e, struct ent_conn *conn,
                     const struct ent_link_event *event)
{
    const struct ent_msg_info *info = ent_msg_info(event->type);
    uint64_t bytes = event->body.len + ENT_FRAME_HEADER_BYTES;

    ent_arena_clear(&e->arena);
    if (conn->member != ENT_NO_MEMBER) {
        e->members[conn->member].traffic.bytes_in += bytes;
        e->round_in += bytes;
    }
    if (info == NULL) {
        reject(e, conn,
               ent_err_note(ENT_E_PROTOCOL, "message type %u is not known", (unsigned)event->type),
               0);
    } else if (!info->enveloped) {
        on_bare(e, conn, event);
    } else {
        on_envelope(e, conn, event);
    }
}
