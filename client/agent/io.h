/* A system call's failure as an error of ours. Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_IO_H
#define ENT_CLIENT_AGENT_IO_H

#include "common/base/err.h"

/* IO with the path and errno's reason. */
ENT_MUST enum ent_err ent_agent_io(const char *path);

#endif
