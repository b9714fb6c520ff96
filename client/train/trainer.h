/* IN rows (through a gather function), a model, options · OUT trained parameters, losses,
 * predictions OWNS batch buffers, row order, optimizer state · THREADS one trainer, one thread ·
 * SOURCE performance.md 3
 *
 * The local training loop. Memory: 4 bytes a row (the order) and blocks of at most ENT_MODEL_BLOCK
 * rows, however large the batch; a step allocates nothing. Same seed, stream, rows and kernel path:
 * same bits. */
#ifndef ENT_CLIENT_TRAIN_TRAINER_H
#define ENT_CLIENT_TRAIN_TRAINER_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/model/model.h"
#include "common/optim/optim.h"

struct ent_plan;

/* Where a block of rows or sequences is put: what struct ent_model_batch and its targets say. */
struct ent_rows_block {
    float *x;         /* [rows or all steps][n_inputs] */
    int32_t *tokens;  /* [rows or all steps][n_tokens]; NULL when the model has none */
    float *y;         /* [rows, sequences or all steps][n_targets] */
    uint32_t n_steps; /* of all sequences together, as `steps` told; rows without sequences */
};

/* Where rows come from: a table that stays compact, turned into floats one block at a time. */
struct ent_rows {
    void *ctx;
    uint32_t n;
    /* Rows rows[0..n) (each < this->n) as x [n][n_inputs], y [n] in {0, 1}. Writes every element.
     */
    void (*gather)(void *ctx, const uint32_t *rows, uint32_t n, float *x, float *y);
    /* Rows with tokens, sequences, several targets: used instead of gather when not NULL. Writes
     * every element. */
    void (*fill)(void *ctx, const uint32_t *rows, uint32_t n, const struct ent_rows_block *out);
    /* Steps of one sequence, 1 .. ent_model_seq_max; NULL: rows. */
    uint32_t (*steps)(void *ctx, uint32_t row);
};

/* Rows of a plain matrix, for tests, benches and small sets: `ctx` of ent_rows is this struct. */
struct ent_rows_matrix {
    const float *x; /* [n][n_inputs] */
    const float *y; /* [n] */
    uint32_t n_inputs;
};
struct ent_rows ent_rows_of_matrix(struct ent_rows_matrix *matrix, uint32_t n);

struct ent_train_progress {
    uint32_t epoch; /* from 1 */
    uint32_t epochs;
    uint64_t rows_done; /* over all epochs */
    uint64_t rows_total;
    double mean_loss; /* of this epoch so far */
};

struct ent_train_options {
    uint32_t epochs;
    uint32_t batch; /* rows; 0 = all rows in one step; the last batch of an epoch may be smaller */
    const struct ent_optim *optim;
    struct ent_optim_hyper hyper;
    uint64_t seed; /* of shuffles and dropout */
    /* What distinguishes calls under one seed, below 2^63: member and round. Members that shared it would
     * drop the same units at the same step, and the average could not smooth that out. */
    uint64_t stream;
    /* Either may be NULL. keep_going: before every batch; false ends the call with STOPPED.
     * progress: after every epoch and at most every 4096 rows. */
    bool (*keep_going)(void *ctx);
    void (*progress)(void *ctx, const struct ent_train_progress *progress);
    void *ctx;
    /* Optimizer state that outlives the call: [n_state * n_params] and the number of steps done so
     * far, updated. NULL: the state starts at zero in this call. */
    float *state;
    uint64_t *state_steps;
    /* The rate of the call: hyper.rate through the schedule for this round (1 ..) out of rounds. 0
     * rounds: hyper.rate as it is. */
    struct ent_schedule schedule;
    uint64_t round;
    uint64_t rounds;
    double clip_norm; /* the gradient's norm at most this; 0: not clipped */
    /* FedProx: mu * (params - base) is added to the gradient; 0: not. base [n_params], unchanged
     * during the call; NULL: the parameters at its start, which the trainer then copies. */
    double proximal;
    const float *base;
};

struct ent_train_result {
    double mean_loss;   /* of the last epoch, over its targets, while training */
    uint64_t rows_done; /* over all epochs */
    uint64_t steps;
};

struct ent_trainer;

/* Everything a later call needs, for at most n_rows rows. The model is borrowed until
 * ent_trainer_free and must have been made for training. DATA for 0 rows, CONFIG for options that
 * make no sense. */
ENT_MUST enum ent_err ent_trainer_new(struct ent_model *model,
                                      const struct ent_train_options *options, uint32_t n_rows,
                                      struct ent_trainer **out);
void ent_trainer_free(struct ent_trainer *trainer);
/* options->epochs passes over the rows, from the model's present parameters; the result is in the
 * model. NONFINITE with advice when a loss or a parameter stops being finite; STOPPED; SHAPE for
 * more rows than announced. */
ENT_MUST enum ent_err ent_trainer_run(struct ent_trainer *trainer, const struct ent_rows *rows,
                                      const struct ent_train_options *options,
                                      struct ent_train_result *out);

/* new + free around one run. */
ENT_MUST enum ent_err ent_train(struct ent_model *model, const struct ent_rows *rows,
                                const struct ent_train_options *options,
                                struct ent_train_result *out);

/* Predictions of all rows in order, in blocks: `take` gets n probabilities and labels at a time.
 * More than one output: prob [n][n_outputs], y [n][n_targets]; with one output a step, n counts
 * steps. */
ENT_MUST enum ent_err ent_train_predict(struct ent_model *model, const struct ent_rows *rows,
                                        void (*take)(void *ctx, const float *prob, const float *y,
                                                     uint32_t n),
                                        void *ctx);

/* What a member trained: out = after - before, float32. out may be `after`. */
void ent_train_delta(const float *after, const float *before, size_t n, float *out);

/* A plan's model (batch_max from the plan's batch), and its training options without callbacks, stream,
 * round, state and base. */
ENT_MUST enum ent_err ent_train_model_new(const struct ent_plan *plan, bool training,
                                          struct ent_model **out);
void ent_train_options_of(const struct ent_plan *plan, struct ent_train_options *out);
/* What ent_train_model_new makes a model of; layers [ENT_MODEL_LAYERS_MAX] must outlive *out. */
void ent_train_model_options(const struct ent_plan *plan, bool training,
                             struct ent_model_layer *layers, struct ent_model_options *out);
/* Bytes that training and evaluating the plan take at most, beside the member's rows. A function of the plan alone;
 * nothing of that is allocated. LIMIT when they cannot be counted in a size_t. */
ENT_MUST enum ent_err ent_train_memory(const struct ent_plan *plan, size_t *bytes);

#endif
