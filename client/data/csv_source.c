/* The CSV reader as one of the sources, and the writer of single fields. */
#include <zlib.h>

#include "client/data/csv.h"
#include "common/base/buf.h"

enum ent_err ent_csv_add_field(struct ent_buf *out, const char *text, size_t len, char delimiter)
{
    bool bare = true;

    for (size_t i = 0; i < len && bare; i++) {
        bare = text[i] != delimiter && text[i] != '"' && text[i] != '\n' && text[i] != '\r';
    }
    if (bare) {
        return ent_buf_add(out, text, len);
    }
    ENT_TRY(ent_buf_add_u8(out, '"'));
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            ENT_TRY(ent_buf_add_u8(out, '"'));
        }
        ENT_TRY(ent_buf_add_u8(out, (uint8_t)text[i]));
    }
    return ent_buf_add_u8(out, '"');
}

const char *ent_csv_library(void)
{
    return "zlib " ZLIB_VERSION;
}

/* ---- as a source ---- */

static enum ent_err source_open(const struct ent_data_config *config, void **state)
{
    struct ent_csv *csv;

    ENT_TRY(ent_csv_open(config->path, config->delimiter, &csv));
    *state = csv;
    return ENT_E_OK;
}

static const struct ent_text *source_header(const void *state, size_t *n)
{
    return ent_csv_header(state, n);
}

static enum ent_err source_next(void *state, const struct ent_source_row **row)
{
    return ent_csv_next(state, row);
}

static void source_close(void *state)
{
    ent_csv_close(state);
}

const struct ent_source_kind ent_source_csv = {.name = "csv",
                                               .open = source_open,
                                               .header = source_header,
                                               .next = source_next,
                                               .close = source_close};
