#include <string.h>

#include <entente/v1/messages.pb-c.h>

#include "common/crypto/sha256.h"
#include "common/crypto/sign.h"
#include "common/wire/batch.h"
#include "common/wire/schemas.h"

/* Header and envelope as the tables see them. */
struct wire_header {
    uint32_t version;
    struct ent_header h;
};

struct wire_envelope {
    struct ent_bytes header;
    uint8_t payload_sha256[ENT_WIRE_DIGEST_BYTES];
    struct ent_bytes payload;
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    uint32_t place;
    struct ent_bytes path;
};

static const struct ent_schema_field statement_fields[] = {
    ENT_SCHEMA_FIXED(ent_update_statement, 1, round_open),
    ENT_SCHEMA_FIXED_OPT(ent_update_statement, 2, base, has_base),
    ENT_SCHEMA_U64(ent_update_statement, 3, payload_bytes, 1, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_U32(ent_update_statement, 4, codec, ENT_CODEC_INT32, ENT_CODEC_INT64),
    ENT_SCHEMA_U32(ent_update_statement, 5, rows_log2, 0, ENT_WIRE_BUCKET_MAX),
    ENT_SCHEMA_U64(ent_update_statement, 6, seen_size, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_update_statement, 7, seen_root, has_seen_root),
    ENT_SCHEMA_U64(ent_update_statement, 8, ledger_seq, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_update_statement, 9, ledger_digest, has_ledger),
};

static const char *statement_rule(const void *message)
{
    const struct ent_update_statement *m = message;

    if (m->has_ledger != (m->ledger_seq > 0)) {
        return "a ledger's digest without its number, or the reverse";
    }
    return m->has_seen_root == (m->seen_size > 0) ? NULL : "log root without size, or the reverse";
}

const struct ent_schema ent_wire_statement_schema =
    ENT_SCHEMA_OF(ent_update_statement, "update statement",
                  entente__v1__update_statement__descriptor, statement_fields, statement_rule);

static const struct ent_schema_field header_fields[] = {
    ENT_SCHEMA_U32(wire_header, 1, version, 0, UINT32_MAX),
    ENT_SCHEMA_FIXED(wire_header, 2, h.federation),
    ENT_SCHEMA_FIXED_OPT(wire_header, 3, h.sender, h.from_member),
    ENT_SCHEMA_U32(wire_header, 4, h.type, ENT_MSG_FIRST, UINT32_MAX),
    ENT_SCHEMA_U32(wire_header, 5, h.run, 0, UINT32_MAX),
    ENT_SCHEMA_U64(wire_header, 6, h.round, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U32(wire_header, 7, h.attempt, 0, UINT32_MAX),
    ENT_SCHEMA_U64(wire_header, 8, h.sequence, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_MSG(wire_header, 9, h.update, h.has_update, &ent_wire_statement_schema),
};

static const char *header_rule(const void *message)
{
    const struct ent_header *h = &((const struct wire_header *)message)->h;

    return h->has_update == (h->type == ENT_MSG_UPDATE)
               ? NULL
               : "an update statement belongs to UPDATE, and UPDATE has one";
}

const struct ent_schema ent_wire_header_schema = ENT_SCHEMA_OF(
    wire_header, "header", entente__v1__header__descriptor, header_fields, header_rule);

static const struct ent_schema_field envelope_fields[] = {
    ENT_SCHEMA_BYTES(wire_envelope, 1, header, 1, ENT_WIRE_HEADER_MAX_BYTES),
    ENT_SCHEMA_FIXED(wire_envelope, 2, payload_sha256),
    ENT_SCHEMA_BYTES(wire_envelope, 3, payload, 0, ENT_WIRE_PAYLOAD_MAX_BYTES),
    ENT_SCHEMA_FIXED(wire_envelope, 4, signature),
    ENT_SCHEMA_U32(wire_envelope, 5, place, 0, (1u << ENT_WIRE_PATH_MAX) - 1),
    ENT_SCHEMA_BYTES(wire_envelope, 6, path, 0, (uint64_t)ENT_WIRE_PATH_MAX *ENT_WIRE_DIGEST_BYTES),
};

static const char *envelope_rule(const void *message)
{
    const struct wire_envelope *e = message;
    size_t levels = e->path.len / ENT_WIRE_DIGEST_BYTES;

    return e->path.len % ENT_WIRE_DIGEST_BYTES == 0 && e->place >> levels == 0
               ? NULL
               : "its place is in no tree of that path";
}

const struct ent_schema ent_wire_envelope_schema = ENT_SCHEMA_OF(
    wire_envelope, "envelope", entente__v1__envelope__descriptor, envelope_fields, envelope_rule);

/* What is signed: ENT_WIRE_SIGNED_LABEL || header || SHA-256(payload). */
struct signed_parts {
    struct ent_part part[3];
};

static struct signed_parts parts_of(struct ent_bytes header, const uint8_t *payload_sha256)
{
    static const char label[] = ENT_WIRE_SIGNED_LABEL;

    return (struct signed_parts){{
        {label, sizeof label},
        {header.data, header.len},
        {payload_sha256, ENT_WIRE_DIGEST_BYTES},
    }};
}

static enum ent_err check_header(unsigned type, enum ent_msg_sender from,
                                 const struct wire_header *header)
{
    ENT_REQUIRE(header->version == ENT_WIRE_VERSION, ENT_E_VERSION,
                "%s: envelope version %u; this program speaks %d", ent_msg_name(type),
                header->version, ENT_WIRE_VERSION);
    ENT_REQUIRE(header->h.type == type, ENT_E_PROTOCOL, "%s: the envelope says type %u (%s)",
                ent_msg_name(type), header->h.type, ent_msg_name(header->h.type));
    ENT_REQUIRE(header->h.from_member == (from == ENT_SENDER_MEMBER), ENT_E_PROTOCOL,
                "%s: the envelope names the other side as its sender", ent_msg_name(type));
    return ENT_E_OK;
}

static enum ent_err check_payload(unsigned type, const struct ent_header *header,
                                  const struct wire_envelope *envelope)
{
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];

    if (type == ENT_MSG_UPDATE) {
        if (envelope->payload.len == 0) { /* follows as DATA */
            return ENT_E_OK;
        }
        ENT_REQUIRE(envelope->payload.len <= ENT_WIRE_INLINE_MAX_BYTES &&
                        envelope->payload.len == header->update.payload_bytes,
                    ENT_E_PROTOCOL, "update: %zu bytes stand in the envelope, %llu are stated",
                    envelope->payload.len, (unsigned long long)header->update.payload_bytes);
    }
    ENT_TRY(ent_sha256(envelope->payload.data, envelope->payload.len, digest));
    ENT_REQUIRE(memcmp(digest, envelope->payload_sha256, sizeof digest) == 0, ENT_E_DIGEST,
                "%s: the payload is not the one that the envelope signs", ent_msg_name(type));
    return ENT_E_OK;
}

enum ent_err ent_wire_open(unsigned type, enum ent_msg_sender from, struct ent_bytes body,
                           struct ent_arena *arena, struct ent_envelope *out)
{
    const struct ent_msg_info *info = ent_msg_info(type);
    struct wire_envelope envelope;
    struct wire_header header;
    struct ent_envelope opened = {0};
    struct signed_parts parts;

    ENT_REQUIRE(info != NULL && info->enveloped, ENT_E_PROTOCOL, "frame type %u is no envelope",
                type);
    ENT_REQUIRE((info->sender & from) != 0, ENT_E_PROTOCOL, "%s: not sent by this side",
                info->name);
    ENT_REQUIRE(body.len <= info->max_bytes, ENT_E_LIMIT, "%s: %zu bytes, at most %zu allowed",
                info->name, body.len, info->max_bytes);
    ENT_TRY(ent_schema_decode(&ent_wire_envelope_schema, body, arena, &envelope));
    ENT_REQUIRE(envelope.path.len == 0 || from == ENT_SENDER_COORDINATOR, ENT_E_PROTOCOL,
                "%s: members sign each message by itself", info->name);
    ENT_TRY(ent_schema_decode(&ent_wire_header_schema, envelope.header, arena, &header));
    ENT_TRY(check_header(type, from, &header));
    ENT_TRY(check_payload(type, &header.h, &envelope));
    opened.header = header.h;
    opened.header_bytes = envelope.header.data;
    opened.header_len = envelope.header.len;
    memcpy(opened.payload_sha256, envelope.payload_sha256, sizeof opened.payload_sha256);
    opened.payload = envelope.payload.data;
    opened.payload_len = envelope.payload.len;
    memcpy(opened.signature, envelope.signature, sizeof opened.signature);
    opened.place = envelope.place;
    opened.path = envelope.path.data;
    opened.path_len = envelope.path.len;
    parts = parts_of(envelope.header, envelope.payload_sha256);
    ENT_TRY(ent_sha256_parts(parts.part, 3, opened.statement));
    *out = opened;
    return ENT_E_OK;
}

enum ent_err ent_wire_header_decode(struct ent_bytes bytes, struct ent_arena *arena,
                                    struct ent_header *out)
{
    struct wire_header header;

    ENT_TRY(ent_schema_decode(&ent_wire_header_schema, bytes, arena, &header));
    ENT_REQUIRE(header.version == ENT_WIRE_VERSION, ENT_E_VERSION, "a header of version %u",
                (unsigned)header.version);
    *out = header.h;
    return ENT_E_OK;
}

enum ent_err ent_wire_signer_init(struct ent_wire_signer *signer,
                                  const uint8_t public_key[ENT_WIRE_PUBLIC_BYTES])
{
    struct ent_sign_pub *key = NULL;

    ENT_TRY(ent_sign_pub_new(public_key, &key));
    *signer = (struct ent_wire_signer){.key = key};
    return ENT_E_OK;
}

void ent_wire_signer_release(struct ent_wire_signer *signer)
{
    ent_sign_pub_free(signer->key);
    *signer = (struct ent_wire_signer){0};
}

enum ent_err ent_wire_verify_by(const struct ent_envelope *envelope, struct ent_wire_signer *signer)
{
    struct ent_bytes header = {envelope->header_bytes, envelope->header_len};
    struct signed_parts parts = parts_of(header, envelope->payload_sha256);

    if (envelope->path_len > 0) {
        return ent_wire_verify_path(envelope, signer);
    }
    return ent_sign_pub_verify(signer->key, parts.part, 3, envelope->signature);
}

enum ent_err ent_wire_verify(const struct ent_envelope *envelope,
                             const uint8_t public_key[ENT_WIRE_PUBLIC_BYTES])
{
    struct ent_wire_signer signer;
    enum ent_err err;

    ENT_TRY(ent_wire_signer_init(&signer, public_key));
    err = ent_wire_verify_by(envelope, &signer);
    ent_wire_signer_release(&signer);
    return err;
}

static enum ent_err encode_header(const struct ent_header *header, struct ent_buf *out)
{
    const struct ent_msg_info *info = ent_msg_info(header->type);
    struct wire_header wire = {.version = ENT_WIRE_VERSION, .h = *header};

    ent_buf_init(out, ENT_WIRE_HEADER_MAX_BYTES);
    ENT_REQUIRE(info != NULL && info->enveloped, ENT_E_INTERNAL, "type %u has no envelope",
                header->type);
    return ent_schema_encode(&ent_wire_header_schema, &wire, out);
}

static enum ent_err seal(const struct ent_sign_key *key, const struct ent_header *header,
                         struct wire_envelope *envelope, struct ent_buf *out)
{
    struct ent_buf bytes;
    struct signed_parts parts;
    enum ent_err err = encode_header(header, &bytes);

    if (err == ENT_E_OK) {
        envelope->header = (struct ent_bytes){bytes.data, bytes.len};
        parts = parts_of(envelope->header, envelope->payload_sha256);
        err = ent_sign(key, parts.part, 3, envelope->signature);
    }
    if (err == ENT_E_OK) {
        err = ent_schema_encode(&ent_wire_envelope_schema, envelope, out);
    }
    ent_buf_release(&bytes);
    return err;
}

enum ent_err ent_wire_seal_payload(const struct ent_sign_key *key, const struct ent_header *header,
                                   struct ent_bytes payload, struct ent_buf *out)
{
    struct wire_envelope envelope = {.payload = payload};

    ENT_TRY(ent_sha256(payload.data, payload.len, envelope.payload_sha256));
    return seal(key, header, &envelope, out);
}

enum ent_err ent_wire_seal_update(const struct ent_sign_key *key, const struct ent_header *header,
                                  const uint8_t payload_sha256[ENT_WIRE_DIGEST_BYTES],
                                  struct ent_buf *out)
{
    struct wire_envelope envelope = {0};

    memcpy(envelope.payload_sha256, payload_sha256, sizeof envelope.payload_sha256);
    return seal(key, header, &envelope, out);
}

enum ent_err ent_wire_put_payload(struct ent_bytes sealed, struct ent_bytes payload,
                                  struct ent_arena *arena, struct ent_buf *out)
{
    struct wire_envelope envelope;

    ENT_TRY(ent_schema_decode(&ent_wire_envelope_schema, sealed, arena, &envelope));
    ENT_REQUIRE(
        envelope.payload.len == 0 && payload.len > 0 && payload.len <= ENT_WIRE_INLINE_MAX_BYTES,
        ENT_E_LIMIT, "a payload of %zu bytes does not belong into an envelope", payload.len);
    envelope.payload = payload;
    return ent_schema_encode(&ent_wire_envelope_schema, &envelope, out);
}

enum ent_err ent_wire_seal(const struct ent_sign_key *key, const struct ent_header *header,
                           const void *message, struct ent_buf *out)
{
    struct ent_buf payload;
    enum ent_err err;

    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = ent_msg_encode(header->type, message, &payload);
    if (err == ENT_E_OK) {
        err =
            ent_wire_seal_payload(key, header, (struct ent_bytes){payload.data, payload.len}, out);
    }
    ent_buf_release(&payload);
    return err;
}

/* ---- drafts ---- */

enum ent_err ent_wire_draft_payload(const struct ent_header *header, struct ent_bytes payload,
                                    struct ent_draft *out)
{
    struct wire_envelope envelope = {.payload = payload}; /* a signature of zeros, for now */
    struct signed_parts parts;
    struct ent_buf bytes;
    enum ent_err err = encode_header(header, &bytes);

    if (err == ENT_E_OK) {
        err = ent_sha256(payload.data, payload.len, envelope.payload_sha256);
    }
    if (err == ENT_E_OK) {
        envelope.header = (struct ent_bytes){bytes.data, bytes.len};
        parts = parts_of(envelope.header, envelope.payload_sha256);
        err = ent_sha256_parts(parts.part, 3, out->statement);
    }
    if (err == ENT_E_OK) {
        err = ent_schema_encode(&ent_wire_envelope_schema, &envelope, &out->body);
    }
    if (err == ENT_E_OK) { /* field 1: its tag, its length in one byte or two */
        out->header_at = bytes.len < 0x80 ? 2 : 3;
        out->header_len = bytes.len;
        memcpy(out->payload_sha256, envelope.payload_sha256, sizeof out->payload_sha256);
    }
    ent_buf_release(&bytes);
    return err;
}

enum ent_err ent_wire_draft(const struct ent_header *header, const void *message,
                            struct ent_draft *out)
{
    struct ent_buf payload;
    enum ent_err err;

    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = ent_msg_encode(header->type, message, &payload);
    if (err == ENT_E_OK) {
        err = ent_wire_draft_payload(header, (struct ent_bytes){payload.data, payload.len}, out);
    }
    ent_buf_release(&payload);
    return err;
}
