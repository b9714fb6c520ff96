#include "common/crypto/aead.h"

#include <limits.h>

#include "common/crypto/ossl.h"

static const char *const cipher_names[] = {
    [ENT_AEAD_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    [ENT_AEAD_AES_256_GCM] = "AES-256-GCM",
};

static enum ent_err begin(const struct ent_aead_input *in, int encrypt, EVP_CIPHER_CTX **out)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_names[in->aead], NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int ok = cipher != NULL && ctx != NULL &&
             EVP_CipherInit_ex2(ctx, cipher, in->key, in->nonce, encrypt, NULL) == 1;

    EVP_CIPHER_free(cipher);
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return ent_ossl_error(ENT_E_INTERNAL, "cannot start a cipher");
    }
    *out = ctx;
    return ENT_E_OK;
}

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, const void *bytes, size_t len)
{
    int n = 0;

    return len == 0 || EVP_CipherUpdate(ctx, out, &n, bytes, (int)len) == 1;
}

static enum ent_err check_lengths(const struct ent_aead_input *in)
{
    ENT_REQUIRE(in->bytes.len <= INT_MAX && in->aad.len <= INT_MAX, ENT_E_LIMIT,
                "a message of %zu bytes is too long to be encrypted in one piece", in->bytes.len);
    return ENT_E_OK;
}

enum ent_err ent_aead_seal(const struct ent_aead_input *in, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = NULL;
    uint8_t rest[ENT_AEAD_TAG_BYTES]; /* stream modes leave nothing for the end */
    int n = 0;
    bool ok;

    ENT_TRY(check_lengths(in));
    ENT_TRY(begin(in, 1, &ctx));
    ok = update(ctx, NULL, in->aad.bytes, in->aad.len) &&
         update(ctx, out, in->bytes.bytes, in->bytes.len) &&
         EVP_CipherFinal_ex(ctx, rest, &n) == 1 && n == 0 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, ENT_AEAD_TAG_BYTES, out + in->bytes.len) ==
             1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        ent_cleanse(out, in->bytes.len + ENT_AEAD_TAG_BYTES);
        return ent_ossl_error(ENT_E_INTERNAL, "cannot encrypt");
    }
    return ENT_E_OK;
}

enum ent_err ent_aead_open(const struct ent_aead_input *in, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = NULL;
    uint8_t tag[ENT_AEAD_TAG_BYTES];
    uint8_t rest[ENT_AEAD_TAG_BYTES];
    const uint8_t *bytes = in->bytes.bytes;
    size_t len;
    int n = 0;
    bool ok;

    ENT_TRY(check_lengths(in));
    ENT_REQUIRE(in->bytes.len >= ENT_AEAD_TAG_BYTES, ENT_E_SIGNATURE,
                "shorter than an authentication tag");
    len = in->bytes.len - ENT_AEAD_TAG_BYTES;
    for (size_t i = 0; i < ENT_AEAD_TAG_BYTES; i++) { /* the control call wants a writable copy */
        tag[i] = bytes[len + i];
    }
    ENT_TRY(begin(in, 0, &ctx));
    ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, ENT_AEAD_TAG_BYTES, tag) == 1 &&
         update(ctx, NULL, in->aad.bytes, in->aad.len) && update(ctx, out, bytes, len) &&
         EVP_CipherFinal_ex(ctx, rest, &n) == 1 && n == 0;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        ent_cleanse(out, len); /* what was deciphered is not authentic */
        (void)ent_ossl_error(ENT_E_SIGNATURE, "decryption");
        return ent_err_note(ENT_E_SIGNATURE,
                            "an encrypted message was altered, or its key is another one");
    }
    return ENT_E_OK;
}
