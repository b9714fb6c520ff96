/* C2SP signed notes: a text, an empty line, one line for each signature.
 *
 * A log signs the text itself (key type 0x01); a witness signs "cosignature/v1\ntime T\n" and the
 * text (type 0x04). Signatures of unknown keys are ignored; a bad one of a known key (name and id)
 * rejects the whole note. Stricter than C2SP in one thing: what could steer a terminal or turn text
 * round (ent_text_is_printable) stands in no line. */
#ifndef ENT_COMMON_TLOG_NOTE_H
#define ENT_COMMON_TLOG_NOTE_H

#include "common/tlog/checkpoint.h"

/* Of any note, with lines of strangers; what travels is shorter (ENT_WIRE_NOTE_MAX_BYTES). */
#define ENT_NOTE_MAX_BYTES ((size_t)64 * 1024)
/* 64 witnesses, the log's key and the one it is changed for, some strangers. */
#define ENT_NOTE_SIGNATURES_MAX 72
/* One signature line of ours with its newline. */
#define ENT_NOTE_LINE_MAX_BYTES 384

struct ent_note_line {
    const char *name; /* [name_len], into the note */
    size_t name_len;
    const char *base64; /* [base64_len], key id and signature */
    size_t base64_len;
    uint32_t id;
};

/* A note taken apart; everything points into the bytes that were parsed. */
struct ent_note {
    const char *text; /* [text_len], with its last newline: what is signed */
    size_t text_len;
    size_t n_lines;
    struct ent_note_line lines[ENT_NOTE_SIGNATURES_MAX];
};

struct ent_note_signer {
    size_t key;      /* index into the known keys */
    uint64_t time_s; /* of a cosignature, seconds since 1970; 0 for a log */
};

/* The known keys that signed, each once, in the order of the note (a repeated one: its first line). */
struct ent_note_verified {
    size_t n_log;       /* of type 0x01 */
    size_t n_cosigners; /* of type 0x04 */
    size_t n;           /* both */
    struct ent_note_signer signers[ENT_NOTE_SIGNATURES_MAX];
};

struct ent_note_opened {
    struct ent_note note;
    struct ent_note_verified verified;
    struct ent_checkpoint checkpoint;
};

/* bytes: [len], borrowed by `out`. DATA: not a note (UTF-8, control character, no empty line, a line
 * that is no signature); LIMIT: above the two bounds. Says nothing about signatures. */
ENT_MUST enum ent_err ent_note_parse(const char *bytes, size_t len, struct ent_note *out);
/* SIGNATURE: one of a known key does not verify, or no known key signed. */
ENT_MUST enum ent_err ent_note_verify(const struct ent_note *note, const struct ent_vkey *keys,
                                      size_t n_keys, struct ent_note_verified *out);
/* All in one: parse, verify, a log key named like the origin signed, the text is a checkpoint of
 * `origin` (NULL: of any origin that a known log key is named for). DATA, LIMIT, SIGNATURE. */
ENT_MUST enum ent_err ent_note_open(const char *bytes, size_t len, const char *origin,
                                    const struct ent_vkey *keys, size_t n_keys,
                                    struct ent_note_opened *out);

/* Writing. `note` is a buffer that holds nothing else. */
/* The checkpoint's text and the empty line; signatures follow. */
ENT_MUST enum ent_err ent_note_begin(const struct ent_checkpoint *checkpoint, struct ent_buf *note);
/* Appends the log's signature over the text of `note` (also a second one, of a new key). */
ENT_MUST enum ent_err ent_note_sign(struct ent_buf *note, const char *name,
                                    const struct ent_sign_key *key);
/* Appends to `line_out` one cosignature line over the note's text, with its newline. 0 < time_s < 2^63. */
ENT_MUST enum ent_err ent_note_cosign(const struct ent_note *note, const char *name,
                                      const struct ent_sign_key *key, uint64_t time_s,
                                      struct ent_buf *line_out);
/* The same in two steps, where the signature travels without its line: a witness makes it, ... */
ENT_MUST enum ent_err ent_note_cosignature(const struct ent_note *note,
                                           const struct ent_sign_key *key, uint64_t time_s,
                                           uint8_t signature[ENT_SIGN_BYTES]);
/* ... and whoever knows its key (of type ENT_VKEY_COSIGNATURE) appends the line. Nothing is verified. */
ENT_MUST enum ent_err ent_note_cosigned_line(const struct ent_vkey *key, uint64_t time_s,
                                             const uint8_t signature[ENT_SIGN_BYTES],
                                             struct ent_buf *line_out);
/* Whether line: [len] (with its newline, or without) is a signature of `key` over the note's text; the
 * time of a cosignature goes to *time_s (0 for a log's). DATA, LIMIT, SIGNATURE. */
ENT_MUST enum ent_err ent_note_check_line(const struct ent_note *note, const char *line, size_t len,
                                          const struct ent_vkey *key, uint64_t *time_s);
/* Appends a signature line (with or without its newline) to a note; one that stands there already is not
 * repeated. Nothing is verified. DATA, LIMIT. */
ENT_MUST enum ent_err ent_note_add_line(struct ent_buf *note, const char *line, size_t len);

/* Two notes that one log must never have signed both: both open with `log`, sizes are equal, roots
 * differ. *proved = false also when one of them does not open. Errors: NO_MEMORY only. */
ENT_MUST enum ent_err ent_note_equivocation(const char *a, size_t a_len, const char *b,
                                            size_t b_len, const struct ent_vkey *log, bool *proved);

#endif
