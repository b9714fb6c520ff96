#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field enroll_request_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_enroll_request, 1, secret),
    ENT_SCHEMA_BYTES(ent_msg_enroll_request, 2, csr, 1, ENT_WIRE_CERT_MAX_BYTES),
    ENT_SCHEMA_FIXED(ent_msg_enroll_request, 3, statement_pub),
    ENT_SCHEMA_FIXED(ent_msg_enroll_request, 4, witness_pub),
    ENT_SCHEMA_FIXED(ent_msg_enroll_request, 5, nonce_commit),
    ENT_SCHEMA_NAME(ent_msg_enroll_request, 6, name, 0),
    ENT_SCHEMA_U64(ent_msg_enroll_request, 7, time_ms, 0, UINT64_MAX),
};

ENT_WIRE_MESSAGE(enroll_request, NULL)

static const struct ent_schema_field enrolled_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_enrolled, 1, cert, 1, ENT_WIRE_CERT_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_msg_enrolled, 2, ca, 1, ENT_WIRE_CERT_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_msg_enrolled, 3, crl, 0, ENT_WIRE_CRL_MAX_BYTES),
    ENT_SCHEMA_TEXT(ent_msg_enrolled, 4, address),
    ENT_SCHEMA_FIXED(ent_msg_enrolled, 5, log_pub),
    ENT_SCHEMA_FIXED(ent_msg_enrolled, 6, root_pub),
    ENT_SCHEMA_FIXED(ent_msg_enrolled, 7, federation),
    ENT_SCHEMA_FIXED(ent_msg_enrolled, 8, handle),
    ENT_SCHEMA_NAME(ent_msg_enrolled, 9, name, 1),
    ENT_SCHEMA_NAME(ent_msg_enrolled, 10, federation_name, 1),
};

ENT_WIRE_MESSAGE(enrolled, NULL)
