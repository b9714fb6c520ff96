/* Lost leaves before they are put back: what they are worth, and what they need. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "coordinator/store/recover.h"
#include "coordinator/store/tables.h"

#define DECODE_MAX ((size_t)4 * 1024 * 1024) /* bytes for one decoded leaf */

/* ---- bundles ---- */

enum ent_err ent_recover_each(const struct ent_recover_leaves *leaves, ent_store_leaf_fn each,
                              void *ctx)
{
    const uint8_t *bytes = leaves->bundle.data;
    size_t left = leaves->bundle.len;

    for (uint64_t i = 0; i < leaves->n; i++) {
        size_t len = left >= 2 ? (size_t)bytes[0] << 8 | bytes[1] : 0;

        ENT_REQUIRE(left >= 2 && left - 2 >= len, ENT_E_DATA, "leaf %llu is cut off",
                    (unsigned long long)(leaves->first + i));
        ENT_TRY(each(ctx, leaves->first + i, (struct ent_bytes){bytes + 2, len}));
        bytes += 2 + len;
        left -= 2 + len;
    }
    ENT_REQUIRE(left == 0, ENT_E_DATA, "%zu bytes behind the last leaf", left);
    return ENT_E_OK;
}

struct rooting {
    struct ent_merkle tree;
    struct ent_sha256 hash;
    const uint8_t *federation;
    uint64_t time_ms;
};

static enum ent_err check_leaf(struct rooting *r, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_arena arena;
    enum ent_err err;

    ent_arena_init(&arena, DECODE_MAX);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    ent_arena_release(&arena);
    ENT_TRY(err);
    ENT_REQUIRE(frame.seq == idx && idx == r->tree.size, ENT_E_PROTOCOL,
                "it says that it is leaf %llu", (unsigned long long)frame.seq);
    ENT_REQUIRE(memcmp(frame.federation, r->federation, sizeof frame.federation) == 0,
                ENT_E_PROTOCOL, "it is of another federation");
    ENT_REQUIRE(frame.time_ms >= r->time_ms, ENT_E_PROTOCOL, "it is older than the one before it");
    r->time_ms = frame.time_ms;
    return ENT_E_OK;
}

static enum ent_err add_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct rooting *r = ctx;
    uint8_t hash[ENT_MERKLE_BYTES];
    enum ent_err err = check_leaf(r, idx, leaf);

    if (err != ENT_E_OK) {
        return ent_err_prefix(err, "leaf %llu", (unsigned long long)idx);
    }
    ENT_TRY(ent_sha256_leaf_with(&r->hash, leaf.data, leaf.len, hash));
    return ent_merkle_append(&r->tree, &r->hash, hash, NULL, NULL);
}

enum ent_err ent_store_recover_root(struct ent_store *store,
                                    const struct ent_recover_leaves *leaves,
                                    uint8_t root[ENT_MERKLE_BYTES])
{
    struct rooting r = {.federation = store->identity.federation};
    uint64_t size = 0;
    enum ent_err err;

    ENT_TRY(ent_store_log_size(store, &size));
    ENT_REQUIRE(leaves->first <= size, ENT_E_PROTOCOL,
                "the leaves begin at %llu, the log here ends at %llu",
                (unsigned long long)leaves->first, (unsigned long long)size);
    ENT_TRY(leaves->first > 0 ? ent_log_time_of(store, leaves->first - 1, &r.time_ms) : ENT_E_OK);
    ENT_TRY(ent_merkle_load(ent_store_log_node, store, leaves->first, &r.tree));
    err = ent_recover_each(leaves, add_leaf, &r);
    if (err == ENT_E_OK) {
        err = ent_merkle_root(&r.tree, &r.hash, root);
    }
    ent_sha256_release(&r.hash);
    return err;
}

/* ---- a look ahead ---- */

static enum ent_err project_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    (void)idx;
    return ent_projection_leaf(ctx, leaf);
}

struct looking {
    struct ent_store *store;
    struct ent_recover_needs *needs;
    size_t cap;
};

static enum ent_err copy_plan(struct ent_stmt *stmt, void *out)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    ENT_TRY(ent_stmt_blob(stmt, 0, &bytes, &len));
    return ent_buf_add(out, bytes, len);
}

enum ent_err ent_recover_own_plan(struct ent_store *store,
                                  const uint8_t digest[ENT_STORE_DIGEST_BYTES], struct ent_buf *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_tables_prepare(store, "SELECT plan FROM run WHERE plan_digest = ? LIMIT 1", &stmt));
    ent_stmt_bind_blob(stmt, 1, digest, ENT_STORE_DIGEST_BYTES);
    return ent_tables_one(stmt, copy_plan, out);
}

static enum ent_err need_plan(struct looking *l, const uint8_t *digest)
{
    struct ent_recover_needs *needs = l->needs;
    struct ent_buf plan;
    enum ent_err err;

    for (size_t i = 0; i < needs->n_plans; i++) {
        if (memcmp(needs->plans[i], digest, ENT_STORE_DIGEST_BYTES) == 0) {
            return ENT_E_OK;
        }
    }
    ent_buf_init(&plan, ENT_STORE_PLAN_MAX);
    err = ent_recover_own_plan(l->store, digest, &plan);
    ent_buf_release(&plan);
    if (err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_grow(&needs->plans, &l->cap, needs->n_plans + 1, sizeof *needs->plans));
    memcpy(needs->plans[needs->n_plans++], digest, ENT_STORE_DIGEST_BYTES);
    return ENT_E_OK;
}

static enum ent_err look_at(void *ctx, const struct ent_recovered *change)
{
    return change->kind == ENT_RECOVERED_RUN ? need_plan(ctx, change->config->plan) : ENT_E_OK;
}

static void need_model(struct ent_store *store, struct ent_recover_needs *needs,
                       const uint8_t *digest)
{
    for (size_t i = 0; i < needs->n_models; i++) {
        if (memcmp(needs->models[i], digest, ENT_STORE_DIGEST_BYTES) == 0) {
            return;
        }
    }
    if (!ent_all_zero(digest, ENT_STORE_DIGEST_BYTES) && !ent_store_model_exists(store, digest)) {
        memcpy(needs->models[needs->n_models++], digest, ENT_STORE_DIGEST_BYTES);
    }
}

static enum ent_err need_files(struct ent_store *store, const struct ent_projection *p,
                               struct ent_recover_needs *needs)
{
    char *path = NULL;

    needs->lost_start = p->started_unseen;
    need_model(store, needs, p->ended_best);
    if (!ent_round_active(&p->round)) {
        return ENT_E_OK;
    }
    needs->run = p->round.config.run;
    needs->round = p->round.round;
    need_model(store, needs, p->round.base);
    need_model(store, needs, p->round.model);
    need_model(store, needs, p->round.best);
    if (!ent_all_zero(p->round.state, sizeof p->round.state)) {
        ENT_TRY(ent_store_state_path(store, p->round.state, &path));
        needs->lacks_state = !ent_file_exists(path);
        free(path);
    }
    return ENT_E_OK;
}

enum ent_err ent_store_recover_look(struct ent_store *store,
                                    const struct ent_recover_leaves *leaves,
                                    struct ent_recover_needs *out)
{
    struct ent_recover_needs needs = {0};
    struct looking looking = {.store = store, .needs = &needs};
    struct ent_projection p;
    enum ent_err err = ent_projection_init(&p, look_at, &looking);

    if (err == ENT_E_OK) {
        err = ent_projection_load(&p, store);
    }
    if (err == ENT_E_OK) {
        err = ent_recover_each(leaves, project_leaf, &p);
    }
    if (err == ENT_E_OK) {
        err = need_files(store, &p, &needs);
    }
    ent_projection_release(&p);
    if (err != ENT_E_OK) {
        ent_recover_needs_release(&needs);
        return err;
    }
    *out = needs;
    return ENT_E_OK;
}

void ent_recover_needs_release(struct ent_recover_needs *needs)
{
    free(needs->plans);
    *needs = (struct ent_recover_needs){0};
}
