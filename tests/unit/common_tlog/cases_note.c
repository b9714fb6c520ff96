/* Kinds of signed texts: notes, quorums, witnesses, evidence, proofs. */
#include <string.h>

#include "common/tlog/policy.h"
#include "common/tlog/proof.h"
#include "common/tlog/witness.h"
#include "tests/support/ent_test.h"
#include "tests/unit/common_tlog/cases.h"

static size_t read_keys(const struct ent_json *c, struct ent_vkey keys[VECTOR_KEYS_MAX])
{
    const struct ent_json *list = ent_json_get(c, "vkeys");
    size_t n = ent_json_len(list);

    CU_ASSERT_FATAL(n <= VECTOR_KEYS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = NULL;

        ENT_OK(ent_json_string(ent_json_at(list, i), "vkey", &text));
        vec_key(text, &keys[i]);
    }
    return n;
}

/* The note as text or, where its bytes are no text, as hex; `out` is initialised here. */
static void read_note(const struct ent_json *c, struct ent_buf *out)
{
    if (vec_has(c, "note_hex")) {
        vec_bytes(vec_string(c, "note_hex"), out);
        return;
    }
    ent_buf_init(out, (size_t)1 << 20);
    ENT_OK(ent_buf_add(out, vec_string(c, "note"), strlen(vec_string(c, "note"))));
}

static bool same_checkpoint(const struct ent_json *want, const struct ent_checkpoint *got)
{
    uint8_t root[ENT_MERKLE_BYTES];

    vec_hash(want, "root", root);
    return strcmp(vec_string(want, "origin"), got->origin) == 0 &&
           vec_uint(want, "size") == got->size && memcmp(root, got->root, sizeof root) == 0;
}

/* The counted cosignatures, in the order of the note. */
static bool same_cosigned(const struct ent_json *list, const struct ent_note_opened *opened,
                          const struct ent_vkey *keys)
{
    size_t n = 0;

    for (size_t i = 0; i < opened->verified.n; i++) {
        const struct ent_note_signer *s = &opened->verified.signers[i];
        const struct ent_json *want = ent_json_at(list, n);

        if (keys[s->key].type != ENT_VKEY_COSIGNATURE) {
            continue;
        }
        if (want == NULL || strcmp(vec_string(want, "name"), keys[s->key].name) != 0 ||
            vec_uint(want, "time") != s->time_s) {
            return false;
        }
        n++;
    }
    return n == ent_json_len(list) && n == opened->verified.n_cosigners;
}

bool vec_note(struct vectors *v, const struct ent_json *c)
{
    struct ent_vkey keys[VECTOR_KEYS_MAX];
    size_t n = read_keys(c, keys);
    struct ent_note_opened opened;
    const struct ent_json *parsed = ent_json_get(c, "parsed");
    struct ent_buf note;
    bool valid;
    bool ok;

    (void)v;
    read_note(c, &note);
    valid = ent_note_open((const char *)note.data, note.len, vec_string(c, "origin"), keys, n,
                          &opened) == ENT_E_OK;
    ok = valid == vec_bool(c, "valid");
    if (ok && valid && parsed != NULL) {
        ok = same_checkpoint(parsed, &opened.checkpoint) &&
             same_cosigned(ent_json_get(parsed, "cosigned"), &opened, keys);
    }
    ent_buf_release(&note);
    return ok;
}

static bool is_of(const struct ent_json *of, const char *name)
{
    for (size_t i = 0; i < ent_json_len(of); i++) {
        const char *text = NULL;

        ENT_OK(ent_json_string(ent_json_at(of, i), "of", &text));
        if (strcmp(text, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The policy of a case, by way of its text. */
static void read_policy(const struct ent_json *c, struct ent_tlog_policy *out)
{
    const struct ent_json *quorum = ent_json_get(c, "quorum");
    struct ent_vkey keys[VECTOR_KEYS_MAX];
    size_t n = read_keys(c, keys);
    static struct ent_tlog_policy made;
    struct ent_buf text;

    memset(&made, 0, sizeof made);
    made.k = (size_t)vec_uint(quorum, "k");
    for (size_t i = 0; i < n; i++) {
        struct ent_tlog_witness *w = &made.witnesses[made.n_witnesses];

        if (keys[i].type == ENT_VKEY_LOG) {
            made.log = keys[i];
            continue;
        }
        memcpy(w->name, keys[i].name, sizeof w->name);
        w->key = keys[i];
        w->in_quorum = is_of(ent_json_get(quorum, "of"), keys[i].name);
        made.n_witnesses++;
    }
    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    ENT_OK(ent_tlog_policy_write(&made, &text));
    ENT_OK(ent_tlog_policy_parse((const char *)text.data, text.len, out));
    ent_buf_release(&text);
}

bool vec_quorum(struct vectors *v, const struct ent_json *c)
{
    static struct ent_tlog_policy policy;
    struct ent_tlog_quorum quorum;
    struct ent_buf note;
    bool reached;

    (void)v;
    read_policy(c, &policy);
    CU_ASSERT_STRING_EQUAL(policy.log.name, vec_string(c, "origin"));
    read_note(c, &note);
    reached =
        ent_tlog_policy_open(&policy, (const char *)note.data, note.len, &quorum) == ENT_E_OK &&
        quorum.reached;
    ent_buf_release(&note);
    return reached == vec_bool(c, "valid") && (!reached || vec_note(v, c));
}

static bool same_state(const struct ent_json *want, const struct ent_witness_state *got)
{
    uint8_t root[ENT_MERKLE_BYTES];

    if (ent_json_kind(want) == ENT_JSON_NULL) {
        return !got->seen;
    }
    vec_hash(want, "root", root);
    return got->seen && vec_uint(want, "size") == got->size &&
           memcmp(root, got->root, sizeof root) == 0;
}

static void check_cosignature(const struct ent_witness_verdict *verdict)
{
    struct ent_sign_key *key = NULL;
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    struct ent_vkey vkey;
    struct ent_buf line;
    uint64_t time_s = 0;

    ENT_OK(ent_sign_key_generate(&key));
    ent_sign_key_pub(key, pub);
    ENT_OK(ent_vkey_of("a.witness", ENT_VKEY_COSIGNATURE, pub, &vkey));
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    ENT_OK(ent_witness_cosign(verdict, "a.witness", key, 1700000000, &line));
    ENT_OK(ent_note_check_line(&verdict->note, (const char *)line.data, line.len, &vkey, &time_s));
    CU_ASSERT_EQUAL(time_s, 1700000000);
    ent_buf_release(&line);
    ent_sign_key_free(key);
}

bool vec_witness(struct vectors *v, const struct ent_json *c)
{
    const char *request = vec_string(c, "request");
    struct ent_witness_state state = {.seen = vec_has(c, "state")};
    struct ent_witness_verdict verdict;
    struct ent_vkey log;

    (void)v;
    vec_key(vec_string(c, "log_vkey"), &log);
    if (state.seen) {
        state.size = vec_uint(ent_json_get(c, "state"), "size");
        vec_hash(ent_json_get(c, "state"), "root", state.root);
    }
    ENT_OK(ent_witness_decide(&log, 1, &state, request, strlen(request), &verdict));
    if (verdict.status == ENT_WITNESS_COSIGN) {
        check_cosignature(&verdict);
    }
    return (uint64_t)verdict.status == vec_uint(c, "status") &&
           same_state(ent_json_get(c, "new_state"), &verdict.next);
}

bool vec_equivocation(struct vectors *v, const struct ent_json *c)
{
    const char *a = vec_string(c, "note_a");
    const char *b = vec_string(c, "note_b");
    struct ent_vkey log;
    bool proved = false;

    (void)v;
    vec_key(vec_string(c, "log_vkey"), &log);
    ENT_OK(ent_note_equivocation(a, strlen(a), b, strlen(b), &log, &proved));
    return proved == vec_bool(c, "proof_of_misbehaviour");
}

bool vec_tlog_proof(struct vectors *v, const struct ent_json *c)
{
    const char *text = vec_string(c, "text");
    struct ent_vkey keys[VECTOR_KEYS_MAX];
    size_t n = read_keys(c, keys);
    struct ent_note_opened opened;
    struct ent_tlog_proof proof;
    struct ent_buf leaf;
    struct ent_buf again;
    bool valid;

    (void)v;
    vec_bytes(vec_string(c, "leaf"), &leaf);
    ent_buf_init(&again, ENT_TLOG_PROOF_MAX_BYTES);
    valid = ent_tlog_proof_parse(text, strlen(text), &proof) == ENT_E_OK;
    if (valid) {
        struct ent_bytes bytes = {leaf.data, leaf.len};

        ENT_OK(ent_tlog_proof_write(&proof, &again));
        CU_ASSERT(again.len == strlen(text) && memcmp(again.data, text, again.len) == 0);
        valid = ent_tlog_proof_verify(&proof, &bytes, keys, n, &opened) == ENT_E_OK;
    }
    ent_buf_release(&again);
    ent_buf_release(&leaf);
    return valid == vec_bool(c, "valid");
}

bool vec_upstream_note(struct vectors *v, const struct ent_json *c)
{
    struct ent_note_verified verified;
    struct ent_note note;
    struct ent_vkey key;
    struct ent_buf bytes;
    bool valid;

    (void)v;
    vec_key(vec_string(c, "vkey"), &key);
    read_note(c, &bytes);
    valid = ent_note_parse((const char *)bytes.data, bytes.len, &note) == ENT_E_OK &&
            ent_note_verify(&note, &key, 1, &verified) == ENT_E_OK;
    ent_buf_release(&bytes);
    return valid == vec_bool(c, "valid");
}
