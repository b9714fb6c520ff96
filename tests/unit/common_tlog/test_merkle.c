/* Laws of the tree against a naive twin; all sizes up to ALL, random ones above. */
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/kept.h"

#define ALL 70      /* every size, every index, every pair of sizes */
#define LARGE 5000  /* random ones */
#define SAMPLES 300 /* of those */

static void fill(struct kept *kept, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint8_t leaf[8];

        ent_put_be64(leaf, i * 0x9E3779B97F4A7C15u);
        kept_add(kept, leaf, i % 9); /* lengths 0 ... 8 */
    }
}

/* RFC 6962's tree from the bottom: pairs are hashed, an odd last one moves up as it is. */
static void naive_root(const struct kept *kept, uint64_t size, uint8_t out[ENT_MERKLE_BYTES])
{
    uint8_t(*row)[ENT_MERKLE_BYTES] = calloc(size + 1, ENT_MERKLE_BYTES);

    if (row == NULL) {
        abort();
    }
    if (size == 0) {
        ENT_OK(ent_sha256(NULL, 0, row[0]));
    } else {
        memcpy(row, kept->nodes[0], size * ENT_MERKLE_BYTES);
    }
    while (size > 1) {
        for (uint64_t i = 0; i < size / 2; i++) {
            ENT_OK(ent_sha256_node(row[2 * i], row[2 * i + 1], row[i]));
        }
        if (size % 2 != 0) {
            memmove(row[size / 2], row[size - 1], ENT_MERKLE_BYTES);
        }
        size = (size + 1) / 2;
    }
    memcpy(out, row[0], ENT_MERKLE_BYTES);
    free(row);
}

ENT_TEST(merkle, roots_equal_the_naive_twin)
{
    struct kept kept = {0};
    struct ent_merkle at;

    ent_merkle_init(&kept.tree);
    for (uint64_t size = 0; size <= 300; size++) {
        uint8_t want[ENT_MERKLE_BYTES];
        uint8_t got[ENT_MERKLE_BYTES];
        uint8_t leaf = (uint8_t)size;

        naive_root(&kept, size, want);
        ENT_OK(ent_merkle_root(&kept.tree, &kept.hash, got));
        CU_ASSERT(memcmp(want, got, sizeof got) == 0);
        ENT_OK(ent_merkle_root_at(kept_node, &kept, size, got));
        CU_ASSERT(memcmp(want, got, sizeof got) == 0);
        ENT_OK(ent_merkle_load(kept_node, &kept, size, &at)); /* as if it had never stopped */
        ENT_OK(ent_merkle_root(&at, &kept.hash, got));
        CU_ASSERT(at.size == size && memcmp(want, got, sizeof got) == 0);
        kept_add(&kept, &leaf, 1);
    }
    kept_release(&kept);
}

ENT_TEST(merkle, every_inclusion_proof_of_small_trees)
{
    struct kept kept = {0};
    struct ent_merkle_proof proof;
    uint8_t root[ENT_MERKLE_BYTES];

    fill(&kept, ALL);
    for (uint64_t size = 1; size <= ALL; size++) {
        ENT_OK(ent_merkle_root_at(kept_node, &kept, size, root));
        for (uint64_t i = 0; i < size; i++) {
            ENT_OK(ent_merkle_prove_inclusion(kept_node, &kept, i, size, &proof));
            ENT_OK(ent_merkle_verify_inclusion(i, size, kept.nodes[0][i], &proof, root));
            for (uint64_t j = 0; j < ALL; j++) { /* of no other leaf, and at no other place */
                bool other = memcmp(kept.nodes[0][i], kept.nodes[0][j], ENT_MERKLE_BYTES) != 0;

                CU_ASSERT(!other || ent_merkle_verify_inclusion(i, size, kept.nodes[0][j], &proof,
                                                                root) != ENT_E_OK);
                CU_ASSERT(j == i || ent_merkle_verify_inclusion(j, size, kept.nodes[0][i], &proof,
                                                                root) != ENT_E_OK);
            }
        }
        ENT_FAILS(ent_merkle_prove_inclusion(kept_node, &kept, size, size, &proof), ENT_E_SHAPE);
    }
    kept_release(&kept);
}

ENT_TEST(merkle, every_consistency_proof_of_small_trees)
{
    struct kept kept = {0};
    struct ent_merkle_proof proof;
    uint8_t roots[ALL + 1][ENT_MERKLE_BYTES];

    fill(&kept, ALL);
    for (uint64_t size = 0; size <= ALL; size++) {
        ENT_OK(ent_merkle_root_at(kept_node, &kept, size, roots[size]));
        for (uint64_t old = 0; old <= size; old++) {
            ENT_OK(ent_merkle_prove_consistency(kept_node, &kept, old, size, &proof));
            ENT_OK(ent_merkle_verify_consistency(old, size, &proof, roots[old], roots[size]));
            CU_ASSERT(proof.n > 0 || old == 0 || old == size);
            for (uint64_t other = 0; other <= size; other++) { /* no other past */
                CU_ASSERT(other == old ||
                          ent_merkle_verify_consistency(old, size, &proof, roots[other],
                                                        roots[size]) != ENT_E_OK);
            }
            CU_ASSERT(old == size || ent_merkle_verify_consistency(size, old, &proof, roots[size],
                                                                   roots[old]) != ENT_E_OK);
        }
    }
    ENT_FAILS(ent_merkle_prove_consistency(kept_node, &kept, 2, 1, &proof), ENT_E_SHAPE);
    kept_release(&kept);
}

/* Runs `verify` with each bit of bytes[len] turned; it must never be content. */
static void turn_bits(uint8_t *bytes, size_t len, bool (*verify)(void *ctx), void *ctx)
{
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT(!verify(ctx));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT(verify(ctx));
}

struct claim {
    uint64_t a; /* index, or size1 */
    uint64_t size;
    struct ent_merkle_proof proof;
    uint8_t from[ENT_MERKLE_BYTES]; /* leaf hash, or root1 */
    uint8_t root[ENT_MERKLE_BYTES];
};

static bool included(void *ctx)
{
    struct claim *c = ctx;

    return ent_merkle_verify_inclusion(c->a, c->size, c->from, &c->proof, c->root) == ENT_E_OK;
}

static bool consistent(void *ctx)
{
    struct claim *c = ctx;

    return ent_merkle_verify_consistency(c->a, c->size, &c->proof, c->from, c->root) == ENT_E_OK;
}

/* One bit anywhere, one hash more or less: refused. (Not the size: a root does not commit to it.) */
static void bend(struct claim *c, bool (*verify)(void *ctx))
{
    turn_bits(c->from, sizeof c->from, verify, c);
    turn_bits(c->root, sizeof c->root, verify, c);
    turn_bits(c->proof.hashes[0], c->proof.n * ENT_MERKLE_BYTES, verify, c);
    turn_bits((uint8_t *)&c->a, sizeof c->a, verify, c);
    c->proof.n++;
    CU_ASSERT(!verify(c));
    c->proof.n -= 2;
    CU_ASSERT(c->proof.n > ENT_MERKLE_PROOF_MAX || !verify(c));
    c->proof.n = ENT_MERKLE_PROOF_MAX + 1;
    CU_ASSERT(!verify(c));
}

ENT_TEST(merkle, random_trees_and_every_bit_of_their_proofs)
{
    struct ent_rng rng = ent_rng_init(5, 1);
    struct kept kept = {0};
    struct claim c;

    fill(&kept, LARGE);
    for (int i = 0; i < SAMPLES; i++) {
        bool slow = i % 20 == 0; /* all bits of some */

        memset(&c, 0, sizeof c);
        c.size = 2 + ent_rng_below(&rng, LARGE - 1);
        c.a = ent_rng_below(&rng, (uint32_t)c.size);
        ENT_OK(ent_merkle_root_at(kept_node, &kept, c.size, c.root));
        ENT_OK(ent_merkle_prove_inclusion(kept_node, &kept, c.a, c.size, &c.proof));
        memcpy(c.from, kept.nodes[0][c.a], sizeof c.from);
        CU_ASSERT(included(&c));
        if (slow) {
            bend(&c, included);
        }
        c.a = 1 + ent_rng_below(&rng, (uint32_t)c.size - 1);
        ENT_OK(ent_merkle_root_at(kept_node, &kept, c.a, c.from));
        ENT_OK(ent_merkle_prove_consistency(kept_node, &kept, c.a, c.size, &c.proof));
        CU_ASSERT(consistent(&c));
        if (slow) {
            bend(&c, consistent);
        }
    }
    kept_release(&kept);
}

/* All leaves equal: a node depends on its level alone, so the largest tree there can be costs nothing. */
static enum ent_err equal_node(void *ctx, unsigned level, uint64_t index,
                               uint8_t out[ENT_MERKLE_BYTES])
{
    uint8_t(*levels)[ENT_MERKLE_BYTES] = ctx;

    CU_ASSERT_FATAL(level < ENT_MERKLE_LEVELS && index <= ENT_MERKLE_SIZE_MAX >> level);
    memcpy(out, levels[level], ENT_MERKLE_BYTES);
    return ENT_E_OK;
}

ENT_TEST(merkle, the_largest_tree)
{
    static uint8_t levels[ENT_MERKLE_LEVELS][ENT_MERKLE_BYTES];
    static const uint64_t olds[] = {
        1, 2, 3, 5, (uint64_t)1 << 62, ENT_MERKLE_SIZE_MAX / 3, ENT_MERKLE_SIZE_MAX - 1};
    const uint64_t size = ENT_MERKLE_SIZE_MAX;
    struct ent_merkle_proof proof;
    struct ent_sha256 hash = {0};
    struct ent_merkle tree;
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_OK(ent_sha256_leaf("x", 1, levels[0]));
    for (unsigned i = 1; i < ENT_MERKLE_LEVELS; i++) {
        ENT_OK(ent_sha256_node(levels[i - 1], levels[i - 1], levels[i]));
    }
    ENT_OK(ent_merkle_root_at(equal_node, levels, size, root));
    for (size_t i = 0; i < sizeof olds / sizeof olds[0]; i++) {
        uint8_t old[ENT_MERKLE_BYTES];

        ENT_OK(ent_merkle_prove_inclusion(equal_node, levels, olds[i], size, &proof));
        ENT_OK(ent_merkle_verify_inclusion(olds[i], size, levels[0], &proof, root));
        ENT_OK(ent_merkle_root_at(equal_node, levels, olds[i], old));
        ENT_OK(ent_merkle_prove_consistency(equal_node, levels, olds[i], size, &proof));
        ENT_OK(ent_merkle_verify_consistency(olds[i], size, &proof, old, root));
    }
    ENT_OK(ent_merkle_load(equal_node, levels, size, &tree));
    ENT_FAILS(ent_merkle_append(&tree, &hash, levels[0], NULL, NULL), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(tree.size, size);
    ENT_FAILS(ent_merkle_load(equal_node, levels, size + 1, &tree), ENT_E_LIMIT);
    ent_sha256_release(&hash);
}

ENT_TEST(merkle, a_node_that_cannot_be_kept_leaves_the_tree)
{
    struct kept kept = {0};
    struct ent_merkle before;
    uint8_t leaf[ENT_MERKLE_BYTES] = {1};

    fill(&kept, 3);
    before = kept.tree;
    kept.fail_level = 2; /* the fourth leaf would complete it */
    ENT_FAILS(ent_merkle_append(&kept.tree, &kept.hash, leaf, kept_keep, &kept), ENT_E_IO);
    CU_ASSERT(memcmp(&before, &kept.tree, sizeof before) == 0);
    kept_release(&kept);
}

/* Too long and too short is told apart from another root. */
ENT_TEST(merkle, lengths_have_their_own_error)
{
    struct kept kept = {0};
    struct ent_merkle_proof proof;
    uint8_t roots[2][ENT_MERKLE_BYTES];
    uint8_t empty[ENT_MERKLE_BYTES];

    fill(&kept, 20);
    ENT_OK(ent_merkle_root_at(kept_node, &kept, 11, roots[0]));
    ENT_OK(ent_merkle_root_at(kept_node, &kept, 20, roots[1]));
    ENT_OK(ent_merkle_prove_inclusion(kept_node, &kept, 10, 20, &proof));
    for (int more = -1; more <= 1; more += 2) {
        struct ent_merkle_proof bent = proof;

        bent.n += (size_t)more;
        ENT_FAILS(ent_merkle_verify_inclusion(10, 20, kept.nodes[0][10], &bent, roots[1]),
                  ENT_E_SHAPE);
    }
    ENT_FAILS(ent_merkle_verify_inclusion(10, 20, kept.nodes[0][11], &proof, roots[1]),
              ENT_E_DIGEST);
    ENT_OK(ent_merkle_prove_consistency(kept_node, &kept, 11, 20, &proof));
    for (int more = -1; more <= 1; more += 2) {
        struct ent_merkle_proof bent = proof;

        bent.n += (size_t)more;
        ENT_FAILS(ent_merkle_verify_consistency(11, 20, &bent, roots[0], roots[1]), ENT_E_SHAPE);
    }
    ENT_FAILS(ent_merkle_verify_consistency(11, 20, &proof, roots[1], roots[1]), ENT_E_DIGEST);
    /* From nothing: no proof, and nothing has one root only. */
    ENT_OK(ent_sha256(NULL, 0, empty));
    ENT_FAILS(ent_merkle_verify_consistency(0, 20, &proof, empty, roots[1]), ENT_E_SHAPE);
    proof.n = 0;
    ENT_OK(ent_merkle_verify_consistency(0, 20, &proof, empty, roots[1]));
    ENT_FAILS(ent_merkle_verify_consistency(0, 20, &proof, roots[0], roots[1]), ENT_E_DIGEST);
    ENT_OK(ent_merkle_verify_consistency(0, 0, &proof, empty, empty));
    ENT_FAILS(ent_merkle_verify_consistency(0, 0, &proof, empty, roots[1]), ENT_E_DIGEST);
    kept_release(&kept);
}
