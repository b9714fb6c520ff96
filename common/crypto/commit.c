#include "common/crypto/commit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/crypto/hkdf.h"
#include "common/crypto/secret.h"

/* sizeof counts the zero byte that a label ends with. */
static const char name_label[] = "entente/name/v1";
static const char ledger_label[] = "entente/ledger/v1";
static const char noise_commit_label[] = "entente/noise-commit/v1";
static const char noise_salt_label[] = "entente/noise-salt/v1";
static const char noise_key_label[] = "entente/noise-key/v1";

#define WHERE_BYTES 16

enum ent_err ent_name_commit(const uint8_t salt[ENT_SALT_BYTES], const char *name,
                             uint8_t out[ENT_SHA256_BYTES])
{
    const struct ent_part parts[] = {
        {name_label, sizeof name_label}, {salt, ENT_SALT_BYTES}, {name, strlen(name)}};

    return ent_sha256_parts(parts, ENT_ARRAY_LEN(parts), out);
}

static enum ent_err ledger_digest(uint64_t seq, const uint8_t before[32], struct ent_part content,
                                  uint8_t out[ENT_SHA256_BYTES])
{
    uint8_t number[8];
    const struct ent_part parts[] = {{ledger_label, sizeof ledger_label},
                                     {number, sizeof number},
                                     {before, 32}, /* the salt or the digest before */
                                     content};

    ent_put_be64(number, seq);
    return ent_sha256_parts(parts, ENT_ARRAY_LEN(parts), out);
}

enum ent_err ent_ledger_start(const uint8_t salt[ENT_SALT_BYTES], struct ent_part scope,
                              uint8_t out[ENT_SHA256_BYTES])
{
    return ledger_digest(0, salt, scope, out);
}

enum ent_err ent_ledger_next(uint64_t seq, const uint8_t prev[ENT_SHA256_BYTES],
                             struct ent_part event, uint8_t out[ENT_SHA256_BYTES])
{
    ENT_BUG_ON(seq == 0);
    return ledger_digest(seq, prev, event, out);
}

static void put_where(const struct ent_noise_where *where, uint8_t out[WHERE_BYTES])
{
    ent_put_be32(out, where->run);
    ent_put_be64(out + 4, where->round);
    ent_put_be32(out + 12, where->attempt);
}

enum ent_err ent_noise_commit(const uint8_t federation_id[ENT_COMMIT_HANDLE_BYTES],
                              const struct ent_noise_where *where,
                              const uint8_t seed[ENT_NOISE_SEED_BYTES],
                              uint8_t out[ENT_SHA256_BYTES])
{
    uint8_t at[WHERE_BYTES];
    const struct ent_part parts[] = {{noise_commit_label, sizeof noise_commit_label},
                                     {federation_id, ENT_COMMIT_HANDLE_BYTES},
                                     {at, sizeof at},
                                     {seed, ENT_NOISE_SEED_BYTES}};

    put_where(where, at);
    return ent_sha256_parts(parts, ENT_ARRAY_LEN(parts), out);
}

enum ent_err ent_noise_nonce_commit(const uint8_t nonce[ENT_NOISE_NONCE_BYTES],
                                    uint8_t out[ENT_SHA256_BYTES])
{
    return ent_sha256(nonce, ENT_NOISE_NONCE_BYTES, out);
}

enum ent_err ent_noise_join(const uint8_t standing[ENT_SHA256_BYTES], struct ent_part nonce,
                            enum ent_noise_join *out)
{
    uint8_t digest[ENT_SHA256_BYTES];

    if (standing == NULL) {
        *out = nonce.len == 0 ? ENT_NOISE_JOIN_COMMIT_ONLY : ENT_NOISE_JOIN_REJECT;
        return ENT_E_OK;
    }
    if (nonce.len != ENT_NOISE_NONCE_BYTES) {
        *out = ENT_NOISE_JOIN_REJECT;
        return ENT_E_OK;
    }
    ENT_TRY(ent_noise_nonce_commit(nonce.bytes, digest));
    *out = ent_ct_equal(digest, standing, sizeof digest) ? ENT_NOISE_JOIN_COUNTED
                                                         : ENT_NOISE_JOIN_REJECT;
    return ENT_E_OK;
}

/* Handles are public: their order may be found in any time it takes. */
static int by_handle(const void *a, const void *b)
{
    const uint8_t *x = ((const struct ent_noise_nonce *)a)->handle;
    const uint8_t *y = ((const struct ent_noise_nonce *)b)->handle;

    for (size_t i = 0; i < ENT_COMMIT_HANDLE_BYTES; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

/* sorted: ascending by handle. */
static enum ent_err salt_of(const uint8_t round_open[ENT_SHA256_BYTES],
                            const struct ent_noise_nonce *sorted, size_t n,
                            uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_sha256 hash = {0};

    for (size_t i = 1; i < n; i++) {
        ENT_REQUIRE(by_handle(&sorted[i - 1], &sorted[i]) < 0, ENT_E_SHAPE,
                    "two nonces of one member in a round");
    }
    ENT_TRY(ent_sha256_init(&hash));
    ent_sha256_add(&hash, noise_salt_label, sizeof noise_salt_label);
    ent_sha256_add(&hash, round_open, ENT_SHA256_BYTES);
    for (size_t i = 0; i < n; i++) {
        ent_sha256_add(&hash, sorted[i].handle, sizeof sorted[i].handle);
        ent_sha256_add(&hash, sorted[i].nonce, sizeof sorted[i].nonce);
    }
    ent_sha256_finish(&hash, out);
    ent_sha256_release(&hash);
    return ENT_E_OK;
}

enum ent_err ent_noise_salt(const uint8_t round_open[ENT_SHA256_BYTES],
                            const struct ent_noise_nonce *nonces, size_t n,
                            uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_noise_nonce *sorted = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(n, sizeof *sorted, &sorted));
    if (n > 0) {
        memcpy(sorted, nonces, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_handle);
    }
    err = salt_of(round_open, sorted, n, out);
    free(sorted);
    return err;
}

enum ent_err ent_noise_key(const uint8_t seed[ENT_NOISE_SEED_BYTES],
                           const uint8_t salt[ENT_SHA256_BYTES],
                           const struct ent_noise_where *where, uint8_t out[ENT_NOISE_KEY_BYTES])
{
    uint8_t info[sizeof noise_key_label + WHERE_BYTES];

    memcpy(info, noise_key_label, sizeof noise_key_label);
    put_where(where, info + sizeof noise_key_label);
    return ent_hkdf_sha256((struct ent_part){seed, ENT_NOISE_SEED_BYTES},
                           (struct ent_part){salt, ENT_SHA256_BYTES},
                           (struct ent_part){info, sizeof info}, out, ENT_NOISE_KEY_BYTES);
}
