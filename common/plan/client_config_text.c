/* The commented client.yaml that `enroll` and `describe` write. */
#include "common/plan/client_config.h"

static const char text_data[] =
    "\n"
    "# Where the rows are. No row leaves this machine. What does are integers for each round "
    "(counts\n"
    "# and sums, a model update, score counts): this member's own, to the coordinator, which adds\n"
    "# those of all members.\n"
    "data:\n"
    "  source: csv\n"
    "  path: data.csv           # plain or .gz, relative to this file's directory: edit this\n"
    "  # delimiter: \";\"          # \",\" \";\" or tab; detected from the header when absent\n"
    "  # missing: [NA, \"null\"]   # spellings of a missing value; a blank field always is one\n"
    "  bad_rows: fail           # rows that do not parse: fail, or drop (counted, named by line "
    "number)\n"
    "\n"
    "# Own column names and spellings where they differ from the plan's: PLAN_NAME: OWN_COLUMN, or "
    "with values.\n"
    "columns:\n"
    "  # age: Age\n"
    "  # job: {column: Job Title, values: {Administration: admin.}}\n"
    "\n"
    "# Column of the customer's id: all rows of a customer fall into the same part (training, "
    "validation, test).\n"
    "# unit_key: customer_id\n"
    "# File of this member's test rows (0-based data row numbers), when the plan says test: file.\n"
    "# split_file: test-rows.txt\n"
    "# Column that score writes beside each score; unit_key when absent.\n"
    "# id: customer_id\n";

static const char text_policy[] =
    "\n"
    "# What this member takes part in. It has the last word: whatever the plan or the coordinator "
    "say.\n"
    "policy:\n"
    "  tasks: [stats, train, evaluate]\n"
    "  min_members: 3           # no round that would be released with fewer members' updates\n"
    "  plans: any               # or a list of plan digests, as plan-check prints them\n"
    "  runs_per_plan: 100       # no more runs of one plan than this; 0: any number\n"
    "  own_figures: stay        # or go, or a list such as [auc]: figures of this member's own "
    "test rows that the operator is told\n"
    "  min_customers: 10        # nothing of a part (training, validation, test) with fewer "
    "customers than this\n"
    "  min_group: 50            # statistics and evaluations of fewer customers than this are sent "
    "as zeros\n"
    "  vocabulary: go           # or stay: no plan whose vocabulary tells the coordinator which "
    "buckets have customers\n"
    "  # purposes: [churn]      # only plans that state one of these purposes\n"
    "  # What training may cost this member's customers, at `delta`: then only plans with noise.\n"
    "  # epsilon_run: 2          # in one run\n"
    "  # epsilon_life: 8         # in all runs that this directory's ledger holds\n"
    "  # delta: 1e-5\n"
    "  # noise: own              # or coordinator: its noise counts, too (plans of unit member): "
    "it is trusted to add it\n"
    "  # uncovered: refuse       # or allow: statistics and evaluations that no noise covers, and "
    "no epsilon counts\n"
    "\n"
    "# Whose budget that is: a set of customers that shares none with another scope's.\n"
    "# privacy: {scope: default}\n"
    "\n"
    "# Auditors that may get sealed copies of this member's updates: their fingerprints, as check "
    "prints them; plain: the\n"
    "# coordinator may keep them unsealed, 7 days at most. With any other this member takes part "
    "in no round.\n"
    "auditors: []\n"
    "# What is kept of the audit log: full, hashes or off.\n"
    "mirror: full\n"
    "\n"
    "# What a plan may take of this machine: rows and training together. One that needs more is "
    "declined.\n"
    "limits:\n"
    "  memory: 4GiB\n";

enum ent_err ent_client_config_policy_text(struct ent_buf *out)
{
    return ent_buf_add(out, text_policy, sizeof text_policy - 1);
}

enum ent_err ent_client_config_text(const char *coordinator, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(
        out,
        "# This member's settings: its data, its names, its policy. Read again at each start.\n\n"
        "coordinator: "));
    ENT_TRY(ent_config_quote(out, coordinator));
    ENT_TRY(ent_buf_addf(out, "\n"));
    ENT_TRY(ent_buf_add(out, text_data, sizeof text_data - 1));
    return ent_client_config_policy_text(out);
}
