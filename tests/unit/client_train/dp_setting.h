/* A small set of customers, a model, and randomness that a test can repeat. */
#ifndef ENT_TESTS_UNIT_CLIENT_TRAIN_DP_SETTING_H
#define ENT_TESTS_UNIT_CLIENT_TRAIN_DP_SETTING_H

#include "client/train/dp_sum.h"
#include "tests/support/hooks.h"

#define DP_INPUTS 6
#define DP_ROWS 1200

struct dp_setting {
    float x[DP_ROWS * DP_INPUTS];
    float y[DP_ROWS];
    struct ent_rows_matrix matrix;
    struct ent_rows rows;
    struct ent_model *model;
    struct ent_dp_units units;
    struct ent_train_options options;
    struct ent_dp_settings settings;
    struct ent_dp_log log;
    struct ent_test_hooks hooks;
    struct ent_rng stream; /* what stands for the system's randomness while a test holds it */
    const char *planted;   /* or NULL */
};

/* n_rows rows, each a unit; sgd of rate 1; parameters all 0. layers: NULL: one dense layer. */
void dp_set_up(struct dp_setting *s, const struct ent_model_layer *layers, uint32_t n_layers,
               uint32_t n_rows);
void dp_tear_down(struct dp_setting *s);
/* From now on randomness is that of the seed. */
void dp_inject(struct dp_setting *s, uint64_t seed);
/* What ent_csprng will give next, without taking it. */
void dp_peek(const struct dp_setting *s, void *out, size_t len);
void dp_restart(struct dp_setting *s); /* parameters all 0 */
void dp_train(struct dp_setting *s);

#define DP_DIM_MAX 1024
/* Rounded sum of the rows batch[0..n). */
void dp_grid_sum(struct ent_dp_sum *sum, const struct dp_setting *s, const uint32_t *batch,
                 uint32_t n, int64_t *q);
double dp_distance(const int64_t *a, const int64_t *b, size_t n);
/* What one unit moves the rounded sum of n rows by, whichever it is; the largest. */
double dp_most_moved(struct dp_setting *s, uint32_t n);

#endif
