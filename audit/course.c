/* V7: which round may come next, and under which configuration; V11: on which model it works.
 *
 * The course of a run is a function of its config.set and of what its rounds brought (docs/PROTOCOL.md):
 * statistics (unless it says that there are none), then training and evaluation on validation rows in turn, then evaluation on test rows. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"
#include "audit/round_inside.h"
#include "common/task/task.h"

/* Updates are sealed only to auditors whom the log admitted before. */
static enum ent_err check_admitted(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_config_set *config = &leaf->any.config_set;
    char name[ENT_AUDIT_SHORT_BYTES];

    for (size_t i = 0; i < config->n_auditors; i++) {
        bool there = a->facts->lost_auditors > 0;

        for (size_t j = 0; j < a->facts->n_auditors && !there; j++) {
            there = memcmp(a->facts->auditors[j].leaf.seal_pub, config->auditors[i], 32) == 0;
        }
        if (!there) {
            ent_audit_short(config->auditors[i], 32, name);
            ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                                   "leaf %" PRIu64 " seals updates to %s, whom no auditor.admit "
                                   "admitted",
                                   leaf->index, name));
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_config(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_config_set *config = &leaf->any.config_set;
    struct ent_audit_run *run = NULL;

    if (a->open) {
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64 " sets a configuration while round %" PRIu64
                               " is open",
                               leaf->index, a->round.round));
    }
    ENT_TRY(ent_audit_models_settled(a, leaf->index));
    a->next =
        (struct ent_audit_run){.seq = leaf->index, .ms = leaf->frame.time_ms, .leaf = *config};
    for (size_t i = 0; i < config->n_auditors && i < ENT_LOG_AUDITORS_MAX; i++) {
        memcpy(a->next.auditors[i], config->auditors[i], sizeof a->next.auditors[i]);
    }
    ENT_TRY(check_admitted(a, leaf));
    a->next.leaf.auditors = NULL;
    a->has_next = true;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, runs, ENT_AUDIT_RUNS_MAX, &run));
    if (run != NULL) {
        *run = a->next;
    }
    return ENT_E_OK;
}

/* A round names it: its run begins. */
static enum ent_err begin_run(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    a->run = a->next;
    a->run.run = leaf->frame.run;
    a->has_run = true;
    a->has_next = false;
    a->last_task = 0;
    a->last_split = 0;
    a->last_aborted = false;
    a->last_round = 0;
    a->train_done = 0;
    a->has_model = a->run.leaf.has_base;
    memcpy(a->model, a->run.leaf.base, sizeof a->model);
    a->has_best = false;
    a->best_rows = 0;
    a->best_train = 0;
    if (a->facts->n_runs > 0 && a->facts->runs[a->facts->n_runs - 1].seq == a->run.seq) {
        a->facts->runs[a->facts->n_runs - 1].run = leaf->frame.run;
    }
    if (a->run.leaf.no_stats && !a->run.leaf.has_base) {
        ENT_TRY(ent_audit_fail(a, 11, a->run.seq,
                               "leaf %" PRIu64 " counts no statistics and names no model to start "
                               "from",
                               a->run.seq));
    }
    if (leaf->frame.run > a->last_run) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 7, leaf->index,
                          "leaf %" PRIu64 ": run %" PRIu32 " does not follow run %" PRIu32,
                          leaf->index, leaf->frame.run, a->last_run);
}

/* ---- the configuration that it names ---- */

static bool same_auditors(const struct ent_audit *a, const struct ent_msg_round_open *open)
{
    if (open->n_auditors != a->run.leaf.n_auditors || open->plain != a->run.leaf.plain) {
        return false;
    }
    return open->n_auditors == 0 ||
           memcmp(open->auditors, a->run.auditors, open->n_auditors * 32) == 0;
}

static enum ent_err check_config(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;
    const struct ent_leaf_config_set *config = &a->run.leaf;
    const char *differs = NULL;

    if (a->has_next && open->config == a->next.seq) {
        ENT_TRY(begin_run(a, leaf));
    }
    if (!a->has_run || a->has_next || open->config != a->run.seq) {
        return ent_audit_fail(a, 7, leaf->index,
                              "leaf %" PRIu64 ": round %" PRIu64 " names leaf %" PRIu64
                              " as its configuration, which is not the newest before it",
                              leaf->index, leaf->frame.round, open->config);
    }
    if (memcmp(open->plan, config->plan, sizeof open->plan) != 0) {
        differs = "another plan";
    } else if (open->min_members != config->min_members) {
        differs = "another number of fewest members";
    } else if (open->join_ms != config->join_ms || open->update_ms != config->update_ms) {
        differs = "other deadlines";
    } else if (!same_auditors(a, open)) {
        differs = "other auditors, or plain updates";
    }
    if (differs == NULL) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 7, leaf->index,
                          "leaf %" PRIu64 ": round %" PRIu64 " has %s than its configuration (leaf "
                          "%" PRIu64 ")",
                          leaf->index, leaf->frame.round, differs, open->config);
}

/* ---- what comes next ---- */

struct due {
    uint64_t round;
    uint32_t attempt;
    uint32_t task;
    uint32_t split;
};

static bool out_of_patience(const struct ent_audit *a)
{
    const struct ent_leaf_config_set *config = &a->run.leaf;

    return config->patience > 0 && config->validate && a->best_rows > 0 &&
           a->train_done - a->best_train >= config->patience;
}

static bool train_or_test(const struct ent_audit *a, struct due *due)
{
    if (a->train_done < a->run.leaf.train_rounds && !out_of_patience(a)) {
        due->task = ENT_TASK_TRAIN;
        due->split = ENT_SPLIT_TRAIN;
        return true;
    }
    due->task = ENT_TASK_EVALUATE;
    due->split = ENT_SPLIT_TEST;
    return a->run.leaf.test;
}

static bool next_round(const struct ent_audit *a, struct due *due)
{
    *due = (struct due){.round = a->last_round + 1, .attempt = 1};
    if (a->last_aborted) {
        due->round = a->last_round;
        due->attempt = a->last_attempt + 1;
        due->task = a->round.task;
        due->split = a->round.split;
        return true;
    }
    if (a->last_task == 0 && !a->run.leaf.no_stats) {
        due->task = ENT_TASK_STATS;
        due->split = ENT_SPLIT_TRAIN;
        return true;
    }
    if (a->last_task == ENT_TASK_TRAIN && a->run.leaf.validate) {
        due->task = ENT_TASK_EVALUATE;
        due->split = ENT_SPLIT_VALIDATION;
        return true;
    }
    if (a->last_task == ENT_TASK_EVALUATE && a->last_split != ENT_SPLIT_VALIDATION) {
        return false;
    }
    return train_or_test(a, due);
}

static enum ent_err check_place(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;
    struct due due;

    if (!next_round(a, &due)) {
        return ent_audit_fail(a, 7, leaf->index,
                              "leaf %" PRIu64 " opens round %" PRIu64 " of a run that was over",
                              leaf->index, leaf->frame.round);
    }
    if (leaf->frame.run == a->run.run && leaf->frame.round == due.round &&
        open->attempt == due.attempt && open->task == due.task && open->split == due.split) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 7, leaf->index,
                          "leaf %" PRIu64 " opens round %" PRIu64 ", attempt %" PRIu32
                          " (task %" PRIu32 ", rows %" PRIu32 "); due is round %" PRIu64
                          ", attempt %" PRIu32 " (task %" PRIu32 ", rows %" PRIu32 ")",
                          leaf->index, leaf->frame.round, open->attempt, open->task, open->split,
                          due.round, due.attempt, due.task, due.split);
}

/* ---- V11: the model it works on ---- */

static enum ent_err check_base(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;
    bool on_best = open->split == ENT_SPLIT_TEST && a->has_best;
    const uint8_t *due = on_best ? a->best : a->model;
    bool has_due = open->task != ENT_TASK_STATS && (on_best || a->has_model);

    if (open->has_base == has_due && (!has_due || memcmp(open->base, due, 32) == 0)) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 11, leaf->index,
                          "leaf %" PRIu64 ": round %" PRIu64 " does not work on the model that the "
                          "rounds before it brought",
                          leaf->index, leaf->frame.round);
}

/* ---- the quorum that it names (V5) ---- */

static enum ent_err check_quorum(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    uint64_t named = leaf->any.round_open.cosigned_size;

    if (named > leaf->index || named < a->newest_quorum) {
        ENT_TRY(ent_audit_fail(
            a, 5, leaf->index, "leaf %" PRIu64 " names a quorum at size %" PRIu64 ", which %s",
            leaf->index, named,
            named > leaf->index ? "does not exist yet" : "is older than the one named before"));
    }
    if (a->has_begun && named <= a->begun_open_seq) {
        ENT_TRY(ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, leaf->index,
                               "leaf %" PRIu64 ": a round before began, and no quorum covers its "
                               "opening (leaf %" PRIu64 "): the newest is at size %" PRIu64,
                               leaf->index, a->begun_open_seq, named));
    }
    a->newest_quorum = named > a->newest_quorum ? named : a->newest_quorum;
    return ENT_E_OK;
}

enum ent_err ent_audit_course_open(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    ENT_TRY(check_config(a, leaf));
    ENT_TRY(check_place(a, leaf));
    ENT_TRY(check_base(a, leaf));
    return check_quorum(a, leaf);
}
