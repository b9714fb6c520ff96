#include <string.h>

#include "common/step/step.h"

static enum ent_err add_to_buf(void *ctx, const void *bytes, size_t len)
{
    return ent_buf_add(ctx, bytes, len);
}

struct ent_step_sink ent_step_sink_buf(struct ent_buf *buf)
{
    return (struct ent_step_sink){.write = add_to_buf, .ctx = buf};
}

static enum ent_err read_left(void *ctx, void *bytes, size_t len)
{
    struct ent_step_reader *reader = ctx;

    ENT_REQUIRE(len <= reader->len, ENT_E_CORRUPT,
                "the state of the server's optimizer is not one of this plan");
    memcpy(bytes, reader->at, len);
    reader->at += len;
    reader->len -= len;
    return ENT_E_OK;
}

struct ent_step_source ent_step_source_of(struct ent_step_reader *reader)
{
    return (struct ent_step_source){.read = read_left, .ctx = reader};
}
