/* OpenSSL as nng's TLS engine, and what nng's options cannot carry: settings in, peer and first
 * failure out, both through a thread-local while nng calls the engine on the caller's own thread
 * (transport.md, "Which member", "Settings"). */
#ifndef ENT_COMMON_NET_TLS_ENGINE_H
#define ENT_COMMON_NET_TLS_ENGINE_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "common/net/tls_openssl.h"

/* After the first nng call (a registration before it is undone); again after each nng_fini.
 * INTERNAL. */
ENT_MUST enum ent_err ent_tls_engine_register(void);

/* A config for nng that uses `tls` (referenced until the last connection made with it is freed).
 * host: dialers. */
ENT_MUST enum ent_err ent_tls_engine_config(struct ent_tls *tls, bool server, const char *host,
                                            nng_tls_config **out);

/* Before each accept and dial: nng makes a connection object for it. */
void ent_tls_engine_posted(void);
/* Connection objects that nng has not freed yet. */
size_t ent_tls_engine_live(void);

struct ent_tls_report {
    bool done;        /* handshake over and the peer verified: peer is set, but for its address */
    enum ent_err why; /* first failure; OK: none so far */
    char text[ENT_TLS_TEXT_BYTES];
    struct ent_peer peer;
};
void ent_tls_engine_look(nng_stream *stream, struct ent_tls_report *out);

/* Counters of record bytes that came and went, and whether TLS failed here (nng is not told, so
 * that the alert reaches the peer: the link closes a moment later). Valid until the stream is
 * freed. */
struct ent_tls_progress {
    const atomic_uint_least64_t *rx;
    const atomic_uint_least64_t *tx;
    const atomic_bool *failed;
    struct ent_tls_conn *tls; /* recv_min and taste may be set before a receive */
};
struct ent_tls_progress ent_tls_engine_progress(nng_stream *stream);

#endif
