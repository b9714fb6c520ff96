#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"

void ent_outbox_init(struct ent_engine *e)
{
    e->out.last = &e->out.first;
    e->ready.last = &e->ready.first;
}

/* ---- letters ---- */

enum ent_err ent_letter_new(struct ent_letter **out)
{
    struct ent_letter *letter = NULL;

    ENT_TRY(ent_calloc(1, sizeof *letter, &letter));
    letter->refs = 1;
    ent_buf_init(&letter->draft.body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    *out = letter;
    return ENT_E_OK;
}

void ent_letter_unref(struct ent_letter *letter)
{
    if (letter != NULL && --letter->refs == 0) {
        ent_buf_release(&letter->draft.body);
        free(letter);
    }
}

/* ---- posting ---- */

static struct ent_out *append(struct ent_engine *e, const struct ent_conn *conn)
{
    struct ent_out *out = NULL;

    if (ent_calloc(1, sizeof *out, &out) != ENT_E_OK) {
        ent_engine_fail(e, ENT_E_NO_MEMORY);
        return NULL;
    }
    out->conn = conn->id;
    out->enroll = conn->enroll;
    *e->out.last = out;
    e->out.last = &out->next;
    return out;
}

void ent_post_letter(struct ent_engine *e, const struct ent_conn *conn, uint8_t type,
                     uint64_t request, struct ent_letter *letter)
{
    struct ent_out *out = conn->closing ? NULL : append(e, conn);

    if (out != NULL) {
        out->type = type;
        out->request = request;
        out->letter = letter;
        letter->refs++;
    }
}

void ent_post(struct ent_engine *e, const struct ent_conn *conn, uint8_t type, uint64_t request,
              struct ent_buf *body_take)
{
    struct ent_letter *letter = NULL;
    enum ent_err err = ent_letter_new(&letter);

    if (err == ENT_E_OK) {
        letter->draft.body = *body_take;
        letter->draft.is_signed = true; /* there is nothing to sign */
        ent_buf_init(body_take, 0);
        ent_post_letter(e, conn, type, request, letter);
    } else {
        ent_engine_fail(e, err);
        ent_buf_release(body_take);
    }
    ent_letter_unref(letter);
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
    uint64_t bytes = out->letter->draft.body.len + ENT_FRAME_HEADER_BYTES;

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
        const struct ent_buf *body = &out->letter->draft.body;
        enum ent_err err =
            ent_link_send(link, out->conn, out->type, out->request, body->data, body->len);

        if (err == ENT_E_OK) {
            count_bytes(e, out);
        } else {
            ent_log_debug("%s not sent: %s", ent_msg_name(out->type), ent_err_message());
        }
    }
}

static struct ent_out *take_first(struct ent_outs *list)
{
    struct ent_out *out = list->first;

    if (out != NULL) {
        list->first = out->next;
        list->last = list->first != NULL ? list->last : &list->first;
    }
    return out;
}

static void out_free(struct ent_out *out)
{
    ent_letter_unref(out->letter);
    free(out);
}

/* ---- leaving ---- */

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

static void unhold_all(struct ent_engine *e)
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

/* One signature for all that leaves now. */
static enum ent_err sign_ready(struct ent_engine *e)
{
    struct ent_draft **drafts = NULL;
    size_t n = 0;
    enum ent_err err;

    for (const struct ent_out *out = e->ready.first; out != NULL; out = out->next) {
        n++;
    }
    ENT_TRY(ent_calloc(n, sizeof(struct ent_draft *), &drafts));
    n = 0;
    for (const struct ent_out *out = e->ready.first; out != NULL; out = out->next) {
        struct ent_letter *letter = out->letter;

        if (letter != NULL && !letter->listed && !letter->draft.is_signed) {
            letter->listed = true;
            drafts[n++] = &letter->draft;
        }
    }
    err = ent_wire_sign_drafts(e->home->log_key, drafts, n);
    free(drafts);
    return err;
}

void ent_outbox_let_go(struct ent_engine *e)
{
    enum ent_err err = e->ready.first != NULL ? sign_ready(e) : ENT_E_OK;

    ent_engine_fail(e, err);
    for (struct ent_out *out = take_first(&e->ready); out != NULL; out = take_first(&e->ready)) {
        if (err == ENT_E_OK) {
            hold(e, out);
            flush_one(e, out);
        }
        out_free(out);
    }
    unhold_all(e);
}

void ent_outbox_flush(struct ent_engine *e)
{
    if (e->out.first != NULL) {
        *e->ready.last = e->out.first;
        e->ready.last = e->out.last;
        e->out = (struct ent_outs){.last = &e->out.first};
    }
}

void ent_outbox_release(struct ent_engine *e)
{
    ent_outbox_flush(e);
    for (struct ent_out *out = take_first(&e->ready); out != NULL; out = take_first(&e->ready)) {
        out_free(out);
    }
}
