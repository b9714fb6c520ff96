/* V11: each model comes from the round before, and what is released is one of them. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"
#include "common/task/task.h"

/* a / a_rows < b / b_rows, exactly. */
static bool less(uint64_t a, uint64_t a_rows, uint64_t b, uint64_t b_rows)
{
    __extension__ typedef unsigned __int128 wide;

    return (wide)a * b_rows < (wide)b * a_rows;
}

enum ent_err ent_audit_models_init(struct ent_audit *a)
{
    enum ent_err err;

    if (a->options->model == NULL) {
        return ENT_E_OK;
    }
    a->facts->has_model = true;
    err = ent_sha256_file(a->options->model, a->facts->model);
    return err == ENT_E_OK || err == ENT_E_NO_MEMORY ? err : ENT_E_CONFIG;
}

static bool is_better(const struct ent_audit *a, const struct ent_leaf_round_close *close)
{
    if (a->best_rows == 0) {
        return true;
    }
    if (a->run.leaf.best_by == 1 && close->auc != a->best_auc) {
        return close->auc > a->best_auc;
    }
    return less(close->loss_sum, close->rows, a->best_loss_sum, a->best_rows);
}

static void keep_best(struct ent_audit *a, const struct ent_leaf_round_close *close)
{
    bool last_is_best = a->round.task == ENT_TASK_TRAIN && !a->run.leaf.validate;
    bool validated = a->round.task == ENT_TASK_EVALUATE && a->round.split == ENT_SPLIT_VALIDATION &&
                     close->rows > 0;

    if (!last_is_best && !(validated && is_better(a, close))) {
        return;
    }
    if (validated) {
        a->best_loss_sum = close->loss_sum;
        a->best_rows = close->rows;
        a->best_auc = close->auc;
    }
    a->has_best = a->has_model;
    memcpy(a->best, a->model, sizeof a->best);
    a->best_train = a->train_done;
}

enum ent_err ent_audit_models_closed(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_close *close = &leaf->any.round_close;

    if (a->round.task == ENT_TASK_EVALUATE) {
        if (close->has_model != a->has_model || memcmp(close->model, a->model, 32) != 0) {
            ENT_TRY(ent_audit_fail(a, 11, leaf->index,
                                   "leaf %" PRIu64 ": an evaluation changes the model",
                                   leaf->index));
        }
        a->owes_eval = true;
    } else {
        if (!close->has_model) {
            return ent_audit_fail(a, 11, leaf->index,
                                  "leaf %" PRIu64 ": round %" PRIu64 " closed without a model",
                                  leaf->index, a->round.round);
        }
        a->has_model = true;
        memcpy(a->model, close->model, sizeof a->model);
        a->train_done += a->round.task == ENT_TASK_TRAIN;
        a->owes_release = true;
        memcpy(a->owed, close->model, sizeof a->owed);
    }
    keep_best(a, close);
    return ENT_E_OK;
}

enum ent_err ent_audit_models_settled(struct ent_audit *a, uint64_t seq)
{
    if (a->owes_release) {
        ENT_TRY(ent_audit_fail(a, 11, seq,
                               "leaf %" PRIu64 ": the model of round %" PRIu64
                               " went on without a model.release",
                               seq, a->last_round));
    }
    if (a->owes_eval) {
        ENT_TRY(ent_audit_fail(a, 7, seq,
                               "leaf %" PRIu64 ": the figures of round %" PRIu64
                               " were not logged (eval.result)",
                               seq, a->last_round));
    }
    a->owes_release = false;
    a->owes_eval = false;
    return ENT_E_OK;
}

/* ---- model.release ---- */

static bool was_released(const struct ent_audit *a, const uint8_t model[32])
{
    for (size_t i = a->facts->n_releases; i > 0; i--) {
        const struct ent_audit_release *r = &a->facts->releases[i - 1];

        if (r->seq < a->run.seq) {
            return false;
        }
        if (r->leaf.kind != ENT_LOG_BEST && memcmp(r->leaf.model, model, 32) == 0) {
            return true;
        }
    }
    return false;
}

static enum ent_err check_best(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_model_release *release = &leaf->any.model_release;
    /* No figure chose one (no validation row was counted, or the run was stopped before): the newest. */
    const uint8_t *best = a->has_best ? a->best : a->model;
    uint32_t train_round = a->has_best ? a->best_train : a->train_done;

    if (!was_released(a, release->model) && a->facts->lost_releases == 0) {
        return ent_audit_fail(a, 11, leaf->index,
                              "leaf %" PRIu64 ": the best model is none that a round of this run "
                              "released",
                              leaf->index);
    }
    if (train_round == 0 || memcmp(release->model, best, 32) != 0 ||
        release->train_round != train_round) {
        return ent_audit_fail(a, 11, leaf->index,
                              "leaf %" PRIu64 ": by the figures of its own rounds another model is "
                              "the best (training round %" PRIu32 ")",
                              leaf->index, train_round);
    }
    return ENT_E_OK;
}

static enum ent_err check_release(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_model_release *release = &leaf->any.model_release;
    bool owed = a->owes_release;
    uint32_t kind = a->last_task == ENT_TASK_TRAIN ? ENT_LOG_TRAINED : ENT_LOG_INITIAL;

    if (release->kind == ENT_LOG_BEST) {
        return check_best(a, leaf);
    }
    a->owes_release = false;
    if (a->open || !owed || memcmp(release->model, a->owed, 32) != 0 || release->kind != kind ||
        release->train_round != (kind == ENT_LOG_TRAINED ? a->train_done : 0)) {
        return ent_audit_fail(a, 11, leaf->index,
                              "leaf %" PRIu64 ": the released model is not the result of the round "
                              "before",
                              leaf->index);
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_release(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_model_release *release = &leaf->any.model_release;
    struct ent_audit_release *fact = NULL;
    struct ent_audit_release now = {.seq = leaf->index,
                                    .ms = leaf->frame.time_ms,
                                    .run = leaf->frame.run,
                                    .round = leaf->frame.round,
                                    .leaf = *release};
    uint64_t size;

    a->n_releases++;
    ENT_TRY(check_release(a, leaf));
    ENT_TRY(ent_audit_budget_claim(a, leaf, release->dp_covered, false));
    now.in_export = ent_export_blob_size(a->export, release->model, &size) == ENT_E_OK;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, releases, ENT_AUDIT_LIST_MAX, &fact));
    if (fact != NULL) {
        *fact = now;
    }
    if (a->facts->has_model && memcmp(release->model, a->facts->model, 32) == 0) {
        a->facts->model_released = true;
        a->facts->model_is = now;
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_eval(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_eval_result *eval = &leaf->any.eval_result;
    struct ent_audit_eval *fact = NULL;
    bool fits = a->owes_eval && !a->open && eval->split == a->round.split &&
                eval->members == a->round.accepted && memcmp(eval->model, a->opened.base, 32) == 0;

    if (!fits) {
        ENT_TRY(ent_audit_fail(a, 11, leaf->index,
                               "leaf %" PRIu64 ": figures that are not those of the evaluation "
                               "before",
                               leaf->index));
    }
    a->owes_eval = false;
    ENT_TRY(ent_audit_budget_claim(a, leaf, eval->dp_covered, true));
    ENT_TRY(ENT_AUDIT_MORE(a->facts, evals, ENT_AUDIT_EVALS_MAX, &fact));
    if (fact == NULL) {
        return ENT_E_OK;
    }
    fact->seq = leaf->index;
    fact->ms = leaf->frame.time_ms;
    fact->run = leaf->frame.run;
    fact->round = leaf->frame.round;
    fact->split = eval->split;
    memcpy(fact->model, eval->model, sizeof fact->model);
    fact->members = eval->members;
    fact->dp_covered = eval->dp_covered;
    fact->n_metrics = eval->n_metrics < ENT_AUDIT_METRICS ? eval->n_metrics : ENT_AUDIT_METRICS;
    if (fact->n_metrics > 0) {
        memcpy(fact->metrics, eval->metrics, fact->n_metrics * sizeof *fact->metrics);
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_models_end(struct ent_audit *a)
{
    const struct ent_audit_facts *facts = a->facts;
    static const char *const kinds[] = {"", "the initial model", "the model of training round",
                                        "the best model, of training round"};
    char text[160] = "";

    if (facts->has_model && !facts->model_released) {
        ENT_TRY(ent_audit_fail(a, 11, ENT_AUDIT_NO_SEQ, "%s is no model that this log released",
                               a->options->model));
    } else if (facts->has_model) {
        const struct ent_audit_release *is = &facts->model_is;

        (void)snprintf(
            text, sizeof text, "; --model is %s %" PRIu32 " of run %" PRIu32 " (leaf %" PRIu64 ")",
            is->leaf.kind <= 3 ? kinds[is->leaf.kind] : "", is->leaf.train_round, is->run, is->seq);
    }
    ent_audit_say(a, 11, a->n_releases > 0 ? ENT_AUDIT_OK : ENT_AUDIT_SKIP,
                  "%" PRIu64 " models released, each the result of the round before%s",
                  a->n_releases, text);
    return ENT_E_OK;
}
