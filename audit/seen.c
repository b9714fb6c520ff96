/* V12 and the roots of V6: tree heads that somebody says to have seen must be heads of these leaves.
 * Nearly all are heads of stored notes, whose roots are at hand; the others wait for a second pass
 * over the leaves (hashes only), which begins when the list is full, or at the end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

static enum ent_err judge(struct ent_audit *a, const struct ent_audit_seen *seen,
                          const uint8_t root[32])
{
    char name[ENT_AUDIT_SHORT_BYTES];

    a->n_seen += seen->seq != ENT_AUDIT_NO_SEQ;
    if (memcmp(seen->root, root, 32) == 0) {
        return ENT_E_OK;
    }
    if (seen->seq == ENT_AUDIT_NO_SEQ) {
        return ent_audit_fail(a, 6, ENT_AUDIT_NO_SEQ,
                              "%s: the first %" PRIu64
                              " leaves of the export are others than those that were cosigned",
                              a->options->heads[seen->member], seen->size);
    }
    ent_audit_short(a->facts->members[seen->member].handle, 16, name);
    return ent_audit_fail(a, 12, seen->seq,
                          "leaf %" PRIu64 ": %s saw another log: its root at size %" PRIu64
                          " is not that of these leaves",
                          seen->seq, name, seen->size);
}

static int by_size(const void *a, const void *b)
{
    const struct ent_audit_seen *x = a;
    const struct ent_audit_seen *y = b;

    return (x->size > y->size) - (x->size < y->size);
}

static enum ent_err judge_at(struct ent_audit *a, const struct ent_merkle *tree,
                             struct ent_sha256 *hash, size_t *next)
{
    uint8_t root[32];

    if (*next >= a->n_seen_heads || a->seen_heads[*next].size != tree->size) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_merkle_root(tree, hash, root));
    while (*next < a->n_seen_heads && a->seen_heads[*next].size == tree->size) {
        ENT_TRY(judge(a, &a->seen_heads[(*next)++], root));
    }
    return ENT_E_OK;
}

static enum ent_err second_pass(struct ent_audit *a, struct ent_export_leaves *leaves,
                                struct ent_sha256 *hash)
{
    struct ent_merkle tree;
    struct ent_bytes leaf;
    uint8_t leaf_hash[32];
    size_t next = 0;
    bool more = true;

    ent_merkle_init(&tree);
    while (next < a->n_seen_heads) {
        ENT_TRY(ent_export_leaves_next(leaves, &leaf, &more));
        if (!more) {
            break;
        }
        ENT_TRY(ent_sha256_leaf_with(hash, leaf.data, leaf.len, leaf_hash));
        ENT_TRY(ent_merkle_append(&tree, hash, leaf_hash, NULL, NULL));
        ENT_TRY(judge_at(a, &tree, hash, &next));
    }
    return ENT_E_OK;
}

/* All that wait; their sizes are at most that of the tree so far. */
static enum ent_err settle(struct ent_audit *a)
{
    struct ent_export_leaves leaves = {0};
    struct ent_sha256 hash = {0};
    enum ent_err err;

    if (a->n_seen_heads == 0) {
        return ENT_E_OK;
    }
    qsort(a->seen_heads, a->n_seen_heads, sizeof *a->seen_heads, by_size);
    ENT_TRY(ent_export_leaves_begin(a->export, 0, &leaves));
    err = second_pass(a, &leaves, &hash);
    ent_export_leaves_release(&leaves);
    ent_sha256_release(&hash);
    a->n_seen_heads = 0;
    return err;
}

static const struct ent_audit_stored *stored_of(const struct ent_audit *a, uint64_t size)
{
    size_t low = 0;
    size_t high = a->n_stored;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (a->stored[mid].size < size) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low < a->n_stored && a->stored[low].size == size ? &a->stored[low] : NULL;
}

enum ent_err ent_audit_saw(struct ent_audit *a, const struct ent_audit_seen *seen)
{
    const struct ent_audit_stored *stored = stored_of(a, seen->size);

    if (seen->size == 0) {
        return ENT_E_OK;
    }
    if (seen->seq != ENT_AUDIT_NO_SEQ && seen->size > seen->seq) {
        char name[ENT_AUDIT_SHORT_BYTES];

        ent_audit_short(a->facts->members[seen->member].handle, 16, name);
        return ent_audit_fail(a, 12, seen->seq,
                              "leaf %" PRIu64 ": %s saw %" PRIu64
                              " leaves, and fewer stand before its statement",
                              seen->seq, name, seen->size);
    }
    if (stored != NULL) {
        return judge(a, seen, stored->root);
    }
    if (a->n_seen_heads >= ENT_AUDIT_TEMP_MAX) {
        ENT_TRY(settle(a));
    }
    ENT_TRY(
        ent_grow(&a->seen_heads, &a->cap_seen_heads, a->n_seen_heads + 1, sizeof *a->seen_heads));
    a->seen_heads[a->n_seen_heads++] = *seen;
    return ENT_E_OK;
}

enum ent_err ent_audit_seen_end(struct ent_audit *a)
{
    ENT_TRY(settle(a));
    if (a->n_seen == 0) {
        ent_audit_say(a, 12, ENT_AUDIT_SKIP, "no statement names a head that its member saw");
        return ENT_E_OK;
    }
    ent_audit_say(a, 12, ENT_AUDIT_OK,
                  "%" PRIu64 " heads inside statements are heads of these leaves", a->n_seen);
    return ENT_E_OK;
}
