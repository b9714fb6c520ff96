/* Tests register themselves: ENT_TEST(suite, name) { CU_ASSERT(...); }. One program a room;
 * runner.c has main(). */
#ifndef ENT_TESTS_SUPPORT_ENT_TEST_H
#define ENT_TESTS_SUPPORT_ENT_TEST_H

#include <CUnit/CUnit.h>

#ifdef __clang_analyzer__
/* What the analyzer cannot see: behind a fatal assertion that fails nothing goes on. */
static inline CU_BOOL ent_test_assert(CU_BOOL holds, CU_BOOL fatal)
{
    if (!holds && fatal) {
        __builtin_unreachable();
    }
    return holds;
}
#define CU_assertImplementation(value, line, text, file, function, fatal)                          \
    ent_test_assert((value), (fatal))
#endif

struct ent_test_case {
    const char *suite;
    const char *name;
    void (*run)(void);
    struct ent_test_case *next;
};

void ent_test_register(struct ent_test_case *test);

/* Say that this test could not be run here, and why; all of these are listed at the end. */
void ent_test_skip(const char *why);

/* Path of a file under ENTENTE_SHARED (default ../shared from the source tree), or NULL when it is
 * not there: the caller returns after that (the skip is recorded). Static storage, valid until the
 * next call. */
const char *ent_test_shared(const char *relative);

/* A fresh, empty directory; all of a program's are removed when it ends. The name is static storage, valid for the next
 * 63 calls. */
const char *ent_test_tmpdir(void);

#define ENT_TEST(suite_, name_)                                                                    \
    static void test_##suite_##_##name_(void);                                                     \
    __attribute__((constructor)) static void reg_##suite_##_##name_(void)                          \
    {                                                                                              \
        static struct ent_test_case c = {#suite_, #name_, test_##suite_##_##name_, NULL};          \
        ent_test_register(&c);                                                                     \
    }                                                                                              \
    static void test_##suite_##_##name_(void)

#define ENT_OK(call)                                                                               \
    do {                                                                                           \
        enum ent_err ent_ok_err_ = (call);                                                         \
        if (ent_ok_err_ != ENT_OK_CODE)                                                            \
            (void)fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call,                    \
                          ent_err_message());                                                      \
        CU_ASSERT_EQUAL_FATAL(ent_ok_err_, ENT_OK_CODE);                                           \
    } while (0)

#define ENT_FAILS(call, code) CU_ASSERT_EQUAL((call), (code))

#include <stdio.h>

#include "common/base/err.h"
#define ENT_OK_CODE ENT_E_OK

#endif
