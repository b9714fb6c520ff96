/* What the files of this room share: a payload being made. Not for others. */
#ifndef ENT_CLIENT_TASK_PAYLOAD_H
#define ENT_CLIENT_TASK_PAYLOAD_H

#include "client/task/fill.h"

/* Salt set, integers zero; 64-byte aligned, so the integers behind the salt are too (to 32). */
ENT_MUST enum ent_err ent_payload_new(enum ent_task_kind kind, size_t dim, const uint8_t *salt,
                                      struct ent_payload *out);
/* v: [payload->dim] */
void ent_payload_put64(struct ent_payload *payload, const int64_t *v);

#endif
