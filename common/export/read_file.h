/* Files below an export's directory; of this room only (read.h is what others use). */
#ifndef ENT_COMMON_EXPORT_READ_FILE_H
#define ENT_COMMON_EXPORT_READ_FILE_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* A regular file below `dir`, reached over no symbolic link. NOT_FOUND; CORRUPT for anything else that
 * has this name; IO. The caller closes *fd. */
ENT_MUST enum ent_err ent_export_file_open(int dir, const char *path, int *fd, uint64_t *size);
/* Appends it. LIMIT beyond the buffer's maximum. */
ENT_MUST enum ent_err ent_export_file(int dir, const char *path, struct ent_buf *out);

#endif
