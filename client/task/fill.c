#include "client/task/fill.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"

enum ent_err ent_fill_dim(const struct ent_plan *plan, enum ent_task_kind kind, size_t *dim)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);

    return ent_task_find((uint32_t)kind)->dim(&sizes, dim);
}

enum ent_err ent_fill_withholds(const struct ent_fill *fill, const struct ent_split_rows *part,
                                bool *out)
{
    uint32_t customers;

    ENT_TRY(ent_split_customers(fill->table, part, fill->floor, &customers));
    *out = customers < fill->floor;
    return ENT_E_OK;
}

enum ent_err ent_fill_seed(uint64_t plan_seed, uint64_t round, const char *member, uint64_t *out)
{
    static const char domain[] = "entente/train-seed/v1"; /* with its ending zero byte */
    uint8_t numbers[16];
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_part parts[3] = {
        {domain, sizeof domain}, {numbers, sizeof numbers}, {member, strlen(member)}};

    ent_put_be64(numbers, plan_seed);
    ent_put_be64(numbers + 8, round);
    ENT_TRY(ent_sha256_parts(parts, 3, digest));
    *out = ent_get_be64(digest);
    return ENT_E_OK;
}
