/* The member as a witness, seen from its coordinator: what it cosigns, refuses, agrees to. */
#include <stdio.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

static bool dir_has(const struct script *s, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return ent_file_exists(path);
}

/* What another process sees of it is committed. */
static void expect_durable(const struct script *s, const struct ent_msg_cosign *cosign)
{
    struct ent_state *reader = NULL;
    struct ent_tree_head head;

    ENT_OK(ent_state_open_reader(s->dir, &reader));
    ENT_OK(ent_state_head_get(reader, &head));
    CU_ASSERT_EQUAL(head.size, cosign->size);
    CU_ASSERT_EQUAL(memcmp(head.root, cosign->root, 32), 0);
    ent_state_close(reader);
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
    expect_durable(&s, &s.cosign);
    (void)script_take(&s, ENT_MSG_JOIN, &join, NULL);
    CU_ASSERT_EQUAL(join.seen_size, s.book.n);
    CU_ASSERT_EQUAL(memcmp(join.seen_root, s.cosign.root, 32), 0);
    CU_ASSERT_EQUAL(ent_state_commits(s.agent->state) - before, 1);
    CU_ASSERT_TRUE(dir_has(&s, "head.note"));
    script_free(&s);
}

/* The size that DIR/head.note names. */
static uint64_t noted_size(const struct script *s)
{
    struct ent_checkpoint checkpoint = {0};
    struct ent_note note;
    struct ent_buf text;

    ent_buf_init(&text, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_file_read_in(s->dir, "head.note", &text));
    ENT_OK(ent_note_parse((const char *)text.data, text.len, &note));
    ENT_OK(ent_checkpoint_parse(note.text, note.text_len, &checkpoint));
    ent_buf_release(&text);
    return checkpoint.size;
}

/* head.note is for others to read: at once when there is time, once a second when there is not. */
ENT_TEST(log, the_head_becomes_a_file_when_there_is_time)
{
    struct script s;
    uint64_t first;

    script_running(&s);
    first = noted_size(&s);
    script_round(&s, ENT_TASK_STATS, false);
    CU_ASSERT_EQUAL(noted_size(&s), first); /* within the second */
    CU_ASSERT(s.cosign.size > first && ent_agent_has_files(s.agent));
    expect_durable(&s, &s.cosign);
    ent_agent_write_files(s.agent);
    CU_ASSERT_EQUAL(noted_size(&s), s.cosign.size);
    CU_ASSERT_FALSE(ent_agent_has_files(s.agent));
    first = s.cosign.size;
    script_round(&s, ENT_TASK_TRAIN, true);
    CU_ASSERT_EQUAL(noted_size(&s), first);
    s.time.mono_ms += 1000;
    script_round(&s, ENT_TASK_TRAIN, false);
    CU_ASSERT(noted_size(&s) > first);
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
    expect_durable(&s, &s.cosign);
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
