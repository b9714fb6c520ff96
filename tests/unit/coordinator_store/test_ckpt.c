/* Notes, cosignatures, witness sets that are being agreed to, auditors, salts. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/note.h"
#include "coordinator/store/tables.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

static struct ent_bytes bytes(const struct ent_buf *buf)
{
    return (struct ent_bytes){buf->data, buf->len};
}

static enum ent_err count_ckpt(void *ctx, const struct ent_store_ckpt *ckpt, struct ent_bytes note)
{
    struct ent_note parsed;

    ENT_OK(ent_note_parse((const char *)note.data, note.len, &parsed));
    CU_ASSERT_EQUAL(parsed.n_lines, ckpt->size == 6 ? 3 : 1);
    ++*(size_t *)ctx;
    return ENT_E_OK;
}

static enum ent_err count_cosig(void *ctx, const uint8_t handle[ENT_STORE_ID_BYTES],
                                struct ent_bytes line)
{
    size_t *n = ctx;

    CU_ASSERT_EQUAL(handle[0], 40 + *n); /* ascending */
    CU_ASSERT_EQUAL(line.data[line.len - 1], '\n');
    ++*n;
    return ENT_E_OK;
}

ENT_TEST(ckpt, notes_gather_their_cosignatures)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 4);
    struct ent_store_ckpt ckpt;
    struct ent_buf note;
    struct ent_buf full;
    struct ent_buf line;
    uint8_t handle[16];
    uint8_t root[32];
    uint64_t size = 0;
    size_t n = 0;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&full, 2 * ENT_NOTE_MAX_BYTES);
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    ENT_FAILS(ent_store_ckpt_newest(store, ENT_STORE_CKPT_ANY, UINT64_MAX, &ckpt, NULL),
              ENT_E_NOT_FOUND);
    ENT_OK(log_put_note(store));
    ENT_OK(log_add_many(store, 9, 2));
    ENT_OK(log_put_note(store));
    ENT_OK(log_put_note(store)); /* again: the same */
    ENT_OK(ent_store_log_head(store, &size, root));
    ENT_OK(log_note(store, &note));
    for (uint8_t tag = 41; tag >= 40; tag--) {
        ent_buf_clear(&line);
        ENT_OK(log_cosign(&note, tag, &line));
        make_handle(handle, tag);
        ENT_OK(ent_store_cosig_put(store, size, handle, bytes(&line)));
        ENT_OK(
            ent_store_cosig_put(store, size, handle, (struct ent_bytes){line.data, line.len - 1}));
        ENT_OK(ent_note_add_line(&note, (const char *)line.data, line.len));
    }
    ENT_OK(ent_store_ckpt_put(store, size, root, bytes(&note))); /* its cosignatures do not count */
    ENT_OK(ent_store_cosigs(store, size, count_cosig, &n));
    CU_ASSERT_EQUAL(n, 2);
    ENT_FAILS(ent_store_cosig_put(store, 5, handle, bytes(&line)), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_store_cosig_put(store, size, handle, (struct ent_bytes){line.data, 5}),
              ENT_E_DATA);
    ENT_OK(ent_store_ckpt_get(store, size, &ckpt, &full));
    CU_ASSERT(ckpt.size == size && memcmp(ckpt.root, root, 32) == 0 && !ckpt.quorum);
    CU_ASSERT_EQUAL(full.len, note.len); /* all of it, cosigners by handle */
    ENT_FAILS(ent_store_ckpt_newest(store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL),
              ENT_E_NOT_FOUND);
    ENT_FAILS(ent_store_ckpt_set_quorum(store, 5), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_ckpt_set_quorum(store, 4));
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_ckpt_newest(store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL));
    CU_ASSERT(ckpt.size == 4 && ckpt.quorum);
    ENT_OK(ent_store_ckpt_newest(store, ENT_STORE_CKPT_ANY, UINT64_MAX, &ckpt, NULL));
    CU_ASSERT_EQUAL(ckpt.size, 6);
    ENT_OK(ent_store_ckpt_newest(store, ENT_STORE_CKPT_ANY, 6, &ckpt, NULL));
    CU_ASSERT_EQUAL(ckpt.size, 4);
    n = 0;
    ENT_OK(ent_store_ckpts(store, 0, UINT64_MAX, count_ckpt, &n));
    CU_ASSERT_EQUAL(n, 2);
    ent_buf_release(&note);
    ent_buf_release(&full);
    ent_buf_release(&line);
    ent_store_close(store);
}

ENT_TEST(ckpt, a_note_of_another_history_is_refused)
{
    struct ent_store *store = make_log(NULL, 4);
    struct ent_store *other = make_log(NULL, 3);
    struct ent_buf note;
    uint8_t root[32];
    uint64_t size = 0;

    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ENT_OK(log_add(other, 99, NOW));
    ENT_OK(log_note(other, &note));
    ENT_OK(ent_store_log_head(other, &size, root));
    CU_ASSERT_EQUAL(size, 4);
    ENT_FAILS(ent_store_ckpt_put(store, 4, root, bytes(&note)), ENT_E_CORRUPT);
    ENT_FAILS(ent_store_ckpt_put(store, 9, root, bytes(&note)), ENT_E_NOT_FOUND);
    ENT_OK(log_put_note(store));
    ENT_OK(ent_store_log_head(store, &size, root));
    ENT_FAILS(ent_store_ckpt_put(store, 4, root, bytes(&note)), ENT_E_CORRUPT); /* another text */
    ent_buf_release(&note);
    ent_store_close(store);
    ent_store_close(other);
}

ENT_TEST(ckpt, witness_sets_gather_agreement)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 1);
    static const uint8_t set_a[] = {1, 2, 3};
    static const uint8_t set_b[] = {1, 2, 4};
    uint8_t header[60];
    struct ent_store_agreed agreed = {.header = {header, 0}};
    struct ent_store_agreed *list = NULL;
    struct ent_buf set;
    uint32_t version = 0;
    size_t n = 0;

    memset(header, 0x5a, sizeof header);
    ent_buf_init(&set, 100);
    ENT_FAILS(ent_store_set_proposed(store, &version, &set), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_set_propose(store, 1, (struct ent_bytes){set_a, 3}));
    for (uint8_t tag = 5; tag > 0; tag--) {
        make_handle(agreed.handle, tag);
        agreed.header.len = 50u + tag;
        memset(agreed.signature, tag, sizeof agreed.signature);
        ENT_OK(ent_store_set_agree(store, &agreed));
    }
    memset(agreed.signature, 77, sizeof agreed.signature);
    ENT_OK(ent_store_set_agree(store, &agreed)); /* the first one stays */
    ENT_OK(ent_store_set_propose(store, 1, (struct ent_bytes){set_a, 3}));
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_set_proposed(store, &version, &set));
    CU_ASSERT(version == 1 && set.len == 3 && memcmp(set.data, set_a, 3) == 0);
    ENT_OK(ent_store_set_agreed(store, &list, &n));
    CU_ASSERT_EQUAL_FATAL(n, 5);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(list[i].handle[15], i + 1);
        CU_ASSERT_EQUAL(list[i].header.len, 51 + i);
        CU_ASSERT(memcmp(list[i].header.data, header, list[i].header.len) == 0);
        CU_ASSERT_EQUAL(list[i].signature[63], i + 1);
    }
    free(list);
    ENT_OK(ent_store_set_propose(store, 1, (struct ent_bytes){set_b, 3}));
    ENT_OK(ent_store_set_agreed(store, &list, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(list);
    ENT_OK(ent_store_set_drop(store));
    ENT_OK(ent_store_set_drop(store));
    ENT_FAILS(ent_store_set_proposed(store, &version, &set), ENT_E_NOT_FOUND);
    ent_buf_release(&set);
    ent_store_close(store);
}

ENT_TEST(ckpt, auditors_and_salts)
{
    const char *dir = NULL;
    struct ent_store *store = make_log(&dir, 1);
    struct ent_store_auditor a = {.name = "dpo", .admitted_ms = NOW, .leaf = 3};
    struct ent_store_auditor *list = NULL;
    uint8_t handle[16];
    uint8_t salt[32];
    uint8_t again[32];
    size_t n = 0;

    for (uint8_t i = 1; i <= 3; i++) {
        memset(a.seal_pub, 9 - i, sizeof a.seal_pub);
        memset(a.sign_pub, i, sizeof a.sign_pub);
        memset(a.name_salt, i, sizeof a.name_salt);
        ENT_OK(ent_store_auditor_add(store, &a));
    }
    ENT_FAILS(ent_store_auditor_add(store, &a), ENT_E_EXISTS);
    (void)make_member(store, "brand-a", 1);
    (void)make_member(store, "brand-b", 2);
    make_handle(handle, 1);
    ENT_OK(ent_store_name_salt(store, handle, salt));
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_auditors(store, &list, &n));
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT(list[0].seal_pub[0] == 8 && list[2].sign_pub[0] == 3 && list[1].name_salt[5] == 2);
    CU_ASSERT_STRING_EQUAL(list[1].name, "dpo");
    CU_ASSERT(list[1].leaf == 3 && list[1].admitted_ms == NOW);
    free(list);
    ENT_OK(ent_store_name_salt(store, handle, again));
    CU_ASSERT(memcmp(salt, again, 32) == 0);
    make_handle(handle, 2);
    ENT_OK(ent_store_name_salt(store, handle, again));
    CU_ASSERT(memcmp(salt, again, 32) != 0);
    make_handle(handle, 3);
    ENT_FAILS(ent_store_name_salt(store, handle, again), ENT_E_NOT_FOUND);
    ent_store_close(store);
}
