/* Real members as witnesses: nothing that a round made leaves before enough of them have covered it. */
#include <string.h>

#include "common/base/file.h"
#include "coordinator/engine/control.h"
#include "tests/integration/harness.h"
#include "tests/integration/laws.h"
#include "tests/support/ent_test.h"

#define RUN_MAX_MS 600000
static const char plan[] =
    "features: [{name: age, type: number, range: [18, 95]}, {name: loan, type: boolean}]\n"
    "min_group: 1\n"
    "label: {name: y, positive: \"yes\"}\n"
    "split: {validation: 0, test: 0.2}\n"
    "model: {layers: [{dense: 1}], loss: bce}\n"
    "training: {rounds: 1, epochs: 1, batch: 16, optimizer: {sgd: {rate: 0.1}}}\n"
    "aggregation: {min_members: 3, join: 3s, update: 10s, attempts: 2}\n";

static void start(struct box *box, uint32_t n_members)
{
    box_new(box, 9, n_members);
    for (uint32_t i = 0; i < n_members; i++) {
        box->members[i].start_ms = box->time.mono_ms;
    }
    box_start_engine(box);
    box_start_run(box, plan, NULL);
}

static void finish(struct box *box)
{
    if (box->broken) {
        printf("\nlaw %c: %s\n", box->law, box->text);
    }
    CU_ASSERT(!box->broken);
    box_free(box);
}

static bool last_is_closed(struct box *box)
{
    return box_phase(box) == ENT_PHASE_RELEASE &&
           ent_engine_round(box->engine)->split == ENT_ROUND_ON_TEST;
}

static bool has_best(const struct box *box, uint32_t member)
{
    char path[ENROLLED_PATH_MAX];

    enrolled_path(path, box->members[member].dir, "global.safetensors");
    return ent_file_exists(path);
}

static bool status_says(struct box *box, const char *text)
{
    struct ent_buf reply;
    const char *status = NULL;
    bool found;

    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    ENT_OK(ent_engine_request(box->engine, "{\"verb\":\"status\"}", &reply));
    ENT_OK(ent_buf_str(&reply, &status));
    found = strstr(status, text) != NULL;
    ent_buf_release(&reply);
    return found;
}

/* Of four three must cosign. Two are there: no model reaches anybody, and who is awaited has a name. One comes back: the
 * run ends. */
ENT_TEST(witness, k_minus_one_get_no_model_until_one_comes_back)
{
    struct box box;

    start(&box, 4);
    CU_ASSERT(box_run(&box, last_is_closed, RUN_MAX_MS));
    box_kill_member(&box, 2); /* before it heard of the close */
    box_kill_member(&box, 3);
    CU_ASSERT(!box_run(&box, box_run_over, 120000));
    CU_ASSERT_EQUAL(box_phase(&box), ENT_PHASE_RELEASE);
    CU_ASSERT(status_says(&box, "\"awaited\":\"brand-"));
    CU_ASSERT(status_says(&box, "(last seen "));
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT(!has_best(&box, i));
    }
    box_kill_engine(&box); /* and it waits on behind a restart */
    box_start_engine(&box);
    CU_ASSERT(!box_run(&box, box_run_over, 60000));
    CU_ASSERT(!has_best(&box, 0));
    box_start_member(&box, 3);
    CU_ASSERT(box_run(&box, box_run_over, 60000));
    CU_ASSERT(has_best(&box, 0) && has_best(&box, 1));
    laws_of_rows(&box, 3);
    finish(&box);
}
