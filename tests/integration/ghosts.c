#include "tests/integration/ghosts.h"

#include <string.h>

#include "tests/integration/faults.h"
#include "tests/integration/record.h"

#define TURNS 4

/* ---- raising ---- */

static void raise_ghost(struct box *box, uint32_t member, ent_conn_id conn,
                        const struct record_offer *offer)
{
    struct fault_ghost *g = &box->faults->ghosts[member];

    *g = (struct fault_ghost){
        .turns = TURNS, .conn = conn, .request = offer->request, .len = offer->len};
    g->body = offer->body;
    memcpy(g->digest, offer->digest, sizeof g->digest);
}

/* Of the newest attempt before this one whose bytes once passed over the wire. */
static const struct record_offer *older_offer(const struct box *box, uint32_t member,
                                              const struct ent_header *h)
{
    for (uint32_t attempt = h->attempt; attempt > 1; attempt--) {
        const struct record_offer *o = record_offer_of(box, member, h->run, h->round, attempt - 1);

        if (o != NULL && record_payload(box, o->digest) != NULL) {
            return o;
        }
    }
    return NULL;
}

static void look_at(struct box *box, const struct ent_link_mem_frame *frame)
{
    struct box_faults *f = box->faults;
    uint32_t member = record_conn(box, frame->dialer_conn)->member;
    const struct record_offer *offer = NULL;
    struct ent_bytes body = {frame->body, frame->len};
    struct ent_envelope env;
    bool ack = frame->type == ENT_MSG_ACK;

    if (member == BOX_NOBODY || f->ghosts[member].turns > 0 || box->time.mono_ms >= f->until_ms ||
        (ack && ent_rng_below(&f->rng, 8) != 0) ||
        ent_wire_open(frame->type, ENT_SENDER_COORDINATOR, body, &box->record->arena, &env) !=
            ENT_E_OK) {
        return;
    }
    if (ack) {
        offer = record_offer_of(box, member, env.header.run, env.header.round, env.header.attempt);
    } else if (env.header.attempt > 1) {
        offer = older_offer(box, member, &env.header);
    }
    if (offer != NULL) {
        raise_ghost(box, member, frame->dialer_conn, offer);
    }
}

bool ghosts_take_frame(struct box *box, const struct ent_link_mem_frame *frame)
{
    uint32_t member;

    if (frame->to_listener) {
        return false;
    }
    if (frame->type == ENT_MSG_ACK || frame->type == ENT_MSG_BEGIN) {
        look_at(box, frame);
        return false;
    }
    member = record_conn(box, frame->dialer_conn)->member;
    if (frame->type == ENT_MSG_GO && member != BOX_NOBODY) {
        struct fault_ghost *g = &box->faults->ghosts[member];

        if (g->turns > 0 && g->sent && g->request == frame->request &&
            g->conn == frame->dialer_conn) {
            g->granted = true;
            return true;
        }
    }
    return false;
}

/* ---- speaking ---- */

bool ghosts_hold(const struct box *box, uint32_t member)
{
    return box->faults->ghosts[member].turns > 0;
}

static void send_bytes(struct box *box, struct ent_link *link, const struct fault_ghost *g)
{
    const struct record_bytes *payload = record_payload(box, g->digest);
    struct ent_blob *blob = NULL;

    if (payload == NULL || ent_blob_new_copy(payload->bytes, payload->len, &blob) != ENT_E_OK) {
        return;
    }
    if (ent_link_send_blob(link, g->conn, g->request, blob, 0) != ENT_E_OK) {
        /* the connection is gone: so is the ghost */
    }
    ent_blob_unref(blob);
}

static void speak(struct box *box, uint32_t member)
{
    struct fault_ghost *g = &box->faults->ghosts[member];
    struct ent_link *link = box->members[member].link;
    uint32_t phase = box_phase(box);

    if (link == NULL) {
        g->turns = 0;
        return;
    }
    if (!g->sent) {
        g->sent = true;
        box->faults->matrix[FAULT_REPEAT][phase]++;
        if (ent_link_send(link, g->conn, ENT_MSG_UPDATE, g->request, g->body, g->len) != ENT_E_OK) {
            g->turns = 0;
            return;
        }
    } else if (g->granted) {
        g->granted = false;
        send_bytes(box, link, g);
        g->turns = TURNS;
    }
    g->turns--;
}

void ghosts_tick(struct box *box)
{
    for (uint32_t i = 0; i < box->n_members; i++) {
        if (box->faults->ghosts[i].turns > 0) {
            speak(box, i);
        }
    }
}
