/* What cells.h describes, on every path that this processor has, against loops in double. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/math/kernels.h"
#include "tests/support/ent_test.h"

#define N 1003
#define ROWS 5
#define UNITS 13 /* one register and a rest */

static size_t paths(const struct ent_cell_kernels *out[2])
{
    out[0] = ent_kernels_portable()->cells;
    out[1] = ent_kernels_avx2() != NULL ? ent_kernels_avx2()->cells : NULL;
    return out[1] != NULL ? 2 : 1;
}

static void fill(float *x, size_t n, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 0);

    for (size_t i = 0; i < n; i++) {
        x[i] = 4.0f * ent_rng_float(&rng) - 2.0f;
    }
}

ENT_TEST(cells, adam_bits_are_the_same_on_every_path)
{
    const struct ent_cell_kernels *all[2];
    size_t n = paths(all);
    const struct ent_adam adam = {.beta1 = 0.9f,
                                  .beta2 = 0.999f,
                                  .rest1 = 0.1f,
                                  .rest2 = 0.001f,
                                  .rate = 0.02f,
                                  .inv_root = 3.0f,
                                  .epsilon = 1e-8f};
    static float p[2][N];
    static float m[2][N];
    static float v[2][N];
    static float g[N];

    fill(g, N, 3);
    g[5] = 1e-30f; /* moments that end as zero */
    for (size_t k = 0; k < n; k++) {
        fill(p[k], N, 1);
        memset(m[k], 0, sizeof m[k]);
        memset(v[k], 0, sizeof v[k]);
        all[k]->adam(&adam, p[k], m[k], v[k], g, N);
        all[k]->adam(&adam, p[k], m[k], v[k], g, N);
        CU_ASSERT_EQUAL(memcmp(p[k], p[0], sizeof p[0]), 0);
        CU_ASSERT_EQUAL(memcmp(m[k], m[0], sizeof m[0]), 0);
        CU_ASSERT_EQUAL(memcmp(v[k], v[0], sizeof v[0]), 0);
        CU_ASSERT(v[k][5] == 0.0f && m[k][5] == 0.0f && v[k][6] > 0.0f);
    }
}

ENT_TEST(cells, tanh_error_and_edges)
{
    const struct ent_cell_kernels *all[2];
    size_t n = paths(all);
    const float in[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e30f, 1e-30f};

    for (size_t k = 0; k < n; k++) {
        double worst = 0.0;
        float out[7];

        for (int i = -20000; i <= 20000; i++) {
            float x = (float)i / 1000.0f;
            float y;

            all[k]->tanh(&x, &y, 1);
            worst = fmax(worst, i == 0 ? 0.0 : fabs((double)y / tanh((double)x) - 1.0));
        }
        CU_ASSERT(worst < 5e-7);
        all[k]->tanh(in, out, 7);
        CU_ASSERT(out[0] == 0.0f && out[1] == 0.0f && signbit(out[1]) != 0);
        CU_ASSERT(out[2] == 1.0f && out[3] == -1.0f && isnan(out[4]) && out[5] == 1.0f);
        CU_ASSERT(out[6] == 1e-30f);
    }
}

ENT_TEST(cells, rows_and_their_way_back)
{
    const struct ent_cell_kernels *all[2];
    size_t n = paths(all);
    float z[ROWS * UNITS];
    float scale[UNITS];
    float bias[UNITS];

    fill(z, ROWS * UNITS, 1);
    fill(scale, UNITS, 2);
    fill(bias, UNITS, 3);
    for (size_t k = 0; k < n; k++) {
        float y[ROWS * UNITS + 1];
        float dy[ROWS * UNITS + 1];
        float dscale[UNITS + 1];
        float dbias[UNITS + 1];
        struct ent_scale_rows forth = {.z = z, .scale = scale, .bias = bias, .y = y, .relu = true};
        struct ent_scale_rows_back back = {
            .z = z, .scale = scale, .dy = dy, .dscale = dscale, .dbias = dbias, .add = true};

        fill(dy, ROWS * UNITS + 1, 4);
        y[ROWS * UNITS] = dscale[UNITS] = dbias[UNITS] = 7.0f; /* what lies behind stays */
        for (int j = 0; j < UNITS; j++) {
            dscale[j] = 1.0f;
            dbias[j] = 2.0f;
        }
        all[k]->scale_rows(&forth, ROWS, UNITS);
        all[k]->scale_rows_back(&back, ROWS, UNITS);
        for (size_t j = 0; j < UNITS; j++) {
            double ds = 1.0;
            double db = 2.0;
            float before[ROWS * UNITS + 1];

            fill(before, ROWS * UNITS + 1, 4);
            for (size_t i = 0; i < ROWS; i++) {
                size_t at = i * UNITS + j;
                double want = (double)z[at] * (double)scale[j] + (double)bias[j];

                CU_ASSERT_DOUBLE_EQUAL(y[at], fmax(want, 0.0), 1e-6);
                CU_ASSERT_DOUBLE_EQUAL(dy[at], (double)before[at] * (double)scale[j], 1e-6);
                ds += (double)before[at] * (double)z[at];
                db += (double)before[at];
            }
            CU_ASSERT_DOUBLE_EQUAL(dscale[j], ds, 1e-5);
            CU_ASSERT_DOUBLE_EQUAL(dbias[j], db, 1e-5);
        }
        CU_ASSERT(y[ROWS * UNITS] == 7.0f && dscale[UNITS] == 7.0f && dbias[UNITS] == 7.0f);
        all[k]->mul_rows(z, scale, y, ROWS, UNITS);
        CU_ASSERT_DOUBLE_EQUAL(y[UNITS + 3], z[UNITS + 3] * scale[3], 1e-6);
    }
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

ENT_TEST(cells, gru_and_lstm_by_their_formulas)
{
    const struct ent_cell_kernels *all[2];
    size_t n = paths(all);
    float sums[ROWS * 4 * UNITS];
    float hidden[ROWS * 3 * UNITS];
    float before[ROWS * UNITS];

    fill(sums, ROWS * 4 * UNITS, 1);
    fill(hidden, ROWS * 3 * UNITS, 2);
    fill(before, ROWS * UNITS, 3);
    for (size_t k = 0; k < n; k++) {
        float gates[ROWS * 4 * UNITS];
        float h[ROWS * UNITS];
        float c[ROWS * UNITS];
        float t[ROWS * UNITS];
        struct ent_cell cell = {.rows = ROWS,
                                .units = UNITS,
                                .gates = gates,
                                .hidden_gates = hidden,
                                .hidden_stride = 3 * UNITS,
                                .before = before,
                                .h = h,
                                .cell = c,
                                .cell_tanh = t};

        memcpy(gates, sums, sizeof gates);
        all[k]->gru(&cell);
        for (size_t i = 0; i < ROWS * UNITS; i++) {
            const float *x = sums + i / UNITS * 3 * UNITS + i % UNITS;
            const float *g = hidden + i / UNITS * 3 * UNITS + i % UNITS;
            double r = sigmoid((double)x[0] + (double)g[0]);
            double z = sigmoid((double)x[UNITS] + (double)g[UNITS]);
            double m = tanh((double)x[2 * UNITS] + r * (double)g[2 * UNITS]);

            CU_ASSERT_DOUBLE_EQUAL(h[i], (1.0 - z) * m + z * (double)before[i], 2e-6);
        }
        memcpy(gates, sums, sizeof gates);
        all[k]->lstm(&cell);
        for (size_t i = 0; i < ROWS * UNITS; i++) {
            const float *x = sums + i / UNITS * 4 * UNITS + i % UNITS;
            double want = sigmoid((double)x[UNITS]) * (double)before[i] +
                          sigmoid((double)x[0]) * tanh((double)x[2 * UNITS]);

            CU_ASSERT_DOUBLE_EQUAL(c[i], want, 2e-6);
            CU_ASSERT_DOUBLE_EQUAL(h[i], sigmoid((double)x[3 * UNITS]) * tanh(want), 2e-6);
        }
    }
}

/* The ways back of all paths agree; that they are right, central differences of the layers say. */
ENT_TEST(cells, ways_back_agree)
{
    const struct ent_cell_kernels *all[2];
    size_t n = paths(all);
    float in[7][ROWS * 4 * UNITS];
    float out[2][4][ROWS * 4 * UNITS];

    for (int part = 0; part < 3; part++) {
        for (size_t k = 0; k < n; k++) {
            struct ent_cell_back cell = {.rows = ROWS,
                                         .units = UNITS,
                                         .gates = out[k][0],
                                         .dhidden = out[k][1],
                                         .before = in[0],
                                         .cell = in[1],
                                         .cell_tanh = in[2],
                                         .dh = in[3],
                                         .carry = out[k][2],
                                         .cell_carry = out[k][3]};
            void (*const back[])(const struct ent_cell_back *) = {
                all[k]->gru_back, all[k]->lstm_back, all[k]->rnn_back};

            for (size_t i = 0; i < 4; i++) {
                fill(in[i], ROWS * 4 * UNITS, 10 + i);
                fill(out[k][i], ROWS * 4 * UNITS, 20 + i);
            }
            back[part](&cell);
            for (size_t i = 0; i < 4; i++) {
                CU_ASSERT_EQUAL(memcmp(out[k][i], out[0][i], sizeof out[0][i]), 0);
            }
        }
    }
}
