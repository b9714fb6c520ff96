/* Noise that the coordinator added: drawn again from the seed under seal and the nonces that members opened, and added to
 * the sum before it is compared (audit.md 2.7). Also what the noise stands on: its size, and that no update is larger than
 * the plan lets one be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit/replay_inside.h"
#include "common/base/mem.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "common/privacy/clip.h"
#include "common/step/noise.h"

#define SEALED_SEED_BYTES ((size_t)(ENT_NOISE_SEED_BYTES + ENT_HPKE_EXTRA_BYTES))
/* Noise for a goal comes from a grid whose steps another machine may choose otherwise (V13 has the same). */
#define SIGMA2_SLACK 1e-3

bool ent_replay_owes_noise(const struct ent_replaying *r)
{
    return r->run.plan != NULL && r->run.plan->privacy.unit == ENT_PRIVACY_MEMBER &&
           r->at.task == ENT_TASK_TRAIN;
}

/* ---- round.open, dp.event, round.join ---- */

void ent_replay_noise_open(struct ent_replaying *r, const struct ent_leaf_round_open *open)
{
    struct ent_replay_attempt *at = &r->at;

    at->has_noise = open->has_noise;
    memcpy(at->noise_commit, open->noise_commit, sizeof at->noise_commit);
    at->n_nonces = 0;
    at->n_joined = 0;
    at->sigma2 = 0;
    if (ent_replay_owes_noise(r) && !at->has_noise) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "it owes noise by its plan, and commits to no seed for it");
    }
    if (!ent_replay_owes_noise(r) && r->run.plan != NULL && at->has_noise) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "it commits to a seed for noise that its plan does not add");
    }
}

/* What the noise of a run is, by its plan; 0: it gives none. */
static uint64_t plan_sigma2(struct ent_replay_run *run)
{
    struct ent_plan_noise noise;

    if (!run->derived) {
        run->derived = true;
        run->sigma2 =
            ent_plan_privacy_derive(run->plan, &noise) == ENT_E_OK ? noise.round.sigma2 : 0;
    }
    return run->sigma2;
}

void ent_replay_noise_event(struct ent_replaying *r, const struct ent_leaf_dp_event *event)
{
    double due;

    if (!r->at.open || !ent_replay_owes_noise(r) ||
        memcmp(event->round_open, r->at.hash, sizeof r->at.hash) != 0) {
        return;
    }
    r->at.sigma2 = event->sigma2;
    due = (double)plan_sigma2(&r->run);
    if ((double)event->sigma2 < due * (1.0 - SIGMA2_SLACK)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "it books noise of sigma2 %llu; its plan takes %llu",
                       (unsigned long long)event->sigma2, (unsigned long long)due);
    }
}

static enum ent_err keep_nonce(struct ent_replay_attempt *at, const struct ent_header *header,
                               const struct ent_msg_join *join)
{
    struct ent_noise_nonce *nonce;

    at->n_joined++;
    if (!join->has_nonce) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&at->nonces, &at->cap_nonces, at->n_nonces + 1, sizeof *at->nonces));
    nonce = &at->nonces[at->n_nonces++];
    memcpy(nonce->handle, header->sender, sizeof nonce->handle);
    memcpy(nonce->nonce, join->nonce, sizeof nonce->nonce);
    return ENT_E_OK;
}

enum ent_err ent_replay_noise_join(struct ent_replaying *r, const struct ent_leaf_round_join *join)
{
    struct ent_arena arena;
    struct ent_header header;
    struct ent_msg_join m;
    enum ent_err err;

    if (!r->at.open || !r->at.has_noise) {
        return ENT_E_OK;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_header(join->header, &arena, &header);
    if (err == ENT_E_OK) {
        err = ent_msg_join_decode(join->payload.data, join->payload.len, &arena, &m);
    }
    if (err == ENT_E_OK) {
        err = keep_nonce(&r->at, &header, &m);
    } else if (!ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "a join of it: %s", ent_err_message());
        err = ENT_E_OK;
    }
    ent_arena_release(&arena);
    return err;
}

/* One bit for each join that did not come, one for each attempt that failed. */
void ent_replay_noise_ended(struct ent_replaying *r, bool aborted)
{
    const struct ent_replay_attempt *at = &r->at;

    if (!at->open || !at->wanted || !at->has_noise) {
        return;
    }
    r->out->n_rerolls += aborted ? 1 : 0;
    r->out->n_rerolls += at->n_invited > at->n_joined ? at->n_invited - at->n_joined : 0;
}

/* ---- what the noise stands on ---- */

bool ent_replay_is_clipped(struct ent_replaying *r, const struct ent_bytes *ints, const char *who)
{
    const struct ent_plan_privacy *p = &r->run.plan->privacy;
    uint64_t bound = 0;

    if (!ent_replay_owes_noise(r)) {
        return true;
    }
    if (ent_clip_bound(p->clip, p->scale_bits, &bound) == ENT_E_OK &&
        ent_clip_check(ints->data, ints->len / sizeof(int32_t), bound) == ENT_E_OK) {
        return true;
    }
    ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                   "the update of member %s is larger than the plan's clip (norm %llu on the "
                   "grid): its noise does not cover it",
                   who, (unsigned long long)bound);
    return false;
}

/* ---- the seed ---- */

static const char *why_no_seed(const struct ent_replaying *r)
{
    if (r->run.n_auditors == 0) {
        return "nobody can draw its noise again: the run had no auditor, so its seed was sealed to "
               "nobody";
    }
    return r->key == NULL ? "the seed of its noise is sealed to auditors: replay needs --key"
                          : "the seed of its noise is sealed, but not to this key";
}

/* r->bytes = the sealed seed. *found = false: a finding says why not. */
static enum ent_err read_sealed(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                                bool *found)
{
    const uint8_t *digest;
    uint64_t size = 0;
    enum ent_err err;

    *found = false;
    if (close->n_noise_sealed != r->run.n_auditors) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its close names %zu sealed seeds, it owes %lu",
                       close->n_noise_sealed, (unsigned long)r->run.n_auditors);
        return ENT_E_OK;
    }
    if (r->run.place < 0) {
        ent_replay_break(r, ENT_REPLAY_INCOMPLETE, "%s", why_no_seed(r));
        return ENT_E_OK;
    }
    digest = close->noise_sealed[r->run.place];
    ent_buf_clear(&r->bytes);
    err = ent_export_blob_size(r->export, digest, &size);
    if (err == ENT_E_OK && size == SEALED_SEED_BYTES) {
        r->bytes.max = SEALED_SEED_BYTES;
        err = ent_export_blob(r->export, digest, &r->bytes);
    }
    if (err == ENT_E_NOT_FOUND) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, true,
                       ent_replay_is_erased(r, digest)
                           ? "the sealed seed of its noise was erased, as the log says"
                           : "the sealed seed of its noise is not in this export");
        return ENT_E_OK;
    }
    *found = err == ENT_E_OK && size == SEALED_SEED_BYTES;
    if (!*found && !ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the sealed seed of its noise is not the one that the log names");
        return ENT_E_OK;
    }
    return err;
}

static struct ent_noise_where where_of(const struct ent_replay_attempt *at)
{
    return (struct ent_noise_where){.run = at->run, .round = at->round, .attempt = at->attempt};
}

/* *good: it is what was committed to. */
static enum ent_err open_seed(struct ent_replaying *r, uint8_t seed[ENT_NOISE_SEED_BYTES],
                              bool *good)
{
    const struct ent_seal_place place = {.federation = r->at.federation,
                                         .round_open = r->at.hash,
                                         .where = where_of(&r->at),
                                         .commit = r->at.noise_commit};
    enum ent_err err =
        ent_seal_open_seed(r->key, &place, (struct ent_part){r->bytes.data, r->bytes.len}, seed);

    *good = err == ENT_E_OK;
    if (err != ENT_E_SIGNATURE && err != ENT_E_DIGEST) {
        return err;
    }
    ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                   err == ENT_E_SIGNATURE
                       ? "the sealed seed of its noise does not open with this key"
                       : "the sealed seed is not the one that its opening committed to");
    return ENT_E_OK;
}

static enum ent_err key_of(struct ent_replaying *r, const uint8_t seed[ENT_NOISE_SEED_BYTES],
                           uint8_t key[ENT_NOISE_KEY_BYTES], bool *good)
{
    struct ent_noise_where where = where_of(&r->at);
    uint8_t salt[32];
    enum ent_err err = ent_noise_salt(r->at.hash, r->at.nonces, r->at.n_nonces, salt);

    *good = err == ENT_E_OK;
    if (err == ENT_E_SHAPE) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "a member joined it twice");
        return ENT_E_OK;
    }
    ENT_TRY(err);
    return ent_noise_key(seed, salt, &where, key);
}

/* ---- the noise ---- */

static enum ent_err add_noise(struct ent_replaying *r, const uint8_t key[ENT_NOISE_KEY_BYTES],
                              struct ent_agg_result *result, bool *good)
{
    struct ent_step_noise *noise = NULL;
    enum ent_err err;

    free(r->noised);
    r->noised = NULL;
    ENT_TRY(ent_calloc(result->dim, sizeof *r->noised, &r->noised));
    memcpy(r->noised, result->sum, result->dim * sizeof *r->noised);
    err = ent_step_noise_new(r->at.sigma2, key, result->dim, &noise);
    if (err == ENT_E_OK) {
        err = ent_step_noise_window(noise, 0, r->noised, result->dim);
    }
    ent_step_noise_free(noise);
    *good = err == ENT_E_OK;
    if (!*good && !ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its noise: %s", ent_err_message());
        return ENT_E_OK;
    }
    result->sum = r->noised;
    return err;
}

static enum ent_err with_seed(struct ent_replaying *r, struct ent_agg_result *result,
                              uint8_t secrets[ENT_NOISE_SEED_BYTES + ENT_NOISE_KEY_BYTES],
                              bool *good)
{
    uint8_t *seed = secrets;
    uint8_t *key = secrets + ENT_NOISE_SEED_BYTES;

    ENT_TRY(open_seed(r, seed, good));
    if (*good) {
        ENT_TRY(key_of(r, seed, key, good));
    }
    return *good ? add_noise(r, key, result, good) : ENT_E_OK;
}

enum ent_err ent_replay_noise(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                              struct ent_agg_result *result, bool *good)
{
    uint8_t secrets[ENT_NOISE_SEED_BYTES + ENT_NOISE_KEY_BYTES];
    enum ent_err err;

    *good = !ent_replay_owes_noise(r);
    if (*good || !r->at.has_noise) { /* without a commitment: said already */
        return ENT_E_OK;
    }
    if (r->at.sigma2 == 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "no dp.event says how much noise it adds");
        return ENT_E_OK;
    }
    ENT_TRY(read_sealed(r, close, good));
    if (!*good) {
        return ENT_E_OK;
    }
    err = with_seed(r, result, secrets, good);
    ent_cleanse(secrets, sizeof secrets);
    return err;
}
