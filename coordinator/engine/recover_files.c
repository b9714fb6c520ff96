/* What goes with the leaves: plans, without which they cannot be put back, and models, without which the run is held. */
#include <string.h>

#include "coordinator/engine/recover_peer.h"

struct entry {
    uint8_t digest[32];
    uint32_t len;
};

enum ent_err ent_recover_plan_of(void *ctx, const uint8_t digest[32], struct ent_buf *out)
{
    struct ent_recovery *r = ctx;
    struct entry entry;

    for (size_t at = 0; at < r->plans.len; at += sizeof entry + entry.len) {
        memcpy(&entry, r->plans.data + at, sizeof entry);
        if (memcmp(entry.digest, digest, sizeof entry.digest) == 0) {
            return ent_buf_add(out, r->plans.data + at + sizeof entry, entry.len);
        }
    }
    return ent_err_note(ENT_E_INTERNAL, "a plan that was pulled is gone");
}

static enum ent_err pull_plan_of(struct ent_recovery *r, struct ent_recover_peer *p,
                                 const uint8_t *digest, struct ent_buf *plan)
{
    uint8_t found[32];

    ent_buf_clear(plan);
    ENT_TRY(ent_recover_pull(r, p, ENT_PULL_PLAN, digest, ent_recover_write_buf, plan));
    ENT_TRY(ent_sha256(plan->data, plan->len, found));
    ENT_REQUIRE(memcmp(found, digest, sizeof found) == 0, ENT_E_DIGEST, "%s sent another plan",
                p->member.name);
    return ENT_E_OK;
}

enum ent_err ent_recover_pull_plan(struct ent_recovery *r, const uint8_t digest[32])
{
    struct entry entry = {.len = 0};
    struct ent_buf plan;
    char hex[65];
    enum ent_err err = ENT_E_NOT_FOUND;

    ent_buf_init(&plan, ENT_STORE_PLAN_MAX);
    for (size_t i = 0; i < r->n_peers && err != ENT_E_OK; i++) {
        if (r->peers[i].conn != 0) {
            err = pull_plan_of(r, &r->peers[i], digest, &plan);
        }
    }
    if (err == ENT_E_OK) {
        memcpy(entry.digest, digest, sizeof entry.digest);
        entry.len = (uint32_t)plan.len;
        err = ent_buf_add(&r->plans, &entry, sizeof entry);
    } else {
        ent_hex(digest, 32, hex);
        err = ent_err_note(ENT_E_NOT_FOUND,
                           "no member that is here has the plan %s: " ENT_RECOVER_REMAINS, hex);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add(&r->plans, plan.data, plan.len);
    }
    ent_buf_release(&plan);
    return err;
}

static enum ent_err write_model(void *ctx, const uint8_t *bytes, size_t len)
{
    return ent_store_model_write(ctx, bytes, len);
}

static enum ent_err pull_model_of(struct ent_recovery *r, struct ent_recover_peer *p,
                                  const uint8_t digest[32])
{
    struct ent_store_writer *writer = NULL;
    uint8_t found[32];
    enum ent_err err;

    ENT_TRY(ent_store_model_begin(r->store, &writer));
    err = ent_recover_pull(r, p, ENT_PULL_MODEL, digest, write_model, writer);
    if (err != ENT_E_OK) {
        ent_store_model_discard(writer);
        return err;
    }
    ENT_TRY(ent_store_model_commit(writer, found));
    ENT_REQUIRE(memcmp(found, digest, sizeof found) == 0, ENT_E_DIGEST, "%s sent another model",
                p->member.name);
    return ENT_E_OK;
}

/* The log stands already: a model that nobody has holds the run, as it does after any loss. */
void ent_recover_pull_models(struct ent_recovery *r, const struct ent_recover_needs *needs)
{
    for (size_t m = 0; m < needs->n_models; m++) {
        enum ent_err err = ENT_E_NOT_FOUND;
        char hex[65];

        for (size_t i = 0; i < r->n_peers && err != ENT_E_OK; i++) {
            if (r->peers[i].conn != 0) {
                err = pull_model_of(r, &r->peers[i], needs->models[m]);
            }
        }
        ent_hex(needs->models[m], 32, hex);
        ent_recover_say(r,
                        err == ENT_E_OK
                            ? "model %s: fetched"
                            : "model %s: no member that is here has it; copy it into models/ from "
                              "a backup, or end the run with stop",
                        hex);
    }
    if (needs->lacks_state) {
        ent_recover_say(r,
                        "run %u will be held: the state of the server's optimizer is lost, and no "
                        "member has it. Copy it from a newer backup, or stop: the run then ends "
                        "with its best model so far",
                        (unsigned)needs->run);
    }
}
