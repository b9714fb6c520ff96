/* IN - · OUT memory · OWNS its blocks · THREADS one at a time · SOURCE llm.c, ggml (a round's
 * memory is one arena)
 *
 * Many allocations, one free. Pointers stay valid until reset or release. */
#ifndef ENT_COMMON_BASE_ARENA_H
#define ENT_COMMON_BASE_ARENA_H

#include "common/base/err.h"

struct ent_arena_block;

struct ent_arena {
    struct ent_arena_block *block;
    size_t used_total; /* bytes handed out */
    size_t max;        /* bytes; ENT_E_LIMIT beyond */
};

void ent_arena_init(struct ent_arena *arena, size_t max_bytes);
void ent_arena_release(struct ent_arena *arena);
void ent_arena_clear(
    struct ent_arena *arena); /* as release, but keeps one block for what comes next */
void ent_arena_wipe(struct ent_arena *arena); /* overwrites what was handed out, then releases */
/* n * size zeroed bytes, aligned to 64. */
ENT_MUST enum ent_err ent_arena_alloc(struct ent_arena *arena, size_t n, size_t size,
                                      void *out_ptr);
ENT_MUST enum ent_err ent_arena_strndup(struct ent_arena *arena, const char *s, size_t len,
                                        char **out);

#endif
