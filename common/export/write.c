#include "common/export/write.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/write_tree.h"
#include "common/tlog/note.h"
#include "common/tlog/tiles.h"

#define NAME_MAX_BYTES 96
#define TILE_LEVELS 8
#define TREE_LEVELS_OF_TILE 8

/* The log as it is written: the tiles that are not full yet, and the tree for its root. */
struct writer {
    const struct ent_export_source *source;
    struct ent_export_tree tree;
    struct ent_sha256 hash;
    struct ent_merkle merkle;
    struct ent_buf bundle;
    struct {
        uint64_t index;
        unsigned width;
        uint8_t hashes[ENT_TILES_HASHES_BYTES];
    } tiles[TILE_LEVELS];
};

static enum ent_err put_tile(struct writer *w, struct ent_tile tile, struct ent_bytes bytes)
{
    char path[ENT_TILES_PATH_MAX];

    ent_tiles_path(&tile, path);
    return ent_export_tree_put(&w->tree, path, bytes);
}

static enum ent_err put_hashes(struct writer *w, unsigned level)
{
    struct ent_tile tile = {
        .level = level, .index = w->tiles[level].index, .width = w->tiles[level].width};

    if (tile.width == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(put_tile(
        w, tile,
        (struct ent_bytes){w->tiles[level].hashes, (size_t)tile.width * ENT_MERKLE_BYTES}));
    w->tiles[level].index++;
    w->tiles[level].width = 0;
    return ENT_E_OK;
}

/* ent_merkle_keep_fn: the nodes of tile level L are the complete subtrees of tree level 8 L. */
static enum ent_err keep(void *ctx, unsigned level, uint64_t index,
                         const uint8_t hash[ENT_MERKLE_BYTES])
{
    struct writer *w = ctx;
    unsigned tile_level = level / TREE_LEVELS_OF_TILE;

    (void)index; /* they come in order */
    if (level % TREE_LEVELS_OF_TILE != 0) {
        return ENT_E_OK;
    }
    memcpy(w->tiles[tile_level].hashes + (size_t)w->tiles[tile_level].width * ENT_MERKLE_BYTES,
           hash, ENT_MERKLE_BYTES);
    w->tiles[tile_level].width++;
    return w->tiles[tile_level].width == ENT_TILES_WIDTH ? put_hashes(w, tile_level) : ENT_E_OK;
}

/* Leaves up to `end` are in the bundle: writes it. */
static enum ent_err put_bundle(struct writer *w, uint64_t end)
{
    struct ent_tile tile = {.entries = true,
                            .index = (end - 1) / ENT_TILES_WIDTH,
                            .width = (unsigned)((end - 1) % ENT_TILES_WIDTH) + 1};

    ENT_TRY(put_tile(w, tile, (struct ent_bytes){w->bundle.data, w->bundle.len}));
    ent_buf_clear(&w->bundle);
    return ENT_E_OK;
}

static enum ent_err write_leaf(struct writer *w, uint64_t index)
{
    uint8_t hash[ENT_SHA256_BYTES];
    struct ent_bytes leaf = {0};

    ENT_TRY(w->source->leaf(w->source->ctx, index, &leaf));
    ENT_TRY(ent_tiles_bundle_add(&w->bundle, leaf.data, leaf.len));
    ENT_TRY(ent_sha256_leaf_with(&w->hash, leaf.data, leaf.len, hash));
    ENT_TRY(ent_merkle_append(&w->merkle, &w->hash, hash, keep, w));
    return (index + 1) % ENT_TILES_WIDTH == 0 ? put_bundle(w, index + 1) : ENT_E_OK;
}

static enum ent_err write_log(struct writer *w)
{
    uint64_t size = w->source->size;

    for (uint64_t i = 0; i < size; i++) {
        ENT_TRY(write_leaf(w, i));
    }
    if (size % ENT_TILES_WIDTH != 0) {
        ENT_TRY(put_bundle(w, size));
    }
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        ENT_TRY(put_hashes(w, level));
    }
    return ENT_E_OK;
}

/* Size and root of a note are those of the log. */
static enum ent_err check_checkpoint(struct writer *w)
{
    struct ent_checkpoint checkpoint;
    struct ent_note note;
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_TRY(
        ent_note_parse((const char *)w->source->checkpoint.data, w->source->checkpoint.len, &note));
    ENT_TRY(ent_checkpoint_parse(note.text, note.text_len, &checkpoint));
    ENT_REQUIRE(checkpoint.size == w->source->size, ENT_E_SHAPE,
                "the checkpoint is of %llu leaves, the export of %llu",
                (unsigned long long)checkpoint.size, (unsigned long long)w->source->size);
    ENT_TRY(ent_merkle_root(&w->merkle, &w->hash, root));
    ENT_REQUIRE(memcmp(root, checkpoint.root, sizeof root) == 0, ENT_E_CORRUPT,
                "the %llu leaves are not those that the checkpoint was signed over",
                (unsigned long long)checkpoint.size);
    return ENT_E_OK;
}

static enum ent_err write_notes(struct writer *w)
{
    const struct ent_export_source *source = w->source;
    uint64_t before = 0;

    for (size_t i = 0; i < source->n_notes; i++) {
        struct ent_export_note note = {0};
        char name[NAME_MAX_BYTES];

        ENT_TRY(source->note(source->ctx, i, &note));
        ENT_REQUIRE(note.size > before && note.size <= source->size, ENT_E_SHAPE,
                    "a note of %llu leaves after one of %llu, in an export of %llu",
                    (unsigned long long)note.size, (unsigned long long)before,
                    (unsigned long long)source->size);
        before = note.size;
        (void)snprintf(name, sizeof name, "checkpoints/%llu.note", (unsigned long long)note.size);
        ENT_TRY(ent_export_tree_put(&w->tree, name, note.note));
    }
    return ent_export_tree_put(&w->tree, "checkpoint", source->checkpoint);
}

static enum ent_err write_blob(struct writer *w, const struct ent_export_blob *blob)
{
    uint8_t digest[ENT_SHA256_BYTES];
    char hex[2 * ENT_SHA256_BYTES + 1];
    char name[NAME_MAX_BYTES];
    char *path = NULL;
    bool there;

    ent_hex(blob->digest, sizeof blob->digest, hex);
    (void)snprintf(name, sizeof name, "blob/%.2s/%s", hex, hex);
    ENT_TRY(ent_path_join(w->tree.root, name, &path));
    there = ent_file_exists(path);
    free(path);
    if (there) {
        return ENT_E_OK;
    }
    if (blob->path != NULL) {
        return ent_export_tree_copy(&w->tree, name, blob->path, blob->digest);
    }
    ENT_TRY(ent_sha256(blob->bytes.data, blob->bytes.len, digest));
    ENT_REQUIRE(memcmp(digest, blob->digest, sizeof digest) == 0, ENT_E_CORRUPT,
                "blob %s is not what its digest says", hex);
    return ent_export_tree_put(&w->tree, name, blob->bytes);
}

static enum ent_err write_blobs(struct writer *w)
{
    for (size_t i = 0; i < w->source->n_blobs; i++) {
        struct ent_export_blob blob = {0};

        ENT_TRY(w->source->blob(w->source->ctx, i, &blob));
        ENT_TRY(write_blob(w, &blob));
    }
    return ENT_E_OK;
}

static enum ent_err write_all(struct writer *w)
{
    ENT_TRY(write_log(w));
    ENT_TRY(check_checkpoint(w));
    ENT_TRY(write_notes(w));
    ENT_TRY(write_blobs(w));
    if (w->source->policy.len > 0) {
        ENT_TRY(ent_export_tree_put(&w->tree, "policy.sample", w->source->policy));
    }
    ENT_TRY(ent_export_tree_put(&w->tree, "verify.py", ent_export_verify_py));
    ENT_TRY(ent_export_tree_put(&w->tree, "README.txt", ent_export_readme));
    return ent_export_tree_commit(&w->tree);
}

enum ent_err ent_export_write(const struct ent_export_source *source, const char *to)
{
    struct writer *w = NULL;
    enum ent_err err;

    ENT_REQUIRE(source->size > 0, ENT_E_SHAPE, "an empty log is not exported");
    ENT_TRY(ent_calloc(1, sizeof *w, &w));
    w->source = source;
    ent_merkle_init(&w->merkle);
    ent_buf_init(&w->bundle, ENT_TILES_BUNDLE_MAX_BYTES);
    err = ent_export_tree_begin(to, &w->tree);
    if (err == ENT_E_OK) {
        err = write_all(w);
    }
    ent_export_tree_release(&w->tree);
    ent_buf_release(&w->bundle);
    ent_sha256_release(&w->hash);
    free(w);
    return err;
}
