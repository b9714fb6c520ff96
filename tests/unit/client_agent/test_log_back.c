/* What a witness gives back, how it leaves, what it can show of its updates. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/agent_internal.h"
#include "client/agent/verbs.h"
#include "common/base/file.h"
#include "common/tlog/proof.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

/* ---- what a coordinator gets back ---- */

static void pull(struct script *s, uint32_t kind, const uint8_t *digest, uint64_t offset)
{
    struct ent_msg_pull m = {.kind = kind, .offset = offset, .has_digest = digest != NULL};

    if (digest != NULL) {
        memcpy(m.digest, digest, 32);
    }
    script_say(s, ENT_MSG_PULL, &m);
}

static void expect_piece(struct script *s, uint32_t kind, uint64_t offset, const uint8_t *bytes,
                         size_t len)
{
    struct ent_msg_piece piece;

    (void)script_take(s, ENT_MSG_PIECE, &piece, NULL);
    CU_ASSERT(piece.kind == kind && piece.offset == offset && piece.total == len);
    if (len == 0) {
        CU_ASSERT_EQUAL(piece.bytes.len, 0);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(piece.bytes.len, len - offset);
    CU_ASSERT_EQUAL(memcmp(piece.bytes.data, bytes + offset, piece.bytes.len), 0);
}

ENT_TEST(log, what_the_coordinator_lost_is_given_back)
{
    const uint8_t unknown[32] = {7};
    struct ent_msg_leaves leaves;
    struct ent_buf bundle;
    struct ent_buf note;
    struct script s;

    script_running(&s);
    script_round(&s, ENT_TASK_STATS, false);
    script_round(&s, ENT_TASK_TRAIN, true);
    script_kill(&s); /* what is in memory alone is gone */
    script_restart(&s);
    script_welcome(&s, NULL);
    pull(&s, ENT_PULL_LEAVES, NULL, 2);
    (void)script_take(&s, ENT_MSG_LEAVES, &leaves, NULL);
    ent_buf_init(&bundle, (size_t)1024 * 1024);
    book_bundle(&s.book, 2, s.book.n, &bundle);
    CU_ASSERT_EQUAL(leaves.first, 2);
    CU_ASSERT(leaves.bundle.len == bundle.len &&
              memcmp(leaves.bundle.data, bundle.data, bundle.len) == 0);
    pull(&s, ENT_PULL_LEAVES, NULL, s.book.n);
    expect_piece(&s, ENT_PULL_LEAVES, s.book.n, NULL, 0);
    pull(&s, ENT_PULL_PLAN, s.plan->digest, 3);
    expect_piece(&s, ENT_PULL_PLAN, 3, ent_blob_bytes(s.plan_blob), ent_blob_len(s.plan_blob));
    pull(&s, ENT_PULL_MODEL, s.model_digest, 0);
    expect_piece(&s, ENT_PULL_MODEL, 0, ent_blob_bytes(s.model), ent_blob_len(s.model));
    pull(&s, ENT_PULL_MODEL, unknown, 0);
    expect_piece(&s, ENT_PULL_MODEL, 0, NULL, 0);
    pull(&s, ENT_PULL_PLAN, unknown, 0);
    expect_piece(&s, ENT_PULL_PLAN, 0, NULL, 0);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_file_read_in(s.dir, "head.note", &note));
    pull(&s, ENT_PULL_NOTE, NULL, 0);
    expect_piece(&s, ENT_PULL_NOTE, 0, note.data, note.len);
    pull(&s, ENT_PULL_NOTE, unknown, 0); /* a digest of nothing */
    CU_ASSERT(script_nothing(&s));
    ent_buf_release(&note);
    ent_buf_release(&bundle);
    script_free(&s);
}

ENT_TEST(log, a_member_without_a_mirror_has_no_leaves_to_give)
{
    struct script s;
    char text[1024];

    (void)snprintf(text, sizeof text, "%smirror: hashes\n", support_client_text());
    script_new(&s, text);
    script_welcome(&s, NULL);
    pull(&s, ENT_PULL_LEAVES, NULL, 0);
    expect_piece(&s, ENT_PULL_LEAVES, 0, NULL, 0);
    script_free(&s);
}

/* ---- leaving ---- */

static void log_leave(struct script *s, const struct ent_envelope *e)
{
    struct ent_leaf_member_leave leaf = {.has_request = true,
                                         .request = {.header = {e->header_bytes, e->header_len}}};

    memcpy(leaf.handle, s->handle, 16);
    memcpy(leaf.request.payload_sha256, e->payload_sha256, 32);
    memcpy(leaf.request.signature, e->signature, 64);
    (void)book_add(&s->book, ENT_LEAF_MEMBER_LEAVE, 0, 0, &leaf);
}

ENT_TEST(log, leaving_ends_with_the_cosignature_of_the_note_that_says_so)
{
    struct ent_agent_options options;
    struct ent_agent_status status;
    struct ent_envelope envelope;
    struct ent_agent *again = NULL;
    struct script s;

    script_new(&s, support_client_text());
    options = s.agent->options;
    script_kill(&s);
    s.n_read = s.n_inbox; /* the HELLO of the one before */
    options.leave = true;
    options.dir = s.dir;
    ENT_OK(ent_agent_new(&options, &s.agent));
    script_pump(&s);
    script_welcome(&s, NULL);
    (void)script_take(&s, ENT_MSG_LEAVE, NULL, &envelope);
    CU_ASSERT(script_nothing(&s));
    log_leave(&s, &envelope);
    script_publish(&s);
    CU_ASSERT_EQUAL(s.n_cosigned, 2);
    (void)script_take(&s, ENT_MSG_BYE, NULL, NULL);
    ent_agent_status(s.agent, &status);
    CU_ASSERT(status.stopped && status.left && status.code == ENT_E_OK);
    script_kill(&s);
    options.leave = false;
    ENT_FAILS(ent_agent_new(&options, &again), ENT_E_REVOKED); /* it is for good */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "left"));
    script_free(&s);
}

/* ---- receipts ---- */

static void receipts_text(const struct script *s, struct ent_receipts_verb verb, char *out,
                          size_t size)
{
    struct ent_buf text;
    const char *string = NULL;
    char path[512];
    int saved;
    int fd;

    verb.dir = s->dir;
    (void)snprintf(path, sizeof path, "%s/said.txt", s->dir);
    (void)fflush(stdout);
    saved = dup(STDOUT_FILENO);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(saved >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    (void)close(fd);
    ENT_OK(ent_verb_receipts(&verb, NULL, 0));
    (void)fflush(stdout);
    CU_ASSERT_FATAL(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    ent_buf_init(&text, (size_t)1024 * 1024);
    ENT_OK(ent_file_read(path, &text));
    ENT_OK(ent_buf_str(&text, &string));
    (void)snprintf(out, size, "%s", string);
    ent_buf_release(&text);
}

static void check_proof(const struct script *s, const char *name, uint64_t index)
{
    struct ent_tlog_proof proof;
    struct ent_note_opened opened;
    struct ent_bytes leaf = {s->book.leaves[index].data, s->book.leaves[index].len};
    struct ent_vkey key;
    struct ent_buf text;

    ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
    ENT_OK(ent_file_read_in(s->dir, name, &text));
    ENT_OK(ent_tlog_proof_parse((const char *)text.data, text.len, &proof));
    CU_ASSERT_EQUAL(proof.index, index);
    ENT_OK(ent_vkey_of(BOOK_ORIGIN, ENT_VKEY_LOG, s->book.log_pub, &key));
    ENT_OK(ent_tlog_proof_verify(&proof, &leaf, &key, 1, &opened));
    leaf.len--;
    CU_ASSERT_NOT_EQUAL(ent_tlog_proof_verify(&proof, &leaf, &key, 1, &opened), ENT_E_OK);
    ent_buf_release(&text);
}

ENT_TEST(log, receipts_say_what_became_of_each_update)
{
    struct ent_receipts_verb verb = {0};
    char out[4096];
    struct script s;
    uint64_t leaf;

    script_running(&s);
    receipts_text(&s, verb, out, sizeof out);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "no update was sent yet"));
    script_round(&s, ENT_TASK_STATS, false);
    leaf = s.book.n - 2; /* update.accept, round.close */
    script_round(&s, ENT_TASK_TRAIN, true);
    receipts_text(&s, verb, out, sizeof out); /* while the agent has DIR */
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "run 1 round 1 attempt 1 (stats)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "accepted, leaf "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "; receipt here"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, BOOK_ORIGIN));
    verb.json = true;
    receipts_text(&s, verb, out, sizeof out);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"log\":\"accepted\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "\"receipt\":true"));
    verb.json = false;
    verb.proof = 1;
    receipts_text(&s, verb, out, sizeof out);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "run-1-round-1.tlog-proof"));
    check_proof(&s, "run-1-round-1.tlog-proof", leaf);
    verb.dir = s.dir;
    verb.proof = 77;
    ENT_FAILS(ent_verb_receipts(&verb, NULL, 0), ENT_E_NOT_FOUND);
    verb.proof = 0;
    verb.out = "x";
    ENT_FAILS(ent_verb_receipts(&verb, NULL, 0), ENT_E_USAGE);
    verb.dir = ent_test_tmpdir();
    ENT_FAILS(ent_verb_receipts(&verb, NULL, 0), ENT_E_NOT_FOUND);
    script_free(&s);
}
