/* The link's side of struct ent_sink: where the next bytes go, without a copy. */
#ifndef ENT_COMMON_NET_SINK_H
#define ENT_COMMON_NET_SINK_H

#include "common/net/link.h"

#define ENT_SINK_FILE_BUFFER_BYTES ((size_t)256 * 1024)

/* Room for the next bytes: for memory their final place, for a file its buffer. *len_bytes >= 1
 * until complete. NO_MEMORY. */
ENT_MUST enum ent_err ent_sink_window(struct ent_sink *sink, uint8_t **out, size_t *len_bytes);
/* `len` bytes were put into the window: hash, and write a file's buffer when it is full. IO. */
ENT_MUST enum ent_err ent_sink_advance(struct ent_sink *sink, size_t len);
uint64_t ent_sink_left(const struct ent_sink *sink); /* bytes still to come */
bool ent_sink_is_file(const struct ent_sink *sink);

#endif
