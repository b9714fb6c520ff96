/* IN records with keys, in any order · OUT the same records by key · OWNS a buffer, temporary files · THREADS one at a time
 * SOURCE Knuth, The Art of Computer Programming 3, 5.4 (merge sort)
 *
 * External merge sort. Memory is what the caller allows, however many records there are: full buffers are sorted and go to
 * a temporary file that has mode 0600 and no name any more once it is open, so nothing of it is left after whatever exit.
 * Keys are compared as bytes; records of equal keys come out in no particular order, so give each its own. */
#ifndef ENT_CLIENT_EVENTS_SORT_H
#define ENT_CLIENT_EVENTS_SORT_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_SORT_RECORD_MAX ((size_t)16 << 20) /* bytes of one record, its key included */

struct ent_sort;

struct ent_sort_record {
    const uint8_t *bytes; /* the key, then what goes with it; valid until the next call */
    size_t key_len;
    size_t len; /* of both together */
};

/* memory_bytes: of the buffer (one record is always held, whatever it says). */
ENT_MUST enum ent_err ent_sort_new(size_t memory_bytes, struct ent_sort **out);
void ent_sort_free(struct ent_sort *sort);
/* LIMIT for a record that is too long; IO when the temporary file cannot be written (TMPDIR, or /tmp). */
ENT_MUST enum ent_err ent_sort_add(struct ent_sort *sort, const void *bytes, size_t key_len,
                                   size_t len);
/* After the last record: from here on only ent_sort_next. */
ENT_MUST enum ent_err ent_sort_finish(struct ent_sort *sort);
/* *more = false at the end. */
ENT_MUST enum ent_err ent_sort_next(struct ent_sort *sort, struct ent_sort_record *record,
                                    bool *more);
/* Bytes that went to temporary files so far: 0 while everything fits. */
uint64_t ent_sort_spilled(const struct ent_sort *sort);

#endif
