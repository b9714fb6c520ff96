#include "common/crypto/sign.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "common/base/mem.h"
#include "common/crypto/ossl.h"

#define SHORT_MESSAGE_BYTES 2048 /* longer ones are joined on the heap */

/* The contexts are never used themselves but copied: that is cheap, and leaves them constant. */
struct ent_sign_key {
    EVP_PKEY *pkey;
    EVP_MD_CTX *ready;
    uint8_t pub[ENT_SIGN_PUB_BYTES];
};

struct ent_sign_pub {
    EVP_MD_CTX *ready;
};

static enum ent_err key_take(EVP_PKEY *pkey, struct ent_sign_key **out)
{
    struct ent_sign_key *key = NULL;
    size_t len = ENT_SIGN_PUB_BYTES;
    enum ent_err err = ent_calloc(1, sizeof *key, &key);

    if (err != ENT_E_OK) {
        EVP_PKEY_free(pkey);
        return err;
    }
    key->pkey = pkey;
    key->ready = EVP_MD_CTX_new();
    if (key->ready == NULL || EVP_PKEY_get_raw_public_key(pkey, key->pub, &len) != 1 ||
        EVP_DigestSignInit(key->ready, NULL, NULL, NULL, pkey) != 1) {
        ent_sign_key_free(key);
        return ent_ossl_error(ENT_E_INTERNAL, "an Ed25519 key that cannot sign");
    }
    *out = key;
    return ENT_E_OK;
}

enum ent_err ent_sign_key_generate(struct ent_sign_key **out)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    if (pkey == NULL) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot make an Ed25519 key");
    }
    return key_take(pkey, out);
}

enum ent_err ent_sign_key_of_seed(const uint8_t seed[ENT_SIGN_SEED_BYTES],
                                  struct ent_sign_key **out)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ENT_SIGN_SEED_BYTES);

    if (pkey == NULL) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot make an Ed25519 key");
    }
    return key_take(pkey, out);
}

enum ent_err ent_sign_key_save(const struct ent_sign_key *key, const char *path)
{
    return ent_ossl_key_save(key->pkey, path);
}

enum ent_err ent_sign_key_load(const char *path, struct ent_sign_key **out)
{
    EVP_PKEY *pkey = NULL;

    ENT_TRY(ent_ossl_key_load(path, EVP_PKEY_ED25519, "Ed25519", &pkey));
    return key_take(pkey, out);
}

void ent_sign_key_free(struct ent_sign_key *key)
{
    if (key != NULL) {
        EVP_MD_CTX_free(key->ready);
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

void ent_sign_key_pub(const struct ent_sign_key *key, uint8_t out[ENT_SIGN_PUB_BYTES])
{
    memcpy(out, key->pub, ENT_SIGN_PUB_BYTES);
}

/* Ed25519 hashes its message twice, so OpenSSL wants it in one piece. */
struct joined {
    const uint8_t *bytes;
    size_t len;
    uint8_t *heap;
    uint8_t local[SHORT_MESSAGE_BYTES];
};

static enum ent_err join(struct joined *j, const struct ent_part *parts, size_t n_parts)
{
    size_t len = 0;
    uint8_t *to = j->local;

    j->heap = NULL;
    for (size_t i = 0; i < n_parts; i++) {
        ENT_TRY(ent_size_add(len, parts[i].len, &len));
    }
    if (len > sizeof j->local) {
        ENT_TRY(ent_calloc(len, 1, &j->heap));
        to = j->heap;
    }
    j->bytes = to;
    j->len = len;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len > 0) {
            memcpy(to, parts[i].bytes, parts[i].len);
            to += parts[i].len;
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_sign(const struct ent_sign_key *key, const struct ent_part *parts, size_t n_parts,
                      uint8_t out[ENT_SIGN_BYTES])
{
    struct joined msg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[ENT_SIGN_BYTES];
    size_t sig_len = sizeof sig;
    enum ent_err err = ENT_E_OK;

    if (ctx == NULL) {
        return ent_err_note(ENT_E_NO_MEMORY, "out of memory for a signature");
    }
    err = join(&msg, parts, n_parts);
    if (err == ENT_E_OK && (EVP_MD_CTX_copy_ex(ctx, key->ready) != 1 ||
                            EVP_DigestSign(ctx, sig, &sig_len, msg.bytes, msg.len) != 1 ||
                            sig_len != ENT_SIGN_BYTES)) {
        err = ent_ossl_error(ENT_E_INTERNAL, "cannot sign");
    }
    if (err == ENT_E_OK) {
        memcpy(out, sig, ENT_SIGN_BYTES);
    }
    free(msg.heap);
    EVP_MD_CTX_free(ctx);
    return err;
}

static EVP_MD_CTX *ready_to_verify(const uint8_t pub[ENT_SIGN_PUB_BYTES])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, ENT_SIGN_PUB_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (pkey == NULL || ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    EVP_PKEY_free(pkey); /* the context holds it */
    return ctx;
}

enum ent_err ent_sign_pub_new(const uint8_t pub[ENT_SIGN_PUB_BYTES], struct ent_sign_pub **out)
{
    EVP_MD_CTX *ready = ready_to_verify(pub);
    struct ent_sign_pub *made = NULL;
    enum ent_err err;

    if (ready == NULL) {
        (void)ent_ossl_error(ENT_E_SIGNATURE, "not a public key for signatures");
        return ENT_E_SIGNATURE;
    }
    err = ent_calloc(1, sizeof *made, &made);
    if (err != ENT_E_OK) {
        EVP_MD_CTX_free(ready);
        return err;
    }
    made->ready = ready;
    *out = made;
    return ENT_E_OK;
}

void ent_sign_pub_free(struct ent_sign_pub *pub)
{
    if (pub != NULL) {
        EVP_MD_CTX_free(pub->ready);
        free(pub);
    }
}

enum ent_err ent_sign_pub_verify(const struct ent_sign_pub *pub, const struct ent_part *parts,
                                 size_t n_parts, const uint8_t sig[ENT_SIGN_BYTES])
{
    struct joined msg;
    EVP_MD_CTX *ctx;
    bool ok;

    ENT_TRY(join(&msg, parts, n_parts));
    ctx = EVP_MD_CTX_new();
    ok = ctx != NULL && EVP_MD_CTX_copy_ex(ctx, pub->ready) == 1 &&
         EVP_DigestVerify(ctx, sig, ENT_SIGN_BYTES, msg.bytes, msg.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    free(msg.heap);
    ENT_REQUIRE(ok, ENT_E_SIGNATURE, "the signature does not fit the message and the key");
    return ENT_E_OK;
}

enum ent_err ent_sign_verify(const uint8_t pub[ENT_SIGN_PUB_BYTES], const struct ent_part *parts,
                             size_t n_parts, const uint8_t sig[ENT_SIGN_BYTES])
{
    struct ent_sign_pub *ready = NULL;
    enum ent_err err;

    ENT_TRY(ent_sign_pub_new(pub, &ready));
    err = ent_sign_pub_verify(ready, parts, n_parts, sig);
    ent_sign_pub_free(ready);
    return err;
}

/* --- admission of public keys ---
 *
 * Curve: -x^2 + y^2 = 1 + d x^2 y^2 over p = 2^255 - 19; the encoding is y little-endian with the
 * sign of x on top. x^2 = (y^2 - 1) / (d y^2 + 1). The denominator is never 0 (d is no square, -1
 * is one), and u/v is a square exactly when u*v is: so the point exists when the Legendre symbol of
 * u*v is not -1. No inversion, no square root. */
static const char field_p[] = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char curve_d[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";

/* y of the eight points whose order divides 8: order 1, 2, 4 (two points), 8 (twice two points). */
static const char *const small_order_y[] = {
    "0000000000000000000000000000000000000000000000000000000000000001",
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
};

static bool is_small_order(const BIGNUM *y)
{
    BIGNUM *known = NULL;
    bool small = false;

    for (size_t i = 0; i < ENT_ARRAY_LEN(small_order_y) && !small; i++) {
        small = BN_hex2bn(&known, small_order_y[i]) == 0 || BN_cmp(known, y) == 0;
    }
    BN_free(known);
    return small;
}

/* 1: a point; 0: none; -1: no memory. */
static int on_curve(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
    BIGNUM *d = NULL;
    BIGNUM *u = BN_new();
    BIGNUM *v = BN_new();
    int symbol = -2;

    if (u != NULL && v != NULL && BN_hex2bn(&d, curve_d) != 0 && BN_mod_sqr(u, y, p, ctx) == 1 &&
        BN_mod_mul(v, d, u, p, ctx) == 1 && BN_add_word(v, 1) == 1 &&
        BN_sub(u, u, BN_value_one()) == 1 && BN_nnmod(u, u, p, ctx) == 1 &&
        BN_mod_mul(u, u, v, p, ctx) == 1) {
        symbol = BN_kronecker(u, p, ctx);
    }
    BN_free(d);
    BN_free(u);
    BN_free(v);
    if (symbol < -1) {
        return -1;
    }
    return symbol == -1 ? 0 : 1;
}

static enum ent_err check_y(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
    int on;

    ENT_REQUIRE(BN_cmp(y, p) < 0, ENT_E_SIGNATURE, "the public key is not in its canonical form");
    ENT_REQUIRE(!is_small_order(y), ENT_E_SIGNATURE, "the public key is a point of small order");
    on = on_curve(y, p, ctx);
    ENT_REQUIRE(on >= 0, ENT_E_NO_MEMORY, "out of memory for checking a public key");
    ENT_REQUIRE(on == 1, ENT_E_SIGNATURE, "the public key is no point of the curve");
    return ENT_E_OK;
}

enum ent_err ent_sign_pub_check(const uint8_t pub[ENT_SIGN_PUB_BYTES])
{
    uint8_t y_bytes[ENT_SIGN_PUB_BYTES];
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = NULL;
    BIGNUM *y;
    enum ent_err err;

    memcpy(y_bytes, pub, sizeof y_bytes);
    y_bytes[ENT_SIGN_PUB_BYTES - 1] &= 0x7f; /* the sign of x */
    y = BN_lebin2bn(y_bytes, sizeof y_bytes, NULL);
    if (ctx != NULL && y != NULL && BN_hex2bn(&p, field_p) != 0) {
        err = check_y(y, p, ctx);
    } else {
        err = ent_err_note(ENT_E_NO_MEMORY, "out of memory for checking a public key");
    }
    BN_free(y);
    BN_free(p);
    BN_CTX_free(ctx);
    return err;
}
