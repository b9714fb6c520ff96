#include "client/agent/enroll_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/io.h"
#include "client/state/state.h"
#include "common/base/address.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/plan/client_config.h"

/* In the order of moving: what is moved last makes the member enrolled. */
static const char *const moved[] = {"keys",   "state.db", "state.db-wal", "state.db-shm", "updates",
                                    "models", "ca.pem",   "crl.pem",      "member.json"};

/* ---- begin ---- */

/* Files and one level of directories: all that this program puts there. */
static void empty_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    /* readdir: one thread, one stream */
    while (dir != NULL && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        char *name = NULL;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            ent_path_join(path, entry->d_name, &name) != ENT_E_OK) {
            continue;
        }
        (void)remove(name); /* a file or an empty directory */
        free(name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void remove_staging(const char *staging)
{
    static const char *const dirs[] = {"keys", "updates", "models"};

    for (size_t i = 0; i < ENT_ARRAY_LEN(dirs); i++) {
        char *path = NULL;

        if (ent_path_join(staging, dirs[i], &path) == ENT_E_OK) {
            empty_dir(path);
            free(path);
        }
    }
    empty_dir(staging);
    (void)rmdir(staging);
}

static enum ent_err make_keys(struct ent_enroll_files *files)
{
    ENT_TRY(ent_tls_key_generate(&files->tls));
    ENT_TRY(ent_sign_key_generate(&files->statement));
    return ent_sign_key_generate(&files->witness);
}

enum ent_err ent_enroll_files_begin(const char *dir, struct ent_enroll_files *out)
{
    ENT_REQUIRE(!ent_identity_exists(dir), ENT_E_EXISTS,
                "%s: a member is enrolled here already; take another --dir", dir);
    out->made_dir = !ent_file_exists(dir);
    ENT_TRY(ent_strdup(dir, &out->dir));
    ENT_TRY(ent_path_join(dir, "enrolling", &out->staging));
    ENT_TRY(ent_dir_make(dir));
    remove_staging(out->staging); /* of an earlier try that was killed */
    ENT_TRY(ent_dir_make(out->staging));
    return make_keys(out);
}

enum ent_err ent_enroll_files_request(struct ent_enroll_files *files,
                                      struct ent_enroll_request *out)
{
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_state *state = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_open(files->staging, &state));
    err = ent_state_nonce_first(state, &csprng, out->nonce_commit);
    if (err == ENT_E_OK) {
        err = ent_state_next_sequence(state, &out->sequence);
    }
    ent_state_close(state);
    if (err == ENT_E_OK) {
        err = ent_csr_make(files->tls, "entente member", &out->csr);
    }
    return err;
}

/* ---- finish ---- */

struct issued {
    struct ent_cert *cert;
    struct ent_cert *ca;
    struct ent_crl *crl;
};

static enum ent_err decode_issued(const struct ent_msg_enrolled *m, struct issued *out)
{
    ENT_TRY(ent_cert_decode(m->cert.data, m->cert.len, &out->cert));
    ENT_TRY(ent_cert_decode(m->ca.data, m->ca.len, &out->ca));
    /* One that is too long for an envelope is left out. */
    return m->crl.len > 0 ? ent_crl_decode(m->crl.data, m->crl.len, &out->crl) : ENT_E_OK;
}

static enum ent_err check_issued(const struct ent_enroll_files *files,
                                 const struct ent_msg_enrolled *m, const struct issued *issued,
                                 uint64_t wall_ms)
{
    struct ent_cert_info info;
    uint8_t handle[ENT_HANDLE_BYTES];
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t port;

    ENT_REQUIRE(ent_address_split(m->address, host, &port) && port != 0, ENT_E_PROTOCOL,
                "the coordinator's address is no HOST:PORT");
    ENT_TRY(ent_cert_check_key(issued->cert, files->tls));
    ENT_TRY(ent_cert_verify(issued->cert, issued->ca, issued->crl, ENT_CERT_CLIENT, wall_ms));
    ENT_TRY(issued->crl != NULL ? ent_crl_verify(issued->crl, issued->ca) : ENT_E_OK);
    ENT_TRY(ent_cert_info(issued->cert, &info));
    ENT_TRY(ent_certs_member_of_uri(info.uri, m->federation, handle));
    ENT_REQUIRE(memcmp(handle, m->handle, sizeof handle) == 0, ENT_E_PROTOCOL,
                "the certificate is for another member");
    ENT_TRY(ent_sign_pub_check(m->log_pub));
    return ent_sign_pub_check(m->root_pub);
}

static enum ent_err write_issued(const struct ent_enroll_files *files,
                                 const struct ent_msg_enrolled *m, const struct issued *issued)
{
    struct ent_identity id = {.statement = files->statement};
    struct ent_identity_files all = {.identity = &id,
                                     .witness = files->witness,
                                     .tls_key = files->tls,
                                     .cert = issued->cert,
                                     .ca = issued->ca,
                                     .crl = issued->crl};

    memcpy(id.federation, m->federation, sizeof id.federation);
    memcpy(id.handle, m->handle, sizeof id.handle);
    memcpy(id.name, m->name, sizeof id.name);
    memcpy(id.federation_name, m->federation_name, sizeof id.federation_name);
    memcpy(id.address, m->address, sizeof id.address);
    memcpy(id.log_pub, m->log_pub, sizeof id.log_pub);
    memcpy(id.root_pub, m->root_pub, sizeof id.root_pub);
    return ent_identity_write(files->staging, &all);
}

static enum ent_err write_config(const struct ent_enroll_files *files, const char *address,
                                 bool *written)
{
    struct ent_buf text;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(files->dir, "client.yaml", &path));
    if (ent_file_exists(path)) {
        free(path);
        *written = false;
        return ENT_E_OK;
    }
    ent_buf_init(&text, (size_t)64 * 1024);
    err = ent_client_config_text(address, &text);
    if (err == ENT_E_OK) {
        err = ent_file_write_new(path, text.data, text.len, 0600);
    }
    ent_buf_release(&text);
    free(path);
    *written = err == ENT_E_OK;
    return err;
}

static enum ent_err move_one(const struct ent_enroll_files *files, const char *name)
{
    char *from = NULL;
    char *to = NULL;
    enum ent_err err = ent_path_join(files->staging, name, &from);

    if (err == ENT_E_OK) {
        err = ent_path_join(files->dir, name, &to);
    }
    if (err == ENT_E_OK && ent_file_exists(from) && rename(from, to) != 0) {
        err = ent_agent_io(to);
    }
    free(from);
    free(to);
    return err;
}

static enum ent_err move_all(struct ent_enroll_files *files)
{
    for (size_t i = 0; i < ENT_ARRAY_LEN(moved); i++) {
        ENT_TRY(move_one(files, moved[i]));
    }
    files->finished = true;
    ENT_HOOK_POINT("enroll.moved");
    return ent_dir_sync(files->dir);
}

enum ent_err ent_enroll_files_finish(struct ent_enroll_files *files,
                                     const struct ent_msg_enrolled *m, uint64_t wall_ms,
                                     bool *config_written)
{
    struct issued issued = {0};
    enum ent_err err = decode_issued(m, &issued);

    if (err == ENT_E_OK) {
        err = check_issued(files, m, &issued, wall_ms);
    }
    if (err == ENT_E_OK) {
        err = write_issued(files, m, &issued);
    }
    if (err == ENT_E_OK) {
        err = write_config(files, m->address, config_written);
    }
    if (err == ENT_E_OK) {
        err = move_all(files);
    }
    ent_cert_free(issued.cert);
    ent_cert_free(issued.ca);
    ent_crl_free(issued.crl);
    return err;
}

void ent_enroll_files_end(struct ent_enroll_files *files)
{
    if (files->staging != NULL) {
        remove_staging(files->staging);
    }
    if (files->dir != NULL && files->made_dir && !files->finished) {
        (void)rmdir(files->dir);
    }
    ent_tls_key_free(files->tls);
    ent_sign_key_free(files->statement);
    ent_sign_key_free(files->witness);
    free(files->staging);
    free(files->dir);
    *files = (struct ent_enroll_files){0};
}
