#include "simulate/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

struct slot {
    bool used;
    uint64_t steps;
    float *state; /* in memory */
};

struct ent_kept_store {
    struct slot *slots;
    uint32_t n;
    size_t n_floats;
    int fd; /* -1: in memory */
};

enum ent_err ent_kept_store_new(uint32_t n_members, size_t n_floats, uint64_t memory_bytes,
                                struct ent_kept_store **out)
{
    struct ent_kept_store *s = NULL;
    size_t bytes = 0;
    enum ent_err err;

    ENT_TRY(ent_size_mul(n_floats, sizeof(float), &bytes));
    ENT_TRY(ent_size_mul(bytes, n_members, &bytes));
    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    *s = (struct ent_kept_store){.n = n_members, .n_floats = n_floats, .fd = -1};
    err = ent_calloc(n_members, sizeof *s->slots, &s->slots);
    if (err == ENT_E_OK && bytes > memory_bytes) {
        err = ent_file_unnamed(&s->fd);
    }
    if (err != ENT_E_OK) {
        ent_kept_store_free(s);
        return err;
    }
    *out = s;
    return ENT_E_OK;
}

void ent_kept_store_free(struct ent_kept_store *store)
{
    if (store == NULL) {
        return;
    }
    for (uint32_t i = 0; store->slots != NULL && i < store->n; i++) {
        free(store->slots[i].state);
    }
    if (store->fd >= 0) {
        (void)close(store->fd);
    }
    free(store->slots);
    free(store);
}

bool ent_kept_store_in_file(const struct ent_kept_store *store)
{
    return store->fd >= 0;
}

static enum ent_err transfer(const struct ent_kept_store *s, uint32_t member, float *state,
                             bool write)
{
    uint8_t *at = (uint8_t *)state;
    size_t left = s->n_floats * sizeof *state;
    off_t offset = (off_t)((uint64_t)member * left);

    while (left > 0) {
        ssize_t n = write ? pwrite(s->fd, at, left, offset) : pread(s->fd, at, left, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)ent_io_error(write ? "write" : "read", "the temporary file of optimizer state");
            return ENT_E_IO;
        }
        ENT_REQUIRE(n > 0, ENT_E_IO, "the temporary file of optimizer state is too short");
        at += n;
        offset += n;
        left -= (size_t)n;
    }
    return ENT_E_OK;
}

enum ent_err ent_kept_store_get(struct ent_kept_store *store, uint32_t member,
                                struct ent_kept *kept)
{
    const struct slot *slot = &store->slots[member];
    size_t bytes = store->n_floats * sizeof(float);

    if (store->n_floats == 0) {
        return ENT_E_OK;
    }
    if (kept->state == NULL) {
        ENT_TRY(ent_calloc_aligned(store->n_floats, sizeof *kept->state, &kept->state));
    }
    kept->n = store->n_floats;
    kept->steps = slot->steps;
    if (!slot->used) {
        memset(kept->state, 0, bytes);
        return ENT_E_OK;
    }
    if (store->fd >= 0) {
        return transfer(store, member, kept->state, false);
    }
    memcpy(kept->state, slot->state, bytes);
    return ENT_E_OK;
}

enum ent_err ent_kept_store_put(struct ent_kept_store *store, uint32_t member,
                                const struct ent_kept *kept)
{
    struct slot *slot = &store->slots[member];

    if (store->n_floats == 0) {
        return ENT_E_OK;
    }
    if (store->fd >= 0) {
        ENT_TRY(transfer(store, member, kept->state, true));
    } else {
        if (slot->state == NULL) {
            ENT_TRY(ent_calloc_aligned(store->n_floats, sizeof *slot->state, &slot->state));
        }
        memcpy(slot->state, kept->state, store->n_floats * sizeof *slot->state);
    }
    slot->used = true;
    slot->steps = kept->steps;
    return ENT_E_OK;
}
