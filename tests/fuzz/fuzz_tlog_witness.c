/* Any bytes as the body of add-checkpoint, for a witness that has seen nothing and for one at size 1. A body that parses
 * is written to the same bytes; the state changes only with status 200, and never to a smaller size. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/witness.h"
#include "tests/fuzz/tlog_key.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool same(const struct ent_witness_state *a, const struct ent_witness_state *b)
{
    return a->seen == b->seen && a->size == b->size &&
           memcmp(a->root, b->root, ENT_MERKLE_BYTES) == 0;
}

static void check(const struct ent_witness_state *state, const uint8_t *data, size_t size)
{
    struct ent_witness_verdict verdict;
    struct ent_vkey vkey;

    fuzz_tlog_vkey(&vkey);
    require(ent_witness_decide(&vkey, 1, state, (const char *)data, size, &verdict) == ENT_E_OK);
    if (verdict.status == ENT_WITNESS_COSIGN) {
        require(verdict.next.seen && verdict.next.size >= state->size);
        require(verdict.next.size == verdict.checkpoint.size);
        require(verdict.next.size > state->size || !state->seen ||
                memcmp(verdict.next.root, state->root, ENT_MERKLE_BYTES) == 0);
    } else {
        require(same(&verdict.next, state));
        require(ent_err_message()[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_witness_state state;
    struct ent_witness_request request;
    struct ent_buf again;

    memset(&state, 0, sizeof state);
    check(&state, data, size);
    state.seen = true;
    state.size = 1;
    require(ent_sha256_leaf("leaf", 4, state.root) == ENT_E_OK);
    check(&state, data, size);
    if (ent_witness_parse((const char *)data, size, &request) == ENT_E_OK) {
        ent_buf_init(&again, ENT_WITNESS_BODY_MAX_BYTES);
        require(ent_witness_write(&request, &again) == ENT_E_OK);
        require(again.len == size && memcmp(again.data, data, size) == 0);
        ent_buf_release(&again);
    }
    return 0;
}
