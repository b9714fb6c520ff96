/* An export for each server optimizer, as tests/golden/check_replay.sh replays them with several builds: written where
 * ENTENTE_REPLAY_OUT says, which then has DIR/<optimizer>/{export,policy,auditor.x25519}. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/audit/replay_world.h"

static void write_one(const char *root, const char *name, const char *aggregation)
{
    char dir[200];
    struct replay_options options = {.aggregation = aggregation, .keep = REPLAY_SEALED, .dir = dir};
    struct replay_world w;
    struct ent_replay replay;

    (void)snprintf(dir, sizeof dir, "%.150s/%s", root, name);
    ENT_OK(ent_dir_make(dir));
    replay_world_make(&w, &options);
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(replay.n_identical, REPLAY_ROUNDS);
    ent_replay_release(&replay);
    replay_world_release(&w);
}

ENT_TEST(replay_files, an_export_for_each_server_optimizer)
{
    const char *out = getenv("ENTENTE_REPLAY_OUT");
    char root[160];

    (void)snprintf(root, sizeof root, "%.150s", out != NULL ? out : ent_test_tmpdir());
    write_one(root, "sgd", "weights: equal");
    write_one(root, "momentum",
              "weights: examples_log2, optimizer: {momentum: {rate: 0.9, momentum: 0.8}}");
    write_one(root, "fedadam",
              "weights: {fixed: {a: 2, b: 3, c: 4}}, optimizer: {fedadam: {rate: 0.05, tau: "
              "0.01}}");
}
