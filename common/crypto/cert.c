#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/ossl.h"

void ent_cert_free(struct ent_cert *cert)
{
    if (cert != NULL) {
        X509_free(cert->x509);
        free(cert);
    }
}

enum ent_err ent_cert_encode(const struct ent_cert *cert, struct ent_buf *der)
{
    unsigned char *bytes = NULL;
    int len = i2d_X509(cert->x509, &bytes);
    enum ent_err err = ent_ossl_add_der(der, bytes, len, "cannot encode a certificate");

    OPENSSL_free(bytes);
    return err;
}

enum ent_err ent_cert_public(const struct ent_cert *cert, struct ent_buf *der)
{
    unsigned char *bytes = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509), &bytes);
    enum ent_err err = ent_ossl_add_der(der, bytes, len, "cannot encode a public key");

    OPENSSL_free(bytes);
    return err;
}

/* The bytes that others hash must be the bytes that we would write: nothing behind, one encoding.
 */
static enum ent_err check_canonical(const struct ent_cert *cert, const uint8_t *der, size_t len)
{
    struct ent_buf again;
    enum ent_err err;

    ent_buf_init(&again, ENT_CERT_DER_MAX_BYTES);
    err = ent_cert_encode(cert, &again);
    if (err == ENT_E_OK && (again.len != len || !ent_ct_equal(again.data, der, len))) {
        err = ent_err_note(ENT_E_DATA, "not one certificate in DER");
    }
    ent_buf_release(&again);
    return err;
}

enum ent_err ent_cert_decode(const uint8_t *der, size_t len, struct ent_cert **out)
{
    const unsigned char *p = der;
    struct ent_cert *cert = NULL;
    enum ent_err err;

    ENT_REQUIRE(len <= ENT_CERT_DER_MAX_BYTES, ENT_E_LIMIT,
                "a certificate of %zu bytes, at most %zu", len, ENT_CERT_DER_MAX_BYTES);
    ENT_TRY(ent_calloc(1, sizeof *cert, &cert));
    cert->x509 = d2i_X509(NULL, &p, (long)len);
    if (cert->x509 == NULL) {
        err = ent_ossl_error(ENT_E_DATA, "not a certificate");
    } else {
        err = check_canonical(cert, der, len);
    }
    if (err != ENT_E_OK) {
        ent_cert_free(cert);
        return err;
    }
    *out = cert;
    return ENT_E_OK;
}

enum ent_err ent_cert_encode_pem(const struct ent_cert *cert, struct ent_buf *pem)
{
    struct ent_buf der;
    enum ent_err err;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    err = ent_cert_encode(cert, &der);
    if (err == ENT_E_OK) {
        err = ent_pem_encode("CERTIFICATE", der.data, der.len, pem);
    }
    ent_buf_release(&der);
    return err;
}

enum ent_err ent_cert_load(const char *path, struct ent_cert **out)
{
    struct ent_buf der;
    enum ent_err err;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    err = ent_ossl_pem_file(path, "CERTIFICATE", &der);
    if (err == ENT_E_OK) {
        err = ent_cert_decode(der.data, der.len, out);
        if (err == ENT_E_DATA) {
            err = ent_err_note(ENT_E_CORRUPT, "%s: the certificate is damaged", path);
        }
    }
    ent_buf_release(&der);
    return err;
}

enum ent_err ent_cert_save(const struct ent_cert *cert, const struct ent_cert *chain,
                           const char *path)
{
    struct ent_buf pem;
    enum ent_err err;

    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    err = ent_cert_encode_pem(cert, &pem);
    if (err == ENT_E_OK && chain != NULL) {
        err = ent_cert_encode_pem(chain, &pem);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, pem.data, pem.len, 0644);
    }
    ent_buf_release(&pem);
    return err;
}

/* The one URI among the alternative names; several, or one with odd characters, count as none. */
static void read_uri(const struct ent_cert *cert, char out[ENT_CERT_URI_MAX])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
    int n_uris = 0;

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING *uri;
        int len;

        if (name->type != GEN_URI) {
            continue;
        }
        uri = name->d.uniformResourceIdentifier;
        len = ASN1_STRING_length(uri);
        n_uris++;
        if (len > 0 && len < ENT_CERT_URI_MAX &&
            memchr(ASN1_STRING_get0_data(uri), '\0', (size_t)len) == NULL) {
            memcpy(out, ASN1_STRING_get0_data(uri), (size_t)len);
            out[len] = '\0';
        }
    }
    if (n_uris != 1) {
        out[0] = '\0';
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

static void read_common_name(const struct ent_cert *cert, char *out, size_t out_bytes)
{
    X509_NAME *name = X509_get_subject_name(cert->x509);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *text = NULL;
    int len = -1;

    out[0] = '\0';
    if (at >= 0) {
        len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    }
    if (len > 0) {
        size_t n = (size_t)len < out_bytes - 1 ? (size_t)len : out_bytes - 1;

        memcpy(out, text, n);
        out[n] = '\0';
    }
    OPENSSL_free(text);
}

static enum ent_err read_serial(const ASN1_INTEGER *serial, uint8_t out[ENT_SERIAL_BYTES])
{
    BIGNUM *bn = ASN1_INTEGER_to_BN(serial, NULL);
    bool ok = bn != NULL && !BN_is_negative(bn) &&
              BN_bn2binpad(bn, out, ENT_SERIAL_BYTES) == ENT_SERIAL_BYTES;

    BN_free(bn);
    ERR_clear_error();
    ENT_REQUIRE(ok, ENT_E_DATA, "the serial number of a certificate is not of 1 to 20 bytes");
    return ENT_E_OK;
}

enum ent_err ent_cert_info(const struct ent_cert *cert, struct ent_cert_info *out)
{
    struct ent_cert_info info = {0};
    struct ent_buf der;
    uint32_t usage =
        X509_get_extended_key_usage(cert->x509); /* all bits when there is no such extension */
    enum ent_err err;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    err = ent_cert_encode(cert, &der);
    if (err == ENT_E_OK) {
        err = ent_sha256(der.data, der.len, info.sha256);
    }
    ent_buf_release(&der);
    ENT_TRY(err);
    ENT_TRY(read_serial(X509_get0_serialNumber(cert->x509), info.serial));
    ENT_TRY(ent_ossl_time_of(X509_get0_notBefore(cert->x509), &info.not_before_ms));
    ENT_TRY(ent_ossl_time_of(X509_get0_notAfter(cert->x509), &info.not_after_ms));
    info.ca = X509_check_ca(cert->x509) > 0;
    info.server_auth = usage != UINT32_MAX && (usage & XKU_SSL_SERVER) != 0;
    info.client_auth = usage != UINT32_MAX && (usage & XKU_SSL_CLIENT) != 0;
    read_uri(cert, info.uri);
    read_common_name(cert, info.common_name, sizeof info.common_name);
    *out = info;
    return ENT_E_OK;
}

enum ent_err ent_cert_check_key(const struct ent_cert *cert, const struct ent_tls_key *key)
{
    EVP_PKEY *pub = X509_get0_pubkey(cert->x509);
    bool same = pub != NULL && EVP_PKEY_eq(pub, key->pkey) == 1;

    ERR_clear_error();
    ENT_REQUIRE(same, ENT_E_DIGEST, "the certificate is for another key");
    return ENT_E_OK;
}

enum ent_err ent_cert_check_host(const struct ent_cert *cert, const char *host)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
    int ok;

    if (ip != NULL) {
        ok = X509_check_ip_asc(cert->x509, host, 0);
    } else {
        ok = X509_check_host(cert->x509, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
    }
    ASN1_OCTET_STRING_free(ip);
    ERR_clear_error();
    ENT_REQUIRE(ok == 1, ENT_E_TLS, "the certificate is not for %s", host);
    return ENT_E_OK;
}

static enum ent_err verify_result(int code)
{
    const char *words = X509_verify_cert_error_string(code);

    switch (code) {
    case X509_V_OK:
        return ENT_E_OK;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return ent_err_note(ENT_E_EXPIRED, "%s", words);
    case X509_V_ERR_CERT_REVOKED:
        return ent_err_note(ENT_E_REVOKED, "%s", words);
    default:
        return ent_err_note(ENT_E_TLS, "%s", words);
    }
}

static int verify_in(X509_STORE *store, X509_STORE_CTX *ctx, X509 *x509,
                     enum ent_cert_purpose purpose, uint64_t wall_ms)
{
    X509_VERIFY_PARAM *param;

    if (X509_STORE_CTX_init(ctx, store, x509, NULL) != 1) {
        return X509_V_ERR_OUT_OF_MEM;
    }
    param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)(wall_ms / 1000));
    if (purpose != ENT_CERT_ANY &&
        X509_VERIFY_PARAM_set_purpose(param, purpose == ENT_CERT_SERVER
                                                 ? X509_PURPOSE_SSL_SERVER
                                                 : X509_PURPOSE_SSL_CLIENT) != 1) {
        return X509_V_ERR_UNSPECIFIED;
    }
    return X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
}

enum ent_err ent_cert_verify(const struct ent_cert *cert, const struct ent_cert *ca,
                             const struct ent_crl *crl, enum ent_cert_purpose purpose,
                             uint64_t wall_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    unsigned long flags = X509_V_FLAG_X509_STRICT | (crl != NULL ? X509_V_FLAG_CRL_CHECK : 0);
    int code = X509_V_ERR_OUT_OF_MEM;

    if (store != NULL && ctx != NULL && X509_STORE_add_cert(store, ca->x509) == 1 &&
        (crl == NULL || X509_STORE_add_crl(store, crl->crl) == 1) &&
        X509_STORE_set_flags(store, flags) == 1) {
        code = verify_in(store, ctx, cert->x509, purpose, wall_ms);
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return verify_result(code);
}
