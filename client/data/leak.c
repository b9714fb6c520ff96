#include "client/data/leak.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define BINS 20U
#define GROUP_ROWS 30U
#define PRIOR_ROWS 10.0 /* a group's rate starts with so many rows of the overall rate */
#define AUC_CERTAIN 0.98
#define AUC_STRONG 0.75
#define AHEAD 1.4
#define RARER 10.0
#define CERTAIN_SHARE 0.08

/* Rows of one value, by half of the customers and label. */
struct group {
    uint64_t n[2][2];
    double rate; /* by the other half, while this half is ranked */
};

struct groups {
    struct group *of; /* [n] */
    uint32_t n;
    uint64_t labels[2];
};

static uint64_t rows_of(const struct group *g)
{
    return g->n[0][0] + g->n[0][1] + g->n[1][0] + g->n[1][1];
}

static uint64_t label_of(const struct group *g, int label)
{
    return g->n[0][label] + g->n[1][label];
}

/* ---- values as codes ---- */

static int by_value(const void *pa, const void *pb)
{
    const float *a = pa;
    const float *b = pb;

    return *a < *b ? -1 : *a > *b;
}

/* Lower ends of the bins, ascending, without repeats; returns how many. */
static enum ent_err quantiles(const float *numbers, const struct ent_split_rows *rows,
                              float ends[BINS], uint32_t *n)
{
    float *sorted;
    uint32_t present = 0;

    ENT_TRY(ent_calloc(rows->n, sizeof *sorted, &sorted));
    for (uint32_t i = 0; i < rows->n; i++) {
        float v = numbers[rows->rows[i]];

        if (!isnan(v)) {
            sorted[present++] = v;
        }
    }
    qsort(sorted, present, sizeof *sorted, by_value);
    *n = 0;
    for (uint32_t t = 0; t < BINS && present > 0; t++) {
        float v = sorted[(uint64_t)present * t / BINS];

        if (*n == 0 || v > ends[*n - 1]) {
            ends[(*n)++] = v;
        }
    }
    free(sorted);
    return ENT_E_OK;
}

static uint32_t bin_of(float v, const float *ends, uint32_t n)
{
    uint32_t bin = 0;

    if (isnan(v)) {
        return n;
    }
    while (bin + 1 < n && v >= ends[bin + 1]) {
        bin++;
    }
    return bin;
}

/* How one column's values become codes 0 .. n - 1; the last is `missing`. */
struct coder {
    const struct ent_feature *feature;
    const struct ent_column *column;
    float ends[BINS];
    uint32_t n_ends;
    uint32_t n;
};

static enum ent_err coder_of(const struct ent_table *table, uint32_t i,
                             const struct ent_split_rows *rows, struct coder *out)
{
    const struct ent_feature *f = &table->schema.features[i];

    *out = (struct coder){.feature = f, .column = &table->columns[i]};
    switch (f->type) {
    case ENT_FEATURE_NUMBER:
        ENT_TRY(quantiles(out->column->numbers, rows, out->ends, &out->n_ends));
        out->n = out->n_ends + 1;
        break;
    case ENT_FEATURE_CATEGORY:
        out->n = f->codes == ENT_CODES_DECLARED ? f->n_values + 2 : (UINT32_C(1) << f->bits) + 1;
        break;
    case ENT_FEATURE_BOOLEAN:
        out->n = 3;
        break;
    case ENT_FEATURE_VECTOR:
        out->n = 1; /* no one number of it is a column: it is not judged */
        break;
    }
    return ENT_E_OK;
}

static uint32_t code_of(const struct coder *coder, uint32_t row)
{
    const struct ent_column *c = coder->column;
    uint32_t code;

    if (c->numbers != NULL) {
        return bin_of(c->numbers[row], coder->ends, coder->n_ends);
    }
    if (c->vectors != NULL) {
        return 0;
    }
    if (c->bools != NULL) {
        return c->bools[row] < 0 ? 2 : (uint32_t)c->bools[row];
    }
    code = c->codes != NULL ? c->codes[row] : c->buckets[row];
    return code < coder->n - 1 ? code : coder->n - 1;
}

static enum ent_err count_groups(const struct ent_table *table, uint32_t i,
                                 const struct ent_split_rows *rows, struct groups *out)
{
    struct coder coder;
    uint32_t filled = 0;

    *out = (struct groups){0};
    ENT_TRY(coder_of(table, i, rows, &coder));
    ENT_TRY(ent_calloc(coder.n, sizeof *out->of, &out->of));
    for (uint32_t k = 0; k < rows->n; k++) {
        uint32_t row = rows->rows[k];
        uint8_t label = table->labels[row] == 1 ? 1 : 0;

        out->of[code_of(&coder, row)].n[table->units[row] & 1U][label]++;
        out->labels[label]++;
    }
    for (uint32_t c = 0; c < coder.n; c++) {
        if (rows_of(&out->of[c]) > 0) {
            out->of[filled++] = out->of[c];
        }
    }
    out->n = filled;
    return ENT_E_OK;
}

/* ---- the figures ---- */

static int by_rate(const void *pa, const void *pb)
{
    const struct group *a = pa;
    const struct group *b = pb;

    return a->rate < b->rate ? -1 : a->rate > b->rate;
}

/* AUC of one half, ranked by the rates of the other; equal rates share their place. */
static double auc_of(struct groups *g, int half)
{
    double base = (double)g->labels[1] / (double)(g->labels[0] + g->labels[1]);
    double below = 0.0;
    double won = 0.0;
    double positives = 0.0;

    for (uint32_t i = 0; i < g->n; i++) {
        const uint64_t *other = g->of[i].n[1 - half];

        g->of[i].rate = ((double)other[1] + PRIOR_ROWS * base) /
                        ((double)other[0] + (double)other[1] + PRIOR_ROWS);
    }
    qsort(g->of, g->n, sizeof *g->of, by_rate);
    for (uint32_t i = 0; i < g->n;) {
        double here[2] = {0.0, 0.0};
        double rate = g->of[i].rate;

        for (; i < g->n && g->of[i].rate <= rate; i++) {
            here[0] += (double)g->of[i].n[half][0];
            here[1] += (double)g->of[i].n[half][1];
        }
        won += here[1] * (below + 0.5 * here[0]);
        below += here[0];
        positives += here[1];
    }
    return positives * below > 0.0 ? won / (positives * below) : 0.5;
}

static double certain_share(const struct groups *g)
{
    double all = (double)(g->labels[0] + g->labels[1]);
    uint64_t rows = 0;

    for (uint32_t i = 0; i < g->n; i++) {
        uint64_t n = rows_of(&g->of[i]);
        bool certain = false;

        for (int label = 0; label < 2 && n >= GROUP_ROWS; label++) {
            certain = certain || (double)label_of(&g->of[i], label) * RARER <=
                                     (double)g->labels[label] / all * (double)n;
        }
        rows += certain ? n : 0;
    }
    return (double)rows / all;
}

static enum ent_err measure(const struct ent_table *table, uint32_t i,
                            const struct ent_split_rows *rows, struct ent_leak *out)
{
    struct groups groups;

    ENT_TRY(count_groups(table, i, rows, &groups));
    out->certain = certain_share(&groups);
    out->auc = 0.5 * (auc_of(&groups, 0) + auc_of(&groups, 1));
    free(groups.of);
    return ENT_E_OK;
}

static bool leaks(const struct ent_leak *all, uint32_t n, uint32_t which)
{
    const struct ent_leak *l = &all[which];
    double next = 0.5;

    for (uint32_t i = 0; i < n; i++) {
        next = i != which && all[i].auc > next ? all[i].auc : next;
    }
    return l->auc >= AUC_CERTAIN || (l->auc >= AUC_STRONG && l->certain >= CERTAIN_SHARE &&
                                     l->auc - 0.5 >= AHEAD * (next - 0.5));
}

enum ent_err ent_leak_find(const struct ent_table *table, const struct ent_split_rows *rows,
                           struct ent_leak *out, bool *judged)
{
    uint32_t n = table->schema.n_features;
    uint32_t labels[2] = {0, 0};

    for (uint32_t i = 0; i < n; i++) {
        out[i] = (struct ent_leak){.auc = 0.5};
    }
    for (uint32_t k = 0; k < rows->n; k++) {
        labels[table->labels[rows->rows[k]] == 1 ? 1 : 0]++;
    }
    *judged = rows->n >= ENT_LEAK_MIN_ROWS && labels[0] >= ENT_LEAK_MIN_LABELS &&
              labels[1] >= ENT_LEAK_MIN_LABELS;
    for (uint32_t i = 0; i < n && *judged; i++) {
        ENT_TRY(measure(table, i, rows, &out[i]));
    }
    for (uint32_t i = 0; i < n && *judged; i++) {
        out[i].leaks = leaks(out, n, i);
    }
    return ENT_E_OK;
}

void ent_leak_print(const struct ent_table *table, const struct ent_leak *found, FILE *out)
{
    for (uint32_t i = 0; i < table->schema.n_features; i++) {
        if (found[i].leaks) {
            (void)fprintf(out,
                          "WARNING: %s by itself all but tells the label (AUC %.3f; for %.0f %% of "
                          "the rows it settles it):\n"
                          "  is it known before the outcome? If it is recorded with it, leave it "
                          "out of the plan.\n",
                          table->schema.features[i].name, found[i].auc, 100.0 * found[i].certain);
        }
    }
}
