/* A log key and witness keys of fixed seeds, and notes that they sign. */
#ifndef ENT_TESTS_TLOG_MADE_H
#define ENT_TESTS_TLOG_MADE_H

#include "common/tlog/note.h"

#define MADE_KEYS_MAX 8
#define MADE_ORIGIN "log.example/federation"
#define MADE_TIME 1767225600u

struct made {
    size_t n; /* keys[0] is the log's, the others are witnesses': w1, w2, ... */
    struct ent_vkey keys[MADE_KEYS_MAX];
    struct ent_sign_key *secrets[MADE_KEYS_MAX];
    struct ent_checkpoint checkpoint;
    uint8_t flip; /* goes into the root: another tree of the same size */
    struct ent_buf note;
};

void made_init(struct made *made, size_t n);
void made_init_key(struct made *made, size_t i, const char *name, enum ent_vkey_type type);
/* A note of a made-up tree of this size, cosigned by the first n_cosigners witnesses at MADE_TIME,
 * MADE_TIME + 1, ... */
void made_note(struct made *made, uint64_t size, size_t n_cosigners);
/* The same with this root. */
void made_note_of(struct made *made, uint64_t size, const uint8_t root[ENT_MERKLE_BYTES],
                  size_t n_cosigners);
void made_release(struct made *made);

#endif
