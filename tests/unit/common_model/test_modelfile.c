#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "tests/support/ent_test.h"

static const char *const jobs[] = {"admin.", "caf\xc3\xa9 \"quoted\"", "a\\b\n"};
static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 3},
                                                {.kind = ENT_MODEL_RELU},
                                                {.kind = ENT_MODEL_DROPOUT, .rate = 0.2f},
                                                {.kind = ENT_MODEL_DENSE, .units = 1}};
static const struct ent_feature features[] = {{.name = "age [years]",
                                               .column = "age [years]",
                                               .type = ENT_FEATURE_NUMBER,
                                               .lo = 18,
                                               .hi = 95.5,
                                               .indicator = true,
                                               .first_input = 0,
                                               .n_inputs = 2},
                                              {.name = "job",
                                               .column = "job",
                                               .type = ENT_FEATURE_CATEGORY,
                                               .values = jobs,
                                               .n_values = 3,
                                               .first_input = 2,
                                               .n_inputs = 4},
                                              {.name = "loan",
                                               .column = "loan",
                                               .type = ENT_FEATURE_BOOLEAN,
                                               .first_input = 6,
                                               .n_inputs = 2},
                                              {.name = "zero",
                                               .column = "zero",
                                               .type = ENT_FEATURE_NUMBER,
                                               .lo = -0.0,
                                               .hi = 1e300,
                                               .first_input = 8,
                                               .n_inputs = 1}};
static const struct ent_fit fits[] = {{.mean = 40.123456789012345, .sd = 1.0 / 3.0},
                                      {.sd = 1.0},
                                      {.sd = 1.0},
                                      {.mean = -0.0, .sd = 5e-324}};

#define N_PARAMS (9 * 3 + 3 + 3 + 1)

static struct ent_model_info example(void)
{
    return (struct ent_model_info){.features = features,
                                   .fits = fits,
                                   .n_features = 4,
                                   .n_inputs = 9,
                                   .layers = layers,
                                   .n_layers = 4,
                                   .loss = "bce",
                                   .label_name = "y",
                                   .label_positive = "yes",
                                   .federation = {1, 2, 3},
                                   .run = 7,
                                   .round = 1234567890123,
                                   .plan = {0xff, 0xee},
                                   .base = {9}};
}

static void example_params(float *params)
{
    for (int i = 0; i < N_PARAMS; i++) {
        params[i] = (float)i * 0.25f - 2.0f;
    }
}

/* Writes the example; returns its path and its bytes. */
static const char *write_example(struct ent_buf *bytes)
{
    static char path[512];
    struct ent_model_info info = example();
    float params[N_PARAMS];

    example_params(params);
    (void)snprintf(path, sizeof path, "%s/m.safetensors", ent_test_tmpdir());
    ENT_OK(ent_modelfile_write(path, &info, params, N_PARAMS));
    ent_buf_init(bytes, 1 << 20);
    ENT_OK(ent_file_read(path, bytes));
    return path;
}

static void check_feature(const struct ent_feature *a, const struct ent_feature *b)
{
    CU_ASSERT_STRING_EQUAL(a->name, b->name);
    CU_ASSERT(a->type == b->type && a->indicator == b->indicator && a->n_values == b->n_values);
    CU_ASSERT(a->first_input == b->first_input && a->n_inputs == b->n_inputs);
    CU_ASSERT(memcmp(&a->lo, &b->lo, sizeof a->lo) == 0 &&
              memcmp(&a->hi, &b->hi, sizeof a->hi) == 0);
    for (uint32_t i = 0; i < a->n_values; i++) {
        CU_ASSERT_STRING_EQUAL(a->values[i], b->values[i]);
    }
}

ENT_TEST(modelfile, round_trip)
{
    struct ent_buf bytes;
    const char *path = write_example(&bytes);
    struct ent_model_info want = example();
    struct ent_modelfile *file = NULL;
    float params[N_PARAMS];

    example_params(params);
    ENT_OK(ent_modelfile_open(path, &file));
    CU_ASSERT_EQUAL_FATAL(file->n_params, N_PARAMS);
    CU_ASSERT_EQUAL(memcmp(ent_modelfile_params(file), params, sizeof params), 0);
    CU_ASSERT(file->info.n_features == 4 && file->info.n_inputs == 9 && file->info.n_layers == 4);
    for (uint32_t i = 0; i < 4; i++) {
        check_feature(&file->info.features[i], &features[i]);
        CU_ASSERT(ent_feature_same(&file->info.features[i], &features[i]));
        CU_ASSERT(memcmp(&file->info.fits[i].mean, &fits[i].mean, sizeof fits[i].mean) == 0 &&
                  memcmp(&file->info.fits[i].sd, &fits[i].sd, sizeof fits[i].sd) == 0);
        CU_ASSERT_EQUAL(file->info.layers[i].kind, layers[i].kind);
    }
    CU_ASSERT(file->info.layers[0].units == 3 && file->info.layers[2].rate == 0.2f);
    CU_ASSERT_STRING_EQUAL(file->info.label_positive, "yes");
    CU_ASSERT_EQUAL(memcmp(file->info.federation, want.federation, sizeof want.federation), 0);
    CU_ASSERT_EQUAL(memcmp(file->info.plan, want.plan, sizeof want.plan), 0);
    CU_ASSERT_EQUAL(memcmp(file->info.base, want.base, sizeof want.base), 0);
    CU_ASSERT(file->info.run == want.run && file->info.round == want.round);
    ent_modelfile_free(file);
    ent_modelfile_free(NULL);
    ent_buf_release(&bytes);
}

/* Same content, same bytes; the streamed form is header plus parameters. */
ENT_TEST(modelfile, canonical)
{
    struct ent_buf bytes;
    struct ent_buf header;
    struct ent_model_info info = example();
    size_t n_params;
    float params[N_PARAMS];

    example_params(params);
    (void)write_example(&bytes);
    ent_buf_init(&header, ENT_MODELFILE_HEADER_MAX + 8);
    ENT_OK(ent_modelfile_header(&info, &header, &n_params));
    CU_ASSERT_EQUAL(n_params, N_PARAMS);
    CU_ASSERT_EQUAL(header.len % 8, 0);
    CU_ASSERT_EQUAL_FATAL(header.len + sizeof params, bytes.len);
    CU_ASSERT_EQUAL(memcmp(header.data, bytes.data, header.len), 0);
    CU_ASSERT_EQUAL(memcmp(params, bytes.data + header.len, sizeof params), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)header.data + 8, "\"layer.000.0.weight\""));
    ent_buf_release(&header);
    ent_buf_release(&bytes);
}

static enum ent_err read_bytes(const struct ent_buf *bytes)
{
    struct ent_blob *blob;
    struct ent_modelfile *file = NULL;
    enum ent_err err;

    ENT_OK(ent_blob_new_copy(bytes->data, bytes->len, &blob));
    err = ent_modelfile_read(blob, &file);
    if (err == ENT_E_OK) {
        ent_modelfile_free(file);
    }
    ent_blob_unref(blob);
    return err;
}

/* The example with `from` replaced by `to` (same length) in its header. */
static enum ent_err tamper(const char *from, const char *to)
{
    struct ent_buf bytes;
    enum ent_err err;
    size_t len = strlen(from);
    bool found = false;

    (void)write_example(&bytes);
    CU_ASSERT_EQUAL_FATAL(strlen(to), len);
    for (size_t i = 8; i + len < bytes.len && !found; i++) {
        if (memcmp(bytes.data + i, from, len) == 0) {
            memcpy(bytes.data + i, to, len);
            found = true;
        }
    }
    CU_ASSERT(found);
    err = read_bytes(&bytes);
    ent_buf_release(&bytes);
    return err;
}

ENT_TEST(modelfile, tampers_in_the_header)
{
    ENT_FAILS(tamper("\"F32\"", "\"F16\""), ENT_E_CORRUPT);
    ENT_FAILS(tamper("\"entente.version\":\"1\"", "\"entente.version\":\"2\""), ENT_E_VERSION);
    ENT_FAILS(tamper("[0,108]", "[4,112]"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("\"shape\":[9,3]", "\"shape\":[3,9]"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("layer.000.0.weight", "layer.000.0.Weight"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("{\\\"dense\\\":3}", "{\\\"dense\\\":4}"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("\\\"relu\\\"", "\\\"selu\\\""), ENT_E_UNSUPPORTED);
    ENT_FAILS(tamper("\\\"inputs\\\":9", "\\\"inputs\\\":8"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("\\\"bce\\\"", "\\\"abc\\\""), ENT_E_UNSUPPORTED);
    ENT_FAILS(tamper("\\\"loan\\\"", "\\\"job\\\" "), ENT_E_CORRUPT); /* two features of one name */
    ENT_FAILS(tamper("\\\"hi\\\":95.5", "\\\"hi\\\":9.5 "), ENT_E_CORRUPT); /* an empty range */
    ENT_FAILS(tamper("\\\"lo\\\":18", "\\\"lo\\\": 9"),
              ENT_E_CORRUPT); /* fits, but not canonical */
    ENT_FAILS(tamper("\\\"run\\\":7", "\\\"Run\\\":7"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("\\\"round\\\":1", "\\\"round\\\":-"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("__metadata__", "__metedata__"), ENT_E_CORRUPT);
    ENT_FAILS(tamper("entente.label", "entente.babel"), ENT_E_CORRUPT);
}

ENT_TEST(modelfile, tampers_in_lengths)
{
    struct ent_buf bytes;
    size_t whole;
    uint64_t header;

    (void)write_example(&bytes);
    whole = bytes.len;
    header = ent_get_le64(bytes.data);
    for (size_t cut = 0; cut < whole; cut += cut < 16 || cut > whole - 16 ? 1 : 61) {
        bytes.len = cut;
        CU_ASSERT_NOT_EQUAL(read_bytes(&bytes), ENT_E_OK);
    }
    bytes.len = whole;
    ENT_OK(read_bytes(&bytes));
    ent_put_le64(bytes.data, UINT64_MAX);
    ENT_FAILS(read_bytes(&bytes), ENT_E_LIMIT);
    ent_put_le64(bytes.data, header - 8);
    ENT_FAILS(read_bytes(&bytes), ENT_E_CORRUPT);
    ent_put_le64(bytes.data, header + 8);
    ENT_FAILS(read_bytes(&bytes), ENT_E_CORRUPT);
    ent_put_le64(bytes.data, 0);
    ENT_FAILS(read_bytes(&bytes), ENT_E_CORRUPT);
    ent_put_le64(bytes.data, header);
    ENT_OK(ent_buf_add(&bytes, "\0\0\0\0", 4));
    ENT_FAILS(read_bytes(&bytes), ENT_E_CORRUPT);
    ent_buf_release(&bytes);
}

ENT_TEST(modelfile, nan_and_infinity_stop_at_the_door)
{
    struct ent_buf bytes;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    struct ent_model_info info = example();
    char path[512];

    (void)write_example(&bytes);
    for (size_t i = 0; i < 3; i++) {
        float params[N_PARAMS] = {0};

        memcpy(bytes.data + bytes.len - 8, &bad[i], sizeof bad[i]);
        ENT_FAILS(read_bytes(&bytes), ENT_E_NONFINITE);
        params[N_PARAMS - 1] = bad[i];
        (void)snprintf(path, sizeof path, "%s/bad", ent_test_tmpdir());
        ENT_FAILS(ent_modelfile_write(path, &info, params, N_PARAMS), ENT_E_NONFINITE);
        CU_ASSERT_FALSE(ent_file_exists(path));
    }
    ent_buf_release(&bytes);
}

static enum ent_err header_of(const struct ent_model_info *info)
{
    struct ent_buf out;
    size_t n;
    enum ent_err err;

    ent_buf_init(&out, 1 << 20);
    err = ent_modelfile_header(info, &out, &n);
    CU_ASSERT(err == ENT_E_OK || out.len == 0);
    ent_buf_release(&out);
    return err;
}

ENT_TEST(modelfile, writer_refuses)
{
    struct ent_model_info info = example();
    struct ent_feature changed[4];
    struct ent_fit refit[4];
    float params[N_PARAMS] = {0};

    memcpy(changed, features, sizeof changed);
    memcpy(refit, fits, sizeof refit);
    info.features = changed;
    info.fits = refit;
    ENT_OK(header_of(&info));
    refit[0].mean = NAN;
    ENT_FAILS(header_of(&info), ENT_E_NONFINITE);
    refit[0] = fits[0];
    refit[0].sd = 0.0;
    ENT_FAILS(header_of(&info), ENT_E_CONFIG);
    refit[0] = fits[0];
    changed[0].column = NULL;
    ENT_FAILS(header_of(&info), ENT_E_CONFIG);
    changed[0] = features[0];
    changed[1].first_input = 3;
    ENT_FAILS(header_of(&info), ENT_E_CONFIG);
    changed[1] = features[1];
    changed[2].name = "job";
    ENT_FAILS(header_of(&info), ENT_E_CONFIG);
    changed[2].name = "\xff";
    ENT_FAILS(header_of(&info), ENT_E_DATA);
    changed[2] = features[2];
    info.n_features = 3;
    ENT_FAILS(header_of(&info), ENT_E_CONFIG);
    info.n_features = 0; /* bare inputs */
    ENT_OK(header_of(&info));
    ENT_FAILS(ent_modelfile_write("/nowhere", &info, params, N_PARAMS - 1), ENT_E_SHAPE);
}

/* A reader that knows nothing of us but the published format. */
ENT_TEST(modelfile, independent_reader)
{
    struct ent_buf bytes;
    const char *path = write_example(&bytes);
    const char *source = getenv("ENTENTE_SOURCE");
    char command[1200];
    char out[4096];
    size_t n;
    FILE *p;

    ent_buf_release(&bytes);
    if (source == NULL || system("python3 -c 0 2>/dev/null") != 0) {
        ent_test_skip("independent reader of model files: no python3 (or no ENTENTE_SOURCE)");
        return;
    }
    (void)snprintf(command, sizeof command, "python3 %s/tests/golden/check_safetensors.py %s 2>&1",
                   source, path);
    p = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    n = fread(out, 1, sizeof out - 1, p);
    out[n] = 0;
    CU_ASSERT_EQUAL(pclose(p), 0);
    CU_ASSERT_STRING_EQUAL(out,
                           "OK\nlayer.000.0.weight 9x3 33.750000\nlayer.000.1.bias 3 15.000000\n"
                           "layer.003.0.weight 3x1 17.250000\nlayer.003.1.bias 1 6.250000\n"
                           "entente.architecture\nentente.features\nentente.label\nentente."
                           "lineage\nentente.version\n");
}
