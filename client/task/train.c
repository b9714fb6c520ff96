#include <string.h>

#include "client/task/payload.h"
#include "common/fixed/grid.h"

#define WINDOW 4096

/* The integers lie in place in the machine's order; give them the payload's. */
static void to_little_endian(uint8_t *bytes, size_t n)
{
    int32_t in[WINDOW];
    uint8_t out[WINDOW * sizeof(int32_t)];

    for (size_t at = 0; at < n; at += WINDOW) {
        size_t k = n - at < WINDOW ? n - at : WINDOW;

        memcpy(in, bytes + at * sizeof(int32_t), k * sizeof(int32_t));
        ent_grid_store32(in, k, out);
        memcpy(bytes + at * sizeof(int32_t), out, k * sizeof(int32_t));
    }
}

/* The plain grid, or the clipped one: never the plain one where noise is derived from the clipped norm. */
static enum ent_err to_grid(const struct ent_fill *fill, const float *delta, size_t n, int32_t *q)
{
    const struct ent_plan_privacy *privacy = &fill->plan->privacy;
    struct ent_clip_done done = {0};

    if (privacy->unit != ENT_PRIVACY_MEMBER) {
        return ent_grid_quantise(delta, n, fill->plan->scale_bits, q);
    }
    ENT_TRY(ent_clip_member(delta, n, privacy->clip, privacy->scale_bits, q, &done));
    if (fill->clipped != NULL) {
        *fill->clipped = done;
    }
    return ENT_E_OK;
}

enum ent_err ent_fill_train(const struct ent_fill *fill, struct ent_model *model, const float *base,
                            struct ent_payload *out)
{
    size_t n = ent_model_n_params(model);
    float *delta = ent_model_params(model);
    struct ent_payload payload = {0};
    enum ent_err err;

    ENT_TRY(ent_payload_new(ENT_TASK_TRAIN, n, fill->salt, &payload));
    ent_train_delta(delta, base, n, delta);
    err = to_grid(fill, delta, n, (int32_t *)(void *)(payload.bytes + ENT_UPDATE_SALT_BYTES));
    if (err != ENT_E_OK) {
        ent_payload_release(&payload);
        return err;
    }
    to_little_endian(payload.bytes + ENT_UPDATE_SALT_BYTES, n);
    *out = payload;
    return ENT_E_OK;
}
