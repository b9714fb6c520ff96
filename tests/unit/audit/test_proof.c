/* prove and check-proof: a proof stands alone, and nothing that was changed in it passes. */
#include <stdlib.h>
#include <string.h>

#include "audit/verbs.h"
#include "common/base/file.h"
#include "common/tlog/proof.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

struct world {
    struct ent_forge *forge;
    char *export;
    char *policy;
    char *proof;
};

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static struct world world_of(uint64_t seed)
{
    static const struct ent_forge_fault lost[] = {{2, 1, 1, ENT_FORGE_TIMEOUT}};
    struct ent_forge_options options = {.seed = seed,
                                        .n_members = 4,
                                        .train_rounds = 2,
                                        .plain = true,
                                        .faults = lost,
                                        .n_faults = 1};
    const char *tmp = ent_test_tmpdir();
    struct world w = {
        .export = in(tmp, "export"), .policy = in(tmp, "policy"), .proof = in(tmp, "p")};

    ENT_OK(ent_forge_new(&options, &w.forge));
    ENT_OK(ent_forge_export(w.forge, w.export, true));
    ENT_OK(ent_forge_policy_file(w.forge, w.policy));
    return w;
}

static void leave(struct world *w)
{
    ent_forge_free(w->forge);
    free(w->export);
    free(w->policy);
    free(w->proof);
}

static enum ent_err prove(const struct world *w, struct ent_audit_verb verb)
{
    const char *args[] = {w->export};

    verb.out = w->proof;
    return ent_verb_audit_prove(&verb, args, 1);
}

static enum ent_err check(const struct world *w, const char *policy)
{
    struct ent_audit_verb verb = {.policy = policy, .json = true};
    const char *args[] = {w->proof};

    return ent_verb_audit_check_proof(&verb, args, 1);
}

ENT_TEST(proof, of_every_leaf)
{
    struct world w = world_of(21);
    char number[24];

    for (size_t i = 0; i < w.forge->n_leaves; i += 7) {
        (void)snprintf(number, sizeof number, "%zu", i);
        ENT_OK(prove(&w, (struct ent_audit_verb){.leaf = number}));
        ENT_OK(check(&w, w.policy));
    }
    ENT_FAILS(check(&w, NULL), ENT_E_INCOMPLETE);
    leave(&w);
}

ENT_TEST(proof, how_a_member_ended)
{
    struct world w = world_of(22);
    struct ent_tlog_proof proof;
    struct ent_buf text;
    char handle[33];

    ent_hex(w.forge->members[1].handle, 16, handle);
    for (uint64_t round = 1; round <= 2; round++) {
        unsigned type = round == 2 ? ENT_LEAF_UPDATE_DROPOUT : ENT_LEAF_UPDATE_ACCEPT;

        ENT_OK(prove(&w, (struct ent_audit_verb){.member = handle, .round = round}));
        ENT_OK(check(&w, w.policy));
        ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
        ENT_OK(ent_file_read(w.proof, &text));
        ENT_OK(ent_tlog_proof_parse((const char *)text.data, text.len, &proof));
        CU_ASSERT_EQUAL(proof.index, ent_forge_find(w.forge, type, round, 1, 0));
        ent_buf_release(&text);
    }
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.member = handle, .round = 40}), ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.member = "7c1e", .round = 1}), ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.member = handle}), ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.leaf = "1", .member = handle, .round = 1}),
              ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.leaf = "99999999"}), ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){.leaf = "-1"}), ENT_E_USAGE);
    ENT_FAILS(prove(&w, (struct ent_audit_verb){0}), ENT_E_USAGE);
    leave(&w);
}

ENT_TEST(proof, under_another_policy)
{
    struct world w = world_of(23);
    struct world x = world_of(24);

    ENT_OK(prove(&w, (struct ent_audit_verb){.leaf = "3"}));
    ENT_FAILS(check(&w, x.policy), ENT_E_VIOLATION);
    ENT_FAILS(check(&w, "/nonexistent/policy"), ENT_E_CONFIG);
    leave(&w);
    leave(&x);
}

/* Each byte in turn: changed, it does not pass; but for those that C2SP lets a reader ignore (a
 * cosignature too many that becomes unknown). */
ENT_TEST(proof, changed_bytes)
{
    struct world w = world_of(25);
    struct ent_buf text;
    size_t n_path;
    unsigned n_passed = 0;

    ENT_OK(prove(&w, (struct ent_audit_verb){.leaf = "5"}));
    ent_buf_init(&text, ENT_TLOG_PROOF_MAX_BYTES);
    ENT_OK(ent_file_read(w.proof, &text));
    n_path = text.len / 2;
    for (size_t i = 0; i < n_path; i += 3) {
        text.data[i] ^= 1;
        ENT_OK(ent_file_write_atomic(w.proof, text.data, text.len, 0600));
        n_passed += check(&w, w.policy) == ENT_E_OK;
        text.data[i] ^= 1;
    }
    CU_ASSERT_EQUAL(n_passed, 0);
    ENT_OK(ent_file_write_atomic(w.proof, text.data, text.len, 0600));
    ENT_OK(check(&w, w.policy));
    ent_buf_release(&text);
    leave(&w);
}
