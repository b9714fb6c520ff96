/* entente-coordinator recover: DIR's lock, the members' listener, the course. */
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/secret.h"
#include "common/net/link_nng.h"
#include "coordinator/engine/recover_peer.h"
#include "coordinator/engine/verbs.h"

#define KEY_MAX_BYTES ((size_t)16 * 1024)
#define SPARE_CONNECTIONS 16
#define WAIT_MAX_S 86400
#define LEAVE_MS 1000

struct files {
    struct ent_buf cert;
    struct ent_secret key;
    struct ent_buf ca;
};

static enum ent_err read_files(const struct ent_home *home, struct files *out)
{
    char *path = NULL;
    enum ent_err err;

    ent_buf_init(&out->cert, ENT_PEM_MAX_BYTES);
    ent_buf_init(&out->ca, ENT_PEM_MAX_BYTES);
    ENT_TRY(ent_file_read_in(home->dir, "coordinator.pem", &out->cert));
    ENT_TRY(ent_file_read_in(home->dir, "ca.pem", &out->ca));
    ENT_TRY(ent_path_join(home->dir, "keys/coordinator.key", &path));
    err = ent_secret_read_file(&out->key, path, KEY_MAX_BYTES);
    free(path);
    return err;
}

static enum ent_err make_link(const struct ent_home *home, struct ent_recovery *r,
                              struct ent_link **out)
{
    struct ent_link_limits limits = ent_link_limits_default();
    struct files files = {0};
    struct ent_tls_settings tls;
    enum ent_err err = read_files(home, &files);

    limits.handshake_ms = (uint32_t)home->config->handshake_ms;
    limits.idle_ms = (uint32_t)home->config->idle_ms;
    limits.connections_max = home->config->members + SPARE_CONNECTIONS;
    tls = (struct ent_tls_settings){.cert_pem = files.cert.data,
                                    .cert_pem_len = files.cert.len,
                                    .key_pem = files.key.bytes,
                                    .key_pem_len = files.key.len,
                                    .ca_pem = files.ca.data,
                                    .ca_pem_len = files.ca.len,
                                    .crl = home->crl.len > 0 ? home->crl.data : NULL,
                                    .crl_len = home->crl.len,
                                    .crl_may_be_old = true,
                                    .demand_client_cert = true};
    if (err == ENT_E_OK) {
        err = ent_link_nng_new(&tls, &limits, ent_recovery_on_main, r, out);
    }
    ent_secret_release(&files.key);
    ent_buf_release(&files.cert);
    ent_buf_release(&files.ca);
    return err;
}

/* Where serve listens: a port that was chosen at first stands in the store. */
static enum ent_err listen_on(const struct ent_home *home, struct ent_link *link,
                              char bound[ENT_HOME_ADDRESS_MAX])
{
    char address[ENT_HOME_ADDRESS_MAX];
    char port[16];
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t number = 0;

    ENT_REQUIRE(ent_address_split(home->config->listen, host, &number), ENT_E_CONFIG,
                "federation.yaml: %s is no address", home->config->listen);
    (void)snprintf(port, sizeof port, "%u", (unsigned)number);
    if (number == 0) {
        ENT_TRY(ent_store_setting_get(home->store, ENT_HOME_LISTEN, port, sizeof port));
    }
    (void)snprintf(address, sizeof address, strchr(host, ':') != NULL ? "[%.200s]:%s" : "%.200s:%s",
                   host, port);
    return ent_link_listen(link, address, bound, ENT_HOME_ADDRESS_MAX);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)printf("%s\n", line);
    (void)fflush(stdout);
}

/* So that a BYE is not cut off. */
static void leave(struct ent_recovery *r, const struct ent_clock *clock)
{
    uint64_t until = ent_clock_mono(clock) + LEAVE_MS;

    ent_recover_bye(r);
    for (size_t i = 0; i < r->n_peers; i++) {
        while (r->peers[i].conn != 0 && ent_clock_mono(clock) < until) {
            if (ent_recover_step(r, 50) != ENT_E_OK) {
                return;
            }
        }
    }
}

static enum ent_err serve(struct ent_home *home, struct ent_recovery *r,
                          const struct ent_clock *clock, struct ent_link **link)
{
    char bound[ENT_HOME_ADDRESS_MAX];
    enum ent_err err;

    ENT_TRY(make_link(home, r, link));
    ent_recovery_attach(r, *link);
    ENT_TRY(listen_on(home, *link, bound));
    ent_recover_say(r, "waiting for members on %s", bound);
    err = ent_recovery_run(r);
    if (err != ENT_E_OK) {
        char text[1024];

        (void)snprintf(text, sizeof text, "%s", ent_err_message());
        leave(r, clock);
        return ent_err_note(err, "%s", text);
    }
    leave(r, clock);
    return ENT_E_OK;
}

enum ent_err ent_recover(const struct ent_recover_options *options)
{
    struct ent_recovery_options own = {
        .clock = ent_clock_system(), .wait_ms = options->wait_ms, .say = say};
    struct ent_recovery *r = NULL;
    struct ent_link *link = NULL;
    enum ent_err err;

    ENT_TRY(ent_home_open(options->dir, &own.clock, &own.home));
    err = ent_recovery_new(&own, &r);
    if (err == ENT_E_OK) {
        err = serve(own.home, r, &own.clock, &link);
    }
    ent_link_free(link);
    ent_recovery_free(r);
    ent_home_close(own.home);
    return err;
}

enum ent_err ent_verb_recover(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_recover_options recover = {.dir = o->dir,
                                          .wait_ms = (uint64_t)ENT_RECOVER_WAIT_DEFAULT_S * 1000};

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    if (o->wait != NULL) {
        char *end = NULL;
        unsigned long seconds = strtoul(o->wait, &end, 10);

        ENT_REQUIRE(o->wait[0] >= '0' && o->wait[0] <= '9' && *end == '\0' && seconds <= WAIT_MAX_S,
                    ENT_E_USAGE, "--wait must be a number of seconds, at most %d", WAIT_MAX_S);
        recover.wait_ms = (uint64_t)seconds * 1000;
    }
    return ent_recover(&recover);
}
