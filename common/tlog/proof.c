#include "common/tlog/proof.h"

#include <string.h>

#include "common/tlog/lines.h"

#define TITLE "c2sp.org/tlog-proof@v1"
#define EXTRA "extra "
#define INDEX "index "

static bool starts(const char *line, size_t len, const char *word)
{
    return len > strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

static enum ent_err check_extra(const char *extra, size_t len)
{
    uint8_t first[4];
    size_t n = 0;

    ENT_REQUIRE(len <= ENT_TLOG_PROOF_EXTRA_MAX_BYTES, ENT_E_LIMIT,
                "more than %zu characters of extra data", ENT_TLOG_PROOF_EXTRA_MAX_BYTES);
    return ent_lines_base64(extra, len, &n, first);
}

enum ent_err ent_tlog_proof_write(const struct ent_tlog_proof *proof, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out, TITLE "\n"));
    if (proof->extra != NULL) {
        ENT_TRY(check_extra(proof->extra, proof->extra_len));
        ENT_TRY(ent_buf_addf(out, EXTRA "%.*s\n", (int)proof->extra_len, proof->extra));
    }
    ENT_TRY(ent_buf_addf(out, INDEX "%llu\n", (unsigned long long)proof->index));
    for (size_t i = 0; i < proof->path.n; i++) {
        ENT_TRY(ent_lines_add_hash(out, proof->path.hashes[i]));
    }
    ENT_TRY(ent_buf_add(out, "\n", 1));
    return ent_buf_add(out, proof->note, proof->note_len);
}

/* The lines between title and hashes: extra data, if any, and the index. */
static enum ent_err parse_head(struct ent_lines *lines, struct ent_tlog_proof *proof)
{
    const char *line;
    size_t n;

    ENT_REQUIRE(ent_lines_next(lines, &line, &n) && ent_lines_is(line, n, TITLE), ENT_E_DATA,
                "the first line is not " TITLE);
    ENT_REQUIRE(ent_lines_next(lines, &line, &n), ENT_E_DATA, "a proof without an index");
    if (starts(line, n, EXTRA)) {
        proof->extra = line + strlen(EXTRA);
        proof->extra_len = n - strlen(EXTRA);
        ENT_TRY(check_extra(proof->extra, proof->extra_len));
        ENT_REQUIRE(ent_lines_next(lines, &line, &n), ENT_E_DATA, "a proof without an index");
    }
    ENT_REQUIRE(starts(line, n, INDEX), ENT_E_DATA, "a proof without an index");
    return ent_lines_number(line + strlen(INDEX), n - strlen(INDEX), "the index",
                            ENT_MERKLE_SIZE_MAX, &proof->index);
}

enum ent_err ent_tlog_proof_parse(const char *text, size_t len, struct ent_tlog_proof *out)
{
    struct ent_lines lines = {text, text + len};
    struct ent_tlog_proof proof = {.index = 0};
    const char *line;
    size_t n;

    ENT_REQUIRE(len <= ENT_TLOG_PROOF_MAX_BYTES, ENT_E_LIMIT, "a proof of %zu bytes", len);
    ENT_TRY(parse_head(&lines, &proof));
    for (;;) {
        ENT_REQUIRE(ent_lines_next(&lines, &line, &n), ENT_E_DATA,
                    "a proof without an empty line before its checkpoint");
        if (n == 0) {
            break;
        }
        ENT_REQUIRE(proof.path.n < ENT_MERKLE_PROOF_MAX, ENT_E_LIMIT,
                    "an inclusion proof of more than %d hashes", ENT_MERKLE_PROOF_MAX);
        ENT_TRY(ent_lines_hash(line, n, "a line of the proof", proof.path.hashes[proof.path.n]));
        proof.path.n++;
    }
    proof.note = lines.at;
    proof.note_len = (size_t)(lines.end - lines.at);
    *out = proof;
    return ENT_E_OK;
}

enum ent_err ent_tlog_proof_check(const struct ent_tlog_proof *proof, const void *leaf,
                                  size_t leaf_len, const struct ent_checkpoint *checkpoint)
{
    uint8_t leaf_hash[ENT_MERKLE_BYTES];

    ENT_TRY(ent_sha256_leaf(leaf, leaf_len, leaf_hash));
    return ent_merkle_verify_inclusion(proof->index, checkpoint->size, leaf_hash, &proof->path,
                                       checkpoint->root);
}

enum ent_err ent_tlog_proof_verify(const struct ent_tlog_proof *proof, const struct ent_bytes *leaf,
                                   const struct ent_vkey *keys, size_t n_keys,
                                   struct ent_note_opened *out)
{
    struct ent_note_opened opened;

    ENT_TRY(ent_note_open(proof->note, proof->note_len, NULL, keys, n_keys, &opened));
    ENT_TRY(ent_tlog_proof_check(proof, leaf->data, leaf->len, &opened.checkpoint));
    *out = opened;
    return ENT_E_OK;
}
