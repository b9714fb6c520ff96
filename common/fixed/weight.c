#include "common/fixed/weight.h"

#include <inttypes.h>

#define BUCKET_MAX 31u

uint32_t ent_weight_bucket(uint64_t rows)
{
    uint32_t bucket = 0;

    while (rows != 0 && bucket < BUCKET_MAX) {
        rows >>= 1;
        bucket++;
    }
    return bucket;
}

enum ent_err ent_weight_of_bucket(uint32_t bucket, uint32_t *weight)
{
    ENT_REQUIRE(bucket >= 1 && bucket <= BUCKET_MAX, ENT_E_RANGE,
                "count bucket %" PRIu32 " is outside 1..%u", bucket, BUCKET_MAX);
    *weight = (uint32_t)1 << (bucket - 1);
    return ENT_E_OK;
}

enum ent_err ent_weight_check(uint64_t weight)
{
    ENT_REQUIRE(weight >= 1 && weight <= ENT_WEIGHT_MAX, ENT_E_RANGE,
                "weight %" PRIu64 " is outside 1..%u", weight, ENT_WEIGHT_MAX);
    return ENT_E_OK;
}
