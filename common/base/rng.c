#include "common/base/rng.h"

#include <math.h>

#include "common/base/err.h"

#define M0 0xD2511F53u
#define M1 0xCD9E8D57u
#define W0 0x9E3779B9u
#define W1 0xBB67AE85u

void ent_philox4x32(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    uint32_t c0 = counter[0];
    uint32_t c1 = counter[1];
    uint32_t c2 = counter[2];
    uint32_t c3 = counter[3];

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)M0 * c0;
        uint64_t p1 = (uint64_t)M1 * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += W0;
        k1 += W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct ent_rng ent_rng_init(uint64_t seed, uint64_t stream)
{
    return (struct ent_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
    };
}

uint32_t ent_rng_u32(struct ent_rng *rng)
{
    if (rng->have == 0) {
        ent_philox4x32(rng->key, rng->counter, rng->out);
        if (++rng->counter[0] == 0) {
            rng->counter[1]++;
        }
        rng->have = 4;
    }
    return rng->out[4 - rng->have--];
}

uint64_t ent_rng_u64(struct ent_rng *rng)
{
    uint64_t hi = ent_rng_u32(rng);

    return hi << 32 | ent_rng_u32(rng);
}

uint32_t ent_rng_below(struct ent_rng *rng, uint32_t bound)
{
    uint32_t threshold;

    ENT_BUG_ON(bound == 0);
    threshold = (0u - bound) % bound;
    for (;;) {
        uint64_t m = (uint64_t)ent_rng_u32(rng) * bound;

        if ((uint32_t)m >= threshold) {
            return (uint32_t)(m >> 32);
        }
    }
}

float ent_rng_float(struct ent_rng *rng)
{
    return (float)(ent_rng_u32(rng) >> 8) * 0x1p-24f;
}

double ent_rng_normal(struct ent_rng *rng)
{
    double u = ((double)ent_rng_u32(rng) + 0.5) * 0x1p-32;
    double v = (double)ent_rng_u32(rng) * 0x1p-32;

    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

void ent_rng_shuffle(struct ent_rng *rng, uint32_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = ent_rng_below(rng, (uint32_t)i);
        uint32_t t = items[i - 1];

        items[i - 1] = items[j];
        items[j] = t;
    }
}
