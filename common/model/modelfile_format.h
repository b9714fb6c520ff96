/* What writer and reader of the model file share. Inside the model room only. */
#ifndef ENT_COMMON_MODEL_MODELFILE_FORMAT_H
#define ENT_COMMON_MODEL_MODELFILE_FORMAT_H

#include "common/model/layer.h"
#include "common/model/modelfile.h"

#define ENT_MODELFILE_VERSION "1"
#define ENT_MODELFILE_TENSOR_NAME 64

/* Whether a description is whole: consecutive inputs that add up, finite ranges and moments, names that stand once.
 * layers: [ENT_MODEL_LAYERS_MAX], filled. CONFIG, NONFINITE, LIMIT. */
ENT_MUST enum ent_err ent_modelfile_check(const struct ent_model_info *info,
                                          struct ent_layer *layers, size_t *n_params);

/* One tensor of the file, in file order: see ent_modelfile_tensors. */
struct ent_modelfile_tensor {
    char name[ENT_MODELFILE_TENSOR_NAME];
    struct ent_layer_tensor tensor;
    size_t begin; /* bytes in the data section */
    size_t end;
};

/* Calls each(ctx, tensor) for every tensor in file order until it fails. */
ENT_MUST enum ent_err
ent_modelfile_tensors(const struct ent_layer *layers, uint32_t n_layers,
                      enum ent_err (*each)(void *ctx, const struct ent_modelfile_tensor *tensor),
                      void *ctx);

struct ent_json;
struct ent_json_writer;
/* The label part, and "entente.sequence", which stands there only when the model is one of sequences. */
void ent_modelfile_put_label(struct ent_json_writer *w, const struct ent_model_info *info);
void ent_modelfile_put_sequence(struct ent_json_writer *w, const struct ent_model_info *info);
ENT_MUST enum ent_err ent_modelfile_parse_label(struct ent_modelfile *file,
                                                const struct ent_json *doc);
/* After the architecture and the features. */
ENT_MUST enum ent_err ent_modelfile_parse_sequence(struct ent_modelfile *file,
                                                   const struct ent_json *doc);
/* Outputs, embeddings and sequences fit layers and features. CONFIG, NONFINITE. */
ENT_MUST enum ent_err ent_modelfile_check_label(const struct ent_model_info *info);
/* The schema part, "entente.features": written, and read into file->features, fits and values. */
void ent_modelfile_put_features(struct ent_json_writer *w, const struct ent_model_info *info);
ENT_MUST enum ent_err ent_modelfile_parse_features(struct ent_modelfile *file,
                                                   const struct ent_json *doc);

#endif
