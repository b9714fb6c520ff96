#include "tests/unit/coordinator_store/make_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/tlog/leaf.h"
#include "common/tlog/note.h"
#include "tests/unit/coordinator_store/make.h"

static enum ent_err key_of(uint8_t tag, struct ent_sign_key **key)
{
    uint8_t seed[ENT_SIGN_SEED_BYTES];

    memset(seed, tag, sizeof seed);
    return ent_sign_key_of_seed(seed, key);
}

static enum ent_err pub_of(uint8_t tag, uint8_t pub[ENT_SIGN_PUB_BYTES])
{
    struct ent_sign_key *key = NULL;

    ENT_TRY(key_of(tag, &key));
    ent_sign_key_pub(key, pub);
    ent_sign_key_free(key);
    return ENT_E_OK;
}

enum ent_err log_begin(struct ent_store *store)
{
    struct ent_leaf_frame frame = {.type = ENT_LEAF_GENESIS};
    struct ent_leaf_genesis genesis = {.origin = LOG_ORIGIN, .name = "acme"};

    memset(genesis.ca_sha256, 7, sizeof genesis.ca_sha256);
    ENT_TRY(pub_of(1, genesis.log_pub));
    ENT_TRY(pub_of(2, genesis.root_pub));
    return ent_store_log_append(store, &frame, &genesis, NOW, NULL, NULL);
}

enum ent_err log_add(struct ent_store *store, uint32_t tag, uint64_t now_ms)
{
    uint8_t subject[4];
    struct ent_leaf_frame frame = {.type = ENT_LEAF_OPERATOR_ACTION};
    struct ent_leaf_operator_action action = {.action = ENT_LOG_INVITE, .subject = {subject, 4}};

    ent_put_be32(subject, tag);
    return ent_store_log_append(store, &frame, &action, now_ms, NULL, NULL);
}

enum ent_err log_add_many(struct ent_store *store, uint32_t tag, size_t n)
{
    enum ent_err err;

    ENT_TRY(ent_store_begin(store));
    err = ENT_E_OK;
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        err = log_add(store, tag + (uint32_t)i, NOW);
    }
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err;
    }
    return ent_store_commit(store);
}

enum ent_err log_add_accept(struct ent_store *store, const uint8_t payload[32],
                            uint8_t (*sealed)[32], size_t n, uint64_t now_ms)
{
    static const uint8_t header[] = {8, 1};
    struct ent_leaf_frame frame = {.type = ENT_LEAF_UPDATE_ACCEPT, .run = 1, .round = 3};
    struct ent_leaf_update_accept accept = {.has_update = true,
                                            .update = {.header = {header, sizeof header}},
                                            .weight = 1,
                                            .sealed = sealed,
                                            .n_sealed = n};

    memcpy(accept.update.payload_sha256, payload, 32);
    return ent_store_log_append(store, &frame, &accept, now_ms, NULL, NULL);
}

enum ent_err log_note(struct ent_store *store, struct ent_buf *note)
{
    struct ent_checkpoint checkpoint = {.origin = LOG_ORIGIN};
    struct ent_sign_key *key = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_log_committed(store, &checkpoint.size, checkpoint.root));
    ENT_TRY(key_of(1, &key));
    err = ent_note_begin(&checkpoint, note);
    if (err == ENT_E_OK) {
        err = ent_note_sign(note, LOG_ORIGIN, key);
    }
    ent_sign_key_free(key);
    return err;
}

enum ent_err log_put_note(struct ent_store *store)
{
    struct ent_buf note;
    uint64_t size = 0;
    uint8_t root[32];
    enum ent_err err;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    err = log_note(store, &note);
    if (err == ENT_E_OK) {
        err = ent_store_log_committed(store, &size, root);
    }
    if (err == ENT_E_OK) {
        err = ent_store_ckpt_put(store, size, root, (struct ent_bytes){note.data, note.len});
    }
    ent_buf_release(&note);
    return err;
}

enum ent_err log_hand_out(struct ent_store *store, int fd)
{
    uint8_t head[40];
    uint64_t size = 0;

    ENT_TRY(ent_store_log_committed(store, &size, head + 8));
    ent_put_be64(head, size);
    return ent_fd_write(fd, head, sizeof head);
}

static enum ent_err is_prefix(struct ent_store *store, uint64_t size, const uint8_t *root)
{
    uint8_t found[32];

    ENT_TRY(ent_store_log_root_at(store, size, found));
    ENT_REQUIRE(memcmp(found, root, sizeof found) == 0, ENT_E_DIGEST,
                "the head of %llu that was handed out is no prefix", (unsigned long long)size);
    return ENT_E_OK;
}

/* The file of a digest that a leaf names. */
static enum ent_err is_there(struct ent_store *store, const uint8_t digest[32])
{
    uint8_t found[32];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_sealed_path(store, digest, &path));
    err = ent_sha256_file(path, found);
    free(path);
    ENT_TRY(err);
    ENT_REQUIRE(memcmp(found, digest, sizeof found) == 0, ENT_E_DIGEST,
                "a sealed file is not what its leaf says");
    return ENT_E_OK;
}

static enum ent_err check_sealed(struct ent_store *store)
{
    struct ent_store_kept *kept = NULL;
    enum ent_err err = ENT_E_OK;
    size_t n = 0;

    ENT_TRY(ent_store_sealed_list(store, ENT_STORE_KEPT_ALL, UINT64_MAX, &kept, &n));
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        err = is_there(store, kept[i].digest);
    }
    free(kept);
    return err;
}

enum ent_err log_check(struct ent_store *store, const char *handed)
{
    struct ent_buf heads;
    enum ent_err err;

    ENT_TRY(check_sealed(store));
    ent_buf_init(&heads, (size_t)1024 * 1024);
    err = ent_file_exists(handed) ? ent_file_read(handed, &heads) : ENT_E_OK;
    for (size_t at = 0; err == ENT_E_OK && at + 40 <= heads.len; at += 40) {
        err = is_prefix(store, ent_get_be64(heads.data + at), heads.data + at + 8);
    }
    ent_buf_release(&heads);
    return err;
}

static enum ent_err seal(struct ent_store *store, uint32_t tag, uint8_t digest[32])
{
    struct ent_store_sealed *w = NULL;
    uint8_t bytes[3000] = {0};
    enum ent_err err;

    ent_put_be32(bytes, tag);
    ENT_TRY(ent_store_sealed_begin(store, &w));
    err = ent_store_sealed_write(w, bytes, sizeof bytes);
    if (err != ENT_E_OK) {
        ent_store_sealed_discard(w);
        return err;
    }
    return ent_store_sealed_commit(w, digest);
}

static enum ent_err append_step(struct ent_store *store, uint32_t tag)
{
    uint8_t sealed[1][32];
    uint8_t payload[32] = {0};

    ENT_TRY(seal(store, tag, sealed[0]));
    ENT_TRY(log_add_accept(store, payload, sealed, 1, NOW));
    for (uint32_t i = 1; i < LOG_STEP; i++) {
        ENT_TRY(log_add(store, tag + i, NOW));
    }
    return ENT_E_OK;
}

static enum ent_err keep_note(struct ent_store *store)
{
    struct ent_buf note;
    struct ent_buf line;
    uint8_t handle[ENT_STORE_ID_BYTES];
    uint64_t size = 0;
    enum ent_err err;

    memset(handle, 9, sizeof handle);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    err = log_put_note(store);
    if (err == ENT_E_OK) {
        err = log_note(store, &note);
    }
    if (err == ENT_E_OK) {
        err = log_cosign(&note, 9, &line);
    }
    if (err == ENT_E_OK) {
        err = ent_store_log_size(store, &size);
    }
    if (err == ENT_E_OK) {
        err = ent_store_cosig_put(store, size, handle, (struct ent_bytes){line.data, line.len});
    }
    if (err == ENT_E_OK) {
        err = ent_store_ckpt_set_quorum(store, size);
    }
    ent_buf_release(&note);
    ent_buf_release(&line);
    return err;
}

static enum ent_err in_one(struct ent_store *store, enum ent_err err)
{
    if (err != ENT_E_OK) {
        ent_store_rollback(store);
        return err;
    }
    return ent_store_commit(store);
}

enum ent_err log_step(struct ent_store *store, uint32_t tag, int handed)
{
    ENT_TRY(ent_store_begin(store));
    ENT_TRY(in_one(store, append_step(store, tag)));
    ENT_TRY(log_hand_out(store, handed));
    ENT_TRY(ent_store_begin(store));
    return in_one(store, keep_note(store));
}

enum ent_err log_cosign(const struct ent_buf *note, uint8_t tag, struct ent_buf *line)
{
    struct ent_note parsed;
    struct ent_sign_key *key = NULL;
    char name[64];
    enum ent_err err;

    (void)snprintf(name, sizeof name, "%s/%02x", LOG_ORIGIN, tag);
    ENT_TRY(ent_note_parse((const char *)note->data, note->len, &parsed));
    ENT_TRY(key_of(tag, &key));
    err = ent_note_cosign(&parsed, name, key, 1700000000, line);
    ent_sign_key_free(key);
    return err;
}
