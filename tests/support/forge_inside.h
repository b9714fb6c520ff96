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

/* forge_update.c: an update that is going to be accepted: its statement, weight and sealed copies. payload: appended;
 * stays empty in a lean log. */
ENT_MUST enum ent_err ent_forge_update(struct ent_forge *forge, size_t member,
                                       struct ent_arena *arena, struct ent_buf *payload,
                                       struct ent_leaf_update_accept *out);

/* forge_privacy.c. The plan; its text, its model; behind round.open; behind round.abort. */
ENT_MUST enum ent_err ent_forge_privacy_plan(struct ent_forge *forge);
ENT_MUST enum ent_err ent_forge_privacy_yaml(const struct ent_forge *forge, struct ent_buf *out);
/* Appends the model file that a run of it starts from. */
ENT_MUST enum ent_err ent_forge_privacy_model(const struct ent_forge *forge, struct ent_buf *out);
ENT_MUST enum ent_err ent_forge_privacy_event(struct ent_forge *forge);
ENT_MUST enum ent_err ent_forge_privacy_aborted(struct ent_forge *forge, bool inputs);
void ent_forge_privacy_free(struct ent_forge *forge);

/* forge_noise.c. Whether the round owes noise; its commitment; a nonce that was logged; the noise that the coordinator adds
 * to the sum (or what it does instead); the seed for each auditor. */
bool ent_forge_noise_owed(const struct ent_forge *forge);
ENT_MUST enum ent_err ent_forge_noise_open(struct ent_forge *forge,
                                           struct ent_leaf_round_open *out);
ENT_MUST enum ent_err ent_forge_noise_join(struct ent_forge *forge, size_t member,
                                           const uint8_t nonce[32]);
ENT_MUST enum ent_err ent_forge_noise_add(const struct ent_forge *forge, uint64_t sigma2,
                                          int64_t *sum, size_t dim);
/* digests: [ENT_FORGE_AUDITORS_MAX]; *n of them. */
ENT_MUST enum ent_err ent_forge_noise_seal(struct ent_forge *forge, const uint8_t seed[32],
                                           uint8_t (*digests)[32], size_t *n);
uint64_t ent_forge_privacy_sigma2(const struct ent_forge *forge);
uint32_t ent_forge_weight(const struct ent_forge *forge, size_t member);

/* forge_real.c. What closing gives; the model goes to forge->run. */
struct ent_forge_result {
    uint8_t sum[32]; /* digest */
    bool has_state;
    uint8_t state[32];
    uint64_t loss_sum;
    uint64_t rows;
    uint64_t auc;
};
/* A plan for the run: its digest goes to forge->run. */
ENT_MUST enum ent_err ent_forge_real_plan(struct ent_forge *forge);
/* The model that a run without statistics starts from. Takes the bytes. */
ENT_MUST enum ent_err ent_forge_real_start(struct ent_forge *forge, struct ent_buf *model_take);
void ent_forge_real_free(struct ent_forge *forge);
/* What the plan fixes of a round.open. */
void ent_forge_real_open(const struct ent_forge *forge, struct ent_leaf_round_open *out);
/* One attempt: sums from nothing; appends a member's integers; adds them; sums up. */
ENT_MUST enum ent_err ent_forge_real_begin(struct ent_forge *forge);
ENT_MUST enum ent_err ent_forge_real_ints(const struct ent_forge *forge, size_t member,
                                          struct ent_buf *out);
ENT_MUST enum ent_err ent_forge_real_add(struct ent_forge *forge, struct ent_bytes ints,
                                         uint32_t weight);
ENT_MUST enum ent_err ent_forge_real_close(struct ent_forge *forge, struct ent_forge_result *out);
/* Figures of the evaluation that was closed last. */
size_t ent_forge_real_metrics(const struct ent_forge *forge,
                              struct ent_msg_metric out[ENT_WIRE_METRICS_MAX]);
/* Another file for the newest model: as a coordinator could release it. */
ENT_MUST enum ent_err ent_forge_real_swap_model(struct ent_forge *forge);

#endif
