/* IN - · OUT - · OWNS nothing · THREADS any · SOURCE s2n utils/s2n_blob.c (checked sizes)
 *
 * Allocation and checked sizes. Every size that is multiplied or added goes through these. */
#ifndef ENT_COMMON_BASE_MEM_H
#define ENT_COMMON_BASE_MEM_H

#include <stdint.h>

#include "common/base/err.h"

/* out = a * b or a + b; LIMIT when it does not fit. */
ENT_MUST enum ent_err ent_size_mul(size_t a, size_t b, size_t *out);
ENT_MUST enum ent_err ent_size_add(size_t a, size_t b, size_t *out);

/* n * size zeroed bytes in *out (a non-NULL pointer even for 0). Caller frees with free().
 * NO_MEMORY, LIMIT. */
ENT_MUST enum ent_err ent_calloc(size_t n, size_t size, void *out_ptr);

/* Grow *ptr, an array of elements of `size` bytes with room for *cap, so that it holds at least
 * `need`; new elements are zeroed. *ptr stays valid on error. */
ENT_MUST enum ent_err ent_grow(void *ptr, size_t *cap, size_t need, size_t size);

/* *ptr, an array of `have` elements, gets exactly `want` (more than `have`); new ones are zeroed. *ptr
 * stays valid on error. NO_MEMORY, LIMIT. */
ENT_MUST enum ent_err ent_enlarge(void *ptr, size_t have, size_t want, size_t size);

/* 64-byte aligned, zeroed floats/bytes for kernels; free() frees. */
ENT_MUST enum ent_err ent_calloc_aligned(size_t n, size_t size, void *out_ptr);

ENT_MUST enum ent_err ent_strdup(const char *s, char **out);
ENT_MUST enum ent_err ent_strndup(const char *s, size_t len, char **out);

#define ENT_ARRAY_LEN(a_) (sizeof(a_) / sizeof((a_)[0]))

#endif
