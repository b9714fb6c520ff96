#include "tests/support/hooks.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/crypto/csprng.h"

/* The one global of the test link: its hooks have no argument to carry a context. */
static const struct ent_test_hooks *set;
static atomic_ulong passed;

void ent_test_hooks_set(const struct ent_test_hooks *hooks)
{
    set = hooks;
}

static const char *environment(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it while a program runs */
}

/* "point:3" -> 3; without a number 1. */
static unsigned long kill_at(const char *wish, size_t len)
{
    return wish[len] == ':' ? strtoul(wish + len + 1, NULL, 10) : 1;
}

static void kill_if_wished(const char *name)
{
    const char *wish = environment("ENTENTE_KILL");
    size_t len = strlen(name);

    if (wish == NULL || strncmp(wish, name, len) != 0 || (wish[len] != '\0' && wish[len] != ':')) {
        return;
    }
    if (atomic_fetch_add(&passed, 1) + 1 == kill_at(wish, len)) {
        (void)raise(SIGKILL);
    }
}

void ent_hook_point(const char *name)
{
    if (set == NULL) {
        kill_if_wished(name);
    } else if (set->point != NULL) {
        set->point(set->ctx, name);
    }
}

/* What follows the bug's name in the list; NULL: it does not stand there. */
static const char *listed(const char *list, const char *bug)
{
    size_t len = strlen(bug);

    while (list != NULL && *list != '\0') {
        if (strncmp(list, bug, len) == 0 &&
            (list[len] == '\0' || list[len] == ',' || list[len] == ':')) {
            return list + len;
        }
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    return NULL;
}

bool ent_hook_planted(const char *bug)
{
    if (set == NULL) {
        return listed(environment("ENTENTE_PLANT"), bug) != NULL;
    }
    return set->planted != NULL && set->planted(set->ctx, bug);
}

uint64_t ent_hook_number(const char *bug)
{
    const char *after;

    if (set != NULL) {
        return set->number != NULL ? set->number(set->ctx, bug) : 0;
    }
    after = listed(environment("ENTENTE_PLANT"), bug);
    return after != NULL && *after == ':' ? strtoull(after + 1, NULL, 10) : 0;
}

bool ent_hook_random(void *out, size_t len)
{
    return set != NULL && set->random != NULL && set->random(set->ctx, out, len);
}
