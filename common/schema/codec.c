#include "common/schema/codec.h"

#include <stdlib.h>
#include <string.h>

#include "common/schema/field.h"

static void *at(void *base, size_t offset)
{
    return (unsigned char *)base + offset;
}

static const void *at_const(const void *base, size_t offset)
{
    return (const unsigned char *)base + offset;
}

static bool is_message(const struct ent_schema_field *field)
{
    return field->kind == ENT_FIELD_MSG || field->kind == ENT_FIELD_MSG_LIST;
}

/* The fields of one struct that are not messages. */
static enum ent_err decode_flat(struct ent_field_ctx ctx, const ProtobufCMessage *pb, void *out)
{
    ENT_REQUIRE(pb->n_unknown_fields == 0, ctx.err, "%s: unknown field %u", ctx.schema->name,
                pb->unknown_fields[0].tag);
    for (size_t i = 0; i < ctx.schema->n_fields; i++) {
        ctx.field = &ctx.schema->fields[i];
        if (!is_message(ctx.field)) {
            ENT_TRY(ent_field_decode(&ctx, pb, out));
        }
    }
    return ENT_E_OK;
}

static struct ent_field_ctx sub_ctx(const struct ent_field_ctx *ctx)
{
    struct ent_field_ctx sub = *ctx;

    sub.schema = ctx->field->sub;
    return sub;
}

/* The address of the key that a list of submessages is ordered by. */
static const uint8_t *key_of(const struct ent_field_ctx *ctx, const void *item, size_t *size)
{
    const struct ent_schema_field *key = &ctx->field->sub->fields[0];

    *size = key->size;
    return at_const(item, key->offset);
}

static enum ent_err decode_message_list(const struct ent_field_ctx *ctx, const void *pb, void *out)
{
    const struct ent_schema_field *f = ctx->field;
    const ProtobufCFieldDescriptor *d = ent_field_pb(ctx->schema, f);
    ProtobufCMessage **items;
    unsigned char *list = NULL;
    size_t n;
    size_t size;

    memcpy(&n, at_const(pb, d->quantifier_offset), sizeof n);
    memcpy(&items, at_const(pb, d->offset), sizeof(void *));
    ENT_TRY(ent_field_count(ctx, n));
    if (n > 0) {
        ENT_TRY(ent_arena_alloc(ctx->arena, n, f->sub->bytes, &list));
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char *item = list + i * f->sub->bytes;

        ENT_TRY(decode_flat(sub_ctx(ctx), items[i], item));
        if (f->ascending && i > 0) {
            const uint8_t *key = key_of(ctx, item, &size);

            ENT_TRY(ent_field_order(ctx, key - f->sub->bytes, key, size));
        }
    }
    memcpy(at(out, f->offset), &list, sizeof(void *));
    memcpy(at(out, f->aux), &n, sizeof n);
    return ENT_E_OK;
}

static enum ent_err decode_message(const struct ent_field_ctx *ctx, const void *pb, void *out)
{
    const struct ent_schema_field *f = ctx->field;
    const ProtobufCFieldDescriptor *d = ent_field_pb(ctx->schema, f);
    ProtobufCMessage *item;

    if (f->kind == ENT_FIELD_MSG_LIST) {
        return decode_message_list(ctx, pb, out);
    }
    memcpy(&item, at_const(pb, d->offset), sizeof(void *));
    *(bool *)at(out, f->aux) = item != NULL;
    return item == NULL ? ENT_E_OK : decode_flat(sub_ctx(ctx), item, at(out, f->offset));
}

/* What encoding writes is compared with what came, piece by piece. */
struct comparison {
    ProtobufCBuffer buffer; /* first: protobuf-c gives it back */
    struct ent_bytes rest;
    bool same;
};

static void compare(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
    struct comparison *c = (struct comparison *)buffer;

    c->same = c->same && len <= c->rest.len && (len == 0 || memcmp(data, c->rest.data, len) == 0);
    if (c->same && len > 0) {
        c->rest.data += len;
        c->rest.len -= len;
    }
}

/* Protobuf lets one message be written in many ways; only the one that we would write is accepted. */
static enum ent_err check_canonical(const struct ent_schema *schema, const ProtobufCMessage *pb,
                                    struct ent_bytes in)
{
    struct comparison c = {.buffer = {.append = compare}, .rest = in, .same = true};

    (void)protobuf_c_message_pack_to_buffer(pb, &c.buffer);
    ENT_REQUIRE(c.same && c.rest.len == 0, ENT_E_PROTOCOL, "%s: bytes are not canonical",
                schema->name);
    return ENT_E_OK;
}

static enum ent_err check_rule(const struct ent_schema *schema, const void *message,
                               enum ent_err err)
{
    const char *broken = schema->rule != NULL ? schema->rule(message) : NULL;

    ENT_REQUIRE(broken == NULL, err, "%s: %s", schema->name, broken);
    return ENT_E_OK;
}

/* Into a zeroed struct of the work arena, so that the caller's is untouched on error. */
static enum ent_err decode_all(struct ent_field_ctx ctx, struct ent_bytes in, void *out)
{
    static const uint8_t none[1];
    const struct ent_schema *schema = ctx.schema;
    ProtobufCMessage *pb;
    void *message;

    ENT_REQUIRE(in.len <= ENT_WIRE_ENVELOPE_MAX_BYTES, ENT_E_PROTOCOL, "%s: %zu bytes are too long",
                schema->name, in.len);
    ENT_TRY(ent_field_work(&ctx, 1, schema->bytes, &message));
    pb = protobuf_c_message_unpack(schema->pb, &ctx.work->allocator, in.len,
                                   in.len > 0 ? in.data : none);
    ENT_REQUIRE(pb != NULL, ENT_E_PROTOCOL,
                "%s: not a well-formed message of at most %zu bytes in memory", schema->name,
                ENT_WIRE_ARENA_BYTES);
    ENT_TRY(check_canonical(schema, pb, in));
    ENT_TRY(decode_flat(ctx, pb, message));
    for (size_t i = 0; i < schema->n_fields; i++) {
        ctx.field = &schema->fields[i];
        if (is_message(ctx.field)) {
            ENT_TRY(decode_message(&ctx, pb, message));
        }
    }
    ENT_TRY(check_rule(schema, message, ctx.err));
    memcpy(out, message, schema->bytes);
    return ENT_E_OK;
}

enum ent_err ent_schema_decode(const struct ent_schema *schema, struct ent_bytes in,
                               struct ent_arena *arena, void *out)
{
    struct ent_pbarena work;
    enum ent_err err;

    ENT_TRY(ent_pbarena_init(&work));
    err = decode_all(
        (struct ent_field_ctx){
            .schema = schema, .err = ENT_E_PROTOCOL, .arena = arena, .work = &work},
        in, out);
    ent_pbarena_release(&work);
    return err;
}

static enum ent_err encode_flat(struct ent_field_ctx ctx, const void *message, void *pb)
{
    protobuf_c_message_init(ctx.schema->pb, pb);
    for (size_t i = 0; i < ctx.schema->n_fields; i++) {
        ctx.field = &ctx.schema->fields[i];
        if (!is_message(ctx.field)) {
            ENT_TRY(ent_field_encode(&ctx, message, pb));
        }
    }
    return ENT_E_OK;
}

static enum ent_err encode_message_list(const struct ent_field_ctx *ctx, const void *message,
                                        void *pb)
{
    const struct ent_schema_field *f = ctx->field;
    const ProtobufCFieldDescriptor *d = ent_field_pb(ctx->schema, f);
    void **items = NULL;
    const unsigned char *list;
    size_t n;
    size_t size;

    memcpy(&n, at_const(message, f->aux), sizeof n);
    memcpy(&list, at_const(message, f->offset), sizeof(void *));
    ENT_TRY(ent_field_count(ctx, n));
    ENT_TRY(ent_field_work(ctx, n, sizeof *items, &items));
    ENT_BUG_ON(items == NULL);
    for (size_t i = 0; i < n; i++) {
        const unsigned char *item = list + i * f->sub->bytes;

        ENT_TRY(ent_field_work(ctx, 1, f->sub->pb->sizeof_message, &items[i]));
        ENT_TRY(encode_flat(sub_ctx(ctx), item, items[i]));
        if (f->ascending && i > 0) {
            const uint8_t *key = key_of(ctx, item, &size);

            ENT_TRY(ent_field_order(ctx, key - f->sub->bytes, key, size));
        }
    }
    memcpy(at(pb, d->quantifier_offset), &n, sizeof n);
    memcpy(at(pb, d->offset), &items, sizeof(void *));
    return ENT_E_OK;
}

static enum ent_err encode_message(const struct ent_field_ctx *ctx, const void *message, void *pb)
{
    const struct ent_schema_field *f = ctx->field;
    void *item = NULL;

    if (f->kind == ENT_FIELD_MSG_LIST) {
        return encode_message_list(ctx, message, pb);
    }
    if (*(const bool *)at_const(message, f->aux)) {
        ENT_TRY(ent_field_work(ctx, 1, f->sub->pb->sizeof_message, &item));
        ENT_TRY(encode_flat(sub_ctx(ctx), at_const(message, f->offset), item));
        memcpy(at(pb, ent_field_pb(ctx->schema, f)->offset), &item, sizeof(void *));
    }
    return ENT_E_OK;
}

static enum ent_err encode_all(struct ent_field_ctx ctx, const void *message, struct ent_buf *out)
{
    const struct ent_schema *schema = ctx.schema;
    ProtobufCMessage *pb;
    uint8_t *p;
    size_t len;

    ENT_TRY(check_rule(schema, message, ctx.err));
    ENT_TRY(ent_field_work(&ctx, 1, schema->pb->sizeof_message, &pb));
    ENT_TRY(encode_flat(ctx, message, pb));
    for (size_t i = 0; i < schema->n_fields; i++) {
        ctx.field = &schema->fields[i];
        if (is_message(ctx.field)) {
            ENT_TRY(encode_message(&ctx, message, pb));
        }
    }
    len = protobuf_c_message_get_packed_size(pb);
    ENT_REQUIRE(len <= ENT_WIRE_ENVELOPE_MAX_BYTES, ENT_E_LIMIT,
                "%s: %zu bytes are too long for a frame", schema->name, len);
    ENT_TRY(ent_buf_extend(out, len, &p));
    ENT_BUG_ON(protobuf_c_message_pack(pb, p) != len);
    return ENT_E_OK;
}

enum ent_err ent_schema_encode(const struct ent_schema *schema, const void *message,
                               struct ent_buf *out)
{
    struct ent_pbarena work;
    enum ent_err err;

    ENT_TRY(ent_pbarena_init(&work));
    err = encode_all((struct ent_field_ctx){.schema = schema, .err = ENT_E_RANGE, .work = &work},
                     message, out);
    ent_pbarena_release(&work);
    return err;
}

static bool kind_fits(const struct ent_schema_field *field, const ProtobufCFieldDescriptor *d)
{
    static const ProtobufCType types[] = {
        [ENT_FIELD_U32] = PROTOBUF_C_TYPE_UINT32,
        [ENT_FIELD_U64] = PROTOBUF_C_TYPE_UINT64,
        [ENT_FIELD_S64] = PROTOBUF_C_TYPE_SINT64,
        [ENT_FIELD_BOOL] = PROTOBUF_C_TYPE_BOOL,
        [ENT_FIELD_FIXED] = PROTOBUF_C_TYPE_BYTES,
        [ENT_FIELD_FIXED_OPT] = PROTOBUF_C_TYPE_BYTES,
        [ENT_FIELD_BYTES] = PROTOBUF_C_TYPE_BYTES,
        [ENT_FIELD_NAME] = PROTOBUF_C_TYPE_STRING,
        [ENT_FIELD_TEXT] = PROTOBUF_C_TYPE_STRING,
        [ENT_FIELD_FIXED_LIST] = PROTOBUF_C_TYPE_BYTES,
        [ENT_FIELD_MSG_LIST] = PROTOBUF_C_TYPE_MESSAGE,
        [ENT_FIELD_MSG] = PROTOBUF_C_TYPE_MESSAGE,
    };
    bool list = field->kind == ENT_FIELD_FIXED_LIST || field->kind == ENT_FIELD_MSG_LIST;

    return d->type == types[field->kind] && list == (d->label == PROTOBUF_C_LABEL_REPEATED) &&
           (!is_message(field) || field->sub->pb == d->descriptor);
}

bool ent_schema_is_complete(const struct ent_schema *schema)
{
    if (schema->n_fields != schema->pb->n_fields) {
        return false;
    }
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct ent_schema_field *field = &schema->fields[i];

        if (schema->pb->fields[i].id != field->number ||
            !kind_fits(field, &schema->pb->fields[i])) {
            return false;
        }
    }
    return true;
}
