#include "tests/unit/coordinator_store/make.h"

#include <signal.h>
#include <string.h>

#include "common/base/hooks.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_round/world.h"
#include "tests/unit/coordinator_store/make_log.h"

unsigned long make_kill_at = 0;

void ent_hook_point(const char *name)
{
    (void)name;
    if (make_kill_at > 0 && --make_kill_at == 0) {
        (void)raise(SIGKILL);
    }
}

bool ent_hook_planted(const char *bug)
{
    (void)bug;
    return false;
}

struct ent_store *make_store(const char **dir)
{
    const char *tmp = ent_test_tmpdir();
    struct ent_store_identity id = {.name = "acme-brands", .created_ms = NOW};
    struct ent_store *store = NULL;

    memset(id.federation, 0xfe, sizeof id.federation);
    ENT_OK(ent_store_create(tmp, &id));
    ENT_OK(ent_store_open(tmp, &store));
    if (dir != NULL) {
        *dir = tmp;
    }
    return store;
}

void make_handle(uint8_t handle[ENT_STORE_ID_BYTES], uint8_t tag)
{
    memset(handle, tag, ENT_STORE_ID_BYTES);
}

void make_keys(struct ent_store_keys *keys, uint8_t tag)
{
    memset(keys, tag, sizeof *keys);
    keys->tls_pub_len = 91;
    memset(keys->tls_pub + keys->tls_pub_len, 0, sizeof keys->tls_pub - keys->tls_pub_len);
}

void make_cert(struct ent_store_cert *cert, uint8_t tag)
{
    memset(cert, 0, sizeof *cert);
    cert->serial_len = 16;
    memset(cert->serial, tag, cert->serial_len);
    cert->der_len = 500;
    memset(cert->der, tag, cert->der_len);
    cert->expires_ms = NOW + 90000;
}

void make_invitation(struct ent_store_invitation *invitation, const char *name, uint8_t tag)
{
    memset(invitation, 0, sizeof *invitation);
    invitation->name = name;
    make_handle(invitation->handle, tag);
    memset(invitation->token_sha256, tag, sizeof invitation->token_sha256);
    invitation->expires_ms = NOW + 1000;
}

uint32_t make_member(struct ent_store *store, const char *name, uint8_t tag)
{
    struct ent_store_invitation invitation;
    struct ent_store_keys keys;
    struct ent_store_cert cert;
    uint8_t handle[ENT_STORE_ID_BYTES];
    uint32_t index = ENT_ROUND_NO_MEMBER;

    make_invitation(&invitation, name, tag);
    make_keys(&keys, tag);
    make_cert(&cert, tag);
    ENT_OK(ent_store_invite(store, &invitation, NOW, handle));
    ENT_OK(ent_store_enrol(store, handle, &keys, &cert, NOW, &index));
    return index;
}

uint32_t make_run(struct ent_store *store)
{
    struct ent_run_config config = world_config();
    static const uint8_t none[ENT_STORE_DIGEST_BYTES];
    struct ent_buf plan;
    uint32_t run = 0;

    ent_buf_init(&plan, ENT_STORE_PLAN_MAX);
    ENT_OK(ent_buf_addf(&plan, "features: []\n"));
    ENT_OK(ent_store_run_add(store, &config, none, &plan, NOW, &run));
    ent_buf_release(&plan);
    return run;
}

struct ent_store *make_log(const char **dir, size_t n)
{
    struct ent_store *store = make_store(dir);

    ENT_OK(log_begin(store));
    ENT_OK(log_add_many(store, 0, n - 1));
    return store;
}
