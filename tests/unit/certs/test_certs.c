#include "certs/test_certs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/certs.h"
#include "certs/token.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"

#define NOW UINT64_C(1795543200000)

struct fixture {
    struct ent_tls_key *ca_key;
    struct ent_tls_key *key;
    struct ent_cert *ca;
    struct ent_certs_issuer issuer;
};

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    ENT_OK(ent_tls_key_generate(&f->ca_key));
    ENT_OK(ent_tls_key_generate(&f->key));
    ENT_OK(ent_certs_make_ca("acme-brands", f->ca_key, NOW, &f->ca));
    f->issuer.ca = f->ca;
    f->issuer.ca_key = f->ca_key;
    memset(f->issuer.federation, 0xab, ENT_FEDERATION_BYTES);
}

static void teardown(struct fixture *f)
{
    ent_cert_free(f->ca);
    ent_tls_key_free(f->ca_key);
    ent_tls_key_free(f->key);
}

static void check_shape(const struct ent_cert *cert, enum ent_certs_kind kind)
{
    const struct ent_certs_shape *shape = ent_certs_shape(kind);
    struct ent_cert_info info;

    ENT_OK(ent_cert_info(cert, &info));
    CU_ASSERT_EQUAL(info.not_before_ms, NOW - 24 * UINT64_C(3600000));
    CU_ASSERT_EQUAL(info.not_after_ms, NOW + shape->days * ENT_CERTS_DAY_MS);
    CU_ASSERT_EQUAL(info.ca, shape->ca);
    CU_ASSERT_EQUAL(info.server_auth, shape->server_auth);
    CU_ASSERT_EQUAL(info.client_auth, shape->client_auth);
    CU_ASSERT_EQUAL(info.uri[0] != '\0', shape->has_uri);
}

ENT_TEST(certs, look_as_the_table_says)
{
    struct fixture f;
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    struct ent_buf csr;
    uint8_t handle[ENT_HANDLE_BYTES] = {1, 2, 3};
    uint8_t back[ENT_HANDLE_BYTES];

    setup(&f);
    check_shape(f.ca, ENT_CERTS_AUTHORITY);
    ENT_OK(ent_certs_issue_coordinator(&f.issuer, "fed.acme.example", f.key, NOW, &cert));
    check_shape(cert, ENT_CERTS_COORDINATOR);
    ENT_OK(ent_cert_check_host(cert, "fed.acme.example"));
    ENT_OK(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_SERVER, NOW));
    ENT_FAILS(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_CLIENT, NOW), ENT_E_TLS);
    ENT_OK(ent_cert_info(cert, &info));
    CU_ASSERT_STRING_EQUAL(info.uri, "urn:entente:abababababababababababababababab:coordinator");
    ENT_FAILS(ent_certs_member_of_uri(info.uri, f.issuer.federation, back), ENT_E_UNKNOWN_MEMBER);
    ent_cert_free(cert);

    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(f.key, "whatever I like", &csr));
    ENT_OK(ent_certs_issue_member(&f.issuer, handle, csr.data, csr.len, NOW, &cert));
    check_shape(cert, ENT_CERTS_MEMBER);
    ENT_OK(ent_cert_check_key(cert, f.key));
    ENT_OK(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_CLIENT, NOW));
    ENT_FAILS(ent_cert_verify(cert, f.ca, NULL, ENT_CERT_SERVER, NOW), ENT_E_TLS);
    ENT_OK(ent_cert_info(cert, &info));
    CU_ASSERT_STRING_EQUAL(info.common_name,
                           "01020300000000000000000000000000"); /* not the request's */
    ENT_OK(ent_certs_member_of_uri(info.uri, f.issuer.federation, back));
    CU_ASSERT(memcmp(back, handle, sizeof handle) == 0);
    CU_ASSERT_FALSE(ent_certs_renew_due(&info, NOW + 60 * ENT_CERTS_DAY_MS - 1));
    CU_ASSERT_TRUE(ent_certs_renew_due(&info, NOW + 60 * ENT_CERTS_DAY_MS));
    CU_ASSERT_TRUE(ent_certs_renew_due(&info, NOW + 100 * ENT_CERTS_DAY_MS));
    csr.data[csr.len / 2] ^= 1;
    ent_cert_free(cert);
    cert = NULL;
    CU_ASSERT(ent_certs_issue_member(&f.issuer, handle, csr.data, csr.len, NOW, &cert) != ENT_E_OK);
    CU_ASSERT_PTR_NULL(cert);
    ent_buf_release(&csr);
    teardown(&f);
}

ENT_TEST(certs, uris_have_one_spelling)
{
    static const char *const bad[] = {
        "",
        "urn:entente:abababababababababababababababab",
        "urn:entente:abababababababababababababababab:",
        "urn:entente:abababababababababababababababab:0102",
        "urn:entente:abababababababababababababababab:0102030000000000000000000000000A",
        "URN:entente:abababababababababababababababab:01020300000000000000000000000000",
        "urn:entente:abababababababababababababababac:01020300000000000000000000000000",
        "urn:entente:abababababababababababababababab:01020300000000000000000000000000 ",
        "x:urn:entente:abababababababababababababababab:01020300000000000000000000000000",
    };
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handle[ENT_HANDLE_BYTES];

    memset(federation, 0xab, sizeof federation);
    ENT_OK(ent_certs_member_of_uri(
        "urn:entente:abababababababababababababababab:01020300000000000000000000000000", federation,
        handle));
    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        ENT_FAILS(ent_certs_member_of_uri(bad[i], federation, handle), ENT_E_UNKNOWN_MEMBER);
    }
}

ENT_TEST(certs, crl)
{
    struct fixture f;
    struct ent_crl *crl = NULL;
    struct ent_crl_info info;
    static const uint8_t serials[2][ENT_SERIAL_BYTES] = {{[19] = 7}, {[0] = 1, [19] = 9}};

    setup(&f);
    ENT_OK(ent_certs_make_crl(&f.issuer, serials, 2, NOW, NOW, &crl));
    ENT_OK(ent_crl_info(crl, &info));
    CU_ASSERT(info.number == NOW && info.n_serials == 2);
    CU_ASSERT_EQUAL(info.next_update_ms, NOW + 7 * ENT_CERTS_DAY_MS);
    CU_ASSERT(ent_crl_has(crl, serials[0]) && ent_crl_has(crl, serials[1]));
    ENT_OK(ent_crl_verify(crl, f.ca));
    ent_crl_free(crl);
    teardown(&f);
}

static void check_test_cert(const char *dir, enum ent_test_cert which, const struct ent_cert *ca,
                            const struct ent_crl *crl)
{
    char *pem = NULL;
    char *key_path = NULL;
    struct ent_cert *cert = NULL;
    struct ent_tls_key *key = NULL;

    ENT_OK(ent_test_cert_paths(dir, which, &pem, &key_path));
    ENT_OK(ent_cert_load(pem, &cert));
    ENT_OK(ent_tls_key_load(key_path, &key));
    ENT_OK(ent_cert_check_key(cert, key));
    ENT_FAILS(ent_cert_verify(cert, ca, crl, ent_test_cert_purpose(which), NOW),
              ent_test_cert_expected(which));
    if (which == ENT_TEST_SERVER) {
        ENT_OK(ent_cert_check_host(cert, "localhost"));
    } else if (which == ENT_TEST_SERVER_WRONG_HOST) {
        ENT_FAILS(ent_cert_check_host(cert, "localhost"), ENT_E_TLS);
    }
    ent_cert_free(cert);
    ent_tls_key_free(key);
    free(pem);
    free(key_path);
}

ENT_TEST(certs, test_certificates_are_wrong_in_the_way_they_say)
{
    const char *dir = ent_test_tmpdir();
    struct ent_cert *ca = NULL;
    struct ent_crl *crl = NULL;
    char *ca_path = NULL;
    char *crl_path = NULL;

    ENT_OK(ent_test_certs_make(dir, "localhost", NOW));
    ENT_OK(ent_path_join(dir, "ca.pem", &ca_path));
    ENT_OK(ent_path_join(dir, "crl.pem", &crl_path));
    ENT_OK(ent_cert_load(ca_path, &ca));
    ENT_OK(ent_crl_load(crl_path, &crl));
    for (int i = 0; i < ENT_TEST_CERTS; i++) {
        check_test_cert(dir, (enum ent_test_cert)i, ca, crl);
    }
    ent_cert_free(ca);
    ent_crl_free(crl);
    free(ca_path);
    free(crl_path);
}

static struct ent_token sample_token(void)
{
    struct ent_token token = {.address = "fed.acme.example:7444",
                              .expiry_ms = NOW + ENT_TOKEN_VALID_MS};

    memset(token.federation, 0xfe, sizeof token.federation);
    memset(token.handle, 0x11, sizeof token.handle);
    memset(token.listener_sha256, 0x22, sizeof token.listener_sha256);
    memset(token.secret, 0x33, sizeof token.secret);
    return token;
}

static bool same_token(const struct ent_token *a, const struct ent_token *b)
{
    return strcmp(a->address, b->address) == 0 && memcmp(a->federation, b->federation, 16) == 0 &&
           memcmp(a->handle, b->handle, 16) == 0 &&
           memcmp(a->listener_sha256, b->listener_sha256, 32) == 0 &&
           memcmp(a->secret, b->secret, 16) == 0 && a->expiry_ms == b->expiry_ms;
}

ENT_TEST(token, round_trip)
{
    static const char *const addresses[] = {"fed.acme.example:7444", "127.0.0.1:1", "[::1]:65535",
                                            "x:80"};
    char text[ENT_TOKEN_TEXT_MAX];
    char line[ENT_TOKEN_TEXT_MAX + 8];

    for (size_t i = 0; i < ENT_ARRAY_LEN(addresses); i++) {
        struct ent_token token = sample_token();
        struct ent_token back;

        (void)snprintf(token.address, sizeof token.address, "%s", addresses[i]);
        ENT_OK(ent_token_encode(&token, text));
        CU_ASSERT(strncmp(text, "entente1.", 9) == 0 && strpbrk(text, " \n") == NULL);
        (void)snprintf(line, sizeof line, "  %s\r\n", text);
        ENT_OK(ent_token_decode(line, strlen(line), &back));
        CU_ASSERT_TRUE(same_token(&token, &back));
        ent_token_release(&back);
        CU_ASSERT(back.secret[0] == 0 && back.address[0] == '\0');
    }
}

ENT_TEST(token, addresses_are_checked)
{
    static const char *const bad[] = {"",           "host",    ":7444",    "host:",      "host:0",
                                      "host:65536", "host:07", "h o:1",    "host:7444x", "[::1:1",
                                      "[]:1",       "a/b:1",   "host:1:2", "h\n:1"};
    char text[ENT_TOKEN_TEXT_MAX];

    for (size_t i = 0; i < ENT_ARRAY_LEN(bad); i++) {
        struct ent_token token = sample_token();

        (void)snprintf(token.address, sizeof token.address, "%s", bad[i]);
        ENT_FAILS(ent_token_encode(&token, text), ENT_E_TOKEN);
    }
    {
        struct ent_token longest = sample_token();
        struct ent_token back;

        memset(longest.address, 'a', sizeof longest.address);
        (void)snprintf(longest.address + 255, 7, ":65535");
        ENT_OK(ent_token_encode(&longest, text));
        ENT_OK(ent_token_decode(text, strlen(text), &back));
        CU_ASSERT_TRUE(same_token(&longest, &back));
    }
}

/* Cut anywhere, any character changed, two swapped: refused before anything is sent. */
ENT_TEST(token, slips_are_found)
{
    struct ent_token token = sample_token();
    struct ent_token back;
    char text[ENT_TOKEN_TEXT_MAX];
    char bad[ENT_TOKEN_TEXT_MAX];
    size_t len;

    ENT_OK(ent_token_encode(&token, text));
    len = strlen(text);
    for (size_t cut = 0; cut < len; cut++) {
        ENT_FAILS(ent_token_decode(text, cut, &back), ENT_E_TOKEN);
    }
    for (size_t at = 0; at < len; at++) {
        memcpy(bad, text, len + 1);
        bad[at] = bad[at] == 'Q' ? 'R' : 'Q';
        ENT_FAILS(ent_token_decode(bad, len, &back), ENT_E_TOKEN);
        memcpy(bad, text, len + 1);
        bad[at] = '\0';
        ENT_FAILS(ent_token_decode(bad, len, &back), ENT_E_TOKEN);
    }
    for (size_t at = 0; at + 1 < len; at++) {
        memcpy(bad, text, len + 1);
        bad[at] = text[at + 1];
        bad[at + 1] = text[at];
        if (bad[at] != bad[at + 1]) {
            ENT_FAILS(ent_token_decode(bad, len, &back), ENT_E_TOKEN);
        }
    }
    memcpy(bad, text, len + 1);
    bad[len] = 'A';
    ENT_FAILS(ent_token_decode(bad, len + 1, &back), ENT_E_TOKEN);
}

static void check_words(const char *text, const char *word)
{
    struct ent_token back;

    ENT_FAILS(ent_token_decode(text, strlen(text), &back), ENT_E_TOKEN);
    if (strstr(ent_err_message(), word) == NULL) {
        (void)fprintf(stderr, "expected \"%s\" in: %s\n", word, ent_err_message());
        CU_FAIL("message");
    }
}

ENT_TEST(token, errors_say_what_is_wrong)
{
    struct ent_token token = sample_token();
    char text[ENT_TOKEN_TEXT_MAX];
    size_t len;

    ENT_OK(ent_token_encode(&token, text));
    len = strlen(text);
    check_words("", "no token");
    check_words("hello", "not an enrolment token");
    check_words("entente2.host:1.AAAA", "another version");
    check_words("entente", "cut off");
    check_words("entente1.fed.acme.example:7444", "cut off");
    text[len - 3] = text[len - 3] == 'A' ? 'B' : 'A';
    check_words(text, "mistyped");
    text[len - 3] = '!';
    check_words(text, "mistyped");
    text[len - 3] = '\0';
    check_words(text, "cut off");
    ENT_OK(ent_token_check_time(&token, NOW));
    ENT_FAILS(ent_token_check_time(&token, token.expiry_ms), ENT_E_EXPIRED);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "2026-11-27T18:00:00Z"));
}

/* Any bytes: an error or a token that encodes to the same line. */
ENT_TEST(token, random_bytes)
{
    struct ent_rng rng = ent_rng_init(3, 0);
    struct ent_token back;
    char text[ENT_TOKEN_TEXT_MAX + 16];

    for (int i = 0; i < 5000; i++) {
        size_t len = ent_rng_below(&rng, sizeof text);
        size_t start = ent_rng_below(&rng, 2) == 0 ? 0 : 9;

        for (size_t j = 0; j < len; j++) {
            text[j] = (char)ent_rng_u32(&rng);
        }
        if (len > start) {
            memcpy(text, "entente1.", start);
        }
        ENT_FAILS(ent_token_decode(text, len, &back), ENT_E_TOKEN);
    }
}
