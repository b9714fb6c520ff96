/* IN ent_event · OUT ent_action[] · OWNS the state of one run (fixed storage given at init) ·
 * THREADS engine only SOURCE ARCHITECTURE.md idea 1; protocol.md 4
 *
 * The whole protocol of a run, pure: no clock, socket, disk, lock, float or allocation after init.
 * Same events, same actions, so every schedule is tested in one process, and a restart feeds the
 * stored rows through the same function. Tensors never pass through: the machine sees members (by
 * index), digests, weights, counts, deadlines.
 *
 * A run is a sequence of rounds, one summed task each: stats (once), then train and
 * evaluate(validation) in turn `train_rounds` times, then evaluate(test) on the best model. Rounds
 * count from 1 over all tasks; an aborted attempt keeps its round number and counts `attempt` up.
 * Phases of a round:
 *
 *   OPEN row committed, RoundOpen sent -> JOIN -> UPDATE -> CLOSE (engine sums) -> RELEASE
 * (release_gate) -> next round too few joins or updates in time: ABORT row, nothing released, WAIT
 * retry_ms, attempt + 1; after `attempts` aborts in a row the run stays in WAIT (stalled) until
 * enough members are up, then tries again.
 *
 * Write-ahead: the engine commits all ROW actions of a step in one transaction before it executes
 * any other action. */
#ifndef ENT_COORDINATOR_ROUND_ROUND_H
#define ENT_COORDINATOR_ROUND_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

#define ENT_ROUND_MEMBERS_MAX 4096
#define ENT_ROUND_DIGEST_BYTES 32
#define ENT_ROUND_NO_MEMBER UINT32_MAX /* REFUSE of an event that came from no member */

enum ent_phase {
    ENT_PHASE_IDLE,    /* no run, or its run has ended */
    ENT_PHASE_WAIT,    /* before (another) attempt: for retry_at_ms, or for members when stalled */
    ENT_PHASE_JOIN,    /* invited members join or decline, until the deadline or all answered */
    ENT_PHASE_UPDATE,  /* joined members offer and upload, until the deadline or all ended */
    ENT_PHASE_CLOSE,   /* the engine sums and applies; RESULT or RESULT_FAILED ends it */
    ENT_PHASE_RELEASE, /* close row committed; waits for GATE */
    ENT_PHASE_COUNT
};

/* How an invited member stands in the current attempt. Each ends exactly once: ACCEPTED, REJECTED
 * or DROPPED. */
enum ent_standing {
    ENT_STANDING_NONE, /* not invited */
    ENT_STANDING_INVITED,
    ENT_STANDING_JOINED,
    ENT_STANDING_OFFERED, /* upload granted or waiting for its grant */
    ENT_STANDING_ACCEPTED,
    ENT_STANDING_REJECTED, /* reason: what it sent was refused, or it declined */
    ENT_STANDING_DROPPED /* reason: TIMEOUT, DROPPED, LOST, REVOKED, PHASE (joined too late) ... */
};

enum ent_round_task {
    ENT_ROUND_STATS = 1,
    ENT_ROUND_TRAIN = 2,
    ENT_ROUND_EVALUATE = 3
}; /* = ent_task_kind */
enum ent_round_split {
    ENT_ROUND_NO_SPLIT = 0,
    ENT_ROUND_ON_TRAIN = 1,
    ENT_ROUND_ON_VALIDATION = 2,
    ENT_ROUND_ON_TEST = 3
};

struct ent_run_config {
    uint32_t run;          /* number within the federation */
    uint32_t train_rounds; /* 0: stats, then evaluate(test) on the base */
    uint32_t min_members;
    uint32_t attempts;
    uint64_t join_ms;
    uint64_t update_ms;
    uint64_t retry_ms;
    uint64_t gather_ms; /* after enough members are up at last, wait this long for the other
                           enrolled ones; 0 = not */
    bool validate; /* the plan holds out validation rows; otherwise the last model is the best */
    bool test;     /* the plan has test rows */
};

enum ent_event_kind {
    /* from the operator and the connections */
    ENT_EV_RUN_START, /* config set by ent_round_begin before */
    ENT_EV_STOP,      /* end the run after the current round (in WAIT or JOIN: at once) */
    ENT_EV_TICK,      /* time passed */
    ENT_EV_UP, /* member welcomed: may be invited from the next open on; a joined one goes on where
                  it stands */
    ENT_EV_DOWN,    /* its connection ended: joined members keep their place until the deadline */
    ENT_EV_REVOKED, /* never invited again; dropped(REVOKED) if it had not ended */
    /* messages of members, already verified (signature, sequence); round and attempt are checked
       here: STALE */
    ENT_EV_JOIN,
    ENT_EV_DECLINE, /* code */
    ENT_EV_LOST,
    ENT_EV_OFFER,      /* digest, bytes: an upload asked for */
    ENT_EV_UPDATE,     /* the upload arrived and verified: digest, weight */
    ENT_EV_UPDATE_BAD, /* it did not: code. DROPPED (connection) lets the member offer again; others
                          reject it */
    /* from the engine; round and attempt as in the row of the FINISH or GATE action: STALE */
    ENT_EV_RESULT,        /* CLOSE done: result, model; for evaluate loss_sum and rows */
    ENT_EV_RESULT_FAILED, /* CLOSE could not be done (code): abort the attempt */
    ENT_EV_GATE,          /* release_gate open for this round */
    ENT_EV_DAMAGED, /* the stored update of an accepted `member` (an ADD after a restart) cannot be
                     * read: it is asked for again under the same digest; round and attempt are not
                     * checked */
    ENT_EV_COUNT
};

struct ent_event {
    enum ent_event_kind kind;
    uint64_t now_ms; /* monotonic; never goes back */
    uint32_t member; /* roster index */
    uint64_t round;
    uint32_t attempt;
    enum ent_err code;
    uint32_t weight;
    bool has_base;
    uint8_t digest[ENT_ROUND_DIGEST_BYTES]; /* of the update; of the result */
    uint8_t model[ENT_ROUND_DIGEST_BYTES];  /* RESULT: current model after this round (stats: the
                                               initial one) */
    uint64_t loss_sum;                      /* RESULT of evaluate, in 2^-20 nats */
    uint64_t rows;
};

enum ent_action_kind {
    ENT_ACT_ROW,        /* append to the transaction: row */
    ENT_ACT_SEND_OPEN,  /* RoundOpen to `member` */
    ENT_ACT_SEND_BEGIN, /* Begin to `member` (model follows if it lacks the base) */
    ENT_ACT_GRANT,      /* tell `member` GO as soon as the byte budget allows */
    ENT_ACT_ACK, /* accepted (code OK), accepted before (REPEAT), or rejected for good (its reason)
                  */
    ENT_ACT_REFUSE,  /* tell `member` its last message was refused: code; counted by cause */
    ENT_ACT_ADD,     /* the update of `member` (digest, weight) belongs to the sum; again after a
                        restart */
    ENT_ACT_FINISH,  /* sum complete: task.finish, optimizer step, store; answer with RESULT */
    ENT_ACT_DISCARD, /* the attempt's sum and update files are not needed any more: it was closed or
                        aborted */
    ENT_ACT_SEND_CLOSE, /* RoundClose to every member that is up (not a single one); row = the CLOSE
                           row */
    ENT_ACT_GATE,       /* ask release_gate for this round; answer with GATE when open */
    ENT_ACT_SEND_ABORT, /* Abort to every member that is up; code */
    ENT_ACT_SEND_END, /* RunEnd to every member that is up; digest = best model, code OK or STOPPED
                       */
    ENT_ACT_TIMER,    /* call TICK at at_ms (replaces an earlier timer; 0 = none) */
    ENT_ACT_STALLED   /* say for whom the run waits: enrolled members that are not up, and, after
                       * attempts that failed   (code != OK), those whose standing is not ACCEPTED */
};

/* What the store keeps, in order; fed back by ent_round_replay after a restart. Kinds on disk:
 * never reuse. */
enum ent_row_kind {
    ENT_ROW_RUN_START = 1,
    ENT_ROW_OPEN =
        2, /* round, attempt, task, split, base model; invited members follow as INVITE rows */
    ENT_ROW_INVITE = 3, /* member */
    ENT_ROW_JOIN = 4,   /* member, has_base */
    ENT_ROW_BEGIN = 5,  /* JOIN phase over */
    ENT_ROW_ACCEPT = 6, /* member, digest, weight */
    ENT_ROW_REJECT = 7, /* member, code */
    ENT_ROW_DROP = 8,   /* member, code */
    ENT_ROW_CLOSE = 9,  /* result, model, sum of weights, loss_sum, rows */
    ENT_ROW_ABORT = 10, /* code */
    ENT_ROW_RELEASE = 11,
    ENT_ROW_END = 12, /* best model; code OK or STOPPED */
    ENT_ROW_STOP = 13
};

struct ent_row {
    enum ent_row_kind kind;
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    enum ent_round_task task;
    enum ent_round_split split;
    uint32_t member;
    enum ent_err code;
    uint32_t weight;
    bool has_base;
    uint8_t digest[ENT_ROUND_DIGEST_BYTES];
    uint8_t model[ENT_ROUND_DIGEST_BYTES];
    uint64_t sum_w;
    uint64_t loss_sum;
    uint64_t rows;
};

/* Every action's row carries run, round, attempt, task and split of what it belongs to (ROW: the
 * whole row). */
struct ent_action {
    enum ent_action_kind kind;
    uint32_t member;
    enum ent_err code;
    uint64_t at_ms;
    uint32_t weight;
    uint8_t digest[ENT_ROUND_DIGEST_BYTES];
    struct ent_row row;
};

struct ent_actions {
    struct ent_action *list;
    size_t n;
    size_t cap; /* ENT_BUG_ON overflow: cap >= 4 * members + 16 always suffices (tested) */
};

struct ent_round_member {
    bool enrolled; /* in the roster and not revoked */
    bool up;
    enum ent_standing standing;
    enum ent_err reason;
    bool has_base;
    bool offered; /* digest is bound: an update is computed once an attempt */
    bool damaged; /* accepted, but its stored update is unreadable and asked for again */
    uint32_t weight;
    uint8_t digest[ENT_ROUND_DIGEST_BYTES]; /* of what it offered or had accepted in this attempt */
};

/* What opens next when the phase is WAIT. */
enum ent_round_next { ENT_ROUND_NEXT_ROUND, ENT_ROUND_NEXT_ATTEMPT };

struct ent_round {
    struct ent_run_config config;
    bool begun; /* config is set */
    enum ent_phase phase;
    enum ent_round_next next;
    bool stopping;
    bool stalled;
    uint64_t round;
    uint32_t attempt; /* from 1 */
    uint32_t aborts;  /* in a row */
    enum ent_round_task task;
    enum ent_round_split split;
    uint32_t train_done;                   /* training rounds closed */
    uint64_t deadline_ms;                  /* of the phase; 0 = none */
    uint8_t base[ENT_ROUND_DIGEST_BYTES];  /* model of the current round (zero in stats without a
                                              base) */
    uint8_t model[ENT_ROUND_DIGEST_BYTES]; /* newest model */
    uint8_t best[ENT_ROUND_DIGEST_BYTES];
    uint64_t best_loss_sum;
    uint64_t best_rows;               /* 0 = none yet */
    uint32_t best_train;              /* training round the best model came from; 0 = none */
    uint64_t sum_w;                   /* of the accepted updates of this attempt */
    struct ent_row closed;            /* newest CLOSE row; kind 0 = none */
    struct ent_round_member *members; /* [n_members], caller's storage */
    uint32_t n_members;
};

/* members: [cap] caller's storage (at most ENT_ROUND_MEMBERS_MAX), kept; n_members grows by
 * ent_round_add_member. */
void ent_round_init(struct ent_round *round, struct ent_round_member *members);
uint32_t ent_round_add_member(struct ent_round *round, bool revoked);
/* A new run, before RUN_START or replay; EXISTS while one is active, CONFIG when a number in it is
 * out of range. base: model to start from (zero: the stats round makes the initial one). */
ENT_MUST enum ent_err ent_round_begin(struct ent_round *round, const struct ent_run_config *config,
                                      const uint8_t base[ENT_ROUND_DIGEST_BYTES]);
/* One step. Actions are appended. Never fails: what is not legal becomes a REFUSE action. */
void ent_round_step(struct ent_round *round, const struct ent_event *event,
                    struct ent_actions *actions);
/* Restart: add_member for the roster, begin with the stored config, feed the stored rows of the
 * active run in order (CORRUPT when they do not fit; no actions). Then resume gives the actions
 * that go on: ADD for each accepted update of an open attempt (answer DAMAGED for one that cannot
 * be read), GATE, timers; the next TICK (its TIMER may be at once) gives FINISH or whatever is due.
 * All members are down until their UP. */
ENT_MUST enum ent_err ent_round_replay(struct ent_round *round, const struct ent_row *row);
void ent_round_resume(struct ent_round *round, uint64_t now_ms, struct ent_actions *actions);

bool ent_round_active(const struct ent_round *round); /* a run is going on */
uint32_t ent_round_count(const struct ent_round *round, enum ent_standing standing);
uint32_t ent_round_count_up(const struct ent_round *round); /* enrolled and up */

const char *ent_phase_name(enum ent_phase phase);
const char *ent_standing_name(enum ent_standing standing);
const char *ent_event_name(enum ent_event_kind kind);
const char *ent_row_name(enum ent_row_kind kind);
const char *ent_round_task_name(enum ent_round_task task);
const char *ent_round_split_name(enum ent_round_split split);

#endif
