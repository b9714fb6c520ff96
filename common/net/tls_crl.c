#include "common/net/tls_crl.h"

#include <string.h>

#define DER_SEQUENCE 0x30 /* the first byte of DER; PEM begins with text */

enum ent_err ent_tls_crls_init(struct ent_tls_crls *crls, const uint8_t *ca_pem, size_t len)
{
    struct ent_buf der;
    size_t pos = 0;
    enum ent_err err = ENT_E_OK;

    ent_buf_init(&der, ENT_CERT_DER_MAX_BYTES);
    while (crls->n_cas < ENT_TLS_CAS_MAX) {
        ent_buf_clear(&der);
        err = ent_pem_next("CERTIFICATE", (const char *)ca_pem, len, &pos, &der);
        if (err == ENT_E_OK) {
            err = ent_cert_decode(der.data, der.len, &crls->cas[crls->n_cas]);
        }
        if (err != ENT_E_OK) {
            break;
        }
        crls->n_cas++;
    }
    ent_buf_release(&der);
    /* NOT_FOUND is the end of the text. */
    if (crls->n_cas == 0 || (err != ENT_E_OK && err != ENT_E_NOT_FOUND)) {
        ent_tls_crls_release(crls);
        return ent_err_note(ENT_E_CONFIG, "no usable CA certificate in the PEM text");
    }
    return ENT_E_OK;
}

void ent_tls_crls_release(struct ent_tls_crls *crls)
{
    for (size_t i = 0; i < crls->n_cas; i++) {
        ent_cert_free(crls->cas[i]);
    }
    memset(crls, 0, sizeof *crls);
}

static bool is_older(const struct ent_crl_info *a, const struct ent_crl_info *b)
{
    return a->number != b->number ? a->number < b->number : a->this_update_ms < b->this_update_ms;
}

static enum ent_err judge(struct ent_tls_crls *crls, const struct ent_buf *der)
{
    struct ent_crl *crl = NULL;
    struct ent_crl_info info;
    bool trusted = false;
    enum ent_err err = ent_crl_decode(der->data, der->len, &crl);

    if (err == ENT_E_OK) {
        err = ent_crl_info(crl, &info);
    }
    for (size_t i = 0; err == ENT_E_OK && !trusted && i < crls->n_cas; i++) {
        trusted = ent_crl_verify(crl, crls->cas[i]) == ENT_E_OK;
    }
    ent_crl_free(crl);
    ENT_REQUIRE(err == ENT_E_OK, ENT_E_CORRUPT, "the CRL cannot be read");
    ENT_REQUIRE(trusted, ENT_E_CORRUPT, "the CRL is not signed by a trusted CA");
    ENT_REQUIRE(!crls->any || !is_older(&info, &crls->newest), ENT_E_STALE,
                "the CRL is older than the one in use");
    crls->newest = info;
    crls->any = true;
    return ENT_E_OK;
}

enum ent_err ent_tls_crls_accept(struct ent_tls_crls *crls, const uint8_t *crl, size_t len,
                                 struct ent_buf *der)
{
    size_t pos = 0;

    if (len > 0 && crl[0] == DER_SEQUENCE) {
        ENT_TRY(ent_buf_add(der, crl, len));
    } else {
        ENT_REQUIRE(ent_pem_next("X509 CRL", (const char *)crl, len, &pos, der) == ENT_E_OK,
                    ENT_E_CORRUPT, "no CRL in the PEM text");
    }
    return judge(crls, der);
}
