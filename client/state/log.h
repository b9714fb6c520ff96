/* The audit log as this member has seen it: the tree up to the head that it cosigned last, the leaves below it, who is who
 * in it, and what became of the own updates. Statements wait for the next commit (private.h), so a head costs none of its
 * own; ent_state_flush before anything is said of it.
 *
 * All that a note brings is put between ent_state_log_begin and _end: as a whole or not at all. */
#ifndef ENT_CLIENT_STATE_LOG_H
#define ENT_CLIENT_STATE_LOG_H

#include "client/state/state.h"
#include "common/schema/limits.h"
#include "common/tlog/merkle.h"
#include "common/tlog/vkey.h"

/* ---- head ---- */
struct ent_state_log {
    struct ent_merkle tree; /* of the head; size 0: none yet, and all else is zero */
    uint8_t root[ENT_SHA256_BYTES];
    uint64_t time_ms; /* of the newest leaf */
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint8_t genesis[ENT_SHA256_BYTES]; /* hash of leaf 0 */
};
ENT_MUST enum ent_err ent_state_log_get(struct ent_state *state, struct ent_state_log *out);
/* Its size and root alone. */
ENT_MUST enum ent_err ent_state_head_get(struct ent_state *state, struct ent_tree_head *out);
/* note: [len], with the own cosignature. A head never shrinks and never changes its root at the same size: REWRITTEN. */
ENT_MUST enum ent_err ent_state_log_put(struct ent_state *state, const struct ent_state_log *log,
                                        const void *note, size_t len);
/* The note cosigned last, appended. NOT_FOUND before the first. */
ENT_MUST enum ent_err ent_state_log_note(struct ent_state *state, struct ent_buf *out);

ENT_MUST enum ent_err ent_state_log_begin(struct ent_state *state);
/* Takes back what was put since then unless `err` is OK; returns err. */
ENT_MUST enum ent_err ent_state_log_end(struct ent_state *state, enum ent_err err);

/* ---- leaves; bytes NULL: the hash alone is kept ---- */
ENT_MUST enum ent_err ent_state_leaf_put(struct ent_state *state, uint64_t index,
                                         const uint8_t hash[ENT_SHA256_BYTES], const void *bytes,
                                         size_t len);
/* Appended. NOT_FOUND: not kept. */
ENT_MUST enum ent_err ent_state_leaf_get(struct ent_state *state, uint64_t index,
                                         struct ent_buf *out);
ENT_MUST enum ent_err ent_state_leaf_hash(struct ent_state *state, uint64_t index,
                                          uint8_t out[ENT_SHA256_BYTES]); /* NOT_FOUND: not kept */
/* Hashes of leaves 0 ... size - 1, in order, to `each`; NOT_FOUND when one is not kept. */
typedef enum ent_err (*ent_state_hash_fn)(void *ctx, uint64_t index,
                                          const uint8_t hash[ENT_SHA256_BYTES]);
ENT_MUST enum ent_err ent_state_leaf_hashes(struct ent_state *state, uint64_t size,
                                            ent_state_hash_fn each, void *ctx);

/* ---- who is in it ---- */
struct ent_log_member {
    uint8_t handle[ENT_WIRE_HANDLE_BYTES];
    uint8_t statement_pub[ENT_SIGN_PUB_BYTES];
    uint8_t witness_pub[ENT_SIGN_PUB_BYTES];
    bool gone; /* revoked, or it left */
};
/* EXISTS. */
ENT_MUST enum ent_err ent_state_log_admit(struct ent_state *state,
                                          const struct ent_log_member *member);
/* NOT_FOUND. */
ENT_MUST enum ent_err ent_state_log_gone(struct ent_state *state,
                                         const uint8_t handle[ENT_WIRE_HANDLE_BYTES]);
ENT_MUST enum ent_err ent_state_log_member(struct ent_state *state,
                                           const uint8_t handle[ENT_WIRE_HANDLE_BYTES],
                                           struct ent_log_member *out); /* NOT_FOUND */
ENT_MUST enum ent_err ent_state_log_auditor(struct ent_state *state,
                                            const uint8_t seal_pub[ENT_WIRE_PUBLIC_BYTES]);
/* Those admitted, in order; *n of them, at most max. */
ENT_MUST enum ent_err ent_state_log_auditors(struct ent_state *state,
                                             uint8_t (*out)[ENT_WIRE_PUBLIC_BYTES], size_t max,
                                             size_t *n);
/* The newest set of witnesses (LogWitnessBody), and the index of its leaf. */
ENT_MUST enum ent_err ent_state_witness_set_put(struct ent_state *state, uint64_t index,
                                                const void *set, size_t len);
/* Appended to `set`. NOT_FOUND. */
ENT_MUST enum ent_err ent_state_witness_set_get(struct ent_state *state, uint64_t *index,
                                                struct ent_buf *set);

/* ---- the newest round of it ---- */
struct ent_log_round {
    bool opened;
    uint64_t open_index;
    uint8_t open_hash[ENT_SHA256_BYTES];
    bool has_plan; /* of the opened round */
    uint8_t plan[ENT_SHA256_BYTES];
    bool invited; /* this member; then its place among them */
    uint64_t place;
    uint32_t closed_run; /* the newest round.close: 0: none */
    uint64_t closed_round;
    bool has_model;
    uint8_t model[ENT_SHA256_BYTES]; /* the newest model after it */
};
ENT_MUST enum ent_err
ent_state_log_round_get(struct ent_state *state,
                        struct ent_log_round *out); /* zero before the first */
ENT_MUST enum ent_err ent_state_log_round_put(struct ent_state *state,
                                              const struct ent_log_round *round);

/* ---- own updates ---- */
enum ent_log_fate { /* stored: append only */
                    ENT_FATE_OPEN = 0,
                    ENT_FATE_ACCEPTED = 1,
                    ENT_FATE_REJECTED = 2,
                    ENT_FATE_DROPPED = 3
};
#define ENT_RECEIPT_ACK_MAX_BYTES ((size_t)1024)
struct ent_receipt {
    struct ent_attempt at;
    uint32_t task;
    uint8_t round_open[ENT_SHA256_BYTES];
    uint8_t digest[ENT_SHA256_BYTES]; /* of the payload */
    uint64_t bytes;                   /* of the payload */
    uint64_t sent_ms;                 /* wall clock */
    bool has_ack;
    uint32_t code;                          /* of the ack: 0 accepted */
    uint8_t ack[ENT_RECEIPT_ACK_MAX_BYTES]; /* its envelope, as received */
    size_t ack_len;
    enum ent_log_fate fate; /* what the log says */
    uint64_t leaf;          /* where, unless OPEN */
    uint32_t fate_code;     /* of a reject or dropout */
    bool dispute_due;       /* the log contradicts the receipt, and nobody was told yet */
    bool disputed;
};
/* A new one, or what is known of it now. */
ENT_MUST enum ent_err ent_state_receipt_put(struct ent_state *state,
                                            const struct ent_receipt *receipt);
ENT_MUST enum ent_err ent_state_receipt_get(struct ent_state *state, struct ent_attempt at,
                                            struct ent_receipt *out); /* NOT_FOUND */
/* By its round's opening. NOT_FOUND. */
ENT_MUST enum ent_err ent_state_receipt_of(struct ent_state *state,
                                           const uint8_t round_open[ENT_SHA256_BYTES],
                                           struct ent_receipt *out);
/* One that is due, NOT_FOUND. */
ENT_MUST enum ent_err ent_state_receipt_due(struct ent_state *state, struct ent_receipt *out);
/* All, oldest first. An error of `each` ends it. */
typedef enum ent_err (*ent_receipt_fn)(void *ctx, const struct ent_receipt *receipt);
ENT_MUST enum ent_err ent_state_receipts(struct ent_state *state, ent_receipt_fn each, void *ctx);

#endif
