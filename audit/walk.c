#include "audit/walk.h"

#include "audit/inside.h"
#include "common/schema/limits.h"

enum ent_err ent_audit_leaf_of(uint64_t index, struct ent_bytes bytes, struct ent_arena *arena,
                               struct ent_sha256 *hash, struct ent_audit_leaf *out)
{
    out->index = index;
    out->bytes = bytes;
    out->reason = NULL;
    ENT_TRY(ent_sha256_leaf_with(hash, bytes.data, bytes.len, out->hash));
    out->decoded = ent_leaf_decode(bytes, arena, &out->frame, &out->any);
    if (out->decoded == ENT_E_NO_MEMORY) {
        return out->decoded;
    }
    if (out->decoded != ENT_E_OK) {
        if (out->decoded != ENT_E_UNSUPPORTED) {
            out->decoded = ENT_E_PROTOCOL;
        }
        out->reason = ent_err_message();
    }
    return ENT_E_OK;
}

static enum ent_err walk(struct ent_export_leaves *leaves, struct ent_audit_leaf *leaf,
                         ent_audit_leaf_fn fn, void *ctx)
{
    struct ent_sha256 hash = {0};
    struct ent_arena arena;
    bool more = true;
    enum ent_err err = ENT_E_OK;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    while (err == ENT_E_OK && more) {
        uint64_t index = leaves->next;
        struct ent_bytes bytes;

        err = ent_export_leaves_next(leaves, &bytes, &more);
        if (err == ENT_E_OK && more) {
            err = ent_audit_leaf_of(index, bytes, &arena, &hash, leaf);
        }
        if (err == ENT_E_OK && more) {
            err = fn(ctx, leaf);
        }
        ent_arena_release(&arena);
    }
    ent_sha256_release(&hash);
    return err;
}

enum ent_err ent_audit_walk(struct ent_export *export, uint64_t first, ent_audit_leaf_fn fn,
                            void *ctx)
{
    struct ent_export_leaves leaves = {0};
    struct ent_audit_leaf leaf;
    enum ent_err err;

    ENT_TRY(ent_export_leaves_begin(export, first, &leaves));
    err = walk(&leaves, &leaf, fn, ctx);
    ent_export_leaves_release(&leaves);
    return err;
}
