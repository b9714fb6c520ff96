/* What a field is stays with it when rows are sorted. */
#include <string.h>

#include "client/events/sorted.h"
#include "common/base/file.h"
#include "common/plan/client_config.h"
#include "tests/support/ent_test.h"

/* 3 pictures of 2 x 2 and their labels, which are their times too: none of them in order. */
static const char pictures[] = "\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2"
                               "\0\1\2\3"
                               "\377\376\0\0"
                               "\7\7\7\7";
static const char labels[] = "\0\0\10\1\0\0\0\3\2\0\2";

static const char *file(const char *dir, const char *name, const char *bytes, size_t len,
                        char out[1024])
{
    (void)snprintf(out, 1024, "%s/%s", dir, name);
    ENT_OK(ent_file_write_atomic(out, bytes, len, 0600));
    return out;
}

ENT_TEST(sorted, pictures_stay_bytes_and_texts_stay_texts)
{
    static const char yaml[] = "data: {source: idx, path: x}\n";
    static const char *const times[] = {"label"};
    const struct ent_sequence sequence = {
        .unit = "label", .times = times, .n_times = 1, .length = 5};
    const char *dir = ent_test_tmpdir();
    char a[1024];
    char b[1024];
    struct ent_client_config *config = NULL;
    struct ent_sorted_options options = {.sequence = &sequence};
    struct ent_source *source = NULL;
    struct ent_sorted *sorted = NULL;
    const struct ent_source_row *row = NULL;
    uint32_t n = 0;

    ENT_OK(ent_client_config_parse("client.yaml", "/", (const uint8_t *)yaml, sizeof yaml - 1,
                                   &config));
    config->data.path = file(dir, "p", pictures, sizeof pictures - 1, a);
    config->data.labels = file(dir, "l", labels, sizeof labels - 1, b);
    options.config = config;
    ENT_OK(ent_sorted_open(&options, &source, &sorted));
    CU_ASSERT(ent_sorted_was_needed(sorted)); /* unit 2 stands apart */
    for (;;) {
        ENT_OK(ent_source_next(source, &row));
        if (row == NULL) {
            break;
        }
        CU_ASSERT_PTR_NULL(row->problem);
        CU_ASSERT(row->fields[0].raw && row->fields[0].len == 4);
        CU_ASSERT(!row->fields[1].raw && !row->fields[1].quoted);
        if (n == 0) {
            CU_ASSERT(memcmp(row->fields[0].text, "\377\376\0\0", 4) == 0);
        }
        n++;
    }
    CU_ASSERT_EQUAL(n, 3);
    ent_source_close(source);
    ent_client_config_free(config);
}
