#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/crypto/x509.h"
#include "tests/support/ent_test.h"

#define NOW UINT64_C(1795543200000) /* 2026-11-24T18:00:00Z */
#define DAY UINT64_C(86400000)

struct fixture {
    struct ent_tls_key *ca_key;
    struct ent_tls_key *key;
    struct ent_cert *ca;
    struct ent_buf csr;
};

static void setup(struct fixture *f)
{
    struct ent_cert_spec spec = {.common_name = "ca",
                                 .ca = true,
                                 .not_before_ms = NOW - DAY,
                                 .not_after_ms = NOW + 3650 * DAY};

    memset(f, 0, sizeof *f);
    ENT_OK(ent_tls_key_generate(&f->ca_key));
    ENT_OK(ent_tls_key_generate(&f->key));
    ENT_OK(ent_cert_make_ca(&spec, f->ca_key, &f->ca));
    ent_buf_init(&f->csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(f->key, "member", &f->csr));
}

static void teardown(struct fixture *f)
{
    ent_cert_free(f->ca);
    ent_tls_key_free(f->ca_key);
    ent_tls_key_free(f->key);
    ent_buf_release(&f->csr);
}

static const struct ent_cert_spec member_spec = {
    .common_name = "member",
    .uri = "urn:entente:00:01",
    .client_auth = true,
    .not_before_ms = NOW - DAY,
    .not_after_ms = NOW + 90 * DAY,
};

ENT_TEST(csr, check)
{
    struct fixture f;

    setup(&f);
    ENT_OK(ent_csr_check(f.csr.data, f.csr.len));
    for (size_t cut = 0; cut < f.csr.len; cut += 7) {
        ENT_FAILS(ent_csr_check(f.csr.data, cut), ENT_E_DATA);
    }
    f.csr.data[f.csr.len - 1] ^= 1; /* the signature's last byte */
    ENT_FAILS(ent_csr_check(f.csr.data, f.csr.len), ENT_E_SIGNATURE);
    f.csr.data[f.csr.len - 1] ^= 1;
    ENT_OK(ent_buf_add_u8(&f.csr, 0));
    ENT_FAILS(ent_csr_check(f.csr.data, f.csr.len), ENT_E_DATA);
    ENT_FAILS(ent_csr_check(f.csr.data, ENT_CSR_DER_MAX_BYTES + 1), ENT_E_LIMIT);
    teardown(&f);
}

/* A request for a P-384 key, made by `openssl req -new -newkey ec -outform DER`. */
static const char p384_csr_hex[] = "3082010330818b020100300c310a300806035504030c01783076301006072a8"
                                   "648ce3d020106052b8104002203620004"
                                   "68b0d4eb03594c7dd1f573588c8c19ed045ed907f7b27cda58bb2b065f38d90"
                                   "25218b319999014756d9eaba0c2d9cb4a"
                                   "8fd9ffed3a11566d6a6a35d7ba85b7d94d4b41e102ad6ecd27814e1d2e1e422"
                                   "92d8bf999a89e700373b452251424dc8e"
                                   "a000300a06082a8648ce3d040302036700306402301722133ecc4c24f92eba0"
                                   "0ca0d1faf8b2e18d21dbae2b6297f7330"
                                   "a9b3ff1f039d0086190e78288103672ef86f554c75023022de3b5f3df8ae85c"
                                   "2da3f6b3b3ae2511c3f90dc472930b699"
                                   "69a25afc18a1a64960611f292517b5cd30964180bce873";

ENT_TEST(csr, other_keys_are_refused)
{
    uint8_t der[1024];
    size_t n = strlen(p384_csr_hex) / 2;

    ENT_OK(ent_unhex(p384_csr_hex, der, n));
    ENT_FAILS(ent_csr_check(der, n), ENT_E_UNSUPPORTED);
}

ENT_TEST(cert, issue_and_read)
{
    struct fixture f;
    struct ent_cert *cert = NULL;
    struct ent_cert *again = NULL;
    struct ent_cert_info info;
    struct ent_buf der;
    uint8_t digest[32];

    setup(&f);
    ENT_OK(ent_cert_issue_csr(&member_spec, f.ca, f.ca_key, f.csr.data, f.csr.len, &cert));
    ENT_OK(ent_cert_info(cert, &info));
    CU_ASSERT_STRING_EQUAL(info.uri, "urn:entente:00:01");
    CU_ASSERT_STRING_EQUAL(info.common_name, "member");
    CU_ASSERT(info.client_auth && !info.server_auth && !info.ca);
    CU_ASSERT(info.not_before_ms == NOW - DAY && info.not_after_ms == NOW + 90 * DAY);
    CU_ASSERT(info.serial[0] == 0 && info.serial[4] >= 0x40);
    ENT_OK(ent_cert_check_key(cert, f.key));
    ENT_FAILS(ent_cert_check_key(cert, f.ca_key), ENT_E_DIGEST);
    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    ENT_OK(ent_cert_encode(cert, &der));
    ENT_OK(ent_sha256(der.data, der.len, digest));
    CU_ASSERT(memcmp(digest, info.sha256, 32) == 0);
    ENT_OK(ent_cert_decode(der.data, der.len, &again));
    ent_cert_free(again);
    for (size_t cut = 0; cut < der.len; cut += 11) {
        ENT_FAILS(ent_cert_decode(der.data, cut, &again), ENT_E_DATA);
    }
    ENT_OK(ent_buf_add_u8(&der, 0));
    ENT_FAILS(ent_cert_decode(der.data, der.len, &again), ENT_E_DATA);
    ent_buf_release(&der);
    ent_cert_free(cert);
    ENT_OK(ent_cert_info(f.ca, &info));
    CU_ASSERT(info.ca && info.uri[0] == '\0' && !info.client_auth && !info.server_auth);
    teardown(&f);
}

ENT_TEST(cert, serials_differ)
{
    struct fixture f;
    struct ent_cert_info a;
    struct ent_cert_info b;
    struct ent_cert *one = NULL;
    struct ent_cert *two = NULL;

    setup(&f);
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &one));
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &two));
    ENT_OK(ent_cert_info(one, &a));
    ENT_OK(ent_cert_info(two, &b));
    CU_ASSERT(memcmp(a.serial, b.serial, sizeof a.serial) != 0);
    ent_cert_free(one);
    ent_cert_free(two);
    teardown(&f);
}

ENT_TEST(cert, verify_by_time_purpose_and_issuer)
{
    struct fixture f;
    struct fixture other;
    struct ent_cert *cert = NULL;
    struct ent_cert_spec backwards = member_spec;

    setup(&f);
    setup(&other);
    ENT_OK(ent_cert_issue_csr(&member_spec, f.ca, f.ca_key, f.csr.data, f.csr.len, &cert));
    ENT_OK(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_CLIENT, NOW));
    ENT_OK(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_ANY, NOW));
    ENT_OK(ent_cert_verify(f.ca, f.ca, NULL, ENT_CERT_ANY, NOW));
    ENT_FAILS(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_SERVER, NOW), ENT_E_TLS);
    ENT_FAILS(ent_cert_verify(cert, other.ca, NULL, ENT_CERT_CLIENT, NOW), ENT_E_TLS);
    ENT_FAILS(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_CLIENT, NOW + 91 * DAY), ENT_E_EXPIRED);
    ENT_FAILS(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_CLIENT, NOW - 2 * DAY), ENT_E_EXPIRED);
    backwards.not_after_ms = backwards.not_before_ms;
    ent_cert_free(cert);
    ENT_FAILS(ent_cert_issue_key(&backwards, f.ca, f.ca_key, f.key, &cert), ENT_E_RANGE);
    teardown(&f);
    teardown(&other);
}

/* A member's certificate must not be able to issue others. */
ENT_TEST(cert, member_is_no_authority)
{
    struct fixture f;
    struct ent_cert *member = NULL;
    struct ent_cert *below = NULL;

    setup(&f);
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &member));
    ENT_OK(ent_cert_issue_key(&member_spec, member, f.key, f.key, &below));
    ENT_FAILS(ent_cert_verify(below, member, NULL, ENT_CERT_CLIENT, NOW), ENT_E_TLS);
    ENT_FAILS(ent_cert_verify(below, f.ca, NULL, ENT_CERT_CLIENT, NOW), ENT_E_TLS);
    ent_cert_free(member);
    ent_cert_free(below);
    teardown(&f);
}

static void check_host(struct fixture *f, const char *host, const char *good, const char *bad)
{
    struct ent_cert_spec spec = member_spec;
    struct ent_cert *cert = NULL;

    spec.host = host;
    spec.client_auth = false;
    spec.server_auth = true;
    ENT_OK(ent_cert_issue_key(&spec, f->ca, f->ca_key, f->key, &cert));
    ENT_OK(ent_cert_check_host(cert, good));
    ENT_FAILS(ent_cert_check_host(cert, bad), ENT_E_TLS);
    ent_cert_free(cert);
}

ENT_TEST(cert, hosts)
{
    struct fixture f;

    setup(&f);
    check_host(&f, "fed.acme.example", "fed.acme.example", "acme.example");
    check_host(&f, "fed.acme.example", "FED.acme.example", "evil-fed.acme.example");
    check_host(&f, "127.0.0.1", "127.0.0.1", "127.0.0.2");
    check_host(&f, "::1", "0:0:0:0:0:0:0:1", "localhost");
    check_host(&f, "localhost", "localhost", "coordinator"); /* never the common name */
    teardown(&f);
}

/* A name in OpenSSL's configuration language stays one name. */
ENT_TEST(cert, names_are_values)
{
    struct fixture f;
    struct ent_cert_spec spec = member_spec;
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;

    setup(&f);
    spec.host = "a.example,DNS:b.example";
    ENT_OK(ent_cert_issue_key(&spec, f.ca, f.ca_key, f.key, &cert));
    ENT_FAILS(ent_cert_check_host(cert, "b.example"), ENT_E_TLS);
    ENT_OK(ent_cert_info(cert, &info));
    CU_ASSERT_STRING_EQUAL(info.uri, spec.uri);
    ent_cert_free(cert);
    spec = member_spec;
    spec.common_name = "";
    ENT_FAILS(ent_cert_issue_key(&spec, f.ca, f.ca_key, f.key, &cert), ENT_E_DATA);
    teardown(&f);
}

ENT_TEST(cert, files_and_bundles)
{
    struct fixture f;
    struct ent_cert *cert = NULL;
    struct ent_cert *again = NULL;
    struct ent_cert_info a;
    struct ent_cert_info b;
    struct ent_buf pem;
    struct ent_buf der;
    size_t pos = 0;
    char *path = NULL;

    setup(&f);
    ENT_OK(ent_path_join(ent_test_tmpdir(), "c.pem", &path));
    ENT_FAILS(ent_cert_load(path, &again), ENT_E_NOT_FOUND);
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &cert));
    ENT_OK(ent_cert_save(cert, f.ca, path));
    ENT_OK(ent_cert_load(path, &again));
    ENT_OK(ent_cert_info(cert, &a));
    ENT_OK(ent_cert_info(again, &b));
    CU_ASSERT(memcmp(a.sha256, b.sha256, 32) == 0);
    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    ENT_OK(ent_buf_addf(&pem, "words before\n"));
    ENT_OK(ent_file_read(path, &pem));
    ENT_OK(ent_pem_next("CERTIFICATE", (const char *)pem.data, pem.len, &pos, &der));
    ent_buf_clear(&der);
    ENT_OK(ent_pem_next("CERTIFICATE", (const char *)pem.data, pem.len, &pos, &der));
    ent_cert_free(again);
    ENT_OK(ent_cert_decode(der.data, der.len, &again));
    ENT_OK(ent_cert_info(again, &b));
    CU_ASSERT_TRUE(b.ca);
    ENT_FAILS(ent_pem_next("CERTIFICATE", (const char *)pem.data, pem.len, &pos, &der),
              ENT_E_NOT_FOUND);
    pos = 0;
    ENT_FAILS(ent_pem_next("X509 CRL", (const char *)pem.data, pem.len, &pos, &der),
              ENT_E_NOT_FOUND);
    pem.data[120] = '!';
    ENT_FAILS(ent_pem_next("CERTIFICATE", (const char *)pem.data, pem.len, &pos, &der), ENT_E_DATA);
    ENT_OK(ent_file_write_atomic(path, pem.data, 200, 0644));
    ent_cert_free(again);
    again = NULL;
    ENT_FAILS(ent_cert_load(path, &again), ENT_E_CORRUPT);
    ent_buf_release(&pem);
    ent_buf_release(&der);
    ent_cert_free(cert);
    free(path);
    teardown(&f);
}

ENT_TEST(crl, revokes)
{
    struct fixture f;
    struct fixture other;
    struct ent_cert *cert = NULL;
    struct ent_cert *good = NULL;
    struct ent_cert_info info;
    struct ent_cert_info good_info;
    struct ent_crl *crl = NULL;
    struct ent_crl *again = NULL;
    struct ent_crl_info crl_info;
    struct ent_buf der;
    char *path = NULL;
    struct ent_crl_spec spec = {.n_serials = 1,
                                .number = NOW,
                                .this_update_ms = NOW - DAY,
                                .next_update_ms = NOW + 7 * DAY};

    setup(&f);
    setup(&other);
    ENT_OK(ent_path_join(ent_test_tmpdir(), "crl.pem", &path));
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &cert));
    ENT_OK(ent_cert_issue_key(&member_spec, f.ca, f.ca_key, f.key, &good));
    ENT_OK(ent_cert_info(cert, &info));
    ENT_OK(ent_cert_info(good, &good_info));
    spec.serials = (const uint8_t(*)[ENT_SERIAL_BYTES])info.serial;
    ENT_OK(ent_crl_make(&spec, f.ca, f.ca_key, &crl));
    ENT_OK(ent_crl_info(crl, &crl_info));
    CU_ASSERT(crl_info.number == NOW && crl_info.n_serials == 1 &&
              crl_info.next_update_ms == NOW + 7 * DAY);
    CU_ASSERT_TRUE(ent_crl_has(crl, info.serial));
    CU_ASSERT_FALSE(ent_crl_has(crl, good_info.serial));
    ENT_OK(ent_crl_verify(crl, f.ca));
    ENT_FAILS(ent_crl_verify(crl, other.ca), ENT_E_SIGNATURE);
    ENT_OK(ent_cert_verify(good, f.ca, crl, ENT_CERT_CLIENT, NOW));
    ENT_FAILS(ent_cert_verify(cert, f.ca, crl, ENT_CERT_CLIENT, NOW), ENT_E_REVOKED);
    ENT_FAILS(ent_cert_verify(good, f.ca, crl, ENT_CERT_CLIENT, NOW + 8 * DAY),
              ENT_E_EXPIRED); /* the list is old */
    ENT_OK(ent_crl_save(crl, path));
    ENT_OK(ent_crl_load(path, &again));
    CU_ASSERT_TRUE(ent_crl_has(again, info.serial));
    ent_crl_free(again);
    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    ENT_OK(ent_crl_encode(crl, &der));
    for (size_t cut = 0; cut < der.len; cut += 9) {
        ENT_FAILS(ent_crl_decode(der.data, cut, &again), ENT_E_DATA);
    }
    ENT_OK(ent_buf_add_u8(&der, 0));
    ENT_FAILS(ent_crl_decode(der.data, der.len, &again), ENT_E_DATA);
    ent_crl_free(crl);
    spec.n_serials = 0;
    ENT_OK(ent_crl_make(&spec, f.ca, f.ca_key, &crl));
    CU_ASSERT_FALSE(ent_crl_has(crl, info.serial));
    ENT_OK(ent_cert_verify(cert, f.ca, crl, ENT_CERT_CLIENT, NOW));
    ent_crl_free(crl);
    ent_buf_release(&der);
    ent_cert_free(cert);
    ent_cert_free(good);
    free(path);
    teardown(&f);
    teardown(&other);
}
