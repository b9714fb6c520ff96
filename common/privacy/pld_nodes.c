#include "common/privacy/pld_nodes.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define LN_SQRT_2PI 0.91893853320467274178
#define PI 3.14159265358979323846
#define REACH 13.0
/* Samples a standard deviation, so that even one release is integrated to 1e-5 of delta. */
#define POINTS 96.0
/* Samples a standard deviation when the range is looked for. */
#define SCAN 4.0
/* Masses below e^-50 of the largest are left out. */
#define NEGLIGIBLE 50.0
#define NODES_MAX 4e6
/* Samples a standard deviation for smooth integrals. */
#define SMOOTH_POINTS 6.0
#define SMOOTH_MAX 2e5
#define LARGE 40.0

struct pair {
    double q;
    double sigma;
    double ln_q;
    double ln_rest;
    enum ent_pld_direction direction;
    double reach;
    double theta;
};

/* ln P/Q at y. */
static double ln_ratio(const struct pair *p, double y)
{
    double e = (2.0 * y - 1.0) / (2.0 * p->sigma * p->sigma);
    double x;

    if (p->q == 1.0) {
        return e;
    }
    if (e > LARGE) {
        return p->ln_q + e + log1p(exp(p->ln_rest - p->ln_q - e));
    }
    x = p->q * expm1(e);
    if (x < -0.5) {
        return p->ln_rest + log1p(exp(p->ln_q - p->ln_rest + e));
    }
    return log1p(x);
}

static double loss_of(const struct pair *p, double ratio)
{
    return p->direction == ENT_PLD_REMOVE ? ratio : -ratio;
}

/* ln of the density under which the loss is taken. */
static double ln_density(const struct pair *p, double y, double ratio)
{
    double z = y / p->sigma;

    return -z * z / 2.0 - LN_SQRT_2PI - log(p->sigma) +
           (p->direction == ENT_PLD_REMOVE ? ratio : 0.0);
}

static double ln_tilted(const struct pair *p, double y)
{
    double ratio = ln_ratio(p, y);

    return ln_density(p, y, ratio) + p->theta * loss_of(p, ratio);
}

static struct pair pair_of(const struct ent_pld_pair *of, double theta)
{
    return (struct pair){.q = of->q,
                         .sigma = of->sigma,
                         .ln_q = log(of->q),
                         .ln_rest = log1p(-of->q),
                         .direction = of->direction,
                         .reach = of->reach,
                         .theta = theta};
}

struct span {
    double low;
    double high;
};

/* Beyond this the tilted density is nothing, or cut off: the loss grows to the right (REMOVE) or to the left (ADD), and
 * the tilt pulls there. */
static struct span reach_of(const struct pair *p)
{
    double cut = p->reach * p->sigma;
    double most = REACH * p->sigma;
    double pulled = most + p->theta;

    if (p->direction == ENT_PLD_REMOVE) {
        return (struct span){-most, 1.0 + (cut < pulled ? cut : pulled)};
    }
    return (struct span){-(cut < pulled ? cut : pulled), most};
}

/* Where it is not negligible. */
static struct span span_of(const struct pair *p)
{
    double step = p->sigma / SCAN;
    struct span all = reach_of(p);
    struct span found = {all.high, all.low};
    size_t n = (size_t)((all.high - all.low) / step) + 1;
    double top = -HUGE_VAL;

    for (size_t i = 0; i < n; i++) {
        double v = ln_tilted(p, all.low + (double)i * step);

        top = v > top ? v : top;
    }
    for (size_t i = 0; i < n; i++) {
        double y = all.low + (double)i * step;

        if (ln_tilted(p, y) >= top - NEGLIGIBLE) {
            found.low = y < found.low ? y : found.low;
            found.high = y > found.high ? y : found.high;
        }
    }
    found.low = found.low - step > all.low ? found.low - step : all.low;
    found.high = found.high + step < all.high ? found.high + step : all.high;
    return found;
}

/* How fast the integrands change; 1 + x = 0 at a distance of pi sigma^2 from the real axis. */
static double smooth_scale(const struct pair *p)
{
    return p->q < 1.0 && PI * p->sigma < 1.0 ? PI * p->sigma * p->sigma : p->sigma;
}

void ent_pld_cumulant(const struct ent_pld_pair *pair, double tau, struct ent_pld_cumulant *out)
{
    struct pair p = pair_of(pair, tau);
    struct span span = reach_of(&p);
    double width = smooth_scale(&p) / SMOOTH_POINTS;
    double count = ceil((span.high - span.low) / width);
    double top = -HUGE_VAL;
    double sum[3] = {0.0, 0.0, 0.0};

    count = count < SMOOTH_MAX ? count : SMOOTH_MAX;
    width = (span.high - span.low) / count;
    for (size_t i = 0; i <= (size_t)count; i++) {
        double y = span.low + (double)i * width;
        double ratio = ln_ratio(&p, y);
        double loss = loss_of(&p, ratio);
        double v = ln_density(&p, y, ratio) + tau * loss;
        double w;

        if (v > top) {
            double down = exp(top - v);

            sum[0] *= down;
            sum[1] *= down;
            sum[2] *= down;
            top = v;
        }
        w = exp(v - top);
        sum[0] += w;
        sum[1] += w * loss;
        sum[2] += w * loss * loss;
    }
    sum[1] /= sum[0];
    *out = (struct ent_pld_cumulant){
        .k = top + log(sum[0] * width), .k1 = sum[1], .k2 = sum[2] / sum[0] - sum[1] * sum[1]};
}

/* The sample at y: its cell and how its mass is split. */
static struct ent_pld_node node_at(const struct pair *p, double y, double ln_width,
                                   double grid_step)
{
    double ratio = ln_ratio(p, y);
    double loss = loss_of(p, ratio);
    double cell = floor(loss / grid_step);
    double over = loss - cell * grid_step;
    double upper = over > 0.0 ? expm1(-over) / expm1(-grid_step) : 0.0;

    return (struct ent_pld_node){.cell = (int64_t)cell,
                                 .upper = upper < 1.0 ? upper : 1.0,
                                 .ln_mass = ln_density(p, y, ratio) + ln_width +
                                            p->theta * (cell * grid_step)};
}

/* ln of the sum of all tilted masses; `ln_step` = theta * grid step. */
static double ln_total(const struct ent_pld_nodes *nodes)
{
    double gain = expm1(nodes->theta * nodes->grid_step);
    double top = -HUGE_VAL;
    double sum = 0.0;

    for (size_t i = 0; i < nodes->n; i++) {
        top = nodes->nodes[i].ln_mass > top ? nodes->nodes[i].ln_mass : top;
    }
    for (size_t i = 0; i < nodes->n; i++) {
        sum += exp(nodes->nodes[i].ln_mass - top) * (1.0 + nodes->nodes[i].upper * gain);
    }
    return top + log(sum);
}

enum ent_err ent_pld_nodes_init(struct ent_pld_nodes *out, const struct ent_pld_pair *pair,
                                double theta, double grid_step)
{
    struct pair p = pair_of(pair, theta);
    struct ent_pld_nodes nodes = {.theta = theta, .grid_step = grid_step};
    struct span span = span_of(&p);
    double width = smooth_scale(&p) / POINTS;
    double count = ceil((span.high - span.low) / width);

    count = count < NODES_MAX ? count : NODES_MAX;
    width = (span.high - span.low) / count;
    nodes.n = (size_t)count;
    ENT_TRY(ent_calloc(nodes.n, sizeof *nodes.nodes, &nodes.nodes));
    for (size_t i = 0; i < nodes.n; i++) {
        nodes.nodes[i] = node_at(&p, span.low + (double)i * width, log(width), grid_step);
    }
    nodes.ln_mgf = ln_total(&nodes);
    *out = nodes;
    return ENT_E_OK;
}

void ent_pld_nodes_release(struct ent_pld_nodes *nodes)
{
    free(nodes->nodes);
    *nodes = (struct ent_pld_nodes){0};
}

void ent_pld_nodes_place(const struct ent_pld_nodes *nodes, enum ent_pld_direction direction,
                         struct ent_complex *x, size_t len)
{
    double up = exp(nodes->theta * nodes->grid_step);

    for (size_t i = 0; i < nodes->n; i++) {
        const struct ent_pld_node *node = &nodes->nodes[i];
        double mass = exp(node->ln_mass - nodes->ln_mgf);
        struct ent_complex *low = &x[(uint64_t)node->cell & (len - 1)];
        struct ent_complex *high = &x[((uint64_t)node->cell + 1) & (len - 1)];

        if (direction == ENT_PLD_REMOVE) {
            low->re += mass * (1.0 - node->upper);
            high->re += mass * node->upper * up;
        } else {
            low->im += mass * (1.0 - node->upper);
            high->im += mass * node->upper * up;
        }
    }
}
