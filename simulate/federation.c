#include "simulate/federation.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/model/modelfile.h"
#include "simulate/internal.h"
#include "simulate/pool.h"

#define COHORT_STREAM 0x636f000000000000ULL
#define DROPOUT_STREAM 0x6472000000000000ULL
#define ORDER_STREAM 0x6f72000000000000ULL

/* ---- the machine ---- */

struct ent_event ent_sim_event(const struct ent_sim *s, enum ent_event_kind kind, uint32_t member)
{
    return (struct ent_event){.kind = kind,
                              .now_ms = s->now_ms,
                              .member = member,
                              .round = s->round.round,
                              .attempt = s->round.attempt};
}

static void absorb(struct ent_sim *s, const struct ent_action *a)
{
    switch (a->kind) {
    case ENT_ACT_SEND_OPEN:
        s->opened.items[s->opened.n++] = a->member;
        break;
    case ENT_ACT_SEND_BEGIN:
        s->begun.items[s->begun.n++] = a->member;
        break;
    case ENT_ACT_ADD:
        s->members[a->member].added = true;
        break;
    case ENT_ACT_FINISH:
        s->finish = true;
        break;
    case ENT_ACT_GATE:
        s->gate = true;
        break;
    case ENT_ACT_SEND_CLOSE:
        s->closed = true;
        break;
    case ENT_ACT_SEND_ABORT:
        s->aborted = true;
        break;
    case ENT_ACT_SEND_END:
        s->ended = true;
        memcpy(s->best, a->digest, sizeof s->best);
        break;
    case ENT_ACT_TIMER:
        s->timer_ms = a->at_ms;
        break;
    case ENT_ACT_STALLED:
        s->stalled = a->code == ENT_E_OK ? ENT_E_TOO_FEW : a->code;
        break;
    default: /* rows are not stored; grants and answers have nobody who waits for them */
        break;
    }
}

static void step(struct ent_sim *s, const struct ent_event *event)
{
    s->actions.n = 0;
    ent_round_step(&s->round, event, &s->actions);
    for (size_t i = 0; i < s->actions.n; i++) {
        absorb(s, &s->actions.list[i]);
    }
}

/* A round that its accounts have no room for does not open: the run ends before the event that may open it. */
void ent_sim_feed(struct ent_sim *s, const struct ent_event *event)
{
    if (ent_sim_privacy_spent(s)) {
        struct ent_event stop = ent_sim_event(s, ENT_EV_STOP, ENT_ROUND_NO_MEMBER);

        stop.code = ENT_E_BUDGET;
        s->out_of_budget = true;
        step(s, &stop);
    }
    step(s, event);
}

/* ---- who is there ---- */

static bool trains_next(const struct ent_round *r)
{
    bool more = r->train_done < r->config.train_rounds && !ent_round_out_of_patience(r);

    if (r->next == ENT_ROUND_NEXT_ATTEMPT && r->phase == ENT_PHASE_WAIT) {
        return r->task == ENT_ROUND_TRAIN;
    }
    if (r->closed.kind == 0) {
        return r->config.no_stats && more;
    }
    if (r->closed.task == ENT_ROUND_TRAIN) {
        return more && !r->config.validate;
    }
    return more && r->closed.split != ENT_ROUND_ON_TEST;
}

static uint32_t cohort_size(const struct ent_sim *s)
{
    double n = s->options->fraction * (double)s->n_members + 0.5;

    return n < 1.0 ? 1 : n > (double)s->n_members ? s->n_members : (uint32_t)n;
}

/* Between two rounds, when the machine only notes who is up: the next training round finds a sample of the members,
 * every other round all of them. */
static void set_attendance(struct ent_sim *s, uint64_t round, uint32_t attempt)
{
    uint32_t n = trains_next(&s->round) ? cohort_size(s) : s->n_members;
    struct ent_rng rng = ent_rng_init(s->plan->seed, COHORT_STREAM + round * 64 + attempt);

    for (uint32_t i = 0; i < s->n_members; i++) {
        s->order[i] = i;
    }
    if (n < s->n_members) {
        ent_rng_shuffle(&rng, s->order, s->n_members);
    }
    for (uint32_t i = 0; i < s->n_members; i++) {
        struct ent_event event = ent_sim_event(s, i < n ? ENT_EV_UP : ENT_EV_DOWN, s->order[i]);

        if (s->standings[s->order[i]].up != (i < n)) {
            ent_sim_feed(s, &event);
        }
    }
}

static void draw_dropouts(struct ent_sim *s)
{
    struct ent_rng rng =
        ent_rng_init(s->plan->seed, DROPOUT_STREAM + s->round.round * 64 + s->round.attempt);

    for (uint32_t i = 0; i < s->n_members; i++) {
        double u = (double)(ent_rng_u64(&rng) >> 11) * 0x1p-53;

        s->members[i].drops = s->round.task == ENT_ROUND_TRAIN && u < s->options->dropout;
        s->members[i].added = false;
    }
}

/* ---- a round ---- */

static void take_order(struct ent_sim *s, struct ent_sim_list *list, uint32_t *n)
{
    *n = list->n;
    memcpy(s->order, list->items, list->n * sizeof *s->order);
    list->n = 0;
    if (s->options->order != 0) {
        struct ent_rng rng =
            ent_rng_init(s->options->order, ORDER_STREAM + s->round.round * 2 + s->round.phase);

        ent_rng_shuffle(&rng, s->order, *n);
    }
}

static enum ent_err do_joins(struct ent_sim *s)
{
    struct ent_pool_work work = {.item = ent_sim_join, .ctx = s, .threads = s->threads};

    s->declined[0] = '\0';
    ENT_TRY(ent_sim_open(s));
    ent_sim_privacy_reserve(s);
    draw_dropouts(s);
    take_order(s, &s->opened, &work.n_items);
    return ent_pool_run(&work);
}

/* Rows trained on. Of noised steps it is what is expected: how many there were stays with the members. */
static uint64_t rows_of(const struct ent_sim *s)
{
    const struct ent_plan_privacy *p = &s->plan->privacy;
    uint64_t rows = 0;

    for (uint32_t i = 0; s->round.task == ENT_ROUND_TRAIN && i < s->n_members; i++) {
        if (s->standings[i].standing == ENT_STANDING_ACCEPTED) {
            rows += s->population->members[i].parts.part[ENT_SPLIT_TRAIN].n;
        }
    }
    if (p->unit == ENT_PRIVACY_CUSTOMER) {
        return (uint64_t)((double)(rows * p->steps) * (double)p->rate / (double)ENT_DP_RATE_ALL);
    }
    return rows * s->plan->epochs;
}

static enum ent_err do_work(struct ent_sim *s)
{
    struct ent_pool_work work = {.item = ent_sim_work, .ctx = s, .threads = s->threads};

    ent_sim_drop_sums(s);
    ENT_TRY(ent_sim_privacy_begin(s));
    take_order(s, &s->begun, &work.n_items);
    return ent_pool_run(&work);
}

static enum ent_err do_finish(struct ent_sim *s)
{
    struct ent_event event = ent_sim_event(s, ENT_EV_RESULT, ENT_ROUND_NO_MEMBER);

    s->finish = false;
    s->result->samples += rows_of(s);
    ENT_TRY(ent_sim_finish(s, &event));
    ent_sim_drop_sums(s);
    if (s->round.task == ENT_ROUND_TRAIN) {
        ENT_TRY(ent_sim_look(s, event.model));
    }
    ent_sim_feed(s, &event);
    return ENT_E_OK;
}

static enum ent_err tell(struct ent_sim *s)
{
    const struct ent_round *r = &s->round;
    struct ent_simulated_round told = {.round = r->closed.round,
                                       .task = r->closed.task,
                                       .split = r->closed.split,
                                       .train_done = r->train_done,
                                       .train_rounds = r->config.train_rounds,
                                       .accepted = ent_round_count(r, ENT_STANDING_ACCEPTED),
                                       .rejected = ent_round_count(r, ENT_STANDING_REJECTED),
                                       .dropped = ent_round_count(r, ENT_STANDING_DROPPED),
                                       .metrics = s->metrics};

    if (told.task == ENT_ROUND_TRAIN) {
        told.test = s->looked;
    }
    s->result->declined += told.rejected;
    s->result->dropped += told.dropped;
    if (s->options->progress == NULL) {
        return ENT_E_OK;
    }
    if (told.task == ENT_ROUND_TRAIN) {
        ENT_TRY(ent_sim_privacy_told(s, &told.privacy));
    }
    s->options->progress(s->options->ctx, &told);
    return ENT_E_OK;
}

static enum ent_err do_gate(struct ent_sim *s)
{
    struct ent_event event = ent_sim_event(s, ENT_EV_GATE, ENT_ROUND_NO_MEMBER);

    s->gate = false; /* there is no log, and so nobody whose witness has to be waited for */
    if (s->round.phase == ENT_PHASE_JOIN) {
        ent_sim_feed(s, &event);
    }
    if (s->round.phase != ENT_PHASE_RELEASE) {
        return ENT_E_OK;
    }
    ENT_TRY(tell(s));
    set_attendance(s, s->round.round + 1, 1);
    ent_sim_feed(s, &event);
    return ENT_E_OK;
}

static enum ent_err do_aborted(struct ent_sim *s)
{
    s->aborted = false;
    s->result->aborted++;
    ent_sim_drop_sums(s);
    ent_sim_privacy_aborted(s);
    ENT_REQUIRE(
        s->stalled == ENT_E_OK, ENT_E_TOO_FEW,
        "round %llu failed %u times (%s): fewer than %u members answered; lower "
        "%saggregation.min_members%s%s",
        (unsigned long long)s->round.round, (unsigned)s->round.aborts, ent_err_text(s->stalled),
        (unsigned)s->round.config.min_members, s->options->dropout > 0.0 ? "--dropout or " : "",
        s->declined[0] != '\0' ? ", or see to what members decline for: " : "", s->declined);
    set_attendance(s, s->round.round, s->round.attempt + 1);
    return ENT_E_OK;
}

/* Nothing is under way: the clock jumps to the deadline. */
static enum ent_err do_tick(struct ent_sim *s)
{
    struct ent_event event;

    ENT_REQUIRE(s->timer_ms != 0 && s->stalled == ENT_E_OK, ENT_E_TOO_FEW,
                "the run waits for members that there are not (at least %u)",
                (unsigned)s->round.config.min_members);
    s->now_ms = s->timer_ms > s->now_ms ? s->timer_ms : s->now_ms;
    event = ent_sim_event(s, ENT_EV_TICK, ENT_ROUND_NO_MEMBER);
    ent_sim_feed(s, &event);
    return ENT_E_OK;
}

static enum ent_err turn(struct ent_sim *s)
{
    if (s->opened.n > 0) {
        return do_joins(s);
    }
    if (s->begun.n > 0) {
        return do_work(s);
    }
    if (s->finish) {
        return do_finish(s);
    }
    if (s->gate) {
        return do_gate(s);
    }
    if (s->closed) {
        s->closed = false;
        return ent_sim_close(s);
    }
    if (s->aborted) {
        return do_aborted(s);
    }
    return do_tick(s);
}

/* Of the whole process: what others do on the machine does not count. */
static double cpu_seconds(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum ent_err turns(struct ent_sim *s)
{
    struct ent_clock clock = ent_clock_system();
    struct ent_event event = ent_sim_event(s, ENT_EV_RUN_START, ENT_ROUND_NO_MEMBER);
    uint64_t train_ms = 0;

    ent_sim_feed(s, &event);
    while (!s->ended || s->closed) {
        uint64_t before = ent_clock_mono(&clock);
        double cpu_before = cpu_seconds();

        ENT_TRY(turn(s));
        if (s->round.task == ENT_ROUND_TRAIN) {
            train_ms += ent_clock_mono(&clock) - before;
            s->result->train_cpu_seconds += cpu_seconds() - cpu_before;
        }
    }
    s->result->train_seconds = (double)train_ms / 1000.0;
    return ENT_E_OK;
}

/* ---- all of it ---- */

static enum ent_err check(const struct ent_sim *s)
{
    ENT_REQUIRE(s->options->fraction > 0.0 && s->options->fraction <= 1.0, ENT_E_USAGE,
                "--fraction must be above 0 and at most 1");
    ENT_REQUIRE(s->options->dropout >= 0.0 && s->options->dropout < 1.0, ENT_E_USAGE,
                "--dropout must be at least 0 and below 1");
    ENT_REQUIRE(cohort_size(s) >= s->plan->min_members, ENT_E_CONFIG,
                "a training round invites %u of %u members; the plan's aggregation.min_members "
                "wants %u",
                (unsigned)cohort_size(s), (unsigned)s->n_members, (unsigned)s->plan->min_members);
    return ENT_E_OK;
}

static enum ent_err run(struct ent_sim *s)
{
    struct ent_blob *best;

    ENT_TRY(check(s));
    ENT_TRY(ent_sim_setup(s));
    ENT_TRY(turns(s));
    ENT_REQUIRE(!s->out_of_budget || s->round.train_done > 0, ENT_E_BUDGET,
                "the privacy budget was gone before a round of training had closed: attempts that "
                "failed are paid for as well; lower aggregation.min_members%s",
                s->options->dropout > 0.0 ? " or --dropout" : "");
    best = ent_sim_shelf(s, s->best);
    ENT_REQUIRE(best != NULL, ENT_E_INTERNAL, "the best model is gone");
    ENT_TRY(ent_sim_look_last(s, best));
    s->result->model = ent_blob_ref(best);
    memcpy(s->result->digest, s->best, sizeof s->best);
    s->result->best_train = s->round.best_train;
    s->result->train_done = s->round.train_done;
    return ent_sim_privacy_told(s, &s->result->privacy);
}

enum ent_err ent_federation_run(struct ent_plan *plan, const struct ent_population *population,
                                const struct ent_federation_options *options,
                                struct ent_federation_result *out)
{
    struct ent_federation_result result = {0};
    struct ent_sim s = {.plan = plan,
                        .population = population,
                        .options = options,
                        .result = &result,
                        .n_members = population->n_members,
                        .threads = options->threads,
                        .now_ms = 1};
    enum ent_err err;

    ENT_REQUIRE(options->threads >= 1 && options->threads <= ENT_POOL_THREADS_MAX, ENT_E_USAGE,
                "--threads must be 1 to %d", ENT_POOL_THREADS_MAX);
    ENT_REQUIRE(pthread_mutex_init(&s.lock, NULL) == 0, ENT_E_NO_MEMORY, "no lock to be had");
    for (uint32_t i = 0; i < ENT_SIM_OPENINGS_MAX; i++) {
        ent_buf_init(&s.openings[i].sealed, ENT_WIRE_ENVELOPE_MAX_BYTES);
    }
    err = run(&s);
    ent_sim_release(&s);
    if (err != ENT_E_OK) {
        ent_federation_result_release(&result);
        return err;
    }
    *out = result;
    return ENT_E_OK;
}

void ent_federation_result_release(struct ent_federation_result *result)
{
    ent_blob_unref(result->model);
    free(result->members);
    free(result->course);
    *result = (struct ent_federation_result){0};
}

void ent_federation_memory(const struct ent_plan *plan, uint32_t n_members, uint32_t threads,
                           uint64_t state_memory, struct ent_federation_memory *out)
{
    uint64_t params = ent_plan_n_params(plan);
    uint64_t kept = ent_pipeline_kept_floats(plan) * sizeof(float);
    uint64_t a_worker =
        params * (sizeof(int64_t) + 5 * sizeof(float)) + kept + ENT_GATHER_DENSE_BYTES;

    *out = (struct ent_federation_memory){.workers = threads * a_worker +
                                                     params * (sizeof(int64_t) + 4 * sizeof(float)),
                                          .state = kept * n_members,
                                          .state_in_file = kept * n_members > state_memory};
}
