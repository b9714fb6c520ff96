/* Sequence numbers of members: what was said before, and what is only said again. */
#include <string.h>

#include "coordinator/engine/state.h"

static const struct ent_recent *find_recent(const struct ent_engine_member *m, uint64_t sequence)
{
    size_t n = m->n_recent < ENT_RECENT_MESSAGES ? m->n_recent : ENT_RECENT_MESSAGES;

    for (size_t i = 0; i < n; i++) {
        if (m->recent[i].sequence == sequence) {
            return &m->recent[i];
        }
    }
    return NULL;
}

static void remember(struct ent_engine_member *m, const struct ent_envelope *env)
{
    struct ent_recent *slot = &m->recent[m->n_recent++ % ENT_RECENT_MESSAGES];

    slot->sequence = env->header.sequence;
    memcpy(slot->statement, env->statement, sizeof slot->statement);
}

/* An update that the machine knows already, offered again after a restart of ours: its number was used before, but the
 * list of recent messages is gone. Its digest, bound to this attempt, says that it is the same. */
static bool is_known_update(const struct ent_engine *e, uint32_t member,
                            const struct ent_envelope *env)
{
    const struct ent_round_member *m = &e->round.members[member];

    return env->header.type == ENT_MSG_UPDATE && env->header.run == e->run.config.run &&
           env->header.round == e->round.round && env->header.attempt == e->round.attempt &&
           m->offered && memcmp(m->digest, env->payload_sha256, sizeof m->digest) == 0;
}

/* An attempt that was open when this program started, and of which more than a restart may have been lost (recover): the
 * member answers the same RoundOpen once more, and then offers what it computed at first, under its number of then. It
 * is bound to the attempt, which takes one update of a member and no other. */
static bool is_owed_update(const struct ent_engine *e, uint32_t member,
                           const struct ent_envelope *env)
{
    const struct ent_round_member *m = &e->round.members[member];

    return env->header.type == ENT_MSG_UPDATE && env->header.run == e->run.config.run &&
           env->header.round == e->round.round && env->header.attempt == e->round.attempt &&
           e->round.round == e->restored_round && e->round.attempt == e->restored_attempt &&
           e->run.config.run == e->restored_run && m->standing == ENT_STANDING_JOINED &&
           !m->offered;
}

enum ent_err ent_admit_sequence(struct ent_engine *e, uint32_t member,
                                const struct ent_envelope *env)
{
    struct ent_engine_member *m = &e->members[member];
    const struct ent_recent *same = find_recent(m, env->header.sequence);

    if (same != NULL) {
        if (memcmp(same->statement, env->statement, sizeof same->statement) == 0) {
            return ENT_E_REPEAT;
        }
        return ent_err_note(ENT_E_REPLAY,
                            "sequence number %llu was used before, for another message",
                            (unsigned long long)env->header.sequence);
    }
    if (env->header.sequence <= m->last_sequence && env->header.type != ENT_MSG_HELLO) {
        if (is_known_update(e, member, env)) {
            remember(m, env);
            return ENT_E_REPEAT;
        }
        if (is_owed_update(e, member, env)) {
            remember(m, env);
            return ENT_E_OK;
        }
        return ent_err_note(
            ENT_E_REPLAY, "sequence number %llu is not above %llu, the last one accepted",
            (unsigned long long)env->header.sequence, (unsigned long long)m->last_sequence);
    }
    remember(m, env);
    if (env->header.type == ENT_MSG_HELLO) {
        return ENT_E_OK;
    }
    m->last_sequence = env->header.sequence;
    if (env->header.type != ENT_MSG_UPDATE) { /* an update's is stored with the row that ends it */
        m->to_store = env->header.sequence;
    }
    return ENT_E_OK;
}
