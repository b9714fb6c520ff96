#include "common/crypto/chacha20.h"

#include <string.h>

#include "common/crypto/ossl.h"

enum ent_err ent_chacha20_init(struct ent_chacha20 *stream,
                               const uint8_t key[ENT_CHACHA20_KEY_BYTES],
                               const uint8_t iv[ENT_CHACHA20_IV_BYTES])
{
    if (stream->ctx == NULL) {
        stream->ctx = EVP_CIPHER_CTX_new();
        if (stream->ctx == NULL) {
            return ent_ossl_error(ENT_E_NO_MEMORY, "cannot start a key stream");
        }
    }
    if (EVP_EncryptInit_ex(stream->ctx, EVP_chacha20(), NULL, key, iv) != 1) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot start a key stream");
    }
    return ENT_E_OK;
}

enum ent_err ent_chacha20_read(struct ent_chacha20 *stream, uint8_t *out, size_t len)
{
    int n = 0;

    ENT_BUG_ON(stream->ctx == NULL || len > (size_t)1 << 30);
    memset(out, 0, len); /* the stream is what zeros become */
    if (EVP_EncryptUpdate(stream->ctx, out, &n, out, (int)len) != 1 || n != (int)len) {
        ent_cleanse(out, len);
        return ent_ossl_error(ENT_E_INTERNAL, "cannot read a key stream");
    }
    return ENT_E_OK;
}

void ent_chacha20_release(struct ent_chacha20 *stream)
{
    EVP_CIPHER_CTX_free(stream->ctx); /* cleanses its state */
    stream->ctx = NULL;
}
