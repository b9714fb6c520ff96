#include "simulate/population.h"

#include <stdlib.h>
#include <string.h>

#include "client/events/events.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define N_PARTS 4
#define NAME_BYTES 16
#define SHARED UINT32_MAX

static enum ent_err load_events(const struct ent_population_options *o,
                                const struct ent_table_options *table, struct ent_table **out)
{
    struct ent_clock clock = ent_clock_system();
    struct ent_events_options options = {.table = *table,
                                         .sequence = &o->plan->sequence,
                                         .now_s = (int64_t)(ent_clock_wall(&clock) / 1000)};

    return ent_events_load(&options, out);
}

static enum ent_err load(const struct ent_population_options *o, struct ent_population *p)
{
    const char *split_file = o->test_rows != NULL ? o->test_rows : o->config->split_file;
    struct ent_table_options options = {.schema = ent_schema_of_plan(o->plan),
                                        .config = &p->config,
                                        .split_key = o->plan->split_key,
                                        .id_column = o->division.column,
                                        .id_option = "--by",
                                        .clean = true,
                                        .drop_duplicates = o->plan->drop_duplicates};

    p->config = *o->config; /* what it points to stays the caller's */
    if (o->data != NULL) {
        p->config.data.path = o->data;
        p->config.data.labels = NULL;
        p->config.data.more = o->more;
    }
    ENT_REQUIRE(o->test_rows == NULL || o->plan->split_test_file, ENT_E_USAGE,
                "--test-rows needs a plan that says split: {test: file}");
    ENT_REQUIRE(split_file != NULL || !o->plan->split_test_file, ENT_E_USAGE,
                "the plan says split: {test: file}: say with --test-rows FILE which rows those are "
                "(their numbers, one a line)");
    if (o->plan->sequence.unit != NULL) {
        ENT_TRY(load_events(o, &options, &p->table));
    } else {
        ENT_TRY(ent_table_load(&options, &p->table));
    }
    return ent_split_table(o->plan, p->table, split_file, &p->all);
}

/* ---- lists ---- */

static enum ent_err name_members(struct ent_population *p, char **names)
{
    for (uint32_t i = 0; i < p->n_members; i++) {
        char name[NAME_BYTES];

        if (names != NULL) {
            p->members[i].name = names[i];
            names[i] = NULL;
            continue;
        }
        (void)snprintf(name, sizeof name, "m%04u", (unsigned)i + 1);
        ENT_TRY(ent_strdup(name, &p->members[i].name));
    }
    return ENT_E_OK;
}

/* Each part's rows in table order, one member's behind the other's. */
static void fill_lists(struct ent_population *p, const uint32_t *member_of)
{
    uint32_t *at = p->rows;

    for (uint32_t part = 0; part < N_PARTS; part++) {
        const struct ent_split_rows *all = &p->all->part[part];

        for (uint32_t i = 0; i < all->n; i++) {
            p->members[member_of[all->rows[i]]].parts.part[part].n++;
        }
        for (uint32_t m = 0; m < p->n_members; m++) {
            struct ent_split_rows *list = &p->members[m].parts.part[part];

            list->rows = at;
            at += list->n;
            list->n = 0;
        }
        for (uint32_t i = 0; i < all->n; i++) {
            struct ent_split_rows *list = &p->members[member_of[all->rows[i]]].parts.part[part];

            list->rows[list->n++] = all->rows[i];
        }
    }
}

/* ---- what is odd ---- */

/* What a row's k-th target is, as a number that is equal for equal ones; false: there is no such target. */
static bool target_of(const struct ent_table *t, uint32_t row, uint32_t k, uint32_t *out)
{
    const struct ent_column *column;
    uint32_t event;

    if (t->sequence.label != ENT_SEQUENCE_NEXT) {
        *out = t->labels[row];
        if (t->targets != NULL) {
            memcpy(out, &t->targets[row], sizeof *out);
        }
        return k == 0;
    }
    if (k + 1 >= t->event_count[row]) {
        return false;
    }
    column = &t->events->columns[t->sequence.next];
    event = t->event_first[row] + 1 + k;
    *out = column->codes != NULL ? column->codes[event] : column->buckets[event];
    return true;
}

static bool has_one_class(const struct ent_table *t, const struct ent_split_rows *rows)
{
    uint32_t first = 0;
    uint32_t v;

    if (rows->n == 0 || !target_of(t, rows->rows[0], 0, &first)) {
        return true;
    }
    for (uint32_t i = 0; i < rows->n; i++) {
        for (uint32_t k = 0; target_of(t, rows->rows[i], k, &v); k++) {
            if (v != first) {
                return false;
            }
        }
    }
    return true;
}

enum ent_err ent_population_check_member(const struct ent_population *population, uint32_t member)
{
    const struct ent_simulated_member *m = &population->members[member];

    ENT_REQUIRE(m->n_rows > 0, ENT_E_DATA, "it has no rows");
    ENT_TRY(ent_events_check_targets(population->table, &m->targets));
    return population->joins_always
               ? ENT_E_OK
               : ent_table_check_some(population->table, m->n_rows, m->positives);
}

enum ent_err ent_population_check(const struct ent_population *population)
{
    const struct ent_population_counts *c = &population->counts;
    uint32_t declining = c->without_positive + c->positive_only + c->without_target;
    uint32_t first = 0;

    if (population
            ->joins_always) { /* of no single member, but a plan that nobody's data fits is a slip */
        ENT_TRY(ent_table_check_labels(population->table));
    }
    if (declining == 0 || declining + c->without_rows < population->n_members) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_table_check_labels(population->table));
    while (population->members[first].n_rows == 0) {
        first++;
    }
    return ent_err_prefix(ent_population_check_member(population, first),
                          "every member declines every round; %s", population->members[first].name);
}

/* Whether it takes part at all; what does not is counted. */
static bool count_declining(struct ent_population *p, struct ent_simulated_member *m)
{
    for (uint32_t part = 0; part < N_PARTS; part++) {
        const struct ent_split_rows *list = &m->parts.part[part];

        m->n_rows += list->n;
        for (uint32_t i = 0; i < list->n; i++) {
            struct ent_events_targets targets = ent_events_targets_of(p->table, list->rows[i]);

            m->positives += p->table->labels[list->rows[i]] == 1 ? 1 : 0;
            m->targets.n += targets.n;
            m->targets.known += targets.known;
        }
    }
    if (m->n_rows == 0) {
        p->counts.without_rows++;
        return true;
    }
    if (ent_population_check_member(p, (uint32_t)(m - p->members)) == ENT_E_OK) {
        return false;
    }
    if (m->targets.n > 0) {
        p->counts.without_target++;
    } else if (m->positives == 0) {
        p->counts.without_positive++;
    } else {
        p->counts.positive_only++;
    }
    return true;
}

static void count_labels(struct ent_population *p, struct ent_simulated_member *m)
{
    const struct ent_split_rows *train = &m->parts.part[ENT_SPLIT_TRAIN];
    bool declines = count_declining(p, m);

    for (uint32_t i = 0; i < train->n; i++) {
        m->train_positives += p->table->labels[train->rows[i]] == 1 ? 1 : 0;
    }
    m->one_class = has_one_class(p->table, train);
    m->train_examples = ent_table_examples(p->table, train->rows, train->n);
    if (declines) {
        return;
    }
    if (train->n == 0) {
        p->counts.without_train_rows++;
    } else if (m->one_class) {
        p->counts.one_class++;
    }
}

struct values {
    uint32_t *owner; /* of each value: 0 nobody, SHARED, or member + 1 */
    bool *lonely;    /* [n_members] */
};

/* Those of a row, or of a sequence's events. */
static void own_values_of(const struct ent_table *t, const struct ent_column *column, uint32_t row,
                          uint32_t member, uint32_t *owner, uint32_t n_values)
{
    uint32_t first = t->events != NULL ? t->event_first[row] : row;
    uint32_t n = t->events != NULL ? t->event_count[row] : 1;

    for (uint32_t i = first; i < first + n; i++) {
        uint32_t v = column->codes != NULL ? column->codes[i] : column->buckets[i];

        if (v < n_values && owner[v] != member) {
            owner[v] = owner[v] == 0 ? member : SHARED;
        }
    }
}

static void own_values(const struct ent_population *p, const struct ent_column *column,
                       uint32_t n_values, uint32_t *owner)
{
    for (uint32_t m = 0; m < p->n_members; m++) {
        const struct ent_split_rows *train = &p->members[m].parts.part[ENT_SPLIT_TRAIN];

        for (uint32_t i = 0; i < train->n; i++) {
            own_values_of(p->table, column, train->rows[i], m + 1, owner, n_values);
        }
    }
}

static enum ent_err count_values(struct ent_population *p, const struct ent_feature *feature,
                                 const struct ent_column *column, bool *lonely)
{
    uint32_t n = feature->n_values;
    uint32_t *owner = NULL;

    if (column->buckets != NULL) { /* hashed: values are their buckets */
        n = 0;
        for (uint32_t i = 0; i < ent_table_columns(p->table)->n_rows; i++) {
            uint32_t b = column->buckets[i];

            n = b != ENT_BUCKET_MISSING && b >= n ? b + 1 : n;
        }
    }
    ENT_TRY(ent_calloc(n, sizeof *owner, &owner));
    own_values(p, column, n, owner);
    for (uint32_t v = 0; v < n; v++) {
        if (owner[v] != 0 && owner[v] != SHARED) {
            p->counts.lone_values++;
            lonely[owner[v] - 1] = true;
        }
    }
    free(owner);
    return ENT_E_OK;
}

static enum ent_err count(struct ent_population *p)
{
    const struct ent_schema *schema = &p->table->schema;
    bool *lonely = NULL;
    enum ent_err err = ent_calloc(p->n_members, sizeof *lonely, &lonely);

    for (uint32_t i = 0; i < p->n_members; i++) {
        count_labels(p, &p->members[i]);
    }
    for (uint32_t f = 0; err == ENT_E_OK && f < schema->n_features; f++) {
        const struct ent_column *column = &ent_table_columns(p->table)->columns[f];

        if (column->codes != NULL || column->buckets != NULL) {
            err = count_values(p, &schema->features[f], column, lonely);
        }
    }
    for (uint32_t i = 0; err == ENT_E_OK && i < p->n_members; i++) {
        p->counts.lone_members += lonely[i] ? 1 : 0;
    }
    free(lonely);
    return err;
}

/* ---- making ---- */

static enum ent_err divide(const struct ent_population_options *o, struct ent_population *p,
                           uint32_t *member_of, char ***names)
{
    ENT_TRY(ent_division_make(&o->division, p->table, member_of, &p->n_members, names));
    ENT_TRY(ent_calloc(p->n_members, sizeof *p->members, &p->members));
    ENT_TRY(name_members(p, *names));
    ENT_TRY(ent_calloc(p->table->n_rows, sizeof *p->rows, &p->rows));
    fill_lists(p, member_of);
    return count(p);
}

static enum ent_err make(const struct ent_population_options *o, struct ent_population *p)
{
    uint32_t *member_of = NULL;
    char **names = NULL;
    enum ent_err err;

    ENT_TRY(load(o, p));
    ENT_TRY(ent_calloc(p->table->n_rows, sizeof *member_of, &member_of));
    err = divide(o, p, member_of, &names);
    for (uint32_t i = 0; names != NULL && i < ENT_POPULATION_MEMBERS_MAX; i++) {
        free(names[i]); /* those that no member took */
    }
    free(names);
    free(member_of);
    return err;
}

enum ent_err ent_population_new(const struct ent_population_options *options,
                                struct ent_population **out)
{
    struct ent_population *p = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *p, &p));
    p->joins_always = options->plan->privacy.unit != ENT_PRIVACY_NONE;
    err = make(options, p);
    if (err != ENT_E_OK) {
        ent_population_free(p);
        return err;
    }
    *out = p;
    return ENT_E_OK;
}

void ent_population_free(struct ent_population *population)
{
    if (population == NULL) {
        return;
    }
    for (uint32_t i = 0; population->members != NULL && i < population->n_members; i++) {
        free(population->members[i].name);
    }
    free(population->members);
    free(population->rows);
    ent_parts_free(population->all);
    ent_table_free(population->table);
    free(population);
}
