#include "tests/unit/common_tlog/made.h"

#include <string.h>

#include "tests/support/ent_test.h"

void made_init_key(struct made *made, size_t i, const char *name, enum ent_vkey_type type)
{
    uint8_t seed[ENT_SIGN_SEED_BYTES] = {0x7E, (uint8_t)i};
    uint8_t pub[ENT_SIGN_PUB_BYTES];

    ENT_OK(ent_sign_key_of_seed(seed, &made->secrets[i]));
    ent_sign_key_pub(made->secrets[i], pub);
    ENT_OK(ent_vkey_of(name, type, pub, &made->keys[i]));
}

void made_init(struct made *made, size_t n)
{
    memset(made, 0, sizeof *made);
    made->n = n;
    made_init_key(made, 0, MADE_ORIGIN, ENT_VKEY_LOG);
    for (size_t i = 1; i < n; i++) {
        char name[24];

        (void)snprintf(name, sizeof name, "w%zu", i);
        made_init_key(made, i, name, ENT_VKEY_COSIGNATURE);
    }
    ent_buf_init(&made->note, (size_t)1 << 20);
}

void made_note_of(struct made *made, uint64_t size, const uint8_t root[ENT_MERKLE_BYTES],
                  size_t n_cosigners)
{
    struct ent_note note;
    struct ent_buf line;

    made->checkpoint.size = size;
    (void)snprintf(made->checkpoint.origin, sizeof made->checkpoint.origin, "%s", MADE_ORIGIN);
    memcpy(made->checkpoint.root, root, ENT_MERKLE_BYTES);
    ent_buf_clear(&made->note);
    ENT_OK(ent_note_begin(&made->checkpoint, &made->note));
    ENT_OK(ent_note_sign(&made->note, MADE_ORIGIN, made->secrets[0]));
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    for (size_t i = 0; i < n_cosigners; i++) {
        ENT_OK(ent_note_parse((const char *)made->note.data, made->note.len, &note));
        ent_buf_clear(&line);
        ENT_OK(ent_note_cosign(&note, made->keys[1 + i].name, made->secrets[1 + i], MADE_TIME + i,
                               &line));
        ENT_OK(ent_note_add_line(&made->note, (const char *)line.data, line.len));
    }
    ent_buf_release(&line);
}

void made_note(struct made *made, uint64_t size, size_t n_cosigners)
{
    uint8_t root[ENT_MERKLE_BYTES];

    ENT_OK(ent_sha256(&made->flip, 1, root));
    made_note_of(made, size, root, n_cosigners);
}

void made_release(struct made *made)
{
    for (size_t i = 0; i < MADE_KEYS_MAX; i++) {
        ent_sign_key_free(made->secrets[i]);
    }
    ent_buf_release(&made->note);
}
