#include "common/step/header.h"

/* float32 little-endian; both as this machine has them (checked when it is built). */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "little-endian float32");

enum ent_err ent_step_header(const struct ent_step_sink *sink, const struct ent_model_info *info,
                             size_t *n_params)
{
    struct ent_buf header;
    enum ent_err err;

    ent_buf_init(&header, (size_t)ENT_MODELFILE_HEADER_MAX + 8);
    err = ent_modelfile_header(info, &header, n_params);
    if (err == ENT_E_OK) {
        err = sink->write(sink->ctx, header.data, header.len);
    }
    ent_buf_release(&header);
    return err;
}
