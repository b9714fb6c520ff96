/* What the files of this room share. Not for others. */
#ifndef ENT_CLIENT_MIRROR_MIRROR_INTERNAL_H
#define ENT_CLIENT_MIRROR_MIRROR_INTERNAL_H

#include "client/mirror/mirror.h"
#include "common/base/arena.h"
#include "common/tlog/leaf.h"
#include "common/tlog/note.h"

/* Statements of this process that are in no cosigned leaf yet: a join and an update of a round, and of its neighbour. */
#define ENT_MIRROR_SAID 4

struct ent_mirror {
    struct ent_mirror_options options;
    struct ent_sign_pub *statement_pub; /* own */
    uint8_t statement_bytes[ENT_SIGN_PUB_BYTES];
    uint8_t witness_bytes[ENT_SIGN_PUB_BYTES]; /* zero without the key */
    struct ent_sign_pub *log_key;
    struct ent_sha256 hash;
    struct ent_arena arena; /* of one leaf */
    struct ent_state_log head;
    struct ent_buf pending; /* entry bundle */
    uint64_t n_pending;
    bool dirty_note;          /* head.note is to be written */
    bool dirty_set;           /* witness.policy too */
    struct ent_vkey log_vkey; /* once they were needed: of the log's origin, */
    struct ent_vkey own_vkey; /* and of `own_origin` */
    char own_origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint8_t said[ENT_MIRROR_SAID][ENT_SHA256_BYTES]; /* own statements, digests; a ring */
    size_t n_said;                                   /* ever */
};

/* One walk over what waits, towards a note. */
struct ent_walk {
    struct ent_mirror *mirror;
    struct ent_state_log log; /* as it will be */
    struct ent_merkle seen;   /* a tree that follows behind, for heads that own statements name */
    uint8_t seen_root[ENT_SHA256_BYTES];
    const uint8_t *seen_at; /* next leaf behind `seen` in the bundle */
    bool left;
    bool new_set;
    struct ent_bytes leaf; /* being looked at; the evidence of a refusal */
};

/* follow.c: everything but the own affairs. REWRITTEN with the reason. */
ENT_MUST enum ent_err ent_walk_leaf(struct ent_walk *walk, uint64_t index, struct ent_bytes leaf,
                                    const uint8_t hash[ENT_SHA256_BYTES]);
/* own.c */
ENT_MUST enum ent_err ent_walk_accept(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                                      const struct ent_leaf_update_accept *leaf);
ENT_MUST enum ent_err ent_walk_end(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                                   const struct ent_leaf_update_reject *leaf);
ENT_MUST enum ent_err ent_walk_join(struct ent_walk *walk, const struct ent_leaf_round_join *leaf);
ENT_MUST enum ent_err ent_walk_close(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                                     const struct ent_leaf_round_close *leaf);
/* A head that an own statement names must be one of this log. */
ENT_MUST enum ent_err ent_walk_seen(struct ent_walk *walk, uint64_t size, const uint8_t *root);

/* sets.c */
ENT_MUST enum ent_err ent_walk_set(struct ent_walk *walk, uint64_t index,
                                   const struct ent_leaf_witness_set *leaf);
ENT_MUST enum ent_err ent_mirror_write_policy(struct ent_mirror *mirror);

/* files.c */
/* DIR/NAME, old or new, not synchronised: what it says stands in the state too. */
ENT_MUST enum ent_err ent_mirror_write(const struct ent_mirror *mirror, const char *name,
                                       const void *bytes, size_t len);
/* Keeps the notes (other may be empty), the leaf (may be empty) and the recorded reason; REWRITTEN, naming where. */
enum ent_err ent_mirror_refuse(struct ent_mirror *mirror, uint64_t size, struct ent_bytes note,
                               struct ent_bytes leaf);

#endif
