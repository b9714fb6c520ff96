#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const char *rule(const void *message)
{
    const struct ent_msg_run_end *m = message;

    return m->has_best == (m->best_bytes > 0) ? NULL
                                              : "best model without its size, or the reverse";
}

static const struct ent_schema_field run_end_fields[] = {
    ENT_SCHEMA_FIXED_OPT(ent_msg_run_end, 1, best, has_best),
    ENT_SCHEMA_U64(ent_msg_run_end, 2, best_bytes, 0, ENT_WIRE_TRANSFER_MAX_BYTES),
    ENT_SCHEMA_U32(ent_msg_run_end, 3, best_round, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_run_end, 4, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_MSG_LIST(ent_msg_run_end, 5, metrics, n_metrics, ENT_WIRE_METRICS_MAX, false,
                        &ent_msg_metric_schema),
};

ENT_WIRE_MESSAGE(run_end, rule)
