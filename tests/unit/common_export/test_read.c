/* The reader: what it hands out is what was written, and everything that a file can be is an error. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/export/read.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

static struct ent_forge *forge_of(size_t members, uint32_t rounds)
{
    struct ent_forge_options options = {
        .seed = 11, .n_members = members, .train_rounds = rounds, .plain = true};
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

static char *export_of(const struct ent_forge *forge)
{
    char *to = in(ent_test_tmpdir(), "export");

    ENT_OK(ent_forge_export(forge, to, true));
    return to;
}

ENT_TEST(read, leaves_and_nodes)
{
    struct ent_forge *forge = forge_of(9, 24); /* more than one tile, and a partial one */
    char *dir = export_of(forge);
    struct ent_export *export = NULL;
    struct ent_export_leaves leaves;
    struct ent_bytes leaf;
    bool more = true;
    uint64_t n = 0;

    ENT_OK(ent_export_open(dir, &export));
    CU_ASSERT_FATAL(forge->n_leaves > 300);
    CU_ASSERT_EQUAL_FATAL(ent_export_claim(export)->size, forge->n_leaves);
    ENT_OK(ent_export_leaves_begin(export, 0, &leaves));
    for (;; n++) {
        ENT_OK(ent_export_leaves_next(&leaves, &leaf, &more));
        if (!more) {
            break;
        }
        CU_ASSERT_EQUAL_FATAL(leaf.len, forge->leaves[n].len);
        CU_ASSERT_EQUAL(memcmp(leaf.data, forge->leaves[n].bytes, leaf.len), 0);
    }
    ent_export_leaves_release(&leaves);
    CU_ASSERT_EQUAL(n, forge->n_leaves);
    for (uint64_t i = 0; i < n; i += 37) {
        struct ent_merkle_proof proof;
        struct ent_buf one;
        uint8_t hash[32];

        ent_buf_init(&one, ENT_LEAF_MAX_BYTES);
        ENT_OK(ent_export_leaf(export, i, &one));
        ENT_OK(ent_sha256_leaf(one.data, one.len, hash));
        ENT_OK(ent_merkle_prove_inclusion(ent_export_node, export, i, n, &proof));
        ENT_OK(ent_merkle_verify_inclusion(i, n, hash, &proof, ent_export_claim(export)->root));
        ent_buf_release(&one);
    }
    ENT_FAILS(ent_export_leaves_begin(export, n + 1, &leaves), ENT_E_SHAPE);
    ent_export_close(export);
    ent_forge_free(forge);
    free(dir);
}

ENT_TEST(read, notes_and_blobs)
{
    struct ent_forge *forge = forge_of(3, 2);
    char *dir = export_of(forge);
    struct ent_export *export = NULL;
    uint8_t none[32] = {1};
    struct ent_buf bytes;
    const uint64_t *sizes;
    uint64_t size;
    size_t n;

    ent_buf_init(&bytes, (size_t)1 << 24);
    ENT_OK(ent_export_open(dir, &export));
    sizes = ent_export_sizes(export, &n);
    CU_ASSERT_EQUAL_FATAL(n, forge->n_notes);
    for (size_t i = 0; i < n; i++) {
        ent_buf_clear(&bytes);
        CU_ASSERT_EQUAL(sizes[i], forge->notes[i].size);
        ENT_OK(ent_export_note(export, sizes[i], &bytes));
        CU_ASSERT_EQUAL(bytes.len, forge->notes[i].text.len);
    }
    ENT_FAILS(ent_export_note(export, 1u << 30, &bytes), ENT_E_NOT_FOUND);
    for (size_t i = 0; i < forge->n_blobs; i++) {
        const struct ent_forge_blob *blob = &forge->blobs[i];

        ENT_OK(ent_export_blob_check(export, blob->digest));
        ENT_OK(ent_export_blob_size(export, blob->digest, &size));
        CU_ASSERT_EQUAL(size, blob->len);
        ent_buf_clear(&bytes);
        ENT_OK(ent_export_blob(export, blob->digest, &bytes));
        CU_ASSERT_EQUAL_FATAL(bytes.len, blob->len);
        CU_ASSERT_EQUAL(memcmp(bytes.data, blob->bytes, blob->len), 0);
    }
    ENT_FAILS(ent_export_blob_check(export, none), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_export_blob(export, none, &bytes), ENT_E_NOT_FOUND);
    ent_buf_release(&bytes);
    ent_export_close(export);
    ent_forge_free(forge);
    free(dir);
}

/* ---- what files can be ---- */

static void put(const char *dir, const char *name, const void *bytes, size_t len)
{
    char *path = in(dir, name);

    ENT_OK(ent_file_write_atomic(path, bytes, len, 0600));
    free(path);
}

static void drop(const char *dir, const char *name)
{
    char *path = in(dir, name);

    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    free(path);
}

static void cut(const char *dir, const char *name, off_t len)
{
    char *path = in(dir, name);

    CU_ASSERT_EQUAL_FATAL(truncate(path, len), 0);
    free(path);
}

/* The file itself, over a symbolic link. */
static void link_to(const char *dir, const char *name)
{
    char *path = in(dir, name);
    char *away = in(dir, "away");

    CU_ASSERT_EQUAL_FATAL(rename(path, away), 0);
    CU_ASSERT_EQUAL_FATAL(symlink(away, path), 0);
    free(path);
    free(away);
}

static void pipe_at(const char *dir, const char *name)
{
    char *path = in(dir, name);

    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    free(path);
}

static void dir_at(const char *dir, const char *name)
{
    char *path = in(dir, name);

    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    free(path);
}

static char bundle_name[ENT_TILES_PATH_MAX];
static char tile_name[ENT_TILES_PATH_MAX];
static char note_name[64];

static void no_checkpoint(const char *dir)
{
    drop(dir, "checkpoint");
}
static void checkpoint_not_utf8(const char *dir)
{
    put(dir, "checkpoint", "\xff\xfe\n1\n\n", 6);
}
static void checkpoint_empty(const char *dir)
{
    put(dir, "checkpoint", "", 0);
}
static void checkpoint_huge(const char *dir)
{
    cut(dir, "checkpoint", (off_t)1 << 33);
}
static void checkpoint_linked(const char *dir)
{
    link_to(dir, "checkpoint");
}
static void notes_linked(const char *dir)
{
    link_to(dir, "checkpoints");
}
static void notes_of_no_number(const char *dir)
{
    put(dir, "checkpoints/007.note", "x", 1);
}
static void notes_too_large(const char *dir)
{
    put(dir, "checkpoints/99999999999999999999.note", "x", 1);
}
static void no_bundle(const char *dir)
{
    drop(dir, bundle_name);
}
static void bundle_short(const char *dir)
{
    cut(dir, bundle_name, 100);
}
static void bundle_empty(const char *dir)
{
    cut(dir, bundle_name, 0);
}
static void bundle_huge(const char *dir)
{
    cut(dir, bundle_name, (off_t)1 << 33);
}
static void bundle_linked(const char *dir)
{
    link_to(dir, bundle_name);
}
static void bundle_pipe(const char *dir)
{
    pipe_at(dir, bundle_name);
}
static void bundle_dir(const char *dir)
{
    dir_at(dir, bundle_name);
}
static void entries_linked(const char *dir)
{
    link_to(dir, "tile/entries");
}

static const struct fault {
    const char *what;
    void (*make)(const char *dir);
    enum ent_err opened; /* of ent_export_open */
    enum ent_err read;   /* of reading all leaves, when it opened */
} faults[] = {
    {"no checkpoint", no_checkpoint, ENT_E_CORRUPT, ENT_E_OK},
    {"checkpoint that is no UTF-8", checkpoint_not_utf8, ENT_E_DATA, ENT_E_OK},
    {"empty checkpoint", checkpoint_empty, ENT_E_DATA, ENT_E_OK},
    {"checkpoint of 8 GiB", checkpoint_huge, ENT_E_LIMIT, ENT_E_OK},
    {"checkpoint behind a link", checkpoint_linked, ENT_E_CORRUPT, ENT_E_OK},
    {"checkpoints behind a link", notes_linked, ENT_E_CORRUPT, ENT_E_OK},
    {"two spellings of a number", notes_of_no_number, ENT_E_CORRUPT, ENT_E_OK},
    {"a number that is too large", notes_too_large, ENT_E_CORRUPT, ENT_E_OK},
    {"no bundle", no_bundle, ENT_E_OK, ENT_E_CORRUPT},
    {"short bundle", bundle_short, ENT_E_OK, ENT_E_CORRUPT},
    {"empty bundle", bundle_empty, ENT_E_OK, ENT_E_CORRUPT},
    {"bundle of 8 GiB", bundle_huge, ENT_E_OK, ENT_E_LIMIT},
    {"bundle behind a link", bundle_linked, ENT_E_OK, ENT_E_CORRUPT},
    {"bundle that is a pipe", bundle_pipe, ENT_E_OK, ENT_E_CORRUPT},
    {"bundle that is a directory", bundle_dir, ENT_E_OK, ENT_E_CORRUPT},
    {"bundles behind a link", entries_linked, ENT_E_OK, ENT_E_CORRUPT},
};

static enum ent_err read_all(struct ent_export *export)
{
    struct ent_export_leaves leaves;
    struct ent_bytes leaf;
    bool more = true;
    enum ent_err err = ent_export_leaves_begin(export, 0, &leaves);

    while (err == ENT_E_OK && more) {
        err = ent_export_leaves_next(&leaves, &leaf, &more);
    }
    ent_export_leaves_release(&leaves);
    return err;
}

static void try_fault(const struct ent_forge *forge, const struct fault *fault)
{
    char *dir = export_of(forge);
    struct ent_export *export = NULL;
    enum ent_err err;

    fault->make(dir);
    err = ent_export_open(dir, &export);
    if (err != fault->opened) {
        (void)fprintf(stderr, "%s: %s (%s)\n", fault->what, ent_err_name(err), ent_err_message());
    }
    CU_ASSERT_EQUAL(err, fault->opened);
    if (err == ENT_E_OK) {
        err = read_all(export);
        if (err != fault->read) {
            (void)fprintf(stderr, "%s: %s (%s)\n", fault->what, ent_err_name(err),
                          ent_err_message());
        }
        CU_ASSERT_EQUAL(err, fault->read);
    }
    CU_ASSERT(strlen(ent_err_message()) > 0);
    ent_export_close(export);
    free(dir);
}

static void name_files(const struct ent_forge *forge)
{
    struct ent_tile tile = {.width = (unsigned)forge->n_leaves};

    CU_ASSERT_FATAL(forge->n_leaves < ENT_TILES_WIDTH);
    ent_tiles_path(&tile, tile_name);
    tile.entries = true;
    ent_tiles_path(&tile, bundle_name);
    (void)snprintf(note_name, sizeof note_name, "checkpoints/%zu.note", forge->n_leaves);
}

ENT_TEST(read, every_fault_of_a_file_is_an_error)
{
    struct ent_forge *forge = forge_of(3, 1);

    name_files(forge);
    for (size_t i = 0; i < ENT_ARRAY_LEN(faults); i++) {
        try_fault(forge, &faults[i]);
    }
    ent_forge_free(forge);
}

ENT_TEST(read, tiles_notes_and_blobs_that_are_not)
{
    struct ent_forge *forge = forge_of(3, 1);
    char *dir = export_of(forge);
    struct ent_export *export = NULL;
    struct ent_tile tile = {.width = (unsigned)forge->n_leaves};
    char name[80];
    char hex[65];
    struct ent_buf bytes;
    uint8_t node[32];

    name_files(forge);
    ent_buf_init(&bytes, (size_t)1 << 16);
    ENT_OK(ent_export_open(dir, &export));
    ENT_OK(ent_export_tile(export, &tile, &bytes));
    cut(dir, tile_name, 33);
    ENT_FAILS(ent_export_tile(export, &tile, &bytes), ENT_E_CORRUPT);
    ENT_FAILS(ent_export_node(export, 0, 0, node), ENT_E_CORRUPT);
    drop(dir, tile_name);
    ENT_FAILS(ent_export_tile(export, &tile, &bytes), ENT_E_CORRUPT);
    link_to(dir, note_name);
    ENT_FAILS(ent_export_note(export, forge->n_leaves, &bytes), ENT_E_CORRUPT);
    ent_hex(forge->blobs[0].digest, 32, hex);
    (void)snprintf(name, sizeof name, "blob/%.2s/%s", hex, hex);
    put(dir, name, "other", 5);
    ent_buf_clear(&bytes);
    ENT_FAILS(ent_export_blob_check(export, forge->blobs[0].digest), ENT_E_DIGEST);
    ENT_FAILS(ent_export_blob(export, forge->blobs[0].digest, &bytes), ENT_E_DIGEST);
    cut(dir, name, (off_t)1 << 33);
    ENT_FAILS(ent_export_blob(export, forge->blobs[0].digest, &bytes), ENT_E_LIMIT);
    ent_buf_release(&bytes);
    ent_export_close(export);
    ENT_FAILS(ent_export_open("/nonexistent/export", &export), ENT_E_CORRUPT);
    ent_forge_free(forge);
    free(dir);
}
