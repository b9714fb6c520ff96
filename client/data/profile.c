#include "client/data/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/data/csv.h"
#include "common/base/mem.h"
#include "common/config/scalar.h"

#define SLOTS 4096U
#define MAX_VALUES 2048U
#define MAX_VALUE_BYTES 200U
#define MAX_SEEN 65536U
#define ARENA_MAX_BYTES ((size_t)2 << 30)

const char *const ent_profile_words[ENT_PROFILE_WORDS] = {"NA",   "N/A", "NULL", "null",
                                                          "None", "NaN", "nan",  "?"};

static uint64_t hash_text(const char *text, size_t len)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a and a final mix (SplitMix64) */

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3U;
    }
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
    return h ^ (h >> 31);
}

static struct ent_profile_value *slot(const struct ent_profile *p, const char *text, size_t len,
                                      uint64_t hash)
{
    size_t i = (size_t)hash % SLOTS;

    while (p->values[i].text != NULL &&
           (strncmp(p->values[i].text, text, len) != 0 || p->values[i].text[len] != '\0')) {
        i = (i + 1) % SLOTS;
    }
    return &p->values[i];
}

static enum ent_err count_value(struct ent_profiles *all, struct ent_profile *p, const char *text,
                                size_t len, uint64_t hash)
{
    struct ent_profile_value *v;
    char *copy;

    if (len > MAX_VALUE_BYTES) {
        p->many = true;
        return ENT_E_OK;
    }
    v = slot(p, text, len, hash);
    if (v->text != NULL) {
        v->count++;
        return ENT_E_OK;
    }
    if (p->n_values == MAX_VALUES) {
        p->many = true;
        return ENT_E_OK;
    }
    ENT_TRY(ent_arena_strndup(&all->arena, text, len, &copy));
    *v = (struct ent_profile_value){.text = copy, .count = 1};
    p->n_values++;
    return ENT_E_OK;
}

/* The set doubles while nothing came twice, so a column that repeats early costs nothing. */
static enum ent_err grow_seen(struct ent_profile *p)
{
    uint32_t cap = p->cap_seen == 0 ? 64 : p->cap_seen * 2;
    uint64_t *bigger;

    if (p->cap_seen > 0 && p->n_seen * 2 < p->cap_seen) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_calloc(cap, sizeof *bigger, &bigger));
    for (uint32_t i = 0; i < p->cap_seen; i++) {
        size_t k = (size_t)p->seen[i] % cap;

        while (p->seen[i] != 0 && bigger[k] != 0) {
            k = (k + 1) % cap;
        }
        if (p->seen[i] != 0) {
            bigger[k] = p->seen[i];
        }
    }
    free(p->seen);
    p->seen = bigger;
    p->cap_seen = cap;
    return ENT_E_OK;
}

static enum ent_err watch_unique(struct ent_profile *p, uint64_t hash)
{
    size_t k;

    if (!p->unique || p->n_seen == MAX_SEEN) {
        return ENT_E_OK;
    }
    hash = hash == 0 ? 1 : hash;
    ENT_TRY(grow_seen(p));
    k = (size_t)hash % p->cap_seen;
    while (p->seen[k] != 0 && p->seen[k] != hash) {
        k = (k + 1) % p->cap_seen;
    }
    if (p->seen[k] == hash) {
        p->unique = false;
        free(p->seen);
        p->seen = NULL;
        p->cap_seen = 0;
        return ENT_E_OK;
    }
    p->seen[k] = hash;
    p->n_seen++;
    return ENT_E_OK;
}

static void count_number(struct ent_profile *p, const struct ent_text *t)
{
    double v;

    if (!ent_scalar_double(t->text, t->len, &v)) {
        p->n_comma += ent_text_decimal_comma(t) ? 1 : 0;
        return;
    }
    p->min = p->n_number == 0 || v < p->min ? v : p->min;
    p->max = p->n_number == 0 || v > p->max ? v : p->max;
    p->n_number++;
    p->n_whole += v == floor(v) ? 1 : 0;
    p->n_leading_zero +=
        t->len > 1 && t->text[0] == '0' && memchr(t->text, '.', t->len) == NULL ? 1 : 0;
}

static enum ent_err count_field(struct ent_profiles *all, struct ent_profile *p,
                                const struct ent_text *field)
{
    struct ent_text t = ent_text_trim(field->text, field->len);
    uint64_t hash;
    bool truth;

    if (t.len == 0) {
        p->n_blank++;
        return ENT_E_OK;
    }
    p->n_text++;
    if (!ent_text_valid(t.text, t.len)) {
        p->n_invalid++;
        p->many = true;
        return ENT_E_OK;
    }
    count_number(p, &t);
    ent_profile_count_dates(p, t.text, t.len);
    if (ent_scalar_bool(t.text, t.len, &truth)) {
        p->n_true += truth ? 1 : 0;
        p->n_false += truth ? 0 : 1;
    }
    for (size_t w = 0; w < ENT_PROFILE_WORDS; w++) {
        bool is = strlen(ent_profile_words[w]) == t.len &&
                  memcmp(ent_profile_words[w], t.text, t.len) == 0;

        p->n_word[w] += is ? 1 : 0;
    }
    hash = hash_text(t.text, t.len);
    ENT_TRY(watch_unique(p, hash));
    return count_value(all, p, t.text, t.len, hash);
}

static enum ent_err prepare(struct ent_profiles *all, const struct ent_text *header, size_t n)
{
    all->n_columns = (uint32_t)n;
    ENT_TRY(ent_arena_alloc(&all->arena, n, sizeof *all->columns, &all->columns));
    for (size_t i = 0; i < n; i++) {
        char *name;

        ENT_TRY(ent_arena_strndup(&all->arena, header[i].text, header[i].len, &name));
        ENT_TRY(ent_arena_alloc(&all->arena, SLOTS, sizeof *all->columns[i].values,
                                &all->columns[i].values));
        all->columns[i].name = name;
        all->columns[i].unique = true;
    }
    return ENT_E_OK;
}

static enum ent_err scan(struct ent_csv *csv, struct ent_profiles *all)
{
    const struct ent_source_row *row;
    const struct ent_text *header;
    size_t n;

    header = ent_csv_header(csv, &n);
    ENT_TRY(prepare(all, header, n));
    all->delimiter = ent_csv_delimiter(csv);
    for (;;) {
        ENT_TRY(ent_csv_next(csv, &row));
        if (row == NULL) {
            return ENT_E_OK;
        }
        all->n_rows++;
        all->n_bad += row->problem != NULL ? 1 : 0;
        for (size_t i = 0; row->problem == NULL && i < row->n_fields; i++) {
            ENT_TRY(count_field(all, &all->columns[i], &row->fields[i]));
        }
    }
}

enum ent_err ent_profiles_scan(const char *path, char delimiter, struct ent_profiles **out)
{
    struct ent_profiles *all = NULL;
    struct ent_csv *csv = NULL;
    enum ent_err err;

    ENT_TRY(ent_csv_open(path, delimiter, &csv));
    err = ent_calloc(1, sizeof *all, &all);
    if (err == ENT_E_OK) {
        ent_arena_init(&all->arena, ARENA_MAX_BYTES);
        err = scan(csv, all);
    }
    ent_csv_close(csv);
    if (err != ENT_E_OK) {
        ent_profiles_free(all);
        return err;
    }
    *out = all;
    return ENT_E_OK;
}

void ent_profiles_free(struct ent_profiles *profiles)
{
    if (profiles == NULL) {
        return;
    }
    for (uint32_t i = 0; profiles->columns != NULL && i < profiles->n_columns; i++) {
        free(profiles->columns[i].seen);
    }
    ent_arena_release(&profiles->arena);
    free(profiles);
}

static int by_text(const void *a, const void *b)
{
    const struct ent_profile_value *const *x = a;
    const struct ent_profile_value *const *y = b;

    return strcmp((*x)->text, (*y)->text);
}

void ent_profile_sorted(const struct ent_profile *profile, const struct ent_profile_value **sorted)
{
    size_t n = 0;

    for (size_t i = 0; i < SLOTS; i++) {
        if (profile->values[i].text != NULL) {
            sorted[n++] = &profile->values[i];
        }
    }
    qsort((void *)sorted, n, sizeof(void *), by_text);
}

uint64_t ent_profile_count(const struct ent_profile *profile, const char *text)
{
    size_t len = strlen(text);
    const struct ent_profile_value *v;

    if (len > MAX_VALUE_BYTES) {
        return 0;
    }
    v = slot(profile, text, len, hash_text(text, len));
    return v->text != NULL ? v->count : 0;
}
