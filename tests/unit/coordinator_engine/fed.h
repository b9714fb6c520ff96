/* A federation in one process for the engine's tests: a real directory, links in memory, a fake clock, and members made
 * by hand, which say whatever a test wants them to say. */
#ifndef ENT_TESTS_COORDINATOR_ENGINE_FED_H
#define ENT_TESTS_COORDINATOR_ENGINE_FED_H

#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "common/net/link_mem.h"
#include "common/tlog/note.h"
#include "common/wire/wire.h"
#include "coordinator/engine/engine.h"
#include "coordinator/store/log.h"

#define FED_MEMBERS 10
#define FED_INBOX 256

/* What a member received. */
struct fed_frame {
    uint8_t type;
    uint64_t request;
    struct ent_buf body;
};

struct fed;

/* What it knows of the log. */
struct fed_witness {
    struct ent_merkle tree;
    struct ent_sha256 hash;
    uint64_t seen_size; /* cosigned last */
    uint8_t seen_root[32];
    bool silent; /* follows the log, cosigns and agrees to nothing */
    bool lies;   /* its cosignatures do not verify */
    uint32_t n_checkpoints;
    uint32_t n_proposed;
};

struct fed_member {
    struct fed *fed;
    char name[16];
    uint8_t handle[16];
    char uri[ENT_CERTS_URI_BYTES];
    struct ent_sign_key *key;
    struct ent_link *link;
    ent_conn_id conn;
    uint8_t exporter[ENT_EXPORTER_BYTES];
    bool opened;
    bool closed;
    uint64_t sequence; /* the next one */
    struct fed_frame inbox[FED_INBOX];
    size_t n_inbox;
    size_t n_read;
    struct ent_sink *received; /* newest transfer that came */

    /* of the round it heard of last */
    struct ent_msg_round_open open;
    uint8_t open_hash[32];
    uint64_t round;
    uint32_t attempt;
    uint32_t run;
    /* the update it sent, to be sent again byte for byte */
    struct ent_buf update;
    struct ent_blob *payload;
    uint64_t update_request;
    bool has_ack;
    struct ent_msg_ack ack;
    uint32_t rows_log2; /* what its training updates state */
    uint64_t ledger;    /* next entry of its ledger; 0: it states none */
    uint32_t nonce;     /* of its chain, the one that stood last */
    bool bad_nonce;     /* it opens another one */
    bool no_nonce;      /* it opens none */
    /* What it sends instead of an honest payload, when it says true; NULL: never. */
    bool (*compute)(struct fed_member *m, struct ent_buf *payload);
    bool ended;
    struct ent_msg_run_end end;
    uint32_t n_closes;
    struct ent_msg_round_close close; /* without lists */
    struct fed_witness witness;
};

struct fed {
    struct ent_clock_fake time;
    struct ent_clock clock;
    char dir[128];
    struct ent_home *home;
    struct ent_engine *engine;
    struct ent_link_mem_net *net;
    struct ent_link *main;
    struct ent_link *enroll;
    struct fed_member members[FED_MEMBERS];
    struct ent_arena arena;
    uint32_t n_params; /* of the plan's model; 0: 2 */
    bool
        trusting; /* members do not check the signatures of what they get: for thousands of rounds */
    bool inlined; /* small bytes travel within their messages; otherwise all wait for their grant */
};

/* init, open, serve; `members` enrolled. */
void fed_new(struct fed *fed, size_t members);
void fed_new_inline(struct fed *fed, size_t members);
void fed_free(struct fed *fed);
/* The coordinator dies and starts again; connections are lost. */
void fed_restart(struct fed *fed);
void fed_down(struct fed *fed); /* the two halves of it */
void fed_up(struct fed *fed);
/* Everything that is under way, until nothing moves. */
void fed_pump(struct fed *fed);
void fed_pass(struct fed *fed, uint64_t ms); /* time, then pump */
/* A request of the operator: the reply, parsed; caller frees. */
struct ent_json *fed_ask(struct fed *fed, const char *request);
void fed_start_run(struct fed *fed, const char *plan);
uint64_t fed_refusals(struct fed *fed, const char *cause);

#define FED_PLAN_ROUNDS 1
extern const char fed_plan[];

/* fed_witness.c */
/* A frame of the log's: taken care of. */
bool fed_witness(struct fed_member *m, const struct fed_frame *frame);
void fed_cosign(struct fed_member *m, const struct ent_checkpoint *checkpoint);
/* The first n members come, agree to the witness set, and are gone. */
void fed_freeze(struct fed *fed, size_t n);

/* By hand. */
void fed_enroll(struct fed *fed, size_t i, const char *name);
void fed_dial(struct fed_member *m);
struct ent_header fed_header(struct fed_member *m,
                             enum ent_msg_type type); /* takes a sequence number */
void fed_send(struct fed_member *m, const struct ent_header *header, const void *message);
void fed_send_frame(struct fed_member *m, uint8_t type, uint64_t request,
                    const struct ent_buf *body);
void fed_hello(struct fed_member *m); /* an honest one; pumps */
struct ent_msg_hello fed_hello_of(const struct fed_member *m);
void fed_join(struct fed_member *m);
void fed_offer(struct fed_member *m,
               int32_t q); /* computes and offers an update for the round it heard of */
void fed_offer_payload(struct fed_member *m, const struct ent_buf *payload);
/* The honest one of statistics or an evaluation, with integer i set to v. */
void fed_offer_int(struct fed_member *m, size_t i, int64_t v);
/* The next unread frame of that type (older ones are skipped); NULL: none. */
const struct fed_frame *fed_next(struct fed_member *m, uint8_t type);
/* Opened and verified as the coordinator's. */
struct ent_envelope fed_open(struct fed_member *m, const struct fed_frame *frame);
void fed_clear_inbox(struct fed_member *m);
/* Code of the next Refused; ENT_E_OK when there is none. */
enum ent_err fed_refused(struct fed_member *m);

/* Honest members: answer all that was received until nothing moves; `q` of member i's training update is q + i: integers q, -q, q + 1,
 * 1 - q, ... */
void fed_live(struct fed *fed, size_t n, int32_t q);
/* Read the inbox: remember rounds, acks, ends; answer what an honest member answers. */
void fed_answer(struct fed_member *m, int32_t q);
/* Read without answering. */
void fed_hear(struct fed_member *m);

#endif
