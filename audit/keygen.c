/* An auditor's keys: X25519 opens what is sealed to it, Ed25519 signs what it attests. */
#include <stdio.h>
#include <stdlib.h>

#include "audit/verbs.h"
#include "common/base/file.h"
#include "common/crypto/sign.h"
#include "common/crypto/x25519.h"

static enum ent_err save_in(const char *dir, const char *name, const struct ent_x25519_key *seal,
                            const struct ent_sign_key *sign)
{
    char *path = NULL;
    enum ent_err err = ent_path_join(dir, name, &path);

    if (err == ENT_E_OK) {
        err = seal != NULL ? ent_x25519_key_save(seal, path) : ent_sign_key_save(sign, path);
    }
    free(path);
    return err;
}

static enum ent_err save_public(const char *dir, const uint8_t seal[32], const uint8_t sign[32])
{
    char seal_hex[65];
    char sign_hex[65];
    char text[160];
    char *path = NULL;
    enum ent_err err;
    int n;

    ent_hex(seal, 32, seal_hex);
    ent_hex(sign, 32, sign_hex);
    n = snprintf(text, sizeof text, "x25519 %s\ned25519 %s\n", seal_hex, sign_hex);
    ENT_BUG_ON(n < 0 || (size_t)n >= sizeof text);
    ENT_TRY(ent_path_join(dir, "auditor.pub", &path));
    err = ent_file_write_new(path, text, (size_t)n, 0644);
    free(path);
    return err;
}

/* All or nothing that is already there: a key is never overwritten. */
static enum ent_err check_free(const char *dir)
{
    static const char *const names[] = {"auditor.x25519", "auditor.ed25519", "auditor.pub"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = NULL;
        bool there;

        ENT_TRY(ent_path_join(dir, names[i], &path));
        there = ent_file_exists(path);
        free(path);
        ENT_REQUIRE(!there, ENT_E_EXISTS, "%s/%s is there already: keys are never overwritten", dir,
                    names[i]);
    }
    return ENT_E_OK;
}

static enum ent_err save(const char *dir, const struct ent_x25519_key *seal,
                         const struct ent_sign_key *sign)
{
    uint8_t seal_pub[32];
    uint8_t sign_pub[32];
    char fingerprint[ENT_FINGERPRINT_CHARS + 1];

    ent_x25519_key_pub(seal, seal_pub);
    ent_sign_key_pub(sign, sign_pub);
    ENT_TRY(ent_fingerprint(seal_pub, fingerprint));
    ENT_TRY(save_in(dir, "auditor.x25519", seal, NULL));
    ENT_TRY(save_in(dir, "auditor.ed25519", NULL, sign));
    ENT_TRY(save_public(dir, seal_pub, sign_pub));
    printf("fingerprint  %s\n"
           "secret       %s/auditor.x25519, %s/auditor.ed25519 (keep them; nobody can make them "
           "again)\n"
           "public       %s/auditor.pub (to the operator: entente-coordinator admit-auditor)\n"
           "Members that allow this auditor write the fingerprint into client.yaml, auditors:\n",
           fingerprint, dir, dir, dir);
    return ENT_E_OK;
}

enum ent_err ent_verb_audit_keygen(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_audit_verb *verb = options;
    struct ent_x25519_key *seal = NULL;
    struct ent_sign_key *sign = NULL;
    enum ent_err err;

    (void)args;
    (void)n_args;
    ENT_TRY(ent_dir_make(verb->dir));
    ENT_TRY(check_free(verb->dir));
    err = ent_x25519_key_generate(&seal);
    if (err == ENT_E_OK) {
        err = ent_sign_key_generate(&sign);
    }
    if (err == ENT_E_OK) {
        err = save(verb->dir, seal, sign);
    }
    ent_x25519_key_free(seal);
    ent_sign_key_free(sign);
    return err;
}
