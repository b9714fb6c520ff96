/* Options that may be given often, and a program's own exit statuses. */
#include <stddef.h>
#include <string.h>

#include "common/base/options.h"
#include "tests/support/ent_test.h"

struct verb {
    struct ent_option_list files;
    const char *one;
};

static struct verb got; /* of the last run: one thread */

static enum ent_err run(const void *options, const char *const *args, size_t n_args)
{
    (void)args;
    (void)n_args;
    memcpy(&got, options, sizeof got);
    return got.one != NULL ? ENT_E_VIOLATION : ENT_E_OK;
}

static const struct ent_option options[] = {
    {"file", ENT_OPT_LIST, "FILE", "may be given often", offsetof(struct verb, files)},
    {"one", ENT_OPT_STRING, "X", "fails", offsetof(struct verb, one)},
    {NULL, ENT_OPT_FLAG, NULL, NULL, 0}};
static const struct ent_verb verbs[] = {
    {"", "Test", NULL, 0, 0, "test", options, sizeof(struct verb), run},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL}};
static const struct ent_program program = {"test", "tests options", verbs};

static int own(enum ent_err err)
{
    return err == ENT_E_OK ? 0 : err == ENT_E_VIOLATION ? 1 : 2;
}

static const struct ent_exits exits = {own, "  1  own\n"};

static int run_with(const char *const *words, size_t n)
{
    char *argv[64] = {0};

    for (size_t i = 0; i < n; i++) {
        memcpy(&argv[i], &words[i], sizeof argv[i]);
    }
    return ent_program_run_with(&program, &exits, (int)n, argv);
}

ENT_TEST(options, list)
{
    static const char *const three[] = {"test", "--file", "a", "--file=b", "--file", "a"};
    const char *many[64] = {"test"};
    size_t n = 1;

    CU_ASSERT_EQUAL(run_with(three, 6), 0);
    CU_ASSERT_EQUAL_FATAL(got.files.n, 3);
    CU_ASSERT_STRING_EQUAL(got.files.values[0], "a");
    CU_ASSERT_STRING_EQUAL(got.files.values[1], "b");
    CU_ASSERT_STRING_EQUAL(got.files.values[2], "a");
    for (size_t i = 0; i <= ENT_OPTION_LIST_MAX; i++) {
        many[n++] = "--file=x";
    }
    CU_ASSERT_EQUAL(run_with(many, n - 1), 0);
    CU_ASSERT_EQUAL(got.files.n, ENT_OPTION_LIST_MAX);
    CU_ASSERT_EQUAL(run_with(many, n), 2);
}

ENT_TEST(options, exit_statuses_of_its_own)
{
    static const char *const fails[] = {"test", "--one", "x"};
    static const char *const unknown[] = {"test", "--two"};
    char *argv[] = {NULL, NULL, NULL, NULL};

    CU_ASSERT_EQUAL(run_with(fails, 3), 1);
    CU_ASSERT_EQUAL(run_with(unknown, 2), 2);
    for (size_t i = 0; i < 3; i++) {
        memcpy(&argv[i], &fails[i], sizeof argv[i]);
    }
    CU_ASSERT_EQUAL(ent_program_run(&program, 3, argv), ent_err_exit(ENT_E_VIOLATION));
}
