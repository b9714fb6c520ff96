#include "tests/unit/client_state/fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/db/db.h"
#include "tests/support/ent_test.h"

static int kill_at = -1; /* the how many-th point ends the process; -1: none */
static int n_points;

void ent_hook_point(const char *name)
{
    (void)name;
    if (n_points++ == kill_at) {
        _exit(99);
    }
}

bool ent_hook_planted(const char *bug)
{
    (void)bug;
    return false;
}

void kill_at_point(int point)
{
    kill_at = point;
    n_points = 0;
}

struct ent_state *open_state(const char *dir)
{
    struct ent_state *state = NULL;

    ENT_OK(ent_state_open(dir, &state));
    return state;
}

/* What a disk, or somebody, may do to the database of a closed state. */
void change_state(const char *dir, const char *sql)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", ""}; /* all are done */
    const struct ent_db_schema schema = {0x456e7443, migrations, 8};
    struct ent_db *db = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(dir, "state.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, sql));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ent_db_close(db);
    free(path);
}

struct ent_state *reopen(const char *dir, struct ent_state *state)
{
    ent_state_close(state);
    return open_state(dir);
}

struct ent_release stats_release(uint32_t run, uint32_t attempt, const uint8_t (*cohort)[16])
{
    struct ent_release r = {.run = run, .round = 1, .attempt = attempt};

    ENT_OK(ent_release_stats(run, cohort, 3, &r));
    return r;
}

struct ent_blob *payload_of(uint8_t fill, size_t len)
{
    uint8_t *bytes = NULL;
    struct ent_blob *blob = NULL;

    ENT_OK(ent_calloc(len, 1, &bytes));
    memset(bytes, fill, len);
    ENT_OK(ent_blob_new_take(bytes, len, &blob));
    return blob;
}

static const uint8_t sample_header[] = "header bytes as signed";

struct ent_state_update sample_update(uint64_t round, uint32_t attempt, struct ent_blob *payload)
{
    struct ent_state_update u = {
        .at = {1, round, attempt}, .sequence = round * 10 + attempt, .payload = payload};

    u.header = sample_header;
    u.header_len = sizeof sample_header;
    memset(u.round_open, 3, sizeof u.round_open);
    memset(u.signature, 4, sizeof u.signature);
    ENT_OK(ent_sha256(ent_blob_bytes(payload), ent_blob_len(payload), u.payload_sha256));
    return u;
}
