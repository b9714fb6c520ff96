#include "common/crypto/sha256.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/file.h"
#include "common/base/mem.h"

#define FILE_STEP_BYTES ((size_t)256 * 1024)

/* Fetched once: an implicit fetch costs more than hashing a short message. Written once, under
 * pthread_once. */
static pthread_once_t md_once = PTHREAD_ONCE_INIT;
static EVP_MD *md_sha256;

static void md_fetch(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

enum ent_err ent_sha256_init(struct ent_sha256 *hash)
{
    if (pthread_once(&md_once, md_fetch) != 0 || md_sha256 == NULL) {
        return ent_err_note(ENT_E_NO_MEMORY, "OpenSSL offers no SHA-256");
    }
    if (hash->ctx == NULL) {
        hash->ctx = EVP_MD_CTX_new();
    }
    if (hash->ctx == NULL || EVP_DigestInit_ex2(hash->ctx, md_sha256, NULL) != 1) {
        return ent_err_note(ENT_E_NO_MEMORY, "out of memory for a digest");
    }
    return ENT_E_OK;
}

/* After a good init OpenSSL's SHA-256 has no way to fail but misuse. */
void ent_sha256_add(struct ent_sha256 *hash, const void *bytes, size_t len)
{
    if (len > 0) {
        ENT_BUG_ON(EVP_DigestUpdate(hash->ctx, bytes, len) != 1);
    }
}

void ent_sha256_finish(struct ent_sha256 *hash, uint8_t out[ENT_SHA256_BYTES])
{
    unsigned len = 0;

    ENT_BUG_ON(EVP_DigestFinal_ex(hash->ctx, out, &len) != 1 || len != ENT_SHA256_BYTES);
}

void ent_sha256_release(struct ent_sha256 *hash)
{
    EVP_MD_CTX_free(hash->ctx);
    hash->ctx = NULL;
}

enum ent_err ent_sha256_parts(const struct ent_part *parts, size_t n_parts,
                              uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_sha256 hash = {0};
    enum ent_err err = ent_sha256_init(&hash);

    if (err == ENT_E_OK) {
        for (size_t i = 0; i < n_parts; i++) {
            ent_sha256_add(&hash, parts[i].bytes, parts[i].len);
        }
        ent_sha256_finish(&hash, out);
    }
    ent_sha256_release(&hash);
    return err;
}

enum ent_err ent_sha256(const void *bytes, size_t len, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_part part = {bytes, len};

    return ent_sha256_parts(&part, 1, out);
}

enum ent_err ent_sha256_leaf_with(struct ent_sha256 *hash, const void *bytes, size_t len,
                                  uint8_t out[ENT_SHA256_BYTES])
{
    ENT_TRY(ent_sha256_init(hash));
    ent_sha256_add(hash, "\0", 1);
    ent_sha256_add(hash, bytes, len);
    ent_sha256_finish(hash, out);
    return ENT_E_OK;
}

/* One update of 65 bytes instead of three. */
enum ent_err ent_sha256_node_with(struct ent_sha256 *hash, const uint8_t left[ENT_SHA256_BYTES],
                                  const uint8_t right[ENT_SHA256_BYTES],
                                  uint8_t out[ENT_SHA256_BYTES])
{
    uint8_t message[1 + 2 * ENT_SHA256_BYTES] = {1};

    memcpy(message + 1, left, ENT_SHA256_BYTES);
    memcpy(message + 1 + ENT_SHA256_BYTES, right, ENT_SHA256_BYTES);
    ENT_TRY(ent_sha256_init(hash));
    ent_sha256_add(hash, message, sizeof message);
    ent_sha256_finish(hash, out);
    return ENT_E_OK;
}

enum ent_err ent_sha256_leaf(const void *bytes, size_t len, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_part parts[2] = {{"\0", 1}, {bytes, len}};

    return ent_sha256_parts(parts, 2, out);
}

enum ent_err ent_sha256_node(const uint8_t left[ENT_SHA256_BYTES],
                             const uint8_t right[ENT_SHA256_BYTES], uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_part parts[3] = {{"\1", 1}, {left, ENT_SHA256_BYTES}, {right, ENT_SHA256_BYTES}};

    return ent_sha256_parts(parts, 3, out);
}

static enum ent_err add_fd(struct ent_sha256 *hash, int fd)
{
    uint8_t *step = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_calloc(FILE_STEP_BYTES, 1, &step));
    do {
        err = ent_fd_read(fd, step, FILE_STEP_BYTES, &n);
        if (err == ENT_E_OK) {
            ent_sha256_add(hash, step, n);
        }
    } while (err == ENT_E_OK && n == FILE_STEP_BYTES);
    free(step);
    return err;
}

enum ent_err ent_sha256_file(const char *path, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_sha256 hash = {0};
    int fd;
    enum ent_err err = ENT_E_OK;

    ENT_REQUIRE(ent_file_exists(path), ENT_E_NOT_FOUND, "%s is not there", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ent_io_error("open", path);
    }
    err = ent_sha256_init(&hash);
    if (err == ENT_E_OK) {
        err = add_fd(&hash, fd);
        if (err == ENT_E_OK) {
            ent_sha256_finish(&hash, out);
        } else {
            (void)ent_err_prefix(err, "%s", path);
        }
    }
    ent_sha256_release(&hash);
    (void)close(fd);
    return err;
}

const char *ent_crypto_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
