/* What the agent's files share. Not for others.
 *
 *   agent.c       life, the loop
 *   agent_step.c  queue -> items -> session_step -> actions
 *   agent_in.c    link events and messages -> items (verified)
 *   agent_in_round.c  those about a round
 *   agent_files.c plans and models on this disk
 *   agent_out.c   actions that send
 *   agent_check.c whether this member takes part
 *   agent_budget.c    what a round costs: asked, booked
 *   agent_work.c  actions that compute, store
 *   agent_bytes.c bytes that come in; the end of rounds and runs
 *   agent_log.c   the audit log: leaves, notes, cosignatures, witnesses
 *   agent_pull.c  what a coordinator that lost something gets back
 *   agent_renew.c renewal of the certificate
 *   agent_tls.c   the link of the ordinary program */
#ifndef ENT_CLIENT_AGENT_AGENT_INTERNAL_H
#define ENT_CLIENT_AGENT_AGENT_INTERNAL_H

#include <signal.h>

#include "client/agent/agent.h"
#include "client/agent/identity.h"
#include "client/agent/pipeline.h"
#include "client/agent/queue.h"
#include "client/mirror/mirror.h"
#include "client/state/state.h"
#include "common/base/arena.h"
#include "common/plan/client_config.h"
#include "common/wire/wire.h"

#define ENT_AGENT_LINE_BYTES 512
#define ENT_AGENT_ITEMS_MAX                                                                        \
    64 /* taken off the queue while a task is computed; the rest waits there */

/* The RoundOpen of a round, as far as later messages and tasks need it. */
struct ent_open_round {
    struct ent_msg_round_open msg; /* its lists are these two */
    uint8_t (*handles)[ENT_WIRE_HANDLE_BYTES];
    uint8_t auditors[ENT_LOG_AUDITORS_MAX][ENT_WIRE_PUBLIC_BYTES];
    uint8_t hash[ENT_SHA256_BYTES];
};

/* One session event on its way, with what is said when the session accepts it. */
struct ent_agent_item {
    struct ent_agent_item *next;
    struct ent_session_event ev;
    struct ent_open_round *open;                         /* ROUND_OPEN */
    struct ent_msg_round_close *close;                   /* ROUND_CLOSE: counts and metrics */
    struct ent_msg_metric metrics[ENT_WIRE_METRICS_MAX]; /* of close */
    struct ent_blob *content;                            /* OFFER: verified; NULL: to be granted */
    enum ent_agent_say say;
    char line[ENT_AGENT_LINE_BYTES]; /* "" = nothing */
};

struct ent_agent_fetch {
    struct ent_session_action action;
    char *tmp; /* path of the file sink; NULL for memory */
};

struct ent_agent {
    struct ent_agent_options options;
    char *dir;
    int lock_fd;
    struct ent_clock clock;
    struct ent_csprng csprng;
    struct ent_identity id;
    struct ent_client_config *config;
    struct ent_state *state;
    struct ent_link *link;
    struct ent_agent_queue queue;
    struct ent_session session;
    struct ent_pipeline *pipeline;
    struct ent_bytes frame;         /* the message being taken, as it came */
    struct ent_arena arena;         /* of the message being decoded */
    struct ent_wire_signer log_key; /* the coordinator's, once it was needed */
    uint8_t selftest[ENT_SHA256_BYTES];
    struct ent_mirror *mirror;
    struct ent_sign_key *witness; /* NULL: it is on another machine */
    bool noted;                   /* a note was taken, and is to be settled after the next commit */
    bool cosign_due;
    struct ent_msg_cosign cosign;
    bool check_waits;       /* for the head to reach the opening of the session's round */
    bool left;              /* the log holds this member's leaving */
    ent_conn_id leave_conn; /* on which it was asked for */

    struct ent_agent_item *first; /* items that wait */
    struct ent_agent_item *last;
    size_t n_items;
    bool started;
    volatile sig_atomic_t stop_asked;
    bool stop_taken;
    uint64_t timer_ms; /* UINT64_MAX: none */

    ent_conn_id conn;
    uint8_t exporter[ENT_EXPORTER_BYTES];
    uint64_t join_sequence; /* of this member's newest messages: a REFUSED names one */
    uint64_t offer_sequence;
    uint64_t renew_sequence;
    struct ent_open_round *open; /* of the session's round */
    struct ent_agent_fetch fetch;
    struct ent_blob *content; /* of the offer that is being handled */
    struct ent_blob *payload; /* of the stored update of this attempt */
    struct ent_tls_key *renew_key;
    uint64_t cert_check_ms; /* wall clock of the next look at the certificate's age */
    bool renew_due;
    char decline_text[ENT_WIRE_TEXT_MAX_BYTES + 1];
    enum ent_refusal refusal; /* of that sentence; NOT_SAID: what its code usually is */
    uint32_t asked_run;       /* one more round of this run fits the budget, as the ledger was at */
    uint64_t asked_seq;       /* this entry */
    uint32_t fits_run;        /* of this run's plan so many rounds fit */
    uint64_t fits_seq;        /* behind this entry */
    uint64_t fits;
    uint32_t declined_run; /* and why: said in full once */
    char declined[4][256];
    size_t n_declined; /* ever; the last ones are kept */
    struct ent_agent_status status;
    char why[ENT_AGENT_LINE_BYTES]; /* what was said last of a refusal, a lost line or a failure */
    uint64_t said_ms;               /* last status line while computing */
    uint64_t files_ms;              /* monotonic, when files were written last; 0: never */
};

/* ---- agent_step.c ---- */
struct ent_agent_item *ent_agent_item(struct ent_agent *agent, enum ent_session_event_kind kind);
/* A result of an action goes before whatever waits. */
void ent_agent_push_first(struct ent_agent *agent, struct ent_agent_item *item_take);
void ent_agent_push_last(struct ent_agent *agent, struct ent_agent_item *item_take);
struct ent_agent_item *ent_agent_pop(struct ent_agent *agent); /* NULL: none waits */
void ent_agent_item_free(struct ent_agent_item *item);
void ent_agent_open_free(struct ent_open_round *open);
void ent_agent_sayf(struct ent_agent *agent, enum ent_agent_say say, const char *fmt, ...)
    ENT_PRINTF(3, 4);
struct ent_attempt ent_agent_attempt(const struct ent_agent *agent); /* the session's */
/* "round 3 (train)"; out: [64] */
#define ENT_AGENT_ROUND_TEXT 64
void ent_agent_round_text(const struct ent_agent *agent, char out[ENT_AGENT_ROUND_TEXT]);
/* Take one link event off the queue into items; false when it was empty. */
bool ent_agent_drain_one(struct ent_agent *agent);
/* Our own failure (disk, memory): said, and the agent stops. */
void ent_agent_fail(struct ent_agent *agent, enum ent_err err);

/* ---- agent_in.c ---- */
void ent_agent_take_event(struct ent_agent *agent, struct ent_link_event *event);
/* What is stored for the attempt that the item names. */
void ent_agent_look_up_update(struct ent_agent *agent, struct ent_agent_item *item);

/* ---- agent_in_round.c: decode, fill the item; an error drops the message ---- */
ENT_MUST enum ent_err ent_agent_take_round_open(struct ent_agent *agent,
                                                const struct ent_envelope *envelope,
                                                struct ent_agent_item *item);
ENT_MUST enum ent_err ent_agent_take_begin(struct ent_agent *agent,
                                           const struct ent_envelope *envelope,
                                           struct ent_agent_item *item);
/* Whether the message is about the session's round, as its RoundOpen was. */
ENT_MUST enum ent_err ent_agent_check_round(const struct ent_agent *agent,
                                            const struct ent_envelope *envelope,
                                            const uint8_t *round_open);
ENT_MUST enum ent_err ent_agent_keep_ack(struct ent_agent *agent, const struct ent_header *header,
                                         const struct ent_msg_ack *m);

/* ---- agent_files.c ---- */
bool ent_agent_plan_here(const struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES]);
bool ent_agent_model_here(struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES]);
/* DIR/plans/<hex>.yaml; caller frees. */
ENT_MUST enum ent_err ent_agent_plan_path(const struct ent_agent *agent,
                                          const uint8_t digest[ENT_SHA256_BYTES], char **out);

/* ---- agent_out.c ---- */
void ent_agent_send_hello(struct ent_agent *agent);
void ent_agent_send_join(struct ent_agent *agent, bool has_base);
void ent_agent_send_decline(struct ent_agent *agent, enum ent_err code);
void ent_agent_send_lost(struct ent_agent *agent);
void ent_agent_send_offer(struct ent_agent *agent);
void ent_agent_send_bytes(struct ent_agent *agent, uint64_t request, uint64_t offset);
void ent_agent_send_go(struct ent_agent *agent, uint64_t request, uint64_t offset);
void ent_agent_send_bye(struct ent_agent *agent);
ENT_MUST enum ent_err ent_agent_header(struct ent_agent *agent, enum ent_msg_type type,
                                       struct ent_header *out);
/* Seal and send; *sequence (may be NULL) gets the number used. */
ENT_MUST enum ent_err ent_agent_send(struct ent_agent *agent, enum ent_msg_type type,
                                     const void *message, uint64_t *sequence);

/* A message without an envelope. */
ENT_MUST enum ent_err ent_agent_send_bare(struct ent_agent *agent, enum ent_msg_type type,
                                          uint64_t request, const void *message);

/* ---- agent_log.c ---- */
ENT_MUST enum ent_err ent_agent_open_log(struct ent_agent *agent);
ENT_MUST enum ent_err ent_agent_take_leaves(struct ent_agent *agent,
                                            const struct ent_envelope *envelope);
ENT_MUST enum ent_err ent_agent_take_note(struct ent_agent *agent,
                                          const struct ent_envelope *envelope);
ENT_MUST enum ent_err ent_agent_take_propose(struct ent_agent *agent,
                                             const struct ent_envelope *envelope);
/* ---- agent_pull.c ---- */
ENT_MUST enum ent_err ent_agent_take_pull(struct ent_agent *agent,
                                          const struct ent_envelope *envelope);
/* After a note: what waits becomes durable, then the cosignature leaves. Nothing without a note. */
void ent_agent_settle_log(struct ent_agent *agent);
/* head.note and small models as files: for other programs and the next start, nothing that this process goes by. They are
 * written when nothing else is to be done, and once a second when there always is. */
bool ent_agent_has_files(const struct ent_agent *agent);
void ent_agent_write_files(struct ent_agent *agent);

/* ---- agent_bytes.c ---- */
void ent_agent_fetch(struct ent_agent *agent, const struct ent_session_action *action);
void ent_agent_fetched(struct ent_agent *agent, struct ent_sink *sink, uint64_t request);
/* The most a model file of this plan may have. */
uint64_t ent_agent_model_max(const struct ent_plan *plan);
void ent_agent_fetch_drop(struct ent_agent *agent);
void ent_agent_keep_content(struct ent_agent *agent, const struct ent_session_action *action);
void ent_agent_forget(struct ent_agent *agent, const struct ent_session_round *id);
void ent_agent_closed_round(struct ent_agent *agent, const struct ent_agent_item *item);
void ent_agent_save_best(struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES]);
void ent_agent_ended(struct ent_agent *agent);

/* ---- agent_metrics.c ---- */
/* "; of those with y = yes, 38 % are in the top 10 % of scores; random would find 10 %" */
#define ENT_AGENT_FOUND_TEXT 256
/* What the policy lets go: a model's figures on this member's own rows, about the open round. */
void ent_agent_send_figures(struct ent_agent *agent, const struct ent_metrics *metrics);
void ent_agent_found_text(const struct ent_agent *agent, double found,
                          char out[ENT_AGENT_FOUND_TEXT]);
/* The same out of metrics; "" when they do not say. */
void ent_agent_found_of(const struct ent_agent *agent, const struct ent_msg_metric *metrics,
                        size_t n, char out[ENT_AGENT_FOUND_TEXT]);
/* "AUC 0.79, log loss 0.28 over 700 rows", "" without such metrics. */
void ent_agent_metrics_text(const struct ent_msg_metric *metrics, size_t n, char *out, size_t size);

/* ---- agent_check.c ---- */
void ent_agent_check(struct ent_agent *agent);
ENT_MUST enum ent_err ent_agent_may_join(struct ent_agent *agent);
/* The sentence that leaves, and that of this terminal; out of ent_err_message(). */
void ent_agent_note_decline(struct ent_agent *agent, enum ent_err code);
/* What kind of refusal a code usually is. */
enum ent_refusal ent_agent_refusal_of(enum ent_err code);

/* ---- agent_budget.c ---- */
/* Whether one more round of the loaded plan fits this member's limits; charges again what an older copy of state.db lacks.
 * POLICY, BUDGET with numbers. Nothing to ask in rounds without noise. */
ENT_MUST enum ent_err ent_agent_may_spend(struct ent_agent *agent);
/* LOST when this attempt was booked before: nobody knows how far it came. Only before computing. */
ENT_MUST enum ent_err ent_agent_lost_booked(struct ent_agent *agent);
/* Durable when it returns; *booked is false in a round without noise. */
ENT_MUST enum ent_err ent_agent_book(struct ent_agent *agent, bool *booked);
/* The newest entry's number and digest, under privacy. */
ENT_MUST enum ent_err ent_agent_state_ledger(struct ent_agent *agent,
                                             struct ent_update_statement *out);

/* ---- agent_work.c ---- */
void ent_agent_compute(struct ent_agent *agent);
/* What STATS or EVALUATE of this round releases. */
ENT_MUST enum ent_err ent_agent_release(const struct ent_open_round *open, struct ent_release *out);

/* ---- agent_renew.c ---- */
void ent_agent_look_at_cert(struct ent_agent *agent); /* sets renew_due */
void ent_agent_send_renew(struct ent_agent *agent);
void ent_agent_renewed(struct ent_agent *agent, const struct ent_msg_renewed *msg);
/* A CRL that the coordinator sent: checked, kept, told to the link. */
void ent_agent_take_crl(struct ent_agent *agent, struct ent_bytes crl);

/* ---- agent_tls.c ---- */
struct ent_agent_transport ent_agent_tls_transport(char *dir);

#endif
