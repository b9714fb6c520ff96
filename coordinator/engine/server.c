/* The server's optimizer at work: what a round's mean update becomes, and the state that goes on to the next.
 *
 * State is a file of its own beside the model, named by its digest in the CLOSE row, so that a restart goes on from it and
 * whoever replays a round has all that went into it. Layout: slices of ENT_APPLY_PIECE places (the last one shorter), of
 * each slice all state vectors one behind the other, float32 little-endian: it is read and written from front to end. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "coordinator/engine/state.h"
#include "coordinator/engine/sysfail.h"

struct ent_server {
    const struct ent_server_optim *optim;
    const struct ent_server_hyper *hyper;
    int before;                      /* the state before; -1: none yet */
    struct ent_store_writer *writer; /* the state behind; NULL: the optimizer has none */
    float *slice[ENT_SERVER_STATE_MAX];
};

/* Checked as a whole before the first slice of it is used. */
static enum ent_err open_before(struct ent_engine *e, struct ent_server *s)
{
    uint8_t found[32];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_state_path(e->store, e->round.state, &path));
    err = ent_sha256_file(path, found);
    if (err == ENT_E_OK && memcmp(found, e->round.state, sizeof found) != 0) {
        err = ent_err_note(ENT_E_CORRUPT, "%s: its content changed", path);
    }
    if (err == ENT_E_OK) {
        s->before = open(path, O_RDONLY | O_CLOEXEC);
        err = s->before >= 0 ? ENT_E_OK : ent_sysfail(ENT_E_IO, path);
    }
    free(path);
    return err;
}

static enum ent_err begin(struct ent_engine *e, struct ent_server *s)
{
    s->before = -1;
    s->optim = e->plan->server.optim;
    s->hyper = &e->plan->server.hyper;
    if (s->optim->n_state == 0) {
        return ENT_E_OK;
    }
    for (uint32_t v = 0; v < s->optim->n_state; v++) {
        ENT_TRY(ent_calloc_aligned(ENT_APPLY_PIECE, sizeof *s->slice[v], &s->slice[v]));
    }
    if (!ent_all_zero(e->round.state, 32)) {
        ENT_TRY(open_before(e, s));
    }
    return ent_store_state_begin(e->store, &s->writer);
}

enum ent_err ent_server_begin(struct ent_engine *e, struct ent_server **out)
{
    struct ent_server *s = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *s, &s));
    err = begin(e, s);
    if (err != ENT_E_OK) {
        ent_server_discard(s);
        return err;
    }
    *out = s;
    return ENT_E_OK;
}

static enum ent_err load_slice(struct ent_server *s, uint32_t vector, size_t n)
{
    float *slice = s->slice[vector];
    size_t got = 0;

    if (s->before < 0) {
        float start = s->optim->start(s->hyper, vector);

        for (size_t i = 0; i < n; i++) {
            slice[i] = start;
        }
        return ENT_E_OK;
    }
    ENT_TRY(ent_fd_read(s->before, slice, n * sizeof *slice, &got));
    ENT_REQUIRE(got == n * sizeof *slice, ENT_E_CORRUPT,
                "the state of the server's optimizer is not one of this plan");
    return ENT_E_OK;
}

enum ent_err ent_server_slice(struct ent_server *server, const struct ent_server_round *slice)
{
    struct ent_server_round round = *slice;

    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        ENT_TRY(load_slice(server, v, round.n));
        round.state[v] = server->slice[v];
    }
    ENT_TRY(ent_server_optim_apply(server->optim, server->hyper, &round));
    for (uint32_t v = 0; v < server->optim->n_state; v++) {
        ENT_TRY(ent_store_model_write(server->writer, server->slice[v], round.n * sizeof(float)));
    }
    return ENT_E_OK;
}

enum ent_err ent_server_commit(struct ent_server *server_take, uint8_t digest[32])
{
    struct ent_store_writer *writer = server_take->writer;

    server_take->writer = NULL;
    ent_server_discard(server_take);
    if (writer == NULL) {
        memset(digest, 0, 32);
        return ENT_E_OK;
    }
    return ent_store_model_commit(writer, digest);
}

void ent_server_discard(struct ent_server *server_take)
{
    if (server_take == NULL) {
        return;
    }
    if (server_take->before >= 0) {
        (void)close(server_take->before);
    }
    ent_store_model_discard(server_take->writer);
    for (size_t v = 0; v < ENT_SERVER_STATE_MAX; v++) {
        free(server_take->slice[v]);
    }
    free(server_take);
}
