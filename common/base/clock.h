/* IN - · OUT time · OWNS nothing · THREADS any (the fake one: one) · SOURCE - */
#ifndef ENT_COMMON_BASE_CLOCK_H
#define ENT_COMMON_BASE_CLOCK_H

#include <stdint.h>

#include "common/base/err.h"

/* A clock is a value: the system's, or a fake one that a test advances. */
struct ent_clock {
    uint64_t (*mono_ms)(void *ctx); /* never goes back; deadlines */
    uint64_t (*wall_ms)(void *ctx); /* milliseconds since 1970-01-01 UTC; certificates, logs */
    void *ctx;
};

struct ent_clock ent_clock_system(void);

struct ent_clock_fake {
    uint64_t mono_ms;
    uint64_t wall_ms;
};
struct ent_clock ent_clock_of_fake(struct ent_clock_fake *fake);

uint64_t ent_clock_mono(const struct ent_clock *clock);
uint64_t ent_clock_wall(const struct ent_clock *clock);

#define ENT_TIME_TEXT_BYTES 32
/* "2026-11-24T14:02:07Z" */
void ent_time_text(uint64_t wall_ms, char out[ENT_TIME_TEXT_BYTES]);
/* "3 h 5 min", "12 s", "340 ms": two units at most, rounded down. */
void ent_duration_text(uint64_t ms, char out[ENT_TIME_TEXT_BYTES]);

#endif
