#include "client/state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/state/private.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define APPLICATION_ID 0x456e7443 /* "EntC" */
#define SEQUENCE_STEP 256 /* numbers stored ahead of their use: one commit for as many messages */

/* Append only. (progress and metric: nothing is put there any more; the coordinator's status has these figures.) */
static const char *const migrations[] = {
    "CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
    "INSERT INTO counter VALUES('sequence', 0);"
    "CREATE TABLE run(run INTEGER PRIMARY KEY, plan BLOB NOT NULL, accepted INTEGER NOT NULL,"
    " ended INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE TABLE release(kind INTEGER NOT NULL, scope BLOB NOT NULL, run INTEGER NOT NULL,"
    " round INTEGER NOT NULL, attempt INTEGER NOT NULL, cohort BLOB NOT NULL, done INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(kind, scope)) STRICT;"
    "CREATE TABLE stored_update(run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    " sequence INTEGER NOT NULL, round_open BLOB NOT NULL, header BLOB NOT NULL, payload_sha256 "
    "BLOB NOT NULL,"
    " payload_bytes INTEGER NOT NULL, signature BLOB NOT NULL, PRIMARY KEY(run, round, attempt)) "
    "STRICT;"
    "CREATE INDEX stored_update_payload ON stored_update(payload_sha256);"
    "CREATE TABLE nonce(id INTEGER PRIMARY KEY CHECK(id = 1), opened BLOB, next BLOB NOT NULL,"
    " run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL) STRICT;"
    "CREATE TABLE model(position INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE) "
    "STRICT;"
    "CREATE TABLE head(id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, root BLOB NOT "
    "NULL) STRICT;"
    "CREATE TABLE progress(id INTEGER PRIMARY KEY CHECK(id = 1), run INTEGER NOT NULL, round "
    "INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, task INTEGER NOT NULL, train_done INTEGER NOT NULL, train_rounds "
    "INTEGER NOT NULL,"
    " bytes_sent INTEGER NOT NULL, bytes_received INTEGER NOT NULL, updated_ms INTEGER NOT NULL) "
    "STRICT;"
    "CREATE TABLE metric(run INTEGER NOT NULL, round INTEGER NOT NULL, name TEXT NOT NULL, nano "
    "INTEGER NOT NULL,"
    " PRIMARY KEY(run, round, name)) STRICT;",
    /* 1 -> 2: small payloads and models in their row; NULL: a file */
    "ALTER TABLE stored_update ADD COLUMN payload BLOB;"
    "ALTER TABLE model ADD COLUMN bytes BLOB;",
    /* 2 -> 3: how far the run was followed, and the runs of a plan that were taken part in */
    "CREATE TABLE course(id INTEGER PRIMARY KEY CHECK(id = 1), run INTEGER NOT NULL, round INTEGER "
    "NOT NULL,"
    " attempt INTEGER NOT NULL, closed INTEGER NOT NULL, task INTEGER NOT NULL, split INTEGER NOT "
    "NULL,"
    " stats INTEGER NOT NULL, trained INTEGER NOT NULL, validated INTEGER NOT NULL, tested INTEGER "
    "NOT NULL,"
    " round_open BLOB NOT NULL, base BLOB NOT NULL, model BLOB NOT NULL, model_round INTEGER NOT "
    "NULL) STRICT;"
    "CREATE TABLE plan_run(plan BLOB NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(plan, run)) "
    "STRICT;",
    /* 3 -> 4: what an optimizer keeps between the rounds of a run */
    "CREATE TABLE optimizer(id INTEGER PRIMARY KEY CHECK(id = 1), run INTEGER NOT NULL, round "
    "INTEGER "
    "NOT NULL,"
    " attempt INTEGER NOT NULL, steps INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;",
    /* 4 -> 5: small models stay in memory */
    "DELETE FROM model WHERE bytes IS NOT NULL;"
    "ALTER TABLE model DROP COLUMN bytes;",
    /* 5 -> 6: the audit log */
    "DROP TABLE head;"
    "CREATE TABLE log(id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, root BLOB NOT "
    "NULL,"
    " nodes BLOB NOT NULL, time_ms INTEGER NOT NULL, origin TEXT NOT NULL, genesis BLOB NOT NULL,"
    " note BLOB NOT NULL) STRICT;"
    "CREATE TABLE leaf(idx INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB) STRICT;"
    "CREATE TABLE log_member(handle BLOB PRIMARY KEY, statement_pub BLOB NOT NULL, witness_pub "
    "BLOB "
    "NOT NULL, gone INTEGER NOT NULL) STRICT;"
    "CREATE TABLE log_auditor(position INTEGER PRIMARY KEY AUTOINCREMENT, seal_pub BLOB NOT NULL "
    "UNIQUE) STRICT;"
    "CREATE TABLE witness_set(idx INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
    "CREATE TABLE log_round(id INTEGER PRIMARY KEY CHECK(id = 1), opened INTEGER NOT NULL,"
    " open_index INTEGER NOT NULL, open_hash BLOB NOT NULL, invited INTEGER NOT NULL, place "
    "INTEGER "
    "NOT NULL, closed_run INTEGER NOT NULL, closed_round INTEGER NOT NULL, model BLOB) STRICT;"
    "CREATE TABLE receipt(run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " task INTEGER NOT NULL, round_open BLOB NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT "
    "NULL,"
    " sent_ms INTEGER NOT NULL, code INTEGER, ack BLOB, fate INTEGER NOT NULL, leaf INTEGER NOT "
    "NULL,"
    " fate_code INTEGER NOT NULL, dispute INTEGER NOT NULL, PRIMARY KEY(run, round, attempt)) "
    "STRICT;"
    "CREATE INDEX receipt_open ON receipt(round_open);",
    /* 6 -> 7: what noise has covered. ledger_seen: own statements in the log that the chain lacks */
    "CREATE TABLE ledger_start(id INTEGER PRIMARY KEY CHECK(id = 1), salt BLOB NOT NULL) STRICT;"
    "CREATE TABLE ledger(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, scope TEXT NOT NULL,"
    " run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, plan BLOB NOT NULL,"
    " mechanism INTEGER NOT NULL, rate INTEGER NOT NULL, sigma2 INTEGER NOT NULL,"
    " sensitivity INTEGER NOT NULL, dimension INTEGER NOT NULL, steps INTEGER NOT NULL,"
    " members INTEGER NOT NULL, salt BLOB NOT NULL, digest BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX ledger_attempt ON ledger(run, round, attempt) WHERE kind = 1;"
    "CREATE TABLE ledger_seen(seq INTEGER NOT NULL, digest BLOB NOT NULL, run INTEGER NOT NULL,"
    " round INTEGER NOT NULL, attempt INTEGER NOT NULL, plan BLOB, settled INTEGER NOT NULL,"
    " PRIMARY KEY(seq, digest)) STRICT;"
    "ALTER TABLE log_round ADD COLUMN plan BLOB;",
    /* 7 -> 8: whether the log has the join that opened it; whether nothing stands that could be opened */
    "ALTER TABLE nonce ADD COLUMN logged INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE nonce ADD COLUMN void INTEGER NOT NULL DEFAULT 0;",
};

static const struct ent_db_schema schema = {APPLICATION_ID, migrations, ENT_ARRAY_LEN(migrations)};

static enum ent_err read_sequence(struct ent_state *state)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "SELECT value FROM counter WHERE name = 'sequence'", &stmt));
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_u64(stmt, 0, &state->sequence_reserved);
        state->sequence = state->sequence_reserved;
    }
    ent_stmt_free(stmt);
    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(ENT_E_CORRUPT, "%s: it has no sequence counter",
                            ent_db_path(state->db));
    }
    return err;
}

/* Says what to do about damage, behind the finding. */
static enum ent_err advise(const char *dir, enum ent_err err)
{
    char finding[320];

    if (err != ENT_E_CORRUPT) {
        return err;
    }
    (void)snprintf(finding, sizeof finding, "%s", ent_err_message());
    return ent_err_note(ENT_E_CORRUPT,
                        "%s -- restore %s/state.db from a backup (with its -wal file, if there is "
                        "one), or enrol anew with another --dir",
                        finding, dir);
}

static enum ent_err open_db(struct ent_state *state, const char *dir)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, "state.db", &path));
    err = ent_db_open(path, &schema, &state->db);
    free(path);
    return err;
}

static enum ent_err open_in(struct ent_state *state, const char *dir)
{
    ENT_TRY(ent_path_join(dir, "updates", &state->updates));
    ENT_TRY(ent_path_join(dir, "models", &state->models));
    ENT_TRY(ent_path_join(dir, "optimizer", &state->optimizer));
    ENT_TRY(ent_dir_make(state->updates));
    ENT_TRY(ent_dir_make(state->models));
    ENT_TRY(ent_dir_make(state->optimizer));
    ENT_TRY(open_db(state, dir));
    ENT_TRY(ent_db_check(state->db));
    ENT_TRY(read_sequence(state));
    ENT_TRY(ent_state_sweep_updates(state));
    ENT_TRY(ent_state_sweep_optimizer(state));
    return ent_state_sweep(state, state->models, ENT_STATE_MODEL_ENDING,
                           "SELECT 1 FROM model WHERE digest = ?");
}

enum ent_err ent_state_open(const char *dir, struct ent_state **out)
{
    struct ent_state *state = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *state, &state));
    err = advise(dir, open_in(state, dir));
    if (err != ENT_E_OK) {
        ent_state_close(state);
        return err;
    }
    *out = state;
    return ENT_E_OK;
}

enum ent_err ent_state_open_reader(const char *dir, struct ent_state **out)
{
    struct ent_state *state = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *state, &state));
    err = advise(dir, open_db(state, dir));
    if (err != ENT_E_OK) {
        ent_state_close(state);
        return err;
    }
    *out = state;
    return ENT_E_OK;
}

void ent_state_close(struct ent_state *state)
{
    if (state != NULL) {
        if (state->db != NULL && ent_state_flush(state) != ENT_E_OK) {
            ent_log_warn("%s", ent_err_message());
        }
        ent_state_write_files(state);
        ent_blob_unref(state->fresh);
        ent_blob_unref(state->seen.blob);
        while (state->n_small > 0) {
            ent_blob_unref(state->small[--state->n_small].blob);
        }
        ent_db_close(state->db);
        free(state->updates);
        free(state->models);
        free(state->optimizer);
        free(state);
    }
}

enum ent_err ent_state_join_next(struct ent_state *state)
{
    return ent_db_in_transaction(state->db) ? ENT_E_OK : ent_db_begin(state->db);
}

enum ent_err ent_state_commit(struct ent_state *state)
{
    return ent_db_in_transaction(state->db) ? ent_db_commit(state->db) : ENT_E_OK;
}

enum ent_err ent_state_flush(struct ent_state *state)
{
    return ent_state_commit(state);
}

uint64_t ent_state_commits(const struct ent_state *state)
{
    return ent_db_commits(state->db);
}

static enum ent_err store_sequence(struct ent_state *state, uint64_t reserved)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "UPDATE counter SET value = ? WHERE name = 'sequence'", &stmt));
    ent_stmt_bind_u64(stmt, 1, reserved);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    if (err == ENT_E_OK) {
        err = ent_state_commit(state);
    }
    if (err == ENT_E_OK) {
        state->sequence_reserved = reserved;
        ENT_HOOK_POINT("state.sequence.stored");
    }
    return err;
}

/* A crash skips what was reserved and not used: numbers only have to rise. */
enum ent_err ent_state_next_sequence(struct ent_state *state, uint64_t *out)
{
    if (state->sequence >= state->sequence_reserved) {
        ENT_TRY(store_sequence(state, state->sequence + SEQUENCE_STEP));
    }
    state->sequence++;
    *out = state->sequence;
    return ENT_E_OK;
}

enum ent_err ent_state_raise_sequence(struct ent_state *state, uint64_t at_least)
{
    if (at_least <= state->sequence) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(
        at_least - state->sequence <= ENT_STATE_SEQUENCE_JUMP_MAX, ENT_E_PROTOCOL,
        "the coordinator claims message %llu of this member, which is at %llu: no backup is "
        "that old",
        (unsigned long long)at_least, (unsigned long long)state->sequence);
    ENT_REQUIRE(at_least < INT64_MAX - SEQUENCE_STEP, ENT_E_PROTOCOL,
                "a sequence number near its end");
    if (at_least > state->sequence_reserved) {
        ENT_TRY(store_sequence(state, at_least));
    }
    state->sequence = at_least;
    return ENT_E_OK;
}

void ent_state_bind_attempt(struct ent_stmt *stmt, int at, struct ent_attempt attempt)
{
    ent_stmt_bind_u64(stmt, at, attempt.run);
    ent_stmt_bind_u64(stmt, at + 1, attempt.round);
    ent_stmt_bind_u64(stmt, at + 2, attempt.attempt);
}
