/* A tree with all its nodes, as a store keeps them. */
#ifndef ENT_TESTS_TLOG_KEPT_H
#define ENT_TESTS_TLOG_KEPT_H

#include "common/tlog/merkle.h"

#define KEPT_LEVELS 20

struct kept {
    struct ent_merkle tree;
    struct ent_sha256 hash;
    uint8_t (*nodes[KEPT_LEVELS])[ENT_MERKLE_BYTES];
    size_t n[KEPT_LEVELS];
    size_t cap[KEPT_LEVELS];
    unsigned fail_level; /* 0: never; else refuse to keep a node of this level */
};

void kept_add(struct kept *kept, const void *leaf, size_t len);
enum ent_err kept_keep(void *ctx, unsigned level, uint64_t index,
                       const uint8_t hash[ENT_MERKLE_BYTES]);
enum ent_err kept_node(void *ctx, unsigned level, uint64_t index, uint8_t out[ENT_MERKLE_BYTES]);
void kept_release(struct kept *kept);

#endif
