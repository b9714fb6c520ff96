/* IN the run's plan, members' nonces out of the log · OUT noise on the sum of a training round, its seed sealed
 * OWNS the noise of the attempt that is open · THREADS engine; the noise is drawn on one of its own
 * SOURCE audit.md 2.7; privacy.md 3, 4.1
 *
 * Noise at the coordinator (`privacy.unit: member`). Each attempt of training has a seed of its own: committed to in
 * round.open, stored in the transaction that opens the attempt, mixed with the nonces that members open in their joins, so
 * that neither side chooses the noise. It is drawn from BEGIN on, while members train, and added once to the integer sum,
 * before anything is made of the sum: no digest, model or message has the sum without it. After CLOSE and ABORT the seed is
 * gone from here; auditors have it sealed.
 *
 * Fail closed: without seed, nonces or key the attempt is called off; nothing is closed with less noise. */
#ifndef ENT_COORDINATOR_ENGINE_CENTRAL_H
#define ENT_COORDINATOR_ENGINE_CENTRAL_H

#include "common/plan/plan.h"
#include "common/step/noise.h"
#include "common/wire/wire.h"
#include "coordinator/round/round.h"

struct ent_engine;

struct ent_central {
    bool on;                      /* the run's plan has noise at the coordinator */
    uint64_t bound;               /* B: no member's update is longer on the grid */
    struct ent_step_noise *noise; /* of the attempt that is open; NULL: not made yet */
    uint8_t sealed[ENT_LOG_AUDITORS_MAX][32];
    size_t n_sealed; /* copies of the seed, once the sum is made */
    bool scrub_due;  /* a seed was deleted and may still stand in the database's log */
    uint64_t scrub_ms;
};

/* Of e->run and e->plan. */
ENT_MUST enum ent_err ent_central_load(struct ent_engine *e);
void ent_central_release(struct ent_engine *e);
/* The round that is open is one whose sum gets noise. */
bool ent_central_covers(const struct ent_engine *e);

/* Before a run starts: CONFIG says why its noise would be worthless here. */
ENT_MUST enum ent_err ent_central_startable(const struct ent_engine *e,
                                            const struct ent_plan *plan);
/* Auditors who will be able to prove the noise of e->run: those that its seeds are sealed to. 0: nobody can. */
ENT_MUST enum ent_err ent_central_auditors(struct ent_engine *e, size_t *n);
ENT_MUST enum ent_err ent_central_warn(struct ent_engine *e); /* says it, if it is so */

/* In the transaction of an OPEN row: a fresh seed, and what round.open says of it. */
ENT_MUST enum ent_err ent_central_open(struct ent_engine *e, struct ent_msg_round_open *out);
/* In the transaction of a CLOSE or ABORT row. */
ENT_MUST enum ent_err ent_central_forget(struct ent_engine *e);

/* BEGIN is committed, all joins are in the log: the noise begins to be drawn. What it lacks calls the attempt off. */
void ent_central_begin(struct ent_engine *e);
/* The same after a restart, as far as the attempt is. */
void ent_central_resume(struct ent_engine *e);
/* In CLOSE: the noise is there, all of it, and the seed is sealed to each auditor. */
ENT_MUST enum ent_err ent_central_ready(struct ent_engine *e);
ENT_MUST enum ent_err ent_central_add(struct ent_engine *e, uint64_t first, int64_t *sum, size_t n);
/* The attempt is over. */
void ent_central_end(struct ent_engine *e);
ENT_MUST enum ent_err ent_central_housekeeping(struct ent_engine *e);

/* ---- nonce.c ---- */
/* What a join that would be logged does to the chain of its member's nonces; of all rounds. BAD_NONCE: it does not open
 * what stands. */
ENT_MUST enum ent_err ent_nonce_check(const struct ent_engine *e, uint32_t member,
                                      const struct ent_msg_join *join);
/* Those opened in the attempt that is open, out of the log. TOO_FEW: not one more than members that may be dishonest.
 * Caller frees *out. */
struct ent_noise_nonce;
ENT_MUST enum ent_err ent_nonce_opened(struct ent_engine *e, struct ent_noise_nonce **out,
                                       size_t *n);

#endif
