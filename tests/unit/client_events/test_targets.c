#include <stdio.h>
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/client_events/events_support.h"

/* Values of the next event that the plan does not declare teach nothing: counted; without any other, an error. */
ENT_TEST(targets, targets_that_the_plan_does_not_declare)
{
    static const char some[] = "unit,time,item\nx,1,a\nx,2,q\nx,3,b\ny,1,q\ny,2,q\ny,3,q\n";
    static const char none[] = "unit,time,item\nx,1,1\nx,2,2\ny,1,3\ny,2,5\n";
    struct events_case c = {.csv = some, .sequence = ", length: 5", .label = "next: item"};
    struct ent_events_targets targets;
    struct events_loaded l = events_load(&c);

    ENT_OK(l.err);
    CU_ASSERT_EQUAL(l.table->counts.n_targets, 4);
    CU_ASSERT_EQUAL(l.table->counts.n_undeclared, 3);
    targets = ent_events_targets_of(l.table, 0);
    CU_ASSERT(targets.n == 2 && targets.known == 1);
    targets = ent_events_targets_of(l.table, 1);
    ENT_FAILS(ent_events_check_targets(l.table, &targets), ENT_E_DATA);
    events_drop(&l);
    c.csv = none;
    l = events_load(&c);
    ENT_FAILS(l.err, ENT_E_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(),
                                  "none of the 2 events to predict has a value that the plan "
                                  "declares for 'item'"));
    events_drop(&l);
}

static void keep_line(void *ctx, const char *line)
{
    (void)snprintf(ctx, 400, "%s", line);
}

ENT_TEST(targets, a_column_without_declared_values_is_noted)
{
    static const char csv[] = "unit,time,item\nx,1970-01-02,1\nx,1970-01-03,2\nx,1970-01-04,1\n"
                              "x,1970-01-09,2\n";
    struct events_case c = {.csv = csv,
                            .sequence = ", format: iso, length: 2",
                            .label = "later: {from: 1970-01-06, until: 1970-01-10}"};
    struct events_loaded l = events_load(&c);
    char line[400] = "";

    ENT_OK(l.err);
    ent_table_notes(l.table, keep_line, line);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "item: no row has a value that the plan declares"));
    events_drop(&l);
}
