/* Rows 1 to 5, 18, 19: the log itself. */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tlog/tiles.h"
#include "common/tlog/witness.h"
#include "tests/support/forge_inside.h"
#include "tests/unit/audit/attack.h"

#define BACK_AT 4 /* round that a restored coordinator opens once more */

/* ---- controls ---- */

/* Before round BACK_AT opens: the last member leaves. */
static enum ent_err leave(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;
    struct ent_msg_leave message = {.salt = {1}};
    struct ent_leaf_member_leave leaf = {.has_request = true};
    struct ent_forge_said said;

    if (event->frame->type != ENT_LEAF_ROUND_OPEN || event->frame->round != BACK_AT) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_forge_say_message(forge, ATTACK_MEMBERS - 1, ENT_MSG_LEAVE, &message, &s->arena,
                                  &said));
    memcpy(leaf.handle, forge->members[ATTACK_MEMBERS - 1].handle, sizeof leaf.handle);
    leaf.request = said.statement;
    forge->members[ATTACK_MEMBERS - 1].absent = true;
    return ent_forge_append(forge, ENT_LEAF_MEMBER_LEAVE, ATTACK_MEMBERS - 1, &leaf);
}

/* Or: all agree to a second set, which happens to be the same. */
static enum ent_err agree_again(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    struct ent_forge *forge = event->forge;
    struct ent_leaf_statement agreed[ATTACK_MEMBERS];
    struct ent_leaf_witness_set set = {.agreed = agreed, .n_agreed = ATTACK_MEMBERS};
    struct ent_msg_agree message;

    if (event->frame->type != ENT_LEAF_ROUND_OPEN || event->frame->round != BACK_AT) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_forge_set(forge, 2, &s->arena, &set.set));
    message.set = set.set;
    for (size_t i = 0; i < ATTACK_MEMBERS; i++) {
        struct ent_forge_said said;

        ENT_TRY(ent_forge_say_message(forge, i, ENT_MSG_AGREE, &message, &s->arena, &said));
        agreed[i] = said.statement;
    }
    scene_act(forge, ENT_LOG_POLICY);
    return ent_forge_append(forge, ENT_LEAF_WITNESS_SET, ENT_FORGE_NOBODY, &set);
}

static void honest(struct scene *s)
{
    static const struct ent_forge_fault faults[] = {
        {1, 1, 2, ENT_FORGE_NO_JOIN},  {2, 1, ENT_FORGE_NOBODY, ENT_FORGE_ABORT},
        {2, 1, 0, ENT_FORGE_LOST},     {2, 2, 3, ENT_FORGE_DECLINED},
        {3, 1, 1, ENT_FORGE_REJECTED}, {4, 1, 4, ENT_FORGE_TIMEOUT},
    };
    static const struct ent_forge_fault gone[] = {{4, 1, 4, ENT_FORGE_UNINVITED},
                                                  {5, 1, 4, ENT_FORGE_UNINVITED},
                                                  {6, 1, 4, ENT_FORGE_UNINVITED},
                                                  {7, 1, 4, ENT_FORGE_UNINVITED},
                                                  {8, 1, 4, ENT_FORGE_UNINVITED}};
    static const ent_forge_hook hooks[] = {NULL, NULL, NULL, NULL, leave, agree_again};

    s->options.faults = s->variant == 4 ? gone : faults;
    s->options.n_faults = s->variant == 4                      ? ENT_ARRAY_LEN(gone)
                          : s->variant == 1 || s->variant == 2 ? ENT_ARRAY_LEN(faults)
                                                               : 0;
    s->options.plain = s->variant != 2;
    s->options.n_auditors = s->variant == 2;
    scene_play(s, hooks[s->variant]);
    if (s->variant == 2) {
        scene_key(s);
    } else if (s->variant == 3) {
        ENT_OK(ent_forge_play_run(s->forge));
    }
    scene_head(s, s->forge, 3);
    scene_export(s, false);
}

/* ---- 1: a leaf edited ---- */

static void edit_software(struct scene *s, struct ent_leaf_frame *frame, union ent_leaf_any *any)
{
    (void)s;
    (void)frame;
    any->software_start.elf[0] ^= 1;
}

static void edit_action(struct scene *s, struct ent_leaf_frame *frame, union ent_leaf_any *any)
{
    (void)s;
    (void)frame;
    any->operator_action.reason = ENT_E_STOPPED;
}

/* The last leaf, in its bundle alone; or with the tiles. */
static void edit_unsigned(struct scene *s)
{
    struct ent_tile tile = {.width = 1};
    char path[ENT_TILES_PATH_MAX];
    char *from;
    char *to;
    struct ent_buf bytes;

    scene_play(s, NULL);
    scene_keep_honest(s);
    scene_edit(s, s->forge->n_leaves - 1, edit_action);
    scene_resign(s, 0);
    scene_export(s, true);
    scene_honest_notes(s);
    if (s->variant == 0) {
        return;
    }
    tile.width = (unsigned)(s->forge->n_leaves % ENT_TILES_WIDTH);
    tile.index = s->forge->n_leaves / ENT_TILES_WIDTH;
    ent_tiles_path(&tile, path);
    ent_buf_init(&bytes, ENT_TILES_HASHES_BYTES);
    ENT_OK(ent_path_join(s->honest, path, &from));
    ENT_OK(ent_path_join(s->export, path, &to));
    ENT_OK(ent_file_read(from, &bytes));
    ENT_OK(ent_file_write_atomic(to, bytes.data, bytes.len, 0600));
    ent_buf_release(&bytes);
    free(from);
    free(to);
}

/* An early leaf; the coordinator signs all notes again. */
static void edit_signed(struct scene *s)
{
    scene_play(s, NULL);
    scene_edit(s, ent_forge_find(s->forge, ENT_LEAF_SOFTWARE_START, 0, ENT_FORGE_NOBODY, 0),
               edit_software);
    scene_resign(s, 0);
    if (s->variant > 0) {
        scene_head(s, s->other, s->other->n_notes - 1);
    }
    scene_export(s, true);
}

/* ---- 2: the tail cut off ---- */

static void cut_tail(struct scene *s)
{
    const struct ent_forge_note *newest;

    scene_play(s, NULL);
    newest = &s->forge->notes[s->forge->n_notes - 1];
    if (s->variant == 0) {
        scene_head(s, s->other, s->other->n_notes - 1);
    } else { /* a day later nobody has cosigned anything newer */
        s->verify.now_s = newest->time_s + UINT64_C(48) * 3600;
        s->verify.max_age_s = UINT64_C(24) * 3600;
    }
    for (size_t i = 0; i < 2; i++) {
        ent_buf_release(&s->forge->notes[--s->forge->n_notes].text);
    }
    scene_export(s, false);
}

/* ---- 3: reorder, insert, duplicate ---- */

static void swap(struct ent_forge *forge, size_t a, size_t b)
{
    struct ent_forge_leaf leaf = forge->leaves[a];

    forge->leaves[a] = forge->leaves[b];
    forge->leaves[b] = leaf;
}

/* The last two leaves: tiles made again, notes as they were (0) or signed again (1). */
static void reorder(struct scene *s)
{
    scene_play(s, NULL);
    scene_keep_honest(s);
    swap(s->forge, s->forge->n_leaves - 1, s->forge->n_leaves - 2);
    if (s->variant > 0) {
        ent_forge_renumber(s->forge); /* places right again; times are not */
    }
    scene_resign(s, 0);
    scene_export(s, true);
    if (s->variant == 0) {
        scene_honest_notes(s);
    }
}

static enum ent_err twice(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;
    const struct ent_forge *forge = event->forge;

    if (event->frame->type == ENT_LEAF_CONFIG_SET && !s->done) {
        const struct ent_forge_leaf *leaf = &forge->leaves[forge->n_leaves - 1];

        s->done = true;
        return ent_forge_append_bytes(event->forge, (struct ent_bytes){leaf->bytes, leaf->len});
    }
    return ENT_E_OK;
}

/* In time, so that everybody cosigned it. */
static void duplicate(struct scene *s)
{
    scene_play(s, twice);
    scene_export(s, false);
}

/* Before the last leaf, numbered and signed again: seen by who has a head. */
static void insert(struct scene *s)
{
    const struct ent_forge_leaf *leaf;

    scene_play(s, NULL);
    leaf = &s->forge->leaves[s->forge->n_leaves - 2];
    ENT_OK(ent_forge_insert(s->forge, s->forge->n_leaves - 1,
                            scene_copy(s, (struct ent_bytes){leaf->bytes, leaf->len})));
    ent_forge_renumber(s->forge);
    s->forge->notes[s->forge->n_notes - 1].size++;
    scene_resign(s, 0);
    scene_head(s, s->other, s->other->n_notes - 1);
    scene_export(s, true);
}

/* ---- 4: two histories ---- */

static void other_head(struct scene *s, struct ent_header *header)
{
    const struct ent_forge *other = s->other;

    for (size_t i = 0; i < other->n_notes; i++) {
        if (other->notes[i].size == header->update.seen_size) {
            struct ent_note note;
            struct ent_checkpoint checkpoint;

            ENT_OK(ent_note_parse((const char *)other->notes[i].text.data, other->notes[i].text.len,
                                  &note));
            ENT_OK(ent_checkpoint_parse(note.text, note.text_len, &checkpoint));
            memcpy(header->update.seen_root, checkpoint.root, 32);
        }
    }
}

/* A join that says to have seen another head, signed by its member. */
static enum ent_err rejoin(struct scene *s, struct ent_forge_leaf_event *event,
                           scene_header_fn change)
{
    struct ent_leaf_round_join *leaf = &event->any->round_join;
    struct ent_leaf_statement said = {.header = leaf->header};
    struct ent_header header = {0}; /* only to hand the head to `change` */
    struct ent_msg_join join;
    struct ent_buf payload;

    ENT_TRY(ent_msg_join_decode(leaf->payload.data, leaf->payload.len, &s->arena, &join));
    header.update.seen_size = join.seen_size;
    change(s, &header);
    join.seen_size = header.update.seen_size;
    memcpy(join.seen_root, header.update.seen_root, sizeof join.seen_root);
    ent_buf_init(&payload, ENT_WIRE_PAYLOAD_MAX_BYTES);
    ENT_TRY(ent_msg_join_encode(&join, &payload));
    leaf->payload = scene_copy(s, (struct ent_bytes){payload.data, payload.len});
    ENT_TRY(ent_sha256(payload.data, payload.len, said.payload_sha256));
    ENT_TRY(ent_forge_sign(event->forge->members[event->member].statement, &said));
    memcpy(leaf->signature, said.signature, sizeof said.signature);
    ent_buf_release(&payload);
    return ENT_E_OK;
}

/* Member 4 was shown the other history: what it signs says so. All others take part in this one. */
static enum ent_err split(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (event->frame->type == ENT_LEAF_SOFTWARE_START) {
        event->any->software_start.elf[0] ^= 1;
    } else if (event->frame->type == ENT_LEAF_ROUND_JOIN && event->member == 4) {
        return rejoin(s, event, other_head);
    } else if (event->frame->type == ENT_LEAF_UPDATE_ACCEPT && event->member == 4) {
        scene_restate(s, &event->any->update_accept.update, other_head,
                      event->forge->members[4].statement);
    }
    return ENT_E_OK;
}

static void fork_log(struct scene *s)
{
    if (s->variant ==
        0) { /* four of five collude, which is a quorum; the fifth speaks against it */
        s->options.absent = 1u << 4;
        scene_play(s, split);
    } else if (s->variant == 1) { /* an auditor with a head of the other history */
        scene_play(s, NULL);
        scene_edit(s, s->forge->n_leaves - 1, edit_action);
        scene_resign(s, 0x1f); /* all of them: nobody else can tell */
        scene_head(s, s->other, s->other->n_notes - 1);
    } else { /* one bad witness, three that saw this: no quorum */
        scene_play(s, NULL);
        scene_edit(s, s->forge->n_leaves - 1, edit_action);
        scene_resign(s, 0x07);
    }
    scene_export(s, true);
}

/* ---- 5: times ---- */

static enum ent_err redate(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    if (event->frame->type == ENT_LEAF_ROUND_CLOSE && event->frame->round == 2) {
        if (s->variant == 0) {
            event->frame->time_ms -= UINT64_C(3600000);
        } else {
            event->frame->time_ms += UINT64_C(3600000);
        }
    }
    return ENT_E_OK;
}

static void date(struct scene *s)
{
    scene_play(s, redate);
    scene_export(s, false);
}

/* ---- 18: a second coordinator with the same log key ---- */

/* What its witnesses answer, and what two of its notes prove. */
static void ask_witness(struct scene *s, const struct ent_forge *forge, size_t note,
                        uint64_t old_size, enum ent_witness_status expected)
{
    const struct ent_forge_note *seen = &s->other->notes[s->other->n_notes - 1];
    struct ent_witness_request request = {.old_size = old_size,
                                          .note = (const char *)forge->notes[note].text.data,
                                          .note_len = forge->notes[note].text.len};
    struct ent_witness_state state = {.seen = true, .size = seen->size};
    struct ent_witness_verdict verdict;
    struct ent_checkpoint checkpoint;
    struct ent_vkey key;
    struct ent_note parsed;
    struct ent_buf body;

    ENT_OK(ent_note_parse((const char *)seen->text.data, seen->text.len, &parsed));
    ENT_OK(ent_checkpoint_parse(parsed.text, parsed.text_len, &checkpoint));
    memcpy(state.root, checkpoint.root, sizeof state.root);
    ENT_OK(ent_vkey_of(forge->origin, ENT_VKEY_LOG, forge->log_pub, &key));
    ent_buf_init(&body, ENT_WITNESS_BODY_MAX_BYTES);
    ENT_OK(ent_witness_write(&request, &body));
    ENT_OK(ent_witness_decide(&key, 1, &state, (const char *)body.data, body.len, &verdict));
    CU_ASSERT_EQUAL(verdict.status, expected);
    ent_buf_release(&body);
}

static void second_coordinator(struct scene *s)
{
    struct ent_forge_note *last;
    const struct ent_forge_note *seen;
    struct ent_vkey key;
    bool proved = false;

    scene_play(s, NULL);
    scene_keep_honest(s);
    scene_edit(s, s->forge->n_leaves - 1, edit_action);
    scene_resign(s, 0);
    last = &s->forge->notes[s->forge->n_notes - 1];
    seen = &s->other->notes[s->other->n_notes - 1];
    ask_witness(s, s->forge, s->forge->n_notes - 1, last->size, ENT_WITNESS_INCONSISTENT);
    ask_witness(s, s->forge, s->forge->n_notes - 1, 1, ENT_WITNESS_OTHER_OLD_SIZE);
    ENT_OK(ent_vkey_of(s->forge->origin, ENT_VKEY_LOG, s->forge->log_pub, &key));
    ENT_OK(ent_note_equivocation((const char *)last->text.data, last->text.len,
                                 (const char *)seen->text.data, seen->text.len, &key, &proved));
    CU_ASSERT(proved);
    if (s->variant == 0) { /* both notes in one export */
        scene_export(s, true);
        scene_honest_note(s, seen->size);
    } else {
        scene_head(s, s->other, s->other->n_notes - 1);
        scene_export(s, true);
    }
}

/* ---- 19: restored from an old copy, and gone on with ---- */

static void newest_head(struct scene *s, struct ent_header *header)
{
    header->update.seen_size = s->other->notes[s->other->n_notes - 1].size;
    other_head(s, header);
}

static enum ent_err went_on(void *ctx, struct ent_forge_leaf_event *event)
{
    struct scene *s = ctx;

    /* what members sign holds the newest head that they saw: of the history that was lost */
    return event->frame->type == ENT_LEAF_ROUND_JOIN && event->frame->round == BACK_AT
               ? rejoin(s, event, newest_head)
               : ENT_E_OK;
}

/* The log ends with `n` leaves, and with a note that nobody cosigns: 409, this history went back. */
static void end_at(struct ent_forge *forge, size_t n)
{
    struct ent_forge_rebuild with = {0};

    while (forge->n_leaves > n) {
        ent_forge_remove(forge, forge->n_leaves - 1);
    }
    while (forge->n_notes > 0 && forge->notes[forge->n_notes - 1].size > n) {
        ent_buf_release(&forge->notes[--forge->n_notes].text);
    }
    for (size_t i = 0; i < ATTACK_MEMBERS; i++) {
        forge->members[i].absent = true;
    }
    ENT_OK(ent_forge_rebuild(forge, &with));
}

static void restored(struct scene *s)
{
    scene_play(s, s->variant == 0 ? went_on : NULL);
    if (s->variant == 0) { /* the round was opened once more, and members joined */
        end_at(s->forge,
               ent_forge_find(s->forge, ENT_LEAF_UPDATE_ACCEPT, BACK_AT, ENT_FORGE_NOBODY, 0));
    } else { /* a member brings the head that it cosigned before */
        scene_head(s, s->other, s->other->n_notes - 1);
        end_at(s->forge, s->forge->n_leaves - 3);
        scene_act(s->forge, ENT_LOG_RECOVER);
    }
    ENT_OK(ent_forge_publish(s->forge));
    scene_export(s, true);
}

const struct attack attacks_log[] = {
    {0, "honest log", honest, 0, "", "", 0, ""},
    {0, "honest log, members that decline, are late, lose an update", honest, 1, "", "", 0, ""},
    {0, "honest log, updates sealed to the auditor", honest, 2, "", "", 0, ""},
    {0, "honest log of two runs", honest, 3, "", "", 0, "PASS"},
    {0, "honest log, a member leaves", honest, 4, "", "", 0, "PASS"},
    {0, "honest log, a second witness set", honest, 5, "", "", 0, "PASS"},
    {1, "leaf edited and tiles hashed again", edit_unsigned, 0, "V3", "V5", 1, ""},
    {1, "leaf edited in its bundle alone", edit_unsigned, 1, "V1 V3", "V5", 1, ""},
    {1, "leaf edited, all notes signed again", edit_signed, 0, "V12", "V5", 1, ""},
    {1, "the same, and a member's head", edit_signed, 1, "V6 V12", "V5", 1, ""},
    {2, "tail cut off, a member's head beyond it", cut_tail, 0, "V6", "", 1, ""},
    {2, "tail cut off, newest cosignature too old", cut_tail, 1, "", "V6", 3, ""},
    {3, "two leaves swapped", reorder, 0, "V2 V3", "V5", 1, ""},
    {3, "two leaves swapped, numbered and signed again", reorder, 1, "V2", "V5", 1, ""},
    {3, "leaf written twice, everybody cosigned", duplicate, 0, "V2", "", 1, ""},
    {3, "leaf inserted, numbered and signed again, a member's head", insert, 0, "V6", "V5", 1, ""},
    {4, "split view, a quorum colludes, one member does not", fork_log, 0, "V12", "", 1, ""},
    {4, "split view, all collude, a head of the other side", fork_log, 1, "V6", "", 1, ""},
    {4, "split view, one bad witness: no quorum", fork_log, 2, "", "V5", 3, ""},
    {5, "leaf backdated", date, 0, "V2", "", 1, ""},
    {5, "leaf postdated", date, 1, "V2", "", 1, ""},
    {18, "second coordinator: two notes of one size in an export", second_coordinator, 0, "V3",
     "V5", 1, ""},
    {18, "second coordinator: a member's head of the same size", second_coordinator, 1, "V6", "V5",
     1, ""},
    {19, "restored from an old copy: statements know more", restored, 0, "V12", "V5", 1, ""},
    {19, "restored from an old copy: a member's head beyond it", restored, 1, "V6", "V5", 1, ""},
};
const size_t n_attacks_log = ENT_ARRAY_LEN(attacks_log);
