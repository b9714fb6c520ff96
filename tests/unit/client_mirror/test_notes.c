/* Notes: which are cosigned, which are refused, and what is left behind. */
#include <string.h>

#include "common/base/file.h"
#include "tests/support/ent_test.h"
#include "tests/unit/client_mirror/witness.h"

static void witness_key(const struct witness *w, struct ent_vkey keys[2])
{
    char name[128];
    char hex[33];
    uint8_t pub[32];

    ent_hex(w->handles[0], 16, hex);
    (void)snprintf(name, sizeof name, "%s/%s", BOOK_ORIGIN, hex);
    ent_sign_key_pub(w->witness[0], pub);
    ENT_OK(ent_vkey_of(BOOK_ORIGIN, ENT_VKEY_LOG, w->log_pub, &keys[0]));
    ENT_OK(ent_vkey_of(name, ENT_VKEY_COSIGNATURE, pub, &keys[1]));
}

/* head.note is the log's note with this member's line: whoever has the two keys can check it. */
static void expect_head_note(const struct witness *w, uint64_t size)
{
    struct ent_note_opened opened;
    struct ent_vkey keys[2];
    struct ent_buf note;
    uint8_t root[32];

    witness_key(w, keys);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_file_read_in(w->dir, "head.note", &note));
    ENT_OK(ent_note_open((const char *)note.data, note.len, BOOK_ORIGIN, keys, 2, &opened));
    CU_ASSERT_EQUAL(opened.verified.n_log, 1);
    CU_ASSERT_EQUAL(opened.verified.n_cosigners, 1);
    CU_ASSERT_EQUAL(opened.checkpoint.size, size);
    book_root(&w->book, size, root);
    CU_ASSERT_EQUAL(memcmp(opened.checkpoint.root, root, 32), 0);
    ent_buf_release(&note);
}

/* The cosignature on the wire is that line. */
static void expect_cosign(const struct witness *w, uint64_t size)
{
    char header[64];
    struct ent_part parts[2];
    struct ent_note parsed;
    struct ent_buf note;
    uint8_t pub[32];

    CU_ASSERT_TRUE(w->step.cosigned);
    CU_ASSERT_EQUAL(w->step.cosign.size, size);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&w->book, size, &note);
    ENT_OK(ent_note_parse((const char *)note.data, note.len, &parsed));
    parts[0] = (struct ent_part){
        header, (size_t)snprintf(header, sizeof header, "cosignature/v1\ntime %llu\n",
                                 (unsigned long long)w->step.cosign.time_s)};
    parts[1] = (struct ent_part){parsed.text, parsed.text_len};
    ent_sign_key_pub(w->witness[0], pub);
    ENT_OK(ent_sign_verify(pub, parts, 2, w->step.cosign.signature));
    CU_ASSERT_EQUAL(w->step.cosign.time_s, (w->book.time_ms + 5000) / 1000);
    ent_buf_release(&note);
}

ENT_TEST(notes, cosigned_kept_and_known_after_a_restart)
{
    struct witness w;
    uint64_t commits;
    uint8_t open[32];

    witness_new(&w, ENT_MIRROR_FULL);
    ENT_OK(witness_publish(&w));
    expect_cosign(&w, 5);
    expect_head_note(&w, 5);
    witness_restart(&w);
    CU_ASSERT_EQUAL(ent_mirror_head(w.mirror)->tree.size, 5);
    CU_ASSERT_STRING_EQUAL(ent_mirror_head(w.mirror)->origin, BOOK_ORIGIN);
    (void)witness_open_round(&w, 1, open);
    commits = ent_state_commits(w.state);
    ENT_OK(witness_publish(&w));
    CU_ASSERT_EQUAL(ent_state_commits(w.state) - commits, 1);
    expect_cosign(&w, 6);
    expect_head_note(&w, 6);
    ENT_OK(ent_mirror_covers(w.mirror, 5, open));
    ENT_FAILS(ent_mirror_covers(w.mirror, 6, open), ENT_E_NOT_FOUND);
    ENT_FAILS(ent_mirror_covers(w.mirror, 4, open), ENT_E_PROTOCOL);
    ENT_OK(witness_publish(&w)); /* the same note again is cosigned again */
    expect_cosign(&w, 6);
    CU_ASSERT_FALSE(witness_evidence(&w, ".txt", ""));
    witness_free(&w);
}

/* A process that died between its commit and its files: the next one makes up for it. */
ENT_TEST(notes, files_come_back_after_a_crash)
{
    struct witness w;
    struct ent_buf set;
    char path[512];

    witness_new(&w, ENT_MIRROR_FULL);
    ent_buf_init(&set, ENT_LOG_SET_MAX_BYTES);
    witness_set(&w, 1, 3, &set);
    witness_set_leaf(&w, &set, 7);
    ENT_OK(witness_publish(&w));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w.dir, i == 0 ? "head.note" : "witness.policy");
        ENT_OK(ent_file_remove(path));
    }
    witness_restart(&w);
    ENT_OK(witness_publish(&w));
    expect_head_note(&w, w.book.n);
    CU_ASSERT_TRUE(ent_file_exists(path));
    ent_buf_release(&set);
    witness_free(&w);
}

ENT_TEST(notes, without_the_witness_key_nothing_is_cosigned)
{
    struct witness w;
    struct ent_sign_key *key;

    witness_new(&w, ENT_MIRROR_FULL);
    key = w.witness[0];
    w.witness[0] = NULL;
    witness_restart(&w);
    w.witness[0] = key;
    ENT_OK(witness_publish(&w));
    CU_ASSERT_FALSE(w.step.cosigned);
    CU_ASSERT_EQUAL(ent_mirror_head(w.mirror)->tree.size, 5);
    witness_free(&w);
}

/* ---- refused for good ---- */

static void expect_refused(struct witness *w, enum ent_err err, const char *why)
{
    uint64_t size = ent_mirror_head(w->mirror)->tree.size;

    CU_ASSERT_EQUAL(err, ENT_E_REWRITTEN);
    if (strstr(ent_err_message(), why) == NULL) {
        (void)fprintf(stderr, "said: %s\n", ent_err_message());
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), why));
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "/evidence"));
    CU_ASSERT_TRUE(witness_evidence(w, ".reason.txt", why));
    CU_ASSERT_TRUE(witness_evidence(w, ".other.note", BOOK_ORIGIN));
    CU_ASSERT_EQUAL(witness_evidence(w, ".own.note", BOOK_ORIGIN), size > 0);
    witness_restart(w); /* nothing of it was kept */
    CU_ASSERT_EQUAL(ent_mirror_head(w->mirror)->tree.size, size);
}

ENT_TEST(notes, a_log_that_became_shorter)
{
    struct ent_buf note;
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    ENT_OK(witness_publish(&w));
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&w.book, 4, &note);
    expect_refused(&w, witness_note(&w, &note), "became shorter");
    ent_buf_release(&note);
    witness_free(&w);
}

ENT_TEST(notes, another_root_at_the_same_size)
{
    const uint8_t root[32] = {9};
    struct ent_buf note;
    struct witness w;
    bool proved = false;
    struct ent_vkey keys[2];
    struct ent_buf own;

    witness_new(&w, ENT_MIRROR_FULL);
    ENT_OK(witness_publish(&w));
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&own, ENT_NOTE_MAX_BYTES);
    book_note_of(5, root, BOOK_ORIGIN, w.log_key, &note);
    ENT_OK(ent_state_log_note(w.state, &own));
    witness_key(&w, keys);
    ENT_OK(ent_note_equivocation((const char *)own.data, own.len, (const char *)note.data, note.len,
                                 &keys[0], &proved));
    CU_ASSERT_TRUE(proved); /* what the evidence holds convicts by itself */
    expect_refused(&w, witness_note(&w, &note), "was rewritten");
    ent_buf_release(&note);
    ent_buf_release(&own);
    witness_free(&w);
}

ENT_TEST(notes, another_history_that_goes_further)
{
    struct ent_buf note;
    struct witness w;
    uint8_t open[32];

    witness_new(&w, ENT_MIRROR_FULL);
    ENT_OK(witness_publish(&w));
    (void)witness_open_round(&w, 1, open);
    ENT_OK(witness_leaves(&w));
    w.book.leaves[2].data[60] ^= 1; /* a leaf that was cosigned */
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&w.book, 6, &note);
    expect_refused(&w, witness_note(&w, &note), "was rewritten");
    ent_buf_release(&note);
    witness_free(&w);
}

/* ---- leaves that do not hold ---- */

static void refuses_next(void (*spoil)(struct witness *w), const char *why)
{
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    ENT_OK(witness_publish(&w));
    spoil(&w);
    expect_refused(&w, witness_publish(&w), why);
    CU_ASSERT_TRUE(witness_evidence(&w, ".leaf", ""));
    witness_free(&w);
}

static void bytes(struct witness *w)
{
    (void)book_add_bytes(&w->book, "no leaf", 7);
}

static void open_spoiled(struct witness *w, size_t at, uint8_t with)
{
    uint8_t open[32];

    (void)witness_open_round(w, 1, open);
    w->book.leaves[w->book.n - 1].data[at] ^= with;
}

static void field(struct witness *w)
{
    open_spoiled(w, ENT_LEAF_FRAME_BYTES, 0x80); /* the first tag of the body */
}

static void seq(struct witness *w)
{
    open_spoiled(w, 31, 1);
}

static void other_federation(struct witness *w)
{
    open_spoiled(w, 8, 1);
}

static void back_in_time(struct witness *w)
{
    uint8_t open[32];

    w->book.time_ms--;
    (void)witness_open_round(w, 1, open);
    w->book.time_ms++;
}

static void again_genesis(struct witness *w)
{
    book_genesis(&w->book);
}

static void twice(struct witness *w)
{
    const uint8_t key[32] = {1};

    book_admit(&w->book, w->handles[1], key, key);
}

static void revoke_nobody(struct witness *w)
{
    struct ent_leaf_member_revoke m = {.handle = {9}};

    (void)book_add(&w->book, ENT_LEAF_MEMBER_REVOKE, 0, 0, &m);
}

static void leave_unsigned(struct witness *w)
{
    struct ent_leaf_member_leave m = {.has_request = true,
                                      .request = {.header = {(const uint8_t *)"h", 1}}};

    memcpy(m.handle, w->handles[1], sizeof m.handle);
    (void)book_add(&w->book, ENT_LEAF_MEMBER_LEAVE, 0, 0, &m);
}

ENT_TEST(leaves, that_do_not_hold_are_refused)
{
    refuses_next(bytes, "leaf 5 cannot be read");
    refuses_next(field, "leaf 5 cannot be read");
    refuses_next(seq, "says that it is leaf 4");
    refuses_next(other_federation, "of another federation");
    refuses_next(back_in_time, "time goes back at leaf 5");
    refuses_next(again_genesis, "log.genesis");
    refuses_next(twice, "a second time");
    refuses_next(revoke_nobody, "never admitted");
    refuses_next(leave_unsigned, "did not sign");
}

/* A coordinator of a later version writes what this build does not know: its frame is checked, and it is kept. */
ENT_TEST(leaves, of_an_unknown_kind_are_kept)
{
    struct witness w;
    struct ent_buf leaf;
    uint8_t open[32];

    witness_new(&w, ENT_MIRROR_FULL);
    (void)witness_open_round(&w, 1, open);
    w.book.leaves[5].data[5] = 0x99; /* type 0x0499 */
    ENT_OK(witness_publish(&w));
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_state_leaf_get(w.state, 5, &leaf));
    CU_ASSERT_EQUAL(leaf.len, w.book.leaves[5].len);
    (void)witness_open_round(&w, 2, open);
    w.book.leaves[6].data[5] = 0x99;
    w.book.leaves[6].data[31] ^= 1; /* but not at another place than it says */
    CU_ASSERT_EQUAL(witness_publish(&w), ENT_E_REWRITTEN);
    ent_buf_release(&leaf);
    witness_free(&w);
}

ENT_TEST(leaves, a_beginning_with_other_keys)
{
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    w.root_pub[0] ^= 1;
    expect_refused(&w, witness_publish(&w), "another root key");
    witness_free(&w);
}

ENT_TEST(leaves, this_member_with_another_key)
{
    struct witness w;
    struct ent_sign_key *own;

    witness_new(&w, ENT_MIRROR_FULL);
    own = w.statement[0];
    w.statement[0] = w.statement[1];
    witness_restart(&w);
    w.statement[0] = own;
    CU_ASSERT_EQUAL(witness_publish(&w), ENT_E_REWRITTEN);
    CU_ASSERT_TRUE(witness_evidence(&w, ".reason.txt", "a key that is not its own"));
    witness_free(&w);
}

/* ---- not refused for good: dropped, and nothing has changed ---- */

ENT_TEST(notes, of_somebody_else_are_dropped)
{
    struct ent_sign_key *other = NULL;
    struct ent_buf note;
    struct witness w;
    uint8_t root[32];

    witness_new(&w, ENT_MIRROR_FULL);
    ent_buf_init(&note, ENT_NOTE_MAX_BYTES);
    book_note(&w.book, 5, &note);
    ENT_FAILS(witness_note(&w, &note), ENT_E_PROTOCOL); /* before the first leaf */
    ENT_OK(witness_leaves(&w));
    book_root(&w.book, 5, root);
    ENT_OK(ent_sign_key_generate(&other));
    ent_buf_clear(&note);
    book_note_of(5, root, BOOK_ORIGIN, other, &note); /* 1: another key */
    ENT_FAILS(witness_note(&w, &note), ENT_E_SIGNATURE);
    ent_buf_clear(&note);
    book_note_of(5, root, "fed.example/other", w.log_key, &note); /* 2: another origin */
    ENT_FAILS(witness_note(&w, &note), ENT_E_SIGNATURE);
    ent_buf_clear(&note);
    book_note(&w.book, 5, &note);
    note.data[note.len - 4] ^= 1; /* 3: the signature */
    CU_ASSERT_NOT_EQUAL(witness_note(&w, &note), ENT_E_OK);
    ent_buf_clear(&note);
    book_note(&w.book, 4, &note); /* 4: not over what was sent */
    ENT_FAILS(witness_note(&w, &note), ENT_E_PROTOCOL);
    CU_ASSERT_EQUAL(ent_mirror_head(w.mirror)->tree.size, 0);
    ENT_OK(witness_publish(&w)); /* and what waits still does */
    expect_cosign(&w, 5);
    CU_ASSERT_FALSE(witness_evidence(&w, ".txt", ""));
    ent_buf_release(&note);
    ent_sign_key_free(other);
    witness_free(&w);
}

ENT_TEST(leaves, come_in_order_whole_and_bounded)
{
    const uint8_t cut[] = {0, 9, 1};
    struct ent_buf bundle;
    struct witness w;

    witness_new(&w, ENT_MIRROR_FULL);
    ent_buf_init(&bundle, (size_t)1024 * 1024);
    book_bundle(&w.book, 1, 5, &bundle);
    ENT_FAILS(ent_mirror_leaves(w.mirror, 1, (struct ent_bytes){bundle.data, bundle.len}),
              ENT_E_PROTOCOL); /* 1: a gap */
    ENT_FAILS(ent_mirror_leaves(w.mirror, 0, (struct ent_bytes){cut, sizeof cut}),
              ENT_E_PROTOCOL); /* 2: cut short */
    ent_buf_clear(&bundle);
    book_bundle(&w.book, 0, 5, &bundle);
    ENT_OK(ent_mirror_leaves(w.mirror, 0, (struct ent_bytes){bundle.data, bundle.len}));
    ENT_FAILS(ent_mirror_leaves(w.mirror, 0, (struct ent_bytes){bundle.data, bundle.len}),
              ENT_E_PROTOCOL);   /* 3: once more */
    ent_mirror_forget(w.mirror); /* the line broke */
    ENT_OK(witness_publish(&w));
    expect_cosign(&w, 5);
    ent_buf_release(&bundle);
    witness_free(&w);
}

ENT_TEST(leaves, what_waits_has_an_end)
{
    static uint8_t big[60002];
    struct witness w;
    enum ent_err err = ENT_E_OK;
    uint64_t n = 0;

    big[0] = 60000 >> 8;
    big[1] = 60000 & 0xff;
    witness_new(&w, ENT_MIRROR_FULL);
    while (err == ENT_E_OK && n < 2000) {
        err = ent_mirror_leaves(w.mirror, n, (struct ent_bytes){big, sizeof big});
        n += err == ENT_E_OK ? 1 : 0;
    }
    CU_ASSERT_EQUAL(err, ENT_E_LIMIT);
    CU_ASSERT_EQUAL(n, ENT_MIRROR_PENDING_MAX_BYTES / sizeof big);
    ent_mirror_forget(w.mirror);
    ENT_OK(witness_publish(&w));
    witness_free(&w);
}
