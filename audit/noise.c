/* V15, noise that the coordinator adds (audit.md 2.7): a round commits to the seed of its noise before anybody joins, and
 * everybody who joins opens a nonce that it committed to before that, so that neither side chose what the noise became.
 * Whether the noise was drawn of it is replay's, with an auditor's key; here, with one, that what was sealed is the seed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"
#include "common/crypto/seal.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "common/task/task.h"

#define SEALED_SEED_BYTES ((size_t)(ENT_NOISE_SEED_BYTES + ENT_HPKE_EXTRA_BYTES))

struct standing { /* what a member committed to for its next join */
    bool there;
    uint8_t commit[32];
};

struct ent_audit_noise {
    struct standing *standing; /* [ENT_AUDIT_MEMBERS_MAX] */
    uint64_t config;           /* leaf of a run's config.set, plus 1 ... */
    size_t run_place;          /* ... and that run's place in facts->noisings, plus 1; 0: none */
    /* the open attempt */
    size_t place;      /* run_place, where it has noise; 0: it has none */
    uint32_t bad;      /* f of the witness set when it opened */
    uint32_t counted;  /* nonces that opened what stood */
    uint64_t n_nonces; /* in all rounds, noised or not */
};

enum ent_err ent_audit_noise_init(struct ent_audit *a)
{
    ENT_TRY(ent_calloc(1, sizeof *a->noise, &a->noise));
    return ent_calloc(ENT_AUDIT_MEMBERS_MAX, sizeof *a->noise->standing, &a->noise->standing);
}

void ent_audit_noise_free(struct ent_audit *a)
{
    if (a->noise != NULL) {
        free(a->noise->standing);
        free(a->noise);
        a->noise = NULL;
    }
}

/* ---- round.open ---- */

/* f of the newest witness set; none: 0. */
static uint32_t bad_now(const struct ent_audit *a)
{
    return a->facts->n_sets > 0 ? a->facts->sets[a->facts->n_sets - 1].bad : 0;
}

static enum ent_err keep_run(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_noise *n = a->noise;
    struct ent_audit_noising *fact = NULL;

    n->place = n->config == a->run.seq + 1 ? n->run_place : 0;
    if (n->place > 0) {
        return ENT_E_OK;
    }
    n->config = a->run.seq + 1;
    n->run_place = 0;
    ENT_TRY(ENT_AUDIT_MORE(a->facts, noisings, ENT_AUDIT_RUNS_MAX, &fact));
    if (fact != NULL) {
        n->place = a->facts->n_noisings;
        n->run_place = n->place;
        fact->run = leaf->frame.run;
        fact->seq = leaf->index;
        fact->n_auditors = (uint32_t)a->run.leaf.n_auditors;
    }
    return ENT_E_OK;
}

/* A commitment exactly where noise is due. *counts: it is, or that is not known. */
static enum ent_err check_due(struct ent_audit *a, const struct ent_audit_leaf *leaf, bool *counts)
{
    const struct ent_msg_round_open *open = &leaf->any.round_open;
    uint32_t unit = ENT_PRIVACY_NONE;
    bool known = ent_audit_budget_unit(a, &unit);
    bool due = open->task == ENT_TASK_TRAIN && unit == ENT_PRIVACY_MEMBER;

    *counts = open->has_noise && (due || !known);
    if (!known && open->has_noise) {
        return ent_audit_find(a, 15, ENT_AUDIT_INCOMPLETE, leaf->index,
                              "leaf %" PRIu64 ": whether round %" PRIu64 " owes noise is not "
                              "known: the plan of run %" PRIu32 " is not here, or no plan of this "
                              "build",
                              leaf->index, leaf->frame.round, leaf->frame.run);
    }
    if (!known || due == open->has_noise) {
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 15, leaf->index,
                          due ? "leaf %" PRIu64 ": round %" PRIu64 " owes noise by its plan, and "
                                "commits to no seed for it"
                              : "leaf %" PRIu64 ": round %" PRIu64 " commits to a seed for noise "
                                "that its plan does not add",
                          leaf->index, leaf->frame.round);
}

enum ent_err ent_audit_noise_open(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    bool counts = false;

    a->noise->bad = bad_now(a);
    a->noise->counted = 0;
    ENT_TRY(check_due(a, leaf, &counts));
    if (counts) {
        return keep_run(a, leaf);
    }
    a->noise->place = 0;
    return ENT_E_OK;
}

/* ---- nonces ---- */

void ent_audit_noise_admit(struct ent_audit *a, uint32_t member, const uint8_t nonce_commit[32])
{
    struct standing *s = &a->noise->standing[member];

    s->there = true;
    memcpy(s->commit, nonce_commit, sizeof s->commit);
}

void ent_audit_noise_refused(struct ent_audit *a, uint32_t member)
{
    a->noise->standing[member].there = false;
}

enum ent_err ent_audit_noise_join(struct ent_audit *a, const struct ent_audit_leaf *leaf,
                                  uint32_t member, const struct ent_msg_join *join)
{
    struct ent_audit_noise *n = a->noise;
    struct standing *s = &n->standing[member];
    struct ent_part nonce = {join->nonce, join->has_nonce ? sizeof join->nonce : 0};
    enum ent_noise_join what = ENT_NOISE_JOIN_REJECT;
    char name[ENT_AUDIT_SHORT_BYTES];

    ENT_TRY(ent_noise_join(s->there ? s->commit : NULL, nonce, &what));
    s->there = true;
    memcpy(s->commit, join->next_commit, sizeof s->commit);
    if (what == ENT_NOISE_JOIN_REJECT) {
        ent_audit_short(a->facts->members[member].handle, 16, name);
        return ent_audit_fail(a, 15, leaf->index,
                              "leaf %" PRIu64 ": %s joins with a nonce that does not open what it "
                              "committed to before, and is not refused",
                              leaf->index, name);
    }
    n->counted += what == ENT_NOISE_JOIN_COUNTED;
    n->n_nonces += what == ENT_NOISE_JOIN_COUNTED;
    return ENT_E_OK;
}

/* ---- the seed under seal ---- */

struct seed {
    const struct ent_audit_leaf *leaf; /* round.close */
    const uint8_t *digest;             /* of the sealed file */
};

/* *good: it is the seed that was committed to. */
static enum ent_err open_seed(const struct ent_audit *a, const struct ent_buf *sealed, bool *opens,
                              bool *good)
{
    const struct ent_seal_place place = {
        .federation = a->facts->federation,
        .round_open = a->round.open_hash,
        .where = {.run = a->round.run, .round = a->round.round, .attempt = a->round.attempt},
        .commit = a->opened.noise_commit};
    uint8_t seed[ENT_NOISE_SEED_BYTES];
    enum ent_err err =
        ent_seal_open_seed(a->key, &place, (struct ent_part){sealed->data, sealed->len}, seed);

    *opens = err != ENT_E_SIGNATURE;
    *good = err == ENT_E_OK;
    ent_cleanse(seed, sizeof seed);
    return err == ENT_E_SIGNATURE || err == ENT_E_DIGEST ? ENT_E_OK : err;
}

static enum ent_err check_seed(struct ent_audit *a, const struct seed *s,
                               const struct ent_buf *sealed, bool ours)
{
    bool opens = true;
    bool good = true;

    if (!ours) {
        return ENT_E_OK;
    }
    ENT_TRY(open_seed(a, sealed, &opens, &good));
    if (opens && good) {
        a->facts->noisings[a->noise->place - 1].opened++;
        return ENT_E_OK;
    }
    return ent_audit_fail(a, 15, s->leaf->index,
                          opens ? "leaf %" PRIu64 ": what is sealed is not the seed that round "
                                  "%" PRIu64 " committed to"
                                : "leaf %" PRIu64 ": the sealed seed of round %" PRIu64
                                  " does not open with the auditor's key",
                          s->leaf->index, s->leaf->frame.round);
}

static enum ent_err check_file(struct ent_audit *a, const struct seed *s, bool ours)
{
    struct ent_buf sealed;
    uint64_t size = 0;
    enum ent_err err = ent_export_blob_size(a->export, s->digest, &size);

    if (err == ENT_E_NOT_FOUND) {
        return ent_audit_blob_missing(a, s->digest, s->leaf->index, s->leaf->frame.round);
    }
    ENT_TRY(err);
    if (size != SEALED_SEED_BYTES) {
        return ent_audit_fail(a, 15, s->leaf->index,
                              "leaf %" PRIu64 ": the sealed seed has %" PRIu64 " bytes, not %zu",
                              s->leaf->index, size, SEALED_SEED_BYTES);
    }
    ent_buf_init(&sealed, SEALED_SEED_BYTES);
    err = ent_export_blob(a->export, s->digest, &sealed);
    if (err == ENT_E_DIGEST || err == ENT_E_LIMIT) {
        err = ent_audit_fail(a, 15, s->leaf->index,
                             "leaf %" PRIu64 ": the sealed seed is not the one that the log names",
                             s->leaf->index);
    } else if (err == ENT_E_OK) {
        err = check_seed(a, s, &sealed, ours);
    }
    ent_buf_release(&sealed);
    return err;
}

static enum ent_err check_seeds(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_round_close *close = &leaf->any.round_close;
    size_t due = a->opened.has_noise ? a->run.leaf.n_auditors : 0;

    if (close->n_noise_sealed != due) {
        return ent_audit_fail(a, 15, leaf->index,
                              "leaf %" PRIu64 " names %zu sealed seeds; round %" PRIu64 " owes %zu",
                              leaf->index, close->n_noise_sealed, leaf->frame.round, due);
    }
    if (leaf->frame.round < a->options->since) {
        return ENT_E_OK;
    }
    for (size_t i = 0; i < due && i < ENT_LOG_AUDITORS_MAX; i++) {
        struct seed seed = {.leaf = leaf, .digest = close->noise_sealed[i]};
        bool ours = a->key != NULL && a->noise->place > 0 &&
                    memcmp(a->run.auditors[i], a->key_pub, sizeof a->key_pub) == 0;

        ENT_TRY(check_file(a, &seed, ours));
    }
    return ENT_E_OK;
}

/* ---- the end of an attempt ---- */

/* NULL: no noise, or a run beyond the bound of the list. */
static struct ent_audit_noising *run_of(struct ent_audit *a)
{
    return a->opened.has_noise && a->noise->place > 0 ? &a->facts->noisings[a->noise->place - 1]
                                                      : NULL;
}

static void count_withheld(struct ent_audit *a, struct ent_audit_noising *run)
{
    run->withheld +=
        (uint32_t)(a->n_invited -
                   (a->round.joined < a->n_invited ? (size_t)a->round.joined : a->n_invited));
}

enum ent_err ent_audit_noise_closed(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    struct ent_audit_noising *run = run_of(a);
    /* a set that came in between may have changed f: less is asked for */
    uint32_t bad = bad_now(a) < a->noise->bad ? bad_now(a) : a->noise->bad;

    if (run != NULL) {
        run->rounds++;
        run->nonces += a->noise->counted;
        count_withheld(a, run);
    }
    if (a->opened.has_noise && a->noise->counted <= bad) {
        ENT_TRY(ent_audit_fail(a, 15, leaf->index,
                               "leaf %" PRIu64 ": round %" PRIu64 " closes with noise of %" PRIu32
                               " members' nonces; with %" PRIu32 " witnesses that may be bad it "
                               "takes %" PRIu32,
                               leaf->index, leaf->frame.round, a->noise->counted, bad, bad + 1));
    }
    return check_seeds(a, leaf);
}

void ent_audit_noise_aborted(struct ent_audit *a)
{
    struct ent_audit_noising *run = run_of(a);

    if (run != NULL) {
        run->aborted++;
        count_withheld(a, run);
    }
}

/* ---- the end ---- */

struct totals {
    uint64_t rounds;
    uint64_t nonces;
    uint64_t opened;
    uint64_t provable; /* rounds of runs with auditors */
};

static enum ent_err add_up(struct ent_audit *a, struct totals *t)
{
    for (size_t i = 0; i < a->facts->n_noisings; i++) {
        const struct ent_audit_noising *run = &a->facts->noisings[i];

        t->rounds += run->rounds;
        t->nonces += run->nonces;
        t->opened += run->opened;
        t->provable += run->n_auditors > 0 ? run->rounds : 0;
        if (run->n_auditors == 0 && run->rounds > 0) {
            ENT_TRY(ent_audit_find(a, 15, ENT_AUDIT_INCOMPLETE, run->seq,
                                   "run %" PRIu32 ": that the noise of its %" PRIu32
                                   " rounds was drawn is the coordinator's word, and stays it: no "
                                   "auditor was admitted before the run, so the seeds were sealed "
                                   "to nobody",
                                   run->run, run->rounds));
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_noise_end(struct ent_audit *a, char text[ENT_AUDIT_TEXT_MAX])
{
    size_t n = strlen(text);
    struct totals t = {0};

    ENT_TRY(add_up(a, &t));
    if (a->facts->n_noisings == 0) {
        return ENT_E_OK;
    }
    (void)snprintf(
        text + n, ENT_AUDIT_TEXT_MAX - n,
        "; noise of %" PRIu64 " rounds: seeds committed to before the updates, %" PRIu64
        " nonces open what stood before the seeds, %" PRIu64 " seeds opened; rerolls %" PRIu64 "%s",
        t.rounds, t.nonces, t.opened, ent_audit_rerolls(a->facts),
        t.provable > 0 ? "; that it was drawn is for replay, with an auditor's key" : "");
    return ENT_E_OK;
}
