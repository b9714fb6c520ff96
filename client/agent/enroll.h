/* IN a token · OUT an enrolled member's directory · OWNS the keys until they are files · THREADS one
 * SOURCE protocol.md 3
 *
 * All three keys and the first nonce are made here. Everything is built in DIR/enrolling, and moved into DIR once the
 * coordinator has answered; on failure nothing is left behind. (The token is dead either way: it dies on its first
 * use.) */
#ifndef ENT_CLIENT_AGENT_ENROLL_H
#define ENT_CLIENT_AGENT_ENROLL_H

#include <stdint.h>

#include "certs/token.h"
#include "common/base/clock.h"
#include "common/net/link.h"
#include "common/schema/limits.h"

struct ent_enroll;

struct ent_enroll_options {
    const char *dir; /* made (0700) when it is not there */
    struct ent_token token;
    const char *name; /* what the member calls itself; NULL: the roster's name holds */
    struct ent_clock clock;
    /* A link that trusts exactly the server certificate with this SHA-256. NULL: TLS; otherwise a test's. */
    enum ent_err (*open)(void *ctx, const uint8_t pin[ENT_SHA256_BYTES], ent_link_handler handler,
                         void *handler_ctx, struct ent_link **out);
    void *ctx;
};

struct ent_enroll_result {
    char name[ENT_WIRE_NAME_MAX_BYTES + 1];
    char federation_name[ENT_WIRE_NAME_MAX_BYTES + 1];
    char address[ENT_WIRE_TEXT_MAX_BYTES + 1];
    bool config_written; /* false: a client.yaml was there already and stays */
};

/* EXISTS: a member is enrolled in DIR. EXPIRED: the token. Keys are made and the request is on its way. */
ENT_MUST enum ent_err ent_enroll_new(const struct ent_enroll_options *options,
                                     struct ent_enroll **out);
/* Take what arrived. *done: the result is there. An error ends it: TOKEN, EXPIRED, NET, TLS, TIMEOUT, ... */
ENT_MUST enum ent_err ent_enroll_step(struct ent_enroll *enroll, bool *done,
                                      struct ent_enroll_result *result);
/* Wait for something to take, at most this long. */
void ent_enroll_wait(struct ent_enroll *enroll, uint64_t max_ms);
/* Removes what was not finished. */
void ent_enroll_free(struct ent_enroll *enroll);

/* new, steps until done, free. */
ENT_MUST enum ent_err ent_enroll_run(const struct ent_enroll_options *options,
                                     struct ent_enroll_result *result);

#endif
