#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/ossl.h"

#define SERIAL_RANDOM_BYTES 16

/* 127 random bits, never zero: positive, and at most 20 bytes (RFC 5280 4.1.2.2). */
static enum ent_err set_serial(X509 *x509)
{
    struct ent_csprng csprng = ent_csprng_system();
    uint8_t bytes[SERIAL_RANDOM_BYTES];
    BIGNUM *bn;
    bool ok;

    ENT_TRY(ent_csprng_bytes(&csprng, bytes, sizeof bytes));
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* all serials have the same length */
    bn = BN_bin2bn(bytes, sizeof bytes, NULL);
    ok = bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x509)) != NULL;
    BN_free(bn);
    return ok ? ENT_E_OK : ent_ossl_error(ENT_E_NO_MEMORY, "cannot set a serial number");
}

static enum ent_err set_times(X509 *x509, const struct ent_cert_spec *spec)
{
    ASN1_TIME *from = NULL;
    ASN1_TIME *to = NULL;
    enum ent_err err = ent_ossl_time_make(spec->not_before_ms, &from);

    if (err == ENT_E_OK) {
        err = ent_ossl_time_make(spec->not_after_ms, &to);
    }
    if (err == ENT_E_OK &&
        (X509_set1_notBefore(x509, from) != 1 || X509_set1_notAfter(x509, to) != 1)) {
        err = ent_ossl_error(ENT_E_NO_MEMORY, "cannot set the times of a certificate");
    }
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return err;
}

static bool add_ext(X509 *x509, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(x509, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return ok;
}

/* Built from values, not from a text in OpenSSL's configuration language, so that a name cannot
 * smuggle in another. */
static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value_take)
{
    GENERAL_NAME *name = GENERAL_NAME_new();

    if (name == NULL || value_take == NULL) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value_take);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value_take);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static ASN1_STRING *ia5(const char *text)
{
    ASN1_STRING *s = ASN1_IA5STRING_new();

    if (s != NULL && ASN1_STRING_set(s, text, -1) != 1) {
        ASN1_STRING_free(s);
        return NULL;
    }
    return s;
}

static bool add_names(X509 *x509, const struct ent_cert_spec *spec)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;

    if (ok && spec->host != NULL) {
        ASN1_OCTET_STRING *ip = a2i_IPADDRESS(spec->host);

        ERR_clear_error(); /* not an address: a DNS name */
        ok = ip != NULL ? push_name(names, GEN_IPADD, ip)
                        : push_name(names, GEN_DNS, ia5(spec->host));
    }
    if (ok && spec->uri != NULL) {
        ok = push_name(names, GEN_URI, ia5(spec->uri));
    }
    if (ok && sk_GENERAL_NAME_num(names) > 0) {
        ok = X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    }
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_extensions(X509 *x509, X509 *issuer, const struct ent_cert_spec *spec)
{
    X509V3_CTX ctx;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
    ok = add_ext(x509, &ctx, NID_basic_constraints,
                 spec->ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
         add_ext(x509, &ctx, NID_key_usage,
                 spec->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
         add_ext(x509, &ctx, NID_subject_key_identifier, "hash") &&
         (issuer == x509 || add_ext(x509, &ctx, NID_authority_key_identifier, "keyid:always"));
    if (ok && (spec->server_auth || spec->client_auth)) {
        const char *usage = spec->server_auth && spec->client_auth ? "serverAuth,clientAuth"
                            : spec->server_auth                    ? "serverAuth"
                                                                   : "clientAuth";

        ok = add_ext(x509, &ctx, NID_ext_key_usage, usage);
    }
    return ok && add_names(x509, spec);
}

static bool set_subject(X509 *x509, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(x509);

    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"entente", -1,
                                      -1, 0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

struct signer {
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *key;
};

static enum ent_err build(X509 *x509, const struct ent_cert_spec *spec, const struct signer *signer,
                          EVP_PKEY *pub)
{
    X509 *issuer = signer->issuer != NULL ? signer->issuer : x509;

    ENT_REQUIRE(spec->not_before_ms < spec->not_after_ms, ENT_E_RANGE,
                "a certificate that ends before it begins");
    ENT_TRY(set_serial(x509));
    ENT_TRY(set_times(x509, spec));
    if (X509_set_version(x509, X509_VERSION_3) != 1 || !set_subject(x509, spec->common_name)) {
        return ent_ossl_error(
            ENT_E_DATA, "cannot set the subject of a certificate (a name of 1 to 64 characters)");
    }
    if (X509_set_issuer_name(x509, X509_get_subject_name(issuer)) != 1 ||
        X509_set_pubkey(x509, pub) != 1 || !add_extensions(x509, issuer, spec)) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot fill a certificate");
    }
    if (X509_sign(x509, signer->key, EVP_sha256()) <= 0) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot sign a certificate");
    }
    return ENT_E_OK;
}

static enum ent_err issue(const struct ent_cert_spec *spec, const struct signer *signer,
                          EVP_PKEY *pub, struct ent_cert **out)
{
    struct ent_cert *cert = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *cert, &cert));
    cert->x509 = X509_new();
    if (cert->x509 == NULL) {
        err = ent_err_note(ENT_E_NO_MEMORY, "out of memory for a certificate");
    } else {
        err = build(cert->x509, spec, signer, pub);
    }
    if (err != ENT_E_OK) {
        ent_cert_free(cert);
        return err;
    }
    *out = cert;
    return ENT_E_OK;
}

enum ent_err ent_cert_make_ca(const struct ent_cert_spec *spec, const struct ent_tls_key *key,
                              struct ent_cert **out)
{
    struct signer signer = {NULL, key->pkey};

    return issue(spec, &signer, key->pkey, out);
}

enum ent_err ent_cert_issue_key(const struct ent_cert_spec *spec, const struct ent_cert *ca,
                                const struct ent_tls_key *ca_key, const struct ent_tls_key *key,
                                struct ent_cert **out)
{
    struct signer signer = {ca->x509, ca_key->pkey};

    return issue(spec, &signer, key->pkey, out);
}

enum ent_err ent_cert_issue_csr(const struct ent_cert_spec *spec, const struct ent_cert *ca,
                                const struct ent_tls_key *ca_key, const uint8_t *csr,
                                size_t csr_len, struct ent_cert **out)
{
    struct signer signer = {ca->x509, ca_key->pkey};
    X509_REQ *req = NULL;
    enum ent_err err;

    ENT_TRY(ent_ossl_csr_decode(csr, csr_len, &req));
    err = issue(spec, &signer, X509_REQ_get0_pubkey(req), out);
    X509_REQ_free(req);
    return err;
}
