/* Rows 6, 16, 20, 21, 23: models, seals, members, bytes, blobs. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "tests/support/forge_inside.h"
#include "tests/unit/audit/attack.h"

#define ROUND 4
#define MEMBER 1

/* ---- 6: the released model file ---- */

static const struct ent_forge_blob *blob_of(const struct ent_forge *forge, const uint8_t digest[32])
{
    for (size_t i = 0; i < forge->n_blobs; i++) {
        if (memcmp(forge->blobs[i].digest, digest, 32) == 0) {
            return &forge->blobs[i];
        }
    }
    return NULL;
}

static void model_file(struct scene *s)
{
    const struct ent_forge_blob *blob;
    uint8_t bytes[8192];

    scene_play(s, NULL);
    blob = blob_of(s->forge, s->forge->run.best);
    CU_ASSERT_FATAL(blob != NULL && blob->len <= sizeof bytes);
    memcpy(bytes, blob->bytes, blob->len);
    bytes[blob->len - 1] ^= s->variant == 0 ? 0 : 1;
    s->verify.model = scene_file(s, "model", bytes, blob->len);
    scene_export(s, false);
}

static enum ent_err release_other(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (event->frame->type == ENT_LEAF_MODEL_RELEASE && event->frame->round == ROUND &&
        s->variant == 0) {
        event->any->model_release.model[0] ^= 1;
    }
    if (event->frame->type == ENT_LEAF_ROUND_OPEN && event->frame->round == ROUND &&
        s->variant == 1) { /* and its updates say so too: they only see what they are told */
        event->any->round_open.base[0] ^= 1;
        event->forge->run.base[0] ^= 1;
    }
    return ENT_E_OK;
}

static void model_chain(struct scene *s)
{
    scene_play(s, release_other);
    scene_export(s, false);
}

/* ---- 16: garbage under seal ---- */

static enum ent_err seal_other(void *ctx, struct ent_forge_leaf_event *event)
{
    static const char info[] = "entente/seal/v1";
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;
    uint8_t aad[48];
    struct ent_hpke_context context = {{info, sizeof info}, {aad, sizeof aad}};
    uint8_t bytes[1024] = {1};
    size_t len;
    struct ent_buf sealed;
    enum ent_err err = ENT_E_OK;

    if (!scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        return ENT_E_OK;
    }
    len = scene_payload_bytes(s, &event->any->update_accept.update);
    memcpy(aad, forge->run.open_hash, 32);
    memcpy(aad + 32, forge->members[MEMBER].handle, 16);
    ent_buf_init(&sealed, 4096);
    if (s->variant == 0) { /* no seal at all, of the right length */
        uint8_t *noise = NULL;

        err = ent_buf_extend(&sealed, len + ENT_HPKE_EXTRA_BYTES, &noise);
        memset(noise, 0x42, sealed.len);
    } else if (s->variant == 1) { /* a seal of another update */
        err = ent_hpke_seal(forge->seal_pub[0], &context, (struct ent_part){bytes, len}, &sealed);
    } else if (s->variant == 2) { /* of another member's */
        aad[32] ^= 1;
        err = ent_hpke_seal(forge->seal_pub[0], &context, (struct ent_part){bytes, len}, &sealed);
    } else { /* of a length that cannot be */
        err = ent_buf_add(&sealed, bytes, len);
    }
    if (err == ENT_E_OK) {
        err =
            ent_forge_add_blob(forge, sealed.data, sealed.len, event->any->update_accept.sealed[0]);
    }
    ent_buf_release(&sealed);
    return err;
}

static void garbage(struct scene *s)
{
    s->options.plain = false;
    s->options.n_auditors = 1;
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, seal_other);
    if (s->variant < 3) {
        scene_key(s);
    }
    scene_export(s, false);
}

static enum ent_err seal_none(void *ctx, struct ent_forge_leaf_event *event)
{
    if (scene_is(ctx, event, ENT_LEAF_UPDATE_ACCEPT)) {
        event->any->update_accept.n_sealed = 0;
    }
    return ENT_E_OK;
}

static void unsealed(struct scene *s)
{
    s->options.plain = false;
    s->options.n_auditors = 1;
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, seal_none);
    scene_export(s, false);
}

/* ---- 20: invented members and witnesses ---- */

static enum ent_err agree(struct scene *s, struct ent_leaf_witness_set *set)
{
    for (size_t i = 0; i < set->n_agreed; i++) {
        struct ent_header header = ent_forge_header(s->sybils, i, ENT_MSG_AGREE);
        struct ent_msg_agree message = {.set = set->set};
        struct ent_buf payload;

        ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
        ENT_TRY(ent_msg_agree_encode(&message, &payload));
        ENT_TRY(ent_forge_say(s->sybils, i, &header, (struct ent_bytes){payload.data, payload.len},
                              &s->arena, &set->agreed[i]));
        ent_buf_release(&payload);
    }
    return ENT_E_OK;
}

/* The set of the invented members, as the second one. */
static enum ent_err second_set(struct scene *s, struct ent_leaf_witness_set *set)
{
    struct ent_leaf_witness_body body;
    struct ent_buf bytes;

    ENT_TRY(ent_leaf_set_decode(set->set, &s->arena, &body));
    body.version = 2;
    ent_buf_init(&bytes, ENT_LOG_SET_MAX_BYTES);
    ENT_TRY(ent_leaf_set_encode(&body, &bytes));
    set->set = scene_copy(s, (struct ent_bytes){bytes.data, bytes.len});
    ent_buf_release(&bytes);
    return agree(s, set);
}

/* Before a round opens: members whose keys the coordinator made are admitted, and are the witnesses from now on. Only
 * they agreed to that. */
static enum ent_err usurp(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    const struct ent_forge *sybils = s->sybils;

    if (event->frame->type != ENT_LEAF_ROUND_OPEN || event->frame->round != ROUND) {
        return ENT_E_OK;
    }
    for (size_t i = 0; i < sybils->n_leaves; i++) {
        const struct ent_forge_leaf *leaf = &sybils->leaves[i];
        struct ent_leaf_frame frame;
        union ent_leaf_any any;

        if (leaf->type != ENT_LEAF_MEMBER_ADMIT && leaf->type != ENT_LEAF_WITNESS_SET) {
            continue;
        }
        ENT_TRY(
            ent_leaf_decode((struct ent_bytes){leaf->bytes, leaf->len}, &s->arena, &frame, &any));
        if (leaf->type == ENT_LEAF_WITNESS_SET) {
            ENT_TRY(second_set(s, &any.witness_set));
        }
        ENT_TRY(ent_forge_append(event->forge, leaf->type, ENT_FORGE_NOBODY, &any));
    }
    return ENT_E_OK;
}

static void sybils(struct scene *s)
{
    struct ent_forge_options options = s->options;

    options.member_seed = 99;
    options.n_members = 3;
    ENT_OK(ent_forge_new(&options, &s->sybils));
    if (s->variant == 0) {
        scene_play(s, usurp);
        for (size_t i = 0; i < s->forge->n_notes; i++) { /* and they cosign, as told */
            for (size_t j = 0; j < 3 && s->forge->notes[i].size > 60; j++) {
                ENT_OK(ent_forge_cosign(s->sybils, &s->forge->notes[i], j));
            }
        }
        scene_export(s, false);
    } else { /* a whole federation under the name and the keys of the real one */
        scene_play(s, NULL);
        ent_forge_free(s->forge);
        s->forge = s->sybils;
        s->sybils = NULL;
        scene_export(s, false);
    }
}

/* Everybody's word for a second set: its members', and those of the invented federation before it. */
static void agree_all(struct scene *s, struct ent_leaf_witness_set *set)
{
    struct ent_leaf_statement agreed[2 * ATTACK_MEMBERS];
    struct ent_msg_agree message = {.set = set->set};
    struct ent_forge *const forges[] = {s->other, s->forge};
    size_t n = 0;

    for (size_t f = 0; f < ENT_ARRAY_LEN(forges); f++) {
        for (size_t i = 0; i < forges[f]->options.n_members; i++) {
            struct ent_forge_said said;

            ENT_OK(ent_forge_say_message(forges[f], i, ENT_MSG_AGREE, &message, &s->arena, &said));
            agreed[n++] = said.statement;
        }
    }
    set->agreed = agreed;
    set->n_agreed = n;
    ENT_OK(ent_forge_append(s->forge, ENT_LEAF_WITNESS_SET, ENT_FORGE_NOBODY, set));
    set->agreed = NULL;
    set->n_agreed = 0;
}

/* An invented federation, and as its last act the real members' keys of the policy become its witnesses. In force is the
 * set before: none of them ever saw it (0); or they did cosign (1). */
static void crown(struct scene *s)
{
    struct ent_forge_options options = s->options;

    options.member_seed = 99;
    options.n_members = 3;
    scene_play(s, NULL);
    ent_forge_free(s->forge);
    ENT_OK(ent_forge_new(&options, &s->forge));
    for (size_t i = 0; i < s->other->n_leaves; i++) {
        const struct ent_forge_leaf *leaf = &s->other->leaves[i];
        struct ent_leaf_frame frame;
        union ent_leaf_any any;

        if (leaf->type != ENT_LEAF_MEMBER_ADMIT && leaf->type != ENT_LEAF_WITNESS_SET) {
            continue;
        }
        ENT_OK(
            ent_leaf_decode((struct ent_bytes){leaf->bytes, leaf->len}, &s->arena, &frame, &any));
        if (leaf->type == ENT_LEAF_MEMBER_ADMIT) {
            ENT_OK(ent_forge_append(s->forge, leaf->type, ENT_FORGE_NOBODY, &any));
            continue;
        }
        any.witness_set.n_agreed = 0;
        ENT_OK(second_set(s, &any.witness_set));
        agree_all(s, &any.witness_set);
    }
    ENT_OK(ent_forge_publish(s->forge));
    for (size_t i = 0; i < ATTACK_MEMBERS && s->variant == 1; i++) {
        ENT_OK(ent_forge_cosign(s->other, &s->forge->notes[s->forge->n_notes - 1], i));
    }
    scene_export(s, false);
}

/* ---- 21: tricks on the parser ---- */

static enum ent_err add_raw(struct ent_buf *raw, struct ent_bytes body,
                            const struct ent_leaf_frame *frame, const char *tail, size_t len)
{
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_LEAF_MAX_BYTES);
    err = ent_buf_add(&bytes, body.data, body.len);
    if (err == ENT_E_OK) {
        err = ent_buf_add(&bytes, tail, len);
    }
    if (err == ENT_E_OK) {
        err = ent_leaf_frame_encode(frame, (struct ent_bytes){bytes.data, bytes.len}, raw);
    }
    ent_buf_release(&bytes);
    return err;
}

/* operator.action of three bytes: 08 06 (action 6) ... changed in ways that protobuf readers let through. */
static enum ent_err trick(void *ctx, struct ent_forge_leaf_event *event)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bodies[] = {
        {"\x08\x06\x98\x06\x01", 5},     /* an unknown field */
        {"\x08\x86\x00", 3},             /* a number in more bytes than it needs */
        {"\x10\x00\x08\x06", 4},         /* out of order, and a default spelled out */
        {"\x08\x06\x08\x06", 4},         /* a field twice */
        {"\x08\x86\x80\x80\x80\x10", 5}, /* a number that loses its upper bits */
        {"\x08\x06\x22\x05"              /* a string that is not there */
         "ab",
         6},
    };
    struct scene *s = ctx;

    if (event->frame->type != ENT_LEAF_OPERATOR_ACTION || s->done ||
        event->any->operator_action.action != ENT_LOG_POLICY) {
        return ENT_E_OK;
    }
    s->done = true;
    if (s->variant < ENT_ARRAY_LEN(bodies)) {
        return add_raw(event->raw, (struct ent_bytes){NULL, 0}, event->frame,
                       bodies[s->variant].bytes, bodies[s->variant].len);
    }
    /* a frame that says another length */
    ENT_TRY(add_raw(event->raw, (struct ent_bytes){NULL, 0}, event->frame, "\x08\x06", 2));
    event->raw->data[55] = 3;
    return ENT_E_OK;
}

static void parser(struct scene *s)
{
    scene_play(s, trick);
    scene_export(s, false);
}

/* ---- 23: blobs erased quietly ---- */

static enum ent_err erase_openly(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        memcpy(s->erased, event->any->update_accept.sealed[0], 32);
    } else if (event->frame->type == ENT_LEAF_MODEL_RELEASE &&
               event->any->model_release.kind == ENT_LOG_BEST &&
               (s->variant == 1 || s->variant == 3)) {
        uint8_t digests[1][32];
        struct ent_leaf_blob_erase leaf = {.digests = digests, .n_digests = 1, .basis = 1};

        memcpy(digests[0], s->variant == 3 ? event->forge->run.plan : s->erased, 32);
        return ent_forge_append(event->forge, ENT_LEAF_BLOB_ERASE, ENT_FORGE_NOBODY, &leaf);
    }
    return ENT_E_OK;
}

static void erase(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, erase_openly);
    for (size_t i = 0; i < s->forge->n_blobs; i++) {
        const uint8_t *digest = s->variant >= 2 ? s->forge->run.plan : s->erased;

        s->forge->blobs[i].missing = memcmp(s->forge->blobs[i].digest, digest, 32) == 0;
    }
    scene_export(s, false);
}

const struct attack attacks_named[] = {
    {0, "honest model file", model_file, 0, "", "", 0, ""},
    {6, "model file swapped", model_file, 1, "V11", "", 1, ""},
    {6, "another model released than the round made", model_chain, 0, "V11", "", 1, ""},
    {6, "round from another model than the one before made", model_chain, 1, "V11", "", 1, ""},
    {16, "garbage under seal", garbage, 0, "V15", "", 1, ""},
    {16, "seal of another update", garbage, 1, "V15", "", 1, ""},
    {16, "seal of another member's update", garbage, 2, "V15", "", 1, ""},
    {16, "seal of an impossible length, without the key", garbage, 3, "V15", "", 1, ""},
    {16, "update without its seal", unsealed, 0, "V15", "", 1, ""},
    {20, "invented witnesses take over", sybils, 0, "V5", "", 1, ""},
    {20, "a whole invented federation", sybils, 1, "V5", "", 1, ""},
    {20, "a whole invented federation, the policy's set at its end", crown, 0, "", "V5", 3, ""},
    {0, "the same, and the policy's witnesses cosigned", crown, 1, "", "", 0, ""},
    {21, "unknown field", parser, 0, "V1", "", 1, ""},
    {21, "number in too many bytes", parser, 1, "V1", "", 1, ""},
    {21, "fields out of order", parser, 2, "V1", "", 1, ""},
    {21, "field twice", parser, 3, "V1", "", 1, ""},
    {21, "number that loses its upper bits", parser, 4, "V1", "", 1, ""},
    {21, "string beyond the end", parser, 5, "V1", "", 1, ""},
    {21, "frame of another length", parser, 6, "V1", "", 1, ""},
    {23, "retained update erased, and the log says so", erase, 1, "", "V15", 3, ""},
    {23, "retained update erased quietly", erase, 0, "V16", "", 1, ""},
    {23, "plan erased quietly", erase, 2, "V16", "", 1, ""},
    {23, "plan erased, and the log says so", erase, 3, "", "V16", 3, ""},
};
const size_t n_attacks_named = ENT_ARRAY_LEN(attacks_named);
