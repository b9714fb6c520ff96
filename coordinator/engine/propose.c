/* The next witness set: what members are asked to agree to, and when it holds. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tlog/policy.h"
#include "coordinator/engine/state.h"

static int by_handle(const void *a, const void *b)
{
    const struct ent_leaf_witness *x = a;
    const struct ent_leaf_witness *y = b;

    return memcmp(x->handle, y->handle, sizeof x->handle);
}

static bool is_in(const struct ent_leaf_witness *list, size_t n,
                  const uint8_t handle[ENT_WIRE_HANDLE_BYTES])
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(list[i].handle, handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- proposing ---- */

/* Everybody who is enrolled now. */
static enum ent_err gather(const struct ent_engine *e, struct ent_leaf_witness *list, size_t *n_out)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n_members; i++) {
        const struct ent_engine_member *m = &e->members[i];

        if (m->revoked || m->log.left) {
            continue;
        }
        ENT_REQUIRE(n < ENT_LOG_WITNESSES_MAX, ENT_E_LIMIT, "a witness set has %d members at most",
                    ENT_LOG_WITNESSES_MAX);
        memcpy(list[n].handle, m->handle, sizeof list[n].handle);
        memcpy(list[n].witness_pub, m->log.witness_pub, sizeof list[n].witness_pub);
        n++;
    }
    ENT_REQUIRE(n >= 2, ENT_E_TOO_FEW,
                "a witness set needs two members at least; %zu %s enrolled: invite them first", n,
                n == 1 ? "is" : "are");
    qsort(list, n, sizeof *list, by_handle);
    *n_out = n;
    return ENT_E_OK;
}

static uint32_t next_version(const struct ent_witness_history *h)
{
    return h->n_sets > 0 ? h->sets[h->n_sets - 1].version + 1 : 1;
}

struct proposing {
    uint32_t version;
    struct ent_bytes set;
};

static enum ent_err propose(struct ent_engine *e, void *ctx)
{
    const struct proposing *p = ctx;

    ENT_TRY(ent_store_set_propose(e->store, p->version, p->set));
    return ent_trail_operator(e, ENT_LOG_POLICY, NULL, 0);
}

static enum ent_err store_proposal(struct ent_engine *e, const struct ent_leaf_witness_body *body)
{
    struct ent_trail *a = &e->audit;
    struct proposing p = {.version = body->version};
    struct ent_buf set;
    enum ent_err err;
    bool same;

    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    err = ent_leaf_set_encode(body, &set);
    p.set = (struct ent_bytes){set.data, set.len};
    same = err == ENT_E_OK && a->proposal.len == set.len &&
           memcmp(a->proposal.data, set.data, set.len) == 0;
    if (err == ENT_E_OK && !same) {
        err = ent_trail_together(e, propose, &p);
    }
    if (err == ENT_E_OK && !same) {
        ent_buf_clear(&a->proposal);
        a->proposal_version = body->version;
        err = ent_buf_add(&a->proposal, set.data, set.len);
    }
    ent_buf_release(&set);
    return err;
}

enum ent_err ent_propose(struct ent_engine *e, bool *is_new)
{
    struct ent_leaf_witness list[ENT_LOG_WITNESSES_MAX];
    struct ent_leaf_witness_body body = {.version = next_version(&e->audit.history),
                                         .witnesses = list};
    struct ent_witnesses now;

    memset(list, 0, sizeof list);
    ENT_TRY(gather(e, list, &body.n_witnesses));
    ent_witness_in_force(&e->audit.history, UINT64_MAX, &now);
    *is_new = now.n != body.n_witnesses || memcmp(now.list, list, now.n * sizeof *list) != 0;
    if (!*is_new) {
        return ENT_E_OK;
    }
    memcpy(body.federation, e->home->issuer.federation, sizeof body.federation);
    body.bad = ent_leaf_bad_of((uint32_t)body.n_witnesses);
    body.quorum = ent_leaf_quorum_of((uint32_t)body.n_witnesses, body.bad);
    return store_proposal(e, &body);
}

/* ---- who is asked ---- */

struct opened {
    struct ent_arena arena;
    struct ent_leaf_witness_body body;
    struct ent_witnesses old;
    struct ent_store_agreed *agreed;
    size_t n_agreed;
};

static enum ent_err open_proposal(struct ent_engine *e, struct opened *out)
{
    struct ent_bytes set = {e->audit.proposal.data, e->audit.proposal.len};
    enum ent_err err;

    *out = (struct opened){0};
    ent_arena_init(&out->arena, ENT_WIRE_ARENA_BYTES);
    ent_witness_in_force(&e->audit.history, UINT64_MAX, &out->old);
    err = ent_leaf_set_decode(set, &out->arena, &out->body);
    if (err == ENT_E_OK) {
        err = ent_store_set_agreed(e->store, &out->agreed, &out->n_agreed);
    }
    if (err != ENT_E_OK) {
        ent_arena_release(&out->arena);
    }
    return err;
}

static void close_proposal(struct opened *p)
{
    free(p->agreed);
    ent_arena_release(&p->arena);
}

static bool has_agreed(const struct opened *p, const uint8_t handle[ENT_WIRE_HANDLE_BYTES])
{
    for (size_t i = 0; i < p->n_agreed; i++) {
        if (memcmp(p->agreed[i].handle, handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_asked(const struct opened *p, const uint8_t handle[ENT_WIRE_HANDLE_BYTES])
{
    return is_in(p->body.witnesses, p->body.n_witnesses, handle) ||
           is_in(p->old.list, p->old.n, handle);
}

bool ent_propose_awaits(struct ent_engine *e, uint32_t member)
{
    const uint8_t *handle = e->members[member].handle;
    struct opened p;
    bool awaits;

    if (e->audit.proposal.len == 0 || e->members[member].revoked) {
        return false;
    }
    if (open_proposal(e, &p) != ENT_E_OK) {
        return false;
    }
    awaits = is_asked(&p, handle) && !has_agreed(&p, handle);
    close_proposal(&p);
    return awaits;
}

void ent_propose_to(struct ent_engine *e, struct ent_conn *conn)
{
    struct ent_msg_propose m = {.set = {e->audit.proposal.data, e->audit.proposal.len}};

    if (conn->member != ENT_NO_MEMBER && ent_propose_awaits(e, conn->member)) {
        ent_message_post(e, conn, ENT_MSG_PROPOSE, 0, &m);
    }
}

/* ---- agreed ---- */

/* The first set: all in it. A later one: those it adds, and k of the set before. */
static bool is_complete(const struct opened *p)
{
    uint32_t of_old = 0;

    for (size_t i = 0; i < p->body.n_witnesses; i++) {
        const uint8_t *handle = p->body.witnesses[i].handle;

        if (!is_in(p->old.list, p->old.n, handle) && !has_agreed(p, handle)) {
            return false;
        }
    }
    for (size_t i = 0; i < p->n_agreed; i++) {
        of_old += is_in(p->old.list, p->old.n, p->agreed[i].handle) ? 1 : 0;
    }
    return of_old >= p->old.quorum;
}

struct freezing {
    const struct opened *p;
    uint64_t idx;
};

static enum ent_err append_set(struct ent_engine *e, void *ctx)
{
    struct freezing *f = ctx;
    const struct opened *p = f->p;
    struct ent_leaf_witness_set m = {.set = {e->audit.proposal.data, e->audit.proposal.len},
                                     .n_agreed = p->n_agreed};
    enum ent_err err;

    ENT_TRY(ent_calloc(p->n_agreed, sizeof *m.agreed, &m.agreed));
    for (size_t i = 0; i < p->n_agreed; i++) {
        m.agreed[i].header = p->agreed[i].header;
        memcpy(m.agreed[i].payload_sha256, p->agreed[i].payload_sha256, 32);
        memcpy(m.agreed[i].signature, p->agreed[i].signature, 64);
    }
    err = ent_trail_append(e, ENT_LEAF_WITNESS_SET, &m, &f->idx);
    free(m.agreed);
    return err == ENT_E_OK ? ent_store_set_drop(e->store) : err;
}

static enum ent_err freeze(struct ent_engine *e, const struct opened *p)
{
    struct ent_witness_history *h = &e->audit.history;
    struct ent_log_set *set;
    struct freezing f = {.p = p};

    ENT_TRY(ent_grow(&h->sets, &h->cap_sets, h->n_sets + 1, sizeof *h->sets));
    ENT_TRY(ent_trail_together(e, append_set, &f));
    set = &h->sets[h->n_sets++];
    *set = (struct ent_log_set){
        .leaf = f.idx, .version = p->body.version, .bad = p->body.bad, .n = p->body.n_witnesses};
    memcpy(set->list, p->body.witnesses, set->n * sizeof *set->list);
    ent_buf_clear(&e->audit.proposal);
    ent_engine_say(e, ENT_SAY_OPERATOR,
                   "witness set %u is agreed: %zu members, %u of them make a quorum",
                   (unsigned)set->version, set->n, (unsigned)p->body.quorum);
    ent_trail_publish(e);
    return ENT_E_OK;
}

enum ent_err ent_propose_agreed(struct ent_engine *e, uint32_t member,
                                const struct ent_envelope *env)
{
    struct ent_store_agreed agreed = {.header = {env->header_bytes, env->header_len}};
    struct opened p;
    enum ent_err err;

    memcpy(agreed.handle, e->members[member].handle, sizeof agreed.handle);
    memcpy(agreed.payload_sha256, env->payload_sha256, sizeof agreed.payload_sha256);
    memcpy(agreed.signature, env->signature, sizeof agreed.signature);
    ENT_TRY(open_proposal(e, &p));
    err = is_asked(&p, agreed.handle) ? ENT_E_OK
                                      : ent_err_note(ENT_E_PHASE, "it was not asked for its word");
    close_proposal(&p);
    ENT_TRY(err);
    ENT_TRY(ent_store_set_agree(e->store, &agreed));
    ENT_TRY(open_proposal(e, &p));
    err = is_complete(&p) ? freeze(e, &p) : ENT_E_OK;
    close_proposal(&p);
    ent_engine_fail(e, err);
    return err;
}

/* ---- what an auditor pins ---- */

static enum ent_err fill_policy(const struct ent_engine *e, const struct ent_witnesses *set,
                                struct ent_tlog_policy *policy)
{
    *policy = (struct ent_tlog_policy){
        .log = e->audit.genesis.log, .n_witnesses = set->n, .k = set->quorum, .has_genesis = true};
    memcpy(policy->genesis, e->audit.genesis.hash, sizeof policy->genesis);
    for (size_t i = 0; i < set->n; i++) {
        struct ent_tlog_witness *w = &policy->witnesses[i];

        ENT_TRY(ent_trail_witness_key(e, &set->list[i], &w->key));
        ent_hex(set->list[i].handle, sizeof set->list[i].handle, w->name);
        w->in_quorum = true;
    }
    return ENT_E_OK;
}

enum ent_err ent_propose_policy(struct ent_engine *e, struct ent_buf *out)
{
    struct ent_tlog_policy *policy = NULL;
    struct ent_witnesses set;
    enum ent_err err;

    ent_witness_in_force(&e->audit.history, UINT64_MAX, &set);
    if (set.n == 0) {
        return ENT_E_NOT_FOUND;
    }
    ENT_TRY(ent_calloc(1, sizeof *policy, &policy));
    err = fill_policy(e, &set, policy);
    if (err == ENT_E_OK) {
        err = ent_tlog_policy_write(policy, out);
    }
    free(policy);
    return err;
}
