#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_store/make.h"

ENT_TEST(store, create_once_open_again)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_store_identity id = {.name = "other"};
    char value[16] = "";
    uint64_t first = 0;

    CU_ASSERT_STRING_EQUAL(ent_store_identity(store)->name, "acme-brands");
    ENT_FAILS(ent_store_create(dir, &id), ENT_E_EXISTS);
    ENT_FAILS(ent_store_setting_get(store, "listen", value, sizeof value), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_setting_set(store, "listen", "1"));
    ENT_OK(ent_store_setting_set(store, "listen", "0.0.0.0:7443"));
    ENT_OK(ent_store_counter_take(store, "serial", 1, &first));
    CU_ASSERT_EQUAL(first, 1);
    ENT_OK(ent_store_counter_take(store, "serial", 100, &first));
    CU_ASSERT_EQUAL(first, 2);
    ent_store_close(store);
    ENT_OK(ent_store_open(dir, &store));
    ENT_OK(ent_store_setting_get(store, "listen", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "0.0.0.0:7443");
    ENT_FAILS(ent_store_setting_get(store, "listen", value, 4), ENT_E_LIMIT);
    ENT_OK(ent_store_counter_take(store, "serial", 1, &first));
    CU_ASSERT_EQUAL(first, 102);
    ent_store_close(store);
    ent_store_close(NULL);
}

ENT_TEST(store, not_there)
{
    struct ent_store *store = NULL;

    ENT_FAILS(ent_store_open(ent_test_tmpdir(), &store), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NULL(store);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "init"));
}

ENT_TEST(store, a_reader_beside_serve)
{
    const char *dir = NULL;
    struct ent_store *store = make_store(&dir);
    struct ent_store *reader = NULL;
    struct ent_store_member m;

    (void)make_member(store, "brand-a", 1);
    ENT_OK(ent_store_begin(store)); /* serve is writing */
    ENT_OK(ent_store_set_sequence(store, 0, 5, NOW));
    ENT_OK(ent_store_open_readonly(dir, &reader));
    ENT_OK(ent_store_find_name(reader, "brand-a", &m));
    CU_ASSERT_EQUAL(m.last_sequence, 0);
    CU_ASSERT(ent_store_set_seen(reader, 0, NOW) != ENT_E_OK); /* it cannot write */
    ENT_OK(ent_store_commit(store));
    ENT_OK(ent_store_find_name(reader, "brand-a", &m));
    CU_ASSERT_EQUAL(m.last_sequence, 5);
    ent_store_close(reader);
    ent_store_close(store);
}

ENT_TEST(roster, from_invitation_to_revocation)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_invitation inv;
    struct ent_store_keys keys;
    struct ent_store_cert cert;
    struct ent_store_member m;
    uint8_t handle[16];
    uint32_t index = 7;

    make_invitation(&inv, "brand-a", 1);
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    CU_ASSERT_EQUAL(memcmp(handle, inv.handle, 16), 0);
    ENT_OK(ent_store_find_handle(store, handle, &m));
    CU_ASSERT_EQUAL(m.state, ENT_MEMBER_INVITED);
    CU_ASSERT_EQUAL(m.index, ENT_ROUND_NO_MEMBER);
    CU_ASSERT_EQUAL(m.token_until_ms, NOW + 1000);
    ENT_OK(ent_store_use_token(store, handle, inv.token_sha256, NOW + 1));
    make_keys(&keys, 0x11);
    make_cert(&cert, 0x21);
    ENT_OK(ent_store_enrol(store, handle, &keys, &cert, NOW + 2, &index));
    CU_ASSERT_EQUAL(index, 0);
    ENT_FAILS(ent_store_enrol(store, handle, &keys, &cert, NOW + 2, &index), ENT_E_EXISTS);
    ENT_FAILS(ent_store_invite(store, &inv, NOW, handle), ENT_E_EXISTS);
    ENT_OK(ent_store_find_index(store, 0, &m));
    CU_ASSERT_STRING_EQUAL(m.name, "brand-a");
    CU_ASSERT_EQUAL(m.state, ENT_MEMBER_ENROLLED);
    CU_ASSERT_EQUAL(memcmp(&m.keys, &keys, sizeof keys), 0);
    CU_ASSERT_EQUAL(m.cert.expires_ms, cert.expires_ms);
    CU_ASSERT_EQUAL(m.cert.der_len, cert.der_len);
    CU_ASSERT_EQUAL(memcmp(m.cert.der, cert.der, cert.der_len), 0);
    CU_ASSERT_EQUAL(m.enrolled_ms, NOW + 2);
    CU_ASSERT_EQUAL(m.token_until_ms, 0);
    ENT_OK(ent_store_revoke(store, handle, NOW + 3));
    ENT_FAILS(ent_store_revoke(store, handle, NOW + 4), ENT_E_EXISTS);
    ENT_OK(ent_store_find_index(store, 0, &m));
    CU_ASSERT_EQUAL(m.state, ENT_MEMBER_REVOKED);
    CU_ASSERT_EQUAL(m.revoked_ms, NOW + 3);
    ent_store_close(store);
}

ENT_TEST(roster, a_token_dies_on_its_first_use)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_invitation inv;
    uint8_t handle[16];
    uint8_t wrong[32] = {9};
    uint8_t nobody[16] = {9};

    make_invitation(&inv, "brand-a", 1);
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    ENT_FAILS(ent_store_use_token(store, nobody, inv.token_sha256, NOW), ENT_E_TOKEN);
    ENT_FAILS(ent_store_use_token(store, handle, wrong, NOW), ENT_E_TOKEN);
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW), ENT_E_TOKEN);

    inv.token_sha256[0] = 77; /* a new invitation: same handle, another secret */
    memset(inv.handle, 5, sizeof inv.handle);
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    CU_ASSERT_EQUAL(handle[0], 1);
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW + 1000), ENT_E_EXPIRED);
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW), ENT_E_TOKEN);

    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    ENT_OK(ent_store_use_token(store, handle, inv.token_sha256, NOW));
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW), ENT_E_TOKEN);

    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    inv.token_sha256[0] = 78; /* the older token of two is dead */
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    inv.token_sha256[0] = 77;
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW), ENT_E_TOKEN);

    inv.token_sha256[0] = 79;
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    ENT_OK(ent_store_revoke(store, handle, NOW));
    ENT_FAILS(ent_store_use_token(store, handle, inv.token_sha256, NOW), ENT_E_TOKEN);
    ent_store_close(store);
}

ENT_TEST(roster, names)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_invitation inv;
    struct ent_store_member m;
    char name[ENT_STORE_NAME_MAX + 2];
    uint8_t handle[16];

    make_invitation(&inv, "", 1);
    ENT_FAILS(ent_store_invite(store, &inv, NOW, handle), ENT_E_USAGE);
    inv.name = "two\nlines";
    ENT_FAILS(ent_store_invite(store, &inv, NOW, handle), ENT_E_USAGE);
    memset(name, 'a', sizeof name);
    name[ENT_STORE_NAME_MAX + 1] = '\0';
    inv.name = name;
    ENT_FAILS(ent_store_invite(store, &inv, NOW, handle), ENT_E_USAGE);
    name[ENT_STORE_NAME_MAX] = '\0';
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));

    /* a name that was revoked starts anew, and the newer one is found by it */
    CU_ASSERT_EQUAL(make_member(store, "brand-a", 2), 0);
    ENT_OK(ent_store_find_name(store, "brand-a", &m));
    ENT_OK(ent_store_revoke(store, m.handle, NOW));
    CU_ASSERT_EQUAL(make_member(store, "brand-a", 3), 1);
    ENT_OK(ent_store_find_name(store, "brand-a", &m));
    CU_ASSERT_EQUAL(m.index, 1);
    ENT_FAILS(ent_store_find_name(store, "brand-b", &m), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_store_find_index(store, 2, &m), ENT_E_NOT_FOUND);
    ent_store_close(store);
}

ENT_TEST(roster, a_key_has_one_owner)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_invitation inv;
    struct ent_store_keys first;
    struct ent_store_keys keys;
    struct ent_store_cert cert;
    struct ent_store_member m;
    uint8_t handle[16];
    uint32_t index = 0;

    (void)make_member(store, "brand-a", 1);
    make_invitation(&inv, "brand-b", 2);
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    make_keys(&keys, 1);
    make_cert(&cert, 2);
    ENT_FAILS(ent_store_enrol(store, handle, &keys, &cert, NOW, &index), ENT_E_EXISTS);
    ENT_OK(ent_store_find_handle(store, handle, &m)); /* nothing of it stayed */
    CU_ASSERT_EQUAL(m.state, ENT_MEMBER_INVITED);
    make_keys(&keys,
              2); /* its own, but for the key to cosign with: what the log shows of brand-a */
    make_keys(&first, 1);
    memcpy(keys.witness_pub, first.witness_pub, sizeof keys.witness_pub);
    ENT_FAILS(ent_store_enrol(store, handle, &keys, &cert, NOW, &index), ENT_E_EXISTS);
    ent_store_close(store);
}

ENT_TEST(roster, order_sequence_and_last_seen)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_invitation inv;
    struct ent_store_member *all = NULL;
    uint8_t handle[16];
    uint8_t commit[32];
    size_t n = 0;
    uint32_t n_enrolled = 0;

    make_invitation(&inv, "brand-x", 9);
    ENT_OK(ent_store_invite(store, &inv, NOW, handle));
    CU_ASSERT_EQUAL(make_member(store, "brand-b", 2), 0);
    CU_ASSERT_EQUAL(make_member(store, "brand-a", 1), 1);
    ENT_OK(ent_store_set_sequence(store, 1, 10, NOW + 5));
    ENT_FAILS(ent_store_set_sequence(store, 1, 10, NOW + 6), ENT_E_REPLAY);
    ENT_FAILS(ent_store_set_sequence(store, 1, 9, NOW + 6), ENT_E_REPLAY);
    ENT_FAILS(ent_store_set_sequence(store, 2, 9, NOW + 6), ENT_E_NOT_FOUND);
    ENT_OK(ent_store_set_seen(store, 0, NOW + 7));
    ENT_FAILS(ent_store_set_seen(store, 2, NOW + 7), ENT_E_NOT_FOUND);
    memset(commit, 0xcc, sizeof commit);
    ENT_OK(ent_store_set_nonce_commit(store, 1, commit));
    ENT_OK(ent_store_roster(store, &all, &n));
    ENT_OK(ent_store_n_enrolled(store, &n_enrolled));
    CU_ASSERT_EQUAL_FATAL(n, 3);
    CU_ASSERT_EQUAL(n_enrolled, 2);
    CU_ASSERT_STRING_EQUAL(all[0].name, "brand-b");
    CU_ASSERT_STRING_EQUAL(all[1].name, "brand-a");
    CU_ASSERT_STRING_EQUAL(all[2].name, "brand-x");
    CU_ASSERT_EQUAL(all[0].last_seen_ms, NOW + 7);
    CU_ASSERT_EQUAL(all[1].last_sequence, 10);
    CU_ASSERT_EQUAL(all[1].last_seen_ms, NOW + 5);
    CU_ASSERT_EQUAL(memcmp(all[1].keys.nonce_commit, commit, 32), 0);
    free(all);
    ent_store_close(store);
}

ENT_TEST(roster, the_crl_names_every_certificate_that_still_runs)
{
    struct ent_store *store = make_store(NULL);
    struct ent_store_revoked *list = NULL;
    struct ent_store_member m;
    struct ent_store_cert cert;
    uint8_t pub[91] = {4};
    size_t n = 9;

    (void)make_member(store, "brand-a", 1);
    (void)make_member(store, "brand-b", 2);
    make_cert(&cert, 3);
    cert.expires_ms = NOW + 200000;
    ENT_OK(ent_store_renew(store, 0, &cert, pub, sizeof pub, NOW + 10));
    ENT_OK(ent_store_find_index(store, 0, &m));
    CU_ASSERT_EQUAL(m.cert.serial[0], 3);
    CU_ASSERT_EQUAL(m.keys.tls_pub[0], 4);
    CU_ASSERT_EQUAL(m.keys.statement_pub[0], 1);
    ENT_OK(ent_store_crl(store, NOW, &list, &n));
    CU_ASSERT_EQUAL(n, 0);
    free(list);
    ENT_OK(ent_store_revoke(store, m.handle, NOW + 20));
    ENT_FAILS(ent_store_renew(store, 0, &cert, pub, sizeof pub, NOW + 30), ENT_E_REVOKED);
    ENT_OK(ent_store_crl(store, NOW + 30, &list, &n));
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT(list[0].serial[0] == 1 && list[1].serial[0] == 3);
    CU_ASSERT_EQUAL(list[0].serial_len, 16);
    CU_ASSERT_EQUAL(list[1].revoked_ms, NOW + 20);
    free(list);
    ENT_OK(ent_store_crl(store, NOW + 100000, &list, &n)); /* the first has expired */
    CU_ASSERT_EQUAL(n, 1);
    free(list);
    ent_store_close(store);
}
