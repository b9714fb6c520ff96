/* What a layer kind is. Inside the model room and its tests only.
 *
 * A layer kind is one file with one vtable. Layers with `in_place` set change their input's buffer; the others write to
 * a buffer of their own. Kinds know nothing of each other except for one fusion: a dense layer in front of a relu does
 * the relu in its own epilogue (`relu_inside`), and the relu layer then only does its backward pass. */
#ifndef ENT_COMMON_MODEL_LAYER_H
#define ENT_COMMON_MODEL_LAYER_H

#include "common/model/model.h"

#define ENT_LAYER_TENSORS_MAX 4
#define ENT_LAYER_DIMS_MAX 2

struct ent_layer_tensor {
    const char *name; /* "weight" */
    uint32_t n_dims;
    uint32_t dims[ENT_LAYER_DIMS_MAX];
};

/* One layer of a model, with its sizes known. */
struct ent_layer {
    const struct ent_layer_vtable *vtable;
    struct ent_model_layer spec;
    uint32_t n_in;
    uint32_t n_out;
    size_t first_param; /* of this layer in the parameter vector */
    size_t n_params;
    bool relu_inside;  /* dense: the next layer is relu and is done here */
    bool forward_done; /* relu: the layer before has done it */
    float *y;          /* [block][n_out] */
    uint8_t *kept;     /* dropout: one bit an element */
    float *work;       /* [vtable->n_work()] */
};

/* One pass over n rows. */
struct ent_layer_pass {
    const float *x;      /* [n][n_in]; for in-place layers that are not the first, x == layer->y */
    const float *params; /* the layer's own */
    float *gradient;     /* the layer's own; backward only */
    float *dy;           /* [n][n_out]; backward only; in-place layers change it */
    float *dx;           /* [n][n_in]; NULL for the first layer: nobody asks */
    struct ent_rng *rng; /* training passes only; NULL when scoring: no dropout */
    uint32_t n;
    bool add; /* backward adds to the gradient instead of replacing it */
};

struct ent_layer_vtable {
    const char *name;
    bool in_place;
    /* Checks the spec; *n_out. CONFIG. */
    enum ent_err (*shape)(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out);
    /* Parameter tensors in vector order; their number. NULL: none. */
    uint32_t (*tensors)(uint32_t n_in, uint32_t n_out,
                        struct ent_layer_tensor tensors[ENT_LAYER_TENSORS_MAX]);
    void (*init)(const struct ent_layer *layer, struct ent_rng *rng,
                 float *params);                     /* NULL: no parameters */
    size_t (*n_work)(const struct ent_layer *layer); /* floats; NULL: none */
    void (*forward)(const struct ent_layer *layer, const struct ent_layer_pass *pass);
    void (*backward)(const struct ent_layer *layer, const struct ent_layer_pass *pass);
};

/* NULL for a number that is no kind. */
const struct ent_layer_vtable *ent_layer_vtable(enum ent_model_layer_kind kind);

/* Sizes of a whole stack: fills layers [n_layers] except for buffers. CONFIG, LIMIT. */
ENT_MUST enum ent_err ent_layers_shape(const struct ent_model_options *options,
                                       struct ent_layer *layers, size_t *n_params);

#endif
