#include "common/tlog/merkle.h"

#include <string.h>

void ent_merkle_init(struct ent_merkle *tree)
{
    memset(tree, 0, sizeof *tree);
}

/* As a binary counter: the new leaf closes one subtree for each low bit that is set. Only the last node
 * is stored, after `keep` has agreed to all: an error leaves the tree as it was. */
enum ent_err ent_merkle_append(struct ent_merkle *tree, struct ent_sha256 *hash,
                               const uint8_t leaf_hash[ENT_MERKLE_BYTES], ent_merkle_keep_fn keep,
                               void *keep_ctx)
{
    uint8_t node[ENT_MERKLE_BYTES];
    unsigned level = 0;

    ENT_REQUIRE(tree->size < ENT_MERKLE_SIZE_MAX, ENT_E_LIMIT, "the log is full");
    memcpy(node, leaf_hash, sizeof node);
    for (;; level++) {
        if (keep != NULL) {
            ENT_TRY(keep(keep_ctx, level, tree->size >> level, node));
        }
        if ((tree->size >> level & 1) == 0) {
            break;
        }
        ENT_TRY(ent_sha256_node_with(hash, tree->nodes[level], node, node));
    }
    memcpy(tree->nodes[level], node, sizeof node);
    tree->size++;
    return ENT_E_OK;
}

/* RFC 6962 2.1: the left part is the largest complete subtree, so the root folds from the right: the
 * smallest subtree is combined with the next larger one to its left, and so on. */
enum ent_err ent_merkle_root(const struct ent_merkle *tree, struct ent_sha256 *hash,
                             uint8_t out[ENT_MERKLE_BYTES])
{
    uint8_t node[ENT_MERKLE_BYTES];
    bool have = false;

    if (tree->size == 0) {
        return ent_sha256(NULL, 0, out);
    }
    for (unsigned level = 0; level < ENT_MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) == 0) {
            continue;
        }
        if (have) {
            ENT_TRY(ent_sha256_node_with(hash, tree->nodes[level], node, node));
        } else {
            memcpy(node, tree->nodes[level], sizeof node);
            have = true;
        }
    }
    memcpy(out, node, sizeof node);
    return ENT_E_OK;
}

enum ent_err ent_merkle_load(ent_merkle_node_fn node, void *ctx, uint64_t size,
                             struct ent_merkle *out)
{
    struct ent_merkle tree = {.size = size};

    ENT_REQUIRE(size <= ENT_MERKLE_SIZE_MAX, ENT_E_LIMIT, "no log has that many leaves");
    for (unsigned level = 0; level < ENT_MERKLE_LEVELS; level++) {
        if ((size >> level & 1) != 0) {
            ENT_TRY(node(ctx, level, (size >> level) - 1, tree.nodes[level]));
        }
    }
    *out = tree;
    return ENT_E_OK;
}

enum ent_err ent_merkle_root_at(ent_merkle_node_fn node, void *ctx, uint64_t size,
                                uint8_t out[ENT_MERKLE_BYTES])
{
    struct ent_merkle tree;
    struct ent_sha256 hash = {0};
    enum ent_err err;

    ENT_TRY(ent_merkle_load(node, ctx, size, &tree));
    err = ent_merkle_root(&tree, &hash, out);
    ent_sha256_release(&hash);
    return err;
}

/* ---- proofs: made ---- */

struct prover {
    ent_merkle_node_fn node;
    void *ctx;
    struct ent_sha256 hash;
    struct ent_merkle_proof proof; /* from the root down; turned round at the end */
};

/* Largest power of two below n; n > 1. */
static uint64_t split_of(uint64_t n)
{
    uint64_t k = 1;

    while (k < n - k) {
        k <<= 1;
    }
    return k;
}

/* Adds the hash of leaves begin ... end - 1, a subtree as RFC 6962 splits them off: begin is a multiple
 * of a power of two that is at least as large as end - begin. So its complete parts are nodes, one
 * for each set bit of its length, the smallest at the right. */
static enum ent_err add_range(struct prover *p, uint64_t begin, uint64_t end)
{
    uint8_t *out = p->proof.hashes[p->proof.n];
    uint64_t len = end - begin;
    bool have = false;

    ENT_BUG_ON(p->proof.n >= ENT_MERKLE_PROOF_MAX);
    for (unsigned level = 0; level < ENT_MERKLE_LEVELS && len >> level != 0; level++) {
        uint8_t node[ENT_MERKLE_BYTES];

        if ((len >> level & 1) == 0) {
            continue;
        }
        ENT_TRY(p->node(p->ctx, level, (end >> level) - 1, node));
        if (have) {
            ENT_TRY(ent_sha256_node_with(&p->hash, node, out, out));
        } else {
            memcpy(out, node, sizeof node);
            have = true;
        }
    }
    p->proof.n++;
    return ENT_E_OK;
}

static void turn_round(const struct ent_merkle_proof *from, struct ent_merkle_proof *to)
{
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        memcpy(to->hashes[i], from->hashes[from->n - 1 - i], ENT_MERKLE_BYTES);
    }
}

static enum ent_err inclusion_down(struct prover *p, uint64_t index, uint64_t size)
{
    uint64_t begin = 0;
    uint64_t end = size;

    while (end - begin > 1) {
        uint64_t middle = begin + split_of(end - begin);

        if (index < middle) {
            ENT_TRY(add_range(p, middle, end));
            end = middle;
        } else {
            ENT_TRY(add_range(p, begin, middle));
            begin = middle;
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_merkle_prove_inclusion(ent_merkle_node_fn node, void *ctx, uint64_t index,
                                        uint64_t size, struct ent_merkle_proof *out)
{
    struct prover p = {.node = node, .ctx = ctx};
    enum ent_err err;

    ENT_REQUIRE(index < size && size <= ENT_MERKLE_SIZE_MAX, ENT_E_SHAPE,
                "no leaf %llu in a log of %llu", (unsigned long long)index,
                (unsigned long long)size);
    err = inclusion_down(&p, index, size);
    ent_sha256_release(&p.hash);
    if (err == ENT_E_OK) {
        turn_round(&p.proof, out);
    }
    return err;
}

/* RFC 6962 2.1.2, SUBPROOF(m, D[begin:end], complete) as a loop; `complete` until the first step to the
 * right: the verifier has that subtree's hash, the old root. */
static enum ent_err consistency_down(struct prover *p, uint64_t size1, uint64_t size2)
{
    uint64_t begin = 0;
    uint64_t end = size2;

    while (size1 != end) {
        uint64_t middle = begin + split_of(end - begin);

        if (size1 <= middle) {
            ENT_TRY(add_range(p, middle, end));
            end = middle;
        } else {
            ENT_TRY(add_range(p, begin, middle));
            begin = middle;
        }
    }
    return begin == 0 ? ENT_E_OK : add_range(p, begin, end);
}

enum ent_err ent_merkle_prove_consistency(ent_merkle_node_fn node, void *ctx, uint64_t size1,
                                          uint64_t size2, struct ent_merkle_proof *out)
{
    struct prover p = {.node = node, .ctx = ctx};
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(size1 <= size2 && size2 <= ENT_MERKLE_SIZE_MAX, ENT_E_SHAPE,
                "a log of %llu leaves was never one of %llu", (unsigned long long)size2,
                (unsigned long long)size1);
    if (size1 > 0) {
        err = consistency_down(&p, size1, size2);
    }
    ent_sha256_release(&p.hash);
    if (err == ENT_E_OK) {
        turn_round(&p.proof, out);
    }
    return err;
}

/* ---- proofs: verified ---- */

static bool same(const uint8_t a[ENT_MERKLE_BYTES], const uint8_t b[ENT_MERKLE_BYTES])
{
    return memcmp(a, b, ENT_MERKLE_BYTES) == 0;
}

/* Where a verifier stands: fn is the way to the leaf (or to the old tree's last one), sn the way to the
 * last leaf, both as seen from the level reached (RFC 9162's names). */
struct way {
    uint64_t fn;
    uint64_t sn;
};

/* One hash of the path is used up. True: it stands at the left. */
static bool way_up(struct way *way)
{
    bool left = (way->fn & 1) != 0 || way->fn == way->sn;

    while (left && (way->fn & 1) == 0 && way->fn != 0) {
        way->fn >>= 1; /* no sibling at these levels: the right edge */
        way->sn >>= 1;
    }
    way->fn >>= 1;
    way->sn >>= 1;
    return left;
}

static enum ent_err fold(struct ent_sha256 *hash, const uint8_t *sibling, bool left,
                         uint8_t node[ENT_MERKLE_BYTES])
{
    return left ? ent_sha256_node_with(hash, sibling, node, node)
                : ent_sha256_node_with(hash, node, sibling, node);
}

static enum ent_err inclusion_up(struct ent_sha256 *hash, struct way way,
                                 const struct ent_merkle_proof *proof,
                                 uint8_t node[ENT_MERKLE_BYTES])
{
    for (size_t i = 0; i < proof->n; i++) {
        ENT_REQUIRE(way.sn != 0, ENT_E_SHAPE, "an inclusion proof with too many hashes");
        ENT_TRY(fold(hash, proof->hashes[i], way_up(&way), node));
    }
    ENT_REQUIRE(way.sn == 0, ENT_E_SHAPE, "an inclusion proof with too few hashes");
    return ENT_E_OK;
}

enum ent_err ent_merkle_verify_inclusion(uint64_t index, uint64_t size,
                                         const uint8_t leaf_hash[ENT_MERKLE_BYTES],
                                         const struct ent_merkle_proof *proof,
                                         const uint8_t root[ENT_MERKLE_BYTES])
{
    struct ent_sha256 hash = {0};
    uint8_t node[ENT_MERKLE_BYTES];
    enum ent_err err;

    ENT_REQUIRE(index < size && proof->n <= ENT_MERKLE_PROOF_MAX, ENT_E_SHAPE,
                "no leaf %llu in a log of %llu", (unsigned long long)index,
                (unsigned long long)size);
    memcpy(node, leaf_hash, sizeof node);
    err = inclusion_up(&hash, (struct way){index, size - 1}, proof, node);
    ent_sha256_release(&hash);
    ENT_TRY(err);
    ENT_REQUIRE(same(node, root), ENT_E_DIGEST, "leaf %llu is not under this root",
                (unsigned long long)index);
    return ENT_E_OK;
}

/* Folds the old and the new root from the same path; hashes at the right belong to the new tree only. */
static enum ent_err consistency_up(struct ent_sha256 *hash, struct way way,
                                   const struct ent_merkle_proof *proof, size_t from,
                                   uint8_t roots[2][ENT_MERKLE_BYTES])
{
    for (size_t i = from; i < proof->n; i++) {
        bool left;

        ENT_REQUIRE(way.sn != 0, ENT_E_SHAPE, "a consistency proof with too many hashes");
        left = way_up(&way);
        if (left) {
            ENT_TRY(fold(hash, proof->hashes[i], left, roots[0]));
        }
        ENT_TRY(fold(hash, proof->hashes[i], left, roots[1]));
    }
    ENT_REQUIRE(way.sn == 0, ENT_E_SHAPE, "a consistency proof with too few hashes");
    return ENT_E_OK;
}

/* size1 = 0 or size1 = size2: nothing to prove. */
static enum ent_err verify_trivial(uint64_t size1, const struct ent_merkle_proof *proof,
                                   const uint8_t root1[ENT_MERKLE_BYTES],
                                   const uint8_t root2[ENT_MERKLE_BYTES])
{
    uint8_t empty[ENT_MERKLE_BYTES];

    ENT_REQUIRE(proof->n == 0, ENT_E_SHAPE, "a consistency proof where there is nothing to prove");
    if (size1 == 0) {
        ENT_TRY(ent_sha256(NULL, 0, empty));
        ENT_REQUIRE(same(root1, empty), ENT_E_DIGEST, "an empty log with the root of another");
    } else {
        ENT_REQUIRE(same(root1, root2), ENT_E_DIGEST, "two roots of one size");
    }
    return ENT_E_OK;
}

enum ent_err ent_merkle_verify_consistency(uint64_t size1, uint64_t size2,
                                           const struct ent_merkle_proof *proof,
                                           const uint8_t root1[ENT_MERKLE_BYTES],
                                           const uint8_t root2[ENT_MERKLE_BYTES])
{
    struct ent_sha256 hash = {0};
    uint8_t roots[2][ENT_MERKLE_BYTES];
    struct way way = {size1 - 1, size2 - 1};
    bool given = (size1 & (size1 - 1)) == 0; /* a power of two: the old root starts the path */
    enum ent_err err;

    ENT_REQUIRE(size1 <= size2 && proof->n <= ENT_MERKLE_PROOF_MAX, ENT_E_SHAPE,
                "a log of %llu leaves was never one of %llu", (unsigned long long)size2,
                (unsigned long long)size1);
    if (size1 == size2 || size1 == 0) {
        ENT_TRY(verify_trivial(size1, proof, root1, root2));
        return size1 == size2 ? verify_trivial(1, proof, root1, root2) : ENT_E_OK;
    }
    ENT_REQUIRE(proof->n > 0, ENT_E_SHAPE, "a consistency proof with too few hashes");
    while ((way.fn & 1) != 0) {
        way.fn >>= 1;
        way.sn >>= 1;
    }
    memcpy(roots[0], given ? root1 : proof->hashes[0], ENT_MERKLE_BYTES);
    memcpy(roots[1], roots[0], ENT_MERKLE_BYTES);
    err = consistency_up(&hash, way, proof, given ? 0 : 1, roots);
    ent_sha256_release(&hash);
    ENT_TRY(err);
    ENT_REQUIRE(same(roots[0], root1), ENT_E_DIGEST, "the old root is not a prefix of this log");
    ENT_REQUIRE(same(roots[1], root2), ENT_E_DIGEST, "the new root does not contain the old log");
    return ENT_E_OK;
}
