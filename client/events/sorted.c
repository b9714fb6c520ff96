#include "client/events/sorted.h"

#include <stdlib.h>
#include <string.h>

#include "client/data/bind.h"
#include "client/events/sort.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"

#define KEY_MAX ENT_SORT_RECORD_MAX
#define DAY_S 86400
#define GOOD 1 /* first byte of a key: rows with a problem come first */
#define BAD 0
/* Flags of a field in a record. */
#define QUOTED 1u
#define RAW 2u

/* Why a row has no place in the order. */
struct problem {
    const char *why; /* static; NULL: it has one */
    const char *column;
    const char *format;
};

static const char absent[] = "missing";
static const char no_number[] = "not a number";
static const char no_date[] = "not a date in the plan's format";
static const char in_future[] = "in the future";

/* Units seen, by 64 bits of a hash: two that share them only cost a sort. */
struct seen {
    uint64_t *slots; /* 0: free */
    size_t n_slots;
    size_t n;
};

struct ent_sorted {
    struct ent_sorted_options options;
    struct ent_data_config data;
    struct ent_source *inner;
    struct ent_bound unit;
    struct ent_bound times[ENT_SEQUENCE_TIMES_MAX];
    struct ent_buf key;  /* of the row at hand: GOOD, unit, times, row number */
    size_t unit_len;     /* of the key's part that is the unit */
    struct ent_buf last; /* the key before */
    size_t last_unit_len;
    int64_t seconds;
    uint64_t group;
    bool needed;
    uint64_t out_of_order;
    uint64_t latest_row; /* of this unit so far */
    struct ent_sort *sort;
    struct ent_buf record;
    struct ent_source_row row;
    struct ent_text *fields;
    size_t cap_fields;
};

/* ---- keys ---- */

/* Bits that compare as the numbers do. */
static uint64_t ordered_double(double v)
{
    uint64_t bits;

    v += 0.0; /* -0 as 0 */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
}

static const char *read_time(struct ent_sorted *s, const struct ent_bound *bound,
                             const struct ent_text *field, uint64_t *out)
{
    bool missing;
    struct ent_text t =
        ent_bind_text(&s->options.config->data.missing, bound->map, field, &missing);
    const char *format = s->options.sequence->format;
    double v;

    if (missing) {
        return absent;
    }
    if (format == NULL) {
        if (!ent_scalar_double(t.text, t.len, &v)) {
            return no_number;
        }
        *out = ordered_double(v);
        return NULL;
    }
    if (!ent_date_parse(format, t.text, t.len, &s->seconds)) {
        return no_date;
    }
    if (s->options.now_s != 0 && s->seconds > s->options.now_s + DAY_S) {
        return in_future;
    }
    *out = (uint64_t)s->seconds ^ UINT64_C(1) << 63;
    return NULL;
}

static enum ent_err start_key(struct ent_sorted *s, uint8_t first)
{
    ent_buf_clear(&s->key);
    return ent_buf_add_u8(&s->key, first);
}

static struct problem problem_of(const char *why, const char *column, const char *format)
{
    return why == NULL ? (struct problem){0} : (struct problem){why, column, format};
}

/* The key of a row into s->key; *problem: why it has none (then its number is the key). */
static enum ent_err make_key(struct ent_sorted *s, const struct ent_source_row *row,
                             struct problem *problem)
{
    const struct ent_sequence *q = s->options.sequence;
    bool missing;
    struct ent_text unit = {0};

    *problem = problem_of(row->problem, row->column, row->format);
    if (problem->why == NULL) {
        unit = ent_bind_text(&s->options.config->data.missing, s->unit.map,
                             &row->fields[s->unit.field], &missing);
        *problem = problem_of(missing ? absent : NULL, q->unit, NULL);
    }
    if (problem->why == NULL) {
        ENT_TRY(start_key(s, GOOD));
        ENT_TRY(ent_buf_add_be32(&s->key, (uint32_t)unit.len));
        ENT_TRY(ent_buf_add(&s->key, unit.text, unit.len));
        s->unit_len = s->key.len;
    }
    for (uint32_t i = 0; i < q->n_times && problem->why == NULL; i++) {
        uint64_t time = 0;
        const char *why = read_time(s, &s->times[i], &row->fields[s->times[i].field], &time);

        *problem = problem_of(why, q->times[i], why == no_date ? q->format : NULL);
        ENT_TRY(ent_buf_add_be64(&s->key, time));
    }
    if (problem->why != NULL) {
        ENT_TRY(start_key(s, BAD));
    }
    return ent_buf_add_be64(&s->key, row->number);
}

/* ---- looking ---- */

static uint64_t hash_bytes(const uint8_t *p, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    h ^= h >> 31;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    return h == 0 ? 1 : h;
}

static void put_seen(struct seen *seen, uint64_t h, bool *found)
{
    size_t at = (size_t)h & (seen->n_slots - 1);

    while (seen->slots[at] != 0 && seen->slots[at] != h) {
        at = (at + 1) & (seen->n_slots - 1);
    }
    *found = seen->slots[at] == h;
    seen->n += *found ? 0 : 1;
    seen->slots[at] = h;
}

static enum ent_err note_seen(struct seen *seen, uint64_t h, bool *found)
{
    if (seen->n * 2 >= seen->n_slots) {
        struct seen wide = {.n_slots = seen->n_slots == 0 ? 1024 : 2 * seen->n_slots};
        bool none;

        ENT_TRY(ent_calloc(wide.n_slots, sizeof *wide.slots, &wide.slots));
        for (size_t i = 0; i < seen->n_slots; i++) {
            if (seen->slots[i] != 0) {
                put_seen(&wide, seen->slots[i], &none);
            }
        }
        free(seen->slots);
        *seen = wide;
    }
    put_seen(seen, h, found);
    return ENT_E_OK;
}

static bool same_unit(const struct ent_sorted *s)
{
    return s->last.len > 0 && s->last_unit_len == s->unit_len &&
           memcmp(s->last.data, s->key.data, s->unit_len) == 0;
}

static enum ent_err keep_last(struct ent_sorted *s)
{
    ent_buf_clear(&s->last);
    s->last_unit_len = s->unit_len;
    return ent_buf_add(&s->last, s->key.data, s->key.len);
}

/* One row of the first pass. The row number is no part of a time. */
static enum ent_err look_at(struct ent_sorted *s, struct seen *seen, bool *apart)
{
    size_t times = s->key.len - s->unit_len - sizeof(uint64_t);

    if (same_unit(s)) {
        *apart = *apart || memcmp(s->last.data + s->unit_len, s->key.data + s->unit_len, times) > 0;
    } else {
        bool found;

        ENT_TRY(note_seen(seen, hash_bytes(s->key.data, s->unit_len), &found));
        *apart = *apart || found || seen->n > ENT_SORTED_UNITS_MAX;
    }
    return keep_last(s);
}

static enum ent_err look(struct ent_sorted *s)
{
    struct seen seen = {0};
    bool apart = false;
    enum ent_err err = ENT_E_OK;

    while (err == ENT_E_OK && !apart) {
        const struct ent_source_row *row;
        struct problem problem;

        err = ent_source_next(s->inner, &row);
        if (err != ENT_E_OK || row == NULL) {
            break;
        }
        err = make_key(s, row, &problem);
        if (err == ENT_E_OK && problem.why == NULL) {
            err = look_at(s, &seen, &apart);
        }
    }
    free(seen.slots);
    ent_buf_clear(&s->last);
    s->needed = apart;
    return err;
}

/* ---- sorting ---- */

/* What goes with a key: line, number, problem, count of fields, then each field's length, flags, text. */
static enum ent_err make_record(struct ent_sorted *s, const struct ent_source_row *row,
                                const struct problem *problem)
{
    struct ent_buf *r = &s->record;

    ent_buf_clear(r);
    ENT_TRY(ent_buf_add(r, s->key.data, s->key.len));
    ENT_TRY(ent_buf_add_be64(r, row->line));
    ENT_TRY(ent_buf_add_be64(r, row->number));
    ENT_TRY(ent_buf_add(r, problem, sizeof *problem)); /* texts that outlive the sort */
    ENT_TRY(ent_buf_add_be32(r, problem->why != NULL ? 0 : (uint32_t)row->n_fields));
    for (size_t i = 0; problem->why == NULL && i < row->n_fields; i++) {
        ENT_TRY(ent_buf_add_be32(r, (uint32_t)row->fields[i].len));
        ENT_TRY(ent_buf_add_u8(
            r, (uint8_t)((row->fields[i].quoted ? QUOTED : 0) | (row->fields[i].raw ? RAW : 0))));
        ENT_TRY(ent_buf_add(r, row->fields[i].text, row->fields[i].len));
    }
    return ENT_E_OK;
}

static enum ent_err sort_all(struct ent_sorted *s)
{
    size_t memory = s->options.memory_bytes != 0 ? s->options.memory_bytes : ENT_SORTED_MEMORY;

    ENT_TRY(ent_sort_new(memory, &s->sort));
    for (;;) {
        const struct ent_source_row *row;
        struct problem problem;

        ENT_TRY(ent_source_next(s->inner, &row));
        if (row == NULL) {
            break;
        }
        ENT_TRY(make_key(s, row, &problem));
        ENT_TRY(make_record(s, row, &problem));
        ENT_TRY(ent_sort_add(s->sort, s->record.data, s->key.len, s->record.len));
    }
    return ent_sort_finish(s->sort);
}

/* The row as it was when it was added; our own bytes, so they are what we wrote. */
static enum ent_err read_record(struct ent_sorted *s, const struct ent_sort_record *record)
{
    const uint8_t *p = record->bytes + record->key_len;
    struct problem problem;
    size_t n;

    s->row.line = ent_get_be64(p);
    s->row.number = ent_get_be64(p + 8);
    memcpy(&problem, p + 16, sizeof problem);
    s->row.problem = problem.why;
    s->row.column = problem.column;
    s->row.format = problem.format;
    p += 16 + sizeof problem;
    n = ent_get_be32(p);
    p += 4;
    ENT_TRY(ent_grow(&s->fields, &s->cap_fields, n + 1, sizeof *s->fields));
    for (size_t i = 0; i < n; i++) {
        s->fields[i] = (struct ent_text){.text = (const char *)p + 5,
                                         .len = ent_get_be32(p),
                                         .quoted = (p[4] & QUOTED) != 0,
                                         .raw = (p[4] & RAW) != 0};
        p += 5 + s->fields[i].len;
    }
    s->row.fields = s->fields;
    s->row.n_fields = n;
    return ENT_E_OK;
}

/* ---- as a source ---- */

static enum ent_err next_record(struct ent_sorted *s, const struct ent_source_row **row)
{
    struct ent_sort_record record;
    bool more;

    ENT_TRY(ent_sort_next(s->sort, &record, &more));
    *row = more ? &s->row : NULL;
    return more ? read_record(s, &record) : ENT_E_OK;
}

static enum ent_err next_inner(struct ent_sorted *s, const struct ent_source_row **row)
{
    ENT_TRY(ent_source_next(s->inner, row));
    if (*row != NULL) {
        s->row = **row;
        *row = &s->row;
    }
    return ENT_E_OK;
}

/* In the order of time, a row that the file has in front of one that has passed already. */
static void note_order(struct ent_sorted *s)
{
    if (!same_unit(s)) {
        s->group++;
        s->latest_row = s->row.number;
    } else if (s->row.number < s->latest_row) {
        s->out_of_order++;
    } else {
        s->latest_row = s->row.number;
    }
}

static enum ent_err sorted_next(void *state, const struct ent_source_row **row)
{
    struct ent_sorted *s = state;
    struct problem problem;

    ENT_TRY(s->sort != NULL ? next_record(s, row) : next_inner(s, row));
    if (*row == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(make_key(s, &s->row, &problem));
    s->row.problem = problem.why;
    s->row.column = problem.column;
    s->row.format = problem.format;
    if (problem.why != NULL) {
        return ENT_E_OK;
    }
    note_order(s);
    return keep_last(s);
}

static const struct ent_text *sorted_header(const void *state, size_t *n)
{
    const struct ent_sorted *s = state;

    return ent_source_header(s->inner, n);
}

static void sorted_close(void *state)
{
    struct ent_sorted *s = state;

    if (s == NULL) {
        return;
    }
    ent_source_close(s->inner);
    ent_sort_free(s->sort);
    ent_buf_release(&s->key);
    ent_buf_release(&s->last);
    ent_buf_release(&s->record);
    free(s->fields);
    free(s);
}

static const struct ent_source_kind kind = {
    .name = "sorted events", .header = sorted_header, .next = sorted_next, .close = sorted_close};

/* ---- opening ---- */

static enum ent_err bind_fields(struct ent_sorted *s)
{
    const struct ent_sequence *q = s->options.sequence;
    size_t n;
    const struct ent_text *header = ent_source_header(s->inner, &n);

    ENT_TRY(
        ent_bind_place(s->options.config, header, n, q->unit, "unit of the sequences", &s->unit));
    for (uint32_t i = 0; i < q->n_times; i++) {
        ENT_TRY(ent_bind_place(s->options.config, header, n, q->times[i], "time of the events",
                               &s->times[i]));
    }
    return ENT_E_OK;
}

static enum ent_err open_inner(struct ent_sorted *s)
{
    ent_source_close(s->inner);
    s->inner = NULL;
    return ent_source_open(&s->data, &s->inner);
}

static enum ent_err open_all(struct ent_sorted *s)
{
    bool once = strcmp(s->data.path, "-") == 0;

    ENT_TRY(open_inner(s));
    ENT_TRY(bind_fields(s));
    s->needed = once;
    if (!once) {
        ENT_TRY(look(s));
        ENT_TRY(open_inner(s));
    }
    return s->needed ? sort_all(s) : ENT_E_OK;
}

enum ent_err ent_sorted_open(const struct ent_sorted_options *options, struct ent_source **source,
                             struct ent_sorted **out)
{
    struct ent_sorted *s;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    s->options = *options;
    s->data = options->config->data;
    s->data.path = options->path != NULL ? options->path : s->data.path;
    ent_buf_init(&s->key, KEY_MAX);
    ent_buf_init(&s->last, KEY_MAX);
    ent_buf_init(&s->record, ENT_SORT_RECORD_MAX);
    err = open_all(s);
    if (err == ENT_E_OK) {
        err = ent_source_of(&kind, s, source);
    }
    if (err != ENT_E_OK) {
        sorted_close(s);
        return err;
    }
    *out = s;
    return ENT_E_OK;
}

uint64_t ent_sorted_group(const struct ent_sorted *sorted)
{
    return sorted->group;
}

int64_t ent_sorted_seconds(const struct ent_sorted *sorted)
{
    return sorted->options.sequence->format != NULL ? sorted->seconds : 0;
}

bool ent_sorted_was_needed(const struct ent_sorted *sorted)
{
    return sorted->needed;
}

uint64_t ent_sorted_out_of_order(const struct ent_sorted *sorted)
{
    return sorted->out_of_order;
}

uint64_t ent_sorted_spilled(const struct ent_sorted *sorted)
{
    return sorted->sort != NULL ? ent_sort_spilled(sorted->sort) : 0;
}
