#include "tests/privacy/inject.h"

#include <string.h>

#define SEED_BYTES 32u

static bool give(void *ctx, void *out, size_t len)
{
    struct inject *inject = ctx;
    uint8_t *to = out;

    if (inject->same_seeds && len == SEED_BYTES) {
        memset(out, 0x5e, len);
        return true;
    }
    for (size_t i = 0; i < len; i += sizeof(uint32_t)) {
        uint32_t word = ent_rng_u32(&inject->stream);

        memcpy(to + i, &word, len - i < sizeof word ? len - i : sizeof word);
    }
    return true;
}

static bool plants(void *ctx, const char *bug)
{
    const struct inject *inject = ctx;

    return inject->planted != NULL && strcmp(inject->planted, bug) == 0;
}

static uint64_t numbers(void *ctx, const char *bug)
{
    const struct inject *inject = ctx;

    return inject->counted != NULL && strcmp(inject->counted, bug) == 0 ? inject->number : 0;
}

void inject_begin(struct inject *inject, uint64_t seed)
{
    inject->stream = ent_rng_init(seed, 1);
    inject->hooks = (struct ent_test_hooks){
        .planted = plants, .number = numbers, .random = give, .ctx = inject};
    ent_test_hooks_set(&inject->hooks);
}
