/* verify beside the table of attacks: options, threads, the second pass, files that lie. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/verify.h"
#include "common/base/file.h"
#include "common/base/rng.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

struct world {
    struct ent_forge *forge;
    char *dir; /* export */
    char *policy;
};

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

static struct world world_of(const struct ent_forge_options *options)
{
    struct world w = {0};
    const char *tmp = ent_test_tmpdir();

    ENT_OK(ent_forge_new(options, &w.forge));
    w.dir = in(tmp, "export");
    w.policy = in(tmp, "policy");
    ENT_OK(ent_forge_export(w.forge, w.dir, true));
    ENT_OK(ent_forge_policy_file(w.forge, w.policy));
    return w;
}

static struct world plain_world(void)
{
    struct ent_forge_options options = {
        .seed = 3, .n_members = 4, .train_rounds = 2, .validate = true, .plain = true};

    return world_of(&options);
}

static void leave(struct world *w)
{
    ent_forge_free(w->forge);
    free(w->dir);
    free(w->policy);
}

static enum ent_err verify(const struct world *w, const struct ent_audit_options *options,
                           struct ent_audit_facts *facts)
{
    struct ent_export *export = NULL;
    enum ent_err err;

    *facts = (struct ent_audit_facts){0};
    err = ent_export_open(w->dir, &export);
    if (err == ENT_E_OK) {
        err = ent_audit_verify(export, options, facts);
    }
    ent_export_close(export);
    return err;
}

static enum ent_audit_verdict verdict(const struct world *w,
                                      const struct ent_audit_options *options)
{
    struct ent_audit_facts facts;
    enum ent_audit_verdict v;

    ENT_OK(verify(w, options, &facts));
    v = ent_audit_verdict(&facts);
    ent_audit_facts_release(&facts);
    return v;
}

static enum ent_audit_status status_of(const struct world *w,
                                       const struct ent_audit_options *options, unsigned check)
{
    struct ent_audit_facts facts;
    enum ent_audit_status s;

    ENT_OK(verify(w, options, &facts));
    s = facts.checks[check - 1].status;
    ent_audit_facts_release(&facts);
    return s;
}

/* No validation row is counted (all members are below the floor on groups); *ctx: the best model is said to be another
 * round's. */
static enum ent_err nobody_validates(void *ctx, struct ent_forge_leaf_event *event)
{
    const bool *lies = ctx;

    if (event->frame->type == ENT_LEAF_ROUND_CLOSE) {
        event->any->round_close.rows = 0;
        event->any->round_close.loss_sum = 0;
        event->any->round_close.auc = 0;
    } else if (*lies && event->frame->type == ENT_LEAF_MODEL_RELEASE &&
               event->any->model_release.kind == ENT_LOG_BEST) {
        event->any->model_release.train_round--;
    }
    return ENT_E_OK;
}

ENT_TEST(verify, without_validation_figures_the_newest_model_is_the_best)
{
    for (int lies = 0; lies < 2; lies++) {
        bool lie = lies == 1;
        struct ent_forge_options options = {.seed = 4,
                                            .n_members = 4,
                                            .train_rounds = 2,
                                            .validate = true,
                                            .lean = true,
                                            .hook = nobody_validates,
                                            .hook_ctx = &lie};
        struct world w = world_of(&options);
        struct ent_audit_options audit = {.policy = w.policy};

        CU_ASSERT_EQUAL(status_of(&w, &audit, 11), lie ? ENT_AUDIT_FAIL : ENT_AUDIT_OK);
        leave(&w);
    }
}

ENT_TEST(verify, facts_of_an_honest_log)
{
    struct world w = plain_world();
    struct ent_audit_options options = {.policy = w.policy};
    struct ent_audit_facts facts;

    ENT_OK(verify(&w, &options, &facts));
    CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_PASS);
    ENT_OK(ent_audit_outcome(&facts));
    CU_ASSERT_EQUAL(facts.size, w.forge->n_leaves);
    CU_ASSERT_EQUAL(facts.n_members, 4);
    CU_ASSERT_EQUAL(facts.n_rounds, 5); /* statistics, twice training and validation */
    CU_ASSERT_EQUAL(facts.n_releases, 4);
    CU_ASSERT_EQUAL(facts.n_evals, 2);
    CU_ASSERT_EQUAL(facts.n_runs, 1);
    CU_ASSERT_EQUAL(facts.n_sets, 1);
    CU_ASSERT_EQUAL(facts.cosigned_by, 4);
    CU_ASSERT_EQUAL(facts.cosigned_size, facts.size);
    CU_ASSERT_STRING_EQUAL(facts.origin, w.forge->origin);
    for (size_t i = 0; i < facts.n_members; i++) {
        CU_ASSERT_EQUAL(facts.members[i].accepted, 5);
        CU_ASSERT(facts.members[i].witness);
        CU_ASSERT_PTR_EQUAL(ent_audit_member_of(&facts, facts.members[i].handle),
                            &facts.members[i]);
    }
    ent_audit_facts_release(&facts);
    leave(&w);
}

/* What is printed does not depend on the threads, nor on a second run. */
static void print_with(const struct world *w, unsigned threads, bool json, struct ent_buf *out)
{
    struct ent_audit_options options = {.policy = w->policy, .threads = threads};
    struct ent_audit_facts facts;

    ent_buf_init(out, (size_t)1 << 20);
    ENT_OK(verify(w, &options, &facts));
    ENT_OK(json ? ent_audit_print_json(&facts, out) : ent_audit_print(&facts, out));
    ent_audit_facts_release(&facts);
}

static enum ent_err spoil(void *ctx, struct ent_forge_leaf_event *event)
{
    (void)ctx;
    if (event->frame->type == ENT_LEAF_UPDATE_ACCEPT) {
        event->any->update_accept.update.signature[3] ^= 1;
    }
    return ENT_E_OK;
}

ENT_TEST(verify, same_words_with_any_number_of_threads)
{
    struct ent_forge_options options = {
        .seed = 4, .n_members = 5, .train_rounds = 3, .plain = true, .hook = spoil};
    struct world w = world_of(&options);
    static const unsigned threads[] = {2, 3, 16};

    for (unsigned json = 0; json < 2; json++) {
        struct ent_buf one;

        print_with(&w, 1, json == 1, &one);
        for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
            struct ent_buf more;

            print_with(&w, threads[i], json == 1, &more);
            CU_ASSERT_EQUAL_FATAL(more.len, one.len);
            CU_ASSERT_EQUAL(memcmp(more.data, one.data, one.len), 0);
            ent_buf_release(&more);
        }
        ent_buf_release(&one);
    }
    leave(&w);
}

ENT_TEST(verify, without_a_policy_never_more_than_incomplete)
{
    struct world w = plain_world();
    struct ent_audit_options options = {0};

    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_NOT_COMPLETE);
    leave(&w);
}

/* Nor with one that came with the export, whatever its name and its bytes. */
ENT_TEST(verify, a_policy_inside_the_export_pins_nothing)
{
    struct world w = plain_world();
    char *inside = in(w.dir, "acme.policy");
    struct ent_audit_options options = {.policy = inside};
    struct ent_buf policy;

    ent_buf_init(&policy, 65536);
    ENT_OK(ent_file_read(w.policy, &policy));
    ENT_OK(ent_file_write_atomic(inside, policy.data, policy.len, 0600));
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_NOT_COMPLETE);
    options.policy = w.policy;
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_PASS);
    ent_buf_release(&policy);
    free(inside);
    leave(&w);
}

ENT_TEST(verify, policy_of_another_federation_or_none)
{
    struct ent_forge_options other = {.seed = 99, .n_members = 4, .train_rounds = 1, .plain = true};
    struct world w = plain_world();
    struct world x = world_of(&other);
    struct ent_audit_options options = {.policy = x.policy};
    struct ent_audit_facts facts;

    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_VIOLATED);
    options.policy = "/nonexistent/policy";
    ENT_FAILS(verify(&w, &options, &facts), ENT_E_CONFIG);
    ent_audit_facts_release(&facts);
    ENT_OK(ent_file_write_atomic(x.policy, "log nonsense\n", 13, 0600));
    options.policy = x.policy;
    ENT_FAILS(verify(&w, &options, &facts), ENT_E_CONFIG);
    CU_ASSERT(strstr(ent_err_message(), x.policy) ==
              ent_err_message()); /* the file, what is wrong */
    CU_ASSERT(strstr(ent_err_message(), ": : ") == NULL);
    ent_audit_facts_release(&facts);
    leave(&w);
    leave(&x);
}

ENT_TEST(verify, age_of_the_newest_cosignature)
{
    struct world w = plain_world();
    uint64_t then_s = w.forge->notes[w.forge->n_notes - 1].time_s;
    struct ent_audit_options options = {
        .policy = w.policy, .max_age_s = 3600, .now_s = then_s + 3600};

    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_PASS);
    options.now_s++;
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_NOT_COMPLETE);
    leave(&w);
}

/* Without their notes, heads inside statements are recomputed in a second pass. */
ENT_TEST(verify, heads_that_no_stored_note_has)
{
    struct world w = plain_world();
    struct ent_audit_options options = {.policy = w.policy};
    struct ent_audit_facts facts;
    uint64_t seen[2] = {0};

    for (unsigned i = 0; i < 2; i++) {
        ENT_OK(verify(&w, &options, &facts));
        CU_ASSERT_EQUAL(facts.checks[11].status, ENT_AUDIT_OK);
        CU_ASSERT_EQUAL(facts.checks[11].n_fail, 0);
        seen[i] = strtoull(facts.checks[11].text, NULL, 10);
        ent_audit_facts_release(&facts);
        for (size_t n = 0; i == 0 && n + 1 < w.forge->n_notes; n++) {
            char name[64];
            char *path;

            (void)snprintf(name, sizeof name, "checkpoints/%llu.note",
                           (unsigned long long)w.forge->notes[n].size);
            path = in(w.dir, name);
            CU_ASSERT_EQUAL(unlink(path), 0);
            free(path);
        }
    }
    CU_ASSERT(seen[0] > 0);
    CU_ASSERT_EQUAL(seen[0], seen[1]);
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_NOT_COMPLETE); /* quorums are not shown */
    leave(&w);
}

ENT_TEST(verify, seals_for_another_auditor)
{
    struct ent_forge_options options = {
        .seed = 8, .n_members = 3, .train_rounds = 1, .n_auditors = 2};
    struct world w = world_of(&options);
    char *path = in(ent_test_tmpdir(), "key");
    struct ent_audit_options with = {.policy = w.policy, .key = path};
    struct ent_x25519_key *key = NULL;

    ENT_OK(ent_x25519_key_save(w.forge->seal[1], path));
    CU_ASSERT_EQUAL(verdict(&w, &with), ENT_AUDIT_PASS);
    ENT_OK(ent_file_remove(path));
    ENT_OK(ent_x25519_key_generate(&key));
    ENT_OK(ent_x25519_key_save(key, path));
    CU_ASSERT_EQUAL(status_of(&w, &with, 15), ENT_AUDIT_INCOMPLETE);
    CU_ASSERT_EQUAL(verdict(&w, &with), ENT_AUDIT_NOT_COMPLETE);
    with.key = w.policy; /* no key */
    {
        struct ent_audit_facts facts;

        ENT_FAILS(verify(&w, &with, &facts), ENT_E_CONFIG);
        ent_audit_facts_release(&facts);
    }
    ent_x25519_key_free(key);
    free(path);
    leave(&w);
}

/* --since: kept updates of earlier rounds are not asked for. */
ENT_TEST(verify, since)
{
    struct world w = plain_world();
    struct ent_audit_options options = {.policy = w.policy};

    for (size_t i = 0; i < w.forge->n_blobs; i++) { /* of round 1: the first update */
        size_t leaf = ent_forge_find(w.forge, ENT_LEAF_UPDATE_ACCEPT, 1, 0, 0);
        struct ent_leaf_frame frame;
        union ent_leaf_any any;
        struct ent_arena arena;
        char name[80];
        char hex[65];
        char *path;

        ent_arena_init(&arena, (size_t)1 << 20);
        ENT_OK(ent_leaf_decode(
            (struct ent_bytes){w.forge->leaves[leaf].bytes, w.forge->leaves[leaf].len}, &arena,
            &frame, &any));
        if (memcmp(w.forge->blobs[i].digest, any.update_accept.sealed[0], 32) == 0) {
            ent_hex(w.forge->blobs[i].digest, 32, hex);
            (void)snprintf(name, sizeof name, "blob/%.2s/%s", hex, hex);
            path = in(w.dir, name);
            CU_ASSERT_EQUAL(unlink(path), 0);
            free(path);
        }
        ent_arena_release(&arena);
    }
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_VIOLATED);
    options.since = 2;
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_PASS);
    leave(&w);
}

/* One changed byte in tiles or bundles is an error or a violation, never a PASS. */
ENT_TEST(verify, no_changed_byte_passes)
{
    struct world w = plain_world();
    struct ent_audit_options options = {.policy = w.policy};
    char names[2][ENT_TILES_PATH_MAX];
    struct ent_tile tile = {.width = (unsigned)w.forge->n_leaves};
    struct ent_rng rng = ent_rng_init(12, 0);

    CU_ASSERT_FATAL(w.forge->n_leaves < ENT_TILES_WIDTH);
    ent_tiles_path(&tile, names[0]);
    tile.entries = true;
    ent_tiles_path(&tile, names[1]);
    for (unsigned i = 0; i < 120; i++) {
        char *path = in(w.dir, names[i % 2]);
        struct ent_audit_facts facts;
        struct ent_buf bytes;
        size_t at;

        ent_buf_init(&bytes, (size_t)1 << 24);
        ENT_OK(ent_file_read(path, &bytes));
        at = (size_t)(ent_rng_u64(&rng) % bytes.len);
        bytes.data[at] ^= (uint8_t)(1u << (i % 8));
        ENT_OK(ent_file_write_atomic(path, bytes.data, bytes.len, 0600));
        if (verify(&w, &options, &facts) == ENT_E_OK) {
            CU_ASSERT_EQUAL(ent_audit_verdict(&facts), ENT_AUDIT_VIOLATED);
        }
        ent_audit_facts_release(&facts);
        bytes.data[at] ^= (uint8_t)(1u << (i % 8));
        ENT_OK(ent_file_write_atomic(path, bytes.data, bytes.len, 0600));
        ent_buf_release(&bytes);
        free(path);
    }
    CU_ASSERT_EQUAL(verdict(&w, &options), ENT_AUDIT_PASS);
    leave(&w);
}
