/* One signature line of a note; of this room only (note.h is what others use). */
#ifndef ENT_COMMON_TLOG_NOTE_LINE_H
#define ENT_COMMON_TLOG_NOTE_LINE_H

#include "common/tlog/note.h"

/* Length without a newline at the end. */
size_t ent_note_line_trim(const char *line, size_t len);
/* line: [len], without its newline; `out` points into it. DATA, LIMIT. */
ENT_MUST enum ent_err ent_note_line_parse(const char *line, size_t len, struct ent_note_line *out);
/* Name and id are this key's. */
bool ent_note_line_is_of(const struct ent_note_line *line, const struct ent_vkey *key);
/* The signature verifies over the note's text. SIGNATURE. *time_s: 0 for a log's. */
ENT_MUST enum ent_err ent_note_line_verify(const struct ent_note_line *line,
                                           const struct ent_note *note, const struct ent_vkey *key,
                                           uint64_t *time_s);
/* Signs the note's text as a key of this type does. */
ENT_MUST enum ent_err ent_note_line_sign(const struct ent_note *note, enum ent_vkey_type type,
                                         const struct ent_sign_key *key, uint64_t time_s,
                                         uint8_t signature[ENT_SIGN_BYTES]);
/* Appends the line of that signature, with its newline. */
ENT_MUST enum ent_err ent_note_line_add(const struct ent_vkey *key, uint64_t time_s,
                                        const uint8_t signature[ENT_SIGN_BYTES],
                                        struct ent_buf *out);

#endif
