#include "common/crypto/x25519.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/ossl.h"

struct ent_x25519_key {
    EVP_PKEY *pkey; /* OpenSSL keeps the private half in the secure heap */
    uint8_t pub[ENT_X25519_PUB_BYTES];
};

static enum ent_err key_take(EVP_PKEY *pkey, struct ent_x25519_key **out)
{
    struct ent_x25519_key *key = NULL;
    size_t len = ENT_X25519_PUB_BYTES;
    enum ent_err err = ent_calloc(1, sizeof *key, &key);

    if (err != ENT_E_OK) {
        EVP_PKEY_free(pkey);
        return err;
    }
    key->pkey = pkey;
    if (EVP_PKEY_get_raw_public_key(pkey, key->pub, &len) != 1 || len != ENT_X25519_PUB_BYTES) {
        ent_x25519_key_free(key);
        (void)ent_ossl_error(ENT_E_INTERNAL, "an X25519 key without its public half");
        return ENT_E_INTERNAL;
    }
    *out = key;
    return ENT_E_OK;
}

enum ent_err ent_x25519_key_of_secret(const uint8_t secret[ENT_X25519_SECRET_BYTES],
                                      struct ent_x25519_key **out)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, ENT_X25519_SECRET_BYTES);

    if (pkey == NULL) {
        (void)ent_ossl_error(ENT_E_INTERNAL, "cannot make an X25519 key");
        return ENT_E_INTERNAL;
    }
    return key_take(pkey, out);
}

/* Any 32 random bytes are a private key (RFC 7748 5 fixes the bits that must be so when it is used):
 * through ent_csprng, so that the test link can inject them. */
enum ent_err ent_x25519_key_generate(struct ent_x25519_key **out)
{
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_secret secret = {0};
    enum ent_err err;

    ENT_TRY(ent_secret_init(&secret, ENT_X25519_SECRET_BYTES));
    err = ent_csprng_bytes(&csprng, secret.bytes, secret.len);
    if (err == ENT_E_OK) {
        err = ent_x25519_key_of_secret(secret.bytes, out);
    }
    ent_secret_release(&secret);
    return err;
}

enum ent_err ent_x25519_key_save(const struct ent_x25519_key *key, const char *path)
{
    return ent_ossl_key_save(key->pkey, path);
}

enum ent_err ent_x25519_key_load(const char *path, struct ent_x25519_key **out)
{
    EVP_PKEY *pkey = NULL;

    ENT_TRY(ent_ossl_key_load(path, EVP_PKEY_X25519, "X25519", &pkey));
    return key_take(pkey, out);
}

void ent_x25519_key_free(struct ent_x25519_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

void ent_x25519_key_pub(const struct ent_x25519_key *key, uint8_t out[ENT_X25519_PUB_BYTES])
{
    memcpy(out, key->pub, ENT_X25519_PUB_BYTES);
}

/* OpenSSL 3.0 refuses the all-zero secret itself; others need not, so it is looked at again. */
static enum ent_err derive(EVP_PKEY_CTX *ctx, EVP_PKEY *peer, uint8_t out[ENT_X25519_SHARED_BYTES])
{
    static const uint8_t zero[ENT_X25519_SHARED_BYTES];
    uint8_t shared[ENT_X25519_SHARED_BYTES];
    size_t len = sizeof shared;
    bool ok;

    if (EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot agree on a secret");
    }
    ok = EVP_PKEY_derive(ctx, shared, &len) == 1 && len == sizeof shared &&
         !ent_ct_equal(shared, zero, sizeof shared);
    if (ok) {
        memcpy(out, shared, sizeof shared);
    }
    ent_cleanse(shared, sizeof shared);
    ERR_clear_error();
    ENT_REQUIRE(ok, ENT_E_SIGNATURE,
                "the other side's X25519 key is a point of small order: no secret comes of it");
    return ENT_E_OK;
}

enum ent_err ent_x25519_agree(const struct ent_x25519_key *key,
                              const uint8_t peer[ENT_X25519_PUB_BYTES],
                              uint8_t out[ENT_X25519_SHARED_BYTES])
{
    EVP_PKEY *other =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, ENT_X25519_PUB_BYTES);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    enum ent_err err;

    if (other != NULL && ctx != NULL) {
        err = derive(ctx, other, out);
    } else {
        err = ent_ossl_error(ENT_E_INTERNAL, "cannot agree on a secret");
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    return err;
}

/* Little-endian below p = 2^255 - 19, so that one key has one encoding. */
static bool is_canonical(const uint8_t pub[ENT_X25519_PUB_BYTES])
{
    const size_t last = ENT_X25519_PUB_BYTES - 1;

    if (pub[last] > 0x7f) {
        return false;
    }
    if (pub[last] < 0x7f) {
        return true;
    }
    for (size_t i = 1; i < last; i++) {
        if (pub[i] != 0xff) {
            return true;
        }
    }
    return pub[0] < 0xed;
}

/* A private key is a multiple of 8 once its bits are fixed: with any of them, exactly the points
 * whose order divides 8 give zero. */
enum ent_err ent_x25519_pub_check(const uint8_t pub[ENT_X25519_PUB_BYTES])
{
    static const uint8_t any[ENT_X25519_SECRET_BYTES] = {1};
    struct ent_x25519_key *key = NULL;
    uint8_t shared[ENT_X25519_SHARED_BYTES];
    enum ent_err err;

    ENT_REQUIRE(is_canonical(pub), ENT_E_SIGNATURE,
                "the X25519 public key is not in its canonical form");
    ENT_TRY(ent_x25519_key_of_secret(any, &key));
    err = ent_x25519_agree(key, pub, shared);
    ent_x25519_key_free(key);
    return err;
}

enum ent_err ent_fingerprint(const uint8_t pub[ENT_X25519_PUB_BYTES],
                             char out[ENT_FINGERPRINT_CHARS + 1])
{
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256(pub, ENT_X25519_PUB_BYTES, digest));
    ent_hex(digest, sizeof digest, out);
    return ENT_E_OK;
}
