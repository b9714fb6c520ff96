#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/state/state.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_state/fixture.h"

static const uint8_t cohort[3][16] = {{1}, {2}, {3}};

/* One member's round, in the order of the session, as far as the process lives. Everything that was
 * given out before goes to `out` first, as the network would carry it. */
static void one_round(const char *dir, int out, size_t payload_bytes)
{
    struct ent_state *s = open_state(dir);
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_release release = stats_release(1, 1, cohort);
    struct ent_blob *payload = payload_of(5, payload_bytes);
    struct ent_state_update u = sample_update(2, 1, payload);
    struct ent_state_optimizer kept = {.steps = 7, .bytes = "kept", .len = 4};
    static const uint8_t model[ENT_STATE_ROW_MAX_BYTES + 1]; /* a file */
    uint8_t digest[32];
    struct {
        uint64_t sequence;
        uint8_t nonce[32];
        uint8_t commit[32];
    } sent = {0};
    bool has = false;

    ENT_OK(ent_state_nonce_first(s, &csprng, sent.commit));
    ENT_OK(ent_state_next_sequence(s, &sent.sequence));
    ENT_OK(ent_state_nonce_join(s, &csprng, (struct ent_attempt){1, 2, 1}, sent.nonce, sent.commit,
                                &has));
    ENT_OK(ent_fd_write(out, &sent, sizeof sent));
    ENT_OK(ent_state_claim_release(s, &release));
    u.optimizer = &kept;
    ENT_OK(ent_state_update_put(s, &u));
    ENT_OK(ent_state_update_delete_older(s, u.at));
    ENT_OK(ent_sha256(model, sizeof model, digest));
    ENT_OK(ent_state_model_put(s, digest, model, sizeof model));
    ENT_OK(ent_state_models_prune(s, 0, NULL, 0));
    ENT_OK(ent_state_release_done(s, &release));
    ent_blob_unref(payload);
    ent_state_close(s);
}

/* Kill at every point in turn; then the round is done again by a new process, and what was sent
 * before stays true. */
static bool kill_and_go_on(int point, size_t payload_bytes)
{
    const char *dir = ent_test_tmpdir();
    char *log = NULL;
    struct ent_buf sent;
    struct ent_state *s;
    struct ent_state_update got;
    struct ent_state_optimizer kept;
    int status = 0;
    pid_t child;
    FILE *f;

    ENT_OK(ent_path_join(dir, "sent", &log));
    child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        f = fopen(log, "w");
        kill_at_point(point);
        one_round(dir, fileno(f), payload_bytes);
        _exit(0);
    }
    CU_ASSERT_FATAL(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CU_ASSERT_FATAL(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 99);
    f = fopen(log, "a");
    CU_ASSERT_FATAL(f != NULL);
    one_round(dir, fileno(f), payload_bytes);
    (void)fclose(f);
    ent_buf_init(&sent, 1000);
    ENT_OK(ent_file_read(log, &sent));
    if (sent.len ==
        (size_t)2 *
            72) { /* both processes came to send: another number, the same nonce and commitment */
        CU_ASSERT(ent_get_le64(sent.data) < ent_get_le64(sent.data + 72));
        CU_ASSERT(memcmp(sent.data + 8, sent.data + 72 + 8, 64) == 0);
    } else {
        CU_ASSERT_EQUAL(sent.len, 72);
    }
    s = open_state(dir);
    ENT_OK(ent_state_update_get(s, (struct ent_attempt){1, 2, 1}, &got));
    ent_state_update_release(&got);
    ENT_OK(ent_state_optimizer_get(s, 1, &kept));
    CU_ASSERT(kept.steps == 7 && kept.len == 4 && memcmp(kept.bytes, "kept", 4) == 0);
    ent_state_optimizer_release(&kept);
    ent_state_close(s);
    ent_buf_release(&sent);
    free(log);
    return WEXITSTATUS(status) == 99;
}

ENT_TEST(state, survives_a_kill_at_every_point)
{
    static const size_t payload_bytes[2] = {3000, ENT_STATE_ROW_MAX_BYTES + 1}; /* row, file */

    for (size_t i = 0; i < 2; i++) {
        int killed = 0;

        while (kill_and_go_on(killed, payload_bytes[i])) {
            killed++;
        }
        CU_ASSERT(killed >= 7); /* as many points as a round passes */
    }
}

/* Files that a crash left behind go at the next start; files of rows stay. */
ENT_TEST(state, orphans_are_swept)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    static const char *const names[] = {"updates/%s",
                                        "updates/%s.tmp.Ab12Cd",
                                        "models/%s.safetensors",
                                        "models/%s.safetensors.tmp.Ab12Cd",
                                        "optimizer/%s",
                                        "optimizer/%s.tmp.Ab12Cd"};
    struct ent_blob *payload = payload_of(1, 10);
    struct ent_state_update u = sample_update(1, 1, payload);
    char *paths[ENT_ARRAY_LEN(names)];
    char name[128];

    ENT_OK(ent_state_update_put(s, &u));
    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        const char *slash = strchr(names[i], '%');

        (void)snprintf(name, sizeof name, "%.*s%s%s", (int)(slash - names[i]), names[i], hex,
                       slash + 2);
        ENT_OK(ent_path_join(dir, name, &paths[i]));
        ENT_OK(ent_file_write_atomic(paths[i], "x", 1, 0600));
    }
    s = reopen(dir, s);
    for (size_t i = 0; i < ENT_ARRAY_LEN(names); i++) {
        CU_ASSERT_FALSE(ent_file_exists(paths[i]));
        free(paths[i]);
    }
    ENT_OK(ent_state_update_get(s, u.at, &u));
    ent_state_update_release(&u);
    ent_blob_unref(payload);
    ent_state_close(s);
}

ENT_TEST(state, damage_is_refused)
{
    const char *dir = ent_test_tmpdir();
    struct ent_state *s = open_state(dir);
    char *path = NULL;

    ent_state_close(s);
    s = NULL;
    ENT_OK(ent_path_join(dir, "state.db", &path));
    ENT_OK(ent_file_write_atomic(path, "", 0, 0600));
    ENT_FAILS(ent_state_open(dir, &s),
              ENT_E_CORRUPT); /* never starts its numbers again by itself */
    CU_ASSERT_PTR_NULL(s);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "state.db"));
    free(path);
}
