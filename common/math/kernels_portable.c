#include <math.h>
#include <string.h>

#include "common/base/rng.h"
#include "common/math/kernels.h"

/* Every element of a product is init + a b of the first place + that of the second ..., whatever its place in the matrix is
 * and however it is computed: rows give the same bits alone and among others. */
#define TILE_ROWS ((size_t)4)
#define TILE_COLS ((size_t)8)
#define LANES ((size_t)4)

/* Compilers at -O2 leave the plain loops scalar. */
typedef float lanes __attribute__((vector_size(16)));

static lanes load(const float *from)
{
    lanes v;

    memcpy(&v, from, sizeof v);
    return v;
}

static lanes init_of(const struct ent_gemm *g, size_t i, size_t j)
{
    lanes zero = {0};

    return g->add ? load(g->c + i * g->n + j) : g->bias != NULL ? load(g->bias + j) : zero;
}

static void put(const struct ent_gemm *g, size_t i, size_t j, lanes v)
{
    float c[LANES];

    memcpy(c, &v, sizeof c);
    for (size_t l = 0; l < LANES && g->relu; l++) {
        c[l] = c[l] < 0.0f ? 0.0f : c[l];
    }
    memcpy(g->c + i * g->n + j, c, sizeof c);
}

/* Four rows by eight columns: sums that stay in registers. */
static void tile(const struct ent_gemm *g, size_t i, size_t j)
{
    const float *a = g->a + i * g->a_row;
    lanes s00 = init_of(g, i, j);
    lanes s01 = init_of(g, i, j + LANES);
    lanes s10 = init_of(g, i + 1, j);
    lanes s11 = init_of(g, i + 1, j + LANES);
    lanes s20 = init_of(g, i + 2, j);
    lanes s21 = init_of(g, i + 2, j + LANES);
    lanes s30 = init_of(g, i + 3, j);
    lanes s31 = init_of(g, i + 3, j + LANES);

    for (size_t p = 0; p < g->k; p++) {
        const float *x = a + p * g->a_col;
        lanes b0 = load(g->b + p * g->n + j);
        lanes b1 = load(g->b + p * g->n + j + LANES);

        s00 += x[0] * b0;
        s01 += x[0] * b1;
        s10 += x[g->a_row] * b0;
        s11 += x[g->a_row] * b1;
        s20 += x[2 * g->a_row] * b0;
        s21 += x[2 * g->a_row] * b1;
        s30 += x[3 * g->a_row] * b0;
        s31 += x[3 * g->a_row] * b1;
    }
    put(g, i, j, s00);
    put(g, i, j + LANES, s01);
    put(g, i + 1, j, s10);
    put(g, i + 1, j + LANES, s11);
    put(g, i + 2, j, s20);
    put(g, i + 2, j + LANES, s21);
    put(g, i + 3, j, s30);
    put(g, i + 3, j + LANES, s31);
}

static void element(const struct ent_gemm *g, size_t i, size_t j)
{
    float c = g->add ? g->c[i * g->n + j] : g->bias != NULL ? g->bias[j] : 0.0f;

    for (size_t p = 0; p < g->k; p++) {
        c += g->a[i * g->a_row + p * g->a_col] * g->b[p * g->n + j];
    }
    g->c[i * g->n + j] = g->relu && c < 0.0f ? 0.0f : c;
}

static void gemm(const struct ent_gemm *g)
{
    size_t rows = g->m - g->m % TILE_ROWS;
    size_t cols = g->n - g->n % TILE_COLS;

    for (size_t i = 0; i < rows; i += TILE_ROWS) {
        for (size_t j = 0; j < cols; j += TILE_COLS) {
            tile(g, i, j);
        }
    }
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = i < rows ? cols : 0; j < g->n; j++) {
            element(g, i, j);
        }
    }
}

static void transpose(const float *a, float *out, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            out[j * rows + i] = a[i * cols + j];
        }
    }
}

static void col_sums(const float *a, bool add, float *out, size_t m, size_t n)
{
    if (!add) {
        memset(out, 0, n * sizeof *out);
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            out[j] += a[i * n + j];
        }
    }
}

static float dot(const float *x, const float *y, size_t n)
{
    float s = 0.0f;

    for (size_t i = 0; i < n; i++) {
        s += x[i] * y[i];
    }
    return s;
}

static void axpy(float a, const float *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += a * x[i];
    }
}

static void sub(const float *a, const float *b, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = a[i] - b[i];
    }
}

static void sgd(float *params, const float *gradient, float rate, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        params[i] -= rate * gradient[i];
    }
}

static void momentum_step(float *params, float *velocity, const float *gradient, float rate,
                          float momentum, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] + gradient[i];
        params[i] -= rate * velocity[i];
    }
}

static void relu(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = y[i] < 0.0f ? 0.0f : y[i];
    }
}

static void relu_back(const float *y, float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    }
}

float ent_kernels_exp(float x)
{
    float n;
    float r;
    float p;
    uint32_t bits;
    float two_n;

    if (x != x) {
        return x;
    }
    x = x > ENT_EXP_HI ? ENT_EXP_HI : x;
    x = x < ENT_EXP_LO ? ENT_EXP_LO : x;
    n = rintf(x * ENT_EXP_LOG2E);
    r = x - n * ENT_EXP_LN2_HI;
    r = r - n * ENT_EXP_LN2_LO;
    p = ENT_EXP_P0;
    p = p * r + ENT_EXP_P1;
    p = p * r + ENT_EXP_P2;
    p = p * r + ENT_EXP_P3;
    p = p * r + ENT_EXP_P4;
    p = p * r + ENT_EXP_P5;
    p = p * (r * r) + r + 1.0f;
    bits = (uint32_t)((int32_t)n + 127) << 23;
    memcpy(&two_n, &bits, sizeof two_n);
    return p * two_n;
}

static void exp_all(const float *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = ent_kernels_exp(x[i]);
    }
}

static void sigmoid(const float *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 1.0f / (1.0f + ent_kernels_exp(-x[i]));
    }
}

void ent_kernels_dropout_group(const struct ent_dropout *dropout, uint64_t first_block,
                               uint16_t bits[ENT_DROPOUT_GROUP])
{
    uint64_t base = (uint64_t)dropout->counter[1] << 32 | dropout->counter[0];

    for (uint32_t lane = 0; lane < ENT_DROPOUT_LANES; lane++) {
        uint64_t at = base + first_block + lane;
        uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32), dropout->counter[2],
                               dropout->counter[3]};
        uint32_t out[4];

        ent_philox4x32(dropout->key, counter, out);
        for (uint32_t w = 0; w < 4; w++) {
            bits[16 * w + lane] = (uint16_t)out[w];
            bits[16 * w + 8 + lane] = (uint16_t)(out[w] >> 16);
        }
    }
}

void ent_kernels_dropout_tail(const struct ent_dropout *dropout, uint64_t first_block, float *y,
                              uint8_t *kept, size_t n)
{
    uint16_t bits[ENT_DROPOUT_GROUP];

    ent_kernels_dropout_group(dropout, first_block, bits);
    memset(kept, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++) {
        bool keep = bits[i] >= dropout->threshold;

        kept[i / 8] = (uint8_t)(kept[i / 8] | (unsigned)keep << i % 8);
        y[i] = keep ? y[i] * dropout->scale : 0.0f;
    }
}

static void dropout_all(const struct ent_dropout *dropout, float *y, uint8_t *kept, size_t n)
{
    for (size_t i = 0; i < n; i += ENT_DROPOUT_GROUP) {
        size_t left = n - i;

        ent_kernels_dropout_tail(dropout, i / ENT_DROPOUT_GROUP * ENT_DROPOUT_LANES, y + i,
                                 kept + i / 8, left < ENT_DROPOUT_GROUP ? left : ENT_DROPOUT_GROUP);
    }
}

static void dropout_back(float scale, const uint8_t *kept, float *dy, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dy[i] = (kept[i / 8] >> i % 8 & 1) != 0 ? dy[i] * scale : 0.0f;
    }
}

const struct ent_kernels *ent_kernels_portable(void)
{
    static const struct ent_vec_kernels vec = {
        .transpose = transpose,
        .col_sums = col_sums,
        .dot = dot,
        .axpy = axpy,
        .sub = sub,
        .sgd = sgd,
        .momentum = momentum_step,
        .relu = relu,
        .relu_back = relu_back,
        .exp = exp_all,
        .sigmoid = sigmoid,
        .dropout_back = dropout_back,
    };
    static const struct ent_kernels kernels = {.name = "portable",
                                               .gemm_max = 4096,
                                               .gemm = gemm,
                                               .dropout = dropout_all,
                                               .vec = &vec,
                                               .cells = &ent_kernels_portable_cells};

    return &kernels;
}

const struct ent_kernels *ent_kernels(void)
{
    const struct ent_kernels *best = ent_kernels_avx512();

    best = best != NULL ? best : ent_kernels_avx2();
    return best != NULL ? best : ent_kernels_portable();
}
