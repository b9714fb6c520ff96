#include "coordinator/engine/ops.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs/token.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/secret.h"
#include "coordinator/engine/control.h"

#define GATHER_MS 5000 /* a run waits this long for enrolled members that are not up yet */
#define REQUEST_DEPTH 8
#define REPLY_DEPTH 16
#define BUSY_TRIES 20
#define BUSY_WAIT_NS 100000000L

_Static_assert(ENT_PLAN_MAX_BYTES == ENT_STORE_PLAN_MAX &&
                   ENT_PLAN_MAX_BYTES == ENT_WIRE_PLAN_MAX_BYTES,
               "a plan that can be read can be stored and sent");
_Static_assert(ENT_PLAN_MAX_MEMBERS == ENT_WIRE_COHORT_MAX,
               "as many members as may be enrolled can be invited");

static enum ent_err text_of(const struct ent_json *request, const char *key, const char **out)
{
    return ent_json_string(ent_json_get(request, key), key, out);
}

/* ---- invite ---- */

struct inviting {
    const struct ent_store_invitation *invitation;
    struct ent_token *token;
};

static enum ent_err store_invitation(struct ent_engine *e, void *ctx)
{
    struct inviting *i = ctx;

    ENT_TRY(ent_store_invite(e->store, i->invitation, e->wall_ms, i->token->handle));
    return ent_trail_operator(e, ENT_LOG_INVITE, i->token->handle, sizeof i->token->handle);
}

static enum ent_err make_token(struct ent_engine *e, const char *name, struct ent_token *token)
{
    struct ent_csprng random = ent_csprng_system();
    struct ent_store_invitation invitation = {.name = name};
    struct inviting i;

    ENT_TRY(ent_home_address(e->home, ENT_HOME_ENROLL, token->address));
    memcpy(token->federation, e->home->issuer.federation, sizeof token->federation);
    memcpy(token->listener_sha256, e->home->enroll_sha256, sizeof token->listener_sha256);
    token->expiry_ms = e->wall_ms + ENT_TOKEN_VALID_MS;
    ENT_TRY(ent_csprng_bytes(&random, token->secret, sizeof token->secret));
    ENT_TRY(ent_csprng_bytes(&random, invitation.handle, sizeof invitation.handle));
    ENT_TRY(ent_sha256(token->secret, sizeof token->secret, invitation.token_sha256));
    invitation.expires_ms = token->expiry_ms;
    i.token = token;
    i.invitation = &invitation;
    return ent_trail_together(e, store_invitation, &i);
}

enum ent_err ent_ops_invite(struct ent_engine *e, const struct ent_json *request,
                            struct ent_json_writer *out)
{
    char text[ENT_TOKEN_TEXT_MAX];
    struct ent_token token = {0};
    const char *name = NULL;
    char handle[2 * ENT_HANDLE_BYTES + 1];
    enum ent_err err;

    ENT_TRY(text_of(request, "name", &name));
    /* It stands in ENROLLED, which holds plain identifiers only, in logs and in plans' fixed weights. */
    ENT_REQUIRE(ent_federation_name_ok(name), ENT_E_USAGE,
                "a member's name must be letters, digits, '-', '_' and '.', and not begin with "
                "'.', not '%.80s'",
                name);
    err = make_token(e, name, &token);
    if (err == ENT_E_OK) {
        err = ent_token_encode(&token, text);
    }
    if (err == ENT_E_OK) {
        ent_hex(token.handle, sizeof token.handle, handle);
        ent_json_put_key_string(out, "token", text);
        ent_json_put_key_string(out, "handle", handle);
        ent_json_put_key_string(out, "address", token.address);
        ent_json_put_key_uint(out, "expires_ms", token.expiry_ms);
        ent_engine_say(e, ENT_SAY_OPERATOR, "%s invited", name);
    }
    ent_cleanse(text, sizeof text);
    ent_token_release(&token);
    return err;
}

/* ---- revoke ---- */

static enum ent_err store_revoked(struct ent_engine *e, void *ctx)
{
    const struct ent_store_member *member = ctx;
    struct ent_leaf_member_revoke leaf = {0};

    memcpy(leaf.handle, member->handle, sizeof leaf.handle);
    ENT_TRY(ent_store_revoke(e->store, member->handle, e->wall_ms));
    if (member->index != ENT_ROUND_NO_MEMBER) { /* it was admitted */
        ENT_TRY(ent_trail_append(e, ENT_LEAF_MEMBER_REVOKE, &leaf, NULL));
    }
    return ent_trail_operator(e, ENT_LOG_REVOKE, member->handle, sizeof member->handle);
}

enum ent_err ent_ops_revoke(struct ent_engine *e, const struct ent_json *request,
                            struct ent_json_writer *out)
{
    struct ent_store_member member;
    const char *name = NULL;
    enum ent_err err;

    ENT_TRY(text_of(request, "name", &name));
    ENT_TRY(ent_store_find_name(e->store, name, &member));
    err = ent_engine_settle_now(e); /* what it said before stands before it in the log */
    if (err == ENT_E_OK) {
        err = ent_trail_together(e, store_revoked, &member);
    }
    /* It is out at once, whatever comes of the rest. */
    if (member.index < e->n_members && !e->members[member.index].revoked) {
        ent_members_out(e, member.index, "this member was revoked");
    }
    ENT_TRY(err);
    ent_engine_renew_crl(e, true);
    ent_json_put_key_string(out, "revoked", name);
    ent_engine_say(e, ENT_SAY_OPERATOR, "%s revoked", name);
    return ENT_E_OK;
}

/* ---- start, stop ---- */

static struct ent_run_config run_config(const struct ent_engine *e, const struct ent_plan *plan)
{
    return (struct ent_run_config){.train_rounds = plan->rounds,
                                   .min_members = plan->min_members,
                                   .attempts = plan->attempts,
                                   .join_ms = plan->join_ms,
                                   .update_ms = plan->update_ms,
                                   .retry_ms = e->options.retry_ms,
                                   .gather_ms = GATHER_MS,
                                   .validate = ent_plan_validates(plan),
                                   .test = ent_plan_tests(plan),
                                   .no_stats = ent_plan_no_stats(plan),
                                   .patience = plan->patience,
                                   .best_by = plan->best_by == ENT_BEST_BY_AUC
                                                  ? ENT_ROUND_BEST_BY_AUC
                                                  : ENT_ROUND_BEST_BY_LOSS};
}

/* What a plan would have members send and the coordinator would refuse is known before it starts. */
static enum ent_err check_sizes(const struct ent_plan *plan, uint64_t max_bytes)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    bool evaluates = ent_plan_validates(plan) || ent_plan_tests(plan);
    const struct ent_task *task;

    for (size_t i = 0; (task = ent_task_at(i)) != NULL; i++) {
        uint64_t bytes = 0;

        ENT_TRY(ent_task_payload_bytes(task, &sizes, &bytes));
        ENT_REQUIRE(bytes <= max_bytes || (task->kind == ENT_TASK_EVALUATE && !evaluates) ||
                        (task->kind == ENT_TASK_STATS && ent_plan_no_stats(plan)),
                    ENT_E_LIMIT,
                    "an update of this plan has %llu bytes (%s); federation.yaml allows %llu "
                    "(limits.update)",
                    (unsigned long long)bytes, task->name, (unsigned long long)max_bytes);
    }
    return ENT_E_OK;
}

/* No noise for the goal, no run. */
static enum ent_err check_privacy(const struct ent_plan *plan)
{
    struct ent_plan_noise noise;

    if (plan->privacy.unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    return ent_plan_privacy_derive(plan, &noise);
}

static enum ent_err check_plan(const struct ent_engine *e, const struct ent_plan *plan)
{
    const struct ent_federation_config *c = e->home->config;

    ENT_REQUIRE(plan->min_members >= c->min_members, ENT_E_CONFIG,
                "the plan's aggregation.min_members is %u; federation.yaml demands at least %u "
                "(limits.min_members)",
                (unsigned)plan->min_members, (unsigned)c->min_members);
    ENT_TRY(ent_ops_check_witnesses(e, plan->min_members));
    ENT_TRY(check_privacy(plan));
    ENT_TRY(ent_central_startable(e, plan));
    return check_sizes(plan, c->update_bytes);
}

struct starting {
    const struct ent_plan *plan;
    struct ent_run_config config;
    uint8_t base[32];
    struct ent_buf yaml;
};

static enum ent_err store_run(struct ent_engine *e, void *ctx)
{
    struct starting *s = ctx;
    uint32_t run = 0;

    ENT_TRY(ent_store_run_add(e->store, &s->config, s->base, &s->yaml, e->wall_ms, &run));
    return ent_trail_operator(e, ENT_LOG_START, s->plan->digest, sizeof s->plan->digest);
}

static enum ent_err add_run(struct ent_engine *e, const struct ent_plan *plan, const char *text,
                            const char *base_path)
{
    struct starting s = {.plan = plan, .config = run_config(e, plan)};
    enum ent_err err;

    ENT_REQUIRE(e->run.config.run == 0, ENT_E_EXISTS,
                "run %u is not over yet; stop it first, or wait", (unsigned)e->run.config.run);
    ENT_TRY(check_plan(e, plan));
    if (base_path != NULL) {
        ENT_TRY(ent_engine_take_base(e, plan, base_path, s.base));
    } else if (ent_plan_no_stats(plan)) {
        ENT_TRY(ent_engine_make_base(e, plan, s.base));
    }
    ent_buf_init(&s.yaml, ENT_PLAN_MAX_BYTES);
    err = ent_buf_add(&s.yaml, text, strlen(text));
    if (err == ENT_E_OK) {
        err = ent_trail_together(e, store_run, &s);
    }
    ent_buf_release(&s.yaml);
    ENT_TRY(err);
    ENT_TRY(ent_store_run_current(e->store, &e->run));
    return ent_engine_load_run(e);
}

static enum ent_err begin_run(struct ent_engine *e)
{
    struct ent_event event = ent_engine_event(e, ENT_EV_RUN_START, ENT_NO_MEMBER);

    ENT_TRY(ent_round_begin(&e->round, &e->run.config, e->run.base));
    if (!e->options.offline) {
        ent_engine_feed(e, &event);
    }
    return ENT_E_OK;
}

enum ent_err ent_ops_start(struct ent_engine *e, const struct ent_json *request,
                           struct ent_json_writer *out)
{
    struct ent_plan *plan = NULL;
    const char *name = NULL;
    const char *text = NULL;
    const char *base = NULL;
    enum ent_err err;

    ENT_TRY(text_of(request, "name", &name));
    ENT_TRY(text_of(request, "plan", &text));
    if (ent_json_get(request, "base") != NULL) {
        ENT_TRY(text_of(request, "base", &base));
    }
    ENT_TRY(ent_plan_parse(name, (const uint8_t *)text, strlen(text), &plan));
    err = add_run(e, plan, text, base);
    ent_plan_free(plan);
    ENT_TRY(err);
    ENT_TRY(begin_run(e));
    ent_json_put_key_uint(out, "run", e->run.config.run);
    ent_json_put_key_uint(out, "rounds", ent_engine_total_rounds(e));
    ent_json_put_key_bool(out, "serving", !e->options.offline);
    ENT_TRY(ent_ops_put_kept(e, out));
    ent_json_put_key_bool(out, "noise_here", e->central.on);
    ent_engine_say(e, ENT_SAY_OPERATOR, "run %u stored", (unsigned)e->run.config.run);
    return ent_central_warn(e);
}

/* A held run ends in the middle of its round: its model is lost, so the round cannot be closed. One that was closed
 * already is released first. */
static void end_active(struct ent_engine *e)
{
    struct ent_event stop = ent_engine_event(e, ENT_EV_STOP, ENT_NO_MEMBER);
    struct ent_event gate = ent_engine_event(e, ENT_EV_GATE, ENT_NO_MEMBER);
    bool held = (e->options.offline || e->missing[0] != '\0') && ent_engine_is_held(e);

    stop.code = held ? ENT_E_LOST : ENT_E_OK;
    ent_engine_feed(e, &stop);
    if (held && e->round.phase == ENT_PHASE_RELEASE) {
        ent_engine_feed(e, &gate);
    }
}

enum ent_err ent_ops_stop(struct ent_engine *e, struct ent_json_writer *out)
{
    uint32_t run = e->run.config.run;
    bool at_once;

    ENT_REQUIRE(run != 0, ENT_E_NOT_FOUND, "no run is going on");
    ENT_TRY(ent_ops_action(e, ENT_LOG_STOP, e->run.plan_digest, sizeof e->run.plan_digest));
    if (!ent_round_active(&e->round)) { /* stored, never started */
        ENT_TRY(ent_store_run_cancel(e->store, run, e->wall_ms));
        ent_round_init(&e->round, e->machine_members);
        for (size_t i = 0; i < e->n_members; i++) {
            (void)ent_round_add_member(&e->round, e->members[i].revoked);
        }
        e->run = (struct ent_store_run){0};
        ent_engine_unhold(e);
        at_once = true;
    } else {
        end_active(e);
        at_once = !ent_round_active(&e->round);
    }
    ent_json_put_key_uint(out, "run", run);
    ent_json_put_key_bool(out, "ended", at_once);
    ent_engine_say(e, ENT_SAY_OPERATOR, "run %u %s", (unsigned)run,
                   at_once ? "is stopped" : "ends after its round");
    return ENT_E_OK;
}

/* ---- requests ---- */

static enum ent_err carry_out(struct ent_engine *e, const struct ent_json *request,
                              struct ent_json_writer *out)
{
    const char *verb = NULL;

    ENT_TRY(text_of(request, "verb", &verb));
    if (strcmp(verb, "status") == 0) {
        return ent_ops_status(e, out);
    }
    if (strcmp(verb, "roster") == 0) {
        return ent_ops_roster(e, out);
    }
    if (strcmp(verb, "invite") == 0) {
        return ent_ops_invite(e, request, out);
    }
    if (strcmp(verb, "revoke") == 0) {
        return ent_ops_revoke(e, request, out);
    }
    if (strcmp(verb, "start") == 0) {
        return ent_ops_start(e, request, out);
    }
    if (strcmp(verb, "stop") == 0) {
        return ent_ops_stop(e, out);
    }
    if (strcmp(verb, "policy") == 0) {
        return ent_ops_policy(e, out);
    }
    if (strcmp(verb, "admit-auditor") == 0) {
        return ent_ops_admit_auditor(e, request, out);
    }
    if (strcmp(verb, "export") == 0) {
        return ent_ops_export(e, request, out);
    }
    if (strcmp(verb, "disclose") == 0) {
        return ent_ops_disclose(e, request, out);
    }
    return ent_err_note(ENT_E_USAGE, "no request %s", verb);
}

static enum ent_err reply_error(struct ent_buf *reply, size_t from, enum ent_err code)
{
    struct ent_json_writer w;
    char text[512];

    (void)snprintf(text, sizeof text, "%s", ent_err_message());
    reply->len = from;
    ent_json_begin(&w, reply);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key(&w, "error");
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "code", ent_err_name(code));
    ent_json_put_key_string(&w, "text", text);
    ent_json_put_close(&w);
    ent_json_put_close(&w);
    return ent_json_end(&w);
}

enum ent_err ent_engine_request(struct ent_engine *e, const char *request, struct ent_buf *reply)
{
    struct ent_json_writer w;
    struct ent_json *root = NULL;
    size_t from = reply->len;
    enum ent_err err;

    e->now_ms = ent_clock_mono(&e->clock);
    e->wall_ms = ent_clock_wall(&e->clock);
    err = ent_json_parse(request, strlen(request), ENT_CONTROL_REQUEST_MAX_BYTES, REQUEST_DEPTH,
                         &root);
    ent_json_begin(&w, reply);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    if (err == ENT_E_OK) {
        err = carry_out(e, root, &w);
    }
    if (err == ENT_E_OK) {
        ent_json_put_close(&w);
    } else {
        w.err = err; /* what was begun is dropped */
    }
    err = ent_json_end(&w);
    err = err == ENT_E_OK ? err : reply_error(reply, from, err);
    ent_json_free(root);
    return err;
}

/* ---- asking ---- */

static enum ent_err ask_offline(const char *dir, const char *request, struct ent_buf *reply)
{
    struct ent_engine_options options = {.clock = ent_clock_system(), .offline = true};
    struct ent_home *home = NULL;
    struct ent_engine *e = NULL;
    enum ent_err err;

    ENT_TRY(ent_home_open(dir, &options.clock, &home));
    options.home = home;
    err = ent_engine_new(&options, &e);
    if (err == ENT_E_OK) {
        err = ent_engine_request(e, request, reply);
    }
    if (err == ENT_E_OK) {
        err = ent_engine_settle(e);
    }
    ent_engine_free(e);
    ent_home_close(home);
    return err;
}

/* A program that holds the lock may be starting or ending: its socket comes or its lock goes within moments. */
static enum ent_err ask_somebody(const char *dir, const char *request, struct ent_buf *reply)
{
    struct timespec moment = {.tv_nsec = BUSY_WAIT_NS};
    enum ent_err err = ENT_E_BUSY;

    for (int i = 0; i < BUSY_TRIES && err == ENT_E_BUSY; i++) {
        err = ent_control_ask(dir, request, reply);
        if (err == ENT_E_NOT_FOUND) {
            err = ask_offline(dir, request, reply);
        }
        if (err == ENT_E_BUSY) {
            (void)nanosleep(&moment, NULL);
        }
    }
    return err;
}

static enum ent_err error_of(const struct ent_json *reply)
{
    const struct ent_json *error = ent_json_get(reply, "error");
    const char *code = NULL;
    const char *text = NULL;

    if (error == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_json_string(ent_json_get(error, "code"), "error.code", &code));
    ENT_TRY(ent_json_string(ent_json_get(error, "text"), "error.text", &text));
    for (int i = 1; i < ENT_E_COUNT; i++) {
        if (strcmp(ent_err_name((enum ent_err)i), code) == 0) {
            return ent_err_note((enum ent_err)i, "%s", text);
        }
    }
    return ent_err_note(ENT_E_INTERNAL, "%s", text);
}

enum ent_err ent_ops_ask(const char *dir, const char *request, struct ent_buf *text,
                         struct ent_json **out)
{
    struct ent_json *reply = NULL;
    enum ent_err err;

    ENT_TRY(ask_somebody(dir, request, text));
    ENT_TRY(ent_json_parse((const char *)text->data, text->len, ENT_CONTROL_REPLY_MAX_BYTES,
                           REPLY_DEPTH, &reply));
    err = error_of(reply);
    if (err != ENT_E_OK) {
        ent_json_free(reply);
        return err;
    }
    *out = reply;
    return ENT_E_OK;
}
