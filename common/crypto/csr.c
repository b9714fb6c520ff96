#include <openssl/err.h>

#include "common/crypto/ossl.h"

static bool fill(X509_REQ *req, const struct ent_tls_key *key, const char *common_name)
{
    X509_NAME *name = X509_REQ_get_subject_name(req);

    return X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1 &&
           X509_REQ_set_pubkey(req, key->pkey) == 1 &&
           X509_REQ_sign(req, key->pkey, EVP_sha256()) > 0;
}

enum ent_err ent_csr_make(const struct ent_tls_key *key, const char *common_name,
                          struct ent_buf *der)
{
    X509_REQ *req = X509_REQ_new();
    unsigned char *bytes = NULL;
    int len = -1;
    enum ent_err err;

    if (req != NULL && fill(req, key, common_name)) {
        len = i2d_X509_REQ(req, &bytes);
    }
    err = ent_ossl_add_der(der, bytes, len, "cannot make a signing request");
    OPENSSL_free(bytes);
    X509_REQ_free(req);
    return err;
}

static enum ent_err check(X509_REQ *req)
{
    EVP_PKEY *pkey = X509_REQ_get0_pubkey(req);

    if (pkey == NULL) {
        return ent_ossl_error(ENT_E_DATA, "no usable key in the signing request");
    }
    ENT_TRY(ent_ossl_check_p256(pkey));
    if (X509_REQ_verify(req, pkey) != 1) {
        return ent_ossl_error(ENT_E_SIGNATURE, "the signing request is not signed by its own key");
    }
    return ENT_E_OK;
}

enum ent_err ent_ossl_csr_decode(const uint8_t *der, size_t len, X509_REQ **out)
{
    const unsigned char *p = der;
    X509_REQ *req;
    enum ent_err err;

    ENT_REQUIRE(len <= ENT_CSR_DER_MAX_BYTES, ENT_E_LIMIT,
                "a signing request of %zu bytes, at most %zu", len, ENT_CSR_DER_MAX_BYTES);
    req = d2i_X509_REQ(NULL, &p, (long)len);
    if (req == NULL) {
        return ent_ossl_error(ENT_E_DATA, "not a signing request");
    }
    if (p != der + len) {
        err = ent_err_note(ENT_E_DATA, "bytes behind the signing request");
    } else {
        err = check(req);
    }
    if (err != ENT_E_OK) {
        X509_REQ_free(req);
        return err;
    }
    *out = req;
    return ENT_E_OK;
}

enum ent_err ent_csr_check(const uint8_t *der, size_t len)
{
    X509_REQ *req = NULL;

    ENT_TRY(ent_ossl_csr_decode(der, len, &req));
    X509_REQ_free(req);
    return ENT_E_OK;
}
