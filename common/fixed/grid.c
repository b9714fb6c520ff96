#include "common/fixed/grid.h"

#include <float.h>
#include <inttypes.h>
#include <string.h>

#include "common/fixed/le.h"

_Static_assert(FLT_EVAL_METHOD == 0, "float expressions must not carry extra precision");
_Static_assert(FLT_RADIX == 2 && FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53, "IEEE 754 types");

#define BLOCK 32 /* elements of an inner loop of constant length: compilers vectorise it at -O2 */

static uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* 2^e for a normal float. */
static float pow2f(int e)
{
    return float_of((uint32_t)(e + 127) << 23);
}

/* Largest magnitude as bits: without the sign, float order is integer order, and Inf and NaN come last. */
static uint32_t max_magnitude(const float *x, size_t n)
{
    uint32_t max[BLOCK] = {0};
    uint32_t all = 0;
    size_t i = 0;

    for (; i + BLOCK <= n; i += BLOCK) {
        for (size_t j = 0; j < BLOCK; j++) {
            uint32_t u = bits_of(x[i + j]) & 0x7FFFFFFFu;

            max[j] = u > max[j] ? u : max[j];
        }
    }
    for (; i < n; i++) {
        uint32_t u = bits_of(x[i]) & 0x7FFFFFFFu;

        all = u > all ? u : all;
    }
    for (size_t j = 0; j < BLOCK; j++) {
        all = max[j] > all ? max[j] : all;
    }
    return all;
}

/* Says which value is the first that cannot stay. */
static enum ent_err explain(const float *x, size_t n, uint32_t limit, uint32_t scale_bits)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]) & 0x7FFFFFFFu;

        ENT_REQUIRE(u < 0x7F800000u, ENT_E_NONFINITE,
                    "value %zu of the update is NaN or infinite: training diverged, lower the rate",
                    i);
        ENT_REQUIRE(u <= limit, ENT_E_RANGE,
                    "value %zu of the update does not fit the grid of scale_bits %" PRIu32
                    ": lower scale_bits or the rate",
                    i, scale_bits);
    }
    return ENT_E_INTERNAL;
}

/* |x| * 2^s is exact and at most 2^23. Adding 2^23 puts it where a float's last bit is 1, so the addition itself rounds
 * half to even (round-to-nearest mode; the self-test looks); taking 2^23 away again is exact. */
static int32_t round_one(float x, float scale)
{
    uint32_t u = bits_of(x);
    float magnitude = float_of(u & 0x7FFFFFFFu) * scale;
    int32_t q = (int32_t)((magnitude + 0x1p23f) - 0x1p23f);

    return (u >> 31) != 0 ? -q : q;
}

enum ent_err ent_grid_quantise(const float *x, size_t n, uint32_t scale_bits, int32_t *q)
{
    float scale;
    uint32_t limit;
    size_t i = 0;

    ENT_REQUIRE(scale_bits >= ENT_GRID_SCALE_BITS_MIN && scale_bits <= ENT_GRID_SCALE_BITS_MAX,
                ENT_E_CONFIG, "scale_bits %" PRIu32 " is outside %d..%d", scale_bits,
                ENT_GRID_SCALE_BITS_MIN, ENT_GRID_SCALE_BITS_MAX);
    scale = pow2f((int)scale_bits);
    limit =
        bits_of(pow2f(23 - (int)scale_bits)); /* from 2^23 on, floats on the grid are integers */
    if (max_magnitude(x, n) > limit) {
        return explain(x, n, limit, scale_bits);
    }
    for (; i + BLOCK <= n; i += BLOCK) {
        for (size_t j = 0; j < BLOCK; j++) {
            q[i + j] = round_one(x[i + j], scale);
        }
    }
    for (; i < n; i++) {
        q[i] = round_one(x[i], scale);
    }
    return ENT_E_OK;
}

static unsigned bit_length(uint64_t v)
{
    unsigned n = 0;

    while (v != 0) {
        v >>= 1;
        n++;
    }
    return n;
}

enum ent_err ent_grid_check_bound(uint64_t q_max, uint64_t weight_max, uint64_t n_inputs)
{
    unsigned q_bits = bit_length(q_max);
    unsigned w_bits = bit_length(weight_max);
    unsigned n_bits = n_inputs > 1 ? bit_length(n_inputs - 1) : 0; /* ceil(log2 n) */

    ENT_REQUIRE(
        q_bits + w_bits + n_bits + 1 <= 63, ENT_E_LIMIT,
        "sums could overflow: %u bits of value + %u of weight + %u of members + 1 is above 63",
        q_bits, w_bits, n_bits);
    return ENT_E_OK;
}

enum ent_err ent_grid_check32(const uint8_t *q, size_t n)
{
    const uint32_t q_max = (uint32_t)ENT_GRID_Q_MAX;
    uint32_t bad = 0;
    size_t i = 0;

    for (; i + BLOCK <= n; i += BLOCK) {
        uint32_t any[BLOCK];
        uint32_t block = 0;

        for (size_t j = 0; j < BLOCK; j++) {
            any[j] = (uint32_t)ent_le_get32(q + 4 * (i + j)) + q_max > 2 * q_max;
        }
        for (size_t j = 0; j < BLOCK; j++) {
            block |= any[j];
        }
        bad |= block;
    }
    for (; i < n; i++) {
        bad |= (uint32_t)ent_le_get32(q + 4 * i) + q_max > 2 * q_max;
    }
    if (bad == 0) {
        return ENT_E_OK;
    }
    for (i = 0; (uint32_t)ent_le_get32(q + 4 * i) + q_max <= 2 * q_max; i++) {
    }
    return ent_err_note(ENT_E_RANGE, "integer %zu of the update is outside -2^23..2^23", i);
}

enum ent_err ent_grid_check64(const uint8_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ENT_REQUIRE((uint64_t)ent_le_get64(v + 8 * i) <= (uint64_t)ENT_GRID_VALUE_MAX, ENT_E_RANGE,
                    "integer %zu of the update is outside 0..2^50 - 1", i);
    }
    return ENT_E_OK;
}

enum ent_err ent_grid_factor(uint64_t sum_w, uint32_t scale_bits, double *c)
{
    ENT_REQUIRE(sum_w > 0, ENT_E_TOO_FEW, "the weights of this round sum to 0");
    ENT_REQUIRE(sum_w < (uint64_t)ENT_GRID_SUM_MAX, ENT_E_LIMIT, "the weights sum to 2^53 or more");
    ENT_REQUIRE(scale_bits <= ENT_GRID_SCALE_BITS_MAX, ENT_E_CONFIG, "scale_bits %" PRIu32,
                scale_bits);
    *c = 1.0 / ((double)sum_w * (double)((uint64_t)1 << scale_bits));
    return ENT_E_OK;
}

static uint32_t apply_one(const float *model, int64_t sum, double c, float *out,
                          uint32_t *nonfinite)
{
    float m = (float)((double)*model + (double)sum * c);

    *out = m;
    *nonfinite |= (bits_of(m) & 0x7F800000u) == 0x7F800000u;
    return (uint64_t)(sum + (ENT_GRID_SUM_MAX - 1)) > 2 * (uint64_t)(ENT_GRID_SUM_MAX - 1);
}

enum ent_err ent_grid_apply(const float *model, const int64_t *sum, size_t n, double c, float *out)
{
    uint32_t nonfinite = 0;
    uint32_t large = 0;

    for (size_t i = 0; i < n; i++) {
        large |= apply_one(&model[i], sum[i], c, &out[i], &nonfinite);
    }
    ENT_REQUIRE(large == 0, ENT_E_RANGE, "a sum is 2^53 or more: lower scale_bits or the weights");
    ENT_REQUIRE(nonfinite == 0, ENT_E_NONFINITE, "the model step gives NaN or infinite parameters");
    return ENT_E_OK;
}

void ent_grid_store32(const int32_t *q, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        ent_le_put32(out + 4 * i, q[i]);
    }
}

void ent_grid_store64(const int64_t *v, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        ent_le_put64(out + 8 * i, v[i]);
    }
}

void ent_grid_load64(const uint8_t *in, size_t n, int64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = ent_le_get64(in + 8 * i);
    }
}
