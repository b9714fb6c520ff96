/* Names behind the handles of the log: each line opens the commitment that was logged. */
#include <string.h>

#include "common/crypto/commit.h"
#include "coordinator/engine/verbs.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"
#include "tests/unit/coordinator_engine/fed_log.h"

static const char *text_of(const struct ent_json *line, const char *key)
{
    const char *text = "";

    ENT_OK(ent_json_string(ent_json_get(line, key), key, &text));
    return text;
}

/* The commitment in the leaf that admitted `who`; zeros: there is none. */
static void logged(const struct fed_log *log, const char *who, uint8_t commit[32])
{
    const struct fed_leaf *leaf;
    uint8_t id[32];
    size_t len = strlen(who) / 2;

    memset(commit, 0, 32);
    ENT_OK(ent_unhex(who, id, len));
    for (size_t i = 0; len == 16 && (leaf = fed_log_find(log, ENT_LEAF_MEMBER_ADMIT, i)) != NULL;
         i++) {
        if (memcmp(leaf->any.member_admit.handle, id, 16) == 0) {
            memcpy(commit, leaf->any.member_admit.name_commit, 32);
        }
    }
    for (size_t i = 0; len == 32 && (leaf = fed_log_find(log, ENT_LEAF_AUDITOR_ADMIT, i)) != NULL;
         i++) {
        if (memcmp(leaf->any.auditor_admit.seal_pub, id, 32) == 0) {
            memcpy(commit, leaf->any.auditor_admit.name_commit, 32);
        }
    }
}

/* How many lines, and that each opens its commitment. */
static size_t opened(struct fed *fed, const char *request)
{
    struct ent_json *reply = fed_ask(fed, request);
    const struct ent_json *lines = ent_json_get(reply, "lines");
    struct fed_log log;
    size_t n = ent_json_len(lines);

    CU_ASSERT_PTR_NOT_NULL_FATAL(lines);
    fed_log_read(fed, &log);
    for (size_t i = 0; i < n; i++) {
        const struct ent_json *line = ent_json_at(lines, i);
        uint8_t salt[32];
        uint8_t commit[32];
        uint8_t found[32];

        CU_ASSERT_EQUAL_FATAL(strlen(text_of(line, "salt")), 64);
        ENT_OK(ent_unhex(text_of(line, "salt"), salt, sizeof salt));
        ENT_OK(ent_name_commit(salt, text_of(line, "name"), commit));
        logged(&log, text_of(line, "who"), found);
        CU_ASSERT_EQUAL(memcmp(commit, found, sizeof commit), 0);
    }
    fed_log_free(&log);
    ent_json_free(reply);
    return n;
}

static void admit(struct fed *fed, uint8_t first, const char *name)
{
    struct ent_sign_key *sign = NULL;
    uint8_t seal[32] = {0};
    uint8_t pub[32];
    char a[65];
    char b[65];
    char request[512];

    seal[0] = first;
    ENT_OK(ent_sign_key_generate(&sign));
    ent_sign_key_pub(sign, pub);
    ent_sign_key_free(sign);
    ent_hex(seal, 32, a);
    ent_hex(pub, 32, b);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"admit-auditor\",\"x25519\":\"%s\",\"ed25519\":\"%s\",\"name\":"
                   "\"%s\"}",
                   a, b, name);
    ent_json_free(fed_ask(fed, request));
}

ENT_TEST(disclose, every_line_opens_what_the_log_committed_to)
{
    struct fed fed;

    fed_new(&fed, 3);
    ent_json_free(fed_ask(&fed, "{\"verb\":\"invite\",\"name\":\"never-came\"}"));
    CU_ASSERT_EQUAL(opened(&fed, "{\"verb\":\"disclose\"}"), 3);
    admit(&fed, 9, "dpo");
    admit(&fed, 10, ""); /* without a name there is nothing to disclose */
    CU_ASSERT_EQUAL(opened(&fed, "{\"verb\":\"disclose\"}"), 4);
    CU_ASSERT_EQUAL(opened(&fed, "{\"verb\":\"disclose\",\"names\":[\"dpo\"]}"), 1);
    CU_ASSERT_EQUAL(opened(&fed, "{\"verb\":\"disclose\",\"names\":[\"never-came\"]}"), 0);
    CU_ASSERT_EQUAL(opened(&fed, "{\"verb\":\"disclose\",\"names\":[]}"), 0);
    fed_free(&fed);
}

ENT_TEST(disclose, a_name_that_nobody_has_stops_it)
{
    const char *const names[] = {"dpo", "nobody"};
    struct ent_verb_options options = {0};
    struct fed fed;

    fed_new(&fed, 2);
    admit(&fed, 9, "dpo");
    options.dir = fed.dir;
    fed_down(&fed);
    ENT_OK(ent_verb_disclose(&options, names, 0));
    ENT_OK(ent_verb_disclose(&options, names, 1));
    ENT_FAILS(ent_verb_disclose(&options, names, 2), ENT_E_NOT_FOUND);
    fed_up(&fed);
    fed_free(&fed);
}
