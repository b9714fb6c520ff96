/* What the operator states of the processing (federation.yaml): a leaf when it is another than the last one. */
#include <string.h>

#include "coordinator/engine/state.h"

static void name_of(const char *text, ent_name_text out)
{
    (void)snprintf(out, sizeof(ent_name_text), "%s", text);
}

static enum ent_err digest_of(const char *hex, bool *has, uint8_t out[32])
{
    *has = hex[0] != '\0';
    return *has ? ent_unhex(hex, out, 32) : ENT_E_OK;
}

static enum ent_err stated(const struct ent_federation_config *c, struct ent_leaf_processing_set *m)
{
    memset(m, 0, sizeof *m); /* compared byte by byte */
    if (!c->has_processing) {
        return ENT_E_OK;
    }
    name_of(c->purpose, m->purpose);
    name_of(c->lawful_basis, m->lawful_basis);
    name_of(c->categories, m->categories);
    name_of(c->recipients, m->recipients);
    name_of(c->transfers, m->transfers);
    m->retention_months = c->log_months;
    ENT_TRY(digest_of(c->document, &m->has_document, m->document));
    return digest_of(c->dpia, &m->has_dpia, m->dpia);
}

static bool same(const struct ent_leaf_processing_set *a, const struct ent_leaf_processing_set *b)
{
    return strcmp(a->purpose, b->purpose) == 0 && strcmp(a->lawful_basis, b->lawful_basis) == 0 &&
           strcmp(a->categories, b->categories) == 0 && strcmp(a->recipients, b->recipients) == 0 &&
           strcmp(a->transfers, b->transfers) == 0 && a->retention_months == b->retention_months &&
           a->has_document == b->has_document && a->has_dpia == b->has_dpia &&
           (!a->has_document || memcmp(a->document, b->document, sizeof a->document) == 0) &&
           (!a->has_dpia || memcmp(a->dpia, b->dpia, sizeof a->dpia) == 0);
}

static enum ent_err newest(struct ent_engine *e, struct ent_leaf_processing_set *out)
{
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    struct ent_buf leaf;
    uint64_t idx = 0;
    enum ent_err err = ent_store_log_newest(e->store, ENT_LEAF_PROCESSING_SET, UINT64_MAX, &idx);

    *out = (struct ent_leaf_processing_set){0};
    if (err == ENT_E_NOT_FOUND) {
        return ENT_E_OK;
    }
    ENT_TRY(err);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_store_log_leaf(e->store, idx, &leaf);
    if (err == ENT_E_OK) {
        err = ent_leaf_decode((struct ent_bytes){leaf.data, leaf.len}, &arena, &frame, &any);
    }
    if (err == ENT_E_OK) {
        *out = any.processing_set;
    }
    ent_buf_release(&leaf);
    ent_arena_release(&arena);
    return err;
}

static enum ent_err append(struct ent_engine *e, void *ctx)
{
    return ent_trail_append(e, ENT_LEAF_PROCESSING_SET, ctx, NULL);
}

enum ent_err ent_processing_start(struct ent_engine *e)
{
    struct ent_leaf_processing_set now;
    struct ent_leaf_processing_set before;

    ENT_TRY(stated(e->home->config, &now));
    ENT_TRY(newest(e, &before));
    return same(&now, &before) ? ENT_E_OK : ent_trail_together(e, append, &now);
}
