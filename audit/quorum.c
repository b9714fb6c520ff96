/* V5: who had to cosign, and who did. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

#define AGREED_MAX ((size_t)2 * ENT_LOG_WITNESSES_MAX) /* of the new set, and of the one before */
#define SETS_MAX ((size_t)256)                         /* each is 3 KiB */

/* ---- the sets ---- */

static enum ent_err agreed_digest(const struct ent_leaf_witness_set *set, uint8_t out[32])
{
    struct ent_msg_agree agree = {.set = set->set};
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_WIRE_PAYLOAD_MAX_BYTES);
    err = ent_msg_agree_encode(&agree, &bytes);
    if (err == ENT_E_OK) {
        err = ent_sha256(bytes.data, bytes.len, out);
    }
    ent_buf_release(&bytes);
    return err;
}

static bool in_set(const struct ent_audit_set *set, const uint8_t handle[16])
{
    for (size_t i = 0; i < set->n; i++) {
        if (memcmp(set->witnesses[i].handle, handle, 16) == 0) {
            return true;
        }
    }
    return false;
}

/* Every witness is an admitted member under its admitted key, and no key counts twice. */
static enum ent_err check_witnesses(struct ent_audit *a, const struct ent_audit_set *set)
{
    char name[ENT_AUDIT_SHORT_BYTES];

    for (size_t i = 0; i < set->n; i++) {
        const struct ent_leaf_witness *w = &set->witnesses[i];
        uint32_t m = ent_audit_member_find(a, w->handle);

        ent_audit_short(w->handle, sizeof w->handle, name);
        if (m == ENT_AUDIT_NOBODY || a->facts->members[m].standing != ENT_AUDIT_ADMITTED ||
            memcmp(a->facts->members[m].witness_pub, w->witness_pub, 32) != 0) {
            ENT_TRY(ent_audit_fail(
                a, 5, set->seq, "leaf %" PRIu64 ": witness %s is no admitted member with this key",
                set->seq, name));
        }
        for (size_t j = 0; j < i; j++) {
            if (memcmp(set->witnesses[j].witness_pub, w->witness_pub, 32) == 0) {
                ENT_TRY(ent_audit_fail(
                    a, 5, set->seq, "leaf %" PRIu64 ": two witnesses have the same key", set->seq));
            }
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_numbers(struct ent_audit *a, const struct ent_audit_set *set,
                                  const struct ent_audit_set *before)
{
    uint32_t n = (uint32_t)set->n;
    uint32_t version = before != NULL ? before->version + 1 : 1;

    if (set->version != version) {
        ENT_TRY(ent_audit_fail(a, 5, set->seq,
                               "leaf %" PRIu64 ": witness set of version %" PRIu32 " where %" PRIu32
                               " is due",
                               set->seq, set->version, version));
    }
    if (set->bad > ent_leaf_bad_of(n) || set->quorum != ent_leaf_quorum_of(n, set->bad)) {
        ENT_TRY(ent_audit_fail(a, 5, set->seq,
                               "leaf %" PRIu64 ": a quorum of %" PRIu32 " with %" PRIu32
                               " bad among %" PRIu32 " witnesses does not rule out a split view",
                               set->seq, set->quorum, set->bad, n));
    }
    return ENT_E_OK;
}

/* First set: all of it agreed. Later: all that are new, and k of the set before. */
static enum ent_err check_agreed(struct ent_audit *a, const struct ent_audit_set *set,
                                 const struct ent_audit_set *before, const uint8_t *agreed,
                                 size_t n_agreed)
{
    uint32_t old = 0;
    char name[ENT_AUDIT_SHORT_BYTES];

    for (size_t i = 0; i < n_agreed; i++) {
        old += before != NULL && in_set(before, agreed + (size_t)16 * i);
    }
    for (size_t i = 0; i < set->n; i++) {
        bool there = false;

        if (before != NULL && in_set(before, set->witnesses[i].handle)) {
            continue;
        }
        for (size_t j = 0; j < n_agreed && !there; j++) {
            there = memcmp(agreed + 16 * j, set->witnesses[i].handle, 16) == 0;
        }
        if (!there) {
            ent_audit_short(set->witnesses[i].handle, 16, name);
            ENT_TRY(ent_audit_fail(a, 5, set->seq,
                                   "leaf %" PRIu64 ": witness %s did not agree to its set",
                                   set->seq, name));
        }
    }
    if (before != NULL && old < before->quorum) {
        ENT_TRY(ent_audit_fail(a, 5, set->seq,
                               "leaf %" PRIu64 ": only %" PRIu32 " of the witnesses before agreed, "
                               "%" PRIu32 " have to",
                               set->seq, old, before->quorum));
    }
    return ENT_E_OK;
}

static enum ent_err take_agreed(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                struct ent_arena *arena, uint8_t *handles, size_t *n)
{
    const struct ent_leaf_witness_set *set = &leaf->any.witness_set;
    uint8_t digest[32];

    *n = 0;
    ENT_TRY(agreed_digest(set, digest));
    for (size_t i = 0; i < set->n_agreed && i < AGREED_MAX; i++) {
        struct ent_audit_said said = {.type = ENT_MSG_AGREE,
                                      .header = set->agreed[i].header,
                                      .payload_sha256 = set->agreed[i].payload_sha256,
                                      .signature = set->agreed[i].signature,
                                      .what = "agreement to a witness set"};
        struct ent_audit_heard heard;
        bool again = false;

        ENT_TRY(ent_audit_statement(a, leaf->index, &said, arena, &heard));
        if (!heard.good) {
            continue;
        }
        if (memcmp(set->agreed[i].payload_sha256, digest, sizeof digest) != 0) {
            ENT_TRY(ent_audit_fail(a, 5, leaf->index,
                                   "leaf %" PRIu64 ": a member agreed to another witness set",
                                   leaf->index));
            continue;
        }
        for (size_t j = 0; j < *n; j++) {
            again = again || memcmp(handles + 16 * j, heard.header.sender, 16) == 0;
        }
        if (!again) {
            memcpy(handles + 16 * (*n)++, heard.header.sender, 16);
        }
    }
    return ENT_E_OK;
}

static bool is_pinned(const struct ent_tlog_policy *policy, const struct ent_audit_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < policy->n_witnesses; i++) {
        bool there = false;

        if (!policy->witnesses[i].in_quorum) {
            continue;
        }
        n++;
        for (size_t j = 0; j < set->n && !there; j++) {
            there = memcmp(set->witnesses[j].witness_pub, policy->witnesses[i].key.pub, 32) == 0;
        }
        if (!there) {
            return false;
        }
    }
    return n == set->n && policy->k == set->quorum;
}

static enum ent_err add_set(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                            const struct ent_leaf_witness_body *body, struct ent_audit_set **out)
{
    struct ent_audit_set *set = NULL;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, sets, SETS_MAX, &set));
    *out = set;
    if (set == NULL) {
        return ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, leaf->index,
                              "leaf %" PRIu64 ": more than %zu witness sets", leaf->index,
                              SETS_MAX);
    }
    set->seq = leaf->index;
    set->ms = leaf->frame.time_ms;
    set->version = body->version;
    set->bad = body->bad;
    set->quorum = body->quorum;
    set->n = body->n_witnesses < ENT_LOG_WITNESSES_MAX ? body->n_witnesses : ENT_LOG_WITNESSES_MAX;
    if (set->n > 0) {
        memcpy(set->witnesses, body->witnesses, set->n * sizeof *set->witnesses);
    }
    return ENT_E_OK;
}

static enum ent_err take_set(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                             struct ent_arena *arena)
{
    const struct ent_leaf_witness_set *said = &leaf->any.witness_set;
    uint8_t agreed[AGREED_MAX * 16];
    struct ent_leaf_witness_body body;
    struct ent_audit_set *set = NULL;
    const struct ent_audit_set *before;
    size_t n_agreed;
    enum ent_err err = ent_leaf_set_decode(said->set, arena, &body);

    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK ||
        memcmp(body.federation, a->facts->federation, sizeof body.federation) != 0) {
        return ent_audit_fail(a, 5, leaf->index,
                              "leaf %" PRIu64 ": a witness set that is malformed, or of another "
                              "federation",
                              leaf->index);
    }
    ENT_TRY(add_set(a, leaf, &body, &set));
    if (set == NULL) {
        return ENT_E_OK;
    }
    before = a->facts->n_sets > 1 ? set - 1 : NULL;
    ENT_TRY(check_numbers(a, set, before));
    ENT_TRY(check_witnesses(a, set));
    ENT_TRY(take_agreed(a, leaf, arena, agreed, &n_agreed));
    ENT_TRY(check_agreed(a, set, before, agreed, n_agreed));
    if (a->facts->pinned && a->pinned_set == 0 && is_pinned(&a->policy, set)) {
        a->pinned_set = a->facts->n_sets;
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_quorum_set(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_arena arena;
    enum ent_err err;

    ent_arena_init(&arena, 4 * ENT_WIRE_ARENA_BYTES);
    err = take_set(a, leaf, &arena);
    ent_arena_release(&arena);
    return err;
}
