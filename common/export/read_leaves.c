#include <string.h>

#include "common/export/read.h"

static struct ent_tile bundle_at(uint64_t index, uint64_t size)
{
    struct ent_tile tile = {.entries = true, .index = index / ENT_TILES_WIDTH};
    uint64_t left = size - tile.index * ENT_TILES_WIDTH;

    tile.width = left < ENT_TILES_WIDTH ? (unsigned)left : ENT_TILES_WIDTH;
    return tile;
}

static enum ent_err load_bundle(struct ent_export_leaves *leaves)
{
    struct ent_tile tile = bundle_at(leaves->next, leaves->size);
    char path[ENT_TILES_PATH_MAX];
    struct ent_bytes leaf;
    enum ent_err err;

    ent_buf_clear(&leaves->bytes);
    ENT_TRY(ent_export_tile(leaves->export, &tile, &leaves->bytes));
    err = ent_tiles_bundle_open(leaves->bytes.data, leaves->bytes.len, tile.width, &leaves->bundle);
    if (err == ENT_E_DATA) {
        ent_tiles_path(&tile, path);
        return ent_err_note(ENT_E_CORRUPT, "%s does not hold exactly %u leaves", path, tile.width);
    }
    ENT_TRY(err);
    for (uint64_t i = 0; i < leaves->next % ENT_TILES_WIDTH; i++) {
        (void)ent_tiles_bundle_next(&leaves->bundle, &leaf);
    }
    return ENT_E_OK;
}

enum ent_err ent_export_leaves_begin(struct ent_export *export, uint64_t first,
                                     struct ent_export_leaves *out)
{
    uint64_t size = ent_export_claim(export)->size;

    ENT_REQUIRE(first <= size, ENT_E_SHAPE, "leaf %llu: the export has %llu leaves",
                (unsigned long long)first, (unsigned long long)size);
    *out = (struct ent_export_leaves){.export = export, .next = first, .size = size};
    ent_buf_init(&out->bytes, ENT_TILES_BUNDLE_MAX_BYTES);
    return ENT_E_OK;
}

enum ent_err ent_export_leaves_next(struct ent_export_leaves *leaves, struct ent_bytes *leaf,
                                    bool *more)
{
    if (leaves->next >= leaves->size) {
        *more = false;
        return ENT_E_OK;
    }
    if (leaves->bundle.left == 0) {
        ENT_TRY(load_bundle(leaves));
    }
    ENT_BUG_ON(!ent_tiles_bundle_next(&leaves->bundle, leaf));
    leaves->next++;
    *more = true;
    return ENT_E_OK;
}

void ent_export_leaves_release(struct ent_export_leaves *leaves)
{
    ent_buf_release(&leaves->bytes);
}

enum ent_err ent_export_leaf(struct ent_export *export, uint64_t index, struct ent_buf *out)
{
    struct ent_export_leaves leaves = {0};
    struct ent_bytes leaf = {0};
    bool more = false;
    enum ent_err err;

    ENT_REQUIRE(index < ent_export_claim(export)->size, ENT_E_SHAPE,
                "leaf %llu: the export has %llu leaves", (unsigned long long)index,
                (unsigned long long)ent_export_claim(export)->size);
    ENT_TRY(ent_export_leaves_begin(export, index, &leaves));
    err = ent_export_leaves_next(&leaves, &leaf, &more);
    if (err == ENT_E_OK) {
        err = ent_buf_add(out, leaf.data, leaf.len);
    }
    ent_export_leaves_release(&leaves);
    return err;
}

/* Tile level L holds nodes of tree level 8 L; those between are hashed from it. */
enum ent_err ent_export_node(void *ctx, unsigned level, uint64_t index,
                             uint8_t out[ENT_MERKLE_BYTES])
{
    struct ent_export *export = ctx;
    unsigned inside = level % 8;
    uint64_t first = index << inside; /* in the level of the tile */
    struct ent_tile tile = {.level = level / 8, .index = first / ENT_TILES_WIDTH};
    uint64_t whole = ent_export_claim(export)->size >> (8 * tile.level);
    uint64_t left = whole - tile.index * ENT_TILES_WIDTH;
    uint8_t hashes[ENT_TILES_HASHES_BYTES];
    uint8_t *at;
    struct ent_buf bytes;
    enum ent_err err;

    ENT_BUG_ON(tile.level > 7 || first + ((uint64_t)1 << inside) > whole);
    tile.width = left < ENT_TILES_WIDTH ? (unsigned)left : ENT_TILES_WIDTH;
    ent_buf_init(&bytes, sizeof hashes);
    err = ent_export_tile(export, &tile, &bytes);
    if (err == ENT_E_OK) {
        memcpy(hashes, bytes.data, bytes.len);
    }
    ent_buf_release(&bytes);
    ENT_TRY(err);
    at = hashes + (first % ENT_TILES_WIDTH) * ENT_MERKLE_BYTES;
    for (unsigned n = 1u << inside; n > 1; n /= 2) {
        for (unsigned i = 0; i < n / 2; i++) {
            ENT_TRY(ent_sha256_node(at + (size_t)2 * i * ENT_MERKLE_BYTES,
                                    at + ((size_t)2 * i + 1) * ENT_MERKLE_BYTES,
                                    at + (size_t)i * ENT_MERKLE_BYTES));
        }
    }
    memcpy(out, at, ENT_MERKLE_BYTES);
    return ENT_E_OK;
}
