#include "audit/replay.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit/replay_inside.h"
#include "common/base/mem.h"
#include "common/fixed/selftest.h"
#include "common/math/math.h"

/* ---- findings ---- */

static void keep(struct ent_replaying *r, const struct ent_replay_finding *finding)
{
    struct ent_replay *out = r->out;

    if (finding->status > out->verdict) {
        out->verdict = finding->status;
    }
    if (out->n_findings >= ENT_AUDIT_FINDINGS_MAX ||
        ent_grow(&out->findings, &out->cap_findings, out->n_findings + 1, sizeof *out->findings) !=
            ENT_E_OK) {
        out->lost_findings++;
        return;
    }
    out->findings[out->n_findings++] = *finding;
}

static void say(struct ent_replaying *r, enum ent_replay_status status, bool about_round,
                const char *text)
{
    struct ent_replay_finding f = {.status = status};
    int n = 0;

    if (about_round) {
        f.run = r->at.run;
        f.round = r->at.round;
        r->at.status = status > r->at.status ? status : r->at.status;
        if (r->at.run > 1) {
            n = snprintf(f.text, sizeof f.text, "run %lu, ", (unsigned long)r->at.run);
        }
        n += snprintf(f.text + n, sizeof f.text - (size_t)n,
                      "round %llu: ", (unsigned long long)r->at.round);
    }
    (void)snprintf(f.text + n, sizeof f.text - (size_t)n, "%s", text);
    keep(r, &f);
}

void ent_replay_say(struct ent_replaying *r, enum ent_replay_status status, bool about_round,
                    const char *fmt, ...)
{
    char text[ENT_AUDIT_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(r, status, about_round, text);
}

void ent_replay_break(struct ent_replaying *r, enum ent_replay_status status, const char *fmt, ...)
{
    char text[ENT_AUDIT_TEXT_MAX];
    va_list args;

    if (r->run.broken[0] != '\0') {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)snprintf(r->run.broken, sizeof r->run.broken, "%s", text);
    if (!r->at.open) {
        ent_replay_say(r, status, false, "the run of leaf %llu: %.300s",
                       (unsigned long long)r->run.seq, text);
        return;
    }
    say(r, status, true, text);
}

bool ent_replay_is_fatal(enum ent_err err)
{
    return err == ENT_E_NO_MEMORY || err == ENT_E_IO || err == ENT_E_INTERNAL;
}

/* ---- rounds ---- */

static bool is_wanted(const struct ent_replaying *r, uint64_t round)
{
    return r->options->first == 0 || (round >= r->options->first && round <= r->options->last);
}

static bool is_beyond(const struct ent_replaying *r, uint64_t round)
{
    return r->options->last != 0 && round > r->options->last;
}

static enum ent_err on_open(struct ent_replaying *r, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_open *open = &leaf->any.round_open;
    struct ent_replay_attempt *at = &r->at;

    ENT_TRY(ent_grow(&at->invited, &at->cap_invited, open->n_invited, sizeof *at->invited));
    if (open->n_invited > 0) {
        memcpy(at->invited, open->invited, open->n_invited * sizeof *at->invited);
    }
    at->n_invited = open->n_invited;
    at->n_updates = 0;
    at->open = true;
    at->wanted = is_wanted(r, leaf->frame.round);
    at->run = leaf->frame.run;
    at->round = leaf->frame.round;
    at->attempt = open->attempt;
    at->task = open->task;
    at->split = open->split;
    at->has_base = open->has_base;
    at->report = NULL;
    at->status = ENT_REPLAY_IDENTICAL;
    at->evaluated = false;
    memcpy(at->base, open->base, sizeof at->base);
    memcpy(at->hash, leaf->hash, sizeof at->hash);
    memcpy(at->federation, leaf->frame.federation, sizeof at->federation);
    ent_replay_noise_open(r, open);
    if (!r->run.there || open->config != r->run.seq) {
        ent_replay_break(r, ENT_REPLAY_DIFFERS,
                         "it names leaf %llu as its configuration, which is not that of its run",
                         (unsigned long long)open->config);
    }
    return ENT_E_OK;
}

static enum ent_err on_abort(struct ent_replaying *r)
{
    ent_replay_noise_ended(r, true);
    r->out->n_aborted += r->at.open && r->at.wanted ? 1 : 0;
    r->at.open = false;
    return ENT_E_OK;
}

static void report(struct ent_replaying *r, const struct ent_audit_leaf *leaf, bool summed)
{
    const struct ent_leaf_round_close *close = &leaf->any.round_close;
    struct ent_replay *out = r->out;
    struct ent_replay_round one = {.run = r->at.run,
                                   .round = r->at.round,
                                   .attempt = r->at.attempt,
                                   .task = r->at.task,
                                   .split = r->at.split,
                                   .updates = (uint32_t)r->at.n_updates,
                                   .seq = leaf->index,
                                   .status = r->at.status,
                                   .summed = summed,
                                   .noised = ent_replay_owes_noise(r),
                                   .has_model = close->has_model};

    memcpy(one.result, close->result, sizeof one.result);
    memcpy(one.model, close->model, sizeof one.model);
    out->n_closed++;
    out->n_noised += one.noised ? 1 : 0;
    out->n_identical += one.status == ENT_REPLAY_IDENTICAL ? 1 : 0;
    if (one.status > out->verdict) {
        out->verdict = one.status;
    }
    if (out->n_rounds >= ENT_AUDIT_ROUNDS_MAX ||
        ent_grow(&out->rounds, &out->cap_rounds, out->n_rounds + 1, sizeof *out->rounds) !=
            ENT_E_OK) {
        out->lost_rounds++;
        return;
    }
    out->rounds[out->n_rounds] = one;
    r->at.report = &out->rounds[out->n_rounds++];
}

/* An evaluation before the range is not needed for what comes after it; statistics and training are. */
static bool is_needed(const struct ent_replaying *r)
{
    return !is_beyond(r, r->at.round) && (r->at.wanted || r->at.task != ENT_TASK_EVALUATE);
}

static enum ent_err on_close(struct ent_replaying *r, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_close *close = &leaf->any.round_close;
    struct ent_agg *agg = NULL;
    const int64_t *sum = NULL;
    size_t dim = 0;
    enum ent_err err;

    if (!r->at.open || memcmp(close->round_open, r->at.hash, sizeof r->at.hash) != 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, false, "leaf %llu closes a round that is not open",
                       (unsigned long long)leaf->index);
        return ENT_E_OK;
    }
    ent_replay_noise_ended(r, false);
    if (!is_needed(r)) {
        r->at.open = false;
        return ENT_E_OK;
    }
    err = ent_replay_sum(r, close, &agg, &sum, &dim);
    if (err == ENT_E_OK) {
        err = ent_replay_step(r, close, sum, dim);
    }
    ent_agg_free(agg);
    ENT_TRY(err);
    if (r->run.broken[0] != '\0' && r->at.status == ENT_REPLAY_IDENTICAL &&
        r->at.task != ENT_TASK_EVALUATE) {
        r->at.status = ENT_REPLAY_INCOMPLETE;
    }
    if (r->at.wanted) {
        report(r, leaf, agg != NULL);
    }
    r->at.open = false;
    return ENT_E_OK;
}

static enum ent_err on_leaf(void *ctx, const struct ent_audit_leaf *leaf)
{
    struct ent_replaying *r = ctx;

    if (leaf->decoded != ENT_E_OK) {
        return ENT_E_OK; /* verify says so */
    }
    switch (leaf->frame.type) {
    case ENT_LEAF_CONFIG_SET:
        r->at.open = false;
        return ent_replay_begin_run(r, leaf->index, &leaf->any.config_set);
    case ENT_LEAF_ROUND_OPEN:
        return on_open(r, leaf);
    case ENT_LEAF_UPDATE_ACCEPT:
        return r->at.open ? ent_replay_accept(r, &leaf->any.update_accept) : ENT_E_OK;
    case ENT_LEAF_ROUND_JOIN:
        return ent_replay_noise_join(r, &leaf->any.round_join);
    case ENT_LEAF_DP_EVENT:
        ent_replay_noise_event(r, &leaf->any.dp_event);
        return ENT_E_OK;
    case ENT_LEAF_ROUND_ABORT:
        return on_abort(r);
    case ENT_LEAF_ROUND_CLOSE:
        return on_close(r, leaf);
    case ENT_LEAF_EVAL_RESULT:
        return ent_replay_figures(r, &leaf->any.eval_result);
    case ENT_LEAF_MODEL_RELEASE:
        return ent_replay_release_of(r, &leaf->any.model_release);
    default:
        return ENT_E_OK;
    }
}

/* ---- all of it ---- */

static enum ent_err prepare(struct ent_replaying *r)
{
    uint8_t bytes[ENT_SELFTEST_BYTES];
    const struct ent_checkpoint *claim = ent_export_claim(r->export);

    ENT_TRY(ent_fixed_selftest(bytes));
    ENT_TRY(ent_sha256(bytes, sizeof bytes, r->out->selftest));
    ent_identity(&r->out->build);
    r->out->kernels = ent_math_kernel_name();
    (void)snprintf(r->out->origin, sizeof r->out->origin, "%s", claim->origin);
    r->out->size = claim->size;
    memcpy(r->out->root, claim->root, sizeof r->out->root);
    if (r->options->key != NULL) {
        if (ent_x25519_key_load(r->options->key, &r->key) != ENT_E_OK) {
            return ENT_E_CONFIG; /* the auditor's own file: the message names it */
        }
        ent_x25519_key_pub(r->key, r->pub);
    }
    return ENT_E_OK;
}

static enum ent_err replay(struct ent_replaying *r)
{
    ENT_TRY(prepare(r));
    ENT_TRY(ent_replay_root(r));
    if (!r->out->root_ok) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_audit_walk(r->export, 0, on_leaf, r));
    if (r->out->n_closed == 0) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, false,
                       r->options->first != 0 ? "no round in this range was closed"
                                              : "no round was closed: there is nothing to replay");
    }
    return ENT_E_OK;
}

enum ent_err ent_replay_export(struct ent_export *export, const struct ent_replay_options *options,
                               struct ent_replay *out)
{
    struct ent_replaying r = {.export = export, .options = options, .out = out};
    enum ent_err err = replay(&r);

    ent_replay_end_run(&r.run);
    ent_x25519_key_free(r.key);
    ent_buf_release(&r.bytes);
    free(r.erased);
    free(r.at.invited);
    free(r.at.updates);
    free(r.at.nonces);
    free(r.noised);
    free(r.released);
    return err;
}

void ent_replay_release(struct ent_replay *replay)
{
    free(replay->rounds);
    free(replay->findings);
    free(replay->bases);
    memset(replay, 0, sizeof *replay);
}
