#include <string.h>

#include "common/task/task.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* ---- updates by hand ---- */

static void put_le64(struct ent_buf *out, int64_t v)
{
    uint8_t bytes[8];

    ent_put_le64(bytes, (uint64_t)v);
    ENT_OK(ent_buf_add(out, bytes, sizeof bytes));
}

/* salt, then integers that a member with ten rows could have. */
static void make_payload(const struct fed_member *m, int32_t q, struct ent_buf *out)
{
    uint8_t salt[ENT_UPDATE_SALT_BYTES];
    uint8_t le[4];

    memset(salt, m->handle[0], sizeof salt);
    ENT_OK(ent_buf_add(out, salt, sizeof salt));
    if (m->open.task == ENT_TASK_TRAIN) {
        for (int32_t i = 0; i < (int32_t)(m->fed->n_params > 0 ? m->fed->n_params : 2); i++) {
            ent_put_le32(le, (uint32_t)((i % 2 == 0 ? q : -q) + i / 2 % 5));
            ENT_OK(ent_buf_add(out, le, sizeof le));
        }
    } else if (m->open.task == ENT_TASK_STATS) {
        const int64_t stats[] = {10, 4, 10, 0, 0, 10 * 524288, 10 * 262144};

        for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++) {
            put_le64(out, stats[i]);
        }
    } else {
        /* scores and squared errors of 6 and 4 rows in the middle of cells 100 and 900 */
        const int64_t head[ENT_EVAL_CELLS_AT] = {10, 4, 10 * 524288, 0, 121608, 4305920};

        for (size_t i = 0; i < ENT_EVAL_CELLS_AT; i++) {
            put_le64(out, head[i]);
        }
        for (int i = 0; i < 2 * ENT_EVAL_CELLS; i++) {
            put_le64(out, i == 100 ? 6 : i == ENT_EVAL_CELLS + 900 ? 4 : 0);
        }
    }
}

static void put_inside(struct fed_member *m, const struct ent_buf *payload)
{
    struct ent_buf sealed = m->update;

    ent_buf_init(&m->update, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_put_payload((struct ent_bytes){sealed.data, sealed.len},
                                (struct ent_bytes){payload->data, payload->len}, &m->fed->arena,
                                &m->update));
    ent_buf_release(&sealed);
}

void fed_offer(struct fed_member *m, int32_t q)
{
    struct ent_buf payload;

    ent_buf_init(&payload, (size_t)8 * 1024 * 1024);
    if (m->compute == NULL || !m->compute(m, &payload)) {
        make_payload(m, q, &payload);
    }
    fed_offer_payload(m, &payload);
    ent_buf_release(&payload);
}

void fed_offer_int(struct fed_member *m, size_t i, int64_t v)
{
    struct ent_buf payload;

    ent_buf_init(&payload, (size_t)1024 * 1024);
    make_payload(m, 0, &payload);
    ent_put_le64(payload.data + ENT_UPDATE_SALT_BYTES + 8 * i, (uint64_t)v);
    fed_offer_payload(m, &payload);
    ent_buf_release(&payload);
}

void fed_offer_payload(struct fed_member *m, const struct ent_buf *payload)
{
    struct ent_header header = fed_header(m, ENT_MSG_UPDATE);
    uint8_t digest[32];

    ENT_OK(ent_sha256(payload->data, payload->len, digest));
    header.has_update = true;
    header.update = (struct ent_update_statement){
        .has_base = m->open.has_base,
        .payload_bytes = payload->len,
        .rows_log2 = m->open.task == ENT_TASK_TRAIN ? m->rows_log2 : 0,
        .codec = m->open.task == ENT_TASK_TRAIN ? ENT_CODEC_INT32 : ENT_CODEC_INT64};
    if (m->ledger > 0) {
        header.update.ledger_seq = m->ledger++;
        header.update.has_ledger = true;
        memset(header.update.ledger_digest, 0x1E, sizeof header.update.ledger_digest);
    }
    memcpy(header.update.round_open, m->open_hash, 32);
    memcpy(header.update.base, m->open.base, 32);
    ent_buf_release(&m->update);
    ent_buf_init(&m->update, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal_update(m->key, &header, digest, &m->update));
    if (m->fed->inlined) {
        put_inside(m, payload);
    }
    ent_blob_unref(m->payload);
    ENT_OK(ent_blob_new_copy(payload->data, payload->len, &m->payload));
    m->has_ack = false;
    m->update_request = header.sequence;
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
}
