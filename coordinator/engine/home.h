/* IN DIR · OUT its configuration, keys and store, opened together · OWNS all of them and DIR's lock
 * THREADS one at a time; keys may sign on any · SOURCE protocol.md 3; ARCHITECTURE.md "Keys, and who proves what"
 *
 * A federation's directory (0700):
 *
 *   federation.yaml            the operator's settings
 *   federation.db models/ updates/    the store's
 *   ca.pem crl.pem             authority and newest revocation list
 *   coordinator.pem enroll.pem certificates of the two listeners
 *   keys/{ca,coordinator,enroll,log}.key   0600
 *   offline/root.key           to be moved away: it signs nothing in daily work
 *   control.sock lock          while a program holds the directory */
#ifndef ENT_COORDINATOR_ENGINE_HOME_H
#define ENT_COORDINATOR_ENGINE_HOME_H

#include "certs/certs.h"
#include "common/base/clock.h"
#include "common/crypto/sign.h"
#include "common/plan/federation.h"
#include "coordinator/store/store.h"

struct ent_home {
    char *dir;
    int lock_fd;
    struct ent_federation_config *config;
    uint8_t config_sha256[ENT_SHA256_BYTES]; /* of federation.yaml */
    struct ent_store *store;
    struct ent_sign_key *log_key;
    uint8_t log_pub[ENT_SIGN_PUB_BYTES];
    uint8_t root_pub[ENT_SIGN_PUB_BYTES];
    struct ent_tls_key *ca_key;
    struct ent_cert *ca;
    struct ent_certs_issuer issuer; /* borrows ca and ca_key; federation id */
    uint8_t
        enroll_sha256[ENT_SHA256_BYTES]; /* fingerprint of the enrolment listener's certificate */
    struct ent_buf crl;                  /* newest, DER */
    uint64_t crl_made_ms;                /* wall */
    uint64_t crl_number;                 /* of the newest list ever made; never goes back */
};

/* Takes DIR's lock (BUSY when another program holds it) and opens everything. NOT_FOUND: no federation there. */
ENT_MUST enum ent_err ent_home_open(const char *dir, const struct ent_clock *clock,
                                    struct ent_home **out);
void ent_home_close(struct ent_home *home);

/* A new revocation list out of the store, into crl.pem and home->crl. */
ENT_MUST enum ent_err ent_home_make_crl(struct ent_home *home, uint64_t wall_ms);
/* The same when the one there is a day old (or missing). *made may be NULL. */
ENT_MUST enum ent_err ent_home_renew_crl(struct ent_home *home, uint64_t wall_ms, bool *made);

/* "HOST:PORT" that members dial: federation.yaml's host and the port that was chosen or configured. setting: the key
 * under which a chosen port was stored. USAGE when port 0 was configured and nothing was chosen yet. */
#define ENT_HOME_LISTEN "listen_port"
#define ENT_HOME_ENROLL "enroll_port"
#define ENT_HOME_ADDRESS_MAX 262
ENT_MUST enum ent_err ent_home_address(const struct ent_home *home, const char *setting,
                                       char out[ENT_HOME_ADDRESS_MAX]);

/* init. */
struct ent_setup_options {
    const char *dir;
    const char *name;
    const char *host;
    const char *listen;        /* NULL: 0.0.0.0:7443 */
    const char *enroll_listen; /* NULL: 0.0.0.0:7444 */
    struct ent_clock clock;
};
/* What the operator writes down. */
struct ent_setup_result {
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t root_pub[ENT_SIGN_PUB_BYTES];
    uint8_t log_pub[ENT_SIGN_PUB_BYTES];
    uint8_t ca_sha256[ENT_SHA256_BYTES];
    uint8_t enroll_sha256[ENT_SHA256_BYTES];
    uint8_t genesis_sha256[ENT_SHA256_BYTES]; /* hash of the log's first leaf */
    char origin[ENT_FEDERATION_ORIGIN_BYTES]; /* of the log */
};
/* Makes DIR whole or not at all. EXISTS when DIR is there. */
ENT_MUST enum ent_err ent_setup_init(const struct ent_setup_options *options,
                                     struct ent_setup_result *out);

#endif
