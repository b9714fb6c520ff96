#include "coordinator/engine/central.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "common/privacy/clip.h"
#include "coordinator/engine/state.h"
#include "coordinator/store/noise.h"

#define SCRUB_AGAIN_MS 1000

/* ---- the run ---- */

enum ent_err ent_central_load(struct ent_engine *e)
{
    struct ent_central *c = &e->central;

    ent_central_release(e);
    if (e->plan->privacy.unit != ENT_PRIVACY_MEMBER) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_clip_bound(e->plan->privacy.clip, e->plan->privacy.scale_bits, &c->bound));
    c->on = true;
    return ENT_E_OK;
}

void ent_central_release(struct ent_engine *e)
{
    bool scrub_due = e->central.scrub_due;

    ent_central_end(e);
    e->central = (struct ent_central){.scrub_due = scrub_due};
}

bool ent_central_covers(const struct ent_engine *e)
{
    return e->central.on && e->run.config.run != 0 && e->round.task == ENT_ROUND_TRAIN;
}

enum ent_err ent_central_startable(const struct ent_engine *e, const struct ent_plan *plan)
{
    ENT_REQUIRE(plan->privacy.unit != ENT_PRIVACY_MEMBER || e->home->config->plain_ms == 0,
                ENT_E_CONFIG,
                "privacy of unit member: %s/federation.yaml keeps unsealed copies of the updates "
                "(retention.plain), which have no noise and stand in every export: take it out, "
                "and admit an auditor for sealed ones",
                e->home->dir);
    return ENT_E_OK;
}

/* Fixed when it starts; before that, those admitted so far. */
enum ent_err ent_central_auditors(struct ent_engine *e, size_t *n)
{
    struct ent_store_auditor *list = NULL;

    if (ent_round_active(&e->round)) {
        *n = e->audit.n_auditors;
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_auditors(e->store, &list, n));
    free(list);
    return ENT_E_OK;
}

enum ent_err ent_central_warn(struct ent_engine *e)
{
    size_t auditors = 0;

    ENT_TRY(ent_central_auditors(e, &auditors));
    if (e->central.on && auditors == 0) {
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "no auditor is admitted: nobody will be able to prove that the noise of run "
                       "%u was really drawn and added",
                       (unsigned)e->run.config.run);
    }
    return ENT_E_OK;
}

/* ---- the seed ---- */

static struct ent_noise_where where(const struct ent_engine *e)
{
    return (struct ent_noise_where){
        .run = e->run.config.run, .round = e->round.round, .attempt = e->round.attempt};
}

static enum ent_err commit_to(const struct ent_engine *e, const uint8_t *seed, uint8_t out[32])
{
    struct ent_noise_where at = where(e);

    return ent_noise_commit(ent_store_identity(e->store)->federation, &at, seed, out);
}

enum ent_err ent_central_open(struct ent_engine *e, struct ent_msg_round_open *out)
{
    struct ent_row row = ent_engine_attempt(e);
    struct ent_csprng csprng = ent_csprng_system();
    uint8_t seed[ENT_NOISE_SEED_BYTES];
    enum ent_err err;

    if (!ent_central_covers(e)) {
        return ENT_E_OK;
    }
    err = ent_csprng_bytes(&csprng, seed, sizeof seed);
    if (err == ENT_E_OK) {
        err = commit_to(e, seed, out->noise_commit);
    }
    if (err == ENT_E_OK) {
        err = ent_store_noise_put(e->store, &row, seed);
    }
    ent_cleanse(seed, sizeof seed);
    out->has_noise = err == ENT_E_OK;
    return err;
}

/* What round.open says. */
static enum ent_err committed_to(const struct ent_engine *e, uint8_t out[32])
{
    struct ent_bytes leaf = {e->audit.open.data, e->audit.open.len};
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    enum ent_err err;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK && !any.round_open.has_noise) {
        err = ent_err_note(ENT_E_CORRUPT, "round %llu was opened without noise",
                           (unsigned long long)frame.round);
    }
    if (err == ENT_E_OK) {
        memcpy(out, any.round_open.noise_commit, 32);
    }
    ent_arena_release(&arena);
    return err;
}

/* The seed of the attempt, and that it is the one that was committed to. */
static enum ent_err load_seed(struct ent_engine *e, uint8_t seed[ENT_NOISE_SEED_BYTES])
{
    struct ent_row row = ent_engine_attempt(e);
    uint8_t said[32];
    uint8_t is[32];
    enum ent_err err = ent_store_noise_get(e->store, &row, seed);

    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(ENT_E_LOST,
                            "the seed of the noise of round %llu, attempt %u is not in this "
                            "directory (an older copy?): the attempt is called off, the next one "
                            "has a new seed",
                            (unsigned long long)row.round, (unsigned)row.attempt);
    }
    ENT_TRY(err);
    ENT_TRY(committed_to(e, said));
    ENT_TRY(commit_to(e, seed, is));
    ENT_REQUIRE(memcmp(said, is, sizeof is) == 0, ENT_E_CORRUPT,
                "the stored seed of the noise of round %llu is not the one that round.open "
                "committed to",
                (unsigned long long)row.round);
    return ENT_E_OK;
}

enum ent_err ent_central_forget(struct ent_engine *e)
{
    bool any = false;

    ENT_TRY(ent_store_noise_forget(e->store, NULL, &any));
    e->central.scrub_due = e->central.scrub_due || any;
    return ENT_E_OK;
}

enum ent_err ent_central_housekeeping(struct ent_engine *e)
{
    struct ent_central *c = &e->central;
    bool done = false;

    if (!c->scrub_due || !e->started || e->now_ms < c->scrub_ms) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_noise_scrub(e->store, &done));
    c->scrub_due = !done;
    c->scrub_ms = done ? 0 : e->now_ms + SCRUB_AGAIN_MS;
    return ENT_E_OK;
}

/* ---- the noise ---- */

static enum ent_err make_of(struct ent_engine *e, const uint8_t *seed, struct ent_step_noise **out)
{
    struct ent_noise_where at = where(e);
    struct ent_noise_nonce *nonces = NULL;
    uint8_t key[ENT_NOISE_KEY_BYTES];
    uint8_t salt[32];
    uint64_t bytes = 0;
    size_t dim = 0;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_uploads_layout(e, ENT_ROUND_TRAIN, &dim, &bytes));
    ENT_TRY(ent_nonce_opened(e, &nonces, &n));
    err = ent_noise_salt(e->round_open, nonces, n, salt);
    free(nonces);
    if (err == ENT_E_OK) {
        err = ent_noise_key(seed, salt, &at, key);
    }
    if (err == ENT_E_OK && ENT_HOOK_PLANTED("noise-key-is-seed")) {
        memcpy(key, seed,
               sizeof key); /* of the privacy audit: a seed that repeats repeats the noise */
    }
    if (err == ENT_E_OK) {
        err = ent_step_noise_new(e->budget.round.sigma2, key, dim, out);
    }
    ent_cleanse(key, sizeof key);
    return err;
}

/* Once an attempt: a restart makes the same again. */
static enum ent_err make(struct ent_engine *e)
{
    struct ent_step_noise *noise = NULL;
    uint8_t seed[ENT_NOISE_SEED_BYTES];
    enum ent_err err;

    if (e->central.noise != NULL) {
        return ENT_E_OK;
    }
    err = load_seed(e, seed);
    if (err == ENT_E_OK) {
        err = make_of(e, seed, &noise);
    }
    ent_cleanse(seed, sizeof seed);
    if (err == ENT_E_OK) {
        err = ent_step_noise_start(noise);
    }
    if (err != ENT_E_OK) {
        ent_step_noise_free(noise);
        return err;
    }
    e->central.noise = noise;
    return ENT_E_OK;
}

static void call_off(struct ent_engine *e, enum ent_err err)
{
    struct ent_event event = ent_engine_event(e, ENT_EV_RESULT_FAILED, ENT_NO_MEMBER);

    ent_engine_say(e, ENT_SAY_TROUBLE, "round %llu cannot have its noise: %s",
                   (unsigned long long)e->round.round, ent_err_message());
    event.code = err;
    ent_engine_feed(e, &event);
}

void ent_central_begin(struct ent_engine *e)
{
    enum ent_err err = ent_central_covers(e) ? make(e) : ENT_E_OK;

    if (err != ENT_E_OK) {
        call_off(e, err);
    }
}

static enum ent_err resume(struct ent_engine *e)
{
    uint8_t seed[ENT_NOISE_SEED_BYTES];
    enum ent_err err;

    if (e->round.phase != ENT_PHASE_JOIN) {
        return make(e);
    }
    err = load_seed(e, seed);
    ent_cleanse(seed, sizeof seed);
    return err;
}

void ent_central_resume(struct ent_engine *e)
{
    enum ent_phase phase = e->round.phase;
    bool open = phase == ENT_PHASE_JOIN || phase == ENT_PHASE_UPDATE || phase == ENT_PHASE_CLOSE;
    struct ent_row row = ent_engine_attempt(e);
    bool covers = open && ent_central_covers(e);
    bool any = false;
    enum ent_err err;

    /* An older copy may hold the seed of an attempt that others saw the end of. */
    ent_engine_fail(e, ent_store_noise_forget(e->store, covers ? &row : NULL, &any));
    e->central.scrub_due = e->central.scrub_due || any;
    if (!covers || e->fatal != ENT_E_OK) {
        return;
    }
    err = resume(e);
    if (err != ENT_E_OK) {
        call_off(e, err);
    }
}

/* ---- the sum ---- */

static enum ent_err seal_to(struct ent_engine *e, const uint8_t auditor[32], const uint8_t *seed,
                            uint8_t digest[32])
{
    struct ent_seal bound;
    struct ent_store_sealed *to = NULL;
    struct ent_buf sealed;
    enum ent_err err;

    ent_seal_of_seed(&bound, e->round_open);
    ent_buf_init(&sealed, ENT_NOISE_SEED_BYTES + ENT_HPKE_EXTRA_BYTES);
    err = ent_hpke_seal(auditor, &bound.context, (struct ent_part){seed, ENT_NOISE_SEED_BYTES},
                        &sealed);
    if (err == ENT_E_OK) {
        err = ent_store_sealed_begin(e->store, &to);
    }
    if (err == ENT_E_OK) {
        err = ent_store_sealed_write(to, sealed.data, sealed.len);
    }
    if (err == ENT_E_OK) {
        err = ent_store_sealed_commit(to, digest);
        to = NULL;
    }
    ent_store_sealed_discard(to);
    ent_buf_release(&sealed);
    return err;
}

static enum ent_err seal(struct ent_engine *e)
{
    struct ent_central *c = &e->central;
    uint8_t seed[ENT_NOISE_SEED_BYTES];
    enum ent_err err = load_seed(e, seed);

    c->n_sealed = 0;
    for (size_t i = 0; i < e->audit.n_auditors && err == ENT_E_OK; i++) {
        err = seal_to(e, e->audit.auditors[i], seed, c->sealed[i]);
    }
    ent_cleanse(seed, sizeof seed);
    ENT_TRY(err);
    c->n_sealed = e->audit.n_auditors;
    return ENT_E_OK;
}

enum ent_err ent_central_ready(struct ent_engine *e)
{
    ENT_TRY(make(e));
    ENT_TRY(ent_step_noise_wait(e->central.noise));
    ENT_HOOK_POINT("engine.noise-drawn");
    return seal(e);
}

enum ent_err ent_central_add(struct ent_engine *e, uint64_t first, int64_t *sum, size_t n)
{
    ENT_REQUIRE(e->central.noise != NULL, ENT_E_INTERNAL, "a sum without its noise");
    return ent_step_noise_window(e->central.noise, first, sum, n);
}

void ent_central_end(struct ent_engine *e)
{
    ent_step_noise_free(e->central.noise);
    e->central.noise = NULL;
    e->central.n_sealed = 0;
}
