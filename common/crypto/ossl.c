#include "common/crypto/ossl.h"

#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>

#include "common/base/file.h"

#define KEY_FILE_MAX_BYTES ((size_t)16 * 1024)

enum ent_err ent_ossl_error(enum ent_err err, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return ent_err_note(err, "%s: %s", what, reason != NULL ? reason : "refused by OpenSSL");
}

/* Never ask for a password on the terminal: our keys have none. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return -1;
}

enum ent_err ent_ossl_key_load(const char *path, int type, const char *named, EVP_PKEY **out)
{
    struct ent_secret pem = {0};
    BIO *bio = NULL;
    EVP_PKEY *pkey = NULL;
    enum ent_err err;

    ENT_TRY(ent_secret_read_file(&pem, path, KEY_FILE_MAX_BYTES));
    bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
    if (bio != NULL) {
        pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    }
    BIO_free(bio);
    ent_secret_release(&pem);
    if (pkey == NULL) {
        err = ent_ossl_error(ENT_E_CORRUPT, "not a private key in PEM");
        return ent_err_prefix(err, "%s", path);
    }
    if (EVP_PKEY_get_base_id(pkey) != type) {
        EVP_PKEY_free(pkey);
        return ent_err_note(ENT_E_CORRUPT, "%s: it holds no %s key", path, named);
    }
    *out = pkey;
    return ENT_E_OK;
}

enum ent_err ent_ossl_key_save(const EVP_PKEY *pkey, const char *path)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *pem = NULL;
    long len;
    enum ent_err err;

    ENT_REQUIRE(bio != NULL, ENT_E_NO_MEMORY, "out of memory");
    if (PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(bio);
        return ent_ossl_error(ENT_E_INTERNAL, "cannot write a key as PEM");
    }
    len = BIO_get_mem_data(bio, &pem);
    err = ent_secret_write_file(path, pem, len > 0 ? (size_t)len : 0);
    BIO_free(bio); /* secmem: cleansed */
    return err;
}

enum ent_err ent_ossl_check_p256(const EVP_PKEY *pkey)
{
    char group[64] = "";
    size_t len = 0;

    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) != 1 ||
        strcmp(group, SN_X9_62_prime256v1) != 0) {
        ERR_clear_error();
        return ent_err_note(ENT_E_UNSUPPORTED, "the TLS key is not ECDSA on P-256");
    }
    return ENT_E_OK;
}

enum ent_err ent_ossl_time_of(const ASN1_TIME *time, uint64_t *out_ms)
{
    struct tm tm;
    time_t t;

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) {
        return ent_ossl_error(ENT_E_CORRUPT, "a time in a certificate cannot be read");
    }
    t = timegm(&tm);
    ENT_REQUIRE(t >= 0, ENT_E_CORRUPT, "a time in a certificate lies before 1970");
    *out_ms = (uint64_t)t * 1000;
    return ENT_E_OK;
}

enum ent_err ent_ossl_time_make(uint64_t ms, ASN1_TIME **out)
{
    ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)(ms / 1000));

    if (time == NULL) {
        return ent_ossl_error(ENT_E_RANGE, "a time does not fit a certificate");
    }
    *out = time;
    return ENT_E_OK;
}

enum ent_err ent_ossl_add_der(struct ent_buf *out, const unsigned char *der, int len,
                              const char *what)
{
    if (der == NULL || len <= 0) {
        return ent_ossl_error(ENT_E_INTERNAL, what);
    }
    return ent_buf_add(out, der, (size_t)len);
}

enum ent_err ent_ossl_pem_file(const char *path, const char *label, struct ent_buf *der)
{
    struct ent_buf pem;
    size_t pos = 0;
    enum ent_err err;

    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    err = ent_file_read(path, &pem);
    if (err == ENT_E_OK) {
        err = ent_pem_next(label, (const char *)pem.data, pem.len, &pos, der);
        if (err == ENT_E_NOT_FOUND || err == ENT_E_DATA) {
            err = ent_err_note(ENT_E_CORRUPT, "%s: it holds no %s in PEM", path, label);
        }
    }
    ent_buf_release(&pem);
    return err;
}
