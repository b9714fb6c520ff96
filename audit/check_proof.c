/* A proof by itself: what leaf it carries, whether the checkpoint covers it, who signed that. */
#include <inttypes.h>
#include <string.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "common/tlog/proof.h"

struct outcome {
    uint64_t index;
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint64_t size;
    bool pinned;
    size_t n_counted;
    size_t k;
    bool reached;
    bool has_frame;
    struct ent_leaf_frame frame;
    enum ent_err verdict; /* OK, VIOLATION, INCOMPLETE */
    const char *why;
};

/* With a policy: signatures and quorum. Without: nobody vouches for the note. */
static enum ent_err judge_note(const struct ent_tlog_proof *proof, const char *policy_path,
                               struct ent_checkpoint *checkpoint, struct outcome *o)
{
    struct ent_tlog_policy policy;
    struct ent_tlog_quorum quorum;
    struct ent_note note;
    enum ent_err err;

    ENT_TRY(ent_note_parse(proof->note, proof->note_len, &note));
    ENT_TRY(ent_checkpoint_parse(note.text, note.text_len, checkpoint));
    o->verdict = ENT_E_INCOMPLETE;
    o->why = "no policy was given: nobody vouches for the checkpoint";
    if (policy_path == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_audit_policy_read(policy_path, &policy));
    o->pinned = true;
    o->k = policy.k;
    err = ent_tlog_policy_open(&policy, proof->note, proof->note_len, &quorum);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK) {
        o->verdict = ENT_E_VIOLATION;
        o->why = "the checkpoint is not signed as the policy asks";
        return ENT_E_OK;
    }
    o->n_counted = quorum.n_counted;
    o->reached = quorum.reached;
    o->verdict = quorum.reached ? ENT_E_OK : ENT_E_INCOMPLETE;
    o->why = quorum.reached
                 ? "signed by the log and a quorum of its witnesses"
                 : "too few members cosigned the checkpoint that it carries (a proof of a "
                   "member's carries that member's own; entente-audit prove EXPORT "
                   "takes all)";
    return ENT_E_OK;
}

static enum ent_err judge_leaf(const struct ent_tlog_proof *proof,
                               const struct ent_checkpoint *checkpoint, struct outcome *o)
{
    uint8_t leaf[ENT_TLOG_PROOF_EXTRA_MAX_BYTES];
    struct ent_bytes body;
    size_t len = 0;
    enum ent_err err;

    ENT_REQUIRE(proof->extra != NULL, ENT_E_DATA,
                "the proof does not carry its leaf, so that there is nothing to check by itself");
    ENT_TRY(ent_base64_decode(ENT_BASE64, proof->extra, proof->extra_len, leaf, sizeof leaf, &len));
    err = ent_tlog_proof_check(proof, leaf, len, checkpoint);
    if (err == ENT_E_DIGEST || err == ENT_E_SHAPE) {
        o->verdict = ENT_E_VIOLATION;
        o->why = "the leaf is not where the proof says";
        return ENT_E_OK;
    }
    ENT_TRY(err);
    err = ent_leaf_open((struct ent_bytes){leaf, len}, &o->frame, &body);
    o->has_frame = err == ENT_E_OK;
    return err == ENT_E_NO_MEMORY ? err : ENT_E_OK;
}

static const char *verdict_word(const struct outcome *o)
{
    switch (o->verdict) {
    case ENT_E_OK:
        return "PASS";
    case ENT_E_VIOLATION:
        return "FAIL";
    default:
        return "INCOMPLETE";
    }
}

static enum ent_err print_text(const struct outcome *o, struct ent_buf *out)
{
    char when[ENT_TIME_TEXT_BYTES];

    ENT_TRY(ent_buf_addf(out, "origin   %s   leaf %" PRIu64 " of %" PRIu64 "\n", o->origin,
                         o->index, o->size));
    if (o->has_frame) {
        ent_time_text(o->frame.time_ms, when);
        ENT_TRY(ent_buf_addf(out, "leaf     %s of %s, run %" PRIu32 ", round %" PRIu64 "\n",
                             ent_leaf_name(o->frame.type), when, o->frame.run, o->frame.round));
    }
    if (o->pinned) {
        ENT_TRY(ent_buf_addf(out, "quorum   %zu cosignatures, %zu needed\n", o->n_counted, o->k));
    }
    return ent_buf_addf(out, "VERDICT %s: %s\n", verdict_word(o), o->why);
}

static enum ent_err print_json(const struct outcome *o, struct ent_buf *out)
{
    struct ent_json_writer w;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verdict", verdict_word(o));
    ent_json_put_key_string(&w, "text", o->why);
    ent_json_put_key_string(&w, "origin", o->origin);
    ent_json_put_key_uint(&w, "leaf", o->index);
    ent_json_put_key_uint(&w, "size", o->size);
    if (o->has_frame) {
        ent_json_put_key_string(&w, "type", ent_leaf_name(o->frame.type));
        ent_json_put_key_uint(&w, "time_ms", o->frame.time_ms);
        ent_json_put_key_uint(&w, "run", o->frame.run);
        ent_json_put_key_uint(&w, "round", o->frame.round);
    }
    ent_json_put_key_uint(&w, "cosignatures", o->n_counted);
    ent_json_put_key_uint(&w, "quorum", o->k);
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_add(out, "\n", 1);
}

static enum ent_err check(const struct ent_audit_verb *verb, const struct ent_buf *text,
                          struct ent_buf *out)
{
    struct ent_tlog_proof proof;
    struct ent_checkpoint checkpoint;
    struct outcome o = {0};

    ENT_TRY(ent_tlog_proof_parse((const char *)text->data, text->len, &proof));
    ENT_TRY(judge_note(&proof, verb->policy, &checkpoint, &o));
    o.index = proof.index;
    o.size = checkpoint.size;
    (void)snprintf(o.origin, sizeof o.origin, "%s", checkpoint.origin);
    ENT_TRY(judge_leaf(&proof, &checkpoint, &o));
    ENT_TRY(verb->json ? print_json(&o, out) : print_text(&o, out));
    ENT_TRY(ent_audit_write(out));
    return o.verdict == ENT_E_OK ? ENT_E_OK : ent_err_note(o.verdict, "%s", o.why);
}

enum ent_err ent_verb_audit_check_proof(const void *options, const char *const *args, size_t n_args)
{
    struct ent_buf text;
    struct ent_buf out;
    enum ent_err err;

    (void)n_args;
    ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
    ent_buf_init(&out, 4096);
    err = ent_file_read(args[0], &text);
    if (err == ENT_E_OK) {
        err = check(options, &text, &out);
    }
    ent_buf_release(&text);
    ent_buf_release(&out);
    return err;
}
