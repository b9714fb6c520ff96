#include "tests/support/forge.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sign.h"
#include "tests/support/forge_inside.h"

#define START_MS UINT64_C(1767600000000) /* 2026-01-05 08:00 UTC */
#define LEAF_MS 7                        /* between two leaves */

enum ent_err ent_forge_derive(const struct ent_forge *forge, const char *label, uint64_t a,
                              uint64_t b, uint8_t out[32])
{
    uint8_t numbers[24];
    struct ent_part parts[] = {{label, strlen(label) + 1}, {numbers, sizeof numbers}};

    ent_put_be64(numbers, forge->options.seed);
    ent_put_be64(numbers + 8, a);
    ent_put_be64(numbers + 16, b);
    return ent_sha256_parts(parts, ENT_ARRAY_LEN(parts), out);
}

/* ---- leaves ---- */

static bool of_round(unsigned type)
{
    switch (type) {
    case ENT_LEAF_ROUND_OPEN:
    case ENT_LEAF_ROUND_JOIN:
    case ENT_LEAF_UPDATE_ACCEPT:
    case ENT_LEAF_UPDATE_REJECT:
    case ENT_LEAF_UPDATE_DROPOUT:
    case ENT_LEAF_ROUND_CLOSE:
    case ENT_LEAF_ROUND_ABORT:
    case ENT_LEAF_DP_EVENT:
    case ENT_LEAF_DP_REFUND:
    case ENT_LEAF_EVAL_RESULT:
    case ENT_LEAF_MODEL_RELEASE:
        return true;
    default:
        return false;
    }
}

static size_t bytes_of(unsigned type)
{
    switch (type) {
#define ENT_LEAF(name_, NAME_, type_, dotted_)                                                     \
    case ENT_LEAF_##NAME_:                                                                         \
        return sizeof(struct ent_leaf_##name_);
#include "common/tlog/leaves.def"
#undef ENT_LEAF
    default:
        return 0;
    }
}

static struct ent_leaf_frame frame_of(const struct ent_forge *f, unsigned type)
{
    struct ent_leaf_frame frame = {.type = (uint16_t)type,
                                   .schema = ENT_LEAF_SCHEMA,
                                   .seq = f->n_leaves,
                                   .time_ms = f->time_ms};

    memcpy(frame.federation, f->federation, sizeof frame.federation);
    if (of_round(type)) {
        frame.run = f->run_number;
        frame.round = f->run.round;
    }
    return frame;
}

/* Takes the buffer's bytes into the log. */
static enum ent_err keep_leaf(struct ent_forge *f, const struct ent_forge_leaf *about,
                              struct ent_bytes bytes)
{
    struct ent_forge_leaf leaf = *about;
    uint8_t hash[32];

    ENT_TRY(ent_grow(&f->leaves, &f->cap_leaves, f->n_leaves + 1, sizeof *f->leaves));
    ENT_TRY(ent_calloc(bytes.len, 1, &leaf.bytes));
    memcpy(leaf.bytes, bytes.data, bytes.len);
    leaf.len = bytes.len;
    f->leaves[f->n_leaves++] = leaf;
    f->time_ms += LEAF_MS;
    ENT_TRY(ent_sha256_leaf_with(&f->hash, bytes.data, bytes.len, hash));
    return ent_merkle_append(&f->tree, &f->hash, hash, NULL, NULL);
}

static enum ent_err write_leaf(struct ent_forge *f, unsigned type, size_t member,
                               const void *message, ent_forge_hook hook, bool *dropped)
{
    struct ent_leaf_frame frame = frame_of(f, type);
    struct ent_forge_leaf about = {
        .type = (uint16_t)type, .attempt = f->run.attempt, .round = frame.round, .member = member};
    struct ent_buf raw;
    union ent_leaf_any any;
    struct ent_forge_leaf_event event = {
        .forge = f, .frame = &frame, .any = &any, .member = member, .raw = &raw};
    enum ent_err err = ENT_E_OK;

    memset(&any, 0, sizeof any);
    memcpy(&any, message, bytes_of(type));
    ent_buf_init(&raw, (size_t)1 << 20);
    if (hook != NULL) {
        size_t before = f->n_leaves;

        err = hook(f->options.hook_ctx, &event);
        frame.seq += f->n_leaves - before; /* what it appended stands before this one */
        frame.time_ms += LEAF_MS * (f->n_leaves - before);
    }
    if (err == ENT_E_OK && !event.drop) {
        if (raw.len == 0) {
            err = ent_leaf_encode(&frame, &any, &raw);
        }
        if (err == ENT_E_OK) {
            err = keep_leaf(f, &about, (struct ent_bytes){raw.data, raw.len});
        }
    }
    ent_buf_release(&raw);
    *dropped = event.drop;
    return err;
}

enum ent_err ent_forge_write(struct ent_forge *f, unsigned type, size_t member, const void *message,
                             bool *dropped)
{
    return write_leaf(f, type, member, message, f->options.hook, dropped);
}

enum ent_err ent_forge_append(struct ent_forge *f, unsigned type, size_t member,
                              const void *message)
{
    bool dropped;

    return write_leaf(f, type, member, message, NULL, &dropped);
}

enum ent_err ent_forge_append_bytes(struct ent_forge *f, struct ent_bytes leaf)
{
    struct ent_forge_leaf about = {.member = ENT_FORGE_NOBODY};
    struct ent_leaf_frame frame;
    struct ent_bytes body;

    if (ent_leaf_open(leaf, &frame, &body) == ENT_E_OK) {
        about.type = frame.type;
        about.round = frame.round;
    }
    return keep_leaf(f, &about, leaf);
}

/* ---- notes ---- */

enum ent_err ent_forge_cosigner_name(const struct ent_forge *f, size_t member, char out[128])
{
    char hex[33];

    ent_hex(f->members[member].handle, 16, hex);
    (void)snprintf(out, 128, "%s/%s", f->origin, hex);
    return ENT_E_OK;
}

enum ent_err ent_forge_cosign(const struct ent_forge *f, struct ent_forge_note *note, size_t member)
{
    char name[128];
    char line[ENT_NOTE_LINE_MAX_BYTES + 1];
    struct ent_note parsed;
    struct ent_buf buf;
    enum ent_err err;

    ENT_TRY(ent_forge_cosigner_name(f, member, name));
    ENT_TRY(ent_note_parse((const char *)note->text.data, note->text.len, &parsed));
    ent_buf_init(&buf, sizeof line);
    err = ent_note_cosign(&parsed, name, f->members[member].witness, note->time_s, &buf);
    if (err == ENT_E_OK) {
        err = ent_note_add_line(&note->text, (const char *)buf.data, buf.len);
    }
    if (err == ENT_E_OK) {
        note->cosigners |= UINT64_C(1) << member;
    }
    ent_buf_release(&buf);
    return err;
}

enum ent_err ent_forge_sign_note(const struct ent_forge *f, struct ent_forge_note *note,
                                 const uint8_t root[32])
{
    struct ent_checkpoint checkpoint = {.size = note->size};

    (void)snprintf(checkpoint.origin, sizeof checkpoint.origin, "%s", f->origin);
    memcpy(checkpoint.root, root, sizeof checkpoint.root);
    ent_buf_clear(&note->text);
    note->cosigners = 0;
    ENT_TRY(ent_note_begin(&checkpoint, &note->text));
    return ent_note_sign(&note->text, f->origin, f->log);
}

static size_t count_bits(uint64_t v)
{
    size_t n = 0;

    for (; v != 0; v &= v - 1) {
        n++;
    }
    return n;
}

bool ent_forge_has_quorum(const struct ent_forge *f, const struct ent_forge_note *note)
{
    return f->has_set && count_bits(note->cosigners) >= f->quorum;
}

static enum ent_err cosign_all(struct ent_forge *f, struct ent_forge_note *note,
                               const uint8_t root[32])
{
    for (size_t i = 0; f->has_set && i < f->n_witnesses; i++) {
        if (f->members[i].absent) {
            continue;
        }
        ENT_TRY(ent_forge_cosign(f, note, i));
    }
    for (size_t i = 0; i < f->options.n_members; i++) {
        if (!f->members[i].absent) {
            f->members[i].seen_size = note->size;
            memcpy(f->members[i].seen_root, root, 32);
        }
    }
    if (ent_forge_has_quorum(f, note)) {
        f->cosigned_size = note->size;
    }
    return ENT_E_OK;
}

enum ent_err ent_forge_publish(struct ent_forge *f)
{
    struct ent_forge_note note = {.size = f->n_leaves, .time_s = f->time_ms / 1000 + 1};
    uint8_t root[32];
    enum ent_err err;

    ENT_TRY(ent_grow(&f->notes, &f->cap_notes, f->n_notes + 1, sizeof *f->notes));
    ENT_TRY(ent_merkle_root(&f->tree, &f->hash, root));
    ent_buf_init(&note.text, ENT_NOTE_MAX_BYTES);
    err = ent_forge_sign_note(f, &note, root);
    if (err == ENT_E_OK) {
        err = cosign_all(f, &note, root);
    }
    if (err != ENT_E_OK) {
        ent_buf_release(&note.text);
        return err;
    }
    f->notes[f->n_notes++] = note;
    f->time_ms += 2000; /* until all have answered */
    return ENT_E_OK;
}

/* ---- blobs ---- */

enum ent_err ent_forge_add_blob(struct ent_forge *f, const void *bytes, size_t len,
                                uint8_t digest[32])
{
    struct ent_forge_blob blob = {.len = len};

    ENT_TRY(ent_sha256(bytes, len, blob.digest));
    memcpy(digest, blob.digest, sizeof blob.digest);
    ENT_TRY(ent_grow(&f->blobs, &f->cap_blobs, f->n_blobs + 1, sizeof *f->blobs));
    ENT_TRY(ent_calloc(len > 0 ? len : 1, 1, &blob.bytes));
    memcpy(blob.bytes, bytes, len);
    f->blobs[f->n_blobs++] = blob;
    return ENT_E_OK;
}

/* ---- everybody's keys ---- */

static enum ent_err make_key(const struct ent_forge *f, const char *label, uint64_t n,
                             struct ent_sign_key **out)
{
    uint8_t seed[32];

    ENT_TRY(ent_forge_derive(f, label, n, 0, seed));
    return ent_sign_key_of_seed(seed, out);
}

static int by_handle(const void *a, const void *b)
{
    return memcmp(((const struct ent_forge_member *)a)->handle,
                  ((const struct ent_forge_member *)b)->handle, 16);
}

static enum ent_err make_members(struct ent_forge *f)
{
    size_t n = f->options.n_members;
    uint64_t seed = f->options.seed;

    if (f->options.member_seed != 0) {
        f->options.seed = f->options.member_seed;
    }
    ENT_TRY(ent_calloc(n, sizeof *f->members, &f->members));
    for (size_t i = 0; i < n; i++) {
        struct ent_forge_member *m = &f->members[i];
        uint8_t bytes[32];

        ENT_TRY(ent_forge_derive(f, "handle", i, 0, bytes));
        memcpy(m->handle, bytes, sizeof m->handle);
        m->rows_log2 = 8 + bytes[16] % 6; /* 128 ... 8,191 rows */
        ENT_TRY(make_key(f, "statement", i, &m->statement));
        ENT_TRY(make_key(f, "witness", i, &m->witness));
        ent_sign_key_pub(m->statement, m->statement_pub);
        ent_sign_key_pub(m->witness, m->witness_pub);
    }
    f->options.seed = seed;
    qsort(f->members, n, sizeof *f->members, by_handle);
    return ENT_E_OK;
}

static enum ent_err make_keys(struct ent_forge *f)
{
    uint8_t bytes[32];

    ENT_TRY(ent_forge_derive(f, "federation", 0, 0, bytes));
    memcpy(f->federation, bytes, sizeof f->federation);
    (void)snprintf(f->origin, sizeof f->origin, "fed.acme.example/acme-%llu",
                   (unsigned long long)f->options.seed);
    ENT_TRY(make_key(f, "log", 0, &f->log));
    ENT_TRY(make_key(f, "root", 0, &f->root));
    ent_sign_key_pub(f->log, f->log_pub);
    for (size_t i = 0; i < f->options.n_auditors; i++) {
        ENT_TRY(ent_forge_derive(f, "seal", i, 0, bytes));
        ENT_TRY(ent_x25519_key_of_secret(bytes, &f->seal[i]));
        ent_x25519_key_pub(f->seal[i], f->seal_pub[i]);
    }
    return make_members(f);
}

static enum ent_err begin(struct ent_forge *f, const struct ent_forge_options *options)
{
    size_t n = options->n_members;
    size_t most = n < ENT_LOG_WITNESSES_MAX ? n : ENT_LOG_WITNESSES_MAX;

    f->options = *options;
    ENT_BUG_ON(n == 0 || n > ENT_WIRE_COHORT_MAX || options->n_witnesses > most ||
               options->n_auditors > ENT_FORGE_AUDITORS_MAX ||
               (options->lean && (options->plain || options->n_auditors > 0 || options->central)) ||
               (options->privacy && options->lean == options->central));
    f->n_witnesses = options->n_witnesses > 0 ? options->n_witnesses : most;
    f->bad = ent_leaf_bad_of((uint32_t)f->n_witnesses);
    f->quorum = ent_leaf_quorum_of((uint32_t)f->n_witnesses, f->bad);
    f->time_ms = START_MS;
    ent_merkle_init(&f->tree);
    ENT_TRY(ent_calloc(n, sizeof *f->nonces, &f->nonces));
    ENT_TRY(make_keys(f));
    ENT_TRY(ent_forge_found(f));
    for (size_t i = 0; i < f->options.n_members && i < 64; i++) {
        f->members[i].absent = (options->absent >> i & 1) != 0;
    }
    return ent_forge_play_run(f);
}

enum ent_err ent_forge_new(const struct ent_forge_options *options, struct ent_forge **out)
{
    struct ent_forge *f;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *f, &f));
    err = begin(f, options);
    if (err != ENT_E_OK) {
        ent_forge_free(f);
        return err;
    }
    *out = f;
    return ENT_E_OK;
}

void ent_forge_free(struct ent_forge *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; f->members != NULL && i < f->options.n_members; i++) {
        ent_sign_key_free(f->members[i].statement);
        ent_sign_key_free(f->members[i].witness);
    }
    for (size_t i = 0; i < ENT_FORGE_AUDITORS_MAX; i++) {
        ent_x25519_key_free(f->seal[i]);
    }
    for (size_t i = 0; i < f->n_leaves; i++) {
        free(f->leaves[i].bytes);
    }
    for (size_t i = 0; i < f->n_notes; i++) {
        ent_buf_release(&f->notes[i].text);
    }
    for (size_t i = 0; i < f->n_blobs; i++) {
        free(f->blobs[i].bytes);
    }
    ent_forge_privacy_free(f);
    ent_forge_real_free(f);
    ent_sign_key_free(f->log);
    ent_sign_key_free(f->root);
    ent_sha256_release(&f->hash);
    free(f->nonces);
    free(f->members);
    free(f->leaves);
    free(f->notes);
    free(f->blobs);
    free(f);
}
