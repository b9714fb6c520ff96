#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CUnit/Basic.h>

#include "tests/support/ent_test.h"

static struct ent_test_case *first;
static struct ent_test_case **last = &first;
static char skipped[64][256];
static size_t n_skipped;     /* all of them; the first ones are kept */
static char tmproot[64];     /* holds every directory of this program; "": none was asked for */
static char tmpdirs[64][64]; /* names of the newest */
static size_t n_tmpdirs;
static const char *current = "?";

void ent_test_register(struct ent_test_case *test)
{
    *last = test;
    last = &test->next;
}

void ent_test_skip(const char *why)
{
    if (n_skipped < sizeof skipped / sizeof skipped[0]) {
        (void)snprintf(skipped[n_skipped], sizeof skipped[0], "%s: %s", current, why);
    }
    n_skipped++;
}

const char *ent_test_shared(const char *relative)
{
    static char path[4096];
    const char *root = getenv("ENTENTE_SHARED");
    const char *source = getenv("ENTENTE_SOURCE");

    if (root != NULL) {
        (void)snprintf(path, sizeof path, "%s/%s", root, relative);
    } else {
        (void)snprintf(path, sizeof path, "%s/../shared/%s", source != NULL ? source : ".",
                       relative);
    }
    if (access(path, R_OK) != 0) {
        char why[200];

        (void)snprintf(why, sizeof why, "no %s (ENTENTE_SHARED)", relative);
        ent_test_skip(why);
        return NULL;
    }
    return path;
}

const char *ent_test_tmpdir(void)
{
    char *dir = tmpdirs[n_tmpdirs % (sizeof tmpdirs / sizeof tmpdirs[0])];

    if (tmproot[0] == '\0') {
        (void)strcpy(tmproot, "/tmp/entente-test.XXXXXX");
        if (mkdtemp(tmproot) == NULL) {
            perror("mkdtemp");
            abort();
        }
    }
    (void)snprintf(dir, sizeof tmpdirs[0], "%.40s/%zu", tmproot, n_tmpdirs++);
    if (mkdir(dir, 0700) != 0) {
        perror("mkdir");
        abort();
    }
    return dir;
}

static int remove_entry(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void run_named(const CU_pTest test, const CU_pSuite suite)
{
    (void)suite;
    current = test->pName;
}

static void report_skipped(void)
{
    size_t kept = sizeof skipped / sizeof skipped[0];

    for (size_t i = 0; i < n_skipped && i < kept; i++) {
        printf("SKIPPED %s\n", skipped[i]);
    }
    if (n_skipped > kept) {
        printf("SKIPPED %zu more\n", n_skipped - kept);
    }
}

/* All tests, or those whose suite or name contains the first argument. --seed N before it: tests with seeded
 * schedules run that one alone (ENTENTE_SEED). */
int main(int argc, char **argv)
{
    CU_pSuite suite = NULL;
    unsigned failed;

    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        if (setenv("ENTENTE_SEED", argv[2], 1) != 0) {
            return 2;
        }
        argc -= 2;
        argv += 2;
    }

    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 2;
    }
    for (struct ent_test_case *t = first; t != NULL; t = t->next) {
        if (argc > 1 && strstr(t->name, argv[1]) == NULL && strstr(t->suite, argv[1]) == NULL) {
            continue;
        }
        suite = CU_get_suite(t->suite);
        if (suite == NULL) {
            suite = CU_add_suite(t->suite, NULL, NULL);
        }
        if (suite == NULL || CU_add_test(suite, t->name, t->run) == NULL) {
            (void)fprintf(stderr, "cannot add test %s.%s\n", t->suite, t->name);
            return 2;
        }
    }
    if (suite == NULL) {
        (void)fprintf(stderr, "no test of that name\n");
        return 2;
    }
    CU_set_test_start_handler(run_named);
    CU_basic_set_mode(argc > 1 ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    report_skipped();
    if (tmproot[0] != '\0') {
        (void)nftw(tmproot, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    return failed == 0 ? 0 : 1;
}
