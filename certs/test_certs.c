#include "certs/test_certs.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"

#define HOUR_MS UINT64_C(3600000)

enum authority { OURS, OTHER, AUTHORITIES };

struct recipe {
    const char *name;
    enum authority authority;
    bool server;
    bool no_uri;
    bool other_federation;
    bool revoked;
    const char *host;      /* instead of the one given */
    int64_t from_hours;    /* relative to now */
    int64_t to_hours;      /* relative to now */
    enum ent_err expected; /* by ent_cert_verify against our authority and crl.pem */
    enum ent_cert_purpose purpose;
};

static const struct recipe recipes[ENT_TEST_CERTS] = {
    [ENT_TEST_SERVER] = {"server", .server = true, .from_hours = -24, .to_hours = 240,
                         .purpose = ENT_CERT_SERVER},
    [ENT_TEST_SERVER_WRONG_HOST] = {"server-wrong-host", .server = true, .host = "wrong.example",
                                    .from_hours = -24, .to_hours = 240, .purpose = ENT_CERT_SERVER},
    [ENT_TEST_SERVER_EXPIRED] = {"server-expired", .server = true, .from_hours = -240,
                                 .to_hours = -24, .expected = ENT_E_EXPIRED,
                                 .purpose = ENT_CERT_SERVER},
    [ENT_TEST_SERVER_OTHER_CA] = {"server-other-ca", OTHER, .server = true, .from_hours = -24,
                                  .to_hours = 240, .expected = ENT_E_TLS,
                                  .purpose = ENT_CERT_SERVER},
    [ENT_TEST_MEMBER] = {"member", .from_hours = -24, .to_hours = 240, .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_2] = {"member-2", .from_hours = -24, .to_hours = 240,
                           .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_EXPIRED] = {"member-expired", .from_hours = -240, .to_hours = -24,
                                 .expected = ENT_E_EXPIRED, .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_NOT_YET] = {"member-not-yet", .from_hours = 24, .to_hours = 240,
                                 .expected = ENT_E_EXPIRED, .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_REVOKED] = {"member-revoked", .revoked = true, .from_hours = -24,
                                 .to_hours = 240, .expected = ENT_E_REVOKED,
                                 .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_OTHER_CA] = {"member-other-ca", OTHER, .from_hours = -24, .to_hours = 240,
                                  .expected = ENT_E_TLS, .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_NO_SAN] = {"member-no-san", .no_uri = true, .from_hours = -24, .to_hours = 240,
                                .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_MEMBER_OTHER_FEDERATION] = {"member-other-federation", .other_federation = true,
                                          .from_hours = -24, .to_hours = 240,
                                          .purpose = ENT_CERT_CLIENT},
    [ENT_TEST_SERVER_AS_CLIENT] = {"server-as-client", .server = true, .from_hours = -24,
                                   .to_hours = 240, .expected = ENT_E_TLS,
                                   .purpose = ENT_CERT_CLIENT},
};

static const char *const authority_names[AUTHORITIES] = {"ca", "other-ca"};

struct maker {
    const char *dir;
    const char *host;
    uint64_t wall_ms;
    struct ent_tls_key *ca_key[AUTHORITIES];
    struct ent_cert *ca[AUTHORITIES];
    uint8_t revoked[ENT_TEST_CERTS][ENT_SERIAL_BYTES];
    size_t n_revoked;
};

const char *ent_test_cert_name(enum ent_test_cert cert)
{
    return recipes[cert].name;
}

enum ent_err ent_test_cert_expected(enum ent_test_cert cert)
{
    return recipes[cert].expected;
}

enum ent_cert_purpose ent_test_cert_purpose(enum ent_test_cert cert)
{
    return recipes[cert].purpose;
}

void ent_test_cert_handle(enum ent_test_cert cert, uint8_t out[ENT_HANDLE_BYTES])
{
    memset(out, (int)cert - (int)ENT_TEST_MEMBER + 1, ENT_HANDLE_BYTES);
}

static enum ent_err path_of(const char *dir, const char *name, const char *ending, char **out)
{
    size_t len = strlen(dir) + strlen(name) + strlen(ending) + 2;

    ENT_TRY(ent_calloc(len, 1, out));
    (void)snprintf(*out, len, "%s/%s%s", dir, name, ending);
    return ENT_E_OK;
}

enum ent_err ent_test_cert_paths(const char *dir, enum ent_test_cert cert, char **pem, char **key)
{
    char *p = NULL;

    ENT_TRY(path_of(dir, recipes[cert].name, ".pem", &p));
    if (path_of(dir, recipes[cert].name, ".key", key) != ENT_E_OK) {
        free(p);
        return ENT_E_NO_MEMORY;
    }
    *pem = p;
    return ENT_E_OK;
}

static enum ent_err save(const struct maker *m, const char *name, const struct ent_cert *cert,
                         const struct ent_tls_key *key)
{
    char *pem = NULL;
    char *key_path = NULL;
    enum ent_err err = path_of(m->dir, name, ".pem", &pem);

    if (err == ENT_E_OK) {
        err = path_of(m->dir, name, ".key", &key_path);
    }
    if (err == ENT_E_OK) {
        err = ent_cert_save(cert, NULL, pem);
    }
    if (err == ENT_E_OK) {
        err = ent_tls_key_save(key, key_path);
    }
    free(pem);
    free(key_path);
    return err;
}

static enum ent_err make_authorities(struct maker *m)
{
    for (int i = 0; i < AUTHORITIES; i++) {
        ENT_TRY(ent_tls_key_generate(&m->ca_key[i]));
        ENT_TRY(ent_certs_make_ca(authority_names[i], m->ca_key[i], m->wall_ms - 240 * HOUR_MS,
                                  &m->ca[i]));
        ENT_TRY(save(m, authority_names[i], m->ca[i], m->ca_key[i]));
    }
    return ENT_E_OK;
}

static void uri_of(enum ent_test_cert which, char uri[ENT_CERTS_URI_BYTES])
{
    const struct recipe *r = &recipes[which];
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handle[ENT_HANDLE_BYTES];

    memset(federation, r->other_federation ? 0x0f : ENT_TEST_FEDERATION_BYTE, sizeof federation);
    if (r->server && r->purpose == ENT_CERT_SERVER) {
        ent_certs_coordinator_uri(federation, uri);
    } else {
        ent_test_cert_handle(which, handle);
        ent_certs_member_uri(federation, handle, uri);
    }
}

static enum ent_err make_one(struct maker *m, enum ent_test_cert which)
{
    const struct recipe *r = &recipes[which];
    char uri[ENT_CERTS_URI_BYTES];
    const char *host = r->host != NULL ? r->host : m->host;
    struct ent_cert_spec spec = {
        .common_name = r->name,
        .uri = r->no_uri ? NULL : uri,
        .host = r->server ? host : NULL,
        .server_auth = r->server,
        .client_auth = !r->server,
        .not_before_ms = (uint64_t)((int64_t)m->wall_ms + r->from_hours * (int64_t)HOUR_MS),
        .not_after_ms = (uint64_t)((int64_t)m->wall_ms + r->to_hours * (int64_t)HOUR_MS),
    };
    struct ent_tls_key *key = NULL;
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    enum ent_err err;

    uri_of(which, uri);
    ENT_TRY(ent_tls_key_generate(&key));
    err = ent_cert_issue_key(&spec, m->ca[r->authority], m->ca_key[r->authority], key, &cert);
    if (err == ENT_E_OK) {
        err = save(m, r->name, cert, key);
    }
    if (err == ENT_E_OK && r->revoked) {
        err = ent_cert_info(cert, &info);
        if (err == ENT_E_OK) {
            memcpy(m->revoked[m->n_revoked++], info.serial, ENT_SERIAL_BYTES);
        }
    }
    ent_cert_free(cert);
    ent_tls_key_free(key);
    return err;
}

static enum ent_err make_crl(const struct maker *m, const char *name, size_t n_serials)
{
    struct ent_certs_issuer issuer = {.ca = m->ca[OURS], .ca_key = m->ca_key[OURS]};
    const uint8_t(*serials)[ENT_SERIAL_BYTES] = (const uint8_t(*)[ENT_SERIAL_BYTES])m->revoked;
    struct ent_crl *crl = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(path_of(m->dir, name, ".pem", &path));
    err = ent_certs_make_crl(&issuer, serials, n_serials, m->wall_ms, m->wall_ms, &crl);
    if (err == ENT_E_OK) {
        err = ent_crl_save(crl, path);
    }
    ent_crl_free(crl);
    free(path);
    return err;
}

static enum ent_err make_all(struct maker *m)
{
    ENT_TRY(make_authorities(m));
    for (int i = 0; i < ENT_TEST_CERTS; i++) {
        ENT_TRY(make_one(m, (enum ent_test_cert)i));
    }
    ENT_TRY(make_crl(m, "empty-crl", 0));
    return make_crl(m, "crl", m->n_revoked);
}

enum ent_err ent_test_certs_make(const char *dir, const char *host, uint64_t wall_ms)
{
    struct maker m = {.dir = dir, .host = host, .wall_ms = wall_ms};
    enum ent_err err;

    ENT_REQUIRE(wall_ms > 1000 * HOUR_MS, ENT_E_RANGE,
                "the time is too early for test certificates");
    err = make_all(&m);
    for (int i = 0; i < AUTHORITIES; i++) {
        ent_cert_free(m.ca[i]);
        ent_tls_key_free(m.ca_key[i]);
    }
    return err;
}
