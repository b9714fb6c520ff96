/* Who may get a copy of this member's updates: the auditors that its mirror of the log knows, against client.yaml.
 * Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_CHECK_AUDITORS_H
#define ENT_CLIENT_AGENT_CHECK_AUDITORS_H

#include "client/agent/workplace.h"

struct ent_check_auditors {
    bool seen; /* the log was, at all */
    uint8_t keys[ENT_LOG_AUDITORS_MAX][ENT_WIRE_PUBLIC_BYTES];
    size_t n;
};

ENT_MUST enum ent_err ent_check_auditors_read(const struct ent_workplace *w,
                                              struct ent_check_auditors *out);
ENT_MUST enum ent_err ent_check_auditors_print(const struct ent_workplace *w,
                                               const struct ent_check_auditors *auditors);
/* POLICY: a run that starts now would seal to one that client.yaml does not list. */
ENT_MUST enum ent_err ent_check_auditors_ask(const struct ent_workplace *w,
                                             const struct ent_check_auditors *auditors);
/* Key "auditors" of the open object. */
ENT_MUST enum ent_err ent_check_auditors_put(const struct ent_workplace *w,
                                             const struct ent_check_auditors *auditors,
                                             struct ent_json_writer *json);

#endif
