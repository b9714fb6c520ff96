/* IN frame bodies, keys · OUT checked messages, ready envelopes
 * OWNS nothing (the caller's arena holds what is decoded) · THREADS any
 * SOURCE protocol.md 2; s2n (one message, one file); bgpd (sender, phase, length, content)
 *
 * Envelopes and the table of messages. The order of checks for what a peer sent:
 *
 *   1. ent_wire_open      number known, sent by the right side, length, envelope and header
 *                         canonical, type = frame type, payload = its digest
 *   2. the caller         knows the sender, finds its statement key; sequence and phase
 *   3. ent_wire_verify    the signature
 *   4. ent_msg_x_decode   content (messages.h)
 *
 * What is signed and hashed is the bytes received, never a re-encoding. */
#ifndef ENT_COMMON_WIRE_WIRE_H
#define ENT_COMMON_WIRE_WIRE_H

#include "common/wire/messages.h"

struct ent_sign_key; /* common/crypto/sign.h */
struct ent_sign_pub;

#define ENT_WIRE_VERSION 1      /* of header and envelope */
#define ENT_WIRE_PROTOCOL_MIN 1 /* what HELLO negotiates */
#define ENT_WIRE_PROTOCOL_MAX 1
/* Clocks further apart than this are named (ENT_E_CLOCK). */
#define ENT_WIRE_CLOCK_MAX_MS ((uint64_t)5 * 60 * 1000)

enum ent_msg_type {
#define ENT_MESSAGE(name_, NAME_, number_, sender_, enveloped_, max_) ENT_MSG_##NAME_ = (number_),
#define ENT_MESSAGE_BARE ENT_MESSAGE
#include "common/wire/messages.def"
#undef ENT_MESSAGE_BARE
#undef ENT_MESSAGE
    ENT_MSG_END_
};
#define ENT_MSG_FIRST ENT_MSG_HELLO
#define ENT_MSG_LAST (ENT_MSG_END_ - 1)

enum ent_msg_sender { ENT_SENDER_MEMBER = 1, ENT_SENDER_COORDINATOR = 2, ENT_SENDER_ANY = 3 };

struct ent_msg_info {
    const char *name;           /* "round_open" */
    enum ent_msg_sender sender; /* who may send it */
    bool enveloped;
    size_t max_bytes; /* of the whole frame body */
};
/* NULL for a number that is no message. */
const struct ent_msg_info *ent_msg_info(unsigned type);
/* Its name, or "unknown". */
const char *ent_msg_name(unsigned type);

enum ent_codec { ENT_CODEC_INT32 = 1, ENT_CODEC_INT64 = 2 }; /* on the wire: never reuse */

struct ent_update_statement {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    bool has_base; /* false in stats */
    uint8_t base[ENT_WIRE_DIGEST_BYTES];
    uint64_t payload_bytes; /* salt and integers */
    uint32_t codec;         /* enum ent_codec */
    uint32_t rows_log2;     /* floor(log2 rows) + 1 under examples_log2; otherwise 0 */
    uint64_t seen_size;     /* log head cosigned last; 0: none */
    bool has_seen_root;     /* exactly when seen_size > 0 */
    uint8_t seen_root[ENT_WIRE_DIGEST_BYTES];
    uint64_t ledger_seq; /* newest entry of the member's ledger; 0: none */
    bool has_ledger;     /* exactly when ledger_seq > 0 */
    uint8_t ledger_digest[ENT_WIRE_DIGEST_BYTES];
};

struct ent_header {
    uint8_t federation[ENT_WIRE_FEDERATION_BYTES];
    bool from_member; /* false: the coordinator, and sender is not used */
    uint8_t sender[ENT_WIRE_HANDLE_BYTES];
    uint32_t type; /* enum ent_msg_type */
    uint32_t run;  /* 0 = outside a run */
    uint64_t round;
    uint32_t attempt;
    uint64_t sequence;
    bool has_update; /* exactly in UPDATE */
    struct ent_update_statement update;
};

struct ent_envelope {
    struct ent_header header;
    const uint8_t *header_bytes; /* as received */
    size_t header_len;
    uint8_t payload_sha256[ENT_WIRE_DIGEST_BYTES];
    const uint8_t *payload; /* NULL in an UPDATE whose bytes follow as DATA */
    size_t payload_len;
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    uint32_t place;      /* in the tree whose root was signed; */
    const uint8_t *path; /* NULL: it was signed by itself */
    size_t path_len;
    /* SHA-256 of what is signed: envelopes with the same one say the same (an honest repeat). */
    uint8_t statement[ENT_WIRE_DIGEST_BYTES];
};

/* Checks 1 above on a frame of `type`; `from` is the side that it came from (MEMBER or
 * COORDINATOR). The parts of *out live in the arena. PROTOCOL (not canonical, wrong type, wrong
 * side, payload missing or extra), VERSION, LIMIT (length), DIGEST (payload is not what the
 * envelope says). */
ENT_MUST enum ent_err ent_wire_open(unsigned type, enum ent_msg_sender from, struct ent_bytes body,
                                    struct ent_arena *arena, struct ent_envelope *out);
/* A header that was kept (the log's statements): strictly decoded, nothing else is checked. PROTOCOL, VERSION. */
ENT_MUST enum ent_err ent_wire_header_decode(struct ent_bytes bytes, struct ent_arena *arena,
                                             struct ent_header *out);
/* SIGNATURE unless the envelope was signed by that key. */
ENT_MUST enum ent_err ent_wire_verify(const struct ent_envelope *envelope,
                                      const uint8_t public_key[ENT_WIRE_PUBLIC_BYTES]);

/* Somebody whose envelopes come often: the key, made ready, and the root that was verified last, so that envelopes that
 * were signed together cost one verification. All zero: nothing yet. */
struct ent_wire_signer {
    struct ent_sign_pub *key;
    bool has_root;
    uint8_t root[ENT_WIRE_DIGEST_BYTES];
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
};
ENT_MUST enum ent_err ent_wire_signer_init(struct ent_wire_signer *signer,
                                           const uint8_t public_key[ENT_WIRE_PUBLIC_BYTES]);
void ent_wire_signer_release(struct ent_wire_signer *signer);
ENT_MUST enum ent_err ent_wire_verify_by(const struct ent_envelope *envelope,
                                         struct ent_wire_signer *signer);

/* The ready envelope of a message, appended to out. `message`: the struct ent_msg_x of header->type
 * (not for UPDATE). */
ENT_MUST enum ent_err ent_wire_seal(const struct ent_sign_key *key, const struct ent_header *header,
                                    const void *message, struct ent_buf *out);
/* The same around payload bytes that exist already (a RoundOpen whose hash was stored). */
ENT_MUST enum ent_err ent_wire_seal_payload(const struct ent_sign_key *key,
                                            const struct ent_header *header,
                                            struct ent_bytes payload, struct ent_buf *out);
/* An envelope that is ready but for its signature. body: initialised by the caller, empty. */
struct ent_draft {
    struct ent_buf body;
    size_t header_at;
    size_t header_len;
    uint8_t payload_sha256[ENT_WIRE_DIGEST_BYTES];
    uint8_t statement[ENT_WIRE_DIGEST_BYTES];
    bool is_signed;
};
ENT_MUST enum ent_err ent_wire_draft(const struct ent_header *header, const void *message,
                                     struct ent_draft *out);
ENT_MUST enum ent_err ent_wire_draft_payload(const struct ent_header *header,
                                             struct ent_bytes payload, struct ent_draft *out);
/* One signature for all of them (for every 2^ENT_WIRE_PATH_MAX); a single one is signed by itself. */
ENT_MUST enum ent_err ent_wire_sign_drafts(const struct ent_sign_key *key,
                                           struct ent_draft *const *drafts, size_t n);

/* UPDATE: header->update is set, the payload travels as DATA (or is put in afterwards). */
ENT_MUST enum ent_err ent_wire_seal_update(const struct ent_sign_key *key,
                                           const struct ent_header *header,
                                           const uint8_t payload_sha256[ENT_WIRE_DIGEST_BYTES],
                                           struct ent_buf *out);

/* The same sealed UPDATE with its payload inside (at most ENT_WIRE_INLINE_MAX_BYTES): what is signed
 * and the signature stay as they are. Same bytes in, same bytes out. LIMIT. */
ENT_MUST enum ent_err ent_wire_put_payload(struct ent_bytes sealed, struct ent_bytes payload,
                                           struct ent_arena *arena, struct ent_buf *out);

/* Decode the payload of an opened envelope, or a bare message's body, by its number into *message,
 * a struct ent_msg_x (loops over all messages). Callers that know the type use its own. */
ENT_MUST enum ent_err ent_msg_decode(unsigned type, struct ent_bytes bytes, struct ent_arena *arena,
                                     void *message);
ENT_MUST enum ent_err ent_msg_encode(unsigned type, const void *message, struct ent_buf *out);

#endif
