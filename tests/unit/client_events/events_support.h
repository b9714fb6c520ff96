/* Plans, configurations and files for the tests of this room. Whatever cannot be made ends the test. */
#ifndef ENT_TESTS_UNIT_CLIENT_EVENTS_SUPPORT_H
#define ENT_TESTS_UNIT_CLIENT_EVENTS_SUPPORT_H

#include "client/events/events.h"
#include "common/plan/client_config.h"
#include "common/plan/plan.h"

/* A plan over the columns unit, time and item (values a to j), a file, and how it is read. */
struct events_case {
    const char *csv;
    const char *sequence; /* what follows unit and time in the plan's map: ", length: 5" */
    const char *label;    /* "next: item" */
    const char *config;   /* further lines of client.yaml, or NULL */
    const char *bad_rows; /* NULL: fail */
    int64_t now_s;
    size_t memory_bytes;
    bool to_score;
    const char *id_column;
};

struct events_loaded {
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_table *table;
    enum ent_err err;
};
struct events_loaded events_load(const struct events_case *c);
void events_drop(struct events_loaded *l);

/* The options of a case whose plan and configuration are made already. */
struct ent_events_options events_options(const struct events_case *c,
                                         const struct events_loaded *l);
/* Plan and configuration only. */
struct events_loaded events_prepare(const struct events_case *c);
/* "abc": the items of a sequence; '?' for other, '-' for none. Static storage, eight of them. */
const char *events_items(const struct ent_table *table, uint32_t sequence);

#endif
