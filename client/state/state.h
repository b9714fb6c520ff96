/* IN what the session did · OUT what it must remember · OWNS DIR/state.db, DIR/{updates,models,optimizer}
 * THREADS one at a time · SOURCE protocol.md 2-4, ARCHITECTURE.md (keys, and who proves what)
 *
 * A member's memory: survives kill -9 at any point. Whatever is sent is stored before. Keys are
 * files elsewhere.
 *
 * A round costs two commits: of its nonce (JOIN follows), and of its update (OFFER follows). What
 * may be lost in a crash (models, which are fetched again; progress and metrics; the removal of
 * what is over) or matters only with what follows (claims) waits in an open transaction and becomes
 * durable with the next commit; this process sees it at once. */
#ifndef ENT_CLIENT_STATE_STATE_H
#define ENT_CLIENT_STATE_STATE_H

#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/buf.h"
#include "common/crypto/csprng.h"
#include "common/crypto/sign.h"

#define ENT_NONCE_BYTES 32
#define ENT_STATE_HEADER_MAX_BYTES ((size_t)4096)
/* Payloads and models up to this size stand in their row, larger ones are files. */
#define ENT_STATE_ROW_MAX_BYTES ((size_t)64 * 1024)

struct ent_state;

/* DIR must exist. Makes what is missing; removes files that no row speaks of (left by a crash). */
ENT_MUST enum ent_err ent_state_open(const char *dir, struct ent_state **out);
/* To look at, also while another process works in DIR: nothing is swept, nothing may be put. */
ENT_MUST enum ent_err ent_state_open_reader(const char *dir, struct ent_state **out);
void ent_state_close(struct ent_state *state); /* commits what waits */
/* Makes durable what waits. */
ENT_MUST enum ent_err ent_state_flush(struct ent_state *state);
/* Durable commits so far (laws of the tests). */
uint64_t ent_state_commits(const struct ent_state *state);

/* --- sequence numbers: one counter, stored before use --- */
ENT_MUST enum ent_err ent_state_next_sequence(struct ent_state *state, uint64_t *out);
/* The coordinator knows a higher one (this directory came from a backup): go on above it. At most
 * ENT_STATE_SEQUENCE_JUMP_MAX above the own one: PROTOCOL beyond, or one false answer could use up
 * all numbers there are. */
#define ENT_STATE_SEQUENCE_JUMP_MAX (UINT64_C(1) << 32)
ENT_MUST enum ent_err ent_state_raise_sequence(struct ent_state *state, uint64_t at_least);

/* --- runs seen --- */
struct ent_state_run {
    uint32_t run;
    uint8_t plan[ENT_SHA256_BYTES];
    bool accepted;
    bool ended;
    char reason[256]; /* why refused */
};
/* The member's decision about a run. The same again is fine; another plan under a known number:
 * PROTOCOL. An accepted run may be refused later and the other way round (the policy file was
 * edited). */
ENT_MUST enum ent_err ent_state_run_put(struct ent_state *state, const struct ent_state_run *run);
ENT_MUST enum ent_err ent_state_run_get(struct ent_state *state, uint32_t run,
                                        struct ent_state_run *out);
ENT_MUST enum ent_err ent_state_run_last(struct ent_state *state,
                                         struct ent_state_run *out); /* NOT_FOUND */
/* What its optimizer kept goes with it. */
ENT_MUST enum ent_err ent_state_run_end(struct ent_state *state, uint32_t run);

struct ent_attempt {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
};

/* --- how far the run was followed: its last round that this member agreed to, and what was asked
 * of it before --- */
struct ent_state_course {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    bool closed; /* that attempt is */
    uint32_t task;
    uint32_t split;
    uint32_t stats; /* rounds of this run so far */
    uint32_t trained;
    uint32_t validated;
    uint32_t tested;
    uint8_t round_open[ENT_SHA256_BYTES];
    uint8_t base[ENT_SHA256_BYTES];  /* zero: none */
    uint8_t model[ENT_SHA256_BYTES]; /* the newest that a RoundClose announced; zero: none seen */
    uint64_t model_round;            /* the round of the last RoundClose seen */
};
ENT_MUST enum ent_err ent_state_course_get(struct ent_state *state,
                                           struct ent_state_course *out); /* NOT_FOUND */
/* Durable with the next commit (the join's). */
ENT_MUST enum ent_err ent_state_course_put(struct ent_state *state,
                                           const struct ent_state_course *course);
/* This member agreed to a round of `run`; durable with the next commit. */
ENT_MUST enum ent_err ent_state_plan_run(struct ent_state *state,
                                         const uint8_t plan[ENT_SHA256_BYTES], uint32_t run);
/* How many runs of that plan, besides `run`, this member agreed to. */
ENT_MUST enum ent_err ent_state_plan_runs(struct ent_state *state,
                                          const uint8_t plan[ENT_SHA256_BYTES], uint32_t run,
                                          uint64_t *out);

/* --- what may be released once --- */
/* One result per scope: statistics once per run, evaluation once per (model, split); a second one
 * for another cohort could be subtracted from the first. An attempt that was aborted released
 * nothing, so a later attempt of the same round may have another cohort; once the result came out
 * (ent_state_release_done) only the same cohort may repeat. */
enum ent_release_kind { ENT_RELEASE_STATS = 1, ENT_RELEASE_EVALUATE = 2 };
struct ent_release {
    enum ent_release_kind kind;
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint8_t scope[ENT_SHA256_BYTES];
    uint8_t cohort[ENT_SHA256_BYTES];
};
/* Fill scope and cohort. handles: [n][16], the invited of RoundOpen, in its order. */
ENT_MUST enum ent_err ent_release_stats(uint32_t run, const uint8_t (*handles)[16], size_t n,
                                        struct ent_release *out);
ENT_MUST enum ent_err ent_release_evaluate(const uint8_t model[ENT_SHA256_BYTES], uint32_t split,
                                           const uint8_t (*handles)[16], size_t n,
                                           struct ent_release *out);
/* OK the first time, for the same cohort, and for a later attempt after an abort; POLICY otherwise.
 * Call it before the update is computed, with all fields set: durable with that update. */
ENT_MUST enum ent_err ent_state_claim_release(struct ent_state *state,
                                              const struct ent_release *release);
/* RoundClose for it arrived: final. NOT_FOUND when it was never claimed, STALE when the claim is
 * for another cohort. */
ENT_MUST enum ent_err ent_state_release_done(struct ent_state *state,
                                             const struct ent_release *release);

/* The same for whatever was claimed in that attempt, when RoundOpen (and so the scope) is not at hand: after a restart in
 * mid-round. Nothing claimed there: fine. */
ENT_MUST enum ent_err ent_state_release_done_at(struct ent_state *state, struct ent_attempt at);

/* --- optimizer state kept between rounds: it never leaves the member --- */
/* The state after a training round is committed with that round's stored update, whether or not the
 * update is counted later, so the next update of the run, also another attempt at the same round,
 * goes on from there. */
struct ent_state_optimizer {
    uint64_t steps;         /* done since the state was zero */
    const void *bytes;      /* float32, as this machine has them */
    size_t len;             /* at least 1 */
    struct ent_blob *owned; /* of get; NULL for put */
};
/* Of this run's newest stored update. NOT_FOUND: none yet; LOST: its file is gone or altered. */
ENT_MUST enum ent_err ent_state_optimizer_get(struct ent_state *state, uint32_t run,
                                              struct ent_state_optimizer *out);
void ent_state_optimizer_release(struct ent_state_optimizer *kept);

/* --- stored updates: computed once, stored before they are sent, sent again byte for byte --- */
struct ent_state_update {
    struct ent_attempt at;
    uint64_t sequence;
    uint8_t round_open[ENT_SHA256_BYTES];
    const uint8_t
        *header; /* serialised Header, as signed; from get: valid until ent_state_update_release */
    size_t header_len; /* 1 to ENT_STATE_HEADER_MAX_BYTES */
    uint8_t payload_sha256[ENT_SHA256_BYTES];
    uint8_t signature[ENT_SIGN_BYTES];
    struct ent_blob *payload;                    /* salt and integers; at least 1 byte */
    const struct ent_state_optimizer *optimizer; /* put: committed with it; NULL: nothing is kept */
    uint8_t *owned;                              /* of get; NULL for put */
};
/* Durable when it returns: the payload in its row, or (if larger than ENT_STATE_ROW_MAX_BYTES) in a
 * file (atomically, fsync), the optimizer state in a file, then the rows, in one transaction. The
 * digest is the caller's (just computed). The same update again is fine; another one for the same
 * attempt: EXISTS. */
ENT_MUST enum ent_err ent_state_update_put(struct ent_state *state,
                                           const struct ent_state_update *update);
/* NOT_FOUND without a row; LOST when the payload is gone or altered (the row stays: the attempt is
 * lost). The payload is the file, mapped, or memory. What this process stored last is not read again. */
ENT_MUST enum ent_err ent_state_update_get(struct ent_state *state, struct ent_attempt at,
                                           struct ent_state_update *out);
void ent_state_update_release(struct ent_state_update *update);
/* Of all attempts before this one (earlier run, round or attempt). */
ENT_MUST enum ent_err ent_state_update_delete_older(struct ent_state *state,
                                                    struct ent_attempt than);

/* --- nonces: each join opens the one committed before and commits to the next --- */
/* For enrolment: makes the first nonce (once; the same again after a crash) and gives its
 * commitment, SHA-256. */
ENT_MUST enum ent_err ent_state_nonce_first(struct ent_state *state, struct ent_csprng *csprng,
                                            uint8_t commit[ENT_SHA256_BYTES]);
/* For the join of this attempt: the same pair again for the same attempt. A new attempt takes the next nonce once the
 * log has the last join (ent_state_nonce_logged); a join that never came to be logged left the commitment of before
 * standing, and its pair is used again, with a warning: the coordinator may have seen it. *has_nonce = false: nothing
 * stands, so the join only commits. NOT_FOUND before ent_state_nonce_first; STALE for an attempt before the last one joined. */
ENT_MUST enum ent_err ent_state_nonce_join(struct ent_state *state, struct ent_csprng *csprng,
                                           struct ent_attempt at, uint8_t nonce[ENT_NONCE_BYTES],
                                           uint8_t next_commit[ENT_SHA256_BYTES], bool *has_nonce);

/* The log has this member's join of that attempt; durable with the next commit. */
ENT_MUST enum ent_err ent_state_nonce_logged(struct ent_state *state, struct ent_attempt at);

/* The log says that a join of this member did not open what stood (an older copy of state.db was put back): its next one
 * only commits. Durable with the next commit. */
ENT_MUST enum ent_err ent_state_nonce_void(struct ent_state *state);

/* Whether it can be joined at all: STALE for an attempt before the last one joined. */
ENT_MUST enum ent_err ent_state_nonce_check(struct ent_state *state, struct ent_attempt at);

/* --- models: content-addressed files DIR/models/<hex>.safetensors, not synchronised: one that a power failure damaged
 * does not fit its digest and is fetched again. Small ones (up to ENT_STATE_ROW_MAX_BYTES), the newest 8, stand in this
 * process's memory too: they come within their offer, every round. --- */
/* Where the model is or will be; caller frees. */
ENT_MUST enum ent_err ent_state_model_path(const struct ent_state *state,
                                           const uint8_t digest[ENT_SHA256_BYTES], char **out);
/* Keeps it (checked against the digest: DIGEST) and notes it. */
ENT_MUST enum ent_err ent_state_model_put(struct ent_state *state,
                                          const uint8_t digest[ENT_SHA256_BYTES], const void *bytes,
                                          size_t len);
/* The same of a small one (LIMIT) whose digest the caller has checked; keeps a reference. */
ENT_MUST enum ent_err ent_state_model_keep(struct ent_state *state,
                                           const uint8_t digest[ENT_SHA256_BYTES],
                                           struct ent_blob *blob);
/* Small ones are held in memory; they become files for who asks this member after its next start: with this call, and when
 * the state is closed. One that a crash loses is fetched again. */
bool ent_state_has_files(const struct ent_state *state); /* there is something to write */
void ent_state_write_files(struct ent_state *state);
/* Notes a model that is already there: a file under its path (a download renamed to it), or one that is held, which
 * becomes the newest. NOT_FOUND. */
ENT_MUST enum ent_err ent_state_model_add(struct ent_state *state,
                                          const uint8_t digest[ENT_SHA256_BYTES]);
/* The same for a file whose digest the caller has just computed while it was written: it is not
 * read again by this process unless somebody changes it. */
ENT_MUST enum ent_err ent_state_model_add_verified(struct ent_state *state,
                                                   const uint8_t digest[ENT_SHA256_BYTES]);
/* NOT_FOUND; CORRUPT when altered (and forgotten). Its digest is checked once a process, and again
 * when its file was changed. */
ENT_MUST enum ent_err ent_state_model_get(struct ent_state *state,
                                          const uint8_t digest[ENT_SHA256_BYTES],
                                          struct ent_blob **out);
/* The newest first, those that are there. */
ENT_MUST enum ent_err ent_state_models_held(struct ent_state *state,
                                            uint8_t (*out)[ENT_SHA256_BYTES], size_t max,
                                            size_t *n);
/* Forgets and removes all but the newest `keep`, and those listed. */
ENT_MUST enum ent_err ent_state_models_prune(struct ent_state *state, size_t keep,
                                             const uint8_t (*also)[ENT_SHA256_BYTES],
                                             size_t n_also);

/* Old or new content, never a mixture, and not synchronised: for what can be made or got again. */
ENT_MUST enum ent_err ent_state_write_file(const char *path, const void *bytes, size_t len);

/* --- the log head cosigned last: client/state/log.h --- */
struct ent_tree_head {
    uint64_t size; /* 0 = none yet */
    uint8_t root[ENT_SHA256_BYTES];
};

#endif
