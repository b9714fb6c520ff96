#include "client/state/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "client/state/private.h"
#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/crypto/commit.h"

#define COLUMNS                                                                                    \
    "seq, kind, scope, run, round, attempt, plan, mechanism, rate, sigma2, sensitivity, "          \
    "dimension, steps, members, salt, digest"

/* What a digest is over, beside its number and the digest before: all of the entry, integers big-endian. */
#define EVENT_BYTES_MAX 256

static size_t put32(uint8_t *at, uint32_t v)
{
    ent_put_be32(at, v);
    return 4;
}

static size_t put64(uint8_t *at, uint64_t v)
{
    ent_put_be64(at, v);
    return 8;
}

static size_t put_bytes(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return len;
}

static struct ent_part event_part(const struct ent_ledger_entry *e, uint8_t bytes[EVENT_BYTES_MAX])
{
    size_t n = 0;

    n += put32(bytes + n, (uint32_t)e->kind);
    n += put32(bytes + n, e->at.run);
    n += put64(bytes + n, e->at.round);
    n += put32(bytes + n, e->at.attempt);
    n += put_bytes(bytes + n, e->plan, sizeof e->plan);
    n += put32(bytes + n, (uint32_t)e->event.mechanism);
    n += put64(bytes + n, e->event.rate);
    n += put64(bytes + n, e->event.sigma2);
    n += put64(bytes + n, e->event.sensitivity);
    n += put64(bytes + n, e->event.dimension);
    n += put64(bytes + n, e->event.steps);
    n += put32(bytes + n, e->event.n_members);
    n += put_bytes(bytes + n, e->salt, sizeof e->salt);
    n += put_bytes(bytes + n, e->scope, strlen(e->scope));
    return (struct ent_part){bytes, n};
}

static enum ent_err digest_of(const struct ent_ledger_entry *e,
                              const uint8_t before[ENT_SHA256_BYTES], uint8_t out[ENT_SHA256_BYTES])
{
    uint8_t bytes[EVENT_BYTES_MAX];

    return ent_ledger_next(e->seq, before, event_part(e, bytes), out);
}

/* ---- rows ---- */

static enum ent_err read_event(struct ent_stmt *stmt, struct ent_dp_event *event)
{
    uint32_t mechanism = 0;

    ENT_TRY(ent_stmt_u32(stmt, 7, &mechanism));
    ENT_TRY(ent_stmt_u64(stmt, 8, &event->rate));
    ENT_TRY(ent_stmt_u64(stmt, 9, &event->sigma2));
    ENT_TRY(ent_stmt_u64(stmt, 10, &event->sensitivity));
    ENT_TRY(ent_stmt_u64(stmt, 11, &event->dimension));
    ENT_TRY(ent_stmt_u64(stmt, 12, &event->steps));
    ENT_TRY(ent_stmt_u32(stmt, 13, &event->n_members));
    event->mechanism = (enum ent_dp_mechanism)mechanism;
    ENT_REQUIRE(ent_dp_event_check(event) == ENT_E_OK, ENT_E_CORRUPT,
                "the ledger holds an event that is none");
    return ENT_E_OK;
}

static enum ent_err read_row(struct ent_stmt *stmt, struct ent_ledger_entry *e)
{
    const char *scope = NULL;
    uint32_t kind = 0;

    memset(e, 0, sizeof *e);
    ENT_TRY(ent_stmt_u64(stmt, 0, &e->seq));
    ENT_TRY(ent_stmt_u32(stmt, 1, &kind));
    ENT_TRY(ent_stmt_text(stmt, 2, &scope));
    ENT_REQUIRE(strlen(scope) <= ENT_LEDGER_SCOPE_MAX_BYTES &&
                    (kind == ENT_LEDGER_TRAIN || kind == ENT_LEDGER_REBOOK),
                ENT_E_CORRUPT, "entry %llu of the ledger is none", (unsigned long long)e->seq);
    e->kind = (enum ent_ledger_kind)kind;
    memcpy(e->scope, scope, strlen(scope) + 1);
    ENT_TRY(ent_stmt_u32(stmt, 3, &e->at.run));
    ENT_TRY(ent_stmt_u64(stmt, 4, &e->at.round));
    ENT_TRY(ent_stmt_u32(stmt, 5, &e->at.attempt));
    ENT_TRY(ent_stmt_blob_exact(stmt, 6, e->plan, sizeof e->plan));
    ENT_TRY(read_event(stmt, &e->event));
    ENT_TRY(ent_stmt_blob_exact(stmt, 14, e->salt, sizeof e->salt));
    return ent_stmt_blob_exact(stmt, 15, e->digest, sizeof e->digest);
}

static enum ent_err one_take(struct ent_stmt *stmt_take, struct ent_ledger_entry *out)
{
    struct ent_ledger_entry e;
    enum ent_err err = ent_stmt_one(stmt_take);

    if (err == ENT_E_OK) {
        err = read_row(stmt_take, &e);
    }
    ent_stmt_free(stmt_take);
    if (err == ENT_E_OK) {
        *out = e;
    }
    return err;
}

enum ent_err ent_ledger_get(struct ent_state *state, struct ent_attempt at,
                            struct ent_ledger_entry *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_stmt_prepare(
        state->db,
        "SELECT " COLUMNS " FROM ledger WHERE run = ? AND round = ? AND attempt = ? AND kind = 1",
        &stmt));
    ent_state_bind_attempt(stmt, 1, at);
    return one_take(stmt, out);
}

enum ent_err ent_ledger_last(struct ent_state *state, struct ent_ledger_entry *out)
{
    struct ent_stmt *stmt = NULL;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT " COLUMNS " FROM ledger ORDER BY seq DESC LIMIT 1",
                             &stmt));
    return one_take(stmt, out);
}

/* ---- the chain ---- */

/* Entry 0: of a salt alone, so that no digest is the same in two ledgers. The scopes stand in the events. */
static enum ent_err start_digest(struct ent_state *state, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_stmt *stmt = NULL;
    uint8_t salt[ENT_SALT_BYTES];
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db, "SELECT salt FROM ledger_start", &stmt));
    err = ent_stmt_one(stmt);
    if (err == ENT_E_OK) {
        err = ent_stmt_blob_exact(stmt, 0, salt, sizeof salt);
    }
    ent_stmt_free(stmt);
    ENT_TRY(err);
    return ent_ledger_start(salt, (struct ent_part){"", 0}, out);
}

static enum ent_err make_start(struct ent_state *state, struct ent_csprng *csprng)
{
    struct ent_stmt *stmt = NULL;
    uint8_t salt[ENT_SALT_BYTES];
    enum ent_err err;

    ENT_TRY(ent_csprng_bytes(csprng, salt, sizeof salt));
    ENT_TRY(ent_stmt_prepare(state->db, "INSERT OR IGNORE INTO ledger_start VALUES(1, ?)", &stmt));
    ent_stmt_bind_blob(stmt, 1, salt, sizeof salt);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

static enum ent_err check_rows(struct ent_stmt *stmt, uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_ledger_entry e;
    uint64_t seq = 0;
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    while (row) {
        ENT_TRY(read_row(stmt, &e));
        ENT_REQUIRE(e.seq == ++seq, ENT_E_CORRUPT, "the ledger has no entry %llu",
                    (unsigned long long)seq);
        ENT_TRY(digest_of(&e, digest, digest));
        ENT_REQUIRE(memcmp(digest, e.digest, sizeof e.digest) == 0, ENT_E_CORRUPT,
                    "entry %llu of the ledger was altered", (unsigned long long)seq);
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    return ENT_E_OK;
}

enum ent_err ent_ledger_check(struct ent_state *state)
{
    uint8_t digest[ENT_SHA256_BYTES] = {0};
    struct ent_stmt *stmt = NULL;
    enum ent_err err = start_digest(state, digest);

    if (err != ENT_E_OK && err != ENT_E_NOT_FOUND) {
        return err;
    }
    ENT_TRY(ent_stmt_prepare(state->db, "SELECT " COLUMNS " FROM ledger ORDER BY seq", &stmt));
    err = check_rows(stmt, digest);
    ent_stmt_free(stmt);
    ENT_TRY(err);
    state->ledger_checked = true;
    return ENT_E_OK;
}

static enum ent_err insert(struct ent_state *state, const struct ent_ledger_entry *e)
{
    struct ent_stmt *stmt = NULL;
    enum ent_err err;

    ENT_TRY(ent_stmt_prepare(state->db,
                             "INSERT INTO ledger(" COLUMNS ")"
                             " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                             &stmt));
    ent_stmt_bind_u64(stmt, 1, e->seq);
    ent_stmt_bind_u64(stmt, 2, e->kind);
    ent_stmt_bind_text(stmt, 3, e->scope);
    ent_state_bind_attempt(stmt, 4, e->at);
    ent_stmt_bind_blob(stmt, 7, e->plan, sizeof e->plan);
    ent_stmt_bind_u64(stmt, 8, e->event.mechanism);
    ent_stmt_bind_u64(stmt, 9, e->event.rate);
    ent_stmt_bind_u64(stmt, 10, e->event.sigma2);
    ent_stmt_bind_u64(stmt, 11, e->event.sensitivity);
    ent_stmt_bind_u64(stmt, 12, e->event.dimension);
    ent_stmt_bind_u64(stmt, 13, e->event.steps);
    ent_stmt_bind_u64(stmt, 14, e->event.n_members);
    ent_stmt_bind_blob(stmt, 15, e->salt, sizeof e->salt);
    ent_stmt_bind_blob(stmt, 16, e->digest, sizeof e->digest);
    err = ent_stmt_run(stmt);
    ent_stmt_free(stmt);
    return err;
}

enum ent_err ent_ledger_append(struct ent_state *state, struct ent_csprng *csprng,
                               struct ent_ledger_entry *entry)
{
    struct ent_ledger_entry last = {0};
    uint8_t before[ENT_SHA256_BYTES];
    enum ent_err err = ent_ledger_last(state, &last);

    if (err == ENT_E_NOT_FOUND) {
        ENT_TRY(make_start(state, csprng));
        ENT_TRY(start_digest(state, before));
    } else {
        ENT_TRY(err);
        memcpy(before, last.digest, sizeof before);
    }
    entry->seq = last.seq + 1;
    ENT_TRY(ent_csprng_bytes(csprng, entry->salt, sizeof entry->salt));
    ENT_TRY(digest_of(entry, before, entry->digest));
    return insert(state, entry);
}

/* ---- booking ---- */

static bool same_event(const struct ent_dp_event *a, const struct ent_dp_event *b)
{
    return a->mechanism == b->mechanism && a->rate == b->rate && a->sigma2 == b->sigma2 &&
           a->sensitivity == b->sensitivity && a->dimension == b->dimension &&
           a->steps == b->steps && a->n_members == b->n_members;
}

static enum ent_err check_same(const struct ent_ledger_entry *e,
                               const struct ent_ledger_charge *charge)
{
    ENT_REQUIRE(strcmp(e->scope, charge->scope) == 0 &&
                    memcmp(e->plan, charge->plan, sizeof e->plan) == 0 &&
                    same_event(&e->event, &charge->event),
                ENT_E_EXISTS,
                "round %llu, attempt %u of run %u was booked for another scope, plan or noise",
                (unsigned long long)e->at.round, (unsigned)e->at.attempt, (unsigned)e->at.run);
    return ENT_E_OK;
}

enum ent_err ent_ledger_charge_check(const struct ent_ledger_charge *charge)
{
    size_t len = strlen(charge->scope);

    ENT_REQUIRE(len > 0 && len <= ENT_LEDGER_SCOPE_MAX_BYTES, ENT_E_RANGE,
                "a scope's name has 1 to %d bytes", ENT_LEDGER_SCOPE_MAX_BYTES);
    return ent_dp_event_check(&charge->event);
}

static enum ent_err check_gap(struct ent_state *state)
{
    struct ent_ledger_gap gap;

    ENT_TRY(ent_ledger_gap(state, &gap));
    ENT_REQUIRE(gap.missing == 0, ENT_E_BUDGET,
                "an older copy of state.db was put back: its ledger ends at entry %llu, and the "
                "log holds this member's entry %llu; nothing is booked until the %llu that are "
                "missing are charged again",
                (unsigned long long)gap.last_seq, (unsigned long long)gap.seen_seq,
                (unsigned long long)gap.missing);
    return ENT_E_OK;
}

static void entry_of(const struct ent_ledger_charge *charge, struct ent_ledger_entry *e)
{
    *e = (struct ent_ledger_entry){
        .kind = ENT_LEDGER_TRAIN, .at = charge->at, .event = charge->event};
    memcpy(e->scope, charge->scope, strlen(charge->scope) + 1);
    memcpy(e->plan, charge->plan, sizeof e->plan);
}

/* What waits in the open transaction becomes durable with it: there is no entry before the commit, and no noise either. */
static enum ent_err book_new(struct ent_state *state, struct ent_csprng *csprng,
                             const struct ent_ledger_charge *charge, struct ent_ledger_entry *e)
{
    ENT_TRY(check_gap(state));
    entry_of(charge, e);
    ENT_TRY(ent_state_join_next(state));
    ENT_TRY(ent_ledger_append(state, csprng, e));
    ENT_HOOK_POINT("state.ledger.row");
    ENT_TRY(ent_state_commit(state));
    ENT_HOOK_POINT("state.ledger.booked");
    return ENT_E_OK;
}

enum ent_err ent_ledger_book(struct ent_state *state, struct ent_csprng *csprng,
                             const struct ent_ledger_charge *charge, struct ent_ledger_entry *out)
{
    struct ent_ledger_entry e;
    enum ent_err err;

    ENT_TRY(ent_ledger_charge_check(charge));
    if (!state->ledger_checked) {
        ENT_TRY(ent_ledger_check(state));
    }
    err = ent_ledger_get(state, charge->at, &e);
    if (err == ENT_E_OK) {
        ENT_TRY(check_same(&e, charge));
    } else if (err == ENT_E_NOT_FOUND) {
        ENT_TRY(book_new(state, csprng, charge, &e));
    } else {
        return err;
    }
    if (out != NULL) {
        *out = e;
    }
    return ENT_E_OK;
}

/* ---- what a scope has spent ---- */

static enum ent_err read_events(struct ent_stmt *stmt, struct ent_dp_event *list, size_t *n)
{
    bool row = false;

    ENT_TRY(ent_stmt_step(stmt, &row));
    for (*n = 0; row; (*n)++) {
        ENT_REQUIRE(*n < ENT_LEDGER_EVENTS_MAX, ENT_E_LIMIT,
                    "the ledger holds more than %d different kinds of noise",
                    ENT_LEDGER_EVENTS_MAX);
        ENT_TRY(read_event(stmt, &list[*n]));
        ENT_TRY(ent_stmt_step(stmt, &row));
    }
    return ENT_E_OK;
}

enum ent_err ent_ledger_events(struct ent_state *state, const char *scope, uint32_t run,
                               struct ent_dp_event **out, size_t *n)
{
    struct ent_dp_event *list = NULL;
    struct ent_stmt *stmt = NULL;
    size_t found = 0;
    enum ent_err err;

    ENT_TRY(ent_calloc(ENT_LEDGER_EVENTS_MAX, sizeof *list, &list));
    err = ent_stmt_prepare(
        state->db,
        "SELECT 0, 0, 0, 0, 0, 0, 0, mechanism, rate, sigma2, sensitivity, dimension, SUM(steps),"
        " members FROM ledger WHERE scope = ? AND (?2 = 0 OR run = ?2)"
        " GROUP BY mechanism, rate, sigma2, sensitivity, dimension, members",
        &stmt);
    if (err == ENT_E_OK) {
        ent_stmt_bind_text(stmt, 1, scope);
        ent_stmt_bind_u64(stmt, 2, run);
        err = read_events(stmt, list, &found);
        ent_stmt_free(stmt);
    }
    if (err != ENT_E_OK || found == 0) {
        free(list);
        list = NULL;
    }
    ENT_TRY(err);
    *out = list;
    *n = found;
    return ENT_E_OK;
}
