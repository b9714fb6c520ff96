/* IN row counts · OUT weights of updates · OWNS nothing · THREADS any
 * SOURCE audit.md 2.3 (Weights)
 *
 * The three weight rules. `equal`: 1. `examples_log2`: 2^floor(log2 rows), from the bucket that the
 * member signs (UpdateStatement.rows_log2). `fixed`: the plan's number for that member. Never an
 * unlogged exact count. */
#ifndef ENT_COMMON_FIXED_WEIGHT_H
#define ENT_COMMON_FIXED_WEIGHT_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_WEIGHT_MAX (1u << 30) /* largest weight of one update */

/* floor(log2 rows) + 1; 0 for no rows. At most 31: larger counts share the last bucket. */
uint32_t ent_weight_bucket(uint64_t rows);
/* 2^(bucket - 1); RANGE unless bucket is in 1..31 (no rows, no update). */
ENT_MUST enum ent_err ent_weight_of_bucket(uint32_t bucket, uint32_t *weight);
/* RANGE unless weight is in 1..ENT_WEIGHT_MAX. */
ENT_MUST enum ent_err ent_weight_check(uint64_t weight);

#endif
