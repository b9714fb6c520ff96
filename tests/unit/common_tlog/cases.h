/* Cases of the reference file by kind. */
#ifndef ENT_TESTS_TLOG_CASES_H
#define ENT_TESTS_TLOG_CASES_H

#include "common/base/buf.h"
#include "common/json/json.h"
#include "common/tlog/note.h"
#include "tests/unit/common_tlog/kept.h"

#define VECTOR_KEYS_MAX 16
#define VECTOR_TREES_MAX 8

struct vector_tree {
    const char *name;
    const struct ent_json *leaves; /* hex, or NULL: by rule */
    uint64_t n;
    bool wide; /* leaf i: eight bytes big-endian; else one byte */
    struct kept kept;
};

struct vectors {
    size_t n_trees;
    struct vector_tree trees[VECTOR_TREES_MAX];
};

/* Access; a missing field is a failed test. */
const char *vec_string(const struct ent_json *c, const char *key);
uint64_t vec_uint(const struct ent_json *c, const char *key);
bool vec_bool(const struct ent_json *c, const char *key);
bool vec_has(const struct ent_json *c, const char *key); /* there and not null */
void vec_hash(const struct ent_json *c, const char *key, uint8_t out[ENT_MERKLE_BYTES]);
/* Hex to bytes; `out` is initialised here. */
void vec_bytes(const char *hex, struct ent_buf *out);
void vec_key(const char *text, struct ent_vkey *out);
/* Through the decoder of proof lines; false when it refuses one, or when there are too many. */
bool vec_proof(const struct ent_json *list, struct ent_merkle_proof *out);

struct vector_tree *vec_tree(struct vectors *v, const struct ent_json *c);
/* Leaf i of a tree into *out (initialised here). */
void vec_leaf(const struct vector_tree *tree, uint64_t i, struct ent_buf *out);

/* One function a kind: true when the case came out as the file says. */
bool vec_leaf_hash(struct vectors *v, const struct ent_json *c);
bool vec_root(struct vectors *v, const struct ent_json *c);
bool vec_inclusion(struct vectors *v, const struct ent_json *c);
bool vec_consistency(struct vectors *v, const struct ent_json *c);
bool vec_tiles(struct vectors *v, const struct ent_json *c);
bool vec_note(struct vectors *v, const struct ent_json *c);
bool vec_quorum(struct vectors *v, const struct ent_json *c);
bool vec_witness(struct vectors *v, const struct ent_json *c);
bool vec_equivocation(struct vectors *v, const struct ent_json *c);
bool vec_tlog_proof(struct vectors *v, const struct ent_json *c);
bool vec_upstream_note(struct vectors *v, const struct ent_json *c);

#endif
