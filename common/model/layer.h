/* What a layer kind is. Inside the model room and its tests only.
 *
 * A layer kind is one file with one vtable. Layers with `in_place` set change their input's buffer; the others write to
 * a buffer of their own. Kinds know nothing of each other except for one fusion: a dense layer in front of a relu does
 * the relu in its own epilogue (`relu_inside`), and the relu layer then only does its backward pass.
 *
 * Rows: what a layer gets is rows, whether they are rows of a table or steps of sequences (then in packed order, see
 * struct ent_pack). Pooling layers turn steps into one row a sequence; the first dense layer of an ensemble makes k
 * copies of all rows, copy after copy. */
#ifndef ENT_COMMON_MODEL_LAYER_H
#define ENT_COMMON_MODEL_LAYER_H

#include "common/model/model.h"

#define ENT_LAYER_TENSORS_MAX 4
#define ENT_LAYER_DIMS_MAX 3

struct ent_layer_tensor {
    const char *name; /* "weight" */
    uint32_t n_dims;
    uint32_t dims[ENT_LAYER_DIMS_MAX];
    bool decays; /* weight decay shrinks it */
};

/* One layer of a model, with its sizes known. */
struct ent_layer {
    const struct ent_layer_vtable *vtable;
    struct ent_model_layer spec;
    uint32_t n_in;
    uint32_t n_out;
    uint32_t stride; /* floats of a row of y: n_out, but for embeddings, which share one buffer */
    size_t first_param; /* of this layer in the parameter vector */
    size_t n_params;
    uint32_t token;    /* embedding: its column */
    uint32_t n_tokens; /* embedding: columns there are */
    uint32_t members;  /* sub-networks; 1 without an ensemble */
    bool expands;      /* the rows come out `members` times */
    bool first;        /* of the model: nobody asks for dx */
    bool last;
    bool training;
    bool clips;        /* what a row gives may depend on nothing else in the pass */
    bool relu_inside;  /* dense: the next layer is relu and is done here */
    bool forward_done; /* relu: the layer before has done it */
    bool copies;       /* in-place, but with a buffer of its own */
    uint32_t truncate; /* recurrent: steps of back-propagation; 0: all */
    size_t rows_in;    /* rows the buffers hold */
    size_t rows_out;
    size_t seqs;   /* sequences they hold */
    float *y;      /* [rows_out][stride] */
    uint8_t *kept; /* dropout: one bit an element */
    float *work;   /* [vtable->n_work()] */
    float *
        dy; /* [rows_out][stride]; models that clip: derivative by y, kept until the products; in-place layers
                * share that of the layer before */
};

/* Sequences sorted by length, the longest first, and laid out time by time: step t of the sequence at place s is row
 * first[t] + s, and the sequences that have a step t are the first ones. */
struct ent_pack {
    uint32_t n;        /* sequences */
    uint32_t n_steps;  /* rows */
    uint32_t n_times;  /* steps of the longest */
    uint32_t *order;   /* [n] which sequence of the batch stands at a place */
    uint32_t *lengths; /* [n] by place */
    uint32_t *starts;  /* [n] by place: its first step in the batch */
    uint32_t *first;   /* [n_times + 1] */
};

/* One pass over n rows. */
struct ent_layer_pass {
    const float *x; /* [n][n_in]; for in-place layers that are not the first, x == layer->y */
    const int32_t *tokens; /* [n][n_tokens] */
    const float *params;   /* the layer's own */
    float *gradient;       /* the layer's own; backward only */
    float *dy; /* [rows out][stride]; backward only; in-place layers change it, others may */
    float *dx; /* [n][n_in]; NULL for the first layer: nobody asks */
    struct ent_rng *rng;         /* training passes only; NULL when scoring: no dropout */
    const struct ent_pack *pack; /* NULL: rows */
    size_t n;                    /* rows in */
    bool add;                    /* backward adds to the gradient instead of replacing it */
};

struct ent_recurrent;

struct ent_layer_vtable {
    const char *name;
    bool in_place;
    bool keeps_y; /* its way back reads y: an in-place layer behind it works on a copy */
    bool pools;   /* needs sequences and ends them */
    const struct ent_recurrent *recurrent; /* its cell; needs sequences. NULL: it is none */
    /* Checks the spec; *n_out. CONFIG. */
    enum ent_err (*shape)(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out);
    /* Parameter tensors in vector order; their number. NULL: none. */
    uint32_t (*tensors)(const struct ent_layer *layer,
                        struct ent_layer_tensor tensors[ENT_LAYER_TENSORS_MAX]);
    void (*init)(const struct ent_layer *layer, struct ent_rng *rng,
                 float *params);                     /* NULL: no parameters */
    size_t (*n_work)(const struct ent_layer *layer); /* floats; NULL: none */
    void (*forward)(const struct ent_layer *layer, const struct ent_layer_pass *pass);
    void (*backward)(const struct ent_layer *layer, const struct ent_layer_pass *pass);
    /* Clipping by example (clip.h): backward in two halves, for kinds with parameters; NULL: it cannot be done. An
     * example is a row, or, in a pass with a pack, all rows of its one sequence. `gradient` is work memory.
     * norms: dx, and squares[example] += squared norm of the example's gradient; not finite where it must not be used.
     * clipped: sum += factors[example] * its gradient; changes dy. */
    void (*norms)(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                  double *squares);
    void (*clipped)(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                    const float *factors, double *sum);
    /* It draws random numbers by position: what a row's gradient is depends on where it stands. */
    bool draws;
};

/* What a layer's description holds besides its kind. */
enum ent_layer_argument { ENT_LAYER_BARE, ENT_LAYER_UNITS, ENT_LAYER_UNITS_VALUES, ENT_LAYER_RATE };
enum ent_layer_argument ent_layer_argument(enum ent_model_layer_kind kind);

/* NULL for a number that is no kind. */
const struct ent_layer_vtable *ent_layer_vtable(enum ent_model_layer_kind kind);
/* What stands for dense in an ensemble. */
extern const struct ent_layer_vtable ent_layer_ensemble;

/* Sizes of a whole stack: fills layers [n_layers] except for buffers. CONFIG, LIMIT. */
ENT_MUST enum ent_err ent_layers_shape(const struct ent_model_options *options,
                                       struct ent_layer *layers, size_t *n_params);

/* Start of all layers' parameters. */
void ent_layers_init(const struct ent_layer *layers, uint32_t n, struct ent_rng *rng,
                     float *params);

#endif
