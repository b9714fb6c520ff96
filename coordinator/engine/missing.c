/* A run whose files are not there (models, state of the server's optimizer): the directory was restored in part, a disk lost a block, somebody tidied up. The
 * program comes up all the same, because only a program that runs can say what is wrong, and stop it. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "coordinator/engine/state.h"

#define LOOK_MS 2000

typedef enum ent_err path_fn(const struct ent_store *store, const uint8_t digest[32], char **out);

/* ENT_E_NOT_FOUND, or ENT_E_DIGEST when it is another file; *path is set, caller frees. */
static enum ent_err look(const struct ent_engine *e, path_fn *path_of, const uint8_t digest[32],
                         char **path)
{
    uint8_t found[32];

    free(*path);
    *path = NULL;
    ENT_TRY(path_of(e->store, digest, path));
    if (!ent_file_exists(*path)) {
        return ENT_E_NOT_FOUND;
    }
    ENT_TRY(ent_sha256_file(*path, found));
    return memcmp(found, digest, sizeof found) == 0 ? ENT_E_OK : ENT_E_DIGEST;
}

static enum ent_err find_missing(const struct ent_engine *e, char **path)
{
    const struct ent_round *r = &e->round;
    bool in_round = r->phase != ENT_PHASE_IDLE && r->phase != ENT_PHASE_WAIT;
    const uint8_t *needed[] = {r->model, r->best, in_round ? r->base : r->model};

    for (size_t i = 0; i < ENT_ARRAY_LEN(needed); i++) {
        enum ent_err err = ENT_E_OK;
        bool same = i > 0 && memcmp(needed[i], needed[i - 1], 32) == 0;

        if (!same && !ent_all_zero(needed[i], 32)) {
            err = look(e, ent_store_model_path, needed[i], path);
        }
        ENT_TRY(err);
    }
    return ent_all_zero(r->state, 32) ? ENT_E_OK : look(e, ent_store_state_path, r->state, path);
}

bool ent_engine_is_held(struct ent_engine *e)
{
    char *path = NULL;
    enum ent_err err;

    err = find_missing(e, &path);
    if (err == ENT_E_OK) {
        e->missing[0] = '\0';
    } else {
        (void)snprintf(e->missing, sizeof e->missing, "%s", path != NULL ? path : e->home->dir);
    }
    free(path);
    return err != ENT_E_OK;
}

static enum ent_err resume(struct ent_engine *e)
{
    struct ent_event event = ent_engine_event(e, ENT_EV_RUN_START, ENT_NO_MEMBER);

    if (!ent_round_active(&e->round)) {
        ent_engine_feed(e, &event);
        return e->fatal;
    }
    ENT_TRY(ent_engine_reserve(e) ? ENT_E_OK : e->fatal);
    ent_engine_say(e, ENT_SAY_RUN, "run %u goes on in round %llu", (unsigned)e->run.config.run,
                   (unsigned long long)e->round.round);
    ENT_TRY(ent_commit_reload_metrics(e));
    ent_round_resume(&e->round, e->now_ms, &e->actions);
    ent_central_resume(e);
    return e->fatal;
}

/* Of the server's optimizer: no member has it. */
static bool is_state(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot != NULL && strcmp(dot, ".state") == 0;
}

void ent_engine_unhold(struct ent_engine *e)
{
    e->missing[0] = '\0';
    e->missing_due_ms = 0;
}

enum ent_err ent_engine_go_on(struct ent_engine *e)
{
    bool was_held = e->missing[0] != '\0';
    bool state;

    if (e->run.config.run == 0) {
        return ENT_E_OK;
    }
    if (!ent_engine_is_held(e)) {
        if (was_held) {
            ent_engine_say(e, ENT_SAY_OPERATOR, "the missing file is back");
        }
        ent_engine_unhold(e);
        return resume(e);
    }
    e->missing_due_ms = e->now_ms + LOOK_MS;
    state = is_state(e->missing);
    if (!was_held) {
        ent_engine_say(e, ENT_SAY_TROUBLE,
                       "run %u is held: its %s %s is missing or damaged; copy it there from %s "
                       "(the run then goes on by itself), or end the run with stop",
                       (unsigned)e->run.config.run, state ? "file" : "model file", e->missing,
                       state ? "a backup" : "a member's models/ folder or a backup");
    }
    return ENT_E_OK;
}
