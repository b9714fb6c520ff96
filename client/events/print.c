/* What became of events, in words. */
#include <inttypes.h>

#include "client/events/events.h"
#include "common/base/plural.h"

void ent_events_counts(const struct ent_table *table,
                       struct ent_events_count out[ENT_EVENTS_COUNTS])
{
    const struct ent_sequence_counts *c = &table->counts;
    const struct ent_events_count all[ENT_EVENTS_COUNTS] = {
        [ENT_EVENTS_PARSED] = {"events", "events that parse", c->n_events},
        [ENT_EVENTS_UNITS] = {"units", "units", c->n_units},
        [ENT_EVENTS_SESSIONS] = {"sessions", "sessions", c->n_sessions},
        [ENT_EVENTS_BECAME] =
            {"out_of_order",
             "events stood in front of an earlier one of their unit and were sorted",
             c->n_out_of_order},
        {"spilled_bytes", "bytes of temporary files, gone by now, were needed to sort", c->spilled},
        {"beyond_length", "events are beyond the longest sequence and not used", c->n_cut},
        {"of_one_event", "sequences have one event: nothing comes next, they are not used",
         c->n_short},
        {"without_history", "units have no event before the label's window: they are not used",
         c->n_no_history},
        {"in_window", "events lie in the label's window: the model does not see them",
         c->n_in_window},
        {"after_window", "events lie behind the label's window: they are not used", c->n_after},
        {"label_in_future", "units have a label that lies in the future: they are not used",
         c->n_future},
        {"undeclared_targets",
         "events to predict have no value that the plan declares: nothing is learned from them",
         c->n_undeclared},
    };

    for (size_t i = 0; i < ENT_EVENTS_COUNTS; i++) {
        out[i] = all[i];
    }
}

void ent_events_print_units(const struct ent_events_count counts[ENT_EVENTS_COUNTS], FILE *out)
{
    uint64_t units = counts[ENT_EVENTS_UNITS].value;
    uint64_t sessions = counts[ENT_EVENTS_SESSIONS].value;

    (void)fprintf(out, "%" PRIu64 " %s", units, ent_plural(units, "unit", "units"));
    if (sessions != units) {
        (void)fprintf(out, ", %" PRIu64 " %s", sessions,
                      ent_plural(sessions, "session", "sessions"));
    }
}

void ent_events_print_became(const struct ent_events_count counts[ENT_EVENTS_COUNTS], FILE *out)
{
    for (size_t i = ENT_EVENTS_BECAME; i < ENT_EVENTS_COUNTS; i++) {
        if (counts[i].value > 0) {
            (void)fprintf(out, "  %" PRIu64 " %s\n", counts[i].value, counts[i].text);
        }
    }
}

void ent_events_print(const struct ent_table *table, FILE *out)
{
    struct ent_events_count counts[ENT_EVENTS_COUNTS];

    (void)fprintf(out, "%u sequences of %u events; ", table->n_rows, table->events->n_rows);
    (void)fprintf(out, "%" PRIu64 " rows read, %" PRIu64 " do not parse, ", table->n_source_rows,
                  table->n_bad);
    ent_events_counts(table, counts);
    ent_events_print_units(counts, out);
    (void)fputc('\n', out);
    ent_events_print_became(counts, out);
    if (table->counts.sorted && table->counts.n_out_of_order == 0) {
        (void)fprintf(out, "  the rows of a unit are not together in the file: they were sorted\n");
    }
}
