/* Inside coordinator/round only: what the phases say to each other.
 *
 * A step is one event on its way through the machine. State that outlives a restart changes in one
 * place only, ent_row_apply: a live step makes a row (ent_step_row) and applies it, a restart
 * applies the stored one. What a phase does beyond that (deadlines, who is up, uploads under way)
 * is lost with the process and made anew by ent_round_resume. */
#ifndef ENT_COORDINATOR_ROUND_PHASES_H
#define ENT_COORDINATOR_ROUND_PHASES_H

#include "coordinator/round/round.h"

struct ent_step {
    struct ent_round *round;
    const struct ent_event *event; /* NULL in resume */
    struct ent_actions *out;
    uint64_t now_ms;
};

/* One row of the table: what a phase takes, and what it does with it. */
struct ent_phase_rule {
    uint32_t accepts; /* bits 1 << ent_event_kind; others are refused with PHASE */
    void (*handle)(struct ent_step *step);
    void (*on_timeout)(
        struct ent_step *step);          /* the phase's deadline has come; NULL: it has none */
    void (*next)(struct ent_step *step); /* leave the phase if it is over; NULL: only handle does */
};

/* step.c: actions, with the context filled in. */
struct ent_action *ent_step_act(struct ent_step *step, enum ent_action_kind kind, uint32_t member);
void ent_step_refuse(struct ent_step *step, enum ent_err code);
void ent_step_ack(struct ent_step *step, uint32_t member, enum ent_err code);
void ent_step_add(struct ent_step *step, uint32_t member);
/* A row with its context; fill in the rest, then ent_step_row. */
struct ent_row ent_step_row_of(const struct ent_step *step, enum ent_row_kind kind,
                               uint32_t member);
/* Applies the row and emits it. */
void ent_step_row(struct ent_step *step, const struct ent_row *row);
void ent_step_row_code(struct ent_step *step, enum ent_row_kind kind, uint32_t member,
                       enum ent_err code);

/* row.c: the one place where lasting state changes. CORRUPT when the row does not fit. */
ENT_MUST enum ent_err ent_row_apply(struct ent_round *round, const struct ent_row *row);

/* select.c: what opens next, and who is invited. */
/* False when the run is over; otherwise *open gets round, attempt, task, split and base of the next
 * attempt. */
bool ent_select_next(const struct ent_round *round, struct ent_row *open);
/* In RELEASE: the run ends with this round. */
bool ent_select_last(const struct ent_round *round);
bool ent_select_invites(const struct ent_round *round, uint32_t member);
/* a / a_rows < b / b_rows, exactly; rows > 0. */
bool ent_select_less(uint64_t a, uint64_t a_rows, uint64_t b, uint64_t b_rows);

/* The phases. */
void ent_wait_enter(struct ent_step *step);
void ent_wait_handle(struct ent_step *step);
void ent_wait_timeout(struct ent_step *step);
void ent_join_open(struct ent_step *step, const struct ent_row *open);
void ent_join_ask_gate(struct ent_step *step);
void ent_join_handle(struct ent_step *step);
void ent_join_timeout(struct ent_step *step);
void ent_join_next(struct ent_step *step);
void ent_update_begin(struct ent_step *step);
void ent_update_handle(struct ent_step *step);
void ent_update_timeout(struct ent_step *step);
void ent_update_next(struct ent_step *step);
void ent_close_handle(struct ent_step *step);
void ent_release_handle(struct ent_step *step);
void ent_release_ask_gate(struct ent_step *step);

/* Of several phases (attempt.c). */
bool ent_attempt_open_for(enum ent_standing standing); /* invited and not ended */
uint32_t ent_attempt_unended(const struct ent_round *round);
/* DROP rows for all that have not ended: `code`, or, when it is TIMEOUT, DROPPED for those down. */
void ent_attempt_drop(struct ent_step *step, enum ent_err code);
/* Ends the attempt: ABORT row, nothing released, WAIT. Whoever had not ended is dropped. */
void ent_attempt_abort(struct ent_step *step, enum ent_err code);
void ent_attempt_fail(struct ent_step *step); /* RESULT_FAILED */
/* A message from a member whose update was accepted (or rejected): answered again, added once. */
void ent_attempt_repeat(struct ent_step *step);

/* Saturating, and never 0, which means "none". */
uint64_t ent_round_at(uint64_t now_ms, uint64_t after_ms);

#endif
