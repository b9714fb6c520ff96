#include <stdlib.h>

#include "common/base/mem.h"
#include "common/crypto/ossl.h"

static enum ent_err key_take(EVP_PKEY *pkey, struct ent_tls_key **out)
{
    struct ent_tls_key *key = NULL;
    enum ent_err err = ent_ossl_check_p256(pkey);

    if (err == ENT_E_OK) {
        err = ent_calloc(1, sizeof *key, &key);
    }
    if (err != ENT_E_OK) {
        EVP_PKEY_free(pkey);
        return err;
    }
    key->pkey = pkey;
    *out = key;
    return ENT_E_OK;
}

enum ent_err ent_tls_key_generate(struct ent_tls_key **out)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    if (pkey == NULL) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot make a TLS key");
    }
    return key_take(pkey, out);
}

enum ent_err ent_tls_key_save(const struct ent_tls_key *key, const char *path)
{
    return ent_ossl_key_save(key->pkey, path);
}

enum ent_err ent_tls_key_load(const char *path, struct ent_tls_key **out)
{
    EVP_PKEY *pkey = NULL;
    enum ent_err err;

    ENT_TRY(ent_ossl_key_load(path, EVP_PKEY_EC, "ECDSA P-256", &pkey));
    err = key_take(pkey, out);
    if (err == ENT_E_UNSUPPORTED) {
        return ent_err_note(ENT_E_CORRUPT, "%s: it holds no ECDSA P-256 key", path);
    }
    return err;
}

void ent_tls_key_free(struct ent_tls_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}
