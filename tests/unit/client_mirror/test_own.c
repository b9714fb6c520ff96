/* What the log says of this member, of witnesses, and what can be proved of it. */
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/tlog/policy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_mirror/witness.h"

static const uint8_t digest[32] = {0xd1};

static void begin(struct witness *w, uint8_t open[32])
{
    witness_new(w, ENT_MIRROR_FULL);
    (void)witness_open_round(w, 1, open);
    ENT_OK(witness_publish(w));
}

static void refused(struct witness *w, const char *why)
{
    CU_ASSERT_EQUAL(witness_publish(w), ENT_E_REWRITTEN);
    if (strstr(ent_err_message(), why) == NULL) {
        (void)fprintf(stderr, "said: %s\n", ent_err_message());
    }
    CU_ASSERT_TRUE(witness_evidence(w, ".reason.txt", why));
    CU_ASSERT_TRUE(witness_evidence(w, ".own.note", BOOK_ORIGIN));
    CU_ASSERT_TRUE(witness_evidence(w, ".other.note", BOOK_ORIGIN));
}

ENT_TEST(own, an_update_that_was_accepted_is_found)
{
    struct ent_receipt r;
    struct witness w;
    uint8_t open[32];
    uint64_t leaf;

    begin(&w, open);
    witness_sent(&w, 1, open, digest, true);
    leaf = w.book.n;
    witness_accept_leaf(&w, 0, w.statement[0], 1, open, digest);
    witness_accept_leaf(&w, 1, w.statement[1], 1, open, digest);
    witness_close_leaf(&w, 1, open, 3);
    ENT_OK(witness_publish(&w));
    ENT_OK(ent_state_receipt_of(w.state, open, &r));
    CU_ASSERT(r.fate == ENT_FATE_ACCEPTED && r.leaf == leaf && !r.dispute_due);
    ENT_FAILS(ent_state_receipt_due(w.state, &r), ENT_E_NOT_FOUND);
    witness_free(&w);
}

/* What this process signed is known by its digest and not verified again (the wrong key, so that trust shows); anything else
 * in its name is, also beside what is known. */
ENT_TEST(own, what_it_signed_itself_is_known)
{
    static const uint8_t other[32] = {0xd2};
    struct witness w;
    uint8_t open[32];

    begin(&w, open);
    witness_sent(&w, 1, open, digest, false);
    w.says = true;
    witness_accept_leaf(&w, 0, w.statement[1], 1, open, digest);
    witness_close_leaf(&w, 1, open, 3);
    ENT_OK(witness_publish(&w));
    w.says = false;
    (void)witness_open_round(&w, 2, open);
    witness_accept_leaf(&w, 0, w.statement[1], 2, open, other);
    refused(&w, "in this member's name that it did not sign");
    witness_free(&w);
    begin(&w, open); /* the oldest of many is forgotten, and verified like any other */
    w.says = true;
    witness_accept_leaf(&w, 0, w.statement[1], 1, open, digest);
    for (int i = 0; i < 8; i++) {
        witness_accept_leaf(&w, 1, w.statement[1], 1, open, other);
    }
    refused(&w, "in this member's name that it did not sign");
    witness_free(&w);
}

ENT_TEST(own, an_accepted_update_that_disappears_is_refused)
{
    struct witness w;
    uint8_t open[32];

    begin(&w, open); /* 1: the coordinator's receipt is here, its leaf is not there */
    witness_sent(&w, 1, open, digest, true);
    witness_close_leaf(&w, 1, open, 2);
    refused(&w, "without this member's update, for which it holds the coordinator's receipt");
    witness_free(&w);
    begin(&w, open); /* 2: accepted, and not in the sum */
    witness_sent(&w, 1, open, digest, true);
    witness_accept_leaf(&w, 0, w.statement[0], 1, open, digest);
    witness_close_leaf(&w, 1, open, 2);
    refused(&w, "which the log had accepted");
    witness_free(&w);
    begin(&w, open); /* 3: without a receipt there is nothing to hold against it */
    witness_sent(&w, 1, open, digest, false);
    witness_close_leaf(&w, 1, open, 2);
    ENT_OK(witness_publish(&w));
    witness_free(&w);
}

ENT_TEST(own, a_rejection_against_the_receipt_is_disputed_once)
{
    struct ent_receipt r;
    struct witness w;
    uint8_t open[32];

    begin(&w, open);
    witness_sent(&w, 1, open, digest, true);
    witness_end_leaf(&w, ENT_LEAF_UPDATE_DROPOUT, 0, 1, ENT_E_TIMEOUT);
    witness_end_leaf(&w, ENT_LEAF_UPDATE_REJECT, 1, 1, ENT_E_SHAPE); /* another's */
    witness_close_leaf(&w, 1, open, 4);
    ENT_OK(witness_publish(&w));
    ENT_OK(ent_state_receipt_due(w.state, &r));
    CU_ASSERT(r.fate == ENT_FATE_DROPPED && r.fate_code == ENT_E_TIMEOUT && r.leaf == 6);
    CU_ASSERT(r.ack_len == 3 && memcmp(r.ack, "ack", 3) == 0);
    r.dispute_due = false;
    r.disputed = true;
    ENT_OK(ent_state_receipt_put(w.state, &r));
    witness_restart(&w);
    ENT_FAILS(ent_state_receipt_due(w.state, &r), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_receipt_of(w.state, open, &r));
    CU_ASSERT_TRUE(r.disputed);
    witness_free(&w);
}

ENT_TEST(own, a_rejection_without_a_receipt_is_not)
{
    struct ent_receipt r;
    struct witness w;
    uint8_t open[32];

    begin(&w, open);
    witness_sent(&w, 1, open, digest, false);
    witness_end_leaf(&w, ENT_LEAF_UPDATE_REJECT, 0, 1, ENT_E_SHAPE);
    ENT_OK(witness_publish(&w));
    ENT_FAILS(ent_state_receipt_due(w.state, &r), ENT_E_NOT_FOUND);
    ENT_OK(ent_state_receipt_of(w.state, open, &r));
    CU_ASSERT_EQUAL(r.fate, ENT_FATE_REJECTED);
    witness_free(&w);
}

ENT_TEST(own, what_it_did_not_say_is_refused)
{
    const struct ent_tree_head none = {0};
    const uint8_t other[32] = {0xd2};
    struct witness w;
    uint8_t open[32];

    begin(&w, open); /* 1: a join in its name */
    witness_join_leaf(&w, 0, w.statement[1], 1, &none);
    refused(&w, "that it did not sign");
    witness_free(&w);
    begin(&w, open); /* 2: an update in its name */
    witness_accept_leaf(&w, 0, w.statement[1], 1, open, digest);
    refused(&w, "that it did not sign");
    witness_free(&w);
    begin(&w, open); /* 3: its own, but not the one that it sent */
    witness_sent(&w, 1, open, digest, false);
    witness_accept_leaf(&w, 0, w.statement[0], 1, open, other);
    refused(&w, "another update of this member");
    witness_free(&w);
    begin(&w, open); /* 4: of somebody else it is for others to say */
    witness_join_leaf(&w, 1, w.statement[2], 1, &none);
    ENT_OK(witness_publish(&w));
    witness_free(&w);
}

/* A directory from a backup: the leaves come again, and the heads that this member named since are in them. */
ENT_TEST(own, an_older_copy_reads_its_own_heads_again)
{
    struct ent_tree_head seen = {.size = 6};
    struct ent_receipt r;
    struct witness w;
    uint8_t open[32];

    for (int forged = 0; forged < 2; forged++) {
        witness_new(&w, ENT_MIRROR_FULL);
        ENT_OK(witness_publish(&w)); /* what the copy knows: 5 leaves */
        (void)witness_open_round(&w, 1, open);
        book_root(&w.book, 6, seen.root);
        seen.root[0] ^= (uint8_t)forged; /* what it cosigned then was another log */
        witness_join_leaf(&w, 0, w.statement[0], 1, &seen);
        witness_accept_leaf(&w, 0, w.statement[0], 1, open, digest);
        witness_close_leaf(&w, 1, open, 1);
        if (forged == 1) {
            refused(&w, "this member signed another root of its first 6 leaves");
        } else {
            ENT_OK(witness_publish(&w));
            ENT_OK(ent_state_receipt_of(w.state, open, &r)); /* made up for from the log */
            CU_ASSERT(r.fate == ENT_FATE_ACCEPTED && r.at.round == 1 && r.bytes == 100);
        }
        witness_free(&w);
    }
}

ENT_TEST(own, it_left)
{
    struct ent_leaf_member_leave leaf = {.has_request = true};
    struct ent_msg_leave m = {.salt = {1}};
    struct ent_header header = {.from_member = true, .type = ENT_MSG_LEAVE, .sequence = 9};
    struct ent_log_member own;
    struct ent_envelope e;
    struct ent_arena arena;
    struct ent_buf body;
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    memcpy(header.federation, w.federation, 16);
    memcpy(header.sender, w.handles[0], 16);
    ent_buf_init(&body, 4096);
    ent_arena_init(&arena, (size_t)64 * 1024);
    ENT_OK(ent_wire_seal(w.statement[0], &header, &m, &body));
    ENT_OK(ent_wire_open(ENT_MSG_LEAVE, ENT_SENDER_MEMBER, (struct ent_bytes){body.data, body.len},
                         &arena, &e));
    memcpy(leaf.handle, w.handles[0], 16);
    leaf.request.header = (struct ent_bytes){e.header_bytes, e.header_len};
    memcpy(leaf.request.payload_sha256, e.payload_sha256, 32);
    memcpy(leaf.request.signature, e.signature, 64);
    (void)book_add(&w.book, ENT_LEAF_MEMBER_LEAVE, 0, 0, &leaf);
    ENT_OK(witness_publish(&w));
    CU_ASSERT_TRUE(w.step.left);
    CU_ASSERT_TRUE(w.step.cosigned); /* its last */
    ENT_OK(ent_state_log_member(w.state, w.handles[0], &own));
    CU_ASSERT_TRUE(own.gone);
    ent_arena_release(&arena);
    ent_buf_release(&body);
    witness_free(&w);
}

/* ---- witnesses ---- */

static enum ent_err agree(struct witness *w, const struct ent_buf *set)
{
    return ent_mirror_agree(w->mirror, (struct ent_bytes){set->data, set->len});
}

ENT_TEST(sets, agreed_to_or_not)
{
    struct ent_sign_key *key;
    struct ent_buf set;
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    witness_set(&w, 1, 3, &set);
    ENT_FAILS(agree(&w, &set), ENT_E_POLICY); /* 1: nobody is admitted in what it saw so far */
    ENT_OK(witness_publish(&w));
    ENT_OK(agree(&w, &set));
    ENT_FAILS(ent_mirror_agree(w.mirror, (struct ent_bytes){set.data, set.len - 1}),
              ENT_E_PROTOCOL); /* 2: cut */
    ent_buf_clear(&set);
    witness_set(&w, 2, 3, &set);
    ENT_FAILS(agree(&w, &set), ENT_E_POLICY); /* 3: a second before the first */
    ent_buf_clear(&set);
    key = w.witness[2];
    w.witness[2] = w.witness[3];
    witness_set(&w, 1, 3, &set);
    w.witness[2] = key;
    ENT_FAILS(agree(&w, &set), ENT_E_POLICY); /* 4: an invented key */
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "another key than it was admitted with"));
    ent_buf_clear(&set);
    w.federation[0] ^= 1;
    witness_set(&w, 1, 3, &set);
    w.federation[0] ^= 1;
    ENT_FAILS(agree(&w, &set), ENT_E_POLICY); /* 5: another federation */
    ent_buf_release(&set);
    witness_free(&w);
}

/* A member that was admitted with another one's key, which the log shows to all. */
ENT_TEST(sets, one_key_is_one_voice)
{
    struct ent_leaf_witness list[3] = {0};
    struct ent_leaf_witness_body body = {.version = 1, .bad = 0, .quorum = 2, .witnesses = list};
    uint8_t handle[16];
    uint8_t statement[32];
    uint8_t witness[32];
    struct ent_buf set;
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    memset(handle, 0x99, sizeof handle);
    memset(statement, 0x42, sizeof statement);
    ent_sign_key_pub(w.witness[1], witness);
    book_admit(&w.book, handle, statement, witness);
    ENT_OK(witness_publish(&w));
    memcpy(body.federation, w.federation, sizeof body.federation);
    body.n_witnesses = 3;
    for (size_t i = 0; i < 3; i++) {
        memcpy(list[i].handle, i < 2 ? w.handles[i] : handle, sizeof handle);
        ent_sign_key_pub(w.witness[i < 2 ? i : 1], list[i].witness_pub);
    }
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    ENT_OK(ent_leaf_set_encode(&body, &set));
    ENT_FAILS(agree(&w, &set), ENT_E_POLICY);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "one voice"));
    ent_buf_release(&set);
    witness_free(&w);
}

ENT_TEST(sets, in_the_log_become_a_policy_file)
{
    struct ent_tlog_quorum quorum;
    struct ent_tlog_policy policy;
    struct ent_buf file;
    struct ent_buf set;
    struct witness w;
    uint8_t genesis[32];

    witness_new(&w, ENT_MIRROR_FULL);
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    ent_buf_init(&file, ENT_TLOG_POLICY_MAX_BYTES);
    witness_set(&w, 1, 3, &set);
    witness_set_leaf(&w, &set, 7);
    ENT_OK(witness_publish(&w));
    ENT_OK(ent_file_read_in(w.dir, "witness.policy", &file));
    ENT_OK(ent_tlog_policy_parse((const char *)file.data, file.len, &policy));
    CU_ASSERT(policy.n_witnesses == 3 && policy.k == 2 && policy.has_genesis);
    CU_ASSERT_STRING_EQUAL(policy.log.name, BOOK_ORIGIN);
    book_hash(&w.book, 0, genesis);
    CU_ASSERT_EQUAL(memcmp(policy.genesis, genesis, 32), 0);
    ent_buf_clear(&file);
    ENT_OK(ent_file_read_in(w.dir, "head.note", &file));
    ENT_OK(ent_tlog_policy_open(&policy, (const char *)file.data, file.len, &quorum));
    CU_ASSERT(quorum.n_counted == 1 && quorum.cosigned[0] && !quorum.reached);
    ent_buf_clear(&set);
    witness_set(&w, 2, 4, &set);
    ENT_OK(agree(&w, &set));
    witness_set_leaf(&w, &set, 8 + 1 + 2); /* the new one, and two of the old */
    ENT_OK(witness_publish(&w));
    ent_buf_clear(&file);
    ENT_OK(ent_file_read_in(w.dir, "witness.policy", &file));
    ENT_OK(ent_tlog_policy_parse((const char *)file.data, file.len, &policy));
    CU_ASSERT(policy.n_witnesses == 4 && policy.k == ent_leaf_quorum_of(4, 1));
    ent_buf_release(&set);
    ent_buf_release(&file);
    witness_free(&w);
}

ENT_TEST(sets, that_too_few_agreed_to_are_refused)
{
    static const struct {
        uint32_t version;
        size_t n;
        unsigned agreed;
        const char *why;
    } cases[] = {{1, 3, 3, "a new witness did not agree"}, /* the first: all of them */
                 {1, 3, 0, "a new witness did not agree"},
                 {2, 3, 7, "version 2"}};
    struct ent_buf set;
    struct witness w;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        witness_new(&w, ENT_MIRROR_FULL);
        ENT_OK(witness_publish(&w));
        ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
        witness_set(&w, cases[i].version, cases[i].n, &set);
        witness_set_leaf(&w, &set, cases[i].agreed);
        refused(&w, cases[i].why);
        ent_buf_release(&set);
        witness_free(&w);
    }
    witness_new(&w, ENT_MIRROR_FULL); /* a later one, against the will of the old */
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    witness_set(&w, 1, 3, &set);
    witness_set_leaf(&w, &set, 7);
    ENT_OK(witness_publish(&w));
    ent_buf_clear(&set);
    witness_set(&w, 2, 4, &set);
    witness_set_leaf(&w, &set, 8 + 1);
    refused(&w, "1 of the old witnesses agreed");
    ent_buf_release(&set);
    witness_free(&w);
}

/* ---- proofs ---- */

static void prove_all(enum ent_mirror_keep keep)
{
    struct ent_merkle_proof proof;
    struct witness w;
    uint8_t root[32];
    uint8_t open[32];

    witness_new(&w, keep);
    for (uint64_t round = 1; round < 30; round++) {
        (void)witness_open_round(&w, round, open);
    }
    ENT_OK(witness_publish(&w));
    book_root(&w.book, w.book.n, root);
    for (uint64_t i = 0; i < w.book.n; i++) {
        uint8_t hash[32];

        if (keep == ENT_MIRROR_OFF) {
            ENT_FAILS(ent_mirror_prove(w.state, i, w.book.n, &proof), ENT_E_NOT_FOUND);
            continue;
        }
        ENT_OK(ent_mirror_prove(w.state, i, w.book.n, &proof));
        book_hash(&w.book, i, hash);
        ENT_OK(ent_merkle_verify_inclusion(i, w.book.n, hash, &proof, root));
    }
    ENT_FAILS(ent_mirror_prove(w.state, w.book.n, w.book.n, &proof), ENT_E_SHAPE);
    ENT_OK(ent_mirror_covers(w.mirror, w.book.n - 1, open)); /* whatever is kept */
    witness_free(&w);
}

ENT_TEST(proofs, of_every_leaf)
{
    prove_all(ENT_MIRROR_FULL);
    prove_all(ENT_MIRROR_HASHES);
    prove_all(ENT_MIRROR_OFF);
}
