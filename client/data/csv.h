/* IN a file (plain or gzip, or standard input) · OUT rows of text fields · OWNS the open file and one row
 * THREADS one at a time · SOURCE RFC 4180; RFC 1952 through zlib
 *
 * Streaming reader. Delimiter `,` `;` or TAB, given or detected from the header; quotes with delimiters, line ends and
 * doubled quotes inside; LF or CRLF; a UTF-8 byte order mark is skipped. Blank lines are skipped and not counted as
 * rows. A row that does not parse is handed out with its problem; only a source that cannot go on is an error. */
#ifndef ENT_CLIENT_DATA_CSV_H
#define ENT_CLIENT_DATA_CSV_H

#include "client/data/source.h"

#define ENT_CSV_MAX_ROW                                                                            \
    ((size_t)4 << 20) /* bytes; longer: most likely a quote that is not closed */
#define ENT_CSV_MAX_FIELD ((size_t)256 << 10)
#define ENT_CSV_MAX_FIELDS 20000U

struct ent_csv;

/* path "-": standard input. delimiter 0: detected. NOT_FOUND, IO, DATA (empty file, header not UTF-8). */
ENT_MUST enum ent_err ent_csv_open(const char *path, char delimiter, struct ent_csv **out);
/* Names without surrounding blanks, valid until close. */
const struct ent_text *ent_csv_header(const struct ent_csv *csv, size_t *n);
char ent_csv_delimiter(const struct ent_csv *csv);
/* *row = NULL at the end. */
ENT_MUST enum ent_err ent_csv_next(struct ent_csv *csv, const struct ent_source_row **row);
void ent_csv_close(struct ent_csv *csv);

/* Append a field as CSV: in quotes when it has the delimiter, a quote or a line end inside. */
ENT_MUST enum ent_err ent_csv_add_field(struct ent_buf *out, const char *text, size_t len,
                                        char delimiter);

/* "zlib 1.2.13", for ent_version_add. */
const char *ent_csv_library(void);

extern const struct ent_source_kind ent_source_csv;

#endif
