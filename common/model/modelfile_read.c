#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/vec.h"
#include "common/model/modelfile_format.h"

#define HEADER_DEPTH 4 /* header, tensor, shape */
#define PART_DEPTH 4   /* list, feature, values */

enum { DOC_HEADER, DOC_ARCHITECTURE, DOC_FEATURES, DOC_LABEL, DOC_LINEAGE, DOC_SEQUENCE };

static enum ent_err parse_argument(const struct ent_json *value, const struct ent_json *argument,
                                   struct ent_model_layer *out)
{
    const char *name = ent_model_layer_name(out->kind);
    uint64_t units = 0;
    uint64_t values = 0;
    double rate = 0.0;

    switch (ent_layer_argument(out->kind)) {
    case ENT_LAYER_BARE:
        break;
    case ENT_LAYER_UNITS_VALUES:
        ENT_TRY(
            ent_json_uint(ent_json_get(value, "values"), "values", ENT_MODEL_VALUES_MAX, &values));
        ENT_TRY(ent_json_uint(argument, name, ENT_MODEL_UNITS_MAX, &units));
        break;
    case ENT_LAYER_UNITS:
        ENT_TRY(ent_json_uint(argument, name, ENT_MODEL_UNITS_MAX, &units));
        break;
    case ENT_LAYER_RATE:
        ENT_TRY(ent_json_double(argument, name, &rate));
        ENT_REQUIRE(rate >= 0.0 && rate < 1.0, ENT_E_CORRUPT, "%s: the rate is not in 0 to 1",
                    name);
        break;
    }
    out->units = (uint32_t)units;
    out->values = (uint32_t)values;
    out->rate = (float)rate;
    return ENT_E_OK;
}

static enum ent_err parse_layer(const struct ent_json *value, struct ent_model_layer *out)
{
    const char *name;
    const struct ent_json *argument = NULL;
    void *iter = NULL;

    if (ent_json_kind(value) == ENT_JSON_STRING) {
        ENT_TRY(ent_json_string(value, "layer", &name));
        out->kind = ent_model_layer_find(name);
    } else {
        ENT_REQUIRE(ent_json_kind(value) == ENT_JSON_OBJECT, ENT_E_CORRUPT,
                    "a layer is neither a name nor an object");
        out->kind = ENT_MODEL_LAYER_KINDS;
        while (out->kind == ENT_MODEL_LAYER_KINDS &&
               ent_json_next(value, &iter, &name, &argument)) {
            out->kind = ent_model_layer_find(name);
        }
    }
    ENT_REQUIRE(out->kind != ENT_MODEL_LAYER_KINDS, ENT_E_UNSUPPORTED,
                "a layer of a kind that this build does not know");
    return parse_argument(value, argument, out);
}

/* Keys that stand only where they say something. */
static enum ent_err parse_optional(const struct ent_json *doc, const char *key, uint32_t most,
                                   uint32_t *out)
{
    const struct ent_json *value = ent_json_get(doc, key);
    uint64_t v = 0;

    if (value != NULL) {
        ENT_TRY(ent_json_uint(value, key, most, &v));
    }
    *out = (uint32_t)v;
    return ENT_E_OK;
}

static enum ent_err parse_architecture(struct ent_modelfile *file, const struct ent_json *doc)
{
    const struct ent_json *layers = ent_json_get(doc, "layers");
    size_t n = layers != NULL ? ent_json_len(layers) : 0;
    uint64_t inputs;

    ENT_TRY(ent_json_uint(ent_json_get(doc, "inputs"), "inputs", ENT_MODEL_UNITS_MAX, &inputs));
    ENT_TRY(ent_json_string(ent_json_get(doc, "loss"), "loss", &file->info.loss));
    ENT_REQUIRE(ent_model_loss_find(file->info.loss) != ENT_MODEL_LOSS_KINDS, ENT_E_UNSUPPORTED,
                "a loss that this build does not know");
    ENT_TRY(parse_optional(doc, "ensemble", ENT_MODEL_ENSEMBLE_MAX, &file->info.ensemble));
    ENT_TRY(parse_optional(doc, "sequence", ENT_MODEL_SEQ_MAX, &file->info.seq_max));
    ENT_REQUIRE(layers != NULL && ent_json_kind(layers) == ENT_JSON_ARRAY && n >= 1 &&
                    n <= ENT_MODEL_LAYERS_MAX,
                ENT_E_CORRUPT, "layers: a list of 1 to %d is expected", ENT_MODEL_LAYERS_MAX);
    ENT_TRY(ent_calloc(n, sizeof *file->layers, &file->layers));
    for (size_t i = 0; i < n; i++) {
        ENT_TRY(parse_layer(ent_json_at(layers, i), &file->layers[i]));
    }
    file->info.n_inputs = (uint32_t)inputs;
    file->info.layers = file->layers;
    file->info.n_layers = (uint32_t)n;
    return ENT_E_OK;
}

static enum ent_err parse_hex(const struct ent_json *doc, const char *key, uint8_t *out, size_t len)
{
    const char *hex;

    ENT_TRY(ent_json_string(ent_json_get(doc, key), key, &hex));
    ENT_REQUIRE(ent_unhex(hex, out, len) == ENT_E_OK, ENT_E_CORRUPT,
                "%s: %zu hex digits are expected", key, 2 * len);
    return ENT_E_OK;
}

static enum ent_err parse_lineage(struct ent_modelfile *file, const struct ent_json *doc)
{
    struct ent_model_info *info = &file->info;
    uint64_t run;

    ENT_TRY(ent_json_uint(ent_json_get(doc, "run"), "run", UINT32_MAX, &run));
    ENT_TRY(ent_json_uint(ent_json_get(doc, "round"), "round", INT64_MAX, &info->round));
    ENT_TRY(parse_hex(doc, "federation", info->federation, sizeof info->federation));
    ENT_TRY(parse_hex(doc, "plan", info->plan, sizeof info->plan));
    ENT_TRY(parse_hex(doc, "base", info->base, sizeof info->base));
    info->run = (uint32_t)run;
    return ENT_E_OK;
}

static enum ent_err parse_parts(struct ent_modelfile *file, const struct ent_json *metadata)
{
    static const struct {
        int doc;
        const char *key;
        enum ent_err (*parse)(struct ent_modelfile *, const struct ent_json *);
    } parts[] = {
        {DOC_ARCHITECTURE, "entente.architecture", parse_architecture},
        {DOC_FEATURES, "entente.features", ent_modelfile_parse_features},
        {DOC_LABEL, "entente.label", ent_modelfile_parse_label},
        {DOC_LINEAGE, "entente.lineage", parse_lineage},
        {DOC_SEQUENCE, "entente.sequence", ent_modelfile_parse_sequence},
    };

    for (size_t i = 0; i < ENT_ARRAY_LEN(parts); i++) {
        struct ent_json **doc = &file->docs[parts[i].doc];
        const char *text;
        enum ent_err err;

        if (parts[i].doc == DOC_SEQUENCE && ent_json_get(metadata, parts[i].key) == NULL) {
            continue;
        }
        ENT_TRY(ent_json_string(ent_json_get(metadata, parts[i].key), parts[i].key, &text));
        err = ent_json_parse(text, strlen(text), ENT_MODELFILE_HEADER_MAX, PART_DEPTH, doc);
        if (err == ENT_E_OK) {
            err = parts[i].parse(file, *doc);
        }
        if (err != ENT_E_OK) {
            return ent_err_prefix(err, "%s", parts[i].key);
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_version(const struct ent_json *metadata)
{
    const char *version;

    ENT_REQUIRE(metadata != NULL, ENT_E_CORRUPT, "no __metadata__: not a model of ours");
    ENT_TRY(
        ent_json_string(ent_json_get(metadata, "entente.version"), "entente.version", &version));
    ENT_REQUIRE(strcmp(version, ENT_MODELFILE_VERSION) == 0, ENT_E_VERSION,
                "a format of another version; this build reads version %s", ENT_MODELFILE_VERSION);
    return ENT_E_OK;
}

/* The header's entry of one tensor against what the architecture says. */
static enum ent_err check_tensor(void *ctx, const struct ent_modelfile_tensor *tensor)
{
    const struct ent_json *entry = ent_json_get(ctx, tensor->name);
    const struct ent_json *shape = entry != NULL ? ent_json_get(entry, "shape") : NULL;
    const struct ent_json *offsets = entry != NULL ? ent_json_get(entry, "data_offsets") : NULL;
    const char *dtype;
    uint64_t v[2];

    ENT_REQUIRE(shape != NULL && offsets != NULL, ENT_E_CORRUPT,
                "tensor %s is missing or has no shape and offsets", tensor->name);
    ENT_TRY(ent_json_string(ent_json_get(entry, "dtype"), "dtype", &dtype));
    ENT_REQUIRE(strcmp(dtype, "F32") == 0, ENT_E_CORRUPT, "tensor %s: its dtype is not F32",
                tensor->name);
    ENT_REQUIRE(ent_json_len(shape) == tensor->tensor.n_dims, ENT_E_CORRUPT,
                "tensor %s: its rank is not %u", tensor->name, tensor->tensor.n_dims);
    for (uint32_t d = 0; d < tensor->tensor.n_dims; d++) {
        ENT_TRY(ent_json_uint(ent_json_at(shape, d), "shape", UINT32_MAX, &v[0]));
        ENT_REQUIRE(v[0] == tensor->tensor.dims[d], ENT_E_CORRUPT,
                    "tensor %s: its shape does not fit the architecture", tensor->name);
    }
    ENT_REQUIRE(ent_json_len(offsets) == 2, ENT_E_CORRUPT, "tensor %s: two offsets are expected",
                tensor->name);
    for (size_t i = 0; i < 2; i++) {
        ENT_TRY(ent_json_uint(ent_json_at(offsets, i), "data_offsets", INT64_MAX, &v[i]));
    }
    ENT_REQUIRE(v[0] == tensor->begin && v[1] == tensor->end, ENT_E_CORRUPT,
                "tensor %s: its offsets are not contiguous", tensor->name);
    return ENT_E_OK;
}

/* One content, one file: the header that our writer makes of this content is the header that stands here. */
static enum ent_err check_canonical(const struct ent_modelfile *file)
{
    struct ent_buf header;
    size_t n = 0;
    enum ent_err err;

    ent_buf_init(&header, ENT_MODELFILE_HEADER_MAX + sizeof(uint64_t));
    err = ent_modelfile_header(&file->info, &header, &n);
    if (err == ENT_E_OK && (header.len != file->data_offset ||
                            memcmp(header.data, ent_blob_bytes(file->blob), header.len) != 0)) {
        err = ent_err_note(ENT_E_CORRUPT, "its header is not in the canonical form");
    }
    ent_buf_release(&header);
    return err;
}

/* Lengths first: nothing is allocated on the word of the file alone. */
static enum ent_err check_lengths(struct ent_modelfile *file)
{
    size_t len = ent_blob_len(file->blob);
    uint64_t header;

    ENT_REQUIRE(len > sizeof header && ent_blob_bytes(file->blob)[sizeof header] == '{',
                ENT_E_CORRUPT, "it does not begin as a safetensors file does");
    header = ent_get_le64(ent_blob_bytes(file->blob));
    ENT_REQUIRE(header <= ENT_MODELFILE_HEADER_MAX, ENT_E_LIMIT,
                "its header is longer than %u bytes", ENT_MODELFILE_HEADER_MAX);
    ENT_REQUIRE(header > 0 && header <= len - sizeof header && header % 8 == 0, ENT_E_CORRUPT,
                "its header's length is not right");
    file->data_offset = sizeof header + (size_t)header;
    return ENT_E_OK;
}

static enum ent_err read_file(struct ent_modelfile *file)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
    const struct ent_json *metadata;

    ENT_TRY(check_lengths(file));
    ENT_TRY(ent_json_parse((const char *)ent_blob_bytes(file->blob) + sizeof(uint64_t),
                           file->data_offset - sizeof(uint64_t), ENT_MODELFILE_HEADER_MAX,
                           HEADER_DEPTH, &file->docs[DOC_HEADER]));
    metadata = ent_json_get(file->docs[DOC_HEADER], "__metadata__");
    ENT_TRY(check_version(metadata));
    ENT_TRY(parse_parts(file, metadata));
    ENT_TRY(ent_modelfile_check(&file->info, layers, &file->n_params));
    ENT_REQUIRE(ent_blob_len(file->blob) - file->data_offset == file->n_params * sizeof(float),
                ENT_E_CORRUPT, "its data section holds %zu bytes, its architecture needs %zu",
                ent_blob_len(file->blob) - file->data_offset, file->n_params * sizeof(float));
    ENT_TRY(
        ent_modelfile_tensors(layers, file->info.n_layers, check_tensor, file->docs[DOC_HEADER]));
    ENT_TRY(check_canonical(file));
    ent_json_free(file->docs[DOC_HEADER]); /* info points into the parts only */
    file->docs[DOC_HEADER] = NULL;
    ENT_REQUIRE(ent_vec_finite(ent_modelfile_params(file), file->n_params), ENT_E_NONFINITE,
                "a parameter is NaN or infinite");
    return ENT_E_OK;
}

enum ent_err ent_modelfile_read(struct ent_blob *blob, struct ent_modelfile **out)
{
    struct ent_modelfile *file;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *file, &file));
    file->blob = ent_blob_ref(blob);
    err = read_file(file);
    if (err != ENT_E_OK) {
        ent_modelfile_free(file);
        /* Inside a file, what would be the caller's mistake is damage. */
        return ent_err_prefix(err == ENT_E_CONFIG || err == ENT_E_DATA ? ENT_E_CORRUPT : err,
                              "not a model file that can be used");
    }
    *out = file;
    return ENT_E_OK;
}

enum ent_err ent_modelfile_open(const char *path, struct ent_modelfile **out)
{
    struct ent_blob *blob;
    enum ent_err err;

    ENT_TRY(ent_blob_new_file(path, &blob));
    err = ent_modelfile_read(blob, out);
    ent_blob_unref(blob);
    return err == ENT_E_OK ? ENT_E_OK : ent_err_prefix(err, "%s", path);
}

void ent_modelfile_free(struct ent_modelfile *file)
{
    if (file == NULL) {
        return;
    }
    for (size_t i = 0; i < ENT_MODELFILE_DOCS; i++) {
        ent_json_free(file->docs[i]);
    }
    free(file->layers);
    free(file->features);
    ent_fits_free(file->fits);
    free(file->values);
    free(file->label_values);
    free(file->times);
    ent_blob_unref(file->blob);
    free(file);
}

const float *ent_modelfile_params(const struct ent_modelfile *file)
{
    /* The writer pads to 8, blobs come from malloc or mmap: aligned. */
    return (const float *)(const void *)(ent_blob_bytes(file->blob) + file->data_offset);
}
