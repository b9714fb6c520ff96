/* IN leaf hashes, bytes of others' notes and proofs · OUT roots, proofs, notes, verdicts · OWNS nothing:
 * plain values and caller's storage · THREADS any, one value on one thread at a time
 * SOURCE RFC 6962 2.1 (tree, proofs), RFC 9162 2.1.3.2 and 2.1.4.2 (how to verify them), C2SP
 * signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy, tlog-tiles, tlog-proof, tlog-witness
 *
 * The room of the audit log's mathematics: no file, no socket, no clock, bounded memory. This header:
 * the tree. A root does not commit to the size of its tree: sizes come from signed checkpoints only. */
#ifndef ENT_COMMON_TLOG_MERKLE_H
#define ENT_COMMON_TLOG_MERKLE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/crypto/sha256.h"

#define ENT_MERKLE_BYTES ENT_SHA256_BYTES
/* Leaves: whoever keeps a size stores it, and SQLite's integers are signed. */
#define ENT_MERKLE_SIZE_MAX ((uint64_t)INT64_MAX)
#define ENT_MERKLE_LEVELS 63
/* A path in a tree of 2^63 leaves; a consistency proof may have one hash more. Hashes. */
#define ENT_MERKLE_PROOF_MAX 64

/* The right edge of a tree: all that is needed to go on appending. A plain value: copy it to take a
 * step on trial and throw it away. All zero is the empty tree. */
struct ent_merkle {
    uint64_t size; /* leaves */
    /* nodes[l] is the complete subtree of 2^l leaves that ends the tree, where bit l of size is set. */
    uint8_t nodes[ENT_MERKLE_LEVELS][ENT_MERKLE_BYTES];
};

struct ent_merkle_proof {
    size_t n;
    uint8_t hashes[ENT_MERKLE_PROOF_MAX][ENT_MERKLE_BYTES];
};

/* Keeps the complete subtree of leaves index * 2^level ... + 2^level - 1. */
typedef enum ent_err (*ent_merkle_keep_fn)(void *ctx, unsigned level, uint64_t index,
                                           const uint8_t hash[ENT_MERKLE_BYTES]);
/* Hands one back; it is asked only for subtrees that are complete at the size in question. */
typedef enum ent_err (*ent_merkle_node_fn)(void *ctx, unsigned level, uint64_t index,
                                           uint8_t out[ENT_MERKLE_BYTES]);

void ent_merkle_init(struct ent_merkle *tree);

/* Appends the leaf of this hash (ent_sha256_leaf_with). `hash` is a context to work with (all zero at
 * first use; released by the caller), reused from call to call: no allocation. `keep` (may be NULL)
 * gets each subtree that this leaf completes, level 0 first; its error is passed up, and the tree is as
 * before. LIMIT at ENT_MERKLE_SIZE_MAX. Cost: one hash on average, log2(size) at most. */
ENT_MUST enum ent_err ent_merkle_append(struct ent_merkle *tree, struct ent_sha256 *hash,
                                        const uint8_t leaf_hash[ENT_MERKLE_BYTES],
                                        ent_merkle_keep_fn keep, void *keep_ctx);

/* The tree head; of the empty tree: SHA-256 of nothing. */
ENT_MUST enum ent_err ent_merkle_root(const struct ent_merkle *tree, struct ent_sha256 *hash,
                                      uint8_t out[ENT_MERKLE_BYTES]);

/* The tree as it was at `size`, from kept nodes: one read a set bit of size. Errors of `node`. */
ENT_MUST enum ent_err ent_merkle_load(ent_merkle_node_fn node, void *ctx, uint64_t size,
                                      struct ent_merkle *out);
/* Its root. */
ENT_MUST enum ent_err ent_merkle_root_at(ent_merkle_node_fn node, void *ctx, uint64_t size,
                                         uint8_t out[ENT_MERKLE_BYTES]);
/* That leaf `index` is in the tree of `size`. SHAPE when index >= size. */
ENT_MUST enum ent_err ent_merkle_prove_inclusion(ent_merkle_node_fn node, void *ctx, uint64_t index,
                                                 uint64_t size, struct ent_merkle_proof *out);
/* That the tree of size1 is a prefix of the tree of size2; empty for size1 = 0 and equal sizes. SHAPE
 * when size1 > size2. */
ENT_MUST enum ent_err ent_merkle_prove_consistency(ent_merkle_node_fn node, void *ctx,
                                                   uint64_t size1, uint64_t size2,
                                                   struct ent_merkle_proof *out);

/* SHAPE: index or number of hashes cannot be; DIGEST: another root. */
ENT_MUST enum ent_err ent_merkle_verify_inclusion(uint64_t index, uint64_t size,
                                                  const uint8_t leaf_hash[ENT_MERKLE_BYTES],
                                                  const struct ent_merkle_proof *proof,
                                                  const uint8_t root[ENT_MERKLE_BYTES]);
/* size1 = 0: root1 is the empty root and the proof is empty. SHAPE, DIGEST as above. */
ENT_MUST enum ent_err ent_merkle_verify_consistency(uint64_t size1, uint64_t size2,
                                                    const struct ent_merkle_proof *proof,
                                                    const uint8_t root1[ENT_MERKLE_BYTES],
                                                    const uint8_t root2[ENT_MERKLE_BYTES]);

#endif
