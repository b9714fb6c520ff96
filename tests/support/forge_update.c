/* Updates: payload, statement, what is kept of them. */
#include <stdlib.h>
#include <string.h>

#include "common/crypto/hpke.h"
#include "common/task/task.h"
#include "tests/support/forge_inside.h"

#define LEAN_INTS 16

/* Salt and integers. */
static enum ent_err payload_of(struct ent_forge *f, size_t member, struct ent_buf *out)
{
    uint8_t salt[ENT_UPDATE_SALT_BYTES];

    ENT_TRY(ent_forge_derive(f, "salt", f->run.round * 1000 + f->run.attempt, member, salt));
    ENT_TRY(ent_buf_add(out, salt, sizeof salt));
    return ent_forge_real_ints(f, member, out);
}

static enum ent_err keep_sealed(struct ent_forge *f, size_t auditor, size_t member,
                                const struct ent_buf *payload, uint8_t digest[32])
{
    static const char info[] = "entente/seal/v1";
    uint8_t aad[48];
    struct ent_hpke_context context = {{info, sizeof info}, {aad, sizeof aad}};
    struct ent_buf sealed;
    enum ent_err err;

    memcpy(aad, f->run.open_hash, 32);
    memcpy(aad + 32, f->members[member].handle, 16);
    ent_buf_init(&sealed, payload->len + ENT_HPKE_EXTRA_BYTES);
    err = ent_hpke_seal(f->seal_pub[auditor], &context,
                        (struct ent_part){payload->data, payload->len}, &sealed);
    if (err == ENT_E_OK) {
        err = ent_forge_add_blob(f, sealed.data, sealed.len, digest);
    }
    ent_buf_release(&sealed);
    return err;
}

static enum ent_err keep(struct ent_forge *f, size_t member, const struct ent_buf *payload,
                         struct ent_leaf_update_accept *out)
{
    size_t n = 0;

    for (; n < f->options.n_auditors; n++) {
        ENT_TRY(keep_sealed(f, n, member, payload, out->sealed[n]));
    }
    if (f->options.plain) {
        ENT_TRY(ent_forge_add_blob(f, payload->data, payload->len, out->sealed[n++]));
    }
    out->n_sealed = n;
    return ENT_E_OK;
}

static struct ent_header header_of(struct ent_forge *f, size_t member, size_t payload_bytes)
{
    const struct ent_forge_member *m = &f->members[member];
    struct ent_header header = ent_forge_header(f, member, ENT_MSG_UPDATE);
    struct ent_update_statement *u = &header.update;

    header.has_update = true;
    memcpy(u->round_open, f->run.open_hash, sizeof u->round_open);
    u->has_base = f->run.task != ENT_TASK_STATS;
    if (u->has_base) {
        memcpy(u->base, f->run.base, sizeof u->base);
    }
    u->payload_bytes = payload_bytes;
    u->codec = f->run.task == ENT_TASK_TRAIN ? ENT_CODEC_INT32 : ENT_CODEC_INT64;
    u->rows_log2 = f->run.task == ENT_TASK_TRAIN && !f->options.privacy ? m->rows_log2 : 0;
    if (f->options.privacy &&
        (!f->options.central || f->options.own_ledgers)) { /* an entry for each attempt */
        u->ledger_seq = f->run_number * UINT64_C(1000) + f->run.round * 10 + f->run.attempt;
        u->has_ledger = true;
        memset(u->ledger_digest, 0x1E, sizeof u->ledger_digest);
    }
    u->seen_size = m->seen_size;
    u->has_seen_root = m->seen_size > 0;
    memcpy(u->seen_root, m->seen_root, sizeof u->seen_root);
    return header;
}

uint32_t ent_forge_weight(const struct ent_forge *f, size_t member)
{
    if (!f->options.privacy) {
        return UINT32_C(1) << (f->members[member].rows_log2 - 1);
    }
    return f->options.fixed_weights ? 1 + (uint32_t)(member % 3) : 1;
}

static enum ent_err say_lean(struct ent_forge *f, size_t member, struct ent_arena *arena,
                             struct ent_leaf_update_accept *out)
{
    size_t int_bytes = ent_task_int_bytes((enum ent_task_kind)f->run.task);
    struct ent_header header = header_of(f, member, ENT_UPDATE_SALT_BYTES + LEAN_INTS * int_bytes);

    ENT_TRY(ent_forge_say(f, member, &header, (struct ent_bytes){0}, arena, &out->update));
    ENT_TRY(ent_forge_derive(f, "payload", f->run.round, member, out->update.payload_sha256));
    return ent_forge_sign(f->members[member].statement, &out->update);
}

enum ent_err ent_forge_update(struct ent_forge *f, size_t member, struct ent_arena *arena,
                              struct ent_buf *payload, struct ent_leaf_update_accept *out)
{
    struct ent_header header;

    *out = (struct ent_leaf_update_accept){.has_update = true, .weight = 1};
    if (f->run.task == ENT_TASK_TRAIN) {
        out->weight = ent_forge_weight(f, member);
    }
    if (f->options.lean) {
        return say_lean(f, member, arena, out);
    }
    ENT_TRY(ent_arena_alloc(arena, ENT_FORGE_AUDITORS_MAX + 1, 32, &out->sealed));
    ENT_TRY(payload_of(f, member, payload));
    header = header_of(f, member, payload->len);
    ENT_TRY(ent_forge_say(f, member, &header, (struct ent_bytes){payload->data, payload->len},
                          arena, &out->update));
    return keep(f, member, payload, out);
}
