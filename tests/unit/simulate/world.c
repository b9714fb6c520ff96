#include "tests/unit/simulate/world.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"

#define CSV_MAX ((size_t)8 << 20)
#define STATE_IN_MEMORY ((uint64_t)1 << 30)

static const char plan_text[] =
    "features:\n"
    "  - {name: a, type: number, range: [-4, 4]}\n"
    "  - {name: b, type: number, range: [-4, 4]}\n"
    "  - {name: c, type: category, values: [x, y, z]}\n"
    "min_group: 1\n"
    "label: {name: label, positive: \"1\"}\n"
    "split: {key: 42, validation: 0.1, test: 0.2}\n"
    "model: {layers: [{dense: 8}, relu, {dropout: 0.1}, {dense: 1}], loss: bce}\n"
    "training: {rounds: 3, epochs: 1, batch: 8, optimizer: {adam: {rate: 0.02}}, seed: 5}\n"
    "aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 2, join: "
    "30s, update: 5min, attempts: 3}\n";

void ent_world_write(const char *path, uint32_t n, uint32_t shops)
{
    struct ent_rng rng = ent_rng_init(11, 0);
    struct ent_buf text;

    ent_buf_init(&text, CSV_MAX);
    ENT_OK(ent_buf_addf(&text, "a,b,c,shop,label\n"));
    for (uint32_t i = 0; i < n; i++) {
        double a = ent_rng_normal(&rng);
        double b = ent_rng_normal(&rng);
        bool positive = a * b + 0.5 * ent_rng_normal(&rng) > 0;

        ENT_OK(ent_buf_addf(&text, "%.4f,%.4f,%c,s%u,%d\n", fmin(fmax(a, -4), 4),
                            fmin(fmax(b, -4), 4), "xyz"[ent_rng_below(&rng, 3)],
                            (unsigned)(i % shops), positive));
    }
    ENT_OK(ent_file_write_atomic(path, text.data, text.len, 0600));
    ent_buf_release(&text);
}

static void read_plan(struct world *w, const char *plan)
{
    static const char yaml[] = "data: {source: csv, path: rows.csv}\n";

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan, strlen(plan), &w->plan));
    ENT_OK(ent_client_config_parse("client.yaml", ".", (const uint8_t *)yaml, sizeof yaml - 1,
                                   &w->config));
}

void ent_world_read(struct world *w)
{
    read_plan(w, plan_text);
}

void ent_world_path(struct world *w)
{
    (void)snprintf(w->path, sizeof w->path, "/tmp/entente-simulate-%d.csv", (int)getpid());
}

void ent_world_open(struct world *w, uint32_t rows, uint32_t shops,
                    const struct ent_division_spec *division)
{
    struct ent_population_options options = {.division = *division};

    *w = (struct world){0};
    ent_world_path(w);
    ent_world_write(w->path, rows, shops);
    ent_world_read(w);
    options.plan = w->plan;
    options.config = w->config;
    options.data = w->path;
    ENT_OK(ent_population_new(&options, &w->population));
}

void ent_world_open_plan(struct world *w, uint32_t rows, uint32_t members, const char *plan)
{
    struct ent_population_options options = {
        .division = {.kind = ENT_DIVISION_IID, .members = members, .seed = 1}};

    *w = (struct world){0};
    ent_world_path(w);
    ent_world_write(w->path, rows, 1);
    read_plan(w, plan);
    options.plan = w->plan;
    options.config = w->config;
    options.data = w->path;
    ENT_OK(ent_population_new(&options, &w->population));
}

void ent_world_close(struct world *w)
{
    ent_population_free(w->population);
    ent_client_config_free(w->config);
    ent_plan_free(w->plan);
    (void)unlink(w->path);
}

void ent_world_digest(struct world *w, const struct ent_federation_options *options,
                      uint8_t digest[32])
{
    struct ent_federation_result result = {0};

    ENT_OK(ent_federation_run(w->plan, w->population, options, &result));
    memcpy(digest, result.digest, 32);
    ent_federation_result_release(&result);
}

struct ent_federation_options ent_world_plain(uint32_t threads)
{
    return (struct ent_federation_options){
        .threads = threads, .fraction = 1.0, .state_memory = STATE_IN_MEMORY};
}
