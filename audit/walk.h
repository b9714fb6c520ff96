/* IN an export · OUT its leaves, decoded, in order · OWNS one bundle and one arena for the call
 * THREADS one export on one thread · SOURCE audit.md 2.2 */
#ifndef ENT_AUDIT_WALK_H
#define ENT_AUDIT_WALK_H

#include "common/export/read.h"
#include "common/tlog/leaf.h"

struct ent_audit_leaf {
    uint64_t index;
    struct ent_bytes bytes; /* whole, as logged */
    uint8_t hash[32];       /* RFC 6962 leaf hash */
    /* OK: frame and any are set. UNSUPPORTED: frame only. PROTOCOL: neither, `reason` says why. */
    enum ent_err decoded;
    const char *reason;
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
};

/* Everything that the leaf points to ends with the call. An error ends the walk and is passed up. */
typedef enum ent_err (*ent_audit_leaf_fn)(void *ctx, const struct ent_audit_leaf *leaf);

/* Leaves from `first` on. Nothing is verified: who needs that calls ent_audit_verify first (a file
 * that changes in between is not noticed). Errors of the reader and of `fn`. */
ENT_MUST enum ent_err ent_audit_walk(struct ent_export *export, uint64_t first,
                                     ent_audit_leaf_fn fn, void *ctx);

#endif
