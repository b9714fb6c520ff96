#include "client/train/dp_noise.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

enum ent_err ent_dp_noise_init(struct ent_dp_noise *noise, uint64_t sigma2, size_t dim)
{
    *noise = (struct ent_dp_noise){.sigma2 = sigma2, .dim = dim};
    ENT_TRY(ent_dgauss_check(sigma2));
    return ent_calloc(dim, sizeof *noise->values, &noise->values);
}

static void *draw(void *arg)
{
    struct ent_dp_noise *noise = arg;

    noise->err = ent_dgauss_fill(noise->key, noise->sigma2, 0, noise->values, noise->dim);
    explicit_bzero(noise->key, sizeof noise->key);
    return NULL;
}

static void join(struct ent_dp_noise *noise)
{
    if (noise->running) {
        (void)pthread_join(noise->thread, NULL);
        noise->running = false;
    }
}

void ent_dp_noise_release(struct ent_dp_noise *noise)
{
    join(noise);
    explicit_bzero(noise->key, sizeof noise->key);
    if (noise->values != NULL) {
        explicit_bzero(noise->values, noise->dim * sizeof *noise->values);
    }
    free(noise->values);
    noise->values = NULL;
}

enum ent_err ent_dp_noise_begin(struct ent_dp_noise *noise, struct ent_csprng *csprng)
{
    ENT_BUG_ON(noise->running);
    ENT_TRY(ent_csprng_bytes(csprng, noise->key, sizeof noise->key));
    noise->running = pthread_create(&noise->thread, NULL, draw, noise) == 0;
    if (!noise->running) {
        (void)draw(noise);
    }
    return ENT_E_OK;
}

enum ent_err ent_dp_noise_take(struct ent_dp_noise *noise)
{
    join(noise);
    ENT_REQUIRE(noise->err == ENT_E_OK, noise->err, "private training: no noise could be drawn");
    return ENT_E_OK;
}
