#include "common/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum ent_err ent_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;

    ENT_REQUIRE(!__builtin_mul_overflow(a, b, &r), ENT_E_LIMIT, "size overflow: %zu * %zu", a, b);
    *out = r;
    return ENT_E_OK;
}

enum ent_err ent_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;

    ENT_REQUIRE(!__builtin_add_overflow(a, b, &r), ENT_E_LIMIT, "size overflow: %zu + %zu", a, b);
    *out = r;
    return ENT_E_OK;
}

/* Callers pass the address of a typed pointer; the copy through memcpy keeps that free of aliasing
 * trouble. */
static void put_pointer(void *out_ptr, void *p)
{
    memcpy(out_ptr, &p, sizeof p);
}

enum ent_err ent_calloc(size_t n, size_t size, void *out_ptr)
{
    size_t bytes;
    void *p;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    p = calloc(bytes > 0 ? bytes : 1, 1);
    ENT_REQUIRE(p != NULL, ENT_E_NO_MEMORY, "out of memory: %zu bytes", bytes);
    put_pointer(out_ptr, p);
    return ENT_E_OK;
}

enum ent_err ent_calloc_aligned(size_t n, size_t size, void *out_ptr)
{
    size_t bytes;
    void *p = NULL;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    ENT_TRY(ent_size_add(bytes, 63, &bytes));
    bytes = bytes / 64 * 64;
    p = aligned_alloc(64, bytes > 0 ? bytes : 64);
    ENT_REQUIRE(p != NULL, ENT_E_NO_MEMORY, "out of memory: %zu bytes", bytes);
    memset(p, 0, bytes > 0 ? bytes : 64);
    put_pointer(out_ptr, p);
    return ENT_E_OK;
}

enum ent_err ent_enlarge(void *ptr, size_t have, size_t want, size_t size)
{
    size_t bytes;
    void *old;
    void *p;

    ENT_TRY(ent_size_mul(want, size, &bytes));
    memcpy(&old, ptr, sizeof old);
    p = realloc(old, bytes);
    ENT_REQUIRE(p != NULL, ENT_E_NO_MEMORY, "out of memory: %zu bytes", bytes);
    memset((char *)p + have * size, 0, (want - have) * size);
    put_pointer(ptr, p);
    return ENT_E_OK;
}

enum ent_err ent_grow(void *ptr, size_t *cap, size_t need, size_t size)
{
    size_t want = *cap > 0 ? *cap : 8;

    if (need <= *cap) {
        return ENT_E_OK;
    }
    while (want < need) {
        ENT_TRY(ent_size_mul(want, 2, &want));
    }
    ENT_TRY(ent_enlarge(ptr, *cap, want, size));
    *cap = want;
    return ENT_E_OK;
}

enum ent_err ent_strndup(const char *s, size_t len, char **out)
{
    char *p;

    ENT_TRY(ent_calloc(len + 1, 1, &p));
    memcpy(p, s, len);
    *out = p;
    return ENT_E_OK;
}

enum ent_err ent_strdup(const char *s, char **out)
{
    return ent_strndup(s, strlen(s), out);
}
