/* Exact noise: nanoseconds a coordinate on one core at several sigma, best of 5, one million coordinates each; and the
 * accountants' time for one evaluation. One JSON object a line. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/privacy/dgauss.h"
#include "common/privacy/pld.h"

#define REPETITIONS 5
#define N_COORDINATES 1000000u

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum ent_err bench_noise(uint64_t sigma2, int64_t *out)
{
    uint8_t key[ENT_DGAUSS_KEY_BYTES] = {1, 2, 3};
    double best = 1e9;

    for (int r = 0; r < REPETITIONS; r++) {
        double begin = now_s();
        double took;

        key[31] = (uint8_t)r;
        ENT_TRY(ent_dgauss_fill(key, sigma2, 0, out, N_COORDINATES));
        took = now_s() - begin;
        best = took < best ? took : best;
    }
    printf("{\"bench\":\"noise\",\"sigma2\":%llu,\"coordinates\":%u,\"best_s\":%.4f,"
           "\"ns_each\":%.1f}\n",
           (unsigned long long)sigma2, N_COORDINATES, best, best * 1e9 / N_COORDINATES);
    return ENT_E_OK;
}

static enum ent_err bench_pld(double q, double sigma, uint64_t steps)
{
    const struct ent_pld_phase phase = {.q = q, .sigma = sigma, .steps = steps};
    struct ent_pld_result result = {0};
    double best = 1e9;

    for (int r = 0; r < REPETITIONS; r++) {
        double begin = now_s();
        double took;

        ENT_TRY(ent_pld_epsilon(&phase, 1, 1e-6, &result));
        took = now_s() - begin;
        best = took < best ? took : best;
    }
    printf("{\"bench\":\"pld\",\"q\":%g,\"sigma\":%g,\"steps\":%llu,\"epsilon\":%.6g,"
           "\"grid\":%zu,\"best_s\":%.4f}\n",
           q, sigma, (unsigned long long)steps, result.eps, result.grid_len, best);
    return ENT_E_OK;
}

static enum ent_err run(void)
{
    static const uint64_t sigma2[] = {16, 1000000, 3600000000u, ((uint64_t)1 << 52) - 1};
    int64_t *out = NULL;
    enum ent_err err;

    err = ent_calloc(N_COORDINATES, sizeof *out, &out);
    for (size_t i = 0; i < ENT_ARRAY_LEN(sigma2) && err == ENT_E_OK; i++) {
        err = bench_noise(sigma2[i], out);
    }
    free(out);
    ENT_TRY(err);
    ENT_TRY(bench_pld(0.01, 1.0, 150));
    ENT_TRY(bench_pld(0.01, 1.0, 10000));
    return bench_pld(0.001, 1.0, 1000000);
}

int main(void)
{
    enum ent_err err = run();

    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s\n", ent_err_message());
    }
    return ent_err_exit(err);
}
