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

unsigned long ent_count_alloc(void)
{
    return count;
}

void *__wrap_malloc(size_t n)
{
    count++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    count++;
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    count++;
    return __real_aligned_alloc(align, n);
}
/* NOLINTEND(readability-identifier-naming) */
