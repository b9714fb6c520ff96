/* IN a model's description and parameters · OUT one safetensors file, byte for byte canonical; or
 * the other way round OWNS what a parsed file's struct holds · THREADS any (immutable after
 * reading) · SOURCE safetensors format
 *
 * Layout: u64 little-endian header length, header JSON (padded with spaces to a multiple of 8),
 * data section. The data section is the parameter vector. Tensors are called "layer.LLL.T.name":
 * LLL the index in the layer list, T the place of the tensor inside its layer ("layer.000.0.weight"
 * [inputs, units], "layer.000.1.bias" [units]), so that sorted names are in the vector's order.
 * "__metadata__" holds strings: version, architecture, features (schema and preprocessing), label,
 * lineage. No metrics, no times: same content, same bytes, same digest. The reader rebuilds the
 * header from what it understood and refuses a file whose header differs in one byte, so there is
 * one file a model. */
#ifndef ENT_COMMON_MODEL_MODELFILE_H
#define ENT_COMMON_MODEL_MODELFILE_H

#include <stdint.h>

#include "common/base/blob.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/feature/feature.h"
#include "common/feature/sequence.h"
#include "common/model/model.h"

struct ent_json;

#define ENT_MODELFILE_HEADER_MAX                                                                   \
    8388608u /* bytes of JSON: a quarter of a million declared values fit */
#define ENT_MODELFILE_PARAMS_MAX 268435456u /* 1 GiB of float32 */
#define ENT_MODELFILE_FEATURES_MAX 65536u

struct ent_model_info {
    const struct ent_feature *features; /* may be none (n_features = 0): a model over bare inputs */
    const struct ent_fit *fits;         /* [n_features] */
    uint32_t n_features;
    uint32_t n_inputs;
    const struct ent_model_layer *layers;
    uint32_t n_layers;
    const char *loss;  /* "bce", ... */
    uint32_t ensemble; /* sub-networks; 0 or 1: none */
    uint32_t seq_max;  /* steps of the longest sequence; 0: rows */
    const char *label_name;
    const char *label_positive;
    const char *const *label_values; /* one of these: [n_label_values], else none */
    uint32_t n_label_values;
    double label_lo; /* a number: its range, below each other; else both 0 */
    double label_hi;
    struct ent_sequence sequence; /* unit NULL: rows */
    /* Lineage. All zero = not from a federation (train --local). */
    uint8_t federation[16];
    uint32_t run;
    uint64_t round;
    uint8_t plan[32]; /* plan digest */
    uint8_t base[32]; /* digest of the model file it was made from; zero = none */
};

/* The architecture part of a description from a model's options, and back (for scoring: batch_max as
 * given, not training). Both point at the same layers. */
void ent_modelfile_of_options(const struct ent_model_options *options, struct ent_model_info *info);
void ent_modelfile_options(const struct ent_model_info *info, uint32_t batch_max,
                           struct ent_model_options *options);
/* Whether a file's architecture is that of these options. */
bool ent_modelfile_same(const struct ent_model_info *info, const struct ent_model_options *options);

/* What comes before the data section (length, JSON, padding), appended to out; n_params is what the
 * data section must then hold. Give `out` a maximum of ENT_MODELFILE_HEADER_MAX + 8. Whoever
 * streams writes this, then the parameters as little-endian float32. CONFIG, LIMIT, DATA (text that
 * is not UTF-8), NONFINITE (a range or moment). */
ENT_MUST enum ent_err ent_modelfile_header(const struct ent_model_info *info, struct ent_buf *out,
                                           size_t *n_params);

/* The whole file at path, atomically; params [n_params] are written in pieces, never copied whole.
 * SHAPE when n_params does not fit the layers, NONFINITE. */
ENT_MUST enum ent_err ent_modelfile_write(const char *path, const struct ent_model_info *info,
                                          const float *params, size_t n_params);

#define ENT_MODELFILE_DOCS 6
#define ENT_MODELFILE_CLASSES_MAX 65536u

/* A parsed file. Keeps one reference to the blob. */
struct ent_modelfile {
    struct ent_model_info info;
    size_t n_params;
    struct ent_blob *blob;
    size_t data_offset; /* of the data section in the blob; a multiple of 8 */
    /* what info points to */
    struct ent_json *docs[ENT_MODELFILE_DOCS];
    struct ent_model_layer *layers;
    struct ent_feature *features;
    struct ent_fits *fits;
    const char **values;
    const char **label_values;
    const char **times;
};

/* Read and check everything: lengths before any allocation, tensors against the architecture,
 * offsets, finite values, one canonical header. CORRUPT or NONFINITE with a sentence; LIMIT;
 * VERSION for a format that is newer than this build. The blob is borrowed for the call and
 * referenced on success. */
ENT_MUST enum ent_err ent_modelfile_read(struct ent_blob *blob, struct ent_modelfile **out);
/* The same from a file, mapped. */
ENT_MUST enum ent_err ent_modelfile_open(const char *path, struct ent_modelfile **out);
void ent_modelfile_free(struct ent_modelfile *file);
/* The parameter vector, in place (the blob's memory): [n_params]. */
const float *ent_modelfile_params(const struct ent_modelfile *file);

#endif
