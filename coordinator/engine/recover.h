/* IN members that saw more of the log than this directory has · OUT the directory, as far as they saw it
 * OWNS connections, what they said · THREADS handler from any; the rest one
 * SOURCE audit.md 2.4 (mirrors), 2.5; store/recover.h
 *
 * `recover`: the directory is an old copy. It listens where `serve` would, answers HELLO and starts nothing. From those
 * who saw more it pulls the note that they cosigned, the leaves up to it, plans and models, proves all of it against
 * the log's key and what is here, and puts it into the store in one transaction. Until that commits nothing in the
 * directory has changed. */
#ifndef ENT_COORDINATOR_ENGINE_RECOVER_H
#define ENT_COORDINATOR_ENGINE_RECOVER_H

#include "common/net/link.h"
#include "coordinator/engine/home.h"

#define ENT_RECOVER_WAIT_DEFAULT_S 30

struct ent_recovery_options {
    struct ent_home *home; /* borrowed */
    struct ent_clock clock;
    uint64_t wait_ms; /* for members that are not here yet */
    /* What is said to the operator, a line each; NULL: to the log. */
    void (*say)(void *ctx, const char *line);
    /* Tests: instead of waiting for the links. NULL: wait. */
    void (*idle)(void *ctx);
    void *ctx;
};

struct ent_recovery;

ENT_MUST enum ent_err ent_recovery_new(const struct ent_recovery_options *options,
                                       struct ent_recovery **out);
void ent_recovery_free(struct ent_recovery *recovery); /* after its link was freed */
/* Handler of the members' listener; ctx is the recovery. */
void ent_recovery_on_main(void *ctx, struct ent_link_event *event_take);
void ent_recovery_attach(struct ent_recovery *recovery, struct ent_link *main);
/* All of it. OK: recovered, or there was nothing to recover. TIMEOUT: no member came. CORRUPT: the members' history is
 * another one than this directory's (a fork: the text names who holds what). NOT_FOUND: nobody who saw more can give
 * the leaves (or a plan). Otherwise as the store. Unless OK nothing has changed. */
ENT_MUST enum ent_err ent_recovery_run(struct ent_recovery *recovery);

/* The verb: lock, links, run. */
struct ent_recover_options {
    const char *dir;
    uint64_t wait_ms;
};
ENT_MUST enum ent_err ent_recover(const struct ent_recover_options *options);

#endif
