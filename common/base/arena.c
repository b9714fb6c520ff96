#include "common/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

struct ent_arena_block {
    struct ent_arena_block *next;
    size_t cap;
    size_t used;
    uint8_t *bytes; /* 64-byte aligned, in the same allocation's tail or its own */
};

void ent_arena_init(struct ent_arena *arena, size_t max_bytes)
{
    *arena = (struct ent_arena){.max = max_bytes};
}

void ent_arena_release(struct ent_arena *arena)
{
    struct ent_arena_block *b = arena->block;

    while (b != NULL) {
        struct ent_arena_block *next = b->next;

        free(b->bytes);
        free(b);
        b = next;
    }
    ent_arena_init(arena, arena->max);
}

void ent_arena_clear(struct ent_arena *arena)
{
    struct ent_arena_block *keep = arena->block;

    if (keep == NULL || keep->next != NULL || keep->cap > BLOCK_BYTES) {
        ent_arena_release(arena);
        return;
    }
    memset(keep->bytes, 0, keep->used);
    keep->used = 0;
    arena->used_total = 0;
}

void ent_arena_wipe(struct ent_arena *arena)
{
    for (struct ent_arena_block *b = arena->block; b != NULL; b = b->next) {
        explicit_bzero(b->bytes, b->used);
    }
    ent_arena_release(arena);
}

static enum ent_err add_block(struct ent_arena *arena, size_t need)
{
    struct ent_arena_block *b;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *b, &b));
    b->cap = need > BLOCK_BYTES ? need : BLOCK_BYTES;
    err = ent_calloc_aligned(b->cap, 1, &b->bytes);
    if (err != ENT_E_OK) {
        free(b);
        return err;
    }
    b->next = arena->block;
    arena->block = b;
    return ENT_E_OK;
}

enum ent_err ent_arena_alloc(struct ent_arena *arena, size_t n, size_t size, void *out_ptr)
{
    size_t bytes;
    size_t total;
    void *p;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    ENT_TRY(ent_size_add(bytes, 63, &bytes));
    bytes = bytes / 64 * 64;
    ENT_TRY(ent_size_add(arena->used_total, bytes, &total));
    ENT_REQUIRE(total <= arena->max, ENT_E_LIMIT, "arena limit of %zu bytes exceeded", arena->max);
    if (arena->block == NULL || arena->block->cap - arena->block->used < bytes) {
        ENT_TRY(add_block(arena, bytes));
    }
    p = arena->block->bytes + arena->block->used;
    arena->block->used += bytes;
    arena->used_total = total;
    memcpy(out_ptr, &p, sizeof p);
    return ENT_E_OK;
}

enum ent_err ent_arena_strndup(struct ent_arena *arena, const char *s, size_t len, char **out)
{
    char *p;

    ENT_TRY(ent_arena_alloc(arena, len + 1, 1, &p));
    memcpy(p, s, len);
    *out = p;
    return ENT_E_OK;
}
