/* IN structs or bytes of leaves · OUT canonical leaf bytes or checked structs
 * OWNS nothing (the caller's arena holds what is decoded) · THREADS any
 * SOURCE audit.md 2.2, 2.3; proto/entente/v1/log.proto
 *
 * What the audit log says, leaf by leaf. A leaf is accepted only if encoding what was decoded gives
 * the same bytes (common/schema/codec.h). Order of checks: ent_leaf_open (frame), then by type
 * ent_leaf_decode; signatures inside are checked by who knows the keys (ent_leaf_statement_verify). */
#ifndef ENT_COMMON_TLOG_LEAF_H
#define ENT_COMMON_TLOG_LEAF_H

#include "common/schema/leaf_frame.h"
#include "common/wire/wire.h"

enum ent_leaf_type {
#define ENT_LEAF(name_, NAME_, type_, dotted_) ENT_LEAF_##NAME_ = (type_),
#include "common/tlog/leaves.def"
#undef ENT_LEAF
};

/* "round.open"; "unknown" for a type that this build does not know. */
const char *ent_leaf_name(unsigned type);

enum ent_log_action { /* in leaves: never reuse */
                      ENT_LOG_START = 1,
                      ENT_LOG_STOP = 2,
                      ENT_LOG_INVITE = 3,
                      ENT_LOG_REVOKE = 4,
                      ENT_LOG_ADMIT_AUDITOR = 5,
                      ENT_LOG_POLICY = 6,
                      ENT_LOG_EXPORT = 7,
                      ENT_LOG_RECOVER = 8,
                      ENT_LOG_CONFIGURE = 9
};
enum ent_log_release { ENT_LOG_INITIAL = 1, ENT_LOG_TRAINED = 2, ENT_LOG_BEST = 3 };

/* What a member said; header bytes live in the arena. */
struct ent_leaf_statement {
    struct ent_bytes header;
    uint8_t payload_sha256[32];
    uint8_t signature[64];
};

struct ent_leaf_genesis {
    ent_name_text origin;
    uint8_t log_pub[32];
    uint8_t root_pub[32];
    ent_name_text name;
    uint8_t ca_sha256[32];
};
struct ent_leaf_member_admit {
    uint8_t handle[16];
    uint8_t statement_pub[32];
    uint8_t witness_pub[32];
    uint8_t tls_sha256[32];
    uint8_t nonce_commit[32];
    uint8_t name_commit[32];
    bool has_request;
    struct ent_leaf_statement request;
};
struct ent_leaf_member_revoke {
    uint8_t handle[16];
    uint32_t reason;
};
struct ent_leaf_member_leave {
    uint8_t handle[16];
    bool has_request;
    struct ent_leaf_statement request;
};
struct ent_leaf_witness {
    uint8_t handle[16];
    uint8_t witness_pub[32];
};
/* The body that is agreed to; encode/decode with ent_leaf_set_*. */
struct ent_leaf_witness_body {
    uint8_t federation[16];
    uint32_t version;
    uint32_t bad;                       /* f */
    uint32_t quorum;                    /* k */
    struct ent_leaf_witness *witnesses; /* handles ascending */
    size_t n_witnesses;
};
struct ent_leaf_witness_set {
    struct ent_bytes set; /* ent_leaf_witness_body */
    struct ent_leaf_statement *agreed;
    size_t n_agreed;
};
struct ent_leaf_auditor_admit {
    uint8_t seal_pub[32];
    uint8_t sign_pub[32];
    uint8_t name_commit[32];
};
struct ent_leaf_config_set {
    uint8_t federation_yaml[32];
    uint8_t plan[32];
    bool has_base;
    uint8_t base[32];
    uint32_t train_rounds;
    uint32_t min_members;
    uint32_t attempts;
    bool validate;
    bool test;
    uint32_t patience;
    uint32_t best_by;
    uint8_t (*auditors)[32];
    size_t n_auditors;
    bool plain;
    uint64_t join_ms;
    uint64_t update_ms;
    uint64_t retry_ms;
    uint64_t gather_ms;
    bool no_stats;
};
struct ent_leaf_processing_set {
    ent_name_text purpose;
    ent_name_text lawful_basis;
    ent_name_text categories;
    ent_name_text recipients;
    ent_name_text transfers;
    uint32_t retention_months;
    bool has_document;
    uint8_t document[32];
    bool has_dpia;
    uint8_t dpia[32];
};
struct ent_leaf_operator_action {
    uint32_t action; /* enum ent_log_action */
    uint32_t reason;
    uint32_t outcome;
    struct ent_bytes subject; /* at most 32 bytes */
};
struct ent_leaf_software_start {
    uint8_t elf[32];
    ent_name_text build_id;
    ent_name_text version;
    ent_name_text commit;
    ent_name_text compiler;
    ent_name_text flags;
    ent_name_text openssl;
    ent_name_text sqlite;
    uint8_t selftest[32];
};
#define ent_leaf_round_open ent_msg_round_open /* the whole leaf is the message's payload */
struct ent_leaf_round_join {
    struct ent_bytes header;
    struct ent_bytes payload; /* Join */
    uint8_t signature[64];
};
struct ent_leaf_update_accept {
    bool has_update;
    struct ent_leaf_statement update;
    uint32_t weight;
    uint8_t (*sealed)[32];
    size_t n_sealed;
};
struct ent_leaf_update_reject {
    uint8_t handle[16];
    uint32_t attempt;
    uint32_t phase;
    uint32_t code;
    bool has_digest;
    uint8_t digest[32];
    bool has_said;
    struct ent_leaf_statement said;
};
#define ent_leaf_update_dropout ent_leaf_update_reject
struct ent_leaf_round_close {
    uint8_t round_open[32];
    uint32_t attempt;
    struct ent_bytes survivors;
    uint64_t sum_w;
    uint8_t result[32];
    bool has_model;
    uint8_t model[32];
    bool has_state;
    uint8_t state[32];
    uint64_t loss_sum;
    uint64_t rows;
    uint64_t auc;
    uint8_t (*noise_sealed)[32]; /* the seed of its noise, sealed; by place of the auditors */
    size_t n_noise_sealed;
};
struct ent_leaf_round_abort {
    uint8_t round_open[32];
    uint32_t attempt;
    uint32_t code;
    bool inputs_arrived;
};
enum ent_log_trust { ENT_LOG_TRUST_LOCAL = 1, ENT_LOG_TRUST_CENTRAL = 2 };
enum ent_log_basis { ENT_LOG_BASIS_NONE = 0, ENT_LOG_BASIS_ASSUMED = 1, ENT_LOG_BASIS_MATCHED = 2 };
struct ent_leaf_dp_account {
    uint8_t member[16];
    uint64_t before_nano;
    uint64_t after_nano;
};
struct ent_leaf_dp_event {
    uint8_t round_open[32];
    uint32_t unit;      /* 1 customer, 2 member */
    uint32_t mechanism; /* enum ent_dp_mechanism */
    uint64_t rate;
    uint64_t sigma2;
    uint64_t sensitivity;
    uint64_t dimension;
    uint64_t steps;
    uint64_t delta_e18;
    uint64_t limit_nano;
    uint32_t accountant; /* enum ent_dp_accountant */
    uint32_t trust;      /* enum ent_log_trust */
    uint32_t members_per_person;
    uint32_t basis; /* enum ent_log_basis */
    struct ent_leaf_dp_account *accounts;
    size_t n_accounts;
};
struct ent_leaf_dp_refund {
    uint8_t round_open[32];
};
struct ent_leaf_eval_result {
    uint32_t split;
    uint8_t model[32];
    uint32_t members;
    bool dp_covered;
    struct ent_msg_metric *metrics;
    size_t n_metrics;
};
struct ent_leaf_model_release {
    uint8_t model[32];
    uint32_t kind; /* enum ent_log_release */
    uint32_t train_round;
    bool dp_covered;
};
struct ent_leaf_blob_erase {
    uint8_t (*digests)[32];
    size_t n_digests;
    uint32_t basis;
};
struct ent_leaf_dispute {
    struct ent_bytes header;
    struct ent_bytes payload; /* Dispute */
    uint8_t signature[64];
};

/* Large enough for every body. */
union ent_leaf_any {
#define ENT_LEAF(name_, NAME_, type_, dotted_) struct ent_leaf_##name_ name_;
#include "common/tlog/leaves.def"
#undef ENT_LEAF
};

/* Appends the whole leaf. message: the struct of frame->type (round_open: run, round, place and time
 * are those of the frame). RANGE, LIMIT. */
ENT_MUST enum ent_err ent_leaf_encode(const struct ent_leaf_frame *frame, const void *message,
                                      struct ent_buf *out);
/* Frame alone: what comes after points into `leaf`. PROTOCOL. */
ENT_MUST enum ent_err ent_leaf_open(struct ent_bytes leaf, struct ent_leaf_frame *frame,
                                    struct ent_bytes *body);
/* Frame and body, strictly; *out is filled by frame->type. UNSUPPORTED: a type or schema number that this build does not
 * know (frame is set). Lists and bytes live in the arena. */
ENT_MUST enum ent_err ent_leaf_decode(struct ent_bytes leaf, struct ent_arena *arena,
                                      struct ent_leaf_frame *frame, union ent_leaf_any *out);

/* LogWitnessBody. */
ENT_MUST enum ent_err ent_leaf_set_encode(const struct ent_leaf_witness_body *body,
                                          struct ent_buf *out);
ENT_MUST enum ent_err ent_leaf_set_decode(struct ent_bytes set, struct ent_arena *arena,
                                          struct ent_leaf_witness_body *out);
/* f and k for n witnesses (audit.md 2.4): f = (n - 1) / 3, k = (n + f) / 2 + 1; n = 2: both. */
uint32_t ent_leaf_bad_of(uint32_t n);
uint32_t ent_leaf_quorum_of(uint32_t n, uint32_t bad);

/* Header of a statement, strictly decoded; PROTOCOL. Nothing is verified. */
ENT_MUST enum ent_err ent_leaf_header(struct ent_bytes header, struct ent_arena *arena,
                                      struct ent_header *out);
/* SIGNATURE unless `pub` signed header and payload digest (a member's envelope: it has no path). */
struct ent_sign_pub;
ENT_MUST enum ent_err ent_leaf_statement_verify(const struct ent_sign_pub *pub,
                                                struct ent_bytes header,
                                                const uint8_t payload_sha256[32],
                                                const uint8_t signature[64]);
/* The bits of round.close. */
bool ent_leaf_survived(struct ent_bytes survivors, size_t place);

#endif
