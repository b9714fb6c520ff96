#include "common/net/sink.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"

struct ent_sink {
    uint64_t len;  /* to come in all */
    uint64_t have; /* came */
    struct ent_sha256 hash;
    uint8_t digest[ENT_SHA256_BYTES];
    bool finished;
    uint8_t *memory; /* NULL for a file */
    int fd;          /* -1 for memory */
    char *path;
    bool keep;
    bool no_sync;
    uint8_t *buffer; /* file: [ENT_SINK_FILE_BUFFER_BYTES] while a transfer runs */
    size_t buffered; /* bytes in it, hashed, not written */
};

static enum ent_err sink_new(uint64_t n_bytes, struct ent_sink **out)
{
    struct ent_sink *s;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    err = ent_sha256_init(&s->hash);
    if (err != ENT_E_OK) {
        free(s);
        return err;
    }
    s->len = n_bytes;
    s->fd = -1;
    *out = s;
    return ENT_E_OK;
}

enum ent_err ent_sink_new_memory(uint64_t n_bytes, struct ent_sink **out)
{
    struct ent_sink *s;
    enum ent_err err;

    ENT_REQUIRE(n_bytes <= SIZE_MAX, ENT_E_LIMIT, "a transfer of %llu bytes does not fit in memory",
                (unsigned long long)n_bytes);
    ENT_TRY(sink_new(n_bytes, &s));
    err = ent_calloc((size_t)n_bytes, 1, &s->memory);
    if (err != ENT_E_OK) {
        ent_sink_free(s);
        return err;
    }
    *out = s;
    return ENT_E_OK;
}

enum ent_err ent_sink_new_file(int fd_take, const char *path, uint64_t n_bytes,
                               struct ent_sink **out)
{
    struct ent_sink *s;
    enum ent_err err;

    ENT_TRY(sink_new(n_bytes, &s));
    err = ent_strdup(path, &s->path);
    if (err != ENT_E_OK) {
        ent_sink_free(s);
        return err;
    }
    s->fd = fd_take;
    *out = s;
    return ENT_E_OK;
}

void ent_sink_free(struct ent_sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->fd >= 0) {
        (void)close(sink->fd);
        if (!sink->keep) {
            (void)unlink(sink->path);
        }
    }
    ent_sha256_release(&sink->hash);
    free(sink->memory);
    free(sink->buffer);
    free(sink->path);
    free(sink);
}

void ent_sink_keep(struct ent_sink *sink)
{
    sink->keep = true;
}

void ent_sink_no_sync(struct ent_sink *sink)
{
    sink->no_sync = true;
}

uint64_t ent_sink_left(const struct ent_sink *sink)
{
    return sink->len - sink->have;
}

bool ent_sink_complete(const struct ent_sink *sink)
{
    return sink->have == sink->len;
}

bool ent_sink_is_file(const struct ent_sink *sink)
{
    return sink->path != NULL;
}

const char *ent_sink_path(const struct ent_sink *sink)
{
    return sink->path;
}

void ent_sink_sha256(const struct ent_sink *sink, uint8_t out[32])
{
    ENT_BUG_ON(!sink->finished);
    memcpy(out, sink->digest, ENT_SHA256_BYTES);
}

enum ent_err ent_sink_window(struct ent_sink *sink, uint8_t **out, size_t *len_bytes)
{
    size_t left = (size_t)(sink->len - sink->have);
    size_t room;

    if (sink->memory != NULL) {
        *out = sink->memory + sink->have;
        *len_bytes = left;
        return ENT_E_OK;
    }
    if (sink->buffer == NULL) {
        ENT_TRY(ent_calloc(ENT_SINK_FILE_BUFFER_BYTES, 1, &sink->buffer));
    }
    room = ENT_SINK_FILE_BUFFER_BYTES - sink->buffered;
    *out = sink->buffer + sink->buffered;
    *len_bytes = left < room ? left : room;
    return ENT_E_OK;
}

static enum ent_err flush_buffer(struct ent_sink *sink)
{
    enum ent_err err = ent_fd_write(sink->fd, sink->buffer, sink->buffered);

    if (err != ENT_E_OK) {
        return ent_err_prefix(err, "%s", sink->path);
    }
    sink->buffered = 0;
    return ENT_E_OK;
}

enum ent_err ent_sink_advance(struct ent_sink *sink, size_t len)
{
    ENT_BUG_ON(len > sink->len - sink->have);
    if (sink->memory != NULL) {
        ent_sha256_add(&sink->hash, sink->memory + sink->have, len);
        sink->have += len;
        return ENT_E_OK;
    }
    ENT_BUG_ON(sink->buffer == NULL || len > ENT_SINK_FILE_BUFFER_BYTES - sink->buffered);
    ent_sha256_add(&sink->hash, sink->buffer + sink->buffered, len);
    sink->have += len;
    sink->buffered += len;
    if (sink->buffered == ENT_SINK_FILE_BUFFER_BYTES || sink->have == sink->len) {
        return flush_buffer(sink);
    }
    return ENT_E_OK;
}

enum ent_err ent_sink_write(struct ent_sink *sink, const uint8_t *bytes, size_t len)
{
    ENT_REQUIRE(len <= sink->len - sink->have, ENT_E_PROTOCOL, "more bytes than were granted");
    while (len > 0) {
        uint8_t *to;
        size_t room;

        ENT_TRY(ent_sink_window(sink, &to, &room));
        room = room < len ? room : len;
        memcpy(to, bytes, room);
        ENT_TRY(ent_sink_advance(sink, room));
        bytes += room;
        len -= room;
    }
    return ENT_E_OK;
}

enum ent_err ent_sink_finish(struct ent_sink *sink)
{
    ENT_REQUIRE(sink->have == sink->len, ENT_E_SHAPE, "a transfer ended %llu bytes short",
                (unsigned long long)(sink->len - sink->have));
    if (sink->finished) {
        return ENT_E_OK;
    }
    free(sink->buffer);
    sink->buffer = NULL;
    if (sink->fd >= 0 && !sink->no_sync) {
        ENT_TRY(ent_fd_sync(sink->fd, sink->path));
    }
    ent_sha256_finish(&sink->hash, sink->digest);
    ent_sha256_release(&sink->hash);
    sink->finished = true;
    return ENT_E_OK;
}

enum ent_err ent_sink_blob(struct ent_sink *sink, struct ent_blob **out)
{
    ENT_BUG_ON(!sink->finished);
    if (sink->memory == NULL) {
        return ent_blob_new_file(sink->path, out);
    }
    ENT_TRY(ent_blob_new_take(sink->memory, (size_t)sink->len, out));
    sink->memory = NULL; /* taken: the sink keeps length and digest only */
    return ENT_E_OK;
}
