#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/blob.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/options.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"

ENT_TEST(err, exit_statuses_and_names)
{
    CU_ASSERT_EQUAL(ent_err_exit(ENT_E_OK), 0);
    CU_ASSERT_STRING_EQUAL(ent_err_name(ENT_E_TOO_FEW), "too_few");
    CU_ASSERT_EQUAL(ent_err_note(ENT_E_DATA, "line %d", 7), ENT_E_DATA);
    CU_ASSERT_EQUAL(ent_err_prefix(ENT_E_DATA, "f.csv"), ENT_E_DATA);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "f.csv: line 7");
    CU_ASSERT_FALSE(ent_err_valid(ENT_E_COUNT));
}

ENT_TEST(buf, hard_maximum)
{
    struct ent_buf b;

    ent_buf_init(&b, 10);
    ENT_OK(ent_buf_add(&b, "0123456789", 10));
    ENT_FAILS(ent_buf_add_u8(&b, 1), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(b.len, 10);
    ent_buf_release(&b);
}

ENT_TEST(buf, hex_round_trip)
{
    uint8_t in[4] = {0, 0x7f, 0x80, 0xff};
    uint8_t out[4];
    char hex[9];

    ent_hex(in, 4, hex);
    CU_ASSERT_STRING_EQUAL(hex, "007f80ff");
    ENT_OK(ent_unhex(hex, out, 4));
    CU_ASSERT_EQUAL(memcmp(in, out, 4), 0);
    ENT_FAILS(ent_unhex("00", out, 4), ENT_E_USAGE);
    ENT_FAILS(ent_unhex("zz000000", out, 4), ENT_E_USAGE);
}

ENT_TEST(mem, overflow_is_an_error)
{
    size_t out = 1;

    ENT_FAILS(ent_size_mul((size_t)-1, 2, &out), ENT_E_LIMIT);
    ENT_FAILS(ent_size_add((size_t)-1, 1, &out), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(out, 1);
}

ENT_TEST(arena, limit_and_alignment)
{
    struct ent_arena a;
    char *p;

    ent_arena_init(&a, 1 << 20);
    for (int i = 0; i < 100; i++) {
        ENT_OK(ent_arena_alloc(&a, (size_t)i * 37, 1, &p));
        CU_ASSERT_EQUAL((uintptr_t)p % 64, 0);
    }
    ENT_FAILS(ent_arena_alloc(&a, 1 << 20, 1, &p), ENT_E_LIMIT);
    ent_arena_release(&a);
}

/* Cleared memory is handed out again, as zeroes and with the whole limit. */
ENT_TEST(arena, cleared_is_as_new)
{
    struct ent_arena a;
    uint8_t *p;
    uint8_t *q;

    ent_arena_init(&a, 1 << 20);
    ent_arena_clear(&a);
    for (int turn = 0; turn < 3; turn++) {
        ENT_OK(ent_arena_alloc(&a, 1000, 1, &p));
        CU_ASSERT(p[0] == 0 && p[999] == 0 && memcmp(p, p + 1, 999) == 0);
        memset(p, 0xff, 1000);
        if (turn == 1) { /* several blocks, and one too large to stay */
            ENT_OK(ent_arena_alloc(&a, 900000, 1, &q));
            memset(q, 0xff, 900000);
        }
        ent_arena_clear(&a);
        CU_ASSERT_EQUAL(a.used_total, 0);
    }
    ent_arena_release(&a);
}

/* Known answers of Philox4x32-10 from the authors' Random123 kat_vectors. */
ENT_TEST(rng, philox_known_answers)
{
    static const uint32_t zero[4] = {0};
    static const uint32_t ones[4] = {~0u, ~0u, ~0u, ~0u};
    static const uint32_t pi_c[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    static const uint32_t pi_k[2] = {0xa4093822, 0x299f31d0};
    uint32_t out[4];

    ent_philox4x32(zero, zero, out);
    CU_ASSERT(out[0] == 0x6627e8d5 && out[1] == 0xe169c58d && out[2] == 0xbc57ac4c &&
              out[3] == 0x9b00dbd8);
    ent_philox4x32(ones, ones, out);
    CU_ASSERT(out[0] == 0x408f276d && out[1] == 0x41c83b0e && out[2] == 0xa20bc7c6 &&
              out[3] == 0x6d5451fd);
    ent_philox4x32(pi_k, pi_c, out);
    CU_ASSERT(out[0] == 0xd16cfe09 && out[1] == 0x94fdcceb && out[2] == 0x5001e420 &&
              out[3] == 0x24126ea1);
}

ENT_TEST(rng, below_is_in_range_and_even)
{
    struct ent_rng rng = ent_rng_init(1, 2);
    unsigned counts[7] = {0};

    for (int i = 0; i < 70000; i++) {
        counts[ent_rng_below(&rng, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        CU_ASSERT(counts[i] > 9500 && counts[i] < 10500); /* 5 standard deviations: 460 */
    }
}

ENT_TEST(file, atomic_write_and_limits)
{
    char *path = NULL;
    struct ent_buf b;

    ENT_OK(ent_path_join(ent_test_tmpdir(), "f", &path));
    ENT_OK(ent_file_write_atomic(path, "hello", 5, 0600));
    ENT_FAILS(ent_file_write_new(path, "x", 1, 0600), ENT_E_EXISTS);
    ent_buf_init(&b, 5);
    ENT_OK(ent_file_read(path, &b));
    CU_ASSERT(b.len == 5 && memcmp(b.data, "hello", 5) == 0);
    ent_buf_release(&b);
    ent_buf_init(&b, 4);
    ENT_FAILS(ent_file_read(path, &b), ENT_E_LIMIT);
    ent_buf_release(&b);
    ENT_OK(ent_file_check_private(path));
    ENT_OK(ent_file_write_atomic(path, "hello", 5, 0644));
    ENT_FAILS(ent_file_check_private(path), ENT_E_PERMISSION);
    ENT_OK(ent_file_remove(path));
    ENT_OK(ent_file_remove(path));
    ENT_FAILS(ent_file_read(path, &b), ENT_E_NOT_FOUND);
    free(path);
}

ENT_TEST(file, an_unnamed_file_holds_bytes_and_has_no_name)
{
    static const char text[] = "kept";
    struct stat sb;
    char got[sizeof text];
    int fd = -1;

    ENT_OK(ent_file_unnamed(&fd));
    CU_ASSERT_EQUAL(fstat(fd, &sb), 0);
    CU_ASSERT_EQUAL(sb.st_nlink, 0);
    CU_ASSERT_EQUAL(sb.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(pwrite(fd, text, sizeof text, 100), sizeof text);
    CU_ASSERT_EQUAL(pread(fd, got, sizeof got, 100), sizeof got);
    CU_ASSERT_STRING_EQUAL(got, text);
    (void)close(fd);
    CU_ASSERT_EQUAL(setenv("TMPDIR", "/no/such/directory", 1), 0);
    CU_ASSERT_EQUAL(ent_file_unnamed(&fd), ENT_E_IO);
    CU_ASSERT_EQUAL(unsetenv("TMPDIR"), 0);
}

ENT_TEST(file, lock_is_exclusive)
{
    const char *dir = ent_test_tmpdir();
    int a;
    int b;

    ENT_OK(ent_dir_lock(dir, &a));
    ENT_FAILS(ent_dir_lock(dir, &b), ENT_E_BUSY);
}

/* The directory that a path stands in, however the path is written. */
ENT_TEST(file, parents_are_synchronised)
{
    const char *dir = ent_test_tmpdir();
    char path[600];

    (void)snprintf(path, sizeof path, "%s/is/not", dir);
    ENT_FAILS(ent_parent_sync(path), ENT_E_NOT_FOUND);
    (void)snprintf(path, sizeof path, "%s/not//", dir);
    ENT_OK(ent_parent_sync(path));
    ENT_OK(ent_parent_sync("not"));
    ENT_OK(ent_parent_sync("not/"));
    ENT_OK(ent_parent_sync("/not"));
    ENT_OK(ent_parent_sync("/"));
}

struct few {
    const char *label;
    uint64_t rounds;
};

static enum ent_err run_few(const void *options, const char *const *args, size_t n)
{
    const struct few *few = options;

    (void)args;
    (void)n;
    return few->rounds == 3 && few->label != NULL ? ENT_E_OK : ENT_E_INTERNAL;
}

/* What was typed counts, or is refused: no value is replaced or taken as the default without a word. */
ENT_TEST(options, no_value_is_lost)
{
    static const struct ent_option table[] = {
        {"label", ENT_OPT_STRING, "TEXT", "a text", offsetof(struct few, label)},
        {"rounds", ENT_OPT_COUNT, "N", "a count", offsetof(struct few, rounds)},
        {NULL, ENT_OPT_FLAG, NULL, NULL, 0}};
    static const struct ent_verb verbs[] = {{.name = "",
                                             .summary = "test",
                                             .options = table,
                                             .options_bytes = sizeof(struct few),
                                             .run = run_few},
                                            {.name = NULL}};
    static const struct ent_program program = {"few", "test", verbs};
    char name[] = "few";
    char label[] = "--label=a";
    char other[] = "--label=b";
    char zero[] = "--rounds=0";
    char three[] = "--rounds=3";
    char four[] = "--rounds=4";
    char *good[] = {name, label, three, NULL};
    char *twice[] = {name, label, three, other, NULL};
    char *counts[] = {name, label, three, four, NULL};
    char *same[] = {name, label, three, label, three, NULL};
    char *none[] = {name, label, zero, NULL};

    CU_ASSERT_EQUAL(ent_program_run(&program, 3, good), 0);
    CU_ASSERT_EQUAL(ent_program_run(&program, 5, same), 0);
    CU_ASSERT_EQUAL(ent_program_run(&program, 4, twice), 2);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "--label is given twice, with another value");
    CU_ASSERT_EQUAL(ent_program_run(&program, 4, counts), 2);
    CU_ASSERT_EQUAL(ent_program_run(&program, 3, none), 2);
    CU_ASSERT_STRING_EQUAL(ent_err_message(), "--rounds takes a number from 1, not 0");
}

ENT_TEST(options, nearest)
{
    static const char *const names[] = {"features", "label", "training"};

    CU_ASSERT_STRING_EQUAL(ent_nearest("lable", names, 3), "label");
    CU_ASSERT_STRING_EQUAL(ent_nearest("feature", names, 3), "features");
    CU_ASSERT_PTR_NULL(ent_nearest("xyz", names, 3));
}

ENT_TEST(options, nearest_of_short_words)
{
    static const char *const names[] = {"dir", "plan", "id", "json"};

    CU_ASSERT_STRING_EQUAL(ent_nearest("dri", names, 4), "dir");
    CU_ASSERT_STRING_EQUAL(ent_nearest("plna", names, 4), "plan");
    CU_ASSERT_STRING_EQUAL(ent_nearest("josn", names, 4), "json");
    CU_ASSERT_STRING_EQUAL(ent_nearest("di", names, 4), "dir");
    CU_ASSERT_PTR_NULL(ent_nearest("x", names, 4));
    CU_ASSERT_PTR_NULL(ent_nearest("rid", names + 1, 1));
}

ENT_TEST(err, exit_statuses_are_listed_by_number)
{
    FILE *f = tmpfile();
    char line[200];
    int last = -1;
    int n = 0;
    int status;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    ent_err_print_exit_statuses(f);
    rewind(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%d", &status) == 1) {
            CU_ASSERT_TRUE(status >= last);
            last = status;
            n++;
        }
    }
    CU_ASSERT_EQUAL(n, ENT_E_COUNT);
    (void)fclose(f);
}

ENT_TEST(file, errors_have_their_cause_and_the_path_that_was_asked_for)
{
    const char *dir = ent_test_tmpdir();
    struct ent_blob *blob;
    char path[600];

    (void)snprintf(path, sizeof path, "%s/none/x", dir);
    ENT_FAILS(ent_file_write_atomic(path, "a", 1, 0600), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "none/x: No such file"));
    CU_ASSERT_PTR_NULL(strstr(ent_err_message(), ".tmp."));
    ENT_FAILS(ent_blob_new_file(path, &blob), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "No such file"));
    ENT_FAILS(ent_blob_new_file(dir, &blob), ENT_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "it is a directory"));
}

ENT_TEST(clock, texts)
{
    char text[ENT_TIME_TEXT_BYTES];

    ent_time_text(1795543200000, text);
    CU_ASSERT_STRING_EQUAL(text, "2026-11-24T18:00:00Z");
    ent_duration_text(11100000, text);
    CU_ASSERT_STRING_EQUAL(text, "3 h 5 min");
}

ENT_TEST(buf, all_zero_means_every_byte)
{
    uint8_t bytes[33] = {0};

    CU_ASSERT_TRUE(ent_all_zero(bytes, sizeof bytes));
    CU_ASSERT_TRUE(ent_all_zero(bytes, 0));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0x80;
        CU_ASSERT_FALSE(ent_all_zero(bytes, sizeof bytes));
        CU_ASSERT_TRUE(ent_all_zero(bytes, i));
        bytes[i] = 0;
    }
}
