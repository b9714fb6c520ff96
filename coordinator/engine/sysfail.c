#include "coordinator/engine/sysfail.h"

#include <errno.h>
#include <string.h>

enum ent_err ent_sysfail(enum ent_err code, const char *what)
{
    char reason[128];
    int e = errno;

    if (strerror_r(e, reason, sizeof reason) != 0) {
        (void)snprintf(reason, sizeof reason, "errno %d", e);
    }
    return ent_err_note(code, "%s: %s", what, reason);
}
