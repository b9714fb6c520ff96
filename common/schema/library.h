/* The library under this room, for --version. */
#ifndef ENT_COMMON_SCHEMA_LIBRARY_H
#define ENT_COMMON_SCHEMA_LIBRARY_H

/* "protobuf-c 1.4.1", for ent_version_add. Call it before threads start. */
const char *ent_schema_library(void);

#endif
