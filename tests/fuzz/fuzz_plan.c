/* Any bytes as plan.yaml (a member parses the coordinator's), federation.yaml and client.yaml. What is accepted must be
 * consistent: consecutive inputs, a countable model, a drafted text that reads back. */
#include <stdlib.h>
#include <string.h>

#include "common/plan/client_config.h"
#include "common/plan/federation.h"
#include "common/plan/plan.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_plan(const struct ent_plan *plan)
{
    struct ent_model_layer layers[ENT_PLAN_MAX_LAYERS];
    struct ent_model_options options;
    uint32_t inputs = 0;
    size_t n_params = 0;

    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        require(f->first_input == inputs && (f->n_inputs > 0) == (f->embed == 0) &&
                f->name[0] != '\0');
        require(f->type != ENT_FEATURE_NUMBER || (float)f->lo < (float)f->hi);
        require(ent_feature_check(f) == ENT_E_OK && ent_feature_inputs(f) == f->n_inputs);
        inputs += f->n_inputs;
    }
    require(inputs == plan->n_inputs && plan->n_inputs + plan->n_embeddings > 0);
    require(plan->sequence.unit == NULL || ent_sequence_check(&plan->sequence) == ENT_E_OK);
    require(plan->sequence.label != ENT_SEQUENCE_NEXT || plan->sequence.next < plan->n_features);
    require(plan->split_validation + plan->split_test < 1.0 && plan->min_members >= 2);
    ent_plan_model_options(plan, 1, layers, &options);
    require(ent_model_count(&options, &n_params) == ENT_E_OK && n_params == plan->n_params);
}

static void check_client(const struct ent_client_config *config)
{
    require(config->data.path != NULL && config->data.path[0] == '/');
    require(config->policy.any_plan || config->policy.n_plans == 0 || config->policy.plans != NULL);
    for (uint32_t i = 0; i < config->n_columns; i++) {
        require(config->columns[i].feature != NULL && config->columns[i].column != NULL);
    }
}

static void check_federation(const struct ent_federation_config *config)
{
    struct ent_buf text;

    ent_buf_init(&text, 65536);
    require(ent_federation_config_text(config->name, config->host, config->listen,
                                       config->enroll_listen, &text) == ENT_E_OK);
    ent_buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_federation_config *federation;
    struct ent_client_config *client;
    struct ent_plan *plan;

    if (ent_plan_parse("plan.yaml", data, size, &plan) == ENT_E_OK) {
        check_plan(plan);
        ent_plan_free(plan);
    }
    if (ent_federation_config_parse("federation.yaml", data, size, &federation) == ENT_E_OK) {
        check_federation(federation);
        ent_federation_config_free(federation);
    }
    if (ent_client_config_parse("client.yaml", "/", data, size, &client) == ENT_E_OK) {
        check_client(client);
        ent_client_config_free(client);
    }
    return 0;
}
