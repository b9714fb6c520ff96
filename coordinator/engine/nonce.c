/* The chain of each member's nonces: a join opens what the last logged one committed to, and commits to the next. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "coordinator/engine/state.h"

enum ent_err ent_nonce_check(const struct ent_engine *e, uint32_t member,
                             const struct ent_msg_join *join)
{
    const struct ent_engine_member *m = &e->members[member];
    bool stands = !ent_all_zero(m->standing, sizeof m->standing);
    enum ent_noise_join result = ENT_NOISE_JOIN_REJECT;

    ENT_TRY(ent_noise_join(stands ? m->standing : NULL,
                           (struct ent_part){join->nonce, join->has_nonce ? sizeof join->nonce : 0},
                           &result));
    ENT_REQUIRE(
        result != ENT_NOISE_JOIN_REJECT, ENT_E_BAD_NONCE,
        "the join of %s does not open the nonce that its last logged one (or its admission) "
        "committed to (an older copy of its directory?): it sits this round out, commits "
        "anew in its next join, and its nonces count again in the one after",
        m->name);
    return ENT_E_OK;
}

/* ---- of the attempt that is open ---- */

struct opened {
    struct ent_noise_nonce *list;
    size_t n;
    size_t cap;
};

static enum ent_err take(struct opened *o, const struct ent_leaf_round_join *leaf,
                         struct ent_arena *arena)
{
    struct ent_header header;
    struct ent_msg_join join;
    struct ent_noise_nonce *nonce;

    ENT_TRY(ent_leaf_header(leaf->header, arena, &header));
    ENT_TRY(ent_msg_join_decode(leaf->payload.data, leaf->payload.len, arena, &join));
    if (!join.has_nonce) {
        return ENT_E_OK; /* it only commits */
    }
    ENT_TRY(ent_grow(&o->list, &o->cap, o->n + 1, sizeof *o->list));
    nonce = &o->list[o->n++];
    memcpy(nonce->handle, header.sender, sizeof nonce->handle);
    memcpy(nonce->nonce, join.nonce, sizeof nonce->nonce);
    return ENT_E_OK;
}

static enum ent_err each(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    enum ent_err err;

    (void)idx;
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = take(ctx, &any.round_join, &arena);
    }
    ent_arena_release(&arena);
    return err;
}

/* f of the set in force, or of one that the log had by then and that is not in force yet: the larger. */
static uint32_t may_be_bad(const struct ent_engine *e)
{
    const struct ent_witness_history *h = &e->audit.history;
    struct ent_witnesses set;
    uint32_t bad;

    ent_witness_in_force(h, e->audit.cosigned, &set);
    bad = set.bad;
    for (size_t i = 0; i < h->n_sets; i++) {
        bool newest = h->sets[i].leaf < e->audit.open_leaf &&
                      (i + 1 == h->n_sets || h->sets[i + 1].leaf > e->audit.open_leaf);

        bad = newest && h->sets[i].bad > bad ? h->sets[i].bad : bad;
    }
    return bad;
}

/* Joins behind its round.open are the attempt's: none is taken before it, and no other opens meanwhile. */
enum ent_err ent_nonce_opened(struct ent_engine *e, struct ent_noise_nonce **out, size_t *n)
{
    struct opened o = {0};
    uint32_t bad = may_be_bad(e);
    enum ent_err err =
        ent_store_log_each(e->store, ENT_LEAF_ROUND_JOIN, e->audit.open_leaf, UINT64_MAX, each, &o);

    if (err == ENT_E_OK && o.n < (size_t)bad + 1) {
        err =
            ent_err_note(ENT_E_TOO_FEW,
                         "%zu members opened a nonce, %u of the witnesses may be dishonest: noise "
                         "takes one nonce more than that",
                         o.n, (unsigned)bad);
    }
    if (err != ENT_E_OK) {
        free(o.list);
        return err;
    }
    *out = o.list;
    *n = o.n;
    return ENT_E_OK;
}
