/* IN frames as they are sent, commits as they happen · OUT what was offered, which bytes, which rows, which models
 * OWNS copies of all of it · THREADS under the wire's lock, or while nobody is being stepped · SOURCE protocol.md 6
 *
 * What the laws and the oracle judge by: nothing here comes out of the engine's memory. Rows are read through a
 * connection of its own, so they are what is committed. */
#ifndef ENT_TESTS_INTEGRATION_RECORD_H
#define ENT_TESTS_INTEGRATION_RECORD_H

#include "common/base/arena.h"
#include "common/wire/wire.h"
#include "coordinator/store/store.h"
#include "tests/integration/harness.h"

/* A signed update as it went over the wire for the first time. */
struct record_offer {
    uint32_t member;
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint64_t request;
    uint32_t rows_log2;
    uint8_t digest[32];
    uint8_t *body;
    size_t len;
    uint32_t times; /* it was sent */
};

/* Bytes by their digest: payloads of updates, model files. */
struct record_bytes {
    uint8_t digest[32];
    uint8_t *bytes;
    size_t len;
};

/* A number that was used, and for what. */
struct record_sequence {
    uint32_t member; /* BOX_NOBODY: the coordinator's */
    uint64_t sequence;
    uint8_t statement[32];
};

/* The seed of an attempt's noise, as it was committed. */
struct record_seed {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint8_t seed[32];
};

struct record_conn {
    ent_conn_id dialer;
    uint32_t member; /* BOX_NOBODY before its HELLO */
    bool wounded;    /* something of its stream was lost: it will not live long */
};

struct box_record {
    struct ent_store *reader;
    struct ent_arena arena;
    uint32_t run; /* the newest */
    struct ent_row *rows;
    size_t n_rows;
    size_t cap_rows;
    struct record_offer *offers;
    size_t n_offers;
    size_t cap_offers;
    struct record_bytes *payloads;
    size_t n_payloads;
    size_t cap_payloads;
    struct record_bytes *models;
    size_t n_models;
    size_t cap_models;
    struct record_seed *seeds;
    size_t n_seeds;
    size_t cap_seeds;
    struct record_conn *conns;
    size_t n_conns;
    size_t cap_conns;
    struct record_sequence *sequences;
    size_t n_sequences;
    size_t cap_sequences;
};

void record_new(struct box *box);
void record_free(struct box *box);
/* After a commit of the coordinator's store: rows anew, models that they name. */
void record_commit(struct box *box);
void record_frame(struct box *box, const struct ent_link_mem_frame *frame);

/* A sequence number is stored before it is used: never twice for different messages, restarts or not (law d). */
void record_sequence(struct box *box, uint32_t member, const struct ent_envelope *env);

/* NULL: none such. */
const struct ent_row *record_row(const struct box *box, enum ent_row_kind kind, uint64_t round,
                                 uint32_t attempt, uint32_t member);
const struct ent_row *record_end(const struct box *box);
bool record_run_ended(const struct box *box);
struct record_offer *record_offer_of(const struct box *box, uint32_t member, uint32_t run,
                                     uint64_t round, uint32_t attempt);
const struct record_bytes *record_payload(const struct box *box, const uint8_t digest[32]);
const struct record_bytes *record_model(const struct box *box, const uint8_t digest[32]);
const struct record_seed *record_seed(const struct box *box, const struct ent_row *of);
struct record_conn *record_conn(struct box *box, ent_conn_id dialer);
/* Rows of any run into *out (caller frees). */
size_t record_rows_of(struct box *box, uint32_t run, struct ent_row **out);

#endif
