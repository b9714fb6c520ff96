/* `recover` against members made by hand: one who has all, one who lies, one who keeps nothing, and nobody. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/recover.h"
#include "coordinator/store/recover.h"
#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

enum kind { HONEST, KEEPS_NOTHING, BENDS_A_LEAF, NO_COSIGNATURES, ABSENT };

struct world {
    struct fed fed;
    char copy[128];
    struct ent_store *theirs; /* what members answer from */
    struct ent_store_ckpt seen;
    struct ent_buf note;
    enum kind kinds[3];
    char said[4096];
    uint64_t size; /* of the copy */
    uint64_t n_lost;
    int turns;
};

/* ---- two ages of one directory ---- */

static void copy_dir(const char *from, const char *to)
{
    char command[600];

    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", from, to);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static void make(struct world *w)
{
    memset(w, 0, sizeof *w);
    fed_new(&w->fed, 3);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&w->fed.members[i]);
    }
    (void)snprintf(w->copy, sizeof w->copy, "%s/copy", ent_test_tmpdir());
    fed_down(&w->fed);
    copy_dir(w->fed.dir, w->copy);
    fed_up(&w->fed);
    for (size_t i = 0; i < 3; i++) {
        fed_hello(&w->fed.members[i]);
    }
    fed_start_run(&w->fed, fed_plan);
    fed_live(&w->fed, 3, 1000);
    fed_down(&w->fed);
    ENT_OK(ent_store_open_readonly(w->fed.dir, &w->theirs));
    ent_buf_init(&w->note, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_store_ckpt_newest(w->theirs, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &w->seen, &w->note));
    ENT_OK(ent_home_open(w->copy, &w->fed.clock, &w->fed.home));
    ENT_OK(ent_store_log_size(w->fed.home->store, &w->size));
    CU_ASSERT(w->size < w->seen.size);
}

static void leave(struct world *w)
{
    ent_home_close(w->fed.home);
    ent_store_close(w->theirs);
    ent_buf_release(&w->note);
    fed_up(&w->fed); /* so that the ordinary way down finds what it frees */
    fed_free(&w->fed);
}

/* ---- members ---- */

static void piece(struct fed_member *m, const struct ent_msg_pull *pull, const void *bytes,
                  size_t len)
{
    struct ent_header header = fed_header(m, ENT_MSG_PIECE);
    struct ent_msg_piece p = {.kind = pull->kind, .has_digest = pull->has_digest, .total = len};

    memcpy(p.digest, pull->digest, sizeof p.digest);
    p.bytes = (struct ent_bytes){bytes, len};
    fed_send(m, &header, &p);
}

static void leaves(struct world *w, struct fed_member *m, const struct ent_msg_pull *pull,
                   enum kind kind)
{
    struct ent_header header = fed_header(m, ENT_MSG_LEAVES);
    struct ent_msg_leaves l = {.first = pull->offset};
    struct ent_buf bundle;
    uint64_t n = 0;

    ent_buf_init(&bundle, 60000);
    ENT_OK(ent_store_log_range(w->theirs, pull->offset, w->seen.size, 3000, &bundle, &n));
    CU_ASSERT_FATAL(bundle.len > 0);
    if (kind == BENDS_A_LEAF) {
        bundle.data[bundle.len - 1] ^= 1;
    }
    l.bundle = (struct ent_bytes){bundle.data, bundle.len};
    fed_send(m, &header, &l);
    ent_buf_release(&bundle);
}

static void model(struct world *w, struct fed_member *m, const struct ent_msg_pull *pull)
{
    char *path = NULL;
    struct ent_blob *blob = NULL;

    ENT_OK(ent_store_model_path(w->theirs, pull->digest, &path));
    ENT_OK(ent_blob_new_file(path, &blob));
    piece(m, pull, ent_blob_bytes(blob), ent_blob_len(blob));
    ent_blob_unref(blob);
    free(path);
}

static void answer(struct world *w, struct fed_member *m, enum kind kind,
                   const struct ent_msg_pull *pull)
{
    const char *lines = strstr((const char *)w->note.data, "\n\n");
    const char *first = lines + 2;
    size_t bare = (size_t)(strchr(first, '\n') + 1 - (const char *)w->note.data);

    if (pull->kind == ENT_PULL_NOTE) {
        piece(m, pull, w->note.data, kind == NO_COSIGNATURES ? bare : w->note.len);
    } else if (kind == KEEPS_NOTHING) {
        piece(m, pull, NULL, 0);
    } else if (pull->kind == ENT_PULL_LEAVES) {
        leaves(w, m, pull, kind);
    } else if (pull->kind == ENT_PULL_PLAN) {
        piece(m, pull, fed_plan, strlen(fed_plan));
    } else {
        model(w, m, pull);
    }
}

static void idle(void *ctx)
{
    struct world *w = ctx;

    CU_ASSERT_FATAL(w->turns++ < 100000);
    w->fed.time.mono_ms += 10;
    (void)ent_link_mem_pump(w->fed.net, 100000);
    for (size_t i = 0; i < 3; i++) {
        struct fed_member *m = &w->fed.members[i];
        const struct fed_frame *frame;

        while ((frame = fed_next(m, ENT_MSG_PULL)) != NULL) {
            struct ent_envelope env = fed_open(m, frame);
            struct ent_msg_pull pull;

            ENT_OK(ent_msg_pull_decode(env.payload, env.payload_len, &w->fed.arena, &pull));
            answer(w, m, w->kinds[i], &pull);
        }
    }
    (void)ent_link_mem_pump(w->fed.net, 100000);
}

static void say(void *ctx, const char *line)
{
    struct world *w = ctx;
    size_t used = strlen(w->said);

    (void)snprintf(w->said + used, sizeof w->said - used, "%s\n", line);
}

static void hello(struct world *w, struct fed_member *m, uint8_t flip)
{
    struct ent_msg_hello h;
    struct ent_header header;

    fed_clear_inbox(m);
    m->opened = false;
    ENT_OK(ent_link_dial(m->link, "main:1", &m->conn));
    (void)ent_link_mem_pump(w->fed.net, 100000);
    CU_ASSERT_FATAL(m->opened);
    h = fed_hello_of(m);
    h.seen_size = w->seen.size;
    h.has_seen_root = true;
    memcpy(h.seen_root, w->seen.root, sizeof h.seen_root);
    h.seen_root[0] ^= flip;
    m->run = 0;
    m->round = 0;
    m->attempt = 0;
    header = fed_header(m, ENT_MSG_HELLO);
    fed_send(m, &header, &h);
    (void)ent_link_mem_pump(w->fed.net, 100000);
}

static enum ent_err recover(struct world *w, uint8_t flip)
{
    struct ent_recovery_options options = {.home = w->fed.home,
                                           .clock = w->fed.clock,
                                           .wait_ms = 2000,
                                           .say = say,
                                           .idle = idle,
                                           .ctx = w};
    const struct ent_link_mem_identity identity = {0};
    struct ent_recovery *r = NULL;
    struct ent_link *link = NULL;
    enum ent_err err;

    w->said[0] = '\0';
    ENT_OK(ent_recovery_new(&options, &r));
    ENT_OK(ent_link_mem_new(w->fed.net, &identity, NULL, ent_recovery_on_main, r, &link));
    ent_recovery_attach(r, link);
    ENT_OK(ent_link_listen(link, "main:1", (char[300]){0}, 300));
    for (size_t i = 0; i < 3; i++) {
        if (w->kinds[i] != ABSENT) {
            hello(w, &w->fed.members[i], flip);
        }
    }
    err = ent_recovery_run(r);
    ent_link_free(link);
    ent_recovery_free(r);
    return err;
}

/* ---- tests ---- */

static void is_recovered(struct world *w, bool quorum)
{
    struct ent_store_ckpt ckpt;
    uint8_t root[32];
    uint64_t size = 0;

    ENT_OK(ent_store_log_size(w->fed.home->store, &size));
    CU_ASSERT_EQUAL(size, w->seen.size + 1); /* operator.action(recover) */
    ENT_OK(ent_store_log_root_at(w->fed.home->store, w->seen.size, root));
    CU_ASSERT_EQUAL(memcmp(root, w->seen.root, sizeof root), 0);
    ENT_OK(ent_store_ckpt_get(w->fed.home->store, w->seen.size, &ckpt, NULL));
    CU_ASSERT_EQUAL(ckpt.quorum, quorum);
    ENT_OK(ent_store_log_verify(w->fed.home->store));
}

static void is_unchanged(struct world *w)
{
    uint64_t size = 0;

    ENT_OK(ent_store_log_size(w->fed.home->store, &size));
    CU_ASSERT_EQUAL(size, w->size);
}

ENT_TEST(recover, from_members_and_once)
{
    struct world w;

    make(&w);
    ENT_OK(recover(&w, 0));
    is_recovered(&w, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, "a quorum of the witnesses cosigned them"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, ": fetched")); /* the best model */
    ENT_OK(recover(&w, 0));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, "nothing to recover"));
    leave(&w);
}

ENT_TEST(recover, a_note_without_a_quorum_is_taken_and_said)
{
    struct world w;

    make(&w);
    w.kinds[0] = w.kinds[1] = w.kinds[2] = NO_COSIGNATURES;
    ENT_OK(recover(&w, 0));
    is_recovered(&w, false);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, "the cosignatures of a quorum were not"));
    leave(&w);
}

ENT_TEST(recover, bent_leaves_of_one_do_not_hinder)
{
    struct world w;

    make(&w);
    w.kinds[0] = BENDS_A_LEAF;
    w.kinds[1] = KEEPS_NOTHING;
    ENT_OK(recover(&w, 0));
    is_recovered(&w, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, "its leaves do not help"));
    leave(&w);
}

ENT_TEST(recover, what_nobody_keeps_is_gone)
{
    struct world w;

    make(&w);
    w.kinds[0] = w.kinds[1] = w.kinds[2] = KEEPS_NOTHING;
    CU_ASSERT_EQUAL(recover(&w, 0), ENT_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "make a new federation"));
    is_unchanged(&w);
    leave(&w);
}

ENT_TEST(recover, two_histories_are_a_fork)
{
    struct world w;

    make(&w);
    CU_ASSERT_EQUAL(recover(&w, 1), ENT_E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(ent_err_message(), "a fork"));
    is_unchanged(&w);
    leave(&w);
}

ENT_TEST(recover, nobody_comes)
{
    struct world w;

    make(&w);
    w.kinds[0] = w.kinds[1] = w.kinds[2] = ABSENT;
    CU_ASSERT_EQUAL(recover(&w, 0), ENT_E_TIMEOUT);
    is_unchanged(&w);
    leave(&w);
}

/* `serve` writes software.start before anybody can say that the directory is an old copy. */
ENT_TEST(recover, a_copy_that_was_served_gives_its_own_leaf_up)
{
    struct world w;
    char dir[128];

    make(&w);
    ent_home_close(w.fed.home);
    memcpy(dir, w.fed.dir, sizeof dir);
    memcpy(w.fed.dir, w.copy, sizeof dir);
    w.fed.time.wall_ms += 1000; /* another leaf than that of the original's start */
    fed_up(&w.fed);
    fed_down(&w.fed);
    memcpy(w.fed.dir, dir, sizeof dir);
    ENT_OK(ent_home_open(w.copy, &w.fed.clock, &w.fed.home));
    ENT_OK(recover(&w, 0));
    is_recovered(&w, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.said, "1 leaf of its own that no member saw"));
    ent_home_close(w.fed.home);
    ENT_OK(ent_home_open(w.copy, &w.fed.clock, &w.fed.home)); /* the triggers stand again */
    is_recovered(&w, true);
    leave(&w);
}
