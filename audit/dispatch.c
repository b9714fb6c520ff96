/* What each type of leaf means: a table, and those that only go into the facts. */
#include <inttypes.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

static enum ent_err take_genesis(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_genesis *genesis = &leaf->any.genesis;
    struct ent_audit_facts *facts = a->facts;
    struct ent_vkey key;

    if (leaf->index != 0) {
        return ent_audit_fail(a, 7, leaf->index, "leaf %" PRIu64 ": a second log.genesis",
                              leaf->index);
    }
    facts->has_genesis = true;
    facts->genesis = *genesis;
    if (strcmp(genesis->origin, facts->origin) != 0) {
        ENT_TRY(ent_audit_fail(a, 4, 0, "leaf 0: the log calls itself otherwise than %s",
                               facts->pinned ? "the policy" : "its checkpoint"));
    }
    if (ent_vkey_of(facts->origin, ENT_VKEY_LOG, genesis->log_pub, &key) != ENT_E_OK) {
        return ent_audit_fail(a, 4, 0, "leaf 0: the log's key or name is none that could sign");
    }
    if (facts->pinned && memcmp(genesis->log_pub, a->policy.log.pub, 32) != 0) {
        return ent_audit_fail(a, 4, 0, "leaf 0 names another log key than the policy");
    }
    if (!facts->pinned) {
        a->keys[0] = key;
    }
    return ENT_E_OK;
}

static enum ent_err take_auditor(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_auditor *fact = NULL;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, auditors, ENT_AUDIT_LIST_MAX, &fact));
    if (fact != NULL) {
        *fact = (struct ent_audit_auditor){
            .seq = leaf->index, .ms = leaf->frame.time_ms, .leaf = leaf->any.auditor_admit};
    }
    return ENT_E_OK;
}

static enum ent_err take_processing(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_processing *fact = NULL;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, processing, ENT_AUDIT_BUILDS_MAX, &fact));
    if (fact != NULL) {
        *fact = (struct ent_audit_processing){
            .seq = leaf->index, .ms = leaf->frame.time_ms, .leaf = leaf->any.processing_set};
    }
    return ENT_E_OK;
}

static enum ent_err take_action(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_operator_action *action = &leaf->any.operator_action;
    struct ent_audit_action *fact = NULL;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, actions, ENT_AUDIT_LIST_MAX, &fact));
    if (fact == NULL) {
        return ENT_E_OK;
    }
    fact->seq = leaf->index;
    fact->ms = leaf->frame.time_ms;
    fact->action = action->action;
    fact->reason = action->reason;
    fact->outcome = action->outcome;
    fact->subject_len =
        action->subject.len < sizeof fact->subject ? action->subject.len : sizeof fact->subject;
    if (fact->subject_len > 0) {
        memcpy(fact->subject, action->subject.data, fact->subject_len);
    }
    return ENT_E_OK;
}

static enum ent_err take_build(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_build *fact = NULL;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, builds, ENT_AUDIT_BUILDS_MAX, &fact));
    if (fact != NULL) {
        *fact = (struct ent_audit_build){
            .seq = leaf->index, .ms = leaf->frame.time_ms, .leaf = leaf->any.software_start};
    }
    return ENT_E_OK;
}

static const struct {
    unsigned type;
    enum ent_err (*take)(struct ent_audit *a, const struct ent_audit_leaf *leaf);
} table[] = {
    {ENT_LEAF_GENESIS, take_genesis},
    {ENT_LEAF_MEMBER_ADMIT, ent_audit_member_admit},
    {ENT_LEAF_MEMBER_REVOKE, ent_audit_member_revoke},
    {ENT_LEAF_WITNESS_SET, ent_audit_quorum_set},
    {ENT_LEAF_AUDITOR_ADMIT, take_auditor},
    {ENT_LEAF_MEMBER_LEAVE, ent_audit_member_leave},
    {ENT_LEAF_CONFIG_SET, ent_audit_config},
    {ENT_LEAF_PROCESSING_SET, take_processing},
    {ENT_LEAF_OPERATOR_ACTION, take_action},
    {ENT_LEAF_SOFTWARE_START, take_build},
    {ENT_LEAF_ROUND_OPEN, ent_audit_open},
    {ENT_LEAF_ROUND_JOIN, ent_audit_join},
    {ENT_LEAF_UPDATE_ACCEPT, ent_audit_accept},
    {ENT_LEAF_UPDATE_REJECT, ent_audit_end},
    {ENT_LEAF_ROUND_CLOSE, ent_audit_close},
    {ENT_LEAF_ROUND_ABORT, ent_audit_abort},
    {ENT_LEAF_UPDATE_DROPOUT, ent_audit_end},
    {ENT_LEAF_DP_EVENT, ent_audit_dp_event},
    {ENT_LEAF_DP_REFUND, ent_audit_dp_refund},
    {ENT_LEAF_EVAL_RESULT, ent_audit_eval},
    {ENT_LEAF_MODEL_RELEASE, ent_audit_release},
    {ENT_LEAF_BLOB_ERASE, ent_audit_erase},
    {ENT_LEAF_DISPUTE, ent_audit_dispute_leaf},
};

_Static_assert(ENT_ARRAY_LEN(table) <= sizeof(((struct ent_audit_facts *)0)->n_leaves) /
                                           sizeof(((struct ent_audit_facts *)0)->n_leaves[0]),
               "a count for each type of leaf");

enum ent_err ent_audit_meaning(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    if (leaf->index == 0 && leaf->frame.type != ENT_LEAF_GENESIS) {
        ENT_TRY(ent_audit_fail(a, 7, 0, "leaf 0 is no log.genesis"));
    }
    ENT_TRY(ent_audit_budget_leaf(a, leaf));
    for (size_t i = 0; i < ENT_ARRAY_LEN(table); i++) {
        if (table[i].type == leaf->frame.type) {
            a->facts->n_leaves[i]++;
            return table[i].take(a, leaf);
        }
    }
    return ent_audit_find(a, 7, ENT_AUDIT_INCOMPLETE, leaf->index,
                          "leaf %" PRIu64 ": %s has no meaning in this build", leaf->index,
                          ent_leaf_name(leaf->frame.type));
}
