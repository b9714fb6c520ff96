/* V7, V9, V10: what happens between round.open and its end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "audit/round_inside.h"
#include "common/base/mem.h"
#include "common/fixed/weight.h"
#include "common/plan/plan.h"
#include "common/task/task.h"

struct ent_audit_invited *ent_audit_invited_of(struct ent_audit *a, uint32_t member)
{
    if (!a->open || member == ENT_AUDIT_NOBODY || a->live[member].attempt != a->attempt) {
        return NULL;
    }
    return &a->invited[a->live[member].slot - 1];
}

/* ---- round.open ---- */

static enum ent_err invite(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                           const uint8_t handle[16])
{
    uint32_t m = ent_audit_member_find(a, handle);
    struct ent_audit_invited *invited = &a->invited[a->n_invited++];
    char name[ENT_AUDIT_SHORT_BYTES];

    *invited = (struct ent_audit_invited){.member = m};
    if (m == ENT_AUDIT_NOBODY || a->facts->members[m].standing != ENT_AUDIT_ADMITTED) {
        ent_audit_short(handle, 16, name);
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64 " invites %s, who is no member at this place",
                               leaf->index, name));
    }
    if (m != ENT_AUDIT_NOBODY) {
        a->live[m].attempt = a->attempt;
        a->live[m].slot = (uint32_t)a->n_invited;
        a->facts->members[m].invited++;
    }
    return ENT_E_OK;
}

static void keep_round(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;

    a->round = (struct ent_audit_round){.run = leaf->frame.run,
                                        .round = leaf->frame.round,
                                        .attempt = open->attempt,
                                        .task = open->task,
                                        .split = open->split,
                                        .open_seq = leaf->index,
                                        .open_ms = leaf->frame.time_ms,
                                        .cosigned_size = open->cosigned_size,
                                        .invited = (uint32_t)open->n_invited};
    memcpy(a->round.open_hash, leaf->hash, sizeof a->round.open_hash);
    a->opened = *open;
    a->opened.invited = NULL;
    a->opened.auditors = NULL;
}

enum ent_err ent_audit_open(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;

    if (a->open) {
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64 " opens a round while round %" PRIu64
                               " (leaf %" PRIu64 ") has no end",
                               leaf->index, a->round.round, a->round.open_seq));
        ENT_TRY(ent_audit_round_keep(a));
    }
    ENT_TRY(ent_audit_models_settled(a, leaf->index));
    ENT_TRY(ent_audit_course_open(a, leaf));
    ENT_TRY(ent_grow(&a->invited, &a->cap_invited, open->n_invited, sizeof *a->invited));
    keep_round(a, leaf);
    a->open = true;
    a->begun = false;
    a->attempt++;
    a->n_invited = 0;
    a->sum_w = 0;
    for (size_t i = 0; i < open->n_invited; i++) {
        ENT_TRY(invite(a, leaf, open->invited[i]));
    }
    ENT_TRY(ent_audit_budget_open(a, leaf));
    return ent_audit_noise_open(a, leaf);
}

/* ---- what happens in a round ---- */

/* A leaf of a round that is not open has no place. */
static enum ent_err in_round(struct ent_audit *a, const struct ent_audit_leaf *leaf, bool *yes)
{
    *yes = a->open && leaf->frame.run == a->round.run && leaf->frame.round == a->round.round;
    if (*yes) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 7, leaf->index,
                          "leaf %" PRIu64 ": %s of round %" PRIu64 ", which is not open",
                          leaf->index, ent_leaf_name(leaf->frame.type), leaf->frame.round);
}

/* Whether it was signed for the open attempt; *good becomes false otherwise. */
static enum ent_err bound(struct ent_audit *a, uint64_t seq, const char *what,
                          struct ent_audit_heard *heard, const uint8_t *round_open)
{
    const struct ent_header *header = &heard->header;
    bool same = header->run == a->round.run && header->round == a->round.round &&
                header->attempt == a->round.attempt;

    if (same && (round_open == NULL || memcmp(round_open, a->round.open_hash, 32) == 0)) {
        return ENT_E_OK;
    }
    heard->good = false;
    return ent_audit_fail(a, 7, seq,
                          "leaf %" PRIu64 ": %s was signed for another round (run %" PRIu32
                          ", round %" PRIu64 ", attempt %" PRIu32 ") or another opening of it",
                          seq, what, header->run, header->round, header->attempt);
}

static enum ent_err saw(struct ent_audit *a, uint64_t seq, uint32_t member, uint64_t size,
                        const uint8_t root[32])
{
    struct ent_audit_seen seen = {.size = size, .seq = seq, .member = member};

    memcpy(seen.root, root, sizeof seen.root);
    return ent_audit_saw(a, &seen);
}

/* Phase UPDATE: from here on nobody joins, and a quorum had to be there. */
static void begin(struct ent_audit *a, uint64_t seq)
{
    if (!a->begun) {
        a->begun = true;
        a->round.begin_seq = seq;
        a->has_begun = true;
        a->begun_open_seq = a->round.open_seq;
    }
}

static enum ent_err joined(struct ent_audit *a, const struct ent_audit_leaf *leaf, uint32_t member)
{
    struct ent_audit_invited *invited = ent_audit_invited_of(a, member);

    if (invited == NULL || invited->place != ENT_AUDIT_INVITED || a->begun) {
        return ent_audit_fail(a, 7, leaf->index,
                              "leaf %" PRIu64 ": a join of somebody who was not awaited any more",
                              leaf->index);
    }
    invited->place = ENT_AUDIT_JOINED;
    invited->join_seq = leaf->index;
    a->round.joined++;
    a->facts->members[member].joined++;
    return ENT_E_OK;
}

static enum ent_err take_join(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                              struct ent_arena *arena)
{
    const struct ent_leaf_round_join *join = &leaf->any.round_join;
    uint8_t digest[32];
    struct ent_audit_said said = {.type = ENT_MSG_JOIN,
                                  .header = join->header,
                                  .payload_sha256 = digest,
                                  .signature = join->signature,
                                  .what = "join"};
    struct ent_audit_heard heard;
    struct ent_msg_join m;
    enum ent_err err;

    ENT_TRY(ent_sha256(join->payload.data, join->payload.len, digest));
    ENT_TRY(ent_audit_statement(a, leaf->index, &said, arena, &heard));
    if (heard.member == ENT_AUDIT_NOBODY) {
        return ENT_E_OK;
    }
    err = ent_msg_join_decode(join->payload.data, join->payload.len, arena, &m);
    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err != ENT_E_OK) {
        return ent_audit_fail(a, 7, leaf->index, "leaf %" PRIu64 ": its join is malformed",
                              leaf->index);
    }
    if (heard.good) {
        ENT_TRY(bound(a, leaf->index, said.what, &heard, m.round_open));
        ENT_TRY(saw(a, leaf->index, heard.member, m.seen_size, m.seen_root));
    }
    ENT_TRY(ent_audit_noise_join(a, leaf, heard.member, &m));
    return joined(a, leaf, heard.member);
}

enum ent_err ent_audit_join(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_arena arena;
    bool yes;
    enum ent_err err;

    ENT_TRY(in_round(a, leaf, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = take_join(a, leaf, &arena);
    ent_arena_release(&arena);
    return err;
}

/* ---- V10 ---- */

static enum ent_err wrong_weight(struct ent_audit *a, uint64_t seq, uint32_t weight, uint32_t due)
{
    return ent_audit_fail(a, 10, seq,
                          "leaf %" PRIu64 ": weight %" PRIu32 "; the rule gives %" PRIu32, seq,
                          weight, due);
}

static enum ent_err fixed_weight(struct ent_audit *a, uint64_t seq, uint32_t weight,
                                 uint32_t member)
{
    struct ent_audit_live *live = &a->live[member];

    if (live->fixed_run == a->round.run && live->fixed_weight != weight) {
        return wrong_weight(a, seq, weight, live->fixed_weight);
    }
    live->fixed_run = a->round.run;
    live->fixed_weight = weight;
    return ENT_E_OK;
}

static enum ent_err check_weight(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                 const struct ent_update_statement *s, uint32_t member)
{
    uint32_t weight = leaf->any.update_accept.weight;
    uint32_t due = 1;

    a->n_weights++;
    if (a->round.task == ENT_TASK_TRAIN && a->opened.weights == ENT_WEIGHTS_EXAMPLES_LOG2) {
        if (ent_weight_of_bucket(s->rows_log2, &due) != ENT_E_OK) {
            return ent_audit_fail(a, 10, leaf->index,
                                  "leaf %" PRIu64
                                  ": the statement gives no number of rows that the "
                                  "rule could weigh",
                                  leaf->index);
        }
    } else if (s->rows_log2 != 0) {
        return ent_audit_fail(a, 10, leaf->index,
                              "leaf %" PRIu64 ": a number of rows where the rule asks for none",
                              leaf->index);
    } else if (a->round.task == ENT_TASK_TRAIN && a->opened.weights == ENT_WEIGHTS_FIXED) {
        return fixed_weight(a, leaf->index, weight, member);
    }
    return weight == due ? ENT_E_OK : wrong_weight(a, leaf->index, weight, due);
}

/* ---- update.accept ---- */

static enum ent_err check_update(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                 struct ent_audit_heard *heard)
{
    const struct ent_update_statement *s = &heard->header.update;

    ENT_TRY(bound(a, leaf->index, "update", heard, s->round_open));
    if (!heard->good) {
        return ENT_E_OK; /* what it says is of elsewhere */
    }
    if (s->has_base != a->opened.has_base ||
        (s->has_base && memcmp(s->base, a->opened.base, sizeof s->base) != 0)) {
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64
                               ": the update was computed on another model than the "
                               "round's",
                               leaf->index));
    }
    ENT_TRY(saw(a, leaf->index, heard->member, s->seen_size, s->seen_root));
    ENT_TRY(check_weight(a, leaf, s, heard->member));
    ENT_TRY(ent_audit_budget_update(a, leaf, heard->member, s));
    return ent_audit_seals_of(a, leaf, &heard->header);
}

/* Also of a statement that is not good: the log counts it, and one finding is enough. */
static enum ent_err accepted(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                             uint32_t member)
{
    struct ent_audit_invited *invited = ent_audit_invited_of(a, member);

    a->sum_w += leaf->any.update_accept.weight;
    if (invited == NULL || invited->place != ENT_AUDIT_JOINED) {
        return ent_audit_fail(
            a, invited != NULL && invited->place == ENT_AUDIT_ENDED ? 9 : 7, leaf->index,
            "leaf %" PRIu64 ": an update is accepted of somebody who did not join, "
            "or has ended before",
            leaf->index);
    }
    invited->place = ENT_AUDIT_ENDED;
    invited->accepted = true;
    a->round.accepted++;
    a->facts->members[member].accepted++;
    return ENT_E_OK;
}

static enum ent_err take_accept(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                struct ent_arena *arena)
{
    const struct ent_leaf_update_accept *accept = &leaf->any.update_accept;
    struct ent_audit_said said = {.type = ENT_MSG_UPDATE,
                                  .header = accept->update.header,
                                  .payload_sha256 = accept->update.payload_sha256,
                                  .signature = accept->update.signature,
                                  .what = "update"};
    struct ent_audit_heard heard;

    begin(a, leaf->index);
    if (!accept->has_update) {
        return ent_audit_fail(a, 8, leaf->index,
                              "leaf %" PRIu64 ": an update is accepted that nobody signed",
                              leaf->index);
    }
    said.copy_differs = a->run.leaf.plain && accept->n_sealed == a->run.leaf.n_auditors + 1 &&
                        memcmp(accept->sealed[accept->n_sealed - 1], said.payload_sha256, 32) != 0;
    ENT_TRY(ent_audit_statement(a, leaf->index, &said, arena, &heard));
    if (heard.member == ENT_AUDIT_NOBODY) {
        return ENT_E_OK;
    }
    if (heard.good) {
        ENT_TRY(check_update(a, leaf, &heard));
    }
    return accepted(a, leaf, heard.member);
}

enum ent_err ent_audit_accept(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_arena arena;
    bool yes;
    enum ent_err err;

    ENT_TRY(in_round(a, leaf, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    err = take_accept(a, leaf, &arena);
    ent_arena_release(&arena);
    return err;
}

/* ---- update.reject, update.dropout ---- */

static enum ent_err check_said(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                               struct ent_arena *arena)
{
    const struct ent_leaf_update_reject *end = &leaf->any.update_reject;
    struct ent_audit_said said = {.type = ENT_MSG_DECLINE,
                                  .header = end->said.header,
                                  .payload_sha256 = end->said.payload_sha256,
                                  .signature = end->said.signature,
                                  .who = end->handle,
                                  .what = "decline"};
    struct ent_audit_heard heard;
    enum ent_err err = ent_leaf_header(said.header, arena, &heard.header);

    if (err == ENT_E_NO_MEMORY) {
        return err;
    }
    if (err == ENT_E_OK && heard.header.type == ENT_MSG_LOST) {
        said.type = ENT_MSG_LOST;
        said.what = "word that it lost its update";
    }
    ENT_TRY(ent_audit_statement(a, leaf->index, &said, arena, &heard));
    return heard.good ? bound(a, leaf->index, said.what, &heard, NULL) : ENT_E_OK;
}

static enum ent_err end_one(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_update_reject *end = &leaf->any.update_reject;
    uint32_t member = ent_audit_member_find(a, end->handle);
    struct ent_audit_invited *invited = ent_audit_invited_of(a, member);
    bool rejected = leaf->frame.type == ENT_LEAF_UPDATE_REJECT;
    char name[ENT_AUDIT_SHORT_BYTES];

    ent_audit_short(end->handle, sizeof end->handle, name);
    if (invited == NULL || invited->place == ENT_AUDIT_ENDED) {
        return ent_audit_fail(a, 9, leaf->index,
                              "leaf %" PRIu64 ": %s ends in round %" PRIu64
                              " without an invitation, or twice",
                              leaf->index, name, a->round.round);
    }
    if (end->attempt != a->round.attempt ||
        (end->phase == ENT_AUDIT_PHASE_UPDATE && invited->place != ENT_AUDIT_JOINED)) {
        ENT_TRY(ent_audit_fail(a, 7, leaf->index,
                               "leaf %" PRIu64 ": %s did not stand where this leaf lets it end",
                               leaf->index, name));
    }
    if (invited->place == ENT_AUDIT_INVITED) {
        a->facts->members[member].withheld++;
    }
    if (rejected && end->code == ENT_E_BAD_NONCE) {
        ent_audit_noise_refused(a, member);
    }
    invited->place = ENT_AUDIT_ENDED;
    a->round.rejected += rejected;
    a->round.dropped += !rejected;
    a->facts->members[member].rejected += rejected;
    a->facts->members[member].dropped += !rejected;
    a->facts->members[member].ends[end->code < ENT_E_COUNT ? end->code : ENT_E_COUNT]++;
    return ENT_E_OK;
}

enum ent_err ent_audit_end(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_update_reject *end = &leaf->any.update_reject;
    struct ent_arena arena;
    bool yes;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(in_round(a, leaf, &yes));
    if (!yes) {
        return ENT_E_OK;
    }
    if (end->phase == ENT_AUDIT_PHASE_UPDATE) {
        begin(a, leaf->index);
    }
    if (end->has_said) {
        ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
        err = check_said(a, leaf, &arena);
        ent_arena_release(&arena);
    }
    ENT_TRY(err);
    return end_one(a, leaf);
}
