/* The server's optimizer in the apply step: every bit of models and state, files, restarts. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/model/modelfile.h"
#include "common/optim/server.h"
#include "coordinator/engine/state.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

/* More parameters than one piece of the apply step: 1 * 512 + 512, 512 * 512 + 512, 512 + 1. */
#define PARAMS ((size_t)264193)
#define PIECE ((size_t)256 * 1024)

static const char plan[] =
    "features: [{name: age, type: number, range: [0, 100]}]\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {key: 42, validation: 0, test: 0.2}\n"
    "model: {layers: [{dense: 512}, relu, {dense: 512}, {dense: 1}], loss: bce}\n"
    "training: {rounds: 3, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
    "aggregation: {weights: equal, scale_bits: 20, min_members: 3, optimizer: {fedadam: {rate: "
    "0.05}}}\n";

struct expected {
    float *params;
    float *state[2];
    int64_t *sum;
};

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

/* Honest life up to the point where training round `round` opens. */
static void live_until(struct fed *fed, uint64_t round, enum ent_phase phase)
{
    for (int turn = 0; turn < 300; turn++) {
        fed_pump(fed);
        if (round_of(fed)->round == round && round_of(fed)->phase == phase) {
            return;
        }
        for (size_t i = 0; i < 3; i++) {
            fed_answer(&fed->members[i], 1000 + (int32_t)i);
        }
    }
    CU_FAIL_FATAL("the round does not come");
}

static void expect_new(struct fed *fed, struct expected *x)
{
    struct ent_modelfile *file = NULL;
    char *path = NULL;

    ENT_OK(ent_store_model_path(fed->home->store, round_of(fed)->model, &path));
    ENT_OK(ent_modelfile_open(path, &file));
    CU_ASSERT_EQUAL_FATAL(file->n_params, PARAMS);
    ENT_OK(ent_calloc(PARAMS, sizeof(float), &x->params));
    ENT_OK(ent_calloc(PARAMS, sizeof(float), &x->state[0]));
    ENT_OK(ent_calloc(PARAMS, sizeof(float), &x->state[1]));
    ENT_OK(ent_calloc(PARAMS, sizeof(int64_t), &x->sum));
    memcpy(x->params, ent_modelfile_params(file), PARAMS * sizeof(float));
    for (size_t i = 0; i < PARAMS; i++) {
        x->state[1][i] = (float)(0.001 * 0.001); /* tau is 0.001 when the plan does not say */
        x->sum[i] = (i % 2 == 0 ? 3003 : -3003) + 3 * (int64_t)(i / 2 % 5);
    }
    ent_modelfile_free(file);
    free(path);
}

static void expect_free(struct expected *x)
{
    free(x->params);
    free(x->state[0]);
    free(x->state[1]);
    free(x->sum);
}

/* One round onto whole vectors. */
static void expect_step(struct expected *x)
{
    const struct ent_server_hyper hyper = {.rate = 0.05, .beta1 = 0.9, .beta2 = 0.99, .tau = 0.001};
    struct ent_server_round round = {.model = x->params,
                                     .sum = x->sum,
                                     .state = {x->state[0], x->state[1]},
                                     .out = x->params,
                                     .n = PARAMS};

    ENT_OK(ent_grid_factor(3, 20, &round.c));
    ENT_OK(ent_server_optim_apply(ent_server_optim_find("fedadam"), &hyper, &round));
}

static void check_model(struct fed *fed, const struct expected *x)
{
    struct ent_modelfile *file = NULL;
    char *path = NULL;

    ENT_OK(ent_store_model_path(fed->home->store, round_of(fed)->model, &path));
    ENT_OK(ent_modelfile_open(path, &file));
    CU_ASSERT_EQUAL(memcmp(ent_modelfile_params(file), x->params, PARAMS * sizeof(float)), 0);
    ent_modelfile_free(file);
    free(path);
}

static char *state_path(struct fed *fed)
{
    char *path = NULL;

    ENT_OK(ent_store_state_path(fed->home->store, round_of(fed)->state, &path));
    return path;
}

/* Piece by piece, of each piece both vectors. */
static void check_state(struct fed *fed, const struct expected *x)
{
    char *path = state_path(fed);
    struct ent_buf bytes;
    size_t at = 0;

    ent_buf_init(&bytes, (size_t)16 << 20);
    ENT_OK(ent_file_read(path, &bytes));
    CU_ASSERT_EQUAL_FATAL(bytes.len, 2 * PARAMS * sizeof(float));
    for (size_t first = 0; first < PARAMS; first += PIECE) {
        size_t n = PARAMS - first < PIECE ? PARAMS - first : PIECE;

        for (int v = 0; v < 2; v++) {
            CU_ASSERT_EQUAL(memcmp(bytes.data + at, x->state[v] + first, n * sizeof(float)), 0);
            at += n * sizeof(float);
        }
    }
    ent_buf_release(&bytes);
    free(path);
}

static size_t n_states(const struct fed *fed)
{
    char *path = NULL;
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    ENT_OK(ent_path_join(fed->dir, "models", &path));
    d = opendir(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours alone */
    while ((entry = readdir(d)) != NULL) {
        n += strstr(entry->d_name, ".state") != NULL;
    }
    (void)closedir(d);
    free(path);
    return n;
}

static void begin(struct fed *fed, struct expected *x)
{
    fed_new(fed, 3);
    fed->n_params = (uint32_t)PARAMS;
    hello_all(fed);
    fed_start_run(fed, plan);
    live_until(fed, 2, ENT_PHASE_JOIN);
    expect_new(fed, x);
    CU_ASSERT_EQUAL(n_states(fed), 0);
}

ENT_TEST(server, steps_are_those_of_whole_vectors)
{
    struct fed fed;
    struct expected x;

    begin(&fed, &x);
    for (uint64_t round = 3; round <= 5; round++) { /* rounds 2, 3, 4 train; 5 is the test */
        live_until(&fed, round, ENT_PHASE_JOIN);
        expect_step(&x);
        check_model(&fed, &x);
        check_state(&fed, &x);
        CU_ASSERT_EQUAL(n_states(&fed), 1);
        if (round == 3) { /* goes on from the file */
            fed_restart(&fed);
            hello_all(&fed);
        }
    }
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_EQUAL(n_states(&fed), 0); /* the run is over */
    expect_free(&x);
    fed_free(&fed);
}

/* A state that is not what its row says is never used: the round waits for the file to be put right. */
ENT_TEST(server, a_damaged_state_stops_the_round)
{
    struct fed fed;
    struct expected x;
    struct ent_buf good;
    char *path;

    begin(&fed, &x);
    live_until(&fed, 3, ENT_PHASE_JOIN);
    path = state_path(&fed);
    ent_buf_init(&good, (size_t)16 << 20);
    ENT_OK(ent_file_read(path, &good));
    good.data[good.len - 1] ^= 1U;
    ENT_OK(ent_file_write_atomic(path, good.data, good.len, 0600));
    live_until(&fed, 3, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(round_of(&fed)->aborts, 1);
    CU_ASSERT_EQUAL(round_of(&fed)->abort_code, ENT_E_CORRUPT);
    good.data[good.len - 1] ^= 1U;
    ENT_OK(ent_file_write_atomic(path, good.data, good.len, 0600));
    fed_pass(&fed, 15000);
    live_until(&fed, 4, ENT_PHASE_JOIN);
    expect_step(&x);
    expect_step(&x);
    check_model(&fed, &x);
    ent_buf_release(&good);
    free(path);
    expect_free(&x);
    fed_free(&fed);
}

/* Few parameters: the model stands in the database too, the state is a file all the same. Without it the run is held. */
ENT_TEST(server, a_run_without_its_state_is_held)
{
    static const char small_plan[] =
        "features: [{name: age, type: number, range: [0, 100]}]\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {key: 42, validation: 0, test: 0.2}\n"
        "model: {layers: [{dense: 1}], loss: bce}\n"
        "training: {rounds: 3, epochs: 1, batch: 32, optimizer: {sgd: {rate: 0.1}}, seed: 1}\n"
        "aggregation: {weights: equal, scale_bits: 20, min_members: 3, optimizer: {fedadam: {rate: "
        "0.05}}}\n";
    struct fed fed;
    struct ent_buf state;
    char *path;

    fed_new(&fed, 3);
    hello_all(&fed);
    fed_start_run(&fed, small_plan);
    live_until(&fed, 3, ENT_PHASE_JOIN);
    path = state_path(&fed);
    ent_buf_init(&state, 1024);
    ENT_OK(ent_file_read(path, &state));
    CU_ASSERT_EQUAL(state.len, 2 * 2 * sizeof(float));
    fed_down(&fed);
    ENT_OK(ent_file_remove(path));
    fed_up(&fed);
    CU_ASSERT_STRING_EQUAL(fed.engine->missing, path);
    fed_hello(&fed.members[0]);
    CU_ASSERT_EQUAL(fed_refused(&fed.members[0]), ENT_E_BUSY);
    ENT_OK(ent_file_write_atomic(path, state.data, state.len, 0600));
    fed_pass(&fed, 3000);
    CU_ASSERT_STRING_EQUAL(fed.engine->missing, "");
    hello_all(&fed);
    fed_live(&fed, 3, 1000);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_EQUAL(n_states(&fed), 0);
    ent_buf_release(&state);
    free(path);
    fed_free(&fed);
}
