/* IN a number of items · OUT each of them done once · OWNS its threads for the call · THREADS one caller
 * SOURCE -
 *
 * Work over threads. Which thread does which item is left open, so an item's result may depend on nothing but the item. */
#ifndef ENT_SIMULATE_POOL_H
#define ENT_SIMULATE_POOL_H

#include <stdint.h>

#include "common/base/err.h"

#define ENT_POOL_THREADS_MAX 256

struct ent_pool_work {
    /* worker: 0 .. threads - 1, one item at a time each. */
    enum ent_err (*item)(void *ctx, uint32_t worker, uint32_t item);
    void *ctx;
    uint32_t n_items;
    uint32_t threads; /* 1: all in the caller's thread */
};
/* The error of the first item that failed, with its message; the rest is then left undone. */
ENT_MUST enum ent_err ent_pool_run(const struct ent_pool_work *work);
/* Processors that this process may use, at least 1. */
uint32_t ent_pool_cores(void);

#endif
