#include "client/events/events.h"

#include <stdlib.h>
#include <string.h>

#include "client/data/load.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

/* A stretch of events of one unit that is being read: a session, or the unit. */
struct stretch {
    bool open;
    uint32_t first;   /* of its events in the table */
    int64_t seconds;  /* of its last event */
    bool seen_window; /* LATER: an event in the label's window */
};

struct ent_events_reader {
    struct ent_events_options options;
    struct ent_client_config
        config;                /* with a unit key: the sequences' unit, where the member has none */
    struct ent_source *source; /* until the loader takes it */
    struct ent_sorted *sorted;
    struct ent_loader loader;
    bool has_loader;
    struct ent_table *table;
    struct ent_table *events;
    uint32_t cap; /* sequences */
    uint32_t n_wanted;
    uint64_t group;
    struct stretch stretch;
    enum ent_sequence_keep keep; /* to score: the last events, one sequence a stretch */
    bool at_end;
};

/* ---- sequences ---- */

static enum ent_err make_room(struct ent_events_reader *r)
{
    struct ent_table *t = r->table;
    size_t have = r->cap;
    size_t need = (size_t)t->n_rows + 1;
    size_t cap;

    if (t->n_rows < r->cap) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(need < ENT_TABLE_MAX_ROWS, ENT_E_LIMIT, "more than %u sequences",
                ENT_TABLE_MAX_ROWS);
    cap = have;
    ENT_TRY(ent_grow(&t->labels, &cap, need, sizeof *t->labels));
    cap = have;
    ENT_TRY(ent_grow(&t->units, &cap, need, sizeof *t->units));
    cap = have;
    ENT_TRY(ent_grow(&t->source_rows, &cap, need, sizeof *t->source_rows));
    cap = have;
    ENT_TRY(ent_grow(&t->event_first, &cap, need, sizeof *t->event_first));
    cap = have;
    ENT_TRY(ent_grow(&t->event_count, &cap, need, sizeof *t->event_count));
    if (r->events->id_ends != NULL) {
        cap = have;
        ENT_TRY(ent_grow(&t->id_ends, &cap, need, sizeof *t->id_ends));
    }
    r->cap = (uint32_t)cap;
    t->cap_rows = r->cap;
    return ENT_E_OK;
}

static bool is_declared(const struct ent_table *t, uint32_t event)
{
    const struct ent_column *c = &t->events->columns[t->sequence.next];

    return c->codes != NULL
               ? c->codes[event] < t->events->schema.features[t->sequence.next].n_values
               : c->buckets[event] != ENT_BUCKET_MISSING;
}

struct ent_events_targets ent_events_targets_of(const struct ent_table *table, uint32_t sequence)
{
    struct ent_events_targets targets = {0};
    uint32_t end;

    if (table->events == NULL || table->sequence.label != ENT_SEQUENCE_NEXT ||
        table->labels[sequence] == ENT_LABEL_ABSENT) {
        return targets;
    }
    end = table->event_first[sequence] + table->event_count[sequence];
    targets.n = table->sequence.per_step ? table->event_count[sequence] - 1U : 1;
    for (uint32_t i = 1; i <= targets.n; i++) {
        targets.known += is_declared(table, end - i) ? 1 : 0;
    }
    return targets;
}

enum ent_err ent_events_check_targets(const struct ent_table *table,
                                      const struct ent_events_targets *targets)
{
    ENT_REQUIRE(targets->n == 0 || targets->known > 0, ENT_E_DATA,
                "no target is left: none of the %llu events to predict has a value that the plan "
                "declares for '%.60s': is its spelling mapped? (columns in client.yaml)",
                (unsigned long long)targets->n,
                table->events->schema.features[table->sequence.next].name);
    return ENT_E_OK;
}

static void count_targets(struct ent_table *t, uint32_t sequence)
{
    struct ent_events_targets targets = ent_events_targets_of(t, sequence);

    t->counts.n_targets += targets.n;
    t->counts.n_undeclared += targets.n - targets.known;
}

static enum ent_err add_sequence(struct ent_events_reader *r, uint32_t first, uint32_t count)
{
    struct ent_table *t = r->table;
    uint32_t at = t->n_rows;

    ENT_TRY(make_room(r));
    t->labels[at] = r->options.to_score ? ENT_LABEL_ABSENT : (uint8_t)r->stretch.seen_window;
    t->units[at] = r->events->units != NULL ? r->events->units[first] : 0;
    t->source_rows[at] = r->events->source_rows[first];
    t->event_first[at] = first;
    t->event_count[at] = count;
    if (r->events->id_ends != NULL) {
        struct ent_buf_view id = ent_table_id(r->events, first);

        ENT_TRY(ent_buf_add(&t->ids, id.text, id.len));
        t->id_ends[at] = (uint32_t)t->ids.len;
    }
    t->n_positive += t->labels[at] == 1 ? 1 : 0;
    count_targets(t, at);
    t->n_rows++;
    return ENT_E_OK;
}

/* Pieces of `length` events; where the next event is the target each begins with the last event of the one before, so that
 * every event but the first is a target once. */
static enum ent_err add_pieces(struct ent_events_reader *r, uint32_t first, uint32_t n)
{
    bool next = r->options.sequence->label == ENT_SEQUENCE_NEXT;
    uint32_t length = r->options.sequence->length;
    uint32_t shared = next && length > 1 ? 1 : 0;

    for (uint32_t from = 0; from < n;) {
        uint32_t count = n - from < length ? n - from : length;

        ENT_TRY(add_sequence(r, first + from, count));
        if (from + count == n) {
            break;
        }
        from += count - shared;
    }
    return ENT_E_OK;
}

/* Why a stretch of n events is no sequence, counted; false: it is one. */
static bool is_left_out(struct ent_events_reader *r, uint32_t n)
{
    const struct ent_sequence *q = r->options.sequence;
    struct ent_sequence_counts *c = &r->table->counts;

    if (n == 0) {
        c->n_no_history += q->label == ENT_SEQUENCE_LATER && !r->options.to_score ? 1 : 0;
        return true;
    }
    if (r->options.to_score) {
        return false;
    }
    if (q->label == ENT_SEQUENCE_NEXT && n < 2) {
        c->n_short++;
        return true;
    }
    if (q->label == ENT_SEQUENCE_LATER && r->options.now_s != 0 && q->until_s > r->options.now_s) {
        c->n_future++;
        return true;
    }
    return false;
}

/* The stretch ends before the event in row `end`. */
static enum ent_err close_stretch(struct ent_events_reader *r, uint32_t end)
{
    const struct ent_sequence *q = r->options.sequence;
    uint32_t first = r->stretch.first;
    uint32_t n = end - first;
    enum ent_err err = ENT_E_OK;

    if (!r->stretch.open) {
        return ENT_E_OK;
    }
    r->table->counts.n_sessions++;
    if (!is_left_out(r, n)) {
        if (r->keep == ENT_KEEP_LAST && n > q->length) {
            r->table->counts.n_cut += n - q->length;
            first = end - q->length;
        }
        err =
            r->keep == ENT_KEEP_ALL ? add_pieces(r, first, n) : add_sequence(r, first, end - first);
    }
    r->stretch.open = false;
    return err;
}

/* ---- events ---- */

/* The newest event is not one that the model sees. */
static void take_back(struct ent_events_reader *r)
{
    ent_table_remove(r->events, r->events->n_rows - 1, r->events->n_rows);
}

/* LATER: what lies at or behind the cut never enters a sequence. */
static bool lies_beyond(struct ent_events_reader *r, int64_t seconds)
{
    const struct ent_sequence *q = r->options.sequence;

    if (q->label != ENT_SEQUENCE_LATER || r->options.to_score || seconds < q->from_s) {
        return false;
    }
    if (seconds < q->until_s) {
        r->stretch.seen_window = true;
        r->table->counts.n_in_window++;
    } else {
        r->table->counts.n_after++;
    }
    return true;
}

static void hold_length(struct ent_events_reader *r)
{
    const struct ent_sequence *q = r->options.sequence;
    uint32_t first = r->stretch.first;
    uint32_t n = r->events->n_rows - first;

    if (r->keep == ENT_KEEP_LAST && n / 2 >= q->length) {
        r->table->counts.n_cut += n - q->length;
        ent_table_remove(r->events, first, first + (n - q->length));
    } else if (r->keep == ENT_KEEP_FIRST && n > q->length) {
        r->table->counts.n_cut++;
        take_back(r);
    }
}

/* The event in the last row of the table. */
static enum ent_err take_event(struct ent_events_reader *r)
{
    const struct ent_sequence *q = r->options.sequence;
    uint64_t group = ent_sorted_group(r->sorted);
    int64_t seconds = ent_sorted_seconds(r->sorted);
    uint32_t row = r->events->n_rows - 1;
    bool other = group != r->group;
    bool pause = r->stretch.open && q->gap_s > 0 && seconds >= r->stretch.seconds &&
                 (uint64_t)seconds - (uint64_t)r->stretch.seconds > q->gap_s;

    r->table->counts.n_events++;
    r->table->counts.n_units += other ? 1 : 0;
    if (other || pause) {
        ENT_TRY(close_stretch(r, row));
        r->stretch = (struct stretch){.open = true, .first = row};
    }
    r->group = group;
    r->stretch.seconds = seconds;
    if (lies_beyond(r, seconds)) {
        take_back(r);
    } else {
        hold_length(r);
    }
    return ENT_E_OK;
}

/* ---- reading ---- */

static void copy_counts(struct ent_events_reader *r)
{
    struct ent_table *t = r->table;
    const struct ent_table *e = r->events;

    t->has_unit_key = true;
    t->n_source_rows = e->n_source_rows;
    t->n_bad = e->n_bad;
    t->n_outlier_rows = e->n_outlier_rows;
    t->n_without_unit = e->n_without_unit;
    t->n_problems = e->n_problems;
    memcpy(t->problems, e->problems, sizeof t->problems);
    t->counts.sorted = ent_sorted_was_needed(r->sorted);
    t->counts.n_out_of_order = ent_sorted_out_of_order(r->sorted);
    t->counts.spilled = ent_sorted_spilled(r->sorted);
}

/* Until so many sequences are there and the next unit has begun, or to the end. */
static enum ent_err read_until(struct ent_events_reader *r, uint32_t n_sequences)
{
    while (!r->at_end && r->table->n_rows < n_sequences) {
        uint32_t before = r->events->n_rows;

        ENT_TRY(ent_loader_fill(&r->loader, r->events, before + 1, &r->at_end));
        if (r->events->n_rows > before) {
            ENT_TRY(take_event(r));
        }
    }
    if (r->at_end) {
        ENT_TRY(close_stretch(r, r->events->n_rows));
    }
    copy_counts(r);
    return ent_loader_check(&r->loader, r->events);
}

static enum ent_err open_tables(struct ent_events_reader *r)
{
    ENT_TRY(ent_calloc(1, sizeof *r->table, &r->table));
    r->table->schema = r->options.table.schema;
    r->table->sequence = *r->options.sequence;
    ent_buf_init(&r->table->ids, ENT_LOADER_MAX_ID_BYTES);
    ENT_TRY(ent_loader_table(&r->loader, &r->events));
    r->table->events = r->events;
    return ENT_E_OK;
}

static enum ent_err open_reader(struct ent_events_reader *r)
{
    struct ent_sorted_options sorted = {.config = r->options.table.config,
                                        .sequence = r->options.sequence,
                                        .path = r->options.table.path,
                                        .memory_bytes = r->options.memory_bytes,
                                        .now_s = r->options.now_s};
    struct ent_table_options *table = &r->options.table;
    struct ent_source *source;

    r->keep = r->options.to_score ? ENT_KEEP_LAST : r->options.sequence->keep;
    r->config = *table->config;
    if (r->config.unit_key == NULL) {
        r->config.unit_key = r->options.sequence->unit;
        for (uint32_t i = 0; i < r->config.n_columns; i++) {
            if (strcmp(r->config.columns[i].feature, r->options.sequence->unit) == 0) {
                r->config.unit_key = r->config.columns[i].column;
            }
        }
    }
    table->config = &r->config;
    table->label = ENT_LABEL_UNUSED;
    table->schema.label_name = NULL;
    table->drop_duplicates = false;
    ENT_TRY(ent_sorted_open(&sorted, &source, &r->sorted));
    r->has_loader = true;
    ENT_TRY(ent_loader_init_from(&r->loader, table, source));
    return open_tables(r);
}

static void release(struct ent_events_reader *r)
{
    if (r->has_loader) {
        ent_loader_release(&r->loader);
    }
    if (r->table == NULL) {
        ent_table_free(r->events);
    }
    ent_table_free(r->table);
}

static enum ent_err say_empty(const struct ent_table *t)
{
    const struct ent_sequence_counts *c = &t->counts;

    return ent_err_note(ENT_E_DATA,
                        "no sequence is left: %llu rows read, %llu do not parse; of %llu units: "
                        "%llu sequences of one event, %llu without an event before the label's "
                        "window, %llu whose label lies in the future",
                        (unsigned long long)t->n_source_rows, (unsigned long long)t->n_bad,
                        (unsigned long long)c->n_units, (unsigned long long)c->n_short,
                        (unsigned long long)c->n_no_history, (unsigned long long)c->n_future);
}

static enum ent_err check_loaded(const struct ent_table *t)
{
    struct ent_events_targets targets = {.n = t->counts.n_targets,
                                         .known = t->counts.n_targets - t->counts.n_undeclared};

    return t->n_rows == 0 ? say_empty(t) : ent_events_check_targets(t, &targets);
}

enum ent_err ent_events_load(const struct ent_events_options *options, struct ent_table **out)
{
    struct ent_events_reader r = {.options = *options};
    enum ent_err err = open_reader(&r);

    if (err == ENT_E_OK) {
        err = read_until(&r, UINT32_MAX);
    }
    if (err == ENT_E_OK) {
        err = check_loaded(r.table);
    }
    if (err == ENT_E_DATA || err == ENT_E_LIMIT) {
        err = ent_err_prefix(err, "%s",
                             options->table.path != NULL ? options->table.path
                                                         : options->table.config->data.path);
    }
    if (err == ENT_E_OK) {
        *out = r.table;
        r.table = NULL;
        r.events = NULL;
    }
    release(&r);
    return err;
}

enum ent_err ent_events_load_plan(const struct ent_plan *plan,
                                  const struct ent_client_config *config, struct ent_table **out)
{
    struct ent_clock clock = ent_clock_system();
    struct ent_events_options options = {.table = {.schema = ent_schema_of_plan(plan),
                                                   .config = config,
                                                   .split_key = plan->split_key,
                                                   .clean = true},
                                         .sequence = &plan->sequence,
                                         .now_s = (int64_t)(ent_clock_wall(&clock) / 1000)};

    return ent_events_load(&options, out);
}

/* ---- block by block ---- */

enum ent_err ent_events_reader_open(const struct ent_events_options *options, uint32_t n_sequences,
                                    struct ent_events_reader **out)
{
    struct ent_events_reader *r;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *r, &r));
    r->options = *options;
    r->n_wanted = n_sequences > 0 ? n_sequences : 1;
    err = open_reader(r);
    if (err != ENT_E_OK) {
        ent_events_reader_close(r);
        return err;
    }
    *out = r;
    return ENT_E_OK;
}

/* What was handed out goes; the stretch that has begun stays. */
static void start_block(struct ent_events_reader *r)
{
    uint32_t done = r->stretch.open ? r->stretch.first : r->events->n_rows;

    ent_table_remove(r->events, 0, done);
    r->stretch.first -= r->stretch.open ? done : 0;
    r->table->n_rows = 0;
    ent_buf_clear(&r->table->ids);
}

enum ent_err ent_events_reader_next(struct ent_events_reader *reader, const struct ent_table **out)
{
    start_block(reader);
    ENT_TRY(read_until(reader, reader->n_wanted));
    *out = reader->table->n_rows > 0 ? reader->table : NULL;
    return ENT_E_OK;
}

const struct ent_table *ent_events_reader_table(const struct ent_events_reader *reader)
{
    return reader->table;
}

void ent_events_reader_close(struct ent_events_reader *reader)
{
    if (reader != NULL) {
        release(reader);
        free(reader);
    }
}
