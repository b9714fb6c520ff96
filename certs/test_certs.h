/* Certificates for tests: a good set and one of each kind that must be refused. A table, so that a
 * test can loop. */
#ifndef ENT_CERTS_TEST_CERTS_H
#define ENT_CERTS_TEST_CERTS_H

#include <stdint.h>

#include "certs/certs.h"

enum ent_test_cert {
    ENT_TEST_SERVER,            /* the coordinator's, for the host given */
    ENT_TEST_SERVER_WRONG_HOST, /* for wrong.example */
    ENT_TEST_SERVER_EXPIRED,
    ENT_TEST_SERVER_OTHER_CA,
    ENT_TEST_MEMBER, /* handle 01 01 ... */
    ENT_TEST_MEMBER_2,
    ENT_TEST_MEMBER_EXPIRED,
    ENT_TEST_MEMBER_NOT_YET,
    ENT_TEST_MEMBER_REVOKED,  /* on the CRL */
    ENT_TEST_MEMBER_OTHER_CA, /* right URI, signed by another authority */
    ENT_TEST_MEMBER_NO_SAN,
    ENT_TEST_MEMBER_OTHER_FEDERATION, /* signed by ours, URI of another federation */
    ENT_TEST_SERVER_AS_CLIENT,        /* a member's URI, but serverAuth only */
    ENT_TEST_CERTS
};

/* "server", "member-expired", ...: the file names. */
const char *ent_test_cert_name(enum ent_test_cert cert);
/* What ent_cert_verify must say of it (OK where only host or URI are wrong). */
enum ent_err ent_test_cert_expected(enum ent_test_cert cert);
enum ent_cert_purpose ent_test_cert_purpose(enum ent_test_cert cert);

/* Into the (existing) directory: ca.pem ca.key, other-ca.pem other-ca.key, crl.pem, empty-crl.pem,
 * and NAME.pem NAME.key for each of the table. host: DNS name or IP of the server. Federation id:
 * all 0xfe. */
#define ENT_TEST_FEDERATION_BYTE 0xfe
ENT_MUST enum ent_err ent_test_certs_make(const char *dir, const char *host, uint64_t wall_ms);
/* "DIR/NAME.pem" and "DIR/NAME.key"; caller frees. */
ENT_MUST enum ent_err ent_test_cert_paths(const char *dir, enum ent_test_cert cert, char **pem,
                                          char **key);
/* The handle in the URI of MEMBER (1), MEMBER_2 (2) and so on: all bytes equal to the table's
 * index. */
void ent_test_cert_handle(enum ent_test_cert cert, uint8_t out[ENT_HANDLE_BYTES]);

#endif
