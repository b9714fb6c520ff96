/* IN what the engine says · OUT one line that is kept up to date on a terminal, plain lines otherwise
 * OWNS what it showed last · THREADS engine · SOURCE issue 3, part 10 */
#ifndef ENT_COORDINATOR_ENGINE_PROGRESS_H
#define ENT_COORDINATOR_ENGINE_PROGRESS_H

#include "coordinator/engine/engine.h"

struct ent_progress {
    FILE *out;
    bool terminal;
    const struct ent_engine *engine; /* set after it was made */
    struct ent_clock clock;
    uint64_t run_from_ms; /* when the run was first seen, and in which round */
    uint64_t run_from_round;
    uint32_t run;
    bool line_open; /* the updating line stands at the cursor */
    uint64_t drawn_ms;
};

void ent_progress_init(struct ent_progress *progress, FILE *out, const struct ent_clock *clock);
/* The engine's `say`; ctx: the progress. */
void ent_progress_say(void *ctx, enum ent_say kind, const char *line);
/* After each step: redraw the line. */
void ent_progress_update(struct ent_progress *progress);
/* Leave the updating line behind. */
void ent_progress_end(struct ent_progress *progress);

#endif
