/* What `check --json` says of the rows: how many, their columns, what is wrong with them. */
#ifndef ENT_CLIENT_AGENT_CHECK_ROWS_H
#define ENT_CLIENT_AGENT_CHECK_ROWS_H

#include "client/agent/pipeline.h"
#include "client/data/leak.h"
#include "common/json/json.h"

struct ent_check_rows {
    const struct ent_pipeline *pipeline; /* loaded */
    const struct ent_leak *leaks;        /* by feature; NULL: not judged */
};
/* Keys of the open object. */
void ent_check_rows_put(const struct ent_check_rows *r, struct ent_json_writer *w);

#endif
