/* Exports for scripts, and logs that say anything.
 *
 * An export for each server optimizer, as tests/golden/check_replay.sh replays them with several builds: written where
 * ENTENTE_REPLAY_OUT says, which then has DIR/<optimizer>/{export,policy,auditor.x25519}. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/rng.h"
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

/* ---- two copies ---- */

ENT_TEST(replay_files, the_auditors_copy_outlasts_the_plain_one)
{
    struct replay_options options = {.aggregation = "weights: equal", .keep = REPLAY_BOTH};
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &options);
    replay_world_replay(&w, false, &replay); /* plain copies are for everybody */
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    ent_replay_release(&replay);
    for (size_t round = 1; round <= REPLAY_ROUNDS; round++) {
        for (size_t i = 0; i < REPLAY_MEMBERS; i++) {
            ENT_OK(ent_file_remove(replay_world_blob(&w, w.kept[1][round][i])));
        }
    }
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(replay.n_identical, REPLAY_ROUNDS);
    ent_replay_release(&replay);
    replay_world_replay(&w, false, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    ent_replay_release(&replay);
    replay_world_release(&w);
}

/* ---- logs that say anything ---- */

struct noise {
    struct ent_rng rng;
    size_t left;   /* leaves before the one that is hit */
    size_t hit_at; /* first byte of it; 0: not yet */
};

/* One byte of one leaf; the tree is made over it, so that only its content is wrong. */
static void disturb(void *ctx, struct replay_event *event)
{
    struct noise *noise = ctx;

    if (event->raw == NULL || noise->left-- != 0) {
        return;
    }
    noise->hit_at = 8 + ent_rng_below(&noise->rng, (uint32_t)event->raw->len - 8);
    event->raw->data[noise->hit_at] ^= (uint8_t)(1U << ent_rng_below(&noise->rng, 8));
}

ENT_TEST(replay_files, a_log_with_any_byte_changed_gives_a_verdict)
{
    unsigned verdicts[3] = {0};

    for (uint64_t seed = 0; seed < 24; seed++) {
        struct noise noise = {.rng = ent_rng_init(seed, 17)};
        struct replay_options options = {.aggregation = "weights: examples_log2, optimizer: "
                                                        "{momentum: {rate: 0.9, momentum: 0.8}}",
                                         .keep = seed % 2 == 0 ? REPLAY_SEALED : REPLAY_PLAIN,
                                         .hook = disturb,
                                         .ctx = &noise};
        struct replay_world w;
        struct ent_replay replay;

        noise.left = ent_rng_below(&noise.rng, 39); /* leaves of one run */
        replay_world_make(&w, &options);
        CU_ASSERT_TRUE(noise.hit_at > 0);
        replay_world_replay(&w, true, &replay);
        verdicts[replay.verdict]++;
        ent_replay_release(&replay);
        replay_world_release(&w);
    }
    /* Times, signatures and deadlines are verify's; the rest is seen. */
    CU_ASSERT_TRUE(verdicts[ENT_REPLAY_DIFFERS] > 6);
    CU_ASSERT_TRUE(verdicts[ENT_REPLAY_IDENTICAL] > 0);
}
