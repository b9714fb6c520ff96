/* Any bytes as a model file. What reads must be whole: its header is the one that its content gives, its parameters are
 * finite and as many as its layers need. */
#include <stdlib.h>
#include <string.h>

#include "common/math/vec.h"
#include "common/model/modelfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ent_modelfile *file, const uint8_t *data, size_t size)
{
    struct ent_model_options options;
    struct ent_buf header;
    size_t n = 0;

    ent_buf_init(&header, ENT_MODELFILE_HEADER_MAX + 8);
    if (ent_modelfile_header(&file->info, &header, &n) != ENT_E_OK || n != file->n_params ||
        header.len != file->data_offset || memcmp(header.data, data, header.len) != 0 ||
        size - header.len != n * sizeof(float)) {
        abort();
    }
    ent_modelfile_options(&file->info, 1, &options);
    if (ent_model_count(&options, &n) != ENT_E_OK || n != file->n_params ||
        !ent_vec_finite(ent_modelfile_params(file), n)) {
        abort();
    }
    ent_buf_release(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_blob *blob;
    struct ent_modelfile *file;

    if (ent_blob_new_copy(data, size, &blob) != ENT_E_OK) {
        return 0;
    }
    if (ent_modelfile_read(blob, &file) == ENT_E_OK) {
        check(file, data, size);
        ent_modelfile_free(file);
    }
    ent_blob_unref(blob);
    return 0;
}
