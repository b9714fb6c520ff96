/* The member as a witness, seen from its coordinator: what it cosigns, refuses, agrees to, gives back. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/agent/agent_internal.h"
#include "client/agent/verbs.h"
#include "common/base/file.h"
#include "common/tlog/policy.h"
#include "common/tlog/proof.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static bool dir_has(const struct script *s, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return ent_file_exists(path);
}

ENT_TEST(log, a_head_costs_no_commit_of_its_own_when_a_join_follows)
{
    struct ent_msg_round_open open;
    struct ent_msg_join join;
    struct script s;
    uint64_t before;

    script_running(&s);
    script_round(&s, ENT_TASK_STATS, false); /* the run's own row is stored with its first round */
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    before = ent_state_commits(s.agent->state);
    s.hold = true; /* all in one batch: leaves, note, opening */
    script_open(&s, &open);
    s.hold = false;
    script_pump(&s);
    script_take_cosign(&s, s.book.n); /* before the join that names it */
    (void)script_take(&s, ENT_MSG_JOIN, &join, NULL);
    CU_ASSERT_EQUAL(join.seen_size, s.book.n);
    CU_ASSERT_EQUAL(memcmp(join.seen_root, s.cosign.root, 32), 0);
    CU_ASSERT_EQUAL(ent_state_commits(s.agent->state) - before, 1);
    CU_ASSERT_TRUE(dir_has(&s, "head.note"));
    script_free(&s);
}

ENT_TEST(log, what_it_saw_stands_in_hello_and_in_its_update)
{
    struct ent_msg_round_open open;
    struct ent_envelope envelope;
    struct ent_msg_hello hello;
    struct script s;

    script_running(&s);
    CU_ASSERT_EQUAL(s.n_cosigned, 1); /* once a note */
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_upload(&s, &envelope);
    CU_ASSERT_EQUAL(envelope.header.update.seen_size, s.book.n);
    CU_ASSERT_EQUAL(memcmp(envelope.header.update.seen_root, s.cosign.root, 32), 0);
    script_ack(&s, envelope.payload_sha256, 0);
    script_close(&s);
    script_kill(&s);
    script_restart(&s);
    (void)script_take(&s, ENT_MSG_HELLO, &hello, NULL);
    CU_ASSERT_EQUAL(hello.seen_size, s.cosign.size);
    CU_ASSERT_EQUAL(memcmp(hello.seen_root, s.cosign.root, 32), 0);
    s.n_read--;
    script_welcome(&s, NULL);
    CU_ASSERT_EQUAL(s.cosign.size, s.book.n);
    script_free(&s);
}

ENT_TEST(log, an_opening_waits_for_the_note_that_covers_it)
{
    struct ent_msg_round_open open;
    struct script s;

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_log_open(&s, &open);
    script_say(&s, ENT_MSG_ROUND_OPEN, &open);
    CU_ASSERT(script_nothing(&s));
    script_publish(&s);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_free(&s);
}

ENT_TEST(log, an_opening_that_the_log_does_not_have_is_declined)
{
    struct ent_msg_round_open open;
    struct ent_msg_decline m;
    struct script s;

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_log_open(&s, &open);
    script_publish(&s);
    open.update_ms++; /* not what stands in leaf leaf_index */
    script_say(&s, ENT_MSG_ROUND_OPEN, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "is not leaf"));
    CU_ASSERT_TRUE(m.has_salt);
    script_free(&s);
}

/* The model that round.close names in the log is what the next round starts from, also for a member that was away. */
ENT_TEST(log, the_next_round_starts_from_the_model_in_the_log)
{
    for (int right = 0; right < 2; right++) {
        const uint8_t survivors[1] = {6};
        struct ent_leaf_round_close close = {.attempt = 1,
                                             .survivors = {survivors, 1},
                                             .sum_w = 3,
                                             .result = {1},
                                             .has_model = true};
        struct ent_msg_round_open open;
        struct ent_msg_decline m;
        struct script s;

        script_running(&s);
        open = script_open_msg(&s, ENT_TASK_STATS);
        script_log_open(&s, &open); /* a round without this member */
        memcpy(close.round_open, s.open_hash, 32);
        memcpy(close.model, s.model_digest, 32);
        close.model[0] ^= right == 1 ? 0 : 1;
        (void)book_add(&s.book, ENT_LEAF_ROUND_CLOSE, 1, 1, &close);
        s.round = 2;
        open = script_open_msg(&s, ENT_TASK_TRAIN);
        script_open(&s, &open);
        if (right == 1) {
            (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
        } else {
            (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
            CU_ASSERT_EQUAL(m.code, ENT_E_PROTOCOL);
            CU_ASSERT_PTR_NOT_NULL(strstr(m.text, "another model"));
        }
        script_free(&s);
    }
}

/* ---- refused ---- */

static void expect_stopped(struct script *s)
{
    struct ent_agent_status status;

    ent_agent_status(s->agent, &status);
    CU_ASSERT_TRUE(status.stopped);
    CU_ASSERT_EQUAL(status.code, ENT_E_REWRITTEN);
    CU_ASSERT_TRUE(dir_has(s, "evidence"));
    CU_ASSERT(script_nothing(s));
    ENT_FAILS(ent_agent_run(s->agent, false), ENT_E_REWRITTEN); /* the exit status of the program */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "goes no further"));
    CU_ASSERT_EQUAL(ent_err_exit(ENT_E_REWRITTEN), 39);
}

ENT_TEST(log, another_history_stops_it)
{
    struct ent_buf note;
    struct script s;

    script_running(&s);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&s.book, s.book.n - 1, &note);
    script_send_note(&s, &note);
    expect_stopped(&s);
    ent_buf_release(&note);
    script_free(&s);
}

ENT_TEST(log, leaves_that_cannot_be_read_stop_it)
{
    struct script s;

    script_running(&s);
    (void)book_add_bytes(&s.book, "no leaf at all", 14);
    script_publish(&s);
    expect_stopped(&s);
    script_free(&s);
}

ENT_TEST(log, an_accepted_update_that_disappears_stops_it)
{
    struct ent_msg_ack ack = {.has_round_open = true};
    struct ent_msg_round_open open;
    struct ent_envelope envelope;
    struct script s;

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_upload(&s, &envelope);
    memcpy(ack.digest, envelope.payload_sha256, 32);
    memcpy(ack.round_open, s.open_hash, 32);
    script_say(&s, ENT_MSG_ACK, &ack); /* and nothing of it in the log */
    script_log_close(&s, false);
    script_publish(&s);
    expect_stopped(&s);
    script_free(&s);
}

/* A gap: the connection is given up, and what HELLO says brings all in order. */
ENT_TEST(log, a_gap_is_asked_for_again)
{
    struct ent_msg_leaves m = {.first = 99, .bundle = {(const uint8_t *)"\0\1x", 3}};
    struct script s;

    script_running(&s);
    script_say(&s, ENT_MSG_LEAVES, &m);
    CU_ASSERT_EQUAL(s.n_closed, 1);
    script_wait(&s, ENT_SESSION_BACKOFF_MAX_MS);
    CU_ASSERT_EQUAL(s.n_opened, 2);
    script_welcome(&s, NULL);
    CU_ASSERT_EQUAL(s.n_cosigned, 2);
    script_run_start(&s);
    script_round(&s, ENT_TASK_STATS, false);
    CU_ASSERT_FALSE(dir_has(&s, "evidence"));
    script_free(&s);
}

ENT_TEST(log, leaves_before_the_welcome_are_dropped)
{
    struct ent_msg_hello hello;
    struct script s;

    script_new(&s, support_client_text());
    (void)script_take(&s, ENT_MSG_HELLO, &hello, NULL);
    CU_ASSERT_EQUAL(hello.seen_size, 0);
    CU_ASSERT_FALSE(hello.has_seen_root);
    script_publish(&s);
    CU_ASSERT_EQUAL(s.n_cosigned, 0);
    CU_ASSERT(script_nothing(&s));
    script_free(&s);
}

/* ---- dispute ---- */

ENT_TEST(log, a_rejection_against_the_receipt_is_disputed)
{
    struct ent_msg_ack ack = {.has_round_open = true};
    struct ent_msg_round_open open;
    struct ent_msg_dispute dispute;
    struct ent_envelope envelope;
    struct ent_envelope receipt;
    struct ent_msg_ack inside;
    struct script s;
    uint8_t pub[32];

    script_running(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    script_begin(&s);
    script_upload(&s, &envelope);
    memcpy(ack.digest, envelope.payload_sha256, 32);
    memcpy(ack.round_open, s.open_hash, 32);
    script_say(&s, ENT_MSG_ACK, &ack);
    script_log_update(&s, ENT_E_TIMEOUT);
    script_log_close(&s, false);
    script_publish(&s);
    (void)script_take(&s, ENT_MSG_DISPUTE, &dispute, NULL);
    CU_ASSERT_EQUAL(memcmp(dispute.round_open, s.open_hash, 32), 0);
    CU_ASSERT_EQUAL(dispute.code, ENT_E_TIMEOUT);
    ENT_OK(ent_wire_open(ENT_MSG_ACK, ENT_SENDER_COORDINATOR, dispute.receipt, &s.arena, &receipt));
    ent_sign_key_pub(s.log_key, pub);
    ENT_OK(ent_wire_verify(&receipt, pub));
    ENT_OK(ent_msg_ack_decode(receipt.payload, receipt.payload_len, &s.arena, &inside));
    CU_ASSERT(inside.code == 0 && memcmp(inside.digest, envelope.payload_sha256, 32) == 0);
    script_publish(&s);
    CU_ASSERT(script_nothing(&s)); /* once */
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "disputed"));
    script_free(&s);
}

/* ---- witnesses ---- */

static void propose(struct script *s, uint32_t version, struct ent_buf *set)
{
    struct ent_leaf_witness list[1];
    struct ent_leaf_witness_body body = {
        .version = version, .quorum = 1, .witnesses = list, .n_witnesses = 1};
    struct ent_msg_propose m;

    memcpy(body.federation, s->federation, 16);
    memcpy(list[0].handle, s->handle, 16);
    memcpy(list[0].witness_pub, s->witness_pub, 32);
    ENT_OK(ent_leaf_set_encode(&body, set));
    m.set = (struct ent_bytes){set->data, set->len};
    script_say(s, ENT_MSG_PROPOSE, &m);
}

ENT_TEST(log, agrees_to_witnesses_that_the_log_admitted)
{
    struct ent_msg_agree agree;
    struct ent_buf set;
    struct script s;

    script_running(&s);
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    propose(&s, 7, &set);
    CU_ASSERT(script_nothing(&s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.said, "not agreed to"));
    ent_buf_clear(&set);
    propose(&s, 1, &set);
    (void)script_take(&s, ENT_MSG_AGREE, &agree, NULL);
    CU_ASSERT(agree.set.len == set.len && memcmp(agree.set.data, set.data, set.len) == 0);
    ent_buf_release(&set);
    script_free(&s);
}

/* ---- auditors ---- */

static const char *client_text_with(const char *line)
{
    static char text[1024];

    (void)snprintf(text, sizeof text, "%s%s\n", support_client_text(), line);
    return text;
}

static void open_for_auditors(const char *line, bool plain, const char *refusal)
{
    uint8_t auditor[1][32] = {{0xA1}};
    struct ent_msg_round_open open;
    struct ent_msg_decline m;
    struct script s;

    script_new(&s, client_text_with(line));
    script_welcome(&s, NULL);
    script_run_start(&s);
    open = script_open_msg(&s, ENT_TASK_STATS);
    open.auditors = auditor;
    open.n_auditors = plain ? 0 : 1;
    open.plain = plain;
    script_open(&s, &open);
    if (refusal == NULL) {
        (void)script_take(&s, ENT_MSG_JOIN, NULL, NULL);
    } else {
        (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
        CU_ASSERT_EQUAL(m.code, ENT_E_POLICY);
        CU_ASSERT_PTR_NOT_NULL(strstr(m.text, refusal));
    }
    script_free(&s);
}

ENT_TEST(log, the_member_has_the_last_word_on_auditors)
{
    const uint8_t auditor[32] = {0xA1};
    uint8_t digest[32];
    char listed[128];
    char hex[65];

    ENT_OK(ent_sha256(auditor, 32, digest));
    ent_hex(digest, 32, hex);
    (void)snprintf(listed, sizeof listed, "auditors: [%s]", hex);
    open_for_auditors("", false, hex);
    open_for_auditors("auditors: [plain]", false, hex);
    open_for_auditors(listed, false, NULL);
    open_for_auditors(listed, true, "plain");
    open_for_auditors("auditors: [plain]", true, NULL);
}

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

    script_new(&s, client_text_with("mirror: hashes"));
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
