#include "common/privacy/account.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/privacy/gaussian.h"
#include "common/privacy/pld.h"
#include "common/privacy/rdp.h"
#include "common/privacy/zcdp.h"

/* The discrete Gaussian's delta may be above the continuous one's by 3e-6 of it: accounting at this share of delta covers it. */
#define DELTA_SHARE (1.0 - 1e-4)
/* Two PLD figures computed on different grids may stand in the wrong order when they are closer than this. */
#define PLD_BAND 1e-3
#define PLD_BAND_ABSOLUTE 2e-6
#define BAND 1e-9
/* All releases of one kind together: exact in double. */
#define STEPS_MAX ((uint64_t)1 << 52)
/* So many rounds are asked for at once before they are searched through. */
#define ASK_ALL 100000u
#define ROUNDS_MAX ((uint64_t)1 << 40)

static const char *const accountant_names[] = {
    [ENT_DP_BY_NOTHING] = "nothing", [ENT_DP_BY_GAUSSIAN] = "gaussian",
    [ENT_DP_BY_ZCDP] = "zcdp",       [ENT_DP_BY_PLD] = "pld",
    [ENT_DP_BY_RDP] = "rdp",         [ENT_DP_BY_RDP_WHOLE] = "rdp-whole",
};

/* All equal events: so many releases booked, so many more in each planned round. */
struct entry {
    struct ent_dp_event event; /* its steps count for nothing here */
    uint64_t booked;
    uint64_t a_round;
    struct ent_rdp_curve curve; /* of one release */
};

/* Sorted, so that neither order nor grouping of events changes a bit. */
struct book {
    struct entry *entries;
    size_t n;
    size_t cap;
};

/* What holds for the events that count. */
struct traits {
    bool any;
    bool sampled;
    bool coarse;  /* some grid sigma is below the safe one */
    bool several; /* some unit may be in several samples */
};

const char *ent_dp_accountant_name(enum ent_dp_accountant accountant)
{
    return accountant_names[accountant];
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare(const struct ent_dp_event *a, const struct ent_dp_event *b)
{
    int c = compare_u64(a->rate, b->rate);

    c = c != 0 ? c : compare_u64(a->sigma2, b->sigma2);
    c = c != 0 ? c : compare_u64(a->sensitivity, b->sensitivity);
    return c != 0 ? c : compare_u64(a->n_members, b->n_members);
}

/* An RDP that is too large to be computed is as good as none. */
static enum ent_err fill_curve(struct entry *entry)
{
    const struct ent_rdp_step step = {.q = ent_dp_rate(&entry->event),
                                      .sigma = ent_dp_noise_multiplier(&entry->event),
                                      .n_members = entry->event.n_members};
    enum ent_err err = ent_rdp_curve(&step, &entry->curve);

    if (err == ENT_E_RANGE) {
        for (size_t i = 0; i < ENT_RDP_ORDERS; i++) {
            entry->curve.rdp[i] = HUGE_VAL;
        }
        err = ENT_E_OK;
    }
    return err;
}

/* The entry of events like this one; a new one at its place. */
static enum ent_err book_find(struct book *book, const struct ent_dp_event *event,
                              struct entry **out)
{
    size_t at = 0;

    while (at < book->n && compare(&book->entries[at].event, event) < 0) {
        at++;
    }
    if (at == book->n || compare(&book->entries[at].event, event) != 0) {
        struct entry entry = {.event = *event};

        ENT_TRY(fill_curve(&entry));
        ENT_TRY(ent_grow(&book->entries, &book->cap, book->n + 1, sizeof *book->entries));
        for (size_t i = book->n; i > at; i--) {
            book->entries[i] = book->entries[i - 1];
        }
        book->entries[at] = entry;
        book->n++;
    }
    *out = &book->entries[at];
    return ENT_E_OK;
}

static enum ent_err book_add(struct book *book, const struct ent_dp_event *event, bool planned)
{
    struct ent_dp_event kind = *event;
    struct entry *entry;
    uint64_t *steps;

    ENT_TRY(ent_dp_event_check(event));
    if (kind.rate == ENT_DP_RATE_ALL) { /* everybody: all samples move the sum together */
        kind.sensitivity *= kind.n_members;
        kind.n_members = 1;
        ENT_TRY(ent_dp_event_check(&kind));
    }
    ENT_TRY(book_find(book, &kind, &entry));
    steps = planned ? &entry->a_round : &entry->booked;
    ENT_REQUIRE(*steps + kind.steps <= STEPS_MAX, ENT_E_LIMIT,
                "more than 2^52 releases of one kind");
    *steps += kind.steps;
    return ENT_E_OK;
}

static enum ent_err book_add_all(struct book *book, const struct ent_dp_event *events, size_t n,
                                 bool planned)
{
    for (size_t i = 0; i < n; i++) {
        ENT_TRY(book_add(book, &events[i], planned));
    }
    return ENT_E_OK;
}

static void book_release(struct book *book)
{
    free(book->entries);
    *book = (struct book){0};
}

/* Releases of an entry after so many rounds; STEPS_MAX + 1 when there are more. */
static uint64_t steps_of(const struct entry *entry, uint64_t rounds)
{
    if (entry->a_round > 0 && rounds > STEPS_MAX / entry->a_round) {
        return STEPS_MAX + 1;
    }
    return entry->booked + entry->a_round * rounds;
}

static struct traits traits_of(const struct book *book, uint64_t rounds)
{
    struct traits t = {false, false, false, false};

    for (size_t i = 0; i < book->n; i++) {
        const struct ent_dp_event *event = &book->entries[i].event;

        if (steps_of(&book->entries[i], rounds) > 0) {
            t.any = true;
            t.sampled = t.sampled || event->rate < ENT_DP_RATE_ALL;
            t.coarse = t.coarse || event->sigma2 < (uint64_t)ENT_DP_GRID_SIGMA * ENT_DP_GRID_SIGMA;
            t.several = t.several || event->n_members > 1;
        }
    }
    return t;
}

/* Of the unsampled events; UINT64_MAX when it does not fit. */
static uint64_t rho_of(const struct book *book, uint64_t rounds)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < book->n; i++) {
        const struct ent_dp_event *event = &book->entries[i].event;
        uint64_t steps = steps_of(&book->entries[i], rounds);
        uint64_t rho = 0;

        if (event->rate < ENT_DP_RATE_ALL) {
            continue;
        }
        if (ent_zcdp_rho(event->sensitivity, event->sigma2, steps, &rho) != ENT_E_OK ||
            rho > UINT64_MAX - sum) {
            return UINT64_MAX;
        }
        sum += rho;
    }
    return sum;
}

static enum ent_err spend_rdp(const struct book *book, uint64_t rounds, bool whole, double delta,
                              struct ent_rdp_epsilon *out)
{
    struct ent_rdp_curve total = {{0.0}};

    for (size_t i = 0; i < book->n; i++) {
        ent_rdp_add(&total, &book->entries[i].curve, steps_of(&book->entries[i], rounds));
    }
    return ent_rdp_epsilon(&total, whole ? ENT_RDP_WHOLE_ORDERS : ENT_RDP_ALL_ORDERS, delta, out);
}

static double rho_number(uint64_t rho_e12)
{
    return (double)rho_e12 / (double)ENT_ZCDP_UNIT * (1.0 + 1e-15);
}

/* *eps is left as it is (RDP's) when the losses cannot be placed on a grid. */
static enum ent_err spend_pld(const struct book *book, uint64_t rounds, double delta, double *eps,
                              bool *is_pld)
{
    uint64_t rho = rho_of(book, rounds);
    struct ent_pld_phase *phases = NULL;
    struct ent_pld_result result;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_calloc(book->n + 1, sizeof *phases, &phases));
    for (size_t i = 0; i < book->n; i++) {
        const struct ent_dp_event *event = &book->entries[i].event;
        uint64_t steps = steps_of(&book->entries[i], rounds);

        if (steps > 0 && event->rate < ENT_DP_RATE_ALL) {
            phases[n++] = (struct ent_pld_phase){
                .q = ent_dp_rate(event), .sigma = ent_dp_noise_multiplier(event), .steps = steps};
        }
    }
    if (rho > 0) {
        phases[n++] = (struct ent_pld_phase){
            .q = 1.0, .sigma = 1.0 / sqrt(2.0 * rho_number(rho)), .steps = 1};
    }
    err = ent_pld_epsilon(phases, n, delta * DELTA_SHARE, &result);
    free(phases);
    if (err == ENT_E_RANGE) {
        return ENT_E_OK;
    }
    ENT_TRY(err);
    if (result.eps < *eps) { /* both are upper bounds */
        *eps = result.eps;
        *is_pld = true;
    }
    return ENT_E_OK;
}

static enum ent_err spend_unsampled(const struct traits *t, double delta, struct ent_dp_spent *out)
{
    double rho = rho_number(out->rho_e12);

    if (out->rho_e12 == UINT64_MAX) {
        out->eps = HUGE_VAL;
        out->accountant = ENT_DP_BY_ZCDP;
        return ENT_E_OK;
    }
    if (t->coarse) {
        out->accountant = ENT_DP_BY_ZCDP;
        return ent_zcdp_epsilon(rho, delta, &out->eps);
    }
    out->accountant = ENT_DP_BY_GAUSSIAN;
    return ent_gaussian_epsilon(1.0 / sqrt(2.0 * rho), delta * DELTA_SHARE, &out->eps);
}

/* Everything booked and so many rounds. */
static enum ent_err spend(const struct book *book, uint64_t rounds, double delta,
                          struct ent_dp_spent *out)
{
    struct traits t = traits_of(book, rounds);
    struct ent_dp_spent spent = {.accountant = ENT_DP_BY_NOTHING, .has_rho = !t.sampled};
    struct ent_rdp_epsilon rdp;
    bool is_pld = false;

    ENT_REQUIRE(delta > 0.0 && delta < 1.0, ENT_E_RANGE,
                "a delta of %g: it must be above 0 and below 1", delta);
    if (t.any) {
        ENT_TRY(spend_rdp(book, rounds, t.coarse, delta, &rdp));
        spent.eps_rdp = rdp.eps;
        spent.order = rdp.order;
    }
    if (t.any && !t.sampled) {
        spent.rho_e12 = rho_of(book, rounds);
        ENT_TRY(spend_unsampled(&t, delta, &spent));
    } else if (t.any) {
        spent.eps = rdp.eps;
        if (!t.coarse && !t.several) {
            ENT_TRY(spend_pld(book, rounds, delta, &spent.eps, &is_pld));
        }
        spent.accountant = is_pld ? ENT_DP_BY_PLD : t.coarse ? ENT_DP_BY_RDP_WHOLE : ENT_DP_BY_RDP;
    }
    *out = spent;
    return ENT_E_OK;
}

enum ent_err ent_account_spent(const struct ent_dp_event *events, size_t n, double delta,
                               struct ent_dp_spent *out)
{
    struct book book = {0};
    enum ent_err err = book_add_all(&book, events, n, false);

    if (err == ENT_E_OK) {
        err = spend(&book, 0, delta, out);
    }
    book_release(&book);
    return err;
}

static enum ent_err check_limit(const struct ent_dp_limit *limit)
{
    ENT_REQUIRE(limit->eps > 0.0 && isfinite(limit->eps) && limit->delta > 0.0 &&
                    limit->delta < 1.0,
                ENT_E_RANGE,
                "a budget of epsilon %g at delta %g: epsilon must be above 0, delta above 0 and "
                "below 1",
                limit->eps, limit->delta);
    return ENT_E_OK;
}

struct search {
    const struct book *book;
    struct ent_dp_limit limit;
};

static enum ent_err within(const struct search *s, uint64_t rounds, double eps, bool *yes)
{
    struct ent_dp_spent spent;

    for (size_t i = 0; i < s->book->n; i++) {
        if (steps_of(&s->book->entries[i], rounds) > STEPS_MAX) {
            *yes = false;
            return ENT_E_OK;
        }
    }
    ENT_TRY(spend(s->book, rounds, s->limit.delta, &spent));
    *yes = spent.eps <= eps;
    return ENT_E_OK;
}

static enum ent_err book_both(struct book *book, const struct ent_dp_event *events, size_t n,
                              const struct ent_dp_round *round)
{
    ENT_REQUIRE(round->n >= 1, ENT_E_RANGE, "a round without a release has no price");
    ENT_TRY(book_add_all(book, events, n, false));
    return book_add_all(book, round->events, round->n, true);
}

enum ent_err ent_account_fits(const struct ent_dp_event *events, size_t n,
                              const struct ent_dp_round *round, const struct ent_dp_limit *limit,
                              bool *fits)
{
    struct book book = {0};
    struct search s = {.book = &book, .limit = *limit};
    enum ent_err err = check_limit(limit);

    if (err == ENT_E_OK) {
        err = book_both(&book, events, n, round);
    }
    if (err == ENT_E_OK) {
        err = within(&s, 1, limit->eps, fits);
    }
    book_release(&book);
    return err;
}

/* ---- rounds left ---- */

/* The largest number of rounds up to `most` that stays within eps, were the figure monotone: 0 fits or nothing does. */
static enum ent_err largest(const struct search *s, uint64_t most, double eps, uint64_t *out)
{
    uint64_t low = 0;
    uint64_t high = most + 1; /* does not fit, or must not be asked */
    bool all = false;

    if (most <= ASK_ALL) { /* a plan whose rounds all fit is the common case */
        ENT_TRY(within(s, most, eps, &all));
    }
    if (all) {
        *out = most;
        return ENT_E_OK;
    }
    for (uint64_t step = 1; step < most; step *= 2) { /* small answers are found with small sums */
        bool yes;

        ENT_TRY(within(s, step, eps, &yes));
        if (!yes) {
            high = step;
            break;
        }
        low = step;
    }
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        bool yes;

        ENT_TRY(within(s, mid, eps, &yes));
        if (yes) {
            low = mid;
        } else {
            high = mid;
        }
    }
    *out = low;
    return ENT_E_OK;
}

/* A number of rounds, at most `most` and near it, so far within the limit that every smaller one is within it too, whatever grid
 * their figures were computed on. */
static enum ent_err surely(const struct search *s, uint64_t most, double eps, uint64_t *out)
{
    uint64_t back = 0;

    while (back < most) {
        bool yes;

        ENT_TRY(within(s, most - back, eps, &yes));
        if (yes) {
            break;
        }
        back = back == 0 ? 1 : back * 2;
    }
    *out = back < most ? most - back : 0;
    return ENT_E_OK;
}

/* Rounds are booked one at a time, and the first that does not fit ends the run: from `sure` on each is asked. */
static enum ent_err first_refusal(const struct search *s, uint64_t sure, uint64_t most,
                                  uint64_t *out)
{
    uint64_t rounds = sure;

    while (rounds < most) {
        bool yes;

        ENT_TRY(within(s, rounds + 1, s->limit.eps, &yes));
        if (!yes) {
            break;
        }
        rounds++;
    }
    *out = rounds;
    return ENT_E_OK;
}

static enum ent_err rounds_left(const struct search *s, uint64_t max_rounds, uint64_t *left)
{
    struct traits t = traits_of(s->book, 1);
    bool on_grids = t.sampled && !t.coarse && !t.several;
    double band = s->limit.eps * (on_grids ? PLD_BAND : BAND);
    uint64_t most;
    uint64_t sure;

    band = on_grids && band < PLD_BAND_ABSOLUTE ? PLD_BAND_ABSOLUTE : band;
    ENT_TRY(largest(s, max_rounds < ROUNDS_MAX ? max_rounds : ROUNDS_MAX, s->limit.eps, &most));
    ENT_TRY(surely(s, most, s->limit.eps - band, &sure));
    return first_refusal(s, sure, most, left);
}

enum ent_err ent_account_rounds_left(const struct ent_dp_event *events, size_t n,
                                     const struct ent_dp_round *round,
                                     const struct ent_dp_limit *limit, uint64_t max_rounds,
                                     uint64_t *left)
{
    struct book book = {0};
    struct search s = {.book = &book, .limit = *limit};
    enum ent_err err = check_limit(limit);

    if (err == ENT_E_OK) {
        err = book_both(&book, events, n, round);
    }
    if (err == ENT_E_OK) {
        err = rounds_left(&s, max_rounds, left);
    }
    book_release(&book);
    return err;
}
