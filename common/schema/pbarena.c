#include "common/schema/pbarena.h"

#include <stdlib.h>
#include <string.h>

#include "common/schema/limits.h"

#define ALIGN ((size_t)16)

/* The block is not cleared as a whole: most messages touch a page or two of it. */
static void *bump(void *ctx, size_t size)
{
    struct ent_pbarena *arena = ctx;
    size_t need;

    if (size > ENT_WIRE_ARENA_BYTES - arena->used) {
        return NULL;
    }
    need = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (need > ENT_WIRE_ARENA_BYTES - arena->used) {
        return NULL;
    }
    arena->used += need;
    return arena->block + arena->used - need;
}

static void keep(void *ctx, void *pointer)
{
    (void)ctx;
    (void)pointer;
}

enum ent_err ent_pbarena_init(struct ent_pbarena *arena)
{
    unsigned char *block = malloc(ENT_WIRE_ARENA_BYTES);

    ENT_REQUIRE(block != NULL, ENT_E_NO_MEMORY, "no memory for a message");
    *arena = (struct ent_pbarena){
        .allocator = {.alloc = bump, .free = keep, .allocator_data = arena},
        .block = block,
    };
    return ENT_E_OK;
}

void ent_pbarena_release(struct ent_pbarena *arena)
{
    if (arena->block != NULL) {
        explicit_bzero(arena->block, arena->used); /* an enrolment's secret passes here */
    }
    free(arena->block);
    arena->block = NULL;
}

void *ent_pbarena_alloc(struct ent_pbarena *arena, size_t size)
{
    void *p = bump(arena, size);

    if (p != NULL) {
        memset(p, 0, size);
    }
    return p;
}
