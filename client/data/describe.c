#include "client/data/describe.h"

#include <stdlib.h>
#include <string.h>

#include "client/data/draft.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/plan/plan.h"

#define MAX_TEXT_BYTES ((size_t)4 << 20)

/* Whatever the file holds, the draft must be usable as it is. */
static enum ent_err check_plan(const struct ent_buf *text)
{
    struct ent_plan *plan;

    if (ent_plan_parse("the drafted plan", text->data, text->len, &plan) != ENT_E_OK) {
        return ent_err_prefix(ENT_E_DATA, "no usable plan comes out of this file");
    }
    ent_plan_free(plan);
    return ENT_E_OK;
}

static enum ent_err describe(const struct ent_describe_options *options, struct ent_buf *plan,
                             struct ent_buf *client, FILE *report)
{
    struct ent_draft draft = {.options = options};
    struct ent_profiles *profiles = NULL;
    enum ent_err err;

    ENT_REQUIRE(options->input != NULL && strcmp(options->input, "-") != 0, ENT_E_USAGE,
                "describe needs a file: client.yaml will name it");
    ENT_TRY(ent_profiles_scan(options->input, options->delimiter, &profiles));
    draft.profiles = profiles;
    err = ent_calloc(profiles->n_columns, sizeof *draft.columns, &draft.columns);
    if (err == ENT_E_OK) {
        err = ent_draft_decide(&draft);
    }
    if (err == ENT_E_OK) {
        err = ent_draft_plan(&draft, plan);
    }
    if (err == ENT_E_OK) {
        err = check_plan(plan);
    }
    if (err == ENT_E_OK) {
        err = ent_draft_client(&draft, client);
    }
    if (err == ENT_E_OK && report != NULL) {
        ent_draft_report(&draft, report);
    }
    free(draft.columns);
    ent_profiles_free(profiles);
    return err;
}

enum ent_err ent_describe_text(const struct ent_describe_options *options, struct ent_buf *plan,
                               struct ent_buf *client)
{
    return describe(options, plan, client, NULL);
}

enum ent_err ent_describe_unit(const struct ent_describe_options *options, char **out)
{
    struct ent_draft draft = {.options = options};
    struct ent_profiles *profiles = NULL;
    char *unit = NULL;
    enum ent_err err;

    ENT_TRY(ent_profiles_scan(options->input, options->delimiter, &profiles));
    draft.profiles = profiles;
    err = ent_calloc(profiles->n_columns, sizeof *draft.columns, &draft.columns);
    if (err == ENT_E_OK) {
        err = ent_draft_decide(&draft);
    }
    if (err == ENT_E_OK && draft.unit >= 0) {
        err = ent_strdup(profiles->columns[draft.unit].name, &unit);
    }
    free(draft.columns);
    ent_profiles_free(profiles);
    ENT_TRY(err);
    *out = unit;
    return ENT_E_OK;
}

/* Both or none: the first is taken back when the second cannot be written. */
static enum ent_err write_both(const char *plan_path, const struct ent_buf *plan,
                               const char *client_path, const struct ent_buf *client)
{
    enum ent_err err;

    ENT_TRY(ent_file_write_new(plan_path, plan->data, plan->len, 0644));
    err = ent_file_write_new(client_path, client->data, client->len, 0600);
    if (err != ENT_E_OK && ent_file_remove(plan_path) != ENT_E_OK) {
        return ent_err_note(ENT_E_IO, "%s could not be written and %s not be removed again",
                            client_path, plan_path);
    }
    return err;
}

enum ent_err ent_describe(const struct ent_describe_options *options, FILE *report)
{
    const char *plan_path = options->plan_path != NULL ? options->plan_path : "plan.yaml";
    const char *client_path = options->client_path != NULL ? options->client_path : "client.yaml";
    struct ent_buf plan;
    struct ent_buf client;
    enum ent_err err;

    ENT_REQUIRE(strcmp(plan_path, client_path) != 0, ENT_E_USAGE,
                "the two drafts need different names");
    ENT_REQUIRE(!ent_file_exists(plan_path), ENT_E_EXISTS,
                "%s is there already: move it away, or give another name", plan_path);
    ENT_REQUIRE(!ent_file_exists(client_path), ENT_E_EXISTS,
                "%s is there already: move it away, or give another name", client_path);
    ent_buf_init(&plan, MAX_TEXT_BYTES);
    ent_buf_init(&client, MAX_TEXT_BYTES);
    err = describe(options, &plan, &client, report);
    if (err == ENT_E_OK) {
        err = write_both(plan_path, &plan, client_path, &client);
    }
    ent_buf_release(&plan);
    ent_buf_release(&client);
    return err;
}
