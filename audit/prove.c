/* One leaf and its path to a checkpoint, as a text that stands alone (C2SP tlog-proof). The leaf itself
 * goes into the proof's extra line: who checks it alone sees what was proved. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "audit/walk.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "common/tlog/proof.h"

#define LEAF_MAX_BYTES (ENT_TLOG_PROOF_EXTRA_MAX_BYTES / 4 * 3) /* that fits into extra */

struct search { /* for how a member ended in a round */
    uint8_t handle[16];
    uint64_t run; /* 0: any */
    uint64_t round;
    uint64_t attempt; /* 0: any */
    bool found;
    uint64_t index;
};

static enum ent_err look(void *ctx, const struct ent_audit_leaf *leaf)
{
    struct search *s = ctx;
    const uint8_t *handle = leaf->any.update_reject.handle;
    uint64_t attempt = leaf->any.update_reject.attempt;
    struct ent_header header;
    struct ent_arena arena;
    enum ent_err err;

    if (leaf->decoded != ENT_E_OK || leaf->frame.round != s->round ||
        (s->run != 0 && leaf->frame.run != s->run)) {
        return ENT_E_OK;
    }
    if (leaf->frame.type == ENT_LEAF_UPDATE_ACCEPT) {
        ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
        err = ent_leaf_header(leaf->any.update_accept.update.header, &arena, &header);
        ent_arena_release(&arena);
        if (err != ENT_E_OK) {
            return err == ENT_E_NO_MEMORY ? err : ENT_E_OK;
        }
        handle = header.sender;
        attempt = header.attempt;
    } else if (leaf->frame.type != ENT_LEAF_UPDATE_REJECT &&
               leaf->frame.type != ENT_LEAF_UPDATE_DROPOUT) {
        return ENT_E_OK;
    }
    if (memcmp(handle, s->handle, 16) == 0 && (s->attempt == 0 || attempt == s->attempt)) {
        s->found = true; /* the last one stays */
        s->index = leaf->index;
    }
    return ENT_E_OK;
}

static enum ent_err place_of(struct ent_export *export, const struct ent_audit_verb *verb,
                             uint64_t *index)
{
    struct search s = {.run = verb->run, .round = verb->round, .attempt = verb->attempt};
    char *end = NULL;

    ENT_REQUIRE((verb->leaf != NULL) != (verb->member != NULL), ENT_E_USAGE,
                "prove takes --leaf N, or --member HANDLE --round N");
    if (verb->leaf != NULL) {
        *index = strtoull(verb->leaf, &end, 10);
        ENT_REQUIRE(end != verb->leaf && *end == '\0' && verb->leaf[0] != '-', ENT_E_USAGE,
                    "--leaf takes a number, not '%.20s'", verb->leaf);
        ENT_REQUIRE(*index < ent_export_claim(export)->size, ENT_E_USAGE,
                    "--leaf %" PRIu64 ": the export has the leaves 0 to %" PRIu64, *index,
                    ent_export_claim(export)->size - 1);
        return ENT_E_OK;
    }
    ENT_REQUIRE(verb->round > 0, ENT_E_USAGE, "--member HANDLE needs --round N");
    ENT_REQUIRE(ent_unhex(verb->member, s.handle, sizeof s.handle) == ENT_E_OK, ENT_E_USAGE,
                "--member takes the 32 hex digits of a handle");
    ENT_TRY(ent_audit_walk(export, 0, look, &s));
    ENT_REQUIRE(s.found, ENT_E_USAGE, "no leaf says how that member ended in round %" PRIu64,
                verb->round);
    *index = s.index;
    return ENT_E_OK;
}

/* The proof is checked before it is handed out: an export whose tiles lie gives none. */
static enum ent_err check_own(const struct ent_tlog_proof *proof, const struct ent_buf *leaf,
                              const struct ent_checkpoint *claim)
{
    enum ent_err err = ent_tlog_proof_check(proof, leaf->data, leaf->len, claim);

    if (err == ENT_E_DIGEST || err == ENT_E_SHAPE) {
        return ent_err_note(ENT_E_VIOLATION,
                            "leaf %" PRIu64 ": tiles and checkpoint of the export contradict each "
                            "other (see verify)",
                            proof->index);
    }
    return err;
}

static enum ent_err make(struct ent_export *export, uint64_t index, const struct ent_buf *leaf,
                         struct ent_buf *out)
{
    const struct ent_checkpoint *claim = ent_export_claim(export);
    struct ent_bytes note = ent_export_checkpoint(export);
    struct ent_tlog_proof proof = {
        .index = index, .note = (const char *)note.data, .note_len = note.len};
    char *extra = NULL;
    enum ent_err err;

    ENT_TRY(ent_merkle_prove_inclusion(ent_export_node, export, index, claim->size, &proof.path));
    ENT_TRY(check_own(&proof, leaf, claim));
    if (leaf->len <= LEAF_MAX_BYTES) {
        proof.extra_len = ent_base64_len(ENT_BASE64, leaf->len);
        ENT_TRY(ent_calloc(proof.extra_len + 1, 1, &extra));
        ent_base64_encode(ENT_BASE64, leaf->data, leaf->len, extra);
        proof.extra = extra;
    }
    err = ent_tlog_proof_write(&proof, out);
    free(extra);
    return err;
}

static enum ent_err prove(struct ent_export *export, const struct ent_audit_verb *verb)
{
    struct ent_buf leaf;
    struct ent_buf out;
    uint64_t index = 0;
    enum ent_err err;

    ENT_TRY(place_of(export, verb, &index));
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ent_buf_init(&out, ENT_TLOG_PROOF_MAX_BYTES);
    err = ent_export_leaf(export, index, &leaf);
    if (err == ENT_E_OK) {
        err = make(export, index, &leaf, &out);
    }
    if (err == ENT_E_OK) {
        err = verb->out != NULL ? ent_file_write_atomic(verb->out, out.data, out.len, 0644)
                                : ent_audit_write(&out);
    }
    ent_buf_release(&leaf);
    ent_buf_release(&out);
    return err;
}

enum ent_err ent_verb_audit_prove(const void *options, const char *const *args, size_t n_args)
{
    struct ent_export *export = NULL;
    enum ent_err err;

    (void)n_args;
    ENT_TRY(ent_export_open(args[0], &export));
    err = prove(export, options);
    ent_export_close(export);
    return err;
}
