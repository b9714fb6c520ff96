/* Who gets which row. Rows of one unit stay together where a unit key says what a unit is, but for divisions by class, which
 * divide rows of a class. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "simulate/population.h"

#define STREAM 0x73696d0000000000ULL /* of the seed; nothing else draws from it */
#define NAME_MAX_BYTES 200
#define CLASSES_MAX 4096

/* ---- by column ---- */

struct keyed {
    const char *text;
    size_t len;
    uint32_t row;
};

static int compare_keyed(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;
    int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

    if (order != 0) {
        return order;
    }
    if (x->len != y->len) {
        return x->len < y->len ? -1 : 1;
    }
    return x->row < y->row ? -1 : 1;
}

static bool same(const struct keyed *a, const struct keyed *b)
{
    return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static enum ent_err name_of(const struct keyed *k, char **out)
{
    if (k->len == 0) {
        return ent_strdup("(blank)", out);
    }
    return ent_strndup(k->text, k->len < NAME_MAX_BYTES ? k->len : NAME_MAX_BYTES, out);
}

static enum ent_err number_values(const struct keyed *keys, uint32_t n_rows, uint32_t *member_of,
                                  char **names, uint32_t *n_members)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_rows; i++) {
        if (i == 0 || !same(&keys[i - 1], &keys[i])) {
            ENT_REQUIRE(n < ENT_POPULATION_MEMBERS_MAX, ENT_E_LIMIT,
                        "the column to divide by has more than %d values: one member each is too "
                        "many; choose another, or --iid",
                        ENT_POPULATION_MEMBERS_MAX);
            ENT_TRY(name_of(&keys[i], &names[n]));
            n++;
        }
        member_of[keys[i].row] = n - 1;
    }
    *n_members = n;
    return ENT_E_OK;
}

static void free_names(char **names)
{
    for (uint32_t i = 0; names != NULL && i < ENT_POPULATION_MEMBERS_MAX; i++) {
        free(names[i]);
    }
    free(names);
}

/* The table's ids in order; freed by the caller. */
static enum ent_err sorted_keys(const struct ent_table *table, struct keyed **out)
{
    struct keyed *keys = NULL;

    ENT_TRY(ent_calloc(table->n_rows, sizeof *keys, &keys));
    for (uint32_t i = 0; i < table->n_rows; i++) {
        struct ent_buf_view id = ent_table_id(table, i);

        keys[i] = (struct keyed){.text = id.text, .len = id.len, .row = i};
    }
    qsort(keys, table->n_rows, sizeof *keys, compare_keyed);
    *out = keys;
    return ENT_E_OK;
}

static enum ent_err by_column_of_rows(const struct ent_table *table, uint32_t *member_of,
                                      uint32_t *n_members, char ***names)
{
    struct keyed *keys = NULL;
    char **made = NULL;
    enum ent_err err;

    ENT_TRY(sorted_keys(table, &keys));
    err = ent_calloc(ENT_POPULATION_MEMBERS_MAX, sizeof *made, &made);
    if (err == ENT_E_OK) {
        err = number_values(keys, table->n_rows, member_of, made, n_members);
    }
    free(keys);
    if (err != ENT_E_OK) {
        free_names(made);
        return err;
    }
    *names = made;
    return ENT_E_OK;
}

/* A sequence belongs to the member of its first event. Whoever has events and no sequence is a member, too: one that
 * declines. */
static enum ent_err by_column(const struct ent_table *table, uint32_t *member_of,
                              uint32_t *n_members, char ***names)
{
    uint32_t *of_event = NULL;
    enum ent_err err;

    if (table->events == NULL) {
        return by_column_of_rows(table, member_of, n_members, names);
    }
    ENT_TRY(ent_calloc(table->events->n_rows, sizeof *of_event, &of_event));
    err = by_column_of_rows(table->events, of_event, n_members, names);
    for (uint32_t i = 0; i < table->n_rows && err == ENT_E_OK; i++) {
        member_of[i] = of_event[table->event_first[i]];
    }
    free(of_event);
    return err;
}

/* ---- shares ---- */

/* Gamma(alpha, 1) by Marsaglia and Tsang 2000; below 1 through alpha + 1. As a logarithm: small alphas give numbers that a
 * double cannot hold. */
static double log_gamma_draw(struct ent_rng *rng, double alpha)
{
    double a = alpha < 1.0 ? alpha + 1.0 : alpha;
    double d = a - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);

    for (;;) {
        double x = ent_rng_normal(rng);
        double t = 1.0 + c * x;
        double v = t * t * t;
        double u = ((double)(ent_rng_u64(rng) >> 11) + 0.5) * 0x1p-53;

        if (t > 0.0 && log(u) < 0.5 * x * x + d - d * v + d * log(v)) {
            double boost = ((double)(ent_rng_u64(rng) >> 11) + 0.5) * 0x1p-53;

            return log(d * v) + (alpha < 1.0 ? log(boost) / alpha : 0.0);
        }
    }
}

/* Cumulative shares that end with 1. */
static void draw_shares(struct ent_rng *rng, double alpha, double *shares, uint32_t n)
{
    double largest = -HUGE_VAL;
    double sum = 0.0;
    double at = 0.0;

    for (uint32_t i = 0; i < n; i++) {
        shares[i] = log_gamma_draw(rng, alpha);
        largest = shares[i] > largest ? shares[i] : largest;
    }
    for (uint32_t i = 0; i < n; i++) {
        shares[i] = exp(shares[i] - largest);
        sum += shares[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        at += shares[i] / sum;
        shares[i] = at;
    }
    shares[n - 1] = 1.0;
}

/* rows in their (shuffled) order to members, cut where the shares say. */
static void cut(const uint32_t *rows, uint32_t n, const double *shares, uint32_t n_members,
                uint32_t *member_of)
{
    uint32_t m = 0;

    for (uint32_t i = 0; i < n; i++) {
        while (m + 1 < n_members && (double)i + 0.5 > shares[m] * (double)n) {
            m++;
        }
        member_of[rows[i]] = m;
    }
}

struct draw {
    const struct ent_division_spec *spec;
    const struct ent_table *table;
    struct ent_rng rng;
    uint32_t *rows;
    double *shares;
};

static void divide_rows(struct draw *d, uint32_t n, bool even, uint32_t *member_of)
{
    uint32_t members = d->spec->members;

    ent_rng_shuffle(&d->rng, d->rows, n);
    if (even) {
        for (uint32_t i = 0; i < n; i++) {
            member_of[d->rows[i]] = i % members;
        }
        return;
    }
    draw_shares(&d->rng, d->spec->alpha, d->shares, members);
    cut(d->rows, n, d->shares, members, member_of);
}

static int compare_units(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] < y[1] ? -1 : 1;
}

/* Divide the first rows of the units, then let the others follow. */
static enum ent_err divide_units(struct draw *d, bool even, uint32_t *member_of)
{
    uint32_t n = d->table->n_rows;
    uint64_t(*units)[2] = NULL; /* hash, row */
    uint32_t first = 0;
    uint32_t k = 0;

    ENT_TRY(ent_calloc(n, sizeof *units, &units));
    for (uint32_t i = 0; i < n; i++) {
        units[i][0] = d->table->units[i];
        units[i][1] = i;
    }
    qsort(units, n, sizeof *units, compare_units);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || units[i][0] != units[i - 1][0]) {
            d->rows[k++] = (uint32_t)units[i][1];
        }
    }
    divide_rows(d, k, even, member_of);
    for (uint32_t i = 0; i < n; i++) {
        first = i == 0 || units[i][0] != units[i - 1][0] ? (uint32_t)units[i][1] : first;
        member_of[units[i][1]] = member_of[first];
    }
    free(units);
    return ENT_E_OK;
}

/* ---- by class ---- */

struct classed {
    double class;   /* equal for equal ones; in order */
    uint32_t place; /* of the row, when all are shuffled */
    uint32_t row;
};

static int compare_classed(const void *a, const void *b)
{
    const struct classed *x = a;
    const struct classed *y = b;

    if (x->class < y->class || x->class > y->class) {
        return x->class < y->class ? -1 : 1;
    }
    return x->place < y->place ? -1 : 1;
}

/* A sequence counts as its first event. */
static enum ent_err class_by_column(const struct ent_table *table, struct classed *out)
{
    const struct ent_table *ids = table->events != NULL ? table->events : table;
    struct keyed *keys = NULL;
    uint32_t *number = NULL;
    uint32_t n = 0;
    enum ent_err err = ent_calloc(ids->n_rows, sizeof *number, &number);

    if (err == ENT_E_OK) {
        err = sorted_keys(ids, &keys);
    }
    for (uint32_t i = 0; err == ENT_E_OK && i < ids->n_rows; i++) {
        n += i > 0 && !same(&keys[i - 1], &keys[i]) ? 1 : 0;
        number[keys[i].row] = n;
    }
    for (uint32_t i = 0; err == ENT_E_OK && i < table->n_rows; i++) {
        out[i].class = number[table->events != NULL ? table->event_first[i] : i];
        out[i].row = i;
    }
    free(keys);
    free(number);
    return err;
}

static enum ent_err class_by_label(const struct ent_table *table, struct classed *out)
{
    ENT_REQUIRE(table->sequence.label != ENT_SEQUENCE_NEXT &&
                    (table->targets == NULL || table->schema.n_label_values > 0),
                ENT_E_USAGE,
                "--alpha and --shards divide by the class of a row, and this label is none: use "
                "--quantity, --iid, or --by COLUMN");
    for (uint32_t i = 0; i < table->n_rows; i++) {
        out[i].class = table->targets != NULL ? (double)table->targets[i] : table->labels[i];
        out[i].row = i;
    }
    return ENT_E_OK;
}

/* All rows in order of their class, within one shuffled: the data's order may mean something, such as test rows last. */
static enum ent_err find_classes(struct draw *d, struct classed **out)
{
    struct classed *rows = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(d->table->n_rows, sizeof *rows, &rows));
    err =
        d->spec->column != NULL ? class_by_column(d->table, rows) : class_by_label(d->table, rows);
    if (err != ENT_E_OK) {
        free(rows);
        return err;
    }
    for (uint32_t i = 0; i < d->table->n_rows; i++) {
        d->rows[i] = i;
    }
    ent_rng_shuffle(&d->rng, d->rows, d->table->n_rows);
    for (uint32_t i = 0; i < d->table->n_rows; i++) {
        rows[i].place = d->rows[i];
    }
    qsort(rows, d->table->n_rows, sizeof *rows, compare_classed);
    *out = rows;
    return ENT_E_OK;
}

static enum ent_err divide_classes(struct draw *d, const struct classed *rows, uint32_t *member_of)
{
    uint32_t n_rows = d->table->n_rows;
    uint32_t n = 0;
    uint32_t n_classes = 0;

    for (uint32_t i = 0; i < n_rows; i++) {
        d->rows[n++] = rows[i].row;
        if (i + 1 < n_rows && !(rows[i + 1].class > rows[i].class)) {
            continue;
        }
        ENT_REQUIRE(n_classes++ < CLASSES_MAX, ENT_E_LIMIT,
                    "more than %d different values: those are no classes; divide with --quantity",
                    CLASSES_MAX);
        divide_rows(d, n, false, member_of);
        n = 0;
    }
    return ENT_E_OK;
}

/* Each piece of the ordered rows goes to one member, and each member gets as many pieces. */
static enum ent_err divide_shards(struct draw *d, const struct classed *rows, uint32_t *member_of)
{
    uint64_t pieces = (uint64_t)d->spec->members * d->spec->shards;
    uint32_t n = d->table->n_rows;
    uint32_t *owner = NULL;

    ENT_REQUIRE(pieces <= n, ENT_E_USAGE,
                "%u rows cannot be cut into %u members x %u shards: at most %u shards", (unsigned)n,
                (unsigned)d->spec->members, (unsigned)d->spec->shards,
                (unsigned)(n / d->spec->members));
    ENT_TRY(ent_calloc(pieces, sizeof *owner, &owner));
    for (uint64_t i = 0; i < pieces; i++) {
        owner[i] = (uint32_t)(i / d->spec->shards);
    }
    ent_rng_shuffle(&d->rng, owner, (uint32_t)pieces);
    for (uint32_t i = 0; i < n; i++) {
        member_of[rows[i].row] = owner[i * pieces / n];
    }
    free(owner);
    return ENT_E_OK;
}

static enum ent_err by_class(struct draw *d, uint32_t *member_of)
{
    struct classed *rows = NULL;
    enum ent_err err;

    ENT_TRY(find_classes(d, &rows));
    err = d->spec->kind == ENT_DIVISION_SHARDS ? divide_shards(d, rows, member_of)
                                               : divide_classes(d, rows, member_of);
    free(rows);
    return err;
}

static enum ent_err by_draw(struct draw *d, uint32_t *member_of)
{
    ENT_TRY(ent_calloc(d->table->n_rows, sizeof *d->rows, &d->rows));
    ENT_TRY(ent_calloc(d->spec->members, sizeof *d->shares, &d->shares));
    if (d->spec->kind == ENT_DIVISION_DIRICHLET || d->spec->kind == ENT_DIVISION_SHARDS) {
        return by_class(d, member_of);
    }
    return divide_units(d, d->spec->kind == ENT_DIVISION_IID, member_of);
}

enum ent_err ent_division_make(const struct ent_division_spec *spec, const struct ent_table *table,
                               uint32_t *member_of, uint32_t *n_members, char ***names)
{
    struct draw draw = {.spec = spec, .table = table, .rng = ent_rng_init(spec->seed, STREAM)};
    enum ent_err err;

    *names = NULL;
    if (spec->kind == ENT_DIVISION_BY_COLUMN) {
        return by_column(table, member_of, n_members, names);
    }
    ENT_REQUIRE(spec->members >= 1 && spec->members <= ENT_POPULATION_MEMBERS_MAX, ENT_E_USAGE,
                "a simulation has 1 to %d members, not %u", ENT_POPULATION_MEMBERS_MAX,
                (unsigned)spec->members);
    ENT_REQUIRE(
        (spec->kind != ENT_DIVISION_DIRICHLET && spec->kind != ENT_DIVISION_QUANTITY) ||
            (spec->alpha >= ENT_DIVISION_ALPHA_MIN && spec->alpha <= ENT_DIVISION_ALPHA_MAX),
        ENT_E_USAGE, "alpha must be 0.001 to 1000000");
    ENT_REQUIRE(spec->kind != ENT_DIVISION_SHARDS ||
                    (spec->shards >= 1 && spec->shards <= ENT_DIVISION_SHARDS_MAX),
                ENT_E_USAGE, "shards must be 1 to %d", ENT_DIVISION_SHARDS_MAX);
    *n_members = spec->members;
    err = by_draw(&draw, member_of);
    free(draw.rows);
    free(draw.shares);
    return err;
}
