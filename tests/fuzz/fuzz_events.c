/* Any bytes as a member's file of events: cut into sequences of every kind, at once and block by block, with a buffer so
 * small that every row goes through a temporary file. Each event is in a sequence or in a count; nothing lies beyond a cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/data/split.h"
#include "client/events/events.h"
#include "common/plan/plan.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FEATURES                                                                                   \
    "salt: pepper\n"                                                                               \
    "features: [{name: b, type: category, values: [x, \"y z\"], embed: 2}, {name: c, type: "       \
    "category, vocabulary: {bits: 4}}, {name: d, type: number, range: [0, 9]}]\n"
#define NEXT "label: {next: b}\nmodel: {layers: [{rnn: 2}, {dense: 2}]}\n"
#define LATER                                                                                      \
    "label: {later: {from: 1970-01-01, until: 1970-01-02}}\n"                                      \
    "model: {layers: [{rnn: 2}, last, {dense: 1}]}\n"

static const char *const plans[] = {
    FEATURES "sequence: {unit: a, time: [d, c], length: 3}\n" NEXT,
    FEATURES "sequence: {unit: a, time: d, format: unix, length: 2, keep: all, gap: 5s}\n" NEXT,
    FEATURES "sequence: {unit: a, time: d, format: unix, length: 2, keep: first}\n" LATER,
};

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void put(const char *path, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "we");

    require(f != NULL);
    require(fwrite(bytes, 1, len, f) == len);
    require(fclose(f) == 0);
}

static void check_table(const struct ent_plan *plan, const struct ent_table *t)
{
    const struct ent_sequence_counts *c = &t->counts;
    struct ent_parts *parts;
    uint64_t held = 0;

    for (uint32_t i = 0; i < t->n_rows; i++) {
        require(t->event_count[i] >= 1 && t->event_count[i] <= plan->sequence.length);
        require(t->event_first[i] + t->event_count[i] <= t->events->n_rows);
        held += t->event_count[i];
    }
    require(c->n_events + t->n_bad + t->n_outlier_rows == t->n_source_rows);
    if (plan->sequence.keep != ENT_KEEP_ALL) { /* pieces share events */
        require(held + c->n_cut + c->n_short + c->n_in_window + c->n_after == c->n_events);
    }
    require(ent_split_table(plan, t, NULL, &parts) == ENT_E_OK);
    require(parts->part[1].n + parts->part[2].n + parts->part[3].n == t->n_rows);
    ent_parts_free(parts);
}

static void check_blocks(const struct ent_events_options *options, const struct ent_table *whole)
{
    struct ent_events_reader *reader;
    const struct ent_table *t = NULL;
    uint32_t n = 0;

    require(ent_events_reader_open(options, 2, &reader) == ENT_E_OK);
    do {
        require(ent_events_reader_next(reader, &t) == ENT_E_OK);
        n += t != NULL ? t->n_rows : 0;
    } while (t != NULL);
    require(n == whole->n_rows);
    ent_events_reader_close(reader);
}

static void check(const char *plan_text, const char *path)
{
    struct ent_client_config config = {
        .data = {.source = "csv", .path = path, .bad_rows = ENT_BAD_ROWS_DROP}};
    struct ent_events_options options = {.table = {.config = &config, .clean = true},
                                         .memory_bytes = 1};
    struct ent_plan *plan;
    struct ent_table *table;

    require(ent_plan_parse("p", (const uint8_t *)plan_text, strlen(plan_text), &plan) == ENT_E_OK);
    options.table.schema = ent_schema_of_plan(plan);
    options.sequence = &plan->sequence;
    if (ent_events_load(&options, &table) == ENT_E_OK) {
        check_table(plan, table);
        check_blocks(&options, table);
        ent_table_free(table);
    }
    ent_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/tmp/entente-fuzz-events-%ld", (long)getpid());
    put(path, data, size);
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        check(plans[i], path);
    }
    (void)unlink(path);
    return 0;
}
