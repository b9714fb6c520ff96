/* Bytes on their way out: the plan and models, each from one blob that all connections share. OFFER, the member's GO,
 * bytes; one transfer at a time on a connection. */
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "coordinator/engine/state.h"

/* ---- the shelf ---- */

enum ent_err ent_shelf_model(struct ent_engine *e, const uint8_t digest[32], struct ent_blob **out)
{
    struct ent_shelf *shelf;
    struct ent_blob *blob = NULL;
    char *path = NULL;
    enum ent_err err;

    for (size_t i = 0; i < sizeof e->models / sizeof e->models[0]; i++) {
        if (e->models[i].blob != NULL && memcmp(e->models[i].digest, digest, 32) == 0) {
            *out = ent_blob_ref(e->models[i].blob);
            return ENT_E_OK;
        }
    }
    ENT_TRY(ent_store_model_path(e->store, digest, &path));
    err = ent_blob_new_file(path, &blob);
    free(path);
    ENT_TRY(err);
    shelf = &e->models[e->next_model];
    e->next_model = (e->next_model + 1) % (sizeof e->models / sizeof e->models[0]);
    ent_blob_unref(shelf->blob);
    shelf->blob = blob;
    memcpy(shelf->digest, digest, 32);
    *out = ent_blob_ref(blob);
    return ENT_E_OK;
}

void ent_shelf_release(struct ent_engine *e)
{
    for (size_t i = 0; i < sizeof e->models / sizeof e->models[0]; i++) {
        ent_blob_unref(e->models[i].blob);
        e->models[i].blob = NULL;
    }
    ent_blob_unref(e->plan_shelf.blob);
    e->plan_shelf.blob = NULL;
}

/* ---- transfers ---- */

static void clear(struct ent_push *push)
{
    ent_blob_unref(push->blob);
    *push = (struct ent_push){0};
}

void ent_pushes_release(struct ent_conn *conn)
{
    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        clear(&conn->pushes[i]);
    }
}

/* A free place; otherwise the oldest offer that was not answered. */
static struct ent_push *place_for(struct ent_conn *conn, uint32_t kind)
{
    struct ent_push *oldest = NULL;

    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        struct ent_push *p = &conn->pushes[i];

        if (p->state == ENT_PUSH_OFFERED && p->kind == kind) {
            return p; /* the newer offer of its kind stands */
        }
    }
    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        struct ent_push *p = &conn->pushes[i];

        if (p->state == ENT_PUSH_FREE) {
            return p;
        }
        if (p->state == ENT_PUSH_OFFERED && (oldest == NULL || p->request < oldest->request)) {
            oldest = p;
        }
    }
    return oldest;
}

/* A member that is told twice of one round must not be offered its base twice: it would grant the first offer and skip
 * the second, and the first would not stand any more. */
static bool is_on_offer(const struct ent_conn *conn, uint32_t kind, const struct ent_blob *blob)
{
    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        const struct ent_push *p = &conn->pushes[i];

        if (p->state != ENT_PUSH_FREE && p->kind == kind && p->blob == blob) {
            return true;
        }
    }
    return false;
}

/* A member that is told twice of one round on a connection got its base the first time. */
static bool went_out(const struct ent_engine *e, struct ent_conn *conn, enum ent_offer_kind kind)
{
    if (kind != ENT_OFFER_MODEL) {
        return false;
    }
    if (conn->sent_run == e->run.config.run && conn->sent_round == e->round.round &&
        conn->sent_attempt == e->round.attempt) {
        return true;
    }
    conn->sent_run = e->run.config.run;
    conn->sent_round = e->round.round;
    conn->sent_attempt = e->round.attempt;
    return false;
}

/* Small bytes go with their offer. */
static void send_content(struct ent_engine *e, struct ent_conn *conn, struct ent_msg_offer *m,
                         const struct ent_blob *blob)
{
    if (!went_out(e, conn, m->kind)) {
        m->content = (struct ent_bytes){ent_blob_bytes(blob), ent_blob_len(blob)};
        ent_message_offer(e, conn, m);
    }
}

void ent_pushes_offer(struct ent_engine *e, struct ent_conn *conn, enum ent_offer_kind kind,
                      const uint8_t digest[32])
{
    struct ent_push *push = place_for(conn, kind);
    struct ent_msg_offer m = {.kind = kind};
    struct ent_blob *blob = NULL;

    /* Whoever asks for it too early: no model leaves before the witnesses have covered how it was made. */
    if (!ent_trail_may_send(e, kind)) {
        return;
    }
    if (kind == ENT_OFFER_PLAN) {
        blob = ent_blob_ref(e->plan_shelf.blob);
    } else if (ent_shelf_model(e, digest, &blob) != ENT_E_OK) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "a model cannot be sent: %s", ent_err_message());
        return;
    }
    memcpy(m.digest, digest, sizeof m.digest);
    m.bytes = ent_blob_len(blob);
    if (m.bytes <= ENT_WIRE_INLINE_MAX_BYTES && !e->options.no_inline) {
        send_content(e, conn, &m, blob);
        ent_blob_unref(blob);
        return;
    }
    if (is_on_offer(conn, kind, blob)) {
        ent_blob_unref(blob);
        return;
    }
    if (push == NULL) { /* four under way that it asked for: it must take those first */
        ent_blob_unref(blob);
        return;
    }
    clear(push);
    *push = (struct ent_push){
        .state = ENT_PUSH_OFFERED, .kind = kind, .request = e->next_request++, .blob = blob};
    ent_message_post(e, conn, ENT_MSG_OFFER, push->request, &m);
}

static void start_next(struct ent_engine *e, struct ent_conn *conn)
{
    struct ent_push *next = NULL;
    enum ent_err err;

    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        struct ent_push *p = &conn->pushes[i];

        if (p->state == ENT_PUSH_SENDING) {
            return;
        }
        if (p->state == ENT_PUSH_READY && (next == NULL || p->request < next->request)) {
            next = p;
        }
    }
    if (next == NULL || e->main == NULL) {
        return;
    }
    err = ent_link_send_blob(e->main, conn->id, next->request, next->blob, next->offset);
    if (err == ENT_E_OK) {
        next->state = ENT_PUSH_SENDING;
    } else {
        ent_log_debug("nothing sent to %s: %s", ent_engine_member_name(e, conn->member),
                      ent_err_message());
        clear(next);
    }
}

static struct ent_push *find(struct ent_conn *conn, uint64_t request)
{
    for (size_t i = 0; i < ENT_PUSHES_MAX; i++) {
        if (conn->pushes[i].state != ENT_PUSH_FREE && conn->pushes[i].request == request) {
            return &conn->pushes[i];
        }
    }
    return NULL;
}

void ent_pushes_go(struct ent_engine *e, struct ent_conn *conn, uint64_t request, uint64_t offset)
{
    struct ent_push *push = find(conn, request);

    if (push == NULL || push->state != ENT_PUSH_OFFERED) {
        ent_log_debug("%s: GO for what is not offered any more",
                      ent_engine_member_name(e, conn->member));
        return; /* an offer that a newer one replaced, or a repeat */
    }
    if (offset > ent_blob_len(push->blob)) {
        ent_message_refuse(e, conn, ENT_E_PROTOCOL, 0, "GO beyond the end of what was offered");
        ent_post_close(e, conn);
        return;
    }
    if (offset == ent_blob_len(push->blob)) { /* it has it already */
        clear(push);
        return;
    }
    push->offset = offset;
    push->state = ENT_PUSH_READY;
    start_next(e, conn);
}

void ent_pushes_sent(struct ent_engine *e, struct ent_conn *conn, uint64_t request)
{
    struct ent_push *push = find(conn, request);

    if (push == NULL) {
        return;
    }
    if (conn->member != ENT_NO_MEMBER) {
        uint64_t bytes = ent_blob_len(push->blob) - push->offset;

        e->members[conn->member].traffic.bytes_out += bytes;
        e->round_out += bytes;
    }
    clear(push);
    start_next(e, conn);
}
