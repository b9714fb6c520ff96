#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "client/policy/policy.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/fixed/weight.h"

#define STATUS_EVERY_MS 500

/* ---- compute ---- */

/* Asked before every batch: a message that ends the round ends the computation. */
static bool keep_going(void *ctx)
{
    struct ent_agent *agent = ctx;

    while (agent->n_items < ENT_AGENT_ITEMS_MAX && ent_agent_drain_one(agent)) {
    }
    ent_agent_settle_log(agent); /* a witness that computes is a witness */
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
    struct ent_work work = {
        .task = (enum ent_task_kind)m->task,
        .split = (enum ent_split)m->split,
        .round = m->round,
        .train_round = ent_plan_train_round(ent_pipeline_plan(agent->pipeline), m->round),
        .salt = salt,
        .floor = ent_policy_floor(&agent->config->policy, ent_pipeline_plan(agent->pipeline)),
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
    err = ent_agent_book(agent, &work.booked);
    if (err != ENT_E_OK) {
        ent_blob_unref(work.base);
        return err;
    }
    err = ent_pipeline_compute(agent->pipeline, &work, payload, result);
    ent_blob_unref(work.base);
    return err;
}

static enum ent_err fill_statement(struct ent_agent *agent, size_t payload_bytes,
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
    out->seen_size = ent_mirror_head(agent->mirror)->tree.size;
    out->has_seen_root = out->seen_size > 0;
    memcpy(out->seen_root, ent_mirror_head(agent->mirror)->root, sizeof out->seen_root);
    if (task->weighted && m->weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        out->rows_log2 = ent_weight_bucket(ent_pipeline_examples(agent->pipeline));
    }
    return ent_agent_state_ledger(agent, out);
}

/* What is known of it so far: the same transaction as the update itself. */
static enum ent_err note_receipt(struct ent_agent *agent, const struct ent_blob *payload,
                                 const uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_receipt receipt = {.at = ent_agent_attempt(agent),
                                  .task = agent->open->msg.task,
                                  .bytes = ent_blob_len(payload),
                                  .sent_ms = ent_clock_wall(&agent->clock)};

    memcpy(receipt.round_open, agent->open->hash, sizeof receipt.round_open);
    memcpy(receipt.digest, digest, sizeof receipt.digest);
    return ent_state_receipt_put(agent->state, &receipt);
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
    ENT_TRY(fill_statement(agent, ent_blob_len(payload), &header.update));
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
        err = ent_mirror_signed(agent->mirror,
                                (struct ent_bytes){opened.header_bytes, opened.header_len}, digest,
                                opened.signature);
    }
    if (err == ENT_E_OK) {
        err = note_receipt(agent, payload, digest);
    }
    if (err == ENT_E_OK) {
        err = ent_state_update_put(agent->state, &update);
    }
    ent_buf_release(&body);
    return err;
}

/* Figures of this member alone, and whether its policy lets them go. */
static bool lets_figures_go(const struct ent_agent *agent, const struct ent_work_result *result)
{
    const struct ent_policy_config *policy = &agent->config->policy;

    return agent->open->msg.split == ENT_SPLIT_TEST && policy->own_figures_go &&
           !result->withheld && result->metrics.rows > 0 &&
           result->metrics.rows >= policy->min_customers;
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
    if (lets_figures_go(agent, result)) {
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
static void say_own(struct ent_agent *agent, const struct ent_work_result *result)
{
    const struct ent_metrics *m = &result->metrics;
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
        lets_figures_go(agent, result) ? "go to the operator: policy.own_figures" : "stay here");
}

/* Under privacy of unit member: what clipping did is told to nobody else. */
static const char *clip_text(const struct ent_work_result *result)
{
    if (result->clipped.nonfinite) {
        return "; its update is not finite, so zeros are sent (they stay unmarked)";
    }
    return result->clipped.clipped ? "; its update was longer than privacy.clip and is cut"
                                   : "; its update is within privacy.clip";
}

/* For this member's people alone. */
static void say_result(struct ent_agent *agent, const struct ent_work_result *result)
{
    enum ent_privacy_unit unit = ent_pipeline_plan(agent->pipeline)->privacy.unit;
    bool train = agent->open->msg.task == ENT_TASK_TRAIN;
    char round[ENT_AGENT_ROUND_TEXT];

    ent_agent_round_text(agent, round);
    if (agent->open->msg.split == ENT_SPLIT_TEST && result->metrics.rows > 0) {
        say_own(agent, result);
    } else if (agent->open->msg.task == ENT_TASK_STATS) {
        ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u rows", round, (unsigned)result->rows);
    } else if (train && unit == ENT_PRIVACY_CUSTOMER) {
        ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u rows, noise booked and added", round,
                       (unsigned)result->rows);
    } else {
        ent_agent_sayf(agent, ENT_SAY_STATUS, "%s: %u rows, own loss %.4f%s", round,
                       (unsigned)result->rows, result->mean_loss,
                       train && unit == ENT_PRIVACY_MEMBER ? clip_text(result) : "");
    }
}

static enum ent_err compute(struct ent_agent *agent, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_work_result result = {0};
    struct ent_kept kept = {0};
    enum ent_err err;

    ENT_TRY(claim(agent));
    ENT_HOOK_POINT("agent.computing");
    err = make_and_store(agent, &kept, &result, digest);
    ent_kept_release(&kept);
    if (err == ENT_E_OK) {
        say_result(agent, &result);
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
        err = ent_agent_lost_booked(agent);
        if (err == ENT_E_OK) {
            err = ent_agent_may_join(agent);
        }
        if (err == ENT_E_OK) {
            err = compute(agent, item->ev.digest);
        }
        if (err != ENT_E_OK && err != ENT_E_STOPPED && err != ENT_E_LOST) {
            ent_agent_note_decline(agent, err);
        }
    }
    item->ev.code = err;
    ent_agent_push_first(agent, item);
}
