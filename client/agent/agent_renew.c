#include <stdlib.h>
#include <string.h>

#include "client/agent/agent_internal.h"
#include "common/base/file.h"
#include "common/base/hooks.h"

#define LOOK_EVERY_MS 3600000 /* wall clock between two looks at the certificate's age */

void ent_agent_look_at_cert(struct ent_agent *agent)
{
    uint64_t wall = ent_clock_wall(&agent->clock);
    struct ent_cert_info info;
    char ended[ENT_TIME_TEXT_BYTES];

    if (wall < agent->cert_check_ms) {
        return;
    }
    agent->cert_check_ms = wall + LOOK_EVERY_MS;
    if (ent_identity_cert_info(agent->dir, &info) != ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_WARN, "this member's certificate: %s", ent_err_message());
        return;
    }
    agent->renew_due = ent_certs_renew_due(&info, wall);
    if (wall >= info.not_after_ms) { /* it cannot even ask for a new one: no handshake */
        ent_time_text(info.not_after_ms, ended);
        ent_agent_sayf(
            agent, ENT_SAY_WARN,
            "this member's certificate ended at %s: ask the operator to revoke it and to "
            "invite this member anew (or set this machine's clock)",
            ended);
    }
}

static enum ent_err send_renew(struct ent_agent *agent, struct ent_buf *csr)
{
    struct ent_msg_renew m = {0};

    ent_tls_key_free(agent->renew_key);
    agent->renew_key = NULL;
    ENT_TRY(ent_tls_key_generate(&agent->renew_key));
    ENT_TRY(ent_csr_make(agent->renew_key, agent->id.name, csr));
    m.csr = (struct ent_bytes){csr->data, csr->len};
    return ent_agent_send(agent, ENT_MSG_RENEW, &m, &agent->renew_sequence);
}

/* A fresh key each time: the old one ends with its certificate. */
void ent_agent_send_renew(struct ent_agent *agent)
{
    struct ent_buf csr;
    enum ent_err err;

    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    err = send_renew(agent, &csr);
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
    ent_buf_release(&csr);
}

static enum ent_err check_cert(struct ent_agent *agent, const struct ent_cert *cert)
{
    struct ent_cert *ca = NULL;
    struct ent_cert_info info;
    uint8_t handle[ENT_HANDLE_BYTES];
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_cert_info(cert, &info));
    ENT_TRY(ent_certs_member_of_uri(info.uri, agent->id.federation, handle));
    ENT_REQUIRE(memcmp(handle, agent->id.handle, sizeof handle) == 0, ENT_E_PROTOCOL,
                "renewed: a certificate of another member");
    ENT_TRY(ent_path_join(agent->dir, "ca.pem", &path));
    err = ent_cert_load(path, &ca);
    free(path);
    if (err == ENT_E_OK) {
        err = ent_cert_verify(cert, ca, NULL, ENT_CERT_CLIENT, ent_clock_wall(&agent->clock));
    }
    ent_cert_free(ca);
    return err;
}

static enum ent_err take_cert(struct ent_agent *agent, const struct ent_msg_renewed *msg,
                              struct ent_buf *pem)
{
    const struct ent_agent_transport *transport = &agent->options.transport;
    struct ent_cert *cert = NULL;
    enum ent_err err;

    ENT_TRY(ent_cert_decode(msg->cert.data, msg->cert.len, &cert));
    err = check_cert(agent, cert);
    if (err == ENT_E_OK) {
        ENT_HOOK_POINT("agent.renewing");
        err = ent_identity_tls_swap(agent->dir, agent->renew_key, cert, pem);
        ENT_HOOK_POINT("agent.renewed");
    }
    if (err == ENT_E_OK && transport->renew != NULL) {
        err = transport->renew(transport->ctx, agent->link, pem->data, pem->len);
    }
    ent_cert_free(cert);
    return err;
}

void ent_agent_renewed(struct ent_agent *agent, const struct ent_msg_renewed *msg)
{
    struct ent_buf pem;
    enum ent_err err;

    if (agent->renew_key == NULL) {
        return; /* not asked for; the session counts it */
    }
    ent_buf_init(&pem, ENT_PEM_MAX_BYTES);
    err = take_cert(agent, msg, &pem);
    if (err == ENT_E_OK) {
        agent->renew_due = false;
        agent->cert_check_ms = 0;
        ent_agent_sayf(agent, ENT_SAY_LINE, "this member's certificate was renewed");
        ent_agent_take_crl(agent, msg->crl);
    } else {
        ent_agent_sayf(agent, ENT_SAY_WARN, "the renewed certificate is not used: %s",
                       ent_err_message());
    }
    ent_buf_wipe(&pem);
    ent_tls_key_free(agent->renew_key);
    agent->renew_key = NULL;
}

/* Whether `crl` is a genuine one of our authority and newer than the one there. */
static enum ent_err is_newer(const struct ent_agent *agent, const struct ent_crl *crl,
                             const char *path, bool *newer)
{
    struct ent_crl_info info;
    struct ent_crl_info had;
    struct ent_crl *old = NULL;
    struct ent_cert *ca = NULL;
    char *ca_path = NULL;
    enum ent_err err;

    ENT_TRY(ent_crl_info(crl, &info));
    ENT_TRY(ent_path_join(agent->dir, "ca.pem", &ca_path));
    err = ent_cert_load(ca_path, &ca);
    free(ca_path);
    if (err == ENT_E_OK) {
        err = ent_crl_verify(crl, ca);
    }
    ent_cert_free(ca);
    *newer = true;
    if (err == ENT_E_OK && ent_crl_load(path, &old) == ENT_E_OK &&
        ent_crl_info(old, &had) == ENT_E_OK) {
        *newer = info.number > had.number;
    }
    ent_crl_free(old);
    return err;
}

static enum ent_err take_crl(struct ent_agent *agent, struct ent_bytes der)
{
    const struct ent_agent_transport *transport = &agent->options.transport;
    struct ent_crl *crl = NULL;
    char *path = NULL;
    bool newer = false;
    enum ent_err err;

    ENT_TRY(ent_crl_decode(der.data, der.len, &crl));
    err = ent_path_join(agent->dir, "crl.pem", &path);
    if (err == ENT_E_OK) {
        err = is_newer(agent, crl, path, &newer);
    }
    if (err == ENT_E_OK && newer) {
        err = ent_crl_save(crl, path);
    }
    if (err == ENT_E_OK && newer && transport->crl != NULL) {
        err = transport->crl(transport->ctx, agent->link, der.data, der.len);
    }
    free(path);
    ent_crl_free(crl);
    return err;
}

void ent_agent_take_crl(struct ent_agent *agent, struct ent_bytes crl)
{
    if (crl.len > 0 && take_crl(agent, crl) != ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_WARN, "the coordinator's revocation list is not used: %s",
                       ent_err_message());
    }
}
