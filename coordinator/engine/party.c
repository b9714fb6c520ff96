/* What members say of the log outside of rounds: the head that they saw, leaving, objections. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/state.h"

#define DISPUTES_MAX 16 /* of one member, while the program runs */

/* ---- HELLO ---- */

/* One member's word must not end the program: whoever has seen a head that is not ours holds the note that the log's key
 * signed over it, and shows it. Until then nothing else is heard on the connection, and nobody else notices. */
static void ask_for_note(struct ent_engine *e, struct ent_conn *conn, uint32_t member)
{
    struct ent_msg_welcome w = {.time_ms = e->wall_ms,
                                .protocol = ENT_WIRE_PROTOCOL_MAX,
                                .last_sequence = e->members[member].last_sequence,
                                .idle_ms = (uint32_t)e->home->config->idle_ms};
    struct ent_msg_pull pull = {.kind = ENT_PULL_NOTE};

    if (ent_engine_may_say_of(e, member)) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s: %s; it is asked for the note",
                       e->members[member].name, ent_err_message());
    }
    conn->welcomed = true;
    conn->log.claims = true;
    conn->log.claimant = member;
    ent_post_admit(e, conn);
    ent_message_post(e, conn, ENT_MSG_WELCOME, 0, &w);
    ent_message_post(e, conn, ENT_MSG_PULL, 0, &pull);
}

bool ent_party_hello(struct ent_engine *e, struct ent_conn *conn, uint32_t member,
                     const struct ent_msg_hello *m)
{
    enum ent_err err = ent_trail_check_seen(e, m->seen_size, m->seen_root);

    if (err == ENT_E_CORRUPT) {
        ask_for_note(e, conn, member);
        return false;
    }
    ent_engine_fail(e, err);
    return err == ENT_E_OK;
}

/* The head of a note that this log's key signed; whether ours is another: CORRUPT. */
static enum ent_err judge_note(struct ent_engine *e, const struct ent_envelope *env)
{
    const struct ent_vkey *log = &e->audit.genesis.log;
    struct ent_note_opened *opened = NULL;
    struct ent_msg_piece m;
    enum ent_err err;

    ENT_TRY(ent_msg_piece_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_REQUIRE(m.kind == ENT_PULL_NOTE && m.bytes.len > 0 && m.bytes.len == m.total,
                ENT_E_SIGNATURE, "it shows no note");
    ENT_TRY(ent_calloc(1, sizeof *opened, &opened));
    err = ent_note_open((const char *)m.bytes.data, m.bytes.len, log->name, log, 1, opened);
    if (err == ENT_E_OK) {
        err = ent_trail_check_seen(e, opened->checkpoint.size, opened->checkpoint.root);
    }
    free(opened);
    return err == ENT_E_OK ? ent_err_note(ENT_E_SIGNATURE, "the note it shows is one of ours")
                           : err;
}

void ent_party_shows(struct ent_engine *e, struct ent_conn *conn, const struct ent_envelope *env)
{
    const char *name = e->members[conn->log.claimant].name;
    enum ent_err err = judge_note(e, env);
    char why[256];

    (void)snprintf(why, sizeof why, "%s", ent_err_message());
    if (err == ENT_E_CORRUPT) {
        err = ent_err_note(
            ENT_E_CORRUPT,
            "%s: %s. This directory is an old copy, or another coordinator runs with its keys; "
            "nothing goes on before that is settled: entente-coordinator recover --dir %s brings "
            "the lost leaves back from a member",
            name, why, e->home->dir);
        ent_engine_fail(e, err);
        return;
    }
    if (err == ENT_E_NO_MEMORY || err == ENT_E_IO) {
        ent_engine_fail(e, err);
        return;
    }
    if (ent_engine_may_say_of(e, conn->log.claimant)) {
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "%s names a head that this log never had, and cannot show that the log "
                       "signed it (%s): refused",
                       name, why);
    }
    ent_message_refuse(e, conn, ENT_E_DIGEST, 0,
                       "HELLO names a head that this log never had, and no note of it was shown");
    ent_post_close(e, conn);
}

void ent_party_welcome(struct ent_engine *e, struct ent_conn *conn)
{
    if (!conn->log.behind) {
        ent_propose_to(e, conn);
    }
}

/* ---- one leaf in a transaction of its own ---- */

struct alone {
    enum ent_leaf_type type;
    const void *message;
    uint64_t idx;
};

static enum ent_err append_alone(struct ent_engine *e, void *ctx)
{
    struct alone *a = ctx;

    return ent_trail_append(e, a->type, a->message, &a->idx);
}

static enum ent_err leaf_alone(struct ent_engine *e, enum ent_leaf_type type, const void *message,
                               uint64_t *idx)
{
    struct alone a = {.type = type, .message = message};
    enum ent_err err = ent_trail_together(e, append_alone, &a);

    ent_engine_fail(e, err);
    *idx = a.idx;
    return err;
}

/* ---- AGREE ---- */

enum ent_err ent_party_agree(struct ent_engine *e, uint32_t member, const struct ent_envelope *env)
{
    struct ent_msg_agree m;

    ENT_TRY(ent_msg_agree_decode(env->payload, env->payload_len, &e->arena, &m));
    ENT_REQUIRE(e->audit.proposal.len > 0 && m.set.len == e->audit.proposal.len &&
                    memcmp(m.set.data, e->audit.proposal.data, m.set.len) == 0,
                ENT_E_STALE, "that witness set is not asked for any more");
    return ent_propose_agreed(e, member, env);
}

/* ---- leaving ---- */

enum ent_err ent_party_leave(struct ent_engine *e, uint32_t member, const struct ent_envelope *env)
{
    struct ent_engine_member *m = &e->members[member];
    struct ent_witness_history *h = &e->audit.history;
    struct ent_leaf_member_leave leaf = {.has_request = true};
    struct ent_msg_leave leave;
    struct ent_event out;
    struct ent_said said;

    ENT_TRY(ent_msg_leave_decode(env->payload, env->payload_len, &e->arena, &leave));
    if (m->log.left) { /* it waits for its last note */
        return ENT_E_OK;
    }
    ENT_TRY(ent_engine_settle_now(e)); /* what it said before stands before it in the log */
    ENT_TRY(ent_grow(&h->left, &h->cap_left, h->n_left + 1, sizeof *h->left));
    ent_said_take(&said, env);
    memcpy(leaf.handle, m->handle, sizeof leaf.handle);
    leaf.request = ent_said_statement(&said);
    ENT_TRY(leaf_alone(e, ENT_LEAF_MEMBER_LEAVE, &leaf, &m->log.left_leaf));
    m->log.left = true;
    h->left[h->n_left].leaf = m->log.left_leaf;
    memcpy(h->left[h->n_left++].handle, m->handle, sizeof m->handle);
    ent_engine_say(e, ENT_SAY_MEMBER, "%s leaves the federation", m->name);
    out = ent_engine_event(e, ENT_EV_REVOKED,
                           member); /* of the rounds; it stays for the note that covers this */
    ent_engine_feed(e, &out);
    ent_trail_publish(e);
    return ENT_E_OK;
}

static enum ent_err let_go(struct ent_engine *e, uint32_t member)
{
    enum ent_err err = ent_store_revoke(e->store, e->members[member].handle, e->wall_ms);

    ENT_TRY(err == ENT_E_EXISTS ? ENT_E_OK : err);
    ent_members_out(e, member, "this member has left");
    return ENT_E_OK;
}

void ent_party_cosigned(struct ent_engine *e, uint32_t member, uint64_t size)
{
    struct ent_engine_member *m = &e->members[member];

    if (m->log.left && !m->revoked && size > m->log.left_leaf) {
        ent_engine_fail(e, let_go(e, member));
        ent_engine_renew_crl(e, true);
        ent_engine_say(e, ENT_SAY_MEMBER, "%s has left the federation", m->name);
    }
}

enum ent_err ent_party_let_go(struct ent_engine *e)
{
    for (uint32_t i = 0; i < e->n_members; i++) {
        if (e->members[i].log.left && !e->members[i].revoked) {
            ENT_TRY(let_go(e, i));
            e->crl_behind = true;
        }
    }
    return ENT_E_OK;
}

/* ---- objections ---- */

enum ent_err ent_party_dispute(struct ent_engine *e, uint32_t member,
                               const struct ent_envelope *env)
{
    struct ent_engine_member *m = &e->members[member];
    struct ent_leaf_dispute leaf = {.header = {env->header_bytes, env->header_len},
                                    .payload = {env->payload, env->payload_len}};
    struct ent_msg_dispute dispute;
    uint64_t idx = 0;

    ENT_TRY(ent_msg_dispute_decode(env->payload, env->payload_len, &e->arena, &dispute));
    ENT_REQUIRE(m->log.disputes < DISPUTES_MAX, ENT_E_LIMIT,
                "%d objections of this member stand in the log since the coordinator started",
                DISPUTES_MAX);
    m->log.disputes++;
    memcpy(leaf.signature, env->signature, sizeof leaf.signature);
    ENT_TRY(leaf_alone(e, ENT_LEAF_DISPUTE, &leaf, &idx));
    ent_engine_say(e, ENT_SAY_TROUBLE, "%s objects: %s (leaf %llu of the log)", m->name,
                   ent_err_valid(dispute.code) ? ent_err_text((enum ent_err)dispute.code)
                                               : "for a reason that this build does not know",
                   (unsigned long long)idx);
    return ENT_E_OK;
}
