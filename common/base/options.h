/* IN argv · OUT an options struct and positional arguments · OWNS nothing (values point into argv)
 * · THREADS main SOURCE -
 *
 * Command lines by table: a program has verbs, a verb has options; --help prints the table, an
 * example and the exit statuses; a near miss is suggested, a second value of an option is refused. Values stay strings pointing into argv
 * except for the typed ones. */
#ifndef ENT_COMMON_BASE_OPTIONS_H
#define ENT_COMMON_BASE_OPTIONS_H

#include <stdint.h>

#include "common/base/err.h"

enum ent_option_kind {
    ENT_OPT_FLAG,
    ENT_OPT_STRING,
    ENT_OPT_UINT,
    ENT_OPT_COUNT, /* from 1: in the verb's struct 0 says that it was not given */
    ENT_OPT_REQUIRED_STRING,
    ENT_OPT_LIST /* a string that may be given often: a struct ent_option_list */
};

#define ENT_OPTION_LIST_MAX 16
struct ent_option_list {
    const char *values[ENT_OPTION_LIST_MAX];
    size_t n;
};

struct ent_option {
    const char *name; /* without "--" */
    enum ent_option_kind kind;
    const char *value; /* how help shows the value: "DIR", "FILE"; NULL for a flag */
    const char *help;
    size_t offset; /* of the bool, const char * or uint64_t in the verb's struct */
};

struct ent_verb {
    const char *name;
    const char *summary;   /* one line */
    const char *arguments; /* positional, as help shows them: "NAME"; NULL if none */
    size_t min_args;
    size_t max_args;
    const char *example;              /* one or more whole command lines */
    const struct ent_option *options; /* ends with a NULL name */
    size_t options_bytes;             /* size of the struct that offsets point into; at most 512 */
    /* args: the positional arguments. Returns the program's outcome. */
    enum ent_err (*run)(const void *options, const char *const *args, size_t n_args);
};

struct ent_program {
    const char *name;
    const char *summary;
    const struct ent_verb *verbs; /* ends with a NULL name; a program with one nameless command has
                                     verbs[0].name = "" */
};

/* Parse, run, print an error's one line on stderr; returns the exit status. */
int ent_program_run(const struct ent_program *program, int argc, char **argv);

/* A program with exit statuses of its own. */
struct ent_exits {
    int (*status)(enum ent_err err);
    const char *help; /* lines for --help */
};
/* The same with them; NULL: those of err.def. */
int ent_program_run_with(const struct ent_program *program, const struct ent_exits *exits, int argc,
                         char **argv);

/* Name and version of the build, one line each for the program and its libraries: added by rooms
 * that wrap one. */
void ent_version_add(const char *line);

/* The closest of the names to `word` by edit distance (at most 3 and less than half its length), or
 * NULL. */
const char *ent_nearest(const char *word, const char *const *names, size_t n_names);

#endif
