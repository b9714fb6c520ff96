/* Noise at the coordinator, with real members and an auditor: every sum is that of the accepted updates and the noise of
 * the seed that was committed to, whatever dies where. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/crypto/hpke.h"
#include "common/crypto/x25519.h"
#include "common/tlog/leaf.h"
#include "coordinator/store/log.h"
#include "coordinator/store/noise.h"
#include "tests/integration/audited.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/integration/schedule.h"
#include "tests/support/ent_test.h"

#define MEMBERS 4
#define ROUNDS 2
#define RUN_MAX_MS UINT64_C(600000)
#define SCHEDULES 60

static const char plan[] =
    "features:\n"
    "  - {name: age, type: number, range: [18, 95]}\n"
    "  - {name: loan, type: boolean}\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 2, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 3}\n"
    "aggregation: {min_members: 3, scale_bits: 20, join: 3s, update: 30s, attempts: 3}\n"
    "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 0.05}\n";

static const char long_plan[] =
    "features:\n"
    "  - {name: age, type: number, range: [18, 95]}\n"
    "  - {name: loan, type: boolean}\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 4}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 4, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 3}\n"
    "aggregation: {min_members: 3, scale_bits: 20, join: 3s, update: 30s, attempts: 3}\n"
    "privacy: {unit: member, epsilon: 4, delta: 1e-5, clip: 0.05}\n";

static const uint8_t auditor_secret[ENT_X25519_SECRET_BYTES] = {9, 9, 9, 1};

static struct ent_x25519_key *auditor_key(void)
{
    struct ent_x25519_key *key = NULL;

    ENT_OK(ent_x25519_key_of_secret(auditor_secret, &key));
    return key;
}

/* The auditor is admitted, and each member lists it. */
static void admit_auditor(struct box *box)
{
    struct ent_x25519_key *key = auditor_key();
    struct ent_sign_key *sign = NULL;
    uint8_t pub[32];
    uint8_t digest[32];
    char hex[3][65];
    char text[400];

    ent_x25519_key_pub(key, pub);
    ent_hex(pub, sizeof pub, hex[0]);
    ENT_OK(ent_sha256(pub, sizeof pub, digest));
    ent_hex(digest, sizeof digest, hex[2]);
    ENT_OK(ent_sign_key_generate(&sign));
    ent_sign_key_pub(sign, pub);
    ent_hex(pub, sizeof pub, hex[1]);
    (void)snprintf(text, sizeof text,
                   "{\"verb\":\"admit-auditor\",\"name\":\"aud\",\"x25519\":\"%s\",\"ed25519\":"
                   "\"%s\"}",
                   hex[0], hex[1]);
    box_ask(box, text);
    for (uint32_t i = 0; i < box->n_members; i++) {
        (void)snprintf(text, sizeof text,
                       "tasks: [stats, train, evaluate], min_members: 2, plans: any}\n"
                       "auditors: [%s]\n#",
                       hex[2]);
        enrolled_config(box->members[i].dir, text);
    }
    ent_sign_key_free(sign);
    ent_x25519_key_free(key);
}

static void start(struct box *box, uint64_t seed)
{
    box_new(box, seed, MEMBERS);
    box_start_engine(box);
    admit_auditor(box);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        box_start_member(box, i);
    }
    box_start_run(box, plan, NULL);
}

static void check(struct box *box)
{
    if (!box->broken) {
        CU_ASSERT_EQUAL(oracle_check(box, plan), ROUNDS);
        laws_of_rows(box, 3);
        laws_of_members(box);
    }
    if (!box->broken) {
        laws_of_audit(box, auditor_secret);
    }
    if (box->broken) {
        printf("\nlaw %c: %s\n", box->law, box->text);
    }
    CU_ASSERT_FALSE(box->broken);
}

/* ---- what auditors get ---- */

struct seals {
    struct box *box;
    struct ent_arena arena;
    uint32_t n;
};

static enum ent_err open_seal(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct seals *s = ctx;
    struct ent_x25519_key *key = auditor_key();
    const struct record_seed *seed;
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_buf sealed;
    struct ent_row row;
    uint8_t opened[32];
    char *path = NULL;

    (void)idx;
    ENT_OK(ent_leaf_decode(leaf, &s->arena, &frame, &any));
    CU_ASSERT_EQUAL_FATAL(any.round_close.n_noise_sealed, 1);
    row = (struct ent_row){
        .run = frame.run, .round = frame.round, .attempt = any.round_close.attempt};
    seed = record_seed(s->box, &row);
    CU_ASSERT_PTR_NOT_NULL_FATAL(seed);
    ent_buf_init(&sealed, 1000);
    ENT_OK(ent_store_sealed_path(s->box->record->reader, any.round_close.noise_sealed[0], &path));
    ENT_OK(ent_file_read(path, &sealed));
    CU_ASSERT_EQUAL_FATAL(sealed.len, 32 + ENT_HPKE_EXTRA_BYTES);
    ENT_OK(ent_hpke_open(key,
                         &(struct ent_hpke_context){.info = {"entente/seal/v1", 16},
                                                    .aad = {any.round_close.round_open, 32}},
                         (struct ent_part){sealed.data, sealed.len}, opened));
    CU_ASSERT_EQUAL(memcmp(opened, seed->seed, 32), 0);
    s->n++;
    ent_buf_release(&sealed);
    ent_x25519_key_free(key);
    free(path);
    return ENT_E_OK;
}

static void check_seals(struct box *box)
{
    struct seals s = {.box = box};

    ent_arena_init(&s.arena, (size_t)16 << 20);
    ENT_OK(ent_store_log_each(box->record->reader, ENT_LEAF_ROUND_CLOSE, 0, UINT64_MAX, open_seal,
                              &s));
    CU_ASSERT_EQUAL(s.n, ROUNDS);
    ent_arena_release(&s.arena);
}

/* Of no attempt is there a seed any more. */
static void check_forgotten(struct box *box)
{
    uint8_t seed[32];

    CU_ASSERT(box->record->n_seeds >= ROUNDS);
    for (size_t i = 0; i < box->record->n_seeds; i++) {
        const struct record_seed *s = &box->record->seeds[i];
        const struct ent_row row = {.run = s->run, .round = s->round, .attempt = s->attempt};

        ENT_FAILS(ent_store_noise_get(box->record->reader, &row, seed), ENT_E_NOT_FOUND);
    }
}

/* kill: where the coordinator dies, the nth time it passes; NULL: it does not. */
static void run_once(uint64_t seed, const char *kill, uint32_t nth, uint8_t result[32],
                     uint8_t model[32])
{
    struct box box;

    start(&box, seed);
    box.kill_point = kill;
    box.kill_nth = nth;
    CU_ASSERT_TRUE(box_run(&box, box_run_over, RUN_MAX_MS));
    CU_ASSERT_PTR_NULL(box.kill_point); /* it did pass there */
    check(&box);
    check_seals(&box);
    check_forgotten(&box);
    memcpy(result, record_row(&box, ENT_ROW_CLOSE, 1, 1, BOX_NOBODY)->digest, 32);
    memcpy(model, record_row(&box, ENT_ROW_CLOSE, 1, 1, BOX_NOBODY)->model, 32);
    box_free(&box);
}

ENT_TEST(central, every_sum_has_its_noise)
{
    uint8_t result[2][32];
    uint8_t model[2][32];

    run_once(7, NULL, 0, result[0], model[0]);
    run_once(7, NULL, 0, result[1], model[1]);
    CU_ASSERT_EQUAL(memcmp(model[0], model[1], 32), 0); /* injected randomness repeats */
    run_once(8, NULL, 0, result[1], model[1]);
    CU_ASSERT(memcmp(result[0], result[1], 32) != 0); /* the same data, another seed */
    CU_ASSERT(memcmp(model[0], model[1], 32) != 0);
}

/* Once the seed is stored and the nonces are logged nothing that dies changes a byte of what comes out. */
ENT_TEST(central, killed_at_each_point)
{
    static const char *const points[] = {"engine.noise-committed", "engine.noise-drawn",
                                         "engine.noise-added", "engine.close-committed",
                                         "engine.close-before-commit"};
    uint8_t result[2][32];
    uint8_t model[2][32];

    run_once(7, NULL, 0, result[0], model[0]);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (uint32_t nth = 1; nth <= ROUNDS; nth++) {
            run_once(7, points[i], nth, result[1], model[1]);
            if (i > 0) {
                CU_ASSERT_EQUAL(memcmp(result[0], result[1], 32), 0);
                CU_ASSERT_EQUAL(memcmp(model[0], model[1], 32), 0);
            }
        }
    }
}

/* A thread that cannot draw: the attempt is called off, nothing is closed without noise. */
ENT_TEST(central, the_thread_fails)
{
    struct box box;

    start(&box, 9);
    box.plant = "noise-thread-fails";
    (void)box_run(&box, box_run_over, 60000);
    box.plant = NULL;
    CU_ASSERT_PTR_NULL(record_row(&box, ENT_ROW_CLOSE, 1, 1, BOX_NOBODY));
    CU_ASSERT_PTR_NOT_NULL_FATAL(record_row(&box, ENT_ROW_ABORT, 1, 1, BOX_NOBODY));
    CU_ASSERT_EQUAL(record_row(&box, ENT_ROW_ABORT, 1, 1, BOX_NOBODY)->code, ENT_E_INTERNAL);
    CU_ASSERT_TRUE(box_run(&box, box_run_over, RUN_MAX_MS)); /* two attempts were paid for */
    CU_ASSERT_EQUAL(record_end(&box)->code, ENT_E_BUDGET);
    CU_ASSERT_FALSE(box.broken);
    box_free(&box);
}

static void copy_state(const struct box_member *m, const char *from, const char *to)
{
    char path[2][ENROLLED_PATH_MAX + 16];
    struct ent_buf bytes;

    (void)snprintf(path[0], sizeof path[0], "%s/%s", m->dir, from);
    (void)snprintf(path[1], sizeof path[1], "%s/%s", m->dir, to);
    ent_buf_init(&bytes, (size_t)64 << 20);
    ENT_OK(ent_file_read(path[0], &bytes));
    ENT_OK(ent_file_write_atomic(path[1], bytes.data, bytes.len, 0600));
    ent_buf_release(&bytes);
}

static bool is_never(struct box *box)
{
    (void)box;
    return false;
}

/* A member whose state.db was put back opens what does not stand: it is out of one attempt, commits anew in the next one,
 * and its nonces count from then on. */
ENT_TEST(central, an_older_copy_of_a_member)
{
    struct box box;
    uint32_t n_rejected = 0;
    uint32_t n_joined = 0;

    start(&box, 11);
    CU_ASSERT_TRUE(box_run(&box, box_run_over, RUN_MAX_MS));
    box_kill_member(&box, 3);
    copy_state(&box.members[3], "state.db", "state.old");
    box_start_member(&box, 3);
    box_start_run(&box, plan, NULL);
    CU_ASSERT_TRUE(box_run(&box, box_run_over, RUN_MAX_MS));
    CU_ASSERT_EQUAL(record_end(&box)->code, ENT_E_OK); /* rounds of the same numbers, once more */
    box_kill_member(&box, 3);
    copy_state(&box.members[3], "state.old", "state.db");
    for (size_t i = 0; i < box.record->n_sequences; i++) { /* its numbers begin again, too */
        if (box.record->sequences[i].member == 3) {
            box.record->sequences[i].member = BOX_MEMBERS;
        }
    }
    box_start_member(&box, 3);
    (void)box_run(&box, is_never, 1800000); /* until its numbers are above those that it used */
    box_start_run(&box, long_plan, NULL);
    CU_ASSERT_TRUE(box_run(&box, box_run_over, RUN_MAX_MS));
    for (size_t i = 0; i < box.record->n_rows; i++) {
        const struct ent_row *row = &box.record->rows[i];

        n_rejected += row->kind == ENT_ROW_REJECT && row->member == 3 ? 1 : 0;
        n_joined += row->kind == ENT_ROW_JOIN && row->member == 3 ? 1 : 0;
        CU_ASSERT(row->kind != ENT_ROW_REJECT || row->code == ENT_E_BAD_NONCE);
    }
    CU_ASSERT_EQUAL(n_rejected, 1);
    CU_ASSERT_EQUAL(n_joined, 3);
    CU_ASSERT_EQUAL(oracle_check(&box, long_plan), 4);
    laws_of_audit(&box, auditor_secret);
    if (box.broken) {
        printf("\nlaw %c: %s\n", box.law, box.text);
    }
    CU_ASSERT_FALSE(box.broken);
    box_free(&box);
}

/* Frames that get lost, members and coordinators that die: all laws, and every sum with its noise. */
ENT_TEST(central, faults)
{
    struct schedule_result sum = {0};
    uint32_t failed = 0;
    uint64_t only = 0;
    bool one = schedule_only(&only);

    for (uint64_t seed = one ? only : 1; seed <= (one ? only : SCHEDULES); seed++) {
        struct schedule_result result;

        schedule_run_central(seed, &result);
        schedule_add(&sum, &result);
        if (!result.ok) {
            printf("\nseed %llu broke law %c: %s\n", (unsigned long long)seed, result.law,
                   result.text);
            failed++;
        }
    }
    schedule_print(&sum, one ? 1 : SCHEDULES);
    CU_ASSERT_EQUAL(failed, 0);
    CU_ASSERT(sum.n_rounds > 0 && (one || sum.n_aborts > 0));
}
