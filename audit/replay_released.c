/* What was released behind a round: figures and models. */
#include <string.h>

#include "audit/replay_inside.h"
#include "common/task/metrics.h"

static bool is_recomputed(const struct ent_metric_value *values, size_t n,
                          const struct ent_msg_metric *logged)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(values[i].name, logged->name) == 0) {
            return ent_step_nano(values[i].value) == logged->nano;
        }
    }
    return false;
}

static void late(struct ent_replaying *r, enum ent_replay_status status)
{
    struct ent_replay_round *report = r->at.report;

    if (report == NULL || status <= report->status) {
        return;
    }
    r->out->n_identical -= report->status == ENT_REPLAY_IDENTICAL ? 1 : 0;
    report->status = status;
}

enum ent_err ent_replay_figures(struct ent_replaying *r, const struct ent_leaf_eval_result *result)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n;

    if (!r->at.evaluated || !r->at.wanted) {
        return ENT_E_OK; /* its sum is not known */
    }
    n = ent_metrics_values(&r->at.figures.metrics, values);
    if (result->split != r->at.split || result->members != r->at.n_updates ||
        memcmp(result->model, r->at.base, sizeof result->model) != 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "its released figures are said to be of another model, part of the rows or "
                       "number of members");
    }
    for (size_t i = 0; i < result->n_metrics; i++) {
        if (!is_recomputed(values, n, &result->metrics[i])) {
            ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                           "its released figure %s is not that of its sum",
                           result->metrics[i].name);
        }
    }
    late(r, r->at.status);
    r->out->n_released += r->at.status == ENT_REPLAY_IDENTICAL ? 1 : 0;
    return ENT_E_OK;
}

/* The model that a release of this kind must be; NULL: it is not known. */
static const uint8_t *due(const struct ent_replay_run *run,
                          const struct ent_leaf_model_release *release)
{
    if (release->kind == ENT_LOG_INITIAL) {
        return run->has_initial ? run->initial : run->has_base ? run->base : NULL;
    }
    if (release->kind == ENT_LOG_TRAINED) {
        return run->n_trained > 0 && run->n_trained == release->train_round
                   ? run->trained[run->n_trained - 1]
                   : NULL;
    }
    if (release->train_round == 0) {
        return run->has_initial ? run->initial : run->has_base ? run->base : NULL;
    }
    return release->train_round <= run->n_trained ? run->trained[release->train_round - 1] : NULL;
}

/* The file itself, where the export has it. */
static enum ent_err check_file(struct ent_replaying *r, const uint8_t digest[32])
{
    enum ent_err err = ent_export_blob_check(r->export, digest);

    if (err == ENT_E_DIGEST) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the file of its released model in this export is not that model");
        return ENT_E_OK;
    }
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

enum ent_err ent_replay_release_of(struct ent_replaying *r,
                                   const struct ent_leaf_model_release *release)
{
    const uint8_t *model = due(&r->run, release);
    bool cut = r->options->last != 0 && r->at.round > r->options->last;

    ENT_TRY(ent_replay_base_released(r, release->model));
    if (!r->run.there || cut) {
        return ENT_E_OK;
    }
    ENT_TRY(check_file(r, release->model));
    if (r->run.broken[0] == '\0' && model == NULL) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "a model of training round %lu is released that this run does not have",
                       (unsigned long)release->train_round);
    } else if (r->run.broken[0] == '\0' && memcmp(release->model, model, 32) != 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the released model differs from the replayed one");
    } else if (r->run.broken[0] == '\0') {
        r->out->n_released++;
    }
    late(r, r->at.status);
    return ENT_E_OK;
}
