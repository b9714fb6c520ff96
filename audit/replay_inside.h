/* What the files of replay share. Not for others. */
#ifndef ENT_AUDIT_REPLAY_INSIDE_H
#define ENT_AUDIT_REPLAY_INSIDE_H

#include "audit/replay.h"
#include "audit/walk.h"
#include "common/crypto/commit.h"
#include "common/crypto/x25519.h"
#include "common/step/step.h"

#define ENT_REPLAY_ERASED_MAX ((size_t)1 << 16) /* digests of erased blobs that are kept */

struct ent_replay_update { /* accepted in the current attempt */
    uint8_t handle[16];
    uint8_t payload[32]; /* as signed */
    uint32_t weight;
    bool has_blob;
    bool is_plain;
    uint8_t blob[32];
};

/* The run that the newest config.set began. */
struct ent_replay_run {
    bool there;
    uint64_t seq; /* of its leaf */
    uint32_t min_members;
    uint32_t n_auditors;
    bool plain;
    int place; /* of our key among the auditors; -1: it is none of them */
    bool has_base;
    uint8_t base[32];
    struct ent_plan *plan; /* NULL: see broken */
    /* Why models (with it, why anything) of this run cannot be replayed any more; "": they can. */
    char broken[ENT_AUDIT_TEXT_MAX];
    bool has_model; /* newest: */
    uint8_t model_digest[32];
    struct ent_modelfile *model; /* NULL until it is needed, when it comes out of the export */
    struct ent_buf state;        /* of the optimizer */
    uint8_t (*trained)[32];      /* [n_trained]: the models of the training rounds */
    size_t n_trained;
    size_t cap_trained;
    uint8_t initial[32];
    bool has_initial;
    bool derived;    /* sigma2 of the plan is known: */
    uint64_t sigma2; /* 0: it gives none */
};

/* The attempt that the newest round.open began. */
struct ent_replay_attempt {
    bool open;
    bool wanted; /* in the range that is reported */
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint32_t task;
    uint32_t split;
    uint8_t hash[32];
    uint8_t federation[16];
    bool has_base;
    uint8_t base[32];
    uint8_t (*invited)[16];
    size_t n_invited;
    size_t cap_invited;
    struct ent_replay_update *updates;
    size_t n_updates;
    size_t cap_updates;
    bool has_noise; /* its opening commits to a seed */
    uint8_t noise_commit[32];
    uint64_t sigma2; /* as booked; 0: it is not */
    struct ent_noise_nonce *nonces;
    size_t n_nonces;
    size_t cap_nonces;
    size_t n_joined;                 /* counted where there is noise */
    struct ent_replay_round *report; /* NULL: not closed yet, or beyond the bound */
    enum ent_replay_status status;
    bool evaluated; /* figures are those of this round */
    struct ent_step_figures figures;
};

struct ent_replaying {
    struct ent_export *export;
    const struct ent_replay_options *options;
    struct ent_replay *out;
    struct ent_x25519_key *key; /* NULL: none */
    uint8_t pub[32];
    uint8_t (*erased)[32];
    size_t n_erased;
    size_t cap_erased;
    struct ent_buf bytes;    /* of one update */
    int64_t *noised;         /* the sum of the attempt, with its noise */
    uint8_t (*released)[32]; /* every model that was released so far */
    size_t n_released;
    size_t cap_released;
    bool lost_released; /* there were more */
    struct ent_replay_run run;
    struct ent_replay_attempt at;
};

/* ---- replay.c ---- */
/* A finding; of the current attempt when about_round ("round 7: " is put before it). */
void ent_replay_say(struct ent_replaying *r, enum ent_replay_status status, bool about_round,
                    const char *fmt, ...) ENT_PRINTF(4, 5);
/* What the export or the machine did, and not the log: passed up. */
bool ent_replay_is_fatal(enum ent_err err);
/* Models of this run end here; says so once. */
void ent_replay_break(struct ent_replaying *r, enum ent_replay_status status, const char *fmt, ...)
    ENT_PRINTF(3, 4);

/* ---- replay_root.c ---- */
/* First pass: do leaves, note and policy fit? Also collects what was erased and how the coordinator started. */
ENT_MUST enum ent_err ent_replay_root(struct ent_replaying *r);

/* ---- replay_sum.c ---- */
ENT_MUST enum ent_err ent_replay_accept(struct ent_replaying *r,
                                        const struct ent_leaf_update_accept *accept);
/* All accepted updates, opened, checked and added: *agg is NULL unless the sum is the logged one. The caller frees. */
ENT_MUST enum ent_err ent_replay_sum(struct ent_replaying *r,
                                     const struct ent_leaf_round_close *close, struct ent_agg **agg,
                                     const int64_t **sum, size_t *dim);

/* What is left of a blob that the export lacks. */
bool ent_replay_is_erased(const struct ent_replaying *r, const uint8_t digest[32]);

/* ---- replay_noise.c ---- */
/* Whether noise is added to the sum of the attempt. */
bool ent_replay_owes_noise(const struct ent_replaying *r);
void ent_replay_noise_open(struct ent_replaying *r, const struct ent_leaf_round_open *open);
void ent_replay_noise_event(struct ent_replaying *r, const struct ent_leaf_dp_event *event);
ENT_MUST enum ent_err ent_replay_noise_join(struct ent_replaying *r,
                                            const struct ent_leaf_round_join *join);
/* Before the attempt ends: what could have been chosen. */
void ent_replay_noise_ended(struct ent_replaying *r, bool aborted);
/* Whether an update is within what the noise covers; otherwise a finding says so. */
bool ent_replay_is_clipped(struct ent_replaying *r, const struct ent_bytes *ints, const char *who);
/* result->sum becomes the sum with its noise, where it owes one. *good = false: a finding says why not. */
ENT_MUST enum ent_err ent_replay_noise(struct ent_replaying *r,
                                       const struct ent_leaf_round_close *close,
                                       struct ent_agg_result *result, bool *good);

/* ---- replay_base.c ---- */
/* The run that began: what its base is. */
ENT_MUST enum ent_err ent_replay_base(struct ent_replaying *r, bool no_stats);
ENT_MUST enum ent_err ent_replay_base_released(struct ent_replaying *r, const uint8_t model[32]);

/* ---- replay_run.c ---- */
ENT_MUST enum ent_err ent_replay_begin_run(struct ent_replaying *r, uint64_t seq,
                                           const struct ent_leaf_config_set *config);
void ent_replay_end_run(struct ent_replay_run *run);
/* What the sum of the attempt gives (NULL: it is not known), against what its close says. */
ENT_MUST enum ent_err ent_replay_step(struct ent_replaying *r,
                                      const struct ent_leaf_round_close *close, const int64_t *sum,
                                      size_t dim);

/* ---- replay_released.c ---- */
ENT_MUST enum ent_err ent_replay_figures(struct ent_replaying *r,
                                         const struct ent_leaf_eval_result *result);
ENT_MUST enum ent_err ent_replay_release_of(struct ent_replaying *r,
                                            const struct ent_leaf_model_release *release);

#endif
