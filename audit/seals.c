/* V15: what was kept of each accepted update is there, and is what the log says. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "audit/inside.h"
#include "common/base/file.h"
#include "common/crypto/seal.h"

#define PIECE ((size_t)32 * 1024)

struct sealed {
    const struct ent_audit_leaf *leaf;
    const struct ent_header *header;
    const uint8_t *digest;
    uint64_t size;
    int fd;
};

static enum ent_err hash_all(const struct sealed *s, uint8_t out[32])
{
    struct ent_sha256 hash = {0};
    uint8_t piece[PIECE];
    size_t n = PIECE;
    enum ent_err err = ent_sha256_init(&hash);

    while (err == ENT_E_OK && n == PIECE) {
        err = ent_fd_read(s->fd, piece, PIECE, &n);
        if (err == ENT_E_OK) {
            ent_sha256_add(&hash, piece, n);
        }
    }
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, out);
    }
    ent_sha256_release(&hash);
    return err;
}

static enum ent_err open_pieces(const struct sealed *s, struct ent_hpke_opener *opener,
                                struct ent_sha256 *hash)
{
    uint64_t left = s->size - ENT_HPKE_EXTRA_BYTES;
    uint8_t piece[PIECE];
    uint8_t tag[ENT_HPKE_TAG_BYTES];
    size_t got = 0;

    while (left > 0) {
        size_t n = left < PIECE ? (size_t)left : PIECE;

        ENT_TRY(ent_fd_read(s->fd, piece, n, &got));
        ENT_REQUIRE(got == n, ENT_E_SIGNATURE, "a sealed update became shorter");
        ENT_TRY(ent_hpke_open_update(opener, piece, n, piece));
        ent_sha256_add(hash, piece, n);
        left -= n;
    }
    ENT_TRY(ent_fd_read(s->fd, tag, sizeof tag, &got));
    ENT_REQUIRE(got == sizeof tag, ENT_E_SIGNATURE, "a sealed update became shorter");
    return ent_hpke_open_finish(opener, tag);
}

/* The digest of what is inside. SIGNATURE: it does not open. */
static enum ent_err open_sealed(struct ent_audit *a, const struct sealed *s, uint8_t out[32])
{
    struct ent_seal seal;
    struct ent_hpke_opener *opener = NULL;
    struct ent_sha256 hash = {0};
    uint8_t enc[ENT_HPKE_ENC_BYTES];
    size_t got = 0;
    enum ent_err err;

    ent_seal_of_update(&seal, s->header->update.round_open, s->header->sender);
    ENT_REQUIRE(lseek(s->fd, 0, SEEK_SET) == 0, ENT_E_IO, "a sealed update cannot be read again");
    ENT_TRY(ent_fd_read(s->fd, enc, sizeof enc, &got));
    ENT_REQUIRE(got == sizeof enc, ENT_E_SIGNATURE, "a sealed update became shorter");
    ENT_TRY(ent_sha256_init(&hash));
    err = ent_hpke_open_begin(a->key, &seal.context, enc, &opener);
    if (err == ENT_E_OK) {
        err = open_pieces(s, opener, &hash);
    }
    if (err == ENT_E_OK) {
        ent_sha256_finish(&hash, out);
    }
    ent_hpke_open_free(opener);
    ent_sha256_release(&hash);
    return err;
}

static enum ent_err check_inside(struct ent_audit *a, const struct sealed *s)
{
    const struct ent_leaf_statement *update = &s->leaf->any.update_accept.update;
    uint8_t inside[32];
    char name[ENT_AUDIT_SHORT_BYTES];
    enum ent_err err = open_sealed(a, s, inside);

    if (err == ENT_E_NO_MEMORY || err == ENT_E_IO) {
        return err;
    }
    ent_audit_short(s->header->sender, 16, name);
    if (err != ENT_E_OK) {
        return ent_audit_fail(a, 15, s->leaf->index,
                              "leaf %" PRIu64 ": the sealed update of %s (round %" PRIu64
                              ") does not open with the auditor's key",
                              s->leaf->index, name, s->leaf->frame.round);
    }
    a->n_seals_opened++;
    if (memcmp(inside, update->payload_sha256, sizeof inside) != 0) {
        return ent_audit_fail(a, 15, s->leaf->index,
                              "leaf %" PRIu64 ": what was sealed is not the update that %s signed "
                              "(round %" PRIu64 ")",
                              s->leaf->index, name, s->leaf->frame.round);
    }
    return ENT_E_OK;
}

/* place: of config.set's auditors; plain: the copy behind theirs. */
static enum ent_err check_file(struct ent_audit *a, const struct sealed *s, size_t place,
                               bool plain)
{
    uint64_t due = s->header->update.payload_bytes + (plain ? 0 : ENT_HPKE_EXTRA_BYTES);
    uint8_t digest[32];

    a->n_seals++;
    if (s->size != due) {
        return ent_audit_fail(a, 15, s->leaf->index,
                              "leaf %" PRIu64 ": the kept copy of the update has %" PRIu64
                              " bytes, not %" PRIu64,
                              s->leaf->index, s->size, due);
    }
    ENT_TRY(hash_all(s, digest));
    if (memcmp(digest, s->digest, sizeof digest) != 0) {
        return ent_audit_fail(a, 15, s->leaf->index,
                              "leaf %" PRIu64
                              ": the kept copy of the update is not the one that the "
                              "log names",
                              s->leaf->index);
    }
    if (plain && (a->oldest_plain_ms == 0 || s->leaf->frame.time_ms < a->oldest_plain_ms)) {
        a->oldest_plain_ms = s->leaf->frame.time_ms;
        a->oldest_plain_seq = s->leaf->index;
    }
    if (plain || a->key == NULL) {
        return ENT_E_OK;
    }
    if (memcmp(a->run.auditors[place], a->key_pub, sizeof a->key_pub) != 0) {
        return ENT_E_OK;
    }
    return check_inside(a, s);
}

static enum ent_err check_copy(struct ent_audit *a, struct sealed *s, size_t place, bool plain)
{
    enum ent_err err = ent_export_blob_open(a->export, s->digest, &s->fd, &s->size);

    if (err == ENT_E_NOT_FOUND) {
        return ent_audit_blob_missing(a, s->digest, s->leaf->index, s->leaf->frame.round);
    }
    ENT_TRY(err);
    err = check_file(a, s, place, plain);
    (void)close(s->fd);
    return err;
}

/* Whether the auditor with --key is one of the run's. */
static bool is_sealed_to(const struct ent_audit *a)
{
    for (size_t i = 0; i < a->run.leaf.n_auditors && i < ENT_LOG_AUDITORS_MAX; i++) {
        if (memcmp(a->run.auditors[i], a->key_pub, sizeof a->key_pub) == 0) {
            return true;
        }
    }
    return false;
}

enum ent_err ent_audit_seals_of(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                const struct ent_header *header)
{
    const struct ent_leaf_update_accept *accept = &leaf->any.update_accept;
    size_t n_auditors = a->run.leaf.n_auditors;
    size_t due = n_auditors + (a->run.leaf.plain ? 1 : 0);

    if (accept->n_sealed != due) {
        return ent_audit_fail(a, 15, leaf->index,
                              "leaf %" PRIu64 " names %zu kept copies of the update; the "
                              "configuration asks for %zu",
                              leaf->index, accept->n_sealed, due);
    }
    if (leaf->frame.round < a->options->since) {
        return ENT_E_OK;
    }
    if (a->key != NULL && !a->run.leaf.plain && n_auditors > 0 && !is_sealed_to(a)) {
        a->first_foreign = a->n_seals_foreign == 0 ? leaf->index : a->first_foreign;
        a->last_foreign = leaf->index;
        a->n_seals_foreign++;
    }
    for (size_t i = 0; i < accept->n_sealed; i++) {
        struct sealed s = {.leaf = leaf, .header = header, .digest = accept->sealed[i], .fd = -1};

        ENT_TRY(check_copy(a, &s, i, i == n_auditors));
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_seals_end(struct ent_audit *a)
{
    bool named = a->n_seals > 0 || a->n_missing > 0;
    char text[ENT_AUDIT_TEXT_MAX];

    if (a->n_seals_foreign > 0) {
        ENT_TRY(ent_audit_find(a, 15, ENT_AUDIT_INCOMPLETE, a->first_foreign,
                               "%" PRIu64 " updates (leaves %" PRIu64 " to %" PRIu64
                               ") are sealed to other auditors only",
                               a->n_seals_foreign, a->first_foreign, a->last_foreign));
    }
    if (!named) {
        (void)snprintf(text, sizeof text, "no copies of updates were kept: replay cannot be done");
    } else {
        (void)snprintf(text, sizeof text,
                       "%" PRIu64 " kept copies are those that the log names; %" PRIu64 " opened%s",
                       a->n_seals, a->n_seals_opened,
                       a->key == NULL ? " (--key opens an auditor's)" : "");
    }
    ENT_TRY(ent_audit_noise_end(a, text));
    ent_audit_say(a, 15, named || a->facts->n_noisings > 0 ? ENT_AUDIT_OK : ENT_AUDIT_SKIP, "%s",
                  text);
    return ENT_E_OK;
}
