#include "common/privacy/privacy.h"

#include <inttypes.h>
#include <math.h>

enum ent_err ent_dp_event_check(const struct ent_dp_event *event)
{
    ENT_REQUIRE(event->mechanism == ENT_DP_DISCRETE_GAUSSIAN, ENT_E_RANGE,
                "a privacy event of mechanism %d, which this build does not know",
                (int)event->mechanism);
    ENT_REQUIRE(event->rate >= 1 && event->rate <= ENT_DP_RATE_ALL, ENT_E_RANGE,
                "a privacy event with a sampling rate of %" PRIu64
                " / 2^32: it must be above 0 and at most 1",
                event->rate);
    ENT_REQUIRE(event->sigma2 >= 1 && event->sigma2 <= ENT_DP_SIGMA2_MAX, ENT_E_RANGE,
                "a privacy event with sigma2 = %" PRIu64
                ": it must be a whole number from 1 to 2^52 - 1",
                event->sigma2);
    ENT_REQUIRE(event->sensitivity >= 1 && event->sensitivity <= ENT_DP_SENSITIVITY_MAX,
                ENT_E_RANGE, "a privacy event with a sensitivity of %" PRIu64 " grid units",
                event->sensitivity);
    ENT_REQUIRE(event->steps >= 1 && event->steps <= ENT_DP_STEPS_MAX, ENT_E_RANGE,
                "a privacy event of %" PRIu64 " releases", event->steps);
    ENT_REQUIRE(event->n_members >= 1 && event->n_members <= ENT_DP_MEMBERS_MAX, ENT_E_RANGE,
                "a privacy event for a person in %" PRIu32 " members: at most %u", event->n_members,
                ENT_DP_MEMBERS_MAX);
    return ENT_E_OK;
}

enum ent_err ent_dp_event_of_person(const struct ent_dp_event *unit, enum ent_dp_mode mode,
                                    uint32_t n_members, struct ent_dp_event *out)
{
    struct ent_dp_event person = *unit;

    ENT_TRY(ent_dp_event_check(unit));
    ENT_REQUIRE(n_members >= 1 && n_members <= ENT_DP_MEMBERS_MAX, ENT_E_RANGE,
                "a person in %" PRIu32 " members: from 1 to %u", n_members, ENT_DP_MEMBERS_MAX);
    switch (mode) {
    case ENT_DP_MEMBER_LEVEL:
        ENT_REQUIRE(unit->rate == ENT_DP_RATE_ALL, ENT_E_RANGE,
                    "member level with a sample of members: who takes part is public, so it "
                    "amplifies nothing");
        person.sensitivity = unit->sensitivity * 2 * n_members;
        break;
    case ENT_DP_LOCAL:
        person.steps = unit->steps * n_members;
        break;
    case ENT_DP_SUMMED:
        if (unit->rate == ENT_DP_RATE_ALL) {
            person.sensitivity = unit->sensitivity * n_members;
        } else {
            person.n_members = n_members;
        }
        break;
    }
    ENT_TRY(ent_dp_event_check(&person));
    *out = person;
    return ENT_E_OK;
}

double ent_dp_rate(const struct ent_dp_event *event)
{
    return (double)event->rate / (double)ENT_DP_RATE_ALL;
}

double ent_dp_noise_multiplier(const struct ent_dp_event *event)
{
    return sqrt((double)event->sigma2) / (double)event->sensitivity;
}

enum ent_err ent_dp_rate_of(double q, uint64_t *rate)
{
    ENT_REQUIRE(q > 0.0 && q <= 1.0, ENT_E_RANGE,
                "a sampling rate of %g: it must be above 0 and at most 1", q);
    *rate = (uint64_t)ceil(q * (double)ENT_DP_RATE_ALL);
    return ENT_E_OK;
}
