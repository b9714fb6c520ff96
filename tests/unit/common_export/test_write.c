/* The writer: what stands in an export, and that nothing is left behind when it cannot be made. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/write.h"
#include "common/tlog/note.h"
#include "common/tlog/tiles.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

static struct ent_forge *forge_of(size_t members, uint32_t rounds)
{
    struct ent_forge_options options = {.seed = 7,
                                        .n_members = members,
                                        .train_rounds = rounds,
                                        .validate = true,
                                        .test = true,
                                        .plain = true};
    struct ent_forge *forge = NULL;

    ENT_OK(ent_forge_new(&options, &forge));
    return forge;
}

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static size_t n_entries(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    if (d == NULL) {
        return 0;
    }
    while (readdir(d) != NULL) { /* NOLINT(concurrency-mt-unsafe): one thread */
        n++;
    }
    (void)closedir(d);
    return n - 2;
}

static struct ent_buf content(const char *dir, const char *name)
{
    struct ent_buf bytes;

    ent_buf_init(&bytes, (size_t)1 << 24);
    ENT_OK(ent_file_read_in(dir, name, &bytes));
    return bytes;
}

static bool same_file(const char *a, const char *b, const char *name)
{
    struct ent_buf x = content(a, name);
    struct ent_buf y = content(b, name);
    bool same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;

    ent_buf_release(&x);
    ent_buf_release(&y);
    return same;
}

/* Hashes as ent_merkle_node_fn: of a forge's leaves, by brute force. */
static enum ent_err node_of(void *ctx, unsigned level, uint64_t index, uint8_t out[32])
{
    const struct ent_forge *forge = ctx;
    struct ent_merkle tree;
    struct ent_sha256 hash = {0};
    uint64_t n = UINT64_C(1) << level;

    ent_merkle_init(&tree);
    for (uint64_t i = index * n; i < (index + 1) * n; i++) {
        uint8_t leaf[32];

        ENT_TRY(ent_sha256_leaf(forge->leaves[i].bytes, forge->leaves[i].len, leaf));
        ENT_TRY(ent_merkle_append(&tree, &hash, leaf, NULL, NULL));
    }
    ENT_TRY(ent_merkle_root(&tree, &hash, out));
    ent_sha256_release(&hash);
    return ENT_E_OK;
}

static void check_hashes(const char *dir, const struct ent_tile *tile, struct ent_forge *forge)
{
    uint8_t expected[ENT_TILES_HASHES_BYTES];
    char path[ENT_TILES_PATH_MAX];
    struct ent_buf bytes;

    ent_tiles_path(tile, path);
    bytes = content(dir, path);
    ENT_OK(ent_tiles_hashes(tile, node_of, forge, expected));
    CU_ASSERT_EQUAL_FATAL(bytes.len, (size_t)tile->width * 32);
    CU_ASSERT_EQUAL(memcmp(bytes.data, expected, bytes.len), 0);
    ent_buf_release(&bytes);
}

static void check_bundle(const char *dir, const struct ent_tile *tile,
                         const struct ent_forge *forge)
{
    char path[ENT_TILES_PATH_MAX];
    struct ent_tiles_bundle bundle;
    struct ent_bytes leaf;
    struct ent_buf bytes;
    size_t i = (size_t)tile->index * 256;

    ent_tiles_path(tile, path);
    bytes = content(dir, path);
    ENT_OK(ent_tiles_bundle_open(bytes.data, bytes.len, tile->width, &bundle));
    for (; ent_tiles_bundle_next(&bundle, &leaf); i++) {
        CU_ASSERT_EQUAL_FATAL(leaf.len, forge->leaves[i].len);
        CU_ASSERT_EQUAL(memcmp(leaf.data, forge->leaves[i].bytes, leaf.len), 0);
    }
    CU_ASSERT_EQUAL(i, (size_t)tile->index * 256 + tile->width);
    ent_buf_release(&bytes);
}

/* Every tile of that size is there, and holds what a tree made another way gives. */
ENT_TEST(export_write, log_stands_in_tiles)
{
    struct ent_forge *forge = forge_of(5, 12); /* some 340 leaves */
    char *to = in(ent_test_tmpdir(), "out");
    struct ent_tiles_iter iter = ent_tiles_of(forge->n_leaves);
    struct ent_tile tile;
    size_t n = 0;

    CU_ASSERT_FATAL(forge->n_leaves > 256);
    ENT_OK(ent_forge_export(forge, to, false));
    for (; ent_tiles_next(&iter, &tile); n++) {
        if (tile.entries) {
            check_bundle(to, &tile, forge);
        } else {
            check_hashes(to, &tile, forge);
        }
    }
    CU_ASSERT_EQUAL(n, 5); /* two of level 0, one of level 1, two bundles */
    free(to);
    ent_forge_free(forge);
}

/* Notes as they were published, blobs under their digest, reader and readme. */
ENT_TEST(export_write, notes_blobs_and_texts)
{
    struct ent_forge *forge = forge_of(3, 2);
    char *to = in(ent_test_tmpdir(), "out");

    ENT_OK(ent_forge_export(forge, to, false));
    for (size_t i = 0; i < forge->n_notes; i++) {
        char name[64];
        struct ent_buf bytes;

        (void)snprintf(name, sizeof name, "checkpoints/%llu.note",
                       (unsigned long long)forge->notes[i].size);
        bytes = content(to, name);
        CU_ASSERT_FATAL(bytes.len == forge->notes[i].text.len);
        CU_ASSERT_EQUAL(memcmp(bytes.data, forge->notes[i].text.data, bytes.len), 0);
        ent_buf_release(&bytes);
    }
    for (size_t i = 0; i < forge->n_blobs; i++) {
        char hex[65];
        char name[96];
        struct ent_buf bytes;

        ent_hex(forge->blobs[i].digest, 32, hex);
        (void)snprintf(name, sizeof name, "blob/%.2s/%s", hex, hex);
        bytes = content(to, name);
        CU_ASSERT_EQUAL(bytes.len, forge->blobs[i].len);
        ent_buf_release(&bytes);
    }
    CU_ASSERT(ent_export_verify_py.len > 1000 && ent_export_readme.len > 100);
    for (size_t i = 0; i < 2; i++) {
        struct ent_bytes embedded = i == 0 ? ent_export_verify_py : ent_export_readme;
        struct ent_buf bytes = content(to, i == 0 ? "verify.py" : "README.txt");

        CU_ASSERT_FATAL(bytes.len == embedded.len);
        CU_ASSERT_EQUAL(memcmp(bytes.data, embedded.data, bytes.len), 0);
        ent_buf_release(&bytes);
    }
    CU_ASSERT_EQUAL(n_entries(to), 7);
    free(to);
    ent_forge_free(forge);
}

/* The same log gives the same bytes, and a log of the same seed is the same log. */
ENT_TEST(export_write, same_log_same_bytes)
{
    struct ent_forge *a = forge_of(3, 2);
    struct ent_forge *b = forge_of(3, 2);
    const char *dir = ent_test_tmpdir();
    char *to_a = in(dir, "a");
    char *to_b = in(dir, "b");

    ENT_OK(ent_forge_export(a, to_a, false));
    ENT_OK(ent_forge_export(b, to_b, false));
    CU_ASSERT(same_file(to_a, to_b, "checkpoint"));
    CU_ASSERT(same_file(to_a, to_b, "policy.sample"));
    free(to_a);
    free(to_b);
    ent_forge_free(a);
    ent_forge_free(b);
}

ENT_TEST(export_write, existing_target_is_refused)
{
    struct ent_forge *forge = forge_of(2, 1);
    const char *dir = ent_test_tmpdir();
    char *to = in(dir, "out");
    char *slashed = in(dir, "out///");

    ENT_OK(ent_file_write_new(to, "x", 1, 0600));
    ENT_FAILS(ent_forge_export(forge, to, false), ENT_E_EXISTS);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "never written over"));
    CU_ASSERT_EQUAL(n_entries(dir), 1);
    ENT_OK(ent_file_remove(to));
    ENT_OK(ent_forge_export(forge, slashed, false));
    ENT_FAILS(ent_forge_export(forge, slashed, false), ENT_E_EXISTS);
    CU_ASSERT_EQUAL(n_entries(dir), 1);
    free(to);
    free(slashed);
    ent_forge_free(forge);
}

ENT_TEST(export_write, leaves_of_another_tree_are_refused)
{
    struct ent_forge *forge = forge_of(2, 1);
    const char *dir = ent_test_tmpdir();
    char *to = in(dir, "out");

    forge->leaves[3].bytes[60] ^= 1; /* and nobody signs again */
    ENT_FAILS(ent_forge_export(forge, to, false), ENT_E_CORRUPT);
    CU_ASSERT_EQUAL(n_entries(dir), 0);
    free(to);
    ent_forge_free(forge);
}

/* ---- sources that lie ---- */

struct source {
    struct ent_buf note;
    size_t fail_at; /* leaf that cannot be read; SIZE_MAX: none */
    uint64_t sizes[2];
    const char *path; /* of the blob */
    bool wrong_digest;
};

static enum ent_err one_leaf(void *ctx, uint64_t index, struct ent_bytes *out)
{
    struct source *source = ctx;

    ENT_REQUIRE(index != source->fail_at, ENT_E_IO, "the disk is gone");
    *out = (struct ent_bytes){(const uint8_t *)"leaf", 4};
    return ENT_E_OK;
}

static enum ent_err one_note(void *ctx, size_t i, struct ent_export_note *out)
{
    const struct source *source = ctx;

    *out = (struct ent_export_note){source->sizes[i], {source->note.data, source->note.len}};
    return ENT_E_OK;
}

static enum ent_err one_blob(void *ctx, size_t i, struct ent_export_blob *out)
{
    const struct source *source = ctx;

    (void)i;
    out->path = source->path;
    out->bytes = (struct ent_bytes){(const uint8_t *)"blob", 4};
    ENT_TRY(ent_sha256("blob", 4, out->digest));
    out->digest[0] ^= source->wrong_digest ? 1 : 0;
    return ENT_E_OK;
}

/* A checkpoint over three leaves "leaf", whose signature nobody looks at here. */
static void make_note(struct ent_buf *out)
{
    struct ent_checkpoint checkpoint = {.origin = "o", .size = 3};
    struct ent_sign_key *key = NULL;
    struct ent_sha256 hash = {0};
    struct ent_merkle tree;
    uint8_t leaf[32];

    ENT_OK(ent_sha256_leaf("leaf", 4, leaf));
    ent_merkle_init(&tree);
    for (size_t i = 0; i < 3; i++) {
        ENT_OK(ent_merkle_append(&tree, &hash, leaf, NULL, NULL));
    }
    ENT_OK(ent_merkle_root(&tree, &hash, checkpoint.root));
    ENT_OK(ent_sign_key_generate(&key));
    ent_buf_init(out, 4096);
    ENT_OK(ent_note_begin(&checkpoint, out));
    ENT_OK(ent_note_sign(out, "o", key));
    ent_sign_key_free(key);
    ent_sha256_release(&hash);
}

static enum ent_err write_it(struct source *s, uint64_t size, const char *dir)
{
    struct ent_export_source source = {.ctx = s,
                                       .size = size,
                                       .leaf = one_leaf,
                                       .n_notes = 2,
                                       .note = one_note,
                                       .n_blobs = 2,
                                       .blob = one_blob,
                                       .checkpoint = {s->note.data, s->note.len}};
    char *to = in(dir, "out");
    enum ent_err err = ent_export_write(&source, to);

    free(to);
    return err;
}

/* Whatever goes wrong: its own code, and nothing stays behind. */
ENT_TEST(export_write, what_cannot_be_exported)
{
    const char *dir = ent_test_tmpdir();
    const char *elsewhere = ent_test_tmpdir();
    char *blob = in(elsewhere, "blob");
    char *nothing = in(elsewhere, "nothing");
    struct source good = {.fail_at = SIZE_MAX, .sizes = {1, 3}};
    struct source s;

    make_note(&good.note);
    ENT_OK(ent_file_write_new(blob, "blub", 4, 0600));
    ENT_FAILS(write_it(&good, 0, dir), ENT_E_SHAPE);
    ENT_FAILS(write_it(&good, 2, dir), ENT_E_SHAPE);
    s = good;
    s.fail_at = 2;
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_IO);
    s = good;
    s.sizes[0] = 3;
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_SHAPE);
    s.sizes[0] = 1;
    s.sizes[1] = 4;
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_SHAPE);
    s = good;
    s.wrong_digest = true;
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_CORRUPT);
    s = good;
    s.path = blob; /* another content than its digest says */
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), blob));
    s.path = nothing;
    ENT_FAILS(write_it(&s, 3, dir), ENT_E_NOT_FOUND);
    CU_ASSERT_EQUAL(n_entries(dir), 0);
    ENT_OK(write_it(&good, 3, dir));
    CU_ASSERT_EQUAL(n_entries(dir), 1);
    ent_buf_release(&good.note);
    free(blob);
    free(nothing);
}
