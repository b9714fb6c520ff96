/* Leaves and notes on their way to the members. */
#include <string.h>

#include "coordinator/engine/state.h"

#define BATCH_MAX_BYTES ((size_t)60 * 1024)
#define AHEAD_MAX 24 /* batches without an answer: a connection queues 64 frames */
#define SHARED_MAX 4 /* members stand at few places of the log */

/* Batches that were sealed for one member serve others that stand at the same place. */
struct shared {
    uint64_t first;
    uint64_t end;
    struct ent_letter *letter;
};

struct sending {
    struct shared list[SHARED_MAX];
    size_t next; /* to be reused */
    struct ent_letter *checkpoint;
    uint64_t size; /* of `checkpoint` */
};

static void release(struct sending *s)
{
    for (size_t i = 0; i < SHARED_MAX; i++) {
        ent_letter_unref(s->list[i].letter);
    }
    ent_letter_unref(s->checkpoint);
}

/* ---- notes ---- */

enum ent_err ent_trail_write_note(struct ent_engine *e, uint64_t size,
                                  const uint8_t root[ENT_MERKLE_BYTES], struct ent_buf *out)
{
    const char *origin = e->audit.genesis.log.name;
    struct ent_checkpoint checkpoint = {.size = size};

    memcpy(checkpoint.origin, origin, strlen(origin) + 1);
    memcpy(checkpoint.root, root, sizeof checkpoint.root);
    ENT_TRY(ent_note_begin(&checkpoint, out));
    return ent_note_sign(out, origin, e->home->log_key);
}

/* The committed head becomes the note that is cosigned from now on. */
static enum ent_err take_head(struct ent_engine *e, bool *is_new)
{
    struct ent_trail_note *n = &e->audit.note;
    uint8_t root[ENT_MERKLE_BYTES];
    uint64_t size = 0;

    ENT_TRY(ent_store_log_committed(e->store, &size, root));
    *is_new = size != n->size;
    if (!*is_new) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_trail_flush(e)); /* the last one may have its quorum */
    ent_buf_clear(&n->text);
    memset(n->lines, 0, sizeof n->lines);
    memset(n->line_stored, 0, sizeof n->line_stored);
    n->n_cosigned = 0;
    n->quorum = false;
    n->stored = false;
    n->size = size;
    memcpy(n->root, root, sizeof n->root);
    ent_witness_in_force(&e->audit.history, e->audit.cosigned, &n->set);
    e->audit.said_waits = false;
    e->audit.told_ms = e->now_ms;
    return ent_trail_write_note(e, size, root, &n->text);
}

/* ---- letters ---- */

static enum ent_err leaves_letter(struct ent_engine *e, struct sending *s, uint64_t first,
                                  uint64_t end, struct shared **out)
{
    struct ent_about outside = {0};
    struct ent_msg_leaves m = {.first = first};
    struct shared *slot = &s->list[s->next];
    struct ent_letter *letter = NULL;
    struct ent_buf bundle;
    uint64_t n = 0;
    enum ent_err err;

    for (size_t i = 0; i < SHARED_MAX; i++) {
        if (s->list[i].letter != NULL && s->list[i].first == first && s->list[i].end <= end) {
            *out = &s->list[i];
            return ENT_E_OK;
        }
    }
    ent_buf_init(&bundle, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = ent_store_log_range(e->store, first, end, BATCH_MAX_BYTES, &bundle, &n);
    if (err == ENT_E_OK && n == 0) {
        err = ent_err_note(ENT_E_CORRUPT, "the log has no leaf %llu", (unsigned long long)first);
    }
    if (err == ENT_E_OK) {
        m.bundle = (struct ent_bytes){bundle.data, bundle.len};
        err = ent_message_write(e, ENT_MSG_LEAVES, &outside, &m, &letter);
    }
    ent_buf_release(&bundle);
    ENT_TRY(err);
    ent_letter_unref(slot->letter);
    *slot = (struct shared){.first = first, .end = first + n, .letter = letter};
    s->next = (s->next + 1) % SHARED_MAX;
    *out = slot;
    return ENT_E_OK;
}

/* The newest note, or, for a member that is far behind, one of the place that it reached. */
static enum ent_err checkpoint_letter(struct ent_engine *e, struct sending *s, uint64_t size)
{
    const struct ent_trail_note *n = &e->audit.note;
    struct ent_about outside = {0};
    struct ent_msg_checkpoint m = {.note = {n->text.data, n->text.len}};
    uint8_t root[ENT_MERKLE_BYTES];
    struct ent_buf older;
    enum ent_err err = ENT_E_OK;

    if (s->checkpoint != NULL && s->size == size) {
        return ENT_E_OK;
    }
    ent_letter_unref(s->checkpoint);
    s->checkpoint = NULL;
    ent_buf_init(&older, ENT_NOTE_MAX_BYTES);
    if (size != n->size) {
        err = ent_store_log_root_at(e->store, size, root);
        if (err == ENT_E_OK) {
            err = ent_trail_write_note(e, size, root, &older);
        }
        m.note = (struct ent_bytes){older.data, older.len};
    }
    if (err == ENT_E_OK) {
        err = ent_message_write(e, ENT_MSG_CHECKPOINT, &outside, &m, &s->checkpoint);
        s->size = size;
    }
    ent_buf_release(&older);
    return err;
}

static enum ent_err send_to(struct ent_engine *e, struct sending *s, struct ent_conn *conn)
{
    uint64_t size = e->audit.note.size;
    struct shared *batch = NULL;

    if (size == 0 || conn->log.sent > size) {
        return ENT_E_OK; /* it is told with the next note */
    }
    for (int i = 0; i < AHEAD_MAX && conn->log.sent < size; i++) {
        ENT_TRY(leaves_letter(e, s, conn->log.sent, size, &batch));
        ent_post_letter(e, conn, ENT_MSG_LEAVES, 0, batch->letter);
        conn->log.sent = batch->end;
    }
    conn->log.behind = conn->log.sent < size;
    ENT_TRY(checkpoint_letter(e, s, conn->log.sent));
    ent_post_letter(e, conn, ENT_MSG_CHECKPOINT, 0, s->checkpoint);
    return ENT_E_OK;
}

static bool listens(const struct ent_conn *conn)
{
    return !conn->enroll && conn->welcomed && conn->member != ENT_NO_MEMBER && !conn->closing;
}

void ent_trail_send(struct ent_engine *e, struct ent_conn *conn)
{
    struct sending s = {0};

    if (listens(conn)) {
        ent_engine_fail(e, send_to(e, &s, conn));
    }
    release(&s);
}

void ent_trail_publish(struct ent_engine *e)
{
    struct sending s = {0};
    bool is_new = false;
    enum ent_err err = take_head(e, &is_new);

    for (size_t i = 0; i < e->n_conns && err == ENT_E_OK && is_new; i++) {
        /* Who is far behind answers what it was sent last before it gets more. */
        if (listens(e->conns[i]) && !e->conns[i]->log.behind) {
            err = send_to(e, &s, e->conns[i]);
        }
    }
    release(&s);
    ent_engine_fail(e, err);
}

void ent_trail_welcome(struct ent_engine *e, struct ent_conn *conn)
{
    if (conn->log.sent > e->audit.note.size) {
        ent_trail_publish(e); /* it saw more than the note that is under way: all get the head */
    } else {
        ent_trail_send(e, conn);
    }
}
