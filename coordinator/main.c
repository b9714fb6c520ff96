/* entente-coordinator: run by the operator of a federation. */
#include <stddef.h>

#include "common/base/options.h"
#include "common/config/config.h"
#include "common/crypto/secret.h"
#include "common/db/db.h"
#include "common/math/math.h"
#include "common/net/link_nng.h"
#include "common/schema/library.h"
#include "coordinator/engine/verbs.h"

#define AT(member_) offsetof(struct ent_verb_options, member_)
#define DIR_OPTION                                                                                 \
    {                                                                                              \
        "dir", ENT_OPT_REQUIRED_STRING, "DIR", "the federation's directory", AT(dir)               \
    }
#define VERBOSE_OPTION                                                                             \
    {                                                                                              \
        "verbose", ENT_OPT_FLAG, NULL, "say more on standard error", AT(verbose)                   \
    }
#define JSON_OPTION                                                                                \
    {                                                                                              \
        "json", ENT_OPT_FLAG, NULL, "one JSON object instead of text", AT(json)                    \
    }
#define END_OPTION                                                                                 \
    {                                                                                              \
        NULL, ENT_OPT_FLAG, NULL, NULL, 0                                                          \
    }
#define VERB(name_, summary_, arguments_, n_, options_, run_, example_)                            \
    {                                                                                              \
        name_, summary_, arguments_, n_, n_, example_, options_, sizeof(struct ent_verb_options),  \
            run_                                                                                   \
    }

static const struct ent_option init_options[] = {
    {"dir", ENT_OPT_REQUIRED_STRING, "DIR", "the directory to make", AT(dir)},
    {"name", ENT_OPT_REQUIRED_STRING, "NAME", "the federation's name", AT(name)},
    {"host", ENT_OPT_REQUIRED_STRING, "HOST", "name or address that members dial", AT(host)},
    {"listen", ENT_OPT_STRING, "ADDR:PORT", "for members; 0.0.0.0:7443 (port 0: chosen)",
     AT(listen)},
    {"enroll-listen", ENT_OPT_STRING, "ADDR:PORT", "for enrolment; 0.0.0.0:7444",
     AT(enroll_listen)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option dir_options[] = {DIR_OPTION, VERBOSE_OPTION, END_OPTION};
static const struct ent_option look_options[] = {DIR_OPTION, JSON_OPTION, VERBOSE_OPTION,
                                                 END_OPTION};
static const struct ent_option status_options[] = {
    DIR_OPTION,
    JSON_OPTION,
    {"watch", ENT_OPT_FLAG, NULL, "every second, until the run is over", AT(watch)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option start_options[] = {
    DIR_OPTION,
    {"base", ENT_OPT_STRING, "FILE", "model file to start from instead of a new model", AT(base)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option serve_options[] = {
    DIR_OPTION,
    {"once", ENT_OPT_FLAG, NULL, "end when the run that is active (or the next one) has ended",
     AT(once)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option wait_options[] = {
    DIR_OPTION,
    {"wait", ENT_OPT_STRING, "SECONDS", "how long to wait for members; policy 60, recover 30",
     AT(wait)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option auditor_options[] = {
    DIR_OPTION,
    {"name", ENT_OPT_STRING, "NAME", "its name, instead of the file's", AT(name)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option export_options[] = {
    DIR_OPTION,
    {"to", ENT_OPT_REQUIRED_STRING, "DIR", "the directory to make", AT(to)},
    {"since", ENT_OPT_STRING, "ROUND", "leave out sealed updates of earlier rounds", AT(since)},
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option privacy_options[] = {
    {"plan", ENT_OPT_REQUIRED_STRING, "PLAN", "plan.yaml", AT(plan)},
    {"noise", ENT_OPT_STRING, "Z", "what this multiplier costs, not the plan's goal", AT(noise)},
    JSON_OPTION,
    VERBOSE_OPTION,
    END_OPTION};
static const struct ent_option check_options[] = {VERBOSE_OPTION, END_OPTION};

static const struct ent_verb verbs[] = {
    VERB("init", "Make a federation: directory, authority, keys", NULL, 0, init_options,
         ent_verb_init,
         "entente-coordinator init --dir fed --name acme-brands --host fed.acme.example"),
    VERB("invite",
         "Make a one-time token with which a member enrols; it is printed on standard output",
         "NAME", 1, dir_options, ent_verb_invite, "entente-coordinator invite --dir fed brand-a"),
    VERB("revoke", "Shut a member out, at once and for good", "NAME", 1, dir_options,
         ent_verb_revoke, "entente-coordinator revoke --dir fed brand-a"),
    VERB("roster", "List the members", NULL, 0, look_options, ent_verb_roster,
         "entente-coordinator roster --dir fed"),
    VERB("policy", "Freeze who witnesses: all enrolled members, who are asked to agree", NULL, 0,
         wait_options, ent_verb_policy, "entente-coordinator policy --dir fed"),
    VERB("admit-auditor", "Seal the updates of the next runs to an auditor", "FILE", 1,
         auditor_options, ent_verb_admit_auditor,
         "entente-coordinator admit-auditor --dir fed dpo/auditor.pub"),
    VERB("export", "Write what an auditor checks: the log, its notes, what they name", NULL, 0,
         export_options, ent_verb_export,
         "entente-coordinator export --dir fed --to acme-2026.export"),
    {"disclose",
     "Write the names behind the handles of the log, for entente-audit report --disclose",
     "[NAME...]", 0, ENT_VERB_DISCLOSE_MAX, "entente-coordinator disclose --dir fed > names.txt",
     dir_options, sizeof(struct ent_verb_options), ent_verb_disclose},
    VERB("plan-check", "Check a plan and say what it asks for", "PLAN", 1, check_options,
         ent_verb_plan_check, "entente-coordinator plan-check plan.yaml"),
    VERB("privacy", "Say which noise a plan's goal takes, or what a noise costs", NULL, 0,
         privacy_options, ent_verb_privacy, "entente-coordinator privacy --plan plan.yaml"),
    VERB("plan-keys", "List every key of plan.yaml, its type and its default", NULL, 0,
         check_options, ent_verb_plan_keys, "entente-coordinator plan-keys"),
    VERB("start", "Start a run of a plan", "PLAN", 1, start_options, ent_verb_start,
         "entente-coordinator start --dir fed plan.yaml"),
    VERB("serve", "Serve members until stopped (Ctrl-C)", NULL, 0, serve_options, ent_verb_serve,
         "entente-coordinator serve --dir fed"),
    VERB("recover", "Get back from the members what an old copy of the directory lacks", NULL, 0,
         wait_options, ent_verb_recover, "entente-coordinator recover --dir fed --wait 60"),
    VERB("status", "Show the run, its rounds and the members", NULL, 0, status_options,
         ent_verb_status, "entente-coordinator status --dir fed --watch"),
    VERB("stop", "End the run after its round", NULL, 0, dir_options, ent_verb_stop,
         "entente-coordinator stop --dir fed"),
    {NULL, NULL, NULL, 0, 0, NULL, NULL, 0, NULL}};

static const struct ent_program program = {"entente-coordinator",
                                           "runs a federation for its operator", verbs};

int main(int argc, char **argv)
{
    static char version[ENT_LINK_NNG_VERSION_BYTES];

    if (ent_secret_init_process() != ENT_E_OK) {
        (void)fprintf(stderr, "entente-coordinator: %s\n", ent_err_message());
        return ent_err_exit(ENT_E_INTERNAL);
    }
    ent_link_nng_version(version);
    ent_version_add(version);
    ent_version_add(ent_db_library());
    ent_version_add(ent_math_blas_text());
    ent_version_add(ent_config_library());
    ent_version_add(ent_schema_library());
    return ent_program_run(&program, argc, argv);
}
