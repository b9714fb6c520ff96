#include "tests/unit/coordinator_engine/fed_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/ent_test.h"

static enum ent_err read_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct fed_log *log = ctx;
    struct fed_leaf *out = &log->leaves[log->n];

    CU_ASSERT_FATAL(log->n < FED_LEAVES && idx == log->n);
    ENT_OK(ent_leaf_decode(leaf, &log->arena, &out->frame, &out->any));
    ENT_OK(ent_sha256_leaf(leaf.data, leaf.len, out->hash));
    CU_ASSERT_EQUAL(out->frame.seq, idx);
    CU_ASSERT(log->n == 0 || out->frame.time_ms >= log->leaves[log->n - 1].frame.time_ms);
    log->n++;
    return ENT_E_OK;
}

void fed_log_read(struct fed *fed, struct fed_log *out)
{
    uint64_t size = 0;

    *out = (struct fed_log){0};
    ent_arena_init(&out->arena, (size_t)16 * 1024 * 1024);
    ENT_OK(ent_calloc(FED_LEAVES, sizeof *out->leaves, &out->leaves));
    ENT_OK(ent_store_log_each(fed->home->store, 0, 0, UINT64_MAX, read_leaf, out));
    ENT_OK(ent_store_log_size(fed->home->store, &size));
    CU_ASSERT_EQUAL(out->n, size);
}

void fed_log_free(struct fed_log *log)
{
    ent_arena_release(&log->arena);
    free(log->leaves);
}

const struct fed_leaf *fed_log_find(const struct fed_log *log, enum ent_leaf_type type, size_t nth)
{
    for (size_t i = 0; i < log->n; i++) {
        if (log->leaves[i].frame.type == type && nth-- == 0) {
            return &log->leaves[i];
        }
    }
    return NULL;
}

/* The sender of a header among those invited; each only once. */
static void tick_off(const struct ent_leaf_round_open *open, struct ent_bytes header,
                     const uint8_t round_open[32], bool *seen, struct ent_arena *arena)
{
    struct ent_header h;
    size_t at = 0;

    ENT_OK(ent_leaf_header(header, arena, &h));
    CU_ASSERT(!h.has_update || memcmp(h.update.round_open, round_open, 32) == 0);
    while (at < open->n_invited && memcmp(open->invited[at], h.sender, 16) != 0) {
        at++;
    }
    CU_ASSERT_FATAL(at < open->n_invited);
    CU_ASSERT_FALSE(seen[at]);
    seen[at] = true;
}

size_t fed_log_round(const struct fed_log *log, size_t at, uint64_t round, size_t n)
{
    const struct fed_leaf *open = &log->leaves[at++];
    struct ent_arena arena;
    bool joined[FED_MEMBERS] = {false};
    bool accepted[FED_MEMBERS] = {false};

    ent_arena_init(&arena, (size_t)1024 * 1024);
    CU_ASSERT_EQUAL_FATAL(open->frame.type, ENT_LEAF_ROUND_OPEN);
    CU_ASSERT_EQUAL(open->frame.round, round);
    CU_ASSERT_EQUAL(open->frame.run, 1);
    CU_ASSERT_EQUAL_FATAL(open->any.round_open.n_invited, n);
    CU_ASSERT_EQUAL(log->leaves[open->any.round_open.config].frame.type, ENT_LEAF_CONFIG_SET);
    for (size_t i = 0; i < n; i++, at++) {
        CU_ASSERT_EQUAL_FATAL(log->leaves[at].frame.type, ENT_LEAF_ROUND_JOIN);
        tick_off(&open->any.round_open, log->leaves[at].any.round_join.header, open->hash, joined,
                 &arena);
    }
    for (size_t i = 0; i < n; i++, at++) {
        CU_ASSERT_EQUAL_FATAL(log->leaves[at].frame.type, ENT_LEAF_UPDATE_ACCEPT);
        tick_off(&open->any.round_open, log->leaves[at].any.update_accept.update.header, open->hash,
                 accepted, &arena);
    }
    CU_ASSERT_EQUAL_FATAL(log->leaves[at].frame.type, ENT_LEAF_ROUND_CLOSE);
    CU_ASSERT_EQUAL(memcmp(log->leaves[at].any.round_close.round_open, open->hash, 32), 0);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(ent_leaf_survived(log->leaves[at].any.round_close.survivors, i));
    }
    ent_arena_release(&arena);
    return at + 1;
}

void fed_log_check_said(struct fed_member *m, const struct ent_leaf_statement *said, uint32_t type)
{
    struct ent_sign_pub *pub = NULL;
    uint8_t key[ENT_SIGN_PUB_BYTES];
    struct ent_header header;

    ent_sign_key_pub(m->key, key);
    ENT_OK(ent_sign_pub_new(key, &pub));
    ENT_OK(ent_leaf_statement_verify(pub, said->header, said->payload_sha256, said->signature));
    ENT_OK(ent_leaf_header(said->header, &m->fed->arena, &header));
    CU_ASSERT_EQUAL(header.type, type);
    ent_sign_pub_free(pub);
}

size_t fed_log_cosignatures(struct fed *fed, const struct ent_buf *note)
{
    struct ent_store_genesis genesis;
    struct ent_vkey keys[1 + FED_MEMBERS];
    struct ent_note_opened *opened = NULL;
    size_t n = 1;
    size_t found;

    ENT_OK(ent_store_log_genesis(fed->home->store, &genesis));
    keys[0] = genesis.log;
    for (size_t i = 0; i < FED_MEMBERS && fed->members[i].key != NULL; i++) {
        char name[ENT_VKEY_NAME_MAX_BYTES + 1];
        char hex[33];
        uint8_t pub[ENT_SIGN_PUB_BYTES];

        ent_hex(fed->members[i].handle, 16, hex);
        CU_ASSERT_FATAL((size_t)snprintf(name, sizeof name, "%s/%s", genesis.log.name, hex) <
                        sizeof name);
        ent_sign_key_pub(fed->members[i].key, pub);
        ENT_OK(ent_vkey_of(name, ENT_VKEY_COSIGNATURE, pub, &keys[n++]));
    }
    ENT_OK(ent_calloc(1, sizeof *opened, &opened));
    ENT_OK(ent_note_open((const char *)note->data, note->len, genesis.log.name, keys, n, opened));
    CU_ASSERT_EQUAL(opened->verified.n_log, 1);
    found = opened->verified.n_cosigners;
    free(opened);
    return found;
}

void fed_cosign_head(struct fed_member *m)
{
    const struct ent_trail *a = &m->fed->engine->audit;
    struct ent_checkpoint c = {.size = a->note.size};

    memcpy(c.origin, a->genesis.log.name, strlen(a->genesis.log.name) + 1);
    memcpy(c.root, a->note.root, sizeof c.root);
    fed_cosign(m, &c);
}
