/* What an attacker does to a finished log. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/forge_inside.h"

size_t ent_forge_find(const struct ent_forge *f, unsigned type, uint64_t round, size_t member,
                      size_t nth)
{
    for (size_t i = 0; i < f->n_leaves; i++) {
        const struct ent_forge_leaf *leaf = &f->leaves[i];

        if (leaf->type != type || (round != 0 && leaf->round != round) ||
            (member != ENT_FORGE_NOBODY && leaf->member != member)) {
            continue;
        }
        if (nth == 0) {
            return i;
        }
        nth--;
    }
    return SIZE_MAX;
}

enum ent_err ent_forge_replace(struct ent_forge *f, size_t index, struct ent_bytes bytes)
{
    uint8_t *copy;

    ENT_TRY(ent_calloc(bytes.len > 0 ? bytes.len : 1, 1, &copy));
    memcpy(copy, bytes.data, bytes.len);
    free(f->leaves[index].bytes);
    f->leaves[index].bytes = copy;
    f->leaves[index].len = bytes.len;
    return ENT_E_OK;
}

void ent_forge_remove(struct ent_forge *f, size_t index)
{
    free(f->leaves[index].bytes);
    memmove(f->leaves + index, f->leaves + index + 1,
            (f->n_leaves - index - 1) * sizeof *f->leaves);
    f->n_leaves--;
}

enum ent_err ent_forge_insert(struct ent_forge *f, size_t at, struct ent_bytes bytes)
{
    struct ent_forge_leaf leaf = {.member = ENT_FORGE_NOBODY, .len = bytes.len};

    ENT_TRY(ent_grow(&f->leaves, &f->cap_leaves, f->n_leaves + 1, sizeof *f->leaves));
    ENT_TRY(ent_calloc(bytes.len, 1, &leaf.bytes));
    memcpy(leaf.bytes, bytes.data, bytes.len);
    memmove(f->leaves + at + 1, f->leaves + at, (f->n_leaves - at) * sizeof *f->leaves);
    f->leaves[at] = leaf;
    f->n_leaves++;
    return ENT_E_OK;
}

void ent_forge_renumber(struct ent_forge *f)
{
    for (size_t i = 0; i < f->n_leaves; i++) {
        if (f->leaves[i].len >= ENT_LEAF_FRAME_BYTES) {
            ent_put_be64(f->leaves[i].bytes + 24, i);
        }
    }
}

/* A note again, over the root that its leaves have now. */
static enum ent_err resign(struct ent_forge *f, struct ent_forge_note *note, const uint8_t root[32],
                           const struct ent_forge_rebuild *with)
{
    struct ent_checkpoint was;
    struct ent_note parsed;
    uint64_t cosigned = note->cosigners;

    ENT_TRY(ent_note_parse((const char *)note->text.data, note->text.len, &parsed));
    ENT_TRY(ent_checkpoint_parse(parsed.text, parsed.text_len, &was));
    if (was.size == note->size && memcmp(was.root, root, 32) == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_forge_sign_note(f, note, root));
    for (size_t i = 0; i < f->n_witnesses; i++) {
        if ((cosigned & with->colluding) >> i & 1) {
            ENT_TRY(ent_forge_cosign(f, note, i));
        }
    }
    return ENT_E_OK;
}

static enum ent_err grow_tree(struct ent_forge *f, uint64_t size)
{
    uint8_t hash[32];

    while (f->tree.size < size) {
        const struct ent_forge_leaf *leaf = &f->leaves[f->tree.size];

        ENT_TRY(ent_sha256_leaf_with(&f->hash, leaf->bytes, leaf->len, hash));
        ENT_TRY(ent_merkle_append(&f->tree, &f->hash, hash, NULL, NULL));
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_rebuild(struct ent_forge *f, const struct ent_forge_rebuild *with)
{
    uint8_t root[32];

    ent_merkle_init(&f->tree);
    for (size_t i = 0; i < f->n_notes; i++) {
        struct ent_forge_note *note = &f->notes[i];

        if (note->size > f->n_leaves) {
            note->size = f->n_leaves;
        }
        ENT_TRY(grow_tree(f, note->size));
        ENT_TRY(ent_merkle_root(&f->tree, &f->hash, root));
        if (with->log_key) {
            ENT_TRY(resign(f, note, root, with));
        }
    }
    return grow_tree(f, f->n_leaves);
}
