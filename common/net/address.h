/* "host:port" in our files and options, URLs and socket addresses in nng's. */
#ifndef ENT_COMMON_NET_ADDRESS_H
#define ENT_COMMON_NET_ADDRESS_H

#include <nng/nng.h>

#include "common/base/err.h"

#define ENT_HOST_BYTES 256

struct ent_address {
    char host[ENT_HOST_BYTES]; /* without brackets */
    char port[8];
    char url[ENT_HOST_BYTES + 24]; /* "tls+tcp://host:port" */
};

/* "name:7443", "192.0.2.1:7443", "[2001:db8::1]:7443". CONFIG: anything else. */
ENT_MUST enum ent_err ent_address_parse(const char *text, struct ent_address *out);
void ent_address_text(const nng_sockaddr *sa, char *out, size_t out_bytes);
/* The machine behind it as a number: an IPv4 address, the upper half of an IPv6 address; 0: not known. */
uint64_t ent_address_origin(const nng_sockaddr *sa);

#endif
