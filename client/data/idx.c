#include "client/data/idx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define TYPE_BYTES 0x08 /* the one type of numbers that is read */
#define DIMS_MAX 4
#define FILES_MAX 2
#define IN_BYTES (256U * 1024U)
#define LABEL_BYTES 4

static const char images_word[] = "images-idx3";
static const char labels_word[] = "labels-idx1";

/* One open file. */
struct stream {
    gzFile gz;
    char *path;
    uint32_t n;        /* as announced */
    size_t item_bytes; /* of each */
};

struct ent_idx {
    struct stream images;
    struct stream labels; /* gz NULL: there are none */
    bool labelled;
    uint32_t at; /* next item of the files that are open */
    const char *paths[FILES_MAX];
    const char *first_labels; /* as configured */
    size_t n_paths;
    size_t next_path;
    size_t item_bytes;

    unsigned char *picture; /* [ENT_IDX_MAX_BYTES] */
    char label[LABEL_BYTES];
    uint64_t number;
    struct ent_text fields[2];
    struct ent_text header[2];
    struct ent_source_row row;
};

/* ---- one file ---- */

static void stream_close(struct stream *s)
{
    if (s->gz != NULL) {
        (void)gzclose(s->gz);
    }
    free(s->path);
    *s = (struct stream){0};
}

static enum ent_err stream_open(const char *path, struct stream *s)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        int e = errno;
        char reason[128] = "";

        (void)strerror_r(e, reason, sizeof reason);
        return ent_err_note(e == ENOENT ? ENT_E_NOT_FOUND : ENT_E_IO, "%s cannot be opened: %s",
                            path, reason);
    }
    s->gz = gzdopen(fd, "rb");
    if (s->gz == NULL) {
        (void)close(fd);
        return ent_err_note(ENT_E_NO_MEMORY, "no memory to read %s", path);
    }
    (void)gzbuffer(s->gz, IN_BYTES);
    return ent_strdup(path, &s->path);
}

/* Up to n bytes; fewer only at the end of the file. */
static enum ent_err stream_read(struct stream *s, void *out, size_t n, size_t *got)
{
    int k = gzread(s->gz, out, (unsigned)n);
    int code = Z_OK;
    const char *reason = gzerror(s->gz, &code);

    ENT_REQUIRE(k >= 0 && code == Z_OK, ENT_E_IO, "%s cannot be read to its end: %s", s->path,
                code == Z_BUF_ERROR ? "the .gz file is cut off" : reason);
    *got = (size_t)k;
    return ENT_E_OK;
}

static enum ent_err read_dims(struct stream *s, uint32_t n_dims)
{
    uint8_t be[4 * DIMS_MAX];
    size_t got;

    ENT_TRY(stream_read(s, be, (size_t)4 * n_dims, &got));
    ENT_REQUIRE(got == (size_t)4 * n_dims, ENT_E_DATA, "%s is cut off in its header", s->path);
    s->n = ent_get_be32(be);
    s->item_bytes = 1;
    for (uint32_t i = 1; i < n_dims; i++) {
        uint32_t d = ent_get_be32(be + (size_t)4 * i);

        ENT_REQUIRE(d >= 1 && d <= ENT_IDX_MAX_BYTES &&
                        s->item_bytes * d <= (size_t)ENT_IDX_MAX_BYTES,
                    ENT_E_DATA, "%s: its header announces pictures that are not 1 to %d bytes",
                    s->path, ENT_IDX_MAX_BYTES);
        s->item_bytes *= d;
    }
    return ENT_E_OK;
}

/* least, most: of dimensions. */
static enum ent_err read_head(struct stream *s, const char *what, uint32_t least, uint32_t most)
{
    uint8_t magic[4];
    size_t got;

    ENT_TRY(stream_read(s, magic, sizeof magic, &got));
    ENT_REQUIRE(got == sizeof magic && magic[0] == 0 && magic[1] == 0, ENT_E_DATA,
                "%s is no idx file: it does not begin as one", s->path);
    ENT_REQUIRE(magic[2] == TYPE_BYTES, ENT_E_DATA,
                "%s: an idx file of bytes is expected (type 0x08), not of type 0x%02x", s->path,
                magic[2]);
    ENT_REQUIRE(magic[3] >= least && magic[3] <= most, ENT_E_DATA,
                "%s has %u dimensions: it is no file of %s", s->path, (unsigned)magic[3], what);
    return read_dims(s, magic[3]);
}

/* One item; DATA where the file ends before it. */
static enum ent_err read_item(struct stream *s, uint32_t at, void *out)
{
    size_t got;

    ENT_TRY(stream_read(s, out, s->item_bytes, &got));
    ENT_REQUIRE(got == s->item_bytes, ENT_E_DATA,
                "%s ends in item %u, but its header announces %u: it is cut off", s->path,
                (unsigned)at, (unsigned)s->n);
    return ENT_E_OK;
}

static enum ent_err check_end(struct stream *s)
{
    uint8_t byte;
    size_t got;

    ENT_TRY(stream_read(s, &byte, 1, &got));
    ENT_REQUIRE(got == 0, ENT_E_DATA, "%s goes on behind the %u items that its header announces",
                s->path, (unsigned)s->n);
    return ENT_E_OK;
}

/* ---- pictures and their labels ---- */

/* The labels' file by the usual names; NULL: the pictures are not called so. */
static enum ent_err labels_path(const char *images, char **out)
{
    const char *at = NULL;
    size_t len = strlen(images);
    char *made;

    *out = NULL;
    for (const char *p = strstr(images, images_word); p != NULL; p = strstr(p + 1, images_word)) {
        at = p; /* the last: directories may be called so too */
    }
    if (at == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_strndup(images, len, &made));
    memcpy(made + (at - images), labels_word, sizeof labels_word - 1);
    *out = made;
    return ENT_E_OK;
}

static enum ent_err open_labels(struct ent_idx *idx, const char *images)
{
    bool configured = idx->next_path == 1 && idx->first_labels != NULL;
    char *path = NULL;
    enum ent_err err;

    if (configured) {
        err = stream_open(idx->first_labels, &idx->labels);
    } else {
        ENT_TRY(labels_path(images, &path));
        if (path == NULL || access(path, F_OK) != 0) {
            free(path);
            return ENT_E_OK;
        }
        err = stream_open(path, &idx->labels);
        free(path);
    }
    ENT_TRY(err);
    ENT_TRY(read_head(&idx->labels, "labels", 1, 1));
    ENT_REQUIRE(idx->labels.n == idx->images.n, ENT_E_DATA,
                "%s has %u labels and %s has %u pictures: they do not belong together",
                idx->labels.path, (unsigned)idx->labels.n, idx->images.path,
                (unsigned)idx->images.n);
    return ENT_E_OK;
}

static enum ent_err open_next(struct ent_idx *idx)
{
    bool first = idx->next_path == 0;
    const char *path = idx->paths[idx->next_path++];

    stream_close(&idx->images);
    stream_close(&idx->labels);
    idx->at = 0;
    ENT_TRY(stream_open(path, &idx->images));
    ENT_TRY(read_head(&idx->images, "pictures", 2, DIMS_MAX));
    ENT_TRY(open_labels(idx, path));
    if (first) {
        idx->item_bytes = idx->images.item_bytes;
        idx->labelled = idx->labels.gz != NULL;
    }
    ENT_REQUIRE(idx->images.item_bytes == idx->item_bytes, ENT_E_DATA,
                "%s has pictures of %zu bytes, %s of %zu: they do not belong together", path,
                idx->images.item_bytes, idx->paths[0], idx->item_bytes);
    ENT_REQUIRE((idx->labels.gz != NULL) == idx->labelled, ENT_E_DATA,
                "%s and %s: one has labels, the other has none", path, idx->paths[0]);
    return ENT_E_OK;
}

static enum ent_err start(const struct ent_data_config *config, struct ent_idx *idx)
{
    idx->paths[idx->n_paths++] = config->path;
    if (config->more != NULL) {
        idx->paths[idx->n_paths++] = config->more;
    }
    idx->first_labels = config->labels;
    idx->header[0] = (struct ent_text){.text = "image", .len = 5};
    idx->header[1] = (struct ent_text){.text = "label", .len = 5};
    ENT_TRY(ent_calloc(ENT_IDX_MAX_BYTES, 1, &idx->picture));
    return open_next(idx);
}

enum ent_err ent_idx_open(const struct ent_data_config *config, struct ent_idx **out)
{
    struct ent_idx *idx;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *idx, &idx));
    err = start(config, idx);
    if (err != ENT_E_OK) {
        ent_idx_close(idx);
        return err;
    }
    *out = idx;
    return ENT_E_OK;
}

const struct ent_text *ent_idx_header(const struct ent_idx *idx, size_t *n)
{
    *n = idx->labelled ? 2 : 1;
    return idx->header;
}

static enum ent_err read_pair(struct ent_idx *idx)
{
    uint8_t label = 0;
    int len;

    ENT_TRY(read_item(&idx->images, idx->at, idx->picture));
    if (idx->labelled) {
        ENT_TRY(read_item(&idx->labels, idx->at, &label));
    }
    len = snprintf(idx->label, sizeof idx->label, "%u", (unsigned)label);
    idx->fields[0] =
        (struct ent_text){.text = (const char *)idx->picture, .len = idx->item_bytes, .raw = true};
    idx->fields[1] = (struct ent_text){.text = idx->label, .len = (size_t)len};
    idx->at++;
    return ENT_E_OK;
}

/* Behind the last of a file: it has to end, and so have its labels. */
static enum ent_err end_files(const struct ent_idx *idx, struct stream *images,
                              struct stream *labels)
{
    ENT_TRY(check_end(images));
    return idx->labelled ? check_end(labels) : ENT_E_OK;
}

enum ent_err ent_idx_next(struct ent_idx *idx, const struct ent_source_row **row)
{
    while (idx->at == idx->images.n) {
        ENT_TRY(end_files(idx, &idx->images, &idx->labels));
        if (idx->next_path == idx->n_paths) {
            *row = NULL;
            return ENT_E_OK;
        }
        ENT_TRY(open_next(idx));
    }
    ENT_TRY(read_pair(idx));
    idx->row = (struct ent_source_row){.fields = idx->fields,
                                       .n_fields = idx->labelled ? 2 : 1,
                                       .line = idx->number + 1,
                                       .number = idx->number};
    idx->number++;
    *row = &idx->row;
    return ENT_E_OK;
}

void ent_idx_close(struct ent_idx *idx)
{
    if (idx != NULL) {
        stream_close(&idx->images);
        stream_close(&idx->labels);
        free(idx->picture);
        free(idx);
    }
}

/* ---- as a source ---- */

static enum ent_err source_open(const struct ent_data_config *config, void **state)
{
    struct ent_idx *idx;

    ENT_TRY(ent_idx_open(config, &idx));
    *state = idx;
    return ENT_E_OK;
}

static const struct ent_text *source_header(const void *state, size_t *n)
{
    return ent_idx_header(state, n);
}

static enum ent_err source_next(void *state, const struct ent_source_row **row)
{
    return ent_idx_next(state, row);
}

static void source_close(void *state)
{
    ent_idx_close(state);
}

const struct ent_source_kind ent_source_idx = {.name = "idx",
                                               .open = source_open,
                                               .header = source_header,
                                               .next = source_next,
                                               .close = source_close};
