/* Privacy of a simulated run: the accounts, as coordinator/engine/budget.c keeps them, and noise at the coordinator. */
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/crypto/csprng.h"
#include "common/crypto/secret.h"
#include "common/privacy/clip.h"
#include "simulate/internal.h"

static bool trains(const struct ent_sim *s)
{
    return s->privacy.on && s->round.task == ENT_ROUND_TRAIN;
}

static bool is_central(const struct ent_sim *s)
{
    return trains(s) && s->plan->privacy.unit == ENT_PRIVACY_MEMBER;
}

/* ---- accounts ---- */

static enum ent_err spent_of(const struct ent_sim *s, const struct ent_dp_event *event, double *out)
{
    struct ent_dp_spent spent;

    ENT_TRY(ent_account_spent(event, 1, s->plan->privacy.delta, &spent));
    *out = spent.eps;
    return ENT_E_OK;
}

/* What so many rounds cost a unit, and a person in as many members as the plan says. */
static enum ent_err cost(const struct ent_sim *s, uint32_t rounds, double *unit, double *person)
{
    bool central = s->plan->privacy.unit == ENT_PRIVACY_MEMBER;
    struct ent_dp_event all = s->privacy.plan.round;
    struct ent_dp_event of_person;

    *unit = 0.0;
    *person = 0.0;
    if (rounds == 0) {
        return ENT_E_OK;
    }
    all.steps *= rounds;
    ENT_TRY(spent_of(s, &all, unit));
    ENT_TRY(ent_dp_event_of_person(&all, central ? ENT_DP_MEMBER_LEVEL : ENT_DP_LOCAL,
                                   s->plan->privacy.members_per_person, &of_person));
    return spent_of(s, &of_person, person);
}

static uint32_t most_booked(const struct ent_sim *s)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < s->n_members; i++) {
        most = s->privacy.booked[i] > most ? s->privacy.booked[i] : most;
    }
    return most;
}

enum ent_err ent_sim_privacy_setup(struct ent_sim *s)
{
    const struct ent_plan_privacy *p = &s->plan->privacy;
    struct ent_sim_privacy *own = &s->privacy;
    struct ent_dp_limit limit = {.eps = p->epsilon, .delta = p->delta};
    struct ent_dp_round round = {.events = &own->plan.round, .n = 1};

    if (p->unit == ENT_PRIVACY_NONE) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_plan_privacy_derive(s->plan, &own->plan));
    ENT_TRY(ent_account_rounds_left(
        NULL, 0, &round, &limit, (uint64_t)s->plan->rounds * s->plan->attempts, &own->affordable));
    if (p->unit == ENT_PRIVACY_MEMBER) {
        ENT_TRY(ent_clip_bound(p->clip, p->scale_bits, &own->bound));
    }
    ENT_TRY(ent_calloc(s->n_members, sizeof *own->booked, &own->booked));
    own->on = true;
    return ENT_E_OK;
}

void ent_sim_privacy_release(struct ent_sim *s)
{
    ent_step_noise_free(s->privacy.noise);
    free(s->privacy.booked);
    s->privacy = (struct ent_sim_privacy){0};
}

bool ent_sim_privacy_spent(const struct ent_sim *s)
{
    return s->privacy.on && ent_round_trains_next(&s->round) &&
           most_booked(s) >= s->privacy.affordable;
}

void ent_sim_privacy_reserve(struct ent_sim *s)
{
    for (uint32_t i = 0; trains(s) && i < s->opened.n; i++) {
        s->privacy.booked[s->opened.items[i]]++;
    }
}

/* Booked stays booked once an input can have arrived. */
void ent_sim_privacy_aborted(struct ent_sim *s)
{
    ent_step_noise_free(s->privacy.noise);
    s->privacy.noise = NULL;
    for (uint32_t i = 0; i < s->n_members; i++) {
        if (s->standings[i].offered || s->standings[i].standing == ENT_STANDING_ACCEPTED) {
            return;
        }
    }
    for (uint32_t i = 0; trains(s) && i < s->n_members; i++) {
        s->privacy.booked[i] -= s->standings[i].standing != ENT_STANDING_NONE ? 1 : 0;
    }
}

enum ent_err ent_sim_privacy_told(const struct ent_sim *s, struct ent_simulated_privacy *out)
{
    *out = (struct ent_simulated_privacy){.unit = s->plan->privacy.unit};
    if (!s->privacy.on) {
        return ENT_E_OK;
    }
    out->goal = s->plan->privacy.epsilon;
    out->delta = s->plan->privacy.delta;
    out->members_per_person = s->plan->privacy.members_per_person;
    out->multiplier = s->privacy.plan.z;
    out->booked = most_booked(s);
    out->out_of_budget = s->out_of_budget;
    return cost(s, out->booked, &out->epsilon, &out->epsilon_person);
}

/* ---- noise at the coordinator ---- */

/* There are no witnesses here whose nonces could enter the key, and nobody to whom the draw would be proven: the key is
 * the system's, fresh for each attempt. */
enum ent_err ent_sim_privacy_begin(struct ent_sim *s)
{
    struct ent_csprng csprng = ent_csprng_system();
    uint8_t key[ENT_STEP_NOISE_KEY_BYTES];
    enum ent_err err;

    if (!is_central(s)) {
        return ENT_E_OK;
    }
    ent_step_noise_free(s->privacy.noise);
    s->privacy.noise = NULL;
    ENT_TRY(ent_csprng_bytes(&csprng, key, sizeof key));
    err = ent_step_noise_new(s->privacy.plan.sigma2, key, s->dim, &s->privacy.noise);
    ent_cleanse(key, sizeof key);
    ENT_TRY(err);
    return ent_step_noise_start(s->privacy.noise);
}

enum ent_err ent_sim_privacy_check(const struct ent_sim *s, const uint8_t *q, size_t n)
{
    return is_central(s) ? ent_clip_check(q, n, s->privacy.bound) : ENT_E_OK;
}

enum ent_err ent_sim_privacy_add(struct ent_sim *s, int64_t *sum)
{
    if (!is_central(s)) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(s->privacy.noise != NULL, ENT_E_INTERNAL, "a sum without its noise");
    ENT_TRY(ent_step_noise_window(s->privacy.noise, 0, sum, s->dim));
    ent_step_noise_free(s->privacy.noise); /* it serves one sum */
    s->privacy.noise = NULL;
    return ENT_E_OK;
}
