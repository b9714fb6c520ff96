/* A plan in words and figures, for plan-check. */
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/plural.h"
#include "common/plan/plan.h"

static void print_label(const struct ent_plan *plan, FILE *out)
{
    const struct ent_sequence *s = &plan->sequence;
    char span[ENT_TIME_TEXT_BYTES];

    if (plan->label_kind == ENT_LABEL_CLASSES) {
        (void)fprintf(out, "label       %s, one of %u%s\n", plan->label_name, plan->n_classes,
                      s->per_step ? ", after every event" : "");
    } else if (plan->label_kind == ENT_LABEL_NUMBER) {
        (void)fprintf(out, "label       %s, a number in [%g, %g]\n", plan->label_name,
                      plan->label_lo, plan->label_hi);
    } else if (s->unit != NULL) {
        ent_duration_text((uint64_t)(s->until_s - s->from_s) * 1000, span);
        (void)fprintf(out, "label       %s, within %s\n", plan->label_name, span);
    } else {
        (void)fprintf(out, "label       %s, positive where it is '%s'\n", plan->label_name,
                      plan->label_positive);
    }
    if (s->unit != NULL) {
        (void)fprintf(out, "sequences   events by '%s' in the order of '%s'%s, the %s %u", s->unit,
                      s->times[0], s->n_times > 1 ? " and so on" : "",
                      s->keep == ENT_KEEP_ALL ? "pieces of at most"
                                              : ent_sequence_keep_names[s->keep],
                      s->length);
        if (s->gap_s > 0) {
            ent_duration_text(s->gap_s * 1000, span);
            (void)fprintf(out, "; a new session after a pause of %s", span);
        }
        (void)fprintf(out, "\n");
    }
}

static void print_features(const struct ent_plan *plan, FILE *out)
{
    uint32_t count[ENT_FEATURE_TYPES] = {0};
    char text[ENT_FEATURE_TEXT_BYTES];

    for (uint32_t i = 0; i < plan->n_features; i++) {
        count[plan->features[i].type]++;
    }
    (void)fprintf(out, "features    %u: %u numbers, %u categories, %u booleans", plan->n_features,
                  count[ENT_FEATURE_NUMBER], count[ENT_FEATURE_CATEGORY],
                  count[ENT_FEATURE_BOOLEAN]);
    if (count[ENT_FEATURE_VECTOR] > 0) {
        (void)fprintf(out, ", %u vectors", count[ENT_FEATURE_VECTOR]);
    }
    (void)fprintf(out, " -> %u model inputs\n", plan->n_inputs);
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        ent_feature_text(f, text);
        (void)fprintf(out, "  %-28s %s\n", f->name, text);
    }
    if (plan->drop_duplicates) {
        (void)fprintf(out, "clean       rows that equal an earlier one are dropped\n");
    }
    print_label(plan, out);
}

static void print_split(const struct ent_plan *plan, FILE *out)
{
    if (plan->split_test_file) {
        (void)fprintf(
            out,
            "split       test rows from each member's split_file; %g %% of the others for "
            "validation\n",
            100.0 * plan->split_validation);
    } else {
        (void)fprintf(
            out,
            "split       %g %% training, %g %% validation, %g %% test, by customer (key %llu)\n",
            100.0 * (1.0 - plan->split_validation - plan->split_test),
            100.0 * plan->split_validation, 100.0 * plan->split_test,
            (unsigned long long)plan->split_key);
    }
    if (plan->split_validation <= 0.0 && plan->rounds > 1) {
        (void)fprintf(out,
                      "            without validation rows the last model counts as the best\n");
    }
}

static void print_model(const struct ent_plan *plan, FILE *out)
{
    (void)fprintf(out, "model       %u", plan->n_inputs);
    for (uint32_t i = 0; i < plan->n_layers; i++) {
        const struct ent_layer_spec *l = &plan->layers[i];

        (void)fprintf(out, " > %s", ent_model_layer_name(l->kind));
        if (l->kind == ENT_MODEL_EMBEDDING) {
            (void)fprintf(out, " %u of %u", l->units, l->values);
        } else if (l->kind == ENT_MODEL_DROPOUT) {
            (void)fprintf(out, " %g", l->rate);
        } else if (l->units > 0) {
            (void)fprintf(out, " %u", l->units);
        }
    }
    if (plan->ensemble > 1) {
        (void)fprintf(out, ", %u-fold", plan->ensemble);
    }
    (void)fprintf(out, ": %zu parameters, loss %s\n", plan->n_params,
                  ent_model_loss_name(plan->loss));
}

static void print_optimizer(const struct ent_plan *plan, FILE *out)
{
    const struct ent_optim_spec *o = &plan->optimizer;

    (void)fprintf(out, ", %s rate %g", o->optim->name, o->hyper.rate);
    if (strcmp(o->optim->name, "sgd") == 0) {
        (void)fprintf(out, " momentum %g", o->hyper.momentum);
    }
    if (o->hyper.weight_decay > 0.0) {
        (void)fprintf(out, " decay %g", o->hyper.weight_decay);
    }
    (void)fprintf(out, "%s", o->keep_state ? " (kept between rounds)" : "");
    if (plan->schedule.kind == ENT_SCHEDULE_COSINE) {
        (void)fprintf(out, ", cosine to 0");
    } else if (plan->schedule.kind == ENT_SCHEDULE_STEP) {
        (void)fprintf(out, ", times %g every %u rounds", plan->schedule.factor,
                      plan->schedule.every);
    }
    if (plan->clip_norm > 0.0) {
        (void)fprintf(out, ", gradient clipped to %g", plan->clip_norm);
    }
    if (plan->proximal > 0.0) {
        (void)fprintf(out, ", proximal %g", plan->proximal);
    }
}

/* How the best round is chosen. */
static void print_best(const struct ent_plan *plan, FILE *out)
{
    if (ent_plan_validates(plan)) {
        (void)fprintf(out, "            best round by validation %s",
                      plan->best_by == ENT_BEST_BY_AUC ? "AUC" : "log loss");
        if (plan->patience > 0) {
            (void)fprintf(out, ", ends after %u rounds without a better one", plan->patience);
        }
        (void)fprintf(out, "\n");
    }
}

static void print_training(const struct ent_plan *plan, FILE *out)
{
    if (plan->privacy.unit == ENT_PRIVACY_CUSTOMER) {
        (void)fprintf(out, "training    %u rounds of %u noised step%s, about %u customers each",
                      plan->rounds, plan->privacy.steps, plan->privacy.steps == 1 ? "" : "s",
                      plan->privacy.batch);
        print_optimizer(plan, out);
        (void)fprintf(out, ", seed %llu\n", (unsigned long long)plan->seed);
        print_best(plan, out);
        return;
    }
    (void)fprintf(out, "training    %u rounds of %u epoch%s, ", plan->rounds, plan->epochs,
                  plan->epochs == 1 ? "" : "s");
    if (plan->batch == 0) {
        (void)fprintf(out, "full batch");
    } else {
        (void)fprintf(out, "batch %u", plan->batch);
    }
    print_optimizer(plan, out);
    (void)fprintf(out, ", seed %llu\n", (unsigned long long)plan->seed);
    print_best(plan, out);
}

static void print_weights(const struct ent_plan *plan, FILE *out)
{
    static const char *const names[] = {"equal", "by floor(log2 rows)", "fixed"};
    char join[ENT_TIME_TEXT_BYTES];
    char update[ENT_TIME_TEXT_BYTES];

    ent_duration_text(plan->join_ms, join);
    ent_duration_text(plan->update_ms, update);
    (void)fprintf(out, "aggregation %s, weights %s, at least %u members, scale 2^%u\n", plan->rule,
                  names[plan->weights], plan->min_members, plan->scale_bits);
    if (strcmp(plan->server.optim->name, "sgd") != 0 || plan->server.hyper.rate < 1.0 ||
        plan->server.hyper.rate > 1.0) {
        (void)fprintf(out, "            then %s, rate %g\n", plan->server.optim->summary,
                      plan->server.hyper.rate);
    }
    for (uint32_t i = 0; i < plan->n_fixed_weights; i++) {
        (void)fprintf(out, "  %-28s weight %u\n", plan->fixed_weights[i].member,
                      plan->fixed_weights[i].weight);
    }
    (void)fprintf(out, "deadlines   %s to join, %s for the update, %u attempts a round\n", join,
                  update, plan->attempts);
}

static void print_size(const char *what, double bytes, FILE *out)
{
    if (bytes < 10000.0) {
        (void)fprintf(out, "%s %.0f B", what, bytes);
    } else if (bytes < 1e7) {
        (void)fprintf(out, "%s %.1f kB", what, bytes / 1e3);
    } else {
        (void)fprintf(out, "%s %.1f MB", what, bytes / 1e6);
    }
}

/* What a member sends of a task: as common/task states it, a salt and the integers, nothing else. */
static double payload_bytes(const struct ent_task_sizes *sizes, enum ent_task_kind kind)
{
    uint64_t bytes = 0;

    /* cannot fail: the parser has bounded it */
    ENT_BUG_ON(ent_task_payload_bytes(ent_task_find((uint32_t)kind), sizes, &bytes) != ENT_E_OK);
    return (double)bytes;
}

static void print_traffic(const struct ent_plan *plan, FILE *out)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(plan);
    double stats = payload_bytes(&sizes, ENT_TASK_STATS);
    double train = payload_bytes(&sizes, ENT_TASK_TRAIN);
    double evaluation = payload_bytes(&sizes, ENT_TASK_EVALUATE);
    double model = (double)sizeof(float) * (double)plan->n_params;
    bool validates = ent_plan_validates(plan);
    bool tests = ent_plan_tests(plan);
    double evaluations = (validates ? plan->rounds : 0.0) + (tests ? 1.0 : 0.0);

    if (ent_plan_no_stats(plan)) {
        stats = 0.0;
        print_size("traffic     a member sends: each round update", train, out);
    } else {
        print_size("traffic     a member sends: statistics once", stats, out);
        print_size(", each round update", train, out);
    }
    if (validates) {
        print_size(" and evaluation", evaluation, out);
    }
    if (tests) {
        print_size(validates ? ", at the end another" : ", at the end an evaluation", evaluation,
                   out);
    }
    print_size("; receives each round the model,", model, out);
    print_size("\n            in all: sends about",
               stats + plan->rounds * train + evaluations * evaluation, out);
    print_size(", receives about", (plan->rounds + 1.0) * model, out);
    (void)fprintf(out, "\n");
}

void ent_plan_check_print(const struct ent_plan *plan, FILE *out)
{
    char hex[65];

    ent_hex(plan->digest, sizeof plan->digest, hex);
    (void)fprintf(out, "plan        %s\n", hex);
    if (plan->purpose != NULL) {
        (void)fprintf(out, "purpose     %s\n", plan->purpose);
    }
    print_features(plan, out);
    print_split(plan, out);
    (void)fprintf(out, "groups      at least %u %s: of fewer nothing is counted, shown or kept\n",
                  plan->min_group, ent_plural(plan->min_group, "customer", "customers"));
    print_model(plan, out);
    print_training(plan, out);
    print_weights(plan, out);
    print_traffic(plan, out);
    if (plan->privacy.unit != ENT_PRIVACY_NONE) {
        ent_plan_releases_print(plan, out);
    }
}
