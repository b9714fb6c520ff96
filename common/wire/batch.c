/* What is said in one step is signed once: a hash tree over the statements of its envelopes, each of which carries the
 * signature of the root and the way from its leaf to there. A leaf is the hash of what a lone envelope's signature
 * covers (it begins with a label), a node is SHA-256(0x01 || left || right): neither can be taken for the other. Where
 * a sibling is missing it is 32 zero bytes. */
#include "common/wire/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sign.h"

#define TAG_PLACE 0x28 /* field 5, varint */
#define TAG_PATH 0x32  /* field 6, length-delimited */
#define BATCH_MAX ((size_t)1 << ENT_WIRE_PATH_MAX)

static const char label[] = "entente/envelopes/v1"; /* with its zero byte */

static enum ent_err sign_root(const struct ent_sign_key *key, const uint8_t *root,
                              uint8_t out[ENT_WIRE_SIGNATURE_BYTES])
{
    const struct ent_part parts[] = {{label, sizeof label}, {root, ENT_WIRE_DIGEST_BYTES}};

    return ent_sign(key, parts, 2, out);
}

static enum ent_err root_of(const struct ent_envelope *e, uint8_t root[ENT_WIRE_DIGEST_BYTES])
{
    memcpy(root, e->statement, ENT_WIRE_DIGEST_BYTES);
    for (size_t i = 0; i < e->path_len / ENT_WIRE_DIGEST_BYTES; i++) {
        const uint8_t *sibling = e->path + i * ENT_WIRE_DIGEST_BYTES;
        bool is_right = (e->place >> i & 1) != 0;

        ENT_TRY(ent_sha256_node(is_right ? sibling : root, is_right ? root : sibling, root));
    }
    return ENT_E_OK;
}

enum ent_err ent_wire_verify_path(const struct ent_envelope *envelope,
                                  struct ent_wire_signer *signer)
{
    uint8_t root[ENT_WIRE_DIGEST_BYTES];
    const struct ent_part parts[] = {{label, sizeof label}, {root, sizeof root}};

    ENT_TRY(root_of(envelope, root));
    if (signer->has_root && memcmp(signer->root, root, sizeof root) == 0 &&
        memcmp(signer->signature, envelope->signature, sizeof signer->signature) == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_sign_pub_verify(signer->key, parts, 2, envelope->signature));
    memcpy(signer->root, root, sizeof signer->root);
    memcpy(signer->signature, envelope->signature, sizeof signer->signature);
    signer->has_root = true;
    return ENT_E_OK;
}

/* ---- signing ---- */

/* The levels of the tree, one behind the other: leaves, their parents, ..., the root; each but the last of even length. */
struct tree {
    uint8_t (*nodes)[ENT_WIRE_DIGEST_BYTES];
    size_t at[ENT_WIRE_PATH_MAX + 1]; /* where a level begins */
    size_t depth;                     /* of the root; the leaves are level 0 */
};

static size_t even(size_t n)
{
    return n + (n & 1);
}

static enum ent_err grow_tree(struct tree *tree, struct ent_draft *const *drafts, size_t n)
{
    size_t total = 0;

    for (size_t width = n; width > 1; width = even(width) / 2) {
        tree->at[tree->depth++] = total;
        total += even(width);
    }
    tree->at[tree->depth] = total;
    ENT_TRY(ent_calloc(total + 1, sizeof *tree->nodes, &tree->nodes)); /* zero: no sibling */
    for (size_t i = 0; i < n; i++) {
        memcpy(tree->nodes[i], drafts[i]->statement, sizeof tree->nodes[i]);
    }
    for (size_t level = 0; level < tree->depth; level++) {
        for (size_t i = 0; i < n; i += 2) {
            const size_t at = tree->at[level] + i;

            ENT_TRY(ent_sha256_node(tree->nodes[at], tree->nodes[at + 1],
                                    tree->nodes[tree->at[level + 1] + i / 2]));
        }
        n = even(n) / 2;
    }
    return ENT_E_OK;
}

static void put_signature(struct ent_draft *draft, const uint8_t *signature)
{
    memcpy(draft->body.data + draft->body.len - ENT_WIRE_SIGNATURE_BYTES, signature,
           ENT_WIRE_SIGNATURE_BYTES);
    draft->is_signed = true;
}

static enum ent_err add_varint(struct ent_buf *out, size_t v)
{
    for (; v >= 0x80; v >>= 7) {
        ENT_TRY(ent_buf_add_u8(out, (uint8_t)(v | 0x80)));
    }
    return ent_buf_add_u8(out, (uint8_t)v);
}

/* Fields 5 and 6, behind the signature, as the codec would write them. */
static enum ent_err put_path(struct ent_draft *draft, const struct tree *tree, size_t place)
{
    struct ent_buf *out = &draft->body;
    size_t at = place;

    if (place > 0) {
        ENT_TRY(ent_buf_add_u8(out, TAG_PLACE));
        ENT_TRY(add_varint(out, place));
    }
    ENT_TRY(ent_buf_add_u8(out, TAG_PATH));
    ENT_TRY(add_varint(out, tree->depth * ENT_WIRE_DIGEST_BYTES));
    for (size_t level = 0; level < tree->depth; level++, at /= 2) {
        ENT_TRY(ent_buf_add(out, tree->nodes[tree->at[level] + (at ^ 1)], ENT_WIRE_DIGEST_BYTES));
    }
    return ENT_E_OK;
}

static enum ent_err sign_alone(const struct ent_sign_key *key, struct ent_draft *draft)
{
    static const char alone[] = ENT_WIRE_SIGNED_LABEL;
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    const struct ent_part parts[] = {{alone, sizeof alone},
                                     {draft->body.data + draft->header_at, draft->header_len},
                                     {draft->payload_sha256, sizeof draft->payload_sha256}};

    ENT_TRY(ent_sign(key, parts, 3, signature));
    put_signature(draft, signature);
    return ENT_E_OK;
}

static enum ent_err sign_together(const struct ent_sign_key *key, struct ent_draft *const *drafts,
                                  size_t n)
{
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    struct tree tree = {0};
    enum ent_err err = grow_tree(&tree, drafts, n);

    if (err == ENT_E_OK) {
        err = sign_root(key, tree.nodes[tree.at[tree.depth]], signature);
    }
    for (size_t i = 0; err == ENT_E_OK && i < n; i++) {
        put_signature(drafts[i], signature);
        err = put_path(drafts[i], &tree, i);
    }
    free(tree.nodes);
    return err;
}

enum ent_err ent_wire_sign_drafts(const struct ent_sign_key *key, struct ent_draft *const *drafts,
                                  size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t some = n - at < BATCH_MAX ? n - at : BATCH_MAX;

        ENT_TRY(some == 1 ? sign_alone(key, drafts[at]) : sign_together(key, drafts + at, some));
        at += some;
    }
    return ENT_E_OK;
}
