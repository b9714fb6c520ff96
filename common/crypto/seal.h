/* What the coordinator seals to an auditor (audit.md 2.7, 2.8): the copy of an update, the seed of a round's noise. HPKE
 * (hpke.h) under one label; bound to its place, so that a sealed text of another round or member does not open. */
#ifndef ENT_COMMON_CRYPTO_SEAL_H
#define ENT_COMMON_CRYPTO_SEAL_H

#include "common/crypto/commit.h"
#include "common/crypto/hpke.h"

struct ent_seal {
    struct ent_hpke_context context; /* points to bound: not to be copied */
    uint8_t bound[ENT_SHA256_BYTES + ENT_COMMIT_HANDLE_BYTES];
};

/* Of an update: bound to the leaf hash of its round.open and to its member. */
void ent_seal_of_update(struct ent_seal *seal, const uint8_t round_open[ENT_SHA256_BYTES],
                        const uint8_t handle[ENT_COMMIT_HANDLE_BYTES]);
/* Of the seed of a round's noise: bound to the leaf hash of its round.open. */
void ent_seal_of_seed(struct ent_seal *seal, const uint8_t round_open[ENT_SHA256_BYTES]);

struct ent_seal_place {        /* of a seed; all is borrowed for the call */
    const uint8_t *federation; /* [ENT_COMMIT_HANDLE_BYTES] */
    const uint8_t *round_open; /* [32] */
    struct ent_noise_where where;
    const uint8_t *commit; /* [32]: what round.open says */
};

/* seed: a secret, zeroed on error. SIGNATURE: it does not open with this key. DIGEST: it opens, and is not what was
 * committed to. */
ENT_MUST enum ent_err ent_seal_open_seed(const struct ent_x25519_key *key,
                                         const struct ent_seal_place *place, struct ent_part sealed,
                                         uint8_t seed[ENT_NOISE_SEED_BYTES]);

#endif
