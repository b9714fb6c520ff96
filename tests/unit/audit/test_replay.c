/* Replay of real rounds: identical when nothing was touched, and named by round and member when one bit was. */
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/audit/replay_world.h"

#define EQUAL "weights: equal"
#define MOMENTUM "weights: examples_log2, optimizer: {momentum: {rate: 0.9, momentum: 0.8}}"
#define FEDADAM                                                                                    \
    "weights: {fixed: {a: 2, b: 3, c: 4}}, optimizer: {fedadam: {rate: 0.05, tau: 0.01}}"

static const struct replay_options plain_sgd = {.aggregation = EQUAL, .keep = REPLAY_SEALED};

/* One world, one replay. */
static void play(const struct replay_options *options, struct replay_world *w,
                 struct ent_replay *out)
{
    replay_world_make(w, options);
    replay_world_replay(w, true, out);
}

static void done(struct replay_world *w, struct ent_replay *out)
{
    ent_replay_release(out);
    replay_world_release(w);
}

static const struct ent_replay_round *round_of(const struct ent_replay *replay, uint64_t round)
{
    CU_ASSERT_FATAL(round >= 1 && round <= replay->n_rounds);
    CU_ASSERT_EQUAL(replay->rounds[round - 1].round, round);
    return &replay->rounds[round - 1];
}

/* ---- nothing touched ---- */

static void passes(const char *aggregation, enum replay_keep keep, unsigned runs)
{
    struct replay_options options = {.aggregation = aggregation, .keep = keep, .runs = runs};
    struct replay_world w;
    struct ent_replay replay;
    size_t n = (runs > 0 ? runs : 1) * (size_t)REPLAY_ROUNDS;

    play(&options, &w, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(replay.n_findings, 0);
    CU_ASSERT_EQUAL(replay.n_closed, n);
    CU_ASSERT_EQUAL(replay.n_identical, n);
    CU_ASSERT_EQUAL(replay.n_released, n + (runs > 0 ? runs : 1)); /* one a round, and the best */
    CU_ASSERT_EQUAL(replay.n_starts, 1);
    CU_ASSERT_EQUAL(replay.n_starts_differ, 0);
    for (size_t i = 0; i < replay.n_rounds; i++) {
        CU_ASSERT_TRUE(replay.rounds[i].summed);
        CU_ASSERT_EQUAL(replay.rounds[i].updates, REPLAY_MEMBERS);
    }
    CU_ASSERT_EQUAL(ent_replay_outcome(&replay), ENT_E_OK);
    done(&w, &replay);
}

ENT_TEST(replay, is_identical_with_every_server_optimizer)
{
    passes(EQUAL, REPLAY_SEALED, 0);
    passes(MOMENTUM, REPLAY_SEALED, 0);
    passes(FEDADAM, REPLAY_SEALED, 0);
}

ENT_TEST(replay, of_plain_updates_needs_no_key)
{
    struct replay_options options = {.aggregation = MOMENTUM, .keep = REPLAY_PLAIN};
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &options);
    replay_world_replay(&w, false, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(replay.n_identical, REPLAY_ROUNDS);
    done(&w, &replay);
}

ENT_TEST(replay, a_run_that_goes_on_from_a_model)
{
    passes(FEDADAM, REPLAY_SEALED, 2);
}

/* ---- one thing changed by the coordinator, in time ---- */

enum tamper {
    TAMPER_KEPT,   /* one bit of what is sealed */
    TAMPER_WEIGHT, /* of an update, in the log */
    TAMPER_RESULT, /* digest of the sum */
    TAMPER_MODEL,  /* one bit of the model that is made, released and trained on */
    TAMPER_CLOSE,  /* the model that the close names */
    TAMPER_STATE,  /* of the optimizer */
    TAMPER_SUM_W,
    TAMPER_LOSS,
    TAMPER_FIGURE,    /* of eval.result */
    TAMPER_RELEASE,   /* model.release names another model */
    TAMPER_SURVIVORS, /* the close leaves one out */
    TAMPER_BASE,      /* the members trained on another model */
    TAMPER_TWICE,     /* one member's update stands for another's */
    TAMPER_STATEMENT  /* an update that answers another round */
};
struct plot {
    enum tamper what;
    uint64_t round;
    size_t member;
};

/* Keeps what one member said, and puts it where another says something (or the same member, a round later). */
static void put_again(const struct plot *p, struct replay_event *e, uint64_t from, size_t member)
{
    static uint8_t header[512];
    static uint8_t sealed[1][32];
    static struct ent_leaf_statement said;
    struct ent_leaf_update_accept *accept = &e->any->update_accept;

    if (e->round == from && e->member == member) {
        said = accept->update;
        CU_ASSERT_TRUE_FATAL(said.header.len <= sizeof header);
        memcpy(header, said.header.data, said.header.len);
        memcpy(sealed, accept->sealed, sizeof sealed);
        said.header.data = header;
    } else if (e->round == p->round && e->member == p->member) {
        accept->update = said;
        accept->sealed = sealed;
    }
}

static void tamper_leaf(const struct plot *p, struct replay_event *e)
{
    struct ent_leaf_round_close *close = &e->any->round_close;
    bool closes = e->type == ENT_LEAF_ROUND_CLOSE;

    if (p->what == TAMPER_WEIGHT && e->type == ENT_LEAF_UPDATE_ACCEPT && e->member == p->member) {
        e->any->update_accept.weight++;
    } else if (p->what == TAMPER_RESULT && closes) {
        close->result[31] ^= 1;
    } else if (p->what == TAMPER_CLOSE && closes) {
        close->model[0] ^= 1;
    } else if (p->what == TAMPER_STATE && closes) {
        close->state[7] ^= 1;
    } else if (p->what == TAMPER_SUM_W && closes) {
        close->sum_w++;
    } else if (p->what == TAMPER_LOSS && closes) {
        close->loss_sum++;
    } else if (p->what == TAMPER_SURVIVORS && closes) {
        static const uint8_t two[1] = {5};

        close->survivors = (struct ent_bytes){two, 1};
    } else if (p->what == TAMPER_FIGURE && e->type == ENT_LEAF_EVAL_RESULT) {
        e->any->eval_result.metrics[0].nano++;
    } else if (p->what == TAMPER_RELEASE && e->type == ENT_LEAF_MODEL_RELEASE) {
        e->any->model_release.model[5] ^= 4;
    } else if (p->what == TAMPER_BASE && e->type == ENT_LEAF_ROUND_OPEN) {
        e->any->round_open.base[3] ^= 2;
    }
}

static void tamper(void *ctx, struct replay_event *e)
{
    const struct plot *p = ctx;

    if (e->any != NULL && e->type == ENT_LEAF_UPDATE_ACCEPT && p->what == TAMPER_TWICE) {
        put_again(p, e, p->round, 0);
    }
    if (e->any != NULL && e->type == ENT_LEAF_UPDATE_ACCEPT && p->what == TAMPER_STATEMENT) {
        put_again(p, e, p->round - 2, p->member);
    }
    if (e->round != p->round) {
        return;
    }
    if (e->kept != NULL) {
        if (p->what == TAMPER_KEPT && e->member == p->member) {
            e->kept->data[40] ^= 1;
        }
        return;
    }
    if (e->model != NULL) {
        if (p->what == TAMPER_MODEL) {
            e->model->data[e->model->len - 4] ^= 1; /* lowest bit of a parameter */
        }
        return;
    }
    if (e->any == NULL) {
        return;
    }
    tamper_leaf(p, e);
}

/* Fails, names the round and says `words`; `who`: the member, NULL: none. */
static void fails(const char *aggregation, struct plot plot, const char *words, bool names_member)
{
    struct replay_options options = {
        .aggregation = aggregation, .keep = REPLAY_SEALED, .hook = tamper, .ctx = &plot};
    struct replay_world w;
    struct ent_replay replay;
    char begin[32];

    play(&options, &w, &replay);
    (void)snprintf(begin, sizeof begin, "round %llu: ", (unsigned long long)plot.round);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_DIFFERS);
    CU_ASSERT_EQUAL(ent_replay_outcome(&replay), ENT_E_VIOLATION);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_DIFFERS, begin, words));
    if (names_member) {
        CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_DIFFERS, w.names[plot.member], words));
    }
    CU_ASSERT_EQUAL(round_of(&replay, plot.round)->status, ENT_REPLAY_DIFFERS);
    for (uint64_t i = 1; i < plot.round; i++) { /* what came before it stands */
        CU_ASSERT_EQUAL(round_of(&replay, i)->status, ENT_REPLAY_IDENTICAL);
    }
    done(&w, &replay);
}

ENT_TEST(replay, a_changed_bit_of_a_retained_update)
{
    for (uint64_t round = 1; round <= 3; round++) { /* stats, train, evaluate */
        fails(EQUAL, (struct plot){TAMPER_KEPT, round, 1}, "does not have the digest it signed",
              true);
    }
}

ENT_TEST(replay, a_changed_weight)
{
    fails(EQUAL, (struct plot){TAMPER_WEIGHT, 2, 0}, "by the plan's rule", true);
    fails(EQUAL, (struct plot){TAMPER_WEIGHT, 3, 1}, "by the plan's rule", true);
    fails(MOMENTUM, (struct plot){TAMPER_WEIGHT, 2, 2}, "by the plan's rule", true);
    /* 3 instead of 2 is a weight of the plan as well: the sum is another one */
    fails(FEDADAM, (struct plot){TAMPER_WEIGHT, 2, 0}, "is not the logged result", false);
    fails(FEDADAM, (struct plot){TAMPER_WEIGHT, 2, 2}, "none of the plan's weights", true);
}

ENT_TEST(replay, another_sum)
{
    fails(EQUAL, (struct plot){TAMPER_RESULT, 1, 0}, "is not the logged result", false);
    fails(MOMENTUM, (struct plot){TAMPER_RESULT, 4, 0}, "is not the logged result", false);
    fails(EQUAL, (struct plot){TAMPER_SUM_W, 2, 0}, "weights of its updates", false);
    fails(EQUAL, (struct plot){TAMPER_SURVIVORS, 2, 1}, "does not count it", true);
}

ENT_TEST(replay, an_update_that_stands_for_another)
{
    fails(EQUAL, (struct plot){TAMPER_TWICE, 2, 2}, "two updates", false);
    fails(EQUAL, (struct plot){TAMPER_STATEMENT, 4, 1}, "answers another round.open", true);
}

ENT_TEST(replay, another_model)
{
    fails(EQUAL, (struct plot){TAMPER_MODEL, 1, 0}, "released model differs", false);
    fails(EQUAL, (struct plot){TAMPER_MODEL, 2, 0}, "released model differs", false);
    fails(FEDADAM, (struct plot){TAMPER_MODEL, 4, 0}, "released model differs", false);
    fails(EQUAL, (struct plot){TAMPER_CLOSE, 4, 0}, "released model differs", false);
    fails(EQUAL, (struct plot){TAMPER_CLOSE, 3, 0}, "released model differs", false);
    fails(EQUAL, (struct plot){TAMPER_RELEASE, 2, 0}, "released model differs", false);
    fails(EQUAL, (struct plot){TAMPER_RELEASE, 6, 0}, "released model differs", false); /* best */
    fails(EQUAL, (struct plot){TAMPER_BASE, 4, 0}, "trained on another model", false);
    fails(EQUAL, (struct plot){TAMPER_BASE, 5, 0}, "did not make", false);
}

ENT_TEST(replay, another_state_of_the_optimizer)
{
    fails(MOMENTUM, (struct plot){TAMPER_STATE, 2, 0}, "state of the server's optimizer", false);
    fails(FEDADAM, (struct plot){TAMPER_STATE, 4, 0}, "state of the server's optimizer", false);
}

ENT_TEST(replay, another_figure)
{
    fails(EQUAL, (struct plot){TAMPER_LOSS, 3, 0}, "logged loss", false);
    fails(EQUAL, (struct plot){TAMPER_FIGURE, 5, 0}, "released figure", false);
}

/* ---- files ---- */

static void flip(const char *path)
{
    FILE *f = fopen(path, "r+b");
    int c;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fseek(f, 45, SEEK_SET), 0);
    c = fgetc(f);
    CU_ASSERT_EQUAL(fseek(f, 45, SEEK_SET), 0);
    CU_ASSERT_NOT_EQUAL(fputc(c ^ 1, f), EOF);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

ENT_TEST(replay, a_changed_file_of_an_update)
{
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &plain_sgd);
    flip(replay_world_blob(&w, w.kept[1][4][2]));
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_DIFFERS);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_DIFFERS, "round 4: ", w.names[2]));
    done(&w, &replay);
}

ENT_TEST(replay, a_changed_file_of_the_released_model)
{
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &plain_sgd);
    flip(replay_world_blob(&w, w.released));
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_DIFFERS);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_DIFFERS, "round 4: ", "released model"));
    done(&w, &replay);
}

ENT_TEST(replay, a_missing_update_ends_the_models_of_its_run_and_not_the_sums)
{
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &plain_sgd);
    CU_ASSERT_EQUAL(unlink(replay_world_blob(&w, w.kept[1][2][1])), 0);
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_EQUAL(ent_replay_outcome(&replay), ENT_E_INCOMPLETE);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_INCOMPLETE, "round 2: ", w.names[1]));
    CU_ASSERT_EQUAL(round_of(&replay, 1)->status, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_FALSE(round_of(&replay, 2)->summed);
    CU_ASSERT_EQUAL(round_of(&replay, 4)->status, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_TRUE(round_of(&replay, 4)->summed);
    done(&w, &replay);
}

ENT_TEST(replay, without_a_key_or_anything_kept_is_incomplete)
{
    struct replay_options nothing = {.aggregation = EQUAL, .keep = REPLAY_NOTHING};
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &plain_sgd);
    replay_world_replay(&w, false, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_EQUAL(replay.n_identical, 0);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_INCOMPLETE, "needs --key", NULL));
    done(&w, &replay);
    play(&nothing, &w, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_INCOMPLETE, "had no auditor", NULL));
    done(&w, &replay);
}

ENT_TEST(replay, with_another_auditors_key_is_incomplete)
{
    struct ent_x25519_key *other = NULL;
    struct replay_world w;
    struct ent_replay replay;

    replay_world_make(&w, &plain_sgd);
    CU_ASSERT_EQUAL(unlink(w.key), 0);
    ENT_OK(ent_x25519_key_generate(&other));
    ENT_OK(ent_x25519_key_save(other, w.key));
    ent_x25519_key_free(other);
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_INCOMPLETE, "not to this key", NULL));
    done(&w, &replay);
}

/* ---- what is not the log of the note is not replayed ---- */

ENT_TEST(replay, refuses_leaves_that_are_not_those_of_the_note)
{
    struct replay_world w;
    struct ent_replay replay;
    char path[400];

    replay_world_make(&w, &plain_sgd);
    (void)snprintf(path, sizeof path, "%s/tile/entries/000.p/%zu", w.export, w.n_leaves);
    flip(path);
    replay_world_replay(&w, true, &replay);
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_DIFFERS);
    CU_ASSERT_FALSE(replay.root_ok);
    CU_ASSERT_EQUAL(replay.n_rounds, 0);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_DIFFERS, "do not give the root", NULL));
    done(&w, &replay);
}

ENT_TEST(replay, refuses_another_log_and_says_what_was_not_pinned)
{
    struct ent_replay_options options = {0};
    struct ent_export *export = NULL;
    struct replay_world w;
    struct ent_replay replay = {0};
    struct ent_buf policy;
    char *at;

    replay_world_make(&w, &plain_sgd);
    ENT_OK(ent_export_open(w.export, &export));
    options.key = w.key;
    ENT_OK(ent_replay_export(export, &options, &replay)); /* without a policy */
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    CU_ASSERT_EQUAL(replay.n_identical, REPLAY_ROUNDS);
    CU_ASSERT_TRUE(replay_found(&replay, ENT_REPLAY_INCOMPLETE, "no --policy", NULL));
    ent_replay_release(&replay);

    ent_buf_init(&policy, 65536); /* of another genesis leaf */
    ENT_OK(ent_file_read(w.policy, &policy));
    at = strstr((char *)policy.data, "entente-genesis ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    at += strlen("entente-genesis ");
    *at = *at == '0' ? '1' : '0';
    ENT_OK(ent_file_write_atomic(w.policy, policy.data, policy.len, 0600));
    ent_buf_release(&policy);
    options.policy = w.policy;
    ENT_OK(ent_replay_export(export, &options, &replay));
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_DIFFERS);
    CU_ASSERT_FALSE(replay.root_ok);
    CU_ASSERT_EQUAL(replay.n_rounds, 0);
    ent_export_close(export);
    done(&w, &replay);
}

/* ---- ranges and reports ---- */

ENT_TEST(replay, reports_a_range_and_executes_what_comes_before)
{
    struct ent_replay_options options = {0};
    struct ent_export *export = NULL;
    struct replay_world w;
    struct ent_replay replay = {0};

    replay_world_make(&w, &plain_sgd);
    ENT_OK(ent_replay_range("4-5", &options));
    CU_ASSERT_EQUAL(options.first, 4);
    CU_ASSERT_EQUAL(options.last, 5);
    options.policy = w.policy;
    options.key = w.key;
    ENT_OK(ent_export_open(w.export, &export));
    ENT_OK(ent_replay_export(export, &options, &replay));
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_IDENTICAL);
    CU_ASSERT_EQUAL(replay.n_closed, 2);
    CU_ASSERT_EQUAL(replay.n_identical, 2);
    CU_ASSERT_EQUAL(replay.rounds[0].round, 4);
    ent_replay_release(&replay);
    ENT_OK(ent_replay_range("77", &options));
    ENT_OK(ent_replay_export(export, &options, &replay));
    CU_ASSERT_EQUAL(replay.verdict, ENT_REPLAY_INCOMPLETE);
    ent_export_close(export);
    done(&w, &replay);
}

ENT_TEST(replay, ranges_that_are_none)
{
    static const char *const bad[] = {"", "0", "0-3", "3-2", "a", "1-", "-3", "1-2x", "1--2"};
    struct ent_replay_options options = {0};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ENT_FAILS(ent_replay_range(bad[i], &options), ENT_E_USAGE);
    }
    CU_ASSERT_EQUAL(options.first, 0);
}

ENT_TEST(replay, prints_verdict_build_and_rounds)
{
    struct replay_world w;
    struct ent_replay replay;
    struct ent_buf text;
    const char *s = NULL;

    play(&plain_sgd, &w, &replay);
    ent_buf_init(&text, 1 << 20);
    ENT_OK(ent_replay_print(&replay, true, &text));
    ENT_OK(ent_buf_str(&text, &s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "VERDICT PASS 6/6 rounds bit-identical; rerolls 0; build "));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "compiler    "));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "self-test   "));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "kernels     "));
    ent_buf_clear(&text);
    ENT_OK(ent_replay_print_json(&replay, &text));
    ENT_OK(ent_buf_str(&text, &s));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "\"verdict\":"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s, "\"rounds_identical\":"));
    ent_buf_release(&text);
    done(&w, &replay);
}
