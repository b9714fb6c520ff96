#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/vec.h"
#include "common/model/modelfile_format.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian; this build would need byte swaps"
#endif

#define ALIGN 8u
#define WRITE_FLOATS 65536u /* one piece of the data section */

/* A dropout rate is a float in the model: the shortest decimal that reads back to that float. */
static double shortest(float v)
{
    char text[32];
    double d = 0.0;

    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)v);
        d = strtod(text, NULL);
        if ((float)d == v) {
            break;
        }
    }
    return d;
}

static void put_layer(struct ent_json_writer *w, const struct ent_model_layer *layer)
{
    const char *name = ent_model_layer_name(layer->kind);

    switch (ent_layer_argument(layer->kind)) {
    case ENT_LAYER_BARE:
        ent_json_put_string(w, name);
        return;
    case ENT_LAYER_UNITS:
        ent_json_put_object(w, ENT_JSON_SORTED);
        ent_json_put_key_uint(w, name, layer->units);
        break;
    case ENT_LAYER_UNITS_VALUES:
        ent_json_put_object(w, ENT_JSON_SORTED);
        ent_json_put_key_uint(w, name, layer->units);
        ent_json_put_key_uint(w, "values", layer->values);
        break;
    case ENT_LAYER_RATE:
        ent_json_put_object(w, ENT_JSON_SORTED);
        ent_json_put_key_double(w, name, shortest(layer->rate));
        break;
    }
    ent_json_put_close(w);
}

static void put_architecture(struct ent_json_writer *w, const struct ent_model_info *info)
{
    ent_json_put_object(w, ENT_JSON_SORTED);
    if (info->ensemble > 1) {
        ent_json_put_key_uint(w, "ensemble", info->ensemble);
    }
    ent_json_put_key_uint(w, "inputs", info->n_inputs);
    ent_json_put_key(w, "layers");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < info->n_layers; i++) {
        put_layer(w, &info->layers[i]);
    }
    ent_json_put_close(w);
    ent_json_put_key_string(w, "loss", info->loss);
    if (info->seq_max > 0) {
        ent_json_put_key_uint(w, "sequence", info->seq_max);
    }
    ent_json_put_close(w);
}

static void put_lineage(struct ent_json_writer *w, const struct ent_model_info *info)
{
    char hex[65];

    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_hex(info->federation, sizeof info->federation, hex);
    ent_json_put_key_string(w, "federation", hex);
    ent_json_put_key_uint(w, "run", info->run);
    ent_json_put_key_uint(w, "round", info->round);
    ent_hex(info->plan, sizeof info->plan, hex);
    ent_json_put_key_string(w, "plan", hex);
    ent_hex(info->base, sizeof info->base, hex);
    ent_json_put_key_string(w, "base", hex);
    ent_json_put_close(w);
}

/* safetensors allows only strings as metadata, so each part is JSON inside a string. */
static enum ent_err put_part(struct ent_json_writer *w, const char *key,
                             void (*write)(struct ent_json_writer *, const struct ent_model_info *),
                             const struct ent_model_info *info)
{
    struct ent_json_writer part;
    struct ent_buf text;
    const char *s = NULL;
    enum ent_err err;

    ent_buf_init(&text, ENT_MODELFILE_HEADER_MAX);
    ent_json_begin(&part, &text);
    write(&part, info);
    err = ent_json_end(&part);
    if (err == ENT_E_OK) {
        err = ent_buf_str(&text, &s);
    }
    if (err == ENT_E_OK) {
        ent_json_put_key_string(w, key, s);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err put_metadata(struct ent_json_writer *w, const struct ent_model_info *info)
{
    ent_json_put_key(w, "__metadata__");
    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_json_put_key_string(w, "entente.version", ENT_MODELFILE_VERSION);
    ENT_TRY(put_part(w, "entente.architecture", put_architecture, info));
    ENT_TRY(put_part(w, "entente.features", ent_modelfile_put_features, info));
    ENT_TRY(put_part(w, "entente.label", ent_modelfile_put_label, info));
    ENT_TRY(put_part(w, "entente.lineage", put_lineage, info));
    if (info->sequence.unit != NULL) {
        ENT_TRY(put_part(w, "entente.sequence", ent_modelfile_put_sequence, info));
    }
    ent_json_put_close(w);
    return ENT_E_OK;
}

static enum ent_err put_tensor(void *ctx, const struct ent_modelfile_tensor *tensor)
{
    struct ent_json_writer *w = ctx;

    ent_json_put_key(w, tensor->name);
    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_json_put_key_string(w, "dtype", "F32");
    ent_json_put_key(w, "shape");
    ent_json_put_array(w);
    for (uint32_t d = 0; d < tensor->tensor.n_dims; d++) {
        ent_json_put_uint(w, tensor->tensor.dims[d]);
    }
    ent_json_put_close(w);
    ent_json_put_key(w, "data_offsets");
    ent_json_put_array(w);
    ent_json_put_uint(w, tensor->begin);
    ent_json_put_uint(w, tensor->end);
    ent_json_put_close(w);
    ent_json_put_close(w);
    return w->err;
}

static enum ent_err put_header(const struct ent_model_info *info, const struct ent_layer *layers,
                               struct ent_buf *out)
{
    struct ent_json_writer w;
    enum ent_err err;
    enum ent_err end;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_SORTED);
    err = put_metadata(&w, info);
    if (err == ENT_E_OK) {
        err = ent_modelfile_tensors(layers, info->n_layers, put_tensor, &w);
    }
    if (err == ENT_E_OK) {
        ent_json_put_close(&w);
    } else if (w.err == ENT_E_OK) {
        w.err = err;
    }
    end = ent_json_end(&w);
    return err != ENT_E_OK ? err : end;
}

enum ent_err ent_modelfile_header(const struct ent_model_info *info, struct ent_buf *out,
                                  size_t *n_params)
{
    struct ent_layer layers[ENT_MODEL_LAYERS_MAX];
    size_t start = out->len;
    size_t n;
    uint8_t *length;
    enum ent_err err;

    ENT_TRY(ent_modelfile_check(info, layers, &n));
    ENT_TRY(ent_buf_extend(out, sizeof(uint64_t), &length));
    err = put_header(info, layers, out);
    while (err == ENT_E_OK && (out->len - start) % ALIGN != 0) {
        err = ent_buf_add_u8(out, ' ');
    }
    if (err != ENT_E_OK) {
        out->len = start;
        return err;
    }
    ent_put_le64(out->data + start, out->len - start - sizeof(uint64_t));
    *n_params = n;
    return ENT_E_OK;
}

static enum ent_err write_fd(int fd, const struct ent_buf *header, const float *params,
                             size_t n_params)
{
    ENT_TRY(ent_fd_write(fd, header->data, header->len));
    for (size_t at = 0; at < n_params; at += WRITE_FLOATS) {
        size_t n = n_params - at < WRITE_FLOATS ? n_params - at : WRITE_FLOATS;

        ENT_REQUIRE(ent_vec_finite(params + at, n), ENT_E_NONFINITE,
                    "a parameter is NaN or infinite: not written");
        ENT_TRY(ent_fd_write(fd, params + at, n * sizeof *params));
    }
    return ENT_E_OK;
}

static enum ent_err write_file(const char *path, const struct ent_buf *header, const float *params,
                               size_t n_params)
{
    char *tmp;
    int fd;
    enum ent_err err;

    ENT_TRY(ent_file_begin(path, 0600, &tmp, &fd));
    err = write_fd(fd, header, params, n_params);
    if (err != ENT_E_OK) {
        ent_file_discard(tmp, fd);
        return ent_err_prefix(err, "%s", path);
    }
    return ent_file_commit(path, tmp, fd);
}

enum ent_err ent_modelfile_write(const char *path, const struct ent_model_info *info,
                                 const float *params, size_t n_params)
{
    struct ent_buf header;
    size_t n = 0;
    enum ent_err err;

    ent_buf_init(&header, ENT_MODELFILE_HEADER_MAX + sizeof(uint64_t));
    err = ent_modelfile_header(info, &header, &n);
    if (err == ENT_E_OK && n != n_params) {
        err =
            ent_err_note(ENT_E_SHAPE, "the layers hold %zu parameters, %zu are given", n, n_params);
    }
    if (err == ENT_E_OK) {
        err = write_file(path, &header, params, n_params);
    }
    ent_buf_release(&header);
    return err;
}
