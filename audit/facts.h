/* IN leaves and findings · OUT what a report says · OWNS its lists · THREADS one at a time
 * SOURCE audit.md 4
 *
 * What verify learned from one export: members, rounds, releases, human actions, builds, and the
 * outcome of each check. Every list is bounded: what comes beyond its bound is counted in `n_lost`
 * of the list and not kept. */
#ifndef ENT_AUDIT_FACTS_H
#define ENT_AUDIT_FACTS_H

#include "common/tlog/leaf.h"
#include "common/tlog/note.h"

/* Bounds of the lists. Entries. */
#define ENT_AUDIT_MEMBERS_MAX ((size_t)4096)
#define ENT_AUDIT_ROUNDS_MAX ((size_t)65536) /* attempts count */
#define ENT_AUDIT_LIST_MAX ((size_t)16384)   /* releases, evaluations, actions, runs, ... */
#define ENT_AUDIT_EVALS_MAX ((size_t)4096)
#define ENT_AUDIT_BUILDS_MAX ((size_t)1024)
#define ENT_AUDIT_RUNS_MAX ((size_t)4096)
#define ENT_AUDIT_METRICS 8                 /* of one evaluation */
#define ENT_AUDIT_FINDINGS_MAX ((size_t)64) /* kept of one check and status; more are counted */
#define ENT_AUDIT_TEXT_MAX 400

/* ENT_AUDIT_CHECK(n, "what it looks at") */
#define ENT_AUDIT_CHECKS 16                        /* V1 ... V16; index = number - 1 */
const char *ent_audit_check_name(unsigned number); /* 1 ... 16 */

enum ent_audit_status {
    ENT_AUDIT_OK,
    ENT_AUDIT_SKIP,       /* not built, or nothing to look at: no effect on the verdict */
    ENT_AUDIT_INCOMPLETE, /* evidence is missing */
    ENT_AUDIT_FAIL        /* a violation is proved */
};

struct ent_audit_facts;

struct ent_audit_finding {
    unsigned check; /* number */
    enum ent_audit_status status;
    bool has_seq;
    uint64_t seq; /* of the leaf, where there is one */
    char text[ENT_AUDIT_TEXT_MAX];
};

struct ent_audit_check {
    enum ent_audit_status status; /* worst of its findings */
    uint64_t n_fail;
    uint64_t n_incomplete;
    char text[ENT_AUDIT_TEXT_MAX]; /* OK, SKIP: what was done, or why not */
};

enum ent_audit_standing { ENT_AUDIT_ADMITTED, ENT_AUDIT_REVOKED, ENT_AUDIT_LEFT };

struct ent_audit_member {
    uint8_t handle[16];
    uint8_t statement_pub[32];
    uint8_t witness_pub[32];
    uint8_t name_commit[32];
    uint64_t admit_seq;
    uint64_t admit_ms;
    enum ent_audit_standing standing;
    uint64_t end_seq; /* of member.revoke or member.leave */
    uint64_t end_ms;
    bool witness; /* in the newest witness set */
    /* over all attempts */
    uint32_t invited;
    uint32_t joined;
    uint32_t accepted;
    uint32_t rejected;
    uint32_t dropped;
    uint32_t withheld; /* invited, did not join: rerolls */
    uint32_t disputes;
    uint32_t ends[ENT_E_COUNT + 1]; /* rejected and dropped by code; the last: codes unknown here */
};

enum ent_audit_outcome { ENT_AUDIT_ROUND_OPEN, ENT_AUDIT_ROUND_CLOSED, ENT_AUDIT_ROUND_ABORTED };

struct ent_audit_round { /* one attempt */
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint32_t task;  /* enum ent_task_kind */
    uint32_t split; /* enum ent_split */
    uint64_t open_seq;
    uint64_t open_ms;
    uint8_t open_hash[32];
    uint64_t cosigned_size; /* that round.open names */
    uint64_t begin_seq;     /* first leaf of phase UPDATE; 0: it did not begin */
    uint32_t invited;
    uint32_t joined;
    uint32_t accepted;
    uint32_t rejected;
    uint32_t dropped;
    enum ent_audit_outcome outcome;
    uint32_t code; /* of an abort: err.def */
    uint64_t end_seq;
    uint64_t end_ms;
    uint64_t sum_w;
    bool has_model;
    uint8_t model[32]; /* newest model after it */
};

struct ent_audit_release {
    uint64_t seq;
    uint64_t ms;
    uint32_t run;
    uint64_t round;
    struct ent_leaf_model_release leaf;
    bool in_export; /* its blob is there */
};
struct ent_audit_eval {
    uint64_t seq;
    uint64_t ms;
    uint32_t run;
    uint64_t round;
    uint32_t split;
    uint8_t model[32];
    uint32_t members;
    bool dp_covered;
    size_t n_metrics;
    struct ent_msg_metric metrics[ENT_AUDIT_METRICS]; /* the first */
};
struct ent_audit_action {
    uint64_t seq;
    uint64_t ms;
    uint32_t action; /* enum ent_log_action */
    uint32_t reason;
    uint32_t outcome;
    size_t subject_len;
    uint8_t subject[32];
};
struct ent_audit_build {
    uint64_t seq;
    uint64_t ms;
    struct ent_leaf_software_start leaf;
};
/* What the base that a config.set names is (V11 says that its rounds start from it). */
enum ent_audit_base {
    ENT_AUDIT_BASE_NONE,
    ENT_AUDIT_BASE_PLAN,     /* the plan's own initial model, computed again */
    ENT_AUDIT_BASE_RELEASED, /* a model that this log released before */
    ENT_AUDIT_BASE_OTHER,    /* neither: brought along, nothing here says what it was made of */
    ENT_AUDIT_BASE_UNKNOWN   /* plan or base are not there to be looked at */
};
const char *ent_audit_base_name(enum ent_audit_base base); /* "plan", ... */

struct ent_audit_run { /* one config.set */
    uint64_t seq;
    uint64_t ms;
    uint32_t run;                    /* of the first round that names it; 0: none did */
    struct ent_leaf_config_set leaf; /* `auditors` points to the array below */
    uint8_t auditors[ENT_LOG_AUDITORS_MAX][32];
    enum ent_audit_base base_is; /* of a run that began */
    uint64_t base_seq;           /* RELEASED: the release */
};
struct ent_audit_auditor {
    uint64_t seq;
    uint64_t ms;
    struct ent_leaf_auditor_admit leaf;
};
struct ent_audit_processing {
    uint64_t seq;
    uint64_t ms;
    struct ent_leaf_processing_set leaf;
};
struct ent_audit_set {
    uint64_t seq;
    uint64_t ms;
    uint32_t version;
    uint32_t bad;
    uint32_t quorum;
    size_t n;
    struct ent_leaf_witness witnesses[ENT_LOG_WITNESSES_MAX];
};
struct ent_audit_erasure {
    uint64_t seq;
    uint64_t ms;
    uint32_t basis;
    size_t n_blobs;
};
struct ent_audit_dispute {
    uint64_t seq;
    uint64_t ms;
    uint8_t handle[16];
    uint64_t round;
    uint32_t attempt;
    bool has_receipt;
    bool proved; /* the receipt contradicts the log */
};

#define ENT_AUDIT_PERSONS                                                                          \
    2 /* figures for a person in j = 1 .. this many members, and the plan's j */
struct ent_audit_spending { /* of one run with privacy: its fullest account */
    uint32_t run;
    uint64_t seq;                   /* its first dp.event */
    struct ent_leaf_dp_event event; /* without accounts: what each of its rounds books */
    uint32_t n_accounts;
    uint8_t fullest[16];
    uint32_t rounds;     /* booked on it */
    uint64_t spent_nano; /* epsilon in 10^-9, as logged */
    uint32_t refunds;    /* of the run */
    /* Epsilon of a person in [i] + 1 members, each with the fullest account; behind them of one in as many as the plan
     * counts on. INFINITY: none can be given. */
    double person[ENT_AUDIT_PERSONS + 1];
};

struct ent_audit_noising { /* of one run with noise at the coordinator */
    uint32_t run;
    uint64_t seq; /* its first round.open that commits to a seed */
    uint32_t n_auditors;
    uint32_t rounds;   /* closed with noise */
    uint64_t nonces;   /* of members, in the salts of these rounds */
    uint32_t opened;   /* seeds that --key opened, and that are those committed to */
    uint32_t withheld; /* invited, and no join: over all attempts that had a commitment */
    uint32_t aborted;  /* such attempts that failed */
};
/* Each of them is a bit that somebody who knows the seed could have chosen noise by. */
uint64_t ent_audit_rerolls(const struct ent_audit_facts *facts);
uint64_t ent_audit_rerolls_of(const struct ent_audit_noising *run);

#define ENT_AUDIT_LIST(type_, name_)                                                               \
    struct type_ *name_;                                                                           \
    size_t n_##name_;                                                                              \
    size_t cap_##name_;                                                                            \
    uint64_t lost_##name_ /* not kept: beyond the bound */

struct ent_audit_facts {
    /* the log */
    char origin[ENT_VKEY_NAME_MAX_BYTES + 1];
    uint64_t size;
    uint8_t root[32];
    bool has_genesis;
    struct ent_leaf_genesis genesis;
    uint8_t genesis_hash[32];
    uint8_t federation[16];
    uint64_t first_ms; /* of the first leaf, of the last */
    uint64_t last_ms;
    size_t n_notes;
    uint64_t cosigned_size;     /* largest size with a quorum; 0: none */
    uint32_t cosigned_by;       /* cosignatures on the newest note ... */
    uint32_t cosigned_of;       /* ... of that many witnesses ... */
    uint32_t cosigned_need;     /* ... of which it needs so many */
    uint64_t cosigned_newest_s; /* newest time of a cosignature on it; 0: none */
    bool pinned;                /* a policy was given */
    uint64_t n_leaves[24];      /* by place in leaves.def */
    uint64_t n_unknown;         /* leaves of no known type */
    uint64_t n_signatures;      /* verified */
    bool has_model;             /* --model: */
    uint8_t model[32];
    bool model_released;
    struct ent_audit_release model_is; /* the release it is, if it is one */

    ENT_AUDIT_LIST(ent_audit_member, members); /* in order of admission */
    ENT_AUDIT_LIST(ent_audit_round, rounds);
    ENT_AUDIT_LIST(ent_audit_release, releases);
    ENT_AUDIT_LIST(ent_audit_eval, evals);
    ENT_AUDIT_LIST(ent_audit_action, actions);
    ENT_AUDIT_LIST(ent_audit_build, builds);
    ENT_AUDIT_LIST(ent_audit_run, runs);
    ENT_AUDIT_LIST(ent_audit_auditor, auditors);
    ENT_AUDIT_LIST(ent_audit_processing, processing);
    ENT_AUDIT_LIST(ent_audit_set, sets);
    ENT_AUDIT_LIST(ent_audit_erasure, erasures);
    ENT_AUDIT_LIST(ent_audit_dispute, disputes);
    ENT_AUDIT_LIST(ent_audit_spending, spendings); /* by run */
    ENT_AUDIT_LIST(ent_audit_noising, noisings);   /* by run */

    struct ent_audit_check checks[ENT_AUDIT_CHECKS];
    ENT_AUDIT_LIST(ent_audit_finding, findings);
};

void ent_audit_facts_release(struct ent_audit_facts *facts);

enum ent_audit_verdict { ENT_AUDIT_PASS, ENT_AUDIT_NOT_COMPLETE, ENT_AUDIT_VIOLATED };
enum ent_audit_verdict ent_audit_verdict(const struct ent_audit_facts *facts);
/* "PASS", "INCOMPLETE", "FAIL". */
const char *ent_audit_verdict_name(enum ent_audit_verdict verdict);
/* "PASS (V1-V12, V15, V16: ...)": the words behind VERDICT. */
void ent_audit_verdict_text(const struct ent_audit_facts *facts, char out[ENT_AUDIT_TEXT_MAX]);

/* The member of a handle; NULL. */
const struct ent_audit_member *ent_audit_member_of(const struct ent_audit_facts *facts,
                                                   const uint8_t handle[16]);

#define ENT_AUDIT_SHORT_BYTES 12
/* "7c1e..90": how a handle or a digest is named to people. */
void ent_audit_short(const uint8_t *bytes, size_t len, char out[ENT_AUDIT_SHORT_BYTES]);

#endif
