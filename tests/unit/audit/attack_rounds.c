/* Rows 7 to 9, 14, 15, 24: what happens in a round. All of it is done in time, so that everybody cosigned it: the log
 * itself is whole, and only what it says is wrong. */
#include <string.h>

#include "common/base/mem.h"
#include "tests/unit/audit/attack.h"

#define ROUND 4 /* the second training round: stats, train, evaluate, train */
#define MEMBER 1

static void survive_not(struct scene *s, union ent_leaf_any *any)
{
    struct ent_bytes *survivors = &any->round_close.survivors;

    CU_ASSERT_EQUAL_FATAL(survivors->len, sizeof s->bits);
    memcpy(s->bits, survivors->data, sizeof s->bits);
    s->bits[MEMBER / 8] &= (uint8_t) ~(1u << (MEMBER % 8));
    survivors->data = s->bits;
    any->round_close.sum_w -= s->weight;
}

/* ---- 7, 8: an accepted update that is not counted ---- */

static enum ent_err drop(struct scene *s, struct ent_forge_leaf_event *event, bool say_timeout)
{
    struct ent_leaf_update_dropout dropout = {.attempt = 1, .phase = 3, .code = ENT_E_TIMEOUT};

    if (scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        s->weight = event->any->update_accept.weight;
        event->drop = true;
        if (say_timeout) {
            memcpy(dropout.handle, event->forge->members[MEMBER].handle, 16);
            return ent_forge_append(event->forge, ENT_LEAF_UPDATE_DROPOUT, MEMBER, &dropout);
        }
    } else if (scene_is(s, event, ENT_LEAF_ROUND_CLOSE)) {
        survive_not(s, event->any);
    }
    return ENT_E_OK;
}

static enum ent_err drop_silently(void *ctx, struct ent_forge_leaf_event *event)
{
    return drop(ctx, event, false);
}

static void dropped(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, drop_silently);
    if (s->variant == 1) {
        scene_receipt(s, ROUND, MEMBER);
    }
    scene_export(s, false);
}

/* The member's objection, which the coordinator has to log: before the next round opens. */
static enum ent_err dispute(struct scene *s, struct ent_forge *forge, bool with_receipt)
{
    struct ent_msg_dispute message = {.code = ENT_E_TIMEOUT};
    struct ent_header header = ent_forge_header(forge, MEMBER, ENT_MSG_DISPUTE);
    struct ent_leaf_statement said;
    struct ent_leaf_dispute leaf = {0};
    struct ent_buf receipt;
    struct ent_buf payload;

    header.round = ROUND; /* the next one is about to open */
    header.attempt = 1;
    memcpy(message.round_open, forge->run.open_hash, sizeof message.round_open);
    memset(message.salt, 7, sizeof message.salt);
    ent_buf_init(&receipt, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    if (with_receipt) {
        ENT_TRY(ent_forge_receipt(s->other, ROUND, MEMBER, &receipt));
        message.receipt = (struct ent_bytes){receipt.data, receipt.len};
    }
    ENT_TRY(ent_msg_dispute_encode(&message, &payload));
    leaf.payload = scene_copy(s, (struct ent_bytes){payload.data, payload.len});
    ENT_TRY(ent_forge_say(forge, MEMBER, &header, leaf.payload, &s->arena, &said));
    leaf.header = said.header;
    memcpy(leaf.signature, said.signature, sizeof leaf.signature);
    ent_buf_release(&receipt);
    ent_buf_release(&payload);
    return ent_forge_append(forge, ENT_LEAF_DISPUTE, MEMBER, &leaf);
}

static enum ent_err say_timeout(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    /* receipt 0, 1: with its dispute, without; 2: none */
    if (event->frame->type == ENT_LEAF_ROUND_OPEN && event->frame->round == ROUND + 1 &&
        s->variant < 2) {
        return dispute(s, event->forge, s->variant == 0);
    }
    return drop(s, event, true);
}

static void false_timeout(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, say_timeout);
    if (s->variant == 2) {
        scene_receipt(s, ROUND, MEMBER);
    }
    scene_export(s, false);
}

/* ---- 9: a weight ---- */

static enum ent_err weigh(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        s->weight = event->any->update_accept.weight;
        event->any->update_accept.weight *= 2;
    } else if (scene_is(s, event, ENT_LEAF_ROUND_CLOSE) && s->variant == 0) {
        event->any->round_close.sum_w += s->weight;
    }
    return ENT_E_OK;
}

static void weight(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, weigh);
    scene_export(s, false);
}

/* ---- 14: an old update, another federation's ---- */

static void of_elsewhere(struct scene *s, struct ent_header *header)
{
    (void)s;
    memset(header->federation, 0x5a, sizeof header->federation);
}

static void of_another_opening(struct scene *s, struct ent_header *header)
{
    (void)s;
    header->update.round_open[0] ^= 1;
}

static void of_another_base(struct scene *s, struct ent_header *header)
{
    (void)s;
    header->update.base[0] ^= 1;
}

static void keep_statement(struct scene *s, const struct ent_leaf_statement *said)
{
    s->kept = *said;
    s->kept.header = scene_copy(s, said->header);
}

static enum ent_err again(void *ctx, struct ent_forge_leaf_event *event)
{
    static const scene_header_fn changes[] = {NULL, of_elsewhere, of_another_opening,
                                              of_another_base};
    struct scene *s = ctx;
    struct ent_leaf_statement *said = &event->any->update_accept.update;

    if (event->frame->type != ENT_LEAF_UPDATE_ACCEPT || event->member != MEMBER) {
        return ENT_E_OK;
    }
    if (event->frame->round == ROUND - 2) {
        keep_statement(s, said); /* of the training round before */
    } else if (event->frame->round == ROUND && s->variant == 0) {
        *said = s->kept;
        memcpy(event->any->update_accept.sealed[0], said->payload_sha256, 32); /* and its copy */
    } else if (event->frame->round == ROUND) { /* what the member itself signed, elsewhere */
        scene_restate(s, said, changes[s->variant], event->forge->members[MEMBER].statement);
    }
    return ENT_E_OK;
}

static void replayed(struct scene *s)
{
    scene_play(s, again);
    scene_export(s, false);
}

/* ---- 15: signatures ---- */

static void unchanged(struct scene *s, struct ent_header *header)
{
    (void)s;
    (void)header;
}

static enum ent_err forge_it(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    union ent_leaf_any *any = event->any;

    if (s->variant == 3 && event->frame->type == ENT_LEAF_MEMBER_ADMIT && event->member == MEMBER) {
        any->member_admit.request.signature[5] ^= 1;
    } else if (s->variant == 2 && scene_is(s, event, ENT_LEAF_ROUND_JOIN)) {
        any->round_join.signature[40] ^= 1;
    } else if (scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        if (s->variant == 0) {
            static const uint8_t bytes[1024] = {1}; /* an update of the coordinator's own */
            uint8_t digest[32];

            ENT_TRY(ent_forge_add_blob(event->forge, bytes,
                                       scene_payload_bytes(s, &any->update_accept.update), digest));
            memcpy(any->update_accept.update.payload_sha256, digest, sizeof digest);
            memcpy(any->update_accept.sealed[0], digest, sizeof digest);
        } else if (s->variant == 1) { /* the coordinator signs for the member */
            scene_restate(s, &any->update_accept.update, unchanged, event->forge->log);
        }
    }
    return ENT_E_OK;
}

static void forged(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, forge_it);
    scene_export(s, false);
}

/* Revoked when it had joined: its update does not count any more. */
static enum ent_err revoke_in_time(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_member_revoke leaf = {0};

    if (s->done || event->frame->type != ENT_LEAF_UPDATE_ACCEPT || event->frame->round != ROUND) {
        return ENT_E_OK;
    }
    s->done = true;
    memcpy(leaf.handle, event->forge->members[MEMBER].handle, sizeof leaf.handle);
    scene_act(event->forge, ENT_LOG_REVOKE);
    return ent_forge_append(event->forge, ENT_LEAF_MEMBER_REVOKE, MEMBER, &leaf);
}

static void revoked(struct scene *s)
{
    static const struct ent_forge_fault gone[] = {{5, 1, MEMBER, ENT_FORGE_UNINVITED},
                                                  {6, 1, MEMBER, ENT_FORGE_UNINVITED},
                                                  {7, 1, MEMBER, ENT_FORGE_UNINVITED},
                                                  {8, 1, MEMBER, ENT_FORGE_UNINVITED}};

    s->options.faults = gone;
    s->options.n_faults = ENT_ARRAY_LEN(gone);
    scene_play(s, revoke_in_time);
    scene_export(s, false);
}

/* ---- 24: the configuration changes between rounds ---- */

static enum ent_err reconfigure(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;

    if (event->frame->type == ENT_LEAF_CONFIG_SET) {
        s->config = event->any->config_set;
    }
    if (event->frame->type != ENT_LEAF_ROUND_OPEN || event->frame->round != ROUND) {
        return ENT_E_OK;
    }
    switch (s->variant) {
    case 0: /* another one, and rounds go on as if nothing was */
        s->config.train_rounds++;
        return ent_forge_append(forge, ENT_LEAF_CONFIG_SET, ENT_FORGE_NOBODY, &s->config);
    case 1: /* the round names no configuration */
        event->any->round_open.config--;
        return ENT_E_OK;
    case 2: /* another plan in the round than in its configuration */
        event->any->round_open.plan[0] ^= 1;
        return ENT_E_OK;
    default: /* updates no longer kept for the auditors */
        event->any->round_open.plain = false;
        return ENT_E_OK;
    }
}

static void reconfigured(struct scene *s)
{
    scene_play(s, reconfigure);
    scene_export(s, false);
}

const struct attack attacks_rounds[] = {
    {7, "update dropped silently", dropped, 0, "V9", "", 1, ""},
    {7, "update dropped silently, a receipt", dropped, 1, "V9", "", 1, ""},
    {8, "false timeout, the member's dispute with its receipt", false_timeout, 0, "V9", "", 1, ""},
    {8, "false timeout, a dispute without a receipt", false_timeout, 1, "", "V9", 3, ""},
    {8, "false timeout, a receipt", false_timeout, 2, "V9", "", 1, ""},
    {9, "weight doubled, and the sum of weights", weight, 0, "V10", "", 1, ""},
    {9, "weight doubled, not the sum", weight, 1, "V10", "", 1, ""},
    {14, "old update again", replayed, 0, "V7", "", 1, ""},
    {14, "update of another federation", replayed, 1, "V7", "", 1, ""},
    {14, "update of another opening of the round", replayed, 2, "V7", "", 1, ""},
    {14, "update of another base model", replayed, 3, "V7", "", 1, ""},
    {15, "another update under a member's signature", forged, 0, "V8", "", 1, ""},
    {15, "the coordinator signs for a member", forged, 1, "V8", "", 1, ""},
    {15, "forged join", forged, 2, "V8", "", 1, ""},
    {15, "forged enrolment", forged, 3, "V8", "", 1, ""},
    {15, "update of a member that was revoked", revoked, 0, "V8", "", 1, ""},
    {24, "another configuration between two rounds", reconfigured, 0, "V7", "", 1, ""},
    {24, "round names no configuration", reconfigured, 1, "V7", "", 1, ""},
    {24, "round of another plan", reconfigured, 2, "V7", "", 1, ""},
    {24, "round with other retention", reconfigured, 3, "V7", "", 1, ""},
};
const size_t n_attacks_rounds = ENT_ARRAY_LEN(attacks_rounds);
