/* The words of the report: numbers, codes and kinds as people read them. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/crypto/base64.h"
#include "common/task/task.h"

const char *ent_report_count(uint64_t n, char out[ENT_REPORT_NUMBER_BYTES])
{
    char digits[ENT_REPORT_NUMBER_BYTES];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    size_t at = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *ent_report_nano(int64_t nano, char out[ENT_REPORT_NUMBER_BYTES])
{
    uint64_t size = nano < 0 ? (uint64_t)0 - (uint64_t)nano : (uint64_t)nano;
    uint64_t micro = size / 1000 + (size % 1000 >= 500 ? 1 : 0);
    int len = snprintf(out, ENT_REPORT_NUMBER_BYTES, "%s%" PRIu64 ".%06" PRIu64,
                       nano < 0 && micro > 0 ? "-" : "", micro / 1000000, micro % 1000000);

    while (len > 0 && out[len - 1] == '0') {
        out[--len] = '\0';
    }
    if (len > 0 && out[len - 1] == '.') {
        out[--len] = '\0';
    }
    return out;
}

const char *ent_report_root(const uint8_t root[32], char out[ENT_REPORT_ROOT_BYTES])
{
    ENT_BUG_ON(ent_base64_len(ENT_BASE64, 32) >= ENT_REPORT_ROOT_BYTES);
    ent_base64_encode(ENT_BASE64, root, 32, out);
    return out;
}

const char *ent_report_task(uint32_t task, uint32_t split)
{
    switch (task) {
    case ENT_TASK_STATS:
        return "statistics";
    case ENT_TASK_TRAIN:
        return "training";
    case ENT_TASK_EVALUATE:
        break;
    default:
        return "unknown task";
    }
    switch (split) {
    case ENT_SPLIT_TRAIN:
        return "evaluation (training)";
    case ENT_SPLIT_VALIDATION:
        return "evaluation (validation)";
    case ENT_SPLIT_TEST:
        return "evaluation (test)";
    default:
        return "evaluation";
    }
}

const char *ent_report_action_word(uint32_t action)
{
    switch (action) {
    case ENT_LOG_START:
        return "started a run";
    case ENT_LOG_STOP:
        return "stopped the run";
    case ENT_LOG_INVITE:
        return "invited a member";
    case ENT_LOG_REVOKE:
        return "revoked a member's certificate";
    case ENT_LOG_ADMIT_AUDITOR:
        return "admitted an auditor";
    case ENT_LOG_POLICY:
        return "proposed the set of witnesses";
    case ENT_LOG_EXPORT:
        return "exported the log";
    case ENT_LOG_RECOVER:
        return "recovered lost entries from a member";
    case ENT_LOG_CONFIGURE:
        return "changed the configuration";
    default:
        return "did something that this program does not know";
    }
}

const char *ent_report_release_word(uint32_t kind)
{
    switch (kind) {
    case ENT_LOG_INITIAL:
        return "first model";
    case ENT_LOG_TRAINED:
        return "training round";
    case ENT_LOG_BEST:
        return "best model of the run";
    default:
        return "unknown kind";
    }
}

const char *ent_report_basis_word(uint32_t basis)
{
    switch (basis) {
    case 1:
        return "the retention period of unsealed updates (7 days) was over";
    case 2:
        return "the operator decided it";
    default:
        return "for a reason that this program does not know";
    }
}

const char *ent_report_code(uint32_t code)
{
    return ent_err_valid(code) ? ent_err_text((enum ent_err)code)
                               : "a reason that this program does not know";
}

const char *ent_report_name_of(const struct ent_report_names *names, const uint8_t *who, size_t len)
{
    for (size_t i = 0; names != NULL && i < names->n; i++) {
        if (names->names[i].who_len == len && memcmp(names->names[i].who, who, len) == 0) {
            return names->names[i].name;
        }
    }
    return NULL;
}

static const struct ent_msg_metric *metric_of(const struct ent_audit_eval *eval, const char *name)
{
    for (size_t i = 0; i < eval->n_metrics; i++) {
        if (strcmp(eval->metrics[i].name, name) == 0) {
            return &eval->metrics[i];
        }
    }
    return NULL;
}

const struct ent_msg_metric *ent_report_figure(const struct ent_audit_facts *facts,
                                               const uint8_t model[32], const char *name,
                                               uint32_t *split)
{
    const struct ent_msg_metric *found = NULL;

    for (size_t i = 0; i < facts->n_evals; i++) {
        const struct ent_audit_eval *e = &facts->evals[i];
        const struct ent_msg_metric *m =
            memcmp(e->model, model, 32) == 0 ? metric_of(e, name) : NULL;

        if (m != NULL && (found == NULL || e->split == ENT_SPLIT_TEST)) {
            found = m;
            *split = e->split;
        }
    }
    return found;
}

bool ent_report_is_statistics(const struct ent_audit_round *round)
{
    return round->task == ENT_TASK_STATS && round->outcome == ENT_AUDIT_ROUND_CLOSED;
}

const struct ent_audit_noising *ent_report_noising_of(const struct ent_audit_facts *facts,
                                                      uint32_t run)
{
    for (size_t i = 0; i < facts->n_noisings; i++) {
        if (facts->noisings[i].run == run) {
            return &facts->noisings[i];
        }
    }
    return NULL;
}

const struct ent_audit_run *ent_report_run_of(const struct ent_audit_facts *facts, uint32_t run)
{
    for (size_t i = facts->n_runs; i > 0; i--) {
        if (facts->runs[i - 1].run == run) {
            return &facts->runs[i - 1];
        }
    }
    return NULL;
}

void ent_report_exposed(const struct ent_audit_facts *facts, struct ent_report_exposed *out)
{
    *out = (struct ent_report_exposed){.models = facts->n_releases + facts->lost_releases,
                                       .figures = facts->n_evals + facts->lost_evals};
    for (size_t i = 0; i < facts->n_rounds; i++) {
        out->statistics += ent_report_is_statistics(&facts->rounds[i]) ? 1 : 0;
    }
    for (size_t i = 0; i < facts->n_releases; i++) {
        out->covered += facts->releases[i].leaf.dp_covered ? 1 : 0;
    }
    for (size_t i = 0; i < facts->n_evals; i++) {
        out->covered += facts->evals[i].dp_covered ? 1 : 0;
    }
}
