#include <string.h>

#include <entente/v1/messages.pb-c.h>

#include "common/crypto/sha256.h"
#include "common/schema/leaf_frame.h"
#include "common/wire/schemas.h"

static const char *rule(const void *message)
{
    const struct ent_msg_round_open *m = message;

    if (m->n_invited == 0) {
        return "nobody is invited";
    }
    return m->has_base == (m->base_bytes > 0) ? NULL
                                              : "base model without its size, or the reverse";
}

static const struct ent_schema_field round_open_fields[] = {
    ENT_SCHEMA_U32(ent_msg_round_open, 4, attempt, 1, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 5, task, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 6, split, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_FIXED(ent_msg_round_open, 7, plan),
    ENT_SCHEMA_FIXED_OPT(ent_msg_round_open, 8, base, has_base),
    ENT_SCHEMA_FIXED_LIST(ent_msg_round_open, 9, invited, n_invited, ENT_WIRE_COHORT_MAX, true),
    ENT_SCHEMA_U32(ent_msg_round_open, 10, min_members, 1, ENT_WIRE_COHORT_MAX),
    ENT_SCHEMA_U64(ent_msg_round_open, 11, join_ms, 1, ENT_WIRE_PHASE_MAX_MS),
    ENT_SCHEMA_U64(ent_msg_round_open, 12, update_ms, 1, ENT_WIRE_PHASE_MAX_MS),
    ENT_SCHEMA_U32(ent_msg_round_open, 13, weights, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_round_open, 14, scale_bits, 0, 62),
    ENT_SCHEMA_U64(ent_msg_round_open, 15, base_bytes, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_U64(ent_msg_round_open, 16, config, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_msg_round_open, 17, cosigned_size, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_LIST(ent_msg_round_open, 18, auditors, n_auditors, ENT_LOG_AUDITORS_MAX,
                          false),
    ENT_SCHEMA_BOOL(ent_msg_round_open, 19, plain),
    ENT_SCHEMA_FIXED_OPT(ent_msg_round_open, 20, noise_commit, has_noise),
};

const struct ent_schema ent_msg_round_open_schema = ENT_SCHEMA_OF(
    ent_msg_round_open, "round_open", entente__v1__round_open__descriptor, round_open_fields, rule);

enum ent_err ent_msg_round_open_encode(const struct ent_msg_round_open *m, struct ent_buf *out)
{
    struct ent_leaf_frame frame = {.type = ENT_WIRE_ROUND_OPEN_LEAF,
                                   .schema = ENT_LEAF_SCHEMA,
                                   .seq = m->leaf_index,
                                   .time_ms = m->leaf_ms,
                                   .round = m->round,
                                   .run = m->run};
    struct ent_buf body;
    enum ent_err err;

    ENT_REQUIRE(m->run > 0 && m->round > 0 && m->round <= ENT_WIRE_COUNTER_MAX, ENT_E_RANGE,
                "round_open: run and round count from 1");
    memcpy(frame.federation, m->federation, sizeof frame.federation);
    ent_buf_init(&body, ENT_LEAF_SENT_MAX_BYTES);
    err = ent_schema_encode(&ent_msg_round_open_schema, m, &body);
    if (err == ENT_E_OK) {
        err = ent_leaf_frame_encode(&frame, (struct ent_bytes){body.data, body.len}, out);
    }
    ent_buf_release(&body);
    return err;
}

enum ent_err ent_msg_round_open_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                       struct ent_msg_round_open *out)
{
    struct ent_leaf_frame frame;
    struct ent_bytes body;
    struct ent_msg_round_open m;

    ENT_TRY(ent_leaf_frame_decode((struct ent_bytes){bytes, len}, &frame, &body));
    ENT_REQUIRE(frame.type == ENT_WIRE_ROUND_OPEN_LEAF && frame.schema == ENT_LEAF_SCHEMA &&
                    frame.run > 0 && frame.round > 0,
                ENT_E_PROTOCOL, "round_open: the leaf is not an opening of a round");
    ENT_TRY(ent_schema_decode(&ent_msg_round_open_schema, body, arena, &m));
    memcpy(m.federation, frame.federation, sizeof m.federation);
    m.leaf_index = frame.seq;
    m.leaf_ms = frame.time_ms;
    m.run = frame.run;
    m.round = frame.round;
    *out = m;
    return ENT_E_OK;
}

enum ent_err ent_wire_round_open_hash(const uint8_t *payload, size_t len,
                                      uint8_t out[ENT_WIRE_DIGEST_BYTES])
{
    return ent_sha256_leaf(payload, len, out);
}
