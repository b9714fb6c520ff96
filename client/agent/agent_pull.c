/* A coordinator that lost a part of its directory asks: leaves, plans, models, the note cosigned last. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/tlog/note.h"
#include "common/tlog/tiles.h"

/* What there is of `len` bytes from the offset on. */
static enum ent_err send_piece(struct ent_agent *agent, const struct ent_msg_pull *pull,
                               const uint8_t *bytes, size_t len)
{
    struct ent_msg_piece m = {
        .kind = pull->kind, .has_digest = pull->has_digest, .offset = pull->offset, .total = len};

    memcpy(m.digest, pull->digest, sizeof m.digest);
    if (pull->offset < len) {
        size_t left = len - (size_t)pull->offset;

        m.bytes =
            (struct ent_bytes){bytes + pull->offset,
                               left < ENT_WIRE_INLINE_MAX_BYTES ? left : ENT_WIRE_INLINE_MAX_BYTES};
    } else if (pull->offset > ENT_WIRE_TRANSFER_MAX_BYTES) {
        m.offset = 0;
    }
    return ent_agent_send(agent, ENT_MSG_PIECE, &m, NULL);
}

/* As many as fit a message; at least one, or none is kept here. */
static enum ent_err gather(struct ent_agent *agent, uint64_t first, struct ent_buf *bundle)
{
    uint64_t size = ent_mirror_head(agent->mirror)->tree.size;
    struct ent_buf leaf;
    enum ent_err err = ENT_E_OK;

    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    for (uint64_t i = first; i < size && err == ENT_E_OK; i++) {
        ent_buf_clear(&leaf);
        err = ent_state_leaf_get(agent->state, i, &leaf);
        if (err == ENT_E_OK && bundle->len > 0 &&
            bundle->len + leaf.len + 2 > ENT_WIRE_INLINE_MAX_BYTES) {
            break;
        }
        if (err == ENT_E_OK) {
            err = ent_tiles_bundle_add(bundle, leaf.data, leaf.len);
        }
    }
    ent_buf_release(&leaf);
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err send_leaves(struct ent_agent *agent, const struct ent_msg_pull *pull)
{
    struct ent_msg_leaves m = {.first = pull->offset};
    struct ent_buf bundle;
    enum ent_err err;

    ent_buf_init(&bundle, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = gather(agent, pull->offset, &bundle);
    if (err == ENT_E_OK && bundle.len > 0) {
        m.bundle = (struct ent_bytes){bundle.data, bundle.len};
        err = ent_agent_send(agent, ENT_MSG_LEAVES, &m, NULL);
    } else if (err == ENT_E_OK) {
        err = send_piece(agent, pull, NULL, 0);
    }
    ent_buf_release(&bundle);
    return err;
}

static enum ent_err send_plan(struct ent_agent *agent, const struct ent_msg_pull *pull)
{
    char *path = NULL;
    struct ent_buf plan;
    enum ent_err err;

    ent_buf_init(&plan, ENT_WIRE_PLAN_MAX_BYTES);
    err = ent_agent_plan_path(agent, pull->digest, &path);
    if (err == ENT_E_OK) {
        err = ent_file_read(path, &plan);
    }
    if (err == ENT_E_OK || err == ENT_E_NOT_FOUND) {
        err = send_piece(agent, pull, plan.data, err == ENT_E_OK ? plan.len : 0);
    }
    free(path);
    ent_buf_release(&plan);
    return err;
}

static enum ent_err send_model(struct ent_agent *agent, const struct ent_msg_pull *pull)
{
    struct ent_blob *blob = NULL;
    enum ent_err err = ent_state_model_get(agent->state, pull->digest, &blob);

    if (err == ENT_E_NOT_FOUND || err == ENT_E_CORRUPT) {
        return send_piece(agent, pull, NULL, 0);
    }
    ENT_TRY(err);
    err = send_piece(agent, pull, ent_blob_bytes(blob), ent_blob_len(blob));
    ent_blob_unref(blob);
    return err;
}

static enum ent_err send_note(struct ent_agent *agent, const struct ent_msg_pull *pull)
{
    struct ent_buf note;
    enum ent_err err;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    err = ent_state_log_note(agent->state, &note);
    if (err == ENT_E_OK || err == ENT_E_NOT_FOUND) {
        err = send_piece(agent, pull, note.data, note.len);
    }
    ent_buf_release(&note);
    return err;
}

enum ent_err ent_agent_take_pull(struct ent_agent *agent, const struct ent_envelope *envelope)
{
    struct ent_msg_pull m;

    ENT_TRY(ent_msg_pull_decode(envelope->payload, envelope->payload_len, &agent->arena, &m));
    ENT_REQUIRE(m.has_digest == (m.kind == ENT_PULL_PLAN || m.kind == ENT_PULL_MODEL),
                ENT_E_PROTOCOL, "pull: a digest names plans and models, and nothing else");
    switch (m.kind) {
    case ENT_PULL_LEAVES:
        return send_leaves(agent, &m);
    case ENT_PULL_PLAN:
        return send_plan(agent, &m);
    case ENT_PULL_MODEL:
        return send_model(agent, &m);
    default: /* ENT_PULL_NOTE */
        return send_note(agent, &m);
    }
}
