#include "common/base/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define MAX_OPTIONS_BYTES 512
#define MAX_NAMES 64
#define MAX_WORD 64
#define MAX_ARGS 64

static const char *versions[16];
static size_t n_versions;

void ent_version_add(const char *line)
{
    if (n_versions < ENT_ARRAY_LEN(versions)) {
        versions[n_versions++] = line;
    }
}

/* Insertions, deletions, replacements and neighbours that changed places ("dri"): one each. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][MAX_WORD + 1]; /* row i, i - 1 and i - 2 in turn */
    size_t n = strlen(b);
    size_t i = 0;

    for (size_t j = 0; j <= n; j++) {
        rows[0][j] = j;
    }
    for (; a[i] != '\0'; i++) {
        size_t *row = rows[(i + 1) % 3];
        const size_t *above = rows[i % 3];

        row[0] = i + 1;
        for (size_t j = 1; j <= n; j++) {
            size_t best = above[j - 1] + (a[i] != b[j - 1] ? 1 : 0);

            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            best = above[j] + 1 < best ? above[j] + 1 : best;
            if (i > 0 && j > 1 && a[i] == b[j - 2] && a[i - 1] == b[j - 1] &&
                rows[(i + 2) % 3][j - 2] + 1 < best) {
                best = rows[(i + 2) % 3][j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[i % 3][n];
}

const char *ent_nearest(const char *word, const char *const *names, size_t n_names)
{
    const char *best = NULL;
    size_t best_distance = 4;

    if (strlen(word) > MAX_WORD) {
        return NULL;
    }
    for (size_t i = 0; i < n_names; i++) {
        size_t d;

        if (strlen(names[i]) > MAX_WORD) {
            continue;
        }
        d = edit_distance(word, names[i]);
        if (d < best_distance && 2 * d < strlen(names[i]) + 1) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

/* dashes: "--" for an option, "" for a verb. */
static enum ent_err unknown(const char *what, const char *dashes, const char *word,
                            const char *const *names, size_t n)
{
    const char *near = ent_nearest(word, names, n);

    if (near != NULL) {
        return ent_err_note(ENT_E_USAGE, "no %s %s%s; did you mean %s%s?", what, dashes, word,
                            dashes, near);
    }
    return ent_err_note(ENT_E_USAGE, "no %s %s%s; see --help", what, dashes, word);
}

static void print_exits(const struct ent_exits *exits)
{
    if (exits != NULL) {
        printf("%s", exits->help);
    } else {
        ent_err_print_exit_statuses(stdout);
    }
}

static void help_program(const struct ent_program *program, const struct ent_exits *exits)
{
    printf("%s: %s\n\nUsage: %s VERB [OPTIONS]\n\n", program->name, program->summary,
           program->name);
    for (const struct ent_verb *v = program->verbs; v->name != NULL; v++) {
        printf("  %-11s %s\n", v->name, v->summary);
    }
    printf("\n%s VERB --help shows a verb's options and an example; --version the build.\n\n",
           program->name);
    print_exits(exits);
}

static void help_verb(const struct ent_program *program, const struct ent_exits *exits,
                      const struct ent_verb *verb)
{
    printf("Usage: %s %s%s%s [OPTIONS]\n\n%s.\n\n", program->name, verb->name,
           verb->arguments != NULL && verb->name[0] != '\0' ? " " : "",
           verb->arguments != NULL ? verb->arguments : "", verb->summary);
    for (const struct ent_option *o = verb->options; o != NULL && o->name != NULL; o++) {
        char left[64];

        (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                       o->value != NULL ? o->value : "");
        printf("  %-24s %s%s\n", left, o->help,
               o->kind == ENT_OPT_REQUIRED_STRING ? " (required)" : "");
    }
    printf("  %-24s %s\n  %-24s %s\n\nExample:\n  %s\n\n", "--help", "this text", "--version",
           "the build and its libraries", verb->example);
    if (verb->name[0] == '\0') { /* the only verb of its program */
        print_exits(exits);
    } else {
        printf("Exit statuses: %s --help lists them.\n", program->name);
    }
}

static void print_version(const struct ent_program *program)
{
    printf("%s %s (%s)\n", program->name, ENT_VERSION, __VERSION__);
    for (size_t i = 0; i < n_versions; i++) {
        printf("%s\n", versions[i]);
    }
}

static const struct ent_option *find_option(const struct ent_verb *verb, const char *name,
                                            size_t len)
{
    for (const struct ent_option *o = verb->options; o != NULL && o->name != NULL; o++) {
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static enum ent_err store_in_list(const struct ent_option *option, const char *value, char *options)
{
    struct ent_option_list list;

    memcpy(&list, options + option->offset, sizeof list);
    ENT_REQUIRE(list.n < ENT_OPTION_LIST_MAX, ENT_E_USAGE, "--%s is given more than %d times",
                option->name, ENT_OPTION_LIST_MAX);
    list.values[list.n++] = value;
    memcpy(options + option->offset, &list, sizeof list);
    return ENT_E_OK;
}

static enum ent_err store(const struct ent_option *option, const char *value, char *options)
{
    char *end = NULL;
    const char *before;
    bool yes = true;
    uint64_t number;
    uint64_t given;

    if (option->kind == ENT_OPT_FLAG) {
        memcpy(options + option->offset, &yes, sizeof yes);
        return ENT_E_OK;
    }
    if (option->kind == ENT_OPT_LIST) {
        return store_in_list(option, value, options);
    }
    if (option->kind != ENT_OPT_UINT && option->kind != ENT_OPT_COUNT) {
        memcpy(&before, options + option->offset, sizeof before);
        ENT_REQUIRE(before == NULL || strcmp(before, value) == 0, ENT_E_USAGE,
                    "--%s is given twice, with another value", option->name);
        memcpy(options + option->offset, &value, sizeof value);
        return ENT_E_OK;
    }
    errno = 0;
    number = strtoull(value, &end, 10);
    ENT_REQUIRE(errno == 0 && end != value && *end == '\0' && value[0] != '-', ENT_E_USAGE,
                "--%s takes a number, not '%s'", option->name, value);
    if (option->kind == ENT_OPT_COUNT) {
        memcpy(&given, options + option->offset, sizeof given);
        ENT_REQUIRE(number > 0, ENT_E_USAGE, "--%s takes a number from 1, not 0", option->name);
        ENT_REQUIRE(given == 0 || given == number, ENT_E_USAGE,
                    "--%s is given twice, with another value", option->name);
    }
    memcpy(options + option->offset, &number, sizeof number);
    return ENT_E_OK;
}

static enum ent_err take_option(const struct ent_verb *verb, char **argv, int *i, char *options)
{
    const char *word = argv[*i] + 2;
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct ent_option *option = find_option(verb, word, len);
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (option == NULL) {
        const char *names[MAX_NAMES];
        char asked[MAX_WORD + 1];
        size_t n = 0;

        (void)snprintf(asked, sizeof asked, "%.*s", (int)(len < MAX_WORD ? len : MAX_WORD), word);
        for (const struct ent_option *o = verb->options;
             o != NULL && o->name != NULL && n < MAX_NAMES; o++) {
            names[n++] = o->name;
        }
        return unknown("option", "--", asked, names, n);
    }
    if (option->kind == ENT_OPT_FLAG) {
        ENT_REQUIRE(value == NULL, ENT_E_USAGE, "--%s takes no value", option->name);
        return store(option, NULL, options);
    }
    if (value == NULL) {
        (*i)++;
        value = argv[*i];
        ENT_REQUIRE(value != NULL, ENT_E_USAGE, "--%s needs a value: --%s %s", option->name,
                    option->name, option->value);
    }
    return store(option, value, options);
}

static enum ent_err check_required(const struct ent_verb *verb, const char *options, size_t n_args)
{
    for (const struct ent_option *o = verb->options; o != NULL && o->name != NULL; o++) {
        const char *value;

        if (o->kind == ENT_OPT_REQUIRED_STRING) {
            memcpy(&value, options + o->offset, sizeof value);
            ENT_REQUIRE(value != NULL, ENT_E_USAGE, "--%s %s is missing", o->name, o->value);
        }
    }
    ENT_REQUIRE(n_args >= verb->min_args, ENT_E_USAGE, "%s is missing", verb->arguments);
    return ENT_E_OK;
}

static enum ent_err run_verb(const struct ent_program *program, const struct ent_exits *exits,
                             const struct ent_verb *verb, char **argv)
{
    _Alignas(16) char options[MAX_OPTIONS_BYTES] = {0};
    const char *args[MAX_ARGS];
    size_t n_args = 0;
    bool only_args = false;

    ENT_BUG_ON(verb->options_bytes > sizeof options || verb->max_args > MAX_ARGS);
    for (int i = 0; argv[i] != NULL; i++) {
        if (!only_args && strcmp(argv[i], "--help") == 0) {
            help_verb(program, exits, verb);
            return ENT_E_OK;
        }
        if (!only_args && strcmp(argv[i], "--version") == 0) {
            print_version(program);
            return ENT_E_OK;
        }
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && strncmp(argv[i], "--", 2) == 0) {
            ENT_TRY(take_option(verb, argv, &i, options));
        } else {
            /* Not whole: it may be a token, and this line may go to a log. */
            ENT_REQUIRE(n_args<verb->max_args, ENT_E_USAGE, "'%.24s%s' is one argument too many",
                               argv[i], strlen(argv[i])> 24
                            ? "..."
                            : "");
            args[n_args++] = argv[i];
        }
    }
    ENT_TRY(check_required(verb, options, n_args));
    return verb->run(options, args, n_args);
}

static enum ent_err dispatch(const struct ent_program *program, const struct ent_exits *exits,
                             int argc, char **argv)
{
    const char *names[MAX_NAMES];
    size_t n = 0;

    if (program->verbs[0].name[0] == '\0') {
        return run_verb(program, exits, &program->verbs[0], argv + 1);
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help_program(program, exits);
        return argc < 2 ? ent_err_note(ENT_E_USAGE, "no verb given") : ENT_E_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version(program);
        return ENT_E_OK;
    }
    for (const struct ent_verb *v = program->verbs; v->name != NULL && n < MAX_NAMES; v++) {
        if (strcmp(v->name, argv[1]) == 0) {
            return run_verb(program, exits, v, argv + 2);
        }
        names[n++] = v->name;
    }
    return unknown("verb", "", argv[1], names, n);
}

int ent_program_run(const struct ent_program *program, int argc, char **argv)
{
    return ent_program_run_with(program, NULL, argc, argv);
}

int ent_program_run_with(const struct ent_program *program, const struct ent_exits *exits, int argc,
                         char **argv)
{
    enum ent_err err = dispatch(program, exits, argc, argv);

    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", program->name,
                      ent_err_message()[0] != '\0' ? ent_err_message() : ent_err_text(err));
    }
    if (fflush(stdout) != 0 && err == ENT_E_OK) {
        (void)fprintf(stderr, "%s: standard output could not be written\n", program->name);
        err = ENT_E_IO;
    }
    return exits != NULL ? exits->status(err) : ent_err_exit(err);
}
