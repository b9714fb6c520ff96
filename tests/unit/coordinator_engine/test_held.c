/* A run whose model file is gone: the program comes up, says so, can be asked and can end the run; with the file back it
 * goes on. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/ops.h"
#include "coordinator/engine/state.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* 302,201 parameters: too many for the database, so that its file is all there is. */
#define WIDE_PARAMS 302201
static const char wide_plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 600}, relu, {dense: 500}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
    "update: 10min, attempts: 3}\n";

static const struct ent_round *round_of(struct fed *fed)
{
    return ent_engine_round(fed->engine);
}

static void hello_all(struct fed *fed)
{
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed->members[i]);
    }
}

/* Round 2 in `phase`, its base model moved away; *path where it was, "<path>.away" where it is. */
static void begin(struct fed *fed, enum ent_phase phase, char **path, char **away)
{
    size_t len;

    fed_new(fed, 3);
    hello_all(fed);
    fed_start_run(fed, wide_plan);
    for (int turn = 0; turn < 200; turn++) {
        fed_pump(fed);
        if (round_of(fed)->round == 2 && round_of(fed)->phase == phase) {
            break;
        }
        for (size_t i = 0; i < 3; i++) {
            fed_answer(&fed->members[i], 1000);
        }
    }
    CU_ASSERT_EQUAL_FATAL(round_of(fed)->phase, phase);
    ENT_OK(ent_store_model_path(fed->home->store, round_of(fed)->base, path));
    len = strlen(*path) + sizeof ".away";
    *away = calloc(1, len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*away);
    (void)snprintf(*away, len, "%s.away", *path);
    CU_ASSERT_EQUAL_FATAL(rename(*path, *away), 0);
}

static void end(struct fed *fed, char *path, char *away)
{
    free(path);
    free(away);
    fed_free(fed);
}

static bool status_has_missing(struct fed *fed, const char *path)
{
    struct ent_json *status = fed_ask(fed, "{\"verb\":\"status\"}");
    const struct ent_json *missing = ent_json_get(ent_json_get(status, "run"), "missing");
    const char *text = "";
    bool same;

    if (missing != NULL) {
        ENT_OK(ent_json_string(missing, "missing", &text));
    }
    same = strcmp(text, path) == 0;
    ent_json_free(status);
    return same;
}

static void offer_zeros(struct fed_member *m)
{
    static const uint8_t zeros[4096];
    struct ent_buf payload;
    size_t left = ENT_UPDATE_SALT_BYTES + (size_t)4 * WIDE_PARAMS;

    ent_buf_init(&payload, left);
    while (left > 0) {
        size_t n = left < sizeof zeros ? left : sizeof zeros;

        ENT_OK(ent_buf_add(&payload, zeros, n));
        left -= n;
    }
    fed_offer_payload(m, &payload);
    ent_buf_release(&payload);
}

ENT_TEST(held, goes_on_when_the_file_is_back)
{
    struct fed fed;
    char *path = NULL;
    char *away = NULL;

    begin(&fed, ENT_PHASE_UPDATE, &path, &away);
    fed_restart(&fed);
    CU_ASSERT(status_has_missing(&fed, path));
    fed_hello(&fed.members[0]);
    CU_ASSERT_EQUAL(fed_refused(&fed.members[0]), ENT_E_BUSY);
    CU_ASSERT(fed.members[0].closed);
    fed_pass(&fed, 3000);
    CU_ASSERT_EQUAL(round_of(&fed)->phase, ENT_PHASE_UPDATE);
    CU_ASSERT_EQUAL(rename(away, path), 0);
    fed_pass(&fed, 3000);
    CU_ASSERT(status_has_missing(&fed, ""));
    hello_all(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hear(&fed.members[i]);
        offer_zeros(&fed.members[i]);
    }
    fed_live(&fed, 3, 0);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_EQUAL(fed.members[0].end.code, ENT_E_OK);
    end(&fed, path, away);
}

ENT_TEST(held, a_damaged_file_holds_as_well)
{
    struct fed fed;
    char *path = NULL;
    char *away = NULL;
    FILE *f;

    begin(&fed, ENT_PHASE_JOIN, &path, &away);
    f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fputs("half a model", f) >= 0, 1);
    CU_ASSERT_EQUAL(fclose(f), 0);
    fed_restart(&fed);
    CU_ASSERT(status_has_missing(&fed, path));
    end(&fed, path, away);
}

static void stopped_in(enum ent_phase phase)
{
    struct fed fed;
    struct ent_json *reply;
    char *path = NULL;
    char *away = NULL;

    begin(&fed, phase, &path, &away);
    fed_restart(&fed);
    reply = fed_ask(&fed, "{\"verb\":\"stop\"}");
    CU_ASSERT_PTR_NULL(ent_json_get(reply, "error"));
    ent_json_free(reply);
    CU_ASSERT_FALSE(ent_round_active(round_of(&fed)));
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_hello(&fed.members[0]); /* served again */
    CU_ASSERT_FALSE(fed.members[0].closed);
    fed_start_run(&fed, fed_plan);
    hello_all(&fed);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 2);
    end(&fed, path, away);
}

ENT_TEST(held, stop_ends_it)
{
    stopped_in(ENT_PHASE_JOIN);
    stopped_in(ENT_PHASE_UPDATE);
}

/* Nobody serves: the verb makes an engine of its own. */
ENT_TEST(held, stop_ends_it_offline)
{
    struct ent_json *json = NULL;
    struct ent_buf text;
    struct fed fed;
    char *path = NULL;
    char *away = NULL;
    bool ended = false;
    struct ent_clock system = ent_clock_system();

    begin(&fed, ENT_PHASE_UPDATE, &path, &away);
    fed_down(&fed);
    ent_buf_init(&text, ENT_CONTROL_REPLY_MAX_BYTES);
    ENT_OK(ent_ops_ask(fed.dir, "{\"verb\":\"stop\"}", &text, &json));
    ENT_OK(ent_json_bool(ent_json_get(json, "ended"), "ended", &ended));
    CU_ASSERT(ended);
    ent_json_free(json);
    ent_buf_release(&text);
    fed.time.wall_ms = ent_clock_wall(&system); /* which the verb went by */
    fed_up(&fed);
    CU_ASSERT_EQUAL(fed.engine->run.config.run, 0);
    CU_ASSERT_EQUAL(fed.engine->last_end.run, 1);
    end(&fed, path, away);
}
