/* LD_PRELOADed into our programs: their wall clock stands ENTENTE_CLOCK_OFFSET_S seconds from the machine's. Waiting is
 * by the monotonic clock or relative; where a library waits until a wall time, that time is moved back. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset_s(void)
{
    const char *text =
        getenv("ENTENTE_CLOCK_OFFSET_S"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return text != NULL ? (time_t)strtoll(text, NULL, 10) : 0;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved names */
int clock_gettime(clockid_t id, struct timespec *out)
{
    int rv = (int)syscall(SYS_clock_gettime, id, out);

    if (rv == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += offset_s();
    }
    return rv;
}

time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* A deadline of more than 30 years after the start of its clock is one of the wall clock: the kernel's is not moved. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec moved = *until;

    if (next == NULL) {
        *(void **)&next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    }
    if (moved.tv_sec > 1000000000) {
        moved.tv_sec -= offset_s();
    }
    return next(cond, mutex, &moved);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
