/* The audit log as the engine writes it: what leaves a run has, when the gate opens, what a restart finds. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

static void begin(struct fed *fed, size_t n)
{
    fed_new(fed, n);
    for (size_t i = 0; i < n; i++) {
        fed_hello(&fed->members[i]);
    }
    fed_start_run(fed, fed_plan);
}

ENT_TEST(audit, leaves_of_a_whole_run_in_order)
{
    static const enum ent_leaf_type before[] = {
        ENT_LEAF_GENESIS,         ENT_LEAF_SOFTWARE_START,  ENT_LEAF_OPERATOR_ACTION,
        ENT_LEAF_MEMBER_ADMIT,    ENT_LEAF_OPERATOR_ACTION, ENT_LEAF_MEMBER_ADMIT,
        ENT_LEAF_OPERATOR_ACTION, ENT_LEAF_MEMBER_ADMIT,    ENT_LEAF_OPERATOR_ACTION,
        ENT_LEAF_WITNESS_SET,     ENT_LEAF_SOFTWARE_START,  ENT_LEAF_OPERATOR_ACTION,
        ENT_LEAF_CONFIG_SET};
    static const enum ent_leaf_type behind[4] = {ENT_LEAF_MODEL_RELEASE, ENT_LEAF_MODEL_RELEASE,
                                                 ENT_LEAF_EVAL_RESULT, ENT_LEAF_EVAL_RESULT};
    struct fed_log log;
    struct fed fed;
    size_t at = 0;

    begin(&fed, 3);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_log_read(&fed, &log);
    for (; at < ENT_ARRAY_LEN(before); at++) {
        CU_ASSERT_EQUAL_FATAL(log.leaves[at].frame.type, before[at]);
    }
    for (uint64_t round = 1; round <= 4; round++) {
        at = fed_log_round(&log, at, round, 3);
        CU_ASSERT_EQUAL(log.leaves[at].frame.type, behind[round - 1]);
        CU_ASSERT_EQUAL(log.leaves[at].frame.round, round);
        at++;
    }
    CU_ASSERT_EQUAL(log.leaves[at].frame.type, ENT_LEAF_MODEL_RELEASE);
    CU_ASSERT_EQUAL(log.leaves[at].any.model_release.kind, ENT_LOG_BEST);
    CU_ASSERT_EQUAL(log.leaves[at].any.model_release.train_round, 1);
    CU_ASSERT_EQUAL(at + 1, log.n);
    fed_log_free(&log);
    fed_free(&fed);
}

/* At the end all is cosigned; each member's tree is the log's. */
ENT_TEST(audit, all_members_follow_and_the_end_is_covered)
{
    struct ent_store_ckpt ckpt;
    uint8_t root[32];
    uint8_t theirs[32];
    uint64_t size = 0;
    struct ent_buf note;
    struct fed fed;

    begin(&fed, 3);
    fed_live(&fed, 3, 1000);
    ENT_OK(ent_store_log_head(fed.home->store, &size, root));
    for (size_t i = 0; i < 3; i++) {
        struct fed_witness *w = &fed.members[i].witness;

        CU_ASSERT_EQUAL(w->tree.size, size);
        ENT_OK(ent_merkle_root(&w->tree, &w->hash, theirs));
        CU_ASSERT_EQUAL(memcmp(root, theirs, 32), 0);
        CU_ASSERT_EQUAL(w->seen_size, size);
    }
    CU_ASSERT_EQUAL(fed.engine->audit.cosigned, size);
    fed_pass(&fed, 2000); /* no row follows: stored by itself */
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_store_ckpt_newest(fed.home->store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, &note));
    CU_ASSERT_EQUAL(ckpt.size, size);
    CU_ASSERT_EQUAL(fed_log_cosignatures(&fed, &note), 3);
    ent_buf_release(&note);
    fed_free(&fed);
}

/* What is said of a member stands in its own words where it spoke. */
ENT_TEST(audit, declines_and_silence_are_leaves)
{
    struct ent_msg_decline decline = {.code = ENT_E_DATA, .text = "no rows", .has_salt = true};
    const struct fed_leaf *leaf;
    struct ent_header header;
    struct fed_log log;
    struct fed fed;

    begin(&fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hear(&fed.members[i]);
    }
    header = fed_header(&fed.members[3], ENT_MSG_DECLINE);
    memcpy(decline.round_open, fed.members[3].open_hash, 32);
    memset(decline.salt, 9, sizeof decline.salt);
    fed_send(&fed.members[3], &header, &decline);
    for (size_t i = 0; i < 3; i++) {
        fed_join(&fed.members[i]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
    fed_answer(&fed.members[0], 0);
    fed_pump(&fed);
    fed_answer(&fed.members[0], 0);
    fed_pump(&fed);
    fed_pass(&fed, 3600000); /* two never send */
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_UPDATE_REJECT, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_EQUAL(leaf->any.update_reject.phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(leaf->any.update_reject.code, ENT_E_DATA);
    CU_ASSERT(leaf->any.update_reject.has_said);
    CU_ASSERT_EQUAL(memcmp(leaf->any.update_reject.handle, fed.members[3].handle, 16), 0);
    fed_log_check_said(&fed.members[3], &leaf->any.update_reject.said, ENT_MSG_DECLINE);
    leaf = fed_log_find(&log, ENT_LEAF_UPDATE_DROPOUT, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_EQUAL(leaf->any.update_reject.phase, ENT_PHASE_UPDATE);
    CU_ASSERT_EQUAL(leaf->any.update_reject.code, ENT_E_TIMEOUT);
    CU_ASSERT_FALSE(leaf->any.update_reject.has_said);
    CU_ASSERT_PTR_NOT_NULL(fed_log_find(&log, ENT_LEAF_UPDATE_DROPOUT, 1));
    leaf = fed_log_find(&log, ENT_LEAF_ROUND_ABORT, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT(leaf->any.round_abort.inputs_arrived);
    CU_ASSERT_EQUAL(leaf->any.round_abort.code, ENT_E_TOO_FEW);
    CU_ASSERT_EQUAL(memcmp(leaf->any.round_abort.round_open, fed.members[0].open_hash, 32), 0);
    fed_log_free(&log);
    fed_free(&fed);
}

/* ---- the gate ---- */

ENT_TEST(gate, opens_with_k_cosignatures_not_with_fewer)
{
    struct fed fed;

    fed_new(&fed, 4); /* k = 3 */
    fed.members[2].witness.silent = true;
    fed.members[3].witness.silent = true;
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    for (size_t i = 0; i < 4; i++) {
        fed_hear(&fed.members[i]);
        fed_join(&fed.members[i]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(fed.engine->audit.note.n_cosigned, 2);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_PTR_NULL(fed_next(&fed.members[i], ENT_MSG_BEGIN));
    }
    fed_pass(&fed, 24 * 3600000); /* a state, not an error */
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    fed_cosign_head(&fed.members[2]);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
    CU_ASSERT_PTR_NOT_NULL(fed_next(&fed.members[0], ENT_MSG_BEGIN));
    fed_free(&fed);
}

ENT_TEST(gate, cosignatures_that_do_not_verify_do_not_count)
{
    uint64_t before;
    struct fed fed;

    fed_new(&fed, 3); /* k = 2 */
    before = fed_refusals(&fed, "signature");
    fed.members[1].witness.lies = true;
    fed.members[2].witness.lies = true;
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    for (size_t i = 0; i < 3; i++) {
        fed_hear(&fed.members[i]);
        fed_join(&fed.members[i]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    CU_ASSERT_EQUAL(fed.engine->audit.note.n_cosigned, 1);
    CU_ASSERT(fed_refusals(&fed, "signature") >= before + 2);
    CU_ASSERT_FALSE(fed.members[1].closed); /* it is told nothing and may do better */
    fed.members[1].witness.lies = false;
    fed_cosign_head(&fed.members[1]);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
    fed_free(&fed);
}

/* One member's word counts once, however often it says it. */
ENT_TEST(gate, repeated_cosignatures_count_once)
{
    struct fed fed;

    fed_new(&fed, 3);
    fed.members[1].witness.silent = true;
    fed.members[2].witness.silent = true;
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    for (int i = 0; i < 3; i++) {
        fed_cosign_head(&fed.members[0]);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed.engine->audit.note.n_cosigned, 1);
    CU_ASSERT_FALSE(fed.engine->audit.note.quorum);
    fed_free(&fed);
}

/* The last round's model is the run's best: it waits for the quorum, over a restart too. */
ENT_TEST(gate, the_end_waits_for_the_witnesses)
{
    struct fed fed;

    begin(&fed, 3);
    while (round_of(&fed)->split != ENT_ROUND_ON_TEST ||
           round_of(&fed)->phase != ENT_PHASE_UPDATE) {
        fed_pump(&fed);
        for (size_t i = 0; i < 3; i++) {
            fed_answer(&fed.members[i], 1000);
        }
    }
    fed.members[1].witness.silent = true;
    fed.members[2].witness.silent = true;
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_RELEASE);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 0);
    CU_ASSERT_FALSE(fed.members[0].ended);
    fed_restart(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_RELEASE);
    CU_ASSERT_FALSE(fed.members[0].ended);
    fed_cosign_head(&fed.members[2]);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT(fed.members[0].ended && fed.members[1].ended && fed.members[2].ended);
    fed_free(&fed);
}

/* A run that is stopped before its newest round was covered: the end is committed, but not told. */
ENT_TEST(gate, the_end_of_a_stopped_run_waits_too)
{
    struct fed fed;

    begin(&fed, 3);
    while (round_of(&fed)->task != ENT_ROUND_TRAIN || round_of(&fed)->phase != ENT_PHASE_UPDATE) {
        fed_pump(&fed);
        for (size_t i = 0; i < 3; i++) {
            fed_answer(&fed.members[i], 1000);
        }
    }
    fed.members[1].witness.silent = true;
    fed.members[2].witness.silent = true;
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
    ent_json_free(fed_ask(&fed, "{\"verb\":\"stop\"}"));
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_IDLE);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 0);
    CU_ASSERT_FALSE(fed.members[0].ended);
    fed_restart(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_live(&fed, 3, 1000);
    CU_ASSERT_FALSE(fed.members[0].ended);
    fed_cosign_head(&fed.members[2]);
    fed_live(&fed, 3, 1000);
    CU_ASSERT(fed.members[0].ended);
    fed_free(&fed);
}

/* ---- peers that saw more, or something else ---- */

static enum ent_err hello_with(struct fed *fed, uint64_t size, uint8_t flip)
{
    struct fed_member *m = &fed->members[0];
    struct ent_msg_hello hello;
    struct ent_header header;

    fed_dial(m);
    hello = fed_hello_of(m);
    hello.seen_size = size;
    hello.has_seen_root = true;
    hello.seen_root[0] ^= flip;
    header = fed_header(m, ENT_MSG_HELLO);
    header.run = 0;
    header.round = 0;
    header.attempt = 0;
    fed_send(m, &header, &hello);
    (void)ent_link_mem_pump(fed->net, 100000);
    return ent_engine_step(fed->engine);
}

/* Shows a note over that many leaves, signed by `key`. */
static enum ent_err show(struct fed *fed, const struct ent_sign_key *key, uint64_t size,
                         uint8_t flip)
{
    struct fed_member *m = &fed->members[0];
    struct ent_msg_piece piece = {.kind = ENT_PULL_NOTE};
    struct ent_checkpoint checkpoint = {.size = size};
    struct ent_header header = fed_header(m, ENT_MSG_PIECE);
    struct ent_store_genesis genesis;
    struct ent_buf note;

    CU_ASSERT_PTR_NOT_NULL(fed_next(m, ENT_MSG_PULL));
    header.run = 0;
    header.round = 0;
    header.attempt = 0;
    ENT_OK(ent_store_log_genesis(fed->home->store, &genesis));
    memcpy(checkpoint.origin, genesis.log.name, strlen(genesis.log.name) + 1);
    memcpy(checkpoint.root, m->witness.seen_root, sizeof checkpoint.root);
    checkpoint.root[0] ^= flip;
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_note_begin(&checkpoint, &note));
    ENT_OK(ent_note_sign(&note, genesis.log.name, key));
    piece.bytes = (struct ent_bytes){note.data, note.len};
    piece.total = note.len;
    fed_send(m, &header, &piece);
    ent_buf_release(&note);
    (void)ent_link_mem_pump(fed->net, 100000);
    return ent_engine_step(fed->engine);
}

ENT_TEST(rollback, a_member_that_saw_more_ends_the_program)
{
    uint64_t more;
    struct fed fed;

    fed_new(&fed, 3);
    more = fed.members[0].witness.tree.size + 1000;
    ENT_OK(hello_with(&fed, more, 0));
    fed_pump(&fed);
    CU_ASSERT_EQUAL(show(&fed, fed.home->log_key, more, 0), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "entente-coordinator recover"));
    CU_ASSERT_EQUAL(ent_engine_step(fed.engine), ENT_E_CORRUPT); /* and stays so */
    fed_free(&fed);
}

ENT_TEST(rollback, another_history_ends_the_program)
{
    struct fed fed;

    fed_new(&fed, 3);
    ENT_OK(hello_with(&fed, fed.members[0].witness.tree.size, 1));
    fed_pump(&fed);
    CU_ASSERT_EQUAL(show(&fed, fed.home->log_key, fed.members[0].witness.tree.size, 1),
                    ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "another history"));
    fed_free(&fed);
}

/* Whoever lies about what it saw has no note: it is refused, and the others go on. */
ENT_TEST(rollback, a_lie_ends_nothing)
{
    struct fed_member *evil;
    struct fed fed;

    fed_new(&fed, 4);
    evil = &fed.members[0];
    for (int i = 0; i < 4; i++) {
        uint64_t size = fed.members[0].witness.tree.size;

        ENT_OK(hello_with(&fed, i == 3 ? UINT64_C(1) << 40 : size, 1));
        fed_pump(&fed);
        fed_join(evil); /* nothing else is heard */
        fed_pump(&fed);
        CU_ASSERT_FALSE(evil->closed);
        if (i == 0) { /* its own signature */
            ENT_OK(show(&fed, evil->key, size, 1));
        } else if (i == 1) { /* a note of ours */
            ENT_OK(show(&fed, fed.home->log_key, size, 0));
        } else {
            ENT_OK(show(&fed, fed.members[1].key, size + (uint64_t)i, 1));
        }
        fed_pump(&fed);
        CU_ASSERT(evil->closed);
        CU_ASSERT_EQUAL(fed_refused(evil), ENT_E_DIGEST);
        fed_clear_inbox(evil);
    }
    CU_ASSERT_EQUAL(fed_refusals(&fed, "digest"), 4);
    for (size_t i = 1; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 4, 1000);
    fed_pass(&fed, 31000);
    fed_live(&fed, 4, 1000);
    CU_ASSERT(fed.members[1].n_closes > 0);
    fed_free(&fed);
}

/* ---- restarts, commits ---- */

/* round.open is read back: the very bytes, in each phase. */
ENT_TEST(audit, restarts_find_the_same_round_open)
{
    static const enum ent_phase phases[] = {ENT_PHASE_JOIN, ENT_PHASE_UPDATE, ENT_PHASE_RELEASE};

    for (size_t i = 0; i < ENT_ARRAY_LEN(phases); i++) {
        struct ent_buf before;
        uint8_t hash[32];
        uint8_t again[32];
        struct fed fed;

        begin(&fed, 3);
        if (phases[i] == ENT_PHASE_RELEASE) { /* of the last round: the others open at once */
            while (round_of(&fed)->split != ENT_ROUND_ON_TEST ||
                   round_of(&fed)->phase != ENT_PHASE_UPDATE) {
                fed_pump(&fed);
                for (size_t k = 0; k < 3; k++) {
                    fed_answer(&fed.members[k], 1000);
                }
            }
            fed.members[1].witness.silent = true;
            fed.members[2].witness.silent = true;
            fed_live(&fed, 3, 1000);
        } else if (phases[i] == ENT_PHASE_UPDATE) {
            fed_pump(&fed);
            for (size_t k = 0; k < 3; k++) {
                fed_answer(&fed.members[k], 1000);
            }
            fed_pump(&fed);
        }
        CU_ASSERT_EQUAL_FATAL(round_of(&fed)->phase, phases[i]);
        ent_buf_init(&before, ENT_LEAF_MAX_BYTES);
        ENT_OK(ent_buf_add(&before, fed.engine->audit.open.data, fed.engine->audit.open.len));
        memcpy(hash, fed.engine->round_open, 32);
        fed_restart(&fed);
        CU_ASSERT_EQUAL(round_of(&fed)->phase, phases[i]);
        CU_ASSERT_EQUAL(before.len, fed.engine->audit.open.len);
        CU_ASSERT_EQUAL(memcmp(before.data, fed.engine->audit.open.data, before.len), 0);
        ENT_OK(ent_store_log_leaf_hash(fed.home->store, fed.engine->audit.open_leaf, again));
        CU_ASSERT_EQUAL(memcmp(hash, again, 32), 0);
        CU_ASSERT_EQUAL(memcmp(hash, fed.engine->round_open, 32), 0);
        ent_buf_release(&before);
        fed_free(&fed);
    }
}

ENT_TEST(audit, a_round_whose_updates_come_together_makes_few_commits)
{
    uint64_t before;
    uint64_t commits;
    struct fed fed;

    fed_new_inline(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_pump(&fed);
    before = ent_store_commits(fed.home->store);
    fed_live(&fed, 3, 1000);
    commits = ent_store_commits(fed.home->store) - before;
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT(commits <= 4 * 4); /* four rounds, the end of the run among them */
    if (commits > 16) {
        (void)fprintf(stderr, "%llu commits\n", (unsigned long long)commits);
    }
    fed_free(&fed);
}

/* ---- who the program is ---- */

ENT_TEST(software, each_start_is_a_leaf)
{
    uint8_t own[32];
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 2); /* starts twice */
    fed_log_read(&fed, &log);
    ENT_OK(ent_sha256_file("/proc/self/exe", own));
    CU_ASSERT_PTR_NOT_NULL_FATAL(fed_log_find(&log, ENT_LEAF_SOFTWARE_START, 1));
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_SOFTWARE_START, 2));
    CU_ASSERT_EQUAL(
        memcmp(own, fed_log_find(&log, ENT_LEAF_SOFTWARE_START, 0)->any.software_start.elf, 32), 0);
    fed_log_free(&log);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->phase, ENT_PHASE_IDLE);
    fed_free(&fed);
}
