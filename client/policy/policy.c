#include "client/policy/policy.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/plural.h"
#include "common/crypto/sha256.h"

enum ent_err ent_policy_check_plan(const struct ent_policy_config *policy, const uint8_t plan[32])
{
    char hex[65];

    if (policy->any_plan) {
        return ENT_E_OK;
    }
    for (uint32_t i = 0; i < policy->n_plans; i++) {
        if (memcmp(policy->plans[i], plan, 32) == 0) {
            return ENT_E_OK;
        }
    }
    ent_hex(plan, 32, hex);
    return ent_err_note(ENT_E_POLICY,
                        "plan %.16s... is not one of the %u plans that policy.plans lists", hex,
                        policy->n_plans);
}

static bool is_among(const struct ent_strings *list, const char *text)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_policy_check_purpose(const struct ent_policy_config *policy, const char *purpose)
{
    if (policy->any_purpose) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(purpose != NULL, ENT_E_POLICY,
                "the plan states no purpose, and policy.purposes lists those that this member's "
                "data may be used for");
    ENT_REQUIRE(is_among(&policy->purposes, purpose), ENT_E_POLICY,
                "the plan's purpose is %s, which policy.purposes does not list", purpose);
    return ENT_E_OK;
}

bool ent_policy_figure_goes(const struct ent_policy_config *policy, const char *name)
{
    return policy->own_figures_go &&
           (policy->own_figures.n == 0 || is_among(&policy->own_figures, name));
}

static enum ent_err check_task(const struct ent_policy_config *policy, enum ent_task_kind task)
{
    ENT_REQUIRE(ent_task_find((uint32_t)task) != NULL, ENT_E_POLICY,
                "task %d is not known to this client", (int)task);
    ENT_REQUIRE((policy->tasks & (1U << task)) != 0, ENT_E_POLICY, "policy.tasks does not list %s",
                ent_task_name((uint32_t)task));
    return ENT_E_OK;
}

enum ent_err ent_policy_check_round(const struct ent_policy_config *policy,
                                    const struct ent_policy_request *request)
{
    ENT_TRY(ent_policy_check_plan(policy, request->plan));
    ENT_TRY(check_task(policy, request->task));
    ENT_REQUIRE(request->task != ENT_TASK_TRAIN || request->split == ENT_SPLIT_TRAIN ||
                    request->split == ENT_SPLIT_NONE,
                ENT_E_POLICY, "a training round asks for rows that are not training rows");
    ENT_REQUIRE(request->min_members >= policy->min_members, ENT_E_POLICY,
                "the round may be released with %u members, policy.min_members is %u",
                request->min_members, policy->min_members);
    ENT_REQUIRE(request->n_invited >= policy->min_members, ENT_E_POLICY,
                "the round has %u members, policy.min_members is %u", request->n_invited,
                policy->min_members);
    return ENT_E_OK;
}

enum ent_err ent_policy_check_runs(const struct ent_policy_config *policy, uint64_t n_runs)
{
    ENT_REQUIRE(policy->runs_per_plan == 0 || n_runs < policy->runs_per_plan, ENT_E_POLICY,
                "this member took part in %llu runs of this plan, policy.runs_per_plan is %u",
                (unsigned long long)n_runs, policy->runs_per_plan);
    return ENT_E_OK;
}

static const char *part_name(enum ent_split split)
{
    switch (split) {
    case ENT_SPLIT_VALIDATION:
        return "validation";
    case ENT_SPLIT_TEST:
        return "test";
    case ENT_SPLIT_NONE:
    case ENT_SPLIT_TRAIN:
        break;
    }
    return "training";
}

uint32_t ent_policy_floor(const struct ent_policy_config *policy, const struct ent_plan *plan)
{
    return policy->min_group > plan->min_group ? policy->min_group : plan->min_group;
}

enum ent_err ent_policy_check_customers(const struct ent_policy_config *policy,
                                        enum ent_split split, uint32_t customers)
{
    ENT_REQUIRE(customers == 0 || customers >= policy->min_customers, ENT_E_POLICY,
                "the %s rows are of fewer customers than this member's policy.min_customers",
                part_name(split));
    return ENT_E_OK;
}

enum ent_err ent_policy_check_vocabulary(const struct ent_policy_config *policy,
                                         bool has_vocabulary)
{
    ENT_REQUIRE(!has_vocabulary || policy->vocabulary_goes, ENT_E_POLICY,
                "the plan has a vocabulary, and policy.vocabulary is stay");
    return ENT_E_OK;
}

enum ent_err ent_policy_fingerprint(const uint8_t key[32], char out[65])
{
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256(key, 32, digest));
    ent_hex(digest, sizeof digest, out);
    return ENT_E_OK;
}

static enum ent_err check_auditor(const struct ent_client_config *config, const uint8_t key[32])
{
    uint8_t digest[ENT_SHA256_BYTES];
    char hex[2 * ENT_SHA256_BYTES + 1];

    ENT_TRY(ent_sha256(key, 32, digest));
    for (uint32_t i = 0; i < config->n_auditors; i++) {
        if (memcmp(config->auditors[i], digest, sizeof digest) == 0) {
            return ENT_E_OK;
        }
    }
    ent_hex(digest, sizeof digest, hex);
    return ent_err_note(
        ENT_E_POLICY,
        "updates would be sealed to the auditor %s, which `auditors` of client.yaml "
        "does not list",
        hex);
}

enum ent_err ent_policy_check_auditors(const struct ent_client_config *config,
                                       const uint8_t (*keys)[32], size_t n, bool plain)
{
    for (size_t i = 0; i < n; i++) {
        ENT_TRY(check_auditor(config, keys[i]));
    }
    ENT_REQUIRE(
        !plain || config->plain_updates, ENT_E_POLICY,
        "updates would be kept unsealed, and `auditors` of client.yaml does not list plain");
    return ENT_E_OK;
}

static void print_list(const struct ent_strings *list, FILE *out)
{
    for (uint32_t i = 0; i < list->n; i++) {
        (void)fprintf(out, "%s%s", i > 0 ? ", " : " ", list->items[i]);
    }
}

static void print_purposes(const struct ent_policy_config *policy, FILE *out)
{
    if (policy->any_purpose) {
        (void)fprintf(out, "; any purpose");
    } else if (policy->purposes.n == 0) {
        (void)fprintf(out, "; no purpose");
    } else {
        (void)fprintf(out, "; for");
        print_list(&policy->purposes, out);
    }
}

static void print_limits(const struct ent_policy_config *policy, FILE *out)
{
    if (policy->epsilon_run > 0) {
        (void)fprintf(out, "; epsilon %g a run", policy->epsilon_run);
    }
    if (policy->epsilon_life > 0) {
        (void)fprintf(out, "; epsilon %g in all runs", policy->epsilon_life);
    }
    if (policy->epsilon_run > 0 || policy->epsilon_life > 0) {
        (void)fprintf(out, " (delta %g; noise of %s; what no noise covers %s)", policy->delta,
                      policy->noise_of_coordinator ? "its own or the coordinator's" : "its own",
                      policy->uncovered_goes ? "goes" : "stays");
    }
}

static void print_figures(const struct ent_policy_config *policy, FILE *out)
{
    if (!policy->own_figures_go) {
        return;
    }
    if (policy->own_figures.n == 0) {
        (void)fprintf(out, "; its own test figures go");
        return;
    }
    (void)fprintf(out, "; of its own test figures go");
    print_list(&policy->own_figures, out);
}

void ent_policy_print(const struct ent_policy_config *policy, FILE *out)
{
    const struct ent_task *task;
    const char *separator = "";

    (void)fprintf(out, "takes part in ");
    for (size_t i = 0; (task = ent_task_at(i)) != NULL; i++) {
        if ((policy->tasks & (1U << task->kind)) != 0) {
            (void)fprintf(out, "%s%s", separator, task->name);
            separator = ", ";
        }
    }
    (void)fprintf(out, "%s; at least %u members; at least %u %s in a part, sums of at least %u; ",
                  separator[0] == '\0' ? "nothing" : "", policy->min_members, policy->min_customers,
                  ent_plural(policy->min_customers, "customer", "customers"), policy->min_group);
    if (policy->any_plan) {
        (void)fprintf(out, "any plan");
    } else {
        (void)fprintf(out, "%u plans by digest", policy->n_plans);
    }
    print_purposes(policy, out);
    print_limits(policy, out);
    (void)fprintf(out, "%s", policy->vocabulary_goes ? "" : "; no vocabulary");
    print_figures(policy, out);
    (void)fprintf(out, "\n");
}
