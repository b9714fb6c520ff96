#include "tests/integration/noise.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/privacy/dgauss.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/log.h"
#include "tests/integration/record.h"

struct search {
    struct box *box;
    const struct ent_row *close;
    struct ent_arena arena;
    bool found;
    uint8_t open[32]; /* hash of the attempt's round.open */
    uint8_t commit[32];
    struct ent_noise_nonce nonces[BOX_MEMBERS];
    size_t n;
};

static void take_open(struct search *s, const struct ent_leaf_frame *frame,
                      const struct ent_leaf_round_open *m, struct ent_bytes leaf)
{
    if (frame->run == s->close->run && frame->round == s->close->round &&
        m->attempt == s->close->attempt) {
        s->found = m->has_noise;
        memcpy(s->commit, m->noise_commit, sizeof s->commit);
        box_must(s->box, ent_sha256_leaf(leaf.data, leaf.len, s->open), "leaf hash");
    }
}

static void take_join(struct search *s, const struct ent_leaf_round_join *m)
{
    struct ent_header header;
    struct ent_msg_join join;

    box_must(s->box, ent_leaf_header(m->header, &s->arena, &header), "header");
    box_must(s->box, ent_msg_join_decode(m->payload.data, m->payload.len, &s->arena, &join),
             "join");
    if (s->found && memcmp(join.round_open, s->open, 32) == 0 && join.has_nonce) {
        ENT_BUG_ON(s->n == BOX_MEMBERS);
        memcpy(s->nonces[s->n].handle, header.sender, 16);
        memcpy(s->nonces[s->n++].nonce, join.nonce, 32);
    }
}

static enum ent_err look(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct search *s = ctx;
    struct ent_leaf_frame frame;
    union ent_leaf_any any;

    (void)idx;
    ENT_TRY(ent_leaf_decode(leaf, &s->arena, &frame, &any));
    if (frame.type == ENT_LEAF_ROUND_OPEN) {
        take_open(s, &frame, &any.round_open, leaf);
    } else if (frame.type == ENT_LEAF_ROUND_JOIN) {
        take_join(s, &any.round_join);
    }
    return ENT_E_OK;
}

static void add(struct search *s, const struct ent_plan_noise *noise, const uint8_t seed[32],
                int64_t *sum, size_t dim)
{
    struct ent_noise_where at = {s->close->run, s->close->round, s->close->attempt};
    int64_t *drawn = NULL;
    uint8_t commit[32];
    uint8_t salt[32];
    uint8_t key[32];

    box_must(s->box,
             ent_noise_commit(enrolled_template(s->box->n_members)->federation, &at, seed, commit),
             "commitment");
    if (memcmp(commit, s->commit, sizeof commit) != 0) {
        box_break(s->box, 'b', "round.open does not commit to the seed that was stored");
    }
    box_must(s->box, ent_noise_salt(s->open, s->nonces, s->n, salt), "salt");
    box_must(s->box, ent_noise_key(seed, salt, &at, key), "key");
    ENT_BUG_ON(ent_calloc(dim, sizeof *drawn, &drawn) != ENT_E_OK);
    box_must(s->box, ent_dgauss_fill(key, noise->round.sigma2, 0, drawn, dim), "noise");
    for (size_t i = 0; i < dim; i++) {
        sum[i] += drawn[i];
    }
    free(drawn);
}

void noise_add(struct box *box, const struct ent_plan *plan, const struct ent_row *close,
               int64_t *sum, size_t dim)
{
    struct search s = {.box = box, .close = close};
    const struct record_seed *seed = record_seed(box, close);
    struct ent_plan_noise noise;

    ent_arena_init(&s.arena, (size_t)64 << 20);
    box_must(box, ent_plan_privacy_derive(plan, &noise), "plan");
    box_must(box, ent_store_log_each(box->record->reader, 0, 0, UINT64_MAX, look, &s), "log");
    if (seed == NULL || !s.found || s.n < 2) {
        box_break(box, 'b', "round %llu was closed without what its noise is made of",
                  (unsigned long long)close->round);
    } else {
        add(&s, &noise, seed->seed, sum, dim);
    }
    ent_arena_release(&s.arena);
}
