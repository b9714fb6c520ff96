/* May this member take part: asked at RoundOpen, and again before it computes after a restart. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/advice.h"
#include "client/agent/agent_internal.h"
#include "client/agent/course.h"
#include "client/policy/policy.h"
#include "common/base/mem.h"

static enum ent_err load_plan(struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES])
{
    const struct ent_plan *have = ent_pipeline_plan(agent->pipeline);
    struct ent_plan *plan = NULL;
    char *path = NULL;
    enum ent_err err;

    if (have != NULL && memcmp(have->digest, digest, sizeof have->digest) == 0) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_agent_plan_path(agent, digest, &path));
    err = ent_plan_read(path, &plan);
    free(path);
    if (err == ENT_E_OK && memcmp(plan->digest, digest, sizeof plan->digest) != 0) {
        ent_plan_free(plan);
        return ent_err_note(ENT_E_CORRUPT, "the stored plan was altered");
    }
    if (err == ENT_E_OK) {
        ent_pipeline_use_take(agent->pipeline, plan);
    }
    return err;
}

/* Where the coordinator adds the noise, nothing is sent that it has not committed to add noise to, or would keep without it. */
static enum ent_err check_noise(const struct ent_msg_round_open *m, const struct ent_plan *plan)
{
    bool due = m->task == ENT_TASK_TRAIN && plan->privacy.unit == ENT_PRIVACY_MEMBER;

    ENT_REQUIRE(!due || m->has_noise, ENT_E_PROTOCOL,
                "the plan's noise is added by the coordinator, and this round opens without its "
                "commitment to any");
    ENT_REQUIRE(due || !m->has_noise, ENT_E_PROTOCOL,
                "the round opens with noise of the coordinator, which the plan does not have");
    ENT_REQUIRE(!due || !m->plain, ENT_E_PROTOCOL,
                "the plan's noise is added by the coordinator, and it would keep this round's "
                "updates unsealed, without noise");
    return ENT_E_OK;
}

/* Under privacy, statistics and figures that the plan does not list as uncovered do not happen: exact sums that nobody booked. */
static enum ent_err check_task(const struct ent_msg_round_open *m, const struct ent_plan *plan)
{
    bool has = (m->task != ENT_TASK_STATS || !ent_plan_no_stats(plan)) &&
               (m->task != ENT_TASK_EVALUATE ||
                (m->split == ENT_SPLIT_TEST ? ent_plan_tests(plan) : ent_plan_validates(plan)));

    ENT_REQUIRE(plan->privacy.unit == ENT_PRIVACY_NONE || has, ENT_E_PROTOCOL,
                "the round asks for %s, which the plan's privacy leaves out",
                m->task == ENT_TASK_STATS ? "statistics"
                                          : "figures on rows that are not trained on");
    return ENT_E_OK;
}

/* What the round asks must be what the plan says: the plan is what this member's people have read. */
static enum ent_err check_against_plan(const struct ent_msg_round_open *m,
                                       const struct ent_plan *plan)
{
    ENT_REQUIRE(m->scale_bits == plan->scale_bits, ENT_E_PROTOCOL,
                "the round opens with scale_bits %u; the plan says %u", (unsigned)m->scale_bits,
                (unsigned)plan->scale_bits);
    ENT_REQUIRE(m->weights == (uint32_t)plan->weights, ENT_E_PROTOCOL,
                "the round opens with another weights rule than the plan's");
    ENT_REQUIRE(!m->has_base || m->base_bytes <= ent_agent_model_max(plan), ENT_E_PROTOCOL,
                "the base model is said to have %llu bytes; one of this plan has at most %llu",
                (unsigned long long)m->base_bytes, (unsigned long long)ent_agent_model_max(plan));
    ENT_REQUIRE(m->min_members >= plan->min_members, ENT_E_PROTOCOL,
                "the round would be released with %u members; the plan asks for %u",
                (unsigned)m->min_members, (unsigned)plan->min_members);
    ENT_TRY(check_task(m, plan));
    return check_noise(m, plan);
}

static bool is_invited(const struct ent_agent *agent, const struct ent_open_round *open)
{
    for (size_t i = 0; i < open->msg.n_invited; i++) {
        if (memcmp(open->handles[i], agent->id.handle, sizeof agent->id.handle) == 0) {
            return true;
        }
    }
    return false;
}

static void warn(void *ctx, const char *line)
{
    ent_agent_sayf(ctx, ENT_SAY_WARN, "warning: %s", line);
}

/* What check would warn of is said when the data of a run is read, once. */
static enum ent_err load_data(struct ent_agent *agent)
{
    bool first = ent_pipeline_table(agent->pipeline) == NULL;

    ENT_TRY(ent_pipeline_load(agent->pipeline));
    if (first) {
        ent_advice_parts(agent->pipeline, warn, agent);
    }
    return ent_advice_labels(agent->pipeline);
}

static enum ent_err follow_course(struct ent_agent *agent)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    struct ent_state_course course = {0};
    uint64_t n_runs = 0;
    enum ent_err err = ent_state_course_get(agent->state, &course);

    ENT_REQUIRE(err == ENT_E_OK || err == ENT_E_NOT_FOUND, err, "%s", ent_err_message());
    ENT_TRY(
        ent_course_open(&course, m, agent->open->hash, ent_pipeline_plan(agent->pipeline)->rounds));
    ENT_TRY(ent_state_plan_runs(agent->state, m->plan, m->run, &n_runs));
    ENT_TRY(ent_policy_check_runs(&agent->config->policy, n_runs));
    ENT_TRY(ent_state_plan_run(agent->state, m->plan, m->run));
    return ent_state_course_put(agent->state, &course);
}

/* The opening must be a leaf under the head, and its base the model that the log's newest round ended with: that holds for
 * a member that was away, too. Test rows are spent on the best model, which may be an older one. */
static enum ent_err check_log(struct ent_agent *agent)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    struct ent_log_round round;
    enum ent_err err = ent_mirror_covers(agent->mirror, m->leaf_index, agent->open->hash);

    ENT_REQUIRE(err != ENT_E_NOT_FOUND, ENT_E_PROTOCOL, "%s", ent_err_message());
    ENT_TRY(err);
    ENT_TRY(ent_state_log_round_get(agent->state, &round));
    ENT_REQUIRE(!round.has_model || !m->has_base || m->split == ENT_SPLIT_TEST ||
                    round.closed_run != m->run || round.closed_round + 1 != m->round ||
                    memcmp(round.model, m->base, sizeof m->base) == 0,
                ENT_E_PROTOCOL,
                "round %llu starts from another model than the one that round %llu ended with in "
                "the log",
                (unsigned long long)m->round, (unsigned long long)round.closed_round);
    return ENT_E_OK;
}

/* Too few members are no matter of will: the refusal says so. */
static enum ent_err check_round(struct ent_agent *agent, const struct ent_policy_request *request)
{
    const struct ent_policy_config *policy = &agent->config->policy;
    enum ent_err err = ent_policy_check_round(policy, request);

    if (err == ENT_E_POLICY && (policy->tasks & (1U << request->task)) != 0) {
        agent->refusal = ENT_REFUSAL_CANNOT;
    }
    return err;
}

static enum ent_err check_floor(struct ent_agent *agent, const struct ent_policy_request *request)
{
    enum ent_err err = ent_pipeline_ask_policy(agent->pipeline, request->task, request->split);

    if (err == ENT_E_POLICY &&
        (agent->config->policy.vocabulary_goes || !ent_pipeline_has_vocabulary(agent->pipeline))) {
        agent->refusal = ENT_REFUSAL_CANNOT;
    }
    return err;
}

/* What this member's data may be used for is no whim of its policy: the refusal has a code of its own. */
static enum ent_err check_purpose(struct ent_agent *agent)
{
    enum ent_err err = ent_policy_check_purpose(&agent->config->policy,
                                                ent_pipeline_plan(agent->pipeline)->purpose);

    if (err == ENT_E_POLICY) {
        agent->refusal = ENT_REFUSAL_NOT_ALLOWED;
    }
    return err;
}

enum ent_err ent_agent_may_join(struct ent_agent *agent)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    struct ent_policy_request request = {.task = (enum ent_task_kind)m->task,
                                         .split = (enum ent_split)m->split,
                                         .min_members = m->min_members,
                                         .n_invited = (uint32_t)m->n_invited};

    agent->refusal = ENT_REFUSAL_NOT_SAID;
    ENT_REQUIRE(is_invited(agent, agent->open), ENT_E_PROTOCOL,
                "this member is not among the invited");
    memcpy(request.plan, m->plan, sizeof request.plan);
    ENT_REQUIRE(!agent->options.leave, ENT_E_POLICY, "this member is leaving");
    ENT_TRY(check_log(agent));
    ENT_TRY(ent_policy_check_auditors(agent->config, (const uint8_t(*)[32])m->auditors,
                                      m->n_auditors, m->plain));
    ENT_TRY(ent_state_nonce_check(agent->state, ent_agent_attempt(agent)));
    ENT_TRY(ent_policy_check_plan(&agent->config->policy, m->plan));
    ENT_TRY(check_round(agent, &request));
    ENT_TRY(load_plan(agent, m->plan));
    ENT_TRY(check_purpose(agent));
    ENT_TRY(check_against_plan(m, ent_pipeline_plan(agent->pipeline)));
    ENT_TRY(load_data(agent));
    ENT_REQUIRE(m->task != ENT_TASK_TRAIN ||
                    ent_pipeline_rows(agent->pipeline, ENT_SPLIT_TRAIN) > 0,
                ENT_E_DATA, "there are no training rows left after the split");
    ENT_TRY(check_floor(agent, &request));
    ENT_TRY(ent_agent_may_spend(agent));
    return follow_course(agent);
}

/* What leaves as a reason: sentences about settings and numbers of the plan; those about files, data and the course of
 * training (NONFINITE: epoch and step) stay here. */
static bool may_leave(enum ent_err code)
{
    return code == ENT_E_POLICY || code == ENT_E_PROTOCOL || code == ENT_E_RANGE ||
           code == ENT_E_TOO_FEW || code == ENT_E_SHAPE || code == ENT_E_BUDGET;
}

enum ent_refusal ent_agent_refusal_of(enum ent_err code)
{
    switch (code) {
    case ENT_E_POLICY:
        return ENT_REFUSAL_DECLINED;
    case ENT_E_BUDGET:
        return ENT_REFUSAL_BUDGET;
    case ENT_E_PROTOCOL:
    case ENT_E_STALE:
    case ENT_E_VERSION:
    case ENT_E_SIGNATURE:
        return ENT_REFUSAL_SPECIFICATION;
    default:
        return ENT_REFUSAL_CANNOT;
    }
}

/* Whether this reason was given in this run already: a training and an evaluation may have one each. */
static bool told_before(struct ent_agent *agent, const char *why)
{
    size_t n;

    if (agent->declined_run != agent->session.run) {
        agent->declined_run = agent->session.run;
        agent->n_declined = 0;
    }
    n = agent->n_declined < ENT_ARRAY_LEN(agent->declined) ? agent->n_declined
                                                           : ENT_ARRAY_LEN(agent->declined);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(agent->declined[i], why, sizeof agent->declined[i] - 1) == 0) {
            return true;
        }
    }
    (void)snprintf(agent->declined[agent->n_declined++ % ENT_ARRAY_LEN(agent->declined)],
                   sizeof agent->declined[0], "%s", why);
    return false;
}

void ent_agent_note_decline(struct ent_agent *agent, enum ent_err code)
{
    char round[ENT_AGENT_ROUND_TEXT];

    agent->refusal =
        agent->refusal != ENT_REFUSAL_NOT_SAID ? agent->refusal : ent_agent_refusal_of(code);
    (void)snprintf(agent->decline_text, sizeof agent->decline_text, "%.*s", ENT_WIRE_TEXT_MAX_BYTES,
                   may_leave(code) ? ent_err_message() : ent_err_text(code));
    ent_agent_round_text(agent, round);
    if (told_before(agent, ent_err_message())) {
        ent_agent_sayf(agent, ENT_SAY_WARN, "%s: this member does not take part, as before", round);
        return;
    }
    ent_agent_sayf(agent, ENT_SAY_WARN, "%s: this member does not take part: %s", round,
                   ent_err_message());
}

static enum ent_err remember_run(struct ent_agent *agent, enum ent_err code)
{
    struct ent_state_run run = {.run = agent->session.run, .accepted = code == ENT_E_OK};

    memcpy(run.plan, agent->session.plan, sizeof run.plan);
    if (code != ENT_E_OK) {
        (void)snprintf(run.reason, sizeof run.reason, "%.255s", ent_err_message());
    }
    return ent_state_run_put(agent->state, &run);
}

void ent_agent_check(struct ent_agent *agent)
{
    const struct ent_open_round *open = agent->open;
    struct ent_agent_item *item;
    enum ent_err err;

    /* The opening may come before the note that covers it: it waits for that. */
    agent->check_waits =
        ent_mirror_covers(agent->mirror, open->msg.leaf_index, open->hash) == ENT_E_NOT_FOUND;
    if (agent->check_waits) {
        return;
    }
    item = ent_agent_item(agent, ENT_SEV_CHECKED);
    if (item == NULL) {
        return;
    }
    item->ev.code = ent_agent_may_join(agent);
    if (item->ev.code != ENT_E_OK) {
        ent_agent_note_decline(agent, item->ev.code);
    }
    err = remember_run(agent, item->ev.code);
    if (err == ENT_E_PROTOCOL) { /* a run number with another plan than before */
        item->ev.code = err;
        ent_agent_note_decline(agent, err);
    } else if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
    ent_agent_push_first(agent, item);
}
