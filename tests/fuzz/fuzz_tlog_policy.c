/* Any bytes as a trust policy. One that parses keeps its bounds, can be written, and reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/policy.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check(const struct ent_tlog_policy *policy)
{
    size_t n = 0;

    require(policy->n_witnesses <= ENT_TLOG_WITNESSES_MAX);
    require(policy->log.type == ENT_VKEY_LOG && policy->log.name[0] != '\0');
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        n += policy->witnesses[i].in_quorum;
        require(policy->witnesses[i].key.type == ENT_VKEY_COSIGNATURE);
        require(policy->witnesses[i].name[0] != '\0');
    }
    require(policy->k <= n && (policy->k > 0) == (n > 0));
}

static bool same_key(const struct ent_vkey *a, const struct ent_vkey *b)
{
    return strcmp(a->name, b->name) == 0 && a->id == b->id && a->type == b->type &&
           memcmp(a->pub, b->pub, ENT_SIGN_PUB_BYTES) == 0;
}

static void check_same(const struct ent_tlog_policy *a, const struct ent_tlog_policy *b)
{
    require(same_key(&a->log, &b->log) && a->k == b->k && a->n_witnesses == b->n_witnesses);
    require(a->has_genesis == b->has_genesis &&
            memcmp(a->genesis, b->genesis, ENT_MERKLE_BYTES) == 0);
    for (size_t i = 0; i < a->n_witnesses; i++) {
        require(strcmp(a->witnesses[i].name, b->witnesses[i].name) == 0);
        require(a->witnesses[i].in_quorum == b->witnesses[i].in_quorum);
        require(same_key(&a->witnesses[i].key, &b->witnesses[i].key));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ent_tlog_policy policy;
    static struct ent_tlog_policy again;
    struct ent_buf text;
    enum ent_err err;

    memset(&policy, 0, sizeof policy);
    memset(&again, 0, sizeof again);
    if (ent_tlog_policy_parse((const char *)data, size, &policy) != ENT_E_OK) {
        require(ent_err_message()[0] != '\0');
        return 0;
    }
    check(&policy);
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    err = ent_tlog_policy_write(&policy, &text);
    /* A witness may be called like the group that is written; else what was read can be written. */
    require(err == ENT_E_OK || err == ENT_E_DATA || err == ENT_E_LIMIT);
    if (err == ENT_E_OK) {
        require(ent_tlog_policy_parse((const char *)text.data, text.len, &again) == ENT_E_OK);
        check_same(&policy, &again);
    }
    ent_buf_release(&text);
    return 0;
}
