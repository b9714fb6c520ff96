/* IN updates of a round (payload integers, borrowed; weights) · OUT their combination
 * OWNS the sums · THREADS one aggregation, one thread at a time
 * SOURCE McMahan et al. 2017 (fedavg); ARCHITECTURE.md "Plugins"
 *
 * Aggregation rules out of aggregators.def. Pure: coordinator, auditor and simulator share them.
 * The order of adding, and how many are added in one call, do not change a bit of the result.
 *
 * A rule that is ELEMENTWISE may be run window by window (ent_agg_reset between windows), so that
 * 10 million parameters need no 80 MB of sums. */
#ifndef ENT_COMMON_AGGREGATE_AGGREGATE_H
#define ENT_COMMON_AGGREGATE_AGGREGATE_H

#include <stdint.h>

#include "common/base/err.h"

/* What a rule needs of the updates, and what it gives: plan checks refuse pairs that do not fit. */
enum ent_agg_flags {
    ENT_AGG_NEEDS_EACH =
        1u << 0, /* sees single updates: cannot be combined with masking (waits for robust rules) */
    ENT_AGG_NEEDS_EQUAL_WEIGHTS = 1u << 1,
    ENT_AGG_GIVES_SUM =
        1u << 8, /* the weighted integer sum itself: may be masked, noised, replayed as a sum */
    ENT_AGG_GIVES_ELEMENTWISE = 1u << 9 /* element i depends on element i of the inputs only */
};

struct ent_agg_config {
    size_t dim;          /* integers in a vector (of the largest window) */
    uint32_t int_bytes;  /* 4: |q| <= 2^23; 8: values in [0, 2^50), weight 1 */
    uint32_t inputs_min; /* TOO_FEW below; at least 1 */
    uint32_t inputs_max; /* for the overflow bound; LIMIT when more are added */
    uint32_t weight_max;
};

struct ent_agg_result {
    const int64_t *sum; /* [dim], the aggregation's storage: valid until reset or free */
    size_t dim;
    uint64_t sum_w;
    uint32_t n_inputs;
};

struct ent_agg; /* one aggregation */

/* How a rule is written: one file, one vtable, one line in aggregators.def. The rules' functions
 * are called by aggregate.c only, which has checked lengths, contents, weights and counts. */
struct ent_agg_rule {
    const char *name;    /* as in plan.yaml */
    const char *summary; /* one line for --help and plan-check */
    uint32_t flags;      /* enum ent_agg_flags */
    /* State for config; SHAPE, LIMIT. */
    enum ent_err (*begin)(const struct ent_agg_config *config, void **state);
    /* k (1..ENT_GRID_MANY) updates of dim integers with their weights. */
    void (*add)(void *state, const uint8_t *const *updates, const uint32_t *weights, size_t k,
                size_t dim);
    /* [dim] into the state's own storage. */
    enum ent_err (*finish)(void *state, size_t dim, const int64_t **sum);
    void (*reset)(void *state, size_t dim);
    void (*free)(void *state);
};

/* By name, or NULL. The i-th of the list, or NULL behind its end (contract tests, help). */
const struct ent_agg_rule *ent_agg_rule_find(const char *name);
const struct ent_agg_rule *ent_agg_rule_at(size_t i);

/* UNSUPPORTED for an unknown rule; SHAPE for a bad config; LIMIT when the sums could overflow (said
 * up front, with the figures), so that adding never has to ask. */
ENT_MUST enum ent_err ent_agg_new(const char *rule, const struct ent_agg_config *config,
                                  struct ent_agg **out);
void ent_agg_free(struct ent_agg *agg);
/* Forget all inputs; dim <= config.dim integers a vector from now on. */
ENT_MUST enum ent_err ent_agg_reset(struct ent_agg *agg, size_t dim);

/* update: dim integers, little-endian, without the salt. SHAPE when len_bytes is not dim *
 * int_bytes; RANGE for a weight outside 1..weight_max or an integer outside its bounds; LIMIT
 * beyond inputs_max. The state is unchanged on error. */
ENT_MUST enum ent_err ent_agg_add(struct ent_agg *agg, const uint8_t *update, size_t len_bytes,
                                  uint32_t weight);
/* n updates of len_bytes each, added in passes of five: about twice as fast. All or none. */
ENT_MUST enum ent_err ent_agg_add_many(struct ent_agg *agg, const uint8_t *const *updates,
                                       size_t len_bytes, const uint32_t *weights, size_t n);
/* TOO_FEW when fewer than inputs_min were added. More may be added after it. */
ENT_MUST enum ent_err ent_agg_finish(struct ent_agg *agg, struct ent_agg_result *out);

#endif
