/* IN parsed options · OUT the verbs of entente-coordinator · OWNS nothing · THREADS main · SOURCE issue 3 */
#ifndef ENT_COORDINATOR_ENGINE_VERBS_H
#define ENT_COORDINATOR_ENGINE_VERBS_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/json/json.h"

/* Names that one command line asks for; without any it is everybody. */
#define ENT_VERB_DISCLOSE_MAX 64

/* One struct for all verbs: each verb's table names the members it takes. */
struct ent_verb_options {
    const char *dir;
    const char *name;
    const char *host;
    const char *listen;
    const char *enroll_listen;
    const char *base;
    const char *wait;
    const char *to;
    const char *since;
    const char *plan;
    const char *noise;
    bool json;
    bool watch;
    bool once;
    bool verbose;
};

ENT_MUST enum ent_err ent_verb_init(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_invite(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_revoke(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_roster(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_plan_check(const void *options, const char *const *args,
                                          size_t n_args);
ENT_MUST enum ent_err ent_verb_privacy(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_plan_keys(const void *options, const char *const *args,
                                         size_t n_args);
ENT_MUST enum ent_err ent_verb_start(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_serve(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_status(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_stop(const void *options, const char *const *args, size_t n_args);

ENT_MUST enum ent_err ent_verb_policy(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_admit_auditor(const void *options, const char *const *args,
                                             size_t n_args);
ENT_MUST enum ent_err ent_verb_export(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_disclose(const void *options, const char *const *args,
                                        size_t n_args);
ENT_MUST enum ent_err ent_verb_recover(const void *options, const char *const *args, size_t n_args);

/* ---- of this room ---- */
void ent_verb_log(const struct ent_verb_options *options);
/* {"verb": verb, key: value, ...} to whoever holds DIR; keys end with NULL, values that are NULL are left out. Then
 * ent_verb_forget. */
ENT_MUST enum ent_err ent_verb_ask(const char *dir, const char *verb, const char *const (*pairs)[2],
                                   struct ent_buf *reply, struct ent_json **out);
void ent_verb_forget(struct ent_buf *reply, struct ent_json *json);

#endif
