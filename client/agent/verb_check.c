#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/advice.h"
#include "client/agent/check_auditors.h"
#include "client/agent/check_budget.h"
#include "client/agent/check_floor.h"
#include "client/agent/check_privacy.h"
#include "client/agent/check_rows.h"
#include "client/agent/outgoing.h"
#include "client/agent/verbs.h"
#include "client/agent/workplace.h"
#include "client/data/leak.h"
#include "client/events/events.h"
#include "client/policy/policy.h"
#include "common/base/mem.h"
#include "common/base/plural.h"
#include "common/json/json.h"

struct report {
    const struct ent_workplace *w;
    struct ent_outgoing out[ENT_N_OUTGOING];
    struct ent_leak *leaks; /* by feature */
    struct ent_check_auditors auditors;
    struct ent_check_budget budget;
    struct ent_check_floor floor;
    bool judged;
    enum ent_err verdict; /* of everything */
    char why[512];
};

static uint64_t total_bytes(const struct report *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        sum += r->out[i].bytes * r->out[i].times;
    }
    return sum;
}

/* ---- what would leave ---- */

static enum ent_err ask_policy(struct report *r, struct ent_outgoing *o)
{
    const struct ent_plan *plan = ent_pipeline_plan(r->w->pipeline);
    const struct ent_policy_config *policy = &r->w->config->policy;
    struct ent_policy_request request = {.task = o->task,
                                         .split = o->split,
                                         .min_members = plan->min_members,
                                         .n_invited = UINT32_MAX};

    memcpy(request.plan, plan->digest, sizeof request.plan);
    ENT_TRY(ent_policy_check_plan(policy, plan->digest));
    return ent_policy_check_round(policy, &request);
}

static void note_verdict(struct report *r, enum ent_err err)
{
    if (r->verdict == ENT_E_OK && err != ENT_E_OK) {
        r->verdict = err;
        (void)snprintf(r->why, sizeof r->why, "%s", ent_err_message());
    }
}

/* Without the validation or the test rows, or what no noise covers, a member still takes part in the rest. */
static void ask_parts(struct report *r)
{
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        struct ent_outgoing *o = &r->out[i];
        bool fatal = false;

        if (o->times == 0 || o->allowed != ENT_E_OK) {
            continue;
        }
        o->allowed = ent_policy_check_covered(&r->w->config->policy,
                                              &ent_pipeline_plan(r->w->pipeline)->privacy, o->task);
        if (o->allowed == ENT_E_OK) {
            o->allowed = ent_pipeline_ask_policy(r->w->pipeline, o->task, o->split);
            fatal = o->task != ENT_TASK_EVALUATE || o->allowed != ENT_E_POLICY;
        }
        if (o->allowed != ENT_E_OK) {
            (void)snprintf(o->why, sizeof o->why, "%.255s", ent_err_message());
        }
        if (o->allowed != ENT_E_OK && fatal) {
            note_verdict(r, o->allowed);
        }
    }
}

static enum ent_err ask(struct report *r)
{
    const struct ent_plan *plan = ent_pipeline_plan(r->w->pipeline);
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);

    ENT_TRY(ent_check_auditors_read(r->w, &r->auditors));
    ENT_TRY(ent_check_budget_read(r->w, &r->budget));
    ent_outgoing_list(plan, r->out);
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        struct ent_outgoing *o = &r->out[i];
        const struct ent_task *task = ent_task_find((uint32_t)o->task);

        ENT_TRY(task->dim(&sizes, &o->dim));
        ENT_TRY(ent_task_payload_bytes(task, &sizes, &o->bytes));
        o->allowed = o->times > 0 ? ask_policy(r, o) : ENT_E_OK;
        if (o->allowed != ENT_E_OK) {
            (void)snprintf(o->why, sizeof o->why, "%.255s", ent_err_message());
            note_verdict(r, o->allowed);
        }
    }
    if (ent_advice_labels(r->w->pipeline) != ENT_E_OK) {
        note_verdict(r, ENT_E_DATA);
    }
    if (ent_pipeline_rows(r->w->pipeline, ENT_SPLIT_TRAIN) == 0) {
        note_verdict(r,
                     ent_err_note(ENT_E_DATA, "there are no training rows left after the split"));
    }
    ask_parts(r);
    ENT_TRY(ent_check_floor_read(r->w, r->out, &r->floor));
    note_verdict(r, ent_policy_check_purpose(&r->w->config->policy, plan->purpose));
    note_verdict(r, ent_check_budget_ask(r->w, &r->budget));
    note_verdict(r, ent_check_auditors_ask(r->w, &r->auditors));
    if (plan->weights == ENT_WEIGHTS_FIXED && r->w->enrolled &&
        ent_plan_fixed_weight(plan, r->w->name) == 0) {
        note_verdict(r, ent_err_note(ENT_E_CONFIG, "the plan gives %s no weight (fixed weights)",
                                     r->w->name));
    }
    return ENT_E_OK;
}

/* Beside the sums: what is not added to anything. */
static const char figures_words[] =
    "this member's alone, not added to others': of its test rows how many, how many positive, "
    "and the best model's AUC, log loss and the like; the coordinator's operator sees them";

static bool figures_go(const struct report *r)
{
    return r->w->config->policy.own_figures_go && r->out[3].times > 0 &&
           r->out[3].allowed == ENT_E_OK && !r->floor.zeros[3];
}

static size_t training_bytes(const struct report *r)
{
    size_t bytes = 0;

    return ent_train_memory(ent_pipeline_plan(r->w->pipeline), &bytes) == ENT_E_OK ? bytes : 0;
}

/* ---- text ---- */

/* 12345 -> "12,345"; out: [32] */
static const char *grouped(uint64_t v, char out[32])
{
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)v);
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void print_splits(const struct report *r)
{
    char a[32];
    char b[32];
    char c[32];

    printf("split: %s training rows, %s validation rows, %s test rows\n",
           grouped(ent_pipeline_rows(r->w->pipeline, ENT_SPLIT_TRAIN), a),
           grouped(ent_pipeline_rows(r->w->pipeline, ENT_SPLIT_VALIDATION), b),
           grouped(ent_pipeline_rows(r->w->pipeline, ENT_SPLIT_TEST), c));
    ent_check_floor_print(r->w, &r->floor, stdout);
}

static void print_outgoing(const struct ent_plan *plan, const struct ent_outgoing *o)
{
    char dim[32];
    char bytes[32];

    if (o->times == 0) {
        return;
    }
    printf("  %-11s %u x  %s integers of %zu bytes (%s bytes with salt)%s\n", o->name,
           (unsigned)o->times, grouped(o->dim, dim), ent_task_int_bytes(o->task),
           grouped(o->bytes, bytes), o->allowed == ENT_E_OK ? "" : "  NOT ALLOWED");
    printf("              %s\n", ent_check_privacy_words(plan, o));
    printf("              %s\n", o->words);
    if (o->allowed != ENT_E_OK) {
        printf("              policy: %s\n", o->why);
    }
}

static void print_warning(void *ctx, const char *line)
{
    (void)fprintf(ctx, "warning: %s\n", line);
}

static void each_warning(const struct report *r, ent_advice_say *say, void *ctx)
{
    ent_advice_columns(ent_pipeline_plan(r->w->pipeline), r->w->config, say, ctx);
    ent_advice_parts(r->w->pipeline, say, ctx);
    ent_check_budget_warn(&r->budget, say, ctx);
}

static bool declines_some(const struct report *r)
{
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        if (r->out[i].allowed != ENT_E_OK) {
            return true;
        }
    }
    return false;
}

static void print_verdict(const struct report *r)
{
    each_warning(r, print_warning, stdout);
    if (r->verdict == ENT_E_OK) {
        printf("this member can take part%s\n",
               declines_some(r) ? ", but not in what is NOT ALLOWED" : "");
    } else {
        printf("this member CANNOT take part: %s\n", r->why);
    }
}

static enum ent_err print_text(const struct report *r)
{
    const struct ent_plan *plan = ent_pipeline_plan(r->w->pipeline);
    const struct ent_table *table = ent_pipeline_table(r->w->pipeline);
    char hex[2 * ENT_SHA256_BYTES + 1];
    char total[32];

    ent_hex(plan->digest, sizeof plan->digest, hex);
    printf("plan %s: %u features, %u model inputs, %u rounds, purpose %s\n\n", hex,
           (unsigned)plan->n_features, (unsigned)plan->n_inputs, (unsigned)plan->rounds,
           plan->purpose != NULL ? plan->purpose : "not stated");
    if (table->events != NULL) {
        ent_events_print(table, stdout);
    }
    ent_table_print(table, stdout);
    print_splits(r);
    printf("\nwhat the model sees of %s: %u inputs", table->events != NULL ? "an event" : "a row",
           (unsigned)plan->n_inputs);
    if (plan->n_embeddings > 0) {
        printf(" and %u %s", (unsigned)plan->n_embeddings,
               ent_plural(plan->n_embeddings, "token", "tokens"));
    }
    printf("\n");
    ent_table_print_inputs(table, stdout);
    if (r->judged) {
        ent_leak_print(table, r->leaks, stdout);
    }
    printf("\nmemory: training takes at most %s bytes beside the rows; limits.memory is ",
           grouped(training_bytes(r), total));
    printf("%s\n", grouped(r->w->config->memory_bytes, total));
    printf(
        "\nwhat would leave this member: integers only, which are added to those of the others;\n"
        "nothing is released unless at least %u members' are in the sum\n",
        (unsigned)plan->min_members);
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        print_outgoing(plan, &r->out[i]);
    }
    if (figures_go(r)) {
        printf("  own figures 1 x  %s\n              NOT covered by noise (policy.own_figures)\n",
               figures_words);
    }
    printf("  in all      %s bytes a run; beside them names of rounds, digests, signatures%s\n",
           grouped(total_bytes(r), total),
           plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2
               ? ",\n              and the number of training rows as a power of two"
               : "");
    printf("\n");
    ent_check_budget_print(r->w, &r->budget);
    ENT_TRY(ent_check_auditors_print(r->w, &r->auditors));
    printf("policy: ");
    ent_policy_print(&r->w->config->policy, stdout);
    print_verdict(r);
    return ENT_E_OK;
}

/* ---- JSON ---- */

static void put_outgoing(struct ent_json_writer *w, const struct report *r)
{
    ent_json_put_key(w, "leaves");
    ent_json_put_array(w);
    for (size_t i = 0; i < ENT_N_OUTGOING; i++) {
        const struct ent_outgoing *o = &r->out[i];

        if (o->times == 0) {
            continue;
        }
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "task", o->name);
        ent_json_put_key_uint(w, "times", o->times);
        ent_json_put_key_uint(w, "integers", o->dim);
        ent_json_put_key_uint(w, "integer_bytes", ent_task_int_bytes(o->task));
        ent_json_put_key_uint(w, "payload_bytes", o->bytes);
        ent_json_put_key_string(w, "what", o->words);
        ent_json_put_key_bool(w, "covered",
                              ent_check_privacy_covers(ent_pipeline_plan(r->w->pipeline), o));
        ent_json_put_key_bool(w, "allowed", o->allowed == ENT_E_OK);
        if (o->allowed != ENT_E_OK) {
            ent_json_put_key_string(w, "why_not", o->why);
        }
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_warning(void *ctx, const char *line)
{
    ent_json_put_string(ctx, line);
}

static void put_warnings(struct ent_json_writer *w, const struct report *r)
{
    ent_json_put_key(w, "warnings");
    ent_json_put_array(w);
    each_warning(r, put_warning, w);
    ent_json_put_close(w);
}

static enum ent_err print_json(const struct report *r)
{
    const struct ent_plan *plan = ent_pipeline_plan(r->w->pipeline);
    const struct ent_check_rows rows = {.pipeline = r->w->pipeline,
                                        .leaks = r->judged ? r->leaks : NULL};
    char hex[2 * ENT_SHA256_BYTES + 1];
    struct ent_json_writer w;
    struct ent_buf text;
    enum ent_err err;

    ent_hex(plan->digest, sizeof plan->digest, hex);
    ent_buf_init(&text, (size_t)16 * 1024 * 1024);
    ent_json_begin(&w, &text);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "plan", hex);
    ent_json_put_key_string(&w, "member", r->w->name);
    ent_json_put_key(&w, "purpose");
    if (plan->purpose != NULL) {
        ent_json_put_string(&w, plan->purpose);
    } else {
        ent_json_put_null(&w);
    }
    ent_check_rows_put(&rows, &w);
    put_outgoing(&w, r);
    ent_check_budget_put(r->w, &r->budget, &w);
    ent_check_floor_put(r->w, &r->floor, &w);
    ent_json_put_key_bool(&w, "own_figures_leave", figures_go(r));
    if (figures_go(r)) {
        ent_json_put_key_string(&w, "own_figures", figures_words);
    }
    put_warnings(&w, r);
    ent_json_put_key_uint(&w, "total_bytes", total_bytes(r));
    ent_json_put_key_uint(&w, "training_memory_bytes", training_bytes(r));
    ent_json_put_key_uint(&w, "memory_limit_bytes", r->w->config->memory_bytes);
    err = ent_check_auditors_put(r->w, &r->auditors, &w);
    ent_json_put_key_bool(&w, "can_take_part", r->verdict == ENT_E_OK);
    if (r->verdict != ENT_E_OK) {
        ent_json_put_key_string(&w, "why_not", r->why);
    }
    ent_json_put_close(&w);
    if (err == ENT_E_OK) {
        err = ent_json_end(&w);
    }
    if (err == ENT_E_OK) {
        err = ent_workplace_print(&text);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err look_for_leaks(struct report *r)
{
    const struct ent_table *table = ent_pipeline_table(r->w->pipeline);

    ENT_TRY(ent_calloc(table->schema.n_features, sizeof *r->leaks, &r->leaks));
    if (table->events != NULL || table->targets != NULL) {
        return ENT_E_OK; /* it looks for columns that tell one positive value of rows */
    }
    return ent_leak_find(table, &ent_pipeline_parts(r->w->pipeline)->part[ENT_SPLIT_TRAIN],
                         r->leaks, &r->judged);
}

enum ent_err ent_verb_check(const void *options, const char *const *args, size_t n)
{
    const struct ent_check_verb *verb = options;
    struct ent_workplace w = {0};
    struct report report = {.w = &w};
    enum ent_err err;

    (void)args;
    (void)n;
    ENT_TRY(ent_workplace_open(verb->dir, verb->config, verb->plan, &w));
    err = ent_pipeline_load(w.pipeline);
    if (err == ENT_E_OK) {
        err = look_for_leaks(&report);
    }
    if (err == ENT_E_OK) {
        err = ask(&report);
    }
    if (err == ENT_E_OK && verb->json) {
        err = print_json(&report);
    } else if (err == ENT_E_OK) {
        err = print_text(&report);
    }
    free(report.leaks);
    ent_check_budget_release(&report.budget);
    ent_check_floor_release(&report.floor);
    ent_workplace_close(&w);
    if (err == ENT_E_OK && report.verdict != ENT_E_OK) {
        return ent_err_note(report.verdict, "%s", report.why);
    }
    return err;
}
