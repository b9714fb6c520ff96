#include <entente/v1/messages.pb-c.h>

#include "common/wire/schemas.h"

static const struct ent_schema_field outcome_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_outcome, 1, member),
    ENT_SCHEMA_U32(ent_msg_outcome, 2, standing, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_msg_outcome, 3, code, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_U32(ent_msg_outcome, 4, weight, 0, ENT_WIRE_WEIGHT_MAX),
};

const struct ent_schema ent_msg_outcome_schema = ENT_SCHEMA_OF(
    ent_msg_outcome, "outcome", entente__v1__outcome__descriptor, outcome_fields, NULL);

static const struct ent_schema_field metric_fields[] = {
    ENT_SCHEMA_NAME(ent_msg_metric, 1, name, 1),
    ENT_SCHEMA_S64(ent_msg_metric, 2, nano),
};

const struct ent_schema ent_msg_metric_schema =
    ENT_SCHEMA_OF(ent_msg_metric, "metric", entente__v1__metric__descriptor, metric_fields, NULL);

static const struct ent_schema_field round_close_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_round_close, 1, round_open),
    ENT_SCHEMA_MSG_LIST(ent_msg_round_close, 2, outcomes, n_outcomes, ENT_WIRE_COHORT_MAX, true,
                        &ent_msg_outcome_schema),
    ENT_SCHEMA_U64(ent_msg_round_close, 3, sum_w, 0, UINT64_MAX),
    ENT_SCHEMA_FIXED(ent_msg_round_close, 4, result),
    ENT_SCHEMA_FIXED_OPT(ent_msg_round_close, 5, model, has_model),
    ENT_SCHEMA_MSG_LIST(ent_msg_round_close, 6, metrics, n_metrics, ENT_WIRE_METRICS_MAX, false,
                        &ent_msg_metric_schema),
    ENT_SCHEMA_U32(ent_msg_round_close, 7, train_done, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_msg_round_close, 8, train_rounds, 0, UINT32_MAX),
};

ENT_WIRE_MESSAGE(round_close, NULL)

static const struct ent_schema_field figures_fields[] = {
    ENT_SCHEMA_FIXED(ent_msg_figures, 1, round_open),
    ENT_SCHEMA_MSG_LIST(ent_msg_figures, 2, metrics, n_metrics, ENT_WIRE_METRICS_MAX, false,
                        &ent_msg_metric_schema),
};

ENT_WIRE_MESSAGE(figures, NULL)
