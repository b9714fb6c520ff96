#include "common/crypto/secret.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "common/base/file.h"

/* Room for every long-lived key and the ephemeral ones of handshakes under way (32 to 256 bytes
 * each). */
#define HEAP_BYTES ((size_t)256 * 1024)
#define HEAP_BLOCK_BYTES 32

enum ent_err ent_secret_init_process(void)
{
    struct rlimit none = {0, 0};

    ENT_REQUIRE(setrlimit(RLIMIT_CORE, &none) == 0, ENT_E_INTERNAL, "cannot switch core dumps off");
    /* 2: usable, but not locked (RLIMIT_MEMLOCK); 0: no heap, and ent_secret maps its own pages. */
    if (CRYPTO_secure_malloc_initialized() == 0) {
        (void)CRYPTO_secure_malloc_init(HEAP_BYTES, HEAP_BLOCK_BYTES);
    }
    return ENT_E_OK;
}

static enum ent_err map_pages(struct ent_secret *secret, size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ENT_REQUIRE(p != MAP_FAILED, ENT_E_NO_MEMORY, "out of memory for a secret of %zu bytes", len);
    (void)madvise(p, len, MADV_DONTDUMP);
    (void)mlock(p, len); /* where the limit allows it */
    secret->bytes = p;
    secret->len = len;
    secret->mapped = true;
    return ENT_E_OK;
}

enum ent_err ent_secret_init(struct ent_secret *secret, size_t len)
{
    void *p = NULL;

    ENT_REQUIRE(len > 0, ENT_E_SHAPE, "a secret of no bytes");
    if (CRYPTO_secure_malloc_initialized() != 0) {
        p = OPENSSL_secure_zalloc(len);
    }
    if (p == NULL) {
        return map_pages(secret, len);
    }
    secret->bytes = p;
    secret->len = len;
    secret->mapped = false;
    return ENT_E_OK;
}

void ent_secret_release(struct ent_secret *secret)
{
    if (secret->bytes != NULL && secret->mapped) {
        ent_cleanse(secret->bytes, secret->len);
        (void)munmap(secret->bytes, secret->len);
    } else if (secret->bytes != NULL) {
        OPENSSL_secure_clear_free(secret->bytes, secret->len);
    }
    *secret = (struct ent_secret){0};
}

/* Owner, mode and size of what was opened, not of what the name stands for a moment before. Not waiting for a writer: the
 * name may be a pipe's. */
static enum ent_err read_open(int fd, const char *path, size_t max_bytes, struct ent_secret *out)
{
    uint64_t size = 0;
    size_t n = 0;

    ENT_TRY(ent_fd_check_private(fd, path, &size));
    ENT_REQUIRE(size > 0, ENT_E_CORRUPT, "%s is empty", path);
    ENT_REQUIRE(size <= max_bytes, ENT_E_LIMIT, "%s is larger than %zu bytes", path, max_bytes);
    ENT_TRY(ent_secret_init(out, (size_t)size));
    ENT_TRY(ent_fd_read(fd, out->bytes, out->len, &n));
    ENT_REQUIRE(n == out->len, ENT_E_IO, "%s changed while it was read", path);
    return ENT_E_OK;
}

enum ent_err ent_secret_read_file(struct ent_secret *secret, const char *path, size_t max_bytes)
{
    struct ent_secret got = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum ent_err err;

    if (fd < 0) {
        return ent_io_error("open", path);
    }
    err = read_open(fd, path, max_bytes, &got);
    (void)close(fd);
    if (err != ENT_E_OK) {
        ent_secret_release(&got);
        return err;
    }
    *secret = got;
    return ENT_E_OK;
}

enum ent_err ent_secret_write_file(const char *path, const void *bytes, size_t len)
{
    return ent_file_write_new(path, bytes, len, 0600);
}

void ent_cleanse(void *bytes, size_t len)
{
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, len);
    }
}

bool ent_ct_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
