/* Cosignatures, the quorum, and what waits for it. */
#include <string.h>

#include "common/base/hooks.h"
#include "coordinator/engine/state.h"

/* ---- sets ---- */

static bool has_left(const struct ent_witness_history *h, uint64_t cosigned,
                     const uint8_t handle[ENT_WIRE_HANDLE_BYTES])
{
    for (size_t i = 0; i < h->n_left; i++) {
        if (h->left[i].leaf < cosigned &&
            memcmp(h->left[i].handle, handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

void ent_witness_in_force(const struct ent_witness_history *h, uint64_t cosigned,
                          struct ent_witnesses *out)
{
    const struct ent_log_set *set = NULL;

    *out = (struct ent_witnesses){0};
    for (size_t i = 0; i < h->n_sets; i++) {
        if (i == 0 || h->sets[i].leaf < cosigned) {
            set = &h->sets[i];
        }
    }
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (!has_left(h, cosigned, set->list[i].handle)) {
            out->list[out->n++] = set->list[i];
        }
    }
    if (out->n == 0) {
        return;
    }
    out->bad = set->bad < out->n - 1 ? set->bad : (uint32_t)out->n - 1;
    out->quorum = ent_leaf_quorum_of((uint32_t)out->n, out->bad);
}

/* ---- what is covered ---- */

static bool covers(const struct ent_engine *e, uint64_t leaf)
{
    return e->audit.cosigned > leaf || ENT_HOOK_PLANTED("no-quorum");
}

bool ent_trail_may_send(const struct ent_engine *e, uint32_t kind)
{
    const struct ent_trail *a = &e->audit;

    switch (kind) {
    case ENT_OFFER_MODEL: /* with the round that it is the base of, the one that made it is covered */
        return covers(e, a->open_leaf);
    case ENT_OFFER_BEST:
        return !a->has_close || covers(e, a->close_leaf);
    default:
        return true;
    }
}

static void open_gate(struct ent_engine *e)
{
    struct ent_trail_gate *g = &e->audit.gate;
    struct ent_event gate = ent_engine_event(e, ENT_EV_GATE, ENT_NO_MEMBER);

    g->waits = false;
    gate.round = g->round;
    gate.attempt = g->attempt;
    ent_engine_feed(e, &gate);
}

static void tell_end(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;

    a->end_waits = false;
    e->ended_run = e->last_end.run;
    ent_engine_say(e, ENT_SAY_RUN, "run %u %s", (unsigned)e->ended_run,
                   a->end_code == ENT_E_OK ? "is complete" : "was stopped");
    ent_message_end(e, NULL);
}

/* What waited for the quorum, now that it may be there. */
static void look(struct ent_engine *e)
{
    struct ent_trail *a = &e->audit;

    if (a->gate.waits && covers(e, a->gate.covers)) {
        open_gate(e);
    }
    if (a->end_waits && ent_trail_may_send(e, ENT_OFFER_BEST)) {
        tell_end(e);
    }
}

void ent_trail_ask_gate(struct ent_engine *e, const struct ent_action *action)
{
    struct ent_trail *a = &e->audit;
    bool opening = e->round.phase == ENT_PHASE_JOIN;

    a->gate = (struct ent_trail_gate){.waits = true,
                                      .round = action->row.round,
                                      .attempt = action->row.attempt,
                                      .covers = opening ? a->open_leaf : a->close_leaf};
    if (!action->witnessed) {
        open_gate(e);
        return;
    }
    ent_trail_publish(e);
    look(e);
}

void ent_trail_end(struct ent_engine *e, enum ent_err code)
{
    e->audit.end_waits = true;
    e->audit.end_code = code;
    ent_trail_publish(e);
    look(e);
    if (e->audit.end_waits) {
        ent_trail_say_waits(e);
    }
}

/* ---- who is waited for ---- */

static uint32_t member_at(const struct ent_engine *e, size_t place)
{
    return ent_members_find(e, e->audit.note.set.list[place].handle);
}

void ent_trail_awaited(const struct ent_engine *e, char *out, size_t cap)
{
    const struct ent_trail_note *n = &e->audit.note;
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n->set.n && !n->quorum && used + 128 < cap; i++) {
        uint32_t member = n->lines[i][0] == '\0' ? member_at(e, i) : ENT_NO_MEMBER;
        char when[ENT_TIME_TEXT_BYTES] = "never";
        int len;

        if (member == ENT_NO_MEMBER) {
            continue;
        }
        if (e->members[member].log.last_seen_ms != 0) {
            ent_time_text(e->members[member].log.last_seen_ms, when);
        }
        len =
            snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", e->members[member].name);
        used += len > 0 ? (size_t)len : 0;
        if (e->members[member].conn == 0) {
            len = snprintf(out + used, cap - used, " (last seen %s)", when);
            used += len > 0 ? (size_t)len : 0;
        }
    }
}

void ent_trail_say_waits(struct ent_engine *e)
{
    char names[768];

    ent_trail_awaited(e, names, sizeof names);
    if (names[0] != '\0' && !e->audit.said_waits) {
        e->audit.said_waits = true;
        ent_engine_say(e, ENT_SAY_ROUND, "waiting for witnesses: %s (%u of %u that are needed)",
                       names, (unsigned)e->audit.note.n_cosigned,
                       (unsigned)e->audit.note.set.quorum);
    }
}

/* ---- cosignatures ---- */

enum ent_err ent_trail_witness_key(const struct ent_engine *e, const struct ent_leaf_witness *w,
                                   struct ent_vkey *out)
{
    return ent_vkey_of_member(e->audit.genesis.log.name, w->handle, w->witness_pub, out);
}

/* The key in the set, checked and made ready once: that is half of what a verification costs. */
static enum ent_err key_of(struct ent_engine *e, uint32_t member, const struct ent_leaf_witness *w,
                           const struct ent_vkey **out)
{
    struct ent_vkey *key = &e->members[member].log.witness_key;
    struct ent_sign_pub *ready = NULL;
    struct ent_vkey made;

    if (key->ready == NULL || memcmp(key->pub, w->witness_pub, sizeof key->pub) != 0) {
        ENT_TRY(ent_trail_witness_key(e, w, &made));
        ENT_TRY(ent_sign_pub_new(w->witness_pub, &ready));
        ent_trail_forget_key(&e->members[member].log);
        made.ready = ready;
        *key = made;
    }
    *out = key;
    return ENT_E_OK;
}

void ent_trail_forget_key(struct ent_member_log *log)
{
    ent_sign_pub_free((struct ent_sign_pub *)(uintptr_t)log->witness_key.ready); /* ours */
    log->witness_key.ready = NULL;
}

static enum ent_err check(struct ent_engine *e, uint32_t member, size_t place,
                          const struct ent_msg_cosign *m, struct ent_buf *line)
{
    const struct ent_trail_note *n = &e->audit.note;
    const struct ent_vkey *key = NULL;
    struct ent_note note;
    uint64_t time_s = 0;

    ENT_REQUIRE(m->size == n->size && memcmp(m->root, n->root, sizeof n->root) == 0,
                ENT_E_SIGNATURE, "it cosigned another head than the one that it was sent");
    ENT_TRY(key_of(e, member, &n->set.list[place], &key));
    ENT_TRY(ent_note_parse((const char *)n->text.data, n->text.len, &note));
    ENT_TRY(ent_note_cosigned_line(key, m->time_s, m->signature, line));
    return ent_note_check_line(&note, (const char *)line->data, line->len, key, &time_s);
}

/* The line of a cosignature that counts stands at its place. */
static enum ent_err take_line(struct ent_engine *e, uint32_t member, size_t place,
                              const struct ent_msg_cosign *m)
{
    struct ent_buf line;
    enum ent_err err;

    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES - 1);
    err = check(e, member, place, m, &line);
    if (err == ENT_E_OK) {
        memcpy(e->audit.note.lines[place], line.data, line.len); /* zeros stand behind it */
        e->audit.note.n_cosigned++;
    }
    ent_buf_release(&line);
    return err;
}

static void count(struct ent_engine *e)
{
    struct ent_trail_note *n = &e->audit.note;

    if (n->quorum) { /* one more line for the export */
        n->dirty_ms = n->dirty ? n->dirty_ms : e->now_ms;
        n->dirty = true;
        return;
    }
    if (n->set.quorum == 0 || n->n_cosigned < n->set.quorum) {
        return;
    }
    n->quorum = true;
    n->dirty = true;
    n->dirty_ms = e->now_ms;
    e->audit.cosigned = n->size;
    look(e);
}

static size_t place_of(const struct ent_engine *e, uint32_t member)
{
    const struct ent_witnesses *set = &e->audit.note.set;

    for (size_t i = 0; i < set->n; i++) {
        if (memcmp(set->list[i].handle, e->members[member].handle, ENT_WIRE_HANDLE_BYTES) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

void ent_trail_cosign(struct ent_engine *e, struct ent_conn *conn, const struct ent_msg_cosign *m)
{
    struct ent_trail_note *n = &e->audit.note;
    size_t place = place_of(e, conn->member);
    enum ent_err err;

    ent_party_cosigned(e, conn->member, m->size);
    if (conn->member == ENT_NO_MEMBER) {
        return; /* that was its last word */
    }
    if (conn->log.behind && m->size == conn->log.sent) {
        ent_trail_send(e, conn); /* and what it lacks still */
        ent_party_welcome(e, conn);
        return;
    }
    if (m->size < n->size) {
        return; /* of a note that a newer one replaced */
    }
    if (place == SIZE_MAX || n->lines[place][0] != '\0') {
        return; /* it follows the log without being asked for its word; or it repeats it */
    }
    err = take_line(e, conn->member, place, m);
    if (err != ENT_E_OK) {
        ent_refusal_count(e, conn->member, ENT_E_SIGNATURE);
        if (ent_engine_may_say_of(e, conn->member)) {
            ent_engine_say(e, ENT_SAY_TROUBLE, "%s: its cosignature does not count: %s",
                           e->members[conn->member].name, ent_err_message());
        }
        return;
    }
    count(e);
}

/* ---- heads that others saw ---- */

enum ent_err ent_trail_check_seen(const struct ent_engine *e, uint64_t size,
                                  const uint8_t root[ENT_MERKLE_BYTES])
{
    uint8_t ours[ENT_MERKLE_BYTES];
    uint64_t committed = 0;

    if (size == 0 ||
        (size == e->audit.note.size && memcmp(root, e->audit.note.root, sizeof ours) == 0)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_store_log_committed(e->store, &committed, ours));
    ENT_REQUIRE(size <= committed, ENT_E_CORRUPT,
                "it has seen %llu leaves of the log, there are %llu here", (unsigned long long)size,
                (unsigned long long)committed);
    ENT_TRY(ent_store_log_root_at(e->store, size, ours));
    ENT_REQUIRE(memcmp(ours, root, sizeof ours) == 0, ENT_E_CORRUPT,
                "it has seen another history in the first %llu leaves of the log",
                (unsigned long long)size);
    return ENT_E_OK;
}

enum ent_err ent_trail_check_claim(const struct ent_engine *e, uint64_t size,
                                   const uint8_t root[ENT_MERKLE_BYTES])
{
    enum ent_err err = ent_trail_check_seen(e, size, root);

    return err == ENT_E_CORRUPT
               ? ent_err_note(ENT_E_DIGEST, "it names a head that the log never had (%llu leaves)",
                              (unsigned long long)size)
               : err;
}
