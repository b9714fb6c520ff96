/* IN leaves and notes of the coordinator · OUT cosignatures, refusals with evidence · OWNS what waits for a note;
 * DIR/head.note, DIR/witness.policy, DIR/evidence · THREADS one at a time · SOURCE audit.md 2.4
 *
 * A member as witness of the audit log. Leaves wait in memory until a note covers them; then, in one transaction, they
 * are checked, followed and kept, and the head moves. What contradicts the head that was cosigned last, the pinned keys
 * or this member's own receipts is never cosigned: REWRITTEN, and DIR/evidence holds the notes and the reason.
 *
 *   mirror.c   what waits; a note; the head
 *   follow.c   what the leaves say
 *   own.c      leaves about this member
 *   sets.c     witness sets: agreed to, in the log, as a policy file
 *   files.c    head.note, evidence */
#ifndef ENT_CLIENT_MIRROR_MIRROR_H
#define ENT_CLIENT_MIRROR_MIRROR_H

#include "client/state/log.h"
#include "common/crypto/csprng.h"
#include "common/wire/wire.h"

/* What may wait for one note; an honest coordinator sends one after 24 batches of 60 KiB. Bytes. */
#define ENT_MIRROR_PENDING_MAX_BYTES ((size_t)8 * 1024 * 1024)

enum ent_mirror_keep { ENT_MIRROR_FULL, ENT_MIRROR_HASHES, ENT_MIRROR_OFF };

struct ent_mirror;

struct ent_mirror_options { /* all borrowed for the mirror's life */
    const char *dir;
    struct ent_state *state;
    enum ent_mirror_keep keep;
    const uint8_t *federation; /* [16] */
    const uint8_t *handle;     /* [16] */
    const uint8_t *log_pub;    /* [32] */
    const uint8_t *root_pub;   /* [32] */
    const struct ent_sign_key *statement;
    const struct ent_sign_key *witness; /* NULL: it is elsewhere, and nothing is cosigned here */
};
/* CORRUPT. */
ENT_MUST enum ent_err ent_mirror_new(const struct ent_mirror_options *options,
                                     struct ent_mirror **out);
void ent_mirror_free(struct ent_mirror *mirror);

/* The connection is over: what waits is sent again. */
void ent_mirror_forget(struct ent_mirror *mirror);
/* Leaves from `first` on, as an entry bundle. PROTOCOL: not the next ones, or no bundle; LIMIT. */
ENT_MUST enum ent_err ent_mirror_leaves(struct ent_mirror *mirror, uint64_t first,
                                        struct ent_bytes bundle);

struct ent_mirror_step {
    bool cosigned; /* then `cosign` may leave once the state was flushed */
    struct ent_msg_cosign cosign;
    bool left; /* the log holds this member's leaving */
};
/* A note over what came so far; the head is it with the next commit. The same note again is cosigned again.
 *   PROTOCOL, SIGNATURE, DATA, LIMIT   no note of this log, or leaves are missing: nothing has changed
 *   REWRITTEN                          refused for good; DIR/evidence says why */
ENT_MUST enum ent_err ent_mirror_note(struct ent_mirror *mirror, struct ent_bytes note,
                                      uint64_t wall_ms, struct ent_mirror_step *out);
/* After the commit, then or later: head.note, and witness.policy when a new set came. For other programs to read; what
 * counts stands in the state. */
ENT_MUST enum ent_err ent_mirror_settle(struct ent_mirror *mirror);
bool ent_mirror_is_dirty(const struct ent_mirror *mirror); /* settling would write something */
/* A set of witnesses came that witness.policy does not name yet: whoever checks the log needs it, so it waits for nothing. */
bool ent_mirror_has_new_set(const struct ent_mirror *mirror);

/* This member signed this statement (ent_leaf_statement_verify) in this process: the log may repeat it unverified. */
ENT_MUST enum ent_err ent_mirror_signed(struct ent_mirror *mirror, struct ent_bytes header,
                                        const uint8_t payload_sha256[ENT_SHA256_BYTES],
                                        const uint8_t signature[ENT_SIGN_BYTES]);

/* The head cosigned last. */
const struct ent_state_log *ent_mirror_head(const struct ent_mirror *mirror);
/* Whether this leaf, a round.open, is under the head: OK; NOT_FOUND: the head does not reach it yet; PROTOCOL:
 * another leaf stands there. */
ENT_MUST enum ent_err ent_mirror_covers(struct ent_mirror *mirror, uint64_t index,
                                        const uint8_t hash[ENT_SHA256_BYTES]);
/* Whether this member agrees to that set: POLICY says why not. */
ENT_MUST enum ent_err ent_mirror_agree(struct ent_mirror *mirror, struct ent_bytes set);

/* Of kept leaves: that leaf `index` is in the tree of the head. NOT_FOUND when its hashes are not kept. */
ENT_MUST enum ent_err ent_mirror_prove(struct ent_state *state, uint64_t index, uint64_t size,
                                       struct ent_merkle_proof *out);

#endif
