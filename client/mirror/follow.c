/* What the leaves say, one by one. Whatever a note signs and does not hold together is refused: REWRITTEN. */
#include <string.h>

#include "client/mirror/mirror_internal.h"
#include "common/base/log.h"

static enum ent_err check_frame(const struct ent_walk *walk, uint64_t index,
                                const struct ent_leaf_frame *frame)
{
    const struct ent_mirror *m = walk->mirror;

    ENT_REQUIRE(frame->seq == index, ENT_E_REWRITTEN, "leaf %llu says that it is leaf %llu",
                (unsigned long long)index, (unsigned long long)frame->seq);
    ENT_REQUIRE(memcmp(frame->federation, m->options.federation, sizeof frame->federation) == 0,
                ENT_E_REWRITTEN, "leaf %llu is of another federation", (unsigned long long)index);
    ENT_REQUIRE(frame->time_ms >= walk->log.time_ms, ENT_E_REWRITTEN, "time goes back at leaf %llu",
                (unsigned long long)index);
    ENT_REQUIRE((frame->type == ENT_LEAF_GENESIS) == (index == 0), ENT_E_REWRITTEN,
                "leaf %llu: log.genesis is the first leaf and no other", (unsigned long long)index);
    return ENT_E_OK;
}

static enum ent_err take_genesis(struct ent_walk *walk, const struct ent_leaf_genesis *g,
                                 const uint8_t hash[ENT_SHA256_BYTES])
{
    const struct ent_mirror_options *o = &walk->mirror->options;

    ENT_REQUIRE(memcmp(g->log_pub, o->log_pub, sizeof g->log_pub) == 0, ENT_E_REWRITTEN,
                "the log begins with another log key than the one pinned at enrolment");
    ENT_REQUIRE(memcmp(g->root_pub, o->root_pub, sizeof g->root_pub) == 0, ENT_E_REWRITTEN,
                "the log begins with another root key than the one pinned at enrolment");
    (void)snprintf(walk->log.origin, sizeof walk->log.origin, "%s", g->origin);
    memcpy(walk->log.genesis, hash, sizeof walk->log.genesis);
    return ENT_E_OK;
}

static bool is_own(const struct ent_walk *walk, const uint8_t *handle)
{
    return memcmp(handle, walk->mirror->options.handle, ENT_WIRE_HANDLE_BYTES) == 0;
}

static enum ent_err take_admit(struct ent_walk *walk, uint64_t index,
                               const struct ent_leaf_member_admit *a)
{
    const struct ent_mirror *m = walk->mirror;
    struct ent_log_member member = {0};
    enum ent_err err;

    ENT_REQUIRE(!is_own(walk, a->handle) ||
                    memcmp(a->statement_pub, m->statement_bytes, sizeof a->statement_pub) == 0,
                ENT_E_REWRITTEN, "leaf %llu admits this member with a key that is not its own",
                (unsigned long long)index);
    ENT_REQUIRE(!is_own(walk, a->handle) || m->options.witness == NULL ||
                    memcmp(a->witness_pub, m->witness_bytes, sizeof a->witness_pub) == 0,
                ENT_E_REWRITTEN, "leaf %llu admits this member with a key that is not its own",
                (unsigned long long)index);
    memcpy(member.handle, a->handle, sizeof member.handle);
    memcpy(member.statement_pub, a->statement_pub, sizeof member.statement_pub);
    memcpy(member.witness_pub, a->witness_pub, sizeof member.witness_pub);
    err = ent_state_log_admit(m->options.state, &member);
    ENT_REQUIRE(err != ENT_E_EXISTS, ENT_E_REWRITTEN, "leaf %llu admits a member a second time",
                (unsigned long long)index);
    return err;
}

static enum ent_err take_gone(struct ent_walk *walk, uint64_t index, const uint8_t *handle)
{
    enum ent_err err = ent_state_log_gone(walk->mirror->options.state, handle);

    ENT_REQUIRE(err != ENT_E_NOT_FOUND, ENT_E_REWRITTEN,
                "leaf %llu takes back a member that was never admitted", (unsigned long long)index);
    return err;
}

/* A leaving must be signed by who leaves, or anybody could be put out of the set of witnesses in silence. */
static enum ent_err take_leave(struct ent_walk *walk, uint64_t index,
                               const struct ent_leaf_member_leave *l)
{
    struct ent_mirror *m = walk->mirror;
    struct ent_log_member member;
    struct ent_sign_pub *pub = NULL;
    struct ent_header header;
    enum ent_err err = ent_state_log_member(m->options.state, l->handle, &member);

    ENT_REQUIRE(err != ENT_E_NOT_FOUND && l->has_request, ENT_E_REWRITTEN,
                "leaf %llu: somebody left who was never admitted, or did not say so",
                (unsigned long long)index);
    ENT_TRY(err);
    ENT_TRY(ent_sign_pub_new(member.statement_pub, &pub));
    err = ent_leaf_statement_verify(pub, l->request.header, l->request.payload_sha256,
                                    l->request.signature);
    ent_sign_pub_free(pub);
    if (err == ENT_E_OK) {
        err = ent_leaf_header(l->request.header, &m->arena, &header);
    }
    ENT_REQUIRE(err == ENT_E_OK && header.type == ENT_MSG_LEAVE &&
                    memcmp(header.sender, l->handle, sizeof header.sender) == 0,
                ENT_E_REWRITTEN, "leaf %llu: a leaving that the member did not sign",
                (unsigned long long)index);
    walk->left = walk->left || is_own(walk, l->handle);
    return take_gone(walk, index, l->handle);
}

static enum ent_err take_open(struct ent_walk *walk, uint64_t index,
                              const struct ent_leaf_round_open *open,
                              const uint8_t hash[ENT_SHA256_BYTES])
{
    struct ent_state *state = walk->mirror->options.state;
    struct ent_log_round round;

    ENT_TRY(ent_state_log_round_get(state, &round));
    round.opened = true;
    round.open_index = index;
    memcpy(round.open_hash, hash, sizeof round.open_hash);
    round.has_plan = true;
    memcpy(round.plan, open->plan, sizeof round.plan);
    round.invited = false;
    round.place = 0;
    for (size_t i = 0; i < open->n_invited; i++) {
        if (is_own(walk, open->invited[i])) {
            round.invited = true;
            round.place = i;
        }
    }
    return ent_state_log_round_put(state, &round);
}

static enum ent_err take_body(struct ent_walk *walk, const struct ent_leaf_frame *frame,
                              const union ent_leaf_any *any, const uint8_t hash[ENT_SHA256_BYTES])
{
    switch (frame->type) {
    case ENT_LEAF_GENESIS:
        return take_genesis(walk, &any->genesis, hash);
    case ENT_LEAF_MEMBER_ADMIT:
        return take_admit(walk, frame->seq, &any->member_admit);
    case ENT_LEAF_MEMBER_REVOKE:
        return take_gone(walk, frame->seq, any->member_revoke.handle);
    case ENT_LEAF_MEMBER_LEAVE:
        return take_leave(walk, frame->seq, &any->member_leave);
    case ENT_LEAF_WITNESS_SET:
        return ent_walk_set(walk, frame->seq, &any->witness_set);
    case ENT_LEAF_AUDITOR_ADMIT:
        return ent_state_log_auditor(walk->mirror->options.state, any->auditor_admit.seal_pub);
    case ENT_LEAF_ROUND_OPEN:
        return take_open(walk, frame->seq, &any->round_open, hash);
    case ENT_LEAF_ROUND_JOIN:
        return ent_walk_join(walk, &any->round_join);
    case ENT_LEAF_UPDATE_ACCEPT:
        return ent_walk_accept(walk, frame, &any->update_accept);
    case ENT_LEAF_UPDATE_REJECT:
    case ENT_LEAF_UPDATE_DROPOUT:
        return ent_walk_end(walk, frame, &any->update_reject);
    case ENT_LEAF_ROUND_CLOSE:
        return ent_walk_close(walk, frame, &any->round_close);
    default:
        return ENT_E_OK; /* nothing of it binds this member */
    }
}

enum ent_err ent_walk_leaf(struct ent_walk *walk, uint64_t index, struct ent_bytes leaf,
                           const uint8_t hash[ENT_SHA256_BYTES])
{
    struct ent_mirror *m = walk->mirror;
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    enum ent_err err;

    ent_arena_clear(&m->arena);
    err = ent_leaf_decode(leaf, &m->arena, &frame, &any);
    if (err == ENT_E_UNSUPPORTED) { /* a newer coordinator's: the frame at least was read */
        ent_log_warn("%s", ent_err_message());
        ENT_TRY(check_frame(walk, index, &frame));
        walk->log.time_ms = frame.time_ms;
        return ENT_E_OK;
    }
    ENT_REQUIRE(err != ENT_E_PROTOCOL, ENT_E_REWRITTEN, "leaf %llu cannot be read: %.200s",
                (unsigned long long)index, ent_err_message());
    ENT_TRY(err);
    ENT_TRY(check_frame(walk, index, &frame));
    walk->log.time_ms = frame.time_ms;
    return take_body(walk, &frame, &any, hash);
}
