/* Killed at every statement and around every commit: what is found afterwards is the state before
 * the call or the state after it, never anything else, and it can be gone on from. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"
#include "tests/unit/coordinator_store/make.h"

enum { DUMP_MAX = 256 * 1024, MEMBERS = 3, CALLS_BEFORE_RUN = 14 };

/* What one step of the machine commits: rows[from..to). */
static struct world world;
static size_t ends[512];
static size_t n_ends;

static void plan_run(void)
{
    struct ent_run_config config = world_config();

    config.train_rounds = 1;
    config.validate = false;
    config.test = false;
    world_init(&world, MEMBERS, &config);
    world_start(&world);
    n_ends = 0;
    while (n_ends < ENT_ARRAY_LEN(ends)) {
        if (world.n_rows > (n_ends == 0 ? 0 : ends[n_ends - 1])) {
            ends[n_ends++] = world.n_rows;
        }
        if (!ent_round_active(&world.r)) {
            break;
        }
        CU_ASSERT_FATAL(world_calm_step(&world));
    }
}

/* Several things of one step, in one commit. */
static enum ent_err commit_step(struct ent_store *store, size_t step)
{
    struct ent_store_traffic t = {
        .index = (uint32_t)(step % MEMBERS), .bytes_in = 3, .bytes_out = 4};
    struct ent_store_figures f = {.run = 1, .round = step, .rows = step};
    enum ent_err err;

    ENT_TRY(ent_store_begin(store));
    err = ent_store_set_sequence(store, t.index, step + 1, NOW + step);
    for (size_t i = step == 0 ? 0 : ends[step - 1]; i < ends[step] && err == ENT_E_OK; i++) {
        err = ent_store_append_row(store, &world.rows[i], NOW + step);
    }
    if (err == ENT_E_OK) {
        err = ent_store_add_traffic(store, 1, &t);
    }
    if (err == ENT_E_OK) {
        err = ent_store_count_refusal(store, t.index, ENT_E_STALE, 1, NOW + step);
    }
    if (err == ENT_E_OK) {
        err = ent_store_put_figures(store, &f);
    }
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err;
    }
    return ent_store_commit(store);
}

static enum ent_err invite(struct ent_store *store, const char *name, uint8_t tag)
{
    struct ent_store_invitation inv;
    uint8_t handle[16];

    make_invitation(&inv, name, tag);
    return ent_store_invite(store, &inv, NOW, handle);
}

static enum ent_err use(struct ent_store *store, uint8_t tag, uint8_t secret)
{
    uint8_t handle[16];
    uint8_t hash[32];

    make_handle(handle, tag);
    memset(hash, secret, sizeof hash);
    return ent_store_use_token(store, handle, hash, NOW);
}

static enum ent_err enrol(struct ent_store *store, uint8_t tag)
{
    struct ent_store_keys keys;
    struct ent_store_cert cert;
    uint8_t handle[16];
    uint32_t index;

    make_handle(handle, tag);
    make_keys(&keys, tag);
    make_cert(&cert, tag);
    return ent_store_enrol(store, handle, &keys, &cert, NOW, &index);
}

static enum ent_err renew(struct ent_store *store)
{
    struct ent_store_cert cert;
    uint8_t pub[91] = {1};

    make_cert(&cert, 0x77);
    return ent_store_renew(store, 0, &cert, pub, sizeof pub, NOW);
}

static enum ent_err add_run(struct ent_store *store)
{
    static const uint8_t none[32];
    struct ent_buf plan;
    uint32_t run;
    enum ent_err err;

    ent_buf_init(&plan, 100);
    err = ent_buf_add(&plan, "plan", 4);
    if (err == ENT_E_OK) {
        err = ent_store_run_add(store, &world.config, none, &plan, NOW, &run);
    }
    ent_buf_release(&plan);
    return err;
}

/* The call number `call` of the scenario; *want: what it returns. */
static enum ent_err do_call(struct ent_store *store, size_t call, enum ent_err *want)
{
    uint8_t handle[16];
    uint64_t first;

    *want = ENT_E_OK;
    switch (call) {
    case 0:
        return invite(store, "a", 1);
    case 1:
        return use(store, 1, 1);
    case 2:
        return enrol(store, 1);
    case 3:
        return invite(store, "b", 2);
    case 4:
        *want = ENT_E_TOKEN; /* wrong: dead all the same */
        return use(store, 2, 9);
    case 5:
        return invite(store, "b", 2);
    case 6:
        return use(store, 2, 2);
    case 7:
        return enrol(store, 2);
    case 8:
        return invite(store, "c", 3);
    case 9:
        return enrol(store, 3);
    case 10:
        return ent_store_setting_set(store, "listen", "127.0.0.1:7443");
    case 11:
        return ent_store_counter_take(store, "serial", 3, &first);
    case 12:
        return renew(store);
    case 13:
        return add_run(store);
    default:
        if (call - CALLS_BEFORE_RUN < n_ends) {
            return commit_step(store, call - CALLS_BEFORE_RUN);
        }
        make_handle(handle, 2);
        return ent_store_revoke(store, handle, NOW);
    }
}

static enum ent_err dump_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    return ent_buf_addf(ctx, "row %d %llu %u %u %d at %llu\n", (int)row->kind,
                        (unsigned long long)row->round, row->attempt, row->member, (int)row->code,
                        (unsigned long long)wall_ms);
}

static void dump_roster(struct ent_store *store, struct ent_buf *out)
{
    struct ent_store_member *m = NULL;
    struct ent_store_revoked *crl = NULL;
    size_t n = 0;

    ENT_OK(ent_store_roster(store, &m, &n));
    for (size_t i = 0; i < n; i++) {
        ENT_OK(ent_buf_addf(out, "member %s %u %d key %d serial %d token %llu seq %llu seen %llu\n",
                            m[i].name, m[i].index, (int)m[i].state, m[i].keys.statement_pub[0],
                            m[i].cert.serial[0], (unsigned long long)m[i].token_until_ms,
                            (unsigned long long)m[i].last_sequence,
                            (unsigned long long)m[i].last_seen_ms));
    }
    free(m);
    ENT_OK(ent_store_crl(store, NOW, &crl, &n));
    ENT_OK(ent_buf_addf(out, "crl %zu\n", n));
    free(crl);
}

static void dump_figures(struct ent_store *store, struct ent_buf *out)
{
    struct ent_store_figures *f = NULL;
    struct ent_store_traffic *t = NULL;
    struct ent_store_refusal *r = NULL;
    size_t n = 0;

    ENT_OK(ent_store_figures(store, 1, &f, &n));
    ENT_OK(ent_buf_addf(out, "figures %zu\n", n));
    free(f);
    ENT_OK(ent_store_traffic(store, 1, &t, &n));
    for (size_t i = 0; i < n; i++) {
        ENT_OK(
            ent_buf_addf(out, "traffic %u %llu\n", t[i].index, (unsigned long long)t[i].bytes_in));
    }
    free(t);
    ENT_OK(ent_store_refusals(store, &r, &n));
    for (size_t i = 0; i < n; i++) {
        ENT_OK(ent_buf_addf(out, "refusal %u %llu\n", r[i].index, (unsigned long long)r[i].count));
    }
    free(r);
}

/* Everything that the store says, as text. */
static char *dump(struct ent_store *store)
{
    struct ent_store_run *runs = NULL;
    struct ent_buf out;
    char setting[64] = "-";
    const char *text = NULL;
    char *copy = NULL;
    size_t n = 0;

    ent_buf_init(&out, DUMP_MAX);
    dump_roster(store, &out);
    ENT_OK(ent_store_run_list(store, &runs, &n));
    for (size_t i = 0; i < n; i++) {
        ENT_OK(ent_buf_addf(&out, "run %u %d %d %llu\n", runs[i].config.run, (int)runs[i].state,
                            runs[i].best[1], (unsigned long long)runs[i].ended_ms));
        ENT_OK(ent_store_rows(store, runs[i].config.run, dump_row, &out));
    }
    free(runs);
    dump_figures(store, &out);
    if (ent_store_setting_get(store, "listen", setting, sizeof setting) != ENT_E_OK) {
        ENT_OK(ent_buf_addf(&out, "no setting\n"));
    }
    ENT_OK(ent_buf_addf(&out, "setting %s\n", setting));
    ENT_OK(ent_buf_str(&out, &text));
    ENT_OK(ent_strdup(text, &copy));
    ent_buf_release(&out);
    return copy;
}

/* A child opens the store, makes one call and is killed at its `kill_at`th point. True when it was
 * killed; false when it came through. */
static bool child(const char *dir, size_t call, unsigned long kill_at)
{
    int status = 0;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        struct ent_store *store = NULL;
        enum ent_err want = ENT_E_OK;
        bool ok = ent_store_open(dir, &store) == ENT_E_OK;

        make_kill_at = kill_at;
        ok = ok && do_call(store, call, &want) == want;
        _exit(ok ? 0 : 1);
    }
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status)) {
        CU_ASSERT_EQUAL(WTERMSIG(status), SIGKILL);
        return true;
    }
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    return false;
}

/* All dumps of a run without a crash: after[0] before the first call, after[i] after call i - 1. */
static void record(char **after, size_t n_calls)
{
    struct ent_store *store = make_store(NULL);

    after[0] = dump(store);
    for (size_t i = 0; i < n_calls; i++) {
        enum ent_err want = ENT_E_OK;

        CU_ASSERT_EQUAL_FATAL(do_call(store, i, &want), want);
        after[i + 1] = dump(store);
        CU_ASSERT(i == 11 || strcmp(after[i], after[i + 1]) != 0); /* the counter is not shown */
    }
    ent_store_close(store);
}

static void check_machine(struct ent_store *store)
{
    struct ent_round_member members[MEMBERS + 1] = {0};
    struct ent_store_run run;
    struct ent_round round;

    ent_round_init(&round, members);
    ENT_OK(ent_store_restore(store, &round, &run));
}

ENT_TEST(crash, killed_at_every_statement)
{
    const char *dir = NULL;
    char *after[CALLS_BEFORE_RUN + ENT_ARRAY_LEN(ends) + 2] = {NULL};
    size_t n_calls;
    size_t n_kills = 0;

    plan_run();
    n_calls = CALLS_BEFORE_RUN + n_ends + 1;
    record(after, n_calls);
    ent_store_close(make_store(&dir));
    for (size_t call = 0; call < n_calls; call++) {
        bool passed = false;

        for (unsigned long kill_at = 1; !passed && kill_at < 200; kill_at++) {
            struct ent_store *store = NULL;
            bool killed = child(dir, call, kill_at);
            char *now;
            bool old;
            bool new;

            ENT_OK(ent_store_open(dir, &store));
            now = dump(store);
            check_machine(store);
            ent_store_close(store);
            old = strcmp(now, after[call]) == 0;
            new = strcmp(now, after[call + 1]) == 0;
            CU_ASSERT(old || new);
            CU_ASSERT(killed || new); /* what returned is durable */
            passed = !killed || (new && !old);
            n_kills += killed;
            free(now);
        }
        CU_ASSERT_FATAL(passed);
    }
    CU_ASSERT(n_kills > 200);
    for (size_t i = 0; i <= n_calls; i++) {
        free(after[i]);
    }
    world_release(&world);
}

ENT_TEST(crash, a_model_is_whole_or_not_there)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    uint8_t digest[32];
    uint8_t(*list)[32] = NULL;
    size_t n = 0;
    int status = 0;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        make_kill_at = 1;
        _exit((int)ent_store_model_put(store, "model", 5, digest));
    }
    CU_ASSERT_FATAL(waitpid(pid, &status, 0) == pid);
    CU_ASSERT(WIFSIGNALED(status));
    ENT_OK(ent_store_model_list(store, &list, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(list);
    ENT_OK(ent_store_model_sweep(store, NULL, 0, &n));
    CU_ASSERT_EQUAL(n, 1); /* its unfinished file */
    ENT_OK(ent_store_model_put(store, "model", 5, digest));
    CU_ASSERT(ent_store_model_exists(store, digest));
    ent_store_close(store);
}
