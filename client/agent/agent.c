#include "client/agent/agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/agent_internal.h"
#include "client/agent/workplace.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/fixed/selftest.h"

#define FLUSH_MAX_MS 1000
#define WAIT_MAX_MS 250 /* a signal is seen at the latest after this long */
#define QUIET_MS 100    /* nothing came for so long: time for the files that are for people */

/* ---- life ---- */

static void on_link_event(void *ctx, struct ent_link_event *event_take)
{
    ent_agent_queue_push(ctx, event_take);
}

static enum ent_err open_config(struct ent_agent *agent)
{
    return ent_workplace_config(agent->dir, agent->options.config_path, &agent->config);
}

static enum ent_err open_selftest(struct ent_agent *agent)
{
    uint8_t bytes[ENT_SELFTEST_BYTES];

    ENT_TRY(ent_fixed_selftest(bytes));
    return ent_sha256(bytes, sizeof bytes, agent->selftest);
}

static enum ent_err open_session(struct ent_agent *agent)
{
    struct ent_state_run run;
    uint64_t seed = agent->options.jitter_seed;
    enum ent_err err;

    if (seed == 0) {
        ENT_TRY(ent_csprng_bytes(&agent->csprng, &seed, sizeof seed));
    }
    ent_session_init(&agent->session, seed);
    err = ent_state_run_last(agent->state, &run);
    if (err == ENT_E_NOT_FOUND) {
        return ENT_E_OK;
    }
    if (err == ENT_E_OK && !run.ended) {
        ent_session_resume(&agent->session, run.run, run.plan,
                           ent_agent_plan_here(agent, run.plan));
    }
    return err;
}

static enum ent_err open_all(struct ent_agent *agent)
{
    struct ent_agent_transport *transport = &agent->options.transport;

    ENT_TRY(ent_identity_read(agent->dir, &agent->id));
    ENT_TRY(ent_dir_lock(agent->dir, &agent->lock_fd));
    ENT_TRY(open_config(agent));
    ENT_TRY(open_selftest(agent));
    ENT_TRY(ent_state_open(agent->dir, &agent->state));
    ENT_TRY(ent_agent_open_log(agent));
    ENT_TRY(ent_pipeline_new(agent->config, agent->id.name, &agent->pipeline));
    ENT_TRY(open_session(agent));
    if (transport->open == NULL) {
        *transport = ent_agent_tls_transport(agent->dir);
    }
    return transport->open(transport->ctx, on_link_event, &agent->queue, &agent->link);
}

enum ent_err ent_agent_new(const struct ent_agent_options *options, struct ent_agent **out)
{
    struct ent_agent *agent;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *agent, &agent));
    agent->options = *options;
    agent->clock = options->clock;
    agent->csprng = ent_csprng_system();
    agent->lock_fd = -1;
    agent->timer_ms = UINT64_MAX;
    ent_arena_init(&agent->arena, ENT_WIRE_ARENA_BYTES);
    err = ent_agent_queue_init(&agent->queue);
    if (err != ENT_E_OK) {
        ent_arena_release(&agent->arena);
        free(agent);
        return err;
    }
    err = ent_strdup(options->dir, &agent->dir);
    if (err == ENT_E_OK) {
        err = open_all(agent);
    }
    if (err != ENT_E_OK) {
        ent_agent_free(agent);
        return err;
    }
    *out = agent;
    return ENT_E_OK;
}

void ent_agent_free(struct ent_agent *agent)
{
    struct ent_agent_item *item;

    if (agent == NULL) {
        return;
    }
    if (agent->link != NULL) {
        ent_link_free(agent->link);
    }
    ent_agent_fetch_drop(agent);
    while ((item = ent_agent_pop(agent)) != NULL) {
        ent_agent_item_free(item);
    }
    ent_agent_queue_release(&agent->queue);
    ent_agent_open_free(agent->open);
    ent_blob_unref(agent->payload);
    ent_tls_key_free(agent->renew_key);
    ent_pipeline_free(agent->pipeline);
    ent_mirror_free(agent->mirror);
    ent_state_close(agent->state);
    ent_sign_key_free(agent->witness);
    ent_client_config_free(agent->config);
    ent_identity_release(&agent->id);
    if (agent->lock_fd >= 0) {
        (void)close(agent->lock_fd);
    }
    ent_arena_release(&agent->arena);
    ent_wire_signer_release(&agent->log_key);
    free(agent->dir);
    free(agent);
}

uint64_t ent_agent_next_ms(const struct ent_agent *agent)
{
    return agent->timer_ms;
}

void ent_agent_status(const struct ent_agent *agent, struct ent_agent_status *out)
{
    *out = agent->status;
}

const struct ent_session *ent_agent_session(const struct ent_agent *agent)
{
    return &agent->session;
}

void ent_agent_stop(struct ent_agent *agent)
{
    agent->stop_asked = 1;
}

/* BYE is queued on a connection that closes once it was sent. */
static void let_it_flush(struct ent_agent *agent)
{
    uint64_t until = ent_clock_mono(&agent->clock) + FLUSH_MAX_MS;
    struct ent_link_event event;

    while (agent->conn != 0 && ent_clock_mono(&agent->clock) < until) {
        if (!ent_agent_queue_pop(&agent->queue, &event)) {
            (void)ent_agent_queue_wait(&agent->queue, FLUSH_MAX_MS / 10);
            continue;
        }
        if (event.kind == ENT_LINK_CLOSED && event.conn == agent->conn) {
            agent->conn = 0;
        }
        ent_link_event_release(&event);
    }
}

enum ent_err ent_agent_run(struct ent_agent *agent, bool once)
{
    bool leaving = false;

    while (!agent->status.stopped) {
        uint64_t now;
        uint64_t wait = WAIT_MAX_MS;

        (void)ent_agent_step(agent);
        if (once && agent->status.runs_ended > 0 && !leaving) {
            leaving = true;
            ent_agent_stop(agent);
            continue;
        }
        now = ent_clock_mono(&agent->clock);
        if (ent_agent_has_files(agent)) {
            wait = QUIET_MS;
        }
        if (agent->timer_ms < now + wait) {
            wait = agent->timer_ms > now ? agent->timer_ms - now : 0;
        }
        if (!agent->status.stopped && !agent->stop_asked &&
            !ent_agent_queue_wait(&agent->queue, wait)) {
            ent_agent_write_files(agent);
        }
    }
    ent_agent_write_files(agent);
    if (agent->status.code == ENT_E_OK) {
        let_it_flush(agent); /* only who says goodbye waits for it to be gone */
    } else {
        return ent_err_note(agent->status.code, "%s",
                            agent->why[0] != '\0' ? agent->why : ent_err_text(agent->status.code));
    }
    return ENT_E_OK;
}
