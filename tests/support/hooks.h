/* IN the environment, or a test's functions · OUT what common/base/hooks.h promises the test link
 * OWNS the functions set, counters · THREADS any (set: before others start) · SOURCE protocol.md 6
 *
 * Programs of the test link listen to two variables:
 *
 *   ENTENTE_KILL=POINT[:N]     SIGKILL itself when it passes that point for the N-th time (1)
 *   ENTENTE_PLANT=BUG[,BUG]    these bugs are planted; one that has a size: BUG:NUMBER
 *
 * A test in the same process sets functions of its own instead. */
#ifndef ENT_TESTS_SUPPORT_HOOKS_H
#define ENT_TESTS_SUPPORT_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ent_test_hooks {
    void (*point)(void *ctx, const char *name);             /* NULL: nothing */
    bool (*planted)(void *ctx, const char *bug);            /* NULL: none is */
    uint64_t (*number)(void *ctx, const char *bug);         /* NULL: 0, not planted */
    bool (*random)(void *ctx, void *out, size_t len_bytes); /* NULL, or false: the system's */
    void *ctx;
};

/* NULL: the environment's again. Borrowed until the next call. */
void ent_test_hooks_set(const struct ent_test_hooks *hooks);

#endif
