/* Who may have a connection. Three kinds of accepted ones are counted apart, so that none can use up what another needs:
 *
 *   strangers  nothing proved yet (or, on a listener without client certificates, ever): half_open_max. One more ends the
 *              oldest of the origin that has most of them.
 *   waiting    a certificate of ours, not admitted yet: WAITING_MAX for one certificate name, the oldest ends.
 *   admitted   what the caller agreed to; with the waiting at most connections_max.
 *
 * So who opens connections without end pushes out himself first. An origin is an IPv4 address, or the /64 of an IPv6
 * address, because that is what one machine commonly has. It is no limit of its own: members behind one address count
 * against each other only as long as their handshakes last. */
#include <string.h>

#include "common/base/log.h"
#include "common/net/nng_link.h"

#define WAITING_MAX 4

typedef bool kind_test(const struct ent_conn *c);

static bool is_stranger(const struct ent_conn *c)
{
    return c->inbound && !c->verified && !atomic_load(&c->admitted);
}

static bool is_waiting(const struct ent_conn *c)
{
    return c->inbound && c->verified && !atomic_load(&c->admitted);
}

static bool is_known(const struct ent_conn *c)
{
    return c->inbound && (c->verified || atomic_load(&c->admitted));
}

static bool is_ended(struct ent_conn *c)
{
    bool ended;

    (void)pthread_mutex_lock(&c->lock);
    ended = c->ended;
    (void)pthread_mutex_unlock(&c->lock);
    return ended;
}

static size_t count(const struct ent_nng *nng, kind_test *kind)
{
    size_t n = 0;

    for (size_t i = 0; i < nng->n_conns; i++) {
        n += kind(nng->conns[i]) && !is_ended(nng->conns[i]) ? 1 : 0;
    }
    return n;
}

/* Of one kind: from the same place. */
static bool is_same(const struct ent_conn *a, const struct ent_conn *b)
{
    return a->verified ? strcmp(a->uri, b->uri) == 0 : a->origin == b->origin;
}

static size_t count_same(const struct ent_nng *nng, kind_test *kind, const struct ent_conn *as)
{
    size_t n = 0;

    for (size_t i = 0; i < nng->n_conns; i++) {
        struct ent_conn *c = nng->conns[i];

        n += kind(c) && is_same(c, as) && !is_ended(c) ? 1 : 0;
    }
    return n;
}

/* The oldest from the place that has most of this kind; `newcomer` counts for its place, but stays. NULL: none. */
static struct ent_conn *most_crowded(const struct ent_nng *nng, kind_test *kind,
                                     const struct ent_conn *newcomer)
{
    struct ent_conn *found = NULL;
    size_t most = 0;

    for (size_t i = 0; i < nng->n_conns; i++) {
        struct ent_conn *c = nng->conns[i];
        size_t n;

        if (c == newcomer || !kind(c) || is_ended(c)) {
            continue;
        }
        n = count_same(nng, kind, c) + (kind(newcomer) && is_same(c, newcomer) ? 1 : 0);
        if (found == NULL || n > most || (n == most && c->id < found->id)) {
            found = c;
            most = n;
        }
    }
    return found;
}

static struct ent_conn *oldest_same(const struct ent_nng *nng, const struct ent_conn *newcomer)
{
    struct ent_conn *found = NULL;

    for (size_t i = 0; i < nng->n_conns; i++) {
        struct ent_conn *c = nng->conns[i];

        if (c != newcomer && is_waiting(c) && is_same(c, newcomer) && !is_ended(c) &&
            (found == NULL || c->id < found->id)) {
            found = c;
        }
    }
    return found;
}

static void give_way(struct ent_conn *c)
{
    if (c != NULL) {
        ent_conn_end(c, ENT_E_LIMIT,
                     "too many connections wait to be admitted: the oldest gives way");
    }
}

/* Ended ones stay in the table until the timer thread has torn them down, moments later: they do not count, but there is
 * an end to how many of them may wait for that. */
enum ent_err ent_room_take(struct ent_nng *nng, struct ent_conn *newcomer)
{
    const struct ent_link_limits *limits = &nng->link.limits;
    size_t all = (size_t)limits->connections_max + 2 * (size_t)limits->half_open_max;

    if (!newcomer->inbound) {
        ENT_REQUIRE(nng->n_conns < limits->connections_max, ENT_E_LIMIT,
                    "%zu connections are open, no more are allowed", nng->n_conns);
        return ENT_E_OK;
    }
    ENT_REQUIRE(nng->n_conns < all, ENT_E_LIMIT, "%zu connections are open, no more are allowed",
                nng->n_conns);
    if (count(nng, is_stranger) >= limits->half_open_max) {
        give_way(most_crowded(nng, is_stranger, newcomer));
    }
    return ENT_E_OK;
}

void ent_room_verified(struct ent_nng *nng, struct ent_conn *c, const char *uri)
{
    bool full;

    (void)pthread_mutex_lock(&nng->lock);
    (void)snprintf(c->uri, sizeof c->uri, "%s", uri);
    c->verified = true;
    if (count_same(nng, is_waiting, c) > WAITING_MAX) {
        give_way(oldest_same(nng, c));
    }
    full = count(nng, is_known) > nng->link.limits.connections_max;
    if (full) {
        struct ent_conn *other = most_crowded(nng, is_waiting, c);

        if (other != NULL) {
            give_way(other);
        } else {
            ent_conn_end(c, ENT_E_LIMIT, "all connections are in use, no more are allowed");
        }
    }
    (void)pthread_mutex_unlock(&nng->lock);
}
