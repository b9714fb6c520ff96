#include "client/agent/course.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/task/task.h"

static enum ent_err same_round(const struct ent_state_course *c, const struct ent_msg_round_open *m,
                               const uint8_t hash[ENT_SHA256_BYTES])
{
    ENT_REQUIRE(m->attempt > c->attempt || (m->attempt == c->attempt && !c->closed), ENT_E_STALE,
                "attempt %u of round %llu is over: this member has seen attempt %u",
                (unsigned)m->attempt, (unsigned long long)m->round, (unsigned)c->attempt);
    ENT_REQUIRE(m->attempt > c->attempt || memcmp(hash, c->round_open, sizeof c->round_open) == 0,
                ENT_E_PROTOCOL, "attempt %u of round %llu was opened before in another way",
                (unsigned)m->attempt, (unsigned long long)m->round);
    ENT_REQUIRE(m->task == c->task && m->split == c->split &&
                    memcmp(m->base, c->base, sizeof c->base) == 0,
                ENT_E_PROTOCOL, "attempt %u of round %llu asks something else than the one before",
                (unsigned)m->attempt, (unsigned long long)m->round);
    return ENT_E_OK;
}

/* Only the RoundClose of the very round before says for sure what comes next: a member that was away knows less. Test rows
 * are spent on the best model, which may be an older one. */
static enum ent_err check_base(const struct ent_state_course *c, const struct ent_msg_round_open *m)
{
    bool known = m->has_base && m->split != ENT_SPLIT_TEST && m->round == c->model_round + 1 &&
                 !ent_all_zero(c->model, sizeof c->model);

    ENT_REQUIRE(!known || memcmp(m->base, c->model, sizeof c->model) == 0, ENT_E_PROTOCOL,
                "round %llu starts from another model than the one announced with round %llu",
                (unsigned long long)m->round, (unsigned long long)c->model_round);
    return ENT_E_OK;
}

/* Counts the round. */
static enum ent_err next_round(struct ent_state_course *c, const struct ent_msg_round_open *m,
                               uint32_t rounds)
{
    ENT_TRY(check_base(c, m));
    if (m->task == ENT_TASK_STATS) {
        ENT_REQUIRE(c->stats + c->trained + c->validated + c->tested == 0, ENT_E_PROTOCOL,
                    "statistics come first in a run, and once");
        c->stats++;
    } else if (m->task == ENT_TASK_TRAIN) {
        ENT_REQUIRE(c->trained < rounds, ENT_E_PROTOCOL,
                    "this member has trained in the %u rounds of the plan", (unsigned)rounds);
        c->trained++;
    } else if (m->split == ENT_SPLIT_VALIDATION) {
        ENT_REQUIRE(c->validated < rounds, ENT_E_PROTOCOL,
                    "this member has evaluated the models of the %u rounds of the plan",
                    (unsigned)rounds);
        c->validated++;
    } else {
        ENT_REQUIRE(c->tested == 0, ENT_E_PROTOCOL, "test rows are spent once a run");
        c->tested++;
    }
    return ENT_E_OK;
}

enum ent_err ent_course_open(struct ent_state_course *course, const struct ent_msg_round_open *open,
                             const uint8_t hash[ENT_SHA256_BYTES], uint32_t rounds)
{
    struct ent_state_course next = *course;

    ENT_REQUIRE(open->run >= course->run, ENT_E_STALE, "run %u is over: this member is in run %u",
                (unsigned)open->run, (unsigned)course->run);
    if (open->run > course->run) {
        next = (struct ent_state_course){.run = open->run};
    }
    ENT_REQUIRE(open->round >= next.round, ENT_E_STALE,
                "round %llu is over: this member is in round %llu", (unsigned long long)open->round,
                (unsigned long long)next.round);
    if (open->round == next.round) {
        ENT_TRY(same_round(&next, open, hash));
    } else {
        ENT_TRY(next_round(&next, open, rounds));
    }
    next.closed = false;
    next.round = open->round;
    next.attempt = open->attempt;
    next.task = open->task;
    next.split = open->split;
    memcpy(next.round_open, hash, sizeof next.round_open);
    memcpy(next.base, open->base, sizeof next.base);
    *course = next;
    return ENT_E_OK;
}

void ent_course_close(struct ent_state_course *course, struct ent_attempt at,
                      const uint8_t model[ENT_SHA256_BYTES])
{
    if (at.run != course->run) {
        return;
    }
    if (at.round == course->round && at.attempt == course->attempt) {
        course->closed = true;
    }
    if (at.round <= course->model_round) {
        return;
    }
    if (model != NULL) {
        memcpy(course->model, model, sizeof course->model);
    } else if (at.round != course->model_round + 1) {
        memset(course->model, 0, sizeof course->model); /* one in between was missed */
    }
    course->model_round = at.round;
}
