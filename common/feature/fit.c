/* What the pooled statistics make of a feature. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/feature/feature.h"

/* ---- ownership ---- */

enum ent_err ent_fits_new(uint32_t n, size_t n_edges, size_t n_buckets, struct ent_fits **out)
{
    struct ent_fits *fits;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *fits, &fits));
    fits->n = n;
    err = ent_calloc(n, sizeof *fits->fit, &fits->fit);
    if (err == ENT_E_OK) {
        err = ent_calloc(n_edges, sizeof *fits->edges, &fits->edges);
    }
    if (err == ENT_E_OK) {
        err = ent_calloc(n_buckets, sizeof *fits->buckets, &fits->buckets);
    }
    if (err != ENT_E_OK) {
        ent_fits_free(fits);
        return err;
    }
    for (uint32_t i = 0; i < n; i++) {
        fits->fit[i].sd = 1.0;
    }
    *out = fits;
    return ENT_E_OK;
}

enum ent_err ent_fits_of_ranges(const struct ent_feature *features, uint32_t n,
                                struct ent_fits **out)
{
    struct ent_fits *fits = NULL;

    for (uint32_t i = 0; i < n; i++) {
        const struct ent_feature *f = &features[i];

        ENT_REQUIRE(!(f->type == ENT_FEATURE_NUMBER && f->encode == ENT_ENCODE_PLE) &&
                        !(f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY),
                    ENT_E_SHAPE, "feature %s needs counts of all members' rows", f->name);
    }
    ENT_TRY(ent_fits_new(n, 0, 0, &fits));
    for (uint32_t i = 0; i < n; i++) {
        if (features[i].type == ENT_FEATURE_NUMBER) {
            struct ent_place place = ent_place_of(&features[i]);

            fits->fit[i].mean = place.lo + 0.5 * place.span;
            fits->fit[i].sd = ENT_FEATURE_EVEN_SD * place.span;
        }
    }
    *out = fits;
    return ENT_E_OK;
}

void ent_fits_free(struct ent_fits *fits)
{
    if (fits != NULL) {
        free(fits->fit);
        free(fits->edges);
        free(fits->buckets);
        free(fits);
    }
}

enum ent_err ent_fits_copy(const struct ent_fit *from, uint32_t n, struct ent_fits **out)
{
    struct ent_fits *fits = NULL;
    size_t n_edges = 0;
    size_t n_buckets = 0;
    double *edges;
    uint32_t *buckets;

    for (uint32_t i = 0; i < n; i++) {
        n_edges += from[i].n_edges;
        n_buckets += from[i].n_buckets;
    }
    ENT_TRY(ent_fits_new(n, n_edges, n_buckets, &fits));
    edges = fits->edges;
    buckets = fits->buckets;
    for (uint32_t i = 0; i < n; i++) {
        struct ent_fit *to = &fits->fit[i];

        *to = from[i];
        to->edges = edges;
        to->buckets = buckets;
        if (to->n_edges > 0) {
            memcpy(edges, from[i].edges, to->n_edges * sizeof *edges);
        }
        if (to->n_buckets > 0) {
            memcpy(buckets, from[i].buckets, to->n_buckets * sizeof *buckets);
        }
        edges += to->n_edges;
        buckets += to->n_buckets;
    }
    *out = fits;
    return ENT_E_OK;
}

static bool same_fit(const struct ent_fit *a, const struct ent_fit *b)
{
    if (a->mean != b->mean || a->sd != b->sd || a->n_edges != b->n_edges ||
        a->n_buckets != b->n_buckets) {
        return false;
    }
    return (a->n_edges == 0 || memcmp(a->edges, b->edges, a->n_edges * sizeof *a->edges) == 0) &&
           (a->n_buckets == 0 ||
            memcmp(a->buckets, b->buckets, a->n_buckets * sizeof *a->buckets) == 0);
}

bool ent_fits_same(const struct ent_fit *a, const struct ent_fit *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!same_fit(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

/* ---- whole ---- */

static enum ent_err check_edges(const struct ent_feature *f, const struct ent_fit *fit)
{
    uint32_t most = (f->heavy ? 2 * f->bins : f->bins) + 1;

    ENT_REQUIRE(fit->n_edges <= most && fit->n_edges != 1, ENT_E_CONFIG,
                "feature %s: %u edges do not fit its bins", f->name, fit->n_edges);
    for (uint32_t i = 0; i < fit->n_edges; i++) {
        double e = fit->edges[i];

        ENT_REQUIRE(isfinite(e), ENT_E_NONFINITE, "feature %s: its edges must be finite", f->name);
        ENT_REQUIRE(e >= f->lo && e <= f->hi && (i == 0 || fit->edges[i - 1] < e), ENT_E_CONFIG,
                    "feature %s: its edges do not ascend inside its range", f->name);
    }
    ENT_REQUIRE(fit->mean >= f->lo && fit->mean <= f->hi && fit->sd == 1.0, ENT_E_CONFIG,
                "feature %s: its mean is outside its range", f->name);
    return ENT_E_OK;
}

static enum ent_err check_buckets(const struct ent_feature *f, const struct ent_fit *fit)
{
    ENT_REQUIRE(fit->n_buckets <= f->size, ENT_E_CONFIG, "feature %s: more buckets than its size",
                f->name);
    for (uint32_t i = 0; i < fit->n_buckets; i++) {
        ENT_REQUIRE(fit->buckets[i] < UINT32_C(1) << f->bits &&
                        (i == 0 || fit->buckets[i - 1] < fit->buckets[i]),
                    ENT_E_CONFIG, "feature %s: its buckets do not ascend", f->name);
    }
    return ENT_E_OK;
}

enum ent_err ent_fit_check(const struct ent_feature *f, const struct ent_fit *fit)
{
    bool number = f->type == ENT_FEATURE_NUMBER;
    bool ple = number && f->encode == ENT_ENCODE_PLE;
    bool vocabulary = f->type == ENT_FEATURE_CATEGORY && f->codes == ENT_CODES_VOCABULARY;

    ENT_REQUIRE((ple || fit->n_edges == 0) && (vocabulary || fit->n_buckets == 0), ENT_E_CONFIG,
                "feature %s: edges or buckets do not belong to its type", f->name);
    ENT_REQUIRE(isfinite(fit->mean) && isfinite(fit->sd), ENT_E_NONFINITE,
                "feature %s: range, mean and sd must be finite", f->name);
    if (ple) {
        return check_edges(f, fit);
    }
    if (vocabulary) {
        return check_buckets(f, fit);
    }
    ENT_REQUIRE(!number || fit->sd > 0.0, ENT_E_CONFIG, "feature %s: its sd is not above 0",
                f->name);
    return ENT_E_OK;
}

/* ---- edges of piecewise-linear encoding ---- */

/* Marks, for t = 0 .. bins-1, the cell of rank floor(t n / bins) of the rows in cells that are not left out. n > 0. */
static void mark_quantiles(const int64_t *cells, const bool *out, int64_t n, uint32_t bins,
                           bool *marks)
{
    int64_t below = 0;
    uint32_t t = 0;

    for (uint32_t c = 0; c < ENT_FEATURE_CELLS && t < bins; c++) {
        if (out[c]) {
            continue;
        }
        below += cells[c];
        /* floor(t n / bins) without t * n, which may not fit */
        while (t < bins && n / bins * t + n % bins * t / bins < below) {
            marks[c] = true;
            t++;
        }
    }
}

uint32_t ent_ple_cells(const int64_t cells[ENT_FEATURE_CELLS], uint32_t bins, bool heavy,
                       uint32_t *edges)
{
    bool out[ENT_FEATURE_CELLS] = {false};
    bool marks[ENT_FEATURE_CELLS + 1] = {false};
    int64_t n = 0;
    int64_t others;
    uint32_t last = 0;
    uint32_t found = 0;

    for (uint32_t c = 0; c < ENT_FEATURE_CELLS; c++) {
        n += cells[c];
        last = cells[c] > 0 ? c + 1 : last;
    }
    if (n <= 0) {
        return 0;
    }
    marks[last] = true;
    mark_quantiles(cells, out, n, bins, marks);
    others = n;
    for (uint32_t c = 0; heavy && c < ENT_FEATURE_CELLS; c++) {
        out[c] = cells[c] > n / 5;
        others -= out[c] ? cells[c] : 0;
    }
    if (others > 0 && others < n) {
        mark_quantiles(cells, out, others, bins, marks);
    }
    for (uint32_t c = 0; c <= ENT_FEATURE_CELLS; c++) {
        if (marks[c]) {
            edges[found++] = c;
        }
    }
    return found;
}

/* ---- vocabulary ---- */

struct kept {
    int64_t customers;
    uint32_t bucket;
};

static int by_customers(const void *pa, const void *pb)
{
    const struct kept *a = pa;
    const struct kept *b = pb;

    if (a->customers != b->customers) {
        return a->customers > b->customers ? -1 : 1;
    }
    return a->bucket < b->bucket ? -1 : a->bucket > b->bucket;
}

static int by_bucket(const void *pa, const void *pb)
{
    const uint32_t *a = pa;
    const uint32_t *b = pb;

    return *a < *b ? -1 : *a > *b;
}

enum ent_err ent_vocabulary_keep(const struct ent_feature *f, const int64_t *customers,
                                 const int64_t *members, uint32_t *buckets, uint32_t *n)
{
    uint32_t n_buckets = UINT32_C(1) << f->bits;
    struct kept *kept;
    uint32_t found = 0;

    ENT_TRY(ent_calloc(n_buckets, sizeof *kept, &kept));
    for (uint32_t b = 0; b < n_buckets; b++) {
        if (customers[b] >= (int64_t)f->min_customers && members[b] >= (int64_t)f->min_members) {
            kept[found++] = (struct kept){customers[b], b};
        }
    }
    qsort(kept, found, sizeof *kept, by_customers);
    found = found < f->size ? found : f->size;
    for (uint32_t i = 0; i < found; i++) {
        buckets[i] = kept[i].bucket;
    }
    free(kept);
    qsort(buckets, found, sizeof *buckets, by_bucket);
    *n = found;
    return ENT_E_OK;
}
