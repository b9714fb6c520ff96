/* What the trainer gets of sequences: tokens, inputs, targets. */
#include <string.h>

#include "client/events/steps.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_events/events_support.h"

static const char csv[] = "unit,time,item\nx,1,a\nx,2,b\nx,3,zebra\nx,4,d\ny,1,c\ny,2,a\n";

struct steps {
    struct events_loaded l;
    struct ent_prep *prep;
    struct ent_steps *steps;
    struct ent_rows rows;
};

static struct steps make(const struct events_case *c)
{
    static const uint32_t both[2] = {0, 1};
    static const struct ent_fit fit = {.mean = 0, .sd = 1};
    struct steps s = {.l = events_load(c)};
    const struct ent_table *columns = ent_table_columns(s.l.table);

    ENT_OK(s.l.err);
    ENT_OK(ent_prep_new(&columns->schema, &fit, &s.prep));
    ENT_OK(ent_steps_new(s.prep, s.l.table, both, 2, &s.steps));
    s.rows = ent_steps_rows(s.steps);
    return s;
}

static void drop(struct steps *s)
{
    ent_steps_free(s->steps);
    ent_prep_free(s->prep);
    events_drop(&s->l);
}

ENT_TEST(steps, the_next_event_of_each_step)
{
    static const uint32_t order[2] = {1, 0};
    static const int32_t tokens[4] = {2, 0, 1, 10}; /* y: c; x: a, b, other */
    int32_t got[4];
    float y[4];
    struct ent_rows_block out = {.tokens = got, .y = y};
    struct steps s = make(&(struct events_case){.csv = csv, .sequence = "", .label = "next: item"});

    CU_ASSERT_TRUE(s.l.plan->sequence.per_step);
    CU_ASSERT_EQUAL(s.rows.steps(s.rows.ctx, 0), 3);
    CU_ASSERT_EQUAL(s.rows.steps(s.rows.ctx, 1), 1);
    s.rows.fill(s.rows.ctx, order, 2, &out);
    CU_ASSERT_EQUAL(memcmp(got, tokens, sizeof got), 0);
    CU_ASSERT_EQUAL(y[0], 0.0F);
    CU_ASSERT_EQUAL(y[1], 1.0F);
    CU_ASSERT_EQUAL(y[2], -1.0F); /* what is not declared is no class */
    CU_ASSERT_EQUAL(y[3], 3.0F);
    drop(&s);
}

ENT_TEST(steps, to_score_a_sequence_is_whole)
{
    struct steps s = make(
        &(struct events_case){.csv = csv, .sequence = "", .label = "next: item", .to_score = true});

    CU_ASSERT_EQUAL(s.rows.steps(s.rows.ctx, 0), 4);
    CU_ASSERT_EQUAL(s.rows.steps(s.rows.ctx, 1), 2);
    drop(&s);
}

ENT_TEST(steps, one_label_of_a_whole_sequence)
{
    static const uint32_t order[2] = {0, 1};
    int32_t got[6];
    float y[2];
    struct ent_rows_block out = {.tokens = got, .y = y};
    struct steps s = make(
        &(struct events_case){.csv = "unit,time,item\nx,1,a\nx,2,b\nx,900000,d\ny,1,c\ny,2,a\n",
                              .sequence = ", format: unix",
                              .label = "later: {from: 1970-01-11, until: 1970-01-21}"});

    CU_ASSERT_EQUAL(s.rows.steps(s.rows.ctx, 0), 2);
    s.rows.fill(s.rows.ctx, order, 2, &out);
    CU_ASSERT_EQUAL(y[0], 1.0F);
    CU_ASSERT_EQUAL(y[1], 0.0F);
    CU_ASSERT_EQUAL(got[3], 0);
    drop(&s);
}
