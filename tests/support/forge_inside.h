/* Inside of the forge. */
#ifndef ENT_TESTS_SUPPORT_FORGE_INSIDE_H
#define ENT_TESTS_SUPPORT_FORGE_INSIDE_H

#include "tests/support/forge.h"

/* 32 bytes out of the seed. */
ENT_MUST enum ent_err ent_forge_derive(const struct ent_forge *forge, const char *label, uint64_t a,
                                       uint64_t b, uint8_t out[32]);
/* Through the hook. *dropped: it was not written. */
ENT_MUST enum ent_err ent_forge_write(struct ent_forge *forge, unsigned type, size_t member,
                                      const void *message, bool *dropped);
/* A message of a member: its payload, and what the log keeps of it. */
struct ent_forge_said {
    struct ent_bytes payload;
    struct ent_leaf_statement statement;
};
ENT_MUST enum ent_err ent_forge_say_message(struct ent_forge *forge, size_t member, unsigned type,
                                            const void *message, struct ent_arena *arena,
                                            struct ent_forge_said *out);
/* LogWitnessBody of the members that are witnesses. */
ENT_MUST enum ent_err ent_forge_set(struct ent_forge *forge, uint32_t version,
                                    struct ent_arena *arena, struct ent_bytes *out);
/* Genesis, software, members, the first witness set. */
ENT_MUST enum ent_err ent_forge_found(struct ent_forge *forge);
/* Sign the note's checkpoint again, without cosignatures; one member's cosignature; whether they are enough. */
ENT_MUST enum ent_err ent_forge_sign_note(const struct ent_forge *forge,
                                          struct ent_forge_note *note, const uint8_t root[32]);
ENT_MUST enum ent_err ent_forge_cosign(const struct ent_forge *forge, struct ent_forge_note *note,
                                       size_t member);
bool ent_forge_has_quorum(const struct ent_forge *forge, const struct ent_forge_note *note);
ENT_MUST enum ent_err ent_forge_cosigner_name(const struct ent_forge *forge, size_t member,
                                              char out[128]);
enum ent_forge_fate ent_forge_fate_of(const struct ent_forge *forge, size_t member);

/* forge_round.c: the round that forge->run says, from its open leaf (which must be written and published) to close or
 * abort. *closed: whether it counts. */
ENT_MUST enum ent_err ent_forge_open_round(struct ent_forge *forge);
ENT_MUST enum ent_err ent_forge_attempt(struct ent_forge *forge, bool *closed);

/* forge_update.c: an accepted update: its statement, weight and sealed copies. */
ENT_MUST enum ent_err ent_forge_update(struct ent_forge *forge, size_t member,
                                       struct ent_arena *arena, struct ent_leaf_update_accept *out);

#endif
