#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/tlog/leaf.h"
#include "coordinator/engine/home.h"
#include "coordinator/engine/sysfail.h"
#include "coordinator/store/log.h"

/* What init makes before it is moved to its place. */
struct making {
    const struct ent_setup_options *options;
    char *dir; /* beside the final one */
    struct ent_setup_result *out;
    struct ent_tls_key *ca_key;
    struct ent_cert *ca;
    struct ent_certs_issuer issuer;
    uint64_t wall_ms;
};

static int remove_entry(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

static enum ent_err save_sign_key(const char *dir, const char *name,
                                  uint8_t pub[ENT_SIGN_PUB_BYTES])
{
    struct ent_sign_key *key = NULL;
    char *path = NULL;
    enum ent_err err = ent_path_join(dir, name, &path);

    if (err == ENT_E_OK) {
        err = ent_sign_key_generate(&key);
    }
    if (err == ENT_E_OK) {
        err = ent_sign_key_save(key, path);
    }
    if (err == ENT_E_OK) {
        ent_sign_key_pub(key, pub);
    }
    ent_sign_key_free(key);
    free(path);
    return err;
}

static enum ent_err save_tls_key(const char *dir, const char *name, struct ent_tls_key **out)
{
    struct ent_tls_key *key = NULL;
    char *path = NULL;
    enum ent_err err = ent_path_join(dir, name, &path);

    if (err == ENT_E_OK) {
        err = ent_tls_key_generate(&key);
    }
    if (err == ENT_E_OK) {
        err = ent_tls_key_save(key, path);
    }
    free(path);
    if (err != ENT_E_OK) {
        ent_tls_key_free(key);
        return err;
    }
    *out = key;
    return ENT_E_OK;
}

static enum ent_err save_cert(const char *dir, const char *name, const struct ent_cert *cert,
                              uint8_t sha256[ENT_SHA256_BYTES])
{
    struct ent_cert_info info;
    char *path = NULL;
    enum ent_err err = ent_path_join(dir, name, &path);

    if (err == ENT_E_OK) {
        err = ent_cert_save(cert, NULL, path);
    }
    if (err == ENT_E_OK) {
        err = ent_cert_info(cert, &info);
    }
    if (err == ENT_E_OK) {
        memcpy(sha256, info.sha256, ENT_SHA256_BYTES);
    }
    free(path);
    return err;
}

static enum ent_err make_authority(struct making *m)
{
    ENT_TRY(save_tls_key(m->dir, "keys/ca.key", &m->ca_key));
    ENT_TRY(ent_certs_make_ca(m->options->name, m->ca_key, m->wall_ms, &m->ca));
    m->issuer.ca = m->ca;
    m->issuer.ca_key = m->ca_key;
    memcpy(m->issuer.federation, m->out->federation, ENT_FEDERATION_BYTES);
    return save_cert(m->dir, "ca.pem", m->ca, m->out->ca_sha256);
}

/* Key and certificate of one listener. */
static enum ent_err make_listener(struct making *m, const char *key_name, const char *cert_name,
                                  uint8_t sha256[ENT_SHA256_BYTES])
{
    struct ent_tls_key *key = NULL;
    struct ent_cert *cert = NULL;
    enum ent_err err = save_tls_key(m->dir, key_name, &key);

    if (err == ENT_E_OK) {
        err = ent_certs_issue_coordinator(&m->issuer, m->options->host, key, m->wall_ms, &cert);
    }
    if (err == ENT_E_OK) {
        err = save_cert(m->dir, cert_name, cert, sha256);
    }
    ent_cert_free(cert);
    ent_tls_key_free(key);
    return err;
}

static enum ent_err make_config(struct making *m)
{
    struct ent_buf text;
    char *path = NULL;
    enum ent_err err;

    ent_buf_init(&text, (size_t)64 * 1024);
    err = ent_federation_config_text(m->options->name, m->options->host, m->options->listen,
                                     m->options->enroll_listen, &text);
    if (err == ENT_E_OK) {
        err = ent_path_join(m->dir, "federation.yaml", &path);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_new(path, text.data, text.len, 0600);
    }
    free(path);
    ent_buf_release(&text);
    return err;
}

/* "federation.yaml:5:7: enroll_listen is ..." -> "--enroll-listen is ...": nobody has seen that file yet. */
static enum ent_err name_option(enum ent_err err)
{
    const char *rest = strstr(ent_err_message(), ": ");
    char text[400];

    if (err != ENT_E_CONFIG || rest == NULL) {
        return err;
    }
    (void)snprintf(text, sizeof text, "--%s", rest + 2);
    for (char *p = text; *p != '\0' && *p != ' '; p++) {
        *p = (char)(*p == '_' ? '-' : *p);
    }
    return ent_err_note(err, "%s", text);
}

/* Leaf 0: what the log is of, and by whom it is signed. Its hash is what members and auditors pin. */
static enum ent_err make_genesis(struct making *m, struct ent_store *store)
{
    struct ent_leaf_frame frame = {.type = ENT_LEAF_GENESIS};
    struct ent_leaf_genesis leaf = {0};

    ent_federation_origin(m->options->host, m->options->name, m->out->origin);
    (void)snprintf(leaf.name, sizeof leaf.name, "%s", m->options->name);
    ENT_REQUIRE(strlen(m->out->origin) < sizeof leaf.origin, ENT_E_USAGE,
                "--host and --name are too long together: %zu bytes at most",
                sizeof leaf.origin - 2);
    memcpy(leaf.origin, m->out->origin, strlen(m->out->origin) + 1);
    memcpy(leaf.log_pub, m->out->log_pub, sizeof leaf.log_pub);
    memcpy(leaf.root_pub, m->out->root_pub, sizeof leaf.root_pub);
    memcpy(leaf.ca_sha256, m->out->ca_sha256, sizeof leaf.ca_sha256);
    return ent_store_log_append(store, &frame, &leaf, m->wall_ms, NULL, m->out->genesis_sha256);
}

static enum ent_err make_store(struct making *m)
{
    struct ent_store_identity identity = {.created_ms = m->wall_ms};
    struct ent_store *store = NULL;
    char hex[2 * ENT_SIGN_PUB_BYTES + 1];
    enum ent_err err;

    memcpy(identity.federation, m->out->federation, sizeof identity.federation);
    ENT_REQUIRE(strlen(m->options->name) < sizeof identity.name, ENT_E_USAGE,
                "--name is longer than %d bytes", ENT_STORE_NAME_MAX);
    (void)snprintf(identity.name, sizeof identity.name, "%s", m->options->name);
    ENT_TRY(ent_store_create(m->dir, &identity));
    ENT_TRY(ent_store_open(m->dir, &store));
    ent_hex(m->out->root_pub, ENT_SIGN_PUB_BYTES, hex);
    err = ent_store_begin(store);
    if (err == ENT_E_OK) {
        err = ent_store_setting_set(store, "root_pub", hex);
    }
    if (err == ENT_E_OK) {
        err = make_genesis(m, store);
    }
    if (err == ENT_E_OK) {
        err = ent_store_commit(store);
    }
    ent_store_close(store);
    return err;
}

static enum ent_err make_folder(const struct making *m, const char *name)
{
    char *path = NULL;
    enum ent_err err = ent_path_join(m->dir, name, &path);

    if (err == ENT_E_OK) {
        err = ent_dir_make(path);
    }
    free(path);
    return err;
}

static enum ent_err make_all(struct making *m)
{
    struct ent_csprng random = ent_csprng_system();
    uint8_t ignored[ENT_SHA256_BYTES];

    ENT_TRY(name_option(make_config(m))); /* first: it says what is wrong with the options */
    ENT_TRY(ent_csprng_bytes(&random, m->out->federation, ENT_FEDERATION_BYTES));
    ENT_TRY(make_folder(m, "keys"));
    ENT_TRY(make_folder(m, "offline"));
    ENT_TRY(make_authority(m));
    ENT_TRY(make_listener(m, "keys/coordinator.key", "coordinator.pem", ignored));
    ENT_TRY(make_listener(m, "keys/enroll.key", "enroll.pem", m->out->enroll_sha256));
    ENT_TRY(save_sign_key(m->dir, "keys/log.key", m->out->log_pub));
    ENT_TRY(save_sign_key(m->dir, "offline/root.key", m->out->root_pub));
    return make_store(m);
}

/* "fed/" -> "fed.making-1a2b3c4d": beside DIR, so that the last step is one rename. */
static enum ent_err making_name(const char *dir, char **out)
{
    struct ent_csprng random = ent_csprng_system();
    size_t len = strlen(dir);
    uint8_t bytes[4];
    char hex[9];
    char *name = NULL;

    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    ENT_TRY(ent_csprng_bytes(&random, bytes, sizeof bytes));
    ent_hex(bytes, sizeof bytes, hex);
    ENT_TRY(ent_calloc(len + sizeof ".making-" + sizeof hex, 1, &name));
    (void)snprintf(name, len + sizeof ".making-" + sizeof hex, "%.*s.making-%s", (int)len, dir,
                   hex);
    *out = name;
    return ENT_E_OK;
}

enum ent_err ent_setup_init(const struct ent_setup_options *options, struct ent_setup_result *out)
{
    struct ent_setup_result result = {0};
    struct making m = {
        .options = options, .out = &result, .wall_ms = ent_clock_wall(&options->clock)};
    enum ent_err err;

    ENT_REQUIRE(!ent_file_exists(options->dir), ENT_E_EXISTS,
                "%s is there already; init makes a new directory", options->dir);
    ENT_TRY(making_name(options->dir, &m.dir));
    err = ent_dir_make(m.dir);
    if (err != ENT_E_OK) {
        err = ent_io_error("make", options->dir); /* nothing is there to be removed */
        free(m.dir);
        return err;
    }
    err = make_all(&m);
    if (err == ENT_E_OK && rename(m.dir, options->dir) != 0) {
        err = ent_sysfail(ENT_E_IO, options->dir);
    }
    if (err == ENT_E_OK) {
        err = ent_parent_sync(options->dir);
    } else if (nftw(/* NOLINT(concurrency-mt-unsafe): init has one thread */
                    m.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        ent_log_warn("%s could not be removed", m.dir);
    }
    ent_cert_free(m.ca);
    ent_tls_key_free(m.ca_key);
    free(m.dir);
    if (err == ENT_E_OK) {
        *out = result;
    }
    return err;
}
