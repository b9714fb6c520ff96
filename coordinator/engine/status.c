/* The reply to `status`: all that the operator's programs show, out of the store and the machine. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/evaluation.h"
#include "coordinator/engine/ops.h"
#include "coordinator/engine/state.h"

static void put_federation(struct ent_engine *e, struct ent_json_writer *w)
{
    char address[ENT_HOME_ADDRESS_MAX];

    ent_json_put_key(w, "federation");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "name", e->home->config->name);
    ent_json_put_key_hex(w, "id", e->home->issuer.federation, ENT_FEDERATION_BYTES);
    ent_json_put_key_bool(w, "serving", !e->options.offline);
    if (ent_home_address(e->home, ENT_HOME_LISTEN, address) == ENT_E_OK) {
        ent_json_put_key_string(w, "address", address);
    }
    if (ent_home_address(e->home, ENT_HOME_ENROLL, address) == ENT_E_OK) {
        ent_json_put_key_string(w, "enroll_address", address);
    }
    ent_json_put_key_uint(w, "time_ms", e->wall_ms);
    ent_json_put_close(w);
}

static bool is_waited_for(const struct ent_engine *e, uint32_t member)
{
    const struct ent_round_member *m = &e->round.members[member];

    if (!m->enrolled) {
        return false;
    }
    if (e->round.phase == ENT_PHASE_WAIT) {
        return !m->up;
    }
    return m->standing == ENT_STANDING_INVITED || m->standing == ENT_STANDING_JOINED ||
           m->standing == ENT_STANDING_OFFERED || m->damaged;
}

static void put_phase(struct ent_engine *e, struct ent_json_writer *w)
{
    const struct ent_round *r = &e->round;
    uint64_t left = r->deadline_ms > e->now_ms ? r->deadline_ms - e->now_ms : 0;

    ent_json_put_key_string(w, "phase", ent_phase_name(r->phase));
    ent_json_put_key_uint(w, "round", r->round);
    ent_json_put_key_uint(w, "attempt", r->attempt);
    if (r->round > 0) {
        ent_json_put_key_string(w, "task", ent_round_task_name(r->task));
        ent_json_put_key_string(w, "split", ent_round_split_name(r->split));
    }
    ent_json_put_key_uint(w, "deadline_left_ms", left);
    ent_json_put_key_bool(w, "stalled", r->stalled);
    if (e->missing[0] != '\0') {
        ent_json_put_key_string(w, "missing", e->missing);
    }
    ent_json_put_key_bool(w, "stopping", r->stopping);
    ent_json_put_key_uint(w, "accepted", ent_round_count(r, ENT_STANDING_ACCEPTED));
    ent_json_put_key_uint(w, "up", ent_round_count_up(r));
    if (!ent_all_zero(r->model, 32)) {
        ent_json_put_key_hex(w, "model", r->model, 32);
    }
    ent_json_put_key(w, "waiting_for");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < e->n_members && !e->options.offline; i++) {
        if (is_waited_for(e, i)) {
            ent_json_put_string(w, e->members[i].name);
        }
    }
    ent_json_put_close(w);
}

static const char *run_state(enum ent_run_state state)
{
    static const char *const names[] = {[ENT_RUN_SPENT] = "out of budget",
                                        [ENT_RUN_PENDING] = "stored",
                                        [ENT_RUN_ACTIVE] = "active",
                                        [ENT_RUN_ENDED] = "complete",
                                        [ENT_RUN_STOPPED] = "stopped"};

    return names[state];
}

static uint32_t total_rounds(const struct ent_run_config *c)
{
    return (c->no_stats ? 0 : 1) + c->train_rounds * (c->validate ? 2 : 1) + (c->test ? 1 : 0);
}

/* Out of the stored sum: all of it for the test rows, the figures alone for the others. */
static enum ent_err put_metrics(struct ent_engine *e, struct ent_json_writer *w,
                                const struct ent_store_figures *f, uint32_t min_group)
{
    struct ent_metrics metrics;
    enum ent_err err = ent_commit_metrics_of(e, f->run, f->round, min_group, &metrics);

    if (err == ENT_E_OK) {
        ent_evaluation_put(w, &metrics, f->split == ENT_ROUND_ON_TEST);
    } else if (err == ENT_E_NOT_FOUND) { /* from before sums were kept */
        ent_json_put_key_double(w, "auc", f->auc);
        ent_json_put_key_double(w, "log_loss", f->log_loss);
        ent_json_put_key_uint(w, "rows", f->rows);
        ent_json_put_key_uint(w, "positives", f->positives);
        err = ENT_E_OK;
    }
    return err;
}

static enum ent_err put_figures(struct ent_engine *e, struct ent_json_writer *w,
                                const struct ent_store_run *run, uint32_t min_group)
{
    struct ent_store_figures *figures = NULL;
    size_t n = 0;
    uint32_t train_done;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_store_figures(e->store, run->config.run, &figures, &n));
    train_done = n > 0 ? figures[n - 1].train_round : 0;
    ent_json_put_key_uint(w, "train_done", train_done);
    ent_json_put_key_bool(w, "stopped_early",
                          run->state == ENT_RUN_ENDED && train_done < run->config.train_rounds);
    ent_json_put_key(w, "rounds");
    ent_json_put_array(w);
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        const struct ent_store_figures *f = &figures[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "round", f->round);
        ent_json_put_key_uint(w, "attempt", f->attempt);
        ent_json_put_key_string(w, "task", ent_round_task_name(f->task));
        ent_json_put_key_string(w, "split", ent_round_split_name(f->split));
        ent_json_put_key_uint(w, "train_round", f->train_round);
        ent_json_put_key_uint(w, "invited", f->invited);
        ent_json_put_key_uint(w, "accepted", f->accepted);
        ent_json_put_key_uint(w, "bytes_in", f->bytes_in);
        ent_json_put_key_uint(w, "bytes_out", f->bytes_out);
        ent_json_put_key_uint(w, "duration_ms", f->duration_ms);
        if (f->has_metrics) {
            err = put_metrics(e, w, f, min_group);
        }
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
    free(figures);
    return err;
}

static enum ent_err put_run_traffic(struct ent_engine *e, struct ent_json_writer *w, uint32_t run)
{
    struct ent_store_traffic *traffic = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_traffic(e->store, run, &traffic, &n));
    ent_json_put_key(w, "traffic");
    ent_json_put_array(w);
    for (size_t i = 0; i < n; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "member", ent_engine_member_name(e, traffic[i].index));
        ent_json_put_key_uint(w, "bytes_in", traffic[i].bytes_in);
        ent_json_put_key_uint(w, "bytes_out", traffic[i].bytes_out);
        ent_json_put_key_uint(w, "rounds", traffic[i].rounds);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
    free(traffic);
    return ENT_E_OK;
}

/* What the plan calls its label, for the words of the table, and what it promises. */
static enum ent_err put_plan(struct ent_engine *e, struct ent_json_writer *w, uint32_t run,
                             uint32_t *min_group)
{
    struct ent_plan *plan = NULL;
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_PLAN_MAX_BYTES);
    err = ent_store_run_plan(e->store, run, &bytes);
    if (err == ENT_E_OK) {
        err = ent_plan_parse("plan.yaml", bytes.data, bytes.len, &plan);
    }
    if (err == ENT_E_OK) {
        ent_json_put_key(w, "label");
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "name", plan->label_name);
        if (plan->label_positive[0] != '\0') {
            ent_json_put_key_string(w, "positive", plan->label_positive);
        }
        ent_json_put_close(w);
        ent_json_put_key_uint(w, "min_group", plan->min_group);
        *min_group = plan->min_group;
        err = ent_budget_put(e, w, plan, run);
    }
    ent_plan_free(plan);
    ent_buf_release(&bytes);
    return err;
}

static void put_best(const struct ent_engine *e, struct ent_json_writer *w,
                     const struct ent_store_run *run)
{
    bool by_auc = run->config.best_by == ENT_ROUND_BEST_BY_AUC;
    bool goes_on = run->config.run == e->run.config.run;

    ent_json_put_key_uint(w, "patience", run->config.patience);
    ent_json_put_key_string(w, "best_by", by_auc ? "auc" : "log_loss");
    ent_json_put_key_uint(w, "best_train_round", goes_on ? e->round.best_train : run->best_train);
    if (!ent_all_zero(run->best, 32)) {
        ent_json_put_key_hex(w, "best", run->best, 32);
    }
}

/* The run that is going on, otherwise the newest one. */
static enum ent_err put_run(struct ent_engine *e, struct ent_json_writer *w)
{
    struct ent_store_run *runs = NULL;
    struct ent_store_run run;
    uint32_t min_group = 0;
    size_t n = 0;

    ENT_TRY(ent_store_run_list(e->store, &runs, &n));
    ent_json_put_key(w, "run");
    if (n == 0) {
        free(runs);
        ent_json_put_null(w);
        return ENT_E_OK;
    }
    run = runs[n - 1];
    free(runs);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "number", run.config.run);
    ent_json_put_key_string(w, "state", run_state(run.state));
    ent_json_put_key_hex(w, "plan", run.plan_digest, 32);
    ent_json_put_key_uint(w, "min_members", run.config.min_members);
    ent_json_put_key_uint(w, "rounds_total", total_rounds(&run.config));
    ent_json_put_key_uint(w, "train_rounds", run.config.train_rounds);
    ent_json_put_key_uint(w, "started_ms", run.started_ms);
    ent_json_put_key_uint(w, "ended_ms", run.ended_ms);
    if (run.config.run == e->run.config.run) {
        put_phase(e, w);
    }
    put_best(e, w, &run);
    ENT_TRY(put_plan(e, w, run.config.run, &min_group));
    ENT_TRY(put_figures(e, w, &run, min_group));
    ENT_TRY(put_run_traffic(e, w, run.config.run));
    ENT_TRY(ent_own_put(e, w, run.config.run));
    ent_json_put_close(w);
    return ENT_E_OK;
}

static const char *member_state(enum ent_member_state state)
{
    static const char *const names[] = {[ENT_MEMBER_INVITED] = "invited",
                                        [ENT_MEMBER_ENROLLED] = "enrolled",
                                        [ENT_MEMBER_REVOKED] = "revoked"};

    return names[state];
}

static void put_declines(struct ent_json_writer *w, const struct ent_engine_member *m)
{
    ent_json_put_key(w, "declines");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "code", ent_err_name(m->declined_code));
    ent_json_put_key_string(w, "refusal", m->refusal > 0 ? ent_refusal_name(m->refusal) : "");
    ent_json_put_key_string(w, "text", m->declined_text);
    ent_json_put_key_uint(w, "times", m->n_declined);
    ent_json_put_close(w);
}

static void put_member(struct ent_engine *e, struct ent_json_writer *w,
                       const struct ent_store_member *m)
{
    const struct ent_engine_member *live = m->index < e->n_members ? &e->members[m->index] : NULL;
    bool up = live != NULL && live->conn != 0;

    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "name", m->name);
    ent_json_put_key_hex(w, "handle", m->handle, sizeof m->handle);
    ent_json_put_key_string(w, "state", member_state(m->state));
    ent_json_put_key_bool(w, "connected", up);
    ent_json_put_key_uint(w, "last_seen_ms", up ? e->wall_ms : m->last_seen_ms);
    ent_json_put_key_uint(w, "invited_ms", m->invited_ms);
    ent_json_put_key_uint(w, "enrolled_ms", m->enrolled_ms);
    ent_json_put_key_uint(w, "certificate_expires_ms", m->cert.expires_ms);
    ent_json_put_key_uint(w, "token_until_ms", m->token_until_ms);
    if (live != NULL && e->run.config.run != 0) {
        const struct ent_round_member *machine = &e->round.members[m->index];

        ent_json_put_key_string(w, "standing", ent_standing_name(machine->standing));
        if (machine->standing == ENT_STANDING_REJECTED ||
            machine->standing == ENT_STANDING_DROPPED) {
            ent_json_put_key_string(w, "reason", ent_err_name(machine->reason));
        }
        if (live->declining && live->declined_run == e->run.config.run) {
            put_declines(w, live);
        }
    }
    ent_json_put_close(w);
}

static enum ent_err put_members(struct ent_engine *e, struct ent_json_writer *w)
{
    struct ent_store_member *roster = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_roster(e->store, &roster, &n));
    ent_json_put_key(w, "members");
    ent_json_put_array(w);
    for (size_t i = 0; i < n; i++) {
        put_member(e, w, &roster[i]);
    }
    ent_json_put_close(w);
    free(roster);
    return ENT_E_OK;
}

static enum ent_err put_refusals(struct ent_engine *e, struct ent_json_writer *w)
{
    struct ent_store_refusal *refusals = NULL;
    size_t n = 0;

    ENT_TRY(ent_commit_refusals(e));
    ENT_TRY(ent_store_refusals(e->store, &refusals, &n));
    ent_json_put_key(w, "refusals");
    ent_json_put_array(w);
    for (size_t i = 0; i < n; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        if (refusals[i].index < e->n_members) {
            ent_json_put_key_string(w, "member", e->members[refusals[i].index].name);
        }
        ent_json_put_key_string(w, "cause", ent_err_name(refusals[i].cause));
        ent_json_put_key_uint(w, "count", refusals[i].count);
        ent_json_put_key_uint(w, "last_ms", refusals[i].last_ms);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
    free(refusals);
    return ENT_E_OK;
}

enum ent_err ent_ops_roster(struct ent_engine *e, struct ent_json_writer *out)
{
    return put_members(e, out);
}

enum ent_err ent_ops_status(struct ent_engine *e, struct ent_json_writer *out)
{
    put_federation(e, out);
    ENT_TRY(put_run(e, out));
    ENT_TRY(ent_status_log(e, out));
    ENT_TRY(put_members(e, out));
    return put_refusals(e, out);
}
