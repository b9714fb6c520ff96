/* IN rows and whose they are, a model, settings, unpredictable randomness · OUT a model trained on noised sums of clipped
 * gradients, counters for the member's own log · OWNS buffers of one call · THREADS one call, one thread (and one of its
 * own that draws noise ahead) · SOURCE Abadi et al. 2016 (DP-SGD); privacy.md 4; docs/PRIVACY.md
 *
 * Differential privacy inside the client: the unit is a customer, a set of rows.
 *
 * One step. Each unit is in with probability R / 2^32, by a word of ent_csprng of its own (Poisson sampling: the batch has
 * no fixed size and no cap); of a unit with many rows one is drawn. Its gradient is scaled to a norm of at most C. The
 * gradients are summed, the sum is put on the grid of 2^-scale_bits, rounded once (half to even) and clamped to +-2^23;
 * exact noise N_Z(0, sigma2) is added to each integer. What comes out is decoded and divided by the declared batch, and
 * the optimizer works on that: everything behind the noise is post-processing.
 *
 * Sensitivity: a unit more or less moves the rounded sum by at most D2 = ceil(2^s C) + ceil(sqrt d) in L2
 * (ent_clip_record_sensitivity). Accounting: each step is one Poisson-subsampled event {rate, sigma2, D2, d}, whatever
 * happened in it. Clipping and sums are floating point: products of at most b rows in float32, added into double, with
 * b x batch <= 2^14, and C (1 - 2^-8) in the place of C (privacy.md 4.1.3; common/model/clip.h).
 *
 * Nothing that the rows hold decides whether a member answers: a gradient that is not finite counts as 0, an empty batch
 * still gives noise. */
#ifndef ENT_CLIENT_TRAIN_DP_H
#define ENT_CLIENT_TRAIN_DP_H

#include "client/train/trainer.h"
#include "common/crypto/csprng.h"

/* Whose the rows are: unit u has the rows rows[first[u]] .. rows[first[u + 1] - 1], at least one; every row is in one
 * unit at most. */
struct ent_dp_units {
    uint32_t n;
    uint32_t *first; /* [n + 1] */
    uint32_t *rows;
};

/* Units of the rows 0 .. n_rows - 1: rows with equal keys are one unit, in the order of their first rows; a row with
 * has_key[i] false is a unit of its own (has_key NULL: all have one; keys NULL: none has). NO_MEMORY, LIMIT. */
ENT_MUST enum ent_err ent_dp_units_init(const uint64_t *keys, const bool *has_key, uint32_t n_rows,
                                        struct ent_dp_units *out);
void ent_dp_units_release(struct ent_dp_units *units);

struct ent_dp_settings {
    double clip;         /* C */
    uint64_t rate;       /* R, 1 .. 2^32: q = R / 2^32 */
    uint32_t steps;      /* noised steps of this call */
    uint32_t batch;      /* the declared expected batch, which the noised sum is divided by */
    uint32_t scale_bits; /* the grid: 2^-scale_bits */
    uint64_t sigma2;     /* of the noise in grid units */
    uint64_t dim;        /* parameters; must be the model's */
};

/* What a call with these settings costs a unit, whatever happens in it: the event to book before the call. RANGE. */
struct ent_dp_event;
ENT_MUST enum ent_err ent_dp_settings_event(const struct ent_dp_settings *settings,
                                            struct ent_dp_event *out);

/* Bytes that a call takes at most beside the model (made with `clips`), the optimizer's state and n_units * 4: a function
 * of the plan alone. LIMIT. */
ENT_MUST enum ent_err ent_dp_memory(const struct ent_model_options *options, size_t *bytes);

/* What happened. For the member's own log: it depends on the rows and may never leave the member. */
struct ent_dp_log {
    uint32_t steps;
    uint64_t units; /* over all steps */
    uint32_t batch_least;
    uint32_t batch_most;
    uint32_t empty;     /* steps without a unit */
    uint64_t clipped;   /* units whose gradient was scaled down */
    uint64_t nonfinite; /* units whose gradient counted as 0 */
    uint64_t clamped;   /* coordinates cut to +-2^23 */
};

/* Whether settings and model fit: CONFIG or RANGE with a sentence. Depends on no row. Called by ent_dp_train as well. */
ENT_MUST enum ent_err ent_dp_check(const struct ent_model *model,
                                   const struct ent_train_options *options,
                                   const struct ent_dp_settings *settings);

/* settings->steps noised steps from the model's present parameters; the result is in the model.
 *   model    made with ent_model_options.clips and .training
 *   rows     as the trainer takes them; a row is gathered only when its unit was drawn
 *   options  optim, hyper, schedule, round, rounds, proximal, base, state, state_steps, clip_norm (of the noised mean),
 *            keep_going, ctx are used; epochs, batch, seed, stream are not: sample and noise never come from a seed
 *   log      NULL, or what happened; also after an error
 * STOPPED; NONFINITE when the noised steps drove a parameter out of float32 (a fact of what was released, not of the
 * rows); NO_MEMORY; INTERNAL when the random generator fails. On an error the model is not to be used, and the charge of
 * the call stands. */
ENT_MUST enum ent_err ent_dp_train(struct ent_model *model, const struct ent_rows *rows,
                                   const struct ent_dp_units *units,
                                   const struct ent_train_options *options,
                                   const struct ent_dp_settings *settings, struct ent_dp_log *log);
#endif
