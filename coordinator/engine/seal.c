/* What is kept of the members' updates: copies sealed to the auditors of the run, made when the update arrives, before the
 * leaf that names them; unsealed ones for some days, if federation.yaml says so. And the end of those. */
#include "common/crypto/seal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/state.h"

#define PIECE_BYTES ((size_t)256 * 1024)
#define DAY_MS ((uint64_t)24 * 3600 * 1000)
#define PLAIN_MAX_MS (7 * DAY_MS)
#define ERASED_MAX 1024 /* digests of one leaf */
#define BASIS_RETENTION 1

/* ---- sealing ---- */

static enum ent_err write_sealed(struct ent_store_sealed *to, struct ent_hpke_sealer *sealer,
                                 const struct ent_blob *payload, uint8_t *piece)
{
    const uint8_t *from = ent_blob_bytes(payload);
    size_t left = ent_blob_len(payload);
    uint8_t tag[ENT_HPKE_TAG_BYTES];

    while (left > 0) {
        size_t n = left < PIECE_BYTES ? left : PIECE_BYTES;

        ENT_TRY(ent_hpke_seal_update(sealer, from, n, piece));
        ENT_TRY(ent_store_sealed_write(to, piece, n));
        from += n;
        left -= n;
    }
    ENT_TRY(ent_hpke_seal_finish(sealer, tag));
    return ent_store_sealed_write(to, tag, sizeof tag);
}

static enum ent_err seal_to(struct ent_engine *e, uint32_t member, const uint8_t auditor[32],
                            const struct ent_blob *payload, uint8_t digest[32])
{
    struct ent_seal seal;
    struct ent_store_sealed *to = NULL;
    struct ent_hpke_sealer *sealer = NULL;
    uint8_t enc[ENT_HPKE_ENC_BYTES];
    uint8_t *piece = NULL;
    enum ent_err err;

    ent_seal_of_update(&seal, e->round_open, e->members[member].handle);
    ENT_TRY(ent_calloc(PIECE_BYTES, 1, &piece));
    err = ent_store_sealed_begin(e->store, &to);
    if (err == ENT_E_OK) {
        err = ent_hpke_seal_begin(auditor, &seal.context, enc, &sealer);
    }
    if (err == ENT_E_OK) {
        err = ent_store_sealed_write(to, enc, sizeof enc);
    }
    if (err == ENT_E_OK) {
        err = write_sealed(to, sealer, payload, piece);
    }
    if (err == ENT_E_OK) {
        err = ent_store_sealed_commit(to, digest);
        to = NULL;
    }
    ent_store_sealed_discard(to);
    ent_hpke_seal_free(sealer);
    free(piece);
    return err;
}

static enum ent_err keep_plain(struct ent_engine *e, const struct ent_blob *payload,
                               uint8_t digest[32])
{
    struct ent_store_sealed *to = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_sealed_begin(e->store, &to));
    err = ent_store_sealed_write(to, ent_blob_bytes(payload), ent_blob_len(payload));
    if (err != ENT_E_OK) {
        ent_store_sealed_discard(to);
        return err;
    }
    return ent_store_sealed_commit(to, digest);
}

enum ent_err ent_seal_update(struct ent_engine *e, uint32_t member, const struct ent_blob *payload)
{
    const struct ent_trail *a = &e->audit;
    struct ent_leaves_member *says = &e->members[member].log.says;

    says->n_sealed = 0;
    for (size_t i = 0; i < a->n_auditors; i++) {
        ENT_TRY(seal_to(e, member, a->auditors[i], payload, says->sealed[i]));
    }
    if (a->plain) {
        ENT_TRY(keep_plain(e, payload, says->sealed[a->n_auditors]));
    }
    says->n_sealed = a->n_auditors + (a->plain ? 1 : 0);
    return ENT_E_OK;
}

/* ---- the end of what is unsealed ---- */

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

struct erasing {
    uint8_t (*digests)[32];
    size_t n;
};

static enum ent_err erased(struct ent_engine *e, void *ctx)
{
    const struct erasing *x = ctx;
    struct ent_leaf_blob_erase leaf = {
        .digests = x->digests, .n_digests = x->n, .basis = BASIS_RETENTION};

    return ent_trail_append(e, ENT_LEAF_BLOB_ERASE, &leaf, NULL);
}

/* The leaf first: files that are gone without one would be a violation. */
static enum ent_err erase(struct ent_engine *e, const struct ent_store_kept *kept, size_t n)
{
    struct erasing x = {0};
    enum ent_err err;

    ENT_TRY(ent_calloc(n, sizeof *x.digests, &x.digests));
    for (size_t i = 0; i < n; i++) {
        memcpy(x.digests[i], kept[i].digest, 32);
    }
    qsort(x.digests, n, sizeof *x.digests, by_digest);
    for (size_t i = 0; i < n; i++) {
        if (x.n == 0 || memcmp(x.digests[x.n - 1], x.digests[i], 32) != 0) {
            memmove(x.digests[x.n++], x.digests[i], 32);
        }
    }
    err = ent_trail_together(e, erased, &x);
    for (size_t i = 0; i < x.n && err == ENT_E_OK; i++) {
        err = ent_store_sealed_remove(e->store, x.digests[i]);
    }
    free(x.digests);
    return err;
}

enum ent_err ent_seal_purge(struct ent_engine *e)
{
    uint64_t keep_ms = e->home->config->plain_ms > 0 ? e->home->config->plain_ms : PLAIN_MAX_MS;
    struct ent_store_kept *kept = NULL;
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    e->audit.purge_due_ms = e->now_ms + DAY_MS;
    if (e->wall_ms < keep_ms) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_sealed_list(e->store, ENT_STORE_KEPT_PLAIN, e->wall_ms - keep_ms, &kept, &n));
    for (size_t at = 0; at < n && err == ENT_E_OK; at += ERASED_MAX) {
        err = erase(e, kept + at, n - at < ERASED_MAX ? n - at : ERASED_MAX);
    }
    free(kept);
    if (err == ENT_E_OK && n > 0) {
        ent_engine_say(e, ENT_SAY_OPERATOR,
                       "%zu unsealed copies of updates are erased: their time is over", n);
    }
    return err;
}

enum ent_err ent_seal_start(struct ent_engine *e)
{
    ENT_TRY(ent_seal_purge(e));
    return ent_store_sealed_sweep(e->store, e->wall_ms, ENT_STORE_SEALED_ORPHAN_MS, NULL);
}
