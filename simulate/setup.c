/* What a simulated federation is made of, before its first round and after its last. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/weight.h"
#include "simulate/internal.h"

#define RUN 1
#define RETRY_MS 10000

static uint32_t weight_max(const struct ent_sim *s)
{
    uint32_t max = 1;

    for (uint32_t i = 0; i < s->n_members; i++) {
        const struct ent_simulated_member *m = &s->population->members[i];
        uint32_t w = 1;

        if (s->plan->weights == ENT_WEIGHTS_FIXED) {
            w = ent_plan_fixed_weight(s->plan, m->name);
        } else if (s->plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2 &&
                   ent_weight_of_bucket(ent_weight_bucket(m->train_examples), &w) != ENT_E_OK) {
            w = 1; /* no rows, no update */
        }
        max = w > max ? w : max;
    }
    return max;
}

static enum ent_err make_keys(struct ent_sim *s)
{
    uint8_t derived[32];

    ENT_TRY(ent_sim_derive(s, "federation", NULL, 0, derived));
    memcpy(s->federation, derived, sizeof s->federation);
    ENT_TRY(ent_sim_derive(s, "coordinator", NULL, 0, derived));
    ENT_TRY(ent_sign_key_of_seed(derived, &s->key));
    ent_sign_key_pub(s->key, s->pub);
    for (uint32_t i = 0; i < s->n_members; i++) {
        ENT_TRY(ent_sim_member_make(s, i));
    }
    return ENT_E_OK;
}

static enum ent_err make_lists(struct ent_sim *s)
{
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->members, &s->members));
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->standings, &s->standings));
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->order, &s->order));
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->opened.items, &s->opened.items));
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->begun.items, &s->begun.items));
    ENT_TRY(ent_calloc(s->n_members, sizeof *s->result->members, &s->result->members));
    s->actions.cap = 4 * (size_t)s->n_members + 16;
    ENT_TRY(ent_calloc(s->actions.cap, sizeof *s->actions.list, &s->actions.list));
    ENT_TRY(ent_calloc(s->threads, sizeof *s->workers, &s->workers));
    for (uint32_t w = 0; w < s->threads; w++) {
        ent_arena_init(&s->workers[w].arena, ENT_SIM_ARENA_BYTES);
        ENT_TRY(ent_pipeline_borrow(s->plan, s->population->table, &s->workers[w].pipeline));
    }
    return ent_kept_store_new(s->n_members, ent_pipeline_kept_floats(s->plan),
                              s->options->state_memory, &s->kept);
}

static enum ent_err begin_run(struct ent_sim *s)
{
    uint8_t base[32] = {0};
    const struct ent_plan *plan = s->plan;
    struct ent_run_config config = {.run = RUN,
                                    .train_rounds = plan->rounds,
                                    .min_members = plan->min_members,
                                    .attempts = plan->attempts,
                                    .join_ms = plan->join_ms,
                                    .update_ms = plan->update_ms,
                                    .retry_ms = RETRY_MS,
                                    .validate = ent_plan_validates(plan),
                                    .test = ent_plan_tests(plan),
                                    .no_stats = ent_plan_no_stats(plan),
                                    .patience = plan->patience,
                                    .best_by = plan->best_by == ENT_BEST_BY_AUC
                                                   ? ENT_ROUND_BEST_BY_AUC
                                                   : ENT_ROUND_BEST_BY_LOSS};

    ent_round_init(&s->round, s->standings);
    for (uint32_t i = 0; i < s->n_members; i++) {
        (void)ent_round_add_member(&s->round, false);
    }
    if (config.no_stats) {
        ENT_TRY(ent_sim_make_base(s, base));
    }
    ENT_TRY(ent_round_begin(&s->round, &config, base));
    for (uint32_t i = 0; i < s->n_members; i++) {
        struct ent_event event = ent_sim_event(s, ENT_EV_UP, i);

        ent_sim_feed(s, &event);
    }
    return ENT_E_OK;
}

enum ent_err ent_sim_setup(struct ent_sim *s)
{
    ENT_TRY(make_lists(s));
    ENT_TRY(make_keys(s));
    s->weight_max = weight_max(s);
    ENT_TRY(ent_sim_privacy_setup(s));
    return begin_run(s);
}

void ent_sim_drop_sums(struct ent_sim *s)
{
    for (uint32_t w = 0; w < s->threads; w++) {
        ent_agg_free(s->workers[w].agg);
        free(s->workers[w].sum);
        s->workers[w].agg = NULL;
        s->workers[w].sum = NULL;
        s->workers[w].n_added = 0;
        s->workers[w].sum_w = 0;
    }
}

void ent_sim_release(struct ent_sim *s)
{
    if (s->workers != NULL) {
        ent_sim_drop_sums(s);
    }
    for (uint32_t w = 0; s->workers != NULL && w < s->threads; w++) {
        ent_pipeline_give_back(s->workers[w].pipeline);
        ent_arena_release(&s->workers[w].arena);
        ent_kept_release(&s->workers[w].kept);
    }
    for (uint32_t i = 0; s->members != NULL && i < s->n_members; i++) {
        ent_sign_key_free(s->members[i].key);
    }
    for (size_t i = 0; i < ENT_SIM_SHELF; i++) {
        ent_blob_unref(s->shelf[i].blob);
    }
    ent_sim_privacy_release(s);
    ent_buf_release(&s->server_state);
    ent_blob_unref(s->base);
    ent_sign_key_free(s->key);
    ent_kept_store_free(s->kept);
    for (uint32_t i = 0; i < ENT_SIM_OPENINGS_MAX; i++) {
        ent_buf_release(&s->openings[i].sealed);
    }
    free(s->actions.list);
    free(s->opened.items);
    free(s->begun.items);
    free(s->order);
    free(s->standings);
    free(s->members);
    free(s->workers);
    (void)pthread_mutex_destroy(&s->lock);
}
