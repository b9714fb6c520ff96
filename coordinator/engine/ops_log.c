/* Requests of the operator that are about the log. */
#include <stdlib.h>
#include <string.h>

#include "common/crypto/commit.h"
#include "common/crypto/csprng.h"
#include "common/crypto/x25519.h"
#include "coordinator/engine/ops.h"

struct acting {
    enum ent_log_action action;
    const void *subject;
    size_t len;
};

static enum ent_err act(struct ent_engine *e, void *ctx)
{
    const struct acting *a = ctx;

    return ent_trail_operator(e, a->action, a->subject, a->len);
}

enum ent_err ent_ops_action(struct ent_engine *e, enum ent_log_action action, const void *subject,
                            size_t len)
{
    struct acting a = {action, subject, len};

    return ent_trail_together(e, act, &a);
}

/* ---- witnesses ---- */

enum ent_err ent_ops_check_witnesses(const struct ent_engine *e, uint32_t min_members)
{
    struct ent_witnesses set;

    ent_witness_in_force(&e->audit.history, UINT64_MAX, &set);
    ENT_REQUIRE(set.n > 0, ENT_E_PHASE,
                "no witness set is frozen yet: run entente-coordinator policy --dir %s once the "
                "members are enrolled and connected",
                e->home->dir);
    ENT_REQUIRE(min_members >= set.quorum, ENT_E_CONFIG,
                "the plan's aggregation.min_members is %u, but %u of %zu members must witness each "
                "round: raise it to %u",
                (unsigned)min_members, (unsigned)set.quorum, set.n, (unsigned)set.quorum);
    return ENT_E_OK;
}

static void ask_all(struct ent_engine *e)
{
    ent_trail_publish(e); /* who agrees has seen the admission of everybody in the set */
    for (size_t i = 0; i < e->n_conns; i++) {
        if (e->conns[i]->welcomed && e->conns[i]->member != ENT_NO_MEMBER) {
            ent_party_welcome(e, e->conns[i]);
        }
    }
}

static enum ent_err put_policy(struct ent_engine *e, struct ent_json_writer *out)
{
    struct ent_buf text;
    const char *policy = NULL;
    enum ent_err err;

    ent_buf_init(&text, (size_t)64 * 1024);
    err = ent_propose_policy(e, &text);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&text, &policy);
    }
    if (err == ENT_E_OK) {
        ent_json_put_key_string(out, "policy", policy);
    }
    ent_buf_release(&text);
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

void ent_ops_put_awaited(struct ent_engine *e, const char *key, struct ent_json_writer *out)
{
    ent_json_put_key(out, key);
    ent_json_put_array(out);
    for (uint32_t i = 0; i < e->n_members; i++) {
        if (ent_propose_awaits(e, i)) {
            ent_json_put_string(out, e->members[i].name);
        }
    }
    ent_json_put_close(out);
}

enum ent_err ent_ops_policy(struct ent_engine *e, struct ent_json_writer *out)
{
    const struct ent_witness_history *h = &e->audit.history;
    bool is_new = false;

    ENT_TRY(ent_propose(e, &is_new));
    if (is_new && !e->options.offline) {
        ask_all(e);
    }
    ent_json_put_key_bool(out, "frozen", !is_new);
    ent_json_put_key_bool(out, "serving", !e->options.offline);
    ent_json_put_key_uint(out, "version",
                          is_new ? e->audit.proposal_version : h->sets[h->n_sets - 1].version);
    ent_ops_put_awaited(e, "awaited", out);
    return is_new ? ENT_E_OK : put_policy(e, out);
}

/* ---- auditors ---- */

static enum ent_err key_of(const struct ent_json *request, const char *key, uint8_t out[32])
{
    const char *hex = NULL;

    ENT_TRY(ent_json_string(ent_json_get(request, key), key, &hex));
    ENT_REQUIRE(strlen(hex) == 64 && ent_unhex(hex, out, 32) == ENT_E_OK, ENT_E_USAGE,
                "%s must be 64 hex digits", key);
    return ENT_E_OK;
}

static enum ent_err store_auditor(struct ent_engine *e, void *ctx)
{
    struct ent_store_auditor *a = ctx;
    struct ent_leaf_auditor_admit leaf = {0};
    uint8_t fingerprint[32];

    memcpy(leaf.seal_pub, a->seal_pub, sizeof leaf.seal_pub);
    memcpy(leaf.sign_pub, a->sign_pub, sizeof leaf.sign_pub);
    ENT_TRY(ent_name_commit(a->name_salt, a->name, leaf.name_commit));
    ENT_TRY(ent_sha256(a->seal_pub, sizeof a->seal_pub, fingerprint));
    ENT_TRY(ent_trail_operator(e, ENT_LOG_ADMIT_AUDITOR, fingerprint, sizeof fingerprint));
    ENT_TRY(ent_trail_append(e, ENT_LEAF_AUDITOR_ADMIT, &leaf, &a->leaf));
    return ent_store_auditor_add(e->store, a);
}

enum ent_err ent_ops_admit_auditor(struct ent_engine *e, const struct ent_json *request,
                                   struct ent_json_writer *out)
{
    struct ent_csprng random = ent_csprng_system();
    struct ent_store_auditor a = {.admitted_ms = e->wall_ms};
    struct ent_store_auditor *list = NULL;
    const char *name = "";
    uint8_t fingerprint[32];
    char hex[65];
    size_t n = 0;

    ENT_TRY(key_of(request, "x25519", a.seal_pub));
    ENT_TRY(key_of(request, "ed25519", a.sign_pub));
    ENT_TRY(ent_x25519_pub_check(a.seal_pub));
    ENT_TRY(ent_sign_pub_check(a.sign_pub));
    if (ent_json_get(request, "name") != NULL) {
        ENT_TRY(ent_json_string(ent_json_get(request, "name"), "name", &name));
    }
    ENT_REQUIRE(strlen(name) < sizeof a.name && (name[0] == '\0' || ent_federation_name_ok(name)),
                ENT_E_USAGE, "an auditor's name must be letters, digits, '-', '_' and '.'");
    memcpy(a.name, name, strlen(name) + 1);
    ENT_TRY(ent_store_auditors(e->store, &list, &n));
    free(list);
    /* One place of a leaf is left for the unsealed copy. */
    ENT_REQUIRE(n < ENT_LOG_AUDITORS_MAX - 1, ENT_E_LIMIT, "a federation has %d auditors at most",
                ENT_LOG_AUDITORS_MAX - 1);
    ENT_TRY(ent_csprng_bytes(&random, a.name_salt, sizeof a.name_salt));
    ENT_TRY(ent_trail_together(e, store_auditor, &a));
    ENT_TRY(ent_sha256(a.seal_pub, sizeof a.seal_pub, fingerprint));
    ent_hex(fingerprint, sizeof fingerprint, hex);
    ent_json_put_key_string(out, "fingerprint", hex);
    ent_json_put_key_bool(out, "run_active", e->run.config.run != 0);
    ent_engine_say(e, ENT_SAY_OPERATOR, "auditor %.16s... admitted", hex);
    return ENT_E_OK;
}

enum ent_err ent_ops_put_kept(struct ent_engine *e, struct ent_json_writer *out)
{
    struct ent_store_auditor *list = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_auditors(e->store, &list, &n));
    free(list);
    ent_json_put_key_uint(out, "auditors", n);
    ent_json_put_key_bool(out, "plain", e->home->config->plain_ms > 0);
    return ENT_E_OK;
}
