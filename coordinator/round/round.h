/* IN ent_event · OUT ent_action[] · OWNS the state of one run (storage of the members: the
 * caller's) THREADS engine only SOURCE ARCHITECTURE.md idea 1; protocol.md 4
 *
 * The whole protocol of a run, pure: no clock, socket, disk, lock, float or allocation. Same
 * events, same actions, so every schedule is tested in one process, and a restart feeds the stored
 * rows through the function that made them. Tensors never pass through: the machine sees members
 * (by index), digests, weights, counts, deadlines.
 *
 * A run is a sequence of rounds, one summed task each: stats (once; none with no_stats), then train and
 * evaluate(validation) in turn `train_rounds` times, or until `patience` of them in a row brought no
 * better model, then evaluate(test) on the best model. Rounds count from 1 over all tasks; an aborted
 * attempt keeps its round number and counts `attempt` up.
 * Phases of a round:
 *
 *   WAIT     until enough members are up
 *   JOIN     OPEN row committed, RoundOpen sent, release_gate asked: invited members join or decline,
 *            witnesses cosign; over when the gate is open and all have answered (or time is up)
 *   UPDATE   joined members send their updates
 *   CLOSE    the engine sums and applies
 *   RELEASE  CLOSE row committed, release_gate asked (of the round that the run ends with: the
 *            witnesses'); then WAIT for the next round
 *
 * Too few joins or updates in time: ABORT row, nothing released, WAIT for retry_ms, attempt + 1.
 * After `attempts` aborts in a row the run stays in WAIT (stalled) until enough members are up,
 * then tries again, with a back-off: retry_ms doubled for each further abort, at most 64 times
 * retry_ms; a member coming up shortens it to retry_ms.
 *
 * A round is closed (RELEASE row, SEND_CLOSE) or aborted (ABORT row, SEND_ABORT) in one step and
 * the next attempt opened in a later one (TIMER, at once or after retry_ms), so that standings and
 * round still are those of the attempt when the engine executes the actions. Round and attempt
 * count up when an attempt opens.
 *
 * A member lost in mid-round costs at most the deadline: when all that are up have ended and enough
 * updates were accepted, those that are down have join_ms more to come back.
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
#define ENT_ROUND_AUC_UNIT 0x1p32 /* an AUC of 1, as events and rows count it */
/* Rows that an accepted member's statistics stated, of a round that came back from the log, which does not say them. */
#define ENT_ROUND_ROWS_UNKNOWN ((uint64_t)INT64_MAX)
#define ENT_ROUND_NO_MEMBER UINT32_MAX /* REFUSE of an event that came from no member */

enum ent_phase {
    ENT_PHASE_IDLE,    /* no run, or its run has ended */
    ENT_PHASE_WAIT,    /* before (another) attempt: for retry_at_ms, or for members when stalled */
    ENT_PHASE_JOIN,    /* invited members join or decline, until the deadline or all answered; then
                          until GATE */
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

/* = ent_task_kind, ent_split (coordinator/engine/check.c holds them to it) */
enum ent_round_task { ENT_ROUND_STATS = 1, ENT_ROUND_TRAIN = 2, ENT_ROUND_EVALUATE = 3 };
enum ent_round_split {
    ENT_ROUND_NO_SPLIT = 0,
    ENT_ROUND_ON_TRAIN = 1,
    ENT_ROUND_ON_VALIDATION = 2,
    ENT_ROUND_ON_TEST = 3
};

/* What the validation rows choose the best model by; on a tie the earlier one stays. On disk. */
enum ent_round_best_by {
    ENT_ROUND_BEST_BY_LOSS = 0, /* the lowest mean loss */
    ENT_ROUND_BEST_BY_AUC = 1   /* the highest AUC, of the same AUC the lowest mean loss */
};

struct ent_run_config {
    uint32_t run;          /* number within the federation, from 1 */
    uint32_t train_rounds; /* 0: stats, then evaluate(test) on the base */
    uint32_t min_members;  /* at least 1 */
    uint32_t attempts;     /* at least 1 */
    uint64_t join_ms;      /* these three at least 1 */
    uint64_t update_ms;
    uint64_t retry_ms;
    uint64_t gather_ms; /* once enough members are up, wait so long for the others; 0 = not */
    bool validate;      /* the plan holds out validation rows; otherwise the last model is best */
    bool test;          /* the plan has test rows */
    uint32_t patience;  /* training rounds without a better model that end training; 0: never */
    enum ent_round_best_by best_by;
    bool no_stats; /* begins with training on the base: nothing is counted */
};

enum ent_event_kind {
    /* From the operator and the connections. */
    ENT_EV_RUN_START, /* config was set by ent_round_begin */
    ENT_EV_STOP,    /* end the run after the current round (in WAIT or JOIN: at once); code not OK:
                         the round cannot be closed any more, in UPDATE at once as well. BUDGET, where
                         training opens next: it is not paid for, and nobody stopped the run */
    ENT_EV_TICK,    /* time passed */
    ENT_EV_UP,      /* member welcomed: invited from the next open on; a joined one goes on */
    ENT_EV_DOWN,    /* its (newest) connection ended: it keeps its place until the deadline */
    ENT_EV_REVOKED, /* never invited again; dropped(REVOKED) if it had not ended */
    /* Messages of members, verified (signature, sequence). Another round or attempt: STALE. */
    ENT_EV_JOIN,    /* has_base */
    ENT_EV_DECLINE, /* code; also after BEGIN, when its data cannot be used */
    ENT_EV_LOST,    /* it cannot send again the update of this attempt */
    ENT_EV_OFFER,   /* digest: an upload asked for */
    ENT_EV_UPDATE,  /* the upload arrived and verified: digest as offered, weight; of stats: rows */
    ENT_EV_UPDATE_BAD, /* it did not: code. DROPPED: it may offer again; others reject it */
    /* From the engine. Round and attempt as in the row of FINISH or GATE; otherwise STALE. */
    ENT_EV_RESULT, /* CLOSE done: digest, model; of train state; of evaluate loss_sum, rows, auc */
    ENT_EV_RESULT_FAILED, /* CLOSE could not be done, or in JOIN and UPDATE: it will not be possible
                             (code): abort the attempt */
    ENT_EV_GATE, /* release_gate is open for this round: in JOIN for its model, in RELEASE for what
                    it made */
    /* The stored update of an accepted member cannot be read (ADD after a restart): it is asked for
     * again under the same digest. To be stepped before any other event. Round and attempt are not
     * looked at. */
    ENT_EV_DAMAGED,
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
    uint8_t model[ENT_ROUND_DIGEST_BYTES];  /* RESULT of stats (the initial one) and train */
    uint8_t
        state[ENT_ROUND_DIGEST_BYTES]; /* RESULT of train: of the server's optimizer; zero: none */
    uint64_t loss_sum;                 /* RESULT of evaluate, in 2^-20 nats */
    uint64_t rows;
    uint64_t auc; /* RESULT of evaluate, 1 is ENT_ROUND_AUC_UNIT; 0: not defined */
};

enum ent_action_kind {
    ENT_ACT_ROW,        /* append to the transaction: row */
    ENT_ACT_SEND_OPEN,  /* RoundOpen to `member` (also again, after it came back) */
    ENT_ACT_SEND_BEGIN, /* Begin to `member` (model follows if it lacks the base) */
    ENT_ACT_GRANT,      /* tell `member` GO as soon as the byte budget allows */
    ENT_ACT_ACK,        /* code OK: accepted; REPEAT: it was before; others: rejected for good */
    ENT_ACT_REFUSE,     /* tell `member` its last message was refused: code; counted by cause */
    ENT_ACT_ADD,        /* the update of `member` (digest, weight) belongs to the sum */
    ENT_ACT_FINISH,     /* sum complete: task.finish, optimizer step, store; answer with RESULT */
    ENT_ACT_DISCARD,    /* the attempt's sum and update files are not needed any more */
    ENT_ACT_SEND_CLOSE, /* RoundClose to every member that is up; row = the CLOSE row */
    /* Ask release_gate for this round; answer with GATE when open. witnessed: the witnesses must have cosigned what
       is committed; otherwise the commit is the gate. */
    ENT_ACT_GATE,
    ENT_ACT_WITNESSES, /* say for whom the round waits: all have answered, but the gate is closed */
    ENT_ACT_SEND_ABORT, /* Abort to every member that is up; code */
    ENT_ACT_SEND_END,   /* RunEnd to every member that is up; digest = best model (zero: none was
                           trained); OK, STOPPED or BUDGET */
    ENT_ACT_TIMER,      /* call TICK at at_ms (replaces an earlier timer; 0 = none) */
    /* Say for whom the run waits: enrolled members that are not up and, after attempts that failed
     * (code is not OK), those whose standing is not ACCEPTED. */
    ENT_ACT_STALLED
};

/* What the store keeps, in order; fed back by ent_round_replay after a restart. Kinds on disk:
 * never reuse. */
enum ent_row_kind {
    ENT_ROW_RUN_START = 1,
    ENT_ROW_OPEN = 2,   /* round, attempt, task, split; model = the base. INVITE rows follow */
    ENT_ROW_INVITE = 3, /* member */
    ENT_ROW_JOIN = 4,   /* member, has_base */
    ENT_ROW_BEGIN = 5,  /* JOIN phase over */
    ENT_ROW_ACCEPT = 6, /* member, digest, weight; of stats: the rows it stated, rounded down to a
                           power of two */
    ENT_ROW_REJECT = 7, /* member, code */
    ENT_ROW_DROP = 8,   /* member, code */
    ENT_ROW_CLOSE = 9,  /* digest = result, model, state, sum_w, loss_sum, rows, auc */
    ENT_ROW_ABORT = 10, /* code */
    ENT_ROW_RELEASE = 11,
    ENT_ROW_END =
        12, /* model = the best, best_train; zero when none was trained; code OK, STOPPED or BUDGET */
    ENT_ROW_STOP = 13
};

struct ent_row {
    enum ent_row_kind kind;
    uint32_t run;
    uint64_t round; /* this one to split: always set */
    uint32_t attempt;
    enum ent_round_task task; /* 0 before the first round */
    enum ent_round_split split;
    uint32_t member; /* ENT_ROUND_NO_MEMBER where the kind names none */
    enum ent_err code;
    uint32_t weight;
    bool has_base;
    uint8_t digest[ENT_ROUND_DIGEST_BYTES];
    uint8_t model[ENT_ROUND_DIGEST_BYTES];
    uint8_t state[ENT_ROUND_DIGEST_BYTES]; /* of the server's optimizer behind this round */
    uint64_t sum_w;
    uint64_t loss_sum;
    uint64_t rows; /* ACCEPT of stats: may be ENT_ROUND_ROWS_UNKNOWN */
    uint64_t auc;
    uint32_t best_train; /* training round the best model came from; 0: none */
};

struct ent_action {
    enum ent_action_kind kind;
    uint32_t member; /* ENT_ROUND_NO_MEMBER where the kind names none */
    enum ent_err code;
    uint64_t at_ms;
    uint32_t weight;
    bool witnessed; /* GATE */
    uint8_t digest[ENT_ROUND_DIGEST_BYTES];
    struct ent_row row; /* ROW: the whole row; others: run, round, attempt, task, split, member */
};

struct ent_actions {
    struct ent_action *list;
    size_t n;
    size_t cap; /* ENT_BUG_ON overflow: 4 * members + 16 more than n always suffices (tested) */
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
    uint8_t digest[ENT_ROUND_DIGEST_BYTES]; /* of what it offered or had accepted */
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
    bool gate_open; /* JOIN: GATE came for this opening. Not in any row: asked again by resume */
    uint64_t round;
    uint32_t attempt;        /* from 1 */
    uint32_t aborts;         /* in a row */
    enum ent_err abort_code; /* of the last abort; OK after a round that closed */
    enum ent_round_task task;
    enum ent_round_split split;
    uint32_t train_done; /* training rounds closed */

    uint64_t deadline_ms;  /* of the phase; 0 = none */
    uint64_t grace_ms;     /* UPDATE: all that are up have ended, the others have until then; 0 */
    uint64_t retry_at_ms;  /* WAIT: not before */
    uint64_t soonest_ms;   /* WAIT: a member coming up brings retry_at_ms forward to this */
    uint64_t gather_at_ms; /* WAIT: until then for members beyond the fewest; 0 = not begun */
    bool gathering;
    uint64_t timer_ms; /* of the last TIMER action */
    uint64_t now_ms;   /* of the last event */

    uint8_t base[ENT_ROUND_DIGEST_BYTES];  /* of the current round (zero: stats without a base) */
    uint8_t model[ENT_ROUND_DIGEST_BYTES]; /* newest model */
    uint8_t state[ENT_ROUND_DIGEST_BYTES]; /* of the server's optimizer; zero: none yet */
    uint8_t best[ENT_ROUND_DIGEST_BYTES];
    uint64_t best_loss_sum;
    uint64_t best_rows; /* 0 = none yet */
    uint64_t best_auc;
    uint32_t best_train;   /* training round the best model came from; 0 = none */
    uint64_t sum_w;        /* of the accepted updates of this attempt */
    struct ent_row closed; /* newest CLOSE row; kind 0 = none */

    struct ent_round_member *members; /* [n_members], caller's storage */
    uint32_t n_members;
};

/* members: caller's storage for as many as will be added (at most ENT_ROUND_MEMBERS_MAX), kept; n_members grows by
 * ent_round_add_member. */
void ent_round_init(struct ent_round *round, struct ent_round_member *members);
uint32_t ent_round_add_member(struct ent_round *round, bool revoked);
/* A new run, before RUN_START or replay; EXISTS while one is active, CONFIG when a number in it is
 * out of range, or no_stats comes without a base. base: model to start from (zero: the stats round makes the initial one). */
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
/* In WAIT: whether an attempt of training opens next. */
bool ent_round_trains_next(const struct ent_round *round);
/* Training ends before its last round: `patience` rounds brought no better model. */
bool ent_round_out_of_patience(const struct ent_round *round);
uint32_t ent_round_count(const struct ent_round *round, enum ent_standing standing);
uint32_t ent_round_count_up(const struct ent_round *round); /* enrolled and up */

const char *ent_phase_name(enum ent_phase phase);
const char *ent_standing_name(enum ent_standing standing);
const char *ent_event_name(enum ent_event_kind kind);
const char *ent_row_name(enum ent_row_kind kind);
const char *ent_round_task_name(enum ent_round_task task);
const char *ent_round_split_name(enum ent_round_split split);

#endif
