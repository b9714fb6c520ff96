/* IN structs · OUT payload bytes, and back
 * OWNS nothing (lists and long fields live in the caller's arena) · THREADS any
 * SOURCE protocol.md 2; proto/entente/v1/messages.proto, which these structs mirror
 *
 * One message = one struct, one file, two functions:
 *
 *   ent_msg_x_encode(const struct ent_msg_x *, struct ent_buf *)
 *       Appends the payload bytes. RANGE when a field is outside its bounds (our mistake).
 *   ent_msg_x_decode(bytes, len, arena, struct ent_msg_x *out)
 *       Strict: canonical bytes, known fields, lengths, ranges, charsets; PROTOCOL otherwise.
 *       `out` is untouched on error.
 *
 * Fixed-size fields that may be absent (a digest of nothing) have a has_ flag beside them.
 * Strings are NUL-terminated: identifiers of [A-Za-z0-9 ._:/@+-], texts of printable UTF-8.
 * Pointers of a decoded struct point into the arena; those of a struct to encode are borrowed. */
#ifndef ENT_COMMON_WIRE_MESSAGES_H
#define ENT_COMMON_WIRE_MESSAGES_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/schema/bytes.h"
#include "common/schema/limits.h"

typedef char ent_name_text[ENT_WIRE_NAME_MAX_BYTES + 1];
typedef char ent_free_text[ENT_WIRE_TEXT_MAX_BYTES + 1];

/* Make any text fit a free-text field: control and invalid bytes become '?', cut at a character's
 * end. Never fails. */
void ent_wire_text(ent_free_text out, const char *text);

struct ent_msg_hello {
    uint8_t exporter[32];
    uint32_t protocol_min;
    uint32_t protocol_max;
    ent_name_text build;
    uint64_t time_ms;
    uint8_t (*models_held)[ENT_WIRE_DIGEST_BYTES];
    size_t n_models_held;
    bool has_run_plan;
    uint8_t run_plan[ENT_WIRE_DIGEST_BYTES];
    uint64_t seen_size; /* 0: no log head seen */
    bool has_seen_root; /* exactly when seen_size > 0 */
    uint8_t seen_root[ENT_WIRE_DIGEST_BYTES];
};
ENT_MUST enum ent_err ent_msg_hello_encode(const struct ent_msg_hello *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_hello_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_hello *out);

/* In WELCOME instead of a phase: the coordinator asks for what it lost, and knows nothing of rounds yet. A member forgets
 * none of its own. */
#define ENT_WIRE_PHASE_RECOVER 255
struct ent_msg_welcome {
    uint64_t time_ms;
    uint32_t protocol;
    uint64_t last_sequence;
    uint32_t run; /* 0 = none */
    uint64_t round;
    uint32_t attempt;
    uint32_t phase;
    uint32_t outcome;
    bool has_plan;
    uint8_t plan[ENT_WIRE_DIGEST_BYTES];
    struct ent_bytes crl; /* DER; may be empty */
    uint32_t idle_ms;
};
ENT_MUST enum ent_err ent_msg_welcome_encode(const struct ent_msg_welcome *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_welcome_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_welcome *out);

struct ent_msg_refused {
    uint32_t code; /* enum ent_err; a code this build does not know is kept as a number:
                      ent_err_valid() */
    ent_free_text text;
    uint64_t sequence;
    uint64_t time_ms;
};
ENT_MUST enum ent_err ent_msg_refused_encode(const struct ent_msg_refused *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_refused_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_refused *out);

struct ent_msg_run_start {
    uint8_t plan[ENT_WIRE_DIGEST_BYTES];
    uint64_t plan_bytes;
    bool has_base;
    uint8_t base[ENT_WIRE_DIGEST_BYTES];
    uint8_t selftest[ENT_WIRE_DIGEST_BYTES];
};
ENT_MUST enum ent_err ent_msg_run_start_encode(const struct ent_msg_run_start *m,
                                               struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_run_start_decode(const uint8_t *bytes, size_t len,
                                               struct ent_arena *arena,
                                               struct ent_msg_run_start *out);

#define ENT_WIRE_ROUND_OPEN_LEAF 0x0401 /* its type in the log: common/tlog/leaves.def */

/* The payload is not protobuf but a whole leaf of the log, round.open: its frame holds federation, run, round, its place
 * and its time; what follows is RoundOpen of messages.proto. */
struct ent_msg_round_open {
    uint64_t leaf_index;
    uint64_t leaf_ms; /* time_ms of the frame */
    uint8_t federation[ENT_WIRE_FEDERATION_BYTES];
    uint32_t run;
    uint64_t round;
    uint32_t attempt;
    uint32_t task;  /* enum ent_task_kind */
    uint32_t split; /* enum ent_split */
    uint8_t plan[ENT_WIRE_DIGEST_BYTES];
    bool has_base; /* false in stats */
    uint8_t base[ENT_WIRE_DIGEST_BYTES];
    uint8_t (*invited)[ENT_WIRE_HANDLE_BYTES]; /* strictly ascending */
    size_t n_invited;
    uint32_t min_members;
    uint64_t join_ms;
    uint64_t update_ms;
    uint32_t weights; /* enum ent_weights_rule */
    uint32_t scale_bits;
    uint64_t base_bytes;
    uint64_t config;                            /* index of the run's config.set */
    uint64_t cosigned_size;                     /* newest log head with a quorum; 0: none */
    uint8_t (*auditors)[ENT_WIRE_PUBLIC_BYTES]; /* X25519 keys that updates are sealed to */
    size_t n_auditors;
    bool plain;                                  /* updates are kept unsealed, 7 days at most */
    bool has_noise;                              /* noise is added to the sum, once */
    uint8_t noise_commit[ENT_WIRE_DIGEST_BYTES]; /* ent_noise_commit of its seed */
};
ENT_MUST enum ent_err ent_msg_round_open_encode(const struct ent_msg_round_open *m,
                                                struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_round_open_decode(const uint8_t *bytes, size_t len,
                                                struct ent_arena *arena,
                                                struct ent_msg_round_open *out);
/* What Join, Begin, updates and RoundClose name the round by: RFC 6962 hash of the leaf, SHA-256(0x00 ||
 * payload bytes). */
ENT_MUST enum ent_err ent_wire_round_open_hash(const uint8_t *payload, size_t len,
                                               uint8_t out[ENT_WIRE_DIGEST_BYTES]);

struct ent_msg_join {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    bool has_nonce;
    uint8_t nonce[ENT_WIRE_NONCE_BYTES];
    uint8_t next_commit[ENT_WIRE_DIGEST_BYTES];
    uint64_t seen_size; /* 0: no log head seen */
    bool has_seen_root; /* exactly when seen_size > 0 */
    uint8_t seen_root[ENT_WIRE_DIGEST_BYTES];
    bool has_base;
};
ENT_MUST enum ent_err ent_msg_join_encode(const struct ent_msg_join *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_join_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                          struct ent_msg_join *out);

/* Why a member does not take part, for a reader of many members' answers; on the wire, never reuse. */
enum ent_refusal {
    ENT_REFUSAL_NOT_SAID,
    ENT_REFUSAL_NOT_ALLOWED,   /* the purposes of this member's data do not cover the plan */
    ENT_REFUSAL_SPECIFICATION, /* plan, log or message contradict themselves or each other */
    ENT_REFUSAL_BUDGET,        /* booking it would exceed a limit */
    ENT_REFUSAL_CANNOT,  /* impossible here: data, a floor on groups or members, memory, disk */
    ENT_REFUSAL_DECLINED /* the member's policy says no */
};
/* "insufficient_budget"; "" for 0 and what is none. Static. */
const char *ent_refusal_name(uint32_t kind);

struct ent_msg_decline {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    uint32_t code;
    ent_free_text text;
    bool has_salt; /* random: the log keeps this message's digest */
    uint8_t salt[32];
    uint32_t kind; /* enum ent_refusal */
};
ENT_MUST enum ent_err ent_msg_decline_encode(const struct ent_msg_decline *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_decline_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_decline *out);

struct ent_msg_begin {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    uint8_t (*joined)[ENT_WIRE_HANDLE_BYTES]; /* strictly ascending */
    size_t n_joined;
};
ENT_MUST enum ent_err ent_msg_begin_encode(const struct ent_msg_begin *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_begin_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_begin *out);

struct ent_msg_lost {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
};
ENT_MUST enum ent_err ent_msg_lost_encode(const struct ent_msg_lost *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_lost_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                          struct ent_msg_lost *out);

enum ent_offer_kind {
    ENT_OFFER_PLAN = 1,
    ENT_OFFER_MODEL = 2,
    ENT_OFFER_BEST = 3
}; /* on the wire: never reuse */

struct ent_msg_offer {
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];
    uint32_t kind; /* enum ent_offer_kind */
    uint64_t bytes;
    struct ent_bytes content; /* the bytes themselves; empty: to be granted */
};
ENT_MUST enum ent_err ent_msg_offer_encode(const struct ent_msg_offer *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_offer_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_offer *out);

/* Not enveloped: the frame's request id says which offer it grants. */
struct ent_msg_go {
    uint64_t offset;
};
ENT_MUST enum ent_err ent_msg_go_encode(const struct ent_msg_go *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_go_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                        struct ent_msg_go *out);

struct ent_msg_ack {
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];
    uint32_t code;
    bool repeat;
    uint64_t sequence;
    bool has_round_open; /* with it the signed Ack is the member's receipt */
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
};
ENT_MUST enum ent_err ent_msg_ack_encode(const struct ent_msg_ack *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_ack_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                         struct ent_msg_ack *out);

struct ent_msg_outcome {
    uint8_t member[ENT_WIRE_HANDLE_BYTES];
    uint32_t standing; /* enum ent_standing */
    uint32_t code;
    uint32_t weight;
};

struct ent_msg_metric {
    ent_name_text name; /* auc, log_loss, rows, ...: see ent_metrics_values (common/task) */
    int64_t nano;       /* in 10^-9 */
};

struct ent_msg_round_close {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    struct ent_msg_outcome *outcomes; /* members strictly ascending */
    size_t n_outcomes;
    uint64_t sum_w;
    uint8_t result[ENT_WIRE_DIGEST_BYTES];
    bool has_model;
    uint8_t model[ENT_WIRE_DIGEST_BYTES];
    struct ent_msg_metric *metrics;
    size_t n_metrics;
    uint32_t train_done;
    uint32_t train_rounds;
};
ENT_MUST enum ent_err ent_msg_round_close_encode(const struct ent_msg_round_close *m,
                                                 struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_round_close_decode(const uint8_t *bytes, size_t len,
                                                 struct ent_arena *arena,
                                                 struct ent_msg_round_close *out);

/* Not enveloped. */
struct ent_msg_abort {
    uint64_t round;
    uint32_t attempt;
    uint32_t code;
    uint64_t retry_ms;
};
ENT_MUST enum ent_err ent_msg_abort_encode(const struct ent_msg_abort *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_abort_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_abort *out);

/* Of a member's own rows. */
struct ent_msg_figures {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    struct ent_msg_metric *metrics;
    size_t n_metrics;
};
ENT_MUST enum ent_err ent_msg_figures_encode(const struct ent_msg_figures *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_figures_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_figures *out);

struct ent_msg_run_end {
    bool has_best;
    uint8_t best[ENT_WIRE_DIGEST_BYTES];
    uint64_t best_bytes;
    uint32_t best_round;
    uint32_t code;
    struct ent_msg_metric *metrics;
    size_t n_metrics;
};
ENT_MUST enum ent_err ent_msg_run_end_encode(const struct ent_msg_run_end *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_run_end_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_run_end *out);

/* Not enveloped. */
struct ent_msg_bye {
    uint32_t code;
};
ENT_MUST enum ent_err ent_msg_bye_encode(const struct ent_msg_bye *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_bye_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                         struct ent_msg_bye *out);

struct ent_msg_enroll_request {
    uint8_t secret[ENT_WIRE_SECRET_BYTES];
    struct ent_bytes csr;
    uint8_t statement_pub[ENT_WIRE_PUBLIC_BYTES];
    uint8_t witness_pub[ENT_WIRE_PUBLIC_BYTES];
    uint8_t nonce_commit[ENT_WIRE_DIGEST_BYTES];
    ent_name_text name; /* may be empty: the roster's name holds */
    uint64_t time_ms;
};
ENT_MUST enum ent_err ent_msg_enroll_request_encode(const struct ent_msg_enroll_request *m,
                                                    struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_enroll_request_decode(const uint8_t *bytes, size_t len,
                                                    struct ent_arena *arena,
                                                    struct ent_msg_enroll_request *out);

struct ent_msg_enrolled {
    struct ent_bytes cert;
    struct ent_bytes ca;
    struct ent_bytes crl;
    ent_free_text address; /* HOST:PORT, an IPv6 host in brackets */
    uint8_t log_pub[ENT_WIRE_PUBLIC_BYTES];
    uint8_t root_pub[ENT_WIRE_PUBLIC_BYTES];
    uint8_t federation[ENT_WIRE_FEDERATION_BYTES];
    uint8_t handle[ENT_WIRE_HANDLE_BYTES];
    ent_name_text name;
    ent_name_text federation_name;
};
ENT_MUST enum ent_err ent_msg_enrolled_encode(const struct ent_msg_enrolled *m,
                                              struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_enrolled_decode(const uint8_t *bytes, size_t len,
                                              struct ent_arena *arena,
                                              struct ent_msg_enrolled *out);

struct ent_msg_renew {
    struct ent_bytes csr;
};
ENT_MUST enum ent_err ent_msg_renew_encode(const struct ent_msg_renew *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_renew_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_renew *out);

struct ent_msg_renewed {
    struct ent_bytes cert;
    struct ent_bytes crl;
};
ENT_MUST enum ent_err ent_msg_renewed_encode(const struct ent_msg_renewed *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_renewed_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_renewed *out);

/* ---- the audit log ---- */

struct ent_msg_leaves {
    uint64_t first;          /* index of the first */
    struct ent_bytes bundle; /* C2SP entry bundle: u16 length, leaf, ...; checked by common/tlog */
};
ENT_MUST enum ent_err ent_msg_leaves_encode(const struct ent_msg_leaves *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_leaves_decode(const uint8_t *bytes, size_t len,
                                            struct ent_arena *arena, struct ent_msg_leaves *out);

struct ent_msg_checkpoint {
    struct ent_bytes note; /* signed note, text */
};
ENT_MUST enum ent_err ent_msg_checkpoint_encode(const struct ent_msg_checkpoint *m,
                                                struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_checkpoint_decode(const uint8_t *bytes, size_t len,
                                                struct ent_arena *arena,
                                                struct ent_msg_checkpoint *out);

/* Not enveloped: the cosignature speaks for itself. */
struct ent_msg_cosign {
    uint64_t size;
    uint8_t root[ENT_WIRE_DIGEST_BYTES];
    uint64_t time_s; /* as signed */
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
};
ENT_MUST enum ent_err ent_msg_cosign_encode(const struct ent_msg_cosign *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_cosign_decode(const uint8_t *bytes, size_t len,
                                            struct ent_arena *arena, struct ent_msg_cosign *out);

struct ent_msg_propose {
    struct ent_bytes set; /* LogWitnessBody */
};
ENT_MUST enum ent_err ent_msg_propose_encode(const struct ent_msg_propose *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_propose_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_propose *out);

struct ent_msg_agree {
    struct ent_bytes set; /* the same bytes */
};
ENT_MUST enum ent_err ent_msg_agree_encode(const struct ent_msg_agree *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_agree_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_agree *out);

struct ent_msg_leave {
    uint8_t salt[32];
};
ENT_MUST enum ent_err ent_msg_leave_encode(const struct ent_msg_leave *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_leave_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_leave *out);

struct ent_msg_dispute {
    uint8_t round_open[ENT_WIRE_DIGEST_BYTES];
    uint32_t code;
    struct ent_bytes receipt; /* Envelope of Ack, as received; may be empty */
    uint8_t salt[32];
};
ENT_MUST enum ent_err ent_msg_dispute_encode(const struct ent_msg_dispute *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_dispute_decode(const uint8_t *bytes, size_t len,
                                             struct ent_arena *arena, struct ent_msg_dispute *out);

enum ent_pull_kind {
    ENT_PULL_LEAVES = 1,
    ENT_PULL_PLAN = 2,
    ENT_PULL_MODEL = 3,
    ENT_PULL_NOTE = 4
}; /* on the wire: never reuse */

struct ent_msg_pull {
    uint32_t kind; /* enum ent_pull_kind */
    uint64_t offset;
    bool has_digest;
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];
};
ENT_MUST enum ent_err ent_msg_pull_encode(const struct ent_msg_pull *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_pull_decode(const uint8_t *bytes, size_t len, struct ent_arena *arena,
                                          struct ent_msg_pull *out);

struct ent_msg_piece {
    uint32_t kind;
    bool has_digest;
    uint8_t digest[ENT_WIRE_DIGEST_BYTES];
    uint64_t offset;
    uint64_t total; /* 0: this member does not have it */
    struct ent_bytes bytes;
};
ENT_MUST enum ent_err ent_msg_piece_encode(const struct ent_msg_piece *m, struct ent_buf *out);
ENT_MUST enum ent_err ent_msg_piece_decode(const uint8_t *bytes, size_t len,
                                           struct ent_arena *arena, struct ent_msg_piece *out);

#endif
