#include "client/agent/identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/json/json.h"

#define MEMBER_JSON_MAX ((size_t)16 * 1024)
#define MEMBER_JSON_VERSION 1

/* ---- member.json ---- */

static enum ent_err member_json(const struct ent_identity *id, struct ent_buf *out)
{
    struct ent_json_writer w;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(&w, "version", MEMBER_JSON_VERSION);
    ent_json_put_key_string(&w, "name", id->name);
    ent_json_put_key_string(&w, "federation_name", id->federation_name);
    ent_json_put_key_string(&w, "address", id->address);
    ent_json_put_key_hex(&w, "federation", id->federation, sizeof id->federation);
    ent_json_put_key_hex(&w, "handle", id->handle, sizeof id->handle);
    ent_json_put_key_hex(&w, "log_pub", id->log_pub, sizeof id->log_pub);
    ent_json_put_key_hex(&w, "root_pub", id->root_pub, sizeof id->root_pub);
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_add_u8(out, '\n');
}

static enum ent_err get_text(const struct ent_json *root, const char *key, char *out, size_t size)
{
    const char *text;

    ENT_TRY(ent_json_string(ent_json_get(root, key), key, &text));
    ENT_REQUIRE(strlen(text) < size, ENT_E_CORRUPT, "%s is too long", key);
    memcpy(out, text, strlen(text) + 1);
    return ENT_E_OK;
}

static enum ent_err get_hex(const struct ent_json *root, const char *key, uint8_t *out, size_t len)
{
    const char *text;

    ENT_TRY(ent_json_string(ent_json_get(root, key), key, &text));
    if (ent_unhex(text, out, len) != ENT_E_OK) {
        return ent_err_note(ENT_E_CORRUPT, "%s is not %zu bytes of hex", key, len);
    }
    return ENT_E_OK;
}

static enum ent_err member_parse(const struct ent_json *root, struct ent_identity *id)
{
    uint64_t version;

    ENT_TRY(ent_json_uint(ent_json_get(root, "version"), "version", UINT32_MAX, &version));
    ENT_REQUIRE(version == MEMBER_JSON_VERSION, ENT_E_VERSION,
                "it has version %llu; this program reads %d", (unsigned long long)version,
                MEMBER_JSON_VERSION);
    ENT_TRY(get_text(root, "name", id->name, sizeof id->name));
    ENT_TRY(get_text(root, "federation_name", id->federation_name, sizeof id->federation_name));
    ENT_TRY(get_text(root, "address", id->address, sizeof id->address));
    ENT_TRY(get_hex(root, "federation", id->federation, sizeof id->federation));
    ENT_TRY(get_hex(root, "handle", id->handle, sizeof id->handle));
    ENT_TRY(get_hex(root, "log_pub", id->log_pub, sizeof id->log_pub));
    return get_hex(root, "root_pub", id->root_pub, sizeof id->root_pub);
}

static enum ent_err member_read(const char *path, struct ent_identity *id)
{
    struct ent_json *root = NULL;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, MEMBER_JSON_MAX);
    err = ent_file_read(path, &text);
    if (err == ENT_E_OK) {
        err = ent_json_parse((const char *)text.data, text.len, MEMBER_JSON_MAX, 2, &root);
        if (err == ENT_E_OK) {
            err = member_parse(root, id);
        }
        if (err != ENT_E_OK) {
            err = ent_err_prefix(err,
                                 "%s cannot be used (put it back from a backup, or enrol anew "
                                 "with another --dir)",
                                 path);
        }
    }
    ent_json_free(root);
    ent_buf_release(&text);
    return err;
}

bool ent_identity_exists(const char *dir)
{
    char *path = NULL;
    bool there;

    if (ent_path_join(dir, "member.json", &path) != ENT_E_OK) {
        return false;
    }
    there = ent_file_exists(path);
    free(path);
    return there;
}

static enum ent_err load_statement(const char *dir, struct ent_sign_key **out)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "keys/statement.key", &path));
    err = ent_sign_key_load(path, out);
    free(path);
    return err;
}

enum ent_err ent_identity_read(const char *dir, struct ent_identity *out)
{
    struct ent_identity id = {0};
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "member.json", &path));
    err = member_read(path, &id);
    free(path);
    if (err == ENT_E_NOT_FOUND) { /* and not: may not be read */
        return ent_err_note(
            err, "%s: no member is enrolled here; run: entente-client enroll --dir %s", dir, dir);
    }
    if (err == ENT_E_OK) {
        err = load_statement(dir, &id.statement);
    }
    if (err != ENT_E_OK) {
        return err;
    }
    *out = id;
    return ENT_E_OK;
}

void ent_identity_release(struct ent_identity *identity)
{
    ent_sign_key_free(identity->statement);
    *identity = (struct ent_identity){0};
}

/* ---- keys/tls.pem ---- */

/* The crypto room writes a key only into a new file of its own; it is read back and removed, so that key and
 * certificate can be replaced by one rename. */
static enum ent_err key_pem(const char *dir, const struct ent_tls_key *key, struct ent_buf *pem)
{
    char *path = NULL;
    enum ent_err err;
    enum ent_err gone;

    ENT_TRY(ent_path_join(dir, "keys/tls.key.new", &path));
    err = ent_file_remove(path); /* left by a crash */
    if (err == ENT_E_OK) {
        err = ent_tls_key_save(key, path);
    }
    if (err == ENT_E_OK) {
        err = ent_file_read(path, pem);
    }
    gone = ent_file_remove(path);
    free(path);
    return err != ENT_E_OK ? err : gone;
}

static enum ent_err pair_pem(const char *dir, const struct ent_tls_key *key,
                             const struct ent_cert *cert, struct ent_buf *pem)
{
    ENT_TRY(ent_cert_check_key(cert, key));
    ENT_TRY(key_pem(dir, key, pem));
    return ent_cert_encode_pem(cert, pem);
}

enum ent_err ent_identity_tls_swap(const char *dir, const struct ent_tls_key *key,
                                   const struct ent_cert *cert, struct ent_buf *pem)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(pair_pem(dir, key, cert, pem));
    ENT_TRY(ent_path_join(dir, "keys/tls.pem", &path));
    err = ent_file_write_atomic(path, pem->data, pem->len, 0600);
    free(path);
    return err;
}

enum ent_err ent_identity_tls_read(const char *dir, struct ent_buf *pem)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "keys/tls.pem", &path));
    err = ent_file_check_private(path);
    if (err == ENT_E_OK) {
        err = ent_file_read(path, pem);
    }
    free(path);
    return err;
}

enum ent_err ent_identity_cert_info(const char *dir, struct ent_cert_info *out)
{
    struct ent_cert *cert = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "keys/tls.pem", &path));
    err = ent_cert_load(path, &cert);
    if (err == ENT_E_OK) {
        err = ent_cert_info(cert, out);
    }
    ent_cert_free(cert);
    free(path);
    return err;
}

/* ---- all of it, for enrolment ---- */

static enum ent_err write_tls(const char *dir, const struct ent_identity_files *files)
{
    struct ent_buf pem;
    enum ent_err err;

    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    err = ent_identity_tls_swap(dir, files->tls_key, files->cert, &pem);
    ent_buf_wipe(&pem);
    return err;
}

static enum ent_err write_trust(const char *dir, const struct ent_identity_files *files)
{
    char *ca = NULL;
    char *crl = NULL;
    enum ent_err err = ent_path_join(dir, "ca.pem", &ca);

    if (err == ENT_E_OK) {
        err = ent_path_join(dir, "crl.pem", &crl);
    }
    if (err == ENT_E_OK) {
        err = ent_cert_save(files->ca, NULL, ca);
    }
    if (err == ENT_E_OK) {
        err = files->crl != NULL ? ent_crl_save(files->crl, crl) : ENT_E_OK;
    }
    free(ca);
    free(crl);
    return err;
}

static enum ent_err write_sign_key(const char *dir, const char *name,
                                   const struct ent_sign_key *key)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_sign_key_save(key, path);
    free(path);
    return err;
}

static enum ent_err write_member(const char *dir, const struct ent_identity *id)
{
    struct ent_buf json;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "member.json", &path));
    ent_buf_init(&json, MEMBER_JSON_MAX);
    err = member_json(id, &json);
    if (err == ENT_E_OK) {
        err = ent_file_write_new(path, json.data, json.len, 0600);
    }
    ent_buf_release(&json);
    free(path);
    return err;
}

enum ent_err ent_identity_write(const char *dir, const struct ent_identity_files *files)
{
    char *keys = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "keys", &keys));
    err = ent_dir_make(keys);
    free(keys);
    if (err != ENT_E_OK) {
        return err;
    }
    ENT_TRY(write_sign_key(dir, "keys/statement.key", files->identity->statement));
    ENT_TRY(write_sign_key(dir, "keys/witness.key", files->witness));
    ENT_TRY(write_tls(dir, files));
    ENT_TRY(write_trust(dir, files));
    return write_member(dir, files->identity);
}
