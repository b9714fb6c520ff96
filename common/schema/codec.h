/* IN tables of fields, structs or bytes · OUT canonical bytes or checked structs
 * OWNS a 512 KiB arena for the time of a call · THREADS any
 * SOURCE audit.md 2.2 (strict canonical protobuf); protocol.md 1 (fixed arena)
 *
 * One mechanism for every message: a table says where a field of the generated protobuf-c struct
 * goes in our own struct and what is allowed there. Decoding is strict: the bytes must be what
 * encoding would give (protobuf is deterministic, not canonical), without unknown fields
 * anywhere, and every length, range and charset must hold.
 *
 * Messages nest one level (a list of outcomes, a statement in a header): tables show that, and
 * nothing recurses. */
#ifndef ENT_COMMON_SCHEMA_CODEC_H
#define ENT_COMMON_SCHEMA_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/schema/bytes.h"
#include "common/schema/limits.h"

struct ProtobufCMessageDescriptor;

enum ent_field_kind {
    ENT_FIELD_U32,        /* uint32_t in min..max */
    ENT_FIELD_U64,        /* uint64_t in min..max */
    ENT_FIELD_S64,        /* int64_t */
    ENT_FIELD_BOOL,       /* bool */
    ENT_FIELD_FIXED,      /* uint8_t[size] */
    ENT_FIELD_FIXED_OPT,  /* the same or nothing; bool at aux says which */
    ENT_FIELD_BYTES,      /* struct ent_bytes, min..max bytes */
    ENT_FIELD_NAME,       /* char[size]: identifier of min..size - 1 bytes */
    ENT_FIELD_TEXT,       /* char[size]: printable UTF-8 */
    ENT_FIELD_FIXED_LIST, /* uint8_t (*)[size], size_t count at aux; at most max */
    ENT_FIELD_MSG_LIST,   /* struct sub *, size_t count at aux; at most max */
    ENT_FIELD_MSG         /* struct sub or nothing; bool at aux says which */
};

struct ent_schema;

struct ent_schema_field {
    uint32_t number; /* in the .proto */
    enum ent_field_kind kind;
    size_t offset; /* in our struct */
    size_t aux;    /* offset of the has_ flag or the count */
    size_t size;   /* bytes of the array (FIXED.., NAME, TEXT) */
    uint64_t min;
    uint64_t max;
    bool
        ascending; /* lists: strictly ascending bytes (of a submessage: of its first field, which is FIXED) */
    const struct ent_schema *sub;
};

struct ent_schema {
    const char *name;
    const struct ProtobufCMessageDescriptor *pb;
    size_t bytes; /* sizeof our struct */
    const struct ent_schema_field *fields;
    size_t n_fields;
    /* What must hold between fields: NULL when it does, else a sentence. May be NULL itself. */
    const char *(*rule)(const void *message);
};

/* Entries of a table: struct type, number, member, ... The sizes are checked when compiled. */
#define ENT_SCHEMA_OFF(t_, m_, bytes_)                                                             \
    (offsetof(struct t_, m_) + 0 * sizeof(char[sizeof(((struct t_ *)0)->m_) == (bytes_) ? 1 : -1]))
#define ENT_SCHEMA_PTR(t_, m_) (offsetof(struct t_, m_) + 0 * sizeof(*((struct t_ *)0)->m_))
#define ENT_SCHEMA_U32(t_, n_, m_, min_, max_)                                                     \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_U32, .offset = ENT_SCHEMA_OFF(t_, m_, 4), .min = (min_), \
        .max = (max_)                                                                              \
    }
#define ENT_SCHEMA_U64(t_, n_, m_, min_, max_)                                                     \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_U64, .offset = ENT_SCHEMA_OFF(t_, m_, 8), .min = (min_), \
        .max = (max_)                                                                              \
    }
#define ENT_SCHEMA_S64(t_, n_, m_)                                                                 \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_S64, .offset = ENT_SCHEMA_OFF(t_, m_, 8)                 \
    }
#define ENT_SCHEMA_BOOL(t_, n_, m_)                                                                \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_BOOL, .offset = ENT_SCHEMA_OFF(t_, m_, sizeof(bool))     \
    }
#define ENT_SCHEMA_FIXED(t_, n_, m_)                                                               \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_FIXED, .offset = offsetof(struct t_, m_),                \
        .size = sizeof(((struct t_ *)0)->m_)                                                       \
    }
#define ENT_SCHEMA_FIXED_OPT(t_, n_, m_, has_)                                                     \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_FIXED_OPT, .offset = offsetof(struct t_, m_),            \
        .aux = ENT_SCHEMA_OFF(t_, has_, sizeof(bool)), .size = sizeof(((struct t_ *)0)->m_)        \
    }
#define ENT_SCHEMA_BYTES(t_, n_, m_, min_, max_)                                                   \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_BYTES,                                                   \
        .offset = ENT_SCHEMA_OFF(t_, m_, sizeof(struct ent_bytes)), .min = (min_), .max = (max_)   \
    }
#define ENT_SCHEMA_NAME(t_, n_, m_, min_)                                                          \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_NAME,                                                    \
        .offset = ENT_SCHEMA_OFF(t_, m_, ENT_WIRE_NAME_MAX_BYTES + 1),                             \
        .size = ENT_WIRE_NAME_MAX_BYTES + 1, .min = (min_)                                         \
    }
#define ENT_SCHEMA_TEXT(t_, n_, m_)                                                                \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_TEXT,                                                    \
        .offset = ENT_SCHEMA_OFF(t_, m_, ENT_WIRE_TEXT_MAX_BYTES + 1),                             \
        .size = ENT_WIRE_TEXT_MAX_BYTES + 1                                                        \
    }
#define ENT_SCHEMA_FIXED_LIST(t_, n_, m_, count_, max_, ascending_)                                \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_FIXED_LIST, .offset = ENT_SCHEMA_PTR(t_, m_),            \
        .aux = ENT_SCHEMA_OFF(t_, count_, sizeof(size_t)), .size = sizeof(*((struct t_ *)0)->m_),  \
        .max = (max_), .ascending = (ascending_)                                                   \
    }
#define ENT_SCHEMA_MSG_LIST(t_, n_, m_, count_, max_, ascending_, sub_)                            \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_MSG_LIST, .offset = ENT_SCHEMA_PTR(t_, m_),              \
        .aux = ENT_SCHEMA_OFF(t_, count_, sizeof(size_t)), .max = (max_),                          \
        .ascending = (ascending_), .sub = (sub_)                                                   \
    }
#define ENT_SCHEMA_MSG(t_, n_, m_, has_, sub_)                                                     \
    {                                                                                              \
        .number = (n_), .kind = ENT_FIELD_MSG, .offset = offsetof(struct t_, m_),                  \
        .aux = ENT_SCHEMA_OFF(t_, has_, sizeof(bool)), .sub = (sub_)                               \
    }

/* The schema of struct x_, from its table fields_. */
#define ENT_SCHEMA_OF(x_, name_, pb_, fields_, rule_)                                              \
    {                                                                                              \
        .name = (name_), .pb = &(pb_), .bytes = sizeof(struct x_), .fields = (fields_),            \
        .n_fields = sizeof(fields_) / sizeof((fields_)[0]), .rule = (rule_)                        \
    }

/* *out, a struct of schema->bytes, from exactly these bytes. Lists and BYTES fields are copied into the arena.
 * PROTOCOL names message and field; LIMIT when the arena is too small. *out is untouched on error. */
ENT_MUST enum ent_err ent_schema_decode(const struct ent_schema *schema, struct ent_bytes in,
                                        struct ent_arena *arena, void *out);
/* Appends the canonical bytes. RANGE when a field breaks its bounds; LIMIT above ENT_WIRE_ENVELOPE_MAX_BYTES. */
ENT_MUST enum ent_err ent_schema_encode(const struct ent_schema *schema, const void *message,
                                        struct ent_buf *out);

/* Whether the table covers every field of its .proto message, once, with a fitting kind (for the tests). */
bool ent_schema_is_complete(const struct ent_schema *schema);

#endif
