/* What the files of this room share; nobody outside includes it.
 *
 * Order within a step: handle (verify, feed the machine; frames are only prepared) -> commit -> send what was prepared
 * -> carry out the machine's actions (which may feed it again) -> until nothing is left. */
#ifndef ENT_COORDINATOR_ENGINE_STATE_H
#define ENT_COORDINATOR_ENGINE_STATE_H

#include "common/base/arena.h"
#include "common/plan/plan.h"
#include "common/task/task.h"
#include "common/wire/wire.h"
#include "coordinator/engine/budget.h"
#include "coordinator/engine/central.h"
#include "coordinator/engine/engine.h"
#include "coordinator/engine/queue.h"
#include "coordinator/engine/trail.h"

#define ENT_RECENT_MESSAGES 8
#define ENT_PUSHES_MAX 4
#define ENT_NO_MEMBER ENT_ROUND_NO_MEMBER
#define ENT_MISSING_PATH 1024

enum ent_upload_state {
    ENT_UPLOAD_NONE,
    ENT_UPLOAD_OFFERED,  /* the machine was asked */
    ENT_UPLOAD_WAITING,  /* granted by the machine, waits for room in the byte budget */
    ENT_UPLOAD_ARRIVING, /* GO was sent */
    ENT_UPLOAD_DONE      /* it arrived, or was refused: kept for the ACK */
};

/* Lines of one kind in the current minute. */
struct ent_say_budget {
    uint32_t lines;
    uint64_t from_ms;
};

/* How often an origin may still ask. */
struct ent_tickets {
    uint64_t origin;
    uint32_t left;
    uint64_t refill_ms; /* monotonic, when the last one came back; 0: unused */
};

/* A member's newest update. */
struct ent_upload {
    enum ent_upload_state state;
    uint64_t request;
    uint64_t sequence; /* of its envelope */
    uint64_t round;
    uint32_t attempt;
    uint32_t weight;
    enum ent_err
        bad; /* what is wrong with its statement: rejected as soon as the machine grants it */
    uint64_t bytes;
    uint64_t charge; /* on the byte budget, while ARRIVING */
    uint64_t ticket; /* first come, first served */
    uint8_t digest[32];
    struct ent_blob *content; /* of a small one that came within its message, until it is stored */
    bool is_small;            /* it came so */
    char why[160];            /* bad, in words */
    uint64_t rows;            /* of statistics, once they were checked */
    bool pending;  /* accepted, but its row is not committed yet: nothing may replace it */
    bool unstored; /* and so are its bytes, which came within its message */
};

struct ent_recent {
    uint64_t sequence;
    uint8_t statement[32]; /* hash of what was signed */
};

struct ent_engine_member {
    uint8_t handle[ENT_HANDLE_BYTES];
    char name[ENT_STORE_NAME_MAX + 1];
    uint8_t statement_pub[ENT_SIGN_PUB_BYTES];
    struct ent_wire_signer signer; /* made of it when its first message comes */
    bool revoked;
    bool joined;            /* counted in by BEGIN of the current attempt */
    uint64_t last_sequence; /* highest that was accepted */
    uint64_t to_store;      /* highest that may be stored: not an update's before its row */
    uint64_t stored;
    uint64_t handling; /* sequence of the message being handled */
    struct ent_recent recent[ENT_RECENT_MESSAGES];
    size_t n_recent; /* ever; the ring holds the last ones */
    ent_conn_id conn;
    uint64_t seen_ms;      /* wall, not stored yet; 0 = nothing new */
    uint32_t declined_run; /* how often it declined with this code in this run */
    enum ent_err declined_code;
    uint32_t n_declined;
    bool declining; /* its last answer to an opening was no; in the words of its last one: */
    ent_free_text declined_text;
    uint32_t refusal; /* enum ent_refusal, 0: it said none */
    struct ent_upload upload;
    struct ent_store_traffic traffic; /* since it was stored last */
    struct ent_say_budget said;       /* lines about what it does by itself */
    uint64_t
        rows; /* training rows that its statistics of this run state, down to a power of two; 0: none */
    bool has_commit;
    uint8_t next_commit[32]; /* of its join, to be stored with the row */
    uint8_t
        standing[32]; /* what its next join has to open: of its last logged join, or admission */
    struct ent_member_log log;
    uint32_t dp_booked; /* rounds of the run on the account of its data set */
    struct ent_store_own
        *own; /* [n_own] what it said of its own test rows, until the round is over */
    size_t n_own;
};

enum ent_push_state { ENT_PUSH_FREE, ENT_PUSH_OFFERED, ENT_PUSH_READY, ENT_PUSH_SENDING };

/* Bytes that the coordinator offered on a connection. */
struct ent_push {
    enum ent_push_state state;
    uint32_t kind; /* enum ent_offer_kind */
    uint64_t request;
    uint64_t offset;
    struct ent_blob *blob;
};

struct ent_conn {
    ent_conn_id id;
    bool enroll; /* on the enrolment listener */
    bool welcomed;
    bool closing;
    bool held;         /* its link holds back what is sent, for the rest of the step */
    uint32_t member;   /* ENT_NO_MEMBER until its HELLO */
    uint32_t told_run; /* run whose RunStart it got */
    uint8_t known_plan[32];
    bool has_base; /* said in its newest JOIN here: who comes back may have lost a small model */
    uint32_t sent_run; /* whose base went out within its offer */
    uint64_t sent_round;
    uint32_t sent_attempt;
    struct ent_peer peer;
    struct ent_push pushes[ENT_PUSHES_MAX];
    struct ent_conn_log log;
};

/* What is sent, to one or several: signed when it leaves, with all else that leaves then. */
struct ent_letter {
    uint32_t refs;
    bool listed; /* among those to be signed */
    struct ent_draft draft;
};

/* A frame (or the end of a connection) that waits for the commit, then for the end of the step. */
struct ent_out {
    ent_conn_id conn;
    bool enroll;
    bool admit;
    bool close;   /* after what was sent */
    uint8_t type; /* 0: no frame */
    uint64_t request;
    struct ent_letter *letter;
    struct ent_out *next;
};

struct ent_outs {
    struct ent_out *first;
    struct ent_out **last;
};

/* Bytes that members may be sent: the plan, models. */
struct ent_shelf {
    uint8_t digest[32];
    struct ent_blob *blob;
};

/* One accepted update of the current attempt. */
struct ent_fold_input {
    uint32_t member;
    uint32_t weight;
    bool is_small; /* in the store's database, not in a file */
};

struct ent_fold {
    struct ent_fold_input *inputs;
    size_t n;
    size_t cap;
};

struct ent_run_metrics {
    bool known;
    struct ent_metrics m;
};

/* The run that ended last: for members that were away. */
struct ent_last_end {
    uint32_t run; /* 0 = none */
    enum ent_err code;
    uint8_t plan[32];
    uint8_t best[32];
    uint32_t best_round;
    struct ent_run_metrics test;
};

/* An envelope that several members get: made once, while the actions of one step are carried out. */
enum ent_sealed_kind { ENT_SEALED_OPEN, ENT_SEALED_BEGIN, ENT_SEALED_OFFER, ENT_SEALED_N };
struct ent_sealed {
    struct ent_letter *letter; /* NULL: none */
    uint8_t digest[32];        /* OFFER: of what */
    uint32_t kind;
};

struct ent_engine {
    struct ent_engine_options options;
    struct ent_home *home;
    struct ent_store *store;
    struct ent_clock clock;
    uint64_t now_ms;
    uint64_t wall_ms;
    struct ent_link *main;
    struct ent_link *enroll;
    struct ent_queue queue;
    bool started;
    enum ent_err fatal;

    struct ent_round round;
    struct ent_round_member *machine_members;
    struct ent_trail audit;
    struct ent_actions actions; /* not carried out yet */
    struct ent_actions doing;   /* being carried out */
    uint64_t timer_ms;          /* 0 = none */
    uint64_t lazy_due_ms;       /* rows that nobody waits for are committed by then; 0 = none */
    char closed_line[1024];     /* said once its row is committed */
    bool sweep_due;             /* once members were told of the next round */

    struct ent_engine_member *members;
    size_t n_members;
    size_t cap_members;
    struct ent_conn **conns;
    size_t n_conns;
    size_t cap_conns;
    struct ent_outs out;    /* waits for the commit */
    struct ent_outs ready;  /* may leave */
    struct ent_arena arena; /* of the message being decoded */

    struct ent_store_run run; /* run 0: none */
    struct ent_plan *plan;
    struct ent_shelf plan_shelf;
    struct ent_shelf models[2];
    size_t next_model; /* shelf to be reused */
    struct ent_sealed sealed[ENT_SEALED_N];
    uint8_t round_open[32]; /* hash of the current attempt's RoundOpen */
    bool begun;             /* BEGIN of the current attempt: who joined is final */
    struct ent_last_end last_end;
    uint32_t ended_run;

    uint8_t selftest[32];
    uint64_t sequence; /* next of ours */
    uint64_t sequence_end;
    uint64_t next_request; /* of our offers */
    uint64_t next_ticket;
    uint64_t budget_used;
    bool
        updates_dirty; /* a file was renamed in DIR/updates and its directory is not synchronised */

    struct ent_budget budget; /* of e->run */
    struct ent_central central;
    struct ent_fold fold;
    struct ent_run_metrics metrics; /* of the round being closed */
    uint8_t *sum;                   /* its integers, little-endian; NULL: none */
    size_t sum_len;
    struct ent_run_metrics newest; /* of any round, for those who watch */
    uint64_t opened_ms;            /* monotonic, of the current attempt; or the restart in it */
    uint32_t restored_run;         /* attempt that was open when the program started */
    uint64_t restored_round;
    uint32_t restored_attempt;
    uint64_t open_before_ms;        /* how long it was under way before that */
    char missing[ENT_MISSING_PATH]; /* the file that the run waits for; "": none */
    uint64_t missing_due_ms;        /* looked for again */
    uint64_t round_in;              /* bytes of the current round */
    uint64_t round_out;
    uint32_t refused[ENT_E_COUNT]; /* of nobody proven, not stored yet */
    uint32_t (*member_refused)[ENT_E_COUNT];
    size_t cap_member_refused;
    bool refusals_dirty;
    uint64_t refusals_due_ms;
    uint64_t crl_due_ms;
    uint64_t crl_said_ms; /* that it cannot be made; 0 = it can */
    bool crl_behind; /* somebody was revoked, or a day went by, since the list that is in use */
    struct ent_say_budget said_refused; /* messages */
    struct ent_say_budget
        said_closed; /* connections: their storm must not hide a member's refusal */
    struct ent_say_budget said_hung_up;
    struct ent_tickets enroll_all; /* rate limit of the enrolment listener */
    struct ent_tickets enroll_origins[64];
};

/* ---- engine.c ---- */
/* Whether one more line of this kind may be written this minute; of: what they are about, for the line that says how many
 * were left out. */
bool ent_engine_may_say(struct ent_engine *e, struct ent_say_budget *said, const char *of);
bool ent_engine_may_say_of(struct ent_engine *e, uint32_t member); /* each member's own */
void ent_engine_say(struct ent_engine *e, enum ent_say kind, const char *fmt, ...) ENT_PRINTF(3, 4);
/* Our own failure (store, memory): remembered, ends the step. */
void ent_engine_fail(struct ent_engine *e, enum ent_err err);
/* The revocation list, if it is due, or at once. It never fails the engine. */
void ent_engine_renew_crl(struct ent_engine *e, bool now);
/* Feed the machine; what it answers is carried out after the commit. `event->now_ms` is set here. */
void ent_engine_feed(struct ent_engine *e, struct ent_event *event);
struct ent_event ent_engine_event(const struct ent_engine *e, enum ent_event_kind kind,
                                  uint32_t member);
bool ent_engine_reserve(struct ent_engine *e); /* room for the machine's actions */

/* ---- restore.c ---- */
ENT_MUST enum ent_err ent_restore(struct ent_engine *e);
/* Of the run's test rows, as stored; not known: there was no such round. */
ENT_MUST enum ent_err ent_engine_test_metrics(struct ent_engine *e, uint32_t run,
                                              struct ent_run_metrics *out);
/* The plan and everything derived of e->run. */
ENT_MUST enum ent_err ent_engine_load_run(struct ent_engine *e);

/* ---- base.c ---- */
/* A model file of the plan's schema and architecture, into the store. SHAPE says what differs. */
ENT_MUST enum ent_err ent_engine_take_base(struct ent_engine *e, const struct ent_plan *plan,
                                           const char *path, uint8_t digest[32]);
/* The first model of a run without statistics, out of the plan alone, into the store. */
ENT_MUST enum ent_err ent_engine_make_base(struct ent_engine *e, const struct ent_plan *plan,
                                           uint8_t digest[32]);

/* ---- missing.c ---- */
/* The run of the store goes on where it was; or, while a model file that it needs is not there, is held: nothing of it
 * moves, members are asked to come back later, and it goes on by itself when the file is back. */
ENT_MUST enum ent_err ent_engine_go_on(struct ent_engine *e);
/* Whether a file that the run needs is not there or damaged: e->missing says which. */
bool ent_engine_is_held(struct ent_engine *e);
void ent_engine_unhold(struct ent_engine *e); /* the run is over */

/* ---- settle.c ---- */
void ent_engine_tick(struct ent_engine *e); /* TICK when the machine's timer is due */
/* One commit, and all that follows from it. */
ENT_MUST enum ent_err ent_engine_settle(struct ent_engine *e);
/* The same, and rows that others could be waited for are not: before a leaf that ends a member's keys. */
ENT_MUST enum ent_err ent_engine_settle_now(struct ent_engine *e);

/* ---- commit.c: rows and what belongs to them, in one transaction ---- */
ENT_MUST enum ent_err ent_commit(struct ent_engine *e);
/* What the engine remembers of a row, also of those replayed. */
void ent_commit_note(struct ent_engine *e, const struct ent_row *row);
ENT_MUST enum ent_err ent_commit_refusals(struct ent_engine *e);
/* Metrics of a stored round, out of its sum, with cells of at least min_group (its plan's). NOT_FOUND: it has none. */
ENT_MUST enum ent_err ent_commit_metrics_of(struct ent_engine *e, uint32_t run, uint64_t round,
                                            uint32_t min_group, struct ent_metrics *out);
/* Metrics of a round that was closed but not released before a restart. */
ENT_MUST enum ent_err ent_commit_reload_metrics(struct ent_engine *e);

/* ---- act.c: what the machine asked for, after the commit ---- */
void ent_act(struct ent_engine *e, const struct ent_action *action);
void ent_act_sweep(struct ent_engine *e); /* models that a round left over, if one was released */

/* ---- members.c ---- */
ENT_MUST enum ent_err ent_members_load(struct ent_engine *e);
ENT_MUST enum ent_err ent_members_add(struct ent_engine *e, const struct ent_store_member *from);
uint32_t ent_members_find(const struct ent_engine *e, const uint8_t handle[ENT_HANDLE_BYTES]);
/* It is no member any more: told why, hung up, dropped from the round. The store knows it already. */
void ent_members_out(struct ent_engine *e, uint32_t member, const char *why);
/* Names of the members for which `wanted` says yes, "brand-a, brand-b and 3 more". */
typedef bool (*ent_member_test)(const struct ent_engine *e, uint32_t member);
void ent_members_names(const struct ent_engine *e, ent_member_test wanted, char *out, size_t cap);

/* ---- conns.c ---- */
struct ent_conn *ent_conns_find(struct ent_engine *e, bool enroll, ent_conn_id id);
struct ent_conn *ent_conns_of(struct ent_engine *e,
                              uint32_t member); /* NULL when it is not connected */
ENT_MUST enum ent_err ent_conns_add(struct ent_engine *e, bool enroll, ent_conn_id id,
                                    const struct ent_peer *peer, struct ent_conn **out);
void ent_conns_remove(struct ent_engine *e, struct ent_conn *conn);
/* The connection speaks for its member no more (closed, replaced, revoked): ends its transfers, tells the machine. */
void ent_conns_unbind(struct ent_engine *e, struct ent_conn *conn);
void ent_conns_bind(struct ent_engine *e, struct ent_conn *conn, uint32_t member);

/* ---- outbox.c: frames wait for the commit ---- */
void ent_outbox_init(struct ent_engine *e);
/* A message without envelope. */
void ent_post(struct ent_engine *e, const struct ent_conn *conn, uint8_t type, uint64_t request,
              struct ent_buf *body_take);
ENT_MUST enum ent_err ent_letter_new(struct ent_letter **out);
void ent_letter_unref(struct ent_letter *letter); /* NULL is fine */
void ent_post_letter(struct ent_engine *e, const struct ent_conn *conn, uint8_t type,
                     uint64_t request, struct ent_letter *letter);
void ent_post_admit(struct ent_engine *e, const struct ent_conn *conn);
void ent_post_close(struct ent_engine *e, struct ent_conn *conn);
void ent_outbox_flush(struct ent_engine *e);  /* what it waited for is committed */
void ent_outbox_let_go(struct ent_engine *e); /* signed, and out */
void ent_outbox_release(struct ent_engine *e);

/* ---- messages.c ---- */
/* about: the round it belongs to. */
struct ent_about {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
};
ENT_MUST enum ent_err ent_message_header(struct ent_engine *e, enum ent_msg_type type,
                                         const struct ent_about *about, struct ent_header *out);
ENT_MUST enum ent_err ent_message_write(struct ent_engine *e, enum ent_msg_type type,
                                        const struct ent_about *about, const void *message,
                                        struct ent_letter **out);
size_t ent_message_metrics(const struct ent_run_metrics *metrics,
                           struct ent_msg_metric out[ENT_METRIC_VALUES]);
struct ent_about ent_message_about(const struct ent_engine *e); /* the current attempt */
void ent_message_post(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                      uint64_t request, const void *message);
/* What sealing failed with: a message that breaks its own bounds costs its receiver, all else ends the step. conn NULL: all. */
void ent_message_unsendable(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                            enum ent_err err);
void ent_message_welcome(struct ent_engine *e, struct ent_conn *conn);
/* The revocation list, or nothing when it is too long for an envelope. */
struct ent_bytes ent_message_crl(const struct ent_engine *e);
void ent_message_run_start(struct ent_engine *e, struct ent_conn *conn); /* and the plan's offer */
void ent_message_close(struct ent_engine *e, const struct ent_row *row);
void ent_message_abort(struct ent_engine *e, const struct ent_action *action);
void ent_message_end(struct ent_engine *e, struct ent_conn *conn); /* NULL: to all */
void ent_message_ack(struct ent_engine *e, uint32_t member, const uint8_t digest[32],
                     enum ent_err code);
/* Refused(code, text) about `sequence`, counted and logged. */
void ent_message_refuse(struct ent_engine *e, struct ent_conn *conn, enum ent_err code,
                        uint64_t sequence, const char *text);
void ent_message_bye(struct ent_engine *e, struct ent_conn *conn, enum ent_err code);
void ent_message_bye_all(struct ent_engine *e, enum ent_err code);

/* ---- announce.c ---- */
void ent_message_open(struct ent_engine *e, uint32_t member);
void ent_message_begin(struct ent_engine *e, uint32_t member);
/* What round.open says of the attempt that opens, but for those invited. In its transaction: with noise, its seed is
 * stored. */
ENT_MUST enum ent_err ent_message_open_fill(struct ent_engine *e, struct ent_msg_round_open *out);
/* An offer with its content: sealed once for all that get it. */
void ent_message_offer(struct ent_engine *e, struct ent_conn *conn, const struct ent_msg_offer *m);
void ent_message_forget_sealed(struct ent_engine *e);

/* ---- admit.c ---- */
void ent_admit_frame(struct ent_engine *e, struct ent_conn *conn,
                     const struct ent_link_event *event);
void ent_refusal_count(struct ent_engine *e, uint32_t member, enum ent_err cause);

/* ---- admit_sequence.c ---- */
/* OK: new. REPEAT: the same number and the same bytes. REPLAY otherwise. A HELLO does not raise the number, being
 * bound to its connection: an update that is offered again after it keeps its older one. */
ENT_MUST enum ent_err ent_admit_sequence(struct ent_engine *e, uint32_t member,
                                         const struct ent_envelope *env);

/* ---- uploads.c ---- */
/* The member's statement about the current attempt, checked against it. */
void ent_uploads_offer(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                       const struct ent_envelope *envelope);
void ent_uploads_granted(struct ent_engine *e, uint32_t member);
void ent_uploads_received(struct ent_engine *e, struct ent_conn *conn, uint64_t request,
                          struct ent_sink *sink_take);
/* Its connection is gone, or the machine does not wait for it any more. */
void ent_uploads_cancel(struct ent_engine *e, uint32_t member, bool connection_lost);
void ent_uploads_pump(struct ent_engine *e); /* start what the budget allows */
/* Those of the current round are so small that they may come within their messages. */
bool ent_uploads_are_small(const struct ent_engine *e);
/* Small updates go into the transaction of their rows. */
ENT_MUST enum ent_err ent_uploads_store(struct ent_engine *e, const struct ent_row *row);
void ent_uploads_stored(struct ent_engine *e, const struct ent_row *row); /* it is committed */
/* Payload bytes of an update of this task. */
ENT_MUST enum ent_err ent_uploads_layout(const struct ent_engine *e, enum ent_round_task task,
                                         size_t *dim, uint64_t *bytes);

/* ---- check.c ---- */
/* Of an update that is offered for the current attempt; *weight: what it will count. */
ENT_MUST enum ent_err ent_uploads_check_statement(const struct ent_engine *e, uint32_t member,
                                                  const struct ent_update_statement *statement,
                                                  uint32_t *weight);
/* The integers of its payload: their range, and that they fit together; what statistics state is noted. */
ENT_MUST enum ent_err ent_uploads_check(struct ent_engine *e, uint32_t member,
                                        const struct ent_blob *payload);

/* ---- pushes.c ---- */
void ent_pushes_offer(struct ent_engine *e, struct ent_conn *conn, enum ent_offer_kind kind,
                      const uint8_t digest[32]);
void ent_pushes_go(struct ent_engine *e, struct ent_conn *conn, uint64_t request, uint64_t offset);
void ent_pushes_sent(struct ent_engine *e, struct ent_conn *conn, uint64_t request);
void ent_pushes_release(struct ent_conn *conn);
ENT_MUST enum ent_err ent_shelf_model(struct ent_engine *e, const uint8_t digest[32],
                                      struct ent_blob **out);
void ent_shelf_release(struct ent_engine *e);

/* ---- enroll.c ---- */
void ent_enroll_frame(struct ent_engine *e, struct ent_conn *conn,
                      const struct ent_link_event *event);
void ent_enroll_renew(struct ent_engine *e, struct ent_conn *conn,
                      const struct ent_envelope *envelope);

/* own.c: a member's message; its figures with the round's row; all of them gone; as the run's member "own_figures". */
ENT_MUST enum ent_err ent_own_take(struct ent_engine *e, uint32_t member,
                                   const struct ent_msg_figures *m);
ENT_MUST enum ent_err ent_own_store(struct ent_engine *e, const struct ent_row *row);
void ent_own_forget(struct ent_engine *e);
struct ent_json_writer;
ENT_MUST enum ent_err ent_own_put(struct ent_engine *e, struct ent_json_writer *w, uint32_t run);

#include "coordinator/engine/sum.h"

#endif
