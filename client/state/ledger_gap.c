/* An older copy of state.db was put back: what the audit log holds of this member's own statements tells. */
#include <string.h>

#include "client/state/private.h"
#include "common/base/hooks.h"

static enum ent_err has_entry(struct ent_state *state, uint64_t seq,
                              const uint8_t digest[ENT_SHA256_BYTES], bool *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(
        ent_stmt_prepare(state->db, "SELECT 1 FROM ledger WHERE seq = ? AND digest = ?", &stmt));
    ent_stmt_bind_u64(stmt, 1, seq);
    ent_stmt_bind_blob(stmt, 2, digest, ENT_SHA256_BYTES);
    err = ent_stmt_step(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_ledger_saw(struct ent_state *state, const struct ent_ledger_seen *seen)
{
    struct ent_stmt *stmt = NULL;
    bool known = false;
    enum ent_err err;

    ENT_TRY(has_entry(state, seen->seq, seen->digest, &known));
    if (known) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT OR IGNORE INTO ledger_seen(seq, digest, run, round, attempt,"
                             " plan, settled) VALUES(?, ?, ?, ?, ?, ?, 0)",
                             &stmt));
    ent_stmt_bind_u64(stmt, 1, seen->seq);
    ent_stmt_bind_blob(stmt, 2, seen->digest, ENT_SHA256_BYTES);
    ent_state_bind_attempt(stmt, 3, seen->at);
    if (seen->plan != NULL) {
        ent_stmt_bind_blob(stmt, 6, seen->plan, ENT_SHA256_BYTES);
    } else {
        ent_stmt_bind_null(stmt, 6);
    }
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

struct seen {
    uint64_t n;
    uint64_t first; /* lowest number */
    uint64_t last;
    uint32_t run_least;
    uint32_t run_most;
    bool has_plan; /* the same one in all */
    uint8_t plan[ENT_SHA256_BYTES];
};

static enum ent_err read_seen(struct ent_stmt *stmt, struct seen *out)
{
    ENT_TRY(ent_stmt_one(stmt));
    ENT_TRY(ent_stmt_u64(stmt, 0, &out->n));
    ENT_TRY(ent_stmt_u64(stmt, 1, &out->first));
    ENT_TRY(ent_stmt_u64(stmt, 2, &out->last));
    ENT_TRY(ent_stmt_u32(stmt, 3, &out->run_least));
    ENT_TRY(ent_stmt_u32(stmt, 4, &out->run_most));
    ENT_TRY(ent_stmt_bool(stmt, 5, &out->has_plan));
    return out->has_plan ? ent_stmt_blob_exact(stmt, 6, out->plan, sizeof out->plan) : ENT_E_OK;
}

static enum ent_err seen_of(struct ent_state *state, struct seen *out)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "SELECT COUNT(*), IFNULL(MIN(seq), 0), IFNULL(MAX(seq), 0),"
                             " IFNULL(MIN(run), 0), IFNULL(MAX(run), 0),"
                             " COUNT(plan) = COUNT(*) AND COUNT(DISTINCT plan) = 1, MIN(plan)"
                             " FROM ledger_seen WHERE settled = 0",
                             &stmt));
    *out = (struct seen){0};
    err = read_seen(stmt, out);
    ent_stmt_free(stmt);
    return err;
}

/* One run at a time, numbered upwards: what lies between two entries of a run is of that run. Entries that were booked and
 * never accepted stand in no log; they count by their numbers. */
static uint32_t run_of_all(const struct seen *seen, const struct ent_ledger_entry *last)
{
    bool nothing_between = seen->first <= last->seq + 1;

    if (seen->run_least != seen->run_most || !seen->has_plan) {
        return 0;
    }
    return nothing_between || last->at.run == seen->run_least ? seen->run_least : 0;
}

enum ent_err ent_ledger_gap(struct ent_state *state, struct ent_ledger_gap *out)
{
    struct ent_ledger_entry last = {0};
    struct seen seen;
    enum ent_err err = ent_ledger_last(state, &last);

    if (err != ENT_E_OK && err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(seen_of(state, &seen));
    *out = (struct ent_ledger_gap){.last_seq = last.seq, .seen_seq = seen.last};
    if (seen.n > 0) {
        uint64_t above = seen.last > last.seq ? seen.last - last.seq : 0;

        out->missing = above > seen.n ? above : seen.n;
        out->run = run_of_all(&seen, &last);
        memcpy(out->plan, seen.plan, sizeof out->plan);
    }
    return ENT_E_OK;
}

static enum ent_err settle(struct ent_state *state)
{
    return ent_db_exec(state->db, "UPDATE ledger_seen SET settled = 1");
}

/* As many entries as are missing, so that numbers go on above those that the log holds. */
static enum ent_err charge_all(struct ent_state *state, struct ent_csprng *csprng,
                               const struct ent_ledger_charge *charge, uint64_t missing)
{
    struct ent_ledger_entry e = {
        .kind = ENT_LEDGER_REBOOK, .at = {.run = charge->at.run}, .event = charge->event};

    ENT_REQUIRE(missing <= ENT_LEDGER_REBOOK_MAX, ENT_E_BUDGET,
                "the log holds an entry of this member's ledger that is %llu above the last one "
                "here: no budget holds as many",
                (unsigned long long)missing);
    memcpy(e.scope, charge->scope, strlen(charge->scope) + 1);
    memcpy(e.plan, charge->plan, sizeof e.plan);
    ENT_TRY(ent_state_join_next(state));
    for (uint64_t i = 0; i < missing; i++) {
        ENT_TRY(ent_ledger_append(state, csprng, &e));
    }
    ENT_TRY(settle(state));
    ENT_HOOK_POINT("state.ledger.rebook");
    return ent_state_commit(state);
}

enum ent_err ent_ledger_rebook(struct ent_state *state, struct ent_csprng *csprng,
                               const struct ent_ledger_charge *charge)
{
    struct ent_ledger_gap gap;

    ENT_TRY(ent_ledger_gap(state, &gap));
    if (gap.missing == 0) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(gap.run > 0 && gap.run == charge->at.run &&
                    memcmp(gap.plan, charge->plan, sizeof gap.plan) == 0,
                ENT_E_POLICY,
                "an older copy of state.db was put back: its ledger ends at entry %llu, the log "
                "holds this member's entry %llu, and what is missing may be of several runs or "
                "plans; put the newest state.db back",
                (unsigned long long)gap.last_seq, (unsigned long long)gap.seen_seq);
    ENT_TRY(ent_ledger_charge_check(charge));
    return charge_all(state, csprng, charge, gap.missing);
}
