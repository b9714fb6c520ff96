/* The dense layers of a batch ensemble (Wen et al. 2020, as tabular networks use it: Gorishniy et al. 2024): k members
 * share the matrices and have their own scales, biases and heads.
 *
 *   first layer     y_j = (x r_j) W s_j + b_j      r [k][n_in] input scales, W shared, s [k][n_out], b [k][n_out]
 *   hidden layers   y_j = x_j W s_j + b_j
 *   last layer      y_j = x_j W_j + b_j            W [k][n_in][n_out]: the heads
 *
 * (x r and W s: element by element in each row.) The first dense layer gets each row once and gives it k times, member
 * after member; from there on each member has its own block of rows. Gradients, with d_j = dy_j s_j:
 *   ds_j = column sums of dy_j z_j (z = the product before scale and bias), db_j = column sums of dy_j, dW = sum x_j^T d_j,
 *   dx_j = d_j W^T; in the first layer with G_j = x^T d_j: dW = sum_j r_j G_j (rows scaled), dr_j = row sums of W G_j. */
#include <math.h>
#include <string.h>

#include "common/math/cells.h"
#include "common/math/mat.h"
#include "common/math/vec.h"
#include "common/model/layer.h"

/* Places in the parameter vector; not all are there in every layer. */
struct params {
    size_t in_scale;
    size_t out_scale;
    size_t bias;
};

struct work {
    float *scaled; /* [rows_in][n_in] first layer */
    float *z;      /* [rows_out][n_out] training, but not the last layer */
    float *g;      /* [n_in][n_out] training, first layer */
    float *turned; /* [n_out][n_in] training, where dx is wanted */
};

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)n_in;
    ENT_REQUIRE(spec->units >= 1 && spec->units <= ENT_MODEL_UNITS_MAX, ENT_E_CONFIG,
                "dense: %u units; 1 to %u are possible", spec->units, ENT_MODEL_UNITS_MAX);
    *n_out = spec->units;
    return ENT_E_OK;
}

static uint32_t tensors(const struct ent_layer *layer,
                        struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX])
{
    uint32_t k = layer->members;
    uint32_t n = 0;

    if (layer->last) {
        out[n++] = (struct ent_layer_tensor){
            .name = "weight", .n_dims = 3, .dims = {k, layer->n_in, layer->n_out}, .decays = true};
    } else {
        out[n++] = (struct ent_layer_tensor){
            .name = "weight", .n_dims = 2, .dims = {layer->n_in, layer->n_out}, .decays = true};
        if (layer->expands) {
            out[n++] = (struct ent_layer_tensor){
                .name = "in_scale", .n_dims = 2, .dims = {k, layer->n_in}};
        }
        out[n++] =
            (struct ent_layer_tensor){.name = "out_scale", .n_dims = 2, .dims = {k, layer->n_out}};
    }
    out[n++] = (struct ent_layer_tensor){.name = "bias", .n_dims = 2, .dims = {k, layer->n_out}};
    return n;
}

static size_t n_matrix(const struct ent_layer *layer)
{
    return (size_t)layer->n_in * layer->n_out;
}

static struct params places(const struct ent_layer *layer)
{
    size_t k = layer->members;
    struct params p = {0};

    if (layer->last) {
        p.bias = k * n_matrix(layer);
        return p;
    }
    p.in_scale = n_matrix(layer);
    p.out_scale = p.in_scale + (layer->expands ? k * layer->n_in : 0);
    p.bias = p.out_scale + k * layer->n_out;
    return p;
}

/* He-normal matrices, input scales +-1 at random (so the members start apart), output scales 1. */
static void init(const struct ent_layer *layer, struct ent_rng *rng, float *params)
{
    struct params p = places(layer);
    double sd = sqrt(2.0 / layer->n_in);
    size_t n_weights = layer->last ? p.bias : n_matrix(layer);

    for (size_t i = 0; i < n_weights; i++) {
        params[i] = (float)(sd * ent_rng_normal(rng));
    }
    if (!layer->last) {
        for (size_t i = p.in_scale; i < p.out_scale; i++) {
            params[i] = ent_rng_float(rng) < 0.5f ? -1.0f : 1.0f;
        }
        for (size_t i = p.out_scale; i < p.bias; i++) {
            params[i] = 1.0f;
        }
    }
    memset(params + p.bias, 0, (size_t)layer->members * layer->n_out * sizeof *params);
}

static size_t lay_out(const struct ent_layer *layer, float *base, struct work *w)
{
    bool train = layer->training;
    bool scales = layer->expands && (!layer->last || train);
    struct {
        float **place;
        size_t n;
    } parts[] = {
        {&w->scaled, scales ? layer->rows_in * layer->n_in : 0},
        {&w->z, train && !layer->last ? layer->rows_out * layer->n_out : 0},
        {&w->g, train && layer->expands ? n_matrix(layer) : 0},
        {&w->turned, train && !layer->first ? n_matrix(layer) : 0},
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].place = base != NULL ? base + at : NULL;
        at += (parts[i].n + 15) / 16 * 16; /* whole cache lines */
    }
    return at;
}

static size_t n_work(const struct ent_layer *layer)
{
    struct work w;

    return lay_out(layer, NULL, &w);
}

static size_t rows_each(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    return layer->expands ? pass->n : pass->n / layer->members;
}

static void forward_heads(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t rows = rows_each(layer, pass);
    struct params p = places(layer);

    for (size_t j = 0; j < layer->members; j++) {
        const float *x = pass->x + (layer->expands ? 0 : j * rows * layer->n_in);

        ent_mat_mul_bias(x, pass->params + j * n_matrix(layer),
                         pass->params + p.bias + j * layer->n_out, false,
                         layer->y + j * rows * layer->n_out, rows, layer->n_out, layer->n_in);
    }
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    size_t rows = rows_each(layer, pass);
    struct params p = places(layer);
    struct work w;

    if (layer->last) {
        forward_heads(layer, pass);
        return;
    }
    (void)lay_out(layer, layer->work, &w);
    for (size_t j = 0; j < layer->members; j++) {
        const float *x = layer->expands ? w.scaled : pass->x + j * rows * layer->n_in;
        float *y = layer->y + j * rows * layer->n_out;
        float *z = layer->training ? w.z + j * rows * layer->n_out : y;
        struct ent_scale_rows scale = {.z = z,
                                       .scale = pass->params + p.out_scale + j * layer->n_out,
                                       .bias = pass->params + p.bias + j * layer->n_out,
                                       .y = y,
                                       .relu = layer->relu_inside};

        if (layer->expands) {
            ent_cells_mul_rows(pass->x, pass->params + p.in_scale + j * layer->n_in, w.scaled, rows,
                               layer->n_in);
        }
        ent_mat_mul_bias(x, pass->params, NULL, false, z, rows, layer->n_out, layer->n_in);
        ent_cells_scale_rows(&scale, rows, layer->n_out);
    }
}

/* dx of the first dense layer adds up over the members. */
static void add_dx(const struct ent_layer_pass *pass, const float *dx, bool first, size_t n)
{
    if (first) {
        memcpy(pass->dx, dx, n * sizeof *dx);
    } else {
        ent_vec_axpy(1.0f, dx, pass->dx, n);
    }
}

static void backward_heads(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                           const struct work *w)
{
    size_t rows = rows_each(layer, pass);
    struct params p = places(layer);
    size_t n_in = layer->n_in;
    size_t n_out = layer->n_out;

    for (size_t j = 0; j < layer->members; j++) {
        const float *x = pass->x + (layer->expands ? 0 : j * rows * n_in);
        const float *dy = pass->dy + j * rows * n_out;
        const float *weight = pass->params + j * n_matrix(layer);
        float *dx = layer->expands ? w->scaled : pass->dx + j * rows * n_in;

        ent_mat_mul_tn(x, dy, pass->add, pass->gradient + j * n_matrix(layer), n_in, n_out, rows);
        ent_mat_col_sums(dy, pass->add, pass->gradient + p.bias + j * n_out, rows, n_out);
        if (pass->dx == NULL) {
            continue;
        }
        ent_mat_transpose(weight, w->turned, n_in, n_out);
        ent_mat_mul_bias(dy, w->turned, NULL, false, dx, rows, n_in, n_out);
        if (layer->expands) {
            add_dx(pass, dx, j == 0, rows * n_in);
        }
    }
}

/* G of one member into the gradients of the shared matrix and of the member's input scales. */
static void backward_input(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                           const struct work *w, size_t member)
{
    struct params p = places(layer);
    size_t n_out = layer->n_out;
    const float *scale = pass->params + p.in_scale + member * layer->n_in;
    float *dscale = pass->gradient + p.in_scale + member * layer->n_in;

    for (size_t i = 0; i < layer->n_in; i++) {
        const float *g = w->g + i * n_out;
        float d = ent_vec_dot(pass->params + i * n_out, g, n_out);

        dscale[i] = pass->add ? dscale[i] + d : d;
        ent_vec_axpy(scale[i], g, pass->gradient + i * n_out, n_out);
    }
}

static void backward_member(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                            const struct work *w, size_t j)
{
    size_t rows = rows_each(layer, pass);
    struct params p = places(layer);
    size_t n_in = layer->n_in;
    size_t n_out = layer->n_out;
    float *dy = pass->dy + j * rows * n_out;
    struct ent_scale_rows_back scale = {.z = w->z + j * rows * n_out,
                                        .scale = pass->params + p.out_scale + j * n_out,
                                        .dy = dy,
                                        .dscale = pass->gradient + p.out_scale + j * n_out,
                                        .dbias = pass->gradient + p.bias + j * n_out,
                                        .add = pass->add};

    ent_cells_scale_rows_back(&scale, rows, n_out);
    if (layer->expands) {
        ent_mat_mul_tn(pass->x, dy, false, w->g, n_in, n_out, rows);
        backward_input(layer, pass, w, j);
    } else {
        ent_mat_mul_tn(pass->x + j * rows * n_in, dy, pass->add || j > 0, pass->gradient, n_in,
                       n_out, rows);
    }
    if (pass->dx == NULL) {
        return;
    }
    if (!layer->expands) {
        ent_mat_mul_bias(dy, w->turned, NULL, false, pass->dx + j * rows * n_in, rows, n_in, n_out);
        return;
    }
    ent_mat_mul_bias(dy, w->turned, NULL, false, w->scaled, rows, n_in, n_out);
    ent_cells_mul_rows(w->scaled, pass->params + p.in_scale + j * n_in, w->scaled, rows, n_in);
    add_dx(pass, w->scaled, j == 0, rows * n_in);
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    struct work w;

    (void)lay_out(layer, layer->work, &w);
    if (layer->last) {
        backward_heads(layer, pass, &w);
        return;
    }
    if (layer->expands && !pass->add) {
        memset(pass->gradient, 0, n_matrix(layer) * sizeof *pass->gradient);
    }
    if (pass->dx != NULL) {
        ent_mat_transpose(pass->params, w.turned, layer->n_in, layer->n_out);
    }
    for (size_t j = 0; j < layer->members; j++) {
        backward_member(layer, pass, &w, j);
    }
}

const struct ent_layer_vtable ent_layer_ensemble = {
    .name = "dense",
    .shape = shape,
    .tensors = tensors,
    .init = init,
    .n_work = n_work,
    .forward = forward,
    .backward = backward,
};
