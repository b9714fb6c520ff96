/* What the tests of this room share: files of a given content, plans and settings out of texts. */
#ifndef ENT_TESTS_UNIT_CLIENT_DATA_SUPPORT_H
#define ENT_TESTS_UNIT_CLIENT_DATA_SUPPORT_H

#include "client/data/table.h"
#include "common/plan/client_config.h"
#include "common/plan/plan.h"

/* DIR/NAME with this content; static storage, eight of them. */
const char *data_file(const char *dir, const char *name, const void *bytes, size_t len);
const char *data_gz_file(const char *dir, const char *name, const void *bytes, size_t len);
struct ent_plan *data_plan(const char *yaml);
/* Settings from the text, with data.path set to `path`. */
struct ent_client_config *data_config(const char *path, const char *yaml_rest,
                                      const char *bad_rows);

#endif
