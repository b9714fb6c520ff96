/* Inverted dropout (Srivastava et al. 2014), in place: kept units are scaled up in training, nothing happens in scoring.
 * The bits come from the counter of the caller's stream, which moves on by what was used. */
#include "common/math/vec.h"
#include "common/model/layer.h"

extern const struct ent_layer_vtable ent_layer_dropout;

#define STEPS 65536u /* 16 bits a unit: the rate is a multiple of 2^-16 */

static uint32_t threshold_of(const struct ent_model_layer *spec)
{
    return (uint32_t)(spec->rate * (float)STEPS + 0.5f);
}

static float scale_of(uint32_t threshold)
{
    return (float)STEPS / (float)(STEPS - threshold);
}

static enum ent_err shape(const struct ent_model_layer *spec, uint32_t n_in, uint32_t *n_out)
{
    /* Written so that NaN fails too. */
    ENT_REQUIRE(spec->rate >= 0.0f && spec->rate <= 0.99f, ENT_E_CONFIG,
                "dropout: rate %g is not in 0 to 0.99", (double)spec->rate);
    *n_out = n_in;
    return ENT_E_OK;
}

static void forward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    struct ent_rng *rng = pass->rng;
    struct ent_dropout dropout = {.threshold = threshold_of(&layer->spec)};
    uint64_t position;

    if (rng == NULL || dropout.threshold == 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        dropout.key[i] = rng->key[i];
    }
    for (int i = 0; i < 4; i++) {
        dropout.counter[i] = rng->counter[i];
    }
    dropout.scale = scale_of(dropout.threshold);
    position = (uint64_t)rng->counter[1] << 32 | rng->counter[0];
    position += ent_vec_dropout(&dropout, layer->y, layer->kept, pass->n * layer->n_out);
    rng->counter[0] = (uint32_t)position;
    rng->counter[1] = (uint32_t)(position >> 32);
    rng->have = 0; /* whole blocks only: what was left of the last one is skipped */
}

static void backward(const struct ent_layer *layer, const struct ent_layer_pass *pass)
{
    uint32_t threshold = threshold_of(&layer->spec);

    if (threshold != 0) {
        ent_vec_dropout_back(scale_of(threshold), layer->kept, pass->dy, pass->n * layer->n_out);
    }
}

const struct ent_layer_vtable ent_layer_dropout = {
    .name = "dropout",
    .in_place = true,
    .draws = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
