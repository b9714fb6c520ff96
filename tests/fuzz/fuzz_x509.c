/* First byte: what the rest is: a certificate, a signing request, a revocation list (DER), a file of them (PEM), or a
 * base64 text. What is accepted must be readable in all its parts and encode to what was decoded. */
#include <stdlib.h>
#include <string.h>

#include "certs/certs.h"
#include "common/crypto/base64.h"
#include "common/crypto/x509.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS UINT64_C(1795543200000)

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* Whatever it says, it must say it for a reason. */
static void any(enum ent_err err)
{
    require(err == ENT_E_OK || ent_err_message()[0] != '\0');
}

static void look_at_uri(const struct ent_cert_info *info)
{
    static const uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handle[ENT_HANDLE_BYTES];
    char uri[ENT_CERTS_URI_BYTES];

    require(memchr(info->uri, '\0', sizeof info->uri) != NULL);
    require(memchr(info->common_name, '\0', sizeof info->common_name) != NULL);
    if (ent_certs_member_of_uri(info->uri, federation, handle) == ENT_E_OK) {
        ent_certs_member_uri(federation, handle, uri);
        require(strcmp(uri, info->uri) == 0);
    }
    (void)ent_certs_renew_due(info, NOW_MS);
}

static void on_certificate(const uint8_t *data, size_t size)
{
    struct ent_cert *cert = NULL;
    struct ent_cert_info info;
    struct ent_buf der;
    struct ent_buf pub;

    if (ent_cert_decode(data, size, &cert) != ENT_E_OK) {
        return;
    }
    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    ent_buf_init(&pub, ENT_CERT_DER_MAX_BYTES);
    require(ent_cert_encode(cert, &der) == ENT_E_OK);
    require(der.len == size && memcmp(der.data, data, size) == 0);
    if (ent_cert_info(cert, &info) == ENT_E_OK) {
        look_at_uri(&info);
    }
    any(ent_cert_public(cert, &pub));
    any(ent_cert_check_host(cert, "localhost"));
    any(ent_cert_check_host(cert, "127.0.0.1"));
    any(ent_cert_verify(cert, cert, NULL, ENT_CERT_ANY, NOW_MS));
    ent_buf_release(&pub);
    ent_buf_release(&der);
    ent_cert_free(cert);
}

/* Its outer shell may be written in more than one way (only what is inside is signed); ours is one. */
static void encode_again(const struct ent_buf *der)
{
    struct ent_crl *crl = NULL;
    struct ent_buf again;

    ent_buf_init(&again, ENT_CRL_DER_MAX_BYTES);
    require(ent_crl_decode(der->data, der->len, &crl) == ENT_E_OK);
    require(ent_crl_encode(crl, &again) == ENT_E_OK);
    require(again.len == der->len && memcmp(again.data, der->data, der->len) == 0);
    ent_buf_release(&again);
    ent_crl_free(crl);
}

static void on_list(const uint8_t *data, size_t size)
{
    static const uint8_t serial[ENT_SERIAL_BYTES];
    struct ent_crl *crl = NULL;
    struct ent_crl_info info;
    struct ent_buf der;

    if (ent_crl_decode(data, size, &crl) != ENT_E_OK) {
        return;
    }
    ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
    require(ent_crl_encode(crl, &der) == ENT_E_OK);
    encode_again(&der);
    any(ent_crl_info(crl, &info));
    (void)ent_crl_has(crl, serial);
    ent_buf_release(&der);
    ent_crl_free(crl);
}

static void on_pem(const uint8_t *data, size_t size)
{
    static const char *const labels[] = {"CERTIFICATE", "X509 CRL"};

    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        struct ent_buf der;
        size_t pos = 0;
        size_t before;

        ent_buf_init(&der, ENT_CRL_DER_MAX_BYTES);
        do {
            before = pos;
            ent_buf_clear(&der);
            if (ent_pem_next(labels[i], (const char *)data, size, &pos, &der) != ENT_E_OK) {
                break;
            }
            require(pos > before && pos <= size);
            if (i == 0) {
                on_certificate(der.data, der.len);
            } else {
                on_list(der.data, der.len);
            }
        } while (pos < size);
        ent_buf_release(&der);
    }
}

static void on_base64(const uint8_t *data, size_t size)
{
    static const enum ent_base64 kinds[] = {ENT_BASE64, ENT_BASE64_URL};

    uint8_t bytes[1024];
    char again[sizeof bytes * 2];

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = 0;

        if (ent_base64_decode(kinds[i], (const char *)data, size, bytes, sizeof bytes, &n) ==
            ENT_E_OK) {
            require(n <= sizeof bytes && ent_base64_len(kinds[i], n) == size);
            ent_base64_encode(kinds[i], bytes, n, again);
            require(memcmp(again, data, size) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'c':
        on_certificate(data + 1, size - 1);
        break;
    case 'r':
        any(ent_csr_check(data + 1, size - 1));
        break;
    case 'l':
        on_list(data + 1, size - 1);
        break;
    case 'p':
        on_pem(data + 1, size - 1);
        break;
    case 'b':
        on_base64(data + 1, size - 1);
        break;
    default:
        break;
    }
    return 0;
}
