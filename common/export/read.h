/* IN the directory of an export · OUT notes, leaves, tiles, blobs · OWNS its directory descriptor and
 * lists · THREADS any, one reader on one thread at a time · SOURCE docs/PROTOCOL.md 14; C2SP tlog-tiles
 *
 * What stands in an export, as bytes. Nothing is verified here, and nothing of it is trusted: no
 * symbolic link is followed, only regular files are read, every length is bounded, memory does not grow
 * with the log (but for the list of sizes in checkpoints/).
 *
 * Errors of every function: CORRUPT (the export lacks a file that it must have, or one has a form that
 * it must not have; names it), LIMIT, IO, NO_MEMORY. */
#ifndef ENT_COMMON_EXPORT_READ_H
#define ENT_COMMON_EXPORT_READ_H

#include "common/schema/bytes.h"
#include "common/tlog/note.h"
#include "common/tlog/tiles.h"

/* Stored notes of one export: about three a round. */
#define ENT_EXPORT_NOTES_MAX ((size_t)1 << 18)

struct ent_export;

/* Opens the directory, reads `checkpoint` and lists checkpoints/. Also DATA: `checkpoint` is no note. */
ENT_MUST enum ent_err ent_export_open(const char *dir, struct ent_export **out);
void ent_export_close(struct ent_export *export); /* NULL is fine */

const char *ent_export_dir(const struct ent_export *export);
/* Whether the file lies within the export, whatever it is called: its word counts no more than the export's. */
bool ent_export_holds(const struct ent_export *export, const char *path);
/* The bytes of `checkpoint`, until close. */
struct ent_bytes ent_export_checkpoint(const struct ent_export *export);
/* What it says, unverified: origin, size, root. Leaves below this size are in the export. */
const struct ent_checkpoint *ent_export_claim(const struct ent_export *export);
/* Sizes that checkpoints/ has a note of, ascending: [n], until close. */
const uint64_t *ent_export_sizes(const struct ent_export *export, size_t *n);
/* Appends checkpoints/<size>.note. NOT_FOUND when there is none. */
ENT_MUST enum ent_err ent_export_note(struct ent_export *export, uint64_t size,
                                      struct ent_buf *out);

/* Appends a hash tile (exactly width * 32 bytes) or a bundle. */
ENT_MUST enum ent_err ent_export_tile(struct ent_export *export, const struct ent_tile *tile,
                                      struct ent_buf *out);

/* Leaves in order, one bundle in memory. All zero but for what _begin sets; _release frees. */
struct ent_export_leaves {
    struct ent_export *export;
    uint64_t next; /* index of the leaf that comes next */
    uint64_t size; /* of the tree */
    struct ent_buf bytes;
    struct ent_tiles_bundle bundle;
};
/* From leaf `first` (at most size) to the size that the checkpoint claims. */
ENT_MUST enum ent_err ent_export_leaves_begin(struct ent_export *export, uint64_t first,
                                              struct ent_export_leaves *out);
/* *more = false behind the last. `leaf` until the next call. */
ENT_MUST enum ent_err ent_export_leaves_next(struct ent_export_leaves *leaves,
                                             struct ent_bytes *leaf, bool *more);
void ent_export_leaves_release(struct ent_export_leaves *leaves);
/* Appends one leaf. SHAPE: behind the end. */
ENT_MUST enum ent_err ent_export_leaf(struct ent_export *export, uint64_t index,
                                      struct ent_buf *out);
/* ent_merkle_node_fn over the hash tiles, ctx = the export: for proofs. Each node costs one file. */
ENT_MUST enum ent_err ent_export_node(void *ctx, unsigned level, uint64_t index,
                                      uint8_t out[ENT_MERKLE_BYTES]);

/* Whether blob/<aa>/<digest> is there, and its length. NOT_FOUND. */
ENT_MUST enum ent_err ent_export_blob_size(struct ent_export *export, const uint8_t digest[32],
                                           uint64_t *size);
/* Opens it for reading; the caller closes *fd. NOT_FOUND. */
ENT_MUST enum ent_err ent_export_blob_open(struct ent_export *export, const uint8_t digest[32],
                                           int *fd, uint64_t *size);
/* Appends it (LIMIT beyond the buffer's maximum), its digest verified: DIGEST. NOT_FOUND. */
ENT_MUST enum ent_err ent_export_blob(struct ent_export *export, const uint8_t digest[32],
                                      struct ent_buf *out);
/* Verifies its digest in constant memory. DIGEST, NOT_FOUND. */
ENT_MUST enum ent_err ent_export_blob_check(struct ent_export *export, const uint8_t digest[32]);

#endif
