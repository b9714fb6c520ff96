#include "tests/unit/client_events/events_support.h"

#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"

#define TEXT_BYTES 4096

static const char *file_of(const char *csv)
{
    static char path[1024];
    static const char *dir;

    if (dir == NULL) {
        dir = ent_test_tmpdir();
    }
    (void)snprintf(path, sizeof path, "%s/events.csv", dir);
    ENT_OK(ent_file_write_atomic(path, csv, strlen(csv), 0600));
    return path;
}

static struct ent_plan *plan_of(const struct events_case *c)
{
    char yaml[TEXT_BYTES];
    struct ent_plan *plan = NULL;
    bool next = strncmp(c->label, "next", 4) == 0;
    int n = snprintf(yaml, sizeof yaml,
                     "features:\n"
                     "  - {name: item, type: category, values: [a, b, c, d, e, f, g, h, i, j], "
                     "embed: 3}\n"
                     "sequence: {unit: unit, time: time%s}\n"
                     "label: {%s}\n"
                     "split: {test: 0.3, validation: 0.2}\n"
                     "model: {layers: [{gru: 4}, %s]}\n",
                     c->sequence, c->label, next ? "{dense: 10}" : "last, {dense: 1}");

    CU_ASSERT_TRUE_FATAL(n > 0 && (size_t)n < sizeof yaml);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, (size_t)n, &plan));
    return plan;
}

static struct ent_client_config *config_of(const struct events_case *c)
{
    char yaml[TEXT_BYTES];
    struct ent_client_config *config = NULL;
    int n =
        snprintf(yaml, sizeof yaml, "data: {path: \"%s\", bad_rows: %s}\n%s", file_of(c->csv),
                 c->bad_rows != NULL ? c->bad_rows : "fail", c->config != NULL ? c->config : "");

    CU_ASSERT_TRUE_FATAL(n > 0 && (size_t)n < sizeof yaml);
    ENT_OK(ent_client_config_parse("client.yaml", "/", (const uint8_t *)yaml, (size_t)n, &config));
    return config;
}

struct events_loaded events_prepare(const struct events_case *c)
{
    return (struct events_loaded){.plan = plan_of(c), .config = config_of(c)};
}

struct ent_events_options events_options(const struct events_case *c, const struct events_loaded *l)
{
    return (struct ent_events_options){.table = {.schema = ent_schema_of_plan(l->plan),
                                                 .config = l->config,
                                                 .split_key = 7,
                                                 .id_column = c->id_column,
                                                 .clean = true},
                                       .sequence = &l->plan->sequence,
                                       .to_score = c->to_score,
                                       .memory_bytes = c->memory_bytes,
                                       .now_s = c->now_s};
}

struct events_loaded events_load(const struct events_case *c)
{
    struct events_loaded l = events_prepare(c);
    struct ent_events_options options = events_options(c, &l);

    l.err = ent_events_load(&options, &l.table);
    return l;
}

void events_drop(struct events_loaded *l)
{
    ent_table_free(l->table);
    ent_client_config_free(l->config);
    ent_plan_free(l->plan);
}

const char *events_items(const struct ent_table *table, uint32_t sequence)
{
    static char texts[8][512];
    static size_t at;
    char *text = texts[at++ % 8];
    uint32_t n = table->event_count[sequence];

    CU_ASSERT_TRUE_FATAL(n < sizeof texts[0]);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t code = table->events->columns[0].codes[table->event_first[sequence] + i];

        text[i] = (char)(code == ENT_CODE_MISSING ? '-' : (code >= 10 ? '?' : 'a' + (int)code));
    }
    text[n] = '\0';
    return text;
}
