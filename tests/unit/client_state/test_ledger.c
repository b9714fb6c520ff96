/* The member's ledger: one entry an attempt, a chain, no refund, older copies found and charged. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/state/ledger.h"
#include "common/base/file.h"
#include "common/crypto/commit.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

static const uint8_t plan[32] = {0xaa};

static struct ent_ledger_charge charge(uint32_t run, uint64_t round, uint32_t attempt)
{
    return (struct ent_ledger_charge){.scope = "crm",
                                      .at = {run, round, attempt},
                                      .plan = plan,
                                      .event = {.mechanism = ENT_DP_DISCRETE_GAUSSIAN,
                                                .rate = ENT_DP_RATE_ALL / 10,
                                                .sigma2 = 4000000,
                                                .sensitivity = 500,
                                                .dimension = 20,
                                                .steps = 2,
                                                .n_members = 1}};
}

static struct ent_ledger_entry book(struct ent_state *s, uint32_t run, uint64_t round,
                                    uint32_t attempt)
{
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_charge c = charge(run, round, attempt);
    struct ent_ledger_entry e = {0};

    ENT_OK(ent_ledger_book(s, &csprng, &c, &e));
    return e;
}

static uint64_t steps_of(struct ent_state *s, const char *scope, uint32_t run)
{
    struct ent_dp_event *events = NULL;
    uint64_t steps = 0;
    size_t n = 0;

    ENT_OK(ent_ledger_events(s, scope, run, &events, &n));
    for (size_t i = 0; i < n; i++) {
        steps += events[i].steps;
    }
    free(events);
    return steps;
}

ENT_TEST(ledger, an_attempt_is_booked_once)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_entry first;
    struct ent_ledger_entry again;
    struct ent_ledger_charge other;
    uint64_t commits;

    ENT_FAILS(ent_ledger_last(s, &first), ENT_E_NOT_FOUND);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 0);
    commits = ent_state_commits(s);
    first = book(s, 1, 2, 1);
    CU_ASSERT_EQUAL(ent_state_commits(s), commits + 1); /* durable, with one commit */
    again = book(s, 1, 2, 1);
    CU_ASSERT_EQUAL(ent_state_commits(s), commits + 1);
    CU_ASSERT(first.seq == 1 && again.seq == 1);
    CU_ASSERT_EQUAL(memcmp(first.digest, again.digest, 32), 0);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 2);
    CU_ASSERT_EQUAL(book(s, 1, 2, 2).seq, 2); /* another attempt: another charge */
    CU_ASSERT_EQUAL(book(s, 1, 3, 1).seq, 3);
    CU_ASSERT_EQUAL(book(s, 2, 1, 1).seq, 4);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 8);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 1), 6);
    CU_ASSERT_EQUAL(steps_of(s, "web", 0), 0);
    other = charge(1, 2, 1);
    other.scope = "web"; /* 1: another scope */
    ENT_FAILS(ent_ledger_book(s, &csprng, &other, NULL), ENT_E_EXISTS);
    other = charge(1, 2, 1);
    other.event.sigma2++; /* 2: other noise */
    ENT_FAILS(ent_ledger_book(s, &csprng, &other, NULL), ENT_E_EXISTS);
    other = charge(1, 2, 1);
    other.plan = first.digest; /* 3: another plan */
    ENT_FAILS(ent_ledger_book(s, &csprng, &other, NULL), ENT_E_EXISTS);
    other = charge(1, 9, 1);
    other.event.sigma2 = 0; /* 4: no event */
    ENT_FAILS(ent_ledger_book(s, &csprng, &other, NULL), ENT_E_RANGE);
    other = charge(1, 9, 1);
    other.scope = ""; /* 5: no scope */
    ENT_FAILS(ent_ledger_book(s, &csprng, &other, NULL), ENT_E_RANGE);
    s = reopen(dir, s);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 8);
    ENT_OK(ent_ledger_last(s, &again));
    CU_ASSERT_EQUAL(again.seq, 4);
    ENT_OK(ent_ledger_check(s));
    ent_state_close(s);
}

ENT_TEST(ledger, events_are_merged_by_their_kind)
{
    struct ent_state *s = open_state(ent_test_tmpdir());
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_dp_event *events = NULL;
    struct ent_ledger_charge c;
    size_t n = 0;

    for (uint64_t round = 1; round <= 6; round++) {
        c = charge(1, round, 1);
        c.event.sigma2 += round % 2;
        ENT_OK(ent_ledger_book(s, &csprng, &c, NULL));
    }
    ENT_OK(ent_ledger_events(s, "crm", 0, &events, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(events[0].steps == 6 && events[1].steps == 6);
    CU_ASSERT(events[0].sigma2 != events[1].sigma2 && events[0].sensitivity == 500);
    free(events);
    ent_state_close(s);
}

/* Every way to make spending smaller behind the program's back. */
ENT_TEST(ledger, an_altered_ledger_books_nothing)
{
    static const char *const changes[] = {
        "UPDATE ledger SET steps = 1 WHERE seq = 2",
        "UPDATE ledger SET sigma2 = sigma2 + 1 WHERE seq = 1",
        "UPDATE ledger SET scope = 'web' WHERE seq = 3",
        "UPDATE ledger SET kind = 2 WHERE seq = 3",
        "UPDATE ledger SET attempt = 9 WHERE seq = 3",
        "UPDATE ledger SET plan = zeroblob(32) WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 2",
        "UPDATE ledger_start SET salt = zeroblob(32)",
        "UPDATE ledger SET rate = 0 WHERE seq = 3",
    };
    struct ent_csprng csprng = ent_csprng_system();

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *dir = ent_test_tmpdir();
        struct ent_state *s = open_state(dir);
        struct ent_ledger_charge c = charge(1, 9, 1);

        (void)book(s, 1, 1, 1);
        (void)book(s, 1, 2, 1);
        (void)book(s, 1, 3, 1);
        ent_state_close(s);
        change_state(dir, changes[i]);
        s = open_state(dir);
        ENT_FAILS(ent_ledger_book(s, &csprng, &c, NULL), ENT_E_CORRUPT);
        ent_state_close(s);
    }
}

/* ---- older copies ---- */

static void copy_file(const char *from, const char *to)
{
    struct ent_buf bytes;

    ent_buf_init(&bytes, (size_t)64 << 20);
    ENT_OK(ent_file_read(from, &bytes));
    ENT_OK(ent_file_write_atomic(to, bytes.data, bytes.len, 0600));
    ent_buf_release(&bytes);
}

static void path_of(const char *dir, const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%s", dir, name);
}

/* The directory with a copy of state.db taken after `kept` entries of run 1, put back after `booked`; the digests of all. */
static struct ent_state *older_copy(const char *dir, uint32_t kept, uint32_t booked,
                                    uint8_t digests[][32])
{
    struct ent_state *s = open_state(dir);
    char db[512];
    char copy[512];

    path_of(dir, "state.db", db);
    path_of(dir, "copy.db", copy);
    for (uint32_t i = 1; i <= booked; i++) {
        struct ent_ledger_entry e = book(s, 1, i, 1);

        memcpy(digests[i], e.digest, 32);
        if (i == kept) {
            ent_state_close(s); /* no -wal file is left */
            copy_file(db, copy);
            s = open_state(dir);
        }
    }
    ent_state_close(s);
    copy_file(copy, db);
    return open_state(dir);
}

static void saw_of(struct ent_state *s, struct ent_attempt at, uint64_t seq, uint8_t (*digests)[32],
                   const uint8_t *of)
{
    struct ent_ledger_seen seen = {.at = at, .seq = seq, .digest = digests[seq], .plan = of};

    ENT_OK(ent_ledger_saw(s, &seen));
}

static void saw(struct ent_state *s, uint32_t run, uint64_t round, uint64_t seq,
                uint8_t (*digests)[32])
{
    saw_of(s, (struct ent_attempt){run, round, 1}, seq, digests, plan);
}

ENT_TEST(ledger, an_older_copy_is_found_and_charged_again)
{
    const char *dir = ent_test_tmpdir();
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_charge c = charge(1, 10, 1);
    struct ent_ledger_entry last;
    struct ent_ledger_gap gap;
    uint8_t digests[10][32];
    struct ent_state *s = older_copy(dir, 3, 7, digests);

    saw(s, 1, 2, 2, digests); /* known */
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT_EQUAL(gap.missing, 0);
    ENT_OK(ent_ledger_rebook(s, &csprng, &c));
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 6);
    /* 4 was never accepted, 5 and 7 were: the numbers tell of all four */
    saw(s, 1, 5, 5, digests);
    saw(s, 1, 7, 7, digests);
    saw(s, 1, 7, 7, digests);
    ENT_FAILS(ent_ledger_book(s, &csprng, &c, NULL), ENT_E_BUDGET);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "an older copy of state.db was put back"));
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT(gap.missing == 4 && gap.last_seq == 3 && gap.seen_seq == 7 && gap.run == 1);
    s = reopen(dir, s); /* a restart forgets nothing */
    ENT_FAILS(ent_ledger_book(s, &csprng, &c, NULL), ENT_E_BUDGET);
    ENT_OK(ent_ledger_rebook(s, &csprng, &c));
    ENT_OK(ent_ledger_last(s, &last));
    CU_ASSERT(last.seq == 7 && last.kind == ENT_LEDGER_REBOOK);
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 14);
    ENT_OK(ent_ledger_rebook(s, &csprng, &c)); /* once */
    CU_ASSERT_EQUAL(steps_of(s, "crm", 1), 14);
    CU_ASSERT_EQUAL(book(s, 1, 10, 1).seq, 8);
    s = reopen(dir, s);
    ENT_OK(ent_ledger_check(s));
    ent_state_close(s);
}

/* A copy that went on before anybody noticed: numbers are not above, but the digests are not the chain's. */
ENT_TEST(ledger, a_fork_counts_by_its_statements)
{
    const char *dir = ent_test_tmpdir();
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_charge c = charge(1, 10, 1);
    struct ent_ledger_gap gap;
    uint8_t digests[10][32];
    struct ent_state *s = older_copy(dir, 2, 4, digests);
    struct ent_ledger_entry twin = book(s, 1, 3, 1); /* the same attempt, other noise */

    CU_ASSERT_EQUAL(twin.seq, 3);
    CU_ASSERT_NOT_EQUAL(memcmp(twin.digest, digests[3], 32), 0);
    (void)book(s, 1, 4, 2);
    saw(s, 1, 3, 3, digests);
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT(gap.missing == 1 && gap.run == 1);
    saw(s, 1, 4, 4, digests);
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT_EQUAL(gap.missing, 2);
    ENT_OK(ent_ledger_rebook(s, &csprng, &c));
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 12);
    ent_state_close(s);
}

/* What lies in between may be of another run, whose noise nobody knows here. */
ENT_TEST(ledger, what_may_be_of_several_runs_is_not_guessed)
{
    const char *dir = ent_test_tmpdir();
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_charge c = charge(2, 1, 1);
    struct ent_ledger_gap gap;
    uint8_t digests[10][32];
    struct ent_state *s = older_copy(dir, 3, 7, digests);

    saw(s, 2, 5, 7, digests);
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT(gap.missing == 4 && gap.run == 0);
    ENT_FAILS(ent_ledger_rebook(s, &csprng, &c), ENT_E_POLICY);
    ENT_FAILS(ent_ledger_book(s, &csprng, &c, NULL), ENT_E_BUDGET);
    /* the one right after the copy's last is of that run: so are all */
    saw(s, 2, 1, 4, digests);
    ENT_OK(ent_ledger_gap(s, &gap));
    CU_ASSERT_EQUAL(gap.run, 2);
    c.at.run = 3;
    ENT_FAILS(ent_ledger_rebook(s, &csprng, &c), ENT_E_POLICY);
    c.at.run = 2;
    ENT_OK(ent_ledger_rebook(s, &csprng, &c));
    CU_ASSERT_EQUAL(steps_of(s, "crm", 2), 8);
    ent_state_close(s);
}

ENT_TEST(ledger, what_may_be_of_another_plan_is_not_guessed)
{
    static const uint8_t other[32] = {0xbb};
    const struct ent_attempt at = {1, 4, 1};
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_ledger_charge c = charge(1, 10, 1);
    struct ent_ledger_gap gap;
    uint8_t digests[10][32];

    for (int known = 0; known < 2; known++) {
        struct ent_state *s = older_copy(ent_test_tmpdir(), 3, 5, digests);

        saw_of(s, at, 4, digests, known ? other : NULL); /* 1: nobody knows which; 2: another */
        ENT_OK(ent_ledger_gap(s, &gap));
        CU_ASSERT(gap.missing == 1 && gap.run == (known ? 1U : 0U));
        ENT_FAILS(ent_ledger_rebook(s, &csprng, &c), ENT_E_POLICY);
        if (known) {
            c.plan = other;
            ENT_OK(ent_ledger_rebook(s, &csprng, &c));
            ENT_OK(ent_ledger_gap(s, &gap));
            CU_ASSERT_EQUAL(gap.missing, 0);
        }
        ent_state_close(s);
    }
}

/* ---- kill -9 ---- */

static void book_two(const char *dir, int out)
{
    struct ent_state *s = open_state(dir);

    for (uint64_t round = 1; round <= 2; round++) {
        struct ent_ledger_entry e = book(s, 1, round, 1);

        ENT_OK(ent_fd_write(out, e.digest, sizeof e.digest)); /* noise may be drawn from here on */
    }
    ent_state_close(s);
}

static bool kill_while_booking(int point)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s;
    struct ent_buf drawn;
    char log[512];
    int status = 0;
    pid_t child;

    path_of(dir, "drawn", log);
    child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        FILE *f = fopen(log, "w");

        kill_at_point(point);
        book_two(dir, fileno(f));
        _exit(0);
    }
    CU_ASSERT_FATAL(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CU_ASSERT_FATAL(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
    ent_buf_init(&drawn, 1000);
    ENT_OK(ent_file_read(log, &drawn));
    s = open_state(dir);
    ENT_OK(ent_ledger_check(s));
    CU_ASSERT(steps_of(s, "crm", 0) >= 2 * drawn.len / 32); /* no noise without its entry */
    for (uint64_t round = 1; round <= 2; round++) {         /* and each of them is one entry */
        struct ent_ledger_entry e = book(s, 1, round, 1);

        CU_ASSERT_EQUAL(e.seq, round);
        if (drawn.len >= 32 * round) {
            CU_ASSERT_EQUAL(memcmp(drawn.data + 32 * (round - 1), e.digest, 32), 0);
        }
    }
    CU_ASSERT_EQUAL(steps_of(s, "crm", 0), 4);
    ent_state_close(s);
    ent_buf_release(&drawn);
    return WEXITSTATUS(status) == 99;
}

ENT_TEST(ledger, killed_while_booking_nothing_booked_is_lost)
{
    int point = 0;

    while (kill_while_booking(point)) {
        point++;
    }
    CU_ASSERT(point >= 4);
}
