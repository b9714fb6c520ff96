/* Noise and releases of a plan in words and figures, for plan-check, check and the privacy verb. */
#include <math.h>

#include "common/plan/plan.h"
#include "common/privacy/clip.h"

static void add(struct ent_plan_release *list, uint32_t *n, const char *what, uint64_t times,
                bool covered)
{
    if (times > 0) {
        list[(*n)++] = (struct ent_plan_release){what, times, covered};
    }
}

uint32_t ent_plan_releases(const struct ent_plan *plan,
                           struct ent_plan_release list[ENT_PLAN_RELEASES_MAX])
{
    bool noised = plan->privacy.unit != ENT_PRIVACY_NONE;
    uint32_t n = 0;

    add(list, &n, "sums of its rows for the features' scales (statistics)",
        !ent_plan_no_stats(plan), false);
    add(list, &n,
        plan->privacy.unit == ENT_PRIVACY_MEMBER
            ? "the update of a training round; the coordinator sees it and adds noise to the sum"
            : "the update of a training round",
        plan->rounds, noised);
    add(list, &n, "histogram of scores on validation rows, which also chooses the best round",
        ent_plan_validates(plan) ? plan->rounds : 0, false);
    add(list, &n, "histogram of scores on test rows", ent_plan_tests(plan), false);
    return n;
}

void ent_plan_releases_print(const struct ent_plan *plan, FILE *out)
{
    struct ent_plan_release list[ENT_PLAN_RELEASES_MAX];
    uint32_t n = ent_plan_releases(plan, list);
    uint32_t open = 0;

    for (uint32_t i = 0; i < n; i++) {
        open += !list[i].covered;
        (void)fprintf(out, "%s%-12s %s, %llu time%s\n", i == 0 ? "releases    " : "            ",
                      list[i].covered ? "covered" : "NOT covered", list[i].what,
                      (unsigned long long)list[i].times, list[i].times == 1 ? "" : "s");
    }
    if (open == 0) {
        (void)fprintf(out, "            nothing %s that no noise covers\n",
                      plan->privacy.unit == ENT_PRIVACY_MEMBER ? "is released" : "leaves");
    }
}

double ent_plan_noise_ratio(const struct ent_plan_noise *noise)
{
    return noise->noise_norm / noise->bound_norm / sqrt((double)noise->steps_total);
}

bool ent_plan_noise_warning(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                            char out[ENT_PLAN_PRIVACY_TEXT_BYTES])
{
    const struct ent_plan_privacy *p = &plan->privacy;
    double ratio = ent_plan_noise_ratio(noise);

    if (ratio <= 0.5) {
        return false;
    }
    if (p->unit == ENT_PRIVACY_CUSTOMER) {
        (void)snprintf(
            out, ENT_PLAN_PRIVACY_TEXT_BYTES,
            "little will be learnt: in one member the noise of the mean of a step has norm "
            "%.3g, a clipped gradient at most %g; over all %llu steps noise is %.2g times the "
            "largest sum of gradients there can be. A smaller model (%zu parameters), more "
            "customers in a step (batch %u) or more epsilon help",
            noise->noise_norm, p->clip, (unsigned long long)noise->steps_total, ratio,
            plan->n_params, (unsigned)p->batch);
        return true;
    }
    (void)snprintf(
        out, ENT_PLAN_PRIVACY_TEXT_BYTES,
        "%s with few members: with %u of them (min_members) the noise of a round's mean has norm "
        "%.3g, the mean itself at most %g; over all %u rounds noise is %.2g times the largest sum "
        "of updates there can be. About %.0f members (or a smaller model, of %zu parameters now) "
        "bring it to half of that sum; unit customer is useful with few members",
        ratio > 1.0 ? "unusable" : "of little use", (unsigned)plan->min_members, noise->noise_norm,
        p->clip, (unsigned)(noise->steps_total), ratio,
        ceil((double)plan->min_members * ratio / 0.5), plan->n_params);
    return true;
}

/* What the figures mean, in one line: where the noise is, and who sees what without it. */
static void print_trust(const struct ent_plan *plan, FILE *out)
{
    (void)fprintf(out, "trust       %s\n",
                  plan->privacy.unit == ENT_PRIVACY_CUSTOMER
                      ? "noise inside each member, before anything leaves it: the coordinator need "
                        "not be trusted with a customer"
                      : "noise at the coordinator, which sees every update without it: members "
                        "trust it; whoever gets a model does not have to be trusted");
}

static void print_persons(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                          FILE *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;

    for (uint32_t j = 0; j < ENT_PLAN_PRIVACY_PERSONS; j++) {
        (void)fprintf(out, "            a person in %u member%s: epsilon %.4f\n", (unsigned)j + 1,
                      j == 0 ? "" : "s", noise->epsilon_person[j]);
    }
    if (p->members_per_person > ENT_PLAN_PRIVACY_PERSONS) {
        (void)fprintf(out, "            a person in %u members: epsilon %.4f\n",
                      (unsigned)p->members_per_person, noise->epsilon_declared);
    }
    (void)fprintf(out, "            the plan says that a person is in at most %u member%s (%s)\n",
                  (unsigned)p->members_per_person, p->members_per_person == 1 ? "" : "s",
                  p->persons_basis == 0 ? "without a basis"
                                        : ent_plan_persons_name(p->persons_basis));
}

static void print_grid(const struct ent_plan *plan, const struct ent_plan_noise *noise, FILE *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;
    uint64_t bound = 0;

    if (ent_clip_bound(p->clip, p->scale_bits, &bound) != ENT_E_OK) {
        return; /* the reader has refused it */
    }
    (void)fprintf(out,
                  "grid        S 2^%u, clip %g = B %llu steps of it; sigma %.0f steps, the safe "
                  "grid begins at 1024\n",
                  (unsigned)p->scale_bits, p->clip, (unsigned long long)bound,
                  sqrt((double)noise->sigma2));
}

void ent_plan_noise_print(const struct ent_plan *plan, const struct ent_plan_noise *noise,
                          FILE *out)
{
    const struct ent_plan_privacy *p = &plan->privacy;
    char text[ENT_PLAN_PRIVACY_TEXT_BYTES];

    (void)fprintf(out,
                  "privacy     unit %s: epsilon %.4f at delta %g over the run (goal %g; by %s, RDP "
                  "beside it %.4f)\n",
                  ent_plan_unit_name(p->unit), noise->epsilon, p->delta, p->epsilon,
                  ent_dp_accountant_name(noise->accountant), noise->epsilon_rdp);
    print_persons(plan, noise, out);
    print_trust(plan, out);
    (void)fprintf(
        out,
        "noise       multiplier %.4f: sigma2 %llu = (z D2)^2, D2 %llu, clip %g on a grid of "
        "2^-%u, %zu parameters (rounding costs %.2g %%)\n",
        noise->z, (unsigned long long)noise->sigma2, (unsigned long long)noise->d2, p->clip,
        (unsigned)p->scale_bits, (size_t)noise->dim, 100.0 * noise->rounding);
    if (p->unit == ENT_PRIVACY_CUSTOMER) {
        (void)fprintf(
            out,
            "            %llu steps, %u a round, each of a customer with probability %.6g "
            "(%llu / 2^32), divided by %u\n",
            (unsigned long long)noise->steps_total, (unsigned)p->steps, ldexp((double)p->rate, -32),
            (unsigned long long)p->rate, (unsigned)p->batch);
    }
    print_grid(plan, noise, out);
    (void)fprintf(out, "            of a mean: noise of norm %.3g beside at most %g\n",
                  noise->noise_norm, noise->bound_norm);
    if (ent_plan_noise_warning(plan, noise, text)) {
        (void)fprintf(out, "warning     %s\n", text);
    }
}
