#include "tests/unit/client_mirror/witness.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"

void witness_restart(struct witness *w)
{
    struct ent_mirror_options options = {.dir = w->dir,
                                         .keep = w->keep,
                                         .federation = w->federation,
                                         .handle = w->handles[0],
                                         .log_pub = w->log_pub,
                                         .root_pub = w->root_pub,
                                         .statement = w->statement[0],
                                         .witness = w->witness[0]};

    ent_mirror_free(w->mirror);
    ent_state_close(w->state);
    w->mirror = NULL;
    w->state = NULL;
    ENT_OK(ent_state_open(w->dir, &w->state));
    options.state = w->state;
    ENT_OK(ent_mirror_new(&options, &w->mirror));
    w->sent = ent_mirror_head(w->mirror)->tree.size;
}

void witness_new(struct witness *w, enum ent_mirror_keep keep)
{
    memset(w, 0, sizeof *w);
    w->dir = ent_test_tmpdir();
    w->keep = keep;
    memset(w->federation, 0xfe, sizeof w->federation);
    memset(w->root_pub, 0x77, sizeof w->root_pub);
    ENT_OK(ent_sign_key_generate(&w->log_key));
    ent_sign_key_pub(w->log_key, w->log_pub);
    book_init(&w->book, w->federation, w->log_key);
    memcpy(w->book.root_pub, w->root_pub, sizeof w->root_pub);
    book_genesis(&w->book);
    for (size_t i = 0; i < WITNESS_MEMBERS; i++) {
        uint8_t statement[32];
        uint8_t witness[32];

        memset(w->handles[i], (int)(0x11 * (i + 1)), sizeof w->handles[i]);
        ENT_OK(ent_sign_key_generate(&w->statement[i]));
        ENT_OK(ent_sign_key_generate(&w->witness[i]));
        ent_sign_key_pub(w->statement[i], statement);
        ent_sign_key_pub(w->witness[i], witness);
        book_admit(&w->book, w->handles[i], statement, witness);
    }
    witness_restart(w);
}

void witness_free(struct witness *w)
{
    ent_mirror_free(w->mirror);
    ent_state_close(w->state);
    book_release(&w->book);
    ent_sign_key_free(w->log_key);
    for (size_t i = 0; i < WITNESS_MEMBERS; i++) {
        ent_sign_key_free(w->statement[i]);
        ent_sign_key_free(w->witness[i]);
    }
}

enum ent_err witness_leaves(struct witness *w)
{
    struct ent_buf bundle;
    enum ent_err err;

    if (w->sent == w->book.n) {
        return ENT_E_OK;
    }
    ent_buf_init(&bundle, (size_t)1024 * 1024);
    book_bundle(&w->book, w->sent, w->book.n, &bundle);
    err = ent_mirror_leaves(w->mirror, w->sent, (struct ent_bytes){bundle.data, bundle.len});
    w->sent = err == ENT_E_OK ? w->book.n : w->sent;
    ent_buf_release(&bundle);
    return err;
}

enum ent_err witness_note(struct witness *w, const struct ent_buf *note)
{
    ENT_TRY(ent_mirror_note(w->mirror, (struct ent_bytes){note->data, note->len},
                            w->book.time_ms + 5000, &w->step));
    ENT_TRY(ent_state_flush(w->state));
    return ent_mirror_settle(w->mirror);
}

enum ent_err witness_publish(struct witness *w)
{
    struct ent_buf note;
    enum ent_err err;

    ENT_TRY(witness_leaves(w));
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&w->book, w->book.n, &note);
    err = witness_note(w, &note);
    ent_buf_release(&note);
    return err;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t a = strlen(name);
    size_t b = strlen(ending);

    return a > b && strcmp(name + a - b, ending) == 0;
}

static bool has_text(const char *dir, const char *name, const char *text)
{
    struct ent_buf content;
    const char *string = NULL;
    bool has;

    ent_buf_init(&content, (size_t)1024 * 1024);
    ENT_OK(ent_file_read_in(dir, name, &content));
    if (text[0] == '\0') {
        has = content.len > 0;
    } else {
        ENT_OK(ent_buf_str(&content, &string));
        has = strstr(string, text) != NULL;
    }
    ent_buf_release(&content);
    return has;
}

bool witness_evidence(const struct witness *w, const char *ending, const char *text)
{
    char path[512];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/evidence", w->dir);
    dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    while ((entry = readdir(dir)) != NULL) {
        found = found || (ends_with(entry->d_name, ending) && has_text(path, entry->d_name, text));
    }
    (void)closedir(dir);
    return found;
}

/* ---- leaves ---- */

uint64_t witness_open_round(struct witness *w, uint64_t round, uint8_t open[32])
{
    struct ent_leaf_round_open m = {.attempt = 1,
                                    .task = 2,
                                    .split = 1,
                                    .invited = w->handles,
                                    .n_invited = WITNESS_MEMBERS,
                                    .min_members = 3,
                                    .join_ms = 1000,
                                    .update_ms = 1000,
                                    .has_base = true,
                                    .base = {6},
                                    .base_bytes = 9,
                                    .leaf_index = w->book.n,
                                    .leaf_ms = w->book.time_ms,
                                    .run = 1,
                                    .round = round};
    struct ent_buf leaf;
    uint64_t index;

    memcpy(m.federation, w->federation, sizeof m.federation);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_msg_round_open_encode(&m, &leaf));
    index = book_add_bytes(&w->book, leaf.data, leaf.len);
    ent_buf_release(&leaf);
    book_hash(&w->book, index, open);
    return index;
}

static struct ent_header header_of(const struct witness *w, size_t who, enum ent_msg_type type,
                                   uint64_t round)
{
    struct ent_header h = {.from_member = true,
                           .type = type,
                           .run = 1,
                           .round = round,
                           .attempt = 1,
                           .sequence = w->book.n};

    memcpy(h.federation, w->federation, sizeof h.federation);
    memcpy(h.sender, w->handles[who], sizeof h.sender);
    return h;
}

/* What a member signs, opened again: the parts live in the arena. */
static struct ent_envelope sealed(const struct ent_sign_key *key, const struct ent_header *header,
                                  const void *message, const uint8_t *digest,
                                  struct ent_arena *arena)
{
    struct ent_envelope opened;
    struct ent_buf body;
    char *kept = NULL;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    if (message != NULL) {
        ENT_OK(ent_wire_seal(key, header, message, &body));
    } else {
        ENT_OK(ent_wire_seal_update(key, header, digest, &body));
    }
    ENT_OK(ent_arena_strndup(arena, (const char *)body.data, body.len, &kept));
    ENT_OK(ent_wire_open(header->type, ENT_SENDER_MEMBER,
                         (struct ent_bytes){(const uint8_t *)kept, body.len}, arena, &opened));
    ent_buf_release(&body);
    return opened;
}

void witness_join_leaf(struct witness *w, size_t who, const struct ent_sign_key *key,
                       uint64_t round, const struct ent_tree_head *seen)
{
    struct ent_header header = header_of(w, who, ENT_MSG_JOIN, round);
    struct ent_msg_join join = {.round_open = {1}, .next_commit = {2}};
    struct ent_leaf_round_join leaf;
    struct ent_envelope e;
    struct ent_arena arena;

    join.seen_size = seen->size;
    join.has_seen_root = seen->size > 0;
    memcpy(join.seen_root, seen->root, sizeof join.seen_root);
    ent_arena_init(&arena, (size_t)1024 * 1024);
    e = sealed(key, &header, &join, NULL, &arena);
    leaf.header = (struct ent_bytes){e.header_bytes, e.header_len};
    leaf.payload = (struct ent_bytes){e.payload, e.payload_len};
    memcpy(leaf.signature, e.signature, sizeof leaf.signature);
    (void)book_add(&w->book, ENT_LEAF_ROUND_JOIN, 1, round, &leaf);
    ent_arena_release(&arena);
}

void witness_accept_leaf(struct witness *w, size_t who, const struct ent_sign_key *key,
                         uint64_t round, const uint8_t open[32], const uint8_t digest[32])
{
    struct ent_header header = header_of(w, who, ENT_MSG_UPDATE, round);
    struct ent_leaf_update_accept leaf = {.has_update = true, .weight = 1};
    struct ent_envelope e;
    struct ent_arena arena;

    header.has_update = true;
    header.update = (struct ent_update_statement){
        .has_base = true, .base = {6}, .payload_bytes = 100, .codec = ENT_CODEC_INT32};
    memcpy(header.update.round_open, open, 32);
    ent_arena_init(&arena, (size_t)1024 * 1024);
    e = sealed(key, &header, NULL, digest, &arena);
    leaf.update.header = (struct ent_bytes){e.header_bytes, e.header_len};
    memcpy(leaf.update.payload_sha256, e.payload_sha256, 32);
    memcpy(leaf.update.signature, e.signature, 64);
    if (w->says) {
        ENT_OK(ent_mirror_signed(w->mirror, leaf.update.header, leaf.update.payload_sha256,
                                 leaf.update.signature));
    }
    (void)book_add(&w->book, ENT_LEAF_UPDATE_ACCEPT, 1, round, &leaf);
    ent_arena_release(&arena);
}

void witness_close_leaf(struct witness *w, uint64_t round, const uint8_t open[32],
                        uint8_t survivors)
{
    struct ent_leaf_round_close close = {
        .attempt = 1, .survivors = {&survivors, 1}, .sum_w = 3, .result = {1}};

    memcpy(close.round_open, open, sizeof close.round_open);
    (void)book_add(&w->book, ENT_LEAF_ROUND_CLOSE, 1, round, &close);
}

void witness_end_leaf(struct witness *w, enum ent_leaf_type type, size_t who, uint64_t round,
                      uint32_t code)
{
    struct ent_leaf_update_reject leaf = {.attempt = 1, .phase = 3, .code = code};

    memcpy(leaf.handle, w->handles[who], sizeof leaf.handle);
    (void)book_add(&w->book, type, 1, round, &leaf);
}

void witness_sent(struct witness *w, uint64_t round, const uint8_t open[32],
                  const uint8_t digest[32], bool receipt)
{
    struct ent_receipt r = {.at = {1, round, 1}, .task = 2, .bytes = 100, .sent_ms = 1};

    memcpy(r.round_open, open, sizeof r.round_open);
    memcpy(r.digest, digest, sizeof r.digest);
    r.has_ack = receipt;
    r.ack_len = receipt ? 3 : 0;
    memcpy(r.ack, "ack", 3);
    ENT_OK(ent_state_receipt_put(w->state, &r));
}

void witness_set(struct witness *w, uint32_t version, size_t n, struct ent_buf *out)
{
    struct ent_leaf_witness list[WITNESS_MEMBERS];
    struct ent_leaf_witness_body body = {.version = version, .witnesses = list, .n_witnesses = n};

    memcpy(body.federation, w->federation, sizeof body.federation);
    body.bad = ent_leaf_bad_of((uint32_t)n);
    body.quorum = ent_leaf_quorum_of((uint32_t)n, body.bad);
    for (size_t i = 0; i < n; i++) {
        memcpy(list[i].handle, w->handles[i], sizeof list[i].handle);
        ent_sign_key_pub(w->witness[i], list[i].witness_pub);
    }
    ENT_OK(ent_leaf_set_encode(&body, out));
}

void witness_set_leaf(struct witness *w, const struct ent_buf *set, unsigned agreed)
{
    struct ent_leaf_statement said[WITNESS_MEMBERS];
    struct ent_leaf_witness_set leaf = {.set = {set->data, set->len}, .agreed = said};
    struct ent_msg_agree agree = {.set = {set->data, set->len}};
    struct ent_arena arena;

    ent_arena_init(&arena, (size_t)1024 * 1024);
    for (size_t i = 0; i < WITNESS_MEMBERS; i++) {
        struct ent_header header = header_of(w, i, ENT_MSG_AGREE, 0);
        struct ent_leaf_statement *s = &said[leaf.n_agreed];
        struct ent_envelope e;

        if ((agreed >> i & 1) == 0) {
            continue;
        }
        header.run = 0;
        header.attempt = 0;
        e = sealed(w->statement[i], &header, &agree, NULL, &arena);
        s->header = (struct ent_bytes){e.header_bytes, e.header_len};
        memcpy(s->payload_sha256, e.payload_sha256, 32);
        memcpy(s->signature, e.signature, 64);
        leaf.n_agreed++;
    }
    (void)book_add(&w->book, ENT_LEAF_WITNESS_SET, 0, 0, &leaf);
    ent_arena_release(&arena);
}
