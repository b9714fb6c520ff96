#include "client/events/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"

#define HEAD 8       /* of a record in memory and file: key_len, len, both 32 bit */
#define RUNS_MAX 128 /* then they are merged into one */
#define WINDOW ((size_t)64 << 10)
#define WRITE_AT ((size_t)256 << 10)

/* A sorted stretch of the temporary file, read through a window. */
struct run {
    uint64_t from; /* next byte of the file */
    uint64_t end;
    struct ent_buf window;
    size_t at; /* of the record in the window */
    struct ent_sort_record record;
};

struct ent_sort {
    size_t memory;
    struct ent_buf buf; /* records behind each other */
    size_t *places;     /* of the records in buf */
    size_t n;
    size_t cap;
    size_t next; /* when reading from memory */
    int fd;      /* -1: none */
    uint64_t file_len;
    uint64_t spilled;
    struct run runs[RUNS_MAX];
    uint32_t n_runs;
    uint32_t heap[RUNS_MAX]; /* the smallest first */
    uint32_t n_heap;
    bool started; /* the record at heap[0] was handed out */
};

enum ent_err ent_sort_new(size_t memory_bytes, struct ent_sort **out)
{
    struct ent_sort *s;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    s->memory = memory_bytes;
    s->fd = -1;
    ent_buf_init(&s->buf, memory_bytes + ENT_SORT_RECORD_MAX + HEAD);
    *out = s;
    return ENT_E_OK;
}

void ent_sort_free(struct ent_sort *sort)
{
    if (sort == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sort->n_runs; i++) {
        ent_buf_release(&sort->runs[i].window);
    }
    if (sort->fd >= 0) {
        (void)close(sort->fd);
    }
    ent_buf_release(&sort->buf);
    free(sort->places);
    free(sort);
}

uint64_t ent_sort_spilled(const struct ent_sort *sort)
{
    return sort->spilled;
}

/* ---- order ---- */

static struct ent_sort_record record_at(const uint8_t *p)
{
    return (struct ent_sort_record){
        .bytes = p + HEAD, .key_len = ent_get_le32(p), .len = ent_get_le32(p + 4)};
}

static int compare(const struct ent_sort_record *a, const struct ent_sort_record *b)
{
    size_t least = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = memcmp(a->bytes, b->bytes, least);

    if (order != 0) {
        return order;
    }
    return a->key_len < b->key_len ? -1 : a->key_len > b->key_len;
}

static int compare_places(const struct ent_sort *s, size_t a, size_t b)
{
    struct ent_sort_record x = record_at(s->buf.data + a);
    struct ent_sort_record y = record_at(s->buf.data + b);

    return compare(&x, &y);
}

static void sift(const struct ent_sort *s, size_t *places, size_t at, size_t n)
{
    for (;;) {
        size_t child = 2 * at + 1;
        size_t kept = places[at];

        if (child >= n) {
            return;
        }
        if (child + 1 < n && compare_places(s, places[child], places[child + 1]) < 0) {
            child++;
        }
        if (compare_places(s, kept, places[child]) >= 0) {
            return;
        }
        places[at] = places[child];
        places[child] = kept;
        at = child;
    }
}

/* Heap sort: qsort takes no context, and no input makes this one slow. */
static void sort_places(struct ent_sort *s)
{
    for (size_t i = s->n / 2; i > 0; i--) {
        sift(s, s->places, i - 1, s->n);
    }
    for (size_t n = s->n; n > 1; n--) {
        size_t last = s->places[n - 1];

        s->places[n - 1] = s->places[0];
        s->places[0] = last;
        sift(s, s->places, 0, n - 1);
    }
}

/* ---- files ---- */

static enum ent_err write_out(struct ent_sort *s, int fd, struct ent_buf *out)
{
    ENT_TRY(ent_fd_write(fd, out->data, out->len));
    s->spilled += out->len;
    ent_buf_clear(out);
    return ENT_E_OK;
}

static enum ent_err put(struct ent_sort *s, int fd, const uint8_t *head, size_t len,
                        struct ent_buf *out)
{
    ENT_TRY(ent_buf_add(out, head, len));
    return out->len >= WRITE_AT ? write_out(s, fd, out) : ENT_E_OK;
}

static void init_out(struct ent_buf *out)
{
    ent_buf_init(out, WRITE_AT + ENT_SORT_RECORD_MAX + HEAD);
}

static void add_run(struct ent_sort *s, uint64_t from, uint64_t end)
{
    struct run *r = &s->runs[s->n_runs++];

    *r = (struct run){.from = from, .end = end};
    ent_buf_init(&r->window, WINDOW + ENT_SORT_RECORD_MAX + HEAD);
}

/* ---- reading runs ---- */

static enum ent_err read_at(int fd, uint64_t from, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)from);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)ent_io_error("read", "the temporary file for sorting");
            return ENT_E_IO;
        }
        ENT_REQUIRE(n > 0, ENT_E_IO, "the temporary file for sorting ends too early");
        to += n;
        from += (uint64_t)n;
        len -= (size_t)n;
    }
    return ENT_E_OK;
}

/* At least `need` bytes from the place of the record on. */
static enum ent_err fill_window(const struct ent_sort *s, struct run *r, size_t need)
{
    size_t have = r->window.len - r->at;
    uint64_t left = r->end - r->from;
    size_t n = need > WINDOW ? need : WINDOW;
    uint8_t *to;

    if (have >= need) {
        return ENT_E_OK;
    }
    memmove(r->window.data, r->window.data + r->at, have);
    r->window.len = have;
    r->at = 0;
    n -= have;
    n = (uint64_t)n < left ? n : (size_t)left;
    ENT_TRY(ent_buf_extend(&r->window, n, &to));
    ENT_TRY(read_at(s->fd, r->from, to, n));
    r->from += n;
    return ENT_E_OK;
}

/* The next record of a run; *more = false at its end. */
static enum ent_err step_run(const struct ent_sort *s, struct run *r, bool *more)
{
    struct ent_sort_record head;

    if (r->record.bytes != NULL) {
        r->at += HEAD + r->record.len;
    }
    *more = r->window.len - r->at + (r->end - r->from) > 0;
    if (!*more) {
        return ENT_E_OK;
    }
    if (r->window.data == NULL) { /* so that there is something to move */
        uint8_t *none;

        ENT_TRY(ent_buf_extend(&r->window, 0, &none));
    }
    ENT_TRY(fill_window(s, r, HEAD));
    head = record_at(r->window.data + r->at);
    ENT_TRY(fill_window(s, r, HEAD + head.len));
    r->record = record_at(r->window.data + r->at);
    return ENT_E_OK;
}

static int compare_runs(const struct ent_sort *s, uint32_t a, uint32_t b)
{
    return compare(&s->runs[a].record, &s->runs[b].record);
}

static void sift_runs(struct ent_sort *s)
{
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;
        uint32_t kept = s->heap[at];

        if (child >= s->n_heap) {
            return;
        }
        if (child + 1 < s->n_heap && compare_runs(s, s->heap[child + 1], s->heap[child]) < 0) {
            child++;
        }
        if (compare_runs(s, kept, s->heap[child]) <= 0) {
            return;
        }
        s->heap[at] = s->heap[child];
        s->heap[child] = kept;
        at = child;
    }
}

static enum ent_err start_merge(struct ent_sort *s)
{
    s->n_heap = 0;
    s->started = false;
    for (uint32_t i = 0; i < s->n_runs; i++) {
        uint32_t at = s->n_heap;
        bool more;

        ENT_TRY(step_run(s, &s->runs[i], &more));
        if (!more) {
            continue;
        }
        s->heap[s->n_heap++] = i;
        while (at > 0 && compare_runs(s, s->heap[at], s->heap[(at - 1) / 2]) < 0) {
            uint32_t up = s->heap[(at - 1) / 2];

            s->heap[(at - 1) / 2] = s->heap[at];
            s->heap[at] = up;
            at = (at - 1) / 2;
        }
    }
    return ENT_E_OK;
}

static enum ent_err step_merge(struct ent_sort *s, struct ent_sort_record *record, bool *more)
{
    if (s->started && s->n_heap > 0) {
        bool left;

        ENT_TRY(step_run(s, &s->runs[s->heap[0]], &left));
        if (!left) {
            s->heap[0] = s->heap[--s->n_heap];
        }
        sift_runs(s);
    }
    s->started = true;
    *more = s->n_heap > 0;
    if (*more) {
        *record = s->runs[s->heap[0]].record;
    }
    return ENT_E_OK;
}

static void drop_runs(struct ent_sort *s)
{
    for (uint32_t i = 0; i < s->n_runs; i++) {
        ent_buf_release(&s->runs[i].window);
    }
    s->n_runs = 0;
    s->n_heap = 0;
}

/* All runs into one, in a new file. */
static enum ent_err copy_merged(struct ent_sort *s, int fd, uint64_t *len)
{
    uint64_t before = s->spilled;
    struct ent_buf out;
    enum ent_err err = start_merge(s);
    bool more = err == ENT_E_OK;

    init_out(&out);
    while (err == ENT_E_OK && more) {
        struct ent_sort_record r;

        err = step_merge(s, &r, &more);
        if (err == ENT_E_OK && more) {
            err = put(s, fd, r.bytes - HEAD, HEAD + r.len, &out);
        }
    }
    if (err == ENT_E_OK) {
        err = write_out(s, fd, &out);
    }
    ent_buf_release(&out);
    *len = s->spilled - before;
    return err;
}

static enum ent_err merge_runs(struct ent_sort *s)
{
    uint64_t len;
    int fd;
    enum ent_err err;

    ENT_TRY(ent_file_unnamed(&fd));
    err = copy_merged(s, fd, &len);
    if (err != ENT_E_OK) {
        (void)close(fd);
        return err;
    }
    drop_runs(s);
    (void)close(s->fd);
    s->fd = fd;
    s->file_len = len;
    add_run(s, 0, len);
    return ENT_E_OK;
}

/* ---- records ---- */

static enum ent_err spill(struct ent_sort *s)
{
    uint64_t before;
    struct ent_buf out;
    enum ent_err err = ENT_E_OK;

    if (s->n_runs == RUNS_MAX) {
        ENT_TRY(merge_runs(s));
    }
    if (s->fd < 0) {
        ENT_TRY(ent_file_unnamed(&s->fd));
    }
    before = s->spilled;
    sort_places(s);
    init_out(&out);
    for (size_t i = 0; i < s->n && err == ENT_E_OK; i++) {
        const uint8_t *p = s->buf.data + s->places[i];

        err = put(s, s->fd, p, HEAD + record_at(p).len, &out);
    }
    if (err == ENT_E_OK) {
        err = write_out(s, s->fd, &out);
    }
    ent_buf_release(&out);
    ENT_TRY(err);
    add_run(s, s->file_len, s->file_len + (s->spilled - before));
    s->file_len += s->spilled - before;
    ent_buf_clear(&s->buf);
    s->n = 0;
    return ENT_E_OK;
}

enum ent_err ent_sort_add(struct ent_sort *sort, const void *bytes, size_t key_len, size_t len)
{
    size_t need = HEAD + len + sizeof *sort->places;
    uint8_t *to;

    ENT_BUG_ON(key_len > len);
    ENT_REQUIRE(len <= ENT_SORT_RECORD_MAX, ENT_E_LIMIT, "a record of %zu bytes is too long", len);
    if (sort->n > 0 && sort->buf.len + sort->n * sizeof *sort->places + need > sort->memory) {
        ENT_TRY(spill(sort));
    }
    ENT_TRY(ent_grow(&sort->places, &sort->cap, sort->n + 1, sizeof *sort->places));
    sort->places[sort->n] = sort->buf.len;
    ENT_TRY(ent_buf_extend(&sort->buf, HEAD + len, &to));
    ent_put_le32(to, (uint32_t)key_len);
    ent_put_le32(to + 4, (uint32_t)len);
    memcpy(to + HEAD, bytes, len);
    sort->n++;
    return ENT_E_OK;
}

enum ent_err ent_sort_finish(struct ent_sort *sort)
{
    if (sort->n_runs == 0) {
        sort_places(sort);
        return ENT_E_OK;
    }
    if (sort->n > 0) {
        ENT_TRY(spill(sort));
    }
    ent_buf_release(&sort->buf);
    return start_merge(sort);
}

enum ent_err ent_sort_next(struct ent_sort *sort, struct ent_sort_record *record, bool *more)
{
    if (sort->n_runs > 0) {
        return step_merge(sort, record, more);
    }
    *more = sort->next < sort->n;
    if (*more) {
        *record = record_at(sort->buf.data + sort->places[sort->next++]);
    }
    return ENT_E_OK;
}
