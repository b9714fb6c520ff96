/* Any bytes as a signed note. One that parses must be put together again from its parts to the same bytes, a checkpoint
 * in it without extensions must be written to the same text, and only the fixed key opens it. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/tlog_key.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_parts(const struct ent_note *note, const uint8_t *data, size_t size)
{
    struct ent_buf again;

    ent_buf_init(&again, ENT_NOTE_MAX_BYTES);
    require(ent_buf_add(&again, note->text, note->text_len) == ENT_E_OK);
    require(ent_buf_add(&again, "\n", 1) == ENT_E_OK);
    require(note->n_lines > 0 && note->n_lines <= ENT_NOTE_SIGNATURES_MAX);
    for (size_t i = 0; i < note->n_lines; i++) {
        const struct ent_note_line *l = &note->lines[i];

        require(ent_buf_addf(&again, "\xE2\x80\x94 ") == ENT_E_OK);
        require(ent_buf_add(&again, l->name, l->name_len) == ENT_E_OK);
        require(ent_buf_add(&again, " ", 1) == ENT_E_OK);
        require(ent_buf_add(&again, l->base64, l->base64_len) == ENT_E_OK);
        require(ent_buf_add(&again, "\n", 1) == ENT_E_OK);
    }
    require(again.len == size && memcmp(again.data, data, size) == 0);
    /* Its own last line is there already. */
    require(ent_note_add_line(&again, note->lines[note->n_lines - 1].name - 4,
                              note->lines[note->n_lines - 1].name_len + 5 +
                                  note->lines[note->n_lines - 1].base64_len) == ENT_E_OK);
    require(again.len == size);
    ent_buf_release(&again);
}

static void check_checkpoint(const struct ent_note *note)
{
    struct ent_checkpoint cp;
    struct ent_buf again;

    if (ent_checkpoint_parse(note->text, note->text_len, &cp) != ENT_E_OK) {
        return;
    }
    ent_buf_init(&again, ENT_NOTE_MAX_BYTES);
    require(ent_checkpoint_write(&cp, &again) == ENT_E_OK);
    require(again.len <= note->text_len && memcmp(again.data, note->text, again.len) == 0);
    require((again.len == note->text_len) == (cp.n_extensions == 0));
    ent_buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_note_opened opened;
    struct ent_note note;
    struct ent_vkey vkey;
    bool proved = true;

    fuzz_tlog_vkey(&vkey);
    if (ent_note_parse((const char *)data, size, &note) != ENT_E_OK) {
        require(ent_err_message()[0] != '\0');
        require(ent_note_open((const char *)data, size, NULL, &vkey, 1, &opened) != ENT_E_OK);
        return 0;
    }
    check_parts(&note, data, size);
    check_checkpoint(&note);
    if (ent_note_open((const char *)data, size, NULL, &vkey, 1, &opened) == ENT_E_OK) {
        require(opened.verified.n == 1 && strcmp(opened.checkpoint.origin, vkey.name) == 0);
    }
    require(ent_note_equivocation((const char *)data, size, (const char *)data, size, &vkey,
                                  &proved) == ENT_E_OK &&
            !proved);
    return 0;
}
