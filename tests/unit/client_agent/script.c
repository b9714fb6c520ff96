#include <stdlib.h>
#include <string.h>

#include "certs/certs.h"
#include "client/state/state.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

/* ---- the member's directory ---- */

static void make_member(struct script *s)
{
    struct ent_certs_issuer issuer;
    struct ent_identity id = {0};
    struct ent_identity_files files = {.identity = &id};
    struct ent_csprng csprng = ent_csprng_system();
    struct ent_sign_key *witness = NULL;
    struct ent_tls_key *tls = NULL;
    struct ent_cert *cert = NULL;
    struct ent_crl *crl = NULL;
    struct ent_state *state = NULL;
    uint8_t commit[32];
    struct ent_buf csr;

    ENT_OK(ent_tls_key_generate(&s->ca_key));
    ENT_OK(ent_certs_make_ca("test", s->ca_key, s->time.wall_ms, &s->ca));
    issuer = (struct ent_certs_issuer){.ca = s->ca, .ca_key = s->ca_key};
    memset(s->federation, 0xfe, 16);
    memset(s->handle, 0x11, 16);
    memcpy(issuer.federation, s->federation, 16);
    ENT_OK(ent_sign_key_generate(&s->log_key));
    ENT_OK(ent_sign_key_generate(&id.statement));
    ENT_OK(ent_sign_key_generate(&witness));
    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, "m", &csr));
    ENT_OK(ent_certs_issue_member(&issuer, s->handle, csr.data, csr.len, s->time.wall_ms, &cert));
    ENT_OK(ent_certs_make_crl(&issuer, NULL, 0, s->time.wall_ms, s->time.wall_ms, &crl));
    memcpy(id.federation, s->federation, 16);
    memcpy(id.handle, s->handle, 16);
    memcpy(id.name, "brand-a", sizeof "brand-a");
    memcpy(id.federation_name, "test", sizeof "test");
    memcpy(id.address, "localhost:7443", sizeof "localhost:7443");
    ent_sign_key_pub(s->log_key, id.log_pub);
    ent_sign_key_pub(id.statement, s->statement_pub);
    ent_sign_key_pub(witness, s->witness_pub);
    files.witness = witness;
    files.tls_key = tls;
    files.cert = cert;
    files.ca = s->ca;
    files.crl = crl;
    ENT_OK(ent_identity_write(s->dir, &files));
    ENT_OK(ent_state_open(s->dir, &state));
    ENT_OK(ent_state_nonce_first(state, &csprng, commit));
    ent_state_close(state);
    ent_identity_release(&id);
    ent_sign_key_free(witness);
    ent_tls_key_free(tls);
    ent_cert_free(cert);
    ent_crl_free(crl);
    ent_buf_release(&csr);
}

/* ---- links ---- */

static void on_event(void *ctx, struct ent_link_event *event)
{
    struct script *s = ctx;

    switch (event->kind) {
    case ENT_LINK_OPENED:
        s->conn = event->conn;
        s->n_opened++;
        memcpy(s->exporter, event->peer->exporter, sizeof s->exporter);
        break;
    case ENT_LINK_FRAME:
        CU_ASSERT_FATAL(s->n_inbox < SCRIPT_INBOX);
        s->inbox[s->n_inbox++] = (struct script_frame){event->type, event->request, event->body};
        event->body = (struct ent_buf){0};
        break;
    case ENT_LINK_RECEIVED:
        ent_sink_free(s->arrived);
        s->arrived = event->sink;
        event->sink = NULL;
        break;
    case ENT_LINK_CLOSED:
        s->n_closed++;
        s->conn = event->conn == s->conn ? 0 : s->conn;
        break;
    default:
        break;
    }
    ent_link_event_release(event);
}

static enum ent_err open_link(void *ctx, ent_link_handler handler, void *handler_ctx,
                              struct ent_link **out)
{
    struct script *s = ctx;
    char uri[ENT_CERTS_URI_BYTES];
    struct ent_link_mem_identity identity = {.uri = uri};

    ent_certs_member_uri(s->federation, s->handle, uri);
    return ent_link_mem_new(s->net, &identity, NULL, handler, handler_ctx, out);
}

static enum ent_err renew_link(void *ctx, struct ent_link *link, const uint8_t *pem, size_t len)
{
    struct script *s = ctx;

    (void)link;
    CU_ASSERT(pem != NULL && len > 0);
    s->renewed++;
    return ENT_E_OK;
}

static void say(void *ctx, enum ent_agent_say kind, const char *line)
{
    struct script *s = ctx;
    size_t used = strlen(s->said);

    (void)kind;
    (void)snprintf(s->said + used, sizeof s->said - used, "%s\n", line);
}

void script_restart(struct script *s)
{
    struct ent_agent_options options = {
        .dir = s->dir,
        .clock = s->clock,
        .transport = {.ctx = s, .open = open_link, .renew = renew_link},
        .jitter_seed = 3,
        .say = say,
        .say_ctx = s,
        .no_inline = s->grants};

    ENT_OK(ent_agent_new(&options, &s->agent));
    script_pump(s);
}

void script_kill(struct script *s)
{
    ent_agent_free(s->agent);
    s->agent = NULL;
    script_pump(s);
}

static void make_script(struct script *s, const char *client_yaml, const char *plan, bool grants)
{
    static const struct ent_link_mem_identity nobody;
    char bound[64];
    char *csv = support_csv(300, 1);

    *s = (struct script){
        .dir = ent_test_tmpdir(), .run = 1, .round = 1, .attempt = 1, .grants = grants};
    s->time = (struct ent_clock_fake){.mono_ms = 1000, .wall_ms = 1700 * UINT64_C(1000000000)};
    s->clock = ent_clock_of_fake(&s->time);
    ent_arena_init(&s->arena, (size_t)16 * 1024 * 1024);
    ENT_OK(ent_link_mem_net_new(s->clock, &s->net));
    ENT_OK(ent_link_mem_new(s->net, &nobody, NULL, on_event, s, &s->link));
    ENT_OK(ent_link_listen(s->link, "localhost:7443", bound, sizeof bound));
    make_member(s);
    script_book(s);
    (void)support_file(s->dir, "data.csv", csv, strlen(csv));
    (void)support_file(s->dir, "client.yaml", client_yaml, strlen(client_yaml));
    free(csv);
    ENT_OK(ent_plan_parse("plan.yaml", (const uint8_t *)plan, strlen(plan), &s->plan));
    ENT_OK(ent_blob_new_copy(plan, strlen(plan), &s->plan_blob));
    s->model = support_model(s->plan, ent_test_tmpdir(), 5);
    ENT_OK(ent_sha256(ent_blob_bytes(s->model), ent_blob_len(s->model), s->model_digest));
    script_restart(s);
}

void script_new(struct script *s, const char *client_yaml)
{
    make_script(s, client_yaml, support_plan_text(), false);
}

void script_new_granting(struct script *s, const char *client_yaml)
{
    make_script(s, client_yaml, support_plan_text(), true);
}

void script_new_of(struct script *s, const char *client_yaml, const char *plan)
{
    make_script(s, client_yaml, plan, false);
}

void script_free(struct script *s)
{
    ent_agent_free(s->agent);
    ent_link_free(s->link);
    ent_link_mem_net_free(s->net);
    for (size_t i = 0; i < s->n_inbox; i++) {
        ent_buf_release(&s->inbox[i].body);
    }
    ent_sink_free(s->arrived);
    ent_blob_unref(s->received);
    ent_sign_key_free(s->log_key);
    ent_tls_key_free(s->ca_key);
    ent_cert_free(s->ca);
    ent_plan_free(s->plan);
    ent_blob_unref(s->plan_blob);
    ent_blob_unref(s->model);
    book_release(&s->book);
    ent_arena_release(&s->arena);
}

void script_pump(struct script *s)
{
    if (s->hold) {
        return;
    }
    for (int i = 0; i < 1000; i++) {
        size_t moved = ent_link_mem_pump(s->net, 1000);
        bool stepped = s->agent != NULL && ent_agent_step(s->agent);

        if (moved == 0 && !stepped) {
            return;
        }
    }
    CU_FAIL_FATAL("the federation does not come to rest");
}

void script_wait(struct script *s, uint64_t ms)
{
    s->time.mono_ms += ms;
    s->time.wall_ms += ms;
    script_pump(s);
}

/* ---- messages ---- */

bool script_nothing(struct script *s)
{
    if (s->n_read < s->n_inbox) {
        (void)fprintf(stderr, "a %s waits\n", ent_msg_name(s->inbox[s->n_read].type));
    }
    return s->n_read == s->n_inbox;
}

const struct script_frame *script_take(struct script *s, enum ent_msg_type type, void *message,
                                       struct ent_envelope *envelope)
{
    const struct script_frame *frame;
    struct ent_envelope opened;
    struct ent_bytes body;

    CU_ASSERT_FATAL(s->n_read < s->n_inbox);
    frame = &s->inbox[s->n_read++];
    if (frame->type != type) {
        (void)fprintf(stderr, "expected %s, got %s; said:\n%s", ent_msg_name(type),
                      ent_msg_name(frame->type), s->said);
    }
    CU_ASSERT_EQUAL_FATAL(frame->type, type);
    body = (struct ent_bytes){frame->body.data, frame->body.len};
    if (ent_msg_info(type)->enveloped) {
        ENT_OK(ent_wire_open(type, ENT_SENDER_MEMBER, body, &s->arena, &opened));
        ENT_OK(ent_wire_verify(&opened, s->statement_pub));
        CU_ASSERT_EQUAL(memcmp(opened.header.sender, s->handle, 16), 0);
        CU_ASSERT_EQUAL(memcmp(opened.header.federation, s->federation, 16), 0);
        body = (struct ent_bytes){opened.payload, opened.payload_len};
        if (envelope != NULL) {
            *envelope = opened;
        }
    }
    if (message != NULL) {
        ENT_OK(ent_msg_decode(type, body, &s->arena, message));
    }
    return frame;
}

void script_say_as(struct script *s, const struct ent_sign_key *key, enum ent_msg_type type,
                   const void *message)
{
    struct ent_header header = {.type = type,
                                .run = s->run,
                                .round = s->round,
                                .attempt = s->attempt,
                                .sequence = ++s->sequence};
    struct ent_buf body;

    memcpy(header.federation, s->federation, sizeof header.federation);
    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_seal(key, &header, message, &body));
    ENT_OK(ent_link_send(s->link, s->conn, (uint8_t)type, 1000 + s->sequence, body.data, body.len));
    ent_buf_release(&body);
    script_pump(s);
}

void script_say(struct script *s, enum ent_msg_type type, const void *message)
{
    script_say_as(s, s->log_key, type, message);
}

void script_bare(struct script *s, enum ent_msg_type type, uint64_t request, const void *message)
{
    struct ent_buf body;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_msg_encode(type, message, &body));
    ENT_OK(ent_link_send(s->link, s->conn, (uint8_t)type, request, body.data, body.len));
    ent_buf_release(&body);
    script_pump(s);
}

void script_welcome(struct script *s, const struct ent_msg_welcome *welcome)
{
    struct ent_msg_welcome m = {.protocol = 1, .idle_ms = 30000};
    struct ent_msg_hello hello;

    (void)script_take(s, ENT_MSG_HELLO, &hello, NULL);
    CU_ASSERT_EQUAL(memcmp(hello.exporter, s->exporter, sizeof s->exporter), 0);
    CU_ASSERT_EQUAL(hello.time_ms, s->time.wall_ms);
    if (welcome != NULL) {
        m = *welcome;
        m.protocol = 1;
    }
    m.time_ms = m.time_ms == 0 ? s->time.wall_ms : m.time_ms;
    ent_link_admit(s->link, s->conn);
    script_say(s, ENT_MSG_WELCOME, &m);
    s->published = hello.seen_size;
    script_publish(s);
}

void script_push(struct script *s, uint32_t kind, const uint8_t *digest, struct ent_blob *blob)
{
    struct ent_msg_offer offer = {.kind = kind, .bytes = ent_blob_len(blob)};
    const struct script_frame *frame;
    struct ent_msg_go go;
    uint64_t request;

    memcpy(offer.digest, digest, 32);
    if (!s->grants && ent_blob_len(blob) <= ENT_WIRE_INLINE_MAX_BYTES) {
        offer.content = (struct ent_bytes){ent_blob_bytes(blob), ent_blob_len(blob)};
        script_say(s, ENT_MSG_OFFER, &offer);
        return;
    }
    script_say(s, ENT_MSG_OFFER, &offer);
    request = 1000 + s->sequence;
    frame = script_take(s, ENT_MSG_GO, &go, NULL);
    CU_ASSERT_EQUAL(frame->request, request);
    CU_ASSERT_EQUAL_FATAL(go.offset, 0);
    ENT_OK(ent_link_send_blob(s->link, s->conn, request, blob, go.offset));
    script_pump(s);
}

void script_run_start(struct script *s)
{
    struct ent_msg_run_start m = {.plan_bytes = ent_blob_len(s->plan_blob)};

    memcpy(m.plan, s->plan->digest, 32);
    script_say(s, ENT_MSG_RUN_START, &m);
    script_push(s, ENT_OFFER_PLAN, s->plan->digest, s->plan_blob);
}

static uint8_t invited[3][16];

struct ent_msg_round_open script_open_msg(const struct script *s, enum ent_task_kind task)
{
    struct ent_msg_round_open m = {.run = s->run,
                                   .round = s->round,
                                   .attempt = s->attempt,
                                   .task = task,
                                   .split = task == ENT_TASK_EVALUATE ? ENT_SPLIT_VALIDATION
                                            : task == ENT_TASK_TRAIN  ? ENT_SPLIT_TRAIN
                                                                      : ENT_SPLIT_NONE,
                                   .n_invited = 3,
                                   .min_members = 3,
                                   .join_ms = 30000,
                                   .update_ms = 60000,
                                   .weights = s->plan->weights,
                                   .scale_bits = s->plan->scale_bits,
                                   .has_noise = task == ENT_TASK_TRAIN &&
                                                s->plan->privacy.unit == ENT_PRIVACY_MEMBER};

    memset(m.noise_commit, m.has_noise ? 0x77 : 0, sizeof m.noise_commit);
    memcpy(invited[0], s->handle, 16);
    memset(invited[1], 0x22, 16);
    memset(invited[2], 0x33, 16);
    m.invited = invited;
    memcpy(m.federation, s->federation, 16);
    memcpy(m.plan, s->plan->digest, 32);
    m.has_base = task != ENT_TASK_STATS;
    if (m.has_base) {
        memcpy(m.base, s->model_digest, 32);
        m.base_bytes = ent_blob_len(s->model);
    }
    return m;
}

void script_open(struct script *s, const struct ent_msg_round_open *m)
{
    struct ent_msg_round_open open = *m;

    script_log_open(s, &open);
    script_publish(s);
    script_say(s, ENT_MSG_ROUND_OPEN, &open);
}

void script_begin(struct script *s)
{
    struct ent_msg_begin m = {.joined = invited, .n_joined = 3};

    memcpy(m.round_open, s->open_hash, 32);
    script_say(s, ENT_MSG_BEGIN, &m);
}

static void grant(struct script *s, uint64_t request, uint64_t bytes)
{
    struct ent_sink *sink = NULL;
    struct ent_msg_go go = {0};

    ENT_OK(ent_sink_new_memory(bytes, &sink));
    ENT_OK(ent_link_expect(s->link, s->conn, request, sink));
    script_bare(s, ENT_MSG_GO, request, &go);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->arrived);
    ENT_OK(ent_sink_blob(s->arrived, &s->received));
}

void script_upload(struct script *s, struct ent_envelope *envelope)
{
    struct ent_envelope opened = {0};
    uint8_t digest[32];
    const struct script_frame *frame = script_take(s, ENT_MSG_UPDATE, NULL, &opened);

    CU_ASSERT_EQUAL(memcmp(opened.header.update.round_open, s->open_hash, 32), 0);
    CU_ASSERT_EQUAL(opened.payload_len == 0,
                    s->grants || opened.header.update.payload_bytes > ENT_WIRE_INLINE_MAX_BYTES);
    ent_blob_unref(s->received);
    s->received = NULL;
    if (opened.payload_len > 0) {
        ENT_OK(ent_blob_new_copy(opened.payload, opened.payload_len, &s->received));
    } else {
        grant(s, frame->request, opened.header.update.payload_bytes);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->received);
    if (s->received == NULL) {
        return;
    }
    ENT_OK(ent_sha256(ent_blob_bytes(s->received), ent_blob_len(s->received), digest));
    CU_ASSERT_EQUAL(memcmp(digest, opened.payload_sha256, 32), 0);
    CU_ASSERT_FATAL(opened.header_len <= sizeof s->update_header);
    CU_ASSERT_PTR_NOT_NULL_FATAL(opened.header_bytes);
    memcpy(s->update_header, opened.header_bytes, opened.header_len);
    s->update.header = (struct ent_bytes){s->update_header, opened.header_len};
    memcpy(s->update.payload_sha256, opened.payload_sha256, 32);
    memcpy(s->update.signature, opened.signature, 64);
    *envelope = opened;
}

void script_ack(struct script *s, const uint8_t *digest, uint32_t code)
{
    struct ent_msg_ack m = {.code = code, .has_round_open = true};

    memcpy(m.digest, digest, 32);
    memcpy(m.round_open, s->open_hash, 32);
    script_log_update(s, code);
    script_say(s, ENT_MSG_ACK, &m);
}

void script_close(struct script *s)
{
    struct ent_msg_round_close m = {.sum_w = 3, .train_done = 1, .train_rounds = 3};

    memcpy(m.round_open, s->open_hash, 32);
    script_log_close(s, true);
    script_say(s, ENT_MSG_ROUND_CLOSE, &m);
    s->round++;
}
