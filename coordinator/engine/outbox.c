#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"

static struct ent_out *append(struct ent_engine *e, const struct ent_conn *conn)
{
    struct ent_out *out = NULL;

    if (ent_calloc(1, sizeof *out, &out) != ENT_E_OK) {
        ent_engine_fail(e, ENT_E_NO_MEMORY);
        return NULL;
    }
    out->conn = conn->id;
    out->enroll = conn->enroll;
    *e->out_last = out;
    e->out_last = &out->next;
    return out;
}

void ent_post(struct ent_engine *e, const struct ent_conn *conn, uint8_t type, uint64_t request,
              struct ent_buf *body_take)
{
    struct ent_out *out = conn->closing ? NULL : append(e, conn);

    if (out == NULL) {
        ent_buf_release(body_take);
        return;
    }
    out->type = type;
    out->request = request;
    out->body = *body_take;
    ent_buf_init(body_take, 0);
}

void ent_post_admit(struct ent_engine *e, const struct ent_conn *conn)
{
    struct ent_out *out = append(e, conn);

    if (out != NULL) {
        out->admit = true;
    }
}

void ent_post_close(struct ent_engine *e, struct ent_conn *conn)
{
    struct ent_out *out = conn->closing ? NULL : append(e, conn);

    if (out != NULL) {
        out->close = true;
        conn->closing = true;
    }
}

static void count_bytes(struct ent_engine *e, const struct ent_out *out)
{
    struct ent_conn *conn = ent_conns_find(e, out->enroll, out->conn);
    uint64_t bytes = out->body.len + ENT_FRAME_HEADER_BYTES;

    if (conn != NULL && conn->member != ENT_NO_MEMBER) {
        e->members[conn->member].traffic.bytes_out += bytes;
        e->round_out += bytes;
    }
}

static void flush_one(struct ent_engine *e, const struct ent_out *out)
{
    struct ent_link *link = out->enroll ? e->enroll : e->main;

    if (link == NULL) {
        return;
    }
    if (out->admit) {
        ent_link_admit(link, out->conn);
    } else if (out->close) {
        ent_link_close(link, out->conn, true);
    } else {
        enum ent_err err =
            ent_link_send(link, out->conn, out->type, out->request, out->body.data, out->body.len);

        if (err == ENT_E_OK) {
            count_bytes(e, out);
        } else {
            ent_log_debug("%s not sent: %s", ent_msg_name(out->type), ent_err_message());
        }
    }
}

static struct ent_out *take_first(struct ent_engine *e)
{
    struct ent_out *out = e->out_first;

    if (out != NULL) {
        e->out_first = out->next;
        e->out_last = e->out_first != NULL ? e->out_last : &e->out_first;
    }
    return out;
}

/* What one step says to a member goes out together. */
static void hold(struct ent_engine *e, const struct ent_out *out)
{
    struct ent_link *link = out->enroll ? e->enroll : e->main;
    struct ent_conn *conn = ent_conns_find(e, out->enroll, out->conn);

    if (conn != NULL && link != NULL && !conn->held) {
        conn->held = true;
        ent_link_hold(link, conn->id, true);
    }
}

void ent_outbox_let_go(struct ent_engine *e)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        struct ent_conn *conn = e->conns[i];
        struct ent_link *link = conn->enroll ? e->enroll : e->main;

        if (conn->held && link != NULL) {
            ent_link_hold(link, conn->id, false);
        }
        conn->held = false;
    }
}

void ent_outbox_flush(struct ent_engine *e)
{
    for (struct ent_out *out = take_first(e); out != NULL; out = take_first(e)) {
        hold(e, out);
        flush_one(e, out);
        ent_buf_release(&out->body);
        free(out);
    }
}

void ent_outbox_release(struct ent_engine *e)
{
    for (struct ent_out *out = take_first(e); out != NULL; out = take_first(e)) {
        ent_buf_release(&out->body);
        free(out);
    }
}
