/* Leaves about this member: what it said must be what it signed, and no accepted update may disappear. */
#include <string.h>

#include "client/mirror/mirror_internal.h"
#include "client/state/ledger.h"
#include "common/base/log.h"

static bool is_own(const struct ent_mirror *m, const struct ent_header *header)
{
    return memcmp(header->sender, m->options.handle, ENT_WIRE_HANDLE_BYTES) == 0;
}

static enum ent_err digest_of(struct ent_bytes header, const uint8_t *payload_sha256,
                              const uint8_t *signature, uint8_t out[ENT_SHA256_BYTES])
{
    struct ent_part parts[3] = {
        {header.data, header.len}, {payload_sha256, ENT_SHA256_BYTES}, {signature, ENT_SIGN_BYTES}};

    return ent_sha256_parts(parts, 3, out);
}

enum ent_err ent_mirror_signed(struct ent_mirror *mirror, struct ent_bytes header,
                               const uint8_t payload_sha256[ENT_SHA256_BYTES],
                               const uint8_t signature[ENT_SIGN_BYTES])
{
    ENT_TRY(digest_of(header, payload_sha256, signature,
                      mirror->said[mirror->n_said % ENT_MIRROR_SAID]));
    mirror->n_said++;
    return ENT_E_OK;
}

/* The very signature that this process made needs no second look (one is most of what following a round costs). */
static enum ent_err verify_own(const struct ent_mirror *m, struct ent_bytes header,
                               const uint8_t *payload_sha256, const uint8_t *signature)
{
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(digest_of(header, payload_sha256, signature, digest));
    for (size_t i = 0; i < ENT_MIRROR_SAID && i < m->n_said; i++) {
        if (memcmp(m->said[i], digest, sizeof digest) == 0) {
            return ENT_E_OK;
        }
    }
    return ent_leaf_statement_verify(m->statement_pub, header, payload_sha256, signature);
}

/* The header of an own statement. *own = false: of somebody else, and nothing was verified. */
static enum ent_err own_header(struct ent_mirror *m, struct ent_bytes bytes,
                               const uint8_t *payload_sha256, const uint8_t *signature,
                               struct ent_header *header, bool *own)
{
    ENT_REQUIRE(ent_leaf_header(bytes, &m->arena, header) == ENT_E_OK, ENT_E_REWRITTEN,
                "the log holds a statement that cannot be read");
    *own = is_own(m, header);
    if (!*own) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(verify_own(m, bytes, payload_sha256, signature) == ENT_E_OK, ENT_E_REWRITTEN,
                "the log holds a statement in this member's name that it did not sign");
    return ENT_E_OK;
}

enum ent_err ent_walk_join(struct ent_walk *walk, const struct ent_leaf_round_join *leaf)
{
    struct ent_mirror *m = walk->mirror;
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_header header;
    struct ent_msg_join join;
    bool own = false;

    ENT_TRY(ent_sha256(leaf->payload.data, leaf->payload.len, digest));
    ENT_TRY(own_header(m, leaf->header, digest, leaf->signature, &header, &own));
    if (!own) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(header.type == ENT_MSG_JOIN &&
                    ent_msg_join_decode(leaf->payload.data, leaf->payload.len, &m->arena, &join) ==
                        ENT_E_OK,
                ENT_E_REWRITTEN, "the log holds a join of this member that is none");
    ENT_TRY(ent_state_nonce_logged(m->options.state,
                                   (struct ent_attempt){header.run, header.round, header.attempt}));
    return join.has_seen_root ? ent_walk_seen(walk, join.seen_size, join.seen_root) : ENT_E_OK;
}

/* What the ledger must hold, with the plan that it was booked for. */
static enum ent_err saw_ledger(struct ent_mirror *m, const struct ent_header *header)
{
    struct ent_ledger_seen seen = {.at = {header->run, header->round, header->attempt},
                                   .seq = header->update.ledger_seq,
                                   .digest = header->update.ledger_digest};
    struct ent_log_round round;

    if (!header->update.has_ledger) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_log_round_get(m->options.state, &round));
    if (round.has_plan &&
        memcmp(round.open_hash, header->update.round_open, sizeof round.open_hash) == 0) {
        seen.plan = round.plan;
    }
    return ent_ledger_saw(m->options.state, &seen);
}

enum ent_err ent_walk_accept(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                             const struct ent_leaf_update_accept *leaf)
{
    struct ent_mirror *m = walk->mirror;
    struct ent_receipt receipt = {0};
    struct ent_header header;
    bool own = false;
    enum ent_err err;

    ENT_REQUIRE(leaf->has_update, ENT_E_REWRITTEN, "an update was accepted that nobody sent");
    ENT_TRY(own_header(m, leaf->update.header, leaf->update.payload_sha256, leaf->update.signature,
                       &header, &own));
    if (!own) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(header.type == ENT_MSG_UPDATE && header.has_update, ENT_E_REWRITTEN,
                "the log holds an update of this member that is none");
    if (header.update.has_seen_root) {
        ENT_TRY(ent_walk_seen(walk, header.update.seen_size, header.update.seen_root));
    }
    ENT_TRY(saw_ledger(m, &header));
    err = ent_state_receipt_get(
        m->options.state, (struct ent_attempt){header.run, header.round, header.attempt}, &receipt);
    if (err == ENT_E_NOT_FOUND) { /* this directory is an older copy: the own signature says it */
        receipt.at = (struct ent_attempt){header.run, header.round, header.attempt};
        receipt.bytes = header.update.payload_bytes;
        receipt.sent_ms = frame->time_ms;
        memcpy(receipt.round_open, header.update.round_open, sizeof receipt.round_open);
        memcpy(receipt.digest, leaf->update.payload_sha256, sizeof receipt.digest);
    } else if (err != ENT_E_OK) {
        return err;
    }
    ENT_REQUIRE(memcmp(receipt.digest, leaf->update.payload_sha256, sizeof receipt.digest) == 0,
                ENT_E_REWRITTEN,
                "the log holds another update of this member than the one it sent");
    receipt.fate = ENT_FATE_ACCEPTED;
    receipt.leaf = frame->seq;
    return ent_state_receipt_put(m->options.state, &receipt);
}

/* With the coordinator's own signed receipt at hand, a rejection after it is disputed. */
enum ent_err ent_walk_end(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                          const struct ent_leaf_update_reject *leaf)
{
    struct ent_mirror *m = walk->mirror;
    struct ent_attempt at = {frame->run, frame->round, leaf->attempt};
    struct ent_receipt receipt;
    enum ent_err err;

    if (memcmp(leaf->handle, m->options.handle, sizeof leaf->handle) != 0) {
        return ENT_E_OK;
    }
    if (frame->type == ENT_LEAF_UPDATE_REJECT && leaf->code == ENT_E_BAD_NONCE) {
        ENT_TRY(ent_state_nonce_void(m->options.state));
    }
    err = ent_state_receipt_get(m->options.state, at, &receipt);
    if (err != ENT_E_OK) {
        return err == ENT_E_NOT_FOUND ? ENT_E_OK : err; /* nothing was sent in that attempt */
    }
    receipt.fate = frame->type == ENT_LEAF_UPDATE_REJECT ? ENT_FATE_REJECTED : ENT_FATE_DROPPED;
    receipt.leaf = frame->seq;
    receipt.fate_code = leaf->code;
    receipt.dispute_due = receipt.has_ack && receipt.code == ENT_E_OK && !leaf->has_said;
    return ent_state_receipt_put(m->options.state, &receipt);
}

static enum ent_err check_own_part(struct ent_walk *walk, const struct ent_log_round *round,
                                   const struct ent_leaf_round_close *leaf)
{
    struct ent_receipt receipt;
    enum ent_err err =
        ent_state_receipt_of(walk->mirror->options.state, leaf->round_open, &receipt);

    if (err != ENT_E_OK) {
        return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
    }
    ENT_REQUIRE(!receipt.has_ack || receipt.code != ENT_E_OK || receipt.fate != ENT_FATE_OPEN,
                ENT_E_REWRITTEN,
                "round %llu of run %u was closed without this member's update, for which it holds "
                "the coordinator's receipt",
                (unsigned long long)receipt.at.round, (unsigned)receipt.at.run);
    ENT_REQUIRE(receipt.fate != ENT_FATE_ACCEPTED || !round->opened || !round->invited ||
                    memcmp(round->open_hash, leaf->round_open, sizeof round->open_hash) != 0 ||
                    ent_leaf_survived(leaf->survivors, (size_t)round->place),
                ENT_E_REWRITTEN,
                "round %llu of run %u was closed without this member's update, which the log had "
                "accepted",
                (unsigned long long)receipt.at.round, (unsigned)receipt.at.run);
    return ENT_E_OK;
}

enum ent_err ent_walk_close(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                            const struct ent_leaf_round_close *leaf)
{
    struct ent_state *state = walk->mirror->options.state;
    struct ent_log_round round;

    ENT_TRY(ent_state_log_round_get(state, &round));
    ENT_TRY(check_own_part(walk, &round, leaf));
    round.closed_run = frame->run;
    round.closed_round = frame->round;
    round.has_model = leaf->has_model;
    memcpy(round.model, leaf->model, sizeof round.model);
    return ent_state_log_round_put(state, &round);
}
