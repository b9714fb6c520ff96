/* IN one line of JSON on DIR/control.sock · OUT one line of JSON · OWNS the socket and its thread
 * THREADS its own; answers come from the engine's · SOURCE ARCHITECTURE.md (while serve holds the lock, verbs reach it)
 *
 * The operator's way in while `serve` runs. The socket is 0600 in a 0700 directory: who may open it is the operator. */
#ifndef ENT_COORDINATOR_ENGINE_CONTROL_H
#define ENT_COORDINATOR_ENGINE_CONTROL_H

#include "common/base/buf.h"

#define ENT_CONTROL_REQUEST_MAX_BYTES ((size_t)2 * 1024 * 1024) /* a plan travels in a request */
#define ENT_CONTROL_REPLY_MAX_BYTES ((size_t)8 * 1024 * 1024)   /* status of 4,096 members */

/* Answer `request` (a C string) into reply (one JSON object). STOPPED: it was not carried out, serve is ending. */
typedef enum ent_err (*ent_control_handler)(void *ctx, const char *request, struct ent_buf *reply);

struct ent_control;

/* Listen on DIR/control.sock. The caller holds DIR's lock, so a socket that is there is a dead one and is replaced. */
ENT_MUST enum ent_err ent_control_new(const char *dir, ent_control_handler handler, void *ctx,
                                      struct ent_control **out);
void ent_control_free(struct ent_control *control);

/* Ask the coordinator that serves DIR. NOT_FOUND when nobody answers there (no socket, or one left by a dead one);
 * BUSY when it is ending and did not carry the request out: ask again. */
ENT_MUST enum ent_err ent_control_ask(const char *dir, const char *request, struct ent_buf *reply);

#endif
