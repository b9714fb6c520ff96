#include "common/fixed/selftest.h"

#include <inttypes.h>
#include <string.h>

#include "common/fixed/grid.h"
#include "common/fixed/le.h"

#define DIM 64
#define SCALE_BITS 20

/* FNV-1a of the bytes below, from tests/unit/common_fixed/selftest_golden.py. It guards against a build or a machine
 * that rounds differently, not against people: who wants a digest hashes the bytes. */
#define EXPECTED UINT64_C(0x817ab2766ece0bf6)

_Static_assert(ENT_SELFTEST_BYTES == DIM * (4 + 8 + 4), "quantised vector, sums, stepped model");

/* Through volatile, so that the machine answers and not the compiler. */
static enum ent_err check_mode(void)
{
    volatile float one = 1.0f;
    volatile float half_ulp = 0x1p-24f;
    volatile double done = 1.0;
    volatile double dhalf_ulp = 0x1p-53;
    volatile float small = 0x1p-126f;
    volatile float two = 2.0f;
    volatile float denormal = small / two;
    volatile float back = denormal * two;
    volatile float up = one + half_ulp;
    volatile float odd = (one + two * half_ulp) + half_ulp;
    volatile float down = -one - half_ulp;
    volatile double dup = done + dhalf_ulp;

    ENT_REQUIRE(up == one && down == -one && odd == 1.0f + 0x1p-22f && dup == done,
                ENT_E_UNSUPPORTED, "self-test: this program does not round to nearest even");
    ENT_REQUIRE(
        denormal != 0.0f && back == small, ENT_E_UNSUPPORTED,
        "self-test: denormal numbers are flushed to zero (some library was built with fast-math)");
    return ENT_E_OK;
}

static uint64_t fnv1a(const uint8_t *bytes, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++) {
        h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* Numbers of both signs over many magnitudes, ties and grid limits among them. */
static void fill(float *x, uint32_t *state)
{
    for (size_t i = 0; i < DIM; i++) {
        *state = *state * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)*state >> 8) * 0x1p-23f;
        for (uint32_t k = 0; k < (*state & 15u); k++) {
            x[i] *= 0.5f;
        }
    }
    x[0] = 0x1.8p-20f;  /* 1.5: up to 2 */
    x[1] = -0x1.4p-19f; /* -2.5: to -2 */
    x[2] = 8.0f;        /* 2^23 on the grid */
    x[3] = -8.0f;
    x[4] = 0.0f;
}

enum ent_err ent_fixed_selftest(uint8_t out[ENT_SELFTEST_BYTES])
{
    static const uint32_t weights[ENT_GRID_MANY] = {1, 1024, 3, 65536, 77};
    float x[DIM];
    int32_t q[DIM];
    int64_t sum[DIM] = {0};
    uint8_t payload[ENT_GRID_MANY][4 * DIM];
    const uint8_t *parts[ENT_GRID_MANY];
    uint8_t bytes[ENT_SELFTEST_BYTES];
    uint32_t state = 20261124;
    double c;

    ENT_TRY(check_mode());
    for (size_t v = 0; v < ENT_GRID_MANY; v++) {
        fill(x, &state);
        ENT_TRY(ent_grid_quantise(x, DIM, SCALE_BITS, q));
        ent_grid_store32(q, DIM, payload[v]);
        parts[v] = payload[v];
    }
    ent_grid_add32(sum, DIM, parts, weights, ENT_GRID_MANY);
    ent_grid_add32(sum, DIM, parts, weights, 1);
    ENT_TRY(ent_grid_factor(66642, SCALE_BITS, &c));
    ent_grid_store64(sum, DIM, bytes + sizeof payload[0]);
    ENT_TRY(ent_grid_apply(x, sum, DIM, c, x));
    memcpy(bytes, payload[0], sizeof payload[0]);
    for (size_t i = 0; i < DIM; i++) {
        int32_t bits;

        memcpy(&bits, &x[i], sizeof bits);
        ent_le_put32(bytes + (size_t)DIM * 12 + 4 * i, bits);
    }
    ENT_REQUIRE(fnv1a(bytes, sizeof bytes) == EXPECTED, ENT_E_UNSUPPORTED,
                "self-test: this build computes %016" PRIx64 " where others compute %016" PRIx64,
                fnv1a(bytes, sizeof bytes), EXPECTED);
    memcpy(out, bytes, sizeof bytes);
    return ENT_E_OK;
}
