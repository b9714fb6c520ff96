#include "tests/unit/client_mirror/book.h"

#include <string.h>

#include "common/tlog/tiles.h"
#include "tests/support/ent_test.h"

void book_init(struct book *b, const uint8_t federation[16], const struct ent_sign_key *log_key)
{
    memset(b, 0, sizeof *b);
    memcpy(b->federation, federation, sizeof b->federation);
    b->log_key = log_key;
    b->origin = BOOK_ORIGIN;
    b->time_ms = 1700 * UINT64_C(1000000000);
    ent_sign_key_pub(log_key, b->log_pub);
}

void book_release(struct book *b)
{
    for (size_t i = 0; i < b->n; i++) {
        ent_buf_release(&b->leaves[i]);
    }
    b->n = 0;
}

uint64_t book_add_bytes(struct book *b, const void *bytes, size_t len)
{
    CU_ASSERT_FATAL(b->n < BOOK_MAX);
    ent_buf_init(&b->leaves[b->n], ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_buf_add(&b->leaves[b->n], bytes, len));
    return b->n++;
}

uint64_t book_add(struct book *b, enum ent_leaf_type type, uint32_t run, uint64_t round,
                  const void *body)
{
    struct ent_leaf_frame frame = {.type = (uint16_t)type,
                                   .schema = ENT_LEAF_SCHEMA,
                                   .seq = b->n,
                                   .time_ms = b->time_ms,
                                   .round = round,
                                   .run = run};
    struct ent_buf leaf;
    uint64_t index;

    memcpy(frame.federation, b->federation, sizeof frame.federation);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_leaf_encode(&frame, body, &leaf));
    index = book_add_bytes(b, leaf.data, leaf.len);
    ent_buf_release(&leaf);
    return index;
}

void book_genesis(struct book *b)
{
    struct ent_leaf_genesis g = {.name = "test"};

    (void)snprintf(g.origin, sizeof g.origin, "%s", b->origin);
    memcpy(g.log_pub, b->log_pub, sizeof g.log_pub);
    memcpy(g.root_pub, b->root_pub, sizeof g.root_pub);
    (void)book_add(b, ENT_LEAF_GENESIS, 0, 0, &g);
}

void book_admit(struct book *b, const uint8_t handle[16], const uint8_t statement[32],
                const uint8_t witness[32])
{
    struct ent_leaf_member_admit a = {.has_request = true,
                                      .request = {.header = {(const uint8_t *)"h", 1}}};

    memcpy(a.handle, handle, sizeof a.handle);
    memcpy(a.statement_pub, statement, sizeof a.statement_pub);
    memcpy(a.witness_pub, witness, sizeof a.witness_pub);
    (void)book_add(b, ENT_LEAF_MEMBER_ADMIT, 0, 0, &a);
}

void book_hash(const struct book *b, uint64_t index, uint8_t out[32])
{
    ENT_OK(ent_sha256_leaf(b->leaves[index].data, b->leaves[index].len, out));
}

void book_bundle(const struct book *b, uint64_t first, uint64_t size, struct ent_buf *out)
{
    for (uint64_t i = first; i < size; i++) {
        ENT_OK(ent_tiles_bundle_add(out, b->leaves[i].data, b->leaves[i].len));
    }
}

void book_root(const struct book *b, uint64_t size, uint8_t out[32])
{
    struct ent_sha256 hash = {0};
    struct ent_merkle tree;

    ent_merkle_init(&tree);
    for (uint64_t i = 0; i < size; i++) {
        uint8_t leaf[32];

        book_hash(b, i, leaf);
        ENT_OK(ent_merkle_append(&tree, &hash, leaf, NULL, NULL));
    }
    ENT_OK(ent_merkle_root(&tree, &hash, out));
    ent_sha256_release(&hash);
}

void book_note_of(uint64_t size, const uint8_t root[32], const char *origin,
                  const struct ent_sign_key *key, struct ent_buf *out)
{
    struct ent_checkpoint c = {.size = size};

    (void)snprintf(c.origin, sizeof c.origin, "%s", origin);
    memcpy(c.root, root, sizeof c.root);
    ENT_OK(ent_note_begin(&c, out));
    ENT_OK(ent_note_sign(out, origin, key));
}

void book_note(const struct book *b, uint64_t size, struct ent_buf *out)
{
    uint8_t root[32];

    book_root(b, size, root);
    book_note_of(size, root, b->origin, b->log_key, out);
}
