#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "common/crypto/secret.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_crypto/inject.h"

static const struct ent_hpke_context context = {{"purpose", 8}, {"round 7", 7}};

/* RFC 9180 A.2.1, sequence 0 */
static const char sk_receiver[] =
    "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb";
static const char sk_ephemeral[] =
    "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600";
static const char enc_hex[] = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a";
static const char ct_hex[] = "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db"
                             "21993c62ce81883d2dd1b51a28";
static const char plain_text[] = "Beauty is truth, truth beauty";

ENT_TEST(hpke, as_the_rfc)
{
    const size_t len = sizeof plain_text - 1;
    const struct ent_hpke_context rfc = {{"Ode on a Grecian Urn", 20}, {"Count-0", 7}};
    uint8_t want[sizeof plain_text - 1 + ENT_HPKE_EXTRA_BYTES];
    uint8_t secret[32];
    uint8_t pub[32];
    uint8_t out[sizeof plain_text - 1];
    struct ent_x25519_key *key = NULL;
    struct ent_buf sealed;

    ENT_OK(ent_unhex(enc_hex, want, ENT_HPKE_ENC_BYTES));
    ENT_OK(ent_unhex(ct_hex, want + ENT_HPKE_ENC_BYTES, len + ENT_HPKE_TAG_BYTES));
    ENT_OK(ent_unhex(sk_receiver, secret, sizeof secret));
    ENT_OK(ent_x25519_key_of_secret(secret, &key));
    ent_x25519_key_pub(key, pub);
    ENT_OK(ent_unhex(sk_ephemeral, secret, sizeof secret));
    inject_next(secret, sizeof secret);
    ent_buf_init(&sealed, sizeof want);
    ENT_OK(ent_hpke_seal(pub, &rfc, (struct ent_part){plain_text, len}, &sealed));
    CU_ASSERT(sealed.len == sizeof want && memcmp(sealed.data, want, sizeof want) == 0);
    ENT_OK(ent_hpke_open(key, &rfc, (struct ent_part){want, sizeof want}, out));
    CU_ASSERT_EQUAL(memcmp(out, plain_text, len), 0);
    ent_buf_release(&sealed);
    ent_x25519_key_free(key);
}

struct pair {
    struct ent_x25519_key *key;
    uint8_t pub[ENT_X25519_PUB_BYTES];
};

static struct pair new_pair(void)
{
    struct pair p = {0};

    ENT_OK(ent_x25519_key_generate(&p.key));
    ent_x25519_key_pub(p.key, p.pub);
    return p;
}

static void round_trip(const struct pair *p, size_t len)
{
    struct ent_buf sealed;
    uint8_t *plain = NULL;
    uint8_t *out = NULL;

    ENT_OK(ent_calloc(len, 1, &plain));
    ENT_OK(ent_calloc(len, 1, &out));
    for (size_t i = 0; i < len; i++) {
        plain[i] = (uint8_t)(i * 7);
    }
    ent_buf_init(&sealed, len + ENT_HPKE_EXTRA_BYTES + 3);
    ENT_OK(ent_buf_add(&sealed, "abc", 3));
    ENT_OK(ent_hpke_seal(p->pub, &context, (struct ent_part){plain, len}, &sealed));
    CU_ASSERT_EQUAL(sealed.len, len + ENT_HPKE_EXTRA_BYTES + 3);
    CU_ASSERT_EQUAL(memcmp(sealed.data, "abc", 3), 0);
    ENT_OK(
        ent_hpke_open(p->key, &context, (struct ent_part){sealed.data + 3, sealed.len - 3}, out));
    CU_ASSERT_EQUAL(memcmp(out, plain, len), 0);
    ENT_OK(ent_hpke_open(p->key, &context, (struct ent_part){sealed.data + 3, sealed.len - 3},
                         sealed.data + 3 + ENT_HPKE_ENC_BYTES)); /* where it stands */
    CU_ASSERT_EQUAL(memcmp(sealed.data + 3 + ENT_HPKE_ENC_BYTES, plain, len), 0);
    ent_buf_release(&sealed);
    free(out);
    free(plain);
}

ENT_TEST(hpke, opens_what_was_sealed)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 63, 64, 65, 4096, 100001};
    struct pair p = new_pair();

    for (size_t i = 0; i < ENT_ARRAY_LEN(lens); i++) {
        round_trip(&p, lens[i]);
    }
    ent_x25519_key_free(p.key);
}

static void refused(const struct pair *p, const struct ent_hpke_context *c, struct ent_part sealed)
{
    uint8_t out[64];
    size_t len = sealed.len >= ENT_HPKE_EXTRA_BYTES ? sealed.len - ENT_HPKE_EXTRA_BYTES : 0;

    memset(out, 9, sizeof out);
    ENT_FAILS(ent_hpke_open(p->key, c, sealed, out), ENT_E_SIGNATURE);
    CU_ASSERT(ent_all_zero(out, len));
    CU_ASSERT_EQUAL(out[len], 9); /* and nothing beyond it touched */
}

ENT_TEST(hpke, every_changed_bit_and_cut_is_refused)
{
    struct pair p = new_pair();
    struct ent_buf sealed;
    uint8_t out[64];
    uint8_t *cut;

    ent_buf_init(&sealed, 256);
    ENT_OK(ent_hpke_seal(p.pub, &context, (struct ent_part){"some bytes", 10}, &sealed));
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        /* X25519 ignores the highest bit of enc; the derivation does not. */
        sealed.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        refused(&p, &context, (struct ent_part){sealed.data, sealed.len});
        sealed.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < sealed.len; len++) {
        cut = malloc(len > 0 ? len : 1); /* so that reading beyond is seen */
        CU_ASSERT_FATAL(cut != NULL);
        memcpy(cut, sealed.data, len);
        refused(&p, &context, (struct ent_part){cut, len});
        free(cut);
    }
    ENT_OK(ent_hpke_open(p.key, &context, (struct ent_part){sealed.data, sealed.len}, out));
    ent_buf_release(&sealed);
    ent_x25519_key_free(p.key);
}

ENT_TEST(hpke, another_key_purpose_or_aad_is_refused)
{
    struct pair p = new_pair();
    struct pair q = new_pair();
    struct ent_hpke_context c = context;
    struct ent_buf sealed;
    struct ent_part part;

    ent_buf_init(&sealed, 256);
    ENT_OK(ent_hpke_seal(p.pub, &context, (struct ent_part){"some bytes", 10}, &sealed));
    part = (struct ent_part){sealed.data, sealed.len};
    refused(&q, &context, part);
    c.info.len--;
    refused(&p, &c, part);
    c = context;
    c.aad = (struct ent_part){"round 8", 7};
    refused(&p, &c, part);
    c.aad.len = 0;
    refused(&p, &c, part);
    ent_buf_release(&sealed);
    ent_x25519_key_free(q.key);
    ent_x25519_key_free(p.key);
}

ENT_TEST(hpke, no_key_of_small_order)
{
    static const uint8_t zero[ENT_X25519_PUB_BYTES];
    uint8_t bytes[ENT_HPKE_EXTRA_BYTES] = {0}; /* enc is zero */
    uint8_t enc[ENT_HPKE_ENC_BYTES] = {5};
    struct ent_hpke_sealer *sealer = NULL;
    struct ent_hpke_opener *opener = NULL;
    struct pair p = new_pair();
    struct ent_buf sealed;

    ent_buf_init(&sealed, 256);
    ENT_FAILS(ent_hpke_seal(zero, &context, (struct ent_part){"x", 1}, &sealed), ENT_E_SIGNATURE);
    CU_ASSERT_EQUAL(sealed.len, 0);
    ENT_FAILS(ent_hpke_seal_begin(zero, &context, enc, &sealer), ENT_E_SIGNATURE);
    CU_ASSERT(sealer == NULL && enc[0] == 5);
    refused(&p, &context, (struct ent_part){bytes, sizeof bytes});
    ENT_FAILS(ent_hpke_open_begin(p.key, &context, bytes, &opener), ENT_E_SIGNATURE);
    CU_ASSERT_PTR_NULL(opener);
    ent_buf_release(&sealed);
    ent_x25519_key_free(p.key);
}

ENT_TEST(hpke, limits)
{
    static const uint8_t info[ENT_HPKE_INFO_MAX_BYTES + 1];
    struct ent_hpke_context c = {{info, sizeof info}, {NULL, 0}};
    struct pair p = new_pair();
    struct ent_buf sealed;
    uint8_t out[1];

    ent_buf_init(&sealed, ENT_HPKE_EXTRA_BYTES + 1);
    ENT_FAILS(ent_hpke_seal(p.pub, &c, (struct ent_part){"x", 1}, &sealed), ENT_E_LIMIT);
    c.info.len--;
    ENT_FAILS(ent_hpke_seal(p.pub, &c, (struct ent_part){"xy", 2}, &sealed), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(sealed.len, 0);
    ENT_OK(ent_hpke_seal(p.pub, &c, (struct ent_part){"x", 1}, &sealed));
    ENT_OK(ent_hpke_open(p.key, &c, (struct ent_part){sealed.data, sealed.len}, out));
    CU_ASSERT_EQUAL(out[0], 'x');
    ent_buf_release(&sealed);
    ent_x25519_key_free(p.key);
}

/* Sealed in pieces of one size, in place; opened in pieces of another, and in one call. */
static void in_pieces(const struct pair *p, size_t len, size_t seal_step, size_t open_step)
{
    struct ent_hpke_sealer *sealer = NULL;
    struct ent_hpke_opener *opener = NULL;
    uint8_t *sealed = NULL;
    uint8_t *out = NULL;
    uint8_t *body;
    bool same = true;

    ENT_OK(ent_calloc(len + ENT_HPKE_EXTRA_BYTES, 1, &sealed));
    ENT_OK(ent_calloc(len, 1, &out));
    body = sealed + ENT_HPKE_ENC_BYTES;
    for (size_t i = 0; i < len; i++) {
        body[i] = (uint8_t)(i ^ (i >> 8));
    }
    ENT_OK(ent_hpke_seal_begin(p->pub, &context, sealed, &sealer));
    for (size_t at = 0; at < len; at += seal_step) {
        size_t n = len - at < seal_step ? len - at : seal_step;

        ENT_OK(ent_hpke_seal_update(sealer, body + at, n, body + at));
    }
    ENT_OK(ent_hpke_seal_finish(sealer, body + len));
    ent_hpke_seal_free(sealer);
    ENT_OK(ent_hpke_open(p->key, &context, (struct ent_part){sealed, len + ENT_HPKE_EXTRA_BYTES},
                         out));
    ENT_OK(ent_hpke_open_begin(p->key, &context, sealed, &opener));
    for (size_t at = 0; at < len; at += open_step) {
        size_t n = len - at < open_step ? len - at : open_step;

        ENT_OK(ent_hpke_open_update(opener, body + at, n, body + at));
    }
    ENT_OK(ent_hpke_open_finish(opener, body + len));
    ent_hpke_open_free(opener);
    for (size_t i = 0; i < len; i++) {
        same = same && out[i] == (uint8_t)(i ^ (i >> 8)) && body[i] == out[i];
    }
    CU_ASSERT(same);
    free(out);
    free(sealed);
}

ENT_TEST(hpke, in_pieces)
{
    struct pair p = new_pair();

    in_pieces(&p, 1, 1, 1);
    in_pieces(&p, 1000, 1, 7);
    in_pieces(&p, 5003, 64, 63);
    in_pieces(&p, (size_t)4 << 20, 65536, (size_t)1 << 20);
    ent_hpke_seal_free(NULL);
    ent_hpke_open_free(NULL);
    ent_x25519_key_free(p.key);
}

ENT_TEST(hpke, pieces_that_were_changed)
{
    struct ent_hpke_opener *opener = NULL;
    struct pair p = new_pair();
    struct ent_buf sealed;
    uint8_t out[10];

    ent_buf_init(&sealed, 256);
    ENT_OK(ent_hpke_seal(p.pub, &context, (struct ent_part){"some bytes", 10}, &sealed));
    sealed.data[sealed.len - 1] ^= 1;
    ENT_OK(ent_hpke_open_begin(p.key, &context, sealed.data, &opener));
    ENT_OK(ent_hpke_open_update(opener, sealed.data + ENT_HPKE_ENC_BYTES, 10, out));
    ENT_FAILS(ent_hpke_open_finish(opener, sealed.data + ENT_HPKE_ENC_BYTES + 10), ENT_E_SIGNATURE);
    ent_hpke_open_free(opener);
    ent_buf_release(&sealed);
    ent_x25519_key_free(p.key);
}

/* Two seals of the same bytes have nothing in common. */
ENT_TEST(hpke, fresh_key_each_time)
{
    struct pair p = new_pair();
    struct ent_buf a;
    struct ent_buf b;

    ent_buf_init(&a, 256);
    ent_buf_init(&b, 256);
    ENT_OK(ent_hpke_seal(p.pub, &context, (struct ent_part){"some bytes", 10}, &a));
    ENT_OK(ent_hpke_seal(p.pub, &context, (struct ent_part){"some bytes", 10}, &b));
    CU_ASSERT(memcmp(a.data, b.data, ENT_HPKE_ENC_BYTES) != 0);
    CU_ASSERT(memcmp(a.data + ENT_HPKE_ENC_BYTES, b.data + ENT_HPKE_ENC_BYTES, 26) != 0);
    ent_buf_release(&b);
    ent_buf_release(&a);
    ent_x25519_key_free(p.key);
}
