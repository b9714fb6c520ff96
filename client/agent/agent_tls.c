#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/net/link_nng.h"

struct tls_files {
    struct ent_buf pair; /* key and certificate */
    struct ent_buf ca;
    struct ent_buf crl;
};

static enum ent_err read_files(const char *dir, struct tls_files *files)
{
    char *crl = NULL;
    enum ent_err err;

    ENT_TRY(ent_identity_tls_read(dir, &files->pair));
    ENT_TRY(ent_file_read_in(dir, "ca.pem", &files->ca));
    ENT_TRY(ent_path_join(dir, "crl.pem", &crl));
    /* None came with enrolment when it is too long for an envelope. */
    err = ent_file_exists(crl) ? ent_file_read(crl, &files->crl) : ENT_E_OK;
    free(crl);
    return err;
}

struct tls_parts {
    struct ent_cert *cert;
    struct ent_tls_key *key;
    struct ent_cert *ca;
    struct ent_crl *crl;
};

static enum ent_err load_parts(const char *pair, const char *ca, const char *crl,
                               struct tls_parts *out)
{
    ENT_TRY(ent_cert_load(pair, &out->cert));
    ENT_TRY(ent_tls_key_load(pair, &out->key));
    ENT_TRY(ent_err_prefix(ent_cert_check_key(out->cert, out->key), "%s", pair));
    ENT_TRY(ent_cert_load(ca, &out->ca));
    return ent_file_exists(crl) ? ent_crl_load(crl, &out->crl) : ENT_E_OK;
}

/* The TLS library sees bytes: which file is damaged, and what to do about it, is found out here. */
static enum ent_err check_files(const char *dir)
{
    struct tls_parts parts = {0};
    char *paths[3] = {0};
    char finding[320];
    enum ent_err err = ent_path_join(dir, "keys/tls.pem", &paths[0]);

    if (err == ENT_E_OK) {
        err = ent_path_join(dir, "ca.pem", &paths[1]);
    }
    if (err == ENT_E_OK) {
        err = ent_path_join(dir, "crl.pem", &paths[2]);
    }
    if (err == ENT_E_OK) {
        err = load_parts(paths[0], paths[1], paths[2], &parts);
    }
    ent_cert_free(parts.cert);
    ent_tls_key_free(parts.key);
    ent_cert_free(parts.ca);
    ent_crl_free(parts.crl);
    for (size_t i = 0; i < ENT_ARRAY_LEN(paths); i++) {
        free(paths[i]);
    }
    if (err != ENT_E_CORRUPT && err != ENT_E_CONFIG) {
        return err;
    }
    (void)snprintf(finding, sizeof finding, "%s", ent_err_message());
    return ent_err_note(ENT_E_CORRUPT,
                        "%s -- put the file back from a backup, or enrol anew with another --dir "
                        "(crl.pem may be removed)",
                        finding);
}

/* Everything out of DIR; ctx is the directory's name. */
static enum ent_err tls_open(void *ctx, ent_link_handler handler, void *handler_ctx,
                             struct ent_link **out)
{
    struct ent_link_limits limits = ent_link_limits_default();
    struct tls_files files;
    enum ent_err err;

    ent_buf_init(&files.pair, ENT_PEM_MAX_BYTES);
    ent_buf_init(&files.ca, ENT_PEM_MAX_BYTES);
    ent_buf_init(&files.crl, ENT_PEM_MAX_BYTES);
    err = check_files(ctx);
    if (err == ENT_E_OK) {
        err = read_files(ctx, &files);
    }
    if (err == ENT_E_OK) {
        /* An old revocation list must not lock this member out for good: it gets the newer one in WELCOME. */
        struct ent_tls_settings settings = {.cert_pem = files.pair.data,
                                            .cert_pem_len = files.pair.len,
                                            .key_pem = files.pair.data,
                                            .key_pem_len = files.pair.len,
                                            .ca_pem = files.ca.data,
                                            .ca_pem_len = files.ca.len,
                                            .crl = files.crl.data,
                                            .crl_len = files.crl.len,
                                            .crl_may_be_old = true};

        err = ent_link_nng_new(&settings, &limits, handler, handler_ctx, out);
    }
    ent_buf_wipe(&files.pair);
    ent_buf_release(&files.ca);
    ent_buf_release(&files.crl);
    return err;
}

static enum ent_err tls_renew(void *ctx, struct ent_link *link, const uint8_t *pem, size_t len)
{
    (void)ctx;
    return ent_link_nng_renew(link, pem, len, pem, len);
}

static enum ent_err tls_crl(void *ctx, struct ent_link *link, const uint8_t *der, size_t len)
{
    (void)ctx;
    return ent_link_nng_add_crl(link, der, len);
}

struct ent_agent_transport ent_agent_tls_transport(char *dir)
{
    return (struct ent_agent_transport){
        .ctx = dir, .open = tls_open, .renew = tls_renew, .crl = tls_crl};
}
