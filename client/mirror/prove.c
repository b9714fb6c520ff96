/* A path to a leaf, out of the hashes of all leaves: they are read once, and nothing but the path is held. */
#include <string.h>

#include "client/mirror/mirror.h"

/* Subtrees that are complete at the size in question, asked for by level and index: the few that the proof names are
 * computed in one pass. */
struct want {
    unsigned level;
    uint64_t index;
    uint8_t hash[ENT_SHA256_BYTES];
    bool have;
};

struct gather {
    struct want wants[2 * ENT_MERKLE_PROOF_MAX];
    size_t n;
    bool filled;
};

static struct want *find(struct gather *g, unsigned level, uint64_t index)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->wants[i].level == level && g->wants[i].index == index) {
            return &g->wants[i];
        }
    }
    return NULL;
}

/* First pass: which are asked for (the answer is of no use); second: the answer. */
static enum ent_err node(void *ctx, unsigned level, uint64_t index, uint8_t out[ENT_SHA256_BYTES])
{
    struct gather *g = ctx;
    struct want *w = find(g, level, index);

    if (g->filled) {
        ENT_BUG_ON(w == NULL);
        ENT_REQUIRE(w->have, ENT_E_NOT_FOUND, "a hash of the log is not kept by this member");
        memcpy(out, w->hash, ENT_SHA256_BYTES);
        return ENT_E_OK;
    }
    if (w == NULL) {
        ENT_REQUIRE(g->n < sizeof g->wants / sizeof g->wants[0], ENT_E_LIMIT, "a path too long");
        g->wants[g->n++] = (struct want){.level = level, .index = index};
    }
    memset(out, 0, ENT_SHA256_BYTES);
    return ENT_E_OK;
}

static enum ent_err keep(void *ctx, unsigned level, uint64_t index,
                         const uint8_t hash[ENT_SHA256_BYTES])
{
    struct want *w = find(ctx, level, index);

    if (w != NULL) {
        memcpy(w->hash, hash, ENT_SHA256_BYTES);
        w->have = true;
    }
    return ENT_E_OK;
}

struct pass {
    struct gather gather;
    struct ent_merkle tree;
    struct ent_sha256 hash;
};

static enum ent_err append(void *ctx, uint64_t index, const uint8_t hash[ENT_SHA256_BYTES])
{
    struct pass *p = ctx;

    (void)index;
    return ent_merkle_append(&p->tree, &p->hash, hash, keep, &p->gather);
}

enum ent_err ent_mirror_prove(struct ent_state *state, uint64_t index, uint64_t size,
                              struct ent_merkle_proof *out)
{
    struct ent_merkle_proof ignored;
    struct pass p;
    enum ent_err err;

    memset(&p, 0, sizeof p);
    ENT_TRY(ent_merkle_prove_inclusion(node, &p.gather, index, size, &ignored));
    err = ent_state_leaf_hashes(state, size, append, &p);
    p.gather.filled = true;
    if (err == ENT_E_OK) {
        err = ent_merkle_prove_inclusion(node, &p.gather, index, size, out);
    }
    ent_sha256_release(&p.hash);
    return err;
}
