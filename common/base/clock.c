#include "common/base/clock.h"

#include <inttypes.h>
#include <time.h>

static uint64_t read_ms(clockid_t id)
{
    struct timespec ts = {0};

    (void)clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t system_mono(void *ctx)
{
    (void)ctx;
    return read_ms(CLOCK_MONOTONIC);
}

static uint64_t system_wall(void *ctx)
{
    (void)ctx;
    return read_ms(CLOCK_REALTIME);
}

struct ent_clock ent_clock_system(void)
{
    return (struct ent_clock){system_mono, system_wall, NULL};
}

static uint64_t fake_mono(void *ctx)
{
    return ((struct ent_clock_fake *)ctx)->mono_ms;
}

static uint64_t fake_wall(void *ctx)
{
    return ((struct ent_clock_fake *)ctx)->wall_ms;
}

struct ent_clock ent_clock_of_fake(struct ent_clock_fake *fake)
{
    return (struct ent_clock){fake_mono, fake_wall, fake};
}

uint64_t ent_clock_mono(const struct ent_clock *clock)
{
    return clock->mono_ms(clock->ctx);
}

uint64_t ent_clock_wall(const struct ent_clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

void ent_time_text(uint64_t wall_ms, char out[ENT_TIME_TEXT_BYTES])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&t, &tm);
    (void)strftime(out, ENT_TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void ent_duration_text(uint64_t ms, char out[ENT_TIME_TEXT_BYTES])
{
    uint64_t s = ms / 1000;

    if (ms < 1000) {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "%" PRIu64 " ms", ms);
    } else if (s < 60) {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "%" PRIu64 " s", s);
    } else if (s < 3600) {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
                       s % 3600 / 60);
    } else {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
                       s % 86400 / 3600);
    }
}
