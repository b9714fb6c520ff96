/* V16: what the log names is there, unless the log says that it was erased; and what must not be kept
 * is not there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)
#define PLAIN_MAX_MS (7 * DAY_MS)

enum ent_err ent_audit_blob_missing(struct ent_audit *a, const uint8_t digest[32], uint64_t seq,
                                    uint64_t round)
{
    struct ent_audit_missing *missing = NULL;

    ENT_TRY(ENT_AUDIT_MORE_OF(a, missing, ENT_AUDIT_TEMP_MAX, NULL, &missing));
    if (missing == NULL) {
        return ent_audit_find(a, 16, ENT_AUDIT_INCOMPLETE, seq,
                              "more than %zu blobs are missing: this one was not looked at",
                              ENT_AUDIT_TEMP_MAX);
    }
    memcpy(missing->digest, digest, sizeof missing->digest);
    missing->seq = seq;
    missing->round = round;
    return ENT_E_OK;
}

enum ent_err ent_audit_erase(struct ent_audit *a, const struct ent_audit_leaf *leaf)
{
    const struct ent_leaf_blob_erase *erase = &leaf->any.blob_erase;
    struct ent_audit_erasure *fact = NULL;
    uint64_t size;

    ENT_TRY(ENT_AUDIT_MORE(a->facts, erasures, ENT_AUDIT_LIST_MAX, &fact));
    if (fact != NULL) {
        *fact = (struct ent_audit_erasure){.seq = leaf->index,
                                           .ms = leaf->frame.time_ms,
                                           .basis = erase->basis,
                                           .n_blobs = erase->n_digests};
    }
    for (size_t i = 0; i < erase->n_digests; i++) {
        struct ent_audit_missing *erased = NULL;

        if (ent_export_blob_size(a->export, erase->digests[i], &size) == ENT_E_OK) {
            ENT_TRY(ent_audit_fail(a, 16, leaf->index,
                                   "leaf %" PRIu64 ": a blob is said to be erased, and is here",
                                   leaf->index));
        }
        ENT_TRY(ENT_AUDIT_MORE_OF(a, erased, ENT_AUDIT_TEMP_MAX, NULL, &erased));
        if (erased != NULL) {
            memcpy(erased->digest, erase->digests[i], sizeof erased->digest);
            erased->seq = leaf->index;
        }
    }
    return ENT_E_OK;
}

static int by_digest(const void *a, const void *b)
{
    const struct ent_audit_missing *x = a;
    const struct ent_audit_missing *y = b;

    return memcmp(x->digest, y->digest, sizeof x->digest);
}

static bool was_erased(const struct ent_audit *a, const uint8_t digest[32])
{
    struct ent_audit_missing key;

    memcpy(key.digest, digest, sizeof key.digest);
    return a->n_erased > 0 &&
           bsearch(&key, a->erased, a->n_erased, sizeof *a->erased, by_digest) != NULL;
}

/* A plan or a model. */
static enum ent_err check_blob(struct ent_audit *a, const uint8_t digest[32], uint64_t seq,
                               const char *what)
{
    char name[ENT_AUDIT_SHORT_BYTES];
    enum ent_err err = ent_export_blob_check(a->export, digest);

    ent_audit_short(digest, 32, name);
    if (err == ENT_E_NOT_FOUND) {
        return was_erased(a, digest)
                   ? ent_audit_find(a, 16, ENT_AUDIT_INCOMPLETE, seq,
                                    "leaf %" PRIu64
                                    ": the %s %s was erased, as the log says: it is kept for good, "
                                    "and what it was cannot be looked at any more",
                                    seq, what, name)
                   : ent_audit_fail(a, 16, seq,
                                    "leaf %" PRIu64
                                    ": the %s %s is missing, and no blob.erase says "
                                    "why",
                                    seq, what, name);
    }
    if (err == ENT_E_DIGEST) {
        return ent_audit_fail(a, 16, seq, "leaf %" PRIu64 ": the %s %s has other bytes", seq, what,
                              name);
    }
    a->n_blobs += err == ENT_E_OK;
    return err;
}

/* Plans, models that a run started from, and the best model of each run are kept for good; every other model is a
 * function of the updates (replay makes it again). */
static enum ent_err check_models(struct ent_audit *a)
{
    for (size_t i = 0; i < a->facts->n_runs; i++) {
        const struct ent_audit_run *run = &a->facts->runs[i];

        if (run->run == 0) { /* no round was played under it */
            continue;
        }
        ENT_TRY(check_blob(a, run->leaf.plan, run->seq, "plan"));
        if (run->leaf.has_base) {
            ENT_TRY(check_blob(a, run->leaf.base, run->seq, "base model"));
        }
    }
    for (size_t i = 0; i < a->facts->n_releases; i++) {
        const struct ent_audit_release *r = &a->facts->releases[i];

        if (r->leaf.kind == ENT_LOG_BEST) {
            ENT_TRY(check_blob(a, r->leaf.model, r->seq, "best model"));
        }
    }
    return ENT_E_OK;
}

static enum ent_err check_missing(struct ent_audit *a)
{
    uint64_t n_erased = 0;

    for (size_t i = 0; i < a->n_missing; i++) {
        const struct ent_audit_missing *m = &a->missing[i];

        if (was_erased(a, m->digest)) {
            n_erased++;
            continue;
        }
        ENT_TRY(ent_audit_fail(a, 16, m->seq,
                               "leaf %" PRIu64 ": the kept update or seed of round %" PRIu64
                               " is missing, and no blob.erase says why",
                               m->seq, m->round));
    }
    if (n_erased > 0) {
        ENT_TRY(ent_audit_find(a, 15, ENT_AUDIT_INCOMPLETE, ENT_AUDIT_NO_SEQ,
                               "%" PRIu64 " kept updates or seeds were erased, as the log says: "
                               "they cannot be looked at any more",
                               n_erased));
    }
    return ENT_E_OK;
}

enum ent_err ent_audit_blobs_end(struct ent_audit *a)
{
    if (a->n_erased > 0) {
        qsort(a->erased, a->n_erased, sizeof *a->erased, by_digest);
    }
    ENT_TRY(check_missing(a));
    ENT_TRY(check_models(a));
    if (a->oldest_plain_ms > 0 && a->facts->last_ms - a->oldest_plain_ms > PLAIN_MAX_MS) {
        ENT_TRY(ent_audit_fail(
            a, 16, a->oldest_plain_seq,
            "leaf %" PRIu64 ": an update is kept unsealed for %" PRIu64 " days; 7 are allowed",
            a->oldest_plain_seq, (a->facts->last_ms - a->oldest_plain_ms) / DAY_MS));
    }
    ent_audit_say(a, 16, ENT_AUDIT_OK,
                  "%" PRIu64 " plans and models are there; %zu blobs erased, as the log says",
                  a->n_blobs, a->n_erased);
    return ENT_E_OK;
}
