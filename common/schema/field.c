#include "common/schema/field.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/schema/text.h"

const ProtobufCFieldDescriptor *ent_field_pb(const struct ent_schema *schema,
                                             const struct ent_schema_field *field)
{
    return protobuf_c_message_descriptor_get_field(schema->pb, field->number);
}

static const char *name_of(const struct ent_field_ctx *ctx)
{
    return ent_field_pb(ctx->schema, ctx->field)->name;
}

static void *at(void *base, size_t offset)
{
    return (unsigned char *)base + offset;
}

static const void *at_const(const void *base, size_t offset)
{
    return (const unsigned char *)base + offset;
}

enum ent_err ent_field_work(const struct ent_field_ctx *ctx, size_t n, size_t size, void *out_ptr)
{
    size_t bytes;
    void *p;

    ENT_TRY(ent_size_mul(n, size, &bytes));
    p = ent_pbarena_alloc(ctx->work, bytes);
    ENT_REQUIRE(p != NULL, ENT_E_LIMIT, "%s: more than %zu bytes of memory for one message",
                ctx->schema->name, ENT_WIRE_ARENA_BYTES);
    memcpy(out_ptr, &p, sizeof p);
    return ENT_E_OK;
}

enum ent_err ent_field_count(const struct ent_field_ctx *ctx, size_t n)
{
    ENT_REQUIRE(n <= ctx->field->max, ctx->err, "%s.%s: %zu entries, at most %" PRIu64 " allowed",
                ctx->schema->name, name_of(ctx), n, ctx->field->max);
    return ENT_E_OK;
}

enum ent_err ent_field_order(const struct ent_field_ctx *ctx, const uint8_t *first,
                             const uint8_t *second, size_t size)
{
    ENT_REQUIRE(memcmp(first, second, size) < 0, ctx->err,
                "%s.%s: entries are not in ascending order", ctx->schema->name, name_of(ctx));
    return ENT_E_OK;
}

static enum ent_err check_number(const struct ent_field_ctx *ctx, uint64_t v)
{
    const struct ent_schema_field *f = ctx->field;

    ENT_REQUIRE(v >= f->min && v <= f->max, ctx->err,
                "%s.%s: %" PRIu64 " is outside %" PRIu64 "..%" PRIu64, ctx->schema->name,
                name_of(ctx), v, f->min, f->max);
    return ENT_E_OK;
}

static enum ent_err check_length(const struct ent_field_ctx *ctx, size_t len, uint64_t min,
                                 uint64_t max)
{
    ENT_REQUIRE(len >= min && len <= max, ctx->err,
                "%s.%s: %zu bytes, %" PRIu64 " to %" PRIu64 " allowed", ctx->schema->name,
                name_of(ctx), len, min, max);
    return ENT_E_OK;
}

static enum ent_err check_string(const struct ent_field_ctx *ctx, const char *s, size_t len)
{
    const struct ent_schema_field *f = ctx->field;
    bool good =
        f->kind == ENT_FIELD_NAME ? ent_text_is_name(s, len) : ent_text_is_printable(s, len);

    ENT_TRY(check_length(ctx, len, f->min, f->size - 1));
    ENT_REQUIRE(good, ctx->err, "%s.%s: %s", ctx->schema->name, name_of(ctx),
                f->kind == ENT_FIELD_NAME ? "characters other than letters, digits and \" ._:/@+-\""
                                          : "not printable UTF-8");
    return ENT_E_OK;
}

static enum ent_err decode_number(const struct ent_field_ctx *ctx, const void *pb, void *ours)
{
    uint32_t v32;
    uint64_t v64;

    switch (ctx->field->kind) {
    case ENT_FIELD_U32:
        memcpy(&v32, pb, sizeof v32);
        ENT_TRY(check_number(ctx, v32));
        memcpy(ours, &v32, sizeof v32);
        return ENT_E_OK;
    case ENT_FIELD_U64:
        memcpy(&v64, pb, sizeof v64);
        ENT_TRY(check_number(ctx, v64));
        memcpy(ours, &v64, sizeof v64);
        return ENT_E_OK;
    case ENT_FIELD_S64:
        memcpy(ours, pb, sizeof v64);
        return ENT_E_OK;
    default: {
        protobuf_c_boolean b;

        memcpy(&b, pb, sizeof b);
        *(bool *)ours = b != 0;
        return ENT_E_OK;
    }
    }
}

static enum ent_err decode_bytes(const struct ent_field_ctx *ctx, const void *pb, void *message)
{
    const struct ent_schema_field *f = ctx->field;
    ProtobufCBinaryData data;
    uint8_t *copy = NULL;

    memcpy(&data, pb, sizeof data);
    if (f->kind == ENT_FIELD_BYTES) {
        struct ent_bytes *out = at(message, f->offset);

        ENT_TRY(check_length(ctx, data.len, f->min, f->max));
        if (data.len > 0) {
            ENT_TRY(ent_arena_alloc(ctx->arena, data.len, 1, &copy));
            memcpy(copy, data.data, data.len);
        }
        *out = (struct ent_bytes){copy, data.len};
        return ENT_E_OK;
    }
    if (f->kind == ENT_FIELD_FIXED_OPT) {
        *(bool *)at(message, f->aux) = data.len > 0;
        if (data.len == 0) {
            return ENT_E_OK;
        }
    }
    ENT_TRY(check_length(ctx, data.len, f->size, f->size));
    memcpy(at(message, f->offset), data.data, f->size);
    return ENT_E_OK;
}

static enum ent_err decode_string(const struct ent_field_ctx *ctx, const void *pb, void *ours)
{
    char *s;
    size_t len;

    memcpy(&s, pb, sizeof s);
    len = s != NULL ? strlen(s) : 0;
    ENT_TRY(check_string(ctx, s, len));
    if (len > 0) {
        memcpy(ours, s, len);
    }
    return ENT_E_OK;
}

static enum ent_err decode_list(const struct ent_field_ctx *ctx, const void *pb, void *message)
{
    const struct ent_schema_field *f = ctx->field;
    const ProtobufCFieldDescriptor *d = ent_field_pb(ctx->schema, f);
    ProtobufCBinaryData *items;
    uint8_t *list = NULL;
    size_t n;

    memcpy(&n, at_const(pb, d->quantifier_offset), sizeof n);
    memcpy(&items, at_const(pb, d->offset), sizeof(void *));
    ENT_TRY(ent_field_count(ctx, n));
    for (size_t i = 0; i < n; i++) {
        ENT_TRY(check_length(ctx, items[i].len, f->size, f->size));
        if (f->ascending && i > 0) {
            ENT_TRY(ent_field_order(ctx, items[i - 1].data, items[i].data, f->size));
        }
    }
    if (n > 0) {
        ENT_TRY(ent_arena_alloc(ctx->arena, n, f->size, &list));
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(list + i * f->size, items[i].data, f->size);
    }
    memcpy(at(message, f->offset), &list, sizeof(void *));
    memcpy(at(message, f->aux), &n, sizeof n);
    return ENT_E_OK;
}

enum ent_err ent_field_decode(const struct ent_field_ctx *ctx, const void *pb, void *ours)
{
    const struct ent_schema_field *f = ctx->field;
    const void *value = at_const(pb, ent_field_pb(ctx->schema, f)->offset);

    switch (f->kind) {
    case ENT_FIELD_FIXED:
    case ENT_FIELD_FIXED_OPT:
    case ENT_FIELD_BYTES:
        return decode_bytes(ctx, value, ours);
    case ENT_FIELD_NAME:
    case ENT_FIELD_TEXT:
        return decode_string(ctx, value, at(ours, f->offset));
    case ENT_FIELD_FIXED_LIST:
        return decode_list(ctx, pb, ours);
    default:
        return decode_number(ctx, value, at(ours, f->offset));
    }
}

/* protobuf-c's structs hold pointers to non-const bytes that packing only reads. */
static uint8_t *unconst(const void *p)
{
    return (uint8_t *)(uintptr_t)p;
}

static enum ent_err encode_number(const struct ent_field_ctx *ctx, const void *ours, void *pb)
{
    uint32_t v32;
    uint64_t v64;
    protobuf_c_boolean b;

    switch (ctx->field->kind) {
    case ENT_FIELD_U32:
        memcpy(&v32, ours, sizeof v32);
        memcpy(pb, &v32, sizeof v32);
        return check_number(ctx, v32);
    case ENT_FIELD_U64:
        memcpy(&v64, ours, sizeof v64);
        memcpy(pb, &v64, sizeof v64);
        return check_number(ctx, v64);
    case ENT_FIELD_S64:
        memcpy(pb, ours, sizeof v64);
        return ENT_E_OK;
    default:
        b = *(const bool *)ours ? 1 : 0;
        memcpy(pb, &b, sizeof b);
        return ENT_E_OK;
    }
}

static enum ent_err encode_bytes(const struct ent_field_ctx *ctx, const void *message, void *pb)
{
    const struct ent_schema_field *f = ctx->field;
    ProtobufCBinaryData data = {0, NULL};

    if (f->kind == ENT_FIELD_BYTES) {
        const struct ent_bytes *in = at_const(message, f->offset);

        ENT_TRY(check_length(ctx, in->len, f->min, f->max));
        data = (ProtobufCBinaryData){in->len, unconst(in->data)};
    } else if (f->kind == ENT_FIELD_FIXED || *(const bool *)at_const(message, f->aux)) {
        data = (ProtobufCBinaryData){f->size, unconst(at_const(message, f->offset))};
    }
    memcpy(pb, &data, sizeof data);
    return ENT_E_OK;
}

static enum ent_err encode_string(const struct ent_field_ctx *ctx, const void *ours, void *pb)
{
    const char *s = ours;
    size_t len = strnlen(s, ctx->field->size);
    uint8_t *p = unconst(s);

    ENT_TRY(check_string(ctx, s, len));
    memcpy(pb, &p, sizeof p);
    return ENT_E_OK;
}

static enum ent_err encode_list(const struct ent_field_ctx *ctx, const void *message, void *pb)
{
    const struct ent_schema_field *f = ctx->field;
    const ProtobufCFieldDescriptor *d = ent_field_pb(ctx->schema, f);
    ProtobufCBinaryData *items = NULL;
    const uint8_t *list;
    size_t n;

    memcpy(&n, at_const(message, f->aux), sizeof n);
    memcpy(&list, at_const(message, f->offset), sizeof(void *));
    ENT_TRY(ent_field_count(ctx, n));
    ENT_TRY(ent_field_work(ctx, n, sizeof *items, &items));
    ENT_BUG_ON(items == NULL);
    for (size_t i = 0; i < n; i++) {
        if (f->ascending && i > 0) {
            ENT_TRY(ent_field_order(ctx, list + (i - 1) * f->size, list + i * f->size, f->size));
        }
        items[i] = (ProtobufCBinaryData){f->size, unconst(list + i * f->size)};
    }
    memcpy(at(pb, d->quantifier_offset), &n, sizeof n);
    memcpy(at(pb, d->offset), &items, sizeof(void *));
    return ENT_E_OK;
}

enum ent_err ent_field_encode(const struct ent_field_ctx *ctx, const void *ours, void *pb)
{
    const struct ent_schema_field *f = ctx->field;
    void *value = at(pb, ent_field_pb(ctx->schema, f)->offset);

    switch (f->kind) {
    case ENT_FIELD_FIXED:
    case ENT_FIELD_FIXED_OPT:
    case ENT_FIELD_BYTES:
        return encode_bytes(ctx, ours, value);
    case ENT_FIELD_NAME:
    case ENT_FIELD_TEXT:
        return encode_string(ctx, at_const(ours, f->offset), value);
    case ENT_FIELD_FIXED_LIST:
        return encode_list(ctx, ours, pb);
    default:
        return encode_number(ctx, at_const(ours, f->offset), value);
    }
}
