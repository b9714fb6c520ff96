/* Inside of verify: what its checks share. Others use verify.h and facts.h. */
#ifndef ENT_AUDIT_INSIDE_H
#define ENT_AUDIT_INSIDE_H

#include "audit/pool.h"
#include "audit/verify.h"
#include "audit/walk.h"
#include "common/plan/plan.h"

#define ENT_AUDIT_NO_SEQ UINT64_MAX
#define ENT_AUDIT_NOBODY UINT32_MAX
#define ENT_AUDIT_TEMP_MAX ((size_t)1 << 17) /* entries of a list that waits for a second pass */

/* How an invited member stands in the open attempt. */
enum ent_audit_place { ENT_AUDIT_INVITED, ENT_AUDIT_JOINED, ENT_AUDIT_ENDED };

struct ent_audit_invited {
    uint32_t member; /* index; ENT_AUDIT_NOBODY: not admitted */
    enum ent_audit_place place;
    bool accepted;
    uint64_t join_seq;
};

/* What is known of a member beside its facts, at the same index. */
struct ent_audit_live {
    struct ent_sign_pub *statement; /* NULL: not a key that anybody could verify with */
    struct ent_sign_pub *witness;
    uint32_t fixed_weight; /* of the run below; 0: none yet */
    uint32_t fixed_run;
    uint32_t slot; /* in the open attempt, plus 1; valid when `attempt` is the audit's */
    uint64_t attempt;
};

/* A tree head that somebody says to have seen. */
struct ent_audit_seen {
    uint64_t size;
    uint8_t root[32];
    uint64_t seq;    /* of the leaf that says so; ENT_AUDIT_NO_SEQ: a file */
    uint32_t member; /* of a leaf; of a file its number */
};

/* A stored note, after its root was recomputed. */
struct ent_audit_stored {
    uint64_t size;
    uint8_t root[32]; /* recomputed */
    bool quorum;
};

/* A receipt that must fit what the log says. */
struct ent_audit_claim {
    uint8_t round_open[32];
    uint8_t digest[32]; /* of the payload that was accepted */
    uint8_t handle[16]; /* of a dispute */
    bool from_file;     /* --receipt: the number is `seq` */
    uint64_t seq;       /* of the dispute's leaf */
    size_t dispute;     /* its place in facts; SIZE_MAX */
    bool round_seen;    /* second pass: */
    bool round_ended;
    bool settled; /* accepted with this digest */
};

struct ent_audit_missing { /* a blob that the log names and the export lacks */
    uint8_t digest[32];
    uint64_t seq;
    uint64_t round;
};

#define ENT_AUDIT_TEMP(type_, name_)                                                               \
    struct type_ *name_;                                                                           \
    size_t n_##name_;                                                                              \
    size_t cap_##name_

struct ent_audit {
    struct ent_export *export;
    const struct ent_audit_options *options;
    struct ent_audit_facts *facts;
    struct ent_audit_pool *pool;
    struct ent_tlog_policy policy;
    struct ent_x25519_key *key;
    uint8_t key_pub[32];

    /* container */
    struct ent_merkle tree;
    struct ent_sha256 hash;
    uint64_t n_tiles;
    bool has_first; /* leaf 0 was decoded: federation and origin are known */
    struct ent_audit_tiles *tiles;

    /* notes */
    struct ent_vkey *keys; /* log, then the witnesses at member index + 1; never moves */
    size_t n_keys;
    size_t next_note; /* place in the export's sizes */
    ENT_AUDIT_TEMP(ent_audit_stored, stored);
    uint64_t cosigned_before; /* largest size with a quorum below facts->cosigned_size */
    size_t pinned_set;        /* place in facts->sets of what the policy pins, plus 1; 0: none */
    bool anchored;            /* a note above it has the policy's own quorum */

    /* members */
    struct ent_audit_live *live; /* [ENT_AUDIT_MEMBERS_MAX] */
    uint32_t *by_handle;         /* open addressing; index + 1 */

    /* the open attempt: facts->rounds' newest, when `open` */
    bool open;
    bool begun;
    uint64_t attempt; /* counts attempts, from 1 */
    struct ent_audit_round round;
    struct ent_msg_round_open opened; /* its lists are not kept */
    struct ent_audit_invited *invited;
    size_t n_invited;
    size_t cap_invited;
    uint64_t sum_w;

    /* the run */
    struct ent_audit_run run; /* whose rounds are played */
    bool has_run;
    struct ent_audit_run next; /* a config.set that no round named yet */
    bool has_next;
    uint32_t last_run;
    uint64_t last_round;
    uint32_t last_attempt;
    uint32_t last_task; /* of the round that closed last; 0: none */
    uint32_t last_split;
    bool last_aborted;
    uint32_t train_done;
    bool has_model;
    uint8_t model[32]; /* newest */
    bool has_best;
    uint8_t best[32];
    uint64_t best_loss_sum;
    uint64_t best_rows;
    uint64_t best_auc;
    uint32_t best_train;
    bool owes_release; /* a round made a model that no model.release named yet */
    uint8_t owed[32];
    bool owes_eval;
    uint64_t begun_open_seq; /* round.open of the newest attempt that began; */
    bool has_begun;          /* there is one */
    uint64_t newest_quorum;  /* largest cosigned size that a round.open named */

    ENT_AUDIT_TEMP(ent_audit_seen, seen_heads);
    ENT_AUDIT_TEMP(ent_audit_claim, claims);
    ENT_AUDIT_TEMP(ent_audit_missing, missing);
    ENT_AUDIT_TEMP(ent_audit_missing, erased);
    uint64_t oldest_plain_ms; /* of the plain copies that are here */
    uint64_t oldest_plain_seq;
    uint64_t n_blobs;
    uint64_t n_seen;  /* heads that were recomputed */
    uint64_t n_seals; /* looked at */
    uint64_t n_seals_opened;
    uint64_t n_seals_foreign; /* updates that are not sealed to --key; */
    uint64_t first_foreign;   /* their first leaf */
    uint64_t last_foreign;
    uint64_t n_weights;
    uint64_t n_cohorts;
    uint64_t n_releases;
    struct ent_audit_budget *budget; /* budget.c */
    struct ent_audit_noise *noise;   /* noise.c */
};

/* facts.c */
ENT_MUST enum ent_err ent_audit_find(struct ent_audit *a, unsigned check,
                                     enum ent_audit_status status, uint64_t seq, const char *fmt,
                                     ...) ENT_PRINTF(5, 6);
#define ent_audit_fail(a_, check_, seq_, ...)                                                      \
    ent_audit_find((a_), (check_), ENT_AUDIT_FAIL, (seq_), __VA_ARGS__)
/* The text of a check that is OK, or SKIP. */
void ent_audit_say(struct ent_audit *a, unsigned check, enum ent_audit_status status,
                   const char *fmt, ...) ENT_PRINTF(4, 5);
/* One more entry, zeroed: *out; NULL when the list is at `max` (then *lost counts, unless NULL). */
struct ent_audit_list {
    void *list; /* address of the pointer to the first entry */
    size_t *n;
    size_t *cap;
    size_t size; /* bytes of an entry */
    size_t max;
    uint64_t *lost;
};
ENT_MUST enum ent_err ent_audit_more(const struct ent_audit_list *list, void *out);
#define ENT_AUDIT_MORE_OF(of_, name_, max_, lost_, out_)                                           \
    ent_audit_more(&(struct ent_audit_list){&(of_)->name_, &(of_)->n_##name_, &(of_)->cap_##name_, \
                                            sizeof *(of_)->name_, (max_), (lost_)},                \
                   (out_))
#define ENT_AUDIT_MORE(facts_, name_, max_, out_)                                                  \
    ENT_AUDIT_MORE_OF(facts_, name_, max_, &(facts_)->lost_##name_, out_)

/* walk.c: one leaf taken apart. */
ENT_MUST enum ent_err ent_audit_leaf_of(uint64_t index, struct ent_bytes bytes,
                                        struct ent_arena *arena, struct ent_sha256 *hash,
                                        struct ent_audit_leaf *out);

/* container.c: V1, V2; the pass over all leaves. */
ENT_MUST enum ent_err ent_audit_container(struct ent_audit *a);
void ent_audit_container_release(struct ent_audit *a);

/* notes.c: V3, V4; quorum.c: V5, V6. */
ENT_MUST enum ent_err ent_audit_notes_init(struct ent_audit *a);
/* The tree has reached a.tree.size: whoever has a note of that size. */
ENT_MUST enum ent_err ent_audit_notes_at(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_notes_end(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_note_done(struct ent_audit *a, struct ent_audit_note *note,
                                          enum ent_err err);
ENT_MUST enum ent_err ent_audit_quorum_note(struct ent_audit *a, const struct ent_audit_note *note,
                                            struct ent_audit_stored *stored);
ENT_MUST enum ent_err ent_audit_quorum_end(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_quorum_set(struct ent_audit *a, const struct ent_audit_leaf *leaf);

/* budget.c: V13. */
ENT_MUST enum ent_err ent_audit_budget_init(struct ent_audit *a);
void ent_audit_budget_free(struct ent_audit *a);
/* Behind the checks of round.open; before the meaning of any leaf. */
ENT_MUST enum ent_err ent_audit_budget_open(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_budget_leaf(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_dp_event(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_dp_refund(struct ent_audit *a, const struct ent_audit_leaf *leaf);
/* A leaf that says whether noise covers what it releases. */
ENT_MUST enum ent_err ent_audit_budget_claim(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                             bool covered, bool figures);
/* Its statement is its own and of the open round. */
ENT_MUST enum ent_err ent_audit_budget_update(struct ent_audit *a,
                                              const struct ent_audit_leaf *leaf, uint32_t member,
                                              const struct ent_update_statement *statement);
ENT_MUST enum ent_err ent_audit_budget_end(struct ent_audit *a);
/* The unit of the run's plan (enum ent_privacy_unit); false: there is no plan that this build reads. */
bool ent_audit_budget_unit(const struct ent_audit *a, uint32_t *unit);

/* noise.c: V15, noise that the coordinator adds. */
ENT_MUST enum ent_err ent_audit_noise_init(struct ent_audit *a);
void ent_audit_noise_free(struct ent_audit *a);
/* A member's first commitment; behind ent_audit_budget_open; a join of `member`; the end of the attempt. */
void ent_audit_noise_admit(struct ent_audit *a, uint32_t member, const uint8_t nonce_commit[32]);
ENT_MUST enum ent_err ent_audit_noise_open(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_noise_join(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                           uint32_t member, const struct ent_msg_join *join);
/* Its join was refused for its nonce (update.reject, bad_nonce): nothing of it stands, its next join only commits. */
void ent_audit_noise_refused(struct ent_audit *a, uint32_t member);
ENT_MUST enum ent_err ent_audit_noise_closed(struct ent_audit *a,
                                             const struct ent_audit_leaf *leaf);
void ent_audit_noise_aborted(struct ent_audit *a);
/* What V15 says of it: appended to `text`; "" where there is none. Behind everything else. */
ENT_MUST enum ent_err ent_audit_noise_end(struct ent_audit *a, char text[ENT_AUDIT_TEXT_MAX]);

/* base.c: what the model is that a run starts from. */
ENT_MUST enum ent_err ent_audit_base_of(struct ent_audit *a, const struct ent_plan *plan);

/* members.c: V8. */
ENT_MUST enum ent_err ent_audit_members_init(struct ent_audit *a);
void ent_audit_members_release(struct ent_audit *a);
uint32_t ent_audit_member_find(const struct ent_audit *a, const uint8_t handle[16]);
ENT_MUST enum ent_err ent_audit_member_admit(struct ent_audit *a,
                                             const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_member_revoke(struct ent_audit *a,
                                              const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_member_leave(struct ent_audit *a,
                                             const struct ent_audit_leaf *leaf);
/* A statement that stands in a leaf, and what is checked of it: type of the message, federation, a
 * sender that may speak, and (on the pool) its signature. */
struct ent_audit_said {
    unsigned type;
    struct ent_bytes header;
    const uint8_t *payload_sha256;
    const uint8_t *signature;
    const uint8_t *who; /* the sender it must have; NULL: any */
    const char *what;   /* static: "update" */
    bool
        copy_differs; /* V15, said only when the signature holds: otherwise that is what is wrong */
};
/* member: the sender, also where a finding says what is wrong with it (good = false); NOBODY: no member
 * at all, or no header. */
struct ent_audit_heard {
    struct ent_header header;
    uint32_t member;
    bool good;
};
ENT_MUST enum ent_err ent_audit_statement(struct ent_audit *a, uint64_t seq,
                                          const struct ent_audit_said *said,
                                          struct ent_arena *arena, struct ent_audit_heard *out);

/* rounds.c: V7, V9, V10. */
ENT_MUST enum ent_err ent_audit_config(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_open(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_join(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_accept(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_end(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_close(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_abort(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_rounds_end(struct ent_audit *a);
/* NULL: not invited in the open attempt. */
struct ent_audit_invited *ent_audit_invited_of(struct ent_audit *a, uint32_t member);

/* course.c: what a round may be, by the config and the rounds before (V7), and its base (V11). */
ENT_MUST enum ent_err ent_audit_course_open(struct ent_audit *a, const struct ent_audit_leaf *leaf);

/* models.c: V11. */
ENT_MUST enum ent_err ent_audit_models_init(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_models_closed(struct ent_audit *a,
                                              const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_models_settled(struct ent_audit *a, uint64_t seq);
ENT_MUST enum ent_err ent_audit_release(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_eval(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_models_end(struct ent_audit *a);

/* seen.c: V12, and the roots of heads (V6). */
ENT_MUST enum ent_err ent_audit_saw(struct ent_audit *a, const struct ent_audit_seen *seen);
ENT_MUST enum ent_err ent_audit_seen_end(struct ent_audit *a);

/* heads.c: --head, the notes beyond. */
ENT_MUST enum ent_err ent_audit_heads(struct ent_audit *a);

/* claims.c: disputes and receipts (V9). */
ENT_MUST enum ent_err ent_audit_dispute_leaf(struct ent_audit *a,
                                             const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_receipts(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_claims_end(struct ent_audit *a);

/* seals.c: V15; blobs.c: V16. */
ENT_MUST enum ent_err ent_audit_seals_of(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                         const struct ent_header *header);
ENT_MUST enum ent_err ent_audit_seals_end(struct ent_audit *a);
ENT_MUST enum ent_err ent_audit_blob_missing(struct ent_audit *a, const uint8_t digest[32],
                                             uint64_t seq, uint64_t round);
ENT_MUST enum ent_err ent_audit_erase(struct ent_audit *a, const struct ent_audit_leaf *leaf);
ENT_MUST enum ent_err ent_audit_blobs_end(struct ent_audit *a);

/* dispatch.c: what each type of leaf means. */
ENT_MUST enum ent_err ent_audit_meaning(struct ent_audit *a, const struct ent_audit_leaf *leaf);

#endif
