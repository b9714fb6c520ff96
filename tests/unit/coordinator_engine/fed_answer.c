#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* ---- honest members ---- */

static void hear_open(struct fed_member *m, const struct ent_envelope *env)
{
    ENT_OK(ent_msg_round_open_decode(env->payload, env->payload_len, &m->fed->arena, &m->open));
    ENT_OK(ent_wire_round_open_hash(env->payload, env->payload_len, m->open_hash));
    m->run = env->header.run;
    m->round = env->header.round;
    m->attempt = env->header.attempt;
}

static void hear_offer(struct fed_member *m, const struct fed_frame *frame,
                       const struct ent_envelope *env)
{
    struct ent_msg_go go = {0};
    struct ent_msg_offer offer;
    struct ent_sink *sink = NULL;
    struct ent_buf body;

    ENT_OK(ent_msg_offer_decode(env->payload, env->payload_len, &m->fed->arena, &offer));
    CU_ASSERT_EQUAL(offer.content.len > 0,
                    m->fed->inlined && offer.bytes <= ENT_WIRE_INLINE_MAX_BYTES);
    if (offer.content.len > 0) {
        ent_sink_free(m->received);
        ENT_OK(ent_sink_new_memory(offer.bytes, &m->received));
        ENT_OK(ent_sink_write(m->received, offer.content.data, offer.content.len));
        ENT_OK(ent_sink_finish(m->received));
        return;
    }
    go.offset = offer.kind == ENT_OFFER_BEST ? 0 : offer.bytes; /* the others it has */
    if (go.offset == 0) {
        ENT_OK(ent_sink_new_memory(offer.bytes, &sink));
        ENT_OK(ent_link_expect(m->link, m->conn, frame->request, sink));
    }
    ent_buf_init(&body, 64);
    ENT_OK(ent_msg_go_encode(&go, &body));
    fed_send_frame(m, ENT_MSG_GO, frame->request, &body);
    ent_buf_release(&body);
}

static void hear_one(struct fed_member *m, const struct fed_frame *frame, bool answer, int32_t q)
{
    struct ent_envelope env;
    enum ent_err err;

    if (frame->type == ENT_MSG_GO) {
        if (answer && frame->request == m->update_request) {
            err = ent_link_send_blob(m->link, m->conn, frame->request, m->payload, 0);
            CU_ASSERT(err == ENT_E_OK || err == ENT_E_NOT_FOUND);
        }
        return;
    }
    if (frame->type == ENT_MSG_ABORT || frame->type == ENT_MSG_BYE) {
        return;
    }
    env = fed_open(m, frame);
    switch (frame->type) {
    case ENT_MSG_ROUND_OPEN:
        hear_open(m, &env);
        if (answer && m->fed->engine != NULL &&
            ent_engine_round(m->fed->engine)->phase == ENT_PHASE_JOIN) {
            fed_join(m);
        }
        break;
    case ENT_MSG_BEGIN:
        if (answer) {
            fed_offer(m, q);
        }
        break;
    case ENT_MSG_OFFER:
        if (answer) {
            hear_offer(m, frame, &env);
        }
        break;
    case ENT_MSG_ACK:
        ENT_OK(ent_msg_ack_decode(env.payload, env.payload_len, &m->fed->arena, &m->ack));
        m->has_ack = true;
        break;
    case ENT_MSG_ROUND_CLOSE:
        ENT_OK(ent_msg_round_close_decode(env.payload, env.payload_len, &m->fed->arena, &m->close));
        m->n_closes++;
        break;
    case ENT_MSG_RUN_END:
        ENT_OK(ent_msg_run_end_decode(env.payload, env.payload_len, &m->fed->arena, &m->end));
        m->ended = true;
        break;
    default:
        break;
    }
}

void fed_hear(struct fed_member *m)
{
    while (m->n_read < m->n_inbox) {
        hear_one(m, &m->inbox[m->n_read++], false, 0);
    }
}

void fed_answer(struct fed_member *m, int32_t q)
{
    while (m->n_read < m->n_inbox) {
        hear_one(m, &m->inbox[m->n_read++], true, q);
    }
    if (m->n_inbox > FED_INBOX / 2) {
        fed_clear_inbox(m);
    }
}

void fed_live(struct fed *fed, size_t n, int32_t q)
{
    for (int turn = 0; turn < 200; turn++) {
        bool unread = false;

        fed_pump(fed);
        for (size_t i = 0; i < n; i++) {
            unread = unread || fed->members[i].n_read < fed->members[i].n_inbox;
            fed_answer(&fed->members[i], q + (int32_t)i);
        }
        if (!unread) {
            return;
        }
    }
    CU_FAIL("members and coordinator never come to rest");
}
