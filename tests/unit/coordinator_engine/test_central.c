/* Noise at the coordinator: committed to before inputs, of nonces that nobody chose alone, added once, gone afterwards. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "common/crypto/x25519.h"
#include "common/db/db.h"
#include "coordinator/store/noise.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed_central.h"

static const struct ent_round *round_of(const struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

/* ---- rounds ---- */

ENT_TEST(central, each_round_has_noise_of_its_own)
{
    uint8_t result[2][32];
    struct fed_log log;
    struct fed fed;

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 2, 0);
    central_round(&fed);
    central_round(&fed);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_log_read(&fed, &log);
    for (size_t i = 0; i < 2; i++) {
        const struct fed_leaf *event = fed_log_find(&log, ENT_LEAF_DP_EVENT, i);
        const struct fed_leaf *release = fed_log_find(&log, ENT_LEAF_MODEL_RELEASE, i);

        memcpy(result[i], fed_log_find(&log, ENT_LEAF_ROUND_CLOSE, i)->any.round_close.result, 32);
        CU_ASSERT_EQUAL(event->any.dp_event.unit, 2);
        CU_ASSERT_EQUAL(event->any.dp_event.trust, ENT_LOG_TRUST_CENTRAL);
        CU_ASSERT_EQUAL(event->any.dp_event.members_per_person, 1);
        CU_ASSERT_EQUAL(event->any.dp_event.sensitivity, 1 << 20);
        CU_ASSERT_EQUAL(event->any.dp_event.n_accounts, CENTRAL_N);
        CU_ASSERT(release->any.model_release.dp_covered);
    }
    CU_ASSERT(memcmp(result[0], result[1], 32) != 0); /* the same updates both times */
    fed_log_free(&log);
    fed_free(&fed);
}

/* More than one window, updates in files, a vector whose noise is drawn while members send. */
ENT_TEST(central, a_large_model)
{
    struct fed fed;

    fed_new(&fed, CENTRAL_N);
    central_start(&fed, 1, CENTRAL_LARGE);
    central_round(&fed);
    fed_free(&fed);
}

ENT_TEST(central, other_rounds_and_runs_have_none)
{
    struct fed_log log;
    struct fed fed;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    CU_ASSERT_FALSE(central_seed(&fed, seed));
    fed_live(&fed, CENTRAL_N, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_log_read(&fed, &log);
    for (size_t i = 0; fed_log_find(&log, ENT_LEAF_ROUND_OPEN, i) != NULL; i++) {
        CU_ASSERT_FALSE(fed_log_find(&log, ENT_LEAF_ROUND_OPEN, i)->any.round_open.has_noise);
        CU_ASSERT_EQUAL(fed_log_find(&log, ENT_LEAF_ROUND_CLOSE, i)->any.round_close.n_noise_sealed,
                        0);
    }
    fed_log_free(&log);
    fed_free(&fed);
}

/* Sealed to each auditor, with the round's opening as what it is bound to; an export holds it. */
ENT_TEST(central, the_seed_is_sealed_to_auditors)
{
    struct ent_x25519_key *key = NULL;
    uint8_t pub[ENT_X25519_PUB_BYTES];
    char request[400];
    char hex[65];
    char sign_hex[65];
    const struct fed_leaf *close;
    struct fed_log log;
    struct fed fed;
    struct ent_buf sealed;
    uint8_t opened[32];
    uint8_t seed[32];
    char *path = NULL;

    fed_new_inline(&fed, CENTRAL_N);
    ENT_OK(ent_x25519_key_generate(&key));
    ent_x25519_key_pub(key, pub);
    ent_hex(pub, sizeof pub, hex);
    ent_sign_key_pub(fed.members[0].key, pub);
    ent_hex(pub, sizeof pub, sign_hex);
    (void)snprintf(
        request, sizeof request,
        "{\"verb\":\"admit-auditor\",\"name\":\"aud\",\"x25519\":\"%s\",\"ed25519\":\"%s\"}", hex,
        sign_hex);
    ent_json_free(fed_ask(&fed, request));
    central_start(&fed, 1, 0);
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    central_round(&fed);
    fed_log_read(&fed, &log);
    close = fed_log_find(&log, ENT_LEAF_ROUND_CLOSE, 0);
    CU_ASSERT_EQUAL_FATAL(close->any.round_close.n_noise_sealed, 1);
    ENT_OK(ent_store_sealed_path(fed.home->store, close->any.round_close.noise_sealed[0], &path));
    ent_buf_init(&sealed, 1000);
    ENT_OK(ent_file_read(path, &sealed));
    CU_ASSERT_EQUAL_FATAL(sealed.len, 32 + ENT_HPKE_EXTRA_BYTES);
    ENT_OK(ent_hpke_open(key,
                         &(struct ent_hpke_context){.info = {"entente/seal/v1", 16},
                                                    .aad = {close->any.round_close.round_open, 32}},
                         (struct ent_part){sealed.data, sealed.len}, opened));
    CU_ASSERT_EQUAL(memcmp(opened, seed, 32), 0);
    fed_pass(&fed, 7 * 24 * 3600 * 1000ull); /* and it is no orphan */
    fed_restart(&fed);
    CU_ASSERT(ent_file_exists(path));
    ent_buf_release(&sealed);
    free(path);
    ent_x25519_key_free(key);
    fed_log_free(&log);
    fed_free(&fed);
}

/* ---- restarts ---- */

static void come_back(struct fed *fed)
{
    fed_restart(fed);
    for (size_t i = 0; i < CENTRAL_N; i++) {
        fed_hello(&fed->members[i]);
    }
}

ENT_TEST(central, the_same_noise_after_restarts)
{
    struct fed fed;
    uint8_t seed[32];

    for (int inlined = 0; inlined < 2; inlined++) {
        (inlined != 0 ? fed_new_inline : fed_new)(&fed, CENTRAL_N);
        central_start(&fed, 1, 50);
        CU_ASSERT_FATAL(central_seed(&fed, seed));
        fed_hear(&fed.members[0]);
        fed_join(&fed.members[0]);
        fed_pump(&fed);
        come_back(&fed); /* in JOIN */
        CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_JOIN);
        central_join(&fed);
        come_back(&fed); /* before the first update */
        CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
        for (size_t i = 0; i + 1 < CENTRAL_N; i++) {
            central_send(&fed, i, 1000);
        }
        come_back(&fed); /* before the last one */
        CU_ASSERT_EQUAL(round_of(&fed)->attempt, 1);
        central_send(&fed, CENTRAL_N - 1, 1000);
        central_check(&fed, seed, central_all);
        CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
        fed_free(&fed);
    }
}

static void change_db(struct fed *fed, const char *sql)
{
    static const char *const migrations[] = {"", "", "", "", "", "", "", "", ""};
    const struct ent_db_schema schema = {0x456e7443, migrations, 9};
    struct ent_db *db = NULL;
    char *path = NULL;

    ENT_OK(ent_path_join(fed->dir, "federation.db", &path));
    ENT_OK(ent_db_open(path, &schema, &db));
    ENT_OK(ent_db_exec(db, sql));
    CU_ASSERT_EQUAL(ent_db_changes(db), 1);
    ent_db_close(db);
    free(path);
}

/* Without its seed an attempt is called off, whatever phase it is in; nothing is closed without noise. */
static void loses(bool begun, const char *sql, enum ent_err code)
{
    struct fed fed;
    struct fed_log log;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 1, 0);
    if (begun) {
        central_join(&fed);
        central_send(&fed, 0, 1000);
    }
    fed_down(&fed);
    change_db(&fed, sql);
    fed_up(&fed);
    CU_ASSERT_EQUAL(round_of(&fed)->abort_code, code);
    fed_log_read(&fed, &log);
    CU_ASSERT_EQUAL(fed_log_find(&log, ENT_LEAF_ROUND_ABORT, 0)->any.round_abort.code, code);
    CU_ASSERT_PTR_NULL(fed_log_find(&log, ENT_LEAF_ROUND_CLOSE, 0));
    CU_ASSERT_EQUAL(fed_log_find(&log, ENT_LEAF_DP_REFUND, 0) == NULL, begun);
    fed_log_free(&log);
    if (!begun) { /* the budget holds one round, and it was given back */
        for (size_t i = 0; i < CENTRAL_N; i++) {
            fed_hello(&fed.members[i]);
        }
        fed_pass(&fed, 20000);
        CU_ASSERT_EQUAL(round_of(&fed)->attempt, 2);
        CU_ASSERT(central_seed(&fed, seed));
        central_round(&fed);
    }
    fed_free(&fed);
}

ENT_TEST(central, a_lost_seed)
{
    loses(false, "DELETE FROM noise_seed", ENT_E_LOST);
    loses(true, "DELETE FROM noise_seed", ENT_E_LOST);
}

ENT_TEST(central, another_seed)
{
    loses(false, "UPDATE noise_seed SET seed = zeroblob(32)", ENT_E_CORRUPT);
    loses(true, "UPDATE noise_seed SET seed = zeroblob(32)", ENT_E_CORRUPT);
    loses(true, "UPDATE noise_seed SET seed = zeroblob(31)", ENT_E_CORRUPT);
}

/* ---- attempts that end otherwise ---- */

ENT_TEST(central, an_attempt_that_fails)
{
    struct fed fed;
    uint8_t first[32];
    uint8_t second[32];

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 2, 0);
    CU_ASSERT_FATAL(central_seed(&fed, first));
    central_join(&fed);
    central_send(&fed, 0, 1000);
    fed_pass(&fed, 600001); /* the others never send */
    CU_ASSERT_EQUAL(round_of(&fed)->abort_code, ENT_E_TOO_FEW);
    fed_pass(&fed, 20000);
    CU_ASSERT_EQUAL(round_of(&fed)->attempt, 2);
    CU_ASSERT_FATAL(central_seed(&fed, second));
    CU_ASSERT(memcmp(first, second, 32) != 0);
    CU_ASSERT_FALSE(central_in_files(&fed, first, 32));
    central_round(&fed);
    fed_free(&fed);
}

ENT_TEST(central, stopped)
{
    struct fed fed;
    uint8_t seed[32];

    for (int begun = 0; begun < 2; begun++) {
        fed_new_inline(&fed, CENTRAL_N);
        central_start(&fed, 2, 0);
        CU_ASSERT_FATAL(central_seed(&fed, seed));
        if (begun != 0) {
            central_join(&fed);
        }
        ent_json_free(fed_ask(&fed, "{\"verb\":\"stop\"}"));
        if (begun != 0) { /* the round is still closed, with its noise */
            central_send_all(&fed);
            central_check(&fed, seed, central_all);
        }
        CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
        fed_pass(&fed, 10);
        CU_ASSERT_FALSE(central_in_files(&fed, seed, 32));
        fed_free(&fed);
    }
}

/* An update that is longer than the noise is made for. */
ENT_TEST(central, an_update_that_is_not_clipped)
{
    static const bool but_first[CENTRAL_N] = {false, true, true, true};
    struct fed fed;
    uint8_t seed[32];

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 1, 0);
    CU_ASSERT_FATAL(central_seed(&fed, seed));
    central_join(&fed);
    central_send(&fed, 0, 741456); /* (q, -q): its norm is just above 2^20 */
    CU_ASSERT(fed.members[0].has_ack);
    CU_ASSERT_EQUAL(fed.members[0].ack.code, ENT_E_RANGE);
    central_rejected(&fed, 0, ENT_E_RANGE);
    central_send(&fed, 1, 741454); /* q = 741455: just below */
    CU_ASSERT_EQUAL(fed.members[1].ack.code, ENT_E_OK);
    central_send(&fed, 2, 1000);
    central_send(&fed, 3, 1000);
    central_check(&fed, seed, but_first);
    fed_free(&fed);
}

/* ---- what is refused, and what is said ---- */

ENT_TEST(central, plain_copies_are_refused)
{
    struct ent_json *reply;
    struct ent_json_writer w;
    struct ent_buf request;
    const char *text = NULL;
    const char *why = "";
    struct fed fed;

    fed_new_inline(&fed, CENTRAL_N);
    fed.home->config->plain_ms = 1000;
    ent_buf_init(&request, 10000);
    ent_json_begin(&w, &request);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "start");
    ent_json_put_key_string(&w, "name", "plan.yaml");
    ent_json_put_key_string(&w, "plan", central_plan(1, 0));
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    ENT_OK(ent_buf_str(&request, &text));
    reply = fed_ask(&fed, text);
    ENT_OK(ent_json_string(ent_json_get(ent_json_get(reply, "error"), "text"), "text", &why));
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "retention.plain"));
    ent_json_free(reply);
    ent_buf_release(&request);
    fed_free(&fed);
}

ENT_TEST(central, status_says_where_the_noise_is)
{
    struct fed fed;
    struct ent_json *status;
    const struct ent_json *privacy;
    const char *where = "";
    uint64_t auditors = 9;

    fed_new_inline(&fed, CENTRAL_N);
    central_start(&fed, 1, 0);
    status = fed_ask(&fed, "{\"verb\":\"status\"}");
    privacy = ent_json_get(ent_json_get(status, "run"), "privacy");
    ENT_OK(ent_json_string(ent_json_get(privacy, "noise_at"), "noise_at", &where));
    CU_ASSERT_STRING_EQUAL(where, "coordinator");
    ENT_OK(ent_json_uint(ent_json_get(privacy, "seed_sealed_to"), "n", 100, &auditors));
    CU_ASSERT_EQUAL(auditors, 0);
    ent_json_free(status);
    fed_free(&fed);
}
