/* IN what enrolment gave · OUT the member's files · OWNS the loaded identity · THREADS any (immutable)
 * SOURCE protocol.md 3
 *
 *   DIR/member.json          who this member is: names, ids, addresses, pinned public keys; written last
 *   DIR/keys/tls.pem         TLS key and certificate in one file, so that renewal swaps both at once
 *   DIR/keys/statement.key   signs every envelope
 *   DIR/keys/witness.key     cosigns the log; may be moved to another machine
 *   DIR/ca.pem DIR/crl.pem   the federation's authority and its newest revocation list */
#ifndef ENT_CLIENT_AGENT_IDENTITY_H
#define ENT_CLIENT_AGENT_IDENTITY_H

#include <stdint.h>

#include "certs/certs.h"
#include "common/base/buf.h"
#include "common/crypto/sign.h"
#include "common/crypto/x509.h"
#include "common/schema/limits.h"

struct ent_identity {
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handle[ENT_HANDLE_BYTES];
    char name[ENT_WIRE_NAME_MAX_BYTES + 1]; /* in the roster */
    char federation_name[ENT_WIRE_NAME_MAX_BYTES + 1];
    char address[ENT_WIRE_TEXT_MAX_BYTES + 1]; /* main listener, HOST:PORT */
    uint8_t log_pub[ENT_SIGN_PUB_BYTES];
    uint8_t root_pub[ENT_SIGN_PUB_BYTES];
    struct ent_sign_key *statement;
};

/* Everything that `enroll` has to leave behind, but for state and client.yaml. */
struct ent_identity_files {
    const struct ent_identity *identity; /* statement is saved */
    const struct ent_sign_key *witness;
    const struct ent_tls_key *tls_key;
    const struct ent_cert *cert;
    const struct ent_cert *ca;
    const struct ent_crl *crl;
};
/* Into an existing directory. EXISTS when one of them is there. */
ENT_MUST enum ent_err ent_identity_write(const char *dir, const struct ent_identity_files *files);

bool ent_identity_exists(const char *dir);
/* NOT_FOUND: not enrolled. PERMISSION, CORRUPT. */
ENT_MUST enum ent_err ent_identity_read(const char *dir, struct ent_identity *out);
void ent_identity_release(struct ent_identity *identity);

/* DIR/keys/tls.pem, whole (for the link) and its certificate's times. */
ENT_MUST enum ent_err ent_identity_tls_read(const char *dir, struct ent_buf *pem);
ENT_MUST enum ent_err ent_identity_cert_info(const char *dir, struct ent_cert_info *out);
/* Old or new pair, never a mixture. pem gets the new file's content. */
ENT_MUST enum ent_err ent_identity_tls_swap(const char *dir, const struct ent_tls_key *key,
                                            const struct ent_cert *cert, struct ent_buf *pem);

#endif
