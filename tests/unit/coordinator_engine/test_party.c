/* What members and the operator say of the log outside of rounds. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "common/tlog/policy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

static enum ent_err error_of(struct ent_json *reply)
{
    const char *code = "";
    enum ent_err err = ENT_E_OK;

    if (ent_json_get(reply, "error") != NULL) {
        ENT_OK(ent_json_string(ent_json_get(ent_json_get(reply, "error"), "code"), "code", &code));
        for (int i = 1; i < ENT_E_COUNT; i++) {
            err = strcmp(ent_err_name((enum ent_err)i), code) == 0 ? (enum ent_err)i : err;
        }
    }
    ent_json_free(reply);
    return err;
}

static bool frozen(struct fed *fed)
{
    struct ent_json *reply = fed_ask(fed, "{\"verb\":\"policy\"}");
    bool yes = false;

    ENT_OK(ent_json_bool(ent_json_get(reply, "frozen"), "frozen", &yes));
    ent_json_free(reply);
    return yes;
}

static enum ent_err start(struct fed *fed, const char *min_members)
{
    char text[2048];

    (void)snprintf(
        text, sizeof text,
        "{\"verb\":\"start\",\"name\":\"p.yaml\",\"plan\":\"features: [{name: age, "
        "type: number, range: [0, 100]}]\\nlabel: {name: y, positive: 'yes'}\\n"
        "model: {layers: [{dense: 1}], loss: bce}\\naggregation: {min_members: %s}\\n\"}",
        min_members);
    return error_of(fed_ask(fed, text));
}

/* ---- the witness set ---- */

ENT_TEST(policy, the_first_set_needs_all_and_outlives_restarts)
{
    struct fed fed;

    fed_new(&fed, 0);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"policy\"}")), ENT_E_TOO_FEW);
    for (size_t i = 0; i < 3; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "brand-%c", (char)('a' + i));
        fed_enroll(&fed, i, name);
    }
    CU_ASSERT_EQUAL(start(&fed, "3"), ENT_E_PHASE); /* nobody would witness it */
    fed_hello(&fed.members[0]);
    fed_hello(&fed.members[1]);
    CU_ASSERT_FALSE(frozen(&fed));
    CU_ASSERT_FALSE(frozen(&fed));
    CU_ASSERT_EQUAL(fed.members[0].witness.n_proposed, 1); /* and is not asked twice */
    fed_restart(&fed);
    CU_ASSERT_FALSE(frozen(&fed)); /* what two said still stands */
    fed_hello(&fed.members[2]);
    CU_ASSERT(frozen(&fed));
    CU_ASSERT_EQUAL(fed.members[2].witness.n_proposed, 1);
    CU_ASSERT_EQUAL(start(&fed, "3"), ENT_E_OK);
    fed_free(&fed);
}

ENT_TEST(policy, a_plan_below_the_quorum_is_refused)
{
    struct fed fed;

    fed_new(&fed, 4); /* k = 3 */
    CU_ASSERT_EQUAL(start(&fed, "2"), ENT_E_CONFIG);
    CU_ASSERT_EQUAL(start(&fed, "3"), ENT_E_OK);
    fed_free(&fed);
}

/* One more: its own word, and k of those before. It counts from the first note behind a covered one. */
ENT_TEST(policy, a_later_set_needs_who_is_new_and_k_of_the_old)
{
    struct ent_tlog_policy policy;
    struct ent_buf text;
    struct fed fed;

    fed_new(&fed, 3); /* k = 2 */
    fed_enroll(&fed, 3, "brand-d");
    fed.members[1].witness.silent = true;
    fed.members[2].witness.silent = true;
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    CU_ASSERT_FALSE(frozen(&fed)); /* one of the old, and the new one */
    CU_ASSERT_EQUAL(fed.engine->audit.history.n_sets, 1);
    fed.members[2].witness.silent = false;
    fed_restart(&fed);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    CU_ASSERT_EQUAL(fed.engine->audit.history.n_sets, 2);
    CU_ASSERT(frozen(&fed));
    CU_ASSERT_EQUAL(fed.engine->audit.note.set.n, 3); /* the set itself is covered by the old one */
    ent_buf_init(&text, (size_t)64 * 1024);
    ENT_OK(ent_propose_policy(fed.engine, &text));
    ENT_OK(ent_tlog_policy_parse((const char *)text.data, text.len, &policy));
    CU_ASSERT_EQUAL(policy.n_witnesses, 4);
    CU_ASSERT_EQUAL(policy.k, 3);
    CU_ASSERT(policy.has_genesis);
    ent_buf_release(&text);
    fed_restart(&fed); /* a new note: of the new set */
    CU_ASSERT_EQUAL(fed.engine->audit.note.set.n, 4);
    CU_ASSERT_EQUAL(fed.engine->audit.note.set.quorum, 3);
    fed_free(&fed);
}

/* ---- leaving ---- */

static void say_leave(struct fed_member *m)
{
    struct ent_msg_leave leave;
    struct ent_header header = fed_header(m, ENT_MSG_LEAVE);

    header.run = 0;
    header.round = 0;
    header.attempt = 0;
    memset(leave.salt, 3, sizeof leave.salt);
    fed_send(m, &header, &leave);
    fed_pump(m->fed);
}

ENT_TEST(leave, cosigns_its_own_leave_and_is_out)
{
    const struct fed_leaf *leaf;
    struct ent_witnesses set;
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    say_leave(&fed.members[2]);
    CU_ASSERT(fed.engine->members[2].revoked);
    CU_ASSERT(fed.members[2].closed);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_MEMBER_LEAVE, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    fed_log_check_said(&fed.members[2], &leaf->any.member_leave.request, ENT_MSG_LEAVE);
    CU_ASSERT_EQUAL(fed.members[2].witness.seen_size, log.n); /* its last word covers it */
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_MEMBER_REVOKE, 0));
    fed_log_free(&log);
    ent_witness_in_force(&fed.engine->audit.history, UINT64_MAX, &set);
    CU_ASSERT_EQUAL(set.n, 2);
    CU_ASSERT_EQUAL(set.quorum, 2);
    fed_hello(&fed.members[2]);
    CU_ASSERT_EQUAL(fed_refused(&fed.members[2]), ENT_E_REVOKED);
    fed_free(&fed);
}

static void say_decline(struct fed_member *m)
{
    struct ent_msg_decline decline = {.code = ENT_E_POLICY, .has_salt = true};
    struct ent_header header = fed_header(m, ENT_MSG_DECLINE);

    memcpy(decline.round_open, m->open_hash, 32);
    fed_send(m, &header, &decline);
}

static uint64_t at(const struct fed_log *log, enum ent_leaf_type type)
{
    const struct fed_leaf *leaf = fed_log_find(log, type, 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    return leaf->frame.seq;
}

/* All in one step of the coordinator: what it said before stands before its leave in the log. */
ENT_TEST(leave, what_was_said_before_stands_before_it)
{
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_pump(&fed);
    fed_hear(&fed.members[3]);
    say_decline(&fed.members[3]);
    say_leave(&fed.members[3]);
    fed_log_read(&fed, &log);
    CU_ASSERT(at(&log, ENT_LEAF_UPDATE_REJECT) < at(&log, ENT_LEAF_MEMBER_LEAVE));
    fed_log_free(&log);
    fed_free(&fed);
}

/* And what is said after it counts for nothing, as long as its last cosignature is awaited. */
ENT_TEST(leave, what_is_said_after_it_is_no_leaf)
{
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 4);
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_pump(&fed);
    fed_hear(&fed.members[3]);
    fed.members[3].witness.silent = true;
    say_leave(&fed.members[3]);
    CU_ASSERT_FALSE(fed.engine->members[3].revoked);
    say_decline(&fed.members[3]);
    fed_pump(&fed);
    fed_log_read(&fed, &log);
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_UPDATE_REJECT, 0));
    CU_ASSERT(at(&log, ENT_LEAF_MEMBER_LEAVE) <
              at(&log, ENT_LEAF_UPDATE_DROPOUT)); /* the coordinator's word */
    fed_log_free(&log);
    fed_free(&fed);
}

ENT_TEST(leave, whoever_hangs_up_first_has_left_too)
{
    struct fed fed;

    fed_new(&fed, 3);
    fed.members[2].witness.silent = true;
    fed_hello(&fed.members[2]);
    say_leave(&fed.members[2]);
    CU_ASSERT_FALSE(fed.engine->members[2].revoked);
    fed_restart(&fed);
    CU_ASSERT(fed.engine->members[2].revoked);
    CU_ASSERT(fed.engine->members[2].log.left);
    fed_free(&fed);
}

/* ---- objections ---- */

ENT_TEST(dispute, is_logged_whole_and_not_without_end)
{
    struct ent_msg_dispute dispute = {.code = ENT_E_LOST};
    const struct fed_leaf *leaf;
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 2);
    fed_hello(&fed.members[0]);
    for (int i = 0; i < 20; i++) {
        struct ent_header header = fed_header(&fed.members[0], ENT_MSG_DISPUTE);

        dispute.salt[0] = (uint8_t)i;
        fed_send(&fed.members[0], &header, &dispute);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(&fed.members[0]), ENT_E_LIMIT);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_DISPUTE, 15);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_DISPUTE, 16));
    CU_ASSERT(leaf->any.dispute.payload.len > 0);
    fed_log_free(&log);
    fed_free(&fed);
}

/* ---- what is kept of updates ---- */

static void admit_auditor(struct fed *fed, const struct ent_x25519_key *key)
{
    struct ent_sign_key *sign = NULL;
    uint8_t pub[32];
    uint8_t sign_pub[32];
    char a[65];
    char b[65];
    char request[512];

    ENT_OK(ent_sign_key_generate(&sign));
    ent_sign_key_pub(sign, sign_pub);
    ent_sign_key_free(sign);
    ent_x25519_key_pub(key, pub);
    ent_hex(pub, 32, a);
    ent_hex(sign_pub, 32, b);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"admit-auditor\",\"x25519\":\"%s\",\"ed25519\":\"%s\",\"name\":"
                   "\"dpo\"}",
                   a, b);
    CU_ASSERT_EQUAL(error_of(fed_ask(fed, request)), ENT_E_OK);
    CU_ASSERT_EQUAL(error_of(fed_ask(fed, request)), ENT_E_EXISTS);
}

/* The sealed copy of one accept leaf opens to the payload that was signed. */
static void check_seal(struct fed *fed, const struct ent_x25519_key *key,
                       const struct fed_leaf *leaf, const uint8_t round_open[32])
{
    struct ent_header header;
    uint8_t aad[48];
    static const char info[] = "entente/seal/v1";
    struct ent_hpke_context context = {.info = {info, sizeof info}, .aad = {aad, sizeof aad}};
    uint8_t digest[32];
    struct ent_buf sealed;
    uint8_t *plain = NULL;
    char *path = NULL;

    CU_ASSERT_EQUAL_FATAL(leaf->any.update_accept.n_sealed, 1);
    ENT_OK(ent_leaf_header(leaf->any.update_accept.update.header, &fed->arena, &header));
    memcpy(aad, round_open, 32);
    memcpy(aad + 32, header.sender, 16);
    ENT_OK(ent_store_sealed_path(fed->home->store, leaf->any.update_accept.sealed[0], &path));
    ent_buf_init(&sealed, (size_t)1024 * 1024);
    ENT_OK(ent_file_read(path, &sealed));
    ENT_OK(ent_calloc(sealed.len, 1, &plain));
    ENT_OK(ent_hpke_open(key, &context, (struct ent_part){sealed.data, sealed.len}, plain));
    ENT_OK(ent_sha256(plain, sealed.len - ENT_HPKE_EXTRA_BYTES, digest));
    CU_ASSERT_EQUAL(memcmp(digest, leaf->any.update_accept.update.payload_sha256, 32), 0);
    free(plain);
    free(path);
    ent_buf_release(&sealed);
}

static void whole_run_sealed(bool inlined)
{
    struct ent_x25519_key *key = NULL;
    struct fed_log log;
    struct fed fed;
    size_t n = 0;

    ENT_OK(ent_x25519_key_generate(&key));
    if (inlined) {
        fed_new_inline(&fed, 3);
    } else {
        fed_new(&fed, 3);
    }
    admit_auditor(&fed, key);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_log_read(&fed, &log);
    CU_ASSERT_EQUAL(fed_log_find(&log, ENT_LEAF_CONFIG_SET, 0)->any.config_set.n_auditors, 1);
    for (size_t round = 0; round < 4; round++) {
        const struct fed_leaf *open = fed_log_find(&log, ENT_LEAF_ROUND_OPEN, round);

        CU_ASSERT_EQUAL(open->any.round_open.n_auditors, 1);
        for (size_t i = 0; i < 3; i++, n++) {
            check_seal(&fed, key, fed_log_find(&log, ENT_LEAF_UPDATE_ACCEPT, n), open->hash);
        }
    }
    fed_log_free(&log);
    ent_x25519_key_free(key);
    fed_free(&fed);
}

ENT_TEST(seal, an_auditor_opens_every_update)
{
    whole_run_sealed(false);
    whole_run_sealed(true);
}

static void add_to_yaml(struct fed *fed, const char *lines)
{
    char path[160];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/federation.yaml", fed->dir);
    out = fopen(path, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    (void)fputs(lines, out);
    CU_ASSERT_EQUAL(fclose(out), 0);
}

ENT_TEST(seal, plain_copies_end_after_their_time)
{
    const uint64_t day = (uint64_t)24 * 3600 * 1000;
    struct ent_store_kept *kept = NULL;
    const struct fed_leaf *leaf;
    struct fed_log log;
    struct fed fed;
    char *path = NULL;
    size_t n = 0;

    fed_new_inline(&fed, 3);
    fed_down(&fed);
    add_to_yaml(&fed, "retention: {plain: 2d}\n");
    fed_up(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 1000);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_UPDATE_ACCEPT, 0);
    CU_ASSERT_EQUAL_FATAL(leaf->any.update_accept.n_sealed, 1);
    CU_ASSERT_EQUAL(memcmp(leaf->any.update_accept.sealed[0],
                           leaf->any.update_accept.update.payload_sha256, 32),
                    0);
    ENT_OK(ent_store_sealed_path(fed.home->store, leaf->any.update_accept.sealed[0], &path));
    CU_ASSERT(ent_file_exists(path));
    fed_log_free(&log);
    fed_pass(&fed, day);
    CU_ASSERT(ent_file_exists(path));
    fed_pass(&fed, day + 1000);
    CU_ASSERT_FALSE(ent_file_exists(path));
    ENT_OK(ent_store_sealed_list(fed.home->store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(kept);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_BLOB_ERASE, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT(leaf->any.blob_erase.n_digests >= 4); /* some of the hand-made ones are the same */
    fed_log_free(&log);
    free(path);
    fed_free(&fed);
}

/* ---- what the operator states ---- */

ENT_TEST(processing, is_logged_when_it_changes)
{
    const struct fed_leaf *leaf;
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 2);
    fed_down(&fed);
    add_to_yaml(&fed, "processing: {purpose: churn, lawful_basis: 6.1.f, retention_months: 24}\n");
    fed_up(&fed);
    fed_restart(&fed);
    fed_log_read(&fed, &log);
    leaf = fed_log_find(&log, ENT_LEAF_PROCESSING_SET, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
    CU_ASSERT_STRING_EQUAL(leaf->any.processing_set.purpose, "churn");
    CU_ASSERT_EQUAL(leaf->any.processing_set.retention_months, 24);
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_PROCESSING_SET, 1)); /* once */
    fed_log_free(&log);
    fed_free(&fed);
}

/* Everything that the operator does by hand is in the log. */
ENT_TEST(operator, actions_are_leaves)
{
    static const uint32_t expected[] = {ENT_LOG_INVITE, ENT_LOG_INVITE, ENT_LOG_INVITE,
                                        ENT_LOG_POLICY, ENT_LOG_START,  ENT_LOG_STOP,
                                        ENT_LOG_REVOKE};
    struct fed_log log;
    struct fed fed;

    fed_new(&fed, 3);
    CU_ASSERT_EQUAL(start(&fed, "3"), ENT_E_OK);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"stop\"}")), ENT_E_OK);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"revoke\",\"name\":\"brand-a\"}")),
                    ENT_E_OK);
    fed_log_read(&fed, &log);
    for (size_t i = 0; i < ENT_ARRAY_LEN(expected); i++) {
        const struct fed_leaf *leaf = fed_log_find(&log, ENT_LEAF_OPERATOR_ACTION, i);

        CU_ASSERT_PTR_NOT_NULL_FATAL(leaf);
        CU_ASSERT_EQUAL(leaf->any.operator_action.action, expected[i]);
    }
    CU_ASSERT_PTR_NOT_NULL(fed_log_find(&log, ENT_LEAF_MEMBER_REVOKE, 0));
    fed_log_free(&log);
    fed_free(&fed);
}
