#include "common/step/noise.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/secret.h"
#include "common/privacy/dgauss.h"

enum chunk_state { CHUNK_NOT_KEPT, CHUNK_KEPT };

struct ent_step_noise {
    uint64_t sigma2;
    uint64_t dim;
    struct ent_secret key;
    int64_t divisor; /* 1; else a planted fault */

    pthread_mutex_t lock; /* of `running` and joining */
    pthread_t thread;
    bool started;
    bool running;
    atomic_bool stop;
    /* the thread's, and after it has ended anybody's to read */
    enum ent_err err;
    uint64_t n_kept; /* coordinates that there is room for: whole chunks, or all */
    int32_t *kept;
    uint8_t *state; /* enum chunk_state of each of them */
};

/* The planted fault of the privacy audit: noise that is divided by the number of members before the mean divides by it
 * once more. Always 1 outside the test link. */
static int64_t planted_divisor(void)
{
    uint64_t by = ENT_HOOK_NUMBER("noise-divided-by");

    return by == 0 || by > INT32_MAX ? 1 : (int64_t)by;
}

enum ent_err ent_step_noise_new(uint64_t sigma2, const uint8_t key[ENT_STEP_NOISE_KEY_BYTES],
                                uint64_t dim, struct ent_step_noise **out)
{
    struct ent_step_noise *n = NULL;
    enum ent_err err;

    ENT_TRY(ent_dgauss_check(sigma2));
    ENT_REQUIRE(dim > 0 && dim <= SIZE_MAX / sizeof(int64_t), ENT_E_RANGE,
                "noise of %llu coordinates", (unsigned long long)dim);
    ENT_TRY(ent_calloc(1, sizeof *n, &n));
    n->sigma2 = sigma2;
    n->dim = dim;
    n->divisor = planted_divisor();
    atomic_init(&n->stop, false);
    if (pthread_mutex_init(&n->lock, NULL) != 0) {
        free(n);
        return ent_err_note(ENT_E_INTERNAL, "no lock for the noise");
    }
    err = ent_secret_init(&n->key, ENT_STEP_NOISE_KEY_BYTES);
    if (err != ENT_E_OK) {
        ent_step_noise_free(n);
        return err;
    }
    memcpy(n->key.bytes, key, ENT_STEP_NOISE_KEY_BYTES);
    *out = n;
    return ENT_E_OK;
}

/* Chunk `at` of the vector; *len: how many coordinates it has. */
static enum ent_err draw_chunk(const struct ent_step_noise *n, uint64_t at,
                               int64_t out[ENT_DGAUSS_CHUNK], size_t *len)
{
    uint64_t first = at * ENT_DGAUSS_CHUNK;

    *len = n->dim - first < ENT_DGAUSS_CHUNK ? (size_t)(n->dim - first) : ENT_DGAUSS_CHUNK;
    ENT_TRY(ent_dgauss_fill(n->key.bytes, n->sigma2, first, out, *len));
    for (size_t i = 0; i < *len && n->divisor != 1; i++) {
        out[i] /= n->divisor;
    }
    return ENT_E_OK;
}

/* ---- ahead, on a thread ---- */

static enum chunk_state keep(int32_t *to, const int64_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (from[i] < INT32_MIN || from[i] > INT32_MAX) {
            return CHUNK_NOT_KEPT;
        }
        to[i] = (int32_t)from[i];
    }
    return CHUNK_KEPT;
}

static void *draw_ahead(void *arg)
{
    struct ent_step_noise *n = arg;
    int64_t chunk[ENT_DGAUSS_CHUNK];
    size_t len = 0;

    for (uint64_t at = 0; at * ENT_DGAUSS_CHUNK < n->n_kept && !atomic_load(&n->stop); at++) {
        n->err = ENT_HOOK_PLANTED("noise-thread-fails") ? ENT_E_INTERNAL
                                                        : draw_chunk(n, at, chunk, &len);
        if (n->err != ENT_E_OK) {
            break;
        }
        n->state[at] = (uint8_t)keep(n->kept + at * ENT_DGAUSS_CHUNK, chunk, len);
    }
    ent_cleanse(chunk, sizeof chunk);
    return NULL;
}

/* How many coordinates are kept; a test lowers the limit to meet it with a short vector. */
static uint64_t room(uint64_t dim)
{
    uint64_t most = ENT_HOOK_NUMBER("noise-keeps");

    most = most != 0 ? most - most % ENT_DGAUSS_CHUNK : ENT_STEP_NOISE_KEPT; /* whole chunks */
    return dim < most ? dim : most;
}

enum ent_err ent_step_noise_start(struct ent_step_noise *n)
{
    if (n->started) {
        return ENT_E_OK;
    }
    n->n_kept = room(n->dim);
    ENT_TRY(ent_calloc((size_t)n->n_kept + 1, sizeof *n->kept, &n->kept));
    ENT_TRY(ent_calloc((size_t)(n->n_kept / ENT_DGAUSS_CHUNK + 1), 1, &n->state));
    ENT_REQUIRE(pthread_create(&n->thread, NULL, draw_ahead, n) == 0, ENT_E_INTERNAL,
                "no thread to draw noise on");
    n->started = true;
    n->running = true;
    return ENT_E_OK;
}

static void join(struct ent_step_noise *n)
{
    (void)pthread_mutex_lock(&n->lock);
    if (n->running) {
        (void)pthread_join(n->thread, NULL);
        n->running = false;
    }
    (void)pthread_mutex_unlock(&n->lock);
}

enum ent_err ent_step_noise_wait(struct ent_step_noise *n)
{
    join(n);
    ENT_REQUIRE(n->err == ENT_E_OK, n->err, "the noise could not be drawn: nothing is summed");
    return ENT_E_OK;
}

/* ---- windows ---- */

static enum ent_err add(int64_t *sum, int64_t noise, uint64_t at)
{
    ENT_REQUIRE(!__builtin_add_overflow(*sum, noise, sum), ENT_E_RANGE,
                "sum and noise of place %llu do not fit 64 bits: lower scale_bits",
                (unsigned long long)at);
    return ENT_E_OK;
}

static enum ent_err add_kept(const struct ent_step_noise *n, uint64_t first, int64_t *sum,
                             size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ENT_TRY(add(&sum[i], n->kept[first + i], first + i));
    }
    return ENT_E_OK;
}

static enum ent_err add_drawn(const struct ent_step_noise *n, uint64_t first, int64_t *sum,
                              size_t len)
{
    int64_t chunk[ENT_DGAUSS_CHUNK];
    size_t within = (size_t)(first % ENT_DGAUSS_CHUNK);
    size_t drawn = 0;
    enum ent_err err = draw_chunk(n, first / ENT_DGAUSS_CHUNK, chunk, &drawn);

    for (size_t i = 0; i < len && err == ENT_E_OK; i++) {
        err = add(&sum[i], chunk[within + i], first + i);
    }
    ent_cleanse(chunk, sizeof chunk);
    return err;
}

static bool is_kept(const struct ent_step_noise *n, uint64_t at)
{
    return at < n->n_kept && n->state[at / ENT_DGAUSS_CHUNK] == CHUNK_KEPT;
}

enum ent_err ent_step_noise_window(struct ent_step_noise *n, uint64_t first, int64_t *sum,
                                   size_t len)
{
    ENT_REQUIRE(first <= n->dim && len <= n->dim - first, ENT_E_RANGE,
                "noise of %llu coordinates is asked for %zu from place %llu on",
                (unsigned long long)n->dim, len, (unsigned long long)first);
    ENT_TRY(ent_step_noise_wait(n));
    for (size_t done = 0; done < len;) {
        uint64_t at = first + done;
        size_t left = (size_t)(ENT_DGAUSS_CHUNK - at % ENT_DGAUSS_CHUNK);
        size_t part = len - done < left ? len - done : left;

        ENT_TRY((is_kept(n, at) ? add_kept : add_drawn)(n, at, sum + done, part));
        done += part;
    }
    return ENT_E_OK;
}

void ent_step_noise_free(struct ent_step_noise *n)
{
    if (n == NULL) {
        return;
    }
    atomic_store(&n->stop, true);
    join(n);
    if (n->kept != NULL) {
        ent_cleanse(n->kept, (size_t)n->n_kept * sizeof *n->kept);
    }
    free(n->kept);
    free(n->state);
    ent_secret_release(&n->key);
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
}
