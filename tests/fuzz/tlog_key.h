/* The one log key that the fuzz targets of common/tlog know; the seeds in their corpora are signed by it. */
#ifndef ENT_TESTS_FUZZ_TLOG_KEY_H
#define ENT_TESTS_FUZZ_TLOG_KEY_H

#include <stdlib.h>

#include "common/tlog/note.h"

#define FUZZ_TLOG_ORIGIN "log.example/federation"

static inline void fuzz_tlog_vkey(struct ent_vkey *out)
{
    static const uint8_t seed[ENT_SIGN_SEED_BYTES] = {0x7E};
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    struct ent_sign_key *key = NULL;

    if (ent_sign_key_of_seed(seed, &key) != ENT_E_OK) {
        abort();
    }
    ent_sign_key_pub(key, pub);
    ent_sign_key_free(key);
    if (ent_vkey_of(FUZZ_TLOG_ORIGIN, ENT_VKEY_LOG, pub, out) != ENT_E_OK) {
        abort();
    }
}

#endif
