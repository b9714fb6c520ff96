/* IN bytes or a file · OUT a shared, read-only view · OWNS bytes or mapping until the last
 * reference goes THREADS any (reference count is atomic) · SOURCE -
 *
 * One model is pushed to all members from one blob; a mapped file costs no copy. */
#ifndef ENT_COMMON_BASE_BLOB_H
#define ENT_COMMON_BASE_BLOB_H

#include <stdint.h>

#include "common/base/err.h"

struct ent_blob;

/* Takes `bytes` (from malloc) on success. */
ENT_MUST enum ent_err ent_blob_new_take(uint8_t *bytes, size_t len, struct ent_blob **out);
ENT_MUST enum ent_err ent_blob_new_copy(const void *bytes, size_t len, struct ent_blob **out);
/* Maps the file read-only. NOT_FOUND, IO. */
ENT_MUST enum ent_err ent_blob_new_file(const char *path, struct ent_blob **out);
struct ent_blob *ent_blob_ref(struct ent_blob *blob); /* one more reference; returns blob */
void ent_blob_unref(struct ent_blob *blob);           /* NULL is fine */
const uint8_t *ent_blob_bytes(const struct ent_blob *blob);
size_t ent_blob_len(const struct ent_blob *blob);
/* A mapped blob's pages need not stay resident (they are read again from the file). No-op for
 * memory. */
void ent_blob_drop_pages(const struct ent_blob *blob);

#endif
