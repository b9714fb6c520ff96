#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "common/crypto/ossl.h"

enum ent_err ent_pem_encode(const char *label, const uint8_t *der, size_t len, struct ent_buf *pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n;
    enum ent_err err;

    if (bio == NULL || len > ENT_PEM_MAX_BYTES ||
        PEM_write_bio(bio, label, "", der, (long)len) <= 0) {
        BIO_free(bio);
        return ent_ossl_error(ENT_E_NO_MEMORY, "cannot write PEM");
    }
    n = BIO_get_mem_data(bio, &text);
    err = ent_buf_add(pem, text, n > 0 ? (size_t)n : 0);
    BIO_free(bio);
    return err;
}

/* One block of any label. *found: whether it had the one asked for. */
static enum ent_err read_block(BIO *bio, const char *label, struct ent_buf *der, bool *found)
{
    char *name = NULL;
    char *header = NULL;
    unsigned char *bytes = NULL;
    long len = 0;
    enum ent_err err = ENT_E_OK;

    if (PEM_read_bio(bio, &name, &header, &bytes, &len) != 1) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return ent_err_note(ENT_E_NOT_FOUND, "no (further) %s in PEM", label);
        }
        return ent_ossl_error(ENT_E_DATA, "a PEM block is damaged");
    }
    *found = strcmp(name, label) == 0;
    if (*found) {
        err = ent_buf_add(der, bytes, len > 0 ? (size_t)len : 0);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(bytes, len > 0 ? (size_t)len : 0);
    return err;
}

enum ent_err ent_pem_next(const char *label, const char *pem, size_t len, size_t *pos,
                          struct ent_buf *der)
{
    BIO *bio;
    bool found = false;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(len <= ENT_PEM_MAX_BYTES, ENT_E_LIMIT, "more than %zu bytes of PEM",
                ENT_PEM_MAX_BYTES);
    ENT_REQUIRE(*pos < len, ENT_E_NOT_FOUND, "no (further) %s in PEM", label);
    bio = BIO_new_mem_buf(pem + *pos, (int)(len - *pos));
    ENT_REQUIRE(bio != NULL, ENT_E_NO_MEMORY, "out of memory");
    while (err == ENT_E_OK && !found) {
        err = read_block(bio, label, der, &found);
    }
    if (err == ENT_E_OK) {
        *pos = len - (size_t)BIO_ctrl_pending(bio);
    }
    BIO_free(bio);
    return err;
}
