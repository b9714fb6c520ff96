/* fork: two histories under one key are proved, one history is not accused. */
#include <stdlib.h>
#include <string.h>

#include "audit/verbs.h"
#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

/* The same federation (same seed), which then goes on in its own way. */
static struct ent_forge *forge_of(uint64_t seed, unsigned extra, uint32_t action)
{
    struct ent_forge_options options = {
        .seed = seed, .n_members = 4, .train_rounds = 2, .plain = true};
    struct ent_leaf_operator_action leaf = {.action = action};
    struct ent_forge *forge = NULL;

    ENT_OK(ent_forge_new(&options, &forge));
    for (unsigned i = 0; i < extra; i++) {
        ENT_OK(ent_forge_append(forge, ENT_LEAF_OPERATOR_ACTION, ENT_FORGE_NOBODY, &leaf));
        ENT_OK(ent_forge_publish(forge));
    }
    return forge;
}

static char *export_of(const struct ent_forge *forge)
{
    char *path = in(ent_test_tmpdir(), "export");

    ENT_OK(ent_forge_export(forge, path, true));
    return path;
}

static char *note_of(const struct ent_forge *forge, size_t back)
{
    const struct ent_buf *text = &forge->notes[forge->n_notes - 1 - back].text;
    char *path = in(ent_test_tmpdir(), "note");

    ENT_OK(ent_file_write_atomic(path, text->data, text->len, 0600));
    return path;
}

static char *policy_of(const struct ent_forge *forge)
{
    char *path = in(ent_test_tmpdir(), "policy");

    ENT_OK(ent_forge_policy_file(forge, path));
    return path;
}

static enum ent_err fork_of(const char *a, const char *b, const char *policy)
{
    struct ent_audit_verb text = {.policy = policy};
    struct ent_audit_verb json = {.policy = policy, .json = true};
    const char *args[] = {a, b};
    enum ent_err err = ent_verb_audit_fork(&text, args, 2);

    CU_ASSERT_EQUAL(ent_verb_audit_fork(&json, args, 2), err);
    return err;
}

ENT_TEST(fork, notes)
{
    struct ent_forge *a = forge_of(31, 3, 3);
    struct ent_forge *b = forge_of(31, 3, 4);
    char *policy = policy_of(a);
    char *of_a = note_of(a, 0);
    char *of_b = note_of(b, 0);
    char *older = note_of(a, 1);

    ENT_FAILS(fork_of(of_a, of_b, policy), ENT_E_VIOLATION);
    ENT_OK(fork_of(of_a, of_a, policy));
    ENT_FAILS(fork_of(of_a, older, policy), ENT_E_INCOMPLETE);
    ENT_FAILS(fork_of(of_a, of_b, NULL), ENT_E_INCOMPLETE);
    ENT_FAILS(fork_of(of_a, policy, policy), ENT_E_DATA);
    ENT_FAILS(fork_of(of_a, "/nonexistent/note", policy), ENT_E_NOT_FOUND);
    ent_forge_free(a);
    ent_forge_free(b);
    free(policy);
    free(of_a);
    free(of_b);
    free(older);
}

ENT_TEST(fork, exports)
{
    struct ent_forge *a = forge_of(32, 3, 3);
    struct ent_forge *b = forge_of(32, 5, 4);
    struct ent_forge *longer = forge_of(32, 6, 3);
    char *policy = policy_of(a);
    char *of_a = export_of(a);
    char *of_b = export_of(b);
    char *of_longer = export_of(longer);
    char *note_b = note_of(b, 3); /* shorter than a, with another leaf inside */

    ENT_FAILS(fork_of(of_a, of_b, policy), ENT_E_VIOLATION);
    ENT_FAILS(fork_of(of_b, of_a, policy), ENT_E_VIOLATION);
    ENT_FAILS(fork_of(of_a, of_b, NULL), ENT_E_VIOLATION);
    ENT_FAILS(fork_of(of_a, note_b, policy), ENT_E_VIOLATION);
    ENT_FAILS(fork_of(note_b, of_longer, policy), ENT_E_VIOLATION);
    ENT_OK(fork_of(of_a, of_longer, policy));
    ENT_OK(fork_of(of_longer, of_a, policy));
    ent_forge_free(a);
    ent_forge_free(b);
    ent_forge_free(longer);
    free(policy);
    free(of_a);
    free(of_b);
    free(of_longer);
    free(note_b);
}

/* Notes of another log prove nothing. */
ENT_TEST(fork, another_log)
{
    struct ent_forge *a = forge_of(33, 1, 3);
    struct ent_forge *b = forge_of(34, 1, 3);
    char *policy = policy_of(a);
    char *of_a = note_of(a, 0);
    char *of_b = note_of(b, 0);

    ENT_FAILS(fork_of(of_a, of_b, policy), ENT_E_INCOMPLETE);
    ent_forge_free(a);
    ent_forge_free(b);
    free(policy);
    free(of_a);
    free(of_b);
}
