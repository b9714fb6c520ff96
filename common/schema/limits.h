/* IN - · OUT - · OWNS nothing · THREADS any · SOURCE nng protocol.h (bounds live in one place)
 *
 * Every bound on what comes over the wire: name, unit, reason. Sizes that are part of the protocol
 * never change within a protocol version; others may be raised, never above what they protect. */
#ifndef ENT_COMMON_SCHEMA_LIMITS_H
#define ENT_COMMON_SCHEMA_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Sizes fixed by what they hold. Bytes. */
#define ENT_WIRE_DIGEST_BYTES 32     /* SHA-256 */
#define ENT_WIRE_HANDLE_BYTES 16     /* random, of a member */
#define ENT_WIRE_FEDERATION_BYTES 16 /* random, of a federation */
#define ENT_WIRE_SIGNATURE_BYTES 64  /* Ed25519 */
#define ENT_WIRE_PATH_MAX 12         /* levels of a tree of envelopes: 4,096 of one step */
#define ENT_WIRE_PUBLIC_BYTES 32     /* Ed25519 */
#define ENT_WIRE_SECRET_BYTES 16     /* of an enrolment token */
#define ENT_WIRE_NONCE_BYTES 32

/* A control frame's body (common/net refuses more before it reads it): a whole envelope fits in
 * one. Bytes. */
#define ENT_WIRE_ENVELOPE_MAX_BYTES 65536
/* Envelope minus the payload: header (at most 384), digest, signature, path (at most 384), tags. Bytes. */
#define ENT_WIRE_ENVELOPE_OVERHEAD_BYTES 1024
#define ENT_WIRE_HEADER_MAX_BYTES 384
#define ENT_WIRE_PAYLOAD_MAX_BYTES (ENT_WIRE_ENVELOPE_MAX_BYTES - ENT_WIRE_ENVELOPE_OVERHEAD_BYTES)

/* An update or an offered model or plan up to this size stands in its own message; a larger one
 * travels as DATA after a grant. A frame of this size is let in without one anyway. Bytes. */
#define ENT_WIRE_INLINE_MAX_BYTES ((size_t)48 * 1024)

/* All that decoding one message may allocate: 64 KiB of empty submessages would otherwise
 * become 4.4 MB in 32,781 allocations. The largest honest message (a RoundClose of a full cohort)
 * needs about 240 KiB. Bytes. */
#define ENT_WIRE_ARENA_BYTES ((size_t)512 * 1024)

/* Members in one round: 2,000 outcomes of at most 30 bytes are a RoundClose that fits an envelope.
 * Members. */
#define ENT_WIRE_COHORT_MAX 2000
#define ENT_WIRE_METRICS_MAX 32    /* metrics of one model; a report has a dozen */
#define ENT_WIRE_MODELS_HELD_MAX 8 /* digests in a Hello; a member keeps few models */

/* Identifiers (names, addresses, builds, metrics) of [A-Za-z0-9 ._:/@+-]. Bytes. */
#define ENT_WIRE_NAME_MAX_BYTES 128
/* Sentences for people (Refused, Decline): printable UTF-8. Bytes. */
#define ENT_WIRE_TEXT_MAX_BYTES 256

/* One certificate or signing request, DER: ours are below 1 KiB. Bytes. */
#define ENT_WIRE_CERT_MAX_BYTES 4096
/* A CRL, DER: about 37 bytes for each revoked member, and it must fit an envelope. Bytes. */
#define ENT_WIRE_CRL_MAX_BYTES 49152

/* Sequence numbers, rounds: whoever receives one stores it, and SQLite's integers are signed. */
#define ENT_WIRE_COUNTER_MAX ((uint64_t)INT64_MAX)

/* Error codes: err.def has a few dozen; a later version's code passes as a number. */
#define ENT_WIRE_CODE_MAX 4095
/* Enumerations (task, split, phase, standing, rule, protocol version): what a value means is checked
 * by who uses it. */
#define ENT_WIRE_SMALL_MAX 255

/* A plan travels whole and is parsed by every member. Bytes. */
#define ENT_WIRE_PLAN_MAX_BYTES ((uint64_t)1024 * 1024)
/* A model or an update; refused above it before anything is granted. Operators set less. Bytes. */
#define ENT_WIRE_TRANSFER_MAX_BYTES ((uint64_t)4 * 1024 * 1024 * 1024)
/* Deadlines of a phase: a week. Milliseconds. */
#define ENT_WIRE_PHASE_MAX_MS ((uint64_t)7 * 24 * 3600 * 1000)
/* Weight of one update: 2^30 rows in its bucket. Whether sums of a cohort fit is asked of the real
 * weights before anything is added (ent_grid_check_bound). */
#define ENT_WIRE_WEIGHT_MAX (1u << 30)
/* floor(log2 rows) + 1 of the largest weight. */
#define ENT_WIRE_BUCKET_MAX 31

/* ---- the audit log ---- */

/* Witnesses of one set, and auditors of one run. Members beyond cosign nothing. */
#define ENT_LOG_WITNESSES_MAX 64
#define ENT_LOG_AUDITORS_MAX 8
/* A leaf: the format allows 65,535 bytes; ours must also fit an envelope when they are sent. Bytes. */
#define ENT_LEAF_FRAME_BYTES 56
#define ENT_LEAF_MAX_BYTES 65535
#define ENT_LEAF_SENT_MAX_BYTES 63000
/* A signed note on its way to members: the log's own signatures and at most 64 lines of ENT_NOTE_LINE_MAX_BYTES, within an
 * envelope. Notes in files may hold strangers' lines too: ENT_NOTE_MAX_BYTES. Bytes. */
#define ENT_WIRE_NOTE_MAX_BYTES 32000
#define ENT_LOG_SET_MAX_BYTES 8192 /* LogWitnessBody of 64 witnesses */

#endif
