#include <string.h>

#include "client/state/private.h"
#include "common/base/hooks.h"

/* Why: two sums over cohorts that differ by one member differ by that member's own numbers. The
 * coordinator chooses cohorts, so the member itself remembers which cohort its contribution was
 * for. */

static const char stats_label[] = "entente/release/stats/v1";
static const char evaluate_label[] = "entente/release/evaluate/v1";
static const char cohort_label[] = "entente/release/cohort/v1";

static enum ent_err digest_cohort(const uint8_t (*handles)[16], size_t n,
                                  uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_part parts[2] = {{cohort_label, sizeof cohort_label},
                                {handles, n * sizeof handles[0]}};

    return ent_sha256_parts(parts, 2, out);
}

enum ent_err ent_release_stats(uint32_t run, const uint8_t (*handles)[16], size_t n,
                               struct ent_release *out)
{
    uint8_t run_bytes[4];
    struct ent_part parts[2] = {{stats_label, sizeof stats_label}, {run_bytes, sizeof run_bytes}};

    ent_put_be32(run_bytes, run);
    ENT_TRY(ent_sha256_parts(parts, 2, out->scope));
    out->kind = ENT_RELEASE_STATS;
    return digest_cohort(handles, n, out->cohort);
}

enum ent_err ent_release_evaluate(const uint8_t model[ENT_SHA256_BYTES], uint32_t split,
                                  const uint8_t (*handles)[16], size_t n, struct ent_release *out)
{
    uint8_t split_bytes[4];
    struct ent_part parts[3] = {{evaluate_label, sizeof evaluate_label},
                                {model, ENT_SHA256_BYTES},
                                {split_bytes, sizeof split_bytes}};

    ent_put_be32(split_bytes, split);
    ENT_TRY(ent_sha256_parts(parts, 3, out->scope));
    out->kind = ENT_RELEASE_EVALUATE;
    return digest_cohort(handles, n, out->cohort);
}

struct claim {
    struct ent_attempt at;
    uint8_t cohort[ENT_SHA256_BYTES];
    bool done;
};

static enum ent_err read_claim(struct ent_stmt *stmt, struct claim *out)
{
    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u32(stmt, 0, &out->at.run));
    ENT_TRY(ent_stmt_u64(stmt, 1, &out->at.round));
    ENT_TRY(ent_stmt_u32(stmt, 2, &out->at.attempt));
    ENT_TRY(ent_stmt_blob_exact(stmt, 3, out->cohort, sizeof out->cohort));
    return ent_stmt_bool(stmt, 4, &out->done);
}

static enum ent_err find_claim(struct ent_state *state, const struct ent_release *release,
                               struct claim *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db,
        "SELECT run, round, attempt, cohort, done FROM release WHERE kind = ? AND scope = ?",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, release->kind);
    ent_stmt_bind_blob(stmt, 2, release->scope, sizeof release->scope);
    err = read_claim(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err write_claim(struct ent_state *state, const struct ent_release *release,
                                bool done)
{
    struct ent_attempt at = {release->run, release->round, release->attempt};
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(
        state->db,
        "INSERT OR REPLACE INTO release(kind, scope, run, round, attempt, cohort, done)"
        " VALUES(?, ?, ?, ?, ?, ?, ?)",
        &stmt));
    ent_stmt_bind_u64(stmt, 1, release->kind);
    ent_stmt_bind_blob(stmt, 2, release->scope, sizeof release->scope);
    ent_state_bind_attempt(stmt, 3, at);
    ent_stmt_bind_blob(stmt, 6, release->cohort, sizeof release->cohort);
    ent_stmt_bind_u64(stmt, 7, done ? 1 : 0);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    if (err == ENT_E_OK && done) { /* a mere claim counts with the update that follows */
        err = ent_state_commit(state);
    }
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("state.release.stored");
    }
    return err;
}

static bool same_cohort(const struct claim *claim, const struct ent_release *release)
{
    return memcmp(claim->cohort, release->cohort, sizeof claim->cohort) == 0;
}

/* The attempt before was aborted: it released nothing. */
static bool follows_abort(const struct claim *claim, const struct ent_release *release)
{
    return !claim->done && claim->at.run == release->run && claim->at.round == release->round &&
           claim->at.attempt < release->attempt;
}

enum ent_err ent_state_claim_release(struct ent_state *state, const struct ent_release *release)
{
    struct claim claim;
    enum ent_err err = find_claim(state, release, &claim);

    if (err == ENT_E_NOT_FOUND) {
        return write_claim(state, release, false);
    }
    ENT_TRY(err);
    if (follows_abort(&claim, release)) {
        return write_claim(state, release, false);
    }
    ENT_REQUIRE(same_cohort(&claim, release), ENT_E_POLICY,
                "%s for another set of members (run %u, round %llu): a second result could be "
                "subtracted from the first",
                release->kind == ENT_RELEASE_STATS ? "statistics of this run were given"
                                                   : "this model was evaluated on these rows",
                claim.at.run, (unsigned long long)claim.at.round);
    return ENT_E_OK;
}

enum ent_err ent_state_release_done(struct ent_state *state, const struct ent_release *release)
{
    struct claim claim;

    ENT_TRY(find_claim(state, release, &claim));
    ENT_REQUIRE(same_cohort(&claim, release), ENT_E_STALE,
                "a result for another set of members than the one claimed");
    return claim.done ? ENT_E_OK : write_claim(state, release, true);
}

enum ent_err ent_state_release_done_at(struct ent_state *state, struct ent_attempt at)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(
        state->db, "UPDATE release SET done = 1 WHERE run = ? AND round = ? AND attempt = ?",
        &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err == ENT_E_OK && ent_db_changes(state->db) > 0 ? ent_state_commit(state) : err;
}
