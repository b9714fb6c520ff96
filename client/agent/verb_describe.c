#include <stdlib.h>
#include <string.h>

#include "client/agent/verbs.h"
#include "client/data/describe.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/schema/limits.h"

#define TAB_NAME "tab"
#define MIN_MEMBERS 2 /* of a plan */

static enum ent_err delimiter_of(const char *text, char *out)
{
    *out = '\0';
    if (text == NULL) {
        return ENT_E_OK;
    }
    if (strcmp(text, TAB_NAME) == 0 || strcmp(text, "\\t") == 0) {
        *out = '\t';
        return ENT_E_OK;
    }
    ENT_REQUIRE(strlen(text) == 1 && strchr(",;\t", text[0]) != NULL, ENT_E_USAGE,
                "--delimiter takes , or ; or tab, not '%s'", text);
    *out = text[0];
    return ENT_E_OK;
}

/* "a,b,c" into words that point into *copy; both are the caller's to free. */
static enum ent_err words_of(const char *text, char **copy, const char ***words, uint32_t *n)
{
    uint32_t count = 1;

    *n = 0;
    if (text == NULL || text[0] == '\0') {
        return ENT_E_OK;
    }
    for (const char *c = text; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    ENT_TRY(ent_strdup(text, copy));
    ENT_TRY(ent_calloc(count, sizeof **words, words));
    (*words)[0] = *copy;
    *n = 1;
    for (char *c = *copy; *c != '\0'; c++) {
        if (*c == ',') {
            *c = '\0';
            (*words)[(*n)++] = c + 1;
        }
    }
    return ENT_E_OK;
}

static enum ent_err limits_of(const struct ent_describe_verb *verb,
                              struct ent_describe_options *options)
{
    ENT_REQUIRE(verb->max_values <= UINT16_MAX - 2, ENT_E_USAGE, "--max-values is at most %d",
                UINT16_MAX - 2);
    ENT_REQUIRE(verb->min_members == 0 ||
                    (verb->min_members >= MIN_MEMBERS && verb->min_members <= ENT_WIRE_COHORT_MAX),
                ENT_E_USAGE, "--min-members is %d to %d", MIN_MEMBERS, ENT_WIRE_COHORT_MAX);
    ENT_REQUIRE(verb->rounds <= 100000, ENT_E_USAGE, "--rounds is at most 100000");
    options->max_values = (uint32_t)verb->max_values;
    options->min_members = (uint32_t)verb->min_members;
    options->rounds = (uint32_t)verb->rounds;
    options->split_file = verb->test_file ? "test-rows.txt" : NULL;
    return ENT_E_OK;
}

static enum ent_err describe(const struct ent_describe_verb *verb,
                             struct ent_describe_options *options)
{
    const char *out = verb->out != NULL ? verb->out : ".";
    char *plan = NULL;
    char *client = NULL;
    enum ent_err err = ent_dir_make(out);

    if (err == ENT_E_OK) {
        err = ent_path_join(out, "plan.yaml", &plan);
    }
    if (err == ENT_E_OK) {
        err = ent_path_join(out, "client.yaml", &client);
    }
    if (err == ENT_E_OK) {
        options->plan_path = plan;
        options->client_path = client;
        err = ent_describe(options, stdout);
    }
    if (err == ENT_E_OK) {
        printf("wrote %s and %s\nlook both over, then:  entente-client check --dir %s --plan %s\n",
               plan, client, out, plan);
    }
    free(plan);
    free(client);
    return err;
}

enum ent_err ent_verb_describe(const void *options, const char *const *args, size_t n)
{
    const struct ent_describe_verb *verb = options;
    struct ent_describe_options what = {
        .input = verb->input, .label = verb->label, .coordinator = verb->coordinator};
    const char **excluded = NULL;
    const char **categories = NULL;
    char *copies[2] = {NULL, NULL};
    enum ent_err err;

    (void)args;
    (void)n;
    ENT_TRY(limits_of(verb, &what));
    ENT_TRY(delimiter_of(verb->delimiter, &what.delimiter));
    err = words_of(verb->exclude, &copies[0], &excluded, &what.n_without);
    if (err == ENT_E_OK) {
        err = words_of(verb->category, &copies[1], &categories, &what.n_categories);
    }
    if (err == ENT_E_OK) {
        what.without = excluded;
        what.categories = categories;
        err = describe(verb, &what);
    }
    free(excluded);
    free(categories);
    free(copies[0]);
    free(copies[1]);
    return err;
}
