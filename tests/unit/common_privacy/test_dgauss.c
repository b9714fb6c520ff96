/* Exact noise: known draws, independence of chunks, and whether the draws look like the distribution. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/privacy/dgauss.h"
#include "common/privacy/privacy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_privacy/shared.h"

#define N_KNOWN 8192u
/* Draws of one test of fit; ENTENTE_LONG=1 takes as many as privacy.md 4.2. */
#define N_SHORT 400000u
#define N_LONG 20000000u
#define CELLS_MAX 20000u
#define CELL_EXPECTED 8.0

static void from_hex(const char *hex, uint8_t *out, size_t len)
{
    CU_ASSERT_EQUAL_FATAL(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
}

static void check_values(const struct ent_json *list, const int64_t *got)
{
    for (size_t i = 0; i < ent_json_len(list); i++) {
        int64_t v = 0;

        ENT_OK(ent_json_int(ent_json_at(list, i), "sample", &v));
        CU_ASSERT_EQUAL(v, got[i]);
    }
}

static void check_digest(const char *hex, const int64_t *got)
{
    uint8_t bytes[8];
    uint8_t expected[ENT_SHA256_BYTES];
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_sha256 hash = {0};

    from_hex(hex, expected, sizeof expected);
    ENT_OK(ent_sha256_init(&hash));
    for (size_t i = 0; i < N_KNOWN; i++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            bytes[k] = (uint8_t)((uint64_t)got[i] >> (8 * k));
        }
        ent_sha256_add(&hash, bytes, sizeof bytes);
    }
    ent_sha256_finish(&hash, digest);
    ent_sha256_release(&hash);
    CU_ASSERT_EQUAL(memcmp(digest, expected, sizeof digest), 0);
}

ENT_TEST(dgauss, known_draws)
{
    struct ent_json *root = shared_json("reference/merkle_vectors.json");
    const struct ent_json *noise;
    const struct ent_json *sets;
    uint8_t key[ENT_DGAUSS_KEY_BYTES];
    static int64_t draws[N_KNOWN];

    if (root == NULL) {
        return;
    }
    noise = ent_json_get(ent_json_get(root, "proposal"), "noise");
    from_hex(shared_text(noise, "key"), key, sizeof key);
    CU_ASSERT_EQUAL(shared_uint(noise, "chunk"), ENT_DGAUSS_CHUNK);
    sets = ent_json_get(noise, "sets");
    CU_ASSERT_FATAL(ent_json_len(sets) > 0);
    for (size_t i = 0; i < ent_json_len(sets); i++) {
        const struct ent_json *set = ent_json_at(sets, i);

        ENT_OK(ent_dgauss_fill(key, shared_uint(set, "sigma2"), 0, draws, N_KNOWN));
        check_values(ent_json_get(set, "samples_0_15"), draws);
        check_values(ent_json_get(set, "samples_4096_4111"), draws + ENT_DGAUSS_CHUNK);
        check_digest(shared_text(set, "sha256_first_8192_int64le"), draws);
    }
    sets = ent_json_get(noise, "sigma2_refused");
    CU_ASSERT_FATAL(ent_json_len(sets) > 0);
    for (size_t i = 0; i < ent_json_len(sets); i++) {
        uint64_t sigma2 = 0;

        ENT_OK(ent_json_uint(ent_json_at(sets, i), "sigma2", UINT64_MAX, &sigma2));
        ENT_FAILS(ent_dgauss_fill(key, sigma2, 0, draws, 1), ENT_E_RANGE);
    }
    ent_json_free(root);
}

ENT_TEST(dgauss, chunks_stand_alone)
{
    uint8_t key[ENT_DGAUSS_KEY_BYTES] = {7};
    static int64_t all[3 * ENT_DGAUSS_CHUNK];
    static int64_t part[ENT_DGAUSS_CHUNK];

    ENT_OK(ent_dgauss_fill(key, 12345678, 0, all, ENT_ARRAY_LEN(all)));
    for (size_t c = 3; c-- > 0;) {
        size_t n = ENT_DGAUSS_CHUNK - c; /* the rest of a chunk may be missing */

        ENT_OK(ent_dgauss_fill(key, 12345678, c * ENT_DGAUSS_CHUNK, part, n));
        CU_ASSERT_EQUAL(memcmp(part, all + c * ENT_DGAUSS_CHUNK, n * sizeof *part), 0);
    }
    /* far chunks have streams of their own: the high half of the number counts */
    ENT_OK(ent_dgauss_fill(key, 12345678, (uint64_t)ENT_DGAUSS_CHUNK << 32, part, 16));
    CU_ASSERT_NOT_EQUAL(memcmp(part, all, 16 * sizeof *part), 0);
    ENT_FAILS(ent_dgauss_fill(key, 12345678, 1, part, 1), ENT_E_RANGE);
    ENT_FAILS(ent_dgauss_fill(key, 0, 0, part, 1), ENT_E_RANGE);
    ENT_FAILS(ent_dgauss_fill(key, (uint64_t)1 << 52, 0, part, 1), ENT_E_RANGE);
    ENT_OK(ent_dgauss_fill(key, 5, 0, part, 0));
}

/* ---- fit ---- */

/* ln Gamma(a) for a > 0 (Stirling after shifting up). */
static double ln_gamma(double a)
{
    double shift = 0.0;

    while (a < 20.0) {
        shift -= log(a);
        a += 1.0;
    }
    return shift + (a - 0.5) * log(a) - a + 0.91893853320467274178 + 1.0 / (12.0 * a) -
           1.0 / (360.0 * a * a * a);
}

/* P(chi-square with k degrees of freedom <= x): series or continued fraction of the incomplete gamma function. */
static double chi2_below(double x, double k)
{
    double a = k / 2.0;
    double v = x / 2.0;
    double front = exp(a * log(v) - v - ln_gamma(a));

    if (v < a + 1.0) {
        double term = 1.0 / a;
        double sum = term;

        for (int i = 1; term > 1e-16 * sum; i++) {
            term *= v / (a + (double)i);
            sum += term;
        }
        return front * sum;
    }
    double b = v + 1.0 - a;
    double c = 1e300;
    double d = 1.0 / b;
    double h = d;

    for (int i = 1; i < 1000000; i++) {
        double an = -(double)i * ((double)i - a);
        double step;

        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        step = c * d;
        h *= step;
        if (fabs(step - 1.0) < 1e-15) {
            break;
        }
    }
    return 1.0 - front * h;
}

ENT_TEST(dgauss, chi_square_function)
{
    /* tables: 95 % points of 1, 10 and 100 degrees of freedom */
    CU_ASSERT(fabs(chi2_below(3.841458821, 1.0) - 0.95) < 1e-8);
    CU_ASSERT(fabs(chi2_below(18.30703805, 10.0) - 0.95) < 1e-8);
    CU_ASSERT(fabs(chi2_below(124.3421134, 100.0) - 0.95) < 1e-8);
}

/* Cells of at least CELL_EXPECTED expected draws: runs of integers from the left, the rest of the right tail joins the last. */
static double chi_square(const int64_t *draws, size_t n, double sigma2, size_t *cells)
{
    double s = sqrt(sigma2);
    int64_t reach = (int64_t)(12.0 * s) + 2;
    size_t width = (size_t)(2 * reach + 1);
    double *counts = NULL;
    double expected = 0.0;
    double seen = 0.0;
    double sum = 0.0;
    double least = CELL_EXPECTED > (double)n / CELLS_MAX ? CELL_EXPECTED : (double)n / CELLS_MAX;
    double last_e = 0.0;
    double last_s = 0.0;

    ENT_OK(ent_calloc(width, sizeof *counts, &counts));
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_FATAL(draws[i] >= -reach && draws[i] <= reach);
        counts[draws[i] + reach] += 1.0;
    }
    *cells = 0;
    for (size_t i = 0; i < width; i++) {
        expected += (double)n * ent_dgauss_pmf(sigma2, (int64_t)i - reach);
        seen += counts[i];
        if (expected >= least) {
            sum += last_e > 0.0 ? (last_s - last_e) * (last_s - last_e) / last_e : 0.0;
            *cells += last_e > 0.0 ? 1 : 0;
            last_e = expected;
            last_s = seen;
            expected = seen = 0.0;
        }
    }
    last_e += expected;
    last_s += seen;
    sum += (last_s - last_e) * (last_s - last_e) / last_e;
    *cells += 1;
    free(counts);
    return sum;
}

struct moments {
    double mean;
    double var;
    double lag1;
    double positive; /* of those that are not 0 */
    double beyond4;
    double beyond5;
};

static struct moments moments_of(const int64_t *draws, size_t n, double s)
{
    struct moments m = {0};
    double signs = 0.0;

    for (size_t i = 0; i < n; i++) {
        double v = (double)draws[i];

        m.mean += v;
        m.var += v * v;
        m.lag1 += i > 0 ? v * (double)draws[i - 1] : 0.0;
        m.positive += v > 0.0;
        signs += v != 0.0;
        m.beyond4 += fabs(v) > 4.0 * s;
        m.beyond5 += fabs(v) > 5.0 * s;
    }
    m.lag1 /= m.var;
    m.mean /= (double)n;
    m.var /= (double)n;
    m.positive = (m.positive - signs / 2.0) / sqrt(signs / 4.0);
    return m;
}

/* Draws beyond k s, against their number's expectation: 2 sqrt(x + 3/8) of a Poisson number has a standard deviation of 1
 * (Anscombe 1948). */
static bool tail_ok(double seen, double sigma2, double k, size_t n)
{
    double expected = 2.0 * (double)n * ent_dgauss_above(sigma2, (int64_t)floor(k * sqrt(sigma2)));

    return 2.0 * fabs(sqrt(seen + 0.375) - sqrt(expected + 0.375)) < 5.5;
}

/* Bounds at 5 standard deviations and p in [1e-6, 1 - 1e-6]: a right build fails once in some 10^5 keys, and keys are fixed. */
static bool fits(const int64_t *draws, size_t n, double sigma2)
{
    double s = sqrt(sigma2);
    struct moments m = moments_of(draws, n, s);
    double var = ent_dgauss_variance(sigma2);
    double root = sqrt((double)n);
    size_t cells;
    double chi2 = chi_square(draws, n, sigma2, &cells);
    double p = chi2_below(chi2, (double)cells - 1.0);

    return p > 1e-6 && p < 1.0 - 1e-6 && fabs(m.mean) < 5.0 * s / root &&
           fabs(m.var / var - 1.0) < 5.0 * sqrt(2.0 / (double)n) && fabs(m.lag1) < 5.0 / root &&
           fabs(m.positive) < 5.0 && tail_ok(m.beyond4, sigma2, 4.0, n) &&
           tail_ok(m.beyond5, sigma2, 5.0, n);
}

static size_t n_draws(void)
{
    const char *text = getenv("ENTENTE_LONG"); // NOLINT(concurrency-mt-unsafe): one thread

    return text != NULL && text[0] == '1' ? N_LONG : N_SHORT;
}

ENT_TEST(dgauss, fits_the_distribution)
{
    static const uint64_t sigma2[] = {1, 18, 416, 1000000};
    uint8_t key[ENT_DGAUSS_KEY_BYTES] = {42};
    size_t n = n_draws();
    int64_t *draws = NULL;

    ENT_OK(ent_calloc(n, sizeof *draws, &draws));
    for (size_t i = 0; i < ENT_ARRAY_LEN(sigma2); i++) {
        key[1] = (uint8_t)i;
        ENT_OK(ent_dgauss_fill(key, sigma2[i], 0, draws, n));
        CU_ASSERT(fits(draws, n, (double)sigma2[i]));
    }
    free(draws);
}

/* The power of the test: faults that a sampler may have, at the size at which they must be found with the short form. */
ENT_TEST(dgauss, the_fit_finds_faults)
{
    uint8_t key[ENT_DGAUSS_KEY_BYTES] = {43};
    const size_t n = N_SHORT;
    int64_t *draws = NULL;
    int64_t *bad = NULL;

    ENT_OK(ent_calloc(n, sizeof *draws, &draws));
    ENT_OK(ent_calloc(n, sizeof *bad, &bad));
    ENT_OK(ent_dgauss_fill(key, 416, 0, draws, n));
    CU_ASSERT(fits(draws, n, 416.0));
    /* variance 2 % off */
    ENT_OK(ent_dgauss_fill(key, 424, 0, bad, n));
    CU_ASSERT(!fits(bad, n, 416.0));
    /* zero drawn twice as often (the sign's rejection forgotten) */
    for (size_t i = 0; i < n; i++) {
        bad[i] = draws[i] == 1 && i % 2 == 0 ? 0 : draws[i];
    }
    CU_ASSERT(!fits(bad, n, 416.0));
    /* 2 % of the signs lost */
    for (size_t i = 0; i < n; i++) {
        bad[i] = i % 50 == 0 && draws[i] < 0 ? -draws[i] : draws[i];
    }
    CU_ASSERT(!fits(bad, n, 416.0));
    /* every coordinate followed by itself once in 50 */
    for (size_t i = 1; i < n; i++) {
        bad[i] = i % 50 == 0 ? bad[i - 1] : draws[i];
    }
    CU_ASSERT(!fits(bad, n, 416.0));
    /* the tails cut at 4 sigma: about 25 draws of 400,000 */
    for (size_t i = 0; i < n; i++) {
        bad[i] = llabs(draws[i]) > 81 ? 0 : draws[i];
    }
    CU_ASSERT(!fits(bad, n, 416.0));
    free(draws);
    free(bad);
}

/* Shares: the sum of n draws of sigma2 looks like one of n sigma2 (for sigma >= 4 the difference is below 1e-50). */
ENT_TEST(dgauss, sums_of_shares)
{
    uint8_t key[ENT_DGAUSS_KEY_BYTES] = {44};
    const size_t n = n_draws() / 4;
    int64_t *sum = NULL;
    int64_t *share = NULL;

    ENT_OK(ent_calloc(n, sizeof *sum, &sum));
    ENT_OK(ent_calloc(n, sizeof *share, &share));
    for (uint8_t k = 0; k < 7; k++) {
        key[1] = k;
        ENT_OK(ent_dgauss_fill(key, 20, 0, share, n));
        for (size_t i = 0; i < n; i++) {
            sum[i] += share[i];
        }
    }
    CU_ASSERT(fits(sum, n, 140.0));
    CU_ASSERT(!fits(sum, n, 145.0));
    free(sum);
    free(share);
}
