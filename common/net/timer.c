#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/net/nng_link.h"

#define SCAN_MS 100

/* Deadlines are ours: nng's timeouts do not end a send that waits for the handshake, nor a
 * receive on a stream whose socket died (traps 1, 2). So one thread looks at every connection
 * each 100 ms, and tears down those that ended. */

void ent_timer_wake(struct ent_nng *nng)
{
    (void)pthread_mutex_lock(&nng->wake_lock);
    nng->woken = true;
    (void)pthread_cond_signal(&nng->wake);
    (void)pthread_mutex_unlock(&nng->wake_lock);
}

/* Until woken, or SCAN_MS went by; false: quit. */
static bool wait_for_scan(struct ent_nng *nng)
{
    struct timespec until;
    bool go_on;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SCAN_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&nng->wake_lock);
    while (!nng->woken && !nng->quit &&
           pthread_cond_timedwait(&nng->wake, &nng->wake_lock, &until) != ETIMEDOUT) {
    }
    nng->woken = false;
    go_on = !nng->quit;
    (void)pthread_mutex_unlock(&nng->wake_lock);
    return go_on;
}

static void forget(struct ent_nng *nng, const struct ent_conn *c)
{
    for (size_t i = 0; i < nng->n_conns; i++) {
        if (nng->conns[i] == c) {
            nng->conns[i] = nng->conns[--nng->n_conns];
            return;
        }
    }
}

/* The table may grow and other threads may look into it while a connection is torn down, so it
 * is walked by id order of a snapshot; this thread alone removes. */
static size_t snapshot(struct ent_nng *nng, struct ent_conn ***scratch, size_t *cap)
{
    size_t n;

    (void)pthread_mutex_lock(&nng->lock);
    n = nng->n_conns;
    if (ent_grow(scratch, cap, n, sizeof(struct ent_conn *)) != ENT_E_OK) {
        n = *cap; /* the others at the next scan */
    }
    for (size_t i = 0; *scratch != NULL && i < n; i++) {
        (*scratch)[i] = nng->conns[i];
    }
    (void)pthread_mutex_unlock(&nng->lock);
    return n;
}

static void scan(struct ent_nng *nng, struct ent_conn **conns, size_t n)
{
    uint64_t now_ms = ent_clock_mono(&nng->link.clock);

    for (size_t i = 0; conns != NULL && i < n; i++) {
        if (!ent_conn_tick(conns[i], now_ms)) {
            continue;
        }
        (void)pthread_mutex_lock(&nng->lock);
        forget(nng, conns[i]);
        (void)pthread_mutex_unlock(&nng->lock);
        ent_conn_tear_down(conns[i]);
        ent_conn_unref(conns[i]);
        (void)pthread_mutex_lock(&nng->lock);
        (void)pthread_cond_broadcast(&nng->gone);
        (void)pthread_mutex_unlock(&nng->lock);
    }
}

static void accept_again(struct ent_nng *nng)
{
    bool again;

    (void)pthread_mutex_lock(&nng->lock);
    again = nng->accept_again && !nng->stopping;
    nng->accept_again = false;
    (void)pthread_mutex_unlock(&nng->lock);
    if (again) {
        ent_nng_accept(nng);
    }
}

static void *timer_main(void *arg)
{
    struct ent_nng *nng = arg;
    struct ent_conn **scratch = NULL;
    size_t cap = 0;

    while (wait_for_scan(nng)) {
        scan(nng, scratch, snapshot(nng, &scratch, &cap));
        accept_again(nng);
    }
    free(scratch);
    return NULL;
}

void ent_timer_finish_file(struct ent_nng *nng, struct ent_conn *c)
{
    (void)pthread_mutex_lock(&nng->wake_lock);
    nng->jobs[nng->n_jobs++] = c;
    (void)pthread_cond_signal(&nng->work);
    (void)pthread_mutex_unlock(&nng->wake_lock);
}

static struct ent_conn *next_job(struct ent_nng *nng)
{
    struct ent_conn *c = NULL;

    (void)pthread_mutex_lock(&nng->wake_lock);
    while (nng->n_jobs == 0 && !nng->quit) {
        (void)pthread_cond_wait(&nng->work, &nng->wake_lock);
    }
    if (nng->n_jobs > 0) {
        c = nng->jobs[0];
        nng->n_jobs--;
        memmove(nng->jobs, nng->jobs + 1, nng->n_jobs * sizeof(struct ent_conn *));
    }
    (void)pthread_mutex_unlock(&nng->wake_lock);
    return c;
}

/* fsync waits for a disk, and nng's four threads carry every connection: so files are finished
 * here. */
static void *worker_main(void *arg)
{
    struct ent_nng *nng = arg;
    struct ent_conn *c;

    while ((c = next_job(nng)) != NULL) {
        ent_conn_recv_finish(c);
    }
    return NULL;
}

void ent_timer_init(struct ent_nng *nng)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&nng->wake_lock, NULL);
    (void)pthread_cond_init(&nng->work, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&nng->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void ent_timer_release(struct ent_nng *nng)
{
    free(nng->jobs);
    (void)pthread_cond_destroy(&nng->wake);
    (void)pthread_cond_destroy(&nng->work);
    (void)pthread_mutex_destroy(&nng->wake_lock);
}

enum ent_err ent_timer_start(struct ent_nng *nng)
{
    /* A connection has one job at most. */
    ENT_TRY(ent_calloc(nng->link.limits.connections_max, sizeof(struct ent_conn *), &nng->jobs));
    ENT_REQUIRE(pthread_create(&nng->timer, NULL, timer_main, nng) == 0, ENT_E_NO_MEMORY,
                "no thread for the link's deadlines");
    if (pthread_create(&nng->worker, NULL, worker_main, nng) != 0) {
        nng->quit = true;
        ent_timer_wake(nng);
        (void)pthread_join(nng->timer, NULL);
        return ent_err_note(ENT_E_NO_MEMORY, "no thread for the link's files");
    }
    return ENT_E_OK;
}

void ent_timer_stop(struct ent_nng *nng)
{
    (void)pthread_mutex_lock(&nng->wake_lock);
    nng->quit = true;
    (void)pthread_cond_signal(&nng->wake);
    (void)pthread_cond_signal(&nng->work);
    (void)pthread_mutex_unlock(&nng->wake_lock);
    (void)pthread_join(nng->timer, NULL);
    (void)pthread_join(nng->worker, NULL);
}
