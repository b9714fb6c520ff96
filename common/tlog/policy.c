#include "common/tlog/policy.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/schema/text.h"
#include "common/tlog/lines.h"

#define GENESIS "entente-genesis"
#define GROUP "quorum" /* the name that is written */
#define NONE "none"
#define GROUP_WORDS 3 /* group NAME K */
#define WORDS_MAX (GROUP_WORDS + ENT_TLOG_WITNESSES_MAX)

struct word {
    const char *at;
    size_t len;
};

/* A policy while it is read. */
struct reader {
    struct ent_tlog_policy policy;
    bool has_log;
    bool has_quorum;
    struct word group; /* len 0: none yet */
    size_t group_k;
    bool in_group[ENT_TLOG_WITNESSES_MAX];
    size_t n_words; /* of the line in hand */
    struct word words[WORDS_MAX];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum ent_err split(struct reader *r, const char *line, size_t len)
{
    size_t at = 0;

    r->n_words = 0;
    for (;;) {
        size_t from;

        while (at < len && is_blank(line[at])) {
            at++;
        }
        if (at == len) {
            return ENT_E_OK;
        }
        from = at;
        while (at < len && !is_blank(line[at])) {
            at++;
        }
        if (line[from] == '#' && r->n_words == 0) {
            at = from + 1; /* a comment: its first word is the sign alone */
        }
        if (r->n_words == WORDS_MAX && r->words[0].at[0] == '#') {
            return ENT_E_OK; /* the rest of a long comment says nothing to us */
        }
        ENT_REQUIRE(r->n_words < WORDS_MAX, ENT_E_LIMIT, "more than %d words", WORDS_MAX);
        r->words[r->n_words++] = (struct word){line + from, at - from};
    }
}

static bool word_is(const struct word *w, const char *text)
{
    return ent_lines_is(w->at, w->len, text);
}

/* Index of the witness of this name; n_witnesses when there is none. */
static size_t find(const struct reader *r, const struct word *name)
{
    size_t i = 0;

    while (i < r->policy.n_witnesses && !word_is(name, r->policy.witnesses[i].name)) {
        i++;
    }
    return i;
}

/* A name that is new: witnesses and groups share one space. */
static enum ent_err check_name(const struct reader *r, const struct word *name)
{
    ENT_REQUIRE(name->len <= ENT_VKEY_NAME_MAX_BYTES, ENT_E_LIMIT,
                "a name of %zu bytes, at most %d", name->len, ENT_VKEY_NAME_MAX_BYTES);
    ENT_REQUIRE(ent_text_is_printable(name->at, name->len), ENT_E_DATA,
                "a name with a character that cannot be shown");
    ENT_REQUIRE(!word_is(name, NONE), ENT_E_DATA, "'" NONE "' cannot be defined");
    ENT_REQUIRE(find(r, name) == r->policy.n_witnesses &&
                    !(name->len == r->group.len && memcmp(name->at, r->group.at, name->len) == 0),
                ENT_E_DATA, "a name is defined twice");
    return ENT_E_OK;
}

static enum ent_err take_comment(struct reader *r)
{
    char hex[2 * ENT_MERKLE_BYTES + 1] = {0};
    const struct word *w = r->words;

    if (r->n_words < 2 || !word_is(&w[1], GENESIS)) {
        return ENT_E_OK;
    }
    ENT_REQUIRE(!r->policy.has_genesis, ENT_E_DATA, "a second " GENESIS);
    ENT_REQUIRE(r->n_words == 3 && w[2].len == sizeof hex - 1, ENT_E_DATA,
                GENESIS " takes one hash of 64 hex digits");
    memcpy(hex, w[2].at, w[2].len);
    if (ent_unhex(hex, r->policy.genesis, ENT_MERKLE_BYTES) != ENT_E_OK) {
        return ent_err_note(ENT_E_DATA, GENESIS " takes one hash of 64 hex digits");
    }
    r->policy.has_genesis = true;
    return ENT_E_OK;
}

/* An address behind the key is legal and says nothing here. */
static enum ent_err take_log(struct reader *r)
{
    ENT_REQUIRE(r->n_words == 2 || r->n_words == 3, ENT_E_DATA, "it reads: log VKEY [URL]");
    ENT_REQUIRE(!r->has_log, ENT_E_UNSUPPORTED, "a second log; a federation has one");
    ENT_TRY(ent_vkey_parse(r->words[1].at, r->words[1].len, &r->policy.log));
    ENT_REQUIRE(r->policy.log.type == ENT_VKEY_LOG, ENT_E_DATA, "not the key of a log");
    r->has_log = true;
    return ENT_E_OK;
}

static enum ent_err take_witness(struct reader *r)
{
    struct ent_tlog_policy *p = &r->policy;
    struct ent_tlog_witness witness = {.in_quorum = false};
    const struct word *name = &r->words[1];

    ENT_REQUIRE(r->n_words == 3 || r->n_words == 4, ENT_E_DATA,
                "it reads: witness NAME VKEY [URL]");
    ENT_REQUIRE(p->n_witnesses < ENT_TLOG_WITNESSES_MAX, ENT_E_LIMIT, "more than %d witnesses",
                ENT_TLOG_WITNESSES_MAX);
    ENT_TRY(check_name(r, name));
    ENT_TRY(ent_vkey_parse(r->words[2].at, r->words[2].len, &witness.key));
    ENT_REQUIRE(witness.key.type == ENT_VKEY_COSIGNATURE, ENT_E_DATA, "not the key of a witness");
    for (size_t i = 0; i < p->n_witnesses; i++) {
        const struct ent_vkey *other = &p->witnesses[i].key;

        ENT_REQUIRE(memcmp(other->pub, witness.key.pub, ENT_SIGN_PUB_BYTES) != 0, ENT_E_DATA,
                    "the key of another witness");
        /* By these two a signature finds its key. */
        ENT_REQUIRE(other->id != witness.key.id || strcmp(other->name, witness.key.name) != 0,
                    ENT_E_DATA, "the key name and id of another witness");
    }
    memcpy(witness.name, name->at, name->len);
    p->witnesses[p->n_witnesses++] = witness;
    return ENT_E_OK;
}

static enum ent_err threshold(const struct word *w, size_t n, size_t *k)
{
    uint64_t v = word_is(w, "any") ? 1 : n;

    if (!word_is(w, "any") && !word_is(w, "all")) {
        ENT_TRY(ent_lines_number(w->at, w->len, "the threshold", n, &v));
        ENT_REQUIRE(v >= 1, ENT_E_DATA, "the threshold is at least 1");
    }
    *k = (size_t)v;
    return ENT_E_OK;
}

static enum ent_err take_group(struct reader *r)
{
    ENT_REQUIRE(r->n_words > GROUP_WORDS, ENT_E_DATA, "it reads: group NAME any|all|K NAME...");
    ENT_REQUIRE(r->group.len == 0, ENT_E_UNSUPPORTED,
                "a second group; one with a threshold is understood here");
    ENT_TRY(check_name(r, &r->words[1]));
    ENT_TRY(threshold(&r->words[2], r->n_words - GROUP_WORDS, &r->group_k));
    for (size_t i = GROUP_WORDS; i < r->n_words; i++) {
        size_t at = find(r, &r->words[i]);

        ENT_REQUIRE(at < r->policy.n_witnesses, ENT_E_DATA,
                    "member %zu of the group is no witness defined above it", i - GROUP_WORDS + 1);
        ENT_REQUIRE(!r->in_group[at], ENT_E_DATA, "a witness stands in the group twice");
        r->in_group[at] = true;
    }
    r->group = r->words[1];
    return ENT_E_OK;
}

static enum ent_err take_quorum(struct reader *r)
{
    struct ent_tlog_policy *p = &r->policy;
    const struct word *name = &r->words[1];
    size_t at;

    ENT_REQUIRE(r->n_words == 2, ENT_E_DATA, "it reads: quorum NAME");
    ENT_REQUIRE(!r->has_quorum, ENT_E_DATA, "a second quorum");
    r->has_quorum = true;
    if (word_is(name, NONE)) {
        return ENT_E_OK;
    }
    at = find(r, name);
    if (at < p->n_witnesses) {
        p->witnesses[at].in_quorum = true;
        p->k = 1;
        return ENT_E_OK;
    }
    ENT_REQUIRE(name->len == r->group.len && memcmp(name->at, r->group.at, name->len) == 0,
                ENT_E_DATA, "the quorum is not defined above it");
    for (size_t i = 0; i < p->n_witnesses; i++) {
        p->witnesses[i].in_quorum = r->in_group[i];
    }
    p->k = r->group_k;
    return ENT_E_OK;
}

static enum ent_err take_line(struct reader *r, const char *line, size_t len)
{
    static const struct {
        const char *word;
        enum ent_err (*take)(struct reader *r);
    } lines[] = {{"#", take_comment},
                 {"log", take_log},
                 {"witness", take_witness},
                 {"group", take_group},
                 {"quorum", take_quorum}};

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];

        ENT_REQUIRE((c >= 0x20 && c != 0x7F) || c == '\t', ENT_E_DATA, "a control character");
    }
    ENT_TRY(split(r, line, len));
    if (r->n_words == 0) {
        return ENT_E_OK;
    }
    for (size_t i = 0; i < ENT_ARRAY_LEN(lines); i++) {
        if (word_is(&r->words[0], lines[i].word)) {
            return lines[i].take(r);
        }
    }
    return ent_err_note(ENT_E_DATA, "not a line of a policy (log, witness, group, quorum)");
}

static enum ent_err read_all(struct reader *r, const char *text, size_t len)
{
    struct ent_lines lines = {text, text + len};
    const char *line;
    size_t n;

    for (size_t number = 1; ent_lines_next(&lines, &line, &n); number++) {
        enum ent_err err = take_line(r, line, n);

        if (err != ENT_E_OK) {
            return ent_err_prefix(err, "policy, line %zu", number);
        }
    }
    ENT_REQUIRE(lines.at == lines.end, ENT_E_DATA, "a policy without its last newline");
    ENT_REQUIRE(r->has_log, ENT_E_DATA, "a policy without a log");
    ENT_REQUIRE(r->has_quorum, ENT_E_DATA, "a policy without a quorum");
    return ENT_E_OK;
}

enum ent_err ent_tlog_policy_parse(const char *text, size_t len, struct ent_tlog_policy *out)
{
    struct reader *r = NULL;
    enum ent_err err;

    ENT_REQUIRE(len <= ENT_TLOG_POLICY_MAX_BYTES, ENT_E_LIMIT, "a policy of %zu bytes, at most %zu",
                len, ENT_TLOG_POLICY_MAX_BYTES);
    ENT_TRY(ent_calloc(1, sizeof *r, &r));
    err = read_all(r, text, len);
    if (err == ENT_E_OK) {
        *out = r->policy;
    }
    free(r);
    return err;
}

/* ---- writing ---- */

static enum ent_err write_quorum(const struct ent_tlog_policy *policy, struct ent_buf *out)
{
    if (policy->k == 0) {
        return ent_buf_addf(out, "quorum " NONE "\n");
    }
    ENT_TRY(ent_buf_addf(out, "group " GROUP " %zu", policy->k));
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        if (policy->witnesses[i].in_quorum) {
            ENT_TRY(ent_buf_addf(out, " %s", policy->witnesses[i].name));
        }
    }
    return ent_buf_addf(out, "\nquorum " GROUP "\n");
}

static enum ent_err write_all(const struct ent_tlog_policy *policy, struct ent_buf *out)
{
    char text[ENT_VKEY_TEXT_MAX];

    if (policy->has_genesis) {
        char hex[2 * ENT_MERKLE_BYTES + 1];

        ent_hex(policy->genesis, ENT_MERKLE_BYTES, hex);
        ENT_TRY(ent_buf_addf(out, "# " GENESIS " %s\n", hex));
    }
    ent_vkey_format(&policy->log, text);
    ENT_TRY(ent_buf_addf(out, "log %s\n", text));
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        ent_vkey_format(&policy->witnesses[i].key, text);
        ENT_TRY(ent_buf_addf(out, "witness %s %s\n", policy->witnesses[i].name, text));
    }
    return write_quorum(policy, out);
}

static bool same_policy(const struct ent_tlog_policy *a, const struct ent_tlog_policy *b)
{
    bool same = a->k == b->k && a->n_witnesses == b->n_witnesses && a->log.id == b->log.id;

    for (size_t i = 0; same && i < a->n_witnesses; i++) {
        const struct ent_tlog_witness *w = &a->witnesses[i];

        same = strcmp(w->name, b->witnesses[i].name) == 0 && w->key.id == b->witnesses[i].key.id &&
               (a->k == 0 || w->in_quorum == b->witnesses[i].in_quorum);
    }
    return same;
}

/* The reader is the one place that knows what a policy may be: what is written is read back. */
enum ent_err ent_tlog_policy_write(const struct ent_tlog_policy *policy, struct ent_buf *out)
{
    struct ent_tlog_policy *again = NULL;
    struct ent_buf text;
    enum ent_err err;

    ENT_BUG_ON(policy->n_witnesses > ENT_TLOG_WITNESSES_MAX);
    ENT_TRY(ent_calloc(1, sizeof *again, &again));
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    err = write_all(policy, &text);
    if (err == ENT_E_OK) {
        err = ent_tlog_policy_parse((const char *)text.data, text.len, again);
    }
    if (err == ENT_E_OK && !same_policy(policy, again)) {
        err = ent_err_note(ENT_E_DATA, "a name of the policy cannot be written");
    }
    if (err == ENT_E_OK) {
        err = ent_buf_add(out, text.data, text.len);
    }
    ent_buf_release(&text);
    free(again);
    return err;
}

/* ---- judging notes ---- */

static void count(const struct ent_tlog_policy *policy, struct ent_tlog_quorum *q)
{
    const struct ent_note_verified *v = &q->opened.verified;

    for (size_t i = 0; i < v->n; i++) {
        size_t witness = v->signers[i].key - 1; /* key 0 is the log's */

        if (v->signers[i].key > 0) {
            q->cosigned[witness] = true;
            q->time_s[witness] = v->signers[i].time_s;
            q->n_counted += policy->witnesses[witness].in_quorum;
        }
    }
    q->reached = q->n_counted >= policy->k;
}

enum ent_err ent_tlog_policy_open(const struct ent_tlog_policy *policy, const char *bytes,
                                  size_t len, struct ent_tlog_quorum *out)
{
    struct ent_vkey keys[1 + ENT_TLOG_WITNESSES_MAX];
    struct ent_tlog_quorum q = {.reached = false};

    ENT_BUG_ON(policy->n_witnesses > ENT_TLOG_WITNESSES_MAX);
    keys[0] = policy->log;
    for (size_t i = 0; i < policy->n_witnesses; i++) {
        keys[1 + i] = policy->witnesses[i].key;
    }
    ENT_TRY(ent_note_open(bytes, len, policy->log.name, keys, 1 + policy->n_witnesses, &q.opened));
    count(policy, &q);
    *out = q;
    return ENT_E_OK;
}
