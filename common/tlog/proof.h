/* c2sp.org/tlog-proof@v1: one leaf's place in a checkpointed log, as a text that stands alone. */
#ifndef ENT_COMMON_TLOG_PROOF_H
#define ENT_COMMON_TLOG_PROOF_H

#include "common/schema/bytes.h"
#include "common/tlog/note.h"

#define ENT_TLOG_PROOF_MAX_BYTES (ENT_NOTE_MAX_BYTES + (size_t)16 * 1024)
#define ENT_TLOG_PROOF_EXTRA_MAX_BYTES ((size_t)8 * 1024) /* as base64; never trusted */

struct ent_tlog_proof {
    uint64_t index;
    struct ent_merkle_proof path;
    const char *note; /* [note_len] */
    size_t note_len;
    const char *extra; /* [extra_len], base64, NULL: none */
    size_t extra_len;
};

/* Appends the text; `extra` is written when it is there. */
ENT_MUST enum ent_err ent_tlog_proof_write(const struct ent_tlog_proof *proof, struct ent_buf *out);
/* text: [len], borrowed by `out`. DATA, LIMIT. Verifies nothing. */
ENT_MUST enum ent_err ent_tlog_proof_parse(const char *text, size_t len,
                                           struct ent_tlog_proof *out);
/* That leaf: [leaf_len] stands at the proof's index under a checkpoint that the caller has verified.
 * SHAPE, DIGEST. */
ENT_MUST enum ent_err ent_tlog_proof_check(const struct ent_tlog_proof *proof, const void *leaf,
                                           size_t leaf_len,
                                           const struct ent_checkpoint *checkpoint);
/* The note and the leaf: ent_note_open(origin NULL), then ent_tlog_proof_check. Whether the
 * cosigners suffice is the caller's to judge (ent_tlog_policy_open on proof->note). */
ENT_MUST enum ent_err ent_tlog_proof_verify(const struct ent_tlog_proof *proof,
                                            const struct ent_bytes *leaf,
                                            const struct ent_vkey *keys, size_t n_keys,
                                            struct ent_note_opened *out);

#endif
