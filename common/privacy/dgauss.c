#include "common/privacy/dgauss.h"

#include "common/crypto/chacha20.h"
#include "common/crypto/secret.h"
#include "common/privacy/privacy.h"

/* Key stream bytes fetched at a time: one chunk of coordinates takes about 400 kB. */
#define STREAM_BYTES 16384u
#define STREAM_WORDS (STREAM_BYTES / 8u)
/* Geometric steps beyond which the stream cannot be one (probability e^-4096): products would no longer fit. */
#define GEOMETRIC_MAX 4096u

__extension__ typedef unsigned __int128 u128;

/* The words of one chunk, one after the other. Errors of the cipher stick; the words after one are varied but worthless, so
 * that the loops below end and the error comes out. */
struct words {
    struct ent_chacha20 stream;
    enum ent_err err;
    size_t at;
    union {
        uint8_t bytes[STREAM_BYTES];
        uint64_t words[STREAM_WORDS];
    } buf;
};

/* sigma2, and what is derived from it once. */
struct sampler {
    uint64_t sigma2;
    uint64_t t;      /* scale of the discrete Laplace: floor(sigma) + 1 */
    uint64_t t_mask; /* to the bit length of t - 1 */
    u128 den;        /* 2 sigma2 t^2 */
};

static void refill(struct words *w)
{
    w->at = 0;
    if (w->err == ENT_E_OK) {
        w->err = ent_chacha20_read(&w->stream, w->buf.bytes, STREAM_BYTES);
    }
    if (w->err != ENT_E_OK) {
        for (size_t i = 0; i < STREAM_WORDS; i++) {
            w->buf.words[i] = (i + 1) * 0x9E3779B97F4A7C15u;
        }
        return;
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i < STREAM_WORDS; i++) {
        w->buf.words[i] = __builtin_bswap64(w->buf.words[i]);
    }
#endif
}

static inline uint64_t next_word(struct words *w)
{
    if (__builtin_expect(w->at == STREAM_WORDS, 0)) {
        refill(w);
    }
    return w->buf.words[w->at++];
}

/* Ones to the bit length of v. */
static inline uint64_t ones64(uint64_t v)
{
    return v == 0 ? 0 : UINT64_MAX >> __builtin_clzll(v);
}

/* Uniform in [0, n), n >= 1; mask = ones64(n - 1). */
static inline uint64_t below64(struct words *w, uint64_t n, uint64_t mask)
{
    uint64_t v;

    do {
        v = next_word(w) & mask;
    } while (v >= n);
    return v;
}

static inline u128 below128(struct words *w, u128 n)
{
    uint64_t high = (uint64_t)((n - 1) >> 64);
    uint64_t mask;
    u128 v;

    if (high == 0) {
        /* n = 2^64 has no 64-bit form */
        mask = ones64((uint64_t)(n - 1));
        do {
            v = next_word(w) & mask;
        } while (v >= n);
        return v;
    }
    mask = ones64(high);
    do {
        v = (u128)(next_word(w) & mask) << 64; /* the high word is drawn first */
        v |= next_word(w);
    } while (v >= n);
    return v;
}

/* True with probability exp(-1). The first draw of the rule, below(1), is always 0 and takes its word. */
static inline bool bernoulli_e(struct words *w)
{
    uint64_t k = 2;

    (void)next_word(w);
    while (below64(w, k, ones64(k - 1)) == 0) {
        k++;
    }
    return (k & 1) != 0;
}

/* True with probability exp(-a / b), a <= b < 2^63. */
static inline bool bernoulli_exp64(struct words *w, uint64_t a, uint64_t b, uint64_t mask)
{
    uint64_t k = 1;

    while (below64(w, b * k, k == 1 ? mask : ones64(b * k - 1)) < a) {
        k++;
    }
    return (k & 1) != 0;
}

/* True with probability exp(-a / b), any a. The fraction is never reduced: the draws are part of the format. */
static bool bernoulli_exp(struct words *w, u128 a, u128 b)
{
    u128 bound = b;
    uint64_t k = 1;

    while (a > b) {
        if (!bernoulli_e(w)) {
            return false;
        }
        a -= b;
    }
    while (below128(w, bound) < a) {
        k++;
        bound += b;
    }
    return (k & 1) != 0;
}

/* One coordinate. With sigma2 < 2^52: t <= 2^26, y < 2^38, (y t - sigma2)^2 < 2^128, 2 sigma2 t^2 < 2^105. */
static int64_t draw(struct words *w, const struct sampler *s)
{
    for (;;) {
        uint64_t u = below64(w, s->t, s->t_mask);
        uint64_t v = 0;
        uint64_t y;
        u128 diff;
        bool negative;

        if (!bernoulli_exp64(w, u, s->t, s->t_mask)) {
            continue;
        }
        while (bernoulli_e(w)) {
            v++;
            ENT_BUG_ON(v >= GEOMETRIC_MAX);
        }
        y = u + s->t * v;
        negative = (next_word(w) & 1) != 0;
        if (negative && y == 0) {
            continue; /* zero would count twice */
        }
        diff = (u128)y * s->t;
        diff = diff > s->sigma2 ? diff - s->sigma2 : s->sigma2 - diff;
        if (!bernoulli_exp(w, diff * diff, s->den)) {
            continue;
        }
        return negative ? -(int64_t)y : (int64_t)y;
    }
}

/* floor(sqrt(v)) bit by bit. */
static uint64_t isqrt(uint64_t v)
{
    uint64_t root = 0;

    for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1) {
        uint64_t with = root | bit;

        if (with * with <= v) {
            root = with;
        }
    }
    return root;
}

enum ent_err ent_dgauss_check(uint64_t sigma2)
{
    ENT_REQUIRE(
        sigma2 >= 1 && sigma2 <= ENT_DP_SIGMA2_MAX, ENT_E_RANGE,
        "noise of sigma2 = %llu: it must be a whole number from 1 to 2^52 - 1; choose other "
        "scale_bits",
        (unsigned long long)sigma2);
    return ENT_E_OK;
}

static enum ent_err fill_chunk(struct words *w, const uint8_t key[ENT_DGAUSS_KEY_BYTES],
                               const struct sampler *s, uint64_t chunk, int64_t *out, size_t n)
{
    uint8_t iv[ENT_CHACHA20_IV_BYTES] = {0};

    for (size_t i = 0; i < 8; i++) {
        iv[15 - i] = (uint8_t)(chunk >> (8 * i));
    }
    ENT_TRY(ent_chacha20_init(&w->stream, key, iv));
    w->at = STREAM_WORDS;
    for (size_t i = 0; i < n; i++) {
        out[i] = draw(w, s);
    }
    return w->err;
}

enum ent_err ent_dgauss_fill(const uint8_t key[ENT_DGAUSS_KEY_BYTES], uint64_t sigma2,
                             uint64_t first, int64_t *out, size_t n)
{
    struct words w = {.err = ENT_E_OK};
    struct sampler s = {.sigma2 = sigma2};
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_dgauss_check(sigma2));
    ENT_REQUIRE(first % ENT_DGAUSS_CHUNK == 0, ENT_E_RANGE,
                "noise begins at coordinate %llu, which is no multiple of %u",
                (unsigned long long)first, ENT_DGAUSS_CHUNK);
    ENT_REQUIRE(n <= UINT64_MAX - first, ENT_E_RANGE, "noise beyond coordinate 2^64");
    s.t = isqrt(sigma2) + 1;
    s.t_mask = ones64(s.t - 1);
    s.den = (u128)2 * sigma2 * s.t * s.t;
    for (size_t done = 0; done < n && err == ENT_E_OK;) {
        size_t step = n - done < ENT_DGAUSS_CHUNK ? n - done : ENT_DGAUSS_CHUNK;

        err = fill_chunk(&w, key, &s, (first + done) / ENT_DGAUSS_CHUNK, out + done, step);
        done += step;
    }
    ent_chacha20_release(&w.stream);
    ent_cleanse(&w, sizeof w);
    return err;
}
