/* Kinds of the tree: hashes, roots, proofs, tiles. */
#include <string.h>

#include "common/tlog/tiles.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/cases.h"

static bool same_hash(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ENT_MERKLE_BYTES) == 0;
}

bool vec_leaf_hash(struct vectors *v, const struct ent_json *c)
{
    uint8_t want[ENT_MERKLE_BYTES];
    uint8_t got[ENT_MERKLE_BYTES];
    struct ent_buf leaf;

    (void)v;
    vec_hash(c, "leaf_hash", want);
    vec_bytes(vec_string(c, "leaf"), &leaf);
    ENT_OK(ent_sha256_leaf(leaf.data, leaf.len, got));
    ent_buf_release(&leaf);
    return same_hash(want, got);
}

bool vec_root(struct vectors *v, const struct ent_json *c)
{
    struct vector_tree *tree = vec_tree(v, c);
    uint8_t want[ENT_MERKLE_BYTES];
    uint8_t got[ENT_MERKLE_BYTES];

    vec_hash(c, "root", want);
    ENT_OK(ent_merkle_root_at(kept_node, &tree->kept, vec_uint(c, "size"), got));
    return same_hash(want, got);
}

static bool same_proof(const struct ent_merkle_proof *a, const struct ent_merkle_proof *b)
{
    return a->n == b->n && memcmp(a->hashes, b->hashes, a->n * ENT_MERKLE_BYTES) == 0;
}

bool vec_inclusion(struct vectors *v, const struct ent_json *c)
{
    struct ent_merkle_proof proof;
    struct ent_merkle_proof ours;
    uint8_t leaf_hash[ENT_MERKLE_BYTES];
    uint8_t root[ENT_MERKLE_BYTES];
    uint64_t index = vec_uint(c, "index");
    uint64_t size = vec_uint(c, "size");
    bool valid = vec_proof(ent_json_get(c, "proof"), &proof);

    vec_hash(c, "leaf_hash", leaf_hash);
    vec_hash(c, "root", root);
    valid = valid && ent_merkle_verify_inclusion(index, size, leaf_hash, &proof, root) == ENT_E_OK;
    if (vec_bool(c, "valid") && !vec_has(c, "why")) { /* an honest one: ours is the same */
        ENT_OK(ent_merkle_prove_inclusion(kept_node, &vec_tree(v, c)->kept, index, size, &ours));
        CU_ASSERT(same_proof(&proof, &ours));
    }
    return valid == vec_bool(c, "valid");
}

bool vec_consistency(struct vectors *v, const struct ent_json *c)
{
    struct ent_merkle_proof proof;
    struct ent_merkle_proof ours;
    uint8_t root1[ENT_MERKLE_BYTES];
    uint8_t root2[ENT_MERKLE_BYTES];
    uint64_t size1 = vec_uint(c, "size1");
    uint64_t size2 = vec_uint(c, "size2");
    bool valid = vec_proof(ent_json_get(c, "proof"), &proof);

    vec_hash(c, "root1", root1);
    vec_hash(c, "root2", root2);
    valid = valid && ent_merkle_verify_consistency(size1, size2, &proof, root1, root2) == ENT_E_OK;
    if (vec_bool(c, "valid") && !vec_has(c, "why")) {
        ENT_OK(ent_merkle_prove_consistency(kept_node, &vec_tree(v, c)->kept, size1, size2, &ours));
        CU_ASSERT(same_proof(&proof, &ours));
    }
    return valid == vec_bool(c, "valid");
}

/* The bytes of a tile's file; `out` is initialised here. */
static void tile_content(struct vector_tree *tree, const struct ent_tile *tile, struct ent_buf *out)
{
    uint8_t hashes[ENT_TILES_HASHES_BYTES];

    ent_buf_init(out, ENT_TILES_BUNDLE_MAX_BYTES);
    if (!tile->entries) {
        ENT_OK(ent_tiles_hashes(tile, kept_node, &tree->kept, hashes));
        ENT_OK(ent_buf_add(out, hashes, (size_t)tile->width * ENT_MERKLE_BYTES));
        return;
    }
    for (unsigned i = 0; i < tile->width; i++) {
        struct ent_buf leaf;

        vec_leaf(tree, tile->index * ENT_TILES_WIDTH + i, &leaf);
        ENT_OK(ent_tiles_bundle_add(out, leaf.data, leaf.len));
        ent_buf_release(&leaf);
    }
}

static bool tile_exists(uint64_t size, const char *path, size_t *n_tiles)
{
    struct ent_tiles_iter iter = ent_tiles_of(size);
    struct ent_tile tile;
    bool found = false;

    *n_tiles = 0;
    while (ent_tiles_next(&iter, &tile)) {
        char name[ENT_TILES_PATH_MAX];

        ent_tiles_path(&tile, name);
        found = found || strcmp(name, path) == 0;
        (*n_tiles)++;
    }
    return found;
}

static bool check_file(struct vector_tree *tree, uint64_t size, const struct ent_json *file,
                       size_t *n_tiles)
{
    const char *path = vec_string(file, "path");
    uint8_t want[ENT_MERKLE_BYTES];
    uint8_t got[ENT_MERKLE_BYTES];
    struct ent_tile tile;
    struct ent_buf content;
    bool ok = tile_exists(size, path, n_tiles);

    vec_hash(file, "sha256", want);
    ENT_OK(ent_tiles_parse_path(path, &tile));
    tile_content(tree, &tile, &content);
    ENT_OK(ent_sha256(content.data, content.len, got));
    ok = ok && content.len == vec_uint(file, "len") && same_hash(want, got);
    ent_buf_release(&content);
    return ok;
}

bool vec_tiles(struct vectors *v, const struct ent_json *c)
{
    struct vector_tree *tree = vec_tree(v, c);
    const struct ent_json *files = ent_json_get(c, "files");
    size_t n_tiles = 0;
    bool ok = true;

    for (size_t i = 0; i < ent_json_len(files); i++) {
        ok = check_file(tree, vec_uint(c, "size"), ent_json_at(files, i), &n_tiles) && ok;
    }
    return ok && (!vec_bool(c, "complete") || n_tiles == ent_json_len(files));
}
