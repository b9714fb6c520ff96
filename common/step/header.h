/* The header of a model file into a sink. Inside of common/step. */
#ifndef ENT_COMMON_STEP_HEADER_H
#define ENT_COMMON_STEP_HEADER_H

#include "common/step/step.h"

/* n_params: what must follow. */
ENT_MUST enum ent_err ent_step_header(const struct ent_step_sink *sink,
                                      const struct ent_model_info *info, size_t *n_params);

#endif
