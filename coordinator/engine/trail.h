/* IN what members say of the log · OUT leaves, notes, the gate · OWNS the engine's part of the audit log
 * THREADS engine · SOURCE audit.md 2.4; AUDIT.md
 *
 * Leaves are appended in the transaction of the rows that they tell of. Behind the commit the head is published: leaves
 * and one signed note to every member, who cosigns. k cosignatures on one note cover all leaves below its size; until
 * they cover a round no model of it leaves (the gate). */
#ifndef ENT_COORDINATOR_ENGINE_TRAIL_H
#define ENT_COORDINATOR_ENGINE_TRAIL_H

#include "common/tlog/note.h"
#include "coordinator/engine/leaves.h"
#include "coordinator/store/log.h"

struct ent_engine;
struct ent_conn;

/* Who cosigns a note. n 0: nobody, no quorum. */
struct ent_witnesses {
    size_t n;
    uint32_t quorum;
    uint32_t bad; /* f: so many of them may be dishonest */
    struct ent_leaf_witness list[ENT_LOG_WITNESSES_MAX];
};

/* A witness.set, and a member.leave, as the log has them. */
struct ent_log_set {
    uint64_t leaf;
    uint32_t version;
    uint32_t bad;
    size_t n;
    struct ent_leaf_witness list[ENT_LOG_WITNESSES_MAX];
};
struct ent_log_left {
    uint64_t leaf;
    uint8_t handle[ENT_WIRE_HANDLE_BYTES];
};
/* In the order of the log. */
struct ent_witness_history {
    struct ent_log_set *sets;
    size_t n_sets;
    size_t cap_sets;
    struct ent_log_left *left;
    size_t n_left;
    size_t cap_left;
};
/* The set in force for a note above `cosigned`, the largest size with a quorum. UINT64_MAX: the newest. */
void ent_witness_in_force(const struct ent_witness_history *history, uint64_t cosigned,
                          struct ent_witnesses *out);

/* The newest note that members were told of. size 0: none yet. */
struct ent_trail_note {
    uint64_t size;
    uint8_t root[ENT_MERKLE_BYTES];
    struct ent_buf text; /* without cosignatures */
    struct ent_witnesses set;
    char lines[ENT_LOG_WITNESSES_MAX][ENT_NOTE_LINE_MAX_BYTES]; /* by place in set; "": none */
    bool line_stored[ENT_LOG_WITNESSES_MAX];
    uint32_t n_cosigned;
    bool quorum;
    bool stored;       /* with its quorum */
    bool dirty;        /* there is something to be stored */
    uint64_t dirty_ms; /* monotonic, since when */
};

struct ent_trail_gate {
    bool waits;
    uint64_t round;
    uint32_t attempt;
    uint64_t covers; /* leaf */
};

struct ent_trail {
    struct ent_store_genesis genesis;
    struct ent_witness_history history;
    struct ent_trail_note note;
    uint64_t cosigned; /* largest size with a quorum; 0: none */
    struct ent_trail_gate gate;
    bool said_waits;     /* of this note */
    uint64_t told_ms;    /* monotonic, when members were told of it */
    struct ent_buf open; /* leaf round.open of the current attempt */
    uint64_t open_leaf;
    bool has_close;
    uint64_t close_leaf; /* newest round.close */
    bool end_waits; /* the run is over, and its end is not told before the witnesses cover it */
    enum ent_err end_code;
    /* config.set of the run */
    uint64_t config_leaf;
    uint8_t auditors[ENT_LOG_AUDITORS_MAX][32];
    size_t n_auditors;
    bool plain;
    uint64_t purge_due_ms; /* monotonic */
    /* Models that were released as initial or best ones: they stay, an export holds them. */
    uint8_t (*released)[32];
    size_t n_released;
    size_t cap_released;
    /* a set that members are asked to agree to */
    struct ent_buf proposal;
    uint32_t proposal_version;
};

struct ent_conn_log {
    uint64_t sent; /* leaves that it has or was sent */
    bool behind;   /* it gets the rest once it has cosigned up to `sent` */
    bool claims;   /* its HELLO named a head that is not ours: nothing but the proof is heard */
    uint32_t claimant;
};

struct ent_member_log {
    struct ent_leaves_member says;
    uint8_t witness_pub[32];
    struct ent_vkey witness_key; /* made of it when its first cosignature comes: `ready` is owned */
    uint64_t last_seen_ms;       /* wall; 0: never */
    bool left;                   /* member.leave is in the log */
    uint64_t left_leaf;
    uint32_t disputes; /* in this run of the program */
};

/* ---- trail.c: leaves and commits ---- */
ENT_MUST enum ent_err ent_trail_load(struct ent_engine *e);
void ent_trail_release(struct ent_engine *e);
/* In the transaction: leaves of the rows that are about to commit, what members cosigned. */
ENT_MUST enum ent_err ent_trail_commit_rows(struct ent_engine *e);
void ent_trail_committed(struct ent_engine *e);
/* One leaf outside of rounds. */
ENT_MUST enum ent_err ent_trail_append(struct ent_engine *e, enum ent_leaf_type type,
                                       const void *message, uint64_t *idx);
/* What belongs together, in one transaction. */
typedef enum ent_err (*ent_trail_fn)(struct ent_engine *e, void *ctx);
ENT_MUST enum ent_err ent_trail_together(struct ent_engine *e, ent_trail_fn what, void *ctx);
ENT_MUST enum ent_err ent_trail_operator(struct ent_engine *e, enum ent_log_action action,
                                         const void *subject, size_t len);
/* The leaf round.open of the current attempt, out of the log, and its hash. */
ENT_MUST enum ent_err ent_trail_load_open(struct ent_engine *e);
/* software.start, and the note that members are told of first. */
ENT_MUST enum ent_err ent_trail_start(struct ent_engine *e);
ENT_MUST enum ent_err ent_trail_housekeeping(struct ent_engine *e);
ENT_MUST enum ent_err ent_trail_flush(struct ent_engine *e); /* what the witnesses said, now */

/* ---- publish.c: leaves and notes on their way out ---- */
/* The log's word on the tree of `size` leaves: a function of size and root alone. */
ENT_MUST enum ent_err ent_trail_write_note(struct ent_engine *e, uint64_t size,
                                           const uint8_t root[ENT_MERKLE_BYTES],
                                           struct ent_buf *out);
void ent_trail_publish(struct ent_engine *e); /* the head, to all */
void ent_trail_welcome(struct ent_engine *e, struct ent_conn *conn);
void ent_trail_send(struct ent_engine *e, struct ent_conn *conn); /* up to the newest note */

/* ---- witness.c: cosignatures, quorum, gate ---- */
void ent_trail_cosign(struct ent_engine *e, struct ent_conn *conn, const struct ent_msg_cosign *m);
void ent_trail_ask_gate(struct ent_engine *e, const struct ent_action *action);
/* Whether the witnesses have covered what bytes of this kind (enum ent_offer_kind) come from. */
bool ent_trail_may_send(const struct ent_engine *e, uint32_t kind);
/* The run's end is told once it is covered. */
void ent_trail_end(struct ent_engine *e, enum ent_err code);
ENT_MUST enum ent_err ent_trail_witness_key(const struct ent_engine *e,
                                            const struct ent_leaf_witness *witness,
                                            struct ent_vkey *out);
void ent_trail_forget_key(struct ent_member_log *log);
/* "brand-c (last seen 14:02), brand-d": who has not cosigned the newest note; "" when nobody is waited for. */
void ent_trail_awaited(const struct ent_engine *e, char *out, size_t cap);
void ent_trail_say_waits(struct ent_engine *e);
/* The head that a peer says it saw: CORRUPT when this log never had it. */
ENT_MUST enum ent_err ent_trail_check_seen(const struct ent_engine *e, uint64_t size,
                                           const uint8_t root[ENT_MERKLE_BYTES]);
/* The same of a statement within a round: DIGEST. */
ENT_MUST enum ent_err ent_trail_check_claim(const struct ent_engine *e, uint64_t size,
                                            const uint8_t root[ENT_MERKLE_BYTES]);

/* ---- party.c: what members say outside of rounds ---- */
/* HELLO's head. False: this log never had it; the member is asked for the note that says so. */
bool ent_party_hello(struct ent_engine *e, struct ent_conn *conn, uint32_t member,
                     const struct ent_msg_hello *m);
/* Its answer, a PIECE. One that the log's key signed: this directory is behind, and the engine ends. */
void ent_party_shows(struct ent_engine *e, struct ent_conn *conn,
                     const struct ent_envelope *envelope);
void ent_party_welcome(struct ent_engine *e, struct ent_conn *conn);
ENT_MUST enum ent_err ent_party_agree(struct ent_engine *e, uint32_t member,
                                      const struct ent_envelope *envelope);
ENT_MUST enum ent_err ent_party_leave(struct ent_engine *e, uint32_t member,
                                      const struct ent_envelope *envelope);
ENT_MUST enum ent_err ent_party_dispute(struct ent_engine *e, uint32_t member,
                                        const struct ent_envelope *envelope);
/* It cosigned a note of that size, or its connection ended (UINT64_MAX): whoever leaves is out now. */
void ent_party_cosigned(struct ent_engine *e, uint32_t member, uint64_t size);
/* At start: those who left and were not let go yet. */
ENT_MUST enum ent_err ent_party_let_go(struct ent_engine *e);

/* ---- seal.c: what is kept of updates ---- */
struct ent_blob;
/* Of an update that arrived and was checked; noted for its leaf. */
ENT_MUST enum ent_err ent_seal_update(struct ent_engine *e, uint32_t member,
                                      const struct ent_blob *payload);
/* Unsealed copies whose time is over; a leaf says so first. */
ENT_MUST enum ent_err ent_seal_purge(struct ent_engine *e);
ENT_MUST enum ent_err ent_seal_start(struct ent_engine *e);

/* ---- processing.c ---- */
ENT_MUST enum ent_err ent_processing_start(struct ent_engine *e);

/* ---- propose.c: the next witness set ---- */
/* All enrolled members; *is_new: it is not the set that the log has (or asks for) already. */
ENT_MUST enum ent_err ent_propose(struct ent_engine *e, bool *is_new);
void ent_propose_to(struct ent_engine *e, struct ent_conn *conn); /* if it is asked for its word */
ENT_MUST enum ent_err ent_propose_agreed(struct ent_engine *e, uint32_t member,
                                         const struct ent_envelope *envelope);
/* Of the open proposal: whether this member's word is still missing. */
bool ent_propose_awaits(struct ent_engine *e, uint32_t member);
/* The tlog-policy text of the newest set; NOT_FOUND: none. */
ENT_MUST enum ent_err ent_propose_policy(struct ent_engine *e, struct ent_buf *out);

#endif
