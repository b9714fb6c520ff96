/* The sum of the clipped gradients of a batch, on the grid: all that looks at rows. Inside this room only. */
#ifndef ENT_CLIENT_TRAIN_DP_SUM_H
#define ENT_CLIENT_TRAIN_DP_SUM_H

#include "client/train/block.h"
#include "client/train/dp.h"
#include "common/model/clip.h"

struct ent_dp_sum {
    struct ent_model *model;
    const struct ent_dp_settings *settings;
    struct ent_train_block block;
    bool live[ENT_MODEL_CLIP_ROWS];
    double norms[ENT_MODEL_CLIP_ROWS];
    double *sum; /* [dim] */
};

/* Model and settings are borrowed until release. */
ENT_MUST enum ent_err ent_dp_sum_init(struct ent_dp_sum *sum, struct ent_model *model,
                                      const struct ent_dp_settings *settings);
/* What stood in the buffers is the customers': it does not stay in freed memory. */
void ent_dp_sum_release(struct ent_dp_sum *sum);

/* sum->sum = the sum over the rows batch[0..n), n >= 0, of their clipped gradients; what was clipped or not finite is
 * counted. */
ENT_MUST enum ent_err ent_dp_sum_add_up(struct ent_dp_sum *sum, const struct ent_rows *rows,
                                        const uint32_t *batch, uint32_t n, struct ent_dp_log *log);
/* Coordinate i of the sum on the grid: half to even, within +-2^23. */
int64_t ent_dp_sum_grid(const struct ent_dp_sum *sum, size_t i, struct ent_dp_log *log);

#endif
