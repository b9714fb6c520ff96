/* Plans and models that this member has on its disk. */
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"

enum ent_err ent_agent_plan_path(const struct ent_agent *agent,
                                 const uint8_t digest[ENT_SHA256_BYTES], char **out)
{
    char name[sizeof "plans/.yaml" + 2 * (size_t)ENT_SHA256_BYTES] = "plans/";

    ent_hex(digest, ENT_SHA256_BYTES, name + 6);
    memcpy(name + 6 + 2 * (size_t)ENT_SHA256_BYTES, ".yaml", sizeof ".yaml");
    return ent_path_join(agent->dir, name, out);
}

bool ent_agent_plan_here(const struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES])
{
    char *path = NULL;
    bool here;

    if (ent_agent_plan_path(agent, digest, &path) != ENT_E_OK) {
        return false;
    }
    here = ent_file_exists(path);
    free(path);
    return here;
}

bool ent_agent_model_here(struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_blob *blob = NULL;
    bool here = ent_state_model_get(agent->state, digest, &blob) == ENT_E_OK;

    ent_blob_unref(blob);
    return here;
}
