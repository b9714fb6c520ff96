#include "common/schema/library.h"

#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

const char *ent_schema_library(void)
{
    static char line[64]; /* written once, before threads */

    (void)snprintf(line, sizeof line, "protobuf-c %s", protobuf_c_version());
    return line;
}
