#include "common/wire/wire.h"

#include "common/base/mem.h"
#include "common/schema/text.h"
#include "common/wire/schemas.h"

struct entry {
    struct ent_msg_info info;
    const struct ent_schema *schema; /* NULL: no payload of its own */
};

static const struct entry table[] = {
#define ENT_MESSAGE(name_, NAME_, number_, sender_, enveloped_, max_)                              \
    [(number_)-ENT_MSG_FIRST] = {{#name_, ENT_SENDER_##sender_, (enveloped_), (max_)},             \
                                 &ent_msg_##name_##_schema},
#define ENT_MESSAGE_BARE(name_, NAME_, number_, sender_, enveloped_, max_)                         \
    [(number_)-ENT_MSG_FIRST] = {{#name_, ENT_SENDER_##sender_, (enveloped_), (max_)}, NULL},
#include "common/wire/messages.def"
#undef ENT_MESSAGE_BARE
#undef ENT_MESSAGE
};

static const struct entry *find(unsigned type)
{
    if (type < ENT_MSG_FIRST || type - ENT_MSG_FIRST >= ENT_ARRAY_LEN(table)) {
        return NULL;
    }
    return table[type - ENT_MSG_FIRST].info.name != NULL ? &table[type - ENT_MSG_FIRST] : NULL;
}

const struct ent_msg_info *ent_msg_info(unsigned type)
{
    const struct entry *e = find(type);

    return e != NULL ? &e->info : NULL;
}

const char *ent_msg_name(unsigned type)
{
    const struct entry *e = find(type);

    return e != NULL ? e->info.name : "unknown";
}

enum ent_err ent_msg_decode(unsigned type, struct ent_bytes bytes, struct ent_arena *arena,
                            void *message)
{
    const struct entry *e = find(type);

    ENT_REQUIRE(e != NULL && e->schema != NULL, ENT_E_PROTOCOL, "type %u has no payload", type);
    if (type == ENT_MSG_ROUND_OPEN) { /* a leaf, not protobuf alone */
        return ent_msg_round_open_decode(bytes.data, bytes.len, arena, message);
    }
    return ent_schema_decode(e->schema, bytes, arena, message);
}

enum ent_err ent_msg_encode(unsigned type, const void *message, struct ent_buf *out)
{
    const struct entry *e = find(type);

    ENT_REQUIRE(e != NULL && e->schema != NULL, ENT_E_INTERNAL, "type %u has no payload", type);
    if (type == ENT_MSG_ROUND_OPEN) {
        return ent_msg_round_open_encode(message, out);
    }
    return ent_schema_encode(e->schema, message, out);
}

void ent_wire_text(ent_free_text out, const char *text)
{
    ent_text_fit(text, out, ENT_WIRE_TEXT_MAX_BYTES);
}
