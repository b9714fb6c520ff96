/* V8: who may speak, and whether it did. A key is valid by place in the log, not by time: from the
 * leaf after its admission until the one that revokes it or says that its member left. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"
#include "common/crypto/sign.h"

#define TABLE (2 * ENT_AUDIT_MEMBERS_MAX) /* a power of two */

enum ent_err ent_audit_members_init(struct ent_audit *a)
{
    ENT_TRY(ent_calloc(ENT_AUDIT_MEMBERS_MAX, sizeof *a->live, &a->live));
    return ent_calloc(TABLE, sizeof *a->by_handle, &a->by_handle);
}

void ent_audit_members_release(struct ent_audit *a)
{
    for (size_t i = 0; a->live != NULL && i < a->facts->n_members; i++) {
        ent_sign_pub_free(a->live[i].statement);
        ent_sign_pub_free(a->live[i].witness);
    }
    free(a->live);
    free(a->by_handle);
}

/* Where the handle stands, or would. Handles are random: their first bytes are the hash. */
static size_t slot_of(const struct ent_audit *a, const uint8_t handle[16])
{
    size_t at = ent_get_be32(handle) % TABLE;

    while (a->by_handle[at] != 0 &&
           memcmp(a->facts->members[a->by_handle[at] - 1].handle, handle, 16) != 0) {
        at = (at + 1) % TABLE;
    }
    return at;
}

uint32_t ent_audit_member_find(const struct ent_audit *a, const uint8_t handle[16])
{
    uint32_t found = a->by_handle[slot_of(a, handle)];

    return found != 0 ? found - 1 : ENT_AUDIT_NOBODY;
}

/* ---- statements ---- */

static enum ent_err submit(struct ent_audit *a, uint64_t seq, const struct ent_audit_said *said,
                           const struct ent_audit_heard *heard)
{
    uint32_t member = heard->member;
    struct ent_audit_job *job = NULL;

    if (a->live[member].statement == NULL) {
        return ENT_E_OK; /* its admission is a finding already */
    }
    ENT_BUG_ON(said->header.len > sizeof job->header);
    ENT_TRY(ent_audit_pool_slot(a->pool, &job));
    job->kind = ENT_AUDIT_JOB_STATEMENT;
    job->seq = seq;
    job->member = member;
    job->what = said->what;
    job->copy_differs = said->copy_differs && /* of another round: that is said already */
                        memcmp(heard->header.update.round_open, a->round.open_hash, 32) == 0;
    job->key = a->live[member].statement;
    job->header_len = said->header.len;
    memcpy(job->header, said->header.data, said->header.len);
    memcpy(job->payload_sha256, said->payload_sha256, sizeof job->payload_sha256);
    memcpy(job->signature, said->signature, sizeof job->signature);
    ent_audit_pool_submit(a->pool);
    return ENT_E_OK;
}

static enum ent_err may_speak(struct ent_audit *a, uint64_t seq, const struct ent_audit_said *said,
                              struct ent_audit_heard *out)
{
    char name[ENT_AUDIT_SHORT_BYTES];
    const struct ent_audit_member *member;

    ent_audit_short(out->header.sender, sizeof out->header.sender, name);
    if (out->member == ENT_AUDIT_NOBODY) {
        return ent_audit_fail(a, 8, seq,
                              "leaf %" PRIu64 ": %s of %s, who was never admitted before", seq,
                              said->what, name);
    }
    member = &a->facts->members[out->member];
    if (member->standing != ENT_AUDIT_ADMITTED) {
        return ent_audit_fail(
            a, 8, seq, "leaf %" PRIu64 ": %s of %s, whose key ended with leaf %" PRIu64 " (%s)",
            seq, said->what, name, member->end_seq,
            member->standing == ENT_AUDIT_LEFT ? "it left" : "it was revoked");
    }
    out->good = true;
    return submit(a, seq, said, out);
}

enum ent_err ent_audit_statement(struct ent_audit *a, uint64_t seq,
                                 const struct ent_audit_said *said, struct ent_arena *arena,
                                 struct ent_audit_heard *out)
{
    enum ent_err err = ent_leaf_header(said->header, arena, &out->header);
    const char *wrong = NULL;

    out->member = ENT_AUDIT_NOBODY;
    out->good = false;
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK) {
        return ent_audit_fail(a, 8, seq, "leaf %" PRIu64 ": %s: its header is malformed", seq,
                              said->what);
    }
    out->member = ent_audit_member_find(a, out->header.sender);
    if (out->header.type != said->type || !out->header.from_member) {
        wrong = "is signed as something else";
    } else if (memcmp(out->header.federation, a->facts->federation,
                      sizeof out->header.federation) != 0) {
        wrong = "was signed for another federation";
    } else if (said->who != NULL && memcmp(out->header.sender, said->who, 16) != 0) {
        wrong = "was signed by another member";
    }
    if (wrong != NULL) {
        return ent_audit_fail(a, 7, seq, "leaf %" PRIu64 ": the %s %s", seq, said->what, wrong);
    }
    return may_speak(a, seq, said, out);
}

/* ---- admission ---- */

static enum ent_err take_keys(struct ent_audit *a, const struct ent_audit_leaf *leaf, uint32_t m)
{
    const struct ent_leaf_member_admit *admit = &leaf->any.member_admit;
    struct ent_audit_live *live = &a->live[m];
    char name[ENT_AUDIT_SHORT_BYTES];

    ent_audit_short(admit->handle, sizeof admit->handle, name);
    if (ent_sign_pub_check(admit->statement_pub) != ENT_E_OK ||
        ent_sign_pub_new(admit->statement_pub, &live->statement) != ENT_E_OK) {
        live->statement = NULL;
        ENT_TRY(ent_audit_fail(a, 8, leaf->index,
                               "leaf %" PRIu64
                               ": %s was admitted with a statement key that is none, "
                               "or of small order: anybody can sign under it",
                               leaf->index, name));
    }
    if (ent_sign_pub_check(admit->witness_pub) != ENT_E_OK ||
        ent_sign_pub_new(admit->witness_pub, &live->witness) != ENT_E_OK) {
        live->witness = NULL;
        ENT_TRY(ent_audit_fail(a, 8, leaf->index,
                               "leaf %" PRIu64 ": %s was admitted with a witness key that is none, "
                               "or of small order",
                               leaf->index, name));
    }
    return ENT_E_OK;
}

/* A key without a usable name or value keeps an entry that no line can be of. */
static void take_vkey(struct ent_audit *a, const struct ent_leaf_member_admit *admit, uint32_t m)
{
    struct ent_vkey *key = &a->keys[m + 1];

    if (a->live[m].witness == NULL ||
        ent_vkey_of_member(a->facts->origin, admit->handle, admit->witness_pub, key) != ENT_E_OK) {
        *key = (struct ent_vkey){.type = ENT_VKEY_COSIGNATURE};
    }
    key->ready = a->live[m].witness;
    a->n_keys = (size_t)m + 2;
}

/* The member had no handle and knew no federation when it asked. */
static enum ent_err check_request(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                  struct ent_arena *arena, uint32_t m)
{
    const struct ent_leaf_member_admit *admit = &leaf->any.member_admit;
    struct ent_audit_said said = {.type = ENT_MSG_ENROLL_REQUEST,
                                  .header = admit->request.header,
                                  .payload_sha256 = admit->request.payload_sha256,
                                  .signature = admit->request.signature,
                                  .what = "enrolment"};
    struct ent_audit_heard heard = {.member = m};
    enum ent_err err;

    if (!admit->has_request) {
        return ent_audit_fail(a, 8, leaf->index,
                              "leaf %" PRIu64 ": a member is admitted that did not ask for it",
                              leaf->index);
    }
    err = ent_leaf_header(admit->request.header, arena, &heard.header);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK || heard.header.type != ENT_MSG_ENROLL_REQUEST ||
        !heard.header.from_member) {
        return ent_audit_fail(a, 8, leaf->index, "leaf %" PRIu64 ": this is no request to enrol",
                              leaf->index);
    }
    return submit(a, leaf->index, &said, &heard);
}

enum ent_err ent_audit_member_admit(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_member_admit *admit = &leaf->any.member_admit;
    size_t slot = slot_of(a, admit->handle);
    struct ent_audit_member *member = NULL;
    struct ent_arena arena;
    uint32_t m;
    enum ent_err err;

    if (a->by_handle[slot] != 0) {
        return ent_audit_fail(a, 8, leaf->index, "leaf %" PRIu64 ": a handle is admitted twice",
                              leaf->index);
    }
    ENT_TRY(ENT_AUDIT_MORE(a->facts, members, ENT_AUDIT_MEMBERS_MAX, &member));
    ENT_REQUIRE(member != NULL, ENT_E_LIMIT, "the log admits more than %zu members",
                ENT_AUDIT_MEMBERS_MAX);
    m = (uint32_t)(a->facts->n_members - 1);
    memcpy(member->handle, admit->handle, sizeof member->handle);
    memcpy(member->statement_pub, admit->statement_pub, sizeof member->statement_pub);
    memcpy(member->witness_pub, admit->witness_pub, sizeof member->witness_pub);
    memcpy(member->name_commit, admit->name_commit, sizeof member->name_commit);
    member->admit_seq = leaf->index;
    member->admit_ms = leaf->frame.time_ms;
    a->by_handle[slot] = m + 1;
    ENT_TRY(take_keys(a, leaf, m));
    ent_audit_noise_admit(a, m, leaf->any.member_admit.nonce_commit);
    take_vkey(a, admit, m);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = check_request(a, leaf, &arena, m);
    ent_arena_release(&arena);
    return err;
}

static enum ent_err end_member(struct ent_audit *a, const struct ent_audit_leaf *leaf, uint32_t m,
                               enum ent_audit_standing standing)
{
    struct ent_audit_member *member = &a->facts->members[m];

    member->standing = standing;
    member->end_seq = leaf->index;
    member->end_ms = leaf->frame.time_ms;
    return ENT_E_OK;
}

enum ent_err ent_audit_member_revoke(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    uint32_t m = ent_audit_member_find(a, leaf->any.member_revoke.handle);

    if (m == ENT_AUDIT_NOBODY) {
        return ent_audit_fail(a, 8, leaf->index,
                              "leaf %" PRIu64 " revokes a member that was never admitted",
                              leaf->index);
    }
    if (a->facts->members[m].standing != ENT_AUDIT_ADMITTED) {
        return ENT_E_OK; /* again: changes nothing */
    }
    return end_member(a, leaf, m, ENT_AUDIT_REVOKED);
}

enum ent_err ent_audit_member_leave(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_member_leave *leave = &leaf->any.member_leave;
    struct ent_audit_said said = {.type = ENT_MSG_LEAVE,
                                  .header = leave->request.header,
                                  .payload_sha256 = leave->request.payload_sha256,
                                  .signature = leave->request.signature,
                                  .who = leave->handle,
                                  .what = "leave"};
    struct ent_audit_heard heard;
    struct ent_arena arena;
    enum ent_err err;

    if (!leave->has_request) {
        return ent_audit_fail(a, 8, leaf->index,
                              "leaf %" PRIu64 ": a member is said to have left, without its word",
                              leaf->index);
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_audit_statement(a, leaf->index, &said, &arena, &heard);
    ent_arena_release(&arena);
    if (err != ENT_E_OK || !heard.good) {
        return err;
    }
    return end_member(a, leaf, heard.member, ENT_AUDIT_LEFT);
}
