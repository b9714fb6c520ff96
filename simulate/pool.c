#include "simulate/pool.h"

#include <pthread.h>
#include <unistd.h>

#define MESSAGE_BYTES 512

struct pool {
    const struct ent_pool_work *work;
    pthread_mutex_t lock;
    uint32_t next;
    enum ent_err err;
    char message[MESSAGE_BYTES]; /* a thread's note ends with it */
};

struct hand {
    struct pool *pool;
    uint32_t worker;
    pthread_t thread;
};

static bool take(struct pool *p, uint32_t *item)
{
    bool more;

    (void)pthread_mutex_lock(&p->lock);
    more = p->err == ENT_E_OK && p->next < p->work->n_items;
    if (more) {
        *item = p->next++;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return more;
}

static void fail(struct pool *p, enum ent_err err)
{
    (void)pthread_mutex_lock(&p->lock);
    if (p->err == ENT_E_OK) {
        p->err = err;
        (void)snprintf(p->message, sizeof p->message, "%s", ent_err_message());
    }
    (void)pthread_mutex_unlock(&p->lock);
}

static void *hand_main(void *arg)
{
    struct hand *hand = arg;
    const struct ent_pool_work *work = hand->pool->work;
    uint32_t item = 0;

    while (take(hand->pool, &item)) {
        enum ent_err err = work->item(work->ctx, hand->worker, item);

        if (err != ENT_E_OK) {
            fail(hand->pool, err);
        }
    }
    return NULL;
}

enum ent_err ent_pool_run(const struct ent_pool_work *work)
{
    struct pool pool = {.work = work};
    struct hand hands[ENT_POOL_THREADS_MAX];
    uint32_t n = work->threads < work->n_items ? work->threads : work->n_items;
    uint32_t started = 0;

    ENT_REQUIRE(work->threads >= 1 && work->threads <= ENT_POOL_THREADS_MAX, ENT_E_USAGE,
                "threads must be 1 to %d", ENT_POOL_THREADS_MAX);
    ENT_REQUIRE(pthread_mutex_init(&pool.lock, NULL) == 0, ENT_E_NO_MEMORY, "no lock to be had");
    for (uint32_t i = 1; i < n; i++) { /* fewer threads are slower, not wrong */
        hands[i] = (struct hand){.pool = &pool, .worker = i};
        if (pthread_create(&hands[i].thread, NULL, hand_main, &hands[i]) != 0) {
            break;
        }
        started = i;
    }
    hands[0] = (struct hand){.pool = &pool, .worker = 0};
    (void)hand_main(&hands[0]);
    for (uint32_t i = 1; i <= started; i++) {
        (void)pthread_join(hands[i].thread, NULL);
    }
    (void)pthread_mutex_destroy(&pool.lock);
    return pool.err == ENT_E_OK ? ENT_E_OK : ent_err_note(pool.err, "%s", pool.message);
}

uint32_t ent_pool_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > ENT_POOL_THREADS_MAX ? ENT_POOL_THREADS_MAX : (uint32_t)n;
}
