#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fixed/grid.h"
#include "common/model/modelfile.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static void begin(struct fed *fed, size_t n)
{
    fed_new(fed, n);
    for (size_t i = 0; i < n; i++) {
        fed_hello(&fed->members[i]);
    }
    fed_start_run(fed, fed_plan);
}

/* Honest life up to the point where round `round` waits for updates. */
static void live_until_update(struct fed *fed, size_t n, uint64_t round)
{
    const struct ent_round *r = ent_engine_round(fed->engine);

    for (int turn = 0; turn < 200; turn++) {
        fed_pump(fed);
        if (r->round == round && r->phase == ENT_PHASE_UPDATE) {
            for (size_t i = 0; i < n; i++) {
                fed_hear(&fed->members[i]);
            }
            return;
        }
        for (size_t i = 0; i < n; i++) {
            fed_answer(&fed->members[i], 1000);
        }
    }
    CU_FAIL_FATAL("the round does not come");
}

static struct ent_modelfile *model_of(struct fed *fed, const uint8_t digest[32])
{
    struct ent_modelfile *file = NULL;
    char *path = NULL;

    ENT_OK(ent_store_model_path(fed->home->store, digest, &path));
    ENT_OK(ent_modelfile_open(path, &file));
    free(path);
    return file;
}

ENT_TEST(round, a_whole_run)
{
    struct fed fed;
    struct ent_modelfile *best;

    begin(&fed, 4);
    fed_live(&fed, 4, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    for (size_t i = 0; i < 4; i++) {
        struct fed_member *m = &fed.members[i];
        uint8_t digest[32];

        CU_ASSERT_EQUAL(m->n_closes, 4); /* stats, train, evaluate twice */
        CU_ASSERT(m->ended);
        CU_ASSERT_EQUAL(m->end.code, ENT_E_OK);
        CU_ASSERT(m->end.has_best);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m->received);
        ent_sink_sha256(m->received, digest);
        CU_ASSERT_EQUAL(memcmp(digest, m->end.best, 32), 0);
    }
    best = model_of(&fed, fed.members[0].end.best);
    CU_ASSERT_EQUAL(best->n_params, 2);
    CU_ASSERT_EQUAL(best->info.fits[0].mean, 50.0);
    ent_modelfile_free(best);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "phase"), 0);
    fed_free(&fed);
}

/* The new model is the base plus the mean of the updates, to the bit. */
ENT_TEST(round, the_model_step_is_the_grid_s)
{
    struct fed fed;
    struct ent_modelfile *base;
    struct ent_modelfile *model;
    int64_t sum[2] = {0};
    float expected[2];
    double c = 0;

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    base = model_of(&fed, ent_engine_round(fed.engine)->base);
    for (size_t i = 0; i < 3; i++) {
        fed_offer(&fed.members[i], 1000 + (int32_t)i);
        sum[0] += 1000 + (int64_t)i;
        sum[1] -= 1000 + (int64_t)i;
    }
    fed_pump(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_answer(&fed.members[i], 0);
    }
    fed_pump(&fed);
    model = model_of(&fed, ent_engine_round(fed.engine)->model);
    ENT_OK(ent_grid_factor(3, 20, &c));
    ENT_OK(ent_grid_apply(ent_modelfile_params(base), sum, 2, c, expected));
    CU_ASSERT_EQUAL(memcmp(expected, ent_modelfile_params(model), sizeof expected), 0);
    CU_ASSERT_EQUAL(model->info.round, 2);
    ent_modelfile_free(base);
    ent_modelfile_free(model);
    fed_free(&fed);
}

ENT_TEST(round, a_repeat_is_acknowledged_again_and_added_once)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    fed_offer(m, 5);
    fed_pump(&fed);
    fed_answer(m, 0);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_FALSE(m->ack.repeat);
    CU_ASSERT_EQUAL(m->ack.sequence, m->update_request);
    m->has_ack = false;
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT(m->ack.repeat);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_OK);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->sum_w, 1);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "repeat"), 1);
    fed_free(&fed);
}

ENT_TEST(round, numbers_used_before_are_replays)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_msg_lost lost = {0};
    struct ent_header header;

    begin(&fed, 3);
    live_until_update(&fed, 3, 1);
    header = fed_header(m, ENT_MSG_LOST);
    memcpy(lost.round_open, m->open_hash, 32);
    header.sequence = 1; /* long ago */
    fed_send(m, &header, &lost);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_REPLAY);
    header.sequence = m->sequence - 2; /* of the join just sent, with other bytes */
    fed_send(m, &header, &lost);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_REPLAY);
    CU_ASSERT_FALSE(m->closed);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].standing, ENT_STANDING_JOINED);
    CU_ASSERT_EQUAL(fed_refusals(&fed, "replay"), 2);
    fed_free(&fed);
}

ENT_TEST(round, old_rounds_and_other_runs_are_stale)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_msg_lost lost = {0};
    struct ent_header header;

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    header = fed_header(m, ENT_MSG_LOST);
    header.round = 1;
    fed_send(m, &header, &lost);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_STALE);
    header = fed_header(m, ENT_MSG_LOST);
    header.run = 9;
    fed_send(m, &header, &lost);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_STALE);
    header = fed_header(m, ENT_MSG_LOST); /* right numbers, another RoundOpen */
    fed_send(m, &header, &lost);
    fed_pump(&fed);
    CU_ASSERT_EQUAL(fed_refused(m), ENT_E_STALE);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].standing, ENT_STANDING_JOINED);
    fed_free(&fed);
}

/* ---- updates that are not what they should be ---- */

static void bad_offer(enum ent_err expected,
                      void (*tamper)(struct fed_member *, struct ent_header *))
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_header header;
    struct ent_buf body;
    uint8_t digest[32] = {1};

    begin(&fed, 4);
    live_until_update(&fed, 4, 2);
    header = fed_header(m, ENT_MSG_UPDATE);
    header.has_update = true;
    header.update = (struct ent_update_statement){
        .has_base = true, .payload_bytes = 40, .codec = ENT_CODEC_INT32};
    memcpy(header.update.round_open, m->open_hash, 32);
    memcpy(header.update.base, m->open.base, 32);
    tamper(m, &header);
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal_update(m->key, &header, digest, &body));
    fed_send_frame(m, ENT_MSG_UPDATE, 77, &body);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, expected);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].standing, ENT_STANDING_REJECTED);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].reason, expected);
    ent_buf_release(&body);
    for (size_t i = 1; i < 4; i++) { /* the others make the round */
        fed_offer(&fed.members[i], 9);
    }
    fed_live(&fed, 4, 9);
    CU_ASSERT(fed.members[1].ended);
    fed_free(&fed);
}

static void wrong_length(struct fed_member *m, struct ent_header *h)
{
    (void)m;
    h->update.payload_bytes = 44;
}

static void wrong_width(struct fed_member *m, struct ent_header *h)
{
    (void)m;
    h->update.codec = ENT_CODEC_INT64;
}

static void wrong_base(struct fed_member *m, struct ent_header *h)
{
    (void)m;
    h->update.base[0] ^= 1;
}

static void wrong_open(struct fed_member *m, struct ent_header *h)
{
    (void)m;
    h->update.round_open[0] ^= 1;
}

static void unasked_bucket(struct fed_member *m, struct ent_header *h)
{
    (void)m;
    h->update.rows_log2 = 5;
}

ENT_TEST(round, update_of_another_length)
{
    bad_offer(ENT_E_SHAPE, wrong_length);
}
ENT_TEST(round, update_of_another_width)
{
    bad_offer(ENT_E_SHAPE, wrong_width);
}
ENT_TEST(round, update_from_another_base)
{
    bad_offer(ENT_E_DIGEST, wrong_base);
}
ENT_TEST(round, update_for_another_open)
{
    bad_offer(ENT_E_STALE, wrong_open);
}
ENT_TEST(round, update_with_an_unasked_bucket)
{
    bad_offer(ENT_E_SHAPE, unasked_bucket);
}

/* Bytes that are not those that were signed, and integers outside the grid. */
static void bad_bytes(enum ent_err expected, int32_t q, bool swap)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 4);
    live_until_update(&fed, 4, 2);
    fed_offer(m, q);
    if (swap) {
        uint8_t other[40] = {9};

        ent_blob_unref(m->payload);
        ENT_OK(ent_blob_new_copy(other, sizeof other, &m->payload));
    }
    fed_pump(&fed);
    fed_answer(m, 0);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, expected);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].standing, ENT_STANDING_REJECTED);
    fed_free(&fed);
}

ENT_TEST(round, bytes_that_were_not_signed)
{
    bad_bytes(ENT_E_DIGEST, 5, true);
}
ENT_TEST(round, integers_outside_the_grid)
{
    bad_bytes(ENT_E_RANGE, ENT_GRID_Q_MAX + 1, false);
}

/* ---- connections that break ---- */

ENT_TEST(round, an_upload_that_was_cut_is_offered_again)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 2);
    fed_offer(m, 5);
    fed_pump(&fed); /* GO is here, the bytes are not sent */
    CU_ASSERT_PTR_NOT_NULL(fed_next(m, ENT_MSG_GO));
    ent_link_mem_cut(fed.net, m->conn);
    fed_pump(&fed);
    CU_ASSERT(m->closed);
    fed_hello(m);
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request,
                   &m->update); /* byte for byte, with its old number */
    fed_pump(&fed);
    while (m->n_read < m->n_inbox && m->inbox[m->n_read].type != ENT_MSG_GO) {
        m->n_read++;
    }
    fed_answer(m, 0);
    fed_pump(&fed);
    fed_hear(m);
    CU_ASSERT(m->has_ack);
    CU_ASSERT_EQUAL(m->ack.code, ENT_E_OK);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->members[0].standing, ENT_STANDING_ACCEPTED);
    fed_free(&fed);
}

ENT_TEST(round, late_members_are_left_out_and_named)
{
    struct fed fed;

    begin(&fed, 4);
    live_until_update(&fed, 4, 2);
    for (size_t i = 0; i < 3; i++) {
        fed_offer(&fed.members[i], 5);
    }
    fed_pump(&fed);
    for (size_t i = 0; i < 3; i++) {
        fed_answer(&fed.members[i], 5);
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->phase, ENT_PHASE_UPDATE);
    for (int minute = 0; minute < 11; minute++) { /* PINGs keep the connections */
        for (int s = 0; s < 12; s++) {
            fed_pass(&fed, 5000);
        }
    }
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->round, 3);
    fed_free(&fed);
}

ENT_TEST(round, too_few_members_release_nothing)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];

    begin(&fed, 3);
    live_until_update(&fed, 3, 1);
    for (size_t i = 0; i < 3; i++) {
        struct ent_header header = fed_header(&fed.members[i], ENT_MSG_LOST);
        struct ent_msg_lost lost;

        memcpy(lost.round_open, fed.members[i].open_hash, 32);
        fed_send(&fed.members[i], &header, &lost);
    }
    fed_pump(&fed);
    CU_ASSERT_PTR_NOT_NULL(fed_next(m, ENT_MSG_ABORT));
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(m->n_closes, 0);
    fed_pass(&fed, 10000);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->attempt, 2);
    fed_live(&fed, 3, 7);
    CU_ASSERT(m->ended);
    fed_free(&fed);
}

/* ---- budget ---- */

/* Plan of 302,201 parameters: 1.2 MB an update, in a budget that is set to 2 MiB. */
#define WIDE_PARAMS 302201
static const char wide_plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0}\n"
    "model: {layers: [{dense: 600}, relu, {dense: 500}, relu, {dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {rule: fedavg, weights: equal, scale_bits: 20, min_members: 3, join: 30s, "
    "update: 10min, "
    "attempts: 3}\n";

static void offer_wide(struct fed_member *m)
{
    size_t len = ENT_UPDATE_SALT_BYTES + (size_t)4 * WIDE_PARAMS;
    struct ent_header header = fed_header(m, ENT_MSG_UPDATE);
    uint8_t *bytes = calloc(1, len);
    uint8_t digest[32];

    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    bytes[40] = m->handle[0];
    ENT_OK(ent_sha256(bytes, len, digest));
    ent_blob_unref(m->payload);
    ENT_OK(ent_blob_new_take(bytes, len, &m->payload));
    header.has_update = true;
    header.update = (struct ent_update_statement){
        .has_base = true, .payload_bytes = len, .codec = ENT_CODEC_INT32};
    memcpy(header.update.round_open, m->open_hash, 32);
    memcpy(header.update.base, m->open.base, 32);
    ent_buf_release(&m->update);
    ent_buf_init(&m->update, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal_update(m->key, &header, digest, &m->update));
    m->update_request = header.sequence;
    fed_send_frame(m, ENT_MSG_UPDATE, m->update_request, &m->update);
}

static bool has_go(struct fed_member *m)
{
    for (size_t i = m->n_read; i < m->n_inbox; i++) {
        if (m->inbox[i].type == ENT_MSG_GO && m->inbox[i].request == m->update_request) {
            return true;
        }
    }
    return false;
}

ENT_TEST(round, grants_wait_for_room_in_the_budget)
{
    struct fed fed;
    size_t granted = 0;

    fed_new(&fed, 4);
    fed.home->config->memory_bytes = (uint64_t)2 * 1024 * 1024;
    for (size_t i = 0; i < 4; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, wide_plan);
    live_until_update(&fed, 4, 2);
    for (size_t i = 0; i < 4; i++) {
        offer_wide(&fed.members[i]);
    }
    fed_pump(&fed);
    for (size_t i = 0; i < 4; i++) {
        granted += has_go(&fed.members[i]) ? 1 : 0;
    }
    CU_ASSERT_EQUAL(granted,
                    1); /* 1.2 MB in memory; neither that nor a frame of the next fits beside it */
    CU_ASSERT(has_go(&fed.members[0]));
    for (int turn = 0; turn < 8; turn++) {
        for (size_t i = 0; i < 4; i++) {
            fed_answer(&fed.members[i], 0);
        }
        fed_pump(&fed);
    }
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine),
                    1); /* no validation, no test: trained, then over */
    fed_free(&fed);
}

ENT_TEST(round, uploads_above_the_budget_go_to_files)
{
    struct fed fed;

    fed_new(&fed, 3);
    fed.home->config->memory_bytes = (uint64_t)64 * 1024;
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, wide_plan);
    live_until_update(&fed, 3, 2);
    for (size_t i = 0; i < 3; i++) {
        offer_wide(&fed.members[i]);
    }
    for (int turn = 0; turn < 8; turn++) {
        fed_pump(&fed);
        for (size_t i = 0; i < 3; i++) {
            fed_answer(&fed.members[i], 0);
        }
    }
    fed_pump(&fed);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_free(&fed);
}
