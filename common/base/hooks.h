/* IN the name of a point · OUT nothing, or a test's behaviour · OWNS nothing · THREADS any · SOURCE
 * protocol.md 6
 *
 * Kill points, planted bugs and injected randomness exist only in the test link: programs built
 * with ENT_TEST_LINK and linked with tests/support/hooks.c. In the ordinary programs these are
 * empty and no such code is in them. */
#ifndef ENT_COMMON_BASE_HOOKS_H
#define ENT_COMMON_BASE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef ENT_TEST_LINK
void ent_hook_point(const char *name);     /* may not return (kill -9 at this point) */
bool ent_hook_planted(const char *bug);    /* whether this bug is planted */
uint64_t ent_hook_number(const char *bug); /* of a bug that has a size; 0: not planted */
#define ENT_HOOK_POINT(name_) ent_hook_point(name_)
#define ENT_HOOK_PLANTED(name_) ent_hook_planted(name_)
#define ENT_HOOK_NUMBER(name_) ent_hook_number(name_)
#else
#define ENT_HOOK_POINT(name_) ((void)0)
#define ENT_HOOK_PLANTED(name_) (false)
#define ENT_HOOK_NUMBER(name_) ((uint64_t)0)
#endif

#endif
