/* keygen: private files, a public one that fits them, nothing overwritten. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/verbs.h"
#include "common/base/file.h"
#include "common/crypto/sign.h"
#include "common/crypto/x25519.h"
#include "tests/support/ent_test.h"

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static void is_private(const char *path)
{
    struct stat info;

    CU_ASSERT_EQUAL_FATAL(stat(path, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
}

ENT_TEST(keygen, keys_and_public_half)
{
    char *dir = in(ent_test_tmpdir(), "dpo");
    struct ent_audit_verb verb = {.dir = dir};
    char *seal_path = in(dir, "auditor.x25519");
    char *sign_path = in(dir, "auditor.ed25519");
    struct ent_x25519_key *seal = NULL;
    struct ent_sign_key *sign = NULL;
    uint8_t pub[2][32];
    char hex[2][65];
    char want[160];
    struct ent_buf text;
    const char *got;

    ENT_OK(ent_verb_audit_keygen(&verb, NULL, 0));
    is_private(seal_path);
    is_private(sign_path);
    ENT_OK(ent_x25519_key_load(seal_path, &seal));
    ENT_OK(ent_sign_key_load(sign_path, &sign));
    ent_x25519_key_pub(seal, pub[0]);
    ent_sign_key_pub(sign, pub[1]);
    ent_hex(pub[0], 32, hex[0]);
    ent_hex(pub[1], 32, hex[1]);
    (void)snprintf(want, sizeof want, "x25519 %s\ned25519 %s\n", hex[0], hex[1]);
    ent_buf_init(&text, 4096);
    ENT_OK(ent_file_read_in(dir, "auditor.pub", &text));
    ENT_OK(ent_buf_str(&text, &got));
    CU_ASSERT_STRING_EQUAL(got, want);
    ent_buf_release(&text);
    ENT_FAILS(ent_verb_audit_keygen(&verb, NULL, 0), ENT_E_EXISTS);
    ENT_OK(ent_file_remove(seal_path)); /* also with one of them there */
    ENT_FAILS(ent_verb_audit_keygen(&verb, NULL, 0), ENT_E_EXISTS);
    ent_x25519_key_free(seal);
    ent_sign_key_free(sign);
    free(seal_path);
    free(sign_path);
    free(dir);
}
