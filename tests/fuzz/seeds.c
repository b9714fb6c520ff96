/* Writes one seed a message for fuzz_messages and fuzz_envelope: fuzz_seeds tests/fuzz/corpus */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/file.h"
#include "common/crypto/sign.h"
#include "tests/fuzz/leaf_samples.h"
#include "tests/fuzz/wire_samples.h"

static enum ent_err write_named(const char *root, const char *target, unsigned type,
                                const char *ending, const struct ent_buf *body)
{
    char path[4096];
    struct ent_buf out;
    uint8_t first = (uint8_t)type;
    enum ent_err err;

    if (target[0] == 'e' && ent_msg_info(type)->sender == ENT_SENDER_COORDINATOR) {
        first |= 0x80;
    }
    ent_buf_init(&out, (size_t)1 << 17);
    (void)snprintf(path, sizeof path, "%s/%s", root, target);
    err = ent_dir_make(path);
    (void)snprintf(path, sizeof path, "%s/%s/%s%s", root, target, ent_msg_name(type), ending);
    if (err == ENT_E_OK) {
        err = ent_buf_add_u8(&out, first);
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add(&out, body->data, body->len);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, out.data, out.len, 0644);
    }
    ent_buf_release(&out);
    return err;
}

static enum ent_err write_seed(const char *root, const char *target, unsigned type,
                               const struct ent_buf *body)
{
    return write_named(root, target, type, "", body);
}

/* Three that were signed together: places with and without a bit, a sibling that is missing. */
static enum ent_err seeds_together(const char *root, const struct ent_sign_key *key)
{
    static const unsigned types[] = {ENT_MSG_ACK, ENT_MSG_ROUND_CLOSE, ENT_MSG_ROUND_OPEN};
    struct ent_draft drafts[3] = {0};
    struct ent_draft *list[3];
    enum ent_err err = ENT_E_OK;

    for (size_t i = 0; i < 3; i++) {
        struct ent_header header = ent_sample_header(types[i]);
        union ent_any_message message;

        list[i] = &drafts[i];
        ent_buf_init(&drafts[i].body, ENT_WIRE_ENVELOPE_MAX_BYTES);
        if (err == ENT_E_OK && ent_sample_message(types[i], &message)) {
            err = ent_wire_draft(&header, &message, &drafts[i]);
        }
    }
    if (err == ENT_E_OK) {
        err = ent_wire_sign_drafts(key, list, 3);
    }
    for (size_t i = 0; i < 3; i++) {
        if (err == ENT_E_OK) {
            err = write_named(root, "envelope", types[i], "-together", &drafts[i].body);
        }
        ent_buf_release(&drafts[i].body);
    }
    return err;
}

static enum ent_err seeds_of(const char *root, const struct ent_sign_key *key, unsigned type)
{
    static const uint8_t digest[ENT_WIRE_DIGEST_BYTES] = {0xDD};
    union ent_any_message message;
    struct ent_buf body;
    enum ent_err err = ENT_E_OK;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    if (ent_sample_message(type, &message)) {
        err = ent_msg_encode(type, &message, &body);
        if (err == ENT_E_OK) {
            err = write_seed(root, "messages", type, &body);
        }
    }
    ent_buf_clear(&body);
    if (err == ENT_E_OK && ent_msg_info(type)->enveloped) {
        struct ent_header header = ent_sample_header(type);

        err = type == ENT_MSG_UPDATE ? ent_wire_seal_update(key, &header, digest, &body)
                                     : ent_wire_seal(key, &header, &message, &body);
        if (err == ENT_E_OK) {
            err = write_seed(root, "envelope", type, &body);
        }
    }
    ent_buf_release(&body);
    return err;
}

static enum ent_err write_leaves(const char *root)
{
    char path[4096];
    enum ent_err err;

    (void)snprintf(path, sizeof path, "%s/leaf", root);
    err = ent_dir_make(path);
    for (size_t i = 0; ent_sample_leaf_types[i] != 0 && err == ENT_E_OK; i++) {
        struct ent_leaf_frame frame;
        union ent_leaf_any leaf;
        struct ent_buf out;

        ent_buf_init(&out, ENT_LEAF_MAX_BYTES);
        ent_sample_leaf(ent_sample_leaf_types[i], &frame, &leaf);
        err = ent_leaf_encode(&frame, &leaf, &out);
        (void)snprintf(path, sizeof path, "%s/leaf/%s", root,
                       ent_leaf_name(ent_sample_leaf_types[i]));
        if (err == ENT_E_OK) {
            err = ent_file_write_atomic(path, out.data, out.len, 0644);
        }
        ent_buf_release(&out);
    }
    return err;
}

int main(int argc, char **argv)
{
    static const uint8_t seed[ENT_SIGN_SEED_BYTES] = {42};
    struct ent_sign_key *key = NULL;
    enum ent_err err;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 2;
    }
    err = ent_sign_key_of_seed(seed, &key);
    for (unsigned type = ENT_MSG_FIRST; err == ENT_E_OK && type <= ENT_MSG_LAST; type++) {
        if (ent_msg_info(type) != NULL) {
            err = seeds_of(argv[1], key, type);
        }
    }
    if (err == ENT_E_OK) {
        err = seeds_together(argv[1], key);
    }
    if (err == ENT_E_OK) {
        err = write_leaves(argv[1]);
    }
    ent_sign_key_free(key);
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s\n", ent_err_message());
    }
    return err == ENT_E_OK ? 0 : 1;
}
