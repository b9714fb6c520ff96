/* Noise drawn ahead, by a thread of its own. Inside this room only. */
#ifndef ENT_CLIENT_TRAIN_DP_NOISE_H
#define ENT_CLIENT_TRAIN_DP_NOISE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/crypto/csprng.h"
#include "common/privacy/dgauss.h"

/* One vector at a time: begun, then taken. The whole vector is there before the sum that it is added to exists: how long
 * a draw takes says nothing about a sum (arXiv 2112.05307). */
struct ent_dp_noise {
    uint64_t sigma2;
    size_t dim;
    int64_t *values; /* [dim] */
    uint8_t key[ENT_DGAUSS_KEY_BYTES];
    pthread_t thread;
    bool running; /* the thread has to be joined */
    enum ent_err err;
};

ENT_MUST enum ent_err ent_dp_noise_init(struct ent_dp_noise *noise, uint64_t sigma2, size_t dim);
/* Joins, wipes, frees. */
void ent_dp_noise_release(struct ent_dp_noise *noise);
/* A fresh key, and the vector begins to be drawn. Without a second thread it is drawn here. */
ENT_MUST enum ent_err ent_dp_noise_begin(struct ent_dp_noise *noise, struct ent_csprng *csprng);
/* noise->values is the vector begun, and is to be used once. */
ENT_MUST enum ent_err ent_dp_noise_take(struct ent_dp_noise *noise);

#endif
