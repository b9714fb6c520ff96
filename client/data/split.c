#include "client/data/split.h"

#include <stdlib.h>
#include <string.h>

#include "client/data/source.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/scalar.h"

#define MAX_FILE_BYTES ((size_t)512 << 20)

static const char domain[] = "entente/split/v1"; /* its zero byte is hashed as well */

void ent_split_hash_begin(uint64_t key, struct ent_sha256 *hash)
{
    uint8_t be[8];

    ent_put_be64(be, key);
    ent_sha256_add(hash, domain, sizeof domain);
    ent_sha256_add(hash, be, sizeof be);
}

enum ent_err ent_split_hash(uint64_t key, const void *unit, size_t len, uint64_t *out)
{
    struct ent_sha256 hash = {0};
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256_init(&hash));
    ent_split_hash_begin(key, &hash);
    ent_sha256_add(&hash, unit, len);
    ent_sha256_finish(&hash, digest);
    ent_sha256_release(&hash);
    *out = ent_get_be64(digest);
    return ENT_E_OK;
}

enum ent_split ent_split_of_hash(const struct ent_plan *plan, uint64_t hash)
{
    double u = (double)(hash >> 11) * 0x1p-53; /* exact: 53 bits */
    double test = plan->split_test_file ? 0.0 : plan->split_test;

    if (u < test) {
        return ENT_SPLIT_TEST;
    }
    return u < test + plan->split_validation ? ENT_SPLIT_VALIDATION : ENT_SPLIT_TRAIN;
}

/* ---- the file of test rows ---- */

static int compare_u32(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

static uint32_t without_repeats(uint32_t *rows, size_t n)
{
    uint32_t kept = 0;

    qsort(rows, n, sizeof *rows, compare_u32);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || rows[i] != rows[kept - 1]) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

struct range {
    uint64_t first;
    uint64_t last;
};

static bool parse_range(const struct ent_text *word, struct range *out)
{
    const char *dash = memchr(word->text, '-', word->len);
    size_t n = dash != NULL ? (size_t)(dash - word->text) : word->len;

    if (!ent_scalar_u64(word->text, n, &out->first)) {
        return false;
    }
    out->last = out->first;
    return dash == NULL ||
           (ent_scalar_u64(dash + 1, word->len - n - 1, &out->last) && out->last >= out->first);
}

/* Row numbers as they stand in the file. */
struct listed {
    uint32_t *rows;
    size_t cap;
    size_t n;
};

static enum ent_err parse_numbers(const char *path, const struct ent_buf *text,
                                  uint64_t n_source_rows, struct listed *found)
{
    const char *p = (const char *)text->data;
    const char *end = p + text->len;

    for (uint64_t line = 1; p < end; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((stop != NULL ? stop : end) - p);
        struct ent_text word = ent_text_trim(p, len);
        struct range range;

        p += len + (stop != NULL ? 1 : 0);
        if (word.len == 0) {
            continue;
        }
        ENT_REQUIRE(parse_range(&word, &range), ENT_E_DATA,
                    "%s: line %llu is not a row number, or FIRST-LAST (whole, from 0, one a line)",
                    path, (unsigned long long)line);
        ENT_REQUIRE(range.last < n_source_rows, ENT_E_DATA,
                    "%s: line %llu: row %llu is beyond the data's %llu rows", path,
                    (unsigned long long)line, (unsigned long long)range.last,
                    (unsigned long long)n_source_rows);
        if (found->n > 2 * n_source_rows) {
            found->n = without_repeats(found->rows, found->n);
        }
        ENT_TRY(ent_grow(&found->rows, &found->cap, found->n + (range.last - range.first) + 1,
                         sizeof *found->rows));
        for (uint64_t v = range.first; v <= range.last; v++) {
            found->rows[found->n++] = (uint32_t)v;
        }
    }
    return ENT_E_OK;
}

static enum ent_err parse_file(const char *path, const struct ent_buf *text, uint64_t n_source_rows,
                               uint32_t **rows, uint32_t *n)
{
    struct listed found = {0};
    enum ent_err err = ent_grow(&found.rows, &found.cap, 1, sizeof *found.rows);

    if (err == ENT_E_OK) {
        err = parse_numbers(path, text, n_source_rows, &found);
    }
    if (err != ENT_E_OK) {
        free(found.rows);
        return err;
    }
    *n = without_repeats(found.rows, found.n);
    *rows = found.rows;
    return ENT_E_OK;
}

enum ent_err ent_split_file_read(const char *path, uint64_t n_source_rows, uint32_t **rows,
                                 uint32_t *n)
{
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, MAX_FILE_BYTES);
    err = ent_file_read(path, &text);
    if (err == ENT_E_OK) {
        err = parse_file(path, &text, n_source_rows, rows, n);
    }
    ent_buf_release(&text);
    return err;
}

/* ---- the three parts ---- */

static bool is_listed(const uint32_t *file, uint32_t n_file, uint32_t row)
{
    return n_file > 0 && bsearch(&row, file, n_file, sizeof *file, compare_u32) != NULL;
}

/* Marks of the file's rows on the table. Rows of a table may stand in another order than at the source. */
static uint32_t mark_test(const struct ent_table *table, const uint32_t *file, uint32_t n_file,
                          uint8_t *part)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < table->n_rows; i++) {
        if (is_listed(file, n_file, table->source_rows[i])) {
            part[i] = ENT_SPLIT_TEST;
            found++;
        }
    }
    return n_file - found;
}

/* Of sequences: all events of one are listed, or none. A file of rows names events. */
static enum ent_err mark_sequences(const struct ent_table *table, const char *path,
                                   const uint32_t *file, uint32_t n_file, struct ent_parts *parts,
                                   uint8_t *part)
{
    const struct ent_table *e = table->events;
    uint32_t listed = 0;

    for (uint32_t i = 0; i < table->n_rows; i++) {
        uint32_t first = table->event_first[i];
        bool test = is_listed(file, n_file, e->source_rows[first]);

        for (uint32_t k = 1; k < table->event_count[i]; k++) {
            ENT_REQUIRE(is_listed(file, n_file, e->source_rows[first + k]) == test, ENT_E_DATA,
                        "%s: data rows %u and %u are events of one sequence, but only one of them "
                        "is a test row",
                        path, e->source_rows[first], e->source_rows[first + k]);
        }
        part[i] = test ? (uint8_t)ENT_SPLIT_TEST : part[i];
    }
    for (uint32_t i = 0; i < e->n_rows; i++) {
        listed += is_listed(file, n_file, e->source_rows[i]) ? 1 : 0;
    }
    parts->n_file_absent = n_file - listed;
    return ENT_E_OK;
}

struct unit_row {
    uint64_t unit;
    uint32_t row;
};

static int compare_units(const void *a, const void *b)
{
    const struct unit_row *x = a;
    const struct unit_row *y = b;

    if (x->unit != y->unit) {
        return x->unit < y->unit ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

/* With a unit key, no unit may have rows on both sides of the file: its test score would be of a customer the model
 * has seen. */
static enum ent_err refuse_torn(const struct ent_table *table, const char *path,
                                const uint8_t *part)
{
    struct unit_row *sorted;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_calloc(table->n_rows, sizeof *sorted, &sorted));
    for (uint32_t i = 0; i < table->n_rows; i++) {
        sorted[i] = (struct unit_row){table->units[i], i};
    }
    qsort(sorted, table->n_rows, sizeof *sorted, compare_units);
    for (uint32_t i = 1; i < table->n_rows && err == ENT_E_OK; i++) {
        bool torn =
            sorted[i].unit == sorted[i - 1].unit &&
            (part[sorted[i].row] == ENT_SPLIT_TEST) != (part[sorted[i - 1].row] == ENT_SPLIT_TEST);

        if (torn) {
            err = ent_err_note(ENT_E_DATA,
                               "%s: data rows %u and %u have the same unit_key, but only one of "
                               "them is a test row: a "
                               "customer belongs to one part",
                               path, table->source_rows[sorted[i - 1].row],
                               table->source_rows[sorted[i].row]);
        }
    }
    free(sorted);
    return err;
}

static enum ent_err mark_by_file(const struct ent_table *table, const char *path, uint8_t *part,
                                 struct ent_parts *parts)
{
    uint32_t *file = NULL;
    uint32_t n = 0;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(path != NULL, ENT_E_CONFIG,
                "the plan says split test: file, but client.yaml has no split_file (test row "
                "numbers, one a line)");
    ENT_TRY(ent_split_file_read(path, table->n_source_rows, &file, &n));
    if (table->events != NULL) {
        err = mark_sequences(table, path, file, n, parts, part);
    } else {
        parts->n_file_absent = mark_test(table, file, n, part);
    }
    free(file);
    ENT_TRY(err);
    return table->has_unit_key ? refuse_torn(table, path, part) : ENT_E_OK;
}

static enum ent_err collect(const uint8_t *part, uint32_t n_rows, struct ent_parts *parts)
{
    uint32_t count[4] = {0, 0, 0, 0};

    for (uint32_t i = 0; i < n_rows; i++) {
        count[part[i]]++;
    }
    for (size_t p = 0; p < 4; p++) {
        ENT_TRY(ent_calloc(count[p], sizeof *parts->part[p].rows, &parts->part[p].rows));
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        struct ent_split_rows *to = &parts->part[part[i]];

        to->rows[to->n++] = i;
    }
    return ENT_E_OK;
}

static enum ent_err split(const struct ent_plan *plan, const struct ent_table *table,
                          const char *split_file, uint8_t *part, struct ent_parts *parts)
{
    for (uint32_t i = 0; i < table->n_rows; i++) {
        part[i] = (uint8_t)ent_split_of_hash(plan, table->units[i]);
    }
    if (plan->split_test_file) {
        ENT_TRY(mark_by_file(table, split_file, part, parts));
    }
    return collect(part, table->n_rows, parts);
}

enum ent_err ent_split_table(const struct ent_plan *plan, const struct ent_table *table,
                             const char *split_file, struct ent_parts **out)
{
    struct ent_parts *parts = NULL;
    uint8_t *part = NULL;
    enum ent_err err;

    ENT_BUG_ON(table->units == NULL && table->n_rows > 0);
    ENT_TRY(ent_calloc(table->n_rows, 1, &part));
    err = ent_calloc(1, sizeof *parts, &parts);
    if (err == ENT_E_OK) {
        err = split(plan, table, split_file, part, parts);
    }
    free(part);
    if (err != ENT_E_OK) {
        ent_parts_free(parts);
        return err;
    }
    *out = parts;
    return ENT_E_OK;
}

/* ---- customers ---- */

/* A set of hashes with open places: 0 is an empty one. */
static bool put_new(uint64_t *set, size_t mask, uint64_t hash)
{
    uint64_t unit = hash == 0 ? 1 : hash;
    size_t at = (size_t)unit & mask;

    while (set[at] != 0 && set[at] != unit) {
        at = (at + 1) & mask;
    }
    if (set[at] == unit) {
        return false;
    }
    set[at] = unit;
    return true;
}

enum ent_err ent_split_customers(const struct ent_table *table, const struct ent_split_rows *part,
                                 uint32_t most, uint32_t *out)
{
    uint32_t limit = part->n < most ? part->n : most;
    uint64_t *set;
    size_t places = 2;
    uint32_t n = 0;

    if (!table->has_unit_key) {
        *out = limit;
        return ENT_E_OK;
    }
    while (places < 2 * (size_t)limit) {
        places *= 2;
    }
    ENT_TRY(ent_calloc(places, sizeof *set, &set));
    for (uint32_t i = 0; i < part->n && n < limit; i++) {
        n += put_new(set, places - 1, table->units[part->rows[i]]) ? 1 : 0;
    }
    free(set);
    *out = n;
    return ENT_E_OK;
}

void ent_parts_free(struct ent_parts *parts)
{
    if (parts != NULL) {
        for (size_t p = 0; p < 4; p++) {
            free(parts->part[p].rows);
        }
        free(parts);
    }
}
