/* Sealed bytes from a stranger: what opens in one call opens in pieces, to the same bytes, and what does not is refused
 * as such. The input is the size of the pieces (one byte) and the seal. */
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/crypto/hpke.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ent_hpke_context context = {{"fuzz", 4}, {"aad", 3}};

static enum ent_err open_in_pieces(const struct ent_x25519_key *key, size_t step,
                                   const uint8_t *sealed, size_t len, uint8_t *out)
{
    struct ent_hpke_opener *opener = NULL;
    const uint8_t *body = sealed + ENT_HPKE_ENC_BYTES;
    enum ent_err err = ent_hpke_open_begin(key, &context, sealed, &opener);

    if (err != ENT_E_OK) {
        return err;
    }
    for (size_t at = 0; at < len; at += step) {
        size_t n = len - at < step ? len - at : step;

        ENT_BUG_ON(ent_hpke_open_update(opener, body + at, n, out + at) != ENT_E_OK);
    }
    err = ent_hpke_open_finish(opener, body + len);
    ent_hpke_open_free(opener);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[ENT_X25519_SECRET_BYTES] = {1, 2, 3};
    struct ent_x25519_key *key = NULL;
    size_t len = size > ENT_HPKE_EXTRA_BYTES ? size - 1 - ENT_HPKE_EXTRA_BYTES : 0;
    uint8_t *whole = calloc(len + 1, 1);
    uint8_t *pieces = calloc(len + 1, 1);
    enum ent_err err;

    if (size > 0 && whole != NULL && pieces != NULL &&
        ent_x25519_key_of_secret(secret, &key) == ENT_E_OK) {
        err = ent_hpke_open(key, &context, (struct ent_part){data + 1, size - 1}, whole);
        ENT_BUG_ON(err != ENT_E_OK && err != ENT_E_SIGNATURE);
        if (size > ENT_HPKE_EXTRA_BYTES) {
            ENT_BUG_ON(open_in_pieces(key, (size_t)data[0] + 1, data + 1, len, pieces) != err);
        }
        ENT_BUG_ON(err == ENT_E_OK && memcmp(whole, pieces, len) != 0);
    }
    ent_x25519_key_free(key);
    free(pieces);
    free(whole);
    return 0;
}
