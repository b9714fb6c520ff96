/* A member's certificate as this federation's authority would never issue it, in place of the right one:
 *
 *   entente-e2e-cert FED MEMBER KIND     rewrites MEMBER/keys/tls.pem (its key stays)
 *
 *   expired   ended long ago             notyet    begins tomorrow
 *   due       is to be renewed           server    for servers, with the member's name
 *   nosan     without a name             stranger  with the name of nobody who is enrolled */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "certs/certs.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"

struct kind {
    const char *name;
    int begin_days; /* from now */
    int end_days;
    bool server;
    bool no_uri;
    bool stranger;
};

static const struct kind kinds[] = {
    {.name = "expired", .begin_days = -100, .end_days = -10},
    {.name = "notyet", .begin_days = 1, .end_days = 90},
    {.name = "due", .begin_days = -71, .end_days = 20},
    {.name = "server", .begin_days = -1, .end_days = 90, .server = true},
    {.name = "nosan", .begin_days = -1, .end_days = 90, .no_uri = true},
    {.name = "stranger", .begin_days = -1, .end_days = 90, .stranger = true},
};

static const struct kind *find(const char *name)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

struct made {
    struct ent_cert *ca;
    struct ent_tls_key *ca_key;
    struct ent_cert *old;
    struct ent_cert *cert;
    struct ent_tls_key *key;
    struct ent_buf pem;
};

static enum ent_err load(const char *fed, const char *tls, struct made *m)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/ca.pem", fed);
    ENT_TRY(ent_cert_load(path, &m->ca));
    (void)snprintf(path, sizeof path, "%s/keys/ca.key", fed);
    ENT_TRY(ent_tls_key_load(path, &m->ca_key));
    ENT_TRY(ent_cert_load(tls, &m->old));
    return ent_tls_key_load(tls, &m->key);
}

static uint64_t days_from(uint64_t wall_ms, int days)
{
    return days < 0 ? wall_ms - (uint64_t)-days * ENT_CERTS_DAY_MS
                    : wall_ms + (uint64_t)days * ENT_CERTS_DAY_MS;
}

static enum ent_err issue(const struct kind *kind, struct made *m)
{
    struct ent_clock clock = ent_clock_system();
    uint64_t wall_ms = ent_clock_wall(&clock);
    struct ent_cert_info info;
    struct ent_cert_spec spec = {.common_name = "entente member",
                                 .server_auth = kind->server,
                                 .client_auth = !kind->server,
                                 .not_before_ms = days_from(wall_ms, kind->begin_days),
                                 .not_after_ms = days_from(wall_ms, kind->end_days)};

    ENT_TRY(ent_cert_info(m->old, &info));
    if (kind->stranger) { /* the last digit of the handle */
        char *last = info.uri + strlen(info.uri) - 1;

        *last = *last == '0' ? '1' : '0';
    }
    spec.uri = kind->no_uri ? NULL : info.uri;
    return ent_cert_issue_key(&spec, m->ca, m->ca_key, m->key, &m->cert);
}

/* The key's part of the file as it was, then the new certificate. */
static enum ent_err replace(const char *tls, struct made *m)
{
    struct ent_buf old;
    const char *text = NULL;
    const char *cert;
    enum ent_err err;

    ent_buf_init(&old, ENT_PEM_MAX_BYTES);
    err = ent_file_read(tls, &old);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&old, &text);
    }
    if (err == ENT_E_OK) {
        cert = strstr(text, "-----BEGIN CERTIFICATE");
        err = ent_buf_add(&m->pem, text, cert != NULL ? (size_t)(cert - text) : strlen(text));
    }
    if (err == ENT_E_OK) {
        err = ent_cert_encode_pem(m->cert, &m->pem);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(tls, m->pem.data, m->pem.len, 0600);
    }
    ent_buf_release(&old);
    return err;
}

int main(int argc, char **argv)
{
    const struct kind *kind = argc == 4 ? find(argv[3]) : NULL;
    struct made m = {0};
    char tls[4096];
    enum ent_err err;

    if (kind == NULL) {
        (void)fprintf(stderr, "usage: entente-e2e-cert FED MEMBER KIND\n");
        return 2;
    }
    (void)snprintf(tls, sizeof tls, "%s/keys/tls.pem", argv[2]);
    ent_buf_init(&m.pem, ENT_PEM_MAX_BYTES);
    err = load(argv[1], tls, &m);
    if (err == ENT_E_OK) {
        err = issue(kind, &m);
    }
    if (err == ENT_E_OK) {
        err = replace(tls, &m);
    }
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "entente-e2e-cert: %s\n", ent_err_message());
    }
    ent_cert_free(m.ca);
    ent_tls_key_free(m.ca_key);
    ent_cert_free(m.old);
    ent_cert_free(m.cert);
    ent_tls_key_free(m.key);
    ent_buf_release(&m.pem);
    return ent_err_exit(err);
}
