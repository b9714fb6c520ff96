#include "common/crypto/hpke.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/hkdf.h"
#include "common/crypto/ossl.h"

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define STEP_BYTES ((size_t)1 << 30) /* what one call of OpenSSL takes: below INT_MAX */

/* RFC 9180 5.1 and 7: KEM 0x0020, KDF 0x0001, AEAD 0x0003. */
static const uint8_t kem_suite[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t hpke_suite[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x03};

/* One cipher under way, in either direction. */
struct stream {
    EVP_CIPHER_CTX *ctx;
    uint64_t n_bytes;
    bool finished;
};

struct ent_hpke_sealer {
    struct stream stream;
};

struct ent_hpke_opener {
    struct stream stream;
};

/* ---- labelled derivations (RFC 9180 4) ---- */

struct labeled {
    uint8_t bytes[320 + ENT_HPKE_INFO_MAX_BYTES];
    size_t len;
};

static void put(struct labeled *l, const void *bytes, size_t len)
{
    ENT_BUG_ON(len > sizeof l->bytes - l->len);
    if (len > 0) {
        memcpy(l->bytes + l->len, bytes, len);
        l->len += len;
    }
}

/* "HPKE-v1" || suite || label || bytes */
static void put_labeled(struct labeled *l, struct ent_part suite, const char *label,
                        struct ent_part bytes)
{
    static const char version[] = "HPKE-v1";

    put(l, version, sizeof version - 1);
    put(l, suite.bytes, suite.len);
    put(l, label, strlen(label));
    put(l, bytes.bytes, bytes.len);
}

static struct ent_part part_of(const struct labeled *l)
{
    return (struct ent_part){l->bytes, l->len};
}

/* LabeledExtract with an empty salt: HMAC under 32 zeros. */
static enum ent_err extract(const char *label, struct ent_part ikm, uint8_t out[ENT_SHA256_BYTES])
{
    static const uint8_t zero[ENT_SHA256_BYTES];
    struct labeled l = {.len = 0};
    size_t len = 0;

    put_labeled(&l, (struct ent_part){hpke_suite, sizeof hpke_suite}, label, ikm);
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, zero, sizeof zero, l.bytes, l.len, out,
                  ENT_SHA256_BYTES, &len) == NULL ||
        len != ENT_SHA256_BYTES) {
        return ent_ossl_error(ENT_E_INTERNAL, "HMAC failed");
    }
    return ENT_E_OK;
}

static void put_expand(struct labeled *l, struct ent_part suite, const char *label,
                       struct ent_part info, size_t out_len)
{
    uint8_t len[2];

    ent_put_be16(len, (uint16_t)out_len);
    put(l, len, sizeof len);
    put_labeled(l, suite, label, info);
}

/* ExtractAndExpand of the KEM: dh -> shared_secret. */
static enum ent_err kem_secret(const uint8_t dh[ENT_X25519_SHARED_BYTES],
                               const uint8_t enc[ENT_HPKE_ENC_BYTES],
                               const uint8_t pk[ENT_X25519_PUB_BYTES], uint8_t out[KEY_BYTES])
{
    const struct ent_part suite = {kem_suite, sizeof kem_suite};
    uint8_t kem_context[ENT_HPKE_ENC_BYTES + ENT_X25519_PUB_BYTES];
    struct labeled ikm = {.len = 0};
    struct labeled info = {.len = 0};
    enum ent_err err;

    memcpy(kem_context, enc, ENT_HPKE_ENC_BYTES);
    memcpy(kem_context + ENT_HPKE_ENC_BYTES, pk, ENT_X25519_PUB_BYTES);
    put_labeled(&ikm, suite, "eae_prk", (struct ent_part){dh, ENT_X25519_SHARED_BYTES});
    put_expand(&info, suite, "shared_secret", (struct ent_part){kem_context, sizeof kem_context},
               KEY_BYTES);
    err =
        ent_hkdf_sha256(part_of(&ikm), (struct ent_part){NULL, 0}, part_of(&info), out, KEY_BYTES);
    ent_cleanse(&ikm, sizeof ikm);
    return err;
}

struct schedule {
    uint8_t shared[KEY_BYTES];
    uint8_t key[KEY_BYTES];
    uint8_t nonce[NONCE_BYTES]; /* of sequence 0: the base nonce itself */
};

/* KeySchedule, mode base: no psk. */
static enum ent_err key_schedule(struct ent_part info, struct schedule *s)
{
    const struct ent_part suite = {hpke_suite, sizeof hpke_suite};
    const struct ent_part none = {NULL, 0};
    const struct ent_part salt = {s->shared, sizeof s->shared};
    uint8_t context[1 + 2 * ENT_SHA256_BYTES] = {0x00};
    struct labeled ikm = {.len = 0};
    struct labeled key = {.len = 0};
    struct labeled nonce = {.len = 0};

    ENT_TRY(extract("psk_id_hash", none, context + 1));
    ENT_TRY(extract("info_hash", info, context + 1 + ENT_SHA256_BYTES));
    put_labeled(&ikm, suite, "secret", none);
    put_expand(&key, suite, "key", (struct ent_part){context, sizeof context}, sizeof s->key);
    put_expand(&nonce, suite, "base_nonce", (struct ent_part){context, sizeof context},
               sizeof s->nonce);
    ENT_TRY(ent_hkdf_sha256(part_of(&ikm), salt, part_of(&key), s->key, sizeof s->key));
    return ent_hkdf_sha256(part_of(&ikm), salt, part_of(&nonce), s->nonce, sizeof s->nonce);
}

/* ---- the cipher ---- */

static enum ent_err cipher_start(const struct schedule *s, int encrypt, struct ent_part aad,
                                 struct stream *stream)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = cipher != NULL && ctx != NULL &&
              EVP_CipherInit_ex2(ctx, cipher, s->key, s->nonce, encrypt, NULL) == 1 &&
              (aad.len == 0 || EVP_CipherUpdate(ctx, NULL, &n, aad.bytes, (int)aad.len) == 1);

    EVP_CIPHER_free(cipher);
    if (!ok) {
        EVP_CIPHER_CTX_free(ctx);
        return ent_ossl_error(ENT_E_INTERNAL, "cannot start a cipher");
    }
    stream->ctx = ctx;
    return ENT_E_OK;
}

struct side { /* how the two sides come to dh, and what both put into the derivation */
    const uint8_t *enc;
    const uint8_t *pk; /* the receiver's */
    int encrypt;
};

static enum ent_err stream_start(const struct side *side, const uint8_t dh[ENT_X25519_SHARED_BYTES],
                                 const struct ent_hpke_context *context, struct stream *stream)
{
    struct ent_secret room = {0};
    struct schedule *s;
    enum ent_err err;

    ENT_TRY(ent_secret_init(&room, sizeof *s));
    s = (struct schedule *)(void *)room.bytes;
    err = kem_secret(dh, side->enc, side->pk, s->shared);
    if (err == ENT_E_OK) {
        err = key_schedule(context->info, s);
    }
    if (err == ENT_E_OK) {
        err = cipher_start(s, side->encrypt, context->aad, stream);
    }
    ent_secret_release(&room);
    return err;
}

static enum ent_err check_context(const struct ent_hpke_context *context)
{
    ENT_REQUIRE(context->info.len <= ENT_HPKE_INFO_MAX_BYTES && context->aad.len <= INT_MAX,
                ENT_E_LIMIT,
                "sealing takes at most %d bytes of info and %d of aad, not %zu and %zu",
                ENT_HPKE_INFO_MAX_BYTES, INT_MAX, context->info.len, context->aad.len);
    return ENT_E_OK;
}

static enum ent_err stream_update(struct stream *stream, const void *bytes, size_t len,
                                  uint8_t *out)
{
    const uint8_t *from = bytes;
    size_t done = 0;
    int n = 0;

    ENT_BUG_ON(stream->finished);
    ENT_REQUIRE(len <= ENT_HPKE_PLAIN_MAX_BYTES - stream->n_bytes, ENT_E_LIMIT,
                "more bytes than can be sealed under one key");
    stream->n_bytes += len;
    while (done < len) {
        size_t step = len - done < STEP_BYTES ? len - done : STEP_BYTES;

        if (EVP_CipherUpdate(stream->ctx, out + done, &n, from + done, (int)step) != 1 ||
            n != (int)step) {
            return ent_ossl_error(ENT_E_INTERNAL, "a cipher failed");
        }
        done += step;
    }
    return ENT_E_OK;
}

/* ---- sealing ---- */

static enum ent_err seal_start(const uint8_t pk[ENT_X25519_PUB_BYTES],
                               const struct ent_hpke_context *context,
                               uint8_t enc[ENT_HPKE_ENC_BYTES], struct stream *stream)
{
    const struct side side = {enc, pk, 1};
    struct ent_x25519_key *ephemeral = NULL;
    uint8_t dh[ENT_X25519_SHARED_BYTES];
    enum ent_err err;

    ENT_TRY(ent_x25519_key_generate(&ephemeral));
    ent_x25519_key_pub(ephemeral, enc);
    err = ent_x25519_agree(ephemeral, pk, dh);
    ent_x25519_key_free(ephemeral);
    if (err == ENT_E_OK) {
        err = stream_start(&side, dh, context, stream);
        ent_cleanse(dh, sizeof dh);
    }
    return err;
}

enum ent_err ent_hpke_seal_begin(const uint8_t pk[ENT_X25519_PUB_BYTES],
                                 const struct ent_hpke_context *context,
                                 uint8_t enc[ENT_HPKE_ENC_BYTES], struct ent_hpke_sealer **out)
{
    uint8_t made[ENT_HPKE_ENC_BYTES];
    struct ent_hpke_sealer *sealer = NULL;
    enum ent_err err;

    ENT_TRY(check_context(context));
    ENT_TRY(ent_calloc(1, sizeof *sealer, &sealer));
    err = seal_start(pk, context, made, &sealer->stream);
    if (err != ENT_E_OK) {
        free(sealer);
        return err;
    }
    memcpy(enc, made, sizeof made);
    *out = sealer;
    return ENT_E_OK;
}

enum ent_err ent_hpke_seal_update(struct ent_hpke_sealer *sealer, const void *bytes, size_t len,
                                  uint8_t *out)
{
    return stream_update(&sealer->stream, bytes, len, out);
}

enum ent_err ent_hpke_seal_finish(struct ent_hpke_sealer *sealer, uint8_t tag[ENT_HPKE_TAG_BYTES])
{
    struct stream *stream = &sealer->stream;
    uint8_t rest[ENT_HPKE_TAG_BYTES]; /* a stream cipher leaves nothing for the end */
    uint8_t made[ENT_HPKE_TAG_BYTES];
    int n = 0;

    ENT_BUG_ON(stream->finished);
    stream->finished = true;
    if (EVP_CipherFinal_ex(stream->ctx, rest, &n) != 1 || n != 0 ||
        EVP_CIPHER_CTX_ctrl(stream->ctx, EVP_CTRL_AEAD_GET_TAG, ENT_HPKE_TAG_BYTES, made) != 1) {
        return ent_ossl_error(ENT_E_INTERNAL, "cannot encrypt");
    }
    memcpy(tag, made, sizeof made);
    return ENT_E_OK;
}

void ent_hpke_seal_free(struct ent_hpke_sealer *sealer)
{
    if (sealer != NULL) {
        EVP_CIPHER_CTX_free(sealer->stream.ctx);
        free(sealer);
    }
}

/* out: [plain.len + ENT_HPKE_EXTRA_BYTES] */
static enum ent_err seal_into(const uint8_t pk[ENT_X25519_PUB_BYTES],
                              const struct ent_hpke_context *context, struct ent_part plain,
                              uint8_t *out)
{
    struct ent_hpke_sealer *sealer = NULL;
    enum ent_err err;

    ENT_TRY(ent_hpke_seal_begin(pk, context, out, &sealer));
    err = ent_hpke_seal_update(sealer, plain.bytes, plain.len, out + ENT_HPKE_ENC_BYTES);
    if (err == ENT_E_OK) {
        err = ent_hpke_seal_finish(sealer, out + ENT_HPKE_ENC_BYTES + plain.len);
    }
    ent_hpke_seal_free(sealer);
    return err;
}

enum ent_err ent_hpke_seal(const uint8_t pk[ENT_X25519_PUB_BYTES],
                           const struct ent_hpke_context *context, struct ent_part plain,
                           struct ent_buf *out)
{
    const size_t before = out->len;
    size_t len = 0;
    uint8_t *to = NULL;
    enum ent_err err;

    ENT_TRY(ent_size_add(plain.len, ENT_HPKE_EXTRA_BYTES, &len));
    ENT_TRY(ent_buf_extend(out, len, &to));
    err = seal_into(pk, context, plain, to);
    if (err != ENT_E_OK) {
        out->len = before;
    }
    return err;
}

/* ---- opening ---- */

enum ent_err ent_hpke_open_begin(const struct ent_x25519_key *key,
                                 const struct ent_hpke_context *context,
                                 const uint8_t enc[ENT_HPKE_ENC_BYTES],
                                 struct ent_hpke_opener **out)
{
    uint8_t pk[ENT_X25519_PUB_BYTES];
    const struct side side = {enc, pk, 0};
    uint8_t dh[ENT_X25519_SHARED_BYTES];
    struct ent_hpke_opener *opener = NULL;
    enum ent_err err;

    ENT_TRY(check_context(context));
    ENT_TRY(ent_calloc(1, sizeof *opener, &opener));
    ent_x25519_key_pub(key, pk);
    err = ent_x25519_agree(key, enc, dh);
    if (err == ENT_E_OK) {
        err = stream_start(&side, dh, context, &opener->stream);
        ent_cleanse(dh, sizeof dh);
    }
    if (err != ENT_E_OK) {
        free(opener);
        return err;
    }
    *out = opener;
    return ENT_E_OK;
}

enum ent_err ent_hpke_open_update(struct ent_hpke_opener *opener, const void *bytes, size_t len,
                                  uint8_t *out)
{
    return stream_update(&opener->stream, bytes, len, out);
}

enum ent_err ent_hpke_open_finish(struct ent_hpke_opener *opener,
                                  const uint8_t tag[ENT_HPKE_TAG_BYTES])
{
    struct stream *stream = &opener->stream;
    uint8_t writable[ENT_HPKE_TAG_BYTES]; /* the control call wants it so */
    uint8_t rest[ENT_HPKE_TAG_BYTES];
    int n = 0;

    ENT_BUG_ON(stream->finished);
    stream->finished = true;
    memcpy(writable, tag, sizeof writable);
    if (EVP_CIPHER_CTX_ctrl(stream->ctx, EVP_CTRL_AEAD_SET_TAG, ENT_HPKE_TAG_BYTES, writable) !=
            1 ||
        EVP_CipherFinal_ex(stream->ctx, rest, &n) != 1 || n != 0) {
        (void)ent_ossl_error(ENT_E_SIGNATURE, "decryption");
        return ent_err_note(ENT_E_SIGNATURE, "the seal does not open: it was altered, or made for "
                                             "another key or another purpose");
    }
    return ENT_E_OK;
}

void ent_hpke_open_free(struct ent_hpke_opener *opener)
{
    if (opener != NULL) {
        EVP_CIPHER_CTX_free(opener->stream.ctx);
        free(opener);
    }
}

static enum ent_err open_into(struct ent_hpke_opener *opener, const uint8_t *bytes, size_t len,
                              uint8_t *out)
{
    uint8_t tag[ENT_HPKE_TAG_BYTES];

    memcpy(tag, bytes + len, sizeof tag);
    ENT_TRY(ent_hpke_open_update(opener, bytes, len, out));
    return ent_hpke_open_finish(opener, tag);
}

enum ent_err ent_hpke_open(const struct ent_x25519_key *key, const struct ent_hpke_context *context,
                           struct ent_part sealed, uint8_t *out)
{
    const uint8_t *bytes = sealed.bytes;
    struct ent_hpke_opener *opener = NULL;
    size_t len;
    enum ent_err err;

    ENT_REQUIRE(sealed.len >= ENT_HPKE_EXTRA_BYTES, ENT_E_SIGNATURE,
                "a seal of %zu bytes: shorter than any", sealed.len);
    len = sealed.len - ENT_HPKE_EXTRA_BYTES;
    err = ent_hpke_open_begin(key, context, bytes, &opener);
    if (err == ENT_E_OK) {
        err = open_into(opener, bytes + ENT_HPKE_ENC_BYTES, len, out);
    }
    ent_hpke_open_free(opener);
    if (err != ENT_E_OK && len > 0) {
        ent_cleanse(out, len); /* what was deciphered is not authentic */
    }
    return err;
}
