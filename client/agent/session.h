/* IN ent_session_event · OUT ent_session_action[] · OWNS the state of one member's conversation ·
 * THREADS agent only SOURCE ARCHITECTURE.md idea 1; protocol.md 1, 4; transport.md "Reconnect"
 *
 * A member's whole course, pure: no clock, socket, disk or allocation in it. Same events and seed,
 * same actions. It has two parts: the line (down, dialing, HELLO sent, up) and the stage of the
 * current round. When the line breaks in the middle of a round the stage stays; WELCOME says how
 * the coordinator sees it, and the member goes on: an update that was stored is offered again byte
 * for byte, one that cannot be is LOST.
 *
 *   DOWN -> DIALING -> HELLO -> READY -> OPENED -> JOINED -> BASE -> COMPUTE -> OFFERED -> SENDING
 * -> DONE -> READY (needs the plan)   (needs the model)
 *
 * What is legal where is a table (session.c); an illegal message is counted, becomes a WARN action,
 * is never fatal. Facts that only the disk knows (is the plan here, the model, a stored update)
 * come with the event that needs them. */
#ifndef ENT_CLIENT_AGENT_SESSION_H
#define ENT_CLIENT_AGENT_SESSION_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/rng.h"

#define ENT_SESSION_DIGEST_BYTES 32
#define ENT_SESSION_BACKOFF_MIN_MS 1000
#define ENT_SESSION_BACKOFF_MAX_MS 60000
#define ENT_SESSION_RENEW_RETRY_MS                                                                 \
    3600000 /* a renewal without an answer is asked for again after an hour */
#define ENT_SESSION_PLAN_MAX_BYTES ((uint64_t)1024 * 1024)
#define ENT_SESSION_MODEL_MAX_BYTES ((uint64_t)1024 * 1024 * 1024)

enum ent_session_state {
    ENT_SESSION_DOWN,    /* waits for its backoff timer (or for START) */
    ENT_SESSION_DIALING, /* dial under way */
    ENT_SESSION_HELLO,   /* HELLO sent */
    ENT_SESSION_READY,   /* welcomed, outside a round */
    ENT_SESSION_OPENED,  /* round open seen, its plan or the member's own check is not there yet */
    ENT_SESSION_JOINED,  /* JOIN sent, waits for BEGIN */
    ENT_SESSION_BASE,    /* begun, the base model is not here yet */
    ENT_SESSION_COMPUTE, /* the task is being computed */
    ENT_SESSION_OFFERED, /* update stored and offered, waits for GO */
    ENT_SESSION_SENDING, /* its bytes are going, waits for ACK */
    ENT_SESSION_DONE,    /* this member's part of the round is over */
    ENT_SESSION_STOPPED, /* for good */
    ENT_SESSION_STATES
};

enum ent_session_event_kind {
    /* from the program */
    ENT_SEV_START,
    ENT_SEV_STOP, /* end cleanly */
    ENT_SEV_TICK,
    /* from the link */
    ENT_SEV_OPENED,
    ENT_SEV_CLOSED, /* code: why */
    /* messages: verified (signature, federation, canonical) by the agent */
    ENT_SEV_WELCOME,     /* run, round, attempt, standing, digest: plan; has_plan, update */
    ENT_SEV_REFUSED,     /* code, about */
    ENT_SEV_RUN_START,   /* run, digest: plan; has_plan */
    ENT_SEV_ROUND_OPEN,  /* run, round, attempt, digest: plan, base; has_plan, has_base, needs_base,
                            update */
    ENT_SEV_BEGIN,       /* run, round, attempt; code: not OK when the cohort is not acceptable */
    ENT_SEV_OFFER,       /* bytes the coordinator has: offer, digest, bytes, request; has_it,
                            has_content */
    ENT_SEV_GO,          /* request, offset */
    ENT_SEV_ACK,         /* digest, code */
    ENT_SEV_ROUND_CLOSE, /* run, round, attempt */
    ENT_SEV_ABORT,       /* round, attempt, code */
    ENT_SEV_RUN_END,     /* run, digest: best (zero: none), code; has_it */
    ENT_SEV_RENEWED,
    ENT_SEV_BYE, /* code */
    /* results of actions */
    ENT_SEV_FETCHED,  /* offer, digest, code: the bytes are here, verified and on disk, or why not;
                        POLICY, LIMIT: this member does not want them */
    ENT_SEV_KEPT,     /* offer, digest, code: the same of an offer's content */
    ENT_SEV_CHECKED,  /* code: may this member take part */
    ENT_SEV_COMPUTED, /* code; digest of the payload that is now stored */
    ENT_SEV_EVENTS
};

enum ent_session_bytes {
    ENT_BYTES_PLAN = 1,
    ENT_BYTES_MODEL = 2,
    ENT_BYTES_BEST = 3
}; /* = wire numbers */
enum ent_session_update { ENT_UPDATE_NONE, ENT_UPDATE_STORED, ENT_UPDATE_DAMAGED };
enum ent_session_about { ENT_ABOUT_OTHER, ENT_ABOUT_JOIN, ENT_ABOUT_OFFER, ENT_ABOUT_RENEW };

/* How the coordinator sees this member in the current attempt (numbers of the wire: ent_standing).
 */
enum ent_session_standing {
    ENT_SEEN_NONE,
    ENT_SEEN_INVITED,
    ENT_SEEN_JOINED,
    ENT_SEEN_OFFERED,
    ENT_SEEN_ACCEPTED,
    ENT_SEEN_REJECTED,
    ENT_SEEN_DROPPED
};

struct ent_session_round {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
};

struct ent_session_event {
    enum ent_session_event_kind kind;
    uint64_t now_ms; /* monotonic */
    enum ent_err code;
    struct ent_session_round id;
    enum ent_session_standing standing; /* WELCOME */
    bool recovering; /* WELCOME: says nothing of rounds, the coordinator asks for what it lost */
    uint8_t digest[ENT_SESSION_DIGEST_BYTES];
    uint8_t base[ENT_SESSION_DIGEST_BYTES]; /* ROUND_OPEN */
    bool has_plan;                          /* the plan of `digest` is on disk */
    bool has_base;                          /* the base model is on disk */
    bool needs_base;                        /* the task starts from a model */
    bool has_it;                            /* OFFER, RUN_END: the bytes of `digest` are on disk */
    bool has_content;               /* OFFER: the bytes came with it: nothing is to be granted */
    bool renew_due;                 /* WELCOME, TICK: the certificate wants renewal */
    enum ent_session_update update; /* WELCOME, ROUND_OPEN: what is stored for that very attempt */
    uint8_t stored[ENT_SESSION_DIGEST_BYTES];
    enum ent_session_bytes offer;
    enum ent_session_about about;
    uint64_t bytes;
    uint64_t request;
    uint64_t offset;
};

enum ent_session_action_kind {
    ENT_SACT_DIAL,
    ENT_SACT_CLOSE, /* the connection; code */
    ENT_SACT_TIMER, /* TICK at at_ms; replaces an earlier one */
    ENT_SACT_SEND_HELLO,
    ENT_SACT_ADMIT,        /* welcomed: lift the handshake deadline */
    ENT_SACT_SEND_JOIN,    /* has_base */
    ENT_SACT_SEND_DECLINE, /* code */
    ENT_SACT_SEND_LOST,
    ENT_SACT_SEND_OFFER, /* the stored update of this attempt */
    ENT_SACT_SEND_BYTES, /* its bytes from offset on, under request */
    ENT_SACT_SEND_RENEW,
    ENT_SACT_SEND_BYE,
    ENT_SACT_FETCH,   /* grant the coordinator's offer: offer, digest, bytes, request; answer with
                           FETCHED */
    ENT_SACT_KEEP,    /* the content of the offer that is being handled: offer, digest; answer with
                           KEPT */
    ENT_SACT_SKIP,    /* not needed: GO with offset = bytes */
    ENT_SACT_CHECK,   /* policy, data, claims; answer with CHECKED */
    ENT_SACT_COMPUTE, /* compute and store, once; answer with COMPUTED */
    ENT_SACT_FORGET,  /* the round is over: its stored update is not needed any more */
    ENT_SACT_SAVE_BEST, /* digest: the run's best model is here */
    ENT_SACT_ENDED,     /* the run is over for this member; code */
    ENT_SACT_STOPPED,   /* nothing follows; code */
    ENT_SACT_WARN       /* message `event` is not legal in this state; code */
};

struct ent_session_action {
    enum ent_session_action_kind kind;
    enum ent_err code;
    uint64_t at_ms;
    uint8_t digest[ENT_SESSION_DIGEST_BYTES];
    enum ent_session_bytes offer;
    enum ent_session_event_kind event;
    struct ent_session_round id; /* FORGET */
    uint64_t bytes;
    uint64_t request;
    uint64_t offset;
    bool has_base;
};

#define ENT_SESSION_ACTIONS_MAX 8
struct ent_session_actions {
    struct ent_session_action list[ENT_SESSION_ACTIONS_MAX];
    size_t n;
};

enum ent_session_line { ENT_LINE_DOWN, ENT_LINE_DIALING, ENT_LINE_HELLO, ENT_LINE_UP };

struct ent_session_fetch {
    enum ent_session_bytes offer;
    uint8_t digest[ENT_SESSION_DIGEST_BYTES];
    uint64_t bytes;
    uint64_t request;
};
#define ENT_SESSION_OFFERS_MAX 4 /* of the coordinator, waiting for their grant on one connection */

struct ent_session {
    enum ent_session_line line;
    enum ent_session_state stage; /* READY .. DONE */
    bool stopped;
    struct ent_rng rng; /* backoff */
    uint64_t backoff_ms;
    uint64_t retry_at_ms; /* 0 = none */
    bool renewing;
    uint64_t renew_at_ms;

    bool has_run;
    bool has_plan;
    uint32_t run;
    uint8_t plan[ENT_SESSION_DIGEST_BYTES];
    bool refuses; /* the policy refused this plan before it was fetched */
    uint8_t refused[ENT_SESSION_DIGEST_BYTES];

    bool has_round;
    bool joined_seen; /* the coordinator counts this member as joined: no second JOIN */
    struct ent_session_round seen; /* in which round WELCOME said so; run 0 = not */
    bool begun;                    /* BEGIN came */
    bool accepted;                 /* the update of this attempt is */
    struct ent_session_round id;
    bool has_base;
    bool needs_base;
    uint8_t base[ENT_SESSION_DIGEST_BYTES];
    bool stored; /* an update of this attempt is stored */
    uint8_t update[ENT_SESSION_DIGEST_BYTES];

    struct ent_session_fetch
        fetches[ENT_SESSION_OFFERS_MAX]; /* the first one is granted, the others wait */
    size_t n_fetches;
    bool wants_best;
    uint8_t best[ENT_SESSION_DIGEST_BYTES];
    enum ent_err end_code;
    uint64_t n_illegal;
};

/* seed: of the backoff's jitter alone. */
void ent_session_init(struct ent_session *session, uint64_t seed);
/* After init, before START: the run that this member took part in when its program ended. */
void ent_session_resume(struct ent_session *session, uint32_t run,
                        const uint8_t plan[ENT_SESSION_DIGEST_BYTES], bool has_plan);
/* The state as the table of legal messages knows it. */
enum ent_session_state ent_session_state(const struct ent_session *session);
/* One step. Never fails. `actions` is emptied first. */
void ent_session_step(struct ent_session *session, const struct ent_session_event *event,
                      struct ent_session_actions *actions);
/* Whether that kind of message is legal in that state. */
bool ent_session_legal(enum ent_session_state state, enum ent_session_event_kind kind);
/* Whether `event`, waiting in the queue while a task is computed, makes the computation pointless.
 */
bool ent_session_ends_compute(const struct ent_session *session,
                              const struct ent_session_event *event);

const char *ent_session_event_name(enum ent_session_event_kind kind);

#endif
