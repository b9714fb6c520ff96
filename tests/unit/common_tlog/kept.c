#include "tests/unit/common_tlog/kept.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"

enum ent_err kept_keep(void *ctx, unsigned level, uint64_t index,
                       const uint8_t hash[ENT_MERKLE_BYTES])
{
    struct kept *kept = ctx;

    if (kept->fail_level != 0 && level == kept->fail_level) {
        return ENT_E_IO;
    }
    CU_ASSERT_FATAL(level < KEPT_LEVELS && index == kept->n[level]);
    ENT_OK(ent_grow(&kept->nodes[level], &kept->cap[level], kept->n[level] + 1, ENT_MERKLE_BYTES));
    memcpy(kept->nodes[level][kept->n[level]++], hash, ENT_MERKLE_BYTES);
    return ENT_E_OK;
}

enum ent_err kept_node(void *ctx, unsigned level, uint64_t index, uint8_t out[ENT_MERKLE_BYTES])
{
    struct kept *kept = ctx;

    CU_ASSERT_FATAL(level < KEPT_LEVELS &&
                    index < kept->n[level]); /* only complete ones are asked for */
    memcpy(out, kept->nodes[level][index], ENT_MERKLE_BYTES);
    return ENT_E_OK;
}

void kept_add(struct kept *kept, const void *leaf, size_t len)
{
    uint8_t leaf_hash[ENT_MERKLE_BYTES];

    ENT_OK(ent_sha256_leaf_with(&kept->hash, leaf, len, leaf_hash));
    ENT_OK(ent_merkle_append(&kept->tree, &kept->hash, leaf_hash, kept_keep, kept));
}

void kept_release(struct kept *kept)
{
    for (size_t i = 0; i < KEPT_LEVELS; i++) {
        free(kept->nodes[i]);
    }
    ent_sha256_release(&kept->hash);
    memset(kept, 0, sizeof *kept);
}
