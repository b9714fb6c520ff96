/* What an update's statement and integers must be before they are added to those of others: by the attempt, by the plan,
 * and by what the same member said before. */
#include <stdlib.h>
#include <string.h>

#include "common/base/hooks.h"
#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "common/fixed/weight.h"
#include "common/privacy/clip.h"
#include "common/step/step.h"
#include "coordinator/engine/state.h"

#define CHECK_BYTES ((size_t)1024 * 1024)

/* The machine knows no tasks: its numbers go to them and to the wire as they are. */
_Static_assert((int)ENT_ROUND_STATS == (int)ENT_TASK_STATS &&
                   (int)ENT_ROUND_TRAIN == (int)ENT_TASK_TRAIN &&
                   (int)ENT_ROUND_EVALUATE == (int)ENT_TASK_EVALUATE,
               "enum ent_round_task");
_Static_assert((int)ENT_ROUND_NO_SPLIT == (int)ENT_SPLIT_NONE &&
                   (int)ENT_ROUND_ON_TRAIN == (int)ENT_SPLIT_TRAIN &&
                   (int)ENT_ROUND_ON_VALIDATION == (int)ENT_SPLIT_VALIDATION &&
                   (int)ENT_ROUND_ON_TEST == (int)ENT_SPLIT_TEST,
               "enum ent_round_split");

/* A member says itself how many rows it has, but it says so once: what its statistics of this run stated is what its
 * updates weigh. Without statistics of its own (it came later) it weighs no more than the largest of the others. */
static enum ent_err check_rows(const struct ent_engine *e, uint32_t member, uint32_t weight)
{
    uint64_t own = e->members[member].rows;
    uint64_t most = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        uint64_t rows = e->members[i].rows;

        most = rows != ENT_ROUND_ROWS_UNKNOWN && rows > most ? rows : most;
    }
    ENT_REQUIRE(own == 0 || own == ENT_ROUND_ROWS_UNKNOWN || weight == own, ENT_E_DATA,
                "it trained on about %lu rows, but its statistics of this run said about %llu; "
                "data may not change within a run",
                (unsigned long)weight, (unsigned long long)own);
    ENT_REQUIRE(own != 0 || most > 0 || weight == 0, ENT_E_DATA,
                "no member's statistics of this run count a row, since each has fewer customers "
                "than the floor on groups (min_group of the plan, or of its own policy): nothing "
                "can be learned; stop this run and start one with a lower min_group");
    ENT_REQUIRE(own != 0 || weight <= most, ENT_E_DATA,
                "it trained on about %lu rows, without statistics of its own in this run; at most "
                "%llu, as the largest of the others, are counted",
                (unsigned long)weight, (unsigned long long)most);
    return ENT_E_OK;
}

static uint64_t count_joined(const struct ent_engine *e)
{
    uint64_t n = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        n += e->members[i].joined ? 1 : 0;
    }
    return n > 0 ? n : 1;
}

static enum ent_err weight_of(const struct ent_engine *e, uint32_t member,
                              const struct ent_update_statement *s, uint32_t *weight)
{
    bool weighted = ent_task_find((uint32_t)e->round.task)->weighted;

    ENT_TRY(ent_step_weight(e->plan, (uint32_t)e->round.task, s->rows_log2, weight));
    if (weighted && e->plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        ENT_TRY(check_rows(e, member, *weight));
    }
    if (*weight == 0) { /* fixed: by name */
        *weight = ent_plan_fixed_weight(e->plan, e->members[member].name);
        ENT_REQUIRE(*weight > 0, ENT_E_POLICY, "the plan has no fixed weight for %s",
                    e->members[member].name);
    }
    return ent_grid_check_bound((uint64_t)ENT_GRID_Q_MAX, *weight, count_joined(e));
}

static enum ent_err check_statement(const struct ent_engine *e,
                                    const struct ent_update_statement *s)
{
    const struct ent_task *task = ent_task_find((uint32_t)e->round.task);
    uint32_t codec = task->int_bytes == 4 ? ENT_CODEC_INT32 : ENT_CODEC_INT64;
    uint64_t bytes = 0;
    size_t dim = 0;

    ENT_REQUIRE(ENT_HOOK_PLANTED("old-attempt-added") ||
                    memcmp(s->round_open, e->round_open, 32) == 0,
                ENT_E_STALE, "the update answers another RoundOpen than the one that was sent");
    ENT_TRY(ent_trail_check_claim(e, s->seen_size, s->seen_root));
    ENT_REQUIRE(s->has_base == task->needs_base &&
                    (!s->has_base || memcmp(s->base, e->round.base, 32) == 0),
                ENT_E_DIGEST, "the update started from another model than the round's");
    ENT_REQUIRE(s->codec == codec, ENT_E_SHAPE,
                "the update's integers are of another width than the task's");
    ENT_TRY(ent_uploads_layout(e, e->round.task, &dim, &bytes));
    ENT_REQUIRE(s->payload_bytes == bytes, ENT_E_SHAPE,
                "an update of this task has %llu bytes, not %llu", (unsigned long long)bytes,
                (unsigned long long)s->payload_bytes);
    ENT_REQUIRE(
        bytes <= e->home->config->update_bytes, ENT_E_LIMIT,
        "an update of %llu bytes is above limits.update of the coordinator's federation.yaml",
        (unsigned long long)bytes);
    return ENT_E_OK;
}

enum ent_err ent_uploads_check_statement(const struct ent_engine *e, uint32_t member,
                                         const struct ent_update_statement *s, uint32_t *weight)
{
    ENT_TRY(check_statement(e, s));
    ENT_REQUIRE(e->budget.unit != ENT_PRIVACY_CUSTOMER || e->round.task != ENT_ROUND_TRAIN ||
                    s->has_ledger,
                ENT_E_BUDGET,
                "its statement names no entry of the member's own ledger: noise that nobody booked "
                "is not taken");
    return weight_of(e, member, s, weight);
}

/* ---- the integers ---- */

static uint32_t largest(const uint8_t *ints, size_t n)
{
    uint32_t most = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t q = (int32_t)ent_get_le32(ints + 4 * i);
        uint32_t magnitude = q < 0 ? (uint32_t)-q : (uint32_t)q;

        most = magnitude > most ? magnitude : most;
    }
    return most;
}

/* The sum of n updates like this one must stay below 2^53, or the round could not be closed and nobody could say through
 * whom. Only large weights come near it. */
static enum ent_err check_room(const uint8_t *ints, size_t n_ints, uint64_t w_n)
{
    uint64_t limit = (uint64_t)ENT_GRID_SUM_MAX / w_n;

    if ((uint64_t)ENT_GRID_Q_MAX < limit) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(largest(ints, n_ints) < limit, ENT_E_RANGE,
                "with its weight such an update could overflow the sum of all: lower scale_bits or "
                "use weights: equal");
    return ENT_E_OK;
}

/* A training update's integers are bounded by the grid and by their weight. In pieces, so that a mapped file's pages are
 * used once and may go. */
static enum ent_err check_range(const struct ent_engine *e, uint32_t member,
                                const struct ent_blob *blob)
{
    const uint8_t *at = ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES;
    size_t left = ent_blob_len(blob) - ENT_UPDATE_SALT_BYTES;
    uint64_t weight = e->members[member].upload.weight;
    uint64_t w_n = (weight > 0 ? weight : 1) * count_joined(e);

    while (left > 0) {
        size_t n = left < CHECK_BYTES ? left : CHECK_BYTES;

        ENT_TRY(ent_grid_check32(at, n / sizeof(int32_t)));
        ENT_TRY(check_room(at, n / sizeof(int32_t), w_n));
        at += n;
        left -= n;
    }
    ent_blob_drop_pages(blob);
    return ENT_E_OK;
}

/* The noise hides an update of at most this norm. */
static enum ent_err check_clipped(const struct ent_engine *e, const struct ent_blob *blob)
{
    size_t n = (ent_blob_len(blob) - ENT_UPDATE_SALT_BYTES) / sizeof(int32_t);

    return e->central.on
               ? ent_clip_check(ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES, n, e->central.bound)
               : ENT_E_OK;
}

/* Of statistics that were found good: the rows they state, down to a power of two. More is not kept. */
static uint64_t stated_rows(const struct ent_blob *blob)
{
    uint64_t rows = ent_get_le64(ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES);
    uint32_t bucket = ent_weight_bucket(rows);

    return bucket > 0 ? (uint64_t)1 << (bucket - 1) : 0;
}

/* Counts and sums that contradict each other would only be noticed in the total, where nobody could say whose they are. */
enum ent_err ent_uploads_check(struct ent_engine *e, uint32_t member, const struct ent_blob *blob)
{
    const struct ent_task *task = ent_task_find(e->round.task);
    struct ent_task_sizes sizes = ent_plan_task_sizes(e->plan);

    if (e->round.task == ENT_ROUND_TRAIN) {
        ENT_TRY(check_clipped(e, blob));
        return check_range(e, member, blob);
    }
    ENT_REQUIRE(task != NULL, ENT_E_INTERNAL, "no task %u", (unsigned)e->round.task);
    ENT_TRY(ent_task_check_payload(task, &sizes, ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES,
                                   ent_blob_len(blob) - ENT_UPDATE_SALT_BYTES));
    if (e->round.task == ENT_ROUND_STATS) {
        e->members[member].upload.rows = stated_rows(blob);
    }
    return ENT_E_OK;
}
