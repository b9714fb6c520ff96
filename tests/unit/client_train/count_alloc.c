#include "tests/unit/client_train/count_alloc.h"

#include <stdlib.h>

/* NOLINTBEGIN(readability-identifier-naming): the linker's names for the wrapped calls (--wrap) */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static unsigned long count;
static unsigned long bytes;

unsigned long ent_count_alloc(void)
{
    return count;
}

unsigned long ent_count_alloc_bytes(void)
{
    return bytes;
}

void *__wrap_malloc(size_t n)
{
    count++;
    bytes += n;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count++;
    bytes += n * size;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    count++;
    bytes += n;
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    count++;
    bytes += n;
    return __real_aligned_alloc(align, n);
}
/* NOLINTEND(readability-identifier-naming) */
