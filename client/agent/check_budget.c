#include "client/agent/check_budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/check_privacy.h"
#include "client/state/ledger.h"
#include "common/base/file.h"
#include "common/base/plural.h"

static bool has_state(const char *dir)
{
    char *path = NULL;
    bool there;

    if (ent_path_join(dir, "state.db", &path) != ENT_E_OK) {
        return false;
    }
    there = ent_file_exists(path);
    free(path);
    return there;
}

/* The run that this member is in, if it is of this plan; 0: none, a run would start anew. */
static enum ent_err active_run(struct ent_state *state, const struct ent_plan *plan, uint32_t *out)
{
    struct ent_state_run run;
    enum ent_err err = ent_state_run_last(state, &run);

    *out = 0;
    if (err == ENT_E_OK && !run.ended && memcmp(run.plan, plan->digest, sizeof run.plan) == 0) {
        *out = run.run;
    }
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err read_books(struct ent_state *state, const struct ent_workplace *w,
                               struct ent_check_budget *out, struct ent_purse_books *books)
{
    uint32_t run = 0;

    ENT_TRY(ent_ledger_check(state));
    ENT_TRY(active_run(state, ent_pipeline_plan(w->pipeline), &run));
    ENT_TRY(ent_ledger_events(state, books->scope, 0, &out->life, &books->n_life));
    if (run > 0) {
        ENT_TRY(ent_ledger_events(state, books->scope, run, &out->run, &books->n_run));
    }
    books->life = out->life;
    books->run = out->run;
    return ENT_E_OK;
}

static enum ent_err account(struct ent_check_budget *out)
{
    for (uint32_t i = 0; i < out->budget.n; i++) {
        const struct ent_purse_account *a = &out->budget.account[i];

        ENT_TRY(ent_account_spent(a->events, a->n, a->limit.delta, &out->spent[i]));
    }
    return ent_purse_left(&out->budget, &out->round, out->rounds, &out->left);
}

static enum ent_err read_into(const struct ent_workplace *w, struct ent_check_budget *out)
{
    const struct ent_plan *plan = ent_pipeline_plan(w->pipeline);
    struct ent_purse_books books = {.scope = w->config->scope};
    const struct ent_plan_noise *noise;
    struct ent_state *state = NULL;
    enum ent_err err;

    if (ent_pipeline_noise(w->pipeline, &noise) != ENT_E_OK) {
        return ENT_E_OK; /* there can be no such run: the verdict says so */
    }
    ENT_TRY(ent_purse_event(&plan->privacy, &noise->round, &out->round));
    out->run_epsilon =
        plan->privacy.unit == ENT_PRIVACY_CUSTOMER ? noise->epsilon : noise->epsilon_person[0];
    out->noised = true;
    out->rounds = plan->rounds;
    if (w->enrolled && has_state(w->dir)) {
        ENT_TRY(ent_state_open_reader(w->dir, &state));
        err = read_books(state, w, out, &books);
        ent_state_close(state);
        ENT_TRY(err);
    }
    ent_purse_of(&w->config->policy, &plan->privacy, &books, &out->budget);
    return account(out);
}

enum ent_err ent_check_budget_read(const struct ent_workplace *w, struct ent_check_budget *out)
{
    struct ent_check_budget budget = {0};
    enum ent_err err;

    *out = budget;
    if (ent_pipeline_plan(w->pipeline)->privacy.unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    err = read_into(w, &budget);
    if (err != ENT_E_OK) {
        ent_check_budget_release(&budget);
        return err;
    }
    *out = budget;
    return ENT_E_OK;
}

void ent_check_budget_release(struct ent_check_budget *budget)
{
    free(budget->run);
    free(budget->life);
    *budget = (struct ent_check_budget){0};
}

enum ent_err ent_check_budget_ask(const struct ent_workplace *w,
                                  const struct ent_check_budget *budget)
{
    const struct ent_plan *plan = ent_pipeline_plan(w->pipeline);

    ENT_TRY(ent_check_privacy_possible(w->pipeline));
    ENT_TRY(ent_policy_check_privacy(&w->config->policy, &plan->privacy));
    if (!budget->noised || budget->left > 0) {
        return ENT_E_OK;
    }
    return ent_purse_ask(&budget->budget, &budget->round);
}

static void print_budget(const struct ent_plan *plan, const struct ent_check_budget *budget)
{
    printf("budget      a run costs a customer of this member epsilon %.3f at delta %g\n",
           budget->run_epsilon, plan->privacy.delta);
    for (uint32_t i = 0; i < budget->budget.n; i++) {
        const struct ent_purse_account *a = &budget->budget.account[i];

        printf("            %s: epsilon %.3f of %g at delta %g spent (%s)\n", budget->budget.scope,
               budget->spent[i].eps, a->limit.eps, a->limit.delta, a->name);
    }
    if (budget->budget.n == 0) {
        printf("            %s: no limit of its own (policy.epsilon_run, policy.epsilon_life)\n",
               budget->budget.scope);
        return;
    }
    printf("            %llu %s of this plan left, of %llu in a run\n",
           (unsigned long long)budget->left,
           ent_plural(budget->left == 1 ? 1 : 2, "round", "rounds"),
           (unsigned long long)budget->rounds);
}

void ent_check_budget_print(const struct ent_workplace *w, const struct ent_check_budget *budget)
{
    ent_check_privacy_print(w->pipeline, stdout);
    if (budget->noised) {
        print_budget(ent_pipeline_plan(w->pipeline), budget);
    }
    printf("\n");
}

static void put_accounts(const struct ent_check_budget *budget, struct ent_json_writer *json)
{
    ent_json_put_key(json, "limits");
    ent_json_put_array(json);
    for (uint32_t i = 0; i < budget->budget.n; i++) {
        const struct ent_purse_account *a = &budget->budget.account[i];

        ent_json_put_object(json, ENT_JSON_INSERTION);
        ent_json_put_key_string(json, "limit", a->name);
        ent_json_put_key_double(json, "epsilon", a->limit.eps);
        ent_json_put_key_double(json, "delta", a->limit.delta);
        ent_json_put_key_double(json, "spent", budget->spent[i].eps);
        ent_json_put_key_string(json, "accountant",
                                ent_dp_accountant_name(budget->spent[i].accountant));
        ent_json_put_close(json);
    }
    ent_json_put_close(json);
}

void ent_check_budget_put(const struct ent_workplace *w, const struct ent_check_budget *budget,
                          struct ent_json_writer *json)
{
    ent_check_privacy_put(w->pipeline, json);
    ent_plan_releases_put(ent_pipeline_plan(w->pipeline), json);
    if (!budget->noised) {
        return;
    }
    ent_json_put_key(json, "budget");
    ent_json_put_object(json, ENT_JSON_INSERTION);
    ent_json_put_key_string(json, "scope", budget->budget.scope);
    put_accounts(budget, json);
    ent_json_put_key_double(json, "run_epsilon", budget->run_epsilon);
    ent_json_put_key_uint(json, "rounds", budget->rounds);
    ent_json_put_key_uint(json, "rounds_left", budget->left);
    ent_json_put_close(json);
}

void ent_check_budget_warn(const struct ent_check_budget *budget, ent_advice_say *say, void *ctx)
{
    char line[256];

    if (budget->noised && budget->left > 0 && budget->left < budget->rounds &&
        budget->run == NULL) {
        (void)snprintf(line, sizeof line,
                       "the budget holds %llu of the plan's %llu rounds: then this member drops "
                       "out of the run",
                       (unsigned long long)budget->left, (unsigned long long)budget->rounds);
        say(ctx, line);
    }
}
