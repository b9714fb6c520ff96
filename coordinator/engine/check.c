/* What an update's integers must be before they are added to those of others. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"
#include "coordinator/engine/state.h"

#define CHECK_BYTES ((size_t)1024 * 1024)

/* A training update's integers are bounded by the grid alone. In pieces, so that a mapped file's pages are used once and
 * may go. */
static enum ent_err check_range(const struct ent_blob *blob)
{
    const uint8_t *at = ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES;
    size_t left = ent_blob_len(blob) - ENT_UPDATE_SALT_BYTES;

    while (left > 0) {
        size_t n = left < CHECK_BYTES ? left : CHECK_BYTES;

        ENT_TRY(ent_grid_check32(at, n / sizeof(int32_t)));
        at += n;
        left -= n;
    }
    ent_blob_drop_pages(blob);
    return ENT_E_OK;
}

/* Counts and sums that contradict each other would only be noticed in the total, where nobody could say whose they are. */
enum ent_err ent_uploads_check(const struct ent_engine *e, const struct ent_blob *blob)
{
    const struct ent_task *task = ent_task_find(e->round.task);
    struct ent_stat_column *columns = NULL;
    struct ent_task_sizes sizes = {.n_columns = e->plan->n_features,
                                   .n_params = ent_plan_n_params(e->plan)};
    enum ent_err err;

    if (e->round.task == ENT_ROUND_TRAIN) {
        return check_range(blob);
    }
    ENT_REQUIRE(task != NULL, ENT_E_INTERNAL, "no task %u", (unsigned)e->round.task);
    ENT_TRY(ent_calloc(e->plan->n_features, sizeof *columns, &columns));
    ent_plan_stat_columns(e->plan, columns);
    sizes.columns = columns;
    err = ent_task_check_payload(task, &sizes, ent_blob_bytes(blob) + ENT_UPDATE_SALT_BYTES,
                                 ent_blob_len(blob) - ENT_UPDATE_SALT_BYTES);
    free(columns);
    return err;
}
