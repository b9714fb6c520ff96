/* Any bytes as a tlog-proof. One that parses is written to the same bytes; what it proves, it proves of the leaf "leaf"
 * only. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/proof.h"
#include "tests/fuzz/tlog_key.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t text[] = "leaf";
    struct ent_bytes leaf = {text, 4};
    struct ent_bytes other = {text, 3};
    struct ent_note_opened opened;
    struct ent_tlog_proof proof;
    struct ent_vkey vkey;
    struct ent_buf again;

    if (ent_tlog_proof_parse((const char *)data, size, &proof) != ENT_E_OK) {
        require(ent_err_message()[0] != '\0');
        return 0;
    }
    ent_buf_init(&again, ENT_TLOG_PROOF_MAX_BYTES);
    require(ent_tlog_proof_write(&proof, &again) == ENT_E_OK);
    require(again.len == size && memcmp(again.data, data, size) == 0);
    ent_buf_release(&again);
    fuzz_tlog_vkey(&vkey);
    if (ent_tlog_proof_verify(&proof, &leaf, &vkey, 1, &opened) == ENT_E_OK) {
        require(proof.index < opened.checkpoint.size);
        require(ent_tlog_proof_verify(&proof, &other, &vkey, 1, &opened) == ENT_E_DIGEST);
    }
    return 0;
}
