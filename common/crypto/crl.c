#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/ossl.h"

void ent_crl_free(struct ent_crl *crl)
{
    if (crl != NULL) {
        X509_CRL_free(crl->crl);
        free(crl);
    }
}

static ASN1_INTEGER *integer_of(const uint8_t *bytes, size_t len)
{
    BIGNUM *bn = BN_bin2bn(bytes, (int)len, NULL);
    ASN1_INTEGER *out = bn != NULL ? BN_to_ASN1_INTEGER(bn, NULL) : NULL;

    BN_free(bn);
    return out;
}

static bool add_serial(X509_CRL *crl, const uint8_t serial[ENT_SERIAL_BYTES], ASN1_TIME *when)
{
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *number = integer_of(serial, ENT_SERIAL_BYTES);
    bool ok = revoked != NULL && number != NULL &&
              X509_REVOKED_set_serialNumber(revoked, number) == 1 &&
              X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
              X509_CRL_add0_revoked(crl, revoked) == 1;

    ASN1_INTEGER_free(number);
    if (!ok) {
        X509_REVOKED_free(revoked);
    }
    return ok;
}

static bool add_number(X509_CRL *crl, uint64_t number)
{
    uint8_t bytes[8];
    ASN1_INTEGER *value;
    bool ok;

    ent_put_be64(bytes, number);
    value = integer_of(bytes, sizeof bytes);
    ok = value != NULL &&
         X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_INTEGER_free(value);
    return ok;
}

static bool add_authority(X509_CRL *crl, X509 *issuer)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    ok = ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static enum ent_err fill(X509_CRL *crl, const struct ent_crl_spec *spec, X509 *issuer,
                         EVP_PKEY *key)
{
    ASN1_TIME *from = NULL;
    ASN1_TIME *to = NULL;
    bool ok;
    enum ent_err err = ent_ossl_time_make(spec->this_update_ms, &from);

    if (err == ENT_E_OK) {
        err = ent_ossl_time_make(spec->next_update_ms, &to);
    }
    if (err == ENT_E_OK) {
        ok = X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
             X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
             X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1 &&
             add_number(crl, spec->number) && add_authority(crl, issuer);
        for (size_t i = 0; ok && i < spec->n_serials; i++) {
            ok = add_serial(crl, spec->serials[i], from);
        }
        ok = ok && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0;
        if (!ok) {
            err = ent_ossl_error(ENT_E_INTERNAL, "cannot make a revocation list");
        }
    }
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return err;
}

enum ent_err ent_crl_make(const struct ent_crl_spec *spec, const struct ent_cert *ca,
                          const struct ent_tls_key *ca_key, struct ent_crl **out)
{
    struct ent_crl *crl = NULL;
    enum ent_err err;

    ENT_REQUIRE(spec->this_update_ms < spec->next_update_ms, ENT_E_RANGE,
                "a revocation list that ends first");
    ENT_TRY(ent_calloc(1, sizeof *crl, &crl));
    crl->crl = X509_CRL_new();
    if (crl->crl == NULL) {
        err = ent_err_note(ENT_E_NO_MEMORY, "out of memory for a revocation list");
    } else {
        err = fill(crl->crl, spec, ca->x509, ca_key->pkey);
    }
    if (err != ENT_E_OK) {
        ent_crl_free(crl);
        return err;
    }
    *out = crl;
    return ENT_E_OK;
}

enum ent_err ent_crl_decode(const uint8_t *der, size_t len, struct ent_crl **out)
{
    const unsigned char *p = der;
    struct ent_crl *crl = NULL;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(len <= ENT_CRL_DER_MAX_BYTES, ENT_E_LIMIT,
                "a revocation list of %zu bytes, at most %zu", len, ENT_CRL_DER_MAX_BYTES);
    ENT_TRY(ent_calloc(1, sizeof *crl, &crl));
    crl->crl = d2i_X509_CRL(NULL, &p, (long)len);
    if (crl->crl == NULL) {
        err = ent_ossl_error(ENT_E_DATA, "not a revocation list");
    } else if (p != der + len) {
        err = ent_err_note(ENT_E_DATA, "bytes behind the revocation list");
    }
    if (err != ENT_E_OK) {
        ent_crl_free(crl);
        return err;
    }
    *out = crl;
    return ENT_E_OK;
}

enum ent_err ent_crl_encode(const struct ent_crl *crl, struct ent_buf *der)
{
    unsigned char *bytes = NULL;
    int len = i2d_X509_CRL(crl->crl, &bytes);
    enum ent_err err = ent_ossl_add_der(der, bytes, len, "cannot encode a revocation list");

    OPENSSL_free(bytes);
    return err;
}

enum ent_err ent_crl_load(const char *path, struct ent_crl **out)
{
    struct ent_buf der;
    enum ent_err err;

    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    err = ent_ossl_pem_file(path, "X509 CRL", &der);
    if (err == ENT_E_OK) {
        err = ent_crl_decode(der.data, der.len, out);
        if (err == ENT_E_DATA) {
            err = ent_err_note(ENT_E_CORRUPT, "%s: the revocation list is damaged", path);
        }
    }
    ent_buf_release(&der);
    return err;
}

enum ent_err ent_crl_save(const struct ent_crl *crl, const char *path)
{
    struct ent_buf der;
    struct ent_buf pem;
    enum ent_err err;

    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    err = ent_crl_encode(crl, &der);
    if (err == ENT_E_OK) {
        err = ent_pem_encode("X509 CRL", der.data, der.len, &pem);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, pem.data, pem.len, 0644);
    }
    ent_buf_release(&pem);
    ent_buf_release(&der);
    return err;
}

static enum ent_err read_number(const X509_CRL *crl, uint64_t *out)
{
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    int ok = number != NULL ? ASN1_INTEGER_get_uint64(out, number) : 0;

    ASN1_INTEGER_free(number);
    ERR_clear_error();
    ENT_REQUIRE(ok == 1, ENT_E_DATA, "a revocation list without a number");
    return ENT_E_OK;
}

enum ent_err ent_crl_info(const struct ent_crl *crl, struct ent_crl_info *out)
{
    struct ent_crl_info info = {0};
    const STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl->crl);
    int n = list != NULL ? sk_X509_REVOKED_num(list) : 0;

    ENT_TRY(read_number(crl->crl, &info.number));
    ENT_TRY(ent_ossl_time_of(X509_CRL_get0_lastUpdate(crl->crl), &info.this_update_ms));
    ENT_TRY(ent_ossl_time_of(X509_CRL_get0_nextUpdate(crl->crl), &info.next_update_ms));
    info.n_serials = n > 0 ? (size_t)n : 0;
    *out = info;
    return ENT_E_OK;
}

enum ent_err ent_crl_verify(const struct ent_crl *crl, const struct ent_cert *ca)
{
    EVP_PKEY *pub = X509_get0_pubkey(ca->x509);
    bool ok = pub != NULL && X509_CRL_verify(crl->crl, pub) == 1;

    ERR_clear_error();
    ENT_REQUIRE(ok, ENT_E_SIGNATURE,
                "the revocation list is not signed by the federation's authority");
    return ENT_E_OK;
}

bool ent_crl_has(const struct ent_crl *crl, const uint8_t serial[ENT_SERIAL_BYTES])
{
    ASN1_INTEGER *number = integer_of(serial, ENT_SERIAL_BYTES);
    X509_REVOKED *found = NULL;
    bool has = number == NULL || X509_CRL_get0_by_serial(crl->crl, &found, number) == 1;

    ASN1_INTEGER_free(number);
    return has; /* without memory to look: as if it were */
}
