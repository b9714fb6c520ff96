#include "tests/unit/coordinator_round/drive.h"

void until(struct world *w, enum ent_phase phase)
{
    for (size_t i = 0; w->r.phase != phase && i < 1000; i++) {
        CU_ASSERT_FATAL(world_calm_step(w));
    }
    CU_ASSERT_EQUAL_FATAL(w->r.phase, phase);
}

void until_round(struct world *w, enum ent_round_task task, enum ent_phase phase)
{
    for (size_t i = 0; (w->r.task != task || w->r.phase != phase) && i < 1000; i++) {
        CU_ASSERT_FATAL(world_calm_step(w));
    }
    CU_ASSERT_FATAL(w->r.task == task && w->r.phase == phase);
}

void start(struct world *w, uint32_t n, const struct ent_run_config *config)
{
    world_init(w, n, config);
    world_start(w);
}

void done(struct world *w)
{
    CU_ASSERT(world_calm(w, 2000));
    if (w->broken != NULL) {
        (void)fprintf(stderr, "law broken: %s\n", w->broken);
    }
    CU_ASSERT_PTR_NULL(w->broken);
    world_release(w);
}

const struct ent_row *row_of(const struct world *w, enum ent_row_kind kind, size_t nth)
{
    for (size_t i = 0; i < w->n_rows; i++) {
        if (w->rows[i].kind == kind && nth-- == 0) {
            return &w->rows[i];
        }
    }
    return NULL;
}

size_t n_rows_of(const struct world *w, enum ent_row_kind kind)
{
    size_t n = 0;

    while (row_of(w, kind, n) != NULL) {
        n++;
    }
    return n;
}
