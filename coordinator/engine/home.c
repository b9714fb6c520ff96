#include "coordinator/engine/home.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "coordinator/store/log.h"

static enum ent_err path_in(const struct ent_home *home, const char *name, char **out)
{
    return ent_path_join(home->dir, name, out);
}

static enum ent_err load_config(struct ent_home *home)
{
    char *path = NULL;
    enum ent_err err = path_in(home, "federation.yaml", &path);

    if (err == ENT_E_OK) {
        err = ent_federation_config_read(path, &home->config);
    }
    if (err == ENT_E_OK) {
        err = ent_sha256_file(path, home->config_sha256);
    }
    free(path);
    return err;
}

static enum ent_err load_log_key(struct ent_home *home)
{
    char *path = NULL;
    enum ent_err err = path_in(home, "keys/log.key", &path);

    if (err == ENT_E_OK) {
        err = ent_sign_key_load(path, &home->log_key);
    }
    if (err == ENT_E_OK) {
        ent_sign_key_pub(home->log_key, home->log_pub);
    }
    free(path);
    return err;
}

static enum ent_err load_cert(const struct ent_home *home, const char *name, struct ent_cert **out)
{
    char *path = NULL;
    enum ent_err err = path_in(home, name, &path);

    if (err == ENT_E_OK) {
        err = ent_cert_load(path, out);
    }
    free(path);
    return err;
}

static enum ent_err load_authority(struct ent_home *home)
{
    struct ent_cert *enroll = NULL;
    struct ent_cert_info info;
    char *path = NULL;
    enum ent_err err = path_in(home, "keys/ca.key", &path);

    if (err == ENT_E_OK) {
        err = ent_tls_key_load(path, &home->ca_key);
    }
    free(path);
    ENT_TRY(err);
    ENT_TRY(load_cert(home, "ca.pem", &home->ca));
    ENT_TRY(ent_cert_check_key(home->ca, home->ca_key));
    home->issuer.ca = home->ca;
    home->issuer.ca_key = home->ca_key;
    memcpy(home->issuer.federation, ent_store_identity(home->store)->federation,
           ENT_FEDERATION_BYTES);
    ENT_TRY(load_cert(home, "enroll.pem", &enroll));
    err = ent_cert_info(enroll, &info);
    ent_cert_free(enroll);
    ENT_TRY(err);
    memcpy(home->enroll_sha256, info.sha256, ENT_SHA256_BYTES);
    return ENT_E_OK;
}

/* The database remembers the highest number, should crl.pem be lost or be an old one out of a backup. */
#define CRL_NUMBER "crl_number"

static enum ent_err load_number(struct ent_home *home)
{
    char text[24];
    enum ent_err err = ent_store_setting_get(home->store, CRL_NUMBER, text, sizeof text);

    if (err == ENT_E_NOT_FOUND) {
        return ENT_E_OK;
    }
    ENT_TRY(err);
    home->crl_number = strtoull(text, NULL, 10);
    return ENT_E_OK;
}

/* A number is used up before a list carries it. As long as the clock goes forward it says when the list was made. */
static enum ent_err next_number(struct ent_home *home, uint64_t wall_ms)
{
    char text[24];

    home->crl_number = wall_ms > home->crl_number ? wall_ms : home->crl_number + 1;
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)home->crl_number);
    return ent_store_setting_set(home->store, CRL_NUMBER, text);
}

static enum ent_err load_crl(struct ent_home *home, uint64_t wall_ms)
{
    struct ent_crl *crl = NULL;
    struct ent_crl_info info;
    char *path = NULL;
    enum ent_err err = path_in(home, "crl.pem", &path);

    if (err == ENT_E_OK) {
        err = ent_crl_load(path, &crl);
    }
    free(path);
    if (err == ENT_E_OK) {
        err = ent_crl_info(crl, &info);
    }
    if (err == ENT_E_OK) {
        err = ent_crl_encode(crl, &home->crl);
    }
    ent_crl_free(crl);
    ENT_TRY(load_number(home));
    if (err == ENT_E_OK && info.number >= home->crl_number) {
        home->crl_number = info.number;
        home->crl_made_ms = info.this_update_ms + ENT_CERTS_BACKDATE_MS;
        return ENT_E_OK;
    }
    if (err != ENT_E_OK) {
        ent_buf_clear(&home->crl);
    }
    /* Missing, damaged or an old one: it is derived from the store, so it is simply made again. If not, the old one (or
     * none) does until the engine tries again: whom the store says is revoked is refused without it. */
    if (ent_home_make_crl(home, wall_ms) != ENT_E_OK) {
        ent_log_warn("the revocation list cannot be made: %s", ent_err_message());
    }
    return ENT_E_OK;
}

/* A directory that was made before there was an audit log cannot get one: what it did is not in it. */
static enum ent_err check_log(struct ent_home *home)
{
    uint64_t size = 0;

    ENT_TRY(ent_store_log_size(home->store, &size));
    ENT_REQUIRE(size > 0, ENT_E_UNSUPPORTED,
                "%s was made before federations had an audit log, and cannot be given one "
                "afterwards: make a new one with entente-coordinator init, and invite the members "
                "again",
                home->dir);
    return ENT_E_OK;
}

static enum ent_err load_all(struct ent_home *home, const struct ent_clock *clock)
{
    char hex[2 * ENT_SIGN_PUB_BYTES + 1];

    ENT_REQUIRE(ent_file_exists(home->dir), ENT_E_NOT_FOUND,
                "%s is not there; entente-coordinator init makes it", home->dir);
    ENT_TRY(ent_dir_lock(home->dir, &home->lock_fd));
    ENT_TRY(ent_store_open(home->dir, &home->store));
    ENT_TRY(check_log(home));
    ENT_TRY(load_config(home));
    ENT_TRY(load_log_key(home));
    ENT_TRY(ent_store_setting_get(home->store, "root_pub", hex, sizeof hex));
    ENT_TRY(ent_unhex(hex, home->root_pub, sizeof home->root_pub));
    ENT_TRY(load_authority(home));
    return load_crl(home, ent_clock_wall(clock));
}

enum ent_err ent_home_open(const char *dir, const struct ent_clock *clock, struct ent_home **out)
{
    struct ent_home *home = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *home, &home));
    home->lock_fd = -1;
    ent_buf_init(&home->crl, ENT_CRL_DER_MAX_BYTES);
    err = ent_strdup(dir, &home->dir);
    if (err == ENT_E_OK) {
        err = load_all(home, clock);
    }
    if (err != ENT_E_OK) {
        ent_home_close(home);
        return err;
    }
    *out = home;
    return ENT_E_OK;
}

void ent_home_close(struct ent_home *home)
{
    if (home == NULL) {
        return;
    }
    ent_store_close(home->store);
    ent_federation_config_free(home->config);
    ent_sign_key_free(home->log_key);
    ent_cert_free(home->ca);
    ent_tls_key_free(home->ca_key);
    ent_buf_release(&home->crl);
    if (home->lock_fd >= 0) {
        (void)close(home->lock_fd);
    }
    free(home->dir);
    free(home);
}

static enum ent_err revoked_serials(struct ent_home *home, uint64_t wall_ms,
                                    uint8_t (**out)[ENT_SERIAL_BYTES], size_t *n)
{
    struct ent_store_revoked *revoked = NULL;
    uint8_t(*serials)[ENT_SERIAL_BYTES] = NULL;
    size_t n_revoked = 0;
    enum ent_err err;

    ENT_TRY(ent_store_crl(home->store, wall_ms, &revoked, &n_revoked));
    err = ent_calloc(n_revoked, sizeof *serials, &serials);
    if (err == ENT_E_OK) {
        for (size_t i = 0; i < n_revoked; i++) { /* big-endian with zeros in front */
            memcpy(serials[i] + ENT_SERIAL_BYTES - revoked[i].serial_len, revoked[i].serial,
                   revoked[i].serial_len);
        }
        *out = serials;
        *n = n_revoked;
    }
    free(revoked);
    return err;
}

enum ent_err ent_home_make_crl(struct ent_home *home, uint64_t wall_ms)
{
    uint8_t(*serials)[ENT_SERIAL_BYTES] = NULL;
    struct ent_crl *crl = NULL;
    struct ent_buf der;
    char *path = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(revoked_serials(home, wall_ms, &serials, &n));
    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    err = next_number(home, wall_ms);
    if (err == ENT_E_OK) {
        err = ent_certs_make_crl(&home->issuer, (const uint8_t(*)[ENT_SERIAL_BYTES])serials, n,
                                 home->crl_number, wall_ms, &crl);
    }
    if (err == ENT_E_OK) {
        err = ent_crl_encode(crl, &der);
    }
    if (err == ENT_E_OK) {
        err = path_in(home, "crl.pem", &path);
    }
    if (err == ENT_E_OK) {
        err = ent_crl_save(crl, path);
    }
    if (err == ENT_E_OK) {
        ent_buf_release(&home->crl);
        home->crl = der;
        home->crl_made_ms = wall_ms;
        ent_buf_init(&der, 0);
    }
    ent_buf_release(&der);
    ent_crl_free(crl);
    free(path);
    free(serials);
    return err;
}

enum ent_err ent_home_renew_crl(struct ent_home *home, uint64_t wall_ms, bool *made)
{
    /* One day after the last, and also when the clock was set back behind it. */
    bool due = wall_ms >= home->crl_made_ms + ENT_CERTS_DAY_MS ||
               wall_ms + ENT_CERTS_DAY_MS < home->crl_made_ms;

    if (due) {
        ENT_TRY(ent_home_make_crl(home, wall_ms));
    }
    if (made != NULL) {
        *made = due;
    }
    return ENT_E_OK;
}

enum ent_err ent_home_address(const struct ent_home *home, const char *setting,
                              char out[ENT_HOME_ADDRESS_MAX])
{
    bool enroll = strcmp(setting, ENT_HOME_ENROLL) == 0;
    const char *configured = enroll ? home->config->enroll_listen : home->config->listen;
    const char *host = home->config->host;
    bool v6 = strchr(host, ':') != NULL && host[0] != '[';
    char ignored[ENT_ADDRESS_HOST_BYTES];
    char stored[16];
    uint16_t port = 0;

    ENT_REQUIRE(ent_address_split(configured, ignored, &port), ENT_E_CONFIG,
                "federation.yaml: %s is no address", configured);
    (void)snprintf(stored, sizeof stored, "%u", (unsigned)port);
    if (port == 0) {
        enum ent_err err = ent_store_setting_get(home->store, setting, stored, sizeof stored);

        ENT_REQUIRE(
            err != ENT_E_NOT_FOUND, ENT_E_USAGE,
            "%s has port 0: the port is chosen when serve runs for the first time; run serve first",
            enroll ? "enroll_listen" : "listen");
        ENT_TRY(err);
    }
    ENT_REQUIRE(strlen(host) + sizeof stored + 4 < ENT_HOME_ADDRESS_MAX, ENT_E_CONFIG,
                "federation.yaml: host is too long");
    (void)snprintf(out, ENT_HOME_ADDRESS_MAX, v6 ? "[%.240s]:%s" : "%.240s:%s", host, stored);
    return ENT_E_OK;
}
