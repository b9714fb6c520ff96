/* The course of a recovery: who saw what, the leaves, the proof, the plans; one commit; the models. */
#include "coordinator/engine/recover.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/recover_peer.h"

#define LEAVES_MAX_BYTES ((size_t)1024 * 1024 * 1024) /* that were lost, in memory */
#define PLANS_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define NOTES_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define STEP_MS 200

/* ---- who saw what ---- */

static bool all_heard(const struct ent_recovery *r)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        if (!r->peers[i].heard && r->peers[i].member.state == ENT_MEMBER_ENROLLED) {
            return false;
        }
    }
    return true;
}

static enum ent_err gather(struct ent_recovery *r)
{
    uint64_t until = ent_clock_mono(&r->options.clock) + r->options.wait_ms;
    size_t heard = 0;

    while (!all_heard(r) && ent_clock_mono(&r->options.clock) < until) {
        ENT_TRY(ent_recover_step(r, STEP_MS));
    }
    for (size_t i = 0; i < r->n_peers; i++) {
        heard += r->peers[i].heard ? 1 : 0;
    }
    ENT_REQUIRE(heard > 0, ENT_E_TIMEOUT,
                "no member came in %llu s: what was lost is with the members, so let them run "
                "(entente-client run), then recover again (--wait waits longer)",
                (unsigned long long)(r->options.wait_ms / 1000));
    return ENT_E_OK;
}

static enum ent_err fork_of(const char *name, uint64_t size, const uint8_t *theirs,
                            const uint8_t *ours)
{
    char a[2 * ENT_MERKLE_BYTES + 1];
    char b[2 * ENT_MERKLE_BYTES + 1];

    ent_hex(theirs, ENT_MERKLE_BYTES, a);
    ent_hex(ours, ENT_MERKLE_BYTES, b);
    return ent_err_note(ENT_E_CORRUPT,
                        "a fork: of the first %llu leaves %s holds the root %s, and here it is %s. "
                        "The log key signed two histories; nothing was changed. The member's "
                        "head.note proves its side: settle with the members which one stands",
                        (unsigned long long)size, name, a, b);
}

/* The root of the first `size` leaves, of those here and those that came. */
static enum ent_err root_at(struct ent_recovery *r, uint64_t size, uint8_t root[ENT_MERKLE_BYTES])
{
    struct ent_recover_leaves part = r->leaves;
    size_t at = 0;

    if (size <= r->leaves.first) {
        return ent_store_log_root_at(r->store, size, root);
    }
    part.n = size - r->leaves.first;
    for (uint64_t i = 0; i < part.n; i++) {
        at += 2 + ((size_t)part.bundle.data[at] << 8 | part.bundle.data[at + 1]);
    }
    part.bundle.len = at;
    return ent_store_recover_root(r->store, &part, root);
}

/* Whatever anybody saw, as far as the leaves reach, is this history. */
static enum ent_err check_seen(struct ent_recovery *r)
{
    uint64_t end = r->leaves.first + r->leaves.n;
    uint8_t root[ENT_MERKLE_BYTES];

    for (size_t i = 0; i < r->n_peers; i++) {
        const struct ent_recover_peer *p = &r->peers[i];

        if (p->heard && p->seen_size > 0 && p->seen_size <= end) {
            ENT_TRY(root_at(r, p->seen_size, root));
            if (memcmp(root, p->seen_root, sizeof root) != 0) {
                return fork_of(p->member.name, p->seen_size, p->seen_root, root);
            }
        }
    }
    return ENT_E_OK;
}

/* It saw more, or something else. */
static enum ent_err is_other(struct ent_recovery *r, const struct ent_recover_peer *p, bool *other)
{
    uint8_t root[ENT_MERKLE_BYTES];

    *other = p->heard && p->seen_size > r->here;
    if (p->heard && p->seen_size > 0 && p->seen_size <= r->here) {
        ENT_TRY(ent_store_log_root_at(r->store, p->seen_size, root));
        *other = memcmp(root, p->seen_root, sizeof root) != 0;
    }
    return ENT_E_OK;
}

/* ---- notes ---- */

enum ent_err ent_recover_write_buf(void *ctx, const uint8_t *bytes, size_t len)
{
    return ent_buf_add(ctx, bytes, len);
}

/* A note that is none of this log's is said, and does not count. */
static void pull_note(struct ent_recovery *r, struct ent_recover_peer *p)
{
    struct ent_note_opened opened;
    enum ent_err err = ent_recover_pull(r, p, ENT_PULL_NOTE, NULL, ent_recover_write_buf, &p->note);

    if (err == ENT_E_OK) {
        err = ent_note_open((const char *)p->note.data, p->note.len, r->genesis.log.name,
                            &r->genesis.log, 1, &opened);
    }
    if (err != ENT_E_OK) {
        ent_recover_say(r, "%s: the note that it cosigned last does not help: %s", p->member.name,
                        ent_err_message());
        ent_buf_clear(&p->note);
        return;
    }
    p->note_size = opened.checkpoint.size;
    memcpy(p->note_root, opened.checkpoint.root, sizeof p->note_root);
}

/* The newest note, and how many saw more (or something else) than is here. */
static enum ent_err find_newest(struct ent_recovery *r, struct ent_recover_peer **newest,
                                size_t *n_others)
{
    *newest = NULL;
    *n_others = 0;
    for (size_t i = 0; i < r->n_peers; i++) {
        struct ent_recover_peer *p = &r->peers[i];
        bool other = false;

        ENT_TRY(is_other(r, p, &other));
        if (!other) {
            continue;
        }
        (*n_others)++;
        if (p->conn != 0) {
            pull_note(r, p);
        }
        if (p->note_size == 0) {
            continue;
        }
        if (*newest != NULL && (*newest)->note_size == p->note_size &&
            memcmp((*newest)->note_root, p->note_root, sizeof p->note_root) != 0) {
            return fork_of(p->member.name, p->note_size, p->note_root, (*newest)->note_root);
        }
        if (*newest == NULL || p->note_size > (*newest)->note_size) {
            *newest = p;
        }
    }
    return ENT_E_OK;
}

/* ---- leaves ---- */

static enum ent_err take_bundle(struct ent_recovery *r, const struct ent_recover_peer *p,
                                uint64_t end)
{
    struct ent_recover_leaves *l = &r->leaves;
    struct ent_msg_leaves m;
    size_t at = 0;

    ENT_REQUIRE(p->reply_type == ENT_MSG_LEAVES, ENT_E_NOT_FOUND, "%s does not keep the leaves",
                p->member.name);
    ent_arena_release(&r->arena);
    ent_arena_init(&r->arena, ENT_WIRE_ARENA_BYTES);
    ENT_TRY(ent_msg_leaves_decode(p->reply.data, p->reply.len, &r->arena, &m));
    ENT_REQUIRE(m.first == l->first + l->n && m.bundle.len > 0, ENT_E_PROTOCOL,
                "%s answers another question", p->member.name);
    while (at < m.bundle.len && l->first + l->n < end) {
        size_t len = m.bundle.len - at >= 2 ? (size_t)m.bundle.data[at] << 8 | m.bundle.data[at + 1]
                                            : SIZE_MAX / 2;

        ENT_REQUIRE(m.bundle.len - at >= 2 && len <= m.bundle.len - at - 2, ENT_E_PROTOCOL,
                    "%s sent a leaf that is cut off", p->member.name);
        ENT_TRY(ent_buf_add(&l->bundle, m.bundle.data + at, len + 2));
        l->n++;
        at += len + 2;
    }
    return ENT_E_OK;
}

/* How far they are those that are here: that much of the bundle goes. */
static enum ent_err trim(struct ent_recovery *r)
{
    struct ent_recover_leaves *l = &r->leaves;
    struct ent_buf ours;
    size_t at = 0;
    enum ent_err err = ENT_E_OK;

    ent_buf_init(&ours, ENT_LEAF_MAX_BYTES);
    while (err == ENT_E_OK && l->n > 0 && l->first < r->here) {
        size_t len = (size_t)l->bundle.data[at] << 8 | l->bundle.data[at + 1];

        ent_buf_clear(&ours);
        err = ent_store_log_leaf(r->store, l->first, &ours);
        if (err != ENT_E_OK || ours.len != len ||
            memcmp(ours.data, l->bundle.data + at + 2, len) != 0) {
            break;
        }
        at += len + 2;
        l->first++;
        l->n--;
    }
    memmove(l->bundle.data, l->bundle.data + at, l->bundle.len - at);
    l->bundle.len -= at;
    ent_buf_release(&ours);
    return err;
}

/* From what a quorum cosigned on: behind it this directory may have gone on by itself. */
static enum ent_err pull_leaves(struct ent_recovery *r, struct ent_recover_peer *p, uint64_t end)
{
    struct ent_msg_pull pull = {.kind = ENT_PULL_LEAVES};
    struct ent_store_ckpt ckpt = {0};
    enum ent_err err =
        ent_store_ckpt_newest(r->store, ENT_STORE_CKPT_QUORUM, UINT64_MAX, &ckpt, NULL);

    ENT_TRY(err == ENT_E_NOT_FOUND ? ENT_E_OK : err);
    ent_buf_clear(&r->leaves.bundle);
    r->leaves.n = 0;
    r->leaves.first = err == ENT_E_OK ? ckpt.size : 1;
    while (r->leaves.first + r->leaves.n < end) {
        pull.offset = r->leaves.first + r->leaves.n;
        ENT_TRY(ent_recover_ask(r, p, &pull));
        ENT_TRY(take_bundle(r, p, end));
    }
    return trim(r);
}

/* From one that has them all, and they lead to the note. */
static enum ent_err get_leaves(struct ent_recovery *r, const struct ent_recover_peer *newest)
{
    uint8_t root[ENT_MERKLE_BYTES];
    bool led_elsewhere = false;

    for (size_t i = 0; i < r->n_peers; i++) {
        struct ent_recover_peer *p = &r->peers[i];
        enum ent_err err;

        if (p->conn == 0 || p->seen_size < newest->note_size) {
            continue;
        }
        err = pull_leaves(r, p, newest->note_size);
        if (err == ENT_E_OK) {
            err = ent_store_recover_root(r->store, &r->leaves, root);
        }
        if (err == ENT_E_OK && memcmp(root, newest->note_root, sizeof root) == 0) {
            r->from = i;
            return ENT_E_OK;
        }
        led_elsewhere = led_elsewhere || err == ENT_E_OK;
        ent_recover_say(r, "%s: its leaves do not help: %s", p->member.name,
                        err == ENT_E_OK ? "behind those that are here they do not lead to the note"
                                        : ent_err_message());
    }
    r->leaves = (struct ent_recover_leaves){.first = r->here, .bundle = r->leaves.bundle};
    if (led_elsewhere) {
        return fork_of(newest->member.name, newest->note_size, newest->note_root, root);
    }
    return ent_err_note(ENT_E_NOT_FOUND,
                        "%s cosigned %llu leaves, here are %llu, and no member that is here has "
                        "the missing ones: " ENT_RECOVER_REMAINS,
                        newest->member.name, (unsigned long long)newest->note_size,
                        (unsigned long long)r->here);
}

/* ---- the course ---- */

static void summary(struct ent_recovery *r, const struct ent_recover_needs *needs,
                    const struct ent_recover_note *last)
{
    ent_recover_say(
        r, "recovered: leaves %llu to %llu, from %s; %s", (unsigned long long)r->leaves.first,
        (unsigned long long)(r->leaves.first + r->leaves.n - 1), r->peers[r->from].member.name,
        last->quorum ? "a quorum of the witnesses cosigned them"
                     : "the log's key signed them, and they continue what is here; "
                       "the cosignatures of a quorum were not with the members that "
                       "are here, and come with the next note");
    if (needs->run != 0) {
        ent_recover_say(r, "run %u goes on in round %llu when serve starts", (unsigned)needs->run,
                        (unsigned long long)needs->round);
    }
    if (needs->lost_start) {
        ent_recover_say(r, "a run was stored and had not started: start it again");
    }
}

static enum ent_err put_back(struct ent_recovery *r, const struct ent_recover_needs *needs)
{
    struct ent_recover_input input = {.leaves = &r->leaves,
                                      .plan = ent_recover_plan_of,
                                      .ctx = r,
                                      .now_ms = ent_clock_wall(&r->options.clock)};
    struct ent_recover_note *notes = NULL;
    struct ent_arena arena;
    enum ent_err err;

    ent_arena_init(&arena, NOTES_MAX_BYTES);
    err = ent_recover_notes(r, &arena, &notes, &input.n_notes);
    if (err == ENT_E_OK) {
        input.notes = notes;
        err = ent_store_recover(r->store, &input);
    }
    if (err == ENT_E_OK) {
        ent_recover_pull_models(r, needs);
        summary(r, needs, &notes[input.n_notes - 1]);
    }
    ent_arena_release(&arena);
    return err;
}

/* Leaves of this directory's own that stand in the way. */
static enum ent_err check_own(struct ent_recovery *r)
{
    uint64_t dropped = 0;

    if (r->leaves.first < r->here) {
        ENT_TRY(ent_store_recover_may_drop(r->store, r->leaves.first, &dropped));
        ent_recover_say(r,
                        "this directory was served as it was: %llu %s of its own that no member "
                        "saw %s way to the members' from leaf %llu on",
                        (unsigned long long)dropped, dropped == 1 ? "leaf" : "leaves",
                        dropped == 1 ? "gives" : "give", (unsigned long long)r->leaves.first);
    }
    return ENT_E_OK;
}

static enum ent_err recover_up_to(struct ent_recovery *r, const struct ent_recover_peer *newest)
{
    struct ent_recover_needs needs = {0};
    enum ent_err err;

    ENT_TRY(get_leaves(r, newest));
    ENT_TRY(check_seen(r));
    ENT_TRY(check_own(r));
    ENT_TRY(ent_store_recover_look(r->store, &r->leaves, &needs));
    err = ENT_E_OK;
    for (size_t i = 0; i < needs.n_plans && err == ENT_E_OK; i++) {
        err = ent_recover_pull_plan(r, needs.plans[i]);
    }
    if (err == ENT_E_OK) {
        err = put_back(r, &needs);
    }
    ent_recover_needs_release(&needs);
    return err;
}

enum ent_err ent_recovery_run(struct ent_recovery *r)
{
    struct ent_recover_peer *newest = NULL;
    uint8_t root[ENT_MERKLE_BYTES];
    size_t n_others = 0;

    ent_buf_init(&r->leaves.bundle, LEAVES_MAX_BYTES);
    ent_buf_init(&r->plans, PLANS_MAX_BYTES);
    ENT_TRY(ent_store_log_committed(r->store, &r->here, root));
    r->leaves.first = r->here;
    ENT_TRY(gather(r));
    ENT_TRY(find_newest(r, &newest, &n_others));
    if (n_others == 0) {
        ent_recover_say(r,
                        "nothing to recover: no member that came has seen more than the %llu "
                        "leaves that are here",
                        (unsigned long long)r->here);
        return ENT_E_OK;
    }
    ENT_REQUIRE(newest != NULL, ENT_E_NOT_FOUND,
                "members have seen more than the %llu leaves that are here, but none that is here "
                "holds a note of it: " ENT_RECOVER_REMAINS,
                (unsigned long long)r->here);
    return recover_up_to(r, newest);
}
