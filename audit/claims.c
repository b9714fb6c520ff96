/* V9, what members object: a receipt is an Ack under the log's key that says that an update was
 * accepted; a log without that update contradicts it. Rounds are long past when a dispute comes, so
 * that claims wait for a second pass. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/file.h"
#include "common/base/mem.h"

/* Whether the envelope is the log's word that a payload was accepted, and which. */
static enum ent_err read_receipt(struct ent_audit *a, struct ent_bytes receipt,
                                 struct ent_arena *arena, struct ent_audit_claim *claim, bool *good)
{
    struct ent_envelope env;
    struct ent_msg_ack ack;
    enum ent_err err;

    *good = false;
    err = ent_wire_open(ENT_MSG_ACK, ENT_SENDER_COORDINATOR, receipt, arena, &env);
    if (err == ENT_E_OK) {
        err = ent_wire_verify(&env, a->keys[0].pub);
    }
    if (err == ENT_E_OK) {
        err = ent_msg_ack_decode(env.payload, env.payload_len, arena, &ack);
    }
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK ||
        memcmp(env.header.federation, a->facts->federation, sizeof env.header.federation) != 0 ||
        ack.code != ENT_E_OK || !ack.has_round_open) {
        return ENT_E_OK;
    }
    a->facts->n_signatures++;
    memcpy(claim->round_open, ack.round_open, sizeof claim->round_open);
    memcpy(claim->digest, ack.digest, sizeof claim->digest);
    *good = true;
    return ENT_E_OK;
}

static enum ent_err add_claim(struct ent_audit *a, const struct ent_audit_claim *claim)
{
    struct ent_audit_claim *at = NULL;

    ENT_TRY(ENT_AUDIT_MORE_OF(a, claims, ENT_AUDIT_LIST_MAX, NULL, &at));
    if (at == NULL) {
        return ent_audit_find(a, 9, ENT_AUDIT_INCOMPLETE, claim->seq,
                              "more than %zu receipts: this one was not looked at",
                              ENT_AUDIT_LIST_MAX);
    }
    *at = *claim;
    return ENT_E_OK;
}

static enum ent_err take_dispute(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                 const struct ent_msg_dispute *m, uint32_t member,
                                 struct ent_arena *arena)
{
    struct ent_audit_claim claim = {.seq = leaf->index, .dispute = SIZE_MAX};
    struct ent_audit_dispute *fact = NULL;
    char name[ENT_AUDIT_SHORT_BYTES];
    bool good = false;

    ent_audit_short(a->facts->members[member].handle, 16, name);
    if (m->receipt.len > 0) {
        ENT_TRY(read_receipt(a, m->receipt, arena, &claim, &good));
    }
    good = good && memcmp(claim.round_open, m->round_open, 32) == 0;
    a->facts->members[member].disputes++;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, disputes, ENT_AUDIT_LIST_MAX, &fact));
    if (fact != NULL) {
        fact->seq = leaf->index;
        fact->ms = leaf->frame.time_ms;
        memcpy(fact->handle, a->facts->members[member].handle, sizeof fact->handle);
        fact->has_receipt = good;
        claim.dispute = a->facts->n_disputes - 1;
    }
    if (!good) {
        return ent_audit_find(a, 9, ENT_AUDIT_INCOMPLETE, leaf->index,
                              "leaf %" PRIu64
                              ": %s objects to how its round ended, and shows no receipt: its word "
                              "against the coordinator's",
                              leaf->index, name);
    }
    return add_claim(a, &claim);
}

enum ent_err ent_audit_dispute_leaf(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_dispute *dispute = &leaf->any.dispute;
    uint8_t digest[32];
    struct ent_audit_said said = {.type = ENT_MSG_DISPUTE,
                                  .header = dispute->header,
                                  .payload_sha256 = digest,
                                  .signature = dispute->signature,
                                  .what = "dispute"};
    struct ent_msg_dispute m;
    struct ent_audit_heard heard = {.member = ENT_AUDIT_NOBODY};
    struct ent_arena arena;
    enum ent_err err;

    ENT_TRY(ent_sha256(dispute->payload.data, dispute->payload.len, digest));
    ent_arena_init(&arena, 2 * ENT_WIRE_ARENA_BYTES);
    err = ent_audit_statement(a, leaf->index, &said, &arena, &heard);
    if (err == ENT_E_OK && heard.good) {
        err = ent_msg_dispute_decode(dispute->payload.data, dispute->payload.len, &arena, &m);
        if (err == ENT_E_OK) {
            err = take_dispute(a, leaf, &m, heard.member, &arena);
        } else if (err != ENT_E_NO_MEMORY) {
            err = ent_audit_fail(a, 8, leaf->index, "leaf %" PRIu64 ": a malformed dispute",
                                 leaf->index);
        }
    }
    ent_arena_release(&arena);
    return err;
}

/* ---- --receipt ---- */

static enum ent_err take_file(struct ent_audit *a, size_t i, struct ent_buf *bytes)
{
    struct ent_audit_claim claim = {.from_file = true, .seq = i, .dispute = SIZE_MAX};
    struct ent_arena arena;
    bool good = false;
    enum ent_err err;

    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = read_receipt(a, (struct ent_bytes){bytes->data, bytes->len}, &arena, &claim, &good);
    ent_arena_release(&arena);
    ENT_TRY(err);
    if (!good) {
        return ent_audit_find(a, 9, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                              "%s is no receipt for an accepted update that this log signed",
                              a->options->receipts[i]);
    }
    return add_claim(a, &claim);
}

enum ent_err ent_audit_receipts(struct ent_audit *a)
{
    for (size_t i = 0; i < a->options->n_receipts; i++) {
        struct ent_buf bytes;
        enum ent_err err;

        ent_buf_init(&bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
        err = ent_file_read(a->options->receipts[i], &bytes);
        if (err == ENT_E_OK) {
            err = take_file(a, i, &bytes);
        } else if (err != ENT_E_NO_MEMORY) {
            err = ENT_E_CONFIG; /* the auditor's own file: the message names it */
        }
        ent_buf_release(&bytes);
        ENT_TRY(err);
    }
    return ENT_E_OK;
}

/* ---- the second pass ---- */

struct range { /* claims about the round that is open */
    struct ent_audit *a;
    size_t first;
    size_t n;
};

static int by_round(const void *a, const void *b)
{
    const struct ent_audit_claim *x = a;
    const struct ent_audit_claim *y = b;

    int order = memcmp(x->round_open, y->round_open, sizeof x->round_open);

    return order != 0 ? order : memcmp(x->digest, y->digest, sizeof x->digest);
}

static void find_range(struct range *range, const uint8_t round_open[32])
{
    const struct ent_audit *a = range->a;
    size_t low = 0;
    size_t high = a->n_claims;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (memcmp(a->claims[mid].round_open, round_open, 32) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    range->first = low;
    range->n = 0;
    while (low < a->n_claims && memcmp(a->claims[low].round_open, round_open, 32) == 0) {
        a->claims[low++].round_seen = true;
        range->n++;
    }
}

/* Those that name this payload stand together. Once settled all are: a leaf that comes again costs nothing. */
static void accepted(struct range *range, const uint8_t digest[32])
{
    struct ent_audit_claim *claims = range->a->claims;
    size_t low = range->first;
    size_t high = range->first + range->n;
    size_t end = high;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (memcmp(claims[mid].digest, digest, 32) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < end && !claims[low].settled && memcmp(claims[low].digest, digest, 32) == 0;
         low++) {
        claims[low].settled = true;
    }
}

static enum ent_err look(void *ctx, const struct ent_audit_leaf *leaf)
{
    struct range *range = ctx;

    if (leaf->decoded != ENT_E_OK || (range->n == 0 && leaf->frame.type != ENT_LEAF_ROUND_OPEN)) {
        return ENT_E_OK;
    }
    if (leaf->frame.type == ENT_LEAF_ROUND_OPEN) {
        find_range(range, leaf->hash);
    } else if (leaf->frame.type == ENT_LEAF_UPDATE_ACCEPT && leaf->any.update_accept.has_update) {
        accepted(range, leaf->any.update_accept.update.payload_sha256);
    } else if (leaf->frame.type == ENT_LEAF_ROUND_CLOSE ||
               leaf->frame.type == ENT_LEAF_ROUND_ABORT) {
        for (size_t i = range->first; i < range->first + range->n; i++) {
            range->a->claims[i].round_ended = true;
        }
        range->n = 0; /* whatever many of them there are, they are looked at once */
    }
    return ENT_E_OK;
}

static enum ent_err judge(struct ent_audit *a, const struct ent_audit_claim *claim)
{
    uint64_t seq = claim->from_file ? ENT_AUDIT_NO_SEQ : claim->seq;
    char where[128];

    if (claim->settled) {
        return ENT_E_OK;
    }
    if (claim->from_file) {
        (void)snprintf(where, sizeof where, "%.120s", a->options->receipts[claim->seq]);
    } else {
        (void)snprintf(where, sizeof where, "dispute of leaf %" PRIu64, claim->seq);
    }
    if (!claim->round_ended && (claim->from_file || claim->round_seen)) {
        return ent_audit_find(a, 9, ENT_AUDIT_INCOMPLETE, seq,
                              "%s: the export ends before the round that the receipt is of", where);
    }
    if (claim->dispute != SIZE_MAX) {
        a->facts->disputes[claim->dispute].proved = true;
    }
    return ent_audit_fail(a, 9, seq,
                          "%s: the coordinator signed that it accepted an update, and its log does "
                          "not count it",
                          where);
}

enum ent_err ent_audit_claims_end(struct ent_audit *a)
{
    struct range range = {.a = a};

    if (a->n_claims > 0) {
        qsort(a->claims, a->n_claims, sizeof *a->claims, by_round);
        ENT_TRY(ent_audit_walk(a->export, 0, look, &range));
    }
    for (size_t i = 0; i < a->n_claims; i++) {
        ENT_TRY(judge(a, &a->claims[i]));
    }
    ent_audit_say(a, 9, a->n_cohorts > 0 ? ENT_AUDIT_OK : ENT_AUDIT_SKIP,
                  "%" PRIu64 " cohorts complete, %zu receipts hold", a->n_cohorts, a->n_claims);
    return ENT_E_OK;
}
