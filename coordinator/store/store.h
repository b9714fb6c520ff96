/* IN event rows, members, tokens, figures, model bytes · OUT the same, after any crash
 * OWNS DIR/federation.db, DIR/models/, DIR/updates/
 * THREADS one at a time: the engine while `serve` runs, an offline verb while it holds DIR/lock
 * SOURCE ARCHITECTURE.md idea 1 (write-ahead); protocol.md 2, 3, 4
 *
 * What the coordinator knows, in one SQLite file (WAL, synchronous=FULL). Whatever belongs together
 * is committed together: ent_store_begin, any of the calls below, ent_store_commit. A call outside
 * of begin and commit is its own transaction. After an error inside a transaction only
 * ent_store_rollback is left. Times are wall-clock milliseconds since 1970. Strings in structs end
 * with a zero byte. Every call may return IO (disk full, ...), CORRUPT (the database is damaged:
 * the text says what to do), NO_MEMORY. */
#ifndef ENT_COORDINATOR_STORE_STORE_H
#define ENT_COORDINATOR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "coordinator/round/round.h"

#define ENT_STORE_ID_BYTES 16     /* federation id, member handle */
#define ENT_STORE_DIGEST_BYTES 32 /* SHA-256 */
#define ENT_STORE_NAME_MAX 64     /* bytes of a member's or federation's name */
#define ENT_STORE_SERIAL_MAX 20   /* bytes of a certificate's serial number (RFC 5280) */
#define ENT_STORE_CERT_MAX 4096   /* bytes of a member's certificate (DER) */
#define ENT_STORE_TLS_PUB_MAX 256 /* bytes of a SubjectPublicKeyInfo (DER); P-256 takes 91 */
#define ENT_STORE_PLAN_MAX ((size_t)1024 * 1024) /* bytes of plan.yaml */

struct ent_store;

/* ---- opening (store.c) ---- */

struct ent_store_identity {
    uint8_t federation[ENT_STORE_ID_BYTES];
    char name[ENT_STORE_NAME_MAX + 1];
    uint64_t created_ms;
};

/* `init`: make DIR/federation.db, DIR/models, DIR/updates. EXISTS when there is a database. */
ENT_MUST enum ent_err ent_store_create(const char *dir, const struct ent_store_identity *identity);
/* NOT_FOUND: no federation in DIR; VERSION: made by a newer program. */
ENT_MUST enum ent_err ent_store_open(const char *dir, struct ent_store **out);
/* For `status` while `serve` holds the directory: nothing is written. */
ENT_MUST enum ent_err ent_store_open_readonly(const char *dir, struct ent_store **out);
void ent_store_close(
    struct ent_store *store); /* NULL is fine; an open transaction is rolled back */
const struct ent_store_identity *ent_store_identity(const struct ent_store *store);

ENT_MUST enum ent_err ent_store_begin(struct ent_store *store);
ENT_MUST enum ent_err ent_store_commit(struct ent_store *store); /* durable when it returns OK */
void ent_store_rollback(struct ent_store *store);                /* fine without a transaction */

/* Operator's settings, e.g. the ports chosen at first serve. get: NOT_FOUND; appends nothing on
 * error. */
ENT_MUST enum ent_err ent_store_setting_set(struct ent_store *store, const char *key,
                                            const char *value);
ENT_MUST enum ent_err ent_store_setting_get(struct ent_store *store, const char *key, char *value,
                                            size_t cap);
/* A counter that only goes up, from 1: certificate serials, CRL numbers, the coordinator's own
 * sequence. `step` numbers are taken at once; *first is the first of them. */
ENT_MUST enum ent_err ent_store_counter_take(struct ent_store *store, const char *key,
                                             uint64_t step, uint64_t *first);

/* ---- members (roster.c) ---- */

enum ent_member_state {
    ENT_MEMBER_INVITED = 1,
    ENT_MEMBER_ENROLLED = 2,
    ENT_MEMBER_REVOKED = 3
}; /* on disk */

/* What enrolment registers. */
struct ent_store_keys {
    uint8_t tls_pub[ENT_STORE_TLS_PUB_MAX]; /* SubjectPublicKeyInfo, DER */
    size_t tls_pub_len;
    uint8_t statement_pub[32]; /* Ed25519 */
    uint8_t witness_pub[32];   /* Ed25519 */
    uint8_t nonce_commit[32];
};

struct ent_store_cert {
    uint8_t serial[ENT_STORE_SERIAL_MAX];
    size_t serial_len;
    uint8_t der[ENT_STORE_CERT_MAX];
    size_t der_len;
    uint64_t expires_ms;
};

struct ent_store_member {
    uint32_t index; /* of the round machine, by enrolment from 0 on; ENT_ROUND_NO_MEMBER before */
    uint8_t handle[ENT_STORE_ID_BYTES];
    char name[ENT_STORE_NAME_MAX + 1];
    enum ent_member_state state;
    struct ent_store_keys keys; /* zero before enrolment */
    struct ent_store_cert cert; /* the newest one */
    uint64_t invited_ms;
    uint64_t enrolled_ms;
    uint64_t revoked_ms;
    uint64_t last_sequence;
    uint64_t last_seen_ms;   /* 0 = never */
    uint64_t token_until_ms; /* an unused token stands until then; 0 = none */
};

struct ent_store_invitation {
    const char *name;
    uint8_t handle[ENT_STORE_ID_BYTES];           /* random, for a name that is new */
    uint8_t token_sha256[ENT_STORE_DIGEST_BYTES]; /* of the token's secret */
    uint64_t expires_ms;
};
/* A member that is invited but not enrolled keeps its handle, and an older token dies; a name that
 * was revoked starts anew. EXISTS when it is enrolled; USAGE for a name that is empty, too long or
 * holds control characters; LIMIT when the roster is full. *out_handle: the member's handle. */
ENT_MUST enum ent_err ent_store_invite(struct ent_store *store,
                                       const struct ent_store_invitation *invitation,
                                       uint64_t now_ms, uint8_t out_handle[ENT_STORE_ID_BYTES]);
/* The first use of a token, right or wrong, ends it, durably, before this returns. TOKEN: unknown,
 * used or wrong; EXPIRED. Not inside a transaction. */
ENT_MUST enum ent_err ent_store_use_token(struct ent_store *store,
                                          const uint8_t handle[ENT_STORE_ID_BYTES],
                                          const uint8_t secret_sha256[ENT_STORE_DIGEST_BYTES],
                                          uint64_t now_ms);
/* INVITED -> ENROLLED, with the next index. NOT_FOUND, EXISTS (enrolled already), REVOKED. */
ENT_MUST enum ent_err ent_store_enrol(struct ent_store *store,
                                      const uint8_t handle[ENT_STORE_ID_BYTES],
                                      const struct ent_store_keys *keys,
                                      const struct ent_store_cert *cert, uint64_t now_ms,
                                      uint32_t *index);
/* A new certificate (and its key) for an enrolled member; the older ones stay valid until they
 * expire. */
ENT_MUST enum ent_err ent_store_renew(struct ent_store *store, uint32_t index,
                                      const struct ent_store_cert *cert, const uint8_t *tls_pub,
                                      size_t tls_pub_len, uint64_t now_ms);
/* What a member holds: its certificates that have not expired, the newest first, at most 64. Caller frees *out. */
struct ent_store_issued {
    struct ent_store_cert cert;
    uint64_t issued_ms;
};
ENT_MUST enum ent_err ent_store_certs(struct ent_store *store, uint32_t index, uint64_t now_ms,
                                      struct ent_store_issued **out, size_t *n);
/* Any state -> REVOKED; its token dies. NOT_FOUND; EXISTS when it is revoked already. */
ENT_MUST enum ent_err ent_store_revoke(struct ent_store *store,
                                       const uint8_t handle[ENT_STORE_ID_BYTES], uint64_t now_ms);
/* Highest sequence number accepted from the member (only ever raised: REPLAY otherwise) and when it
 * was heard. */
ENT_MUST enum ent_err ent_store_set_sequence(struct ent_store *store, uint32_t index,
                                             uint64_t sequence, uint64_t now_ms);
ENT_MUST enum ent_err ent_store_set_seen(struct ent_store *store, uint32_t index, uint64_t now_ms);
ENT_MUST enum ent_err ent_store_set_nonce_commit(struct ent_store *store, uint32_t index,
                                                 const uint8_t commit[32]);

/* NOT_FOUND. By name: the one that is not revoked, otherwise the newest. */
ENT_MUST enum ent_err ent_store_find_handle(struct ent_store *store,
                                            const uint8_t handle[ENT_STORE_ID_BYTES],
                                            struct ent_store_member *out);
ENT_MUST enum ent_err ent_store_find_index(struct ent_store *store, uint32_t index,
                                           struct ent_store_member *out);
ENT_MUST enum ent_err ent_store_find_name(struct ent_store *store, const char *name,
                                          struct ent_store_member *out);
/* All members: enrolled ones (also revoked since) by index, then the others by invitation. Caller
 * frees *out. */
ENT_MUST enum ent_err ent_store_roster(struct ent_store *store, struct ent_store_member **out,
                                       size_t *n);

/* Serials of the CRL: every certificate of a revoked member that has not expired at now_ms. Caller
 * frees *out. */
struct ent_store_revoked {
    uint8_t serial[ENT_STORE_SERIAL_MAX];
    size_t serial_len;
    uint64_t revoked_ms;
};
ENT_MUST enum ent_err ent_store_crl(struct ent_store *store, uint64_t now_ms,
                                    struct ent_store_revoked **out, size_t *n);

/* ---- runs and rows (runs.c) ---- */

enum ent_run_state {
    ENT_RUN_PENDING = 1,
    ENT_RUN_ACTIVE = 2,
    ENT_RUN_ENDED = 3,
    ENT_RUN_STOPPED = 4,
    ENT_RUN_SPENT = 5 /* it ended before its last round: its privacy budget allows no more */
};                    /* on disk */

struct ent_store_run {
    struct ent_run_config config; /* config.run: its number */
    uint8_t plan_digest[ENT_STORE_DIGEST_BYTES];
    uint8_t base[ENT_STORE_DIGEST_BYTES]; /* zero = none */
    uint8_t best[ENT_STORE_DIGEST_BYTES]; /* once ended; zero = none */
    uint32_t best_train;                  /* training round it came from; 0 = none */
    enum ent_run_state state;
    uint64_t created_ms;
    uint64_t started_ms; /* RUN_START row; 0 = not yet */
    uint64_t ended_ms;
};

/* Store a run as PENDING under the next number (*run; config->run is ignored). Its plan digest is the
 * SHA-256 of the plan's bytes. EXISTS while one is pending or active. */
ENT_MUST enum ent_err ent_store_run_add(struct ent_store *store,
                                        const struct ent_run_config *config,
                                        const uint8_t base[ENT_STORE_DIGEST_BYTES],
                                        const struct ent_buf *plan, uint64_t now_ms, uint32_t *run);
/* The pending or active run; NOT_FOUND. */
ENT_MUST enum ent_err ent_store_run_current(struct ent_store *store, struct ent_store_run *out);
ENT_MUST enum ent_err ent_store_run_list(struct ent_store *store, struct ent_store_run **out,
                                         size_t *n); /* caller frees */
ENT_MUST enum ent_err ent_store_run_plan(struct ent_store *store, uint32_t run,
                                         struct ent_buf *out); /* plan.yaml */
/* `stop` of a run that never started. */
ENT_MUST enum ent_err ent_store_run_cancel(struct ent_store *store, uint32_t run, uint64_t now_ms);

/* Append to the run's rows; RUN_START and END rows move the run's state as well. */
ENT_MUST enum ent_err ent_store_append_row(struct ent_store *store, const struct ent_row *row,
                                           uint64_t now_ms);
/* All rows of a run in order. An error of `each` ends the walk and is returned. */
typedef enum ent_err (*ent_store_row_fn)(void *ctx, const struct ent_row *row, uint64_t wall_ms);
ENT_MUST enum ent_err ent_store_rows(struct ent_store *store, uint32_t run, ent_store_row_fn each,
                                     void *ctx);
/* The machine as the rows leave it: `round` was init-ed with room for n_enrolled members; adds the
 * roster, begins the current run (if any) and replays its rows. ent_round_resume is the caller's.
 * *run gets the current run (run 0: none). */
ENT_MUST enum ent_err ent_store_restore(struct ent_store *store, struct ent_round *round,
                                        struct ent_store_run *run);
ENT_MUST enum ent_err ent_store_n_enrolled(struct ent_store *store,
                                           uint32_t *n); /* indices given out */

/* ---- figures (figures.c) ---- */

/* One closed round, for status and the table at the end. */
struct ent_store_figures {
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    enum ent_round_task task;
    enum ent_round_split split;
    uint32_t train_round; /* training rounds closed by then */
    uint32_t invited;
    uint32_t accepted;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t duration_ms;
    uint64_t closed_ms;
    bool has_metrics; /* evaluate */
    double auc;       /* NaN where not defined (one class only) */
    double log_loss;
    uint64_t rows;
    uint64_t positives;
    const uint8_t *sum; /* put: the summed integers, little-endian; NULL: none. NULL when read */
    size_t sum_len;
};
/* Same run and round again: replaced. */
ENT_MUST enum ent_err ent_store_put_figures(struct ent_store *store,
                                            const struct ent_store_figures *figures);
ENT_MUST enum ent_err ent_store_figures(struct ent_store *store, uint32_t run,
                                        struct ent_store_figures **out,
                                        size_t *n); /* by round; caller frees */

/* The summed integers of a round, appended. NOT_FOUND: none are kept. */
ENT_MUST enum ent_err ent_store_figures_sum(struct ent_store *store, uint32_t run, uint64_t round,
                                            struct ent_buf *out);

/* A figure of one member's own rows that its policy let go. */
struct ent_store_own {
    uint64_t round;
    uint32_t index; /* of the member */
    uint32_t place; /* in the order in which it said them */
    char name[ENT_STORE_NAME_MAX + 1];
    int64_t nano; /* in 10^-9 */
};
ENT_MUST enum ent_err ent_store_put_own(struct ent_store *store, uint32_t run,
                                        const struct ent_store_own *own);
ENT_MUST enum ent_err ent_store_own(struct ent_store *store, uint32_t run,
                                    struct ent_store_own **out,
                                    size_t *n); /* by round, member, place; caller frees */

/* Bytes that went to and came from a member in a run. */
struct ent_store_traffic {
    uint32_t index;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t rounds; /* accepted updates */
};
ENT_MUST enum ent_err ent_store_add_traffic(struct ent_store *store, uint32_t run,
                                            const struct ent_store_traffic *add);
ENT_MUST enum ent_err ent_store_traffic(struct ent_store *store, uint32_t run,
                                        struct ent_store_traffic **out,
                                        size_t *n); /* by index; caller frees */

/* Refused messages and connections, by cause. index: ENT_ROUND_NO_MEMBER where no member is proven.
 */
struct ent_store_refusal {
    uint32_t index;
    enum ent_err cause;
    uint64_t count;
    uint64_t last_ms;
};
ENT_MUST enum ent_err ent_store_count_refusal(struct ent_store *store, uint32_t index,
                                              enum ent_err cause, uint64_t count, uint64_t now_ms);
ENT_MUST enum ent_err ent_store_refusals(struct ent_store *store, struct ent_store_refusal **out,
                                         size_t *n); /* by index and cause; caller frees */

/* ---- models and updates: files (files.c) ---- */

/* DIR/models/<hex of the SHA-256>.safetensors; caller frees. */
ENT_MUST enum ent_err ent_store_model_path(const struct ent_store *store,
                                           const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                           char **out);
bool ent_store_model_exists(const struct ent_store *store,
                            const uint8_t digest[ENT_STORE_DIGEST_BYTES]);
/* Write one piece by piece; the digest is computed on the way. commit: durable under its name (fine
 * if it was there), a small one (ENT_STORE_SMALL_MAX) with the next transaction that commits; frees
 * the writer also on error. discard: nothing remains. */
struct ent_store_writer;
ENT_MUST enum ent_err ent_store_model_begin(struct ent_store *store, struct ent_store_writer **out);
ENT_MUST enum ent_err ent_store_model_write(struct ent_store_writer *writer, const void *bytes,
                                            size_t len);
ENT_MUST enum ent_err ent_store_model_commit(struct ent_store_writer *writer_take,
                                             uint8_t digest[ENT_STORE_DIGEST_BYTES]);
void ent_store_model_discard(struct ent_store_writer *writer_take); /* NULL is fine */
ENT_MUST enum ent_err ent_store_model_put(struct ent_store *store, const void *bytes, size_t len,
                                          uint8_t digest[ENT_STORE_DIGEST_BYTES]);
/* Digests of all models, ascending, 32 bytes each; caller frees. */
ENT_MUST enum ent_err ent_store_model_list(struct ent_store *store,
                                           uint8_t (**out)[ENT_STORE_DIGEST_BYTES], size_t *n);
/* The state of the server's optimizer behind a training round, DIR/models/<hex>.state: begun here, then
 * written, committed or discarded as a model is. */
ENT_MUST enum ent_err ent_store_state_begin(struct ent_store *store, struct ent_store_writer **out);
ENT_MUST enum ent_err ent_store_state_path(const struct ent_store *store,
                                           const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                           char **out); /* caller frees */
/* Remove the models and states that neither `keep` nor a run (base, best) nor a row of the current
 * run's newest OPEN or CLOSE names, and unfinished files. *n_removed may be NULL. */
ENT_MUST enum ent_err ent_store_model_sweep(struct ent_store *store,
                                            const uint8_t (*keep)[ENT_STORE_DIGEST_BYTES],
                                            size_t n_keep, size_t *n_removed);

/* A small update instead stands in the database: put in the transaction of its ACCEPT row, gone with
 * that of its attempt's CLOSE or ABORT row. get appends to out: NOT_FOUND. */
#define ENT_STORE_SMALL_MAX ((size_t)64 * 1024) /* bytes */
ENT_MUST enum ent_err ent_store_small_put(struct ent_store *store, const struct ent_row *row,
                                          const uint8_t handle[ENT_STORE_ID_BYTES],
                                          const void *bytes, size_t len);
ENT_MUST enum ent_err ent_store_small_get(struct ent_store *store, const struct ent_row *row,
                                          const uint8_t handle[ENT_STORE_ID_BYTES],
                                          struct ent_buf *out);
ENT_MUST enum ent_err ent_store_small_forget(struct ent_store *store, const struct ent_row *row);

/* DIR/updates/<run>-<round>-<attempt>-<handle>.bin; caller frees. The bytes are the engine's to
 * write (and to fsync before the ACCEPT row commits); they stay until CLOSE or ABORT commits. */
ENT_MUST enum ent_err ent_store_update_path(const struct ent_store *store, uint32_t run,
                                            uint64_t round, uint32_t attempt,
                                            const uint8_t handle[ENT_STORE_ID_BYTES], char **out);
/* Remove all updates of one attempt (after its CLOSE or ABORT row is committed). */
ENT_MUST enum ent_err ent_store_update_discard(struct ent_store *store, uint32_t run,
                                               uint64_t round, uint32_t attempt);
/* At start: remove every file in DIR/updates that no ACCEPT row of the current run's open attempt
 * names. */
ENT_MUST enum ent_err ent_store_update_sweep(struct ent_store *store, size_t *n_removed);

#endif
