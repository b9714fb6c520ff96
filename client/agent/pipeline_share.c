#include "client/agent/pipeline_share.h"

#include <stdlib.h>

#include "client/agent/pipeline_internal.h"
#include "common/base/mem.h"

enum ent_err ent_pipeline_borrow(struct ent_plan *plan, struct ent_table *table,
                                 struct ent_pipeline **out)
{
    struct ent_pipeline *p = NULL;

    ENT_TRY(ent_pipeline_new(NULL, "", &p));
    p->plan = plan;
    p->table = table;
    p->schema = ent_schema_of_plan(plan);
    p->keeps_base = true;
    *out = p;
    return ENT_E_OK;
}

enum ent_err ent_pipeline_become(struct ent_pipeline *pipeline, const char *member,
                                 struct ent_parts *parts)
{
    char *name = NULL;

    ENT_TRY(ent_strdup(member, &name));
    free(pipeline->member);
    pipeline->member = name;
    pipeline->parts = parts;
    ent_pipeline_drop_rows(pipeline);
    return ENT_E_OK;
}

void ent_pipeline_give_back(struct ent_pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    pipeline->plan = NULL;
    pipeline->table = NULL;
    pipeline->parts = NULL;
    ent_pipeline_free(pipeline);
}
