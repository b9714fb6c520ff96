/* C2SP tlog-tiles v0.1.0: a log as plain files. A hash tile holds up to 256 hashes of one level (tile
 * level L = tree level 8 L), an entry bundle up to 256 leaves, each behind its uint16 length. */
#ifndef ENT_COMMON_TLOG_TILES_H
#define ENT_COMMON_TLOG_TILES_H

#include "common/base/buf.h"
#include "common/schema/bytes.h"
#include "common/tlog/merkle.h"

#define ENT_TILES_WIDTH 256u /* of a full tile */
#define ENT_TILES_HASHES_BYTES ((size_t)256 * ENT_MERKLE_BYTES)
#define ENT_TILES_LEAF_MAX_BYTES 65535u
#define ENT_TILES_BUNDLE_MAX_BYTES ((size_t)256 * (2 + ENT_TILES_LEAF_MAX_BYTES))
/* tile/entries/ or tile/NN/, at most six elements of five characters, .p/255, the zero byte. */
#define ENT_TILES_PATH_MAX 64

struct ent_tile {
    bool entries;   /* a bundle of leaves; level is 0 */
    unsigned level; /* 0 ... 7 */
    uint64_t index;
    unsigned width; /* 1 ... 256; below 256 the tile is partial */
};

/* "tile/0/x001/x234/067.p/8", from the export's root. */
void ent_tiles_path(const struct ent_tile *tile, char out[ENT_TILES_PATH_MAX]);
/* The tile of such a path; only the one spelling that ent_tiles_path writes. DATA. */
ENT_MUST enum ent_err ent_tiles_parse_path(const char *path, struct ent_tile *out);

/* What follows up to bundles is for whoever looks at an export as files (the tests do); common/export writes tiles as
 * leaves come, and asks for single ones.
 *
 * All tiles of a tree: hash tiles level by level, then bundles; the partial one of a level last. */
struct ent_tiles_iter {
    uint64_t size;
    uint64_t index; /* next within the level */
    unsigned level;
    bool entries;
};
struct ent_tiles_iter ent_tiles_of(uint64_t size);
bool ent_tiles_next(struct ent_tiles_iter *iter, struct ent_tile *out); /* false at the end */

/* The content of a hash tile: width * 32 bytes, from kept nodes. Errors of `node`. */
ENT_MUST enum ent_err ent_tiles_hashes(const struct ent_tile *tile, ent_merkle_node_fn node,
                                       void *ctx, uint8_t out[ENT_TILES_HASHES_BYTES]);

/* Appends one leaf to a bundle. LIMIT above 65,535 bytes. */
ENT_MUST enum ent_err ent_tiles_bundle_add(struct ent_buf *bundle, const void *leaf, size_t len);

struct ent_tiles_bundle {
    const uint8_t *at;
    unsigned left; /* leaves not read yet */
};
/* bytes: [len], borrowed. DATA unless it holds exactly `width` leaves and nothing behind them. */
ENT_MUST enum ent_err ent_tiles_bundle_open(const uint8_t *bytes, size_t len, unsigned width,
                                            struct ent_tiles_bundle *out);
/* The next leaf (into the bytes); false behind the last. */
bool ent_tiles_bundle_next(struct ent_tiles_bundle *bundle, struct ent_bytes *leaf);

#endif
