#include "client/data/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "common/base/buf.h"
#include "common/base/mem.h"

#define IN_BYTES ((size_t)64 * 1024)
#define NO_BYTE (-1)

enum state { FIELD_START, PLAIN, QUOTED, AFTER_QUOTE };

struct span {
    size_t begin;
    size_t len;
    bool quoted;
};

struct ent_csv {
    gzFile gz;
    char *path;
    char delimiter;
    unsigned char *in;
    size_t in_len;
    size_t in_pos;
    bool at_end;
    enum ent_err in_err; /* of the last refill */
    uint64_t line;       /* of the next byte */
    uint64_t number;     /* of the next data row */

    struct ent_buf text; /* the row's fields, one behind the other, without quotes */
    struct span *spans;
    size_t n_spans;
    size_t cap_spans;
    struct ent_text *fields;
    size_t cap_fields;
    size_t begin; /* of the open field in `text` */
    bool quoted;
    enum state state;
    const char *problem;

    struct ent_text *header;
    char *header_text;
    size_t n_header;
    struct ent_source_row row;
};

/* ---- bytes ---- */

static void refill(struct ent_csv *csv)
{
    int n;

    if (csv->at_end) {
        return;
    }
    n = gzread(csv->gz, csv->in, (unsigned)IN_BYTES);
    csv->in_pos = 0;
    csv->in_len = n > 0 ? (size_t)n : 0;
    if (n < (int)IN_BYTES) {
        int code = Z_OK;
        const char *reason = gzerror(csv->gz, &code);

        csv->at_end = n <= 0;
        if (code != Z_OK && n <= 0) { /* a file cut off in the middle ends with Z_BUF_ERROR */
            csv->in_err = ent_err_note(ENT_E_IO, "%s cannot be read to its end: %s", csv->path,
                                       code == Z_BUF_ERROR ? "the .gz file is cut off" : reason);
        }
    }
}

static inline int peek(struct ent_csv *csv)
{
    if (csv->in_pos == csv->in_len) {
        refill(csv);
        if (csv->in_pos == csv->in_len) {
            return NO_BYTE;
        }
    }
    return csv->in[csv->in_pos];
}

/* ---- one row ---- */

static void row_problem(struct ent_csv *csv, const char *problem)
{
    if (csv->problem == NULL) {
        csv->problem = problem;
    }
}

static enum ent_err end_field(struct ent_csv *csv)
{
    if (csv->n_spans == ENT_CSV_MAX_FIELDS) {
        row_problem(csv, "too many fields");
        csv->text.len = csv->begin;
    } else {
        ENT_TRY(ent_grow(&csv->spans, &csv->cap_spans, csv->n_spans + 1, sizeof *csv->spans));
        csv->spans[csv->n_spans++] =
            (struct span){csv->begin, csv->text.len - csv->begin, csv->quoted};
        if (csv->text.len - csv->begin > ENT_CSV_MAX_FIELD) {
            row_problem(csv, "a field is too long");
        }
    }
    csv->begin = csv->text.len;
    csv->quoted = false;
    csv->state = FIELD_START;
    return ENT_E_OK;
}

static enum ent_err add_bytes(struct ent_csv *csv, const unsigned char *bytes, size_t n)
{
    if (ent_buf_add(&csv->text, bytes, n) != ENT_E_OK) {
        return ent_err_note(
            ENT_E_DATA, "%s: line %llu: this row is longer than %zu bytes; is a quote not closed?",
            csv->path, (unsigned long long)csv->row.line, ENT_CSV_MAX_ROW);
    }
    return ENT_E_OK;
}

/* Bytes of a field up to the next one that means something, taken in one go. */
static enum ent_err take_run(struct ent_csv *csv)
{
    const unsigned char *p = csv->in + csv->in_pos;
    size_t left = csv->in_len - csv->in_pos;
    size_t n = 0;

    if (csv->state == QUOTED) {
        while (n < left && p[n] != '"') {
            csv->line += p[n] == '\n' ? 1 : 0;
            n++;
        }
    } else {
        while (n < left && p[n] != (unsigned char)csv->delimiter && p[n] != '\n' && p[n] != '\r') {
            n++;
        }
    }
    csv->in_pos += n;
    return add_bytes(csv, p, n);
}

/* A byte inside quotes: only the quote itself gets here, the rest went through take_run. */
static void on_quote(struct ent_csv *csv)
{
    csv->in_pos++;
    csv->state = AFTER_QUOTE;
}

/* Behind a closing quote: a second quote is a quote of the text; blanks are nothing; the rest is a mistake. */
static enum ent_err on_after_quote(struct ent_csv *csv, int byte)
{
    unsigned char c = (unsigned char)byte;

    if (byte == '"') {
        csv->in_pos++;
        csv->state = QUOTED;
        return add_bytes(csv, &c, 1);
    }
    if (byte == ' ') {
        csv->in_pos++;
        return ENT_E_OK;
    }
    row_problem(csv, "there is text behind a closing quote");
    csv->state = PLAIN;
    return ENT_E_OK;
}

/* Delimiters and line ends outside quotes; *done at the end of the row. False: the byte is another one. */
static enum ent_err on_separator(struct ent_csv *csv, int byte, bool *taken, bool *done)
{
    *taken = true;
    if (byte == (unsigned char)csv->delimiter) {
        csv->in_pos++;
        return end_field(csv);
    }
    if (byte == '\r') {
        csv->in_pos++;
        if (peek(csv) != '\n') { /* a lone carriage return is text */
            csv->state = csv->state == FIELD_START ? PLAIN : csv->state;
            return add_bytes(csv, (const unsigned char *)"\r", 1);
        }
        byte = '\n';
    }
    if (byte == '\n') {
        csv->in_pos++;
        csv->line++;
        *done = true;
        return end_field(csv);
    }
    *taken = false;
    return ENT_E_OK;
}

static enum ent_err on_byte(struct ent_csv *csv, int byte, bool *done)
{
    bool taken = false;

    if (csv->state == QUOTED) {
        if (byte == '"') {
            on_quote(csv);
            return ENT_E_OK;
        }
        return take_run(csv);
    }
    ENT_TRY(on_separator(csv, byte, &taken, done));
    if (taken) {
        return ENT_E_OK;
    }
    if (csv->state == AFTER_QUOTE) {
        return on_after_quote(csv, byte);
    }
    if (csv->state == FIELD_START && byte == '"') {
        csv->in_pos++;
        csv->state = QUOTED;
        csv->quoted = true;
        return ENT_E_OK;
    }
    csv->state = PLAIN;
    return take_run(csv);
}

/* Reads one row, blank ones included; *any = false at the end of the file. */
static enum ent_err read_row(struct ent_csv *csv, bool *any)
{
    bool done = false;

    ent_buf_clear(&csv->text);
    csv->n_spans = 0;
    csv->begin = 0;
    csv->quoted = false;
    csv->state = FIELD_START;
    csv->problem = NULL;
    csv->row.line = csv->line;
    *any = false;
    while (!done) {
        int byte = peek(csv);

        if (byte == NO_BYTE) {
            break;
        }
        *any = true;
        ENT_TRY(on_byte(csv, byte, &done));
    }
    ENT_TRY(csv->in_err);
    if (!done && *any) { /* the last line has no line end */
        if (csv->state == QUOTED) {
            row_problem(csv, "a quote is not closed");
        }
        ENT_TRY(end_field(csv));
    }
    return ENT_E_OK;
}

static bool is_blank_row(const struct ent_csv *csv)
{
    return csv->n_spans == 1 && csv->spans[0].len == 0 && !csv->spans[0].quoted;
}

static enum ent_err read_filled_row(struct ent_csv *csv, bool *any)
{
    do {
        ENT_TRY(read_row(csv, any));
    } while (*any && is_blank_row(csv));
    return ENT_E_OK;
}

/* ---- header ---- */

/* The most frequent candidate outside quotes in the first line; a comma when there is none. */
static char detect(const unsigned char *bytes, size_t len)
{
    static const char candidates[] = ",;\t";
    size_t count[3] = {0, 0, 0};
    size_t best = 0;
    bool quoted = false;

    for (size_t i = 0; i < len && (quoted || bytes[i] != '\n'); i++) {
        const char *c = bytes[i] != 0 ? strchr(candidates, bytes[i]) : NULL;

        quoted = bytes[i] == '"' ? !quoted : quoted;
        if (!quoted && c != NULL) {
            count[c - candidates]++;
        }
    }
    for (size_t i = 1; i < 3; i++) {
        best = count[i] > count[best] ? i : best;
    }
    return candidates[best];
}

static enum ent_err skip_mark(struct ent_csv *csv)
{
    const unsigned char *p = csv->in;

    (void)peek(csv);
    ENT_TRY(csv->in_err);
    if (csv->in_len >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
        csv->in_pos = 3;
    }
    ENT_REQUIRE(
        csv->in_len < 2 || !((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF)),
        ENT_E_DATA, "%s is UTF-16 text: convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)",
        csv->path);
    return ENT_E_OK;
}

static enum ent_err keep_header(struct ent_csv *csv)
{
    size_t total = csv->text.len;

    csv->n_header = csv->n_spans;
    ENT_TRY(ent_calloc(csv->n_spans, sizeof *csv->header, &csv->header));
    ENT_TRY(ent_calloc(total + 1, 1, &csv->header_text));
    if (total > 0) {
        memcpy(csv->header_text, csv->text.data, total);
    }
    for (size_t i = 0; i < csv->n_spans; i++) {
        csv->header[i] = ent_text_trim(csv->header_text + csv->spans[i].begin, csv->spans[i].len);
        csv->header[i].quoted = csv->spans[i].quoted;
        ENT_REQUIRE(ent_text_valid(csv->header[i].text, csv->header[i].len), ENT_E_DATA,
                    "%s: the name of column %zu is not UTF-8: convert the file first (iconv -f "
                    "LATIN1 -t UTF-8)",
                    csv->path, i + 1);
    }
    return ENT_E_OK;
}

static enum ent_err read_header(struct ent_csv *csv)
{
    bool any;

    ENT_TRY(skip_mark(csv));
    if (csv->delimiter == 0) {
        csv->delimiter = detect(csv->in + csv->in_pos, csv->in_len - csv->in_pos);
    }
    ENT_TRY(read_filled_row(csv, &any));
    ENT_REQUIRE(any, ENT_E_DATA, "%s is empty: a header line with the column names is needed",
                csv->path);
    ENT_REQUIRE(csv->problem == NULL, ENT_E_DATA, "%s: the header does not parse: %s", csv->path,
                csv->problem);
    return keep_header(csv);
}

/* ---- open, next, close ---- */

static enum ent_err open_file(struct ent_csv *csv)
{
    int fd =
        strcmp(csv->path, "-") == 0 ? dup(STDIN_FILENO) : open(csv->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        int e = errno;
        char reason[128] = "";

        (void)strerror_r(e, reason, sizeof reason);
        return ent_err_note(e == ENOENT ? ENT_E_NOT_FOUND : ENT_E_IO, "cannot open %s: %s",
                            csv->path, reason);
    }
    csv->gz = gzdopen(fd, "rb");
    if (csv->gz == NULL) {
        (void)close(fd);
        return ent_err_note(ENT_E_NO_MEMORY, "out of memory");
    }
    (void)gzbuffer(csv->gz, (unsigned)IN_BYTES);
    return ENT_E_OK;
}

static enum ent_err open_all(struct ent_csv *csv, const char *path)
{
    ENT_TRY(ent_strdup(path, &csv->path));
    ENT_TRY(ent_calloc(IN_BYTES, 1, &csv->in));
    ENT_TRY(open_file(csv));
    return read_header(csv);
}

enum ent_err ent_csv_open(const char *path, char delimiter, struct ent_csv **out)
{
    struct ent_csv *csv;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *csv, &csv));
    csv->delimiter = delimiter;
    csv->line = 1;
    ent_buf_init(&csv->text, ENT_CSV_MAX_ROW);
    err = open_all(csv, path);
    if (err != ENT_E_OK) {
        ent_csv_close(csv);
        return err;
    }
    *out = csv;
    return ENT_E_OK;
}

const struct ent_text *ent_csv_header(const struct ent_csv *csv, size_t *n)
{
    *n = csv->n_header;
    return csv->header;
}

char ent_csv_delimiter(const struct ent_csv *csv)
{
    return csv->delimiter;
}

enum ent_err ent_csv_next(struct ent_csv *csv, const struct ent_source_row **row)
{
    bool any;

    ENT_TRY(read_filled_row(csv, &any));
    if (!any) {
        *row = NULL;
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(&csv->fields, &csv->cap_fields, csv->n_spans, sizeof *csv->fields));
    for (size_t i = 0; i < csv->n_spans; i++) {
        const struct span *s = &csv->spans[i];

        csv->fields[i] =
            (struct ent_text){.text = s->len > 0 ? (const char *)csv->text.data + s->begin : "",
                              .len = s->len,
                              .quoted = s->quoted};
    }
    if (csv->n_spans != csv->n_header) {
        row_problem(csv, csv->n_spans < csv->n_header ? "it has fewer fields than the header"
                                                      : "it has more fields than the header");
    }
    csv->row.fields = csv->fields;
    csv->row.n_fields = csv->n_spans;
    csv->row.number = csv->number++;
    csv->row.problem = csv->problem;
    *row = &csv->row;
    return ENT_E_OK;
}

void ent_csv_close(struct ent_csv *csv)
{
    if (csv == NULL) {
        return;
    }
    if (csv->gz != NULL) {
        (void)gzclose(csv->gz);
    }
    ent_buf_release(&csv->text);
    free(csv->path);
    free(csv->in);
    free(csv->spans);
    free(csv->fields);
    free(csv->header);
    free(csv->header_text);
    free(csv);
}
