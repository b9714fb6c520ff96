/* Which rounds a run has under privacy. */
#include "common/plan/plan.h"

bool ent_plan_no_stats(const struct ent_plan *plan)
{
    return plan->privacy.unit != ENT_PRIVACY_NONE && !plan->privacy.stats_uncovered;
}

static bool evaluates_at_all(const struct ent_plan *plan)
{
    return plan->privacy.unit == ENT_PRIVACY_NONE || plan->privacy.evaluate_uncovered;
}

bool ent_plan_validates(const struct ent_plan *plan)
{
    return plan->split_validation > 0.0 && evaluates_at_all(plan);
}

bool ent_plan_tests(const struct ent_plan *plan)
{
    return (plan->split_test > 0.0 || plan->split_test_file) && evaluates_at_all(plan);
}

const char *ent_plan_persons_name(uint32_t basis)
{
    static const char *const names[] = {"none", "assumed", "matched"};

    return basis < 3 ? names[basis] : "?";
}
