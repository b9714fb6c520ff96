/* IN federation.yaml · OUT the operator's settings · OWNS the parsed struct · THREADS any
 * (immutable after parsing) SOURCE protocol.md 5 */
#ifndef ENT_COMMON_PLAN_FEDERATION_H
#define ENT_COMMON_PLAN_FEDERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

struct ent_federation_config {
    struct ent_arena arena;
    const char *name;          /* of the federation: letters, digits, '-', '_', '.' */
    const char *host;          /* the name that members dial and that stands in the certificate */
    const char *listen;        /* ADDRESS:PORT; port 0: chosen at first serve, then stored */
    const char *enroll_listen; /* ADDRESS:PORT of the enrolment listener */
    uint32_t min_members;      /* a plan with fewer is refused */
    uint32_t members;          /* most members that can be enrolled */
    uint64_t update_bytes;     /* largest update accepted */
    uint64_t memory_bytes;     /* grant budget: larger uploads go to files as they arrive */
    uint64_t handshake_ms;
    uint64_t idle_ms;
    uint64_t plain_ms; /* updates are kept unsealed for so long; 0: not */
    /* What the operator states under Art. 30 GDPR; "" where nothing is said. */
    bool has_processing;
    const char *purpose;
    const char *lawful_basis;
    const char *categories;
    const char *recipients;
    const char *transfers;
    uint32_t log_months;  /* the log is kept; 0: not stated */
    const char *document; /* SHA-256 in hex; "" */
    const char *dpia;     /* likewise */
};

ENT_MUST enum ent_err ent_federation_config_parse(const char *name, const uint8_t *yaml, size_t len,
                                                  struct ent_federation_config **out);
ENT_MUST enum ent_err ent_federation_config_read(const char *path,
                                                 struct ent_federation_config **out);
void ent_federation_config_free(struct ent_federation_config *config);

/* The commented federation.yaml that `init` writes. NULL listen or enroll_listen: 0.0.0.0:7443 and
 * 0.0.0.0:7444. CONFIG when a value would not be accepted back. */
ENT_MUST enum ent_err ent_federation_config_text(const char *name, const char *host,
                                                 const char *listen, const char *enroll_listen,
                                                 struct ent_buf *out);

/* The origin of the federation's log: HOST/SLUG of its name (lower case letters, digits, '-'). */
#define ENT_FEDERATION_ORIGIN_BYTES 320
void ent_federation_origin(const char *host, const char *name,
                           char out[ENT_FEDERATION_ORIGIN_BYTES]);

/* Letters, digits, '-', '_' and '.', not beginning with '.': what names a federation, and a member in an invitation. */
bool ent_federation_name_ok(const char *name);

#endif
