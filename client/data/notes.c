/* What a table's values say that nobody asked for, and that is most often not meant. */
#include <math.h>
#include <stdlib.h>

#include "client/data/table.h"
#include "common/base/mem.h"
#include "common/base/plural.h"

#define CROWDED 0.63 /* of the buckets in use: as many values as buckets (1 - 1/e) */

/* How many of a hashed column's buckets hold a value. */
enum ent_err ent_table_buckets(const struct ent_table *table, uint32_t i, uint32_t *used)
{
    const struct ent_table *t = ent_table_columns(table);
    const struct ent_column *c = &t->columns[i];
    uint8_t *seen;

    ENT_TRY(ent_calloc((size_t)1 << t->schema.features[i].bits, 1, &seen));
    *used = 0;
    for (uint32_t row = 0; row < t->n_rows; row++) {
        if (c->buckets[row] != ENT_BUCKET_MISSING && seen[c->buckets[row]] == 0) {
            seen[c->buckets[row]] = 1;
            (*used)++;
        }
    }
    free(seen);
    return ENT_E_OK;
}

/* Values are spread evenly over m buckets: n of them leave m (1 - 1/m)^n empty. All full: at least so many. */
static double values_of(uint32_t used, uint32_t m)
{
    double empty = used < m ? (double)(m - used) : 0.5;

    return -(double)m * log(empty / (double)m);
}

static void note_buckets(const struct ent_table *table, uint32_t i,
                         void (*say)(void *ctx, const char *line), void *ctx)
{
    const struct ent_feature *f = &table->schema.features[i];
    uint32_t m = UINT32_C(1) << f->bits;
    uint32_t used;
    char line[320];

    if (ent_table_buckets(table, i, &used) != ENT_E_OK || (double)used < CROWDED * (double)m) {
        return;
    }
    (void)snprintf(line, sizeof line,
                   "%.80s: %s %.0f different values in %u buckets (%u in use): values that share "
                   "one cannot be told apart; more bits in the plan would",
                   f->name, used < m ? "about" : "more than", values_of(used, m), m, used);
    say(ctx, line);
}

static void note_column(const struct ent_table *table, uint32_t i,
                        void (*say)(void *ctx, const char *line), void *ctx)
{
    const struct ent_table *t = ent_table_columns(table);
    const struct ent_feature *f = &t->schema.features[i];
    const struct ent_column *c = &t->columns[i];
    /* events that no sequence has are counted as well */
    uint64_t n = table->events != NULL ? table->counts.n_events : t->n_rows;
    char line[320];

    if (c->missing == n && n > 0) {
        (void)snprintf(line, sizeof line, "%.80s: missing in every row", f->name);
        say(ctx, line);
    } else if (c->unknown + c->missing == n && n > 0) {
        (void)snprintf(line, sizeof line,
                       "%.80s: no row has a value that the plan declares: is its spelling mapped? "
                       "(columns in client.yaml)",
                       f->name);
        say(ctx, line);
    }
    if (c->later > 0) {
        (void)snprintf(line, sizeof line, "%.80s: %llu %s later than the plan's reference: %s",
                       f->column, (unsigned long long)c->later,
                       ent_plural(c->later, "date is", "dates are"),
                       f->outliers == ENT_OUTLIERS_CLIP      ? "they count as no age"
                       : f->outliers == ENT_OUTLIERS_MISSING ? "they count as missing"
                                                             : "their rows are dropped");
        say(ctx, line);
    }
}

void ent_table_notes(const struct ent_table *table, void (*say)(void *ctx, const char *line),
                     void *ctx)
{
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        note_column(table, i, say, ctx);
        if (ent_table_columns(table)->columns[i].buckets != NULL) {
            note_buckets(table, i, say, ctx);
        }
    }
}
