/* IN leaves that this directory lost, from members · OUT the state that belongs to them
 * OWNS nothing: one transaction of the store · THREADS as store.h
 * SOURCE audit.md 2.4 (mirrors), 2.5 (roll-back)
 *
 * A directory that is an old copy gets back what it lost. What a leaf changes beside the log is told by the projection
 * below, pure, which feeds the round machine with every row that it makes: what the machine does not take is refused.
 *
 * What leaves do not carry, and how it stands afterwards: wall times of rows (the leaf's); rows that a member's
 * statistics stated (ENT_ROUND_ROWS_UNKNOWN until a training update of its shows them); names of members and auditors
 * ("recovered-..."), their salts, TLS keys and certificates (each still opens its connections with the one it has);
 * bytes in and out, sums of evaluations and members' own figures; invitations; runs that were stored and did not start;
 * the state of the server's optimizer; BEGIN, RELEASE, STOP and END rows that nothing later shows (the machine makes
 * them again). */
#ifndef ENT_COORDINATOR_STORE_RECOVER_H
#define ENT_COORDINATOR_STORE_RECOVER_H

#include "common/tlog/leaf.h"
#include "coordinator/store/log.h"

/* ---- what leaves say: pure (recover_project.c) ---- */

enum ent_recovered_kind {
    ENT_RECOVERED_RUN = 1, /* config, plan, base: stands as pending; RUN_START follows */
    ENT_RECOVERED_CANCEL,  /* the pending run will not start */
    ENT_RECOVERED_ROW,     /* row */
    ENT_RECOVERED_MEMBER,  /* handle, admit; member: its index */
    ENT_RECOVERED_REVOKE,  /* handle */
    ENT_RECOVERED_NONCE,   /* member, digest */
    ENT_RECOVERED_SAID,    /* member, sequence */
    ENT_RECOVERED_AUDITOR, /* auditor */
    ENT_RECOVERED_SET,     /* a witness set is agreed: no proposal is open any more */
    ENT_RECOVERED_FIGURES  /* figures */
};
/* One change. Pointers are valid during the call. */
struct ent_recovered {
    enum ent_recovered_kind kind;
    uint64_t leaf; /* that says so */
    uint64_t time_ms;
    uint32_t member;
    uint64_t sequence;
    const uint8_t *handle; /* [ENT_STORE_ID_BYTES] */
    const uint8_t *digest; /* [32] */
    const struct ent_row *row;
    bool by_rows; /* ROW, ACCEPT: its weight is the member's stated rows */
    const struct ent_leaf_config_set *config;
    uint32_t run;
    const struct ent_leaf_member_admit *admit;
    const struct ent_leaf_auditor_admit *auditor;
    const struct ent_store_figures *figures;
};
typedef enum ent_err (*ent_recovered_fn)(void *ctx, const struct ent_recovered *change);

struct ent_projection {
    struct ent_round round; /* as the leaves so far leave it; round.begun: a run is going on */
    struct ent_round_member *members;
    uint8_t (*handles)[ENT_STORE_ID_BYTES]; /* [round.n_members] by index */
    uint32_t pending;                       /* run that is stored and not started; 0: none */
    uint8_t plan[ENT_STORE_DIGEST_BYTES];   /* of the run that is pending or going on */
    uint32_t ended_run;                     /* newest that ended in these leaves; 0: none */
    uint8_t ended_best[ENT_STORE_DIGEST_BYTES];
    bool
        books; /* the run that is going on booked a round: it may end because its budget is spent */
    bool started_unseen; /* a run was stored of which no leaf says more */
    uint64_t open_ms;
    struct ent_store_figures figures; /* of the round that closed last */
    ent_recovered_fn emit;
    void *ctx;
};
/* An empty federation. */
ENT_MUST enum ent_err ent_projection_init(struct ent_projection *projection, ent_recovered_fn emit,
                                          void *ctx);
/* The state that a store has. */
ENT_MUST enum ent_err ent_projection_load(struct ent_projection *projection,
                                          struct ent_store *store);
void ent_projection_release(struct ent_projection *projection);
/* The next leaf: whatever it changes goes to emit, rows after the machine took them. CORRUPT: it does not follow from
 * those before it. PROTOCOL, UNSUPPORTED as ent_leaf_decode. */
ENT_MUST enum ent_err ent_projection_leaf(struct ent_projection *projection, struct ent_bytes leaf);

/* ---- the store (recover_look.c, recover.c) ---- */

/* Leaves first, first + 1, ... as an entry bundle (each behind its big-endian u16 length). `first` may lie before the end
 * of the log here: an old copy that was served for a moment has leaves of its own that no witness saw, and that stand in
 * the way of those that all saw. They go, in the same transaction, if they are what a start alone writes. */
struct ent_recover_leaves {
    struct ent_buf bundle;
    uint64_t first;
    uint64_t n;
};
/* Calls `each` for them in order; its error ends the walk. DATA: no bundle of n leaves. */
ENT_MUST enum ent_err ent_recover_each(const struct ent_recover_leaves *leaves,
                                       ent_store_leaf_fn each, void *ctx);
/* The root of the log of `store` with these leaves behind it; each is of this federation, in its place, canonical, not
 * older than the one before. PROTOCOL, UNSUPPORTED otherwise, with the leaf named. */
ENT_MUST enum ent_err ent_store_recover_root(struct ent_store *store,
                                             const struct ent_recover_leaves *leaves,
                                             uint8_t root[ENT_MERKLE_BYTES]);

/* Whether the leaves from `first` on may go: software.start and operator.action alone, and no quorum behind them. CORRUPT
 * says why not. *dropped: how many. */
ENT_MUST enum ent_err ent_store_recover_may_drop(struct ent_store *store, uint64_t first,
                                                 uint64_t *dropped);

/* What has to be had beside the leaves, by digest. */
#define ENT_RECOVER_MODELS_MAX 4
struct ent_recover_needs {
    uint8_t (*plans)[ENT_STORE_DIGEST_BYTES]; /* that no run of the store has */
    size_t n_plans;
    uint8_t models[ENT_RECOVER_MODELS_MAX][ENT_STORE_DIGEST_BYTES]; /* files that are not there */
    size_t n_models;
    bool lacks_state; /* of the server's optimizer: no member has it */
    bool lost_start;  /* a run was stored and had not started: start it again */
    uint32_t run;     /* going on behind these leaves; 0: none */
    uint64_t round;
};
/* Changes nothing. CORRUPT: the machine does not take the leaves. */
ENT_MUST enum ent_err ent_store_recover_look(struct ent_store *store,
                                             const struct ent_recover_leaves *leaves,
                                             struct ent_recover_needs *out);
void ent_recover_needs_release(struct ent_recover_needs *needs);
/* Appends the plan of this digest, of any run of the store. NOT_FOUND, without a recorded message. */
ENT_MUST enum ent_err ent_recover_own_plan(struct ent_store *store,
                                           const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                           struct ent_buf *out);

struct ent_recover_line {
    uint8_t handle[ENT_STORE_ID_BYTES];
    struct ent_bytes line;
};
struct ent_recover_note {
    uint64_t size;
    uint8_t root[ENT_MERKLE_BYTES];
    struct ent_bytes text;
    const struct ent_recover_line *lines;
    size_t n_lines;
    bool quorum;
};
/* Appends the plan's bytes. */
typedef enum ent_err (*ent_recover_plan_fn)(void *ctx, const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                            struct ent_buf *out);
struct ent_recover_input {
    const struct ent_recover_leaves *leaves;
    const struct ent_recover_note *notes;
    size_t n_notes;
    ent_recover_plan_fn plan;
    void *ctx;
    uint64_t now_ms;
};
/* Leaves, nodes and state in one transaction. On an error nothing has changed. */
ENT_MUST enum ent_err ent_store_recover_leaves(struct ent_store *store,
                                               const struct ent_recover_input *input);
/* The same with the notes, and numbers of messages that go on far above any that can have been used; a leaf
 * operator.action(recover) follows. */
ENT_MUST enum ent_err ent_store_recover(struct ent_store *store,
                                        const struct ent_recover_input *input);

#endif
