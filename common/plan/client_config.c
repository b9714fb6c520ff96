#include "common/plan/client_config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/client_config_internal.h"
#include "common/plan/plan.h"

#define ARENA_MAX_BYTES ((size_t)32 << 20)
#define TASKS_MAX 32 /* bits of policy.tasks */

/* The settings in the making and the nodes that the option table leaves to this file. */
struct reading {
    struct ent_client_config config;
    const char *path;
    const char *labels;
    const char *more;
    const char *split_file;
    int bad_rows;
    int vocabulary;
    int noise;
    int uncovered;
    int mirror;
    const struct ent_node *root;
    const struct ent_node *delimiter;
    const struct ent_node *columns;
    const struct ent_node *tasks;
    const struct ent_node *plans;
    const struct ent_node *purposes;
    const struct ent_node *own_figures;
    const struct ent_node *auditors;
};

#define AT(member_) offsetof(struct reading, member_)

static const struct ent_choice bad_rows[] = {
    {"fail", ENT_BAD_ROWS_FAIL}, {"drop", ENT_BAD_ROWS_DROP}, {NULL, 0}};

static const struct ent_choice vocabulary[] = {{"go", true}, {"stay", false}, {NULL, 0}};

static const struct ent_choice noises[] = {{"own", false}, {"coordinator", true}, {NULL, 0}};

static const struct ent_choice uncovered[] = {{"refuse", false}, {"allow", true}, {NULL, 0}};

static const struct ent_choice mirrors[] = {{"full", ENT_CLIENT_MIRROR_FULL},
                                            {"hashes", ENT_CLIENT_MIRROR_HASHES},
                                            {"off", ENT_CLIENT_MIRROR_OFF},
                                            {NULL, 0}};

static const struct ent_field data_fields[] = {
    {.key = "source",
     .kind = ENT_FIELD_STRING,
     .offset = AT(config.data.source),
     .fallback = "csv",
     .help =
         "kind of the source: csv, or idx (pictures, as MNIST has them: columns image and label)"},
    {.key = "path",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = AT(path),
     .lo = 1,
     .hi = 4000,
     .help = "the file, plain or .gz; relative to the directory of client.yaml"},
    {.key = "labels",
     .kind = ENT_FIELD_STRING,
     .offset = AT(labels),
     .lo = 1,
     .hi = 4000,
     .help = "of idx: the file of the pictures' labels; when absent: called as theirs, with "
             "labels-idx1 in place of images-idx3"},
    {.key = "more",
     .kind = ENT_FIELD_STRING,
     .offset = AT(more),
     .lo = 1,
     .hi = 4000,
     .help = "of idx: a second file of pictures, whose rows follow those of path"},
    {.key = "delimiter",
     .kind = ENT_FIELD_NODE,
     .offset = AT(delimiter),
     .takes = "one character",
     .help = "\",\", \";\" or tab; detected from the header when absent"},
    {.key = "missing",
     .kind = ENT_FIELD_STRINGS,
     .offset = AT(config.data.missing),
     .lo = 0,
     .hi = 100,
     .help = "spellings of a missing value, such as NA; a blank field always is one"},
    {.key = "bad_rows",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(bad_rows),
     .choices = bad_rows,
     .fallback = "fail",
     .help = "rows that do not parse: fail, or drop and count them"},
    {0}};

static const struct ent_field policy_fields[] = {
    {.key = "tasks",
     .kind = ENT_FIELD_NODE,
     .offset = AT(tasks),
     .takes = "a list",
     .help = "list out of stats, train, evaluate; all of them when absent"},
    {.key = "min_members",
     .kind = ENT_FIELD_U32,
     .offset = AT(config.policy.min_members),
     .lo = 2,
     .hi = ENT_PLAN_MAX_MEMBERS,
     .fallback = "3",
     .help = "no round that would be released with fewer members' updates"},
    {.key = "plans",
     .kind = ENT_FIELD_NODE,
     .offset = AT(plans),
     .takes = "any, or a list",
     .help =
         "any (default), or a list of plan digests (64 hex digits each; plan-check prints them)"},
    {.key = "runs_per_plan",
     .kind = ENT_FIELD_U32,
     .offset = AT(config.policy.runs_per_plan),
     .lo = 0,
     .hi = 1000000,
     .fallback = "100",
     .help = "no more runs of one plan than this; 0: any number"},
    {.key = "purposes",
     .kind = ENT_FIELD_NODE,
     .offset = AT(purposes),
     .takes = "any, or a list",
     .help = "any (default), or a list of codes: no plan whose purpose is none of them, or that "
             "states none"},
    {.key = "own_figures",
     .kind = ENT_FIELD_NODE,
     .offset = AT(own_figures),
     .takes = "stay, go, or a list",
     .help = "what the final model is worth on this member's own test rows: stay here (default), "
             "go to the coordinator's operator, or a list of the figures that go: [auc, log_loss]"},
    {.key = "min_customers",
     .kind = ENT_FIELD_U32,
     .offset = AT(config.policy.min_customers),
     .lo = 1,
     .hi = 1000000,
     .fallback = "10",
     .help = "nothing of a part (training, validation, test) with fewer customers leaves: "
             "different unit_key, or rows where there is none"},
    {.key = "min_group",
     .kind = ENT_FIELD_U32,
     .offset = AT(config.policy.min_group),
     .lo = 1,
     .hi = 1000000,
     .fallback = "50",
     .help = "statistics and evaluations of a part with fewer customers are sent as zeros, and "
             "bucket counts of a vocabulary too; the plan may ask for more, never for less"},
    {.key = "vocabulary",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(vocabulary),
     .choices = vocabulary,
     .fallback = "go",
     .help = "plans with a vocabulary, whose statistics tell the coordinator which of its buckets "
             "this member's customers have: take part (go), or not (stay)"},
    {.key = "epsilon_run",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(config.policy.epsilon_run),
     .lo = 0,
     .hi = 1000,
     .fallback = "0",
     .help = "no run that would cost this member's customers more epsilon than this; with it, or "
             "with epsilon_life, no plan without noise; 0: no limit"},
    {.key = "epsilon_life",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(config.policy.epsilon_life),
     .lo = 0,
     .hi = 1000,
     .fallback = "0",
     .help = "the same over all runs that this member's ledger holds of the scope; 0: no limit"},
    {.key = "delta",
     .kind = ENT_FIELD_DOUBLE,
     .offset = AT(config.policy.delta),
     .lo = 1e-15,
     .hi = 0.1,
     .fallback = "1e-5",
     .help = "the delta at which epsilon_run and epsilon_life are meant"},
    {.key = "noise",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(noise),
     .choices = noises,
     .fallback = "own",
     .help = "whose noise counts for epsilon_run and epsilon_life: own, which this member adds "
             "(plans of unit customer), or the coordinator's as well (unit member), which is "
             "trusted to see updates without it and to add it"},
    {.key = "uncovered",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(uncovered),
     .choices = uncovered,
     .fallback = "refuse",
     .help = "statistics and evaluations that no noise covers, where epsilon_run or epsilon_life "
             "is set and does not see them: refuse, or allow"},
    {0}};

static const struct ent_field privacy_fields[] = {
    {.key = "scope",
     .kind = ENT_FIELD_STRING,
     .offset = AT(config.scope),
     .lo = 1,
     .hi = ENT_CLIENT_SCOPE_MAX_BYTES,
     .fallback = "default",
     .help = "name of the set of customers behind data: they share no customer with another "
             "scope's; what noise covers is charged to it"},
    {0}};

static const struct ent_field limit_fields[] = {
    {.key = "memory",
     .kind = ENT_FIELD_SIZE,
     .offset = AT(config.memory_bytes),
     .lo = 1048576,
     .hi = 1099511627776.0,
     .fallback = "4GiB",
     .help =
         "for the rows and for what a plan's training takes; a plan that needs more is declined"},
    {0}};

static const struct ent_field client_fields[] = {
    {.key = "coordinator",
     .kind = ENT_FIELD_STRING,
     .offset = AT(config.coordinator),
     .help = "HOST:PORT of the coordinator; enroll writes it"},
    {.key = "data",
     .kind = ENT_FIELD_MAP,
     .required = true,
     .fields = data_fields,
     .help = "where the rows are"},
    {.key = "columns",
     .kind = ENT_FIELD_NODE,
     .offset = AT(columns),
     .takes = "a map",
     .help = "map of the plan's names to own column names: age: Age, or job: {column: Job Title, "
             "values: {OWN: "
             "PLAN}}"},
    {.key = "unit_key",
     .kind = ENT_FIELD_STRING,
     .offset = AT(config.unit_key),
     .help = "column of the customer's id: all rows of a customer fall into the same part"},
    {.key = "split_file",
     .kind = ENT_FIELD_STRING,
     .offset = AT(split_file),
     .lo = 1,
     .hi = 4000,
     .help = "file of test rows (0-based data row numbers), when the plan says test: file"},
    {.key = "id",
     .kind = ENT_FIELD_STRING,
     .offset = AT(config.id),
     .help = "column that score writes beside the score; unit_key when absent"},
    {.key = "policy",
     .kind = ENT_FIELD_MAP,
     .fields = policy_fields,
     .help = "what this member takes part in"},
    {.key = "privacy",
     .kind = ENT_FIELD_MAP,
     .fields = privacy_fields,
     .help = "whose privacy budget this directory's data is charged to"},
    {.key = "auditors",
     .kind = ENT_FIELD_NODE,
     .offset = AT(auditors),
     .takes = "a list",
     .help =
         "fingerprints (64 hex digits) of the auditors that this member's updates may be sealed "
         "to, and plain if they may be kept unsealed; none when absent"},
    {.key = "mirror",
     .kind = ENT_FIELD_CHOICE,
     .offset = AT(mirror),
     .choices = mirrors,
     .fallback = "full",
     .help = "what is kept of the audit log: full, hashes (enough for proofs), or off (the head "
             "alone)"},
    {.key = "limits",
     .kind = ENT_FIELD_MAP,
     .fields = limit_fields,
     .help = "what a plan may take of this machine"},
    {0}};

static enum ent_err resolve(const char *dir, const char *path, struct ent_arena *arena,
                            const char **out)
{
    char *joined = NULL;
    char *kept;
    enum ent_err err;

    if (path == NULL || path[0] == '/' || dir == NULL) {
        *out = path;
        return ENT_E_OK;
    }
    ENT_TRY(ent_path_join(dir, path, &joined));
    err = ent_arena_strndup(arena, joined, strlen(joined), &kept);
    free(joined);
    ENT_TRY(err);
    *out = kept;
    return ENT_E_OK;
}

static enum ent_err read_delimiter(struct reading *r)
{
    static const char must[] = "must be \",\", \";\" or tab";
    const struct ent_node *node = r->delimiter;

    if (node == NULL) {
        return ENT_E_OK;
    }
    if (node->kind != ENT_NODE_SCALAR) {
        return ent_node_bad(node, "delimiter", must);
    }
    if (strcmp(node->text, "tab") == 0 || strcmp(node->text, "\t") == 0) {
        r->config.data.delimiter = '\t';
    } else if (strcmp(node->text, ",") == 0 || strcmp(node->text, ";") == 0) {
        r->config.data.delimiter = node->text[0];
    } else {
        return ent_node_bad(node, "delimiter", must);
    }
    return ENT_E_OK;
}

/* Not one of the tasks there are: says which is near. */
static enum ent_err unknown_task(const struct ent_node *e)
{
    const char *names[TASKS_MAX];
    size_t n = 0;

    for (; n < TASKS_MAX && ent_task_at(n) != NULL; n++) {
        names[n] = ent_task_at(n)->name;
    }
    return ent_config_unknown(e, "task", e->kind == ENT_NODE_SCALAR ? e->text : "?", names, n);
}

static enum ent_err read_tasks(struct reading *r)
{
    struct ent_policy_config *policy = &r->config.policy;
    const struct ent_task *task;

    for (size_t i = 0; r->tasks == NULL && (task = ent_task_at(i)) != NULL; i++) {
        policy->tasks |= 1U << task->kind;
    }
    if (r->tasks == NULL) {
        return ENT_E_OK;
    }
    if (r->tasks->kind != ENT_NODE_LIST) {
        return ent_node_bad(r->tasks, "tasks", "must be a list: [stats, train, evaluate]");
    }
    for (const struct ent_node *e = r->tasks->first; e != NULL; e = e->next) {
        task = e->kind == ENT_NODE_SCALAR ? ent_task_find_name(e->text) : NULL;
        if (task == NULL) {
            return unknown_task(e);
        }
        policy->tasks |= 1U << task->kind;
    }
    return ENT_E_OK;
}

static enum ent_err read_plans(struct reading *r)
{
    struct ent_policy_config *policy = &r->config.policy;
    uint8_t(*plans)[32];
    uint32_t i = 0;

    policy->any_plan = r->plans == NULL ||
                       (r->plans->kind == ENT_NODE_SCALAR && strcmp(r->plans->text, "any") == 0);
    if (policy->any_plan) {
        return ENT_E_OK;
    }
    if (r->plans->kind != ENT_NODE_LIST) {
        return ent_node_bad(r->plans, "plans", "must be any, or a list of plan digests");
    }
    ENT_TRY(ent_arena_alloc(&r->config.arena, r->plans->n, sizeof *plans, &plans));
    for (const struct ent_node *e = r->plans->first; e != NULL; e = e->next) {
        if (e->kind != ENT_NODE_SCALAR || ent_unhex(e->text, plans[i++], 32) != ENT_E_OK) {
            return ent_node_bad(e, "a plan", "must be a digest of 64 hex digits");
        }
    }
    policy->plans = (const uint8_t(*)[32])plans;
    policy->n_plans = i;
    return ENT_E_OK;
}

/* Where things stand, for errors that only the data or the plan can show. */
static enum ent_err read_places(struct reading *r)
{
    struct ent_client_config *c = &r->config;
    const struct ent_node *source = ent_node_get(ent_node_get(r->root, "data"), "source");
    char at[320] = "";
    char *text;

    ENT_TRY(ent_arena_strndup(&c->arena, r->root->file, strlen(r->root->file), &text));
    c->file = text;
    if (source != NULL) {
        (void)snprintf(at, sizeof at, "%.255s:%u:%u: ", source->file, source->line, source->column);
    }
    ENT_TRY(ent_arena_strndup(&c->arena, at, strlen(at), &text));
    c->data.source_at = text;
    return ENT_E_OK;
}

static enum ent_err read_all(struct reading *r, const char *dir)
{
    struct ent_client_config *c = &r->config;
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t port;

    ENT_TRY(ent_config_take(r->root, "client.yaml", client_fields, &c->arena, r));
    c->data.bad_rows = (enum ent_bad_rows)r->bad_rows;
    c->policy.vocabulary_goes = r->vocabulary != 0;
    c->policy.noise_of_coordinator = r->noise != 0;
    c->policy.uncovered_goes = r->uncovered != 0;
    ENT_TRY(ent_client_config_purposes(r->purposes, c));
    ENT_TRY(ent_client_config_figures(r->own_figures, c));
    c->mirror = (enum ent_client_mirror)r->mirror;
    ENT_TRY(ent_client_config_auditors(r->auditors, c));
    if (c->coordinator != NULL && !ent_address_split(c->coordinator, host, &port)) {
        return ent_node_bad(ent_node_get(r->root, "coordinator"), "coordinator",
                            "must be HOST:PORT, such as fed.example:7443");
    }
    ENT_TRY(read_places(r));
    ENT_TRY(read_delimiter(r));
    ENT_TRY(ent_client_config_columns(r->columns, c));
    ENT_TRY(read_tasks(r));
    ENT_TRY(read_plans(r));
    ENT_TRY(resolve(dir, r->path, &c->arena, &c->data.path));
    ENT_TRY(resolve(dir, r->labels, &c->arena, &c->data.labels));
    ENT_TRY(resolve(dir, r->more, &c->arena, &c->data.more));
    return resolve(dir, r->split_file, &c->arena, &c->split_file);
}

static enum ent_err fill(const struct ent_config *document, const char *dir,
                         struct ent_client_config **out)
{
    struct reading r = {.root = ent_config_root(document)};
    struct ent_client_config *config;
    enum ent_err err;

    ent_arena_init(&r.config.arena, ARENA_MAX_BYTES);
    err = read_all(&r, dir);
    if (err == ENT_E_OK) {
        err = ent_calloc(1, sizeof *config, &config);
    }
    if (err != ENT_E_OK) {
        ent_arena_release(&r.config.arena);
        return err;
    }
    *config = r.config;
    *out = config;
    return ENT_E_OK;
}

enum ent_err ent_client_config_parse(const char *name, const char *dir, const uint8_t *yaml,
                                     size_t len, struct ent_client_config **out)
{
    struct ent_config *document;
    enum ent_err err;

    ENT_TRY(ent_config_parse(name, yaml, len, &document));
    err = fill(document, dir, out);
    ent_config_free(document);
    return err;
}

enum ent_err ent_client_config_read(const char *path, struct ent_client_config **out)
{
    const char *slash = strrchr(path, '/');
    struct ent_config *document = NULL;
    char *dir = NULL;
    enum ent_err err;

    ENT_TRY(ent_strndup(slash != NULL ? path : ".",
                        slash == path ? 1 : (slash != NULL ? (size_t)(slash - path) : 1), &dir));
    err = ent_config_read(path, &document);
    if (err == ENT_E_OK) {
        err = fill(document, dir, out);
    }
    ent_config_free(document);
    free(dir);
    return err;
}

void ent_client_config_free(struct ent_client_config *config)
{
    if (config != NULL) {
        ent_arena_release(&config->arena);
        free(config);
    }
}
