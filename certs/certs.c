#include "certs/certs.h"

#include <string.h>

#include "common/base/mem.h"

static const struct ent_certs_shape shapes[ENT_CERTS_KINDS] = {
    [ENT_CERTS_AUTHORITY] = {"authority", ENT_CERTS_CA_DAYS, .ca = true},
    [ENT_CERTS_COORDINATOR] = {"coordinator", ENT_CERTS_CA_DAYS, .server_auth = true,
                               .has_uri = true},
    [ENT_CERTS_MEMBER] = {"member", ENT_CERTS_MEMBER_DAYS, .client_auth = true, .has_uri = true},
};

static const char uri_prefix[] = "urn:entente:";

const struct ent_certs_shape *ent_certs_shape(enum ent_certs_kind kind)
{
    ENT_BUG_ON(kind >= ENT_CERTS_KINDS);
    return &shapes[kind];
}

void ent_certs_member_uri(const uint8_t federation[ENT_FEDERATION_BYTES],
                          const uint8_t handle[ENT_HANDLE_BYTES], char out[ENT_CERTS_URI_BYTES])
{
    char f[2 * ENT_FEDERATION_BYTES + 1];
    char h[2 * ENT_HANDLE_BYTES + 1];

    ent_hex(federation, ENT_FEDERATION_BYTES, f);
    ent_hex(handle, ENT_HANDLE_BYTES, h);
    (void)snprintf(out, ENT_CERTS_URI_BYTES, "%s%s:%s", uri_prefix, f, h);
}

void ent_certs_coordinator_uri(const uint8_t federation[ENT_FEDERATION_BYTES],
                               char out[ENT_CERTS_URI_BYTES])
{
    char f[2 * ENT_FEDERATION_BYTES + 1];

    ent_hex(federation, ENT_FEDERATION_BYTES, f);
    (void)snprintf(out, ENT_CERTS_URI_BYTES, "%s%s:coordinator", uri_prefix, f);
}

/* Made again from what was read and compared: one spelling for one member (lower-case hex, nothing
 * behind). */
enum ent_err ent_certs_member_of_uri(const char *uri,
                                     const uint8_t federation[ENT_FEDERATION_BYTES],
                                     uint8_t handle[ENT_HANDLE_BYTES])
{
    char again[ENT_CERTS_URI_BYTES] = "";
    uint8_t h[ENT_HANDLE_BYTES];
    const char *last = strrchr(uri, ':');

    if (last != NULL && ent_unhex(last + 1, h, sizeof h) == ENT_E_OK) {
        ent_certs_member_uri(federation, h, again);
    }
    ENT_REQUIRE(again[0] != '\0' && strcmp(again, uri) == 0, ENT_E_UNKNOWN_MEMBER,
                "the certificate names no member of this federation");
    memcpy(handle, h, sizeof h);
    return ENT_E_OK;
}

/* A certificate's frame: what the table says of its kind, from wall_ms on. */
static struct ent_cert_spec spec_of(enum ent_certs_kind kind, uint64_t wall_ms)
{
    const struct ent_certs_shape *shape = &shapes[kind];

    return (struct ent_cert_spec){
        .ca = shape->ca,
        .server_auth = shape->server_auth,
        .client_auth = shape->client_auth,
        .not_before_ms = wall_ms > ENT_CERTS_BACKDATE_MS ? wall_ms - ENT_CERTS_BACKDATE_MS : 0,
        .not_after_ms = wall_ms + shape->days * ENT_CERTS_DAY_MS,
    };
}

enum ent_err ent_certs_make_ca(const char *name, const struct ent_tls_key *ca_key, uint64_t wall_ms,
                               struct ent_cert **out)
{
    struct ent_cert_spec spec = spec_of(ENT_CERTS_AUTHORITY, wall_ms);

    spec.common_name = name;
    return ent_cert_make_ca(&spec, ca_key, out);
}

enum ent_err ent_certs_issue_coordinator(const struct ent_certs_issuer *issuer, const char *host,
                                         const struct ent_tls_key *key, uint64_t wall_ms,
                                         struct ent_cert **out)
{
    struct ent_cert_spec spec = spec_of(ENT_CERTS_COORDINATOR, wall_ms);
    char uri[ENT_CERTS_URI_BYTES];

    ent_certs_coordinator_uri(issuer->federation, uri);
    spec.common_name = "coordinator";
    spec.uri = uri;
    spec.host = host;
    return ent_cert_issue_key(&spec, issuer->ca, issuer->ca_key, key, out);
}

enum ent_err ent_certs_issue_member(const struct ent_certs_issuer *issuer,
                                    const uint8_t handle[ENT_HANDLE_BYTES], const uint8_t *csr,
                                    size_t csr_len, uint64_t wall_ms, struct ent_cert **out)
{
    struct ent_cert_spec spec = spec_of(ENT_CERTS_MEMBER, wall_ms);
    char uri[ENT_CERTS_URI_BYTES];
    char name[2 * ENT_HANDLE_BYTES + 1];

    ent_certs_member_uri(issuer->federation, handle, uri);
    ent_hex(handle, ENT_HANDLE_BYTES, name);
    spec.common_name = name; /* not the member's name: certificates are seen on the network path */
    spec.uri = uri;
    return ent_cert_issue_csr(&spec, issuer->ca, issuer->ca_key, csr, csr_len, out);
}

enum ent_err ent_certs_make_crl(const struct ent_certs_issuer *issuer,
                                const uint8_t (*serials)[ENT_SERIAL_BYTES], size_t n_serials,
                                uint64_t number, uint64_t wall_ms, struct ent_crl **out)
{
    struct ent_crl_spec spec = {
        .serials = serials,
        .n_serials = n_serials,
        .number = number,
        .this_update_ms = wall_ms > ENT_CERTS_BACKDATE_MS ? wall_ms - ENT_CERTS_BACKDATE_MS : 0,
        .next_update_ms = wall_ms + ENT_CERTS_CRL_DAYS * ENT_CERTS_DAY_MS,
    };

    return ent_crl_make(&spec, issuer->ca, issuer->ca_key, out);
}

bool ent_certs_renew_due(const struct ent_cert_info *info, uint64_t wall_ms)
{
    uint64_t left = (ENT_CERTS_MEMBER_DAYS - ENT_CERTS_RENEW_AFTER_DAYS) * ENT_CERTS_DAY_MS;

    return wall_ms + left >= info->not_after_ms;
}
