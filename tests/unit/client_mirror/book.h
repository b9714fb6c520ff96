/* A coordinator's log in memory, for the tests of its witnesses: leaves, notes, bundles. */
#ifndef ENT_TESTS_UNIT_CLIENT_MIRROR_BOOK_H
#define ENT_TESTS_UNIT_CLIENT_MIRROR_BOOK_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/tlog/leaf.h"
#include "common/tlog/merkle.h"
#include "common/tlog/note.h"

#define BOOK_MAX 256
#define BOOK_ORIGIN "fed.example/test"

struct book {
    uint8_t federation[16];
    uint8_t log_pub[32];
    uint8_t root_pub[32];
    const struct ent_sign_key *log_key;
    const char *origin;
    uint64_t time_ms; /* of the next leaf */
    struct ent_buf leaves[BOOK_MAX];
    size_t n;
};

/* Empty; the key is borrowed. */
void book_init(struct book *b, const uint8_t federation[16], const struct ent_sign_key *log_key);
void book_release(struct book *b);
/* Appends a leaf and returns its index. */
uint64_t book_add(struct book *b, enum ent_leaf_type type, uint32_t run, uint64_t round,
                  const void *body);
uint64_t book_add_bytes(struct book *b, const void *bytes, size_t len);
void book_genesis(struct book *b);
/* statement, witness: public keys. */
void book_admit(struct book *b, const uint8_t handle[16], const uint8_t statement[32],
                const uint8_t witness[32]);
void book_hash(const struct book *b, uint64_t index, uint8_t out[32]);
/* Leaves first ... size - 1 as a bundle. */
void book_bundle(const struct book *b, uint64_t first, uint64_t size, struct ent_buf *out);
void book_root(const struct book *b, uint64_t size, uint8_t out[32]);
/* The signed note over the first `size` leaves. */
void book_note(const struct book *b, uint64_t size, struct ent_buf *out);
/* The same with that root, signed by that key under that name. */
void book_note_of(uint64_t size, const uint8_t root[32], const char *origin,
                  const struct ent_sign_key *key, struct ent_buf *out);

#endif
