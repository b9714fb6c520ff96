#include "tests/unit/client_data/data_support.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"

static char *next_path(const char *dir, const char *name)
{
    static char paths[8][512];
    static size_t n;
    char *path = paths[n++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

const char *data_file(const char *dir, const char *name, const void *bytes, size_t len)
{
    char *path = next_path(dir, name);

    ENT_OK(ent_file_write_atomic(path, bytes, len, 0600));
    return path;
}

const char *data_gz_file(const char *dir, const char *name, const void *bytes, size_t len)
{
    char *path = next_path(dir, name);
    gzFile gz = gzopen(path, "wb");

    CU_ASSERT_PTR_NOT_NULL_FATAL(gz);
    CU_ASSERT_EQUAL(gzwrite(gz, bytes, (unsigned)len), (int)len);
    CU_ASSERT_EQUAL(gzclose(gz), Z_OK);
    return path;
}

struct ent_plan *data_plan(const char *yaml)
{
    struct ent_plan *plan = NULL;

    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)yaml, strlen(yaml), &plan));
    return plan;
}

struct ent_client_config *data_config(const char *path, const char *yaml_rest, const char *bad_rows)
{
    struct ent_client_config *config = NULL;
    struct ent_buf text;

    ent_buf_init(&text, 65536);
    ENT_OK(
        ent_buf_addf(&text, "data: {path: \"%s\", bad_rows: %s}\n%s", path, bad_rows, yaml_rest));
    ENT_OK(ent_client_config_parse("client.yaml", "/", text.data, text.len, &config));
    ent_buf_release(&text);
    return config;
}
