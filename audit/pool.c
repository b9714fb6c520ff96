#include "audit/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/crypto/sign.h"
#include "common/tlog/leaf.h"

#define RING 2048u /* jobs */
#define CHUNK 16u  /* jobs that a worker takes at once */
#define NOTES 128u /* at most so many notes are in the ring: they are large */
#define THREADS 64u

struct ent_audit_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* published grew, or stop */
    pthread_cond_t done; /* a job was finished */
    pthread_t threads[THREADS];
    unsigned n_threads;
    bool stop;
    /* All counted from the start; a job's place in the ring is its number modulo RING. */
    uint64_t filled;    /* the caller's */
    uint64_t published; /* below the lock from here on */
    uint64_t taken;
    uint64_t reaped; /* the caller's */
    bool finished[RING];
    unsigned n_notes; /* the caller's: in the ring */
    ent_audit_done_fn fn;
    void *ctx;
    struct ent_audit_job ring[RING];
};

void ent_audit_note_free(struct ent_audit_note *note)
{
    if (note != NULL) {
        ent_buf_release(&note->bytes);
        free(note);
    }
}

static size_t find_key(const struct ent_audit_note *note, const struct ent_note_line *line)
{
    for (size_t i = 0; i < note->n_keys; i++) {
        if (note->keys[i].id == line->id && strlen(note->keys[i].name) == line->name_len &&
            memcmp(note->keys[i].name, line->name, line->name_len) == 0) {
            return i;
        }
    }
    return note->n_keys;
}

static bool was_seen(const struct ent_audit_note *note, uint16_t key)
{
    for (size_t i = 0; i < note->n_cosigned; i++) {
        if (note->cosigned[i] == key) {
            return true;
        }
    }
    return false;
}

static enum ent_err check_line(struct ent_audit_note *note, const struct ent_note *parsed,
                               const struct ent_note_line *line)
{
    static const char dash[] = "\xe2\x80\x94 "; /* what a signature line begins with */
    const char *text = line->name - (sizeof dash - 1);
    size_t len = (size_t)(line->base64 + line->base64_len - text);
    size_t key = find_key(note, line);
    uint64_t time_s = 0;
    enum ent_err err;

    if (key == note->n_keys) {
        return ENT_E_OK;
    }
    err = ent_note_check_line(parsed, text, len, &note->keys[key], &time_s);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK) {
        note->bad[note->n_bad++] = (uint16_t)key;
    } else if (key == 0) {
        note->log_signed = true;
    } else if (!was_seen(note, (uint16_t)key)) {
        note->time_s[note->n_cosigned] = time_s;
        note->cosigned[note->n_cosigned++] = (uint16_t)key;
    }
    return ENT_E_OK;
}

static enum ent_err check_note(struct ent_audit_note *note)
{
    struct ent_note parsed;

    ENT_TRY(ent_note_parse((const char *)note->bytes.data, note->bytes.len, &parsed));
    for (size_t i = 0; i < parsed.n_lines; i++) {
        ENT_TRY(check_line(note, &parsed, &parsed.lines[i]));
    }
    return ENT_E_OK;
}

static void run_job(struct ent_audit_job *job)
{
    if (job->kind == ENT_AUDIT_JOB_NOTE) {
        job->err = check_note(job->note);
        return;
    }
    job->err = ent_leaf_statement_verify(job->key, (struct ent_bytes){job->header, job->header_len},
                                         job->payload_sha256, job->signature);
}

static void *work(void *arg)
{
    struct ent_audit_pool *pool = arg;

    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        uint64_t first = pool->taken;
        uint64_t n = pool->published - first;

        if (pool->stop) {
            break;
        }
        if (n == 0) {
            (void)pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        n = n < CHUNK ? n : CHUNK;
        pool->taken += n;
        (void)pthread_mutex_unlock(&pool->lock);
        for (uint64_t i = first; i < first + n; i++) {
            run_job(&pool->ring[i % RING]);
        }
        (void)pthread_mutex_lock(&pool->lock);
        for (uint64_t i = first; i < first + n; i++) {
            pool->finished[i % RING] = true;
        }
        (void)pthread_cond_signal(&pool->done);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum ent_err ent_audit_pool_start(unsigned threads, ent_audit_done_fn done, void *ctx,
                                  struct ent_audit_pool **out)
{
    struct ent_audit_pool *pool = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    ENT_TRY(ent_calloc(1, sizeof *pool, &pool));
    pool->fn = done;
    pool->ctx = ctx;
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->done, NULL);
    threads = threads > 0 ? threads : cores > 0 ? (unsigned)cores : 1;
    threads = threads < THREADS ? threads : THREADS;
    while (pool->n_threads < threads &&
           pthread_create(&pool->threads[pool->n_threads], NULL, work, pool) == 0) {
        pool->n_threads++;
    }
    if (pool->n_threads == 0) {
        ent_audit_pool_stop(pool);
        return ent_err_note(ENT_E_IO, "no thread could be started");
    }
    *out = pool;
    return ENT_E_OK;
}

static void publish(struct ent_audit_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->published = pool->filled;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
}

static enum ent_err reap_one(struct ent_audit_pool *pool)
{
    size_t at = pool->reaped % RING;
    struct ent_audit_job *job = &pool->ring[at];
    enum ent_err err;

    if (pool->published < pool->filled) {
        publish(pool);
    }
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->finished[at]) {
        (void)pthread_cond_wait(&pool->done, &pool->lock);
    }
    pool->finished[at] = false;
    (void)pthread_mutex_unlock(&pool->lock);
    pool->reaped++;
    err = job->err == ENT_E_NO_MEMORY ? job->err : pool->fn(pool->ctx, job);
    if (job->kind == ENT_AUDIT_JOB_NOTE) {
        ent_audit_note_free(job->note);
        job->note = NULL;
        pool->n_notes--;
    }
    return err;
}

enum ent_err ent_audit_pool_slot(struct ent_audit_pool *pool, struct ent_audit_job **out)
{
    while (pool->filled - pool->reaped >= RING || pool->n_notes >= NOTES) {
        ENT_TRY(reap_one(pool));
    }
    *out = &pool->ring[pool->filled % RING];
    return ENT_E_OK;
}

void ent_audit_pool_submit(struct ent_audit_pool *pool)
{
    if (pool->ring[pool->filled % RING].kind == ENT_AUDIT_JOB_NOTE) {
        pool->n_notes++;
    }
    pool->filled++;
    if (pool->filled - pool->published >= CHUNK) {
        publish(pool);
    }
}

enum ent_err ent_audit_pool_drain(struct ent_audit_pool *pool)
{
    while (pool->reaped < pool->filled) {
        ENT_TRY(reap_one(pool));
    }
    return ENT_E_OK;
}

void ent_audit_pool_stop(struct ent_audit_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++) {
        (void)pthread_join(pool->threads[i], NULL);
    }
    for (; pool->reaped < pool->filled; pool->reaped++) {
        struct ent_audit_job *job = &pool->ring[pool->reaped % RING];

        if (job->kind == ENT_AUDIT_JOB_NOTE) {
            ent_audit_note_free(job->note);
        }
    }
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
