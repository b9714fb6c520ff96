/* Messages about a round: its opening, its cohort, the word about this member's update. */
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/mem.h"

static enum ent_err check_round_open(const struct ent_agent *agent,
                                     const struct ent_envelope *envelope,
                                     const struct ent_msg_round_open *m)
{
    const struct ent_task *task = ent_task_find(m->task);

    ENT_REQUIRE(memcmp(m->federation, agent->id.federation, sizeof m->federation) == 0,
                ENT_E_PROTOCOL, "round open: of another federation");
    ENT_REQUIRE(m->run == envelope->header.run && m->round == envelope->header.round &&
                    m->attempt == envelope->header.attempt,
                ENT_E_PROTOCOL, "round open: header and content name different rounds");
    ENT_REQUIRE(task != NULL, ENT_E_PROTOCOL, "round open: task %u", (unsigned)m->task);
    ENT_REQUIRE(!task->needs_base || m->has_base, ENT_E_PROTOCOL, "round open: no base model");
    ENT_REQUIRE((m->task == ENT_TASK_EVALUATE) ==
                    (m->split == ENT_SPLIT_VALIDATION || m->split == ENT_SPLIT_TEST),
                ENT_E_PROTOCOL, "round open: task %u on split %u", (unsigned)m->task,
                (unsigned)m->split);
    return ENT_E_OK;
}

static enum ent_err keep_round_open(const struct ent_envelope *envelope,
                                    const struct ent_msg_round_open *m, struct ent_open_round *open)
{
    ENT_TRY(ent_wire_round_open_hash(envelope->payload, envelope->payload_len, open->hash));
    ENT_TRY(ent_calloc(m->n_invited, ENT_WIRE_HANDLE_BYTES, &open->handles));
    memcpy(open->handles, m->invited, m->n_invited * ENT_WIRE_HANDLE_BYTES);
    open->msg = *m;
    if (m->n_auditors > 0) { /* what was decoded does not outlive the message */
        memcpy(open->auditors, m->auditors, m->n_auditors * sizeof *m->auditors);
    }
    open->msg.auditors = open->auditors;
    open->msg.invited = open->handles;
    return ENT_E_OK;
}

enum ent_err ent_agent_take_round_open(struct ent_agent *agent, const struct ent_envelope *envelope,
                                       struct ent_agent_item *item)
{
    struct ent_msg_round_open m;

    ENT_TRY(ent_msg_round_open_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_TRY(check_round_open(agent, envelope, &m));
    ENT_TRY(ent_calloc(1, sizeof *item->open, &item->open));
    ENT_TRY(keep_round_open(envelope, &m, item->open));
    item->ev.id = (struct ent_session_round){m.run, m.round, m.attempt};
    memcpy(item->ev.digest, m.plan, sizeof item->ev.digest);
    item->ev.has_plan = ent_agent_plan_here(agent, m.plan);
    item->ev.needs_base = m.has_base;
    if (m.has_base) {
        memcpy(item->ev.base, m.base, sizeof item->ev.base);
        item->ev.has_base = ent_agent_model_here(agent, m.base);
    }
    ent_agent_look_up_update(agent, item);
    return ENT_E_OK;
}

/* Whether the message is about the session's round, as its RoundOpen was. */
enum ent_err ent_agent_check_round(const struct ent_agent *agent,
                                   const struct ent_envelope *envelope, const uint8_t *round_open)
{
    const struct ent_header *h = &envelope->header;
    const struct ent_open_round *open = agent->open;

    if (open == NULL || open->msg.run != h->run || open->msg.round != h->round ||
        open->msg.attempt != h->attempt) {
        return ENT_E_OK; /* of another round: the session sorts it out */
    }
    ENT_REQUIRE(memcmp(open->hash, round_open, ENT_SHA256_BYTES) == 0, ENT_E_PROTOCOL,
                "%s: it names another opening of this round", ent_msg_name(h->type));
    return ENT_E_OK;
}

static bool lists(const uint8_t (*handles)[ENT_WIRE_HANDLE_BYTES], size_t n, const uint8_t *handle)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(handles[i], handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* The cohort that came about: with this member in it, and not smaller than promised or than its own floor. */
static enum ent_err check_joined(const struct ent_agent *agent, const struct ent_msg_begin *m)
{
    const struct ent_open_round *open = agent->open;
    uint32_t floor = agent->config->policy.min_members;

    ENT_REQUIRE(
        lists((const uint8_t(*)[ENT_WIRE_HANDLE_BYTES])m->joined, m->n_joined, agent->id.handle),
        ENT_E_PROTOCOL, "begin: this member is not in the list of those who joined");
    for (size_t i = 0; open != NULL && i < m->n_joined; i++) {
        ENT_REQUIRE(lists((const uint8_t(*)[ENT_WIRE_HANDLE_BYTES])open->handles,
                          open->msg.n_invited, m->joined[i]),
                    ENT_E_PROTOCOL, "begin: somebody joined who was not invited");
    }
    floor = open != NULL && open->msg.min_members > floor ? open->msg.min_members : floor;
    ENT_REQUIRE(m->n_joined >= floor, ENT_E_TOO_FEW, "begin: %zu joined, at least %u are asked for",
                m->n_joined, (unsigned)floor);
    return ENT_E_OK;
}

enum ent_err ent_agent_take_begin(struct ent_agent *agent, const struct ent_envelope *envelope,
                                  struct ent_agent_item *item)
{
    struct ent_msg_begin m;

    ENT_TRY(ent_msg_begin_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_TRY(ent_agent_check_round(agent, envelope, m.round_open));
    item->ev.id = (struct ent_session_round){envelope->header.run, envelope->header.round,
                                             envelope->header.attempt};
    item->ev.code = check_joined(agent, &m);
    if (item->ev.code != ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_WARN, "%s", ent_err_message());
    }
    return ENT_E_OK;
}

/* The coordinator's signed word about an update: kept as it came, for a log that says something else later. */
enum ent_err ent_agent_keep_ack(struct ent_agent *agent, const struct ent_header *header,
                                const struct ent_msg_ack *m)
{
    struct ent_attempt at = {header->run, header->round, header->attempt};
    struct ent_receipt receipt;
    enum ent_err err = ent_state_receipt_get(agent->state, at, &receipt);

    if (err != ENT_E_OK) {
        return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    }
    if (!m->has_round_open || agent->frame.len > sizeof receipt.ack ||
        memcmp(m->round_open, receipt.round_open, sizeof m->round_open) != 0 ||
        memcmp(m->digest, receipt.digest, sizeof m->digest) != 0 ||
        (receipt.has_ack && receipt.code == ENT_E_OK)) {
        return ENT_E_OK; /* no receipt, or there is a better one */
    }
    receipt.has_ack = true;
    receipt.code = m->code;
    receipt.ack_len = agent->frame.len;
    memcpy(receipt.ack, agent->frame.data, agent->frame.len);
    return ent_state_receipt_put(agent->state, &receipt);
}
