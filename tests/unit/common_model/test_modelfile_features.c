/* The schema part of a model file beyond standardised numbers: edges, buckets, dates. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "tests/support/ent_test.h"

#define N 7
#define N_INPUTS (33 + 1 + 17 + 3 + 8 + 1 + 5)

static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const struct ent_model_layer layers[] = {{.kind = ENT_MODEL_DENSE, .units = 1}};
static double edges[] = {0.1, 1.0 / 3.0, 2.0, 40.5};
static uint32_t buckets[] = {3, 4095};

static const struct ent_feature vector = {
    .name = "image", .type = ENT_FEATURE_VECTOR, .lo = -0.5, .hi = 255, .length = 5};

/* One of each kind, one below the other. NOLINTNEXTLINE(readability-function-size) */
static void example(struct ent_feature f[N], struct ent_fit fits[N])
{
    memset(f, 0, N * sizeof *f);
    memset(fits, 0, N * sizeof *fits);
    f[0] = (struct ent_feature){.name = "spent",
                                .type = ENT_FEATURE_NUMBER,
                                .lo = 0,
                                .hi = 50,
                                .indicator = true,
                                .encode = ENT_ENCODE_PLE,
                                .bins = 16,
                                .heavy = true,
                                .outliers = ENT_OUTLIERS_MISSING};
    f[1] = (struct ent_feature){.name = "visits",
                                .type = ENT_FEATURE_NUMBER,
                                .lo = -1,
                                .hi = 50,
                                .encode = ENT_ENCODE_LOG,
                                .outliers = ENT_OUTLIERS_DROP_ROW};
    f[2] = (struct ent_feature){.name = "town",
                                .type = ENT_FEATURE_CATEGORY,
                                .codes = ENT_CODES_HASHED,
                                .bits = 4,
                                .salt = "pepper"};
    f[3] = (struct ent_feature){.name = "page",
                                .type = ENT_FEATURE_CATEGORY,
                                .codes = ENT_CODES_VOCABULARY,
                                .bits = 12,
                                .salt = "pepper",
                                .size = 2,
                                .min_customers = 50,
                                .min_members = 2};
    f[4] = (struct ent_feature){.name = "since.weekday",
                                .column = "since",
                                .type = ENT_FEATURE_CATEGORY,
                                .values = weekdays,
                                .n_values = 7,
                                .part = ENT_DATE_WEEKDAY,
                                .format = "DD.MM.YYYY"};
    f[5] = (struct ent_feature){.name = "since.age",
                                .column = "since",
                                .type = ENT_FEATURE_NUMBER,
                                .lo = 0,
                                .hi = 3650,
                                .part = ENT_DATE_AGE,
                                .format = "DD.MM.YYYY",
                                .reference = -86400};
    f[6] = vector;
    for (size_t i = 0; i < N; i++) {
        f[i].column = f[i].column == NULL ? f[i].name : f[i].column;
        fits[i].sd = 1.0;
    }
    CU_ASSERT_EQUAL_FATAL(ent_features_number(f, N), N_INPUTS);
    fits[0].mean = 1.5;
    fits[0].edges = edges;
    fits[0].n_edges = 4;
    fits[1].mean = 0.25;
    fits[1].sd = 0.75;
    fits[3].buckets = buckets;
    fits[3].n_buckets = 2;
    fits[5].mean = 1000;
    fits[5].sd = 100;
}

/* A whole file as bytes; parameters are zeros. */
static enum ent_err bytes_of(const struct ent_feature *f, const struct ent_fit *fits,
                             struct ent_buf *out)
{
    static const uint8_t zeros[(N_INPUTS + 1) * sizeof(float)];
    struct ent_model_info info = {.features = f,
                                  .fits = fits,
                                  .n_features = N,
                                  .n_inputs = N_INPUTS,
                                  .layers = layers,
                                  .n_layers = 1,
                                  .loss = "bce",
                                  .label_name = "y",
                                  .label_positive = "1"};
    size_t n_params;

    ent_buf_init(out, 1 << 20);
    ENT_TRY(ent_modelfile_header(&info, out, &n_params));
    CU_ASSERT_EQUAL_FATAL(n_params, N_INPUTS + 1);
    return ent_buf_add(out, zeros, sizeof zeros);
}

static enum ent_err read_bytes(const struct ent_buf *bytes, struct ent_modelfile **out)
{
    struct ent_blob *blob;
    enum ent_err err;

    ENT_OK(ent_blob_new_copy(bytes->data, bytes->len, &blob));
    err = ent_modelfile_read(blob, out);
    ent_blob_unref(blob);
    return err;
}

ENT_TEST(modelfile_features, round_trip)
{
    struct ent_feature f[N];
    struct ent_fit fits[N];
    struct ent_modelfile *file = NULL;
    struct ent_buf bytes;

    example(f, fits);
    ENT_OK(bytes_of(f, fits, &bytes));
    ENT_OK(read_bytes(&bytes, &file));
    CU_ASSERT_EQUAL_FATAL(file->info.n_features, N);
    for (size_t i = 0; i < N; i++) {
        CU_ASSERT_TRUE(ent_feature_same(&f[i], &file->info.features[i]));
    }
    CU_ASSERT_TRUE(ent_fits_same(fits, file->info.fits, N));
    ent_modelfile_free(file);
    ent_buf_release(&bytes);
}

/* The example with `from` replaced by `to` (same length) in its header. */
static enum ent_err tamper(const char *from, const char *to)
{
    struct ent_feature f[N];
    struct ent_fit fits[N];
    struct ent_modelfile *file = NULL;
    struct ent_buf bytes;
    size_t len = strlen(from);
    bool found = false;
    enum ent_err err;

    example(f, fits);
    CU_ASSERT_EQUAL_FATAL(strlen(to), len);
    ENT_OK(bytes_of(f, fits, &bytes));
    for (size_t i = 8; i + len < bytes.len && !found; i++) {
        if (memcmp(bytes.data + i, from, len) == 0) {
            memcpy(bytes.data + i, to, len);
            found = true;
        }
    }
    CU_ASSERT_TRUE(found);
    err = read_bytes(&bytes, &file);
    ent_modelfile_free(file);
    ent_buf_release(&bytes);
    return err;
}

ENT_TEST(modelfile_features, tampers)
{
    static const struct {
        const char *from;
        const char *to;
        enum ent_err err;
    } cases[] = {
        {"[0.1,0.3333", "[0.9,0.3333", ENT_E_CORRUPT},         /* descends */
        {",40.5]", ",50.5]", ENT_E_CORRUPT},                   /* beyond the range */
        {"\\\"bins\\\":16", "\\\"bins\\\":17", ENT_E_CORRUPT}, /* other inputs */
        {"\\\"bins\\\":16", "\\\"bins\\\":1 ", ENT_E_CORRUPT},
        {"\\\"bins\\\":16", "\\\"bins\\\":99", ENT_E_CORRUPT},
        {"\\\"heavy\\\":true", "\\\"heavy\\\":null", ENT_E_CORRUPT},
        {"\\\"ple\\\"", "\\\"plf\\\"", ENT_E_UNSUPPORTED},
        {"\\\"missing\\\"", "\\\"mossing\\\"", ENT_E_UNSUPPORTED},
        {"\\\"missing\\\"", "\\\"clip\\\"   ",
         ENT_E_CORRUPT}, /* what is so by default does not stand there */
        {"\\\"hashed\\\"", "\\\"Hashed\\\"", ENT_E_UNSUPPORTED},
        {"\\\"bits\\\":4,", "\\\"bits\\\":5,", ENT_E_CORRUPT},
        {"\\\"bits\\\":12", "\\\"bits\\\":99", ENT_E_CORRUPT}, /* never used as a shift */
        {"\\\"bits\\\":12", "\\\"bits\\\":11", ENT_E_CORRUPT}, /* a bucket is beyond */
        {"[3,4095]", "[5,4096]", ENT_E_CORRUPT},
        {"[3,4095]", "[9,9   ]", ENT_E_CORRUPT},
        {"\\\"size\\\":2", "\\\"size\\\":3", ENT_E_CORRUPT},
        {"\\\"salt\\\":\\\"pepper\\\"", "\\\"sall\\\":\\\"pepper\\\"", ENT_E_CORRUPT},
        {"\\\"DD.MM.YYYY\\\"", "\\\"DD.MM.YYYy\\\"", ENT_E_CORRUPT},
        {"\\\"age\\\"", "\\\"agx\\\"", ENT_E_UNSUPPORTED},
        {"\\\"age\\\"", "\\\"day\\\"", ENT_E_UNSUPPORTED},
        {"\\\"reference\\\":-", "\\\"reference\\\": ", ENT_E_CORRUPT}, /* fits, but not canonical */
    };

    for (size_t i = 0; i < ENT_ARRAY_LEN(cases); i++) {
        enum ent_err err = tamper(cases[i].from, cases[i].to);

        if (err != cases[i].err) {
            (void)fprintf(stderr, "case %zu: %s\n", i, ent_err_message());
        }
        CU_ASSERT_EQUAL(err, cases[i].err);
    }
}

/* What the writer must not write, for it could not be read. */
ENT_TEST(modelfile_features, writer_refuses)
{
    struct ent_feature f[N];
    struct ent_fit fits[N];
    struct ent_buf bytes;

    example(f, fits);
    fits[0].n_edges = 1;
    ENT_FAILS(bytes_of(f, fits, &bytes), ENT_E_CONFIG);
    ent_buf_release(&bytes);
    example(f, fits);
    fits[0].mean = 60; /* outside the range */
    ENT_FAILS(bytes_of(f, fits, &bytes), ENT_E_CONFIG);
    ent_buf_release(&bytes);
    example(f, fits);
    fits[2].n_buckets = 1; /* hashed ones keep none */
    fits[2].buckets = buckets;
    ENT_FAILS(bytes_of(f, fits, &bytes), ENT_E_CONFIG);
    ent_buf_release(&bytes);
    example(f, fits);
    f[3].salt = "";
    ENT_FAILS(bytes_of(f, fits, &bytes), ENT_E_CONFIG);
    ent_buf_release(&bytes);
}
