/* A system call's failure as an error of ours. Not for other rooms. */
#ifndef ENT_COORDINATOR_ENGINE_SYSFAIL_H
#define ENT_COORDINATOR_ENGINE_SYSFAIL_H

#include "common/base/err.h"

/* `code` (mostly IO) with "what: errno's reason". */
ENT_MUST enum ent_err ent_sysfail(enum ent_err code, const char *what);

#endif
