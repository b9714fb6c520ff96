/* What each body holds, and its bounds. */
#include <entente/v1/log.pb-c.h>

#include "common/tlog/leaf_schemas.h"

#define SUBJECT_MAX 32
#define NANO_MAX UINT64_C(1000000000000000) /* an epsilon of a million */
#define DELTA_E18_MAX UINT64_C(999999999999999999)
#define ERASED_MAX 1024 /* digests of one leaf */

#define TABLE(x_, pb_, rule_)                                                                      \
    const struct ent_schema ent_leaf_##x_##_schema = ENT_SCHEMA_OF(                                \
        ent_leaf_##x_, #x_, entente__v1__log_##pb_##__descriptor, x_##_fields, rule_)

static const struct ent_schema_field statement_fields[] = {
    ENT_SCHEMA_BYTES(ent_leaf_statement, 1, header, 1, ENT_WIRE_HEADER_MAX_BYTES),
    ENT_SCHEMA_FIXED(ent_leaf_statement, 2, payload_sha256),
    ENT_SCHEMA_FIXED(ent_leaf_statement, 3, signature),
};
static const struct ent_schema statement_schema =
    ENT_SCHEMA_OF(ent_leaf_statement, "statement", entente__v1__log_statement__descriptor,
                  statement_fields, NULL);

static const struct ent_schema_field genesis_fields[] = {
    ENT_SCHEMA_NAME(ent_leaf_genesis, 1, origin, 1),
    ENT_SCHEMA_FIXED(ent_leaf_genesis, 2, log_pub),
    ENT_SCHEMA_FIXED(ent_leaf_genesis, 3, root_pub),
    ENT_SCHEMA_NAME(ent_leaf_genesis, 4, name, 0),
    ENT_SCHEMA_FIXED(ent_leaf_genesis, 5, ca_sha256),
};
TABLE(genesis, genesis, NULL);

static const struct ent_schema_field member_admit_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 1, handle),
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 2, statement_pub),
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 3, witness_pub),
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 4, tls_sha256),
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 5, nonce_commit),
    ENT_SCHEMA_FIXED(ent_leaf_member_admit, 6, name_commit),
    ENT_SCHEMA_MSG(ent_leaf_member_admit, 7, request, has_request, &statement_schema),
};

static const char *member_admit_rule(const void *message)
{
    return ((const struct ent_leaf_member_admit *)message)->has_request ? NULL
                                                                        : "without its request";
}
TABLE(member_admit, member_admit, member_admit_rule);

static const struct ent_schema_field member_revoke_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_member_revoke, 1, handle),
    ENT_SCHEMA_U32(ent_leaf_member_revoke, 2, reason, 0, ENT_WIRE_CODE_MAX),
};
TABLE(member_revoke, member_revoke, NULL);

static const struct ent_schema_field member_leave_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_member_leave, 1, handle),
    ENT_SCHEMA_MSG(ent_leaf_member_leave, 2, request, has_request, &statement_schema),
};

static const char *member_leave_rule(const void *message)
{
    return ((const struct ent_leaf_member_leave *)message)->has_request ? NULL
                                                                        : "without its request";
}
TABLE(member_leave, member_leave, member_leave_rule);

static const struct ent_schema_field witness_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_witness, 1, handle),
    ENT_SCHEMA_FIXED(ent_leaf_witness, 2, witness_pub),
};
static const struct ent_schema witness_schema = ENT_SCHEMA_OF(
    ent_leaf_witness, "witness", entente__v1__log_witness__descriptor, witness_fields, NULL);

static const struct ent_schema_field witness_body_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_witness_body, 1, federation),
    ENT_SCHEMA_U32(ent_leaf_witness_body, 2, version, 1, UINT32_MAX),
    ENT_SCHEMA_U32(ent_leaf_witness_body, 3, bad, 0, ENT_LOG_WITNESSES_MAX),
    ENT_SCHEMA_U32(ent_leaf_witness_body, 4, quorum, 1, ENT_LOG_WITNESSES_MAX),
    ENT_SCHEMA_MSG_LIST(ent_leaf_witness_body, 5, witnesses, n_witnesses, ENT_LOG_WITNESSES_MAX,
                        true, &witness_schema),
};

/* Two quorums must share a witness that is not bad. */
static const char *witness_body_rule(const void *message)
{
    const struct ent_leaf_witness_body *m = message;

    if (m->n_witnesses == 0 || m->quorum > m->n_witnesses) {
        return "more cosignatures are asked for than there are witnesses";
    }
    return 2 * (size_t)m->quorum > m->n_witnesses + m->bad ? NULL
                                                           : "the quorum is too small for a split";
}
TABLE(witness_body, witness_body, witness_body_rule);

static const struct ent_schema_field witness_set_fields[] = {
    ENT_SCHEMA_BYTES(ent_leaf_witness_set, 1, set, 1, ENT_LOG_SET_MAX_BYTES),
    ENT_SCHEMA_MSG_LIST(ent_leaf_witness_set, 2, agreed, n_agreed,
                        (size_t)2 * ENT_LOG_WITNESSES_MAX, false, &statement_schema),
};
TABLE(witness_set, witness_set, NULL);

static const struct ent_schema_field auditor_admit_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_auditor_admit, 1, seal_pub),
    ENT_SCHEMA_FIXED(ent_leaf_auditor_admit, 2, sign_pub),
    ENT_SCHEMA_FIXED(ent_leaf_auditor_admit, 3, name_commit),
};
TABLE(auditor_admit, auditor_admit, NULL);

static const struct ent_schema_field config_set_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_config_set, 1, federation_yaml),
    ENT_SCHEMA_FIXED(ent_leaf_config_set, 2, plan),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_config_set, 3, base, has_base),
    ENT_SCHEMA_U32(ent_leaf_config_set, 4, train_rounds, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_leaf_config_set, 5, min_members, 1, ENT_WIRE_COHORT_MAX),
    ENT_SCHEMA_U32(ent_leaf_config_set, 6, attempts, 1, UINT32_MAX),
    ENT_SCHEMA_BOOL(ent_leaf_config_set, 7, validate),
    ENT_SCHEMA_BOOL(ent_leaf_config_set, 8, test),
    ENT_SCHEMA_U32(ent_leaf_config_set, 9, patience, 0, UINT32_MAX),
    ENT_SCHEMA_U32(ent_leaf_config_set, 10, best_by, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_FIXED_LIST(ent_leaf_config_set, 11, auditors, n_auditors, ENT_LOG_AUDITORS_MAX,
                          false),
    ENT_SCHEMA_BOOL(ent_leaf_config_set, 12, plain),
    ENT_SCHEMA_U64(ent_leaf_config_set, 13, join_ms, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_leaf_config_set, 14, update_ms, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_leaf_config_set, 15, retry_ms, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_leaf_config_set, 16, gather_ms, 0, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_BOOL(ent_leaf_config_set, 17, no_stats),
};
TABLE(config_set, config_set, NULL);

static const struct ent_schema_field processing_set_fields[] = {
    ENT_SCHEMA_NAME(ent_leaf_processing_set, 1, purpose, 0),
    ENT_SCHEMA_NAME(ent_leaf_processing_set, 2, lawful_basis, 0),
    ENT_SCHEMA_NAME(ent_leaf_processing_set, 3, categories, 0),
    ENT_SCHEMA_NAME(ent_leaf_processing_set, 4, recipients, 0),
    ENT_SCHEMA_NAME(ent_leaf_processing_set, 5, transfers, 0),
    ENT_SCHEMA_U32(ent_leaf_processing_set, 6, retention_months, 0, 1200),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_processing_set, 7, document, has_document),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_processing_set, 8, dpia, has_dpia),
};
TABLE(processing_set, processing_set, NULL);

static const struct ent_schema_field operator_action_fields[] = {
    ENT_SCHEMA_U32(ent_leaf_operator_action, 1, action, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_leaf_operator_action, 2, reason, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_U32(ent_leaf_operator_action, 3, outcome, 0, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_BYTES(ent_leaf_operator_action, 4, subject, 0, SUBJECT_MAX),
};
TABLE(operator_action, operator_action, NULL);

static const struct ent_schema_field software_start_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_software_start, 1, elf),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 2, build_id, 0),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 3, version, 1),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 4, commit, 0),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 5, compiler, 0),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 6, flags, 0),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 7, openssl, 0),
    ENT_SCHEMA_NAME(ent_leaf_software_start, 8, sqlite, 0),
    ENT_SCHEMA_FIXED(ent_leaf_software_start, 9, selftest),
};
TABLE(software_start, software_start, NULL);

static const struct ent_schema_field round_join_fields[] = {
    ENT_SCHEMA_BYTES(ent_leaf_round_join, 1, header, 1, ENT_WIRE_HEADER_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_leaf_round_join, 2, payload, 1, 1024),
    ENT_SCHEMA_FIXED(ent_leaf_round_join, 3, signature),
};
TABLE(round_join, round_join, NULL);

static const struct ent_schema_field update_accept_fields[] = {
    ENT_SCHEMA_MSG(ent_leaf_update_accept, 1, update, has_update, &statement_schema),
    ENT_SCHEMA_U32(ent_leaf_update_accept, 2, weight, 1, ENT_WIRE_WEIGHT_MAX),
    ENT_SCHEMA_FIXED_LIST(ent_leaf_update_accept, 3, sealed, n_sealed, ENT_LOG_AUDITORS_MAX, false),
};

static const char *update_accept_rule(const void *message)
{
    return ((const struct ent_leaf_update_accept *)message)->has_update ? NULL
                                                                        : "without its statement";
}
TABLE(update_accept, update_accept, update_accept_rule);

static const struct ent_schema_field update_reject_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_update_reject, 1, handle),
    ENT_SCHEMA_U32(ent_leaf_update_reject, 2, attempt, 1, UINT32_MAX),
    ENT_SCHEMA_U32(ent_leaf_update_reject, 3, phase, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_leaf_update_reject, 4, code, 1, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_update_reject, 5, digest, has_digest),
    ENT_SCHEMA_MSG(ent_leaf_update_reject, 6, said, has_said, &statement_schema),
};
TABLE(update_reject, update_end, NULL);

static const struct ent_schema_field round_close_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_round_close, 1, round_open),
    ENT_SCHEMA_U32(ent_leaf_round_close, 2, attempt, 1, UINT32_MAX),
    ENT_SCHEMA_BYTES(ent_leaf_round_close, 3, survivors, 1, (ENT_WIRE_COHORT_MAX + 7) / 8),
    ENT_SCHEMA_U64(ent_leaf_round_close, 4, sum_w, 0, UINT64_MAX),
    ENT_SCHEMA_FIXED(ent_leaf_round_close, 5, result),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_round_close, 6, model, has_model),
    ENT_SCHEMA_FIXED_OPT(ent_leaf_round_close, 7, state, has_state),
    ENT_SCHEMA_U64(ent_leaf_round_close, 8, loss_sum, 0, UINT64_MAX),
    ENT_SCHEMA_U64(ent_leaf_round_close, 9, rows, 0, UINT64_MAX),
    ENT_SCHEMA_U64(ent_leaf_round_close, 10, auc, 0, UINT64_MAX),
    ENT_SCHEMA_FIXED_LIST(ent_leaf_round_close, 11, noise_sealed, n_noise_sealed,
                          ENT_LOG_AUDITORS_MAX, false),
};
TABLE(round_close, round_close, NULL);

static const struct ent_schema_field round_abort_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_round_abort, 1, round_open),
    ENT_SCHEMA_U32(ent_leaf_round_abort, 2, attempt, 1, UINT32_MAX),
    ENT_SCHEMA_U32(ent_leaf_round_abort, 3, code, 1, ENT_WIRE_CODE_MAX),
    ENT_SCHEMA_BOOL(ent_leaf_round_abort, 4, inputs_arrived),
};
TABLE(round_abort, round_abort, NULL);

static const struct ent_schema_field dp_account_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_dp_account, 1, member),
    ENT_SCHEMA_U64(ent_leaf_dp_account, 2, before_nano, 0, NANO_MAX),
    ENT_SCHEMA_U64(ent_leaf_dp_account, 3, after_nano, 0, NANO_MAX),
};
static const struct ent_schema dp_account_schema =
    ENT_SCHEMA_OF(ent_leaf_dp_account, "account", entente__v1__log_dp_account__descriptor,
                  dp_account_fields, NULL);

/* Bounds of ent_dp_event_check, so that whoever reads the leaf may account for it. */
static const struct ent_schema_field dp_event_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_dp_event, 1, round_open),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 2, unit, 1, 2),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 3, mechanism, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 4, rate, 1, (uint64_t)1 << 32),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 5, sigma2, 1, ((uint64_t)1 << 52) - 1),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 6, sensitivity, 1, ((uint64_t)1 << 43) - 1),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 7, dimension, 1, ENT_WIRE_COUNTER_MAX),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 8, steps, 1, (uint64_t)1 << 40),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 9, delta_e18, 1, DELTA_E18_MAX),
    ENT_SCHEMA_U64(ent_leaf_dp_event, 10, limit_nano, 1, NANO_MAX),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 11, accountant, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 12, trust, 1, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 13, members_per_person, 1, 64),
    ENT_SCHEMA_U32(ent_leaf_dp_event, 14, basis, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_MSG_LIST(ent_leaf_dp_event, 15, accounts, n_accounts, ENT_WIRE_COHORT_MAX, false,
                        &dp_account_schema),
};
TABLE(dp_event, dp_event, NULL);

static const struct ent_schema_field dp_refund_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_dp_refund, 1, round_open),
};
TABLE(dp_refund, dp_refund, NULL);

static const struct ent_schema_field metric_fields[] = {
    ENT_SCHEMA_NAME(ent_msg_metric, 1, name, 1),
    ENT_SCHEMA_S64(ent_msg_metric, 2, nano),
};
static const struct ent_schema metric_schema = ENT_SCHEMA_OF(
    ent_msg_metric, "metric", entente__v1__log_metric__descriptor, metric_fields, NULL);

static const struct ent_schema_field eval_result_fields[] = {
    ENT_SCHEMA_U32(ent_leaf_eval_result, 1, split, 0, ENT_WIRE_SMALL_MAX),
    ENT_SCHEMA_FIXED(ent_leaf_eval_result, 2, model),
    ENT_SCHEMA_U32(ent_leaf_eval_result, 3, members, 0, ENT_WIRE_COHORT_MAX),
    ENT_SCHEMA_BOOL(ent_leaf_eval_result, 4, dp_covered),
    ENT_SCHEMA_MSG_LIST(ent_leaf_eval_result, 5, metrics, n_metrics, ENT_WIRE_METRICS_MAX, false,
                        &metric_schema),
};
TABLE(eval_result, eval_result, NULL);

static const struct ent_schema_field model_release_fields[] = {
    ENT_SCHEMA_FIXED(ent_leaf_model_release, 1, model),
    ENT_SCHEMA_U32(ent_leaf_model_release, 2, kind, ENT_LOG_INITIAL, ENT_LOG_BEST),
    ENT_SCHEMA_U32(ent_leaf_model_release, 3, train_round, 0, UINT32_MAX),
    ENT_SCHEMA_BOOL(ent_leaf_model_release, 4, dp_covered),
};
TABLE(model_release, model_release, NULL);

static const struct ent_schema_field blob_erase_fields[] = {
    ENT_SCHEMA_FIXED_LIST(ent_leaf_blob_erase, 1, digests, n_digests, ERASED_MAX, true),
    ENT_SCHEMA_U32(ent_leaf_blob_erase, 2, basis, 1, ENT_WIRE_SMALL_MAX),
};
TABLE(blob_erase, blob_erase, NULL);

static const struct ent_schema_field dispute_fields[] = {
    ENT_SCHEMA_BYTES(ent_leaf_dispute, 1, header, 1, ENT_WIRE_HEADER_MAX_BYTES),
    ENT_SCHEMA_BYTES(ent_leaf_dispute, 2, payload, 1, 4096),
    ENT_SCHEMA_FIXED(ent_leaf_dispute, 3, signature),
};
TABLE(dispute, dispute, NULL);
