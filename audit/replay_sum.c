/* The updates of an attempt: what was kept of each, against what its member signed, and their sum. */
#include <string.h>

#include "audit/replay_inside.h"
#include "common/base/mem.h"
#include "common/crypto/seal.h"

/* ---- update.accept ---- */

/* By the plan's rule; under `fixed` the log does not say which of the plan's numbers is this member's. */
static void check_weight(struct ent_replaying *r, const struct ent_replay_update *u,
                         uint32_t bucket)
{
    const struct ent_plan *plan = r->run.plan;
    char who[ENT_AUDIT_SHORT_BYTES];
    uint32_t due = 0;
    bool ok = false;

    ent_audit_short(u->handle, sizeof u->handle, who);
    if (ent_step_weight(plan, r->at.task, bucket, &due) != ENT_E_OK) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "the weight of member %s: %s", who,
                       ent_err_message());
        return;
    }
    ok = due != 0 && u->weight == due;
    for (uint32_t i = 0; due == 0 && i < plan->n_fixed_weights; i++) {
        ok = ok || plan->fixed_weights[i].weight == u->weight;
    }
    if (ok) {
        return;
    }
    if (due == 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the update of member %s counts %lu, which is none of the plan's weights",
                       who, (unsigned long)u->weight);
        return;
    }
    ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                   "the update of member %s counts %lu, by the plan's rule it counts %lu", who,
                   (unsigned long)u->weight, (unsigned long)due);
}

/* Which of the retained copies is for us: the one that is sealed to our key, or else the plain one, which bears the digest
 * that the member signed (and does not last). */
static void choose_blob(const struct ent_replaying *r, const struct ent_leaf_update_accept *accept,
                        struct ent_replay_update *u)
{
    if (r->run.place >= 0 && (size_t)r->run.place < accept->n_sealed) {
        u->has_blob = true;
        memcpy(u->blob, accept->sealed[r->run.place], sizeof u->blob);
        return;
    }
    for (size_t i = 0; r->run.plain && i < accept->n_sealed; i++) {
        if (memcmp(accept->sealed[i], u->payload, sizeof u->payload) == 0) {
            u->has_blob = true;
            u->is_plain = true;
            memcpy(u->blob, u->payload, sizeof u->blob);
            return;
        }
    }
}

static enum ent_err add_update(struct ent_replaying *r, const struct ent_leaf_update_accept *accept,
                               const struct ent_header *header)
{
    struct ent_replay_update u = {.weight = accept->weight};
    char who[ENT_AUDIT_SHORT_BYTES];

    ent_audit_short(header->sender, sizeof header->sender, who);
    if (!header->has_update || memcmp(header->update.round_open, r->at.hash, 32) != 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the update of member %s answers another round.open than this round's", who);
        return ENT_E_OK;
    }
    memcpy(u.handle, header->sender, sizeof u.handle);
    memcpy(u.payload, accept->update.payload_sha256, sizeof u.payload);
    choose_blob(r, accept, &u);
    if (r->run.plan != NULL) {
        check_weight(r, &u, header->update.rows_log2);
    }
    ENT_TRY(
        ent_grow(&r->at.updates, &r->at.cap_updates, r->at.n_updates + 1, sizeof *r->at.updates));
    r->at.updates[r->at.n_updates++] = u;
    return ENT_E_OK;
}

enum ent_err ent_replay_accept(struct ent_replaying *r, const struct ent_leaf_update_accept *accept)
{
    struct ent_arena arena;
    struct ent_header header;
    enum ent_err err;

    if (!accept->has_update) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "an update was accepted without a statement");
        return ENT_E_OK;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_header(accept->update.header, &arena, &header);
    if (err == ENT_E_OK) {
        err = add_update(r, accept, &header);
    } else if (!ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "the statement of an accepted update: %s",
                       ent_err_message());
        err = ENT_E_OK;
    }
    ent_arena_release(&arena);
    return err;
}

/* ---- the retained bytes ---- */

bool ent_replay_is_erased(const struct ent_replaying *r, const uint8_t digest[32])
{
    for (size_t i = 0; i < r->n_erased; i++) {
        if (memcmp(r->erased[i], digest, 32) == 0) {
            return true;
        }
    }
    return false;
}

static const char *why_none(const struct ent_replaying *r)
{
    if (r->run.n_auditors == 0 && !r->run.plain) {
        return "no updates were kept: the run had no auditor";
    }
    if (r->run.n_auditors == 0) {
        return "the log names no copies of the updates";
    }
    if (r->key == NULL) {
        return "the updates are sealed to auditors: replay needs --key";
    }
    return "the updates are sealed, but not to this key";
}

/* r->bytes = what the export has of the update. *found = false: a finding says why not. */
static enum ent_err read_blob(struct ent_replaying *r, const struct ent_replay_update *u,
                              uint64_t payload_bytes, const char *who, bool *found)
{
    uint64_t want = payload_bytes + (u->is_plain ? 0 : ENT_HPKE_EXTRA_BYTES);
    uint64_t len = 0;
    enum ent_err err;

    *found = false;
    ent_buf_clear(&r->bytes);
    err = ent_export_blob_size(r->export, u->blob, &len);
    if (err == ENT_E_OK && len == want) { /* nothing is allocated for what cannot be one */
        r->bytes.max = (size_t)want;
        ENT_TRY(ent_buf_reserve(&r->bytes, (size_t)want));
        err = ent_export_blob(r->export, u->blob, &r->bytes);
    }
    if (err == ENT_E_NOT_FOUND) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, true,
                       ent_replay_is_erased(r, u->blob)
                           ? "the update of member %s was erased, as the log says"
                           : "the update of member %s is not in this export",
                       who);
        return ENT_E_OK;
    }
    if (err == ENT_E_DIGEST) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the retained update of member %s is not the one that the log names", who);
        return ENT_E_OK;
    }
    if (err == ENT_E_LIMIT || (err == ENT_E_OK && len != want)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the retained update of member %s is not as long as one of this task", who);
        return ENT_E_OK;
    }
    *found = err == ENT_E_OK;
    return err;
}

/* In place; *payload points into r->bytes. */
static enum ent_err unseal(struct ent_replaying *r, const struct ent_replay_update *u,
                           const char *who, struct ent_bytes *payload, bool *opened)
{
    struct ent_seal seal;
    struct ent_part sealed = {r->bytes.data, r->bytes.len};
    enum ent_err err;

    *opened = true;
    if (u->is_plain) {
        *payload = (struct ent_bytes){r->bytes.data, r->bytes.len};
        return ENT_E_OK;
    }
    ent_seal_of_update(&seal, r->at.hash, u->handle);
    *payload =
        (struct ent_bytes){r->bytes.data + ENT_HPKE_ENC_BYTES, r->bytes.len - ENT_HPKE_EXTRA_BYTES};
    err = ent_hpke_open(r->key, &seal.context, sealed, r->bytes.data + ENT_HPKE_ENC_BYTES);
    if (err == ENT_E_SIGNATURE) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the sealed update of member %s does not open with this key", who);
        *opened = false;
        return ENT_E_OK;
    }
    return err;
}

/* *good: it is added. Otherwise a finding says why not. */
static enum ent_err add_one(struct ent_replaying *r, const struct ent_replay_update *u,
                            uint64_t payload_bytes, struct ent_agg *agg, bool *good)
{
    struct ent_bytes payload = {0};
    struct ent_bytes ints;
    char who[ENT_AUDIT_SHORT_BYTES];
    uint8_t found[32];
    enum ent_err err;

    ent_audit_short(u->handle, sizeof u->handle, who);
    ENT_TRY(read_blob(r, u, payload_bytes, who, good));
    if (*good) {
        ENT_TRY(unseal(r, u, who, &payload, good));
    }
    if (!*good) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_sha256(payload.data, payload.len, found));
    *good = memcmp(found, u->payload, sizeof found) == 0;
    if (!*good) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the update of member %s does not have the digest it signed", who);
        return ENT_E_OK;
    }
    ints = (struct ent_bytes){payload.data + ENT_UPDATE_SALT_BYTES,
                              payload.len - ENT_UPDATE_SALT_BYTES};
    *good = ent_replay_is_clipped(r, &ints, who);
    if (!*good) {
        return ENT_E_OK;
    }
    err = ent_agg_add(agg, ints.data, ints.len, u->weight);
    if (err != ENT_E_OK) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "the update of member %s cannot be added: %s",
                       who, ent_err_message());
        *good = false;
    }
    return ENT_E_OK;
}

/* ---- the sum ---- */

static bool is_counted(const struct ent_replaying *r, const struct ent_leaf_round_close *close,
                       const uint8_t handle[16])
{
    for (size_t i = 0; i < r->at.n_invited; i++) {
        if (memcmp(r->at.invited[i], handle, 16) == 0) {
            return ent_leaf_survived(close->survivors, i);
        }
    }
    return false;
}

static bool is_repeated(const struct ent_replaying *r, size_t update)
{
    for (size_t i = 0; i < update; i++) {
        if (memcmp(r->at.updates[i].handle, r->at.updates[update].handle, 16) == 0) {
            return true;
        }
    }
    return false;
}

/* Who is in the sum is who its close says: each accepted once, each counted, and no other. */
static bool check_survivors(struct ent_replaying *r, const struct ent_leaf_round_close *close)
{
    size_t n = 0;

    for (size_t k = 0; k < r->at.n_updates; k++) {
        const uint8_t *handle = r->at.updates[k].handle;
        char who[ENT_AUDIT_SHORT_BYTES];

        ent_audit_short(handle, 16, who);
        if (is_repeated(r, k)) {
            ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "two updates of member %s were accepted",
                           who);
            return false;
        }
        if (!is_counted(r, close, handle)) {
            ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                           "the update of member %s was accepted, but its close does not count it",
                           who);
            return false;
        }
    }
    for (size_t i = 0; i < r->at.n_invited; i++) {
        n += ent_leaf_survived(close->survivors, i) ? 1 : 0;
    }
    if (n != r->at.n_updates) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "its close counts %zu members, %zu were accepted", n, r->at.n_updates);
    }
    return n == r->at.n_updates;
}

static enum ent_err new_sum(struct ent_replaying *r, size_t dim, struct ent_agg **agg)
{
    struct ent_step_sum sum = {.plan = r->run.plan,
                               .task = r->at.task,
                               .window = dim,
                               .inputs_min = r->run.min_members,
                               .inputs_max = (uint32_t)r->at.n_updates,
                               .weight_max = 1};
    enum ent_err err;

    for (size_t i = 0; i < r->at.n_updates; i++) {
        uint32_t weight = r->at.updates[i].weight;

        sum.weight_max = weight > sum.weight_max ? weight : sum.weight_max;
    }
    err = ent_step_sum_new(&sum, agg);
    if (err != ENT_E_OK && !ent_replay_is_fatal(err)) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its updates cannot be added: %s",
                       ent_err_message());
        return ENT_E_OK;
    }
    return err;
}

static enum ent_err add_all(struct ent_replaying *r, uint64_t payload_bytes, struct ent_agg *agg,
                            bool *whole)
{
    *whole = true;
    for (size_t i = 0; i < r->at.n_updates; i++) {
        const struct ent_replay_update *u = &r->at.updates[i];
        bool good = false;

        ENT_TRY(add_one(r, u, payload_bytes, agg, &good));
        *whole = *whole && good;
    }
    return ENT_E_OK;
}

/* *same: the sum is the one that the log names. */
static enum ent_err compare(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                            struct ent_agg *agg, struct ent_agg_result *result, bool *same)
{
    uint8_t digest[32];
    enum ent_err err = ent_agg_finish(agg, result);

    *same = false;
    if (err != ENT_E_OK) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its sum: %s", ent_err_message());
        return ENT_E_OK;
    }
    ENT_TRY(ent_replay_noise(r, close, result, same));
    if (!*same) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_step_sum_digest(result->sum, result->dim, digest));
    *same = memcmp(digest, close->result, sizeof digest) == 0;
    if (!*same) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the sum of the %zu accepted updates%s is not the logged result",
                       r->at.n_updates,
                       ent_replay_owes_noise(r) ? ", with the noise that it owes," : "");
    }
    if (result->sum_w != close->sum_w) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true,
                       "the weights of its updates add up to %llu, the log says %llu",
                       (unsigned long long)result->sum_w, (unsigned long long)close->sum_w);
        *same = false;
    }
    return ENT_E_OK;
}

/* What the plan says of this task's updates; *known = false: it has no such task. */
static enum ent_err layout(struct ent_replaying *r, size_t *dim, uint64_t *bytes, bool *known)
{
    struct ent_task_sizes sizes = ent_plan_task_sizes(r->run.plan);
    const struct ent_task *task = ent_task_find(r->at.task);

    *known = task != NULL && task->dim(&sizes, dim) == ENT_E_OK &&
             ent_task_payload_bytes(task, &sizes, bytes) == ENT_E_OK;
    if (!*known) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, true, "its task %lu is none of this plan",
                       (unsigned long)r->at.task);
    }
    return ENT_E_OK;
}

static void at_least(struct ent_replaying *r, enum ent_replay_status status)
{
    r->at.status = r->at.status > status ? r->at.status : status;
}

/* Whether there is a copy for us of every update. */
static bool is_kept(struct ent_replaying *r)
{
    for (size_t i = 0; i < r->at.n_updates; i++) {
        if (!r->at.updates[i].has_blob) {
            ent_replay_break(r, ENT_REPLAY_INCOMPLETE, "%s", why_none(r));
            at_least(r, ENT_REPLAY_INCOMPLETE);
            return false;
        }
    }
    return true;
}

static enum ent_err sum_up(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                           struct ent_agg **agg, struct ent_agg_result *result)
{
    uint64_t bytes = 0;
    size_t dim = 0;
    bool good = false;

    ENT_TRY(layout(r, &dim, &bytes, &good));
    if (!good || !check_survivors(r, close) || !is_kept(r)) {
        return ENT_E_OK;
    }
    ENT_TRY(new_sum(r, dim, agg));
    if (*agg == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(add_all(r, bytes, *agg, &good));
    if (good) {
        ENT_TRY(compare(r, close, *agg, result, &good));
    }
    if (!good) {
        ent_agg_free(*agg);
        *agg = NULL;
    }
    return ENT_E_OK;
}

enum ent_err ent_replay_sum(struct ent_replaying *r, const struct ent_leaf_round_close *close,
                            struct ent_agg **agg, const int64_t **sum, size_t *dim)
{
    struct ent_agg_result result = {0};
    enum ent_err err;

    *agg = NULL;
    if (r->run.plan == NULL) {
        at_least(r, ENT_REPLAY_INCOMPLETE);
        return ENT_E_OK;
    }
    err = sum_up(r, close, agg, &result);
    if (err != ENT_E_OK) {
        ent_agg_free(*agg);
        *agg = NULL;
        return err;
    }
    *sum = *agg != NULL ? result.sum : NULL; /* the aggregation's storage */
    *dim = result.dim;
    return ENT_E_OK;
}
