/* IN idx files of pictures and of their labels, plain or gzip · OUT rows of two fields · OWNS the open files and one
 * picture · THREADS one at a time · SOURCE the description of idx at the head of the MNIST data
 *
 * A file of pictures: two zero bytes, 8 (unsigned byte), 2 to 4 dimensions, each as 32 bits big-endian, the first of them
 * the number of pictures; then the bytes. A file of labels: the same with one dimension. Columns: `image` (bytes; a vector
 * of the plan takes them as numbers from 0 to 255) and `label` (0 to 255 in digits; absent where there is no such file).
 *
 * What a header announces is believed of nothing: a picture has a bound, nothing is allocated by their number, a file that
 * ends before or goes on behind it is an error. */
#ifndef ENT_CLIENT_DATA_IDX_H
#define ENT_CLIENT_DATA_IDX_H

#include "client/data/source.h"

#define ENT_IDX_MAX_BYTES ENT_FEATURE_VECTOR_MAX /* of one picture */

struct ent_idx;

/* config: path, labels, more. NOT_FOUND, IO, DATA (not such files, or not of each other). */
ENT_MUST enum ent_err ent_idx_open(const struct ent_data_config *config, struct ent_idx **out);
const struct ent_text *ent_idx_header(const struct ent_idx *idx, size_t *n);
/* *row = NULL at the end. DATA, IO: a file ends early, or does not end where it should. */
ENT_MUST enum ent_err ent_idx_next(struct ent_idx *idx, const struct ent_source_row **row);
void ent_idx_close(struct ent_idx *idx);

extern const struct ent_source_kind ent_source_idx;

#endif
