/* The external sort gives what sorting in memory gives, whatever the size of its buffer, and leaves nothing behind. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/events/sort.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"

#define N 700

struct record {
    uint8_t bytes[64];
    size_t key_len;
    size_t len;
};

static int by_key(const void *pa, const void *pb)
{
    const struct record *a = pa;
    const struct record *b = pb;
    size_t least = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = memcmp(a->bytes, b->bytes, least);

    return order != 0 ? order : (int)a->key_len - (int)b->key_len;
}

/* Keys of few letters and different lengths, made different by their number at the end. */
static void make(struct record *records, uint64_t seed)
{
    struct ent_rng rng = ent_rng_init(seed, 1);

    for (uint32_t i = 0; i < N; i++) {
        struct record *r = &records[i];
        size_t head = (size_t)(ent_rng_u64(&rng) % 5);

        for (size_t k = 0; k < head; k++) {
            r->bytes[k] = (uint8_t)(ent_rng_u64(&rng) % 3);
        }
        ent_put_be32(r->bytes + head, i);
        r->key_len = head + 4;
        r->len = r->key_len + (size_t)(ent_rng_u64(&rng) % 40);
        memset(r->bytes + r->key_len, (int)(i % 251), r->len - r->key_len);
    }
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    while (readdir(d) != NULL) { // NOLINT(concurrency-mt-unsafe): one thread
        n++;
    }
    CU_ASSERT_EQUAL(closedir(d), 0);
    return n - 2; /* . and .. */
}

static void check_sorted(const struct record *records, size_t memory, const char *dir)
{
    struct record sorted[N];
    struct ent_sort *sort = NULL;
    struct ent_sort_record got;
    bool more = true;

    memcpy(sorted, records, sizeof sorted);
    qsort(sorted, N, sizeof sorted[0], by_key);
    ENT_OK(ent_sort_new(memory, &sort));
    for (size_t i = 0; i < N; i++) {
        ENT_OK(ent_sort_add(sort, records[i].bytes, records[i].key_len, records[i].len));
    }
    CU_ASSERT_EQUAL(files_in(dir), 0); /* no name while it is used, either */
    ENT_OK(ent_sort_finish(sort));
    for (size_t i = 0; i < N; i++) {
        ENT_OK(ent_sort_next(sort, &got, &more));
        CU_ASSERT_TRUE_FATAL(more);
        CU_ASSERT_EQUAL_FATAL(got.len, sorted[i].len);
        CU_ASSERT_EQUAL_FATAL(got.key_len, sorted[i].key_len);
        CU_ASSERT_EQUAL_FATAL(memcmp(got.bytes, sorted[i].bytes, got.len), 0);
    }
    ENT_OK(ent_sort_next(sort, &got, &more));
    CU_ASSERT_FALSE(more);
    ENT_OK(ent_sort_next(sort, &got, &more));
    CU_ASSERT_FALSE(more);
    CU_ASSERT_EQUAL(ent_sort_spilled(sort) > 0, memory < 20000);
    ent_sort_free(sort);
    CU_ASSERT_EQUAL(files_in(dir), 0);
}

ENT_TEST(sort, external_equals_in_memory_for_any_buffer)
{
    /* 0: a run for each record, so runs are merged in between several times */
    static const size_t memories[] = {0, 1, 100, 333, 1000, 5000, 19999, 1000000};
    const char *dir = ent_test_tmpdir();
    static struct record records[N];

    CU_ASSERT_EQUAL_FATAL(setenv("TMPDIR", dir, 1), 0); // NOLINT(concurrency-mt-unsafe)
    for (uint64_t seed = 1; seed <= 3; seed++) {
        make(records, seed);
        for (size_t i = 0; i < ENT_ARRAY_LEN(memories); i++) {
            check_sorted(records, memories[i], dir);
        }
    }
    CU_ASSERT_EQUAL(unsetenv("TMPDIR"), 0); // NOLINT(concurrency-mt-unsafe)
}

ENT_TEST(sort, nothing_and_too_much)
{
    struct ent_sort *sort = NULL;
    struct ent_sort_record got;
    bool more = true;
    uint8_t byte = 1;

    ENT_OK(ent_sort_new(1000, &sort));
    ENT_FAILS(ent_sort_add(sort, &byte, 1, ENT_SORT_RECORD_MAX + 1), ENT_E_LIMIT);
    ENT_OK(ent_sort_finish(sort));
    ENT_OK(ent_sort_next(sort, &got, &more));
    CU_ASSERT_FALSE(more);
    ent_sort_free(sort);
    ent_sort_free(NULL);
}

ENT_TEST(sort, a_directory_that_is_not_there_is_an_error)
{
    struct ent_sort *sort = NULL;

    CU_ASSERT_EQUAL_FATAL(setenv("TMPDIR", "/nowhere/at/all", 1),
                          0); // NOLINT(concurrency-mt-unsafe)
    ENT_OK(ent_sort_new(0, &sort));
    ENT_OK(ent_sort_add(sort, "ab", 2, 2));
    ENT_FAILS(ent_sort_add(sort, "aa", 2, 2), ENT_E_IO);
    ent_sort_free(sort);
    CU_ASSERT_EQUAL(unsetenv("TMPDIR"), 0); // NOLINT(concurrency-mt-unsafe)
}
