/* What this member sent, what became of it, and the proof that the log says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/identity.h"
#include "client/agent/verbs.h"
#include "client/agent/workplace.h"
#include "client/mirror/mirror.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/crypto/base64.h"
#include "common/task/task.h"
#include "common/tlog/proof.h"

struct receipts {
    struct ent_state *state;
    struct ent_state_log head;
    struct ent_json_writer *json; /* NULL: text */
    uint64_t n;
    uint64_t round;            /* --proof: of which the newest attempt is wanted */
    bool found;                /* that */
    struct ent_receipt wanted; /* it */
};

static const char *task_name(uint32_t kind)
{
    const struct ent_task *task = ent_task_find(kind);

    return task != NULL ? task->name : "?";
}

static const char *fate_word(const struct ent_receipt *r)
{
    static const char *const words[] = {
        [ENT_FATE_OPEN] = "not in the log yet",
        [ENT_FATE_ACCEPTED] = "accepted",
        [ENT_FATE_REJECTED] = "rejected",
        [ENT_FATE_DROPPED] = "dropped",
    };

    return words[r->fate];
}

static const char *code_text(uint32_t code)
{
    return ent_err_valid(code) ? ent_err_text((enum ent_err)code) : "a reason of a newer program";
}

/* ---- text ---- */

static void print_one(const struct ent_receipt *r)
{
    printf("run %u round %llu attempt %u (%s), %llu bytes: %s", (unsigned)r->at.run,
           (unsigned long long)r->at.round, (unsigned)r->at.attempt, task_name(r->task),
           (unsigned long long)r->bytes, fate_word(r));
    if (r->fate == ENT_FATE_REJECTED || r->fate == ENT_FATE_DROPPED) {
        printf(" (%s)", code_text(r->fate_code));
    }
    if (r->fate != ENT_FATE_OPEN) {
        printf(", leaf %llu", (unsigned long long)r->leaf);
    }
    if (!r->has_ack) {
        printf("; no receipt");
    } else if (r->code == ENT_E_OK) {
        printf("; receipt here");
    } else {
        printf("; the coordinator's answer: %s", code_text(r->code));
    }
    printf("%s\n", r->disputed || r->dispute_due ? "; DISPUTED" : "");
}

static void print_head(const struct receipts *c, const char *dir)
{
    char root[64];

    if (c->head.tree.size == 0) {
        printf("this member has not seen the log yet\n");
        return;
    }
    ent_base64_encode(ENT_BASE64, c->head.root, sizeof c->head.root, root);
    printf("log        %s\n", c->head.origin);
    printf("last head  %llu leaves, root %s (%s/head.note)\n",
           (unsigned long long)c->head.tree.size, root, dir);
}

/* ---- JSON ---- */

static void put_one(struct ent_json_writer *w, const struct ent_receipt *r)
{
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "run", r->at.run);
    ent_json_put_key_uint(w, "round", r->at.round);
    ent_json_put_key_uint(w, "attempt", r->at.attempt);
    ent_json_put_key_string(w, "task", task_name(r->task));
    ent_json_put_key_uint(w, "payload_bytes", r->bytes);
    ent_json_put_key_hex(w, "payload_sha256", r->digest, ENT_SHA256_BYTES);
    ent_json_put_key_hex(w, "round_open", r->round_open, ENT_SHA256_BYTES);
    ent_json_put_key_uint(w, "sent_ms", r->sent_ms);
    ent_json_put_key_string(w, "log", r->fate == ENT_FATE_OPEN ? "open" : fate_word(r));
    if (r->fate != ENT_FATE_OPEN) {
        ent_json_put_key_uint(w, "leaf", r->leaf);
        ent_json_put_key_uint(w, "code", r->fate_code);
    }
    ent_json_put_key_bool(w, "receipt", r->has_ack);
    if (r->has_ack) {
        ent_json_put_key_uint(w, "receipt_code", r->code);
    }
    ent_json_put_key_bool(w, "disputed", r->disputed || r->dispute_due);
    ent_json_put_close(w);
}

static enum ent_err each(void *ctx, const struct ent_receipt *r)
{
    struct receipts *c = ctx;

    c->n++;
    if (r->at.round == c->round && r->fate != ENT_FATE_OPEN) {
        c->found = true;
        c->wanted = *r;
    }
    if (c->round != 0) {
        return ENT_E_OK;
    }
    if (c->json != NULL) {
        put_one(c->json, r);
    } else {
        print_one(r);
    }
    return ENT_E_OK;
}

static enum ent_err print_json(struct receipts *c)
{
    struct ent_json_writer w;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, (size_t)64 * 1024 * 1024);
    ent_json_begin(&w, &text);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "origin", c->head.origin);
    ent_json_put_key_uint(&w, "size", c->head.tree.size);
    ent_json_put_key_hex(&w, "root", c->head.root, ENT_SHA256_BYTES);
    ent_json_put_key(&w, "receipts");
    ent_json_put_array(&w);
    c->json = &w;
    err = ent_state_receipts(c->state, each, c);
    ent_json_put_close(&w);
    ent_json_put_close(&w);
    if (err == ENT_E_OK) {
        err = ent_json_end(&w);
    }
    if (err == ENT_E_OK) {
        err = ent_workplace_print(&text);
    }
    ent_buf_release(&text);
    return err;
}

/* ---- the proof ---- */

/* The leaf goes along, in what nobody has to trust: its hash is what the path leads from. "" when it is not kept. */
static enum ent_err leaf_text(struct ent_state *state, uint64_t index, char *out, size_t size)
{
    struct ent_buf leaf;
    enum ent_err err;

    out[0] = '\0';
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_state_leaf_get(state, index, &leaf);
    if (err == ENT_E_OK && ent_base64_len(ENT_BASE64, leaf.len) < size) {
        ent_base64_encode(ENT_BASE64, leaf.data, leaf.len, out);
    }
    ent_buf_release(&leaf);
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

static enum ent_err write_proof(const struct receipts *c, const struct ent_buf *note,
                                const char *path)
{
    char extra[ENT_TLOG_PROOF_EXTRA_MAX_BYTES];
    struct ent_tlog_proof proof = {
        .index = c->wanted.leaf, .note = (const char *)note->data, .note_len = note->len};
    struct ent_buf text;
    enum ent_err err;

    ENT_TRY(ent_mirror_prove(c->state, c->wanted.leaf, c->head.tree.size, &proof.path));
    ENT_TRY(leaf_text(c->state, c->wanted.leaf, extra, sizeof extra));
    proof.extra = extra[0] != '\0' ? extra : NULL;
    proof.extra_len = strlen(extra);
    ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
    err = ent_tlog_proof_write(&proof, &text);
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, text.data, text.len, 0644);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err make_proof(struct receipts *c, const char *dir, const char *out)
{
    char name[64];
    char *path = NULL;
    struct ent_buf note;
    enum ent_err err;

    ENT_TRY(ent_state_receipts(c->state, each, c));
    ENT_REQUIRE(c->found, ENT_E_NOT_FOUND,
                "the log, as far as this member has it, says nothing of an update of this member "
                "in round %llu",
                (unsigned long long)c->round);
    (void)snprintf(name, sizeof name, "run-%u-round-%llu.tlog-proof", (unsigned)c->wanted.at.run,
                   (unsigned long long)c->round);
    ENT_TRY(ent_path_join(dir, name, &path));
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    err = ent_state_log_note(c->state, &note);
    if (err == ENT_E_OK) {
        err = write_proof(c, &note, out != NULL ? out : path);
    }
    if (err == ENT_E_OK) {
        print_one(&c->wanted);
        printf("proof that leaf %llu is among the first %llu of the log: %s\n"
               "check it:  entente-audit check-proof %s --policy %s/witness.policy\n"
               "           (INCOMPLETE: it carries the log's signature and this member's alone; "
               "entente-audit prove EXPORT --leaf %llu takes all cosignatures)\n",
               (unsigned long long)c->wanted.leaf, (unsigned long long)c->head.tree.size,
               out != NULL ? out : path, out != NULL ? out : path, dir,
               (unsigned long long)c->wanted.leaf);
    }
    ent_buf_release(&note);
    free(path);
    return err;
}

static enum ent_err print_text(struct receipts *c, const char *dir)
{
    ENT_TRY(ent_state_receipts(c->state, each, c));
    if (c->n == 0) {
        printf("no update was sent yet\n");
    }
    print_head(c, dir);
    return ENT_E_OK;
}

enum ent_err ent_verb_receipts(const void *options, const char *const *args, size_t n)
{
    const struct ent_receipts_verb *verb = options;
    struct receipts c = {.round = verb->proof};
    enum ent_err err;

    (void)args;
    (void)n;
    ENT_REQUIRE(ent_identity_exists(verb->dir), ENT_E_NOT_FOUND,
                "%s is not a member's directory: entente-client enroll makes one", verb->dir);
    ENT_REQUIRE(verb->out == NULL || verb->proof != 0, ENT_E_USAGE,
                "--out goes with --proof ROUND");
    ENT_TRY(ent_state_open_reader(verb->dir, &c.state));
    err = ent_state_log_get(c.state, &c.head);
    if (err == ENT_E_OK && verb->proof != 0) {
        err = make_proof(&c, verb->dir, verb->out);
    } else if (err == ENT_E_OK) {
        err = verb->json ? print_json(&c) : print_text(&c, verb->dir);
    }
    ent_state_close(c.state);
    return err;
}
