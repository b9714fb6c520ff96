/* V5, second half: which notes have the quorum of the set in force, and what had to have one. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"

struct force { /* a set in force, without those who left */
    const struct ent_audit_set *set;
    uint32_t n;
    uint32_t quorum;
    uint64_t below; /* leaves from here on do not count yet */
};

static bool has_left(const struct ent_audit *a, const struct force *force, const uint8_t handle[16])
{
    uint32_t m = ent_audit_member_find(a, handle);

    return m != ENT_AUDIT_NOBODY && a->facts->members[m].standing == ENT_AUDIT_LEFT &&
           a->facts->members[m].end_seq < force->below &&
           a->facts->members[m].end_seq > force->set->seq;
}

/* The newest set whose leaf stands below the largest cosigned size below this one; else the first. Behind the note that
 * the policy's own witnesses vouch for: theirs, or a newer one. */
static bool set_in_force(const struct ent_audit *a, uint64_t size, struct force *out)
{
    const struct ent_audit_facts *facts = a->facts;
    uint32_t bad;

    *out = (struct force){0};
    if (facts->n_sets == 0 || facts->sets[0].seq >= size) {
        return false;
    }
    out->below = facts->cosigned_size < size ? facts->cosigned_size : a->cosigned_before;
    out->set = &facts->sets[0];
    for (size_t i = 1; i < facts->n_sets; i++) {
        if (facts->sets[i].seq < out->below || (a->anchored && i < a->pinned_set)) {
            out->set = &facts->sets[i];
        }
    }
    out->n = (uint32_t)out->set->n;
    out->quorum = out->set->quorum;
    for (size_t i = 0; i < out->set->n; i++) {
        out->n -= has_left(a, out, out->set->witnesses[i].handle);
    }
    if (out->n < out->set->n && out->n > 0) {
        bad = out->set->bad < out->n - 1 ? out->set->bad : out->n - 1;
        out->quorum = ent_leaf_quorum_of(out->n, bad);
    }
    return out->n > 0;
}

static uint32_t count(const struct ent_audit *a, const struct force *force,
                      const struct ent_audit_note *note, uint64_t *newest_s)
{
    uint32_t n = 0;

    *newest_s = 0;
    for (size_t i = 0; i < note->n_cosigned; i++) {
        const struct ent_audit_member *member = &a->facts->members[note->cosigned[i] - 1];

        for (size_t j = 0; j < force->set->n; j++) {
            const struct ent_leaf_witness *w = &force->set->witnesses[j];

            if (memcmp(w->handle, member->handle, 16) == 0 &&
                memcmp(w->witness_pub, member->witness_pub, 32) == 0 &&
                !has_left(a, force, w->handle)) {
                n++;
                *newest_s = note->time_s[i] > *newest_s ? note->time_s[i] : *newest_s;
            }
        }
    }
    return n;
}

/* The policy's own quorum, without anything that the log says of it: k of the keys that it names, each counted once, over
 * the leaf that holds their set. Sets and their agreements are leaves, which whoever holds the log key can invent, and
 * the first set is believed until a note covers another: without such a note a log that nobody of the policy ever saw
 * could hold the policy's set as its last leaf. */
static bool policy_vouches(const struct ent_audit *a, const struct ent_audit_note *note)
{
    uint32_t n = 0;

    if (!note->log_signed || a->pinned_set == 0 ||
        note->size <= a->facts->sets[a->pinned_set - 1].seq) {
        return false;
    }
    for (size_t i = 0; i < a->policy.n_witnesses; i++) {
        const struct ent_tlog_witness *w = &a->policy.witnesses[i];
        bool there = false;

        for (size_t j = 0; j < note->n_cosigned && !there; j++) {
            there =
                memcmp(a->facts->members[note->cosigned[j] - 1].witness_pub, w->key.pub, 32) == 0;
        }
        n += w->in_quorum && there;
    }
    return n >= a->policy.k;
}

enum ent_err ent_audit_quorum_note(struct ent_audit *a, const struct ent_audit_note *note,
                                   struct ent_audit_stored *stored)
{
    struct ent_audit_facts *facts = a->facts;
    struct force force;
    uint64_t newest_s;
    uint32_t n;
    bool reached;

    if (!set_in_force(a, note->size, &force)) {
        return ENT_E_OK;
    }
    n = count(a, &force, note, &newest_s);
    reached = note->log_signed && n >= force.quorum;
    if (policy_vouches(a, note)) {
        a->anchored = true;
        reached = true;
    }
    if (stored != NULL && reached) {
        stored->quorum = true;
    }
    if (reached && note->size > facts->cosigned_size) { /* notes come in order of their size */
        a->cosigned_before = facts->cosigned_size;
        facts->cosigned_size = note->size;
    }
    if (note->size == ent_export_claim(a->export)->size) {
        facts->cosigned_by = n > facts->cosigned_by ? n : facts->cosigned_by;
        facts->cosigned_of = force.n;
        facts->cosigned_need = force.quorum;
        facts->cosigned_newest_s =
            newest_s > facts->cosigned_newest_s ? newest_s : facts->cosigned_newest_s;
    }
    return ENT_E_OK;
}

/* ---- the end ---- */

static bool has_quorum_between(const struct ent_audit *a, uint64_t above, uint64_t most)
{
    size_t low = 0;
    size_t high = a->n_stored;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (a->stored[mid].size <= above) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < a->n_stored && a->stored[low].size <= most; low++) {
        if (a->stored[low].quorum) {
            return true;
        }
    }
    return false;
}

static enum ent_err check_round(struct ent_audit *a, const struct ent_audit_round *r)
{
    if (r->cosigned_size > 0 && !has_quorum_between(a, r->cosigned_size - 1, r->cosigned_size)) {
        ENT_TRY(ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, r->open_seq,
                               "round %" PRIu64 ": leaf %" PRIu64 " names a quorum at size %" PRIu64
                               ", which the export does not show",
                               r->round, r->open_seq, r->cosigned_size));
    }
    if (r->begin_seq > 0 && !has_quorum_between(a, r->open_seq, r->begin_seq)) {
        ENT_TRY(ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, r->open_seq,
                               "round %" PRIu64 ": it began at leaf %" PRIu64
                               ", and no note of before with a quorum covers its opening (leaf "
                               "%" PRIu64 ")",
                               r->round, r->begin_seq, r->open_seq));
    }
    return ENT_E_OK;
}

static enum ent_err check_pinned(struct ent_audit *a)
{
    struct ent_audit_facts *facts = a->facts;

    if (!facts->pinned) {
        return ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                              "%s: whom to believe is the export's own word (--policy takes a "
                              "member's witness.policy)",
                              a->options->policy == NULL ? "no policy was given"
                                                         : "the policy lies inside the export");
    }
    if (a->policy.has_genesis &&
        memcmp(a->policy.genesis, facts->genesis_hash, sizeof facts->genesis_hash) != 0) {
        ENT_TRY(ent_audit_fail(a, 5, 0, "leaf 0 is not the one that the policy names"));
    }
    if (!a->policy.has_genesis) {
        ENT_TRY(ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                               "the policy names no first leaf (# entente-genesis)"));
    }
    if (facts->n_sets == 0 && facts->n_rounds == 0) { /* exported before anything was computed */
        return ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                              "the log ends before its first witness set: nobody vouches for it");
    }
    if (a->pinned_set == 0) {
        ENT_TRY(ent_audit_fail(
            a, 5, facts->n_sets > 0 ? facts->sets[0].seq : ENT_AUDIT_NO_SEQ,
            "the policy's witness set is not in this log: the export is older than the "
            "policy, or of another history"));
    } else if (!a->anchored) {
        ENT_TRY(
            ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                           "no note that covers the policy's witness set was cosigned by %zu of "
                           "the witnesses that the policy names: nothing says that they saw "
                           "this log",
                           a->policy.k));
    }
    return ENT_E_OK;
}

static enum ent_err check_newest(struct ent_audit *a)
{
    struct ent_audit_facts *facts = a->facts;
    uint64_t size = ent_export_claim(a->export)->size;
    uint64_t age_s;

    if (facts->cosigned_size != size && facts->cosigned_need == 0) {
        ENT_TRY(
            ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                           "no cosignature counts on the newest note; the last with a quorum has "
                           "size %" PRIu64,
                           facts->cosigned_size));
    } else if (facts->cosigned_size != size) {
        ENT_TRY(
            ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                           "the newest note has %" PRIu32 " of the %" PRIu32
                           " cosignatures that it needs; the last with a quorum has size %" PRIu64,
                           facts->cosigned_by, facts->cosigned_need, facts->cosigned_size));
    }
    if (a->options->max_age_s == 0) {
        return ENT_E_OK;
    }
    age_s = a->options->now_s > facts->cosigned_newest_s
                ? a->options->now_s - facts->cosigned_newest_s
                : 0;
    if (age_s > a->options->max_age_s) {
        return ent_audit_find(a, 6, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                              "the newest cosignature is %" PRIu64
                              " hours old: what came after it may be missing",
                              age_s / 3600);
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_quorum_end(struct ent_audit *a)
{
    struct ent_audit_facts *facts = a->facts;

    ENT_TRY(check_pinned(a));
    ENT_TRY(check_newest(a));
    for (size_t i = 0; i < facts->n_rounds; i++) {
        ENT_TRY(check_round(a, &facts->rounds[i]));
    }
    if (facts->lost_rounds > 0) {
        ENT_TRY(ent_audit_find(a, 5, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                               "%" PRIu64 " rounds beyond %zu were not looked at",
                               facts->lost_rounds, ENT_AUDIT_ROUNDS_MAX));
    }
    for (size_t i = 0; facts->n_sets > 0 && i < facts->n_members; i++) {
        const struct ent_audit_set *set = &facts->sets[facts->n_sets - 1];

        for (size_t j = 0; j < set->n; j++) {
            facts->members[i].witness =
                facts->members[i].witness ||
                memcmp(set->witnesses[j].handle, facts->members[i].handle, 16) == 0;
        }
    }
    ent_audit_say(a, 5, ENT_AUDIT_OK,
                  "newest note cosigned by %" PRIu32 " of %" PRIu32 " (%" PRIu32
                  " needed); every round began below a quorum",
                  facts->cosigned_by, facts->cosigned_of, facts->cosigned_need);
    return ENT_E_OK;
}
