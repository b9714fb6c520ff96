/* Every case of the families that this room covers, against reference values of other implementations; the tolerances are
 * those of the file's README. A family without a check here is named as not covered. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/privacy/calibrate.h"
#include "common/privacy/dgauss.h"
#include "common/privacy/gaussian.h"
#include "common/privacy/pld.h"
#include "common/privacy/rdp.h"
#include "common/privacy/zcdp.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_privacy/shared.h"

#define PHASES_MAX 64
/* Tight figures: at most 1 % above, not more than 0.3 % and 2e-4 below. */
#define TIGHT_ABOVE 1.01
#define TIGHT_BELOW 0.997
#define TIGHT_BELOW_ABSOLUTE 2e-4
#define SIGMA_CLOSE 0.005

struct phases {
    struct ent_pld_phase of[PHASES_MAX];
    size_t n;
};

static const char *case_id; /* for messages: tests of one program run one after the other */

static void check(bool ok, const char *what, double got, double expected)
{
    if (!ok) {
        (void)fprintf(stderr, "%s: %s is %.12g, expected %.12g\n", case_id, what, got, expected);
    }
    CU_ASSERT(ok);
}

static bool near(double got, double expected, double relative)
{
    return fabs(got - expected) <= relative * fabs(expected);
}

static struct ent_rdp_epsilon rdp_of(const struct phases *phases, double delta)
{
    struct ent_rdp_curve total = {{0.0}};
    struct ent_rdp_epsilon out = {0.0, 0.0};

    for (size_t i = 0; i < phases->n; i++) {
        const struct ent_rdp_step step = {
            .q = phases->of[i].q, .sigma = phases->of[i].sigma, .n_members = 1};
        struct ent_rdp_curve one;

        ENT_OK(ent_rdp_curve(&step, &one));
        ent_rdp_add(&total, &one, phases->of[i].steps);
    }
    ENT_OK(ent_rdp_epsilon(&total, ENT_RDP_ALL_ORDERS, delta, &out));
    return out;
}

static void check_within(const struct ent_json *object, const char *key, const char *what,
                         double got)
{
    const struct ent_json *range = ent_json_get(object, key);
    double low = 0.0;
    double high = 0.0;

    ENT_OK(ent_json_double(ent_json_at(range, 0), key, &low));
    ENT_OK(ent_json_double(ent_json_at(range, 1), key, &high));
    check(got >= low && got <= high, what, got, got < low ? low : high);
}

static void check_tight(double got, double truth)
{
    check(got <= truth * TIGHT_ABOVE + TIGHT_BELOW_ABSOLUTE, "epsilon (PLD), too large", got,
          truth);
    check(got >= truth * TIGHT_BELOW - TIGHT_BELOW_ABSOLUTE, "epsilon (PLD), too small", got,
          truth);
}

static void check_composed(const struct ent_json *c, const struct phases *phases, double truth)
{
    double delta = shared_number(c, "delta");
    struct ent_rdp_epsilon rdp = rdp_of(phases, delta);
    struct ent_pld_result pld = {0};

    ENT_OK(ent_pld_epsilon(phases->of, phases->n, delta, &pld));
    check_within(c, "accept_rdp", "epsilon (RDP)", rdp.eps);
    check_within(c, "accept_tight", "epsilon (PLD)", pld.eps);
    check_tight(pld.eps, truth);
    check(pld.eps <= rdp.eps, "epsilon (PLD), above RDP", pld.eps, rdp.eps);
}

static struct ent_pld_phase phase_of(const struct ent_json *object)
{
    return (struct ent_pld_phase){.q = shared_number(object, "q"),
                                  .sigma = shared_number(object, "sigma"),
                                  .steps = shared_uint(object, "steps")};
}

static void poisson_gaussian(const struct ent_json *c)
{
    const struct phases phases = {.of = {phase_of(c)}, .n = 1};

    check_composed(c, &phases, shared_number(c, "eps_tight"));
}

static void heterogeneous(const struct ent_json *c)
{
    const struct ent_json *list = ent_json_get(c, "phases");
    struct phases phases = {.n = ent_json_len(list)};

    CU_ASSERT_FATAL(phases.n > 0 && phases.n <= PHASES_MAX);
    for (size_t i = 0; i < phases.n; i++) {
        phases.of[i] = phase_of(ent_json_at(list, i));
    }
    check_composed(c, &phases, shared_number(c, "eps_pld"));
}

static void rdp_order(const struct ent_json *c)
{
    const struct ent_rdp_step step = {
        .q = shared_number(c, "q"), .sigma = shared_number(c, "sigma"), .n_members = 1};
    double expected = shared_number(c, "rdp");
    double rdp = 0.0;

    ENT_OK(ent_rdp_at(&step, shared_number(c, "alpha"), &rdp));
    check(near(rdp, expected, 1e-7), "rdp", rdp, expected);
}

static void calibration(const struct ent_json *c)
{
    static const struct {
        enum ent_calibrate_by by;
        const char *key;
    } ways[] = {{ENT_CALIBRATE_RDP, "sigma_rdp"}, {ENT_CALIBRATE_PLD, "sigma_pld"}};
    struct ent_calibrate_goal goal = {
        .limit = {.eps = shared_number(c, "target_eps"), .delta = shared_number(c, "delta")},
        .q = shared_number(c, "q"),
        .steps = shared_uint(c, "steps")};

    for (size_t i = 0; i < ENT_ARRAY_LEN(ways); i++) {
        struct phases phases = {.of = {{.q = goal.q, .steps = goal.steps}}, .n = 1};
        struct ent_pld_result pld = {0};
        double expected = shared_number(c, ways[i].key);
        double sigma = 0.0;
        double eps;

        ENT_OK(ent_calibrate_sigma(ways[i].by, &goal, &sigma));
        check(near(sigma, expected, SIGMA_CLOSE), ways[i].key, sigma, expected);
        phases.of[0].sigma = sigma;
        eps = rdp_of(&phases, goal.limit.delta).eps;
        if (ways[i].by == ENT_CALIBRATE_PLD) {
            ENT_OK(ent_pld_epsilon(phases.of, 1, goal.limit.delta, &pld));
            eps = pld.eps;
        }
        check(eps <= goal.limit.eps, "achieved epsilon", eps, goal.limit.eps);
    }
}

static void gaussian_analytic(const struct ent_json *c)
{
    const char *kind = shared_text(c, "kind");
    double eps = shared_number(c, "eps");
    double delta = shared_number(c, "delta");
    double sigma = shared_number(c, "sigma");
    double got = 0.0;

    if (strcmp(kind, "eps_from_sigma") == 0) {
        ENT_OK(ent_gaussian_epsilon(sigma, delta, &got));
        check(near(got, eps, 1e-6), "epsilon", got, eps);
    } else if (strcmp(kind, "sigma_from_eps") == 0) {
        ENT_OK(ent_gaussian_sigma(eps, delta, &got));
        check(near(got, sigma, 1e-6), "sigma", got, sigma);
    } else if (strcmp(kind, "delta_from_sigma_eps") == 0) {
        got = ent_gaussian_delta(sigma, eps);
        check(near(got, delta, 1e-6), "delta", got, delta);
    } else {
        check(false, kind, 0.0, 0.0);
    }
}

static void discrete_gaussian(const struct ent_json *c)
{
    static const char *const keys[] = {"p0", "p1", "p2"};
    const char *kind = shared_text(c, "kind");
    double got = 0.0;

    if (strcmp(kind, "pmf") == 0) {
        double sigma2 = shared_number(c, "sigma2");

        got = ent_dgauss_norm(sigma2);
        check(near(got, shared_number(c, "norm_const"), 1e-9), "norm", got,
              shared_number(c, "norm_const"));
        got = ent_dgauss_variance(sigma2);
        check(near(got, shared_number(c, "variance"), 1e-9), "variance", got,
              shared_number(c, "variance"));
        for (size_t i = 0; i < ENT_ARRAY_LEN(keys); i++) {
            got = ent_dgauss_pmf(sigma2, (int64_t)i);
            check(near(got, shared_number(c, keys[i]), 1e-9), keys[i], got,
                  shared_number(c, keys[i]));
        }
    } else if (strcmp(kind, "delta_1d") == 0) {
        got = ent_dgauss_delta(shared_number(c, "sigma2"), shared_uint(c, "sensitivity"),
                               shared_number(c, "eps"));
        check(near(got, shared_number(c, "delta"), 1e-9), "delta", got, shared_number(c, "delta"));
    } else if (strcmp(kind, "zcdp_to_dp") == 0) {
        ENT_OK(ent_zcdp_epsilon(shared_number(c, "rho"), shared_number(c, "delta"), &got));
        check(near(got, shared_number(c, "eps"), 1e-9), "epsilon", got, shared_number(c, "eps"));
    } else {
        check(false, kind, 0.0, 0.0);
    }
}

static const struct {
    const char *name;
    void (*check)(const struct ent_json *c);
} families[] = {
    {"poisson_gaussian", poisson_gaussian},   {"rdp_order", rdp_order},
    {"heterogeneous", heterogeneous},         {"calibration", calibration},
    {"gaussian_analytic", gaussian_analytic}, {"discrete_gaussian", discrete_gaussian},
};

static double cpu_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* False: no such family here. */
static bool check_family(const char *name, const struct ent_json *cases)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(families); i++) {
        double begin = cpu_s();

        if (strcmp(families[i].name, name) != 0) {
            continue;
        }
        for (size_t k = 0; k < ent_json_len(cases); k++) {
            case_id = shared_text(ent_json_at(cases, k), "id");
            families[i].check(ent_json_at(cases, k));
        }
        (void)printf("\n    %s: %zu cases, %.2f s", name, ent_json_len(cases), cpu_s() - begin);
        return true;
    }
    return false;
}

ENT_TEST(reference, accountants)
{
    struct ent_json *root = shared_json("reference/dp_reference.json");
    const struct ent_json *cases;
    const char *name;
    void *iter = NULL;
    size_t covered = 0;

    if (root == NULL) {
        return;
    }
    while (ent_json_next(ent_json_get(root, "families"), &iter, &name, &cases)) {
        if (check_family(name, cases)) {
            covered++;
        } else {
            (void)printf("\n    %s: not covered", name);
        }
    }
    (void)printf("\n");
    CU_ASSERT(covered > 0);
    ent_json_free(root);
}
