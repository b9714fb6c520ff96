/* The notes that members cosigned last, over the log as it will be: who of the witnesses in force stands behind each. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/recover_peer.h"
#include "coordinator/engine/trail.h"

#define NAME_MAX_BYTES (ENT_VKEY_NAME_MAX_BYTES + 1)

/* ---- witness sets, out of the log and of what is added to it ---- */

static enum ent_err add_set(struct ent_witness_history *h, uint64_t idx, struct ent_bytes bytes,
                            struct ent_arena *arena)
{
    struct ent_leaf_witness_body body;
    struct ent_log_set *set;

    ENT_TRY(ent_leaf_set_decode(bytes, arena, &body));
    ENT_TRY(ent_grow(&h->sets, &h->cap_sets, h->n_sets + 1, sizeof *h->sets));
    set = &h->sets[h->n_sets++];
    *set = (struct ent_log_set){
        .leaf = idx, .version = body.version, .bad = body.bad, .n = body.n_witnesses};
    memcpy(set->list, body.witnesses, body.n_witnesses * sizeof *set->list);
    return ENT_E_OK;
}

static enum ent_err add_left(struct ent_witness_history *h, uint64_t idx, const uint8_t *handle)
{
    ENT_TRY(ent_grow(&h->left, &h->cap_left, h->n_left + 1, sizeof *h->left));
    h->left[h->n_left].leaf = idx;
    memcpy(h->left[h->n_left++].handle, handle, ENT_WIRE_HANDLE_BYTES);
    return ENT_E_OK;
}

static enum ent_err history_leaf(void *ctx, uint64_t idx, struct ent_bytes leaf)
{
    struct ent_witness_history *h = ctx;
    struct ent_leaf_frame frame;
    struct ent_bytes body;
    union ent_leaf_any any;
    struct ent_arena arena;
    enum ent_err err;

    ENT_TRY(ent_leaf_open(leaf, &frame, &body));
    if (frame.type != ENT_LEAF_WITNESS_SET && frame.type != ENT_LEAF_MEMBER_LEAVE) {
        return ENT_E_OK;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = ent_leaf_decode(leaf, &arena, &frame, &any);
    if (err == ENT_E_OK) {
        err = frame.type == ENT_LEAF_WITNESS_SET ? add_set(h, idx, any.witness_set.set, &arena)
                                                 : add_left(h, idx, any.member_leave.handle);
    }
    ent_arena_release(&arena);
    return err;
}

static enum ent_err load_history(struct ent_recovery *r, struct ent_witness_history *h)
{
    ENT_TRY(ent_store_log_each(r->store, ENT_LEAF_WITNESS_SET, 0, UINT64_MAX, history_leaf, h));
    ENT_TRY(ent_store_log_each(r->store, ENT_LEAF_MEMBER_LEAVE, 0, UINT64_MAX, history_leaf, h));
    return ent_recover_each(&r->leaves, history_leaf, h);
}

/* ---- cosignatures ---- */

static enum ent_err witness_key(const struct ent_recovery *r, const struct ent_leaf_witness *w,
                                struct ent_vkey *out)
{
    char hex[2 * ENT_WIRE_HANDLE_BYTES + 1];
    char name[NAME_MAX_BYTES];

    ent_hex(w->handle, sizeof w->handle, hex);
    ENT_REQUIRE((size_t)snprintf(name, sizeof name, "%s/%s", r->genesis.log.name, hex) <
                    sizeof name,
                ENT_E_LIMIT, "the log's origin is too long");
    return ent_vkey_of(name, ENT_VKEY_COSIGNATURE, w->witness_pub, out);
}

/* The line of this key in a member's note, whole; false: none that verifies. */
static bool find_line(const struct ent_recover_peer *p, const struct ent_vkey *key,
                      char out[ENT_NOTE_LINE_MAX_BYTES])
{
    struct ent_note note;
    uint64_t time_s = 0;

    if (ent_note_parse((const char *)p->note.data, p->note.len, &note) != ENT_E_OK) {
        return false;
    }
    for (size_t i = 0; i < note.n_lines; i++) {
        const struct ent_note_line *l = &note.lines[i];
        int len;

        if (l->name_len != strlen(key->name) || memcmp(l->name, key->name, l->name_len) != 0) {
            continue;
        }
        len = snprintf(out, ENT_NOTE_LINE_MAX_BYTES, "\xe2\x80\x94 %.*s %.*s\n", (int)l->name_len,
                       l->name, (int)l->base64_len, l->base64);
        if (len > 0 && len < ENT_NOTE_LINE_MAX_BYTES &&
            ent_note_check_line(&note, out, (size_t)len, key, &time_s) == ENT_E_OK) {
            return true;
        }
    }
    return false;
}

/* Cosignatures of one witness on the note of that size, from whoever holds it. */
static enum ent_err add_line(struct ent_recovery *r, struct ent_arena *arena,
                             const struct ent_leaf_witness *w, struct ent_recover_note *note,
                             struct ent_recover_line *lines)
{
    char line[ENT_NOTE_LINE_MAX_BYTES];
    struct ent_vkey key;
    char *kept = NULL;

    ENT_TRY(witness_key(r, w, &key));
    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].note_size == note->size && find_line(&r->peers[i], &key, line)) {
            ENT_TRY(ent_arena_strndup(arena, line, strlen(line), &kept));
            memcpy(lines[note->n_lines].handle, w->handle, sizeof w->handle);
            lines[note->n_lines++].line = (struct ent_bytes){(const uint8_t *)kept, strlen(kept)};
            return ENT_E_OK;
        }
    }
    return ENT_E_OK;
}

static enum ent_err judge(struct ent_recovery *r, struct ent_arena *arena,
                          const struct ent_witness_history *h, uint64_t cosigned,
                          struct ent_recover_note *note)
{
    struct ent_recover_line *lines = NULL;
    struct ent_witnesses *set = NULL;

    ENT_TRY(ent_arena_alloc(arena, 1, sizeof *set, &set));
    ent_witness_in_force(h, cosigned, set);
    ENT_TRY(ent_arena_alloc(arena, set->n + 1, sizeof *lines, &lines));
    for (size_t i = 0; i < set->n; i++) {
        ENT_TRY(add_line(r, arena, &set->list[i], note, lines));
    }
    note->lines = lines;
    note->quorum = set->quorum > 0 && note->n_lines >= set->quorum;
    return ENT_E_OK;
}

/* ---- sizes ---- */

static int by_size(const void *a, const void *b)
{
    const struct ent_recover_note *x = a;
    const struct ent_recover_note *y = b;

    return x->size < y->size ? -1 : x->size > y->size;
}

/* Each size once, up to the end of the leaves. */
static enum ent_err collect(struct ent_recovery *r, struct ent_arena *arena,
                            struct ent_recover_note **notes, size_t *n)
{
    uint64_t end = r->leaves.first + r->leaves.n;
    struct ent_recover_note *list = NULL;

    *n = 0;
    ENT_TRY(ent_arena_alloc(arena, r->n_peers + 1, sizeof *list, &list));
    for (size_t i = 0; i < r->n_peers; i++) {
        const struct ent_recover_peer *p = &r->peers[i];
        bool known = p->note_size <= r->leaves.first || p->note_size > end;

        for (size_t k = 0; k < *n && !known; k++) {
            known = list[k].size == p->note_size;
        }
        if (!known) {
            list[*n].size = p->note_size;
            memcpy(list[*n].root, p->note_root, ENT_MERKLE_BYTES);
            list[(*n)++].text = (struct ent_bytes){p->note.data, p->note.len};
        }
    }
    qsort(list, *n, sizeof *list, by_size);
    *notes = list;
    return ENT_E_OK;
}

enum ent_err ent_recover_notes(struct ent_recovery *r, struct ent_arena *arena,
                               struct ent_recover_note **notes, size_t *n)
{
    struct ent_witness_history history = {0};
    struct ent_store_ckpt ckpt = {0};
    uint64_t cosigned = 0;
    enum ent_err err;

    ENT_TRY(collect(r, arena, notes, n));
    err = ent_store_ckpt_newest(r->store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL);
    if (err == ENT_E_OK) {
        cosigned = ckpt.size;
    }
    err = err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    if (err == ENT_E_OK) {
        err = load_history(r, &history);
    }
    for (size_t i = 0; i < *n && err == ENT_E_OK; i++) {
        err = judge(r, arena, &history, cosigned, &(*notes)[i]);
        cosigned = (*notes)[i].quorum ? (*notes)[i].size : cosigned;
    }
    free(history.sets);
    free(history.left);
    return err;
}
