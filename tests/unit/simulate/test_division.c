#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/simulate/world.h"

static uint32_t rows_of_all(const struct ent_population *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_members; i++) {
        for (uint32_t part = 0; part < 4; part++) {
            n += p->members[i].parts.part[part].n;
        }
    }
    return n;
}

ENT_TEST(simulate, every_row_has_one_member)
{
    struct ent_division_spec specs[] = {
        {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"},
        {.kind = ENT_DIVISION_IID, .members = 7, .seed = 1},
        {.kind = ENT_DIVISION_DIRICHLET, .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_QUANTITY, .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_DIRICHLET, .column = "shop", .members = 9, .alpha = 0.3, .seed = 1},
        {.kind = ENT_DIVISION_SHARDS, .members = 9, .shards = 2, .seed = 1}};
    static const uint32_t members[] = {5, 7, 9, 9, 9, 9};

    for (size_t k = 0; k < ENT_ARRAY_LEN(specs); k++) {
        struct world w;
        uint8_t *seen;

        ent_world_open(&w, 500, 5, &specs[k]);
        seen = calloc(500, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(seen);
        CU_ASSERT_EQUAL(w.population->n_members, members[k]);
        CU_ASSERT_EQUAL(rows_of_all(w.population), 500);
        for (uint32_t i = 0; i < w.population->n_members; i++) {
            for (uint32_t part = 0; part < 4; part++) {
                const struct ent_split_rows *list = &w.population->members[i].parts.part[part];

                for (uint32_t r = 0; r < list->n; r++) {
                    CU_ASSERT_EQUAL(seen[list->rows[r]]++, 0);
                    CU_ASSERT(r == 0 || list->rows[r] > list->rows[r - 1]);
                }
            }
        }
        free(seen);
        ent_world_close(&w);
    }
}

ENT_TEST(simulate, members_by_column_are_its_values)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_BY_COLUMN, .column = "shop"};
    struct world w;

    ent_world_open(&w, 200, 4, &spec);
    for (uint32_t i = 0; i < 4; i++) {
        char name[8];

        (void)snprintf(name, sizeof name, "s%u", (unsigned)i);
        CU_ASSERT_STRING_EQUAL(w.population->members[i].name, name);
        for (uint32_t r = 0; r < w.population->members[i].parts.part[ENT_SPLIT_TRAIN].n; r++) {
            uint32_t row = w.population->members[i].parts.part[ENT_SPLIT_TRAIN].rows[r];

            CU_ASSERT_EQUAL(w.population->table->source_rows[row] % 4, i);
        }
    }
    ent_world_close(&w);
}

static double spread(double alpha, enum ent_division kind)
{
    struct ent_division_spec spec = {.kind = kind, .members = 10, .alpha = alpha, .seed = 3};
    struct world w;
    double squares = 0.0;

    ent_world_open(&w, 2000, 1, &spec);
    for (uint32_t i = 0; i < 10; i++) {
        const struct ent_simulated_member *m = &w.population->members[i];
        double x = kind == ENT_DIVISION_QUANTITY ? m->parts.part[ENT_SPLIT_TRAIN].n
                                                 : (double)m->train_positives;

        squares += x * x;
    }
    ent_world_close(&w);
    return squares;
}

ENT_TEST(simulate, smaller_alpha_is_more_uneven)
{
    CU_ASSERT(spread(0.1, ENT_DIVISION_QUANTITY) > 1.5 * spread(100.0, ENT_DIVISION_QUANTITY));
    CU_ASSERT(spread(0.1, ENT_DIVISION_DIRICHLET) > 1.5 * spread(100.0, ENT_DIVISION_DIRICHLET));
}

/* Rows of every shop, over all parts. */
static void count_shops(const struct world *w, const struct ent_simulated_member *m, uint32_t shops,
                        uint32_t *counts)
{
    memset(counts, 0, shops * sizeof *counts);
    for (uint32_t part = 0; part < 4; part++) {
        const struct ent_split_rows *list = &m->parts.part[part];

        for (uint32_t r = 0; r < list->n; r++) {
            counts[w->population->table->source_rows[list->rows[r]] % shops]++;
        }
    }
}

ENT_TEST(simulate, shards_give_each_member_few_classes_and_as_many_rows)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_SHARDS, .column = "shop", .members = 10, .shards = 2, .seed = 4};
    uint32_t counts[10];
    struct world w;

    ent_world_open(&w, 2000, 10, &spec); /* a piece is 100 rows: half a shop */
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t all = 0;
        uint32_t n = 0;

        count_shops(&w, &w.population->members[i], 10, counts);
        for (uint32_t k = 0; k < 10; k++) {
            CU_ASSERT(counts[k] % 100 == 0);
            all += counts[k];
            n += counts[k] > 0 ? 1 : 0;
        }
        CU_ASSERT_EQUAL(all, 200);
        CU_ASSERT(n == 1 || n == 2);
    }
    ent_world_close(&w);
}

ENT_TEST(simulate, dirichlet_over_a_columns_values)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_DIRICHLET, .column = "shop", .members = 10, .alpha = 0.05, .seed = 4};
    uint32_t counts[5];
    uint32_t largest = 0;
    struct world w;

    ent_world_open(&w, 2000, 5,
                   &spec); /* 400 rows a shop; dealt evenly a member would have 40 of each */
    for (uint32_t i = 0; i < 10; i++) {
        count_shops(&w, &w.population->members[i], 5, counts);
        for (uint32_t k = 0; k < 5; k++) {
            largest = counts[k] > largest ? counts[k] : largest;
        }
    }
    CU_ASSERT(largest > 200);
    ent_world_close(&w);
}

ENT_TEST(simulate, divisions_that_cannot_be)
{
    struct world w = {0};
    struct ent_division_spec specs[] = {
        {.kind = ENT_DIVISION_BY_COLUMN, .column = "no_such"},
        {.kind = ENT_DIVISION_IID, .members = 0},
        {.kind = ENT_DIVISION_IID, .members = ENT_POPULATION_MEMBERS_MAX + 1},
        {.kind = ENT_DIVISION_DIRICHLET, .members = 3, .alpha = 0.0},
        {.kind = ENT_DIVISION_SHARDS, .members = 30, .shards = 4},
        {.kind = ENT_DIVISION_SHARDS, .members = 3, .shards = 0}};
    static const enum ent_err codes[] = {ENT_E_DATA,  ENT_E_USAGE, ENT_E_USAGE,
                                         ENT_E_USAGE, ENT_E_USAGE, ENT_E_USAGE};

    ent_world_path(&w);
    ent_world_write(w.path, 100, 3);
    ent_world_read(&w);
    for (size_t i = 0; i < ENT_ARRAY_LEN(specs); i++) {
        struct ent_population_options options = {
            .plan = w.plan, .config = w.config, .data = w.path, .division = specs[i]};

        CU_ASSERT_EQUAL(ent_population_new(&options, &w.population), codes[i]);
    }
    w.population = NULL;
    ent_world_close(&w);
}
