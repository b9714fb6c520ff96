/* Two notes or two exports: whether one log signed both, and they are not of one history. Notes of one
 * size are compared by their roots; notes of different sizes need the leaves, that is an export that
 * reaches as far as the smaller one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/verbs.h"
#include "audit/verify.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "common/export/read.h"
#include "common/json/json.h"

struct side {
    const char *path;
    struct ent_export *export; /* NULL: a note */
    struct ent_buf bytes;      /* of the note */
    struct ent_checkpoint newest;
};

struct pair {
    struct side side[2];
    bool has_log;
    bool pinned;
    struct ent_vkey log;
    uint64_t n_compared;
    bool forked;
    uint64_t at; /* size at which two roots are signed */
    uint8_t roots[2][32];
};

static enum ent_err parse_newest(struct side *side, struct ent_bytes bytes)
{
    struct ent_note note;
    enum ent_err err = ent_note_parse((const char *)bytes.data, bytes.len, &note);

    if (err == ENT_E_OK) {
        err = ent_checkpoint_parse(note.text, note.text_len, &side->newest);
    }
    return err == ENT_E_DATA || err == ENT_E_LIMIT ? ent_err_prefix(err, "%s", side->path) : err;
}

static enum ent_err open_side(struct side *side, const char *path)
{
    struct stat info;

    side->path = path;
    ent_buf_init(&side->bytes, ENT_NOTE_MAX_BYTES);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        ENT_TRY(ent_export_open(path, &side->export));
        return parse_newest(side, ent_export_checkpoint(side->export));
    }
    ENT_TRY(ent_file_read(path, &side->bytes));
    return parse_newest(side, (struct ent_bytes){side->bytes.data, side->bytes.len});
}

/* ---- whose signature counts ---- */

static enum ent_err key_of_policy(struct pair *p, const char *path)
{
    struct ent_tlog_policy policy;

    ENT_TRY(ent_audit_policy_read(path, &policy));
    p->log = policy.log;
    p->has_log = true;
    p->pinned = true;
    return ENT_E_OK;
}

/* Of leaf 0: what the export calls its own key. */
static enum ent_err key_of_export(struct pair *p, struct side *side)
{
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_arena arena;
    struct ent_buf leaf;
    enum ent_err err;

    if (side->export == NULL || p->has_log) {
        return ENT_E_OK;
    }
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_export_leaf(side->export, 0, &leaf);
    if (err == ENT_E_OK) {
        err = ent_leaf_decode((struct ent_bytes){leaf.data, leaf.len}, &arena, &frame, &any);
    }
    if (err == ENT_E_OK && frame.type == ENT_LEAF_GENESIS) {
        err = ent_vkey_of(any.genesis.origin, ENT_VKEY_LOG, any.genesis.log_pub, &p->log);
        p->has_log = err == ENT_E_OK;
    }
    ent_arena_release(&arena);
    ent_buf_release(&leaf);
    return err;
}

/* ---- comparing ---- */

static void found(struct pair *p, uint64_t size, const uint8_t a[32], const uint8_t b[32])
{
    p->n_compared++;
    if (p->forked || memcmp(a, b, 32) == 0) {
        return;
    }
    p->forked = true;
    p->at = size;
    memcpy(p->roots[0], a, 32);
    memcpy(p->roots[1], b, 32);
}

/* A note as evidence: signed by the log. */
static enum ent_err take_signed(const struct pair *p, struct ent_bytes bytes,
                                struct ent_checkpoint *out, bool *yes)
{
    struct ent_note_opened opened;
    enum ent_err err =
        ent_note_open((const char *)bytes.data, bytes.len, NULL, &p->log, 1, &opened);

    *yes = err == ENT_E_OK;
    if (*yes) {
        *out = opened.checkpoint;
    }
    return err == ENT_E_NO_MEMORY ? err : ENT_E_OK;
}

static struct ent_bytes newest_of(const struct side *side)
{
    return side->export != NULL ? ent_export_checkpoint(side->export)
                                : (struct ent_bytes){side->bytes.data, side->bytes.len};
}

struct walk { /* over the leaves of one side, beside the notes of the other */
    struct pair *pair;
    struct side *leaves_of;
    struct side *notes_of;
    const uint64_t *sizes;
    size_t n_sizes;
    size_t next;
    struct ent_merkle tree;
    struct ent_sha256 hash;
};

static enum ent_err compare_stored(struct walk *w, const uint8_t root[32])
{
    struct ent_checkpoint said;
    struct ent_buf note;
    bool yes = false;
    enum ent_err err;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    err = ent_export_note(w->notes_of->export, w->tree.size, &note);
    if (err == ENT_E_OK) {
        err = take_signed(w->pair, (struct ent_bytes){note.data, note.len}, &said, &yes);
    }
    ent_buf_release(&note);
    ENT_TRY(err);
    if (yes && said.size == w->tree.size) {
        found(w->pair, said.size, root, said.root);
    }
    return ENT_E_OK;
}

static enum ent_err compare_at(struct walk *w)
{
    bool stored = w->next < w->n_sizes && w->sizes[w->next] == w->tree.size;
    struct ent_checkpoint said;
    uint8_t root[32];
    bool yes = false;

    if (!stored && w->notes_of->newest.size != w->tree.size &&
        w->leaves_of->newest.size != w->tree.size) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_merkle_root(&w->tree, &w->hash, root));
    if (w->leaves_of->newest.size == w->tree.size) {
        ENT_REQUIRE(memcmp(root, w->leaves_of->newest.root, 32) == 0, ENT_E_CORRUPT,
                    "%s: its leaves do not give the root of its checkpoint (see verify)",
                    w->leaves_of->path);
    }
    if (w->notes_of->newest.size == w->tree.size) {
        ENT_TRY(take_signed(w->pair, newest_of(w->notes_of), &said, &yes));
        if (yes) {
            found(w->pair, said.size, root, said.root);
        }
    }
    if (stored) {
        w->next++;
        return compare_stored(w, root);
    }
    return ENT_E_OK;
}

static enum ent_err walk(struct walk *w)
{
    struct ent_export_leaves leaves = {0};
    struct ent_bytes leaf;
    uint8_t hash[32];
    bool more = true;
    enum ent_err err;

    ENT_TRY(ent_export_leaves_begin(w->leaves_of->export, 0, &leaves));
    for (;;) {
        err = ent_export_leaves_next(&leaves, &leaf, &more);
        if (err != ENT_E_OK || !more) {
            break;
        }
        err = ent_sha256_leaf_with(&w->hash, leaf.data, leaf.len, hash);
        if (err == ENT_E_OK) {
            err = ent_merkle_append(&w->tree, &w->hash, hash, NULL, NULL);
        }
        if (err == ENT_E_OK) {
            err = compare_at(w);
        }
        if (err != ENT_E_OK) {
            break;
        }
    }
    ent_export_leaves_release(&leaves);
    return err;
}

/* The notes of one side against the leaves of the other. The leaves count as the log's because their
 * checkpoint is signed. */
static enum ent_err compare_with(struct pair *p, size_t leaves_of)
{
    struct walk w = {
        .pair = p, .leaves_of = &p->side[leaves_of], .notes_of = &p->side[1 - leaves_of]};
    struct ent_checkpoint own;
    bool yes = false;
    enum ent_err err;

    if (w.leaves_of->export == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(take_signed(p, newest_of(w.leaves_of), &own, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    if (w.notes_of->export != NULL) {
        w.sizes = ent_export_sizes(w.notes_of->export, &w.n_sizes);
    }
    ent_merkle_init(&w.tree);
    err = walk(&w);
    ent_sha256_release(&w.hash);
    return err;
}

static enum ent_err compare(struct pair *p)
{
    struct ent_checkpoint said[2];
    bool yes[2];

    for (size_t i = 0; i < 2; i++) {
        ENT_TRY(take_signed(p, newest_of(&p->side[i]), &said[i], &yes[i]));
        ENT_REQUIRE(yes[i], ENT_E_INCOMPLETE, "%s: its note is not signed by the log %s",
                    p->side[i].path, p->log.name);
    }
    if (said[0].size == said[1].size) {
        found(p, said[0].size, said[0].root, said[1].root);
    }
    ENT_TRY(compare_with(p, 0));
    return compare_with(p, 1);
}

/* ---- what it says ---- */

static enum ent_err print(const struct pair *p, bool json, struct ent_buf *out)
{
    const char *verdict = p->forked ? "FAIL" : p->n_compared > 0 ? "PASS" : "INCOMPLETE";
    struct ent_json_writer w;
    char roots[2][48];

    for (size_t i = 0; i < 2; i++) {
        ent_base64_encode(ENT_BASE64, p->roots[i], 32, roots[i]);
    }
    if (!json && p->forked) {
        return ent_buf_addf(out,
                            "FORK     at size %" PRIu64 " the log %s signed two histories\n"
                            "         %s\n         %s\n"
                            "VERDICT FAIL: keep both: they prove it to anybody\n",
                            p->at, p->log.name, roots[0], roots[1]);
    }
    if (!json) {
        return ent_buf_addf(
            out, "VERDICT %s: %s (%" PRIu64 " roots compared%s)\n", verdict,
            p->n_compared > 0 ? "one history"
                              : "sizes differ, and no export reaches the smaller one",
            p->n_compared, p->pinned ? "" : "; the log's key is the export's own word");
    }
    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verdict", verdict);
    ent_json_put_key_string(&w, "origin", p->log.name);
    ent_json_put_key_uint(&w, "compared", p->n_compared);
    ent_json_put_key_bool(&w, "pinned", p->pinned);
    if (p->forked) {
        ent_json_put_key_uint(&w, "size", p->at);
        ent_json_put_key(&w, "roots");
        ent_json_put_array(&w);
        ent_json_put_string(&w, roots[0]);
        ent_json_put_string(&w, roots[1]);
        ent_json_put_close(&w);
    }
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_add(out, "\n", 1);
}

static enum ent_err run(struct pair *p, const struct ent_audit_verb *verb, struct ent_buf *out)
{
    if (verb->policy != NULL) {
        ENT_TRY(key_of_policy(p, verb->policy));
    }
    ENT_TRY(key_of_export(p, &p->side[0]));
    ENT_TRY(key_of_export(p, &p->side[1]));
    ENT_REQUIRE(p->has_log, ENT_E_INCOMPLETE,
                "whose signatures count? --policy takes a member's witness.policy");
    ENT_TRY(compare(p));
    ENT_TRY(print(p, verb->json, out));
    ENT_TRY(ent_audit_write(out));
    ENT_REQUIRE(!p->forked, ENT_E_VIOLATION, "the log signed two histories");
    ENT_REQUIRE(p->n_compared > 0, ENT_E_INCOMPLETE,
                "sizes differ, and no export reaches the smaller one");
    return ENT_E_OK;
}

enum ent_err ent_verb_audit_fork(const void *options, const char *const *args, size_t n_args)
{
    struct pair *p = NULL;
    struct ent_buf out;
    enum ent_err err;

    (void)n_args;
    ENT_TRY(ent_calloc(1, sizeof *p, &p));
    ent_buf_init(&out, 4096);
    err = open_side(&p->side[0], args[0]);
    if (err == ENT_E_OK) {
        err = open_side(&p->side[1], args[1]);
    }
    if (err == ENT_E_OK) {
        err = run(p, options, &out);
    }
    for (size_t i = 0; i < 2; i++) {
        ent_export_close(p->side[i].export);
        ent_buf_release(&p->side[i].bytes);
    }
    ent_buf_release(&out);
    free(p);
    return err;
}
