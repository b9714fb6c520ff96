#include "client/task/payload.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/grid.h"

enum ent_err ent_payload_new(enum ent_task_kind kind, size_t dim, const uint8_t *salt,
                             struct ent_payload *out)
{
    size_t len;
    uint8_t *bytes;

    ENT_TRY(ent_size_mul(dim, ent_task_int_bytes(kind), &len));
    ENT_TRY(ent_size_add(len, ENT_UPDATE_SALT_BYTES, &len));
    ENT_TRY(ent_calloc_aligned(len, 1, &bytes));
    memcpy(bytes, salt, ENT_UPDATE_SALT_BYTES);
    *out = (struct ent_payload){.bytes = bytes, .len = len, .dim = dim};
    return ENT_E_OK;
}

void ent_payload_release(struct ent_payload *payload)
{
    free(payload->bytes);
    *payload = (struct ent_payload){0};
}

void ent_payload_put64(struct ent_payload *payload, const int64_t *v)
{
    ent_grid_store64(v, payload->dim, payload->bytes + ENT_UPDATE_SALT_BYTES);
}

void ent_payload_withhold(struct ent_payload *payload)
{
    memset(payload->bytes + ENT_UPDATE_SALT_BYTES, 0, payload->len - ENT_UPDATE_SALT_BYTES);
}

void ent_payload_int64(const struct ent_payload *payload, int64_t *out)
{
    ent_grid_load64(payload->bytes + ENT_UPDATE_SALT_BYTES, payload->dim, out);
}
