/* Sets of witnesses. */
#include <stdlib.h>
#include <string.h>

#include "client/mirror/mirror_internal.h"
#include "common/base/mem.h"
#include "common/tlog/policy.h"

#define SET_ARENA_BYTES ((size_t)64 * 1024)

static const struct ent_leaf_witness *find(const struct ent_leaf_witness_body *body,
                                           const uint8_t *handle)
{
    for (size_t i = 0; i < body->n_witnesses; i++) {
        if (memcmp(body->witnesses[i].handle, handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return &body->witnesses[i];
        }
    }
    return NULL;
}

/* The newest set so far; n_witnesses = 0 before the first. */
static enum ent_err newest(struct ent_mirror *m, struct ent_arena *arena, struct ent_buf *bytes,
                           struct ent_leaf_witness_body *out)
{
    uint64_t index = 0;
    enum ent_err err = ent_state_witness_set_get(m->options.state, &index, bytes);

    *out = (struct ent_leaf_witness_body){0};
    if (err != ENT_E_OK) {
        return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    }
    err = ent_leaf_set_decode((struct ent_bytes){bytes->data, bytes->len}, arena, out);
    return err == ENT_E_OK ? ENT_E_OK : ent_err_prefix(ENT_E_CORRUPT, "the stored witness set");
}

/* What holds for a set that is proposed and for one in the log. POLICY. */
static enum ent_err check_body(struct ent_mirror *m, const struct ent_leaf_witness_body *body,
                               const struct ent_leaf_witness_body *old)
{
    uint32_t n = (uint32_t)body->n_witnesses;

    ENT_REQUIRE(memcmp(body->federation, m->options.federation, sizeof body->federation) == 0,
                ENT_E_POLICY, "the set of witnesses is of another federation");
    ENT_REQUIRE(body->version == old->version + 1, ENT_E_POLICY,
                "the set of witnesses has version %u, the one before it %u",
                (unsigned)body->version, (unsigned)old->version);
    ENT_REQUIRE(n > 0 && body->bad == ent_leaf_bad_of(n) &&
                    body->quorum == ent_leaf_quorum_of(n, body->bad),
                ENT_E_POLICY, "%u of %u cosignatures are no quorum", (unsigned)body->quorum,
                (unsigned)n);
    for (size_t i = 0; i < body->n_witnesses; i++) {
        const struct ent_leaf_witness *w = &body->witnesses[i];
        struct ent_log_member member;
        enum ent_err err = ent_state_log_member(m->options.state, w->handle, &member);

        ENT_REQUIRE(err != ENT_E_NOT_FOUND && !(err == ENT_E_OK && member.gone), ENT_E_POLICY,
                    "a witness is no member of the log");
        ENT_TRY(err);
        ENT_REQUIRE(memcmp(w->witness_pub, member.witness_pub, sizeof w->witness_pub) == 0,
                    ENT_E_POLICY, "a witness has another key than it was admitted with");
        for (size_t j = 0; j < i; j++) {
            ENT_REQUIRE(
                memcmp(w->witness_pub, body->witnesses[j].witness_pub, sizeof w->witness_pub) != 0,
                ENT_E_POLICY, "two witnesses have one key: they are one voice");
        }
    }
    return ENT_E_OK;
}

static enum ent_err agree(struct ent_mirror *m, struct ent_bytes set, struct ent_arena *arena,
                          struct ent_buf *old_bytes)
{
    struct ent_leaf_witness_body body;
    struct ent_leaf_witness_body old;
    const struct ent_leaf_witness *own;

    ENT_TRY(ent_leaf_set_decode(set, arena, &body));
    ENT_TRY(newest(m, arena, old_bytes, &old));
    ENT_TRY(check_body(m, &body, &old));
    own = find(&body, m->options.handle);
    ENT_REQUIRE(own != NULL, ENT_E_POLICY, "this member is not in the set");
    ENT_REQUIRE(m->options.witness != NULL, ENT_E_POLICY,
                "this member's witness key is not here: nothing would be cosigned");
    ENT_REQUIRE(memcmp(own->witness_pub, m->witness_bytes, sizeof own->witness_pub) == 0,
                ENT_E_POLICY, "the set has another key for this member than its own");
    return ENT_E_OK;
}

enum ent_err ent_mirror_agree(struct ent_mirror *mirror, struct ent_bytes set)
{
    struct ent_arena arena;
    struct ent_buf old;
    enum ent_err err;

    ent_arena_init(&arena, SET_ARENA_BYTES);
    ent_buf_init(&old, ENT_LOG_SET_MAX_BYTES);
    err = agree(mirror, set, &arena, &old);
    ent_buf_release(&old);
    ent_arena_release(&arena);
    return err;
}

/* ---- one in the log ---- */

/* Who signed this very set: its Agree, under the key of its admission. */
static enum ent_err check_agreed(struct ent_mirror *m, const struct ent_leaf_statement *said,
                                 const uint8_t *payload_sha256, struct ent_arena *arena,
                                 struct ent_header *header)
{
    struct ent_log_member member;
    struct ent_sign_pub *pub = NULL;
    enum ent_err err;

    ENT_REQUIRE(ent_leaf_header(said->header, arena, header) == ENT_E_OK &&
                    header->type == ENT_MSG_AGREE,
                ENT_E_POLICY, "an agreement cannot be read");
    ENT_REQUIRE(memcmp(said->payload_sha256, payload_sha256, ENT_SHA256_BYTES) == 0, ENT_E_POLICY,
                "somebody agreed to another set");
    ENT_REQUIRE(ent_state_log_member(m->options.state, header->sender, &member) == ENT_E_OK,
                ENT_E_POLICY, "somebody agreed who is no member");
    ENT_TRY(ent_sign_pub_new(member.statement_pub, &pub));
    err = ent_leaf_statement_verify(pub, said->header, said->payload_sha256, said->signature);
    ent_sign_pub_free(pub);
    ENT_REQUIRE(err == ENT_E_OK, ENT_E_POLICY, "an agreement was not signed by its member");
    return ENT_E_OK;
}

static enum ent_err agree_digest(struct ent_bytes set, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_msg_agree agree = {.set = set};
    struct ent_buf payload;
    enum ent_err err;

    ent_buf_init(&payload, ENT_LOG_SET_MAX_BYTES + 64);
    err = ent_msg_agree_encode(&agree, &payload);
    if (err == ENT_E_OK) {
        err = ent_sha256(payload.data, payload.len, out);
    }
    ent_buf_release(&payload);
    return err;
}

/* Every witness that is new signed, and a quorum of the set before. */
static enum ent_err check_signed(struct ent_mirror *m, const struct ent_leaf_witness_set *leaf,
                                 const struct ent_leaf_witness_body *body,
                                 const struct ent_leaf_witness_body *old, struct ent_arena *arena)
{
    bool signed_new[ENT_LOG_WITNESSES_MAX] = {false};
    uint8_t digest[ENT_SHA256_BYTES];
    size_t of_old = 0;

    ENT_REQUIRE(body->n_witnesses <= ENT_LOG_WITNESSES_MAX, ENT_E_POLICY, "too many witnesses");
    ENT_TRY(agree_digest(leaf->set, digest));
    for (size_t i = 0; i < leaf->n_agreed; i++) {
        const struct ent_leaf_witness *w;
        struct ent_header header;

        ENT_TRY(check_agreed(m, &leaf->agreed[i], digest, arena, &header));
        w = find(body, header.sender);
        if (w != NULL) {
            ENT_REQUIRE(!signed_new[w - body->witnesses], ENT_E_POLICY, "one member agreed twice");
            signed_new[w - body->witnesses] = true;
        }
        of_old += find(old, header.sender) != NULL ? 1 : 0;
    }
    for (size_t i = 0; i < body->n_witnesses; i++) {
        ENT_REQUIRE(signed_new[i] || find(old, body->witnesses[i].handle) != NULL, ENT_E_POLICY,
                    "a new witness did not agree");
    }
    ENT_REQUIRE(of_old >= old->quorum, ENT_E_POLICY, "%zu of the old witnesses agreed, not %u",
                of_old, (unsigned)old->quorum);
    return ENT_E_OK;
}

static enum ent_err take_set(struct ent_walk *walk, uint64_t index,
                             const struct ent_leaf_witness_set *leaf, struct ent_arena *arena,
                             struct ent_buf *old_bytes)
{
    struct ent_mirror *m = walk->mirror;
    struct ent_leaf_witness_body body;
    struct ent_leaf_witness_body old;

    ENT_TRY(ent_leaf_set_decode(leaf->set, arena, &body));
    ENT_TRY(newest(m, arena, old_bytes, &old));
    ENT_TRY(check_body(m, &body, &old));
    ENT_TRY(check_signed(m, leaf, &body, &old, arena));
    walk->new_set = walk->new_set || find(&body, m->options.handle) != NULL;
    return ent_state_witness_set_put(m->options.state, index, leaf->set.data, leaf->set.len);
}

enum ent_err ent_walk_set(struct ent_walk *walk, uint64_t index,
                          const struct ent_leaf_witness_set *leaf)
{
    struct ent_arena arena;
    struct ent_buf old;
    enum ent_err err;

    ent_arena_init(&arena, (size_t)256 * 1024);
    ent_buf_init(&old, ENT_LOG_SET_MAX_BYTES);
    err = take_set(walk, index, leaf, &arena, &old);
    ent_buf_release(&old);
    ent_arena_release(&arena);
    ENT_REQUIRE(err != ENT_E_POLICY && err != ENT_E_PROTOCOL, ENT_E_REWRITTEN,
                "leaf %llu, a set of witnesses, does not hold: %.200s", (unsigned long long)index,
                ent_err_message());
    return err;
}

/* ---- the policy that an auditor gets from this member ---- */

static enum ent_err fill_policy(struct ent_mirror *m, const struct ent_leaf_witness_body *body,
                                struct ent_tlog_policy *p)
{
    ENT_REQUIRE(body->n_witnesses <= ENT_TLOG_WITNESSES_MAX, ENT_E_LIMIT, "too many witnesses");
    ENT_TRY(ent_vkey_of(m->head.origin, ENT_VKEY_LOG, m->options.log_pub, &p->log));
    p->n_witnesses = body->n_witnesses;
    p->k = body->quorum;
    p->has_genesis = true;
    memcpy(p->genesis, m->head.genesis, sizeof p->genesis);
    for (size_t i = 0; i < body->n_witnesses; i++) {
        struct ent_tlog_witness *w = &p->witnesses[i];

        ent_hex(body->witnesses[i].handle, ENT_WIRE_HANDLE_BYTES, w->name);
        w->in_quorum = true;
        ENT_TRY(ent_vkey_of_member(m->head.origin, body->witnesses[i].handle,
                                   body->witnesses[i].witness_pub, &w->key));
    }
    return ENT_E_OK;
}

static enum ent_err write_policy(struct ent_mirror *m, struct ent_arena *arena,
                                 struct ent_buf *bytes, struct ent_tlog_policy *policy)
{
    struct ent_leaf_witness_body body;
    struct ent_buf text;
    enum ent_err err;

    ENT_TRY(newest(m, arena, bytes, &body));
    if (find(&body, m->options.handle) == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(fill_policy(m, &body, policy));
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    err = ent_tlog_policy_write(policy, &text);
    if (err == ENT_E_OK) {
        err = ent_mirror_write(m, "witness.policy", text.data, text.len);
    }
    ent_buf_release(&text);
    return err;
}

enum ent_err ent_mirror_write_policy(struct ent_mirror *mirror)
{
    struct ent_tlog_policy *policy = NULL;
    struct ent_arena arena;
    struct ent_buf bytes;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *policy, &policy));
    ent_arena_init(&arena, SET_ARENA_BYTES);
    ent_buf_init(&bytes, ENT_LOG_SET_MAX_BYTES);
    err = write_policy(mirror, &arena, &bytes, policy);
    ent_buf_release(&bytes);
    ent_arena_release(&arena);
    free(policy);
    return err;
}
