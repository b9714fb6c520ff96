/* Every case of the reference file, negative ones too, by its kind alone. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "common/tlog/lines.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/cases.h"

#define FILE_MAX ((size_t)4 * 1024 * 1024)
#define KINDS_SKIPPED_MAX 8

static const struct {
    const char *kind;
    bool (*run)(struct vectors *v, const struct ent_json *c);
} kinds[] = {
    {"leaf_hash", vec_leaf_hash},
    {"root", vec_root},
    {"inclusion", vec_inclusion},
    {"consistency", vec_consistency},
    {"tiles", vec_tiles},
    {"note", vec_note},
    {"cosignature", vec_note},
    {"rotation", vec_note},
    {"quorum", vec_quorum},
    {"witness", vec_witness},
    {"equivocation", vec_equivocation},
    {"tlog_proof", vec_tlog_proof},
    {"upstream_note", vec_upstream_note},
    {"hpke", NULL}, /* test_hpke_vectors.c has it */
};

const char *vec_string(const struct ent_json *c, const char *key)
{
    const char *s = NULL;

    ENT_OK(ent_json_string(ent_json_get(c, key), key, &s));
    return s;
}

uint64_t vec_uint(const struct ent_json *c, const char *key)
{
    uint64_t v = 0;

    ENT_OK(ent_json_uint(ent_json_get(c, key), key, INT64_MAX, &v));
    return v;
}

bool vec_bool(const struct ent_json *c, const char *key)
{
    bool v = false;

    ENT_OK(ent_json_bool(ent_json_get(c, key), key, &v));
    return v;
}

bool vec_has(const struct ent_json *c, const char *key)
{
    const struct ent_json *value = ent_json_get(c, key);

    return value != NULL && ent_json_kind(value) != ENT_JSON_NULL;
}

void vec_hash(const struct ent_json *c, const char *key, uint8_t out[ENT_MERKLE_BYTES])
{
    const char *hex = vec_string(c, key);

    CU_ASSERT_EQUAL_FATAL(strlen(hex), (size_t)2 * ENT_MERKLE_BYTES);
    ENT_OK(ent_unhex(hex, out, ENT_MERKLE_BYTES));
}

void vec_bytes(const char *hex, struct ent_buf *out)
{
    uint8_t *to = NULL;

    ent_buf_init(out, FILE_MAX);
    ENT_OK(ent_buf_extend(out, strlen(hex) / 2, &to));
    ENT_OK(ent_unhex(hex, to, strlen(hex) / 2));
}

void vec_key(const char *text, struct ent_vkey *out)
{
    char again[ENT_VKEY_TEXT_MAX];

    ENT_OK(ent_vkey_parse(text, strlen(text), out));
    ent_vkey_format(out, again);
    CU_ASSERT_STRING_EQUAL(text, again);
}

bool vec_proof(const struct ent_json *list, struct ent_merkle_proof *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ent_json_len(list); i++) {
        struct ent_buf bytes;
        char text[256];
        const char *hex = NULL;
        enum ent_err err;

        ENT_OK(ent_json_string(ent_json_at(list, i), "proof", &hex));
        if (strlen(hex) > 128 || out->n == ENT_MERKLE_PROOF_MAX) {
            return false;
        }
        vec_bytes(hex, &bytes);
        ent_base64_encode(ENT_BASE64, bytes.data, bytes.len, text);
        ent_buf_release(&bytes);
        err = ent_lines_hash(text, strlen(text), "hash", out->hashes[out->n]);
        if (err != ENT_E_OK) {
            return false;
        }
        out->n++;
    }
    return true;
}

struct vector_tree *vec_tree(struct vectors *v, const struct ent_json *c)
{
    const char *name = vec_string(c, "tree");

    for (size_t i = 0; i < v->n_trees; i++) {
        if (strcmp(v->trees[i].name, name) == 0) {
            return &v->trees[i];
        }
    }
    CU_FAIL_FATAL("a case of a tree that the file does not give");
    return NULL;
}

void vec_leaf(const struct vector_tree *tree, uint64_t i, struct ent_buf *out)
{
    if (tree->leaves != NULL) {
        const char *hex = NULL;

        ENT_OK(ent_json_string(ent_json_at(tree->leaves, i), "leaf", &hex));
        vec_bytes(hex, out);
        return;
    }
    ent_buf_init(out, 8);
    ENT_OK(tree->wide ? ent_buf_add_be64(out, i) : ent_buf_add_u8(out, (uint8_t)i));
}

/* Trees by rule are as long as the rule's last number says. */
static void make_tree(struct vectors *v, const char *name, const struct ent_json *from)
{
    struct vector_tree *tree = &v->trees[v->n_trees++];

    CU_ASSERT_FATAL(v->n_trees <= VECTOR_TREES_MAX);
    tree->name = name;
    tree->leaves = ent_json_get(from, "leaves_hex");
    if (tree->leaves != NULL) {
        tree->n = ent_json_len(tree->leaves);
    } else {
        const char *rule = vec_string(from, "rule");
        const char *last = strstr(rule, "..");

        CU_ASSERT_FATAL(last != NULL);
        tree->n = strtoull(last + 2, NULL, 10) + 1;
        tree->wide = strstr(rule, "8-byte big-endian") != NULL;
        CU_ASSERT_FATAL(tree->wide || strstr(rule, "single byte") != NULL);
    }
    for (uint64_t i = 0; i < tree->n; i++) {
        struct ent_buf leaf;

        vec_leaf(tree, i, &leaf);
        kept_add(&tree->kept, leaf.data, leaf.len);
        ent_buf_release(&leaf);
    }
}

static void skip_kind(const char *kind)
{
    static char told[KINDS_SKIPPED_MAX][64];
    static size_t n;
    char why[160];

    for (size_t i = 0; i < n; i++) {
        if (strcmp(told[i], kind) == 0) {
            return;
        }
    }
    (void)snprintf(why, sizeof why, "cases of kind %.60s: not of this room", kind);
    ent_test_skip(why);
    if (n < KINDS_SKIPPED_MAX) {
        (void)snprintf(told[n++], sizeof told[0], "%.60s", kind);
    }
}

static void run_case(struct vectors *v, const struct ent_json *c)
{
    const char *kind = vec_string(c, "kind");

    for (size_t i = 0; i < ENT_ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            bool ok = kinds[i].run == NULL || kinds[i].run(v, c);

            if (!ok) {
                (void)fprintf(stderr, "case %s: %s\n", vec_string(c, "id"), ent_err_message());
            }
            CU_ASSERT(ok);
            return;
        }
    }
    skip_kind(kind);
}

ENT_TEST(vectors, reference_file)
{
    const char *path = ent_test_shared("reference/merkle_vectors.json");
    struct ent_buf file;
    struct ent_json *root = NULL;
    struct vectors *v = NULL;
    const struct ent_json *value;
    const struct ent_json *cases;
    const char *name;
    void *iter = NULL;

    if (path == NULL) {
        return;
    }
    ent_buf_init(&file, FILE_MAX);
    ENT_OK(ent_file_read(path, &file));
    ENT_OK(ent_json_parse((const char *)file.data, file.len, FILE_MAX, 16, &root));
    ENT_OK(ent_calloc(1, sizeof *v, &v));
    while (ent_json_next(ent_json_get(root, "trees"), &iter, &name, &value)) {
        make_tree(v, name, value);
    }
    cases = ent_json_get(root, "cases");
    CU_ASSERT(ent_json_len(cases) > 0);
    for (size_t i = 0; i < ent_json_len(cases); i++) {
        run_case(v, ent_json_at(cases, i));
    }
    for (size_t i = 0; i < v->n_trees; i++) {
        kept_release(&v->trees[i].kept);
    }
    free(v);
    ent_json_free(root);
    ent_buf_release(&file);
}
