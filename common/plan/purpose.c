/* What a plan says that its model is for. */
#include <string.h>

#include "common/plan/plan_read.h"

bool ent_plan_purpose_ok(const char *code)
{
    size_t len = strlen(code);

    return len >= 1 && len <= ENT_PLAN_PURPOSE_MAX &&
           strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

enum ent_err ent_plan_read_purpose(struct ent_plan_read *read)
{
    if (read->plan.purpose == NULL || ent_plan_purpose_ok(read->plan.purpose)) {
        return ENT_E_OK;
    }
    return ent_node_bad(ent_node_get(read->root, "purpose"), "purpose",
                        "must be a code of 1 to 64 of a-z, 0-9, '_' and '-', such as churn");
}
