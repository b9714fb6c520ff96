#include "common/base/blob.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

struct ent_blob {
    atomic_uint refs;
    bool mapped;
    uint8_t *bytes;
    size_t len;
};

enum ent_err ent_blob_new_take(uint8_t *bytes, size_t len, struct ent_blob **out)
{
    struct ent_blob *b;

    ENT_TRY(ent_calloc(1, sizeof *b, &b));
    atomic_init(&b->refs, 1);
    b->bytes = bytes;
    b->len = len;
    *out = b;
    return ENT_E_OK;
}

enum ent_err ent_blob_new_copy(const void *bytes, size_t len, struct ent_blob **out)
{
    uint8_t *p;
    enum ent_err err;

    ENT_TRY(ent_calloc(len, 1, &p));
    if (len > 0) {
        memcpy(p, bytes, len);
    }
    err = ent_blob_new_take(p, len, out);
    if (err != ENT_E_OK) {
        free(p);
    }
    return err;
}

enum ent_err ent_blob_new_file(const char *path, struct ent_blob **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    void *p = NULL;
    enum ent_err err;

    if (fd < 0 || fstat(fd, &sb) != 0) {
        err = ent_io_error("open", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return err;
    }
    if (S_ISDIR(sb.st_mode)) {
        (void)close(fd);
        return ent_err_note(ENT_E_IO, "cannot read %s: it is a directory", path);
    }
    if (sb.st_size > 0) {
        p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (p == MAP_FAILED) {
        err = ent_io_error("map", path);
        (void)close(fd);
        return err;
    }
    (void)close(fd);
    err = ent_blob_new_take(p, (size_t)sb.st_size, out);
    if (err != ENT_E_OK) {
        if (p != NULL) {
            (void)munmap(p, (size_t)sb.st_size);
        }
        return err;
    }
    (*out)->mapped = true;
    return ENT_E_OK;
}

struct ent_blob *ent_blob_ref(struct ent_blob *blob)
{
    (void)atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void ent_blob_unref(struct ent_blob *blob)
{
    if (blob == NULL || atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (!blob->mapped) {
        free(blob->bytes);
    } else if (blob->bytes != NULL) {
        (void)munmap(blob->bytes, blob->len);
    }
    free(blob);
}

const uint8_t *ent_blob_bytes(const struct ent_blob *blob)
{
    return blob->bytes;
}

size_t ent_blob_len(const struct ent_blob *blob)
{
    return blob->len;
}

void ent_blob_drop_pages(const struct ent_blob *blob)
{
    if (blob->mapped && blob->bytes != NULL) {
        (void)madvise(blob->bytes, blob->len, MADV_DONTNEED);
    }
}
