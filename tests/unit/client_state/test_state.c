#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

static const uint8_t cohort_a[3][16] = {{1}, {2}, {3}};
static const uint8_t cohort_b[3][16] = {{1}, {2}, {4}};

ENT_TEST(sequence, rises_for_ever)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    uint64_t last = 0;
    uint64_t v = 0;

    for (int i = 0; i < 200; i++) {
        ENT_OK(ent_state_next_sequence(s, &v));
        CU_ASSERT(v > last);
        last = v;
        if (i % 7 == 0) {
            s = reopen(dir, s);
        }
    }
    ENT_OK(ent_state_raise_sequence(s, 5)); /* lower: no effect */
    ENT_OK(ent_state_next_sequence(s, &v));
    CU_ASSERT(v == last + 1);
    ENT_OK(ent_state_raise_sequence(s, 1000000));
    ENT_OK(ent_state_next_sequence(s, &v));
    CU_ASSERT_EQUAL(v, 1000001);
    s = reopen(dir, s);
    ENT_OK(ent_state_next_sequence(s, &v));
    CU_ASSERT(v > 1000001);
    ENT_FAILS(ent_state_raise_sequence(s, UINT64_MAX), ENT_E_PROTOCOL);
    /* A number near the end would leave this member none to use. */
    ENT_FAILS(ent_state_raise_sequence(s, INT64_MAX - 1000), ENT_E_PROTOCOL);
    ENT_OK(ent_state_next_sequence(s, &v));
    ENT_FAILS(ent_state_raise_sequence(s, v + ENT_STATE_SEQUENCE_JUMP_MAX + 1), ENT_E_PROTOCOL);
    ent_state_close(s);
    ent_state_close(NULL);
}

/* What is given out was stored before: a copy of the database taken at any moment never gives it
 * out again. */
ENT_TEST(sequence, is_stored_before_use)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);

    for (int i = 0; i < 40; i++) {
        const char *copy_dir;
        struct ent_state *copy;
        uint64_t given = 0;
        uint64_t later = 0;
        static const char *const files[] = {"state.db", "state.db-wal"};

        ENT_OK(ent_state_next_sequence(s, &given));
        if (i % 8 > 1 &&
            i != 31) { /* around the steps by which numbers are stored ahead, and some */
            continue;
        }
        copy_dir = ent_test_tmpdir();
        for (size_t f = 0; f < 2; f++) {
            char *from = NULL;
            char *to = NULL;
            struct ent_buf b;

            ent_buf_init(&b, 1 << 24);
            ENT_OK(ent_path_join(dir, files[f], &from));
            ENT_OK(ent_path_join(copy_dir, files[f], &to));
            if (ent_file_exists(from)) {
                ENT_OK(ent_file_read(from, &b));
                ENT_OK(ent_file_write_atomic(to, b.data, b.len, 0600));
            }
            ent_buf_release(&b);
            free(from);
            free(to);
        }
        copy = open_state(copy_dir);
        ENT_OK(ent_state_next_sequence(copy, &later));
        CU_ASSERT(later > given);
        ent_state_close(copy);
    }
    ent_state_close(s);
}

ENT_TEST(runs, are_remembered)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_state_run run = {.run = 3, .plan = {7}, .accepted = true};
    struct ent_state_run got;

    ENT_FAILS(ent_state_run_last(s, &got), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_run_put(s, &run));
    ENT_OK(ent_state_run_put(s, &run));
    s = reopen(dir, s);
    ENT_OK(ent_state_run_get(s, 3, &got));
    CU_ASSERT(got.accepted && !got.ended && got.plan[0] == 7 && got.reason[0] == '\0');
    run.plan[0] = 8; /* another plan under the same number */
    ENT_FAILS(ent_state_run_put(s, &run), ENT_E_PROTOCOL);
    run.plan[0] = 7;
    run.accepted = false;
    (void)snprintf(run.reason, sizeof run.reason, "the plan is not on the list");
    ENT_OK(ent_state_run_put(s, &run));
    ENT_OK(ent_state_run_end(s, 3));
    ENT_FAILS(ent_state_run_end(s, 4), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_run_last(s, &got));
    CU_ASSERT(!got.accepted && got.ended && got.run == 3);
    CU_ASSERT_STRING_EQUAL(got.reason, "the plan is not on the list");
    ent_state_close(s);
}

static struct ent_release evaluate_release(uint64_t round, uint32_t split,
                                           const uint8_t (*cohort)[16])
{
    static const uint8_t model[32] = {9};
    struct ent_release r = {.run = 1, .round = round, .attempt = 1};

    ENT_OK(ent_release_evaluate(model, split, cohort, 3, &r));
    return r;
}

ENT_TEST(release, statistics_once_per_run)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_release first = stats_release(1, 1, cohort_a);
    struct ent_release other = stats_release(1, 1, cohort_b);
    struct ent_release later = stats_release(1, 2, cohort_b);
    struct ent_release next_run = stats_release(2, 1, cohort_b);
    struct ent_release next_round = stats_release(1, 1, cohort_b);

    next_round.round = 2;
    ENT_FAILS(ent_state_release_done(s, &first), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_claim_release(s, &first));
    ENT_OK(ent_state_claim_release(s, &first));
    ENT_FAILS(ent_state_claim_release(s, &other), ENT_E_POLICY);
    ENT_FAILS(ent_state_claim_release(s, &next_round),
              ENT_E_POLICY); /* a second statistics round of the run */
    s = reopen(dir, s);
    ENT_FAILS(ent_state_claim_release(s, &other), ENT_E_POLICY);
    ENT_OK(ent_state_claim_release(s, &next_run));
    ENT_OK(ent_state_claim_release(s, &later)); /* the first attempt was aborted */
    ENT_FAILS(ent_state_claim_release(s, &first), ENT_E_POLICY);
    ENT_OK(ent_state_release_done(s, &later));
    ENT_OK(ent_state_release_done(s, &later));
    first.attempt = 3; /* the result is out: no later attempt with another cohort */
    ENT_FAILS(ent_state_claim_release(s, &first), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "run 1"));
    ENT_OK(ent_state_claim_release(s, &later));
    ent_state_close(s);
}

ENT_TEST(release, evaluation_once_per_model_and_split)
{
    struct ent_state *s = open_state(ent_test_tmpdir());
    struct ent_release validation = evaluate_release(3, 2, cohort_a);
    struct ent_release test = evaluate_release(9, 3, cohort_b);
    struct ent_release again = evaluate_release(5, 2, cohort_b);
    struct ent_release same = evaluate_release(5, 2, cohort_a);

    ENT_OK(ent_state_claim_release(s, &validation));
    ENT_OK(ent_state_claim_release(s, &test)); /* other rows */
    ENT_OK(ent_state_release_done(s, &validation));
    ENT_FAILS(ent_state_claim_release(s, &again), ENT_E_POLICY);
    ENT_OK(ent_state_claim_release(s, &same));
    ENT_FAILS(ent_state_release_done(s, &again), ENT_E_STALE);
    ent_state_close(s);
}

static char *payload_path(const char *dir, const struct ent_state_update *u)
{
    char name[80] = "updates/";
    char *path = NULL;

    ent_hex(u->payload_sha256, 32, name + 8);
    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

ENT_TEST(update, comes_back_byte_for_byte)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *payload = payload_of(0xaa, 100000);
    struct ent_state_update u = sample_update(4, 1, payload);
    struct ent_state_update got;
    struct ent_state_update other = u;
    char *path = payload_path(dir, &u);
    struct stat sb;

    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_update_put(s, &u));
    ENT_OK(ent_state_update_put(s, &u)); /* the same again */
    CU_ASSERT(stat(path, &sb) == 0 && (sb.st_mode & 0777) == 0600);
    other.sequence++;
    ENT_FAILS(ent_state_update_put(s, &other), ENT_E_EXISTS);
    s = reopen(dir, s);
    ENT_OK(ent_state_update_get(s, u.at, &got));
    CU_ASSERT(got.sequence == u.sequence && got.header_len == u.header_len);
    CU_ASSERT(memcmp(got.header, u.header, u.header_len) == 0);
    CU_ASSERT(memcmp(got.signature, u.signature, sizeof u.signature) == 0);
    CU_ASSERT(memcmp(got.round_open, u.round_open, sizeof u.round_open) == 0);
    CU_ASSERT(memcmp(got.payload_sha256, u.payload_sha256, 32) == 0);
    CU_ASSERT(ent_blob_len(got.payload) == 100000);
    CU_ASSERT(memcmp(ent_blob_bytes(got.payload), ent_blob_bytes(payload), 100000) == 0);
    ent_state_update_release(&got);
    other = u;
    other.header_len = ENT_STATE_HEADER_MAX_BYTES + 1;
    other.at.attempt = 9;
    ENT_FAILS(ent_state_update_put(s, &other), ENT_E_LIMIT);
    other = u;
    other.payload = NULL;
    ENT_FAILS(ent_state_update_put(s, &other), ENT_E_SHAPE);
    ent_blob_unref(payload);
    free(path);
    ent_state_close(s);
}

ENT_TEST(update, gone_or_altered_is_lost)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *payload = payload_of(0xaa, 80000);
    struct ent_state_update u = sample_update(4, 1, payload);
    struct ent_state_update got;
    char *path = payload_path(dir, &u);
    struct ent_buf b;

    ent_buf_init(&b, 100000);
    ENT_OK(ent_state_update_put(s, &u));
    s = reopen(dir, s);
    ENT_OK(ent_file_read(path, &b));
    b.data[79999] ^= 1;
    ENT_OK(ent_file_write_atomic(path, b.data, b.len, 0600));
    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_LOST);
    ENT_OK(ent_file_write_atomic(path, b.data, 4000, 0600));
    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_LOST);
    ENT_OK(ent_file_write_atomic(path, "", 0, 0600));
    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_LOST);
    ENT_OK(ent_file_remove(path));
    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_LOST);
    s = reopen(dir, s);
    ENT_FAILS(ent_state_update_get(s, u.at, &got),
              ENT_E_LOST); /* stays so: it is never computed again */
    ent_buf_release(&b);
    ent_blob_unref(payload);
    free(path);
    ent_state_close(s);
}

/* The payload of a small update stands in its row. */
ENT_TEST(update, small_one_comes_back_and_damage_is_seen)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_blob *payload = payload_of(0xaa, ENT_STATE_ROW_MAX_BYTES);
    struct ent_state_update u = sample_update(4, 1, payload);
    struct ent_state_update got;
    uint64_t before = ent_state_commits(s);
    char *path = payload_path(dir, &u);

    ENT_OK(ent_state_update_put(s, &u));
    CU_ASSERT_EQUAL(ent_state_commits(s), before + 1);
    CU_ASSERT_FALSE(ent_file_exists(path));
    for (int again = 0; again < 2; again++) { /* of this process, then of the row */
        ENT_OK(ent_state_update_get(s, u.at, &got));
        CU_ASSERT(ent_blob_len(got.payload) == ENT_STATE_ROW_MAX_BYTES &&
                  memcmp(ent_blob_bytes(got.payload), ent_blob_bytes(payload),
                         ENT_STATE_ROW_MAX_BYTES) == 0);
        ent_state_update_release(&got);
        s = reopen(dir, s);
    }
    ent_state_close(s);
    change_state(dir, "UPDATE stored_update SET payload = zeroblob(length(payload))");
    s = open_state(dir);
    ENT_FAILS(ent_state_update_get(s, u.at, &got), ENT_E_LOST);
    ent_blob_unref(payload);
    free(path);
    ent_state_close(s);
}

static void check_deleted(size_t payload_bytes)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    static const struct ent_attempt at[4] = {{1, 2, 1}, {1, 2, 2}, {1, 3, 1}, {2, 1, 1}};
    struct ent_state_update u[4];
    struct ent_state_update got;
    char *path;
    char *stray = NULL;

    ENT_OK(ent_path_join(dir, "updates/notes.txt", &stray));
    ENT_OK(ent_file_write_atomic(stray, "mine", 4, 0600));
    for (uint8_t i = 0; i < 4; i++) {
        struct ent_blob *payload = payload_of(i, payload_bytes);

        u[i] = sample_update(1, 1, payload);
        u[i].at = at[i];
        ENT_OK(ent_state_update_put(s, &u[i]));
        ent_blob_unref(payload);
    }
    ENT_OK(ent_state_update_delete_older(s, at[2]));
    for (int i = 0; i < 4; i++) {
        path = payload_path(dir, &u[i]);
        CU_ASSERT_EQUAL(ent_file_exists(path), i >= 2 && payload_bytes > ENT_STATE_ROW_MAX_BYTES);
        free(path);
        if (i < 2) {
            ENT_FAILS(ent_state_update_get(s, at[i], &got), ENT_E_NOT_FOUND);
        } else {
            ENT_OK(ent_state_update_get(s, at[i], &got));
            ent_state_update_release(&got);
        }
    }
    CU_ASSERT_TRUE(ent_file_exists(stray)); /* not ours to remove */
    free(stray);
    ent_state_close(s);
}

ENT_TEST(update, older_ones_go)
{
    check_deleted(100);
    check_deleted(ENT_STATE_ROW_MAX_BYTES + 1);
}

/* What may be lost waits for the next commit: it is there for this process, and costs none. */
ENT_TEST(state, soft_changes_ride_with_the_next_commit)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_blob *payload = payload_of(1, 10);
    struct ent_state_update u = sample_update(7, 1, payload);
    struct ent_release claim = stats_release(1, 1, cohort_a);
    uint64_t before;
    uint8_t model = 1;
    uint8_t digest[32];

    ENT_OK(ent_sha256(&model, 1, digest));
    before = ent_state_commits(s);
    ENT_OK(ent_state_model_put(s, digest, &model, 1));
    ENT_OK(ent_state_claim_release(s, &claim));
    CU_ASSERT_EQUAL(ent_state_commits(s), before);
    ENT_OK(ent_state_update_put(s, &u));
    ENT_OK(ent_state_update_delete_older(s, (struct ent_attempt){1, 7, 2}));
    CU_ASSERT_EQUAL(ent_state_commits(s), before + 1);
    ENT_OK(ent_state_nonce_first(s, &csprng, digest));
    CU_ASSERT_EQUAL(ent_state_commits(s), before + 2);
    ENT_OK(ent_state_release_done(s, &claim));
    ENT_OK(ent_state_flush(s));
    ENT_OK(ent_state_flush(s));
    CU_ASSERT_EQUAL(ent_state_commits(s), before + 3);
    ent_blob_unref(payload);
    ent_state_close(s);
}

/* A join that the log never had left the commitment of before standing: it is what the next one has to open. */
ENT_TEST(nonce, a_join_that_was_not_logged)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_attempt at = {1, 1, 1};
    uint8_t first[32];
    uint8_t standing[32];
    uint8_t nonce[32];
    bool has = false;
    uint8_t next[32];
    uint8_t digest[32];

    ENT_OK(ent_state_nonce_first(s, &csprng, standing));
    ENT_OK(ent_state_nonce_join(s, &csprng, at, first, next, &has));
    for (uint32_t i = 2; i < 5; i++) { /* lost, lost again */
        at.attempt = i;
        s = reopen(dir, s);
        ENT_OK(
            ent_state_nonce_logged(s, (struct ent_attempt){1, 1, i})); /* of none that was made */
        ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, next, &has));
        CU_ASSERT_EQUAL(memcmp(nonce, first, 32), 0);
    }
    ENT_OK(ent_state_nonce_logged(s, at));
    at = (struct ent_attempt){2, 1, 1}; /* the log has the last of them */
    ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, standing, &has));
    ENT_OK(ent_sha256(nonce, 32, digest));
    CU_ASSERT_EQUAL(memcmp(digest, next, 32), 0);
    CU_ASSERT(memcmp(standing, next, 32) != 0);
    ent_state_close(s);
}

/* An older copy was put back: what it would open is not what stands. Its next join only commits. */
ENT_TEST(nonce, nothing_stands)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_attempt at = {1, 1, 1};
    uint8_t nonce[32];
    uint8_t next[32];
    uint8_t digest[32];
    bool has = false;

    ENT_OK(ent_state_nonce_first(s, &csprng, next));
    ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, next, &has));
    CU_ASSERT(has);
    ENT_OK(ent_state_nonce_void(s));
    at.attempt = 2;
    for (int twice = 0; twice < 2; twice++) {
        ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, next, &has));
        CU_ASSERT_FALSE(has);
        s = reopen(dir, s);
    }
    at.attempt = 3; /* it was not logged: nothing stands still */
    ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, next, &has));
    CU_ASSERT_FALSE(has);
    ENT_OK(ent_state_nonce_logged(s, at));
    at.attempt = 4;
    ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, digest, &has));
    CU_ASSERT(has);
    ENT_OK(ent_sha256(nonce, 32, digest));
    CU_ASSERT_EQUAL(memcmp(digest, next, 32), 0);
    ent_state_close(s);
}

ENT_TEST(nonce, chain_of_commitments)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_attempt at = {1, 1, 1};
    uint8_t nonce[32];
    bool has = false;
    uint8_t repeat[32];
    uint8_t commit[32];
    uint8_t repeat_commit[32];
    uint8_t digest[32];

    ENT_FAILS(ent_state_nonce_join(s, &csprng, at, nonce, commit, &has), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_nonce_first(s, &csprng, commit));
    s = reopen(dir, s);
    ENT_OK(ent_state_nonce_first(s, &csprng, repeat_commit));
    CU_ASSERT(memcmp(commit, repeat_commit, 32) == 0);
    for (uint32_t i = 1; i < 6;
         i++) { /* each join opens what stood, and the repeat of a join is the same */
        at.attempt = i;
        ENT_OK(ent_state_nonce_join(s, &csprng, at, nonce, repeat_commit, &has));
        ENT_OK(ent_sha256(nonce, 32, digest));
        CU_ASSERT(memcmp(digest, commit, 32) == 0);
        memcpy(commit, repeat_commit, 32);
        s = reopen(dir, s);
        ENT_OK(ent_state_nonce_join(s, &csprng, at, repeat, repeat_commit, &has));
        CU_ASSERT(memcmp(nonce, repeat, 32) == 0 && memcmp(commit, repeat_commit, 32) == 0);
        ENT_OK(ent_state_nonce_logged(s, at));
    }
    at.attempt = 4;
    ENT_FAILS(ent_state_nonce_join(s, &csprng, at, nonce, commit, &has), ENT_E_STALE);
    ent_state_close(s);
}
