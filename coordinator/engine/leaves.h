/* IN rows of a commit, what members said · OUT leaves, in order · OWNS nothing · THREADS engine
 * SOURCE audit.md 2.3, AUDIT.md
 *
 * A function of its arguments alone: no store, no clock. Leaves are framed and appended by `emit`, in the transaction of
 * their rows. */
#ifndef ENT_COORDINATOR_ENGINE_LEAVES_H
#define ENT_COORDINATOR_ENGINE_LEAVES_H

#include "common/tlog/leaf.h"
#include "coordinator/round/round.h"

#define ENT_SAID_PAYLOAD_MAX 192 /* bytes of a Join: 32 x 4 digests and two numbers */

/* What a member said, until the row that follows from it. type 0: nothing. */
struct ent_said {
    uint32_t type; /* enum ent_msg_type */
    uint64_t round;
    uint32_t attempt;
    uint8_t header[ENT_WIRE_HEADER_MAX_BYTES]; /* as received */
    size_t header_len;
    uint8_t payload_sha256[32];
    uint8_t signature[ENT_WIRE_SIGNATURE_BYTES];
    uint8_t payload[ENT_SAID_PAYLOAD_MAX]; /* of JOIN only */
    size_t payload_len;
};
void ent_said_take(struct ent_said *out, const struct ent_envelope *envelope);
struct ent_leaf_statement ent_said_statement(const struct ent_said *said);

/* What a member's leaves are made of. */
struct ent_leaves_member {
    struct ent_said join;
    struct ent_said update;
    struct ent_said ending;                   /* Decline or Lost */
    uint8_t sealed[ENT_LOG_AUDITORS_MAX][32]; /* copies of its update that are kept */
    size_t n_sealed;
};

typedef enum ent_err (*ent_leaves_emit_fn)(void *ctx, enum ent_leaf_type type,
                                           const struct ent_row *row, const void *message);

struct ent_leaves {
    const struct ent_round *round; /* as it stands behind all rows of the commit */
    const struct ent_leaves_member *(*member)(void *ctx, uint32_t index);
    const uint8_t *(*handle)(void *ctx, uint32_t index);
    const struct ent_leaf_config_set *config; /* RUN_START */
    const struct ent_msg_round_open
        *open;              /* OPEN: without those invited, which are filled in here */
    uint8_t round_open[32]; /* leaf hash of the attempt's round.open */
    const struct ent_msg_metric *metrics; /* of the evaluation that closes */
    size_t n_metrics;
    uint8_t (*noise_sealed)[32]; /* of the round of training that closes: the seed of its noise */
    size_t n_noise_sealed;
    bool
        covered; /* noise stands before the models that come of training, and nothing else made them */
    bool begun; /* BEGIN of the current attempt; kept up to date here */
    ent_leaves_emit_fn emit;
    void *ctx;
};
/* The leaves of one row: none, one or two. Rows in their order. */
ENT_MUST enum ent_err ent_leaves_of_row(struct ent_leaves *leaves, const struct ent_row *row);

#endif
