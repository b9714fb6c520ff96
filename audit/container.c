/* V1 and V2: one pass over all leaves, which everything else rides on. The hash tiles are compared with
 * what the leaves give as soon as one is full. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

#define LEVELS 8 /* of hash tiles */

struct ent_audit_tiles { /* hashes of each level that no compared tile holds yet */
    struct {
        unsigned n;
        uint64_t index;
        uint8_t hashes[ENT_TILES_HASHES_BYTES];
    } level[LEVELS];
    struct ent_buf bytes;
};

static enum ent_err compare_tile(struct ent_audit *a, unsigned level)
{
    struct ent_audit_tiles *tiles = a->tiles;
    struct ent_tile tile = {
        .level = level, .index = tiles->level[level].index, .width = tiles->level[level].n};
    char path[ENT_TILES_PATH_MAX];

    ent_buf_clear(&tiles->bytes);
    ENT_TRY(ent_export_tile(a->export, &tile, &tiles->bytes));
    a->n_tiles++;
    if (memcmp(tiles->bytes.data, tiles->level[level].hashes, tiles->bytes.len) != 0) {
        ent_tiles_path(&tile, path);
        ENT_TRY(ent_audit_fail(a, 1, ENT_AUDIT_NO_SEQ,
                               "%s does not hold the hashes of the leaves below it", path));
    }
    tiles->level[level].n = 0;
    tiles->level[level].index++;
    return ENT_E_OK;
}

static enum ent_err keep(void *ctx, unsigned level, uint64_t index, const uint8_t hash[32])
{
    struct ent_audit *a = ctx;
    unsigned n;

    (void)index;
    if (level % 8 != 0 || level / 8 >= LEVELS) {
        return ENT_E_OK;
    }
    level /= 8;
    n = a->tiles->level[level].n++;
    memcpy(a->tiles->level[level].hashes + (size_t)n * ENT_MERKLE_BYTES, hash, ENT_MERKLE_BYTES);
    return n + 1 == ENT_TILES_WIDTH ? compare_tile(a, level) : ENT_E_OK;
}

static enum ent_err compare_partial(struct ent_audit *a)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        if (a->tiles->level[i].n > 0) {
            ENT_TRY(compare_tile(a, i));
        }
    }
    return ENT_E_OK;
}

/* ---- V2 ---- */

static enum ent_err first_leaf(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_facts *facts = a->facts;

    memcpy(facts->federation, leaf->frame.federation, sizeof facts->federation);
    memcpy(facts->genesis_hash, leaf->hash, sizeof facts->genesis_hash);
    facts->first_ms = leaf->frame.time_ms;
    facts->last_ms = leaf->frame.time_ms;
    a->has_first = true;
    return ENT_E_OK;
}

static enum ent_err check_frame(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_facts *facts = a->facts;
    const struct ent_leaf_frame *frame = &leaf->frame;

    if (!a->has_first) {
        ENT_TRY(first_leaf(a, leaf));
    }
    if (frame->seq != leaf->index) {
        ENT_TRY(ent_audit_fail(a, 2, leaf->index,
                               "leaf %" PRIu64 " says that its place is %" PRIu64
                               ": leaves were moved, inserted or taken out",
                               leaf->index, frame->seq));
    }
    if (frame->time_ms < facts->last_ms) {
        ENT_TRY(ent_audit_fail(a, 2, leaf->index,
                               "leaf %" PRIu64 ": its time is %" PRIu64
                               " ms before that of an earlier leaf",
                               leaf->index, facts->last_ms - frame->time_ms));
    } else {
        facts->last_ms = frame->time_ms;
    }
    if (memcmp(frame->federation, facts->federation, sizeof frame->federation) != 0) {
        ENT_TRY(ent_audit_fail(a, 2, leaf->index, "leaf %" PRIu64 " belongs to another federation",
                               leaf->index));
    }
    return ENT_E_OK;
}

/* ---- the pass ---- */

static enum ent_err take_leaf(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    if (leaf->decoded == ENT_E_PROTOCOL) {
        a->facts->n_unknown++;
        return ent_audit_fail(a, 1, leaf->index, "leaf %" PRIu64 " is not canonical: %s",
                              leaf->index, leaf->reason);
    }
    ENT_TRY(check_frame(a, leaf));
    if (leaf->decoded == ENT_E_UNSUPPORTED) {
        a->facts->n_unknown++;
        return ent_audit_find(a, 1, ENT_AUDIT_INCOMPLETE, leaf->index,
                              "%s: a newer entente-audit is needed", leaf->reason);
    }
    return ent_audit_meaning(a, leaf);
}

static enum ent_err step(struct ent_audit *a, struct ent_export_leaves *leaves,
                         struct ent_audit_leaf *leaf, struct ent_arena *arena, bool *more)
{
    uint64_t index = leaves->next;
    struct ent_bytes bytes;

    ENT_TRY(ent_export_leaves_next(leaves, &bytes, more));
    if (!*more) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_audit_leaf_of(index, bytes, arena, &a->hash, leaf));
    ENT_TRY(ent_merkle_append(&a->tree, &a->hash, leaf->hash, keep, a));
    ENT_TRY(take_leaf(a, leaf));
    return ent_audit_notes_at(a);
}

static enum ent_err pass(struct ent_audit *a, struct ent_export_leaves *leaves)
{
    struct ent_audit_leaf *leaf = NULL;
    struct ent_arena arena;
    bool more = true;
    enum ent_err err;

    ent_arena_init(&arena, 2 * ENT_WIRE_ARENA_BYTES);
    err = ent_calloc(1, sizeof *leaf, &leaf);
    while (err == ENT_E_OK && more) {
        err = step(a, leaves, leaf, &arena, &more);
        ent_arena_release(&arena);
    }
    free(leaf);
    return err;
}

enum ent_err ent_audit_container(struct ent_audit *a)
{
    struct ent_export_leaves leaves = {0};
    const struct ent_checkpoint *claim = ent_export_claim(a->export);
    enum ent_err err;

    ENT_REQUIRE(claim->size > 0, ENT_E_CORRUPT, "checkpoint: a log without leaves");
    ENT_TRY(ent_calloc(1, sizeof *a->tiles, &a->tiles));
    ent_buf_init(&a->tiles->bytes, ENT_TILES_HASHES_BYTES);
    ent_merkle_init(&a->tree);
    ENT_TRY(ent_export_leaves_begin(a->export, 0, &leaves));
    err = pass(a, &leaves);
    ent_export_leaves_release(&leaves);
    ENT_TRY(err);
    ENT_TRY(compare_partial(a));
    a->facts->size = a->tree.size;
    ENT_TRY(ent_merkle_root(&a->tree, &a->hash, a->facts->root));
    ent_audit_say(a, 1, ENT_AUDIT_OK,
                  "%" PRIu64 " leaves canonical, %" PRIu64 " tiles are what the leaves give",
                  a->tree.size, a->n_tiles);
    ent_audit_say(a, 2, ENT_AUDIT_OK, "places without a gap, time never decreases, one federation");
    return ENT_E_OK;
}

void ent_audit_container_release(struct ent_audit *a)
{
    if (a->tiles != NULL) {
        ent_buf_release(&a->tiles->bytes);
    }
    free(a->tiles);
    ent_sha256_release(&a->hash);
}
