#include "common/model/recurrent.h"

#include <math.h>
#include <string.h>

#include "common/math/mat.h"
#include "common/model/clip_norm.h"

enum ent_err ent_recurrent_shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    (void)n_in;
    ENT_REQUIRE(spec->units >= 1 && spec->units <= ENT_MODEL_UNITS_MAX, ENT_E_CONFIG,
                "recurrent layer: %u units; 1 to %u are possible", spec->units,
                ENT_MODEL_UNITS_MAX);
    *n_out = spec->units;
    return ENT_E_OK;
}

uint32_t ent_recurrent_tensors(const struct ent_layer *layer,
                               struct ent_layer_tensor out[ENT_LAYER_TENSORS_MAX])
{
    uint32_t wide = layer->vtable->recurrent->gates * layer->n_out;

    out[0] = (struct ent_layer_tensor){
        .name = "weight_x", .n_dims = 2, .dims = {layer->n_in, wide}, .decays = true};
    out[1] = (struct ent_layer_tensor){
        .name = "weight_h", .n_dims = 2, .dims = {layer->n_out, wide}, .decays = true};
    out[2] = (struct ent_layer_tensor){.name = "bias_x", .n_dims = 1, .dims = {wide}};
    out[3] = (struct ent_layer_tensor){.name = "bias_h", .n_dims = 1, .dims = {wide}};
    return 4;
}

void ent_recurrent_init(const struct ent_layer *layer, struct ent_rng *rng, float *params)
{
    float bound = (float)(1.0 / sqrt((double)layer->n_out));

    for (size_t i = 0; i < layer->n_params; i++) {
        params[i] = bound * (2.0f * ent_rng_float(rng) - 1.0f);
    }
}

/* The layer's work memory and parameters by name. S rows, B sequences, U units, G gates. */
struct work {
    float *gates;      /* [S][GU] */
    float *cell;       /* [S][U] */
    float *cell_tanh;  /* [S][U] */
    float *hidden;     /* [B][GU] */
    float *bias;       /* [GU] */
    float *before;     /* [S][U] states before each step but the first; training from here on */
    float *dhidden;    /* [S][GU] */
    float *carry;      /* [B][U] */
    float *cell_carry; /* [B][U] */
    float *turned;     /* [GU][U] weight_h transposed */
    float *transpose;  /* [ent_mat_nt_work] */
};

struct params {
    size_t weight_h;
    size_t bias_x;
    size_t bias_h;
};

static struct params places(const struct ent_layer *layer, size_t wide)
{
    struct params p = {.weight_h = layer->n_in * wide};

    p.bias_x = p.weight_h + layer->n_out * wide;
    p.bias_h = p.bias_x + wide;
    return p;
}

/* Fills w from base (NULL: only counts); the number of floats. */
static size_t lay_out(const struct ent_layer *layer, float *base, struct work *w)
{
    size_t units = layer->n_out;
    size_t wide = layer->vtable->recurrent->gates * units;
    size_t train = layer->training ? 1 : 0;
    struct {
        float **place;
        size_t n;
    } parts[] = {
        {&w->gates, layer->rows_in * wide},
        {&w->cell, layer->rows_in * units},
        {&w->cell_tanh, layer->rows_in * units},
        {&w->hidden, layer->seqs * wide},
        {&w->bias, wide},
        {&w->before, train * layer->rows_in * units},
        {&w->dhidden, train * layer->rows_in * wide},
        {&w->carry, train * layer->seqs * units},
        {&w->cell_carry, train * layer->seqs * units},
        {&w->turned, train * wide * units},
        {&w->transpose, layer->training && !layer->first ? ent_mat_nt_work(layer->n_in, wide) : 0},
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].place = base != NULL ? base + at : NULL;
        at += (parts[i].n + 15) / 16 * 16; /* whole cache lines */
    }
    return at;
}

size_t ent_recurrent_n_work(const struct ent_layer *layer)
{
    struct work w;

    return lay_out(layer, NULL, &w);
}

static size_t rows_at(const struct ent_pack *pack, uint32_t t)
{
    return pack->first[t + 1] - pack->first[t];
}

static void step_forward(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                         const struct work *w, uint32_t t)
{
    const struct ent_recurrent *kind = layer->vtable->recurrent;
    size_t units = layer->n_out;
    size_t wide = kind->gates * units;
    struct params p = places(layer, wide);
    size_t at = pass->pack->first[t];
    size_t past = t > 0 ? pass->pack->first[t - 1] : 0;
    const float *h = t > 0 ? layer->y + past * units : NULL;
    struct ent_cell cell = {.rows = rows_at(pass->pack, t),
                            .units = units,
                            .gates = w->gates + at * wide,
                            .hidden_gates = pass->params + p.bias_h,
                            .h = layer->y + at * units,
                            .cell = w->cell + at * units,
                            .cell_tanh = w->cell_tanh + at * units};

    if (t > 0) {
        cell.before = kind->own_cell ? w->cell + past * units : h;
    }
    if (h != NULL && kind->own_hidden) {
        ent_mat_mul_bias(h, pass->params + p.weight_h, pass->params + p.bias_h, false, w->hidden,
                         cell.rows, wide, units);
        cell.hidden_gates = w->hidden;
        cell.hidden_stride = wide;
    } else if (h != NULL) {
        ent_mat_mul_add(h, pass->params + p.weight_h, cell.gates, cell.rows, wide, units);
    }
    kind->forward(&cell);
}

void ent_recurrent_forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    const struct ent_recurrent *kind = layer->vtable->recurrent;
    size_t wide = kind->gates * (size_t)layer->n_out;
    struct params p = places(layer, wide);
    const float *bias = pass->params + p.bias_x;
    struct work w;

    (void)lay_out(layer, layer->work, &w);
    if (!kind->own_hidden) { /* both biases go into the same sums */
        for (size_t i = 0; i < wide; i++) {
            w.bias[i] = bias[i] + pass->params[p.bias_h + i];
        }
        bias = w.bias;
    }
    ent_mat_mul_bias(pass->x, pass->params, bias, false, w.gates, pass->n, wide, layer->n_in);
    for (uint32_t t = 0; t < pass->pack->n_times; t++) {
        step_forward(layer, pass, &w, t);
    }
}

/* Derivatives by the sums of step t, and what goes on to step t - 1. */
static void step_back(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                      const struct work *w, uint32_t t)
{
    const struct ent_recurrent *kind = layer->vtable->recurrent;
    size_t units = layer->n_out;
    size_t wide = kind->gates * units;
    size_t at = pass->pack->first[t];
    size_t past = t > 0 ? pass->pack->first[t - 1] : 0;
    float *dhidden = kind->own_hidden ? w->dhidden + at * wide : w->gates + at * wide;
    struct ent_cell_back cell = {.rows = rows_at(pass->pack, t),
                                 .units = units,
                                 .gates = w->gates + at * wide,
                                 .dhidden = dhidden,
                                 .cell = (kind->own_hidden || kind->own_cell ? w->cell : layer->y) +
                                         at * units,
                                 .cell_tanh = w->cell_tanh + at * units,
                                 .dh = pass->dy + at * units,
                                 .carry = w->carry,
                                 .cell_carry = w->cell_carry};

    if (t > 0) {
        cell.before = (kind->own_cell ? w->cell : layer->y) + past * units;
    }
    kind->back(&cell);
    if (t == 0) {
        return;
    }
    if (layer->truncate > 0 && t % layer->truncate == 0) { /* the state before counts as given */
        memset(w->carry, 0, cell.rows * units * sizeof *w->carry);
        memset(w->cell_carry, 0, cell.rows * units * sizeof *w->cell_carry);
    } else if (kind->own_hidden) {
        ent_mat_mul_add(dhidden, w->turned, w->carry, cell.rows, units, wide);
    } else {
        ent_mat_mul_bias(dhidden, w->turned, NULL, false, w->carry, cell.rows, units, wide);
    }
}

/* The states before each step but the first, row by row as the steps lie. */
static const float *states_before(const struct ent_layer *layer, const struct ent_pack *pack,
                                  const struct work *w)
{
    size_t units = layer->n_out;

    if (pack->n_steps == (size_t)pack->n * pack->n_times) {
        return layer->y; /* all alike: the same rows, one step later */
    }
    for (uint32_t t = 1; t < pack->n_times; t++) {
        memcpy(w->before + (pack->first[t] - pack->first[1]) * units,
               layer->y + pack->first[t - 1] * units, rows_at(pack, t) * units * sizeof(float));
    }
    return w->before;
}

static void gradients(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                      const struct work *w)
{
    const struct ent_recurrent *kind = layer->vtable->recurrent;
    size_t units = layer->n_out;
    size_t wide = kind->gates * units;
    struct params p = places(layer, wide);
    size_t skip = pass->pack->first[1];
    const float *dhidden = kind->own_hidden ? w->dhidden : w->gates;

    ent_mat_mul_tn(pass->x, w->gates, pass->add, pass->gradient, layer->n_in, wide, pass->n);
    ent_mat_mul_tn(states_before(layer, pass->pack, w), dhidden + skip * wide, pass->add,
                   pass->gradient + p.weight_h, units, wide, pass->n - skip);
    ent_mat_col_sums(w->gates, pass->add, pass->gradient + p.bias_x, pass->n, wide);
    if (kind->own_hidden) {
        ent_mat_col_sums(dhidden, pass->add, pass->gradient + p.bias_h, pass->n, wide);
    } else {
        memcpy(pass->gradient + p.bias_h, pass->gradient + p.bias_x, wide * sizeof(float));
    }
}

/* All steps, the last first; then the derivatives by the sums stand in the work memory. */
static void way_back(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                     const struct work *w)
{
    size_t units = layer->n_out;
    size_t wide = layer->vtable->recurrent->gates * units;

    ent_mat_transpose(pass->params + places(layer, wide).weight_h, w->turned, units, wide);
    memset(w->carry, 0, pass->pack->n * units * sizeof *w->carry);
    memset(w->cell_carry, 0, pass->pack->n * units * sizeof *w->cell_carry);
    for (uint32_t t = pass->pack->n_times; t-- > 0;) {
        step_back(layer, pass, w, t);
    }
}

static void input_back(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                       const struct work *w)
{
    size_t wide = layer->vtable->recurrent->gates * (size_t)layer->n_out;

    if (pass->dx != NULL) {
        ent_mat_mul_nt(w->gates, pass->params, w->transpose, pass->dx, pass->n, layer->n_in, wide);
    }
}

void ent_recurrent_backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    struct work w;

    (void)lay_out(layer, layer->work, &w);
    way_back(layer, pass, &w);
    gradients(layer, pass, &w);
    input_back(layer, pass, &w);
}

/* Both biases see the same derivatives, unless the sums of the state are apart. */
void ent_recurrent_norms(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                         double *squares)
{
    bool own = layer->vtable->recurrent->own_hidden;
    size_t wide = layer->vtable->recurrent->gates * (size_t)layer->n_out;
    struct ent_clip_outer outer = {.a = pass->x,
                                   .n_a = layer->n_in,
                                   .n_d = wide,
                                   .biases = own ? 1.0 : 2.0,
                                   .n = pass->n,
                                   .work = pass->gradient};
    struct work w;

    ENT_BUG_ON(pass->pack->n != 1);
    (void)lay_out(layer, layer->work, &w);
    way_back(layer, pass, &w);
    outer.d = w.gates;
    squares[0] += ent_clip_outer_square(&outer);
    if (own) {
        outer = (struct ent_clip_outer){
            .a = pass->x, .d = w.dhidden, .n_d = wide, .biases = 1.0, .n = pass->n};
        squares[0] += ent_clip_outer_square(&outer);
    }
    outer = (struct ent_clip_outer){.a = layer->y,
                                    .n_a = layer->n_out,
                                    .d = (own ? w.dhidden : w.gates) + wide,
                                    .n_d = wide,
                                    .n = pass->n - 1,
                                    .work = pass->gradient};
    squares[0] += ent_clip_outer_square(&outer);
    input_back(layer, pass, &w);
}

void ent_recurrent_clipped(const struct ent_layer *layer, const struct ent_layer_pass *pass,
                           const float *factors, double *sum)
{
    bool own = layer->vtable->recurrent->own_hidden;
    size_t wide = layer->vtable->recurrent->gates * (size_t)layer->n_out;
    struct work w;

    (void)lay_out(layer, layer->work, &w);
    ent_clip_scale(w.gates, pass->n, wide, factors, true);
    if (own) {
        ent_clip_scale(w.dhidden, pass->n, wide, factors, true);
    }
    gradients(layer, pass, &w);
    ent_clip_add(pass->gradient, sum, layer->n_params);
}
