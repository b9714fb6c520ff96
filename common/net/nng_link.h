/* The inside of link_nng: what link_nng.c, conn*.c and timer.c share. */
#ifndef ENT_COMMON_NET_NNG_LINK_H
#define ENT_COMMON_NET_NNG_LINK_H

#include <pthread.h>

#include "common/net/conn.h"

struct ent_nng {
    struct ent_link link; /* first: the link is this */
    struct ent_tls *tls;
    char *server_name;    /* instead of the dialed host; NULL: none */
    pthread_mutex_t lock; /* conns, stopping, accept_* */
    struct ent_conn **conns;
    size_t n_conns;
    size_t cap_conns;
    nng_stream_listener *listener;
    nng_aio *accept_aio;
    bool accept_again; /* the last accept failed: the timer tries again */
    bool stopping;

    pthread_t timer;
    pthread_t worker;
    pthread_mutex_t wake_lock; /* the rest; taken last, nothing is taken under it */
    pthread_cond_t wake;       /* timer */
    pthread_cond_t work;       /* worker */
    pthread_cond_t gone;       /* ent_link_free: no connection is left */
    bool woken;
    bool quit;
    struct ent_conn *
        *jobs; /* file sinks to finish, first come first served; one a connection at most */
    size_t n_jobs;
};

/* timer.c */
void ent_timer_init(struct ent_nng *nng);
void ent_timer_release(struct ent_nng *nng);
ENT_MUST enum ent_err ent_timer_start(struct ent_nng *nng);
void ent_timer_stop(struct ent_nng *nng);
void ent_timer_wake(struct ent_nng *nng); /* look again now */
void ent_timer_finish_file(struct ent_nng *nng,
                           struct ent_conn *c); /* fsync is not for nng's threads */

/* room.c */
/* Whether one more may come, under the link's lock; an older one may have to give way. LIMIT. */
ENT_MUST enum ent_err ent_room_take(struct ent_nng *nng, struct ent_conn *newcomer);
/* An accepted connection has shown a certificate of ours: it is no stranger any more. */
void ent_room_verified(struct ent_nng *nng, struct ent_conn *c, const char *uri);

/* link_nng.c */
void ent_nng_accept(struct ent_nng *nng); /* post one accept */

#endif
