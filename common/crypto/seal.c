#include "common/crypto/seal.h"

#include <string.h>

#include "common/crypto/secret.h"

static const char label[] = "entente/seal/v1"; /* with its zero byte */

void ent_seal_of_update(struct ent_seal *seal, const uint8_t round_open[ENT_SHA256_BYTES],
                        const uint8_t handle[ENT_COMMIT_HANDLE_BYTES])
{
    memcpy(seal->bound, round_open, ENT_SHA256_BYTES);
    memcpy(seal->bound + ENT_SHA256_BYTES, handle, ENT_COMMIT_HANDLE_BYTES);
    seal->context = (struct ent_hpke_context){.info = {label, sizeof label},
                                              .aad = {seal->bound, sizeof seal->bound}};
}

void ent_seal_of_seed(struct ent_seal *seal, const uint8_t round_open[ENT_SHA256_BYTES])
{
    memcpy(seal->bound, round_open, ENT_SHA256_BYTES);
    seal->context = (struct ent_hpke_context){.info = {label, sizeof label},
                                              .aad = {seal->bound, ENT_SHA256_BYTES}};
}

enum ent_err ent_seal_open_seed(const struct ent_x25519_key *key,
                                const struct ent_seal_place *place, struct ent_part sealed,
                                uint8_t seed[ENT_NOISE_SEED_BYTES])
{
    struct ent_seal seal;
    uint8_t commit[ENT_SHA256_BYTES];
    enum ent_err err;

    if (sealed.len != ENT_NOISE_SEED_BYTES + ENT_HPKE_EXTRA_BYTES) {
        ent_cleanse(seed, ENT_NOISE_SEED_BYTES);
        return ent_err_note(ENT_E_SIGNATURE, "a sealed seed has %zu bytes", sealed.len);
    }
    ent_seal_of_seed(&seal, place->round_open);
    err = ent_hpke_open(key, &seal.context, sealed, seed);
    if (err == ENT_E_OK) {
        err = ent_noise_commit(place->federation, &place->where, seed, commit);
    }
    if (err == ENT_E_OK && !ent_ct_equal(commit, place->commit, sizeof commit)) {
        err = ent_err_note(ENT_E_DIGEST, "what is sealed is not the seed that was committed to");
    }
    if (err != ENT_E_OK) {
        ent_cleanse(seed, ENT_NOISE_SEED_BYTES);
    }
    return err;
}
