/* What a member does, and what the coordinator checks of it: as client/agent and coordinator/engine do it over a
 * connection, here one behind the other in a worker's thread. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/fixed/weight.h"
#include "simulate/internal.h"

#define ENVELOPE_BYTES ((size_t)16 * 1024)
#define MEMBER_ID_BYTES 12

enum ent_err ent_sim_derive(const struct ent_sim *s, const char *purpose, const void *id,
                            size_t len, uint8_t out[32])
{
    static const char domain[] = "entente/simulate/v1"; /* with its ending zero byte */
    uint8_t seed[8];
    struct ent_part parts[5] = {{domain, sizeof domain},
                                {s->plan->digest, sizeof s->plan->digest},
                                {seed, sizeof seed},
                                {purpose, strlen(purpose) + 1},
                                {id, len}};

    ent_put_be64(seed, s->plan->seed);
    return ent_sha256_parts(parts, 5, out);
}

enum ent_err ent_sim_member_make(struct ent_sim *s, uint32_t member)
{
    struct ent_sim_member *m = &s->members[member];
    const char *name = s->population->members[member].name;
    uint8_t derived[32];

    ENT_TRY(ent_sim_derive(s, "key", name, strlen(name), derived));
    ENT_TRY(ent_sign_key_of_seed(derived, &m->key));
    ent_sign_key_pub(m->key, m->pub);
    ENT_TRY(ent_sim_derive(s, "handle", name, strlen(name), derived));
    memcpy(m->handle, derived, sizeof m->handle);
    return ENT_E_OK;
}

/* ---- envelopes ---- */

static struct ent_header header_of(struct ent_sim *s, uint32_t member, uint32_t type)
{
    struct ent_sim_member *m = &s->members[member];
    struct ent_header header = {.from_member = true,
                                .type = type,
                                .run = s->round.config.run,
                                .round = s->round.round,
                                .attempt = s->round.attempt,
                                .sequence = ++m->sequence};

    memcpy(header.federation, s->federation, sizeof header.federation);
    memcpy(header.sender, m->handle, sizeof header.sender);
    return header;
}

/* The coordinator's checks of an envelope, in their order. */
static enum ent_err admit(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                          uint32_t type, const struct ent_buf *body, struct ent_envelope *out)
{
    const struct ent_sim_member *m = &s->members[member];

    ENT_TRY(ent_wire_open(type, ENT_SENDER_MEMBER, (struct ent_bytes){body->data, body->len},
                          &w->arena, out));
    ENT_REQUIRE(memcmp(out->header.sender, m->handle, sizeof m->handle) == 0 &&
                    out->header.sequence == m->sequence,
                ENT_E_REPLAY, "an envelope of another member or an old one");
    return ent_wire_verify(out, m->pub);
}

static const struct ent_sim_opening *opening_of(const struct ent_sim *s, uint32_t member)
{
    return &s->openings[s->members[member].opening];
}

/* Every worker reads and verifies the round's openings once, for its members. */
static enum ent_err see_open(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member)
{
    const struct ent_sim_opening *o = opening_of(s, member);
    struct ent_envelope envelope;
    struct ent_msg_round_open m;
    uint8_t hash[32];

    if (w->seen_round != s->round.round || w->seen_attempt != s->round.attempt) {
        memset(w->seen, 0, sizeof w->seen);
        w->seen_round = s->round.round;
        w->seen_attempt = s->round.attempt;
    }
    if (w->seen[s->members[member].opening]) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_wire_open(ENT_MSG_ROUND_OPEN, ENT_SENDER_COORDINATOR,
                          (struct ent_bytes){o->sealed.data, o->sealed.len}, &w->arena, &envelope));
    ENT_TRY(ent_wire_verify(&envelope, s->pub));
    ENT_TRY(ent_msg_round_open_decode(envelope.payload, envelope.payload_len, &w->arena, &m));
    ENT_TRY(ent_wire_round_open_hash(envelope.payload, envelope.payload_len, hash));
    ENT_REQUIRE(memcmp(hash, o->hash, sizeof hash) == 0 &&
                    memcmp(m.plan, s->plan->digest, sizeof m.plan) == 0,
                ENT_E_DIGEST, "the round opens with another plan");
    w->seen[s->members[member].opening] = true;
    return ENT_E_OK;
}

/* ---- JOIN ---- */

static void feed_locked(struct ent_sim *s, const struct ent_event *event)
{
    (void)pthread_mutex_lock(&s->lock);
    ent_sim_feed(s, event);
    (void)pthread_mutex_unlock(&s->lock);
}

static void note_declined(struct ent_sim *s, uint32_t member)
{
    (void)pthread_mutex_lock(&s->lock);
    (void)snprintf(s->declined, sizeof s->declined, "%.64s: %.240s",
                   s->population->members[member].name, ent_err_message());
    (void)pthread_mutex_unlock(&s->lock);
}

/* Why is what was noted last. */
static enum ent_err decline(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                            enum ent_err code)
{
    struct ent_event event = ent_sim_event(s, ENT_EV_DECLINE, member);
    struct ent_header header = header_of(s, member, ENT_MSG_DECLINE);
    struct ent_msg_decline m = {.code = code};
    struct ent_msg_decline got;
    struct ent_envelope envelope;
    struct ent_buf body;
    enum ent_err err;

    note_declined(s, member);
    memcpy(m.round_open, opening_of(s, member)->hash, sizeof m.round_open);
    ent_buf_init(&body, ENVELOPE_BYTES);
    err = ent_wire_seal(s->members[member].key, &header, &m, &body);
    if (err == ENT_E_OK) {
        err = admit(s, w, member, ENT_MSG_DECLINE, &body, &envelope);
    }
    if (err == ENT_E_OK) {
        err = ent_msg_decline_decode(envelope.payload, envelope.payload_len, &w->arena, &got);
    }
    if (err == ENT_E_OK) {
        event.code = (enum ent_err)got.code;
        feed_locked(s, &event);
    }
    ent_buf_release(&body);
    return err;
}

static enum ent_err seal_join(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                              struct ent_buf *body)
{
    struct ent_event event = ent_sim_event(s, ENT_EV_JOIN, member);
    struct ent_header header = header_of(s, member, ENT_MSG_JOIN);
    struct ent_msg_join m = {.has_nonce = true, .has_base = true};
    struct ent_msg_join got;
    struct ent_envelope envelope;
    uint8_t id[MEMBER_ID_BYTES];
    uint8_t nonce[32];

    ent_put_be32(id, member);
    ent_put_be64(id + 4, s->members[member].sequence);
    ENT_TRY(ent_sim_derive(s, "nonce", id, sizeof id, nonce));
    memcpy(m.nonce, nonce, sizeof m.nonce);
    ENT_TRY(ent_sha256(nonce, sizeof nonce, m.next_commit));
    memcpy(m.round_open, opening_of(s, member)->hash, sizeof m.round_open);
    ENT_TRY(ent_wire_seal(s->members[member].key, &header, &m, body));
    ENT_TRY(admit(s, w, member, ENT_MSG_JOIN, body, &envelope));
    ENT_TRY(ent_msg_join_decode(envelope.payload, envelope.payload_len, &w->arena, &got));
    ENT_REQUIRE(memcmp(got.round_open, opening_of(s, member)->hash, sizeof got.round_open) == 0,
                ENT_E_STALE, "a join of another round");
    event.has_base = got.has_base;
    feed_locked(s, &event);
    return ENT_E_OK;
}

enum ent_err ent_sim_join(void *ctx, uint32_t worker, uint32_t item)
{
    struct ent_sim *s = ctx;
    struct ent_sim_worker *w = &s->workers[worker];
    uint32_t member = s->order[item];
    struct ent_buf body;
    enum ent_err err;

    ent_arena_release(&w->arena);
    ent_arena_init(&w->arena, ENT_SIM_ARENA_BYTES);
    ENT_TRY(see_open(s, w, member));
    if (ent_population_check_member(s->population, member) != ENT_E_OK) {
        return decline(s, w, member, ENT_E_DATA); /* whatever it is asked */
    }
    ent_buf_init(&body, ENVELOPE_BYTES);
    err = seal_join(s, w, member, &body);
    ent_buf_release(&body);
    return err;
}

/* ---- UPDATE ---- */

static bool by_log2(const struct ent_sim *s)
{
    return s->round.task == ENT_ROUND_TRAIN && s->plan->weights == ENT_WEIGHTS_EXAMPLES_LOG2;
}

static enum ent_err weight_of(const struct ent_sim *s, uint32_t member,
                              const struct ent_update_statement *statement, uint32_t *out)
{
    *out = 1;
    if (by_log2(s)) {
        return ent_weight_of_bucket(statement->rows_log2, out);
    }
    if (s->round.task == ENT_ROUND_TRAIN && s->plan->weights == ENT_WEIGHTS_FIXED) {
        *out = ent_plan_fixed_weight(s->plan, s->population->members[member].name);
    }
    return ENT_E_OK;
}

static void state(const struct ent_sim *s, uint32_t member, size_t payload_bytes,
                  struct ent_update_statement *out)
{
    bool train = s->round.task == ENT_ROUND_TRAIN;

    *out = (struct ent_update_statement){.has_base = s->base != NULL,
                                         .payload_bytes = payload_bytes,
                                         .codec = train ? ENT_CODEC_INT32 : ENT_CODEC_INT64};
    memcpy(out->round_open, opening_of(s, member)->hash, sizeof out->round_open);
    if (s->base != NULL) {
        memcpy(out->base, s->round.base, sizeof out->base);
    }
    if (by_log2(s)) {
        out->rows_log2 = ent_weight_bucket(s->population->members[member].train_examples);
    }
}

/* Seal, open, verify; then OFFER and UPDATE. */
static enum ent_err offer(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                          const struct ent_payload *payload, struct ent_buf *body)
{
    struct ent_event event = ent_sim_event(s, ENT_EV_OFFER, member);
    struct ent_header header = header_of(s, member, ENT_MSG_UPDATE);
    struct ent_task_sizes sizes = ent_plan_task_sizes(s->plan);
    struct ent_envelope envelope;
    uint8_t digest[32];

    ENT_TRY(ent_sha256(payload->bytes, payload->len, digest));
    header.has_update = true;
    state(s, member, payload->len, &header.update);
    ENT_TRY(ent_wire_seal_update(s->members[member].key, &header, digest, body));
    ENT_TRY(admit(s, w, member, ENT_MSG_UPDATE, body, &envelope));
    ENT_TRY(ent_sha256(payload->bytes, payload->len, digest)); /* of what arrived */
    ENT_REQUIRE(memcmp(digest, envelope.payload_sha256, sizeof digest) == 0, ENT_E_DIGEST,
                "an update is not what its envelope says");
    ENT_TRY(ent_task_check_payload(ent_task_find((uint32_t)s->round.task), &sizes,
                                   payload->bytes + ENT_UPDATE_SALT_BYTES,
                                   payload->len - ENT_UPDATE_SALT_BYTES));
    ENT_TRY(ent_sim_privacy_check(s, payload->bytes + ENT_UPDATE_SALT_BYTES, payload->dim));
    memcpy(event.digest, digest, sizeof event.digest);
    ENT_TRY(weight_of(s, member, &envelope.header.update, &event.weight));
    (void)pthread_mutex_lock(&s->lock);
    ent_sim_feed(s, &event);
    event.kind = ENT_EV_UPDATE;
    ent_sim_feed(s, &event);
    (void)pthread_mutex_unlock(&s->lock);
    return ENT_E_OK;
}

/* An aggregate takes no more members than a real round, so that its sums cannot overflow; whatever is beyond is checked
 * here. */
enum ent_err ent_sim_worker_flush(struct ent_sim *s, struct ent_sim_worker *w)
{
    struct ent_agg_result part;

    if (w->agg == NULL) {
        return ENT_E_OK;
    }
    if (w->sum == NULL) {
        ENT_TRY(ent_calloc_aligned(s->dim, sizeof *w->sum, &w->sum));
    }
    ENT_TRY(ent_agg_finish(w->agg, &part));
    for (size_t i = 0; i < s->dim; i++) {
        ENT_REQUIRE(!__builtin_add_overflow(w->sum[i], part.sum[i], &w->sum[i]), ENT_E_LIMIT,
                    "the sum of so many members does not fit 64 bits");
    }
    w->sum_w += part.sum_w;
    ent_agg_free(w->agg);
    w->agg = NULL;
    w->n_added = 0;
    return ENT_E_OK;
}

/* What was accepted goes into the worker's own sum: integers, so that it does not matter whose it is. */
static enum ent_err add(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                        const struct ent_payload *payload)
{
    if (!s->members[member].added) {
        return ENT_E_OK;
    }
    if (w->n_added == ENT_WIRE_COHORT_MAX) {
        ENT_TRY(ent_sim_worker_flush(s, w));
    }
    if (w->agg == NULL) {
        struct ent_agg_config config = {
            .dim = s->dim,
            .int_bytes = s->int_bytes,
            .inputs_min = 1,
            .inputs_max = s->n_members < ENT_WIRE_COHORT_MAX ? s->n_members : ENT_WIRE_COHORT_MAX,
            .weight_max = s->round.task == ENT_ROUND_TRAIN ? s->weight_max : 1};

        ENT_TRY(ent_agg_new(s->round.task == ENT_ROUND_TRAIN ? s->plan->rule : "fedavg", &config,
                            &w->agg));
    }
    w->n_added++;
    return ent_agg_add(w->agg, payload->bytes + ENT_UPDATE_SALT_BYTES,
                       payload->len - ENT_UPDATE_SALT_BYTES, s->standings[member].weight);
}

/* What the member itself would see of its test rows, be they too few to be told of. */
static void note_test(struct ent_sim *s, uint32_t member, const struct ent_work_result *result)
{
    if (s->round.task == ENT_ROUND_EVALUATE && s->round.split == ENT_ROUND_ON_TEST &&
        s->population->members[member].parts.part[ENT_SPLIT_TEST].n > 0) {
        s->result->members[member] = result->metrics;
    }
}

static enum ent_err compute(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                            struct ent_payload *payload, struct ent_work_result *result)
{
    struct ent_simulated_member *who = &s->population->members[member];
    uint8_t salt[32];
    uint8_t id[MEMBER_ID_BYTES];
    struct ent_work work = {.task = (enum ent_task_kind)s->round.task,
                            .split = (enum ent_split)s->round.split,
                            .round = s->round.round,
                            .train_round = ent_plan_train_round(s->plan, s->round.round),
                            .base = s->base,
                            .salt = salt,
                            .floor = s->plan->min_group,
                            .booked = true, /* nothing leaves */
                            .kept = &w->kept};

    ent_put_be32(id, member);
    ent_put_be64(id + 4, s->members[member].sequence);
    ENT_TRY(ent_sim_derive(s, "salt", id, sizeof id, salt));
    ENT_TRY(ent_pipeline_become(w->pipeline, who->name, &who->parts));
    if (work.task != ENT_TASK_TRAIN) {
        return ent_pipeline_compute(w->pipeline, &work, payload, result);
    }
    ENT_TRY(ent_kept_store_get(s->kept, member, &w->kept));
    ENT_TRY(ent_pipeline_compute(w->pipeline, &work, payload, result));
    return ent_kept_store_put(s->kept, member, &w->kept);
}

static enum ent_err deliver(struct ent_sim *s, struct ent_sim_worker *w, uint32_t member,
                            const struct ent_payload *payload)
{
    struct ent_buf body;
    enum ent_err err;

    ent_buf_init(&body, ENVELOPE_BYTES);
    err = offer(s, w, member, payload, &body);
    ent_buf_release(&body);
    ENT_TRY(err);
    return add(s, w, member, payload);
}

/* Reasons to decline that lie in the member's data; whatever else goes wrong ends the simulation. */
static bool is_members_own(enum ent_err err)
{
    return err == ENT_E_DATA || err == ENT_E_NONFINITE || err == ENT_E_RANGE;
}

enum ent_err ent_sim_work(void *ctx, uint32_t worker, uint32_t item)
{
    struct ent_sim *s = ctx;
    struct ent_sim_worker *w = &s->workers[worker];
    uint32_t member = s->order[item];
    struct ent_payload payload = {0};
    struct ent_work_result result = {0};
    enum ent_err err;

    ent_arena_release(&w->arena);
    ent_arena_init(&w->arena, ENT_SIM_ARENA_BYTES);
    if (s->members[member].drops) {
        struct ent_event event = ent_sim_event(s, ENT_EV_DOWN, member);

        feed_locked(s, &event);
        return ENT_E_OK;
    }
    err = compute(s, w, member, &payload, &result);
    if (err != ENT_E_OK) {
        return is_members_own(err) ? decline(s, w, member, err) : err;
    }
    err = deliver(s, w, member, &payload);
    ent_payload_release(&payload);
    if (err == ENT_E_OK) {
        note_test(s, member, &result);
    }
    return err;
}
