/* A C2SP witness (add-checkpoint) as a pure decision: state and request in, status and new state out.
 *
 * For a witness of its own: no program of ours is one yet (members cosign what client/mirror followed).
 *
 * Who calls it makes the state durable before a cosignature leaves, and lets no second decision on
 * the same state run meanwhile. */
#ifndef ENT_COMMON_TLOG_WITNESS_H
#define ENT_COMMON_TLOG_WITNESS_H

#include "common/tlog/note.h"

#define ENT_WITNESS_BODY_MAX_BYTES (ENT_NOTE_MAX_BYTES + (size_t)4096)
/* What the protocol allows a client to send. Hashes. */
#define ENT_WITNESS_PROOF_MAX 63

enum ent_witness_status {
    ENT_WITNESS_COSIGN = 200,
    ENT_WITNESS_MALFORMED = 400,      /* or its old size is above the new one */
    ENT_WITNESS_UNSIGNED = 403,       /* no trusted key of the log signed, or one badly */
    ENT_WITNESS_UNKNOWN_LOG = 404,    /* another origin */
    ENT_WITNESS_OTHER_OLD_SIZE = 409, /* the answer names our size */
    ENT_WITNESS_INCONSISTENT =
        422 /* the proof does not hold, or same size and another root: evidence */
};

/* What the witness cosigned last, of one log. */
struct ent_witness_state {
    bool seen; /* false: nothing yet; the rest is zero */
    uint64_t size;
    uint8_t root[ENT_MERKLE_BYTES];
};

struct ent_witness_request {
    uint64_t old_size;
    struct ent_merkle_proof proof;
    const char *note; /* [note_len] */
    size_t note_len;
};

struct ent_witness_verdict {
    enum ent_witness_status status;
    struct ent_witness_state next;    /* the state itself unless status is ENT_WITNESS_COSIGN */
    struct ent_checkpoint checkpoint; /* where the note could be read (not after 400 on the body) */
    struct ent_note note;             /* likewise; borrowed from the body */
};

/* body: [len], borrowed by `out`. DATA, LIMIT. */
ENT_MUST enum ent_err ent_witness_parse(const char *body, size_t len,
                                        struct ent_witness_request *out);
/* Appends a body. */
ENT_MUST enum ent_err ent_witness_write(const struct ent_witness_request *request,
                                        struct ent_buf *out);
/* logs: the trusted keys of the one log, [n_logs] >= 1 (two while it changes its key), all of type
 * ENT_VKEY_LOG, named like its origin. What a client does wrong is a status with a recorded
 * message, not an error. NO_MEMORY. */
ENT_MUST enum ent_err ent_witness_decide(const struct ent_vkey *logs, size_t n_logs,
                                         const struct ent_witness_state *state, const char *body,
                                         size_t len, struct ent_witness_verdict *out);
/* The cosignature line of a verdict ENT_WITNESS_COSIGN (anything else is our bug). time_s > 0. */
ENT_MUST enum ent_err ent_witness_cosign(const struct ent_witness_verdict *verdict,
                                         const char *name, const struct ent_sign_key *key,
                                         uint64_t time_s, struct ent_buf *line_out);

#endif
