/* One CSV file divided into members by the values of a column. Two passes: count the values, then write. */
#include <stdlib.h>
#include <string.h>

#include "client/data/csv.h"
#include "client/data/describe.h"
#include "client/data/split.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "deploy/demo/demo.h"

#define MAX_VALUES 10000U
#define MAX_GROUPS 1000U
#define TEST_FRACTION 0.2

struct value {
    char *text;
    size_t len;
    uint64_t n;
    uint32_t group;
};

struct group {
    FILE *csv;
    FILE *test;
    uint64_t n;
    uint64_t n_test;
    uint64_t n_positive;
    double target;
};

struct splitting {
    const struct ent_demo_split *options;
    struct value *values;
    size_t n_values;
    size_t cap_values;
    struct group groups[MAX_GROUPS + 1]; /* the last one in use is the pool */
    uint32_t n_groups;
    size_t by;
    size_t label; /* (size_t)-1 = none */
    const char *positive;
    size_t unit; /* (size_t)-1 = the row number */
    char delimiter;
    uint64_t n_rows;
    uint32_t *test; /* ascending, when given by a file */
    uint32_t n_test;
    uint32_t next_test;
    struct ent_buf line;
};

static size_t find(const struct ent_text *header, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (header[i].len == len && memcmp(header[i].text, name, len) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

static enum ent_err find_columns(struct splitting *s, const struct ent_text *header, size_t n,
                                 const char *unit)
{
    const struct ent_demo_split *o = s->options;

    s->by = find(header, n, o->by, strlen(o->by));
    ENT_REQUIRE(s->by != (size_t)-1, ENT_E_DATA, "%s has no column '%.80s' (--by)", o->input,
                o->by);
    s->label = (size_t)-1;
    for (const char *eq = o->label != NULL ? strchr(o->label, '=') : NULL;
         eq != NULL && s->label == (size_t)-1; eq = strchr(eq + 1, '=')) {
        s->label = find(header, n, o->label, (size_t)(eq - o->label));
        s->positive = eq + 1;
    }
    ENT_REQUIRE(o->label == NULL || s->label != (size_t)-1, ENT_E_USAGE,
                "--label must be COLUMN=VALUE with a column of %s", o->input);
    s->unit = unit != NULL ? find(header, n, unit, strlen(unit)) : (size_t)-1;
    ENT_REQUIRE(unit == NULL || s->unit != (size_t)-1, ENT_E_DATA,
                "%s has no column '%.80s' (--unit)", o->input, unit);
    return ENT_E_OK;
}

/* ---- first pass ---- */

static struct value *find_value(struct splitting *s, const struct ent_text *t)
{
    for (size_t i = 0; i < s->n_values; i++) {
        if (s->values[i].len == t->len && memcmp(s->values[i].text, t->text, t->len) == 0) {
            return &s->values[i];
        }
    }
    return NULL;
}

static enum ent_err count_row(struct splitting *s, const struct ent_source_row *row)
{
    struct ent_text t = ent_text_trim(row->fields[s->by].text, row->fields[s->by].len);
    struct value *v = find_value(s, &t);

    if (v == NULL) {
        ENT_REQUIRE(s->n_values < MAX_VALUES, ENT_E_DATA, "column '%.80s' has more than %u values",
                    s->options->by, MAX_VALUES);
        ENT_TRY(ent_grow(&s->values, &s->cap_values, s->n_values + 1, sizeof *s->values));
        v = &s->values[s->n_values];
        ENT_TRY(ent_strndup(t.text, t.len, &v->text));
        v->len = t.len;
        s->n_values++;
    }
    v->n++;
    s->n_rows++;
    return ENT_E_OK;
}

static enum ent_err each_row(struct splitting *s, struct ent_csv *csv,
                             enum ent_err (*use)(struct splitting *, const struct ent_source_row *))
{
    const struct ent_source_row *row;

    for (;;) {
        ENT_TRY(ent_csv_next(csv, &row));
        if (row == NULL) {
            return ENT_E_OK;
        }
        ENT_REQUIRE(row->problem == NULL, ENT_E_DATA, "%s: line %llu does not parse: %s",
                    s->options->input, (unsigned long long)row->line, row->problem);
        ENT_TRY(use(s, row));
    }
}

static enum ent_err count_values(struct splitting *s, const char *unit)
{
    struct ent_csv *csv;
    const struct ent_text *header;
    size_t n;
    enum ent_err err;

    ENT_TRY(ent_csv_open(s->options->input, 0, &csv));
    header = ent_csv_header(csv, &n);
    s->delimiter = ent_csv_delimiter(csv);
    err = find_columns(s, header, n, unit);
    if (err == ENT_E_OK) {
        err = each_row(s, csv, count_row);
    }
    ent_csv_close(csv);
    return err;
}

/* ---- groups ---- */

static int by_count(const void *a, const void *b)
{
    const struct value *x = a;
    const struct value *y = b;

    if (x->n != y->n) {
        return x->n > y->n ? -1 : 1;
    }
    return strcmp(x->text, y->text);
}

/* Sizes are to fall as g, g - 1, ..., 1. Greedy: each value, the largest first, goes to the group that lacks the largest
 * part of its share; so every group gets one of the g largest values first. The same on every machine. */
static void assign_groups(struct splitting *s)
{
    double sum = (double)s->n_groups * ((double)s->n_groups + 1.0) / 2.0;

    for (uint32_t g = 0; g < s->n_groups; g++) {
        s->groups[g].target = (double)s->n_rows * (double)(s->n_groups - g) / sum;
    }
    for (size_t i = 0; i < s->n_values; i++) {
        uint32_t best = 0;

        for (uint32_t g = 1; g < s->n_groups; g++) {
            const struct group *a = &s->groups[best];
            const struct group *b = &s->groups[g];

            best = (double)b->n / b->target < (double)a->n / a->target ? g : best;
        }
        s->values[i].group = best;
        s->groups[best].n += s->values[i].n;
    }
}

static enum ent_err make_groups(struct splitting *s)
{
    uint64_t want = s->options->groups != 0 ? s->options->groups : s->n_values;

    ENT_REQUIRE(want <= MAX_GROUPS, ENT_E_USAGE, "%llu members are too many (at most %u)",
                (unsigned long long)want, MAX_GROUPS);
    ENT_REQUIRE(want >= 1 && want <= s->n_values, ENT_E_DATA,
                "column '%.80s' has %zu values: not enough for %llu members", s->options->by,
                s->n_values, (unsigned long long)want);
    s->n_groups = (uint32_t)want;
    qsort(s->values, s->n_values, sizeof *s->values, by_count);
    assign_groups(s);
    for (uint32_t g = 0; g < s->n_groups; g++) {
        s->groups[g].n = 0; /* counted anew while writing */
    }
    return ENT_E_OK;
}

/* ---- second pass ---- */

/* Not the hash that a plan splits by (client/data/split.h): with the same key, the rows chosen here would be just those
 * that the plan's `validation` would have chosen. */
static enum ent_err choice_hash(uint64_t seed, const void *unit, size_t len, uint64_t *out)
{
    static const char domain[] = "entente/demo-split/v1"; /* its zero byte is hashed as well */
    struct ent_sha256 hash = {0};
    uint8_t digest[ENT_SHA256_BYTES];
    uint8_t be[8];

    ENT_TRY(ent_sha256_init(&hash));
    ent_put_be64(be, seed);
    ent_sha256_add(&hash, domain, sizeof domain);
    ent_sha256_add(&hash, be, sizeof be);
    ent_sha256_add(&hash, unit, len);
    ent_sha256_finish(&hash, digest);
    ent_sha256_release(&hash);
    *out = ent_get_be64(digest);
    return ENT_E_OK;
}

static enum ent_err is_test_row(struct splitting *s, const struct ent_source_row *row, bool *out)
{
    uint8_t number[8];
    uint64_t hash;

    if (s->options->test_rows != NULL) {
        *out = s->next_test < s->n_test && s->test[s->next_test] == row->number;
        s->next_test += *out ? 1 : 0;
        return ENT_E_OK;
    }
    if (s->unit != (size_t)-1) {
        struct ent_text t = ent_text_trim(row->fields[s->unit].text, row->fields[s->unit].len);

        ENT_TRY(choice_hash(s->options->seed, t.text, t.len, &hash));
    } else {
        ent_put_be64(number, row->number);
        ENT_TRY(choice_hash(s->options->seed, number, sizeof number, &hash));
    }
    *out = (double)(hash >> 11) * 0x1p-53 < TEST_FRACTION;
    return ENT_E_OK;
}

static void put_row(struct splitting *s, struct group *g, bool test, bool positive)
{
    (void)fwrite(s->line.data, 1, s->line.len, g->csv); /* errors: at close */
    if (test) {
        (void)fprintf(g->test, "%llu\n", (unsigned long long)g->n);
    }
    g->n++;
    g->n_test += test ? 1 : 0;
    g->n_positive += positive ? 1 : 0;
}

static enum ent_err format_line(struct splitting *s, const struct ent_text *fields, size_t n)
{
    ent_buf_clear(&s->line);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            ENT_TRY(ent_buf_add_u8(&s->line, (uint8_t)s->delimiter));
        }
        ENT_TRY(ent_csv_add_field(&s->line, fields[i].text, fields[i].len, s->delimiter));
    }
    return ent_buf_add_u8(&s->line, '\n');
}

static enum ent_err write_row(struct splitting *s, const struct ent_source_row *row)
{
    struct ent_text t = ent_text_trim(row->fields[s->by].text, row->fields[s->by].len);
    const struct value *v = find_value(s, &t);
    bool positive = false;
    bool test;

    ENT_REQUIRE(v != NULL, ENT_E_DATA, "%s changed while it was read", s->options->input);
    ENT_TRY(is_test_row(s, row, &test));
    if (s->label != (size_t)-1) {
        struct ent_text l = ent_text_trim(row->fields[s->label].text, row->fields[s->label].len);

        positive = l.len == strlen(s->positive) && memcmp(l.text, s->positive, l.len) == 0;
    }
    ENT_TRY(format_line(s, row->fields, row->n_fields));
    put_row(s, &s->groups[v->group], test, positive);
    put_row(s, &s->groups[s->n_groups], test, positive);
    return ENT_E_OK;
}

static void file_name(const struct splitting *s, uint32_t g, const char *ending, char name[40])
{
    if (g == s->n_groups) {
        (void)snprintf(name, 40, "pooled.%s", ending);
    } else {
        (void)snprintf(name, 40,
                       s->n_groups < 10 ? "member-%u.%s"
                                        : (s->n_groups < 100 ? "member-%02u.%s" : "member-%03u.%s"),
                       g + 1, ending);
    }
}

static enum ent_err open_files(struct splitting *s)
{
    for (uint32_t g = 0; g <= s->n_groups; g++) {
        char name[40];

        file_name(s, g, "csv", name);
        ENT_TRY(ent_demo_create(s->options->out, name, &s->groups[g].csv));
        (void)fwrite(s->line.data, 1, s->line.len, s->groups[g].csv);
        file_name(s, g, "test", name);
        ENT_TRY(ent_demo_create(s->options->out, name, &s->groups[g].test));
    }
    return ENT_E_OK;
}

static enum ent_err close_files(struct splitting *s)
{
    enum ent_err err = ENT_E_OK;

    for (uint32_t g = 0; g <= s->n_groups; g++) {
        enum ent_err csv = ent_demo_close(s->groups[g].csv, "a member's file");
        enum ent_err test = ent_demo_close(s->groups[g].test, "a file of test rows");

        err = err == ENT_E_OK ? csv : err;
        err = err == ENT_E_OK ? test : err;
        s->groups[g].csv = NULL;
        s->groups[g].test = NULL;
    }
    return err;
}

static enum ent_err write_all(struct splitting *s)
{
    const struct ent_text *header;
    struct ent_csv *csv = NULL;
    enum ent_err err;
    enum ent_err closed;
    size_t n;

    ENT_TRY(ent_csv_open(s->options->input, s->delimiter, &csv));
    header = ent_csv_header(csv, &n);
    err = format_line(s, header, n);
    if (err == ENT_E_OK) {
        err = open_files(s);
    }
    if (err == ENT_E_OK) {
        err = each_row(s, csv, write_row);
    }
    closed = close_files(s);
    ent_csv_close(csv);
    return err != ENT_E_OK ? err : closed;
}

static void print_group(const struct splitting *s, uint32_t g, FILE *report)
{
    const struct group *group = &s->groups[g];
    const char *separator = "  ";
    char name[40];

    file_name(s, g, "csv", name);
    (void)fprintf(report, "  %-14s %8llu rows, %7llu test", name, (unsigned long long)group->n,
                  (unsigned long long)group->n_test);
    if (s->label != (size_t)-1 && group->n > 0) {
        (void)fprintf(report, ", %5.2f %% positive",
                      100.0 * (double)group->n_positive / (double)group->n);
    }
    for (size_t i = 0; i < s->n_values && g < s->n_groups; i++) {
        if (s->values[i].group == g) {
            (void)fprintf(report, "%s%.*s", separator,
                          s->values[i].len > 30 ? 30 : (int)s->values[i].len, s->values[i].text);
            separator = ", ";
        }
    }
    (void)fprintf(report, "\n");
}

static enum ent_err find_unit(const struct ent_demo_split *options, char **unit)
{
    struct ent_describe_options describe = {.input = options->input, .label = options->label};

    if (options->unit != NULL) {
        return ent_strdup(options->unit, unit);
    }
    return options->label != NULL ? ent_describe_unit(&describe, unit) : ENT_E_OK;
}

static enum ent_err run(struct splitting *s, const char *unit, FILE *report)
{
    ENT_TRY(count_values(s, unit));
    ENT_REQUIRE(s->n_rows > 0, ENT_E_DATA, "%s has no rows", s->options->input);
    if (s->options->test_rows != NULL) {
        ENT_TRY(ent_split_file_read(s->options->test_rows, s->n_rows, &s->test, &s->n_test));
    }
    ENT_TRY(make_groups(s));
    ENT_TRY(write_all(s));
    for (uint32_t g = 0; g <= s->n_groups; g++) {
        print_group(s, g, report);
    }
    return ENT_E_OK;
}

enum ent_err ent_demo_split(const struct ent_demo_split *options, FILE *report)
{
    struct splitting *s = NULL;
    char *unit = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    s->options = options;
    ent_buf_init(&s->line, ENT_CSV_MAX_ROW * 2 + (size_t)ENT_CSV_MAX_FIELDS * 3);
    err = find_unit(options, &unit);
    if (err == ENT_E_OK) {
        err = run(s, unit, report);
    }
    for (size_t i = 0; i < s->n_values; i++) {
        free(s->values[i].text);
    }
    ent_buf_release(&s->line);
    free(s->values);
    free(s->test);
    free(unit);
    free(s);
    return err;
}
