#include "common/crypto/hkdf.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "common/crypto/ossl.h"

/* OSSL_PARAM has no const form; the provider only reads. */
static void *unconst(const void *p)
{
    void *q;

    memcpy(&q, &p, sizeof q);
    return q;
}

enum ent_err ent_hkdf_sha256(struct ent_part ikm, struct ent_part salt, struct ent_part info,
                             uint8_t *out, size_t out_len)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[5];
    size_t n = 0;
    EVP_KDF *kdf;
    EVP_KDF_CTX *ctx;
    int ok;

    ENT_REQUIRE(out_len > 0 && out_len <= ENT_HKDF_MAX_BYTES, ENT_E_LIMIT,
                "HKDF gives 1 to %zu bytes, not %zu", ENT_HKDF_MAX_BYTES, out_len);
    ENT_REQUIRE(ikm.len > 0, ENT_E_SHAPE, "HKDF without input keying material");
    params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[n++] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconst(ikm.bytes), ikm.len);
    if (salt.len > 0) {
        params[n++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, unconst(salt.bytes), salt.len);
    }
    if (info.len > 0) {
        params[n++] =
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, unconst(info.bytes), info.len);
    }
    params[n] = OSSL_PARAM_construct_end();
    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    ok = ctx != NULL ? EVP_KDF_derive(ctx, out, out_len, params) : 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    if (ok != 1) {
        ent_cleanse(out, out_len);
        return ent_ossl_error(ENT_E_INTERNAL, "HKDF failed");
    }
    return ENT_E_OK;
}
