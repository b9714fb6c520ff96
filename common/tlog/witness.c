#include "common/tlog/witness.h"

#include <string.h>

#include "common/tlog/lines.h"

#define OLD "old "
#define OLD_BYTES (sizeof OLD - 1)

enum ent_err ent_witness_parse(const char *body, size_t len, struct ent_witness_request *out)
{
    struct ent_lines lines = {body, body + len};
    struct ent_witness_request request = {.old_size = 0};
    const char *line;
    size_t n;

    ENT_REQUIRE(len <= ENT_WITNESS_BODY_MAX_BYTES, ENT_E_LIMIT, "a request of %zu bytes", len);
    ENT_REQUIRE(ent_lines_next(&lines, &line, &n) && n > OLD_BYTES &&
                    memcmp(line, OLD, OLD_BYTES) == 0,
                ENT_E_DATA, "a request to a witness begins with the old size");
    ENT_TRY(ent_lines_number(line + OLD_BYTES, n - OLD_BYTES, "the old size", ENT_MERKLE_SIZE_MAX,
                             &request.old_size));
    for (;;) {
        ENT_REQUIRE(ent_lines_next(&lines, &line, &n), ENT_E_DATA,
                    "a request to a witness without its empty line");
        if (n == 0) {
            break;
        }
        ENT_REQUIRE(request.proof.n < ENT_WITNESS_PROOF_MAX, ENT_E_LIMIT,
                    "a consistency proof of more than %d hashes", ENT_WITNESS_PROOF_MAX);
        ENT_TRY(
            ent_lines_hash(line, n, "a line of the proof", request.proof.hashes[request.proof.n]));
        request.proof.n++;
    }
    request.note = lines.at;
    request.note_len = (size_t)(lines.end - lines.at);
    *out = request;
    return ENT_E_OK;
}

enum ent_err ent_witness_write(const struct ent_witness_request *request, struct ent_buf *out)
{
    ENT_REQUIRE(request->proof.n <= ENT_WITNESS_PROOF_MAX, ENT_E_LIMIT,
                "a consistency proof of more than %d hashes", ENT_WITNESS_PROOF_MAX);
    ENT_TRY(ent_buf_addf(out, OLD "%llu\n", (unsigned long long)request->old_size));
    for (size_t i = 0; i < request->proof.n; i++) {
        ENT_TRY(ent_lines_add_hash(out, request->proof.hashes[i]));
    }
    ENT_TRY(ent_buf_add(out, "\n", 1));
    return ent_buf_add(out, request->note, request->note_len);
}

/* Reads body and note; whatever is wrong with them is a 400. */
static enum ent_err read_all(const char *body, size_t len, struct ent_witness_request *request,
                             struct ent_witness_verdict *verdict)
{
    ENT_TRY(ent_witness_parse(body, len, request));
    ENT_TRY(ent_note_parse(request->note, request->note_len, &verdict->note));
    return ent_checkpoint_parse(verdict->note.text, verdict->note.text_len, &verdict->checkpoint);
}

/* From the witness's own state to the checkpoint. Two checkpoints of one size with different roots are
 * 422 (C2SP 2026-07; tlog-witness v1.0.0 said 409). */
static enum ent_err check_growth(const struct ent_witness_request *request,
                                 const struct ent_witness_state *state,
                                 const struct ent_checkpoint *to)
{
    if (request->old_size == 0) { /* nothing cosigned, or the empty log */
        ENT_REQUIRE(request->proof.n == 0, ENT_E_SHAPE, "a proof where there is nothing to prove");
        return ENT_E_OK;
    }
    return ent_merkle_verify_consistency(state->size, to->size, &request->proof, state->root,
                                         to->root);
}

/* The decision in the order of the protocol: log, signature, sizes, history. */
static enum ent_err decide(const struct ent_vkey *logs, size_t n_logs,
                           const struct ent_witness_request *request,
                           const struct ent_witness_state *state,
                           struct ent_witness_verdict *verdict)
{
    const struct ent_checkpoint *to = &verdict->checkpoint;
    struct ent_note_verified verified;
    uint64_t known = state->seen ? state->size : 0;

    verdict->status = ENT_WITNESS_UNKNOWN_LOG;
    ENT_REQUIRE(strcmp(to->origin, logs[0].name) == 0, ENT_E_NOT_FOUND,
                "a checkpoint of another log");
    verdict->status = ENT_WITNESS_UNSIGNED;
    ENT_TRY(ent_note_verify(&verdict->note, logs, n_logs, &verified));
    verdict->status = ENT_WITNESS_MALFORMED;
    ENT_REQUIRE(request->old_size <= to->size, ENT_E_SHAPE, "the old size is above the new one");
    verdict->status = ENT_WITNESS_OTHER_OLD_SIZE;
    ENT_REQUIRE(request->old_size == known, ENT_E_STALE,
                "this witness knows the log at size %llu, not %llu", (unsigned long long)known,
                (unsigned long long)request->old_size);
    verdict->status = ENT_WITNESS_INCONSISTENT;
    ENT_TRY(check_growth(request, state, to));
    verdict->status = ENT_WITNESS_COSIGN;
    return ENT_E_OK;
}

enum ent_err ent_witness_decide(const struct ent_vkey *logs, size_t n_logs,
                                const struct ent_witness_state *state, const char *body, size_t len,
                                struct ent_witness_verdict *out)
{
    struct ent_witness_verdict verdict = {.status = ENT_WITNESS_MALFORMED, .next = *state};
    struct ent_witness_request request;
    enum ent_err err;

    ENT_BUG_ON(n_logs == 0);
    for (size_t i = 0; i < n_logs; i++) {
        ENT_BUG_ON(logs[i].type != ENT_VKEY_LOG || strcmp(logs[i].name, logs[0].name) != 0);
    }
    err = read_all(body, len, &request, &verdict);
    if (err == ENT_E_OK) {
        err = decide(logs, n_logs, &request, state, &verdict);
    }
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err == ENT_E_OK) {
        verdict.next.seen = true;
        verdict.next.size = verdict.checkpoint.size;
        memcpy(verdict.next.root, verdict.checkpoint.root, ENT_MERKLE_BYTES);
    }
    *out = verdict;
    return ENT_E_OK;
}

enum ent_err ent_witness_cosign(const struct ent_witness_verdict *verdict, const char *name,
                                const struct ent_sign_key *key, uint64_t time_s,
                                struct ent_buf *line_out)
{
    ENT_BUG_ON(verdict->status != ENT_WITNESS_COSIGN);
    return ent_note_cosign(&verdict->note, name, key, time_s, line_out);
}
