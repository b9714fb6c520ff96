/* The body of a checkpoint: origin, size, root. */
#ifndef ENT_COMMON_TLOG_CHECKPOINT_H
#define ENT_COMMON_TLOG_CHECKPOINT_H

#include "common/base/buf.h"
#include "common/tlog/merkle.h"
#include "common/tlog/vkey.h"

struct ent_checkpoint {
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint64_t size; /* leaves, at most ENT_MERKLE_SIZE_MAX */
    uint8_t root[ENT_MERKLE_BYTES];
    size_t n_extensions; /* further lines; ours have none */
};

/* text: [len], the signed text of a note with its last newline. DATA: fewer than three lines, an empty
 * one, a size with a leading zero, a root that is not 32 bytes, size 0 with another than the empty
 * root; LIMIT: origin or size too large. */
ENT_MUST enum ent_err ent_checkpoint_parse(const char *text, size_t len,
                                           struct ent_checkpoint *out);
/* Appends the three lines (extensions are never written). */
ENT_MUST enum ent_err ent_checkpoint_write(const struct ent_checkpoint *checkpoint,
                                           struct ent_buf *out);

#endif
