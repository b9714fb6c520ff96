/* The audit log on the wire: leaves and notes come, cosignatures go. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/tlog/leaf.h"

#define FILES_EVERY_MS 1000 /* however much there is to do */

static enum ent_err load_witness(struct ent_agent *agent)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(agent->dir, "keys/witness.key", &path));
    err = ent_sign_key_load(path, &agent->witness);
    free(path);
    if (err == ENT_E_NOT_FOUND) {
        ent_agent_sayf(agent, ENT_SAY_WARN,
                       "keys/witness.key is not here: this member checks the log and cosigns "
                       "nothing");
        return ENT_E_OK;
    }
    return err;
}

static enum ent_err check_not_gone(struct ent_agent *agent)
{
    struct ent_log_member own;
    enum ent_err err = ent_state_log_member(agent->state, agent->id.handle, &own);

    ENT_REQUIRE(err != ENT_E_OK || !own.gone, ENT_E_REVOKED,
                "the log says that this member left or was revoked: enrol anew with another --dir "
                "to come back");
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

enum ent_err ent_agent_open_log(struct ent_agent *agent)
{
    struct ent_mirror_options options = {.dir = agent->dir,
                                         .state = agent->state,
                                         .keep = (enum ent_mirror_keep)agent->config->mirror,
                                         .federation = agent->id.federation,
                                         .handle = agent->id.handle,
                                         .log_pub = agent->id.log_pub,
                                         .root_pub = agent->id.root_pub,
                                         .statement = agent->id.statement};

    ENT_TRY(load_witness(agent));
    options.witness = agent->witness;
    ENT_TRY(ent_mirror_new(&options, &agent->mirror));
    return check_not_gone(agent);
}

/* What is out of order can only be put right by a new connection, whose HELLO says what this member has. */
static void start_over(struct ent_agent *agent)
{
    ent_log_warn("the connection is given up: %s", ent_err_message());
    ent_mirror_forget(agent->mirror);
    if (agent->conn != 0) {
        ent_link_close(agent->link, agent->conn, false);
    }
}

enum ent_err ent_agent_take_leaves(struct ent_agent *agent, const struct ent_envelope *envelope)
{
    struct ent_msg_leaves m;
    enum ent_err err;

    ENT_TRY(ent_msg_leaves_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    err = ent_mirror_leaves(agent->mirror, m.first, m.bundle);
    if (err == ENT_E_PROTOCOL || err == ENT_E_LIMIT) {
        start_over(agent);
        return ENT_E_OK;
    }
    return err;
}

/* Whether an opening was parked until the head reaches it. */
static void look_at_parked(struct ent_agent *agent)
{
    if (agent->check_waits && agent->session.stage == ENT_SESSION_OPENED) {
        agent->check_waits = false;
        ent_agent_check(agent);
    }
}

enum ent_err ent_agent_take_note(struct ent_agent *agent, const struct ent_envelope *envelope)
{
    struct ent_mirror_step step;
    struct ent_msg_checkpoint m;
    enum ent_err err;

    ENT_TRY(ent_msg_checkpoint_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    err = ent_mirror_note(agent->mirror, m.note, ent_clock_wall(&agent->clock), &step);
    if (err == ENT_E_REWRITTEN || err == ENT_E_IO || err == ENT_E_CORRUPT) {
        ent_agent_fail(agent, err);
        return ENT_E_OK;
    }
    if (err == ENT_E_PROTOCOL) {
        start_over(agent);
        return ENT_E_OK;
    }
    ENT_TRY(err);
    agent->noted = true;
    agent->cosign_due = step.cosigned;
    agent->cosign = step.cosign;
    agent->left = agent->left || step.left;
    look_at_parked(agent);
    return ENT_E_OK;
}

/* ---- what the note asks for, once it is durable ---- */

static enum ent_err send_disputes(struct ent_agent *agent)
{
    struct ent_receipt receipt;
    enum ent_err err;

    while ((err = ent_state_receipt_due(agent->state, &receipt)) == ENT_E_OK) {
        struct ent_msg_dispute m = {.code = receipt.fate_code,
                                    .receipt = {receipt.ack, receipt.ack_len}};

        memcpy(m.round_open, receipt.round_open, sizeof m.round_open);
        ENT_TRY(ent_csprng_bytes(&agent->csprng, m.salt, sizeof m.salt));
        ENT_TRY(ent_agent_send(agent, ENT_MSG_DISPUTE, &m, NULL));
        receipt.dispute_due = false;
        receipt.disputed = true;
        ENT_TRY(ent_state_receipt_put(agent->state, &receipt));
        ent_agent_sayf(agent, ENT_SAY_WARN,
                       "round %llu of run %u: the log says that this member's update was not "
                       "counted, and the coordinator's receipt says it was: disputed, which the "
                       "log must show",
                       (unsigned long long)receipt.at.round, (unsigned)receipt.at.run);
    }
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

/* Asked for once a connection, when the log as it stands was seen; over when the log holds it and that was cosigned. */
static enum ent_err go_on_leaving(struct ent_agent *agent)
{
    struct ent_msg_leave m;

    if (agent->left) {
        agent->status.left = true;
        ent_agent_sayf(agent, ENT_SAY_LINE, "the log holds that this member left the federation");
        ent_agent_stop(agent);
        return ENT_E_OK;
    }
    if (!agent->options.leave || agent->conn == 0 || agent->leave_conn == agent->conn) {
        return ENT_E_OK;
    }
    agent->leave_conn = agent->conn;
    ENT_TRY(ent_csprng_bytes(&agent->csprng, m.salt, sizeof m.salt));
    ent_agent_sayf(agent, ENT_SAY_LINE, "asked to leave; waiting for the log to hold it");
    return ent_agent_send(agent, ENT_MSG_LEAVE, &m, NULL);
}

bool ent_agent_has_files(const struct ent_agent *agent)
{
    return ent_mirror_is_dirty(agent->mirror) || ent_state_has_files(agent->state);
}

void ent_agent_write_files(struct ent_agent *agent)
{
    enum ent_err err;

    if (agent->noted || !ent_agent_has_files(agent)) {
        return; /* of a head that is not committed yet nobody hears */
    }
    agent->files_ms = ent_clock_mono(&agent->clock);
    ent_state_write_files(agent->state);
    err = ent_mirror_settle(agent->mirror);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
}

static void write_due_files(struct ent_agent *agent)
{
    if (agent->files_ms == 0 || ent_mirror_has_new_set(agent->mirror) ||
        ent_clock_mono(&agent->clock) - agent->files_ms >= FILES_EVERY_MS) {
        ent_agent_write_files(agent);
    }
}

static enum ent_err settle(struct ent_agent *agent)
{
    ENT_TRY(ent_state_flush(agent->state)); /* the head is durable before anybody hears of it */
    ENT_HOOK_POINT("agent.head");
    if (agent->cosign_due) {
        agent->cosign_due = false;
        ENT_TRY(ent_agent_send_bare(agent, ENT_MSG_COSIGN, 0, &agent->cosign));
    }
    write_due_files(agent);
    if (agent->conn != 0) {
        ENT_TRY(send_disputes(agent));
    }
    return go_on_leaving(agent);
}

void ent_agent_settle_log(struct ent_agent *agent)
{
    enum ent_err err;

    if (!agent->noted || agent->status.stopped) {
        return;
    }
    agent->noted = false;
    err = settle(agent);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
}

/* ---- witnesses ---- */

enum ent_err ent_agent_take_propose(struct ent_agent *agent, const struct ent_envelope *envelope)
{
    struct ent_leaf_witness_body body;
    struct ent_msg_propose m;
    struct ent_msg_agree agree;
    enum ent_err err;

    ENT_TRY(ent_msg_propose_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    err = ent_mirror_agree(agent->mirror, m.set);
    if (err != ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_WARN,
                       "a set of witnesses was proposed, and not agreed to: %s", ent_err_message());
        return ENT_E_OK;
    }
    agree.set = m.set;
    ENT_TRY(ent_leaf_set_decode(m.set, &agent->arena, &body));
    /* Nothing here can tell a real organisation from an invented one: people can, by the number. */
    ent_agent_sayf(agent, ENT_SAY_LINE,
                   "agreed to a set of witnesses of the log: %zu members, any %u of them are a "
                   "quorum; these should be the organisations that take part",
                   body.n_witnesses, (unsigned)body.quorum);
    return ent_agent_send(agent, ENT_MSG_AGREE, &agree, NULL);
}
