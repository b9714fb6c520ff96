#include "common/privacy/pld.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/privacy/gaussian.h"
#include "common/privacy/pld_compose.h"
#include "common/privacy/pld_nodes.h"

/* Splitting masses on a grid of step h raises epsilon by at most steps (theta + 1) h^2 / 8: this share of it. */
#define GRID_SHARE 4.5e-4
/* Epsilon below which only the absolute error counts. */
#define EPS_FLOOR 1e-3
/* Share of delta that goes to losses too large to be looked at. */
#define CUT_SHARE 1e-5
#define LEN_MIN 256u
#define LEN_MAX ((size_t)1 << 20)
/* Range of the tilt and how closely it is looked for. */
#define THETA_MIN 1e-3
#define THETA_MAX 1e5
#define TILT_BISECTIONS 30
/* Share of the saddle point's tilt that is taken: the tail is known well with it, and rare large losses do not widen the grid. */
#define TILT_SHARE 0.5
/* Tilted mass beyond either end of the window: e^-LEFT_OUT. */
#define LEFT_OUT 30.0
#define MARGIN 0.02
#define WINDOW_TRIES 14
/* Error of a transformed probability, for one step; the sum of it may be this many times what is read. */
#define NOISE 2e-17
#define CLEAR 0.05
#define ATTEMPTS_MAX 16
#define TWO_PI 6.283185307179586476925
/* The sampled density is integrated to 1e-5 of epsilon when there is one release. */
#define ROUND_UP (1.0 + 4e-5)

/* All phases; unsampled ones are merged into one Gaussian. */
struct job {
    struct ent_pld_phase *phases; /* [n] */
    size_t n;
    double delta;
    double steps;
    double theta;     /* the tilt */
    double grid_step; /* of the losses */
    size_t len;       /* of the last transform */
};

/* What one direction's distribution looks like on the grid. */
struct side {
    int64_t first; /* cell of the window's first entry */
    double ln_mgf; /* of all steps */
    double mean;   /* tilted */
};

static enum ent_err check_phases(const struct ent_pld_phase *phases, size_t n, double delta)
{
    ENT_REQUIRE(delta > 0.0 && delta < 1.0, ENT_E_RANGE,
                "a delta of %g: it must be above 0 and below 1", delta);
    ENT_REQUIRE(n >= 1, ENT_E_RANGE, "no release to account for");
    for (size_t i = 0; i < n; i++) {
        ENT_REQUIRE(phases[i].q > 0.0 && phases[i].q <= 1.0, ENT_E_RANGE,
                    "a sampling rate of %g: it must be above 0 and at most 1", phases[i].q);
        ENT_REQUIRE(phases[i].sigma >= ENT_PLD_SIGMA_MIN && phases[i].sigma <= ENT_PLD_SIGMA_MAX,
                    ENT_E_RANGE,
                    "noise of %g times the sensitivity: from %g to %g can be accounted for",
                    phases[i].sigma, ENT_PLD_SIGMA_MIN, ENT_PLD_SIGMA_MAX);
        ENT_REQUIRE(phases[i].steps >= 1, ENT_E_RANGE, "a phase without a step");
    }
    return ENT_E_OK;
}

static enum ent_err job_fill(struct job *job, const struct ent_pld_phase *phases, size_t n)
{
    double inv = 0.0; /* 1 / sigma^2 of all unsampled releases together */

    ENT_TRY(ent_calloc(n, sizeof *job->phases, &job->phases));
    for (size_t i = 0; i < n; i++) {
        if (phases[i].q == 1.0) {
            inv += (double)phases[i].steps / (phases[i].sigma * phases[i].sigma);
        } else {
            job->phases[job->n++] = phases[i];
            job->steps += (double)phases[i].steps;
        }
    }
    if (inv > 0.0) {
        job->phases[job->n++] =
            (struct ent_pld_phase){.q = 1.0, .sigma = 1.0 / sqrt(inv), .steps = 1};
        job->steps += 1.0;
    }
    return ENT_E_OK;
}

/* A phase, with the largest losses cut off so that all steps together lose CUT_SHARE of delta. */
static struct ent_pld_pair pair_of(const struct job *job, size_t i,
                                   enum ent_pld_direction direction)
{
    return (struct ent_pld_pair){.q = job->phases[i].q,
                                 .sigma = job->phases[i].sigma,
                                 .direction = direction,
                                 .reach =
                                     sqrt(-2.0 * log(2.0 * CUT_SHARE * job->delta / job->steps))};
}

/* K of all steps together. */
static struct ent_pld_cumulant cumulant(const struct job *job, enum ent_pld_direction direction,
                                        double tau)
{
    struct ent_pld_cumulant sum = {0.0, 0.0, 0.0};

    for (size_t i = 0; i < job->n; i++) {
        double steps = (double)job->phases[i].steps;
        struct ent_pld_pair pair = pair_of(job, i, direction);
        struct ent_pld_cumulant one;

        ent_pld_cumulant(&pair, tau, &one);
        sum.k += steps * one.k;
        sum.k1 += steps * one.k1;
        sum.k2 += steps * one.k2;
    }
    return sum;
}

/* ln delta at the epsilon whose saddle point is theta (Alghamdi et al. 2023): near enough to choose the tilt. */
static double ln_delta_near(const struct ent_pld_cumulant *c, double theta)
{
    double spread = theta * sqrt(TWO_PI * c->k2) + 1.0;

    return c->k - theta * c->k1 - log(spread * (theta + 1.0));
}

/* A power of two that keeps the grid's share of eps, where ln delta falls by `slope` per unit of epsilon. */
static double step_of(const struct job *job, double eps, double slope)
{
    double allowed = eps > EPS_FLOOR ? eps : EPS_FLOOR;

    return exp2(floor(log2(sqrt(8.0 * GRID_SHARE * allowed / (job->steps * (slope + 1.0))))));
}

/* The tilt that puts delta's epsilon into the middle, and the grid step that fits there. */
static void job_plan(struct job *job)
{
    double low = log(THETA_MIN);
    double high = log(THETA_MAX);
    double goal = log(job->delta);
    struct ent_pld_cumulant c;

    for (int i = 0; i < TILT_BISECTIONS; i++) {
        double theta = exp((low + high) / 2.0);

        c = cumulant(job, ENT_PLD_REMOVE, theta);
        if (ln_delta_near(&c, theta) > goal) {
            low = log(theta);
        } else {
            high = log(theta);
        }
    }
    c = cumulant(job, ENT_PLD_REMOVE, exp(low));
    job->grid_step = step_of(job, c.k1, exp(low));
    job->theta = exp(low) * TILT_SHARE;
}

static bool unsampled_only(const struct job *job)
{
    return job->n == 1 && job->phases[0].q == 1.0;
}

/* K of either sign: at -1 - s it is the other direction's at s; between -1 and 0 it is at most 0. */
static double cumulant_at(const struct job *job, enum ent_pld_direction direction, double tau)
{
    if (tau > 0.0) {
        return cumulant(job, direction, tau).k;
    }
    return tau < -1.0 ? cumulant(job, direction == ENT_PLD_REMOVE ? ENT_PLD_ADD : ENT_PLD_REMOVE,
                                 -1.0 - tau)
                            .k
                      : 0.0;
}

/* Losses between which all but e^-LEFT_OUT of the tilted mass lies on either side: Chernoff with exponents from the one that
 * would be best for a Gaussian down to those that rare large losses need. Returns the tilted mean. */
static double window(const struct job *job, enum ent_pld_direction direction, double *low,
                     double *high)
{
    struct ent_pld_cumulant c = cumulant(job, direction, job->theta);
    double u = 1.4 * sqrt(2.0 * LEFT_OUT / c.k2);
    double span = sqrt(2.0 * LEFT_OUT * c.k2);

    *low = -HUGE_VAL;
    *high = HUGE_VAL;
    for (int i = 0; i < WINDOW_TRIES; i++, u *= 0.6) {
        double up = (cumulant_at(job, direction, job->theta + u) - c.k + LEFT_OUT) / u;
        double down = -(cumulant_at(job, direction, job->theta - u) - c.k + LEFT_OUT) / u;

        *high = up < *high ? up : *high;
        *low = down > *low ? down : *low;
    }
    *high += MARGIN * span; /* the grid's own error moves and widens a little */
    *low -= MARGIN * span;
    return c.k1;
}

/* How well an attempt knows the tail. Its epsilon is an upper bound in any case. */
enum found { FOUND, TILT_MORE, TILT_LESS };

struct answer {
    enum found found;
    double eps;
    double slope; /* of -ln delta there */
};

/* Sums over the losses above a point of the grid, and what delta wants them to be. */
struct tail {
    double a;
    double b;
    double need;
    double slack; /* what of a is not known */
};

/* Epsilon between the grid point at `loss` and the next one, where a - e^u b = need. */
static struct answer answer_in(struct tail t, double loss, double h, double mean)
{
    double up = t.b > 0.0 ? log((t.a - t.need) / t.b) : HUGE_VAL;
    enum found missed = mean < loss ? TILT_MORE : TILT_LESS;

    if (t.b > 0.0) {
        up = up < 0.0 ? 0.0 : up < h ? up : h;
    }
    return (struct answer){.found = t.need * CLEAR > t.slack ? FOUND : missed,
                           .eps = loss + up,
                           .slope = (t.need + t.b) / t.need};
}

/* Epsilon of one direction: from the top, sums of e^(-theta (l - s)) and e^(-(theta + 1)(l - s)) over the losses l > s make delta
 * at s; between two points of the grid delta is linear in e^eps. What lies beyond the window counts as if at its end, and
 * the transform's error as if it were mass. */
static struct answer invert(const struct job *job, const struct side *side,
                            const struct ent_complex *x, size_t len,
                            enum ent_pld_direction direction)
{
    double h = job->grid_step;
    double fall = exp(-job->theta * h);
    double fall_more = exp(-(job->theta + 1.0) * h);
    double slack = NOISE * (1.0 + 0.005 * job->steps) / -expm1(-job->theta * h);
    double a = exp(-LEFT_OUT) + slack;
    double b = 0.0;
    int64_t s = side->first + (int64_t)len - 1;

    for (; s >= side->first && s >= 0; s--) {
        const struct ent_complex *at = &x[(uint64_t)s & (len - 1)];
        double p = direction == ENT_PLD_REMOVE ? at->re : at->im;
        double need =
            exp(log(job->delta) + log1p(-CUT_SHARE) - side->ln_mgf + job->theta * ((double)s * h));

        a = (a - slack) * fall + slack;
        b *= fall_more;
        if (a - b > need) {
            return answer_in((struct tail){a, b, need, slack}, (double)s * h, h, side->mean);
        }
        /* noise of the transform is not mass */
        p = p > 0.0 ? p : 0.0;
        a += p;
        b += p;
    }
    if (side->first > 0) { /* epsilon is below the window */
        return (struct answer){TILT_LESS, (double)side->first * h, 0.0};
    }
    return (struct answer){FOUND, 0.0, 0.0};
}

static int64_t floor_cell(double loss, double h)
{
    return (int64_t)floor(loss / h);
}

/* The length that holds both directions' windows, and their beginnings. */
static size_t layout(const struct job *job, struct side sides[2])
{
    size_t len = LEN_MIN;

    for (int d = 0; d < 2; d++) {
        double low;
        double high;

        sides[d].mean = window(job, (enum ent_pld_direction)d, &low, &high);
        sides[d].first = floor_cell(low, job->grid_step);
        while (len <= LEN_MAX && (double)len < (high - low) / job->grid_step + 4.0) {
            len *= 2;
        }
    }
    return len;
}

static enum ent_err make_nodes(const struct job *job, struct ent_pld_nodes *nodes,
                               struct side sides[2])
{
    for (int d = 0; d < 2; d++) {
        sides[d].ln_mgf = 0.0;
        for (size_t i = 0; i < job->n; i++) {
            struct ent_pld_nodes *of = &nodes[2 * i + (size_t)d];
            struct ent_pld_pair pair = pair_of(job, i, (enum ent_pld_direction)d);

            ent_pld_nodes_release(of);
            ENT_TRY(ent_pld_nodes_init(of, &pair, job->theta, job->grid_step));
            sides[d].ln_mgf += (double)job->phases[i].steps * of->ln_mgf;
        }
    }
    return ENT_E_OK;
}

/* One attempt with the job's tilt: the worse of both directions. */
static enum ent_err attempt(struct job *job, struct ent_pld_nodes *nodes, struct answer *out)
{
    struct answer answers[2];
    struct side sides[2];
    struct ent_complex *x = NULL;
    enum ent_err err;

    job->len = layout(job, sides);
    while (job->len > LEN_MAX) { /* coarser: still an upper bound */
        job->grid_step *= 2.0;
        job->len = layout(job, sides);
    }
    ENT_TRY(make_nodes(job, nodes, sides));
    ENT_TRY(ent_calloc(job->len, sizeof *x, &x));
    err = ent_pld_compose(nodes, job->phases, job->n, x, job->len);
    for (int d = 0; d < 2; d++) {
        answers[d] = invert(job, &sides[d], x, job->len, (enum ent_pld_direction)d);
    }
    free(x);
    ENT_TRY(err);
    *out = answers[answers[1].eps > answers[0].eps ? 1 : 0];
    return ENT_E_OK;
}

/* Another tilt after one that missed: between the last two of both kinds, or further on. */
static double next_tilt(double theta, enum found found, double *weak, double *strong)
{
    double next;

    *(found == TILT_MORE ? weak : strong) = theta;
    if (*weak > 0.0 && *strong > 0.0) {
        next = sqrt(*weak * *strong);
    } else {
        next = theta * (found == TILT_MORE ? 1.5 : 0.6);
    }
    return next < THETA_MIN ? THETA_MIN : next < THETA_MAX ? next : THETA_MAX;
}

/* Once, as a rule: again where the saddle point was not near enough. The smallest of all upper bounds. */
static enum ent_err refine(struct job *job, struct ent_pld_nodes *nodes, double *eps)
{
    double weak = 0.0;
    double strong = 0.0;
    double best = HUGE_VAL;

    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        struct answer answer;
        double wanted;

        ENT_TRY(attempt(job, nodes, &answer));
        best = answer.eps < best ? answer.eps : best;
        if (answer.found != FOUND) {
            job->theta = next_tilt(job->theta, answer.found, &weak, &strong);
            continue;
        }
        wanted = step_of(job, answer.eps, answer.slope);
        if (job->grid_step <= wanted || job->len == LEN_MAX) {
            break;
        }
        job->grid_step = wanted;
    }
    ENT_REQUIRE(isfinite(best), ENT_E_RANGE,
                "the privacy loss at delta %g could not be placed on a grid", job->delta);
    *eps = best;
    return ENT_E_OK;
}

static enum ent_err solve(struct job *job, struct ent_pld_result *out)
{
    struct ent_pld_nodes *nodes = NULL;
    double eps = 0.0;
    enum ent_err err;

    ENT_TRY(ent_calloc(2 * job->n, sizeof *nodes, &nodes));
    err = refine(job, nodes, &eps);
    for (size_t i = 0; i < 2 * job->n; i++) {
        ent_pld_nodes_release(&nodes[i]);
    }
    free(nodes);
    ENT_TRY(err);
    *out = (struct ent_pld_result){
        .eps = eps * ROUND_UP, .grid_step = job->grid_step, .grid_len = job->len};
    return ENT_E_OK;
}

enum ent_err ent_pld_epsilon(const struct ent_pld_phase *phases, size_t n_phases, double delta,
                             struct ent_pld_result *out)
{
    struct job job = {.delta = delta};
    struct ent_pld_result result = {0};
    enum ent_err err;

    ENT_TRY(check_phases(phases, n_phases, delta));
    ENT_TRY(job_fill(&job, phases, n_phases));
    if (unsampled_only(&job)) {
        err = ent_gaussian_epsilon(job.phases[0].sigma, delta, &result.eps);
    } else {
        job_plan(&job);
        err = solve(&job, &result);
    }
    free(job.phases);
    ENT_TRY(err);
    *out = result;
    return ENT_E_OK;
}
