#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/identity.h"
#include "tests/support/ent_test.h"

static void check_text(const char *text)
{
    char again[ENT_IDENTITY_TEXT_MAX + 1];

    CU_ASSERT(text[0] != '\0' && strlen(text) <= ENT_IDENTITY_TEXT_MAX);
    ent_identity_text(text, again);
    CU_ASSERT_STRING_EQUAL(again, text);
}

ENT_TEST(identity, says_what_it_was_built_from)
{
    struct ent_identity id;
    size_t commit;

    memset(&id, 'x', sizeof id);
    ent_identity(&id);
    check_text(id.version);
    check_text(id.commit);
    check_text(id.compiler);
    check_text(id.flags);
    check_text(id.build_id);
    CU_ASSERT_STRING_EQUAL(id.version, ENT_VERSION);
    CU_ASSERT(strncmp(id.compiler, "gcc ", 4) == 0 || strncmp(id.compiler, "clang ", 6) == 0);
    CU_ASSERT(strstr(id.flags, "-ffp-contract-off") != NULL);
    commit = strspn(id.commit, "0123456789abcdef");
    CU_ASSERT(strcmp(id.commit, "unknown") == 0 ||
              ((commit == 40 || commit == 64) &&
               (id.commit[commit] == '\0' || strcmp(id.commit + commit, "-dirty") == 0)));
}

static const uint8_t build_id_note[] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};

/* The file holds the note as bytes: found there without knowing ELF. */
ENT_TEST(identity, build_id_is_that_of_the_file)
{
    struct ent_identity id;
    struct ent_buf file;
    char hex[41] = "";
    bool found = false;

    ent_identity(&id);
    ent_buf_init(&file, (size_t)256 * 1024 * 1024);
    ENT_OK(ent_file_read(ENT_IDENTITY_OWN_FILE, &file));
    for (size_t i = 0; i + sizeof build_id_note + 20 <= file.len && !found; i++) {
        if (memcmp(file.data + i, build_id_note, sizeof build_id_note) == 0) {
            ent_hex(file.data + i + sizeof build_id_note, 20, hex);
            found = strcmp(hex, id.build_id) == 0; /* this table of the test has no id behind it */
        }
    }
    CU_ASSERT(found);
    ent_buf_release(&file);
}

/* One note appended at n: little-endian words, name and content filled up to 4. */
static size_t put_note(uint8_t *to, size_t n, uint32_t type, const char *name, uint32_t desc_len)
{
    uint32_t name_len = (uint32_t)strlen(name) + 1;

    ent_put_le32(to + n, name_len);
    ent_put_le32(to + n + 4, desc_len);
    ent_put_le32(to + n + 8, type);
    n += 12;
    memcpy(to + n, name, name_len);
    n += (name_len + 3) & ~3u;
    for (uint32_t i = 0; i < desc_len; i++) {
        to[n + i] = (uint8_t)(i + 1);
    }
    return n + ((desc_len + 3) & ~3u);
}

/* The notes at the end of memory of their own, where a read beyond them is seen. */
static size_t look(const uint8_t *notes, size_t len, uint8_t out[ENT_BUILD_ID_MAX_BYTES])
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    size_t n;

    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, notes, len);
    n = ent_identity_of_notes(copy, len, out);
    free(copy);
    return n;
}

ENT_TEST(identity, notes)
{
    uint8_t notes[512] = {0};
    uint8_t out[ENT_BUILD_ID_MAX_BYTES] = {0};
    size_t before;
    size_t len;

    CU_ASSERT_EQUAL(look(notes, 0, out), 0);
    before = put_note(notes, 0, 1, "GNU", 16);
    before = put_note(notes, before, 3, "other", 7);
    len = put_note(notes, before, 3, "GNU", 19);
    CU_ASSERT_EQUAL(look(notes, len, out), 19);
    CU_ASSERT(out[0] == 1 && out[18] == 19);
    CU_ASSERT_EQUAL(look(notes, len - 1, out), 19); /* what fills it up is no part of it */
    for (size_t cut = 0; cut < len - 1; cut++) {
        CU_ASSERT_EQUAL(look(notes, cut, out), 0);
    }
    len = put_note(notes, 0, 3, "GNU", ENT_BUILD_ID_MAX_BYTES + 1);
    CU_ASSERT_EQUAL(look(notes, len, out), 0);
    len = put_note(notes, 0, 3, "GNU", 0);
    CU_ASSERT_EQUAL(look(notes, len, out), 0);
    ent_put_le32(notes, UINT32_MAX);
    CU_ASSERT_EQUAL(look(notes, len, out), 0);
    ent_put_le32(notes + 4, UINT32_MAX);
    CU_ASSERT_EQUAL(look(notes, len, out), 0);
    ent_put_le32(notes, 4);
    CU_ASSERT_EQUAL(look(notes, len, out), 0);
}

ENT_TEST(identity, text)
{
    char out[ENT_IDENTITY_TEXT_MAX + 1];
    char longer[300];

    ent_identity_text("gcc 12.2.0 (Debian 12.2.0-14) -O2 a=b,c\n\xc3\xa9<", out);
    CU_ASSERT_STRING_EQUAL(out, "gcc 12.2.0 -Debian 12.2.0-14- -O2 a-b-c----");
    ent_identity_text("", out);
    CU_ASSERT_STRING_EQUAL(out, "");
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ent_identity_text(longer, out);
    CU_ASSERT_EQUAL(strlen(out), ENT_IDENTITY_TEXT_MAX);
}
