/* Inside this room: the sum of a round and what is made of it. Included by state.h. */
#ifndef ENT_COORDINATOR_ENGINE_SUM_H
#define ENT_COORDINATOR_ENGINE_SUM_H

#include "common/base/blob.h"
#include "coordinator/round/round.h"

struct ent_engine;

/* ---- fold.c ---- */
void ent_fold_add(struct ent_engine *e, const struct ent_action *action);
void ent_fold_clear(struct ent_engine *e);
/* The row that names the current attempt, for the store. */
struct ent_row ent_engine_attempt(const struct ent_engine *e);
/* Sum, digest, model; answers the machine with RESULT or RESULT_FAILED. */
void ent_fold_finish(struct ent_engine *e, const struct ent_action *action);

/* ---- model.c ---- */
/* The initial model out of the summed statistics. */
ENT_MUST enum ent_err ent_model_make_initial(struct ent_engine *e, const int64_t *sum, size_t dim,
                                             uint64_t round, uint8_t digest[32]);
/* A new model file, streamed window by window: base + what the plan's server optimizer makes of
 * sum / (sum_w * 2^scale_bits). Windows are whole pieces (ENT_STEP_PIECE), but for the last. */

struct ent_apply;
ENT_MUST enum ent_err ent_apply_begin(struct ent_engine *e, uint64_t round, uint64_t sum_w,
                                      struct ent_apply **out);
ENT_MUST enum ent_err ent_apply_window(struct ent_apply *apply, const int64_t *sum, size_t n);
/* state: digest of the optimizer's state behind the round; zero: it has none. */
ENT_MUST enum ent_err ent_apply_commit(struct ent_apply *apply_take, uint8_t digest[32],
                                       uint8_t state[32]);
void ent_apply_discard(struct ent_apply *apply_take);

#endif
