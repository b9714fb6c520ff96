/* entente-coordinator privacy: which noise a goal takes and what a noise costs, before anybody trains. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/json/json.h"
#include "common/plan/plan.h"
#include "coordinator/engine/verbs.h"

#define TABLE_ROUNDS 4

static const double epsilons[] = {0.5, 1, 2, 4, 8};

struct cell {
    double epsilon;
    uint32_t rounds;
    bool there; /* false: no noise gives it, or only noise below the safe grid */
    struct ent_plan_noise noise;
};

struct table {
    uint32_t rounds[TABLE_ROUNDS];
    uint32_t n_rounds;
    struct cell cells[ENT_ARRAY_LEN(epsilons)][TABLE_ROUNDS];
};

/* A quarter, half, all and twice the plan's rounds. */
static void choose_rounds(const struct ent_plan *plan, struct table *t)
{
    uint32_t all = plan->rounds;
    const uint32_t some[TABLE_ROUNDS] = {all / 4, all / 2, all, 2 * all};

    for (size_t i = 0; i < TABLE_ROUNDS; i++) {
        if (some[i] > 0 && (t->n_rounds == 0 || some[i] > t->rounds[t->n_rounds - 1])) {
            t->rounds[t->n_rounds++] = some[i];
        }
    }
}

static void fill_table(const struct ent_plan *plan, struct table *t)
{
    choose_rounds(plan, t);
    for (size_t e = 0; e < ENT_ARRAY_LEN(epsilons); e++) {
        for (uint32_t r = 0; r < t->n_rounds; r++) {
            struct cell *c = &t->cells[e][r];

            c->epsilon = epsilons[e];
            c->rounds = t->rounds[r];
            c->there = ent_plan_privacy_goal(plan, c->epsilon, c->rounds, &c->noise) == ENT_E_OK;
        }
    }
}

/* ---- text ---- */

static void print_table(const struct ent_plan *plan, const struct table *t, FILE *out)
{
    (void)fprintf(
        out,
        "\nnoise multiplier, and in brackets the noise of a whole run beside the largest sum "
        "of what it\nlearns from (below 0.5 is useful), for other goals at delta %g\n\n",
        plan->privacy.delta);
    (void)fprintf(out, "%-8s", "epsilon");
    for (uint32_t r = 0; r < t->n_rounds; r++) {
        (void)fprintf(out, "  %10u rounds", (unsigned)t->rounds[r]);
    }
    (void)fprintf(out, "\n");
    for (size_t e = 0; e < ENT_ARRAY_LEN(epsilons); e++) {
        (void)fprintf(out, "%-8g", epsilons[e]);
        for (uint32_t r = 0; r < t->n_rounds; r++) {
            const struct cell *c = &t->cells[e][r];

            if (c->there) {
                (void)fprintf(out, "  %8.3f (%.2g)", c->noise.z, ent_plan_noise_ratio(&c->noise));
            } else {
                (void)fprintf(out, "  %17s", "-");
            }
        }
        (void)fprintf(out, "\n");
    }
}

static void print_text(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                       const struct table *t)
{
    ent_plan_noise_print(plan, noise, stdout);
    ent_plan_releases_print(plan, stdout);
    print_table(plan, t, stdout);
}

/* ---- JSON ---- */

static void put_table(struct ent_json_writer *w, const struct table *t)
{
    ent_json_put_key(w, "table");
    ent_json_put_array(w);
    for (size_t e = 0; e < ENT_ARRAY_LEN(epsilons); e++) {
        for (uint32_t r = 0; r < t->n_rounds; r++) {
            const struct cell *c = &t->cells[e][r];

            if (!c->there) {
                continue;
            }
            ent_json_put_object(w, ENT_JSON_INSERTION);
            ent_json_put_key_double(w, "goal", c->epsilon);
            ent_json_put_key_uint(w, "rounds", c->rounds);
            ent_json_put_key_double(w, "epsilon", c->noise.epsilon);
            ent_json_put_key_double(w, "noise_multiplier", c->noise.z);
            ent_json_put_key_double(w, "noise_ratio", ent_plan_noise_ratio(&c->noise));
            ent_json_put_close(w);
        }
    }
    ent_json_put_close(w);
}

static enum ent_err print_json(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                               const struct table *t)
{
    char warning[ENT_PLAN_PRIVACY_TEXT_BYTES];
    struct ent_json_writer w;
    struct ent_buf out;
    const char *text = NULL;
    enum ent_err err;

    ent_buf_init(&out, (size_t)1 << 20);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_plan_noise_put(plan, noise, &w);
    if (ent_plan_noise_warning(plan, noise, warning)) {
        ent_json_put_key_string(&w, "warning", warning);
    }
    ent_plan_releases_put(plan, &w);
    put_table(&w, t);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&out, &text);
    }
    if (err == ENT_E_OK) {
        (void)printf("%s\n", text);
    }
    ent_buf_release(&out);
    return err;
}

static enum ent_err run(const struct ent_verb_options *o, const struct ent_plan *plan)
{
    struct ent_plan_noise noise;
    struct table *t = NULL;
    enum ent_err err = ENT_E_OK;
    double z = 0.0;

    if (o->noise != NULL) {
        ENT_REQUIRE(ent_scalar_double(o->noise, strlen(o->noise), &z) && z > 0.0 && z <= 1e6,
                    ENT_E_USAGE, "--noise is '%s': must be a multiplier in (0, 1e6]", o->noise);
        ENT_TRY(ent_plan_privacy_of_noise(plan, z, &noise));
    } else {
        ENT_TRY(ent_plan_privacy_derive(plan, &noise));
    }
    ENT_TRY(ent_calloc(1, sizeof *t, &t));
    fill_table(plan, t);
    if (o->json) {
        err = print_json(plan, &noise, t);
    } else {
        print_text(plan, &noise, t);
    }
    free(t);
    return err;
}

enum ent_err ent_verb_privacy(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_verb_options *o = options;
    struct ent_plan *plan = NULL;
    enum ent_err err;

    (void)args;
    (void)n_args;
    ent_verb_log(o);
    ENT_TRY(ent_plan_read(o->plan, &plan));
    err = run(o, plan);
    ent_plan_free(plan);
    return err;
}
