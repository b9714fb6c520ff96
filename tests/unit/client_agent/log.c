/* The script's log: what a coordinator that keeps one would append and publish. */
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

void script_book(struct script *s)
{
    static const uint8_t seeds[2][32] = {{0x22}, {0x33}};
    uint8_t handle[16];
    uint8_t pub[32];

    book_init(&s->book, s->federation, s->log_key);
    book_genesis(&s->book);
    book_admit(&s->book, s->handle, s->statement_pub, s->witness_pub);
    for (size_t i = 0; i < 2; i++) {
        struct ent_sign_key *key = NULL;

        ENT_OK(ent_sign_key_of_seed(seeds[i], &key));
        ent_sign_key_pub(key, pub);
        memset(handle, seeds[i][0], sizeof handle);
        book_admit(&s->book, handle, pub, pub);
        ent_sign_key_free(key);
    }
}

void script_send_leaves(struct script *s)
{
    struct ent_msg_leaves m = {.first = s->published};
    struct ent_buf bundle;

    if (s->published >= s->book.n) {
        return;
    }
    ent_buf_init(&bundle, ENT_WIRE_PAYLOAD_MAX_BYTES);
    book_bundle(&s->book, s->published, s->book.n, &bundle);
    m.bundle = (struct ent_bytes){bundle.data, bundle.len};
    s->published = s->book.n;
    script_say(s, ENT_MSG_LEAVES, &m);
    ent_buf_release(&bundle);
}

void script_send_note(struct script *s, const struct ent_buf *note)
{
    struct ent_msg_checkpoint m = {.note = {note->data, note->len}};

    script_say(s, ENT_MSG_CHECKPOINT, &m);
}

/* What the coordinator does with a cosignature: the line that it stands for must verify. */
static void check_cosign(const struct script *s, const struct ent_msg_cosign *m)
{
    char header[64];
    struct ent_buf note;
    struct ent_note parsed;
    struct ent_part parts[2];
    uint8_t root[32];

    book_root(&s->book, m->size, root);
    CU_ASSERT_EQUAL(memcmp(root, m->root, 32), 0);
    CU_ASSERT_EQUAL(m->time_s, s->time.wall_ms / 1000);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&s->book, m->size, &note);
    ENT_OK(ent_note_parse((const char *)note.data, note.len, &parsed));
    parts[0] = (struct ent_part){header, (size_t)snprintf(header, sizeof header,
                                                          "cosignature/v1\ntime %llu\n",
                                                          (unsigned long long)m->time_s)};
    parts[1] = (struct ent_part){parsed.text, parsed.text_len};
    ENT_OK(ent_sign_verify(s->witness_pub, parts, 2, m->signature));
    ent_buf_release(&note);
}

void script_take_cosign(struct script *s, uint64_t size)
{
    (void)script_take(s, ENT_MSG_COSIGN, &s->cosign, NULL);
    CU_ASSERT_EQUAL(s->cosign.size, size);
    check_cosign(s, &s->cosign);
    s->n_cosigned++;
}

/* A cosignature may have been overtaken by what the welcome asked for: it comes first. */
static bool cosign_waits(struct script *s)
{
    for (size_t i = s->n_read; i < s->n_inbox; i++) {
        if (s->inbox[i].type == ENT_MSG_COSIGN) {
            struct script_frame frame = s->inbox[i];

            memmove(s->inbox + s->n_read + 1, s->inbox + s->n_read,
                    (i - s->n_read) * sizeof s->inbox[0]);
            s->inbox[s->n_read] = frame;
            return true;
        }
    }
    return false;
}

void script_publish(struct script *s)
{
    struct ent_buf note;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&s->book, s->book.n, &note);
    script_send_leaves(s);
    script_send_note(s, &note);
    ent_buf_release(&note);
    if (!s->hold && cosign_waits(s)) {
        script_take_cosign(s, s->book.n);
    }
}

void script_log_open(struct script *s, struct ent_msg_round_open *m)
{
    uint8_t hash[32];
    struct ent_buf payload;

    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    m->leaf_index = s->last_index;
    m->leaf_ms = s->last_ms;
    ENT_OK(ent_msg_round_open_encode(m, &payload));
    ENT_OK(ent_wire_round_open_hash(payload.data, payload.len, hash));
    if (s->last_index == 0 || memcmp(hash, s->open_hash, 32) != 0) {
        s->last_index = s->book.n;
        s->last_ms = s->book.time_ms;
        m->leaf_index = s->last_index;
        m->leaf_ms = s->last_ms;
        ent_buf_clear(&payload);
        ENT_OK(ent_msg_round_open_encode(m, &payload));
        (void)book_add_bytes(&s->book, payload.data, payload.len);
        book_hash(&s->book, s->last_index, s->open_hash);
    }
    ent_buf_release(&payload);
}

void script_log_update(struct script *s, uint32_t code)
{
    struct ent_leaf_update_accept accept = {.has_update = true, .update = s->update, .weight = 1};
    struct ent_leaf_update_reject reject = {.attempt = s->attempt, .phase = 3, .code = code};

    if (code == 0) {
        (void)book_add(&s->book, ENT_LEAF_UPDATE_ACCEPT, s->run, s->round, &accept);
        return;
    }
    memcpy(reject.handle, s->handle, sizeof reject.handle);
    (void)book_add(&s->book, ENT_LEAF_UPDATE_REJECT, s->run, s->round, &reject);
}

void script_log_close(struct script *s, bool survived)
{
    const uint8_t survivors[1] = {survived ? 7 : 6};
    struct ent_leaf_round_close close = {
        .attempt = s->attempt, .survivors = {survivors, 1}, .sum_w = 3, .result = {1}};

    memcpy(close.round_open, s->open_hash, sizeof close.round_open);
    (void)book_add(&s->book, ENT_LEAF_ROUND_CLOSE, s->run, s->round, &close);
}
