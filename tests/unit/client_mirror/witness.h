/* A member as witness, without an agent: a directory, keys, a mirror, and the coordinator's book. */
#ifndef ENT_TESTS_UNIT_CLIENT_MIRROR_WITNESS_H
#define ENT_TESTS_UNIT_CLIENT_MIRROR_WITNESS_H

#include "client/mirror/mirror.h"
#include "tests/unit/client_mirror/book.h"

#define WITNESS_MEMBERS 4

struct witness {
    const char *dir;
    struct ent_state *state;
    struct ent_mirror *mirror;
    enum ent_mirror_keep keep;
    uint8_t federation[16];
    uint8_t handles[WITNESS_MEMBERS][16]; /* [0] is the member itself */
    struct ent_sign_key *statement[WITNESS_MEMBERS];
    struct ent_sign_key *witness[WITNESS_MEMBERS];
    struct ent_sign_key *log_key;
    uint8_t log_pub[32];
    uint8_t root_pub[32];
    struct book book; /* genesis and all members */
    uint64_t sent;
    struct ent_mirror_step step; /* of the newest note */
    bool says;                   /* updates that become leaves were signed by this process */
};

void witness_new(struct witness *w, enum ent_mirror_keep keep);
void witness_restart(struct witness *w);
void witness_free(struct witness *w);
/* The member gets what it lacks, and a note over it. */
enum ent_err witness_publish(struct witness *w);
enum ent_err witness_leaves(struct witness *w);
enum ent_err witness_note(struct witness *w, const struct ent_buf *note);
/* DIR/evidence has a file of this ending whose content has that text ("" = any); how many notes of others it has. */
bool witness_evidence(const struct witness *w, const char *ending, const char *text);

/* Leaves of a round: opened for all members; the index. The hash goes to `open`. */
uint64_t witness_open_round(struct witness *w, uint64_t round, uint8_t open[32]);
/* The statement of a member about that round. join: its Join with that head; update: with that digest. */
void witness_join_leaf(struct witness *w, size_t who, const struct ent_sign_key *key,
                       uint64_t round, const struct ent_tree_head *seen);
void witness_accept_leaf(struct witness *w, size_t who, const struct ent_sign_key *key,
                         uint64_t round, const uint8_t open[32], const uint8_t digest[32]);
void witness_close_leaf(struct witness *w, uint64_t round, const uint8_t open[32],
                        uint8_t survivors);
void witness_end_leaf(struct witness *w, enum ent_leaf_type type, size_t who, uint64_t round,
                      uint32_t code);
/* The member sent an update in that round, and holds the coordinator's receipt (or only the first). */
void witness_sent(struct witness *w, uint64_t round, const uint8_t open[32],
                  const uint8_t digest[32], bool receipt);
/* A set of the first n members; the body, encoded. */
void witness_set(struct witness *w, uint32_t version, size_t n, struct ent_buf *out);
/* Its leaf, agreed to by the members of the bits. */
void witness_set_leaf(struct witness *w, const struct ent_buf *set, unsigned agreed);

#endif
