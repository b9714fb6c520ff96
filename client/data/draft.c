/* The two texts and the account of what was decided. */
#include "client/data/draft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/plural.h"
#include "common/config/config.h"
#include "common/plan/client_config.h"

static const char plan_head[] =
    "# A draft of a plan: edit it, then check it with \"entente-coordinator plan-check\".\n"
    "# Every member sees it, so nothing in it should be secret: ranges are this file's extremes "
    "rounded outward (better:\n"
    "# the limits that the business knows), category values are those that are not rare. All "
    "members use the same names\n"
    "# and values; each maps its own to them in its client.yaml. encode: ple cuts a number at its "
    "quantiles (out of the\n"
    "# members' summed histograms) and lets the model bend at each: it is what brings a network to "
    "the level of boosted\n"
    "# trees. standard and log make one input instead of 32.\n"
    "\n"
    "features:\n";

static const char plan_model[] = "\n"
                                 "model:\n"
                                 "  layers:\n"
                                 "    - dense: 128\n"
                                 "    - relu\n"
                                 "    - dropout: 0.5\n"
                                 "    - dense: 64\n"
                                 "    - relu\n"
                                 "    - dropout: 0.5\n"
                                 "    - dense: 1\n"
                                 "  loss: bce\n"
                                 "\n"
                                 "# Plain SGD: an optimizer with moments that start anew in every "
                                 "round stalls below the optimum.\n"
                                 "training:\n";

static const char plan_training[] =
    "  epochs: 1\n"
    "  batch: 32\n"
    "  optimizer: {sgd: {rate: 0.15, momentum: 0}}\n"
    "  seed: 1\n"
    "\n"
    "# examples_log2: larger members count more, but only by the power of two below their rows.\n"
    "aggregation:\n"
    "  rule: fedavg\n"
    "  weights: examples_log2\n"
    "  scale_bits: 20\n";

static const char plan_group[] =
    "\n"
    "# Nothing is counted or shown of fewer customers: sums of small members are zeros, cells of "
    "figures are merged.\n"
    "# A member's policy.min_group may ask for more, never for less.\n"
    "min_group: 50\n";

static const char split_by_file[] = "\n"
                                    "# Test rows: each member's own split_file (client.yaml). Of "
                                    "the other customers a tenth, by a\n"
                                    "# keyed hash of unit_key, chooses the best round.\n"
                                    "split: {key: 1, validation: 0.1, test: file}\n";

static const char split_by_hash[] = "\n"
                                    "# Customers are divided by a keyed hash of unit_key "
                                    "(client.yaml): the same customer is always\n"
                                    "# in the same part.\n"
                                    "split: {key: 1, validation: 0.1, test: 0.2}\n";

static enum ent_err add_values(const struct ent_draft_column *c, struct ent_buf *out)
{
    const struct ent_profile_value **sorted = NULL;
    enum ent_err err = ENT_E_OK;
    const char *separator = "";

    sorted = calloc(c->profile->n_values + 1U, sizeof(void *));
    ENT_REQUIRE(sorted != NULL, ENT_E_NO_MEMORY, "out of memory");
    ent_profile_sorted(c->profile, sorted);
    for (uint32_t i = 0; i < c->profile->n_values && err == ENT_E_OK; i++) {
        if (ent_draft_declares(c, sorted[i])) {
            err = ent_buf_addf(out, "%s", separator);
            err = err == ENT_E_OK ? ent_config_quote(out, sorted[i]->text) : err;
            separator = ", ";
        }
    }
    free((void *)sorted);
    return err;
}

static enum ent_err add_name(const struct ent_draft_column *c, const char *before,
                             struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out, "%s{name: ", before));
    return ent_config_quote(out, c->profile->name);
}

static enum ent_err add_category(const struct ent_draft_column *c, const char *before,
                                 struct ent_buf *out)
{
    ENT_TRY(add_name(c, before, out));
    ENT_TRY(ent_buf_addf(out, ", type: category, values: ["));
    ENT_TRY(add_values(c, out));
    return ent_buf_addf(out, "]}\n");
}

static enum ent_err add_number(const struct ent_draft_column *c, struct ent_buf *out)
{
    if (c->few_whole) {
        ENT_TRY(ent_buf_addf(
            out,
            "  # whole numbers, few of them: if they are codes and not amounts, take this line\n"));
        ENT_TRY(add_category(c, "  # - ", out));
        ENT_TRY(ent_buf_addf(out, "  # instead of this one\n"));
    }
    if (c->indicator) {
        ENT_TRY(ent_buf_addf(out, "  # sometimes missing: one more input says where (missing "
                                  "itself counts as the mean)\n"));
    }
    ENT_TRY(add_name(c, "  - ", out));
    return ent_buf_addf(out, ", type: number, range: [%.12g, %.12g], encode: ple%s}\n", c->lo,
                        c->hi, c->indicator ? ", indicator: true" : "");
}

static enum ent_err add_feature(const struct ent_draft_column *c, struct ent_buf *out)
{
    static const char *const reasons[] = {[ENT_ROLE_EXCLUDED] = "left out as asked",
                                          [ENT_ROLE_CONSTANT] = "one value only",
                                          [ENT_ROLE_EMPTY] = "no values",
                                          [ENT_ROLE_FREE_TEXT] =
                                              "free text, or hardly any value comes often enough",
                                          [ENT_ROLE_ID] = "an id, not a property of the customer"};

    switch (c->role) {
    case ENT_ROLE_NUMBER:
        return add_number(c, out);
    case ENT_ROLE_CATEGORY:
        if (c->n_declared < c->profile->n_values || c->profile->many) {
            ENT_TRY(
                ent_buf_addf(out, "  # values that are not listed (rare ones) become \"other\"\n"));
        }
        return add_category(c, "  - ", out);
    case ENT_ROLE_BOOLEAN:
        ENT_TRY(add_name(c, "  - ", out));
        return ent_buf_addf(out, ", type: boolean}\n");
    case ENT_ROLE_DATE:
        return ent_draft_add_date(c, out);
    case ENT_ROLE_LABEL:
        return ENT_E_OK;
    default:
        ENT_TRY(ent_buf_addf(out, "  # not used: "));
        ENT_TRY(ent_config_quote(out, c->profile->name));
        return ent_buf_addf(out, " (%s)\n",
                            c->role == ENT_ROLE_UNUSABLE ? c->why_unusable : reasons[c->role]);
    }
}

static enum ent_err add_label(const struct ent_draft *draft, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(
        out,
        "\n# 1 where the column has this value, 0 where it has another; without one the row is "
        "not used.\nlabel: {name: "));
    ENT_TRY(ent_config_quote(out, draft->profiles->columns[draft->label].name));
    ENT_TRY(ent_buf_addf(out, ", positive: "));
    ENT_TRY(ent_config_quote(out, draft->positive));
    return ent_buf_addf(out, "}\n");
}

enum ent_err ent_draft_plan(const struct ent_draft *draft, struct ent_buf *out)
{
    const struct ent_describe_options *o = draft->options;
    const char *split = o->split_file != NULL ? split_by_file : split_by_hash;

    ENT_TRY(ent_buf_add(out, plan_head, sizeof plan_head - 1));
    for (uint32_t i = 0; i < draft->profiles->n_columns; i++) {
        ENT_TRY(add_feature(&draft->columns[i], out));
    }
    ENT_TRY(add_label(draft, out));
    ENT_TRY(ent_buf_add(out, split, strlen(split)));
    ENT_TRY(ent_buf_add(out, plan_group, sizeof plan_group - 1));
    ENT_TRY(ent_buf_add(out, plan_model, sizeof plan_model - 1));
    ENT_TRY(ent_buf_addf(out, "  rounds: %u\n", o->rounds != 0 ? o->rounds : 100U));
    ENT_TRY(ent_buf_add(out, plan_training, sizeof plan_training - 1));
    return ent_buf_addf(
        out,
        "  min_members: %u      # fewest updates for a round to count\n  join: 30s\n"
        "  update: 10min\n  attempts: 3\n",
        o->min_members != 0 ? o->min_members : 3U);
}

static enum ent_err add_data(const struct ent_draft *draft, struct ent_buf *out)
{
    char delimiter = draft->profiles->delimiter;
    const char *separator = "  missing: [";
    char *path = realpath(draft->options->input, NULL);
    enum ent_err err;

    ENT_TRY(ent_buf_addf(
        out,
        "\n# Where the rows are. No row leaves this machine. What does are integers for each round "
        "(counts\n# and sums, a model update, score counts): this member's own, to the "
        "coordinator, which adds\n# those of all members.\ndata:\n  source: csv\n  path: "));
    err = ent_config_quote(out, path != NULL ? path : draft->options->input);
    free(path);
    ENT_TRY(err);
    ENT_TRY(ent_buf_addf(out, "\n  delimiter: %s\n",
                         delimiter == '\t' ? "tab" : (delimiter == ';' ? "\";\"" : "\",\"")));
    for (size_t w = 0; w < ENT_PROFILE_WORDS; w++) {
        if (draft->words[w]) {
            ENT_TRY(ent_buf_addf(out, "%s\"%s\"", separator, ent_profile_words[w]));
            separator = ", ";
        }
    }
    ENT_TRY(ent_buf_addf(out, separator[0] == ',' ? "]      # besides the blank field\n" : ""));
    return ent_buf_addf(out, "  bad_rows: %s\n",
                        draft->profiles->n_bad + draft->n_undated > 0
                            ? "drop         # some rows do not parse: check names their lines"
                            : "fail         # or drop: counted, and named by line number");
}

static enum ent_err add_unit(const struct ent_draft *draft, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(
        out, "\n# Own column names and spellings, where they differ from the plan's: PLAN_NAME: "
             "OWN_COLUMN,\n# or PLAN_NAME: {column: OWN_COLUMN, values: {OWN_VALUE: PLAN_VALUE}}.\n"
             "columns:\n\n# Column of the customer's id: all rows of a customer fall into the same "
             "part.\n"));
    if (draft->unit >= 0) {
        ENT_TRY(ent_buf_addf(out, "unit_key: "));
        ENT_TRY(ent_config_quote(out, draft->profiles->columns[draft->unit].name));
        ENT_TRY(ent_buf_addf(out, "\n"));
    } else {
        ENT_TRY(ent_buf_addf(
            out, "# unit_key: customer_id      # no column looks like one: each different row is a "
                 "customer\n"));
    }
    if (draft->options->split_file != NULL) {
        ENT_TRY(ent_buf_addf(
            out, "# Test rows (0-based data row numbers, one a line): the plan says test: file.\n"
                 "split_file: "));
        ENT_TRY(ent_config_quote(out, draft->options->split_file));
        ENT_TRY(ent_buf_addf(out, "\n"));
    } else {
        ENT_TRY(ent_buf_addf(
            out, "# split_file: test-rows.txt   # test rows (0-based), when the plan says test: "
                 "file\n"));
    }
    return ent_buf_addf(
        out, "# id: customer_id             # column beside each score; unit_key when absent\n");
}

enum ent_err ent_draft_client(const struct ent_draft *draft, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out, "# A draft of this member's settings: edit it. Relative paths are "
                              "relative to this file.\n\n"));
    ENT_TRY(ent_buf_addf(out, "# HOST:PORT, as enroll has written it into this member's own "
                              "client.yaml.\ncoordinator: "));
    ENT_TRY(ent_config_quote(out, draft->options->coordinator != NULL ? draft->options->coordinator
                                                                      : "localhost:7443"));
    ENT_TRY(ent_buf_addf(out, "\n"));
    ENT_TRY(add_data(draft, out));
    ENT_TRY(add_unit(draft, out));
    return ent_client_config_policy_text(out);
}

/* What its owner would want to correct before anything else. */
static void report_notes(const struct ent_draft_column *c, FILE *out)
{
    if (c->role == ENT_ROLE_DATE) {
        (void)fprintf(out, " (%s%s%s)", c->date.format, c->date.other != NULL ? ", or " : "",
                      c->date.other != NULL ? c->date.other : "");
    }
    if (c->date.n_other > 0) {
        (void)fprintf(out, ", %llu %s no such date: these rows would be dropped",
                      (unsigned long long)c->date.n_other,
                      ent_plural(c->date.n_other, "value is", "values are"));
    }
    if (c->role == ENT_ROLE_UNUSABLE) {
        (void)fprintf(out, " (%s)", c->why_unusable);
    }
    if (c->profile->n_comma > 0) {
        (void)fprintf(out,
                      ", %llu %s with a decimal comma: write them with a point, or they are taken "
                      "as texts",
                      (unsigned long long)c->profile->n_comma,
                      ent_plural(c->profile->n_comma, "number", "numbers"));
    }
    if (c->profile->n_invalid > 0) {
        (void)fprintf(out, ", %llu %s not UTF-8 text: convert the file",
                      (unsigned long long)c->profile->n_invalid,
                      ent_plural(c->profile->n_invalid, "value is", "values are"));
    }
}

void ent_draft_report(const struct ent_draft *draft, FILE *out)
{
    static const char *const roles[] = {"number",
                                        "category",
                                        "boolean",
                                        "date",
                                        "label",
                                        "id: not a feature",
                                        "left out as asked",
                                        "one value: left out",
                                        "empty: left out",
                                        "free text: left out",
                                        "left out"};
    const struct ent_profiles *p = draft->profiles;

    (void)fprintf(out, "%s: %llu %s, %u columns, delimiter %s; %llu %s not parse\n",
                  draft->options->input, (unsigned long long)p->n_rows,
                  ent_plural(p->n_rows, "row", "rows"), p->n_columns,
                  p->delimiter == '\t' ? "tab" : (p->delimiter == ';' ? ";" : ","),
                  (unsigned long long)p->n_bad, ent_plural(p->n_bad, "row does", "rows do"));
    for (uint32_t i = 0; i < p->n_columns; i++) {
        const struct ent_draft_column *c = &draft->columns[i];

        (void)fprintf(out, "  %-28s %s", c->profile->name, roles[c->role]);
        if (c->role == ENT_ROLE_CATEGORY) {
            (void)fprintf(out, " of %u %s and other", c->n_declared,
                          ent_plural(c->n_declared, "value", "values"));
        }
        if (c->role == ENT_ROLE_LABEL) {
            (void)fprintf(out, ", %.2f %% positive",
                          100.0 * (double)ent_profile_count(c->profile, draft->positive) /
                              (double)c->profile->n_text);
        }
        report_notes(c, out);
        (void)fprintf(out, "%s%s\n", c->few_whole ? " (or a code? see the plan)" : "",
                      (int)i == draft->unit ? " (unit_key)" : "");
    }
}
