/* One simulated federation for tests: a plan, generated rows in a file, a population. */
#ifndef ENT_TESTS_UNIT_SIMULATE_WORLD_H
#define ENT_TESTS_UNIT_SIMULATE_WORLD_H

#include "common/plan/client_config.h"
#include "simulate/federation.h"

struct world {
    char path[64];
    struct ent_plan *plan;
    struct ent_client_config *config;
    struct ent_population *population;
};

/* Two numbers, a category and the label; the n-th of `shops` shops gets row n, n + shops, ... */
void ent_world_open(struct world *w, uint32_t rows, uint32_t shops,
                    const struct ent_division_spec *division);
/* The same rows under a plan of the test's own. */
void ent_world_open_plan(struct world *w, uint32_t rows, uint32_t members, const char *plan);
void ent_world_close(struct world *w);
/* The steps of opening, for tests with rows of their own: path; rows; plan and configuration. */
void ent_world_path(struct world *w);
void ent_world_write(const char *path, uint32_t n, uint32_t shops);
void ent_world_read(struct world *w);
/* One run's model. */
void ent_world_digest(struct world *w, const struct ent_federation_options *options,
                      uint8_t digest[32]);
/* Everybody, every round, state in memory. */
struct ent_federation_options ent_world_plain(uint32_t threads);

#endif
