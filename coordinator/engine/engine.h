/* IN link events, the operator's requests, time · OUT frames, rows in the store, files in DIR
 * OWNS the round machine, connections, transfers, sums · THREADS handlers and ent_engine_call from any; the rest from
 * one (the engine's) · SOURCE ARCHITECTURE.md ideas 1 and 2; protocol.md
 *
 * The coordinator around the pure round machine. A step takes all that was queued, verifies it (admit.c), feeds the
 * machine, commits all rows in one transaction, and only then sends and grants. It may be driven by `serve` in a loop or by a
 * test, step by step, with a fake clock and links in memory:
 *
 *   ent_setup_init, ent_home_open          a federation's directory (home.h)
 *   ent_engine_new                         restores the run from the store
 *   make links with ent_engine_on_main and ent_engine_on_enroll as handlers, engine as their context
 *   ent_engine_attach, ent_engine_start    from now on it may send
 *   repeat: deliver link events; ent_engine_step */
#ifndef ENT_COORDINATOR_ENGINE_ENGINE_H
#define ENT_COORDINATOR_ENGINE_ENGINE_H

#include "common/base/clock.h"
#include "common/net/link.h"
#include "coordinator/engine/home.h"

struct ent_engine;

/* What a person may want to see at once. */
enum ent_say {
    ENT_SAY_MEMBER,  /* a member came or went */
    ENT_SAY_ROUND,   /* a round opened, began, closed */
    ENT_SAY_RUN,     /* a run started or ended */
    ENT_SAY_TROUBLE, /* an attempt failed, the run waits, a message was refused */
    ENT_SAY_OPERATOR /* a request was carried out */
};

struct ent_engine_options {
    struct ent_home *home; /* borrowed, outlives the engine */
    struct ent_clock clock;
    bool offline;      /* a verb without serve: no run goes on, only requests are answered */
    size_t queue_max;  /* messages waiting; 0: 4,096 */
    uint64_t retry_ms; /* between attempts; 0: 10 s */
    /* Rows that are worth nothing to others by themselves (joins, updates of a round that waits for more) may wait so
     * long for a commit with those that follow; 0: not. */
    uint64_t commit_ms;
    bool no_inline; /* tests: even small models wait for their grant */
    /* Lines for the operator; NULL: they go to the log. Called on the engine's thread. */
    void (*say)(void *ctx, enum ent_say kind, const char *line);
    /* A new revocation list (DER): for the live link. NULL: nobody to tell. */
    void (*crl)(void *ctx, const uint8_t *der, size_t len);
    void *ctx;
};

ENT_MUST enum ent_err ent_engine_new(const struct ent_engine_options *options,
                                     struct ent_engine **out);
void ent_engine_free(struct ent_engine *engine); /* after its links were freed */

/* Handlers of the two listeners; ctx is the engine. */
void ent_engine_on_main(void *ctx, struct ent_link_event *event_take);
void ent_engine_on_enroll(void *ctx, struct ent_link_event *event_take);
/* Borrowed; either may be NULL. */
void ent_engine_attach(struct ent_engine *engine, struct ent_link *main, struct ent_link *enroll);
/* Go on where the store left off. Once, after attach. */
ENT_MUST enum ent_err ent_engine_start(struct ent_engine *engine);

/* All that is queued, and whatever time made due. An error is the end: the store failed, nothing that was not
 * committed was sent, and the engine must not be stepped again. */
ENT_MUST enum ent_err ent_engine_step(struct ent_engine *engine);
/* Milliseconds (monotonic) at which the next step is due at the latest. */
uint64_t ent_engine_due_ms(const struct ent_engine *engine);
/* Wait for something to do, at most until it is due (and at most max_ms). */
void ent_engine_wait(struct ent_engine *engine, uint64_t max_ms);
void ent_engine_wake(struct ent_engine *engine); /* any thread */

/* The operator's requests, JSON in and out (ops.h). On the engine's thread: */
ENT_MUST enum ent_err ent_engine_request(struct ent_engine *engine, const char *request,
                                         struct ent_buf *reply);
/* On any other thread: enqueued, answered by a step. STOPPED after ent_engine_shut. A control handler. */
ENT_MUST enum ent_err ent_engine_call(void *engine, const char *request, struct ent_buf *reply);
/* No more calls (waiting ones get STOPPED). */
void ent_engine_shut(struct ent_engine *engine);

/* For progress and tests (engine's thread). */
const struct ent_round *ent_engine_round(const struct ent_engine *engine);
const char *ent_engine_member_name(const struct ent_engine *engine, uint32_t member);
/* Number of the run that ended last since the engine was made; 0 = none. */
uint32_t ent_engine_ended_run(const struct ent_engine *engine);
/* How it ended: OK, STOPPED, BUDGET. */
enum ent_err ent_engine_ended_code(const struct ent_engine *engine);
/* "epsilon 1.2 of 2", of the fullest account of the active run; "" when its plan has no privacy. */
void ent_engine_spent_text(const struct ent_engine *engine, char *out, size_t cap);
uint32_t
ent_engine_total_rounds(const struct ent_engine *engine); /* of the active run, all tasks */
/* Of the newest evaluation in this process; false: none yet. */
bool ent_engine_metrics(const struct ent_engine *engine, double *log_loss, double *auc);
/* Members' connections, and of those the ones that still have bytes to get (a model offered or going). */
size_t ent_engine_connections(const struct ent_engine *engine);
size_t ent_engine_pushes(const struct ent_engine *engine);
/* Tell all members BYE and hang up. */
void ent_engine_bye(struct ent_engine *engine, enum ent_err code);

#endif
