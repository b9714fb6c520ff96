#include "tests/integration/laws.h"

#include <string.h>

#include "common/base/file.h"
#include "tests/integration/record.h"

/* ---- d: nothing is sent before its commit ---- */

struct sent {
    struct box *box;
    uint32_t member;
    const struct ent_header *header;
    const char *name;
};

/* The committed row that lets the message go out. */
static void needs(const struct sent *s, enum ent_row_kind kind, uint64_t round, uint32_t attempt,
                  uint32_t member)
{
    if (record_row(s->box, kind, round, attempt, member) == NULL) {
        box_break(s->box, 'd', "%s to %s about round %llu, attempt %u was sent before its %s row",
                  s->name, s->member != BOX_NOBODY ? enrolled_name(s->member) : "nobody",
                  (unsigned long long)round, (unsigned)attempt, ent_row_name(kind));
    }
}

static void needs_start(const struct sent *s)
{
    const struct box_record *rec = s->box->record;

    if (rec->n_rows == 0 || rec->rows[0].kind != ENT_ROW_RUN_START) {
        box_break(s->box, 'd', "%s was sent before the run's start", s->name);
    }
}

static bool ended(const struct box *box, uint64_t round, uint32_t attempt)
{
    return record_row(box, ENT_ROW_ABORT, round, attempt, BOX_NOBODY) != NULL ||
           record_row(box, ENT_ROW_RELEASE, round, attempt, BOX_NOBODY) != NULL;
}

static void welcome_phase(const struct sent *s, const struct ent_msg_welcome *w)
{
    if (w->round == 0) {
        return;
    }
    needs(s, ENT_ROW_OPEN, w->round, w->attempt, BOX_NOBODY);
    if (w->phase == ENT_PHASE_WAIT && !ended(s->box, w->round, w->attempt)) {
        box_break(s->box, 'd', "welcome says that round %llu is over before a row does",
                  (unsigned long long)w->round);
    }
    if (w->phase >= ENT_PHASE_UPDATE) {
        needs(s, ENT_ROW_BEGIN, w->round, w->attempt, BOX_NOBODY);
    }
    if (w->phase == ENT_PHASE_RELEASE) {
        needs(s, ENT_ROW_CLOSE, w->round, w->attempt, BOX_NOBODY);
    }
}

static void of_welcome(const struct sent *s, const struct ent_msg_welcome *w)
{
    static const enum ent_row_kind rows[] = {
        [ENT_STANDING_INVITED] = ENT_ROW_INVITE,  [ENT_STANDING_JOINED] = ENT_ROW_JOIN,
        [ENT_STANDING_OFFERED] = ENT_ROW_JOIN,    [ENT_STANDING_ACCEPTED] = ENT_ROW_ACCEPT,
        [ENT_STANDING_REJECTED] = ENT_ROW_REJECT, [ENT_STANDING_DROPPED] = ENT_ROW_DROP};

    if (w->run == 0) {
        return;
    }
    needs_start(s);
    welcome_phase(s, w);
    if (w->outcome != ENT_STANDING_NONE) {
        needs(s, rows[w->outcome], w->round, w->attempt, s->member);
    }
}

/* A model may go out when it is the base of an opened round or the end's best. */
static void of_offer(const struct sent *s, const struct ent_msg_offer *m)
{
    const struct box_record *rec = s->box->record;
    bool known = m->kind == ENT_OFFER_PLAN;

    for (size_t i = 0; i < rec->n_rows && !known; i++) {
        const struct ent_row *row = &rec->rows[i];

        known = (row->kind == ENT_ROW_OPEN || row->kind == ENT_ROW_END) &&
                memcmp(row->model, m->digest, sizeof row->model) == 0;
    }
    if (!known) {
        box_break(s->box, 'd', "a model was offered that no opened round starts from");
    }
}

static void of_ack(const struct sent *s, const struct ent_msg_ack *m)
{
    const struct ent_header *h = s->header;
    const struct ent_row *row;

    if (m->code != ENT_E_OK) {
        needs(s, ENT_ROW_REJECT, h->round, h->attempt, s->member);
        return;
    }
    needs(s, ENT_ROW_ACCEPT, h->round, h->attempt, s->member);
    row = record_row(s->box, ENT_ROW_ACCEPT, h->round, h->attempt, s->member);
    if (row != NULL && memcmp(row->digest, m->digest, sizeof row->digest) != 0) {
        box_break(s->box, 'd', "an ACK names another update than the accepted row");
    }
}

static void of_close(const struct sent *s, const struct ent_msg_round_close *m)
{
    const struct ent_header *h = s->header;
    const struct ent_row *row = record_row(s->box, ENT_ROW_CLOSE, h->round, h->attempt, BOX_NOBODY);
    size_t accepted = 0;

    needs(s, ENT_ROW_RELEASE, h->round, h->attempt, BOX_NOBODY);
    if (row == NULL || memcmp(row->digest, m->result, sizeof row->digest) != 0 ||
        row->sum_w != m->sum_w) {
        box_break(s->box, 'd', "RoundClose says something else than the close row");
    }
    for (size_t i = 0; i < m->n_outcomes; i++) {
        uint32_t member = box_member_of_handle(s->box, m->outcomes[i].member);
        bool in = m->outcomes[i].standing == ENT_STANDING_ACCEPTED;

        accepted += in ? 1 : 0;
        if (in != (record_row(s->box, ENT_ROW_ACCEPT, h->round, h->attempt, member) != NULL)) {
            box_break(s->box, 'd', "RoundClose and the rows differ about %s",
                      enrolled_name(member));
        }
    }
    if (accepted < 3) { /* federation.yaml's own floor */
        box_break(s->box, 'c', "round %llu was released with %zu members",
                  (unsigned long long)h->round, accepted);
    }
}

union message {
    struct ent_msg_welcome welcome;
    struct ent_msg_offer offer;
    struct ent_msg_ack ack;
    struct ent_msg_round_close close;
};

static void of_content(const struct sent *s, uint8_t type, const union message *m)
{
    const struct ent_header *h = s->header;

    switch (type) {
    case ENT_MSG_WELCOME:
        of_welcome(s, &m->welcome);
        break;
    case ENT_MSG_OFFER:
        of_offer(s, &m->offer);
        break;
    case ENT_MSG_ACK:
        of_ack(s, &m->ack);
        break;
    case ENT_MSG_ROUND_CLOSE:
        of_close(s, &m->close);
        break;
    case ENT_MSG_RUN_START:
        needs_start(s);
        break;
    case ENT_MSG_ROUND_OPEN:
        needs(s, ENT_ROW_INVITE, h->round, h->attempt, s->member);
        break;
    case ENT_MSG_BEGIN:
        needs(s, ENT_ROW_BEGIN, h->round, h->attempt, BOX_NOBODY);
        needs(s, ENT_ROW_JOIN, h->round, h->attempt, s->member);
        break;
    case ENT_MSG_RUN_END:
        if (!record_run_ended(s->box)) {
            box_break(s->box, 'd', "RunEnd was sent before its row");
        }
        break;
    default:
        break;
    }
}

static void of_abort(struct box *box, uint32_t member, struct ent_bytes body)
{
    struct ent_header none = {0};
    struct sent s = {box, member, &none, "abort"};
    struct ent_msg_abort m;

    if (ent_msg_abort_decode(body.data, body.len, &box->record->arena, &m) == ENT_E_OK) {
        needs(&s, ENT_ROW_ABORT, m.round, m.attempt, BOX_NOBODY);
    }
}

void laws_of_frame(struct box *box, uint32_t member, const struct ent_link_mem_frame *frame)
{
    struct ent_bytes body = {frame->body, frame->len};
    const struct ent_msg_info *info = ent_msg_info(frame->type);
    struct ent_arena *arena = &box->record->arena;
    struct ent_envelope env;
    union message m;
    bool decoded = frame->type == ENT_MSG_WELCOME || frame->type == ENT_MSG_OFFER ||
                   frame->type == ENT_MSG_ACK || frame->type == ENT_MSG_ROUND_CLOSE;
    enum ent_err err;

    if (info == NULL || !info->enveloped) {
        if (frame->type == ENT_MSG_ABORT) {
            of_abort(box, member, body);
        }
        return;
    }
    err = ent_wire_open(frame->type, ENT_SENDER_COORDINATOR, body, arena, &env);
    if (err == ENT_E_OK && decoded) {
        err = ent_msg_decode(frame->type, (struct ent_bytes){env.payload, env.payload_len}, arena,
                             &m);
    }
    if (err != ENT_E_OK) {
        box_break(box, 'x', "the engine sent a %s that cannot be read: %s", info->name,
                  ent_err_message());
        return;
    }
    record_sequence(box, BOX_NOBODY, &env);
    of_content(&(struct sent){box, member, &env.header, info->name}, frame->type, &m);
}

/* ---- a, c, e: the rows of a run ---- */

struct attempt {
    struct box *box;
    const struct ent_row *open;
    uint32_t min_members;
    bool begun;
    bool closed;
    bool over;
    bool invited[BOX_MEMBERS];
    bool joined[BOX_MEMBERS];
    uint32_t ends[BOX_MEMBERS];
    uint32_t accepted;
};

static void break_at(const struct attempt *a, char law, const char *what, uint32_t member)
{
    box_break(a->box, law, "round %llu, attempt %u: %s%s%s", (unsigned long long)a->open->round,
              (unsigned)a->open->attempt, what, member != BOX_NOBODY ? ": " : "",
              member != BOX_NOBODY ? enrolled_name(member) : "");
}

static void check_accept(struct attempt *a, const struct ent_row *row)
{
    const struct record_offer *o =
        record_offer_of(a->box, row->member, row->run, row->round, row->attempt);
    uint32_t weight = o != NULL && o->rows_log2 > 0 ? 1U << (o->rows_log2 - 1) : 1;

    if (row->task == ENT_ROUND_TRAIN && a->box->weights[row->member] != 0) {
        weight = a->box->weights[row->member];
    }
    a->accepted++;
    if (!a->begun || !a->joined[row->member]) {
        break_at(a, 'a', "an update of somebody who had not joined was accepted", row->member);
    }
    if (o == NULL || memcmp(o->digest, row->digest, sizeof row->digest) != 0) {
        break_at(a, 'e', "what was accepted is not what the member signed for this attempt",
                 row->member);
    } else if (row->weight != weight) {
        break_at(a, 'e', "a weight is not the one that was signed", row->member);
    }
}

static void check_over(struct attempt *a, const struct ent_row *row)
{
    if (a->over || a->closed) {
        break_at(a, 'a', "an attempt ended twice", BOX_NOBODY);
    }
    for (uint32_t i = 0; i < BOX_MEMBERS; i++) {
        if (a->ends[i] != (a->invited[i] ? 1U : 0U)) {
            break_at(a, 'a', "an invited member has not ended exactly once", i);
        }
    }
    if (row->kind == ENT_ROW_CLOSE && a->accepted < a->min_members) {
        break_at(a, 'c', "closed below min_members", BOX_NOBODY);
    }
    a->closed = row->kind == ENT_ROW_CLOSE;
    a->over = row->kind == ENT_ROW_ABORT;
}

static void check_row(struct attempt *a, const struct ent_row *row)
{
    switch (row->kind) {
    case ENT_ROW_INVITE:
        if (a->invited[row->member]) {
            break_at(a, 'a', "invited twice", row->member);
        }
        a->invited[row->member] = true;
        break;
    case ENT_ROW_JOIN:
        if (a->joined[row->member] || !a->invited[row->member]) {
            break_at(a, 'a', "joined twice or uninvited", row->member);
        }
        a->joined[row->member] = true;
        break;
    case ENT_ROW_BEGIN:
        a->begun = true;
        break;
    case ENT_ROW_ACCEPT:
        check_accept(a, row);
        a->ends[row->member]++;
        break;
    case ENT_ROW_REJECT:
    case ENT_ROW_DROP:
        if (row->code ==
            ENT_E_BAD_NONCE) { /* all members are honest: no fault breaks their chains */
            break_at(a, 'x', "a nonce that opens nothing", row->member);
        }
        a->ends[row->member]++;
        break;
    case ENT_ROW_CLOSE:
    case ENT_ROW_ABORT:
        check_over(a, row);
        break;
    case ENT_ROW_RELEASE:
        if (!a->closed || a->over) {
            break_at(a, 'c', "released without a close", BOX_NOBODY);
        }
        a->over = true;
        break;
    default:
        break;
    }
}

void laws_of_rows(struct box *box, uint32_t min_members)
{
    const struct box_record *rec = box->record;
    struct attempt a = {.box = box, .over = true};

    for (size_t i = 0; i < rec->n_rows; i++) {
        const struct ent_row *row = &rec->rows[i];

        if (row->kind == ENT_ROW_OPEN) {
            bool next = a.open == NULL || row->round == a.open->round + 1 ||
                        (row->round == a.open->round && row->attempt == a.open->attempt + 1);

            if (!a.over || !next) {
                box_break(box, 'a', "round %llu was opened out of turn",
                          (unsigned long long)row->round);
            }
            a = (struct attempt){.box = box, .open = row, .min_members = min_members};
        } else if (a.open != NULL && row->kind != ENT_ROW_END && row->kind != ENT_ROW_STOP) {
            check_row(&a, row);
        }
    }
    if (!a.over || !record_run_ended(box)) {
        box_break(box, 'a', "the last attempt, or the run, has no end");
    }
}

void laws_of_members(struct box *box)
{
    const struct ent_row *end = record_end(box);
    const struct record_bytes *best = end != NULL ? record_model(box, end->model) : NULL;

    for (uint32_t i = 0; i < box->n_members && best != NULL; i++) {
        char path[ENROLLED_PATH_MAX];
        struct ent_buf bytes;

        ent_buf_init(&bytes, (size_t)16 << 20);
        enrolled_path(path, box->members[i].dir, "global.safetensors");
        if (ent_file_exists(path) &&
            (ent_file_read(path, &bytes) != ENT_E_OK || bytes.len != best->len ||
             memcmp(bytes.data, best->bytes, best->len) != 0)) {
            box_break(box, 'b', "%s holds another model than the run's best", enrolled_name(i));
        }
        ent_buf_release(&bytes);
    }
}
