#include "client/mirror/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "client/mirror/mirror_internal.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/tlog/tiles.h"

#define LEAF_ARENA_BYTES ((size_t)1024 * 1024)

/* ---- life ---- */

static enum ent_err open_all(struct ent_mirror *m)
{
    const struct ent_mirror_options *o = &m->options;

    ent_sign_key_pub(o->statement, m->statement_bytes);
    if (o->witness != NULL) {
        ent_sign_key_pub(o->witness, m->witness_bytes);
    }
    ENT_TRY(ent_sign_pub_new(m->statement_bytes, &m->statement_pub));
    ENT_TRY(ent_sign_pub_new(o->log_pub, &m->log_key));
    ENT_TRY(ent_state_log_get(o->state, &m->head));
    m->dirty_note = m->head.tree.size > 0; /* the process may have died before it wrote the files */
    m->dirty_set = m->dirty_note;
    return ENT_E_OK;
}

enum ent_err ent_mirror_new(const struct ent_mirror_options *options, struct ent_mirror **out)
{
    struct ent_mirror *m = NULL;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *m, &m));
    m->options = *options;
    ent_arena_init(&m->arena, LEAF_ARENA_BYTES);
    ent_buf_init(&m->pending, ENT_MIRROR_PENDING_MAX_BYTES);
    err = open_all(m);
    if (err != ENT_E_OK) {
        ent_mirror_free(m);
        return err;
    }
    *out = m;
    return ENT_E_OK;
}

void ent_mirror_free(struct ent_mirror *mirror)
{
    if (mirror != NULL) {
        ent_sign_pub_free(mirror->statement_pub);
        ent_sign_pub_free(mirror->log_key);
        ent_sha256_release(&mirror->hash);
        ent_arena_release(&mirror->arena);
        ent_buf_release(&mirror->pending);
        free(mirror);
    }
}

const struct ent_state_log *ent_mirror_head(const struct ent_mirror *mirror)
{
    return &mirror->head;
}

/* ---- what waits ---- */

void ent_mirror_forget(struct ent_mirror *mirror)
{
    ent_buf_release(&mirror->pending);
    ent_buf_init(&mirror->pending, ENT_MIRROR_PENDING_MAX_BYTES);
    mirror->n_pending = 0;
}

/* The next leaf of a bundle; false at its end or when it is cut short (*at != end then). */
static bool next_leaf(const uint8_t **at, const uint8_t *end, struct ent_bytes *leaf)
{
    size_t len;

    if (end - *at < 2) {
        return false;
    }
    len = (size_t)(*at)[0] << 8 | (*at)[1];
    if ((size_t)(end - *at) - 2 < len) {
        return false;
    }
    *leaf = (struct ent_bytes){*at + 2, len};
    *at += 2 + len;
    return true;
}

enum ent_err ent_mirror_leaves(struct ent_mirror *mirror, uint64_t first, struct ent_bytes bundle)
{
    uint64_t next = mirror->head.tree.size + mirror->n_pending;
    const uint8_t *at = bundle.data;
    const uint8_t *end = bundle.data + bundle.len;
    struct ent_bytes leaf;
    uint64_t n = 0;

    ENT_REQUIRE(first == next, ENT_E_PROTOCOL,
                "leaves from %llu on were sent; this member waits for leaf %llu",
                (unsigned long long)first, (unsigned long long)next);
    while (next_leaf(&at, end, &leaf)) {
        n++;
    }
    ENT_REQUIRE(at == end, ENT_E_PROTOCOL, "leaves: the bundle is cut short");
    ENT_TRY(ent_buf_add(&mirror->pending, bundle.data, bundle.len));
    mirror->n_pending += n;
    return ENT_E_OK;
}

/* ---- a note ---- */

/* The tree with all that waits. */
static enum ent_err grow_tree(struct ent_mirror *m, struct ent_merkle *tree,
                              uint8_t root[ENT_SHA256_BYTES])
{
    const uint8_t *at = m->pending.data;
    const uint8_t *end = m->pending.data + m->pending.len;
    uint8_t hash[ENT_SHA256_BYTES];
    struct ent_bytes leaf;

    while (m->pending.len > 0 && next_leaf(&at, end, &leaf)) {
        ENT_TRY(ent_sha256_leaf_with(&m->hash, leaf.data, leaf.len, hash));
        ENT_TRY(ent_merkle_append(tree, &m->hash, hash, NULL, NULL));
    }
    return ent_merkle_root(tree, &m->hash, root);
}

/* Reads, follows and keeps what waits, in the transaction that is open. */
static enum ent_err walk_all(struct ent_walk *walk)
{
    struct ent_mirror *m = walk->mirror;
    const uint8_t *at = m->pending.data;
    const uint8_t *end = m->pending.data + m->pending.len;
    uint64_t index = m->head.tree.size;
    uint8_t hash[ENT_SHA256_BYTES];

    while (m->pending.len > 0 && next_leaf(&at, end, &walk->leaf)) {
        struct ent_bytes leaf = walk->leaf;
        bool full = m->options.keep == ENT_MIRROR_FULL;

        ENT_TRY(ent_sha256_leaf_with(&m->hash, leaf.data, leaf.len, hash));
        ENT_TRY(ent_walk_leaf(walk, index, leaf, hash));
        if (m->options.keep != ENT_MIRROR_OFF) {
            ENT_TRY(ent_state_leaf_put(m->options.state, index, hash, full ? leaf.data : NULL,
                                       full ? leaf.len : 0));
        }
        index++;
    }
    walk->leaf = (struct ent_bytes){0};
    return ENT_E_OK;
}

enum ent_err ent_walk_seen(struct ent_walk *walk, uint64_t size, const uint8_t *root)
{
    struct ent_mirror *m = walk->mirror;
    const uint8_t *end = m->pending.data + m->pending.len;
    uint8_t hash[ENT_SHA256_BYTES];
    struct ent_bytes leaf;
    bool moved = false;

    while (walk->seen.size < size && next_leaf(&walk->seen_at, end, &leaf)) {
        ENT_TRY(ent_sha256_leaf_with(&m->hash, leaf.data, leaf.len, hash));
        ENT_TRY(ent_merkle_append(&walk->seen, &m->hash, hash, NULL, NULL));
        moved = true;
    }
    if (moved) {
        ENT_TRY(ent_merkle_root(&walk->seen, &m->hash, walk->seen_root));
    }
    if (walk->seen.size != size) {
        return ENT_E_OK; /* before the head that this walk started from: checked when that was cosigned */
    }
    ENT_REQUIRE(memcmp(walk->seen_root, root, ENT_SHA256_BYTES) == 0, ENT_E_REWRITTEN,
                "the log was rewritten: this member signed another root of its first %llu leaves",
                (unsigned long long)size);
    return ENT_E_OK;
}

/* Signs the note as it came from the log, and appends the own line to it. */
static enum ent_err cosign(struct ent_mirror *m, const char *origin, uint64_t time_s,
                           struct ent_buf *note, struct ent_msg_cosign *out)
{
    struct ent_note parsed;
    struct ent_buf line;
    enum ent_err err;

    if (strcmp(m->own_origin, origin) != 0) { /* a key's check is half a signature's work */
        ENT_TRY(ent_vkey_of_member(origin, m->options.handle, m->witness_bytes, &m->own_vkey));
        (void)snprintf(m->own_origin, sizeof m->own_origin, "%s", origin);
    }
    ENT_TRY(ent_note_parse((const char *)note->data, note->len, &parsed));
    out->time_s = time_s;
    ENT_TRY(ent_note_cosignature(&parsed, m->options.witness, time_s, out->signature));
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    err = ent_note_cosigned_line(&m->own_vkey, time_s, out->signature, &line);
    if (err == ENT_E_OK) {
        err = ent_note_add_line(note, (const char *)line.data, line.len);
    }
    ent_buf_release(&line);
    return err;
}

static enum ent_err advance(struct ent_walk *walk, const struct ent_checkpoint *checkpoint,
                            struct ent_bytes note, uint64_t wall_ms, struct ent_mirror_step *out)
{
    struct ent_mirror *m = walk->mirror;
    struct ent_buf own;
    enum ent_err err;

    out->cosign.size = checkpoint->size;
    memcpy(out->cosign.root, checkpoint->root, sizeof out->cosign.root);
    ent_buf_init(&own, ENT_NOTE_MAX_BYTES);
    err = ent_buf_add(&own, note.data, note.len);
    if (err == ENT_E_OK && m->options.witness != NULL) {
        err = cosign(m, walk->log.origin, wall_ms / 1000, &own, &out->cosign);
        out->cosigned = err == ENT_E_OK;
    }
    if (err == ENT_E_OK) {
        err = ent_state_log_put(m->options.state, &walk->log, own.data, own.len);
    }
    ent_buf_release(&own);
    return err;
}

static enum ent_err follow_in_one(struct ent_walk *walk, const struct ent_checkpoint *checkpoint,
                                  struct ent_bytes note, uint64_t wall_ms,
                                  struct ent_mirror_step *out)
{
    struct ent_state *state = walk->mirror->options.state;
    enum ent_err err;

    ENT_TRY(ent_state_log_begin(state));
    err = walk_all(walk);
    if (err == ENT_E_OK) {
        err = advance(walk, checkpoint, note, wall_ms, out);
    }
    return ent_state_log_end(state, err);
}

/* What a signed checkpoint must not say, whatever the leaves are. */
static enum ent_err check_step(const struct ent_mirror *m, const struct ent_checkpoint *c)
{
    const struct ent_state_log *head = &m->head;

    ENT_REQUIRE(c->size >= head->tree.size, ENT_E_REWRITTEN,
                "the log became shorter: its note has %llu leaves, this member cosigned %llu",
                (unsigned long long)c->size, (unsigned long long)head->tree.size);
    ENT_REQUIRE(c->size > head->tree.size || memcmp(c->root, head->root, sizeof c->root) == 0,
                ENT_E_REWRITTEN,
                "the log was rewritten: its note has another root over the %llu leaves that this "
                "member cosigned",
                (unsigned long long)c->size);
    return ENT_E_OK;
}

/* The origin by which the note is read: of the head, or of the leaf 0 that waits. */
static enum ent_err origin_of(struct ent_mirror *m, char out[ENT_VKEY_NAME_MAX_BYTES + 1])
{
    const uint8_t *at = m->pending.data;
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_bytes leaf;
    enum ent_err err;

    if (m->head.tree.size > 0) {
        memcpy(out, m->head.origin, sizeof m->head.origin);
        return ENT_E_OK;
    }
    ENT_REQUIRE(m->pending.len > 0 && next_leaf(&at, m->pending.data + m->pending.len, &leaf),
                ENT_E_PROTOCOL, "a note came before the first leaf");
    err = ent_leaf_decode(leaf, &m->arena, &frame, &any);
    if (err == ENT_E_OK && frame.type != ENT_LEAF_GENESIS) {
        err = ent_err_note(ENT_E_PROTOCOL, "the first leaf of the log is no log.genesis");
    }
    if (err == ENT_E_OK) {
        (void)snprintf(out, ENT_VKEY_NAME_MAX_BYTES + 1, "%s", any.genesis.origin);
    }
    ent_arena_clear(&m->arena);
    return err;
}

static enum ent_err open_note(struct ent_mirror *m, struct ent_bytes note,
                              struct ent_note_opened *opened)
{
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];

    ENT_TRY(origin_of(m, origin));
    if (strcmp(m->log_vkey.name, origin) != 0) {
        ENT_TRY(ent_vkey_of(origin, ENT_VKEY_LOG, m->options.log_pub, &m->log_vkey));
        m->log_vkey.ready = m->log_key;
    }
    return ent_note_open((const char *)note.data, note.len, origin, &m->log_vkey, 1, opened);
}

static enum ent_err take_note(struct ent_walk *walk, const struct ent_checkpoint *c,
                              struct ent_bytes note, uint64_t wall_ms, struct ent_mirror_step *out)
{
    struct ent_mirror *m = walk->mirror;
    uint64_t have = m->head.tree.size + m->n_pending;

    ENT_TRY(check_step(m, c));
    if (c->size != m->head.tree.size) {
        ENT_REQUIRE(c->size == have, ENT_E_PROTOCOL,
                    "a note over %llu leaves came; this member was sent %llu",
                    (unsigned long long)c->size, (unsigned long long)have);
        ENT_TRY(grow_tree(m, &walk->log.tree, walk->log.root));
        ENT_REQUIRE(memcmp(walk->log.root, c->root, sizeof c->root) == 0, ENT_E_REWRITTEN,
                    "the log was rewritten: the root of its note over %llu leaves is not that of "
                    "the %llu that this member cosigned and the new ones",
                    (unsigned long long)c->size, (unsigned long long)m->head.tree.size);
    } else {
        ENT_REQUIRE(m->n_pending == 0, ENT_E_PROTOCOL, "a note without the leaves sent before it");
    }
    return follow_in_one(walk, c, note, wall_ms, out);
}

enum ent_err ent_mirror_note(struct ent_mirror *mirror, struct ent_bytes note, uint64_t wall_ms,
                             struct ent_mirror_step *out)
{
    struct ent_mirror_step step = {0};
    struct ent_note_opened opened;
    struct ent_walk walk = {.mirror = mirror,
                            .log = mirror->head,
                            .seen = mirror->head.tree,
                            .seen_at = mirror->pending.data};
    enum ent_err err;

    ENT_REQUIRE(wall_ms >= 1000, ENT_E_CLOCK, "the clock stands at its beginning");
    ENT_TRY(open_note(mirror, note, &opened));
    memcpy(walk.seen_root, mirror->head.root, sizeof walk.seen_root);
    err = take_note(&walk, &opened.checkpoint, note, wall_ms, &step);
    if (err == ENT_E_REWRITTEN) {
        return ent_mirror_refuse(mirror, opened.checkpoint.size, note, walk.leaf);
    }
    ENT_TRY(err);
    mirror->head = walk.log;
    mirror->dirty_note = true;
    mirror->dirty_set = mirror->dirty_set || walk.new_set;
    ent_mirror_forget(mirror);
    step.left = walk.left;
    *out = step;
    ENT_HOOK_POINT("mirror.noted");
    return ENT_E_OK;
}

bool ent_mirror_is_dirty(const struct ent_mirror *mirror)
{
    return mirror->dirty_set || mirror->dirty_note;
}

bool ent_mirror_has_new_set(const struct ent_mirror *mirror)
{
    return mirror->dirty_set;
}

enum ent_err ent_mirror_settle(struct ent_mirror *mirror)
{
    struct ent_buf note;
    enum ent_err err = ENT_E_OK;

    if (mirror->dirty_set) {
        ENT_TRY(ent_mirror_write_policy(mirror));
        mirror->dirty_set = false;
    }
    if (mirror->dirty_note) {
        ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
        err = ent_state_log_note(mirror->options.state, &note);
        if (err == ENT_E_OK) {
            err = ent_mirror_write(mirror, "head.note", note.data, note.len);
        }
        ent_buf_release(&note);
        mirror->dirty_note = err != ENT_E_OK;
    }
    return err;
}

/* The hash of a leaf under the head, as far as it is kept; of the newest round.open it always is. */
static enum ent_err leaf_hash(struct ent_mirror *m, uint64_t index, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_log_round round;

    ENT_TRY(ent_state_log_round_get(m->options.state, &round));
    if (round.opened && round.open_index == index) {
        memcpy(out, round.open_hash, ENT_SHA256_BYTES);
        return ENT_E_OK;
    }
    return ent_state_leaf_hash(m->options.state, index, out);
}

enum ent_err ent_mirror_covers(struct ent_mirror *mirror, uint64_t index,
                               const uint8_t hash[ENT_SHA256_BYTES])
{
    uint8_t have[ENT_SHA256_BYTES];
    enum ent_err err;

    ENT_REQUIRE(index < mirror->head.tree.size, ENT_E_NOT_FOUND,
                "leaf %llu is not under the head that this member cosigned",
                (unsigned long long)index);
    err = leaf_hash(mirror, index, have);
    ENT_REQUIRE(err == ENT_E_OK || err == ENT_E_NOT_FOUND, err, "%s", ent_err_message());
    ENT_REQUIRE(err == ENT_E_OK && memcmp(have, hash, sizeof have) == 0, ENT_E_PROTOCOL,
                "the opening of the round is not leaf %llu of the log", (unsigned long long)index);
    return ENT_E_OK;
}
