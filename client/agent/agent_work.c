#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/advice.h"
#include "client/agent/agent_internal.h"
#include "client/agent/course.h"
#include "client/policy/policy.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/fixed/weight.h"

#define STATUS_EVERY_MS 500

/* ---- may this member take part ---- */

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
    return ENT_E_OK;
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
    return ent_table_check_labels(ent_pipeline_table(agent->pipeline));
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

static enum ent_err check(struct ent_agent *agent)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    const struct ent_policy_config *policy = &agent->config->policy;
    struct ent_policy_request request = {.task = (enum ent_task_kind)m->task,
                                         .split = (enum ent_split)m->split,
                                         .min_members = m->min_members,
                                         .n_invited = (uint32_t)m->n_invited};

    ENT_REQUIRE(is_invited(agent, agent->open), ENT_E_PROTOCOL,
                "this member is not among the invited");
    memcpy(request.plan, m->plan, sizeof request.plan);
    ENT_TRY(ent_state_nonce_check(agent->state, ent_agent_attempt(agent)));
    ENT_TRY(ent_policy_check_plan(policy, m->plan));
    ENT_TRY(ent_policy_check_round(policy, &request));
    ENT_TRY(load_plan(agent, m->plan));
    ENT_TRY(check_against_plan(m, ent_pipeline_plan(agent->pipeline)));
    ENT_TRY(load_data(agent));
    ENT_REQUIRE(m->task != ENT_TASK_TRAIN ||
                    ent_pipeline_rows(agent->pipeline, ENT_SPLIT_TRAIN) > 0,
                ENT_E_DATA, "there are no training rows left after the split");
    return follow_course(agent);
}

/* What leaves as a reason: sentences about settings and numbers of the plan; those about files, data and the course of
 * training (NONFINITE: epoch and step) stay here. */
static bool may_leave(enum ent_err code)
{
    return code == ENT_E_POLICY || code == ENT_E_PROTOCOL || code == ENT_E_RANGE ||
           code == ENT_E_TOO_FEW || code == ENT_E_SHAPE;
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

static void note_decline(struct ent_agent *agent, enum ent_err code)
{
    char round[ENT_AGENT_ROUND_TEXT];

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
    struct ent_agent_item *item = ent_agent_item(agent, ENT_SEV_CHECKED);
    enum ent_err err;

    if (item == NULL) {
        return;
    }
    item->ev.code = check(agent);
    if (item->ev.code != ENT_E_OK) {
        note_decline(agent, item->ev.code);
    }
    err = remember_run(agent, item->ev.code);
    if (err == ENT_E_PROTOCOL) { /* a run number with another plan than before */
        item->ev.code = err;
        note_decline(agent, err);
    } else if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
    ent_agent_push_first(agent, item);
}

/* ---- compute ---- */

/* Asked before every batch: a message that ends the round ends the computation. */
static bool keep_going(void *ctx)
{
    struct ent_agent *agent = ctx;

    while (agent->n_items < ENT_AGENT_ITEMS_MAX && ent_agent_drain_one(agent)) {
    }
    for (const struct ent_agent_item *i = agent->first; i != NULL; i = i->next) {
        if (ent_session_ends_compute(&agent->session, &i->ev)) {
            return false;
        }
    }
    return !agent->stop_asked && !agent->status.stopped;
}

static void progress(void *ctx, const struct ent_train_progress *p)
{
    struct ent_agent *agent = ctx;
    uint64_t now = ent_clock_mono(&agent->clock);
    char round[ENT_AGENT_ROUND_TEXT];

    if (now - agent->said_ms < STATUS_EVERY_MS || p->rows_total == 0) {
        return;
    }
    agent->said_ms = now;
    ent_agent_round_text(agent, round);
    ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u %%, epoch %u of %u, loss %.4f", round,
                   (unsigned)(p->rows_done * 100 / p->rows_total), (unsigned)p->epoch,
                   (unsigned)p->epochs, p->mean_loss);
}

/* Statistics once a run, an evaluation once a model and split: a second result for another cohort could be
 * subtracted from the first. */
enum ent_err ent_agent_release(const struct ent_open_round *open, struct ent_release *out)
{
    const uint8_t(*handles)[16] = (const uint8_t(*)[16])open->handles;
    struct ent_release release;

    if (open->msg.task == ENT_TASK_STATS) {
        ENT_TRY(ent_release_stats(open->msg.run, handles, open->msg.n_invited, &release));
    } else {
        ENT_TRY(ent_release_evaluate(open->msg.base, open->msg.split, handles, open->msg.n_invited,
                                     &release));
    }
    release.run = open->msg.run;
    release.round = open->msg.round;
    release.attempt = open->msg.attempt;
    *out = release;
    return ENT_E_OK;
}

static enum ent_err claim(struct ent_agent *agent)
{
    struct ent_release release;

    if (agent->open->msg.task == ENT_TASK_TRAIN) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_agent_release(agent->open, &release));
    return ent_state_claim_release(agent->state, &release);
}

/* What this run's newest update left behind; without it, be it lost, the optimizer starts afresh. */
static enum ent_err load_kept(struct ent_agent *agent, struct ent_kept *kept)
{
    struct ent_state_optimizer stored;
    size_t n = ent_pipeline_kept_floats(ent_pipeline_plan(agent->pipeline));
    enum ent_err err;

    if (n == 0 || agent->open->msg.task != ENT_TASK_TRAIN) {
        return ENT_E_OK;
    }
    err = ent_state_optimizer_get(agent->state, agent->open->msg.run, &stored);
    if (err == ENT_E_LOST) {
        ent_agent_sayf(agent, ENT_SAY_WARN, "%s; it starts afresh", ent_err_message());
    }
    if (err == ENT_E_LOST || err == ENT_E_NOT_FOUND) {
        return ENT_E_OK;
    }
    ENT_TRY(err);
    if (stored.len != n * sizeof *kept->state) {
        err = ent_err_note(ENT_E_CORRUPT, "the optimizer's kept state is not one of this plan");
    } else {
        err = ent_calloc_aligned(n, sizeof *kept->state, &kept->state);
    }
    if (err == ENT_E_OK) {
        memcpy(kept->state, stored.bytes, stored.len);
        kept->n = n;
        kept->steps = stored.steps;
    }
    ent_state_optimizer_release(&stored);
    return err;
}

static enum ent_err make_payload(struct ent_agent *agent, struct ent_payload *payload,
                                 struct ent_kept *kept, struct ent_work_result *result)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    uint8_t salt[ENT_UPDATE_SALT_BYTES];
    struct ent_work work = {.task = (enum ent_task_kind)m->task,
                            .split = (enum ent_split)m->split,
                            .round = m->round,
                            .train_round =
                                ent_plan_train_round(ent_pipeline_plan(agent->pipeline), m->round),
                            .salt = salt,
                            .kept = kept,
                            .keep_going = keep_going,
                            .progress = progress,
                            .ctx = agent};
    enum ent_err err;

    ENT_TRY(ent_csprng_bytes(&agent->csprng, salt, sizeof salt));
    ENT_TRY(load_kept(agent, kept));
    if (m->has_base) {
        ENT_TRY(ent_state_model_get(agent->state, m->base, &work.base));
    }
    err = ent_pipeline_compute(agent->pipeline, &work, payload, result);
    ent_blob_unref(work.base);
    return err;
}

static void fill_statement(const struct ent_agent *agent, size_t payload_bytes,
                           struct ent_update_statement *out)
{
    const struct ent_msg_round_open *m = &agent->open->msg;
    const struct ent_task *task = ent_task_find(m->task);

    *out = (struct ent_update_statement){.has_base = m->has_base,
                                         .payload_bytes = payload_bytes,
                                         .codec = task->int_bytes == 4 ? ENT_CODEC_INT32
                                                                       : ENT_CODEC_INT64};
    memcpy(out->round_open, agent->open->hash, sizeof out->round_open);
    memcpy(out->base, m->base, sizeof out->base);
    if (task->weighted && m->weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        out->rows_log2 = ent_weight_bucket(ent_pipeline_examples(agent->pipeline));
    }
}

/* Stored before anything of it is sent; the envelope as a whole stands where the state keeps the header. */
static enum ent_err store(struct ent_agent *agent, struct ent_blob *payload,
                          const struct ent_kept *kept, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_state_optimizer optimizer = {
        .steps = kept->steps, .bytes = kept->state, .len = kept->n * sizeof *kept->state};
    struct ent_state_update update = {.at = ent_agent_attempt(agent),
                                      .payload = payload,
                                      .optimizer = kept->n > 0 ? &optimizer : NULL};
    struct ent_envelope opened;
    struct ent_header header;
    struct ent_buf body;
    enum ent_err err;

    ENT_TRY(ent_sha256(ent_blob_bytes(payload), ent_blob_len(payload), digest));
    ENT_TRY(ent_agent_header(agent, ENT_MSG_UPDATE, &header));
    header.has_update = true;
    fill_statement(agent, ent_blob_len(payload), &header.update);
    ent_buf_init(&body, ENT_STATE_HEADER_MAX_BYTES);
    err = ent_wire_seal_update(agent->id.statement, &header, digest, &body);
    if (err == ENT_E_OK) {
        err = ent_wire_open(ENT_MSG_UPDATE, ENT_SENDER_MEMBER,
                            (struct ent_bytes){body.data, body.len}, &agent->arena, &opened);
    }
    if (err == ENT_E_OK) {
        update.sequence = header.sequence;
        update.header = body.data;
        update.header_len = body.len;
        memcpy(update.round_open, agent->open->hash, sizeof update.round_open);
        memcpy(update.payload_sha256, digest, sizeof update.payload_sha256);
        memcpy(update.signature, opened.signature, sizeof update.signature);
        err = ent_state_update_put(agent->state, &update);
    }
    ent_buf_release(&body);
    return err;
}

/* Figures of this member alone, and whether its policy lets them go. */
static bool lets_figures_go(const struct ent_agent *agent)
{
    return agent->open->msg.split == ENT_SPLIT_TEST && agent->config->policy.own_figures_go;
}

static enum ent_err make_and_store(struct ent_agent *agent, struct ent_kept *kept,
                                   struct ent_work_result *result, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_payload payload = {0};
    struct ent_blob *blob = NULL;
    enum ent_err err;

    ENT_TRY(make_payload(agent, &payload, kept, result));
    ENT_HOOK_POINT("agent.computed");
    /* Before the update, whose number is taken when it is stored: numbers ascend. What is lost with a connection or a
     * process is not said again. */
    if (lets_figures_go(agent) && result->metrics.rows > 0) {
        ent_agent_send_figures(agent, &result->metrics);
    }
    err = ent_blob_new_take(payload.bytes, payload.len, &blob);
    if (err != ENT_E_OK) {
        ent_payload_release(&payload);
        return err;
    }
    err = store(agent, blob, kept, digest);
    ent_blob_unref(blob);
    return err;
}

/* What the final model is worth on this member's own test rows: said here, and nowhere else unless the policy lets it go. */
static void say_own(struct ent_agent *agent, const struct ent_metrics *m)
{
    char found[ENT_AGENT_FOUND_TEXT] = "";
    char auc[32] = "";

    if (isfinite(m->auc)) {
        (void)snprintf(auc, sizeof auc, "AUC %.4f, ", m->auc);
    }
    if (m->outputs == ENT_OUTPUTS_CLASSES) {
        (void)snprintf(found, sizeof found, ", hit@10 %.4f", m->hit10);
    } else if (isfinite(m->top[1].found)) {
        ent_agent_found_text(agent, m->top[1].found, found);
    }
    ent_agent_sayf(
        agent, ENT_SAY_LINE,
        "this member's own test rows: %slog loss %.4f over %llu rows%s (these figures %s)", auc,
        m->log_loss, (unsigned long long)m->rows, found,
        lets_figures_go(agent) ? "go to the operator: policy.own_figures" : "stay here");
}

static enum ent_err compute(struct ent_agent *agent, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_work_result result = {0};
    struct ent_kept kept = {0};
    char round[ENT_AGENT_ROUND_TEXT];
    enum ent_err err;

    ENT_TRY(claim(agent));
    ENT_HOOK_POINT("agent.computing");
    err = make_and_store(agent, &kept, &result, digest);
    ent_kept_release(&kept);
    if (err == ENT_E_OK) {
        ent_agent_round_text(agent, round);
        if (agent->open->msg.split == ENT_SPLIT_TEST && result.metrics.rows > 0) {
            say_own(agent, &result.metrics);
        } else if (agent->open->msg.task == ENT_TASK_STATS) {
            ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u rows", round, (unsigned)result.rows);
        } else {
            ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u rows, own loss %.4f", round,
                           (unsigned)result.rows, result.mean_loss);
        }
    }
    return err;
}

/* Whether this attempt was computed before a restart: then it is never computed again. */
static enum ent_err stored_before(struct ent_agent *agent, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_state_update update;

    ENT_TRY(ent_state_update_get(agent->state, ent_agent_attempt(agent), &update));
    memcpy(digest, update.payload_sha256, ENT_SHA256_BYTES);
    ent_state_update_release(&update);
    return ENT_E_OK;
}

void ent_agent_compute(struct ent_agent *agent)
{
    struct ent_agent_item *item = ent_agent_item(agent, ENT_SEV_COMPUTED);
    enum ent_err err;

    if (item == NULL) {
        return;
    }
    err = stored_before(agent, item->ev.digest);
    if (err == ENT_E_NOT_FOUND) {
        /* After a restart in this attempt the plan may not be loaded: BEGIN came with the session's memory alone. */
        err = check(agent);
        if (err == ENT_E_OK) {
            err = compute(agent, item->ev.digest);
        }
        if (err != ENT_E_OK && err != ENT_E_STOPPED) {
            note_decline(agent, err);
        }
    }
    item->ev.code = err;
    ent_agent_push_first(agent, item);
}
