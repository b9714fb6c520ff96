/* A directory in the making (inside of common/export). */
#ifndef ENT_COMMON_EXPORT_WRITE_TREE_H
#define ENT_COMMON_EXPORT_WRITE_TREE_H

#include "common/base/err.h"
#include "common/schema/bytes.h"

struct ent_export_tree {
    char *to;   /* its place */
    char *root; /* its name until then */
};

/* EXISTS when there is something at `to`. */
ENT_MUST enum ent_err ent_export_tree_begin(const char *to, struct ent_export_tree *out);
/* name: a path inside; directories are made. EXISTS. */
ENT_MUST enum ent_err ent_export_tree_put(const struct ent_export_tree *tree, const char *name,
                                          struct ent_bytes bytes);
/* The same of a file, piece by piece; CORRUPT unless its SHA-256 is `digest`. */
ENT_MUST enum ent_err ent_export_tree_copy(const struct ent_export_tree *tree, const char *name,
                                           const char *from, const uint8_t digest[32]);
/* Makes all directories durable and gives it its name. */
ENT_MUST enum ent_err ent_export_tree_commit(struct ent_export_tree *tree);
/* What was not committed is removed. All zero is fine. */
void ent_export_tree_release(struct ent_export_tree *tree);

#endif
