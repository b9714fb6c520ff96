/* What several members are told in the same words: the opening of a round, its beginning, small bytes on offer. Such an
 * envelope names no receiver: it is made once. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/state.h"

static int by_handle(const void *a, const void *b)
{
    return memcmp(a, b, ENT_HANDLE_BYTES);
}

/* Handles of the members for which `wanted` says yes, ascending; caller frees. */
static enum ent_err handles(const struct ent_engine *e, ent_member_test wanted,
                            uint8_t (**out)[ENT_WIRE_HANDLE_BYTES], size_t *n_out)
{
    uint8_t(*list)[ENT_WIRE_HANDLE_BYTES] = NULL;
    size_t n = 0;

    ENT_TRY(ent_calloc(e->n_members, sizeof *list, &list));
    for (uint32_t i = 0; i < e->n_members; i++) {
        if (wanted(e, i)) {
            memcpy(list[n++], e->members[i].handle, ENT_HANDLE_BYTES);
        }
    }
    qsort(list, n, sizeof *list, by_handle);
    *out = list;
    *n_out = n;
    return ENT_E_OK;
}

static bool is_joined(const struct ent_engine *e, uint32_t member)
{
    return e->members[member].joined;
}

enum ent_err ent_message_open_fill(struct ent_engine *e, struct ent_msg_round_open *out)
{
    const struct ent_run_config *c = &e->run.config;
    struct ent_msg_round_open m = {.attempt = e->round.attempt,
                                   .task = e->round.task,
                                   .split = e->round.split,
                                   .min_members = c->min_members,
                                   .join_ms = c->join_ms,
                                   .update_ms = c->update_ms,
                                   .weights = e->plan->weights,
                                   .scale_bits = e->plan->scale_bits,
                                   .config = e->audit.config_leaf,
                                   .cosigned_size = e->audit.cosigned,
                                   .auditors = e->audit.auditors,
                                   .n_auditors = e->audit.n_auditors,
                                   .plain = e->audit.plain};
    struct ent_blob *base = NULL;

    memcpy(m.plan, e->plan->digest, sizeof m.plan);
    if (ent_task_find((uint32_t)e->round.task)->needs_base) {
        ENT_TRY(ent_shelf_model(e, e->round.base, &base));
        m.has_base = true;
        m.base_bytes = ent_blob_len(base);
        memcpy(m.base, e->round.base, sizeof m.base);
        ent_blob_unref(base);
    }
    ENT_TRY(ent_central_open(e, &m));
    *out = m;
    return ENT_E_OK;
}

/* ---- made once ---- */

void ent_message_forget_sealed(struct ent_engine *e)
{
    for (size_t i = 0; i < ENT_SEALED_N; i++) {
        ent_letter_unref(e->sealed[i].letter);
        e->sealed[i].letter = NULL;
    }
}

static enum ent_err write_open(struct ent_engine *e, struct ent_letter **out)
{
    struct ent_about about = ent_message_about(e);
    struct ent_letter *letter = NULL;
    struct ent_bytes leaf = {e->audit.open.data, e->audit.open.len}; /* as the log has it */
    struct ent_header header;
    enum ent_err err;

    ENT_TRY(ent_letter_new(&letter));
    err = ent_message_header(e, ENT_MSG_ROUND_OPEN, &about, &header);
    if (err == ENT_E_OK) {
        err = ent_wire_draft_payload(&header, leaf, &letter->draft);
    }
    if (err != ENT_E_OK) {
        ent_letter_unref(letter);
        return err;
    }
    *out = letter;
    return ENT_E_OK;
}

static enum ent_err write_begin(struct ent_engine *e, struct ent_letter **out)
{
    struct ent_about about = ent_message_about(e);
    struct ent_msg_begin m = {0};
    enum ent_err err;

    memcpy(m.round_open, e->round_open, sizeof m.round_open);
    ENT_TRY(handles(e, is_joined, &m.joined, &m.n_joined));
    err = ent_message_write(e, ENT_MSG_BEGIN, &about, &m, out);
    free(m.joined);
    return err;
}

static void post_sealed(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                        struct ent_sealed *sealed, enum ent_err err)
{
    if (err == ENT_E_OK) {
        ent_post_letter(e, conn, (uint8_t)type, 0, sealed->letter);
    } else {
        ent_message_unsendable(e, conn, type, err);
    }
}

void ent_message_open(struct ent_engine *e, uint32_t member)
{
    struct ent_conn *conn = ent_conns_of(e, member);
    struct ent_sealed *sealed = &e->sealed[ENT_SEALED_OPEN];
    enum ent_err err = ENT_E_OK;

    if (conn == NULL) {
        return;
    }
    if (sealed->letter == NULL) {
        err = write_open(e, &sealed->letter);
    }
    post_sealed(e, conn, ENT_MSG_ROUND_OPEN, sealed, err);
}

void ent_message_begin(struct ent_engine *e, uint32_t member)
{
    struct ent_conn *conn = ent_conns_of(e, member);
    struct ent_sealed *sealed = &e->sealed[ENT_SEALED_BEGIN];
    enum ent_err err = ENT_E_OK;

    if (conn == NULL) {
        return;
    }
    if (sealed->letter == NULL) {
        err = write_begin(e, &sealed->letter);
    }
    post_sealed(e, conn, ENT_MSG_BEGIN, sealed, err);
    if (ent_task_find((uint32_t)e->round.task)->needs_base &&
        !(e->round.members[member].has_base && conn->has_base)) {
        ent_pushes_offer(e, conn, ENT_OFFER_MODEL, e->round.base);
    }
}

void ent_message_offer(struct ent_engine *e, struct ent_conn *conn, const struct ent_msg_offer *m)
{
    struct ent_sealed *sealed = &e->sealed[ENT_SEALED_OFFER];
    struct ent_about about = {.run = e->run.config.run};
    bool same = sealed->letter != NULL && sealed->kind == m->kind &&
                memcmp(sealed->digest, m->digest, sizeof sealed->digest) == 0;
    enum ent_err err = ENT_E_OK;

    if (!same) {
        ent_letter_unref(sealed->letter);
        sealed->letter = NULL;
        err = ent_message_write(e, ENT_MSG_OFFER, &about, m, &sealed->letter);
        sealed->kind = m->kind;
        memcpy(sealed->digest, m->digest, sizeof sealed->digest);
    }
    post_sealed(e, conn, ENT_MSG_OFFER, sealed, err);
}
