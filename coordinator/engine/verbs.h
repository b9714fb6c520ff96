/* IN parsed options · OUT the verbs of entente-coordinator · OWNS nothing · THREADS main · SOURCE issue 3 */
#ifndef ENT_COORDINATOR_ENGINE_VERBS_H
#define ENT_COORDINATOR_ENGINE_VERBS_H

#include "common/base/err.h"

/* One struct for all verbs: each verb's table names the members it takes. */
struct ent_verb_options {
    const char *dir;
    const char *name;
    const char *host;
    const char *listen;
    const char *enroll_listen;
    const char *base;
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
ENT_MUST enum ent_err ent_verb_plan_keys(const void *options, const char *const *args,
                                         size_t n_args);
ENT_MUST enum ent_err ent_verb_start(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_serve(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_status(const void *options, const char *const *args, size_t n_args);
ENT_MUST enum ent_err ent_verb_stop(const void *options, const char *const *args, size_t n_args);

#endif
