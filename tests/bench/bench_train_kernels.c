/* Speed of the matrix product at the shapes of a training step, GF/s, best of 7: every kernel path that this processor
 * has, and what the public call makes of it (a path of our own or BLAS). One JSON object a shape. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/kernels.h"
#include "common/math/mat.h"
#include "common/math/math.h"

#define REPETITIONS 7
#define REPETITION_FLOP 4e8

struct shape {
    const char *name;
    size_t m;
    size_t n;
    size_t k;
    bool transposed; /* a is [k][m]: the gradient of a weight matrix */
};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void call(const struct ent_kernels *kernels, const struct shape *s, const struct ent_gemm *g)
{
    if (kernels != NULL) {
        kernels->gemm(g);
    } else if (s->transposed) {
        ent_mat_mul_tn(g->a, g->b, false, g->c, s->m, s->n, s->k);
    } else {
        ent_mat_mul_bias(g->a, g->b, NULL, false, g->c, s->m, s->n, s->k);
    }
}

/* kernels NULL: the public call. */
static double best_gflops(const struct ent_kernels *kernels, const struct shape *s,
                          const struct ent_gemm *g)
{
    double flop = 2.0 * (double)s->m * (double)s->n * (double)s->k;
    int times = (int)(REPETITION_FLOP / flop) + 1;
    double best = 0.0;

    for (int r = 0; r < REPETITIONS; r++) {
        double begin = now_s();
        double rate;

        for (int i = 0; i < times; i++) {
            call(kernels, s, g);
        }
        rate = flop * times / (now_s() - begin) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

static void measure(struct ent_json_writer *w, const struct shape *s, const struct ent_gemm *g)
{
    const struct ent_kernels *paths[] = {ent_kernels_portable(), ent_kernels_avx2(),
                                         ent_kernels_avx512()};

    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "bench", "gemm");
    ent_json_put_key_string(w, "shape", s->name);
    ent_json_put_key_uint(w, "m", s->m);
    ent_json_put_key_uint(w, "n", s->n);
    ent_json_put_key_uint(w, "k", s->k);
    for (size_t p = 0; p < ENT_ARRAY_LEN(paths); p++) {
        if (paths[p] != NULL) {
            ent_json_put_key_uint(w, paths[p]->name, (uint64_t)best_gflops(paths[p], s, g));
        }
    }
    ent_json_put_key_uint(w, "public", (uint64_t)best_gflops(NULL, s, g));
    ent_json_put_close(w);
}

static enum ent_err bench(const struct shape *s)
{
    struct ent_gemm g = {.m = s->m, .n = s->n, .k = s->k};
    struct ent_json_writer w;
    struct ent_buf out;
    float *a;
    float *b;
    enum ent_err err;

    ENT_TRY(ent_calloc_aligned(s->m * s->k, sizeof *a, &a));
    ENT_TRY(ent_calloc_aligned(s->k * s->n, sizeof *b, &b));
    ENT_TRY(ent_calloc_aligned(s->m * s->n, sizeof *g.c, &g.c));
    g.a = a;
    g.b = b;
    g.a_row = s->transposed ? 1 : s->k;
    g.a_col = s->transposed ? s->m : 1;
    ent_buf_init(&out, 4096);
    ent_json_begin(&w, &out);
    measure(&w, s, &g);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        printf("%.*s\n", (int)out.len, (const char *)out.data);
    }
    ent_buf_release(&out);
    free(a);
    free(b);
    free(g.c);
    return err;
}

int main(void)
{
    static const struct shape shapes[] = {
        {"b32 forward", 32, 128, 64, false},      {"b32 weights", 64, 128, 32, true},
        {"b256 forward", 256, 128, 64, false},    {"b256 weights", 64, 128, 256, true},
        {"2nn b10 forward", 10, 200, 784, false}, {"2nn b10 weights", 784, 200, 10, true},
        {"2nn b50 forward", 50, 200, 784, false}, {"square", 512, 512, 512, false},
    };
    enum ent_err err = ENT_E_OK;

    ent_math_init();
    for (size_t i = 0; i < ENT_ARRAY_LEN(shapes) && err == ENT_E_OK; i++) {
        err = bench(&shapes[i]);
    }
    return ent_err_exit(err);
}
