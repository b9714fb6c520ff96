/* Customers whose truth is known. The formula below is the documented one: README.md beside this file repeats it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "deploy/demo/demo.h"

enum channel { EMAIL, SEARCH, SOCIAL, STORE, PARTNER, N_CHANNELS };
enum device { DESKTOP, MOBILE, TABLET, N_DEVICES };

static const char *const channels[] = {"email", "search", "social", "store", "partner"};
static const char *const devices[] = {"desktop", "mobile", "tablet"};
/* Two brands, far apart; every brand lies between them (README.md, skew). */
static const double channel_mix[2][N_CHANNELS] = {{0.40, 0.30, 0.10, 0.15, 0.05},
                                                  {0.05, 0.25, 0.50, 0.10, 0.10}};
static const double device_mix[2][N_DEVICES] = {{0.60, 0.30, 0.10}, {0.20, 0.70, 0.10}};
static const double channel_effect[N_CHANNELS] = {1.0, 0.4, -0.9, 0.0, -0.3};

struct customer {
    double age;
    double income;
    uint32_t visits;
    uint32_t days; /* since the last visit */
    unsigned channel;
    unsigned device;
    bool newsletter;
    double p; /* the true probability */
    bool bought;
};

struct scored {
    double p;
    bool bought;
};

static unsigned pick(struct ent_rng *rng, const double mix[2][5], size_t n, double t)
{
    double u = (double)ent_rng_float(rng);
    double sum = 0.0;

    for (unsigned i = 0; i + 1 < n; i++) {
        sum += (1.0 - t) * mix[0][i] + t * mix[1][i];
        if (u < sum) {
            return i;
        }
    }
    return (unsigned)n - 1;
}

static unsigned pick_device(struct ent_rng *rng, double t)
{
    double mix[2][5] = {{0}};

    memcpy(mix[0], device_mix[0], sizeof device_mix[0]);
    memcpy(mix[1], device_mix[1], sizeof device_mix[1]);
    return pick(rng, (const double(*)[5])mix, N_DEVICES, t);
}

static double clip(double x, double lo, double hi)
{
    return x < lo ? lo : (x > hi ? hi : x);
}

/* logit p = -2.6 + 1.1 ln(1 + visits) - 0.012 days + 0.9 newsletter + effect(channel) - 0.0015 (age - 42)^2
 *           + 0.6 ln(income / 30000) + 1.5 [social and mobile]
 * The same for every brand: brands differ in who their customers are, not in what makes them buy. */
static double truth(const struct customer *c)
{
    double z =
        -2.6 + 1.1 * log(1.0 + c->visits) - 0.012 * c->days + 0.9 * (c->newsletter ? 1.0 : 0.0);

    z += channel_effect[c->channel] - 0.0015 * (c->age - 42.0) * (c->age - 42.0);
    z += 0.6 * log(c->income / 30000.0) + (c->channel == SOCIAL && c->device == MOBILE ? 1.5 : 0.0);
    return 1.0 / (1.0 + exp(-z));
}

/* t in [0, 1]: where the brand lies between the two extremes. */
static void draw(struct ent_rng *rng, double t, struct customer *c)
{
    c->age = floor(clip(50.0 - 18.0 * t + 12.0 * ent_rng_normal(rng), 18.0, 90.0));
    c->income =
        floor(clip(exp(log(32000.0 - 8000.0 * t) + 0.45 * ent_rng_normal(rng)), 8000.0, 200000.0) /
              100.0) *
        100.0;
    c->visits = (uint32_t)floor(-(5.0 - 2.0 * t) * log(1.0 - (double)ent_rng_float(rng)));
    c->visits = c->visits > 60 ? 60 : c->visits;
    c->days = (uint32_t)floor(clip(-60.0 * log(1.0 - (double)ent_rng_float(rng)), 0.0, 365.0));
    c->channel = pick(rng, channel_mix, N_CHANNELS, t);
    c->device = pick_device(rng, t);
    c->newsletter = (double)ent_rng_float(rng) < 0.55 - 0.35 * t;
    c->p = truth(c);
    c->bought = (double)ent_rng_float(rng) < c->p;
}

static void write_header(FILE *out, bool brand)
{
    (void)fprintf(
        out, "customer_id,%sage,income,visits,days_since_visit,channel,device,newsletter,bought\n",
        brand ? "brand," : "");
}

/* Missing at random: 3 % of ages, 8 % of incomes, 2 % of devices. */
static void write_row(FILE *out, const struct customer *c, uint64_t id, uint64_t brand,
                      const bool missing[3])
{
    (void)fprintf(out, "c%07llu,", (unsigned long long)id);
    if (brand > 0) {
        (void)fprintf(out, "brand-%llu,", (unsigned long long)brand);
    }
    if (missing[0]) {
        (void)fprintf(out, ",");
    } else {
        (void)fprintf(out, "%.0f,", c->age);
    }
    if (missing[1]) {
        (void)fprintf(out, ",");
    } else {
        (void)fprintf(out, "%.0f,", c->income);
    }
    (void)fprintf(out, "%u,%u,%s,%s,%s,%s\n", c->visits, c->days, channels[c->channel],
                  missing[2] ? "" : devices[c->device], c->newsletter ? "yes" : "no",
                  c->bought ? "yes" : "no");
}

static int by_p(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;

    return x->p < y->p ? -1 : x->p > y->p;
}

/* Of the true probability: no model can have more, but by luck. Sorts its input; ties (there are hardly any) count as
 * they come. */
static double bayes_auc(struct scored *rows, size_t n)
{
    double below = 0.0;
    double pairs = 0.0;
    double positives = 0.0;

    qsort(rows, n, sizeof *rows, by_p);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].bought) {
            pairs += below;
            positives += 1.0;
        } else {
            below += 1.0;
        }
    }
    return pairs / (positives * below);
}

/* Sizes fall as 1, 1/2, 1/3, ...; the last member gets what is left. */
static uint64_t size_of(const struct ent_demo_generate *o, uint64_t member, uint64_t used)
{
    double sum = 0.0;
    uint64_t size;
    uint64_t least = 5;

    for (uint64_t i = 1; i <= o->members; i++) {
        sum += 1.0 / (double)i;
    }
    if (member + 1 == o->members) {
        return o->rows - used;
    }
    size = (uint64_t)floor((double)o->rows / (sum * (double)(member + 1)));
    return size > least ? size : least;
}

static enum ent_err write_member(const struct ent_demo_generate *o, uint64_t member,
                                 uint64_t first_id, uint64_t n, FILE *pooled, struct scored *scored)
{
    struct ent_rng rng = ent_rng_init(o->seed, member);
    double t = o->members > 1 ? (double)member / (double)(o->members - 1) : 0.0;
    char name[40];
    FILE *out;

    (void)snprintf(name, sizeof name, "member-%llu.csv", (unsigned long long)member + 1);
    ENT_TRY(ent_demo_create(o->out, name, &out));
    write_header(out, false);
    for (uint64_t i = 0; i < n; i++) {
        struct customer c;
        bool missing[3];

        draw(&rng, t, &c);
        missing[0] = (double)ent_rng_float(&rng) < 0.03;
        missing[1] = (double)ent_rng_float(&rng) < 0.08;
        missing[2] = (double)ent_rng_float(&rng) < 0.02;
        write_row(out, &c, first_id + i, 0, missing);
        if (pooled != NULL) {
            write_row(pooled, &c, first_id + i, member + 1, missing);
        }
        scored[i] = (struct scored){c.p, c.bought};
    }
    return ent_demo_close(out, name);
}

static void report_part(FILE *report, const char *name, struct scored *scored, uint64_t n)
{
    uint64_t positives = 0;

    for (uint64_t i = 0; i < n; i++) {
        positives += scored[i].bought ? 1 : 0;
    }
    (void)fprintf(report, "  %-12s %9llu rows, %5.1f %% bought, AUC of the true probability %.4f\n",
                  name, (unsigned long long)n, 100.0 * (double)positives / (double)n,
                  bayes_auc(scored, n));
}

static enum ent_err write_all(const struct ent_demo_generate *o, FILE *pooled,
                              struct scored *scored, FILE *report)
{
    struct scored *part;
    uint64_t used = 0;

    for (uint64_t m = 0; m < o->members; m++) {
        uint64_t n = size_of(o, m, used);
        char name[40];

        ENT_TRY(write_member(o, m, used, n, pooled, scored + used));
        ENT_TRY(ent_calloc(n, sizeof *part, &part));
        memcpy(part, scored + used, n * sizeof *part);
        (void)snprintf(name, sizeof name, "member-%llu", (unsigned long long)m + 1);
        report_part(report, name, part, n);
        free(part);
        used += n;
    }
    report_part(report, "together", scored, used);
    return ENT_E_OK;
}

enum ent_err ent_demo_generate(const struct ent_demo_generate *options, FILE *report)
{
    struct scored *scored = NULL;
    FILE *pooled = NULL;
    enum ent_err err;
    enum ent_err closed;

    ENT_TRY(ent_calloc(options->rows, sizeof *scored, &scored));
    err = options->pooled ? ent_demo_create(options->out, "pooled.csv", &pooled) : ENT_E_OK;
    if (err == ENT_E_OK && pooled != NULL) {
        write_header(pooled, true);
    }
    if (err == ENT_E_OK) {
        err = write_all(options, pooled, scored, report);
    }
    closed = ent_demo_close(pooled, "pooled.csv");
    free(scored);
    return err != ENT_E_OK ? err : closed;
}
