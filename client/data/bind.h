/* IN a schema, a column mapping, a header · OUT which field of a row is what, and values out of texts
 * OWNS dictionaries · THREADS any (immutable) · SOURCE protocol.md 4 and 5
 *
 * Inside this room and client/events only. A value's text is trimmed, then: the member's own spelling, else missing, else as declared. */
#ifndef ENT_CLIENT_DATA_BIND_H
#define ENT_CLIENT_DATA_BIND_H

#include "client/data/source.h"
#include "client/data/table.h"
#include "common/crypto/sha256.h"

#define ENT_BIND_NONE ((size_t)-1)

struct ent_word {
    const char *text; /* borrowed from plan or configuration; NULL = free slot */
    size_t len;
    uint16_t code;
    bool spelled; /* by the member's own mapping: stronger than `missing` */
};

/* One feature, or the label, at the source. */
struct ent_bound {
    size_t field; /* index in a source row */
    const struct ent_feature *feature;
    const struct ent_column_map *map; /* NULL: same name, same spellings */
    struct ent_word *words;           /* CATEGORY: open addressing */
    size_t n_words;                   /* power of two */
};

struct ent_bindings {
    struct ent_bound *columns; /* [n_columns] as in the schema */
    uint32_t n_columns;
    struct ent_bound label; /* field ENT_BIND_NONE: not read */
    const char *label_positive;
    struct ent_feature label_feature; /* its values, as those of a category */
    size_t unit;                      /* field of unit_key, or ENT_BIND_NONE */
    size_t id;
    struct ent_strings missing;
    struct ent_sha256 hash; /* of hashed values */
    enum ent_err err;       /* the first that a value met which is no fault of the value; sticks */
};

ENT_MUST enum ent_err ent_bindings_new(const struct ent_table_options *options,
                                       const struct ent_text *header, size_t n_header,
                                       struct ent_bindings **out);
void ent_bindings_free(struct ent_bindings *bindings);
/* bind.c for bind_values.c: equality, and where a word of the dictionary is or would be. */
bool ent_bind_same(const struct ent_text *a, const char *b);
struct ent_word *ent_bind_slot(const struct ent_bound *bound, const char *text, size_t len);

/* Field and mapping of a column that is no feature, by the plan's name of it; `what` stands in messages. DATA. */
ENT_MUST enum ent_err ent_bind_place(const struct ent_client_config *config,
                                     const struct ent_text *header, size_t n_header,
                                     const char *name, const char *what, struct ent_bound *out);
/* A field's text without blanks, by the member's own spelling when there is one (map: NULL, none); otherwise
 * *is_missing. */
struct ent_text ent_bind_text(const struct ent_strings *missing, const struct ent_column_map *map,
                              const struct ent_text *field, bool *is_missing);

/* The bucket of a value: the first `bits` bits of SHA-256("entente/value/v1\0" || be32 length of the salt || salt ||
 * be32 length of the feature's name || name || value). Without the salt nobody can try values offline; with it (every
 * member has it) one can: docs/FEATURES.md says what a vocabulary reveals. */
ENT_MUST enum ent_err ent_bind_hash(struct ent_sha256 *hash, const struct ent_feature *feature,
                                    const void *value, size_t len, uint32_t *out);

/* Reasons that have an advice of their own (load.c). */
extern const char ent_bind_comma[];
extern const char ent_bind_not_boolean[];

/* Each returns NULL, or why the text is no such value (static; no value in it). Missing: NaN, ENT_CODE_MISSING, -1,
 * ENT_LABEL_ABSENT. */
const char *ent_bind_number(const struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, float *out);
const char *ent_bind_category(const struct ent_bindings *all, const struct ent_bound *bound,
                              const struct ent_text *field, uint16_t *out);
const char *ent_bind_bucket(struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, uint32_t *out);
const char *ent_bind_boolean(const struct ent_bindings *all, const struct ent_bound *bound,
                             const struct ent_text *field, int8_t *out);
/* out: [length of the feature] */
const char *ent_bind_vector(const struct ent_bindings *all, const struct ent_bound *bound,
                            const struct ent_text *field, float *out);
const char *ent_bind_label(const struct ent_bindings *all, const struct ent_text *field,
                           uint8_t *out);
/* A class, or a number as the model sees its range (-1 .. 1); *clipped: it was outside. NaN: missing. */
const char *ent_bind_target(const struct ent_bindings *all, const struct ent_schema *schema,
                            const struct ent_text *field, float *out, bool *clipped);

#endif
