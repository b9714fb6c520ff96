/* What the tests of this room share: a member's directory made by hand, and a coordinator that says what a test wants
 * it to say, over links in memory and a fake clock. */
#ifndef ENT_TESTS_UNIT_CLIENT_AGENT_SUPPORT_H
#define ENT_TESTS_UNIT_CLIENT_AGENT_SUPPORT_H

#include "client/agent/agent.h"
#include "client/agent/identity.h"
#include "common/base/blob.h"
#include "common/model/model.h"
#include "common/net/link_mem.h"
#include "common/plan/plan.h"
#include "common/wire/wire.h"
#include "tests/unit/client_mirror/book.h"

#define SCRIPT_INBOX 64
#define SCRIPT_SAID 8192

/* DIR/NAME with this text; static storage, eight of them. */
const char *support_file(const char *dir, const char *name, const char *text, size_t len);
/* A plan of two numbers, a category and a boolean; rounds: 1 has no validation rows. */
const char *support_plan_text(void);
/* n rows with header "age,income,job,loan,y,id", separable to a degree; same n and seed, same text. Caller frees. */
char *support_csv(uint32_t n, uint64_t seed);
/* client.yaml for DIR/data.csv */
const char *support_client_text(void);
/* A model file of the plan with small random parameters. */
struct ent_blob *support_model(const struct ent_plan *plan, const char *dir, uint64_t seed);

struct script_frame {
    uint8_t type;
    uint64_t request;
    struct ent_buf body;
};

struct script {
    const char *dir; /* the member's */
    struct ent_clock_fake time;
    struct ent_clock clock;
    struct ent_link_mem_net *net;
    struct ent_link *link; /* the coordinator's end */
    struct ent_agent *agent;
    struct ent_sign_key *log_key;
    struct ent_tls_key *ca_key;
    struct ent_cert *ca;
    uint8_t federation[16];
    uint8_t handle[16];
    uint8_t statement_pub[32];
    uint8_t witness_pub[32];
    struct book book;   /* the coordinator's log */
    uint64_t published; /* leaves that this connection was sent */
    uint64_t last_ms;   /* of the newest opening */
    uint64_t last_index;
    struct ent_msg_cosign cosign; /* the newest */
    uint32_t n_cosigned;
    bool hold;                   /* nothing is delivered until it is false again */
    uint8_t update_header[1024]; /* of the update taken last */
    struct ent_leaf_statement update;
    ent_conn_id conn;
    uint32_t n_opened;
    uint32_t n_closed;
    uint8_t exporter[32];
    struct script_frame inbox[SCRIPT_INBOX];
    size_t n_inbox;
    size_t n_read;
    struct ent_blob *received; /* payload of the update that script_upload took */
    struct ent_sink *arrived;
    bool grants; /* even small bytes go by OFFER, GO, DATA */
    uint64_t sequence;
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint8_t open_hash[32];
    struct ent_arena arena;
    struct ent_plan *plan;
    struct ent_blob *plan_blob;
    struct ent_blob *model;
    uint8_t model_digest[32];
    char said[SCRIPT_SAID]; /* all that the agent said */
    uint32_t renewed;       /* times the transport was told */
};

void script_new(struct script *s, const char *client_yaml);
/* The same with grants even for small bytes. */
void script_new_granting(struct script *s, const char *client_yaml);
/* Of another plan, with the same columns. */
void script_new_of(struct script *s, const char *client_yaml, const char *plan);
void script_free(struct script *s);
/* The member's process dies (no goodbye) and is started again. */
void script_kill(struct script *s);
void script_restart(struct script *s);
/* Deliver and step until nothing is left. */
void script_pump(struct script *s);
/* The same after this much time. */
void script_wait(struct script *s, uint64_t ms);
/* The member's next message must be of this type: verified and decoded into *message (NULL: not wanted). Returns the
 * frame. */
const struct script_frame *script_take(struct script *s, enum ent_msg_type type, void *message,
                                       struct ent_envelope *envelope);
bool script_nothing(struct script *s); /* no message waits */
/* Sealed by the log key, about the current run, round and attempt; then pumped. */
void script_say(struct script *s, enum ent_msg_type type, const void *message);
/* The same sealed by `key`. */
void script_say_as(struct script *s, const struct ent_sign_key *key, enum ent_msg_type type,
                   const void *message);
void script_bare(struct script *s, enum ent_msg_type type, uint64_t request, const void *message);

/* ---- log.c ---- */
/* Genesis and the three members. */
void script_book(struct script *s);
/* Leaves that this connection lacks, and a note over all; the cosignature is taken and checked. */
void script_publish(struct script *s);
/* The same without waiting for an answer. */
void script_send_leaves(struct script *s);
void script_send_note(struct script *s, const struct ent_buf *note);
/* The next message must be a cosignature of the book's `size`. */
void script_take_cosign(struct script *s, uint64_t size);
/* The leaf of an opening, if it is not the newest one anyway; fills its place and hash. */
void script_log_open(struct script *s, struct ent_msg_round_open *m);
/* How this member's update of the round ended, and the round. */
void script_log_update(struct script *s, uint32_t code);
void script_log_close(struct script *s, bool survived);

/* Longer steps, each with its checks. */
void script_welcome(struct script *s,
                    const struct ent_msg_welcome *welcome); /* takes HELLO first */
void script_run_start(struct script *s); /* and the plan, if the member wants it */
struct ent_msg_round_open script_open_msg(const struct script *s, enum ent_task_kind task);
void script_open(struct script *s, const struct ent_msg_round_open *m);
void script_begin(struct script *s);
void script_push(struct script *s, uint32_t kind, const uint8_t *digest, struct ent_blob *blob);
/* Takes the update (granting it, if it is not in its message), checks its digest; the payload stays in `received`. */
void script_upload(struct script *s, struct ent_envelope *envelope);
void script_ack(struct script *s, const uint8_t *digest, uint32_t code);
void script_close(struct script *s);

/* ---- rounds.c ---- */
/* A member that is welcomed and has the plan of run 1. */
void script_running(struct script *s);
void script_running_granting(struct script *s);
/* What arrived in `received` must be what another pipeline computes with the same salt. */
void script_expect_payload(struct script *s, enum ent_task_kind task);
/* A whole round, from RoundOpen to RoundClose. */
void script_round(struct script *s, enum ent_task_kind task, bool push_model);

#endif
