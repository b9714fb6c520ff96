#include "common/task/floor.h"

#include "common/base/err.h"

size_t ent_floor_merge(const int64_t *cells, size_t n, uint32_t floor, struct ent_floor_cell *out)
{
    int64_t least = floor > 1 ? (int64_t)floor : 1;
    struct ent_floor_cell open = {0};
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        ENT_BUG_ON(cells[i] < 0 || cells[i] > INT64_MAX - open.count);
        open.count += cells[i];
        if (open.count >= least) {
            open.last = (uint32_t)i;
            open.closed = (uint32_t)i;
            out[found++] = open;
            open = (struct ent_floor_cell){.first = (uint32_t)i + 1};
        }
    }
    if (found == 0) {
        open.closed = (uint32_t)n - 1;
        out[found++] = open;
    } else {
        out[found - 1].count += open.count;
    }
    out[found - 1].last = (uint32_t)n - 1;
    return found;
}

static bool holds(const struct ent_metrics_tenth *t, double floor)
{
    /* Rows of a cell at a border are divided evenly, so a whole number may come out a hair below itself. */
    double least = floor * (1.0 - 0x1p-40);

    return t->positives >= least && t->rows - t->positives >= least;
}

/* b stands directly below a. */
static struct ent_metrics_tenth both(const struct ent_metrics_tenth *a,
                                     const struct ent_metrics_tenth *b)
{
    struct ent_metrics_tenth out = {.first = a->first,
                                    .last = b->last,
                                    .rows = a->rows + b->rows,
                                    .positives = a->positives + b->positives,
                                    .lowest = b->lowest};

    out.predicted = (a->predicted * a->rows + b->predicted * b->rows) / out.rows;
    return out;
}

size_t ent_floor_tenths(struct ent_metrics_tenth *tenths, size_t n, uint32_t floor)
{
    struct ent_metrics_tenth open = {0};
    bool has_open = false;
    size_t found = 0;

    if (floor <= 1) {
        return n;
    }
    for (size_t i = 0; i < n; i++) { /* found <= i: what is read was not yet written over */
        open = has_open ? both(&open, &tenths[i]) : tenths[i];
        has_open = !holds(&open, (double)floor);
        if (!has_open) {
            tenths[found++] = open;
        }
    }
    if (has_open && found > 0) {
        tenths[found - 1] = both(&tenths[found - 1], &open);
    } else if (has_open) {
        tenths[found++] = open;
    }
    return found;
}

bool ent_floor_confusion(const struct ent_confusion *confusion, uint32_t floor)
{
    return floor <= 1 ||
           (confusion->true_positives >= floor && confusion->false_positives >= floor &&
            confusion->true_negatives >= floor && confusion->false_negatives >= floor);
}
