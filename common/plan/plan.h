/* IN plan.yaml, federation.yaml, client.yaml (bytes) · OUT structs, digests, or an error with
 * file:line:column OWNS the parsed structs · THREADS any (immutable after parsing) · SOURCE
 * protocol.md 5
 *
 * The plan: what is computed. plan.yaml's bytes travel verbatim; its SHA-256 is the plan digest. */
#ifndef ENT_COMMON_PLAN_PLAN_H
#define ENT_COMMON_PLAN_PLAN_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/feature/feature.h"
#include "common/feature/sequence.h"
#include "common/model/model.h"
#include "common/model/modelfile.h"
#include "common/optim/optim.h"
#include "common/optim/server.h"
#include "common/plan/privacy.h"
#include "common/task/task.h"

#define ENT_PLAN_MAX_MEMBERS 2000   /* ENT_WIRE_COHORT_MAX */
#define ENT_PLAN_MAX_BYTES 1048576U /* what travels: ENT_WIRE_PLAN_MAX_BYTES */
#define ENT_PLAN_MAX_FEATURES 4096
#define ENT_PLAN_MAX_VALUES 60000     /* of one category: codes are 16 bit in a member's table */
#define ENT_PLAN_MAX_DECLARED 1000000 /* values of all categories together */
#define ENT_PLAN_MAX_INPUTS 262144
#define ENT_PLAN_MAX_LAYERS ENT_MODEL_LAYERS_MAX /* embeddings in front and model.layers */
#define ENT_PLAN_MAX_LIST 64                     /* entries of model.layers */
#define ENT_PLAN_MAX_CLASSES 65536
#define ENT_PLAN_MAX_EMBED 4096       /* length of a vector */
#define ENT_PLAN_MAX_PARAMS 100000000 /* 400 MB of float32 */

/* Stream of the plan's seed that the first parameters are drawn from. */
#define ENT_PLAN_INIT_STREAM 1

/* One entry of model.layers, or an embedding in front of them. */
struct ent_layer_spec {
    enum ent_model_layer_kind kind;
    uint32_t units;  /* DENSE, RNN, GRU, LSTM, EMBEDDING */
    double rate;     /* DROPOUT: probability of zero, [0, 1) */
    uint32_t values; /* EMBEDDING */
};

/* What the label is: one value against all others, one of n_classes, or a number. */
enum ent_label_kind { ENT_LABEL_POSITIVE, ENT_LABEL_CLASSES, ENT_LABEL_NUMBER };
enum ent_weights_rule { ENT_WEIGHTS_EQUAL, ENT_WEIGHTS_EXAMPLES_LOG2, ENT_WEIGHTS_FIXED };

/* What the pooled validation rows choose the best round by. */
enum ent_best_by { ENT_BEST_BY_LOG_LOSS, ENT_BEST_BY_AUC };

struct ent_optim_spec {
    const struct ent_optim *optim;
    struct ent_optim_hyper hyper;
    bool keep_state; /* kept between rounds; default true for adam and adamw, false for sgd */
};

/* What the coordinator makes of a round's mean update. */
struct ent_server_spec {
    const struct ent_server_optim *optim; /* never NULL; "sgd" with rate 1: plain averaging */
    struct ent_server_hyper hyper;
};

struct ent_fixed_weight {
    const char *member; /* its name in the roster */
    uint32_t weight;
};

struct ent_plan {
    struct ent_arena arena;
    uint8_t digest[32];

    struct ent_feature *features; /* a date is several, see common/feature/feature.h */
    uint32_t n_features;
    uint32_t n_inputs;
    const char *salt;             /* of hashed values; NULL: nothing is hashed */
    bool drop_duplicates;         /* rows that equal an earlier one in unit, features and label */
    struct ent_sequence sequence; /* unit NULL: rows */
    const char *label_name;       /* of sequences: what is predicted, in words */
    const char *label_positive;   /* "" unless one value is predicted against all others */

    uint64_t split_key;
    double split_validation; /* fraction of the units; of those left after the test rows when
                                test_file */
    double split_test;
    bool split_test_file; /* `test: file`: the member's own file of row numbers (client.yaml
                             split_file) */

    enum ent_label_kind label_kind;
    uint32_t n_classes;              /* ENT_LABEL_CLASSES */
    const char *const *label_values; /* of rows, ENT_LABEL_CLASSES: [n_classes] */
    double
        label_lo; /* ENT_LABEL_NUMBER: targets are clipped to this range, which the model sees as -1 .. 1 */
    double label_hi;

    /* The first n_embeddings are embeddings: one for each token of a row or step, in their order. */
    struct ent_layer_spec *layers;
    uint32_t n_layers;
    uint32_t n_embeddings;
    enum ent_model_loss_kind loss;
    float *class_weights; /* [n_class_weights], or NULL and 0 */
    uint32_t n_class_weights;
    uint32_t ensemble; /* sub-networks; 1: none */
    uint32_t seq_max;  /* steps of the longest sequence; 0: rows */
    uint32_t truncate; /* steps of back-propagation; 0: all */
    size_t n_params;

    uint32_t rounds; /* 0 = statistics and evaluation of the base only */
    uint32_t epochs;
    uint32_t batch; /* rows; 0 = full batch */
    struct ent_optim_spec optimizer;
    struct ent_schedule schedule;
    double clip_norm;  /* 0: not clipped */
    double proximal;   /* FedProx's mu; 0: none */
    uint32_t patience; /* rounds without a better model that end training; 0: never */
    enum ent_best_by best_by;
    uint64_t seed;

    const char *rule; /* "fedavg": a name out of aggregators.def */
    struct ent_server_spec server;
    enum ent_weights_rule weights;
    struct ent_fixed_weight *fixed_weights;
    uint32_t n_fixed_weights;
    uint32_t scale_bits;
    uint32_t min_members;
    uint32_t attempts;
    uint64_t join_ms;
    uint64_t update_ms;

    uint32_t min_group; /* nothing is counted or shown of fewer customers (common/task/floor.h) */
    struct ent_plan_privacy privacy; /* unit NONE: the plan has none */
    const char *purpose;             /* what the model is for, a code; NULL: not said */
};

#define ENT_PLAN_PURPOSE_MAX 64
/* Whether it is a code that a plan may state as its purpose, and a member's policy may list: 1 to
 * ENT_PLAN_PURPOSE_MAX of a-z, 0-9, '_' and '-'. */
bool ent_plan_purpose_ok(const char *code);

/* Parse plan.yaml. `name` stands in error messages. Unknown keys, wrong types, values outside their
 * range and illegal pairs of options are CONFIG errors that name file:line:column, the value and
 * what is allowed. */
ENT_MUST enum ent_err ent_plan_parse(const char *name, const uint8_t *yaml, size_t len,
                                     struct ent_plan **out);
/* The same from a file; its base name stands in messages. NOT_FOUND, IO, CONFIG. */
ENT_MUST enum ent_err ent_plan_read(const char *path, struct ent_plan **out);
void ent_plan_free(struct ent_plan *plan);

/* The plan's layers as the model room wants them: fills layers[n_layers] (room for
 * ENT_PLAN_MAX_LAYERS) and *out, which points at `layers` and into the plan. batch_max: rows of the largest batch the caller will use (plan.batch may be 0 = full).
 */
void ent_plan_model_options(const struct ent_plan *plan, uint32_t batch_max,
                            struct ent_model_layer *layers, struct ent_model_options *out);
/* What a model file says of the plan's features, label and sequences (borrowed). */
void ent_plan_model_info(const struct ent_plan *plan, struct ent_model_info *info);
/* Whether such a file's label and sequences are the plan's. */
bool ent_plan_same_label(const struct ent_plan *plan, const struct ent_model_info *info);
/* Parameters of the plan's model (the parser has checked that they can be counted). */
size_t ent_plan_n_params(const struct ent_plan *plan);
/* Which training round a run's round `round` is, or follows: rounds are statistics, then training and
 * (with validation rows) an evaluation in turn. So a member knows the rate that is due whatever it
 * is told. Without statistics (ent_plan_no_stats) training is the first. 0 before the first; at most plan->rounds. */
uint32_t ent_plan_train_round(const struct ent_plan *plan, uint64_t round);
/* What sizes the plan's task vectors (borrows the plan's features). */
struct ent_task_sizes ent_plan_task_sizes(const struct ent_plan *plan);
/* Weight of a member under `weights: fixed`; 0 when the plan does not list it. */
uint32_t ent_plan_fixed_weight(const struct ent_plan *plan, const char *member);

/* For plan-check: what the plan asks for, in words and figures (features, inputs, parameters,
 * bytes a round and member, rounds, deadlines). */
void ent_plan_check_print(const struct ent_plan *plan, FILE *out);
/* Every key of plan.yaml: type, range, default, meaning. */
void ent_plan_print_fields(FILE *out);

#endif
