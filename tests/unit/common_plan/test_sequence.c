/* Sequences, embeddings and labels other than one positive value, in plan.yaml. */
#include <stdlib.h>
#include <string.h>

#include "common/plan/plan.h"
#include "tests/support/ent_test.h"

#define ITEM "{name: item, type: category, ids: [3, 7], embed: 8}"
#define SEQ "sequence: {unit: who, time: when, format: iso}\n"
#define GRU "model: {layers: [{gru: 4}, {dense: 5}]}\n"
#define POOL "model: {layers: [{gru: 4}, last, {dense: 1}]}\n"

static enum ent_err parse(const char *yaml, struct ent_plan **out)
{
    return ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), out);
}

static void refused(const char *yaml, const char *message)
{
    struct ent_plan *plan = NULL;

    CU_ASSERT_EQUAL(parse(yaml, &plan), ENT_E_CONFIG);
    CU_ASSERT_PTR_NULL(plan);
    if (strstr(ent_err_message(), message) == NULL) {
        (void)fprintf(stderr, "expected: %s\nfound:    %s\n", message, ent_err_message());
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), message));
}

ENT_TEST(sequence, what_comes_next)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse("features: [" ITEM ", {name: price, type: number, range: [0, 9]}]\n"
                 "sequence: {unit: who, time: [day, order], length: 12, keep: first}\n"
                 "label: {next: item}\n" GRU,
                 &p));
    CU_ASSERT_STRING_EQUAL(p->sequence.unit, "who");
    CU_ASSERT_EQUAL(p->sequence.n_times, 2);
    CU_ASSERT_STRING_EQUAL(p->sequence.times[1], "order");
    CU_ASSERT_EQUAL(p->sequence.keep, ENT_KEEP_FIRST);
    CU_ASSERT_EQUAL(p->sequence.label, ENT_SEQUENCE_NEXT);
    CU_ASSERT_TRUE(p->sequence.per_step);
    CU_ASSERT_EQUAL(p->seq_max, 12);
    CU_ASSERT_EQUAL(p->label_kind, ENT_LABEL_CLASSES);
    CU_ASSERT_EQUAL(p->n_classes, 5);
    CU_ASSERT_EQUAL(p->loss, ENT_MODEL_SOFTMAX);
    CU_ASSERT_EQUAL(p->features[0].n_values, 5);
    CU_ASSERT_STRING_EQUAL(p->features[0].values[4], "7");
    CU_ASSERT_EQUAL(p->n_inputs, 1);
    CU_ASSERT_EQUAL(p->n_embeddings, 1);
    CU_ASSERT_EQUAL(p->layers[0].kind, ENT_MODEL_EMBEDDING);
    CU_ASSERT_EQUAL(p->layers[0].values, 6);
    CU_ASSERT_EQUAL(p->layers[0].units, 8);
    /* embedding, gru over 1 + 8 inputs, dense */
    CU_ASSERT_EQUAL(p->n_params, 6 * 8 + 3 * (9 * 4 + 4 * 4 + 2 * 4) + 4 * 5 + 5);
    ent_plan_free(p);
    ENT_OK(parse("features: [" ITEM "]\nsequence: {unit: who, time: when}\nlabel: {next: item}\n"
                 "model: {layers: [{gru: 4}, max_pool, {dense: 5}]}\n",
                 &p));
    CU_ASSERT_FALSE(p->sequence.per_step);
    ent_plan_free(p);
}

static char *account_of(const char *yaml)
{
    struct ent_plan *p = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ENT_OK(parse(yaml, &p));
    ent_plan_check_print(p, f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    ent_plan_free(p);
    return text;
}

/* A window of less than a day is not "0 days". */
ENT_TEST(sequence, spans_in_the_account_for_plan_check)
{
    char *text =
        account_of("features: [" ITEM "]\n"
                   "sequence: {unit: who, time: when, format: iso, length: 1, gap: 90min}\n"
                   "label: {later: {from: 2020-01-01T06:00, until: 2020-01-01T18:30}}\n" POOL);

    CU_ASSERT_PTR_NOT_NULL(strstr(text, "an event from 2020-01-01T06:00, within 12 h 30 min\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "the last 1; a new session after a pause of 1 h 30 min\n"));
    free(text);
}

ENT_TEST(sequence, whether_anything_comes_later)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse("features: [" ITEM "]\n" SEQ
                 "label: {later: {from: 2020-01-01, until: 2020-01-31}}\n" POOL,
                 &p));
    CU_ASSERT_EQUAL(p->sequence.label, ENT_SEQUENCE_LATER);
    CU_ASSERT_EQUAL(p->sequence.until_s - p->sequence.from_s, 30 * 86400);
    CU_ASSERT_EQUAL(p->label_kind, ENT_LABEL_POSITIVE);
    CU_ASSERT_EQUAL(p->loss, ENT_MODEL_BCE);
    ent_plan_free(p);
}

ENT_TEST(sequence, labels_of_rows)
{
    struct ent_plan *p = NULL;

    ENT_OK(parse("features: [" ITEM "]\nlabel: {name: y, values: [low, mid, high]}\n"
                 "model: {layers: [{dense: 3}]}\n",
                 &p));
    CU_ASSERT_EQUAL(p->label_kind, ENT_LABEL_CLASSES);
    CU_ASSERT_EQUAL(p->n_classes, 3);
    CU_ASSERT_STRING_EQUAL(p->label_values[2], "high");
    ent_plan_free(p);
    ENT_OK(parse("features: [" ITEM "]\nlabel: {name: y, range: [-5, 20]}\n"
                 "model: {layers: [{dense: 1}]}\n",
                 &p));
    CU_ASSERT_EQUAL(p->label_kind, ENT_LABEL_NUMBER);
    CU_ASSERT_EQUAL(p->loss, ENT_MODEL_MSE);
    CU_ASSERT_EQUAL(p->label_hi, 20.0);
    ent_plan_free(p);
}

ENT_TEST(sequence, what_makes_no_sense)
{
    refused("features: [" ITEM
            "]\nsequence: {unit: who, time: when, gap: 1h}\nlabel: {next: item}\n" GRU,
            "plan.yaml:2:11: pauses and later windows are measured in seconds: the time needs a "
            "format");
    refused("features: [" ITEM "]\nsequence: {unit: who, time: [a, b], format: iso}\n"
            "label: {next: item}\n" GRU,
            "a time with a format is one column");
    refused("features: [" ITEM "]\nsequence: {unit: who, time: when, format: YY}\n"
            "label: {next: item}\n" GRU,
            "the time's format");
    refused("features: [" ITEM "]\nsequence: {unit: who, time: when, length: 1}\n"
            "label: {next: item}\n" GRU,
            "plan.yaml:2:43: length is 1: what comes next is the last event");
    refused("features: [" ITEM "]\n" SEQ "label: {next: item}\n" GRU "training: {best_by: auc}\n",
            "best_by: auc works with loss bce only; this plan's is softmax");
    refused("features: [" ITEM "]\n" SEQ "label: {next: thing}\n" GRU,
            "there is no feature 'thing' whose next value could be predicted");
    refused("features: [{name: p, type: number, range: [0, 1]}]\n" SEQ "label: {next: p}\n" GRU,
            "what comes next is predicted of a category; 'p' is none");
    refused("features: [" ITEM "]\n" SEQ "label: {name: y, positive: \"1\"}\n" POOL,
            "the label of sequences is next: FEATURE, or later");
    refused("features: [" ITEM "]\nlabel: {next: item}\n" GRU, "the plan has none");
    refused("features: [" ITEM "]\n" SEQ
            "label: {later: {from: 2020-02-01, until: 2020-01-31}}\n" POOL,
            "the label's window is empty");
    refused("features: [" ITEM "]\n" SEQ "label: {later: {from: soon, until: 2020-01-31}}\n" POOL,
            "must be a day, as 2024-12-31");
    refused("features: [" ITEM "]\n" SEQ "label: {later: {from: 2020-01-01, until: 2020-01-31}}\n"
            "model: {layers: [{gru: 4}, {dense: 1}]}\n",
            "the layers need last, max_pool or mean_pool");
    refused("features: [" ITEM "]\nclean: {duplicates: drop}\n" SEQ "label: {next: item}\n" GRU,
            "an event may happen twice");
    refused("features: [" ITEM "]\n" SEQ
            "label: {next: item}\nmodel: {layers: [{gru: 4}, {dense: 4}]}\n",
            "the last layer must be \"dense: 5\" for loss softmax");
    refused("features: [" ITEM
            "]\nlabel: {name: y, values: [a, a]}\nmodel: {layers: [{dense: 2}]}\n",
            "stands here a second time");
    refused("features: [" ITEM "]\nlabel: {name: y, values: [a, b], range: [0, 1]}\n"
            "model: {layers: [{dense: 2}]}\n",
            "label needs one of");
    refused("features: [" ITEM "]\nlabel: {positive: \"1\"}\nmodel: {layers: [{dense: 1}]}\n",
            "name is missing");
    refused("features: [" ITEM
            "]\nlabel: {name: y, range: [1, 1]}\nmodel: {layers: [{dense: 1}]}\n",
            "is not below");
    refused(
        "features: [{name: i, type: category, ids: [7, 3]}]\nlabel: {name: y, positive: \"1\"}\n"
        "model: {layers: [{dense: 1}]}\n",
        "ids of 'i' must be 1 to 60000 numbers");
    refused("features: [{name: i, type: number, range: [0, 1], embed: 3}]\n"
            "label: {name: y, positive: \"1\"}\nmodel: {layers: [{dense: 1}]}\n",
            "embed does not belong to a number");
}
