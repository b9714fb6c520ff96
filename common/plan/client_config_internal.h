/* What the files of client.yaml share. Not for others. */
#ifndef ENT_COMMON_PLAN_CLIENT_CONFIG_INTERNAL_H
#define ENT_COMMON_PLAN_CLIENT_CONFIG_INTERNAL_H

#include "common/plan/client_config.h"

/* `auditors`: a list of fingerprints, and the word plain. */
ENT_MUST enum ent_err ent_client_config_auditors(const struct ent_node *node,
                                                 struct ent_client_config *config);

/* `columns`: a map. */
ENT_MUST enum ent_err ent_client_config_columns(const struct ent_node *node,
                                                struct ent_client_config *config);

/* `policy.purposes`: any, or a list of codes. */
ENT_MUST enum ent_err ent_client_config_purposes(const struct ent_node *node,
                                                 struct ent_client_config *config);

/* `policy.own_figures`: stay, go, or a list of names. */
ENT_MUST enum ent_err ent_client_config_figures(const struct ent_node *node,
                                                struct ent_client_config *config);

#endif
