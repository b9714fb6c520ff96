/* Rows 11, 12 and 16 for noise of the coordinator: noise that was not drawn, noise that was chosen, seeds that are not under
 * seal. In rows 11 everybody cosigned a log that is whole: only who holds an auditor's key can tell. */
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "common/crypto/hpke.h"
#include "common/crypto/sign.h"
#include "tests/support/forge_inside.h"
#include "tests/unit/audit/attack.h"

#define ROUND 2
#define MEMBER 1
#define NO_KEY 100 /* added to a variant: the auditor's key is not there */

/* A join is withheld, the first attempt of round 2 fails before any update came, the second one lacks a join. */
static const struct ent_forge_fault rerolled[] = {
    {1, 1, 3, ENT_FORGE_NO_JOIN},
    {2, 1, 0, ENT_FORGE_TIMEOUT},
    {2, 1, 1, ENT_FORGE_TIMEOUT},
    {2, 1, 2, ENT_FORGE_TIMEOUT},
    {2, 1, 3, ENT_FORGE_TIMEOUT},
    {2, 1, 4, ENT_FORGE_TIMEOUT},
    {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT},
    {2, 2, 4, ENT_FORGE_NO_JOIN},
};
static const struct ent_forge_fault aborted[] = {{2, 1, 1, ENT_FORGE_TIMEOUT},
                                                 {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT}};
static const struct ent_forge_fault refused[] = {{2, 1, 3, ENT_FORGE_BAD_NONCE}};
static const struct ent_forge_fault lonely[] = {{2, 1, 0, ENT_FORGE_NO_JOIN},
                                                {2, 1, 2, ENT_FORGE_NO_JOIN},
                                                {2, 1, 3, ENT_FORGE_NO_JOIN},
                                                {2, 1, 4, ENT_FORGE_NO_JOIN}};
static const struct ent_forge_fault oversized[] = {{2, 1, 3, ENT_FORGE_OVERSIZED}};

static void fail_with(struct scene *s, const struct ent_forge_fault *faults, size_t n)
{
    s->options.faults = faults;
    s->options.n_faults = n;
}

static void play(struct scene *s, ent_forge_hook hook)
{
    bool no_key = s->variant >= NO_KEY;

    s->variant %= NO_KEY;
    s->options.privacy = true;
    s->options.central = true;
    s->options.plain = false;
    s->options.validate = false;
    s->options.test = false;
    s->round = ROUND;
    s->member = MEMBER;
    scene_play(s, hook);
    if (!no_key && s->options.n_auditors > 0) {
        scene_key(s);
    }
}

static void sealed(struct scene *s, ent_forge_hook hook)
{
    s->options.n_auditors = 1;
    play(s, hook);
    scene_export(s, false);
}

/* ---- controls ---- */

enum { PLAIN_RUN, NO_AUDITOR, TWO_AUDITORS, WEIGHTS, REROLLS, REFUSED, TWO_RUNS, BROUGHT };

static void honest(struct scene *s)
{
    unsigned what = s->variant % NO_KEY;

    s->options.n_auditors = what == NO_AUDITOR ? 0 : what == TWO_AUDITORS ? 2 : 1;
    s->options.fixed_weights = what == WEIGHTS;
    s->options.foreign_base = what == BROUGHT;
    if (what == REROLLS) {
        fail_with(s, rerolled, ENT_ARRAY_LEN(rerolled));
    } else if (what == REFUSED) {
        fail_with(s, refused, ENT_ARRAY_LEN(refused));
    }
    play(s, NULL);
    if (what == TWO_RUNS) {
        ENT_OK(ent_forge_play_run(s->forge));
    }
    scene_export(s, false);
}

/* ---- 11: the noise is another one ---- */

static void cheated(struct scene *s)
{
    s->options.cheat = (enum ent_forge_cheat)(s->variant % NO_KEY);
    sealed(s, NULL);
}

/* An update that is larger than what the noise covers. */
static void too_large(struct scene *s)
{
    fail_with(s, oversized, ENT_ARRAY_LEN(oversized));
    sealed(s, NULL);
}

/* ---- 12: the noise was chosen ---- */

/* Payload and signature of a join again, with what `m` says now. */
static enum ent_err say_join(struct scene *s, struct ent_forge_leaf_event *event,
                             const struct ent_msg_join *m)
{
    struct ent_leaf_round_join *leaf = &event->any->round_join;
    struct ent_leaf_statement said = {.header = leaf->header};
    struct ent_buf bytes;
    enum ent_err err;

    ent_buf_init(&bytes, 4096);
    err = ent_msg_join_encode(m, &bytes);
    if (err == ENT_E_OK) {
        leaf->payload = scene_copy(s, (struct ent_bytes){bytes.data, bytes.len});
        err = ent_sha256(bytes.data, bytes.len, said.payload_sha256);
    }
    if (err == ENT_E_OK) {
        err = ent_forge_sign(event->forge->members[event->member].statement, &said);
    }
    memcpy(leaf->signature, said.signature, sizeof leaf->signature);
    ent_buf_release(&bytes);
    return err;
}

/* The coordinator and one member: another nonce than the one committed to, or none. */
static enum ent_err other_nonce(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;
    struct ent_msg_join m;

    if (!scene_is(s, event, ENT_LEAF_ROUND_JOIN)) {
        return ENT_E_OK;
    }
    ENT_OK(ent_msg_join_decode(event->any->round_join.payload.data,
                               event->any->round_join.payload.len, &s->arena, &m));
    if (s->variant == 0) {
        m.nonce[0] ^= 1;
        memcpy(forge->nonces[forge->n_nonces - 1].nonce, m.nonce, sizeof m.nonce);
    } else if (s->variant == 1) {
        m.has_nonce = false;
        memset(m.nonce, 0, sizeof m.nonce);
        forge->n_nonces--;
    } else { /* the chain: what comes next is not what is opened next */
        m.next_commit[0] ^= 1;
    }
    return say_join(s, event, &m);
}

static void chosen_nonce(struct scene *s)
{
    sealed(s, other_nonce);
}

static enum ent_err no_commitment(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_round_open *open = &event->any->round_open;

    if (scene_is(s, event, ENT_LEAF_ROUND_OPEN)) {
        open->has_noise = false;
        memset(open->noise_commit, 0, sizeof open->noise_commit);
    }
    return ENT_E_OK;
}

static void uncommitted(struct scene *s)
{
    sealed(s, no_commitment);
}

/* By a plan whose members add their own noise. */
static enum ent_err commit_anyway(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (event->frame->type == ENT_LEAF_ROUND_OPEN && event->frame->round == ROUND) {
        event->any->round_open.has_noise = true;
        memset(event->any->round_open.noise_commit, 7, 32);
    }
    (void)s;
    return ENT_E_OK;
}

static void not_due(struct scene *s)
{
    s->options.lean = true;
    s->options.privacy = true;
    s->options.plain = false;
    s->options.validate = false;
    s->options.test = false;
    scene_play(s, commit_anyway);
    scene_export(s, false);
}

static void recommit(struct scene *s, struct ent_leaf_frame *frame, union ent_leaf_any *any)
{
    (void)s;
    (void)frame;
    any->round_open.noise_commit[0] ^= 1;
}

/* When the joins are known: all members cosign again. */
static void committed_late(struct scene *s)
{
    s->options.n_auditors = 1;
    play(s, NULL);
    scene_edit(s, ent_forge_find(s->forge, ENT_LEAF_ROUND_OPEN, ROUND, ENT_FORGE_NOBODY, 0),
               recommit);
    scene_resign(s, (1u << ATTACK_MEMBERS) - 1);
    scene_export(s, false);
}

/* The first attempt of round 2 gave noise that somebody did not like: it never was. All members cosign again. */
static void hidden_attempt(struct scene *s)
{
    size_t at;

    s->options.n_auditors = 1;
    fail_with(s, aborted, ENT_ARRAY_LEN(aborted));
    play(s, NULL);
    at = ent_forge_find(s->forge, ENT_LEAF_ROUND_OPEN, ROUND, ENT_FORGE_NOBODY, 0);
    while (s->forge->leaves[at].type != ENT_LEAF_ROUND_ABORT) {
        ent_forge_remove(s->forge, at);
    }
    ent_forge_remove(s->forge, at);
    ent_forge_renumber(s->forge);
    scene_resign(s, (1u << ATTACK_MEMBERS) - 1);
    scene_export(s, true);
}

static void too_few(struct scene *s)
{
    fail_with(s, lonely, ENT_ARRAY_LEN(lonely));
    sealed(s, NULL);
}

/* ---- 16: what is sealed ---- */

enum { OTHER_SEED, GARBAGE, OTHER_ROUND, LONGER, NONE, TOO_MANY };

static enum ent_err seal_for(const struct ent_forge *forge, const uint8_t aad[32],
                             const uint8_t *seed, size_t len, struct ent_buf *out)
{
    static const char info[] = "entente/seal/v1";
    struct ent_hpke_context context = {{info, sizeof info}, {aad, 32}};

    return ent_hpke_seal(forge->seal_pub[0], &context, (struct ent_part){seed, len}, out);
}

static enum ent_err make_seal(const struct scene *s, const struct ent_forge *forge,
                              struct ent_buf *out)
{
    uint8_t seed[33] = {0};
    uint8_t aad[32];
    uint8_t *at = NULL;

    memcpy(seed, forge->run.seed, 32);
    memcpy(aad, forge->run.open_hash, 32);
    switch (s->variant) {
    case OTHER_SEED:
        seed[0] ^= 1;
        return seal_for(forge, aad, seed, 32, out);
    case GARBAGE:
        ENT_TRY(ent_buf_extend(out, 32 + ENT_HPKE_EXTRA_BYTES, &at));
        memset(at, 0x42, 32 + ENT_HPKE_EXTRA_BYTES);
        return ENT_E_OK;
    case OTHER_ROUND:
        aad[0] ^= 1;
        return seal_for(forge, aad, seed, 32, out);
    default:
        return seal_for(forge, aad, seed, 33, out);
    }
}

static enum ent_err seal_other(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_leaf_round_close *close = &event->any->round_close;
    struct ent_buf bytes;
    enum ent_err err;

    if (!scene_is(s, event, ENT_LEAF_ROUND_CLOSE)) {
        return ENT_E_OK;
    }
    if (s->variant == NONE) {
        close->n_noise_sealed = 0;
        return ENT_E_OK;
    }
    if (s->variant == TOO_MANY) {
        memcpy(close->noise_sealed[1], close->noise_sealed[0], 32);
        close->n_noise_sealed = 2;
        return ENT_E_OK;
    }
    ent_buf_init(&bytes, 4096);
    err = make_seal(s, event->forge, &bytes);
    if (err == ENT_E_OK) {
        err = ent_forge_add_blob(event->forge, bytes.data, bytes.len, close->noise_sealed[0]);
    }
    ent_buf_release(&bytes);
    return err;
}

static void other_seal(struct scene *s)
{
    sealed(s, seal_other);
}

/* ---- 16, 23: the file ---- */

enum { CHANGED, GONE, ERASED };

static enum ent_err erase_seed(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (scene_is(s, event, ENT_LEAF_ROUND_CLOSE)) {
        memcpy(s->erased, event->any->round_close.noise_sealed[0], 32);
    } else if (event->frame->type == ENT_LEAF_MODEL_RELEASE && s->variant == ERASED &&
               event->any->model_release.kind == ENT_LOG_BEST) {
        uint8_t digests[1][32];
        struct ent_leaf_blob_erase leaf = {.digests = digests, .n_digests = 1, .basis = 1};

        memcpy(digests[0], s->erased, 32);
        return ent_forge_append(event->forge, ENT_LEAF_BLOB_ERASE, ENT_FORGE_NOBODY, &leaf);
    }
    return ENT_E_OK;
}

static void change_file(const struct scene *s, const struct ent_forge_blob *blob)
{
    char path[512];
    char hex[65];

    ent_hex(blob->digest, sizeof blob->digest, hex);
    (void)snprintf(path, sizeof path, "%s/blob/%.2s/%s", s->export, hex, hex);
    ENT_OK(ent_file_write_atomic(path, blob->bytes, blob->len, 0600));
}

static void other_file(struct scene *s)
{
    struct ent_forge_blob *kept = NULL;

    s->options.n_auditors = 1;
    play(s, erase_seed);
    for (size_t i = 0; i < s->forge->n_blobs; i++) {
        struct ent_forge_blob *blob = &s->forge->blobs[i];

        if (memcmp(blob->digest, s->erased, 32) != 0) {
            continue;
        }
        blob->missing = s->variant != CHANGED;
        kept = blob;
    }
    scene_export(s, false);
    CU_ASSERT_FATAL(kept != NULL);
    if (s->variant == CHANGED &&
        kept != NULL) { /* behind the writer, which looks at what it writes */
        kept->bytes[40] ^= 1;
        change_file(s, kept);
    }
}

const struct attack attacks_noise[] = {
    {0, "control: noise, with the key", honest, PLAIN_RUN, "", "", 0, "PASS"},
    {0, "control: noise, without the key", honest, PLAIN_RUN + NO_KEY, "", "", 0, "INCOMPLETE"},
    {0, "control: two auditors", honest, TWO_AUDITORS, "", "", 0, "PASS"},
    {0, "control: fixed weights", honest, WEIGHTS, "", "", 0, "PASS"},
    {0, "control: two runs, one chain of nonces", honest, TWO_RUNS, "", "", 0, "PASS"},
    {0, "control: a join is refused for its nonce", honest, REFUSED, "", "", 0, "PASS"},
    {0, "control: a run from a model that was brought along", honest, BROUGHT, "", "", 0, "PASS"},
    {0, "no auditor: nobody can prove the noise", honest, NO_AUDITOR, "", "V15", 3, "INCOMPLETE"},
    {11, "no noise is added", cheated, ENT_FORGE_NO_NOISE, "", "", 0, "FAIL"},
    {11, "the same, without the key", cheated, ENT_FORGE_NO_NOISE + NO_KEY, "", "", 0,
     "INCOMPLETE"},
    {11, "half the noise", cheated, ENT_FORGE_HALF_NOISE, "", "", 0, "FAIL"},
    {11, "the same, without the key", cheated, ENT_FORGE_HALF_NOISE + NO_KEY, "", "", 0,
     "INCOMPLETE"},
    {11, "noise divided by the members twice", cheated, ENT_FORGE_DIVIDED_NOISE, "", "", 0, "FAIL"},
    {11, "a smaller sigma than is booked", cheated, ENT_FORGE_SMALLER_SIGMA, "", "", 0, "FAIL"},
    {11, "the same, without the key", cheated, ENT_FORGE_SMALLER_SIGMA + NO_KEY, "", "", 0,
     "INCOMPLETE"},
    {11, "an update beyond the clip is accepted", too_large, 0, "", "", 0, "FAIL"},
    {12, "noise of another seed than is sealed", cheated, ENT_FORGE_OTHER_SEED, "", "", 0, "FAIL"},
    {12, "noise of the seed alone, without the nonces", cheated, ENT_FORGE_NO_NONCES, "", "", 0,
     "FAIL"},
    {12, "another nonce than the one committed to", chosen_nonce, 0, "V15", "", 1, "PASS"},
    {12, "no nonce where one was committed to", chosen_nonce, 1, "V15", "", 1, "PASS"},
    {12, "a commitment that is not opened in the next round", chosen_nonce, 2, "V15", "", 1,
     "PASS"},
    {12, "no commitment to a seed", uncommitted, 0, "V15", "", 1, "FAIL"},
    {12, "a commitment where no noise is due", not_due, 0, "V15", "", 1, ""},
    {12, "commitment changed when the joins were known", committed_late, 0, "V7 V12 V13 V15", "", 1,
     "FAIL"},
    {12, "an aborted attempt never was", hidden_attempt, 0, "V5 V7 V12 V13 V15", "", 1, "FAIL"},
    {12, "fewer nonces than f + 1", too_few, 0, "V7 V15", "", 1, "FAIL"},
    {12, "withheld joins and an aborted attempt: rerolls 3", honest, REROLLS, "", "", 0, "PASS"},
    {16, "sealed is another seed than committed to", other_seal, OTHER_SEED, "V15", "", 1, "FAIL"},
    {16, "sealed is garbage", other_seal, GARBAGE, "V15", "", 1, "FAIL"},
    {16, "the seed is sealed for another round", other_seal, OTHER_ROUND, "V15", "", 1, "FAIL"},
    {16, "a seal of another length, without the key", other_seal, LONGER + NO_KEY, "V15", "", 1,
     "INCOMPLETE"},
    {16, "the seed is not sealed", other_seal, NONE, "V15", "", 1, "FAIL"},
    {16, "more seals than auditors", other_seal, TOO_MANY, "V15", "", 1, "FAIL"},
    {16, "one bit of a sealed seed, without the key", other_file, CHANGED + NO_KEY, "V15", "", 1,
     "INCOMPLETE"},
    {23, "a sealed seed is gone", other_file, GONE, "V16", "", 1, "INCOMPLETE"},
    {23, "a sealed seed is gone, and the log says so", other_file, ERASED, "", "V15", 3,
     "INCOMPLETE"},
};
const size_t n_attacks_noise = ENT_ARRAY_LEN(attacks_noise);

const char *const attacks_noise_say[] = {
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "sealed to nobody",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "does not open what it committed",
    "does not open what it committed",
    "does not open what it committed",
    "commits to no seed",
    "its plan does not add",
    "",
    "due is round 2, attempt 1",
    "it takes 2",
    "rerolls 3",
    "not the seed that round 2 committed to",
    "does not open with",
    "does not open with",
    "the sealed seed has 81 bytes",
    "names 0 sealed seeds",
    "names 2 sealed seeds",
    "is not the one that the log names",
    "no blob.erase says why",
    "were erased",
};
_Static_assert(ENT_ARRAY_LEN(attacks_noise) == ENT_ARRAY_LEN(attacks_noise_say), "one for each");
