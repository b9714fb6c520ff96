/* Vectors among the features of a plan. */
#include <string.h>

#include "common/plan/plan.h"
#include "tests/support/ent_test.h"

#define REST "label: {name: y, positive: \"1\"}\nmodel: {layers: [{dense: 2}, relu, {dense: 1}]}\n"

static enum ent_err parse(const char *yaml, struct ent_plan **out)
{
    return ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

ENT_TEST(vector, one_feature_with_many_inputs)
{
    struct ent_plan *p;
    char text[ENT_FEATURE_TEXT_BYTES];

    ENT_OK(parse("features: [{name: n, type: number, range: [0, 1]}, {name: v, type: vector, "
                 "length: 784, range: [0, 255]}, {name: b, type: boolean}]\n" REST,
                 &p));
    CU_ASSERT_EQUAL(p->n_features, 3);
    CU_ASSERT_EQUAL(p->n_inputs, 1 + 784 + 2);
    CU_ASSERT_EQUAL(p->features[1].type, ENT_FEATURE_VECTOR);
    CU_ASSERT_EQUAL(p->features[1].first_input, 1);
    CU_ASSERT_EQUAL(p->features[1].n_inputs, 784);
    CU_ASSERT_EQUAL(p->features[2].first_input, 785);
    CU_ASSERT_EQUAL(p->n_params, 787 * 2 + 2 + 2 + 1);
    ent_feature_text(&p->features[1], text);
    CU_ASSERT_STRING_EQUAL(text, "vector of 784 numbers in [0, 255]");
    ent_plan_free(p);
}

ENT_TEST(vector, what_is_wrong_with_one)
{
    static const struct {
        const char *entry;
        const char *message;
    } wrong[] = {
        {"type: vector, range: [0, 1]", "vector 'v' has no length"},
        {"type: vector, length: 4", "vector 'v' has no range"},
        {"type: vector, length: 4, range: [1, 1]", "1 is not below 1"},
        {"type: vector, length: 0, range: [0, 1]", "length"},
        {"type: vector, length: 65537, range: [0, 1]", "length"},
        {"type: vector, length: 4, range: [0, 1], encode: ple",
         "encode does not belong to a vector"},
        {"type: vector, length: 4, range: [0, 1], indicator: true",
         "indicator does not belong to a vector"},
        {"type: number, range: [0, 1], length: 4", "length does not belong to a number"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ent_plan *p = NULL;
        char yaml[512];

        (void)snprintf(yaml, sizeof yaml, "features: [{name: v, %s}]\n" REST, wrong[i].entry);
        CU_ASSERT_EQUAL(parse(yaml, &p), ENT_E_CONFIG);
        if (strstr(ent_err_message(), wrong[i].message) == NULL) {
            (void)fprintf(stderr, "%s: %s\n", wrong[i].entry, ent_err_message());
            CU_FAIL("another sentence");
        }
    }
}
