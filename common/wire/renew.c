#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field renew_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_renew, 1, csr, 1, ENT_WIRE_CERT_MAX_BYTES),
};

ENT_WIRE_MESSAGE(renew, NULL)

static const struct ent_schema_field renewed_fields[] = {
    ENT_SCHEMA_BYTES(ent_msg_renewed, 1, cert, 1, ENT_WIRE_CERT_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_msg_renewed, 2, crl, 0, ENT_WIRE_CRL_MAX_BYTES),
};

ENT_WIRE_MESSAGE(renewed, NULL)
