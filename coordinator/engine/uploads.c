/* Updates on their way in: OFFER, grant by the machine, GO when the byte budget has room, bytes, then a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"
#include "coordinator/engine/sysfail.h"

enum ent_err ent_uploads_layout(const struct ent_engine *e, enum ent_round_task task, size_t *dim,
                                uint64_t *bytes)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(e->plan);
    const struct ent_task *which = ent_task_find((uint32_t)task);

    ENT_TRY(which->dim(&sizes, dim));
    return ent_task_payload_bytes(which, &sizes, bytes);
}

bool ent_uploads_are_small(const struct ent_engine *e)
{
    uint64_t bytes = 0;
    size_t dim = 0;

    return e->plan != NULL && ent_uploads_layout(e, e->round.task, &dim, &bytes) == ENT_E_OK &&
           bytes <= ENT_WIRE_INLINE_MAX_BYTES;
}

void ent_uploads_offer(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                       const struct ent_envelope *env)
{
    struct ent_upload *u = &e->members[conn->member].upload;
    struct ent_event event = ent_engine_event(e, ENT_EV_OFFER, conn->member);
    bool under_way = (u->state == ENT_UPLOAD_WAITING || u->state == ENT_UPLOAD_ARRIVING) &&
                     u->request == request && memcmp(u->digest, env->payload_sha256, 32) == 0;

    event.round = env->header.round;
    event.attempt = env->header.attempt;
    memcpy(event.digest, env->payload_sha256, sizeof event.digest);
    if (under_way) { /* the same once more: its GO is coming */
        ent_refusal_count(e, conn->member, ENT_E_REPEAT);
        return;
    }
    if (u->pending) {
        ent_engine_feed(e, &event); /* a repeat, or nothing that could be taken */
        return;
    }
    if (u->state == ENT_UPLOAD_ARRIVING) {
        ent_message_refuse(e, conn, ENT_E_BUSY, env->header.sequence,
                           "another upload of yours is under way");
        return;
    }
    ent_blob_unref(u->content);
    *u = (struct ent_upload){.state = ENT_UPLOAD_OFFERED,
                             .request = request,
                             .sequence = env->header.sequence,
                             .round = env->header.round,
                             .attempt = env->header.attempt,
                             .bytes = env->header.update.payload_bytes,
                             .is_small = env->payload_len > 0};
    memcpy(u->digest, env->payload_sha256, sizeof u->digest);
    ent_said_take(&e->members[conn->member].log.says.update, env);
    if (u->is_small) {
        ent_engine_fail(e, ent_blob_new_copy(env->payload, env->payload_len, &u->content));
    }
    ent_engine_feed(e, &event);
    if (e->round.phase == ENT_PHASE_UPDATE) {
        u->bad = ent_uploads_check_statement(e, conn->member, &env->header.update, &u->weight);
        if (u->bad != ENT_E_OK) { /* said when it is rejected */
            (void)snprintf(u->why, sizeof u->why, "%s", ent_err_message());
        }
    }
}

/* ---- the budget ---- */

static struct ent_event update_event(const struct ent_engine *e, enum ent_event_kind kind,
                                     uint32_t member, enum ent_err code)
{
    const struct ent_upload *u = &e->members[member].upload;
    struct ent_event event = ent_engine_event(e, kind, member);

    event.round = u->round;
    event.attempt = u->attempt;
    event.code = code;
    event.weight = u->weight;
    event.rows = kind == ENT_EV_UPDATE ? u->rows : 0;
    memcpy(event.digest, u->digest, sizeof event.digest);
    return event;
}

static void bad(struct ent_engine *e, uint32_t member, enum ent_err code)
{
    struct ent_event event = update_event(e, ENT_EV_UPDATE_BAD, member, code);

    e->members[member].upload.state = ENT_UPLOAD_DONE;
    ent_engine_feed(e, &event);
}

static void give_back(struct ent_engine *e, struct ent_upload *u)
{
    e->budget_used -= u->charge;
    u->charge = 0;
}

/* Whether the machine still waits for this member's update. */
static bool is_wanted(const struct ent_engine *e, uint32_t member)
{
    const struct ent_upload *u = &e->members[member].upload;
    const struct ent_round_member *m = &e->round.members[member];
    bool now = u->round == e->round.round && u->attempt == e->round.attempt;

    return e->round.phase == ENT_PHASE_UPDATE && (now || ENT_HOOK_PLANTED("old-attempt-added")) &&
           (m->standing == ENT_STANDING_OFFERED || m->damaged);
}

/* Refused for good: a line, because it makes a row. */
static void say_bad(struct ent_engine *e, uint32_t member, enum ent_err code, const char *why)
{
    if (is_wanted(e, member) && ent_engine_may_say_of(e, member)) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s: its update is not taken: %s",
                       e->members[member].name, why);
    }
    bad(e, member, code);
}

static void drop_content(struct ent_upload *u)
{
    ent_blob_unref(u->content);
    u->content = NULL;
}

/* A small update is here already, within the memory that its frame was given: nothing to grant. Its
 * digest was checked with the envelope. */
static void take_content(struct ent_engine *e, uint32_t member)
{
    struct ent_upload *u = &e->members[member].upload;
    struct ent_row row = ent_engine_attempt(e);
    bool again = e->round.members[member].damaged; /* its row stands, no other will be written */
    struct ent_event event;
    enum ent_err err;

    u->state = ENT_UPLOAD_DONE;
    err = ent_uploads_check(e, member, u->content);
    if (err != ENT_E_OK) {
        say_bad(e, member, err, ent_err_message());
        return;
    }
    if (!again) {
        ent_engine_fail(e, ent_seal_update(e, member, u->content));
    }
    if (again) {
        ent_engine_fail(e,
                        ent_store_small_put(e->store, &row, e->members[member].handle,
                                            ent_blob_bytes(u->content), ent_blob_len(u->content)));
    }
    event = update_event(e, ENT_EV_UPDATE, member, ENT_E_OK);
    ent_engine_feed(e, &event);
    u->pending = !again && e->round.members[member].standing == ENT_STANDING_ACCEPTED;
    u->unstored = u->pending;
}

void ent_uploads_granted(struct ent_engine *e, uint32_t member)
{
    struct ent_upload *u = &e->members[member].upload;

    if (u->state != ENT_UPLOAD_OFFERED) {
        return; /* under way already, or its connection is gone */
    }
    if (u->bad != ENT_E_OK) {
        say_bad(e, member, u->bad, u->why);
        return;
    }
    if (u->is_small) {
        if (is_wanted(e, member)) {
            take_content(e, member);
        }
        if (!u->unstored) {
            drop_content(u);
        }
        return;
    }
    u->state = ENT_UPLOAD_WAITING;
    u->ticket = ++e->next_ticket;
}

enum ent_err ent_uploads_store(struct ent_engine *e, const struct ent_row *row)
{
    const struct ent_engine_member *m = &e->members[row->member];
    const struct ent_upload *u = &m->upload;

    if (!u->unstored) {
        return ENT_E_OK; /* in its file */
    }
    return ent_store_small_put(e->store, row, m->handle, ent_blob_bytes(u->content),
                               ent_blob_len(u->content));
}

void ent_uploads_stored(struct ent_engine *e, const struct ent_row *row)
{
    struct ent_upload *u = &e->members[row->member].upload;

    u->pending = false;
    u->unstored = false;
    drop_content(u);
}

void ent_uploads_cancel(struct ent_engine *e, uint32_t member, bool connection_lost)
{
    struct ent_upload *u = &e->members[member].upload;
    bool tell = connection_lost && u->state != ENT_UPLOAD_NONE && u->state != ENT_UPLOAD_DONE &&
                is_wanted(e, member);

    if (u->state == ENT_UPLOAD_ARRIVING && !connection_lost) {
        return; /* the bytes are granted and will come; the machine refuses them then */
    }
    give_back(e, u);
    if (u->state != ENT_UPLOAD_NONE) {
        u->state = ENT_UPLOAD_DONE;
    }
    if (tell) {
        bad(e, member, ENT_E_DROPPED);
    }
}

static enum ent_err part_path(const struct ent_engine *e, uint32_t member, char **path, char **part)
{
    char suffix[40];
    size_t len;

    ENT_TRY(ent_store_update_path(e->store, e->run.config.run, e->round.round, e->round.attempt,
                                  e->members[member].handle, path));
    /* A name of its own for each try: a connection that is being closed removes its file whenever it comes to it. */
    (void)snprintf(suffix, sizeof suffix, ".%llu.part",
                   (unsigned long long)e->members[member].upload.ticket);
    len = strlen(*path) + strlen(suffix) + 1;
    ENT_TRY(ent_calloc(len, 1, part));
    (void)snprintf(*part, len, "%s%s", *path, suffix);
    return ENT_E_OK;
}

static enum ent_err file_sink(const struct ent_engine *e, uint32_t member, uint64_t bytes,
                              struct ent_sink **out)
{
    char *path = NULL;
    char *part = NULL;
    enum ent_err err = part_path(e, member, &path, &part);
    int fd = -1;

    if (err == ENT_E_OK) {
        fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        err = fd >= 0 ? ENT_E_OK : ent_sysfail(ENT_E_IO, part);
    }
    if (err == ENT_E_OK) {
        err = ent_sink_new_file(fd, part, bytes, out);
        if (err != ENT_E_OK) {
            (void)close(fd);
        }
    }
    free(path);
    free(part);
    return err;
}

/* GO, with somewhere for the bytes to go. */
static void start(struct ent_engine *e, uint32_t member, bool on_disk)
{
    struct ent_upload *u = &e->members[member].upload;
    struct ent_conn *conn = ent_conns_of(e, member);
    struct ent_msg_go go = {0};
    struct ent_sink *sink = NULL;
    struct ent_buf body;
    enum ent_err err;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = on_disk ? file_sink(e, member, u->bytes, &sink) : ent_sink_new_memory(u->bytes, &sink);
    if (err == ENT_E_OK) {
        err = ent_msg_go_encode(&go, &body);
    }
    if (err == ENT_E_OK) {
        err = e->main != NULL && conn != NULL
                  ? ent_link_expect(e->main, conn->id, u->request, sink)
                  : ent_err_note(ENT_E_NOT_FOUND, "the connection is gone");
        sink = err == ENT_E_OK ? NULL : sink;
    }
    ent_sink_free(sink);
    if (err == ENT_E_OK) {
        u->state = ENT_UPLOAD_ARRIVING;
        ent_post(e, conn, ENT_MSG_GO, u->request, &body);
    } else {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s: no upload: %s", e->members[member].name,
                       ent_err_message());
        give_back(e, u);
        bad(e, member, err == ENT_E_NOT_FOUND || err == ENT_E_BUSY ? ENT_E_DROPPED : err);
    }
    ent_buf_release(&body);
}

static uint32_t next_waiting(const struct ent_engine *e)
{
    uint32_t best = ENT_NO_MEMBER;

    for (uint32_t i = 0; i < e->n_members; i++) {
        const struct ent_upload *u = &e->members[i].upload;

        if (u->state == ENT_UPLOAD_WAITING &&
            (best == ENT_NO_MEMBER || u->ticket < e->members[best].upload.ticket)) {
            best = i;
        }
    }
    return best;
}

/* First come, first served: whoever is first in line takes memory if its update fits, and a file otherwise, of which
 * only one frame is in memory at a time. If not even that fits, all wait. */
void ent_uploads_pump(struct ent_engine *e)
{
    uint64_t memory = e->home->config->memory_bytes;

    while (e->fatal == ENT_E_OK) {
        uint32_t member = next_waiting(e);
        uint64_t left = memory > e->budget_used ? memory - e->budget_used : 0;
        struct ent_upload *u;
        bool on_disk;

        if (member == ENT_NO_MEMBER) {
            return;
        }
        u = &e->members[member].upload;
        on_disk = u->bytes > left;
        u->charge =
            on_disk && u->bytes > ENT_FRAME_DATA_MAX_BYTES ? ENT_FRAME_DATA_MAX_BYTES : u->bytes;
        if (u->charge > left && e->budget_used > 0) {
            u->charge = 0;
            return;
        }
        e->budget_used += u->charge;
        start(e, member, on_disk);
    }
}

/* ---- what arrived ---- */

static enum ent_err write_part(const char *part, const struct ent_blob *blob)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum ent_err err;

    ENT_TRY(fd >= 0 ? ENT_E_OK : ent_sysfail(ENT_E_IO, part));
    err = ent_fd_write(fd, ent_blob_bytes(blob), ent_blob_len(blob));
    if (err == ENT_E_OK) {
        err = ent_fd_sync(fd, part);
    }
    (void)close(fd);
    if (err != ENT_E_OK) {
        (void)unlink(part);
    }
    return err;
}

/* The update becomes a durable file under its name; the directory is synchronised before the commit. */
static enum ent_err keep(struct ent_engine *e, uint32_t member, struct ent_sink *sink,
                         const struct ent_blob *blob)
{
    char *path = NULL;
    char *part = NULL;
    enum ent_err err = part_path(e, member, &path, &part);

    if (err == ENT_E_OK && ent_sink_path(sink) == NULL) {
        err = write_part(part, blob);
    }
    if (err == ENT_E_OK && rename(part, path) != 0) {
        err = ent_sysfail(ENT_E_IO, path);
    }
    if (err == ENT_E_OK) {
        ent_sink_keep(sink);
        e->updates_dirty = true;
    }
    free(path);
    free(part);
    return err;
}

static enum ent_err take_update(struct ent_engine *e, uint32_t member, struct ent_sink *sink)
{
    bool again = e->round.members[member].damaged; /* its leaf stands */
    const struct ent_upload *u = &e->members[member].upload;
    struct ent_blob *blob = NULL;
    uint8_t digest[32];
    enum ent_err err;

    ent_sink_sha256(sink, digest);
    ENT_REQUIRE(memcmp(digest, u->digest, sizeof digest) == 0, ENT_E_DIGEST,
                "the bytes that arrived are not those that were signed");
    ENT_TRY(ent_sink_blob(sink, &blob));
    err = ent_uploads_check(e, member, blob);
    if (err == ENT_E_OK && !again) {
        ent_engine_fail(e, ent_seal_update(e, member, blob));
    }
    if (err == ENT_E_OK) {
        err = keep(e, member, sink, blob);
    }
    ent_blob_unref(blob);
    return err;
}

void ent_uploads_received(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                          struct ent_sink *sink_take)
{
    uint32_t member = conn->member;
    struct ent_upload *u = member != ENT_NO_MEMBER ? &e->members[member].upload : NULL;
    struct ent_event event;
    enum ent_err err = ENT_E_OK;
    bool again;

    if (u == NULL || u->state != ENT_UPLOAD_ARRIVING || u->request != request) {
        ent_sink_free(sink_take);
        return;
    }
    give_back(e, u);
    u->state = ENT_UPLOAD_DONE;
    e->members[member].traffic.bytes_in += u->bytes;
    e->round_in += u->bytes;
    if (is_wanted(e, member)) {
        err = take_update(e, member, sink_take);
    }
    ent_sink_free(sink_take);
    if (err != ENT_E_OK) {
        say_bad(e, member, err, ent_err_message());
        return;
    }
    again = e->round.members[member].damaged;
    event = update_event(e, ENT_EV_UPDATE, member, ENT_E_OK);
    ent_engine_feed(e, &event);
    u->pending = !again && e->round.members[member].standing == ENT_STANDING_ACCEPTED;
}
