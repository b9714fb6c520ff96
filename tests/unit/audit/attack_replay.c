/* Rows 9 and 10, and what only replay can tell: the log is whole, everybody cosigned it, and the sum or the model is not
 * what the updates give. */
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/hpke.h"
#include "tests/support/forge_inside.h"
#include "tests/unit/audit/attack.h"

#define ROUND 4
#define MEMBER 1

/* variant 0: kept as they are, 1: sealed, and the auditor's key is there, 2: sealed, and it is not, 3: nothing kept, 4: sealed
 * and as they are, with the key, 5: the same without it. */
static void keep(struct scene *s, unsigned variant)
{
    s->options.plain = variant == 0 || variant >= 4;
    s->options.n_auditors = variant == 0 || variant == 3 ? 0 : 1;
}

static void honest(struct scene *s)
{
    keep(s, s->variant);
    scene_play(s, NULL);
    if (s->variant == 1 || s->variant == 4) {
        scene_key(s);
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
    } else if (scene_is(s, event, ENT_LEAF_ROUND_CLOSE)) {
        event->any->round_close.sum_w += s->weight;
    }
    return ENT_E_OK;
}

/* ---- 10: what the sum gives ---- */

static enum ent_err lie(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_round_close *close = &event->any->round_close;

    if (!scene_is(s, event, ENT_LEAF_ROUND_CLOSE)) {
        return ENT_E_OK;
    }
    switch (s->variant) {
    case 0: /* another sum */
        close->result[0] ^= 1;
        return ENT_E_OK;
    case 1: /* another model, which everything goes on from */
        ENT_TRY(ent_forge_real_swap_model(event->forge));
        memcpy(close->model, event->forge->run.model, sizeof close->model);
        return ENT_E_OK;
    default: /* a little better than the members said */
        close->loss_sum -= 1000;
        return ENT_E_OK;
    }
}

static void false_sum(struct scene *s)
{
    s->round = s->variant == 2 ? 5 : ROUND;
    s->member = MEMBER;
    scene_play(s, lie);
    scene_export(s, false);
}

static void false_weight(struct scene *s)
{
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, weigh);
    scene_export(s, false);
}

/* ---- one changed bit in what was kept ---- */

static enum ent_err seal_changed(void *ctx, struct ent_forge_leaf_event *event)
{
    static const char info[] = "entente/seal/v1";
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;
    const struct ent_forge_blob *kept;
    uint8_t aad[48];
    struct ent_hpke_context context = {{info, sizeof info}, {aad, sizeof aad}};
    uint8_t bytes[1024];
    struct ent_buf sealed;
    enum ent_err err;

    if (!scene_is(s, event, ENT_LEAF_UPDATE_ACCEPT)) {
        return ENT_E_OK;
    }
    memcpy(aad, forge->run.open_hash, 32);
    memcpy(aad + 32, forge->members[MEMBER].handle, 16);
    kept = &forge->blobs[forge->n_blobs - 1]; /* that of this update */
    CU_ASSERT_FATAL(kept->len - ENT_HPKE_EXTRA_BYTES <= sizeof bytes);
    ENT_TRY(
        ent_hpke_open(forge->seal[0], &context, (struct ent_part){kept->bytes, kept->len}, bytes));
    bytes[40] ^= 1;
    ent_buf_init(&sealed, 4096);
    err = ent_hpke_seal(forge->seal_pub[0], &context,
                        (struct ent_part){bytes, kept->len - ENT_HPKE_EXTRA_BYTES}, &sealed);
    if (err == ENT_E_OK) {
        err =
            ent_forge_add_blob(forge, sealed.data, sealed.len, event->any->update_accept.sealed[0]);
    }
    ent_buf_release(&sealed);
    return err;
}

static void changed_copy(struct scene *s)
{
    keep(s, 1);
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, seal_changed);
    scene_key(s);
    scene_export(s, false);
}

const struct attack attacks_replay[] = {
    {0, "honest log, replayed from plain updates", honest, 0, "", "", 0, "PASS"},
    {0, "honest log, replayed from sealed updates", honest, 1, "", "", 0, "PASS"},
    {0, "honest log, sealed, without the key", honest, 2, "", "", 0, "INCOMPLETE"},
    {0, "honest log, nothing was kept", honest, 3, "", "", 0, "INCOMPLETE"},
    {0, "honest log, kept sealed and plain", honest, 4, "", "", 0, "PASS"},
    {0, "honest log, kept sealed and plain, without the key", honest, 5, "", "", 0, "PASS"},
    {9, "weight doubled, and the sum of weights", false_weight, 0, "V10", "", 1, "FAIL"},
    {10, "logged sum is not that of the updates", false_sum, 0, "", "", 0, "FAIL"},
    {10, "logged model is not that of the sum", false_sum, 1, "", "", 0, "FAIL"},
    {10, "logged loss is not that of the sum", false_sum, 2, "", "", 0, "FAIL"},
    {16, "one bit of a sealed update", changed_copy, 0, "V15", "", 1, "FAIL"},
};
const size_t n_attacks_replay = ENT_ARRAY_LEN(attacks_replay);
