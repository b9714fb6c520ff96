/* IN a member's data (a file) · OUT rows of text fields, one at a time · OWNS the open source ·
 * THREADS one at a time SOURCE RFC 4180
 *
 * Where rows come from. The family is sources.def: csv, and idx (pictures with their labels). Constant
 * memory: one row is held. */
#ifndef ENT_CLIENT_DATA_SOURCE_H
#define ENT_CLIENT_DATA_SOURCE_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/plan/client_config.h"

/* One value as the source has it: not terminated, may hold any bytes. Valid until the next row. */
struct ent_text {
    const char *text;
    size_t len;
    bool quoted;
    bool raw; /* bytes, each a number of a vector; otherwise text */
};

struct ent_source_row {
    const struct ent_text *fields;
    size_t n_fields;
    uint64_t line;   /* where the row begins, from 1 */
    uint64_t number; /* 0-based data row: the header is not counted, rows that do not parse are */
    const char *problem; /* NULL, or why this row does not parse (static text, no value) */
    const char *column;  /* of the problem, as the plan calls it; NULL: the whole row is meant */
    const char *format;  /* of the date that is none; NULL */
};

struct ent_source;

struct ent_source_kind {
    const char *name;
    ENT_MUST enum ent_err (*open)(const struct ent_data_config *config, void **state);
    /* Column names as at the source; valid until close. */
    const struct ent_text *(*header)(const void *state, size_t *n);
    /* *row = NULL at the end. DATA or IO: the source cannot go on. */
    ENT_MUST enum ent_err (*next)(void *state, const struct ent_source_row **row);
    void (*close)(void *state);
};

/* A source of another kind: state_take belongs to it on success. */
ENT_MUST enum ent_err ent_source_of(const struct ent_source_kind *kind, void *state_take,
                                    struct ent_source **out);
/* Opens config->path by config->source. CONFIG (unknown source), NOT_FOUND, IO, DATA (no header). */
ENT_MUST enum ent_err ent_source_open(const struct ent_data_config *config,
                                      struct ent_source **out);
const struct ent_text *ent_source_header(const struct ent_source *source, size_t *n);
ENT_MUST enum ent_err ent_source_next(struct ent_source *source, const struct ent_source_row **row);
void ent_source_close(struct ent_source *source);

/* Whether the text is UTF-8 without zero bytes. */
bool ent_text_valid(const char *text, size_t len);
/* Whether it would be a number if its one comma were a point: "1,5". */
bool ent_text_decimal_comma(const struct ent_text *text);
/* Without spaces, tabs and line ends at both ends. */
struct ent_text ent_text_trim(const char *text, size_t len);

#endif
