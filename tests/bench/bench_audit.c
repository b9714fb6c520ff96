/* Three steps of the bench of the audit, one a process, so that each has its own peak of memory:
 *
 *   bench_audit make DIR MEMBERS ROUNDS   a forged federation's export at DIR, its policy at DIR.policy
 *   bench_audit tree DIR                  V1 to V3 alone: leaves read, decoded strictly, hashed; roots at all notes
 *   bench_audit verify DIR                all checks
 *
 * Each prints one JSON object. Bars are bench_audit.sh's. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "audit/verify.h"
#include "audit/walk.h"
#include "common/base/clock.h"
#include "tests/support/forge.h"

static double seconds(void)
{
    struct ent_clock clock = ent_clock_system();

    return (double)ent_clock_mono(&clock) / 1000;
}

static double peak_mib(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}

/* ---- make ---- */

static enum ent_err make(const char *dir, size_t members, uint32_t rounds)
{
    struct ent_forge_options options = {
        .seed = 1, .n_members = members, .train_rounds = rounds - 1, .lean = true};
    struct ent_forge *forge = NULL;
    double start = seconds();
    size_t bytes = 0;
    char path[4096];
    enum ent_err err = ent_forge_new(&options, &forge);

    if (err == ENT_E_OK) {
        err = ent_forge_export(forge, dir, false);
    }
    (void)snprintf(path, sizeof path, "%s.policy", dir);
    if (err == ENT_E_OK) {
        err = ent_forge_policy_file(forge, path);
    }
    if (err == ENT_E_OK) {
        for (size_t i = 0; i < forge->n_leaves; i++) {
            bytes += forge->leaves[i].len;
        }
        (void)printf("{\"leaves\": %zu, \"leaf_bytes\": %zu, \"notes\": %zu, \"seconds\": %.1f}\n",
                     forge->n_leaves, bytes, forge->n_notes, seconds() - start);
    }
    ent_forge_free(forge);
    return err;
}

/* ---- tree ---- */

struct pass {
    struct ent_export *export;
    struct ent_merkle tree;
    struct ent_sha256 hash;
    const uint64_t *sizes;
    size_t n_sizes;
    size_t next;
    uint64_t last_ms;
    uint64_t n_bad;
};

static enum ent_err check_note(struct pass *p)
{
    struct ent_buf bytes;
    struct ent_note note;
    struct ent_checkpoint checkpoint;
    uint8_t root[32];
    enum ent_err err;

    ENT_TRY(ent_merkle_root(&p->tree, &p->hash, root));
    ent_buf_init(&bytes, ENT_NOTE_MAX_BYTES);
    err = ent_export_note(p->export, p->sizes[p->next++], &bytes);
    if (err == ENT_E_OK) {
        err = ent_note_parse((const char *)bytes.data, bytes.len, &note);
    }
    if (err == ENT_E_OK) {
        err = ent_checkpoint_parse(note.text, note.text_len, &checkpoint);
    }
    if (err == ENT_E_OK) {
        p->n_bad += checkpoint.size != p->tree.size || memcmp(checkpoint.root, root, 32) != 0;
    }
    ent_buf_release(&bytes);
    return err;
}

static enum ent_err on_leaf(void *ctx, const struct ent_audit_leaf *leaf)
{
    struct pass *p = ctx;

    p->n_bad += leaf->decoded != ENT_E_OK || leaf->frame.seq != leaf->index ||
                leaf->frame.time_ms < p->last_ms;
    p->last_ms = leaf->frame.time_ms;
    ENT_TRY(ent_merkle_append(&p->tree, &p->hash, leaf->hash, NULL, NULL));
    return p->next < p->n_sizes && p->sizes[p->next] == p->tree.size ? check_note(p) : ENT_E_OK;
}

static enum ent_err tree(const char *dir)
{
    struct pass p = {0};
    double start = seconds();
    enum ent_err err = ent_export_open(dir, &p.export);

    if (err == ENT_E_OK) {
        p.sizes = ent_export_sizes(p.export, &p.n_sizes);
        ent_merkle_init(&p.tree);
        err = ent_audit_walk(p.export, 0, on_leaf, &p);
    }
    if (err == ENT_E_OK && (p.n_bad > 0 || p.next != p.n_sizes)) {
        err = ent_err_note(ENT_E_VIOLATION, "%llu leaves or notes are not as they should be",
                           (unsigned long long)p.n_bad);
    }
    if (err == ENT_E_OK) {
        (void)printf("{\"leaves\": %llu, \"seconds\": %.3f, \"peak_mib\": %.1f}\n",
                     (unsigned long long)p.tree.size, seconds() - start, peak_mib());
    }
    ent_sha256_release(&p.hash);
    ent_export_close(p.export);
    return err;
}

/* ---- verify ---- */

static enum ent_err verify(const char *dir)
{
    struct ent_audit_facts facts = {0};
    struct ent_export *export = NULL;
    char policy[4096];
    struct ent_audit_options options = {.policy = policy};
    double start = seconds();
    enum ent_err err;

    (void)snprintf(policy, sizeof policy, "%s.policy", dir);
    err = ent_export_open(dir, &export);
    if (err == ENT_E_OK) {
        err = ent_audit_verify(export, &options, &facts);
    }
    if (err == ENT_E_OK) {
        (void)printf("{\"verdict\": \"%s\", \"signatures\": %llu, \"seconds\": %.3f, "
                     "\"peak_mib\": %.1f, \"cores\": %ld}\n",
                     ent_audit_verdict_name(ent_audit_verdict(&facts)),
                     (unsigned long long)facts.n_signatures, seconds() - start, peak_mib(),
                     sysconf(_SC_NPROCESSORS_ONLN));
    }
    ent_audit_facts_release(&facts);
    ent_export_close(export);
    return err;
}

int main(int argc, char **argv)
{
    enum ent_err err = ENT_E_USAGE;

    if (argc == 5 && strcmp(argv[1], "make") == 0) {
        err = make(argv[2], strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10));
    } else if (argc == 3 && strcmp(argv[1], "tree") == 0) {
        err = tree(argv[2]);
    } else if (argc == 3 && strcmp(argv[1], "verify") == 0) {
        err = verify(argv[2]);
    }
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", argv[0], ent_err_message());
    }
    return ent_err_exit(err);
}
