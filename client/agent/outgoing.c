#include "client/agent/outgoing.h"

/* Every integer of the vector is named: enum ent_eval_at, ent_classes_at, ent_number_at. */
#define OF_CLASSES                                                                                 \
    "of the validation targets: how many, how many are no class of the plan, how many are among "  \
    "the 1, 5 and 10 most probable classes, the sums of losses and of 1 / rank, how many losses "  \
    "were capped"

static const char *words_of_evaluation(const struct ent_plan *plan)
{
    if (plan->label_kind == ENT_LABEL_NUMBER) {
        return "of the validation rows: how many, the sums of their labels, of the labels' squares "
               "and of the model's squared errors, how many of these were capped";
    }
    if (plan->label_kind == ENT_LABEL_CLASSES) {
        return plan->n_classes <= ENT_CLASSES_DETAIL ? OF_CLASSES
                   ", how many of each class were taken for which, and for each class "
                   "how many fall in each of 1,024 score cells, its own and the others"
                                                     : OF_CLASSES;
    }
    return "of the validation rows: how many, how many positive, the sums of the model's losses, "
           "of its squared errors and of its scores, how many losses were capped, and how many "
           "rows fall in each of 1,024 score cells, by label";
}

void ent_outgoing_list(const struct ent_plan *plan, struct ent_outgoing out[ENT_N_OUTGOING])
{
    bool validates = ent_plan_validates(plan);
    bool tests = ent_plan_tests(plan);

    out[0] = (struct ent_outgoing){
        .name = "statistics",
        .task = ENT_TASK_STATS,
        .times = ent_plan_no_stats(plan) ? 0 : 1,
        .words = "of the training rows: how many, how many positive; for each number how many are "
                 "present, missing, clipped, the sums of its values and of their squares, and with "
                 "encode: ple how many lie in each of 512 cells; for each category and boolean how "
                 "many rows have each declared value; for each bucket of a vocabulary how many "
                 "customers have it; for each vector how many rows have it, lack it, have a number "
                 "of it clipped"};
    out[1] = (struct ent_outgoing){
        .name = "training",
        .task = ENT_TASK_TRAIN,
        .times = plan->rounds,
        .words = "how the model's parameters moved in this member's training, rounded to a grid"};
    out[2] = (struct ent_outgoing){.name = "validation",
                                   .task = ENT_TASK_EVALUATE,
                                   .split = ENT_SPLIT_VALIDATION,
                                   .times = validates ? plan->rounds : 0,
                                   .words = words_of_evaluation(plan)};
    out[3] = (struct ent_outgoing){.name = "test",
                                   .task = ENT_TASK_EVALUATE,
                                   .split = ENT_SPLIT_TEST,
                                   .times = tests ? 1 : 0,
                                   .words = "the same of the test rows, for the best model"};
}
