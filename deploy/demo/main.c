/* entente-demo-data: member files to try Entente with. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/options.h"
#include "deploy/demo/demo.h"

enum ent_err ent_demo_create(const char *dir, const char *name, FILE **out)
{
    char *path = NULL;
    FILE *file;

    ENT_TRY(ent_dir_make(dir));
    ENT_TRY(ent_path_join(dir, name, &path));
    file = fopen(path, "we");
    if (file == NULL) {
        enum ent_err err = ent_err_note(ENT_E_IO, "cannot write %s (error %d)", path, errno);

        free(path);
        return err;
    }
    free(path);
    *out = file;
    return ENT_E_OK;
}

enum ent_err ent_demo_close(FILE *file, const char *name)
{
    bool failed;

    if (file == NULL) {
        return ENT_E_OK;
    }
    failed = ferror(file) != 0;
    failed = fclose(file) != 0 || failed;
    ENT_REQUIRE(!failed, ENT_E_IO, "%s could not be written: is the disk full?", name);
    return ENT_E_OK;
}

static enum ent_err run_generate(const void *options, const char *const *args, size_t n)
{
    struct ent_demo_generate o = *(const struct ent_demo_generate *)options;

    (void)args;
    (void)n;
    o.members = o.members != 0 ? o.members : 4;
    o.rows = o.rows != 0 ? o.rows : 12000;
    o.seed = o.seed != 0 ? o.seed : 1;
    ENT_REQUIRE(o.members >= 2 && o.members <= 1000, ENT_E_USAGE,
                "--members must be from 2 to 1000");
    ENT_REQUIRE(o.rows >= o.members * 10 && o.rows <= 100000000, ENT_E_USAGE,
                "--rows must be at least 10 a member and at most 100000000");
    return ent_demo_generate(&o, stdout);
}

static enum ent_err run_split(const void *options, const char *const *args, size_t n)
{
    struct ent_demo_split o = *(const struct ent_demo_split *)options;

    (void)args;
    (void)n;
    o.seed = o.seed != 0 ? o.seed : 1;
    return ent_demo_split(&o, stdout);
}

#define GENERATE(member_) offsetof(struct ent_demo_generate, member_)
#define SPLIT(member_) offsetof(struct ent_demo_split, member_)

static const struct ent_option generate_options[] = {
    {"out", ENT_OPT_REQUIRED_STRING, "DIR", "directory of the files", GENERATE(out)},
    {"members", ENT_OPT_UINT, "N", "members (default 4)", GENERATE(members)},
    {"rows", ENT_OPT_UINT, "N", "rows of all members together (default 12000)", GENERATE(rows)},
    {"seed", ENT_OPT_UINT, "N", "another seed, other customers (default 1)", GENERATE(seed)},
    {"pooled", ENT_OPT_FLAG, NULL, "also all rows in pooled.csv, with the column brand",
     GENERATE(pooled)},
    {0}};

static const struct ent_option split_options[] = {
    {"input", ENT_OPT_REQUIRED_STRING, "FILE", "CSV file, plain or .gz", SPLIT(input)},
    {"by", ENT_OPT_REQUIRED_STRING, "COLUMN", "column whose values are grouped into members",
     SPLIT(by)},
    {"out", ENT_OPT_REQUIRED_STRING, "DIR", "directory of the files", SPLIT(out)},
    {"groups", ENT_OPT_UINT, "N", "members; 0 (default): one for each value", SPLIT(groups)},
    {"label", ENT_OPT_STRING, "COL=VALUE", "for the rates in the report", SPLIT(label)},
    {"test-rows", ENT_OPT_STRING, "FILE",
     "0-based test rows of the input (default: a fifth, by hash)", SPLIT(test_rows)},
    {"unit", ENT_OPT_STRING, "COLUMN", "customer's id: its rows stay together (default: found)",
     SPLIT(unit)},
    {"seed", ENT_OPT_UINT, "N", "of the choice of test rows (default 1)", SPLIT(seed)},
    {0}};

static const struct ent_verb verbs[] = {
    {.name = "generate",
     .summary = "customers of several brands whose truth is known (deploy/demo/README.md)",
     .example = "entente-demo-data generate --members 4 --out demo --pooled",
     .options = generate_options,
     .options_bytes = sizeof(struct ent_demo_generate),
     .run = run_generate},
    {.name = "split",
     .summary = "one CSV file divided into members by a column, with each member's test rows",
     .example =
         "entente-demo-data split --input bank.csv.gz --by job --groups 4 --label y=yes --out data",
     .options = split_options,
     .options_bytes = sizeof(struct ent_demo_split),
     .run = run_split},
    {0}};

int main(int argc, char **argv)
{
    static const struct ent_program program = {
        .name = "entente-demo-data", .summary = "member files to try Entente with", .verbs = verbs};

    return ent_program_run(&program, argc, argv);
}
