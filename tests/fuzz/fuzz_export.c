/* An export whose files anybody may have written, read and verified. The first byte says what the rest is:
 *
 *   bit 0 clear: u16 length, `checkpoint`; u16 length, the hash tile; the entry bundle: as they are
 *   bit 0 set: leaves (u16 length, leaf, ...), to which tile and checkpoint are made, so that the leaves are looked
 *     at; bit 1: and a stored note of every size; bit 2: behind an empty leaf blobs (u16 length, bytes, ...)
 *
 * An auditor's key is there, that of forged federations of seed 1. Replay and report are asked, too.
 *
 * Whatever comes: an error with a sentence, or findings; never a PASS, because nobody pinned a policy. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/replay.h"
#include "audit/report.h"
#include "audit/verify.h"
#include "common/base/file.h"

#define LEAVES_MAX 256u
#define BLOBS_MAX 64u

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64];

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* ---- the directory ---- */

static void path_of(const char *name, char out[160])
{
    (void)snprintf(out, 160, "%s/%s", top, name);
}

static void remove_dir(const char *name)
{
    char path[160];

    path_of(name, path);
    (void)rmdir(path);
}

static void drop(const char *name)
{
    char path[160];

    path_of(name, path);
    (void)unlink(path);
}

static void leave(void)
{
    static const char *const dirs[] = {
        "tile/0/000.p", "tile/entries/000.p", "tile/0", "tile/entries", "tile", "checkpoints"};

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        remove_dir(dirs[i]);
    }
    for (unsigned i = 0; i < 256; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "blob/%02x", i);
        remove_dir(name);
    }
    remove_dir("blob");
    drop("key");
    (void)rmdir(top);
}

static void make_dir(const char *name)
{
    char path[160];

    path_of(name, path);
    require(mkdir(path, 0700) == 0);
}

static void put_key(void)
{
    static const char label[] = "seal";
    uint8_t numbers[24] = {0};
    const struct ent_part parts[] = {{label, sizeof label}, {numbers, sizeof numbers}};
    struct ent_x25519_key *key = NULL;
    uint8_t secret[32];
    char path[160];

    ent_put_be64(numbers, 1);
    path_of("key", path);
    require(ent_sha256_parts(parts, 2, secret) == ENT_E_OK);
    require(ent_x25519_key_of_secret(secret, &key) == ENT_E_OK);
    require(ent_x25519_key_save(key, path) == ENT_E_OK);
    ent_x25519_key_free(key);
}

static void enter(void)
{
    if (top[0] != '\0') {
        return;
    }
    (void)snprintf(top, sizeof top, "/tmp/entente-fuzz.XXXXXX");
    require(mkdtemp(top) != NULL);
    make_dir("checkpoints");
    make_dir("tile");
    make_dir("tile/0");
    make_dir("tile/entries");
    make_dir("tile/0/000.p");
    make_dir("tile/entries/000.p");
    make_dir("blob");
    put_key();
    (void)atexit(leave);
}

static void put(const char *name, const void *bytes, size_t len)
{
    char path[160];
    int fd;

    path_of(name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && ent_fd_write(fd, bytes, len) == ENT_E_OK);
    (void)close(fd);
}

static void name_of(bool entries, uint64_t n, char out[ENT_TILES_PATH_MAX])
{
    struct ent_tile tile = {.entries = entries, .width = (unsigned)n};

    ent_tiles_path(&tile, out);
}

static void put_tile(bool entries, uint64_t n, const void *bytes, size_t len)
{
    char name[ENT_TILES_PATH_MAX];

    name_of(entries, n, name);
    put(name, bytes, len);
}

/* ---- what is asked ---- */

static void again(struct ent_export *export, const char *key)
{
    struct ent_replay_options options = {.key = key};
    struct ent_replay replay = {0};
    struct ent_buf text;
    enum ent_err err = ent_replay_export(export, &options, &replay);

    require(err == ENT_E_OK || ent_err_message()[0] != '\0');
    if (err == ENT_E_OK) {
        ent_buf_init(&text, (size_t)16 << 20);
        require(ent_replay_print(&replay, true, &text) == ENT_E_OK);
        require(ent_replay_print_json(&replay, &text) == ENT_E_OK);
        ent_buf_release(&text);
    }
    ent_replay_release(&replay);
}

static void report(const struct ent_audit_facts *facts)
{
    struct ent_report_names names = {0};
    struct ent_report_request request = {
        .export_dir = "export", .out = "report.html", .names = &names};
    struct ent_buf text;

    ent_buf_init(&text, ENT_REPORT_PAGE_MAX_BYTES);
    require(ent_report_html(facts, &request, &text) == ENT_E_OK);
    require(ent_report_json(facts, &request, &text) == ENT_E_OK);
    ent_buf_release(&text);
}

static void look(bool opens)
{
    char key[160];
    struct ent_audit_options options = {.threads = 1, .key = key};
    struct ent_audit_facts facts = {0};
    struct ent_export *export = NULL;
    enum ent_err err = ent_export_open(top, &export);
    struct ent_buf text;

    path_of("key", key);
    require(err == ENT_E_OK || !opens);
    if (err == ENT_E_OK) {
        err = ent_audit_verify(export, &options, &facts);
    }
    require(err == ENT_E_OK || ent_err_message()[0] != '\0');
    if (err == ENT_E_OK) {
        require(ent_audit_verdict(&facts) != ENT_AUDIT_PASS);
        ent_buf_init(&text, (size_t)4 << 20);
        require(ent_audit_print(&facts, &text) == ENT_E_OK);
        require(ent_audit_print_json(&facts, &text) == ENT_E_OK);
        ent_buf_release(&text);
        report(&facts);
        again(export, key);
    }
    ent_audit_facts_release(&facts);
    ent_export_close(export);
}

/* ---- as they are ---- */

static struct ent_bytes take(const uint8_t **at, size_t *left)
{
    struct ent_bytes bytes = {*at, 0};

    if (*left >= 2) {
        bytes.len = ent_get_be16(*at);
        bytes.data = *at + 2;
        *left -= 2;
        bytes.len = bytes.len < *left ? bytes.len : *left;
        *left -= bytes.len;
        *at = bytes.data + bytes.len;
    }
    return bytes;
}

static void raw(const uint8_t *at, size_t left)
{
    struct ent_bytes checkpoint = take(&at, &left);
    struct ent_bytes tile = take(&at, &left);
    struct ent_checkpoint claim = {.size = 1};
    struct ent_note note;
    char name[ENT_TILES_PATH_MAX];

    if (ent_note_parse((const char *)checkpoint.data, checkpoint.len, &note) != ENT_E_OK ||
        ent_checkpoint_parse(note.text, note.text_len, &claim) != ENT_E_OK || claim.size == 0 ||
        claim.size > LEAVES_MAX) {
        claim.size = 1;
    }
    put("checkpoint", checkpoint.data, checkpoint.len);
    put_tile(false, claim.size, tile.data, tile.len);
    put_tile(true, claim.size, at, left);
    look(false);
    for (unsigned i = 0; i < 2; i++) {
        name_of(i == 1, claim.size, name);
        drop(name);
    }
    drop("checkpoint");
}

/* ---- leaves ---- */

static void put_note(const char *name, const struct ent_merkle *tree, struct ent_sha256 *hash)
{
    struct ent_checkpoint checkpoint = {.origin = "fuzz.example/log", .size = tree->size};
    static const char line[] = "\xe2\x80\x94 fuzz.example/log AAAAAAAA\n";
    struct ent_buf text;

    require(ent_merkle_root(tree, hash, checkpoint.root) == ENT_E_OK);
    ent_buf_init(&text, 4096);
    require(ent_note_begin(&checkpoint, &text) == ENT_E_OK);
    require(ent_buf_add(&text, line, sizeof line - 1) == ENT_E_OK);
    put(name, text.data, text.len);
    ent_buf_release(&text);
}

static void note_name(uint64_t size, char out[64])
{
    (void)snprintf(out, 64, "checkpoints/%llu.note", (unsigned long long)size);
}

struct blobs {
    char names[BLOBS_MAX][80];
    size_t n;
};

static void put_blobs(struct blobs *blobs, const uint8_t *at, size_t left)
{
    while (left >= 2 && blobs->n < BLOBS_MAX) {
        struct ent_bytes blob = take(&at, &left);
        char *name = blobs->names[blobs->n++];
        uint8_t digest[32];
        char path[160];
        char hex[65];

        require(ent_sha256(blob.data, blob.len, digest) == ENT_E_OK);
        ent_hex(digest, sizeof digest, hex);
        (void)snprintf(name, sizeof blobs->names[0], "blob/%.2s", hex);
        path_of(name, path);
        (void)mkdir(path, 0700);
        (void)snprintf(name, sizeof blobs->names[0], "blob/%.2s/%s", hex, hex);
        put(name, blob.data, blob.len);
    }
}

static void leaves(const uint8_t *at, size_t left, bool notes, bool with_blobs)
{
    struct blobs blobs = {.n = 0};
    const uint8_t *first = at;
    struct ent_merkle tree;
    struct ent_sha256 hash = {0};
    uint8_t hashes[LEAVES_MAX * ENT_MERKLE_BYTES];
    char name[64];

    ent_merkle_init(&tree);
    while (left >= 2 && tree.size < LEAVES_MAX && (size_t)ent_get_be16(at) + 2 <= left &&
           !(with_blobs && ent_get_be16(at) == 0)) {
        struct ent_bytes leaf = take(&at, &left);
        uint8_t *to = hashes + tree.size * ENT_MERKLE_BYTES;

        require(ent_sha256_leaf_with(&hash, leaf.data, leaf.len, to) == ENT_E_OK);
        require(ent_merkle_append(&tree, &hash, to, NULL, NULL) == ENT_E_OK);
        if (notes) {
            note_name(tree.size, name);
            put_note(name, &tree, &hash);
        }
    }
    if (tree.size > 0) {
        put_tile(false, tree.size, hashes, tree.size * ENT_MERKLE_BYTES);
        put_tile(true, tree.size, first, (size_t)(at - first));
        put_note("checkpoint", &tree, &hash);
        if (with_blobs && left >= 2) {
            put_blobs(&blobs, at + 2, left - 2);
        }
        look(true);
        for (unsigned i = 0; i < 2; i++) {
            name_of(i == 1, tree.size, name);
            drop(name);
        }
        drop("checkpoint");
    }
    for (size_t i = 0; i < blobs.n; i++) {
        drop(blobs.names[i]);
    }
    for (uint64_t i = 1; notes && i <= tree.size; i++) {
        note_name(i, name);
        drop(name);
    }
    ent_sha256_release(&hash);
}

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enter();
    if (data[0] & 1) {
        leaves(data + 1, size - 1, (data[0] & 2) != 0, (data[0] & 4) != 0);
    } else {
        raw(data + 1, size - 1);
    }
    return 0;
}
