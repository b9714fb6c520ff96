#include "common/base/mem.h"
#include "coordinator/store/tables.h"

/* What each number means stands in store.h and round.h; numbers on disk are never reused. Times are
 * milliseconds since 1970. NULL: not yet, or none. */
static const char *const migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE meta("
    " id INTEGER PRIMARY KEY CHECK(id = 1), federation BLOB NOT NULL, name TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE counter(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"

    "CREATE TABLE member("
    " id INTEGER PRIMARY KEY, handle BLOB NOT NULL UNIQUE, idx INTEGER UNIQUE, name TEXT NOT NULL,"
    " state INTEGER NOT NULL, tls_pub BLOB, statement_pub BLOB UNIQUE, witness_pub BLOB,"
    " nonce_commit BLOB, serial BLOB, cert BLOB, expires_ms INTEGER,"
    " invited_ms INTEGER NOT NULL, enrolled_ms INTEGER, revoked_ms INTEGER,"
    " last_sequence INTEGER NOT NULL DEFAULT 0, last_seen_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE UNIQUE INDEX member_name ON member(name) WHERE state <> 3;"
    "CREATE TABLE token("
    " handle BLOB PRIMARY KEY REFERENCES member(handle), sha256 BLOB NOT NULL,"
    " expires_ms INTEGER NOT NULL, used_ms INTEGER) STRICT;"
    "CREATE TABLE cert("
    " serial BLOB PRIMARY KEY, handle BLOB NOT NULL REFERENCES member(handle), der BLOB NOT NULL,"
    " expires_ms INTEGER NOT NULL, issued_ms INTEGER NOT NULL) STRICT;"

    "CREATE TABLE run("
    " run INTEGER PRIMARY KEY, plan_digest BLOB NOT NULL, plan BLOB NOT NULL, base BLOB, best BLOB,"
    " state INTEGER NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER,"
    " train_rounds INTEGER NOT NULL, min_members INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " join_ms INTEGER NOT NULL, update_ms INTEGER NOT NULL, retry_ms INTEGER NOT NULL,"
    " gather_ms INTEGER NOT NULL, validate INTEGER NOT NULL, test INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX run_current ON run((1)) WHERE state <= 2;" /* one at a time */
    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES run(run),"
    " kind INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " task INTEGER NOT NULL, split INTEGER NOT NULL, member INTEGER, code INTEGER NOT NULL,"
    " weight INTEGER NOT NULL, has_base INTEGER NOT NULL, digest BLOB, model BLOB,"
    " sum_w INTEGER NOT NULL, loss_sum INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " wall_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX event_run ON event(run, id);"

    "CREATE TABLE figures("
    " run INTEGER NOT NULL REFERENCES run(run), round INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " task INTEGER NOT NULL, split INTEGER NOT NULL, train_round INTEGER NOT NULL,"
    " invited INTEGER NOT NULL, accepted INTEGER NOT NULL, bytes_in INTEGER NOT NULL,"
    " bytes_out INTEGER NOT NULL, duration_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL,"
    " has_metrics INTEGER NOT NULL, auc REAL, log_loss REAL, rows INTEGER NOT NULL,"
    " positives INTEGER NOT NULL, PRIMARY KEY(run, round)) STRICT;"
    "CREATE TABLE traffic("
    " run INTEGER NOT NULL REFERENCES run(run), idx INTEGER NOT NULL, bytes_in INTEGER NOT NULL,"
    " bytes_out INTEGER NOT NULL, rounds INTEGER NOT NULL, PRIMARY KEY(run, idx)) STRICT;"
    "CREATE TABLE refusal("
    " idx INTEGER NOT NULL, cause INTEGER NOT NULL, count INTEGER NOT NULL,"
    " last_ms INTEGER NOT NULL, PRIMARY KEY(idx, cause)) STRICT;",
    /* 1 -> 2: small accepted updates of the open attempt, and small models of the current run */
    "CREATE TABLE small_update("
    " run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, handle BLOB NOT NULL,"
    " bytes BLOB NOT NULL, PRIMARY KEY(run, round, attempt, handle)) STRICT;"
    "CREATE TABLE small_model(digest BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;",
    /* 2 -> 3: early stopping, optimizers of the server, the sums of evaluations */
    "ALTER TABLE run ADD COLUMN patience INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN best_by INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE run ADD COLUMN best_train INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE event ADD COLUMN state BLOB;"
    "ALTER TABLE event ADD COLUMN auc INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE event ADD COLUMN best_train INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE figures ADD COLUMN sum BLOB;",
    /* 3 -> 4: figures of single members that their policies let go */
    "CREATE TABLE own("
    " run INTEGER NOT NULL REFERENCES run(run), round INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " place INTEGER NOT NULL, name TEXT NOT NULL, nano INTEGER NOT NULL,"
    " PRIMARY KEY(run, round, idx, place)) STRICT;",
    /* 4 -> 5: the newest rows that name a model or a state, looked for in every training round */
    "CREATE INDEX event_model ON event(kind) WHERE model IS NOT NULL;"
    "CREATE INDEX event_state ON event(kind) WHERE state IS NOT NULL;",
    /* 5 -> 6: the audit log. node: complete subtrees above the leaves, whose hashes are in leaf. Nothing
     * of it is ever changed: who tries with a statement is told so. */
    "CREATE TABLE leaf("
    " idx INTEGER PRIMARY KEY, type INTEGER NOT NULL, run INTEGER NOT NULL, round INTEGER NOT NULL,"
    " hash BLOB NOT NULL, body BLOB NOT NULL) STRICT;"
    "CREATE INDEX leaf_type ON leaf(type);" /* ends with idx: the newest of a type */
    "CREATE TABLE node("
    " level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY(level, idx))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER leaf_update BEFORE UPDATE ON leaf BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is never changed'); END;"
    "CREATE TRIGGER leaf_delete BEFORE DELETE ON leaf BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is never shortened'); END;"
    "CREATE TRIGGER node_update BEFORE UPDATE ON node BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is never changed'); END;"
    "CREATE TRIGGER node_delete BEFORE DELETE ON node BEGIN"
    " SELECT RAISE(ABORT, 'the audit log is never shortened'); END;"
    "CREATE TABLE head("
    " id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL, root BLOB NOT NULL,"
    " time_ms INTEGER NOT NULL, log_key INTEGER NOT NULL) STRICT;"
    "CREATE TABLE ckpt("
    " size INTEGER PRIMARY KEY, root BLOB NOT NULL, note BLOB NOT NULL,"
    " quorum INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX ckpt_quorum ON ckpt(size) WHERE quorum = 1;"
    "CREATE TABLE cosig("
    " size INTEGER NOT NULL REFERENCES ckpt(size), handle BLOB NOT NULL, line BLOB NOT NULL,"
    " PRIMARY KEY(size, handle)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE sealed("
    " digest BLOB NOT NULL, idx INTEGER NOT NULL, place INTEGER NOT NULL, time_ms INTEGER NOT NULL,"
    " plain INTEGER NOT NULL, erased INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(digest, idx, place))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX sealed_leaf ON sealed(idx, place) WHERE erased = 0;"
    "CREATE TABLE witness_set("
    " id INTEGER PRIMARY KEY CHECK(id = 1), version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE witness_agreed("
    " handle BLOB PRIMARY KEY, header BLOB NOT NULL, payload_sha256 BLOB NOT NULL,"
    " signature BLOB NOT NULL) STRICT;"
    "CREATE TABLE auditor("
    " id INTEGER PRIMARY KEY, seal_pub BLOB NOT NULL UNIQUE, sign_pub BLOB NOT NULL UNIQUE,"
    " name TEXT NOT NULL, name_salt BLOB NOT NULL, admitted_ms INTEGER NOT NULL,"
    " leaf INTEGER NOT NULL) STRICT;"
    "ALTER TABLE member ADD COLUMN name_salt BLOB;",
    /* 6 -> 7: runs that begin with training */
    "ALTER TABLE run ADD COLUMN no_stats INTEGER NOT NULL DEFAULT 0;",
    /* 7 -> 8: the ledger of privacy budgets, made of the leaves dp.event and dp.refund (refund: its leaf) */
    "CREATE TABLE dp_event("
    " leaf INTEGER PRIMARY KEY, run INTEGER NOT NULL, round INTEGER NOT NULL,"
    " round_open BLOB NOT NULL, mechanism INTEGER NOT NULL, rate INTEGER NOT NULL,"
    " sigma2 INTEGER NOT NULL, sensitivity INTEGER NOT NULL, dimension INTEGER NOT NULL,"
    " steps INTEGER NOT NULL, delta_e18 INTEGER NOT NULL, limit_nano INTEGER NOT NULL,"
    " refund INTEGER) STRICT;"
    "CREATE INDEX dp_event_run ON dp_event(run, leaf);"
    "CREATE TABLE dp_account("
    " leaf INTEGER NOT NULL REFERENCES dp_event(leaf), handle BLOB NOT NULL,"
    " before_nano INTEGER NOT NULL, after_nano INTEGER NOT NULL, PRIMARY KEY(leaf, handle))"
    " STRICT, WITHOUT ROWID;",
    /* 8 -> 9: seeds of the noise of the attempt that is open */
    "CREATE TABLE noise_seed("
    " run INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, seed BLOB NOT NULL,"
    " PRIMARY KEY(run, round, attempt)) STRICT, WITHOUT ROWID;",
};

const struct ent_db_schema ent_schema = {.application_id = 0x456e7443, /* "EntC" */
                                         .migrations = migrations,
                                         .n_migrations = ENT_ARRAY_LEN(migrations)};
