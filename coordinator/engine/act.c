#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"

/* It was in the attempt and did nothing wrong: the attempt ended over others. */
static bool was_called_off(const struct ent_engine *e, uint32_t member)
{
    const struct ent_round_member *m = &e->round.members[member];

    return m->standing == ENT_STANDING_DROPPED && e->round.abort_code != ENT_E_OK &&
           m->reason == e->round.abort_code;
}

static void refuse(struct ent_engine *e, const struct ent_action *action)
{
    struct ent_conn *conn = ent_conns_of(e, action->member);
    char text[256];

    if (action->member == ENT_NO_MEMBER) {
        return; /* the operator's request was answered already */
    }
    if (action->code == ENT_E_PHASE && e->round.phase == ENT_PHASE_WAIT &&
        was_called_off(e, action->member)) {
        ent_log_debug("%s answers an attempt that was called off meanwhile",
                      e->members[action->member].name);
        return; /* Abort was on its way when it spoke */
    }
    if (action->code == ENT_E_STALE) {
        (void)snprintf(text, sizeof text,
                       "that round or attempt is over; now round %llu, attempt %u",
                       (unsigned long long)e->round.round, (unsigned)e->round.attempt);
    } else if (action->code == ENT_E_PHASE) {
        (void)snprintf(text, sizeof text, "not expected in phase %s of round %llu",
                       ent_phase_name(e->round.phase), (unsigned long long)e->round.round);
    } else {
        (void)snprintf(text, sizeof text, "%s", ent_err_text(action->code));
    }
    if (conn == NULL) {
        ent_refusal_count(e, action->member, action->code);
    } else {
        ent_message_refuse(e, conn, action->code, action->at_ms, text);
    }
}

static bool is_missing(const struct ent_engine *e, uint32_t member)
{
    const struct ent_round_member *m = &e->round.members[member];

    return m->enrolled && !m->up;
}

static bool has_failed(const struct ent_engine *e, uint32_t member)
{
    const struct ent_round_member *m = &e->round.members[member];

    return m->enrolled &&
           (!m->up || (m->standing != ENT_STANDING_ACCEPTED && !was_called_off(e, member)));
}

static void say_stalled(struct ent_engine *e, const struct ent_action *action)
{
    char names[512];
    uint32_t up = ent_round_count_up(&e->round);

    ent_members_names(e, action->code == ENT_E_OK ? is_missing : has_failed, names, sizeof names);
    if (action->code != ENT_E_OK) {
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "round %llu failed %u times (%s) and is tried again later%s%s",
                       (unsigned long long)e->round.round, (unsigned)e->round.aborts,
                       ent_err_text(action->code), names[0] != '\0' ? "; look at " : "", names);
    } else if (names[0] == '\0') {
        ent_engine_say(e, ENT_SAY_ROUND,
                       "waiting: %u of %u members that the run needs are enrolled", (unsigned)up,
                       (unsigned)e->run.config.min_members);
    } else {
        ent_engine_say(e, ENT_SAY_ROUND, "waiting for %s (%u of at least %u members are here)",
                       names, (unsigned)up, (unsigned)e->run.config.min_members);
    }
}

static bool has_dropped(const struct ent_engine *e, uint32_t member)
{
    enum ent_standing standing = e->round.members[member].standing;

    return standing == ENT_STANDING_DROPPED || standing == ENT_STANDING_REJECTED;
}

static void figures_text(const struct ent_metrics *m, char *out, size_t size)
{
    if (m->rows == 0) {
        (void)snprintf(out, size,
                       ": no rows to judge by: of these every member has none, or has fewer "
                       "customers than the floor (min_group) and sends zeros");
    } else if (!isfinite(m->auc)) {
        (void)snprintf(out, size, ": log loss %.5f", m->log_loss);
    } else {
        (void)snprintf(out, size, ": log loss %.5f, AUC %.4f", m->log_loss, m->auc);
    }
}

static void say_closed(struct ent_engine *e, const struct ent_row *row)
{
    char names[512];
    char figures[192] = "";

    ent_members_names(e, has_dropped, names, sizeof names);
    if (row->task == ENT_ROUND_EVALUATE && e->metrics.known) {
        figures_text(&e->metrics.m, figures, sizeof figures);
    } else if (row->task == ENT_ROUND_TRAIN && e->budget.on) {
        char spent[48];

        ent_budget_text(e, spent, sizeof spent);
        (void)snprintf(figures, sizeof figures, ": %s", spent);
    }
    (void)snprintf(e->closed_line, sizeof e->closed_line,
                   "round %llu of %u (%s%s%s) closed with %u members%s%s%s",
                   (unsigned long long)row->round, (unsigned)ent_engine_total_rounds(e),
                   ent_round_task_name(row->task), row->task == ENT_ROUND_EVALUATE ? " " : "",
                   row->task == ENT_ROUND_EVALUATE ? ent_round_split_name(row->split) : "",
                   (unsigned)ent_round_count(&e->round, ENT_STANDING_ACCEPTED), figures,
                   names[0] != '\0' ? "; without " : "", names);
}

/* Nobody needs models of rounds past: newest, best, the run's initial one and its base stay; while the run goes on, the newest state of its
 * optimizer too. */
static enum ent_err sweep(struct ent_engine *e, bool goes_on)
{
    const struct ent_trail *a = &e->audit;
    uint8_t(*keep)[ENT_STORE_DIGEST_BYTES] = NULL;
    size_t n = a->n_released;
    enum ent_err err;

    ENT_TRY(ent_calloc(n + 3, sizeof *keep, &keep));
    if (n > 0) { /* what an export shows */
        memcpy(keep, a->released, n * sizeof *keep);
    }
    memcpy(keep[n++], e->round.model, 32);
    memcpy(keep[n++], e->round.best, 32);
    memcpy(keep[n], e->round.state, 32);
    err = ent_store_model_sweep(e->store, (const uint8_t(*)[ENT_STORE_DIGEST_BYTES])keep,
                                goes_on ? n + 1 : n, NULL);
    free(keep);
    return err;
}

static void sweep_models(struct ent_engine *e, bool goes_on)
{
    e->sweep_due = false;
    ent_engine_fail(e, sweep(e, goes_on));
}

void ent_act_sweep(struct ent_engine *e)
{
    if (e->sweep_due && e->fatal == ENT_E_OK) {
        sweep_models(e, true);
    }
}

static void say_patience(struct ent_engine *e)
{
    const struct ent_round *r = &e->round;

    if (r->task == ENT_ROUND_EVALUATE && r->split == ENT_ROUND_ON_VALIDATION &&
        r->train_done < r->config.train_rounds && ent_round_out_of_patience(r)) {
        ent_engine_say(e, ENT_SAY_ROUND,
                       "%u rounds without a better model: training ends, the best is that of "
                       "training round %u",
                       (unsigned)r->config.patience, (unsigned)r->best_train);
    }
}

static void on_opened(struct ent_engine *e, const struct ent_row *row)
{
    /* Members derive the training round (and its rate) from the number alone. */
    ENT_BUG_ON(row->task == ENT_ROUND_TRAIN &&
               ent_plan_train_round(e->plan, row->round) != e->round.train_done + 1);
    e->opened_ms = e->now_ms;
    e->open_before_ms = 0;
    e->metrics.known = false;
    ent_fold_clear(e);
    ent_engine_fail(e, ent_trail_load_open(e));
    if (row->attempt > 1) {
        ent_engine_say(e, ENT_SAY_ROUND, "round %llu: attempt %u", (unsigned long long)row->round,
                       (unsigned)row->attempt);
    }
    ENT_HOOK_POINT("engine.open-committed");
    if (ent_central_covers(e)) {
        ENT_HOOK_POINT("engine.noise-committed");
    }
}

static void on_started(struct ent_engine *e)
{
    ent_engine_say(e, ENT_SAY_RUN, "run %u started: %u rounds", (unsigned)e->run.config.run,
                   (unsigned)ent_engine_total_rounds(e));
    for (size_t i = 0; i < e->n_conns; i++) {
        if (e->conns[i]->welcomed && e->conns[i]->member != ENT_NO_MEMBER) {
            ent_message_run_start(e, e->conns[i]);
        }
    }
}

static void on_ended(struct ent_engine *e, const struct ent_row *row)
{
    struct ent_last_end *end = &e->last_end;

    end->run = row->run;
    end->code = row->code;
    /* Without validation rows, and when stopped before they were asked: the newest one. */
    end->best_round = e->round.best_train != 0 ? e->round.best_train : e->round.train_done;
    ent_engine_fail(e, ent_engine_test_metrics(e, row->run, &end->test));
    memcpy(end->plan, e->plan->digest, sizeof end->plan);
    memcpy(end->best, row->model, sizeof end->best);
    if (!ent_all_zero(e->round.state, 32)) {
        sweep_models(e, false);
    }
}

/* The row that ends the attempt in the same step; NULL: it goes on. */
static const struct ent_row *abort_of(const struct ent_engine *e, const struct ent_row *row)
{
    for (size_t i = 0; i < e->doing.n; i++) {
        const struct ent_action *a = &e->doing.list[i];

        if (a->kind == ENT_ACT_ROW && a->row.kind == ENT_ROW_ABORT && a->row.round == row->round &&
            a->row.attempt == row->attempt) {
            return &a->row;
        }
    }
    return NULL;
}

/* A member left the attempt: said, unless it is only that the attempt as a whole was called off. */
static void on_left(struct ent_engine *e, const struct ent_row *row)
{
    const struct ent_row *end = abort_of(e, row);

    ent_uploads_cancel(e, row->member, false);
    if (end == NULL) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "round %llu goes on without %s: %s",
                       (unsigned long long)row->round, ent_engine_member_name(e, row->member),
                       ent_err_text(row->code));
    } else if (row->kind == ENT_ROW_REJECT || row->code != end->code) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "round %llu, attempt %u: %s is out: %s",
                       (unsigned long long)row->round, (unsigned)row->attempt,
                       ent_engine_member_name(e, row->member), ent_err_text(row->code));
    }
}

/* What the commit of a row lets us do. */
static void committed(struct ent_engine *e, const struct ent_row *row)
{
    switch (row->kind) {
    case ENT_ROW_RUN_START:
        on_started(e);
        break;
    case ENT_ROW_OPEN:
        on_opened(e, row);
        break;
    case ENT_ROW_BEGIN:
        ent_central_begin(e);
        break;
    case ENT_ROW_ACCEPT:
        ENT_HOOK_POINT("engine.accept-committed");
        break;
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        on_left(e, row);
        break;
    case ENT_ROW_CLOSE:
        ENT_HOOK_POINT("engine.close-committed");
        break;
    case ENT_ROW_RELEASE:
        ENT_HOOK_POINT("engine.release-committed");
        ent_engine_say(e, ENT_SAY_ROUND, "%s", e->closed_line);
        e->sweep_due = e->sweep_due || row->task == ENT_ROUND_TRAIN;
        say_patience(e);
        break;
    case ENT_ROW_END:
        on_ended(e, row);
        break;
    default:
        break;
    }
}

static void discard(struct ent_engine *e, const struct ent_row *row)
{
    ent_fold_clear(e);
    ent_central_end(e);
    for (uint32_t i = 0; i < e->n_members; i++) {
        ent_uploads_cancel(e, i, false);
    }
    ent_engine_fail(e, ent_store_update_discard(e->store, row->run, row->round, row->attempt));
}

static void end(struct ent_engine *e, enum ent_err code)
{
    e->run = (struct ent_store_run){0};
    ent_engine_unhold(e);
    ent_trail_end(e, code);
}

void ent_act(struct ent_engine *e, const struct ent_action *action)
{
    switch (action->kind) {
    case ENT_ACT_ROW:
        committed(e, &action->row);
        break;
    case ENT_ACT_SEND_OPEN:
        ent_message_open(e, action->member);
        break;
    case ENT_ACT_SEND_BEGIN:
        ent_message_begin(e, action->member);
        break;
    case ENT_ACT_GRANT:
        ent_uploads_granted(e, action->member);
        break;
    case ENT_ACT_ACK:
        ent_message_ack(e, action->member, action->digest, action->code);
        if (action->code == ENT_E_REPEAT) {
            ent_refusal_count(e, action->member, ENT_E_REPEAT);
        }
        break;
    case ENT_ACT_REFUSE:
        refuse(e, action);
        break;
    case ENT_ACT_ADD:
        ent_fold_add(e, action);
        break;
    case ENT_ACT_FINISH:
        ent_fold_finish(e, action);
        break;
    case ENT_ACT_DISCARD:
        discard(e, &action->row);
        break;
    case ENT_ACT_SEND_CLOSE:
        ent_message_close(e, &action->row);
        say_closed(e, &action->row);
        break;
    case ENT_ACT_GATE:
        ent_trail_ask_gate(e, action);
        break;
    case ENT_ACT_SEND_ABORT:
        ent_message_abort(e, action);
        ent_engine_say(e, ENT_SAY_TROUBLE, "round %llu, attempt %u failed: %s",
                       (unsigned long long)action->row.round, (unsigned)action->row.attempt,
                       ent_err_text(action->code));
        break;
    case ENT_ACT_SEND_END:
        end(e, action->code);
        break;
    case ENT_ACT_TIMER:
        e->timer_ms = action->at_ms;
        break;
    case ENT_ACT_STALLED:
        say_stalled(e, action);
        break;
    case ENT_ACT_WITNESSES:
        ent_trail_say_waits(e);
        break;
    }
}
