/* First pass of replay: what is about to be replayed is what the log's note covers. */
#include <stdlib.h>
#include <string.h>

#include "audit/replay_inside.h"
#include "audit/verify.h"
#include "common/base/mem.h"
#include "common/tlog/merkle.h"

struct pass {
    struct ent_replaying *r;
    struct ent_merkle tree;
    struct ent_sha256 hash;
    uint8_t first[32]; /* hash of leaf 0 */
    bool malformed;
    uint64_t malformed_at;
};

static enum ent_err note_erased(struct ent_replaying *r, const struct ent_leaf_blob_erase *erase)
{
    for (size_t i = 0; i < erase->n_digests && r->n_erased < ENT_REPLAY_ERASED_MAX; i++) {
        ENT_TRY(ent_grow(&r->erased, &r->cap_erased, r->n_erased + 1, sizeof *r->erased));
        memcpy(r->erased[r->n_erased++], erase->digests[i], sizeof *r->erased);
    }
    return ENT_E_OK;
}

static enum ent_err on_leaf(void *ctx, const struct ent_audit_leaf *leaf)
{
    struct pass *p = ctx;
    struct ent_replay *out = p->r->out;

    ENT_TRY(ent_merkle_append(&p->tree, &p->hash, leaf->hash, NULL, NULL));
    if (leaf->index == 0) {
        memcpy(p->first, leaf->hash, sizeof p->first);
    }
    if (leaf->decoded != ENT_E_OK) {
        if (leaf->decoded != ENT_E_UNSUPPORTED && !p->malformed) {
            p->malformed = true;
            p->malformed_at = leaf->index;
        }
        return ENT_E_OK;
    }
    if (leaf->frame.type == ENT_LEAF_BLOB_ERASE) {
        return note_erased(p->r, &leaf->any.blob_erase);
    }
    if (leaf->frame.type == ENT_LEAF_SOFTWARE_START) {
        out->n_starts++;
        if (memcmp(leaf->any.software_start.selftest, out->selftest, sizeof out->selftest) != 0) {
            out->n_starts_differ++;
        }
    }
    return ENT_E_OK;
}

/* The note under the pinned policy: who signed it. */
static enum ent_err check_note(struct pass *p, const struct ent_tlog_policy *policy,
                               struct ent_tlog_quorum *quorum)
{
    struct ent_replaying *r = p->r;
    struct ent_bytes note = ent_export_checkpoint(r->export);
    enum ent_err err = ent_tlog_policy_open(policy, (const char *)note.data, note.len, quorum);

    if (err != ENT_E_OK) {
        if (ent_replay_is_fatal(err)) {
            return err;
        }
        ent_replay_say(r, ENT_REPLAY_DIFFERS, false,
                       "the note of this export is not one of the log in the policy (%s); nothing "
                       "was replayed",
                       ent_err_message());
        r->out->root_ok = false;
        return ENT_E_OK;
    }
    if (policy->has_genesis && memcmp(policy->genesis, p->first, sizeof p->first) != 0) {
        ent_replay_say(r, ENT_REPLAY_DIFFERS, false,
                       "the first leaf is not the genesis leaf of the policy: this is another "
                       "federation's log; nothing was replayed");
        r->out->root_ok = false;
    }
    if (!quorum->reached) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, false,
                       "the note has %zu of the %zu cosignatures that the policy asks for",
                       quorum->n_counted, policy->k);
    }
    return ENT_E_OK;
}

static enum ent_err check_pinned(struct pass *p)
{
    struct ent_replaying *r = p->r;
    struct ent_tlog_policy *policy = NULL;
    struct ent_tlog_quorum *quorum = NULL;
    enum ent_err err;

    if (r->options->policy == NULL) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, false,
                       "no --policy: whose log this is was not checked");
        return ENT_E_OK;
    }
    if (ent_export_holds(r->export, r->options->policy)) {
        ent_replay_say(r, ENT_REPLAY_INCOMPLETE, false,
                       "the policy lies inside the export: whose log this is, is its own word");
        return ENT_E_OK;
    }
    err = ent_calloc(1, sizeof *policy, &policy); /* both are tens of kilobytes */
    if (err == ENT_E_OK) {
        err = ent_calloc(1, sizeof *quorum, &quorum);
    }
    if (err == ENT_E_OK) {
        err = ent_audit_policy_read(r->options->policy, policy);
    }
    if (err == ENT_E_OK) {
        err = check_note(p, policy, quorum);
    }
    free(policy);
    free(quorum);
    return err;
}

static enum ent_err compare(struct pass *p)
{
    struct ent_replay *out = p->r->out;
    uint8_t root[32];

    ENT_TRY(ent_merkle_root(&p->tree, &p->hash, root));
    out->root_ok = p->tree.size == out->size && memcmp(root, out->root, sizeof root) == 0;
    if (!out->root_ok) {
        ent_replay_say(p->r, ENT_REPLAY_DIFFERS, false,
                       "the %llu leaves do not give the root of the note; nothing was replayed",
                       (unsigned long long)p->tree.size);
        return ENT_E_OK;
    }
    if (p->malformed) {
        ent_replay_say(p->r, ENT_REPLAY_DIFFERS, false,
                       "leaf %llu is malformed (verify says more); nothing was replayed",
                       (unsigned long long)p->malformed_at);
        out->root_ok = false;
        return ENT_E_OK;
    }
    return check_pinned(p);
}

enum ent_err ent_replay_root(struct ent_replaying *r)
{
    struct pass p = {.r = r};
    enum ent_err err;

    ent_merkle_init(&p.tree);
    err = ent_audit_walk(r->export, 0, on_leaf, &p);
    if (err == ENT_E_OK) {
        err = compare(&p);
    }
    ent_sha256_release(&p.hash);
    return err;
}
