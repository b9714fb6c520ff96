/* The test rows after each round, and divisions that keep test rows with their class. */
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/simulate/world.h"

/* With one piece each, all but the member with the border have one class, and pieces are equal. */
ENT_TEST(course, pieces_by_label_mix_the_rows_of_a_class)
{
    struct ent_division_spec spec = {
        .kind = ENT_DIVISION_SHARDS, .members = 10, .shards = 1, .seed = 3};
    struct world w;
    uint32_t mixed = 0;

    ent_world_open(&w, 1000, 1, &spec);
    for (uint32_t i = 0; i < 10; i++) {
        const struct ent_simulated_member *m = &w.population->members[i];
        const struct ent_split_rows *part = m->parts.part;

        CU_ASSERT_EQUAL(part[1].n + part[2].n + part[3].n, 100);
        mixed += m->one_class ? 0 : 1;
        CU_ASSERT(part[ENT_SPLIT_TEST].n > 5); /* of 20 */
    }
    CU_ASSERT(mixed <= 1);
    ent_world_close(&w);
}

/* The course sees what the end sees, and changes nothing. */
ENT_TEST(course, it_ends_where_the_run_ends)
{
    struct ent_division_spec spec = {.kind = ENT_DIVISION_IID, .members = 5, .seed = 1};
    struct ent_federation_options with = ent_world_plain(2);
    struct ent_federation_options without = ent_world_plain(1);
    struct ent_federation_result a = {0};
    struct ent_federation_result b = {0};
    struct world w;

    ent_world_open(&w, 3000, 1, &spec);
    with.course = true;
    ENT_OK(ent_federation_run(w.plan, w.population, &with, &a));
    ENT_OK(ent_federation_run(w.plan, w.population, &without, &b));
    CU_ASSERT(memcmp(a.digest, b.digest, 32) == 0);
    CU_ASSERT_PTR_NULL(b.course);
    CU_ASSERT_EQUAL_FATAL(a.n_course, 3);
    CU_ASSERT(a.best_train >= 1 && a.best_train <= 3);
    CU_ASSERT_DOUBLE_EQUAL(a.course[a.best_train - 1].log_loss, a.test.log_loss, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(a.course[a.best_train - 1].auc, a.test.auc, 1e-12);
    ent_federation_result_release(&a);
    ent_federation_result_release(&b);
    ent_world_close(&w);
}
