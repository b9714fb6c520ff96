#include "client/agent/io.h"

#include <errno.h>
#include <string.h>

enum ent_err ent_agent_io(const char *path)
{
    char reason[128];

    if (strerror_r(errno, reason, sizeof reason) != 0) {
        (void)snprintf(reason, sizeof reason, "error %d", errno);
    }
    return ent_err_note(ENT_E_IO, "%s: %s", path, reason);
}
