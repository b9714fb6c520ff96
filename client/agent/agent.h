/* IN link events, a member's directory · OUT frames, stored updates, models, a line of text for each step
 * OWNS session, state, link, the loaded data · THREADS one agent, one thread (link threads only enqueue)
 * SOURCE ARCHITECTURE.md idea 1; protocol.md 1-4
 *
 * The member's program without its terminal: a queue of link events -> session_step -> actions. Nothing happens but
 * in ent_agent_step, so a test drives it without threads; `run` loops on it. Training runs inside the step and looks
 * at the queue before every batch; the link answers PINGs by itself meanwhile. */
#ifndef ENT_CLIENT_AGENT_AGENT_H
#define ENT_CLIENT_AGENT_AGENT_H

#include <stdint.h>

#include "client/agent/session.h"
#include "common/base/clock.h"
#include "common/net/link.h"

struct ent_agent;

/* How the agent reaches its coordinator; a test or a simulation gives one over link_mem. */
struct ent_agent_transport {
    void *ctx;
    /* A link whose events go to handler(handler_ctx, ...). NULL: mutual TLS with the files in DIR. */
    enum ent_err (*open)(void *ctx, ent_link_handler handler, void *handler_ctx,
                         struct ent_link **out);
    /* The certificate was renewed: pem holds key and certificate. NULL: nothing to tell. */
    enum ent_err (*renew)(void *ctx, struct ent_link *link, const uint8_t *pem, size_t len);
    /* A newer CRL (DER). NULL: nothing to tell. */
    enum ent_err (*crl)(void *ctx, struct ent_link *link, const uint8_t *der, size_t len);
};

enum ent_agent_say {
    ENT_SAY_LINE,  /* what happened */
    ENT_SAY_WARN,  /* something to look at */
    ENT_SAY_STATUS /* where it stands now: a terminal shows it in place of the one before */
};

struct ent_agent_options {
    const char *dir;         /* the member's directory, enrolled */
    const char *config_path; /* NULL: DIR/client.yaml */
    struct ent_clock clock;
    struct ent_agent_transport transport;
    uint64_t jitter_seed; /* of the reconnect delays; 0: unpredictable */
    void (*say)(void *ctx, enum ent_agent_say kind, const char *line); /* may be NULL */
    void *say_ctx;
    bool
        leave; /* leave the federation: take part in nothing more, cosign the note that says so, stop */
    bool no_inline; /* tests: even a small update waits for its grant */
};

/* Opens directory (locked), keys, state, client.yaml and link; nothing is dialed yet. NOT_FOUND (not enrolled), BUSY,
 * PERMISSION, CONFIG, ... */
ENT_MUST enum ent_err ent_agent_new(const struct ent_agent_options *options,
                                    struct ent_agent **out);
void ent_agent_free(struct ent_agent *agent);

/* Take what waits in the queue and timers that are due, one at a time until nothing is left; the first call dials.
 * True when something was done. */
bool ent_agent_step(struct ent_agent *agent);
/* When the next timer is due (mono_ms of the clock); UINT64_MAX: none. */
uint64_t ent_agent_next_ms(const struct ent_agent *agent);

struct ent_agent_status {
    bool stopped;      /* nothing more will happen */
    enum ent_err code; /* why */
    uint32_t runs_ended;
    uint64_t bytes_sent; /* of updates acknowledged */
    uint64_t n_accepted;
    bool left; /* the log holds that this member left, and it cosigned that */
};
void ent_agent_status(const struct ent_agent *agent, struct ent_agent_status *out);
const struct ent_session *ent_agent_session(const struct ent_agent *agent);

/* End cleanly at the next step (from the agent's own thread or a signal handler). */
void ent_agent_stop(struct ent_agent *agent);

/* Step and wait until stopped; with once, until a run has ended. A signal that called ent_agent_stop ends it with OK. */
ENT_MUST enum ent_err ent_agent_run(struct ent_agent *agent, bool once);

#endif
