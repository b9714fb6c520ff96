/* Noise that the coordinator adds, as audit.md 2.7 says, out of its parts: another path than common/step/noise, which
 * replay takes. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "common/privacy/dgauss.h"
#include "common/task/task.h"
#include "tests/support/forge_inside.h"

bool ent_forge_noise_owed(const struct ent_forge *f)
{
    return f->options.central && f->run.task == ENT_TASK_TRAIN;
}

static struct ent_noise_where where_of(const struct ent_forge *f)
{
    return (struct ent_noise_where){
        .run = f->run_number, .round = f->run.round, .attempt = f->run.attempt};
}

enum ent_err ent_forge_noise_open(struct ent_forge *f, struct ent_leaf_round_open *out)
{
    struct ent_noise_where where = where_of(f);

    f->n_nonces = 0;
    if (!ent_forge_noise_owed(f)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_forge_derive(f, "noise", f->run_number * UINT64_C(65536) + f->run.round,
                             f->run.attempt, f->run.seed));
    out->has_noise = true;
    return ent_noise_commit(f->federation, &where, f->run.seed, out->noise_commit);
}

enum ent_err ent_forge_noise_join(struct ent_forge *f, size_t member, const uint8_t nonce[32])
{
    struct ent_noise_nonce *n = &f->nonces[f->n_nonces++];

    memcpy(n->handle, f->members[member].handle, sizeof n->handle);
    memcpy(n->nonce, nonce, sizeof n->nonce);
    return ENT_E_OK;
}

static enum ent_err draw(const struct ent_forge *f, uint64_t sigma2, int64_t *noise, size_t dim)
{
    struct ent_noise_where where = where_of(f);
    size_t n_nonces = f->options.cheat == ENT_FORGE_NO_NONCES ? 0 : f->n_nonces;
    uint8_t seed[32];
    uint8_t salt[32];
    uint8_t key[32];

    memcpy(seed, f->run.seed, sizeof seed);
    if (f->options.cheat == ENT_FORGE_OTHER_SEED) {
        seed[0] ^= 1;
    } else if (f->options.cheat == ENT_FORGE_SMALLER_SIGMA) {
        sigma2 /= 100;
    }
    ENT_TRY(ent_noise_salt(f->run.open_hash, f->nonces, n_nonces, salt));
    ENT_TRY(ent_noise_key(seed, salt, &where, key));
    return ent_dgauss_fill(key, sigma2, 0, noise, dim);
}

enum ent_err ent_forge_noise_add(const struct ent_forge *f, uint64_t sigma2, int64_t *sum,
                                 size_t dim)
{
    int64_t divisor = f->options.cheat == ENT_FORGE_HALF_NOISE      ? 2
                      : f->options.cheat == ENT_FORGE_DIVIDED_NOISE ? (int64_t)f->n_nonces
                                                                    : 1;
    int64_t *noise = NULL;
    enum ent_err err;

    if (f->options.cheat == ENT_FORGE_NO_NOISE) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(dim, sizeof *noise, &noise));
    err = draw(f, sigma2, noise, dim);
    for (size_t i = 0; i < dim && err == ENT_E_OK; i++) {
        sum[i] += noise[i] / divisor;
    }
    free(noise);
    return err;
}

static enum ent_err seal_to(struct ent_forge *f, size_t auditor, const uint8_t seed[32],
                            uint8_t digest[32])
{
    static const char info[] = "entente/seal/v1";
    const struct ent_hpke_context context = {{info, sizeof info}, {f->run.open_hash, 32}};
    struct ent_buf sealed;
    enum ent_err err;

    ent_buf_init(&sealed, 32 + ENT_HPKE_EXTRA_BYTES);
    err = ent_hpke_seal(f->seal_pub[auditor], &context, (struct ent_part){seed, 32}, &sealed);
    if (err == ENT_E_OK) {
        err = ent_forge_add_blob(f, sealed.data, sealed.len, digest);
    }
    ent_buf_release(&sealed);
    return err;
}

enum ent_err ent_forge_noise_seal(struct ent_forge *f, const uint8_t seed[32],
                                  uint8_t (*digests)[32], size_t *n)
{
    *n = f->options.n_auditors;
    for (size_t i = 0; i < f->options.n_auditors; i++) {
        ENT_TRY(seal_to(f, i, seed, digests[i]));
    }
    return ENT_E_OK;
}
