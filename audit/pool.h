/* IN signatures to verify · OUT which of them hold · OWNS threads and a ring of jobs
 * THREADS one caller; the workers are its own · SOURCE -
 *
 * Verifying is what an audit spends its time with, so it runs on all cores while the caller goes on
 * reading. Jobs are handed back to the caller, on its own thread, in the order in which they were
 * given: what the audit finds does not depend on how many threads there are. */
#ifndef ENT_AUDIT_POOL_H
#define ENT_AUDIT_POOL_H

#include "common/schema/limits.h"
#include "common/tlog/note.h"

struct ent_sign_pub;

/* A stored note with its signatures: who of the keys signed. */
struct ent_audit_note {
    uint64_t size;
    const char *where; /* for people: NULL: checkpoints/<size>.note */
    unsigned flags;    /* of the caller */
    struct ent_buf bytes;
    const struct ent_vkey *keys; /* [n_keys], the log's first */
    size_t n_keys;
    /* set by the worker */
    bool log_signed;
    size_t n_cosigned;
    uint16_t cosigned[ENT_NOTE_SIGNATURES_MAX]; /* places in keys */
    uint64_t time_s[ENT_NOTE_SIGNATURES_MAX];
    size_t n_bad; /* lines of a known key that do not verify */
    uint16_t bad[ENT_NOTE_SIGNATURES_MAX];
};

enum ent_audit_job_kind { ENT_AUDIT_JOB_STATEMENT, ENT_AUDIT_JOB_NOTE };

struct ent_audit_job {
    enum ent_audit_job_kind kind;
    enum ent_err err; /* set by the worker: OK, SIGNATURE, NO_MEMORY; of a note also DATA */
    uint64_t seq;
    uint32_t member;
    const char *what;  /* static */
    bool copy_differs; /* of the caller */
    const struct ent_sign_pub *key;
    size_t header_len;
    uint8_t header[ENT_WIRE_HEADER_MAX_BYTES];
    uint8_t payload_sha256[32];
    uint8_t signature[64];
    struct ent_audit_note *note; /* owned by the job until it is handed back */
};

typedef enum ent_err (*ent_audit_done_fn)(void *ctx, struct ent_audit_job *job);
struct ent_audit_pool;

/* threads: 0: as many as cores. `done` gets every job back; its error is passed up by the call during
 * which it happened. NO_MEMORY, IO. */
ENT_MUST enum ent_err ent_audit_pool_start(unsigned threads, ent_audit_done_fn done, void *ctx,
                                           struct ent_audit_pool **out);
/* The next job to fill in; waits while the ring is full. */
ENT_MUST enum ent_err ent_audit_pool_slot(struct ent_audit_pool *pool, struct ent_audit_job **out);
/* The job of the last _slot is ready. */
void ent_audit_pool_submit(struct ent_audit_pool *pool);
/* All that were submitted come back. */
ENT_MUST enum ent_err ent_audit_pool_drain(struct ent_audit_pool *pool);
/* Ends the threads; jobs that did not come back are dropped, their notes freed. NULL is fine. */
void ent_audit_pool_stop(struct ent_audit_pool *pool);

void ent_audit_note_free(struct ent_audit_note *note); /* NULL is fine */

#endif
