/* A witness through a growing log, against every step back; proofs that stand alone. */
#include <string.h>

#include "common/tlog/proof.h"
#include "common/tlog/witness.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/kept.h"
#include "tests/unit/common_tlog/made.h"

#define LEAVES 40

struct world {
    struct made made;
    struct kept kept;
    struct ent_buf body;
};

static void world_init(struct world *w, uint8_t salt)
{
    memset(&w->kept, 0, sizeof w->kept);
    made_init(&w->made, 2);
    for (uint8_t i = 0; i < LEAVES; i++) {
        uint8_t leaf[2] = {i, i < LEAVES / 2 ? 0 : salt}; /* histories part in the middle */

        kept_add(&w->kept, leaf, sizeof leaf);
    }
    ent_buf_init(&w->body, ENT_WITNESS_BODY_MAX_BYTES);
}

static void world_release(struct world *w)
{
    ent_buf_release(&w->body);
    kept_release(&w->kept);
    made_release(&w->made);
}

/* An honest log's request. */
static void ask(struct world *w, uint64_t from, uint64_t to)
{
    struct ent_witness_request request = {.old_size = from};
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_OK(ent_merkle_root_at(kept_node, &w->kept, to, root));
    made_note_of(&w->made, to, root, 0);
    ENT_OK(ent_merkle_prove_consistency(kept_node, &w->kept, from, to, &request.proof));
    request.note = (const char *)w->made.note.data;
    request.note_len = w->made.note.len;
    ent_buf_clear(&w->body);
    ENT_OK(ent_witness_write(&request, &w->body));
}

static bool same_state(const struct ent_witness_state *a, const struct ent_witness_state *b)
{
    return a->seen == b->seen && a->size == b->size &&
           memcmp(a->root, b->root, ENT_MERKLE_BYTES) == 0;
}

static enum ent_witness_status decide(struct world *w, struct ent_witness_state *state)
{
    struct ent_witness_state before = *state;
    struct ent_witness_verdict verdict;

    ENT_OK(ent_witness_decide(w->made.keys, 1, state, (const char *)w->body.data, w->body.len,
                              &verdict));
    CU_ASSERT(verdict.status == ENT_WITNESS_COSIGN || same_state(&verdict.next, &before));
    *state = verdict.next;
    return verdict.status;
}

ENT_TEST(witness, every_step_forward_and_none_back)
{
    struct ent_witness_state state;
    struct world w;

    world_init(&w, 0);
    for (uint64_t from = 0; from <= LEAVES; from += 3) {
        for (uint64_t to = from; to <= LEAVES; to++) {
            memset(&state, 0, sizeof state);
            ask(&w, 0, from);
            CU_ASSERT_EQUAL(decide(&w, &state), ENT_WITNESS_COSIGN);
            CU_ASSERT(state.seen && state.size == from);
            ask(&w, from, to);
            CU_ASSERT_EQUAL(decide(&w, &state), ENT_WITNESS_COSIGN);
            CU_ASSERT_EQUAL(state.size, to);
            CU_ASSERT(to == from || decide(&w, &state) == ENT_WITNESS_OTHER_OLD_SIZE);
        }
    }
    world_release(&w);
}

ENT_TEST(witness, another_history)
{
    struct ent_witness_state state = {.seen = false};
    struct world w;
    struct world fork;

    world_init(&w, 1);
    world_init(&fork, 2);
    ask(&w, 0, LEAVES - 5);
    CU_ASSERT_EQUAL(decide(&w, &state), ENT_WITNESS_COSIGN);
    ask(&fork, LEAVES - 5, LEAVES);
    CU_ASSERT_EQUAL(decide(&fork, &state), ENT_WITNESS_INCONSISTENT);
    ask(&fork, LEAVES - 5, LEAVES - 5); /* its proof is empty: only the roots tell */
    CU_ASSERT_EQUAL(decide(&fork, &state), ENT_WITNESS_INCONSISTENT);
    ask(&fork, 0, LEAVES);
    CU_ASSERT_EQUAL(decide(&fork, &state), ENT_WITNESS_OTHER_OLD_SIZE);
    ask(&w, LEAVES - 5, LEAVES);
    CU_ASSERT_EQUAL(decide(&w, &state), ENT_WITNESS_COSIGN);
    world_release(&w);
    world_release(&fork);
}

/* While the log changes its key, either will do; a stranger's will not. */
ENT_TEST(witness, two_log_keys)
{
    struct ent_witness_state state = {.seen = false};
    struct ent_witness_verdict verdict;
    struct world w;

    world_init(&w, 0);
    made_init_key(&w.made, 2, MADE_ORIGIN, ENT_VKEY_LOG);
    w.made.keys[1] = w.made.keys[0];
    ask(&w, 0, 4);
    ENT_OK(ent_witness_decide(w.made.keys + 1, 2, &state, (const char *)w.body.data, w.body.len,
                              &verdict));
    CU_ASSERT_EQUAL(verdict.status, ENT_WITNESS_COSIGN);
    ENT_OK(ent_witness_decide(w.made.keys + 2, 1, &state, (const char *)w.body.data, w.body.len,
                              &verdict));
    CU_ASSERT_EQUAL(verdict.status, ENT_WITNESS_UNSIGNED);
    world_release(&w);
}

/* One bit turned anywhere in a request: not cosigned, or it said the same. */
ENT_TEST(witness, every_bit)
{
    struct ent_witness_state first = {.seen = false};
    struct world w;

    world_init(&w, 0);
    ask(&w, 0, 11);
    CU_ASSERT_EQUAL(decide(&w, &first), ENT_WITNESS_COSIGN);
    ask(&w, 11, 30);
    for (size_t bit = 0; bit < 8 * w.body.len; bit++) {
        struct ent_witness_state state = first;

        w.body.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CU_ASSERT(decide(&w, &state) != ENT_WITNESS_COSIGN);
        w.body.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < w.body.len; len++) {
        struct ent_witness_state state = first;
        size_t whole = w.body.len;

        w.body.len = len;
        CU_ASSERT(decide(&w, &state) == ENT_WITNESS_MALFORMED);
        w.body.len = whole;
    }
    CU_ASSERT_EQUAL(decide(&w, &first), ENT_WITNESS_COSIGN);
    world_release(&w);
}

ENT_TEST(witness, bodies)
{
    static const char *const bad[] = {
        "",
        "old\n\n",
        "old 0\n",
        "old 00\n\nx",
        "old 05\n\nx",
        "old \n\nx",
        "old -1\n\nx",
        "old  1\n\nx",
        "OLD 1\n\nx",
        "old 9223372036854775808\n\nx",
        "old 1\nAAAA\n\nx",
        "old 1\n \n\nx",
        "old 1 \n\nx",
        "old 1\r\n\r\nx",
    };
    struct ent_witness_request request;
    struct ent_buf body;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_witness_parse(bad[i], strlen(bad[i]), &request), ENT_E_DATA);
    }
    ent_buf_init(&body, (size_t)1 << 20);
    memset(&request, 0, sizeof request);
    request.old_size = 7;
    request.note = "note\n";
    request.note_len = 5;
    request.proof.n = ENT_WITNESS_PROOF_MAX;
    ENT_OK(ent_witness_write(&request, &body));
    ENT_OK(ent_witness_parse((const char *)body.data, body.len, &request));
    CU_ASSERT(request.proof.n == ENT_WITNESS_PROOF_MAX && request.note_len == 5);
    request.proof.n = ENT_WITNESS_PROOF_MAX + 1;
    ENT_FAILS(ent_witness_write(&request, &body), ENT_E_LIMIT);
    ent_buf_release(&body);
}

/* ---- proofs ---- */

static void write_proof(struct world *w, uint64_t index, const char *extra, struct ent_buf *out)
{
    struct ent_tlog_proof proof = {.index = index, .extra = extra};
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_OK(ent_merkle_root_at(kept_node, &w->kept, LEAVES, root));
    made_note_of(&w->made, LEAVES, root, 1);
    ENT_OK(ent_merkle_prove_inclusion(kept_node, &w->kept, index, LEAVES, &proof.path));
    proof.extra_len = extra != NULL ? strlen(extra) : 0;
    proof.note = (const char *)w->made.note.data;
    proof.note_len = w->made.note.len;
    ent_buf_clear(out);
    ENT_OK(ent_tlog_proof_write(&proof, out));
}

static bool proves(struct world *w, const struct ent_buf *text, const struct ent_bytes *leaf,
                   struct ent_note_opened *opened)
{
    struct ent_tlog_proof proof;

    return ent_tlog_proof_parse((const char *)text->data, text->len, &proof) == ENT_E_OK &&
           ent_tlog_proof_verify(&proof, leaf, w->made.keys, w->made.n, opened) == ENT_E_OK;
}

ENT_TEST(tlog_proof, every_leaf_and_every_bit)
{
    struct ent_note_opened opened;
    struct ent_buf text;
    struct world w;

    world_init(&w, 3);
    ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
    for (uint8_t i = 0; i < LEAVES; i++) {
        uint8_t bytes[2] = {i, i < LEAVES / 2 ? 0 : 3};
        struct ent_bytes leaf = {bytes, sizeof bytes};

        write_proof(&w, i, i % 2 != 0 ? "ZXh0cmE=" : NULL, &text);
        CU_ASSERT(proves(&w, &text, &leaf, &opened) && opened.verified.n_cosigners == 1);
        bytes[0] ^= 1;
        CU_ASSERT(!proves(&w, &text, &leaf, &opened));
        bytes[0] ^= 1;
        for (size_t bit = 0; i % 16 == 5 && bit < 8 * text.len; bit++) {
            text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            /* Extra data is not signed, and a witness with another name is a stranger. */
            CU_ASSERT(!proves(&w, &text, &leaf, &opened) || opened.verified.n_cosigners == 0 ||
                      (bit / 8 > 22 && bit / 8 < 38));
            CU_ASSERT(opened.checkpoint.size == LEAVES);
            text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    ent_buf_release(&text);
    world_release(&w);
}

ENT_TEST(tlog_proof, refused)
{
    static const char *const bad[] = {
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 0\n",
        "c2sp.org/tlog-proof@v1\nindex\n\nx",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\nx",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx",
        "c2sp.org/tlog-proof@v1\nextra A\nindex 0\n\nx",
        "c2sp.org/tlog-proof@v1\nextra AAAA\n\nx",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nx",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
    };
    struct ent_tlog_proof proof;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_tlog_proof_parse(bad[i], strlen(bad[i]), &proof), ENT_E_DATA);
    }
}
