/* IN a federation's directory · OUT a serving coordinator until it is told to end · OWNS links, control socket, engine
 * THREADS main (= the engine's) · SOURCE protocol.md 1, transport.md */
#ifndef ENT_COORDINATOR_ENGINE_SERVE_H
#define ENT_COORDINATOR_ENGINE_SERVE_H

#include "common/base/err.h"

struct ent_serve_options {
    const char *dir;
    bool
        once; /* until the run that is active, or the next one, has ended and its members have their model */
};

/* OK after SIGINT, SIGTERM or the end that `once` asks for. */
ENT_MUST enum ent_err ent_serve(const struct ent_serve_options *options);

#endif
