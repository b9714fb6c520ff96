#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/token.h"
#include "common/base/file.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/ops.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static enum ent_err error_of(struct ent_json *reply)
{
    const struct ent_json *error = ent_json_get(reply, "error");
    const char *code = NULL;
    enum ent_err err = ENT_E_OK;

    if (error != NULL) {
        ENT_OK(ent_json_string(ent_json_get(error, "code"), "code", &code));
        for (int i = 1; i < ENT_E_COUNT; i++) {
            err = strcmp(ent_err_name((enum ent_err)i), code) == 0 ? (enum ent_err)i : err;
        }
    }
    ent_json_free(reply);
    return err;
}

ENT_TEST(ops, requests_that_cannot_be_carried_out)
{
    struct fed fed;

    fed_new(&fed, 3);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"stop\"}")), ENT_E_NOT_FOUND);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"dance\"}")), ENT_E_USAGE);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\"")), ENT_E_CORRUPT);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"revoke\",\"name\":\"nobody\"}")),
                    ENT_E_NOT_FOUND);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"invite\",\"name\":\"brand-a\"}")),
                    ENT_E_EXISTS);
    CU_ASSERT_EQUAL(
        error_of(fed_ask(&fed, "{\"verb\":\"start\",\"name\":\"p.yaml\",\"plan\":\"x: 1\"}")),
        ENT_E_CONFIG);
    fed_start_run(&fed, fed_plan);
    CU_ASSERT_EQUAL(
        error_of(fed_ask(&fed, "{\"verb\":\"start\",\"name\":\"p.yaml\",\"plan\":\"x: 1\"}")),
        ENT_E_CONFIG);
    fed_free(&fed);
}

ENT_TEST(ops, one_run_at_a_time_and_stop)
{
    struct fed fed;

    fed_new(&fed, 3);
    fed_start_run(&fed, fed_plan);
    CU_ASSERT_EQUAL(ent_engine_round(fed.engine)->phase, ENT_PHASE_WAIT);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"stop\"}")), ENT_E_OK);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    CU_ASSERT_FALSE(ent_round_active(ent_engine_round(fed.engine)));
    fed_start_run(&fed, fed_plan); /* a second one, by the same engine */
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_live(&fed, 3, 10);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 2);
    fed_free(&fed);
}

static enum ent_err enroll_with(struct fed *fed, const struct ent_token *token, bool right_secret,
                                bool good_csr)
{
    struct fed_member *m = &fed->members[3];
    struct ent_msg_enroll_request request = {.time_ms = fed->time.wall_ms};
    struct ent_tls_key *tls = NULL;
    struct ent_header header;
    struct ent_buf csr;
    enum ent_err refused;

    ent_sign_key_free(m->key);
    ENT_OK(ent_sign_key_generate(&m->key));
    memcpy(m->handle, token->handle, sizeof m->handle);
    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, "x", &csr));
    if (!good_csr) {
        csr.data[csr.len - 1] ^= 1;
    }
    memcpy(request.secret, token->secret, sizeof request.secret);
    request.secret[0] ^= right_secret ? 0 : 1;
    request.csr = (struct ent_bytes){csr.data, csr.len};
    ent_sign_key_pub(m->key, request.statement_pub);
    ent_sign_key_pub(m->key, request.witness_pub);
    ENT_OK(ent_link_dial(m->link, "enroll:2", &m->conn));
    fed_pump(fed);
    header = fed_header(m, ENT_MSG_ENROLL_REQUEST);
    fed_send(m, &header, &request);
    fed_pump(fed);
    CU_ASSERT(m->closed);
    refused = fed_refused(m);
    ent_tls_key_free(tls);
    ent_buf_release(&csr);
    return refused;
}

static struct ent_token invite(struct fed *fed, const char *name)
{
    struct ent_json *reply;
    struct ent_token token;
    const char *text = NULL;
    char ask[128];

    (void)snprintf(ask, sizeof ask, "{\"verb\":\"invite\",\"name\":\"%s\"}", name);
    reply = fed_ask(fed, ask);
    ENT_OK(ent_json_string(ent_json_get(reply, "token"), "token", &text));
    ENT_OK(ent_token_decode(text, strlen(text), &token));
    ent_json_free(reply);
    return token;
}

ENT_TEST(ops, tokens_die_on_their_first_use_right_or_wrong)
{
    struct fed fed;
    struct ent_token token;

    fed_new(&fed, 4);
    token = invite(&fed, "brand-x");
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, false, true), ENT_E_TOKEN); /* wrong */
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_TOKEN);  /* right, but dead */
    token = invite(&fed, "brand-x");
    fed.time.wall_ms += (uint64_t)73 * 3600 * 1000;
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_EXPIRED);
    token = invite(&fed, "brand-x");
    CU_ASSERT_NOT_EQUAL(enroll_with(&fed, &token, true, false),
                        ENT_E_OK); /* request not signed by its key */
    token = invite(&fed, "brand-x");
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_OK);
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_TOKEN);
    fed_free(&fed);
}

ENT_TEST(ops, renewal_gives_a_new_certificate)
{
    struct fed fed;
    struct fed_member *m = &fed.members[0];
    struct ent_msg_renew renew = {0};
    struct ent_msg_renewed renewed;
    struct ent_store_member before;
    struct ent_store_member after;
    const struct fed_frame *frame;
    struct ent_tls_key *tls = NULL;
    struct ent_header header;
    struct ent_envelope env;
    struct ent_buf csr;

    fed_new(&fed, 1);
    ENT_OK(ent_store_find_index(fed.home->store, 0, &before));
    fed.time.wall_ms += (uint64_t)61 * 24 * 3600 * 1000;
    fed_hello(m);
    ENT_OK(ent_tls_key_generate(&tls));
    ent_buf_init(&csr, ENT_CSR_DER_MAX_BYTES);
    ENT_OK(ent_csr_make(tls, "x", &csr));
    renew.csr = (struct ent_bytes){csr.data, csr.len};
    header = fed_header(m, ENT_MSG_RENEW);
    fed_send(m, &header, &renew);
    fed_pump(&fed);
    frame = fed_next(m, ENT_MSG_RENEWED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
    ENT_OK(ent_wire_open(frame->type, ENT_SENDER_COORDINATOR,
                         (struct ent_bytes){frame->body.data, frame->body.len}, &fed.arena, &env));
    ENT_OK(ent_msg_renewed_decode(env.payload, env.payload_len, &fed.arena, &renewed));
    ENT_OK(ent_store_find_index(fed.home->store, 0, &after));
    CU_ASSERT(after.cert.expires_ms > before.cert.expires_ms);
    CU_ASSERT_EQUAL(renewed.cert.len, after.cert.der_len);
    ent_tls_key_free(tls);
    ent_buf_release(&csr);
    fed_free(&fed);
}

ENT_TEST(ops, the_revocation_list_is_made_anew_each_day)
{
    struct fed fed;
    uint64_t made;

    fed_new(&fed, 1);
    made = fed.home->crl_made_ms;
    fed_pass(&fed, (uint64_t)25 * 3600 * 1000);
    CU_ASSERT(fed.home->crl_made_ms > made);
    fed_free(&fed);
}

/* ---- names that members can be told ---- */

ENT_TEST(ops, names_are_the_wire_s)
{
    static const char *const bad[] = {
        "M\u00fcller GmbH & Co", "a&b", "", " brand", "brand ", "a b", "../x", ".a"};
    static const char *const good[] = {"Mueller-GmbH_Co", "eu-west.brand.7", "7"};
    struct fed fed;
    char ask[128];

    fed_new(&fed, 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(ask, sizeof ask, "{\"verb\":\"invite\",\"name\":\"%s\"}", bad[i]);
        CU_ASSERT_EQUAL(error_of(fed_ask(&fed, ask)), ENT_E_USAGE);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(ask, sizeof ask, "{\"verb\":\"invite\",\"name\":\"%s\"}", good[i]);
        CU_ASSERT_EQUAL(error_of(fed_ask(&fed, ask)), ENT_E_OK);
    }
    fed_free(&fed);
}

/* A name that an older program let in: that one is refused, and everybody else is served. */
ENT_TEST(ops, an_answer_that_cannot_be_sealed_costs_its_receiver_only)
{
    struct ent_store_invitation invitation = {.name = "M\xc3\xbcller"};
    struct ent_token token = {0};
    struct fed fed;

    fed_new(&fed, 3);
    memset(token.secret, 5, sizeof token.secret);
    memset(invitation.handle, 6, sizeof invitation.handle);
    ENT_OK(ent_sha256(token.secret, sizeof token.secret, invitation.token_sha256));
    invitation.expires_ms = fed.time.wall_ms + 1000000;
    ENT_OK(ent_store_invite(fed.home->store, &invitation, fed.time.wall_ms, token.handle));
    fed_enroll(&fed, 3, "spare"); /* its link */
    CU_ASSERT_NOT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_OK);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_pass(&fed, 6000); /* one more is enrolled, and waited for */
    fed_live(&fed, 3, 10);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 1);
    fed_free(&fed);
}

/* An evaluation is an update too: its run would end with every member refused. */
ENT_TEST(ops, a_plan_none_of_whose_updates_is_too_large_can_start)
{
    struct ent_json_writer w;
    struct ent_buf request;
    const char *text = NULL;
    struct fed fed;

    fed_new(&fed, 3);
    fed.home->config->update_bytes = 4096; /* a training update has a few, an evaluation 16 kB */
    ent_buf_init(&request, (size_t)64 * 1024);
    ent_json_begin(&w, &request);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "start");
    ent_json_put_key_string(&w, "name", "plan.yaml");
    ent_json_put_key_string(&w, "plan", fed_plan);
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    ENT_OK(ent_buf_str(&request, &text));
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, text)), ENT_E_LIMIT);
    fed.home->config->update_bytes = 65536;
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, text)), ENT_E_OK);
    ent_buf_release(&request);
    fed_free(&fed);
}

/* limits.members counts who can take part. */
ENT_TEST(ops, revoked_members_make_room)
{
    struct ent_token token;
    struct fed fed;

    fed_new(&fed, 4);
    fed.home->config->members = 4;
    token = invite(&fed, "brand-x");
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_LIMIT);
    CU_ASSERT_EQUAL(error_of(fed_ask(&fed, "{\"verb\":\"revoke\",\"name\":\"brand-a\"}")),
                    ENT_E_OK);
    token = invite(&fed, "brand-x");
    CU_ASSERT_EQUAL(enroll_with(&fed, &token, true, true), ENT_E_OK);
    fed_free(&fed);
}

ENT_TEST(ops, the_roster_is_the_members_and_no_more)
{
    struct fed fed;
    struct ent_json *roster;

    fed_new(&fed, 2);
    roster = fed_ask(&fed, "{\"verb\":\"roster\"}");
    CU_ASSERT_EQUAL(ent_json_len(ent_json_get(roster, "members")), 2);
    CU_ASSERT_EQUAL(ent_json_len(roster), 1);
    ent_json_free(roster);
    fed_free(&fed);
}

/* ---- revocation lists ---- */

static uint64_t crl_number(const struct fed *fed)
{
    struct ent_crl *crl = NULL;
    struct ent_crl_info info = {0};
    char path[160];

    (void)snprintf(path, sizeof path, "%s/crl.pem", fed->dir);
    ENT_OK(ent_crl_load(path, &crl));
    ENT_OK(ent_crl_info(crl, &info));
    ent_crl_free(crl);
    return info.number;
}

static void shut_out(struct fed *fed, const char *name)
{
    char ask[128];

    (void)snprintf(ask, sizeof ask, "{\"verb\":\"revoke\",\"name\":\"%s\"}", name);
    CU_ASSERT_EQUAL(error_of(fed_ask(fed, ask)), ENT_E_OK);
}

ENT_TEST(ops, numbers_of_revocation_lists_never_go_back)
{
    const uint64_t minutes = (uint64_t)60 * 1000; /* the log takes up to five */
    struct fed fed;
    char path[160];
    uint64_t last;

    fed_new(&fed, 4);
    shut_out(&fed, "brand-a");
    last = crl_number(&fed);
    fed_restart(&fed);
    CU_ASSERT_EQUAL(crl_number(&fed), last); /* it is not a day old: none is made */
    fed.time.wall_ms -= 2 * minutes;         /* less than the 24 h that thisUpdate lies back */
    fed_restart(&fed);
    shut_out(&fed, "brand-b");
    CU_ASSERT(crl_number(&fed) > last);
    last = crl_number(&fed);
    fed.time.wall_ms -= 2 * minutes;
    fed_restart(&fed);
    shut_out(&fed, "brand-c");
    CU_ASSERT(crl_number(&fed) > last);
    last = crl_number(&fed);
    (void)snprintf(path, sizeof path, "%s/crl.pem", fed.dir);
    CU_ASSERT_EQUAL(unlink(path), 0);
    fed_restart(&fed);
    CU_ASSERT(crl_number(&fed) > last);
    fed_free(&fed);
}

/* ---- start --base ---- */

static enum ent_err start_from(struct fed *fed, const char *plan, const char *base)
{
    struct ent_json_writer w;
    struct ent_buf request;
    const char *text = NULL;
    enum ent_err err;

    ent_buf_init(&request, (size_t)1024 * 1024);
    ent_json_begin(&w, &request);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "start");
    ent_json_put_key_string(&w, "name", "plan.yaml");
    ent_json_put_key_string(&w, "plan", plan);
    ent_json_put_key_string(&w, "base", base);
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    ENT_OK(ent_buf_str(&request, &text));
    err = error_of(fed_ask(fed, text));
    ent_buf_release(&request);
    return err;
}

/* fed_plan with one thing changed, of the same size. */
static const struct {
    const char *from;
    const char *to;
} plan_changes[] = {{"name: age,", "name: agf,"},
                    {"range: [0, 100]", "range: [0, 200]"},
                    {"name: y,", "name: z,"},
                    {"\"yes\"", "\"no\""},
                    {"[{dense: 1}]", "[{dropout: 0.5}, {dense: 1}]"}};

static void change(size_t i, char *out, size_t size)
{
    const char *at = strstr(fed_plan, plan_changes[i].from);

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - fed_plan), fed_plan, plan_changes[i].to,
                   at + strlen(plan_changes[i].from));
}

ENT_TEST(ops, a_base_model_must_be_one_of_the_plan)
{
    struct fed fed;
    char *path = NULL;
    char plan[1024];

    fed_new(&fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&fed.members[i]);
    }
    fed_start_run(&fed, fed_plan);
    fed_live(&fed, 3, 10);
    ENT_OK(ent_store_model_path(fed.home->store, fed.members[0].end.best, &path));
    for (size_t i = 0; i < sizeof plan_changes / sizeof plan_changes[0]; i++) {
        change(i, plan, sizeof plan);
        CU_ASSERT_EQUAL(start_from(&fed, plan, path), ENT_E_SHAPE);
    }
    CU_ASSERT_EQUAL(start_from(&fed, fed_plan, path), ENT_E_OK);
    fed_live(&fed, 3, 10);
    CU_ASSERT_EQUAL(ent_engine_ended_run(fed.engine), 2);
    free(path);
    fed_free(&fed);
}

/* ---- init ---- */

static enum ent_err init_at(const char *dir, const char *host, const char *listen)
{
    struct ent_setup_options setup = {
        .dir = dir, .name = "acme", .host = host, .listen = listen, .clock = ent_clock_system()};
    struct ent_setup_result result;

    return ent_setup_init(&setup, &result);
}

ENT_TEST(init, makes_all_or_nothing)
{
    char dir[128];
    char path[160];
    struct stat st;

    (void)snprintf(dir, sizeof dir, "%s/fed", ent_test_tmpdir());
    CU_ASSERT_EQUAL(init_at(dir, "localhost", "not an address"), ENT_E_CONFIG);
    CU_ASSERT_FALSE(ent_file_exists(dir));
    ENT_OK(init_at(dir, "localhost", NULL));
    CU_ASSERT_EQUAL(stat(dir, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
    (void)snprintf(path, sizeof path, "%s/keys/ca.key", dir);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(init_at(dir, "localhost", NULL), ENT_E_EXISTS);
}

/* ---- verbs while nobody serves, and while somebody does ---- */

static enum ent_err ask_dir(const char *dir, const char *request)
{
    struct ent_json *json = NULL;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, ENT_CONTROL_REPLY_MAX_BYTES);
    err = ent_ops_ask(dir, request, &text, &json);
    ent_json_free(json);
    ent_buf_release(&text);
    return err;
}

ENT_TEST(ops, offline_verbs_take_the_lock_themselves)
{
    char dir[128];

    (void)snprintf(dir, sizeof dir, "%s/fed", ent_test_tmpdir());
    CU_ASSERT_EQUAL(ask_dir(dir, "{\"verb\":\"status\"}"), ENT_E_NOT_FOUND);
    ENT_OK(init_at(dir, "localhost", "127.0.0.1:0"));
    CU_ASSERT_EQUAL(ask_dir(dir, "{\"verb\":\"status\"}"), ENT_E_OK);
    CU_ASSERT_EQUAL(ask_dir(dir, "{\"verb\":\"invite\",\"name\":\"brand-a\"}"), ENT_E_OK);
    CU_ASSERT_EQUAL(ask_dir(dir, "{\"verb\":\"stop\"}"), ENT_E_NOT_FOUND);
}
