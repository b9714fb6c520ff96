#include "simulate/arguments.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "simulate/pool.h"

#define STATE_MEMORY ((uint64_t)1 << 30)
#define ALPHA 0.5
#define SEEDS_MAX 1000
#define RUNS_MAX 100000

static enum ent_err whole(const char *option, const char *text, uint32_t max, uint32_t *out)
{
    uint64_t v = *out; /* left as it is where nothing is said */

    ENT_REQUIRE(text == NULL || (ent_scalar_u64(text, strlen(text), &v) && v >= 1 && v <= max),
                ENT_E_USAGE, "--%s takes a whole number from 1 to %u, not '%.80s'", option,
                (unsigned)max, text);
    *out = (uint32_t)v;
    return ENT_E_OK;
}

enum bounds { CLOSED, ABOVE_LO, BELOW_HI };

struct real {
    const char *option;
    double lo;
    double hi;
    enum bounds bounds;
    const char *range; /* in words */
};

static enum ent_err number(const struct real *r, const char *text, double *out)
{
    double v = *out;

    ENT_REQUIRE(text == NULL ||
                    (ent_scalar_double(text, strlen(text), &v) && v >= r->lo && v <= r->hi &&
                     (r->bounds != ABOVE_LO || v > r->lo) && (r->bounds != BELOW_HI || v < r->hi)),
                ENT_E_USAGE, "--%s takes a number %s, not '%.80s'", r->option, r->range, text);
    *out = v;
    return ENT_E_OK;
}

/* ---- the division ---- */

static enum ent_err check_ways(const struct ent_simulate_verb *v)
{
    bool members = v->members != NULL;
    int shapes = (v->alpha != NULL) + (v->shards != NULL);

    ENT_REQUIRE(members || (shapes == 0 && !v->quantity), ENT_E_USAGE,
                "--alpha, --quantity and --shards belong to --members N");
    ENT_REQUIRE((v->iid != NULL) != (members || v->by != NULL), ENT_E_USAGE,
                "say how the rows are divided, in one way: --by COLUMN, --iid N, or --members N "
                "with --alpha A (uneven shares of each label; with --by COLUMN of each of its "
                "values), --quantity (uneven numbers of rows) or --shards S (few labels each)");
    ENT_REQUIRE(!v->quantity || (v->by == NULL && v->shards == NULL), ENT_E_USAGE,
                "--quantity divides rows whatever they are: it goes with --members and --alpha "
                "alone");
    ENT_REQUIRE(shapes < 2, ENT_E_USAGE, "--alpha and --shards are two ways: choose one");
    return ENT_E_OK;
}

static void choose_kind(const struct ent_simulate_verb *v, struct ent_division_spec *d)
{
    if (v->iid != NULL) {
        d->kind = ENT_DIVISION_IID;
    } else if (v->members == NULL) {
        d->kind = ENT_DIVISION_BY_COLUMN;
    } else if (v->quantity) {
        d->kind = ENT_DIVISION_QUANTITY;
    } else {
        d->kind = v->shards != NULL ? ENT_DIVISION_SHARDS : ENT_DIVISION_DIRICHLET;
    }
}

static void say_division(const struct ent_division_spec *d, char text[ENT_ARGUMENTS_DIVISION_BYTES])
{
    const size_t max = ENT_ARGUMENTS_DIVISION_BYTES;
    const char *class = d->column != NULL ? d->column : "label";

    switch (d->kind) {
    case ENT_DIVISION_BY_COLUMN:
        (void)snprintf(text, max, "by %.200s", d->column);
        break;
    case ENT_DIVISION_IID:
        (void)snprintf(text, max, "with rows dealt evenly");
        break;
    case ENT_DIVISION_DIRICHLET:
        (void)snprintf(text, max, "by %.200s, alpha %g", class, d->alpha);
        break;
    case ENT_DIVISION_QUANTITY:
        (void)snprintf(text, max, "by quantity, alpha %g", d->alpha);
        break;
    case ENT_DIVISION_SHARDS:
        (void)snprintf(text, max, "with %u shards by %.200s each", (unsigned)d->shards, class);
        break;
    }
}

static enum ent_err read_division(const struct ent_simulate_verb *v, struct ent_arguments *a)
{
    static const struct real alpha = {"alpha", ENT_DIVISION_ALPHA_MIN, ENT_DIVISION_ALPHA_MAX,
                                      CLOSED, "from 0.001 to 1000000"};
    struct ent_division_spec *d = &a->division;

    *d = (struct ent_division_spec){.column = v->by, .alpha = ALPHA};
    ENT_TRY(whole("iid", v->iid, ENT_POPULATION_MEMBERS_MAX, &d->members));
    ENT_TRY(whole("members", v->members, ENT_POPULATION_MEMBERS_MAX, &d->members));
    ENT_TRY(whole("shards", v->shards, ENT_DIVISION_SHARDS_MAX, &d->shards));
    ENT_TRY(number(&alpha, v->alpha, &d->alpha));
    ENT_TRY(check_ways(v));
    choose_kind(v, d);
    say_division(d, a->division_text);
    return ENT_E_OK;
}

/* ---- the rest ---- */

static enum ent_err read_federation(const struct ent_simulate_verb *v,
                                    struct ent_federation_options *o)
{
    static const struct real fraction = {"fraction", 0.0, 1.0, ABOVE_LO, "above 0 and at most 1"};
    static const struct real dropout = {"dropout", 0.0, 1.0, BELOW_HI, "from 0 to below 1"};

    *o = (struct ent_federation_options){
        .threads = ent_pool_cores(), .fraction = 1.0, .state_memory = STATE_MEMORY};
    ENT_TRY(whole("threads", v->threads, ENT_POOL_THREADS_MAX, &o->threads));
    ENT_TRY(number(&fraction, v->fraction, &o->fraction));
    ENT_TRY(number(&dropout, v->dropout, &o->dropout));
    ENT_REQUIRE(v->state_memory == NULL ||
                    ent_scalar_size(v->state_memory, strlen(v->state_memory), &o->state_memory),
                ENT_E_USAGE,
                "--state-memory takes a size such as 512MiB (B, KiB, MiB, GiB, kB, MB, GB), not "
                "'%.80s'",
                v->state_memory);
    return ENT_E_OK;
}

enum ent_err ent_arguments_read(const struct ent_simulate_verb *verb, struct ent_arguments *out)
{
    struct ent_arguments a = {.seeds = 1};

    ENT_TRY(read_division(verb, &a));
    ENT_TRY(read_federation(verb, &a.federation));
    ENT_TRY(whole("rounds", verb->rounds, ENT_SWEEP_ROUNDS_MAX, &a.rounds));
    ENT_TRY(whole("seeds", verb->seeds, SEEDS_MAX, &a.seeds));
    ENT_REQUIRE(verb->pooled == NULL || verb->compare, ENT_E_USAGE,
                "--pooled belongs to --compare");
    a.federation.course = verb->course;
    ENT_REQUIRE(verb->data != NULL || verb->config != NULL, ENT_E_USAGE,
                "say where the rows are: --data FILE, or --config FILE with its data.path");
    ENT_REQUIRE(verb->more == NULL || verb->data != NULL, ENT_E_USAGE, "--more belongs to --data");
    ENT_REQUIRE(!verb->each || verb->compare, ENT_E_USAGE, "--each belongs to --compare");
    if (verb->sweep != NULL) {
        ENT_TRY(ent_sweep_parse(verb->sweep, &a.sweep));
    }
    ENT_REQUIRE(ent_sweep_combinations(&a.sweep) <= RUNS_MAX / a.seeds, ENT_E_USAGE,
                "--sweep and --seeds: more than %d runs", RUNS_MAX);
    *out = a;
    return ENT_E_OK;
}
