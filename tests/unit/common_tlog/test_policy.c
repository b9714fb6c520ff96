/* Policies: the written form, what the format allows besides, what must be refused, and quorums. */
#include <stdlib.h>
#include <string.h>

#include "common/tlog/policy.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/made.h"

/* In the texts below, @N stands for vkey N of `made`. */
static void expand(const struct made *made, const char *text, struct ent_buf *out)
{
    ent_buf_init(out, (size_t)1 << 20);
    for (; *text != '\0'; text++) {
        char vkey[ENT_VKEY_TEXT_MAX];

        if (*text == '@') {
            text++;
            ent_vkey_format(&made->keys[*text - '0'], vkey);
            ENT_OK(ent_buf_addf(out, "%s", vkey));
        } else {
            ENT_OK(ent_buf_add(out, text, 1));
        }
    }
}

static enum ent_err parse(const struct made *made, const char *text, struct ent_tlog_policy *out)
{
    struct ent_buf bytes;
    enum ent_err err;

    expand(made, text, &bytes);
    err = ent_tlog_policy_parse((const char *)bytes.data, bytes.len, out);
    ent_buf_release(&bytes);
    return err;
}

#define W3 "witness a @1\nwitness b @2\nwitness c @3\n"

ENT_TEST(policy, the_written_form)
{
    static struct ent_tlog_policy policy;
    struct made made;
    struct ent_buf text;
    struct ent_buf want;

    made_init(&made, 4);
    ENT_OK(parse(&made, "log @0\n" W3 "group quorum 2 a b c\nquorum quorum\n", &policy));
    CU_ASSERT(policy.k == 2 && policy.n_witnesses == 3 && !policy.has_genesis);
    policy.has_genesis = true;
    memset(policy.genesis, 0xAB, sizeof policy.genesis);
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    ENT_OK(ent_tlog_policy_write(&policy, &text));
    expand(&made,
           "# entente-genesis abababababababababababababababababababababababababababababababab\n"
           "log @0\n" W3 "group quorum 2 a b c\nquorum quorum\n",
           &want);
    CU_ASSERT(text.len == want.len && memcmp(text.data, want.data, text.len) == 0);
    ENT_OK(ent_tlog_policy_parse((const char *)text.data, text.len, &policy));
    CU_ASSERT(policy.has_genesis && policy.genesis[31] == 0xAB);
    (void)snprintf(policy.witnesses[1].name, sizeof policy.witnesses[1].name, "quorum");
    ENT_FAILS(ent_tlog_policy_write(&policy, &want), ENT_E_DATA); /* the group is called that */
    (void)snprintf(policy.witnesses[1].name, sizeof policy.witnesses[1].name, "a b");
    CU_ASSERT(ent_tlog_policy_write(&policy, &want) != ENT_E_OK);
    ent_buf_release(&text);
    ent_buf_release(&want);
    made_release(&made);
}

ENT_TEST(policy, other_spellings)
{
    static const struct {
        const char *text;
        size_t k;
        size_t n_in_quorum;
    } good[] = {
        {"log @0\nquorum none\n", 0, 0},
        {"log @0\n" W3 "quorum none\n", 0, 0},
        {"log @0 https://log.example/\n" W3 "quorum b\n", 1, 1},
        {"\n  # any\tcomment +++ \n\tlog\t@0 \n" W3 "group g any a c\nquorum g\n", 1, 2},
        {W3 "group g all a b c\nquorum g\nlog @0\n", 3, 3},
        {"witness \xC3\xA9 @1 https://w/\nlog @0\ngroup g 1 \xC3\xA9\nquorum g\nwitness x @2\n", 1,
         1},
    };
    static struct ent_tlog_policy policy;
    struct made made;

    made_init(&made, 4);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t n = 0;

        ENT_OK(parse(&made, good[i].text, &policy));
        for (size_t w = 0; w < policy.n_witnesses; w++) {
            n += policy.witnesses[w].in_quorum;
        }
        CU_ASSERT(policy.k == good[i].k && n == good[i].n_in_quorum);
        CU_ASSERT_STRING_EQUAL(policy.log.name, MADE_ORIGIN);
    }
    made_release(&made);
}

#define HEX64 "00000000000000000000000000000000000000000000000000000000000000ff"

ENT_TEST(policy, refused)
{
    static const struct {
        const char *text;
        enum ent_err err;
    } bad[] = {
        {"", ENT_E_DATA},
        {"log @0\n", ENT_E_DATA},            /* no quorum */
        {"quorum none\n", ENT_E_DATA},       /* no log */
        {"log @0\nquorum none", ENT_E_DATA}, /* no newline */
        {"log @0\r\nquorum none\n", ENT_E_DATA},
        {"log @0\nquorum none\n\x7f", ENT_E_DATA},
        {"log @1\nquorum none\n", ENT_E_DATA}, /* a witness's key */
        {"log @0 u v\nquorum none\n", ENT_E_DATA},
        {"log\nquorum none\n", ENT_E_DATA},
        {"log x\nquorum none\n", ENT_E_DATA},
        {"log @0\nlog @0\nquorum none\n", ENT_E_UNSUPPORTED},
        {"log @0\nquorum none\nquorum none\n", ENT_E_DATA},
        {"log @0\nquorum a\n" W3, ENT_E_DATA}, /* defined below */
        {"log @0\nquorum\n", ENT_E_DATA},
        {"log @0\nwitness a @0\nquorum none\n", ENT_E_DATA}, /* a log's key */
        {"log @0\nwitness a\nquorum none\n", ENT_E_DATA},
        {"log @0\nwitness none @1\nquorum none\n", ENT_E_DATA},
        {"log @0\nwitness a @1\nwitness a @2\nquorum none\n", ENT_E_DATA}, /* name twice */
        {"log @0\nwitness a @1\nwitness b @1\nquorum none\n", ENT_E_DATA}, /* key twice */
        {"log @0\n" W3 "group a 1 b\nquorum a\n", ENT_E_DATA},
        {"log @0\n" W3 "group none 1 b\nquorum none\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 0 a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 3 a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 02 a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g -1 a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 18446744073709551617 a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g some a b\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 2\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 2 a a\nquorum g\n", ENT_E_DATA}, /* one counts once */
        {"log @0\n" W3 "group g 2 a z\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 2 a none\nquorum g\n", ENT_E_DATA},
        {"log @0\n" W3 "group g 1 a\ngroup h 1 g b\nquorum h\n", ENT_E_UNSUPPORTED},
        {"log @0\nwitness g @1\ngroup h 1 g\nwitness h @2\nquorum h\n", ENT_E_DATA},
        {"log @0\nquorum none\nallow all\n", ENT_E_DATA},
        {"# entente-genesis\nlog @0\nquorum none\n", ENT_E_DATA},
        {"# entente-genesis abc\nlog @0\nquorum none\n", ENT_E_DATA},
        {"# entente-genesis x" HEX64 "\nlog @0\nquorum none\n", ENT_E_DATA},
        {"# entente-genesis " HEX64 " x\nlog @0\nquorum none\n", ENT_E_DATA},
        {"# entente-genesis " HEX64 "\n#entente-genesis " HEX64 "\nlog @0\nquorum none\n",
         ENT_E_DATA},
    };
    static struct ent_tlog_policy policy;
    struct made made;

    made_init(&made, 4);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum ent_err err = parse(&made, bad[i].text, &policy);

        if (err != bad[i].err) {
            (void)fprintf(stderr, "policy %zu: %s: %s", i, ent_err_name(err), bad[i].text);
        }
        CU_ASSERT_EQUAL(err, bad[i].err);
    }
    made_release(&made);
}

ENT_TEST(policy, limits)
{
    static struct ent_tlog_policy policy;
    struct made made;
    struct ent_buf text;

    made_init(&made, 1);
    expand(&made, "log @0\nquorum none\n", &text);
    for (int i = 0; i < 20000; i++) {
        ENT_OK(ent_buf_addf(&text, "#  a b\n"));
    }
    ENT_FAILS(ent_tlog_policy_parse((const char *)text.data, text.len, &policy), ENT_E_LIMIT);
    ent_buf_clear(&text);
    ENT_OK(ent_buf_addf(&text, "group"));
    for (int i = 0; i < 80; i++) {
        ENT_OK(ent_buf_addf(&text, " w%d", i));
    }
    ENT_OK(ent_buf_addf(&text, "\n"));
    ENT_FAILS(ent_tlog_policy_parse((const char *)text.data, text.len, &policy), ENT_E_LIMIT);
    text.data[0] = '#'; /* as a comment it may be as long as it likes */
    ENT_FAILS(ent_tlog_policy_parse((const char *)text.data, text.len, &policy), ENT_E_DATA);
    ent_buf_release(&text);
    made_release(&made);
}

/* 64 witnesses: the form can be written, read, and a note of all of them opens. */
ENT_TEST(policy, the_largest_federation)
{
    static struct ent_tlog_policy policy;
    static struct ent_tlog_quorum quorum;
    struct ent_sign_key *keys[ENT_TLOG_WITNESSES_MAX];
    struct ent_buf text;
    struct ent_note note;
    struct made made;

    made_init(&made, 1);
    made_note(&made, 9, 0);
    memset(&policy, 0, sizeof policy);
    policy.log = made.keys[0];
    policy.n_witnesses = ENT_TLOG_WITNESSES_MAX;
    policy.k = ENT_TLOG_WITNESSES_MAX;
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    for (size_t i = 0; i < ENT_TLOG_WITNESSES_MAX; i++) {
        struct ent_tlog_witness *w = &policy.witnesses[i];
        uint8_t pub[ENT_SIGN_PUB_BYTES];

        memset(w->name, 'w', ENT_VKEY_NAME_MAX_BYTES - 3); /* the longest names */
        (void)snprintf(w->name + ENT_VKEY_NAME_MAX_BYTES - 3, 4, "%03u", (unsigned)i % 1000);
        w->in_quorum = true;
        ENT_OK(ent_sign_key_generate(&keys[i]));
        ent_sign_key_pub(keys[i], pub);
        ENT_OK(ent_vkey_of(w->name, ENT_VKEY_COSIGNATURE, pub, &w->key));
        ENT_OK(ent_note_parse((const char *)made.note.data, made.note.len, &note));
        ent_buf_clear(&text);
        ENT_OK(ent_note_cosign(&note, w->name, keys[i], 5, &text));
        ENT_OK(ent_note_add_line(&made.note, (const char *)text.data, text.len));
        ent_sign_key_free(keys[i]);
    }
    ent_buf_clear(&text);
    ENT_OK(ent_tlog_policy_write(&policy, &text));
    ENT_OK(ent_tlog_policy_parse((const char *)text.data, text.len, &policy));
    ENT_OK(ent_tlog_policy_open(&policy, (const char *)made.note.data, made.note.len, &quorum));
    CU_ASSERT(quorum.reached && quorum.n_counted == ENT_TLOG_WITNESSES_MAX);
    ent_buf_release(&text);
    made_release(&made);
}

ENT_TEST(policy, quorum)
{
    static struct ent_tlog_policy policy;
    struct ent_tlog_quorum q;
    struct made made;

    made_init(&made, 4);
    /* a counts for nothing: it is a witness, but not of the group */
    ENT_OK(parse(&made, "log @0\n" W3 "group g 2 b c\nquorum g\n", &policy));
    for (size_t n = 0; n <= 3; n++) {
        made_note(&made, 9, n);
        ENT_OK(ent_tlog_policy_open(&policy, (const char *)made.note.data, made.note.len, &q));
        CU_ASSERT_EQUAL(q.n_counted, n > 0 ? n - 1 : 0);
        CU_ASSERT_EQUAL(q.reached, n == 3);
        for (size_t w = 0; w < 3; w++) {
            CU_ASSERT_EQUAL(q.cosigned[w], w < n);
            CU_ASSERT_EQUAL(q.time_s[w], w < n ? MADE_TIME + w : 0);
        }
    }
    policy.log = made.keys[0];
    (void)snprintf(policy.log.name, sizeof policy.log.name, "other.example");
    CU_ASSERT(ent_tlog_policy_open(&policy, (const char *)made.note.data, made.note.len, &q) !=
              ENT_E_OK);
    made_release(&made);
}
